"""A real JupyterLab with a real kernel, and a headless Chromium that looks at it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui import lab as jupyter
from tests.ui.lent import Kernels, Pages

AXE_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Rule and element of each violation within an element of a page.
AXE_FINDINGS = """async ([root, levels]) => {
    const options = { runOnly: { type: "tag", values: levels } };
    const { violations } = await window.axe.run(root, options);
    const line = (rule, node) => `${rule.id}: ${node.html.slice(0, 150)}`;
    return violations.flatMap((rule) => rule.nodes.map((node) => line(rule, node)));
}"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    folder = getattr(item, "funcargs", {}).get("lab_folder")
    if report.failed and folder is not None:
        report.sections.append(("threads of the kernels", jupyter.threads(folder)))
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def axe() -> Callable[[Page, str], list[str]]:
    """Function (page, selector) that lists what axe-core finds wrong within an element."""
    script = jupyter.ROOT / "tools" / "js" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        message = "no axe-core found; sh tools/js/setup.sh fetches it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    code = script.read_text(encoding="utf-8")

    def findings(page: Page, root: str) -> list[str]:
        page.evaluate(code)
        return sorted(page.evaluate(AXE_FINDINGS, [root, AXE_LEVELS]))

    return findings


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = jupyter.chromium_path(playwright)
        if path is None:
            message = "no Chromium found; install it (apt-get install chromium) or set CHROMIUM"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
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


@pytest.fixture(scope="session")
def kernels(lab: str, lab_folder: Path) -> Iterator[Kernels]:
    """Kernels that tests lend to each other."""
    found = Kernels(lab, lab_folder)
    yield found
    found.end()


@pytest.fixture(scope="session")
def pages(browser: Browser) -> Iterator[Pages]:
    """Pages that tests lend to each other."""
    found = Pages(browser)
    yield found
    found.end()


@pytest.fixture
def open_notebook(
    lab: str, lab_folder: Path, pages: Pages, kernels: Kernels, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Function (name, width, dark, tour, alone, fresh) that runs a notebook; returns the page.

    Page and kernel are those that tests before have used, unless this test has a page already, or
    `tour`, nobody has been there before, or `alone`, the kernel is new, for cells that change what
    they import, or `fresh`, its file is of interest, or all that the page gets.
    """

    def open_(
        name: str, width: int = 1280, dark: bool = False, tour: bool = False,
        alone: bool = False, fresh: bool = False,
    ) -> Page:  # fmt: skip
        if tour or alone or fresh or pages.lent:
            page, has_notebook = pages.new(width, tour), False
        else:
            page, has_notebook = pages.lend(width)
        if has_notebook:
            kernels.work_beside(name)
            jupyter.run_instead(page, lab_folder / name, dark)
        else:
            if not alone:
                kernels.lend(name)
            jupyter.open_notebook(page, lab, name, dark)
        return page

    yield open_
    if request.node.failed:
        for i, page in enumerate(pages.lent):
            jupyter.screenshot(page, f"failed-{request.node.name}-{i}")
        kernels.end()
    kernels.forget()
    pages.take_back(request.node.failed)
    kernels.take_back()


@pytest.fixture
def run_cell(open_notebook: Callable[..., Page], lab_folder: Path) -> Callable[..., Page]:
    """Function (code, **options) that runs a notebook of one cell and returns the page."""

    def run(code: str, **options: object) -> Page:
        return open_notebook(jupyter.write_cell(lab_folder, code), **options)

    return run
