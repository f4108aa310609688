"""What people use to save: what, in which format, and the file that the browser gets."""

import html
import warnings
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as w
import traitlets as t

from mssviz.errors import MssvizError
from mssviz.plots import one_line
from mssviz.widgets import _static
from mssviz.widgets.explorer.saving import WAYS
from mssviz.widgets.explorer.stage import alert

#: Largest file that goes to the browser, in bytes; larger ones are beside the notebook alone.
MAX_DOWNLOAD = 100 << 20


class Download(anywidget.AnyWidget):
    """A link to the last file that was saved, whose bytes the browser keeps."""

    _esm = _static.module("download.js")

    name = t.Unicode("", help="of the file; empty while there is none").tag(sync=True)

    def offer(self, path: Path) -> None:
        """Send a file, and let the browser keep it as people have it keep files."""
        self.name = path.name
        self.send({"kind": "file", "name": path.name}, [path.read_bytes()])

    def withdraw(self) -> None:
        """Show no link any more."""
        self.name = ""


class SaveButton(anywidget.AnyWidget):
    """A button whose click carries what is chosen in the page, label and format.

    A click may overtake changes of what is chosen: JupyterLab delivers it in another thread of the
    kernel, while the changes wait for what the main thread is doing.

    Parameters
    ----------
    what, format
        Pickers whose choices it carries.
    """

    _esm = _static.module("save_button.js")

    description = t.Unicode("Save", help="label").tag(sync=True)
    tooltip = t.Unicode(
        "Write the file beside the notebook, and download it", help="one sentence on what it does"
    ).tag(sync=True)
    disabled = t.Bool(True, help="whether it cannot be pressed").tag(sync=True)

    _pickers = t.List(t.Unicode(), help="ids of both pickers' models").tag(sync=True)

    def __init__(self, what: w.Dropdown, format: w.Dropdown) -> None:  # noqa: A002, as the picker
        super().__init__(_pickers=[what.model_id, format.model_id])
        self._pressed = w.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_click(self, callback: Callable[[str | None, str | None], object]) -> None:
        """Call a function of the label and the format that the page shows, None if it says none."""
        self._pressed.register_callback(callback)

    def click(self) -> None:
        """Do what a click does, with what the kernel knows to be chosen."""
        self._pressed(None, None)

    def _receive(self, _: object, message: object, __: object) -> None:
        if isinstance(message, dict) and message.get("kind") == "save":
            self._pressed(*(_text(message.get(name)) for name in ("what", "format")))


class SaveControls(w.VBox):
    """A picker of what is saved, one of its format, and a button.

    Attributes
    ----------
    what : Dropdown
        Name of one of `WAYS`.
    format : Dropdown
        One of the formats that there are for it.
    button : SaveButton
    said : HTML
        Name of the file, or why there is none.
    download : Download
    """

    def __init__(self) -> None:
        self.what = w.Dropdown(
            options=[(way.label, name) for name, way in WAYS.items()],
            description="Save", tooltip="What is written to a file beside the notebook",
            layout={"width": "auto"},
        )  # fmt: skip
        self.format = w.Dropdown(
            description="as", tooltip="Format of the file", layout={"width": "auto"}
        )
        self.button = SaveButton(self.what, self.format)
        self.said = w.HTML()
        self.download = Download()
        self._show_formats()
        self.what.observe(lambda _: self._show_formats(), "value")
        super().__init__([self.what, self.format, self.button, self.said, self.download])
        self.add_class("mssviz-save")

    def on_save(self, save: Callable[[str, str], Path]) -> None:
        """Call `save` with what and its format when the button is pressed, and say what it did."""

        def pressed(label: str | None, chosen: str | None) -> None:
            self._choose(label, chosen)
            self._save(save)

        self.button.on_click(pressed)

    def _choose(self, label: str | None, chosen: str | None) -> None:
        """Choose what the page shows, if there is such a thing."""
        if label in dict(self.what.options):
            self.what.label = label
        if chosen in self.format.options:
            self.format.value = chosen

    def _save(self, save: Callable[[str, str], Path]) -> None:
        self.download.withdraw()
        self.button.disabled, self.said.value = True, _told("saving …")
        try:
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always")
                path = save(self.what.value, self.format.value)
            notes = [str(one.message) for one in noted if one.category is UserWarning]
            self._show(path, notes)
        except MssvizError as error:
            self.said.value = alert(error.on_page)
        finally:
            self.button.disabled = False

    def _show(self, path: Path, notes: list[str]) -> None:
        size = path.stat().st_size
        text = f"saved beside the notebook as {path.name}, {size / 1e6:.1f} MB"
        if size <= MAX_DOWNLOAD:
            self.download.offer(path)
        else:
            text += f"; above {MAX_DOWNLOAD >> 20} MiB it is not sent to the browser"
        self.said.value = _told("; ".join([text, *notes]))

    def _show_formats(self) -> None:
        formats = WAYS[self.what.value].formats
        if self.format.options != formats:
            chosen = self.format.value
            self.format.options = formats  # which chooses the first
            if chosen in formats:
                self.format.value = chosen
        self.format.disabled = len(formats) < 2


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _told(text: str) -> str:
    return f'<small role="status">{html.escape(one_line(text, 500))}</small>'
