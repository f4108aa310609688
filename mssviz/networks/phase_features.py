"""Muth's network: phase, as its derivatives in time and frequency, beside the magnitude.

Shapes are without the batch: T frames, F bins, C channels, U units, n = 2 · context_frames + 1.

::

    mixture ─┬─ magnitude ── standardise ── conv n ── dense  T x U ─┐
    T x F x C├─ time derivative ─────────── conv n ── dense  T x U ─┼─ dense  T x F C ─┐
      x 2    └─ frequency derivative ────── (the same)  T x U ──────┘   (the same)     │
                                                                                       ▼
    estimate  T x F x C ◄── ReLU ◄── standardise, back ◄── weighted sum of the three ──┘

Every layer but the sum ends in ReLU. A convolution over n frames is a dense layer on n frames side
by side. Before and after the patch there is silence.

The phase itself says nothing, because it depends on where the frame happens to begin. Its changes
do: from frame to frame they tell the frequency within a bin, from bin to bin the time within a
frame.

Sources: Muth, Uhlich, Perraudin, Kemp, Cardinaux and Mitsufuji, "Improving DNN-based music source
separation using phase features", arXiv 1807.02710, 2018. Its authors published no code. Layers and
context follow two versions by others, aRI0U/music-source-separation (bf79b35) and
3ok/DNN-Music-Source-Separation (5ff25e0), which agree in features, context and branches but not in
how these are joined.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras
from mssviz.networks.fnn import rising_relu

# --- Features ---------------------------------------------------------------------------------


def time_derivative(spectrum: Any, n_fft: int = 4096, hop_length: int = 1024) -> Any:
    r"""How far each frame's phase has turned since the frame before, beyond the turn of its bin.

    .. math:: \Delta_t \varphi[t, k] = \operatorname{princarg}\left(
        \varphi[t, k] - \varphi[t - 1, k] - 2 \pi k \frac{H}{N}\right)

    A steady tone of frequency *f* (in bins) gives :math:`2 \pi (f - k) H / N` in all bins of its
    peak: zero in the middle of bin *k*, positive if the tone is higher. At a hop of a quarter of
    the window, a quarter of a turn is one bin. With noise the derivative is random, so it tells
    sounds that go on steadily, such as a bass, from others.

    Parameters
    ----------
    spectrum
        STFT with real and imaginary part on the last axis, ``(..., T, F, C, 2)``; all bins from 0
        on.
    n_fft, hop_length
        Window *N* and hop *H*, in samples.

    Returns
    -------
    tensor
        Derivative ``(..., T, F, C)``, radians in [-pi, pi]. It is 0 in the first frame, and
        wherever this frame or the one before is silent, since silence has no phase.

    References
    ----------
    Muth et al., "Improving DNN-based music source separation using phase features", arXiv
    1807.02710, 2018. Flanagan and Golden, "Phase vocoder", Bell System Technical Journal 45(9),
    1966, for the meaning as frequency.
    """
    rank, n_bins = len(spectrum.shape), spectrum.shape[-3]
    before = keras.ops.pad(
        spectrum[..., :-1, :, :, :], [*[(0, 0)] * (rank - 4), (1, 0), *[(0, 0)] * 3]
    )
    # in turns, of which whole ones are taken out while they are integers
    turns = np.arange(n_bins) * hop_length % n_fft / n_fft
    return _turned(spectrum, before, 2 * np.pi * turns[:, np.newaxis])


def frequency_derivative(spectrum: Any) -> Any:
    r"""How far each bin's phase is turned from the bin below, beyond half a turn.

    .. math:: \Delta_f \varphi[t, k] = \operatorname{princarg}\left(
        \varphi[t, k] - \varphi[t, k - 1] - \pi\right)

    A click *n* samples after the frame's beginning gives :math:`\pi - 2 \pi n / N` in all bins:
    zero in the middle of the frame, where the window is highest, positive before it and negative
    after. For other sounds, *n* is the middle of what is heard of them within the frame, so onsets,
    such as a drum's, stand out from sounds that go on. Half a turn is what the middle of the frame
    gives, since phases are relative to the frame's first sample.

    Parameters
    ----------
    spectrum
        STFT with real and imaginary part on the last axis, ``(..., T, F, C, 2)``; all bins from 0
        on.

    Returns
    -------
    tensor
        Derivative ``(..., T, F, C)``, radians in [-pi, pi]. It is 0 in the lowest bin, and wherever
        this bin or the one below is silent.

    References
    ----------
    Muth et al., "Improving DNN-based music source separation using phase features", arXiv
    1807.02710, 2018. Auger and Flandrin, "Improving the readability of time-frequency
    representations by the reassignment method", IEEE Trans. Signal Processing 43(5), 1995, for
    the meaning as time.
    """
    rank = len(spectrum.shape)
    below = keras.ops.pad(spectrum[..., :-1, :, :], [*[(0, 0)] * (rank - 3), (1, 0), *[(0, 0)] * 2])
    return _turned(spectrum, below, np.array(np.pi))


def _turned(here: Any, there: Any, expected: AnyArray) -> Any:
    # the angle of here times the conjugate of there, turned back, which needs no wrapping
    a, b, c, d = here[..., 0], here[..., 1], there[..., 0], there[..., 1]
    cosine, sine = np.cos(expected).astype(np.float32), np.sin(expected).astype(np.float32)
    real, imag = a * c + b * d, b * c - a * d
    real, imag = real * cosine + imag * sine, imag * cosine - real * sine
    # for silence, atan2 gives half a turn if the zero is a negative one
    silent = keras.ops.logical_and(keras.ops.equal(real, 0), keras.ops.equal(imag, 0))
    return keras.ops.arctan2(keras.ops.where(silent, 0, imag), keras.ops.where(silent, 1, real))


# --- Network ----------------------------------------------------------------------------------


def build_phase_features(
    targets: Sequence[str],
    patch_frames: int = 268,
    n_bins: int = 2049,
    n_channels: int = 2,
    n_fft: int = 4096,
    hop_length: int = 1024,
    context_frames: int = 5,
    units: int = 500,
    join: str = "sum",
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C; bins from 0 on.
    n_fft, hop_length
        Window and hop of the STFT, in samples.
    context_frames
        Number of frames that are read before the one that is estimated, and as many after it. The
        first derivative looks at one more.
    units
        Number of units of every layer in the branches.
    join
        Way in which magnitude and derivatives are joined. ``"sum"`` has one branch for both
        derivatives, with the same weights for each; a layer makes magnitudes of what comes from
        magnitude and derivatives, and these are added with learned weights (aRI0U).
        ``"concatenate"`` has a branch that reads the derivatives together, and a layer that reads
        both branches (3ok).

    Returns
    -------
    keras.Model
        Network from the mixture's STFT ``(batch, T, F, C, 2)``, real and imaginary part, to a list
        of one estimated magnitude ``(batch, T, F, C)`` for each target.

    Raises
    ------
    ParameterError
        If `join` is another word, the context is negative or there are no units.
    """
    if join not in JOINS:
        raise ParameterError(f"join must be one of {sorted(JOINS)} (got {join!r})")
    if context_frames < 0 or units < 1:
        raise ParameterError(
            "a network with phase features needs context_frames >= 0 and units >= 1 "
            f"(got {context_frames}, {units})"
        )
    mixture = keras.Input((patch_frames, n_bins, n_channels, 2), name="mixture")
    c = context_frames
    # silence around the patch, and one frame more for the first derivative
    padded = keras.ops.pad(mixture, ((0, 0), (c + 1, c), (0, 0), (0, 0), (0, 0)))
    magnitude = keras.ops.norm(padded, axis=4)[:, 1:]
    derivatives = [
        time_derivative(padded, n_fft, hop_length)[:, 1:],
        frequency_derivative(padded)[:, 1:],
    ]
    outputs = [JOINS[join](target, magnitude, derivatives, 2 * c + 1, units) for target in targets]
    return keras.Model(mixture, outputs, name="phase_features")


