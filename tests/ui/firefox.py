"""Drive an installed Firefox by WebDriver BiDi, as far as our tests need it.

Playwright drives builds of its own, and Selenium wants a driver beside the browser; Firefox itself
speaks the protocol: https://www.w3.org/TR/webdriver-bidi/.
"""

import contextlib
import json
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.ui.lab import ARTIFACTS, START_SECONDS

PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,  # sound may begin by itself
    "media.cubeb.force_mock_context": True,  # sound plays where there is no sound card
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
#: Where downloads go, below the profile's folder.
DOWNLOADS = "downloads"
#: Keys that type no character, as https://www.w3.org/TR/webdriver2/#keyboard-actions has them.
KEYS = {
    "Shift": "\ue008",
    "Enter": "\ue007",
    "Tab": "\ue004",
    "End": "\ue010",
}
#: Of the connection: answers are of any size, and a browser that is busy is not gone.
SOCKET: dict[str, Any] = {"max_size": None, "ping_interval": None}
ANNOUNCED = "WebDriver BiDi listening on "


def firefox_path() -> str | None:
    """Program of the browser, if it is installed."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


@contextlib.contextmanager
def launch(program: str, profile: Path) -> Iterator["Firefox"]:
    """Start it without a window, with an empty profile in a folder of its own."""
    downloads = {"browser.download.folderList": 2, "browser.download.dir": str(profile / DOWNLOADS)}
    preferences = (PREFERENCES | downloads).items()
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in preferences]
    (profile / "user.js").write_text("\n".join(lines))
    log = profile / "firefox.log"
    arguments = ["--headless", "--no-remote", "--profile", str(profile)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, *arguments, "--remote-debugging-port", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with connect(f"{_address(process, log)}/session", **SOCKET) as socket:
                yield Firefox(socket, profile / DOWNLOADS)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith(ANNOUNCED):
                return line.removeprefix(ANNOUNCED)
        time.sleep(0.1)
    raise RuntimeError(f"Firefox did not start:\n{log.read_text()[-3000:]}")


class Firefox:
    """A running Firefox; `version` is its own."""

    def __init__(self, socket: ClientConnection, downloads: Path) -> None:
        self._socket, self._downloads = socket, downloads
        self._numbers = count(1)
        self.version = self.ask("session.new", capabilities={})["capabilities"]["browserVersion"]

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Result of one command."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:  # others are events
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]

    def downloaded(self, pattern: str) -> Path:
        """A file that has been downloaded, once it is whole."""

        def whole() -> Path | None:
            found = list(self._downloads.glob(pattern))
            return found[0] if found and not list(self._downloads.glob("*.part")) else None

        return wait(whole, f"a download {pattern}")

    def new_page(self, width: int, height: int) -> "Page":
        """Open a tab of that size."""
        tab = self.ask("browsingContext.create", type="tab")["context"]
        self.ask("browsingContext.setViewport", context=tab, viewport=_size(width, height))
        return Page(self, tab)


class Page:
    """A tab. Some methods are Playwright's, so that what needs no others can use either page."""

    def __init__(self, firefox: Firefox, tab: str) -> None:
        self._firefox = firefox
        self._tab = {"context": tab}

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._firefox.ask(method, **self._tab, **parameters)

    def goto(self, address: str) -> None:
        """Go there, and wait until it is loaded."""
        self._ask("browsingContext.navigate", url=address, wait="complete")

    def evaluate(self, script: str, argument: object = None) -> Any:
        """What a JavaScript function of one argument gives, as JSON."""
        result = self._firefox.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({script})({json.dumps(argument)})))()",
            target=self._tab,
            awaitPromise=True,
        )
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return json.loads(result["result"].get("value", "null"))

    def wait_for_function(self, script: str, timeout: float = 60_000) -> None:
        """Wait until a JavaScript function gives a true value; `timeout` is in milliseconds."""
        wait(lambda: self.evaluate(f"async () => !!(await ({script})())"), script, timeout)

    def wait_for_timeout(self, timeout: float) -> None:
        """Wait for so many milliseconds."""
        time.sleep(timeout / 1000)

    def find(self, role: str, name: str, timeout: float = 60_000) -> dict[str, Any]:
        """The first enabled element of that role and name in an explorer, once there is one."""
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}

        def enabled() -> dict[str, Any] | None:
            # to look at all of JupyterLab takes more than a second
            explorers = self._located({"type": "css", "value": ".mssviz-explorer"})
            roots = [{"sharedId": node["sharedId"]} for node in explorers]
            for node in roots and self._located(locator, startNodes=roots):
                if "disabled" not in node["value"]["attributes"]:
                    return node
            return None

        return wait(enabled, f"{role} {name!r}", timeout)

    def _located(self, locator: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        return self._ask("browsingContext.locateNodes", locator=locator, **options)["nodes"]

    def click(self, role: str, name: str) -> None:
        """Click its middle, as a mouse does."""
        node = {"type": "element", "element": {"sharedId": self.find(role, name)["sharedId"]}}
        self.mouse([{"type": "pointerMove", "x": 0, "y": 0, "origin": node}, *_CLICK])

    def move(self, x: float, y: float, click: bool = False) -> None:
        """Move the pointer to a place of the page, in pixels, and click there."""
        self.mouse([{"type": "pointerMove", "x": round(x), "y": round(y)}, *(_CLICK * click)])

    def mouse(self, actions: list[dict[str, Any]]) -> None:
        """Do what a mouse does."""
        self._ask("input.performActions", actions=[{"type": "pointer", "id": "m"} | _do(actions)])

    def press(self, *names: str) -> None:
        """Press keys together."""
        keys = [KEYS.get(name, name) for name in names]
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._ask("input.performActions", actions=[{"type": "key", "id": "k"} | _do(down + up)])

    def screenshot(self, name: str) -> None:
        """Keep a picture of what the window shows."""
        ARTIFACTS.mkdir(exist_ok=True)
        picture = self._ask("browsingContext.captureScreenshot")["data"]
        (ARTIFACTS / f"{name}.png").write_bytes(b64decode(picture))


def wait(look: Callable[[], Any], what: str, timeout: float = 60_000) -> Any:
    """What a function gives once that is true; `timeout` is in milliseconds."""
    deadline = time.monotonic() + timeout / 1000
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Firefox has waited {timeout / 1000:g} s for {what}")
        time.sleep(0.1)
    return found


_CLICK = [{"type": f"pointer{what}", "button": 0} for what in ("Down", "Up")]


def _do(actions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"actions": actions}


def _size(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}
