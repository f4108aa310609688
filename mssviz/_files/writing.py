"""Files and folders that are complete or absent: written under a temporary name, then renamed."""

import errno
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mssviz._files.exchange import exchanged
from mssviz._files.scratch import ScratchFolder
from mssviz._files.temporary import made_file, sweep_once, try_place
from mssviz._typing import AnyArray
from mssviz.errors import FileError, MssvizError, reason

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IS_FOLDER = "a folder has that name"


@contextmanager
def writing(
    path: Path, kind: type[MssvizError] = FileError, also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn whatever goes wrong in writing a file or folder into one line with a remedy.

    Parameters
    ----------
    path
        File or folder that is written, for the message.
    kind
        Class of the error.
    also
        Classes of a library's errors that mean the same as the system's.
    """
    foreseen: tuple[type[Exception], ...] = (OSError, RuntimeError, AssertionError, *also)
    try:
        yield
    except foreseen as error:
        number = getattr(error, "errno", None)
        if number in _NO_SPACE:
            remedy = "free some space, or write elsewhere"
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "choose a folder that you may write to"
        elif not path.parent.is_dir():
            remedy = "create the folder first"
        else:
            remedy = "check the path, the disk's free space and the options"
        raise kind(f"{path}: cannot be written ({reason(error)}); {remedy}") from error


def check_places(paths: Iterable[Path]) -> None:
    """Raise `FileError` unless files can be written, before any work is done for them.

    Parameters
    ----------
    paths
        Paths of the files. Their folders need not exist and are not made.
    """
    nearest: dict[Path, Path] = {}
    for path in paths:
        with writing(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, _IS_FOLDER)
        folders = (folder for folder in path.parents if os.path.lexists(folder))
        nearest.setdefault(next(folders, path.parent), path.parent)
    for there, folder in nearest.items():
        if there.is_symlink() and not there.exists():
            raise FileError(
                f"{there}: cannot be written: this link points to {str(there.readlink())!r}, which "
                "does not exist; create that, or choose another folder"
            )
        if not there.is_dir():
            raise FileError(
                f"{folder}: cannot be written (Not a directory): {there} is a file; choose another "
                "folder"
            )
        with writing(there):
            sweep_once(there)
            try_place(there)


class Draft:
    """A file under a temporary name beside its own, which it gets when it is complete.

    Parameters
    ----------
    path
        Path that the file is to have; its folder must exist.

    Attributes
    ----------
    path : Path
        Path as it was given.
    scratch : Path
        Path of an empty file to write to.

    Raises
    ------
    OSError
        If the folder cannot be written to, or a folder has this path; see `writing`.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():  # otherwise found out only when the file gets its name
            raise IsADirectoryError(errno.EISDIR, _IS_FOLDER)
        self.path = path
        sweep_once(path.parent)
        self.scratch, handle = made_file(path.parent, ".mssviz-{}.part")
        self._held: int | None = handle

    def commit(self) -> None:
        """Give the file its name, in place of an older file of that name."""
        self.scratch.replace(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what was written, unless it has its name already."""
        if self._held is not None:
            self.scratch.unlink(missing_ok=True)
            held, self._held = self._held, None  # first: an interruption must not close it twice
            os.close(held)


@contextmanager
def new_file(path: Path, kind: type[MssvizError] = FileError) -> Iterator[Path]:
    """Give a temporary path to write to, which is renamed to `path` when all went well.

    Parameters
    ----------
    path
        Path of the file; its folder must exist.
    kind
        Class of the error.

    Raises
    ------
    FileError
        If the file cannot be written; then nothing is left of it, and an older file stays.
    """
    with writing(path, kind):
        draft = Draft(path)
        try:
            yield draft.scratch
            draft.commit()
        finally:
            draft.discard()


@contextmanager
def new_folder(target: Path, names: Collection[str]) -> Iterator[Path]:
    """Fill a folder under a temporary name; it gets its real name if no error occurs.

    Parameters
    ----------
    target
        Path that the folder is to have. A folder that has it already is replaced.
    names
        Names of all files that it may hold.

    Raises
    ------
    FileError
        If `target` holds anything that is not among `names`, which would be deleted; or if it
        cannot be written.
    """
    refuse_strangers(target, names)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = ScratchFolder(target.parent, hidden=True)
        try:
            content = folder.path / "content"
            content.mkdir()
            yield content
            if not target.exists():
                content.rename(target)
                return
            old = exchanged(content, target)
            try:
                refuse_strangers(old, names, target)  # which may have come meanwhile
            except FileError:
                exchanged(old, target)
                raise
        finally:
            folder.close()


def mapped_blocks(path: Path, blocks: Iterable[AnyArray], n_columns: int) -> AnyArray:
    """Write blocks to a file one after the other, and give them as one array, which is mapped.

    Parameters
    ----------
    path
        Path of the file, such as one in a `ScratchFolder`.
    blocks
        Arrays ``(any, n_columns)``.
    n_columns
        Number of columns.

    Returns
    -------
    ndarray
        Array ``(n_rows, n_columns)``, float32, which cannot be written to.

    Raises
    ------
    FileError
        If there is no room for them.
    """
    n_rows = 0
    with writing(path):
        opened = path.open("wb")
    with opened as file:
        for block in blocks:  # what fails there is no failure of this file
            with writing(path):
                file.write(np.ascontiguousarray(block, np.float32).data)
            n_rows += len(block)
        with writing(path):
            file.flush()
    if not n_rows:
        return np.zeros((0, n_columns), np.float32)
    return np.memmap(path, np.float32, "r", shape=(n_rows, n_columns))


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise `FileError` if a file is there already, unless it is to be replaced."""
    if path.exists() and not overwrite:
        raise FileError(f"{path}: is there already; choose another name, or say overwrite=True")


def refuse_strangers(folder: Path, names: Collection[str], target: Path | None = None) -> None:
    """Raise `FileError` if a folder is no folder of ours, or holds more than files of some names.

    Parameters
    ----------
    folder
        Folder, which need not exist.
    names
        Names of the files.
    target
        Place of the folder before, for messages, if it is not there any more.
    """
    target = target or folder
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileError(f"{target}: is no folder of ours; move it away, or choose another place")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in names or path.is_symlink() or not path.is_file():
            raise FileError(
                f"{target}: holds {path.name!r}, which would be deleted; move it away, or choose "
                "another folder"
            )
