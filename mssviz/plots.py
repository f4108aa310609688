"""Pictures: spectrograms, masks, masks over spectrograms, differences, scores.

Every function draws into a matplotlib `Axes` and returns the artist; axes are in seconds and
hertz. Colours are readable with any colour vision (magma, cividis, and blue to orange), and
follow the figure's own background, so that ``matplotlib.style.context("dark_background")`` or
`dark` give dark pictures.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, to_db

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FrequencyScale = Literal["linear", "log", "mel"]

#: Okabe and Ito's palette, distinguishable with any colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
LEVEL_MAP, MASK_MAP, DIFFERENCE_MAP = "magma", "cividis", "PuOr"
LEVEL_RANGE_DB = 80.0
MAX_COLUMNS, MAX_ROWS = 2000, 800


def dark() -> AbstractContextManager[None]:
    """Context in which figures are drawn light on dark."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "figure.facecolor": "#111111",
            "axes.facecolor": "#111111",
            "savefig.facecolor": "#111111",
            **dict.fromkeys(
                ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"),
                "#dddddd",
            ),
        }
    )


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
    level = np.abs(spectrum).mean(axis=2)
    peak = reference if reference is not None else float(level.max(initial=0)) or 1.0
    values = to_db(level, reference=peak)
    mesh = _draw(values, params, ax, scale, start, seconds, LEVEL_MAP, -LEVEL_RANGE_DB, 0)
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
    values = np.asarray(mask).mean(axis=2)
    mesh = _draw(values, params, ax, scale, start, seconds, MASK_MAP, 0, 1)
    _colorbar(mesh, "mask")
    return mesh


def mask_over_spectrogram(
    mask: AnyArray,
    spectrum: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    color: str = PALETTE[1],
    scale: FrequencyScale = "log",
    start: float = 0.0,
) -> "QuadMesh":
    """Draw the mixture's level in grey and tint it with `color` where the mask lets it through.

    Parameters as in `mask` and `spectrogram`; both arrays have one shape.
    """
    from matplotlib.colors import to_rgb

    if np.shape(mask) != np.shape(spectrum):
        raise ParameterError(
            f"mask and spectrum must have one shape (got {np.shape(mask)}, {np.shape(spectrum)})"
        )
    level = np.abs(spectrum).mean(axis=2)
    level_db = to_db(level, reference=float(level.max(initial=0)) or 1.0)
    brightness = np.clip(level_db / LEVEL_RANGE_DB + 1, 0, 1)
    share = np.asarray(mask).mean(axis=2)
    # brightness and share in one value each: whole part and fraction of the colour map's index
    n_levels = 16
    index = np.rint(brightness * (n_levels - 1)) * n_levels + np.rint(share * (n_levels - 1))
    grey, tint = np.array([0.62, 0.62, 0.62]), np.array(to_rgb(color))
    steps = np.linspace(0, 1, n_levels)
    table = [b * ((1 - s) * grey + s * tint) for b in steps for s in steps]
    from matplotlib.colors import ListedColormap

    top = n_levels**2 - 1
    return _draw(index, params, ax, scale, start, None, ListedColormap(table), 0, top, pool="max")


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
    if np.shape(mask) != np.shape(other):
        raise ParameterError(
            f"masks must have one shape (got {np.shape(mask)} and {np.shape(other)})"
        )
    values = (np.asarray(mask) - np.asarray(other)).mean(axis=2)
    mesh = _draw(values, params, ax, scale, start, None, DIFFERENCE_MAP, -1, 1)
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
        figure, grid = plt.subplots(
            1, len(spectra), figsize=(width, 3.4), sharey=True, squeeze=False, layout="constrained"
        )
        axes = list(grid[0])
    peak = max(float(np.abs(s).mean(axis=2).max(initial=0)) for s in spectra.values()) or 1.0
    meshes = []
    for ax, (title, spectrum) in zip(axes, spectra.items(), strict=True):
        meshes.append(
            spectrogram(spectrum, params, ax=ax, scale=scale, start=start, reference=peak)
        )
        ax.set_title(title)
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
        lines += ax.plot(centre, rows[measure], marker="o", ms=3, color=color, label=str(target))
    ax.set_xlabel("time (s)")
    ax.set_ylabel(f"{measure} (dB)")
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return lines


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
    spectrogram(mixture, params, ax=axes[0], seconds=seconds).axes.set_title("mixture")
    for ax, (target, values) in zip(axes[1:], masks.items(), strict=True):
        mask(values, params, ax=ax, seconds=seconds).axes.set_title(f"mask: {target}")
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
        left.set_title(f"{target}: mask")
        mask_over_spectrogram(
            values, spectrum, params, ax=right, scale=scale, start=start,
            color=PALETTE[(i + 1) % len(PALETTE)],
        )  # fmt: skip
        right.set_title(f"{target}: what the mask lets through")
        left.label_outer()
        right.label_outer()
    return figure


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


def _draw(
    values: AnyArray,
    params: StftParams,
    ax: "Axes | None",
    scale: FrequencyScale,
    start: float,
    seconds: float | None,
    cmap: Any,
    low: float,
    high: float,
    pool: Literal["mean", "max"] = "mean",
) -> "QuadMesh":
    # values (n_frames, n_bins); row edges lie half a bin around each bin's centre frequency
    if scale not in ("linear", "log", "mel"):
        raise ParameterError(f"frequency scale is 'linear', 'log' or 'mel' (got {scale!r})")
    ax = _axes(ax)
    n_frames, n_bins = values.shape
    hop = params.hop_length / params.sample_rate
    if seconds is not None:
        hop = seconds / n_frames
    # a frame covers n_fft samples; it is drawn as wide as a hop, around its centre
    first = start - (params.n_fft / 2 / params.sample_rate) - hop / 2
    columns = _edges(n_frames, MAX_COLUMNS)
    rows = _edges(n_bins, n_bins if scale != "linear" else MAX_ROWS)
    pooled = _pool(_pool(values, columns, 0, pool), rows, 1, pool)
    hertz = np.maximum(bins_to_hz(rows - 0.5, params), 0)
    mesh = ax.pcolormesh(
        first + columns * hop, hertz, pooled.T, cmap=cmap, vmin=low, vmax=high,
        shading="flat", rasterized=True,
    )  # fmt: skip
    end = first + n_frames * hop
    ax.set_xlim(max(first, start), end)
    _set_frequency_axis(ax, scale, float(hertz[-1]))
    ax.set_xlabel("time (s)")
    return mesh


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
    ax.yaxis.set_major_formatter(FuncFormatter(lambda f, _: f"{f / 1000:g}k" if f >= 1000 else f"{f:g}"))
    ax.set_ylabel("frequency (Hz)")


def _edges(n: int, limit: int) -> AnyArray:
    # edges of at most `limit` groups of neighbouring rows or columns
    step = -(-n // limit)
    return np.minimum(np.arange(0, n + step, step), n)


def _pool(values: AnyArray, edges: AnyArray, axis: int, how: Literal["mean", "max"]) -> AnyArray:
    if len(edges) == values.shape[axis] + 1:
        return values
    if how == "max":
        return np.maximum.reduceat(values, edges[:-1], axis=axis)
    total = np.add.reduceat(values, edges[:-1], axis=axis)
    return total / np.expand_dims(np.diff(edges), 1 - axis)


def _colorbar(mesh: "QuadMesh", label: str) -> None:
    figure = mesh.axes.get_figure()
    if figure is not None:
        figure.colorbar(mesh, ax=mesh.axes, label=label, pad=0.01, aspect=12)
