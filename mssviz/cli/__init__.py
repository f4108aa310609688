"""The command line, with Spleeter's options where it has them. Errors are one line on stderr."""

import contextlib
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import mssviz
from mssviz.cli._app import app as open_app
from mssviz.cli._arguments import complain
from mssviz.cli._course import course
from mssviz.cli._evaluate import evaluate
from mssviz.cli._explore import explore
from mssviz.cli._models import fetch, import_, models
from mssviz.cli._separate import lean_import as lean_import
from mssviz.cli._separate import separate
from mssviz.cli._train import train
from mssviz.errors import Cancelled, FileError, MssvizError, reason

_INTERRUPTED = 130


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mssviz {mssviz.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise FileError(
            "the current folder was deleted; go to another (cd) and run the command again"
        ) from error


app = typer.Typer(
    help="See, hear and measure how a neural network pulls a song apart.",
    callback=_options,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(separate)
app.command()(evaluate)
app.command()(train)
app.command()(explore)
app.command()(course)
app.command("app")(open_app)
models_app = typer.Typer(
    help="List presets, fetch their weights, import others.",
    invoke_without_command=True,
    callback=models,
)
models_app.command()(fetch)
models_app.command("import")(import_)
app.add_typer(models_app, name="models")


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    complain(f"warning: {message}")


def _stop(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Entry point: run a command; exit 0, 1 for errors, 2 for wrong usage, 130 if interrupted."""
    warnings.showwarning = _show_warning
    # A closed stream is None, and the next file that is opened would get its number.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115, until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115, until the end
    signal.signal(signal.SIGTERM, _stop)  # so that it tidies up as after Ctrl-C
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be valid text
        sys.stdout.reconfigure(errors="surrogateescape")
    code = _run()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Taking TensorFlow down object by object takes a second, and all files are closed already.
    os._exit(code)


def _run() -> int:
    try:
        if app(standalone_mode=False, prog_name="mssviz") == _INTERRUPTED:  # after Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
        return 0
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; nothing was left half-written")
        return _INTERRUPTED
    except Cancelled as stop:
        complain(str(stop))
        return _INTERRUPTED
    except MssvizError as error:
        complain(str(error))
    except BrokenPipeError:  # whoever reads has seen enough, as in mssviz models | head
        pass
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{reason(error)}; check the path, its permissions and the free space")
    except Exception as error:
        if not hasattr(error, "format_message"):  # errors of click have it, which typer renames
            raise
        if error.format_message():  # it is empty where the help was shown
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "mssviz"
            complain(f"{error.format_message()} ({command} --help)")
        return 2
    return 1
