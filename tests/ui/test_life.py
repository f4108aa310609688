"""Explorers in a notebook: two at once, in a file that is opened again, and without a kernel."""

import os
import signal

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from tests.ui import lab as jupyter

pytestmark = pytest.mark.ui

WORK_MS = 60_000
#: Most of a notebook's file that an explorer may take, in bytes.
MOST = 300_000
EXPLORER = """
import os, mssviz
explorer = mssviz.explore(model="repet-sim", duration={})
explorer.separate()
explorer
"""
SENTENCE = "Run this cell to use the explorer."
STOPPED = "The kernel has stopped: run this cell again."


@pytest.fixture
def run_cells(open_notebook, lab_folder):
    """Function (codes) that runs a notebook of several cells; returns the page and its file."""

    def run(*codes):
        name = jupyter.write_cell(lab_folder, *codes)
        return open_notebook(name, fresh=True), lab_folder / name

    return run


@pytest.fixture
def show(browser, lab):
    """Function (name) that opens a notebook as it was saved, as somebody else."""
    pages = []

    def open_(name):
        page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
        pages.append(page)
        jupyter.show_notebook(page, lab, name)
        return page

    yield open_
    for page in pages:
        page.context.close()


def _assert(holds):
    assert holds


def run_in(cell, code):
    """Run some code in a cell in place of what it holds."""
    cell.locator(".cm-content").fill(code)
    cell.page.keyboard.press("Control+Enter")


def settled(page, count=1):
    """Until as many explorers show a result, with its scores."""
    captions = page.locator(".mssviz-mixer-caption").filter(has_text="SDR")
    expect(captions).to_have_count(2 * count, timeout=WORK_MS)
    page.wait_for_function(jupyter.SETTLED, timeout=WORK_MS)


# --- Two explorers ------------------------------------------------------------------------------


def loop(explorer):
    """Play all of an explorer's song, again and again."""
    explorer.get_by_role("button", name="Loop").click()
    explorer.locator(".mssviz-mixer-play").click()


def expect_playing(*explorers, playing):
    for explorer, plays in zip(explorers, playing, strict=True):
        button = explorer.locator(".mssviz-mixer-play")
        expect(button).to_have_attribute("aria-label", "Pause" if plays else "Play")


