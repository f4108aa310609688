"""Segments of a song, which are masked one after the other, so that memory stays bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mssviz._typing import AnyArray, Stft


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of a song, with what the network predicts of them.

    Parameters
    ----------
    mixture
        STFT of the mixture, ``(n_frames, n_bins, n_channels)``.
    values
        Predicted values by target, ``(n_frames, n_model_bins, n_channels)``; see `Prediction`.
    before, after
        Numbers of frames at either end that belong to the neighbours, for masks that are smoothed
        over time.
    """

    mixture: Stft
    values: Mapping[str, AnyArray]
    before: int = 0
    after: int = 0

    @property
    def model_band(self) -> Stft:
        """STFT of the mixture in the bins that the model covers."""
        n_bins = next(iter(self.values.values())).shape[1]
        return self.mixture[:, :n_bins]

    def core(self, values: AnyArray) -> AnyArray:
        """Take from an array of all frames those that do not belong to the neighbours."""
        return values[self.before : len(values) - self.after]


def with_margins(segments: Iterable[Segment], margin: int) -> Iterator[Segment]:
    """Give each of a song's segments, in order, up to `margin` frames of its neighbours."""
    if not margin:
        yield from segments
        return
    before: list[Segment] = []  # at most one, of no more than `margin` frames
    current: Segment | None = None
    for after in segments:
        if current is not None:
            yield _joined(before, current, [_cut(after, slice(0, margin))])
            before = [_cut(_joined(before, current, []), slice(-margin, None))]
        current = after
    if current is not None:
        yield _joined(before, current, [])


def _cut(segment: Segment, frames: slice) -> Segment:
    cut = {name: values[frames] for name, values in segment.values.items()}
    return Segment(segment.mixture[frames], cut)


def _joined(before: Sequence[Segment], core: Segment, after: Sequence[Segment]) -> Segment:
    parts = [*before, core, *after]
    return Segment(
        np.concatenate([part.mixture for part in parts]),
        {name: np.concatenate([p.values[name] for p in parts]) for name in core.values},
        before=sum(len(part.mixture) for part in before),
        after=sum(len(part.mixture) for part in after),
    )
