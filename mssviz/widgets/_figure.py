"""What a spectrogram view shows as a figure for a paper or a slide: the part in view, with axes."""

from typing import TYPE_CHECKING, cast

import numpy as np

from mssviz._typing import AnyArray
from mssviz.plots.axes import FrequencyScale, Grid, colorbar, label
from mssviz.plots.complex_masks import draw_codes
from mssviz.widgets import _tiles
from mssviz.widgets._layers import FIXED_COLORMAPS, Layer
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Grey of the mixture where no stem is let through, as in the browser.
_GREY = 0.45
#: Colour maps' ends by what a layer's values are, and what stands beside the map.
_SHARES = {"share": (0.0, 1.0, "mask"), "difference": (-1.0, 1.0, "difference of masks")}


def figure_of(view: SpectrogramView, title: str = "") -> "Figure":
    """The layer that a view shows, between the edges that it shows, as a matplotlib figure.

    Parameters
    ----------
    view
        What is looked at: its layer, channels, edges, levels and colours.
    title
        Any text, above the picture.

    Notes
    -----
    Values are rounded to 8 bits, as in the browser: levels to 0.24 dB, masks to 0.002, complex
    masks to 1.5 dB and 11°.
    """
    from matplotlib.figure import Figure

    [layer] = [one for one in view.layers if one.name == view.show]
    hop = view.params.hop_length / view.params.sample_rate
    first = view.offset - view.params.n_fft / 2 / view.params.sample_rate
    n_frames, n_bins = view.layer_values("mixture").shape
    frames = _tiles.frames_within((view.start, view.stop), hop, first, n_frames)
    figure = Figure(figsize=(9, 4), layout="constrained")
    ax = figure.subplots()
    shape = (frames.stop - frames.start, n_bins, 1)
    scale = cast(FrequencyScale, view.scale)
    grid = Grid(shape, view.params, scale, view.offset + frames.start * hop)
    if layer.kind == "hues":
        _draw_hues(view, grid, frames, ax)
    elif layer.kind == "complex":
        codes = view.layer_values(layer.name, view.channel)[frames]
        draw_codes(grid.pick(codes), grid, ax)
    else:
        _draw_values(view, layer, grid, frames, ax)
    ax.set_xlim(view.start, view.stop)
    ax.set_ylim(view.low, view.high)
    shown = layer.label if view.channel == "mean" else f"{layer.label} ({view.channel})"
    ax.set_title(label(f"{title} · {shown}" if title else shown), fontsize="medium")
    return figure


def _draw_values(
    view: SpectrogramView, layer: Layer, grid: Grid, frames: slice, ax: "Axes"
) -> None:
    from matplotlib.colors import PowerNorm

    raw = view.layer_values(layer.name, view.channel)[frames].astype(np.float32)[:, :, None]
    kind = layer.properties.values
    if kind == "level":
        values, low, high = _decibels(raw), view.floor_db, view.ceiling_db
        text = "dB below the loudest bin"
    elif kind == "signed":
        high = _tiles.SIGNED_RANGE_DB
        values, low = (raw - 128) / 127 * high, -high
        assert layer.signs is not None
        least = f"{layer.signs.peak_db - high:.0f}".replace("-", "−")
        meaning = f"{layer.signs.title}: dB above {least}"
        text = f"{layer.signs.below}  ←  {meaning}  →  {layer.signs.above}"
    else:
        values = raw / 255 if kind == "share" else (raw - 128) / 127
        low, high, text = _SHARES[kind]
    cmap = FIXED_COLORMAPS.get(kind, view.colormap)
    mesh = grid.draw(grid.pool(values), ax, cmap, low, high)
    if kind == "level":
        mesh.set_norm(PowerNorm(view.gamma, low, high, clip=True))
    colorbar(mesh, text)


def _draw_hues(view: SpectrogramView, grid: Grid, frames: slice, ax: "Axes") -> None:
    """The mixture's level in grey, tinted by the stems' colours where their masks are open."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    level = _decibels(view.layer_values("mixture", view.channel)[frames].astype(np.float32))
    light = np.clip((level - view.floor_db) / (view.ceiling_db - view.floor_db), 0, 1) ** view.gamma
    pixels = np.zeros((*grid.pool(light[:, :, None]).shape, 3))
    total = np.zeros(pixels.shape[:2])
    for layer in view.layers:
        if layer.kind == "mask":
            mask = view.layer_values(layer.name, view.channel)[frames] / 255
            share = grid.pool(mask[:, :, None])
            pixels += share[:, :, None] * np.array(to_rgb(view.colors[str(layer.stem)]))
            total += share
    pixels += _GREY * np.clip(1 - total, 0, 1)[:, :, None]
    brightness = grid.pool(light[:, :, None])[:, :, None]
    grid.draw(np.clip(pixels, 0, 1) * brightness, ax, None, 0, 1)
    handles = [Patch(color=color, label=label(stem)) for stem, color in view.colors.items()]
    ax.legend(handles=handles, loc="upper right", framealpha=0.8)


def _decibels(raw: AnyArray) -> AnyArray:
    return (raw / 255 - 1) * _tiles.RANGE_DB
