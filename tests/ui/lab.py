"""Start a JupyterLab and a headless Chromium, open notebooks and run them."""

import base64
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import requests
from jupyter_client import BlockingKernelClient
from playwright.sync_api import Browser, Locator, Page, Playwright
from playwright.sync_api import TimeoutError as Timeout

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
START_SECONDS = 90
#: Brings a kernel back to where nothing but its imports is left of what was done with it.
FORGET = """
import gc, ipywidgets
ipywidgets.Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
gc.collect()
"""
#: Whether a spectrogram view is laid out, has every tile that its picture asked for, and has
#: painted them.
SETTLED = """() => {
    const view = document.querySelector(".mssviz-spectrogram")?.mssvizSpectrogram;
    const laidOut = document.querySelector(".mssviz-spectrogram .mssviz-picture")?.clientWidth;
    const { tiles, dirty } = view ?? {};
    return laidOut && tiles?.cache.tiles.size && !tiles.waiting.size && !dirty;
}"""
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium_path(playwright: Playwright) -> str | None:
    """Program of the browser, from $CHROMIUM, the path, or Playwright's own installer."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    own = playwright.chromium.executable_path
    return found or (own if Path(own).exists() else None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start the browser without a window."""
    return playwright.chromium.launch(executable_path=path, args=list(OPTIONS))


def new_page(browser: Browser, tour: bool = False, **options: Any) -> Page:
    """Open a page of a browser that has been here before; unless `tour`, no tour begins by itself.

    `options` are those of a context.
    """
    context = browser.new_context(**options)
    if not tour:
        context.add_init_script("try { localStorage.setItem('mssviz-tour', 'seen'); } catch {}")
    return context.new_page()


def copy_notebooks(folder: Path) -> None:
    """Put a copy of ours where JupyterLab will look."""
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    shutil.copytree(ROOT / "notebooks" / "course", folder / "course")


def write_cell(folder: Path, *codes: str) -> str:
    """Write a notebook of one cell, or of several; return its name."""
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    name = f"cell-{len(list(folder.glob('cell-*')))}.ipynb"
    nbformat.write(notebook, folder / name)
    return name


@contextlib.contextmanager
def serve(folder: Path, command: Sequence[str] = ("jupyterlab",)) -> Iterator[str]:
    """Run JupyterLab in a folder, with settings of its own; yields its address.

    `command` is the module that starts it, with what stands before JupyterLab's own options.
    """
    settings = folder / ".settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTER_DATA_DIR": str(folder / ".data"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces"),
        "MSSVIZ_PRETRAINED": os.environ.get("MSSVIZ_PRETRAINED", str(ROOT / "pretrained")),
    }
    arguments = [sys.executable, "-m", *command, "--no-browser", "--allow-root", "--port=0"]
    arguments += ["--ServerApp.port_retries=50", "--ServerApp.ip=127.0.0.1"]
    # otherwise every page that is opened lets Node.js look for what could be built
    asked = {"page_config_data": {"buildCheck": False, "buildAvailable": False}}
    arguments += [f"--ServerApp.tornado_settings={asked}"]
    log = folder / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            arguments, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            server.wait(timeout=20)


def open_notebook(page: Page, address: str, name: str, dark: bool = False) -> None:
    """Open a notebook in JupyterLab and run all its cells."""
    show_notebook(page, address, name)
    show_theme(page, "Dark" if dark else "Light")
    # JupyterLab can lose the request while the kernel is still connecting
    output = page.locator(".jp-OutputArea-output").first
    for _ in range(4):
        choose(page, "Run", "Run All Cells")
        with contextlib.suppress(Timeout):
            output.wait_for(timeout=15_000)
            break


