"""The stretch of a song that a mixer plays, and which times of the song lie in it."""

import math
from dataclasses import dataclass
from typing import Any

from mssviz.errors import ParameterError
from mssviz.widgets._strips import is_number

#: Shortest selection, in seconds.
MIN_SELECTION_SECONDS = 0.1
_ROUNDING_SECONDS = 1e-3


@dataclass(frozen=True)
class Span:
    """Times between which there is sound, in seconds from the song's beginning.

    Parameters
    ----------
    start, stop
        Times of the first sample and of the end of the last one, in seconds.
    """

    start: float
    stop: float

    def time(self, value: Any, what: str) -> float:
        """Check a time, and move one that lies outside by rounding alone to the nearest end.

        Parameters
        ----------
        value
            Time, in seconds.
        what
            Name of the time, for the message.

        Raises
        ------
        ParameterError
            If it is no time of the span.
        """
        low, high = self.start - _ROUNDING_SECONDS, self.stop + _ROUNDING_SECONDS
        if not is_number(value) or not low <= value <= high:
            raise ParameterError(
                f"{what} must lie between {self.start:g} and {self.stop:g} s (got {value!r})"
            )
        return min(max(float(value), self.start), self.stop)

    def selection(self, value: Any) -> list[float] | None:
        """Check a selection: None, or its start and stop in seconds.

        Raises
        ------
        ParameterError
            If it is none, lies outside, or is shorter than `MIN_SELECTION_SECONDS`.
        """
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

    def sample(self, start: Any, n_samples: int, sample_rate: int) -> int:
        """Number of the sample at which a piece begins.

        Parameters
        ----------
        start
            Time of the piece's first sample, in seconds.
        n_samples
            Length of the piece, in samples.
        sample_rate
            Sample rate, in hertz.

        Raises
        ------
        ParameterError
            If the piece does not lie within the span.
        """
        first = -1
        if is_number(start) and math.isfinite(start):
            first = round((start - self.start) * sample_rate)
        if not 0 <= first <= round((self.stop - self.start) * sample_rate) - n_samples:
            raise ParameterError(
                f"a piece must lie between {self.start:g} and {self.stop:g} s (got start "
                f"{start!r} for {n_samples / sample_rate:g} s)"
            )
        return first
