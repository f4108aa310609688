"""The explorer as one stage: what fits on a laptop, what stays in place, what opens beside it."""

import itertools

import pytest
from playwright.sync_api import expect

from tests.ui.lab import SETTLED, eventually, open_panel, screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
LAPTOPS = [(1366, 768), (1280, 720)]
TWO = """
import mssviz
explorer = mssviz.explore()
explorer
"""
#: A song with a true bass, as no example has one.
FOUR = """
import tempfile, numpy as np, mssviz
folder = tempfile.mkdtemp()
_, stems, _ = mssviz.examples()["francium"].excerpt(0, 6).sound()
stems["bass"] = 0.5 * np.roll(stems["drums"], 9000, axis=0)
for name, stem in stems.items():
    mssviz.write_audio(f"{folder}/{name}.flac", stem, 44100)
explorer = mssviz.explore(folder, model="teaching:4stems", compare="oracle:IRM1", duration=6)
explorer
"""
#: Parts of the stage that must not lie over each other.
PARTS = (
    *(".mssviz-menu button", ".mssviz-picker", ".mssviz-run > :first-child"),
    *(".mssviz-mixer-bar", ".mssviz-tabs", ".mssviz-tools", ".mssviz-strokes"),
    *(".mssviz-spectrogram .mssviz-stage", ".mssviz-mixer-strip"),
    *(".mssviz-mixer-foot", ".mssviz-notes", ".mssviz-mixer-sum"),
)
BOXES = """(parts) => parts.flatMap((part) =>
    [...document.querySelectorAll(part)].filter((e) => e.checkVisibility()).map((e) => {
        const { left, top, right, bottom } = e.getBoundingClientRect();
        return [part, left, top, right, bottom];
    })
)"""


def _boxes(page):
    return page.evaluate(BOXES, list(PARTS))


def _separate(page):
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    _settle(page)


def _settle(page):
    page.evaluate("() => document.querySelector('.mssviz-deck').scrollIntoView({block: 'end'})")
    page.wait_for_function(SETTLED, timeout=WORK_MS)


