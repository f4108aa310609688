"""What BS-RoFormer and Mel-Band RoFormer share: all but how a spectrum is cut into bands.

Bands are vectors in every frame, read by transformers along time and across bands in turn; see
`bs_roformer` for the whole.

::

    attention   x + out(sigmoid(gates norm x) attention(turned q, turned k, v)), q k v = qkv norm x
    features    x + linear(GELU(linear(norm x)))

Norms divide by the root of the mean square. Queries and keys are turned by their position (RoPE):
pair k of d features by ``position / 10000^(2k / d)``.

Sources: the packages ``BS-RoFormer`` 0.3.10 and ``pymss-core`` 0.1.14, both MIT, whose numbers the
tests compare. Su et al., "RoFormer: enhanced transformer with rotary position embedding",
arXiv:2104.09864.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.attention import attend
from mssviz.networks.roformer_spectra import Gathered, Spectrum, Spread, Waveform
from mssviz.networks.roformer_tables import frequencies

#: Most frames that may attend to each other: every one of them to every other is 256 MiB a head.
_MOST_FRAMES = 1 << 13


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a RoFormer of either kind is made of.

    Parameters
    ----------
    hop_length, n_fft
        Hop and window of the spectrum inside, in samples; `n_fft` is even. The window is a periodic
        Hann window, and frames are centred.
    depth, dim
        Number of pairs of transformers, and number D of features of a band in a frame.
    time_layers, band_layers
        Numbers of layers in a transformer over time, and in one over bands.
    heads, head_dim
        Number of heads of an attention, and number of features of each head, which is even.
    feedforward
        Number of hidden features after each attention, as a multiple of `dim`.
    mask_depth, mask_expansion
        Number of linear layers of a mask estimator, which other programs count without the last for
        mel bands, and of their hidden features as a multiple of `dim`.
    norm
        Place of the last norms: after each transformer, or one after all of them.
    skip
        Whether each pair of transformers also reads the sum of what all earlier pairs gave.
    zero_dc
        Whether estimates have no constant part: bin 0 of their spectra is 0.
    residual
        Whether the last target is what the others leave of the mixture, and has no estimator.
    rotary
        Precision in which the rotations were kept, see `roformer_tables.frequencies`.
    dropout
        Share of attentions and features that is dropped in training, in [0, 1).
    """

    hop_length: int
    depth: int
    mask_depth: int
    norm: Literal["each", "last"]
    zero_dc: bool
    n_fft: int = 2048
    dim: int = 384
    time_layers: int = 1
    band_layers: int = 1
    heads: int = 8
    head_dim: int = 64
    feedforward: int = 4
    mask_expansion: int = 4
    skip: bool = False
    residual: bool = False
    rotary: Literal["float32", "float16"] = "float32"
    dropout: float = 0.0


