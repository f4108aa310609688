"""The spectrogram view in a real browser: what it shows and reads is what the arrays hold."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from mssviz import datasets
from mssviz.stft import stft
from tests.ui.lab import SETTLED, arrays, choose, eventually, plot_area, screenshot

pytestmark = pytest.mark.ui

CODE = """
import numpy as np
from mssviz import masks
from mssviz.stft import StftParams
from mssviz.widgets.spectrogram import SpectrogramView

params = StftParams()
kept = np.load("separated.npz")
found = {name: kept[f"{name} mask"] for name in ("vocals", "accompaniment")}
true = {name: kept[name] for name in found}
view = SpectrogramView(
    kept["mixture"], params, found,
    references=true, compare={"ideal": masks.ideal_ratio_masks(true)}, offset=0.0,
)
view
"""


@pytest.fixture(scope="module")
def separated(lab_folder, separation, example):
    """What the real network made of the example, where kernels find it."""
    true = datasets.to_targets(example[1], tuple(separation.masks))
    kept = {name: stft(waveform, separation.preset.stft) for name, waveform in true.items()}
    kept |= {f"{name} mask": np.asarray(mask) for name, mask in separation.masks.items()}
    np.savez(lab_folder / "separated.npz", mixture=np.asarray(separation.mixture_stft), **kept)


@pytest.fixture
def open_view(run_cell, separated):
    def open_(code=CODE, **options):
        page = run_cell(code, **options)
        view = page.locator(".mssviz-spectrogram")
        view.wait_for(timeout=60_000)
        _settle(page)
        return page, view

    return open_


def _settle(page):
    """Wait until every tile that the picture asked for has arrived."""
    page.wait_for_function(SETTLED, timeout=30_000)


def _picture(view):
    """Box of the picture within its axes, in CSS pixels."""
    return plot_area(view.locator(".mssviz-picture"))


def _pixels(page):
    """The picture's pixels, (height, width, 4)."""
    view = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram"
    (data,) = arrays(page, f"() => [{view}.painter.pixels.data]")
    return data.reshape(page.evaluate(f"() => {view}.painter.pixels.height"), -1, 4)


INK = """(canvas) => {
    // between two themes, JupyterLab's page has none for an instant, and no room for a picture
    if (!canvas.clientWidth) return null;
    // the lightest pixel that is opaque enough to belong to a letter, left of the picture
    const ratio = canvas.width / canvas.clientWidth;
    const { data } = canvas.getContext("2d").getImageData(0, 0, 44 * ratio, canvas.height);
    let lightest = 0;
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 128) lightest = Math.max(lightest, data[i]);
    }
    return lightest;
}"""


def test_axes_follow_a_theme_that_is_chosen_while_the_picture_is_shown(open_view):
    page, view = open_view()
    picture = view.locator(".mssviz-picture")
    assert picture.evaluate(INK) < 128
    choose(page, "Settings", "Theme", "JupyterLab Dark")
    eventually(page, lambda: _is_light(picture.evaluate(INK)))


def _is_light(value):
    assert value is not None
    assert value > 128


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_shows_masks_as_hues(open_view, theme):
    page, view = open_view(dark=theme == "dark", width=1100)
    pixels = _pixels(page).astype(int)
    orange = (pixels[:, :, 0] > pixels[:, :, 2] + 60).sum()
    blue = (pixels[:, :, 2] > pixels[:, :, 0] + 60).sum()
    assert orange > 0.01 * pixels[:, :, 0].size
    assert blue > 0.01 * pixels[:, :, 0].size
    x, y, width, height = _picture(view)
    page.keyboard.down("Alt")
    page.mouse.click(x + width / 4, y + height / 2)
    page.keyboard.up("Alt")
    expect(view.locator(".mssviz-readout table")).to_be_visible()
    expect(view.locator(".mssviz-slices")).to_be_visible()
    page.wait_for_timeout(500)
    screenshot(view, f"spectrogram-{theme}")


def test_reads_exact_values(open_view, separation):
    page, view = open_view()
    x, y, width, height = _picture(view)
    page.mouse.move(x + 0.3 * width, y + 0.6 * height)
    expect(view.locator(".mssviz-readout table")).to_be_visible()
    page.wait_for_timeout(300)
    reading = page.evaluate(
        "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
    )
    frame, index = reading["frame"], reading["bin"]
    mixture = separation.mixture_stft[frame, index]
    level_db = 20 * np.log10(np.abs(mixture).mean() / 1024)
    assert reading["level_db"] == pytest.approx(level_db, abs=1e-4)
    for name, stem in reading["stems"].items():
        mask = separation.masks[name][frame, index]
        assert stem["mask"] == pytest.approx(mask.mean(), abs=1e-6)
        assert stem["phase"] == pytest.approx(np.angle(mixture[0]), abs=1e-5)
    seconds = 0.3 * len(separation.mixture) / 44100
    assert reading["time"] == pytest.approx(seconds, abs=0.05)
    shown = view.locator(".mssviz-readout").inner_text()
    assert f"{reading['stems']['vocals']['mask']:.4f}" in shown


