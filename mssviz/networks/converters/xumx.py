"""Weights of X-UMX as asteroid saved them, by an explicit table of names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mssviz.networks.converters.checkpoint import assign, tensors
from mssviz.networks.converters.openunmix import matched, n_layers, name_table
from mssviz.networks.converters.torch_file import read_torch


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy a model that asteroid saved (``XUMX.serialize``) into a network of `build_xumx`.

    Parameters
    ----------
    model
        Keras model of the same targets, in any order.
    paths
        Path of the one file, with ``state_dict``.
    targets
        Names of the model's targets.

    Raises
    ------
    PretrainedError
        If the file cannot be read, or names, counts or shapes differ in any way.
    """
    (path,) = paths
    saved = read_torch(path)
    found = tensors(saved.get("state_dict") if isinstance(saved, dict) else None, path)
    unused = {"encoder.0.window", "decoder.window"}
    table: dict[str, tuple[str, ...]] = {}
    for target in targets:
        renamed = {
            "fc1": f"layer_enc.{target}.enc.0",
            "bn1": f"layer_enc.{target}.enc.1",
            "lstm": f"layer_lstm.{target}",
            "fc2": f"layer_dec.{target}.dec.0",
            "bn2": f"layer_dec.{target}.dec.1",
            "fc3": f"layer_dec.{target}.dec.3",
            "bn3": f"layer_dec.{target}.dec.4",
        }
        unused |= {f"{renamed[norm]}.num_batches_tracked" for norm in ("bn1", "bn2", "bn3")}
        for ours, parts in name_table(target, n_layers(model, target)).items():
            layers = [part.partition(".") for part in parts]
            table[ours] = tuple(
                f"{renamed[layer]}.{rest}" if rest else f"mean_scale.{layer}_{target}"
                for layer, _, rest in layers
            )
    wanted = matched({n: t for n, t in found.items() if n not in unused}, table, path)
    assign(model, wanted, path)
