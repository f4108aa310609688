"""What a separation is: the mixture and the network's magnitudes; the rest follows from them.

Masks, spectra and stems are computed from these two, block by block, whenever they are looked
at, so that changing a mask needs no second run of the network and memory stays bounded.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mssviz import audio, masks
from mssviz._typing import AnyArray, Codec, Extension, Magnitude, Mask, PathLike, Stft, Waveform
from mssviz.errors import AudioError, ParameterError
from mssviz.presets import Preset
from mssviz.stft import OverlapAdd, StftParams, istft, stft_blocks

#: Arrays above this many bytes live in a temporary file, so that memory stays bounded.
SPILL_BYTES = 256 << 20


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
        ignores `power` and leaves the band above silent, as in Spleeter.
    binary
        Round the masks to 0 and 1 at one half.
    """

    power: float = 2.0
    extension: Extension = "zeros"
    mwf_iterations: int = 0
    binary: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.power <= 64:
            raise ParameterError(f"mask exponent must lie in (0, 64] (got {self.power})")
        if self.extension not in ("zeros", "average"):
            raise ParameterError(f"mask extension is 'zeros' or 'average' (got {self.extension!r})")
        if self.mwf_iterations < 0:
            raise ParameterError(f"mwf_iterations must be 0 or more (got {self.mwf_iterations})")


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of a song after the network.

    Parameters
    ----------
    mixture
        STFT ``(n_frames, n_bins, n_channels)``.
    magnitudes
        Target to the network's estimate, ``(n_frames, n_model_bins, n_channels)``, linear.
    """

    mixture: Stft
    magnitudes: Mapping[str, Magnitude]


class Masker:
    """Turns segments into masks and masked spectra, in one of the ways of `MaskOptions`.

    Parameters
    ----------
    options
        Which way.
    segments
        Called for each pass over the whole song; needed by the Wiener filter alone.
    """

    def __init__(
        self, options: MaskOptions, segments: Callable[[], Iterable[Segment]] | None = None
    ) -> None:
        self.options = options
        self._wiener: masks.WienerModel | None = None
        if options.mwf_iterations:
            if segments is None:
                raise ParameterError(
                    "the Wiener filter needs the whole song before its first block"
                )
            self._wiener = masks.WienerModel.fit(
                lambda: ((s.magnitudes, _model_band(s)) for s in segments()),
                options.mwf_iterations,
            )

    def masks(self, segment: Segment) -> dict[str, Mask]:
        """Full-band masks. With the Wiener filter: what it does to the level, |Y| / |X|."""
        if self._wiener:
            return {
                name: masks.ideal_amplitude_mask(spectrum, segment.mixture)
                for name, spectrum in self.spectra(segment).items()
            }
        found = masks.ratio_masks(segment.magnitudes, self.options.power)
        if self.options.binary:
            found = {name: masks.threshold(mask) for name, mask in found.items()}
        n_bins = segment.mixture.shape[1]
        return {
            name: masks.extend(mask, n_bins, self.options.extension) for name, mask in found.items()
        }

    def spectra(self, segment: Segment) -> dict[str, Stft]:
        """Every target's STFT, ``(n_frames, n_bins, n_channels)``."""
        if not self._wiener:
            found = self.masks(segment)
            return {name: masks.apply(mask, segment.mixture) for name, mask in found.items()}
        filtered = self._wiener.filter(segment.magnitudes, _model_band(segment))
        spectra = {}
        for name, spectrum in filtered.items():
            spectra[name] = np.zeros_like(segment.mixture)
            spectra[name][:, : spectrum.shape[1]] = spectrum
        return spectra


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


def resynthesise(
    edited: Mapping[str, AnyArray], mixture: AnyArray, params: StftParams, n_samples: int
) -> dict[str, Waveform]:
    """Stems that given masks, such as edited ones, let through.

    Parameters
    ----------
    edited
        Target to mask, ``(n_frames, n_bins, n_channels)``.
    mixture
        The mixture's STFT, same shape.
    params
        Its grid.
    n_samples
        Length of the song.
    """
    return {
        target: istft(masks.apply(np.asarray(mask), np.asarray(mixture)), params, n_samples)
        for target, mask in edited.items()
    }


