"""Songs with known sources: the shipped excerpts, MUSDB18, DSD100, folders and tables of stems.

`corpora` reads MoisesDB, MedleyDB and Slakh2100, which say what instrument a file is, and `pools`
sounds of single stems that belong to no song.

MUSDB18's stem files are read by `audio` directly. The musdb package cannot be imported where there
is no ffmpeg program, decodes a stem anew each time, and gives nothing that is not in the files.
"""

import importlib.util
import json
import warnings
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from mssviz import presets
from mssviz._checks import as_path, below
from mssviz._stems import (
    ACCOMPANIMENT,
    MIXTURE,
    by_source,
    existing,
    known_parts,
    packed_files,
    read_table,
    sound_files,
    source_name,
    subfolders,
    subset_folder,
)
from mssviz._typing import PathLike, Waveform
from mssviz.datasets.checking import MAX_PEAK, MAX_RESIDUAL_DB, check
from mssviz.datasets.corpora import CORPUS_STEMS, medleydb, moisesdb, slakh2100
from mssviz.datasets.pools import from_stem_folders, from_stem_table, is_of_stem_folders
from mssviz.errors import ParameterError
from mssviz.tracks import Track

__all__ = [
    "CORPUS_STEMS", "MAX_PEAK", "MAX_RESIDUAL_DB", "MUSDB_STREAMS", "Track", "check", "dsd100",
    "example_mixture", "examples", "from_csv", "from_folder", "from_folders", "from_stem_folders",
    "from_stem_table", "is_of_stem_folders", "known_targets", "medleydb", "moisesdb", "musdb18",
    "published_scores", "slakh2100", "to_targets",
]  # fmt: skip

#: Streams of MUSDB18's stem files; stream 0 is the mixture.
MUSDB_STREAMS = {"vocals": 4, "drums": 1, "bass": 2, "other": 3}
_PACKAGE = Path(__file__).parents[1]


def examples() -> dict[str, Track]:
    """The excerpts at hand: `"francium"`, `"lithium"` and, where museval is installed, `"musdb"`.

    Examples
    --------
    >>> song = mssviz.examples()["francium"]
    >>> list(song.stems)
    ['vocals', 'drums', 'other']
    >>> mixture, sources, repairs = song.excerpt(0, 2).sound()
    >>> mixture.shape
    (88200, 2)
    """
    tracks = {
        "francium": _shipped("francium", "Francium", ("vocals", "drums", "other")),
        "lithium": _shipped("lithium", "Lithium", ("vocals", "drums", "bass", "other")),
    }
    musdb = _musdb_excerpt()
    if musdb:
        tracks["musdb"] = musdb
    return tracks


def example_mixture() -> Path:
    """Sound file of the shipped excerpt's mixture."""
    return _examples_folder() / "francium" / "mixture.flac"


def from_folder(folder: PathLike) -> Track:
    """A track from a folder with one sound file for each stem, named after the stem.

    Names are read in any case and as other programs give them: `song_(Vocals)` is ``vocals``,
    `no_vocals` is ``accompaniment``. A file of the mixture is left out, and hidden files are not
    stems.

    Raises
    ------
    ParameterError
        If the folder holds fewer than two stems, or two files of one stem.

    Warns
    -----
    UserWarning
        If an accompaniment is left out because the sources that make it up are there, too.
    """
    path = existing(folder)
    files = [p for p in sound_files(path) if source_name(p.stem) != MIXTURE]
    found = by_source(path, files)
    if ACCOMPANIMENT in found and set(found) - {ACCOMPANIMENT, "vocals"}:
        warnings.warn(
            f"{found.pop(ACCOMPANIMENT)}: left out, as it is the sum of stems that are there, too",
            stacklevel=2,
        )
    if len(found) < 2:
        raise ParameterError(
            f"{folder}: needs at least two stems, such as vocals.wav and other.wav (got "
            f"{', '.join(found) or 'none'}); of a folder of songs give one"
        )
    return Track(path.absolute().name, {source: (file, 0) for source, file in found.items()})


