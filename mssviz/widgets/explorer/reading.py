"""Reading an excerpt in a thread of its own, so that it is seen and heard at once."""

from collections.abc import Callable

from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.excerpt import Excerpt, read
from mssviz.widgets.explorer.work import Status, Work


class Reader:
    """Reads excerpts in the background; a newer one takes the place of the one in progress.

    Parameters
    ----------
    status_changed
        Function that gets the status whenever it changes.
    found
        Function that gets what was read; None if it cannot be read, or the work was cancelled.
    """

    def __init__(
        self,
        status_changed: Callable[[Status], object],
        found: Callable[[Excerpt | None], object],
    ) -> None:
        self._work = Work(status_changed)
        self._found = found
        self._wanted: Choice | None = None

    def read(self, choice: Choice) -> None:
        """Read an excerpt, and nothing else any more."""
        self.drop()
        self._wanted = choice
        self._work.do(lambda: self._read(choice))

    def drop(self) -> None:
        """Read nothing any more; what was found before stays."""
        self._wanted = None
        self._work.drop()

    def cancel(self) -> None:
        """Stop reading, as people want it; then there is nothing to look at."""
        self._work.cancel()

    def wait(self) -> None:
        """Wait until nothing is left to read."""
        self._work.wait()

    def close(self) -> None:
        """End the work in progress, and accept no more."""
        self._work.close()

    def _read(self, choice: Choice) -> None:
        try:
            with self._work.announced(phases=("reading", "idle", "unread")):
                with self._work.warnings_noted():
                    excerpt = read(choice, self._work.report)
                self._work.check()
                self._found(excerpt)
        except BaseException:
            if choice is self._wanted:
                self._found(None)
            raise
