"""One table of keys for the whole explorer: the same wherever the focus is, and told by a card."""

import pytest
from playwright.sync_api import expect

from tests.ui.lab import eventually, screenshot, show_theme

pytestmark = pytest.mark.ui

WORK_MS = 60_000
#: An explorer with a result, made by the cell itself.
EXPLORER = """
import mssviz
explorer = mssviz.explore(duration=4, model="oracle:IRM1")
separation = explorer.separate()
explorer
"""
MIXERS = """
import ipywidgets as w, numpy as np, mssviz
noise = np.random.default_rng(0).normal(0, 0.05, (5 * 44100, 2)).astype(np.float32)
w.VBox([mssviz.Mixer({"a": noise, "b": noise}, 44100) for _ in range(2)])
"""
#: WCAG's contrast of a control's text and ground, both as they are computed.
CONTRAST = """(element) => {
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const solid = (color) => (parts(color)[3] ?? 1) > 0;
    let ground = element;
    while (!solid(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
    const luminance = (color) => {
        const [r, g, b] = parts(color).slice(0, 3).map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const styles = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
    const [darker, lighter] = styles.map(luminance).sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
}"""
LEAST_CONTRAST = 4.5


@pytest.fixture
def explorer(run_cell):
    def open_(**options):
        page = run_cell(EXPLORER, **options)
        page.wait_for_function(
            "() => document.querySelector('.mssviz-mixer')?.parentElement.mssvizMixer?.ready",
            timeout=WORK_MS,
        )
        expect(page.locator(".mssviz-scoreview")).to_be_attached(timeout=WORK_MS)
        return page, page.locator(".mssviz-explorer")

    return open_


def _mixers(page):
    """Whether each mixer sounds, and its playhead in seconds."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".mssviz-mixer")].map((root) => {
            const mixer = root.parentElement.mssvizMixer;
            const { state } = mixer.context ?? {};
            const playing = root.querySelector(".mssviz-mixer-play").title.startsWith("Pause");
            return [playing, mixer.position, state];
        })"""
    )


def _expect_playing(page, *wanted):
    def check():
        assert [playing for playing, *_ in _mixers(page)] == list(wanted)

    eventually(page, check)


def _expect_time(page, seconds):
    def check():
        assert _mixers(page)[0][1] == pytest.approx(seconds, abs=0.05)

    eventually(page, check)


