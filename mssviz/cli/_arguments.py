"""What is typed: paths as people write and paste them, and options of several commands."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import typer

from mssviz.errors import one_line


def complain(text: str) -> None:
    """Write one line on stderr."""
    typer.echo(f"mssviz: {one_line(text)}", err=True)


# --- Paths ------------------------------------------------------------------------------------


def typed(text: str) -> str:
    """A path as it was meant: ``~`` is the home folder, quotes around it and ``file://`` go.

    Shells see to that where a path stands bare, not where it is quoted, follows a ``=``, or is
    pasted from a file manager. What exists under the very name is taken as it is.
    """
    if os.path.lexists(text):
        return text
    meant = text
    if len(meant) > 2 and meant[0] == meant[-1] and meant[0] in "'\"":
        meant = meant[1:-1]
    if meant.startswith(("file:///", "file://localhost/")):
        path = meant.removeprefix("file://").removeprefix("localhost")
        meant = unquote(path, errors="surrogateescape")
    if meant.startswith("~"):
        meant = os.path.expanduser(meant)  # noqa: PTH111, which leaves an unknown user alone
    return text if "\0" in meant else meant


def _typed_path(text: str | Path) -> Path:
    if not str(text):
        raise typer.BadParameter("is empty; name a path (is a variable of the shell not set?)")
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
    try:
        return int(text)
    except ValueError:
        return text


def _reader(kind: type, what: str) -> Callable[[Any], Any]:
    def read(text: Any) -> Any:
        try:
            return kind(text)  # a default comes as a number
        except ValueError:
            raise typer.BadParameter(
                f"must be {what} (got {text!r}); for a file whose name begins with a dash write "
                "./-name"
            ) from None

    return read


#: As ``typer.Option``, for numbers.
number_option = functools.partial(
    typer.Option, parser=_reader(float, "a number such as 90 or 2.5"), metavar="NUMBER"
)
whole_option = functools.partial(
    typer.Option, parser=_reader(int, "a whole number such as 4"), metavar="WHOLE NUMBER"
)
