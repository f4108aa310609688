"""What a model predicts, and what can be made of it: four kinds that must not be confused.

=============== ========= ============================================ =========================
kind            type      values                                       models
=============== ========= ============================================ =========================
magnitude       float32   linear, 0 or more                            Spleeter, Open-Unmix
mask            float32   in [0, 1]                                    ideal masks, classical
complex mask    complex64 of any level, with a turn of the phase       networks of complex masks
spectrum        complex64 a stem's STFT                                networks of waveforms
=============== ========= ============================================ =========================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mssviz._typing import AnyArray, Magnitude, Stft
from mssviz.errors import ParameterError
from mssviz.separation.options import (
    MaskOptions,
    changed,
    described_options,
    given_options,
    switched_on,
)
from mssviz.stft import magnitude


@dataclass(frozen=True)
class Kind:
    """A kind of prediction.

    Parameters
    ----------
    name
        Name in the table above.
    dtype
        Type of the predicted values.
    options
        Names of the mask options that apply to this kind.
    reason
        Reason why all other options do nothing.
    turns
        Whether stems have a phase other than the mixture's.
    """

    name: str
    dtype: Any
    options: frozenset[str]
    reason: str = ""
    turns: bool = False

    def is_filter(self, options: MaskOptions) -> bool:
        """Whether stems are more than masks in [0, 1] on the mixture: those of a Wiener filter are.

        Then a complex mask says what is done to the mixture, see `masks.complex_mask`.
        """
        return self.turns or bool(options.mwf and "mwf" in self.options)

    def usable(self, options: MaskOptions) -> frozenset[str]:
        """Names of the options that have an effect while the others stay as they are."""
        return self.options & {"mwf"} if options.mwf else self.options

    def change(self, options: MaskOptions, changes: Mapping[str, Any], model: str) -> MaskOptions:
        """Replace some of the options, if that has an effect.

        Parameters
        ----------
        options
            Options before the change.
        changes
            New values by name, as in `changed`.
        model
            Name of the model, for messages.

        Raises
        ------
        ParameterError
            If there is no such option, its value is out of range, or it would do nothing.
        """
        given = given_options(changes)
        after = changed(options, given)
        idle = switched_on((name for name in given if name not in self.options), after)
        if idle:
            raise ParameterError(
                f"{model}: {', '.join(idle)} would do nothing, as {self.reason}; leave it out"
            )
        idle = switched_on((name for name in given if name not in self.usable(after)), after)
        if idle:
            raise ParameterError(
                f"{model}: {', '.join(idle)} would do nothing, as the Wiener filter (mwf="
                f"{after.mwf}) replaces the masks; leave it out, or give mwf=0"
            )
        return after


_ALL = frozenset(described_options())
MAGNITUDE = Kind("magnitude", np.float32, _ALL)
MASK = Kind("mask", np.float32, _ALL - {"power"}, "its masks are given and not ratios")
COMPLEX_MASK = Kind(
    "complex mask",
    np.complex64,
    frozenset({"bandwidth"}),
    "its masks turn the phase, too",
    turns=True,
)
SPECTRUM = Kind(
    "spectrum",
    np.complex64,
    frozenset(),
    "its stems have a phase of their own, which no soft mask makes",
    turns=True,
)


def magnitudes_of(kind: Kind, values: AnyArray, mixture: Stft) -> Magnitude:
    """Magnitudes that a prediction stands for, whatever its kind.

    Parameters
    ----------
    kind
        Kind of the prediction.
    values
        Predicted values of one target, ``(n_frames, n_model_bins, n_channels)``.
    mixture
        STFT of the mixture in the same bins.

    Returns
    -------
    Magnitude
        Magnitudes ``(n_frames, n_model_bins, n_channels)``, linear.
    """
    if kind is MAGNITUDE:
        return values
    if kind is SPECTRUM:
        return magnitude(values)
    return np.abs(values) * magnitude(mixture)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of a song.

    Parameters
    ----------
    kind
        Kind of the values.
    values
        Arrays or `Frames` ``(n_frames, n_model_bins, n_channels)``, by target.
    """

    kind: Kind
    values: Mapping[str, Any]
