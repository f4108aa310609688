r"""The regions of time and frequency that cost most, and what repairing them would bring.

Regions are found on a coarse grid, cells of two frames by a twelfth of an octave (and two bins at
least), on which the signed energy of an `ErrorMap` is smoothed a little. The cells that together
hold half of it, taken from the costliest down, are joined where they touch and have one sign; if
that gives too few regions, those are added that stand apart from them among the cells that hold
more. On music that gives notes, drum beats and consonants.

**What a gain means.** Say a region holds :math:`e` of the error's energy :math:`E`. If its bins
were those of the true stem, :math:`E - e` would be left in the map, and SDR rise by
:math:`10 \log_{10}(E / (E - e))`. A sound made of such bins loses even more of its error: no sound
has exactly these bins, and of what contradicts its neighbours the inverse STFT keeps the part that
is a sound, which is smaller. So a gain is a promise: `repaired` is at least so much better.
"""

import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.ndimage

from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.scores.error_maps import BLOCK_FRAMES, ErrorMap, sdr_db
from mssviz.stft import OverlapAdd, StftParams, bins_to_hz, frames_to_time, stft_frames

_CELL_FRAMES, _CELL_BINS, _CELL_RATIO = 2, 2, 2 ** (1 / 12)
_SMOOTHING = 1.0  # cells
_PARTS = (0.5, 0.7, 0.85, 0.95)  # of the smoothed energy


@dataclass(frozen=True, eq=False)
class Region:
    """A region of time and frequency, and what its error costs; from `costliest`.

    Parameters
    ----------
    start, stop
        First and last time, in seconds.
    low, high
        Lowest and highest frequency, in hertz.
    share
        Share of the error's energy that lies in the region, 0 to 1. The box that the four numbers
        above give holds the region, and may hold more.
    kind
        ``"too much"`` or ``"missing"``: which of them the region's error is for the most part.
    gain_db
        Decibels that SDR rises by, at least, if the region's bins become those of the true stem.
    first_frame, first_bin, inside
        Place of the region in the STFT, and which bins from there on belong to it, bool
        ``(n_frames, n_bins)``.
    """

    start: float
    stop: float
    low: float
    high: float
    share: float
    kind: str
    gain_db: float
    first_frame: int = field(repr=False)
    first_bin: int = field(repr=False)
    inside: AnyArray = field(repr=False)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """``(start, stop, low, high)``, in seconds and hertz."""
        return self.start, self.stop, self.low, self.high


def costliest(error_map: ErrorMap, n: int = 10, progress: bool | Progress = False) -> list[Region]:
    """Find the regions of time and frequency whose error costs most.

    Parameters
    ----------
    error_map
        Map from `error_map`.
    n
        Number of regions, 1 or more; there may be fewer.
    progress
        Bar or callback for the progress, in seconds. What it raises stops the work.

    Returns
    -------
    list
        Regions that do not overlap, the costliest first.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(88200, 1))
    >>> false = true.copy()
    >>> false[44100:48510] *= 3
    >>> [region, *_] = mssviz.scores.costliest(mssviz.scores.error_map(true, false))
    >>> region.kind, abs(region.start - 1) < 0.1
    ('too much', True)
    """
    if not isinstance(n, numbers.Integral) or n < 1:
        raise ParameterError(f"n must be a number of regions, 1 or more (got {n!r})")
    if not isinstance(error_map, ErrorMap):
        raise ParameterError(
            f"costliest needs a map from scores.error_map (got {type(error_map).__name__})"
        )
    with reporter(progress) as report:
        grid = _Grid(error_map, report)
    smooth = scipy.ndimage.gaussian_filter(grid.signed, _SMOOTHING)
    found: list[tuple[float, str, tuple[slice, slice], AnyArray]] = []
    taken = np.zeros(smooth.shape, bool)
    for part in _PARTS:
        level = _level_of_part(np.abs(smooth), part)
        if len(found) < n:
            for kind, sign in (("too much", 1), ("missing", -1)):
                found += _apart(grid.energy, sign * smooth > level, taken, kind)
    found.sort(key=lambda each: -each[0])
    return [grid.region(*each) for each in found[: int(n)]]


def _apart(
    energy: AnyArray, high: AnyArray, taken: AnyArray, kind: str
) -> Iterator[tuple[float, str, tuple[slice, slice], AnyArray]]:
    """Join high cells, and take what touches none of those that are taken.

    Yields
    ------
    cost : float
        Energy of what was joined.
    kind : str
        What was given.
    place : tuple of slice
        Box that it lies in.
    cells : ndarray
        Which cells of the box belong to it, bool.
    """
    labels, count = scipy.ndimage.label(high)
    costs = scipy.ndimage.sum_labels(energy, labels, np.arange(1, count + 1))
    known = set(np.unique(labels[taken]).tolist())
    for label, place in enumerate(scipy.ndimage.find_objects(labels), start=1):
        if label not in known:
            cells = labels[place] == label
            taken[place] |= cells
            yield float(costs[label - 1]), kind, place, cells


