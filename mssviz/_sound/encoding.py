"""From blocks of samples to encoded files, and what each codec can hold."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from mssviz._typing import BitDepth, Codec, Waveform
from mssviz.errors import ParameterError

MAX_CHANNELS = 64
# Sample rates in hertz, either the lowest and the highest or all that there are, and the largest
# number of channels. libvorbis ends the process above 200 kHz.
_ANY = (1_000, 768_000)
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (
    7350,
    8000,
    11025,
    12000,
    16000,
    22050,
    24000,
    32000,
    44100,
    48000,
    64000,
    88200,
    96000,
)
_LIMITS: dict[str, tuple[tuple[int, ...], int]] = {
    "wav": (_ANY, MAX_CHANNELS),
    "flac": ((1_000, 655_350), 8),
    "ogg": ((1_000, 200_000), MAX_CHANNELS),
    "mp3": (_MP3_RATES, 2),
    "m4a": (_AAC_RATES, 8),
    "wma": ((1_000, 48_000), 2),
}


class Sink(Protocol):
    """An encoded file that is being written."""

    def write(self, block: Waveform) -> None:
        """Append samples ``(n, n_channels)``, in [-1, 1]."""

    def close(self) -> None:
        """Write what is pending; a second call does nothing."""


def open_sink(
    codec: Codec, rate: int, n_channels: int, bitrate: str, bit_depth: BitDepth
) -> Callable[[Path], Sink]:
    """Check options and return a function that opens a file with them.

    Parameters
    ----------
    codec, bitrate, bit_depth
        The arguments of `audio.AudioWriter`.
    rate
        Sample rate, in hertz.
    n_channels
        Number of channels of every block.

    Raises
    ------
    ParameterError
        If the codec cannot hold such sound, or the bitrate makes no sense.
    """
    bits_per_second = _parse_bitrate(bitrate)
    rates, most = _LIMITS[codec]
    fits = rates[0] <= rate <= rates[1] if len(rates) == 2 else rate in rates
    if not (fits and 1 <= n_channels <= most):
        if len(rates) == 2:
            named = f"{rates[0]} to {rates[1]}"
        else:
            named = f"{', '.join(map(str, rates[:-1]))} or {rates[-1]}"
        raise ParameterError(
            f"{codec} cannot hold {n_channels} channels at {rate} Hz, but 1 to {most} channels at "
            f"{named} Hz; choose wav, or another sample rate"
        )
    if codec == "ogg":
        return lambda path: _VorbisSink(path, rate, n_channels, bits_per_second)
    return lambda path: _AvSink(path, rate, n_channels, codec, bits_per_second, bit_depth)


class _AvSink:
    """Writes blocks to a file through PyAV."""

    ENCODERS = {"mp3": "libmp3lame", "m4a": "aac", "wma": "wmav2", "flac": "flac"}
    PCM = {"16": "pcm_s16le", "24": "pcm_s24le", "float": "pcm_f32le"}
    MUXERS = {"m4a": "ipod", "wma": "asf"}

    def __init__(
        self, path: Path, rate: int, n_channels: int, codec: str, bitrate: int, bit_depth: str
    ) -> None:
        # m4a states its length in units of the movie's time scale, by default milliseconds
        options = {"wav": {"rf64": "auto"}, "m4a": {"movie_timescale": str(rate)}}.get(codec, {})
        self._container = av.open(
            f"file:{path}", "w", format=self.MUXERS.get(codec, codec), container_options=options
        )
        encoder = self.PCM[bit_depth] if codec == "wav" else self.ENCODERS[codec]
        layout = _layout(n_channels)
        stream: Any = self._container.add_stream(encoder, rate=rate, layout=layout)
        if codec == "flac":
            stream.format = "s16" if bit_depth == "16" else "s32"
            if bit_depth == "24":
                stream.codec_context.options = {"bits_per_raw_sample": "24"}
        elif codec != "wav":
            stream.bit_rate = bitrate
        stream.codec_context.open()
        self._stream, self._layout, self._rate, self._n = stream, layout, rate, 0
        self._closed = False
        if codec == "wma":  # decoders drop two frames, the encoder adds only one
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


def _layout(n_channels: int) -> str:
    # FFmpeg names only the usual layouts
    if n_channels <= 2:
        return ("mono", "stereo")[n_channels - 1]
    return f"{n_channels}c" if n_channels <= 8 else f"{n_channels} channels"


class _VorbisSink:
    """Writes blocks to Ogg Vorbis through libsndfile."""

    # nominal bit rates of a stereo stream in kbit/s, at qualities 0.0, 0.1, … 1.0
    NOMINAL = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)

    def __init__(self, path: Path, rate: int, n_channels: int, bitrate: int) -> None:
        import soundfile

        quality = float(np.interp(bitrate / 1000, self.NOMINAL, np.linspace(0, 1, 11)))
        self._file = soundfile.SoundFile(
            path, "w", rate, n_channels, format="OGG", subtype="VORBIS",
            compression_level=1 - quality,
        )  # fmt: skip

    def write(self, block: Waveform) -> None:
        # libvorbis overflows its stack on blocks of millions of samples
        for start in range(0, len(block), 1 << 16):
            self._file.write(block[start : start + (1 << 16)])

    def close(self) -> None:
        self._file.close()


def _parse_bitrate(bitrate: str) -> int:
    text = str(bitrate).strip().lower()
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:], 1)
    try:
        value = int(float(text.rstrip("km")) * factor)
    except (ValueError, OverflowError):
        value = 0
    if not 8_000 <= value <= 1_000_000:
        raise ParameterError(
            f"bitrate must lie between 8k and 1000k, such as 192k (got {bitrate!r})"
        )
    return value
