"""Folders that a user may choose by an environment variable."""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """Folder for what can be made again: ``$MSSVIZ_CACHE``, else the user's cache.

    Parameters
    ----------
    parts
        Names of folders within it, such as ``"scores"``; they need not exist.
    """
    own = chosen_folder("MSSVIZ_CACHE")
    if own:
        return own.joinpath(*parts)
    import platformdirs

    return Path(platformdirs.user_cache_path("mssviz"), *parts)


def chosen_folder(variable: str) -> Path | None:
    """Folder that an environment variable names, if it is set; ``~`` is the home folder."""
    name = os.environ.get(variable)
    return Path(os.path.expanduser(name)) if name else None  # noqa: PTH111, may be no user's
