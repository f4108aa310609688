"""An upload in a real JupyterLab: large files arrive whole, others leave nothing behind."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.ui.lab import screenshot

pytestmark = pytest.mark.ui

CODE = """
import hashlib, os
import ipywidgets as w, mssviz
os.environ["TMPDIR"] = {folder!r}
upload = mssviz.Upload(accept="audio/*", max_bytes=40_000_000)
label = w.Label("nothing")
def arrived(change):
    with open(change["new"], "rb") as file:
        label.value = change["new"] + " " + hashlib.file_digest(file, "sha256").hexdigest()
upload.observe(arrived, "path")
w.VBox([upload, upload, label])
"""

# calls a function when the progress of the first view has reached a percentage
AT_PERCENT = """
([percent, action]) => {
    const el = document.querySelector(".mssviz-upload");
    const bar = el.querySelector("[role=progressbar]");
    window.seen = [];
    new MutationObserver((_, observer) => {
        window.seen.push(Number(bar.getAttribute("aria-valuenow")));
        if (window.seen.at(-1) < percent) return;
        observer.disconnect();
        if (action === "cancel") el.querySelector(".mssviz-upload-cancel").click();
        if (action === "close") el.mssvizUpload.close();
        if (action === "hold") {
            const { model } = el.mssvizUpload;
            const { send } = model;
            model.send = () => {};
            window.release = () => { model.send = send; };
        }
    }).observe(bar, { attributeFilter: ["aria-valuenow"] });
}
"""

DROP = """
([count, name]) => {
    const data = new DataTransfer();
    for (let i = 0; i < count; i++) data.items.add(new File(["dropped"], name));
    const el = document.querySelector(".mssviz-upload");
    for (const type of ["dragenter", "dragover", "drop"]) {
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        el.dispatchEvent(new DragEvent(type, options));
    }
}
"""


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("songs") / "Lärm & <img src=x>.wav"
    path.write_bytes(np.random.default_rng(0).bytes(25_000_000))
    return path


@pytest.fixture
def open_upload(run_cell, tmp_path):
    def open_(**options):
        page = run_cell(CODE.format(folder=str(tmp_path)), alone=True, **options)
        view = page.locator(".mssviz-upload").first
        view.get_by_role("button", name="Choose a file…").wait_for(timeout=60_000)
        return page, view

    return open_


def _files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".made-by-mssviz"]


def test_25_megabytes_arrive_byte_for_byte(open_upload, song, tmp_path):
    page, view = open_upload(dark=True, width=800)
    page.evaluate(
        """() => {
            const { model } = document.querySelector(".mssviz-upload").mssvizUpload;
            const send = model.send;
            window.sizes = [];
            model.send = (message, callbacks, buffers) => {
                window.sizes.push(buffers?.[0].byteLength ?? 0);
                return send.call(model, message, callbacks, buffers);
            };
        }"""
    )
    page.evaluate(AT_PERCENT, [101, "none"])
    with page.expect_file_chooser() as chooser:
        view.get_by_role("button", name="Choose a file…").press("Enter")
    assert not chooser.value.is_multiple()
    chooser.value.set_files(song)
    label = page.locator(".widget-label").last
    expect(label).to_have_text(re.compile("[0-9a-f]{64}$"), timeout=30_000)
    path, digest = label.inner_text().rsplit(" ", 1)
    assert digest == hashlib.sha256(song.read_bytes()).hexdigest()
    assert _files(tmp_path) == [Path(path)]
    assert Path(path).name == "Lärm & _img src=x_.wav"
    seen, sizes = page.evaluate("[window.seen, window.sizes]")
    assert seen == sorted(seen)
    assert len(set(seen)) > 20
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == 25_000_000
    expect(view.locator(".mssviz-upload-progress")).to_be_hidden()
    for shown in page.locator(".mssviz-upload").all():  # both views say what is there
        expect(shown.get_by_role("status")).to_contain_text("Uploaded: Lärm")
    screenshot(view, "upload-dark")


def test_what_ends_early_leaves_nothing(open_upload, song, tmp_path):
    page, view = open_upload(width=800)
    choose = view.locator("input[type=file]")
    alert = view.get_by_role("alert")

    large = song.with_name("large.wav")
    large.write_bytes(bytes(40_000_001))
    choose.set_input_files(large)
    expect(alert).to_contain_text("large.wav has 40.0 MB; at most 40.0 MB are taken")
    assert _files(tmp_path) == []

    page.evaluate(AT_PERCENT, [40, "cancel"])
    choose.set_input_files(song)
    page.wait_for_function("window.seen.at(-1) >= 40")
    expect(view.locator(".mssviz-upload-progress")).to_be_hidden()
    expect(alert).to_be_empty()
    _wait_for_files(page, tmp_path, [])

    page.evaluate(DROP, [2, "a.wav"])
    expect(alert).to_have_text("One file at a time, please.")

    page.evaluate(AT_PERCENT, [40, "hold"])
    choose.set_input_files(song)
    page.wait_for_function("Boolean(window.release)")
    expect(alert).to_be_empty()
    assert len(_files(tmp_path)) == 1
    assert view.locator("img").count() == 0
    screenshot(view, "upload-light")
    page.evaluate("window.release()")
    page.evaluate(DROP, [1, "../<img src=y>.wav"])  # takes the other's place
    expect(view.get_by_role("status")).to_have_text("Uploaded: _img src=y_.wav, 7 bytes")
    (dropped,) = _files(tmp_path)
    assert dropped.read_bytes() == b"dropped"

    page.evaluate(AT_PERCENT, [20, "close"])
    choose.set_input_files(song)
    page.wait_for_function("!document.querySelector('.mssviz-upload').children.length")
    _wait_for_files(page, tmp_path, [dropped])


def _wait_for_files(page, folder, expected):
    for _ in range(50):
        if _files(folder) == expected:
            return
        page.wait_for_timeout(100)
    assert _files(folder) == expected
