"""Songs as chunks on disk, from which patches for training are cut.

A chunk is kept as spectra, or as samples for networks that read waveforms. Time comes first in
both, then channels, so that gains, channel swaps and mixing are the same for both.

Source: Spleeter 2.4.2, ``dataset.py``, for the places of the chunks.
"""

import hashlib
import json
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mssviz import audio, datasets
from mssviz._files import content_digest, is_sealed, new_file, seal, sweep_once, writing
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.audio import residual_db
from mssviz.datasets import Track
from mssviz.errors import AudioError, FileError, MssvizError, reason
from mssviz.presets import Preset
from mssviz.stft import StftParams, stft

#: Seconds at either end of a song that chunks leave out.
MARGIN = 0.5
#: Remedy that errors name where there is no room.
CHOOSE_FOLDER = "name a folder on a larger disk by MSSVIZ_CACHE or --cache (cache)"
#: Part of every cache key; must be raised when the same sound gives other spectra.
_VERSION = 1
_NOTHING: Any = np.zeros((1, 1), np.float32)


@dataclass(frozen=True)
class Look:
    """What is known of a song after it was read once.

    Parameters
    ----------
    seconds
        Length of the song, in seconds.
    problem
        Reason why it cannot be trained on, in one line; empty if it can.
    silent
        Names of stems that are silent throughout, which is no problem.
    residual_db
        Level of the mixture's file minus the sum of the stems, in dB relative to the file; NaN
        where there is no such file or no sound in it.
    n_bytes
        Size of its chunks, in bytes.
    """

    seconds: float
    problem: str = ""
    silent: tuple[str, ...] = ()
    residual_db: float = math.nan
    n_bytes: int = 0


