"""The panel itself: which question is asked, of which stem, and the section that answers it."""

import ipywidgets as w

from mssviz._fetch import no_progress
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets.explorer.mask_controls import STYLE
from mssviz.widgets.explorer.questions import find_errors
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.why.boards import BoardSection
from mssviz.widgets.explorer.why.errors import ErrorSection
from mssviz.widgets.explorer.why.evidence import EvidenceSection
from mssviz.widgets.explorer.why.layers import LayerSection
from mssviz.widgets.explorer.why.parts import PartSection
from mssviz.widgets.explorer.why.section import Section
from mssviz.widgets.page import Reasons


class Why(w.VBox):
    """Sections for all questions, of which the chosen one is seen.

    Parameters
    ----------
    session
        Session that is asked.
    stage
        Stage on which answers are shown.

    Attributes
    ----------
    question : Dropdown
        Name of the section that is seen.
    stem : Dropdown
        Stem that is asked about.
    errors : ErrorSection
    parts : PartSection
    boards : BoardSection
    evidence : EvidenceSection
    layers : LayerSection
    """

    def __init__(self, session: Session, stage: Stage) -> None:
        self.stem = Dropdown(
            description="Stem", style=STYLE, layout={"width": "auto"},
            tooltip="Stem that is asked about",
        )  # fmt: skip
        self.parts = PartSection(session, stage, self.stem)
        self.errors = ErrorSection(session, stage, self.stem, self.parts)
        self.boards = BoardSection(session, stage, self.stem)
        self.evidence = EvidenceSection(session, stage, self.stem, self.parts)
        self.layers = LayerSection(session, stage, self.stem)
        self.sections: dict[str, Section] = {
            "errors": self.errors, "parts": self.parts, "boards": self.boards,
            "evidence": self.evidence, "layers": self.layers,
        }  # fmt: skip
        self.question = Dropdown(
            options=[(section.question, name) for name, section in self.sections.items()],
            description="Question", style=STYLE, layout={"width": "auto"},
            tooltip="What is asked about the result",
        )  # fmt: skip
        super().__init__([self.question, self.stem, *self.sections.values()])
        for name in ("mssviz-panel", "mssviz-panel-why", "mssviz-drawer-page"):
            self.add_class(name)
        self.question.observe(lambda _: self._show(), "value")
        self.stem.observe(lambda _: self._choose(), "value")
        self._session = session
        self._show()

    def fit(self, result: Result) -> None:
        """Be about a new, complete result."""
        targets = result.laboratory.separation.targets
        if self.stem.options != targets:
            chosen = self.stem.value if self.stem.value in targets else targets[0]
            self.stem.options, self.stem.value = targets, chosen
        for section in self.sections.values():
            section.fit(result)
            section.choose(result)

    def settled(self, result: Result) -> None:
        """Masks and stems of the result have changed."""
        for section in self.sections.values():
            section.settled(result)

    def reasons(self, result: Result) -> Reasons:
        """What a saved page says of the chosen stem, whose maps the picture has from then on.

        Raises
        ------
        ParameterError
            If its true stem is unknown.
        """
        stem = str(self.stem.value)
        for found in find_errors(result, stem, no_progress):
            said = self.errors.show(result, stem, found)
        return Reasons(stem, said, self.errors.regions, self.parts.mixer(result, stem))

    def _choose(self) -> None:
        result = self._session.result
        if result is not None and result.complete:
            for section in self.sections.values():
                section.choose(result)

    def _show(self) -> None:
        for name, section in self.sections.items():
            section.layout.display = None if name == self.question.value else "none"
