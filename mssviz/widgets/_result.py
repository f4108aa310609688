"""What one run of the explorer shows: picture, mixer and scores around a laboratory."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from mssviz import audio, measures, metrics, plots
from mssviz._typing import Progress, Waveform
from mssviz.laboratory import Laboratory
from mssviz.separation import Separation
from mssviz.widgets._box import owned
from mssviz.widgets._view import link
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    import pandas as pd

SCORE_WINDOW = 1.0


class Result:
    """A song under one model, maybe beside what a second one made of it.

    Parameters
    ----------
    laboratory
        The excerpt with its present masks and stems; they may still be filled in.
    title
        Of a page that shows it.
    offset
        Time of the excerpt's first sample in the song, in seconds.
    rival
        What the second model makes of it.
    rival_name
        For people.
    repairs
        (start, stop) of parts of the excerpt that could not be decoded, in seconds from its
        beginning; what touches one has no score.
    sources
        Names of the song's true stems, where known.

    Attributes
    ----------
    view : SpectrogramView
    mixer : Mixer or None
        None until `play`.
    score_view : ScoreView or None
    scores : DataFrame or None
    settings : dict or None
        Those of the sliders that all masks and stems were made with; None while some are not.
    """

    def __init__(
        self,
        laboratory: Laboratory,
        title: str,
        offset: float,
        rival: Separation | None = None,
        rival_name: str = "",
        repairs: Sequence[tuple[float, float]] = (),
        sources: Sequence[str] = (),
    ) -> None:
        self.laboratory, self.title, self.offset = laboratory, title, offset
        self.rival, self.rival_name = rival, rival_name
        self.repairs, self.sources = list(repairs), list(sources)
        self.mixer: Mixer | None = None
        self.score_view: ScoreView | None = None
        self.scores: pd.DataFrame | None = None
        self.settings: dict[str, Any] | None = None
        self._links: list[w.Widget] = []
        self.view = self._picture()

    @property
    def complete(self) -> bool:
        """Whether everything is there to be seen, heard and changed."""
        return self.mixer is not None

    def close(self) -> None:
        """Close the widgets."""
        for widget in (*self._links, self.view, self.mixer, self.score_view):
            if widget is not None:
                for part in (*owned(widget), widget):
                    part.close()
        self._links = []

    def selected(self) -> tuple[float, float] | None:
        """What is selected, in seconds from the excerpt's beginning."""
        if not self.view.selection:
            return None
        start, stop = self.view.selection
        return start - self.view.offset, stop - self.view.offset

    # --- pictures and sound -------------------------------------------------------------------

    def repaint(self, frames: slice) -> None:
        """Show the masks of some frames as they are now."""
        self.view.set_masks(self.laboratory.editor.masks, frames)

    def resound(self, frames: slice) -> None:
        """Let the masks of some frames be heard as they are now."""
        first, pieces = self.laboratory.resound(frames)
        if self.mixer is None:
            return  # not on the stage yet
        start = self.mixer.offset + first / self.laboratory.separation.sample_rate
        for target, piece in pieces.items():
            self.mixer.replace(target, piece, start)

    def play(self) -> None:
        """Make the mixer, of all stems as they are now."""
        laboratory = self.laboratory
        tracks = {"mixture": laboratory.separation.mixture}
        pairs: dict[str, list[str]] = {}
        rivals = {t: self.rival.estimates[t] for t in self._shared() if self.rival}
        for target, estimate in laboratory.estimates.items():
            tracks[target] = estimate
            others = {}
            if laboratory.references:
                others[f"{target} (true)"] = laboratory.references[target]
            if target in rivals:
                others[f"{target} ({self.rival_name})"] = rivals[target]
            tracks |= others
            pairs[target] = list(others)
        mixer = Mixer(
            tracks,
            laboratory.separation.sample_rate,
            pairs=pairs,
            colors={"mixture": "#888888", **self._colors()},
            offset=self.offset,
        )
        mixer.adjust("mixture", muted=True)
        self._links += link(self.view, mixer)
        self.mixer = mixer

    def _picture(self) -> SpectrogramView:
        laboratory = self.laboratory
        compare: dict[str, dict[str, Any]] = {}
        if laboratory.references:
            compare["ideal ratio mask"] = dict(laboratory.ideal_masks)
        if self.rival:
            found = self.rival.masks
            compare[self.rival_name] = {t: found[t] for t in self._shared()}
        return SpectrogramView(
            laboratory.mixture_stft,
            laboratory.params,
            laboratory.editor.masks,
            references=laboratory.reference_stfts,
            compare=compare,
            colors=self._colors(),
            offset=self.offset,
        )

    def _colors(self) -> dict[str, str]:
        return dict(zip(self.laboratory.separation.targets, plots.PALETTE, strict=False))

    def _shared(self) -> list[str]:
        """Targets of which the second model estimates the same as the first."""
        theirs = self.rival.targets if self.rival else ()
        ours = self.laboratory.separation.targets
        # what is left over is the same only where all the others are
        leftover = () if set(theirs) == set(ours) else ("other", "accompaniment")
        return [target for target in ours if target in theirs and target not in leftover]

    @property
    def no_scores(self) -> str:
        """Why nothing can be measured, where it cannot."""
        if not self.sources:
            return "No scores: this song's true stems are unknown."
        known, wanted = ", ".join(self.sources), ", ".join(self.laboratory.separation.targets)
        return f"No scores: this song's true stems {known} do not tell what {wanted} are."

    # --- scores -------------------------------------------------------------------------------

    def measure(self, progress: Progress) -> tuple["pd.DataFrame", "pd.DataFrame", list[str]]:
        """Scores of the selection by window, their summary, and what to say about them."""
        rate = self.laboratory.separation.sample_rate
        selected = self.selected()
        part = slice(None)
        if selected:
            part = slice(max(0, round(selected[0] * rate)), max(0, round(selected[1] * rate)))
        true = {target: stem[part] for target, stem in self.laboratory.references.items()}
        seconds = len(next(iter(true.values()))) / rate
        window = min(SCORE_WINDOW, seconds)
        repaired = self._repaired((part.start or 0) / rate, seconds)
        dither_db = metrics.suggested_dither_db(true)

        def measured(
            stems: Callable[[str], Waveform],
        ) -> tuple["pd.DataFrame", "pd.DataFrame"]:
            found = {target: stems(target)[part] for target in true}
            scores = metrics.evaluate(
                true, found, rate, dither_db=dither_db, window=window,
                repaired=repaired or None, progress=progress,
            )  # fmt: skip
            table = metrics.summarise(scores).rename_axis(None)
            whole = [np.nan if repaired else measures.si_sdr(true[t], found[t]) for t in true]
            table.insert(0, "SI-SDR", whole)
            return scores.assign(time=scores["time"] + (part.start or 0) / rate), table

        scores, table = measured(self.laboratory.estimates.__getitem__)
        if self.rival and set(self._shared()) == set(true):
            import pandas as pd

            _, other = measured(self.rival.estimates.__getitem__)
            table = pd.concat([table, other.rename(lambda t: f"{t} · {self.rival_name}")])
        return scores, table, self._notes(window, selected, dither_db, repaired)

    def _repaired(self, start: float, seconds: float) -> list[tuple[float, float]]:
        """What was repaired in a part of the excerpt, in seconds from the part's beginning."""
        moved = [(low - start, high - start) for low, high in self.repairs]
        return [(low, high) for low, high in moved if low < seconds and high > 0]

    def _notes(
        self,
        window: float,
        selected: tuple[float, float] | None,
        dither_db: float | None,
        repaired: Sequence[tuple[float, float]],
    ) -> list[str]:
        notes = [f"dB; median over windows of {window:.2g} s (BSS Eval v4)."]
        if selected:
            low, high = (seconds + self.offset for seconds in selected)
            notes.append(f"Of the selection, {low:.1f} to {high:.1f} s.")
        if dither_db is not None:
            notes.append(
                f"The true stems come from a lossy file: noise of {dither_db:.0f} dBFS was added, "
                "without which ISR, SIR and SAR are not defined."
            )
        if repaired:
            begin = self.offset + (selected[0] if selected else 0.0)
            spans = audio.describe_repairs([(begin + low, begin + high) for low, high in repaired])
            notes.append(
                f"Files of this song are {spans}: windows that touch this have no score, and the "
                "whole has no SI-SDR."
            )
        return notes

    def show_scores(self, scores: "pd.DataFrame") -> ScoreView:
        """Draw scores on the picture's time axis."""
        self.scores = scores
        if self.score_view is not None:
            self.score_view.set_scores(scores)
            return self.score_view
        view = self.view
        self.score_view = ScoreView(
            scores,
            window=SCORE_WINDOW,
            colors=self._colors(),
            offset=view.offset,
        )
        self._links += link(view, self.score_view)
        return self.score_view
