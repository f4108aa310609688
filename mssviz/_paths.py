"""Paths as people type and paste them."""

import os
from pathlib import Path
from urllib.parse import unquote


def typed(text: str) -> str:
    """Path that a text means: ``~`` is the home folder, and quotes and ``file://`` are removed.

    Shells do that where a path stands bare, but not where it is quoted, follows a ``=``, or is
    pasted from a file manager. If something of this very name exists, the name is kept as it is.
    """
    if os.path.lexists(text):
        return text
    meant = text
    if len(meant) > 2 and meant[0] == meant[-1] and meant[0] in "'\"":
        meant = meant[1:-1]
    if meant.startswith(("file:///", "file://localhost/")):
        path = meant.removeprefix("file://").removeprefix("localhost")
        meant = unquote(path, errors="surrogateescape")
    if meant.startswith("~"):
        meant = str(expanded(meant))
    return text if "\0" in meant else meant


def expanded(path: str | os.PathLike[str]) -> Path:
    """Path with ``~`` replaced by the home folder; an unknown user's stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111, pathlib's raises there


def lies_below(base: Path, text: str) -> bool:
    """Whether a path that a file names, relative to a folder or absolute, stays in that folder."""
    inside = (base / text).absolute().is_relative_to(base.absolute())
    return inside and ".." not in Path(text).parts


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether a path exists; one that is too long to be a path does not."""
    return os.path.exists(path)  # noqa: PTH110, pathlib's raises there


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder that exists; one that is too long to be a path is not."""
    return os.path.isdir(path)  # noqa: PTH112, pathlib's raises there
