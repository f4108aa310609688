"""Temporary names of ours: made and held while their process lives, removed when it has died."""

import fcntl
import functools
import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

#: Names that only this module gives: to files until they are complete, and to temporary folders.
_TEMPORARY = re.compile(r"\.?mssviz-[0-9a-f]{16}\.(?:part|tmp)")
#: Name of a file in every temporary folder of ours; a folder without it is not ours to empty.
_MARK = ".made-by-mssviz"


def sweep(folder: Path) -> None:
    """Remove temporary files and folders of ours that no living process holds any more.

    Parameters
    ----------
    folder
        Folder whose own entries are looked at, but not those of folders in it.
    """
    try:
        with os.scandir(folder) as entries:
            found = [Path(e) for e in entries if _TEMPORARY.fullmatch(e.name)]
    except OSError:  # it may not be read, so nothing of ours is in it
        return
    for path in found:
        with suppress(OSError):  # another process was quicker
            if path.lstat().st_uid == os.getuid() and not path.is_symlink():
                _sweep_one(path)


#: The same as `sweep`, but done only once in a process for each folder.
sweep_once = functools.cache(sweep)


def _sweep_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: its process lives
        _remove(path)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
    elif (path / _MARK).is_file():
        _remove_marked(path)
    else:
        path.rmdir()  # its process died while making it, so it is empty


def _remove_marked(folder: Path) -> None:
    """Remove a folder, its mark last: what is killed here must be known for ours afterwards."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _MARK:
                path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def remove_own(path: Path, held: int, process: int) -> None:
    """Remove a folder of `made_folder`, unless this process is a fork of the one that made it."""
    if os.getpid() == process:  # a fork inherits the object, but not the folder
        _remove_marked(path)
        os.close(held)


def made_file(folder: Path, name: str) -> tuple[Path, int]:
    """Make and hold a temporary file; ``{}`` in its name is replaced by what makes it unique."""
    # A sweep can come between making and holding; then what was made is gone, and is made again.
    while True:
        path = folder / name.format(secrets.token_hex(8))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _hold(path, handle):
            return path, handle


def try_place(folder: Path) -> None:
    """Raise `OSError` unless files can be made in a folder; nothing is left of the trial."""
    path = folder / f".mssviz-{secrets.token_hex(8)}.part"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        path.unlink(missing_ok=True)  # another process may have swept it
    finally:  # an interruption can come at any line before
        path.unlink(missing_ok=True)


def made_folder(place: Path, name: str) -> tuple[Path, int]:
    """Make and hold a temporary folder; ``{}`` in its name is replaced by what makes it unique."""
    while True:
        path = place / name.format(secrets.token_hex(8))
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            if _hold(path, handle):
                (path / _MARK).touch()
                return path, handle


def _hold(path: Path, handle: int) -> bool:
    with suppress(OSError):  # without locks in the file system, nothing is swept
        fcntl.flock(handle, fcntl.LOCK_EX)
    if path.exists():
        return True
    os.close(handle)
    return False