@dataclass(frozen=True, eq=False)
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
        Target to the network's estimate, ``(n_frames, n_model_bins, n_channels)``, linear.
    options
        How masks are made.
    """

    preset: Preset
    mixture: Waveform
    magnitudes: Mapping[str, Magnitude]
    options: MaskOptions
    store: "Store"

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
        return Frames(self, lambda segment: segment.mixture, np.complex64)

    @property
    def masks(self) -> "Mapping[str, Frames]":
        """Target to its mask on all bins, in [0, 1], lazily.

        With the Wiener filter, which is no mask, the effective one: |estimate| / |mixture|,
        cut at 1.
        """
        masker = self._masker()

        def of(target: str) -> Frames:
            return Frames(self, lambda segment: masker().masks(segment)[target], np.float32)

        return {target: of(target) for target in self.targets}

    @property
    def estimates(self) -> "Mapping[str, Waveform]":
        """Target to its stem, ``(n_samples, n_channels)`` float32, synthesised at first access."""
        return _Estimates(self)

    def with_options(
        self,
        *,
        power: float | None = None,
        extension: Extension | None = None,
        mwf_iterations: int | None = None,
        binary: bool | None = None,
    ) -> "Separation":
        """The same prediction with other masks; the network does not run again."""
        changes = {
            "power": power,
            "extension": extension,
            "mwf_iterations": mwf_iterations,
            "binary": binary,
        }
        given: dict[str, Any] = {name: v for name, v in changes.items() if v is not None}
        return replace(self, options=replace(self.options, **given), store=Store(self.store))

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """The song's frames from `start` to before `stop`, in blocks."""
        params = self.preset.stft
        n_frames = params.n_frames(len(self.mixture))
        stop = n_frames if stop is None else min(stop, n_frames)
        block = 128
        for first in range(start, stop, block):
            count = min(block, stop - first)
            yield Segment(
                _stft_slice(self.mixture, params, first, count),
                {t: m[first : first + count] for t, m in self.magnitudes.items()},
            )

    def residual_db(self) -> float:
        """Level of mixture minus all stems, relative to the mixture, in dB; NaN in silence."""
        residual = self.mixture - np.add.reduce([self.estimates[t] for t in self.targets])
        return level_ratio_db(residual, self.mixture)

    def save(self, folder: PathLike, codec: Codec = "wav", bitrate: str = "128k") -> list[Path]:
        """Write every stem to ``folder/target.codec``; return the paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for target in self.targets:
            paths.append(folder / f"{target}.{codec}")
            audio.write_audio(paths[-1], self.estimates[target], self.sample_rate, codec, bitrate)
        return paths

    def _masker(self) -> Callable[[], Masker]:
        # made once for this object: with the Wiener filter it means passes over the song
        cache = self.store.cache

        def get() -> Masker:
            if "masker" not in cache:
                cache["masker"] = Masker(self.options, self.segments)
            return cache["masker"]

        return get


class Frames:
    """An array ``(n_frames, n_bins, n_channels)`` that is computed where it is looked at.

    Index it by frames first, like an array; ``numpy.asarray`` computes it all.
    """

    ndim = 3

    def __init__(
        self, separation: Separation, compute: Callable[[Segment], AnyArray], dtype: Any
    ) -> None:
        self._separation, self._compute = separation, compute
        self.dtype = np.dtype(dtype)
        params = separation.preset.stft
        n_samples, n_channels = separation.mixture.shape
        self.shape = (params.n_frames(n_samples), params.n_bins, n_channels)

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
            parts = [self._compute(s) for s in self._separation.segments(start, stop)]
            return np.concatenate(parts)[(slice(None, None, step), *rest)]
        try:
            frame = range(len(self))[first]
        except TypeError:
            raise ParameterError(
                f"frames are indexed by an integer or a slice (got {type(first).__name__}); for "
                "other indices make an array first, with numpy.asarray"
            ) from None
        return next(map(self._compute, self._separation.segments(frame, frame + 1)))[(0, *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = self[:]
        return values if dtype is None else values.astype(dtype, copy=False)


class _Estimates(Mapping[str, Waveform]):
    """Stems of a separation; each is synthesised once."""

    def __init__(self, separation: Separation) -> None:
        self._separation = separation

    def __getitem__(self, target: str) -> Waveform:
        separation = self._separation
        if target not in separation.targets:
            raise KeyError(target)
        cache = separation.store.cache
        if target not in cache:
            stem = separation.store.empty(separation.mixture.shape)
            masker = separation._masker()()
            done = 0
            params = separation.preset.stft
            for block in synthesise(separation.segments(), masker, params, [target]):
                stop = min(done + len(block[target]), len(stem))
                stem[done:stop] = block[target][: stop - done]
                done = stop
            cache[target] = stem
        return cache[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._separation.targets)

    def __len__(self) -> int:
        return len(self._separation.targets)


class Store:
    """Arrays of a separation: in memory while small, in a temporary file when large."""

    def __init__(self, parent: "Store | None" = None) -> None:
        self.cache: dict[str, Any] = {}
        self._parent = parent  # keeps the files of inherited arrays
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def empty(self, shape: tuple[int, ...]) -> AnyArray:
        """Float32 array of zeros."""
        if np.prod(shape) * 4 < SPILL_BYTES:
            return np.zeros(shape, np.float32)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mssviz-")
        needed = int(np.prod(shape)) * 4
        if shutil.disk_usage(self._folder.name).free < needed:
            raise AudioError(
                f"{self._folder.name}: needs {needed >> 20} MiB for this song's spectra; free "
                "some space or set TMPDIR to another folder"
            )
        handle, path = tempfile.mkstemp(dir=self._folder.name)
        os.close(handle)
        return np.memmap(path, np.float32, "w+", shape=shape)


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
