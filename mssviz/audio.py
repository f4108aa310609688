"""Sound files in and out, whole or as a stream of blocks; checks on waveforms.

Files are read and written by PyAV, whose wheels carry FFmpeg, so no system package is needed; only
Vorbis is written by libsndfile, because PyAV's FFmpeg has no good encoder for it. Sample rates are
converted by soxr at its very high quality.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import cast, get_args

import av
import numpy as np
import soxr

from mssviz._ahead import warn
from mssviz._checks import as_path, check_number
from mssviz._fetch import no_progress
from mssviz._files import Draft, writing
from mssviz._progress import counted
from mssviz._sound.decoding import Decoder
from mssviz._sound.encoding import open_sink
from mssviz._sound.file import SoundFile
from mssviz._sound.timeline import Timeline, describe_repairs, regroup
from mssviz._sound.waveforms import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    check_sample_rate,
    check_waveform,
    describe_not_finite,
    level_ratio_db,
    mix_down,
    resample,
    residual_db,
    to_channels,
    warn_of_integers,
)
from mssviz._typing import BitDepth, Codec, PathLike, Progress, SoundSource, Waveform
from mssviz.errors import AudioError, ParameterError, one_line, reason

__all__ = [
    "BIT_DEPTHS",
    "BLOCK_SECONDS",
    "CODECS",
    "MAX_SAMPLE_RATE",
    "MIN_SAMPLE_RATE",
    "AudioReader",
    "AudioWriter",
    "check_sample_rate",
    "check_waveform",
    "describe_repairs",
    "level_ratio_db",
    "load_audio",
    "mix_down",
    "resample",
    "residual_db",
    "to_channels",
    "warn_of_integers",
    "write_audio",
]

BLOCK_SECONDS = 5.0
CODECS: tuple[Codec, ...] = get_args(Codec)
BIT_DEPTHS: tuple[BitDepth, ...] = get_args(BitDepth)


def load_audio(
    path: SoundSource,
    offset: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = 44100,
    stream: int | None = None,
    progress: Progress = no_progress,
) -> tuple[Waveform, int]:
    """Read a sound file.

    Parameters
    ----------
    path
        Path of anything with sound that FFmpeg reads: wav, flac, mp3, ogg, opus, m4a, mp4 stems, …;
        or a binary file object, such as ``io.BytesIO``, which is read from its start.
    offset, duration
        Part to read, in seconds; `duration` None reads to the end.
    sample_rate
        Wanted sample rate in hertz, to which sound is converted; None keeps the file's.
    stream
        Number of the file's audio stream, counted from 0: native-instruments stems hold the mixture
        in 0. None is the first, with a warning if there are others.
    progress
        Callback for the progress, in seconds of sound; what it raises ends the reading.

    Returns
    -------
    waveform : Waveform
        Samples ``(n_samples, n_channels)``, float32; integer formats are scaled to [-1, 1).
    sample_rate : int
        Sample rate of the waveform, in hertz.

    Raises
    ------
    AudioError
        If the file is missing, empty, cut short, more than half of it is damaged, it is no sound,
        or it holds NaN or infinite samples. Where less is damaged, silence replaces it, with a
        warning that names the seconds.
    ParameterError
        If offset or duration make no sense for this file.

    Examples
    --------
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> waveform.shape, sample_rate
    ((88200, 2), 44100)
    """
    with AudioReader(path, offset, duration, sample_rate, stream) as reader:
        blocks = list(counted(reader.blocks(), reader.sample_rate, reader.n_samples, progress))
        if not blocks:
            raise AudioError(
                f"{reader.name}: no samples between {offset} s and "
                f"{'the end' if duration is None else f'{offset + duration} s'}; "
                "choose another part"
            )
        return np.concatenate(blocks), reader.sample_rate


class AudioReader:
    """A sound file opened for reading in blocks; a context manager.

    Damaged parts are replaced by silence of their length, so that everything else keeps its time.

    Parameters
    ----------
    path, offset, duration, sample_rate, stream
        The arguments of `load_audio`.

    Attributes
    ----------
    sample_rate : int
        Sample rate of the blocks, in hertz.
    n_channels : int
    name : str
        Name of the file, in one line.
    n_samples : int or None
        Samples that `blocks` will give in all, estimated from the header; None if unknown.
    repairs : list of tuple of float
        Parts (start, stop) that could not be decoded and are silent instead, in seconds of the
        song; filled while blocks are read.
    """

    def __init__(
        self,
        path: SoundSource,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: int | None = 44100,
        stream: int | None = None,
    ) -> None:
        check_number(offset, "offset")
        if not (np.isfinite(offset) and offset >= 0):
            raise ParameterError(f"offset must be 0 s or more (got {offset})")
        if duration is not None:
            check_number(duration, "duration")
            if not (np.isfinite(duration) and duration > 0):
                raise ParameterError(
                    f"duration must be more than 0 s (got {duration}); leave it out to read to the "
                    "end"
                )
        if stream is not None:
            check_number(stream, "stream")
        self._offset, self._duration = float(offset), duration
        self.repairs: list[tuple[float, float]] = []
        with ExitStack() as opened:
            self._file = SoundFile(path)
            self.name = self._file.name
            opened.callback(self._file.close)
            self._container = self._file.container()
            opened.callback(self._container.close)
            self._open_stream(stream, sample_rate)
            self._opened = opened.pop_all()

    def _open_stream(self, index: int | None, sample_rate: int | None) -> None:
        name, streams = self.name, self._container.streams.audio
        if not streams:
            raise AudioError(f"{name}: holds no audio, only other streams")
        if not 0 <= (index or 0) < len(streams):
            raise AudioError(
                f"{name}: has {len(streams)} audio streams, number {index} was asked for; they are "
                "counted from 0"
            )
        if index is None and len(streams) > 1:
            warn(
                f"{name}: has {len(streams)} audio streams, of which the first, number 0, is read",
                stacklevel=4,
            )
        stream = streams[int(index or 0)]
        context = stream.codec_context
        if context is None:
            raise AudioError(f"{name}: its encoding is not known to FFmpeg; convert it again")
        self.n_channels = int(context.layout.nb_channels if context.layout else 0)
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            raise AudioError(
                f"{name}: its header states {self.n_channels} channels; convert it again, to at "
                f"most {MAX_CHANNELS}"
            )
        self.file_sample_rate = check_sample_rate(int(context.sample_rate or 0), name)
        wanted = self.file_sample_rate if sample_rate is None else sample_rate
        self.sample_rate = check_sample_rate(wanted, "sample_rate")
        decoder = Decoder(
            self._file, self._container, stream, self.n_channels, self.file_sample_rate
        )
        self._timeline = Timeline(decoder)
        seconds = decoder.seconds
        if seconds is not None:
            seconds = max(0.0, seconds - self._offset)
        if self._duration is not None:
            seconds = self._duration if seconds is None else min(seconds, self._duration)
        self.n_samples = None if seconds is None else round(seconds * self.sample_rate)

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, unless it is an object that was already open."""
        self._opened.close()

    def blocks(self, seconds: float = BLOCK_SECONDS) -> Iterator[Waveform]:
        """Read once, from the offset to the end of the wanted part.

        Parameters
        ----------
        seconds
            Nominal length of a block, in seconds.

        Yields
        ------
        Waveform
            Samples ``(n, n_channels)``, float32, of any length above 0.

        Raises
        ------
        AudioError
            If samples are not finite, the file ends before its header says, or less than half of
            it can be decoded.
        """
        resampler = None
        if self.sample_rate != self.file_sample_rate:
            resampler = soxr.ResampleStream(
                self.file_sample_rate, self.sample_rate, self.n_channels, quality="VHQ"
            )
        size = max(1, round(seconds * self.file_sample_rate))
        told = False
        for block, last in regroup(self._wanted(), size):
            if not np.isfinite(block).all():
                raise AudioError(f"{self.name}: {describe_not_finite(block)}; repair the file")
            told = told or warn_of_integers(block, self.name)
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield block
        if self.repairs:
            warn(
                f"{self.name}: {describe_repairs(self.repairs)}; copy it again if there is "
                "a better copy",
                stacklevel=2,
            )

    def _wanted(self) -> Iterator[Waveform]:
        # samples of the wanted part at the file's sample rate, as they are decoded
        rate = self.file_sample_rate
        first = round(self._offset * rate)
        end = None if self._duration is None else first + round(self._duration * rate)
        try:
            for position, samples, is_sound in self._timeline.blocks(first, end):
                start = max(0, first - position)
                stop = len(samples) if end is None else min(len(samples), end - position)
                if stop > start:
                    if not is_sound:
                        self._note_repair((position + start) / rate, (position + stop) / rate)
                    yield samples[start:stop]
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be read ({reason(error)}); copy it again"
            ) from error

    def _note_repair(self, start: float, stop: float) -> None:
        if self.repairs and self.repairs[-1][1] == start:
            start = self.repairs.pop()[0]
        self.repairs.append((start, stop))


