"""Oracles: what masks and filters reach that are made from the true stems, an upper bound.

Two families that must not be mixed in one table without saying so. `SisecOracle` holds what the
organisers of SiSEC 2018 published: each source by itself against the mixture or against the other
sources, n_fft 2048, the accompaniment as the sum of the single estimates. `TargetOracle` holds the
ideal masks of `masks` among the targets themselves, on the grid of Spleeter: what a perfect network
of this kind would reach.

Sources: Stöter, Liutkus and Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018,
with the organisers' code, github.com/sigsep/sigsep-mus-oracle, for the first; Liutkus and Badeau,
"Generalized Wiener filtering with fractional power spectrograms", ICASSP 2015 (ratio masks).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

import numpy as np

from mssviz import masks
from mssviz._progress import reporter
from mssviz._stems import parts_of
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.presets import Preset, Weights
from mssviz.separate import Model
from mssviz.separation import (
    Frames,
    GivenMasks,
    Masker,
    MaskOptions,
    OracleWiener,
    Separation,
    Store,
    stft_frames,
)
from mssviz.stft import StftParams, magnitude

TWO_STEMS = ("vocals", "accompaniment")
#: Of models without weights: that of most networks, so that they can be laid over each other.
GRID = StftParams()


def find(kind: str, targets: Sequence[str] = TWO_STEMS) -> Model:
    """Oracle by name, without the ``oracle:`` before it.

    Raises
    ------
    ParameterError
        If there is none of this name.
    """
    if kind in _SISEC:
        return SisecOracle(kind, targets)
    if kind in _OF_TARGETS:
        return TargetOracle(kind, targets)
    also = ""
    if kind == "IBM":
        also = "; IBM1 compares magnitudes and IBM2 powers, as SiSEC did"
    raise ParameterError(f"no oracle {kind!r}: choose one of {', '.join(titles())}{also}")


def titles() -> dict[str, str]:
    """Every oracle, without the ``oracle:`` before its name, with a line that says what it is."""
    kinds: dict[str, _Sisec | _OfTargets] = {**_SISEC, **_OF_TARGETS}
    return {name: kind.title for name, kind in kinds.items()}


def published_as(name: str) -> str | None:
    """SiSEC 2018's entry that is defined as the model of this name, such as ``oracle:IRM2``."""
    kind = name.removeprefix("oracle:")
    return kind if name.startswith("oracle:") and kind in _SISEC else None


class GivesWaveforms(Preset):
    """Description of a model without weights whose stems come with a phase of their own."""

    @property
    def signal(self) -> str:
        """As `Preset.signal`."""
        return "waveform"


def weightless(
    name: str,
    title: str,
    targets: Sequence[str],
    citation: str = "",
    kind: type[Preset] = Preset,
) -> Preset:
    """Description of a model without weights."""
    return kind(
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
        weights=Weights(format="none", folder="", files={}),
        licence="MIT",
        citation=citation,
    )


class Ready(Model):
    """A model that has nothing left to do once it has begun."""

    def proceed(self, separation: Separation, progress: bool | Progress = True) -> Iterator[slice]:
        """As `Model.proceed`."""
        seconds = len(separation.mixture) / self.sample_rate
        with reporter(progress) as report:
            report(seconds, seconds, "separate")
        yield slice(0, separation.mixture_stft.shape[0])


class _Oracle(Model):
    needs_references = True

    def _checked(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None,
    ) -> tuple[Waveform, dict[str, Waveform], dict[str, list[str]]]:
        """Mixture, source to its waveform, target to the sources that it is made of."""
        mixture = self.prepared(waveform, sample_rate)
        given = references or {}
        parts = parts_of(self.targets, given)
        if parts is None:
            raise ParameterError(
                f"{self.preset.name} needs the true stems {', '.join(self.targets)}, or what they "
                f"are made of (got {', '.join(given) or 'none'})"
            )
        sources = {name: self.prepared(given[name], sample_rate, name) for name in given}
        for name, stem in sources.items():
            if len(stem) != len(mixture):
                raise ParameterError(
                    f"the true {name} must be as long as the mixture, {len(mixture)} samples "
                    f"(got {len(stem)})"
                )
        return mixture, sources, parts


