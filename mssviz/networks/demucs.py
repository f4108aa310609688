"""Demucs, first and second version: one network from the mixture's samples to all targets'.

Shapes are ``(samples, channels)`` without the batch, at 44.1 kHz, of 10 s in the paper's size::

    mixture  441000 x 2 ─ pad ─ normalise ─ rate x 2                     rate / 2 ─ trim ─ K x 2
      │                                                                      ▲
      └─ encoder1   223572 x 64  ────────────────────── add ─ decoder6 ─ K outputs
         └─ encoder2   55892 x 128  ─────────────── add ─ decoder5
            └─ encoder3   13972 x 256  ────────── add ─ decoder4
               └─ encoder4   3492 x 512  ────── add ─ decoder3
                  └─ encoder5   872 x 1024 ─── add ─ decoder2
                     └─ encoder6   217 x 2048  add ─ decoder1
                        └─ blstm1 ─ blstm2 ─ dense ┘

    encoder: convolution of 8, stride 4 ─ ReLU ─ convolution of 1 to twice the channels ─ GLU
    decoder: skip added ─ convolution of 3 to twice the channels ─ GLU ─ transposed convolution
             of 8, stride 4 ─ ReLU

Version 1 has 100 channels instead of 64, and neither a change of rate nor a normalisation.

Sources: Défossez, Usunier, Bottou and Bach, "Music source separation in the waveform domain",
arXiv:1911.13254, 2019; its code, demucs 2.0.3, and the branch of version 1; for the change of rate,
julius 0.2.8.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras

#: Filters that change the sample rate: their zero crossings on either side, and where they begin to
#: fall, as a share of the lower of both Nyquist frequencies.
ZEROS, ROLLOFF = 24, 0.945


def build_demucs(
    targets: Sequence[str],
    n_samples: int = 441_000,
    n_channels: int = 2,
    channels: int = 64,
    depth: int = 6,
    kernel_size: int = 8,
    stride: int = 4,
    growth: float = 2.0,
    decoder_kernel: int = 3,
    lstm_layers: int = 2,
    resample: bool = True,
    normalize: bool = False,
    rescale: float = 0.1,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape; `n_samples` can be any length.
    channels
        Number of channels of the first encoder's output.
    depth
        Number of encoders, and of decoders.
    kernel_size, stride
        Width and stride of the encoders' first and the decoders' last convolutions, in samples at
        the rate of their level.
    growth
        Factor of the channels from one encoder to the next.
    decoder_kernel
        Width of the decoders' first convolutions, in samples at the rate of their level.
    lstm_layers
        Number of bidirectional layers in the middle; with 0, the dense layer is left out, too.
    resample
        Whether the layers work at twice the sample rate, as in version 2.
    normalize
        Whether the layers see the mixture without its mean and with a standard deviation of 1, both
        taken over the patch and all channels together.
    rescale
        Reference value of the standard deviation of the convolutions' initial weights: they are
        scaled to the geometric mean of it and their own; 0 leaves them alone.

    Returns
    -------
    keras.Model
        Network from the mixture ``(batch, n_samples, C)`` to a list of one estimated waveform for
        each target, of the same shape.

    Raises
    ------
    ParameterError
        If an option is outside its domain.
    """
    # long: the layers in one piece, in the order in which the paper draws them
    least = {
        "n_samples": n_samples, "n_channels": n_channels, "channels": channels, "depth": depth,
        "stride": stride, "growth": growth, "decoder_kernel": decoder_kernel,
    }  # fmt: skip
    for name, value in least.items():
        if value < 1:
            raise ParameterError(f"Demucs needs {name} of at least 1 (got {value})")
    if kernel_size < stride:
        raise ParameterError(
            f"Demucs needs kernel_size of at least stride, {stride} (got {kernel_size})"
        )

    def transposed(n_out: int, activation: str | None, name: str, share: int = 1) -> Any:
        return keras.layers.Conv1DTranspose(
            n_out, kernel_size, stride, activation=activation, name=name,
            **beginning(share * n_out * kernel_size, rescale),
        )  # fmt: skip

    def rewritten(x: Any, width: int, kernel: int, name: str) -> Any:
        options = beginning(width * kernel, rescale)
        convolution = keras.layers.Conv1D(2 * width, kernel, name=name, **options)
        return keras.ops.glu(convolution(x), axis=-1)

    mixture = keras.Input((n_samples, n_channels), name="mixture")
    length = valid_length(n_samples, depth, kernel_size, stride, decoder_kernel, resample)
    before = (length - n_samples) // 2
    x = keras.layers.ZeroPadding1D((before, length - n_samples - before))(mixture)
    if normalize:
        mean, deviation = _Level(name="level")(x)
        x = (x - mean) / (deviation + 1e-5)
    if resample:
        x = _Resampling(1, 2, name="upsample")(x)

    widths = [channels]
    for _ in range(depth - 1):
        widths.append(int(growth * widths[-1]))
    skips = []
    for level, width in enumerate(widths, start=1):
        name = f"encoder{level}"
        convolution = keras.layers.Conv1D(
            width, kernel_size, stride, activation="relu", name=f"{name}_conv",
            **beginning(x.shape[-1] * kernel_size, rescale),
        )  # fmt: skip
        x = rewritten(convolution(x), width, 1, f"{name}_rewrite")
        skips.append(x)

    x = _recurrent(x, lstm_layers)
    for level, width in enumerate(reversed(widths), start=1):
        name = f"decoder{level}"
        x = x + _middle(skips.pop(), x.shape[1])
        x = rewritten(x, width, decoder_kernel, f"{name}_rewrite")
        if level < depth:
            x = transposed(widths[-1 - level], "relu", f"{name}_conv")(x)

    outputs = []
    for target in targets:  # each has its share of the one convolution of the reference
        y = transposed(n_channels, None, f"{target}_output", len(targets))(x)
        if resample:
            y = _Resampling(2, 1, name=f"{target}_downsample")(y)
        y = _middle(y, n_samples)
        # in this order, because Keras takes (batch, 1, 1) after a plus for a bias if batch equals C
        outputs.append(mean + y * deviation if normalize else y)
    return keras.Model(mixture, outputs, name="demucs")


