"""The explorer: pick a model and a song, separate, look at masks, listen to stems, measure."""

import gc
import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssviz import baselines, datasets
from mssviz._typing import PathLike, Waveform
from mssviz._worker import Worker
from mssviz.errors import Cancelled, MssvizError, ParameterError
from mssviz.laboratory import Laboratory
from mssviz.mask_editing import MaskEditor, Stroke
from mssviz.presets import Preset
from mssviz.separate import Model
from mssviz.separation import Separation
from mssviz.widgets._controls import (
    DEFAULT_SECONDS,
    Busy,
    Controls,
    alert,
    band_khz,
)
from mssviz.widgets._result import Result
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.page import save_page
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    import pandas as pd

#: Between parts of a long excerpt, in which the kernel answers the widgets.
PAUSE_SECONDS = 0.1


def explore(
    song: PathLike | None = None, model: str = "spleeter:2stems", **options: Any
) -> "Explorer":
    """Make an explorer; display it as a cell's last expression.

    Parameters
    ----------
    song
        A sound file, a folder with the stems of a song, or the name of an example (see
        `datasets.examples`); the shipped excerpt if left out.
    model
        Name of a preset, or of a model without weights, see `baselines.names`.
    options
        Of `Explorer`: ``compare``, ``offset``, ``duration``, ``power``, ``extension``, ``mwf``.

    Notes
    -----
    Running a cell again closes the explorer that it made before. Elsewhere, `Explorer.close` frees
    what one holds.
    """
    return Explorer(song, model, **options)


