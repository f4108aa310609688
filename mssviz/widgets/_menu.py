"""Buttons that open and close parts of the page around them, without asking the kernel."""

from collections.abc import Sequence
from typing import Any

import traitlets as t

from mssviz.widgets import _static
from mssviz.widgets._widget import Widget

#: What the explorer has in its drawer; a saved page has some of it.
DRAWERS = [
    {"opens": "drawer", "name": name, "label": label, "help": said}
    for name, label, said in (
        ("mask", "Mask", "How a model's prediction becomes masks"),
        ("brush", "Brush", "Which stem the brush paints on, and how large"),
        ("display", "Display", "What the picture shows, and in which colours"),
        ("scores", "Scores", "How near the stems are to the true ones"),
        ("why", "Why?", "Where decibels went, what scores are made of, why a bin has its mask"),
    )
]


class Menu(Widget):
    """A row of buttons, each of which opens a part of the explorer or of a saved page.

    What is open stands on the element around it, of class ``mssviz-explorer``: its attributes
    ``data-popover`` and ``data-drawer`` hold a button's name; style sheets show what has the class
    ``mssviz-panel-NAME`` then. One popover and one drawer can be open at a time; a popover closes
    with Escape and with a click elsewhere.

    Parameters
    ----------
    label
        Name of the row, for those who do not see it.
    buttons
        Dicts of ``name``, ``label``, ``help`` (one sentence), ``opens`` (``"popover"`` or
        ``"drawer"``) and maybe ``detail``, a text in grey beside the label.
    """

    module = "menu.js"
    _esm = _static.module(module)
    styles = ("outlined.css", "menu.css")
    _css = _static.style(*styles)

    label = t.Unicode(help="name of the row").tag(sync=True)
    buttons = t.List(t.Dict(), help="what there is to open").tag(sync=True)

    def __init__(self, label: str, buttons: Sequence[dict[str, Any]]) -> None:
        super().__init__(label=label, buttons=list(buttons))
