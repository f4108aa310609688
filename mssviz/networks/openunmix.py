"""Open-Unmix: one recurrent network per target, whose output multiplies the mixture's magnitude.

Shapes are without the batch; H is `hidden_size`, B is `max_bin`.

::

    mixture  T x F x C ───────────────────────────────────────────────────────────┐
      │ crop to bins below 16 kHz, (x + mean) scale                               │
    T x C B                                                                       │
      │ fc1, bn1, tanh                                                            │
    T x H ─┬─ 3 x BLSTM, H/2 each way ─┐                                          │
           └────────────── concat ─────┴ T x 2 H                                  │
                             │ fc2, bn2, ReLU                                     │
                           T x H                                                  │
                             │ fc3, bn3                                           ▼
                           T x C F ── x scale + mean, ReLU ── T x F x C ───────── x ── estimate

The bins above 16 kHz are not read, but estimated from those below. The factor is at least 0 but,
unlike a mask, has no upper bound.

Sources: Stöter, Uhlich, Liutkus and Mitsufuji, "Open-Unmix: a reference implementation for music
source separation", JOSS 4(41):1667, 2019, and its code 1.3.0 (PyTorch).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras


def build_openunmix(
    targets: Sequence[str],
    patch_frames: int = 255,
    n_bins: int = 2049,
    n_channels: int = 2,
    hidden_size: int = 512,
    n_layers: int = 3,
    max_bin: int = 1487,
    dropout: float = 0.4,
    residual: bool = False,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C.
    hidden_size
        Length of the vector that stands for a frame within the network, even; 1024 in ``umxl``.
    n_layers
        Number of bidirectional LSTM layers.
    max_bin
        Number of bins that are read, from 0 Hz up: 1487 of 2049 reach to 16 kHz at 44.1 kHz.
    dropout
        Share of numbers that are dropped between two LSTM layers in training, in [0, 1).
    residual
        Whether the last target has no network of its own, but is what the others leave of the
        mixture's magnitude, at least 0.

    Returns
    -------
    keras.Model
        Network from the mixture's magnitude ``(batch, T, F, C)``, linear, to a list of one
        estimated magnitude for each target, of the same shape.

    Raises
    ------
    ParameterError
        If an option is outside its domain.

    Notes
    -----
    PyTorch's LSTM adds two biases, and this one has their sum. So each target has
    ``8 n_layers hidden_size / 2`` numbers fewer: 6,144 of 8,893,348.
    """
    check(n_bins, hidden_size, n_layers, max_bin, dropout)
    if residual and len(targets) < 2:
        raise ParameterError(f"a residual needs a target before it (got {list(targets)})")
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    estimates = []
    for target in targets[:-1] if residual else targets:
        x = encode(mixture, target, hidden_size, max_bin)
        x = keras.ops.concatenate([x, recur(x, target, n_layers, dropout)], axis=-1)
        estimates.append(decode(x, mixture, target, hidden_size))
    if residual:
        estimates.append(keras.ops.relu(mixture - sum(estimates)))
    return keras.Model(mixture, estimates, name="openunmix")


def check(n_bins: int, hidden_size: int, n_layers: int, max_bin: int, dropout: float) -> None:
    """Refuse options that make no network; see `build_openunmix`."""
    if hidden_size < 2 or hidden_size % 2:
        raise ParameterError(f"hidden_size must be even and above 0 (got {hidden_size})")
    if n_layers < 1:
        raise ParameterError(f"n_layers must be at least 1 (got {n_layers})")
    if not 1 <= max_bin <= n_bins:
        raise ParameterError(f"max_bin must be from 1 to the {n_bins} bins (got {max_bin})")
    if not 0 <= dropout < 1:
        raise ParameterError(f"dropout must be at least 0 and below 1 (got {dropout})")