class Chunks:
    """Chunks of songs, in files named by what they depend on.

    Each file holds ``(n_chunks, 1 + n_targets, n_frames, n_channels, n_bins, 2)`` float16: first
    the mixture, then the targets; real and imaginary part. For networks that read waveforms it
    holds ``(n_chunks, 1 + n_targets, n_samples, n_channels)``. Half precision is an error of -66 dB
    of each number. 20 s of one signal take 7 MB as spectra, and half of that as samples. A damaged
    file is made anew.

    Parameters
    ----------
    tracks
        Songs by name; their stems must give the preset's targets, see `datasets.to_targets`.
    preset
        Preset whose targets and grid are used.
    seconds, per_track
        Length of a chunk in seconds, and number of chunks spread evenly over a song; one lies in
        the middle. A song shorter than that is one chunk.
    folder
        Folder for the files.
    summed
        Whether the mixture is the sum of the stems even where it has a file of its own.
    progress
        Bars or callback for the progress, as in `train`; every file is read once.
    """

    def __init__(
        self,
        tracks: Mapping[str, Track],
        preset: Preset,
        seconds: float,
        per_track: int,
        folder: Path,
        summed: bool = False,
        progress: bool | Progress = False,
    ) -> None:
        self.preset, self.seconds, self._per_track = preset, seconds, per_track
        self.folder = folder
        self.tracks = {
            name: replace(track, mixture=None) if summed else track
            for name, track in tracks.items()
        }
        self.files: dict[str, Path] = {}
        self._missing: dict[str, Track] = {}
        with reporter(progress, unit="track") as report:
            for done, (name, track) in enumerate(self.tracks.items(), start=1):
                path = self.files[name] = folder / f"{self._key(track)}.npy"
                if not is_sealed(path):
                    self._missing[name] = track
                report(done, len(tracks), "check files")
        self._arrays: list[AnyArray] | None = None
        self._opening = threading.Lock()

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def length(self) -> int:
        """Number of frames, or samples, of the shortest chunk."""
        return min(chunk.shape[1] for chunk in self._chunks)

    def read(self, chunk: int, parts: slice | int, start: int, length: int) -> AnyArray:
        """Read signals of a chunk, ``(..., length, n_channels, n_bins)`` or without bins.

        Parameters
        ----------
        chunk
            Number of the chunk.
        parts
            Signals to read: 0 is the mixture, and the targets follow.
        start, length
            First frame, or sample, and how many are read.
        """
        stored = self._chunks[chunk]
        time = (slice(None),) * isinstance(parts, slice) + (slice(start, start + length),)
        values = stored[parts][time].astype(np.float32)
        return values if self.preset.gives_waveforms else values.view(np.complex64)[..., 0]

    def length_of(self, chunk: int) -> int:
        """Number of frames, or samples, of a chunk."""
        return self._chunks[chunk].shape[1]

    def looks(self, progress: bool | Progress = True) -> dict[str, Look]:
        """What is known of the songs that are not in the files yet, by name."""
        found = {}
        with reporter(progress, unit="track") as report:
            for done, (name, track) in enumerate(self._missing.items(), start=1):
                found[name] = self._look(track)
                report(done, len(self._missing), "check songs")
        return found

    def decode(self, progress: bool | Progress = True) -> None:
        """Make the files that are missing."""
        sweep_once(self.folder)  # what an interruption left; there may be nothing to write now
        todo = dict(self._missing)
        with reporter(progress, unit="track") as report:
            for done, (name, track) in enumerate(todo.items(), start=1):
                self._write(track, self.files[name])
                del self._missing[name]
                report(done, len(todo), "decode")

    @property
    def _chunks(self) -> list[AnyArray]:
        with self._opening:  # threads cut patches, and numpy parses headers as Python
            if self._arrays is None:
                files = [self._mapped(path) for path in self.files.values()]
                self._arrays = [chunk for file in files for chunk in file]
            return self._arrays

    def _mapped(self, path: Path) -> AnyArray:
        try:
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
            n_parts, *shape = self._shape(0)[1:]
            expected = (np.float16, len(shape) + 2, n_parts, shape[1:])
            if (stored.dtype, stored.ndim, stored.shape[1], list(stored.shape[3:])) != expected:
                raise ValueError("other numbers than were put there")
            return stored
        except (OSError, ValueError, IndexError) as error:
            raise FileError(
                f"{path}: spectra cannot be read ({reason(error)}); delete the file and train "
                "again, it is made anew"
            ) from error

    def _key(self, track: Track) -> str:
        parts = {
            "version": _VERSION,
            # a file that cannot be read is never kept, and `looks` says why
            **track.depends_on(_sha256),
            "targets": self.preset.targets,
            "grid": [asdict(self.preset.stft), self.preset.model_bins, self.preset.n_channels],
            "chunks": [self.seconds, self._per_track],
            "waveforms": self.preset.gives_waveforms,
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _look(self, track: Track) -> Look:
        targets, rate = self.preset.targets, self.preset.stft.sample_rate
        if datasets.to_targets(dict.fromkeys(track.stems, _NOTHING), targets) is None:
            return Look(0, f"stems {', '.join(track.stems)} do not give {', '.join(targets)}")
        try:
            mixture, stems = track.load(sample_rate=rate)
        except MssvizError as error:
            return Look(0, str(error))
        seconds, needed = len(mixture) / rate, patch_seconds(self.preset)
        if seconds < needed:
            return Look(seconds, f"has {seconds:.2f} s, a patch needs {needed:.2f} s")
        if not mixture.any():
            return Look(seconds, "the mixture is silent")
        left_db = math.nan
        if track.mixture is not None:
            left_db = residual_db(mixture, stems.values())
        silent = tuple(name for name, stem in stems.items() if not stem.any())
        n_bytes = 2 * math.prod(self._shape(len(mixture)))
        return Look(seconds, "", silent, left_db, n_bytes)

    def _shape(self, n_song: int) -> tuple[int, ...]:
        """Shape of the chunks of a song of a number of samples."""
        params, n_channels = self.preset.stft, self.preset.n_channels
        n_samples = min(n_song, round(self.seconds * params.sample_rate))
        kept: tuple[int, ...] = (n_samples, n_channels)
        if not self.preset.gives_waveforms:
            inner = _inner(params, n_samples)
            kept = (max(0, inner.stop - inner.start), n_channels, self.preset.model_bins, 2)
        return len(self._starts(n_song)), 1 + len(self.preset.targets), *kept

    def _starts(self, n_song: int) -> list[float]:
        rate = self.preset.stft.sample_rate
        n_samples = min(n_song, round(self.seconds * rate))
        return _starts(n_song / rate, n_samples / rate, self._per_track)

    def _write(self, track: Track, path: Path) -> None:
        rate = self.preset.stft.sample_rate
        mixture, sources = track.load(sample_rate=rate)
        targets = datasets.to_targets(sources, self.preset.targets)
        assert targets is not None, "checked before"
        signals = [
            audio.to_channels(signal, self.preset.n_channels)
            for signal in (mixture, *targets.values())
        ]
        shape = self._shape(len(mixture))
        try:
            with writing(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as scratch:
                with scratch.open("wb") as file:
                    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                    for part in self._parts(signals):
                        file.write(_half(part, track).data)
                seal(scratch)
        except FileError as error:
            raise FileError(
                f"{error}; the spectra of this track take {2 * math.prod(shape) >> 20} MiB: "
                f"{CHOOSE_FOLDER}"
            ) from error

    def _parts(self, signals: list[Waveform]) -> Iterator[AnyArray]:
        n_song, rate = len(signals[0]), self.preset.stft.sample_rate
        n_samples = min(n_song, round(self.seconds * rate))
        for start in self._starts(n_song):
            first = min(round(start * rate), n_song - n_samples)
            for signal in signals:
                yield self._stored(signal[first : first + n_samples])

    def _stored(self, waveform: Waveform) -> AnyArray:
        if self.preset.gives_waveforms:
            return waveform
        params = self.preset.stft
        spectrum = stft(waveform, params)[_inner(params, len(waveform)), : self.preset.model_bins]
        # (frames, bins, channels) -> (frames, channels, bins, 2)
        return np.stack([spectrum.real, spectrum.imag], axis=-1).transpose(0, 2, 1, 3)


def patch_seconds(preset: Preset) -> float:
    """Length of the sound that fills one patch, in seconds."""
    params = preset.stft
    n_samples = preset.patch_samples or (
        (preset.patch_frames - 1) * params.hop_length + params.n_fft
    )
    return n_samples / params.sample_rate


def _inner(params: StftParams, n_samples: int) -> slice:
    # frames that lie within the waveform, without those that reach into the silence around it
    return slice(params.n_fft // params.hop_length, n_samples // params.hop_length + 1)


def _half(values: AnyArray, track: Track) -> AnyArray:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(values, np.float16)
    if not np.isfinite(stored).all():
        raise AudioError(
            f"{track.name}: is too loud for spectra in half precision; its samples must be in "
            "[-1, 1]"
        )
    return stored


def _starts(duration: float, seconds: float, n_chunks: int) -> list[float]:
    # as in Spleeter: one in the middle, or evenly from margin to margin
    room = duration - seconds
    if n_chunks == 1 or room <= 2 * MARGIN:
        return [room / 2]
    return [float(start) for start in np.linspace(MARGIN, room - MARGIN, n_chunks)]


def _sha256(path: Path) -> str | None:
    try:
        return content_digest(path)
    except (OSError, ValueError):  # no path has a null byte
        return None
