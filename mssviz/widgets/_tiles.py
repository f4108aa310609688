"""Spectrograms and masks as 8-bit tiles with coarser levels, made when they are asked for."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.plots import best_complex_mask, complex_colors

#: Number of columns (frames, or groups of 2, 4, 8 … frames) of a tile.
TILE_COLUMNS = 256
#: Frames that are computed at a time.
BLOCK_FRAMES = 512
#: Most bytes of tiles that a view keeps; tiles not asked for longest are made anew when needed.
CACHE_BYTES = 256 << 20
#: Level below the loudest bin, in decibels, for which the value 0 stands; 255 is the loudest bin.
RANGE_DB = 120.0
#: Level below the strongest place of a map, in decibels, at which its colours fade out.
SIGNED_RANGE_DB = 40.0

Channel = Literal["mean", "left", "right", "mid", "side"]
CHANNELS: tuple[Channel, ...] = ("mean", "left", "right", "mid", "side")
Pool = Literal["max", "mean", "strongest", "pick"]
#: Colour map of `plots.complex_colors`, beside those of matplotlib.
TURN_MAP = "turn"


def channel_view(values: AnyArray, channel: Channel) -> AnyArray:
    """Reduce ``(n_frames, n_bins, n_channels)`` to ``(n_frames, n_bins)``.

    ``"mean"`` averages absolute values; ``"mid"`` and ``"side"`` are half of the sum and half of
    the difference of the first two channels. Mono gives its one channel, and silence for
    ``"side"``.
    """
    if check_channel(channel) == "mean":
        return np.abs(values).mean(axis=2)
    left, right = values[:, :, 0], values[:, :, min(1, values.shape[2] - 1)]
    if channel in ("left", "right"):
        return np.abs(left if channel == "left" else right)
    return np.abs(left + right if channel == "mid" else left - right) / 2


def mask_view(mask: AnyArray, channel: Channel) -> AnyArray:
    """Reduce a mask, or a difference of two, to ``(n_frames, n_bins)``.

    ``"left"`` and ``"right"`` give that channel, all others the mean of the channels.
    """
    if channel in ("left", "right"):
        return mask[:, :, 0 if channel == "left" else min(1, mask.shape[2] - 1)]
    return mask.mean(axis=2)


def complex_mask_view(mask: AnyArray, mixture: AnyArray, channel: Channel) -> AnyArray:
    """Reduce a complex mask to ``(n_frames, n_bins)``; NaN where there is no sound.

    ``"left"`` and ``"right"`` give that channel, all others the one mask that is best for all
    channels, see `plots.best_complex_mask`.
    """
    if channel in ("left", "right"):
        return mask_view(mask, channel)
    return best_complex_mask(mask, mixture, lambda values: values.sum(axis=2))


def check_channel(channel: str) -> Channel:
    """Refuse a name that is no view of the channels."""
    for known in CHANNELS:
        if channel == known:
            return known
    raise ParameterError(f"channel must be one of {', '.join(CHANNELS)} (got {channel!r})")


def largest(values: Any) -> float:
    """Largest size of any value of a song, found block by block; 0 of none."""
    blocks = (values[b : b + BLOCK_FRAMES] for b in range(0, values.shape[0], BLOCK_FRAMES))
    return max((float(np.abs(block).max(initial=0)) for block in blocks), default=0.0)


def quantise_level(level: AnyArray, peak: float) -> AnyArray:
    """Quantise linear levels to 8 bits: 255 at `peak`, 0 at `RANGE_DB` below it and lower."""
    with np.errstate(divide="ignore"):
        level_db = 20 * np.log10(np.asarray(level, np.float32) / np.float32(peak or 1.0))
    return np.rint(np.clip(level_db / RANGE_DB + 1, 0, 1) * 255).astype(np.uint8)


def quantise_share(share: AnyArray) -> AnyArray:
    """Quantise values in [0, 1] to 8 bits."""
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def quantise_difference(difference: AnyArray) -> AnyArray:
    """Quantise values in [-1, 1] to 8 bits, with 0 at 128."""
    return np.rint(np.clip(difference, -1, 1) * 127 + 128).astype(np.uint8)


def quantise_signed(energies: AnyArray, peak: float) -> AnyArray:
    """Quantise energies with a sign to 8 bits, by their level.

    255 stands for `peak` and above, 1 for as much below 0, and 128 for all that lies
    `SIGNED_RANGE_DB` below it, or further.
    """
    with np.errstate(divide="ignore"):
        level_db = 10 * np.log10(np.abs(energies, dtype=np.float32) / np.float32(peak or 1.0))
    strength = np.rint(np.clip(level_db / SIGNED_RANGE_DB + 1, 0, 1) * 127)
    return (128 + np.copysign(strength, energies)).astype(np.uint8)


def n_levels(n_frames: int) -> int:
    """Number of levels until the whole song fits into one tile."""
    tiles = -(-n_frames // TILE_COLUMNS)
    return 1 + max(0, (tiles - 1).bit_length())


class BlockCache:
    """The latest blocks of a view's pyramids, up to `CACHE_BYTES` of them; for several threads.

    Attributes
    ----------
    changes : int
        Number of times that something was forgotten, as what it was made of has changed.
    n_bytes : int
        Size of what is kept.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._blocks: OrderedDict[Any, AnyArray] = OrderedDict()
        self.n_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Any) -> AnyArray | None:
        """Get a block if it is kept, which makes it the latest."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def put(self, key: Any, block: AnyArray, changes: int) -> None:
        """Keep a block; the oldest ones may be dropped for it.

        Parameters
        ----------
        key, block
            Key to find the block by, and the block.
        changes
            Number that `changes` was before the block was made. If it is another one by now, the
            block may be of what was there before, and is not kept.
        """
        with self._lock:
            if changes != self.changes:
                return
            self._drop(key)
            self._blocks[key] = block
            self.n_bytes += block.nbytes
            while self.n_bytes > CACHE_BYTES and len(self._blocks) > 1:
                self._drop(next(iter(self._blocks)))

    def forget(self, wanted: Callable[[Any], bool]) -> None:
        """Drop the blocks for whose keys a test is true; what they were made of has changed."""
        with self._lock:
            self.changes += 1
            for key in [key for key in self._blocks if wanted(key)]:
                self._drop(key)

    def _drop(self, key: Any) -> None:
        block = self._blocks.pop(key, None)
        self.n_bytes -= 0 if block is None else block.nbytes


class Pyramid:
    """One layer of a picture: 8-bit values of a song, and their groups of 2, 4, 8 … frames.

    Parameters
    ----------
    shape
        Shape ``(n_frames, n_bins)`` of the layer.
    compute
        Function that takes ``(start, stop)`` and gives the 8-bit values of these frames,
        ``(n, n_bins)``. It is called once for each block, when the block is first needed.
    pool
        Way in which frames are grouped: ``"max"`` for levels, so that clicks stay visible in a
        whole song, ``"mean"`` for masks, ``"strongest"`` (furthest from 128) for levels with a
        sign, ``"pick"`` (the first of them) for numbers of colours, which have no mean.
    cache
        Cache that keeps the blocks; several pyramids may share one.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        compute: Callable[[int, int], AnyArray],
        pool: Pool,
        cache: BlockCache | None = None,
    ) -> None:
        self.shape, self._compute, self._pool = shape, compute, pool
        self._cache = BlockCache() if cache is None else cache

    def tile(self, level: int, index: int) -> AnyArray:
        """Tile of a number and a level, ``(n_columns, n_bins)`` uint8; the last one is shorter."""
        if not (0 <= level < n_levels(self.shape[0]) and 0 <= index < self.n_tiles(level)):
            raise ParameterError(f"no tile {index} at level {level}")
        return self._columns(level, index * TILE_COLUMNS, (index + 1) * TILE_COLUMNS)

    def n_tiles(self, level: int) -> int:
        """Number of tiles of a level."""
        return max(1, -(-self._n_columns(level) // TILE_COLUMNS))

    def forget(self, start: int, stop: int) -> None:
        """Drop the frames from `start` to before `stop`, which are computed anew when needed."""
        if stop <= start:
            return

        def touched(key: tuple[Pyramid, int, int]) -> bool:
            owner, level, block = key
            first, last = start >> level, (stop - 1) >> level
            return owner is self and first // BLOCK_FRAMES <= block <= last // BLOCK_FRAMES

        self._cache.forget(touched)

    def _n_columns(self, level: int) -> int:
        return -(-self.shape[0] // (1 << level))

    def _columns(self, level: int, start: int, stop: int) -> AnyArray:
        stop = min(stop, self._n_columns(level))
        parts = []
        for block in range(start // BLOCK_FRAMES, -(-stop // BLOCK_FRAMES)):
            offset = block * BLOCK_FRAMES
            values = self._block(level, block)
            parts.append(values[max(0, start - offset) : stop - offset])
        return np.concatenate(parts)

    def _block(self, level: int, block: int) -> AnyArray:
        key = (self, level, block)
        values = self._cache.get(key)
        if values is None:
            changes = self._cache.changes
            start = block * BLOCK_FRAMES
            stop = min(start + BLOCK_FRAMES, self._n_columns(level))
            if level == 0:
                values = self._compute(start, stop)
            else:
                values = _halve(self._columns(level - 1, 2 * start, 2 * stop), self._pool)
            self._cache.put(key, values, changes)
        return values


def _halve(values: AnyArray, pool: Pool) -> AnyArray:
    if len(values) % 2:
        values = np.concatenate([values, values[-1:]])
    if pool == "max":
        return np.maximum(values[::2], values[1::2])
    if pool == "pick":
        return values[::2]
    if pool == "strongest":
        first, second = values[::2], values[1::2]
        weaker = np.abs(first.astype(np.int16) - 128) < np.abs(second.astype(np.int16) - 128)
        return np.where(weaker, second, first)
    return ((values[::2].astype(np.uint16) + values[1::2] + 1) >> 1).astype(np.uint8)


def palette(name: str) -> str:
    """Colours 0 to 255 of `TURN_MAP` or a matplotlib colour map, as 1536 hexadecimal digits."""
    if name == TURN_MAP:
        return np.rint(complex_colors() * 255).astype(np.uint8).tobytes().hex()
    import matplotlib

    colors: Any = matplotlib.colormaps[name](np.arange(256), bytes=True)
    return colors[:, :3].tobytes().hex()


def palettes(names: Iterable[str]) -> dict[str, str]:
    """Colours of several colour maps by name, see `palette`."""
    return {name: palette(name) for name in names}


def frames_within(times: Sequence[float], hop: float, first: float, n_frames: int) -> slice:
    """Frames between two times, in seconds, with the nearest frame beyond either end."""
    start = int(np.floor((min(times) - first) / hop))
    stop = int(np.ceil((max(times) - first) / hop)) + 1
    return slice(max(0, start), min(n_frames, max(0, stop)))
