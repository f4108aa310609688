"""Weights of Demucs' published PyTorch files, by an explicit table of names.

Version 2 published the tensors alone, ``NAME-HASH.th``. What it trains, it keeps as a dict of them
(``state``), the network's class and its options. Version 1 published these as a tuple, ``NAME.th``
and, rounded so that it compresses well, ``NAME.th.gz``. Only the tensors and options are read;
nothing that a file names is run. Quantised files of version 2 need the package diffq.

Both versions have one last convolution for all targets, of which each target's own layer gets its
channels. PyTorch's LSTM has two biases, which are added; its gates are in Keras' order.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import PretrainedError
from mssviz.networks.converters.checkpoint import check_names
from mssviz.networks.converters.torch_file import read_torch

_QUANTIZED = "compressed"
#: Options of Demucs' code that `build_demucs` does not have, with the values that it is built for.
_FIXED = {"rewrite": True, "glu": True, "upsample": False}


def name_table(depth: int, lstm_layers: int, targets: Sequence[str]) -> dict[str, list[str]]:
    """Make the table of a file's tensors and the Keras variables that they become.

    Parameters
    ----------
    depth, lstm_layers
        Numbers of encoders and of LSTM layers, as in `build_demucs`.
    targets
        Names of the targets, in the order of the file.

    Returns
    -------
    dict
        By PyTorch's name, a list of ``"layer/variable"`` or ``"layer/direction/variable"``; several
        variables share the tensor's channels, and a variable that comes twice is the sum of two
        tensors.
    """
    layers: dict[str, list[str]] = {}
    for level in range(depth):
        layers[f"encoder.{level}.0"] = [f"encoder{level + 1}_conv"]
        layers[f"encoder.{level}.2"] = [f"encoder{level + 1}_rewrite"]
        layers[f"decoder.{level}.0"] = [f"decoder{level + 1}_rewrite"]
        layers[f"decoder.{level}.2"] = [f"decoder{level + 1}_conv"]
    layers[f"decoder.{depth - 1}.2"] = [f"{target}_output" for target in targets]
    if lstm_layers:
        layers["lstm.linear"] = ["dense"]
    table = {}
    for theirs, ours in layers.items():
        table[f"{theirs}.weight"] = [f"{layer}/kernel" for layer in ours]
        table[f"{theirs}.bias"] = [f"{layer}/bias" for layer in ours]
    for level in range(lstm_layers):
        for suffix, direction in (("", "forward"), ("_reverse", "backward")):
            layer, end = f"blstm{level + 1}/{direction}", f"l{level}{suffix}"
            table[f"lstm.lstm.weight_ih_{end}"] = [f"{layer}/kernel"]
            table[f"lstm.lstm.weight_hh_{end}"] = [f"{layer}/recurrent_kernel"]
            table[f"lstm.lstm.bias_ih_{end}"] = [f"{layer}/bias"]
            table[f"lstm.lstm.bias_hh_{end}"] = [f"{layer}/bias"]
    return table


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy a file's tensors into a network of `build_demucs`.

    Parameters
    ----------
    model
        Keras model of the same targets, in the same order.
    paths
        Path of the one file, of version 1 or 2.
    targets
        Names of the file's targets, in its order: drums, bass, other, vocals in all published ones.

    Raises
    ------
    PretrainedError
        If the file cannot be read, is quantised, holds another network or one with other options,
        or if names, counts or shapes differ in any way.

    Notes
    -----
    Files with the tensors alone do not tell the stride, nor whether the layers work at twice the
    rate; in those of version 2 they do.
    """
    (path,) = paths
    demucs, other, namespace = (type(name, (), {}) for name in ("Demucs", "Other", "Namespace"))
    content = read_torch(
        path,
        {
            "demucs.model.Demucs": demucs,
            "demucs.tasnet.ConvTasNet": other,
            # options of the training
            "argparse.Namespace": namespace,
            "pathlib.PosixPath": lambda *_: None,
            "pathlib.WindowsPath": lambda *_: None,
            "_codecs.encode": lambda *_: None,  # bytes, in quantised files
        },
    )
    state = content
    if isinstance(content, tuple) and len(content) == 4:
        kind, arguments, options, state = content
        _check_kind(kind is demucs, path)
        _check_options(model, arguments, options, {"resample": False}, targets, path)
    elif isinstance(content, Mapping) and "klass" in content:
        kind, arguments, options = (content.get(key) for key in ("klass", "args", "kwargs"))
        state = content.get("state")
        _check_kind(kind is demucs, path)
        _check_options(model, arguments, options, {"resample": True}, targets, path)
    if not isinstance(state, Mapping):
        raise PretrainedError(f"{path}: holds no weights of Demucs 1 or 2; choose another file")
    if _QUANTIZED in state:
        raise PretrainedError(
            f"{path}: its weights are quantised (diffq), which mssviz cannot read; choose the file "
            "without 'quantized' in its name"
        )
    load_state(model, state, targets, path)


