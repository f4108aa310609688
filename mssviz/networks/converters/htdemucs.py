"""Weights of HTDemucs as its authors publish them, by an explicit table of names.

Files are those of demucs 4, ``SIGNATURE-HASH.th``: tensors, mostly of half precision, with the
network's class and options; or what its tool makes of these, in safetensors. What the options say
of the network where shapes cannot tell is compared; nothing that a file names is run.

PyTorch keeps the kernels of queries, keys and values in one tensor, which two layers share here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mssviz._typing import AnyArray
from mssviz._values import is_number, shown
from mssviz.errors import PretrainedError
from mssviz.networks.converters.checkpoint import (
    Shapes,
    assign,
    check_names,
    check_shape,
    read_package,
    refuse_variants,
)
from mssviz.networks.htdemucs_transformer import Attention

#: Forms of their names of layers, by those of ours, without target and branch.
_LAYERS = {
    r"(encoder)(\d+)_(conv|rewrite)": "{begin}{}.{}.{}",
    r"(decoder)(\d+)_conv": "{begin}{}.{}.conv_tr",
    r"(decoder)(\d+)_(rewrite)": "{begin}{}.{}.{}",
    r"(encoder|decoder)(\d+)_residual(\d+)_(\w+)": "{begin}{}.{}.dconv.layers.{}.{}",
    r"(embedding)": "freq_emb.{}",
    r"(up|down)": "channel_{}sampler{end}",
    r"norm": "crosstransformer.norm_in{end}",
    r"layer(\d*[13579])_(q|kv|out)": "crosstransformer.layers{end}.{}.self_attn.{}",
    r"layer(\d*[02468])_(q|kv|out)": "crosstransformer.layers{end}.{}.cross_attn.{}",
    r"layer(\d+)_(norm.*|linear.|scale.)": "crosstransformer.layers{end}.{}.{}",
}
#: Paths of kernels that are convolutions of 1 there.
_POINTWISE = r"(^|_)(up|down)_(spectral|temporal)/kernel$"
#: Their numbers and names of what ours have in layers' names.
_PARTS = {
    "narrow": "0", "narrow_norm": "1", "wide": "3", "wide_norm": "4", "scale": "6",
    "q": "in_proj", "kv": "in_proj", "out": "out_proj", "scale1": "gamma_1", "scale2": "gamma_2",
}  # fmt: skip
_ENDS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "scale": "scale",
         "embedding": "weight"}  # fmt: skip
#: Options of the authors' code that leave no trace in shapes, with the values of this network.
FIXED = {
    "growth": 2, "cac": True, "freq_emb": 0.2, "emb_scale": 10, "stride": 4, "dconv_depth": 2,
    "num_subbands": 1, "t_emb": "sin", "t_norm_in": True, "t_norm_in_group": False,
    "t_group_norm": False, "t_norm_first": True, "t_max_period": 10000.0, "t_gelu": True,
    "t_weight_pos_embed": 1.0, "t_sin_random_shift": 0, "t_cross_first": False,
    "t_sparse_self_attn": False, "t_sparse_cross_attn": False,
}  # fmt: skip
#: Number of heads that networks of the authors have, if they do not say it.
HEADS = 8
_MOST_HEADS = 1 << 10

#: Networks of other kinds in files of the same kind, by what their names have.
_VARIANTS = {
    r"\.dconv\.layers\.\d+\.\d+\.(lstm|content|query)": "LSTMs or attention in its branches "
    "(Hybrid Demucs 3)",
    r"^(en|de)coder\.\d+\.layers\.": "layers of their own for bands (multi_freqs)",
    r"^t?(en|de)coder\.\d+\.norm\d\.": "norms behind its convolutions (norm_starts)",
    r"cross_attn\.(q|k|v)\.|self_attn\.(q|k|v)\.": "sparse attention",
    r"position_embeddings": "learnt positions (t_emb)",
}


def is_htdemucs(names: Iterable[str]) -> bool:
    """Whether tensors of these names are of an HTDemucs, or of the Hybrid Demucs before it."""
    return any(re.match(r"tencoder\.\d+\.|crosstransformer\.", name) for name in names)


def described(
    state: Mapping[str, AnyArray], options: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """Find out what network a checkpoint is of, from its tensors and what it says of them.

    Parameters
    ----------
    state, options
        Tensors by name, and options by theirs, from `checkpoint.read_package`.
    path
        Path of the file, for messages.

    Returns
    -------
    dict
        Options of the network: ``type``, and those of `build_htdemucs`; and ``n_channels`` and
        ``n_stems``.

    Raises
    ------
    PretrainedError
        If it is no HTDemucs, or one with layers that this network lacks, which are named.
    """
    refuse_variants(state, _VARIANTS, path)
    shapes = Shapes(state, path, "an HTDemucs")
    channels, n_channels, _ = shapes.of("tencoder.0.conv.weight", 3)
    depth = shapes.count(r"tencoder\.(\d{1,4})\.")
    heads = options.get("t_heads", HEADS)
    if not is_number(heads) or not 1 <= heads <= _MOST_HEADS:
        raise PretrainedError(
            f"{path}: t_heads must be from 1 to {_MOST_HEADS} (got {shown(heads)}); choose another "
            "file"
        )
    return {
        "type": "htdemucs",
        "n_channels": n_channels,
        "n_stems": shapes.quotient(
            shapes.of(f"tdecoder.{depth - 1}.conv_tr.weight", 3)[1], n_channels
        ),
        "n_fft": 8 * shapes.of("freq_emb.embedding.weight")[0],
        "channels": channels,
        "depth": depth,
        "compression": shapes.quotient(
            channels, shapes.of("tencoder.0.dconv.layers.0.0.weight", 3)[0]
        ),
        "bottom": shapes.of(up, 3)[0] if (up := "channel_upsampler.weight") in state else 0,
        "layers": shapes.count(r"crosstransformer\.layers\.(\d{1,4})\."),
        "heads": int(heads),
    }


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy the tensors of one file, or of a bag's files, into a network of `build_htdemucs`.

    Parameters
    ----------
    model
        Keras model of the same targets, in the same order.
    paths
        Path of the one file, or of a file for each target, in their order.
    targets
        Names of the files' stems, in their order.

    Raises
    ------
    PretrainedError
        If a file cannot be read, holds another network, or names, counts, shapes or options differ
        in any way.
    """
    layers = {layer.name for layer in model.layers}
    is_bag = f"{targets[0]}_encoder1_spectral_conv" in layers
    prefixes = [f"{target}_" if is_bag else "" for target in targets[: None if is_bag else 1]]
    if len(paths) != len(prefixes):
        raise PretrainedError(
            f"{paths[0]}: {len(paths)} files of weights were given, the network needs "
            f"{len(prefixes)}: one, or one for each target of a bag"
        )
    wanted: dict[str, tuple[Path, str, AnyArray]] = {}
    for path, prefix in zip(paths, prefixes, strict=True):
        state, options = read_package(path)
        _check_options(model, options, path)
        table = name_table(model, prefix)
        check_names(state, {name for name, _, _ in table.values()}, path)
        for place, (name, shape, rows) in table.items():
            check_shape(name, state[name], shape, path)
            wanted[place] = path, name, _values(state[name][rows], place)
    assign(model, wanted, paths[0])


