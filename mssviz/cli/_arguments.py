"""What is typed: paths as people write and paste them, and options of several commands."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mssviz._paths import typed
from mssviz.errors import one_line


def complain(text: str) -> None:
    """Write one line on stderr."""
    typer.echo(f"mssviz: {one_line(text)}", err=True)


# --- Paths ------------------------------------------------------------------------------------


def _typed_path(text: str | Path) -> Path:
    return Path(typed(str(text)))  # a default comes as a path


#: As ``typer.Argument`` and ``typer.Option``, for paths.
path_argument = functools.partial(typer.Argument, parser=_typed_path)
path_option = functools.partial(typer.Option, parser=_typed_path, metavar="PATH")

# --- Options ----------------------------------------------------------------------------------

_MODEL = ("-p", "--params_filename", "--model")
#: As ``typer.Option``, for a preset, a folder, or a configuration file.
model_option = functools.partial(typer.Option, *_MODEL, parser=typed, metavar="MODEL")


def _no_effect(why: str) -> Callable[..., Any]:
    def tell(option: typer.CallbackParam, value: Any) -> Any:
        if value:
            complain(f"note: {option.opts[-1]} has no effect: {why}")
        return value

    return tell


#: Spleeter's, taken so that commands that people have go on to work.
Adapter = Annotated[
    str | None,
    typer.Option(
        "-a",
        "--adapter",
        help="Spleeter's; no effect.",
        callback=_no_effect("sound is read and written by FFmpeg's libraries, which come along"),
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", help="Spleeter's; no effect.", callback=_no_effect("nothing is kept silent")
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(help="Number of processes, or address of a Dask scheduler: songs at once."),
]


def workers_of(text: str) -> int | str:
    """Number of processes, or a scheduler's address, as `scale.spread` takes it."""
    return int(text) if text.isdecimal() else text
