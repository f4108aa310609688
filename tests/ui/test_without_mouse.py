"""The explorer without sight, without a mouse and without motion, as docs/accessibility.md has it.

All tests share one page, and each leaves it as it was.
"""

import re
from itertools import takewhile

import pytest
from playwright.sync_api import expect

from mssviz.widgets import _static
from tests.ui import lab as jupyter
from tests.ui.lab import ROOT, SETTLED, eventually, open_panel, plot_area, show_theme

pytestmark = pytest.mark.ui

WORK_MS = 90_000
#: A song through an oracle whose masks turn the phase, beside one whose masks do not.
CODE = """
import mssviz
explorer = mssviz.explore(duration=2, model="oracle:MWF-targets", compare="oracle:IRM1")
explorer
"""
DRAWERS = ("Mask", "Brush", "Display", "Scores", "Why?", "Save", "♪")
THEMES = ("Light", "Dark")
PICTURE = ".mssviz-spectrogram .mssviz-picture"
LEAST_CONTRAST = 3.0  # WCAG 2.2, 1.4.11: graphics, and states of controls


def table(heading):
    """Rows of the table below a heading of the page on accessibility, as lists of cells."""
    text = (ROOT / "docs" / "accessibility.md").read_text(encoding="utf-8")
    _, _, below = text.partition(f"## {heading}\n")
    lines = below[below.index("\n|") + 1 :].splitlines()
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in list(rows)[2:]]


@pytest.fixture(scope="module")
def page(browser, lab, lab_folder, kernels):
    """An explorer that has separated its song."""
    page = jupyter.new_page(browser, viewport={"width": 1366, "height": 2200})
    name = jupyter.write_cell(lab_folder, CODE)
    kernels.lend(name)
    jupyter.open_notebook(page, lab, name)
    separate = page.get_by_role("button", name="Separate")
    expect(separate).to_be_enabled(timeout=WORK_MS)
    separate.press("Enter")
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    yield page
    page.context.close()
    kernels.forget()
    kernels.take_back()


def close_panels(page):
    openers = page.locator(".mssviz-menu button[aria-expanded=true]")
    while openers.count():
        openers.first.click()


# --- what a screen reader meets -----------------------------------------------------------------


def snapshot(page):
    """Accessible elements of the explorer in their order, as ``role "name"``."""
    lines = page.locator(".mssviz-explorer").aria_snapshot().splitlines()
    return [line.strip(" -:'") for line in lines]


def test_the_path_is_the_one_that_the_page_describes(page):
    close_panels(page)
    open_panel(page, "Scores")
    found = iter(snapshot(page))
    for role, name, _ in table("What a screen reader meets"):
        wanted = f'{role} "{name}' if name else role
        assert any(line.startswith(wanted) for line in found), f"{wanted} is not where it should be"


def test_every_part_with_a_name_is_described(page):
    close_panels(page)
    open_panel(page, "Scores")
    described = {(role, name) for role, name, _ in table("What a screen reader meets")}
    parts = re.compile(r'(region|group|toolbar|application|table|navigation) "([^"]*)"')
    for line in snapshot(page):
        found = parts.match(line)
        if not found or "mixture" in line or "accompaniment" in line:
            continue  # they are as the vocals
        role, name = found.groups()
        assert any(role == r and name.startswith(n) for r, n in described if n), line


def test_the_end_of_work_is_told_and_a_pinned_bin_is_read_out(page):
    assert page.locator(".mssviz-said").get_by_text("Done", exact=True).count() == 1
    picture = page.locator(PICTURE)
    picture.press("p")
    readout = page.locator(".mssviz-spectrogram .mssviz-readout")
    expect(readout).to_be_visible()
    expect(readout).to_have_attribute("aria-live", "polite")
    expect(readout.locator("table")).to_contain_text("vocals")
    left, top, width, height = plot_area(picture)
    page.mouse.move(left + width / 3, top + height / 3, steps=5)
    expect(readout).to_have_attribute("aria-live", "off")
    page.mouse.move(0, 0)
    picture.press("Escape")
    expect(readout).to_be_hidden()


# --- what keys do -------------------------------------------------------------------------------

VIEW = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram"
LEVEL = ".mssviz-mixer-strip .mssviz-mixer-fader"