def show_notebook(page: Page, address: str, name: str) -> None:
    """Open a notebook in JupyterLab, as it was saved."""
    # JupyterLab asks for the kernel if it has not heard yet which there are
    question = page.locator(".jp-Dialog", has_text="Select Kernel")
    select = question.get_by_role("button", name="Select")
    page.add_locator_handler(question, select.click)
    page.goto(address.replace("/lab?", f"/lab/tree/{name}?") + "&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    # without the file browser there is as much room as on a teacher's screen
    if page.locator("#jp-left-stack:visible").count():
        page.keyboard.press("Control+b")
    page.wait_for_selector("[data-status=idle]", timeout=60_000, state="attached")


def arrays(page: Page, script: str, argument: object = None) -> list[np.ndarray]:
    """Typed arrays that a JavaScript function gives in an array; packed, for speed."""
    packed = page.evaluate(
        f"""async (argument) => (await ({script})(argument)).map((array) => {{
            const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
            let text = "";
            for (let i = 0; i < bytes.length; i += 32768)
                text += String.fromCharCode(...bytes.subarray(i, i + 32768));
            return [array.constructor.name, btoa(text)];
        }})""",
        argument,
    )
    kinds = {"Float32Array": np.float32, "Uint8ClampedArray": np.uint8}
    return [np.frombuffer(base64.b64decode(text), kinds[kind]) for kind, text in packed]


def heard(page: Page, seconds: float, start: float = 0.0) -> np.ndarray:
    """What the explorer's mixer plays with its present settings, ``(n_samples, 2)``."""
    page.wait_for_function(
        "() => document.querySelector('.mssviz-mixer')?.parentElement.mssvizMixer.ready",
        timeout=60_000,
    )
    script = """([seconds, start]) =>
        document.querySelector(".mssviz-mixer").parentElement.mssvizMixer.render(seconds, start)"""
    return np.stack(arrays(page, script, [seconds, start]), axis=1)


def eventually(page: Page, check: Callable[[], None], seconds: float = 20) -> None:
    """Repeat a check until it holds; after that time its failure is the test's."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        page.wait_for_timeout(100)


def screenshot(what: Page | Locator, name: str, **options: bool) -> None:
    """Keep a picture of a page, or of a part of it."""
    ARTIFACTS.mkdir(exist_ok=True)
    what.screenshot(path=ARTIFACTS / f"{name}.png", **options)


def plot_area(picture: Locator) -> tuple[float, float, float, float]:
    """Left, top, width and height of a spectrogram's picture without its axes."""
    box = picture.bounding_box()
    assert box is not None
    return box["x"] + 54, box["y"] + 4, box["width"] - 62, box["height"] - 24


def choose(page: Page, *path: str) -> None:
    """Choose from JupyterLab's menus, as a person would."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{path[0]}$")).click()
    for i, label in enumerate(path[1:], start=2):
        item = page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{label}$")).last
        item.wait_for(state="visible")
        item.hover() if i < len(path) else item.click()


def show_theme(page: Page, theme: str) -> None:
    """Choose JupyterLab's theme, "Light" or "Dark", and wait until all its colours are there."""
    choose(page, "Settings", "Theme", f"JupyterLab {theme}")
    light = str(theme == "Light").lower()
    page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
    page.wait_for_function(
        "() => document.getAnimations().every(({ playState }) => playState === 'finished')"
    )


def open_panel(page: Page, name: str) -> None:
    """Open what a button in the explorer's first row opens; one popover or drawer at a time."""
    button = page.locator(".mssviz-menu button", has_text=name)
    if button.get_attribute("aria-expanded", timeout=60_000) != "true":
        button.click()


def shut_down(page: Page) -> None:
    """Shut the notebook's kernel down and wait until it is gone."""
    choose(page, "Kernel", "Shut Down Kernel")
    page.wait_for_selector("[data-status=unknown]", timeout=30_000, state="attached")


class Kernels:
    """Kernels of a JupyterLab for notebooks in its folder: each is lent to one test after another.

    One that has imported TensorFlow makes a test seconds shorter. What a test leaves in it is
    closed and forgotten before it is lent again. Each holds the better part of a gigabyte.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.folder = folder
        server, token = re.fullmatch(r"(.*)/lab\?token=(\w+)", address).groups()
        self._api = f"{server}/api"
        self._headers = {"Authorization": f"token {token}"}
        self._kept: str | None = None
        self._lent = False

    def lend(self, name: str) -> None:
        """Let a notebook run in the kept kernel, unless another one of this test does.

        A lesson gets one of its own, which works in the lesson's folder.
        """
        notebook = {"path": name, "name": name, "type": "notebook"}
        if "/" in name:  # where JupyterLab finds one, it never asks which
            self._ask("post", "sessions", json=notebook | {"kernel": {"name": "python3"}})
            return
        if self._lent:
            return
        self._lent = True
        if session := self._session():
            self._ask("patch", f"sessions/{session['id']}", json=notebook)
        else:
            begun = self._ask("post", "sessions", json=notebook | {"kernel": {"name": "python3"}})
            self._kept = begun.json()["kernel"]["id"]

    def take_back(self) -> None:
        """End all kernels but the kept one, which forgets what was done with it."""
        self._lent = False
        session = self._session()
        self._end(but=self._kept)
        if session and not self._forget():
            self.end()

    def end(self) -> None:
        """End all kernels."""
        self._lent, self._kept = False, None
        self._end()

    def _session(self) -> dict[str, Any] | None:
        """Session of the kept kernel; None if there is none, or if it was ended or has died."""
        sessions = self._ask("get", "sessions").json()
        return next((one for one in sessions if one["kernel"]["id"] == self._kept), None)

    def _end(self, but: str | None = None) -> None:
        for session in self._ask("get", "sessions").json():
            if session["kernel"]["id"] != but:
                self._ask("delete", f"kernels/{session['kernel']['id']}")

    def _forget(self) -> bool:
        """Close all widgets and delete all names of the kept kernel; False if it cannot."""
        file = self.folder / ".runtime" / f"kernel-{self._kept}.json"
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        try:
            reply = client.execute_interactive(FORGET, timeout=30, output_hook=lambda _: None)
        except TimeoutError:
            return False
        finally:
            client.stop_channels()
        return reply["content"]["status"] == "ok"

    def _ask(self, verb: str, path: str, **options: Any) -> requests.Response:
        url = f"{self._api}/{path}"
        return requests.request(verb, url, headers=self._headers, timeout=30, **options)


def restart_and_run_all(page: Page) -> None:
    """Restart the notebook's kernel, which clears all outputs, and run all cells."""
    choose(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", log.read_text())
        if found:
            return found.group(0)
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
