"""Files of what the explorer shows and plays: what can be saved, in which formats, and how.

Knows no widgets. A file stands under a temporary name until it is complete, and takes no other
file's place unless that is asked for.
"""

import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mssviz import audio
from mssviz._checks import as_path
from mssviz._files import ScratchFolder, new_file, refuse_existing, writing
from mssviz._typing import Codec, PathLike, Waveform
from mssviz.errors import FileError, ParameterError
from mssviz.tracks import Track
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.script import script_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Of sound that is not lossless; nobody hears the difference.
BITRATE = "256k"
_SOUND = ("wav", "flac", "mp3", "ogg")
_MAX_NAME = 80


@dataclass(frozen=True)
class Shown:
    """What is saved.

    Parameters
    ----------
    result
        Masks, stems and scores.
    mix
        Gives what the mixer plays, ``(n_samples, n_channels)``.
    page
        Writes the page to a path, with or without reasons.
    figure
        Gives the picture of what is in view.
    """

    result: Result
    mix: Callable[[], Waveform]
    page: Callable[[Path, bool], object]
    figure: Callable[[], "Figure"]


@dataclass(frozen=True)
class Way:
    """One thing that can be saved.

    Parameters
    ----------
    label
        What people read.
    formats
        Endings of its file's name, or of the files in it; the first is the usual one.
    write
        Function of what is shown, the path to write to and the format.
    packed
        Whether the file is an archive of several.
    """

    label: str
    formats: tuple[str, ...]
    write: Callable[[Shown, Path, str], object]
    packed: bool = False


def save(
    shown: Shown,
    what: str,
    path: PathLike | None = None,
    format: str | None = None,  # noqa: A002, what people call it
    overwrite: bool = False,
) -> Path:
    """Write one of `WAYS` to a file.

    Parameters
    ----------
    shown
        What there is.
    what
        Name of the way.
    path
        Path of the file. If left out, it gets the song's name, in the present folder.
    format
        One of the way's; the path's ending, or else the first, if left out.
    overwrite
        Whether a file of that name is replaced.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ParameterError
        If there is nothing of the kind, or no such format.
    FileError
        If a file has the name already, or it cannot be written.

    Warns
    -----
    UserWarning
        If sound was lowered so that nothing is clipped.
    """
    way = WAYS.get(what)
    if way is None:
        raise ParameterError(f"what must be one of {', '.join(WAYS)} (got {what!r})")
    given = None if path is None else as_path(path, "a file to write")
    chosen = _format_of(way, what, given, format)
    file = given or _free(Path(f"{_name_of(shown.result)} {what}{_suffix(way, chosen)}"))
    refuse_existing(file, overwrite)
    if not file.parent.is_dir():
        raise FileError(f"{file}: cannot be written, as there is no such folder; create it first")
    way.write(shown, file, chosen)
    return file


def _format_of(way: Way, what: str, path: Path | None, wanted: str | None) -> str:
    """The format that is wanted, and that the path's ending does not deny."""
    ending = path.suffix.lstrip(".").lower() if path is not None else ""
    chosen = wanted or (ending if ending and not way.packed else way.formats[0])
    if chosen not in way.formats:
        raise ParameterError(
            f"{what} can be saved as {', '.join(way.formats)} (got {chosen!r}); choose one of them"
        )
    if path is not None and f".{ending}" != _suffix(way, chosen):
        raise ParameterError(f"{path}: its name must end with {_suffix(way, chosen)}")
    return chosen


def _suffix(way: Way, chosen: str) -> str:
    return ".zip" if way.packed else f".{chosen}"


def _name_of(result: Result) -> str:
    song = result.choice.song
    return _safe(song.name if isinstance(song, Track) else Path(song).stem)


def _safe(name: str) -> str:
    """A name as part of a file's, in any system."""
    return re.sub(r"[^\w .,()&'-]+", "_", name)[:_MAX_NAME].strip(" .") or "song"


