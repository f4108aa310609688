"""Files and folders that are ours: complete or absent, and gone when their process is.

What is written stands under a temporary name until it is complete, so nobody sees half of it. A
process that is killed cannot tidy up; the next one does, for whatever has such a name and is held
by no living process any more. Nothing else is ever deleted.

Knows no sound, no model and no data set.
"""

import errno
import fcntl
import functools
import hashlib
import math
import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray, Progress
from mssviz.errors import FileError, MssvizError, reason

#: Names that nothing but this module gives: of files until they are complete, of folders for good.
_TEMPORARY = re.compile(r"\.?mssviz-[0-9a-f]{16}\.(?:part|tmp)")
#: File in every temporary folder of ours; one without it is not ours to empty.
_MARK = ".made-by-mssviz"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_OFFERED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_CHUNK = 1 << 20
_REMEDY = "free some space, or set TMPDIR to a folder on a larger disk"
_IS_FOLDER = "a folder has that name"
#: Seconds between two tries to get a lock that another process holds.
_POLL_SECONDS = 0.2
#: What a sealed file ends with, after the SHA-256 of all before.
_SEAL = b"mssviz-sha256\n"


# --- Writing ----------------------------------------------------------------------------------


@contextmanager
def writing(
    path: Path, kind: type[MssvizError] = FileError, also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn whatever goes wrong in writing `path` into one line with a remedy.

    Parameters
    ----------
    path
        File or folder that is written, for the message.
    kind
        Class of the error.
    also
        Classes of a library's errors that mean the same, beside the system's.
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
        Of the files. Their folders need not exist; they are not made.
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
            probe, handle = _new_file(there, ".mssviz-{}.part")
            probe.unlink()
            os.close(handle)


class Draft:
    """A file under a temporary name beside its own, which it gets when it is complete.

    Parameters
    ----------
    path
        Name that it is to have; its folder must exist.

    Attributes
    ----------
    path : Path
        As given.
    scratch : Path
        Where to write: an empty file.

    Raises
    ------
    OSError
        If the folder cannot be written to, or a folder has the name; see `writing`.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():  # which only giving the file its name would find out
            raise IsADirectoryError(errno.EISDIR, _IS_FOLDER)
        self.path = path
        _sweep_once(path.parent)
        self.scratch, handle = _new_file(path.parent, ".mssviz-{}.part")
        self._held: int | None = handle

    def commit(self) -> None:
        """Give the file its name, in place of an older file of that name."""
        self.scratch.replace(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what was written, unless it has its name already."""
        if self._held is not None:
            self.scratch.unlink(missing_ok=True)
            os.close(self._held)
            self._held = None


@contextmanager
def new_file(path: Path, kind: type[MssvizError] = FileError) -> Iterator[Path]:
    """Give a temporary path to write to; it is renamed to `path` when all went well.

    Parameters
    ----------
    path
        Of the file; its folder must exist.
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
    """Fill a folder under a temporary name; it gets its real one if no error occurs.

    Parameters
    ----------
    target
        Name that it is to have. A folder that has it already is replaced.
    names
        Of all files that it may hold.

    Raises
    ------
    FileError
        If `target` holds anything that is not among `names`, as it would be deleted; or if it
        cannot be written.
    """
    _refuse_strangers(target, names, target)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = ScratchFolder(target.parent, hidden=True)
        try:
            content = folder.path / "content"
            content.mkdir()
            yield content
            old = folder.path / "old"
            if target.exists():
                target.rename(old)
            try:
                _refuse_strangers(old, names, target)  # that came meanwhile
                content.rename(target)
            except BaseException:
                if old.exists():
                    old.rename(target)
                raise
        finally:
            folder.close()


def _refuse_strangers(folder: Path, names: Collection[str], target: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileError(f"{target}: is no folder of ours; move it away, or choose another place")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in names or path.is_symlink() or not path.is_file():
            raise FileError(
                f"{target}: holds {path.name!r}, which would be deleted; move it away, or choose "
                "another folder"
            )


# --- Temporary folders and arrays -------------------------------------------------------------


class ScratchFolder:
    """A temporary folder, removed when it is closed, forgotten, or its process has died.

    Parameters
    ----------
    place
        Folder to make it in; if left out, the first of `temporary_places` that takes it.
    hidden
        Whether its name begins with a dot.

    Attributes
    ----------
    path : Path
        Empty, but for a mark.

    Raises
    ------
    FileError
        If it cannot be made.
    """

    def __init__(self, place: Path | None = None, hidden: bool = False) -> None:
        self.path, held = _new_scratch_folder(place, hidden)
        self._end = weakref.finalize(self, _remove_own, self.path, held, os.getpid())

    def __enter__(self) -> "ScratchFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with all that it holds."""
        self._end()


def _new_scratch_folder(place: Path | None, hidden: bool) -> tuple[Path, int]:
    failures: list[str] = []
    for folder in temporary_places() if place is None else [place]:
        try:
            _sweep_once(folder)
            return _new_folder(folder, f"{'.' * hidden}mssviz-{{}}.tmp")
        except OSError as error:
            failures.append(f"{folder} ({reason(error)})")
    raise FileError(f"no temporary folder can be made in {', '.join(failures)}; {_REMEDY}")


def temporary_places() -> Iterator[Path]:
    """Folders for what does not outlive the process, in order: the system's, then our cache."""
    with suppress(FileNotFoundError):  # none of the system's can be written to
        yield Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    with suppress(OSError):
        cache_folder().mkdir(parents=True, exist_ok=True)
    yield cache_folder()


def mapped_zeros(shape: tuple[int, ...], dtype: Any = np.float32) -> AnyArray:
    """Array of zeros in a temporary file that has no name, so that it ends with the array.

    Its space is reserved before it is mapped: where a disk fills up under a mapped file, the
    system kills the process.

    Parameters
    ----------
    shape, dtype
        Of the array.

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
    raise FileError(
        f"a temporary file of {size} MiB fits nowhere: {', '.join(failures)}; {_REMEDY}"
    )


def _free(place: Path) -> str:
    with suppress(OSError):
        return f", {shutil.disk_usage(place).free >> 20} MiB are free"
    return ""


def _reserve(handle: int, n_bytes: int) -> None:
    try:
        os.posix_fallocate(handle, 0, n_bytes)
        return
    except AttributeError:  # macOS
        pass
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    for start in range(0, n_bytes, _CHUNK):
        os.pwrite(handle, bytes(min(_CHUNK, n_bytes - start)), start)


# --- What dead processes left -----------------------------------------------------------------


def sweep(folder: Path) -> None:
    """Remove temporary files and folders of ours that no living process holds any more.

    Parameters
    ----------
    folder
        Whose own entries are looked at, not those of folders in it.
    """
    try:
        with os.scandir(folder) as entries:
            found = [Path(e) for e in entries if _TEMPORARY.fullmatch(e.name)]
    except OSError:  # it may not be read, so there is nothing of ours to be removed
        return
    for path in found:
        with suppress(OSError):  # another process was quicker
            if path.lstat().st_uid == os.getuid() and not path.is_symlink():
                _sweep_one(path)


_sweep_once = functools.cache(sweep)


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
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.rmdir()  # its process died in making it, so it is empty


def _remove_own(path: Path, held: int, process: int) -> None:
    if os.getpid() == process:  # a fork has inherited the object, but not the folder
        shutil.rmtree(path, ignore_errors=True)
        os.close(held)


def _new_file(folder: Path, name: str) -> tuple[Path, int]:
    # A sweep can come between making and holding: then what was made is gone, and is made again.
    while True:
        path = folder / name.format(secrets.token_hex(8))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _hold(path, handle):
            return path, handle


def _new_folder(place: Path, name: str) -> tuple[Path, int]:
    while True:
        path = place / name.format(secrets.token_hex(8))
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            if _hold(path, handle):
                (path / _MARK).touch()
                return path, handle


def _hold(path: Path, handle: int) -> bool:
    with suppress(OSError):  # a file system without locks: nothing on it is ever swept
        fcntl.flock(handle, fcntl.LOCK_EX)
    if path.exists():
        return True
    os.close(handle)
    return False


# --- Caches -----------------------------------------------------------------------------------


def cache_folder(*parts: str) -> Path:
    """Folder for what can be made again: ``$MSSVIZ_CACHE``, else the user's cache.

    Parameters
    ----------
    parts
        Names of folders in it, such as ``"scores"``. None of them need exist.
    """
    own = chosen_folder("MSSVIZ_CACHE")
    if own:
        return own.joinpath(*parts)
    import platformdirs

    return Path(platformdirs.user_cache_path("mssviz"), *parts)


def chosen_folder(variable: str) -> Path | None:
    """Folder that a variable of the environment names, if it is set; ``~`` is the home folder."""
    name = os.environ.get(variable)
    return Path(os.path.expanduser(name)) if name else None  # noqa: PTH111, may be no user's


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """As `sha256`, computed once for as long as the file's size and date stay."""
    state = path.stat()
    return _content_digest(str(path.resolve()), state.st_size, state.st_mtime_ns)


@functools.cache
def _content_digest(path: str, _size: int, _changed: int) -> str:
    return sha256(Path(path))


def seal(path: Path) -> None:
    """Append a file's SHA-256, so that `is_sealed` can tell damage later.

    Readers of ``.npy`` and of zip archives, and so of ``.npz``, do not mind what comes last.
    """
    digest = bytes.fromhex(sha256(path))
    with path.open("ab") as file:
        file.write(digest + _SEAL)


def is_sealed(path: Path) -> bool:
    """Whether a file is there and ends with the SHA-256 of all before; see `seal`."""
    try:
        with path.open("rb") as file:
            left = file.seek(0, os.SEEK_END) - 32 - len(_SEAL)
            if left < 0:
                return False
            file.seek(0)
            found = hashlib.sha256()
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    return False
                found.update(chunk)
                left -= len(chunk)
            return file.read() == found.digest() + _SEAL
    except OSError:
        return False


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