def build_roformer(
    targets: Sequence[str],
    n_samples: int,
    n_channels: int,
    bands: Sequence[tuple[int, int]],
    sizes: Sizes,
    name: str,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    bands
        Bands of the spectrum, in ascending order: the first bin of each, and its width in bins.
        They cover all bins, none more than twice.
    sizes
        All other sizes.
    name
        Name of the model.

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
    _check(targets, n_samples, sizes)
    mixture = keras.Input((n_samples, n_channels), name="mixture")
    spectrum = Spectrum(sizes.n_fft, sizes.hop_length, name="spectrum")(mixture)
    _, n_frames, n_bins, _, _ = spectrum.shape
    widths = [2 * n_channels * width for _, width in bands]
    overlap = sum(width for _, width in bands) > n_bins

    # (batch, T, F, C, 2) -> (batch, T, 2 C F'), with bins that are in two bands twice -> (.., B, D)
    x = Spread(bands, name="spread")(spectrum) if overlap else spectrum
    x = keras.layers.Reshape((n_frames, sum(widths)))(x)
    x = _BandSplit(widths, sizes.dim, name="band_split")(x)
    x = _transformers(x, sizes)

    outputs = []
    for target in targets[: len(targets) - sizes.residual]:
        n_hidden = sizes.mask_expansion * sizes.dim
        mask = _MaskEstimator(widths, sizes.mask_depth, n_hidden, name=f"{target}_mask")(x)
        mask = keras.layers.Reshape((n_frames, sum(widths) // (2 * n_channels), n_channels, 2))(
            mask
        )
        if overlap:
            mask = Gathered(bands, name=f"{target}_gathered")(mask)
        waveform = Waveform(sizes.hop_length, n_samples, sizes.zero_dc, name=f"{target}_waveform")
        outputs.append(waveform(mask, spectrum))
    if sizes.residual:
        outputs.append(mixture - sum(outputs[1:], outputs[0]))
    return keras.Model(mixture, outputs, name=name)


def _check(targets: Sequence[str], n_samples: int, sizes: Sizes) -> None:
    if sizes.n_fft % 2:
        raise ParameterError(f"n_fft must be even (got {sizes.n_fft})")
    if n_samples <= sizes.n_fft // 2:
        raise ParameterError(f"n_samples must be above {sizes.n_fft // 2} (got {n_samples})")
    if not 1 <= sizes.hop_length <= sizes.n_fft // 2:
        raise ParameterError(
            f"hop_length must be from 1 to {sizes.n_fft // 2}, half of n_fft "
            f"(got {sizes.hop_length})"
        )
    if (n_frames := n_samples // sizes.hop_length + 1) > _MOST_FRAMES:
        raise ParameterError(
            f"a patch of {n_samples} samples has {n_frames} frames, at most {_MOST_FRAMES} can "
            "attend to each other; choose shorter patches, or check the hop"
        )
    if sizes.head_dim % 2 or sizes.mask_depth < 1:
        raise ParameterError(
            f"head_dim must be even and mask_depth at least 1 (got {sizes.head_dim} and "
            f"{sizes.mask_depth})"
        )
    if sizes.rotary not in ("float32", "float16"):
        raise ParameterError(f"rotary must be float32 or float16 (got {sizes.rotary!r})")
    if sizes.residual and len(targets) < 2:
        raise ParameterError("with residual, there must be two targets or more (got 1)")


def _transformers(x: Any, sizes: Sizes) -> Any:
    earlier: list[Any] = []
    for level in range(1, sizes.depth + 1):
        for before in earlier:
            x = x + before
        for axis, n_layers in (("time", sizes.time_layers), ("band", sizes.band_layers)):
            # (batch, T, B, D) -> (batch, B, T, D), and back: attention runs along the third axis
            x = keras.ops.transpose(x, (0, 2, 1, 3))
            for number in range(1, n_layers + 1):
                name = f"layer{level}_{axis}{number if number > 1 else ''}"
                x = x + _attention(x, sizes, f"{name}_attention")
                x = x + _feedforward(x, sizes, f"{name}_feedforward")
            if sizes.norm == "each":
                x = _Norm(name=f"layer{level}_{axis}_norm")(x)
        if sizes.skip:
            earlier.append(x)
    return _Norm(name="norm")(x) if sizes.norm == "last" else x


# --- Layers ---


def _linear(n_outputs: int, n_inputs: int, name: str, bias: bool = True) -> Any:
    return keras.layers.Dense(
        n_outputs,
        use_bias=bias,
        kernel_initializer=_uniform(n_inputs),
        bias_initializer=_uniform(n_inputs),
        name=name,
    )


def _uniform(n_inputs: int) -> Any:
    limit = n_inputs**-0.5  # as PyTorch does, also for biases: a silent band must not be all zeros
    return keras.initializers.RandomUniform(-limit, limit)


def _normalised(x: Any) -> Any:
    exact = tf.cast(x, tf.float32)  # half precision has no room for the squares
    squares = tf.reduce_sum(tf.square(exact), axis=-1, keepdims=True)
    exact *= tf.math.rsqrt(tf.maximum(squares, 1e-24)) * x.shape[-1] ** 0.5
    return tf.cast(exact, x.dtype)


class _Norm(keras.layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="ones", name="gamma")

    def call(self, inputs: Any) -> Any:
        return _normalised(inputs) * self.gamma


def _attention(x: Any, sizes: Sizes, name: str) -> Any:
    dim, inner = sizes.dim, sizes.heads * sizes.head_dim
    x = _Norm(name=f"{name}_norm")(x)
    qkv = _linear(3 * inner, dim, f"{name}_qkv", bias=False)(x)
    gates = _linear(sizes.heads, dim, f"{name}_gates")(x)
    attention = _GatedAttention(sizes.heads, sizes.head_dim, sizes.rotary, sizes.dropout, name=name)
    x = attention(qkv, gates)
    x = _linear(dim, inner, f"{name}_out", bias=False)(x)
    return keras.layers.Dropout(sizes.dropout)(x) if sizes.dropout else x


def _feedforward(x: Any, sizes: Sizes, name: str) -> Any:
    dim, n_hidden = sizes.dim, sizes.feedforward * sizes.dim
    x = _Norm(name=f"{name}_norm")(x)
    for number, (n_inputs, n_outputs) in enumerate(((dim, n_hidden), (n_hidden, dim)), start=1):
        x = _linear(n_outputs, n_inputs, f"{name}_linear{number}")(x)
        x = keras.ops.gelu(x, approximate=False) if number == 1 else x
        x = keras.layers.Dropout(sizes.dropout)(x) if sizes.dropout else x
    return x


class _GatedAttention(keras.layers.Layer):
    def __init__(
        self, heads: int, head_dim: int, rotary: str, dropout: float, **options: Any
    ) -> None:
        super().__init__(**options)
        self._heads, self.head_dim, self.rotary = heads, head_dim, rotary
        self._dropout = keras.layers.Dropout(dropout) if dropout else None

    def call(self, qkv: Any, gates: Any, training: bool | None = None) -> Any:
        _, n_groups, length, _ = qkv.shape
        size = self.head_dim
        # (batch, G, n, 3 H d) -> (3, batch, G, H, n, d)
        qkv = tf.reshape(qkv, (-1, n_groups, length, 3, self._heads, size))
        queries, keys, values = tf.unstack(tf.transpose(qkv, (3, 0, 1, 4, 2, 5)), 3)
        drop = None if self._dropout is None else partial(self._dropout, training=training)
        found = attend(self._turned(queries, size**-0.5), self._turned(keys), values, drop)
        # (batch, G, H, n, d) -> (batch, G, n, H, d)
        found = tf.transpose(found, (0, 1, 3, 2, 4)) * tf.sigmoid(gates)[..., None]
        return tf.reshape(found, (-1, n_groups, length, self._heads * size))

    def _turned(self, x: Any, scale: float = 1.0) -> Any:
        # each pair of features is a point in the complex plane, turned by an angle that grows with
        # the position
        positions = np.arange(x.shape[-2], dtype=np.float32)[:, None]
        angles = positions * frequencies(self.head_dim, self.rotary)
        turns = (scale * np.exp(1j * angles.astype(float))).astype(np.complex64)

        @tf.custom_gradient
        def turned(x: Any) -> Any:
            return _times(x, turns), lambda upstream: _times(upstream, turns.conj())

        return turned(x)


def _times(x: Any, factors: AnyArray) -> Any:
    # pairs of real numbers as complex ones, without moving them
    pairs = tf.reshape(tf.cast(x, tf.float32), (*tf.unstack(tf.shape(x))[:-1], x.shape[-1] // 2, 2))
    points = tf.bitcast(pairs, tf.complex64) * factors
    return tf.cast(tf.reshape(tf.bitcast(points, tf.float32), tf.shape(x)), x.dtype)


class _BandSplit(keras.layers.Layer):
    # bands of equal width stand side by side and are computed together
    def __init__(self, widths: Sequence[int], dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.runs, self._dim = _runs(widths), dim

    def build(self, input_shape: Any) -> None:
        self.gammas: list[Any] = []
        self.kernels: list[Any] = []
        self.biases: list[Any] = []
        for number, (n_bands, width) in enumerate(self.runs, start=1):
            shape, begin = (n_bands, width, self._dim), _uniform(width)
            self.gammas.append(self.add_weight(shape[:2], "ones", name=f"gamma{number}"))
            self.kernels.append(self.add_weight(shape, begin, name=f"kernel{number}"))
            self.biases.append(self.add_weight(shape[::2], begin, name=f"bias{number}"))

    def call(self, inputs: Any) -> Any:
        sizes = [n_bands * width for n_bands, width in self.runs]
        found = []
        for number, part in enumerate(tf.split(inputs, sizes, axis=-1)):
            # (batch, T, bands width) -> (batch, T, bands, width) -> (batch, T, bands, D)
            x = tf.reshape(part, (-1, inputs.shape[1], *self.runs[number]))
            x = _normalised(x) * self.gammas[number]
            x = tf.einsum("atbw,bwd->atbd", x, self.kernels[number]) + self.biases[number]
            found.append(x)
        return tf.concat(found, axis=2)


class _MaskEstimator(keras.layers.Layer):
    def __init__(self, widths: Sequence[int], depth: int, n_hidden: int, **options: Any) -> None:
        super().__init__(**options)
        self.runs, self.depth, self._n_hidden = _runs(widths), depth, n_hidden

    def build(self, input_shape: Any) -> None:
        _, _, n_bands, n_inputs = input_shape
        self.hidden: list[Any] = []
        for number in range(1, self.depth):
            self.hidden.append(self._linear(n_bands, n_inputs, self._n_hidden, f"_hidden{number}"))
            n_inputs = self._n_hidden
        self.last = [
            self._linear(n, n_inputs, 2 * width, str(number))
            for number, (n, width) in enumerate(self.runs, start=1)
        ]

    def _linear(self, n_bands: int, n_inputs: int, n_outputs: int, name: str) -> tuple[Any, Any]:
        begin = _uniform(n_inputs)
        kernel = self.add_weight((n_bands, n_inputs, n_outputs), begin, name=f"kernel{name}")
        return kernel, self.add_weight((n_bands, n_outputs), begin, name=f"bias{name}")

    def call(self, inputs: Any) -> Any:
        x = inputs
        for kernel, bias in self.hidden:
            x = tf.tanh(tf.einsum("atbi,bij->atbj", x, kernel) + bias)
        found = []
        parts = tf.split(x, [n for n, _ in self.runs], axis=2)
        for part, (kernel, bias), (n, width) in zip(parts, self.last, self.runs, strict=True):
            # (batch, T, bands, 2 width) -> (batch, T, bands width)
            value, gate = tf.split(tf.einsum("atbi,bij->atbj", part, kernel) + bias, 2, axis=-1)
            found.append(tf.reshape(value * tf.sigmoid(gate), (-1, x.shape[1], n * width)))
        return tf.concat(found, axis=-1)


def _runs(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours of equal width, as pairs of their number and their width."""
    return [(len(list(same)), width) for width, same in groupby(widths)]
