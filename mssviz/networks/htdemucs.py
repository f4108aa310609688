"""HTDemucs, fourth version of Demucs: one U-Net reads the spectrum, another one the waveform.

A transformer in their middle lets them read each other; see `htdemucs_transformer`. It reads and
gives waveforms. Shapes are without the batch: N samples, C channels, F bins, T frames, K targets, W
channels of a level, each level twice those before.

::

                          ┌───────── skips ─────────┐
    mixture ─┬─ STFT ─ encoders ─┐               ┌─ decoders ─ inverse STFT ─┐
     N x C   │   F x T x 2 C     ├─ transformer ─┤                           + ─ K stems
             └─────── encoders ──┘               └─ decoders ────────────────┘
                          └───────── skips ─────────┘

    encoder     convolution of 8, stride 4, along bins or samples ─ GELU ─ residual ─ convolution of
                1 to twice the channels ─ GLU; behind the first one of the spectrum, numbers of each
                bin's own are added
    residual    x + s GLU(norm(convolution of 1(GELU(norm(convolution of 3 x))))) along frames or
                samples, with W / 8 channels inside; then the same with a dilation of 2
    decoder     skip added ─ convolution of 3, of the spectrum along bins and frames, to twice the
                channels ─ GLU ─ residual ─ transposed convolution of 8, stride 4 ─ GELU, but not in
                the last

s are learnt factors of the channels that begin near 0. The spectrum's complex numbers stand as two
channels, without its highest bin. Both inputs are brought to mean 0 and deviation 1, taken over a
whole patch, and what comes out is brought back.

Sources: Rouard, Massa and Défossez, "Hybrid transformers for music source separation", ICASSP 2023,
arXiv:2211.08553, and its code, ``demucs`` 4.1.0, MIT, whose numbers the tests compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.demucs import beginning
from mssviz.networks.htdemucs_transformer import BRANCHES, Scale, cross_transformer
from mssviz.networks.overlap_add import waveforms
from mssviz.networks.roformer_spectra import stft

#: Width and stride of the encoders' first and the decoders' last convolutions.
KERNEL, STRIDE = 8, 4
#: Numbers of samples between frames, as a share of the window.
HOPS = 4
#: Reference value of the standard deviation of the convolutions' initial weights.
_RESCALE = 0.1
#: Factor of what residual branches add, at the beginning.
_SCALE = 1e-3
#: Factors of the bins' own numbers: what they are multiplied with, and how much smaller they begin.
_EMBEDDING, _SMALLER = 2.0, 10.0
_EPSILON = 1e-5


@dataclass(frozen=True)
class _Sizes:
    channels: int
    depth: int
    compression: int
    bottom: int
    layers: int
    heads: int

    def width(self, level: int) -> int:
        """Number of channels of a level, from 1 on."""
        return self.channels * 2 ** (level - 1)


def build_htdemucs(
    targets: Sequence[str],
    n_samples: int = 343_980,
    n_channels: int = 2,
    n_fft: int = 4096,
    channels: int = 48,
    depth: int = 4,
    compression: int = 8,
    bottom: int = 512,
    layers: int = 5,
    heads: int = 8,
    bag: bool = False,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    n_fft
        Window of the spectrum inside, in samples; the hop is a quarter of it. Half of it must be a
        multiple of the strides of all levels, and leave more than 8 bins for the last one.
    channels
        Number of channels of the first level.
    depth
        Number of encoders, and of decoders, of each branch.
    compression
        Quotient of the channels of a level and those within its residual branches.
    bottom
        Number of features within the transformer; 0 for the channels of the last level.
    layers, heads
        Numbers of layers of the transformer, and of heads of each; 0 layers leave it out.
    bag
        Whether each target has a network of its own, which was made to be best at it, and of whose
        estimates it is the only one that is taken.

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
    sizes = _Sizes(channels, depth, compression, bottom, layers, heads)
    _check(n_samples, n_fft, sizes)
    mixture = keras.Input((n_samples, n_channels), name="mixture")
    spectrum = _Spectrum(n_fft, name="spectrum")(mixture)
    levels = [_Level(name=name)(x) for name, x in (("level", spectrum), ("level_t", mixture))]
    inputs = [
        (x - mean) / (deviation + _EPSILON)
        for x, (mean, deviation) in zip((spectrum, mixture), levels, strict=True)
    ]
    stems = []
    for number, target in enumerate(targets):
        if bag or not number:
            prefix = f"{target}_" if bag else ""
            found = _branches(inputs, n_channels * len(targets), sizes, prefix)
        own = slice(number * n_channels, (number + 1) * n_channels)
        parts = found[0][..., 2 * own.start : 2 * own.stop], found[1][..., own]
        stem = _Stem(n_fft, name=f"{target}_waveform")
        stems.append(stem(*parts, *levels[0], *levels[1]))
    return keras.Model(mixture, stems, name="htdemucs")


def _check(n_samples: int, n_fft: int, sizes: _Sizes) -> None:
    if sizes.channels < 1 or sizes.depth < 1 or not 1 <= sizes.compression <= sizes.channels:
        raise ParameterError(
            "channels and depth must be at least 1, and compression from 1 to channels (got "
            f"{sizes.channels}, {sizes.depth} and {sizes.compression})"
        )
    unit = 2 * STRIDE**sizes.depth
    if n_fft % unit or n_fft * STRIDE <= KERNEL * unit:
        raise ParameterError(
            f"n_fft must be a multiple of {unit}, above {KERNEL * unit // STRIDE} (got {n_fft})"
        )
    dim = sizes.bottom or sizes.width(sizes.depth)
    if sizes.layers and (sizes.heads < 1 or dim % sizes.heads or dim % 4):
        raise ParameterError(
            f"features within the transformer must be a multiple of heads and of 4 (got {dim} and "
            f"{sizes.heads})"
        )
    if n_samples <= n_fft:
        raise ParameterError(f"n_samples must be above n_fft, {n_fft} (got {n_samples})")


# --- Branches -----------------------------------------------------------------------------------


def _branches(inputs: Sequence[Any], n_outputs: int, sizes: _Sizes, prefix: str) -> list[Any]:
    # stages come first, so that a picture of the network can fold each of them
    names = [f"{prefix}{{}}_{branch}" for branch in BRANCHES]
    x, skips, lengths = list(inputs), [], []
    for level in range(1, sizes.depth + 1):
        lengths.append(x[1].shape[1])
        x = [_encoder(*one, level, sizes) for one in zip(x, names, strict=True)]
        if level == 1:
            x[0] = _Embedding(name=names[0].format("embedding"))(x[0])
        skips.append(x)

    x = _middle(x, names, sizes, prefix)

    for level in range(sizes.depth, 0, -1):
        outputs = [sizes.width(level - 1)] * 2 if level > 1 else [2 * n_outputs, n_outputs]
        x = [
            _decoder(*one, level, sizes) for one in zip(x, skips.pop(), outputs, names, strict=True)
        ]
        x[1] = x[1][:, : lengths.pop()]
    return x


def _encoder(x: Any, name: str, level: int, sizes: _Sizes) -> Any:
    name, width = name.format(f"encoder{level}"), sizes.width(level)
    if len(x.shape) == 3:
        x = keras.ops.pad(x, [[0, 0], [0, -x.shape[1] % STRIDE], [0, 0]])
    x = _convolution(x, width, KERNEL, f"{name}_conv", STRIDE)
    x = keras.ops.gelu(x, approximate=False)
    x = _residual(x, width // sizes.compression, name)
    return keras.ops.glu(_convolution(x, 2 * width, 1, f"{name}_rewrite"), axis=-1)


def _middle(x: Sequence[Any], names: Sequence[str], sizes: _Sizes, prefix: str) -> list[Any]:
    if not sizes.layers:
        return list(x)
    if sizes.bottom:
        x = [_pointwise(*one, sizes.bottom, "up") for one in zip(x, names, strict=True)]
    x = cross_transformer(x[0], x[1], sizes.layers, sizes.heads, prefix)
    if sizes.bottom:
        width = sizes.width(sizes.depth)
        x = [_pointwise(*one, width, "down") for one in zip(x, names, strict=True)]
    return list(x)


def _decoder(x: Any, skip: Any, n_outputs: int, name: str, level: int, sizes: _Sizes) -> Any:
    is_last, width = level == 1, sizes.width(level)
    name = name.format(f"decoder{sizes.depth + 1 - level}")
    x = _convolution(x + skip, 2 * width, 3, f"{name}_rewrite", square=True)
    x = _residual(keras.ops.glu(x, axis=-1), width // sizes.compression, name)
    options = {"padding": "same", "name": f"{name}_conv", **beginning(n_outputs * KERNEL, _RESCALE)}
    if len(x.shape) == 4:
        x = keras.layers.Conv2DTranspose(n_outputs, (KERNEL, 1), (STRIDE, 1), **options)(x)
    else:
        x = keras.layers.Conv1DTranspose(n_outputs, KERNEL, STRIDE, **options)(x)
    return x if is_last else keras.ops.gelu(x, approximate=False)


def _residual(x: Any, n_hidden: int, name: str) -> Any:
    # (batch, F, T, W) -> (batch F, T, W): each bin by itself
    _, *shape = x.shape
    width = shape[-1]
    y = keras.ops.reshape(x, (-1, *shape[-2:]))
    for number in (1, 2):
        part = f"{name}_residual{number}"
        z = keras.layers.Conv1D(
            n_hidden, 3, padding="same", dilation_rate=number, name=f"{part}_narrow",
            **beginning(3 * width, _RESCALE),
        )(y)  # fmt: skip
        z = keras.ops.gelu(_norm(f"{part}_narrow_norm")(z), approximate=False)
        z = _convolution(z, 2 * width, 1, f"{part}_wide")
        z = keras.ops.glu(_norm(f"{part}_wide_norm")(z), axis=-1)
        y = y + Scale(_SCALE, name=f"{part}_scale")(z)
    return keras.ops.reshape(y, (-1, *shape))


def _convolution(
    x: Any, n_outputs: int, size: int, name: str, stride: int = 1, square: bool = False
) -> Any:
    """Convolution along samples or, of spectra, along bins, or along bins and frames."""
    options: dict[str, Any] = {"padding": "same", "name": name}
    n_inputs = size * x.shape[-1]
    if len(x.shape) == 3:
        options |= beginning(n_inputs, _RESCALE)
        return keras.layers.Conv1D(n_outputs, size, stride, **options)(x)
    options |= beginning(n_inputs * (size if square else 1), _RESCALE)
    return keras.layers.Conv2D(n_outputs, (size, size if square else 1), (stride, 1), **options)(x)


def _pointwise(x: Any, name: str, n_outputs: int, way: str) -> Any:
    return keras.layers.Dense(n_outputs, name=name.format(way), **beginning(x.shape[-1], 0))(x)


def _norm(name: str) -> Any:
    # mean and variance of all but the batch
    return keras.layers.GroupNormalization(groups=1, epsilon=_EPSILON, name=name)


# --- Layers -------------------------------------------------------------------------------------


class _Embedding(keras.layers.Layer):
    # numbers of each bin's own, which begin as a random walk, so that neighbours are alike
    def build(self, input_shape: Any) -> None:
        def walk(shape: Any, dtype: Any = None) -> Any:
            steps = keras.random.normal(shape, dtype=dtype)
            count = tf.range(1, shape[0] + 1, dtype=steps.dtype)
            return tf.cumsum(steps, axis=0) / tf.sqrt(count)[:, None] / _SMALLER

        _, n_bins, _, width = input_shape
        self.embedding = self.add_weight((n_bins, width), walk, name="embedding")

    def call(self, inputs: Any) -> Any:
        return inputs + _EMBEDDING * self.embedding[:, None]


class _Level(keras.layers.Layer):
    # mean and standard deviation of all but the batch
    def __init__(self, **options: Any) -> None:
        super().__init__(dtype="float32", **options)

    def call(self, inputs: Any) -> tuple[Any, Any]:
        axes = list(range(1, len(inputs.shape)))
        mean = tf.reduce_mean(inputs, axes, keepdims=True)
        n_numbers = inputs.shape.num_elements() or tf.size(inputs[0])
        squares = tf.reduce_sum(tf.square(inputs - mean), axes, keepdims=True)
        return mean, tf.sqrt(squares / (tf.cast(n_numbers, tf.float32) - 1))


class _Spectrum(keras.layers.Layer):
    # (batch, N, C) -> (batch, F, T, 2 C) without the highest bin; frames begin with each hop
    def __init__(self, n_fft: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._n_fft = n_fft

    def call(self, inputs: Any) -> Any:
        hop, margin, n_frames = _frames(self._n_fft, inputs.shape[1])
        missing = n_frames * hop - inputs.shape[1]
        x = tf.transpose(inputs, (0, 2, 1))
        x = tf.pad(x, [[0, 0], [0, 0], [margin, margin + missing]], "REFLECT")
        spectra = stft(x, self._n_fft, hop, self._n_fft)[..., 2:-2, :-1] * self._n_fft**-0.5
        # (batch, C, T, F) -> (batch, F, T, C, 2)
        spectra = tf.transpose(spectra, (0, 3, 2, 1))
        parts = tf.stack([tf.math.real(spectra), tf.math.imag(spectra)], axis=-1)
        return tf.reshape(parts, (-1, *parts.shape[1:3], 2 * inputs.shape[2]))


class _Stem(keras.layers.Layer):
    # (batch, F, T, 2 C) and (batch, N, C) -> (batch, N, C), their sum, at the mixture's levels
    def __init__(self, n_fft: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._n_fft = n_fft

    def call(
        self, spectrum: Any, waveform: Any, mean: Any, deviation: Any, mean_t: Any, deviation_t: Any
    ) -> Any:
        _, n_samples, n_channels = waveform.shape
        hop, margin, _ = _frames(self._n_fft, n_samples)
        parts = spectrum * deviation + mean
        parts = tf.reshape(parts, (-1, *parts.shape[1:3], n_channels, 2))
        # (batch, F, T, C) -> (batch, T, F, C), with the frames and the bin that were left out, as 0
        spectra = tf.transpose(tf.complex(parts[..., 0], parts[..., 1]), (0, 2, 1, 3))
        spectra = tf.pad(spectra * self._n_fft**0.5, [[0, 0], [2, 2], [0, 1], [0, 0]])
        found = waveforms(spectra, hop, margin + n_samples)[..., margin:]
        return tf.transpose(found, (0, 2, 1)) + waveform * deviation_t + mean_t


def _frames(n_fft: int, n_samples: int) -> tuple[int, int, int]:
    """Hop, margin that is mirrored at either end, in samples, and number of frames."""
    hop = n_fft // HOPS
    return hop, hop // 2 * 3, -(-n_samples // hop)
