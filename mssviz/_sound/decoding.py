"""From packets of a sound file to samples with their times; undecodable packets are left out."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np

from mssviz._sound.file import SoundFile, missing_bytes
from mssviz._sound.framing import FlacFrames, Frame, MpegFrames
from mssviz._sound.ogg import OggPages
from mssviz._typing import Waveform

_MPEG4 = "mov,mp4,m4a,3gp,3g2,mj2"
# Containers whose header states the length to the sample, so that a shorter file is damaged.
_EXACT_LENGTH = {"wav", "w64", "aiff", "flac", _MPEG4, "caf", "au", "tta"}
# Containers whose time stamps count samples; those of others are set by what recorded them.
_EXACT_STAMPS = {*_EXACT_LENGTH, "ogg", "wv", "ape", "mp3", "aac"}
# Containers in which FFmpeg's seek is exact to the sample; of others, all but FLAC are decoded
# from their start, at several hundred times real time.
_EXACT_SEEK = {"wav", "w64", "aiff"}
_PREROLL_SECONDS = 1.0
# Codecs whose frames carry checksums that encoders can be trusted to have written.
_CHECKED = {"flac", "wavpack", "tta", "ape"}
# Smallest jump in time that counts as a gap: less than a frame of most codecs, but more than the
# times of healthy files are off.
_JUMP_SECONDS, _LOOSE_JUMP_SECONDS = 0.01, 0.05
_MOST_FAILURES = 1000
_LEAST_FILLED_SECONDS = 60.0
_ALAC_FRAME = 4096
# Length that Matroska's programs note for each stream.
_DURATION = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)")
# Frames that an encoder of MPEG-4 adds in front and behind: Apple's 2112 samples and less than one.
_MOST_ADDED_FRAMES = 3.1

# Tests that tell a packet of the header from one of sound, in Ogg.
_OGG_HEADERS: dict[str, Callable[[bytes], bool]] = {
    "vorbis": lambda packet: bool(packet[0] & 1),
    "opus": lambda packet: packet[:4] == b"Opus",
}

#: Decoded samples: (index of the first one, or None if they follow on; samples).
Piece = tuple[int | None, Waveform]


class Decoder:
    """A decoder of one stream of a sound file.

    Parameters
    ----------
    file
        Open file.
    container, stream
        Container and stream as FFmpeg opened them.
    n_channels
        Number of channels of the samples; in joined files, other numbers are converted to it.
    sample_rate
        Sample rate of the samples, in hertz; in joined files, other rates are converted to it.

    Attributes
    ----------
    name : str
        Name of the file, for messages.
    seconds : float or None
        Length in seconds, stated or estimated; None if unknown.
    stated : int or None
        Length in samples, if it is stated to the sample.
    is_estimated : bool
        Whether `seconds` follows from a bit rate or the like.
    must_be_complete : bool
        Whether a file that ends early is certainly damaged.
    tolerance : int
        Number of samples by which a time can differ from where the samples belong.
    restarts : bool
        Whether times can begin again at 0, or go back in other ways, with sound that is new.
    lacks_end_mark : bool
        Whether the mark of the file's end is missing, or the last frame is cut off.
    most_filled : float
        Seconds of silence that may stand for what cannot be decoded, before the end is known.
    pads : bool
        Whether the codec has whole frames only, so that more can come than is stated.
    rounding : int
        Number of samples by which the stated end may be off where the codec is exact.
    noticed : list of str
        What else is wrong with the file, although all that it states can be read.
    """

    def __init__(
        self, file: SoundFile, container: Any, stream: Any, n_channels: int, sample_rate: int
    ) -> None:
        self.name, self.n_channels, self.sample_rate = file.name, n_channels, sample_rate
        self._file, self._container, self._stream = file, container, stream
        self._context = stream.codec_context
        self._context.thread_count = 1  # with more threads, an error comes with another packet
        if self._context.name in _CHECKED:
            self._context.options = {"err_detect": "crccheck+explode"}
        self.pads = not self._context.codec.lossless
        self._resampler: Any = None
        self._kind: object = None
        self._format = container.format.name
        self._is_matroska = self._format == "matroska,webm"
        if self._format == "caf" and not self.pads:
            # FFmpeg 8 takes what the last frame lacks off it once more
            self._context.flags2 |= av.codec.context.Flags2.skip_manual
        self.must_be_complete = self._format in _EXACT_LENGTH
        is_exact = self._format in _EXACT_STAMPS
        self._jump = _JUMP_SECONDS if is_exact else _LOOSE_JUMP_SECONDS
        self.tolerance = round(self._jump * sample_rate)
        # MPEG-4 states in thousandths of a second how much is played
        self.rounding = math.ceil(sample_rate / 1000) if self._format == _MPEG4 else 0
        self.restarts, self.lacks_end_mark = not is_exact, False
        self.noticed: list[str] = []
        self._noted = self._noted_length() if self._is_matroska else None
        self._frames: MpegFrames | FlacFrames | OggPages | None = None
        self._find_frames(file)
        self.seconds = self._find_length(missing_bytes(file.view()))
        exact = self.must_be_complete and stream.duration
        if isinstance(self._frames, MpegFrames):
            exact = self._frames.stated
        self.stated = round(self.seconds * sample_rate) if exact and self.seconds else None
        # Matroska states the length, which includes the pictures', to the millisecond
        is_alone = self._is_matroska and len(container.streams) == 1
        is_told = is_alone or self._noted is not None
        self.is_estimated = self.stated is None and not is_told
        if self._format == _MPEG4:
            self._compare_edits(file)
        self.most_filled = max(_LEAST_FILLED_SECONDS, self._find_most(file.size) / 2)

    def _find_frames(self, file: SoundFile) -> None:
        frames: MpegFrames | FlacFrames | OggPages
        if self._format in ("mp3", "aac"):
            frames = MpegFrames(file.view(), self.sample_rate, self._format == "aac")
            self.lacks_end_mark = frames.is_cut
            self.noticed += frames.noticed
        elif self._format == "flac":
            frames = FlacFrames(file.view(), self._context.extradata or b"")
        elif self._format == "ogg":
            frames = OggPages(file.view(), self._stream.index)
            self.lacks_end_mark = not frames.has_end
            self.restarts = frames.is_joined
            if frames.is_joined or self._context.name not in _OGG_HEADERS:
                return
        else:
            return
        self._frames = frames if frames.found else None

    def _find_length(self, n_missing_bytes: int) -> float | None:
        stream = self._stream
        if isinstance(self._frames, MpegFrames):
            return (self._frames.stated or self._frames.n_samples) / self.sample_rate
        if stream.duration and stream.time_base:
            missing = n_missing_bytes * 8 / (self._context.bit_rate or 1)
            return float(stream.duration * stream.time_base) + missing
        whole = float(self._container.duration / av.time_base) if self._container.duration else None
        return min(self._noted, whole or self._noted) if self._noted else whole

    def _noted_length(self) -> float | None:
        # of this stream, in seconds; the container's is that of its longest, such as pictures
        found = _DURATION.fullmatch(self._stream.metadata.get("DURATION", ""))
        if not found:
            return None
        hours, minutes, seconds = found.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)

    def _find_most(self, n_bytes: int) -> float:
        # seconds that the file can have: as stated, but of PCM no more than a byte a value
        stated = self.seconds or 0.0
        if not self._context.name.startswith("pcm_"):
            return stated
        return min(stated, n_bytes / (self._context.sample_rate * self._context.channels))

    def _compare_edits(self, file: SoundFile) -> None:
        # MPEG-4 states which part of its sound is played: all but what the encoder added, or less
        with file.container(ignore_editlist="1") as container:
            whole = container.streams[self._stream.index]
            if not whole.frames:  # in pieces, each of which tells its own
                return
            if not (whole.duration and whole.time_base and self.seconds):
                self.noticed.append("it does not state how long its sound is")
                return
            seconds = float(whole.duration * whole.time_base)
            added = seconds / whole.frames * (_MOST_ADDED_FRAMES if self.pads else 1)
            if seconds - self.seconds > added:
                self.noticed.append(
                    f"its edit list leaves {seconds - self.seconds:.2f} s of its sound out"
                )

    def end_tolerance(self, frame_length: int) -> int:
        """Number of samples by which a healthy file can end before its stated end.

        Parameters
        ----------
        frame_length
            Length of the last frame, in samples.
        """
        if self._format == "caf" and self._context.name == "alac":
            # FFmpeg 5 and earlier state the last frame as if it were whole
            return _ALAC_FRAME if (self.stated or 1) % _ALAC_FRAME == 0 else 0
        return frame_length if self._format in (_MPEG4, "mp3") else 0

    def pieces(self, first: int) -> Iterator[Piece]:
        """Decode all samples from `first` or a little earlier, in the order of the file."""
        if isinstance(self._frames, FlacFrames):
            return self._of_frames(self._frames.frames(first))
        if isinstance(self._frames, OggPages):
            return self._of_pages(self._frames)
        if self._frames is not None:
            return self._of_frames(self._frames.frames())
        return self._of_packets(first)

    def _of_frames(self, frames: Iterator[Frame]) -> Iterator[Piece]:
        for frame in frames:
            at, stop = frame.at, frame.at + frame.n_samples
            for block in self._decoded_frame(frame.data):
                # Leave out what the encoder put in front. And where the sample rate changes, FFmpeg
                # takes one frame of the new rate for one of the old, so that it comes out too long.
                inside = block[max(0, -at) : max(0, stop - at)]
                if len(inside):
                    yield max(0, at), inside
                at += len(block)

    def _of_pages(self, pages: OggPages) -> Iterator[Piece]:
        is_header = _OGG_HEADERS[self._context.name]
        delay = int.from_bytes((self._context.extradata or b"")[10:12], "little")
        delay = delay if self._context.name == "opus" else 0
        origin: int | None = None
        stop = 0
        for page in pages.pages():
            packets = [packet for packet in page.packets if not is_header(packet)]
            if not packets:
                continue
            if not page.follows:
                self._context.flush_buffers()
            found = [self._decoded_frame(packet) for packet in packets]
            if not page.follows and self._context.name == "vorbis":
                found[0] = []  # half of it comes from the packet before
            nothing = np.zeros((0, self.n_channels), np.float32)
            samples = np.concatenate([nothing, *chain.from_iterable(found)])
            end = page.end - delay
            at = end - len(samples)
            if origin is None:
                # a stream that begins late without loss was cut out of a longer one
                origin = max(0, at) if page.follows else 0
            at -= origin
            if page.is_last:
                # Cut at the end. After a lost page the end comes early by what the encoder added,
                # which is less than a frame.
                at = max(at, stop) if page.follows else at
                samples = samples[: max(0, end - origin - at)]
            yield max(0, at), samples[max(0, -at) :]
            stop = at + len(samples)

    def _decoded_frame(self, data: bytes) -> list[Waveform]:
        found = self._decoded(av.Packet(data))
        if found is None and isinstance(self._frames, FlacFrames):
            shorter = (self._decoded(av.Packet(part)) for part in self._frames.shortened(data))
            found = next((blocks for blocks in shorter if blocks is not None), None)
        return [block for _, block in found or ()]

    def _of_packets(self, first: int) -> Iterator[Piece]:
        origin = (self._stream.start_time or 0) * self._stream.time_base
        # the time of the first sample is the origin, unless samples before it were lost
        is_known = self._seek(first, origin)
        after: Fraction | None = None
        for packet in self._packets():
            time = _time(packet)
            if time is not None:
                if after is not None and abs(time - after) > self._jump:
                    self._context.flush_buffers()  # earlier sound must not blend into this
                after = time + (packet.duration or 0) * packet.time_base
            found = self._decoded(packet)
            for at, block in found or ():
                if at is not None and not is_known:
                    origin = at
                yield None if at is None else round((at - origin) * self.sample_rate), block
                is_known = True
            is_known = is_known or found is None

    def _seek(self, first: int, origin: Fraction) -> bool:
        # returns whether the position was changed
        seek = first / self.sample_rate - _PREROLL_SECONDS
        if seek > 0 and self._format in _EXACT_SEEK:
            target = int((origin + Fraction(seek)) / self._stream.time_base)
            with suppress(av.FFmpegError):
                self._container.seek(target, stream=self._stream)
                return True
        return False

    def _packets(self) -> Iterator[Any]:
        failures = 0
        while failures < _MOST_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    yield packet
                    failures = 0
                self._file.check()
                return
            except av.FFmpegError:
                self._file.check()
                failures += 1

    def _decoded(self, packet: Any) -> list[tuple[Fraction | None, Waveform]] | None:
        # (time in seconds, samples) each, or None if the packet cannot be decoded
        try:
            return [
                (None if i else _time(frame), block)
                for frame in self._context.decode(packet if packet.size else None)
                for i, block in enumerate(self._converted(frame))
            ]
        except (av.FFmpegError, ValueError):
            self._context.flush_buffers()
            return None

    def _converted(self, frame: Any) -> Iterator[Waveform]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            self._kind = kind
            self._resampler = av.AudioResampler("flt", frame.layout, self.sample_rate)
        n_channels = frame.layout.nb_channels
        for converted in self._resampler.resample(frame):
            packed = converted.to_ndarray().astype(np.float32, copy=False)
            yield _with_channels(packed.reshape(-1, n_channels), self.n_channels)


def _time(of: Any) -> Fraction | None:
    # of a packet or frame, in seconds; damaged ones may not tell, or not in which unit
    return None if of.pts is None or of.time_base is None else of.pts * of.time_base


def _with_channels(block: Waveform, n_channels: int) -> Waveform:
    present = block.shape[1]
    if present == n_channels:
        return block
    if n_channels == 1:
        return block.mean(axis=1, keepdims=True)
    if present == 1:
        return np.repeat(block, n_channels, axis=1)
    fitted = np.zeros((len(block), n_channels), np.float32)
    fitted[:, :present] = block[:, :n_channels]
    return fitted
