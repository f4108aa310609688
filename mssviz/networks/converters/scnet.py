"""Weights of SCNet as people share them, by an explicit table of names.

What shapes tell of the network, `described` reads out of them. Hop, shares and strides of the
bands, lengths and names of stems leave no trace in a file.

PyTorch's LSTM has two biases, which are added; its gates are in Keras' order.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.networks.converters.checkpoint import (
    Shapes,
    assign,
    check_names,
    check_shape,
    read_state,
    refuse_variants,
)

#: Their names and numbers of bands, axes and layers, by ours.
_PLACES = {
    "low": "0", "middle": "1", "high": "2", "bins": "0", "frames": "1",
    "norm1": "0", "in": "1", "depthwise": "3", "norm2": "4", "out": "6",
    "norm": "norm_layers", "lstm": "lstm_layers", "linear": "linear_layers",
    "hidden": "0", "output": "2",
}  # fmt: skip
_ENDS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
_LSTM = {"kernel": ("weight_ih",), "recurrent_kernel": ("weight_hh",),
         "bias": ("bias_ih", "bias_hh")}  # fmt: skip
_LSTM_0 = "separation_net.dp_modules.0.lstm_layers.0"
#: Forms of their names of layers, by those of ours.
_LAYERS = {
    r"encoder(\d+)_(low|middle|high)": "encoder.{}.SDlayer.convs.{}",
    r"encoder(\d+)_(low|middle|high)_module(\d+)_(\w+)": (
        "encoder.{}.conv_modules.{}.layers.{}.{}"
    ),
    r"encoder(\d+)_all": "encoder.{}.globalconv",
    r"decoder(\d+)_all": "decoder.{}.0.conv",
    r"decoder(\d+)_(low|middle|high)": "decoder.{}.1.convtrs.{}",
    r"path(\d+)_(bins|frames)_(norm|lstm|linear)": "separation_net.dp_modules.{0}.{2}.{1}",
    r"mask_(hidden|output)": "mask_layer.{}",
}

#: Networks of other kinds in files of the same kind, by what their names have.
_VARIANTS = {
    r"\.(transformer|attn|attention|rope)": "transformers (SCNet Tran)",
    r"mamba|\.mixer\.": "state spaces (Mamba)",
    r"^(band_split|sd_blocks|su_blocks)\.": "other names than the authors' code (SCNet-PyTorch)",
}


def is_scnet(names: Iterable[str]) -> bool:
    """Whether tensors of these names are of an SCNet."""
    return any(re.match(r"encoder\.\d+\.SDlayer\.|separation_net\.", name) for name in names)


def described(state: Mapping[str, AnyArray], path: Path) -> dict[str, Any]:
    """Find out what network a checkpoint is of, from the names and shapes of its tensors.

    Parameters
    ----------
    state
        Tensors by name, from `checkpoint.read_state`.
    path
        Path of the file, for messages.

    Returns
    -------
    dict
        Options of the network: ``type``, and those of `build_scnet` that shapes tell; and
        ``n_channels`` and ``n_stems``.

    Raises
    ------
    PretrainedError
        If it is no SCNet, or one with layers that this network lacks, which are named.
    """
    refuse_variants(state, _VARIANTS, path)
    shapes = Shapes(state, path, "an SCNet")
    n_levels = shapes.count(r"encoder\.(\d{1,4})\.")
    widths = [shapes.of(f"encoder.{level}.globalconv.weight", 4)[0] for level in range(n_levels)]
    downs = [shapes.of(f"encoder.0.SDlayer.convs.{band}.weight", 4) for band in range(3)]
    depths = [
        shapes.count(rf"encoder\.0\.conv_modules\.{b}\.layers\.(\d{{1,4}})\.", 0) for b in range(3)
    ]
    module = f"encoder.0.conv_modules.{depths.index(max(depths))}.layers.0"
    n_inputs, units = downs[0][1], shapes.of(f"{_LSTM_0}.weight_hh_l0", 2)[1]
    options = {
        "type": "scnet",
        "n_stems": shapes.quotient(
            shapes.of(f"decoder.{n_levels - 1}.1.convtrs.0.weight", 4)[1], n_inputs
        ),
        "n_channels": shapes.quotient(n_inputs, 2),
        "widths": widths,
        "kernels": [shape[2] for shape in downs],
        "depths": depths,
        "compression": shapes.quotient(widths[0], shapes.of(f"{module}.6.weight", 3)[1]),
        "module_kernel": shapes.of(f"{module}.1.weight", 3)[2],
        "n_paths": shapes.count(r"separation_net\.dp_modules\.(\d{1,4})\."),
        "expansion": shapes.quotient(units, widths[-1]),
        "masked": "pos_embed_f" in state,
    }
    if options["masked"]:
        options["n_fft"] = 2 * (shapes.of("pos_embed_f", 4)[2] - 1)
    return options


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy a checkpoint's tensors into a network of `build_scnet`.

    Parameters
    ----------
    model
        Keras model of the same targets, in the same order.
    paths
        Path of the one file.
    targets
        Names of the file's stems, in its order.

    Raises
    ------
    PretrainedError
        If the file cannot be read, holds another network, or names, counts or shapes differ in any
        way.
    """
    (path,) = paths
    state = read_state(path)
    table = name_table(model)
    known = {name for names in table.values() for name in names}
    check_names(state, known, path)
    wanted = {}
    for variable in model.weights:
        names, shape = table[variable.path], _shape(variable)
        for name in names:
            check_shape(name, state[name], shape, path)
        values = np.sum([state[name].astype(np.float32) for name in names], axis=0)
        # (out, in, bins, frames) -> (bins, frames, in, out), and all others to their reverse
        order = (2, 3, 1, 0) if values.ndim == 4 else range(values.ndim)[::-1]
        wanted[variable.path] = path, names[0], values.transpose(order).reshape(variable.shape)
    assign(model, wanted, path)


def _shape(variable: Any) -> tuple[int, ...]:
    """Shape of the tensor that becomes a variable."""
    shape = tuple(variable.shape)
    if variable.name == "position":
        n_bins, _, n_channels = shape
        return (1, n_channels, n_bins, 1)
    if len(shape) == 4:
        return (shape[3], shape[2], *shape[:2])
    return (shape[1], 1, shape[0]) if "_depthwise/kernel" in variable.path else shape[::-1]


def name_table(model: Any) -> dict[str, tuple[str, ...]]:
    """Make the table of a network's variables and the tensors that they sum.

    Parameters
    ----------
    model
        Keras model of `build_scnet`.

    Returns
    -------
    dict
        Names of PyTorch's tensors, by the path of the Keras variable.
    """
    return {
        variable.path: _names(layer.name, variable)
        for layer in model.layers
        for variable in layer.weights
    }


def _names(layer: str, variable: Any) -> tuple[str, ...]:
    if layer == "position":
        return ("pos_embed_f",)
    for pattern, form in _LAYERS.items():
        if match := re.fullmatch(pattern, layer):
            theirs = form.format(*map(_place, match.groups()))
            break
    else:
        raise AssertionError(f"{layer} is a layer of SCNet")
    if layer.endswith("_lstm"):
        end = "_l0_reverse" if "backward_lstm" in variable.path else "_l0"
        return tuple(f"{theirs}.{part}{end}" for part in _LSTM[variable.name])
    return (f"{theirs}.{_ENDS[variable.name]}",)


def _place(name: str) -> str:
    """Their number or name of what ours has in a layer's name."""
    if name.isdecimal():
        return str(int(name) - 1)
    return _PLACES[name]
