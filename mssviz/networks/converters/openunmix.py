"""Weights of Open-Unmix as PyTorch saved them, by an explicit table of names.

Dense layers are stored transposed. An LSTM of PyTorch has two biases, whose sum is the one of
Keras; both order the four gates as input, forget, cell, output.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import PretrainedError
from mssviz.networks.converters.checkpoint import assign, check_names, tensors
from mssviz.networks.converters.torch_file import read_torch

#: What files of Open-Unmix may hold besides weights; the last three only until 2020.
UNUSED = frozenset([
    "bn1.num_batches_tracked", "bn2.num_batches_tracked", "bn3.num_batches_tracked",
    "sample_rate", "stft.window", "transform.0.window",
])  # fmt: skip
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var"}  # fmt: skip
_LSTM = {"kernel": ("weight_ih",), "recurrent_kernel": ("weight_hh",),
         "bias": ("bias_ih", "bias_hh")}  # fmt: skip


def name_table(target: str, n_layers: int = 3) -> dict[str, tuple[str, ...]]:
    """Make the table of a target's variables and the tensors of Open-Unmix that they sum.

    Parameters
    ----------
    target
        Name of the target.
    n_layers
        Number of LSTM layers.

    Returns
    -------
    dict
        Names of PyTorch's tensors, by the path of the Keras variable.
    """
    table: dict[str, tuple[str, ...]] = {}
    for side in ("input", "output"):
        for kind in ("mean", "scale"):
            table[f"{target}_{side}/{kind}"] = (f"{side}_{kind}",)
    for number in (1, 2, 3):
        table[f"{target}_fc{number}/kernel"] = (f"fc{number}.weight",)
        for ours, theirs in _NORM.items():
            table[f"{target}_bn{number}/{ours}"] = (f"bn{number}.{theirs}",)
    for level in range(n_layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            for ours, parts in _LSTM.items():
                path = f"{target}_lstm{level + 1}/{direction}_lstm/lstm_cell/{ours}"
                table[path] = tuple(f"lstm.{part}_l{level}{suffix}" for part in parts)
    return table


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy files ``TARGET.pth``, one for each target, into a network of `build_openunmix`.

    Parameters
    ----------
    model
        Keras model of the same targets.
    paths
        Paths of files with one state dictionary each, named like their targets.
    targets
        Names of the model's targets; the one that is what the others leave of the mixture has no
        file.

    Raises
    ------
    PretrainedError
        If a file cannot be read, or names, counts or shapes differ in any way.
    """
    wanted: dict[str, tuple[Path, str, AnyArray]] = {}
    by_target = {path.stem: path for path in paths}
    for target in (target for target in targets if target in by_target):
        path = by_target[target]
        found = tensors(read_torch(path), path)
        table = name_table(target, n_layers(model, target))
        wanted |= matched({n: t for n, t in found.items() if n not in UNUSED}, table, path)
    assign(model, wanted, paths[0].parent)


def n_layers(model: Any, target: str) -> int:
    """Number of LSTM layers that a target has."""
    return sum(layer.name.startswith(f"{target}_lstm") for layer in model.layers)


def matched(
    tensors: Mapping[str, AnyArray], table: Mapping[str, tuple[str, ...]], path: Path
) -> dict[str, tuple[Path, str, AnyArray]]:
    """Find the values of every variable, with the file and the tensor that they come from."""
    known = {name for parts in table.values() for name in parts}
    check_names(tensors, known, path, remedy="choose the preset that it belongs to")
    found = {}
    for ours, parts in table.items():
        values = [tensors[part] for part in parts]
        if len({v.shape for v in values}) > 1 or not all(v.dtype.kind == "f" for v in values):
            raise PretrainedError(
                f"{path}: {', '.join(parts)} must be tensors of real numbers, alike; get it again"
            )
        found[ours] = path, parts[0], np.sum(values, axis=0).T
    return found
