"""The views of one excerpt, linked along the song's time axis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as w
import numpy as np

from mssviz.plots import stem_colors
from mssviz.separation.editing import Stroke
from mssviz.widgets._box import owned
from mssviz.widgets._strips import kept
from mssviz.widgets._view import link, shared
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.lanes import Lanes, stem_lanes
from mssviz.widgets.explorer.result import Scores
from mssviz.widgets.explorer.scoring import SCORE_WINDOW
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.signed_map import SignedMap
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
        Mixer of what `lanes` plays; None until `add_mixer`.
    lanes : Lanes
        Tracks that are played: at first, the mixture and the stems.
    maps : dict
        Maps of the picture, by stem for each name of what they show.
    score_view : ScoreView or None
        Course of the scores; None until `show_scores`.
    """

    def __init__(self, excerpt: Excerpt) -> None:
        self.excerpt = excerpt
        self.mixer: Mixer | None = None
        self.score_view: ScoreView | None = None
        self.lanes: Lanes = Lanes(tracks={})
        self._strips: dict[str, dict[str, Any]] = {}
        self.maps: dict[str, Mapping[str, SignedMap]] = {}
        self._wanted_show = ""
        self._captions: dict[str, str] = {}
        self._scored_before: ScoreView | None = None
        self._mixer_links: list[w.Widget] = []
        self._links: list[w.Widget] = []
        self._colors = stem_colors(excerpt.masks)
        self.picture = SpectrogramView(
            excerpt.mixture_stft,
            excerpt.params,
            excerpt.masks,
            references=excerpt.true_stfts,
            compare=excerpt.compared,
            complex_masks=excerpt.complex_masks,
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
        if self.mixer is None:
            self.show_lanes(stem_lanes(self.excerpt))
        else:
            self._complete_mixer(self.mixer)

    def show_lanes(self, lanes: Lanes) -> Mixer:
        """Play other tracks on the same clock; lanes of the same name keep what was set on them.

        Parameters
        ----------
        lanes
            Tracks of the excerpt.
        """
        before, links = self.mixer, self._mixer_links
        for strip in before.strips if before is not None else ():
            self._strips[strip["name"]] = strip
        mixer = Mixer(
            lanes.tracks,
            self.excerpt.params.sample_rate,
            pairs=lanes.pairs,
            colors={stem: c for stem, c in self._colors.items() if stem in lanes.tracks},
            offset=self.excerpt.offset,
        )
        for name in lanes.muted:
            mixer.adjust(name, muted=True)
        self._mixer_links = link(self.picture, mixer)
        self.mixer, self.lanes = mixer, lanes
        self._show_captions()
        if before is not None:
            mixer.take_over(before)
            # also what was set before other lanes were shown
            mixer.strips = [s | kept(self._strips.get(s["name"]), s) for s in mixer.strips]
            mixer.playing = before.playing
            _close(links, before)
        return mixer

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
        wanted = before._wanted_show or before.picture.show
        self._wanted_show = "" if wanted in self.picture.shows else wanted  # a map is not there yet
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
        for name, piece in self.lanes.pieces(self.excerpt, samples).items():
            self.mixer.replace(name, piece, start)

    def caption(self, texts: Mapping[str, str]) -> None:
        """Write a text at the right end of each stem's lane, wherever stems are played.

        Parameters
        ----------
        texts
            Stem to its text.
        """
        self._captions = dict(texts)
        self._show_captions()

    def caption_lanes(self, texts: Mapping[str, str]) -> None:
        """Write other texts at the right ends of lanes that have texts of their own.

        Parameters
        ----------
        texts
            Text of each lane, by its name.
        """
        self.lanes = replace(self.lanes, captions=texts)
        self._show_captions()

    def _show_captions(self) -> None:
        if self.mixer is not None:
            own = self.lanes.captions
            self.mixer.captions = dict(self._captions if own is None else own)

    def show_maps(self, maps: Mapping[str, Mapping[str, SignedMap]], shown: str = "") -> None:
        """Add maps to the layers of the picture, or take some away.

        Parameters
        ----------
        maps
            Maps by stem for each name of what they show, in place of those of these names.
        shown
            Name of the layer to show; what was shown before, if that is empty.
        """
        wanted, self._wanted_show = shown or self._wanted_show or self.picture.show, ""
        self.maps = {what: found for what, found in {**self.maps, **maps}.items() if found}
        self.picture.set_maps(self.maps)
        if wanted in self.picture.shows:
            self.picture.show = wanted

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
        links = [*self._links, *self._mixer_links]
        _close(links, self.picture, self.mixer, self.score_view)
        self._links, self._mixer_links = [], []


def _close(links: Sequence[w.Widget], *views: w.Widget | None) -> None:
    """Close links, which own no view, and views with all that they own."""
    for link_ in links:
        link_.close()
    for view in views:
        if view is not None:
            for part in (*owned(view), view):
                part.close()