def repaired(error_map: ErrorMap, regions: Sequence[Region]) -> Waveform:
    """Make the estimate anew with the true stem's bins in some regions, to hear what they cost.

    Parameters
    ----------
    error_map
        Map from `error_map`.
    regions
        Regions of this map, from `costliest`.

    Returns
    -------
    Waveform
        Estimate ``(n_samples, n_channels)``, whose SDR has risen by the regions' gain or more.
    """
    params, n_samples = error_map.params, len(error_map.reference)
    true = stft_frames(error_map.reference, params)
    found = stft_frames(error_map.estimate, params)
    for region in regions:
        last = np.add((region.first_frame, region.first_bin), region.inside.shape)
        if (last > true.shape[:2]).any():
            raise ParameterError(
                f"regions must be of this map; {region} is of another: take them from "
                "costliest(error_map)"
            )
    synthesis, parts = OverlapAdd(params), []
    for start in range(0, len(found), BLOCK_FRAMES):
        block = found[start : start + BLOCK_FRAMES]
        right = true[start : start + BLOCK_FRAMES]
        for region in regions:
            inside = _inside(region, start, block.shape)
            block[inside] = right[inside]
        parts.append(synthesis.add(block))
    return np.concatenate([*parts, synthesis.flush()])[:n_samples]


def _inside(region: Region, start: int, shape: tuple[int, ...]) -> AnyArray:
    """Which bins of a block of frames belong to a region, bool ``(n_frames, n_bins)``."""
    inside = np.zeros(shape[:2], bool)
    first = region.first_frame - start
    n_frames, n_bins = region.inside.shape
    part = region.inside[max(0, -first) : max(0, shape[0] - first)]
    bins = slice(region.first_bin, region.first_bin + n_bins)
    inside[max(0, first) : max(0, first + n_frames), bins] = part
    return inside


class _Grid:
    """The energies of a map, summed over channels and over the bins of each cell."""

    def __init__(self, error_map: ErrorMap, report: Progress) -> None:
        self._params = error_map.params
        self._seconds = len(error_map.reference) / self._params.sample_rate
        n_frames = len(error_map.signed)
        self._frames = np.append(np.arange(0, n_frames, _CELL_FRAMES), n_frames)
        self._bins = _band_edges(self._params)
        self.signed = np.zeros((len(self._frames) - 1, len(self._bins) - 1))
        self.energy = np.zeros_like(self.signed)
        for start, block, _ in error_map.blocks(report):
            rows = np.arange(start, start + len(block)) // _CELL_FRAMES
            for total, values in ((self.signed, block), (self.energy, np.abs(block))):
                bands = np.add.reduceat(values.sum(axis=2), self._bins[:-1], axis=1)
                np.add.at(total, rows, bands)

    def region(self, cost: float, kind: str, place: tuple[slice, slice], cells: AnyArray) -> Region:
        """Describe some cells that hold an energy of error."""
        (first, last), (low, high) = (
            (edges[part.start], edges[part.stop])
            for edges, part in zip((self._frames, self._bins), place, strict=True)
        )
        inside = cells
        for axis, edges in enumerate((self._frames, self._bins)):
            inside = np.repeat(inside, np.diff(edges)[place[axis]], axis=axis)
        # a frame or a bin is as wide as the distance to the next one, and lies around its centre
        times = frames_to_time(np.array([first, last]) - 0.5, self._params)
        start, stop = np.clip(times, 0, self._seconds).tolist()
        hertz = bins_to_hz(np.array([low, high]) - 0.5, self._params)
        bottom, top = np.clip(hertz, 0, self._params.sample_rate / 2).tolist()
        share = cost / float(self.energy.sum())
        gain = sdr_db(1.0, max(0.0, 1.0 - share))
        return Region(start, stop, bottom, top, share, kind, gain, first, low, inside)


def _band_edges(params: StftParams) -> AnyArray:
    """First bins of bands as wide as a cell, and the number of bins."""
    edges = [0]
    while edges[-1] < params.n_bins:
        wider = max(edges[-1] + _CELL_BINS, round(edges[-1] * _CELL_RATIO))
        edges.append(min(params.n_bins, wider))
    return np.array(edges)


def _level_of_part(values: AnyArray, part: float) -> float:
    """Value above which the largest values hold a part of the sum of all."""
    descending = np.sort(values, axis=None)[::-1]
    running = np.cumsum(descending)
    return float(descending[np.searchsorted(running, part * running[-1])])
