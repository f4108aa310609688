"""`mssviz app`: the explorer as a page of its own, with a session for whoever opens it."""

import os
import re
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import ROOT, SETTLED, eventually, new_page, plot_area, screenshot

pytestmark = pytest.mark.ui

WORK_MS = 60_000
#: A name that would do harm as code, as markup and in a shell.
NASTY = "'); raise SystemExit #<b>$(x).wav"


class App:
    """A running app with its address; `stop` is Ctrl+C."""

    def __init__(self, folder, *arguments):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "mssviz", "app", "--no-browser", "--port", str(port)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.said = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.said)
        assert found, self.said + self.process.communicate(timeout=20)[0]
        self.address = found.group()

    def kernels(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self):
        # as a terminal does: to all processes of the command's group
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    mssviz.write_audio(folder / NASTY, mssviz.examples()["francium"].load()[0][: 3 * 44100], 44100)
    running = App(folder, NASTY)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def open_page(browser, app):
    """Function that opens the app as another person: a browser without its cookies."""
    pages = []

    def open_(width=1366, height=768, address=app.address):
        page = new_page(browser, viewport={"width": width, "height": height})
        pages.append(page)
        page.goto(address, timeout=WORK_MS)
        return page

    yield open_
    for page in pages:
        page.context.close()


def separate_button(page):
    button = page.get_by_role("button", name="Separate")
    expect(button).to_be_enabled(timeout=WORK_MS)
    return button


def separate(page):
    separate_button(page).click()
    expect(page.get_by_role("group", name="vocals").first).to_be_visible(timeout=WORK_MS)
    separate_button(page)
    page.wait_for_function(SETTLED, timeout=WORK_MS)


def kernel_of(page):
    return page.evaluate(
        "() => JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId"
    )


def test_the_explorer_fills_the_window_and_asks_no_other_host(open_page, app):
    page = open_page()
    answered = []
    page.on("response", lambda response: answered.append(response.url))
    page.reload()
    separate(page)
    assert {url.split("/")[2] for url in answered if url.startswith("http")} == {
        app.address.split("/")[2]
    }
    expect(page).to_have_title("mssviz")
    assert page.locator(".jp-InputArea:visible").count() == 0
    box = page.locator(".mssviz-explorer").bounding_box()
    assert box["x"] <= 8
    assert box["width"] >= 1366 - 30
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    screenshot(page, "app-1366")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_function(SETTLED, timeout=WORK_MS)
    screenshot(page, "app-1280")


def test_the_songs_name_is_text(open_page):
    page = open_page()
    separate_button(page)
    values = "() => [...document.querySelectorAll('input')].map((input) => input.value)"
    assert any(value.endswith(NASTY) for value in page.evaluate(values))


def test_without_the_token_nothing_is_shown(open_page, app):
    before = len(app.kernels())
    page = open_page(address=app.address.partition("?")[0])
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    assert len(app.kernels()) <= before


def test_everybody_has_a_session_of_their_own(open_page):
    first, second = open_page(), open_page()
    separate(first)
    separate_button(second)
    assert kernel_of(first) != kernel_of(second)
    assert second.get_by_role("group", name="vocals").count() == 0


def test_a_session_ends_with_its_page_but_not_by_mistake(open_page, app):
    page = open_page()
    separate(page)
    mine = [kernel for kernel in app.kernels() if kernel_of(page) in " ".join(kernel.cmdline())]
    assert len(mine) == 1
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.get_by_role("button", name="erase").click()
    x, y, width, height = plot_area(page.locator(".mssviz-spectrogram .mssviz-picture"))
    page.mouse.move(x + width / 3, y + height / 2)
    page.mouse.down()
    page.mouse.move(x + width / 2, y + height / 2, steps=5)
    page.mouse.up()
    expect(page.get_by_role("button", name="Undo")).to_be_enabled(timeout=WORK_MS)
    page.once("dialog", stay)
    page.evaluate("() => void setTimeout(() => location.reload())")

    def was_asked():
        assert asked == ["beforeunload"]

    eventually(page, was_asked)
    # the kernel still answers
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Redo")).to_be_enabled(timeout=WORK_MS)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled(timeout=WORK_MS)
    page.goto("about:blank")
    assert not psutil.wait_procs(mine, timeout=20)[1]


def test_ctrl_c_leaves_nothing_behind(browser, tmp_path):
    app = App(tmp_path)
    page = new_page(browser)
    page.goto(app.address, timeout=WORK_MS)
    separate_button(page).click()
    kernels = app.kernels()
    assert kernels
    said = app.stop()
    assert not psutil.wait_procs(kernels, timeout=20)[1]
    assert app.process.returncode == 0
    assert "Traceback" not in said
    assert app.address not in said
    page.context.close()
