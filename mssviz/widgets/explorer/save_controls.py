"""What people use to save: what, in which format, and the file that the browser gets."""

import html
import warnings
from collections.abc import Callable
from pathlib import Path

import ipywidgets as w
import traitlets as t

from mssviz.errors import MssvizError
from mssviz.plots import one_line
from mssviz.widgets import _static
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._press import PressButton
from mssviz.widgets._widget import Widget
from mssviz.widgets.explorer.saving import WAYS
from mssviz.widgets.explorer.stage import alert

#: Largest file that goes to the browser, in bytes; larger ones are beside the notebook alone.
MAX_DOWNLOAD = 100 << 20


class Download(Widget):
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


class SaveControls(w.VBox):
    """A picker of what is saved, one of its format, and a button.

    Attributes
    ----------
    what : Dropdown
        Name of one of `WAYS`.
    format : Dropdown
        One of the formats that there are for it.
    button : PressButton
    said : HTML
        Name of the file, or why there is none.
    download : Download
    """

    def __init__(self) -> None:
        self.what = Dropdown(
            options=[(way.label, name) for name, way in WAYS.items()],
            description="Save", tooltip="What is written to a file beside the notebook",
            layout={"width": "auto"},
        )  # fmt: skip
        self.format = Dropdown(
            options=WAYS[self.what.value].formats,
            description="as", tooltip="Format of the file", layout={"width": "auto"},
        )  # fmt: skip
        self.button = PressButton(
            "Save", "Write the file beside the notebook, and download it",
            self.what, self.format, disabled=True,
        )  # fmt: skip
        self.said = w.HTML()
        self.download = Download()
        self._show_formats()
        self.what.observe(lambda _: self._show_formats(), "value")
        super().__init__([self.what, self.format, self.button, self.said, self.download])
        self.add_class("mssviz-save")

    def on_save(self, save: Callable[[str, str], Path]) -> None:
        """Call `save` with what and its format when the button is pressed, and say what it did."""
        self.button.on_click(lambda _: self._save(save))

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
        text = f"saved beside the notebook as {path.name}, {_readable(size)}"
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


def _readable(n_bytes: int) -> str:
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1e3:.0f} kB" if n_bytes < 1e6 else f"{n_bytes / 1e6:.1f} MB"


def _told(text: str) -> str:
    return f'<small role="status">{html.escape(one_line(text, 500))}</small>'
