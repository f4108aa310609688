"""Weights of Spleeter's published TensorFlow 1 checkpoints, by an explicit table of names.

TensorFlow numbered the variables through all targets, in the order of the configuration. Each
target has 7 ``conv2d``, 6 ``conv2d_transpose`` and 12 ``batch_normalization``, of which the sixth
belongs to an output that nothing reads.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mssviz.errors import PretrainedError, reason
from mssviz.networks._tensorflow import tf

N_LEVELS = 6
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def name_table(targets: Sequence[str]) -> dict[str, str | None]:
    """Make the table of a checkpoint's variables and the Keras variables that they become.

    Parameters
    ----------
    targets
        Names of the targets, in the order of the checkpoint.

    Returns
    -------
    dict
        ``"layer/variable"`` by TensorFlow 1's name; None for variables of the layer that nothing
        reads.
    """
    table: dict[str, str | None] = {}
    for s, target in enumerate(targets):
        layers: list[tuple[str, str, Sequence[str]]] = []
        for i in range(N_LEVELS):
            n_norms = 2 * N_LEVELS * s
            layers += [
                (_numbered("conv2d", 7 * s + i), f"conv{i + 1}", ("kernel", "bias")),
                (_numbered("conv2d_transpose", 6 * s + i), f"up{i + 1}", ("kernel", "bias")),
                (_numbered("batch_normalization", n_norms + i), f"conv{i + 1}_norm", _NORM),
                (_numbered("batch_normalization", n_norms + 6 + i), f"up{i + 1}_norm", _NORM),
            ]
        layers.append((_numbered("conv2d", 7 * s + 6), "logits", ("kernel", "bias")))
        for theirs, ours, variables in layers:
            for variable in variables:
                dead = ours == f"conv{N_LEVELS}_norm"
                table[f"{theirs}/{variable}"] = None if dead else f"{target}_{ours}/{variable}"
    return table


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy a checkpoint's tensors into a network of `build_unet`.

    Parameters
    ----------
    model
        Keras model of the same targets, in the same order.
    paths
        Paths of the checkpoint's files, of which one ends in ``.index``.
    targets
        Names of the checkpoint's targets, in its order.

    Raises
    ------
    PretrainedError
        If the checkpoint cannot be read, or names, counts or shapes differ in any way.
    """
    prefix = next(path for path in paths if path.suffix == ".index").with_suffix("")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
    except Exception as error:  # TensorFlow turns its codes into Python's own exceptions
        raise PretrainedError(
            f"{prefix}: not a readable TensorFlow checkpoint ({reason(error)}); "
            "fetch the weights again"
        ) from error
    table = name_table(targets)
    present = {n for n in shapes if n != "global_step" and not _is_optimizer_slot(n)}
    if present != set(table):
        missing, extra = sorted(set(table) - present), sorted(present - set(table))
        raise PretrainedError(
            f"{prefix}: not a checkpoint of {len(targets)} U-Nets ({', '.join(targets)}): "
            f"{len(missing)} variables missing, {len(extra)} unknown "
            f"({', '.join((missing + extra)[:3])}); choose the preset that it belongs to"
        )
    variables = dict(_named_variables(model))
    wanted = {name for name in table.values() if name}
    if set(variables) != wanted:
        raise PretrainedError(f"the network's variables do not match {prefix}: build a U-Net")
    for theirs, ours in table.items():
        if ours is None:
            continue
        if types[theirs] != tf.float32:
            raise PretrainedError(f"{prefix}: {theirs} is no float32; fetch the weights again")
        if list(variables[ours].shape) != shapes[theirs]:
            raise PretrainedError(
                f"{prefix}: {theirs} has shape {shapes[theirs]}, the network needs "
                f"{list(variables[ours].shape)}; choose the preset that it belongs to"
            )
        try:
            variables[ours].assign(reader.get_tensor(theirs))
        except Exception as error:  # a CRC or a length is wrong
            raise PretrainedError(
                f"{prefix}: {theirs} is damaged ({reason(error)}); fetch the weights again"
            ) from error


def _numbered(kind: str, index: int) -> str:
    return f"{kind}_{index}" if index else kind


def _is_optimizer_slot(name: str) -> bool:
    return name.endswith(("/Adam", "/Adam_1")) or name in ("beta1_power", "beta2_power")


def _named_variables(model: Any) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        for variable in layer.weights:
            yield f"{layer.name}/{variable.name}", variable