class _Standardise(keras.layers.Layer):
    """``(x - mean) / scale`` for each bin, both learned; and the way back, without the scale."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.mean = self.add_weight(shape=(shape[2], 1), initializer="zeros", name="mean")
        self.scale = self.add_weight(shape=(shape[2], 1), initializer="ones", name="scale")

    def call(self, x: Any, back: bool = False) -> Any:
        return x + self.mean if back else (x - self.mean) / self.scale


def _summed(
    target: str, magnitude: Any, derivatives: Sequence[Any], n_frames: int, units: int
) -> Any:
    standardise = _Standardise(name=f"{target}_standardise")
    phase = _branch(f"{target}_phase", n_frames, units)
    found = [_branch(f"{target}_magnitude", n_frames, units)(standardise(magnitude))]
    found += [phase(derivative) for derivative in derivatives]
    n_bins, n_channels = magnitude.shape[2:]
    spread = _spread(target, n_bins * n_channels, units)
    # it begins as the mean, since with weights below 0 there might be nothing to begin with
    mean = keras.initializers.Constant(1 / len(found))
    add = keras.layers.Dense(1, kernel_initializer=mean, name=f"{target}_sum")
    # (batch, T, F C, branches) -> (batch, T, F C)
    x = add(keras.ops.stack([spread(x) for x in found], axis=3))[..., 0]
    x = keras.ops.reshape(x, (-1, x.shape[1], n_bins, n_channels))
    return keras.layers.Activation(rising_relu)(standardise(x, back=True))


def _concatenated(
    target: str, magnitude: Any, derivatives: Sequence[Any], n_frames: int, units: int
) -> Any:
    standardise = _Standardise(name=f"{target}_standardise")
    read = _branch(f"{target}_magnitude", n_frames, units)(standardise(magnitude))
    phase = _branch(f"{target}_phase", n_frames, units)(keras.ops.concatenate(derivatives, axis=3))
    n_bins, n_channels = magnitude.shape[2:]
    spread = _spread(target, n_bins * n_channels, 2 * units)
    x = spread(keras.ops.concatenate([read, phase], axis=2))
    x = keras.ops.reshape(x, (-1, x.shape[1], n_bins, n_channels))
    return keras.layers.Activation(rising_relu)(standardise(x, back=True))


JOINS = {"sum": _summed, "concatenate": _concatenated}


def _branch(name: str, n_frames: int, units: int) -> Any:
    """Branch ``(batch, T + n - 1, F, C)`` to ``(batch, T, units)``; all calls share its weights."""
    first = keras.layers.Conv1D(
        units, n_frames, activation="relu", kernel_initializer="he_uniform", name=f"{name}1"
    )
    second = keras.layers.Dense(units, "relu", kernel_initializer="he_uniform", name=f"{name}2")

    def run(x: Any) -> Any:
        n_features = int(np.prod(x.shape[2:]))
        return second(first(keras.ops.reshape(x, (-1, x.shape[1], n_features))))

    return run


def _spread(target: str, n_features: int, n_inputs: int) -> Any:
    low = keras.initializers.RandomUniform(0, 0.1 / n_inputs)  # above 0 for every input at first
    return keras.layers.Dense(
        n_features, rising_relu, kernel_initializer=low, name=f"{target}_spread"
    )
