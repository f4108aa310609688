"""What people set in the explorer: pickers and sliders, and what they say."""

import html
import math
import numbers
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets as w

from mssviz import audio, baselines, datasets, presets, pretrained
from mssviz._paths import exists, is_folder, typed
from mssviz._typing import PathLike
from mssviz.errors import AudioError, Cancelled, MssvizError, ParameterError
from mssviz.plots import one_line
from mssviz.presets import Preset
from mssviz.separation import MAX_SMOOTHING, MaskOptions
from mssviz.tracks import Sound
from mssviz.widgets import _static
from mssviz.widgets._box import Box
from mssviz.widgets._result import Result
from mssviz.widgets.upload import Upload

OWN_FILE = "own file"
DEFAULT_SECONDS, LEAST_SECONDS = 15.0, 0.1
MAX_POWER, MAX_MWF = 8.0, 5
_STYLE = {"description_width": "7.5em"}
_HINT = "Choose a song and press <b>Separate</b>: masks, stems and scores appear here."


class Controls(Box):
    """An explorer's pickers, sliders and stages; nothing happens yet when they are used.

    Parameters
    ----------
    song, offset, duration, power, extension, mwf
        As in `Explorer`.
    model, rival
        Names of models; the latter may be empty.

    Raises
    ------
    ParameterError, AudioError
        As in `Explorer`.
    """

    def __init__(
        self,
        song: PathLike | None,
        model: str,
        rival: str,
        offset: float,
        duration: float | None,
        power: float,
        extension: str,
        mwf: int,
    ) -> None:
        check_excerpt(offset, duration)
        check_masks(power, extension, mwf)
        self._tracks = datasets.examples()
        name, path = self._resolve(song)
        self._build_pickers(name, path, model, rival, float(offset), duration)
        self._build_sliders(power, extension, mwf)
        self._build_results()
        style = w.HTML(f"<style>{_static.style('explorer.css', 'score_table.css')}</style>")
        super().__init__([style, self._pickers, self._status, self._sliders, self._results])
        self.add_class("mssviz-explorer")

    # --- what they say ------------------------------------------------------------------------

    def _title(self) -> str:
        song = self._song.label
        if self._song.value == OWN_FILE:
            song = Path(self._path.value).name
        return f"{one_line(song)} · {one_line(self._model.value)}"

    def _load(self, sample_rate: int) -> Sound:
        self._doing.value = "read the song"
        offset, duration = self._offset.value, self._duration.value
        if self._whole.value:
            duration = None
        check_excerpt(offset, duration)
        if self._song.value != OWN_FILE:
            return self._tracks[self._song.value].sound(offset, duration, sample_rate)
        text = self._path.value.strip()
        if not text:
            raise ParameterError("no file chosen: upload one, or type its path")
        path = Path(typed(text))
        if is_folder(path):
            return datasets.from_folder(path).sound(offset, duration, sample_rate)
        mixture, _ = audio.load_audio(path, offset, duration, sample_rate)
        return Sound(mixture, {}, [])  # without true stems, nothing is measured

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
        if not exists(typed(str(song))):
            raise AudioError(
                f"{song}: no such file, nor an example ({', '.join(self._tracks)}); check its name"
            )
        return OWN_FILE, str(song)

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

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Show warnings, such as of a damaged file, in the status line, too."""
        # Python shows a warning once; after a change of its filters, it does so again
        warnings.simplefilter("default", _Never)
        shown: Callable[..., None] = warnings.showwarning
        notes: list[str] = []

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            notes.append(str(message))
            self._status.value = "".join(map(alert, notes))
            shown(message, *where, **more)

        warnings.showwarning = show
        try:
            yield
        finally:
            if warnings.showwarning is show:  # else another thread has changed it meanwhile
                warnings.showwarning = shown

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
            description="Path", style=_STYLE, continuous_update=False, layout={"width": "auto"},
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


def check_excerpt(offset: Any, duration: Any) -> None:
    """Raise `ParameterError` unless these are times of an excerpt, in seconds."""
    for name, value, least in (("offset", offset, 0.0), ("duration", duration, LEAST_SECONDS)):
        if name == "duration" and value is None:
            continue
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not least <= float(value) < math.inf:
            raise ParameterError(
                f"{name} must be {least:g} s or more"
                f"{', or None for the whole song' if least else ''} (got {value!r})"
            )


def check_masks(power: Any, extension: Any, mwf: Any) -> None:
    """Raise `ParameterError` unless the sliders can be set to these."""
    MaskOptions(power=power, extension=extension, mwf_iterations=mwf)
    if not 0.5 <= power <= MAX_POWER:
        raise ParameterError(f"power must lie between 0.5 and {MAX_POWER:g} (got {power})")
    if mwf not in range(MAX_MWF + 1):
        raise ParameterError(f"mwf must be an integer, 0 to {MAX_MWF} (got {mwf})")


class _Never(Warning):
    """Is never given."""


class Busy:
    """While work runs: buttons, progress; afterwards the error, if any, in place."""

    def __init__(self, explorer: Controls) -> None:
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
            e._status.value = alert(text)


def alert(text: str) -> str:
    """A text that is read out at once, as HTML."""
    return (
        '<div role="alert" style="border-left:4px solid #D55E00;padding:4px 10px">'
        f"{html.escape(one_line(text, 500))}</div>"
    )


def _columns(*groups: list[w.Widget]) -> w.HBox:
    # side by side where there is room
    columns = [w.VBox(group, layout=w.Layout(flex="1 1 20em")) for group in groups]
    for column in columns:
        for child in column.children:
            child.layout.width = "auto"
    return w.HBox(columns, layout=w.Layout(flex_flow="row wrap"))


def band_khz(preset: Preset) -> float:
    """How far a model's masks reach, in kHz."""
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
            label = f"{preset.name} – {targets}; up to {band_khz(preset):g} kHz ({state})"
            if state == pretrained.TO_BE_TRAINED:
                if not name.endswith(presets.TINY) or name == chosen:
                    untrained.append((one_line(label, 160), name))
                continue
        options.append((one_line(label, 160), name))
    return options + untrained
