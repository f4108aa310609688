"""What an exercise is, and what all checks of answers have in common."""

import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mssviz._typing import AnyArray, Waveform
from mssviz._values import shown
from mssviz.audio import level_ratio_db

#: Level of the difference to the right sound, relative to it, below which an answer is right, in
#: dB: far above rounding, far below what another formula would give.
ALIKE_DB = -50.0


class Wrong(Exception):  # noqa: N818, nothing went wrong but the answer
    """An answer is wrong; the text says why, and what to try."""


@dataclass(frozen=True)
class Exercise:
    """A task with the check of its answer.

    Parameters
    ----------
    task
        Short name of the task.
    judge
        Function that gets the answer. It gives the praise for a right one, and raises `Wrong` for
        any other; it computes what is right, so that no solution stands in it.
    """

    task: str
    judge: Callable[[Any], str]


def number(answer: Any) -> float:
    """Take an answer that is a number; raise `Wrong` for any other."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        raise Wrong(f"The answer must be a number, not {shown(answer)}.")
    try:
        found = float(answer)
    except OverflowError:
        raise Wrong("The answer is too large for a number with a fraction.") from None
    if not math.isfinite(found):
        raise Wrong("The answer must be a finite number: is there a division by 0?")
    return found


def listed(answer: Any, refusal: str) -> list[Any]:
    """Take an answer that is a list or the like; raise `Wrong` with a text for any other."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong(refusal)
    try:
        return list(answer)
    except TypeError:  # an array without axes
        raise Wrong(refusal) from None


def sound(answer: Any, like: Waveform) -> AnyArray:
    """Take an answer that is a waveform of the same shape as another; raise `Wrong` for others."""
    return array(answer, like.shape, "a waveform, (n_samples, n_channels)")


def array(answer: Any, shape: tuple[int, ...], what: str) -> AnyArray:
    """Take an answer that is an array of finite numbers; raise `Wrong` for any other.

    Parameters
    ----------
    answer
        Answer as it was given.
    shape
        Shape that it must have.
    what
        Description of it, with the meaning of its axes.
    """
    if not hasattr(answer, "shape"):
        raise Wrong(f"The answer must be an array, {what}, not {shown(type(answer).__name__)}.")
    found = np.asarray(answer)
    if found.dtype.kind not in "fiuc" or found.shape != shape:
        raise Wrong(f"The answer must be {what}, of shape {shape}; yours has {found.shape}.")
    if not np.isfinite(found).all():
        raise Wrong("Some of the answer's values are not finite: is there a division by 0?")
    return found


def alike(found: AnyArray, other: AnyArray) -> bool:
    """Whether two arrays are the same, but for a difference that nobody hears."""
    difference = np.asarray(found) - np.asarray(other)
    if not np.any(difference):
        return True
    return level_ratio_db(np.abs(difference), np.abs(other)) < ALIKE_DB
