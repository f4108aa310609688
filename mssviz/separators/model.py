"""What all that separates has in common, whether it is trained or knows the true stems."""

import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mssviz import audio
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import AudioError, ParameterError
from mssviz.presets import WEIGHTLESS, Preset, Weights
from mssviz.separation import MAGNITUDE, Kind, MaskOptions, Prediction, Run, Separation, Store
from mssviz.stft import StftParams

TWO_STEMS = ("vocals", "accompaniment")
#: Grid of models without weights: that of most networks, so that their masks can be compared.
GRID = StftParams()


class Model:
    """Anything that separates mixtures: a network, a classical method, an oracle or a blend.

    Attributes
    ----------
    preset : Preset
        Targets, time-frequency grid and description of the model.
    options : MaskOptions
        Options by which its masks are made.
    kind : Kind
        Kind of what it predicts.
    """

    preset: Preset
    options: MaskOptions
    kind: Kind = MAGNITUDE
    #: Whether it needs the true stems, as oracles do.
    needs_references = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.preset.targets

    @property
    def sample_rate(self) -> int:
        """Sample rate that the model works at, in hertz."""
        return self.preset.stft.sample_rate

    def fingerprint(self) -> str:
        """Everything besides the sound that the result depends on, as text."""
        return f"{self.preset.method} {self.options}"

    def separate(
        self,
        waveform: AnyArray,
        sample_rate: int,
        progress: bool | Progress = True,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Separation:
        """Separate a waveform and keep every intermediate result.

        Parameters
        ----------
        waveform
            Waveform ``(n_samples, n_channels)`` or ``(n_samples,)``, floating point in [-1, 1].
        sample_rate
            Sample rate of the waveform, in hertz.
        progress
            True for a bar, False for none, or a callback ``(seconds done, seconds in all, what)``.
            What it raises, such as `Cancelled`, stops the work.
        references
            True stems by name, as long as `waveform`: those of the targets, or the sources that the
            targets are made of, as in `datasets.to_targets`. Only oracles use and need them.

        Returns
        -------
        Separation

        Raises
        ------
        AudioError
            If the waveform cannot be used; see `audio.check_waveform`.
        ParameterError
            If the arguments are no waveform and no sample rate, or this is an oracle and
            `references` do not make up its targets.
        """
        return self.begin(waveform, sample_rate, references).finish(progress)

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Prepare a separation of which nothing has been predicted yet.

        Parameters, errors
            The same as for `separate`.
        """
        separation = self.empty(self.prepared(waveform, sample_rate))
        return Run(separation, lambda report: self.fill(separation, report))

    def empty(self, mixture: Waveform) -> Separation:
        """An empty separation of a waveform from `prepared`, in which all predictions are 0."""
        n_frames = self.preset.stft.n_frames(len(mixture))
        shape = (n_frames, self.preset.model_bins, self.preset.n_channels)
        store = Store()
        values = {target: store.empty(shape, self.kind.dtype) for target in self.targets}
        return self.separation(mixture, values, store)

    def separation(
        self, mixture: Waveform, values: Mapping[str, Any], store: Store | None = None
    ) -> Separation:
        """A separation of a mixture, given what the model predicts of every target."""
        prediction = Prediction(self.kind, values)
        return Separation(self.preset, mixture, prediction, self.options, store or Store())

    def prepared(self, waveform: AnyArray, sample_rate: int, name: str = "waveform") -> Waveform:
        """Check a waveform and convert it to the model's channels and sample rate."""
        _check_arguments(waveform, sample_rate, name)
        sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
        checked = audio.to_channels(audio.check_waveform(waveform, name), self.preset.n_channels)
        audio.warn_of_integers(checked, name)
        resampled = audio.resample(checked, sample_rate, self.sample_rate)
        if not len(resampled):
            raise AudioError(f"{name} is shorter than one sample at {self.sample_rate} Hz")
        return resampled

    def fill(self, separation: Separation, progress: Progress) -> Iterator[slice]:
        """Fill in the prediction of a separation from `empty`, a few frames at a time.

        Parameters
        ----------
        separation
            Separation whose prediction is written to.
        progress
            Callback that gets the seconds done and the seconds in all.

        Yields
        ------
        slice
            The frames that have just been filled in.
        """
        raise NotImplementedError


def weightless(name: str, title: str, targets: Sequence[str], citation: str = "") -> Preset:
    """Description of a model without weights."""
    if isinstance(targets, str):
        raise ParameterError(f"targets must be a list (got {targets!r}); write [{targets!r}]")
    return Preset(
        name=name,
        title=title,
        targets=tuple(targets),
        stft=GRID,
        patch_frames=512,
        model_bins=GRID.n_bins,
        n_channels=2,
        mask_power=2.0,
        mask_extension="zeros",
        model={},
        weights=Weights(format=WEIGHTLESS, folder="", files={}),
        licence="MIT",
        training_data="none",
        trained_on_test="no",
        citation=citation,
    )


def _check_arguments(waveform: Any, sample_rate: Any, name: str) -> None:
    # numpy would take a path, or what `load_audio` returns, for an array, and complain of its shape
    wanted = f"{name} must be an array (n_samples, n_channels)"
    if isinstance(waveform, str | os.PathLike):
        raise ParameterError(
            f"{wanted} (got the path {str(waveform)!r}); read it with mssviz.load_audio, or call "
            "mssviz.separate_files for stems in files"
        )
    if not isinstance(sample_rate, numbers.Real):
        raise ParameterError(
            f"sample_rate must be a number of hertz (got {type(sample_rate).__name__}); it comes "
            "second: separate(waveform, sample_rate)"
        )
    try:
        is_array = np.ndim(waveform) > 0
    except ValueError:  # rows of unequal lengths
        is_array = False
    if not is_array:
        raise ParameterError(
            f"{wanted} (got {type(waveform).__name__}); give it as in waveform, sample_rate = "
            "mssviz.load_audio(path)"
        )
