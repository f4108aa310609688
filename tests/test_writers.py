"""Whatever writes leaves no half of a file: killed, interrupted, without room, without permission.

What happens here is in `tests/trials.py`, and what writes in `tests/writers.py`.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mssviz
from tests.counts import SEED, count
from tests.writers import WRITERS

pytestmark = pytest.mark.slow

PACKAGE = Path(mssviz.__file__).parent
#: What makes files that last; those of `ScratchFolder` end with their process.
WRITES = re.compile(
    r"\b(?:new_file|new_folder|Draft|AudioWriter|write_audio|made_file)\(|\.(?:write_text|write_bytes|savefig)\("
    r"|\bnp\.save|\bopen\([^)]*[\"'](?:[wax]|r\+)"
)
#: Modules that write nothing but what is temporary, or in memory, and why that is known.
OTHERWISE = {
    "_files.writing": "what all of them use; tests/test_files.py",
    "_files.scratch": "temporary files; tests/test_files.py",
    "_files.temporary": "what all of them use; tests/test_files.py",
    "_files.digests": "appends to what has no name yet; tests/test_files.py",
    "widgets.upload": "in a temporary folder of its own; tests/test_upload.py",
    "widgets._still": "in memory",
    "widgets._encode": "in memory, and in a temporary folder",
    "cli": "standard output that is closed",
    "cli._app": "in Voilà's own temporary folder",
}


def test_every_module_that_writes_is_tried():
    names = {path: path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")}
    found = {
        ".".join(part for part in name.parts if part != "__init__")
        for path, name in names.items()
        if WRITES.search(path.read_text("utf-8"))
    }
    tried = {module for writer in WRITERS.values() for module in writer.modules}
    assert found == tried | set(OTHERWISE)


@pytest.fixture(scope="module", params=[False, True], ids=["", "TensorFlow"])
def found(request):
    """What went wrong, by writer, of those that need TensorFlow or of the others."""
    names = [name for name, writer in WRITERS.items() if writer.imports == request.param]
    slow = ", TensorFlow" * request.param
    counts = {
        "kill": count(f"moments of a kill{slow}"),
        "interrupt": count(f"moments of an interruption{slow}"),
        "full": count(f"limits of a disk{slow}"),
        "read_only": 1,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.trials", str(SEED), json.dumps(counts), *names],
        cwd=Path(__file__).parents[1], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    wrong = json.loads(done.stdout.splitlines()[-1])
    assert set(wrong) == set(names)
    return wrong


@pytest.mark.parametrize("how", ["kill", "interrupt", "full", "read_only"])
def test_what_is_there_is_old_or_new_and_the_next_run_is_right(found, how):
    assert {name: by[how] for name, by in found.items() if by[how]} == {}
