"""Oracles: masks and filters made from the true stems, an upper bound of what can be reached.

There are two families, which must not be mixed in one table without saying so. `SisecOracle` is
what the organisers of SiSEC 2018 published: each source by itself against the mixture or against
the other sources, n_fft 2048, the accompaniment as the sum of the single estimates. `TargetOracle`
has the ideal masks of `masks` among the targets themselves, on the grid of Spleeter: what a perfect
network of this kind would reach.

Sources: Stöter, Liutkus and Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018,
with the organisers' code, github.com/sigsep/sigsep-mus-oracle, for the first family; Liutkus and
Badeau, "Generalized Wiener filtering with fractional power spectrograms", ICASSP 2015 (ratio
masks).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from mssviz import masks
from mssviz._stems import parts_of
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.masks import WienerModel
from mssviz.separation import MASK, SPECTRUM, Kind, MaskOptions, Run, Store
from mssviz.separators.blocks import N_FFT, blocks_of, spectrum_of, waveform_of
from mssviz.separators.model import GRID, TWO_STEMS, Model, weightless
from mssviz.stft import Frames, stft_frames


def oracle(kind: str, targets: Sequence[str] = TWO_STEMS) -> Model:
    """Find an oracle by its name without the ``oracle:`` before it.

    Raises
    ------
    ParameterError
        If there is no oracle of this name.
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
    """Name of SiSEC 2018's entry that is defined as this model is; None if there is none."""
    kind = name.removeprefix("oracle:")
    return kind if name.startswith("oracle:") and kind in _SISEC else None


class _Oracle(Model):
    needs_references = True

    def _checked(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None,
    ) -> tuple[Waveform, dict[str, Waveform], dict[str, list[str]]]:
        """The mixture, the sources by name, and the names of the sources of each target."""
        mixture = self.prepared(waveform, sample_rate)
        given = {} if references is None else references
        if not isinstance(given, Mapping):
            raise ParameterError(
                f"references must be a dict of true stems (got {type(given).__name__}); write "
                '{"vocals": waveform, …}'
            )
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

_EPS = np.finfo(np.float64).eps

#: STFTs of some frames: the mixture's, and every source's by name,
#: ``(n_frames, n_bins, n_channels)``.
_Spectra = tuple[AnyArray, dict[str, AnyArray]]
_Separate = Callable[[AnyArray, Mapping[str, AnyArray]], dict[str, AnyArray]]


