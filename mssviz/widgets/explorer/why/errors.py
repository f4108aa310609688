"""Where the decibels went: a map of a stem's error, and the regions that cost most."""

from collections.abc import Sequence

import ipywidgets as w

from mssviz.scores.error_maps import Advantage
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._layers import Layer
from mssviz.widgets._press import PressButton
from mssviz.widgets.explorer.lanes import error_of
from mssviz.widgets.explorer.mask_controls import STYLE
from mssviz.widgets.explorer.questions import Errors, find_errors
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.parts import ERRORS, PartSection
from mssviz.widgets.explorer.why.section import Section
from mssviz.widgets.regions import RegionList
from mssviz.widgets.spectrogram import SpectrogramView

_PARTS = ("error", "error of level", "error of phase")
_HEARD = {
    "Estimate": "Hear the estimate alone",
    "True stem": "Hear the true stem alone",
    "Error": "Hear the error alone: the estimate minus the true stem",
}


class ErrorSection(Section):
    """Finds where a stem's error lies.

    Attributes
    ----------
    find : PressButton
    part : Dropdown
        Map that is shown: of the whole error, of a part of it, or beside the second model's.
    regions : RegionList
    heard : dict
        Buttons by what they let one hear alone.
    """

    question = "Where did the decibels go?"
    explains = (
        "Each bin's error is its share of what the SDR lost: violet where there is too much "
        "(bleed), orange where something is missing (a hole)."
    )

    def __init__(self, session: Session, stage: Stage, stem: Dropdown, parts: PartSection) -> None:
        self._parts = parts  # which has the lanes
        self.find = PressButton(
            "Find errors", "Draw the error of this stem, and list what costs most", stem
        )
        self.part = Dropdown(
            options=_PARTS, description="Map", style=STYLE, layout={"width": "auto"},
            tooltip="Which part of the error the picture shows",
        )  # fmt: skip
        self.regions = RegionList()
        self.heard = {name: w.Button(description=name, tooltip=t) for name, t in _HEARD.items()}
        hearing = w.HBox([*self.heard.values()])
        hearing.add_class("mssviz-why-heard")
        self._found = w.VBox([self.part, self.regions, hearing])
        super().__init__(session, stage, stem, [self.find], [self._found])
        self.find.on_click(lambda _: self._ask())
        self.part.observe(lambda _: self._show_part(), "value")
        for name, each in self.heard.items():
            each.on_click(lambda _, name=name: self._hear(name))
        self._links: list[w.Widget] = []
        self._asked = ""
        self._clear()

    def fit(self, result: Result) -> None:
        """As `Section.fit`; what was found of the last result is found of this one, too."""
        self._part()  # from views that are closed
        if self._asked not in result.true_stems:
            self._clear()

    def choose(self, result: Result) -> None:
        """As `Section.choose`: errors can be found where the true stem is known."""
        known = self.stem.value in result.true_stems
        self.find.disabled = not known
        if not known:
            self.say(f"The true stem of {self.stem.value} is unknown, so its error is, too.")

    def settled(self, result: Result) -> None:
        """As `Section.settled`: finds the regions anew, if they were asked for."""
        if self._asked in result.true_stems:
            self._ask(self._asked)

    def close(self) -> None:
        """Close it, and what ties the list of regions to the picture."""
        self._part()
        super().close()

    def _part(self) -> None:
        for link in self._links:
            link.close()
        self._links = []

    def _clear(self) -> None:
        self._asked, self._found.layout.display = "", "none"
        self.say()

    def _ask(self, stem: str = "") -> None:
        is_press, stem = not stem, stem or str(self.stem.value)
        again, self._asked = stem == self._asked, stem
        self.session.ask(
            "find errors",
            lambda result, report: find_errors(result, stem, report),
            lambda result, found: self.show(result, stem, found, is_press),
            again=again,
        )

    def show(self, result: Result, stem: str, found: Errors, fresh: bool = False) -> Sequence[str]:
        """Show a stem's errors, unless another result is on the stage.

        Parameters
        ----------
        result
            Result that they are of.
        stem
            Name of the stem.
        found
            Answer of `find_errors`.
        fresh
            Whether the picture turns to them.

        Returns
        -------
        sequence of str
            Sentences that say what was found.
        """
        said, views = _in_words(stem, found, result.rival_name), self.stage.views
        if views is None or views.excerpt is not result:
            return said
        self._asked = stem
        maps = found.maps(result.rival_name)
        chosen = self.part.value if self.part.value in maps else _PARTS[0]
        shown = Layer("map", stem, chosen).name if fresh else ""
        views.show_maps({what: {stem: each} for what, each in maps.items()}, shown)
        with self.part.hold_trait_notifications():
            self.part.options = [*maps]
            self.part.value = chosen
        if not self._links:
            self._links = self.regions.follow(views.picture)
            views.picture.observe(lambda change: self._box(change["owner"]), "show")
        duration = len(result.mixture) / result.laboratory.params.sample_rate
        self.regions.set_regions(found.regions, result.offset, duration)
        self._box(views.picture)
        self._found.layout.display = None
        self.say(*said)
        return said

    def _show_part(self) -> None:
        views = self.stage.views
        name = Layer("map", self._asked, self.part.value).name
        if views is not None and name in views.picture.shows:
            views.picture.show = name

    def _box(self, picture: SpectrogramView) -> None:
        """Draw the regions over maps of the error, and over no other layer."""
        maps = {Layer("map", self._asked, part).name for part in self.part.options}
        picture.boxes = self.regions.boxes if picture.show in maps else []

    def _hear(self, what: str) -> None:
        """Let one of a stem's tracks be heard alone; its lane has them all from then on."""
        views, result = self.stage.views, self.session.result
        if views is None or result is None or views.excerpt is not result:
            return
        stem = self._asked
        played = {"Estimate": stem, "True stem": f"{stem} (true)", "Error": error_of(stem)}[what]
        self._parts.lanes.value = ERRORS
        assert views.mixer is not None
        for strip in views.mixer.strips:
            alone = strip["name"] == stem
            changes = {"shows": played, "muted": False} if alone else {}
            views.mixer.adjust(strip["name"], solo=alone, **changes)
        views.mixer.play()


def _in_words(stem: str, found: Errors, rival: str) -> list[str]:
    errors = found.error_map
    said = [
        f"{stem}: SDR {errors.sdr:.2f} dB over the whole excerpt. Of the error, "
        f"{errors.too_much:.0%} is too much and {errors.missing:.0%} is missing; "
        f"{errors.phase:.0%} is wrong phase, the rest wrong level."
    ]
    if found.advantage is not None:
        said.append(_compared(found.advantage, rival))
    said.append("Repair the bins of a region, and SDR rises by at least as much as it says:")
    return [text.replace("-", "−") for text in said[:1]] + said[1:]


def _compared(advantage: Advantage, rival: str) -> str:
    return (
        f"That is {advantage.total_db:+.2f} dB beside {rival}; the better one in each bin would "
        f"reach {advantage.best_of_both_db:.2f} dB."
    )
