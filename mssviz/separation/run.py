"""A separation while a model works on it."""

import threading
from collections.abc import Callable, Iterator

from mssviz._progress import reporter
from mssviz._typing import Progress
from mssviz.errors import Cancelled, ParameterError
from mssviz.separation.song import Separation


class Run:
    """The work of one model on one song, with all that belongs to it from beginning to end.

    Parameters
    ----------
    separation
        Separation that is filled in.
    work
        Function that does the work. It is called once, with a callback for progress in seconds, and
        yields the frames that it has just filled in.

    Attributes
    ----------
    separation : Separation
        Result so far. Its masks may be looked at, and made with other options, at any time: frames
        that are not done yet are silent.
    """

    def __init__(self, separation: Separation, work: Callable[[Progress], Iterator[slice]]) -> None:
        self.separation = separation
        self._work, self._begun = work, False
        self._cancelled = threading.Event()

    def proceed(self, progress: bool | Progress = True) -> Iterator[slice]:
        """Do the work, part by part.

        Parameters
        ----------
        progress
            Bar or callback for the progress, as in `Separator.separate`.

        Yields
        ------
        slice
            The frames that have just been filled in.

        Raises
        ------
        ParameterError
            If it was called before, because a run can be done only once.
        Cancelled
            After `cancel`.
        """
        if self._begun:
            raise ParameterError("this run has been done or begun already; begin another one")
        self._begun = True
        return self._parts(progress)

    def finish(self, progress: bool | Progress = True) -> Separation:
        """Do all of the work; parameters and errors are those of `proceed`."""
        for _ in self.proceed(progress):
            pass
        return self.separation

    def cancel(self) -> None:
        """Make the work end at its next report of progress; any thread may call this."""
        self._cancelled.set()

    def _parts(self, progress: bool | Progress) -> Iterator[slice]:
        with reporter(progress) as report:

            def checked(done: float, total: float | None, what: str) -> None:
                if self._cancelled.is_set():
                    raise Cancelled("cancelled")
                report(done, total, what)

            yield from self._work(checked)
