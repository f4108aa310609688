"""Axes in seconds and hertz, colours, and labels: what all pictures have in common."""

import itertools
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mssviz._stems import MIXTURE, source_name
from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, check_params

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar

FrequencyScale = Literal["linear", "log", "mel"]

#: Colour of each stem in every picture, of every model: told apart with any colour vision, and at
#: least 3:1 against white and black.
STEM_COLORS = {
    "vocals": "#F26803",
    "drums": "#5E9AC6",
    "bass": "#246B63",
    "other": "#7938B0",
    "piano": "#A94CE6",
    "guitar": "#B71A22",
    "accompaniment": "#2A6BC9",
}
PALETTE = tuple(STEM_COLORS.values())
MIXTURE_COLOR = "#888888"
LEVEL_MAP, MASK_MAP, DIFFERENCE_MAP = "magma", "cividis", "PuOr"
LEVEL_RANGE_DB = 80.0
MAX_COLUMNS, MAX_ROWS = 1200, 500
#: Largest number of characters of a label; more would leave no room for the picture.
MAX_LABEL = 60

_COLOR = re.compile(r"#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|[a-zA-Z]+")


def check_layout(shape: tuple[int, ...], params: StftParams, name: str) -> None:
    """Raise `ParameterError` unless a shape is ``(n_frames, n_bins, n_channels)`` on a grid."""
    check_params(params)
    if len(shape) != 3 or 0 in shape or shape[1] > params.n_bins:
        hint = ""
        if len(shape) == 2:
            axes = ".T" if shape[0] == params.n_bins else ""
            hint = f"; of one channel, give the array's {axes}[:, :, None]"
        raise ParameterError(
            f"{name} must have shape (n_frames, n_bins, n_channels) with at most {params.n_bins} "
            f"bins (got {tuple(shape)}){hint}"
        )


def check_colors(colors: Mapping[str, str]) -> None:
    """Raise `ParameterError` unless all colours are like ``"#56B4E9"`` or named as in CSS."""
    for color in colors.values():
        if not isinstance(color, str) or not _COLOR.fullmatch(color):
            raise ParameterError(
                f"color must be like '#56B4E9' or the name of a colour (got {color!r})"
            )


def stem_colors(targets: Iterable[str]) -> dict[str, str]:
    """Each stem's colour: its own wherever it appears, or for unknown names one that is left.

    Parameters
    ----------
    targets
        Names of stems, in any case and as other programs give them, and maybe of the mixture.

    Examples
    --------
    >>> mssviz.plots.stem_colors(["vocals", "kazoo"])["vocals"]
    '#F26803'
    """
    own = {MIXTURE: MIXTURE_COLOR, **STEM_COLORS}
    found = {target: own.get(source_name(target)) for target in targets}
    used = set(found.values())
    left = itertools.cycle([color for color in PALETTE if color not in used] or PALETTE)
    return {target: color or next(left) for target, color in found.items()}


def one_line(text: str, most: int = MAX_LABEL) -> str:
    """Make a label of a name: one line, cut in the middle where it is longer than `most`."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(words) <= most:
        return words
    head = (most - 1) * 2 // 3
    return f"{words[:head]}…{words[head + 1 - most :]}"


def label(text: str) -> str:
    """Make a name safe for matplotlib to draw: one line, no formulas, shown in legends, too."""
    plain = one_line(text).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def dark() -> AbstractContextManager[None]:
    """Give a context in which figures are drawn light on dark."""
    return _colors("#111111", "#dddddd")


def neutral() -> AbstractContextManager[None]:
    """Give a context for pictures without background, whose grey letters suit any page."""
    return _colors("none", "#808080")


def _colors(background: str, letters: str) -> AbstractContextManager[None]:
    import matplotlib

    backgrounds = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    lines = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    options: dict[Any, str] = dict.fromkeys(backgrounds, background)
    options.update(dict.fromkeys(lines, letters))
    return matplotlib.rc_context(options)


def check_same_shape(first: AnyArray, second: AnyArray) -> None:
    """Raise `ParameterError` unless two arrays have the same shape."""
    if np.shape(first) != np.shape(second):
        raise ParameterError(
            f"both arrays must have one shape (got {np.shape(first)} and {np.shape(second)})"
        )


def axes_of(ax: "Axes | None") -> "Axes":
    """The axes that were given, or else matplotlib's current ones."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


