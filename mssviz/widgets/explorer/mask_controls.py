"""A control for every mask option, made from the option's description."""

import html
import math
from typing import Any

import ipywidgets as w

from mssviz.errors import ParameterError
from mssviz.plots import one_line
from mssviz.separation import Kind, MaskOptions, Option, described_options
from mssviz.separation.options import idle_beside
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._slider import Slider

STYLE = {"description_width": "7.5em"}


class MaskControls:
    """Sliders and pickers of mask options, of which those that would do nothing are locked.

    Parameters
    ----------
    options
        Options with which the controls begin.

    Attributes
    ----------
    by_option : dict
        Widgets by option, in the order in which they are shown.
    note : HTML
        Reason why some are locked; empty while none is.

    Raises
    ------
    ParameterError
        If a slider cannot be set to a value.
    """

    def __init__(self, options: MaskOptions) -> None:
        self.by_option = {
            name: _control(name, option, getattr(options, name))
            for name, option in described_options().items()
        }
        self.note = w.HTML(layout=w.Layout(display="none"))
        self._kind: Kind | None = None
        self._model = ""
        for name in ("mwf", "hardness"):
            self.by_option[name].observe(lambda _: self._lock(), "value")

    @property
    def values(self) -> dict[str, Any]:
        """Values that the controls are set to, in the options' own units."""
        options = described_options()
        found = {}
        for name, control in self.by_option.items():
            value = control.value
            if name == "mwf":
                value = round(value)
            elif options[name].factor != 1:
                value *= options[name].factor
            found[name] = value
        bandwidth = self.by_option["bandwidth"]
        if bandwidth.value >= bandwidth.max:  # there is no limit but the model's
            found["bandwidth"] = math.inf
        return found

    @property
    def is_filter(self) -> bool:
        """Whether the model's stems are more than masks in [0, 1], see `Kind.is_filter`."""
        return self._kind is not None and self._kind.is_filter(self._options_of(self._kind))

    def fit(self, kind: Kind, model: str, band_khz: float) -> None:
        """Lock the options that do nothing for a model.

        Parameters
        ----------
        kind
            Kind of the model's prediction.
        model
            Name of the model.
        band_khz
            Upper end of the band that the model covers, in kHz.
        """
        self._kind, self._model = kind, model
        bandwidth = self.by_option["bandwidth"]
        unlimited = bandwidth.value >= bandwidth.max
        with bandwidth.hold_trait_notifications():
            bandwidth.max = band_khz
            if unlimited:
                bandwidth.value = band_khz
        self._lock()

    def _lock(self) -> None:
        if self._kind is None:
            return
        chosen = self._options_of(self._kind)
        usable = self._kind.usable(chosen)
        for name, control in self.by_option.items():
            control.disabled = name not in usable or idle_beside(name, chosen)
        locked = len(self._kind.options) < len(self.by_option)
        self.note.layout.display = None if locked else "none"
        self.note.value = f"<small>{html.escape(self._why())}</small>" if locked else ""

    def _options_of(self, kind: Kind) -> MaskOptions:
        """Options as they are set, on which it depends what others do."""
        values = self.values
        return MaskOptions(**(values if "mwf" in kind.options else values | {"mwf": 0}))

    def _why(self) -> str:
        assert self._kind is not None
        name = one_line(self._model)
        if self._kind.options:
            return f"{name}: locked is what would do nothing, as {self._kind.reason}."
        return (
            f"{name} gives waveforms, not masks: shown is what it does to the level, "
            "|estimate| / |mixture|, cut at 1; the layer “complex mask” is not cut, and shows the "
            "turn of the phase. A stroke of the brush makes the masks that are cut into stems, "
            "with the mixture's phase."
        )


def _control(name: str, option: Option, value: Any) -> Any:
    common = {"description": option.label, "tooltip": option.help}
    if option.choices:
        choices = [(label, choice) for choice, label in option.choices.items()]
        wide = {"width": "auto"}
        return Dropdown(options=choices, value=value, style=STYLE, layout=wide, **common)
    shown = value / option.factor
    if name == "bandwidth" and math.isinf(shown):
        shown = option.high
    if not option.low <= shown <= option.high:
        low, high = option.low * option.factor, option.high * option.factor
        raise ParameterError(f"{name} must lie between {low:g} and {high:g} (got {value!r})")
    return Slider(min=option.low, max=option.high, step=option.step, value=shown, **common)
