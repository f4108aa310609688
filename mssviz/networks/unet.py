"""Spleeter's U-Net: one per target, all of them reading the mixture's magnitude.

Shapes are ``(frames, bins, channels)`` without the batch; T and F are multiples of 64.

::

    mixture  T x F x 2 ──────────────────────────────────────────────► x ──► estimate
      │ conv1   T/2  x F/2  x 16  ───────────────────────► concat ─ up6 ─ conv 4x4 ─ head
      └─ conv2   T/4  x F/4  x 32  ────────────────► concat ─ up5
         └─ conv3   T/8  x F/8  x 64  ─────────► concat ─ up4
            └─ conv4   T/16 x F/16 x 128 ──► concat ─ up3
               └─ conv5   T/32 x F/32 x 256 ► concat ─ up2
                  └─ conv6   T/64 x F/64 x 512 ─ up1

Sources: Jansson et al., "Singing voice separation with deep U-Net convolutional networks",
ISMIR 2017; Hennequin et al., "Spleeter", JOSS 5(50):2154, 2020, and its code 2.4.2.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras

ACTIVATIONS = {
    "leaky_relu": lambda: keras.layers.LeakyReLU(negative_slope=0.2),
    "relu": keras.layers.ReLU,
    "elu": keras.layers.ELU,
}


def build_unet(
    targets: Sequence[str],
    patch_frames: int = 512,
    n_bins: int = 1024,
    n_channels: int = 2,
    head: str = "sigmoid",
    encoder_activation: str = "leaky_relu",
    decoder_activation: str = "relu",
    filters: Sequence[int] = (16, 32, 64, 128, 256, 512),
    compress: bool = False,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C, with T and F multiples of ``2 ** len(filters)``.
    head
        Activation that makes masks: ``"sigmoid"`` makes every target's mask by itself (2 and 4
        stems), ``"softmax"`` makes masks that compete for each bin (5 stems).
    encoder_activation, decoder_activation
        Activations of the layers: ``"leaky_relu"`` (slope 0.2), ``"relu"`` or ``"elu"``.
    filters
        Numbers of channels of the encoder's levels.
    compress
        Whether the layers read ``log(1 + magnitude)``, with which small networks learn faster; not
        so in Spleeter.

    Returns
    -------
    keras.Model
        Network from the mixture's magnitude ``(batch, T, F, C)``, linear, to a list of one
        estimated magnitude for each target, of the same shape.

    Raises
    ------
    ParameterError
        If a shape or name does not fit.
    """
    multiple = 2 ** len(filters)
    if patch_frames % multiple or n_bins % multiple:
        raise ParameterError(
            f"U-Net patches must be multiples of {multiple} frames and bins "
            f"(got {patch_frames} frames, {n_bins} bins)"
        )
    for name in (encoder_activation, decoder_activation):
        if name not in ACTIVATIONS:
            raise ParameterError(f"activation must be one of {sorted(ACTIVATIONS)} (got {name!r})")
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    level = keras.ops.log1p(mixture) if compress else mixture
    logits = [
        _target_logits(level, target, encoder_activation, decoder_activation, filters)
        for target in targets
    ]
    if head == "sigmoid":
        masks = [keras.ops.sigmoid(z) for z in logits]
    elif head == "softmax":
        # K times (batch, T, F, C) -> (batch, T, F, C, K)
        together = keras.ops.softmax(keras.ops.stack(logits, axis=4), axis=4)
        masks = [together[..., i] for i in range(len(targets))]
    else:
        raise ParameterError(f"head must be 'sigmoid' or 'softmax' (got {head!r})")
    return keras.Model(mixture, [mask * mixture for mask in masks], name="unet")


class _StoredNormalization(keras.layers.BatchNormalization):
    # Uses stored statistics, in training too: the released weights hold mean 0 and variance 1, so
    # normalisation was never more than a learned scale and offset. This takes a class, because the
    # `training` that the model is called with overrides the one that a layer was called with.
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def _target_logits(
    level: Any, target: str, encoder: str, decoder: str, filters: Sequence[int]
) -> Any:
    def normalise(x: Any, name: str) -> Any:
        return _StoredNormalization(epsilon=1e-3, name=f"{target}_{name}_norm")(x)

    size = {"kernel_size": 5, "strides": 2, "padding": "same", "kernel_initializer": "he_uniform"}
    x, skips = level, []
    for depth, n_filters in enumerate(filters, start=1):
        x = keras.layers.Conv2D(n_filters, **size, name=f"{target}_conv{depth}")(x)
        skips.append(x)  # before normalisation and activation
        if depth < len(filters):
            x = ACTIVATIONS[encoder]()(normalise(x, f"conv{depth}"))
    skips.pop()
    for depth, n_filters in enumerate([*reversed(filters[:-1]), 1], start=1):
        x = keras.layers.Conv2DTranspose(n_filters, **size, name=f"{target}_up{depth}")(x)
        x = normalise(ACTIVATIONS[decoder]()(x), f"up{depth}")
        # Spleeter has dropout on levels 1 to 3, but never ran it in training mode.
        if skips:
            x = keras.layers.Concatenate()([skips.pop(), x])
    return keras.layers.Conv2D(
        level.shape[-1],
        kernel_size=4,
        dilation_rate=2,
        padding="same",
        kernel_initializer="he_uniform",
        name=f"{target}_logits",
    )(x)
