"""A running `mssviz app`, and who opens its page without a browser."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import requests
import websocket

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 300


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


class Visitor:
    """Somebody who opens the page: a kernel of its own, and the state of all its widgets.

    Parameters
    ----------
    address
        Address of the app, with its token.
    """

    def __init__(self, address):
        self._browser = requests.Session()
        page = self._browser.get(address, timeout=LIMIT_SECONDS).text
        [kernel] = set(re.findall(r'"kernelId": *"([0-9a-f-]+)"', page))
        parts = urlsplit(address)
        token = parse_qs(parts.query)["token"][0]
        cookies = "; ".join(f"{c.name}={c.value}" for c in self._browser.cookies)
        self._session, self.states, self.errors = uuid.uuid4().hex, {}, []
        self._socket = websocket.create_connection(
            f"ws://{parts.netloc}/api/kernels/{kernel}/channels?session_id={self._session}"
            f"&token={token}",
            cookie=cookies, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        control = uuid.uuid4().hex
        self._send("comm_open", comm_id=control, target_name="jupyter.widget.control", data={})
        self._send("comm_msg", comm_id=control, data={"method": "request_states"})
        self.until(lambda: self.states)

    def _send(self, kind, **content):
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._session,
            "username": "", "version": "5.3", "date": datetime.datetime.now().isoformat(),
        }  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))

    def update(self, widget, **state):
        """Change traits of a widget, as the page does."""
        self._send("comm_msg", comm_id=widget, data={"method": "update", "state": state})

    def click(self, widget):
        self._send("comm_msg", comm_id=widget, data={
            "method": "custom", "content": {"event": "click"}
        })  # fmt: skip

    def find(self, **state):
        """The widget with these traits."""
        [found] = [i for i, seen in self.states.items() if state.items() <= seen.items()]
        return found

    def until(self, holds):
        """Take messages of the kernel until something holds."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < LIMIT_SECONDS, self.errors
            self._take(self._socket.recv())

    def _take(self, received):
        if isinstance(received, bytes):  # with buffers: the JSON is the first of the parts
            offsets = [int.from_bytes(received[4 * i : 4 * i + 4], "big") for i in (1, 2)]
            received = received[offsets[0] : offsets[1]].rstrip(b"\0")
        message = json.loads(received)
        content = message["content"]
        if message["msg_type"] == "error" or content.get("name") == "stderr":
            self.errors.append(content)
        data = content.get("data", {})
        if message["msg_type"] == "comm_open":
            self.states[content["comm_id"]] = dict(data.get("state", {}))
        elif data.get("method") == "update_states":
            self.states |= {i: dict(seen["state"]) for i, seen in data["states"].items()}
        elif data.get("method") == "update":
            self.states.setdefault(content["comm_id"], {}).update(data["state"])

    def separate(self):
        """Press the button, and wait until the result is there with its scores."""
        button = self.find(_model_name="ButtonModel", description="Separate")
        self.click(button)
        self.until(lambda: self.states[button]["disabled"])
        self.until(lambda: not self.states[button]["disabled"])

    def leave(self):
        self._socket.close()