def _check_options(model: Any, options: Mapping[str, Any], path: Path) -> None:
    """Compare what a file says of its network with ours, where shapes cannot tell."""
    needed = dict(FIXED)
    if heads := [layer.heads for layer in model.layers if isinstance(layer, Attention)]:
        needed["t_heads"] = heads[0]
    for name, value in needed.items():
        if options.get(name, value) != value:
            raise PretrainedError(
                f"{path}: its network has {name} {shown(options[name])}, this one {value}; choose "
                "the preset that it belongs to"
            )


def _values(tensor: AnyArray, place: str) -> AnyArray:
    if tensor.ndim == 4:  # (out, in, bins, frames) -> (bins, frames, in, out), and transposed alike
        return tensor.transpose(2, 3, 1, 0)
    if re.search(_POINTWISE, place):
        return tensor[..., 0].T
    return tensor if place.endswith("/embedding") else tensor.T


def name_table(model: Any, prefix: str = "") -> dict[str, tuple[str, tuple[int, ...], slice]]:
    """Make the table of a network's variables and the tensors that they become.

    Parameters
    ----------
    model
        Keras model of `build_htdemucs`.
    prefix
        Beginning of the names of a bag's layers that belong to one file, such as ``"bass_"``.

    Returns
    -------
    dict
        Name of PyTorch's tensor, its shape and the rows of it, by the path of the Keras variable.
    """
    return {
        variable.path: _source(layer.name.removeprefix(prefix), variable)
        for layer in model.layers
        if layer.name.startswith(prefix)
        for variable in layer.weights
    }


def _source(layer: str, variable: Any) -> tuple[str, tuple[int, ...], slice]:
    name, shape, rows = _name(layer), _shape(variable), slice(None)
    if layer.endswith(("_q", "_kv")):
        n_rows, *others = shape
        dim = n_rows if layer.endswith("_q") else n_rows // 2
        rows = slice(dim) if layer.endswith("_q") else slice(dim, None)
        shape = (3 * dim, *others)
    separator = "_" if name.endswith("in_proj") else "."
    return f"{name}{separator}{_ENDS[variable.name]}", shape, rows


def _name(layer: str) -> str:
    stage, branch, part = re.split(r"_(spectral|temporal)", layer, maxsplit=1)
    begin, end = ("t", "_t") if branch == "temporal" else ("", "")
    for pattern, form in _LAYERS.items():
        if match := re.fullmatch(pattern, stage + part):
            return form.format(*map(_part, match.groups()), begin=begin, end=end)
    raise AssertionError(f"{layer} is a layer of HTDemucs")


def _part(name: str) -> str:
    return str(int(name) - 1) if name.isdecimal() else _PARTS.get(name, name)


def _shape(variable: Any) -> tuple[int, ...]:
    """Shape of the tensor that becomes a variable."""
    shape = tuple(variable.shape)
    if len(shape) == 4:
        return (shape[3], shape[2], *shape[:2])
    if re.search(_POINTWISE, variable.path):
        return (*shape[::-1], 1)
    return shape if variable.name == "embedding" else shape[::-1]
