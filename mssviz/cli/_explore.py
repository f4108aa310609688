"""The command ``mssviz explore``."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mssviz.cli._notebooks import copy_notebooks, course_files

#: What we add to Jupyter: settings that JupyterLab begins with, and Voilà's page of `mssviz app`.
JUPYTER = Path(__file__).with_name("jupyter")
_EXPLORER, _CONTENTS = "explorer.ipynb", "README.md"
#: Where JupyterLab keeps which documents are open, so that each folder has its own.
_WORKSPACES = "JUPYTERLAB_WORKSPACES_DIR"


def explore(
    options: Annotated[
        list[str] | None, typer.Argument(help="JupyterLab's own options, after --.")
    ] = None,
    course: Annotated[
        bool, typer.Option("--course", help="Open the course's table of contents, too.")
    ] = False,
) -> None:
    """Open JupyterLab on a copy of the explorer notebook in the current folder.

    A copy that is there already is yours, and stays as it is.
    """
    copy_notebooks(course_files() if course else [_EXPLORER], Path())
    prepend_path("JUPYTER_CONFIG_PATH", JUPYTER)  # what people choose counts more
    if course:
        _arrange(Path(os.environ.setdefault(_WORKSPACES, str(Path(".workspaces").absolute()))))
    document = _CONTENTS if course else _EXPLORER
    command = [sys.executable, "-m", "jupyterlab", *(options or []), document]
    os.execv(sys.executable, command)  # noqa: S606, as meant


def prepend_path(variable: str, folder: Path) -> None:
    """Let a list of folders in the environment begin with one more."""
    paths = [str(folder), *filter(None, [os.environ.get(variable)])]
    os.environ[variable] = os.pathsep.join(paths)


def _arrange(workspaces: Path) -> None:
    """Let JupyterLab begin with the table of contents and the explorer, if nothing was open yet."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    from mssviz._files import writing

    with writing(workspaces):
        manager = WorkspacesManager(str(workspaces))
        if not manager.list_workspaces():
            manager.save("default", json.dumps(_BESIDE_EACH_OTHER))


_TABS = {
    f"markdownviewer-widget:{_CONTENTS}": {"path": _CONTENTS, "factory": "Markdown Preview"},
    f"notebook:{_EXPLORER}": {"path": _EXPLORER, "factory": "Notebook"},
}
_DOCK = {"type": "tab-area", "currentIndex": 0, "widgets": list(_TABS)}
_BESIDE_EACH_OTHER: dict[str, Any] = {
    "data": {
        "layout-restorer:data": {"main": {"dock": _DOCK, "current": next(iter(_TABS))}},
        **{name: {"data": data} for name, data in _TABS.items()},
    },
    "metadata": {"id": "default"},
}
