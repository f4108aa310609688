"""SHA-256 of files, kept beside them or at their end."""

import functools
import hashlib
import os
from pathlib import Path

_CHUNK = 1 << 20
#: End of a sealed file, after the SHA-256 of everything before.
_SEAL = b"mssviz-sha256\n"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of a file, computed only once as long as the file's size and date stay the same."""
    state = path.stat()
    return _content_digest(str(path.resolve()), state.st_size, state.st_mtime_ns)


@functools.cache
def _content_digest(path: str, _size: int, _changed: int) -> str:
    return sha256(Path(path))


def seal(path: Path) -> None:
    """Append a file's SHA-256, so that `is_sealed` can detect damage later.

    Readers of ``.npy`` and of zip archives, and so of ``.npz``, ignore what follows at the end.
    """
    digest = bytes.fromhex(sha256(path))
    with path.open("ab") as file:
        file.write(digest + _SEAL)


def is_sealed(path: Path) -> bool:
    """Whether a file exists and ends with the SHA-256 of everything before; see `seal`."""
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
