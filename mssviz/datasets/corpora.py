"""Corpora that say which instrument a file is: MoisesDB, MedleyDB, Slakh2100.

Each song lists its files in ``data.json`` or in YAML, and ``instruments.json`` beside this module
says to which stem an instrument belongs. Such lists are anybody's: what they name as files are
plain names below the song's own folder, and all else in them is text.
"""

import json
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from mssviz._checks import as_path
from mssviz._stems import MIXTURE, by_source, existing, sound_files, subfolders, subset_folder
from mssviz._typing import PathLike
from mssviz._values import Values, load_json, load_yaml, shown
from mssviz.errors import ParameterError
from mssviz.tracks import File, Track

#: Stems of every song; those that it has no instrument for are silent.
CORPUS_STEMS = ("vocals", "drums", "bass", "piano", "guitar", "other")

#: Number of instruments that a warning names.
_TOLD = 10
_INSTRUMENTS = Path(__file__).with_name("instruments.json")
#: A song's files, each with the names of its instruments.
_Files = list[tuple[list[str], Path]]


def moisesdb(root: PathLike) -> dict[str, Track]:
    """Tracks of MoisesDB, by the names of their folders; artist and song are in the track's name.

    Parameters
    ----------
    root
        Folder of the data set, which has ``moisesdb_v0.1``; or that one.

    Raises
    ------
    ParameterError
        If the folder holds no such data set, or a song's ``data.json`` is not as it should be.

    Warns
    -----
    UserWarning
        If instruments that ``instruments.json`` does not know are taken for ``other``.

    References
    ----------
    Pereira, Araújo, Korzeniowski and Vogl, "MoisesDB: a dataset for source separation beyond 4
    stems", ISMIR 2023. For research only.
    """
    home = existing(root)
    folders = [song for parent in (home, *subfolders(home)) for song in subfolders(parent)]
    songs = [(song, song / "data.json") for song in folders if (song / "data.json").is_file()]
    if not songs:
        raise ParameterError(
            f"{root}: holds no songs with data.json; give the folder that holds moisesdb_v0.1"
        )
    title = ("artist", "song")
    return _tracks("moisesdb", songs, _of_moisesdb, "as MoisesDB states", title=title)


def _of_moisesdb(song: Path, values: Values) -> _Files:
    return [
        ([stem.name("stemName")], song / stem.name("stemName") / _sound_name(sound))
        for stem in values.each("stems").values()
        for sound in stem.each("tracks").values()
    ]


def _sound_name(sound: Values) -> str:
    return f"{sound.name('id')}.{sound.name('extension')}"


def medleydb(
    root: PathLike, metadata: PathLike | None = None, bleed: bool = True
) -> dict[str, Track]:
    """Tracks of MedleyDB, by the names of their folders.

    The mixtures were mastered, so they may differ from the sums of the stems; `check` says by how
    much.

    Parameters
    ----------
    root
        Folder of the data set, which has ``Audio``; or that one.
    metadata
        Folder of the files ``…_METADATA.yaml`` of those songs that do not have theirs beside the
        mixture; ``Metadata`` in `root` if left out.
    bleed
        Whether songs are taken whose stems are said to leak into each other.

    Raises
    ------
    ParameterError
        If the folder holds no such data set, or a song's metadata is not as it should be.

    Warns
    -----
    UserWarning
        If a song without metadata is left out, or instruments that ``instruments.json`` does not
        know, and stems of instruments that belong to different stems, are taken for ``other``.

    References
    ----------
    Bittner, Salamon, Tierney, Mauch, Cannam and Bello, "MedleyDB: a multitrack dataset for
    annotation-intensive MIR research", ISMIR 2014. CC BY-NC-SA 4.0.
    """
    home = existing(root)
    audio = home / "Audio" if (home / "Audio").is_dir() else home
    elsewhere = home / "Metadata" if metadata is None else as_path(metadata, "metadata")
    songs, without = [], []
    for song in subfolders(audio):
        name = f"{song.name}_METADATA.yaml"
        found = [place / name for place in (song, elsewhere) if (place / name).is_file()]
        if found:
            songs.append((song, found[0]))
        elif _mix_of_medleydb(song).is_file():
            without.append(song.name)
    if not songs:
        raise ParameterError(
            f"{root}: holds no songs with …_METADATA.yaml; give the folder that holds Audio, and "
            "as metadata the folder of these files if they lie elsewhere"
        )
    if without:
        warnings.warn(
            f"{audio}: left out, as they have no …_METADATA.yaml: {', '.join(without)}",
            stacklevel=2,
        )
    read = partial(_of_medleydb, bleed=bleed)
    return _tracks("medleydb", songs, read, "as MedleyDB states", _mix_of_medleydb)


def _of_medleydb(song: Path, values: Values, bleed: bool) -> _Files | None:
    if values.flag("has_bleed") and not bleed:
        return None
    folder = song / f"{song.name}_STEMS"
    stems = values.each("stems").values()
    return [(stem.lines("instrument"), folder / stem.name("filename")) for stem in stems]


