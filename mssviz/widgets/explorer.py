"""The explorer: pick a model and a song, separate, look at masks, listen to stems, measure."""

import gc
import html
import math
import numbers
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from mssviz import audio, baselines, datasets, presets, pretrained
from mssviz._typing import PathLike, Waveform
from mssviz._worker import Worker
from mssviz.errors import AudioError, Cancelled, MssvizError, ParameterError
from mssviz.laboratory import Laboratory
from mssviz.mask_editing import MaskEditor, Stroke
from mssviz.plots import one_line
from mssviz.presets import Preset
from mssviz.separate import Model
from mssviz.separation import MAX_SMOOTHING, MaskOptions, Separation
from mssviz.widgets import _static
from mssviz.widgets._box import Box
from mssviz.widgets._result import Result
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.page import save_page
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView
from mssviz.widgets.upload import Upload

if TYPE_CHECKING:
    import pandas as pd

OWN_FILE = "own file"
DEFAULT_SECONDS, LEAST_SECONDS = 15.0, 0.1
MAX_POWER, MAX_MWF = 8.0, 5
#: Between parts of a long excerpt, in which the kernel answers the widgets.
PAUSE_SECONDS = 0.1
_STYLE = {"description_width": "7.5em"}
_HINT = "Choose a song and press <b>Separate</b>: masks, stems and scores appear here."


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


