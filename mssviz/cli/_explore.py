"""The command ``mssviz explore``."""

import os
import shutil
import sys
from pathlib import Path


def explore() -> None:
    """Open JupyterLab on the explorer notebook, in the current folder."""
    from mssviz import presets
    from mssviz._files import new_file

    target = Path("explorer.ipynb")
    checkout = presets.checkout_folder()
    if checkout:
        target = checkout / "notebooks" / "explorer.ipynb"
    elif not target.exists():
        notebook = Path(__file__).parents[1] / "_notebooks" / "explorer.ipynb"
        with new_file(target) as scratch:
            shutil.copyfile(notebook, scratch)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(target)])  # noqa: S606, as meant
