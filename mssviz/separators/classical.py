"""Classical methods, which need no training, and the mixture itself: what a network must beat.

Sources: FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010; Rafii and
Pardo, "Music/voice separation using the similarity matrix", ISMIR 2012.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mssviz import masks
from mssviz._typing import AnyArray, Magnitude, Progress
from mssviz.errors import ParameterError
from mssviz.separation import MASK, MaskOptions, Run, Separation
from mssviz.separators.model import GRID, TWO_STEMS, Model, weightless
from mssviz.stft import Frames, magnitude


class Mixture(Model):
    """The mixture itself as the estimate of every stem: the score without any separation.

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
        """Begin a separation, as `Model.begin` does."""
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


#: Length of the median filters, in frames and in bins; librosa's own.
_HPSS_FRAMES = 31


def hpss(spectrum: Magnitude, length: int = _HPSS_FRAMES) -> tuple[Magnitude, Magnitude]:
    """Share a magnitude out between percussive and harmonic sound, by two median filters.

    Percussive sound is smooth along frequency, harmonic sound along time.

    Parameters
    ----------
    spectrum
        Magnitude of the mixture, ``(n_frames, n_bins, n_channels)``.
    length
        Length of both filters, in frames and in bins; an odd number.

    Returns
    -------
    percussive, harmonic : Magnitude
    """
    import librosa

    bins_first = np.moveaxis(spectrum, (0, 1, 2), (2, 1, 0))  # (channels, bins, frames)
    # of fewer frames than the filter is long, its median is wrong: mirror them, as it would itself
    missing = max(0, length - len(spectrum))
    mirrored = np.pad(bins_first, ((0, 0), (0, 0), (missing, missing)), "symmetric")
    shares = librosa.decompose.hpss(mirrored, kernel_size=length, mask=True, power=1.0)
    frames = slice(missing, missing + len(spectrum))
    harmonic, percussive = (np.moveaxis(s[:, :, frames], (0, 1, 2), (2, 1, 0)) for s in shares)
    return percussive * spectrum, harmonic * spectrum


def _repet_sim(spectrum: Magnitude) -> tuple[Magnitude, ...]:
    # the accompaniment repeats: keep of each frame what it shares with the frames most like it
    import librosa

    if len(spectrum) < 5:  # too few frames for one to be like another: all of it is the rest
        return np.zeros_like(spectrum), spectrum
    width = round(2 * GRID.sample_rate / GRID.hop_length)
    mono = spectrum.mean(axis=2).T
    if width >= (mono.shape[1] - 1) // 2:  # librosa refuses it
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
    """A classical method, which makes the magnitudes of stems from those of the mixture."""

    title: str
    targets: tuple[str, ...]
    separate: Callable[[Magnitude], tuple[Magnitude, ...]]
    power: float
    #: frames that are looked at together, and how many neighbours they need on either side
    n_frames: int
    margin: int = 0
    citation: str = ""


CLASSICAL = {
    "hpss": Method(
        "percussive against harmonic sound, by median filters", ("drums", "other"), hpss, 2.0,
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
        Name of the method. ``"hpss"`` gives drums and other, as percussive and harmonic sound.
        ``"repet-sim"`` gives vocals and accompaniment, as what does not and what does repeat within
        half a minute. ``"bands"`` gives bass and other, as what lies below and above 200 Hz.
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
        """Fill in the prediction, as `Model.fill` does."""
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
