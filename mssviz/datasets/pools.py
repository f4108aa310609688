"""Sounds of single stems that belong to no song, as trainings draw them: in folders or a table.

The two arrangements are those of ZFTurbo's Music-Source-Separation-Training (MSST), its dataset
types 2 and 3. As there are no songs, a track is a mix of the next sound of each stem.
"""

from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

from mssviz._checks import as_path, below
from mssviz._stems import (
    MIXTURE,
    by_source,
    existing,
    is_source,
    read_table,
    sound_files,
    source_name,
    subfolders,
)
from mssviz._typing import PathLike
from mssviz.errors import ParameterError
from mssviz.tracks import Track


def from_stem_folders(folder: PathLike) -> dict[str, Track]:
    """Tracks from a folder with one folder for each stem, named after the stem, of any sounds.

    The sounds belong to no song. Track after track takes the next of each stem, in the order of
    their names; a stem with fewer sounds begins anew, and a track ends with its shortest sound. In
    a training, augmentation ``"remix"`` draws each stem of an example from any of the tracks.

    Raises
    ------
    ParameterError
        If there are fewer than two such folders, two of one stem, or one without sounds.
    """
    home = existing(folder)
    found = by_source(home, subfolders(home))
    return _mixes(folder, {source: sound_files(path) for source, path in found.items()})


def is_of_stem_folders(folder: Path) -> bool:
    """Whether all folders in a folder are named after stems."""
    found = subfolders(folder) if folder.is_dir() else []
    return bool(found) and all(is_source(path.stem) for path in found)


def from_stem_table(path: PathLike, root: PathLike | None = None) -> dict[str, Track]:
    """Tracks from a table of sounds, each of one stem, mixed as by `from_stem_folders`.

    Parameters
    ----------
    path
        Path of a CSV file with columns ``instrum`` and ``path``; others are left alone.
    root
        Folder that the paths are relative to, and that all of them must lie in; the table's own
        folder if left out.

    Raises
    ------
    ParameterError
        If the file is no such table, a row is incomplete, a path leads out of `root`, or there are
        fewer than two stems.
    """
    path = as_path(path, "a table")
    columns, rows = read_table(path)
    if not {"instrum", "path"} <= set(columns):
        raise ParameterError(
            f"{path}: needs columns instrum and path, separated by commas (got "
            f"{', '.join(columns) or 'none'})"
        )
    base = as_path(root, "root") if root is not None else path.parent
    pools: dict[str, list[Path]] = {}
    for number, row in rows:
        empty = [column for column in ("instrum", "path") if not row[column]]
        if empty:
            raise ParameterError(f"{path}, line {number}: {empty[0]} is empty")
        sound = below(base, row["path"], f"{path}, line {number}")
        pools.setdefault(source_name(row["instrum"]), []).append(sound)
    return _mixes(path, pools)


def _mixes(where: PathLike, pools: Mapping[str, list[Path]]) -> dict[str, Track]:
    """Tracks of the next sound of each stem, until each has been there."""
    pools = {source: sounds for source, sounds in pools.items() if source != MIXTURE}
    if len(pools) < 2 or not all(pools.values()):
        listed = ", ".join(f"{len(sounds)} of {source}" for source, sounds in pools.items())
        raise ParameterError(
            f"{where}: needs at least two stems, such as vocals and other, and sounds of each (got "
            f"{listed or 'none'})"
        )
    longest = max(map(len, pools.values()))
    mixes = zip(*(islice(cycle(sounds), longest) for sounds in pools.values()), strict=True)
    return {
        f"mix {number}": Track(
            f"mix {number}",
            {source: (path, 0) for source, path in zip(pools, paths, strict=True)},
            shortest=True,
        )
        for number, paths in enumerate(mixes, start=1)
    }