def from_folders(folder: PathLike) -> dict[str, Track]:
    """Tracks by name from a folder of folders of stems, each as `from_folder` reads it.

    Raises
    ------
    ParameterError
        If the folder holds no folder with sound, or one of them holds fewer than two stems.

    Warns
    -----
    UserWarning
        If a folder without sound is left out.
    """
    tracks = {}
    for path in subfolders(existing(folder)):
        if sound_files(path):
            tracks[path.name] = from_folder(path)
        else:
            warnings.warn(f"{path}: left out, as it holds no sound files", stacklevel=2)
    if not tracks:
        raise ParameterError(
            f"{folder}: holds no folders with stems; each track needs one, with its stems; of the "
            "folder of a single song give the one above"
        )
    return tracks


def musdb18(root: PathLike, subset: str = "test") -> dict[str, Track]:
    """Tracks of MUSDB18 (``*.stem.mp4``) or MUSDB18-HQ (folders of wav files), by name.

    Parameters
    ----------
    root
        Folder of the data set, which has ``train`` and ``test``.
    subset
        Subset, ``"train"`` or ``"test"``.

    Raises
    ------
    ParameterError
        If the folder holds no such data set.

    References
    ----------
    Rafii, Liutkus, Stöter, Mimilakis and Bittner, "MUSDB18 – a corpus for music separation",
    2017. For academic use; each track has a licence of its own.
    """
    folder = subset_folder(existing(root), subset, ("train", "test"))
    licence = "as MUSDB18 states"
    tracks = {}
    for name, path in packed_files(folder).items():
        stems = {source: (path, stream) for source, stream in MUSDB_STREAMS.items()}
        tracks[name] = Track(name, stems, licence, mixture=(path, 0))
    for path in subfolders(folder):
        track = _of_four(path.name, path, path, licence)
        if track and path.name in tracks:
            raise ParameterError(
                f"{folder}: has {path.name!r} twice, as a folder and in one file; move one away"
            )
        if track:
            tracks[path.name] = track
    if not tracks:
        raise ParameterError(
            f"{folder}: holds neither *.stem.mp4 nor folders of vocals.wav, drums.wav, bass.wav "
            "and other.wav; give the folder that holds MUSDB18's train and test"
        )
    return tracks


def dsd100(root: PathLike, subset: str = "Test") -> dict[str, Track]:
    """Tracks of DSD100 by name.

    Parameters
    ----------
    root
        Folder of the data set, which has ``Mixtures`` and ``Sources``.
    subset
        Subset, ``"Dev"`` or ``"Test"``.

    Raises
    ------
    ParameterError
        If the folder holds no such data set.

    References
    ----------
    Liutkus et al., "The 2016 signal separation evaluation campaign", LVA/ICA 2017.
    """
    parts = ("Mixtures", "Sources")
    mixtures, sources = (
        subset_folder(subset_folder(existing(root), part, parts), subset, ("Dev", "Test"))
        for part in parts
    )
    tracks = {}
    for path in subfolders(mixtures):
        track = _of_four(path.name, sources / path.name, path, "as DSD100 states")
        if track and track.mixture:
            tracks[path.name] = track
    if not tracks:
        raise ParameterError(
            f"{mixtures}: holds no */mixture.wav; give the folder that holds DSD100's Mixtures "
            "and Sources"
        )
    return tracks


def _of_four(name: str, folder: Path, mixtures: Path, licence: str) -> Track | None:
    """Track of MUSDB18's four sources; a missing file is listed by the name that it should have."""
    found = by_source(folder, sound_files(folder)) if folder.is_dir() else {}
    mixture = by_source(mixtures, sound_files(mixtures)).get(MIXTURE)
    if not mixture and not found.keys() & MUSDB_STREAMS:
        return None
    stems = {source: (found.get(source, folder / f"{source}.wav"), 0) for source in MUSDB_STREAMS}
    return Track(name, stems, licence, mixture=(mixture, 0) if mixture else None)


