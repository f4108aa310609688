"""The names of the public interface are there from the first moment, and stay what they are."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import mssviz

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("notebooks/**/*.ipynb"),
    *ROOT.glob("notebooks/**/*.md"),
    *ROOT.glob("pretrained/**/README.md"),
    *ROOT.glob("datasets/**/README.md"),
]
#: What every name is looked up with: a package that nobody has used yet.
LOOK_UP = """
import functools, importlib, sys
for name in sys.argv[1:]:
    for module in [m for m in sys.modules if m.partition(".")[0] == "mssviz"]:
        del sys.modules[module]
    package = importlib.import_module("mssviz")
    try:
        functools.reduce(getattr, name.split(".")[1:], package)
    except AttributeError as error:
        print(name, error)
"""


def mentioned():
    """Every ``mssviz.name`` that people read of."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    return sorted(set(re.findall(r"(?<!from )\bmssviz(?:\.[a-zA-Z_]\w*)+", text)))


def interpreter(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_that_people_read_of_is_there_at_once():
    names = mentioned()
    assert {"mssviz.masks", "mssviz.plots", "mssviz.explore"} <= set(names)
    assert interpreter(LOOK_UP, *names) == ""


def test_every_module_is_there_at_once():
    names = {path.stem for path in (ROOT / "mssviz").glob("[a-z]*.py")} | {"networks", "widgets"}
    assert names - {"cli"} <= set(dir(mssviz))


def test_a_function_is_not_hidden_by_a_module_of_its_name(separator):
    assert separator.network is not None  # everything that a separation imports is imported
    for name in mssviz.__all__:
        thing = getattr(mssviz, name)
        is_module = f"mssviz.{name}" in sys.modules
        assert inspect.ismodule(thing) == is_module, name
    assert "spleeter:2stems" in mssviz.models().index
