"""What a layer does: the network, with parts that can be switched off, and its feature maps."""

from collections.abc import Mapping, Sequence

import ipywidgets as w

from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._layers import Layer
from mssviz.widgets._press import PressButton
from mssviz.widgets._slider import Slider
from mssviz.widgets.explorer.questions import FeatureMaps, look_into, surgery_of
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.section import Section
from mssviz.widgets.network import NetworkView

#: Map of a layer's output among the picture's layers.
FEATURES = "feature map"


class LayerSection(Section):
    """Draws the network; what is switched off is heard at once.

    Attributes
    ----------
    draw : PressButton
    network : NetworkView or None
        The network, once it is drawn.
    channel : Slider
        Number of the channel whose feature map is shown, from 1.
    """

    question = "What does a layer do?"
    explains = (
        "The network as it is: switch layers, skip connections or single channels off, or scale "
        "them, and masks, sound and scores follow. Feature maps are of the patch in the middle of "
        "what is in view."
    )

    def __init__(self, session: Session, stage: Stage, stem: Dropdown) -> None:
        self.draw = PressButton("Draw the network", "Show its layers, which can be switched off")
        self.network: NetworkView | None = None
        self.channel = Slider(
            min=1, max=1, value=1, step=1, description="Channel",
            tooltip="Channel of the layer whose feature map the picture shows",
        )  # fmt: skip
        self.channel.layout.display = "none"
        self._drawn = w.VBox()
        super().__init__(session, stage, stem, [self.draw], [self.channel, self._drawn])
        self.draw.on_click(lambda _: self._draw())
        self.channel.observe(lambda _: self._show_channel(), "value")
        self._features: tuple[Result, FeatureMaps] | None = None
        #: Result, and what was cut out of its network, when they were looked at.
        self._seen: tuple[Result, Mapping[str, Sequence[float]]] | None = None

    def fit(self, result: Result) -> None:
        """As `Section.fit`; what is cut stays cut in a new result of the same network."""
        view = self.network
        if view is None:
            return
        if view.surgery.whole is not result.model:
            self._show_network(None)
        elif view.surgery.gains != result.cuts:
            self.session.operate(view.surgery)

    def choose(self, result: Result) -> None:
        """As `Section.choose`: the stem's part of the network is shown, if it has one."""
        self._follow_stem()

    def settled(self, result: Result) -> None:
        """As `Section.settled`: feature maps follow what is cut."""
        if self._features is not None and self._seen != (result, result.cuts):
            self._look()
        if self.network is not None and self.network.surgery.gains != result.cuts:
            self.say("The last cut was cancelled: what is seen and heard is without it.")

    def _draw(self) -> None:
        self.session.ask(
            "draw the network",
            lambda result, _: iter([NetworkView(surgery_of(result))]),
            lambda _, view: self._show_network(view),
        )

    def _show_network(self, view: NetworkView | None) -> None:
        if self.network is not None:
            self.network.close()
        self.network, self._features = view, None
        self._drawn.children = () if view is None else (view,)
        self.draw.layout.display = None if view is None else "none"
        self.channel.layout.display = "none"
        self.say()
        if view is not None:
            view.on_change(lambda: self.session.operate(view.surgery))
            view.on_look(self._look)
            self._follow_stem()

    def _follow_stem(self) -> None:
        view = self.network
        if view is not None and self.stem.value in {s.target for s in view.surgery.sites.values()}:
            view.target = self.stem.value

    def _look(self) -> None:
        view, views = self.network, self.stage.views
        if view is None or views is None:
            return
        site = view.looking_at
        if not site:
            self._features, self.channel.layout.display = None, "none"
            views.show_maps({FEATURES: {}})
            return
        middle = (views.picture.start + views.picture.stop) / 2 - views.excerpt.offset
        time = min(max(0.0, middle), len(views.excerpt.mixture) / views.excerpt.params.sample_rate)
        self.session.ask(
            "look into the network",
            lambda result, report: look_into(result, view.surgery, site, time, report),
            self._show_features,
        )

    def _show_features(self, result: Result, found: FeatureMaps) -> None:
        fresh = self._features is None or self._features[1].site != found.site
        self._features, self._seen = (result, found), (result, result.cuts)
        self.channel.max = found.values.shape[2]
        if fresh:
            self.channel.value = found.strongest + 1
        self.channel.layout.display = None
        self._show_channel(fresh)

    def _show_channel(self, show: bool = False) -> None:
        views = self.stage.views
        if self._features is None or views is None or views.excerpt is not self._features[0]:
            return
        result, found = self._features
        channel, stem = round(self.channel.value) - 1, str(self.stem.value)
        name = Layer("map", stem, FEATURES).name if show else ""
        views.picture.boxes = []
        views.show_maps({FEATURES: {stem: found.signed_map(result, channel)}}, name)
        first, last = (seconds + result.offset for seconds in found.seconds)
        self.say(
            f"{found.site}, channel {channel + 1} of {found.values.shape[2]}, from "
            f"{max(result.offset, first):.1f} to {last:.1f} s: violet above 0, orange below."
        )
