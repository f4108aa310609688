"""The explorer as its users meet it: buttons pressed in a browser, results looked at."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import (
    SETTLED,
    choose,
    eventually,
    heard,
    open_panel,
    plot_area,
    restart_and_run_all,
    screenshot,
)

pytestmark = pytest.mark.ui

WORK_MS = 60_000
#: Whether masks are shown in the first ten, and in the last three seconds.
HUE_SHARES = """() => {
    const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
    const { width, height } = view.plot.inner;
    const { words } = view.painter; // grey where no stem is let through yet
    const part = (from, to) => {
        for (let y = 0; y < height; y++) {
            for (let x = from; x < to; x++) {
                const word = words[y * width + x];
                if (Math.abs((word & 255) - ((word >> 16) & 255)) > 8) return true;
            }
        }
        return false;
    };
    return [part(0, Math.floor(width * 0.66)), part(Math.ceil(width * 0.8), width)];
}"""
OWN = "Own file or folder of stems…"
#: While the kernel is at the first choice of a song, the page keeps the second one back.
SLOW_TO_HEAR = """
import time, mssviz
explorer = mssviz.explore(model="hpss", duration=2)
explorer.controls.song.observe(lambda _: time.sleep(1), "value")
explorer
"""


def _separate(page):
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    _wait(page)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)


def _wait(page):
    """Until the work that was started is done, and shown."""
    page.wait_for_timeout(300)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    if page.locator(".mssviz-spectrogram").count():
        page.wait_for_function(SETTLED, timeout=WORK_MS)


def _screenshot(page, name):
    screenshot(page.locator(".mssviz-explorer").last, name)


def _area(page):
    return plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))


def _drag(page, start, stop, height, keys=()):
    """Drag over shares of the picture's width, at a share of its height."""
    x, y, width, full = _area(page)
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(x + start * width, y + height * full)
    page.mouse.down()
    page.mouse.move(x + stop * width, y + height * full, steps=10)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def _press(page, slider, *keys):
    """Press keys on one of the mask laboratory's sliders."""
    open_panel(page, "Mask")
    for key in keys:
        page.get_by_role("slider", name=slider).press(key)


def _choose(page, name, label, panel=None):
    if panel:
        open_panel(page, panel)
    picker = page.get_by_role("combobox", name=name)
    if isinstance(label, re.Pattern):
        label = picker.locator("option", has_text=label).first.inner_text(timeout=WORK_MS)
    picker.select_option(label=label, timeout=WORK_MS)


def _expect_sound(page, expected, seconds=2, tolerance=2**-20):
    """Wait until the mixer plays this."""

    def check():
        assert np.abs(heard(page, seconds) - expected[: seconds * 44100]).max() < tolerance

    eventually(page, check)


def _solo(page, name):
    strip = page.get_by_role("group", name=name).first
    strip.get_by_role("button", name="Solo").click()


def _db(error, signal):
    return 10 * np.log10(np.square(error).sum() / np.square(signal).sum())


