"""Shapes and memory order that all masks share."""

from collections.abc import Mapping

import numpy as np

from mssviz._typing import AnyArray, Mask
from mssviz.errors import ParameterError


def empty(n_frames: int, n_bins: int, n_channels: int) -> Mask:
    """Empty mask in the memory order of spectra, (frames, channels, bins), for fast products."""
    return np.moveaxis(np.empty((n_frames, n_channels, n_bins), np.float32), 1, 2)


def check_same_shape(arrays: Mapping[str, AnyArray]) -> None:
    """Raise `ParameterError` unless these are sources of one shape with three axes."""
    if not isinstance(arrays, Mapping):
        raise ParameterError(
            "sources must be a dict of name to array (n_frames, n_bins, n_channels) (got "
            f"{type(arrays).__name__})"
        )
    if not arrays:
        raise ParameterError("masks need at least one source (got an empty dict)")
    shapes = {name: np.shape(a) for name, a in arrays.items()}
    if len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 3:
        raise ParameterError(
            f"sources must share one shape (n_frames, n_bins, n_channels) (got {shapes})"
        )
