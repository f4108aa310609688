"""The course as a student takes it: figures that follow their controls, and exercises solved."""

import math
import re

import pytest
import requests
from playwright.sync_api import expect

from tests.ui import lab as jupyter
from tests.ui.lab import ROOT, plot_area, screenshot
from tests.ui.lent import Kernels

pytestmark = pytest.mark.ui

COURSE = ROOT / "notebooks" / "course"
DRAWN_MS = 60_000
#: By lesson: a control, what it is set to or the key that moves it, and what the text says then.
MOVES = {
    "01-listening": ("Bleed (dB)", "End", "at 0.0 dB"),
    "02-mixing": ("Add to the vocals", "the same sound", "6.0 dB louder"),
    "03-stft": ("Samples (n_fft)", "ArrowRight", "over 4,096 samples"),
    "04-phase": ("Phase of", "random", "a phase that is random"),
    "05-masks": ("Mask", "complex", "error is nothing"),
    "06-oracles": ("Song", "francium", "francium's vocals"),
    "07-classics": ("Filter (frames, bins)", "End", "smooth along 127 bins"),
    "08-unet": ("Levels", "End", "sees 445 of 512 frames"),
    "09-spleeter": ("Song", "francium", "Mask of francium's vocals"),
    "10-evaluation": ("Vocals by", "ideal mask", "Scores of ideal mask's vocals"),
    "11-training": ("It is the voice in (%)", "End", "In 100 % of the examples"),
    "12-systems": ("The network gives", "waveform", "Nothing is wrong"),
    "13-ethics": ("I want to", "sell a remix", "May I sell a remix? With conditions."),
}


@pytest.fixture
def open_lesson(open_notebook):
    """Function that opens a lesson and runs it, and returns its page when all is drawn."""

    def open_(name):
        page = open_notebook(f"course/{name}.ipynb")
        page.set_viewport_size({"width": 1280, "height": 4200})
        expect(page.locator(".jp-CodeCell").last).to_contain_text("Not yet.", timeout=DRAWN_MS)
        expect(page.get_by_text("drawing …")).to_have_count(0, timeout=DRAWN_MS)
        return page

    return open_


def move(demonstration, control, value):
    """Set a control by hand: a key moves a slider, any other word is chosen from a list."""
    if not re.fullmatch(r"End|Arrow\w+", value):
        demonstration.get_by_label(control, exact=True).select_option(value)
        return
    demonstration.get_by_label(control).press(value)


def answer(page, exercise, code=""):
    """Run the cell of an exercise, with other code in it if there is some."""
    cell = page.locator(".jp-CodeCell", has_text=f'lessons.check("{exercise}"')
    cell.locator(".cm-content").click()
    if code:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    return cell


def solution(name, exercise):
    text = (COURSE / "solutions" / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    return next(code.strip() for code in blocks if f'check("{exercise}"' in code)


@pytest.mark.parametrize("name", MOVES)
def test_a_lesson_is_taken_to_its_end(open_lesson, axe, lab_folder, name):
    page = open_lesson(name)
    control, value, said = MOVES[name]
    demonstration = page.locator(".mssviz-lesson").first
    before = demonstration.locator("img").get_attribute("src")
    move(demonstration, control, value)
    caption = demonstration.locator("figcaption")
    expect(caption).to_contain_text(said, timeout=DRAWN_MS)
    assert demonstration.locator("img").get_attribute("alt") == caption.inner_text()
    assert demonstration.locator("img").get_attribute("src") != before
    assert axe(page, ".mssviz-lesson") == []
    screenshot(page, f"lesson-{name}")
    exercise = f"{int(name[:2])}.{2 if name == '05-masks' else 1}"
    cell = answer(page, exercise, solution(name, exercise))
    expect(cell).to_contain_text("Right.", timeout=DRAWN_MS)
    assert f'"{exercise}"' in (lab_folder / "course" / "course-results.json").read_text()


def test_a_mask_is_painted_that_beats_the_network(open_lesson):
    page = open_lesson("05-masks")
    goal = page.locator(".mssviz-lesson", has_text="The network's")
    status = goal.get_by_role("status").first
    expect(status).to_contain_text("Your vocals: SDR 0.6 dB. The network's: 0.6 dB.")
    cell = answer(page, "5.1")
    expect(cell).to_contain_text("This is the network's own mask")
    left, top, width, height = plot_area(goal.locator(".mssviz-picture"))
    low, voice, high = map(math.log, (200, 850, 4000))
    y = top + height * (high - voice) / (high - low)
    page.mouse.move(left + 0.05 * width, y)
    page.mouse.down()
    page.mouse.move(left + 0.65 * width, y, steps=12)
    page.mouse.up()
    expect(status).not_to_contain_text("Your vocals: SDR 0.6 dB.")
    screenshot(page, "painted-goal")
    cell = answer(page, "5.1")
    expect(cell).to_contain_text("Right. Your SDR is", timeout=DRAWN_MS)
    goal.get_by_role("button", name="Undo").click()
    expect(status).to_contain_text("Your vocals: SDR 0.6 dB.")


def test_the_course_opens_on_its_contents_with_the_explorer_beside(browser, tmp_path):
    command = ["mssviz", "explore", "--course", "--"]
    with jupyter.serve(tmp_path, command) as address:
        files = address.partition("/lab?")[0] + "/api/contents"
        assert requests.get(files, timeout=10).status_code == 403  # without the token
        page = jupyter.new_page(browser, viewport={"width": 1280, "height": 900})
        page.goto(address.replace("/lab?", "/lab/tree/README.md?"))  # as JupyterLab opens it
        contents = page.locator(".jp-MarkdownViewer")
        expect(contents.get_by_role("heading", name="The course")).to_be_visible(timeout=DRAWN_MS)
        tabs = page.locator("#jp-main-dock-panel .lm-TabBar-tabLabel")
        expect(tabs).to_have_text(["README.md", "explorer.ipynb"], timeout=DRAWN_MS)
        screenshot(page, "course-contents")
        contents.get_by_role("link", name="Magnitude and phase").click()
        # while it still opens what was open, JupyterLab can show the contents once more
        tabs.filter(has_text="04-phase.ipynb").click(timeout=DRAWN_MS)
        lesson = page.get_by_role("heading", name="4 · Magnitude and phase")
        expect(lesson).to_be_visible(timeout=DRAWN_MS)
        page.get_by_role("link", name="magnitude", exact=True).first.click()
        tabs.filter(has_text="glossary.md").click(timeout=DRAWN_MS)
        glossary = page.get_by_role("heading", name="Time and frequency")
        expect(glossary).to_be_visible(timeout=DRAWN_MS)
        page.context.close()
        Kernels(address, tmp_path).end()
