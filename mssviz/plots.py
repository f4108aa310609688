"""Pictures: spectrograms, masks, masks over spectrograms, differences, scores.

Every function draws into a matplotlib `Axes` and returns the artist; axes are in seconds and
hertz. Colours are readable with any colour vision (magma, cividis, and blue to orange), and
follow the figure's own background, so that ``matplotlib.style.context("dark_background")`` or
`dark` give dark pictures.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, check_params, to_db

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FrequencyScale = Literal["linear", "log", "mel"]

#: Okabe and Ito's palette, distinguishable with any colour vision.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
LEVEL_MAP, MASK_MAP, DIFFERENCE_MAP = "magma", "cividis", "PuOr"
LEVEL_RANGE_DB = 80.0
MAX_COLUMNS, MAX_ROWS = 1200, 500
#: Characters of a label; more would leave no room for the picture.
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
    """Raise `ParameterError` unless all are like ``"#56B4E9"`` or a CSS colour's name."""
    for color in colors.values():
        if not isinstance(color, str) or not _COLOR.fullmatch(color):
            raise ParameterError(
                f"color must be like '#56B4E9' or the name of a colour (got {color!r})"
            )


def one_line(text: str, most: int = MAX_LABEL) -> str:
    """A name as a label: in one line, cut in the middle where it is longer than `most`."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(words) <= most:
        return words
    head = (most - 1) * 2 // 3
    return f"{words[:head]}…{words[head + 1 - most :]}"


def label(text: str) -> str:
    """A name as matplotlib shall draw it: in one line, without formulas, and in legends, too."""
    plain = one_line(text).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def dark() -> AbstractContextManager[None]:
    """Context in which figures are drawn light on dark."""
    return _colors("#111111", "#dddddd")


def neutral() -> AbstractContextManager[None]:
    """Context for pictures without background, whose grey letters suit light and dark pages."""
    return _colors("none", "#808080")


def _colors(background: str, letters: str) -> AbstractContextManager[None]:
    import matplotlib

    backgrounds = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    lines = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    options: dict[Any, str] = dict.fromkeys(backgrounds, background)
    options.update(dict.fromkeys(lines, letters))
    return matplotlib.rc_context(options)


def spectrogram(
    spectrum: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
    seconds: float | None = None,
    reference: float | None = None,
) -> "QuadMesh":
    """Draw the level of an STFT or a magnitude, in dB below the loudest bin.

    Parameters
    ----------
    spectrum
        ``(n_frames, n_bins, n_channels)``, complex or magnitude; channels are averaged.
    params
        Its grid.
    ax
        Where to draw; the current axes if left out.
    scale
        Frequency axis.
    start
        Time of the first sample that was transformed, in seconds.
    seconds
        Length shown, if the frames are not those of `params` but evenly thinned out.
    reference
        Magnitude of 0 dB; the loudest bin's if left out. Give all pictures one to compare.
    """
    grid = _Grid(np.shape(spectrum), params, scale, start, seconds)
    level = grid.pool(np.abs(spectrum))
    peak = reference if reference is not None else float(level.max(initial=0)) or 1.0
    mesh = grid.draw(to_db(level, reference=peak), ax, LEVEL_MAP, -LEVEL_RANGE_DB, 0)
    _colorbar(mesh, "dB")
    return mesh


def mask(
    mask: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
    seconds: float | None = None,
) -> "QuadMesh":
    """Draw a mask: dark where the source has nothing, light where it has all.

    Parameters as in `spectrogram`, with `mask` ``(n_frames, n_bins, n_channels)`` in [0, 1].
    """
    grid = _Grid(np.shape(mask), params, scale, start, seconds)
    mesh = grid.draw(grid.pool(mask), ax, MASK_MAP, 0, 1)
    _colorbar(mesh, "mask")
    return mesh


def mask_over_spectrogram(
    mask: AnyArray,
    spectrum: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    color: str = PALETTE[0],
    scale: FrequencyScale = "log",
    start: float = 0.0,
) -> "QuadMesh":
    """Draw the mixture's level in grey and tint it with `color` where the mask lets it through.

    Parameters as in `mask` and `spectrogram`; both arrays have one shape.
    """
    from matplotlib.colors import ListedColormap, to_rgb

    _check_same_shape(mask, spectrum)
    grid = _Grid(np.shape(mask), params, scale, start)
    level = grid.pool(np.abs(spectrum))
    level_db = to_db(level, reference=float(level.max(initial=0)) or 1.0)
    brightness = np.clip(level_db / LEVEL_RANGE_DB + 1, 0, 1)
    share = np.clip(grid.pool(mask), 0, 1)
    # one index for both: the colour map is a table of n brightnesses times n tints
    n = 24
    index = np.rint(brightness * (n - 1)) * n + np.rint(share * (n - 1))
    grey, tint = np.array([0.45, 0.45, 0.45]), np.array(to_rgb(color))
    steps = np.linspace(0, 1, n)
    table = [b * ((1 - s) * grey + s * tint) for b in steps for s in steps]
    return grid.draw(index, ax, ListedColormap(table), 0, n * n - 1)


def mask_difference(
    mask: AnyArray,
    other: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
) -> "QuadMesh":
    """Draw ``mask - other``: orange where the first lets less through, violet where more."""
    _check_same_shape(mask, other)
    grid = _Grid(np.shape(mask), params, scale, start)
    mesh = grid.draw(grid.pool(np.asarray(mask) - np.asarray(other)), ax, DIFFERENCE_MAP, -1, 1)
    _colorbar(mesh, "difference")
    return mesh


def stems(
    spectra: Mapping[str, AnyArray],
    params: StftParams,
    *,
    axes: "Sequence[Axes] | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
) -> "list[QuadMesh]":
    """Draw several spectrograms side by side on one level scale, such as mixture and stems.

    Parameters
    ----------
    spectra
        Title to STFT or magnitude ``(n_frames, n_bins, n_channels)``.
    params, scale, start
        As in `spectrogram`.
    axes
        One for each; a new row of them if left out.
    """
    import matplotlib.pyplot as plt

    if axes is None:
        width = 4.2 * len(spectra)
        _, grid = plt.subplots(
            1, len(spectra), figsize=(width, 3.4), sharey=True, squeeze=False, layout="constrained"
        )
        axes = list(grid[0])
    peak = max(float(np.abs(s).mean(axis=2).max(initial=0)) for s in spectra.values()) or 1.0
    meshes = []
    for ax, (title, spectrum) in zip(axes, spectra.items(), strict=True):
        meshes.append(
            spectrogram(spectrum, params, ax=ax, scale=scale, start=start, reference=peak)
        )
        ax.set_title(label(title))
        ax.label_outer()
    return meshes


def scores(
    table: "pd.DataFrame", *, measure: str = "SDR", ax: "Axes | None" = None
) -> "list[Line2D]":
    """Draw one measure of `evaluate` window by window, a line a target.

    Parameters
    ----------
    table
        With columns ``target``, ``time`` and `measure`.
    measure
        ``"SDR"``, ``"ISR"``, ``"SIR"`` or ``"SAR"``.
    """
    ax = _axes(ax)
    lines = []
    times = np.unique(table["time"])
    width = times[1] - times[0] if len(times) > 1 else 1.0
    for i, (target, rows) in enumerate(table.groupby("target", sort=False)):
        centre = rows["time"] + width / 2
        color = PALETTE[i % len(PALETTE)]
        lines += ax.plot(
            centre, rows[measure], marker="o", ms=3, color=color, label=label(str(target))
        )
    ax.set_xlabel("time (s)")
    ax.set_ylabel(f"{measure} (dB)")
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return lines


def model_boxes(medians: "pd.Series[float]", ax: "Axes | None" = None) -> "Axes":
    """Boxes of a measure over tracks, for each target and model, as in SiSEC's figures.

    Parameters
    ----------
    medians
        One value per track, target and model, dB: a column of `comparison.medians`.
    ax
        Where to draw.

    Notes
    -----
    A box holds the middle half of the tracks, the line in it is their median, whiskers reach to
    the last track within 1.5 times the box; every track is a dot. Best models stand on top.
    """
    _check_medians(medians)
    ax = _axes(ax)
    targets = list(dict.fromkeys(medians.index.get_level_values("target")))
    height = 0.8 / len(targets)
    order = medians.groupby("model").median().sort_values().index
    for i, target in enumerate(targets):
        color = PALETTE[i % len(PALETTE)]
        for row, model in enumerate(order):
            levels = medians.index.get_level_values
            found = medians[(levels("target") == target) & (levels("model") == model)].dropna()
            if found.empty:
                continue
            y = row + (0.5 * (len(targets) - 1) - i) * height
            ax.boxplot(
                found.to_numpy(), positions=[y], widths=0.8 * height, orientation="horizontal",
                showfliers=False, manage_ticks=False, patch_artist=True,
                boxprops={"facecolor": color, "alpha": 0.5}, medianprops={"color": "black"},
            )  # fmt: skip
            ax.plot(found.to_numpy(), np.full(len(found), y), ".", color=color, markersize=4)
        ax.plot([], [], "s", color=color, label=label(target))
    ax.set_yticks(range(len(order)), [label(model) for model in order])
    ax.set_xlabel(f"{medians.name} (dB)")
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(targets), frameon=False)
    return ax


def _check_medians(medians: Any) -> None:
    if getattr(medians, "ndim", 0) != 1 or not hasattr(medians, "index"):
        raise ParameterError(
            'medians must be one measure of a comparison: comparison.medians(table)["SDR"] '
            f"(got {type(medians).__name__})"
        )


def model_pairs(
    medians: "pd.Series[float]", first: str, second: str, ax: "Axes | None" = None
) -> "Axes":
    """A line for each track from one model's value to another's; it rises where the second wins.

    Parameters
    ----------
    medians
        As in `model_boxes`.
    first, second
        Names of models.
    ax
        Where to draw.
    """
    _check_medians(medians)
    known = set(medians.index.get_level_values("model"))
    if not {first, second} <= known:
        raise ParameterError(
            f"models must be two of {', '.join(map(str, known))} (got {first!r} and {second!r})"
        )
    ax = _axes(ax)
    values = medians.unstack("model")[[first, second]].dropna()
    targets = list(dict.fromkeys(values.index.get_level_values("target")))
    for i, target in enumerate(targets):
        color = PALETTE[i % len(PALETTE)]
        for a, b in values.xs(target, level="target").to_numpy():
            ax.plot([2 * i, 2 * i + 1], [a, b], "o-", color=color, markersize=4, alpha=0.7)
    ticks = [x for i in range(len(targets)) for x in (2 * i, 2 * i + 1)]
    ax.set_xticks(
        ticks, [label(name) for _ in targets for name in (first, second)], rotation=20, ha="right"
    )
    for i, target in enumerate(targets):
        ax.text(2 * i + 0.5, 1.01, label(target), ha="center", transform=ax.get_xaxis_transform())
    ax.set_ylabel(f"{medians.name} (dB)")
    ax.grid(axis="y", alpha=0.3)
    return ax


def song_figure(
    mixture: AnyArray, masks: Mapping[str, AnyArray], params: StftParams, n_frames: int
) -> "Figure":
    """Figure of a whole song: the mixture's spectrogram above every mask.

    Parameters
    ----------
    mixture
        Evenly spaced frames of its magnitude, ``(n_columns, n_bins, 1)``.
    masks
        Target to the same frames of its mask.
    params
        The grid.
    n_frames
        Frames of the song, of which these are some.
    """
    from matplotlib.figure import Figure

    seconds = n_frames * params.hop_length / params.sample_rate
    n_rows = 1 + len(masks)
    figure = Figure(figsize=(11, 2.3 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, 1, sharex=True, squeeze=False)[:, 0]
    spectrogram(mixture, params, ax=axes[0], seconds=seconds)
    axes[0].set_title("mixture")
    for ax, (target, values) in zip(axes[1:], masks.items(), strict=True):
        mask(values, params, ax=ax, seconds=seconds)
        ax.set_title(f"mask: {label(target)}")
    for ax in axes:
        ax.label_outer()
    return figure


def separation_figure(
    spectrum: AnyArray,
    masks: Mapping[str, AnyArray],
    params: StftParams,
    *,
    scale: FrequencyScale = "log",
    start: float = 0.0,
    width: float = 11.0,
) -> "Figure":
    """Figure of an excerpt: for every target, its mask and the mask over the spectrogram."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 2.5 * len(masks)), layout="constrained")
    rows = figure.subplots(len(masks), 2, sharex=True, sharey=True, squeeze=False)
    for i, ((left, right), (target, values)) in enumerate(zip(rows, masks.items(), strict=True)):
        mask(values, params, ax=left, scale=scale, start=start)
        left.set_title(f"{label(target)}: mask")
        mask_over_spectrogram(
            values, spectrum, params, ax=right, scale=scale, start=start,
            color=PALETTE[i % len(PALETTE)],
        )  # fmt: skip
        right.set_title(f"{label(target)}: what the mask lets through")
        left.label_outer()
        right.label_outer()
    return figure


