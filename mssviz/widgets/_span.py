"""The part of a song that a view's tracks cover, and times that lie in it."""

import math
from dataclasses import dataclass
from typing import Any

from mssviz.errors import ParameterError
from mssviz.widgets._strips import is_number

MIN_SELECTION_SECONDS = 0.1
_ROUNDING_SECONDS = 1e-3


@dataclass(frozen=True)
class Span:
    """Some seconds of a song.

    Parameters
    ----------
    start, stop
        Edges, in seconds from the song's beginning.
    """

    start: float
    stop: float

    def time(self, value: Any, what: str) -> float:
        """A time within the span; `what` is for the message."""
        tolerance = _ROUNDING_SECONDS
        if not is_number(value) or not self.start - tolerance <= value <= self.stop + tolerance:
            raise ParameterError(
                f"{what} must lie between {self.start:g} and {self.stop:g} s (got {value!r})"
            )
        return min(max(float(value), self.start), self.stop)

    def selection(self, value: Any) -> list[float] | None:
        """A selection within the span, [start, stop], or None."""
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ParameterError(
                f"selection must be None or [start, stop] in seconds (got {value!r})"
            )
        start, stop = (self.time(time, "selection") for time in value)
        if stop - start < MIN_SELECTION_SECONDS - _ROUNDING_SECONDS:
            raise ParameterError(
                f"selection must last {MIN_SELECTION_SECONDS} s or more (got {value!r})"
            )
        return [start, stop]

    def samples(self, n_samples: int, start: Any, sample_rate: int) -> slice:
        """Samples that a piece takes up if it begins at a time of the song."""
        number = is_number(start) and math.isfinite(start)
        first = round((start - self.start) * sample_rate) if number else -1
        if not 0 <= first <= round((self.stop - self.start) * sample_rate) - n_samples:
            raise ParameterError(
                f"a piece must lie between {self.start:g} and {self.stop:g} s (got start "
                f"{start!r} for {n_samples / sample_rate:g} s)"
            )
        return slice(first, first + n_samples)
