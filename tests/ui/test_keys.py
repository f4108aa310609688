"""JupyterLab's command keys: pressed in a widget, they must not reach the notebook around it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.lab import open_panel

pytestmark = pytest.mark.ui

#: To Markdown, a cell below, cut, delete, restart the kernel, run and go on, a cell above, undo.
LETTERS = ("m", "b", "x", "d", "d", "0", "0", "a", "z", "y", "r")
#: Which run the cell; a button takes them for a press, and so they are not tried there.
ENTERS = ("Shift+Enter", "Control+Enter")
WORK_MS = 60_000
#: Everything in a box that takes the focus now.
FOCUSABLE = """(root) => {
    const all = "button, select, input, textarea, summary, [tabindex], [contenteditable]";
    return [...root.querySelectorAll(all)].filter(
        (e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility()
    );
}"""
#: Those of them on which no keys were pressed so far.
FURTHER = f"""(root) => {{
    window.pressed ??= new WeakSet();
    return ({FOCUSABLE})(root).filter((e) => !window.pressed.has(e));
}}"""

EXPLORER = """
import mssviz
explorer = mssviz.explore(duration=2, model="mixture")
explorer
"""
OTHERS = """
import numpy as np, ipywidgets as w, pandas as pd, mssviz
from mssviz.stft import StftParams, stft
noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
spectrum = stft(noise, StftParams())
half = np.full(spectrum.shape, 0.5, np.float32)
row = {"target": "a", "time": 0.0, "SDR": 1.0, "ISR": 1.0, "SIR": 1.0, "SAR": 1.0}
w.VBox([
    mssviz.Mixer({"a": noise, "b": noise, "c": noise}, 44100, pairs={"a": "c"}),
    mssviz.SpectrogramView(spectrum, StftParams(), {"a": half}),
    mssviz.ScoreView(pd.DataFrame([row])),
    mssviz.Upload(),
    mssviz.ListeningTest({"t": {"a": noise, "b": noise / 2}}, 44100, references={"t": noise}),
])
"""
TRAINING = """
import mssviz
from mssviz import datasets
from mssviz.widgets.training_view import TrainingView
view = TrainingView(datasets.examples()["francium"].excerpt(0, 2))
view._stop.disabled = False
view
"""


def press_everywhere(page, root, least):
    """Press all keys on every further control, and see that the notebook is as it was."""
    expect(page.locator(".jp-InputPrompt").first).to_have_text("[1]:")
    assert page.evaluate(f"(root) => ({FOCUSABLE})(root).length", root) >= least
    count = page.evaluate(f"(root) => ({FURTHER})(root).length", root)
    assert count
    for _ in range(count):
        name = page.evaluate(
            f"""(root) => {{
                const [control] = ({FURTHER})(root);
                if (!control) return null;
                window.pressed.add(control);
                control.focus();
                return control.outerHTML.slice(0, 160);
            }}""",
            root,
        )
        if name is None:  # keys have closed what held it
            break
        for key in LETTERS if name.startswith("<button") else LETTERS + ENTERS:
            page.keyboard.press(key)
        assert_untouched(page, name)


def press_beside(page, *parts):
    """The same after a click on what takes no focus, and so would leave it to the cell."""
    for part in parts:
        part.click()
        for key in LETTERS + ENTERS:
            page.keyboard.press(key)
        assert_untouched(page, str(part))


def assert_untouched(page, name):
    cells = page.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == 1, name
    assert "jp-CodeCell" in cells.first.get_attribute("class"), name
    assert page.locator(".jp-Dialog").count() == 0, name
    assert cells.first.locator(".jp-InputPrompt").inner_text() == "[1]:", name


def test_no_control_of_the_explorer_lets_a_command_key_through(run_cell):
    page = run_cell(EXPLORER, alone=True)
    root = page.locator(".mssviz-explorer")
    expect(root.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    open_panel(page, "♪")
    page.get_by_role("combobox", name="Song").select_option(label="Own file or folder of stems…")
    expect(root.locator(".mssviz-upload-choose")).to_be_visible()
    press_everywhere(page, root.element_handle(), 9)
    page.evaluate("() => { window.pressed = null; }")  # more will be there, and more happen
    # letters have chosen other things
    open_panel(page, "♪")
    for name, index in (("Song", 0), ("Compare with", 0)):
        page.get_by_role("combobox", name=name).select_option(index=index)
    model = page.get_by_role("combobox", name="Model")
    model.select_option(label=model.locator("option", has_text="mixture –").inner_text())
    root.get_by_role("spinbutton", name="From").fill("0")
    root.get_by_role("spinbutton", name="Length").fill("2")
    root.get_by_role("button", name="Separate").press("Enter")
    open_panel(page, "Scores")
    expect(page.locator("table.mssviz-scores")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-scoreview")).to_be_visible(timeout=WORK_MS)
    # focus may be where a button was pressed that is disabled meanwhile
    for key in LETTERS:
        page.keyboard.press(key)
    assert_untouched(page, "after Separate")
    press_beside(page, root.locator("table.mssviz-scores td").first)
    for panel in ("Mask", "Brush", "Display", "Scores"):
        open_panel(page, panel)
        press_everywhere(page, root.element_handle(), 30)
    open_panel(page, "Mask")
    press_beside(page, root.get_by_text("Smoothing"), root.locator(".mssviz-mixer-clock"))
    root.get_by_text("Threshold").click(force=True)  # which is locked
    for key in LETTERS + ENTERS:
        page.keyboard.press(key)
    assert_untouched(page, "after a click on what is locked")


def test_no_control_of_the_other_widgets_lets_a_command_key_through(run_cell):
    page = run_cell(OTHERS, alone=True)
    expect(page.locator(".mssviz-lt")).to_be_visible(timeout=WORK_MS)
    expect(page.locator(".mssviz-spectrogram .mssviz-picture")).to_be_visible(timeout=WORK_MS)
    press_everywhere(page, page.locator(".jp-OutputArea-output").first.element_handle(), 30)
    press_beside(
        page,
        page.locator(".mssviz-spectrogram .mssviz-layerbar"),
        page.locator(".mssviz-scoreview .mssviz-readout"),
        page.locator(".mssviz-mixer-clock"),
        page.locator(".mssviz-lt"),
    )


def test_the_training_view_lets_no_command_key_through(run_cell):
    page = run_cell(TRAINING, alone=True)
    root = page.locator(".mssviz-box")
    expect(root.get_by_role("button", name="Stop")).to_be_enabled(timeout=WORK_MS)
    press_everywhere(page, root.element_handle(), 6)


def test_shortcuts_of_the_notebook_go_on_to_work(run_cell, lab_folder):
    page = run_cell(EXPLORER, fresh=True)
    root = page.locator(".mssviz-explorer")
    expect(root.get_by_role("button", name="Separate")).to_be_enabled(timeout=WORK_MS)
    notebook = max(Path(lab_folder).glob("cell-*.ipynb"), key=lambda path: path.stat().st_mtime)
    page.get_by_role("combobox", name="Model").focus()
    dirty = page.locator(".lm-DockPanel-tabBar .lm-mod-current.jp-mod-dirty")
    expect(dirty).to_have_count(1)
    assert '"outputs": []' in notebook.read_text("utf-8")
    page.keyboard.press("Control+s")
    expect(dirty).to_have_count(0)
    assert '"outputs": []' not in notebook.read_text("utf-8")
