"""SCNet: three bands of a spectrum, the higher the more compressed, read by LSTMs both ways.

It reads and gives waveforms; the spectrum is inside. Shapes are without the batch: F bins, T
frames, C channels, K targets, W widths of levels.

::

    mixture  N x C ─ STFT ─ F x T x 2 C ─────────────────────────────────── K stems, inverse STFT
                              │                                                     │
               level 1, ...   ├ down ┬──── skip ──────────────────────── + ─ up ────┤
                              │      └ convolution of 3 x 3                │
                              └─ F'' x T x W ─ dual paths, an even number ─┘

    down        each band by itself: convolution along bins with the band's stride, convolution
                modules along frames, GELU
    module      x + convolution of 1 (Swish (norm (depthwise (GLU (convolution (norm x))))))
    up          convolution of 3 x 3 of x + skip, which is read twice, GLU; then each band by
                itself: transposed convolution along bins, cut to the band's length
    dual path   x + linear(LSTM(norm x)) along bins, then the same along frames; after every one
                with an odd number frames are replaced by their Fourier transform, whose parts stand
                side by side as channels, and after every even one they are frames again

Without a mask, what comes out is the spectra of the stems, divided by the root of the window. The
masked kind adds a learned number to each bin of the input, and two more convolutions make of the
result real and imaginary parts of masks, each in (-1, 1) by tanh.

The plain kind has no window: its frames are cut out as they are. The masked one has a Hann window.

Sources: Tong et al., "SCNet: sparse compression network for music source separation", ICASSP 2024,
arXiv:2401.13276, and its code; the masked kind is from Music-Source-Separation-Training (Roman
Solovyev), in ``msst`` 0.1.0. The tests compare with that and with ``pymss-core`` 0.1.14.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.overlap_add import waveforms
from mssviz.networks.roformer_spectra import stft

#: Names of the bands, from 0 Hz up.
BANDS = ("low", "middle", "high")
#: Transform of `spectral_rmse` and the hop between its frames, in samples.
LOSS_FFT, LOSS_HOP = 4096, 1024
#: Number of channels within the estimator of masks.
_MASK_CHANNELS = 64


@dataclass(frozen=True)
class _Band:
    name: str
    first: int
    length: int
    stride: int
    kernel: int
    depth: int

    @property
    def padding(self) -> int:
        if self.stride == 1:
            return self.kernel - 1
        return -self.length % self.stride

    @property
    def n_down(self) -> int:
        """Number of bins that are left."""
        return (self.length + self.padding - self.kernel) // self.stride + 1


def build_scnet(
    targets: Sequence[str],
    n_samples: int = 485_100,
    n_channels: int = 2,
    n_fft: int = 4096,
    hop_length: int = 1024,
    widths: Sequence[int] = (32, 64, 128),
    shares: Sequence[float] = (0.175, 0.392, 0.433),
    strides: Sequence[int] = (1, 4, 16),
    kernels: Sequence[int] = (3, 4, 16),
    depths: Sequence[int] = (3, 2, 1),
    compression: int = 4,
    module_kernel: int = 3,
    n_paths: int = 6,
    expansion: int = 1,
    masked: bool = False,
    residual: bool = False,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    n_fft, hop_length
        Window and hop of the spectrum inside, in samples; `n_fft` is even.
    widths
        Numbers of channels of the levels.
    shares
        Shares of the bins that are in the low, the middle and the high band; the last is the rest.
    strides, kernels
        Numbers of bins that become one in each band, and of those that it is made of: a multiple of
        the stride.
    depths
        Numbers of convolution modules in each band.
    compression
        Quotient of the channels of a level and those within its modules.
    module_kernel
        Width of the modules' convolutions, in frames; odd.
    n_paths
        Number of dual paths, even.
    expansion
        Quotient of the units of an LSTM, each way, and its input.
    masked
        Whether the network gives masks of the mixture, not spectra.
    residual
        Whether the last target is what the others leave of the mixture, and has no spectra.

    Returns
    -------
    keras.Model
        Network from the mixture ``(batch, N, C)`` to a list of one estimated waveform for each
        target, of the same shape.

    Raises
    ------
    ParameterError
        If sizes do not fit each other.
    """
    if residual and len(targets) < 2:
        raise ParameterError("with residual, there must be two targets or more (got 1)")
    _check(n_samples, n_fft, hop_length, widths, strides, kernels, module_kernel, n_paths)
    mixture = keras.Input((n_samples, n_channels), name="mixture")
    spectrum = _Spectrum(n_fft, hop_length, masked, name="spectrum")(mixture)
    x = _Position(name="position")(spectrum) if masked else spectrum

    levels = []
    for level, width in enumerate(widths, start=1):
        bands = _bands(x.shape[1], shares, strides, kernels, depths)
        x = skip = _down(x, bands, width, compression, module_kernel, f"encoder{level}")
        levels.append((bands, skip))
        x = _convolution(width, (3, 3), width, f"encoder{level}_all")(x)

    x = _dual_paths(x, n_paths, expansion)

    n_estimated = len(targets) - residual
    last = 2 * n_channels * n_estimated
    afters = [last, *widths[:-1]]
    for level, (bands, skip) in reversed(list(enumerate(levels))):
        name = f"decoder{len(widths) - level}"
        x = _up(x + skip, bands, widths[level], afters[level], name)

    if masked:
        x = _convolution(_MASK_CHANNELS, (3, 3), last, "mask_hidden")(x)
        x = keras.ops.gelu(x, approximate=False)
        x = keras.ops.tanh(_convolution(last, (1, 1), _MASK_CHANNELS, "mask_output")(x))
    waveform = _Waveforms(n_estimated, n_samples, hop_length, masked, name="waveforms")
    stems = waveform(x, spectrum)
    if residual:
        stems.append(mixture - sum(stems[1:], stems[0]))
    return keras.Model(mixture, stems, name="scnet")


