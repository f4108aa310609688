"""Whole listening tests in a real JupyterLab: what is heard, answered, recorded and given away."""

import json

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.ui import lab as jupyter

pytestmark = pytest.mark.ui

WAIT_MS = 20_000
RATE, SECONDS = 16_000, 2
# Put together in the kernel, so that the cell does not hold them.
MODELS = ("zqumber", "zqochre")
CELL = """
import json, pathlib, ipywidgets
import numpy as np
from mssviz.widgets.listening_test import ListeningTest
RATE, SECONDS = 16_000, 2
time = np.arange(RATE * SECONDS)[:, None] / RATE
def tone(hertz):
    return (0.3 * np.sin(2 * np.pi * hertz * time) * [1, 1]).astype("f4")
models = ["zq" + name for name in ("umber", "ochre")]
stimuli = {
    trial: {m: tone(hertz * (i + 2)) for i, m in enumerate(models)}
    for trial, hertz in (("vocals", 220), ("drums", 200))
}
references = {"vocals": tone(220), "drums": tone(200)}
test = ListeningTest(stimuli, RATE, seed=SEED, OPTIONS)
def write(_):
    test.save("NAME.csv")
test.observe(write, "finished")
order = [[c.name for c in page.conditions] for page in test._pages]
pathlib.Path("NAME.json").write_text(json.dumps(order))
again = ipywidgets.Output()
show = ipywidgets.Button(description="again")
show.add_class("again")
show.on_click(lambda _: again.append_display_data(test))
ipywidgets.VBox([test, show, again])
"""
WIDGET = ".mssviz-lt"


@pytest.fixture
def frames(monkeypatch):
    """All that any page receives from the kernel from now on, as bytes."""
    received = []
    open_notebook = jupyter.open_notebook

    def take(payload):
        received.append(payload.encode() if isinstance(payload, str) else payload)

    def open_(page, *arguments):
        page.on("websocket", lambda socket: socket.on("framereceived", take))
        open_notebook(page, *arguments)

    monkeypatch.setattr(jupyter, "open_notebook", open_)
    return received


@pytest.fixture
def start(run_cell, lab_folder):
    def start_(name, options="references=references", seed=1, **page_options):
        code = CELL.replace("NAME", name).replace("OPTIONS", options).replace("SEED", str(seed))
        page = run_cell(code, **page_options)
        page.wait_for_selector(WIDGET, timeout=WAIT_MS)
        _wait(page, "test.ready")
        return page, json.loads((lab_folder / f"{name}.json").read_text())

    return start_


def _test(page, expression, view=0):
    """Value of a JavaScript expression of `test`, what the widget shows to tests."""
    script = f"""async () => {{
        const roots = document.querySelectorAll("{WIDGET}");
        const test = roots[{view}].parentElement.mssvizListeningTest;
        return await ({expression});
    }}"""
    return page.evaluate(script)


def _wait(page, expression):
    script = f"""() => {{
        const test = document.querySelector("{WIDGET}")?.parentElement.mssvizListeningTest;
        return test && ({expression});
    }}"""
    page.wait_for_function(script, timeout=WAIT_MS)


def _hear(page, name):
    page.get_by_role("button", name=f"{name}, ").first.click()


def _rate(page, number, rating):
    page.get_by_label(f"Rating of Sound {number}").first.fill(str(rating))


def _next(page):
    button = page.locator(".mssviz-lt-next").first
    expect(button).to_be_enabled()
    button.click()


def _given_away(page, frames):
    """Models whose names the page, the widget's traits or any message to them hold."""
    traits = '["state", "question", "method", "finished", "sample_rate"]'
    held = _test(page, f"JSON.stringify({traits}.map((name) => test.model.get(name)))")
    assert '"trial":' in held
    return _named([page.content().encode(), held.encode(), *frames])


def _named(parts):
    """Models whose names occur."""
    return [name for name in MODELS if any(name.encode() in part for part in parts)]


def _saved(page, path):
    """Table that the kernel writes when the test is finished."""
    for _ in range(100):
        if path.exists():
            return pd.read_csv(path)
        page.wait_for_timeout(100)
    raise AssertionError(f"{path} was not written")


