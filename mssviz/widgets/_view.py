"""What views of one song have in common: its timeline, and their state in a saved page."""

import json
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import ipywidgets as w
import traitlets as t

from mssviz.errors import ParameterError
from mssviz.widgets._widget import Widget

#: Traits by which views of one song move together. Times are in seconds from the song's beginning:
#: ``start`` and ``stop`` are the edges in view, ``time`` is the playhead, ``selection`` is None or
#: ``[start, stop]``; ``pinned`` is None or a bin, ``[seconds, hertz]``.
TIMELINE = ("start", "stop", "time", "selection", "pinned")
#: Tags of a trait that the browser writes: it is not echoed back, as a late echo would undo a newer
#: change.
WRITTEN = {"sync": True, "echo_update": False}


class Number(t.Float):
    """A trait that is a finite number: JSON, and so a page, has no other."""

    def validate(self, obj: Any, value: Any) -> float:
        """Raise `ParameterError` if it is infinite or "not a number"."""
        number = float(super().validate(obj, value))
        if not math.isfinite(number):
            raise ParameterError(f"{self.name or 'each number'} must be finite (got {number})")
        return number


def pair(help: str) -> "t.List[float]":  # noqa: A002, as of a trait
    """A trait that is None or two numbers."""
    return t.List(Number(), default_value=None, allow_none=True, minlen=2, maxlen=2, help=help)


class View(Widget):
    """A widget that can be linked with others along the song's time axis."""

    #: Names of the traits of `TIMELINE` that it has and shares with views that it is linked with.
    shared: ClassVar[tuple[str, ...]] = ()
    #: Traits that people set, which a view of another result of the same song takes over.
    settings: ClassVar[tuple[str, ...]] = ()
    #: Entry file below ``static/``, which a saved page runs, too.
    module: ClassVar[str]
    #: Style sheets below ``static/``, which a saved page has, too.
    styles: ClassVar[tuple[str, ...]] = ()

    def take_over(self, other: "View") -> None:
        """Have the `settings` of another view of the same song and excerpt.

        Parameters
        ----------
        other
            A view of the same class, open or closed.
        """
        for name in self.settings:
            setattr(self, name, getattr(other, name))

    def saved_state(self) -> dict[str, Any]:
        """Traits that a page without a kernel needs to show the same: all that JSON can hold."""
        names = (name for name in self.keys if name not in ("_esm", "_css"))
        state = {name: getattr(self, name) for name in names}
        return {name: value for name, value in state.items() if _is_json(value)}


def link(first: View, *others: View) -> list[w.Widget]:
    """Let views move together in the browser, without waiting for the kernel.

    Parameters
    ----------
    first
        View whose present values the others take over.
    others
        Views of the same song; each shares with the first view what both name in `View.shared`.

    Returns
    -------
    list of Widget
        Links between the views; closing them parts the views.
    """
    links = []
    for other in others:
        for name in shared(first, other):
            setattr(other, name, getattr(first, name))
            links.append(w.jslink((first, name), (other, name)))
    return links


def shared(*views: View) -> Sequence[str]:
    """Names of the traits of `TIMELINE` that all these views share."""
    return [name for name in TIMELINE if all(name in view.shared for view in views)]


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
