"""Sound files in and out, whole or as a stream of blocks; checks on waveforms.

Reading and writing go through PyAV, whose wheels carry FFmpeg, so no system package is
needed; only Vorbis is written by libsndfile, as PyAV's FFmpeg has no good encoder for it.
Resampling is soxr's, very high quality.
"""

import math
import numbers
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import av
import numpy as np
import soxr

from mssviz._decoding import Decoder
from mssviz._encoding import open_sink
from mssviz._files import Draft, writing
from mssviz._sound_file import SoundFile
from mssviz._timeline import Timeline
from mssviz._typing import AnyArray, BitDepth, Codec, PathLike, SoundSource, Waveform
from mssviz.errors import AudioError, ParameterError, one_line, reason

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
MAX_CHANNELS = 64
BLOCK_SECONDS = 5.0
#: Peak from which floating-point samples are taken for integers that were not divided: +40 dBFS.
#: Sound that was mixed or separated exceeds full scale by a few decibels, quiet 16-bit sound has
#: peaks in the hundreds.
INTEGER_PEAK = 100.0

CODECS: tuple[Codec, ...] = get_args(Codec)
BIT_DEPTHS: tuple[BitDepth, ...] = get_args(BitDepth)


def load_audio(
    path: SoundSource,
    offset: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = 44100,
    stream: int | None = None,
) -> tuple[Waveform, int]:
    """Read a sound file.

    Parameters
    ----------
    path
        Anything with sound that FFmpeg reads: wav, flac, mp3, ogg, opus, m4a, mp4 stems, …; or a
        binary file object, such as ``io.BytesIO``, which is read from its start.
    offset, duration
        Part to read, in seconds; `duration` None reads to the end.
    sample_rate
        Wanted rate in hertz, resampled if need be; None keeps the file's.
    stream
        Which of the file's audio streams, counted from 0: native-instruments stems hold the
        mixture in 0. None is the first, with a warning if there are others.

    Returns
    -------
    waveform : Waveform
        ``(n_samples, n_channels)``, float32; integer formats are scaled to [-1, 1).
    sample_rate : int
        In hertz.

    Raises
    ------
    AudioError
        If the file is missing, empty, cut short, damaged beyond half of it, no audio, or holds
        NaN or infinite samples. Where less is damaged, silence replaces it, with a warning that
        names the seconds.
    ParameterError
        If offset or duration make no sense for it.
    """
    with AudioReader(path, offset, duration, sample_rate, stream) as reader:
        blocks = list(reader.blocks())
        if not blocks:
            raise AudioError(
                f"{reader.name}: no samples between {offset} s and "
                f"{'the end' if duration is None else f'{offset + duration} s'}; "
                "choose another offset or duration"
            )
        return np.concatenate(blocks), reader.sample_rate


class AudioReader:
    """A sound file opened for reading in blocks; a context manager.

    What is damaged is replaced by silence of its length, so that all else keeps its time.

    Parameters
    ----------
    path, offset, duration, sample_rate, stream
        As in `load_audio`.

    Attributes
    ----------
    sample_rate : int
        Rate of the blocks, in hertz.
    n_channels : int
    name : str
        The file's, in one line.
    n_samples : int or None
        Samples that `blocks` will give in all, estimated from the header; None if unknown.
    repairs : list of tuple of float
        (start, stop) of each piece that could not be decoded and is silent instead, in seconds of
        the song; filled while blocks are read.
    """

    def __init__(
        self,
        path: SoundSource,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: int | None = 44100,
        stream: int | None = None,
    ) -> None:
        if not (np.isfinite(offset) and offset >= 0):
            raise ParameterError(f"offset must be 0 s or more (got {offset})")
        if duration is not None and not (np.isfinite(duration) and duration > 0):
            raise ParameterError(f"duration must be more than 0 s (got {duration})")
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
            warnings.warn(
                f"{name}: has {len(streams)} audio streams, of which the first is read; choose "
                f"another with stream=1 to {len(streams) - 1}",
                stacklevel=4,
            )
        stream = streams[index or 0]
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
        self.sample_rate = check_sample_rate(sample_rate or self.file_sample_rate, "sample_rate")
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
        """Close the file, unless it is an object that was open before."""
        self._opened.close()

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
        for block, last in _regroup(self._wanted(), size):
            if not np.isfinite(block).all():
                raise AudioError(f"{self.name}: {_describe_not_finite(block)}; repair the file")
            told = told or _warn_of_integers(block, self.name)
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield block
        if self.repairs:
            warnings.warn(
                f"{self.name}: {describe_repairs(self.repairs)}; copy it again if there is "
                "a better copy",
                stacklevel=2,
            )

    def _wanted(self) -> Iterator[Waveform]:
        # samples of the wanted part at the file's rate, as decoded
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


