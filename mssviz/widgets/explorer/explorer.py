"""The explorer as one widget: its session, controls and stage, joined."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from mssviz._memory import give_back
from mssviz._typing import PathLike, Waveform
from mssviz.errors import ParameterError
from mssviz.separation import Separation, in_words
from mssviz.separation.editing import MaskEditor
from mssviz.separation.laboratory import Laboratory
from mssviz.separators import entry, options_of
from mssviz.widgets import _static
from mssviz.widgets._box import Box, running_cell
from mssviz.widgets._figure import figure_of
from mssviz.widgets._still import Still
from mssviz.widgets.explorer.choice import DEFAULT_SECONDS
from mssviz.widgets.explorer.controls import MASK_PARTS, Controls
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.saving import Shown, save
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.stage import Stage
from mssviz.widgets.explorer.tour import Tour
from mssviz.widgets.explorer.why import Why
from mssviz.widgets.explorer.work import Listener, Status
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.page import save_page
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    import pandas as pd

_STYLES = ("explorer.css", "notice.css", "score_table.css")
#: Arrangements of the page.
LAYOUTS = ("full", "lecture", "compact")


def explore(
    song: PathLike | None = None, model: str = "spleeter:2stems", **options: Any
) -> "Explorer":
    """Make an explorer; it is displayed as the last expression of a cell.

    Parameters
    ----------
    song
        Path of a sound file or of a folder with the stems of a song, or name of an example (see
        `datasets.examples`); the shipped excerpt if left out.
    model
        Name of a preset, or of a model without weights, see `mssviz.models`.
    options
        Further arguments of `Explorer`: ``compare``, ``offset``, ``duration``, ``layout``, and any
        of `MaskOptions`.

    Notes
    -----
    Running a cell again closes the explorer that it made before. Elsewhere, `Explorer.close` frees
    what an explorer holds.

    Examples
    --------
    >>> explorer = mssviz.explore(duration=4, hardness=0.5)
    >>> explorer  # the last expression of a cell shows it
    Explorer(...)
    >>> explorer.close()
    """
    return Explorer(song, model, **options)


class Explorer(Box):
    """A widget around one `Laboratory`; what it shows can be had in Python, too.

    When it is displayed, it reads the song, whose mixture can be seen and heard before anything is
    separated. A result stays until the next one is complete: a run that fails or is cancelled
    changes nothing.

    Parameters
    ----------
    song, model
        Song and model, as in `explore`.
    compare
        Name of a second model, whose masks and stems are shown beside the first one's.
    offset
        Beginning of the excerpt, in seconds, 0 or more.
    duration
        Length of the excerpt, in seconds, 0.1 or more, or as far as the song goes; None for all of
        it.
    layout
        Arrangement of the page: ``"full"``; ``"lecture"`` has large letters, strong colours and few
        controls; ``"compact"`` has lower lanes, for small screens.
    options
        Any of `MaskOptions`, as far as the sliders go; the model's own where left out.

    Attributes
    ----------
    controls : Controls
        Pickers, buttons and sliders by name: ``explorer.controls.power.value = 4``,
        ``explorer.controls.undo.click()``.
    session : Session
        Session that does the work: ``explorer.session.paint(stroke)``.
    stage : Stage
        Stage on which the result is shown.
    still : Still
        Picture of it in the notebook's file.
    why : Why
        Panel that asks why: ``explorer.why.errors.find.click()``.

    Raises
    ------
    ParameterError
        If a value is outside its domain, or there is no such model.
    AudioError
        If there is no such song.

    Examples
    --------
    >>> explorer = mssviz.Explorer(model="repet-sim", duration=2)
    >>> separation = explorer.separate()
    >>> explorer.controls.hardness.value = 1.0
    >>> explorer.wait()
    >>> explorer.separation.options.hardness
    1.0
    >>> page = explorer.save_html("page.html")
    >>> explorer.close()
    """

    def __init__(
        self,
        song: PathLike | None = None,
        model: PathLike = "spleeter:2stems",
        *,
        compare: PathLike | None = None,
        offset: float = 0.0,
        duration: float | None = DEFAULT_SECONDS,
        layout: str = "full",
        **options: Any,
    ) -> None:
        if layout not in LAYOUTS:
            raise ParameterError(f"layout must be one of {', '.join(LAYOUTS)} (got {layout!r})")
        if compare:
            entry(compare)  # an unknown name is an error, not another's picker
        chosen = options_of(model, options)
        controls = Controls(song, str(model), str(compare or ""), offset, duration, chosen)
        self.controls, self.stage, self.still = controls, Stage(), Still()
        self.session = Session(_Display(self))
        self.why = Why(self.session, self.stage)
        self._on_page = False
        style = w.HTML(f"<style>{_static.style(*_STYLES)}</style>")
        deck = w.VBox([controls.row, controls.status, *controls.panels, self.why, self.stage])
        deck.add_class("mssviz-deck")
        controls.status.add_class("mssviz-status")
        # for who comes for the first time; a lecture and a small screen have no room for it
        tour = [Tour()] if layout == "full" else []
        super().__init__([style, deck, *tour], "Explorer of a song's separation")
        for name in ("mssviz-explorer", f"mssviz-layout-{layout}", self.still.name):
            self.add_class(name)
        self._connect()
        self.take_place()

    # --- use from code ------------------------------------------------------------------------

    def separate(self) -> Separation:
        """Separate the chosen excerpt and wait for the result.

        Raises
        ------
        MssvizError
            If it fails, as the page shows in its status line.
        """
        return self.session.separate(self.controls.choice())

    def cancel(self) -> None:
        """Stop the work in progress at the next patch."""
        self.session.cancel()

    def wait(self) -> None:
        """Wait until all work is done that was started on the page, scores and picture included."""
        self.session.wait()
        self.still.wait()

    def withdraw(self) -> None:
        """End all work and close every widget; results stay."""
        self.session.end()
        self.still.close()
        if self.stage.views is not None:
            self.stage.views.close()
        super().withdraw()

    def close(self) -> None:
        """End all work, close every widget, and let go of songs, models and results."""
        if "session" in vars(self):  # not there if the constructor refused its arguments
            self.withdraw()
            self.session.close()
            self.stage.views = None
            give_back()

    @property
    def status(self) -> str:
        """Text of the status line: warnings, or why the work has failed."""
        return "\n".join(self.session.status.messages)

    @property
    def laboratory(self) -> Laboratory | None:
        """The excerpt with its present masks and stems; None before the first run's end."""
        return self.session.laboratory

    @property
    def rival(self) -> Separation | None:
        """Separation of the excerpt by the second model."""
        return self.session.result.rival if self.session.result else None

    @property
    def view(self) -> SpectrogramView | None:
        """Picture of the result, or of the mixture before there is one."""
        return self.stage.views.picture if self.stage.views else None

    @property
    def mixer(self) -> Mixer | None:
        """Mixer of the result, or of the mixture before there is one."""
        return self.stage.views.mixer if self.stage.views else None

    @property
    def score_view(self) -> ScoreView | None:
        """Course of the scores, once they are measured."""
        return self.stage.views.score_view if self.stage.views else None

    @property
    def scores(self) -> "pd.DataFrame | None":
        """Scores window by window, of the selected part or else of the whole excerpt.

        They are None where true stems are unknown; ``time`` counts from the excerpt's beginning.
        """
        result = self.session.result
        return result.scores.windows if result and result.scores else None

    @property
    def separation(self) -> Separation | None:
        """What is seen and heard now, strokes included, sample for sample; it stays as it is."""
        return self.laboratory.heard if self.laboratory else None

    @property
    def editor(self) -> MaskEditor | None:
        """Editor with the masks that are shown and heard, strokes of the brush included."""
        return self.laboratory.editor if self.laboratory else None

    @property
    def references(self) -> dict[str, Waveform] | None:
        """True stems of the excerpt, where known."""
        return (self.laboratory.references or None) if self.laboratory else None

    @property
    def estimates(self) -> dict[str, Waveform]:
        """Stems that the present masks, strokes included, let through; later changes reach them."""
        return self.session.complete_result().laboratory.estimates

    def save(
        self,
        what: str,
        path: PathLike | None = None,
        format: str | None = None,  # noqa: A002, what people call it
        overwrite: bool = False,
    ) -> Path:
        """Write what is shown or heard to a file, which is complete or not there.

        Parameters
        ----------
        what
            ``"stems"``, ``"mix"`` (what the mixer plays), ``"karaoke"`` (all but the vocals),
            ``"masks"``, ``"page"``, ``"page with reasons"`` (see `save_html`), ``"picture"`` (of
            what is in view), ``"scores"`` or ``"script"`` (the Python that makes all this).
        path
            Path of the file; if left out, it gets the song's name, in the present folder.
        format
            ``"wav"``, ``"flac"``, ``"mp3"`` or ``"ogg"`` for sound, ``"png"`` or ``"svg"`` for the
            picture; as the path ends, or else the first, if left out.
        overwrite
            Whether a file of that name is replaced.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        ParameterError
            If there is nothing of the kind, or no such format.
        FileError
            If a file has that name already, or it cannot be written.
        """
        result, views = self.session.complete_result(), self.stage.views
        if result.settings is None:
            raise ParameterError("masks are being made: save again when they are done")
        assert views is not None
        assert views.mixer is not None
        picture = views.picture
        shown = Shown(
            result, views.mixer.mix, self.save_html, lambda: figure_of(picture, result.title)
        )
        return save(shown, what, path, format, overwrite)

    def save_html(self, path: PathLike, reasons: bool = False) -> Path:
        """Write what is shown as one HTML file that works without a kernel or a network.

        Parameters
        ----------
        path
            Path of the file. Spectrograms, masks, readout, mixer and scores work in it; levels and
            masks are rounded to 8 bits, as the file says.
        reasons
            Whether it has the error map of the stem that the panel Why? is about, the regions that
            cost most, and the parts of its scores as sounds, too; its true stem must be known.
        """
        result, views = self.session.complete_result(), self.stage.views
        assert views is not None
        assert views.mixer is not None
        return save_page(
            path, result.title, views.picture, views.mixer, views.score_view,
            self.stage.score_table.value, _said_of_masks(result.laboratory),
            self.why.reasons(result) if reasons else None,
        )  # fmt: skip

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """As any widget; while people look at the page, the song is read and the network built."""
        if not self._on_page:
            self._on_page = True
            for control in self.controls.choice_controls():
                control.observe(lambda _: self._look(), "value")
        self._look()
        self.session.warm_up(self.controls.model.value)
        return super()._repr_mimebundle_(**options)

    def _look(self) -> None:
        """Show what is chosen, as far as nothing is separated."""
        self.session.look_at(choice := self.controls.choice())
        self.stage.show_choice(self.session.result, choice)
        self.stage.keep_room(self.controls.model.value)

    def _ipython_display_(self) -> None:
        """Show it, and in a notebook what is seen in its place when the file is opened again."""
        from IPython.display import display

        if self.comm is None:
            raise NotImplementedError("closed: IPython shows its name")
        bundle = self._repr_mimebundle_()
        kept = running_cell() is not None
        # where there is no widget, no text of it stands above the picture
        display(bundle | {"text/html": ""} if kept else bundle, raw=True)
        if kept:
            self.still.display()
            self.refresh_still()

    def refresh_still(self) -> None:
        """Draw what is shown into the notebook's file, in a moment."""
        picture = self.view
        if picture is not None and self.laboratory is not None:
            title = self.session.complete_result().title
            self.still.refresh(lambda: figure_of(picture, title), f"Spectrogram of {title}")

    def _connect(self) -> None:
        controls, session = self.controls, self.session
        controls.separate.on_click(lambda _: session.begin(controls.choice()))
        controls.cancel.on_click(lambda _: session.cancel())
        controls.undo.on_click(lambda _: session.undo())
        controls.redo.on_click(lambda _: session.redo())
        controls.save.on_save(lambda what, chosen: self.save(what, format=chosen))
        session.set_options(**controls.options())
        for control in controls.option_controls():
            control.observe(lambda _: session.set_options(**controls.options()), "value")


