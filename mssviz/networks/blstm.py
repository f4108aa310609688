"""Spleeter's recurrent alternative: three bidirectional LSTM layers per target.

::

    mixture  T x F x C ─ flatten to T x (F C) ─ 3 x BLSTM (2 x units) ─ dense, ReLU ─ T x F x C

The output is a magnitude by itself; it is not multiplied by the mixture.

Sources: Uhlich et al., "Improving music source separation based on deep neural networks
through data augmentation and network blending", ICASSP 2017; Spleeter 2.4.2,
``model/functions/blstm.py``. No weights of it were published.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.networks._tensorflow import keras


def build_blstm(
    targets: Sequence[str],
    patch_frames: int = 512,
    n_bins: int = 1024,
    n_channels: int = 2,
    units: int = 250,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C.
    units
        LSTM cells in each direction of a layer.

    Returns
    -------
    keras.Model
        ``(batch, T, F, C)`` mixture magnitude, linear, to a list of one estimated magnitude
        a target, same shape.
    """
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    n_features = n_bins * n_channels
    # (batch, T, F, C) -> (batch, T, F C)
    flat = keras.layers.Reshape((patch_frames, n_features))(mixture)
    outputs = []
    for target in targets:
        x = flat
        for level in (1, 2, 3):
            lstm = keras.layers.LSTM(
                units, return_sequences=True, kernel_initializer="he_uniform", name=f"lstm{level}"
            )
            x = keras.layers.Bidirectional(lstm, name=f"{target}_blstm{level}")(x)
        x = keras.layers.Dense(
            n_features, "relu", kernel_initializer="he_uniform", name=f"{target}_dense"
        )(x)
        outputs.append(keras.layers.Reshape((patch_frames, n_bins, n_channels))(x))
    return keras.Model(mixture, outputs, name="blstm")
