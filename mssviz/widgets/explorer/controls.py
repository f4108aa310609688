"""What people set in the explorer: pickers, buttons and sliders, and what they are set to."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import ipywidgets as w

from mssviz import datasets
from mssviz._paths import exists, is_folder, typed
from mssviz._typing import PathLike
from mssviz.errors import AudioError, MssvizError, ParameterError
from mssviz.separation import MaskOptions
from mssviz.separation.editing import MaskEditor
from mssviz.separators import Model
from mssviz.tracks import seconds_of
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._menu import DRAWERS, Menu
from mssviz.widgets._press import PressButton
from mssviz.widgets.explorer.choice import DEFAULT_SECONDS, Choice, check_excerpt
from mssviz.widgets.explorer.mask_controls import STYLE, MaskControls
from mssviz.widgets.explorer.pickers import band_khz, model_picker
from mssviz.widgets.explorer.save_controls import SaveControls
from mssviz.widgets.explorer.stage import alert, foldable, note, terms
from mssviz.widgets.explorer.work import Status
from mssviz.widgets.upload import Upload

OWN_FILE = "own file"
#: What of a complex mask can be heard, in words.
MASK_PARTS = {"whole": "whole mask", "magnitude": "magnitude only", "turn": "turn only"}
_SONG_HELP = "Which song is separated, and which part of it"
_SAVE = {
    "name": "save",
    "label": "Save",
    "help": "Files of what is heard, seen and measured",
    "opens": "popover",
}


class Controls:
    """The controls of an explorer by name; nothing happens yet when they are used.

    All are widgets: ``controls.power.value = 4`` moves a slider, ``controls.separate.click()``
    presses a button, ``controls.offset.observe(...)`` follows a number.

    Parameters
    ----------
    song, offset, duration
        Song and times of the excerpt, as in `Explorer`.
    model, rival
        Names of models; that of the rival may be empty.
    options
        Mask options with which the sliders begin.

    Attributes
    ----------
    song : Dropdown
        Name of an example, or ``"own file"``.
    path : Text
        Path of the own file or folder of stems.
    upload : Upload
    offset, duration : FloatText
        Beginning and length of the excerpt, in seconds.
    whole : Checkbox
        Whether the excerpt goes to the song's end.
    model, rival : Picker
        Names of the model and of a second one; that of the second may be empty.
    separate : PressButton
        It says what is being done while there is work.
    cancel, undo, redo : Button
    sum_to_one : Checkbox
        Whether a stroke changes the other stems' masks, too, so that they add up to 1.
    power, hardness, threshold, smoothing, bandwidth, extension, mwf : Slider or Dropdown
        One control of this name for each of `MaskOptions`, in the unit of its label.
    oracle_phase : Dropdown
        True for the true stems' phase.
    mask_part : Dropdown
        Part of complex masks that is heard, as in `Laboratory.set_options`; hidden for models whose
        masks have none, and locked while there are strokes.
    save : SaveControls
        ``controls.save.button.click()`` writes what is chosen to a file.
    progress : FloatProgress
    status : HTML
    row : HBox
        The first row of the page.
    panels : list of VBox
        What is opened by it.

    Raises
    ------
    ParameterError, AudioError
        Under the conditions of `Explorer`.
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
        self._arrange()

    def __getattr__(self, name: str) -> Any:
        """Control of a mask option."""
        masks = vars(self).get("masks")
        if masks is None or name not in masks.by_option:
            raise AttributeError(f"the explorer has no control {name!r}")
        return masks.by_option[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.masks.by_option]

    # --- what they are set to -----------------------------------------------------------------

    def choice(self) -> Choice:
        """Song, excerpt and models that are to be separated."""
        song = self.path.value if self.song.value == OWN_FILE else self._tracks[self.song.value]
        duration = None if self.whole.value else self.duration.value
        return Choice(song, self.model.value, self.rival.value, self.offset.value, duration)

    def options(self) -> dict[str, Any]:
        """Options by which masks are to be made, for `Session.set_options`."""
        of_sound = {"oracle_phase": self.oracle_phase.value, "mask_part": self.mask_part.value}
        return {**of_sound, **self.masks.values}

    def option_controls(self) -> list[w.Widget]:
        """The controls that `options` reads."""
        return [*self.masks.by_option.values(), self.oracle_phase, self.mask_part]

    def choice_controls(self) -> list[w.Widget]:
        """The controls that `choice` reads."""
        times = [self.offset, self.duration, self.whole]
        return [self.song, self.path, *times, self.model, self.rival]

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
        """Show how the work stands, and enable buttons accordingly."""
        working = status.phase == "working"
        busy = working or status.phase == "reading"
        locks = [(self.cancel, not busy), (self.separate, working)]
        # what has the focus is locked last, so that the other one can take it
        for button, locked in locks if working else reversed(locks):
            button.disabled = locked
        doing = status.doing.rpartition(": ")[2]  # the number, for which there is room
        self.separate.description = (working and doing) or "Separate"
        self.progress.value = status.share
        self.progress.layout.visibility = "visible" if busy else "hidden"
        told = note if status.phase in ("cancelled", "unread") else alert
        self.status.value = foldable("".join(map(told, status.messages)))

    def fit(self, model: Model, references_known: bool) -> None:
        """Show what can be set for a model's result, and lock what would do nothing."""
        self.masks.fit(model.kind, model.preset.name, band_khz(model.preset))
        self.oracle_phase.disabled = not references_known
        self._show_mask_part()
        self.save.button.disabled = False

    def show_strokes(self, editor: MaskEditor) -> None:
        """Enable buttons according to what can be undone."""
        locked = [(not editor.can_undo, self.undo), (not editor.can_redo, self.redo)]
        # the free one first: it takes the focus of one that is locked
        for is_locked, each in sorted(locked, key=lambda pair: pair[0]):
            each.disabled = is_locked
        self.mask_part.disabled = editor.edited

    def _show_mask_part(self) -> None:
        self.mask_part.layout.display = None if self.masks.is_filter else "none"

    # --- making them --------------------------------------------------------------------------

    def _make_song(self, song: str, path: str) -> None:
        songs = [(f"{track.name} · {track.licence}", name) for name, track in self._tracks.items()]
        self.song = Dropdown(
            options=[*songs, ("Own file or folder of stems…", OWN_FILE)], value=song,
            description="Song", style=STYLE, tooltip=_SONG_HELP, layout={"width": "auto"},
        )  # fmt: skip
        self.path = w.Text(
            value=path, placeholder="a sound file, or a folder with one file a stem",
            description="Path", style=STYLE, continuous_update=False, layout={"width": "auto"},
            tooltip="Path of the song where the kernel runs: a sound file, or a folder of stems.",
        )  # fmt: skip
        self.upload = Upload(accept="audio/*,.flac,.m4a,.mp4,.opus,.ogg,.wma")
        self._own = w.VBox([self.path, self.upload])
        self._show_own_file()
        self.song.observe(lambda _: self._show_own_file(), "value")
        self.upload.observe(lambda change: self.path.set_trait("value", change["new"]), "path")

    def _show_own_file(self) -> None:
        self._own.layout.display = None if self.song.value == OWN_FILE else "none"

    def _make_excerpt(self, offset: float, duration: float | None) -> None:
        # without bounds, so that a value out of range is refused and not replaced by another
        self.offset = w.FloatText(
            value=offset, step=1, description="From (s)", style=STYLE, layout={"width": "auto"},
            tooltip="Beginning of the excerpt, in seconds from the song's beginning",
        )  # fmt: skip
        self.duration = w.FloatText(
            value=duration or DEFAULT_SECONDS, step=1, description="Length (s)", style=STYLE,
            tooltip="Length of the excerpt, in seconds", layout={"width": "auto"},
        )  # fmt: skip
        self.whole = w.Checkbox(
            value=duration is None, description="to the song's end", style=STYLE,
            tooltip="Whether the excerpt goes on to the song's end", layout={"width": "auto"},
        )  # fmt: skip
        w.dlink((self.whole, "value"), (self.duration, "disabled"))

    def _make_models(self, model: str, rival: str) -> None:
        self.model = model_picker(model, "Model")
        self.rival = model_picker(rival, "Compare with", none="+ compare with…", chosen=model)

    def _make_work(self) -> None:
        self.separate = PressButton(
            "Separate", "Let the model separate the excerpt; the present result stays until then",
            *self.choice_controls(), primary=True,
        )  # fmt: skip
        self.cancel = w.Button(
            description="Cancel", disabled=True, tooltip="Stop; the last result stays"
        )
        self.progress = w.FloatProgress(min=0, max=1, layout={"visibility": "hidden"})
        self.status = w.HTML()

    def _make_masks(self, options: MaskOptions) -> None:
        self.masks = MaskControls(options)
        self.oracle_phase = Dropdown(
            options=[("the mixture's", False), ("the true stems' (oracle)", True)],
            value=False, description="Phase", style=STYLE, layout={"width": "auto"},
            tooltip="Whose phase the stems get; the true stems' must be known",
        )  # fmt: skip
        self.mask_part = Dropdown(
            options=[(label, part) for part, label in MASK_PARTS.items()], value="whole",
            description="Complex mask", style=STYLE, layout={"width": "auto", "display": "none"},
            tooltip="What of the complex mask is heard; its picture shows the whole",
        )  # fmt: skip
        self.masks.by_option["mwf"].observe(lambda _: self._show_mask_part(), "value")

    def _make_strokes(self) -> None:
        self.undo = w.Button(
            description="Undo", icon="undo", disabled=True, tooltip="Take the last stroke back"
        )
        self.redo = w.Button(
            description="Redo", icon="repeat", disabled=True, tooltip="Paint it again"
        )
        for button, name in ((self.undo, "undo"), (self.redo, "redo")):
            button.add_class(f"mssviz-does-{name}")  # Ctrl+Z and Ctrl+Shift+Z press them
        self.sum_to_one = w.Checkbox(
            value=True, description="other stems keep the sum", indent=False,
            tooltip="Whether a stroke changes the other stems' masks, too, so that all sum to 1",
        )  # fmt: skip

    # --- where they stand ---------------------------------------------------------------------

    def _arrange(self) -> None:
        """Put them into the page's first row, and into what it opens."""
        self._songs = Menu("Song", [])
        self._songs.add_class("mssviz-song")
        for control in (self.offset, self.duration, self.whole):
            control.observe(lambda _: self._show_song(), "value")
        for control in (self.song, self.path):
            control.observe(lambda _: self._measure_song(), "value")
        self._measure_song()
        run = _classed(w.HBox([self.separate, self.progress, self.cancel]), "mssviz-run")
        drawers = Menu("Drawer", [*DRAWERS, _SAVE])
        self.row = _classed(
            w.HBox([self._songs, self.model, self.rival, run, drawers, _help()]), "mssviz-row"
        )
        drawers.add_class("mssviz-drawers")
        self.model.add_class("mssviz-model")
        self.rival.add_class("mssviz-rival")
        strokes = _classed(w.HBox([self.undo, self.redo]), "mssviz-strokes")
        excerpt = [self.song, self._own, self.offset, self.duration, self.whole]
        self.panels = [
            strokes,
            _panel("song", excerpt),
            _drawer_page("mask", [self.masks.note, *self.option_controls(), terms()]),
            _drawer_page("sum", [self.sum_to_one]),
            _panel("save", [self.save]),
        ]

    def _measure_song(self) -> None:
        """Find how long the song is, if that can be told without reading all of it."""
        self._seconds = None
        with suppress(MssvizError, OSError):
            if self.song.value != OWN_FILE:
                self._seconds = self._tracks[self.song.value].seconds
            elif path := self.path.value.strip():
                own = typed(path)
                self._seconds = (
                    datasets.from_folder(own).seconds if is_folder(own) else seconds_of(Path(own))
                )
        self._show_song()

    def _show_song(self) -> None:
        """Say on its button which song and which part of it is chosen."""
        own = self.song.value == OWN_FILE
        name = Path(self.path.value).name or "no file yet"
        start, end = self.offset.value, self.offset.value + self.duration.value
        if self._seconds and start < self._seconds:
            end = min(end, self._seconds)
        part = f"{_clock(start)}–{'end' if self.whole.value else _clock(end)}"
        self._songs.buttons = [
            {
                "name": "song",
                "label": f"♪ {name if own else self._tracks[self.song.value].name}",
                "detail": part + (f" of {_clock(self._seconds)}" if self._seconds else ""),
                "help": _SONG_HELP,
                "opens": "popover",
            }
        ]


def _help() -> w.Button:
    """The button that shows the card of keys and gestures."""
    button = w.Button(description="Help", tooltip="Keys and gestures (?)")
    button.add_class("mssviz-does-help")
    return button


def _clock(seconds: float) -> str:
    """Time as minutes and seconds, such as ``"1:05"``; parts of a second are left out."""
    sign, whole = "−" if seconds < 0 else "", abs(seconds)
    return f"{sign}{whole // 60:.0f}:{whole % 60 // 1:02.0f}"


def _panel(name: str, children: list[w.Widget]) -> w.Box:
    """What a button of this name opens."""
    return _classed(w.VBox(children), "mssviz-panel", f"mssviz-panel-{name}")


def _drawer_page(name: str, children: list[w.Widget]) -> w.Box:
    """Panel that stands in the drawer."""
    return _classed(_panel(name, children), "mssviz-drawer-page")


def _classed(box: w.Box, *names: str) -> w.Box:
    for name in names:
        box.add_class(name)
    return box
