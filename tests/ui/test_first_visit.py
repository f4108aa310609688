"""What a person meets on a first visit: the song itself, before anything is separated."""

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import SETTLED, arrays, eventually, screenshot

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
MIXER = "document.querySelector('.mssviz-mixer')?.parentElement.mssvizMixer"


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


def _heard(page, seconds, start=0.0):
    page.wait_for_function(f"() => {MIXER}?.ready", timeout=WORK_MS)
    script = f"([seconds, start]) => {MIXER}.render(seconds, start)"
    return np.stack(arrays(page, script, [seconds, start]), axis=1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_mixture_is_seen_and_heard_before_anything_is_separated(run_cell, dark):
    page = _shown(run_cell, dark=dark)
    expected = next(iter(mssviz.examples().values())).load(duration=15)[0]
    assert np.abs(_heard(page, 2) - expected[:88200]).max() < 2**-20
    notice = page.get_by_text("Choose a song and press Separate")
    expect(notice).to_be_visible()
    box = notice.bounding_box()
    met = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).className",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert met in ("mssviz-picture", "mssviz-overlay")  # it does not catch the mouse
    _on_laptop(page)
    screenshot(page, f"first-visit-{'dark' if dark else 'light'}")


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
