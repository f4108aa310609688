"""Why a bin has its mask: the part of the input that carries it, seen and heard."""

import ipywidgets as w

from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._layers import Layer
from mssviz.widgets._press import PressButton
from mssviz.widgets.explorer.lanes import Lanes
from mssviz.widgets.explorer.mask_controls import STYLE
from mssviz.widgets.explorer.questions import EVIDENCE_SHARE, Explained, explain
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.parts import PartSection
from mssviz.widgets.explorer.why.section import Section

#: Map of evidence among the picture's layers, and its track among the lanes.
EVIDENCE = "evidence"
_METHODS = [
    ("gradient × input (at once)", "gradient"),
    ("occlusion (refines)", "occlusion"),
    ("integrated gradients (slow)", "integrated"),
]


class EvidenceSection(Section):
    """Asks the network about the bin that is pinned.

    Attributes
    ----------
    method : Dropdown
    explain : PressButton
    hear : ToggleButton
        Whether the lanes play the evidence.
    """

    question = "Why this bin?"
    explains = (
        "Pin a bin (Alt+click, or the key P), and ask which part of the input carries its mask. "
        "Such pictures tell what the answer would change with, not how the network reasons."
    )

    def __init__(self, session: Session, stage: Stage, stem: Dropdown, parts: PartSection) -> None:
        self._parts = parts  # which has the lanes at other times
        self.method = Dropdown(
            options=_METHODS, description="Method", style=STYLE, layout={"width": "auto"},
            tooltip="How evidence is found; Cancel stops it at any time",
        )  # fmt: skip
        self.explain = PressButton("Explain the pinned bin", "Draw what speaks for the stem there")
        self.hear = w.ToggleButton(
            description="Hear only the evidence", disabled=True, layout={"width": "auto"},
            tooltip="Let the lanes play the mixture restricted to the evidence",
        )  # fmt: skip
        super().__init__(session, stage, stem, [self.method, self.explain, self.hear])
        self._found: tuple[Result, Explained] | None = None
        self.explain.on_click(lambda _: self.ask())
        self.hear.observe(lambda _: self._hear(), "value")

    def fit(self, result: Result) -> None:
        """As `Section.fit`: evidence is of one network's answer, and goes with it."""
        self._found, self.hear.value, self.hear.disabled = None, False, True
        if self.stage.views is not None:
            picture = self.stage.views.picture
            self.explain.carry((self.stem, "value"), (self.method, "value"), (picture, "pinned"))
        self.say()

    def ask(self) -> None:
        """Explain the bin that is pinned."""
        views, result = self.stage.views, self.session.result
        if views is None or result is None or views.excerpt is not result:
            self.say("Press Separate first: there is no mask yet.")
            return
        if views.picture.pinned is None:
            self.say("No bin is pinned: Alt+click on the picture, or the key P, pins one.")
            return
        stem, method = str(self.stem.value), str(self.method.value)
        seconds, hertz = views.picture.pinned
        place = seconds - result.offset, hertz
        self.session.ask(
            "explain",
            lambda result, report: explain(result, stem, place, method, report),
            lambda result, found: self._show(result, stem, found),
        )

    def _show(self, result: Result, stem: str, found: Explained) -> None:
        views = self.stage.views
        if views is None or views.excerpt is not result:
            return
        first = self._found is None or self._found[1].pointed is not found.pointed
        self._found = result, found
        shown = Layer("map", stem, EVIDENCE).name if first else ""
        views.show_maps({EVIDENCE: {stem: found.signed_map(result, stem)}}, shown)
        views.picture.boxes = [_box(result, found)]
        self.hear.disabled = False
        self.say(*_in_words(result, stem, found))
        if self.hear.value:
            self._hear()

    def _hear(self) -> None:
        views, result = self.stage.views, self.session.result
        if self._found is None or views is None or result is not self._found[0]:
            return
        if not self.hear.value:
            self._parts.play()
            return
        tracks = {"mixture": result.mixture, EVIDENCE: self._found[1].sound()}
        lanes = Lanes(tracks=tracks, muted=frozenset(["mixture"]), captions={})
        self.stage.show_lanes(lanes).play()


def _box(result: Result, found: Explained) -> dict[str, object]:
    (start, stop), (low, high) = found.field
    seconds = len(result.mixture) / result.params.sample_rate
    return {
        "start": max(0.0, start) + result.offset, "stop": min(stop, seconds) + result.offset,
        "low": low, "high": high, "label": "receptive field",
    }  # fmt: skip


def _in_words(result: Result, stem: str, found: Explained) -> list[str]:
    pointed, evidence = found.pointed, found.evidence
    n_bins = int(evidence.carrying(EVIDENCE_SHARE).sum()) // evidence.values.shape[2]
    said = (
        f"{pointed.time + result.offset:.2f} s, {pointed.frequency:.0f} Hz: the odds of {stem} are "
        f"{evidence.odds_db:+.1f} dB. {EVIDENCE_SHARE:.0%} of what speaks for it lies in {n_bins} "
        "bins; nothing outside the box can matter."
    )
    rest = evidence.rest_db
    unexplained = f"{abs(rest):.1f} dB of the odds are left unexplained." if rest == rest else ""
    return [text.replace(" -", " −") for text in (said, unexplained) if text]
