"""What a session of `mssviz app` shows: the explorer, which fills the window."""

import os

import ipywidgets as w

from mssviz.errors import MssvizError
from mssviz.widgets.explorer import Explorer, explore
from mssviz.widgets.explorer.stage import alert

#: Variables of the environment by which the command tells the kernel.
SONG, FOLDER = "MSSVIZ_APP_SONG", "MSSVIZ_APP_FOLDER"


def page() -> w.Widget:
    """Make the explorer of the song that the command names, in the folder where it was called.

    Returns
    -------
    Widget
        The explorer, or the reason why there is none.
    """
    os.chdir(os.environ.get(FOLDER) or ".")
    try:
        explorer = explore(os.environ.get(SONG) or None)
    except MssvizError as error:  # the song is gone since the command began
        return w.HTML(alert(error.on_page))
    explorer.add_class("mssviz-app")
    explorer.controls.undo.observe(lambda change: _mark(explorer, not change["new"]), "disabled")
    return explorer


def _mark(explorer: Explorer, painted: bool) -> None:
    """Let the page ask before strokes are lost."""
    (explorer.add_class if painted else explorer.remove_class)("mssviz-painted")
