"""A box of widgets that keeps its keys to itself, and closes everything that it owns with it."""

import re
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import ipywidgets as w
import traitlets as t
from ipywidgets.widgets.widget_description import DescriptionWidget

from mssviz.widgets import _static
from mssviz.widgets._widget import Widget

# by cell of a notebook: its latest run, and the boxes that were made in that run
_made: dict[str, tuple[str, "weakref.WeakSet[Box]"]] = {}


class _Guard(Widget):
    """Keeps keys in its box, names it, and says when the kernel has stopped; shows nothing else.

    In JupyterLab, a single letter that leaves a widget can delete its cell.
    """

    _esm = _static.module("box.js")
    _css = _static.style("told.css", "help.css", "box.css")

    label = t.Unicode(help="name of the box, for those who do not see it").tag(sync=True)
    said = t.Unicode(help="what these are told when it changes").tag(sync=True)
    hints = t.Dict(help="label of a control to a sentence on what it does").tag(sync=True)


class Box(w.VBox):
    """Widgets one above the other, which are closed together.

    ipywidgets keeps every widget until it is closed, and closing a box of its own closes nothing in
    it.

    Parameters
    ----------
    children
        Widgets, from top to bottom.
    label
        Name of the box, for those who do not see it.
    """

    def __init__(self, children: list[w.Widget], label: str) -> None:
        self._guard = _Guard(label=label)
        super().__init__([*children, self._guard])
        self.add_class("mssviz-box")
        # of its controls that have a label, ipywidgets shows no tooltip
        self._guard.hints = {
            control.description: control.tooltip
            for control in owned(self)
            if isinstance(control, DescriptionWidget) and control.description and control.tooltip
        }

    def say(self, text: str) -> None:
        """Tell those who do not see the page how work stands; only a change is told."""
        self._guard.said = text

    def close(self) -> None:
        """Close the box with everything that it owns: children, layouts and styles."""
        for widget in owned(self):
            widget.close()
        super().close()

    def take_place(self) -> None:
        """Close the boxes that an earlier run of this cell of a notebook has made.

        They are on no page any more, but would be kept with all their arrays. Who holds one of them
        in a variable can still ask it for its results; what IPython holds of itself, as ``Out[3]``
        or ``_``, it lets go.
        """
        running = running_cell()
        if running is None:
            return
        cell, run = running
        latest, boxes = _made.get(cell, ("", weakref.WeakSet()))
        if latest != run:
            for box in list(boxes):
                box.withdraw()
                _forget_output(box)
            boxes = weakref.WeakSet()
            _made[cell] = (run, boxes)
        boxes.add(self)

    def withdraw(self) -> None:
        """Stop the work of the box and close it, but keep all results."""
        Box.close(self)


def owned(widget: w.Widget) -> Iterator[w.Widget]:
    """Widgets that are values of a widget's traits, and those that are values of their traits."""
    seen = {id(widget)}
    waiting: list[Any] = [widget]
    while waiting:
        for value in waiting.pop()._trait_values.values():
            for found in value if isinstance(value, tuple | list) else (value,):
                if isinstance(found, w.Widget) and id(found) not in seen:
                    seen.add(id(found))
                    waiting.append(found)
                    yield found


def _forget_output(box: Box) -> None:
    """Let IPython forget that a box was the value of a cell: it keeps the values of all cells."""
    shell: Any = sys.modules["IPython"].get_ipython()
    outputs = shell.user_ns.get("_oh", {})
    for number in [number for number, value in outputs.items() if value is box]:
        del outputs[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name, value in names.items() if value is box]:
            if re.fullmatch(r"_{1,3}|_\d+", name):
                del names[name]
    for name in ("_", "__", "___"):
        if getattr(shell.displayhook, name, None) is box:
            setattr(shell.displayhook, name, "")
    if getattr(shell.last_execution_result, "result", None) is box:
        shell.last_execution_result.result = None


def running_cell() -> tuple[str, str] | None:
    """Id of the notebook's cell that is running, and id of this run; None where there is none."""
    ipython = sys.modules.get("IPython")
    ask = getattr(ipython.get_ipython(), "get_parent", None) if ipython else None
    if ask is None:
        return None
    request = ask()
    cell = request.get("metadata", {}).get("cellId")
    run = request.get("header", {}).get("msg_id")
    return (str(cell), str(run)) if cell and run else None
