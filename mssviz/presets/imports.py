"""Presets of checkpoints that people bring: a folder with the file and what was found out of it.

A checkpoint's tensors tell most of its network. What they do not tell, the configuration beside it
does, a yaml of the program Music-Source-Separation-Training, as people publish it; where both speak
of the same, they must agree.
"""

import json
import shutil
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mssviz._checks import as_path
from mssviz._files import chosen_folder, new_folder, sha256
from mssviz._stems import ACCOMPANIMENT, source_name
from mssviz._typing import PathLike
from mssviz._values import Values, is_name, load_yaml, shown
from mssviz.errors import FileError, ParameterError, PretrainedError
from mssviz.presets import scnets
from mssviz.presets.preset import CONFIG

#: Hop of each kind if no configuration says it: that of most published files.
_HOPS = {"bs_roformer": 512, "mel_roformer": 441, "scnet": 1024}
#: Length of a chunk if no configuration says it, seconds.
_CHUNK_SECONDS = 8
_MOST_STEMS = 64
_CITATIONS = {
    "bs_roformer": "Lu, Wang, Kong and Hung, arXiv:2309.02612 (the network)",
    "mel_roformer": "Wang, Lu and Won, arXiv:2310.01809 (the network)",
    "scnet": "Tong et al., arXiv:2401.13276 (the network)",
}
#: What is guessed of each network, beside hop, chunk and names, if no configuration says it.
_GUESSED = {
    "bs_roformer": "that pairs of layers are not summed",
    "mel_roformer": "that pairs of layers are not summed",
    "scnet": "the bands' shares and strides",
}
#: Their names of what tensors tell of a RoFormer, by ours.
_TOLD = {
    "dim": "dim",
    "depth": "depth",
    "time_layers": "time_transformer_depth",
    "band_layers": "freq_transformer_depth",
    "heads": "heads",
    "head_dim": "dim_head",
    "mask_expansion": "mlp_expansion_factor",
    "n_fft": "stft_n_fft",
    "n_bands": "num_bands",
    "bands": "freqs_per_bands",
    "n_stems": "num_stems",
}
#: What else a configuration of a RoFormer says: about its training, or read elsewhere here.
_OTHER = frozenset([
    *_TOLD.values(), "stereo", "mask_estimator_depth", "mlp_hidden_layers", "sample_rate",
    "stft_hop_length", "stft_win_length", "skip_connection", "zero_dc", "type", "model_type",
    "architecture", "dim_freqs_in", "attn_dropout", "ff_dropout", "flash_attn", "sage_attention",
    "use_torch_checkpoint", "match_input_audio_length", "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes", "multi_stft_hop_size", "multi_stft_normalized",
])  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a person says of a checkpoint, where tensors cannot tell and a yaml does not.

    Parameters
    ----------
    config
        Path of the yaml that belongs to it.
    stems
        Names of the stems, in the order of the file.
    hop_length
        Hop of the spectrum inside, samples.
    """

    config: PathLike | None = None
    stems: Sequence[str] | None = None
    hop_length: int | None = None


def imports_folder() -> Path:
    """Folder with a person's own presets: below ``$MSSVIZ_PRETRAINED``, or in the user's data."""
    if chosen := chosen_folder("MSSVIZ_PRETRAINED"):
        return chosen / "imported"
    import platformdirs

    return Path(platformdirs.user_data_path("mssviz"), "models")


def keep(source: PathLike, name: str, said: Said, check: Callable[[Path], object]) -> Path:
    """Make a preset of a checkpoint.

    Parameters
    ----------
    source
        Path of a ``.ckpt``, ``.pt`` or ``.safetensors`` of a RoFormer or an SCNet; it is copied.
    name
        Name that the preset is to have.
    said
        What a person says of it.
    check
        Function of the new folder's configuration, which raises an error if it cannot be used.

    Returns
    -------
    Path
        Folder of the preset, in `imports_folder`.

    Raises
    ------
    ParameterError
        If the name is taken or no name, or configuration and tensors do not agree.
    PretrainedError
        If the file cannot be read, or is of another network.
    """
    path = as_path(source, "a checkpoint")
    if not is_name(name) or not is_name(path.name):
        raise ParameterError(
            f"{shown(name)} of file {shown(path.name)} must be plain names, of letters, digits, "
            "dots and dashes; rename the file, or choose another name"
        )
    folder = imports_folder() / name
    if folder.exists():
        raise FileError(f"{folder}: is there already; choose another name, or remove the folder")
    if not path.is_file():
        raise PretrainedError(f"{path}: no such file; check the path")
    config = configuration(path, name, said)
    with new_folder(folder, ()) as place:
        (place / "weights").mkdir()
        shutil.copyfile(path, place / "weights" / path.name)
        config["weights"]["files"] = {path.name: sha256(place / "weights" / path.name)}
        (place / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        check(place / CONFIG)
    return folder


def configuration(path: Path, name: str, said: Said) -> dict[str, Any]:
    """Make the configuration of a checkpoint, as in ``config.json``.

    Parameters
    ----------
    path
        Path of the checkpoint.
    name
        Name of the preset.
    said
        What a person says of it.

    Raises
    ------
    ParameterError
        If the yaml is none, lacks something, or does not agree with the tensors.
    PretrainedError
        If the file cannot be read, or is of another network.
    """
    content = {} if said.config is None else load_yaml(as_path(said.config, "a configuration"))
    try:
        return _configuration(path, name, said, Values(content))
    except ParameterError as error:
        where = f"{said.config}: " if said.config is not None else ""
        raise ParameterError(f"{where}{error}") from error


def _configuration(path: Path, name: str, said: Said, theirs: Values) -> dict[str, Any]:
    from mssviz.networks.converters import roformer, scnet

    model, audio = theirs.inner("model"), theirs.inner("audio")
    rate = model.whole("sample_rate", 1, 768_000, audio.whole("sample_rate", 1, 768_000, 44_100))
    state = roformer.read_state(path)
    is_scnet = scnet.is_scnet(state)
    found = scnet.described(state, path) if is_scnet else roformer.described(state, path, rate)
    if is_scnet:
        _compare(model, scnets.told(model, found), scnets.OTHER, path)
    else:
        _compare(model, _told(model, found), _OTHER, path)
    n_stems, n_channels = found.pop("n_stems"), found.pop("n_channels")
    kind = found["type"]
    their_hop = model.whole("hop_size" if is_scnet else "stft_hop_length", 1, 1 << 15, _HOPS[kind])
    hop = said.hop_length or their_hop
    inference = theirs.inner("inference")
    usual = _CHUNK_SECONDS * rate // hop * hop
    chunk = inference.whole("chunk_size", 1, 1 << 25, audio.whole("chunk_size", 1, 1 << 25, usual))
    _warn(said, kind, hop, chunk, path)
    targets, residual = _targets(said, theirs.inner("training"), n_stems)
    options = scnets.options(model, found, hop) if is_scnet else _options(model, found, rate, hop)
    return {
        "name": name,
        "title": f"Imported from {path.name}",
        "targets": targets,
        "sample_rate": rate,
        "n_fft": 4096,
        "hop_length": 1024,
        "patch_samples": chunk,
        "overlap": inference.whole("num_overlap", 1, 64, 2),
        "model_bins": 2049,
        "n_channels": n_channels,
        "mask_power": 2.0,
        "mask_extension": "zeros",
        "model": options | {"residual": residual},
        "weights": {
            "format": "scnet" if is_scnet else "roformer",
            "folder": "weights",
            "files": {path.name: None},
            "size": path.stat().st_size,
        },
        "licence": "unknown",
        "citation": _CITATIONS[kind],
    }


def _options(model: Values, found: Mapping[str, Any], rate: int, hop: int) -> dict[str, Any]:
    """Options of the network's builder: what tensors tell, and what only the yaml does."""
    from mssviz.networks.roformer_tables import BANDS

    usual = {"bands": list(BANDS)}
    return {
        **{name: value for name, value in found.items() if usual.get(name) != value},
        **({"sample_rate": rate} if found["type"] == "mel_roformer" else {}),
        "hop_length": hop,
        "skip": _switch(model, "skip_connection", False),
        "zero_dc": _switch(model, "zero_dc", True),
    }


