"""Arrays to what a browser shows and plays."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mssviz import audio
from mssviz._typing import Codec, Waveform

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def png(figure: "Figure", dpi: int = 100) -> bytes:
    """Encode a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def common_gain(waveforms: Mapping[str, Waveform]) -> float:
    """Largest gain, at most 1, at which none of the waveforms clips."""
    peak = max((float(np.abs(w).max(initial=0)) for w in waveforms.values()), default=0.0)
    return 1.0 if peak <= 1 else 1 / peak


def flac(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform in [-1, 1] as 16-bit FLAC."""
    return _encoded(waveform, sample_rate, "flac")


def ogg(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform in [-1, 1] as Ogg Vorbis, about a fifth of FLAC's size."""
    return _encoded(waveform, sample_rate, "ogg")


def _encoded(waveform: Waveform, sample_rate: int, codec: Codec) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"sound.{codec}")
        audio.write_audio(path, waveform, sample_rate, codec, bitrate="192k")
        return path.read_bytes()
