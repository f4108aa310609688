"""The explorer as its users meet it: buttons pressed in a browser, results looked at."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.ui.conftest import ARTIFACTS

pytestmark = pytest.mark.ui

WORK_MS = 30_000


def _separate(page):
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    _wait(page)
    expect(page.locator("table.mssviz-scores")).to_be_visible(timeout=WORK_MS)


def _wait(page):
    """Until the work that was started is done, and shown."""
    page.wait_for_timeout(300)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.wait_for_function(
        """() => {
            const view = document.querySelector(".mssviz-spectrogram")?.mssvizSpectrogram;
            return !view || (view.cache.tiles.size && !view.waiting.size && !view.dirty);
        }""",
        timeout=WORK_MS,
    )


def _screenshot(page, name):
    ARTIFACTS.mkdir(exist_ok=True)
    page.locator(".mssviz-explorer").last.screenshot(path=ARTIFACTS / f"{name}.png")


def _heard(page, seconds, start=0.0):
    """What the mixer plays with its present settings, (n_samples, 2)."""
    page.wait_for_function(
        "() => document.querySelector('.mssviz-mixer')?.parentElement.mssvizMixer", timeout=WORK_MS
    )
    channels = page.evaluate(
        """async ([seconds, start]) => {
            const mixer = document.querySelector(".mssviz-mixer").parentElement.mssvizMixer;
            return (await mixer.render(seconds, start)).map((channel) => Array.from(channel));
        }""",
        [seconds, start],
    )
    return np.array(channels, np.float32).T


def _solo(page, name):
    strip = page.get_by_role("group", name=name).first
    strip.get_by_role("button", name="Solo").click()


def _db(error, signal):
    return 10 * np.log10(np.square(error).sum() / np.square(signal).sum())


@pytest.mark.parametrize("width", [800, 1280, 2000])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_separates_the_example_at_every_width_and_theme(open_notebook, width, theme):
    page = open_notebook("explorer.ipynb", width, dark=theme == "dark")
    _separate(page)
    explorer = page.locator(".mssviz-explorer")
    expect(explorer.locator(".mssviz-picture")).to_be_visible()
    expect(explorer.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)
    # nothing sticks out of the page
    assert explorer.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    page.wait_for_timeout(700)
    _screenshot(page, f"explorer-{theme}-{width}")


def test_what_sounds_is_what_python_computed(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _solo(page, "vocals")
    vocals = separation.estimates["vocals"][: 4 * 44100]
    assert _db(_heard(page, 4) - vocals, vocals) < -60
    assert np.abs(_heard(page, 4) - vocals).max() < 2**-14  # 16 bits travel


def test_masks_and_sound_follow_the_exponent(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _solo(page, "vocals")
    handle = page.locator(".mssviz-explorer .noUi-handle").first
    handle.focus()
    page.keyboard.press("End")
    _wait(page)
    page.wait_for_timeout(500)
    expected = separation.with_options(power=8.0).estimates["vocals"][: 2 * 44100]
    assert np.abs(_heard(page, 2) - expected).max() < 2**-14


def test_a_stroke_is_seen_heard_measured_and_taken_back(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _solo(page, "vocals")
    page.wait_for_timeout(300)
    scores = page.locator("table.mssviz-scores")
    before, sound = scores.inner_text(), _heard(page, 3)
    view = page.locator(".mssviz-spectrogram")
    view.get_by_role("button", name="erase").click()
    box = view.locator(".mssviz-picture").bounding_box()
    x, y = box["x"] + 54, box["y"] + 0.55 * box["height"]
    width = box["width"] - 62
    page.mouse.move(x + 0.02 * width, y)
    page.mouse.down()
    page.mouse.move(x + 0.15 * width, y, steps=10)
    page.mouse.up()
    expect(scores).not_to_have_text(before, timeout=WORK_MS)
    _wait(page)
    edited = _heard(page, 3)
    assert _db(edited - sound, sound) > -40
    _screenshot(page, "explorer-edited")
    page.get_by_role("button", name="Undo").click()
    _wait(page)
    page.wait_for_timeout(500)
    assert np.abs(_heard(page, 3) - sound).max() < 2**-14


def test_one_playhead_and_one_selection(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    box = page.locator(".mssviz-picture").bounding_box()
    x, y, width = box["x"] + 54, box["y"] + box["height"] / 2, box["width"] - 62
    page.mouse.click(x + width / 3, y)
    page.wait_for_timeout(800)
    clock = page.locator(".mssviz-mixer-clock")
    expect(clock).to_contain_text("0:05", timeout=5000)
    page.keyboard.down("Shift")
    page.mouse.move(x + 0.2 * width, y)
    page.mouse.down()
    page.mouse.move(x + 0.4 * width, y, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".mssviz-mixer-loop-text")).to_contain_text("0:03", timeout=5000)


def test_cancel_stops_and_a_second_run_works(open_notebook):
    page = open_notebook("explorer.ipynb")
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    page.get_by_role("button", name="Cancel").click(timeout=WORK_MS)
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=WORK_MS)
    _separate(page)


def test_errors_appear_in_place_and_as_text(open_notebook, tmp_path):
    page = open_notebook("explorer.ipynb")
    page.get_by_role("combobox", name="Song").select_option(label="Own file…", timeout=WORK_MS)
    name = tmp_path / "<img src=x onerror=document.title='hacked'>.wav"
    file = page.get_by_role("textbox", name="File")
    file.fill(str(name))
    file.press("Enter")
    page.get_by_role("button", name="Separate").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("no such file", timeout=WORK_MS)
    expect(alert).to_contain_text("<img src=x")
    assert page.title() != "hacked"
    _screenshot(page, "explorer-error")


def test_own_file_has_no_scores_and_says_so(open_notebook, tmp_path, example):
    import mssviz

    mixture, _ = example
    mssviz.write_audio(tmp_path / "mine.flac", mixture[: 3 * 44100], 44100)
    page = open_notebook("explorer.ipynb")
    page.get_by_role("combobox", name="Song").select_option(label="Own file…", timeout=WORK_MS)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload").click()
    chooser.value.set_files(tmp_path / "mine.flac")
    file = page.get_by_role("textbox", name="File")
    expect(file).to_have_value(re.compile(r"mine\.flac$"), timeout=WORK_MS)
    page.get_by_role("button", name="Separate").click()
    expect(page.get_by_text("true stems are unknown")).to_be_visible(timeout=WORK_MS)
    expect(page.get_by_role("group", name="accompaniment").first).to_be_visible()
    _screenshot(page, "explorer-own-file")