class Explorer(Box):
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
        self._tracks = datasets.examples()
        self._work, self._scoring = Worker(), Worker()
        for name in (model, compare):
            if name:
                baselines.describe(name)  # an unknown name is an error here, not another's picker
        _check_excerpt(offset, duration)
        _check_masks(power, extension, mwf)
        song_name, path = self._resolve(song)
        self._build_pickers(
            song_name, path, str(model), str(compare or ""), float(offset), duration
        )
        self._build_sliders(power, extension, mwf)
        self._build_results()
        style = w.HTML(f"<style>{_static.style('explorer.css', 'score_table.css')}</style>")
        super().__init__([style, self._pickers, self._status, self._sliders, self._results])
        self.add_class("mssviz-explorer")
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

    # --- layout -------------------------------------------------------------------------------

    def _build_pickers(
        self,
        song: str,
        path: str,
        model: str,
        rival: str,
        offset: float,
        duration: float | None,
    ) -> None:
        self._model = w.Dropdown(
            options=_model_options(model), value=model, description="Model", style=_STYLE
        )
        self._rival = w.Dropdown(
            options=[("no other model", ""), *_model_options(rival or model)], value=rival,
            description="Compare with", style=_STYLE,
        )  # fmt: skip
        songs = [(f"{track.name} · {track.licence}", name) for name, track in self._tracks.items()]
        self._song = w.Dropdown(
            options=[*songs, ("Own file or folder of stems…", OWN_FILE)], value=song,
            description="Song", style=_STYLE,
        )  # fmt: skip
        self._path = w.Text(
            value=path, placeholder="a sound file, or a folder with one file a stem",
            description="Path", style=_STYLE, continuous_update=False,
        )  # fmt: skip
        self._upload = Upload(accept="audio/*,.flac,.m4a,.mp4,.opus,.ogg,.wma")
        self._own = w.VBox([self._path, self._upload])
        # not bounded: what is out of range is refused, and not made something else
        self._offset = w.FloatText(value=offset, step=1, description="From (s)", style=_STYLE)
        self._duration = w.FloatText(
            value=duration or DEFAULT_SECONDS, step=1, description="Length (s)", style=_STYLE
        )
        self._whole = w.Checkbox(
            value=duration is None, description="to the song's end", style=_STYLE
        )
        self._go = w.Button(description="Separate", button_style="primary", icon="play")
        self._cancel = w.Button(description="Cancel", icon="stop", disabled=True)
        self._progress = w.FloatProgress(min=0, max=1, layout={"width": "14em"})
        self._doing = w.Label()
        bar = w.HBox(
            [self._go, self._cancel, self._progress, self._doing],
            layout=w.Layout(align_items="center", flex_flow="row wrap"),
        )
        columns = _columns(
            [self._song, self._own, self._offset, self._duration, self._whole],
            [self._model, self._rival],
        )
        self._pickers = w.VBox([columns, bar])
        self._status = w.HTML(_HINT)
        self._show_own_file()
        w.dlink((self._whole, "value"), (self._duration, "disabled"))
        self._song.observe(lambda _: self._show_own_file(), "value")
        self._upload.observe(lambda change: self._path.set_trait("value", change["new"]), "path")
        self._go.on_click(lambda _: self._start())
        self._cancel.on_click(lambda _: self.cancel())

    def _build_sliders(self, power: float, extension: str, mwf: int) -> None:
        def slider(name: str, value: float, low: float, high: float, step: float, form: str) -> Any:
            return w.FloatSlider(
                value=value, min=low, max=high, step=step, description=name, style=_STYLE,
                readout_format=form,
            )  # fmt: skip

        self._power = slider("Exponent", power, 0.5, MAX_POWER, 0.5, ".1f")
        self._hardness = slider("Soft to binary", 0, 0, 1, 0.05, ".2f")
        self._threshold = slider("Threshold", 0.5, 0.05, 0.95, 0.05, ".2f")
        self._smoothing = slider("Smoothing (s)", 0, 0, MAX_SMOOTHING / 2, 0.02, ".2f")
        self._bandwidth = slider("Up to (kHz)", 11, 0.5, 11, 0.5, ".1f")
        self._extension = w.Dropdown(
            options=[("silence", "zeros"), ("the frame's mean mask", "average")],
            value=extension, description="Above that", style=_STYLE,
        )  # fmt: skip
        self._mwf = w.IntSlider(
            value=mwf, min=0, max=MAX_MWF, description="MWF rounds", style=_STYLE
        )
        self._phase = w.Dropdown(
            options=[("the mixture's", False), ("the true stems' (oracle)", True)],
            value=False, description="Phase", style=_STYLE,
        )  # fmt: skip
        groups = (
            [self._power, self._hardness, self._threshold, self._smoothing],
            [self._bandwidth, self._extension, self._mwf, self._phase],
        )
        for control in (*groups[0], *groups[1]):
            control.observe(lambda _: self._work.do(self._remask, "remask"), "value")
        self._of_masks = [c for c in (*groups[0], *groups[1]) if c is not self._phase]
        self._no_masks = w.HTML(layout=w.Layout(display="none"))
        self._sliders = w.VBox([self._no_masks, _columns(*groups)], layout=w.Layout(display="none"))

    def _build_results(self) -> None:
        self._picture_stage, self._score_stage, self._mixer_stage = w.VBox(), w.VBox(), w.VBox()
        self._undo = w.Button(description="Undo", icon="undo", disabled=True)
        self._redo = w.Button(description="Redo", icon="repeat", disabled=True)
        self._consistent = w.Checkbox(
            value=True, description="other stems keep the sum", indent=False
        )
        for button in (self._undo, self._redo):
            button.layout.width = "7em"
        self._undo.on_click(lambda _: self._change(MaskEditor.undo, MaskEditor.redo))
        self._redo.on_click(lambda _: self._change(MaskEditor.redo, MaskEditor.undo))
        self._edits = w.HBox(
            [w.Label("Brush strokes"), self._undo, self._redo, self._consistent],
            layout=w.Layout(align_items="center", flex_flow="row wrap", display="none"),
        )
        self._score_table, self._score_note, self._level_note = w.HTML(), w.HTML(), w.HTML()
        self._results = w.VBox(
            [
                self._edits,
                self._picture_stage,
                self._score_stage,
                self._mixer_stage,
                self._level_note,
                self._score_note,
                self._score_table,
            ]
        )

    def _show_own_file(self) -> None:
        self._own.layout.display = None if self._song.value == OWN_FILE else "none"

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
        with _Busy(self):
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
        model = self._find(name)
        rival = self._find(other, model.targets) if other else None
        if rival and rival.preset.stft != model.preset.stft:
            raise ParameterError(
                f"{other} and {name} work at different sample rates or windows, so their masks "
                "cannot be laid over each other; compare others, or use mssviz.compare"
            )
        return model, rival

    def _begin(self, model: Model, rival: Model | None) -> Result:
        """Read the song and check everything, before the network runs."""
        offset, title = self._offset.value, self._title()
        mixture, found = self._load(model.sample_rate)
        # as many channels as the mixture will have
        sources = {n: model.prepared(stem, model.sample_rate, n) for n, stem in found.items()}
        references = datasets.to_targets(sources, model.targets)
        separation = model.begin(mixture, model.sample_rate, references)
        beside = None
        if rival:
            true = datasets.to_targets(sources, rival.targets)
            beside = rival.begin(mixture, model.sample_rate, true)
        name, other = self._model.value, self._rival.value
        result = Result(
            Laboratory(separation, references), title, offset, beside,
            f"{other}, untouched" if other == name else other,
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
        settings = self._settings(result, _band_khz(model.preset))
        self._make_masks(result, settings)
        result.settings = settings
        result.play()

    def _put(self, result: Result, preset: Preset) -> None:
        """Show a result, in place of the earlier one."""
        before, self._result = self._result, result
        self._allow_sliders(preset)
        limit = _band_khz(preset)
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

    def _allow_sliders(self, preset: Preset) -> None:
        """Lock what changes masks where the model's stems come with a phase of their own."""
        for control in self._of_masks:
            control.disabled = preset.gives_waveforms
        self._no_masks.layout.display = None if preset.gives_waveforms else "none"
        self._no_masks.value = (
            f"<small>{html.escape(one_line(preset.name))} gives waveforms, not masks: shown is "
            "what it does to the level, |estimate| / |mixture|, cut at 1. A stroke of the brush "
            "makes these masks into stems, with the mixture's phase.</small>"
        )

    def _settings(self, result: Result, limit: float) -> dict[str, Any]:
        """What the sliders say, for a model with this band, in kHz."""
        other_band = self._bandwidth.max != limit
        at_the_end = other_band or self._bandwidth.value >= self._bandwidth.max
        return {
            "oracle_phase": self._phase.value and bool(result.laboratory.references),
            "power": self._power.value,
            "hardness": self._hardness.value,
            "threshold": self._threshold.value,
            "smoothing": self._smoothing.value,
            "bandwidth": math.inf if at_the_end else 1000 * self._bandwidth.value,
            "extension": self._extension.value,
            "mwf_iterations": self._mwf.value,
        }

    def _remask(self) -> None:
        """Make all masks anew with the sliders' settings: what is selected first."""
        result = self._result
        if result is None or not result.complete:
            return  # nothing is separated yet, or not any more
        settings = self._settings(result, self._bandwidth.max)
        if settings == result.settings:
            return
        with _Busy(self):
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
        with _Busy(self):
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

    def _title(self) -> str:
        song = self._song.label
        if self._song.value == OWN_FILE:
            song = Path(self._path.value).name
        return f"{one_line(song)} · {one_line(self._model.value)}"

    def _load(self, sample_rate: int) -> tuple[Waveform, dict[str, Waveform]]:
        self._doing.value = "read the song"
        offset, duration = self._offset.value, self._duration.value
        if self._whole.value:
            duration = None
        _check_excerpt(offset, duration)
        if self._song.value != OWN_FILE:
            return self._tracks[self._song.value].load(offset, duration, sample_rate)
        typed = self._path.value.strip()
        if not typed:
            raise ParameterError("no file chosen: upload one, or type its path")
        path = Path(typed).expanduser()
        if path.is_dir():
            return datasets.from_folder(path).load(offset, duration, sample_rate)
        mixture, _ = audio.load_audio(path, offset, duration, sample_rate)
        return mixture, {}

    def _find(self, name: str, targets: tuple[str, ...] = baselines.TWO_STEMS) -> Model:
        if (name, targets) not in self._models:
            found = baselines.find(name, targets, progress=self._report_fetch)
            self._models[name, targets] = found
        return self._models[name, targets]

    def _resolve(self, song: PathLike | None) -> tuple[str, str]:
        if song is None:
            return next(iter(self._tracks)), ""
        if not isinstance(song, str | os.PathLike):
            raise ParameterError(
                f"song must be the path of a sound file or of a folder of stems, or an example's "
                f"name (got {type(song).__name__}); write an array to a file with "
                "mssviz.write_audio, or give it to mssviz.Separator().separate"
            )
        if str(song) in self._tracks:
            return str(song), ""
        if not Path(song).expanduser().exists():
            raise AudioError(
                f"{song}: no such file, nor an example ({', '.join(self._tracks)}); check its name"
            )
        return OWN_FILE, str(song)

    # --- scores -------------------------------------------------------------------------------

    def _measure_later(self) -> None:
        result = self._result
        if result is None or not result.complete:
            return
        if not result.laboratory.references:
            self._score_table.value = (
                "<small>No scores: this song's true stems are unknown.</small>"
            )
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
                        float_format=lambda v: f"{v:.1f}", border=0, escape=True,
                        classes="mssviz-scores",
                    )
                    + f"<small>{html.escape(' '.join(notes))}</small>"
                )  # fmt: skip
        except Cancelled:
            pass  # newer stems are waiting to be measured
        except MssvizError as error:
            if result is self._result:
                result.scores = None
                self._score_table.value = _alert(str(error))
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
        self._doing.value = f"fetch weights: {done / 1e6:.0f} MB"

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Show warnings, such as of a damaged file, in the status line, too."""
        shown: Callable[..., None] = warnings.showwarning
        notes: list[str] = []

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            notes.append(str(message))
            self._status.value = "".join(map(_alert, notes))
            shown(message, *where, **more)

        warnings.showwarning = show
        try:
            yield
        finally:
            if warnings.showwarning is show:  # else another thread has changed it meanwhile
                warnings.showwarning = shown


def _check_excerpt(offset: Any, duration: Any) -> None:
    for name, value, least in (("offset", offset, 0.0), ("duration", duration, LEAST_SECONDS)):
        if name == "duration" and value is None:
            continue
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not least <= float(value) < math.inf:
            raise ParameterError(
                f"{name} must be {least:g} s or more"
                f"{', or None for the whole song' if least else ''} (got {value!r})"
            )


def _check_masks(power: Any, extension: Any, mwf: Any) -> None:
    MaskOptions(power=power, extension=extension, mwf_iterations=mwf)
    if not 0.5 <= power <= MAX_POWER:
        raise ParameterError(f"power must lie between 0.5 and {MAX_POWER:g} (got {power})")
    if mwf not in range(MAX_MWF + 1):
        raise ParameterError(f"mwf must be an integer, 0 to {MAX_MWF} (got {mwf})")


class _Busy:
    """While work runs: buttons, progress; afterwards the error, if any, in place."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._outermost = not explorer._go.disabled

    def __enter__(self) -> None:
        if self._outermost:
            e = self._explorer
            e._go.disabled, e._cancel.disabled = True, False
            e._status.value, e._progress.value, e._progress.bar_style = "", 0, ""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if not self._outermost:
            return
        e = self._explorer
        e._go.disabled, e._cancel.disabled, e._doing.value = False, True, ""
        if error is None:
            e._progress.value, e._progress.bar_style = 1, "success"
            return
        e._progress.bar_style = "danger"
        if isinstance(error, Cancelled):
            e._status.value = "Cancelled."
        else:
            text = str(error) if isinstance(error, MssvizError) else f"{kind.__name__}: {error}"
            e._status.value = _alert(text)