class SisecOracle(_Oracle):
    """An oracle of SiSEC 2018, equal to the organisers' within 0.01 dB.

    Parameters
    ----------
    kind
        Name of the oracle. ``"IBM1"`` and ``"IBM2"`` are 1 where a source's magnitude, or power, is
        at least half of the mixture's. ``"IRM1"`` and ``"IRM2"`` are the source's share in the sum
        of all sources' magnitudes, or powers. ``"MWF"`` is the multichannel Wiener filter.
    targets
        Names of the stems.

    Notes
    -----
    The true stems are given as single sources; a target that is made of several, such as the
    accompaniment, is the sum of their estimates. So scores depend on which sources are known:
    SiSEC's were vocals, drums, bass and other. The sum of binary masks can exceed 1. The stems are
    made on a grid of their own, so the masks shown are the effective ones, and mask options do not
    apply.
    """

    kind = SPECTRUM

    def __init__(self, kind: str, targets: Sequence[str] = TWO_STEMS) -> None:
        self._oracle = _SISEC[kind]
        self.preset = weightless(f"oracle:{kind}", self._oracle.title, targets, _CITATION)
        self.options = MaskOptions()

    def fingerprint(self) -> str:
        """Everything that the result depends on, as `Model.fingerprint`, with the grid."""
        return f"{super().fingerprint()} n_fft {N_FFT}"

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Begin, as `Model.begin` does; `references` are the sources of the targets."""
        mixture, sources, parts = self._checked(waveform, sample_rate, references)
        store = Store()
        stems = {target: store.empty(mixture.shape) for target in self.targets}
        spectra = {target: stft_frames(stem, GRID) for target, stem in stems.items()}
        separation = self.separation(mixture, spectra, store)
        seconds, n_frames = len(mixture) / self.sample_rate, separation.mixture_stft.shape[0]

        def work(report: Progress) -> Iterator[slice]:
            def blocks(what: str) -> Iterator[tuple[slice, _Spectra]]:
                for samples, found in _blocks(mixture, sources):
                    yield samples, found
                    report(samples.stop / self.sample_rate, seconds, what)

            separate, done = self._oracle.fit(lambda: (found for _, found in blocks("measure"))), 0
            for samples, (spectrum, true) in blocks("separate"):
                estimates = separate(spectrum, true)
                for target, names in parts.items():
                    total = reduce(np.add, [estimates[name] for name in names])
                    stems[target][samples] = waveform_of(total, samples)
                is_last = samples.stop == len(mixture)
                complete = n_frames if is_last else samples.stop // GRID.hop_length + 1
                yield slice(done, complete)
                done = complete

        return Run(separation, work)


def _blocks(mixture: Waveform, sources: Mapping[str, Waveform]) -> Iterator[tuple[slice, _Spectra]]:
    """Go through a song in blocks of samples, with the spectra of all frames that reach into each.

    Neighbouring blocks share a frame.
    """
    for samples in blocks_of(len(mixture)):
        spectra = {name: spectrum_of(stem, samples) for name, stem in sources.items()}
        yield samples, (spectrum_of(mixture, samples), spectra)


def _binary(mixture: AnyArray, sources: Mapping[str, AnyArray], power: float) -> dict:
    level = _EPS + np.abs(mixture) ** power
    return {name: mixture * (np.abs(s) ** power / level >= 0.5) for name, s in sources.items()}


def _ratio(mixture: AnyArray, sources: Mapping[str, AnyArray], power: float) -> dict:
    powers = {name: np.abs(source) ** power for name, source in sources.items()}
    total = _EPS + reduce(np.add, powers.values())
    return {name: mixture * (level / total) for name, level in powers.items()}


@dataclass(frozen=True)
class _Wiener:
    """Spatial covariance of each source, ``(n_bins, n_channels, n_channels)``, by name."""

    covariances: Mapping[str, AnyArray]

    @classmethod
    def fit(cls, blocks: Callable[[], Iterable[_Spectra]]) -> "_Wiener":
        sums: dict[str, AnyArray] = {}
        n_frames = 0
        for i, (mixture, sources) in enumerate(blocks()):
            new = slice(min(i, 1), None)  # without the frame that it shares with the block before
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
    # The organisers' code was meant to divide by each bin's trace, but divides the columns by the
    # sums that NumPy's trace of the first two axes gives. The published scores come from it.
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
    #: takes the song's spectra, as a function that begins a new pass over their blocks, and gives
    #: the function that separates a block
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


#: Frames in a block of a pass over a song.
_FRAMES = 128


@dataclass(frozen=True)
class _OfTargets:
    title: str
    #: takes the song's spectra, as a function that begins a new pass over their blocks, and gives
    #: the function that predicts a block
    fit: Callable[[Callable[[], Iterable[_Spectra]]], _Separate]
    kind: Kind = MASK


def _binary_masks(_: AnyArray, true: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    return {t: masks.harden(m, 1, 0.5) for t, m in masks.ideal_ratio_masks(true).items()}


def _ratio_masks(_: AnyArray, true: Mapping[str, AnyArray], power: float) -> dict[str, AnyArray]:
    return masks.ideal_ratio_masks(true, power)


def _each(
    mixture: AnyArray,
    true: Mapping[str, AnyArray],
    mask: Callable[[AnyArray, AnyArray], AnyArray],
) -> dict[str, AnyArray]:
    return {target: mask(spectrum, mixture) for target, spectrum in true.items()}


def _wiener(blocks: Callable[[], Iterable[_Spectra]]) -> _Separate:
    model = WienerModel.oracle(lambda: ((true, mixture) for mixture, true in blocks()))

    def separate(mixture: AnyArray, true: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        return model.filter(true, mixture, np.stack(list(true.values()), axis=-1))

    return separate


_OF_TARGETS = {
    "IBM-targets": _OfTargets(
        "ideal binary mask: a target against all others together", lambda _: _binary_masks
    ),
    "IRM1-targets": _OfTargets(
        "ideal ratio mask of the targets' magnitudes", lambda _: partial(_ratio_masks, power=1)
    ),
    "IRM2-targets": _OfTargets(
        "ideal ratio mask of the targets' powers", lambda _: partial(_ratio_masks, power=2)
    ),
    "IAM": _OfTargets(
        "ideal amplitude mask", lambda _: partial(_each, mask=masks.ideal_amplitude_mask)
    ),
    "PSM": _OfTargets(
        "phase-sensitive mask", lambda _: partial(_each, mask=masks.phase_sensitive_mask)
    ),
    "MWF-targets": _OfTargets("multichannel Wiener filter of the true targets", _wiener, SPECTRUM),
}


class TargetOracle(_Oracle):
    """Masks, or a Wiener filter, of the true targets on Spleeter's grid.

    Parameters
    ----------
    kind
        Name of the oracle: ``"IBM-targets"``, ``"IRM1-targets"``, ``"IRM2-targets"``,
        ``"MWF-targets"``, ``"IAM"`` or ``"PSM"``; see `masks`.
    targets
        Names of the stems.
    """

    def __init__(self, kind: str, targets: Sequence[str] = TWO_STEMS) -> None:
        self._oracle = _OF_TARGETS[kind]
        self.preset = weightless(f"oracle:{kind}", self._oracle.title, targets)
        self.options, self.kind = MaskOptions(), self._oracle.kind

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Begin, as `Model.begin` does, with the true targets or the sources they are made of."""
        mixture, sources, parts = self._checked(waveform, sample_rate, references)
        spectrum = stft_frames(mixture, GRID)
        true = {
            target: stft_frames(reduce(np.add, [sources[name] for name in names]), GRID)
            for target, names in parts.items()
        }
        ideal = _Ideal(spectrum, true)
        values = {
            target: Frames(spectrum.shape, self.kind.dtype, partial(ideal.values, target))
            for target in self.targets
        }

        def work(report: Progress) -> Iterator[slice]:
            seconds = len(mixture) / self.sample_rate

            def blocks() -> Iterator[_Spectra]:
                for stop, block in ideal.blocks():
                    yield block
                    report(seconds * stop / len(spectrum), seconds, "measure")

            ideal.separate = self._oracle.fit(blocks)
            report(seconds, seconds, "separate")
            yield slice(0, len(spectrum))

        return Run(self.separation(mixture, values), work)