def valid_length(
    n_samples: int,
    depth: int = 6,
    kernel_size: int = 8,
    stride: int = 4,
    decoder_kernel: int = 3,
    resample: bool = True,
) -> int:
    """Length to which a patch is padded with zeros: kernels are filled, and enough comes out.

    Parameters
    ----------
    n_samples
        Length of the patch, in samples.
    depth, kernel_size, stride, decoder_kernel, resample
        The options of `build_demucs`.
    """
    length = 2 * n_samples if resample else n_samples
    for _ in range(depth):
        length = max(1, math.ceil((length - kernel_size) / stride) + 1) + decoder_kernel - 1
    for _ in range(depth):
        length = (length - 1) * stride + kernel_size
    return math.ceil(length / 2) if resample else length


def beginning(fan_in: int, rescale: float) -> dict[str, Any]:
    """Initial kernel and bias of a convolution, as options of its layer.

    Parameters
    ----------
    fan_in
        Number of inputs of an output, or, of a transposed convolution, of outputs of an input.
    rescale
        Reference value of their standard deviation, see `build_demucs`; 0 for that of PyTorch.
    """
    bound = fan_in**-0.5
    if rescale:
        bound *= math.sqrt(rescale / (bound / math.sqrt(3)))
    return {"kernel_initializer": _uniform(bound), "bias_initializer": _uniform(bound)}


def _recurrent(x: Any, n_layers: int) -> Any:
    width = x.shape[-1]
    for level in range(1, n_layers + 1):
        lstm = keras.layers.LSTM(
            width,
            return_sequences=True,
            kernel_initializer=_uniform(width**-0.5),
            recurrent_initializer=_uniform(width**-0.5),
            bias_initializer=_uniform(width**-0.5),
            unit_forget_bias=False,
            name=f"lstm{level}",
        )
        x = keras.layers.Bidirectional(lstm, name=f"blstm{level}")(x)
    if not n_layers:
        return x
    bound = (2 * width) ** -0.5
    return keras.layers.Dense(
        width, kernel_initializer=_uniform(bound), bias_initializer=_uniform(bound), name="dense"
    )(x)


def _middle(x: Any, n_samples: int) -> Any:
    first = (x.shape[1] - n_samples) // 2
    return x[:, first : first + n_samples]


def _uniform(bound: float) -> Any:
    # a new one for each use: the same one would give layers of the same shape the same weights
    return keras.initializers.RandomUniform(-bound, bound)


class _Level(keras.layers.Layer):
    """Mean and standard deviation of the channels' mean, ``(batch, 1, 1)`` each."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32")

    def call(self, x: Any) -> tuple[Any, Any]:
        mono = keras.ops.mean(x, axis=2, keepdims=True)
        mean = keras.ops.mean(mono, axis=1, keepdims=True)
        square = keras.ops.sum((mono - mean) ** 2, axis=1, keepdims=True)
        return mean, keras.ops.sqrt(square / (x.shape[1] - 1))


class _Resampling(keras.layers.Layer):
    """Turns `old` samples into `new` ones by a windowed sinc, without trained weights."""

    def __init__(self, old: int, new: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.old, self.new = 16 * old, 16 * new  # the same result, several times as fast
        self._kernel = sinc_filters(self.old, self.new)

    def call(self, x: Any) -> Any:
        length, n_channels = x.shape[1:]
        margin = (len(self._kernel) - self.old) // 2
        # at either end the outermost sample is repeated
        first = keras.ops.repeat(x[:, :1], margin, axis=1)
        last = keras.ops.repeat(x[:, -1:], margin + self.old, axis=1)
        x = keras.ops.concatenate([first, x, last], axis=1)
        # (batch, n, C) -> (batch C, n, 1) -> (batch C, n', new)
        x = keras.ops.reshape(keras.ops.transpose(x, (0, 2, 1)), (-1, x.shape[1], 1))
        x = keras.ops.conv(x, self._kernel, strides=self.old)
        # -> (batch, C, n' new) -> (batch, n' new, C)
        x = keras.ops.reshape(x, (-1, n_channels, x.shape[1] * self.new))
        return keras.ops.transpose(x, (0, 2, 1))[:, : length * self.new // self.old]


def sinc_filters(old: int, new: int) -> AnyArray:
    r"""Filters that interpolate `new` samples from every `old` ones, ``(n_taps, 1, new)``.

    .. math:: h_j[i] \propto \mathrm{sinc}(t) \cos^2\!\left(\frac{\pi t}{2 Z}\right), \quad
       t = 0.945 \min(o, n) \left(\frac{i}{o} - \frac{j}{n}\right), \quad |t| \le Z = 24

    The taps of each filter sum to 1.
    """
    rate = ROLLOFF * min(old, new)
    margin = math.ceil(ZEROS * old / rate)
    taps = np.arange(-margin, margin + old)[:, np.newaxis]
    t = np.clip(rate * (taps / old - np.arange(new) / new), -ZEROS, ZEROS)
    filters = np.sinc(t) * np.cos(np.pi * t / (2 * ZEROS)) ** 2
    return (filters / filters.sum(axis=0))[:, np.newaxis].astype(np.float32)
