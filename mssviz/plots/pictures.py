"""Pictures of spectrograms, masks and stems, and figures of several of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mssviz._typing import AnyArray
from mssviz.plots.axes import (
    DIFFERENCE_MAP,
    LEVEL_MAP,
    LEVEL_RANGE_DB,
    MASK_MAP,
    PALETTE,
    FrequencyScale,
    Grid,
    axes_of,
    check_same_shape,
    colorbar,
    label,
    stem_colors,
)
from mssviz.stft import StftParams, to_db

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle


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
        STFT or magnitude ``(n_frames, n_bins, n_channels)``; channels are averaged.
    params
        Time-frequency grid of the spectrum.
    ax
        Axes to draw in; the current ones if left out.
    scale
        Scale of the frequency axis.
    start
        Time of the first sample that was transformed, in seconds.
    seconds
        Length shown, in seconds, if frames have been left out at even distances.
    reference
        Magnitude of 0 dB; the loudest bin's if left out. Pictures to be compared need the same one.
    """
    grid = Grid(np.shape(spectrum), params, scale, start, seconds)
    level = grid.pool(np.abs(spectrum))
    peak = reference if reference is not None else float(level.max(initial=0)) or 1.0
    mesh = grid.draw(to_db(level, reference=peak), ax, LEVEL_MAP, -LEVEL_RANGE_DB, 0)
    colorbar(mesh, "dB")
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

    The parameters are those of `spectrogram`, with `mask` ``(n_frames, n_bins, n_channels)`` in [0,
    1].
    """
    grid = Grid(np.shape(mask), params, scale, start, seconds)
    mesh = grid.draw(grid.pool(mask), ax, MASK_MAP, 0, 1)
    colorbar(mesh, "mask")
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

    The parameters are those of `mask` and `spectrogram`; both arrays have the same shape.
    """
    from matplotlib.colors import ListedColormap, to_rgb

    check_same_shape(mask, spectrum)
    grid = Grid(np.shape(mask), params, scale, start)
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
    """Draw ``mask - other``, orange where the first lets less through, violet where more."""
    check_same_shape(mask, other)
    grid = Grid(np.shape(mask), params, scale, start)
    mesh = grid.draw(grid.pool(np.asarray(mask) - np.asarray(other)), ax, DIFFERENCE_MAP, -1, 1)
    colorbar(mesh, "difference")
    return mesh


def error_map(
    signed: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
    range_db: float = 40.0,
) -> "QuadMesh":
    """Draw where an estimate's error lies: violet where there is too much, orange where a hole is.

    Parameters
    ----------
    signed
        Energy of the error with a sign, `scores.ErrorMap.signed` or its ``level``; or the
        difference of two errors, `scores.Advantage.difference`, which is violet where the first
        estimate is better. Channels are averaged.
    params, ax, scale, start
        Grid, axes, frequency scale and first time in seconds, as in `spectrogram`.
    range_db
        Level below the costliest place at which colours fade out, in dB.

    Notes
    -----
    A cell of the picture holds the mean over its bins: what is close together and of both kinds
    is drawn by what is left.
    """
    return _signed(
        signed, Grid(np.shape(signed), params, scale, start), ax, range_db,
        "missing  ←  dB below the costliest  →  too much",
    )  # fmt: skip


def evidence(
    values: AnyArray,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
    range_db: float = 40.0,
) -> "QuadMesh":
    """Draw what speaks for a bin of a mask in violet, and what speaks against it in orange.

    Parameters
    ----------
    values
        Contributions, `insight.Evidence.values`; channels are averaged.
    params, ax, scale
        Grid, axes and frequency scale, as in `spectrogram`.
    start
        Time of the first frame's begin in seconds, `insight.Evidence.start`.
    range_db
        Level below the strongest place at which colours fade out, in dB.
    """
    return _signed(
        values, Grid(np.shape(values), params, scale, start), ax, range_db,
        "against  ←  dB below the strongest  →  for",
    )  # fmt: skip


def _signed(
    values: AnyArray, grid: Grid, ax: "Axes | None", range_db: float, text: str
) -> "QuadMesh":
    """Draw values of both signs in two colours, as strong as their levels."""
    pooled = grid.pool(values)
    size = np.abs(pooled)
    level = 10 * np.log10(np.maximum(size / (size.max(initial=0) or 1.0), 1e-30))
    strength = np.maximum(level + range_db, 0.0)
    mesh = grid.draw(np.copysign(strength, pooled), ax, DIFFERENCE_MAP, -range_db, range_db)
    bar = colorbar(mesh, text)
    ticks = [-range_db, -range_db / 2, 0, range_db / 2, range_db]
    bar.set_ticks(ticks, labels=[f"{abs(tick) - range_db:.0f}".replace("-", "−") for tick in ticks])
    return mesh


def boxes(
    places: Sequence[tuple[float, float, float, float]], *, ax: "Axes | None" = None
) -> "list[Rectangle]":
    """Draw numbered boxes around places of a picture, such as the regions of an error map.

    Parameters
    ----------
    places
        First and last time in seconds, lowest and highest frequency in hertz, of each box.
    ax
        Axes that the picture is in; the current ones if left out.
    """
    from matplotlib.patches import Rectangle

    ax = axes_of(ax)
    color = ax.xaxis.label.get_color()
    found = []
    for number, (first, last, low, high) in enumerate(places, start=1):
        box = Rectangle((first, low), last - first, high - low, fill=False, edgecolor=color)
        ax.add_patch(box)
        found.append(box)
        ax.annotate(
            str(number), (first, high), (0, 1), textcoords="offset points", color=color, va="bottom"
        )
    return found


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
        STFTs or magnitudes ``(n_frames, n_bins, n_channels)`` by title.
    params, scale, start
        Grid, frequency scale and first time in seconds, as in `spectrogram`.
    axes
        Axes to draw in, one for each spectrogram; a new row of them if left out.
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


def song_figure(
    mixture: AnyArray, masks: Mapping[str, AnyArray], params: StftParams, n_frames: int
) -> "Figure":
    """Draw a figure of a whole song: the mixture's spectrogram above every mask.

    Parameters
    ----------
    mixture
        Magnitudes of the mixture in frames at even distances, ``(n_columns, n_bins, 1)``.
    masks
        Masks by target, in the same frames.
    params
        Time-frequency grid.
    n_frames
        Number of frames of the whole song.
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
    """Draw a figure of an excerpt: every target's mask, alone and over the spectrogram."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 2.5 * len(masks)), layout="constrained")
    colors = stem_colors(masks)
    rows = figure.subplots(len(masks), 2, sharex=True, sharey=True, squeeze=False)
    for (left, right), (target, values) in zip(rows, masks.items(), strict=True):
        mask(values, params, ax=left, scale=scale, start=start)
        left.set_title(f"{label(target)}: mask")
        mask_over_spectrogram(
            values, spectrum, params, ax=right, scale=scale, start=start,
            color=colors[target],
        )  # fmt: skip
        right.set_title(f"{label(target)}: what the mask lets through")
        left.label_outer()
        right.label_outer()
    return figure
