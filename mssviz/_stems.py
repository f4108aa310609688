"""Folders of stems as people have them: which files are sound, and which source a name means."""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path

from mssviz._checks import as_path
from mssviz._paths import exists
from mssviz._typing import PathLike
from mssviz.errors import ParameterError, reason

#: Endings of the names of sound files, in lower case.
SUFFIXES = (
    ".wav", ".wave", ".bwf", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".flac", ".wv", ".ape", ".tta", ".mp3", ".mp2", ".aac", ".m4a", ".m4b", ".mp4", ".mov", ".ogg",
    ".oga", ".opus", ".webm", ".mka", ".mkv", ".wma", ".ac3", ".eac3", ".dts", ".amr", ".3gp",
    ".mpc", ".tak", ".dsf",
)  # fmt: skip
#: Endings of files that hold all stems in one, such as MUSDB18's.
PACKED = (".stem.mp4", ".stem.m4a")

MIXTURE = "mixture"
ACCOMPANIMENT = "accompaniment"
_SOURCES = ("vocals", "drums", "bass", "other", "piano", "guitar", ACCOMPANIMENT, MIXTURE)
#: Our names of stems by names that others give, in lower case with underscores.
_ALIASES = {
    "mix": MIXTURE,  # in Spleeter's tables
    "linear_mixture": MIXTURE,  # in musdb
    "no_vocals": ACCOMPANIMENT,  # Demucs with two stems, LALAL.AI, Ultimate Vocal Remover
    "minus_vocals": ACCOMPANIMENT,  # Demucs with --other-method minus
    "instrumental": ACCOMPANIMENT,  # Ultimate Vocal Remover, audio-separator, MSST
    "instrum": ACCOMPANIMENT,  # MVSEP, older versions of MSST
    "vocal": "vocals",  # the singular, which people use, too
    "drum": "drums",  # the singular, and LALAL.AI
}
_KNOWN = {**{source: source for source in _SOURCES}, **_ALIASES}
#: Most characters of a table: a hundred thousand rows of five long paths.
LARGEST_TABLE = 1 << 25
#: Names of what systems keep beside people's files, in lower case; names that begin with a dot
#: count as such, too.
_SYSTEM = (
    "__macosx", "@eadir", "@recycle", "#recycle", "$recycle.bin", "system volume information",
    "lost+found", "thumbs.db", "desktop.ini",
)  # fmt: skip


def source_name(text: str) -> str:
    """Find the source that a name means, whatever its case and the program that gave it.

    Parameters
    ----------
    text
        Name, such as ``"Vocals"``, ``"no_vocals"`` (Demucs), ``"song_(Instrumental)_model"``
        (Ultimate Vocal Remover), ``"My Song - Drums"`` or ``"03 Bass"`` (tracks of an editor). A
        name that means no source is returned in lower case.
    """
    name = unicodedata.normalize("NFC", text).strip().lower()
    numbered = re.sub(r"^\d+[\s._-]+", "", name)
    bracketed = reversed(re.findall(r"\(([^()]+)\)", name))
    for part in (name, numbered, *bracketed, name.rpartition(" - ")[2]):
        known = _KNOWN.get(re.sub(r"[\s_-]+", "_", part.strip()))
        if known:
            return known
    return name


def is_source(text: str) -> bool:
    """Whether a name means a source, see `source_name`."""
    return source_name(text) in _SOURCES


def parts_of(targets: Iterable[str], sources: Collection[str]) -> dict[str, list[str]] | None:
    """Names of the sources that make up each target; None if a target has none.

    ``accompaniment`` is everything but the vocals; ``other`` is everything that is no target of its
    own.
    """
    targets = list(targets)
    found = known_parts(targets, sources)
    return found if len(found) == len(targets) else None


def known_parts(targets: Iterable[str], sources: Collection[str]) -> dict[str, list[str]]:
    """As `parts_of`, of those targets alone that have a source.

    What is left over is known where no target that has no source could be in it.
    """
    names = {target: target if target in sources else source_name(target) for target in targets}
    rest = ACCOMPANIMENT if ACCOMPANIMENT in names.values() else "other"
    named = set(names.values()) - {rest}
    remaining = [source for source in sources if source not in named]
    if ACCOMPANIMENT in remaining and not named <= set(sources):
        remaining = []  # it may hold what has no source of its own
    parts = {t: remaining if name == rest else [name] for t, name in names.items()}
    return {t: found for t, found in parts.items() if found and set(found) <= set(sources)}


