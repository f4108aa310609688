"""Waveforms made from spectra, for networks and losses that need them."""

from typing import Any

from mssviz.networks._tensorflow import tf


def waveforms(
    spectra: Any, hop_length: int, n_samples: int | None = None, hann: bool = True
) -> Any:
    """Compute the waveforms whose STFT is nearest to given spectra, in the sense of least squares.

    Frames are windowed again, and their sum is divided by the sum of the squared windows.

    Parameters
    ----------
    spectra
        Spectra ``(n_patches, T, F, C)``, complex64, of frames of ``2 (F - 1)`` samples, centred on
        multiples of the hop.
    hop_length
        Distance from frame to frame, in samples.
    n_samples
        Length of the waveforms, at most half a window more than ``(T - 1) hop_length``, which it is
        if left out.
    hann
        Whether frames were weighed by a periodic Hann window.

    Returns
    -------
    Tensor
        Waveforms ``(n_patches, C, n_samples)``, float32. Half a window at the beginning, and what
        lies beyond the end, is left out: fewer frames overlap there.

    References
    ----------
    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE
    Transactions on Acoustics, Speech and Signal Processing 32(2), 1984, equation 6.
    """
    n_frames, n_bins = spectra.shape[1:3]
    n_fft = 2 * (n_bins - 1)
    window = tf.signal.hann_window(n_fft) if hann else tf.ones(n_fft)
    # (n_patches, T, F, C) -> (n_patches, C, T, n_fft) -> (n_patches, C, N)
    frames = window * tf.signal.irfft(tf.transpose(spectra, (0, 3, 1, 2)))
    total = tf.signal.overlap_and_add(frames, hop_length)
    weight = tf.signal.overlap_and_add(tf.tile(window[None] ** 2, (n_frames, 1)), hop_length)
    n_samples = (n_frames - 1) * hop_length if n_samples is None else n_samples
    inner = slice(n_fft // 2, n_fft // 2 + n_samples)
    return total[..., inner] / weight[inner]
