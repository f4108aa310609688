"""What people type: paths as they write and paste them, and options that several commands share."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mssviz._paths import typed
from mssviz.errors import one_line
from mssviz.separation.options import Option, described_options


def complain(text: str) -> None:
    """Write one line to stderr."""
    typer.echo(f"mssviz: {one_line(text)}", err=True)


# --- Paths ------------------------------------------------------------------------------------


def _typed_path(text: str | Path) -> Path:
    if not str(text):
        raise typer.BadParameter("is empty; name a path (is a variable of the shell not set?)")
    return Path(typed(str(text)))  # a default is a path already


#: These are used as ``typer.Argument`` and ``typer.Option``, for paths.
path_argument = functools.partial(typer.Argument, parser=_typed_path)
path_option = functools.partial(typer.Option, parser=_typed_path, metavar="PATH")

# --- Options ----------------------------------------------------------------------------------

_MODEL = ("-p", "--params_filename", "--model")
#: This is used as ``typer.Option``, for a preset, a folder, or a configuration file.
model_option = functools.partial(typer.Option, *_MODEL, parser=typed, metavar="MODEL")


def _no_effect(why: str) -> Callable[..., Any]:
    def tell(option: typer.CallbackParam, value: Any) -> Any:
        if value:
            complain(f"note: {option.opts[-1]} has no effect: {why}")
        return value

    return tell


#: Option of Spleeter's, accepted so that people's commands go on working.
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
    """Number of processes, or a scheduler's address, as `_scale.spread` takes it."""
    try:
        return int(text)
    except ValueError:
        return text


def _reader(kind: type, what: str) -> Callable[[Any], Any]:
    def read(text: Any) -> Any:
        try:
            return kind(text)  # a default is a number already
        except ValueError:
            raise typer.BadParameter(
                f"must be {what} (got {text!r}); for a file whose name begins with a dash write "
                "./-name"
            ) from None

    return read


#: This is used as ``typer.Option``, for numbers.
number_option = functools.partial(
    typer.Option, parser=_reader(float, "a number such as 90 or 2.5"), metavar="NUMBER"
)
whole_option = functools.partial(
    typer.Option, parser=_reader(int, "a whole number such as 4"), metavar="WHOLE NUMBER"
)


def with_mask_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a flag for every mask option, made from the option's description.

    Parameters
    ----------
    command
        Function of the command, which gets the mask options as keyword arguments; those that are
        not given are None. ``--mwf`` is a switch, as in Spleeter.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(name, option)
        )
        for name, option in described_options().items()
    ]
    command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
    command.__annotations__.update({flag.name: flag.annotation for flag in flags})
    return command


def _flag(name: str, option: Option) -> Any:
    text, flag = option.help, f"--{name}"
    if option.choices:
        text = f"{text} {' or '.join(option.choices)}."
        return Annotated[str | None, typer.Option(flag, help=text)]
    if name == "mwf":
        text = "Multichannel Wiener filter instead of masks."
        return Annotated[bool | None, typer.Option(flag, help=text)]
    if option.factor != 1:
        text = f"{text} In Hz."
    return Annotated[float | None, number_option(flag, help=text)]
