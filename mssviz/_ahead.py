"""Work done ahead of a loop, in a thread of its own."""

import queue
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from typing import Any, TypeVar

_T = TypeVar("_T")


_here = threading.local()


def warn(text: str, stacklevel: int = 2) -> None:
    """Warn at once, or, from within the thread of `ahead`, when that thread has ended.

    Filters of warnings belong to the whole process. While one thread ignores warnings for a while,
    as when it imports a module, those of other threads would be lost.

    Parameters
    ----------
    text
        Text of the warning, one line.
    stacklevel
        Level of the stack that the warning names, as in `warnings.warn`, counted from the caller.
    """
    kept: dict[str, None] | None = getattr(_here, "kept", None)
    if kept is None:
        warnings.warn(text, stacklevel=stacklevel + 1)
    else:
        kept[text] = None  # each text is kept once


class ahead(Iterator[_T]):  # noqa: N801, used like a function
    """Iterate in a thread of its own, up to two items ahead; a context manager that stops it.

    Warnings that the thread gave through `warn` are shown when it has ended.
    """

    def __init__(self, items: Iterable[_T]) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=2)
        self._stop = threading.Event()
        self._kept: dict[str, None] = {}
        run = copy_context().run  # for what is told on the way, see `Worker`
        self._thread = threading.Thread(target=run, args=(self._run,), daemon=True)

    def __enter__(self) -> "ahead[_T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for text in self._kept:
            warn(text)

    def __next__(self) -> _T:
        kind, value = self._queue.get()
        if kind == "item":
            return value
        self._queue.put((kind, value))
        raise StopIteration if kind == "end" else value

    def _run(self) -> None:
        _here.kept = self._kept
        try:
            for item in self._items:
                if not self._put("item", item):
                    break
            self._put("end", None)
        except BaseException as error:  # it is handed to the reading thread
            self._put("error", error)
        finally:
            close = getattr(self._items, "close", None)
            if close:
                close()

    def _put(self, kind: str, value: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