class Explorer(Controls):
    """Widget around one `Laboratory`; what it shows can be had in Python, too.

    A result stays until the next one is complete: a run that fails or is cancelled changes nothing.

    Parameters
    ----------
    song, model
        As in `explore`.
    compare
        Name of a second model, whose masks and stems are set beside the model's.
    offset
        Beginning of the excerpt, in seconds, 0 or more.
    duration
        Its length, in seconds, 0.1 or more, or as far as the song goes; None for all of it.
    power
        Exponent of the ratio masks, 0.5 to 8.
    extension
        ``"zeros"`` or ``"average"`` above the modelled band.
    mwf
        Iterations of the multichannel Wiener filter, at most 5; 0 for soft masks.

    Raises
    ------
    ParameterError
        If a value is outside its domain, or there is no such model.
    AudioError
        If there is no such song.
    """

    def __init__(
        self,
        song: PathLike | None = None,
        model: PathLike = "spleeter:2stems",
        *,
        compare: PathLike | None = None,
        offset: float = 0.0,
        duration: float | None = DEFAULT_SECONDS,
        power: float = 2.0,
        extension: str = "zeros",
        mwf: int = 0,
    ) -> None:
        self._result: Result | None = None
        self._models: dict[tuple[str, tuple[str, ...]], Model] = {}
        self._work, self._scoring = Worker(), Worker()
        for name in (model, compare):
            if name:
                baselines.describe(name)  # an unknown name is an error here, not another's picker
        super().__init__(
            song, str(model), str(compare or ""), offset, duration, power, extension, mwf
        )
        self._connect()
        self.take_place()

    # --- the same from code -------------------------------------------------------------------

    def separate(self) -> Separation:
        """Separate the chosen excerpt and wait for the result.

        Raises
        ------
        MssvizError
            What the page shows in its status line.
        """
        if self.comm is None:
            raise ParameterError("this explorer is closed: make another one")
        failures: list[BaseException] = []
        self._start(failures.append)
        try:
            self.wait()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if failures:
            raise failures[0]
        return self._separated().laboratory.separation

    def cancel(self) -> None:
        """Stop the work in progress at the next patch."""
        self._work.cancel()

    def wait(self) -> None:
        """Wait until the work started by a button, a slider or the brush is done, scores too."""
        self._work.wait()
        self._scoring.wait()

    def withdraw(self) -> None:
        """End all work and close every widget; what was found stays."""
        self._work.close()
        self._scoring.close()
        if self._result is not None:
            self._result.close()
        super().withdraw()

    def close(self) -> None:
        """End all work, close every widget, and let go of songs, models and results."""
        if "_work" in vars(self):  # not of one that was refused
            self.withdraw()
            self._result = None
            self._models = {}

    @property
    def laboratory(self) -> Laboratory | None:
        """The excerpt with its present masks and stems; None before the first run's end."""
        return self._result.laboratory if self._result and self._result.complete else None

    @property
    def rival(self) -> Separation | None:
        """What the second model made of it."""
        return self._result.rival if self._result else None

    @property
    def view(self) -> SpectrogramView | None:
        """The picture."""
        return self._result.view if self._result else None

    @property
    def mixer(self) -> Mixer | None:
        """The mixer."""
        return self._result.mixer if self._result else None

    @property
    def score_view(self) -> ScoreView | None:
        """The scores' course, once they are measured."""
        return self._result.score_view if self._result else None

    @property
    def scores(self) -> "pd.DataFrame | None":
        """Scores window by window, of the selected part or else of the whole excerpt.

        None where true stems are unknown; ``time`` counts from the excerpt's beginning.
        """
        return self._result.scores if self._result else None

    @property
    def separation(self) -> Separation | None:
        """Of the last run, with the present options."""
        return self.laboratory.separation if self.laboratory else None

    @property
    def editor(self) -> MaskEditor | None:
        """The masks that are shown and heard, strokes of the brush included."""
        return self.laboratory.editor if self.laboratory else None

    @property
    def references(self) -> dict[str, Waveform] | None:
        """True stems of the excerpt, where known."""
        return (self.laboratory.references or None) if self.laboratory else None

    @property
    def estimates(self) -> dict[str, Waveform]:
        """Stems that the present masks, strokes included, let through."""
        return self._separated().laboratory.estimates

    def save_html(self, path: PathLike) -> Path:
        """Write what is shown as one HTML file that works without a kernel or a network.

        Parameters
        ----------
        path
            Of the file. Spectrograms, masks, readout, mixer and scores work in it; levels and
            masks are rounded to 8 bits, which it says.
        """
        result = self._separated()
        assert result.mixer is not None
        return save_page(
            path, result.title, result.view, result.mixer, result.score_view,
            self._score_table.value,
        )  # fmt: skip

    def _separated(self) -> Result:
        if self._result is None or not self._result.complete:
            raise ParameterError("nothing is separated yet: call separate() or press the button")
        return self._result

    def _connect(self) -> None:
        self._go.on_click(lambda _: self._start())
        self._cancel.on_click(lambda _: self.cancel())
        for control in (*self._of_masks, self._phase):
            control.observe(lambda _: self._work.do(self._remask, "remask"), "value")
        self._undo.on_click(lambda _: self._change(MaskEditor.undo, MaskEditor.redo))
        self._redo.on_click(lambda _: self._change(MaskEditor.redo, MaskEditor.undo))

    # --- separating ---------------------------------------------------------------------------

    def _start(self, fail: Callable[[BaseException], object] = lambda _: None) -> None:
        """Separate when what was begun before is done; `fail` is given the error, if any."""

        def work() -> None:
            try:
                self._separate()
            except BaseException as error:
                fail(error)
                raise

        self._work.do(work, "separate")

    def _separate(self) -> None:
        with Busy(self):
            gc.collect()  # explorers that are gone may still hold as much as this one will
            model, rival = self._chosen_models()
            with self._noting():
                result = self._begin(model, rival)
            try:
                self._run(result, model, rival)
                self._put(result, model.preset)
            except BaseException:
                self._drop(result)
                raise
        self._measure_later()

    def _chosen_models(self) -> tuple[Model, Model | None]:
        name, other = self._model.value, self._rival.value
        if other and baselines.describe(other).stft != baselines.describe(name).stft:
            raise ParameterError(
                f"{other} and {name} work at different sample rates or windows, so their masks "
                "cannot be laid over each other; compare others, or use mssviz.compare"
            )
        model = self._find(name)
        return model, self._find(other, model.targets) if other else None

    def _begin(self, model: Model, rival: Model | None) -> Result:
        """Read the song and check everything, before the network runs."""
        offset, title = self._offset.value, self._title()
        mixture, found, repairs = self._load(model.sample_rate)
        # as many channels as the mixture will have
        sources = {n: model.prepared(stem, model.sample_rate, n) for n, stem in found.items()}
        references = datasets.to_targets(sources, model.targets)
        separation = model.begin(mixture, model.sample_rate, sources)
        beside = rival.begin(mixture, model.sample_rate, sources) if rival else None
        name, other = self._model.value, self._rival.value
        result = Result(
            Laboratory(separation, references), title, offset, beside,
            f"{other}, untouched" if other == name else other, repairs, list(found),
        )  # fmt: skip
        result.view.on_stroke(self._paint)
        result.view.observe(lambda _: self._measure_later(), "selection")
        return result

    def _run(self, result: Result, model: Model, rival: Model | None) -> None:
        """Let the networks work, then make all masks and stems with the sliders' settings."""
        laboratory, first = result.laboratory, self._result is None
        if first:  # masks fill in; later runs leave the earlier result where it is
            self._result = result
            self._picture_stage.children = (result.view,)
        self._doing.value = "load the model"
        for frames in model.proceed(laboratory.separation, self._report):
            if first:
                laboratory.remask(frames)
                result.repaint(frames)
        if rival:
            assert result.rival is not None
            for _ in rival.proceed(result.rival, self._report):
                pass
        settings = self._settings(result, band_khz(model.preset))
        self._make_masks(result, settings)
        result.settings = settings
        result.play()

    def _put(self, result: Result, preset: Preset) -> None:
        """Show a result, in place of the earlier one."""
        before, self._result = self._result, result
        self._allow_sliders(preset)
        limit = band_khz(preset)
        if self._bandwidth.max != limit:
            with self._bandwidth.hold_trait_notifications():
                self._bandwidth.max = self._bandwidth.value = limit
        self._phase.disabled = not result.laboratory.references
        self._score_table.value = ""
        self._picture_stage.children = (result.view,)
        self._score_stage.children = ()
        assert result.mixer is not None
        self._mixer_stage.children = (result.mixer,)
        self._edits.layout.display = self._sliders.layout.display = None
        self._note_edits(result)
        if before is not None and before is not result:
            before.close()

    def _drop(self, result: Result) -> None:
        """Take away what a run that failed has shown."""
        if self._result is result:
            self._result = None
            for stage in (self._picture_stage, self._score_stage, self._mixer_stage):
                stage.children = ()
        result.close()

    def _remask(self) -> None:
        """Make all masks anew with the sliders' settings: what is selected first."""
        result = self._result
        if result is None or not result.complete:
            return  # nothing is separated yet, or not any more
        settings = self._settings(result, self._bandwidth.max)
        if settings == result.settings:
            return
        with Busy(self):
            result.settings = None
            if not self._make_masks(result, settings):
                return
            result.settings = settings
            self._note_edits(result)
        self._measure_later()

    def _make_masks(self, result: Result, settings: dict[str, Any]) -> bool:
        """Make masks and stems; False if the sliders have moved on meanwhile."""
        laboratory = result.laboratory
        laboratory.set_options(**settings)
        self._doing.value = "make masks"
        for frames in laboratory.parts(result.selected()):
            self._work.check()
            laboratory.remask(frames)
            result.resound(frames)
            if result is self._result:
                result.repaint(frames)
            if not result.complete:
                continue
            if self._work.waits("remask") or self._work.waits("separate"):
                return False
            # the first part is what is looked at and heard: let the view ask for its tiles
            self._work.check(PAUSE_SECONDS)
        return True

    # --- strokes ------------------------------------------------------------------------------

    def _paint(self, stroke: Stroke) -> None:
        self._change(lambda editor: editor.apply(stroke, self._report_share))

    def _change(
        self,
        change: Callable[[MaskEditor], slice],
        back: Callable[[MaskEditor], slice] = MaskEditor.undo,
    ) -> None:
        result = self._result
        # not on another result that has taken its place
        self._work.do(lambda: self._edit(change, back) if result is self._result else None)

    def _edit(
        self,
        change: Callable[[MaskEditor], slice],
        back: Callable[[MaskEditor], slice] = MaskEditor.undo,
    ) -> None:
        """Change the masks, show and play the result at once, then measure.

        Where that is cancelled, `back` takes the change back.
        """
        result = self._result
        if result is None or not result.complete:
            return
        editor = result.laboratory.editor
        editor.sum_to_one = self._consistent.value
        with Busy(self):
            was_edited = editor.edited
            frames = change(editor)
            if frames.stop <= frames.start:
                return
            try:
                self._show_edit(result, frames, was_edited, self._check_stop)
            except Cancelled:
                was_edited = editor.edited
                back(editor)
                self._show_edit(result, frames, was_edited, lambda *_: None)
                raise
            finally:
                self._note_edits(result)
        self._measure_later()

    def _show_edit(
        self, result: Result, frames: slice, was_edited: bool, check: Callable[..., None]
    ) -> None:
        laboratory = result.laboratory
        whole = laboratory.separation.masker.is_filter and laboratory.editor.edited != was_edited
        # from a filter's output to masks', everything sounds different
        within = None if whole else frames
        for part in laboratory.parts(result.selected(), within):
            check(0, None, "")
            result.resound(part)
        result.repaint(frames)

    def _note_edits(self, result: Result) -> None:
        editor = result.laboratory.editor
        self._undo.disabled, self._redo.disabled = not editor.can_undo, not editor.can_redo
        self._level_note.value = (
            "<small>Stems play at their true relative level. Mixture minus all stems: "
            f"{result.laboratory.residual_db():.1f} dB.</small>"
        )

    # --- songs and models ---------------------------------------------------------------------

    def _find(self, name: str, targets: tuple[str, ...] = baselines.TWO_STEMS) -> Model:
        if (name, targets) not in self._models:
            found = baselines.find(name, targets, progress=self._report_fetch)
            self._models[name, targets] = found
        return self._models[name, targets]

    # --- scores -------------------------------------------------------------------------------

    def _measure_later(self) -> None:
        result = self._result
        if result is None or not result.complete:
            return
        if not result.laboratory.references:
            self._score_table.value = f"<small>{html.escape(result.no_scores, False)}</small>"
            return
        self._score_note.value = "<small>measuring …</small>"
        self._scoring.do(lambda: self._measure(result), "measure")

    def _measure(self, result: Result) -> None:
        try:
            scores, table, notes = result.measure(self._check_newer)
            if result is self._result:  # not of a song that is gone by now
                self._score_stage.children = (result.show_scores(scores),)
                self._score_table.value = (
                    table.to_html(
                        float_format=lambda v: f"{v:.1f}", na_rep="–", border=0, escape=True,
                        classes="mssviz-scores",
                    )
                    + f"<small>{html.escape(' '.join(notes))}</small>"
                )  # fmt: skip
        except Cancelled:
            pass  # newer stems are waiting to be measured
        except MssvizError as error:
            if result is self._result:
                result.scores = None
                self._score_table.value = alert(str(error))
        finally:
            if not self._scoring.waits("measure"):
                self._score_note.value = ""

    # --- progress -----------------------------------------------------------------------------

    def _check_stop(self, _done: float, _total: float | None, _what: str) -> None:
        self._work.check()

    def _check_newer(self, _done: float, _total: float | None, _what: str) -> None:
        self._scoring.check()
        if self._scoring.waits("measure"):
            raise Cancelled("there is something newer to measure")

    def _report(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"{what}: {done:.0f} of {total:.0f} s" if total else what

    def _report_share(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done

    def _report_fetch(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"{what}: {done / 1e6:.0f} MB" if done else what
