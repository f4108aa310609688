"""The commands ``mssviz models``, ``mssviz models fetch`` and ``mssviz models import``."""

from pathlib import Path
from typing import Annotated

import typer

import mssviz
from mssviz._paths import typed
from mssviz.cli._arguments import path_argument, path_option, whole_option


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


def import_(
    source: Annotated[
        Path, path_argument(metavar="FILE", help="Checkpoint: .ckpt, .pt, .th or .safetensors.")
    ],
    config: Annotated[
        Path | None, path_option("--config", help="Configuration (yaml) that belongs to it.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the model; that of the file, if left out.")
    ] = "",
    stems: Annotated[
        str, typer.Option("--stems", help="Stems in the file's order, such as vocals,drums.")
    ] = "",
    hop: Annotated[
        int | None, whole_option("--hop", help="Hop of the spectrum inside, in samples.")
    ] = None,
) -> None:
    """Make a model of a checkpoint of BS-RoFormer, Mel-Band RoFormer, SCNet or HTDemucs."""
    from mssviz import pretrained

    named = [stem.strip() for stem in stems.split(",")] if stems else None
    preset = pretrained.import_checkpoint(
        source, name or source.stem, config, stems=named, hop_length=hop
    )
    typer.echo(f"{preset.name} gives {', '.join(preset.targets)}; it is in {preset.weights.folder}")