def _mix_of_medleydb(song: Path) -> Path:
    return song / f"{song.name}_MIX.wav"


def slakh2100(root: PathLike, subset: str | None = "test") -> dict[str, Track]:
    """Tracks of Slakh2100, by the names of their folders.

    Parameters
    ----------
    root
        Folder of the data set, which has ``train``, ``validation`` and ``test``.
    subset
        Subset, ``"train"``, ``"validation"`` or ``"test"``; None if `root` holds the songs
        themselves, as that of BabySlakh does.

    Raises
    ------
    ParameterError
        If the folder holds no such data set, or a song's ``metadata.yaml`` is not as it should be.

    Warns
    -----
    UserWarning
        If instruments that ``instruments.json`` does not know are taken for ``other``.

    References
    ----------
    Manilow, Wichern, Seetharaman and Le Roux, "Cutting music source separation some Slakh: a
    dataset to study the impact of training data quality and quantity", WASPAA 2019. CC BY 4.0.
    """
    folder = existing(root)
    if subset is not None:
        folder = subset_folder(folder, subset, ("train", "validation", "test"))
    songs = [(song, song / "metadata.yaml") for song in subfolders(folder)]
    songs = [(song, path) for song, path in songs if path.is_file()]
    if not songs:
        raise ParameterError(
            f"{folder}: holds no songs with metadata.yaml; give the folder that holds Slakh2100's "
            "train, validation and test, or the folder of songs and subset=None"
        )
    return _tracks("slakh2100", songs, _of_slakh2100, "CC BY 4.0", _mix_of_slakh2100)


def _of_slakh2100(song: Path, values: Values) -> _Files:
    folder = song / "stems"
    files = {path.stem: path for path in sound_files(folder)} if folder.is_dir() else {}
    found = []
    for name, stem in values.each("stems").items():
        # what was not rendered is not in the mixture; BabySlakh says so of files that are there
        path = files.pop(name, None)
        if path or stem.flag("audio_rendered"):
            found.append((stem.lines("inst_class"), path or folder / f"{name}.flac"))
    if files:
        listed = ", ".join(path.name for path in files.values())
        raise ParameterError(f"its stems lack {listed}, which are in the folder {folder.name}")
    return found


def _mix_of_slakh2100(song: Path) -> Path | None:
    return by_source(song, sound_files(song)).get(MIXTURE)


def _tracks(
    corpus: str,
    songs: Iterable[tuple[Path, Path]],
    read: Callable[[Path, Values], _Files | None],
    licence: str,
    mixture_of: Callable[[Path], Path | None] = lambda song: None,
    title: tuple[str, ...] = (),
) -> dict[str, Track]:
    """Tracks of songs, each a folder and the file that lists its files, by the folder's name.

    What is not to be read is None in place of its files; `title` are the keys of a track's name.
    """
    instruments, tracks = _Instruments(corpus), {}
    for song, path in songs:
        load = load_json if path.suffix == ".json" else load_yaml
        content = load(path, "a list of a song's files")
        try:
            values = Values(content)
            files = read(song, values)
            name = " - ".join(filter(None, (values.line(key, "") for key in title)))
        except ParameterError as error:
            raise ParameterError(f"{path}: {error}") from error
        if files is None:
            continue
        stems = instruments.sorted(files)
        if not any(stems.values()) or song.name in tracks:
            what = "is there twice" if song.name in tracks else "names no files of stems"
            raise ParameterError(f"{path}: the song {what}; correct or remove it")
        mixture = mixture_of(song)
        tracks[song.name] = Track(
            name or song.name, stems, licence, mixture=(mixture, 0) if mixture else None
        )
    if instruments.unknown:
        told = sorted(instruments.unknown)[:_TOLD]
        more = len(instruments.unknown) - len(told)
        rest = f", and {more} more" if more else ""
        warnings.warn(
            f"{corpus}: instruments taken for other: {', '.join(told)}{rest}", stacklevel=3
        )
    return tracks


class _Instruments:
    """Stems of a corpus's instruments; what belongs to none, or to several, is `unknown`."""

    def __init__(self, corpus: str) -> None:
        listed = json.loads(_INSTRUMENTS.read_text(encoding="utf-8"))[corpus]
        self._stems = {name: stem for stem, names in listed.items() for name in names}
        self.unknown: set[str] = set()

    def sorted(self, files: _Files) -> dict[str, list[File]]:
        """Files of each stem, without those that the corpus's list leaves out."""
        stems: dict[str, list[File]] = {stem: [] for stem in CORPUS_STEMS}
        for names, path in files:
            stem = self._stem(names)
            if stem in stems:
                stems[stem].append((path, 0))
        return stems

    def _stem(self, names: list[str]) -> str:
        found = {self._stems.get(name.lower().replace("_", " ")) for name in names}
        stem = found.pop() if len(found) == 1 else None
        if stem is None:
            self.unknown.add(shown(" + ".join(names)))
        return stem or "other"
