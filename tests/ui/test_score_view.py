"""Scores below a spectrogram in a real browser: what is drawn and read is what the table holds."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from mssviz.scores.windows import MEASURES
from tests.ui.lab import eventually, screenshot

pytestmark = pytest.mark.ui

OFFSET = 30.0
SECONDS = 24
SILENT = (9, 10, 11)
COLORS = {"vocals": "#E69F00", "drums": "#56B4E9", "bass": "#009E73"}
RGB = {"vocals": (230, 159, 0), "drums": (86, 180, 233), "bass": (0, 158, 115)}


def scores():
    """Three targets: all silent in some windows; one outlier, and perfect drums at the end."""
    rng = np.random.default_rng(3)
    tables = []
    for i, target in enumerate(COLORS):
        course = 4 + 4 * i + np.cumsum(rng.normal(0, 0.9, SECONDS))
        columns = {m: course + 3 * k + rng.normal(0, 0.5, SECONDS) for k, m in enumerate(MEASURES)}
        table = pd.DataFrame({"target": target, "time": np.arange(SECONDS, dtype=float), **columns})
        table.loc[list(SILENT), list(MEASURES)] = np.nan
        tables.append(table)
    tables[0].loc[4, "SDR"] = -38.5
    tables[1].loc[SECONDS - 1, list(MEASURES)] = np.inf
    tables[2].loc[16, list(MEASURES)] = np.nan
    return pd.concat(tables, ignore_index=True)


CODE = f"""
import io, json, math
import ipywidgets as w, numpy as np, pandas as pd, mssviz
from mssviz.stft import StftParams, stft
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView

table = pd.read_csv(io.StringIO({scores().to_csv(index=False)!r}))
params = StftParams(sample_rate=8000, n_fft=512, hop_length=128)
rng = np.random.default_rng(0)
mixture = stft(rng.normal(0, 0.1, (8000 * {SECONDS}, 2)).astype("float32"), params)
picture = SpectrogramView(mixture, params, offset={OFFSET}, height=160)
view = ScoreView(table, colors={COLORS!r}, offset={OFFSET})
for trait in ("start", "stop", "time", "selection"):
    w.jslink((picture, trait), (view, trait))
label = w.Label()
def tell(_):
    label.value = json.dumps([picture.time, view.time, view.selection, view.measure])
view.observe(tell, ["time", "selection", "measure"])
picture.observe(tell, "time")
w.VBox([picture, view, label])
"""


@pytest.fixture
def open_view(run_cell):
    def open_(**options):
        page = run_cell(CODE, **options)
        view = page.locator(".mssviz-scoreview")
        view.wait_for(timeout=60_000)
        page.wait_for_timeout(300)
        return page, view

    return open_


def _x(page, seconds):
    """Place of a song time in the window of the browser."""
    box = page.locator(".mssviz-scoreview canvas").bounding_box()
    start, stop = page.evaluate(
        """() => { const { model } = document.querySelector(".mssviz-scoreview").mssvizScores;
                   return [model.get("start"), model.get("stop")]; }"""
    )
    share = (seconds - start) / (stop - start)
    return box["x"] + 54 + share * (box["width"] - 62), box["y"] + box["height"] / 2


def _pixels(page):
    """The picture's pixels, (height, width, 4)."""
    url = page.evaluate("() => document.querySelector('.mssviz-scoreview canvas').toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(image).astype(int)


def _painted(pixels, color):
    """Rows and columns painted in a colour, not see-through."""
    near = np.abs(pixels[:, :, :3] - color).max(axis=2) < 12
    return near & (pixels[:, :, 3] > 240)


def _formatted(value):
    if np.isnan(value):
        return "silent"
    return "∞" if np.isinf(value) else f"{value:.2f}".replace("-", "−")


def _cells(view):
    rows = view.locator(".mssviz-readout tr").all()[1:]
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def _widths(page):
    return page.evaluate(
        """() => {
            const picture = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
            const scores = document.querySelector(".mssviz-scoreview").mssvizScores;
            return [picture.plot.inner.width, scores.plot.inner.width];
        }"""
    )


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 800)])
def test_draws_steps_gaps_and_arrows_below_the_spectrogram(open_view, theme, width):
    page, view = open_view(dark=theme == "dark", width=width)
    table, pixels = scores(), _pixels(page)
    inner = pixels.shape[1] - 62
    columns = 54 + (np.arange(SECONDS) + 0.5) / SECONDS * inner
    low, high = page.evaluate(
        "() => document.querySelector('.mssviz-scoreview').mssvizScores.plot.range"
    )
    assert -38.5 < low <= 0
    for target, rows in table.groupby("target"):
        painted = _painted(pixels, RGB[target])
        for value, x in zip(rows["SDR"], columns.astype(int), strict=True):
            found = np.flatnonzero(painted[:, x])
            steps = found[found < pixels.shape[0] - 20 - 15]  # above the hatch
            if np.isnan(value):
                assert steps.size == 0
            elif np.isfinite(value) and target == "bass":  # drawn last, nothing covers it
                y = 8 + (high - value) / (high - low) * (pixels.shape[0] - 28)
                assert np.abs(steps - y).min() < 2
    # the outlier's arrow is below the axis, the perfect score's above
    vocals, drums = _painted(pixels, RGB["vocals"]), _painted(pixels, RGB["drums"])
    at = (columns[[4, -1]] + [-10, 0]).astype(int)
    assert vocals[-19:, at[0] - 3 : at[0] + 4].sum() >= 5
    assert drums[:7, at[1] - 3 : at[1] + 4].sum() >= 5
    legend = view.locator(".mssviz-legend")
    median = table[table["target"] == "vocals"]["SDR"].median()
    expect(legend).to_contain_text(f"median {median:.2f} dB")
    expect(legend.get_by_text("silent")).to_be_visible()
    widths = _widths(page)
    assert widths[0] == widths[1] == inner
    page.mouse.move(*_x(page, OFFSET + 14.5))
    page.wait_for_timeout(200)
    screenshot(view.locator("xpath=.."), f"scores-{theme}")