def traits(*names):
    return f"() => [{', '.join(f'{VIEW}.model.get({name!r})' for name in names)}]"


#: Where a key is pressed, what before it, what it is called on a keyboard, and what it changes.
EFFECTS = {
    "←": (PICTURE, ["End"], "ArrowLeft", traits("time")),
    "→": (PICTURE, [], "ArrowRight", traits("time")),
    "[": (PICTURE, ["ArrowRight"], "[", traits("selection")),
    "]": (PICTURE, ["ArrowRight"], "]", traits("selection")),
    "Delete": (LEVEL, ["ArrowLeft"], "Delete", f"() => document.querySelector({LEVEL!r}).value"),
    "+": (PICTURE, [], "+", traits("start", "stop")),
    "−": (PICTURE, ["+"], "-", traits("start", "stop")),
    ".": (PICTURE, ["+"], ".", traits("start", "stop")),
    ",": (PICTURE, ["End", "+"], ",", traits("start", "stop")),
    "Shift+Page up": (PICTURE, [], "Shift+PageUp", traits("low", "high")),
    "Shift+Page down": (PICTURE, ["Shift+PageUp"], "Shift+PageDown", traits("low", "high")),
    "Shift+↑": (PICTURE, ["Shift+PageUp"], "Shift+ArrowUp", traits("low", "high")),
    "Shift+↓": (PICTURE, ["Shift+PageUp"], "Shift+ArrowDown", traits("low", "high")),
    "T": (PICTURE, [], "t", traits("tool")),
    "Enter": (PICTURE, ["t", "t"], "Enter", f"() => {VIEW}.brush.box"),
    "0": (PICTURE, ["+"], "0", traits("start", "stop")),
    "P": (PICTURE, [], "p", traits("pinned")),
}
#: What keys change is on its way for a frame.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def press(page, where, *keys):
    page.locator(where).first.focus()
    for key in keys:
        page.keyboard.press(key)
        page.evaluate(FRAMES)


def at_rest(page):
    """Nothing is selected, pinned or zoomed, and the playhead is at the beginning."""
    press(page, PICTURE, *["Escape"] * 4, "0", "Home")


def test_every_gesture_has_keys_that_do_the_same(page, browser):
    blank = browser.new_page()
    rows = blank.evaluate(
        "(code) => import(`data:text/javascript,${encodeURIComponent(code)}`)"
        ".then(({ KEY_MAP }) => KEY_MAP)",
        _static.module("keymap.js"),
    )
    blank.close()
    gestures = {
        " or ".join(row["shown"]) for row in rows
        if "group" in row and not row.get("keys") and row["group"] != "Brush without a mouse"
    }  # fmt: skip
    told = {key for row in rows if "group" in row for key in row["shown"]}
    described = table("What a mouse does, and which keys do the same")
    assert gestures <= {pointer for pointer, _, _ in described}
    for pointer, _, keys in described:
        for key in re.findall(r"<kbd>(.*?)</kbd>", keys):
            assert key in told, f"{key}, for {pointer}, is not on the card of keys"
            where, first, last, effect = EFFECTS[key]
            at_rest(page)
            press(page, where, *first)
            before = page.evaluate(effect)
            press(page, where, last)

            def changed(effect=effect, before=before, what=(pointer, key)):
                assert page.evaluate(effect) != before, what

            eventually(page, changed)
    at_rest(page)


#: Controls that people can use now.
CONTROLS = """() => [...document.querySelectorAll(
    ".mssviz-explorer :is(button, select, input, textarea, summary, a[href], [tabindex='0'])"
)].filter((e) =>
    !e.disabled && e.type !== "file" && e.checkVisibility({ visibilityProperty: true })
)"""


@pytest.mark.parametrize("panel", ["Mask", "Scores"])
def test_tab_goes_to_every_control(page, panel):
    close_panels(page)
    open_panel(page, panel)
    wanted = page.evaluate(
        f"""() => {{
            const controls = ({CONTROLS})();
            controls.forEach((e, i) => {{ e.dataset.index = i; }});
            controls[0].focus();
            return controls.length;
        }}"""
    )
    assert wanted > 40
    reached = set()
    for _ in range(wanted):
        reached.add(page.evaluate("() => document.activeElement.dataset.index"))
        page.keyboard.press("Tab")
    assert reached == {str(i) for i in range(wanted)}
    close_panels(page)


