"""Models without weights: oracles, which know the true stems, and classical methods.

What a network is worth shows beside them: above is what a mask could reach at best, see `oracles`,
below what needs no training. They run through the same `Separation` as networks, so the same masks,
sliders, players and scores apply.

Sources: FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010; Rafii and
Pardo, "Music/voice separation using the similarity matrix", ISMIR 2012; Uhlich et al., ICASSP 2017
(blending).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mssviz import masks, oracles, presets
from mssviz._typing import AnyArray, Magnitude, PathLike, Progress
from mssviz.errors import ParameterError
from mssviz.oracles import GRID, TWO_STEMS, weightless
from mssviz.presets import Preset
from mssviz.separate import Model, Separator
from mssviz.separation import MASK, MaskChanges, MaskOptions, Run, Separation
from mssviz.stft import Frames, magnitude


def names() -> dict[str, str]:
    """Every model of this module that `find` knows, with a line that says what it is."""
    methods = {name: method.title for name, method in CLASSICAL.items()}
    ideal = {f"oracle:{name}": title for name, title in oracles.titles().items()}
    return {**ideal, "mixture": Mixture.title, **methods}


def find(name: PathLike, targets: Sequence[str] = TWO_STEMS, **options: object) -> Model:
    """Model by name: one of `names`, or else a `Separator`.

    Parameters
    ----------
    name
        As ``"oracle:IRM2"``, ``"hpss"`` or ``"spleeter:2stems"``.
    targets
        Of an oracle and of the mixture; other models have their own.
    options
        For a `Separator`: ``progress``, ``fetch``, and any of `MaskOptions`.

    Raises
    ------
    ParameterError
        If there is none of this name, or `MaskOptions` are given to a model that takes none.
    """
    text = str(name)
    given = [option for option in MaskChanges.__annotations__ if options.get(option)]
    if text in names() and given:
        raise ParameterError(
            f"{text} has its own masks and takes no options: leave out {', '.join(given)}"
        )
    if text in CLASSICAL:
        return Classical(text)
    if text == "mixture":
        return Mixture(targets)
    if text.startswith("oracle:"):
        return oracles.find(text.removeprefix("oracle:"), targets)
    return Separator(name, **options)  # type: ignore[arg-type]


# --- The mixture ------------------------------------------------------------------------------


class Mixture(Model):
    """The mixture itself as every stem's estimate: what no separation would score.

    Parameters
    ----------
    targets
        Names of the stems.
    """

    title = "the mixture as every estimate"
    kind = MASK

    def __init__(self, targets: Sequence[str] = TWO_STEMS) -> None:
        self.preset = weightless("mixture", self.title, targets)
        self.options = MaskOptions()

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """As `Model.begin`."""
        mixture = self.prepared(waveform, sample_rate)
        shape = (GRID.n_frames(len(mixture)), GRID.n_bins, self.preset.n_channels)

        def ones(start: int, stop: int) -> AnyArray:
            return np.ones((stop - start, *shape[1:]), np.float32)

        everything = Frames(shape, np.float32, ones)
        separation = self.separation(mixture, dict.fromkeys(self.targets, everything))

        def work(report: Progress) -> Iterator[slice]:
            seconds = len(mixture) / self.sample_rate
            report(seconds, seconds, "separate")
            yield slice(0, shape[0])

        return Run(separation, work)


# --- Classical methods ------------------------------------------------------------------------


def _hpss(spectrum: Magnitude) -> tuple[Magnitude, ...]:
    # percussion is smooth along frequency, harmonic sound along time
    import librosa

    bins_first = np.moveaxis(spectrum, (0, 1, 2), (2, 1, 0))  # (channels, bins, frames)
    harmonic, percussive = librosa.decompose.hpss(bins_first, mask=True, power=1.0)
    return tuple(
        np.moveaxis(share, (0, 1, 2), (2, 1, 0)) * spectrum for share in (percussive, harmonic)
    )


def _repet_sim(spectrum: Magnitude) -> tuple[Magnitude, ...]:
    # the accompaniment repeats: what a frame shares with the frames most like it
    import librosa

    width = round(2 * GRID.sample_rate / GRID.hop_length)
    mono = spectrum.mean(axis=2).T
    if mono.shape[1] < 2 * width:
        width = max(1, mono.shape[1] // 4)
    alike = librosa.segment.recurrence_matrix(mono, metric="cosine", width=width, sparse=True)
    repeating = np.stack(
        [
            librosa.decompose.nn_filter(spectrum[:, :, c].T, rec=alike, aggregate=np.median).T
            for c in range(spectrum.shape[2])
        ],
        axis=2,
    ).astype(np.float32)
    background = np.minimum(spectrum, repeating)
    return spectrum - background, background


def _bands(spectrum: Magnitude) -> tuple[Magnitude, ...]:
    low = (np.arange(spectrum.shape[1]) * GRID.sample_rate / GRID.n_fft < 200)[None, :, None]
    return spectrum * low, spectrum * ~low


@dataclass(frozen=True)
class Method:
    """A classical method: magnitudes of a mixture to those of its stems."""

    title: str
    targets: tuple[str, ...]
    separate: Callable[[Magnitude], tuple[Magnitude, ...]]
    power: float
    #: frames that are looked at together, and neighbours that are needed on either side
    n_frames: int
    margin: int = 0
    citation: str = ""


CLASSICAL = {
    "hpss": Method(
        "percussive against harmonic sound, by median filters", ("drums", "other"), _hpss, 2.0,
        512, 15, "FitzGerald, Harmonic/percussive separation using median filtering, DAFx 2010",
    ),
    "repet-sim": Method(
        "what repeats against what does not", TWO_STEMS, _repet_sim, 1.0, 1292, 0,
        "Rafii and Pardo, Music/voice separation using the similarity matrix, ISMIR 2012",
    ),
    "bands": Method("below against above 200 Hz", ("bass", "other"), _bands, 2.0, 512),
}  # fmt: skip


class Classical(Model):
    """A method that needs neither training nor true stems.

    Parameters
    ----------
    name
        ``"hpss"``: drums and other, as percussive and harmonic sound. ``"repet-sim"``: vocals
        and accompaniment, as what does not and what does repeat within half a minute.
        ``"bands"``: bass and other, as what lies below and above 200 Hz.
    """

    kind = MASK

    def __init__(self, name: str) -> None:
        if name not in CLASSICAL:
            raise ParameterError(f"no method {name!r}: choose one of {', '.join(CLASSICAL)}")
        self._method = CLASSICAL[name]
        method = self._method
        self.preset = weightless(name, method.title, method.targets, method.citation)
        self.options = MaskOptions()

    def fill(self, separation: Separation, progress: Progress) -> Iterator[slice]:
        """As `Model.fill`."""
        spectrum, method = separation.mixture_stft, self._method
        n_frames, seconds = spectrum.shape[0], len(separation.mixture) / self.sample_rate
        for start in range(0, n_frames, method.n_frames):
            stop = min(start + method.n_frames, n_frames)
            low, high = max(0, start - method.margin), min(n_frames, stop + method.margin)
            found = method.separate(magnitude(spectrum[low:high]))
            levels = {
                target: values[start - low : stop - low]
                for target, values in zip(self.targets, found, strict=True)
            }
            shares = masks.ratio_masks(levels, method.power)
            for target, mask in shares.items():
                separation.prediction.values[target][start:stop] = mask
            progress(seconds * stop / n_frames, seconds, "separate")
            yield slice(start, stop)


# --- Blending ---------------------------------------------------------------------------------


class Blend(Model):
    """Weighted mean of several models' outputs.

    Parameters
    ----------
    models
        Of the same targets and time-frequency grid.
    weights
        One for each model, 0 or more; scaled to a sum of 1. Equal if left out.

    Notes
    -----
    All estimates have the mixture's phase, so the mean of the outputs is the output of the mean
    mask. Models with a Wiener filter are blended by their effective masks.

    References
    ----------
    Uhlich et al., "Improving music source separation based on deep neural networks through data
    augmentation and network blending", ICASSP 2017.
    """

    kind = MASK

    def __init__(self, models: Sequence[Model], weights: Sequence[float] | None = None) -> None:
        weights = [1.0] * len(models) if weights is None else list(weights)
        if len(models) < 2 or len(weights) != len(models):
            raise ParameterError(
                f"a blend needs two or more models and a weight for each (got {len(models)} and "
                f"{len(weights)})"
            )
        if not sum(weights) > 0 or min(weights) < 0 or not np.isfinite(weights).all():
            raise ParameterError(f"weights must be 0 or more, with a sum above 0 (got {weights})")
        first = models[0].preset
        for model in models[1:]:
            if (model.targets, model.preset.stft) != (first.targets, first.stft):
                raise ParameterError(
                    f"{model.preset.name} and {first.name} differ in their targets or grid; blend "
                    "models that separate the same"
                )
        self.models = list(models)
        self.weights = [weight / sum(weights) for weight in weights]
        name = " + ".join(
            f"{weight:.2g} {model.preset.name}"
            for model, weight in zip(models, self.weights, strict=True)
        )
        self.preset = replace(
            weightless(name, "weighted mean of outputs", first.targets), stft=first.stft
        )
        self.options = MaskOptions()
        self.needs_references = any(model.needs_references for model in models)

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """As `Model.begin`."""
        separation = self.empty(self.prepared(waveform, sample_rate))
        runs = [model.begin(waveform, sample_rate, references) for model in self.models]

        def work(report: Progress) -> Iterator[slice]:
            for run in runs:
                run.finish(report)
            for run, weight in zip(runs, self.weights, strict=True):
                for frames, found in run.separation.masked():
                    for target, mask in found.items():
                        separation.prediction.values[target][frames] += np.float32(weight) * mask
            yield slice(0, separation.mixture_stft.shape[0])

        return Run(separation, work)


def describe(name: PathLike) -> Preset:
    """Description of one model, without fetching or loading anything.

    Raises
    ------
    ParameterError
        If there is none of this name.
    """
    return find(name).preset if str(name) in names() else presets.find(name)


def options_of(name: PathLike, changes: Mapping[str, Any]) -> MaskOptions:
    """How a model makes its masks, with some options replaced, without fetching or loading it.

    Raises
    ------
    ParameterError
        If there is no such model, or an option is out of range or would do nothing to it.
    """
    is_network = str(name) not in names()
    model = Separator.from_network(presets.find(name)) if is_network else find(name)
    return model.kind.change(model.options, changes, str(name))


def all_presets() -> dict[str, Preset]:
    """Descriptions of all models by name: networks first, then those of this module."""
    described = {name: find(name).preset for name in names()}
    return {**presets.shipped(), **described}
