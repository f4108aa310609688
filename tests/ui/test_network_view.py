"""The real U-Net drawn in a real browser: parts are switched off by mouse and by keys."""

import itertools
import json

import pytest
from playwright.sync_api import expect

from tests.ui.lab import eventually, forced_colours, screenshot, show_theme

pytestmark = pytest.mark.ui

WORK_MS = 60_000
SPLEETER = """
import json
import ipywidgets as w, mssviz
surgery = mssviz.insight.Surgery(mssviz.Separator("spleeter:2stems", progress=False))
view = mssviz.NetworkView(surgery)
label = w.Label("{}")
def tell():
    label.value = json.dumps(surgery.cuts | {"looking at": view.looking_at})
view.on_change(tell)
view.on_look(tell)
w.VBox([w.Box([view], layout=w.Layout(width="WIDTHpx")), label])
"""
#: A network of many layers, of which those that begin alike fold.
FOLDED = """
import mssviz
from mssviz.widgets import _network_layout
_network_layout.MOST_UNFOLDED = 10
preset = mssviz.presets.find("bs-roformer-tiny")
network = mssviz.networks.Network(preset.model, preset.targets, preset.input_shape)
separator = mssviz.Separator.from_network(preset, network)
mssviz.NetworkView(mssviz.insight.Surgery(separator))
"""


@pytest.fixture
def open_view(run_cell):
    def open_(code=SPLEETER, width=400, **options):
        page = run_cell(code.replace("WIDTH", str(width)), width=width + 240, **options)
        view = page.locator(".mssviz-network")
        view.locator(".mssviz-network-site").first.wait_for(timeout=WORK_MS)
        return page, view

    return open_


def told(page):
    """What the network's own `cuts` are, with what is looked at."""
    text = page.locator(".widget-label").last.inner_text()
    return {name: words for name, words in json.loads(text).items() if words}


def expect_told(page, wanted):
    def check():
        assert told(page) == wanted

    eventually(page, check)


def site(view, name):
    return view.locator(f".mssviz-network-site[title={name}]")


