"""What a session has found: a song under one model, and how near that is to the true stems."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mssviz.separation import Separation, changed
from mssviz.separation.laboratory import Laboratory
from mssviz.separators import Model
from mssviz.widgets.explorer.choice import Choice

if TYPE_CHECKING:
    import pandas as pd


#: Columns of a summary that count windows.
COUNTS = ("windows", "silent", "repaired")


@dataclass(frozen=True)
class Scores:
    """How near the present stems are to the true ones.

    Attributes
    ----------
    windows : DataFrame
        As from `scores.evaluate`; ``time`` counts from the excerpt's beginning.
    summary : DataFrame
        One row for each stem, and for each of the second model's.
    notes : list of str
        Sentences without which the numbers could mislead.
    """

    windows: "pd.DataFrame"
    summary: "pd.DataFrame"
    notes: list[str]

    def in_words(self) -> "pd.DataFrame":
        """The summary as people read it: decibels to a tenth, and why there are none."""
        import pandas as pd

        rows = {}
        for name, row in self.summary.iterrows():
            missing = "damaged" if row.get("repaired", 0) else "silent"
            rows[name] = {
                column: _counted(value) if column in COUNTS else _decibels(value, missing)
                for column, value in row.items()
            }
        return pd.DataFrame.from_dict(rows, orient="index")


def _counted(value: float) -> str:
    return f"{value:.0f}"


def _decibels(value: float, missing: str) -> str:
    return missing if math.isnan(value) else f"{value:.1f}"


@dataclass(eq=False)
class Result:
    """A song under one model, maybe beside what a second one made of it.

    Attributes
    ----------
    model : Model
    laboratory : Laboratory
        The excerpt with its present masks and stems.
    choice : Choice
        What was asked for.
    rival : Separation or None
        What the second model made of the excerpt.
    repairs : sequence of tuple of float
        (start, stop) of parts of the excerpt that could not be decoded, in seconds from its
        beginning; what touches one has no score.
    sources : sequence of str
        Names of the song's true stems; empty where they are unknown.
    complete : bool
        Whether all masks and stems are made. While the first run of a session is at work, its
        result can be looked at before.
    selection : tuple of float or None
        (start, stop) of what is measured, and made first, in seconds from the song's beginning;
        None for all of the excerpt.
    settings : dict or None
        What all masks and stems were made with; None while some are not.
    scores : Scores or None
        None before they are measured, or if they cannot be.
    no_scores : str
        Why there are no scores, as a sentence; empty otherwise.
    """

    model: Model
    laboratory: Laboratory
    choice: Choice
    rival: Separation | None = None
    repairs: Sequence[tuple[float, float]] = ()
    sources: Sequence[str] = ()
    complete: bool = False
    selection: tuple[float, float] | None = None
    settings: dict[str, Any] | None = None
    scores: Scores | None = None
    no_scores: str = ""

    @property
    def title(self) -> str:
        """Song and model, for people."""
        return self.choice.title

    @property
    def offset(self) -> float:
        """Time of the excerpt's first sample in the song, in seconds."""
        return self.choice.offset

    @property
    def rival_name(self) -> str:
        """The second model, for people."""
        return self.choice.rival_name

    def same_excerpt(self, other: "Result") -> bool:
        """Whether another result is of the same part of the same song."""
        return self.choice.excerpt == other.choice.excerpt

    def selected(self) -> tuple[float, float] | None:
        """What is selected, in seconds from the excerpt's beginning."""
        selection = self.selection  # another thread may change it
        if selection is None:
            return None
        start, stop = selection
        return start - self.offset, stop - self.offset

    def shared_targets(self) -> list[str]:
        """Targets of which the second model estimates the same as the first."""
        theirs = self.rival.targets if self.rival else ()
        ours = self.laboratory.separation.targets
        # what is left over is the same only where all the others are
        leftover = () if set(theirs) == set(ours) else ("other", "accompaniment")
        return [target for target in ours if target in theirs and target not in leftover]

    def applicable(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of some options that change anything here, for `Laboratory.set_options`.

        Parameters
        ----------
        options
            Any of `MaskOptions`, and ``oracle_phase``.
        """
        kind = self.model.kind
        given = {name: value for name, value in options.items() if name in kind.options}
        usable = kind.usable(changed(self.model.options, given))
        oracle_phase = bool(options.get("oracle_phase") and self.laboratory.references)
        return {"oracle_phase": oracle_phase, **{n: v for n, v in given.items() if n in usable}}

    def resound(self, frames: slice) -> slice:
        """Make stems of the masks of some frames as they are now; which samples have changed."""
        start, pieces = self.laboratory.resound(frames)
        return slice(start, start + len(next(iter(pieces.values()))))

    def edited_parts(self, frames: slice, was_edited: bool) -> Iterator[slice]:
        """Frames that sound otherwise after a stroke, part by part: what is selected first.

        Parameters
        ----------
        frames
            Those whose masks the stroke has changed.
        was_edited
            Whether there were strokes before.
        """
        laboratory = self.laboratory
        whole = laboratory.separation.masker.is_filter and laboratory.editor.edited != was_edited
        # from a filter's output to masks', everything sounds different
        return laboratory.parts(self.selected(), None if whole else frames)
