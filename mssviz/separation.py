"""What a separation is: the mixture and the network's magnitudes; the rest follows from them.

Masks, spectra and stems are computed from these two, block by block, whenever they are looked
at, so that changing a mask needs no second run of the network and memory stays bounded.
"""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from mssviz import audio, masks, plots
from mssviz._checks import as_path
from mssviz._files import check_places, mapped_zeros, writing
from mssviz._spleeter import check_keywords
from mssviz._typing import AnyArray, Codec, Extension, Magnitude, Mask, PathLike, Stft, Waveform
from mssviz.errors import ParameterError
from mssviz.masks import WienerModel
from mssviz.presets import Preset
from mssviz.stft import OverlapAdd, StftParams, magnitude, stft_blocks

#: Arrays above this many bytes live in a temporary file, so that memory stays bounded.
SPILL_BYTES = 256 << 20
#: Frames that are looked at together in a pass over a song.
BLOCK_FRAMES = 128
#: Columns of the picture that a notebook shows of a separation.
PICTURE_COLUMNS = 400
#: Longest smoothing of masks, in seconds.
MAX_SMOOTHING = 1.0


@dataclass(frozen=True)
class MaskOptions:
    """How magnitudes become stems.

    Parameters
    ----------
    power
        Exponent of the ratio masks; 2 is Spleeter's.
    extension
        Above the modelled band: ``"zeros"`` or ``"average"``; see `masks.extend`.
    mwf_iterations
        0: soft masks; 1 or more: multichannel Wiener filter with so many iterations, which
        ignores all others and leaves the band above silent, as in Spleeter.
    smoothing
        Seconds on either side over which masks are averaged; see `masks.smooth`.
    hardness, threshold
        From soft masks (0) to binary ones (1) around a threshold; see `masks.harden`.
    bandwidth
        Hertz above which the network's masks are not used, but `extension`; as far as the
        network models if that is less.

    Notes
    -----
    In this order: ratio masks, smoothing, hardness, bandwidth, extension.
    """

    power: float = 2.0
    extension: Extension = "zeros"
    mwf_iterations: int = 0
    smoothing: float = 0.0
    hardness: float = 0.0
    threshold: float = 0.5
    bandwidth: float = np.inf

    def __post_init__(self) -> None:
        masks.check_power(self.power)
        masks.check_extension(self.extension)
        if self.mwf_iterations < 0:
            raise ParameterError(f"mwf_iterations must be 0 or more (got {self.mwf_iterations})")
        if not 0 <= self.smoothing <= MAX_SMOOTHING:
            raise ParameterError(
                f"smoothing must lie in [0, {MAX_SMOOTHING}] seconds (got {self.smoothing})"
            )
        masks.check_share("hardness", self.hardness)
        masks.check_level(self.threshold)
        if not self.bandwidth > 0:
            raise ParameterError(f"bandwidth must be above 0 Hz (got {self.bandwidth})")

    def margin(self, params: StftParams) -> int:
        """Frames on either side that a frame's mask depends on."""
        if self.mwf_iterations:
            return 0
        return round(self.smoothing * params.sample_rate / params.hop_length)


class MaskChanges(TypedDict, total=False):
    """Some of `MaskOptions`, as keyword arguments; None stands for "as it is"."""

    power: float | None
    extension: Extension | None
    mwf_iterations: int | None
    smoothing: float | None
    hardness: float | None
    threshold: float | None
    bandwidth: float | None


def changed(options: MaskOptions, changes: MaskChanges) -> MaskOptions:
    """Options with some of them replaced.

    Raises
    ------
    ParameterError
        If there is no such option, or it is out of range.
    """
    check_keywords(changes, [field.name for field in fields(MaskOptions)])
    given: dict[str, Any] = {name: v for name, v in changes.items() if v is not None}
    return replace(options, **given)


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of a song after the network.

    Parameters
    ----------
    mixture
        STFT ``(n_frames, n_bins, n_channels)``.
    magnitudes
        Target to the network's estimate, ``(n_frames, n_model_bins, n_channels)``, linear; of
        networks that give waveforms, their STFTs.
    before, after
        How many of the frames at either end belong to the neighbours, for masks that are
        smoothed over time.
    """

    mixture: Stft
    magnitudes: Mapping[str, AnyArray]
    before: int = 0
    after: int = 0

    def core(self, values: AnyArray) -> AnyArray:
        """Cut an array of all frames to those that are not the neighbours'."""
        return values[self.before : len(values) - self.after]