# --- SiSEC's ----------------------------------------------------------------------------------

#: Window of the organisers' STFT, SciPy's with its defaults: Hann, half of it from frame to frame.
N_FFT = 2048
_HOP = N_FFT // 2
#: Hops that are looked at together, 6 s.
_BLOCK = 256
_EPS = np.finfo(np.float64).eps

#: Of some frames: the mixture's STFT and every source's, ``(n_frames, n_bins, n_channels)``.
_Spectra = tuple[AnyArray, dict[str, AnyArray]]
_Separate = Callable[[AnyArray, Mapping[str, AnyArray]], dict[str, AnyArray]]


class SisecOracle(_Oracle):
    """An oracle of SiSEC 2018, equal to the organisers' to 0.01 dB.

    Parameters
    ----------
    kind
        ``"IBM1"``, ``"IBM2"``: 1 where a source's magnitude, or power, is at least half of the
        mixture's; ``"IRM1"``, ``"IRM2"``: its share in the sum of all sources' magnitudes, or
        powers; ``"MWF"``: multichannel Wiener filter.
    targets
        Names of the stems.

    Notes
    -----
    True stems are given as single sources; a target that is made of several, such as the
    accompaniment, is the sum of their estimates. So scores depend on which sources are known:
    SiSEC's were vocals, drums, bass and other. The sum of binary masks can exceed 1, and stems are
    made on a grid of their own: shown are the effective masks, and mask options do not apply.
    """

    def __init__(self, kind: str, targets: Sequence[str] = TWO_STEMS) -> None:
        self._kind = _SISEC[kind]
        self.preset = weightless(
            f"oracle:{kind}", self._kind.title, targets, _CITATION, GivesWaveforms
        )
        self.options = MaskOptions()

    def fingerprint(self) -> str:
        """As `Model.fingerprint`, with the grid."""
        return f"{super().fingerprint()} n_fft {N_FFT}"

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Separation:
        """As `Model.begin`; `references` are the sources that the targets are made of."""
        mixture, sources, parts = self._checked(waveform, sample_rate, references)
        store = Store()
        stems = {target: store.empty(mixture.shape) for target in self.targets}
        store.cache["oracle"] = sources, parts, stems
        spectra = {target: stft_frames(stem, GRID) for target, stem in stems.items()}
        return Separation(self.preset, mixture, spectra, self.options, store, self.make_masker)

    def proceed(self, separation: Separation, progress: bool | Progress = True) -> Iterator[slice]:
        """As `Model.proceed`."""
        sources, parts, stems = separation.store.cache.pop("oracle")
        mixture, n_frames = separation.mixture, separation.mixture_stft.shape[0]
        seconds, done = len(mixture) / self.sample_rate, 0
        with reporter(progress) as report:

            def blocks(what: str) -> Iterator[tuple[slice, _Spectra]]:
                for samples, spectra in _blocks(mixture, sources):
                    yield samples, spectra
                    report(samples.stop / self.sample_rate, seconds, what)

            separate = self._kind.fit(lambda: (spectra for _, spectra in blocks("measure")))
            for samples, (spectrum, true) in blocks("separate"):
                estimates = separate(spectrum, true)
                for target, names in parts.items():
                    total = reduce(np.add, [estimates[name] for name in names])
                    stems[target][samples] = _inverse_stft(total)[: samples.stop - samples.start]
                is_last = samples.stop == len(mixture)
                complete = n_frames if is_last else samples.stop // GRID.hop_length + 1
                yield slice(done, complete)
                done = complete


def _blocks(mixture: Waveform, sources: Mapping[str, Waveform]) -> Iterator[tuple[slice, _Spectra]]:
    """A song's samples, block by block, with the spectra of all frames that reach into them.

    Neighbouring blocks share a frame.
    """
    for start in range(0, len(mixture), _BLOCK * _HOP):
        samples = slice(start, min(start + _BLOCK * _HOP, len(mixture)))
        spectra = {name: _stft(stem, samples) for name, stem in sources.items()}
        yield samples, (_stft(mixture, samples), spectra)


