"""What people set in the explorer: pickers, buttons and sliders, and what they say."""

import os
from typing import Any

import ipywidgets as w

from mssviz import datasets, presets, pretrained
from mssviz._paths import exists, typed
from mssviz._typing import PathLike
from mssviz.errors import AudioError, ParameterError
from mssviz.plots import one_line
from mssviz.presets import Preset
from mssviz.separation import MaskOptions
from mssviz.separation.editing import MaskEditor
from mssviz.separators import Entry, Model, entries, entry
from mssviz.widgets.explorer.choice import DEFAULT_SECONDS, Choice, check_excerpt
from mssviz.widgets.explorer.mask_controls import STYLE, MaskControls
from mssviz.widgets.explorer.save_controls import SaveControls
from mssviz.widgets.explorer.stage import alert
from mssviz.widgets.explorer.work import Status
from mssviz.widgets.upload import Upload

OWN_FILE = "own file"
_HINT = "Choose a song and press <b>Separate</b>: masks, stems and scores appear here."


class Controls:
    """An explorer's controls by name; nothing happens yet when they are used.

    All are widgets of ipywidgets: ``controls.power.value = 4`` moves a slider,
    ``controls.separate.click()`` presses a button, ``controls.offset.observe(...)`` follows a
    number.

    Parameters
    ----------
    song, offset, duration
        As in `Explorer`.
    model, rival
        Names of models; the latter may be empty.
    options
        Of masks, with which the sliders begin.

    Attributes
    ----------
    song : Dropdown
        Name of an example, or ``"own file"``.
    path : Text
        Of the own file or folder of stems.
    upload : Upload
    offset, duration : FloatText
        Beginning and length of the excerpt, in seconds.
    whole : Checkbox
        Whether the excerpt goes to the song's end.
    model, rival : Dropdown
        Names of the model and of a second one; the latter may be empty.
    separate, cancel, undo, redo : Button
    sum_to_one : Checkbox
        Whether a stroke changes the other stems' masks, too, so that they add up to 1.
    power, hardness, threshold, smoothing, bandwidth, extension, mwf : IntSlider, ... or Dropdown
        One of this name for each of `MaskOptions`, in the unit that it is labelled with.
    oracle_phase : Dropdown
        True for the true stems' phase.
    save : SaveControls
        ``controls.save.button.click()`` writes what is chosen to a file.
    progress : FloatProgress
    doing : Label
    status : HTML

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
        options: MaskOptions,
    ) -> None:
        check_excerpt(offset, duration)
        self._tracks = datasets.examples()
        name, path = self._resolve(song)
        self._make_song(name, path)
        self._make_excerpt(float(offset), duration)
        self._make_models(model, rival)
        self._make_work()
        self._make_masks(options)
        self._make_strokes()
        self.save = SaveControls()
        self.pickers = w.VBox(
            [
                _columns(
                    [self.song, self._own, self.offset, self.duration, self.whole],
                    [self.model, self.rival],
                ),
                _row(self.separate, self.cancel, self.progress, self.doing),
            ]
        )

    def __getattr__(self, name: str) -> Any:
        """Control of a mask option."""
        masks = vars(self).get("masks")
        if masks is None or name not in masks.by_option:
            raise AttributeError(f"the explorer has no control {name!r}")
        return masks.by_option[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.masks.by_option]

    # --- what they say ------------------------------------------------------------------------

    def choice(self) -> Choice:
        """What is to be separated."""
        song = self.path.value if self.song.value == OWN_FILE else self._tracks[self.song.value]
        duration = None if self.whole.value else self.duration.value
        return Choice(song, self.model.value, self.rival.value, self.offset.value, duration)

    def options(self) -> dict[str, Any]:
        """How masks are to be made, for `Session.set_options`."""
        return {"oracle_phase": self.oracle_phase.value, **self.masks.values}

    def option_controls(self) -> list[w.Widget]:
        """Those that `options` reads."""
        return [*self.masks.by_option.values(), self.oracle_phase]

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

    # --- what they show -----------------------------------------------------------------------

    def show_status(self, status: Status) -> None:
        """Show how the work stands, and let buttons be pressed accordingly."""
        working = status.phase == "working"
        self.separate.disabled, self.cancel.disabled = working, not working
        self.progress.value, self.doing.value = status.share, status.doing
        self.progress.bar_style = {"working": "", "done": "success"}.get(status.phase, "danger")
        told = one_line if status.phase == "cancelled" else alert
        self.status.value = "".join(map(told, status.messages))

    def fit(self, model: Model, references_known: bool) -> None:
        """Show what can be set of a model's result, and lock what would do nothing."""
        self.masks.fit(model.kind, model.preset.name, band_khz(model.preset))
        self.oracle_phase.disabled = not references_known
        self.sliders.layout.display = self.strokes.layout.display = None
        self.save.button.disabled = False

    def show_strokes(self, editor: MaskEditor) -> None:
        """Let buttons be pressed according to what can be undone."""
        self.undo.disabled, self.redo.disabled = not editor.can_undo, not editor.can_redo

    # --- making them --------------------------------------------------------------------------

    def _make_song(self, song: str, path: str) -> None:
        songs = [(f"{track.name} · {track.licence}", name) for name, track in self._tracks.items()]
        self.song = w.Dropdown(
            options=[*songs, ("Own file or folder of stems…", OWN_FILE)], value=song,
            description="Song", style=STYLE,
        )  # fmt: skip
        self.path = w.Text(
            value=path, placeholder="a sound file, or a folder with one file a stem",
            description="Path", style=STYLE, continuous_update=False, layout={"width": "auto"},
        )  # fmt: skip
        self.upload = Upload(accept="audio/*,.flac,.m4a,.mp4,.opus,.ogg,.wma")
        self._own = w.VBox([self.path, self.upload])
        self._show_own_file()
        self.song.observe(lambda _: self._show_own_file(), "value")
        self.upload.observe(lambda change: self.path.set_trait("value", change["new"]), "path")

    def _show_own_file(self) -> None:
        self._own.layout.display = None if self.song.value == OWN_FILE else "none"

    def _make_excerpt(self, offset: float, duration: float | None) -> None:
        # not bounded: what is out of range is refused, and not made something else
        self.offset = w.FloatText(value=offset, step=1, description="From (s)", style=STYLE)
        self.duration = w.FloatText(
            value=duration or DEFAULT_SECONDS, step=1, description="Length (s)", style=STYLE
        )
        self.whole = w.Checkbox(
            value=duration is None, description="to the song's end", style=STYLE
        )
        w.dlink((self.whole, "value"), (self.duration, "disabled"))

    def _make_models(self, model: str, rival: str) -> None:
        self.model = w.Dropdown(
            options=_model_options(model), value=model, description="Model", style=STYLE
        )
        self.rival = w.Dropdown(
            options=[("no other model", ""), *_model_options(rival or model)], value=rival,
            description="Compare with", style=STYLE,
        )  # fmt: skip

    def _make_work(self) -> None:
        self.separate = w.Button(description="Separate", button_style="primary", icon="play")
        self.cancel = w.Button(description="Cancel", icon="stop", disabled=True)
        self.progress = w.FloatProgress(min=0, max=1, layout={"width": "14em"})
        self.doing = w.Label()
        self.status = w.HTML(_HINT)

    def _make_masks(self, options: MaskOptions) -> None:
        self.masks = MaskControls(options)
        self.oracle_phase = w.Dropdown(
            options=[("the mixture's", False), ("the true stems' (oracle)", True)],
            value=False, description="Phase", style=STYLE,
        )  # fmt: skip
        controls = self.option_controls()
        half = len(controls) // 2
        columns = _columns(controls[:half], controls[half:])
        self.sliders = w.VBox([self.masks.note, columns], layout={"display": "none"})

    def _make_strokes(self) -> None:
        narrow = {"width": "7em"}
        self.undo = w.Button(description="Undo", icon="undo", disabled=True, layout=narrow)
        self.redo = w.Button(description="Redo", icon="repeat", disabled=True, layout=narrow)
        self.sum_to_one = w.Checkbox(
            value=True, description="other stems keep the sum", indent=False
        )
        self.strokes = _row(w.Label("Brush strokes"), self.undo, self.redo, self.sum_to_one)
        self.strokes.layout.display = "none"


def _row(*widgets: w.Widget) -> w.HBox:
    return w.HBox(widgets, layout=w.Layout(align_items="center", flex_flow="row wrap"))


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
    """Label and name of every model: what can be used first, then what has to be trained."""
    found = entries()
    if chosen not in found:
        found[chosen] = entry(chosen)
    options, untrained = [], []
    for name, one in found.items():
        label = one_line(_label(name, one), 160)
        if one.state != pretrained.TO_BE_TRAINED:
            options.append((label, name))
        elif name == chosen or not name.endswith(presets.TINY):
            untrained.append((label, name))
    return options + untrained


def _label(name: str, one: Entry) -> str:
    targets = ", ".join(one.preset.targets)
    if one.group in ("oracle", "baseline"):
        return f"{name} – {one.preset.title}"
    if one.group == "classical":
        return f"{name} – {one.preset.title}: {targets}"
    state = one.state
    if state not in ("ready", pretrained.TO_BE_TRAINED):
        state = f"will be fetched, {one.preset.weights.size / 1e6:.0f} MB"
    return f"{name} – {targets}; up to {band_khz(one.preset):g} kHz ({state})"