def from_csv(path: PathLike, root: PathLike | None = None) -> dict[str, Track]:
    """Tracks from a table of files as Spleeter's training reads it, by the path of the mixture.

    Parameters
    ----------
    path
        Path of a CSV file with a column ``mix_path`` and one for each stem, such as
        ``vocals_path``, named as files are in `from_folder`; other columns, such as ``duration``,
        are left alone. Blanks around commas do not matter. Semicolons or tabs, as spreadsheets
        write them, may stand for commas.
    root
        Folder that the paths are relative to; the table's own folder if left out.

    Raises
    ------
    ParameterError
        If the file is no such table, a row is incomplete or too long, or a path appears twice or
        leads out of the folder.
    """
    path = as_path(path, "a table")
    columns, rows = read_table(path)
    paths = [c for c in columns if c.endswith("_path")]
    sources = {c: source_name(c.removesuffix("_path")) for c in paths}
    sources = {c: source for c, source in sources.items() if source != MIXTURE}
    if "mix_path" not in columns or len(set(sources.values())) < max(2, len(sources)):
        raise ParameterError(
            f"{path}: needs columns mix_path and two or more such as vocals_path, one for each "
            f"stem, separated by commas (got {', '.join(columns) or 'none'})"
        )
    base = as_path(root, "root") if root is not None else path.parent
    tracks: dict[str, Track] = {}
    for number, row in rows:
        empty = [column for column in ("mix_path", *sources) if not row[column]]
        name = row["mix_path"]
        if empty or name in tracks:
            what = f"{', '.join(empty)} is empty" if empty else f"{name} appears twice"
            raise ParameterError(f"{path}, line {number}: {what}")
        where = f"{path}, line {number}"
        stems = {source: (below(base, row[c], where), 0) for c, source in sources.items()}
        tracks[name] = Track(name, stems, mixture=(below(base, name, where), 0))
    if not tracks:
        raise ParameterError(f"{path}: holds no rows; each track needs one")
    return tracks


def to_targets(
    references: Mapping[str, Waveform], targets: tuple[str, ...]
) -> dict[str, Waveform] | None:
    """Sum a track's sources to the targets of a separator.

    ``accompaniment`` is everything but the vocals; ``other`` is everything that is no target of its
    own. The result is None if there is no source for a target.

    Parameters
    ----------
    references
        Waveforms by source, all of one shape.
    targets
        Targets of the separator, in order.
    """
    known = known_targets(references, targets)
    return known if len(known) == len(targets) else None


def known_targets(
    references: Mapping[str, Waveform], targets: tuple[str, ...]
) -> dict[str, Waveform]:
    """As `to_targets`, of those targets alone that the sources tell; maybe of none."""
    return {
        target: reduce(np.add, [references[source] for source in sources])
        for target, sources in known_parts(targets, references).items()
    }


def published_scores() -> dict[str, dict[str, Any]]:
    """Median scores of SiSEC 2018's entries in dB, by entry, target and measure; see its README."""
    return json.loads((published_folder() / "sisec18.json").read_text(encoding="utf-8"))


def published_folder() -> Path:
    """Folder with the tables of published scores; see its README."""
    checkout = presets.checkout_folder()
    folder = checkout / "datasets" / "published" if checkout else None
    return folder or _PACKAGE / "_published"


def _examples_folder() -> Path:
    checkout = presets.checkout_folder()
    return checkout / "datasets" / "examples" if checkout else _PACKAGE / "_examples"


def _shipped(name: str, title: str, sources: tuple[str, ...]) -> Track:
    folder = _examples_folder() / name
    stems = {source: (folder / f"{source}.flac", 0) for source in sources}
    return Track(f"{title}, ichbinsoftware (excerpt)", stems, licence="CC0 1.0")


def _musdb_excerpt() -> Track | None:
    # stempeg ships the excerpt, but cannot be imported where there is no ffmpeg: find the file
    package = importlib.util.find_spec("stempeg")
    if package is None or not package.submodule_search_locations:
        return None
    found = sorted(Path(package.submodule_search_locations[0], "data").glob("*.stem.mp4"))
    if not found:
        return None
    stems = {source: (found[0], stream) for source, stream in MUSDB_STREAMS.items()}
    # all streams click in its first and last tenth of a second
    return Track(
        "The Easton Ellises, Falcon 69 (MUSDB18, 6 s)", stems, "CC BY-NC-SA 3.0",
        skip_end=0.1, start=0.1,
    )  # fmt: skip