def with_margins(segments: Iterable[Segment], margin: int) -> Iterator[Segment]:
    """Give each of a song's segments, in order, up to `margin` frames of its neighbours."""
    if not margin:
        yield from segments
        return
    before: list[Segment] = []  # one of no more than `margin` frames
    current: Segment | None = None
    for after in segments:
        if current is not None:
            yield _joined(before, current, [_cut(after, slice(0, margin))])
            before = [_cut(_joined(before, current, []), slice(-margin, None))]
        current = after
    if current is not None:
        yield _joined(before, current, [])


class Masker:
    """Turns segments into masks and masked spectra, in one of the ways of `MaskOptions`.

    Parameters
    ----------
    options
        Which way.
    params
        Grid of the segments.
    segments
        Called for each pass over the whole song; needed by the Wiener filter alone.

    Notes
    -----
    Segments must come with the margins that the options ask for; see `with_margins`.
    """

    def __init__(
        self,
        options: MaskOptions,
        params: StftParams,
        segments: Callable[[], Iterable[Segment]] | None = None,
    ) -> None:
        self.options, self._params = options, params
        self._wiener: WienerModel | None = None
        if options.mwf_iterations:
            if segments is None:
                raise ParameterError(
                    "the Wiener filter needs the whole song before its first block"
                )
            self._wiener = WienerModel.fit(
                lambda: ((self._magnitudes(s), _model_band(s)) for s in segments()),
                options.mwf_iterations,
            )

    @property
    def is_filter(self) -> bool:
        """Whether spectra are more than masks on the mixture, as those of a Wiener filter are."""
        return self._wiener is not None

    def masks(self, segment: Segment) -> dict[str, Mask]:
        """Full-band masks. With the Wiener filter: what it does to the level, |Y| / |X|."""
        if self.is_filter:
            mixture = segment.core(segment.mixture)
            return {
                name: masks.ideal_amplitude_mask(spectrum, mixture)
                for name, spectrum in self.spectra(segment).items()
            }
        options, n_bins = self.options, segment.mixture.shape[1]
        neighbours = options.margin(self._params)
        hertz_per_bin = self._params.sample_rate / self._params.n_fft
        used = slice(0, int(min(np.ceil(options.bandwidth / hertz_per_bin), n_bins)))
        found = {}
        for name, mask in self._soft(segment).items():
            mask = segment.core(masks.smooth(mask, neighbours))
            mask = masks.harden(mask, options.hardness, options.threshold)
            found[name] = masks.extend(mask[:, used], n_bins, options.extension)
        return found

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """Every target's STFT, ``(n_frames, n_bins, n_channels)``."""
        if not self._wiener:
            mixture = segment.core(segment.mixture)
            return {name: masks.apply(m, mixture) for name, m in self.masks(segment).items()}
        spectra = {}
        for name, spectrum in self._filtered(self._wiener, segment).items():
            whole = np.zeros_like(segment.mixture)
            whole[:, : spectrum.shape[1]] = spectrum
            spectra[name] = segment.core(whole)
        return spectra

    def _soft(self, segment: Segment) -> Mapping[str, Mask]:
        return masks.ratio_masks(segment.magnitudes, self.options.power)

    def _magnitudes(self, segment: Segment) -> Mapping[str, Magnitude]:
        return segment.magnitudes

    def _filtered(self, wiener: WienerModel, segment: Segment) -> dict[str, Stft]:
        return wiener.filter(self._magnitudes(segment), _model_band(segment))


class GivenMasks(Masker):
    """A masker for separations whose ``magnitudes`` hold the masks themselves, in [0, 1]."""

    def _soft(self, segment: Segment) -> Mapping[str, Mask]:
        return segment.magnitudes

    def _magnitudes(self, segment: Segment) -> Mapping[str, Magnitude]:
        mixture = magnitude(_model_band(segment))
        return {target: mask * mixture for target, mask in segment.magnitudes.items()}


