"""What tests lend to each other: a page with JupyterLab in it, and a kernel."""

import re
from pathlib import Path
from typing import Any

import requests
from jupyter_client import BlockingKernelClient
from playwright.sync_api import Browser, Page
from zmq import Context

from tests.ui.lab import new_page

#: Brings a kernel back to where nothing but its imports is left of what was done with it; these are
#: not looked through again each time that garbage is collected.
FORGET = """
__import__("ipywidgets").Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
__import__("gc").collect()
__import__("gc").freeze()
"""
#: Empties the notebook of a page: what its widgets kept in the browser is forgotten, too. Until
#: JupyterLab has heard that they are closed, it sends what other ones ask for to a thread of the
#: kernel that ends with these.
EMPTY = """async () => {
    const { content, sessionContext } = window.jupyterapp.shell.currentWidget;
    const empty = { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };
    content.model.fromJSON(empty);
    const { kernel } = sessionContext.session;
    const shown = () => document.querySelector(".jp-OutputArea-output");
    const frame = () => new Promise(requestAnimationFrame);
    const end = performance.now() + 5000; // a kernel that has died closes nothing
    while (shown() || (kernel._comms.size && performance.now() < end)) await frame();
    await frame();
    localStorage.clear();
    localStorage.setItem("mssviz-tour", "seen");
}"""
#: Whether the notebook of a page has a kernel that runs.
HAS_KERNEL = (
    "() => Boolean(window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel)"
)


class Pages:
    """A page with a notebook is lent to one test after another: to load it takes seconds.

    Each test puts other cells into it and runs them. Where a test failed or lost the kernel, the
    next one gets a new page. It is closed before any other is opened, since two pages at one kernel
    would both have all widgets.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: Page | None = None
        self.lent: list[Page] = []

    def new(self, width: int, tour: bool = False) -> Page:
        """Page of a width in pixels, where nothing is loaded yet; the test closes it at its end."""
        if self._kept not in self.lent:
            self.end()
        page = new_page(self._browser, tour, viewport={"width": width, "height": 2200})
        self.lent.append(page)
        return page

    def lend(self, width: int) -> tuple[Page, bool]:
        """Page that is kept, and whether it has its notebook already."""
        has_notebook = self._kept is not None
        page = self._kept or self.new(width)
        page.set_viewport_size({"width": width, "height": 2200})
        self._kept = page
        self.lent = [page]
        return page, has_notebook

    def take_back(self, failed: bool) -> None:
        """Close all pages but the kept one, whose notebook is emptied."""
        for page in self.lent:
            if page is not self._kept:
                page.context.close()
            elif failed or not page.evaluate(HAS_KERNEL):
                self.end()
            else:
                page.mouse.move(0, 0)
                page.evaluate(EMPTY)
        self.lent = []

    def end(self) -> None:
        """Close the kept page."""
        if self._kept is not None:
            self._kept.context.close()
        self._kept = None


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
        """Let a notebook run in the kept kernel, unless another one of this test does."""
        if self._lent:
            return
        self._lent = True
        notebook = {"path": name, "name": name, "type": "notebook"}
        if session := self._session():
            self._ask("patch", f"sessions/{session['id']}", json=notebook)
            self.work_beside(name)
        else:
            begun = self._ask("post", "sessions", json=notebook | {"kernel": {"name": "python3"}})
            self._kept = begun.json()["kernel"]["id"]

    def work_beside(self, name: str) -> None:
        """Let the kept kernel, which works in `folder` between tests, work beside a notebook."""
        place = (self.folder / name).parent
        if place != self.folder:
            self._run(_go_to(place))

    def forget(self) -> None:
        """Let the kept kernel forget what was done with it; its page hears of it."""
        if self._session():
            try:
                self._run(FORGET + _go_to(self.folder))
            except TimeoutError:  # it is still at work
                self.end()

    def take_back(self) -> None:
        """End all kernels but the kept one."""
        self._lent = False
        self._end(but=self._kept)

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

    def _run(self, code: str) -> None:
        """Run some code in the kept kernel."""
        file = self.folder / ".runtime" / f"kernel-{self._kept}.json"
        client = BlockingKernelClient(connection_file=str(file), context=Context.instance())
        client.load_connection_file()
        client.start_channels(hb=False)  # nobody asks it for its heart's beat
        try:
            reply = client.execute_interactive(code, timeout=30, output_hook=lambda _: None)
        finally:
            client.stop_channels()
        assert reply["content"]["status"] == "ok", reply["content"]

    def _ask(self, verb: str, path: str, **options: Any) -> requests.Response:
        url = f"{self._api}/{path}"
        return requests.request(verb, url, headers=self._headers, timeout=30, **options)


def _go_to(folder: Path) -> str:
    """Code that has a kernel work in a folder."""
    return f"__import__('os').chdir({str(folder)!r})\n"
