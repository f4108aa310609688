"""Runs notebooks for the site and keeps what they show, until they or the package change."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools.site import NOTEBOOKS, ROOT, saved
from tools.site.contents import file_of

BEFORE = """
import sys
sys.path.insert(0, {root!r})
from tools.site import saved
saved.install({folder!r}, {name!r})
"""


#: How many notebooks run at a time; most of each one's time is spent on one core.
AT_ONCE = 2


def run(pages: Iterable[str]) -> dict[str, Path]:
    """Run the notebooks that have changed since; folders with all that is kept, by page."""
    package = _package()
    notebooks = {page: file_of(page) for page in pages}
    done = {page: NOTEBOOKS / _name(path, package) for page, path in notebooks.items()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        new = [page for page, folder in done.items() if not folder.exists()]
        for _ in pool.map(lambda page: _run(notebooks[page], done[page]), new):
            pass  # an error of any of them is raised here
    for folder in NOTEBOOKS.glob("*-*"):
        if folder not in done.values():
            shutil.rmtree(folder)  # of an earlier state
    return done


def _name(notebook: Path, package: bytes) -> str:
    key = sha256(package + notebook.read_bytes()).hexdigest()
    return f"{notebook.stem}-{key[:16]}"


def _package() -> bytes:
    """What stands for all that notebooks are run with: the package, its songs, and this tool."""
    files = [*(ROOT / "mssviz").rglob("*"), *(ROOT / "datasets").rglob("*"), Path(saved.__file__)]
    kept = sha256()
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            kept.update(path.read_bytes())
    return kept.digest()


def _run(path: Path, folder: Path) -> None:
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    name = path.stem
    with tempfile.TemporaryDirectory() as scratch:
        result, place = Path(scratch) / "result", Path(scratch) / "place"
        result.mkdir()
        place.mkdir()
        before = BEFORE.format(root=str(ROOT), folder=str(result), name=name)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
        environment = os.environ | {"MSSVIZ_CACHE": str(place / "cache")}
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", store_widget_state=False,
            resources={"metadata": {"path": str(place)}},
        ).execute(env=environment, stderr=subprocess.DEVNULL)  # fmt: skip
        del notebook.cells[0]
        _tidy(notebook)
        nbformat.write(notebook, result / "notebook.ipynb")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(result, folder.with_suffix(".part"), dirs_exist_ok=True)
        folder.with_suffix(".part").rename(folder)
    print(f"ran {path.relative_to(ROOT)} in {time.monotonic() - start:.0f} s", flush=True)


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what only says how the work went on."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                out for out in cell.outputs if out.output_type != "stream" or out.name != "stderr"
            ]