class _Ideal:
    """Predictions of all targets, which are made together as soon as one of them is looked at."""

    def __init__(self, mixture: Frames, true: Mapping[str, Frames]) -> None:
        self._mixture, self._true = mixture, true
        self.separate: _Separate | None = None  # until its statistics are known
        self._kept: tuple[tuple[int, int], dict[str, AnyArray]] | None = None

    def blocks(self) -> Iterator[tuple[int, _Spectra]]:
        """Go through the song's spectra in blocks, each with the frame before which it ends."""
        n_frames = len(self._mixture)
        for start in range(0, n_frames, _FRAMES):
            stop = min(start + _FRAMES, n_frames)
            yield stop, self._spectra(start, stop)

    def values(self, target: str, start: int, stop: int) -> AnyArray:
        """Predict a target for some frames."""
        if self.separate is None:
            return np.zeros((stop - start, *self._mixture.shape[1:]), np.float32)
        kept = self._kept
        if kept is None or kept[0] != (start, stop):
            kept = (start, stop), self.separate(*self._spectra(start, stop))
            self._kept = kept
        return kept[1][target]

    def _spectra(self, start: int, stop: int) -> _Spectra:
        true = {target: frames[start:stop] for target, frames in self._true.items()}
        return self._mixture[start:stop], true
