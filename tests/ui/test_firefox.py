"""The explorer's main path and a saved page in Firefox, where tests else use Chromium."""

import os

import numpy as np
import pytest

import mssviz
from mssviz.separators.catalogue import find
from tests.ui.firefox import firefox_path, launch
from tests.ui.lab import MIXER, RUN_ALL, SETTLED, eventually, heard, write_cell
from tests.ui.lent import HAS_KERNEL

pytestmark = pytest.mark.ui

CODE = """
import mssviz
explorer = mssviz.explore(model="hpss", duration=3)
explorer
"""
#: Where the first picture is: its middle, in pixels of the page.
MIDDLE = """() => {
    const picture = document.querySelector(".mssviz-spectrogram .mssviz-picture");
    picture.scrollIntoView({ block: "center" });
    const { x, y, width, height } = picture.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
}"""
READOUT = """() => {
    const readout = document.querySelector(".mssviz-spectrogram .mssviz-readout");
    return readout.querySelector("table") && readout.innerText;
}"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    program = firefox_path()
    if program is None:
        message = "no Firefox found; install it (apt-get install firefox-esr)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with launch(program, tmp_path_factory.mktemp("firefox")) as running:
        yield running


@pytest.fixture(scope="module")
def separation():
    """What the explorer has separated."""
    song, _ = mssviz.examples()["francium"].load()
    return find("hpss").separate(song[: 3 * 44100], 44100, progress=False)


def _is_heard(page, expected, tolerance):
    def check():
        assert np.abs(heard(page, 2) - expected[: 2 * 44100]).max() < tolerance

    eventually(page, check)


def _looks(page):
    """The picture has its tiles, in more than a few colours, and says what is at its middle."""
    page.wait_for_function(SETTLED)
    words = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.painter.words"
    assert page.evaluate(f"() => new Set({words}).size") > 50
    page.move(*page.evaluate(MIDDLE))
    page.wait_for_function(READOUT)


def _plays(page):
    page.click("button", "Play")
    page.wait_for_function(f"() => {MIXER}?.context?.state === 'running' && {MIXER}.position > 0.2")
    page.click("button", "Pause")
    page.find("button", "Play")


def _open(page, lab, name):
    """Open a notebook in JupyterLab and run its cell."""
    page.goto(lab.replace("/lab?", f"/lab/tree/{name}?") + "&reset")
    page.wait_for_function(HAS_KERNEL)
    page.evaluate("() => localStorage.setItem('mssviz-tour', 'seen')")
    page.evaluate(RUN_ALL)


def test_the_explorer_and_the_page_that_it_saves(firefox, lab, kernels, lab_folder, separation):
    page = firefox.new_page(1280, 1400)
    name = write_cell(lab_folder, CODE)
    kernels.lend(name)
    _open(page, lab, name)
    page.click("button", "Separate")
    page.find("button", "Solo drums")
    page.find("button", "Separate")  # which has another name while it works
    page.wait_for_function("() => document.querySelector('.mssviz-mixer-caption:not([hidden])')")
    _looks(page)
    _is_heard(page, sum(separation.estimates.values()), 1e-5)
    _plays(page)
    page.click("button", "Solo drums")
    _is_heard(page, separation.estimates["drums"], 1e-5)
    page.click("button", "Mask")
    page.click("slider", "Soft to binary")
    page.press("End")
    drums = separation.with_options(hardness=1.0).estimates["drums"]
    _is_heard(page, drums, 1e-5)
    page.screenshot("firefox")
    page.click("button", "Save")
    page.find("combobox", "Save")  # which has the focus
    page.press("P")  # age that works without Python
    page.press("Tab")  # only then is it chosen in Firefox
    page.evaluate("() => document.querySelector('.mssviz-save button').focus()")
    page.press("Enter")
    _test_page(page, firefox.downloaded("*.html"), drums[: 2 * 44100])
    kernels.forget()
    kernels.take_back()


def _test_page(page, saved, drums):
    """A saved page plays and shows what the explorer did; the drums are still alone."""
    page.goto(saved.as_uri())
    _looks(page)
    _plays(page)

    def check():
        error = np.square(heard(page, 2) - drums).sum() / np.square(drums).sum()
        assert 10 * np.log10(error) < -15, error  # what Ogg Vorbis leaves

    eventually(page, check)
    page.screenshot("firefox-page")
