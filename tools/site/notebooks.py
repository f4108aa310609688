"""Runs notebooks for the site and keeps what they show, until they or the package change."""

import contextlib
import functools
import queue
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

from tools.site import NOTEBOOKS, ROOT, saved

#: What each notebook's kernel does first: nothing is left of the notebook before.
BEFORE = """
__import__("os").chdir({place!r})  # where the notebook before was is gone
__import__("ipywidgets").Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
import os, sys
os.environ["MSSVIZ_CACHE"] = {cache!r}
sys.path.insert(0, {root!r})
from tools.site import saved
saved.install({folder!r}, {name!r})
del os, sys, saved
"""
#: How many notebooks run at a time; most of each one's time is spent on one core.
AT_ONCE = 2


@contextlib.contextmanager
def started_kernel() -> Iterator[KernelManager]:
    """Start a kernel that runs one notebook after the other; it has to import TensorFlow once."""
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    client.stop_channels()
    try:
        yield manager
    finally:
        manager.shutdown_kernel(now=True)


def run(paths: Iterable[Path]) -> dict[Path, Path]:
    """Run the notebooks that have changed since; folders with all that is kept, by notebook."""
    done = {path: kept_folder(path) for path in paths}
    kernels: queue.SimpleQueue[KernelManager] = queue.SimpleQueue()

    def work(path: Path) -> None:
        kernel = kernels.get()
        try:
            execute(path, kernel)
        finally:
            kernels.put(kernel)

    new = [path for path, folder in done.items() if not folder.exists()]
    with contextlib.ExitStack() as stack:
        for _ in range(min(AT_ONCE, len(new))):
            kernels.put(stack.enter_context(started_kernel()))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(work, new):
                pass  # an error of any of them is raised here
    return done


def kept_folder(path: Path) -> Path:
    """Folder of what is kept of a notebook that was run with the package as it is."""
    key = sha256(_package() + path.read_bytes()).hexdigest()
    return NOTEBOOKS / f"{path.stem}-{key[:16]}"


@functools.cache
def _package() -> bytes:
    """What stands for all that notebooks are run with: the package, its songs, and this tool."""
    files = [*(ROOT / "mssviz").rglob("*"), *(ROOT / "datasets").rglob("*"), Path(saved.__file__)]
    kept = sha256((ROOT / "requirements.lock").read_bytes())
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            kept.update(path.read_bytes())
    return kept.digest()


def execute(path: Path, kernel: KernelManager) -> nbformat.NotebookNode:
    """Run a notebook, whatever is kept of it, and keep what it shows; returns it with outputs."""
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        result, place = Path(scratch) / "result", Path(scratch) / "place"
        result.mkdir()
        place.mkdir()
        before = BEFORE.format(
            place=str(place), cache=str(place / "cache"), root=str(ROOT), folder=str(result),
            name=path.stem,
        )  # fmt: skip
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
        NotebookClient(notebook, timeout=600, km=kernel, store_widget_state=False).execute()
        del notebook.cells[0]
        _tidy(notebook)
        nbformat.write(notebook, result / "notebook.ipynb")
        _keep(result, kept_folder(path))
    print(f"ran {path.relative_to(ROOT)} in {time.monotonic() - start:.0f} s", flush=True)
    return notebook


def _keep(result: Path, folder: Path) -> None:
    """Put what a notebook has shown in the place of what it showed before."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_suffix(".part")
    shutil.copytree(result, part, dirs_exist_ok=True)
    for older in folder.parent.glob(f"{folder.name[:-16]}{'[0-9a-f]' * 16}"):
        shutil.rmtree(older)
    part.rename(folder)


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what only says how the work went on."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                out for out in cell.outputs if out.output_type != "stream" or out.name != "stderr"
            ]
