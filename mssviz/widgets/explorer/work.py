"""Work in the background that says how it stands, and what a session tells those who listen."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from mssviz._worker import Worker
from mssviz.errors import Cancelled, MssvizError
from mssviz.widgets.explorer.result import Result

Phase = Literal["idle", "working", "done", "cancelled", "failed"]


@dataclass(frozen=True)
class Status:
    """How the work stands.

    Attributes
    ----------
    phase : str
        ``"idle"`` before the first work; then how the present or the last one goes.
    share : float
        How much of the work is done, 0 to 1.
    doing : str
        What is being done now; empty after the end.
    messages : tuple of str
        What people must be told: warnings, or why the work has failed.
    """

    phase: Phase = "idle"
    share: float = 0.0
    doing: str = ""
    messages: tuple[str, ...] = ()


class Listener:
    """What a session tells: override what you want to know.

    All are called in the session's threads, and what they raise ends the work there.
    """

    def status_changed(self, status: Status) -> None:
        """Work begins, goes on, or ends."""

    def result_changed(self, result: Result | None) -> None:
        """A result begins to be filled in, or is complete, or is taken away again (None)."""

    def masks_changed(self, frames: slice) -> None:
        """Masks of these frames are others now."""

    def sound_changed(self, samples: slice) -> None:
        """Stems sound otherwise at these samples of the excerpt."""

    def settled(self, result: Result) -> None:
        """Masks and stems are as options and strokes want them; more can be undone, or less."""

    def scores_changed(self, result: Result, measuring: bool) -> None:
        """There are scores, or a reason why there are none; or they are being measured anew."""


class Work(Worker):
    """A worker whose work is announced, with its progress and its end.

    Parameters
    ----------
    changed
        Called with the status whenever it is another one.

    Attributes
    ----------
    status : Status
    """

    def __init__(self, changed: Callable[[Status], object]) -> None:
        super().__init__()
        self.status = Status()
        self._changed = changed

    @property
    def closed(self) -> bool:
        """Whether it takes no more work."""
        return self._closed

    @contextmanager
    def announced(self, fail: Callable[[BaseException], object] = lambda _: None) -> Iterator[None]:
        """Say that work begins, and how it ends; `fail` is called with its error, if any."""
        self._become(Status("working"))
        try:
            yield
        except BaseException as error:
            fail(error)
            phase: Phase = "failed"
            text = f"{type(error).__name__}: {error}"
            if isinstance(error, Cancelled):
                phase, text = "cancelled", "Cancelled."
            elif isinstance(error, MssvizError):
                text = str(error)
            self._become(Status(phase, self.status.share, messages=(text,)))
            raise
        self._become(Status("done", 1.0, messages=self.status.messages))

    @contextmanager
    def warnings_noted(self) -> Iterator[None]:
        """Add warnings, such as of a damaged file, to the status; they are shown as ever, too."""
        # Python shows a warning once; after a change of its filters, it does so again
        warnings.simplefilter("default", _Never)
        shown: Callable[..., None] = warnings.showwarning

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            self._become(replace(self.status, messages=(*self.status.messages, str(message))))
            shown(message, *where, **more)

        warnings.showwarning = show
        try:
            yield
        finally:
            if warnings.showwarning is show:  # else another thread has changed it meanwhile
                warnings.showwarning = shown

    def doing(self, what: str) -> None:
        """Say what is being done now."""
        self._become(replace(self.status, doing=what))

    def report(self, done: float, total: float | None, what: str) -> None:
        """Progress in seconds of sound; raises `Cancelled` if the work is to stop."""
        self._advance(done, total, f"{what}: {done:.0f} of {total:.0f} s" if total else what)

    def report_fetch(self, done: float, total: float | None, what: str) -> None:
        """The same in bytes."""
        self._advance(done, total, f"{what}: {done / 1e6:.0f} MB" if done else what)

    def report_share(self, done: float, _total: float | None, _what: str) -> None:
        """The same as a share of the whole."""
        self._advance(done, 1.0, self.status.doing)

    def _advance(self, done: float, total: float | None, doing: str) -> None:
        self.check()
        self._become(replace(self.status, share=done / total if total else 0.0, doing=doing))

    def _become(self, status: Status) -> None:
        self.status = status
        self._changed(status)


class _Never(Warning):
    """Is never given."""
