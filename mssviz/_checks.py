"""Checks of paths and numbers that people give to functions, whose errors say what to write."""

import numbers
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mssviz._paths import expanded, lies_below
from mssviz._values import shown
from mssviz.errors import ParameterError


def as_path(value: Any, what: str) -> Path:
    """Make a path of what was given, with ``~`` for the home folder.

    Parameters
    ----------
    value
        Text or a path; no shell has replaced ``~`` in it.
    what
        Description for the message, such as ``"a folder"``.

    Raises
    ------
    ParameterError
        If the value is no path.
    """
    if not isinstance(value, str | os.PathLike):
        raise ParameterError(
            f'{what} must be a path such as "songs/song.wav" (got {type(value).__name__})'
        )
    return expanded(value)


def below(base: Path, text: str, where: str) -> Path:
    """Path in a folder that a table names; one that leads out of the folder is refused.

    Parameters
    ----------
    base
        Folder that the paths of the table are relative to.
    text
        Path as it stands in the table.
    where
        Table and line, for the message.

    Raises
    ------
    ParameterError
        If the path leads out of the folder.
    """
    if not lies_below(base, text):
        raise ParameterError(
            f"{where}: {shown(text)} leads out of {base}; give as root the folder that holds all "
            "sounds"
        )
    return base / text


def check_number(value: Any, name: str) -> None:
    """Raise `ParameterError` unless a value is a number: 2, 2.0 or NumPy's, but not ``"2"``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        hint = "; write it without quotes" if isinstance(value, str) else ""
        raise ParameterError(f"{name} must be a number (got {reprlib.repr(value)}){hint}")


def check_count(value: Any, name: str, least: int) -> None:
    """Raise `ParameterError` unless a value is a whole number, and not less than the least one."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ParameterError(
            f"{name} must be a whole number, {least} or more (got {reprlib.repr(value)})"
        )


def check_waveforms(signals: Any, name: str) -> None:
    """Raise `ParameterError` unless several waveforms are given by name."""
    if not isinstance(signals, Mapping):
        raise ParameterError(
            f'{name} must be a dict of target to waveform, such as {{"vocals": vocals, "other": '
            f"other}}, each (n_samples, n_channels) (got {type(signals).__name__})"
        )
