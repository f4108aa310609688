"""Bars with their numbers, as the lessons' pictures have them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mssviz.lessons.demonstration import decibels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def listed(ax: "Axes", levels: Mapping[str, float], colors: Sequence[str], axis: str) -> None:
    """Draw a bar for each of some systems, one below the other.

    Parameters
    ----------
    ax
        Axes to draw into.
    levels
        Level of each system in dB, by name.
    colors
        Color of each bar.
    axis
        Label of the axis.
    """
    drawn = ax.barh([*levels], [*levels.values()], color=colors)
    ax.bar_label(drawn, [decibels(level) for level in levels.values()], padding=3)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.set_xlabel(axis)


def grouped(
    ax: "Axes",
    groups: Mapping[str, Mapping[str, float]],
    colors: Sequence[str],
    ends: tuple[float, float] = (float("-inf"), float("inf")),
    written: Callable[[float], str] = decibels,
) -> None:
    """Draw the same measures of some systems as bars side by side, one color a system.

    Parameters
    ----------
    ax
        Axes to draw into.
    groups
        Values of each system by what they are of, the same for all, by name of the system.
    colors
        Color of each system.
    ends
        Values at which bars end; what is written on them goes on.
    written
        Function that puts a value into words.
    """
    width = 0.8 / len(groups)
    for i, ((name, values), color) in enumerate(zip(groups.items(), colors, strict=True)):
        places = [n + (i - (len(groups) - 1) / 2) * width for n in range(len(values))]
        heights = [min(max(value, ends[0]), ends[1]) for value in values.values()]
        bars = ax.bar(places, heights, width, color=color, label=name)
        ax.bar_label(bars, [written(value) for value in values.values()], fontsize=8)
        ax.set_xticks(range(len(values)), [*values])
    ax.axhline(0, color="black", linewidth=0.8)