def test_keys_do_the_same_wherever_the_focus_is(explorer):
    page, root = explorer()
    lane = root.get_by_role("group", name="accompaniment", exact=True)
    solo = lane.get_by_role("button", name="Solo")
    number = lane.locator(".mssviz-mixer-number").inner_text()
    places = {
        "picture": root.locator(".mssviz-spectrogram .mssviz-picture"),
        "lane": root.get_by_role("group", name="vocals", exact=True),
        "button": root.get_by_role("button", name="Mute vocals"),
        "separate": root.get_by_role("button", name="Separate"),
        "slider": root.get_by_role("slider", name="Level of vocals"),
    }
    for name, place in places.items():
        place.focus()
        page.keyboard.press(number)
        expect(solo, name).to_have_attribute("aria-pressed", "true")
        page.keyboard.press(number)
        expect(solo, name).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("l")
        drop = root.get_by_role("button", name="Drop the selection")
        expect(drop, name).to_be_visible()
        page.keyboard.press("Escape")
        expect(drop, name).to_be_hidden()
        if name not in ("button", "separate"):  # they take it for a press
            page.keyboard.press("Space")
            _expect_playing(page, True)
            page.keyboard.press("Space")
            _expect_playing(page, False)
        if name != "slider":  # it moves by them
            page.keyboard.press("Home")
            _expect_time(page, 0)
            page.keyboard.press("ArrowRight")
            _expect_time(page, 1)
            page.keyboard.press("End")
            _expect_time(page, 4)
        expect(place, name).to_be_focused()
    # the lane that was chosen last is meant, wherever the focus is now
    places["picture"].focus()
    page.keyboard.press("m")
    expect(root.get_by_role("button", name="Mute vocals")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(lane).to_be_focused()
    page.keyboard.press("s")
    expect(solo).to_have_attribute("aria-pressed", "true")
    # in a field, letters and digits are text
    path = page.locator(".mssviz-explorer input[type=text]").first
    if path.is_visible():
        path.press("2")
        expect(solo).to_have_attribute("aria-pressed", "true")


def test_the_card_of_keys_opens_closes_and_gives_the_focus_back(explorer):
    page, root = explorer()
    card = page.get_by_role("dialog", name="Keys and gestures")
    picture = root.locator(".mssviz-spectrogram .mssviz-picture")
    picture.focus()
    page.keyboard.press("?")
    expect(card).to_be_visible()
    expect(card).to_contain_text("solo the lane with that number")
    expect(card).to_contain_text("pins the bin under the pointer")
    for size in ({"width": 1366, "height": 768}, {"width": 1280, "height": 720}):
        page.set_viewport_size(size)
        heights = card.evaluate("(card) => [card.scrollHeight, card.clientHeight]")
        assert heights[0] <= heights[1] + 1, size
    screenshot(page, "keys")
    # the notebook's keys are kept from it here, too
    for key in ("m", "b", "x", "a", "d", "d", "0", "0", "z"):
        page.keyboard.press(key)
    cells = page.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == 1
    assert "jp-CodeCell" in cells.first.get_attribute("class")
    assert page.locator(".jp-Dialog").count() == 0
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(picture).to_be_focused()
    root.get_by_role("button", name="Help").click()
    expect(card).to_be_visible()
    card.get_by_role("button", name="Close").click()
    expect(card).to_have_count(0)


def test_undo_and_redo_tell_the_truth_by_key_and_button(explorer):
    page, root = explorer()
    undo, redo = (root.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    expect(redo).to_be_disabled()
    picture = root.locator(".mssviz-spectrogram .mssviz-picture")
    picture.press("Control+z")  # nothing to take back: nothing happens
    picture.press("t")
    while page.evaluate(
        "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.brush.tool"
    ) in ("look", "select"):
        page.keyboard.press("t")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(undo).to_be_enabled(timeout=WORK_MS)
    page.keyboard.press("Control+z")
    expect(redo).to_be_enabled(timeout=WORK_MS)
    expect(undo).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    expect(undo).to_be_enabled(timeout=WORK_MS)
    expect(redo).to_be_disabled()
    assert page.locator(".jp-Notebook .jp-Cell").count() == 1
    root.get_by_role("button", name="Separate").click()
    expect(undo).to_be_disabled(timeout=WORK_MS)
    expect(root.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    expect(undo).to_be_disabled()
    expect(redo).to_be_disabled()


def test_one_mixer_of_a_page_plays_at_a_time(run_cell):
    page = run_cell(MIXERS)
    page.wait_for_function(
        """() => [...document.querySelectorAll(".mssviz-mixer")]
            .filter((m) => m.parentElement.mssvizMixer?.ready).length === 2""",
        timeout=WORK_MS,
    )
    first, second = page.locator(".mssviz-mixer").all()
    first.get_by_role("button", name="Play", exact=True).click()
    _expect_playing(page, True, False)
    second.press("Space")
    _expect_playing(page, False, True)
    first.press("Space")
    _expect_playing(page, True, False)
    first.press("Space")
    _expect_playing(page, False, False)


def test_pressed_buttons_stay_readable_under_the_pointer(explorer):
    page, root = explorer()
    for name in ("Mute vocals", "Solo accompaniment"):
        root.get_by_role("button", name=name).click()
    root.locator(".mssviz-spectrogram .mssviz-picture").press("l")
    pressed = root.locator("button[aria-pressed=true]:visible")
    eventually(page, lambda: _at_least(pressed.count(), 5))
    for theme in ("Light", "Dark"):
        show_theme(page, theme)
        for button in pressed.all():
            button.hover()
            page.wait_for_timeout(250)  # of JupyterLab's fade
            name = button.get_attribute("aria-label") or button.inner_text()
            assert button.evaluate(CONTRAST) >= LEAST_CONTRAST, name
        screenshot(root, f"pressed-{theme.lower()}")


def _at_least(count, least):
    assert count >= least