def encode(mixture: Any, target: str, hidden_size: int, max_bin: int) -> Any:
    """Turn the bins of each frame into a vector: ``(batch, T, F, C)`` to ``(batch, T, H)``."""
    _, n_frames, _, n_channels = mixture.shape
    # (batch, T, F, C) -> (batch, T, C, B)
    x = keras.ops.transpose(mixture[:, :, :max_bin], (0, 1, 3, 2))
    x = _PerBin(mean_first=True, name=f"{target}_input")(x)
    # -> (batch, T, C B)
    x = keras.layers.Reshape((n_frames, n_channels * max_bin))(x)
    return keras.ops.tanh(_dense(x, target, 1, hidden_size))


def recur(x: Any, target: str, n_layers: int, dropout: float) -> Any:
    """Run LSTM layers over the frames, both ways: ``(batch, T, H)`` to the same shape."""
    units = x.shape[-1] // 2
    for level in range(1, n_layers + 1):
        lstm = keras.layers.LSTM(
            units,
            return_sequences=True,
            kernel_initializer=_uniform(units),
            recurrent_initializer=_uniform(units),
            bias_initializer=_uniform(units),
            unit_forget_bias=False,
            name="lstm",
        )
        x = keras.layers.Bidirectional(lstm, name=f"{target}_lstm{level}")(x)
        if level < n_layers:
            x = keras.layers.Dropout(dropout, name=f"{target}_dropout{level}")(x)
    return x


def decode(x: Any, mixture: Any, target: str, hidden_size: int) -> Any:
    """Turn vectors into an estimate: ``(batch, T, 2 H)`` to ``(batch, T, F, C)``."""
    _, n_frames, n_bins, n_channels = mixture.shape
    x = keras.ops.relu(_dense(x, target, 2, hidden_size))
    x = _dense(x, target, 3, n_channels * n_bins)
    # (batch, T, C F) -> (batch, T, C, F)
    x = keras.layers.Reshape((n_frames, n_channels, n_bins))(x)
    x = keras.ops.relu(_PerBin(mean_first=False, name=f"{target}_output")(x))
    return keras.ops.transpose(x, (0, 1, 3, 2)) * mixture


def set_statistics(model: Any, targets: Sequence[str], mean: AnyArray, deviation: AnyArray) -> None:
    """Let a new network begin with bins of mean 0 and deviation 1, as the paper trains it.

    Parameters
    ----------
    model
        Network of `build_openunmix` or `build_xumx`.
    targets
        Names of the targets whose networks are set.
    mean, deviation
        Statistics ``(n_bins,)`` of the training songs' magnitudes over all frames, channels
        averaged.
    """
    # bins that hardly ever sound are not made much louder
    deviation = np.maximum(deviation, 1e-4 * np.max(deviation))
    for target in targets:
        layer = model.get_layer(f"{target}_input")
        (n_bins,) = layer.mean.shape
        layer.mean.assign(-mean[:n_bins])
        layer.scale.assign(1 / deviation[:n_bins])


class _PerBin(keras.layers.Layer):
    # (x + mean) scale, or x scale + mean: two learned numbers for each entry of the last axis
    def __init__(self, mean_first: bool, **options: Any) -> None:
        super().__init__(**options)
        self._mean_first = mean_first

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape[-1:]
        initial = "zeros" if self._mean_first else "ones"
        self.mean = self.add_weight(name="mean", shape=shape, initializer=initial)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")

    def call(self, x: Any) -> Any:
        if self._mean_first:
            return (x + self.mean) * self.scale
        return x * self.scale + self.mean


def _dense(x: Any, target: str, number: int, size: int) -> Any:
    """Apply one of the three dense layers, normalised over batch and frames."""
    kernel = _uniform(x.shape[-1])
    dense = keras.layers.Dense(
        size, use_bias=False, kernel_initializer=kernel, name=f"{target}_fc{number}"
    )
    # momentum and epsilon are those of PyTorch, 0.1 and 1e-5
    normalise = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{target}_bn{number}"
    )
    return normalise(dense(x))


def _uniform(size: int) -> Any:
    """Choose initial weights as PyTorch does."""
    return keras.initializers.RandomUniform(-(size**-0.5), size**-0.5)
