"""Work done in the background, one piece after the other."""

import logging
import threading
from collections.abc import Callable

from mssviz.errors import MssvizError

_log = logging.getLogger(__name__)


class Worker:
    """A thread that does what it is given in order, and ends when there is nothing left.

    A `MssvizError` is for the work itself to show, and is dropped here; any other is logged.
    """

    def __init__(self) -> None:
        self._jobs: list[tuple[str | None, Callable[[], object]]] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def do(self, work: Callable[[], object], name: str | None = None) -> None:
        """Do some work when what was given before is done.

        Parameters
        ----------
        work
            Called without arguments.
        name
            Work of this name that waits is dropped: of a slider's positions only the last counts.
        """
        with self._lock:
            self._jobs = [job for job in self._jobs if name is None or job[0] != name]
            self._jobs.append((name, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def waits(self, name: str) -> bool:
        """Whether work of this name is waiting to be done."""
        with self._lock:
            return any(job[0] == name for job in self._jobs)

    def wait(self) -> None:
        """Return when nothing is left to do."""
        while (thread := self._thread) is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                _, work = self._jobs.pop(0)
            try:
                work()
            except MssvizError:
                pass
            except Exception:
                _log.exception("unforeseen error")
