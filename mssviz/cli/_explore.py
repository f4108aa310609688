"""The command ``mssviz explore``."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from mssviz.cli._arguments import complain

#: What we add to Jupyter: settings that JupyterLab begins with, and Voilà's page of `mssviz app`.
JUPYTER = Path(__file__).with_name("jupyter")


def explore(
    options: Annotated[
        list[str] | None, typer.Argument(help="JupyterLab's own options, after --.")
    ] = None,
) -> None:
    """Open JupyterLab on a copy of the explorer notebook in the current folder.

    A copy that is there already is yours, and stays as it is.
    """
    from mssviz._files import new_file

    copy = Path("explorer.ipynb")
    if copy.exists():
        complain(f"note: {copy.resolve()} is yours from an earlier time and stays as it is")
    else:
        with new_file(copy) as scratch:
            shutil.copyfile(shipped_notebook(copy.name), scratch)
    prepend_path("JUPYTER_CONFIG_PATH", JUPYTER)  # what people choose counts more
    command = [sys.executable, "-m", "jupyterlab", *(options or []), str(copy)]
    os.execv(sys.executable, command)  # noqa: S606, as meant


def prepend_path(variable: str, folder: Path) -> None:
    """Let a list of folders in the environment begin with one more."""
    paths = [str(folder), *filter(None, [os.environ.get(variable)])]
    os.environ[variable] = os.pathsep.join(paths)


def shipped_notebook(name: str) -> Path:
    """Path of one of our notebooks, in a checkout or in the installed package."""
    from mssviz import presets

    checkout = presets.checkout_folder()
    folder = checkout / "notebooks" if checkout else Path(__file__).parents[1] / "_notebooks"
    return folder / name
