"""What a score is made of: the parts of an estimate, each on a lane of its own."""

from mssviz._fetch import no_progress
from mssviz.scores.components import Components, Decomposition
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets.explorer.lanes import Lanes, error_lanes, stem_lanes
from mssviz.widgets.explorer.mask_controls import STYLE
from mssviz.widgets.explorer.questions import captions, parts_of, selected_parts, take_apart
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.scoring import LEAST_REFERENCES
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.section import Section
from mssviz.widgets.mixer import Mixer

#: What the lanes can play.
STEMS, ERRORS, PARTS = "stems", "errors", "parts"


class PartSection(Section):
    """Chooses what the lanes play.

    Attributes
    ----------
    lanes : Dropdown
        ``"stems"``, ``"errors"`` (stems with errors and residual), or ``"parts"``.
    version : Dropdown
        Version of BSS Eval by which parts are made, 4 or 3.
    """

    question = "What is the score made of?"
    explains = (
        "BSS Eval splits an estimate into target, spatial error, interference and artefacts: as "
        "lanes, at their true level, they are what SDR, ISR, SIR and SAR compare."
    )

    def __init__(self, session: Session, stage: Stage, stem: Dropdown) -> None:
        self.lanes = Dropdown(
            options=[
                ("the stems", STEMS),
                ("the stems, their errors and the residual", ERRORS),
                ("the parts of this stem", PARTS),
            ],
            description="Lanes", style=STYLE, layout={"width": "auto"},
            tooltip="What the lanes play",
        )  # fmt: skip
        self.version = Dropdown(
            options=[("4 (filters of the whole song)", 4), ("3 (filters of each window)", 3)],
            description="BSS Eval", style=STYLE, layout={"width": "auto"},
            tooltip="Version of BSS Eval by which parts are made",
        )  # fmt: skip
        super().__init__(session, stage, stem, [self.lanes, self.version])
        self._taken: tuple[str, Decomposition] | None = None
        for control in (self.lanes, self.version):
            control.observe(lambda _: self.play(), "value")

    def choose(self, result: Result) -> None:
        """As `Section.choose`; another result is played as the last one was, too."""
        self._taken = None
        if self.lanes.value != STEMS:
            self.play()

    def settled(self, result: Result) -> None:
        """As `Section.settled`: parts are made anew of the stems as they are."""
        self._taken = None
        if self.lanes.value == PARTS:
            self._ask(again=True)

    def selected(self) -> None:
        """Say the scores of the part that is selected; the sound stays."""
        if self._taken is None or self.lanes.value != PARTS:
            return
        taken = self._taken
        self.session.ask(
            "score the selection",
            lambda result, _: iter([selected_parts(result, *taken)]),
            self._show_scores,
        )

    def mixer(self, result: Result, stem: str) -> Mixer | None:
        """A mixer of a stem's parts, for a saved page; None where they cannot be made."""
        if _too_few(result) or stem not in result.true_stems:
            return None
        [taken] = take_apart(result, stem, self.version.value, no_progress)
        tracks, selected = parts_of(result, stem, taken)
        mixer = Mixer(tracks, result.params.sample_rate, offset=result.offset)
        mixer.captions = captions(selected)
        mixer.close()  # no page of a notebook shows it
        return mixer

    def play(self) -> None:
        """Let the lanes play what is chosen, also where another section has had them."""
        result = self.session.result
        if result is None or not result.complete:
            return
        self.say()
        if self.lanes.value == STEMS:
            self.stage.show_lanes(stem_lanes(result))
        elif self.lanes.value == ERRORS:
            self.stage.show_lanes(error_lanes(result))
        else:
            self._ask()

    def _ask(self, again: bool = False) -> None:
        result, stem, version = self.session.result, str(self.stem.value), self.version.value
        if result is None or stem not in result.true_stems or _too_few(result):
            self.say(
                f"Parts of {stem} cannot be made: its true stem and {LEAST_REFERENCES - 1} other "
                "must be known."
            )
            return
        self.session.ask(
            "take stems apart",
            lambda result, report: take_apart(result, stem, version, report),
            lambda result, taken: self._take(result, stem, taken),
            again,
        )

    def _take(self, result: Result, stem: str, taken: Decomposition) -> None:
        views = self.stage.views
        if views is None or views.excerpt is not result or self.lanes.value != PARTS:
            return
        self._taken = stem, taken
        tracks, selected = parts_of(result, stem, taken)
        self.stage.show_lanes(Lanes(tracks=tracks, captions={}))
        self._show_scores(result, selected)

    def _show_scores(self, result: Result, parts: Components) -> None:
        views = self.stage.views
        if self._taken is None or views is None or views.excerpt is not result:
            return
        views.caption_lanes(captions(parts))
        part = "the selection" if result.selection else "the excerpt"
        self.say(
            f"The lanes add up to the estimate of {self._taken[0]}; mute the target to hear its "
            f"error. Their scores are of {part}, as one window."
        )


def _too_few(result: Result) -> bool:
    return len(result.true_stems) < LEAST_REFERENCES