class GivenSpectra(Masker):
    """A masker for separations whose ``magnitudes`` hold the stems' STFTs, phase and all.

    So it is for networks that give waveforms. Their masks are what they do to the level,
    |Y| / |X|, cut at 1; options do not apply.
    """

    def __init__(
        self,
        options: MaskOptions,
        params: StftParams,
        segments: Callable[[], Iterable[Segment]] | None = None,
    ) -> None:
        super().__init__(replace(options, mwf_iterations=0), params)

    @property
    def is_filter(self) -> bool:
        """As `Masker.is_filter`: always."""
        return True

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """As `Masker.spectra`."""
        return {name: segment.core(spectrum) for name, spectrum in segment.magnitudes.items()}


class OracleWiener(Masker):
    """A masker for separations whose ``magnitudes`` hold the true stems' STFTs: oracle MWF."""

    def __init__(
        self,
        options: MaskOptions,
        params: StftParams,
        segments: Callable[[], Iterable[Segment]],
    ) -> None:
        super().__init__(replace(options, mwf_iterations=0), params)
        self._wiener = WienerModel.oracle(
            lambda: (
                ({t: s.core(stem) for t, stem in s.magnitudes.items()}, s.core(_model_band(s)))
                for s in segments()
            )
        )

    def _filtered(self, wiener: WienerModel, segment: Segment) -> dict[str, Stft]:
        sources = np.stack(list(segment.magnitudes.values()), axis=-1)
        return wiener.filter(segment.magnitudes, _model_band(segment), sources)


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


