"""The list of measures that comparisons, the explorer and the score view show of an estimate.

Every measure rewards something and hides something; the functions' docstrings say what.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mssviz import audio
from mssviz._checks import check_waveforms
from mssviz._measures import Scale, scale_of
from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.scores.boards import BleedMap, SiParts, bleed_map, l1_freq, log_wmse, si_parts, usdr
from mssviz.scores.signals import log_spectral_distance, mse_db, sd_sdr, si_sdr

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Judged:
    """What measures of a whole track look at: one estimate, and what it is held against.

    Parameters
    ----------
    reference, estimate
        True stem and its estimate, ``(n_samples, n_channels)``.
    sample_rate
        Sample rate, in hertz.
    others
        True waveforms of the other stems, by name.
    mixture
        Waveform that was separated.
    """

    reference: AnyArray
    estimate: AnyArray
    sample_rate: int
    others: Mapping[str, AnyArray]
    mixture: AnyArray

    @cached_property
    def parts(self) -> SiParts:
        """Energies of what is right, what other stems make up of the error, and the rest."""
        return si_parts(self.reference, self.estimate, self.others)

    @cached_property
    def bleed(self) -> BleedMap:
        """Levels of the estimate beside those of the true stem."""
        return bleed_map(self.reference, self.estimate, self.sample_rate)


@dataclass(frozen=True)
class Measure:
    """One measure of an estimate against the true stem.

    Parameters
    ----------
    help
        A few words beside the measure's name that say what it is about.
    whole
        Function that measures a whole track. None for the measures of BSS Eval, which are taken
        window by window, see `evaluate`.
    scale
        Unit of the values, and whether more or less is better.
    """

    help: str
    whole: Callable[[Judged], float] | None = None
    scale: Scale = field(default_factory=Scale)


_ALL: dict[str, tuple[str, Callable[[Judged], float] | None]] = {
    "SDR": ("all errors", None),
    "ISR": ("filtering and panning", None),
    "SIR": ("leakage of others", None),
    "SAR": ("artefacts", None),
    "uSDR": ("all errors of the whole song, as boards count", lambda j: usdr(*_pair(j))),
    "SI-SDR": ("all errors but a wrong level", lambda j: si_sdr(*_pair(j))),
    "SI-SIR": ("steady leakage of others", lambda j: j.parts.sir),
    "SI-SAR": ("all but steady leakage", lambda j: j.parts.sar),
    "SD-SDR": ("all errors, a wrong level most", lambda j: sd_sdr(*_pair(j))),
    "MSE": ("mean square error, less is better", lambda j: mse_db(*_pair(j))),
    "LSD": (
        "distance of levels in the spectrum, less is better",
        lambda j: log_spectral_distance(*_pair(j), j.sample_rate),
    ),
    "log-WMSE": (
        "errors as the ear weighs them, beside the mixture",
        lambda j: log_wmse(*_pair(j), j.mixture, j.sample_rate),
    ),
    "bleedless": ("nothing that is not its own", lambda j: j.bleed.bleedless),
    "fullness": ("nothing missing", lambda j: j.bleed.fullness),
    "L1Freq": ("magnitudes of loud places", lambda j: l1_freq(*_pair(j))),
}
MEASURES: Mapping[str, Measure] = {
    name: Measure(help_, whole, scale_of(name)) for name, (help_, whole) in _ALL.items()
}
#: Names of the measures of BSS Eval, which every window has.
OF_WINDOWS = tuple(name for name, measure in MEASURES.items() if measure.whole is None)
#: Names of the measures of a whole track.
OF_TRACKS = tuple(name for name, measure in MEASURES.items() if measure.whole is not None)


def of_track(judged: Judged) -> dict[str, float]:
    """Every measure of a whole track, by name."""
    return {
        name: measure.whole(judged)
        for name, measure in MEASURES.items()
        if measure.whole is not None
    }


def whole(
    references: Mapping[str, AnyArray],
    estimates: Mapping[str, AnyArray],
    sample_rate: int,
    mixture: AnyArray | None = None,
) -> "pd.DataFrame":
    """Every measure of whole signals, for each target.

    Parameters
    ----------
    references
        True stems ``(n_samples, n_channels)`` by target.
    estimates
        Estimates of the same shape, for the same targets.
    sample_rate
        Sample rate, in hertz.
    mixture
        Waveform that was separated; the sum of the true stems if left out.

    Returns
    -------
    DataFrame
        Index ``target``; a column for each of `OF_TRACKS`, in the unit that `MEASURES` has.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = {name: 0.1 * rng.normal(size=(44100, 2)) for name in ("vocals", "rest")}
    >>> halves = {name: 0.5 * stem for name, stem in true.items()}
    >>> table = mssviz.scores.whole(true, halves, 44100)
    >>> table.loc["vocals", ["uSDR", "bleedless", "fullness"]].round(1).tolist()
    [6.0, 100.0, 14.2]
    """
    import pandas as pd

    check_waveforms(references, "references")
    check_waveforms(estimates, "estimates")
    if not references or set(references) != set(estimates):
        raise ParameterError(
            "references and estimates must hold the same targets "
            f"(got {', '.join(references) or 'none'} and {', '.join(estimates) or 'none'})"
        )
    true = {
        target: audio.check_waveform(stem, f"reference {target}")
        for target, stem in references.items()
    }
    mixed = np.add.reduce(list(true.values())) if mixture is None else mixture
    rows = {
        target: of_track(
            Judged(stem, estimates[target], sample_rate, _without(true, target), mixed)
        )
        for target, stem in true.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("target")


def _without(stems: Mapping[str, AnyArray], target: str) -> dict[str, AnyArray]:
    return {name: stem for name, stem in stems.items() if name != target}


def _pair(judged: Judged) -> tuple[AnyArray, AnyArray]:
    return judged.reference, judged.estimate
