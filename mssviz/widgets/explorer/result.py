"""What a session has found: a song under one model, and how near that is to the true stems."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz._typing import Waveform
from mssviz.separation import Separation, changed
from mssviz.separation.laboratory import Laboratory
from mssviz.separators import Model
from mssviz.widgets.explorer.excerpt import Excerpt

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
        Scores as from `scores.evaluate`; ``time`` counts from the excerpt's beginning.
    summary : DataFrame
        One row for each stem, and for each stem of the second model.
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


@dataclass(eq=False, kw_only=True)
class Result(Excerpt):
    """An excerpt under one model, perhaps beside what a second one made of it.

    Its further attributes are those of `Excerpt`.

    Attributes
    ----------
    model : Model
    laboratory : Laboratory
        Laboratory that holds the excerpt with its present masks and stems.
    rival : Separation or None
        Separation of the excerpt by the second model.
    repairs : sequence of tuple of float
        Parts (start, stop) of the excerpt that could not be decoded, in seconds from its beginning;
        windows that touch one have no score.
    sources : sequence of str
        Names of the song's true stems; empty where they are unknown.
    complete : bool
        Whether all masks and stems are made. The result of a session's first run can be looked at
        before, while the run is at work.
    cuts : dict
        Gains of the channels by name of a site, where the network is not whole; see
        `insight.Surgery`.
    settings : dict or None
        Options with which all masks and stems were made; None while some are not.
    scores : Scores or None
        Scores of the present stems; None before they are measured, or if they cannot be.
    no_scores : str
        Reason why there are no scores, as a sentence; empty otherwise.
    """

    model: Model
    laboratory: Laboratory
    rival: Separation | None = None
    repairs: Sequence[tuple[float, float]] = ()
    sources: Sequence[str] = ()
    complete: bool = False
    cuts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    settings: dict[str, Any] | None = None
    scores: Scores | None = None
    no_scores: str = ""

    @property
    def title(self) -> str:
        """Song and model, for people."""
        return self.choice.title

    @property
    def rival_name(self) -> str:
        """The second model, for people."""
        return self.choice.rival_name

    @property
    def masks(self) -> Mapping[str, Any]:
        """Present masks by stem, strokes included."""
        return self.laboratory.editor.masks

    @property
    def complex_masks(self) -> Mapping[str, Any]:
        """Complex masks by stem, if the model always turns the phase; strokes are not in them."""
        return self.laboratory.complex_masks if self.model.kind.turns else {}

    @property
    def stems(self) -> Mapping[str, Waveform]:
        """Stems as the present masks let them through, by name."""
        return self.laboratory.estimates

    @property
    def true_stems(self) -> Mapping[str, Waveform]:
        """True stems by name, where known."""
        return self.laboratory.references

    @property
    def true_stfts(self) -> Mapping[str, Any]:
        """STFTs of the true stems by name, where known."""
        return self.laboratory.reference_stfts

    @property
    def compared(self) -> Mapping[str, Mapping[str, Any]]:
        """Ideal masks and those of the second model, by stem, for each name of what they are."""
        found: dict[str, dict[str, Any]] = {}
        if self.laboratory.references:
            found["ideal ratio mask"] = dict(self.laboratory.ideal_masks)
        if self.rival:
            masks = self.rival.masks
            found[self.rival_name] = {target: masks[target] for target in self.shared_targets()}
        return found

    def others(self, stem: str) -> Mapping[str, Waveform]:
        """The true stem and that of the second model, by name; what is not made yet is silent."""
        found = {}
        if stem in self.laboratory.references:
            found[f"{stem} (true)"] = self.laboratory.references[stem]
        if self.rival and stem in self.shared_targets():
            made = self.rival.estimates[stem] if self.complete else np.zeros_like(self.mixture)
            found[f"{stem} ({self.rival_name})"] = made
        return found

    def shared_targets(self) -> list[str]:
        """Targets for which the second model estimates the same sources as the first."""
        theirs = self.rival.targets if self.rival else ()
        ours = self.laboratory.separation.targets
        # the leftover target is the same only if all other targets are
        leftover = () if set(theirs) == set(ours) else ("other", "accompaniment")
        return [target for target in ours if target in theirs and target not in leftover]

    def applicable(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Pick the options that have an effect here, for `Laboratory.set_options`.

        Parameters
        ----------
        options
            Any of `MaskOptions`, ``oracle_phase`` and ``mask_part``.
        """
        kind = self.model.kind
        given = {name: value for name, value in options.items() if name in kind.options}
        chosen = changed(self.model.options, given)
        return {
            "oracle_phase": bool(options.get("oracle_phase") and self.laboratory.references),
            "mask_part": options.get("mask_part", "whole") if kind.is_filter(chosen) else "whole",
            **{name: value for name, value in given.items() if name in kind.usable(chosen)},
        }

    def resound(self, frames: slice) -> slice:
        """Make stems of the present masks of some frames; return the samples that have changed."""
        start, pieces = self.laboratory.resound(frames)
        return slice(start, start + len(next(iter(pieces.values()))))

    def edited_parts(self, frames: slice, was_edited: bool) -> Iterator[slice]:
        """Give the frames that sound different after a stroke in parts, the selected ones first.

        Parameters
        ----------
        frames
            Frames whose masks the stroke has changed.
        was_edited
            Whether there were strokes before.
        """
        laboratory = self.laboratory
        whole = laboratory.separation.masker.is_filter and laboratory.editor.edited != was_edited
        # when masks take the place of a filter, everything sounds different
        return laboratory.parts(self.looked_at(), None if whole else frames)