def _said_of_masks(laboratory: Laboratory) -> str:
    """What masks were made with, and what of them is heard, if that is not all."""
    separation, part = laboratory.separation, laboratory.mask_part
    said = in_words(separation.options, separation.prediction.kind.usable(separation.options))
    heard = "" if part == "whole" else f"heard of them: {MASK_PARTS[part]}"
    return "; ".join(filter(None, [said, heard]))


class _Display(Listener):
    """Shows on an explorer's controls and stage what its session tells."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        # scores come in a thread of their own, in which another may take away what they belong to
        self._turn = threading.Lock()

    def status_changed(self, status: Status) -> None:
        self._explorer.controls.show_status(status)
        self._explorer.say(status.told)

    def excerpt_changed(self, excerpt: Excerpt | None) -> None:
        explorer = self._explorer
        with self._turn:
            new = explorer.stage.show(excerpt)
        if new is not None:
            session, controls, picture = explorer.session, explorer.controls, new.picture
            new.on_stroke(lambda stroke: session.paint(stroke, controls.sum_to_one.value))
            new.on_select(lambda part: self._select(part) if explorer.view is picture else None)
            picture.observe(lambda _: explorer.refresh_still(), ["show", *picture.settings])

    def _select(self, part: Sequence[float] | None) -> None:
        self._explorer.session.select(part)
        self._explorer.why.parts.selected()

    def result_changed(self, result: Result | None) -> None:
        explorer = self._explorer
        self.excerpt_changed(result)
        if result is not None and result.complete:
            explorer.controls.fit(result.model, bool(result.laboratory.references))
            explorer.why.fit(result)
            self.settled(result)

    def masks_changed(self, frames: slice) -> None:
        if self._explorer.stage.views:
            self._explorer.stage.views.repaint(frames)

    def sound_changed(self, samples: slice) -> None:
        if self._explorer.stage.views:
            self._explorer.stage.views.resound(samples)

    def settled(self, result: Result) -> None:
        self._explorer.controls.show_strokes(result.laboratory.editor)
        self._explorer.why.settled(result)
        self._explorer.refresh_still()

    def scores_changed(self, result: Result, measuring: bool) -> None:
        with self._turn:
            self._explorer.stage.show_scores(result, measuring)
