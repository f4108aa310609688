"""The pages by WCAG 2.2: what axe-core finds (nothing), forced colours, and where the focus is."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.lab import SETTLED, forced_colours, open_panel, screenshot, show_theme

pytestmark = pytest.mark.ui

WORK_MS = 60_000
EXPLORER = """
import mssviz
explorer = mssviz.explore(duration=2)
explorer.separate()
explorer
"""
SAVED = """
import mssviz
explorer = mssviz.explore(duration=2)
explorer.separate()
explorer.save_html("a11y.html")
"""
#: The listening test, by both methods; the training view with curves; and a network.
OTHERS = """
import ipywidgets as w, numpy as np, pandas as pd
import mssviz
from mssviz.widgets import training_view
noise = np.random.default_rng(0).normal(0, 0.05, (22050, 2)).astype(np.float32)
trials = {"t": {"a": noise, "b": noise / 2}}
view = mssviz.TrainingView(mssviz.examples()["francium"].excerpt(0, 2))
history = pd.DataFrame({"step": [1, 2], "loss": [2, 1], "validation_loss": [2.0, 1.5]})
sdr = {"vocals": [1.0, 2.0], "accompaniment": [3.0, 4.0]}
picture = training_view._curves(history, sdr)
view._curves.value = training_view._img(picture, training_view._in_words(history, sdr))
surgery = mssviz.insight.Surgery(mssviz.Separator("spleeter:2stems", progress=False))
w.VBox([
    mssviz.ListeningTest(trials, 44100, references={"t": noise}),
    mssviz.ListeningTest(trials, 44100, references={"t": noise}, method="ab"),
    view,
    mssviz.NetworkView(surgery),
])
"""


def test_listening_tests_training_and_network(run_cell, axe):
    page = run_cell(OTHERS)
    expect(page.locator(".mssviz-lt")).to_have_count(2, timeout=WORK_MS)
    expect(page.locator(".mssviz-box img")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-picture")).to_be_visible(timeout=WORK_MS)
    page.locator(".mssviz-network-site").first.click(timeout=WORK_MS)
    assert page.get_by_role("toolbar", name="Brush").count() == 0
    screenshot(page.locator(".mssviz-box"), "training-view")
    for theme in ("Light", "Dark"):
        show_theme(page, theme)
        assert not (found := axe(page, ".jp-OutputArea-output")), "\n".join([theme, *found])


def test_a_saved_page(run_cell, browser, axe, lab_folder):
    page = run_cell(SAVED)
    expect(page.locator(".jp-OutputArea-output", has_text="a11y.html")).to_be_visible(
        timeout=WORK_MS
    )
    saved = browser.new_context().new_page()
    saved.goto((lab_folder / "a11y.html").as_uri())
    expect(saved.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible(timeout=WORK_MS)
    for scheme in ("light", "dark"):
        saved.emulate_media(color_scheme=scheme)
        for width, height in ((1280, 900), (390, 844)):
            saved.set_viewport_size({"width": width, "height": height})
            for panel in ("Display", "Scores"):
                open_panel(saved, panel)
                assert not (found := axe(saved, "body")), "\n".join([scheme, panel, *found])
    saved.context.close()


# --- colours that people force ----------------------------------------------------------------

#: Ground, and ring of the focus, of the elements that a selector names.
LOOKS = """(elements) => elements.filter((e) => e.checkVisibility()).map((e) => {
    const { backgroundColor, outlineStyle, outlineWidth } = getComputedStyle(e);
    return [backgroundColor, outlineStyle, outlineWidth];
})"""


def test_forced_colours_keep_what_is_pressed_focused_and_painted(run_cell):
    page = run_cell(EXPLORER)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    page.set_viewport_size({"width": 1280, "height": 720})
    open_panel(page, "Mask")
    page.get_by_role("button", name="Solo vocals").click()
    for scheme in ("light", "dark"):
        with forced_colours(page, scheme):
            _assert_kept(page)
            screenshot(page, f"forced-colours-{scheme}")
    assert not page.evaluate("matchMedia('(forced-colors: active)').matches")


def _assert_kept(page):
    for where in (".mssviz-tabs", ".mssviz-tools", ".mssviz-mixer-buttons", ".mssviz-drawers"):
        state = "aria-expanded" if where == ".mssviz-drawers" else "aria-pressed"
        on, off = (
            page.locator(f"{where} button[{state}={value}]").evaluate_all(LOOKS)
            for value in ("true", "false")
        )
        assert on
        assert off
        assert not {ground for ground, *_ in on} & {ground for ground, *_ in off}, where
    focused = (".mssviz-run button", ".mssviz-picker", ".mssviz-tab", ".mssviz-mixer-mute")
    for where in (*focused, ".mssviz-mixer-fader", ".mssviz-menu button", ".mssviz-picture"):
        element = page.locator(where).first
        page.keyboard.press("Shift")  # so that the ring is shown
        element.focus()
        ((_, style, width),) = page.locator(where).evaluate_all(LOOKS)[:1]
        assert style != "none", where
        assert float(width.removesuffix("px")) >= 1, where
    kept = """(elements, [part, name]) => elements.map((e) => [
        getComputedStyle(e, part)[name], getComputedStyle(e).getPropertyValue("--key")
    ])"""
    for shown, wanted in page.locator(".mssviz-tab .mssviz-key").evaluate_all(
        kept, ["::before", "backgroundColor"]
    ):
        red, green, blue = (int(wanted[i : i + 2], 16) for i in (1, 3, 5))
        assert shown == f"rgb({red}, {green}, {blue})"
    fader = Image.open(io.BytesIO(page.locator(".mssviz-mixer-fader").first.screenshot()))
    width, height = fader.size
    filled, rest = (fader.getpixel((share * width // 20, height // 2)) for share in (1, 19))
    assert filled != rest


# --- the focus is never lost ------------------------------------------------------------------


@pytest.fixture
def explorer(run_cell):
    page = run_cell(EXPLORER)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    return page


def test_the_focus_is_on_cancel_while_work_goes_on_and_back_after_it(explorer):
    page = explorer
    separate, cancel = (page.get_by_role("button", name=name) for name in ("Separate", "Cancel"))
    page.evaluate(
        """() => {
            window.lost = 0;
            window.focused = new Set();
            const look = () => {
                const { activeElement } = document;
                window.lost += activeElement === document.body;
                window.focused.add(activeElement.textContent);
                requestAnimationFrame(() => setTimeout(look));
            };
            document.querySelector(".mssviz-run button").focus();
            look();
        }"""
    )
    separate.press("Enter")
    page.wait_for_function("() => window.focused.has('Cancel')", timeout=WORK_MS)
    expect(cancel).to_be_hidden(timeout=WORK_MS)
    expect(separate).to_be_focused()
    assert page.evaluate("() => window.lost") == 0
    expect(page.get_by_text("Cancelled.")).to_have_count(0)


def test_the_focus_stays_when_undo_has_nothing_more_to_undo(explorer):
    page = explorer
    page.get_by_role("button", name="paint", exact=True).click()
    page.locator(".mssviz-spectrogram .mssviz-picture").press("Enter")
    page.keyboard.press("Enter")
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    expect(undo).to_be_enabled(timeout=WORK_MS)
    undo.press("Enter")
    expect(redo).to_be_focused(timeout=WORK_MS)
    page.keyboard.press("Enter")
    expect(undo).to_be_focused(timeout=WORK_MS)


def test_escape_closes_each_drawer_and_gives_the_focus_back(explorer):
    page = explorer
    for name in ("Mask", "Brush", "Display", "Scores"):
        open_panel(page, name)
        drawer = page.locator(".mssviz-drawer-page:visible").first
        drawer.locator("select:enabled, input:enabled, [tabindex='0']").first.focus()
        page.keyboard.press("Escape")
        expect(page.locator(".mssviz-drawer-page:visible")).to_have_count(0)
        expect(page.locator(".mssviz-menu button", has_text=name)).to_be_focused()


@pytest.mark.parametrize("key", ["Enter", "Escape"])
def test_the_focus_stays_when_a_cross_on_the_picture_vanishes(explorer, key):
    page = explorer
    picture = page.locator(".mssviz-spectrogram .mssviz-picture")
    picture.press("l")
    picture.press("p")
    for name in ("Unpin", "Drop the selection"):
        cross = page.get_by_role("button", name=name)
        cross.press(key)
        expect(cross).to_be_hidden()
        expect(picture).to_be_focused()
    picture.press("l")
    cross = page.get_by_role("button", name="Drop the selection")
    cross.press("l")
    expect(cross).to_be_hidden()
    expect(picture).to_be_focused()
