"""Wave-U-Net: one network from the mixture's samples to all targets'.

Shapes are ``(samples, channels)`` without the batch, for the paper's best stereo models at 22.05
kHz. Their convolutions read real sound only and so give the middle of what they read::

    mixture  147443 x 2 ───────────────────────────── concat ─ K outputs, tanh   16389 x K 2
      └─ down1   147429 x 24  ────────────────────── concat ─ up12   16389 x 24
         └─ down2   73701 x 48  ──────────────────── concat ─ up11   8197 x 48
            └─ …                                        └─ …
               └─ down12   45 x 288  ─────────────── concat ─ up1   13 x 288
                  └─ bottom   9 x 312   ──── rate x 2 ─┘

    down: convolution of 15, LeakyReLU; the level below gets every second sample
    up:   between every two samples one is put in, the middle of the skip is put beside,
          convolution of 5, LeakyReLU

With ``output="difference"`` the last target is what the others leave of the mixture.

Sources: Stoller, Ewert and Dixon, "Wave-U-Net: a multi-scale neural network for end-to-end audio
source separation", ISMIR 2018; its code, f90/Wave-U-Net at 75eeae6.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras

UPSAMPLINGS = ("linear", "learned")
OUTPUTS = ("difference", "direct")
ACTIVATIONS = ("tanh", "linear")


def build_wave_unet(
    targets: Sequence[str],
    n_samples: int = 147_443,
    n_channels: int = 2,
    levels: int = 12,
    filters: int = 24,
    down_kernel: int = 15,
    up_kernel: int = 5,
    output_kernel: int = 1,
    context: bool = True,
    upsampling: str = "linear",
    output: str = "difference",
    output_activation: str = "tanh",
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights; with ``output="difference"`` the last one
        has no weights of its own.
    n_samples, n_channels
        Input shape. With `context`, `n_samples` is one of the lengths that `sizes` gives, otherwise
        a multiple of ``2 ** levels``.
    levels
        Number of times that the rate is halved.
    filters
        Number of channels of the first level, and how many more each further level has.
    down_kernel, up_kernel, output_kernel
        Widths of the convolutions, in samples at the rate of their level.
    context
        Whether convolutions read real sound only, so that the output is shorter than the input;
        otherwise zeros stand around each level, and output and input are equally long.
    upsampling
        Way to double the rate: with ``"linear"``, new samples are the mean of their neighbours;
        with ``"learned"``, a mean whose weights each channel learns.
    output
        Way to make the last target: with ``"difference"``, it is the mixture without the others,
        which in use, but not in training, is clipped to [-1, 1]; with ``"direct"``, all targets are
        estimated.
    output_activation
        Activation of the output: ``"tanh"``, or ``"linear"``, which in use is clipped.

    Returns
    -------
    keras.Model
        Network from the mixture ``(batch, n_samples, C)`` to a list of one estimated waveform of
        the middle, ``(batch, n_out, C)``, for each target.

    Raises
    ------
    ParameterError
        If an option is outside its domain or the length does not fit.
    """
    # long: the layers in one piece, in the order in which the paper draws them
    least = {"n_channels": n_channels, "levels": levels, "filters": filters,
             "down_kernel": down_kernel, "up_kernel": up_kernel,
             "output_kernel": output_kernel}  # fmt: skip
    for name, value in least.items():
        if value < 1:
            raise ParameterError(f"Wave-U-Net needs {name} of at least 1 (got {value})")
    choices = {"upsampling": (upsampling, UPSAMPLINGS), "output": (output, OUTPUTS),
               "output_activation": (output_activation, ACTIVATIONS)}  # fmt: skip
    for name, (choice, known) in choices.items():
        if choice not in known:
            raise ParameterError(f"{name} must be one of {', '.join(known)} (got {choice!r})")
    if output == "difference" and len(targets) < 2:
        raise ParameterError(f"output 'difference' needs two targets or more (got {len(targets)})")
    kernels = (down_kernel, up_kernel, output_kernel)
    _check_length(n_samples, levels, kernels if context else None)

    def convolved(x: Any, n_out: int, kernel: int, name: str) -> Any:
        padding = "valid" if context else "same"
        return keras.layers.Conv1D(n_out, kernel, padding=padding, name=name)(x)

    def hidden(x: Any, n_out: int, kernel: int, name: str) -> Any:
        return keras.ops.leaky_relu(convolved(x, n_out, kernel, name), negative_slope=0.2)

    mixture = keras.Input((n_samples, n_channels), name="mixture")
    x, skips = mixture, []
    for level in range(1, levels + 1):
        x = hidden(x, filters * level, down_kernel, f"down{level}")
        skips.append(x)
        x = x[:, ::2]
    x = hidden(x, filters * (levels + 1), down_kernel, "bottom")
    for level in range(1, levels + 1):
        name = f"up{level}"
        x = _Interpolation(upsampling == "learned", context, name=f"{name}_interpolation")(x)
        x = keras.ops.concatenate([_middle(skips.pop(), x.shape[1]), x], axis=2)
        x = hidden(x, filters * (levels + 1 - level), up_kernel, name)
    x = keras.ops.concatenate([_middle(mixture, x.shape[1]), x], axis=2)

    estimates = []
    for target in targets[:-1] if output == "difference" else targets:
        y = convolved(x, n_channels, output_kernel, f"{target}_output")
        if output_activation == "tanh":
            estimates.append(keras.ops.tanh(y))
        else:
            estimates.append(_Clip(name=f"{target}_clip")(y))
    if output == "difference":
        rest = _middle(mixture, estimates[0].shape[1])
        for estimate in estimates:
            rest = rest - estimate
        estimates.append(_Clip(name=f"{targets[-1]}_clip")(rest))
    return keras.Model(mixture, estimates, name="wave_unet")