def test_a_whole_mushra_test(start, frames, lab_folder):
    page, order = start("mushra", fresh=True)
    scores = {"zqumber": 70, "zqochre": 40, "reference": 100, "anchor": 5}
    assert len(order) == 2
    for trial, names in enumerate(order):
        expect(page.locator(".mssviz-lt-heading")).to_have_text(f"Trial {trial + 1} of 2")
        _wait(page, "test.ready")
        button = page.locator(".mssviz-lt-next")
        _hear(page, "Reference")
        for number, name in enumerate(names, start=1):
            expect(button).to_be_disabled()
            _hear(page, f"Sound {number}")
            _rate(page, number, scores[name])
        if trial == 0:
            page.wait_for_timeout(300)
            jupyter.screenshot(page.locator(WIDGET), "listening-test-mushra")
        assert _given_away(page, frames) == []
        _next(page)
    expect(page.locator(".mssviz-lt-heading")).to_have_text("Thank you")
    table = _saved(page, lab_folder / "mushra.csv")
    assert len(table) == 8
    assert (table["rating"] == table["condition"].map(scores)).all()
    for page_order, (_, rows) in zip(order, table.groupby("trial", sort=False), strict=True):
        assert rows["condition"].tolist() == page_order
    assert (table["times_played"] == 1).all()
    assert (table["seconds_listened"] > 0).all()
    assert all(name in page.locator(".mssviz-lt-results").inner_text() for name in MODELS)
    assert _named(frames) == list(MODELS)  # what has been looked into does show names
    assert _test(page, "test.context") is None
    jupyter.screenshot(page.locator(WIDGET), "listening-test-end")


def test_a_whole_ab_test_by_keys(start, frames, lab_folder):
    page, order = start("ab", 'references=references, method="ab"', dark=True, fresh=True)
    wanted = []
    for trial, names in enumerate(order):
        expect(page.locator(".mssviz-lt-heading")).to_have_text(f"Trial {trial + 1} of 2")
        _wait(page, "test.ready")
        if trial == 0:
            page.locator(".mssviz-lt-question").click()
            page.locator(".mssviz-lt-play").focus()
        page.keyboard.press("a")
        page.keyboard.press("b")
        expect(page.locator(".mssviz-lt-next")).to_be_disabled()
        option = "B is better" if trial == 0 else "No preference"
        page.get_by_label(option).check()
        wanted.append(names[1] if trial == 0 else "no preference")
        expect(page.locator(".mssviz-lt-next")).to_be_enabled()
        if trial == 0:
            page.wait_for_timeout(300)
            jupyter.screenshot(page.locator(WIDGET), "listening-test-ab-dark")
        assert _given_away(page, frames) == []
        page.keyboard.press("Enter")
    expect(page.locator(".mssviz-lt-heading")).to_have_text("Thank you")
    table = _saved(page, lab_folder / "ab.csv")
    assert table["choice"].tolist() == wanted
    assert table[["a", "b"]].to_numpy().tolist() == order
    assert (table[["times_played_a", "times_played_b"]] == 1).all(axis=None)


def test_switching_keeps_the_position_without_a_gap(start):
    page, order = start("switch", "references=references, loudness_match=False, anchors=None")
    assert len(order[0]) == 3
    plan = '[[0, "1"], [0.5, "2"], [2.6, "3"]]'
    heard = np.array(_test(page, f"test.render(3, {plan}).then((x) => [...x])"))
    hertz = {"vocals": 220, "drums": 200}[page.locator(".mssviz-lt-name").inner_text()]
    factor = {"reference": 1, "zqumber": 2, "zqochre": 3}
    time = np.arange(RATE * SECONDS) / RATE
    start_at = round(0.02 * RATE)  # from a click to its sound
    tones = [0.3 * np.sin(2 * np.pi * hertz * factor[name] * time) for name in order[0]]
    loops = [np.resize(tone, 3 * RATE) for tone in tones]

    def matches(i, begin, end):
        part = slice(round(begin * RATE), round(end * RATE))
        shifted = np.concatenate([np.zeros(start_at), loops[i]])
        return np.abs(heard[part] - shifted[part]).max() < 1e-3

    assert matches(0, 0.04, 0.49)
    assert matches(1, 0.53, 1.99)
    assert matches(1, 2.04, 2.59)  # the loop's second turn
    assert matches(2, 2.63, 3)
    # while one fades into the other, nothing is louder than both and no sample jumps
    fade = heard[round(0.49 * RATE) : round(0.53 * RATE)]
    assert np.abs(fade).max() < 0.31
    assert np.abs(np.diff(fade)).max() < 0.3 * 2 * np.pi * hertz * 3 / RATE * 1.2