#: Elements that listen to a pointer and take no focus themselves: the table of gestures has them.
IN_THE_TABLE = (
    *(".mssviz-picture", ".mssviz-mixer-lane", ".mssviz-mixer-strip", ".mssviz-box"),
    ".mssviz-view",
)
#: Those around a control, which hand on what is clicked beside it.
AROUND = ("label", ".widget-checkbox")
POINTER = {"click", "dblclick", "pointerdown", "mousedown", "wheel", "drop", "contextmenu"}


def test_nothing_listens_to_a_pointer_alone(page):
    for panel in DRAWERS:
        open_panel(page, panel)
    count = page.evaluate(
        """() => {
            window.everything = [...document.querySelectorAll(".mssviz-explorer *")];
            return window.everything.length;
        }"""
    )
    client = page.context.new_cdp_session(page)
    group = {"objectGroup": "listeners"}
    for i in range(count):
        found = client.send("Runtime.evaluate", {"expression": f"everything[{i}]", **group})
        listeners = client.send(
            "DOMDebugger.getEventListeners", {"objectId": found["result"]["objectId"]}
        )["listeners"]
        if not POINTER & {listener["type"] for listener in listeners}:
            continue
        known = ", ".join((*IN_THE_TABLE, *AROUND, "button", "select", "input", "summary"))
        assert page.evaluate("([i, known]) => everything[i].matches(known)", [i, known]), (
            page.evaluate("(i) => everything[i].outerHTML.slice(0, 200)", i)
        )
    client.send("Runtime.releaseObjectGroup", group)
    close_panels(page)


# --- what is seen -------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_whatever_is_open(page, axe, theme):
    show_theme(page, theme)
    picture = page.locator(PICTURE)
    for key in ("l", "p", "b"):  # a selection, a pinned bin, and the second model
        picture.press(key)
    page.get_by_role("button", name="vocals", exact=True).first.click()
    kinds = page.get_by_label("What is shown of the stem")
    kinds.select_option(label="complex mask")
    page.get_by_role("button", name="paint", exact=True).click()
    page.wait_for_function(SETTLED)
    for panel in DRAWERS:
        open_panel(page, panel)
        assert not (found := axe(page, ".mssviz-explorer")), "\n".join([panel, *found])
    close_panels(page)
    page.get_by_role("button", name="Help").click()
    assert not (found := axe(page, "dialog")), "\n".join(found)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Mixture", exact=True).click()
    picture.press("b")
    for _ in range(3):
        picture.press("Escape")


#: Colours as they are computed, on white, as [red, green, blue].
COLORS = """(asked) => {
    const context = document.createElement("canvas").getContext("2d");
    const solid = (color) => {
        for (const fill of ["#fff", color]) {
            context.fillStyle = fill;
            context.fillRect(0, 0, 1, 1);
        }
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    return asked.map(([selector, property]) => {
        let element = document.querySelector(selector);
        if (property === "ground") {
            const clear = (e) => /transparent|, 0\\)$/.test(getComputedStyle(e).backgroundColor);
            while (clear(element)) element = element.parentElement;
            property = "background-color";
        }
        return solid(getComputedStyle(element).getPropertyValue(property));
    });
}"""
LANE = ".mssviz-mixer-strip .mssviz-mixer-lane"
#: What must be seen, and against what: a selector and a property of both.
GRAPHICS = {
    "playhead of a lane": (f"{LANE} .mssviz-mixer-playhead", "background-color", LANE),
    "edge of a loop": (f"{LANE} .mssviz-mixer-loop", "border-left-color", LANE),
    "chosen lane's number": (
        "[data-chosen] .mssviz-mixer-number", "background-color", ".mssviz-explorer"
    ),
    "pressed tab": (".mssviz-tab[aria-pressed=true]", "background-color", ".mssviz-explorer"),
    "pressed button": (".mssviz-mixer-mute[aria-pressed=true]", "background-color", LANE),
}  # fmt: skip
FOCUSED = (
    *(".mssviz-menu button", ".mssviz-picker", ".mssviz-run button", ".mssviz-tab"),
    *(PICTURE, ".mssviz-mixer-play", ".mssviz-mixer-mute", ".mssviz-mixer-fader", LEVEL),
    *(".mssviz-mixer-strip", ".mssviz-scoreview canvas", ".mssviz-scoreview select"),
)


