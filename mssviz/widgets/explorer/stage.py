"""The stage of the explorer: picture, scores and mixer of a result, with notes on them."""

import html
import math

import ipywidgets as w

from mssviz.plots import one_line
from mssviz.scores import MEASURES
from mssviz.separators import entry
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.lanes import Lanes
from mssviz.widgets.explorer.result import Result, Scores
from mssviz.widgets.explorer.scoring import LEAST_REFERENCES
from mssviz.widgets.explorer.views import Views
from mssviz.widgets.mixer import Mixer

_NOTICE = "<p>Choose a song and press <b>Separate</b>: masks, stems and scores appear here.</p>"
#: Class of a stage that has room for stems, before their number.
_ROOM = "mssviz-room-"
#: Measures at the end of a stem's lane; the drawer has all of them.
_IN_LANES = ("SDR", "SIR", "SAR")


class Stage(w.VBox):
    """The views of an excerpt on one time axis, with a notice while nothing is separated.

    Style sheets put their parts into the rows of the page: bar, picture, lanes and footer.

    Attributes
    ----------
    views : Views or None
        Views of what is shown.
    notice : HTML
        Text over the picture that says what to do, while nothing is separated.
    level_note, score_note, score_table : HTML
    """

    def __init__(self) -> None:
        self.views: Views | None = None
        self._picture, self._scores, self._mixer = w.VBox(), w.VBox(), w.VBox()
        self.level_note, self.score_note, self.score_table = w.HTML(), w.HTML(), w.HTML()
        self._room, self._is_other = "", False
        self.notice = w.HTML(_NOTICE)
        self.notice.add_class("mssviz-notice")
        self._scored: Scores | None = None
        notes = w.HBox([self.level_note, self.score_note])
        notes.add_class("mssviz-notes")
        drawer = w.VBox([self.score_table, self._scores, terms()])
        for name in ("mssviz-panel", "mssviz-drawer-page", "mssviz-panel-scores"):
            drawer.add_class(name)
        super().__init__([self.notice, self._picture, self._mixer, notes, drawer])
        self.add_class("mssviz-views")

    def show(self, excerpt: Excerpt | None) -> Views | None:
        """Show an excerpt in place of what was shown, whose views are closed.

        Parameters
        ----------
        excerpt
            Result, or an excerpt of which there is none yet; None for nothing.

        Returns
        -------
        Views or None
            Views of it if they are new, so that one can listen to them.
        """
        before = self.views
        kept = before is not None and before.excerpt is excerpt
        views = before if kept else Views(excerpt) if excerpt else None
        try:
            if views is not None:
                views.add_mixer()
                if before is not None and not kept and views.excerpt.same_excerpt(before.excerpt):
                    views.take_over(before)
        except BaseException:
            if views is not None and not kept:
                views.close()
            raise
        self.views, self._scored, self._is_other = views, None, False
        self.notice.layout.display = "none" if excerpt and excerpt.masks else None
        if excerpt is not None:
            self.keep_room(excerpt.choice.model)
        self._picture.children = (views.picture,) if views else ()
        self._mixer.children = (views.mixer,) if views and views.mixer else ()
        self._scores.children, self.score_table.value = (), ""
        if before is not None and not kept:
            before.close()
        return None if kept else views

    def keep_room(self, model: str) -> None:
        """Keep as much room below a mixture as its stems need, so that nothing moves for them.

        Parameters
        ----------
        model
            Name of the model that is to make them, if they are not there.
        """
        stems = self.views.excerpt.masks if self.views is not None else {}
        room = f"{_ROOM}{len(stems or entry(model).preset.targets)}"
        if room != self._room:
            self.remove_class(self._room)
            self.add_class(room)
            self._room = room

    def show_lanes(self, lanes: Lanes) -> Mixer:
        """Let the lanes play something else, see `Views.show_lanes`."""
        assert self.views is not None
        mixer = self.views.show_lanes(lanes)
        self._mixer.children = (mixer,)
        return mixer

    def show_scores(self, result: Result, measuring: bool) -> None:
        """Show a result's scores, or why there are none, and how much of the mixture is in no stem.

        Of a result that is not on the stage, scores are not shown.
        """
        said = ("measuring …",) if measuring else _legend(result)
        self.score_note.value = _small(*said)
        if not measuring:
            self._show_level(result)
        views, scores = self.views, result.scores
        if views is None or views.excerpt is not result:
            return
        if result.no_scores:
            failed = len(result.laboratory.references) >= LEAST_REFERENCES
            self.score_table.value = (alert if failed else _small)(result.no_scores)
            views.caption({})
        elif scores is not None and scores is not self._scored:
            views.show_scores(scores)
            self._scores.children = (views.score_view,)
            self.score_table.value = _table(scores)
            views.caption(_captions(scores, result))
        self._scored = scores

    def show_choice(self, result: Result | None, choice: Choice) -> None:
        """Say what is shown, as long as something else is chosen in the first row."""
        if result is None or not result.complete:
            return
        before, self._is_other = self._is_other, choice != result.choice
        if self._is_other:
            said = f"Shown is {result.title}. Press Separate for what is chosen."
            self.level_note.value = _small(said)
        elif before:
            self._show_level(result)

    def _show_level(self, result: Result) -> None:
        if self._is_other:
            return
        level_db = result.laboratory.residual_db()
        said = f"{level_db:.1f} dB" if math.isfinite(level_db) else "nothing"
        if math.isnan(level_db):
            said = "the mixture is silent"
        self.level_note.value = _small(f"Mixture − all stems: {said}.")