def _free(path: Path) -> Path:
    """The path, with a number if it is taken."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return found


# --- the ways -----------------------------------------------------------------------------------


def _save_stems(shown: Shown, path: Path, codec: str) -> None:
    laboratory = shown.result.laboratory
    stems = _unclipped(laboratory.estimates)
    with (
        ScratchFolder() as folder,
        new_file(path) as scratch,
        zipfile.ZipFile(scratch, "w") as archive,
    ):
        for target, stem in stems.items():
            file = _free(
                folder.path / f"{_safe(target)}.{codec}"
            )  # names may differ in a sign alone
            _write_sound(file, stem, laboratory.separation.sample_rate, codec)
            archive.write(file, file.name)


def _save_mix(shown: Shown, path: Path, codec: str) -> None:
    _save_one(path, shown.mix(), shown, codec)


def _save_karaoke(shown: Shown, path: Path, codec: str) -> None:
    stems = shown.result.laboratory.estimates
    rest = [stem for target, stem in stems.items() if target != "vocals"]
    if len(rest) == len(stems):
        raise ParameterError(
            f"karaoke needs a model with a stem of vocals (this one gives {', '.join(stems)}); "
            "choose another model, or mute what you sing in the mixer and save the mix"
        )
    _save_one(path, np.add.reduce(rest), shown, codec)


def _save_one(path: Path, waveform: Waveform, shown: Shown, codec: str) -> None:
    [sound] = _unclipped({"": waveform}).values()
    _write_sound(path, sound, shown.result.laboratory.separation.sample_rate, codec)


def _write_sound(path: Path, waveform: Waveform, sample_rate: int, codec: str) -> None:
    audio.write_audio(path, waveform, sample_rate, cast(Codec, codec), BITRATE, "24")


def _unclipped(sounds: Mapping[str, Waveform]) -> dict[str, Waveform]:
    """Sounds of which none exceeds full scale, all lowered alike if need be."""
    peak = max(float(np.abs(sound).max(initial=0)) for sound in sounds.values())
    if peak <= 1:
        return dict(sounds)
    warnings.warn(
        f"saved {20 * np.log10(peak):.1f} dB lower than it is, so that nothing is clipped",
        stacklevel=5,
    )
    return {name: sound / np.float32(peak) for name, sound in sounds.items()}


def _save_masks(shown: Shown, path: Path, _: str) -> None:
    shown.result.laboratory.editor.save(path)


def _save_page(shown: Shown, path: Path, _: str) -> None:
    shown.page(path, False)


def _save_page_with_reasons(shown: Shown, path: Path, _: str) -> None:
    shown.page(path, True)


def _save_picture(shown: Shown, path: Path, chosen: str) -> None:
    with new_file(path) as scratch:
        shown.figure().savefig(scratch, format=chosen, dpi=200)


def _save_scores(shown: Shown, path: Path, _: str) -> None:
    scores = shown.result.scores
    if scores is None:
        raise ParameterError(shown.result.no_scores or "scores are being measured: wait for them")
    with new_file(path) as scratch:
        scores.summary.rename_axis("stem").to_csv(scratch, float_format="%.3f")


def _save_script(shown: Shown, path: Path, _: str) -> None:
    with new_file(path) as scratch, writing(path):
        scratch.write_text(script_of(shown.result), encoding="utf-8")


WAYS: Mapping[str, Way] = {
    "stems": Way("Stems, one file each, in an archive", _SOUND, _save_stems, packed=True),
    "mix": Way("Mix, as the mixer plays it", _SOUND, _save_mix),
    "karaoke": Way("Karaoke: all but the vocals", _SOUND, _save_karaoke),
    "masks": Way("Masks, as arrays of NumPy", ("npz",), _save_masks),
    "page": Way("Page that works without Python", ("html",), _save_page),
    "page with reasons": Way(
        "The page with errors and parts of a score", ("html",), _save_page_with_reasons
    ),
    "picture": Way("Picture of what is in view", ("png", "svg"), _save_picture),
    "scores": Way("Table of scores", ("csv",), _save_scores),
    "script": Way("Python that makes all this", ("py",), _save_script),
}