def _stft(waveform: Waveform, samples: slice) -> AnyArray:
    import scipy.signal

    # frames are centred at whole hops, before and after the song is silence
    stop = samples.start - (samples.start - samples.stop) // _HOP * _HOP
    first, last = samples.start - _HOP, stop + _HOP
    piece = waveform[max(0, first) : last].astype(np.float64)
    around = (max(0, -first), max(0, last - len(waveform)))
    padded = np.pad(piece, (around, (0, 0)))
    spectra = scipy.signal.stft(padded, nperseg=N_FFT, boundary=None, padded=False, axis=0)[2]
    return np.moveaxis(spectra, -1, 0)  # (bins, channels, frames) -> (frames, bins, channels)


def _inverse_stft(spectrum: AnyArray) -> AnyArray:
    import scipy.signal

    return scipy.signal.istft(spectrum, nperseg=N_FFT, time_axis=0, freq_axis=1)[1]


def _binary(mixture: AnyArray, sources: Mapping[str, AnyArray], power: float) -> dict:
    level = _EPS + np.abs(mixture) ** power
    return {name: mixture * (np.abs(s) ** power / level >= 0.5) for name, s in sources.items()}


def _ratio(mixture: AnyArray, sources: Mapping[str, AnyArray], power: float) -> dict:
    powers = {name: np.abs(source) ** power for name, source in sources.items()}
    total = _EPS + reduce(np.add, powers.values())
    return {name: mixture * (level / total) for name, level in powers.items()}


