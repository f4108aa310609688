"""Damaged models and archives give a result or one line: no other error, crash, hang or flood."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("count", "kinds"),
    [
        pytest.param("360", (), marks=pytest.mark.slow),
        ("80", ("roformer", "scnet", "htdemucs", "yaml")),
    ],
)
def test_damaged_models_and_archives(count, kinds, tmp_path):
    # in a process of its own, which tells its peak of memory and may crash
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutations", "0", count, *kinds],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "MSSVIZ_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["peak_mib"] < 1500