def test_separates_the_example_at_every_width_and_theme(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    explorer = page.locator(".mssviz-explorer")
    expect(explorer.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible()
    expect(explorer.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)

    def fits():
        assert explorer.evaluate("e => e.scrollWidth <= e.clientWidth + 1")

    for theme in ("Light", "Dark"):
        choose(page, "Settings", "Theme", f"JupyterLab {theme}")
        for width in (800, 1280, 2000):
            page.set_viewport_size({"width": width, "height": 2200})
            eventually(page, fits)
            page.wait_for_timeout(700)
            page.wait_for_function(SETTLED, timeout=WORK_MS)
            _screenshot(page, f"explorer-{theme.lower()}-{width}")


def test_a_stroke_is_seen_heard_measured_and_taken_back(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _solo(page, "vocals")
    page.wait_for_timeout(300)
    scores = page.locator("table.mssviz-scores")
    before, sound = scores.inner_text(), heard(page, 3)
    page.get_by_role("button", name="erase").click()
    _drag(page, 0.02, 0.15, 0.55)
    expect(scores).not_to_have_text(before, timeout=WORK_MS)

    def differs():
        assert _db(heard(page, 3) - sound, sound) > -40

    eventually(page, differs)
    _screenshot(page, "explorer-edited")
    page.get_by_role("button", name="Undo").click()
    _expect_sound(page, sound, 3)


def test_one_playhead_and_one_selection(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    x, y, width, height = _area(page)
    page.mouse.click(x + width / 3, y + height / 2)
    page.wait_for_timeout(800)
    clock = page.locator(".mssviz-mixer-clock")
    expect(clock).to_contain_text("0:05", timeout=5000)
    _drag(page, 0.2, 0.4, 0.5, keys=["Shift"])
    expect(page.locator(".mssviz-mixer-loop-text")).to_contain_text("0:03", timeout=5000)


def test_cancel_stops_and_a_second_run_works(open_notebook):
    page = open_notebook("explorer.ipynb")
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    page.get_by_role("button", name="Cancel").click(timeout=WORK_MS)
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=WORK_MS)
    _separate(page)


def test_errors_appear_in_place_and_as_text(open_notebook, tmp_path):
    page = open_notebook("explorer.ipynb")
    _choose(page, "Song", OWN, "♪")
    name = tmp_path / "<img src=x onerror=document.title='hacked'>.wav"
    file = page.get_by_role("textbox", name="Path")
    file.fill(str(name))
    file.press("Enter")
    page.get_by_role("button", name="Separate").click()
    alert = page.get_by_role("alert").filter(has_text="onerror")
    expect(alert).to_contain_text("no such file", timeout=WORK_MS)
    expect(alert).to_contain_text("<img src=x")
    assert page.title() != "hacked"
    _screenshot(page, "explorer-error")


def test_own_file_has_no_scores_and_says_so(open_notebook, tmp_path, example):
    mixture, _ = example
    mssviz.write_audio(tmp_path / "mine.flac", mixture[: 3 * 44100], 44100)
    page = open_notebook("explorer.ipynb")
    _choose(page, "Song", OWN, "♪")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file…").click()
    chooser.value.set_files(tmp_path / "mine.flac")
    file = page.get_by_role("textbox", name="Path")
    expect(file).to_have_value(re.compile(r"mine\.flac$"), timeout=WORK_MS)
    page.get_by_role("button", name="Separate").click()
    expect(page.get_by_text("true stems are unknown").first).to_be_visible(timeout=WORK_MS)
    expect(page.get_by_role("group", name="accompaniment").first).to_be_visible()
    _screenshot(page, "explorer-own-file")


def test_the_mask_laboratory_is_heard(open_notebook, separation):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _solo(page, "vocals")
    vocals = separation.estimates["vocals"][: 4 * 44100]
    assert _db(heard(page, 4) - vocals, vocals) < -80
    _press(page, "Exponent", "End")
    separation = separation.with_options(power=8.0)
    _expect_sound(page, separation.estimates["vocals"])
    for slider, keys, options in (
        ("Soft to binary", ["End"], {"hardness": 1.0}),
        ("Threshold", ["ArrowLeft"] * 2, {"threshold": 0.4}),
        ("Smoothing", ["ArrowRight"] * 5, {"smoothing": 0.1}),
        ("Up to", ["ArrowLeft"] * 4, {"bandwidth": 9000.0}),
        ("MWF", ["ArrowRight"], {"mwf": 1}),
    ):
        _press(page, slider, *keys)
        separation = separation.with_options(**options)
        _expect_sound(page, separation.estimates["vocals"], tolerance=1e-5)
    _screenshot(page, "explorer-laboratory")


def test_a_playing_loop_follows_a_slider_without_stopping(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    _drag(page, 0.2, 0.6, 0.5, keys=["Shift"])
    page.locator(".mssviz-mixer-play").click()
    page.wait_for_function(
        "() => document.querySelector('.mssviz-mixer').parentElement.mssvizMixer.context?.state"
        " === 'running'"
    )
    page.evaluate(
        """() => {
            const mixer = document.querySelector(".mssviz-mixer").parentElement.mssvizMixer;
            window.quiet = 0;
            window.watching = setInterval(() => {
                if (mixer.peaks.at(-1) < 1e-4) window.quiet += 1;
            }, 20);
        }"""
    )
    page.wait_for_timeout(400)
    mixer = "document.querySelector('.mssviz-mixer').parentElement.mssvizMixer"
    before = page.evaluate(f"() => {{ window.quiet = 0; return {mixer}.position; }}")
    _press(page, "Exponent", "End")
    _wait(page)
    # from the beginning into the loop, from 3 to 9 s, and round it if the machine is slow
    page.wait_for_function(
        f"() => {mixer}.position + 6 * ({mixer}.position < {before}) > {before} + 0.7"
    )
    assert page.evaluate("() => window.quiet") == 0
    assert page.evaluate(f"() => {mixer}.context.state") == "running"
    assert page.evaluate(f"() => {mixer}.position") < 9.2


def test_scores_are_of_the_selection_and_lie_on_the_same_axis(open_notebook):
    page = open_notebook("explorer.ipynb")
    _separate(page)
    open_panel(page, "Scores")
    scores = page.locator(".mssviz-scoreview")
    expect(scores).to_be_visible(timeout=WORK_MS)
    whole = page.locator("table.mssviz-scores").inner_text()
    _drag(page, 0.2, 0.6, 0.5, keys=["Shift"])
    said = page.locator(".mssviz-panel-scores").get_by_text("Of the selection, 3.0 to 9.0 s")
    expect(said).to_be_visible(timeout=WORK_MS)
    assert page.locator("table.mssviz-scores").inner_text() != whole
    x, y, width, height = _area(page)
    page.mouse.move(x + width / 5, y + height / 2)  # beside the drawer
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")

    def zoomed_together():
        (start, *starts), (stop, *stops) = page.evaluate(
            """() => {
                const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram.model;
                const scores = document.querySelector(".mssviz-scoreview").mssvizScores.model;
                return ["start", "stop"].map((name) => [view.get(name), scores.get(name)]);
            }"""
        )
        assert stop - start < 14
        assert (starts, stops) == ([start], [stop])

    eventually(page, zoomed_together)
    _screenshot(page, "explorer-selection")


def test_two_models_are_compared_by_ear_picture_and_score(open_notebook, separation, example):
    page = open_notebook("explorer.ipynb")
    picker = page.get_by_role("combobox", name="Compare with")
    label = picker.locator("option", has_text="2stems-16kHz").inner_text(timeout=WORK_MS)
    _choose(page, "Compare with", label)
    _separate(page)
    other = mssviz.Separator("spleeter:2stems-16kHz", progress=False)
    expected = other.separate(example[0], 44100, progress=False).estimates["vocals"]
    strip = page.get_by_role("group", name="vocals", exact=True)
    _solo(page, "vocals")
    assert np.abs(heard(page, 2) - separation.estimates["vocals"][:88200]).max() < 1e-5
    strip.get_by_role("button", name="C: vocals (spleeter:2stems-16kHz)").click()
    assert np.abs(heard(page, 2) - expected[:88200]).max() < 1e-5
    table = page.locator("table.mssviz-scores")
    open_panel(page, "Scores")
    expect(table.get_by_text("vocals · spleeter:2stems-16kHz")).to_be_visible()
    _choose(page, "Show", "vocals: mask minus spleeter:2stems-16kHz", "Display")
    _wait(page)
    _screenshot(page, "explorer-two-models")


def test_masks_fill_in_while_the_network_runs(run_cell):
    code = """
import time, mssviz
explorer = mssviz.explore(duration=15)
separator = mssviz.Separator("spleeter:2stems", progress=False)
fill = separator.fill

def slowly(separation, progress):
    for frames in fill(separation, progress):
        yield frames
        while len(separation.mixture) > 44100:  # not when the network is tried on silence
            progress(1.0, 15.0, "separate")  # raises an error when it is cancelled
            time.sleep(0.05)

separator.fill = slowly
explorer.session.models["spleeter:2stems", ("vocals", "accompaniment")] = separator
explorer
"""
    page = run_cell(code)
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    page.wait_for_function(f"() => ({HUE_SHARES})()[0]", timeout=WORK_MS)
    assert page.evaluate(HUE_SHARES) == [True, False]
    _screenshot(page, "explorer-filling")
    page.get_by_role("button", name="Cancel").click()


def test_a_restarted_kernel_gives_a_working_explorer(open_notebook):
    page = open_notebook("explorer.ipynb")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    _separate(page)
    assert errors == []
    restart_and_run_all(page)
    expect(page.get_by_text("Choose a song and press")).to_be_visible(timeout=WORK_MS)
    # of what a kernel says while it ends, ipykernel can mix two messages, which the page rejects
    assert all("Kernel message validation error" in error for error in errors), errors
    errors.clear()
    _separate(page)
    assert np.abs(heard(page, 1)).max() > 0.01
    assert errors == []


def test_a_new_run_on_the_same_excerpt_keeps_what_is_looked_at_and_heard(run_cell):
    page = run_cell("import mssviz\nmssviz.explore(model='repet-sim', duration=6)")
    _separate(page)
    page.locator(".mssviz-tab", has_text="vocals").click()
    page.get_by_role("button", name="Solo accompaniment").click()
    page.get_by_role("button", name="Mute mixture").click()
    _drag(page, 0.25, 0.5, 0.5, ["Shift"])
    x, y, width, height = _area(page)
    page.mouse.move(x + width / 2, y + height / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    looks = """() => {
        const picture = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram.model;
        const names = ["start", "stop", "show", "selection"];
        const pressed = [...document.querySelectorAll(".mssviz-mixer button[aria-pressed=true]")];
        return [
            names.map((name) => picture.get(name)),
            pressed.map((button) => button.ariaLabel),
            document.querySelector(".mssviz-mixer-bar").innerText,
        ];
    }"""

    def zoomed():
        (start, stop, show, selection), pressed, _ = page.evaluate(looks)
        assert stop - start < 5.5
        assert show == "mask/vocals"
        assert selection is not None
        assert "Solo accompaniment" in pressed

    eventually(page, zoomed)
    before = page.evaluate(looks)
    _choose(page, "Compare with", re.compile("^mixture – "))
    page.get_by_role("button", name="Separate").click()
    expect(page.get_by_role("button", name="C: vocals (mixture)")).to_be_visible(timeout=WORK_MS)

    def kept():
        assert page.evaluate(looks) == before

    eventually(page, kept)
    _wait(page)
    kept()
    expect(page.locator(".mssviz-panel-scores").get_by_text("Of the selection")).to_be_attached()
    _screenshot(page, "explorer-kept")


def test_separate_takes_what_the_page_shows_even_if_the_kernel_has_yet_to_hear_of_it(run_cell):
    page = run_cell(SLOW_TO_HEAR)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    open_panel(page, "♪")
    song = page.get_by_role("combobox", name="Song")
    song.select_option(label=OWN)
    song.select_option(index=1)
    page.get_by_role("button", name="Separate").click()
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-menu button", has_text="♪")).to_contain_text("Lithium")
    assert page.locator(".mssviz-explorer").get_by_role("alert").count() == 0
