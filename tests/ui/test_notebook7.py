"""The widgets in Jupyter Notebook 7, which shares the server with JupyterLab."""

import pytest
from playwright.sync_api import expect

from tests.ui import lab as jupyter
from tests.ui.lent import HAS_KERNEL

pytestmark = pytest.mark.ui

CODE = """
import mssviz
explorer = mssviz.explore(duration=4)
explorer
"""


def test_the_explorer_works(browser, lab, lab_folder):
    page = jupyter.new_page(browser, viewport={"width": 1280, "height": 2200})
    name = jupyter.write_cell(lab_folder, CODE)
    page.goto(lab.replace("/lab?", f"/notebooks/{name}?"))
    page.wait_for_function(HAS_KERNEL, timeout=60_000)
    jupyter.run_all(page)
    button = page.get_by_role("button", name="Separate")
    button.click()
    expect(page.locator(".mssviz-mixer-caption").nth(1)).to_be_visible(timeout=60_000)
    expect(page.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible()
    expect(page.get_by_role("group", name="vocals").first).to_be_visible()
    box = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".mssviz-spectrogram .mssviz-readout table")).to_be_visible()
    page.wait_for_timeout(500)
    jupyter.screenshot(page, "notebook7")
    page.context.close()
