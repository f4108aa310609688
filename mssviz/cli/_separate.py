"""The command ``mssviz separate``."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssviz.cli._arguments import (
    Adapter,
    Verbose,
    Workers,
    complain,
    model_option,
    number_option,
    path_argument,
    path_option,
    with_mask_options,
    workers_of,
)
from mssviz.errors import AudioError, MssvizError

if TYPE_CHECKING:
    from mssviz.networks import Network
    from mssviz.separators import Model


@with_mask_options
def separate(
    files: Annotated[
        list[Path] | None, path_argument(help="Sound files.", show_default=False)
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        path_option("-i", "--inputs", help="Sound files, too, as in Spleeter 1; may be repeated."),
    ] = None,
    model: Annotated[
        str, model_option(help='Preset, folder, file, or several: "0.5 umx + 0.5 spleeter:4stems".')
    ] = "spleeter:2stems",
    output: Annotated[
        Path, path_option("-o", "--output_path", help="Folder for the stems.")
    ] = Path("separated"),
    codec: Annotated[str, typer.Option("-c", "--codec", help="wav flac mp3 ogg m4a wma")] = "wav",
    bitrate: Annotated[str, typer.Option("-b", "--bitrate", help="Of lossy codecs.")] = "128k",
    bit_depth: Annotated[str, typer.Option("--bit_depth", help="16, 24 or float.")] = "16",
    filename_format: Annotated[
        str, typer.Option("-f", "--filename_format", help="Also {foldername} and {suffix}.")
    ] = "{filename}/{instrument}.{codec}",
    offset: Annotated[float, number_option("-s", "--offset", help="Start, seconds.")] = 0.0,
    duration: Annotated[
        float | None,
        number_option("-d", "--duration", help="Seconds; the whole song if left out."),
    ] = None,
    stream: Annotated[
        int | None,
        typer.Option(min=0, help="Which of a file's audio streams, from 0 on; the first."),
    ] = None,
    quality: Annotated[
        str, typer.Option(help="fast: as published; best: slower, often higher scores.")
    ] = "fast",
    stem: Annotated[
        list[str] | None, typer.Option("--stem", help="Write this stem only; may be repeated.")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Write masks (.npy) and their picture (.png), too.")
    ] = False,
    workers: Workers = None,
    adapter: Adapter = None,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no list.")] = False,
    **mask_options: Any,
) -> None:
    """Separate songs of any length into stems."""
    paths = list(dict.fromkeys([*(inputs or []), *(files or [])]))
    _check_are_songs(paths)
    if not any(path.exists() for path in paths):  # reported before anything slow is imported
        _tell(((path, _is_missing(path)) for path in paths), len(paths), quiet)
    from mssviz import _scale, export

    choices: dict[str, Any] = {"quality": quality, **mask_options}
    options = export.FileOptions(codec, bitrate, bit_depth, filename_format, masks)  # type: ignore[arg-type]
    separator = _separator(model, fetch=False, **choices)
    targets = _wanted(separator.targets, stem, model)
    songs = [path for path in paths if not path.is_dir()]
    plans = dict(zip(songs, export.stem_paths(songs, targets, output, options), strict=True))
    if any(song.exists() for song in songs):  # weights are fetched only now, as it may take minutes
        separator = _separator(model, progress=not quiet, **choices)

    def work(path: Path) -> list[Path]:
        if path not in plans:
            raise _is_folder(path)
        return export.separate_file(
            separator, path, plans[path], offset=offset, duration=duration, stream=stream,
            options=options, progress=not quiet,
        )  # fmt: skip

    if workers:
        common = (offset, duration, stream, options)
        jobs = {
            path: (model, tuple(choices.items()), path.resolve(), _resolved(plan), *common)
            for path, plan in plans.items()
        }
        results: Iterable[tuple[Path, Any]] = itertools.chain(
            ((path, _is_folder(path)) for path in paths if path not in plans),
            _scale.spread(
                export.separate_file_by_name, jobs, workers_of(workers), keep_errors=True
            ),
        )
    else:
        results = _one_by_one(paths, work)
    _tell(results, len(paths), quiet)


def _check_are_songs(songs: Sequence[Path]) -> None:
    if not songs:
        raise typer.BadParameter("name sound files: mssviz separate song.mp3")
    for song in songs:
        if _is_model(song):
            raise typer.BadParameter(f"{song} is a model and no sound file: write -p {song}")


def _is_model(path: Path) -> bool:
    if path.is_dir():
        return (path / "config.json").is_file()
    if path.suffix or path.exists():
        return False
    from mssviz import presets

    return str(path) in presets.shipped()


def _wanted(targets: Sequence[str], stems: list[str] | None, model: str) -> list[str]:
    unknown = ", ".join(sorted(set(stems or ()) - set(targets)))
    if unknown:
        raise typer.BadParameter(
            f"{model} has no stem {unknown}; choose among {', '.join(targets)}"
        )
    return [target for target in targets if not stems or target in stems]


def _is_missing(path: Path) -> AudioError:
    return AudioError(f"{path}: no such file; check its name and folder")


def _is_folder(path: Path) -> AudioError:
    folder = str(path).rstrip("/")
    return AudioError(
        f"{path}: is a folder; name a sound file in it, or all of them, {folder}/*; the folder "
        "for stems stands behind -o"
    )


def _separator(model: str, **choices: Any) -> "Model":
    from mssviz.separators import Separator, entry, find

    class Lean(Separator):
        """A separator that imports TensorFlow only when a song needs it; see `lean_import`."""

        @property
        def network(self) -> "Network":
            lean_import()
            return super().network

    return Lean(model, **choices) if entry(model).group == "network" else find(model, **choices)


def lean_import() -> None:
    """Import TensorFlow without what a command does not use."""
    # Keras imports scikit-learn, pandas and matplotlib if it finds them, for features that
    # separating a file does not use: 0.9 s of 2.3. Hide those that nobody has imported yet.
    hidden = [m for m in ("sklearn", "pandas", "matplotlib", "IPython") if m not in sys.modules]
    if "tensorflow" in sys.modules:
        hidden = []
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import mssviz.networks.network  # noqa: F401
    finally:
        for module in hidden:
            del sys.modules[module]


def _one_by_one(
    paths: Iterable[Path], work: Callable[[Path], list[Path]]
) -> Iterator[tuple[Path, Any]]:
    # like _scale.spread with keep_errors: an error is a result
    for path in paths:
        try:
            yield path, work(path)
        except MssvizError as error:
            yield path, error


def _resolved(plan: dict[str, Path]) -> dict[str, Path]:
    # workers have other working folders
    return {target: path.resolve() for target, path in plan.items()}


def _tell(results: Iterable[tuple[Path, Any]], n_songs: int, quiet: bool) -> None:
    failed = 0
    for _, written in results:
        if isinstance(written, MssvizError):
            if n_songs == 1:
                raise written
            complain(str(written))
            failed += 1
        elif not quiet:
            for file in written:
                typer.echo(file)
    if failed:
        raise MssvizError(f"{failed} of {n_songs} files could not be separated")
