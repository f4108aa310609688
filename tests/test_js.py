"""The browser's share: its arithmetic under Node.js, and the modules as a notebook gets them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mssviz.widgets import _static

FILES = sorted(p.relative_to(_static.STATIC).as_posix() for p in _static.STATIC.rglob("*.js"))
SUITES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.fixture(scope="module")
def node():
    program = shutil.which("node")
    if program is None:
        message = "needs Node.js 20.19 or later on the PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return program


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name.partition(".")[0])
def test_javascript(node, suite):
    run(node, "--test", suite)


@pytest.mark.parametrize("name", FILES)
def test_every_module_joined_with_its_imports_parses_and_stands_alone(node, name, tmp_path):
    joined = _static.module(name)
    assert not re.search(r"^import\b", joined, re.MULTILINE)
    assert joined.count("export default") <= 1
    module = tmp_path / "joined.mjs"
    module.write_text(joined, "utf-8")
    run(node, "--check", module)


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_longer_than_a_reader_keeps_in_mind(name):
    assert len((_static.STATIC / name).read_text("utf-8").splitlines()) <= 250


def test_terms_of_the_help_card_are_those_of_the_glossary():
    script = (_static.STATIC / "glossary.js").read_text("utf-8")
    terms = re.findall(r'\[\s*"([^"]+)",\s*"([^"]+)",?\s*\]', script)
    assert len(terms) == len(re.findall(r'\[\s*"', script)) > 10
    glossary = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text("utf-8")
    for term, meaning in terms:
        assert f"| {term} | {meaning} |" in glossary


@pytest.mark.parametrize("name", FILES)
def test_no_text_becomes_markup_or_code(name):
    text = (_static.STATIC / name).read_text("utf-8")
    ways = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|cssText|\beval\(|Function\("
    )
    assert not re.search(ways, text)
    # what is set as a style is a number of ours, or a colour that Python has checked
    for _, value in re.findall(r'style\.setProperty\("([\w-]+)", (.*)\)', text):
        assert re.search(r"color|%`|toFixed", value), value