def load_state(
    model: Any, state: Mapping[str, AnyArray], targets: Sequence[str], path: Path
) -> None:
    """Copy tensors by PyTorch's names, which came from `path`, as `load` does."""
    names = [layer.name for layer in model.layers]
    depth = sum(name.startswith("encoder") and name.endswith("_conv") for name in names)
    table = name_table(depth, sum(name.startswith("blstm") for name in names), targets)
    check_names(
        state, table, path, f"the weights of a Demucs of depth {depth}",
        "choose the preset that they belong to",
    )  # fmt: skip
    variables = dict(_named_variables(model))
    found: dict[str, AnyArray] = {}
    for theirs, ours in table.items():
        if not isinstance(state[theirs], np.ndarray) or state[theirs].dtype.kind != "f":
            raise PretrainedError(f"{path}: {theirs} is no tensor of real numbers; get it again")
        # convolutions (out, in, n) or, transposed, (in, out, n) -> (n, in, out) or (n, out, in);
        # dense layers (out, in) -> (in, out)
        values = np.atleast_1d(np.asarray(state[theirs].T, np.float32))
        parts = np.array_split(values, len(ours), axis=max(0, values.ndim - 2))
        for name, part in zip(ours, parts, strict=True):
            if name in variables and part.shape != tuple(variables[name].shape):
                raise PretrainedError(
                    f"{path}: {theirs} gives {name} the shape {part.shape}, the network needs "
                    f"{tuple(variables[name].shape)}; choose the preset that it belongs to"
                )
            found[name] = found[name] + part if name in found else part
    if set(found) != set(variables):
        raise PretrainedError(f"the network's variables do not match {path}: build a Demucs")
    for name, variable in variables.items():
        variable.assign(found[name])


def _check_kind(is_demucs: bool, path: Path) -> None:
    if not is_demucs:
        raise PretrainedError(f"{path}: holds another network than Demucs; choose another file")


def _check_options(
    model: Any,
    arguments: Any,
    options: Any,
    defaults: Mapping[str, Any],
    targets: Sequence[str],
    path: Path,
) -> None:
    """Compare what a file says of its network with ours, where shapes cannot tell."""
    if not isinstance(options, Mapping) or not isinstance(arguments, tuple) or len(arguments) > 1:
        raise PretrainedError(f"{path}: does not name its network's options; choose another file")
    found = {"stride": 4, "sources": 4, "normalize": False, **_FIXED, **defaults, **options}
    if arguments:
        found["sources"] = arguments[0]
    names = {layer.name for layer in model.layers}
    needed = {
        **_FIXED,
        "stride": model.get_layer("encoder1_conv").strides[0],
        "resample": "upsample" in names,
        "sources": list(targets) if isinstance(found["sources"], list) else len(targets),
    }
    if found["normalize"] is not False:  # without it, songs must come normalised
        needed["normalize"] = "level" in names
    for name, value in needed.items():
        if type(found[name]) is not type(value) or found[name] != value:
            theirs = repr(found[name]).splitlines()[0][:60]
            raise PretrainedError(
                f"{path}: its network has {name} {theirs}, this one {value}; choose the preset "
                "that it belongs to"
            )


def _named_variables(model: Any) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if layer.name.startswith("blstm"):
            for direction in ("forward", "backward"):
                for variable in getattr(layer, f"{direction}_layer").weights:
                    yield f"{layer.name}/{direction}/{variable.name}", variable
            continue
        for variable in layer.weights:
            yield f"{layer.name}/{variable.name}", variable
