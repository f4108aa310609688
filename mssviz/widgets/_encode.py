"""From arrays to pictures and sound that a browser shows and plays."""

import io
from typing import TYPE_CHECKING

import soundfile

from mssviz import audio
from mssviz._files import ScratchFolder
from mssviz._typing import Waveform
from mssviz.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Highest rate that FLAC can state, and highest that need not be a multiple of 10, in hertz.
MAX_FLAC_RATE, MAX_FINE_FLAC_RATE = 655_350, 65_535


def png(figure: "Figure", dpi: int = 100) -> bytes:
    """Encode a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def check_flac_rate(sample_rate: int) -> None:
    """Raise `ParameterError` unless FLAC, in which sound travels, can state this sample rate."""
    fine = sample_rate <= MAX_FINE_FLAC_RATE or sample_rate % 10 == 0
    if sample_rate > MAX_FLAC_RATE or not fine:
        raise ParameterError(
            f"sample_rate must be one that FLAC can state: up to {MAX_FLAC_RATE} Hz, above "
            f"{MAX_FINE_FLAC_RATE} Hz a multiple of 10 (got {sample_rate}); use `audio.resample`"
        )


def flac(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform in [-1, 1] as 24-bit FLAC.

    Rounding to 24 bits lies at -149 dBFS; at 16 bits it would lie at -101 dBFS, only 76 dB below a
    stem of -25 dBFS.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def ogg(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform in [-1, 1] as Ogg Vorbis, which has about an eighth of that FLAC's size."""
    with ScratchFolder() as folder:
        path = folder.path / "sound.ogg"
        audio.write_audio(path, waveform, sample_rate, bitrate="192k")
        return path.read_bytes()
