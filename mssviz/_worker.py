"""Work done in the background, one task after the other."""

import logging
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from mssviz.errors import Cancelled, MssvizError

_log = logging.getLogger(__name__)


@dataclass
class _Job:
    work: Callable[[], object]
    name: str | None
    cancelled: threading.Event = field(default_factory=threading.Event)
    context: Context = field(default_factory=copy_context)


class Worker:
    """A thread that does what it is given, in order, and ends when nothing is left to do.

    The work itself must show a `MssvizError`, which is dropped here; any other error is logged.

    Work has the context (`contextvars`) of the call that gave it. From that, a Jupyter kernel knows
    which request work belongs to; otherwise it takes the latest one, and sends what the page asks a
    widget next to that request's thread, even when that thread has ended: no answer would come.
    """

    def __init__(self) -> None:
        self._jobs: list[_Job] = []
        self._current: _Job | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def do(self, work: Callable[[], object], name: str | None = None) -> None:
        """Do some work after what was given before; do nothing if the worker is closed.

        Parameters
        ----------
        work
            Function without arguments that does the work.
        name
            Name of the work. Waiting work of the same name is dropped: of a slider's positions, for
            example, only the last one counts.
        """
        with self._lock:
            if self._closed:
                return
            self._jobs = [job for job in self._jobs if name is None or job.name != name]
            self._jobs.append(_Job(work, name))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def waits(self, *names: str | None) -> bool:
        """Whether work of one of these names is waiting to be done; None is that of work without.

        Parameters
        ----------
        names
            Names of work, as in `do`.
        """
        with self._lock:
            return any(job.name in names for job in self._jobs)

    def wait(self) -> None:
        """Return when nothing is left to do."""
        while (thread := self._thread) is not None:
            thread.join()

    def cancel(self, spared: str = "") -> None:
        """Stop the work in progress, or else the next one, when it calls `check`.

        Parameters
        ----------
        spared
            Name of work that goes on, because nobody has asked for it.
        """
        with self._lock:
            jobs = [*([self._current] if self._current else []), *self._jobs]
            job = next((job for job in jobs if not spared or job.name != spared), None)
            if job is not None:
                job.cancelled.set()

    def busy(self, name: str) -> bool:
        """Whether work of this name is in progress, or waiting to be done."""
        with self._lock:
            jobs = [*self._jobs, *([self._current] if self._current else [])]
            return any(job.name == name for job in jobs)

    def drop(self) -> None:
        """Cancel the work in progress, and drop what waits."""
        with self._lock:
            self._jobs.clear()
        self.cancel()

    def check(self, patience: float = 0.0) -> None:
        """Raise `Cancelled` if the work in progress is to stop, now or within some seconds."""
        job = self._current
        if job is not None and job.cancelled.wait(patience):
            raise Cancelled("cancelled")

    def close(self) -> None:
        """Cancel the work in progress, drop what waits, and return when the thread has ended."""
        with self._lock:
            self._closed = True
        self.drop()
        if self._thread is not threading.current_thread():
            self.wait()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._current = self._jobs.pop(0) if self._jobs else None
                if self._current is None:
                    self._thread = None
                    return
            try:
                self._current.context.run(self._current.work)
            except MssvizError:
                pass
            except BaseException:  # the thread must end well: others may wait for it
                # while the process ends, libraries are taken down under it: that is no error
                if threading.main_thread().is_alive():
                    _log.exception("unforeseen error")
