"""A button that works with what the page shows, and with nothing earlier."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ipywidgets as w
import traitlets as t

from mssviz.widgets import _static
from mssviz.widgets._widget import Widget


class PressButton(Widget):
    """A button whose click carries what is chosen in the page.

    A click of ipywidgets can overtake changes of what is chosen: the page keeps a control's second
    change back until the kernel is done with the first, and sends a click at once.

    Parameters
    ----------
    description, tooltip
        Label, and one sentence on what it does.
    carried
        Controls whose values a click carries.
    traits
        Initial values of the traits below.
    """

    _esm = _static.module("press.js")

    description = t.Unicode(help="label").tag(sync=True)
    tooltip = t.Unicode(help="one sentence on what it does").tag(sync=True)
    disabled = t.Bool(False, help="whether it cannot be pressed").tag(sync=True)
    primary = t.Bool(False, help="whether it is the one that people look for").tag(sync=True)

    _carried: t.List[Any] = t.List(help="id of each control's model, and name of its trait").tag(
        sync=True
    )

    def __init__(self, description: str, tooltip: str, *carried: w.Widget, **traits: Any) -> None:
        super().__init__(description=description, tooltip=tooltip, **traits)
        self._pressed = w.CallbackDispatcher()
        self._controls: dict[tuple[str, str], w.Widget] = {}
        self.carry(*((control, "value") for control in carried))
        self.on_msg(self._receive)

    def carry(self, *controls: tuple[w.Widget, str]) -> None:
        """Let a click carry these traits of these controls, and no others."""
        self._controls = {(str(each.model_id), trait): each for each, trait in controls}
        self._carried = [list(key) for key in self._controls]

    def on_click(self, callback: Callable[["PressButton"], object]) -> None:
        """Call a function of this button when it is pressed, once the controls are as seen."""
        self._pressed.register_callback(callback)

    def click(self) -> None:
        """Do what a click does, with what the kernel knows to be chosen."""
        self._pressed(self)

    def _receive(self, _: object, message: object, __: object) -> None:
        if not isinstance(message, dict) or message.get("kind") != "press":
            return
        shown = message.get("shown")
        for each in shown if isinstance(shown, list) else ():
            match each:
                case [str(model_id), str(trait), value] if (model_id, trait) in self._controls:
                    _set(self._controls[model_id, trait], trait, value)
        self.click()


def _set(control: w.Widget, trait: str, value: object) -> None:
    """Set a control to what the page shows, unless it can no longer be set to that."""
    if not isinstance(control, w.Dropdown):
        with suppress(t.TraitError):
            control.set_state({trait: value})
    elif value in control._options_labels:
        control.label = value
