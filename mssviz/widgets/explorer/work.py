"""Work in the background that says how it stands, and what a session tells its listener."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from mssviz._files import temporary_places
from mssviz._worker import Worker
from mssviz.errors import Cancelled, MssvizError
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.result import Result

Phase = Literal["idle", "reading", "unread", "working", "done", "cancelled", "failed"]


@dataclass(frozen=True)
class Status:
    """How the work stands.

    Attributes
    ----------
    phase : str
        State of the work: ``"idle"`` before anything is separated; ``"reading"`` while an excerpt
        is read that is to be looked at, and ``"unread"`` if it could not be; otherwise how the
        present or the last work goes.
    share : float
        Share of the work that is done, 0 to 1.
    doing : str
        Text that says what is being done now; empty after the end.
    messages : tuple of str
        Sentences that people must read: warnings, or why the work has failed.
    """

    phase: Phase = "idle"
    share: float = 0.0
    doing: str = ""
    messages: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Text for those who do not see how the work goes: only its quarters, and its end.

        An error is an alert, and not told here.
        """
        quarters = int(4 * self.share)
        if self.phase == "working" and 0 < quarters < 4:
            return f"{25 * quarters} % done"
        return {"done": "Done", "cancelled": "Cancelled"}.get(self.phase, "")


class Listener:
    """What a session tells; override the methods for what you want to know.

    All are called in the session's threads, and an error that they raise ends the work there.
    """

    def status_changed(self, status: Status) -> None:
        """Work begins, goes on, or ends."""

    def excerpt_changed(self, excerpt: Excerpt | None) -> None:
        """An excerpt can be looked at, while there is no result of it; or it cannot be read."""

    def result_changed(self, result: Result | None) -> None:
        """A result begins to be filled in, or is complete, or is taken away again (None)."""

    def masks_changed(self, frames: slice) -> None:
        """The masks of these frames have changed."""

    def sound_changed(self, samples: slice) -> None:
        """The stems sound different at these samples of the excerpt."""

    def settled(self, result: Result) -> None:
        """Masks and stems are as options and strokes want them; what can be undone may differ."""

    def scores_changed(self, result: Result, measuring: bool) -> None:
        """There are scores, or a reason why there are none; or they are being measured anew."""


class Work(Worker):
    """A worker whose work is announced, with its progress and its end.

    Parameters
    ----------
    changed
        Function that gets the status whenever it changes.

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
        """Whether it accepts no more work."""
        return self._closed

    @contextmanager
    def announced(
        self,
        fail: Callable[[BaseException], object] = lambda _: None,
        phases: tuple[Phase, Phase, Phase] = ("working", "done", "failed"),
    ) -> Iterator[None]:
        """Say that work begins and how it ends.

        Parameters
        ----------
        fail
            Function that gets an error of it.
        phases
            Phases while it goes on, after it, and after an error.
        """
        during, after, failed = phases
        self._become(Status(during))
        try:
            yield
        except BaseException as error:
            fail(error)
            phase = failed
            text = f"{type(error).__name__}: {error}"
            if isinstance(error, Cancelled):
                phase, text = "cancelled", "Cancelled."
            elif isinstance(error, MssvizError):
                text = _without_temporary(error.on_page)
            self._become(Status(phase, self.status.share, messages=(text,)))
            raise
        self._become(Status(after, 1.0, messages=self.status.messages))

    @contextmanager
    def warnings_noted(self) -> Iterator[None]:
        """Add warnings, such as of a damaged file, to the status; they are shown as usual, too."""
        # Python shows a warning once; after a change of its filters, it shows the warning again
        warnings.simplefilter("default", _Never)
        shown: Callable[..., None] = warnings.showwarning

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            said = _without_temporary(str(message))
            self._become(replace(self.status, messages=(*self.status.messages, said)))
            shown(message, *where, **more)

        warnings.showwarning = show
        try:
            yield
        finally:
            if warnings.showwarning is show:  # otherwise another thread has changed it
                warnings.showwarning = shown

    def doing(self, what: str) -> None:
        """Say what is being done now."""
        self._become(replace(self.status, doing=what))

    def report(self, done: float, total: float | None, what: str) -> None:
        """Report progress in seconds of sound; raise `Cancelled` if the work is to stop."""
        self._advance(done, total, f"{what}: {done:.0f} of {total:.0f} s" if total else what)

    def report_fetch(self, done: float, total: float | None, what: str) -> None:
        """Report progress in bytes, as `report` does."""
        self._advance(done, total, f"{what}: {done / 1e6:.0f} MB" if done else what)

    def report_share(self, done: float, _total: float | None, _what: str) -> None:
        """Report progress as a share of the whole, as `report` does."""
        self._advance(done, 1.0, self.status.doing)

    def _advance(self, done: float, total: float | None, doing: str) -> None:
        self.check()
        self._become(replace(self.status, share=done / total if total else 0.0, doing=doing))

    def _become(self, status: Status) -> None:
        self.status = status
        self._changed(status)


def _without_temporary(text: str) -> str:
    """A text with the names of files in temporary folders, such as an upload's, without these."""
    for place in temporary_places():
        text = re.sub(rf"{re.escape(str(place))}/mssviz-[^/\s]+/(?:[^/\s]+/)*", "", text)
    return text


class _Never(Warning):
    """A warning that is never given."""
