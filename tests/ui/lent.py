"""What tests lend to each other: a page with JupyterLab in it, and a kernel."""

import re
from pathlib import Path
from typing import Any

import requests
from jupyter_client import BlockingKernelClient
from playwright.sync_api import Browser, Page

from tests.ui.lab import new_page

#: Brings a kernel back to where nothing but its imports is left of what was done with it.
FORGET = """
__import__("ipywidgets").Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
__import__("gc").collect()
"""
#: Closes all notebooks of a page without saving them, and waits until nothing of them is left.
CLOSE = """async () => {
    const main = () => [...window.jupyterapp.shell.widgets("main")];
    for (const widget of main()) {
        if (widget.context) widget.context.model.dirty = false;
        widget.close();
    }
    while (main().some((widget) => widget.context)) await new Promise(requestAnimationFrame);
    localStorage.clear();
    localStorage.setItem("mssviz-tour", "seen");
}"""


class Pages:
    """A page with JupyterLab in it is lent to one test after another: loading it takes seconds.

    What a test opened in it is closed, and what its widgets kept in the browser forgotten, before
    it is lent again. One in which a test failed is not.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: Page | None = None
        self.lent: list[Page] = []

    def lend(self, width: int, tour: bool = False) -> Page:
        """Page of a width in pixels: the kept one, unless this test has it, or wants a `tour`."""
        size = {"width": width, "height": 2200}
        if self._kept is None or self._kept in self.lent or tour:
            page = new_page(self._browser, tour, viewport=size)
            if not tour and self._kept is None:
                self._kept = page
        else:
            page = self._kept
            page.set_viewport_size(size)
        self.lent.append(page)
        return page

    def take_back(self, failed: bool) -> None:
        """Close all pages but the kept one, whose notebooks are closed."""
        for page in self.lent:
            if page is not self._kept:
                page.context.close()
            elif failed or not page.evaluate("() => Boolean(window.jupyterapp)"):
                self.end()
            else:
                page.mouse.move(0, 0)
                page.evaluate(CLOSE)
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
        if reply["content"]["status"] != "ok":
            raise AssertionError(reply["content"]["traceback"])
        return True

    def _ask(self, verb: str, path: str, **options: Any) -> requests.Response:
        url = f"{self._api}/{path}"
        return requests.request(verb, url, headers=self._headers, timeout=30, **options)
