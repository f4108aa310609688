"""Sound files in and out, whole or as a stream of blocks; checks on waveforms.

Reading and writing go through PyAV, whose wheels carry FFmpeg, so no system package is
needed; only Vorbis is written by libsndfile, as PyAV's FFmpeg has no good encoder for it.
Resampling is soxr's, very high quality.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import av
import numpy as np
import soxr

from mssviz._files import Draft, writing
from mssviz._typing import AnyArray, BitDepth, Codec, PathLike, Waveform
from mssviz.errors import AudioError, ParameterError, reason

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
BLOCK_SECONDS = 5.0

# Containers whose header states the length to the sample, so that a shorter file is damaged.
_EXACT_LENGTH = {"wav", "w64", "aiff", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "caf", "au"}
# Containers in which a seek is exact to the sample; others are decoded from their start, at
# several hundred times real time.
_EXACT_SEEK = {"wav", "w64", "aiff", "flac"}
_PREROLL_SECONDS = 1.0

CODECS: tuple[Codec, ...] = get_args(Codec)
BIT_DEPTHS: tuple[BitDepth, ...] = get_args(BitDepth)


def load_audio(
    path: PathLike,
    offset: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = 44100,
    stream: int = 0,
) -> tuple[Waveform, int]:
    """Read a sound file.

    Parameters
    ----------
    path
        Anything that FFmpeg reads: wav, flac, mp3, ogg, opus, m4a, mp4 stems, …
    offset, duration
        Part to read, in seconds; `duration` None reads to the end.
    sample_rate
        Wanted rate in hertz, resampled if need be; None keeps the file's.
    stream
        Which of the file's audio streams: native-instruments stems hold the mixture in 0.

    Returns
    -------
    waveform : Waveform
        ``(n_samples, n_channels)``, float32; integer formats are scaled to [-1, 1).
    sample_rate : int
        In hertz.

    Raises
    ------
    AudioError
        If the file is missing, empty, damaged, no audio, or holds NaN or infinite samples.
    ParameterError
        If offset or duration make no sense for it.
    """
    with AudioReader(path, offset, duration, sample_rate, stream) as reader:
        blocks = list(reader.blocks())
        if not blocks:
            raise AudioError(
                f"{path}: no samples between {offset} s and "
                f"{'the end' if duration is None else f'{offset + duration} s'}; "
                "choose another offset or duration"
            )
        return np.concatenate(blocks), reader.sample_rate


class AudioReader:
    """A sound file opened for reading in blocks; a context manager.

    Parameters
    ----------
    path, offset, duration, sample_rate, stream
        As in `load_audio`.

    Attributes
    ----------
    sample_rate : int
        Rate of the blocks, in hertz.
    n_channels : int
    n_samples : int or None
        Samples that `blocks` will give in all, estimated from the header; None if unknown.
    """

    def __init__(
        self,
        path: PathLike,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: int | None = 44100,
        stream: int = 0,
    ) -> None:
        self.path = Path(path)
        if not (np.isfinite(offset) and offset >= 0):
            raise ParameterError(f"offset must be 0 s or more (got {offset})")
        if duration is not None and not (np.isfinite(duration) and duration > 0):
            raise ParameterError(f"duration must be more than 0 s (got {duration})")
        self._offset, self._duration = float(offset), duration
        _check_is_file(self.path)
        try:
            self._container: Any = av.open(str(self.path), options={"max_size": "65536"})
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{self.path}: not a sound file that FFmpeg knows, or damaged at its start "
                f"({reason(error)}); convert or copy it again"
            ) from error
        try:
            self._open_stream(stream, sample_rate)
        except BaseException:
            self.close()
            raise

    def _open_stream(self, index: int, sample_rate: int | None) -> None:
        streams = self._container.streams.audio
        if index >= len(streams):
            raise AudioError(
                f"{self.path}: has {len(streams)} audio streams, number {index} was asked for"
                if streams
                else f"{self.path}: holds no audio, only other streams"
            )
        self._stream = streams[index]
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        if context is None:
            raise AudioError(f"{self.path}: its encoding is not known to FFmpeg; convert it again")
        self.file_sample_rate = int(context.sample_rate or 0)
        self.n_channels = int(context.layout.nb_channels if context.layout else 0)
        if self.n_channels < 1:
            raise AudioError(f"{self.path}: its header states 0 channels; convert it again")
        check_sample_rate(self.file_sample_rate, str(self.path))
        self.sample_rate = int(sample_rate or self.file_sample_rate)
        check_sample_rate(self.sample_rate, "sample_rate")
        self._stated = self._stated_seconds()
        seconds = None if self._stated is None else max(0.0, self._stated - self._offset)
        if self._duration is not None:
            seconds = self._duration if seconds is None else min(seconds, self._duration)
        self.n_samples = None if seconds is None else round(seconds * self.sample_rate)

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def blocks(self, seconds: float = BLOCK_SECONDS) -> Iterator[Waveform]:
        """Read once from the offset to the end of the wanted part.

        Parameters
        ----------
        seconds
            Nominal length of a block.

        Yields
        ------
        Waveform
            ``(n, n_channels)``, float32, of any length above 0.

        Raises
        ------
        AudioError
            If samples are not finite, or the file ends before its header says.
        """
        resampler = None
        if self.sample_rate != self.file_sample_rate:
            resampler = soxr.ResampleStream(
                self.file_sample_rate, self.sample_rate, self.n_channels, quality="VHQ"
            )
        size = max(1, round(seconds * self.file_sample_rate))
        for block, last in _regroup(self._wanted(), size):
            if not np.isfinite(block).all():
                raise AudioError(f"{self.path}: {_describe_not_finite(block)}; repair the file")
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield block

    def _wanted(self) -> Iterator[Waveform]:
        # samples of the wanted part at the file's rate, as decoded
        rate = self.file_sample_rate
        first = round(self._offset * rate)
        end = None if self._duration is None else first + round(self._duration * rate)
        if self._stated is not None and self._container.format.name in _EXACT_LENGTH:
            stated = round(self._stated * rate)  # AAC decodes to whole frames, beyond the end
            end = stated if end is None else min(end, stated)
            if first >= stated > 0:
                return
        position = 0
        for position, block in self._decoded(first):
            start = max(0, first - position)
            stop = len(block) if end is None else min(len(block), end - position)
            position += len(block)
            if stop > start:
                yield block[start:stop]
            if end is not None and position >= end:
                return
        self._check_complete(position)

    def _decoded(self, first: int) -> Iterator[tuple[int, Waveform]]:
        # (index of the first sample, block) from at or before sample `first`
        rate = self.file_sample_rate
        seek = first / rate - _PREROLL_SECONDS
        seekable = seek > 0 and self._container.format.name in _EXACT_SEEK
        if seekable:
            origin = (self._stream.start_time or 0) * self._stream.time_base
            target = int((origin + Fraction(seek)) / self._stream.time_base)
            self._container.seek(target, stream=self._stream)
        to_float = av.AudioResampler(format="flt", layout=self._stream.codec_context.layout)
        position: int | None = None if seekable else 0
        try:
            for frame in self._container.decode(self._stream):
                if frame.sample_rate != rate:
                    raise AudioError(
                        f"{self.path}: its sample rate changes within the file; convert it to wav"
                    )
                if position is None:
                    origin = (self._stream.start_time or 0) * self._stream.time_base
                    position = round(((frame.pts or 0) * frame.time_base - origin) * rate)
                for converted in to_float.resample(frame):
                    packed = converted.to_ndarray().astype(np.float32, copy=False)
                    block = packed.reshape(-1, self.n_channels)
                    yield position, block
                    position += len(block)
        except av.FFmpegError as error:
            at = (position or 0) / rate
            raise AudioError(
                f"{self.path}: damaged after {at:.2f} s ({reason(error)}); copy it again, or "
                f"read the part before with duration={self._readable(at)}"
            ) from error

    def _stated_seconds(self) -> float | None:
        if self._stream.duration and self._stream.time_base:
            missing = _missing_bytes(self.path) * 8 / (self._stream.codec_context.bit_rate or 1)
            return float(self._stream.duration * self._stream.time_base) + missing
        if self._container.duration:
            return self._container.duration / av.time_base
        return None

    def _check_complete(self, n_decoded: int) -> None:
        seconds = n_decoded / self.file_sample_rate
        if n_decoded == 0:
            raise AudioError(f"{self.path}: holds no samples; record or export it again")
        stated = self._stated
        if stated is None:
            return
        if self._container.format.name not in _EXACT_LENGTH:
            # an estimate, from the bit rate or from what the encoder noted
            if seconds < 0.95 * stated - 1:
                warnings.warn(
                    f"{self.path}: ends after {seconds:.1f} s, but {stated:.1f} s were to be "
                    "expected; if it is cut short, copy it again",
                    stacklevel=2,
                )
        elif seconds < stated - 0.1:
            raise AudioError(
                f"{self.path}: cut short, its header states {stated:.2f} s but it ends after "
                f"{seconds:.2f} s; copy it again, or read what is there with "
                f"duration={self._readable(seconds)}"
            )

    def _readable(self, until: float) -> str:
        # duration to the last whole hundredth before `until`
        return f"{max(0, int(100 * (until - self._offset))) / 100:.2f}"


class AudioWriter:
    """A sound file written in blocks; a context manager.

    The file gets its name when it is complete. If an error occurs, nothing is left behind.

    Parameters
    ----------
    path
        Where; its folder must exist.
    sample_rate
        In hertz.
    n_channels
        Of every block.
    codec
        One of `CODECS`; None takes it from the path's suffix.
    bitrate
        For mp3, ogg, m4a and wma, such as ``"192k"``. For ogg it chooses Vorbis' nearest
        quality.
    bit_depth
        For wav ``"16"``, ``"24"`` or ``"float"``; for flac ``"16"`` or ``"24"``.

    Attributes
    ----------
    peak : float
        Largest absolute sample so far.
    n_clipped : int
        Samples beyond full scale so far. Unless `bit_depth` is ``"float"`` they are clipped,
        and closing the file warns of it.
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
        self.path = Path(path)
        suffix = self.path.suffix.lstrip(".").lower()
        chosen = codec or suffix
        if chosen not in CODECS:
            raise ParameterError(
                f"{self.path}: codec must be one of {', '.join(CODECS)} (got {chosen!r})"
            )
        self.codec: Codec = chosen
        self.keeps_overs = self.codec == "wav" and bit_depth == "float"
        self.peak, self.n_clipped = 0.0, 0
        check_sample_rate(sample_rate, "sample_rate")
        bits_per_second = _parse_bitrate(bitrate)
        if bit_depth not in BIT_DEPTHS or (self.codec == "flac" and bit_depth == "float"):
            raise ParameterError(
                f"{self.path}: {self.codec} cannot hold bit depth {bit_depth!r}; choose 16 or 24"
            )
        with _writing(self.path):
            self._draft = Draft(self.path)
            name = str(self._draft.scratch)
            try:
                if self.codec == "ogg":
                    self._sink: Any = _VorbisSink(name, sample_rate, n_channels, bits_per_second)
                else:
                    self._sink = _AvSink(
                        name, sample_rate, n_channels, self.codec, bits_per_second, bit_depth
                    )
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
        """Append samples ``(n, n_channels)``, float32."""
        if not len(block):
            return
        level = np.abs(block)
        self.peak = max(self.peak, float(level.max()))
        self.n_clipped += int((level > 1).sum())
        with _writing(self.path):
            self._sink.write(block if self.keeps_overs else np.clip(block, -1, 1))

    def finish(self) -> None:
        """Write what is pending, still under the temporary name."""
        with _writing(self.path):
            self._sink.close()

    def close(self) -> None:
        """Finish the file and give it its name; warn if samples were clipped."""
        self.finish()
        with _writing(self.path):
            self._draft.commit()
        if self.n_clipped and not self.keeps_overs:
            warnings.warn(
                f"{self.path}: {self.n_clipped} samples exceeded full scale (peak "
                f"{20 * np.log10(self.peak):+.1f} dBFS) and were clipped; write wav with bit "
                "depth float to keep them",
                stacklevel=2,
            )

    def discard(self) -> None:
        """Remove what was written, unless it has its name already."""
        failures = (OSError, RuntimeError, AssertionError, ValueError, av.FFmpegError)
        with suppress(*failures):  # the file goes anyway
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
        If the waveform is not fit or the file cannot be written; nothing is left half-written.
    """
    waveform = check_waveform(waveform)
    with AudioWriter(path, sample_rate, waveform.shape[1], codec, bitrate, bit_depth) as writer:
        writer.write(waveform)


def check_waveform(waveform: AnyArray, name: str = "waveform") -> Waveform:
    """Return a waveform as ``(n_samples, n_channels)`` float32, or say what is wrong with it.

    A one-dimensional array is taken as mono; float64 is rounded; the input is not changed.

    Raises
    ------
    AudioError
        If it is empty, of integers, channels first, or holds NaN or infinite samples.
    """
    array = np.asarray(waveform)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.size:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) and samples (got shape {array.shape})"
        )
    if array.shape[1] > 64 and array.shape[0] <= 64:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels); {array.shape} looks like channels "
            "first: give its .T"
        )
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(
            f"{name} must be floating point in [-1, 1] (got {array.dtype}); divide 16-bit "
            "integers by 32768"
        )
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise AudioError(f"{name}: {_describe_not_finite(array)}; repair it first")
    return array


def check_sample_rate(sample_rate: float, name: str) -> None:
    """Raise `AudioError` unless the rate, in hertz, is one that sound can have."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name}: sample rate must lie between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE} Hz "
            f"(got {sample_rate}); convert the sound"
        )


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Change the sample rate, in hertz; returns the waveform itself if rates are equal."""
    if from_rate == to_rate:
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="VHQ").astype(np.float32)


def to_channels(waveform: Waveform, n_channels: int) -> Waveform:
    """Fit a waveform to a network's channels, as Spleeter does.

    Mono is repeated; of more channels than wanted, the first ones are taken, with a warning.
    """
    present = waveform.shape[1]
    if present == 1:
        return np.repeat(waveform, n_channels, axis=1)
    if present > n_channels:
        warnings.warn(
            f"the sound has {present} channels; only the first {n_channels} are separated",
            stacklevel=2,
        )
        return waveform[:, :n_channels]
    if present < n_channels:
        raise AudioError(f"the network needs {n_channels} channels (got {present})")
    return waveform


def _writing(path: Path) -> AbstractContextManager[None]:
    return writing(path, AudioError, also=(av.FFmpegError,))


class _AvSink:
    """Blocks to a file through PyAV."""

    ENCODERS = {"mp3": "libmp3lame", "m4a": "aac", "wma": "wmav2", "flac": "flac"}
    PCM = {"16": "pcm_s16le", "24": "pcm_s24le", "float": "pcm_f32le"}
    MUXERS = {"m4a": "ipod", "wma": "asf"}

    def __init__(
        self, name: str, rate: int, n_channels: int, codec: str, bitrate: int, bit_depth: str
    ) -> None:
        # m4a states its length in units of the movie's time scale, by default milliseconds
        options = {"wav": {"rf64": "auto"}, "m4a": {"movie_timescale": str(rate)}}.get(codec, {})
        self._container = av.open(
            name, "w", format=self.MUXERS.get(codec, codec), container_options=options
        )
        encoder = self.PCM[bit_depth] if codec == "wav" else self.ENCODERS[codec]
        layout = {1: "mono", 2: "stereo"}.get(n_channels, f"{n_channels}c")
        stream: Any = self._container.add_stream(encoder, rate=rate, layout=layout)
        if codec == "flac":
            stream.format = "s16" if bit_depth == "16" else "s32"
            if bit_depth == "24":
                stream.codec_context.options = {"bits_per_raw_sample": "24"}
        elif codec != "wav":
            stream.bit_rate = bitrate
        try:
            stream.codec_context.open()
        except av.FFmpegError as error:
            raise ParameterError(
                f"{codec} cannot hold {n_channels} channels at {rate} Hz; choose wav, or another "
                "sample rate"
            ) from error
        self._stream, self._layout, self._rate, self._n = stream, layout, rate, 0
        self._closed = False
        if codec == "wma":  # of the two frames that its decoders drop, one is not the encoder's
            self.write(np.zeros((stream.codec_context.frame_size, n_channels), np.float32))

    def write(self, block: Waveform) -> None:
        packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate, self._n
        frame.time_base = Fraction(1, self._rate)
        self._n += len(block)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


class _VorbisSink:
    """Blocks to Ogg Vorbis through libsndfile."""

    # nominal kbit/s of a stereo stream at qualities 0.0, 0.1, … 1.0
    NOMINAL = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)

    def __init__(self, name: str, rate: int, n_channels: int, bitrate: int) -> None:
        import soundfile

        quality = float(np.interp(bitrate / 1000, self.NOMINAL, np.linspace(0, 1, 11)))
        self._file = soundfile.SoundFile(
            name, "w", rate, n_channels, format="OGG", subtype="VORBIS",
            compression_level=1 - quality,
        )  # fmt: skip

    def write(self, block: Waveform) -> None:
        # libvorbis overflows its stack on blocks of millions of samples
        for start in range(0, len(block), 1 << 16):
            self._file.write(block[start : start + (1 << 16)])

    def close(self) -> None:
        self._file.close()


def _regroup(pieces: Iterable[Waveform], size: int) -> Iterator[tuple[Waveform, bool]]:
    # (block of about `size` samples, whether it is the last)
    pending: list[Waveform] = []
    n_pending = 0
    ready: Waveform | None = None
    for piece in pieces:
        pending.append(piece)
        n_pending += len(piece)
        if n_pending >= size:
            if ready is not None:
                yield ready, False
            ready, pending, n_pending = np.concatenate(pending), [], 0
    if pending:
        if ready is not None:
            yield ready, False
        ready = np.concatenate(pending)
    if ready is not None:
        yield ready, True


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise AudioError(f"{path}: no such file; check its name and folder")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; name a sound file in it")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{path}: may not be read; change its permissions")
    if path.is_file() and path.stat().st_size == 0:
        raise AudioError(f"{path}: is empty (0 bytes); copy or record it again")


def _missing_bytes(path: Path) -> int:
    # FFmpeg takes a wav file that was cut short for complete
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        head = file.read(8)
    size = 8 + int.from_bytes(head[4:8], "little")
    known = head[:4] == b"RIFF" and size < 0x7FFF0000  # not a placeholder of one that was piped
    return max(0, size - path.stat().st_size) if known else 0


def _describe_not_finite(array: AnyArray) -> str:
    bad = ~np.isfinite(array)
    kind = "NaN" if np.isnan(array).any() else "infinite"
    return f"{int(bad.sum())} samples are not finite ({kind})"


def _parse_bitrate(bitrate: str) -> int:
    text = str(bitrate).strip().lower()
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:], 1)
    try:
        value = int(float(text.rstrip("km")) * factor)
    except ValueError:
        value = 0
    if not 8_000 <= value <= 1_000_000:
        raise ParameterError(
            f"bitrate must lie between 8k and 1000k, such as 192k (got {bitrate!r})"
        )
    return value
