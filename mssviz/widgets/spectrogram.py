"""A spectrogram to look into: pan, zoom, masks as hues, exact values under the pointer, a brush."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import traitlets as t

from mssviz._typing import AnyArray
from mssviz.errors import MssvizError, ParameterError, reason
from mssviz.plots import PALETTE, check_colors, check_layout
from mssviz.separation.editing import TOOLS, Stroke
from mssviz.stft import StftParams, to_db
from mssviz.widgets import _static, _tiles
from mssviz.widgets._view import TIMELINE, View

SCALES = ("log", "mel", "linear")
COLORMAPS = ("magma", "viridis", "inferno", "cividis", "gray")
#: Points of a slice through time that are sent at most.
SLICE_POINTS = 1200
#: Tiles that one message may ask for; a view asks for less, in several messages.
MAX_TILES = 256

_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


class SpectrogramView(View):
    """Spectrogram of a mixture and what masks make of it.

    The browser asks for 8-bit tiles of what it shows; exact values come from the arrays.

    Parameters
    ----------
    mixture
        STFT ``(n_frames, n_bins, n_channels)``; anything that can be sliced along its frames.
    params
        Its grid.
    masks
        Stem to mask, same shape, in [0, 1].
    references
        Stem to its true STFT, where known.
    compare
        What masks are compared with: a name, such as ``"ideal ratio mask"`` or another model's,
        to its masks by stem. Stems that `masks` lacks are left out.
    colors
        Stem to colour, such as ``"#E69F00"``.
    offset
        Time of the first sample on the song's time axis, in seconds.
    traits
        Initial values of the traits below.

    Raises
    ------
    ParameterError
        For an unknown keyword, arrays of other shapes, or a colour that is none.
    """

    shared = TIMELINE
    _module = "spectrogram.js"
    _esm = _static.module(_module)
    _css = _static.style("spectrogram.css")

    start = t.Float(0.0, help="left edge, seconds").tag(sync=True)
    stop = t.Float(1.0, help="right edge, seconds").tag(sync=True)
    low = t.Float(40.0, help="lower edge, hertz").tag(sync=True)
    high = t.Float(22050.0, help="upper edge, hertz").tag(sync=True)
    scale = t.Enum(SCALES, "log", help="frequency axis").tag(sync=True)
    show = t.Unicode("hues", help="'hues', 'mixture', or kind/stem, see `shows`").tag(sync=True)
    channel = t.Enum(_tiles.CHANNELS, "mean", help="channels shown").tag(sync=True)
    floor_db = t.Float(-80.0, help="darkest level, dB below the loudest bin").tag(sync=True)
    ceiling_db = t.Float(0.0, help="lightest level, dB").tag(sync=True)
    gamma = t.Float(1.0, help="above 1 darkens the middle").tag(sync=True)
    colormap = t.Enum(COLORMAPS, "magma", help="of levels").tag(sync=True)
    time = t.Float(0.0, help="playhead, seconds").tag(sync=True)
    selection = t.List(
        t.Float(), default_value=None, allow_none=True, minlen=2, maxlen=2,
        help="selected time, [start, stop] seconds",
    ).tag(sync=True)  # fmt: skip
    pinned = t.List(
        t.Float(), default_value=None, allow_none=True, minlen=2, maxlen=2,
        help="pinned bin, [seconds, hertz]",
    ).tag(sync=True)  # fmt: skip
    tool = t.Enum(("look", *TOOLS), "look", help="what dragging does").tag(sync=True)
    brush = t.Dict(help="target, radius_seconds, radius_hertz, softness, value").tag(sync=True)
    height = t.Int(360, help="of the picture, CSS pixels").tag(sync=True)

    _geometry = t.Dict().tag(sync=True)
    _layers: t.List[Any] = t.List().tag(sync=True)
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
        colors: Mapping[str, str] | None = None,
        offset: float = 0.0,
        **traits: Any,
    ) -> None:
        unknown = sorted(set(traits) - {n for n in self.trait_names() if n[0] != "_"})
        if unknown:
            raise ParameterError(f"SpectrogramView has no option {unknown[0]!r}")
        check_layout(np.shape(mixture), params, "mixture")
        check_colors(colors or {})
        self.params, self.offset = params, offset
        self._mixture = mixture
        self._masks = dict(masks or {})
        self._references = dict(references or {})
        self._compare = {name: dict(others) for name, others in (compare or {}).items()}
        for arrays in (self._masks, self._references, *self._compare.values()):
            self._check_shapes(arrays)
        self._stroke_callbacks: list[Callable[[Stroke], None]] = []
        self._pyramids: dict[tuple[str, str], _tiles.Pyramid] = {}
        self._cache = _tiles.BlockCache()
        self._peak: float | None = None
        n_frames, n_bins, _ = mixture.shape
        hop = params.hop_length / params.sample_rate
        first = offset - params.n_fft / 2 / params.sample_rate
        geometry = {
            "frames": n_frames,
            "bins": n_bins,
            "hop": hop,
            "first": first,
            "hertzPerBin": params.sample_rate / params.n_fft,
            "tileColumns": _tiles.TILE_COLUMNS,
            "levels": _tiles.n_levels(n_frames),
            "rangeDb": _tiles.RANGE_DB,
            "end": first + (n_frames - 1) * hop - params.n_fft / 2 / params.sample_rate,
            "offset": offset,
        }
        choices = {
            "show": self._show_labels(),
            "scale": [(scale, scale) for scale in SCALES],
            "channel": [(channel, channel) for channel in _tiles.CHANNELS],
            "colormap": [(colormap, colormap) for colormap in COLORMAPS],
            "tool": [(tool, tool) for tool in ("look", *TOOLS)] if self._masks else [],
        }
        given = colors or {}
        layers = [
            {"name": name, "color": given.get(name, PALETTE[i % len(PALETTE)])}
            for i, name in enumerate(self._masks)
        ]
        defaults = {
            "start": offset,
            "time": offset,
            "stop": max(geometry["end"], offset + hop),
            "high": params.sample_rate / 2,
            "show": "hues" if self._masks else "mixture",
            "brush": {
                "target": next(iter(self._masks), ""),
                "radius_seconds": 0.08,
                "radius_hertz": 150.0,
                "softness": 0.5,
                "value": 1.0,
            },
        }
        super().__init__(
            **{**defaults, **traits},
            _geometry=geometry,
            _layers=layers,
            _choices=choices,
            _palettes={name: _tiles.palette(name) for name in (*COLORMAPS, "PuOr")},
        )
        self.on_msg(self._receive)

    @property
    def shows(self) -> list[str]:
        """What `show` can be: every kind of picture of every stem."""
        return [show for show, _ in self._show_labels()]

    def _show_labels(self) -> list[tuple[str, str]]:
        shows = [("hues", "all masks as hues")] if self._masks else []
        shows.append(("mixture", "mixture"))
        shows += [(f"mask/{name}", f"{name}: mask") for name in self._masks]
        shows += [
            (f"estimate/{name}", f"{name}: what the mask lets through") for name in self._masks
        ]
        shows += [(f"reference/{name}", f"{name}: true stem") for name in self._references]
        shows += [
            (f"difference/{name}/{other}", f"{name}: mask minus {other}")
            for other, others in self._compare.items()
            for name in others
            if name in self._masks
        ]
        return shows

    @t.validate("show")
    def _check_show(self, proposal: Any) -> str:
        # while the widget is being built, masks are not known yet
        if hasattr(self, "_masks") and proposal["value"] not in self.shows:
            raise t.TraitError(
                f"show must be one of {', '.join(self.shows)} (got {proposal['value']!r})"
            )
        return str(proposal["value"])

    @t.validate("gamma")
    def _check_gamma(self, proposal: Any) -> float:
        if not 0.1 <= proposal["value"] <= 10:
            raise t.TraitError(f"gamma must lie in [0.1, 10] (got {proposal['value']})")
        return float(proposal["value"])

    def layer_values(self, layer: str) -> AnyArray:
        """All 8-bit values of a layer of `shows`, channels averaged, ``(n_frames, n_bins)``."""
        pyramid = self._pyramid(layer, "mean")
        tiles = range(pyramid.n_tiles(0))
        return np.concatenate([pyramid.tile(0, index) for index in tiles])

    @property
    def peak_db(self) -> float:
        """Level of the loudest bin, dB re a sine of full scale: what the value 255 stands for."""
        return float(to_db(np.array(self._loudest), self.params.n_fft / 4, floor_db=-160))

    def set_masks(self, masks: Mapping[str, Any], frames: slice | None = None) -> None:
        """Show other masks of the same stems.

        Parameters
        ----------
        masks
            Stem to mask, of the mixture's shape.
        frames
            Which frames differ from before; all if left out.
        """
        if set(masks) != set(self._masks):
            raise ParameterError(
                f"masks must be of the stems {', '.join(self._masks)} (got {', '.join(masks)})"
            )
        self._check_shapes(masks)
        self._masks = dict(masks)
        n_frames = self._mixture.shape[0]
        start, stop, _ = (frames or slice(0, n_frames)).indices(n_frames)
        changed = ("mask/", "estimate/", "difference/")
        for (layer, _channel), pyramid in self._pyramids.items():
            if layer.startswith(changed):
                pyramid.forget(start, stop)
        self.send({"kind": "changed", "layers": changed, "start": start, "stop": stop})

    def _check_shapes(self, arrays: Mapping[str, Any]) -> None:
        for name, array in arrays.items():
            if np.shape(array) != tuple(self._mixture.shape):
                raise ParameterError(
                    f"{name}: must have the mixture's shape {tuple(self._mixture.shape)} "
                    f"(got {np.shape(array)})"
                )

    def on_stroke(self, callback: Callable[[Stroke], None]) -> None:
        """Call `callback` with every stroke of the brush."""
        self._stroke_callbacks.append(callback)

    def read(self, seconds: float, hertz: float) -> dict[str, Any]:
        """Exact values of the bin nearest to a point.

        Parameters
        ----------
        seconds, hertz
            The point.

        Returns
        -------
        dict
            ``frame``, ``bin``, ``time`` (its centre, s), ``frequency`` (Hz), ``note``,
            ``level_db`` (dB re full-scale sine) and ``stems``: name to ``mask``,
            ``level_db``, ``phase`` (radians; the mixture's, which every masked stem has) and,
            where the true stem is known, ``reference_db`` and ``reference_phase``. Levels and
            masks are of the channel view shown; phases of its first channel.
        """
        geometry = self._geometry
        frame, index = self._nearest(seconds, hertz)
        mixture = np.asarray(self._mixture[frame : frame + 1])[:, index : index + 1]
        frequency = index * geometry["hertzPerBin"]
        stems = {}
        for name, array in self._masks.items():
            mask = np.asarray(array[frame : frame + 1])[:, index : index + 1]
            values = {
                "mask": self._share(mask),
                "level_db": self._level_db(mask * mixture),
                "phase": float(np.angle(mixture[0, 0, 0])),
            }
            if name in self._references:
                true = np.asarray(self._references[name][frame : frame + 1])[:, index : index + 1]
                values["reference_db"] = self._level_db(true)
                values["reference_phase"] = float(np.angle(true[0, 0, 0]))
            stems[name] = values
        return {
            "frame": frame,
            "bin": index,
            "time": geometry["first"] + frame * geometry["hop"],
            "frequency": frequency,
            "note": note_name(frequency),
            "level_db": self._level_db(mixture),
            "stems": stems,
        }

    def _nearest(self, seconds: float, hertz: float) -> tuple[int, int]:
        n_frames, n_bins, _ = self._mixture.shape
        geometry = self._geometry
        frame = round((seconds - geometry["first"]) / geometry["hop"])
        index = round(hertz / geometry["hertzPerBin"])
        return int(np.clip(frame, 0, n_frames - 1)), int(np.clip(index, 0, n_bins - 1))

    def slices(self, seconds: float, hertz: float) -> tuple[dict[str, Any], list[bytes]]:
        """Levels of mixture and stems across one frame and along one bin.

        Returns
        -------
        message : dict
            ``names``, and ``start`` and ``stop`` (s) of the part of the bin's life that is
            given: what is in view.
        buffers : list of bytes
            float32 dB: for each name its spectrum, ``(n_bins,)``; then for each its course.
        """
        frame, index = self._nearest(seconds, hertz)
        frames = _tiles.frames_within(
            (self.start, self.stop), self._geometry["hop"], self._geometry["first"],
            self._mixture.shape[0],
        )  # fmt: skip
        step = max(1, -(-(frames.stop - frames.start) // SLICE_POINTS))
        across = {"mixture": np.asarray(self._mixture[frame : frame + 1])}
        along = {"mixture": _course(self._mixture, frames, step, index)}
        for name, mask in self._masks.items():
            across[name] = np.asarray(mask[frame : frame + 1]) * across["mixture"]
            along[name] = _course(mask, frames, step, index) * along["mixture"]
        spectra = [self._levels_db(values)[0] for values in across.values()]
        courses = [self._levels_db(values)[:, 0] for values in along.values()]
        hop, first = self._geometry["hop"], self._geometry["first"]
        message = {
            "names": list(across),
            "start": first + frames.start * hop,
            "stop": first + (frames.start + (len(courses[0]) - 1) * step) * hop,
        }
        return message, [np.ascontiguousarray(v, "<f4").tobytes() for v in (*spectra, *courses)]

    # --- messages -----------------------------------------------------------------------------

    def _receive(self, _: Any, message: Any, __: Any) -> None:
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "tiles":
            self._send_tiles(message)
        elif kind == "read":
            with _understood():
                reading = self.read(float(message["seconds"]), float(message["hertz"]))
                answer = {"kind": "reading", "id": message["id"], "reading": reading}
            self.send(answer)
        elif kind == "slices":
            with _understood():
                found, buffers = self.slices(float(message["seconds"]), float(message["hertz"]))
                answer = {"kind": "slices", "id": message["id"], **found}
            self.send(answer, buffers)
        elif kind == "stroke":
            self._take_stroke(message)

    def _send_tiles(self, message: Mapping[str, Any]) -> None:
        with _understood():
            channel, wanted = str(message["channel"]), list(message["tiles"])
            tiles = [(str(layer), int(level), int(index)) for layer, level, index in wanted]
        if len(tiles) > MAX_TILES:
            raise ParameterError(f"at most {MAX_TILES} tiles are sent at once (got {len(tiles)})")
        # one message a tile: the first is on the screen while the next is being made
        for layer, level, index in dict.fromkeys(tiles):
            values = self._pyramid(layer, channel).tile(level, index)
            answer = {"kind": "tile", "layer": layer, "level": level, "index": index}
            self.send({**answer, "channel": channel}, [np.ascontiguousarray(values)])

    def _take_stroke(self, message: Mapping[str, Any]) -> None:
        try:
            with _understood():
                points = [(float(s) - self.offset, float(f)) for s, f in message["points"]]
                brush = {k: v for k, v in self.brush.items() if k in Stroke.__dataclass_fields__}
                stroke = Stroke(tool=message["tool"], points=points, **brush)
        except ParameterError as error:
            self.send({"kind": "refused", "text": str(error)})
            return
        for callback in self._stroke_callbacks:
            callback(stroke)

    # --- numbers ------------------------------------------------------------------------------

    def _pyramid(self, layer: str, channel: str) -> _tiles.Pyramid:
        key = (layer, channel)
        if key not in self._pyramids:
            kind, _, name = layer.partition("/")  # of a difference: stem/other
            if layer == "hues" or layer not in self.shows:
                raise ParameterError(f"no layer {layer!r}")
            if channel not in _tiles.CHANNELS:
                raise ParameterError(
                    f"channel must be one of {', '.join(_tiles.CHANNELS)} (got {channel!r})"
                )
            compute = {
                "mixture": self._mixture_levels,
                "mask": self._mask_shares,
                "estimate": self._estimate_levels,
                "reference": self._reference_levels,
                "difference": self._mask_differences,
            }[kind]
            self._pyramids[key] = _tiles.Pyramid(
                self._mixture.shape[:2],
                lambda start, stop: compute(name, channel, slice(start, stop)),
                "mean" if kind in ("mask", "difference") else "max",
                self._cache,
            )
        return self._pyramids[key]

    def _mixture_levels(self, _: str, channel: Any, frames: slice) -> AnyArray:
        return self._quantised(self._mixture[frames], channel)

    def _estimate_levels(self, name: str, channel: Any, frames: slice) -> AnyArray:
        return self._quantised(
            np.asarray(self._masks[name][frames]) * np.asarray(self._mixture[frames]), channel
        )

    def _reference_levels(self, name: str, channel: Any, frames: slice) -> AnyArray:
        return self._quantised(self._references[name][frames], channel)

    def _mask_shares(self, name: str, channel: Any, frames: slice) -> AnyArray:
        return _tiles.quantise_share(_mask_view(self._masks[name][frames], channel))

    def _mask_differences(self, name: str, channel: Any, frames: slice) -> AnyArray:
        stem, _, other = name.partition("/")
        compared = np.asarray(self._compare[other][stem][frames])
        difference = np.asarray(self._masks[stem][frames]) - compared
        return _tiles.quantise_difference(_mask_view(difference, channel))

    def _quantised(self, values: Any, channel: Any) -> AnyArray:
        return _tiles.quantise_level(
            _tiles.channel_view(np.asarray(values), channel), self._loudest
        )

    @property
    def _loudest(self) -> float:
        # of the whole song, so that all tiles share one scale; looked for block by block
        if self._peak is None:
            blocks = range(0, self._mixture.shape[0], _tiles.BLOCK_FRAMES)
            self._peak = max(
                float(np.abs(self._mixture[b : b + _tiles.BLOCK_FRAMES]).max(initial=0))
                for b in blocks
            )
        return self._peak

    def _share(self, mask: AnyArray) -> float:
        return float(_mask_view(mask, self.channel)[0, 0])

    def _level_db(self, values: AnyArray) -> float:
        return float(self._levels_db(values)[0, 0])

    def _levels_db(self, values: AnyArray) -> AnyArray:
        # a sine of full scale has the magnitude n_fft / 4 under a Hann window
        level = _tiles.channel_view(np.asarray(values), self.channel)
        return to_db(level, reference=self.params.n_fft / 4, floor_db=-160)


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Turn what a message of another form raises into one of our errors."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, MssvizError):
            raise
        raise ParameterError(
            f"a message of the browser is of another form ({reason(error)}); reload the page"
        ) from error


def _mask_view(mask: Any, channel: Any) -> AnyArray:
    mask = np.asarray(mask)
    if channel in ("left", "right"):
        return mask[:, :, 0 if channel == "left" else min(1, mask.shape[2] - 1)]
    return mask.mean(axis=2)


def _course(values: Any, frames: slice, step: int, index: int) -> AnyArray:
    # every step-th frame of one bin, (n, 1, n_channels), without all bins of the song at once
    block = step * -(-_tiles.BLOCK_FRAMES // step)
    parts = [
        np.asarray(values[start : min(start + block, frames.stop)])[::step, index : index + 1]
        for start in range(frames.start, frames.stop, block) or [frames.start]
    ]
    return np.concatenate(parts)


def note_name(frequency: float) -> str:
    """Nearest note of the equal temperament with A4 = 440 Hz and its distance, as ``"A4 +12 ct"``.

    Parameters
    ----------
    frequency
        In hertz; below 8 Hz there is no note and the text is empty.
    """
    if frequency < 8:
        return ""
    pitch = 69 + 12 * np.log2(frequency / 440)
    nearest = round(pitch)
    cents = round(100 * (pitch - nearest))
    return f"{_NOTES[nearest % 12]}{nearest // 12 - 1} {cents:+d} ct"
