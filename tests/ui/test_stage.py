"""The explorer as one stage: what fits on a laptop, what stays in place, what opens beside it."""

import itertools

import pytest
from playwright.sync_api import expect

from tests.ui.lab import SETTLED, eventually, open_panel, plot_area, screenshot, show_theme

pytestmark = pytest.mark.ui

WORK_MS = 60_000
LAPTOPS = [(1366, 768), (1280, 720)]
TWO = """
import mssviz
explorer = mssviz.explore()
explorer
"""
#: Where neither the network nor the song's length matters.
QUICK = TWO.replace("explore()", 'explore(model="oracle:IRM1", duration=4)')
#: A song with a true bass, as no example has one.
FOUR = """
import os, tempfile, numpy as np, mssviz
folder = tempfile.mkdtemp() + "/Francium"
os.mkdir(folder)
_, stems, _ = mssviz.examples()["francium"].excerpt(0, 6).sound()
stems["bass"] = 0.5 * np.roll(stems["drums"], 9000, axis=0)
for name, stem in stems.items():
    mssviz.write_audio(f"{folder}/{name}.flac", stem, 44100)
explorer = mssviz.explore(folder, model="teaching:4stems", compare="oracle:IRM1", duration=6)
explorer
"""
FIVE = FOUR.replace("4stems", "5stems").replace("stems[", 'stems["piano"] = stems[', 1)
#: No model has three stems but an oracle that is asked for them.
THREE = """
import mssviz
from mssviz.separators import TWO_STEMS, find
explorer = mssviz.explore(model="oracle:IRM1", duration=6)
oracle = find("oracle:IRM1", ("vocals", "drums", "other"))
explorer.session.models["oracle:IRM1", TWO_STEMS] = oracle
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


#: How many characters of what is chosen each picker shows, beside its arrow.
VISIBLE_CHARACTERS = """(pickers) => pickers.map((picker) => {
    const { paddingLeft, paddingRight, font } = getComputedStyle(picker);
    const text = picker.selectedOptions[0].text;
    const context = document.createElement("canvas").getContext("2d");
    context.font = font;
    const ARROW = 18;
    const room = picker.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - ARROW;
    const fits = (n) => context.measureText(text.slice(0, n)).width <= room;
    let n = 0;
    while (n < 100 && fits(n + 1)) n += 1;
    return n;
})"""


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


@pytest.mark.parametrize(("code", "stems"), [(TWO, 2), (THREE, 3), (FOUR, 4), (FIVE, 5)])
def test_all_fits_on_a_laptop_without_scrolling(run_cell, code, stems):
    page = run_cell(code, width=1366)
    _separate(page)
    for width, height in LAPTOPS:
        _resize(page, width, height)

        def fits():
            deck = page.locator(".mssviz-deck").bounding_box()
            room = page.locator(".jp-WindowedPanel-outer").bounding_box()
            assert deck["height"] <= room["height"]
            assert plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))[3] >= 260
            lanes = page.locator(".mssviz-mixer-strip")
            assert lanes.count() == stems + 1
            height = 38 if stems < 5 else 32
            assert {lane.bounding_box()["height"] for lane in lanes.all()} == {height}
            cut = "all => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.title)"
            assert page.locator(".mssviz-mixer-name").evaluate_all(cut) == []
            assert page.locator(".mssviz-tab").evaluate_all(cut) == []
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
        assert min(page.locator(".mssviz-picker").evaluate_all(VISIBLE_CHARACTERS)) >= 18
        screenshot(page, f"stage-{stems}-{width}")
    show_theme(page, "Dark")
    open_panel(page, "Display")
    screenshot(page, f"stage-{stems}-dark")


def test_the_first_row_says_which_part_of_how_long_a_song(run_cell):
    page = run_cell(FOUR, width=1366)
    song = page.locator(".mssviz-menu button", has_text="♪")
    expect(song).to_contain_text("♪ Francium", timeout=WORK_MS)
    expect(song).to_contain_text("0:00–0:06 of 0:06")
    open_panel(page, "♪")
    path = page.get_by_role("textbox", name="Path")
    path.fill("/no/such/file.wav")
    path.press("Enter")
    expect(song).to_contain_text("♪ file.wav")
    expect(song).to_contain_text("0:00–0:06")
    expect(song).not_to_contain_text("of")


def test_dragging_with_the_tool_select_selects(run_cell):
    page = run_cell(TWO, width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    tools = page.get_by_role("group", name="Tools").get_by_role("button")
    names = ["move", "select", "paint", "erase", "lasso", "comb"]
    assert tools.evaluate_all("all => all.map((e) => e.ariaLabel)") == names
    assert all(tools.evaluate_all("all => all.map((e) => e.title.length > 20)"))
    page.get_by_role("button", name="select", exact=True).click()
    picture = page.locator(".mssviz-spectrogram .mssviz-picture")
    x, y, width, height = plot_area(picture)
    page.mouse.move(x + 0.2 * width, y + height / 2)
    page.mouse.down()
    page.mouse.move(x + 0.4 * width, y + height / 3, steps=5)
    page.mouse.up()
    loop = page.locator(".mssviz-mixer-loop-text")
    expect(loop).to_have_text("0:03.0 – 0:06.0")
    lane = page.locator(".mssviz-mixer-strips .mssviz-mixer-lane").first.bounding_box()
    page.mouse.move(lane["x"] + 0.6 * lane["width"], lane["y"] + 10)
    page.mouse.down()
    page.mouse.move(lane["x"] + 0.8 * lane["width"], lane["y"] + 10, steps=5)
    page.mouse.up()
    expect(loop).to_have_text("0:09.0 – 0:12.0")
    span = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.plot.axes"
    assert page.evaluate(f"() => [{span}.start, {span}.stop]") == pytest.approx([0, 15], abs=0.05)
    picture.press("Escape")
    expect(page.get_by_role("button", name="move", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(loop).to_have_text("0:09.0 – 0:12.0")


def test_the_legend_of_the_scores_is_whole(run_cell):
    page = run_cell(QUICK, width=1280)
    _separate(page)
    legend = page.locator(".mssviz-notes .widget-html-content").nth(1)
    expect(legend).to_contain_text("SDR all errors, SIR leakage of others, SAR artefacts")
    assert legend.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert "median over windows of 1 s" in legend.locator("small").get_attribute("title")


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


#: Keeps every box that a control of the first row, or the place of the picture, ever had.
WATCH = """() => {
    window.boxes = {};
    const parts = ".mssviz-song button, .mssviz-picker, .mssviz-run > :first-child, " +
        ".mssviz-drawers button, .mssviz-does-help, .mssviz-spectrogram .mssviz-stage";
    const look = () => {
        const deck = document.querySelector(".mssviz-deck").getBoundingClientRect();
        for (const part of document.querySelectorAll(`.mssviz-deck > .mssviz-row, ${parts}`)) {
            const { left, top, width, height } = part.getBoundingClientRect();
            const name = part.className + (part.dataset.name ?? part.ariaLabel ?? "");
            const box = [left - deck.left, top - deck.top, width, height].map(Math.round);
            if (width) (window.boxes[name] ??= new Set()).add(box.join());
        }
        requestAnimationFrame(look);
    };
    look();
}"""


#: Where the picture is, or is going to be, within the deck: what its grid says of that row.
PLACE_OF_PICTURE = """() => {
    const deck = document.querySelector(".mssviz-deck");
    return getComputedStyle(deck).gridTemplateRows.split(" ").slice(0, 3);
}"""


def test_nothing_moves_when_work_begins_or_ends(run_cell):
    page = run_cell(TWO, width=1366)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.set_viewport_size({"width": 1366, "height": 768})
    for _ in ("first run", "second run"):
        _assert_nothing_moves(page)


def _assert_nothing_moves(page):
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_hidden()
    place = page.evaluate(PLACE_OF_PICTURE)
    page.evaluate(WATCH)
    page.get_by_role("button", name="Separate").click()
    expect(cancel).to_be_visible(timeout=WORK_MS)
    expect(cancel).to_be_hidden(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    boxes = page.evaluate(
        "() => Object.entries(window.boxes).map(([name, all]) => [name, [...all]])"
    )
    assert len(boxes) == 13
    assert not [(name, found) for name, found in boxes if len(found) > 1]
    assert page.evaluate(PLACE_OF_PICTURE) == place


def test_a_message_lies_over_the_picture_and_can_be_folded(run_cell):
    page = run_cell(QUICK, width=1366)
    _separate(page)
    stage = page.locator(".mssviz-spectrogram .mssviz-stage")
    box = stage.bounding_box()
    open_panel(page, "♪")
    start = page.get_by_role("spinbutton", name="From")
    start.fill("-2")
    start.press("Enter")
    page.get_by_role("button", name="Separate").click()
    said = page.locator(".mssviz-status").get_by_role("alert")
    expect(said).to_contain_text("0 s or more")
    assert stage.bounding_box() == box
    screenshot(page, "message")
    fold = page.locator(".mssviz-status summary")
    fold.press("Enter")
    expect(said).to_be_hidden()
    fold.press("Enter")
    expect(said).to_be_visible()
    open_panel(page, "♪")
    start.fill("0")
    start.press("Enter")
    _separate(page)
    expect(page.locator(".mssviz-status")).to_be_hidden()
    assert stage.bounding_box() == box


def test_every_drawer_leads_to_the_terms(run_cell):
    page = run_cell(QUICK, width=1366)
    _separate(page)
    card = page.get_by_role("dialog", name="Keys and gestures")
    for drawer in ("Mask", "Brush", "Display", "Scores"):
        open_panel(page, drawer)
        screenshot(page, f"terms-{drawer.lower()}")
        terms = page.locator(".mssviz-drawer-page:visible").get_by_role("button", name="Terms")
        terms.click()
        expect(card.get_by_text("source to distortion ratio")).to_be_visible()
        page.keyboard.press("Escape")
        expect(card).to_have_count(0)
        expect(terms).to_be_focused()


def test_room_is_kept_for_the_stems_of_the_model_that_is_chosen(run_cell):
    page = run_cell(TWO, width=1366)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    model = page.get_by_role("combobox", name="Model")
    model.select_option(label=model.locator("option", has_text="teaching:4stems").inner_text())
    expect(page.locator(".mssviz-room-4")).to_have_count(1)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    place = page.evaluate(PLACE_OF_PICTURE)
    _separate(page)
    assert page.evaluate(PLACE_OF_PICTURE) == place


def test_the_drawer_stands_beside_over_or_below_the_picture(run_cell):
    page = run_cell(QUICK, width=2000)
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
    page = run_cell(QUICK)
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
    """Makes artifacts/explorer.png, which docs/explorer.png is a copy of."""
    page = run_cell(TWO, width=1366)
    _separate(page)
    _resize(page, 1366, 768)
    screenshot(page.locator(".mssviz-deck"), "explorer")


@pytest.mark.parametrize("layout", ["lecture", "compact"])
def test_other_layouts_have_text_of_their_size_and_no_tour(run_cell, layout):
    code = QUICK.replace("explore(", f"explore(layout={layout!r}, ")
    page = run_cell(code, width=1366, tour=True)
    _separate(page)
    assert page.locator(".mssviz-tour").count() == 0
    _resize(page, 1366, 768)
    caption = page.locator(".mssviz-mixer-caption").nth(1)
    size = caption.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert (size >= 16) == (layout == "lecture")
    expect(page.locator(".mssviz-tools")).to_be_visible(visible=layout == "compact")
    screenshot(page, f"stage-{layout}")
    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("button", name="Take the tour")).to_have_count(0)


# --- What is opened over each other -----------------------------------------------------------

DRAWERS = ("Mask", "Brush", "Display", "Scores", "Why?")
#: Whether what is seen in the middle of an element belongs to it.
ON_TOP = """(element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""
#: How much of an element's height is in view, in pixels.
IN_VIEW = """(element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const notebook = element.closest(".jp-WindowedPanel-outer").getBoundingClientRect();
    return Math.min(bottom, notebook.bottom) - Math.max(top, notebook.top);
}"""


def test_save_and_song_lie_over_every_drawer_and_below_their_buttons(run_cell):
    page = run_cell(QUICK, width=1366)
    _separate(page)
    for width, height in ((1366, 768), (900, 768)):
        _resize(page, width, height)
        for drawer in DRAWERS:
            open_panel(page, drawer)
            for name, button in (("save", "Save"), ("song", "♪")):
                open_panel(page, button)
                opener = page.locator(".mssviz-menu button", has_text=button)
                panel = page.locator(f".mssviz-panel-{name}")
                assert panel.evaluate(ON_TOP), (width, drawer, name)
                assert opener.evaluate(ON_TOP), (width, drawer, name)
                page.keyboard.press("Escape")
                expect(panel).to_be_hidden()


def test_a_drawer_opens_in_view_and_closes_with_escape_from_its_button(run_cell):
    page = run_cell(QUICK, width=900)
    _separate(page)
    _resize(page, 900, 768)
    for drawer in DRAWERS:
        page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
        button = page.locator(".mssviz-menu button", has_text=drawer)
        button.click()
        panel = (
            page.locator(".mssviz-drawer-page:visible")
            .filter(has=page.locator("button, select"))
            .last
        )
        page.wait_for_function(
            f"(element) => ({IN_VIEW})(element) > 40", arg=panel.element_handle()
        )
        expect(button).to_be_focused()
        if drawer == "Brush":  # beside which there is the box for the sum
            assert panel.get_by_role("button", name="Terms").evaluate(ON_TOP)
        page.keyboard.press("Escape")
        expect(page.locator(".mssviz-drawer-page:visible")).to_have_count(0)


def test_the_legend_and_the_numbers_of_a_pinned_bin_do_not_cover_each_other(run_cell):
    page = run_cell(QUICK, width=1366)
    _separate(page)
    page.get_by_role("button", name="vocals", exact=True).click()
    for window, share in itertools.product((1366, 900), (0.2, 0.6)):
        _resize(page, window, 768)
        page.locator(".mssviz-spectrogram").scroll_into_view_if_needed()
        left, top, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-stage"))
        page.keyboard.down("Alt")
        page.mouse.click(left + share * width, top + height / 2)
        page.keyboard.up("Alt")
        parts = (f".mssviz-stage .mssviz-{name}" for name in ("readout", "colorbar"))
        readout, legend = map(page.locator, parts)
        expect(readout).to_be_visible()
        expect(legend).to_be_visible()
        screenshot(page, f"pinned-{window}-{share}")
        one, other = readout.bounding_box(), legend.bounding_box()
        apart = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        assert apart or beside, (window, share)


def test_keys_change_a_lane_that_is_heard_when_stems_have_come(run_cell):
    page = run_cell(QUICK, width=1366)
    _separate(page)
    strips = page.locator(".mssviz-mixer-strip")
    expect(strips.nth(1)).to_have_attribute("data-chosen", "")
    page.locator(".mssviz-spectrogram canvas").first.press("m")
    expect(strips.nth(1).get_by_role("button", name="Mute")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(strips.nth(1)).to_have_attribute("data-chosen", "")
