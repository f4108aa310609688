"""A real JupyterLab with a real kernel, and a headless Chromium that looks at it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import playwright.sync_api as playwright_api
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
START_SECONDS = 90


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = _chromium()
    if path is None:
        message = "no Chromium found; install it (apt-get install chromium) or set CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += ["--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where JupyterLab's notebooks are: a copy of ours, and what tests add."""
    folder = tmp_path_factory.mktemp("lab")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    return folder


@pytest.fixture(scope="session")
def lab(lab_folder: Path) -> Iterator[str]:
    """Address of a JupyterLab."""
    folder = lab_folder
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
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ServerApp.port_retries=50", "--ServerApp.ip=127.0.0.1"]
    log = folder / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            server.wait(timeout=20)


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", log.read_text())
        if found:
            return found.group(0)
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def open_notebook(
    browser: Browser, lab: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Function (name, width, dark) that opens a notebook, runs all its cells, returns the page."""
    pages: list[Page] = []

    def open_(name: str, width: int = 1280, dark: bool = False) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 2200})
        page = context.new_page()
        pages.append(page)
        address = lab.replace("/lab?", f"/lab/tree/{name}?") + "&reset"
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        # without the file browser there is as much room as on a teacher's screen
        if page.locator("#jp-left-stack:visible").count():
            page.keyboard.press("Control+b")
        page.wait_for_selector("[data-status=idle]", timeout=60_000, state="attached")
        _command(page, "Settings", "Theme", f"JupyterLab {'Dark' if dark else 'Light'}")
        # JupyterLab can lose the request while the kernel is still connecting
        output = page.locator(".jp-OutputArea-output").first
        for _ in range(4):
            _command(page, "Run", "Run All Cells")
            with contextlib.suppress(playwright_api.TimeoutError):
                output.wait_for(timeout=15_000)
                break
        return page

    yield open_
    for i, page in enumerate(pages):
        if request.node.failed:
            ARTIFACTS.mkdir(exist_ok=True)
            page.screenshot(path=ARTIFACTS / f"failed-{request.node.name}-{i}.png")
        page.context.close()


@pytest.fixture
def run_cell(open_notebook: Callable[..., Page], lab_folder: Path) -> Callable[..., Page]:
    """Function (code, width, dark) that runs a notebook of one cell and returns the page."""

    def run(code: str, **options: object) -> Page:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        name = f"cell-{len(list(lab_folder.glob('cell-*')))}.ipynb"
        nbformat.write(notebook, lab_folder / name)
        return open_notebook(name, **options)

    return run


def _command(page: Page, *path: str) -> None:
    # menu by menu, as a person would
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{path[0]}$")).click()
    for i, label in enumerate(path[1:], start=2):
        item = page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{label}$")).last
        item.wait_for(state="visible")
        item.hover() if i < len(path) else item.click()