def spectral_rmse(estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None) -> Any:
    """Root of the mean square of the difference of complex spectra, as the authors' code has it.

    The loss of a target is the root over channels, frames, bins and both parts, of a transform of
    4096 samples without a window, divided by its root, and by the number of targets: so the sum
    over targets is the loss of the reference.

    Parameters
    ----------
    estimates, targets
        Lists of one tensor ``(batch, n_samples, C)`` for each target, of more than 2048 samples.
    mixture
        Mixture, which is not used.

    Returns
    -------
    Tensor
        Losses ``(batch, n_targets)``.
    """
    # (batch, K, N, C) -> (batch, K, C, N)
    difference = tf.stack([e - t for e, t in zip(estimates, targets, strict=True)], axis=1)
    difference = tf.transpose(difference, (0, 1, 3, 2))
    spectra = stft(difference, LOSS_FFT, LOSS_HOP, LOSS_FFT, hann=False) * LOSS_FFT**-0.5
    parts = tf.stack([tf.math.real(spectra), tf.math.imag(spectra)])
    squares = tf.reduce_mean(tf.square(parts), axis=(0, 3, 4, 5))
    # at 0 the root has no gradient
    return tf.sqrt(tf.maximum(squares, 1e-20)) / len(targets)


def _check(
    n_samples: int,
    n_fft: int,
    hop_length: int,
    widths: Sequence[int],
    strides: Sequence[int],
    kernels: Sequence[int],
    module_kernel: int,
    n_paths: int,
) -> None:
    if n_fft % 2 or not 1 <= hop_length <= n_fft // 2:
        raise ParameterError(
            f"n_fft must be even and hop_length from 1 to half of it (got {n_fft} and {hop_length})"
        )
    if n_samples <= n_fft // 2:
        raise ParameterError(f"n_samples must be above {n_fft // 2} (got {n_samples})")
    if not widths or n_paths % 2 or not module_kernel % 2:
        raise ParameterError(
            f"there must be a level, n_paths must be even and module_kernel odd (got {len(widths)} "
            f"levels, {n_paths} and {module_kernel})"
        )
    if any(stride < 1 or kernel % stride for stride, kernel in zip(strides, kernels, strict=True)):
        raise ParameterError(
            f"kernels must be multiples of strides (got {list(kernels)} and {list(strides)})"
        )


def _bands(
    n_bins: int,
    shares: Sequence[float],
    strides: Sequence[int],
    kernels: Sequence[int],
    depths: Sequence[int],
) -> list[_Band]:
    low, middle, _ = shares
    edges = [0, ceil(n_bins * low), ceil(n_bins * (low + middle)), n_bins]
    lengths = [end - first for first, end in pairwise(edges)]
    sizes = zip(BANDS, edges[:-1], lengths, strides, kernels, depths, strict=True)
    bands = [_Band(*size) for size in sizes]
    if too_short := [band for band in bands if band.length < 1 or band.n_down < 1]:
        raise ParameterError(
            f"{n_bins} bins are too few for kernels of {list(kernels)} and shares of "
            f"{list(shares)}: the {too_short[0].name} band has {too_short[0].length}"
        )
    return bands


