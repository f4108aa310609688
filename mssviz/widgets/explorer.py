"""The explorer: pick a model and a song, separate, look at masks, listen to stems, measure."""

import contextlib
import html
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from mssviz import audio, datasets, masks, metrics, plots, presets, pretrained
from mssviz._typing import Mask, PathLike, Waveform
from mssviz.errors import AudioError, Cancelled, MssvizError, ParameterError
from mssviz.mask_editing import MaskEditor
from mssviz.separate import Separator
from mssviz.separation import Separation, level_ratio_db, resynthesise
from mssviz.stft import stft
from mssviz.widgets import _encode
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.page import save_page
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    import pandas as pd

OWN_FILE = "own file"
DEFAULT_SECONDS = 15.0
_WIDE = "-16kHz"
_STYLE = {"description_width": "7.5em"}
_CSS = """<style>
.mssviz-explorer { max-width: 1120px; padding-right: 8px }
.mssviz-explorer table.mssviz-scores { border-collapse: collapse; margin: 10px 0 2px }
.mssviz-explorer table.mssviz-scores :is(th, td) {
  text-align: right; padding: 2px 10px; border-bottom: 1px solid #8884;
  font-variant-numeric: tabular-nums
}
</style>"""
_HINT = "Choose a song and press <b>Separate</b>: masks, stems and scores appear here."


def explore(
    song: PathLike | None = None, model: str = "spleeter:2stems", **options: Any
) -> "Explorer":
    """Make an explorer; display it as a cell's last expression.

    Parameters
    ----------
    song
        A sound file, or the name of an example (see `datasets.examples`); the shipped excerpt
        if left out.
    model
        Name of a preset.
    options
        Traits of `Explorer`: ``offset``, ``duration``, ``power``, ``extension``, ``mwf``.
    """
    return Explorer(song, model, **options)


