"""The views of one result, linked along the song's time axis."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w
import numpy as np

from mssviz._typing import Waveform
from mssviz.plots import stem_colors
from mssviz.separation.editing import Stroke
from mssviz.widgets._box import owned
from mssviz.widgets._view import link, shared
from mssviz.widgets.explorer.result import Result, Scores
from mssviz.widgets.explorer.scoring import SCORE_WINDOW
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView


class Views:
    """Picture, mixer and scores of one result.

    Parameters
    ----------
    result
        Result to show. It may be incomplete: then its masks can be looked at while they are filled
        in.

    Attributes
    ----------
    result : Result
    picture : SpectrogramView
    mixer : Mixer or None
        Mixer of the stems; None until `add_mixer`.
    score_view : ScoreView or None
        Course of the scores; None until `show_scores`.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self.mixer: Mixer | None = None
        self.score_view: ScoreView | None = None
        self._scored_before: ScoreView | None = None
        self._links: list[w.Widget] = []
        self._colors = stem_colors(result.laboratory.separation.targets)
        self.picture = self._new_picture()
        self.picture.observe(lambda _: self._look(), ["time", "start", "stop"])
        self._look()

    def on_stroke(self, callback: Callable[[Stroke], None]) -> None:
        """Call `callback` with every stroke of the brush."""
        self.picture.on_stroke(callback)

    def on_select(self, callback: Callable[[Sequence[float] | None], None]) -> None:
        """Call `callback` with each selection: (start, stop) in seconds of the song, or None."""
        self.picture.observe(lambda change: callback(change["new"]), "selection")

    def add_mixer(self) -> None:
        """Make the mixer, or let it play what has been made since.

        While a result is incomplete, its mixture plays, and stems are silent where they are not
        made; when all are there, they play instead.
        """
        if self.mixer is not None:
            self._complete_mixer(self.mixer)
            return
        laboratory = self.result.laboratory
        tracks = {"mixture": laboratory.separation.mixture}
        pairs: dict[str, list[str]] = {}
        rivals = self._rivals()
        for target, estimate in laboratory.estimates.items():
            tracks[target] = estimate
            others = {}
            if target in laboratory.references:
                others[f"{target} (true)"] = laboratory.references[target]
            if target in rivals:
                others[f"{target} ({self.result.rival_name})"] = rivals[target]
            tracks |= others
            pairs[target] = list(others)
        mixer = Mixer(
            tracks,
            laboratory.separation.sample_rate,
            pairs=pairs,
            colors=self._colors,
            offset=self.result.offset,
        )
        self._links += link(self.picture, mixer)
        self.mixer = mixer
        for name in ["mixture"] if self.result.complete else laboratory.estimates:
            mixer.adjust(name, muted=True)

    def _complete_mixer(self, mixer: Mixer) -> None:
        for target, stem in self._rivals().items():
            mixer.replace(f"{target} ({self.result.rival_name})", stem)
        muted = {strip["name"]: strip["muted"] for strip in mixer.strips}
        if muted == {name: name != "mixture" for name in muted}:  # nobody has chosen otherwise
            for name in muted:
                mixer.adjust(name, muted=name == "mixture")

    def _rivals(self) -> dict[str, Waveform]:
        """Stems of the second model; silent ones before it has worked."""
        rival = self.result.rival
        targets = self.result.shared_targets() if rival else ()
        if rival is None or not self.result.complete:
            mixture = self.result.laboratory.separation.mixture
            return {target: np.zeros_like(mixture) for target in targets}
        return {target: rival.estimates[target] for target in targets}

    def take_over(self, before: "Views") -> None:
        """Look and sound as the views of an earlier result of the same excerpt."""
        self.picture.take_over(before.picture)
        if self.mixer is not None and before.mixer is not None:
            self.mixer.take_over(before.mixer)
        for view in (self.picture, self.mixer):
            for name in shared(self.picture, view) if view is not None else ():
                setattr(view, name, getattr(before.picture, name))
        self._scored_before = before.score_view or before._scored_before

    def repaint(self, frames: slice) -> None:
        """Show the masks of some frames as they are now."""
        self.picture.set_masks(self.result.laboratory.editor.masks, frames)

    def resound(self, samples: slice) -> None:
        """Play some samples of the stems as they are now."""
        if self.mixer is None:
            return
        laboratory = self.result.laboratory
        start = self.mixer.offset + samples.start / laboratory.separation.sample_rate
        for target, estimate in laboratory.estimates.items():
            self.mixer.replace(target, estimate[samples], start)

    def caption(self, texts: Mapping[str, str]) -> None:
        """Write a text at the right end of each stem's lane.

        Parameters
        ----------
        texts
            Stem to its text.
        """
        if self.mixer is not None:
            self.mixer.captions = dict(texts)

    def show_scores(self, scores: Scores) -> None:
        """Draw scores on the picture's time axis."""
        if self.score_view is not None:
            self.score_view.set_scores(scores.windows)
            return
        self.score_view = ScoreView(
            scores.windows, window=SCORE_WINDOW, colors=self._colors, offset=self.result.offset
        )
        if self._scored_before is not None:
            self.score_view.take_over(self._scored_before)
            self._scored_before = None
        self._links += link(self.picture, self.score_view)

    def _look(self) -> None:
        """Tell the result what is seen and heard, which is to change first."""
        picture = self.picture
        self.result.playhead, self.result.visible = picture.time, (picture.start, picture.stop)

    def close(self) -> None:
        """Close all widgets."""
        for widget in (*self._links, self.picture, self.mixer, self.score_view):
            if widget is not None:
                for part in (*owned(widget), widget):
                    part.close()
        self._links = []

    def _new_picture(self) -> SpectrogramView:
        laboratory, rival = self.result.laboratory, self.result.rival
        compare: dict[str, dict[str, Any]] = {}
        if laboratory.references:
            compare["ideal ratio mask"] = dict(laboratory.ideal_masks)
        if rival:
            found = rival.masks
            compare[self.result.rival_name] = {t: found[t] for t in self.result.shared_targets()}
        return SpectrogramView(
            laboratory.mixture_stft,
            laboratory.params,
            laboratory.editor.masks,
            references=laboratory.reference_stfts,
            compare=compare,
            colors=self._colors,
            offset=self.result.offset,
        )