def describe_repairs(repairs: Sequence[tuple[float, float]]) -> str:
    """Say where silence stands for what could not be decoded, for a warning.

    Parameters
    ----------
    repairs
        As in `AudioReader`.
    """
    spans = [f"{start:.2f} to {stop:.2f} s" for start, stop in repairs[:5]]
    more = f" and {len(repairs) - 5} more pieces" if len(repairs) > 5 else ""
    total = sum(stop - start for start, stop in repairs)
    return f"damaged, silence replaces {', '.join(spans)}{more} ({total:.2f} s in all)"


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
        sample_rate = check_sample_rate(sample_rate, "sample_rate")
        if bit_depth not in BIT_DEPTHS or (self.codec == "flac" and bit_depth == "float"):
            raise ParameterError(
                f"{self.path}: {self.codec} cannot hold bit depth {bit_depth!r}; choose 16 or 24"
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
        """Append samples ``(n, n_channels)``, float32."""
        if not len(block):
            return
        level = np.abs(block)
        self.peak = max(self.peak, float(level.max()))
        self.n_clipped += int((level > 1).sum())
        with self._writing():
            self._sink.write(block if self.keeps_overs else np.clip(block, -1, 1))

    def finish(self) -> None:
        """Write what is pending, still under the temporary name."""
        with self._writing():
            self._sink.close()

    def close(self) -> None:
        """Finish the file and give it its name; warn if samples were clipped."""
        self.finish()
        with self._writing():
            self._draft.commit()
        if self.n_clipped and not self.keeps_overs:
            warnings.warn(
                f"{self.path}: {self.n_clipped} samples exceeded full scale (peak "
                f"{20 * np.log10(self.peak):+.1f} dBFS) and were clipped; write wav with bit "
                "depth float to keep them",
                stacklevel=2,
            )

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self.path, AudioError, also=(av.FFmpegError,))

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
        If it is no array of samples, empty, of integers, channels first, or holds NaN or infinite
        samples.

    Warns
    -----
    UserWarning
        If floating-point samples are as large as integers; see `INTEGER_PEAK`.
    """
    array = _as_array(waveform, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 3:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) (got {array.shape}); of an array of "
            "several, such as museval's (n_sources, n_samples, n_channels), give one: x[0]"
        )
    if array.ndim != 2 or not array.size:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) and samples (got shape {array.shape})"
        )
    if array.shape[1] > MAX_CHANNELS and array.shape[0] <= MAX_CHANNELS:
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
    _warn_of_integers(array, name)
    return array


def _as_array(waveform: Any, name: str) -> AnyArray:
    if isinstance(waveform, str | bytes | os.PathLike):
        raise AudioError(
            f"{name} must be an array of samples (got {one_line(repr(waveform))}); read a file "
            "with waveform, sample_rate = mssviz.load_audio(path)"
        )
    if isinstance(waveform, tuple):
        raise AudioError(
            f"{name} must be an array of samples (got a tuple of {len(waveform)}); of what "
            "load_audio returns, give the first: waveform, sample_rate = mssviz.load_audio(path)"
        )
    if np.ndim(waveform) == 0 and isinstance(waveform, numbers.Real):
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) (got the number {waveform}); give the "
            "waveform first, then its sample rate"
        )
    try:
        return np.asarray(waveform)
    except (TypeError, ValueError) as error:
        raise AudioError(
            f"{name} must be an array of shape (n_samples, n_channels) ({reason(error)})"
        ) from error


def _warn_of_integers(array: Waveform, name: str) -> bool:
    peak = float(max(array.max(), -array.min()))
    if peak > INTEGER_PEAK:
        warnings.warn(
            f"{name}: floating-point samples are to lie in [-1, 1], but the peak is {peak:.0f}; if "
            "they are 16-bit integers, divide them by 32768",
            stacklevel=3,
        )
    return peak > INTEGER_PEAK


def check_sample_rate(sample_rate: float, name: str) -> int:
    """Return a rate in hertz as an int, or raise `AudioError` if sound cannot have it.

    Whole numbers of any type are rates, such as ``np.int64(44100)`` and ``44100.0``.
    """
    is_number = isinstance(sample_rate, numbers.Real) and not isinstance(sample_rate, bool)
    if not is_number or (math.isfinite(sample_rate) and sample_rate != int(sample_rate)):
        received = one_line(repr(sample_rate)) if np.ndim(sample_rate) == 0 else "an array"
        raise AudioError(
            f"{name}: sample rate must be a whole number of hertz such as 44100 (got {received})"
        )
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name}: sample rate must lie between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE} Hz "
            f"(got {sample_rate}); convert the sound"
        )
    return int(sample_rate)


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Change the sample rate, in hertz; returns the waveform itself if rates are equal."""
    if from_rate == to_rate:
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="VHQ").astype(np.float32)


