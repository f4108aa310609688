"""A song whose true stems are known, in files of any lengths and channels."""

import math
import reprlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mssviz import audio
from mssviz._checks import check_number
from mssviz._fetch import no_progress
from mssviz._progress import counted
from mssviz._typing import Progress, Waveform
from mssviz.audio import check_sample_rate
from mssviz.errors import AudioError, ParameterError

#: A sound file and the number of a stream in it.
File = tuple[Path, int]
#: Seconds by which a stem may be shorter than the longest one, because encoders add some sound.
MAX_MISSING_SECONDS = 0.1
#: Name of the mixture among the names of sources.
THE_MIXTURE = "the mixture"


class Part(NamedTuple):
    """Sound that was read from one file of a track.

    Attributes
    ----------
    path : Path
    waveform : Waveform
        Samples ``(n_samples, n_channels)``; none if the file ends before the wanted part.
    repairs : list of tuple of float
        Parts (start, stop) that could not be decoded and are silent instead, in seconds from the
        beginning of the wanted part.
    """

    path: Path
    waveform: Waveform
    repairs: list[tuple[float, float]]


class Sound(NamedTuple):
    """A track's mixture and sources, and what was repaired in them.

    Attributes
    ----------
    mixture, references
        Waveforms as from `Track.load`.
    repairs : list of tuple of float
        Repaired parts of all files, as in `Part`.
    """

    mixture: Waveform
    references: dict[str, Waveform]
    repairs: list[tuple[float, float]]


