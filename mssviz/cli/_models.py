"""The commands ``mssviz models`` and ``mssviz models fetch``."""

from pathlib import Path
from typing import Annotated

import typer

import mssviz
from mssviz._paths import typed
from mssviz.cli._arguments import path_option


def models(context: typer.Context) -> None:
    """List presets: targets, size, licence and state on this machine."""
    if context.invoked_subcommand is None:
        typer.echo(mssviz.models().drop(columns="title").to_string())


def fetch(
    name: Annotated[
        str, typer.Argument(parser=typed, metavar="MODEL", help="Such as spleeter:4stems.")
    ],
    source: Annotated[
        Path | None,
        path_option("--from", help="Archive, wheel or folder on this machine, not the network."),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Also from addresses in a configuration of somebody else's."),
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet")] = False,
) -> None:
    """Fetch and verify a preset's weights."""
    from mssviz import presets, pretrained
    from mssviz._progress import reporter

    with reporter(not quiet, unit="B") as report:
        folder = pretrained.fetch(presets.find(name), report, source, trust)
    if not quiet:
        typer.echo(f"{name} is ready in {folder}")