def _check_same_shape(first: AnyArray, second: AnyArray) -> None:
    if np.shape(first) != np.shape(second):
        raise ParameterError(
            f"both arrays must have one shape (got {np.shape(first)} and {np.shape(second)})"
        )


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


class _Grid:
    """Where a picture's cells lie, and the mean over the frames and bins that each one shows."""

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
        # a frame covers n_fft samples; it is drawn as wide as a hop, around its centre
        hop = params.hop_length / params.sample_rate if seconds is None else seconds / n_frames
        first = start - params.n_fft / 2 / params.sample_rate - hop / 2
        self.seconds = first + self._columns * hop
        self.hertz = np.maximum(bins_to_hz(self._rows - 0.5, params), 0)
        self.span = (max(self.seconds[0], start), self.seconds[-1])

    def pool(self, values: AnyArray) -> AnyArray:
        """Mean over channels, frames and bins: ``(n_frames, n_bins, n_channels)`` to 2-D."""
        pooled = np.asarray(values).mean(axis=2)
        for axis, edges in enumerate((self._columns, self._rows)):
            if len(edges) <= pooled.shape[axis]:
                counts = np.diff(edges)[:, None] if axis == 0 else np.diff(edges)
                pooled = np.add.reduceat(pooled, edges[:-1], axis=axis) / counts
        return pooled

    def draw(
        self, pooled: AnyArray, ax: "Axes | None", cmap: Any, low: float, high: float
    ) -> "QuadMesh":
        """Draw pooled values ``(n_columns, n_rows)``."""
        ax = _axes(ax)
        mesh = ax.pcolormesh(
            self.seconds, self.hertz, pooled.T, cmap=cmap, vmin=low, vmax=high,
            shading="flat", rasterized=True,
        )  # fmt: skip
        ax.set_xlim(*self.span)
        ax.set_xlabel("time (s)")
        _set_frequency_axis(ax, self.scale, float(self.hertz[-1]))
        return mesh


def _row_edges(n_bins: int, scale: FrequencyScale) -> AnyArray:
    # bins that fall into one row of a picture of at most MAX_ROWS rows, evenly spaced as drawn
    if n_bins <= MAX_ROWS:
        return np.arange(n_bins + 1)
    if scale == "linear":
        edges = np.linspace(0, n_bins, MAX_ROWS + 1)
    else:  # mel is between linear and logarithmic; for pooling it counts as the latter
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


def _colorbar(mesh: "QuadMesh", label: str) -> None:
    ax: Any = mesh.axes
    ax.get_figure().colorbar(mesh, ax=ax, label=label, pad=0.01, aspect=12)
