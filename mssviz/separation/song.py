"""A separated song: the mixture and the model's prediction, from which all else follows.

Masks, spectra and stems are computed from these two, block by block, when they are looked at, so
that changing a mask needs no second run of the network and memory stays bounded.
"""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from mssviz import audio, masks, plots
from mssviz._checks import as_path
from mssviz._files import check_places, mapped_zeros, writing
from mssviz._typing import AnyArray, Codec, Mask, PathLike, Waveform
from mssviz.audio import residual_db
from mssviz.presets import Preset
from mssviz.separation.masking import Masker, make_masker, synthesise
from mssviz.separation.options import MaskChanges, MaskOptions
from mssviz.separation.prediction import MAGNITUDE, Prediction, magnitudes_of
from mssviz.separation.segments import Segment
from mssviz.stft import Frames, stft_frames

#: Size in bytes above which arrays live in a temporary file, so that memory stays bounded.
SPILL_BYTES = 256 << 20
#: Frames in a block of a pass over a song.
BLOCK_FRAMES = 128
#: Columns of the picture that a notebook shows of a separation.
PICTURE_COLUMNS = 400


@dataclass(frozen=True, eq=False, repr=False)
class Separation:
    """A separated song with every intermediate result, computed when it is looked at.

    Only the mixture and the model's prediction are stored, the prediction on disk if it is large.

    Parameters
    ----------
    preset
        Description of the model.
    mixture
        Waveform that was separated, ``(n_samples, n_channels)`` at the preset's sample rate.
    prediction
        Values that the model predicts for every target, with their kind.
    options
        Options by which masks are made.
    store
        Storage for what is computed from the others.

    Examples
    --------
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> separation = mssviz.Separator().separate(waveform, sample_rate, progress=False)
    >>> separation.mixture_stft.shape == separation.masks["vocals"].shape
    True
    >>> binary = separation.with_options(hardness=1.0)
    >>> sorted(set(binary.masks["vocals"][:, :1024].ravel().tolist()))
    [0.0, 1.0]
    """

    preset: Preset
    mixture: Waveform
    prediction: Prediction
    options: MaskOptions
    store: "Store"

    @property
    def sample_rate(self) -> int:
        """Sample rate, in hertz."""
        return self.preset.stft.sample_rate

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.preset.targets

    @property
    def mixture_stft(self) -> "Frames":
        """STFT of the mixture, ``(n_frames, n_bins, n_channels)`` complex64, computed lazily."""
        return stft_frames(self.mixture, self.preset.stft)

    @property
    def magnitudes(self) -> Mapping[str, Any]:
        """Magnitudes that the model predicts, linear, by target.

        Their shape is ``(n_frames, n_model_bins, n_channels)``. They are computed when they are
        looked at if the prediction is of another kind.
        """
        kind, values = self.prediction.kind, self.prediction.values
        if kind is MAGNITUDE:
            return values
        mixture = self.mixture_stft

        def of(predicted: Any) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                band = mixture[start:stop, : predicted.shape[1]]
                return magnitudes_of(kind, predicted[start:stop], band)

            return Frames(predicted.shape, np.float32, compute)

        return {target: of(predicted) for target, predicted in values.items()}

    @property
    def masks(self) -> "Mapping[str, Frames]":
        """Masks on all bins in [0, 1], by target, computed when they are looked at.

        The Wiener filter is no mask, nor are complex masks and waveforms; of these, they are the
        effective masks: ``|estimate| / |mixture|``, cut at 1. `complex_masks` are not cut.
        """

        def of(target: str) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                blocks = [found[target] for _, found in self.masked(start, stop)]
                return np.concatenate(blocks)

            return Frames(self.mixture_stft.shape, np.float32, compute)

        return {target: of(target) for target in self.targets}

    @property
    def complex_masks(self) -> "Mapping[str, Frames]":
        """Effective complex masks on all bins by target, computed when they are looked at.

        They have any level and turn the phase, see `masks.complex_mask`. Where stems are masks in
        [0, 1] on the mixture, there are none: the dict is empty.
        """
        if not self.prediction.kind.is_filter(self.options):
            return {}

        def of(target: str) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                blocks = self.segments(start, stop)
                estimate = np.concatenate([self.masker.spectra(s)[target] for s in blocks])
                return masks.complex_mask(estimate, self.mixture_stft[start:stop])

            return Frames(self.mixture_stft.shape, np.complex64, compute)

        return {target: of(target) for target in self.targets}

    def masked(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[slice, dict[str, Mask]]]:
        """Compute the masks of all targets from frame `start` to before `stop`, block by block.

        Yields
        ------
        frames : slice
            Frames of the block, as numbers in the song.
        masks : dict
            Masks ``(frames in the block, n_bins, n_channels)`` by target.
        """
        for segment in self.segments(start, stop):
            found = self.masker.masks(segment)
            n_frames = len(segment.core(segment.mixture))
            yield slice(start, start + n_frames), found
            start += n_frames

    @property
    def estimates(self) -> "Mapping[str, Waveform]":
        """Stems ``(n_samples, n_channels)`` float32 by target, synthesised at first access."""
        return _Estimates(self)

    def with_options(self, **changes: Unpack[MaskChanges]) -> "Separation":
        """Make other masks of the same prediction; the network does not run again.

        Parameters
        ----------
        changes
            Mask options to change, any of `MaskOptions`.

        Raises
        ------
        ParameterError
            If an option is out of range, or would do nothing to this kind of prediction.
        """
        options = self.prediction.kind.change(self.options, changes, self.preset.name)
        return replace(self, options=options, store=Store())

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """The song's frames from `start` to before `stop` in segments, with their margins."""
        params = self.preset.stft
        n_frames = params.n_frames(len(self.mixture))
        stop = n_frames if stop is None else min(stop, n_frames)
        margin = self.options.margin(params)
        for first in range(start, stop, BLOCK_FRAMES):
            last = min(first + BLOCK_FRAMES, stop)
            low, high = max(0, first - margin), min(n_frames, last + margin)
            yield Segment(
                stft_frames(self.mixture, params)[low:high],
                {t: values[low:high] for t, values in self.prediction.values.items()},
                before=first - low,
                after=high - last,
            )

    def __repr__(self) -> str:
        seconds = len(self.mixture) / self.sample_rate
        return f"Separation({seconds:.1f} s into {', '.join(self.targets)}, {self.preset.name})"

    def _repr_jpeg_(self) -> bytes:
        # what a notebook shows, and keeps for when no kernel runs: some columns of each mask
        n_frames = self.mixture_stft.shape[0]
        frames = np.unique(np.linspace(0, n_frames - 1, PICTURE_COLUMNS).astype(int))
        mixture = np.stack([np.abs(self.mixture_stft[frame]).mean(axis=1) for frame in frames])
        columns: dict[str, list[AnyArray]] = {target: [] for target in self.targets}
        for frame in frames:
            for _, found in self.masked(frame, frame + 1):
                for target, mask in found.items():
                    columns[target].append(mask[0].mean(axis=1))
        pictures = {target: np.stack(found)[:, :, None] for target, found in columns.items()}
        figure = plots.song_figure(mixture[:, :, None], pictures, self.preset.stft, n_frames)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="jpeg", dpi=75, pil_kwargs={"quality": 80})
        return buffer.getvalue()

    def residual_db(self) -> float:
        """Level of the mixture minus all stems, relative to the mixture, in dB; NaN in silence."""
        return residual_db(self.mixture, [self.estimates[t] for t in self.targets])

    def save(self, folder: PathLike, codec: Codec = "wav", bitrate: str = "128k") -> list[Path]:
        """Write every stem to ``folder/target.codec`` and return the paths."""
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
        """Masker that makes masks of this song's segments; it is made once."""
        # with the Wiener filter, making the masker takes passes over the song
        cache = self.store.cache
        if "masker" not in cache:
            cache["masker"] = make_masker(
                self.prediction.kind, self.options, self.preset.stft, self.segments
            )
        return cache["masker"]


class _Estimates(Mapping[str, Waveform]):
    """Stems of a separation; all are synthesised when the first one is asked for."""

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
    """Storage for arrays of a separation, and for what was computed from them.

    Parameters
    ----------
    cache
        What is computed already, by name; copied.
    """

    def __init__(self, cache: Mapping[str, Any] | None = None) -> None:
        self.cache: dict[str, Any] = dict(cache or {})

    def empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> AnyArray:
        """Make an array of zeros, in memory if small, in a temporary file if large.

        Raises
        ------
        FileError
            If there is no space for the temporary file.
        """
        if math.prod(shape) * np.dtype(dtype).itemsize < SPILL_BYTES:
            return np.zeros(shape, dtype)
        return mapped_zeros(shape, dtype)