# --- What both say ------------------------------------------------------------------------------


def _compare(model: Values, told: Mapping[str, Any], known: Collection[str], path: Path) -> None:
    """Refuse a configuration of another network than the tensors are of."""
    strange = [key for key, value in model.content.items() if key not in known and value]
    if strange:
        raise ParameterError(
            f"model.{strange[0]} is {shown(model.content[strange[0]])}, which changes the network "
            "in a way that is unknown here; choose another checkpoint"
        )
    for key, value in told.items():
        if key in model and model.content[key] != value:
            raise ParameterError(
                f"model.{key} is {shown(model.content[key])}, but {path.name} is of a network with "
                f"{shown(value)}; choose the configuration that belongs to it"
            )


def _told(model: Values, found: Mapping[str, Any]) -> dict[str, Any]:
    """Name what tensors tell of a RoFormer as a configuration does."""
    told = {theirs: found[ours] for ours, theirs in _TOLD.items() if ours in found}
    told["stereo"] = found["n_channels"] == 2
    told["stft_win_length"] = found["n_fft"]
    # of mel bands, programs count the hidden layers of the estimators, of the others all layers
    is_mel = found["type"] == "mel_roformer"
    if "mlp_hidden_layers" in model and model.content["mlp_hidden_layers"] is not None:
        told["mlp_hidden_layers"] = found["mask_depth"] - 1
    else:
        told["mask_estimator_depth"] = found["mask_depth"] - is_mel
    return told


