"""Complex masks in a browser: seen, read, and heard in parts. The network has random weights."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from mssviz import plots
from tests.ui.lab import SETTLED, both_themes, eventually, open_panel, plot_area, screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
EXPLORER = """
import json, os, tempfile
import ipywidgets as w, numpy as np, mssviz
from mssviz.separators import TWO_STEMS

folder = tempfile.mkdtemp() + "/Francium"
os.mkdir(folder)
_, stems, _ = mssviz.examples()["francium"].excerpt(0, 3).sound()
stems["bass"] = 0.5 * np.roll(stems["drums"], 9000, axis=0)
for name, stem in stems.items():
    mssviz.write_audio(f"{folder}/{name}.flac", stem, 44100)

import keras
keras.utils.set_random_seed(1)
preset = mssviz.presets.find("bs-roformer-tiny")
network = mssviz.networks.Network(preset.model, preset.targets, preset.input_shape)
explorer = mssviz.explore(folder, model="bs-roformer-tiny", duration=3)
explorer.session.models["bs-roformer-tiny", TWO_STEMS] = mssviz.Separator.from_network(
    preset, network
)
label = w.Label()
label.add_class("told")

def tell(change):
    "What numpy finds at the pinned bin of the vocals."
    seconds, hertz = change["new"]
    separation = explorer.laboratory.separation
    params, mixture = separation.preset.stft, np.asarray(separation.mixture_stft)
    frame = round((seconds + params.n_fft / 2 / 44100) / (params.hop_length / 44100))
    bin = round(hertz / (44100 / params.n_fft))
    x = mixture[frame, bin].astype(complex)
    y = np.asarray(separation.prediction.values["vocals"][frame : frame + 1])[0, bin]
    mask = (y * x.conj()).sum() / (abs(x) ** 2).sum()
    label.value = json.dumps({"factor": abs(mask), "turn": np.rad2deg(np.angle(mask))})

def watch(_):
    if explorer.view is not None:
        explorer.view.observe(tell, "pinned")

