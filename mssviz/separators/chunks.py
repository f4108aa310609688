"""A stream of samples through a network that reads so many at a time, in memory of that size.

Patches look at their neighbours' samples and are put side by side. Chunks overlap and are faded
into each other, in one of two ways, as the programs do that networks were published for.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

import numpy as np

from mssviz._typing import AnyArray, Waveform

#: Share of a chunk that is faded in, and as much out.
_FADE = 10
#: Function from a patch ``(n_patch, n_channels)`` to its stems, side by side as channels.
Estimate = Callable[[Waveform], Waveform]
#: Function that tells the weights of a chunk's samples, from whether it is the first, and the last.
_Window = Callable[[bool, bool], AnyArray]
#: Function that makes a whole chunk of a part of one and samples before it, and tells the first
#: sample of the part there.
_Filling = Callable[[Waveform, Waveform], tuple[Waveform, int]]


def in_patches(
    blocks: Iterable[Waveform], n_core: int, context: int, n_channels: int, estimate: Estimate
) -> Iterator[Waveform]:
    """Put patches side by side.

    Parameters
    ----------
    blocks
        Blocks of samples ``(any, n_channels)``.
    n_core, context
        Number of samples of a patch that count, and of those on either side that it looks at.
    n_channels
        Number of channels of the mixture.
    estimate
        Function of patches of ``n_core + 2 context`` samples; what it gives may be shorter, if it
        is of the middle.

    Yields
    ------
    Waveform
        Mixture and stems side by side as channels, a core at a time.
    """
    for patch, n_samples in _patches(blocks, n_core, context, n_channels):
        parts = [_middle(part, n_core)[:n_samples] for part in (patch, estimate(patch))]
        yield np.concatenate(parts, axis=1)


def _patches(
    blocks: Iterable[Waveform], n_core: int, context: int, n_channels: int
) -> Iterator[tuple[Waveform, int]]:
    """Patches with context on either side, with how many samples of the core are the song's."""
    n_patch = n_core + 2 * context
    samples = np.zeros((context, n_channels), np.float32)
    for block in blocks:
        samples = np.concatenate([samples, block])
        while len(samples) >= n_patch:
            yield samples[:n_patch], n_core
            samples = samples[n_core:]
    while len(samples) > context:
        missing = max(0, n_patch - len(samples))
        yield np.pad(samples[:n_patch], ((0, missing), (0, 0))), len(samples) - context
        samples = samples[n_core:]


def _middle(waveform: Waveform, n_samples: int) -> Waveform:
    first = (len(waveform) - n_samples) // 2
    return waveform[first : first + n_samples]


def in_chunks(
    blocks: Iterable[Waveform], n_chunk: int, overlap: int, estimate: Estimate
) -> Iterator[Waveform]:
    """Fade chunks into each other.

    Chunks begin a share ``1 / overlap`` of their length apart, and what they say of a sample is
    averaged, with weights that rise and fall over a tenth of each chunk. A song that is long enough
    is mirrored at both ends by what chunks overlap, so that its ends are averages, too.

    Parameters
    ----------
    blocks
        Blocks of samples ``(any, n_channels)``.
    n_chunk, overlap
        Length of a chunk in samples, and number of chunks that a sample is in.
    estimate
        Function of chunks, which gives as many samples.

    Yields
    ------
    Waveform
        Mixture and stems side by side as channels.

    Notes
    -----
    This is what Music-Source-Separation-Training does at a batch of one chunk. A song that is
    shorter than a chunk is followed by silence, or mirrored if it is longer than half of one.
    """
    step = n_chunk // overlap
    ways = partial(_window, n_chunk), lambda _, part: (_filled(part, n_chunk), 0)
    border, source = n_chunk - step, iter(blocks)
    begin = _at_least(source, 2 * border + 1)
    stream: Iterator[Waveform] = chain(begin, source)
    if border and sum(map(len, begin)) > 2 * border:
        mirrored = _faded(_mirrored(stream, border), n_chunk, step, estimate, *ways)
        return _without_ends(mirrored, border)
    return _faded(stream, n_chunk, step, estimate, *ways)


