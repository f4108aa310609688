"""What a person meets on a first visit: the song itself, before anything is separated."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import (
    MIXER,
    SETTLED,
    both_themes,
    eventually,
    heard,
    open_panel,
    restart_and_run_all,
    screenshot,
)

pytestmark = pytest.mark.ui

WORK_MS = 60_000
EXPLORER = """
import mssviz
explorer = mssviz.explore({arguments})
explorer
"""
#: An explorer whose model waits within its work until the notebook's folder has a file "go".
WAITING = """
import pathlib, time, mssviz
explorer = mssviz.explore("lithium", duration=6)
separator = mssviz.Separator("spleeter:2stems", progress=False)
fill = separator.fill

def slowly(separation, progress):
    for frames in fill(separation, progress):
        yield frames
        while len(separation.mixture) > 44100 and not pathlib.Path("go").exists():
            time.sleep(0.05)

separator.fill = slowly
explorer.session.models["spleeter:2stems", ("vocals", "accompaniment")] = separator
explorer
"""
#: An explorer that reads its song when the notebook's folder has a file "look".
LATE = """
import pathlib, time, mssviz
from mssviz.widgets.explorer.choice import Choice
load = Choice.load

def late(*arguments):
    while not pathlib.Path("look").exists():
        time.sleep(0.05)
    return load(*arguments)

