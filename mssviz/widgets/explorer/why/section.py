"""What the sections of the panel have in common."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import ipywidgets as w

from mssviz.plots import one_line
from mssviz.widgets._dropdown import Dropdown

if TYPE_CHECKING:
    from mssviz.widgets.explorer.result import Result
    from mssviz.widgets.explorer.session import Session
    from mssviz.widgets.explorer.stage import Stage


class Section(w.VBox):
    """One question, with what answers it.

    Parameters
    ----------
    session
        Session that is asked.
    stage
        Stage on which answers are shown.
    stem
        Picker of the stem that is asked about.
    children
        Widgets between the sentence that says what this is and those that say what was found.
    below
        Widgets below all that.
    """

    #: Question, as people choose it, and the sentence that explains it.
    question: ClassVar[str]
    explains: ClassVar[str]

    def __init__(
        self,
        session: "Session",
        stage: "Stage",
        stem: Dropdown,
        children: Sequence[w.Widget],
        below: Sequence[w.Widget] = (),
    ) -> None:
        self.session, self.stage, self.stem = session, stage, stem
        self.said = w.HTML()
        super().__init__([w.HTML(_paragraph(self.explains)), *children, self.said, *below])

    def fit(self, result: "Result") -> None:
        """Be about a new result."""

    def choose(self, result: "Result") -> None:
        """Be about the stem that has been chosen."""

    def settled(self, result: "Result") -> None:
        """Masks and stems of the result have changed."""

    def say(self, *sentences: str) -> None:
        """Say what was found."""
        self.said.value = f'<div role="status">{"".join(map(_paragraph, sentences))}</div>'


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(one_line(text, 500), False)}</p>"