def in_triangles(
    blocks: Iterable[Waveform], n_chunk: int, crossfade: float, estimate: Estimate
) -> Iterator[Waveform]:
    """Fade chunks into each other that count most in their middles.

    What two chunks say of a sample is averaged, with weights that rise from a chunk's beginning to
    its middle and fall to its end.

    Parameters
    ----------
    blocks
        Blocks of samples ``(any, n_channels)``.
    n_chunk
        Length of a chunk in samples.
    crossfade
        Share of a chunk that is also in the next one, from 0 to below 1.
    estimate
        Function of chunks, which gives as many samples.

    Yields
    ------
    Waveform
        Mixture and stems side by side as channels.

    Notes
    -----
    This is what demucs 4 does without shifts. What is left at a song's end is put into the middle
    of a chunk, between the samples before it and silence.
    """
    ramp = np.arange(1, n_chunk + 1, dtype=np.float32)[:, None]
    triangle = np.minimum(ramp, ramp[::-1]) / -(-n_chunk // 2)
    step = int((1 - crossfade) * n_chunk)
    return _faded(
        iter(blocks), n_chunk, step, estimate, lambda *_: triangle, partial(_centred, n_chunk)
    )


def _at_least(source: Iterator[Waveform], n_samples: int) -> list[Waveform]:
    """First blocks of a stream, until they have so many samples."""
    found: list[Waveform] = []
    while sum(map(len, found)) < n_samples and (block := next(source, None)) is not None:
        found.append(block)
    return found


def _mirrored(stream: Iterator[Waveform], border: int) -> Iterator[Waveform]:
    """A stream of more than `border` samples between mirror images of its ends."""
    end = np.concatenate(_at_least(stream, border + 1))
    yield end[border:0:-1]
    yield end
    for block in stream:
        yield block
        end = np.concatenate([end, block])[-border - 1 :]
    yield end[-2 : -border - 2 : -1]


def _without_ends(stream: Iterator[Waveform], border: int) -> Iterator[Waveform]:
    """A stream without its first and its last `border` samples."""
    held, begun = np.concatenate(_at_least(stream, border)), 0
    held = held[border:]
    for block in stream:
        held = np.concatenate([held, block])
        if (begun := len(held) - border) > 0:
            yield held[:begun]
            held = held[begun:]


def _faded(
    stream: Iterator[Waveform],
    n_chunk: int,
    step: int,
    estimate: Estimate,
    window: _Window,
    fill: _Filling,
) -> Iterator[Waveform]:
    samples = np.concatenate(_at_least(stream, n_chunk + 1) or [np.zeros((0, 1), np.float32)])
    before = samples[:0]
    total: AnyArray = np.zeros((n_chunk, 0), np.float32)
    weight: AnyArray = np.zeros((n_chunk, 1), np.float32)
    while len(samples):
        part, is_first = samples[:n_chunk], not total.size
        weights = window(is_first, len(samples) <= step)[: len(part)]
        chunk, first = fill(before, part)
        found = estimate(chunk)[first : first + len(part)] * weights
        if is_first:
            total = np.zeros((n_chunk, found.shape[1]), np.float32)
        total[: len(part)] += found
        weight[: len(part)] += weights
        n_done = min(step, len(part))
        stems = np.zeros((n_done, total.shape[1]), np.float32)
        np.divide(total[:n_done], weight[:n_done], out=stems, where=weight[:n_done] > 0)
        yield np.concatenate([part[:n_done], stems], axis=1)
        total, weight = (np.pad(x[step:], [(0, step), (0, 0)]) for x in (total, weight))
        missing = n_chunk + 1 - len(samples) + step
        before = np.concatenate([before, samples[:step]])[-n_chunk:]
        samples = np.concatenate([samples[step:], *_at_least(stream, missing)])


def _window(n_chunk: int, is_first: bool, is_last: bool) -> AnyArray:
    fade = np.linspace(0, 1, n_chunk // _FADE, dtype=np.float32)[:, None]
    window = np.ones((n_chunk, 1), np.float32)
    if not is_first:
        window[: len(fade)] = fade
    if not is_last:
        window[n_chunk - len(fade) :] = fade[::-1]
    return window


def _filled(part: Waveform, n_chunk: int) -> Waveform:
    missing = ((0, n_chunk - len(part)), (0, 0))
    return np.pad(part, missing, mode="reflect" if len(part) > n_chunk // 2 else "constant")


def _centred(n_chunk: int, before: Waveform, part: Waveform) -> tuple[Waveform, int]:
    missing = n_chunk - len(part)
    first = missing // 2
    known = before[len(before) - min(first, len(before)) :]
    sides = ((first - len(known), missing - first), (0, 0))
    return np.pad(np.concatenate([known, part]), sides), first
