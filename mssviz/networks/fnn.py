"""Uhlich's feed-forward network: one per target, frame by frame, with some frames around each.

Shapes are without the batch: T frames, F bins, C channels, n = 2 · context_frames + 1.

::

    mixture  T x F x C ─ stack n frames  T x C x nF ─ / level ─ (n_layers - 1) x dense F, ReLU ─┐
                              │                                                                 │
                              └─ level  T x C x 1 ────────────────┐              dense F, ReLU ◄┘
                                                                  ▼                    │
                                               estimate  T x F x C ◄─ times level ◄────┘

Both channels pass through the same layers, one by one. The frames of a stack lie `context_step`
apart, so that their windows do not overlap; before and after the patch there is silence. Each stack
is divided by its level, and the output is multiplied with it, so a mixture that is twice as loud
gives estimates that are twice as loud.

Sources: Uhlich, Giron and Mitsufuji, "Deep neural network based instrument extraction from music",
ICASSP 2015, for the network; the authors' description of their entry UHL1 to SiSEC 2016, for the
number of layers; Uhlich et al., "Improving music source separation based on deep neural networks
through data augmentation and network blending", ICASSP 2017, which blends it with the network in
`blstm`. No code and no weights of it were published.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf


def build_fnn(
    targets: Sequence[str],
    patch_frames: int = 280,
    n_bins: int = 1487,
    n_channels: int = 2,
    context_frames: int = 3,
    context_step: int = 4,
    n_layers: int = 4,
    units: int | None = None,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C.
    context_frames
        Number of frames that are read before the one that is estimated, and as many after it.
    context_step
        Distance of these frames, in frames; at 75 % overlap, every fourth window begins where the
        last one ends.
    n_layers
        Number of dense layers with ReLU, including the last one.
    units
        Number of units of each layer but the last; if left out, as many as bins, as in the paper.

    Returns
    -------
    keras.Model
        Network from the mixture's magnitude ``(batch, T, F, C)``, linear, to a list of one
        estimated magnitude for each target, of the same shape.

    Raises
    ------
    ParameterError
        If there are no layers or units, or the context is negative or without a step.
    """
    units = n_bins if units is None else units
    if min(n_layers, context_step, units) < 1 or context_frames < 0:
        raise ParameterError(
            "a feed-forward network needs n_layers, context_step and units >= 1, and "
            f"context_frames >= 0 (got {n_layers}, {context_step}, {units} and {context_frames})"
        )
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    # (batch, T, F, C) -> (batch, T, C, F)
    frames = keras.ops.transpose(mixture, (0, 1, 3, 2))
    norms = keras.ops.norm(frames, axis=3, keepdims=True)
    level = keras.ops.mean(_stack(norms, context_frames, context_step), axis=3, keepdims=True)
    stacks = _stack(frames, context_frames, context_step)
    normalised = stacks / keras.ops.where(level > 0, level, 1)
    outputs = []
    for target in targets:
        x = normalised
        for layer in range(1, n_layers):
            x = keras.layers.Dense(
                units, "relu", kernel_initializer="he_uniform", name=f"{target}_dense{layer}"
            )(x)
        low = keras.initializers.RandomUniform(0, 0.1 / x.shape[3])  # never below 0 at first
        x = keras.layers.Dense(
            n_bins, rising_relu, kernel_initializer=low, name=f"{target}_dense{n_layers}"
        )(x)
        outputs.append(keras.ops.transpose(x * level, (0, 1, 3, 2)))
    return keras.Model(mixture, outputs, name="fnn")


@tf.custom_gradient
def rising_relu(x: Any) -> Any:
    """ReLU for outputs: where it is 0 and should be more, it has the gradient of `x`.

    The gradient of an ordinary ReLU is 0 there. A bin that has sunk below 0 for every input, as
    quiet bins do in the first steps of Adam, would then be silent for ever. The paper does not need
    this, because it begins each layer with a least squares solution on the training data.
    """

    def gradient(upstream: Any) -> Any:
        return tf.where((x > 0) | (upstream < 0), upstream, 0)

    return tf.nn.relu(x), gradient


def _stack(frames: Any, context_frames: int, step: int) -> Any:
    """Put each frame beside those around it: ``(batch, T, C, F)`` to ``(batch, T, C, n F)``."""
    reach, n_frames = context_frames * step, frames.shape[1]
    padded = keras.ops.pad(frames, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    parts = [padded[:, first : first + n_frames] for first in range(0, 2 * reach + 1, step)]
    return keras.ops.concatenate(parts, axis=3)