def terms() -> w.HTML:
    """Button that shows the terms of the help card."""
    said = "Terms: what the words on the page mean"
    return w.HTML(
        '<button type="button" class="mssviz-does-help mssviz-terms" data-page="terms" '
        f'title="{said}" aria-label="{said}">Terms</button>'
    )


def alert(text: str) -> str:
    """Make HTML of a text that screen readers read out at once."""
    return (
        '<div role="alert" style="border-left:4px solid #D55E00;padding:4px 10px">'
        f"{html.escape(one_line(text, 500))}</div>"
    )


def note(text: str) -> str:
    """Make HTML of a text that screen readers read out when they are done with another."""
    return f'<div role="status">{html.escape(one_line(text, 500))}</div>'


def foldable(messages: str) -> str:
    """Make HTML of messages in HTML that people can fold away; nothing of none."""
    title = "Fold or unfold what is said; it goes with the next run"
    said = f'<summary title="{title}">Message</summary>{messages}'
    return f"<details open>{said}</details>" if messages else ""


def _small(text: str, more: str = "") -> str:
    """Make HTML of a text; `more` is shown when the pointer rests on it."""
    title = f' title="{html.escape(more)}"' if more else ""
    return f"<small{title}>{html.escape(text, False)}</small>"


def _table(scores: Scores) -> str:
    table = scores.in_words().to_html(border=0, escape=True, classes="mssviz-scores")
    named = table.replace("<table", '<table aria-label="Scores"', 1)
    return named + _small(" ".join(scores.notes))


def _legend(result: Result) -> tuple[str, ...]:
    """What the scores in the lanes are, in short and in full; why there are none, if so."""
    if result.scores is None:
        return result.no_scores, result.no_scores
    words = ", ".join(f"{name} {MEASURES[name].help}" for name in _IN_LANES)
    unit, *limits = result.scores.notes
    return " ".join([*limits[:1], words]), f"{words}; {' '.join([unit, *limits])}"


def _captions(scores: Scores, result: Result) -> dict[str, str]:
    """Stem to its scores, each with what the second model's differs from it."""
    summary, words = scores.summary, scores.in_words()
    said = {}
    for target in result.laboratory.separation.targets:
        if target not in summary.index:
            continue
        rival = f"{target} · {result.rival_name}"
        parts = []
        for name in _IN_LANES:
            text = str(words[name][target])
            if rival in summary.index:
                more = float(summary[name][target]) - float(summary[name][rival])
                text += "" if math.isnan(more) else f" ({more:+.1f})"
            parts.append(f"{name} {text}")
        said[target] = " · ".join(parts).replace("-", "−")
    return said
