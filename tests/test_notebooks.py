"""Every notebook runs from end to end; the site shows what it has shown here."""

from pathlib import Path

import pytest

from tools.site import notebooks

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel():
    """A kernel for one notebook after the other, each with an empty cache of its own."""
    with notebooks.started_kernel() as kernel:
        yield kernel


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, kernel):
    notebook = notebooks.execute(path, kernel)
    assert (notebooks.kept_folder(path) / "notebook.ipynb").exists()
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")