class AudioWriter:
    """A sound file written in blocks; a context manager.

    The file gets its name when it is complete. If an error occurs, nothing is left behind.

    Parameters
    ----------
    path
        Path of the file; its folder must exist.
    sample_rate
        Sample rate, in hertz.
    n_channels
        Number of channels of every block.
    codec
        One of `CODECS`; None takes it from the path's suffix.
    bitrate
        Bit rate for mp3, ogg, m4a and wma, such as ``"192k"``. For ogg it chooses the nearest
        quality of Vorbis.
    bit_depth
        Bits of a sample: for wav ``"16"``, ``"24"`` or ``"float"``; for flac ``"16"`` or ``"24"``.

    Attributes
    ----------
    peak : float
        Largest absolute sample so far.
    n_clipped : int
        Number of samples beyond full scale so far. Unless `bit_depth` is ``"float"`` they are
        clipped, and closing the file warns of it.
    """

    def __init__(
        self,
        path: PathLike,
        sample_rate: int,
        n_channels: int,
        codec: Codec | None = None,
        bitrate: str = "128k",
        bit_depth: BitDepth = "16",
    ) -> None:
        self.path = as_path(path, "a sound file to write")
        suffix = self.path.suffix.lstrip(".").lower()
        chosen = codec or suffix
        if chosen not in CODECS:
            raise ParameterError(
                f"{self.path}: codec must be one of {', '.join(CODECS)} (got {chosen!r})"
            )
        self.codec: Codec = chosen
        bit_depth = cast(BitDepth, str(bit_depth))  # 24 is as good as "24"
        self.keeps_overs = self.codec == "wav" and bit_depth == "float"
        self.peak, self.n_clipped = 0.0, 0
        sample_rate = check_sample_rate(sample_rate, "sample_rate")
        if bit_depth not in BIT_DEPTHS or (self.codec == "flac" and bit_depth == "float"):
            raise ParameterError(
                f"{self.path}: {self.codec} cannot hold bit depth {bit_depth!r}; choose 16 or 24"
                f"{', or float' if self.codec == 'wav' else ''}"
            )
        make_sink = open_sink(self.codec, sample_rate, n_channels, bitrate, bit_depth)
        with self._writing():
            self._draft = Draft(self.path)
            try:
                self._sink = make_sink(self._draft.scratch)
            except BaseException:
                self._draft.discard()
                raise

    def __enter__(self) -> "AudioWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.discard()

    def write(self, block: Waveform) -> None:
        """Append samples ``(n, n_channels)``, float32.

        Raises
        ------
        AudioError
            If samples are not finite, or the file cannot be written.
        """
        if not len(block):
            return
        level = np.abs(block)
        loudest = float(level.max())
        if not np.isfinite(loudest):
            raise AudioError(f"{self.path}: {describe_not_finite(block)}, so no sound is written")
        self.peak = max(self.peak, loudest)
        self.n_clipped += int((level > 1).sum())
        with self._writing():
            self._sink.write(block if self.keeps_overs else np.clip(block, -1, 1))

    def finish(self) -> None:
        """Write what is pending, while the file still has its temporary name."""
        with self._writing():
            self._sink.close()

    def close(self) -> None:
        """Finish the file and give it its name; warn if samples were clipped."""
        self.finish()
        with self._writing():
            self._draft.commit()
        if self.n_clipped and not self.keeps_overs:
            warn(
                f"{one_line(self.path)}: {self.n_clipped} samples exceeded full scale (peak "
                f"{20 * np.log10(self.peak):+.1f} dBFS) and were clipped; write wav with bit "
                "depth float to keep them",
                stacklevel=2,
            )

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self.path, AudioError, also=(av.FFmpegError,))

    def discard(self) -> None:
        """Remove what was written, unless the file has its name already."""
        failures = (OSError, RuntimeError, AssertionError, ValueError, av.FFmpegError)
        with suppress(*failures):  # the file is removed anyway
            self._sink.close()
        self._draft.discard()


def write_audio(
    path: PathLike,
    waveform: Waveform,
    sample_rate: int,
    codec: Codec | None = None,
    bitrate: str = "128k",
    bit_depth: BitDepth = "16",
) -> None:
    """Write a whole waveform to a sound file; parameters as in `AudioWriter`.

    Raises
    ------
    AudioError
        If the waveform cannot be used or the file cannot be written; nothing is left half-written.

    Examples
    --------
    >>> sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    >>> mssviz.write_audio("a4.flac", sine[:, np.newaxis].astype(np.float32), 44100)
    >>> waveform, sample_rate = mssviz.load_audio("a4.flac")
    >>> waveform.shape
    (44100, 1)
    """
    waveform = check_waveform(waveform)
    warn_of_integers(waveform, one_line(path))
    with AudioWriter(path, sample_rate, waveform.shape[1], codec, bitrate, bit_depth) as writer:
        writer.write(waveform)
