"""Weights as Keras writes them, ``*.weights.h5``, which are checked before Keras reads them.

A file of HDF5 can name other files as its content, claim any size, and hold the same group again
within itself. Weights are plain arrays in groups, with as many numbers as the network has, or up to
four times as many with the state of an optimizer.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from mssviz.errors import PretrainedError, reason

_DEEPEST = 32
_MOST_ENTRIES = 100_000
#: Numbers that may be there besides, such as the states of random numbers.
_SPARE_NUMBERS = 10_000


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Fill a network with the weights of a file.

    Parameters
    ----------
    model
        Keras model.
    paths
        Path of the one file.
    targets
        Names of the model's targets, which the file does not name.

    Raises
    ------
    PretrainedError
        If the file was not written by Keras, is damaged, or holds another network's weights.
    """
    (path,) = paths
    try:
        with h5py.File(path, "r") as opened:
            _check_group(opened, 4 * model.count_params() + _SPARE_NUMBERS, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error follows for the same reason
            model.load_weights(path)
    except PretrainedError:
        raise
    except Exception as error:  # from Keras, h5py or HDF5, depending on the damage
        raise PretrainedError(
            f"{path}: weights do not fit the network of its configuration ({reason(error)}); "
            "train or copy them again"
        ) from error


def _check_group(top: Any, most_numbers: int, path: Path) -> None:
    waiting, n_entries = [(top, 0)], 0
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            n_entries += 1
            if depth > _DEEPEST or n_entries > _MOST_ENTRIES:
                raise PretrainedError(f"{path}: has more within than weights; copy it again")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise PretrainedError(f"{path}: {name!r} is a link, which weights lack; refused")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                waiting.append((entry, depth + 1))
                continue
            if not isinstance(entry, h5py.Dataset) or entry.dtype.kind not in "fiub":
                raise PretrainedError(f"{path}: {name!r} is no array of numbers; refused")
            if entry.is_virtual or entry.external:
                raise PretrainedError(f"{path}: {name!r} stands in another file; refused")
            most_numbers -= math.prod(entry.shape or ())
            if most_numbers < 0:
                raise PretrainedError(
                    f"{path}: holds more numbers than the network of its configuration; choose "
                    "the configuration that it belongs to"
                )
