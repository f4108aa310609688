"""A network as it is, drawn from its own layers, whose parts can be switched off and scaled."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import ipywidgets as w
import traitlets as t

from mssviz._values import is_number, shown
from mssviz.errors import ParameterError
from mssviz.insight import Surgery
from mssviz.widgets import _static
from mssviz.widgets._network_layout import label, layout, proportions
from mssviz.widgets._view import WRITTEN, Number
from mssviz.widgets._widget import Widget

#: Largest gain that the slider sets.
MAX_GAIN = 2.0
#: What the axes of a layer's output are; of others only the last is known, the channels.
_AXES = {
    **dict.fromkeys(("Conv2D", "Conv2DTranspose"), "time × frequency × channels"),
    **dict.fromkeys(("Conv1D", "Conv1DTranspose", "Bidirectional"), "time × channels"),
}


class NetworkView(Widget):
    """Draws a network and lets people switch off layers, skip connections and single channels.

    Networks whose images shrink and grow again are drawn as a U, others as columns, one target at a
    time. What is pressed can be scaled below the picture. The network is read off its model, so any
    architecture can be shown.

    Parameters
    ----------
    surgery
        Network to show and to operate on; cuts that it has are shown.

    Raises
    ------
    ParameterError
        If it is no `insight.Surgery`.

    Examples
    --------
    >>> surgery = mssviz.insight.Surgery(mssviz.Separator("spleeter:2stems"))
    >>> view = mssviz.NetworkView(surgery)
    >>> view.scale("vocals_conv1_skip", 0)
    >>> view.cuts
    {'vocals_conv1_skip': 'off'}
    """

    _module = "network/view.js"
    _esm = _static.module(_module)
    _css = _static.style("slider.css", "network.css")

    target = t.Unicode(
        help="whose part of the network is shown; empty if all of it belongs to all targets"
    ).tag(**WRITTEN)
    selected = t.Unicode(help="name of the chosen site; empty for none").tag(**WRITTEN)
    looking_at = t.Unicode(
        help="name of the site whose feature maps are asked for; empty for none"
    ).tag(**WRITTEN)
    cuts = t.Dict(
        t.Unicode(), read_only=True, help="what differs from the whole network, in words, by site"
    ).tag(sync=True)

    _network = t.Dict(help="what is drawn: targets, sites by name, a layout by target").tag(
        sync=True
    )
    _gains = t.Dict(t.List(Number()), help="gains of the channels, by site that differs").tag(
        sync=True
    )

    def __init__(self, surgery: Surgery) -> None:
        if not isinstance(surgery, Surgery):
            raise ParameterError(
                f"a network is shown by its insight.Surgery (got {type(surgery).__name__})"
            )
        self.surgery = surgery
        own = {site.target for site in surgery.sites.values()}
        self._targets = [target for target in surgery.targets if target in own] or [""]
        self._has_maps = surgery.network.signal != "waveform"
        self._changed, self._looked = w.CallbackDispatcher(), w.CallbackDispatcher()
        super().__init__(target=self._targets[0], _network=self._drawn())
        self._show_cuts()
        self.on_msg(self._receive)

    # --- use from code ------------------------------------------------------------------------

    def scale(self, site: str, gain: float = 0.0, channels: Any = None) -> None:
        """Scale what a layer or a skip connection hands on, as `insight.Surgery.scale`.

        Parameters
        ----------
        site
            Name of the site.
        gain
            Gain, 0 for off, 1 for as it was.
        channels
            Numbers of the channels to scale, from 0; all if left out.

        Raises
        ------
        ParameterError
            If there is no such site or channel, or the gain is no finite number.
        """
        self.surgery.scale(site, gain, channels)
        self._show_cuts()
        self._changed()

    def reset(self) -> None:
        """Make the network whole again."""
        self.surgery.reset()
        self._show_cuts()
        self._changed()

    def on_change(self, callback: Callable[[], Any], remove: bool = False) -> None:
        """Call a function without arguments after each change of the network.

        Parameters
        ----------
        callback
            Function to call.
        remove
            Whether it is not to be called any more.
        """
        self._changed.register_callback(callback, remove)

    def on_look(self, callback: Callable[[], Any], remove: bool = False) -> None:
        """Call a function without arguments when other feature maps are asked for, or none.

        Parameters
        ----------
        callback
            Function to call; `looking_at` has the name of the site then.
        remove
            Whether it is not to be called any more.
        """
        self._looked.register_callback(callback, remove)

    # --- state --------------------------------------------------------------------------------

    def _drawn(self) -> dict[str, Any]:
        sites = self.surgery.sites
        extents = proportions(sites.values())
        return {
            "targets": self._targets,
            "has_maps": self._has_maps,
            "sites": {
                name: {
                    "label": label(site),
                    "target": site.target,
                    "layer": site.layer.lstrip("_"),
                    "is_skip": site.is_skip,
                    "shape": list(site.shape),
                    "axes": _AXES.get(site.layer, "the last are the channels"),
                    "extents": list(extents[name]),
                }
                for name, site in sites.items()
            },
            "layouts": {target: asdict(layout(sites, target)) for target in self._targets},
        }

    def _show_cuts(self) -> None:
        self._gains = self.surgery.gains
        self.set_trait("cuts", self.surgery.cuts)

    @t.validate("target")
    def _valid_target(self, proposal: Any) -> str:
        if proposal["value"] not in self._targets:
            raise ParameterError(
                f"target must be one of {', '.join(self._targets)} (got {proposal['value']!r})"
            )
        return str(proposal["value"])

    @t.validate("selected", "looking_at")
    def _valid_site(self, proposal: Any) -> str:
        name, trait = proposal["value"], proposal["trait"].name
        if name and name not in self.surgery.sites:
            raise ParameterError(f"{trait} must be a site's name, or empty (got {shown(name)})")
        if name and trait == "looking_at" and not self._has_maps:
            model = self.surgery.preset.name
            raise ParameterError(f"{model} reads waveforms: its layers have no feature maps")
        return str(name)

    @t.observe("selected")
    def _follow_selected(self, _: Any) -> None:
        site = self.surgery.sites.get(self.selected)
        if site and site.target:
            self.target = site.target

    @t.observe("target")
    def _follow_target(self, _: Any) -> None:
        """Keep the same layer of the other target's part chosen."""
        site = self.surgery.sites.get(self.selected)
        if site and site.target not in ("", self.target):
            other = f"{self.target}_{label(site)}"
            self.selected = other if other in self.surgery.sites else ""

    @t.observe("looking_at")
    def _look(self, _: Any) -> None:
        self._looked()

    # --- messages from the browser ------------------------------------------------------------

    def _receive(self, _: Any, message: Any, __: Any) -> None:
        if not isinstance(message, dict):
            return
        try:
            if message.get("kind") == "scale":
                self.scale(*_checked(message))
            elif message.get("kind") == "reset":
                self.reset()
        except ParameterError as error:
            self.send({"kind": "failed", "text": error.on_page})


def _checked(message: dict[str, Any]) -> tuple[str, float, Sequence[int] | None]:
    """Site, gain and channels of a message; `Surgery` knows which sites and channels there are."""
    values: list[Any] = [message.get(name) for name in ("site", "gain", "channels")]
    site, gain, channels = values
    if not isinstance(site, str):
        raise ParameterError(f"site must be a name (got {shown(site)})")
    if not is_number(gain) or not 0 <= gain <= MAX_GAIN:
        raise ParameterError(f"gain must lie between 0 and {MAX_GAIN:g} (got {shown(gain)})")
    if channels is None:
        return site, gain, None
    if not isinstance(channels, list) or not channels or {type(c) for c in channels} != {int}:
        raise ParameterError(f"channels must be a list of whole numbers (got {shown(channels)})")
    return site, gain, channels
