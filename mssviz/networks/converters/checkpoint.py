"""Checkpoints as people share them: their tensors, what shapes tell, and where values go.

Files are those of ``torch.save`` (``.ckpt``, ``.pt``, ``.th``) or of safetensors, with the tensors
alone or within ``state``, ``state_dict`` or ``model_state_dict``.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import PretrainedError
from mssviz.networks.converters.safetensors_file import (
    is_safetensors,
    read_metadata,
    read_safetensors,
)
from mssviz.networks.converters.torch_file import read_torch

_WRAPPERS = ("state", "state_dict", "model_state_dict")
#: What files name that is not read: their network's class, and what a training leaves in them.
_LEFT_OUT = (
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype",
    "_codecs.encode", "demucs.htdemucs.HTDemucs",
)  # fmt: skip
_PLAIN = (bool, int, float, str, type(None))
_MOST_PARTS = 64


class _Left:
    # In place of what training leaves in a file beside weights, such as its best score.
    def __new__(cls, *_: Any) -> "_Left":
        return super().__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        pass


def read_state(path: Path) -> dict[str, AnyArray]:
    """Read the tensors of a checkpoint, whatever file and wrapper they are in.

    Parameters
    ----------
    path
        Path of the file.

    Returns
    -------
    dict
        Arrays of real numbers, by their names.

    Raises
    ------
    PretrainedError
        If the file cannot be read, is damaged or holds no tensors.
    """
    return read_package(path)[0]


def read_package(path: Path) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read the tensors of a checkpoint, and what it says of its network, as those of demucs do.

    Parameters
    ----------
    path
        Path of the file.

    Returns
    -------
    state : dict
        Arrays of real numbers, by their names.
    options : dict
        Options of the network by name: numbers, texts, or a few of these; empty if the file has
        none. A fraction is a tuple of its parts, or of its text; whatever else, the name of its
        type.

    Raises
    ------
    PretrainedError
        If the file cannot be read, is damaged or holds no tensors.
    """
    said: Any
    if is_safetensors(path):
        content: Any = read_safetensors(path)
        said = read_metadata(path)
    else:
        left = type("_LeftHere", (_Left,), {})
        classes = dict.fromkeys(_LEFT_OUT, left)
        content = said = read_torch(path, {**classes, "fractions.Fraction": lambda *parts: parts})
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and wrapper in content:
            content = content[wrapper]
            break
    found = tensors(content, path)
    for name, tensor in found.items():
        if tensor.dtype.kind != "f":
            raise PretrainedError(
                f"{path}: {name[:60]} is no tensor of real numbers; choose a file of weights"
            )
    return dict(found), _options(said)


def _options(said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping) or not isinstance(said.get("kwargs"), Mapping):
        return {}
    found = {name: option for name, option in said["kwargs"].items() if isinstance(name, str)}
    arguments = said.get("args")
    if isinstance(arguments, tuple | list) and arguments:
        found["sources"] = arguments[0]
    # a few bytes can make a thing whose text is longer than any memory
    return {n: o if _is_plain(o) else type(o).__name__ for n, o in found.items()}


def _is_plain(option: Any) -> bool:
    parts = option.values() if isinstance(option, Mapping) else option
    if isinstance(option, Mapping | list | tuple):
        return len(option) <= _MOST_PARTS and all(isinstance(part, _PLAIN) for part in parts)
    return isinstance(option, _PLAIN)


def tensors(found: Any, path: Path) -> Mapping[str, AnyArray]:
    """Check that the content of a file is a state dictionary: arrays by name."""
    if not isinstance(found, dict) or not all(isinstance(t, np.ndarray) for t in found.values()):
        raise PretrainedError(f"{path}: holds no state dictionary; choose a file of weights")
    return {str(name): tensor for name, tensor in found.items()}