def test_reads_seeks_and_follows(open_view):
    page, view = open_view()
    table = scores()
    readout, label = view.get_by_role("status"), page.locator(".widget-label").last

    for index in (3, 10, SECONDS - 1):
        page.mouse.move(*_x(page, OFFSET + index + 0.4))
        begin = f"{OFFSET + index:g}"
        expect(readout).to_contain_text(f"window from {begin} to {OFFSET + index + 1:g} s")
        for target, rows in table[table["time"] == index].groupby("target"):
            expected = [_formatted(value) for value in rows[list(MEASURES)].iloc[0]]
            assert _cells(view)[target] == expected

    page.mouse.click(*_x(page, OFFSET + 7.8))
    expect(label).to_have_text(json.dumps([37.0, 37.0, None, "SDR"]))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("window from 39 ")
    expect(label).to_have_text(json.dumps([39.0, 39.0, None, "SDR"]))

    page.keyboard.down("Shift")
    page.mouse.move(*_x(page, OFFSET + 12))
    page.mouse.down()
    page.mouse.move(*_x(page, OFFSET + 16), steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")

    def selected():
        assert json.loads(label.inner_text())[1:3] == [39, pytest.approx([42, 46], abs=0.05)]

    eventually(page, selected)

    view.get_by_role("combobox", name="Measure").select_option("SIR")
    expect(label).to_have_text(re.compile('"SIR"'))
    median = table[table["target"] == "bass"]["SIR"].median()
    expect(view.locator(".mssviz-legend")).to_contain_text(f"median {median:.2f} dB")

    # zoomed in the spectrogram, both still lie under each other
    box = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    middle = (box["x"] + 54 + (box["width"] - 62) / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*middle)
    page.mouse.wheel(0, -100)

    def aligned():
        ours, theirs = _widths(page)
        assert ours == theirs == box["width"] - 62

    eventually(page, aligned)
    # a click moves the playhead, and leaves what is selected
    page.mouse.click(*_x(page, OFFSET + 12.5))
    expect(label).to_have_text(re.compile(r"^\[42.0, 42.0, \[4"))
    page.keyboard.press("Escape")
    expect(label).to_have_text(re.compile(r"^\[42.0, 42.0, null"))


def test_closing_leaves_nothing_and_other_scores_come_to_every_view(open_view):
    page, _ = open_view()
    before = _pixels(page)
    left = page.evaluate(
        """async () => {
            const old = document.querySelector(".mssviz-scoreview").mssvizScores;
            const { model, widget } = old;
            const on = model.on, off = model.off;
            let count = 0;
            model.on = (...event) => { count += 1; return on.call(model, ...event); };
            model.off = (...event) => { count -= 1; return off.call(model, ...event); };
            const add = () => {
                const el = document.createElement("div");
                el.style.width = `${widget.el.clientWidth}px`;
                document.body.append(el);
                return new old.constructor(new widget.constructor(model, el));
            };
            const gone = add();
            gone.widget.close();
            const counted = count;
            const late = add();
            await new Promise((resolve) => setTimeout(resolve, 200));
            const same = late.canvas.toDataURL() === old.canvas.toDataURL();
            const table = structuredClone(model.get("_table"));
            table.targets[2].SDR = table.targets[2].SDR.map(() => null);
            model.set("_table", table);
            await new Promise((resolve) => setTimeout(resolve, 200));
            const again = late.canvas.toDataURL() === old.canvas.toDataURL();
            late.widget.close();
            return [counted, gone.widget.el.children.length, same, again];
        }"""
    )
    assert left == [0, 0, True, True]
    above = slice(0, before.shape[0] - 35)
    assert _painted(before, RGB["bass"])[above].sum() > 100
    assert _painted(_pixels(page), RGB["bass"])[above].sum() == 0
