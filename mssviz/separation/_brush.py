"""The bins that a stroke of the brush covers on a grid of frames and bins."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError

#: Most bins that all sections of a stroke may go over together: some twenty seconds of work.
MAX_WORK = 500_000_000
#: Frames that are computed together for a section of a stroke.
_FRAMES = 512
#: Crossings of a lasso's edges with bins that are computed together.
_CROSSINGS = 1 << 20

Points = Sequence[tuple[float, float]]
Check = Callable[[float], None]  # gets the share of the work that is done; may raise


def along(
    points: Points,
    radii: tuple[float, float],
    softness: float,
    seconds: AnyArray,
    hertz: AnyArray,
    check: Check,
    comb: tuple[float, float] | None = None,
) -> AnyArray:
    """Strength of a brush that is drawn along points.

    Parameters
    ----------
    points
        Points of the movement, ``(seconds, hertz)``.
    radii
        Half-axes of the brush in seconds and hertz.
    softness
        Softness of the edge: 0 is a hard edge, 1 fades out from the centre.
    seconds, hertz
        Centres of the frames, in seconds, and of the bins, in hertz; both ascending.
    check
        Callback, see `Check`.
    comb
        Distances of frames, in seconds, and of bins, in hertz, to paint all multiples of the
        points' frequencies, too; a few frames alone do not tell them. None paints the points alone.

    Returns
    -------
    AnyArray
        Strength ``(n_frames, n_bins)``, float32 in [0, 1].

    Raises
    ------
    ParameterError
        If the stroke is too much work.
    """
    pieces = _pieces(points)
    if comb:
        pieces = _subdivided(pieces, radii, comb, len(hertz))
    lows, highs = pieces.min(axis=1), pieces.max(axis=1)
    start, stop = _within(seconds, lows[:, 0] - radii[0], highs[:, 0] + radii[0])
    low, high = _within(hertz, lows[:, 1] - radii[1], highs[:, 1] + radii[1])
    if comb:
        low, high = np.zeros_like(low), np.full_like(high, len(hertz))
    done = np.cumsum((stop - start) * (high - low), dtype=float)
    _check_work(done[-1])
    distance = np.full((len(seconds), len(hertz)), np.inf, np.float32)
    for i, piece in enumerate(pieces):
        bins = slice(low[i], high[i])
        for first in range(start[i], stop[i], _FRAMES):
            frames = slice(first, min(first + _FRAMES, stop[i]))
            found = _distance(piece, radii, seconds[frames, None], hertz[bins], comb is not None)
            np.minimum(distance[frames, bins], found, out=distance[frames, bins])
        check(done[i] / max(done[-1], 1))
    return _falloff(distance, softness)


def inside(points: Points, seconds: AnyArray, hertz: AnyArray, check: Check) -> AnyArray:
    """Find the bins that a polygon encloses, by the even-odd rule.

    Parameters
    ----------
    points
        Corners of the polygon, ``(seconds, hertz)``.
    seconds, hertz, check
        Centres of frames and bins, and callback, as in `along`.

    Returns
    -------
    AnyArray
        Whether each bin is inside, ``(n_frames, n_bins)`` bool.

    Notes
    -----
    An edge crosses the lines of some bins through time, and each crossing inverts all frames before
    it. A crossing is noted at its own frame only, and one pass over the frames sums them up.
    """
    turns = np.zeros((len(seconds) + 1, len(hertz)), np.uint8)
    for rows, crossed, share in _crossings(np.asarray(points, float), hertz):
        frames = np.searchsorted(seconds, crossed)
        np.bitwise_xor.at(turns.reshape(-1), frames * len(hertz) + rows, np.uint8(1))
        check(share)
    before = np.bitwise_xor.accumulate(turns[::-1], axis=0)[::-1]
    return before[1:].astype(bool)


def _crossings(corners: AnyArray, hertz: AnyArray) -> Iterator[tuple[AnyArray, AnyArray, float]]:
    # bins, and the times at which a polygon's edges cross them, for several edges at once
    others = np.roll(corners, -1, axis=0)
    first = np.searchsorted(hertz, np.minimum(corners[:, 1], others[:, 1]))
    counts = np.searchsorted(hertz, np.maximum(corners[:, 1], others[:, 1])) - first
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(_CROSSINGS, ends[-1], _CROSSINGS))
    for start, stop in itertools.pairwise([0, *np.unique(cuts).tolist(), len(corners)]):
        edges = np.repeat(np.arange(start, stop), counts[start:stop])
        offsets = np.arange(len(edges)) - np.repeat(
            (ends - counts)[start:stop] - (ends - counts)[start], counts[start:stop]
        )
        rows = first[edges] + offsets
        (t0, f0), (t1, f1) = corners[edges].T, others[edges].T
        yield rows, t0 + (hertz[rows] - f0) / (f1 - f0) * (t1 - t0), stop / len(corners)


def _pieces(points: Points) -> AnyArray:
    # (n, 2, 2): both ends of each straight section of a movement
    ends = np.asarray(points, float)
    return np.stack([ends[:-1], ends[1:]], axis=1) if len(ends) > 1 else ends[None, [0, 0]]


def _subdivided(
    pieces: AnyArray, radii: tuple[float, float], spacing: tuple[float, float], n_bins: int
) -> AnyArray:
    # sections so short that a bin stays nearest to the same multiple of a section's frequency
    step = np.maximum(np.array(radii) / 3, np.array(spacing) / 2)
    movement = pieces[:, 1] - pieces[:, 0]
    counts = np.maximum(np.ceil(np.abs(movement / step).max(axis=1)), 1)
    _check_work(counts.sum() * n_bins)
    n = counts.astype(int)
    place = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    steps = np.repeat(movement / counts[:, None], n, axis=0)
    starts = np.repeat(pieces[:, 0], n, axis=0) + place[:, None] * steps
    return np.stack([starts, starts + steps], axis=1)


def _check_work(n_bins: float) -> None:
    if n_bins > MAX_WORK:
        raise ParameterError(
            f"a stroke may go over {MAX_WORK:.0e} bins, each time counted (got {n_bins:.0e}); "
            "draw it in parts, or with a smaller brush"
        )


def _within(centres: AnyArray, low: AnyArray, high: AnyArray) -> tuple[AnyArray, AnyArray]:
    # numbers of the first centre from low on, and of the first one above high
    return np.searchsorted(centres, low), np.searchsorted(centres, high, side="right")


def _distance(
    piece: AnyArray, radii: tuple[float, float], seconds: AnyArray, hertz: AnyArray, comb: bool
) -> AnyArray:
    # distance of every bin from the nearest point of a straight section, in radii
    (t0, f0), (t1, f1) = piece
    middle = (f0 + f1) / 2
    multiple = np.maximum(np.rint(hertz / middle), 1) if comb and middle >= 1 else 1.0
    x, y = (seconds - t0) / radii[0], (hertz - multiple * f0) / radii[1]
    dx, dy = (t1 - t0) / radii[0], multiple * ((f1 - f0) / radii[1])
    squared = dx**2 + dy**2
    share = np.clip((x * dx + y * dy) / np.where(squared > 0, squared, 1), 0, 1)
    return np.sqrt((x - share * dx) ** 2 + (y - share * dy) ** 2)


def _falloff(distance: AnyArray, softness: float) -> AnyArray:
    # 1 within the hard core, falling along half a cosine to 0 at the brush's edge
    strength = np.zeros_like(distance)
    reached = distance <= 1
    ramp = np.clip((distance[reached] - (1 - softness)) / max(softness, 1e-9), 0, 1)
    strength[reached] = 0.5 + 0.5 * np.cos(np.pi * ramp)
    return strength
