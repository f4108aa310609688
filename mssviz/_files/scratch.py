"""Temporary folders and arrays, which are removed with whatever uses them."""

import errno
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._files.places import cache_folder
from mssviz._files.temporary import made_folder, remove_own, sweep_once
from mssviz._typing import AnyArray
from mssviz.errors import FileError, reason

_NOT_OFFERED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_CHUNK = 1 << 20
_REMEDY = "free some space on the disk"


class ScratchFolder:
    """A temporary folder, removed when it is closed or forgotten, or its process has died.

    Parameters
    ----------
    place
        Folder in which it is made; if left out, the first of `temporary_places` that can be written
        to.
    hidden
        Whether its name begins with a dot.

    Attributes
    ----------
    path : Path
        Path of the folder, which is empty but for a mark.

    Raises
    ------
    FileError
        If the folder cannot be made.
    """

    def __init__(self, place: Path | None = None, hidden: bool = False) -> None:
        self.path, held = _new_scratch_folder(place, hidden)
        self._end = weakref.finalize(self, remove_own, self.path, held, os.getpid())

    def __enter__(self) -> "ScratchFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with everything in it."""
        self._end()


def _new_scratch_folder(place: Path | None, hidden: bool) -> tuple[Path, int]:
    failures, why = [], ""
    for folder in temporary_places() if place is None else [place]:
        try:
            sweep_once(folder)
            return made_folder(folder, f"{'.' * hidden}mssviz-{{}}.tmp")
        except OSError as error:
            why = why or reason(error)
            failures.append(f"{folder} ({reason(error)})")
    raise FileError(f"no temporary folder can be made ({why}); {_REMEDY}", _tried(failures))


def temporary_places() -> Iterator[Path]:
    """Folders for what does not outlive the process, in order: the system's, then our cache."""
    with suppress(FileNotFoundError):  # no folder of the system's can be written to
        yield Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    with suppress(OSError):
        cache_folder().mkdir(parents=True, exist_ok=True)
    yield cache_folder()


def mapped_zeros(shape: tuple[int, ...], dtype: Any = np.float32) -> AnyArray:
    """Make an array of zeros in a temporary file without a name, which is removed with the array.

    Space for it is reserved before it is mapped: if a disk becomes full under a mapped file, the
    system kills the process.

    Parameters
    ----------
    shape, dtype
        Shape and type of the array.

    Raises
    ------
    FileError
        If no place has that much space.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    failures: list[str] = []
    for place in temporary_places():
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                _reserve(file.fileno(), n_bytes)
                return np.memmap(file, dtype, "r+", shape=shape)
        except OSError as error:
            failures.append(f"{place} ({reason(error)}{_free(place)})")
    size = -(-n_bytes >> 20)
    raise FileError(f"a temporary file of {size} MiB fits nowhere; {_REMEDY}", _tried(failures))


def check_room(path: Path, n_bytes: int) -> None:
    """Raise `OSError` unless a file of this size finds room now, for who cannot bear to find none.

    Parameters
    ----------
    path
        Path that the file is to have, which is free afterwards.
    n_bytes
        Size of the file.
    """
    try:
        with path.open("wb") as file:
            _reserve(file.fileno(), n_bytes)
    finally:
        path.unlink(missing_ok=True)


def _tried(failures: Sequence[str]) -> str:
    return f"or set TMPDIR to a folder on a larger disk; tried: {', '.join(failures)}"


def _free(place: Path) -> str:
    with suppress(OSError):
        return f", {shutil.disk_usage(place).free >> 20} MiB are free"
    return ""


def _reserve(handle: int, n_bytes: int) -> None:
    try:
        os.posix_fallocate(handle, 0, n_bytes)
        return
    except AttributeError:  # macOS has no such function
        pass
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    for start in range(0, n_bytes, _CHUNK):
        os.pwrite(handle, bytes(min(_CHUNK, n_bytes - start)), start)
