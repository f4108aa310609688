"""Bands and rotations of RoFormers, as numbers; nothing here imports TensorFlow."""

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError

#: Widths of the 62 bands that BS-RoFormer cuts a spectrum of 1025 bins into, in bins.
BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)
#: Base of the frequencies of rotations.
_THETA = 10_000


def mel_bands(sample_rate: int, n_fft: int, n_bands: int) -> list[tuple[int, int]]:
    """Find the bins in which triangles of the mel scale (Slaney's) are above 0.

    Parameters
    ----------
    sample_rate
        Sample rate, hertz.
    n_fft
        Window of the spectrum, samples.
    n_bands
        Number of bands from 0 to half the sample rate.

    Returns
    -------
    list of tuple
        First bin and number of bins of each band, which share all bins, no bin among more than
        two. The first and the last bin, where triangles are 0, belong to the outermost bands.

    Raises
    ------
    ParameterError
        If there are so many bands that one has no bin.
    """
    import librosa

    edges = librosa.mel_frequencies(n_bands + 2, fmin=0.0, fmax=sample_rate / 2)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    first = np.searchsorted(bins, edges[:-2], side="right")
    last = np.searchsorted(bins, edges[2:], side="left")
    first[0], last[-1] = 0, len(bins)
    if (last <= first).any() or (first[1:] > last[:-1]).any():
        raise ParameterError(
            f"{n_bands} mel bands are too many for a window of {n_fft} samples: a band has no bin; "
            "choose fewer bands"
        )
    return list(zip(first.tolist(), (last - first).tolist(), strict=True))


def frequencies(size: int, rotary: str = "float32") -> AnyArray:
    """Frequencies of the rotations of queries and keys.

    Parameters
    ----------
    size
        Number d of features of a head.
    rotary
        Precision in which they were kept, ``"float32"`` or ``"float16"``. Files of half precision
        round them, and angles of late positions then differ.

    Returns
    -------
    ndarray
        Angles from one position to the next, ``(d / 2,)``, radians, float32.
    """
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    exact = np.float32(1) / np.float32(_THETA) ** exponents
    return exact.astype(rotary).astype(np.float32)
