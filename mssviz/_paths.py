"""Paths as people write and paste them."""

import os
from pathlib import Path
from urllib.parse import unquote


def typed(text: str) -> str:
    """A path as it was meant: ``~`` is the home folder, quotes around it and ``file://`` go.

    Shells see to that where a path stands bare, not where it is quoted, follows a ``=``, or is
    pasted from a file manager. What exists under the very name is taken as it is.
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
    """The path in which ``~`` is the home folder; an unknown user's stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111, pathlib's raises there


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether it is there; what is too long to be a path is not."""
    return os.path.exists(path)  # noqa: PTH110, pathlib's raises there


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether it is a folder that is there; what is too long to be a path is not."""
    return os.path.isdir(path)  # noqa: PTH112, pathlib's raises there
