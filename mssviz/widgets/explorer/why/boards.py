"""How leaderboards would rank a result: measures of the whole excerpt, bleed and holes."""

import html

import ipywidgets as w

from mssviz.plots import one_line
from mssviz.scores.table import MEASURES
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._layers import Layer
from mssviz.widgets._press import PressButton
from mssviz.widgets.explorer.questions import Marks, find_bleed, measure_whole
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.section import Section
from mssviz.widgets.signed_map import SignedMap

#: Name of the map, which says how its colours are meant.
BLEED = "bleed and holes"


class BoardSection(Section):
    """Measures stems as boards do.

    Attributes
    ----------
    measure : PressButton
    bleed : PressButton
        Draws where the chosen stem is louder and softer than the true one.
    table : HTML
        A row for each measure, a column for each stem whose true one is known.
    """

    question = "How would boards rank it?"
    explains = (
        "Leaderboards rank by measures of whole songs, of which each rewards something else: "
        "uSDR is theirs, SDR in the lanes is a median of windows."
    )

    def __init__(self, session: Session, stage: Stage, stem: Dropdown) -> None:
        self.measure = PressButton("Measure the whole excerpt", "Every measure of each known stem")
        self.table = w.HTML()
        self.bleed = PressButton(
            "Draw bleed and holes", "Where this stem is louder than the true one, and where softer",
            stem,
        )  # fmt: skip
        super().__init__(session, stage, stem, [self.measure, self.bleed], [self.table])
        self.measure.on_click(lambda _: self._ask())
        self.bleed.on_click(lambda _: self._draw(str(self.stem.value)))
        self._asked, self._drawn = False, ""

    def fit(self, result: Result) -> None:
        """As `Section.fit`: another song may have no true stems."""
        if not result.true_stems:
            self._asked, self.table.value = False, ""
        if self._drawn not in result.true_stems:
            self._drawn = ""
        self.measure.disabled = not result.true_stems
        self.say(*([] if result.true_stems else ["No true stem of this song is known."]))

    def choose(self, result: Result) -> None:
        """As `Section.choose`: bleed can be drawn where the true stem is known."""
        self.bleed.disabled = self.stem.value not in result.true_stems

    def settled(self, result: Result) -> None:
        """As `Section.settled`: what was measured and drawn is measured and drawn anew."""
        if self._asked:
            self._ask(again=True)
        if self._drawn:
            self._draw(self._drawn)

    def _ask(self, again: bool = False) -> None:
        self._asked = True
        self.session.ask(
            "measure as boards do", measure_whole, lambda _, found: self._show(found), again
        )

    def _draw(self, stem: str) -> None:
        fresh, self._drawn = stem != self._drawn, stem
        self.session.ask(
            "compare levels",
            lambda result, report: find_bleed(result, stem, report),
            lambda result, found: self._show_bleed(result, stem, found, fresh),
            again=not fresh,
        )

    def _show_bleed(self, result: Result, stem: str, found: SignedMap, fresh: bool) -> None:
        views = self.stage.views
        if views is not None and views.excerpt is result:
            shown = Layer("map", stem, BLEED).name if fresh else ""
            views.show_maps({BLEED: {stem: found}}, shown)
            if fresh:
                views.picture.boxes = []  # of another map
            self.say(
                f"{stem}: violet is louder than the true stem (bleed), orange softer (a hole); the "
                f"strongest colours stand for {found.peak_db:.0f} dB and more. Levels count down "
                "to 80 dB below each signal's own loudest place."
            )

    def _show(self, marks: Marks) -> None:
        head = "".join(f"<th>{html.escape(one_line(name, 40))}</th>" for name in marks)
        rows = (_row(name, marks) for name in next(iter(marks.values())))
        self.table.value = (
            f'<table class="mssviz-scores"><tr><th></th>{head}</tr>{"".join(rows)}</table>'
        )


def _row(name: str, marks: Marks) -> str:
    measure = MEASURES[name]
    values = "".join(f"<td>{marks[stem][name]:.2f}</td>" for stem in marks).replace("-", "−")
    unit = f" ({measure.scale.unit})" if measure.scale.unit else ""
    return f'<tr><th title="{html.escape(measure.help)}">{name}{unit}</th>{values}</tr>'
