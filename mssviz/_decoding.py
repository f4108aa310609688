"""Packets of a sound file to samples, each with its time; what cannot be decoded is left out."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from mssviz._framing import FlacFrames, Frame, MpegFrames
from mssviz._sound_file import SoundFile, has_ogg_end, is_joined_ogg, missing_wav_bytes
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
# A jump in time that is a gap: less than a frame of most codecs, but more than healthy files are
# off. FFmpeg's stamps of Vorbis are off by up to a block where the size of blocks changes.
_JUMP_SECONDS, _LOOSE_JUMP_SECONDS = 0.01, 0.05
_MOST_FAILURES = 1000

#: (index of the first sample, or None where it follows on; samples)
Piece = tuple[int | None, Waveform]


class Decoder:
    """One stream of a sound file.

    Parameters
    ----------
    file
        The file, open.
    container, stream
        As FFmpeg opened it.
    n_channels
        Of the samples; other counts, in joined files, are brought to it.
    sample_rate
        Likewise, in hertz.

    Attributes
    ----------
    name : str
        The file's, for messages.
    seconds : float or None
        Length, stated or estimated; None if unknown.
    stated : int or None
        Length in samples if it is stated, to the sample.
    must_be_complete : bool
        Whether a file that ends before is damaged for certain.
    tolerance : int
        Samples by which a piece's time can differ from where it belongs.
    restarts : bool
        Whether times can begin again at 0, or otherwise go back, with sound that is new.
    lacks_end_mark : bool
        Whether what tells the file's end is not there.
    """

    def __init__(
        self, file: SoundFile, container: Any, stream: Any, n_channels: int, sample_rate: int
    ) -> None:
        self.name, self.n_channels, self.sample_rate = file.name, n_channels, sample_rate
        self._container, self._stream = container, stream
        self._context = stream.codec_context
        self._context.thread_count = 1  # with more, an error comes with another packet
        if self._context.name in _CHECKED:
            self._context.options = {"err_detect": "crccheck+explode"}
        self._resampler: Any = None
        self._kind: object = None
        self._format = container.format.name
        is_ogg = self._format == "ogg"
        is_exact = self._format in _EXACT_STAMPS
        self._jump = _JUMP_SECONDS
        if not is_exact or (is_ogg and self._context.name == "vorbis"):
            self._jump = _LOOSE_JUMP_SECONDS
        self.tolerance = round(self._jump * sample_rate)
        self.must_be_complete = self._format in _EXACT_LENGTH
        self.restarts = not is_exact or (is_ogg and is_joined_ogg(file.view()))
        self.lacks_end_mark = is_ogg and not has_ogg_end(file.view())
        self._frames = self._find_frames(file)
        self.seconds = self._find_length(missing_wav_bytes(file.view()))
        exact = self.must_be_complete and stream.duration
        if isinstance(self._frames, MpegFrames):
            exact = self._frames.stated
        self.stated = round(self.seconds * sample_rate) if exact and self.seconds else None

    def _find_frames(self, file: SoundFile) -> MpegFrames | FlacFrames | None:
        frames: MpegFrames | FlacFrames | None = None
        if self._format in ("mp3", "aac"):
            frames = MpegFrames(file.view(), self.sample_rate, self._format == "aac")
        elif self._format == "flac":
            frames = FlacFrames(file.view(), self._context.extradata or b"")
        return frames if frames is not None and frames.found else None

    def _find_length(self, n_missing_bytes: int) -> float | None:
        stream = self._stream
        if isinstance(self._frames, MpegFrames):
            return (self._frames.stated or self._frames.n_samples) / self.sample_rate
        if stream.duration and stream.time_base:
            missing = n_missing_bytes * 8 / (self._context.bit_rate or 1)
            return float(stream.duration * stream.time_base) + missing
        if self._container.duration:
            return float(self._container.duration / av.time_base)
        return None

    def end_tolerance(self, frame_length: int) -> int:
        """Samples by which a healthy file can end before its stated end.

        Parameters
        ----------
        frame_length
            Of the last frame, in samples.
        """
        return frame_length if self._format in (_MPEG4, "mp3") else 0

    def pieces(self, first: int) -> Iterator[Piece]:
        """All samples, from at or before sample `first`, in the order of the file."""
        if isinstance(self._frames, FlacFrames):
            return self._of_frames(self._frames.frames(first))
        if self._frames is not None:
            return self._of_frames(self._frames.frames())
        return self._of_packets(first)

    def _of_frames(self, frames: Iterator[Frame]) -> Iterator[Piece]:
        for frame in frames:
            at = frame.at
            for block in self._decoded_frame(frame.data):
                skipped = min(len(block), max(0, -at))  # what the encoder put in front
                at += skipped
                if skipped < len(block):
                    yield at, block[skipped:]
                    at += len(block) - skipped

    def _decoded_frame(self, data: bytes) -> list[Waveform]:
        found = self._decoded(av.Packet(data))
        if found is None and isinstance(self._frames, FlacFrames):
            shorter = (self._decoded(av.Packet(part)) for part in self._frames.shortened(data))
            found = next((blocks for blocks in shorter if blocks is not None), None)
        return [block for _, block in found or ()]

    def _of_packets(self, first: int) -> Iterator[Piece]:
        origin = (self._stream.start_time or 0) * self._stream.time_base
        # the first sample's own time is the origin, unless there were others before it
        is_known = self._seek(first, origin)
        after: Fraction | None = None
        for packet in self._packets():
            time = None if packet.pts is None else packet.pts * packet.time_base
            if time is not None:
                if after is not None and abs(time - after) > self._jump:
                    self._context.flush_buffers()  # what was before must not blend into this
                after = time + (packet.duration or 0) * packet.time_base
            found = self._decoded(packet)
            for at, block in found or ():
                if at is not None and not is_known:
                    origin = at
                yield None if at is None else round((at - origin) * self.sample_rate), block
                is_known = True
            is_known = is_known or found is None

    def _seek(self, first: int, origin: Fraction) -> bool:
        # whether it was done
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
                return
            except av.FFmpegError:
                failures += 1

    def _decoded(self, packet: Any) -> list[tuple[Fraction | None, Waveform]] | None:
        # (time in seconds, samples) each, or None if it cannot be decoded
        try:
            return [
                (None if frame.pts is None or i else frame.pts * frame.time_base, block)
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
