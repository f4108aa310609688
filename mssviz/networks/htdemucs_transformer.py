"""The transformer in the middle of HTDemucs, in which spectrum and waveform read each other.

Each branch is a row of D features a place: F T of the spectrum, T' of the waveform. Shapes are
without the batch.

::

    spectrum  F T x D ─ norm ─ + position ─┬─ self ─┬─ cross ─┬─ self ─ ...
                                                    ╳
    waveform  T' x D ── norm ─ + position ─┬─ self ─┴─ cross ─┴─ self ─ ...

    self    x + s attention(norm x, norm x), then x + s linear(GELU(linear(norm x))), then a norm
            over all places and features together
    cross   the same, but keys and values are of the other branch, with a norm of their own

s are learnt factors of the features that begin near 0. Positions are sines and cosines: of the
spectrum, half of the features tell the frame, and half the bin.

Sources: Rouard, Massa and Défossez, "Hybrid transformers for music source separation", ICASSP 2023,
arXiv:2211.08553, and its code, demucs 4.
"""

from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.attention import attend

#: The two, as they stand in names of layers.
BRANCHES = ("spectral", "temporal")
#: Number of hidden features after an attention, as a multiple of D.
_FEEDFORWARD = 4
#: Longest wavelength of positions is 2 pi times this.
_PERIOD = 10_000
#: Factor of what each part of a layer adds, at the beginning.
_SCALE = 1e-4
_EPSILON = 1e-5


def cross_transformer(spectrum: Any, waveform: Any, n_layers: int, heads: int, prefix: str) -> Any:
    """Let both branches read themselves and each other in turn.

    Parameters
    ----------
    spectrum, waveform
        Features of both branches, ``(batch, F, T, D)`` and ``(batch, T', D)``.
    n_layers
        Number of layers; every second one reads the other branch.
    heads
        Number of heads of an attention, a divisor of D.
    prefix
        Beginning of the layers' names.

    Returns
    -------
    tuple
        Features of both, of the same shapes.
    """
    _, n_bins, n_frames, dim = spectrum.shape
    x, y = keras.ops.reshape(spectrum, (-1, n_bins * n_frames, dim)), waveform
    norms = [_norm(f"{prefix}norm_{branch}") for branch in BRANCHES]
    x = norms[0](x) + positions_2d(n_bins, n_frames, dim)
    y = norms[1](y) + positions(y.shape[1], dim)
    for number in range(1, n_layers + 1):
        read = (x, y) if number % 2 else (y, x)
        names = [f"{prefix}layer{number}_{branch}" for branch in BRANCHES]
        x, y = (_layer(*one, heads) for one in zip((x, y), read, names, strict=True))
    return keras.ops.reshape(x, (-1, n_bins, n_frames, dim)), y


def _layer(x: Any, other: Any, name: str, heads: int) -> Any:
    dim, is_cross = x.shape[-1], other is not x
    queries = keys = _norm(f"{name}_norm1")(x)
    if is_cross:
        keys = _norm(f"{name}_norm2")(other)
    limit = (6 / (4 * dim)) ** 0.5  # of queries, keys and values together, as PyTorch has it
    q = _linear(dim, limit, f"{name}_q", "zeros")(queries)
    kv = _linear(2 * dim, limit, f"{name}_kv", "zeros")(keys)
    found = Attention(heads, name=f"{name}_attention")(q, kv)
    found = _linear(dim, dim**-0.5, f"{name}_out", "zeros")(found)
    x = x + Scale(_SCALE, name=f"{name}_scale1")(found)

    hidden = _FEEDFORWARD * dim
    found = _norm(f"{name}_norm{3 if is_cross else 2}")(x)
    found = _linear(hidden, dim**-0.5, f"{name}_linear1")(found)
    found = keras.ops.gelu(found, approximate=False)
    found = _linear(dim, hidden**-0.5, f"{name}_linear2")(found)
    x = x + Scale(_SCALE, name=f"{name}_scale2")(found)
    return keras.layers.GroupNormalization(1, epsilon=_EPSILON, name=f"{name}_norm_out")(x)


def _norm(name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name)


def _linear(n_outputs: int, limit: float, name: str, bias: str | None = None) -> Any:
    # an initializer for each, as the same one would give the same numbers twice
    kernel, other = (keras.initializers.RandomUniform(-limit, limit) for _ in range(2))
    return keras.layers.Dense(
        n_outputs, kernel_initializer=kernel, bias_initializer=bias or other, name=name
    )


def positions(length: int, dim: int) -> AnyArray:
    """Cosines and sines that tell places of a row, ``(length, dim)``.

    Parameters
    ----------
    length
        Number of places.
    dim
        Number of features, half cosines and half sines.
    """
    # in single precision throughout, as weights were trained with
    exponents = np.arange(dim // 2, dtype=np.float32) / np.float32(dim // 2 - 1)
    phases = np.arange(length, dtype=np.float32)[:, np.newaxis] / np.float32(_PERIOD) ** exponents
    return np.concatenate([np.cos(phases), np.sin(phases)], axis=1)


def positions_2d(n_bins: int, n_frames: int, dim: int) -> AnyArray:
    """Sines and cosines in turn that tell places of a grid, ``(n_bins n_frames, dim)``.

    Parameters
    ----------
    n_bins, n_frames
        Numbers of bins and frames.
    dim
        Number of features, the first half for frames, the second for bins; a multiple of 4.
    """
    half = dim // 2
    steps = np.exp(np.arange(0, half, 2, dtype=np.float32) * -(np.log(np.float32(_PERIOD)) / half))
    found = np.zeros((n_bins, n_frames, dim), np.float32)
    frames, bins = (
        np.arange(n, dtype=np.float32)[:, np.newaxis] * steps for n in (n_frames, n_bins)
    )
    found[..., 0:half:2], found[..., 1:half:2] = np.sin(frames), np.cos(frames)
    found[..., half::2] = np.sin(bins)[:, np.newaxis]
    found[..., half + 1 :: 2] = np.cos(bins)[:, np.newaxis]
    return found.reshape(-1, dim)


class Scale(keras.layers.Layer):
    """Learnt factor of each feature.

    Parameters
    ----------
    initial
        Value of all factors at the beginning.
    options
        Options of the layer.

    References
    ----------
    Touvron et al., "Going deeper with image transformers", ICCV 2021, arXiv:2103.17239.
    """

    def __init__(self, initial: float, **options: Any) -> None:
        super().__init__(**options)
        self._initial = initial

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        start = keras.initializers.Constant(self._initial)
        self.scale = self.add_weight(input_shape[-1:], start, name="scale")

    def call(self, inputs: Any) -> Any:
        """Compute what the class says."""
        return inputs * self.scale


class Attention(keras.layers.Layer):
    """Attention of queries ``(batch, n, D)`` to keys and values side by side, ``(batch, m, 2 D)``.

    Parameters
    ----------
    heads
        Number of heads, a divisor of D.
    options
        Options of the layer.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def call(self, queries: Any, keys_and_values: Any) -> Any:
        """Compute what the class says."""
        _, length, dim = queries.shape
        size = dim // self.heads
        keys, values = tf.split(keys_and_values, 2, axis=-1)
        parts = [self._heads(part, size) for part in (queries * size**-0.5, keys, values)]
        # (batch, H, n, d) -> (batch, n, H d)
        return tf.reshape(tf.transpose(attend(*parts), (0, 2, 1, 3)), (-1, length, dim))

    def _heads(self, x: Any, size: int) -> Any:
        return tf.transpose(tf.reshape(x, (-1, x.shape[1], self.heads, size)), (0, 2, 1, 3))
