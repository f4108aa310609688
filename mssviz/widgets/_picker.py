"""A drop-down whose choices stand in groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets as t

from mssviz.widgets import _static
from mssviz.widgets._widget import Widget


class Picker(Widget):
    """A drop-down in groups; what is chosen is told by its tooltip.

    Parameters
    ----------
    groups
        Title of a group to the (label, value) of its choices; those of the group ``""`` stand
        before all groups.
    value
        First choice.
    description
        Name of the picker.
    details
        Value to a sentence about it.
    """

    _esm = _static.module("picker.js")
    _css = _static.style("outlined.css", "picker.css")

    value = t.Unicode(help="what is chosen").tag(sync=True)
    description = t.Unicode(help="name of the picker").tag(sync=True)
    disabled = t.Bool(False, help="whether nothing can be chosen").tag(sync=True)

    _groups: t.List[Any] = t.List(help="title and choices of each group").tag(sync=True)
    _details = t.Dict(help="value to a sentence about it").tag(sync=True)

    def __init__(
        self,
        groups: Mapping[str, Sequence[tuple[str, str]]],
        value: str,
        description: str,
        details: Mapping[str, str],
    ) -> None:
        self._options = tuple(option for options in groups.values() for option in options)
        super().__init__(
            value=value,
            description=description,
            _groups=[[title, list(options)] for title, options in groups.items()],
            _details=dict(details),
        )

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Label and value of every choice, as a drop-down of ipywidgets has them."""
        return self._options

    @t.validate("value")
    def _valid_value(self, proposal: Any) -> str:
        if proposal["value"] not in [value for _, value in self._options]:
            raise t.TraitError(f"{self.description}: there is no {proposal['value']!r} to choose")
        return str(proposal["value"])
