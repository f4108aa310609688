"""Spectra inside networks that read and give waveforms, and bins in bands that overlap."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.overlap_add import waveforms


def stft(x: Any, size: int, hop: int, n_fft: int, hann: bool = True) -> Any:
    """Compute spectra, with frames centred on multiples of the hop.

    Parameters
    ----------
    x
        Waveforms ``(..., N)``.
    size, hop
        Window and hop, in samples.
    n_fft
        Size of the transform; a window that is shorter is padded at its end.
    hann
        Whether frames are weighed by a periodic Hann window.

    Returns
    -------
    Tensor
        Spectra ``(..., N // hop + 1, n_fft // 2 + 1)``, complex64.
    """
    edges = [[0, 0]] * (len(x.shape) - 1) + [[size // 2, size // 2]]
    frames = _framed(tf.pad(x, edges, "REFLECT"), size, hop)
    return tf.signal.rfft(frames * tf.signal.hann_window(size) if hann else frames, [n_fft])


def _framed(x: Any, size: int, hop: int) -> Any:
    # Overlapping frames, made of hops side by side. tf.signal.frame gives the same, but this is
    # three times faster where the hop does not divide the size, because its gradient is stated.
    length, n_frames = x.shape[-1], (x.shape[-1] - size) // hop + 1
    n_side = -(-size // hop)
    n_blocks = n_frames - 1 + n_side

    @tf.custom_gradient
    def framed(x: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return _fitted(tf.signal.overlap_and_add(upstream, hop), length)

        shape = [*tf.unstack(tf.shape(x))[:-1], n_blocks, hop]
        blocks = tf.reshape(_fitted(x, n_blocks * hop), shape)
        parts = [blocks[..., first : first + n_frames, :] for first in range(n_side)]
        return tf.concat(parts, axis=-1)[..., :size], gradient

    return framed(x)


def _fitted(x: Any, length: int) -> Any:
    missing = max(length - x.shape[-1], 0)
    return tf.pad(x[..., :length], [[0, 0]] * (len(x.shape) - 1) + [[0, missing]])


class Spectrum(keras.layers.Layer):
    """Spectra of waveforms: ``(batch, N, C)`` to ``(batch, T, F, C, 2)``, real and imaginary.

    Parameters
    ----------
    n_fft, hop_length
        Window and hop, in samples.
    options
        Options of the layer.
    """

    def __init__(self, n_fft: int, hop_length: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._n_fft, self._hop = n_fft, hop_length

    def call(self, inputs: Any) -> Any:
        """Compute what the class says."""
        # (batch, N, C) -> (batch, C, T, F) -> (batch, T, F, C, 2)
        spectra = stft(tf.transpose(inputs, (0, 2, 1)), self._n_fft, self._hop, self._n_fft)
        spectra = tf.transpose(spectra, (0, 2, 3, 1))
        return tf.stack([tf.math.real(spectra), tf.math.imag(spectra)], axis=-1)


class Waveform(keras.layers.Layer):
    """Waveforms ``(batch, N, C)`` of spectra through complex masks, both ``(batch, T, F, C, 2)``.

    Parameters
    ----------
    hop_length
        Hop, in samples.
    n_samples
        Length N of the waveforms.
    zero_dc
        Whether bin 0 of the spectra is set to 0.
    options
        Options of the layer.
    """

    def __init__(self, hop_length: int, n_samples: int, zero_dc: bool, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._hop, self._n_samples, self._zero_dc = hop_length, n_samples, zero_dc

    def call(self, mask: Any, spectrum: Any) -> Any:
        """Compute what the class says."""
        spectra = tf.complex(mask[..., 0], mask[..., 1])
        spectra *= tf.complex(spectrum[..., 0], spectrum[..., 1])
        if self._zero_dc:
            spectra = tf.pad(spectra[:, :, 1:], [[0, 0], [0, 0], [1, 0], [0, 0]])
        return tf.transpose(waveforms(spectra, self._hop, self._n_samples), (0, 2, 1))


class Spread(keras.layers.Layer):
    """Bins as bands that overlap have them, ``(batch, T, F, C, 2)`` to ``(batch, T, F', C, 2)``.

    Parameters
    ----------
    bands
        First bin and number of bins of each band.
    options
        Options of the layer.
    """

    def __init__(self, bands: Sequence[tuple[int, int]], **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._bins = _bins(bands)

    def call(self, inputs: Any) -> Any:
        """Compute what the class says."""
        return tf.gather(inputs, self._bins, axis=2)


class Gathered(keras.layers.Layer):
    """Mean of what bands say of a bin, ``(batch, T, F', C, 2)`` to ``(batch, T, F, C, 2)``.

    Parameters
    ----------
    bands
        First bin and number of bins of each band; a bin is in one of them or in two.
    options
        Options of the layer.
    """

    def __init__(self, bands: Sequence[tuple[int, int]], **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        bins = _bins(bands)
        _, self._first = np.unique(bins, return_index=True)
        _, last = np.unique(bins[::-1], return_index=True)
        self._last = len(bins) - 1 - last

    def call(self, inputs: Any) -> Any:
        """Compute what the class says."""
        first, last = (tf.gather(inputs, i, axis=2) for i in (self._first, self._last))
        return (first + last) / 2


def _bins(bands: Sequence[tuple[int, int]]) -> AnyArray:
    return np.concatenate([np.arange(first, first + width) for first, width in bands])
