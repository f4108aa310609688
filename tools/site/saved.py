"""What stands for a live widget on the site: a saved page in a frame, or a picture, and a sentence.

`install` runs in the kernel of a notebook that is executed for the site.
"""

import base64
import html
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

import ipywidgets as w
from IPython import get_ipython
from IPython.display import HTML, display

from mssviz import Explorer, ListeningTest, Mixer, NetworkView, SpectrogramView, TrainingView
from mssviz.lessons import Demonstration, MaskGoal
from mssviz.widgets.page import save_page

#: Heights of frames, in pixels: of a picture with its lanes, and of a mixer around its lanes.
STAGE, DESK, LANE = 760, 268, 107


class Pages:
    """Writes the saved pages of one notebook.

    Parameters
    ----------
    folder
        Folder of the files.
    notebook
        Name that the files begin with.
    """

    def __init__(self, folder: Path, notebook: str) -> None:
        self.folder, self.notebook, self.count = folder, notebook, 0

    def frame(self, title: str, height: int, write: Any) -> str:
        """Save a page; `write` gets its path. Returns the frame that shows it."""
        self.count += 1
        path = self.folder / f"{self.notebook}-{self.count}.html"
        write(path)
        return (
            f'<iframe class="saved" src="SAVED/{path.name}" title="{html.escape(title)}" '
            f'height="{height}" loading="lazy"></iframe>'
        )


def install(folder: str, notebook: str) -> None:
    """From now on, whatever widget is displayed is saved instead."""
    pages = Pages(Path(folder), notebook)
    formatter = get_ipython().display_formatter.ipython_display_formatter
    formatter.for_type(w.Widget, partial(show, pages=pages))


def show(widget: w.Widget, pages: Pages) -> None:
    """Display what stands for a widget; nothing for bars of progress and the like."""
    if text := stand_in(widget, pages):
        display(HTML(f'<div class="stand-in">{text}</div>'))


@singledispatch
def stand_in(widget: w.Widget, pages: Pages) -> str:
    """HTML that stands for a widget."""
    kind = type(widget)
    if kind.__module__.startswith("mssviz."):
        raise NotImplementedError(f"tools/site/saved.py does not say what stands for {kind}")
    return ""


@stand_in.register
def _(widget: Explorer, pages: Pages) -> str:
    if widget.separation is None:
        widget.separate()
    widget.wait()
    frame = pages.frame("Explorer", STAGE, widget.save_html)
    return frame + _live("the whole explorer: your own songs, other models, and a brush")


@stand_in.register
def _(widget: Mixer, pages: Pages) -> str:
    return _mixer(widget, pages) + _live("the same, linked with Python")


@stand_in.register
def _(widget: SpectrogramView, pages: Pages) -> str:
    def write(path: Path) -> None:
        save_page(path, "Spectrogram", widget, None)

    return pages.frame("Spectrogram", STAGE, write) + _live("the same, linked with Python")


@stand_in.register
def _(widget: MaskGoal, pages: Pages) -> str:
    def write(path: Path) -> None:
        save_page(path, widget.picture.show, widget.picture, widget.mixer)

    widget.picture.tool = "look"
    frame = pages.frame("Mask and sounds", STAGE, write)
    return f"{frame}<p>{html.escape(widget.text)}</p>" + _live("a brush, which this score follows")


@stand_in.register
def _(widget: Demonstration, pages: Pages) -> str:
    widget.wait()
    names = [control.description for control in widget.controls.values() if control.description]
    sounds = widget._mixer and _mixer(widget._mixer, pages)
    return (
        _figure(widget.png, widget.text)
        + (sounds or "")
        + _live(f"controls that picture and sounds follow: {', '.join(names)}")
    )


@stand_in.register
def _(widget: NetworkView, pages: Pages) -> str:
    count = len(widget.surgery.sites)
    return (
        f"<p>A network of {count} layers and skip connections, drawn as on the page on "
        '<a href="SAVED/../../docs/surgery.html">surgery</a>.</p>'
    ) + _live("a drawing of the network, whose layers can be switched off")


@stand_in.register
def _(widget: TrainingView, pages: Pages) -> str:
    widget.wait()
    return widget._curves.value + _live("the masks of an excerpt, sharper after every epoch")


@stand_in.register
def _(widget: ListeningTest, pages: Pages) -> str:
    return _live("a blind listening test, with the ratings as a table")


def _mixer(mixer: Mixer, pages: Pages) -> str:
    def write(path: Path) -> None:
        save_page(path, "Sounds", None, mixer)

    return pages.frame("Sounds", DESK + LANE * len(mixer.strips), write)


def _figure(png: bytes, text: str) -> str:
    data, said = base64.b64encode(png).decode(), html.escape(text)
    return (
        f'<figure><img alt="{said}" src="data:image/png;base64,{data}">'
        f"<figcaption>{said}</figcaption></figure>"
    )


def _live(what: str) -> str:
    return f'<p class="live">In Jupyter this is live: {html.escape(what)}.</p>'