@dataclass(frozen=True)
class _Wiener:
    """Source to its spatial covariance ``(n_bins, n_channels, n_channels)``."""

    covariances: Mapping[str, AnyArray]

    @classmethod
    def fit(cls, blocks: Callable[[], Iterable[_Spectra]]) -> "_Wiener":
        sums: dict[str, AnyArray] = {}
        n_frames = 0
        for i, (mixture, sources) in enumerate(blocks()):
            new = slice(min(i, 1), None)  # without the frame that the block before had, too
            n_frames += len(mixture[new])
            for name, source in sources.items():
                y = source[new]
                scaled = y / (_EPS + np.square(np.abs(y)).mean(axis=2, keepdims=True))
                found = np.einsum("tfc,tfd->fcd", scaled, y.conj(), optimize=True)
                sums[name] = sums.get(name, 0) + found
        return cls({name: _normalised(total / n_frames) for name, total in sums.items()})

    def __call__(self, mixture: AnyArray, sources: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        powers = {}
        covariance = np.zeros((), complex)
        for name, y in sources.items():
            inverse = _inverse_of_2_by_2(self.covariances[name])
            explained = np.einsum("tfc,fcd,tfd->tf", y.conj(), inverse, y, optimize=True)
            powers[name] = explained.real / y.shape[2]
            covariance = covariance + powers[name][..., None, None] * self.covariances[name]
        whitened = np.einsum("tfcd,tfd->tfc", _inverse_of_2_by_2(covariance), mixture)
        return {
            name: power[..., None] * np.einsum("fcd,tfd->tfc", self.covariances[name], whitened)
            for name, power in powers.items()
        }


def _normalised(covariance: AnyArray) -> AnyArray:
    # The organisers' code meant to divide by each bin's trace and divides the columns by the sums
    # that NumPy's trace of the first two axes gives. The published scores come from it.
    n_channels = covariance.shape[2]
    trace = np.trace(covariance)
    scaled = np.zeros_like(covariance)
    np.divide(covariance * n_channels, trace, out=scaled, where=trace != 0)
    return scaled + _EPS * np.eye(n_channels)


def _inverse_of_2_by_2(matrices: AnyArray) -> AnyArray:
    a, b = matrices[..., 0, 0], matrices[..., 0, 1]
    c, d = matrices[..., 1, 0], matrices[..., 1, 1]
    adjugate = np.stack([np.stack([d, -b], axis=-1), np.stack([-c, a], axis=-1)], axis=-2)
    return adjugate / (_EPS + a * d - b * c)[..., None, None]


@dataclass(frozen=True)
class _Sisec:
    title: str
    #: the song's spectra, block by block, for each pass, to what separates a block
    fit: Callable[[Callable[[], Iterable[_Spectra]]], _Separate]


_CITATION = "Stöter, Liutkus and Ito, The 2018 signal separation evaluation campaign, LVA/ICA 2018"
_SISEC = {
    "IBM1": _Sisec(
        "SiSEC 2018's ideal binary mask of magnitudes", lambda _: partial(_binary, power=1)
    ),
    "IBM2": _Sisec("SiSEC 2018's ideal binary mask of powers", lambda _: partial(_binary, power=2)),
    "IRM1": _Sisec(
        "SiSEC 2018's ideal ratio mask of magnitudes", lambda _: partial(_ratio, power=1)
    ),
    "IRM2": _Sisec("SiSEC 2018's ideal ratio mask of powers", lambda _: partial(_ratio, power=2)),
    "MWF": _Sisec("SiSEC 2018's multichannel Wiener filter of the true stems", _Wiener.fit),
}


# --- Among the targets ------------------------------------------------------------------------


@dataclass(frozen=True)
class _OfTargets:
    title: str
    options: MaskOptions = field(default_factory=MaskOptions)
    make_masker: Callable[..., Masker] = Masker
    #: (true stem's STFT, mixture's STFT) to what the masker takes
    prepare: Callable[[AnyArray, AnyArray], AnyArray] = lambda true, _: magnitude(true)


_OF_TARGETS = {
    "IBM-targets": _OfTargets(
        "ideal binary mask: a target against all others together",
        MaskOptions(power=2, hardness=1),
    ),
    "IRM1-targets": _OfTargets("ideal ratio mask of the targets' magnitudes", MaskOptions(power=1)),
    "IRM2-targets": _OfTargets("ideal ratio mask of the targets' powers", MaskOptions(power=2)),
    "IAM": _OfTargets(
        "ideal amplitude mask", make_masker=GivenMasks, prepare=masks.ideal_amplitude_mask
    ),
    "PSM": _OfTargets(
        "phase-sensitive mask", make_masker=GivenMasks, prepare=masks.phase_sensitive_mask
    ),
    "MWF-targets": _OfTargets(
        "multichannel Wiener filter of the true targets",
        make_masker=OracleWiener,
        prepare=lambda true, _: true,
    ),
}


class TargetOracle(Ready, _Oracle):
    """Masks, or a Wiener filter, of the true targets on Spleeter's grid.

    Parameters
    ----------
    kind
        ``"IBM-targets"``, ``"IRM1-targets"``, ``"IRM2-targets"``, ``"MWF-targets"``, ``"IAM"`` or
        ``"PSM"``; see `masks`.
    targets
        Names of the stems.
    """

    def __init__(self, kind: str, targets: Sequence[str] = TWO_STEMS) -> None:
        self._kind = _OF_TARGETS[kind]
        self.preset = weightless(f"oracle:{kind}", self._kind.title, targets)
        self.options = self._kind.options

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Separation:
        """As `Model.begin`; `references` are the targets', or the sources they are made of."""
        mixture, sources, parts = self._checked(waveform, sample_rate, references)
        spectrum = stft_frames(mixture, GRID)

        def of(names: Sequence[str]) -> Frames:
            frames = stft_frames(reduce(np.add, [sources[name] for name in names]), GRID)

            def compute(start: int, stop: int) -> AnyArray:
                return self._kind.prepare(frames[start:stop], spectrum[start:stop])

            return Frames(frames.shape, np.complex64, compute)

        magnitudes = {target: of(names) for target, names in parts.items()}
        return Separation(
            self.preset, mixture, magnitudes, self.options, Store(), self._kind.make_masker
        )