def refuse_variants(names: Iterable[str], variants: Mapping[str, str], path: Path) -> None:
    """Refuse networks of other kinds in files of the same kind.

    Parameters
    ----------
    names
        Names of the tensors.
    variants
        What a network has, by a pattern of the names that tell it.
    path
        Path of the file, for messages.
    """
    for pattern, what in variants.items():
        if found := next((name for name in names if re.search(pattern, name)), None):
            raise PretrainedError(
                f"{path}: has {what} ({found[:60]}), which the network here lacks; choose a "
                "checkpoint without"
            )


def check_names(
    found: Collection[Any],
    known: Collection[str],
    path: Path,
    network: str = "weights of this network",
    remedy: str = "choose the preset that it belongs to, or import the file",
) -> None:
    """Refuse a file that lacks tensors of a network, or has others.

    Parameters
    ----------
    found, known
        Names of the file's tensors, and of those that the network needs.
    path, network, remedy
        Path of the file, what it should hold, and what is to be done, for messages.
    """
    missing, extra = (
        sorted(str(name)[:60] for name in a - b)
        for a, b in ((set(known), set(found)), (set(found), set(known)))
    )
    if missing or extra:
        raise PretrainedError(
            f"{path}: not {network}: {len(missing)} tensors missing, {len(extra)} unknown "
            f"({', '.join((missing + extra)[:3])}); {remedy}"
        )


def check_shape(name: str, tensor: AnyArray, shape: tuple[int, ...], path: Path) -> None:
    """Refuse a tensor of another shape than the network needs."""
    if tensor.shape != shape:
        raise PretrainedError(
            f"{path}: {name} has shape {list(tensor.shape)}, the network needs {list(shape)}; "
            "choose the preset that it belongs to, or import the file"
        )


def assign(model: Any, wanted: Mapping[str, tuple[Path, str, AnyArray]], place: Path) -> None:
    """Give every variable of a model its values; an error names `place` if they do not match."""
    variables = {variable.path: variable for variable in model.weights}
    if set(variables) != set(wanted):
        raise PretrainedError(f"the network's variables do not match {place}: build its type")
    for name, (path, tensor, values) in wanted.items():
        if variables[name].shape != values.shape:
            raise PretrainedError(
                f"{path}: {tensor} has shape {list(values.T.shape)}, the network needs "
                f"{list(variables[name].shape[::-1])}; choose the preset that it belongs to"
            )
    for name, (_, _, values) in wanted.items():
        variables[name].assign(values)


class Shapes:
    """What the names and shapes of tensors tell of a network.

    Parameters
    ----------
    state
        Tensors by name.
    path, kind
        Path of the file, and what it should hold, such as ``"an SCNet"``, for messages.
    """

    def __init__(self, state: Mapping[str, AnyArray], path: Path, kind: str) -> None:
        self._state, self._path, self._kind = state, path, kind

    def count(self, pattern: str, least: int = 1) -> int:
        """How many numbers there are in the place of the pattern's group, from 0 on."""
        found = {int(match[1]) for name in self._state if (match := re.match(pattern, name))}
        if len(found) < least or found != set(range(len(found))):
            raise self._wrong(f"its names with {pattern.replace(chr(92), '')} are not 0 and on")
        return len(found)

    def of(self, name: str, n_axes: int = 2) -> tuple[int, ...]:
        """Shape of a tensor; of a matrix, if left out."""
        tensor = self._state.get(name)
        if tensor is None or tensor.ndim != n_axes or not tensor.size:
            raise self._wrong(f"{name} is missing, or has not {n_axes} axes")
        return tensor.shape

    def rows(self, name: str, unit: int) -> int:
        """Number of rows of a matrix, as a multiple of a unit."""
        return self.quotient(self.of(name)[0], unit, f"rows of {name}")

    def quotient(self, number: int, unit: int, what: str = "of its channels") -> int:
        """A number of something as a multiple of a unit."""
        if number % unit:
            raise self._wrong(f"{number} {what} are no multiple of {unit}")
        return number // unit

    def _wrong(self, why: str) -> PretrainedError:
        return PretrainedError(
            f"{self._path}: not the weights of {self._kind} ({why}); choose another file"
        )
