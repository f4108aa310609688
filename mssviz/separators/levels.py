"""Songs at a mean of 0 and a deviation of 1, which some networks were trained on."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from mssviz._files import ScratchFolder, writing
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
        path = scratch.path / "song"
        n_samples, total, squares = 0, 0.0, 0.0
        with path.open("wb") as file:
            for block in blocks:
                with writing(path):
                    file.write(np.ascontiguousarray(block, np.float32).data)
                mono = block.mean(axis=1, dtype=np.float64)
                n_samples, total = n_samples + len(mono), total + mono.sum()
                squares += (mono**2).sum()
            with writing(path):
                file.flush()
        if not n_samples:
            return
        song = np.memmap(path, np.float32, "r", shape=(n_samples, n_channels))
        mean = total / n_samples
        variance = max(0, squares - n_samples * mean**2) / max(1, n_samples - 1)
        level = np.float32(mean), np.float32(variance**0.5 + _LEAST)
        yield from _brought_back(song, *level, separate)


def _brought_back(
    song: Waveform,
    mean: np.float32,
    deviation: np.float32,
    separate: Callable[[Iterable[Waveform]], Iterator[Waveform]],
) -> Iterator[Waveform]:
    parts = (song[first : first + _BLOCK] for first in range(0, len(song), _BLOCK))
    done = 0
    for found in separate((part - mean) / deviation for part in parts):
        found = found * deviation + mean
        found[:, : song.shape[1]] = song[done : done + len(found)]
        done += len(found)
        yield found
