"""Uhlich's recurrent network, also in Spleeter: three bidirectional LSTM layers for each target.

::

    mixture  T x F x C ─ flatten to T x (F C) ─ 3 x BLSTM (2 x units) ─ dense, ReLU ─ T x F x C

The output is the magnitude itself; it is not multiplied with the mixture.

Sources: Uhlich et al., "Improving music source separation based on deep neural networks
through data augmentation and network blending", ICASSP 2017; Spleeter 2.4.2,
``model/functions/blstm.py``. No weights were published.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras


def build_blstm(
    targets: Sequence[str],
    patch_frames: int = 512,
    n_bins: int = 1024,
    n_channels: int = 2,
    units: int = 250,
    dropout: float = 0.0,
    scale: float = 1.0,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C.
    units
        Number of LSTM cells in each direction of a layer.
    dropout
        Share of the outputs of the first and the second layer that training leaves out, in [0, 1).
        Uhlich's entries to SiSEC 2018 had some, tuned on songs held out; Spleeter has none.
    scale
        Magnitude that the layers take for 1; 1 in Spleeter. An LSTM's output lies in [-1, 1] and
        saturates, while magnitudes reach into the hundreds, so small networks learn faster with a
        larger scale. Whether Uhlich scaled is not known.

    Returns
    -------
    keras.Model
        Network from the mixture's magnitude ``(batch, T, F, C)``, linear, to a list of one
        estimated magnitude for each target, of the same shape.

    Raises
    ------
    ParameterError
        If `dropout` lies outside [0, 1) or `scale` is not positive.
    """
    if not 0 <= dropout < 1 or not scale > 0:
        raise ParameterError(
            f"dropout must be at least 0 and below 1, scale above 0 (got {dropout}, {scale})"
        )
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    n_features = n_bins * n_channels
    # (batch, T, F, C) -> (batch, T, F C)
    flat = keras.layers.Reshape((patch_frames, n_features))(mixture) / scale
    outputs = []
    for target in targets:
        x = flat
        for level in (1, 2, 3):
            lstm = keras.layers.LSTM(
                units, return_sequences=True, kernel_initializer="he_uniform", name=f"lstm{level}"
            )
            x = keras.layers.Bidirectional(lstm, name=f"{target}_blstm{level}")(x)
            if dropout and level < 3:
                x = keras.layers.Dropout(dropout, name=f"{target}_dropout{level}")(x)
        x = keras.layers.Dense(
            n_features, "relu", kernel_initializer="he_uniform", name=f"{target}_dense"
        )(x)
        outputs.append(keras.layers.Reshape((patch_frames, n_bins, n_channels))(x) * scale)
    return keras.Model(mixture, outputs, name="blstm")
