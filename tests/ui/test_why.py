"""The panel Why? in a real JupyterLab: its numbers beside those that numpy gives by itself."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui import lab as jupyter
from tests.ui.lab import SETTLED, eventually, heard, open_panel, plot_area, screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
RATE, N_FFT, HOP = 44100, 4096, 1024


@pytest.fixture(scope="module")
def page(browser, lab, lab_folder, kernels):
    """An explorer with the shipped song under the real network, whose panel Why? is open."""
    page = jupyter.new_page(browser, viewport={"width": 1440, "height": 1000})
    name = jupyter.write_cell(lab_folder, "import mssviz\nmssviz.explore()")
    kernels.lend(name)
    jupyter.open_notebook(page, lab, name)
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    open_panel(page, "Why?")
    yield page
    page.context.close()
    kernels.forget()
    kernels.take_back()


@pytest.fixture(scope="module")
def truth(example, separation):
    """True vocals and their estimate, as arrays."""
    return example[1]["vocals"], separation.estimates["vocals"]


@pytest.fixture
def panel(page):
    return page.locator(".mssviz-panel-why")


def ask(page, question):
    open_panel(page, "Why?")
    page.get_by_role("combobox", name="Question").select_option(label=question)


def done(page):
    page.wait_for_timeout(200)
    expect(page.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    page.wait_for_function(SETTLED, timeout=WORK_MS)


def hears(page, expected, tolerance=2**-19):
    seconds = len(expected) / RATE

    def check():
        assert np.abs(heard(page, seconds) - expected).max() < tolerance

    eventually(page, check)


def trait(page, name):
    script = """(name) =>
        document.querySelector(".mssviz-spectrogram").mssvizSpectrogram.model.get(name)"""
    return page.evaluate(script, name)


def decibels(signal, error):
    return 10 * np.log10(np.square(signal, dtype=float).sum() / np.square(error, dtype=float).sum())


def energy_of_bins(waveform):
    """|STFT|^2 of each bin, summed over channels, times what a bin and its mirror image count."""
    window = np.hanning(N_FFT + 1)[:-1]
    padded = np.pad(waveform.astype(float), ((N_FFT, 2 * N_FFT), (0, 0)))
    starts = np.arange(0, len(padded) - N_FFT, HOP)
    times = (starts - N_FFT / 2) / RATE  # of the centres
    spectra = [np.fft.rfft(padded[s : s + N_FFT] * window[:, None], axis=0) for s in starts]
    energy = np.square(np.abs(spectra)).sum(axis=2) * 2
    energy[:, [0, -1]] /= 2
    return times, np.fft.rfftfreq(N_FFT, 1 / RATE), energy


def test_the_first_screen_has_nothing_of_it(page):
    open_panel(page, "Why?")
    page.locator(".mssviz-menu button", has_text="Why?").click()
    expect(page.locator(".mssviz-panel-why")).to_be_hidden()
    open_panel(page, "Why?")
    expect(page.locator(".mssviz-panel-why")).to_be_visible()


def test_errors_are_found_listed_looked_at_and_heard(page, panel, truth):
    true, found = truth
    ask(page, "Where did the decibels go?")
    panel.get_by_role("button", name="Find errors").click()
    rows = panel.locator(".mssviz-regions button")
    expect(rows).to_have_count(10, timeout=WORK_MS)
    done(page)
    sdr = decibels(true, found - true)
    expect(panel).to_contain_text(f"SDR {sdr:.2f} dB")
    times, hertz, energy = energy_of_bins(found - true)
    for box, text in zip(trait(page, "boxes"), rows.all_inner_texts(), strict=True):
        gain = float(re.search(r"\+(\d+\.\d+) dB", text).group(1))
        share = 1 - 10 ** (-gain / 10)
        inside = energy[(box["start"] < times) & (times < box["stop"])]
        inside = inside[:, (box["low"] < hertz) & (hertz < box["high"])]
        # a region lies in its box, which holds little beside it
        assert (
            0.3 * inside.sum() / energy.sum() < share <= 1.02 * inside.sum() / energy.sum() + 1e-3
        )
    assert trait(page, "show") == "map/vocals/error"
    screenshot(page.locator(".mssviz-explorer"), "why-errors")
    before = trait(page, "start"), trait(page, "stop")
    rows.first.click()
    [box, *_] = trait(page, "boxes")
    start, stop = trait(page, "selection")
    assert start <= box["start"] + 1e-6
    assert box["stop"] - 1e-6 <= stop
    assert trait(page, "stop") - trait(page, "start") < before[1] - before[0]
    expect(page.locator(".mssviz-mixer-loop-text")).to_be_visible()
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    screenshot(page.locator(".mssviz-explorer"), "why-region")
    part = slice(0, 3 * RATE)
    for name, expected in (("Error", found - true), ("True stem", true), ("Estimate", found)):
        panel.get_by_role("button", name=name, exact=True).click()
        hears(page, expected[part])


def test_the_bin_under_the_pointer_says_its_error(page, truth):
    true, found = truth
    page.locator(".mssviz-spectrogram .mssviz-picture").dblclick()
    x, y, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))
    page.mouse.move(x + 0.3 * width, y + 0.55 * height)
    readout = page.locator(".mssviz-spectrogram .mssviz-readout")
    expect(readout).to_contain_text("error: ")
    script = "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
    reading = page.evaluate(script)
    stfts = [
        mssviz.stft.stft(wave, mssviz.stft.StftParams())[reading["frame"], reading["bin"]]
        for wave in (found, true)
    ]
    side = "too much" if np.abs(stfts[0]).sum() > np.abs(stfts[1]).sum() else "missing"
    said = reading["maps"]["map/vocals/error"]
    assert said["side"] == side
    assert said["level_db"] < 0


def test_the_parts_of_a_score_are_lanes_that_add_up(page, panel, truth):
    true, found = truth
    page.get_by_role("button", name=re.compile("Drop the selection")).click()
    ask(page, "What is the score made of?")
    lanes = page.get_by_role("combobox", name="Lanes")
    lanes.select_option(label="the parts of this stem")
    expect(page.get_by_role("group", name="interference")).to_be_visible(timeout=WORK_MS)
    done(page)
    hears(page, found[: 5 * RATE], 1e-5)
    tracks = {}
    for name in ("target", "spatial", "interference", "artefacts"):
        strip = page.get_by_role("group", name=name, exact=True)
        strip.get_by_role("button", name="Solo").click()
        tracks[name] = heard(page, len(true) / RATE)
        strip.get_by_role("button", name="Solo").click()
    assert np.abs(tracks["target"] - true).max() < 1e-6
    captions = page.locator(".mssviz-mixer-caption").all_inner_texts()
    said = dict(re.match(r"(\w+) (−?\d+\.\d)", text).groups() for text in captions)
    for measure, name in (("ISR", "spatial"), ("SIR", "interference"), ("SAR", "artefacts")):
        right = np.sum(list(tracks.values())[: list(tracks).index(name)], axis=0)
        expected = decibels(right, tracks[name])
        assert float(said[measure].replace("−", "-")) == pytest.approx(expected, abs=0.06)
    assert float(said["SDR"]) == pytest.approx(decibels(true, found - true), abs=0.06)
    screenshot(page.locator(".mssviz-explorer"), "why-parts")
    lanes.select_option(label="the stems")
    expect(page.get_by_role("group", name="accompaniment", exact=True)).to_be_visible()


def test_bleed_and_holes_are_drawn_and_read(page, panel, truth):
    true, found = truth
    ask(page, "How would boards rank it?")
    panel.get_by_role("button", name="Draw bleed and holes").click()
    bar = page.locator(".mssviz-colorbar")
    expect(bar).to_contain_text("difference of levels, in mel bands", timeout=WORK_MS)
    done(page)
    assert trait(page, "show") == "map/vocals/bleed and holes"
    assert trait(page, "boxes") == []  # those of the errors' map
    expect(panel).to_contain_text("violet is louder than the true stem")
    screenshot(page.locator(".mssviz-explorer"), "why-bleed")
    bleed = mssviz.scores.bleed_map(true, found, RATE)
    x, y, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))
    page.mouse.move(x + 0.4 * width, y + 0.5 * height)
    readout = page.locator(".mssviz-spectrogram .mssviz-readout")
    expect(readout).to_contain_text("bleed and holes: ")
    script = "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
    reading = page.evaluate(script)
    frame = np.abs(bleed.times - reading["time"]).argmin()
    band = np.abs(bleed.frequencies - reading["frequency"]).argmin()
    energies = 10 ** (np.abs(bleed.difference[frame, band]) / 10)
    mean = np.mean(np.copysign(energies, bleed.difference[frame, band]))
    said = reading["maps"]["map/vocals/bleed and holes"]
    assert said["side"] == ("louder" if mean > 0 else "softer")
    assert said["level_db"] == pytest.approx(10 * np.log10(abs(mean)), abs=0.01)


def test_a_pinned_bin_is_explained_and_its_evidence_heard(page, panel):
    ask(page, "Why this bin?")
    picture = page.locator(".mssviz-spectrogram .mssviz-picture")
    x, y, width, height = plot_area(picture)
    page.mouse.move(x + 0.3 * width, y + 0.55 * height)
    picture.press("p")
    expect(page.get_by_role("button", name=re.compile("^Unpin"))).to_be_visible()
    # widgets' messages may overtake each other: the kernel knows of the pin when lines have come
    slices = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.slices"
    page.wait_for_function(f"() => {slices}.found", timeout=WORK_MS)
    panel.get_by_role("button", name="Explain the pinned bin").click()
    expect(panel).to_contain_text("the odds of vocals are", timeout=WORK_MS)
    done(page)
    script = "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
    mask = page.evaluate(script)["stems"]["vocals"]["mask"]
    odds = float(re.search(r"are ([+−]\d+\.\d) dB", panel.inner_text()).group(1).replace("−", "-"))
    # the odds are of the mean over the channels of their logarithms
    assert odds == pytest.approx(10 * np.log10(mask / (1 - mask)), abs=1.0)
    assert trait(page, "show") == "map/vocals/evidence"
    screenshot(page.locator(".mssviz-explorer"), "why-evidence")
    panel.get_by_role("button", name="Hear only the evidence").click()
    expect(page.get_by_role("group", name="evidence", exact=True)).to_be_visible(timeout=WORK_MS)
    level = np.square(heard(page, 10)).sum()
    mixture = mssviz.examples()["francium"].load()[0]
    assert 0 < level < 0.5 * np.square(mixture[: 10 * RATE]).sum()
    panel.get_by_role("button", name="Hear only the evidence").click()
    expect(page.get_by_role("group", name="accompaniment", exact=True)).to_be_visible()
    # slow ways refine while one watches, and can be stopped
    page.get_by_role("combobox", name="Method").select_option(label="occlusion (refines)")
    panel.get_by_role("button", name="Explain the pinned bin").click()
    page.get_by_role("button", name="Cancel").click(timeout=WORK_MS)
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=WORK_MS)


def test_a_skip_connection_is_cut_heard_and_given_back(page, panel, truth, example, separator):
    ask(page, "What does a layer do?")
    panel.get_by_role("button", name="Draw the network").click()
    surgery = mssviz.insight.Surgery(separator)
    surgery.scale("vocals_conv1_skip", 0)
    cut = surgery.separate(example[0], RATE, progress=False).estimates["vocals"]
    panel.get_by_role("button", name="skip from conv1, joins up5").click(timeout=WORK_MS)
    screenshot(page.locator(".mssviz-explorer"), "why-network")
    panel.get_by_role("switch").first.click()
    done(page)
    solo = page.get_by_role("group", name="vocals", exact=True).get_by_role("button", name="Solo")
    if solo.get_attribute("aria-pressed") != "true":
        solo.click()
    hears(page, cut[: 3 * RATE], 1e-4)
    panel.get_by_role("button", name="Reset").click()
    done(page)
    hears(page, truth[1][: 3 * RATE], 1e-4)
    panel.get_by_role("button", name=re.compile("feature maps")).click()
    expect(panel).to_contain_text("channel", timeout=WORK_MS)
    done(page)
    assert trait(page, "show") == "map/vocals/feature map"
    screenshot(page.locator(".mssviz-explorer"), "why-feature-map")
