"""Songs as examples for training: chunks kept on disk, patches with augmentation.

A chunk is kept as spectra, or as samples for networks that read waveforms; time comes first in
both, then channels, so gains, channel swaps and mixing are the same for both. On complex spectra
they are exact: the sum of the targets' spectra is the spectrum of the sum of their waveforms. Tempo
and pitch are changed on the magnitudes of mixture and targets alike, by interpolation, as Spleeter
does; that is an approximation, but the same one for all of them.

Sources: Uhlich et al., "Improving music source separation based on deep neural networks through
data augmentation and network blending", ICASSP 2017, for gains, swaps and mixing; Spleeter 2.4.2,
``dataset.py`` and ``audio/spectrogram.py``.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from mssviz import audio, datasets
from mssviz._files import content_digest, new_file, writing
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Magnitude, Progress, Waveform
from mssviz.datasets import Track
from mssviz.errors import ParameterError
from mssviz.presets import Preset
from mssviz.stft import stft

#: What can be varied at random: each target's level, each target's left and right, targets of
#: different songs together, tempo and pitch of the whole.
AUGMENTATIONS = ("gain", "swap", "remix", "tempo", "pitch")
#: Those that need no magnitudes.
EXACT = ("gain", "swap", "remix")
#: Range of gains, factors of amplitude.
GAIN = (0.25, 1.25)
#: Range of changes of tempo and pitch, factors.
STRETCH = (0.7, 1.3)
#: Seconds at both ends of a song that chunks leave out.
MARGIN = 0.5
#: Part of every cache key; to be raised when the same sound gives other spectra.
_VERSION = 1


class Chunks:
    """Chunks of songs in files, named by what they depend on.

    Each file holds ``(n_chunks, 1 + n_targets, n_frames, n_channels, n_bins, 2)`` float16:
    mixture, then targets; real and imaginary part. For networks that read waveforms it holds
    ``(n_chunks, 1 + n_targets, n_samples, n_channels)``. Half precision is an error of -66 dB of
    each number; 20 s of one signal take 7 MB, as samples half of that.

    Parameters
    ----------
    tracks
        Songs by name; their stems must give the preset's targets, see `datasets.to_targets`.
    preset
        Whose targets and grid.
    seconds, per_track
        Length and number of chunks, spread evenly over the song; one lies in the middle. A song
        shorter than that is one chunk.
    folder
        For the files.
    """

    def __init__(
        self,
        tracks: Mapping[str, Track],
        preset: Preset,
        seconds: float,
        per_track: int,
        folder: Path,
    ) -> None:
        self.preset, self._seconds, self._per_track = preset, seconds, per_track
        self._tracks = dict(tracks)
        self.files = {name: folder / f"{self._key(track)}.npy" for name, track in tracks.items()}
        self._arrays: list[AnyArray] | None = None

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def length(self) -> int:
        """Frames, or samples, of the shortest chunk."""
        return min(chunk.shape[1] for chunk in self._chunks)

    def read(self, chunk: int, parts: slice | int, start: int, length: int) -> AnyArray:
        """Some parts of a chunk, ``(..., length, n_channels, n_bins)`` or without bins.

        Parameters
        ----------
        chunk
            Its number.
        parts
            0 is the mixture, targets follow.
        start, length
            Which frames, or samples.
        """
        stored = self._chunks[chunk]
        time = (slice(None),) * isinstance(parts, slice) + (slice(start, start + length),)
        values = stored[parts][time].astype(np.float32)
        return values if self.preset.gives_waveforms else values.view(np.complex64)[..., 0]

    def length_of(self, chunk: int) -> int:
        """Frames, or samples, of a chunk."""
        return self._chunks[chunk].shape[1]

    def problems(self, progress: bool | Progress = True) -> dict[str, str]:
        """What is wrong with songs that are not in the files yet, by name; see `datasets.check`."""
        todo = self._missing()
        if not todo:
            return {}
        rows: dict[Any, Any] = datasets.check(todo, progress).to_dict("index")
        found = {}
        for name, track in todo.items():
            targets = datasets.to_targets(dict.fromkeys(track.stems, _NOTHING), self.preset.targets)
            needed = patch_seconds(self.preset)
            if rows[name]["problem"]:
                found[name] = rows[name]["problem"]
            elif targets is None:
                found[name] = (
                    f"stems {', '.join(track.stems)} do not give {', '.join(self.preset.targets)}"
                )
            elif rows[name]["seconds"] < needed:
                found[name] = f"has {rows[name]['seconds']:.2f} s, a patch needs {needed:.2f} s"
        return found

    def decode(self, progress: bool | Progress = True) -> None:
        """Make the files that are missing."""
        todo = self._missing()
        with reporter(progress, unit="track") as report:
            for done, (name, track) in enumerate(todo.items(), start=1):
                self._write(track, self.files[name])
                report(done, len(todo), "decode")

    @property
    def _chunks(self) -> list[AnyArray]:
        if self._arrays is None:
            files = [np.load(path, mmap_mode="r") for path in self.files.values()]
            self._arrays = [chunk for file in files for chunk in file]
        return self._arrays

    def _missing(self) -> dict[str, Track]:
        return {name: t for name, t in self._tracks.items() if not self.files[name].is_file()}

    def _key(self, track: Track) -> str:
        def content(part: tuple[Path, int] | None) -> list[Any] | None:
            # what cannot be read is never in a file, and `problems` says why
            return [_sha256(part[0]), part[1]] if part else None

        parts = {
            "version": _VERSION,
            "stems": {name: content(part) for name, part in track.stems.items()},
            "mixture": content(track.mixture),
            "part": [track.start, track.duration, track.skip_end],
            "targets": self.preset.targets,
            "grid": [asdict(self.preset.stft), self.preset.model_bins, self.preset.n_channels],
            "chunks": [self._seconds, self._per_track],
            "waveforms": self.preset.gives_waveforms,
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _write(self, track: Track, path: Path) -> None:
        rate = self.preset.stft.sample_rate
        mixture, sources = track.load(sample_rate=rate)
        targets = datasets.to_targets(sources, self.preset.targets)
        assert targets is not None, "checked before"
        signals = [
            audio.to_channels(signal, self.preset.n_channels)
            for signal in (mixture, *targets.values())
        ]
        n_samples = min(len(mixture), round(self._seconds * rate))
        starts = _starts(len(mixture) / rate, n_samples / rate, self._per_track)
        kept = self._stored(signals[0][:n_samples]).shape
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as scratch, scratch.open("wb") as file:
            shape = (len(starts), len(signals), *kept)
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in starts:
                first = min(round(start * rate), len(mixture) - n_samples)
                for signal in signals:
                    stored = self._stored(signal[first : first + n_samples])
                    file.write(np.ascontiguousarray(stored, np.float16).data)

    def _stored(self, waveform: Waveform) -> AnyArray:
        if self.preset.gives_waveforms:
            return waveform
        params = self.preset.stft
        # frames that the waveform fills, without those that reach into the silence around it
        inner = slice(params.n_fft // params.hop_length, len(waveform) // params.hop_length + 1)
        spectrum = stft(waveform, params)[inner, : self.preset.model_bins]
        # (frames, bins, channels) -> (frames, channels, bins, 2)
        return np.stack([spectrum.real, spectrum.imag], axis=-1).transpose(0, 2, 1, 3)


class Patches:
    """Examples for training; each depends on the seed and its own number alone.

    So a run that was interrupted goes on with the examples that it would have seen.

    Parameters
    ----------
    chunks
        Where they are cut from. Each chunk comes once in ``len(chunks)`` examples, in an order
        that changes, at a random time.
    augment
        Names from `AUGMENTATIONS`. With any of the first three, the mixture is the sum of what
        they make of the targets; otherwise it is the song's own.
    seed
        Of all random numbers.
    """

    def __init__(self, chunks: Chunks, augment: Collection[str] = (), seed: int = 0) -> None:
        check_augment(augment, chunks.preset)
        self._chunks, self._augment, self._seed = chunks, frozenset(augment), seed

    def __getitem__(self, number: int) -> AnyArray:
        """Example of a number: mixture, then targets, in what the network reads.

        Returns
        -------
        ndarray
            ``(1 + n_targets, T, C, F)``, linear magnitudes or complex spectra; or waveforms
            ``(1 + n_targets, n_samples, C)``.
        """
        rng = np.random.default_rng((self._seed, 1, number))
        preset = self._chunks.preset
        n_patch, n_targets = preset.patch_length, len(preset.targets)
        tempo = rng.uniform(*STRETCH) if "tempo" in self._augment else 1.0
        pitch = rng.uniform(*STRETCH) if "pitch" in self._augment else 1.0
        length = min(round(n_patch * tempo), self._chunks.length)

        def cut(chunk: int, parts: slice | int) -> AnyArray:
            last = self._chunks.length_of(chunk) - length
            return self._chunks.read(chunk, parts, int(rng.integers(last + 1)), length)

        own = self._shuffled(number)
        if not self._augment & {"gain", "swap", "remix"}:
            example = cut(own, slice(None))
        else:
            if "remix" in self._augment:
                parts = [cut(own, 1)]
                for part in range(2, n_targets + 1):
                    parts.append(cut(int(rng.integers(len(self._chunks))), part))
                targets = np.stack(parts)
            else:
                targets = cut(own, slice(1, None))
            if "gain" in self._augment:
                gains = rng.uniform(*GAIN, n_targets).astype(np.float32)
                targets *= gains.reshape(-1, *(1,) * (targets.ndim - 1))
            if "swap" in self._augment:
                swapped = rng.integers(2, size=n_targets).astype(bool)
                targets[swapped] = targets[swapped, :, ::-1]
            example = np.concatenate([targets.sum(axis=0, keepdims=True), targets])
        if preset.signal != "magnitude":
            return example
        return stretched(np.abs(example), n_patch, pitch)

    def batches(self, first: int, size: int) -> Iterator[AnyArray]:
        """Batch after batch without end: examples stacked on a new first axis.

        Parameters
        ----------
        first
            Number of the first batch.
        size
            Examples in each.
        """
        with ThreadPoolExecutor() as pool:
            for batch in count(first):
                yield np.stack(
                    list(pool.map(self.__getitem__, range(batch * size, (batch + 1) * size)))
                )

    def _shuffled(self, number: int) -> int:
        turn, position = divmod(number, len(self._chunks))
        order = np.random.default_rng((self._seed, 0, turn)).permutation(len(self._chunks))
        return int(order[position])


def check_augment(augment: Collection[str], preset: Preset | None = None) -> None:
    """Raise `ParameterError` unless these are augmentations, and fit what a preset reads."""
    known = AUGMENTATIONS if preset is None or preset.signal == "magnitude" else EXACT
    unknown = sorted(set(augment) - set(known))
    if unknown:
        of = f" for a network that reads a {preset.signal}" if preset and known is EXACT else ""
        raise ParameterError(f"augment takes {', '.join(known)}{of} (got {unknown[0]!r})")


def patch_seconds(preset: Preset) -> float:
    """Sound that fills one patch, in seconds."""
    params = preset.stft
    n_samples = preset.patch_samples or (
        (preset.patch_frames - 1) * params.hop_length + params.n_fft
    )
    return n_samples / params.sample_rate


def middles(chunks: Chunks, size: int) -> Iterator[AnyArray]:
    """The middle patch of every chunk, in batches of at most `size`, as `Patches` gives them."""
    preset, length = chunks.preset, chunks.preset.patch_length
    for first in range(0, len(chunks), size):
        numbers = range(first, min(first + size, len(chunks)))
        starts = [(chunks.length_of(number) - length) // 2 for number in numbers]
        batch = np.stack([
            chunks.read(number, slice(None), start, length)
            for number, start in zip(numbers, starts, strict=True)
        ])  # fmt: skip
        yield np.abs(batch) if preset.signal == "magnitude" else batch


def stretched(magnitudes: AnyArray, n_frames: int, pitch: float = 1.0) -> Magnitude:
    """Magnitudes played faster or slower, higher or lower, by linear interpolation.

    Parameters
    ----------
    magnitudes
        ``(..., frames, n_channels, n_bins)``.
    n_frames
        Number of frames to spread all of them over.
    pitch
        Factor of every frequency; what would come from above the last bin is 0.

    Returns
    -------
    Magnitude
        ``(..., n_frames, n_channels, n_bins)``.
    """
    if magnitudes.shape[-3] != n_frames:
        positions = np.linspace(0, magnitudes.shape[-3] - 1, n_frames)
        magnitudes = _interpolated(magnitudes, positions, axis=-3)
    if pitch != 1.0:
        n_bins = magnitudes.shape[-1]
        positions = np.arange(n_bins) / pitch
        n_kept = np.searchsorted(positions, n_bins - 1, side="right")
        moved = np.zeros_like(magnitudes)
        moved[..., :n_kept] = _interpolated(magnitudes, positions[:n_kept], axis=-1)
        magnitudes = moved
    return magnitudes


def _interpolated(values: AnyArray, positions: AnyArray, axis: int) -> AnyArray:
    below = np.minimum(positions.astype(int), values.shape[axis] - 2)
    weight = (positions - below).astype(np.float32).reshape((-1,) + (1,) * (-1 - axis))
    before, after = np.take(values, below, axis), np.take(values, below + 1, axis)
    return before + weight * (after - before)


def _starts(duration: float, seconds: float, n_chunks: int) -> list[float]:
    # Spleeter's: one in the middle, or evenly from margin to margin
    room = duration - seconds
    if n_chunks == 1 or room <= 2 * MARGIN:
        return [room / 2]
    return [float(start) for start in np.linspace(MARGIN, room - MARGIN, n_chunks)]


def _sha256(path: Path) -> str | None:
    try:
        return content_digest(path)
    except OSError:
        return None


_NOTHING: Any = np.zeros((1, 1), np.float32)
