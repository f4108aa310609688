"""Examples for training: patches cut from chunks of songs, with augmentation.

Gains, channel swaps and mixing are the same for samples and for complex spectra, where they are
exact: the sum of the targets' spectra is the spectrum of the sum of their waveforms. Tempo and
pitch are changed on the magnitudes of mixture and targets alike, by interpolation, as Spleeter
does. That is an approximation, but the same one for all of them.

Sources: Uhlich et al., "Improving music source separation based on deep neural networks through
data augmentation and network blending", ICASSP 2017, for gains, swaps and mixing; Spleeter 2.4.2,
``dataset.py`` and ``audio/spectrogram.py``.
"""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np

from mssviz._typing import AnyArray, Magnitude
from mssviz.errors import ParameterError
from mssviz.presets import Preset
from mssviz.training.chunks import Chunks

#: Names of what can be varied at random: each target's level, its left and right, targets of
#: different songs together, tempo and pitch of the whole.
AUGMENTATIONS = ("gain", "swap", "remix", "tempo", "pitch")
#: Augmentations that need no magnitudes.
EXACT = ("gain", "swap", "remix")
#: Range of gains, as factors of amplitude.
GAIN = (0.25, 1.25)
#: Range of changes of tempo and pitch, as factors.
STRETCH = (0.7, 1.3)


class Patches:
    """Examples for training, each of which depends only on the seed and its own number.

    So a run that was interrupted goes on with the examples that it would have seen.

    Parameters
    ----------
    chunks
        Chunks that patches are cut from. Each chunk comes once in ``len(chunks)`` examples, in an
        order that changes, at a random time.
    augment
        Names from `AUGMENTATIONS`. With any of the first three, the mixture is the sum of the
        targets as they have become; otherwise it is the song's own.
    seed
        Seed of all random numbers.
    """

    def __init__(self, chunks: Chunks, augment: Collection[str] = (), seed: int = 0) -> None:
        check_augment(augment, chunks.preset)
        self._chunks, self._augment, self._seed = chunks, frozenset(augment), seed

    def __getitem__(self, number: int) -> AnyArray:
        """Example of a number: the mixture, then the targets, in the form that the network reads.

        Returns
        -------
        ndarray
            Linear magnitudes or complex spectra ``(1 + n_targets, T, C, F)``, or waveforms
            ``(1 + n_targets, n_samples, C)``.
        """
        rng = np.random.default_rng((self._seed, 1, number))
        preset = self._chunks.preset
        n_patch, n_targets = preset.patch_length, len(preset.targets)
        tempo = rng.uniform(*STRETCH) if "tempo" in self._augment else 1.0
        pitch = rng.uniform(*STRETCH) if "pitch" in self._augment else 1.0
        length = min(round(n_patch * tempo), self._chunks.length)

        def cut(chunk: int, parts: slice | int) -> AnyArray:
            last = self._chunks.length_of(chunk) - length
            return self._chunks.read(chunk, parts, int(rng.integers(last + 1)), length)

        own = self._shuffled(number)
        if not self._augment & {"gain", "swap", "remix"}:
            example = cut(own, slice(None))
        else:
            if "remix" in self._augment:
                parts = [cut(own, 1)]
                for part in range(2, n_targets + 1):
                    parts.append(cut(int(rng.integers(len(self._chunks))), part))
                targets = np.stack(parts)
            else:
                targets = cut(own, slice(1, None))
            if "gain" in self._augment:
                gains = rng.uniform(*GAIN, n_targets).astype(np.float32)
                targets *= gains.reshape(-1, *(1,) * (targets.ndim - 1))
            if "swap" in self._augment:
                swapped = rng.integers(2, size=n_targets).astype(bool)
                targets[swapped] = targets[swapped, :, ::-1]
            example = np.concatenate([targets.sum(axis=0, keepdims=True), targets])
        if preset.signal != "magnitude":
            return example
        return stretched(np.abs(example), n_patch, pitch)

    def batches(self, first: int, size: int) -> Iterator[AnyArray]:
        """Give batch after batch without end: examples stacked on a new first axis.

        Parameters
        ----------
        first
            Number of the first batch.
        size
            Number of examples in each batch.
        """
        with ThreadPoolExecutor() as pool:
            for batch in count(first):
                yield np.stack(
                    list(pool.map(self.__getitem__, range(batch * size, (batch + 1) * size)))
                )

    def _shuffled(self, number: int) -> int:
        turn, position = divmod(number, len(self._chunks))
        order = np.random.default_rng((self._seed, 0, turn)).permutation(len(self._chunks))
        return int(order[position])


def check_augment(augment: Collection[str], preset: Preset | None = None) -> None:
    """Raise `ParameterError` unless these are augmentations that suit what a preset reads."""
    known = AUGMENTATIONS if preset is None or preset.signal == "magnitude" else EXACT
    unknown = sorted(set(augment) - set(known))
    if unknown:
        of = f" for a network that reads a {preset.signal}" if preset and known is EXACT else ""
        raise ParameterError(f"augment takes {', '.join(known)}{of} (got {unknown[0]!r})")


def middles(chunks: Chunks, size: int) -> Iterator[AnyArray]:
    """Give the middle patch of every chunk, in batches of at most `size`, as `Patches` does."""
    preset, length = chunks.preset, chunks.preset.patch_length
    for first in range(0, len(chunks), size):
        numbers = range(first, min(first + size, len(chunks)))
        starts = [(chunks.length_of(number) - length) // 2 for number in numbers]
        batch = np.stack([
            chunks.read(number, slice(None), start, length)
            for number, start in zip(numbers, starts, strict=True)
        ])  # fmt: skip
        yield np.abs(batch) if preset.signal == "magnitude" else batch


def stretched(magnitudes: AnyArray, n_frames: int, pitch: float = 1.0) -> Magnitude:
    """Play magnitudes faster or slower, higher or lower, by linear interpolation.

    Parameters
    ----------
    magnitudes
        Magnitudes ``(..., frames, n_channels, n_bins)``.
    n_frames
        Number of frames over which all of them are spread.
    pitch
        Factor of every frequency; what would come from above the last bin is 0.

    Returns
    -------
    Magnitude
        Magnitudes ``(..., n_frames, n_channels, n_bins)``.
    """
    if magnitudes.shape[-3] != n_frames:
        positions = np.linspace(0, magnitudes.shape[-3] - 1, n_frames)
        magnitudes = _interpolated(magnitudes, positions, axis=-3)
    if pitch != 1.0:
        n_bins = magnitudes.shape[-1]
        positions = np.arange(n_bins) / pitch
        n_kept = np.searchsorted(positions, n_bins - 1, side="right")
        moved = np.zeros_like(magnitudes)
        moved[..., :n_kept] = _interpolated(magnitudes, positions[:n_kept], axis=-1)
        magnitudes = moved
    return magnitudes


def _interpolated(values: AnyArray, positions: AnyArray, axis: int) -> AnyArray:
    below = np.minimum(positions.astype(int), values.shape[axis] - 2)
    weight = (positions - below).astype(np.float32).reshape((-1,) + (1,) * (-1 - axis))
    before, after = np.take(values, below, axis), np.take(values, below + 1, axis)
    return before + weight * (after - before)
