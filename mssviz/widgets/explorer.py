"""The explorer: pick a model and a song, separate, look at masks, listen to stems, measure."""

import html
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from mssviz import audio, baselines, datasets, measures, metrics, plots, presets, pretrained
from mssviz._typing import PathLike, Waveform
from mssviz._worker import Worker
from mssviz.errors import AudioError, Cancelled, MssvizError, ParameterError
from mssviz.laboratory import Laboratory
from mssviz.mask_editing import MaskEditor
from mssviz.presets import Preset
from mssviz.separate import Model
from mssviz.separation import MAX_SMOOTHING, Separation
from mssviz.widgets import _static
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.page import save_page
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView
from mssviz.widgets.upload import Upload

if TYPE_CHECKING:
    import pandas as pd

OWN_FILE = "own file"
DEFAULT_SECONDS = 15.0
SCORE_WINDOW = 1.0
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
    """
    return Explorer(song, model, **options)


class Explorer(w.VBox):
    """Widget around one `Laboratory`; what it shows can be had in Python, too.

    Parameters
    ----------
    song, model
        As in `explore`.
    compare
        Name of a second model, whose masks and stems are set beside the model's.
    offset, duration
        Excerpt, in seconds.
    power
        Exponent of the ratio masks.
    extension
        ``"zeros"`` or ``"average"`` above the modelled band.
    mwf
        Iterations of the multichannel Wiener filter, 0 for soft masks.

    Attributes
    ----------
    laboratory : Laboratory or None
        The excerpt with its present masks and stems.
    rival : Separation or None
        What the second model made of it.
    view : SpectrogramView or None
    mixer : Mixer or None
    score_view : ScoreView or None
    scores : DataFrame or None
        Window by window, of the selected part or else of the whole excerpt, where true stems
        are known; ``time`` counts from the excerpt's beginning.
    """

    def __init__(
        self,
        song: PathLike | None = None,
        model: str = "spleeter:2stems",
        *,
        compare: str | None = None,
        offset: float = 0.0,
        duration: float = DEFAULT_SECONDS,
        power: float = 2.0,
        extension: str = "zeros",
        mwf: int = 0,
    ) -> None:
        self.laboratory: Laboratory | None = None
        self.rival: Separation | None = None
        self.view: SpectrogramView | None = None
        self.mixer: Mixer | None = None
        self.score_view: ScoreView | None = None
        self.scores: pd.DataFrame | None = None
        self._links: list[w.Widget] = []
        self._models: dict[tuple[str, tuple[str, ...]], Model] = {}
        self._tracks = datasets.examples()
        self._work, self._scoring = Worker(), Worker()
        self._stop = threading.Event()
        self._failure: BaseException | None = None  # of the last work
        for name in filter(None, (model, compare)):
            baselines.describe(name)  # an unknown name is an error here, not another's picker
        song_name, path = self._resolve(song)
        self._build_pickers(song_name, path, model, compare or "", offset, duration)
        self._build_sliders(power, extension, mwf)
        self._build_results()
        style = w.HTML(f"<style>{_static.style('explorer.css', 'score_table.css')}</style>")
        super().__init__([style, self._pickers, self._status, self._sliders, self._results])
        self.add_class("mssviz-explorer")

    # --- the same from code -------------------------------------------------------------------

    def separate(self) -> Separation:
        """Separate the chosen excerpt and wait for the result.

        Raises
        ------
        MssvizError
            What the page shows in its status line.
        """
        self._work.do(self._separate, "separate")
        try:
            self.wait()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self._failure is not None:
            raise self._failure
        assert self.laboratory is not None
        return self.laboratory.separation

    def cancel(self) -> None:
        """Stop the work in progress at the next patch."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until the work started by a button, a slider or the brush is done, scores too."""
        self._work.wait()
        self._scoring.wait()

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
        return self._separated().estimates

    def save_html(self, path: PathLike) -> Path:
        """Write what is shown as one HTML file that works without a kernel or a network.

        Parameters
        ----------
        path
            Of the file. Spectrograms, masks, readout, mixer and scores work in it; levels and
            masks are rounded to 8 bits, which it says.
        """
        self._separated()
        assert self.view is not None
        assert self.mixer is not None
        song = self._song.label
        if self._song.value == OWN_FILE:
            song = Path(self._path.value).name
        return save_page(
            path, f"{song} · {self._model.value}", self.view, self.mixer, self.score_view,
            self._score_table.value,
        )  # fmt: skip

    def _separated(self) -> Laboratory:
        if self.laboratory is None or self.mixer is None:
            raise ParameterError("nothing is separated yet: call separate() or press the button")
        return self.laboratory

    # --- layout -------------------------------------------------------------------------------

    def _build_pickers(
        self, song: str, path: str, model: str, rival: str, offset: float, duration: float
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
        self._offset = w.BoundedFloatText(
            value=offset, min=0, max=86400, step=1, description="From (s)", style=_STYLE
        )
        self._duration = w.BoundedFloatText(
            value=duration, min=0.1, max=3600, step=1, description="Length (s)", style=_STYLE
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
            [self._song, self._own, self._offset, self._duration], [self._model, self._rival]
        )
        self._pickers = w.VBox([columns, bar])
        self._status = w.HTML(_HINT)
        self._show_own_file()
        self._song.observe(lambda _: self._show_own_file(), "value")
        self._upload.observe(lambda change: self._path.set_trait("value", change["new"]), "path")
        self._go.on_click(lambda _: self._work.do(self._separate, "separate"))
        self._cancel.on_click(lambda _: self.cancel())

    def _build_sliders(self, power: float, extension: str, mwf: int) -> None:
        def slider(name: str, value: float, low: float, high: float, step: float, form: str) -> Any:
            return w.FloatSlider(
                value=value, min=low, max=high, step=step, description=name, style=_STYLE,
                readout_format=form,
            )  # fmt: skip

        self._power = slider("Exponent", power, 0.5, 8, 0.5, ".1f")
        self._hardness = slider("Soft to binary", 0, 0, 1, 0.05, ".2f")
        self._threshold = slider("Threshold", 0.5, 0.05, 0.95, 0.05, ".2f")
        self._smoothing = slider("Smoothing (s)", 0, 0, MAX_SMOOTHING / 2, 0.02, ".2f")
        self._bandwidth = slider("Up to (kHz)", 11, 0.5, 11, 0.5, ".1f")
        self._extension = w.Dropdown(
            options=[("silence", "zeros"), ("the frame's mean mask", "average")],
            value=extension, description="Above that", style=_STYLE,
        )  # fmt: skip
        self._mwf = w.IntSlider(value=mwf, min=0, max=5, description="MWF rounds", style=_STYLE)
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
        self._undo.on_click(lambda _: self._change(lambda editor: editor.undo()))
        self._redo.on_click(lambda _: self._change(lambda editor: editor.redo()))
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

    def _separate(self) -> None:
        self._stop.clear()
        with _Busy(self):
            self._clear()
            model = self._find(self._model.value)
            rival = self._rival.value and self._find(self._rival.value, model.targets)
            if rival and rival.preset.stft != model.preset.stft:
                raise ParameterError(
                    f"{self._rival.value} and {self._model.value} work at different sample rates "
                    "or windows, so their masks cannot be laid over each other; compare others, "
                    "or use mssviz.compare"
                )
            mixture, sources = self._load(model.sample_rate)
            references = datasets.to_targets(sources, model.targets)
            separation = model.begin(mixture, model.sample_rate, references)
            laboratory = Laboratory(separation, references)
            if rival:
                true = datasets.to_targets(sources, rival.targets)
                self.rival = rival.begin(mixture, model.sample_rate, true)
            self._show_picture(laboratory)
            self._doing.value = "load the model"
            for frames in model.proceed(separation, self._report):
                laboratory.remask(frames)
                self._repaint(laboratory, frames)
            if rival:
                assert self.rival is not None
                for _ in rival.proceed(self.rival, self._report):
                    pass
            self.laboratory = laboratory
            self._allow_sliders(model.preset)
            limit = _band_khz(model.preset)
            if self._bandwidth.max != limit:
                with self._bandwidth.hold_trait_notifications():
                    self._bandwidth.max = self._bandwidth.value = limit
            self._remask()

    def _allow_sliders(self, preset: Preset) -> None:
        """Lock what changes masks where the model's stems come with a phase of their own."""
        for control in self._of_masks:
            control.disabled = preset.gives_waveforms
        self._no_masks.layout.display = None if preset.gives_waveforms else "none"
        self._no_masks.value = (
            f"<small>{html.escape(preset.name)} gives waveforms, not masks: shown is what it does "
            "to the level, |estimate| / |mixture|, cut at 1. A stroke of the brush makes these "
            "masks into stems, with the mixture's phase.</small>"
        )

    def _remask(self) -> None:
        """Make all masks anew with the sliders' settings: what is selected first."""
        if self.laboratory is None:
            return  # nothing is separated yet, or not any more
        with _Busy(self):
            laboratory = self.laboratory
            at_the_end = self._bandwidth.value >= self._bandwidth.max
            laboratory.set_options(
                oracle_phase=self._phase.value,
                power=self._power.value,
                hardness=self._hardness.value,
                threshold=self._threshold.value,
                smoothing=self._smoothing.value,
                bandwidth=math.inf if at_the_end else 1000 * self._bandwidth.value,
                extension=self._extension.value,
                mwf_iterations=self._mwf.value,
            )
            self._doing.value = "make masks"
            for frames in laboratory.parts(self._selected()):
                self._check_stop(0, None, "")
                laboratory.remask(frames)
                self._resound(laboratory, frames)
                self._repaint(laboratory, frames)
                if self._work.waits("remask") or self._work.waits("separate"):
                    return  # the sliders have moved on
                # the first part is what is looked at and heard: let the view ask for its tiles
                self._stop.wait(PAUSE_SECONDS)
            if self.mixer is None:
                self._show_stems(laboratory)
            self._note_residual(laboratory)
        self._measure_later()

    def _change(self, change: Callable[[MaskEditor], slice]) -> None:
        self._work.do(lambda: self._edit(change))

    def _edit(self, change: Callable[[MaskEditor], slice]) -> None:
        """Change the masks, show and play the result at once, then measure."""
        laboratory = self.laboratory
        if laboratory is None or self.view is None:
            return
        editor = laboratory.editor
        editor.sum_to_one = self._consistent.value
        was_edited = editor.edited
        frames = change(editor)
        if frames.stop <= frames.start:
            return
        if laboratory.separation.masker.is_filter and editor.edited != was_edited:
            for part in laboratory.parts(self._selected()):  # from the filter's output to masks'
                self._resound(laboratory, part)
        else:
            self._resound(laboratory, frames)
        self._repaint(laboratory, frames)
        self._undo.disabled, self._redo.disabled = not editor.can_undo, not editor.can_redo
        self._note_residual(laboratory)
        self._measure_later()

    def _load(self, sample_rate: int) -> tuple[Waveform, dict[str, Waveform]]:
        self._doing.value = "read the song"
        offset, duration = self._offset.value, self._duration.value
        if self._song.value != OWN_FILE:
            return self._tracks[self._song.value].load(offset, duration, sample_rate)
        path = self._path.value.strip()
        if not path:
            raise ParameterError("no file chosen: upload one, or type its path")
        if Path(path).is_dir():
            return datasets.from_folder(path).load(offset, duration, sample_rate)
        mixture, _ = audio.load_audio(path, offset, duration, sample_rate)
        return mixture, {}

    def _find(self, name: str, targets: tuple[str, ...] = baselines.TWO_STEMS) -> Model:
        if (name, targets) not in self._models:
            found = baselines.find(name, targets, progress=self._report_fetch)
            self._models[name, targets] = found
        return self._models[name, targets]

    def _rivals(self, laboratory: Laboratory) -> list[str]:
        """Targets of which the second model estimates the same as the first."""
        theirs = self.rival.targets if self.rival else ()
        ours = laboratory.separation.targets
        # what is left over is the same only where all the others are
        leftover = () if set(theirs) == set(ours) else ("other", "accompaniment")
        return [target for target in ours if target in theirs and target not in leftover]

    def _selected(self) -> tuple[float, float] | None:
        """What is selected, in seconds from the excerpt's beginning."""
        if self.view is None or not self.view.selection:
            return None
        selection = self.view.selection
        return selection[0] - self.view.offset, selection[1] - self.view.offset

    # --- scores -------------------------------------------------------------------------------

    def _measure_later(self) -> None:
        laboratory = self.laboratory
        if laboratory is None:
            return
        if not laboratory.references:
            self._score_table.value = (
                "<small>No scores: this song's true stems are unknown.</small>"
            )
            return
        self._score_note.value = "<small>measuring …</small>"
        self._scoring.do(lambda: self._measure(laboratory), "measure")

    def _measure(self, laboratory: Laboratory) -> None:
        try:
            self._show_scores(laboratory, *self._scored(laboratory))
        except Cancelled:
            pass  # newer stems are waiting to be measured
        except MssvizError as error:
            self.scores = None
            self._score_table.value = _alert(str(error))
        finally:
            if not self._scoring.waits("measure"):
                self._score_note.value = ""

    def _scored(self, laboratory: Laboratory) -> tuple["pd.DataFrame", "pd.DataFrame", list[str]]:
        """Scores of the selection by window, their summary, and what to say about them."""
        rate = laboratory.separation.sample_rate
        selected = self._selected()
        part = slice(None)
        if selected:
            part = slice(max(0, round(selected[0] * rate)), max(0, round(selected[1] * rate)))
        true = {target: waveform[part] for target, waveform in laboratory.references.items()}
        n_samples = len(next(iter(true.values())))
        window = min(SCORE_WINDOW, n_samples / rate)
        dither_db = metrics.suggested_dither_db(true)
        notes = [f"dB; median over windows of {window:.2g} s (BSS Eval v4)."]
        if selected:
            low, high = (seconds + self._offset.value for seconds in selected)
            notes.append(f"Of the selection, {low:.1f} to {high:.1f} s.")
        if dither_db is not None:
            notes.append(
                f"The true stems come from a lossy file: noise of {dither_db:.0f} dBFS was added, "
                "without which ISR, SIR and SAR are not defined."
            )

        def measure(stems: dict[str, Waveform]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
            found = {target: stems[target][part] for target in true}
            scores = metrics.evaluate(
                true, found, rate, dither_db=dither_db, window=window, progress=self._check_newer
            )
            table = metrics.summarise(scores).rename_axis(None)
            measured = [measures.si_sdr(true[t], found[t]) for t in table.index]
            table.insert(0, "SI-SDR", measured)
            return scores.assign(time=scores["time"] + (part.start or 0) / rate), table

        scores, table = measure(laboratory.estimates)
        if self.rival and set(self._rivals(laboratory)) == set(true):
            import pandas as pd

            _, other = measure(dict(self.rival.estimates))
            table = pd.concat([table, other.rename(lambda t: f"{t} · {self._rival_name()}")])
        return scores, table, notes

    def _show_scores(
        self,
        laboratory: Laboratory,
        scores: "pd.DataFrame",
        table: "pd.DataFrame",
        notes: list[str],
    ) -> None:
        if laboratory is not self.laboratory or self.view is None:
            return  # of a song that is gone by now
        self.scores = scores
        self._score_table.value = (
            table.to_html(
                float_format=lambda v: f"{v:.1f}", border=0, escape=True, classes="mssviz-scores"
            )
            + f"<small>{html.escape(' '.join(notes))}</small>"
        )
        if self.score_view is not None:
            self.score_view.set_scores(scores)
            return
        view = self.view
        self.score_view = ScoreView(
            scores, window=SCORE_WINDOW, colors=_colors(laboratory), offset=view.offset,
            start=view.start, stop=view.stop, time=view.time, selection=view.selection,
            pinned=view.pinned,
        )  # fmt: skip
        for trait in ("start", "stop", "time", "selection", "pinned"):
            self._links.append(w.jslink((view, trait), (self.score_view, trait)))
        self._score_stage.children = (self.score_view,)

    # --- pictures and sound -------------------------------------------------------------------

    def _clear(self) -> None:
        self.laboratory = self.rival = self.scores = None
        self._edits.layout.display = self._sliders.layout.display = "none"
        self._level_note.value = self._score_table.value = ""
        for stage in (self._picture_stage, self._score_stage, self._mixer_stage):
            stage.children = ()
        for widget in (*self._links, self.view, self.mixer, self.score_view):
            if widget is not None:
                widget.close()
        self.view = self.mixer = self.score_view = None
        self._links = []

    def _show_picture(self, laboratory: Laboratory) -> None:
        compare: dict[str, dict[str, Any]] = {}
        if laboratory.references:
            compare["ideal ratio mask"] = dict(laboratory.ideal_masks)
        if self.rival:
            found = self.rival.masks
            compare[self._rival_name()] = {t: found[t] for t in self._rivals(laboratory)}
        self.view = SpectrogramView(
            laboratory.mixture_stft,
            laboratory.params,
            laboratory.editor.masks,
            references=laboratory.reference_stfts,
            compare=compare,
            colors=_colors(laboratory),
            offset=self._offset.value,
        )
        self.view.on_stroke(lambda stroke: self._change(lambda editor: editor.apply(stroke)))
        self._picture_stage.children = (self.view,)

    def _show_stems(self, laboratory: Laboratory) -> None:
        assert self.view is not None
        tracks = {"mixture": laboratory.separation.mixture}
        pairs: dict[str, list[str]] = {}
        rivals = {t: self.rival.estimates[t] for t in self._rivals(laboratory) if self.rival}
        for target, estimate in laboratory.estimates.items():
            tracks[target] = estimate
            others = {}
            if laboratory.references:
                others[f"{target} (true)"] = laboratory.references[target]
            if target in rivals:
                others[f"{target} ({self._rival_name()})"] = rivals[target]
            tracks |= others
            pairs[target] = list(others)
        self.mixer = Mixer(
            tracks,
            laboratory.separation.sample_rate,
            pairs=pairs,
            colors={"mixture": "#888888", **_colors(laboratory)},
            offset=self._offset.value,
        )
        self.mixer.adjust("mixture", muted=True)
        self._links += [
            w.jslink((self.mixer, "time"), (self.view, "time")),
            w.jslink((self.view, "selection"), (self.mixer, "loop")),
        ]
        self._mixer_stage.children = (self.mixer,)
        self._edits.layout.display = self._sliders.layout.display = None
        self._phase.disabled = not laboratory.references
        self.view.observe(lambda _: self._measure_later(), "selection")

    def _repaint(self, laboratory: Laboratory, frames: slice) -> None:
        assert self.view is not None
        self.view.set_masks(laboratory.editor.masks, frames)

    def _resound(self, laboratory: Laboratory, frames: slice) -> None:
        first, pieces = laboratory.resound(frames)
        if self.mixer is None:
            return  # not on the stage yet
        start = self.mixer.offset + first / laboratory.separation.sample_rate
        for target, piece in pieces.items():
            self.mixer.replace(target, piece, start)

    def _note_residual(self, laboratory: Laboratory) -> None:
        self._level_note.value = (
            "<small>Stems play at their true relative level. Mixture minus all stems: "
            f"{laboratory.residual_db():.1f} dB.</small>"
        )

    def _rival_name(self) -> str:
        same = self._rival.value == self._model.value
        return f"{self._rival.value}, untouched" if same else self._rival.value

    # --- progress -----------------------------------------------------------------------------

    def _check_stop(self, _done: float, _total: float | None, _what: str) -> None:
        if self._stop.is_set():
            raise Cancelled("cancelled")

    def _check_newer(self, _done: float, _total: float | None, _what: str) -> None:
        if self._scoring.waits("measure"):
            raise Cancelled("there is something newer to measure")

    def _report(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"{what}: {done:.0f} of {total:.0f} s" if total else what

    def _report_fetch(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"{what}: {done / 1e6:.0f} MB" if done else what

    def _resolve(self, song: PathLike | None) -> tuple[str, str]:
        if song is None:
            return next(iter(self._tracks)), ""
        if str(song) in self._tracks:
            return str(song), ""
        if not Path(song).exists():
            raise AudioError(
                f"{song}: no such file, nor an example ({', '.join(self._tracks)}); check its name"
            )
        return OWN_FILE, str(song)


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
        e._failure = error
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


def _colors(laboratory: Laboratory) -> dict[str, str]:
    return dict(zip(laboratory.separation.targets, plots.PALETTE, strict=False))


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
