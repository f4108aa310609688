"""The script that gets the browsers: what it asks for where, and that it never fails."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def machine(tmp_path):
    """Run the script where there is only what `programs` names; what they are called with."""

    def run(**programs):
        folder = tmp_path / "bin"
        folder.mkdir()
        calls = tmp_path / "calls"
        for name, then in {"python": "exit 1", **programs}.items():
            program = folder / name.replace("_", "-")
            program.write_text(f'#!/bin/sh\necho "{program.name} $*" >> "{calls}"\n{then}\n')
            program.chmod(0o755)
        checkout = tmp_path / "checkout"
        (checkout / "tools/js").mkdir(parents=True)
        (checkout / "tools/js/setup.sh").write_text("exit 1\n")
        environment = {name: value for name, value in os.environ.items() if name != "CHROMIUM"}
        done = subprocess.run(
            ["/bin/sh", str(ROOT / "tools" / "browser.sh"), str(folder)],
            cwd=checkout, env={**environment, "PATH": str(folder)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0
        return calls.read_text().splitlines() if calls.exists() else [], done.stderr

    return run


def test_root_gets_browsers_from_the_system(machine):
    calls, _ = machine(id="echo 0", apt_get="exit 0")
    install = "apt-get install -y -qq --no-install-recommends"
    assert [call for call in calls if install in call] == [
        f"{install} chromium",
        f"{install} firefox-esr",
    ]


def test_others_get_chromium_from_playwright(machine):
    calls, said = machine(id="echo 1000", apt_get="exit 0")
    assert "python -m playwright install chromium" in calls
    assert "browser tests are left out" in said
    assert "Firefox could not be installed" in said
    assert "tests of accessibility are left out" in said


@pytest.mark.parametrize("name", ["chromium", "google_chrome"])
def test_nothing_is_installed_where_there_are_browsers(machine, name):
    calls, said = machine(id="echo 0", apt_get="exit 0", firefox="exit 0", **{name: "exit 0"})
    assert calls == []
    assert "browser tests" not in said
