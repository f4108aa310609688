"""Saving from the page: a file beside the notebook, and the same one as a download."""

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import both_themes, open_panel, screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
CELL = """
import mssviz
explorer = mssviz.explore("lithium", model="repet-sim", duration=3)
explorer
"""


def test_what_is_saved_is_downloaded_and_stands_beside_the_notebook(run_cell, lab_folder):
    page = run_cell(CELL)
    page.set_viewport_size({"width": 1366, "height": 768})
    save = page.locator(".mssviz-save")
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    open_panel(page, "Save")
    expect(save.get_by_role("link")).to_be_hidden()
    save.get_by_label("Save", exact=True).first.select_option("Karaoke: all but the vocals")
    save.get_by_label("as").select_option("flac")
    before = set(lab_folder.glob("*.flac"))
    with page.expect_download(timeout=WORK_MS) as download:
        save.get_by_role("button", name="Save").click()
    [path] = set(lab_folder.glob("*.flac")) - before
    assert download.value.suggested_filename == path.name
    assert download.value.path().read_bytes() == path.read_bytes()
    found, _ = mssviz.load_audio(path)
    assert found.shape == (3 * 44100, 2)
    assert np.abs(found).max() > 0.01
    expect(save).to_contain_text("saved beside the notebook as")
    for theme in both_themes(page):
        screenshot(page, f"saving-{theme}")
    with page.expect_download(timeout=WORK_MS) as again:
        save.get_by_role("link", name="again").click()
    assert again.value.suggested_filename == path.name


def test_what_cannot_be_saved_is_said_where_it_was_asked_for(run_cell):
    page = run_cell(CELL.replace("repet-sim", "hpss"))
    save = page.locator(".mssviz-save")
    open_panel(page, "Save")
    expect(save.get_by_role("button", name="Save")).to_be_disabled(timeout=WORK_MS)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Separate").click(timeout=WORK_MS)
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=WORK_MS)
    open_panel(page, "Save")
    save.get_by_label("Save", exact=True).first.select_option("Karaoke: all but the vocals")
    save.get_by_role("button", name="Save").click()
    expect(save.get_by_role("alert")).to_contain_text("needs a model with a stem of vocals")
    expect(save.get_by_role("link")).to_be_hidden()
