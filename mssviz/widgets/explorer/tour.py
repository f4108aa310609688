"""The tour of the explorer: five cards, each beside what it points at."""

from mssviz.widgets import _static
from mssviz.widgets._widget import Widget


class Tour(Widget):
    """A tour of the explorer around it.

    It begins by itself when a browser shows an explorer for the first time, and again whenever
    people ask for it in Help.
    """

    _esm = _static.module("tour/view.js")
    _css = _static.style("tour.css")
