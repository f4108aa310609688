"""Holding a folder, or a lock, that only one process at a time can have."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mssviz._files.writing import writing
from mssviz._typing import Progress
from mssviz.errors import FileError

#: Seconds between two tries to get a lock that another process holds.
_POLL_SECONDS = 0.2


@contextmanager
def alone(folder: Path, who: str) -> Iterator[None]:
    """Hold a folder that only one at a time can work in.

    Parameters
    ----------
    folder
        Which; it must exist.
    who
        Holds it otherwise, for the message, such as ``"another training"``.

    Raises
    ------
    FileError
        If it is held.
    """
    with writing(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise FileError(
            f"{folder}: {who} is at work in it; wait for its end, or choose another folder"
        ) from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def lock(path: Path, progress: Progress, what: str) -> Iterator[None]:
    """Hold a lock that other processes heed.

    Parameters
    ----------
    path
        Of the file that stands for it; its folder must exist.
    progress
        Called as ``(0, None, what)`` while another process holds the lock; what it raises, such
        as `Cancelled`, ends the wait.
    what
        Such as ``"wait for another process that fetches the same weights"``.
    """
    from filelock import FileLock, Timeout

    held = FileLock(path)
    while True:
        try:
            held.acquire(timeout=_POLL_SECONDS)
            break
        except Timeout:
            progress(0, None, what)
    try:
        yield
    finally:
        held.release()
