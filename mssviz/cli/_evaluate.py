"""The command ``mssviz evaluate``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mssviz._measures import with_unit
from mssviz.cli._arguments import (
    Adapter,
    Verbose,
    Workers,
    model_option,
    number_option,
    path_argument,
    path_option,
    workers_of,
)

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    references: Annotated[
        Path | None, path_argument(help="Folder of true stems, a file each.")
    ] = None,
    estimates: Annotated[
        Path | None, path_argument(help="Folder of separated stems, same names.")
    ] = None,
    mus_dir: Annotated[
        Path | None,
        path_option("--mus_dir", help="MUSDB18 or MUSDB18-HQ: separate and measure its test set."),
    ] = None,
    models: Annotated[
        list[str] | None,
        model_option(help="For --mus_dir; may be repeated."),
    ] = None,
    output: Annotated[
        Path, path_option("-o", "--output_path", help="For --mus_dir: folder for the scores.")
    ] = Path("scores"),
    mwf: Annotated[bool, typer.Option("--mwf", help="Multichannel Wiener filter.")] = False,
    workers: Workers = None,
    window: Annotated[float, number_option(help="Seconds; inf for the whole song.")] = 1.0,
    hop: Annotated[float, number_option(help="Seconds.")] = 1.0,
    csv: Annotated[Path | None, path_option(help="Write every window's scores here.")] = None,
    adapter: Adapter = None,
    verbose: Verbose = False,
) -> None:
    """Measure stems against the true ones, or models on MUSDB18: SDR, ISR, SIR, SAR, and more."""
    from mssviz import _files
    from mssviz.comparison import Scoring, evaluation
    from mssviz.scores import summarise

    settings = Scoring(window, hop)
    if csv is not None:
        evaluation.check_output(csv)
    if mus_dir is not None:
        if references is not None:
            raise typer.BadParameter("give two folders of stems, or --mus_dir, not both")
        chosen = models or ["spleeter:4stems"]
        table = evaluation.musdb18(
            mus_dir, chosen, output, settings, options={"mwf": int(mwf)},
            workers=workers and workers_of(workers),
        )  # fmt: skip
        _print_corpus(table, chosen)
    elif references is None or estimates is None:
        raise typer.BadParameter("give two folders of stems, or --mus_dir")
    else:
        stems = evaluation.read_folders(references, estimates)
        table = evaluation.windows(stems, settings, sys.stderr.isatty())
        typer.echo(summarise(table).round(2).to_string())
        _print_whole(stems.whole())
    if csv is not None:
        if "track" in table:
            table = table.assign(track=table["track"].map(_as_text))
        with _files.new_file(csv) as scratch:
            table.to_csv(scratch, index=False)


def _as_text(name: str) -> str:
    """Name of a folder as spreadsheets show it; some would take it for a formula, and run it."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _print_whole(table: "pd.DataFrame | None", over_songs: str = "") -> None:
    """Print the measures of whole songs, a line for each; nothing if some of a song is lost."""
    if table is not None:
        typer.echo(f"Of whole songs{over_songs}:")
        typer.echo(table.rename(columns=with_unit).rename_axis(columns=None).T.round(2).to_string())


def _print_corpus(table: "pd.DataFrame", models: list[str]) -> None:
    from mssviz import comparison
    from mssviz.scores import OF_TRACKS

    summary, n_tracks = comparison.summary(table), table["track"].nunique()
    for model in models:
        typer.echo(f"{model}, median over {n_tracks} tracks of the median over windows, dB:")
        rows = summary.index.get_level_values("model") == model
        if known := set(summary.loc[rows, "trained_on_test"]) - {"no"}:
            typer.echo(f"(Was it trained on these songs? {known.pop().capitalize()}.)")
        for target in dict.fromkeys(table.loc[table["model"] == model, "target"]):
            typer.echo(f"{target}:")
            for measure in ("SDR", "SAR", "SIR", "ISR"):
                typer.echo(f"{measure}: {summary.loc[(target, model), measure]:.3f}")
        measures = [name for name in OF_TRACKS if name in summary]
        _print_whole(
            summary.loc[rows, measures].droplevel("model"), ", the median (of uSDR the mean)"
        )
