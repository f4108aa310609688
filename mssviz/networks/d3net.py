"""D3Net: densely connected dilated convolutions, for two bands and the whole of a magnitude.

There is a network of its own sizes for every target. Shapes are ``(frames, bins, channels)``
without the batch; F is `modelled_bins`, S `split_bin`, g the growth of an MD3's last block.

::

    mixture  T x F x C ─ minus mean, by scale ─┐
      ├─ bins below S ── conv 3x3 ── MD3 ────────────────── T x S x g ──┐ concat
      ├─ bins from S ─── conv 3x3 ── MD3 ─ norm, conv 1x1 ─ T x (F-S) x g ┴─┐ concat
      └─ all bins ────── conv 3x3 ── MD3 ────────────────── T x F x g' ─────┴─ D2 ─ norm ─┐
                                                                                          │
                estimate  T x F x C ── ReLU ─ times scale, plus bias ─ gate x filter ◄────┘

    MD3   block ────────────────────── concat ─ block     block: D3; down: mean of 2 x 2;
            └ down ─ block ─── concat ─ block ─ up ┘      up: norm, transposed conv 2 x 2
                       └ down ─ block ─ up ┘

    D2    x ─ conv, dilation 1 ─► g1 g2 g3 ... gL     L groups of g channels each
                                  └ conv, dilation 2 ─► added to g2 g3 ... gL
                                     └ conv, dilation 4 ─► added to g3 ... gL;    gL is the result

    D3    the same again with a D2 in the place of every convolution, M groups, no further dilation

In a D2 every group of channels has passed through its own number of convolutions, and the next
convolution is dilated by that group's factor, so that no step looks past samples that it has not
covered. Each convolution is 3 x 3 and comes after normalisation and ReLU.

Sources: Takahashi and Mitsufuji, "Densely connected multidilated convolutional networks for dense
prediction tasks", CVPR 2021, and "D3Net: Densely connected multidilated DenseNet for music source
separation", arXiv:2010.01733, 2020; Sony's code in ``sony/ai-research-code`` at ``cfe96df``, which
the sizes are from.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras

Option = TypeVar("Option")
ByTarget: TypeAlias = Option | Mapping[str, Option]

# Sony's sizes by target; "other" is for all targets that are not named.
SPLIT_BIN = {"drums": 128, "bass": 192, "other": 256}
LOW_LAYERS = {"drums": (5, 5, 5, 4, 4, 4, 4), "other": (5, 5, 5, 5, 4, 4, 4)}
LOW_GROWTH = {"bass": (16, 18, 18, 20, 18, 16, 16), "other": (16, 18, 20, 22, 20, 18, 16)}
HIGH_LAYERS = {"bass": (1,) * 7, "other": (1,) * 5}
HIGH_GROWTH = {"bass": (2,) * 7, "other": (2,) * 5}
FULL_LAYERS = {
    "drums": (4, 5, 6, 7, 8, 6, 6, 4, 4),
    "bass": (4, 5, 6, 7, 8, 6, 6, 4, 4),
    "other": (4, 5, 6, 7, 8, 6, 5, 4, 4),
}
FULL_GROWTH = {
    "drums": (13, 14, 15, 16, 16, 16, 14, 12, 11),
    "bass": (10, 10, 12, 14, 16, 14, 12, 8, 8),
    "other": (13, 14, 15, 16, 17, 16, 14, 12, 11),
}


def build_d3net(
    targets: Sequence[str],
    patch_frames: int = 256,
    n_bins: int = 2049,
    n_channels: int = 2,
    modelled_bins: int = 1600,
    split_bin: ByTarget[int] = SPLIT_BIN,
    low_layers: ByTarget[Sequence[int]] = LOW_LAYERS,
    low_growth: ByTarget[Sequence[int]] = LOW_GROWTH,
    high_layers: ByTarget[Sequence[int]] = HIGH_LAYERS,
    high_growth: ByTarget[Sequence[int]] = HIGH_GROWTH,
    full_layers: ByTarget[Sequence[int]] = FULL_LAYERS,
    full_growth: ByTarget[Sequence[int]] = FULL_GROWTH,
    filters: Sequence[int] = (32, 8, 32),
    n_blocks: Sequence[int] = (2, 1, 2),
    final_layers: int = 3,
    final_growth: int = 12,
) -> Any:
    """Build the network, with random weights.

    Options from `split_bin` to `full_growth` are one value for all targets, or values by target,
    where ``"other"`` is for targets that are not named.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C. An MD3 of 2 d + 1 blocks halves frames and bins d times.
    modelled_bins
        Number of bins that the network models; the bins above are the mixture's in every estimate.
    split_bin
        Number of the first bin of the upper band.
    low_layers, high_layers, full_layers
        Numbers L of groups of the D2 in every block of an MD3, for the lower band, the upper band
        and all bins. The number of blocks is odd, with the deepest in the middle.
    low_growth, high_growth, full_growth
        Numbers g of channels that each of these blocks gives.
    filters
        Numbers of channels of the first convolution, for the three MD3.
    n_blocks
        Numbers M of groups of the D3, for the three MD3; 1 makes them a D2.
    final_layers, final_growth
        Numbers L and g of the D2 at the end.

    Returns
    -------
    keras.Model
        Network from the mixture's magnitude ``(batch, T, F, C)``, linear, to a list of one
        estimated magnitude for each target, of the same shape.

    Raises
    ------
    ParameterError
        If sizes do not fit each other.
    """
    if not 0 < modelled_bins <= n_bins:
        raise ParameterError(f"modelled_bins must be 1 to {n_bins}, the bins (got {modelled_bins})")
    for name, values in (("filters", filters), ("n_blocks", n_blocks)):
        if len(values) != 3:
            raise ParameterError(f"{name} takes 3 values: low, high, full (got {list(values)})")
    mixture = keras.Input((patch_frames, n_bins, n_channels), name="mixture")
    outputs = []
    for target in targets:
        split = _of(split_bin, target)
        if not 0 < split < modelled_bins:
            raise ParameterError(f"split_bin must be 1 to {modelled_bins - 1} (got {split})")
        scaled = _Standardise(name=f"{target}_input")(mixture[:, :, :modelled_bins])

        parts = []
        for part, x, layers, growth, n_filters, blocks in (
            ("low", scaled[:, :, :split], low_layers, low_growth, filters[0], n_blocks[0]),
            ("high", scaled[:, :, split:], high_layers, high_growth, filters[1], n_blocks[1]),
            ("full", scaled, full_layers, full_growth, filters[2], n_blocks[2]),
        ):
            name = f"{target}_{part}"
            x = _conv(n_filters, 3, f"{name}_conv")(x)
            parts.append(_md3(x, _of(layers, target), _of(growth, target), blocks, name))

        low, high, full = parts
        width = max(low.shape[-1], high.shape[-1])
        bands = [
            x if x.shape[-1] == width else _widened(x, width, f"{target}_{part}_widen")
            for part, x in (("low", low), ("high", high))
        ]
        # (batch, T, S, g) and (batch, T, F - S, g) -> (batch, T, F, g) -> (batch, T, F, g + g')
        x = keras.layers.Concatenate(axis=2)(bands)
        x = keras.layers.Concatenate()([x, full])
        x = _norm(f"{target}_output_norm")(_d2(x, final_layers, final_growth, f"{target}_final"))
        gate = keras.ops.sigmoid(_conv(n_channels, 1, f"{target}_gate")(x))
        x = gate * _conv(n_channels, 1, f"{target}_filter")(x)
        x = keras.layers.ReLU()(_Rescale(name=f"{target}_output")(x))
        if modelled_bins < n_bins:
            x = keras.layers.Concatenate(axis=2)([x, mixture[:, :, modelled_bins:]])
        outputs.append(x)
    return keras.Model(mixture, outputs, name="d3net")


def _of(option: Any, target: str) -> Any:
    if not isinstance(option, Mapping):
        return option
    if target not in option and "other" not in option:
        raise ParameterError(f"sizes by target need {target!r} or 'other' (got {list(option)})")
    return option[target if target in option else "other"]


def _md3(x: Any, layers: Sequence[int], growth: Sequence[int], n_blocks: int, name: str) -> Any:
    depth, is_even = divmod(len(layers) - 1, 2)
    if len(layers) != len(growth) or is_even:
        raise ParameterError(
            f"layers and growth of an MD3 must be as many, and odd "
            f"(got {list(layers)} and {list(growth)} for {name})"
        )
    if x.shape[1] % 2**depth or x.shape[2] % 2**depth:
        raise ParameterError(
            f"{len(layers)} blocks need multiples of {2**depth} frames and bins "
            f"(got {x.shape[1]} frames, {x.shape[2]} bins for {name})"
        )
    skips: list[Any] = []
    for number, (n_layers, n_channels) in enumerate(zip(layers, growth, strict=True), start=1):
        if number > depth + 1:
            up = keras.layers.Conv2DTranspose(x.shape[-1], 2, 2, name=f"{name}{number}_up")
            x = up(_norm(f"{name}{number}_up_norm")(x))
            x = keras.layers.Concatenate()([x, skips.pop()])
        x = _d3(x, n_layers, n_channels, n_blocks, f"{name}{number}")
        if number <= depth:
            skips.append(x)
            x = keras.layers.AveragePooling2D(2)(x)
    return x


def _d3(x: Any, n_layers: int, growth: int, n_blocks: int, name: str) -> Any:
    # only groups that are still added to are kept, and the next one is always the first
    groups = _d2(x, n_layers, growth * n_blocks, f"{name}_d1")
    for number in range(2, n_blocks + 1):
        first, later = groups[..., :growth], groups[..., growth:]
        groups = later + _d2(first, n_layers, later.shape[-1], f"{name}_d{number}")
    return groups


def _d2(x: Any, n_layers: int, growth: int, name: str) -> Any:
    groups = _norm_conv(x, growth * n_layers, f"{name}_conv1", dilation=1)
    for number in range(2, n_layers + 1):
        first, later = groups[..., :growth], groups[..., growth:]
        dilation = 2 ** (number - 1)
        groups = later + _norm_conv(first, later.shape[-1], f"{name}_conv{number}", dilation)
    return groups


def _norm_conv(x: Any, n_filters: int, name: str, dilation: int) -> Any:
    x = keras.layers.ReLU()(_norm(f"{name}_norm")(x))
    return _conv(n_filters, 3, name, dilation)(x)


def _widened(x: Any, n_filters: int, name: str) -> Any:
    return _conv(n_filters, 1, name)(_norm(f"{name}_norm")(x))


def _norm(name: str) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _conv(n_filters: int, kernel: int, name: str, dilation: int = 1) -> Any:
    return keras.layers.Conv2D(
        n_filters,
        kernel,
        dilation_rate=dilation,
        padding="same",
        kernel_initializer="glorot_normal",
        name=name,
    )


class _Standardise(keras.layers.Layer):
    # learned from 0 and 1; Sony begins with each bin's mean and deviation in the training songs
    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight(shape=(input_shape[2], 1), initializer="zeros", name="mean")
        self.scale = self.add_weight(shape=(input_shape[2], 1), initializer="ones", name="scale")

    def call(self, inputs: Any) -> Any:
        return (inputs - self.mean) / self.scale


class _Rescale(keras.layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(shape=(input_shape[2], 1), initializer="ones", name="scale")
        self.bias = self.add_weight(shape=(input_shape[2], 1), initializer="ones", name="bias")

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale + self.bias
