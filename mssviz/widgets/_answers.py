"""What a spectrogram view answers to messages of its browser."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz.errors import MssvizError, ParameterError, reason
from mssviz.separation.editing import Stroke
from mssviz.widgets._layers import Layer
from mssviz.widgets._picture_data import PictureData
from mssviz.widgets._tiles import TILE_COLUMNS, check_channel, frames_within

if TYPE_CHECKING:
    from mssviz.widgets.spectrogram import SpectrogramView

#: Most tiles that one message may ask for; a view asks for fewer, in several messages.
MAX_TILES = 256
#: What a brush is, beside its tool and the points that it is drawn along.
_BRUSH = ("target", "radius_seconds", "radius_hertz", "softness", "value")
#: Message to the browser, with its buffers.
Answer = tuple[dict[str, Any], list[Any]]


def answers(message: Any, view: "SpectrogramView", data: PictureData) -> Iterator[Answer]:
    """Answer a message of the browser with messages and their buffers, one after the other.

    Parameters
    ----------
    message
        Dict whose ``kind`` is ``"tiles"``, ``"read"``, ``"slices"``, ``"pin"`` or ``"stroke"``; a
        message of another kind gets no answer.
    view
        View that the message is for.
    data
        Numbers behind it.

    Raises
    ------
    ParameterError
        If the message has another form, or asks for something that does not exist.
    """
    kind = message.get("kind") if isinstance(message, dict) else None
    if kind == "tiles":
        yield from _tiles_of(message, data)
    elif kind == "read":
        with _understood():
            channel = check_channel(message["channel"])
            reading = data.read(float(message["seconds"]), float(message["hertz"]), channel)
            answer = {"kind": "reading", "id": message["id"], "reading": reading}
        yield answer, []
    elif kind == "slices":
        with _understood():
            channel = check_channel(message["channel"])
            start, stop = (float(edge) for edge in message["span"])
            if not start < stop:
                raise ValueError(f"no span: {start} to {stop}")
            found, buffers = data.slices(
                float(message["seconds"]), float(message["hertz"]), channel, (start, stop)
            )
            answer = {"kind": "slices", "id": message["id"], **found}
        yield answer, buffers
    elif kind == "pin":
        with _understood():
            pinned = [float(message["seconds"]), float(message["hertz"])]
        # as if the trait had come: what the browser knows is not sent to it, where it could undo
        # a newer change
        view.set_state({"pinned": pinned})
    elif kind == "stroke":
        yield from _take_stroke(message, view)


def visible(
    view: "SpectrogramView",
    data: PictureData,
    level: int,
    layers: Sequence[Layer],
    start: int,
    stop: int,
) -> Iterator[Answer]:
    """Give the tiles in view that hold certain frames, which is sooner than to be asked for them.

    Parameters
    ----------
    view
        View that is looked at.
    data
        Numbers behind it.
    level
        Level of the tiles.
    layers
        Layers of which tiles are given, in so far as they are seen.
    start, stop
        First frame, and the one after the last.
    """
    hues = data.layers[view.show].kind == "hues"
    seen = [one for one in layers if (one.kind == "mask" if hues else one.name == view.show)]
    within = frames_within((view.start, view.stop), data.hop, data.first, data.n_frames)
    first, last = max(start, within.start), min(stop, within.stop) - 1
    size = TILE_COLUMNS << level
    for index in range(first // size, last // size + 1) if first <= last else ():
        for layer in seen:
            yield _tile(data, layer.name, view.channel, level, index)


def _tile(data: PictureData, layer: str, channel: str, level: int, index: int) -> Answer:
    """Message with one tile, and the version of the picture that it is of, or an earlier one."""
    version = data.version
    values = data.tile(layer, channel, level, index)
    place = {"layer": layer, "channel": channel, "level": level, "index": index}
    return {"kind": "tile", **place, "version": version}, [np.ascontiguousarray(values)]


def _tiles_of(message: Mapping[str, Any], data: PictureData) -> Iterator[Answer]:
    with _understood():
        channel, wanted = str(message["channel"]), list(message["tiles"])
        tiles = [(str(layer), int(level), int(index)) for layer, level, index in wanted]
    if len(tiles) > MAX_TILES:
        raise ParameterError(f"at most {MAX_TILES} tiles are sent at once (got {len(tiles)})")
    for layer, level, index in dict.fromkeys(tiles):
        yield _tile(data, layer, channel, level, index)


def _take_stroke(message: Mapping[str, Any], view: "SpectrogramView") -> Iterator[Answer]:
    try:
        with _understood():
            points = [(float(s) - view.offset, float(f)) for s, f in message["points"]]
            brush = {**view.brush, **message.get("brush", {})}
            brush = {k: v for k, v in brush.items() if k in _BRUSH}
            stroke = Stroke(tool=message["tool"], points=points, **brush)
    except ParameterError as error:
        yield {"kind": "refused", "text": str(error)}, []
        return
    view.paint(stroke)


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