def test_what_is_pinned_is_of_the_channels_and_the_time_in_view(open_view, separation):
    page, view = open_view()
    x, y, width, height = _picture(view)
    _click(page, x + 0.3 * width, y + 0.6 * height, "Alt")
    page.mouse.move(0, 0)
    look = """() => {
        const { readout, slices } = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
        const { reading } = readout;
        const found = slices.found && [slices.found.start, slices.found.stop];
        return reading && found && [reading.frame, reading.bin, reading.level_db, ...found];
    }"""
    page.wait_for_function(look)
    view.get_by_label("Channels").select_option("side")

    def is_of_the_sides():
        frame, index, level_db, *_ = page.evaluate(look)
        left, right = separation.mixture_stft[frame, index]
        side_db = 20 * np.log10(np.abs(left - right) / 2 / 1024)
        assert level_db == pytest.approx(side_db, abs=1e-4)

    eventually(page, is_of_the_sides)
    view.evaluate("(el) => el.mssvizSpectrogram.widget.save({ start: 4, stop: 6 })")
    eventually(page, lambda: _near(page.evaluate(look)[3:], [4, 6]))


def _near(found, expected):
    assert found == pytest.approx(expected, abs=0.05)


def test_mask_picture_equals_the_mask(open_view, separation):
    page, view = open_view()
    view.get_by_role("combobox", name="Show").select_option("mask/vocals")
    view.get_by_role("combobox", name="Frequency").select_option("linear")
    _settle(page)
    page.wait_for_timeout(300)
    _settle(page)
    pixels = _pixels(page)
    mask = separation.masks["vocals"][:].mean(axis=2)
    # cividis runs from dark blue to yellow: red grows with the mask
    red = pixels[:, :, 0].astype(float)
    rows = np.linspace(red.shape[0] - 1, 0, 60).astype(int)
    bins = np.clip((1 - (rows + 0.5) / red.shape[0]) * 2049, 0, 2048).astype(int)
    columns = np.linspace(0, red.shape[1] - 1, 80).astype(int)
    seconds = (columns + 0.5) / red.shape[1] * len(separation.mixture) / 44100
    frames = np.clip(np.rint((seconds * 44100 + 2048) / 1024), 0, len(mask) - 1).astype(int)
    expected = mask[frames][:, bins].T
    found = red[rows][:, columns]
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def test_zooms_pans_shows_all_and_obeys_keys(open_view):
    page, view = open_view()
    x, y, width, height = _picture(view)

    def span():
        return page.evaluate(
            """() => { const v = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
                       const { start, stop, low, high } = v.plot.axes;
                       return [start, stop, low, high]; }"""
        )

    before = span()
    page.evaluate("() => { window.turns = 0; addEventListener('wheel', () => window.turns++); }")
    page.mouse.move(x + width / 2, y + height / 2)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function("() => window.turns === 6")  # the browser handles them when it can
    page.wait_for_timeout(500)  # until the kernel has answered, too
    _settle(page)
    zoomed = span()
    assert zoomed[1] - zoomed[0] < 0.5 * (before[1] - before[0])
    assert (zoomed[0] + zoomed[1]) / 2 == pytest.approx((before[0] + before[1]) / 2, abs=0.2)
    page.mouse.down()
    page.mouse.move(x + width / 2 - 200, y + height / 2, steps=4)
    page.mouse.up()

    def later():
        assert span()[0] > zoomed[0]

    eventually(page, later)
    page.keyboard.press("Shift+PageUp")

    def lower():
        assert span()[3] < before[3]

    eventually(page, lower)
    page.keyboard.press("0")

    def whole():
        assert span()[:2] == pytest.approx(before[:2])

    eventually(page, whole)
    _settle(page)
    slider = view.get_by_role("slider", name="Gamma")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("1.2")


#: Shows in a label what the view's traits are.
TELL = """
import ipywidgets as w, json
label = w.Label()
names = ["time", "selection", "pinned", "tool", "start", "stop"]
def tell(_=None):
    label.value = json.dumps({name: getattr(view, name) for name in names})
view.observe(tell, names)
tell()
w.VBox([view, label])
"""