def level_ratio_db(signal: Waveform, reference: Waveform) -> float:
    """Level of one signal relative to another's, in dB; NaN if the latter is silent."""
    power = float(np.square(reference, dtype=np.float64).sum())
    error = float(np.square(signal, dtype=np.float64).sum())
    return 10 * float(np.log10(max(error, 1e-30) / power)) if power else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class Separation:
    """A separated song with every intermediate, computed when it is looked at.

    Only the mixture and the network's magnitudes are stored, the latter on disk if large.

    Parameters
    ----------
    preset
        Of the network.
    mixture
        What went in, ``(n_samples, n_channels)`` at the preset's sample rate.
    magnitudes
        Target to the network's estimate, ``(n_frames, n_model_bins, n_channels)``, linear; for
        some maskers something else of this shape.
    options
        How masks are made.
    make_masker
        What makes masks of the magnitudes, and so what these are; see `Masker`, `GivenMasks`,
        `GivenSpectra`, `OracleWiener`.
    """

    preset: Preset
    mixture: Waveform
    magnitudes: Mapping[str, Any]
    options: MaskOptions
    store: "Store"
    make_masker: Callable[..., Masker] = Masker

    @property
    def sample_rate(self) -> int:
        """In hertz."""
        return self.preset.stft.sample_rate

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.preset.targets

    @property
    def mixture_stft(self) -> "Frames":
        """STFT of the mixture, ``(n_frames, n_bins, n_channels)`` complex64, lazily."""
        return stft_frames(self.mixture, self.preset.stft)

    @property
    def masks(self) -> "Mapping[str, Frames]":
        """Target to its mask on all bins, in [0, 1], lazily.

        With the Wiener filter, which is no mask, the effective one: |estimate| / |mixture|,
        cut at 1.
        """

        def of(target: str) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                blocks = [found[target] for _, found in self.masked(start, stop)]
                return np.concatenate(blocks)

            return Frames(self.mixture_stft.shape, np.float32, compute)

        return {target: of(target) for target in self.targets}

    def masked(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[slice, dict[str, Mask]]]:
        """Masks of all targets from frame `start` to before `stop`, block by block.

        Yields
        ------
        frames : slice
            Where the block stands in the song.
        masks : dict
            Target to its mask, ``(frames in the block, n_bins, n_channels)``.
        """
        for segment in self.segments(start, stop):
            found = self.masker.masks(segment)
            n_frames = len(segment.core(segment.mixture))
            yield slice(start, start + n_frames), found
            start += n_frames

    @property
    def estimates(self) -> "Mapping[str, Waveform]":
        """Target to its stem, ``(n_samples, n_channels)`` float32, synthesised at first access."""
        return _Estimates(self)

    def with_options(self, **changes: Unpack[MaskChanges]) -> "Separation":
        """The same prediction with other masks; the network does not run again.

        Parameters
        ----------
        changes
            Any of `MaskOptions`.
        """
        options = changed(self.options, changes)
        return replace(self, options=options, store=Store())

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """The song's frames from `start` to before `stop`, in blocks, with their margins."""
        params = self.preset.stft
        n_frames = params.n_frames(len(self.mixture))
        stop = n_frames if stop is None else min(stop, n_frames)
        margin = self.options.margin(params)
        for first in range(start, stop, BLOCK_FRAMES):
            last = min(first + BLOCK_FRAMES, stop)
            low, high = max(0, first - margin), min(n_frames, last + margin)
            yield Segment(
                _stft_slice(self.mixture, params, low, high - low),
                {target: values[low:high] for target, values in self.magnitudes.items()},
                before=first - low,
                after=high - last,
            )

    def __repr__(self) -> str:
        seconds = len(self.mixture) / self.sample_rate
        return f"Separation({seconds:.1f} s into {', '.join(self.targets)}, {self.preset.name})"

    def _repr_jpeg_(self) -> bytes:
        # what a notebook shows, and keeps where no kernel runs: some columns of each mask
        n_frames = self.mixture_stft.shape[0]
        frames = np.unique(np.linspace(0, n_frames - 1, PICTURE_COLUMNS).astype(int))
        mixture: list[AnyArray] = []
        columns: dict[str, list[AnyArray]] = {target: [] for target in self.targets}
        for frame in frames:
            [segment] = self.segments(frame, frame + 1)
            mixture.append(np.abs(segment.core(segment.mixture)[0]).mean(axis=1))
            for target, mask in self.masker.masks(segment).items():
                columns[target].append(mask[0].mean(axis=1))
        pictures = {target: np.stack(found)[:, :, None] for target, found in columns.items()}
        figure = plots.song_figure(
            np.stack(mixture)[:, :, None], pictures, self.preset.stft, n_frames
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="jpeg", dpi=75, pil_kwargs={"quality": 80})
        return buffer.getvalue()

    def residual_db(self) -> float:
        """Level of mixture minus all stems, relative to the mixture, in dB; NaN in silence."""
        residual = self.mixture - np.add.reduce([self.estimates[t] for t in self.targets])
        return level_ratio_db(residual, self.mixture)

    def save(self, folder: PathLike, codec: Codec = "wav", bitrate: str = "128k") -> list[Path]:
        """Write every stem to ``folder/target.codec``; return the paths."""
        folder = as_path(folder, "the folder for stems")
        paths = {target: folder / f"{target}.{codec}" for target in self.targets}
        check_places(paths.values())
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for target, path in paths.items():
            audio.write_audio(path, self.estimates[target], self.sample_rate, codec, bitrate)
        return list(paths.values())

    @property
    def masker(self) -> Masker:
        """What makes masks of this song's segments; made once."""
        # with the Wiener filter, making it means passes over the song
        cache = self.store.cache
        if "masker" not in cache:
            cache["masker"] = self.make_masker(self.options, self.preset.stft, self.segments)
        return cache["masker"]


