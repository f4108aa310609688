"""Songs at a mean of 0 and a deviation of 1, which some networks were trained on."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from mssviz._files import ScratchFolder, mapped_blocks
from mssviz._typing import Waveform

#: Added to the deviation, so that silence can be divided by it.
_LEAST = 1e-8
_BLOCK = 1 << 20


def at_song_level(
    blocks: Iterable[Waveform],
    n_channels: int,
    separate: Callable[[Iterable[Waveform]], Iterator[Waveform]],
) -> Iterator[Waveform]:
    """Separate a song at a mean of 0 and a deviation of 1, and bring its stems back.

    Both are of the mean of the channels, over the whole song, as demucs has it. So the song is read
    to its end, into a temporary file, before anything is separated.

    Parameters
    ----------
    blocks
        Blocks of samples ``(any, n_channels)``.
    n_channels
        Number of channels of the mixture.
    separate
        Function of blocks of such a song, which gives mixture and stems side by side as channels,
        in order.

    Yields
    ------
    Waveform
        Mixture, as it was, and stems side by side as channels.
    """
    with ScratchFolder() as scratch:
        song = mapped_blocks(scratch.path / "song", blocks, n_channels)
        if len(song):
            yield from _brought_back(song, *_level(song), separate)


def _level(song: Waveform) -> tuple[np.float32, np.float32]:
    """Mean and deviation of the mean of a song's channels."""
    total = squares = 0.0
    for part in _parts(song):
        mono = part.mean(axis=1, dtype=np.float64)
        total, squares = total + mono.sum(), squares + (mono**2).sum()
    mean = total / len(song)
    variance = max(0, squares - len(song) * mean**2) / max(1, len(song) - 1)
    return np.float32(mean), np.float32(variance**0.5 + _LEAST)


def _parts(song: Waveform) -> Iterator[Waveform]:
    for first in range(0, len(song), _BLOCK):
        yield song[first : first + _BLOCK]


def _brought_back(
    song: Waveform,
    mean: np.float32,
    deviation: np.float32,
    separate: Callable[[Iterable[Waveform]], Iterator[Waveform]],
) -> Iterator[Waveform]:
    done = 0
    for found in separate((part - mean) / deviation for part in _parts(song)):
        found = found * deviation + mean
        found[:, : song.shape[1]] = song[done : done + len(found)]
        done += len(found)
        yield found
