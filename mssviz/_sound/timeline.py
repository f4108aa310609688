"""A song's samples at their times, with silence in place of what could not be decoded."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mssviz._ahead import warn
from mssviz._sound.decoding import Decoder
from mssviz._typing import Waveform
from mssviz.errors import AudioError

# Longest end that may be missing and is filled with silence; beyond, the file counts as cut short.
_CUT_SECONDS = 0.1
_SILENCE_SAMPLES = 1 << 16


class Block(NamedTuple):
    """Samples that follow those of the block before.

    Attributes
    ----------
    position : int
        Index of the first sample.
    samples : Waveform
        Samples ``(n, n_channels)``.
    is_sound : bool
        False if this is silence in place of what could not be decoded.
    """

    position: int
    samples: Waveform
    is_sound: bool

    @property
    def stop(self) -> int:
        """Index after the last sample."""
        return self.position + len(self.samples)


class Timeline:
    """The samples of a stream from its decoder, without gaps.

    Parameters
    ----------
    decoder
        Decoder, which gives the samples with their times.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder, self._rate = decoder, decoder.sample_rate
        self._n_filled = 0

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Give all samples in order.

        Parameters
        ----------
        first
            Index of the first wanted sample.
        end
            Index after the last wanted sample; None for the end of the file.

        Yields
        ------
        Block
            Samples that follow each other; the first block can begin before `first`, the last can
            end after `end`.

        Raises
        ------
        AudioError
            If most of it would be silence, or the file ends earlier than its header says.
        """
        stated = self._decoder.stated
        if stated is not None and first >= stated > 0:
            return
        stop = 0
        for block in self._ended(self._placed(first)):
            yield block
            stop = block.stop
            if end is not None and stop >= end:
                return
        self._check_complete(stop, first)

    def _placed(self, first: int) -> Iterator[Block]:
        # decoded samples at their times, with silence in the gaps
        tolerance = self._decoder.tolerance
        position, shift, told = -1, 0, False
        for at, samples in self._decoder.pieces(first):
            if position < 0:
                position = min(at or 0, first)
            ahead = 0 if at is None else at + shift - position
            if ahead > tolerance:
                yield from self._silence(position, ahead)
                position += ahead
            elif ahead < -tolerance and not self._decoder.restarts:
                if not told:
                    seconds = position / self._rate
                    self._warn(f"times go back at {seconds:.2f} s; what comes again is left out")
                told = True
                samples = samples[-ahead:]
            elif ahead < -tolerance:
                shift -= ahead  # here begins another file, or another clock
            if len(samples):
                yield Block(position, samples, True)
                position += len(samples)

    def _silence(self, position: int, n_samples: int) -> Iterator[Block]:
        self._n_filled += n_samples
        if self._n_filled > self._decoder.most_filled * self._rate:
            raise self._too_little(position + n_samples)
        stop = position + n_samples
        for start in range(position, stop, _SILENCE_SAMPLES):
            size = min(_SILENCE_SAMPLES, stop - start)
            yield Block(start, np.zeros((size, self._decoder.n_channels), np.float32), False)

    def _ended(self, blocks: Iterator[Block]) -> Iterator[Block]:
        # cut at the stated end where codecs have whole frames only, unless much more comes
        stated, most = self._decoder.stated, round(_CUT_SECONDS * self._rate)
        pads = self._decoder.pads
        beyond: list[Block] = []
        stop = size = 0
        for block in blocks:
            size, stop = len(block.samples), block.stop
            if stated is None or stop <= stated:
                yield block
                continue
            n_inside = max(0, stated - block.position)
            if n_inside:
                yield block._replace(samples=block.samples[:n_inside])
            position, samples = block.position + n_inside, block.samples[n_inside:]
            beyond.append(Block(position, samples, block.is_sound))
            if stop - stated > (max(most, size) if pads else self._decoder.rounding):
                self._warn(
                    f"goes on behind the end that its header states, {stated / self._rate:.2f} s; "
                    "all is read"
                )
                yield from beyond
                stated = None
        if not pads and stated is not None:
            yield from beyond
        missing = (stated or 0) - stop
        if stop and self._decoder.end_tolerance(size) < missing <= max(most, 2 * size):
            yield from self._silence(stop, missing)

    def _check_complete(self, n_samples: int, first: int) -> None:
        name, seconds = self._decoder.name, n_samples / self._rate
        for noticed in self._decoder.noticed:
            self._warn(f"{noticed}; if it should sound otherwise, copy it again")
        if n_samples == 0:
            raise AudioError(f"{name}: holds no samples; record or export it again")
        if 2 * self._n_filled > n_samples:
            raise self._too_little(n_samples)
        expected = self._decoder.seconds
        missing = 0.0 if expected is None else expected - seconds
        tolerated = max(_CUT_SECONDS, self._decoder.end_tolerance(0) / self._rate)
        if self._decoder.must_be_complete and missing > tolerated:
            readable = max(0, (100 * n_samples - 100 * first) // self._rate) / 100
            raise AudioError(
                f"{name}: cut short, its header states {expected:.2f} s but it ends after "
                f"{seconds:.2f} s; copy it again, or read what is there with "
                f"duration={readable:.2f}"
            )
        least = 1 + 0.05 * (expected or 0) if self._decoder.is_estimated else _CUT_SECONDS
        if missing > least:
            self._warn(
                f"ends after {seconds:.1f} s, but {expected:.1f} s were to be expected; if it is "
                "cut short, copy it again"
            )
        elif self._decoder.lacks_end_mark:
            self._warn(
                f"has no end mark after its {seconds:.2f} s; if it is cut short, copy it again"
            )

    def _warn(self, text: str) -> None:
        warn(f"{self._decoder.name}: {text}", stacklevel=3)

    def _too_little(self, n_samples: int) -> AudioError:
        return AudioError(
            f"{self._decoder.name}: damaged, of its first {n_samples / self._rate:.2f} s "
            f"{self._n_filled / self._rate:.2f} s cannot be decoded; copy it again"
        )


def regroup(pieces: Iterable[Waveform], size: int) -> Iterator[tuple[Waveform, bool]]:
    """Join samples to blocks of about `size`, each with whether it is the last."""
    pending: list[Waveform] = []
    n_pending = 0
    ready: Waveform | None = None
    for piece in pieces:
        pending.append(piece)
        n_pending += len(piece)
        if n_pending >= size:
            if ready is not None:
                yield ready, False
            ready, pending, n_pending = np.concatenate(pending), [], 0
    if pending:
        if ready is not None:
            yield ready, False
        ready = np.concatenate(pending)
    if ready is not None:
        yield ready, True


def describe_repairs(repairs: Sequence[tuple[float, float]]) -> str:
    """Describe, for a warning, where silence stands for what could not be decoded.

    Parameters
    ----------
    repairs
        Repaired parts (start, stop), in seconds, as in `audio.AudioReader`.
    """
    spans = [f"{start:.2f} to {stop:.2f} s" for start, stop in repairs[:5]]
    more = f" and {len(repairs) - 5} more pieces" if len(repairs) > 5 else ""
    total = sum(stop - start for start, stop in repairs)
    return f"damaged, silence replaces {', '.join(spans)}{more} ({total:.2f} s in all)"