explorer.controls.progress.observe(watch, "value")
w.VBox([explorer, label])
"""
#: Values of the bin that the pointer is at.
READING = "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
#: Colour of a pixel of the picture, by its place in it.
PIXEL = """([x, y]) => {
    const { painter, plot } = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
    const word = painter.words[Math.round(y) * Math.max(1, plot.inner.width) + Math.round(x)];
    return [word & 255, (word >>> 8) & 255, (word >>> 16) & 255];
}"""


def separated(run_cell, code=EXPLORER, **options):
    page = run_cell(code, **options)
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    return page


def show_complex_mask(page):
    page.get_by_role("button", name="vocals", exact=True).first.click()
    page.get_by_label("What is shown of the stem").select_option(label="complex mask")
    page.wait_for_function(SETTLED)


def captions(page):
    """Scores of the four stems."""
    found = page.locator(".mssviz-mixer-caption").all_inner_texts()
    scores = [text for text in found if "SDR" in text]
    assert len(scores) == 4
    return scores


def choose_part(page, label):
    open_panel(page, "Mask")
    page.get_by_role("combobox", name="Complex mask").select_option(label=label)


def test_a_bin_of_the_picture_has_the_level_and_the_turn_that_numpy_finds(run_cell):
    page = separated(run_cell)
    show_complex_mask(page)
    bar = page.locator(".mssviz-colorbar")
    expect(bar).to_contain_text("complex mask: turn as hue")
    expect(bar).to_contain_text("pale, hatched: above 0 dB")
    for theme in both_themes(page):
        page.wait_for_function(SETTLED)
        screenshot(page.locator(".mssviz-explorer").last, f"complex-mask-{theme}")
        _assert_bins_agree(page)


def _assert_bins_agree(page):
    left, top, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))
    for share_x, share_y in ((0.3, 0.6), (0.7, 0.7)):
        x, y = round(share_x * width), round(share_y * height)
        page.keyboard.down("Alt")
        page.mouse.click(left + x, top + y)
        page.keyboard.up("Alt")
        row = page.locator(".mssviz-readout tr", has_text="vocals")

        def agrees(row=row, place=(x, y)):
            expected = json.loads(page.locator(".told").inner_text() or "null")
            assert expected
            cells = row.locator("td").all_inner_texts()
            [factor] = [re.search(r"× ([\d.]+)", c).group(1) for c in cells if "×" in c]
            [turn] = [c.rstrip("°") for c in cells if c.endswith("°")]
            assert float(factor) == pytest.approx(expected["factor"], abs=6e-4)
            assert float(turn) == pytest.approx(expected["turn"], abs=0.06)
            mask = expected["factor"] * np.exp(1j * np.deg2rad(expected["turn"]))
            color = 255 * plots.complex_colors()[plots.complex_codes(np.complex64(mask))]
            pixel = page.evaluate(PIXEL, place)
            hatched = expected["factor"] > 1 and pixel == [0, 0, 0]
            assert hatched or pixel == pytest.approx(color.tolist(), abs=1)

        eventually(page, agrees)


def test_each_part_of_the_mask_is_scored_as_soon_as_it_is_chosen(run_cell):
    page = separated(run_cell)
    seen = {"whole mask": captions(page)}
    for label in ("magnitude only", "turn only"):
        choose_part(page, label)

        def has_changed():
            assert captions(page) not in seen.values()

        eventually(page, has_changed, 60)
        expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
        seen[label] = captions(page)
    screenshot(page.locator(".mssviz-explorer").last, "complex-mask-parts")
    choose_part(page, "whole mask")

    def is_back():
        assert captions(page) == seen["whole mask"]

    eventually(page, is_back, 60)


def test_masks_without_a_turn_offer_neither_the_layer_nor_the_parts(run_cell):
    page = separated(run_cell, "import mssviz\nmssviz.explore(model='repet-sim', duration=3)")
    open_panel(page, "Mask")
    expect(page.get_by_role("combobox", name="Phase")).to_be_visible()
    expect(page.get_by_role("combobox", name="Complex mask")).to_have_count(0)
    page.get_by_role("button", name="vocals", exact=True).first.click()
    kinds = page.get_by_label("What is shown of the stem").locator("option")
    expect(kinds.first).to_have_text("mask")
    assert "complex mask" not in kinds.all_inner_texts()


@pytest.fixture(scope="module")
def oracle():
    """A song through the oracle's Wiener filter, which turns phases and needs no network."""
    explorer = mssviz.explore(model="oracle:MWF-targets", duration=5)
    explorer.separate()
    yield explorer
    explorer.close()


def test_a_saved_page_has_complex_masks_to_their_steps(browser, oracle, tmp_path):
    file = oracle.save_html(tmp_path / "page.html")
    page = browser.new_context(viewport={"width": 1200, "height": 1000}, offline=True).new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function(SETTLED)
    show_complex_mask(page)
    expect(page.locator("body")).to_contain_text("complex masks to ±1.5 dB and ±11°")
    screenshot(page, "page-complex-mask")
    left, top, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))
    n_read = 0
    for share_x, share_y in ((0.3, 0.6), (0.5, 0.4), (0.7, 0.7), (0.4, 0.9)):
        page.mouse.move(left + share_x * width, top + share_y * height)
        expect(page.locator(".mssviz-spectrogram .mssviz-readout")).to_contain_text("turn")
        reading = page.evaluate(READING)
        exact = oracle.view.read(reading["time"], reading["frequency"])
        for stem, values in reading["stems"].items():
            found, expected = values["complex_mask"], exact["stems"][stem]["complex_mask"]
            if plots.LOWEST_DB < expected["level_db"] < plots.HIGHEST_DB:
                apart = (found["turn"] - expected["turn"] + 180) % 360 - 180
                assert abs(apart) <= 180 / plots.TURNS + 0.01
                assert found["level_db"] == pytest.approx(expected["level_db"], abs=1.52)
                n_read += 1
    assert n_read > 3
    assert errors == []
    page.context.close()
