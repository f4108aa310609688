"""Holding a folder or a lock that only one process at a time can have."""

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
    """Hold a folder in which only one process at a time can work.

    Parameters
    ----------
    folder
        Folder to hold, which must exist.
    who
        Description of other processes that may hold it, for the message, such as
        ``"another training"``.

    Raises
    ------
    FileError
        If another process holds it.
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
    except OSError:  # the file system has no locks
        pass
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def lock(path: Path, progress: Progress, what: str) -> Iterator[None]:
    """Hold a lock that other processes respect.

    Parameters
    ----------
    path
        Path of the file that stands for the lock; its folder must exist.
    progress
        Callback that gets ``(0, None, what)`` while another process holds the lock. What it raises,
        such as `Cancelled`, ends the wait.
    what
        Description of the wait, such as
        ``"wait for another process that fetches the same weights"``.
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
