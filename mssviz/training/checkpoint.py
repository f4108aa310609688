"""The file from which a training goes on: arrays of numbers, and how far it has come.

The file may come from anywhere, so nothing of it is unpickled, evaluated, unpacked or read before
its size is known to be right. Every entry of the archive has a checksum, which reveals damage.
"""

import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mssviz._files import new_file
from mssviz._typing import AnyArray
from mssviz.errors import ParameterError, reason

CHECKPOINT = "checkpoint.npz"
#: Columns of the history, which has one row for each epoch.
COLUMNS = ("step", "loss", "validation_loss", "learning_rate", "seconds", "validation_usdr")

#: What is kept of a training besides its arrays and its identity.
KEPT = ("step", "seconds", "learning_rate", "best", "stalled", "losses", "history")

_PROGRESS = "progress"
#: Most bytes of the text about the progress: some 100,000 epochs.
_MAX_PROGRESS = 1 << 28
_MAGIC = b"\x93NUMPY\x01\x00"
#: Header that NumPy writes before the numbers of a plain array.
_HEADER = re.compile(
    rb"\{'descr': '([<|][fiuUb]\d{1,9})', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \} *\n"
)
_FOREIGN = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, struct.error,
    zipfile.BadZipFile,
)  # fmt: skip


def write(path: Path, progress: Mapping[str, Any], state: Mapping[str, AnyArray]) -> None:
    """Write a checkpoint, which replaces an older one when it is complete.

    Parameters
    ----------
    path
        Path of the file.
    progress
        Progress that `read` is to give, in JSON's types only.
    state
        Arrays by name.
    """
    arrays: dict[str, Any] = {_PROGRESS: np.array(json.dumps(progress)), **state}
    with new_file(path) as scratch, scratch.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())  # it must be on the disk before it replaces the older one


def read(
    path: Path, wanted: Mapping[str, tuple[tuple[int, ...], Any]]
) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Read the progress and the state of a checkpoint.

    Parameters
    ----------
    path
        Path of the file.
    wanted
        Shapes and types of all arrays that the training needs, by name.

    Raises
    ------
    ParameterError
        If the file is no checkpoint of this training, is damaged, or holds numbers that are not
        finite.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            progress = _progress_of(archive, entries)
            others = sorted(({_PROGRESS} | set(wanted)) ^ set(entries))
            if others:
                raise ValueError(f"{others[0]!r} is missing, or is not of this network")
            state = {
                name: _array_of(archive, entries[name], *wanted[name]) for name in sorted(wanted)
            }
    except _FOREIGN as error:
        raise ParameterError(
            f"{path}: not a checkpoint of this training, or damaged ({reason(error)}); move it "
            "away to begin anew, with --init (init) from weights that were kept"
        ) from error
    for name, values in state.items():
        if not is_finite(values):
            raise ParameterError(
                f"{path}: {name} holds numbers that are not finite, so training cannot go on; "
                "move it away to begin anew, with a lower learning rate or in float32"
            )
    return progress, state


def is_finite(values: AnyArray) -> bool:
    """Whether an array has no NaN and no infinity."""
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def _progress_of(
    archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]
) -> dict[str, Any]:
    entry = entries[_PROGRESS]
    if entry.file_size > _MAX_PROGRESS:
        raise ValueError(f"{_PROGRESS} has {entry.file_size} bytes")
    with _opened(archive, entry) as file:
        kind, shape = _header(file)
        # read to the end, where the archive compares its checksum
        content = file.read()
    n_characters = int(kind[2:])
    if kind[:2] != "<U" or shape or len(content) != 4 * n_characters:
        raise ValueError(f"{_PROGRESS} is no text")
    progress = json.loads(content.decode("utf-32-le").rstrip("\0"))
    _check(progress)
    return dict(progress)


def _array_of(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, shape: tuple[int, ...], dtype: Any
) -> AnyArray:
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    if not n_bytes <= entry.file_size <= n_bytes + 1024:
        raise ValueError(f"{entry.filename} has {entry.file_size} bytes, not {n_bytes}")
    with _opened(archive, entry) as file:
        kind, found = _header(file)
        if (kind, found) != (dtype.str, shape):
            raise ValueError(f"{entry.filename} is {kind} {found}, not {dtype.str} {shape}")
        content = file.read()
    if len(content) != n_bytes:
        raise ValueError(f"{entry.filename} has the wrong length")
    return np.frombuffer(content, dtype).reshape(shape)


def _opened(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename} is compressed")
    return archive.open(entry)


def _header(file: IO[bytes]) -> tuple[str, tuple[int, ...]]:
    """Type and shape of an array; checkpoints have no other headers than those read here."""
    start = file.read(len(_MAGIC) + 2)
    (length,) = struct.unpack("<H", start[len(_MAGIC) :])
    found = _HEADER.fullmatch(file.read(length))
    if not start.startswith(_MAGIC) or found is None:
        raise ValueError("an entry is no array of numbers")
    return found[1].decode(), tuple(int(n) for n in found[2].split(b",") if n.strip())


# --- What is in the text ----------------------------------------------------------------------


def _check(progress: Any) -> None:
    """Raise ValueError unless this is what `Run` keeps."""
    if not isinstance(progress, dict) or not isinstance(progress.get("identity"), dict):
        raise ValueError("what is kept of the training is no table")
    missing = [name for name in KEPT if name not in progress]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    for name in ("step", "stalled"):
        if type(progress[name]) is not int or not 0 <= progress[name] < 2**53:
            raise ValueError(f"{name} is {_short(progress[name])}")
    for name in ("seconds", "learning_rate"):
        if not _is_number(progress[name]) or not 0 <= progress[name] < math.inf:
            raise ValueError(f"{name} is {_short(progress[name])}")
    if not _is_number(progress["best"]):
        raise ValueError(f"best is {_short(progress['best'])}")
    losses, history = progress["losses"], progress["history"]
    if not isinstance(losses, list) or not all(
        _is_number(loss) and math.isfinite(loss) for loss in losses
    ):
        raise ValueError("losses are no finite numbers")
    if not isinstance(history, list) or not all(_is_row(row) for row in history):
        raise ValueError("the history is no table of numbers")


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and tuple(row) in (COLUMNS, COLUMNS[:-1])  # the last was not measured in earlier versions
        and type(row["step"]) is int
        and all(_is_number(value) for value in row.values())
    )


def _short(value: Any) -> str:
    return repr(value)[:40]
