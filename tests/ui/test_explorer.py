"""The explorer as its users meet it: buttons pressed in a browser, results looked at."""

import base64
import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.ui.conftest import ARTIFACTS

pytestmark = pytest.mark.ui

WORK_MS = 30_000


def _separate(page):
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.locator("table.mssviz-scores")).to_be_visible(timeout=WORK_MS)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)


def _screenshot(page, name):
    ARTIFACTS.mkdir(exist_ok=True)
    page.locator(".mssviz-explorer").last.screenshot(path=ARTIFACTS / f"{name}.png")


def _decode(page, source):
    """Samples of a player's sound, decoded by the browser."""
    import soundfile

    data = page.evaluate(
        """async url => {
            const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
            let text = "";
            for (const byte of bytes) text += String.fromCharCode(byte);
            return btoa(text);
        }""",
        source,
    )
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
    assert rate == 44100
    return samples


@pytest.mark.parametrize("width", [800, 1280, 2000])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_separates_the_example_at_every_width_and_theme(open_notebook, width, theme):
    page = open_notebook("explorer.ipynb", width, dark=theme == "dark")
    _separate(page)
    explorer = page.locator(".mssviz-explorer")
    expect(explorer.locator("audio")).to_have_count(5)
    expect(explorer.locator("img:visible")).to_have_count(3)
    for image in explorer.locator("img:visible").all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 600")
    # nothing sticks out of the page
    assert explorer.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    _screenshot(page, f"explorer-{theme}-{width}")


def test_what_plays_is_what_python_computed(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    players = page.locator(".mssviz-explorer audio")
    sources = [player.get_attribute("src") for player in players.all()]
    mixture, vocals = _decode(page, sources[0]), _decode(page, sources[1])
    for heard, computed in (
        (mixture, separation.mixture),
        (vocals, separation.estimates["vocals"]),
    ):
        assert heard.shape == computed.shape
        # 16 bits: below -90 dBFS, and at the true level, not normalised
        assert np.abs(heard - computed).max() < 2**-15
    duration = players.first.evaluate("a => a.duration")
    assert duration == pytest.approx(len(separation.mixture) / 44100, abs=0.01)


def test_masks_follow_the_exponent(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    masks = page.locator(".mssviz-explorer img:visible").nth(1)
    before = masks.get_attribute("src")
    handle = page.locator(".mssviz-explorer .noUi-handle").first
    handle.focus()
    page.keyboard.press("End")
    expect(masks).not_to_have_attribute("src", before, timeout=WORK_MS)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)


def test_cancel_stops_and_a_second_run_works(open_notebook):
    page = open_notebook("explorer.ipynb")
    page.get_by_label("Length (s)").fill("15")
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
    expect(page.locator(".mssviz-explorer audio")).to_have_count(3)
    _screenshot(page, "explorer-own-file")
