"""Two folders that exchange their names at once, so that nobody sees either of them missing."""

import ctypes
import os
from pathlib import Path

#: Of the system's calls: paths are relative to the current folder, and names are exchanged.
_HERE, _EXCHANGE = -100, 2


def exchanged(new: Path, target: Path) -> Path:
    """Exchange two folders.

    Parameters
    ----------
    new, target
        Paths of both, on one file system.

    Returns
    -------
    Path
        Path of the folder that was `target`.
    """
    if exchange_names(new, target):
        return new
    old = new.with_name("old")
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
    return old


def exchange_names(one: Path, other: Path) -> bool:
    """Exchange two names in one call; False if the system or the file system has no such call."""
    libc = ctypes.CDLL(None)
    paths = os.fsencode(one), os.fsencode(other)
    if hasattr(libc, "renameat2"):  # Linux
        found = libc.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE)
    elif hasattr(libc, "renamex_np"):  # macOS
        found = libc.renamex_np(*paths, _EXCHANGE)
    else:
        return False
    return bool(found == 0)