class Explorer(w.VBox):
    """Widget around one `Separator`; what it shows can be had in Python, too.

    Parameters
    ----------
    song, model
        As in `explore`.
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
    separation : Separation or None
        Of the last run, with the present options.
    editor : MaskEditor or None
        The masks that are shown and heard, strokes of the brush included.
    view : SpectrogramView or None
    mixer : Mixer or None
    references : dict or None
        True stems of the excerpt, where known.
    scores : DataFrame or None
        Window by window, where true stems are known.
    """

    def __init__(
        self,
        song: PathLike | None = None,
        model: str = "spleeter:2stems",
        *,
        offset: float = 0.0,
        duration: float = DEFAULT_SECONDS,
        power: float = 2.0,
        extension: str = "zeros",
        mwf: int = 0,
    ) -> None:
        self.separation: Separation | None = None
        self.editor: MaskEditor | None = None
        self.view: SpectrogramView | None = None
        self.mixer: Mixer | None = None
        self._links: list[w.Widget] = []
        self.references: dict[str, Waveform] | None = None
        self.scores: pd.DataFrame | None = None
        self._separators: dict[str, Separator] = {}
        self._tracks = datasets.examples()
        self._upload_folder: tempfile.TemporaryDirectory[str] | None = None
        self._work: threading.Thread | None = None
        self._again: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._measuring: threading.Thread | None = None
        self._to_measure: dict[str, Waveform] | None = None
        self._stop = threading.Event()
        presets.find(model)  # an unknown name is an error here, not a picker that shows another
        song_name, path = self._resolve(song)
        self._build_controls(song_name, path, model, offset, duration, power, extension, mwf)
        self._build_results()
        super().__init__([w.HTML(_CSS), self._controls, self._status, self._results])
        self.add_class("mssviz-explorer")

    # --- the same from code -------------------------------------------------------------------

    def separate(self) -> Separation:
        """Separate the chosen excerpt and wait for the result.

        Raises
        ------
        MssvizError
            What the page shows in its status line.
        """
        self._stop.clear()
        self._separate()
        self.wait()
        assert self.separation is not None
        return self.separation

    def cancel(self) -> None:
        """Stop the work in progress at the next patch."""
        self._stop.set()

    def save_html(self, path: PathLike) -> Path:
        """Write what is shown as one HTML file that works without a kernel or a network.

        Parameters
        ----------
        path
            Of the file. Spectrograms, masks, readout, mixer and scores work in it; levels and
            masks are rounded to 8 bits, which it says.
        """
        if self.view is None or self.mixer is None:
            raise ParameterError("nothing to save yet: call separate() first")
        title = f"{self._song.label} · {self._model.value}"
        if self._song.value == OWN_FILE:
            title = f"{Path(self._path.value).name} · {self._model.value}"
        return save_page(path, title, self.view, self.mixer, self._score_table.value)

    def wait(self) -> None:
        """Wait until the work started by a button, a slider or the brush is done, scores too."""
        while (work := self._work or self._measuring) is not None:
            work.join()

    # --- layout -------------------------------------------------------------------------------

    def _build_controls(
        self,
        song: str,
        path: str,
        model: str,
        offset: float,
        duration: float,
        power: float,
        extension: str,
        mwf: int,
    ) -> None:
        wide = model.endswith(_WIDE)
        base = model.removesuffix(_WIDE)
        self._model = w.Dropdown(
            options=_model_options(base), value=base, description="Model", style=_STYLE
        )
        songs = [(track.name, name) for name, track in self._tracks.items()]
        self._song = w.Dropdown(
            options=[*songs, ("Own file…", OWN_FILE)], value=song, description="Song", style=_STYLE
        )
        self._path = w.Text(
            value=path, placeholder="path of a sound file", description="File", style=_STYLE,
            continuous_update=False,
        )  # fmt: skip
        self._upload = w.FileUpload(accept="audio/*,.flac,.m4a,.mp4,.opus", description="Upload")
        self._own = w.VBox(
            [
                self._path,
                w.HBox([self._upload, w.HTML("<small>up to 10 MB; larger: by path</small>")]),
            ]
        )
        self._offset = w.BoundedFloatText(
            value=offset, min=0, max=86400, step=1, description="From (s)", style=_STYLE
        )
        self._duration = w.BoundedFloatText(
            value=duration, min=0.1, max=3600, step=1, description="Length (s)", style=_STYLE
        )
        self._power = w.FloatSlider(
            value=power, min=0.5, max=8, step=0.5, description="Exponent", style=_STYLE,
            readout_format=".1f",
        )  # fmt: skip
        self._binary = w.Checkbox(
            value=False, description="binary: round masks to 0 and 1", style=_STYLE
        )
        self._extension = w.Dropdown(
            options=[("zeros: silence", "zeros"), ("average: the frame's mean mask", "average")],
            value=extension, description="Above band", style=_STYLE,
        )  # fmt: skip
        self._band = w.Dropdown(
            options=[("up to 11 kHz, as trained", ""), ("up to 16 kHz", _WIDE)],
            value=_WIDE if wide else "", description="Bandwidth", style=_STYLE,
        )  # fmt: skip
        self._mwf = w.BoundedIntText(
            value=mwf, min=0, max=5, description="MWF rounds", style=_STYLE
        )
        self._go = w.Button(description="Separate", button_style="primary", icon="play")
        self._cancel = w.Button(description="Cancel", icon="stop", disabled=True)
        self._progress = w.FloatProgress(min=0, max=1, layout={"width": "14em"})
        self._doing = w.Label()
        columns = [
            w.VBox([self._model, self._song, self._own]),
            w.VBox([self._offset, self._duration, self._band]),
            w.VBox([self._power, self._binary, self._extension, self._mwf]),
        ]
        for column in columns:
            column.layout = w.Layout(flex="1 1 21em")
            for child in column.children:
                child.layout.width = "auto"
        self._controls = w.VBox(
            [
                w.HBox(columns, layout=w.Layout(flex_flow="row wrap")),
                w.HBox(
                    [self._go, self._cancel, self._progress, self._doing],
                    layout=w.Layout(align_items="center", flex_flow="row wrap"),
                ),
            ]
        )
        self._status = w.HTML(_HINT)
        self._show_own_file()
        self._song.observe(lambda _: self._show_own_file(), "value")
        self._upload.observe(lambda _: self._take_upload(), "value")
        self._go.on_click(lambda _: self._start(self._separate))
        self._cancel.on_click(lambda _: self.cancel())
        for control in (self._power, self._binary, self._extension, self._mwf):
            control.observe(lambda _: self._start(self._remask), "value")

    def _build_results(self) -> None:
        self._stage = w.VBox()
        self._undo = w.Button(description="Undo", icon="undo", disabled=True)
        self._redo = w.Button(description="Redo", icon="repeat", disabled=True)
        self._consistent = w.Checkbox(
            value=True, description="other stems keep the sum", indent=False
        )
        for button in (self._undo, self._redo):
            button.layout.width = "7em"
        self._undo.on_click(lambda _: self._edit(lambda editor: editor.undo()))
        self._redo.on_click(lambda _: self._edit(lambda editor: editor.redo()))
        self._edits = w.HBox(
            [w.Label("Brush strokes"), self._undo, self._redo, self._consistent],
            layout=w.Layout(align_items="center", flex_flow="row wrap", display="none"),
        )
        self._score_picture = w.Image(
            format="png", layout=w.Layout(width="100%", max_width="1100px", display="none")
        )
        self._score_table, self._score_note, self._level_note = w.HTML(), w.HTML(), w.HTML()
        self._results = w.VBox(
            [
                self._stage,
                self._edits,
                self._level_note,
                self._score_note,
                self._score_table,
                self._score_picture,
            ]
        )

    def _show_own_file(self) -> None:
        self._own.layout.display = None if self._song.value == OWN_FILE else "none"

    # --- work ---------------------------------------------------------------------------------

    def _start(self, work: Callable[[], None]) -> None:
        # One piece of work at a time; what is asked for meanwhile, such as the slider's next
        # position, is done afterwards, and only the last of it.
        with self._lock:
            if self._work is not None and self._work.is_alive():
                self._again = work
                return
            self._stop.clear()
            self._work = threading.Thread(target=self._run, args=(work,), daemon=True)
            self._work.start()

    def _run(self, work: Callable[[], None]) -> None:
        current: Callable[[], None] | None = work
        try:
            while current is not None:
                with contextlib.suppress(MssvizError):  # shown by _Busy
                    current()
                with self._lock:
                    current, self._again = self._again, None
                    if current is None:
                        self._work = None
        finally:
            self._work = None

    def _separate(self) -> None:
        with _Busy(self):
            self._clear()
            mixture, references = self._load()
            name = self._model.value + self._band.value
            separator = self._separators.get(name)
            if separator is None:
                separator = Separator(_known(name), progress=self._report_fetch)
                self._separators[name] = separator
            self._show_mixture(mixture, separator)
            self._doing.value = "load the network"
            separation = separator.separate(mixture, separator.sample_rate, self._report)
            self.references = datasets.to_targets(references, separator.targets)
            self.separation = separation
            self._remask()

    def _remask(self) -> None:
        if self.separation is None:
            return  # nothing is separated yet, or not any more
        with _Busy(self):
            self._doing.value = "make masks"
            self.separation = separation = self.separation.with_options(
                power=self._power.value,
                extension=self._extension.value,
                mwf_iterations=self._mwf.value,
                binary=self._binary.value,
            )
            found = {target: mask[:] for target, mask in separation.masks.items()}
            self.editor = MaskEditor(found, separation.preset.stft)
            if self.mixer is None:
                self._show_separation(separation, found)
            else:
                assert self.view is not None
                self.view.set_masks(found)
                self._play(dict(separation.estimates))
        self._measure_later(dict(separation.estimates))

    def _edit(self, change: Callable[[MaskEditor], slice]) -> None:
        """Change the masks, show and play the result at once, then measure."""
        editor, separation = self.editor, self.separation
        if editor is None or separation is None or self.view is None:
            return
        editor.sum_to_one = self._consistent.value
        frames = change(editor)
        if frames.stop <= frames.start:
            return
        self.view.set_masks(editor.masks, frames)
        self._play(self.estimates)
        self._measure_later(self.estimates)

    @property
    def estimates(self) -> dict[str, Waveform]:
        """Stems that the present masks, strokes included, let through."""
        if self.separation is None or self.editor is None:
            raise ParameterError("nothing is separated yet: call separate()")
        if not self.editor.can_undo:
            return dict(self.separation.estimates)
        separation = self.separation
        return resynthesise(
            self.editor.masks,
            separation.mixture_stft[:],
            separation.preset.stft,
            len(separation.mixture),
        )

    def _load(self) -> tuple[Waveform, dict[str, Waveform]]:
        self._doing.value = "read the song"
        offset, duration = self._offset.value, self._duration.value
        if self._song.value != OWN_FILE:
            return self._tracks[self._song.value].load(offset, duration)
        if not self._path.value.strip():
            raise ParameterError("no file chosen: upload one, or type its path")
        mixture, _ = audio.load_audio(self._path.value.strip(), offset, duration)
        return mixture, {}

    def _take_upload(self) -> None:
        if not self._upload.value:
            return
        if self._upload_folder is None:
            self._upload_folder = tempfile.TemporaryDirectory(prefix="mssviz-")
        item = self._upload.value[0]
        path = Path(self._upload_folder.name, Path(item["name"].replace("\\", "/")).name or "song")
        path.write_bytes(item["content"])
        self._path.value = str(path)

    # Scores take seconds, masks do not: they are measured in a thread of their own, and only of
    # the newest stems.

    def _measure_later(self, estimates: dict[str, Waveform]) -> None:
        if self.references is None:
            self.scores = None
            self._score_table.value = (
                "<small>No scores: this song's true stems are unknown.</small>"
            )
            return
        with self._lock:
            self._to_measure = estimates
            if self._measuring is None:
                self._score_note.value = "<small>measuring (museval) …</small>"
                self._measuring = threading.Thread(target=self._measure_newest, daemon=True)
                self._measuring.start()

    def _measure_newest(self) -> None:
        try:
            while True:
                with self._lock:
                    estimates, self._to_measure = self._to_measure, None
                    references, separation = self.references, self.separation
                    if estimates is None or references is None or separation is None:
                        self._measuring = None
                        return
                try:
                    self._measure(separation, references, estimates)
                except MssvizError as error:
                    self.scores = None
                    self._score_table.value = _alert(str(error))
        finally:
            self._measuring = None
            self._score_note.value = ""

    def _measure(
        self,
        separation: Separation,
        references: dict[str, Waveform],
        estimates: dict[str, Waveform],
    ) -> None:
        dither_db = -80.0 if any(map(metrics.is_band_limited, references.values())) else None
        scores = metrics.evaluate(
            references, estimates, separation.sample_rate, dither_db=dither_db,
            window=min(1.0, len(separation.mixture) / separation.sample_rate),
        )  # fmt: skip
        if self._to_measure is not None or self.references is not references:
            return  # of stems that are gone by now
        table = metrics.summarise(scores).rename_axis(None)
        table.insert(
            0, "SI-SDR", [metrics.si_sdr(references[t], estimates[t]) for t in table.index]
        )
        self.scores = scores
        note = "dB; median over windows of 1 s (BSS Eval v4, museval); SI-SDR of the whole excerpt."
        if dither_db:
            note += (
                f" The true stems come from a lossy file: noise of {dither_db:.0f} dBFS was added, "
                "without which ISR, SIR and SAR are not defined."
            )
        self._score_table.value = (
            table.to_html(
                float_format=lambda v: f"{v:.1f}", border=0, escape=True, classes="mssviz-scores"
            )
            + f"<small>{note}</small>"
        )
        with plots.neutral():
            from matplotlib.figure import Figure

            figure = Figure(figsize=(11, 2.6), layout="constrained")
            plots.scores(scores, ax=figure.subplots())
            self._score_picture.value = _encode.png(figure)
            self._score_picture.layout.display = None

    # --- pictures and sound -------------------------------------------------------------------

    def _clear(self) -> None:
        self.separation = self.scores = self.references = self.editor = None
        self._score_picture.layout.display = self._edits.layout.display = "none"
        self._level_note.value = self._score_table.value = ""
        self._stage.children = ()
        for widget in (*self._links, self.view, self.mixer):
            if widget is not None:
                widget.close()
        self.view = self.mixer = None
        self._links = []

    def _show_mixture(self, mixture: Waveform, separator: Separator) -> None:
        waveform = audio.to_channels(mixture, separator.preset.n_channels)
        params = separator.preset.stft
        self.view = SpectrogramView(stft(waveform, params), params, offset=self._offset.value)
        self._stage.children = (self.view,)

    def _show_separation(self, separation: Separation, found: dict[str, Mask]) -> None:
        params, offset = separation.preset.stft, self._offset.value
        true = {t: stft(x, params) for t, x in (self.references or {}).items()}
        colors = dict(zip(separation.targets, plots.PALETTE, strict=False))
        mixture_only = self.view
        self.view = SpectrogramView(
            separation.mixture_stft[:],
            params,
            found,
            references=true,
            compare=masks.ideal_ratio_masks(true) if true else None,
            colors=colors,
            offset=offset,
        )
        self.view.on_stroke(lambda stroke: self._edit(lambda editor: editor.apply(stroke)))
        tracks = {"mixture": separation.mixture}
        pairs = {}
        for target in separation.targets:
            tracks[target] = separation.estimates[target]
            if self.references is not None:
                pairs[target] = f"{target} (true)"
                tracks[pairs[target]] = self.references[target]
        self.mixer = Mixer(
            tracks,
            separation.sample_rate,
            pairs=pairs,
            colors={"mixture": "#888888", **colors},
            offset=offset,
        )
        self.mixer.adjust("mixture", muted=True)
        self._links = [
            w.jslink((self.mixer, "time"), (self.view, "time")),
            w.jslink((self.view, "selection"), (self.mixer, "loop")),
        ]
        self._stage.children = (self.view, self.mixer)
        if mixture_only is not None:
            mixture_only.close()
        self._edits.layout.display = None
        self._note_residual(separation.residual_db())

    def _play(self, estimates: dict[str, Waveform]) -> None:
        assert self.mixer is not None
        assert self.separation is not None
        for target, waveform in estimates.items():
            self.mixer.replace(target, waveform)
        assert self.editor is not None
        self._undo.disabled, self._redo.disabled = (
            not self.editor.can_undo,
            not self.editor.can_redo,
        )
        residual = self.separation.mixture - np.add.reduce(list(estimates.values()))
        self._note_residual(level_ratio_db(residual, self.separation.mixture))

    def _note_residual(self, residual_db: float) -> None:
        self._level_note.value = (
            "<small>Stems play at their true relative level. Mixture minus all stems: "
            f"{residual_db:.1f} dB.</small>"
        )

    # --- progress -----------------------------------------------------------------------------

    def _check_stop(self, _done: float, _total: float | None, _what: str) -> None:
        if self._stop.is_set():
            raise Cancelled("cancelled")

    def _report(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"{what}: {done:.0f} of {total:.0f} s" if total else what

    def _report_fetch(self, done: float, total: float | None, what: str) -> None:
        self._check_stop(done, total, what)
        self._progress.value = done / total if total else 0
        self._doing.value = f"fetch weights: {done / 1e6:.0f} MB"

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


def _model_options(model: str) -> list[tuple[str, str]]:
    options = []
    for name, preset in presets.shipped().items():
        if name.endswith(_WIDE):
            continue
        state = pretrained.state(preset)
        size = f"{preset.weights.size / 1e6:.0f} MB"
        here = "ready" if state == "ready" else f"will be fetched, {size}"
        options.append((f"{name} – {', '.join(preset.targets)} ({here})", name))
    if model not in [name for _, name in options]:
        preset = presets.find(model)
        options.append((f"{preset.name} – {', '.join(preset.targets)}", model))
    return options


def _known(name: str) -> str:
    # a preset of one's own has no variant with more bandwidth
    if name.endswith(_WIDE) and name not in presets.shipped():
        raise ParameterError(f"{name.removesuffix(_WIDE)} has no 16 kHz variant; choose 11 kHz")
    return name
