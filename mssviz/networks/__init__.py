"""Networks. Importing this package imports TensorFlow; nothing else in mssviz does so early."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mssviz._typing import AnyArray, Magnitude
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import tf
from mssviz.networks.blstm import build_blstm
from mssviz.networks.unet import build_unet

__all__ = ["BUILDERS", "Network", "build_blstm", "build_unet"]

#: Network type, as named in a preset, to the function that builds it.
BUILDERS: dict[str, Callable[..., Any]] = {"unet": build_unet, "blstm": build_blstm}


class Network:
    """A Keras model with the names of its targets, ready to run on patches.

    Parameters
    ----------
    model_config
        ``{"type": "unet" or "blstm", ...}`` with the builder's keyword arguments.
    targets
        Names of the sources.
    patch_frames, n_bins, n_channels
        The network's input shape.

    Attributes
    ----------
    model : keras.Model
    targets : tuple of str
    """

    def __init__(
        self,
        model_config: Mapping[str, Any],
        targets: Sequence[str],
        patch_frames: int,
        n_bins: int,
        n_channels: int,
    ) -> None:
        options = dict(model_config)
        kind = options.pop("type", None)
        if kind not in BUILDERS:
            raise ParameterError(f"network type must be one of {sorted(BUILDERS)} (got {kind!r})")
        shape = {"patch_frames": patch_frames, "n_bins": n_bins, "n_channels": n_channels}
        try:
            self.model = BUILDERS[kind](targets, **shape, **options)
        except TypeError as error:
            raise ParameterError(f"options of network {kind!r} are wrong: {error}") from error
        self.targets = tuple(targets)
        self._run = tf.function(
            self._forward,
            input_signature=[tf.TensorSpec((None, patch_frames, n_channels, n_bins), tf.float32)],
        )

    def _forward(self, magnitude: Any) -> list[Any]:
        # numpy keeps (frames, channels, bins) in memory, the network reads (frames, bins, channels)
        outputs = self.model(tf.transpose(magnitude, (0, 1, 3, 2)), training=False)
        return [tf.transpose(output, (0, 1, 3, 2)) for output in outputs]

    def __call__(self, magnitude: AnyArray) -> dict[str, Magnitude]:
        """Run the network.

        Parameters
        ----------
        magnitude
            ``(n_patches, patch_frames, n_bins, n_channels)``, linear, float32.

        Returns
        -------
        dict
            Target to estimated magnitude, same shape.
        """
        outputs = self._run(np.ascontiguousarray(np.moveaxis(magnitude, 3, 2)))
        return {
            target: np.moveaxis(output.numpy(), 2, 3)
            for target, output in zip(self.targets, outputs, strict=True)
        }
