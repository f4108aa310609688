"""Every notebook runs from end to end."""

from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel for one notebook after the other, whose scores are measured and not found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSSVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        manager, client = start_new_kernel(kernel_name="python3")
    client.stop_channels()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, kernel):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    NotebookClient(notebook, timeout=600, km=kernel).execute()
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")