def sound_files(folder: Path) -> list[Path]:
    """Sound files of a folder in order of their names, without hidden ones and packed stems."""
    return [
        path
        for path in _entries(folder)
        if path.suffix.lower() in SUFFIXES
        and not path.name.lower().endswith(PACKED)
        and path.is_file()
    ]


def packed_files(folder: Path) -> dict[str, Path]:
    """Files of a folder that hold all stems of a song, by the song's name.

    Raises
    ------
    ParameterError
        If two files are of one name.
    """
    found: dict[str, Path] = {}
    for path in _entries(folder):
        if path.name.lower().endswith(PACKED) and path.is_file():
            name = path.name[: -len(PACKED[0])]
            if name in found:
                raise ParameterError(
                    f"{folder}: has {name!r} twice, in {found[name].name} and {path.name}; move "
                    "one away"
                )
            found[name] = path
    return found


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder in order of their names, without hidden ones."""
    return [path for path in _entries(folder) if path.is_dir()]


def by_source(folder: Path, files: Iterable[Path]) -> dict[str, Path]:
    """Find the file of each source.

    Raises
    ------
    ParameterError
        If two files are of the same source.
    """
    found: dict[str, Path] = {}
    for path in files:
        name = source_name(path.stem)
        if name in found:
            raise ParameterError(
                f"{folder}: {found[name].name} and {path.name} are both {name}; keep one of them, "
                "or rename it"
            )
        found[name] = path
    return found


def existing(folder: PathLike) -> Path:
    """Return a folder as a path, and raise an error unless it exists."""
    path = as_path(folder, "a folder")
    if not exists(path):
        raise ParameterError(f"{folder}: no such folder; check its name")
    if not path.is_dir():
        raise ParameterError(f"{folder}: is a file; name the folder that holds it")
    return path


def subset_folder(root: Path, subset: str, choices: tuple[str, ...]) -> Path:
    """Find the folder of a subset of a corpus, whatever the case of its name.

    Raises
    ------
    ParameterError
        If the corpus has no such subset, or the folder lacks it.
    """
    if str(subset).lower() not in [choice.lower() for choice in choices]:
        raise ParameterError(f"subset must be one of {', '.join(choices)} (got {subset!r})")
    found = subfolders(root)
    for path in found:
        if path.name.lower() == subset.lower():
            return path
    raise ParameterError(
        f"{root}: has no folder {subset} (it holds {', '.join(p.name for p in found) or 'none'}); "
        f"give the folder that holds {' and '.join(choices)}"
    )


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise ParameterError(
            f"{folder}: cannot be listed ({reason(error)}); check its permissions"
        ) from error
    return [p for p in found if not p.name.startswith(".") and p.name.lower() not in _SYSTEM]


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Columns of a CSV, and its rows with their line numbers; blanks around values are left out.

    Raises
    ------
    ParameterError
        If the file cannot be read or is larger than `LARGEST_TABLE`, two columns have the same
        name, or a row has more values than columns.
    """
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read(LARGEST_TABLE + 1)
        if len(text) > LARGEST_TABLE:
            raise ValueError(f"over {LARGEST_TABLE >> 20} million characters")
        header = text.partition("\n")[0]
        separator = max(",;\t", key=header.count)  # spreadsheets use different ones
        rows_of = io.StringIO(text, newline="")
        lines = csv.reader(rows_of, delimiter=separator, skipinitialspace=True, strict=True)
        columns = [value.strip() for value in next(lines, [])]
        for values in lines:
            rows.append((lines.line_num, [value.strip() for value in values]))
    except (OSError, ValueError, csv.Error) as error:
        raise ParameterError(
            f"{path}: not a readable table ({reason(error)}); save it as CSV in UTF-8"
        ) from error
    twice = {name for name in columns if name and columns.count(name) > 1}
    if twice:
        raise ParameterError(f"{path}: has two columns {twice.pop()}; rename one")
    for number, values in rows:
        if any(values[len(columns) :]):
            raise ParameterError(
                f"{path}, line {number}: has {len(values)} values for {len(columns)} columns; "
                'put values with commas in quotes, such as "a, b.wav"'
            )
    return columns, [
        (number, dict(itertools.zip_longest(columns, values[: len(columns)], fillvalue="")))
        for number, values in rows
        if any(values)
    ]
