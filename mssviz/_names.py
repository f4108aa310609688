"""Where stems go: the names of their files, and that nothing else has them."""

import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mssviz._checks import as_path
from mssviz._files import check_places
from mssviz._typing import BitDepth, Codec, PathLike
from mssviz.errors import ParameterError

NAME_FIELDS = ("filename", "foldername", "suffix", "instrument", "codec")


@dataclass(frozen=True)
class FileOptions:
    """How stems are written.

    Parameters
    ----------
    codec, bitrate, bit_depth
        See `audio.AudioWriter`.
    name_format
        File name below the output folder, of the fields in `NAME_FIELDS`: of the song's path as
        it is given, its name without suffix, its folder's name, its suffix without dot.
    masks
        Write each stem's mask (``.npy``) and pictures of masks and mixture (``.png``), too.
    """

    codec: Codec = "wav"
    bitrate: str = "128k"
    bit_depth: BitDepth = "16"
    name_format: str = "{filename}/{instrument}.{codec}"
    masks: bool = False


def stem_paths(
    inputs: Sequence[PathLike], targets: Sequence[str], folder: PathLike, options: FileOptions
) -> list[dict[str, Path]]:
    """Decide where each input's stems go, and that they can, before any work is done.

    Parameters
    ----------
    inputs
        Sound files, which need not be there.
    targets
        Names of the stems.
    folder
        For all of them; it is not made.
    options
        The format of their names, above all.

    Returns
    -------
    list of dict
        For each input, target to path.

    Raises
    ------
    ParameterError
        If the format has an unknown field, two stems would get one path, a path would leave
        the folder, or a stem would overwrite an input.
    FileError
        If a stem cannot be written where it is to go.
    """
    folder = as_path(folder, "the folder for stems")
    songs = [as_path(source, "a sound file") for source in inputs]
    root = _real(folder)
    taken: dict[Path, str] = {_real(song): "an input file" for song in songs}
    makers: dict[Path, Path] = {}
    plans = []
    for source in songs:
        files = {}
        for target in targets:
            path = folder / _format_name(source, target, options)
            owner, place = f"{target} of {source}", _real(path)
            if not place.is_relative_to(root):
                raise ParameterError(f"{path}: the file name format leads out of {folder}")
            if place in taken:
                raise ParameterError(
                    f"{path}: path conflict, it would be both {taken[place]} and {owner}; "
                    f"{_remedy(source, makers.get(place), options)}"
                )
            taken[place], makers[place] = owner, source
            files[target] = path
        if options.masks:
            for path in mask_paths(files):
                if _real(path) in taken:
                    raise ParameterError(
                        f"{path}: path conflict, masks of {source} would overwrite "
                        f"{taken[_real(path)]}; give each song a folder and each stem a name of "
                        "its own: {filename}/{instrument}.{codec}"
                    )
                taken[_real(path)] = f"a mask of {source}"
        plans.append(files)
    check_places(path for files in plans for path in files.values())
    return plans


def mask_paths(files: Mapping[str, Path]) -> list[Path]:
    """A file for each stem's mask, and the picture of all."""
    masks = [path.with_name(f"{path.stem}_mask.npy") for path in files.values()]
    return [*masks, next(iter(files.values())).with_name("masks.png")]


def _real(path: Path) -> Path:
    # as Path.resolve, which raises at a link to itself
    return Path(os.path.realpath(path))


def _fields(source: Path) -> dict[str, str]:
    # of the path as it is given: what a link points to often has no telling name
    return {
        "filename": source.stem,
        "foldername": Path(os.path.abspath(source)).parent.name,  # noqa: PTH100, follows no link
        "suffix": source.suffix.lstrip("."),
    }


def _remedy(source: Path, other: Path | None, options: FileOptions) -> str:
    # how the stems of one song, or of two, get a place of their own
    if other is None:
        return "choose another folder or file name format"
    own, its = _fields(source), _fields(other)
    differing = ["instrument"] if source == other else [f for f in own if own[f] != its[f]]
    helpful = [f"{{{f}}}" for f in differing if f"{{{f}}}" not in options.name_format]
    if not helpful:
        return "separate them one at a time, each into another folder"
    return f'use {helpful[0]} in the file name format: "{helpful[0]}/{options.name_format}"'


def _format_name(source: Path, target: str, options: FileOptions) -> str:
    name_format = options.name_format
    if not isinstance(name_format, str):
        raise ParameterError(
            f"file name format must be text such as {{instrument}}.wav (got {name_format!r})"
        )
    try:
        parts = list(string.Formatter().parse(name_format))
    except ValueError as error:
        raise ParameterError(
            f"file name format {name_format!r}: {error}; write it like "
            "{filename}/{instrument}.{codec}"
        ) from error
    used = {field for _, field, _, _ in parts if field is not None}
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ParameterError(
            f"file name format {name_format!r}: write fields as {{instrument}}, without ! and :"
        )
    if not used <= set(NAME_FIELDS):
        raise ParameterError(
            f"file name format {name_format!r}: unknown field "
            f"{min(used - set(NAME_FIELDS))!r}; choose among "
            f"{', '.join('{' + f + '}' for f in NAME_FIELDS)}"
        )
    return name_format.format(**_fields(source), instrument=target, codec=options.codec)
