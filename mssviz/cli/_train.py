"""The command ``mssviz train``."""

from pathlib import Path
from typing import Annotated

import typer

from mssviz._paths import typed
from mssviz.cli._arguments import (
    Adapter,
    Verbose,
    model_option,
    number_option,
    path_option,
    whole_option,
)


def train(
    data: Annotated[
        Path,
        path_option(
            "-d",
            "--data",
            help="Folder of songs or of a data set, or a table; or where Spleeter's tables start.",
        ),
    ],
    network: Annotated[
        str,
        model_option(
            help="Configuration (Spleeter's, too), preset, or tiny: targets, grid and network.",
        ),
    ] = "spleeter:2stems",
    validation: Annotated[
        Path | None, path_option(help="Folder of folders of stems to measure progress by.")
    ] = None,
    output: Annotated[
        Path | None,
        path_option("-o", "--output_path", help="Folder for the result; else as configured."),
    ] = None,
    steps: Annotated[int | None, whole_option(help="Gradient steps in all.")] = None,
    epoch_steps: Annotated[
        int | None, whole_option("--epoch_steps", help="Steps between validations and checkpoints.")
    ] = None,
    batch_size: Annotated[int | None, whole_option("--batch_size", help="Patches a step.")] = None,
    learning_rate: Annotated[float | None, number_option("--learning_rate")] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(help="gain, swap, remix, tempo or pitch; may be repeated."),
    ] = None,
    mixture: Annotated[
        str | None,
        typer.Option(help="file or sum: of songs whose mixture is not the sum of its stems."),
    ] = None,
    reduce_after: Annotated[
        int | None,
        whole_option("--reduce_after", help="Epochs without progress before a smaller rate."),
    ] = None,
    stop_after: Annotated[
        int | None, whole_option("--stop_after", help="Epochs without progress before the end.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, mixed_float16 or mixed_bfloat16.")
    ] = None,
    seed: Annotated[int | None, whole_option(help="Of all random numbers.")] = None,
    measure: Annotated[
        str | None, typer.Option(help="What the best weights are chosen by: loss, or uSDR.")
    ] = None,
    lora: Annotated[
        int | None, whole_option(help="Rank of the changes to the transformers of --init; 0: all.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            parser=typed, metavar="MODEL", help="Preset of the same network to start from."
        ),
    ] = None,
    init_target: Annotated[
        list[str] | None,
        typer.Option("--init_target", help="Such as guitar=other: start a new target from an old."),
    ] = None,
    cache: Annotated[Path | None, path_option(help="Folder for spectra.")] = None,
    adapter: Adapter = None,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no table.")] = False,
) -> None:
    """Train a network on songs with known stems; the same command again goes on."""
    from mssviz import training
    from mssviz._files import check_places

    plan = training.plan(
        network, data, validation, output, cache=cache,
        steps=steps, epoch_steps=epoch_steps, batch_size=batch_size, learning_rate=learning_rate,
        augment=augment and tuple(augment), mixture=mixture, reduce_after=reduce_after,
        stop_after=stop_after, precision=precision, seed=seed,
        measure=measure, lora=lora,
    )  # fmt: skip
    check_places(Path(folder, "a file") for folder in (plan["folder"], cache) if folder)
    pairs = [pair.partition("=") for pair in init_target or []]
    history = training.train(
        **plan, init=init, init_targets={own: theirs for own, _, theirs in pairs},
        progress=not quiet,
    )  # fmt: skip
    if not quiet:
        typer.echo(history.to_string(index=False))
        typer.echo(plan["folder"])
