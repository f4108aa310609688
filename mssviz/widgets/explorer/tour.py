"""The tour of the explorer: five cards, each beside what it points at."""

import anywidget

from mssviz.widgets import _static


class Tour(anywidget.AnyWidget):
    """A tour of the explorer around it.

    It begins by itself when a browser shows an explorer for the first time, and again whenever
    people ask for it in Help.
    """

    _esm = _static.module("tour/view.js")
    _css = _static.style("tour.css")
