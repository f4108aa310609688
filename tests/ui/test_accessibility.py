"""What axe-core finds in the pages, at levels A and AA of WCAG 2.2: nothing."""

import pytest
from playwright.sync_api import expect

from tests.ui.lab import screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
#: Rules that a saved page's lanes still break: buttons below 24 px, a label that lacks its text.
KNOWN_IN_PAGE = ("target-size: ", "label-content-name-mismatch: ")

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
LISTENING = """
import numpy as np, mssviz
noise = np.random.default_rng(0).normal(0, 0.05, (22050, 2)).astype(np.float32)
mssviz.ListeningTest({"t": {"a": noise, "b": noise / 2}}, 44100, references={"t": noise})
"""
TRAINING = """
import pandas as pd
import mssviz
from mssviz.widgets import training_view
view = mssviz.TrainingView(mssviz.examples()["francium"].excerpt(0, 2))
history = pd.DataFrame({"step": [1, 2], "loss": [2, 1], "validation_loss": [2.0, 1.5]})
sdr = {"vocals": [1.0, 2.0], "accompaniment": [3.0, 4.0]}
picture = training_view._curves(history, sdr)
view._curves.value = training_view._img(picture, training_view._in_words(history, sdr))
view
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_explorer(run_cell, axe, dark):
    page = run_cell(EXPLORER, dark=dark)
    expect(page.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible(timeout=WORK_MS)
    expect(page.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)
    assert not (found := axe(page, ".mssviz-explorer")), "\n".join(found)


def test_the_listening_test(run_cell, axe):
    page = run_cell(LISTENING)
    expect(page.locator(".mssviz-lt")).to_be_visible(timeout=WORK_MS)
    assert not (found := axe(page, ".mssviz-lt")), "\n".join(found)


def test_the_training_view(run_cell, axe):
    page = run_cell(TRAINING)
    expect(page.locator(".mssviz-box img")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-picture")).to_be_visible(timeout=WORK_MS)
    assert page.get_by_role("toolbar", name="Brush").count() == 0
    screenshot(page.locator(".mssviz-box"), "training-view")
    assert not (found := axe(page, ".mssviz-box")), "\n".join(found)


def test_a_saved_page(run_cell, browser, axe, lab_folder):
    page = run_cell(SAVED)
    expect(page.locator(".jp-OutputArea-output", has_text="a11y.html")).to_be_visible(
        timeout=WORK_MS
    )
    saved = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    saved.goto((lab_folder / "a11y.html").as_uri())
    expect(saved.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible(timeout=WORK_MS)
    found = [f for f in axe(saved, "body") if not f.startswith(KNOWN_IN_PAGE)]
    assert not found, "\n".join(found)
    saved.context.close()
