"""A real JupyterLab with a real kernel, and a headless Chromium that looks at it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui import lab as jupyter


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = jupyter.chromium_path()
    if path is None:
        message = "no Chromium found; install it (apt-get install chromium) or set CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = jupyter.launch(playwright, path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where JupyterLab's notebooks are: a copy of ours, and what tests add."""
    folder = tmp_path_factory.mktemp("lab")
    jupyter.copy_notebooks(folder)
    return folder


@pytest.fixture(scope="session")
def lab(lab_folder: Path) -> Iterator[str]:
    """Address of a JupyterLab."""
    with jupyter.serve(lab_folder) as address:
        yield address


@pytest.fixture
def open_notebook(
    browser: Browser, lab: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Function (name, width, dark) that opens a notebook, runs all its cells, returns the page."""
    pages: list[Page] = []

    def open_(name: str, width: int = 1280, dark: bool = False) -> Page:
        page = browser.new_context(viewport={"width": width, "height": 2200}).new_page()
        pages.append(page)
        jupyter.open_notebook(page, lab, name, dark)
        return page

    yield open_
    for i, page in enumerate(pages):
        if request.node.failed:
            jupyter.screenshot(page, f"failed-{request.node.name}-{i}")
        page.context.close()
    jupyter.end_kernels(lab)


@pytest.fixture
def run_cell(open_notebook: Callable[..., Page], lab_folder: Path) -> Callable[..., Page]:
    """Function (code, width, dark) that runs a notebook of one cell and returns the page."""

    def run(code: str, **options: object) -> Page:
        return open_notebook(jupyter.write_cell(lab_folder, code), **options)

    return run