def _expect_state(page, check):
    """Wait until the kernel's traits pass a check; returns them."""
    found = {}

    def passes():
        found.update(json.loads(page.locator(".widget-label").last.inner_text()))
        assert check(found), found

    eventually(page, passes)
    return found


def _click(page, x, y, *modifiers):
    for key in modifiers:
        page.keyboard.down(key)
    page.mouse.click(x, y)
    for key in modifiers:
        page.keyboard.up(key)


def test_a_click_moves_the_playhead_and_nothing_else(open_view):
    page, view = open_view(CODE + TELL)
    x, y, width, height = _picture(view)
    view.evaluate("(el) => el.mssvizSpectrogram.widget.save({ selection: [3, 6] })")
    drop = view.get_by_role("button", name="Drop the selection, 3.00 to 6.00 s")
    expect(drop).to_be_visible()
    _click(page, x + 0.8 * width, y + height / 2, "Alt")
    pinned = _expect_state(page, lambda s: s["pinned"])["pinned"]
    assert pinned[0] == pytest.approx(12, abs=0.1)
    left, top, width, height = _picture(view)
    _click(page, left + 0.2 * width, top + 0.3 * height)
    state = _expect_state(page, lambda s: s["time"] > 2)
    assert state["time"] == pytest.approx(0.2 * 15, abs=0.3)
    assert (state["selection"], state["pinned"]) == ([3, 6], pinned)
    page.wait_for_timeout(300)
    screenshot(view, "spectrogram-marks")
    drop.click()
    _expect_state(page, lambda s: s["selection"] is None)
    expect(drop).to_be_hidden()
    view.get_by_role("button", name=re.compile("^Unpin 1[12]")).click()
    state = _expect_state(page, lambda s: s["pinned"] is None)
    assert state["time"] == pytest.approx(0.2 * 15, abs=0.3)
    # the key pins what is under the pointer, and Escape drops one thing after the other
    left, top, width, height = _picture(view)
    page.mouse.move(left + 0.5 * width, top + 0.5 * height)
    page.keyboard.press("p")
    pinned = _expect_state(page, lambda s: s["pinned"])["pinned"]
    assert pinned[0] == pytest.approx(7.5, abs=0.1)
    view.evaluate("(el) => el.mssvizSpectrogram.widget.save({ selection: [3, 6], tool: 'erase' })")
    _expect_state(page, lambda s: s["tool"] == "erase")
    for trait, left in (("tool", "look"), ("pinned", None), ("selection", None)):
        view.locator(".mssviz-picture").press("Escape")
        _expect_state(page, lambda s, t=trait, v=left: s[t] == v)


def test_the_wheel_scrolls_the_page_until_the_picture_has_the_focus(open_view):
    code = CODE + TELL.replace("[view, label]", "[view, label, w.Box(layout={'height': '3000px'})]")
    page, view = open_view(code)
    x, y, width, height = _picture(view)
    before = _expect_state(page, lambda s: s["stop"] > 14)
    page.mouse.move(x + width / 2, y + height / 2)
    page.mouse.wheel(0, 100)

    def scrolled():
        assert view.bounding_box()["y"] < y - 50

    eventually(page, scrolled)
    page.mouse.wheel(0, -500)

    def back():
        assert _picture(view)[1] == y

    eventually(page, back)
    assert _expect_state(page, lambda s: s["stop"] == before["stop"])["start"] == before["start"]
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    zoomed = _expect_state(page, lambda s: s["stop"] - s["start"] < 14)
    page.mouse.click(x + width / 2, y + height / 2)
    page.mouse.wheel(0, -100)
    _expect_state(page, lambda s: s["stop"] - s["start"] < 0.9 * (zoomed["stop"] - zoomed["start"]))
    assert _picture(view)[1] == y


