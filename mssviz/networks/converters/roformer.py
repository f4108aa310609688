"""Weights of BS-RoFormer and Mel-Band RoFormer as people share them, by an explicit table of names.

What shapes tell of the network, `described` reads out of them. Hop, lengths, names of stems and
sums of earlier layers leave no trace in a file.

Bands of equal width are stacked in our variables, and linear layers are transposed.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks.converters.checkpoint import (
    Shapes,
    assign,
    check_names,
    check_shape,
    read_state,
    refuse_variants,
)
from mssviz.networks.roformer_tables import frequencies, mel_bands

_AXES = ("time", "band")
_ROTARY = "rotary_embed.freqs"
#: Windows that mel bands are looked for in, samples.
_WINDOWS = tuple(1 << power for power in range(6, 15))
_PRECISIONS = ("float32", "float16")
#: Networks of other kinds in files of the same kind, by what their names have.
_VARIANTS = {
    r"\.segm\.": "a HyperACE head",
    r"pope_embed": "polar positions (PolarFormer)",
    r"to_value_residual_mix": "value residuals",
    r"(static|dynamic)_(alpha|beta)|hyper": "hyper-connections",
    r"fno|spectral|lifting": "a Fourier neural operator as head (FNO)",
    r"mask_estimators\.\d+\.(?!to_freqs)": "another head than linear layers (such as Large-Inst)",
    r"temperature|^layers\.\d+\.2\.": "linear attention",
    r"\.(ff1|ff2|conv|out_norm)\.": "conformers",
    r"linear_6[24]_bias|shared_(qkv|out)_bias|to_qkv\.bias": "biases that all layers share",
    r"lora_[AB]": "adapters (LoRA) beside its weights",
}
_LAYER = re.compile(r"layer(\d+)_(time|band)(\d*)_(attention|feedforward|norm)_?(\w*)")
#: Their names of the parts of a layer, by ours.
_PARTS = {
    ("attention", "norm", "gamma"): "0.norm.gamma",
    ("attention", "qkv", "kernel"): "0.to_qkv.weight",
    ("attention", "gates", "kernel"): "0.to_gates.weight",
    ("attention", "gates", "bias"): "0.to_gates.bias",
    ("attention", "out", "kernel"): "0.to_out.0.weight",
    ("feedforward", "norm", "gamma"): "1.net.0.gamma",
    ("feedforward", "linear1", "kernel"): "1.net.1.weight",
    ("feedforward", "linear1", "bias"): "1.net.1.bias",
    ("feedforward", "linear2", "kernel"): "1.net.4.weight",
    ("feedforward", "linear2", "bias"): "1.net.4.bias",
}


def described(state: Mapping[str, AnyArray], path: Path, sample_rate: int) -> dict[str, Any]:
    """Find out what network a checkpoint is of, from the names and shapes of its tensors.

    Parameters
    ----------
    state
        Tensors by name, from `checkpoint.read_state`.
    path
        Path of the file, for messages.
    sample_rate
        Sample rate of the mel scale, hertz.

    Returns
    -------
    dict
        Options of the network: ``type``, and those of its builder that shapes tell; and
        ``n_channels`` and ``n_stems``, the number of mask estimators.

    Raises
    ------
    PretrainedError
        If it is no RoFormer, or one with layers that these networks lack, which are named.
    """
    refuse_variants(state, _VARIANTS, path)
    shapes = Shapes(state, path, "a RoFormer")
    n_bands = shapes.count(r"band_split\.to_features\.(\d{1,4})\.")
    widths = [shapes.of(f"band_split.to_features.{band}.1.weight")[1] for band in range(n_bands)]
    dim = shapes.of("band_split.to_features.0.1.weight")[0]
    first, head = "layers.0.0.layers.0", "mask_estimators.0.to_freqs.0.0"
    heads = shapes.of(f"{first}.0.to_gates.weight")[0]
    head_dim = shapes.rows(f"{first}.0.to_qkv.weight", 3 * heads)
    mask_depth = len([n for n in state if n.startswith(f"{head}.") and n.endswith(".weight")])
    is_mel = "final_norm.gamma" not in state
    options = {
        "type": "mel_roformer" if is_mel else "bs_roformer",
        "n_stems": shapes.count(r"mask_estimators\.(\d{1,4})\."),
        "dim": dim,
        "depth": shapes.count(r"layers\.(\d{1,4})\."),
        "time_layers": shapes.count(r"layers\.0\.0\.layers\.(\d{1,4})\."),
        "band_layers": shapes.count(r"layers\.0\.1\.layers\.(\d{1,4})\."),
        "heads": heads,
        "head_dim": head_dim,
        "feedforward": shapes.rows(f"{first}.1.net.1.weight", dim),
        "mask_depth": mask_depth,
        "mask_expansion": shapes.rows(f"{head}.0.weight", dim) if mask_depth > 1 else 1,
        "rotary": rotary_of(state, head_dim, path),
    }
    return options | _bands(widths, is_mel, sample_rate, path)


def rotary_of(state: Mapping[str, AnyArray], head_dim: int, path: Path) -> str:
    """Find the precision in which a checkpoint has the frequencies of its rotations.

    Parameters
    ----------
    state
        Tensors by name.
    head_dim
        Number of features of a head.
    path
        Path of the file, for messages.

    Raises
    ------
    PretrainedError
        If they are others than those of RoPE: then the network was trained with others, or the
        file is damaged, and its estimates would be wrong without a word.
    """
    stored = {name: tensor for name, tensor in state.items() if name.endswith(_ROTARY)}
    if not stored:
        return _PRECISIONS[0]
    for precision in _PRECISIONS:
        expected = frequencies(head_dim, precision)
        if all(
            tensor.shape == expected.shape and np.allclose(tensor, expected, rtol=3e-7, atol=0)
            for tensor in stored.values()
        ):
            return precision
    raise PretrainedError(
        f"{path}: its rotary frequencies are not 10000^(-2k / {head_dim}), in single or in half "
        "precision; this network cannot be run with others"
    )


def load(model: Any, paths: Sequence[Path], targets: Sequence[str]) -> None:
    """Copy a checkpoint's tensors into a network of `build_bs_roformer` or `build_mel_roformer`.

    Parameters
    ----------
    model
        Keras model of the same targets, in the same order.
    paths
        Path of the one file.
    targets
        Names of the file's stems, in its order; a target that is what the others leave of the
        mixture comes last and has no tensors.

    Raises
    ------
    PretrainedError
        If the file cannot be read, holds another network, or names, counts, shapes or rotary
        frequencies differ in any way.
    """
    (path,) = paths
    state = read_state(path)
    refuse_variants(state, _VARIANTS, path)
    table = name_table(model, targets)
    known = {name for names in table.values() for name in _listed(names)}
    rotary = {n.replace("to_qkv.weight", _ROTARY) for n in known if n.endswith("to_qkv.weight")}
    known |= rotary if rotary & set(state) else set()
    check_names(state, known, path)
    attention = model.get_layer("layer1_time_attention")
    if (found := rotary_of(state, attention.head_dim, path)) != attention.rotary:
        raise PretrainedError(
            f"{path}: its rotary frequencies were kept in {found}, the network has them in "
            f"{attention.rotary}; set model.rotary of the configuration to {found}"
        )
    assign(model, _stacked(model, state, table, path), path)


def _stacked(
    model: Any, state: Mapping[str, AnyArray], table: Mapping[str, str | list[str]], path: Path
) -> dict[str, tuple[Path, str, AnyArray]]:
    """Values of every variable, as `assign` takes them."""
    shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
    wanted = {}
    for ours, theirs in table.items():
        shape = shapes[ours][isinstance(theirs, list) :]
        for name in _listed(theirs):
            check_shape(name, state[name], shape[::-1], path)
        parts = [state[name].T.astype(np.float32) for name in _listed(theirs)]
        values = np.stack(parts) if isinstance(theirs, list) else parts[0]
        wanted[ours] = path, _listed(theirs)[0], values
    return wanted


def _listed(names: str | list[str]) -> list[str]:
    return names if isinstance(names, list) else [names]


# --- Names --------------------------------------------------------------------------------------


def name_table(model: Any, targets: Sequence[str]) -> dict[str, str | list[str]]:
    """Make the table of a network's variables and the tensors that they become.

    Parameters
    ----------
    model
        Keras model of `build_bs_roformer` or `build_mel_roformer`.
    targets
        Names of its targets, in the order of the file.

    Returns
    -------
    dict
        By the path of the variable, a tensor's name, or a list of those that are stacked in it.
    """
    estimators = {f"{target}_mask": number for number, target in enumerate(targets)}
    table: dict[str, str | list[str]] = {}
    for layer in model.layers:
        for variable in layer.weights:
            if layer.name in estimators:
                table[variable.path] = _of_estimator(layer, variable, estimators[layer.name])
            elif layer.name == "band_split":
                table[variable.path] = _of_band_split(layer, variable)
            else:
                table[variable.path] = _of_layer(layer.name, variable.name)
    return table


def _of_layer(layer: str, variable: str) -> str:
    if layer == "norm":
        return "final_norm.gamma"
    match = _LAYER.fullmatch(layer)
    assert match, f"{layer} is a layer of a RoFormer"
    level, axis, number, kind, part = match.groups()
    transformer = f"layers.{int(level) - 1}.{_AXES.index(axis)}"
    if kind == "norm":
        return f"{transformer}.norm.gamma"
    return f"{transformer}.layers.{int(number or 1) - 1}.{_PARTS[kind, part, variable]}"


def _of_band_split(layer: Any, variable: Any) -> list[str]:
    kind, number = _split(variable.name)
    end = {"gamma": "0.gamma", "kernel": "1.weight", "bias": "1.bias"}[kind]
    return [f"band_split.to_features.{band}.{end}" for band in _run(layer.runs, number)]


def _of_estimator(layer: Any, variable: Any, estimator: int) -> list[str]:
    kind, number = _split(variable.name)
    is_hidden = kind.endswith("_hidden")
    bands = range(sum(n for n, _ in layer.runs)) if is_hidden else _run(layer.runs, number)
    # linear layers alternate with activations
    place = 2 * (number - 1) if is_hidden else 2 * (layer.depth - 1)
    end = "weight" if kind.startswith("kernel") else "bias"
    return [f"mask_estimators.{estimator}.to_freqs.{band}.0.{place}.{end}" for band in bands]


def _split(name: str) -> tuple[str, int]:
    """Kind and number of a variable, such as ``kernel_hidden`` and 1."""
    kind = name.rstrip("0123456789")
    return kind, int(name.removeprefix(kind))


def _run(runs: Sequence[tuple[int, int]], number: int) -> range:
    """Bands that lie side by side and are equally wide: the run of this number, from 1 on."""
    first = sum(n for n, _ in runs[: number - 1])
    return range(first, first + runs[number - 1][0])


# --- Shapes -------------------------------------------------------------------------------------


def _bands(widths: Sequence[int], is_mel: bool, sample_rate: int, path: Path) -> dict[str, Any]:
    """Channels, window and bands that give these numbers of inputs."""
    for n_channels in (2, 1):
        bins, rest = zip(*(divmod(width, 2 * n_channels) for width in widths), strict=True)
        if any(rest):
            continue
        if not is_mel and (n_fft := 2 * (sum(bins) - 1)) & (n_fft - 1) == 0 and n_fft >= 4:
            return {"n_channels": n_channels, "n_fft": n_fft, "bands": list(bins)}
        for n_fft in _WINDOWS if is_mel and len(bins) <= max(bins) * 4 else ():
            if n_fft // 2 >= len(bins) and _widths(sample_rate, n_fft, len(bins)) == bins:
                return {"n_channels": n_channels, "n_fft": n_fft, "n_bands": len(bins)}
    scheme = f"mel bands at {sample_rate} Hz" if is_mel else "bands of a power of two"
    raise PretrainedError(
        f"{path}: its {len(widths)} bands, {sum(widths)} numbers a frame, are no {scheme}; this "
        "network cuts spectra in another way"
    )


def _widths(sample_rate: int, n_fft: int, n_bands: int) -> tuple[int, ...]:
    try:
        return tuple(width for _, width in mel_bands(sample_rate, n_fft, n_bands))
    except ParameterError:  # bands without bins
        return ()
