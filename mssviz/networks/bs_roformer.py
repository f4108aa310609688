"""BS-RoFormer: bands of a spectrum as words of a text, read by transformers along time and bands.

It reads and gives waveforms; the spectrum is inside. Shapes are without the batch: T frames, F
bins, C channels, B bands of unequal width, D `dim`. Every target has its own mask estimator, and
the rest is shared.

::

    mixture  N x C ─ STFT ─┬─ T x F x C x 2 ───────────────────── times ─ inverse STFT ─ estimate
                           │                                        │
                           └─ band split ─ T x B x D                │ complex mask T x F x C x 2
                                │                                   │
                  depth times ┌ over time, each band by itself      │
                              └ over bands, each frame by itself    │
                                │                                   │
                                └─ norm ───────────────── mask estimator, one a target

    band split      each band's bins, channels and parts: norm, linear to D
    over time, ...  x + attention(norm x), then x + linear(GELU(linear(norm x))); queries and keys
                    are turned by their position (RoPE), heads are weighed by sigmoid gates
    mask estimator  for each band: linear, tanh, linear, gated linear unit

Norms divide by the root of the mean square.

Sources: Lu, Wang, Kong and Hung, "Music source separation with Band-Split RoPE Transformer",
ICASSP 2024, arXiv:2309.02612, whose code was not published; the layers are those of
``BS-RoFormer`` 0.3.10, a reconstruction by Phil Wang, with one layer in each of its transformers.
Su et al., "RoFormer: enhanced transformer with rotary position embedding", arXiv:2104.09864.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.overlap_add import waveforms

#: Widths of the 62 bands of a spectrum of 1025 bins, in bins.
BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)
#: Windows of `multi_resolution_loss`, the hop between them and the smallest transform, in samples.
LOSS_WINDOWS = (4096, 2048, 1024, 512, 256)
LOSS_HOP = 147
LOSS_FFT = 2048


def build_bs_roformer(
    targets: Sequence[str],
    n_samples: int = 131_584,
    n_channels: int = 2,
    n_fft: int = 2048,
    hop_length: int = 512,
    bands: Sequence[int] = BANDS,
    dim: int = 384,
    depth: int = 8,
    heads: int = 8,
    head_dim: int = 64,
    feedforward: int = 4,
    mask_depth: int = 2,
    mask_expansion: int = 4,
    dropout: float = 0.0,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C, with N a multiple of `hop_length`.
    n_fft, hop_length
        Window and hop of the spectrum inside, in samples; `n_fft` is even. The window is a periodic
        Hann window, and frames are centred.
    bands
        Widths of the bands in bins; their sum is ``n_fft // 2 + 1``.
    dim
        Number D of features of a band in a frame.
    depth
        Number of pairs of transformers.
    heads, head_dim
        Number of heads of an attention, and number of features of each head, which is even.
    feedforward
        Number of hidden features after each attention, as a multiple of `dim`.
    mask_depth, mask_expansion
        Number of linear layers of a mask estimator, and of their hidden features as a multiple of
        `dim`.
    dropout
        Share of attentions and features that is dropped in training, in [0, 1).

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
    if n_samples % hop_length or n_samples <= n_fft // 2:
        raise ParameterError(
            f"n_samples must be a multiple of {hop_length} above {n_fft // 2} (got {n_samples})"
        )
    if n_fft % 2:
        raise ParameterError(f"n_fft must be even (got {n_fft})")
    if sum(bands) != n_fft // 2 + 1 or min(bands) < 1:
        raise ParameterError(
            f"bands must be positive and have {n_fft // 2 + 1} bins in all (got {sum(bands)})"
        )
    if head_dim % 2 or mask_depth < 1:
        raise ParameterError(
            f"head_dim must be even and mask_depth at least 1 (got {head_dim} and {mask_depth})"
        )
    mixture = keras.Input((n_samples, n_channels), name="mixture")
    spectrum = _Spectrum(n_fft, hop_length, name="spectrum")(mixture)
    _, n_frames, n_bins, _, _ = spectrum.shape
    widths = [2 * n_channels * width for width in bands]

    # (batch, T, F, C, 2) -> (batch, T, 2 C F) -> (batch, T, B, D)
    x = keras.layers.Reshape((n_frames, sum(widths)))(spectrum)
    x = _BandSplit(widths, dim, name="band_split")(x)
    for level in range(1, depth + 1):
        for axis in ("time", "band"):
            # (batch, T, B, D) -> (batch, B, T, D), and back: attention runs along the third axis
            x = keras.ops.transpose(x, (0, 2, 1, 3))
            name = f"layer{level}_{axis}"
            x = x + _attention(x, heads, head_dim, dropout, f"{name}_attention")
            x = x + _feedforward(x, feedforward * dim, dropout, f"{name}_feedforward")
    x = _Norm(name="norm")(x)

    outputs = []
    for target in targets:
        estimator = _MaskEstimator(widths, mask_depth, mask_expansion * dim, name=f"{target}_mask")
        mask = keras.layers.Reshape((n_frames, n_bins, n_channels, 2))(estimator(x))
        outputs.append(_Waveform(hop_length, name=f"{target}_waveform")(mask, spectrum))
    return keras.Model(mixture, outputs, name="bs_roformer")


def multi_resolution_loss(
    estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None
) -> Any:
    """Distance of waveforms, and of their spectra at several resolutions at once.

    The loss of a target is ``mean |e - t| + sum over windows w of mean |STFT_w e - STFT_w t|``,
    divided by the number of targets, so that the sum over targets is the loss of the reference.
    Spectra are complex, so phase counts. The transform is linear, so it is taken of the difference.

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
    loss = tf.reduce_mean(tf.abs(difference), axis=(2, 3))
    for size in LOSS_WINDOWS:
        # a window shorter than the transform is padded at its end, which leaves moduli as they are
        spectra = _stft(difference, size, LOSS_HOP, max(size, LOSS_FFT))
        loss += tf.reduce_mean(tf.abs(spectra), axis=(2, 3, 4))
    return loss / len(targets)


