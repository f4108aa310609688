"""A song in blocks of samples, and their spectra with half overlap, n_fft 2048.

These are the spectra of SiSEC 2018's oracles, and those in which Music-Source-Separation-Training
and Ultimate Vocal Remover combine stems: frames are centred at whole hops, as librosa centres them.
"""

from collections.abc import Iterator

import numpy as np

from mssviz._typing import AnyArray, Waveform

#: Window of the STFT, in samples: SciPy's default, a Hann window moved by half of it.
N_FFT = 2048
HOP = N_FFT // 2
#: Hops in a block of the song, 6 s.
_BLOCK = 256


def blocks_of(n_samples: int) -> Iterator[slice]:
    """Samples of each block of a song."""
    for start in range(0, n_samples, _BLOCK * HOP):
        yield slice(start, min(start + _BLOCK * HOP, n_samples))


def spectrum_of(waveform: Waveform, samples: slice) -> AnyArray:
    """STFT of a block: all frames that reach into it, ``(n_frames, n_bins, n_channels)``.

    Neighbouring blocks share a frame.
    """
    import scipy.signal

    # frames are centred at whole hops; before and after the song there is silence
    stop = samples.start - (samples.start - samples.stop) // HOP * HOP
    first, last = samples.start - HOP, stop + HOP
    piece = waveform[max(0, first) : last].astype(np.float64)
    around = (max(0, -first), max(0, last - len(waveform)))
    padded = np.pad(piece, (around, (0, 0)))
    spectra = scipy.signal.stft(padded, nperseg=N_FFT, boundary=None, padded=False, axis=0)[2]
    return np.moveaxis(spectra, -1, 0)  # (bins, channels, frames) -> (frames, bins, channels)


def waveform_of(spectrum: AnyArray, samples: slice) -> AnyArray:
    """Samples of a block, of an STFT from `spectrum_of`."""
    import scipy.signal

    waveform = scipy.signal.istft(spectrum, nperseg=N_FFT, time_axis=0, freq_axis=1)[1]
    return waveform[: samples.stop - samples.start]
