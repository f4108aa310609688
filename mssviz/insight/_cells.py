"""Parts of a network's input that an occlusion takes away."""

from itertools import pairwise

import numpy as np

#: Smallest side of a cell, in frames and in bins.
LEAST_SIDE = 8

#: First and last frame, first and last bin of a part of the input; the last are not in it.
Cell = tuple[int, int, int, int]


def grid(whole: Cell, n_times: int, n_bands: int) -> list[Cell]:
    """Cut a part of the input into cells that are as long, and as wide in octaves.

    Parameters
    ----------
    whole
        Part to cut.
    n_times, n_bands
        Number of cells along time and along frequency, or fewer in a small part.
    """
    times = np.linspace(*whole[:2], n_times + 1)
    bands = np.geomspace(whole[2] + 1, whole[3] + 1, n_bands + 1) - 1
    borders = [sorted({round(float(edge)) for edge in edges}) for edges in (times, bands)]
    return [
        (start, stop, low, high)
        for start, stop in pairwise(borders[0])
        for low, high in pairwise(borders[1])
    ]


def quarters(cell: Cell) -> list[Cell]:
    """Cut a cell along each side that is long enough for two."""
    start, stop, low, high = cell
    return grid(cell, 1 + (stop - start >= 2 * LEAST_SIDE), 1 + (high - low >= 2 * LEAST_SIDE))
