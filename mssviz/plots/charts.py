"""Charts of scores: their course over a song, and how models compare."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz._measures import scale_of, with_unit
from mssviz.errors import ParameterError
from mssviz.plots.axes import (
    axes_of,
    label,
    stem_colors,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def scores(
    table: "pd.DataFrame",
    *,
    measure: str = "SDR",
    window: float | None = None,
    ax: "Axes | None" = None,
) -> "list[Line2D]":
    """Draw one measure of `evaluate` window by window, with a line for each target.

    Parameters
    ----------
    table
        Table with columns ``target``, ``time`` and `measure`.
    measure
        Name of the measure: ``"SDR"``, ``"ISR"``, ``"SIR"`` or ``"SAR"``.
    window
        Length of the windows in seconds, at whose middle values are drawn; the distance of their
        starts if left out.
    """
    for column in ("target", "time", measure):
        if column not in table:
            raise ParameterError(
                f"table has no column {column} (it has {', '.join(map(str, table.columns))}); "
                "draw what mssviz.evaluate returns"
            )
    ax = axes_of(ax)
    lines = []
    if window is None:
        times = np.unique(table["time"])
        window = times[1] - times[0] if len(times) > 1 else 1.0
    colors = stem_colors(map(str, dict.fromkeys(table["target"])))
    for target, color in colors.items():
        rows = table[table["target"].astype(str) == target]
        centre = rows["time"] + window / 2
        lines += ax.plot(centre, rows[measure], marker="o", ms=3, color=color, label=label(target))
    ax.set_xlabel("time (s)")
    ax.set_ylabel(with_unit(measure))
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return lines


def model_boxes(medians: "pd.Series[float]", ax: "Axes | None" = None) -> "Axes":
    """Draw boxes of a measure over tracks, for each target and model, as in SiSEC's figures.

    Parameters
    ----------
    medians
        Values by track, target and model: a column of `comparison.medians`.
    ax
        Axes to draw in; the current ones if left out.

    Notes
    -----
    A box holds the middle half of the tracks, and the line in it is their median. Whiskers reach to
    the last track within 1.5 times the box, and every track is a dot. The best models stand on top.
    """
    _check_medians(medians)
    ax = axes_of(ax)
    targets = list(dict.fromkeys(medians.index.get_level_values("target")))
    height = 0.8 / len(targets)
    less_is_better = scale_of(str(medians.name)).less_is_better
    order = medians.groupby("model").median().sort_values(ascending=not less_is_better).index
    for i, (target, color) in enumerate(stem_colors(targets).items()):
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
    ax.set_xlabel(with_unit(str(medians.name)))
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
    """Draw a line for each track from one model's value to another's, which rises with the value.

    Parameters
    ----------
    medians
        Values by track, target and model, as in `model_boxes`.
    first, second
        Names of models.
    ax
        Axes to draw in; the current ones if left out.
    """
    _check_medians(medians)
    known = set(medians.index.get_level_values("model"))
    if not {first, second} <= known:
        raise ParameterError(
            f"models must be two of {', '.join(map(str, known))} (got {first!r} and {second!r})"
        )
    ax = axes_of(ax)
    values = medians.unstack("model")[[first, second]].dropna()
    targets = list(dict.fromkeys(values.index.get_level_values("target")))
    for i, (target, color) in enumerate(stem_colors(targets).items()):
        for a, b in values.xs(target, level="target").to_numpy():
            ax.plot([2 * i, 2 * i + 1], [a, b], "o-", color=color, markersize=4, alpha=0.7)
    ticks = [x for i in range(len(targets)) for x in (2 * i, 2 * i + 1)]
    ax.set_xticks(
        ticks, [label(name) for _ in targets for name in (first, second)], rotation=20, ha="right"
    )
    for i, target in enumerate(targets):
        ax.text(2 * i + 0.5, 1.01, label(target), ha="center", transform=ax.get_xaxis_transform())
    ax.set_ylabel(with_unit(str(medians.name)))
    ax.grid(axis="y", alpha=0.3)
    return ax
