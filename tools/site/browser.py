"""The built site in a headless Chromium: what it asks for, and whether it fits a telephone."""

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui import lab
from tools.site import HTML

#: Pages of every kind, with something that must be seen on each, some of it in frames.
SEEN = {
    "index.html": "img[alt^='The explorer']",
    "search.html?q=mask": "#search-results li",
    "docs/glossary.html": "table",
    "api/mssviz.Separator.html": "dt.sig",
    "notebooks/explorer.html": "iframe >> .mssviz-spectrogram canvas",
    "notebooks/course/05-masks.html": "iframe >> .mssviz-mixer canvas",
}
WIDTHS = {"light": 1366, "dark": 390}


def findings(site: Path = HTML) -> list[str]:
    """What is wrong with the site in a browser, in words."""
    with sync_playwright() as playwright:
        path = lab.chromium_path(playwright)
        if path is None:
            said = "no Chromium found, so the site was not looked at in a browser"
            if os.environ.get("CI"):
                return [said]
            print(said)
            return []
        browser = lab.launch(playwright, path)
        with _served(site) as address:
            found = [
                line
                for page, what in SEEN.items()
                for theme, width in WIDTHS.items()
                for line in _look(browser, address, page, what, theme, width)
            ]
        browser.close()
        return found


@contextlib.contextmanager
def _served(site: Path) -> Iterator[str]:
    """Address of the site on this machine; of a bare file, a search shows titles alone."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a page was left before it had everything

    server = Server(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _look(
    browser: Browser, address: str, name: str, what: str, theme: str, width: int
) -> list[str]:
    context = browser.new_context(viewport={"width": width, "height": 768}, color_scheme=theme)
    page, found = context.new_page(), []
    page.on("pageerror", lambda error: found.append(f"{name}: {error}"))
    context.on(
        "request", lambda request: _note(request.url, (f"{address}/", "data:", "blob:"), found)
    )
    page.goto(f"{address}/{name}", wait_until="load")
    _see(page, what)
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"{name} is wider than {width} pixels")
    context.close()
    return found


def _note(asked: str, allowed: tuple[str, ...], found: list[str]) -> None:
    if not asked.startswith(allowed):
        found.append(f"the browser asks for {asked}")


def _see(page: Page, what: str) -> None:
    frame, _, inner = what.rpartition(" >> ")
    if frame:
        page.locator(frame).first.scroll_into_view_if_needed()  # loaded when it is near
        page.frame_locator(frame).first.locator(inner).first.wait_for(timeout=60_000)
    else:
        page.locator(inner).first.wait_for(timeout=60_000)
