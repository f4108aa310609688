"""``mssviz app``."""

import html
import logging
import os
import secrets
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from mssviz._paths import exists
from mssviz.cli._arguments import path_argument, whole_option
from mssviz.cli._explore import JUPYTER, prepend_path
from mssviz.cli._notebooks import shipped_notebook
from mssviz.errors import AudioError, ParameterError

#: No host but this one is asked for anything, so that the page works without a network.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; frame-ancestors 'none'"
)

#: What shows widgets; other extensions of JupyterLab have nothing to do here.
_EXTENSIONS = [
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
]


def app(
    song: Annotated[
        Path | None,
        path_argument(help="Sound file, folder of stems, or an example's name.", metavar="[SONG]"),
    ] = None,
    port: Annotated[int, whole_option(help="Or another one that is free.")] = 8866,
    browser: Annotated[bool, typer.Option(help="Whether to open a browser.")] = True,
) -> None:
    """Open the explorer as a page of its own, without a notebook; Ctrl+C ends it.

    Whoever opens the page gets a session of their own, which ends with the page.
    """
    from mssviz.widgets import app as page

    if not 1 <= port <= 65535:
        raise ParameterError(f"--port must lie between 1 and 65535 (got {port})")
    prepend_path("JUPYTER_PATH", JUPYTER)
    # by environment: a path must not become code
    os.environ[page.SONG] = _found(song) if song else ""
    os.environ[page.FOLDER] = str(Path.cwd())
    _serve(port, browser)


def _found(song: Path) -> str:
    from mssviz import datasets

    if str(song) in datasets.examples():
        return str(song)
    if not exists(song):
        raise AudioError(f"{song}: no such file or folder; check its name")
    return str(song.absolute())


def _serve(port: int, browser: bool) -> None:
    from traitlets.config import Config
    from voila.app import Voila

    class Server(Voila):
        """Voilà that says where it is in one line, and opens the browser with the token."""

        def launch_browser(self) -> None:
            address = f"{self.connection_url}?token={self.token}"
            typer.echo(f"The explorer is at {address}\nCtrl+C ends it.")
            if browser:
                _open(address, Path(self.connection_dir))

    config = Config()
    config.Voila.notebook_path = str(shipped_notebook("app.ipynb"))
    config.Voila.port = port
    config.Voila.token = secrets.token_hex(24)
    config.Voila.log_level = "ERROR"
    config.Voila.tornado_settings = {"headers": {"Content-Security-Policy": _POLICY}}
    # sockets that nobody else on this machine can reach
    config.KernelManager.transport = "ipc"
    config.VoilaConfiguration.file_allowlist = []
    config.VoilaConfiguration.extension_allowlist = _EXTENSIONS
    config.VoilaConfiguration.template = "mssviz"
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.prelaunch_hook = _give_cookie
    logging.getLogger("tornado").setLevel("ERROR")
    # of the user's own settings for other pages none is wanted here
    server = Server(config=config, config_file_paths=[])
    server.initialize([])
    server.start()


def _give_cookie(request: Any, **_: Any) -> None:
    """Send the cookie without which the page may not end its kernel; Voilà forgets it."""
    _ = request.xsrf_token


def _open(address: str, folder: Path) -> None:
    """Open the browser by a private file: a command line would show the token to everyone."""
    redirect = folder / "open.html"
    redirect.write_text(
        f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={html.escape(address)}">'
    )
    webbrowser.open(redirect.as_uri())