def luminance(color):
    shares = [value / 255 for value in color]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(*colors):
    darker, lighter = sorted(map(luminance, colors))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_graphics_stand_out_from_their_ground(page, theme):
    from mssviz import plots

    show_theme(page, theme)
    page.locator(PICTURE).press("l")
    for what, (selector, name, ground) in GRAPHICS.items():
        found = page.evaluate(COLORS, [[selector, name], [ground, "ground"]])
        print(what, round(contrast(*found), 2))
        assert contrast(*found) >= LEAST_CONTRAST, (what, found)
    open_panel(page, "Scores")
    grounds = page.evaluate(
        COLORS, [[LANE, "ground"], [".mssviz-scoreview canvas", "ground"],
                 [".mssviz-mixer-strip .mssviz-mixer-meter", "ground"]],
    )  # fmt: skip
    for name, color in {**plots.STEM_COLORS, "mixture": plots.MIXTURE_COLOR}.items():
        parts = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        for ground in grounds:
            assert contrast(parts, ground) >= LEAST_CONTRAST, (name, ground)
    for selector in FOCUSED:
        page.keyboard.press("Shift")  # so that the ring is shown
        page.locator(selector).first.focus()
        ring = page.evaluate(
            "(e) => getComputedStyle(document.querySelector(e)).outlineStyle", selector
        )
        assert ring != "none", selector
        parent = page.evaluate(COLORS, [[selector, "outline-color"], [".mssviz-deck", "ground"]])
        print(selector, round(contrast(*parent), 2))
        assert contrast(*parent) >= LEAST_CONTRAST, (selector, parent)
    close_panels(page)
    page.locator(PICTURE).press("Escape")


def test_lines_over_the_picture_are_seen_on_every_picture(page):
    """Each has a light core between dark edges, so whatever lies under it does not count."""
    page.evaluate(f"() => {VIEW}.widget.save({{ selection: [0.5, 1.5], time: 1 }})")
    lines = f"""() => {{
        const {{ model, plot, top }} = {VIEW};
        const {{ ratio }} = plot.size;
        const row = top.getContext("2d").getImageData(0, 40 * ratio, top.width, 1).data;
        const at = (seconds) => {{
            const x = Math.round(plot.x(seconds) * ratio);
            return [-2, -1, 0, 1, 2].map((i) => [...row.slice(4 * (x + i), 4 * (x + i) + 4)]);
        }};
        return [model.get("time"), ...model.get("selection")].map(at);
    }}"""

    def seen():
        for pixels in page.evaluate(lines):
            solid = [color[:3] for color in pixels if color[3] > 160]
            assert len(solid) >= 2, pixels
            ends = min(solid, key=luminance), max(solid, key=luminance)
            assert contrast(*ends) >= LEAST_CONTRAST, pixels

    eventually(page, seen)
    at_rest(page)


# --- what moves ---------------------------------------------------------------------------------

#: Elements that glide or turn by themselves, or would.
MOVING = """() => [...document.querySelectorAll(".mssviz-explorer *")].filter((e) => {
    const { transitionDuration, animationName, animationDuration } = getComputedStyle(e);
    const lasts = (times) => times.split(",").some((time) => parseFloat(time) > 0);
    return lasts(transitionDuration) || (animationName !== "none" && lasts(animationDuration));
}).map((e) => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("wish", ["reduce", "no-preference"])
def test_nothing_glides(page, wish):
    for panel in DRAWERS:
        open_panel(page, panel)
    page.emulate_media(reduced_motion=wish)
    try:
        assert page.evaluate(MOVING) == []
    finally:
        page.emulate_media(reduced_motion="null")
    close_panels(page)


def test_no_style_sheet_of_ours_lets_anything_glide():
    moves = re.compile(r"\b(transition|animation|scroll-behavior)\b")
    for sheet in _static.STATIC.rglob("*.css"):
        assert not moves.search(sheet.read_text(encoding="utf-8")), sheet.name