def _resize(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    # the page is laid out and painted anew within two frames
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    _settle(page)


@pytest.mark.parametrize(("code", "stems"), [(TWO, 2), (FOUR, 4)], ids=["2 stems", "4 stems"])
def test_all_fits_on_a_laptop_without_scrolling(run_cell, code, stems):
    page = run_cell(code, width=1366)
    _separate(page)
    for width, height in LAPTOPS:
        _resize(page, width, height)

        def fits():
            deck = page.locator(".mssviz-deck").bounding_box()
            room = page.locator(".jp-WindowedPanel-outer").bounding_box()
            assert deck["height"] <= room["height"]
            picture = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
            assert picture["height"] >= 260
            lanes = page.locator(".mssviz-mixer-strip")
            assert lanes.count() == stems + 1
            assert {lane.bounding_box()["height"] for lane in lanes.all()} == {38}
            for name in ("row", "mixer-bar", "strokes"):
                assert page.locator(f".mssviz-{name}").bounding_box()["height"] == 30

        eventually(page, fits)
        for (one, *a), (other, *b) in itertools.combinations(_boxes(page), 2):
            apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
            assert apart, f"{one} {a} lies over {other} {b} at {width} x {height}"
        wide = page.evaluate(
            """() => [...document.querySelectorAll(".mssviz-explorer, .mssviz-explorer *")]
                .filter((e) => /auto|scroll/.test(getComputedStyle(e).overflow))
                .filter((e) => e.checkVisibility() && e.clientWidth && e.clientHeight)
                .filter((e) => e.scrollHeight > e.clientHeight + 1)
                .map((e) => e.className)"""
        )
        assert not wide
        screenshot(page, f"stage-{stems}-{width}")


def test_lanes_lie_on_the_pictures_time_axis(run_cell):
    page = run_cell(TWO, width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    picture = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    left, right = picture["x"] + 54, picture["x"] + picture["width"] - 8
    for lane in page.locator(".mssviz-mixer-strips .mssviz-mixer-lane").all():
        box = lane.bounding_box()
        assert box["x"] == pytest.approx(left, abs=1)
        assert box["x"] + box["width"] == pytest.approx(right, abs=1)
    expect(page.locator(".mssviz-mixer-ruler")).to_be_hidden()
    page.mouse.move((left + right) / 2, picture["y"] + 100)
    page.mouse.click((left + right) / 2, picture["y"] + 100)
    page.mouse.wheel(0, -200)

    def together():
        edges = page.evaluate(
            """() => {
                const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
                const mixer = document.querySelector(".mssviz-mixer-view").mssvizMixer;
                return [[view.plot.axes.start, view.plot.axes.stop], mixer.span];
            }"""
        )
        assert edges[0] == edges[1]
        assert edges[0][1] - edges[0][0] < 14

    eventually(page, together)
    playhead = page.locator(".mssviz-mixer-strips .mssviz-mixer-playhead").first.bounding_box()
    assert playhead["x"] == pytest.approx((left + right) / 2, abs=3)


def test_nothing_moves_when_work_ends(run_cell):
    page = run_cell(TWO, width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    before = _boxes(page)
    page.evaluate(
        """() => {
            const button = document.querySelector(".mssviz-run button");
            window.labels = new Set();
            new MutationObserver(() => window.labels.add(button.textContent)).observe(
                button, { childList: true, subtree: true, characterData: true });
        }"""
    )
    page.get_by_role("button", name="Separate").click()
    button = "document.querySelector('.mssviz-run button')"
    page.wait_for_function(f"() => window.labels.size > 1 && !{button}.disabled")
    _settle(page)
    assert _boxes(page) == before


def test_the_drawer_stands_beside_over_or_below_the_picture(run_cell):
    page = run_cell(TWO, width=2000)
    _separate(page)
    for width, height in ((2000, 1100), (1366, 768), (800, 900)):
        _resize(page, width, height)
        for name in ("Mask", "Brush", "Display", "Scores"):
            open_panel(page, name)
            panel = page.locator(
                ".mssviz-panel-mask, .mssviz-brush, .mssviz-display, .mssviz-panel-scores"
            ).locator("visible=true")
            expect(panel).to_have_count(1)
            box, deck = panel.bounding_box(), page.locator(".mssviz-deck").bounding_box()
            assert box["y"] + box["height"] <= deck["y"] + deck["height"] + 1
            picture = page.locator(".mssviz-spectrogram .mssviz-stage").bounding_box()
            if width == 2000:
                assert box["x"] >= picture["x"] + picture["width"]
            elif width == 800:
                assert box["width"] == pytest.approx(deck["width"], abs=2)
        page.locator(".mssviz-menu button", has_text="Scores").click()
        expect(page.locator(".mssviz-panel-scores")).to_be_hidden()
        _settle(page)
        screenshot(page, f"stage-{width}")


def test_a_popover_closes_with_escape_and_gives_the_focus_back(run_cell):
    page = run_cell(TWO)
    open_panel(page, "♪")
    expect(page.get_by_role("combobox", name="Song")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Song")).to_be_hidden()
    expect(page.locator(".mssviz-menu button", has_text="♪")).to_be_focused()


def test_colours_of_a_layer_have_a_bar(run_cell):
    page = run_cell(TWO, width=1366)
    _separate(page)
    bar = page.locator(".mssviz-colorbar")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="vocals", exact=True).click()
    expect(bar).to_contain_text("mask: share of the mixture")
    kinds = page.get_by_role("combobox", name="What is shown of the stem")
    kinds.select_option(label="minus ideal ratio mask")
    expect(bar).to_contain_text("difference of masks")
    page.get_by_role("button", name="accompaniment", exact=True).click()
    shown = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.model.get('show')"
    assert page.evaluate(shown) == "difference/accompaniment/ideal ratio mask"
    page.get_by_role("button", name="Mixture", exact=True).click()
    expect(bar).to_contain_text("−80 dB")
    screenshot(page.locator(".mssviz-explorer"), "stage-colorbar")


def test_the_picture_of_the_readme(run_cell):
    page = run_cell(TWO, width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    screenshot(page.locator(".mssviz-deck"), "explorer")


def test_dark(run_cell):
    page = run_cell(FOUR, width=1366, dark=True)
    _separate(page)
    _resize(page, 1366, 768)
    open_panel(page, "Display")
    screenshot(page, "stage-dark")


@pytest.mark.parametrize("layout", ["lecture", "compact"])
def test_layouts(run_cell, layout):
    page = run_cell(TWO.replace("explore()", f"explore(layout={layout!r})"), width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    caption = page.locator(".mssviz-mixer-caption").nth(1)
    size = caption.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert (size >= 16) == (layout == "lecture")
    expect(page.locator(".mssviz-tools")).to_be_visible(visible=layout == "compact")
    screenshot(page, f"stage-{layout}")