class Frames:
    """An array ``(n_frames, n_bins, n_channels)`` that is computed where it is looked at.

    Index it by frames first, like an array; ``numpy.asarray`` computes it all.

    Parameters
    ----------
    shape, dtype
        Of the whole.
    compute
        ``(start, stop)`` to these frames, at least one.
    """

    ndim = 3

    def __init__(
        self, shape: tuple[int, int, int], dtype: Any, compute: Callable[[int, int], AnyArray]
    ) -> None:
        self.shape, self.dtype, self._compute = shape, np.dtype(dtype), compute

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Frames(shape={self.shape}, dtype={self.dtype}, computed on access)"

    def __getitem__(self, index: Any) -> AnyArray:
        first, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        if isinstance(first, slice):
            start, stop, step = first.indices(len(self))
            if step < 1:
                raise ParameterError(f"frames are indexed forwards (got step {step})")
            if stop <= start:
                return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
            return self._compute(start, stop)[(slice(None, None, step), *rest)]
        try:
            frame = range(len(self))[first]
        except TypeError:
            raise ParameterError(
                f"frames are indexed by an integer or a slice (got {type(first).__name__}); for "
                "other indices make an array first, with numpy.asarray"
            ) from None
        return self._compute(frame, frame + 1)[(0, *rest)]

    def __reduce__(self) -> Any:
        return np.asarray, (self[:],)  # what computes them stays in this process

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = self[:]
        return values if dtype is None else values.astype(dtype, copy=False)


def stft_frames(waveform: Waveform, params: StftParams) -> Frames:
    """STFT of a waveform ``(n_samples, n_channels)``, computed where it is looked at."""
    shape = (params.n_frames(len(waveform)), params.n_bins, waveform.shape[1])

    def compute(start: int, stop: int) -> AnyArray:
        return _stft_slice(waveform, params, start, stop - start)

    return Frames(shape, np.complex64, compute)


class _Estimates(Mapping[str, Waveform]):
    """Stems of a separation; all are synthesised when one is asked for first."""

    def __init__(self, separation: Separation) -> None:
        self._separation = separation

    def __getitem__(self, target: str) -> Waveform:
        separation = self._separation
        if target not in separation.targets:
            raise KeyError(target)
        cache = separation.store.cache
        if "stems" not in cache:
            shape, targets = separation.mixture.shape, separation.targets
            stems = {name: separation.store.empty(shape) for name in targets}
            done = 0
            params = separation.preset.stft
            for block in synthesise(separation.segments(), separation.masker, params, targets):
                stop = min(done + len(block[target]), len(separation.mixture))
                for name, samples in block.items():
                    stems[name][done:stop] = samples[: stop - done]
                done = stop
            cache["stems"] = stems
        return cache["stems"][target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._separation.targets)

    def __len__(self) -> int:
        return len(self._separation.targets)


class Store:
    """Arrays of a separation, and what was computed from them."""

    def __init__(self) -> None:
        self.cache: dict[str, Any] = {}

    def empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> AnyArray:
        """Array of zeros, in memory while small, in a temporary file when large.

        Raises
        ------
        FileError
            If there is no space for the file.
        """
        if math.prod(shape) * np.dtype(dtype).itemsize < SPILL_BYTES:
            return np.zeros(shape, dtype)
        return mapped_zeros(shape, dtype)


def _cut(segment: Segment, frames: slice) -> Segment:
    cut = {name: values[frames] for name, values in segment.magnitudes.items()}
    return Segment(segment.mixture[frames], cut)


def _joined(before: Sequence[Segment], core: Segment, after: Sequence[Segment]) -> Segment:
    parts = [*before, core, *after]
    return Segment(
        np.concatenate([part.mixture for part in parts]),
        {name: np.concatenate([p.magnitudes[name] for p in parts]) for name in core.magnitudes},
        before=sum(len(part.mixture) for part in before),
        after=sum(len(part.mixture) for part in after),
    )


def _model_band(segment: Segment) -> Stft:
    n_model_bins = next(iter(segment.magnitudes.values())).shape[1]
    return segment.mixture[:, :n_model_bins]


def _stft_slice(mixture: Waveform, params: StftParams, first: int, count: int) -> Stft:
    # frames first … first + count of the mixture's STFT: of the samples that they cover
    start = first * params.hop_length - params.n_fft
    stop = (first + count) * params.hop_length
    samples = mixture[max(0, start) : max(0, stop)]
    before = max(0, -start)
    padded = np.pad(samples, ((before, 0), (0, 0)))
    # stft_blocks puts n_fft zeros in front: skip the frames that hold them
    skip = params.n_fft // params.hop_length
    return next(stft_blocks([padded], params, skip + count))[skip:]
