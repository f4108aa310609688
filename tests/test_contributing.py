"""The example in CONTRIBUTING.md works as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from mssviz import SpectrogramView
from mssviz.widgets import _static
from mssviz.widgets._view import View, link
from tests.pictures import Arrays

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"

#: What a view needs of a page, a click on its button, and its end.
PAGE = """
import clock from "./clock.mjs";

class FakeElement extends EventTarget {
  children = [];
  setAttribute() {}
  append(...children) { this.children.push(...children); }
  replaceChildren() { this.children = []; }
}
globalThis.document = { createElement: () => new FakeElement() };
const traits = { time: 7 };
const listeners = {};
const model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; listeners[`change:${name}`](); },
  on: (event, listener) => { listeners[event] = listener; },
  off: (event) => { delete listeners[event]; },
  save_changes() {},
};
const el = new FakeElement();
const close = clock.render({ model, el });
const [button] = el.children;
const before = button.textContent;
button.dispatchEvent(new Event("click"));
console.log(before, "|", button.textContent, "|", traits.time);
close();
console.log(el.children.length, Object.keys(listeners).length);
"""


@pytest.fixture
def linked_view(tmp_path, monkeypatch):
    """Code of the paragraph on linked views: Python, JavaScript, and the line that links."""
    text = CONTRIBUTING.read_text("utf-8")
    paragraph = re.search(r"^\*\*A linked view\.\*\*.*?(?=^\*\*)", text, re.S | re.M).group()
    python, script, line = re.findall(r"^```\w+\n(.*?)^```", paragraph, re.S | re.M)
    static = tmp_path / "static"
    shutil.copytree(_static.STATIC, static)
    (static / "clock.js").write_text(script, "utf-8")
    monkeypatch.setattr(_static, "STATIC", static)
    return python, script, line


def test_the_example_of_a_linked_view_is_short(linked_view):
    assert sum(code.count("\n") for code in linked_view) <= 33


def test_the_example_of_a_linked_view_moves_with_the_picture(linked_view):
    python, _, line = linked_view
    names = {"__name__": "clock"}
    exec(python, names)
    clock = names["Clock"]()
    assert isinstance(clock, View)
    view = SpectrogramView(**Arrays(n_frames=20).given(), time=0.02)
    given = {"link": link, "clock": clock, "explorer": SimpleNamespace(view=view)}
    exec(line, given)
    (made,) = given["links"]
    assert clock.time == 0.02
    assert (made.source, made.target) == ((view, "time"), (clock, "time"))
    assert clock.saved_state()["time"] == 0.02


def test_the_example_of_a_linked_view_is_a_module_that_stands_alone(linked_view, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js on the PATH")
    (tmp_path / "clock.mjs").write_text(_static.module("clock.js"), "utf-8")
    page = tmp_path / "page.mjs"
    page.write_text(PAGE, "utf-8")
    run = subprocess.run([node, page], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["7.0 s | 0.0 s | 0", "0 0"]