# Places of the channels in the order of wav files and FFmpeg, by their number.
_SURROUND = {
    3: "L R C",
    5: "L R C Ls Rs",
    6: "L R C LFE Ls Rs",
    8: "L R C LFE Lb Rb Ls Rs",
}


def mix_down(waveform: Waveform) -> Waveform:
    """Mix film sound down to stereo, as ITU-R BS.775 says.

    Left is L + 0.7071 (C + Ls + Lb), right R + 0.7071 (C + Rs + Rb); the channel of low effects
    (LFE) is left out. Nothing is turned down, so samples can exceed full scale.

    Parameters
    ----------
    waveform
        ``(n_samples, n_channels)`` in the order of wav files: 3 channels (L R C), 5 (L R C Ls
        Rs), 6 (5.1: L R C LFE Ls Rs) or 8 (7.1: L R C LFE Lb Rb Ls Rs).

    Returns
    -------
    Waveform
        ``(n_samples, 2)``.
    """
    places = _SURROUND.get(waveform.shape[1], "").split()
    if not places:
        raise AudioError(
            f"only 3, 5, 6 or 8 channels have a standard mix (got {waveform.shape[1]}); choose two "
            "with waveform[:, :2]"
        )
    gains = np.zeros((len(places), 2), np.float32)
    for gain, place in zip(gains, places, strict=True):
        level = 1.0 if place in ("L", "R") else 0.0 if place == "LFE" else math.sqrt(0.5)
        gain[:] = level * (place[0] in "LC"), level * (place[0] in "RC")
    return waveform @ gains


def to_channels(waveform: Waveform, n_channels: int) -> Waveform:
    """Fit a waveform to a network's channels.

    Mono is repeated, as Spleeter does. Of more channels than wanted, what looks like film sound
    is mixed down to stereo by `mix_down`, of others the first ones are taken; both with a warning.
    """
    present = waveform.shape[1]
    if present == 1:
        return np.repeat(waveform, n_channels, axis=1)
    if n_channels == 2 and present in _SURROUND:
        warnings.warn(
            f"the sound has {present} channels; they are taken for {_SURROUND[present]} and mixed "
            "down to two (ITU-R BS.775); to separate others, choose them with waveform[:, :2]",
            stacklevel=2,
        )
        return mix_down(waveform)
    if present > n_channels:
        warnings.warn(
            f"the sound has {present} channels; only the first {n_channels} are separated; if "
            "others matter, mix it down to them first",
            stacklevel=2,
        )
        return waveform[:, :n_channels]
    if present < n_channels:
        raise AudioError(f"the network needs {n_channels} channels (got {present})")
    return waveform


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


def _describe_not_finite(array: AnyArray) -> str:
    bad = ~np.isfinite(array)
    kind = "NaN" if np.isnan(array).any() else "infinite"
    return f"{int(bad.sum())} samples are not finite ({kind})"