@dataclass(frozen=True)
class Track:
    """A song whose true stems are known.

    Parameters
    ----------
    name
        Name that people see.
    stems
        File and stream number of each source, by name. A list of these is a source that is the sum
        of several files, and an empty list one that is silent throughout.
    licence
        Licence of the sound.
    skip_end
        Length of the end that is not used, in seconds.
    mixture
        File and stream number of the mixture; if left out, it is the sum of the stems.
    start, duration
        Part of the files that is the track, in seconds; `duration` None goes to their end.
    shortest
        Whether the track ends with the shortest of its files, as those of different songs may; if
        not, it ends with the longest, and silence follows the others.
    """

    name: str
    stems: Mapping[str, File | list[File]]
    licence: str = "unknown"
    skip_end: float = 0.0
    mixture: File | None = None
    start: float = 0.0
    duration: float | None = None
    shortest: bool = False

    def __post_init__(self) -> None:
        found = self.stems.values() if isinstance(self.stems, Mapping) else ()
        files = list(chain.from_iterable(map(_listed, found)))
        if not files or not all(isinstance(file, tuple) and len(file) == 2 for file in files):
            raise ParameterError(
                "stems must be a dict of source to file and stream number, such as "
                f'{{"vocals": ("vocals.wav", 0)}} (got {reprlib.repr(self.stems)})'
            )
        check_number(self.start, "start")
        if not 0 <= self.start < math.inf:
            raise ParameterError(f"start must be 0 s or more (got {self.start})")
        if self.duration is not None:
            check_number(self.duration, "duration")
            if not self.duration > 0:
                raise ParameterError(f"duration must be more than 0 s (got {self.duration})")

    def excerpt(self, start: float, duration: float) -> "Track":
        """Take an excerpt of the track as a track of its own.

        Parameters
        ----------
        start, duration
            Part to take, in seconds from the track's beginning. A track that ends earlier ends the
            excerpt.

        Raises
        ------
        ParameterError
            If the part is none, or begins outside of the track as far as that is known.
        """
        check_number(start, "start")
        check_number(duration, "duration")
        end = math.inf if self.duration is None else self.duration
        if not (0 <= start < end and duration > 0):
            within = "at 0 or later" if self.duration is None else f"in the track's {end:.2f} s"
            raise ParameterError(
                f"{self.name}: an excerpt begins {within} and lasts more than 0 s (got {start} and "
                f"{duration})"
            )
        if self.duration is not None:
            duration = min(duration, self.duration - start)
        return replace(self, start=self.start + start, duration=duration)

    @property
    def seconds(self) -> float | None:
        """Length, in seconds, as the headers of its files tell; None if one does not."""
        found = [seconds_of(path, stream) for path, stream in self._every_file]
        known = [seconds for seconds in found if seconds is not None]
        if len(known) < len(found):
            return self.duration
        left = max(0.0, self._end(known) - self.start - self.skip_end)
        return left if self.duration is None else min(left, self.duration)

    @property
    def files(self) -> list[Path]:
        """Every sound file of the track, each once."""
        return list(dict.fromkeys(path for path, _ in self._every_file))

    @property
    def parts(self) -> dict[str, list[File]]:
        """Files and stream numbers of each source, and of `THE_MIXTURE` if it has a file."""
        mixture = {THE_MIXTURE: [self.mixture]} if self.mixture else {}
        return {source: _listed(files) for source, files in self.stems.items()} | mixture

    def depends_on(self, digest: Callable[[Path], Any]) -> dict[str, Any]:
        """Everything that the track's sound depends on, as values of JSON, for keys of caches.

        Parameters
        ----------
        digest
            Function of a file's path that gives a digest of its content.
        """

        def content(files: list[File]) -> list[Any]:
            return [value for path, stream in files for value in (digest(path), stream)]

        part = [self.start, self.duration, self.skip_end]
        return {
            "stems": {source: content(_listed(files)) for source, files in self.stems.items()},
            "mixture": content([self.mixture]) if self.mixture else None,
            "part": [*part, "shortest"] if self.shortest else part,
        }

    @property
    def _every_file(self) -> Iterable[File]:
        return chain.from_iterable(self.parts.values())

    def _end(self, ends: list[Any]) -> Any:
        """Where the track ends, if its files end there."""
        return min(ends) if self.shortest else max(ends)

    def load(
        self, offset: float = 0.0, duration: float | None = None, sample_rate: int = 44100
    ) -> tuple[Waveform, dict[str, Waveform]]:
        """Read the mixture and the stems.

        Parameters
        ----------
        offset, duration
            Part to read, in seconds; `duration` None reads to the end.
        sample_rate
            Wanted sample rate, in hertz.

        Returns
        -------
        mixture : Waveform
            Waveform of the mixture, ``(n_samples, n_channels)``.
        references : dict
            Waveforms by source, of the same shape: mono is repeated to the channels of the others,
            and what is shorter than the longest is followed by silence.

        Raises
        ------
        AudioError
            If a file cannot be read, or none of them has sound in the wanted part.

        Warns
        -----
        UserWarning
            If a file is shorter than the longest by more than `MAX_MISSING_SECONDS`.
        """
        sound = self.sound(offset, duration, sample_rate)
        return sound.mixture, sound.references

    def sound(
        self,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: int = 44100,
        progress: Progress = no_progress,
    ) -> Sound:
        """Read what `load` reads, together with what had to be repaired.

        Parameters
        ----------
        offset, duration, sample_rate
            Part to read and its sample rate, as for `load`.
        progress
            Callback for the progress, in seconds of sound; what it raises ends the reading.
        """
        parts = self.read(offset, duration, sample_rate, progress)
        found = list(chain.from_iterable(parts.values()))
        longest = max(len(part.waveform) for part in found)
        for part in found:
            missing = (longest - len(part.waveform)) / sample_rate
            if missing > MAX_MISSING_SECONDS:
                end = self.start + offset + len(part.waveform) / sample_rate
                ends = "ends at" if len(part.waveform) else "ends before"
                warnings.warn(
                    f"{part.path}: {ends} {end:.2f} s, {missing:.2f} s before the longest of "
                    f"{self.name}; silence stands for the rest",
                    stacklevel=3,
                )
        repairs = [repair for part in found for repair in part.repairs]
        return Sound(*self.joined(parts), list(dict.fromkeys(repairs)))

    def read(
        self,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: int = 44100,
        progress: Progress = no_progress,
    ) -> dict[str, list[Part]]:
        """Read every file as it is, with the parameters of `sound` and the errors of `load`.

        Returns
        -------
        dict
            What was read of the files of each source, by the names of `parts`.
        """
        check_number(offset, "offset")
        if duration is not None:
            check_number(duration, "duration")
        check_sample_rate(sample_rate, self.name)
        if self.duration is not None:
            left = self.duration - offset
            if left <= 0:
                raise AudioError(
                    f"{self.name}: has {self.duration:.2f} s, nothing after {offset} s"
                )
            duration = left if duration is None else min(duration, left)
        # to leave out the end, one must know where it is
        wanted = duration if not self.skip_end else None
        parts = {
            source: [
                _read(path, self.start + offset, wanted, sample_rate, stream, progress)
                for path, stream in files
            ]
            for source, files in self.parts.items()
        }
        stop = self._end([len(part.waveform) for part in chain.from_iterable(parts.values())])
        stop -= round(self.skip_end * sample_rate)
        if duration is not None:
            stop = min(stop, round(duration * sample_rate))
        if stop <= 0:
            raise AudioError(f"{self.name}: has no samples between {offset} s and its end")
        return {
            source: [part._replace(waveform=part.waveform[:stop]) for part in found]
            for source, found in parts.items()
        }

    @staticmethod
    def joined(parts: Mapping[str, list[Part]]) -> tuple[Waveform, dict[str, Waveform]]:
        """Mixture and stems of one shape, made from what was read.

        Raises
        ------
        AudioError
            If the numbers of channels differ otherwise than by mono files among the others.
        """
        shapes = [part.waveform.shape for part in chain.from_iterable(parts.values())]
        shape = tuple(map(max, zip(*shapes, strict=True)))
        waveforms = {source: _sum(found, shape) for source, found in parts.items()}
        mixture = waveforms.pop(THE_MIXTURE, None)
        return np.add.reduce(list(waveforms.values())) if mixture is None else mixture, waveforms