def centre(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_skip_is_switched_off_by_mouse_and_put_back(open_view):
    page, view = open_view()
    skip = view.get_by_role("button", name="skip from conv1, joins up5")
    skip.click()
    expect(skip).to_have_attribute("aria-pressed", "true")
    switch = view.get_by_role("switch")
    expect(switch).to_have_text("On")
    switch.click()
    expect_told(page, {"vocals_conv1_skip": "off"})
    expect(switch).to_have_text("Off")
    expect(skip).to_contain_text("off")
    expect(skip).to_have_accessible_name("skip from conv1, joins up5, off")
    expect(view.get_by_role("listitem")).to_contain_text("vocals_conv1_skip: off")
    assert view.locator("svg .mssviz-network-off").count() == 1
    view.get_by_role("button", name="Put vocals_conv1_skip back").press("Enter")
    expect_told(page, {})
    expect(view.get_by_role("listitem")).to_have_count(0)
    expect(switch).to_have_text("On")
    expect(skip).to_be_focused()


def test_a_skip_is_switched_off_by_keys(open_view):
    page, view = open_view()
    view.get_by_role("button", name="accompaniment", exact=True).focus()
    page.keyboard.press("Tab")
    expect(site(view, "vocals_conv1")).to_be_focused()  # where the picture begins
    page.keyboard.press("ArrowDown")
    expect(site(view, "vocals_conv2")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(site(view, "vocals_conv2_skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(view.get_by_role("switch")).to_have_accessible_name("On: vocals_conv2_skip")
    page.keyboard.press("Tab")
    expect(view.get_by_role("switch")).to_be_focused()
    page.keyboard.press("Space")
    expect_told(page, {"vocals_conv2_skip": "off"})
    expect(view.get_by_role("switch")).to_be_focused()
    reset = view.get_by_role("button", name="Reset")
    reset.press("Enter")
    expect_told(page, {})
    expect(reset).to_be_disabled()
    page.wait_for_function("document.activeElement.closest('.mssviz-network')")
    site(view, "vocals_conv2").press("End")
    expect(site(view, "vocals_conv1_skip")).to_be_focused()
    assert page.locator(".jp-Cell").count() == 1  # no key has reached the notebook


def test_channels_are_switched_one_by_one_and_in_a_row(open_view):
    page, view = open_view()
    site(view, "vocals_conv1").click()
    channels = view.get_by_role("group", name="Channels").get_by_role("button")
    expect(channels).to_have_count(16)
    channels.nth(3).click()
    expect_told(page, {"vocals_conv1": "channels 3: off"})
    expect(channels.nth(3)).to_have_attribute("aria-pressed", "false")
    expect(site(view, "vocals_conv1")).to_contain_text("partly")
    expect(view).to_contain_text("Channels: 15 of 16 on")
    channels.nth(6).click(modifiers=["Shift"])
    expect_told(page, {"vocals_conv1": "channels 3, 4, 5, 6: off"})
    channels.nth(4).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect_told(page, {"vocals_conv1": "channels 3, 4, 6: off"})
    view.get_by_role("button", name="All on").click()
    expect_told(page, {})
    view.get_by_role("button", name="All off").click()
    expect_told(page, {"vocals_conv1": "off"})


def test_a_gain_is_sent_once_the_slider_rests(open_view):
    page, view = open_view()
    site(view, "vocals_up2").click()
    slider = view.get_by_role("slider", name="Gain")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect_told(page, {"vocals_up2": "x 0.5"})
    expect(site(view, "vocals_up2")).to_contain_text("× 0.5")
    expect(slider).to_have_attribute("aria-valuetext", "0.50")
    slider.dblclick()
    expect_told(page, {})


def test_targets_are_shown_one_at_a_time(open_view):
    page, view = open_view()
    site(view, "vocals_conv3").click()
    view.get_by_role("button", name="accompaniment", exact=True).click()
    other = site(view, "accompaniment_conv3")
    expect(other).to_have_attribute("aria-pressed", "true")
    assert site(view, "vocals_conv3").count() == 0
    view.get_by_role("switch").click()
    expect_told(page, {"accompaniment_conv3": "off"})
    view.get_by_role("button", name="vocals", exact=True).click()
    expect(site(view, "vocals_conv3")).to_be_visible()
    view.get_by_role("button", name="accompaniment_conv3: off").click()
    expect(other).to_have_attribute("aria-pressed", "true")


def test_feature_maps_are_asked_for(open_view):
    page, view = open_view()
    site(view, "vocals_conv2").click()
    look = view.get_by_role("button", name="Show its feature maps")
    look.click()
    expect_told(page, {"looking at": "vocals_conv2"})
    expect(look).to_have_attribute("aria-pressed", "true")
    look.click()
    expect_told(page, {})


def test_what_python_refuses_is_said(open_view):
    page, view = open_view()
    page.evaluate(
        """() => document.querySelector(".mssviz-network-view").mssvizNetwork.ask(
            { kind: "scale", site: "vocals_conv1", gain: 9 })"""
    )
    expect(view.get_by_role("alert")).to_have_text("gain must lie between 0 and 2 (got 9)")
    site(view, "vocals_conv1").click()
    view.get_by_role("switch").click()
    expect(view.get_by_role("alert")).to_be_empty()


def resize(page, view, width):
    """Let the view's box have another width, in pixels, and the page have room for it."""
    view.evaluate("(e, width) => { e.parentElement.style.width = `${width}px`; }", width)
    page.set_viewport_size({"width": width + 240, "height": 2200})


def test_skips_are_level_with_what_they_join_at_every_width(open_view):
    page, view = open_view()
    for width in (330, 400, 1280):
        resize(page, view, width)
        eventually(page, lambda: _assert_level(view))


def _assert_level(view):
    for i in range(1, 6):
        names = (f"conv{i}", f"conv{i}_skip", f"up{6 - i}")
        source, skip, end = (centre(site(view, f"vocals_{name}")) for name in names)
        assert source[0] < skip[0] < end[0]
        assert abs(source[1] - skip[1]) < 1
        assert abs(skip[1] - end[1]) < 1
    assert view.locator("svg .mssviz-network-link").count() == 5
    assert view.locator("svg .mssviz-network-flow").count() == 12
    wide = "e => [e, ...e.querySelectorAll('*')].filter(x => x.scrollWidth > x.clientWidth + 1 "
    wide += "&& getComputedStyle(x).display !== 'inline').map(x => x.outerHTML.slice(0, 90))"
    assert view.evaluate(wide) == []


def test_axe_finds_nothing_in_either_theme(open_view, axe):
    page, view = open_view()
    view.get_by_role("button", name="skip from conv1").click()
    view.get_by_role("switch").click()
    site(view, "vocals_conv2").click()
    channels = view.get_by_role("group", name="Channels").get_by_role("button")
    channels.nth(2).click()
    channels.nth(5).click(modifiers=["Shift"])
    expect_told(page, {"vocals_conv1_skip": "off", "vocals_conv2": "channels 2, 3, 4, 5: off"})
    expect(channels.nth(5)).to_have_attribute("aria-pressed", "false")
    page.mouse.move(0, 0)
    for theme, width in itertools.product(("Light", "Dark"), (400, 1280)):
        show_theme(page, theme)
        resize(page, view, width)
        screenshot(view, f"network-{width}-{theme.lower()}")
        assert not (found := axe(page, ".mssviz-network")), "\n".join(found)


def test_forced_colours_keep_what_is_chosen_and_switched(open_view):
    page, view = open_view()
    chosen, other = site(view, "vocals_conv1"), site(view, "vocals_conv2")
    chosen.click()
    view.get_by_role("group", name="Channels").get_by_role("button").nth(1).click()
    expect_told(page, {"vocals_conv1": "channels 1: off"})
    ground = "e => getComputedStyle(e).backgroundColor"
    for scheme in ("light", "dark"):
        with forced_colours(page, scheme):
            assert chosen.evaluate(ground) != other.evaluate(ground)
            off, on = (
                view.locator(f".mssviz-network-channels [aria-pressed={told}]").first.evaluate(
                    ground
                )
                for told in ("false", "true")
            )
            assert off != on
            screenshot(view, f"network-forced-{scheme}")


def test_many_layers_fold_and_open_for_what_is_chosen(open_view, axe):
    page, view = open_view(FOLDED)
    folds = view.locator("details")
    expect(folds).to_have_count(2)
    inner = site(view, "layer2_band_attention_out")
    expect(inner).to_be_hidden()
    folds.nth(1).locator("summary").press("Enter")
    expect(inner).to_be_visible()
    inner.click()
    view.get_by_role("switch").click()
    expect(folds.nth(1).locator("summary")).to_contain_text("1 changed")
    folds.nth(1).locator("summary").click()
    expect(inner).to_be_hidden()
    view.get_by_role("button", name="layer2_band_attention_out: off").click()
    expect(inner).to_be_visible()
    assert view.get_by_role("button", name="Show its feature maps").count() == 0
    assert not (found := axe(page, ".mssviz-network")), "\n".join(found)
    screenshot(view, "network-folded")