def _alert(text: str) -> str:
    return (
        '<div role="alert" style="border-left:4px solid #D55E00;padding:4px 10px">'
        f"{html.escape(text)}</div>"
    )


def _columns(*groups: list[w.Widget]) -> w.HBox:
    # side by side where there is room
    columns = [w.VBox(group, layout=w.Layout(flex="1 1 20em")) for group in groups]
    for column in columns:
        for child in column.children:
            child.layout.width = "auto"
    return w.HBox(columns, layout=w.Layout(flex_flow="row wrap"))


def _band_khz(preset: Preset) -> float:
    return round(preset.model_bins * preset.stft.sample_rate / preset.stft.n_fft / 1000, 1)


def _model_options(chosen: str) -> list[tuple[str, str]]:
    found = baselines.all_presets()
    if chosen not in found:
        found[chosen] = baselines.describe(chosen)
    without_weights = baselines.names()
    options, untrained = [], []
    for name, preset in found.items():
        targets = ", ".join(preset.targets)
        if name in without_weights:
            label = f"{name} – {preset.title}"
            if name in baselines.CLASSICAL:
                label += f": {targets}"
        else:
            state = pretrained.state(preset)
            if state not in ("ready", pretrained.TO_BE_TRAINED):
                state = f"will be fetched, {preset.weights.size / 1e6:.0f} MB"
            label = f"{preset.name} – {targets}; up to {_band_khz(preset):g} kHz ({state})"
            if state == pretrained.TO_BE_TRAINED:
                if not name.endswith(presets.TINY) or name == chosen:
                    untrained.append((label, name))
                continue
        options.append((label, name))
    return options + untrained
