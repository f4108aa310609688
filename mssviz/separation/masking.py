"""From predictions to masks and stems, in the way that each kind of prediction needs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from mssviz import masks
from mssviz._typing import Mask, Stft, Waveform
from mssviz.errors import ParameterError
from mssviz.masks import WienerModel
from mssviz.separation.options import MaskOptions
from mssviz.separation.prediction import (
    COMPLEX_MASK,
    MAGNITUDE,
    MASK,
    SPECTRUM,
    Kind,
    magnitudes_of,
)
from mssviz.separation.segments import Segment
from mssviz.stft import OverlapAdd, StftParams


class Masker:
    """Makes masks and masked spectra of the segments of a prediction.

    Parameters
    ----------
    kind
        Kind of the prediction: a magnitude or a mask.
    options
        Options by which masks are made.
    params
        Time-frequency grid of the segments.
    segments
        Function that begins a new pass over the whole song; needed by the Wiener filter alone.

    Attributes
    ----------
    is_filter : bool
        Whether spectra are more than masks in [0, 1] on the mixture, see `Kind.is_filter`.

    Notes
    -----
    Segments must come with the margins that the options ask for; see `with_margins`.
    """

    def __init__(
        self,
        kind: Kind,
        options: MaskOptions,
        params: StftParams,
        segments: Callable[[], Iterable[Segment]] | None = None,
    ) -> None:
        self.kind, self.options, self._params = kind, options, params
        self._wiener: WienerModel | None = None
        self.is_filter = kind.is_filter(options)
        if self.is_filter and not kind.turns:
            if segments is None:
                raise ParameterError(
                    "the Wiener filter needs the whole song before its first block"
                )
            self._wiener = WienerModel.fit(
                lambda: ((self._magnitudes(s), s.model_band) for s in segments()), options.mwf
            )

    def masks(self, segment: Segment) -> dict[str, Mask]:
        """Masks of the full band; of a filter, its effect on levels: ``|Y| / |X|``, cut at 1."""
        if self.is_filter:
            mixture = segment.core(segment.mixture)
            return {
                name: masks.ideal_amplitude_mask(spectrum, mixture)
                for name, spectrum in self.spectra(segment).items()
            }
        options, n_bins = self.options, segment.mixture.shape[1]
        neighbours = options.margin(self._params)
        found = {}
        for name, mask in self._shares(segment).items():
            mask = segment.core(masks.smooth(mask, neighbours))
            mask = masks.harden(mask, options.hardness, options.threshold)
            found[name] = masks.extend(mask[:, : self._n_used(n_bins)], n_bins, options.extension)
        return found

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """STFTs ``(n_frames, n_bins, n_channels)`` by target."""
        if self._wiener:
            filtered = self._wiener.filter(self._magnitudes(segment), segment.model_band)
            return {name: segment.core(_widened(y, segment)) for name, y in filtered.items()}
        mixture = segment.core(segment.mixture)
        return {name: masks.apply(mask, mixture) for name, mask in self.masks(segment).items()}

    def _shares(self, segment: Segment) -> Mapping[str, Mask]:
        if self.kind is MASK:
            return segment.values
        return masks.ratio_masks(segment.values, self.options.power)

    def _magnitudes(self, segment: Segment) -> dict[str, Mask]:
        band = segment.model_band
        return {t: magnitudes_of(self.kind, values, band) for t, values in segment.values.items()}

    def _n_used(self, n_bins: int) -> int:
        """Number of bins below the bandwidth."""
        hertz_per_bin = self._params.sample_rate / self._params.n_fft
        return int(min(np.ceil(self.options.bandwidth / hertz_per_bin), n_bins))


class SpectrumMasker(Masker):
    """A masker for predictions that are STFTs of stems, with a phase of their own."""

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """STFTs by target, as from `Masker.spectra`."""
        return {name: segment.core(_widened(y, segment)) for name, y in segment.values.items()}


class ComplexMasker(Masker):
    """A masker for complex masks, which change level and phase; above their band is silence."""

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """STFTs by target, as from `Masker.spectra`."""
        n_used, band = self._n_used(segment.mixture.shape[1]), segment.model_band
        return {
            name: segment.core(_widened((mask * band)[:, :n_used], segment))
            for name, mask in segment.values.items()
        }


_MASKERS: dict[str, type[Masker]] = {
    MAGNITUDE.name: Masker,
    MASK.name: Masker,
    COMPLEX_MASK.name: ComplexMasker,
    SPECTRUM.name: SpectrumMasker,
}


def make_masker(
    kind: Kind,
    options: MaskOptions,
    params: StftParams,
    segments: Callable[[], Iterable[Segment]] | None = None,
) -> Masker:
    """Choose the masker for a kind of prediction; the parameters are those of `Masker`."""
    return _MASKERS[kind.name](kind, options, params, segments)


def synthesise(
    segments: Iterable[Segment], masker: Masker, params: StftParams, targets: Sequence[str]
) -> Iterator[dict[str, Waveform]]:
    """Turn a song's segments, in order, into blocks of the targets' samples.

    All blocks together are a little longer than the song; cut them to its length.
    """
    synthesis = {target: OverlapAdd(params) for target in targets}
    for segment in segments:
        spectra = masker.spectra(segment)
        yield {target: synthesis[target].add(spectra[target]) for target in targets}
    yield {target: synthesis[target].flush() for target in targets}


def _widened(spectrum: Stft, segment: Segment) -> Stft:
    """Extend a spectrum of the lower bins to all bins, with silence above."""
    if spectrum.shape[1] == segment.mixture.shape[1]:
        return spectrum
    whole = np.zeros_like(segment.mixture)
    whole[:, : spectrum.shape[1]] = spectrum
    return whole