def test_selection_and_playhead_reach_python(open_view):
    page, view = open_view(CODE + TELL)
    x, y, width, height = _picture(view)
    page.keyboard.down("Shift")
    page.mouse.move(x + 0.2 * width, y + height / 2)
    page.mouse.down()
    page.mouse.move(x + 0.4 * width, y + height / 2, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    _expect_state(page, lambda state: state["selection"] == pytest.approx([3.0, 6.0], abs=0.2))
    view.locator(".mssviz-picture").focus()
    for moment, edge in ((4, "["), (5, "]")):
        page.keyboard.press("Home")
        for _ in range(moment):
            page.keyboard.press("ArrowRight")
        page.keyboard.press(edge)
    _expect_state(page, lambda state: state["selection"] == pytest.approx([4.0, 5.0]))
    screenshot(view, "spectrogram-selected-by-keys")


PAINTED = CODE + (
    "\nfrom mssviz.separation.editing import MaskEditor\n"
    "editor = MaskEditor(found, params)\n"
    "import ipywidgets as w, json\nlabel = w.Label()\n"
    "def painted(stroke):\n"
    "    frames = editor.apply(stroke)\n"
    "    view.set_masks(editor.masks, frames)\n"
    "    s, f = stroke.points[0]\n"
    "    label.value = json.dumps([stroke.tool, stroke.target, s, f, frames.start])\n"
    "view.on_stroke(painted)\nview.show = 'mask/vocals'\nw.VBox([view, label])"
)


def test_the_brush_can_be_led_by_keys(open_view):
    page, view = open_view(PAINTED)
    before = _pixels(page).astype(int)
    picture = view.locator(".mssviz-picture")
    said = view.locator(".mssviz-read-out")
    picture.press("t")
    expect(said).to_contain_text("select. [ and ] begin and end the selection")
    page.keyboard.press("t")
    expect(said).to_contain_text("paint. Arrows move a box")
    page.keyboard.press("t")
    expect(picture).to_be_focused()
    expect(said).to_contain_text("erase. Arrows move a box")
    page.keyboard.press("ArrowRight")  # shows it
    expect(said).to_contain_text("0.00 to 1.50 s")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("3.00 to 4.49 s")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
    expect(said).to_contain_text("2.25 to 5.24 s")
    page.wait_for_timeout(200)
    screenshot(view, "spectrogram-box")
    page.keyboard.press("Enter")
    label = page.locator(".widget-label").last
    expect(label).to_have_text(re.compile("lasso"), timeout=5000)
    expect(said).to_contain_text("erase on vocals: 2.25 to 5.24 s")
    assert json.loads(label.inner_text())[2] == pytest.approx(2.25, abs=0.01)
    rows = slice(int(0.42 * before.shape[0]), int(0.58 * before.shape[0]))
    columns = slice(int(0.17 * before.shape[1]), int(0.33 * before.shape[1]))
    assert before[rows, columns, 0].max() > 100

    def erased():
        after = _pixels(page).astype(int)
        assert after[rows, columns, 0].max() < 30
        left = slice(0, int(0.14 * before.shape[1]))
        assert (after[rows, left] == before[rows, left]).all()

    eventually(page, erased)
    page.keyboard.press("Escape")
    assert view.evaluate("(el) => el.mssvizSpectrogram.brush.box") is None
    page.keyboard.press("Escape")
    assert view.evaluate("(el) => el.mssvizSpectrogram.brush.tool") == "look"


def test_brush_stroke_arrives_in_seconds_and_hertz(open_view):
    page, view = open_view(PAINTED)
    page.wait_for_timeout(500)
    _settle(page)
    before = _pixels(page).astype(int)
    view.get_by_role("button", name="erase").click()
    x, y, width, height = _picture(view)
    page.mouse.move(x + 0.25 * width, y + 0.5 * height)
    page.mouse.down()
    page.mouse.move(x + 0.5 * width, y + 0.5 * height, steps=12)
    page.mouse.up()
    label = page.locator(".widget-label").last
    expect(label).to_have_text(re.compile("erase"), timeout=5000)
    tool, target, seconds, _, _ = json.loads(label.inner_text())
    assert (tool, target) == ("erase", "vocals")
    assert seconds == pytest.approx(0.25 * 15, abs=0.1)
    row = before.shape[0] // 2
    half = slice(int(0.27 * before.shape[1]), int(0.48 * before.shape[1]))
    assert before[row, half, 0].max() > 100

    def erased():
        assert _pixels(page)[row, half, 0].max() < 30  # cividis at 0

    eventually(page, erased)


def test_closing_leaves_nothing_and_a_late_view_recovers(open_view):
    page, _ = open_view()
    left = page.evaluate(
        """async () => {
            const old = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
            const open = (el) => new old.constructor(new old.widget.constructor(old.model, el));
            let made;
            for (let i = 0; i < 20; i++) {
                const el = document.createElement("div");
                el.style.width = "600px";
                document.body.append(el);
                made = open(el);
                await new Promise((resolve) => setTimeout(resolve, 30));
                made.widget.close();
                el.remove();
            }
            const el = document.createElement("div");
            el.style.width = "600px";
            document.body.append(el);
            const late = open(el);
            await new Promise((resolve) => setTimeout(resolve, 1500));
            const result = [
                made.tiles.cache.bytes, late.tiles.cache.tiles.size, late.tiles.waiting.size
            ];
            late.widget.close();
            el.remove();
            return result;
        }"""
    )
    assert left[0] == 0
    assert left[1] > 0
    assert left[2] == 0