class Grid:
    """Places of a picture's cells; each shows the mean over some frames and bins."""

    def __init__(
        self,
        shape: tuple[int, ...],
        params: StftParams,
        scale: FrequencyScale,
        start: float,
        seconds: float | None = None,
    ) -> None:
        if scale not in ("linear", "log", "mel"):
            raise ParameterError(f"frequency scale is 'linear', 'log' or 'mel' (got {scale!r})")
        check_layout(shape, params, "the array")
        n_frames, n_bins = shape[:2]
        self.scale = scale
        self._columns = np.unique(np.linspace(0, n_frames, MAX_COLUMNS + 1).astype(int))
        if n_frames <= MAX_COLUMNS:
            self._columns = np.arange(n_frames + 1)
        self._rows = _row_edges(n_bins, scale)
        # a frame covers n_fft samples, but is drawn as wide as a hop around its centre
        hop = params.hop_length / params.sample_rate if seconds is None else seconds / n_frames
        first = start - params.n_fft / 2 / params.sample_rate - hop / 2
        self.seconds = first + self._columns * hop
        self.hertz = np.maximum(bins_to_hz(self._rows - 0.5, params), 0)
        self.span = (max(self.seconds[0], start), self.seconds[-1])

    def pool(self, values: AnyArray) -> AnyArray:
        """Average ``(n_frames, n_bins, n_channels)`` over channels and over each cell, to 2-D."""
        pooled = np.asarray(values).mean(axis=2)
        for axis, edges in enumerate((self._columns, self._rows)):
            if len(edges) <= pooled.shape[axis]:
                counts = np.diff(edges)[:, None] if axis == 0 else np.diff(edges)
                pooled = np.add.reduceat(pooled, edges[:-1], axis=axis) / counts
        return pooled

    def pick(self, values: AnyArray) -> AnyArray:
        """Take of ``(n_frames, n_bins)`` the value in the middle of each cell."""
        columns, rows = ((edges[:-1] + edges[1:]) // 2 for edges in (self._columns, self._rows))
        return values[columns][:, rows]

    def draw(
        self, pooled: AnyArray, ax: "Axes | None", cmap: Any, low: float, high: float
    ) -> "QuadMesh":
        """Draw pooled values ``(n_columns, n_rows)``, or colours ``(n_columns, n_rows, 3)``."""
        ax = axes_of(ax)
        mesh = ax.pcolormesh(
            self.seconds, self.hertz, np.swapaxes(pooled, 0, 1), cmap=cmap, vmin=low, vmax=high,
            shading="flat", rasterized=True,
        )  # fmt: skip
        ax.set_xlim(*self.span)
        ax.set_xlabel("time (s)")
        _set_frequency_axis(ax, self.scale, float(self.hertz[-1]))
        return mesh


def _row_edges(n_bins: int, scale: FrequencyScale) -> AnyArray:
    # edges of the rows of a picture, at most MAX_ROWS, evenly spaced as they are drawn
    if n_bins <= MAX_ROWS:
        return np.arange(n_bins + 1)
    if scale == "linear":
        edges = np.linspace(0, n_bins, MAX_ROWS + 1)
    else:  # mel lies between linear and logarithmic; here it counts as logarithmic
        edges = np.concatenate([[0.0], np.geomspace(1, n_bins, MAX_ROWS)])
    return np.unique(np.rint(edges).astype(int))


def _set_frequency_axis(ax: "Axes", scale: FrequencyScale, top: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if scale == "log":
        ax.set_yscale("log")
        ax.set_ylim(40, top)
        ticks = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000]
    elif scale == "mel":
        import librosa

        ax.set_yscale("function", functions=(librosa.hz_to_mel, librosa.mel_to_hz))
        ax.set_ylim(0, top)
        ticks = [0, 500, 1000, 2000, 4000, 8000, 16000]
    else:
        ax.set_ylim(0, top)
        ticks = [0, 5000, 10000, 15000, 20000]
    ax.yaxis.set_major_locator(FixedLocator([t for t in ticks if t <= top]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(
        FuncFormatter(lambda f, _: f"{f / 1000:g}k" if f >= 1000 else f"{f:g}")
    )
    ax.set_ylabel("frequency (Hz)")


def colorbar(mesh: "QuadMesh", label: str) -> "Colorbar":
    """Draw a scale of colours beside a picture, with a label."""
    ax: Any = mesh.axes
    return ax.get_figure().colorbar(mesh, ax=ax, label=label, pad=0.01, aspect=12)
