"""What is to be separated: a song, an excerpt of it, and the models."""

import math
import numbers
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mssviz import audio, datasets
from mssviz._fetch import no_progress
from mssviz._paths import is_folder, typed
from mssviz._typing import PathLike, Progress
from mssviz.errors import ParameterError
from mssviz.plots import one_line
from mssviz.separators import entry
from mssviz.tracks import Sound, Track

DEFAULT_SECONDS, LEAST_SECONDS = 15.0, 0.1


@dataclass(frozen=True)
class Choice:
    """A song, an excerpt of it, and the models that are to separate it.

    Nothing is checked before the work begins, so that whatever was typed can be refused there.

    Parameters
    ----------
    song
        A track, or the path of a sound file or of a folder of stems.
    model
        Name of a preset, or of a model without weights, see `mssviz.models`.
    rival
        Name of a second model, whose result is shown beside the first one's; empty for none.
    offset
        Beginning of the excerpt, in seconds from the song's beginning, 0 or more.
    duration
        Length of the excerpt, in seconds, 0.1 or more; None for all of the song.
    """

    song: Track | PathLike
    model: str = "spleeter:2stems"
    rival: str = ""
    offset: float = 0.0
    duration: float | None = DEFAULT_SECONDS

    @property
    def title(self) -> str:
        """Song and model, as a title for people."""
        if isinstance(self.song, Track):
            song = f"{self.song.name} · {self.song.licence}"
        else:
            song = Path(self.song).name
        return f"{one_line(song)} · {one_line(self.model)}"

    @property
    def rival_name(self) -> str:
        """Name of the second model for people, told from the first where both have one name."""
        return f"{self.rival}, untouched" if self.rival == self.model else self.rival

    @property
    def excerpt(self) -> tuple[Any, ...]:
        """What tells this part of this song from others."""
        return self.song, self.offset, self.duration

    def check(self) -> None:
        """Raise `ParameterError` unless the masks of both models have the same grid."""
        if not self.rival:
            return
        if entry(self.rival).preset.stft != entry(self.model).preset.stft:
            raise ParameterError(
                f"{self.rival} and {self.model} work at different sample rates or windows, so "
                "their masks cannot be laid over each other; compare others",
                "or use mssviz.compare",
            )

    def load(self, sample_rate: int, progress: Progress = no_progress) -> Sound:
        """Read the excerpt, with the true stems where they are known.

        Parameters
        ----------
        sample_rate
            Sample rate that the sound is converted to, in hertz.
        progress
            Callback for the progress, in seconds of sound.

        Raises
        ------
        ParameterError
            If the times are not those of an excerpt, or no song is named.
        AudioError
            If the song cannot be read.
        """
        check_excerpt(self.offset, self.duration, CONTROLS)
        if isinstance(self.song, Track):
            return self.song.sound(self.offset, self.duration, sample_rate, progress)
        text = str(self.song).strip()
        if not text:
            raise ParameterError("no file chosen: upload one, or type its path")
        path = Path(typed(text))
        if is_folder(path):
            track = datasets.from_folder(path)
            return track.sound(self.offset, self.duration, sample_rate, progress)
        mixture, _ = audio.load_audio(
            path, self.offset, self.duration, sample_rate, progress=progress
        )
        return Sound(mixture, {}, [])  # without true stems, nothing is measured


class Names(NamedTuple):
    """What the times of an excerpt are called where people set them."""

    offset: str
    duration: str
    whole: str


PARAMETERS = Names("offset", "duration", "or None for the whole song")
CONTROLS = Names("From", "Length", "or tick “to the song's end”")


def check_excerpt(offset: Any, duration: Any, names: Names = PARAMETERS) -> None:
    """Raise `ParameterError` unless these are times of an excerpt, in seconds."""
    if not _is_time(offset, 0.0):
        raise ParameterError(f"{names.offset} must be 0 s or more (got {offset!r})")
    if duration is not None and not _is_time(duration, LEAST_SECONDS):
        raise ParameterError(
            f"{names.duration} must be {LEAST_SECONDS:g} s or more, {names.whole} "
            f"(got {duration!r})"
        )


def _is_time(value: Any, least: float) -> bool:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and least <= float(value) < math.inf