Choice.load = late
mssviz.explore(duration=2)
"""


def _shown(run_cell, arguments="", **options):
    page = run_cell(EXPLORER.format(arguments=arguments), width=1366, **options)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    return page


def _on_laptop(page):
    page.set_viewport_size({"width": 1366, "height": 768})
    page.evaluate("() => document.querySelector('.mssviz-deck').scrollIntoView({block: 'end'})")
    # the page is laid out and painted anew within two frames
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    page.wait_for_function(SETTLED, timeout=WORK_MS)


def test_the_mixture_is_seen_and_heard_before_anything_is_separated(run_cell):
    page = _shown(run_cell)
    expected = next(iter(mssviz.examples().values())).load(duration=15)[0]
    assert np.abs(heard(page, 2) - expected[:88200]).max() < 2**-20
    notice = page.get_by_text("Choose a song and press Separate")
    for theme in both_themes(page):
        expect(notice).to_be_visible()
        _on_laptop(page)
        screenshot(page, f"first-visit-{theme}")
    box = notice.bounding_box()
    met = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).className",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert met in ("mssviz-picture", "mssviz-overlay")  # it does not catch the mouse


def test_another_choice_is_seen_at_once_and_what_cannot_be_read_is_told_calmly(run_cell):
    page = _shown(run_cell, "duration=4")
    page.locator(".mssviz-menu button", has_text="♪").click()
    start = page.get_by_role("spinbutton", name="From")
    start.fill("2")
    start.press("Enter")
    span = f"() => {MIXER}?.span"
    eventually(page, lambda: _near(page.evaluate(span), [2, 6]))
    start.fill("-2")
    start.press("Enter")
    expect(page.locator(".mssviz-status [role=status]")).to_contain_text("0 s or more")
    expect(page.locator(".mssviz-spectrogram")).to_have_count(0)
    expect(page.get_by_text("Choose a song and press Separate")).to_be_visible()
    expect(page.get_by_role("button", name="Separate")).to_be_enabled()
    start.fill("1")
    start.press("Enter")
    eventually(page, lambda: _near(page.evaluate(span), [1, 5]))
    expect(page.locator(".mssviz-status [role=status]")).to_have_count(0)


def _near(found, expected):
    assert found == pytest.approx(expected, abs=0.05)


def test_the_song_plays_on_and_stays_in_view_while_stems_join(run_cell, lab_folder):
    page = run_cell(WAITING)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    picture = page.locator(".mssviz-spectrogram .mssviz-picture")
    picture.press("+")
    view = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram"
    edges = f"() => ['start', 'stop'].map((name) => {view}.model.get(name))"
    eventually(page, lambda: _less(page.evaluate(edges)[1], 6))
    page.evaluate(f"() => {view}.widget.save({{ selection: [0.5, 2] }})")  # played on and on
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(400)  # Python hears of it a little later
    before = page.evaluate(edges)
    page.get_by_role("button", name="Separate").click()
    expect(page.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)
    expect(page.get_by_text("Choose a song and press Separate")).to_be_hidden()
    assert page.evaluate(edges) == before
    page.wait_for_function(f"() => {MIXER}?.context?.state === 'running'", timeout=WORK_MS)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    (lab_folder / "go").touch()
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)


def _less(found, bound):
    assert found < bound


# --- The tour -----------------------------------------------------------------------------------

CARD = ".mssviz-tour:popover-open"
PLACES = """() => [".mssviz-tour", ".mssviz-tour-ring"].map((part) => {
    const { left, top, right, bottom } = document.querySelector(part).getBoundingClientRect();
    return [left, top, right, bottom];
})"""
TITLES = [
    "Choose and separate",
    "Look into the sound",
    "Listen to stems",
    "Change masks, and measure",
    "Keep it, and find help",
]


def _assert_beside(page):
    """The card is in the window, and not over what it points at."""
    (left, top, right, bottom), (*start, x, y) = page.evaluate(PLACES)
    assert min(left, top) >= 0
    assert right <= page.viewport_size["width"]
    assert bottom <= page.viewport_size["height"]
    assert left >= x or right <= start[0] or top >= y or bottom <= start[1]


def test_the_tour_comes_once_and_covers_nothing_that_it_points_at(run_cell, axe):
    page = _shown(run_cell, tour=True)
    card = page.locator(CARD)
    expect(card).to_be_visible()
    _on_laptop(page)
    for number, title in enumerate(TITLES, start=1):
        expect(card.get_by_role("heading")).to_have_text(title)
        for theme in both_themes(page):
            eventually(page, lambda: _assert_beside(page))
            screenshot(page, f"tour-{number}-{theme}")
            found = axe(page, ".mssviz-tour")
            assert not found, "\n".join(found)
        card.get_by_role("button", name="Done" if number == len(TITLES) else "Next").click()
    expect(card).to_have_count(0)
    restart_and_run_all(page)
    page.locator(".mssviz-explorer").wait_for(state="detached", timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    expect(card).to_have_count(0)


def test_the_tour_is_taken_from_help_by_keys_and_gives_the_focus_back(run_cell):
    page = _shown(run_cell)
    card = page.locator(CARD)
    expect(card).to_have_count(0)
    page.get_by_role("button", name="Help").press("Enter")
    help_card = page.get_by_role("dialog", name="Keys and gestures")
    help_card.get_by_role("button", name="Terms").press("Enter")
    expect(help_card.get_by_text("source to distortion ratio")).to_be_visible()
    expect(help_card.get_by_text("plays or pauses")).to_be_hidden()
    screenshot(page, "help-terms")
    page.get_by_role("button", name="Take the tour").press("Enter")
    following = card.get_by_role("button", name="Next step")
    expect(following).to_be_focused()
    page.keyboard.press("Enter")
    expect(card.get_by_role("heading")).to_have_text(TITLES[1])
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(card.get_by_role("heading")).to_have_text(TITLES[0])
    expect(following).to_be_focused()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(page.get_by_role("button", name="Help")).to_be_focused()
    assert page.locator(".jp-Notebook .jp-Cell").count() == 1


def test_who_types_in_a_cell_goes_on_typing(run_cell, lab_folder):
    page = run_cell(LATE, tour=True, alone=True)
    page.get_by_role("button", name="Separate").wait_for(timeout=WORK_MS)
    page.locator(".jp-Cell .cm-content").first.click()
    (lab_folder / "look").touch()
    expect(page.locator(CARD)).to_be_visible(timeout=WORK_MS)
    assert page.evaluate("() => Boolean(document.activeElement.closest('.cm-editor'))")


# --- What every control says of itself ------------------------------------------------------------

#: Name, and what the pointer reads, of every control that is shown.
TOOLTIPS = """() => {
    const kinds = "button, input, select, textarea, [role=slider]";
    const shown = [...document.querySelectorAll(".mssviz-explorer :is(" + kinds + ")")]
        .filter((e) => e.checkVisibility());
    return shown.map((e) => {
        const titled = e.closest("[title]");
        const inside = titled && document.querySelector(".mssviz-explorer").contains(titled);
        return [e.outerHTML.slice(0, 120), inside ? titled.title : ""];
    });
}"""


def _untold(page, least):
    """Controls that are shown and do not have a sentence as their tooltip."""
    found = page.evaluate(TOOLTIPS)
    assert len(found) >= least
    return [(control, said) for control, said in found if not _is_sentence(said)]


def _is_sentence(said):
    words = said.split()
    is_told = len(words) > 1 and not {"null", "undefined", "None", "NaN"} & set(words)
    return is_told and (said[0].isupper() or not said[0].isalpha())


def test_every_control_says_what_it_does(run_cell):
    page = _shown(run_cell, "duration=2, model='repet-sim', compare='oracle:IRM2'")
    untold = _untold(page, 12)
    open_panel(page, "♪")
    page.get_by_role("combobox", name="Song").select_option(label="Own file or folder of stems…")
    path = page.get_by_role("textbox", name="Path")
    path.wait_for(timeout=WORK_MS)
    expect(path).to_have_accessible_description(re.compile("sound file, or a folder of stems"))
    untold += _untold(page, 18)
    page.get_by_role("combobox", name="Song").select_option(index=0)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    page.get_by_role("button", name="Separate").click()
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    for panel in ("Mask", "Brush", "Display", "Scores", "Save"):
        open_panel(page, panel)
        untold += _untold(page, 30)
    assert untold == []
