"""A spectrogram to look into: pan, zoom, masks as hues, exact values under the pointer, a brush."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import traitlets as t

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.plots import check_colors, stem_colors
from mssviz.separation.editing import TOOLS, Stroke
from mssviz.stft import StftParams
from mssviz.widgets import _static, _tiles
from mssviz.widgets._answers import Answer, answers, visible
from mssviz.widgets._layers import FIXED_COLORMAPS, Layer
from mssviz.widgets._picture_data import PictureData
from mssviz.widgets._view import TIMELINE, WRITTEN, Number, View, pair
from mssviz.widgets.signed_map import SignedMap

SCALES = ("log", "mel", "linear")
COLORMAPS = ("magma", "viridis", "inferno", "cividis", "gray")
_LEVELS = ("floor_db", "ceiling_db", "gamma")
#: What dragging can do: move the picture, select a time, or lead a tool of the brush.
DRAGGING = ("look", "select", *TOOLS)

_NEW_BRUSH = {"radius_seconds": 0.08, "radius_hertz": 150.0, "softness": 0.5, "value": 1.0}
#: Edges of a box over the picture, in seconds and hertz.
_EDGES = ("start", "stop", "low", "high")


class SpectrogramView(View):
    """Spectrogram of a mixture, and what masks make of it.

    The browser asks for 8-bit tiles of what it shows; exact values come from the arrays.

    Parameters
    ----------
    mixture
        STFT ``(n_frames, n_bins, n_channels)``, or anything that can be sliced along its frames.
    params
        Time-frequency grid of the STFT.
    masks
        Masks in [0, 1] by stem, of the same shape.
    references
        STFTs of the true stems by name, where known.
    compare
        Masks to compare with, by stem, for each name of what they are, such as
        ``"ideal ratio mask"`` or another model's name. Stems that `masks` lacks are left out.
    maps
        Maps `SignedMap` by stem, for each name of what they show, such as ``"error"``.
    complex_masks
        Complex masks of some of these stems; NaN without sound, as in `Separation.complex_masks`.
    colors
        Colours by stem, such as ``"#E69F00"``; `plots.stem_colors` for the others.
    offset
        Time of the first sample on the song's time axis, in seconds.
    can_paint
        Whether there is a brush for the masks, whose strokes somebody listens to.
    traits
        Initial values of the traits below.

    Raises
    ------
    ParameterError
        If a keyword is unknown, arrays have other shapes, or a colour is none.

    Examples
    --------
    >>> mixture, _, _ = mssviz.examples()["francium"].excerpt(0, 2).sound()
    >>> params = mssviz.stft.StftParams()
    >>> view = mssviz.SpectrogramView(mssviz.stft.stft(mixture, params), params, colormap="viridis")
    >>> reading = view.read(1.0, 440.0)
    >>> reading["note"]
    'A4 +6 ct'
    """

    shared = TIMELINE
    settings = ("low", "scale", "channel", *_LEVELS, "colormap", "tool", "height")
    module = "spectrogram/view.js"
    _esm = _static.module(module)
    styles = ("slider.css", "spectrogram.css", "told.css", "help.css")
    _css = _static.style(*styles)

    start = Number(0.0, help="left edge, seconds").tag(**WRITTEN)
    stop = Number(1.0, help="right edge, seconds").tag(**WRITTEN)
    low = Number(40.0, help="lower edge, hertz").tag(**WRITTEN)
    high = Number(22050.0, help="upper edge, hertz").tag(**WRITTEN)
    scale = t.Enum(SCALES, "log", help="frequency axis").tag(**WRITTEN)
    show = t.Unicode("hues", help="what is shown: one of `shows`").tag(**WRITTEN)
    channel = t.Enum(_tiles.CHANNELS, "mean", help="channels shown").tag(**WRITTEN)
    floor_db = Number(-80.0, help="darkest level, dB below the loudest bin").tag(**WRITTEN)
    ceiling_db = Number(0.0, help="lightest level, dB").tag(**WRITTEN)
    gamma = Number(1.0, help="above 1 darkens the middle").tag(**WRITTEN)
    colormap = t.Enum(COLORMAPS, "magma", help="of levels").tag(**WRITTEN)
    time = Number(0.0, help="playhead, seconds").tag(**WRITTEN)
    selection = pair("selected time, [start, stop] seconds").tag(**WRITTEN)
    pinned = pair("pinned bin, [seconds, hertz]").tag(**WRITTEN)
    tool = t.Enum(DRAGGING, "look", help="what dragging does").tag(**WRITTEN)
    brush = t.Dict(help="target, radius_seconds, radius_hertz, softness, value").tag(**WRITTEN)
    height = t.Int(360, help="of the picture, CSS pixels").tag(sync=True)
    boxes = t.List(
        t.Dict(), help="drawn over the picture: start, stop (s), low, high (Hz), label"
    ).tag(sync=True)

    _geometry = t.Dict().tag(sync=True)
    _stems: t.List[Any] = t.List(help="name and color of stems with a mask").tag(sync=True)
    _layers: t.List[Any] = t.List(help="records of what can be shown").tag(sync=True)
    _choices = t.Dict(help="trait to the [value, label] that its control offers").tag(sync=True)
    _palettes = t.Dict().tag(sync=True)

    def __init__(
        self,
        mixture: Any,
        params: StftParams,
        masks: Mapping[str, Any] | None = None,
        *,
        references: Mapping[str, Any] | None = None,
        compare: Mapping[str, Mapping[str, Any]] | None = None,
        maps: Mapping[str, Mapping[str, SignedMap]] | None = None,
        complex_masks: Mapping[str, Any] | None = None,
        colors: Mapping[str, str] | None = None,
        offset: float = 0.0,
        can_paint: bool = True,
        **traits: Any,
    ) -> None:
        unknown = sorted(set(traits) - {n for n in self.trait_names() if n[0] != "_"})
        if unknown:
            raise ParameterError(f"SpectrogramView has no option {unknown[0]!r}")
        check_colors(colors or {})
        self.params, self.offset = params, offset
        self._data = PictureData(
            mixture, params, masks or {}, references or {}, compare or {}, offset, maps or {},
            complex_masks or {},
        )  # fmt: skip
        self._can_paint = can_paint and bool(self._data.stems)
        self._stroke_callbacks: list[Callable[[Stroke], None]] = []
        self._level: int | None = None  # of the tiles that the browser has asked for last
        stems = self._data.stems
        defaults = {
            "start": offset,
            "time": offset,
            "stop": max(self._data.end, offset + self._data.hop),
            "high": params.sample_rate / 2,
            "show": self.shows[0],
            "brush": {"target": next(iter(stems), ""), **_NEW_BRUSH},
        }
        hues = {**stem_colors(stems), **(colors or {})}
        super().__init__(
            **{**defaults, **traits},
            _geometry=self._data.geometry,
            _stems=[{"name": name, "color": hues[name]} for name in stems],
            _layers=[layer.record for layer in self.layers],
            _choices=_choices(self.layers, self._can_paint),
            _palettes=_tiles.palettes({*COLORMAPS, *FIXED_COLORMAPS.values()}),
        )
        self.on_msg(self._receive)

    @property
    def colors(self) -> dict[str, str]:
        """Stem to its colour."""
        return {stem["name"]: stem["color"] for stem in self._stems}

    @property
    def layers(self) -> list[Layer]:
        """All layers that can be shown, in the order of the menu."""
        return list(self._data.layers.values())

    @property
    def shows(self) -> list[str]:
        """Names of `layers`, such as ``"hues"`` or ``"mask/vocals"``; `show` is one of them."""
        return list(self._data.layers)

    @t.validate("show")
    def _check_show(self, proposal: Any) -> str:
        # while the widget is being built, layers are not known yet
        if hasattr(self, "_data") and proposal["value"] not in self.shows:
            raise t.TraitError(
                f"show must be one of {', '.join(self.shows)} (got {proposal['value']!r})"
            )
        return str(proposal["value"])

    @t.validate("boxes")
    def _check_boxes(self, proposal: Any) -> list[dict[str, Any]]:
        return [_checked_box(box) for box in proposal["value"]]

    @t.validate("gamma")
    def _check_gamma(self, proposal: Any) -> float:
        if not 0.1 <= proposal["value"] <= 10:
            raise t.TraitError(f"gamma must lie in [0.1, 10] (got {proposal['value']})")
        return float(proposal["value"])

    def take_over(self, other: View) -> None:
        """As `View.take_over`; a layer, or a stem to paint on, that is not here stays another."""
        super().take_over(other)
        assert isinstance(other, SpectrogramView)
        self.high = min(other.high, self.params.sample_rate / 2)
        if len(other.shows) > 1 and other.show in self.shows:  # it was chosen among several
            self.show = other.show
        known = other.brush["target"] in self._data.stems
        self.brush = other.brush | ({} if known else {"target": self.brush["target"]})

    def layer_values(self, layer: str, channel: str = "mean") -> AnyArray:
        """All 8-bit values of a layer of `shows`, ``(n_frames, n_bins)``; channels as `channel`."""
        return self._data.layer_values(layer, channel)

    @property
    def peak_db(self) -> float:
        """Level of the loudest bin, in dB re a sine of full scale; the value 255 stands for it."""
        return self._data.peak_db

    def set_masks(self, masks: Mapping[str, Any], frames: slice | None = None) -> None:
        """Show other masks of the same stems.

        Parameters
        ----------
        masks
            Masks by stem, of the mixture's shape.
        frames
            Frames that differ from before; all if left out.
        """
        start, stop = self._data.set_masks(masks, frames)
        changed = [layer for layer in self.layers if layer.properties.follows_masks]
        self._tell_changed(changed, start, stop)
        if self._level is not None:  # somebody looks
            for answer, buffers in visible(self, self._data, self._level, changed, start, stop):
                self.send(answer, buffers)

    def set_maps(self, maps: Mapping[str, Mapping[str, SignedMap]]) -> None:
        """Show other maps in place of all that there are.

        Parameters
        ----------
        maps
            Maps by stem, for each name of what they show.

        Notes
        -----
        If a map is shown that is not among them, the first layer is shown instead.
        """
        self._data.set_maps(maps)
        changed = [layer for layer in self.layers if layer.kind == "map"]
        self._tell_changed(changed, 0, self._data.n_frames)
        if self.show not in self.shows:
            self.show = self.shows[0]
        self._choices = _choices(self.layers, self._can_paint)
        self._layers = [layer.record for layer in self.layers]

    def on_stroke(self, callback: Callable[[Stroke], None]) -> None:
        """Call `callback` with every stroke of the brush."""
        self._stroke_callbacks.append(callback)

    def read(self, seconds: float, hertz: float) -> dict[str, Any]:
        """Read the exact values of the bin nearest to a point.

        Parameters
        ----------
        seconds, hertz
            Time, in seconds, and frequency, in hertz, of the point.

        Returns
        -------
        dict
            ``frame``, ``bin``, ``time`` (centre of the frame, s), ``frequency`` (Hz), ``note``,
            ``level_db`` (dB re a sine of full scale) and ``stems``. That has for each name
            ``mask``, ``level_db``, ``phase`` (radians; the mixture's, which every masked stem has)
            and, where the true stem is known, ``reference_db`` and ``reference_phase``. Where the
            complex mask is known, ``complex_mask`` has its ``factor``, ``level_db`` and ``turn``
            (degrees; None for 0), or is None without sound. Levels and masks are of the view of the
            channels that is shown, phases of its first channel. For each map's layer, ``maps`` has
            ``level_db`` (dB re its strongest place) and ``side`` (what the value's sign means).
        """
        return self._data.read(seconds, hertz, self.channel)

    def slices(self, seconds: float, hertz: float) -> tuple[dict[str, Any], list[bytes]]:
        """Levels of mixture and stems across one frame and along one bin.

        Returns
        -------
        message : dict
            ``names``, and ``start`` and ``stop`` (s) of the part of the song for which the bin's
            course is given, which is the part in view.
        buffers : list of bytes
            Levels as float32 dB: for each name its spectrum, ``(n_bins,)``, and then for each name
            its course.
        """
        return self._data.slices(seconds, hertz, self.channel, (self.start, self.stop))

    def saved_state(self, maps: bool = False) -> dict[str, Any]:
        """State for a page, which has no brush and one channel view; see `View.saved_state`.

        Its layers are those that a page stores (see `layers` and `layer_values`) or derives.

        Parameters
        ----------
        maps
            Whether the page has maps, too.
        """
        state = super().saved_state()
        left_out = ("absent",) if maps else ("absent", "asked")
        layers = [layer for layer in self.layers if layer.properties.in_page not in left_out]
        fixed = {"channel": [("mean", "mean")], "tool": []}
        choices = {"show": [(layer.name, layer.label) for layer in layers], **fixed}
        shown = self.show if self.show in [layer.name for layer in layers] else layers[0].name
        return state | {
            "_layers": [layer.record for layer in layers],
            "_choices": state["_choices"] | choices,
            "show": shown,
            "channel": "mean",
            "tool": "look",
        }

    def paint(self, stroke: Stroke) -> None:
        """Tell those who listen that the brush has drawn a stroke."""
        for callback in self._stroke_callbacks:
            callback(stroke)

    def answers(self, message: Any) -> Iterator[Answer]:
        """Answer a message of the browser, as `_answers.answers` does."""
        return answers(message, self, self._data)

    def _receive(self, _: Any, message: Any, __: Any) -> None:
        # answer by answer, so that the first tile is on the screen while the next is being made
        for answer, buffers in self.answers(message):
            if answer["kind"] == "tile":
                self._level = answer["level"]
            self.send(answer, buffers)

    def _tell_changed(self, layers: Sequence[Layer], start: int, stop: int) -> None:
        changed = {"layers": [layer.name for layer in layers], "start": start, "stop": stop}
        self.send({"kind": "changed", **changed, "version": self._data.version})


def _checked_box(box: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what is no box."""
    edges = {name: box.get(name) for name in _EDGES}
    if set(box) != {*_EDGES, "label"} or not all(
        isinstance(edge, int | float) and math.isfinite(edge) for edge in edges.values()
    ):
        raise t.TraitError(f"a box has {', '.join(_EDGES)} (numbers) and label (got {dict(box)})")
    return {**edges, "label": str(box["label"])}


def _choices(layers: Sequence[Layer], can_paint: bool) -> dict[str, list[tuple[str, str]]]:
    """Values and labels that each trait's control offers, by trait."""
    tools = DRAGGING if can_paint else ()
    plain = {"scale": SCALES, "channel": _tiles.CHANNELS, "colormap": COLORMAPS, "tool": tools}
    named = {trait: [(value, value) for value in values] for trait, values in plain.items()}
    return {"show": [(layer.name, layer.label) for layer in layers], **named}
