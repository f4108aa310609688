"""A slider that says its name, its value and its purpose to everybody."""

from typing import Any

import traitlets as t

from mssviz.widgets import _static
from mssviz.widgets._view import WRITTEN, Number
from mssviz.widgets._widget import Widget


class Slider(Widget):
    """A number between two others; one that lies beyond them is refused.

    When the limits themselves change, the value follows to the nearer one.

    Parameters
    ----------
    traits
        Initial values of the traits below.

    Raises
    ------
    TraitError
        If the value lies beyond the limits.
    """

    _esm = _static.module("slider.js")
    _css = _static.style("slider.css")

    value = t.Float(help="what it is set to").tag(**WRITTEN)
    min = Number(0.0, help="least value").tag(sync=True)
    max = Number(1.0, help="largest value").tag(sync=True)
    step = Number(0.05, help="distance of neighbouring values").tag(sync=True)
    description = t.Unicode(help="name, with the unit").tag(sync=True)
    tooltip = t.Unicode(help="one sentence on what it does").tag(sync=True)
    labels: t.List[Any] = t.List(
        t.Unicode(), help="texts for the values 0, 1, 2 …; none if the values speak for themselves"
    ).tag(sync=True)
    disabled = t.Bool(False, help="whether it cannot be moved").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)

    @t.validate("value")
    def _valid_value(self, proposal: Any) -> float:
        value = float(proposal["value"])
        if not self.min <= value <= self.max:
            raise t.TraitError(
                f"{self.description} must lie between {self.min:g} and {self.max:g} (got {value:g})"
            )
        return value

    @t.observe("min", "max")
    def _keep_within(self, _: Any) -> None:
        self.value = min(max(self.value, self.min), self.max)
