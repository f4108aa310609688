"""The views of one excerpt, linked along the song's time axis."""

from collections.abc import Callable, Mapping, Sequence

import ipywidgets as w
import numpy as np

from mssviz.plots import stem_colors
from mssviz.separation.editing import Stroke
from mssviz.widgets._box import owned
from mssviz.widgets._view import link, shared
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.result import Scores
from mssviz.widgets.explorer.scoring import SCORE_WINDOW
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView


class Views:
    """Picture, mixer and scores of an excerpt.

    Parameters
    ----------
    excerpt
        Excerpt to show. It may be an incomplete result: then its masks can be looked at while they
        are filled in.

    Attributes
    ----------
    excerpt : Excerpt
    picture : SpectrogramView
    mixer : Mixer or None
        Mixer of the mixture and the stems; None until `add_mixer`.
    score_view : ScoreView or None
        Course of the scores; None until `show_scores`.
    """

    def __init__(self, excerpt: Excerpt) -> None:
        self.excerpt = excerpt
        self.mixer: Mixer | None = None
        self.score_view: ScoreView | None = None
        self._scored_before: ScoreView | None = None
        self._links: list[w.Widget] = []
        self._colors = stem_colors(excerpt.masks)
        self.picture = SpectrogramView(
            excerpt.mixture_stft,
            excerpt.params,
            excerpt.masks,
            references=excerpt.true_stfts,
            compare=excerpt.compared,
            colors=self._colors,
            offset=excerpt.offset,
        )
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
        excerpt = self.excerpt
        tracks = {"mixture": excerpt.mixture}
        pairs: dict[str, list[str]] = {}
        for name, stem in excerpt.stems.items():
            others = excerpt.others(name)
            tracks |= {name: stem, **others}
            pairs[name] = list(others)
        mixer = Mixer(
            tracks,
            excerpt.params.sample_rate,
            pairs=pairs,
            colors=self._colors,
            offset=excerpt.offset,
        )
        self._links += link(self.picture, mixer)
        self.mixer = mixer
        for name in ["mixture"] if excerpt.complete else excerpt.stems:
            mixer.adjust(name, muted=True)

    def _complete_mixer(self, mixer: Mixer) -> None:
        stems = self.excerpt.stems
        for stem in stems:
            for name, waveform in self.excerpt.others(stem).items():
                if not np.array_equal(waveform, mixer.waveform(name)):
                    mixer.replace(name, waveform)
        muted = [strip["name"] for strip in mixer.strips if strip["muted"]]
        if set(stems) <= set(muted):  # nobody has chosen otherwise
            for name in ("mixture", *stems):
                mixer.adjust(name, muted=name == "mixture")

    def take_over(self, before: "Views") -> None:
        """Look and sound as the earlier views of the same excerpt."""
        self.picture.take_over(before.picture)
        if self.mixer is not None and before.mixer is not None:
            self.mixer.take_over(before.mixer)
        for view in (self.picture, self.mixer):
            for name in shared(self.picture, view) if view is not None else ():
                setattr(view, name, getattr(before.picture, name))
        if self.mixer is not None and before.mixer is not None:
            self.mixer.playing = before.mixer.playing
        self._scored_before = before.score_view or before._scored_before

    def repaint(self, frames: slice) -> None:
        """Show the masks of some frames as they are now."""
        self.picture.set_masks(self.excerpt.masks, frames)

    def resound(self, samples: slice) -> None:
        """Play some samples of the stems as they are now."""
        if self.mixer is None:
            return
        start = self.excerpt.offset + samples.start / self.excerpt.params.sample_rate
        for name, stem in self.excerpt.stems.items():
            self.mixer.replace(name, stem[samples], start)

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
            scores.windows, window=SCORE_WINDOW, colors=self._colors, offset=self.excerpt.offset
        )
        if self._scored_before is not None:
            self.score_view.take_over(self._scored_before)
            self._scored_before = None
        self._links += link(self.picture, self.score_view)

    def _look(self) -> None:
        """Tell the excerpt what is seen and heard, which is to change first."""
        picture, excerpt = self.picture, self.excerpt
        excerpt.playhead, excerpt.visible = picture.time, (picture.start, picture.stop)

    def close(self) -> None:
        """Close all widgets."""
        for widget in (*self._links, self.picture, self.mixer, self.score_view):
            if widget is not None:
                for part in (*owned(widget), widget):
                    part.close()
        self._links = []