def _switch(values: Values, key: str, default: bool) -> bool:
    value = values.content.get(key, default)
    if not isinstance(value, bool):
        raise ParameterError(f"model.{key} must be true or false (got {shown(value)})")
    return value


def _warn(said: Said, kind: str, hop: int, chunk: int, path: Path) -> None:
    if said.config is None:
        warnings.warn(
            f"{path.name}: no configuration was given, so the hop of {hop} samples, the chunk of "
            f"{chunk}, the stems' names and {_GUESSED[kind]} are guesses; they leave no trace in "
            "the file, and wrong ones sound plausible and worse",
            stacklevel=2,
        )
    roformers = (441, 512) if kind != "scnet" else ()
    better = [other for other in roformers if chunk % hop and not chunk % other]
    if better:
        warnings.warn(
            f"{path.name}: chunks of {chunk} samples are no multiple of the hop of {hop}, but of "
            f"{better[0]}: if stems sound hollow, that is the hop",
            stacklevel=2,
        )


def _targets(said: Said, training: Values, n_stems: int) -> tuple[list[str], bool]:
    """Names of the stems in the file's order, and whether the last is what the others leave."""
    named = training.content.get("instruments") or []
    if not isinstance(named, list) or len(named) > _MOST_STEMS:
        raise ParameterError(
            f"training.instruments must be up to {_MOST_STEMS} names (got {shown(named)})"
        )
    named = [str(name) for name in named]
    one = training.content.get("target_instrument")
    if said.stems is not None:
        stems = list(said.stems)
    elif one:
        stems = [str(one)]
    elif named:
        stems = named
    else:
        stems = [f"stem{number}" for number in range(1, n_stems + 1)]
    if len(stems) != n_stems:
        raise ParameterError(
            f"training names {len(stems)} stems ({', '.join(stems)[:60]}), but the file has "
            f"{n_stems}; name them in its order"
        )
    targets = [source_name(stem) for stem in stems]
    if n_stems == 1:
        others = [source_name(name) for name in named if source_name(name) != targets[0]]
        rest = others[0] if len(others) == 1 else "other"
        rest = {"vocals": ACCOMPANIMENT, "other": "vocals"}.get(targets[0], rest)
        targets.append("rest" if rest == targets[0] else rest)
    return targets, n_stems == 1