def test_playing_live_and_keys(start):
    page, _ = start("live")
    _hear(page, "Sound 1")
    _wait(page, "test.context.state === 'running' && test.position > 0.2")
    slider = page.get_by_label("Rating of Sound 1")
    expect(slider).to_be_focused()
    page.keyboard.press("2")
    expect(page.get_by_label("Rating of Sound 2")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".mssviz-lt-value").nth(1)).to_have_text("51")
    # switching goes on at the same place: the position moves as the clock does
    clock = "[test.position, test.context.currentTime]"
    before, since = _test(page, clock)
    page.keyboard.press("0")
    after, now = _test(page, clock)
    apart = (after - before - (now - since)) % SECONDS
    assert min(apart, SECONDS - apart) < 0.1
    page.keyboard.press("Space")
    expect(page.locator(".mssviz-lt-play")).to_have_attribute("aria-label", "Play")
    paused = _test(page, "test.position")
    page.wait_for_timeout(200)
    assert _test(page, "test.position") == pytest.approx(paused, abs=0.02)
    page.keyboard.press("Space")
    expect(page.locator(".mssviz-lt-play")).to_have_attribute("aria-label", "Pause")
    page.get_by_label("Loop").uncheck()
    expect(page.locator(".mssviz-lt-play")).to_have_attribute("aria-label", "Play", timeout=WAIT_MS)
    assert _test(page, "test.position") == 0


def test_a_second_and_a_reopened_view_show_pythons_state(start):
    page, _ = start("views")
    _hear(page, "Sound 1")
    _rate(page, 1, 33)
    page.locator(".again").click()
    second = page.locator(WIDGET).nth(1)
    expect(second.locator(".mssviz-lt-value").first).to_have_text("33", timeout=WAIT_MS)
    expect(second.locator(".mssviz-lt-played")).to_have_count(1)
    expect(second.locator(".mssviz-lt-hear").first).to_be_enabled()
    # a rating there shows here, and the one started last sounds
    second.get_by_label("Rating of Sound 2").fill("66")
    first = page.locator(WIDGET).first
    expect(first.locator(".mssviz-lt-value").nth(1)).to_have_text("66")
    second.get_by_role("button", name="Sound 2, ").click()
    expect(first.locator(".mssviz-lt-play")).to_have_attribute("aria-label", "Play")
    expect(second.locator(".mssviz-lt-play")).to_have_attribute("aria-label", "Pause")
    # gone with its output, its context is closed
    page.evaluate(
        f"""() => {{
            window.left = document.querySelectorAll("{WIDGET}")[1]
                .parentElement.mssvizListeningTest.context;
        }}"""
    )
    page.get_by_label("Rating of Sound 1").first.focus()
    jupyter.choose(page, "Edit", "Clear Cell Output")
    page.wait_for_function("() => window.left.state === 'closed'", timeout=WAIT_MS)


def test_a_page_loaded_anew_goes_on_where_python_is(start):
    page, _ = start("reload", fresh=True)
    _hear(page, "Sound 1")
    _rate(page, 1, 33)
    expect(page.locator(".mssviz-lt-played")).to_have_count(1)
    jupyter.choose(page, "File", "Save Notebook")
    page.wait_for_timeout(500)
    page.goto(page.url.split("?")[0])
    expect(page.locator(".mssviz-lt-value").first).to_have_text("33", timeout=WAIT_MS)
    _wait(page, "test.ready")
    expect(page.locator(".mssviz-lt-played")).to_have_count(1)


@pytest.mark.parametrize(("width", "dark"), [(520, False), (1600, True)])
def test_pictures(start, width, dark):
    page, _ = start(f"picture{width}", width=width, dark=dark)
    _hear(page, "Sound 2")
    _rate(page, 2, 72)
    _rate(page, 1, 20)
    page.wait_for_timeout(300)
    root = page.locator(WIDGET)
    assert root.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
    for label in page.locator(".mssviz-lt-labels span").all():
        assert label.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
    jupyter.screenshot(root, f"listening-test-{width}{'-dark' if dark else ''}")