# --- Levels -------------------------------------------------------------------------------------


def _down(
    x: Any, bands: Sequence[_Band], width: int, compression: int, kernel: int, name: str
) -> Any:
    found = []
    for band in bands:
        before = band.padding // 2
        y = x[:, band.first : band.first + band.length]
        y = keras.ops.pad(y, [[0, 0], [before, band.padding - before], [0, 0], [0, 0]])
        size = (band.kernel, 1)
        y = _convolution(
            width, size, x.shape[-1], f"{name}_{band.name}", strides=(band.stride, 1),
            padding="valid",
        )(y)  # fmt: skip
        # (batch, F, T, W) -> (batch F, T, W): modules look along frames, each bin by itself
        _, n_bins, n_frames, _ = y.shape
        y = keras.ops.reshape(y, (-1, n_frames, width))
        for number in range(1, band.depth + 1):
            module = f"{name}_{band.name}_module{number}"
            y = y + _module(y, width // compression, kernel, module)
        found.append(keras.ops.reshape(y, (-1, n_bins, n_frames, width)))
    return keras.ops.gelu(keras.ops.concatenate(found, axis=1), approximate=False)


def _module(x: Any, n_hidden: int, kernel: int, name: str) -> Any:
    width = x.shape[-1]
    x = _norm(f"{name}_norm1")(x)
    x = keras.layers.Conv1D(
        2 * n_hidden, kernel, padding="same", name=f"{name}_in", **_uniform(kernel * width)
    )(x)
    x = keras.ops.glu(x, axis=-1)
    start = _uniform(kernel)
    x = keras.layers.DepthwiseConv1D(
        kernel, padding="same", depthwise_initializer=start["kernel_initializer"],
        bias_initializer=start["bias_initializer"], name=f"{name}_depthwise",
    )(x)  # fmt: skip
    x = keras.ops.silu(_norm(f"{name}_norm2")(x))
    return keras.layers.Conv1D(width, 1, name=f"{name}_out", **_uniform(n_hidden))(x)


def _up(x: Any, bands: Sequence[_Band], width: int, after: int, name: str) -> Any:
    x = keras.ops.concatenate([x, x], axis=-1)
    x = keras.ops.glu(_convolution(2 * width, (3, 3), 2 * width, f"{name}_all")(x), axis=-1)
    found, first = [], 0
    for band in bands:
        y = keras.layers.Conv2DTranspose(
            after, (band.kernel, 1), (band.stride, 1), name=f"{name}_{band.name}",
            **_uniform(band.kernel * after),
        )(x[:, first : first + band.n_down])  # fmt: skip
        cut = (y.shape[1] - band.length) // 2
        found.append(y[:, cut : cut + band.length])
        first += band.n_down
    return keras.ops.concatenate(found, axis=1)


def _dual_paths(x: Any, n_paths: int, expansion: int) -> Any:
    for number in range(1, n_paths + 1):
        for axis in ("bins", "frames"):
            _, n_bins, n_frames, width = x.shape
            name, units = f"path{number}_{axis}", width * expansion
            y = _norm(f"{name}_norm")(x)
            # LSTMs run along the last axis but one
            y = keras.ops.transpose(y, (0, 2, 1, 3)) if axis == "bins" else y
            y = keras.ops.reshape(y, (-1, *y.shape[2:]))
            options = _uniform(units)
            lstm = keras.layers.LSTM(
                units, return_sequences=True, unit_forget_bias=False, name="lstm",
                recurrent_initializer=_uniform(units)["kernel_initializer"], **options,
            )  # fmt: skip
            y = keras.layers.Bidirectional(lstm, name=f"{name}_lstm")(y)
            y = keras.layers.Dense(width, name=f"{name}_linear", **_uniform(2 * units))(y)
            if axis == "bins":
                y = keras.ops.reshape(y, (-1, n_frames, n_bins, width))
                y = keras.ops.transpose(y, (0, 2, 1, 3))
            x = x + keras.ops.reshape(y, (-1, n_bins, n_frames, width))
        x = _Fourier(inverse=number % 2 == 0, name=f"path{number}_fourier")(x)
    return x


# --- Layers -------------------------------------------------------------------------------------


def _uniform(n_inputs: int) -> dict[str, Any]:
    """Begin as PyTorch does, kernels and biases alike."""
    names, limit = ("kernel_initializer", "bias_initializer"), n_inputs**-0.5
    return {name: keras.initializers.RandomUniform(-limit, limit) for name in names}


def _convolution(
    n_outputs: int, size: tuple[int, int], n_inputs: int, name: str, **options: Any
) -> Any:
    start = _uniform(prod(size) * n_inputs)
    return keras.layers.Conv2D(
        n_outputs, size, name=name, **({"padding": "same"} | options), **start
    )


def _norm(name: str) -> Any:
    # mean and variance of all but the batch
    return keras.layers.GroupNormalization(groups=1, epsilon=1e-5, name=name)


class _Spectrum(keras.layers.Layer):
    # (batch, N, C) -> (batch, F, T, 2 C), with an even number of frames
    def __init__(self, n_fft: int, hop_length: int, hann: bool, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._n_fft, self._hop, self._hann = n_fft, hop_length, hann

    def call(self, inputs: Any) -> Any:
        length = inputs.shape[1] // self._hop + 1
        missing = (length + (length + 1) % 2) * self._hop - inputs.shape[1]
        x = tf.pad(tf.transpose(inputs, (0, 2, 1)), [[0, 0], [0, 0], [0, missing]])
        # (batch, C, T, F) -> (batch, F, T, C, 2)
        spectra = stft(x, self._n_fft, self._hop, self._n_fft, self._hann) * self._n_fft**-0.5
        spectra = tf.transpose(spectra, (0, 3, 2, 1))
        parts = tf.stack([tf.math.real(spectra), tf.math.imag(spectra)], axis=-1)
        return tf.reshape(parts, (-1, *parts.shape[1:3], 2 * inputs.shape[2]))


class _Position(keras.layers.Layer):
    # adds a number for each bin and channel
    def build(self, input_shape: Any) -> None:
        _, n_bins, _, n_channels = input_shape
        begin = keras.initializers.TruncatedNormal(stddev=0.02)
        self.position = self.add_weight((n_bins, 1, n_channels), begin, name="position")

    def call(self, inputs: Any) -> Any:
        return inputs + self.position


class _Fourier(keras.layers.Layer):
    # frames to the parts of their Fourier transform, as channels, or back
    def __init__(self, inverse: bool, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._inverse = inverse

    def call(self, inputs: Any) -> Any:
        x = tf.transpose(inputs, (0, 1, 3, 2))
        if self._inverse:
            real, imaginary = tf.split(x, 2, axis=2)
            x = tf.signal.irfft(tf.complex(real, imaginary))
            x *= x.shape[-1] ** 0.5
        else:
            spectra = tf.signal.rfft(x) * x.shape[-1] ** -0.5
            x = tf.concat([tf.math.real(spectra), tf.math.imag(spectra)], axis=2)
        return tf.transpose(x, (0, 1, 3, 2))


class _Waveforms(keras.layers.Layer):
    # (batch, F, T, K 2 C) -> K times (batch, N, C)
    def __init__(
        self, n_targets: int, n_samples: int, hop_length: int, masked: bool, **options: Any
    ) -> None:
        super().__init__(dtype="float32", **options)
        self._n_targets, self._n_samples = n_targets, n_samples
        self._hop, self._masked = hop_length, masked

    def call(self, inputs: Any, spectrum: Any) -> list[Any]:
        mixture, n_fft = _as_complex(spectrum), 2 * (inputs.shape[1] - 1)
        stems = []
        for part in tf.split(inputs, self._n_targets, axis=-1):
            spectra = _as_complex(part) * n_fft**0.5
            spectra = spectra * mixture if self._masked else spectra
            stem = waveforms(spectra, self._hop, self._n_samples, self._masked)
            stems.append(tf.transpose(stem, (0, 2, 1)))
        return stems


def _as_complex(parts: Any) -> Any:
    # (batch, F, T, 2 C) -> (batch, T, F, C)
    _, n_bins, n_frames, n_parts = parts.shape
    parts = tf.reshape(parts, (-1, n_bins, n_frames, n_parts // 2, 2))
    return tf.transpose(tf.complex(parts[..., 0], parts[..., 1]), (0, 2, 1, 3))