# --- Spectra ---


def _stft(x: Any, size: int, hop: int, n_fft: int) -> Any:
    # (..., N) -> (..., N // hop + 1, n_fft // 2 + 1), frames centred on multiples of the hop
    edges = [[0, 0]] * (len(x.shape) - 1) + [[size // 2, size // 2]]
    frames = _framed(tf.pad(x, edges, "REFLECT"), size, hop)
    return tf.signal.rfft(frames * tf.signal.hann_window(size), [n_fft])


def _framed(x: Any, size: int, hop: int) -> Any:
    # Overlapping frames, made of hops side by side. tf.signal.frame gives the same, but this is
    # three times faster where the hop does not divide the size, because its gradient is stated.
    length, n_frames = x.shape[-1], (x.shape[-1] - size) // hop + 1
    n_side = -(-size // hop)
    n_blocks = n_frames - 1 + n_side

    @tf.custom_gradient
    def framed(x: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return _fitted(tf.signal.overlap_and_add(upstream, hop), length)

        shape = [*tf.unstack(tf.shape(x))[:-1], n_blocks, hop]
        blocks = tf.reshape(_fitted(x, n_blocks * hop), shape)
        parts = [blocks[..., first : first + n_frames, :] for first in range(n_side)]
        return tf.concat(parts, axis=-1)[..., :size], gradient

    return framed(x)


def _fitted(x: Any, length: int) -> Any:
    missing = max(length - x.shape[-1], 0)
    return tf.pad(x[..., :length], [[0, 0]] * (len(x.shape) - 1) + [[0, missing]])


class _Spectrum(keras.layers.Layer):
    def __init__(self, n_fft: int, hop_length: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._n_fft, self._hop = n_fft, hop_length

    def call(self, inputs: Any) -> Any:
        # (batch, N, C) -> (batch, C, T, F) -> (batch, T, F, C, 2)
        spectra = _stft(tf.transpose(inputs, (0, 2, 1)), self._n_fft, self._hop, self._n_fft)
        spectra = tf.transpose(spectra, (0, 2, 3, 1))
        return tf.stack([tf.math.real(spectra), tf.math.imag(spectra)], axis=-1)


class _Waveform(keras.layers.Layer):
    def __init__(self, hop_length: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._hop = hop_length

    def call(self, mask: Any, spectrum: Any) -> Any:
        spectra = tf.complex(mask[..., 0], mask[..., 1])
        spectra *= tf.complex(spectrum[..., 0], spectrum[..., 1])
        return tf.transpose(waveforms(spectra, self._hop), (0, 2, 1))


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


def _attention(x: Any, heads: int, head_dim: int, dropout: float, name: str) -> Any:
    dim, inner = x.shape[-1], heads * head_dim
    x = _Norm(name=f"{name}_norm")(x)
    qkv = _linear(3 * inner, dim, f"{name}_qkv", bias=False)(x)
    gates = _linear(heads, dim, f"{name}_gates")(x)
    x = _GatedAttention(heads, dropout, name=name)(qkv, gates)
    x = _linear(dim, inner, f"{name}_out", bias=False)(x)
    return keras.layers.Dropout(dropout)(x) if dropout else x


def _feedforward(x: Any, n_hidden: int, dropout: float, name: str) -> Any:
    dim = x.shape[-1]
    x = _Norm(name=f"{name}_norm")(x)
    for number, (n_inputs, n_outputs) in enumerate(((dim, n_hidden), (n_hidden, dim)), start=1):
        x = _linear(n_outputs, n_inputs, f"{name}_linear{number}")(x)
        x = keras.ops.gelu(x, approximate=False) if number == 1 else x
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    return x


class _GatedAttention(keras.layers.Layer):
    def __init__(self, heads: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self._heads = heads
        self._dropout = keras.layers.Dropout(dropout) if dropout else None

    def call(self, qkv: Any, gates: Any, training: bool | None = None) -> Any:
        _, n_groups, length, n_features = qkv.shape
        size = n_features // (3 * self._heads)
        # (batch, G, n, 3 H d) -> (3, batch, G, H, n, d)
        qkv = tf.reshape(qkv, (-1, n_groups, length, 3, self._heads, size))
        queries, keys, values = tf.unstack(tf.transpose(qkv, (3, 0, 1, 4, 2, 5)), 3)
        scores = tf.matmul(_rotated(queries), _rotated(keys), transpose_b=True) * size**-0.5
        weights = tf.nn.softmax(scores)
        if self._dropout is not None:
            weights = self._dropout(weights, training=training)
        # (batch, G, H, n, d) -> (batch, G, n, H, d)
        found = tf.transpose(tf.matmul(weights, values), (0, 1, 3, 2, 4))
        found *= tf.sigmoid(gates)[..., None]
        return tf.reshape(found, (-1, n_groups, length, self._heads * size))


def _rotated(x: Any) -> Any:
    # each pair of features is a point in a plane, turned by an angle that grows with the position
    length, size = x.shape[-2:]
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, size, 2) / size)
    cosine, sine = (tf.constant(f(angles), x.dtype) for f in (np.cos, np.sin))
    even, odd = x[..., ::2], x[..., 1::2]
    turned = tf.stack([even * cosine - odd * sine, odd * cosine + even * sine], axis=-1)
    return tf.reshape(turned, tf.shape(x))


class _BandSplit(keras.layers.Layer):
    # bands of equal width stand side by side and are computed together
    def __init__(self, widths: Sequence[int], dim: int, **options: Any) -> None:
        super().__init__(**options)
        self._runs, self._dim = _runs(widths), dim

    def build(self, input_shape: Any) -> None:
        self.gammas: list[Any] = []
        self.kernels: list[Any] = []
        self.biases: list[Any] = []
        for number, (n_bands, width) in enumerate(self._runs, start=1):
            shape, begin = (n_bands, width, self._dim), _uniform(width)
            self.gammas.append(self.add_weight(shape[:2], "ones", name=f"gamma{number}"))
            self.kernels.append(self.add_weight(shape, begin, name=f"kernel{number}"))
            self.biases.append(self.add_weight(shape[::2], begin, name=f"bias{number}"))

    def call(self, inputs: Any) -> Any:
        sizes = [n_bands * width for n_bands, width in self._runs]
        found = []
        for number, part in enumerate(tf.split(inputs, sizes, axis=-1)):
            # (batch, T, bands width) -> (batch, T, bands, width) -> (batch, T, bands, D)
            x = tf.reshape(part, (-1, inputs.shape[1], *self._runs[number]))
            x = _normalised(x) * self.gammas[number]
            x = tf.einsum("atbw,bwd->atbd", x, self.kernels[number]) + self.biases[number]
            found.append(x)
        return tf.concat(found, axis=2)


class _MaskEstimator(keras.layers.Layer):
    def __init__(self, widths: Sequence[int], depth: int, n_hidden: int, **options: Any) -> None:
        super().__init__(**options)
        self._runs, self._depth, self._n_hidden = _runs(widths), depth, n_hidden

    def build(self, input_shape: Any) -> None:
        _, _, n_bands, n_inputs = input_shape
        self.hidden: list[Any] = []
        for number in range(1, self._depth):
            self.hidden.append(self._linear(n_bands, n_inputs, self._n_hidden, f"_hidden{number}"))
            n_inputs = self._n_hidden
        self.last = [
            self._linear(n, n_inputs, 2 * width, str(number))
            for number, (n, width) in enumerate(self._runs, start=1)
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
        parts = tf.split(x, [n for n, _ in self._runs], axis=2)
        for part, (kernel, bias), (n, width) in zip(parts, self.last, self._runs, strict=True):
            # (batch, T, bands, 2 width) -> (batch, T, bands width)
            value, gate = tf.split(tf.einsum("atbi,bij->atbj", part, kernel) + bias, 2, axis=-1)
            found.append(tf.reshape(value * tf.sigmoid(gate), (-1, x.shape[1], n * width)))
        return tf.concat(found, axis=-1)


def _runs(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours of equal width, as pairs of their number and their width."""
    return [(len(list(same)), width) for width, same in groupby(widths)]