def test_of_two_explorers_one_plays_and_keys_act_where_the_focus_is(run_cells):
    page, _ = run_cells(EXPLORER.format(4), EXPLORER.format(3))
    settled(page, 2)
    first, second = page.locator(".mssviz-explorer").all()
    loop(first)
    expect_playing(first, second, playing=(True, False))
    # a key in the second one pauses the first
    second.locator(".mssviz-mixer-lane").last.click()
    page.keyboard.press(" ")
    expect_playing(first, second, playing=(False, True))
    page.keyboard.press("2")
    expect(second.get_by_role("button", name="Solo vocals")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(first.get_by_role("button", name="Solo vocals")).to_have_attribute(
        "aria-pressed", "false"
    )
    page.keyboard.press(" ")
    expect_playing(first, second, playing=(False, False))
    # they separate, and neither changes what the other shows
    clock = first.locator(".mssviz-mixer-clock")
    expect(clock).to_contain_text("/ 0:04")
    second.get_by_role("button", name="Separate").click()
    expect(second.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    settled(page, 2)
    expect(clock).to_contain_text("/ 0:04")
    expect(second.locator(".mssviz-mixer-clock")).to_contain_text("/ 0:03")


# --- The file -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(browser, lab, lab_folder):
    """A notebook's file, saved beside a live explorer that has separated; its kernel is gone."""
    path = lab_folder / jupyter.write_cell(lab_folder, EXPLORER.format(4))
    page = browser.new_context(viewport={"width": 1280, "height": 2200}).new_page()
    jupyter.open_notebook(page, lab, path.name)
    settled(page)
    still = page.locator(".mssviz-still")
    expect(still.locator("img")).to_be_attached(timeout=WORK_MS)
    # beside the live explorer there is no trace of it, nor for screen readers
    expect(still).to_be_hidden()
    assert page.locator(".jp-OutputArea-child:visible").count() == 1
    assert SENTENCE not in page.locator("body").aria_snapshot()
    page.keyboard.press("Control+s")

    def has_picture():
        assert "data:image/jpeg" in path.read_text("utf-8")

    jupyter.eventually(page, has_picture)
    jupyter.shut_down(page)
    page.context.close()
    return path


def expect_picture(page):
    """The picture with its sentence, and nothing else."""
    outputs = page.locator(".jp-OutputArea").first
    expect(outputs.get_by_role("img", name="Spectrogram of Francium")).to_be_visible(
        timeout=WORK_MS
    )
    expect(outputs).to_have_text(SENTENCE, use_inner_text=True)
    page.wait_for_timeout(4000)  # JupyterLab says after 2 s that there is no widget
    expect(outputs).to_have_text(SENTENCE, use_inner_text=True)
    assert outputs.get_by_role("img").bounding_box()["height"] > 300


def test_a_notebook_that_is_opened_again_shows_what_was_seen(saved, show):
    assert saved.stat().st_size < MOST
    page = show(saved.name)
    expect_picture(page)
    jupyter.screenshot(page, "life-opened-again")
    # and it goes when the cell is run
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    settled(page)
    expect(page.locator(".mssviz-still")).to_be_hidden()
    jupyter.shut_down(page)


def test_a_notebook_of_somebody_else_shows_it_too(saved, show):
    path = saved.with_name("theirs.ipynb")
    path.write_text(saved.read_text("utf-8").replace("import mssviz", "import  mssviz", 1), "utf-8")
    page = show(path.name)  # JupyterLab does not trust it, and drops its style sheet
    expect_picture(page)
    jupyter.screenshot(page, "life-not-trusted")
    jupyter.shut_down(page)


def test_notebook_7_shows_it_too(saved, browser, lab):
    page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
    page.goto(lab.replace("/lab?", f"/notebooks/{saved.name}?"))
    expect_picture(page)
    page.context.close()


def test_a_page_made_of_the_notebook_shows_it_too(saved, browser):
    made, _ = HTMLExporter().from_filename(saved)
    page = browser.new_page()
    page.set_content(made)
    expect_picture(page)
    jupyter.screenshot(page, "life-nbconvert")
    page.close()


def test_an_explorer_that_has_not_separated_is_named_too(run_cells, show):
    page, path = run_cells("import mssviz\nmssviz.explore()")
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.keyboard.press("Control+s")
    jupyter.eventually(page, lambda: _assert(SENTENCE in path.read_text("utf-8")))
    jupyter.shut_down(page)
    outputs = show(path.name).locator(".jp-OutputArea")
    expect(outputs).to_have_text(SENTENCE, use_inner_text=True, timeout=WORK_MS)


# --- The kernel's end ---------------------------------------------------------------------------


def notice(page):
    return page.locator(".mssviz-explorer").get_by_role("alert").filter(has_text="kernel")


def test_a_killed_kernel_is_told_and_what_is_there_plays_on(run_cells):
    page, path = run_cells(EXPLORER.format(4), "open('pid', 'w').write(str(os.getpid()))")
    settled(page)
    expect(notice(page)).to_have_count(0)
    loop(page)
    jupyter.eventually(page, lambda: _assert(path.with_name("pid").exists()))
    os.kill(int(path.with_name("pid").read_text()), signal.SIGKILL)
    expect(notice(page)).to_have_text(STOPPED, timeout=WORK_MS)
    expect_playing(page.locator(".mssviz-explorer"), playing=[True])
    # JupyterLab starts another one, in which the cell can be run
    page.get_by_role("button", name="Ok", exact=True).click()
    jupyter.screenshot(page.locator(".mssviz-explorer"), "life-stopped")
    expect(notice(page)).to_have_text(STOPPED)
    page.locator(".jp-Cell-inputWrapper").first.click()
    page.keyboard.press("Control+Enter")
    expect(notice(page)).to_have_count(0, timeout=WORK_MS)
    settled(page)


def test_a_restarted_kernel_is_told(run_cells):
    page, _ = run_cells("import mssviz\nmssviz.explore(model='repet-sim', duration=2)")
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    jupyter.choose(page, "Kernel", "Restart Kernel…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(notice(page)).to_have_text(STOPPED, timeout=WORK_MS)
    page.wait_for_selector("[data-status=idle]", timeout=WORK_MS, state="attached")
    expect(notice(page)).to_have_text(STOPPED)


def test_a_kernel_that_is_shut_down_is_told(run_cells):
    page, _ = run_cells("import mssviz\nmssviz.explore(model='repet-sim', duration=2)")
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    jupyter.shut_down(page)
    expect(notice(page)).to_have_text(STOPPED, timeout=WORK_MS)


# --- Messages that are lost ---------------------------------------------------------------------

#: The kernel does not hear the first message of each kind to each picture, mixer and test.
DEAF = """
import ipywidgets, mssviz, numpy as np
from mssviz.stft import StftParams, stft
heard_of = []
def deafen(kind):
    hear = kind._handle_custom_msg
    def handle(widget, content, buffers):
        first = (widget.model_id, content["kind"])
        if first in heard_of:
            hear(widget, content, buffers)
        heard_of.append(first)
    kind._handle_custom_msg = handle
for kind in (mssviz.SpectrogramView, mssviz.Mixer, mssviz.ListeningTest):
    deafen(kind)
"""
PINNED = """
params = StftParams()
sound = np.random.default_rng(0).normal(size=(44100, 2)).astype("f4") * 0.1
view = mssviz.SpectrogramView(stft(sound, params), params, {})
view.pinned = [0.5, 440.0]
test = mssviz.ListeningTest({"trial": {"one": sound, "two": 0.5 * sound}}, 44100)
ipywidgets.VBox([view, test])
"""


def test_what_the_kernel_did_not_hear_of_is_asked_again(run_cell):
    page = run_cell(f"{DEAF}mssviz.explore(duration=2)", alone=True)
    page.wait_for_function(jupyter.SETTLED, timeout=WORK_MS)
    assert jupyter.heard(page, 1).any()


def test_what_is_read_and_what_is_to_be_rated_is_asked_for_again(run_cell):
    page = run_cell(DEAF + PINNED, alone=True)
    expect(page.locator(".mssviz-readout")).to_contain_text("mixture", timeout=WORK_MS)
    expect(page.locator(".mssviz-slices")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-lt")).not_to_contain_text("Loading sounds", timeout=WORK_MS)


# --- What is left in the browser ----------------------------------------------------------------

#: Counts sounds, observers and listeners beside those of elements, which end with these.
COUNT = """() => {
    const held = (window.held = { sounds: new Set(), listeners: 0, observers: new Set() });
    const Sound = window.AudioContext;
    window.AudioContext = class extends Sound {
        constructor(...options) {
            super(...options);
            held.sounds.add(this);
        }
    };
    const { observe, disconnect } = ResizeObserver.prototype;
    ResizeObserver.prototype.observe = function (...what) {
        held.observers.add(this);
        return observe.apply(this, what);
    };
    ResizeObserver.prototype.disconnect = function () {
        held.observers.delete(this);
        return disconnect.apply(this);
    };
    for (const target of [document, window]) {
        const add = target.addEventListener;
        target.addEventListener = function (type, listener, options) {
            if (options?.signal && !options.signal.aborted) {
                held.listeners += 1;
                options.signal.addEventListener("abort", () => (held.listeners -= 1));
            }
            return add.call(this, type, listener, options);
        };
    }
}"""
HELD = """() => [
    [...held.sounds].filter(({ state }) => state !== "closed").length,
    held.listeners,
    held.observers.size,
    document.querySelectorAll(".jp-OutputArea canvas").length,
]"""


def test_a_closed_explorer_leaves_nothing_in_the_browser(run_cells):
    page, _ = run_cells("'first'", "'second'")
    expect(page.locator(".jp-OutputArea", has_text="second")).to_be_visible(timeout=WORK_MS)
    page.evaluate(COUNT)
    nothing = page.evaluate(HELD)
    run_in(page.locator(".jp-Cell").first, EXPLORER.format(3))
    settled(page)
    loop(page)
    page.wait_for_function(f"() => ({HELD})()[0] === 1")
    assert all(there > before for there, before in zip(page.evaluate(HELD), nothing, strict=True))
    # another result takes the place of the views, and the sound stops with them
    page.get_by_role("button", name="Separate").click()
    page.wait_for_function(f"() => ({HELD})()[0] === 0", timeout=WORK_MS)
    settled(page)
    run_in(page.locator(".jp-Cell").last, "explorer.close()")
    expect(page.locator(".mssviz-explorer")).to_have_count(0, timeout=WORK_MS)
    jupyter.eventually(page, lambda: _assert(page.evaluate(HELD) == nothing))