def sizes(
    n_bottom: int,
    levels: int = 12,
    down_kernel: int = 15,
    up_kernel: int = 5,
    output_kernel: int = 1,
) -> tuple[int, int]:
    """Lengths of input and output of a network with context, in samples.

    Parameters
    ----------
    n_bottom
        Number of samples that the bottom gives, 2 or more. One more makes input and output
        ``2 ** levels`` longer.
    levels, down_kernel, up_kernel, output_kernel
        The options of `build_wave_unet`.

    Returns
    -------
    n_samples, n_out
        Lengths of input and output, in samples; with `n_bottom` 9 they are the paper's, 147,443 and
        16,389.
    """
    n_samples, n_out = n_bottom + down_kernel - 1, n_bottom
    for _ in range(levels):
        n_samples = 2 * n_samples - 1 + down_kernel - 1
        n_out = 2 * n_out - 1 - (up_kernel - 1)
    return n_samples, n_out - (output_kernel - 1)


def _check_length(n_samples: int, levels: int, kernels: tuple[int, int, int] | None) -> None:
    step = 2**levels
    if kernels is None:
        nearest = max(1, (n_samples + step // 2) // step) * step
    else:
        n_bottom = 2
        while sizes(n_bottom, levels, *kernels)[1] < 1:
            n_bottom += 1
        smallest = sizes(n_bottom, levels, *kernels)[0]
        nearest = smallest + max(0, (n_samples - smallest + step // 2) // step) * step
    if n_samples != nearest:
        raise ParameterError(
            f"Wave-U-Net of {levels} levels cannot read {n_samples} samples; the nearest length "
            f"that fits is {nearest}, others are multiples of {step} away"
        )


def _middle(x: Any, n_samples: int) -> Any:
    first = (x.shape[1] - n_samples) // 2
    return x[:, first : first + n_samples]


class _Interpolation(keras.layers.Layer):
    """Put a sample between every two, ``(batch, n, C)`` to ``(batch, 2 n - 1, C)``.

    Without context there is one more at the end, as if a zero followed (learned) or the last sample
    once more (linear).
    """

    def __init__(self, learned: bool, context: bool, name: str) -> None:
        super().__init__(name=name)
        self.learned, self.context = learned, context

    def build(self, shape: tuple[int | None, ...]) -> None:
        if self.learned:
            self.weight = self.add_weight(
                shape=(shape[-1],), initializer="glorot_uniform", name="weight"
            )

    def call(self, x: Any) -> Any:
        _, length, n_channels = x.shape
        following = x[:, 1:]
        if not self.context:
            last = x[:, -1:]
            end = keras.ops.zeros_like(last) if self.learned else last
            following = keras.ops.concatenate([following, end], axis=1)
        share = keras.ops.sigmoid(self.weight) if self.learned else 0.5
        n_new = following.shape[1]
        between = share * x[:, :n_new] + (1 - share) * following
        # (batch, n, C) twice -> (batch, n, 2, C) -> (batch, 2 n, C)
        pairs = keras.ops.stack([x[:, :n_new], between], axis=2)
        pairs = keras.ops.reshape(pairs, (-1, 2 * n_new, n_channels))
        return keras.ops.concatenate([pairs, x[:, n_new:]], axis=1) if n_new < length else pairs


class _Clip(keras.layers.Layer):
    """Clip to [-1, 1], except in training."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        return x if training else keras.ops.clip(x, -1.0, 1.0)
