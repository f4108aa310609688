"""Damaged models and archives give a result or one line: no other error, crash, hang or flood."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counts import SEED, count
from tests.mutations import GROUPS

pytestmark = pytest.mark.slow


def test_damaged_models_archives_and_configurations(tmp_path):
    # in a process of its own, which tells its peak of memory and may crash
    counts = {group: count(group) for group in GROUPS}
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutations", str(SEED), json.dumps(counts)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "MSSVIZ_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300 + sum(counts.values()),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["peak_mib"] < 1500
