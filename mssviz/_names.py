"""Names of the files that stems are written to, and checks that nothing else has these names."""

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
    """Options for the files that stems are written to.

    Parameters
    ----------
    codec, bitrate, bit_depth
        Format of the sound files, as in `audio.AudioWriter`.
    name_format
        Name of a stem's file below the output folder, made of the fields in `NAME_FIELDS`. The
        fields of the song's path as it is given are its name without suffix, its folder's name, and
        its suffix without the dot.
    masks
        Whether each stem's mask (``.npy``) and pictures of masks and mixture (``.png``) are
        written, too.
    """

    codec: Codec = "wav"
    bitrate: str = "128k"
    bit_depth: BitDepth = "16"
    name_format: str = "{filename}/{instrument}.{codec}"
    masks: bool = False


def stem_paths(
    inputs: Sequence[PathLike], targets: Sequence[str], folder: PathLike, options: FileOptions
) -> list[dict[str, Path]]:
    """Choose the files of each input's stems, and check them, before any work is done.

    Parameters
    ----------
    inputs
        Paths of the sound files, which need not exist.
    targets
        Names of the stems.
    folder
        Folder for all stems; it is not made.
    options
        Options, above all the format of the names.

    Returns
    -------
    list of dict
        Paths by target, for each input.

    Raises
    ------
    ParameterError
        If the format has an unknown field, two stems would get one path, a path would leave the
        folder, or a stem would overwrite an input.
    FileError
        If a stem cannot be written to its path.
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
    """Paths of each stem's mask, and of the picture of all masks."""
    masks = [path.with_name(f"{path.stem}_mask.npy") for path in files.values()]
    return [*masks, next(iter(files.values())).with_name("masks.png")]


def _real(path: Path) -> Path:
    # as Path.resolve, which raises an error at a link to itself
    return Path(os.path.realpath(path))


def _fields(source: Path) -> dict[str, str]:
    # fields of the path as it is given: what a link points to often has no telling name
    return {
        "filename": source.stem,
        "foldername": Path(os.path.abspath(source)).parent.name,  # noqa: PTH100, follows no link
        "suffix": source.suffix.lstrip("."),
    }


def _remedy(source: Path, other: Path | None, options: FileOptions) -> str:
    # advice on how the stems of one song, or of two, get paths of their own
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