def seconds_of(path: Path, stream: int = 0) -> float | None:
    """Length of a sound file, in seconds, as its header tells; None if it does not.

    Parameters
    ----------
    path
        Path of the file.
    stream
        Number of the stream in the file.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    with audio.AudioReader(path, sample_rate=None, stream=stream) as reader:
        return None if reader.n_samples is None else reader.n_samples / reader.sample_rate


def check_tracks(tracks: Any) -> None:
    """Raise `ParameterError` unless this is a dict from names to `Track`, with at least one."""
    values = list(tracks.values()) if isinstance(tracks, Mapping) else [tracks]
    wrong = [value for value in values if not isinstance(value, Track)]
    if wrong or not isinstance(tracks, Mapping):
        kind = type((wrong or values)[0]).__name__
        raise ParameterError(
            f'tracks must be a dict of name to Track, such as {{"song": track}} (got {kind})'
        )
    if not tracks:
        raise ParameterError(
            "tracks must be a dict of name to Track, at least one track (got none)"
        )


def _read(
    path: Path,
    offset: float,
    duration: float | None,
    sample_rate: int,
    stream: int,
    progress: Progress,
) -> Part:
    with audio.AudioReader(path, offset, duration, sample_rate, stream) as reader:
        empty = np.zeros((0, reader.n_channels), np.float32)
        blocks = counted(reader.blocks(), reader.sample_rate, reader.n_samples, progress)
        waveform = np.concatenate([empty, *blocks])
        repairs = [(start - offset, stop - offset) for start, stop in reader.repairs]
    return Part(path, waveform, repairs)


def _listed(files: Any) -> list[Any]:
    return files if isinstance(files, list) else [files]


def _sum(parts: list[Part], shape: tuple[int, ...]) -> Waveform:
    """Waveform of all files of a source; silence if there are none."""
    if not parts:
        return np.zeros(shape, np.float32)
    return reduce(np.add, (_extended(part, shape) for part in parts))


def _extended(part: Part, shape: tuple[int, ...]) -> Waveform:
    """Waveform of what was read, with the channels and length of the others."""
    n_samples, n_channels = shape
    waveform = part.waveform
    if waveform.shape[1] not in (1, n_channels):
        raise AudioError(
            f"{part.path}: has {waveform.shape[1]} channels, another stem {n_channels}; stems must "
            "have the same, or one: mix them down alike"
        )
    if waveform.shape[1] != n_channels:
        waveform = np.repeat(waveform, n_channels, axis=1)
    missing = n_samples - len(waveform)
    return np.pad(waveform, ((0, missing), (0, 0))) if missing else waveform
