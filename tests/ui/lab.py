"""Start a JupyterLab and a headless Chromium, open notebooks and run them."""

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from playwright.sync_api import Browser, Locator, Page, Playwright

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
START_SECONDS = 90
#: Whether a spectrogram view is laid out, has every tile that its picture asked for, and has
#: painted them.
SETTLED = """() => {
    const view = document.querySelector(".mssviz-spectrogram")?.mssvizSpectrogram;
    const laidOut = document.querySelector(".mssviz-spectrogram .mssviz-picture")?.clientWidth;
    const { tiles, dirty } = view ?? {};
    return laidOut && tiles?.cache.tiles.size && !tiles.waiting.size && !dirty;
}"""
#: The explorer's mixer; undefined while another takes its place.
MIXER = "document.querySelector('.mssviz-mixer')?.parentElement.mssvizMixer"
#: Opens a notebook and waits until its kernel answers: before, JupyterLab can lose a request.
SHOW = """async (path) => {
    const panel = await window.jupyterapp.commands.execute("docmanager:open", { path });
    await Promise.all([panel.context.ready, panel.revealed, panel.sessionContext.ready]);
    await panel.sessionContext.session.kernel.info;
}"""
#: Runs all cells of the notebook that is shown.
RUN_ALL = "() => void window.jupyterapp.commands.execute('notebook:run-all-cells')"
#: Puts other cells in place of those that a notebook holds.
REPLACE = """(text) => {
    window.jupyterapp.shell.currentWidget.content.model.fromJSON(JSON.parse(text));
}"""
#: JupyterLab's own. What a test puts into a notebook that is lent to it must not come to its file,
#: from which a later test takes its cells.
SETTINGS = {
    "apputils-extension/notification": '{"fetchNews": "false"}',
    "docmanager-extension/plugin": '{"autosave": false}',
}
#: Has a kernel write what its threads are doing to a file when it gets SIGUSR1.
TELL_THREADS = """
import faulthandler as _f, os as _o, signal as _s
_f.register(_s.SIGUSR1, open(f"{_o.environ['IPYTHONDIR']}/threads-{_o.getpid()}.txt", "w"))
del _f, _o, _s
"""
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
    for name, text in SETTINGS.items():
        settings = folder / ".settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(text)
    ipython = folder / ".ipython"
    startup = ipython / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "threads.py").write_text(TELL_THREADS)
    environment = os.environ | {
        "IPYTHONDIR": str(ipython),
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTER_DATA_DIR": str(folder / ".data"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces"),
        "MSSVIZ_PRETRAINED": os.environ.get("MSSVIZ_PRETRAINED", str(ROOT / "pretrained")),
    }
    arguments = [sys.executable, "-m", *command, "--no-browser", "--allow-root", "--port=0"]
    arguments += ["--ServerApp.port_retries=50", "--ServerApp.ip=127.0.0.1"]
    arguments += [f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp")]
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


def threads(folder: Path) -> str:
    """What the threads of all kernels of the JupyterLab in a folder are doing."""
    told = {}
    for file in (folder / ".ipython").glob("threads-*.txt"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.stem.removeprefix("threads-")), signal.SIGUSR1)
            time.sleep(0.5)
            told[file.stem] = file.read_text()
    return "\n".join(f"{name}\n{stacks}" for name, stacks in told.items())


def open_notebook(page: Page, address: str, name: str, dark: bool = False) -> None:
    """Open a notebook in JupyterLab, run all its cells and wait for what is shown first."""
    show_notebook(page, address, name)
    run_all(page, dark)


def run_instead(page: Page, path: Path, dark: bool = False) -> None:
    """Run a notebook's cells in place of those that the page's notebook holds."""
    page.evaluate(REPLACE, path.read_text("utf-8"))
    run_all(page, dark)


def run_all(page: Page, dark: bool = False) -> None:
    """Run all cells of the notebook that a page shows, and wait for what is shown first."""
    show_theme(page, "Dark" if dark else "Light")
    page.evaluate(RUN_ALL)
    page.locator(".jp-OutputArea-output").first.wait_for(timeout=60_000)


def show_notebook(page: Page, address: str, name: str) -> None:
    """Load JupyterLab, open a notebook in it, as it was saved, and wait for its kernel."""
    # JupyterLab asks for the kernel if it has not heard yet which there are
    question = page.locator(".jp-Dialog", has_text="Select Kernel")
    select = question.get_by_role("button", name="Select")
    page.add_locator_handler(question, select.click)
    page.goto(f"{address}&reset")
    page.wait_for_function("() => window.jupyterapp?.restored", timeout=60_000)
    page.evaluate("() => window.jupyterapp.restored")
    # without the file browser there is as much room as on a teacher's screen
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.evaluate(SHOW, name)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)


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
    page.wait_for_function(f"() => {MIXER}?.ready", timeout=60_000)
    # it can be replaced just after that
    script = f"""async ([seconds, start]) => {{
        while (!{MIXER}?.ready) await new Promise(requestAnimationFrame);
        return {MIXER}.render(seconds, start);
    }}"""
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
    """Have JupyterLab's theme be "Light" or "Dark", and wait until all its colours are there."""
    page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
        f"JupyterLab {theme}",
    )
    light = str(theme == "Light").lower()
    page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
    page.wait_for_function(
        "() => document.getAnimations().every(({ playState }) => playState === 'finished')"
    )


def both_themes(page: Page) -> Iterator[str]:
    """Show a page in one theme after the other; yields "light" and "dark"."""
    for theme in ("Light", "Dark"):
        show_theme(page, theme)
        yield theme.lower()


@contextlib.contextmanager
def forced_colours(page: Page, scheme: str) -> Iterator[None]:
    """Force "light" or "dark" colours on a page for a while."""
    wanted = {"forced-colors": "active", "prefers-color-scheme": scheme}
    features = [{"name": name, "value": value} for name, value in wanted.items()]
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setEmulatedMedia", {"features": features})
    yield
    devtools.detach()  # which ends it


def open_panel(page: Page, name: str) -> None:
    """Open what a button in the explorer's first row opens; one popover or drawer at a time."""
    button = page.locator(".mssviz-menu button", has_text=name)
    if button.get_attribute("aria-expanded", timeout=60_000) != "true":
        button.click()


def shut_down(page: Page) -> None:
    """Shut the notebook's kernel down and wait until it is gone."""
    choose(page, "Kernel", "Shut Down Kernel")
    page.wait_for_selector("[data-status=unknown]", timeout=30_000, state="attached")


def restart_and_run_all(page: Page) -> None:
    """Restart the notebook's kernel, which clears all outputs, and run all cells."""
    choose(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", log.read_text())
        # JupyterLab can say where it is before it listens there
        if found and _listens(int(found.group(1))):
            return found.group(0)
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
