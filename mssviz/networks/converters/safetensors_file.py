"""Files of safetensors, read without its package: a table of names in JSON, and then the numbers.

::

    8 bytes   length of the table
    table     {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, ...}
    values    little-endian, one tensor after the other

Source: the format's description in github.com/huggingface/safetensors, version 0.8.
"""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import PretrainedError, reason

_LENGTH = struct.calcsize("<Q")
#: Most bytes of a table; that of a thousand tensors has a tenth of a megabyte.
_LARGEST_TABLE = 1 << 24
_NUMBERS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as one of safetensors does."""
    with path.open("rb") as file:
        return file.read(_LENGTH + 1)[_LENGTH:] == b"{"


def read_safetensors(path: Path) -> dict[str, AnyArray]:
    """Read all tensors of a file.

    Parameters
    ----------
    path
        Path of the file.

    Returns
    -------
    dict
        Arrays by name, which cannot be written to; bfloat16 becomes float32.

    Raises
    ------
    PretrainedError
        If the file cannot be read, is damaged, or has numbers of a type that weights lack.
    """
    with _one_error(path):
        content = path.read_bytes()
        length, table = _table(content, len(content))
        table.pop("__metadata__", None)
        values = content[length:]
        _check_places(table, len(values))
        return {name: _tensor(entry, values) for name, entry in table.items()}


def read_metadata(path: Path) -> dict[str, Any]:
    """Read what a file says beside its tensors: values in JSON, by name; others are left out.

    Parameters
    ----------
    path
        Path of the file.

    Raises
    ------
    PretrainedError
        If the file cannot be read or is damaged.
    """
    with _one_error(path), path.open("rb") as file:
        _, table = _table(file.read(_LENGTH + _LARGEST_TABLE), path.stat().st_size)
        found = {}
        for name, text in table.get("__metadata__", {}).items():
            with suppress(json.JSONDecodeError):
                found[name] = json.loads(text)
        return found


@contextmanager
def _one_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PretrainedError(f"{path}: cannot be read ({reason(error)})") from error
    except (
        struct.error,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ) as error:
        raise PretrainedError(
            f"{path}: not a file of safetensors, or damaged ({reason(error)}); get it again"
        ) from error


def _table(start: bytes, size: int) -> tuple[int, dict[str, Any]]:
    """Number of bytes before the values, and the table within them."""
    (length,) = struct.unpack_from("<Q", start)
    if length > min(size - _LENGTH, _LARGEST_TABLE):
        raise ValueError("a table that is longer than the file, or than any")
    return _LENGTH + length, json.loads(start[_LENGTH : _LENGTH + length].decode())


def _check_places(table: dict[str, Any], n_bytes: int) -> None:
    # tensors lie side by side and fill the file, so that none is read twice and nothing is hidden
    places = sorted(tuple(entry["data_offsets"]) for entry in table.values())
    ends = [(0, 0), *places, (n_bytes, n_bytes)]
    if any(one[1] != other[0] for one, other in pairwise(ends)):
        raise ValueError("tensors that do not lie side by side")


def _tensor(entry: dict[str, Any], values: bytes) -> AnyArray:
    first, last = entry["data_offsets"]
    shape, numbers = entry["shape"], np.dtype(_NUMBERS[entry["dtype"]])
    if not all(type(n) is int and n >= 0 for n in (first, last, *shape)):
        raise ValueError("a tensor of impossible shape")
    if last - first != math.prod(shape) * numbers.itemsize:
        raise ValueError("a tensor of another size than its shape has")
    tensor = np.frombuffer(values, numbers, math.prod(shape), first).reshape(shape)
    if entry["dtype"] == "BF16":  # the upper half of a float32
        return (tensor.astype("<u4") << 16).view("<f4")
    return tensor
