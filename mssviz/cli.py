"""The command line, with Spleeter's options where it has them. Errors are one line on stderr."""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import mssviz
from mssviz.errors import Cancelled, MssvizError

if TYPE_CHECKING:
    from mssviz.comparison import Settings

app = typer.Typer(
    help="See, hear and measure how a neural network pulls a song apart.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="List presets, fetch their weights.", invoke_without_command=True)
app.add_typer(models_app, name="models")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mssviz {mssviz.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def separate(
    files: Annotated[list[Path], typer.Argument(help="Sound files.", show_default=False)],
    model: Annotated[
        str, typer.Option("-p", "--params_filename", "--model", help="Preset, folder or file.")
    ] = "spleeter:2stems",
    output: Annotated[
        Path, typer.Option("-o", "--output_path", help="Folder for the stems.")
    ] = Path("separated"),
    codec: Annotated[str, typer.Option("-c", "--codec", help="wav flac mp3 ogg m4a wma")] = "wav",
    bitrate: Annotated[str, typer.Option("-b", "--bitrate", help="Of lossy codecs.")] = "128k",
    bit_depth: Annotated[str, typer.Option("--bit_depth", help="16, 24 or float.")] = "16",
    filename_format: Annotated[
        str, typer.Option("-f", "--filename_format", help="Also {foldername}.")
    ] = "{filename}/{instrument}.{codec}",
    offset: Annotated[float, typer.Option("-s", "--offset", help="Start, seconds.")] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option("-d", "--duration", help="Seconds; the whole song if left out."),
    ] = None,
    mwf: Annotated[bool, typer.Option("--mwf", help="Multichannel Wiener filter.")] = False,
    quality: Annotated[
        str, typer.Option(help="fast: as published; best: 4.5 times the work, higher scores.")
    ] = "fast",
    power: Annotated[
        float | None, typer.Option("--power", help="Exponent of the ratio masks.")
    ] = None,
    extension: Annotated[
        str | None, typer.Option("--extension", help="Above the modelled band: zeros or average.")
    ] = None,
    stem: Annotated[
        list[str] | None, typer.Option("--stem", help="Write this stem only; may be repeated.")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Write masks (.npy) and their picture (.png), too.")
    ] = False,
    workers: Annotated[
        str | None,
        typer.Option(help="Number of processes, or address of a Dask scheduler: songs at once."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no list.")] = False,
) -> None:
    """Separate songs of any length into stems."""
    from mssviz import export
    from mssviz.separate import Separator

    choices: dict[str, Any] = {
        "quality": quality,
        "power": power,
        "extension": extension,
        "mwf_iterations": int(mwf),
    }
    separator = Separator(model, progress=not quiet, **choices)
    options = export.FileOptions(codec, bitrate, bit_depth, filename_format, masks)  # type: ignore[arg-type]
    targets = [t for t in separator.targets if not stem or t in stem]
    if stem and len(targets) < len(set(stem)):
        unknown = ", ".join(sorted(set(stem) - set(separator.targets)))
        raise typer.BadParameter(
            f"{model} has no stem {unknown}; choose among {', '.join(separator.targets)}"
        )
    plans = export.plan(files, targets, output, options)
    if workers:
        from mssviz import scale

        arguments = {
            path: (model, tuple(choices.items()), path.resolve(), _resolved(plan), offset, duration,
                   options)
            for path, plan in zip(files, plans, strict=True)
        }  # fmt: skip
        results: Iterable[tuple[Path, Any]] = scale.spread(
            export.separate_file_by_name, arguments, _workers(workers), keep_errors=True
        )
    else:
        lean_import()
        results = _one_by_one(
            zip(files, plans, strict=True),
            lambda path, plan: export.separate_file(
                separator, path, plan, offset=offset, duration=duration, options=options,
                progress=not quiet,
            ),
        )  # fmt: skip
    failed = 0
    for _, written in results:
        if isinstance(written, MssvizError):
            if len(files) == 1:
                raise written
            _complain(str(written))
            failed += 1
        elif not quiet:
            for file in written:
                typer.echo(file)
    if failed:
        raise MssvizError(f"{failed} of {len(files)} files could not be separated")


@app.command()
def evaluate(
    references: Annotated[
        Path | None, typer.Argument(help="Folder of true stems, a file each.")
    ] = None,
    estimates: Annotated[
        Path | None, typer.Argument(help="Folder of separated stems, same names.")
    ] = None,
    mus_dir: Annotated[
        Path | None,
        typer.Option("--mus_dir", help="MUSDB18 or MUSDB18-HQ: separate and measure its test set."),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("-p", "--params_filename", "--model", help="For --mus_dir; may be repeated."),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output_path", help="For --mus_dir: folder for the scores.")
    ] = Path("scores"),
    mwf: Annotated[bool, typer.Option("--mwf", help="Multichannel Wiener filter.")] = False,
    workers: Annotated[
        str | None,
        typer.Option(help="Number of processes, or address of a Dask scheduler: songs at once."),
    ] = None,
    window: Annotated[float, typer.Option(help="Seconds.")] = 1.0,
    hop: Annotated[float, typer.Option(help="Seconds.")] = 1.0,
    csv: Annotated[Path | None, typer.Option(help="Write every window's scores here.")] = None,
) -> None:
    """Measure stems against the true ones, or models on MUSDB18: SDR, ISR, SIR, SAR in dB."""
    from mssviz import datasets, metrics

    if mus_dir is not None:
        from mssviz.comparison import Settings

        chosen = models or ["spleeter:4stems"]
        _evaluate_corpus(mus_dir, chosen, output, mwf, workers, Settings(window, hop))
        return
    if references is None or estimates is None:
        raise typer.BadParameter("give two folders of stems, or --mus_dir")
    _, estimated = datasets.from_folder(estimates).load()
    _, true = datasets.from_folder(references).load()
    matched = datasets.to_targets(true, tuple(estimated))
    if matched is None:
        raise MssvizError(
            f"{references}: its stems ({', '.join(true)}) cannot be matched to those of "
            f"{estimates} ({', '.join(estimated)}); name the files alike"
        )
    n_samples = min(len(w) for w in (*matched.values(), *estimated.values()))
    true = {t: w[:n_samples] for t, w in matched.items()}
    estimated = {t: w[:n_samples] for t, w in estimated.items()}
    dither_db = metrics.suggested_dither_db(true)
    if dither_db:
        _complain(
            f"note: true stems have no energy in the treble; {dither_db:.0f} dBFS of noise was "
            "added so that ISR, SIR and SAR are defined"
        )
    table = metrics.evaluate(true, estimated, 44100, window=window, hop=hop, dither_db=dither_db)
    if csv is not None:
        table.to_csv(csv, index=False)
    typer.echo(metrics.summarise(table).round(2).to_string())


def _evaluate_corpus(
    root: Path,
    models: list[str],
    output: Path,
    mwf: bool,
    workers: str | None,
    settings: "Settings",
) -> None:
    from mssviz import _files, baselines, comparison, datasets

    tracks = datasets.musdb18(root)
    targets = baselines.describe(models[0]).targets
    table = comparison.compare(
        tracks, models, targets=targets, options={"mwf_iterations": int(mwf)}, settings=settings,
        workers=workers and _workers(workers),
    )  # fmt: skip
    for model in models:
        folder = output / model.replace(":", "-") / "test"
        with _files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for track in tracks:
            with _files.new_file(folder / f"{track}.json") as scratch:
                text = comparison.to_museval(table, track, model, settings)
                scratch.write_text(text, encoding="utf-8")
    summary = comparison.summary(table)
    for model in models:
        typer.echo(f"{model}, median over {len(tracks)} tracks of the median over windows, dB:")
        for target in dict.fromkeys(table.loc[table["model"] == model, "target"]):
            typer.echo(f"{target}:")
            for measure in ("SDR", "SAR", "SIR", "ISR"):
                typer.echo(f"{measure}: {summary.loc[(target, model), measure]:.3f}")


@app.command()
def train(
    data: Annotated[
        Path,
        typer.Option(
            "-d",
            "--data",
            help="Folder of folders of stems, or of MUSDB18; or what Spleeter's tables start at.",
        ),
    ],
    network: Annotated[
        str,
        typer.Option(
            "-p",
            "--params_filename",
            "--model",
            help="Configuration (Spleeter's, too), preset, or tiny: targets, grid and network.",
        ),
    ] = "spleeter:2stems",
    validation: Annotated[
        Path | None, typer.Option(help="Folder of folders of stems to measure progress by.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output_path", help="Folder for the result; else as configured."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient steps in all.")] = None,
    epoch_steps: Annotated[
        int | None, typer.Option("--epoch_steps", help="Steps between validations and checkpoints.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch_size", help="Patches a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning_rate")] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(help="gain, swap, remix, tempo or pitch; may be repeated."),
    ] = None,
    reduce_after: Annotated[
        int | None,
        typer.Option("--reduce_after", help="Epochs without progress before a smaller rate."),
    ] = None,
    stop_after: Annotated[
        int | None, typer.Option("--stop_after", help="Epochs without progress before the end.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, mixed_float16 or mixed_bfloat16.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of all random numbers.")] = None,
    init: Annotated[
        str | None, typer.Option(help="Preset of the same network to start from.")
    ] = None,
    init_target: Annotated[
        list[str] | None,
        typer.Option("--init_target", help="Such as guitar=other: start a new target from an old."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for spectra.")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no table.")] = False,
) -> None:
    """Train a network on songs with known stems; the same command again goes on."""
    from mssviz import training

    plan = training.plan(
        network, data, validation, output, cache=cache,
        steps=steps, epoch_steps=epoch_steps, batch_size=batch_size, learning_rate=learning_rate,
        augment=augment and tuple(augment), reduce_after=reduce_after, stop_after=stop_after,
        precision=precision, seed=seed,
    )  # fmt: skip
    pairs = [pair.partition("=") for pair in init_target or []]
    history = training.train(
        **plan, init=init, init_targets={own: theirs for own, _, theirs in pairs},
        progress=not quiet,
    )  # fmt: skip
    if not quiet:
        typer.echo(history.to_string(index=False))
        typer.echo(plan["folder"])


@models_app.callback()
def models(context: typer.Context) -> None:
    """List presets: targets, size, licence and state on this machine."""
    if context.invoked_subcommand is None:
        typer.echo(mssviz.models().drop(columns="title").to_string())


@models_app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="Such as spleeter:4stems.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Archive, wheel or folder on this machine, not the network."),
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


@app.command()
def explore() -> None:
    """Open JupyterLab on the explorer notebook, in the current folder."""
    import shutil

    from mssviz import presets

    target = Path("explorer.ipynb")
    checkout = presets.checkout_folder()
    if checkout:
        target = checkout / "notebooks" / "explorer.ipynb"
    elif not target.exists():
        shutil.copyfile(Path(__file__).with_name("_notebooks") / "explorer.ipynb", target)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(target)])  # noqa: S606, as meant


def lean_import() -> None:
    """Import TensorFlow without what a command has no use for."""
    # Keras imports scikit-learn, pandas and matplotlib if it finds them, for features that
    # separating a file has no use for: 0.9 s of 2.3. Hide those that nobody has imported yet.
    hidden = [m for m in ("sklearn", "pandas", "matplotlib", "IPython") if m not in sys.modules]
    if "tensorflow" in sys.modules:
        hidden = []
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import mssviz.networks  # noqa: F401
    finally:
        for module in hidden:
            del sys.modules[module]


def _one_by_one(
    jobs: Iterable[tuple[Path, dict[str, Path]]],
    work: Callable[[Path, dict[str, Path]], list[Path]],
) -> Iterator[tuple[Path, Any]]:
    # as scale.spread with keep_errors: an error is a result
    for path, plan in jobs:
        try:
            yield path, work(path, plan)
        except MssvizError as error:
            yield path, error


def _resolved(plan: dict[str, Path]) -> dict[str, Path]:
    # workers have folders of their own
    return {target: path.resolve() for target, path in plan.items()}


def _workers(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _complain(text: str) -> None:
    typer.echo(f"mssviz: {text}", err=True)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    _complain(f"warning: {message}")


def _stop(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Entry point: run a command; exit 0, 1 for errors, 2 for wrong usage, 130 if interrupted."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _stop)  # tidy up as after Ctrl-C
    code = 1
    try:
        app(standalone_mode=False)
        code = 0
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted; nothing was left half-written")
        code = 130
    except Cancelled as stop:
        _complain(str(stop))
        code = 130
    except MssvizError as error:
        _complain(str(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's, which typer has under its own name
            raise
        _complain(f"{error.format_message()} (mssviz --help)")
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking TensorFlow down object by object takes a second, and all files are closed.
    os._exit(code)
