"""Presets of checkpoints that people bring: a folder with the file and what was found out of it.

A checkpoint's tensors tell most of its network. What they do not tell, the configuration beside it
does, a yaml of the program Music-Source-Separation-Training, as people publish it; where both speak
of the same, they must agree. Files of demucs tell the rest themselves.
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
from mssviz._typing import AnyArray, PathLike
from mssviz._values import Values, is_name, load_yaml, shown
from mssviz.errors import FileError, ParameterError, PretrainedError
from mssviz.presets import htdemucs, roformers, scnets
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
    "htdemucs": "Rouard, Massa and Défossez, arXiv:2211.08553 (the network)",
}


@dataclass(frozen=True)
class _Family:
    """Networks of one kind, as configurations speak of them.

    `told` names what tensors tell as a configuration does, `known` has all that a configuration may
    say, and `options` makes those of the network's builder.
    """

    format: str
    hop_key: str
    known: Collection[str]
    told: Callable[[Values, Mapping[str, Any]], dict[str, Any]]
    options: Callable[[Values, Mapping[str, Any], int, int], dict[str, Any]]
    #: What is guessed, beside hop, chunk and names, if no configuration says it.
    guessed: str
    #: Hops of most published files, of which a wrong one can be told from a chunk's length.
    usual_hops: Sequence[int] = ()


_ROFORMER = _Family(
    "roformer", "stft_hop_length", roformers.KNOWN, roformers.told, roformers.options,
    "that pairs of layers are not summed", (441, 512),
)  # fmt: skip
_SCNET = _Family(
    "scnet", "hop_size", scnets.KNOWN, scnets.told, scnets.options,
    "the bands' shares and strides",
)  # fmt: skip


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
        Path of a ``.ckpt``, ``.pt``, ``.th`` or ``.safetensors`` of a RoFormer, an SCNet or an
        HTDemucs; it is copied.
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
    what = "a configuration"
    content = {} if said.config is None else load_yaml(as_path(said.config, what), what)
    try:
        return _configuration(path, name, said, Values(content))
    except ParameterError as error:
        where = f"{said.config}: " if said.config is not None else ""
        raise ParameterError(f"{where}{error}") from error


def _configuration(path: Path, name: str, said: Said, theirs: Values) -> dict[str, Any]:
    from mssviz.networks.converters import checkpoint
    from mssviz.networks.converters.htdemucs import is_htdemucs

    state, options = checkpoint.read_package(path)
    if is_htdemucs(state):
        own = _of_htdemucs(path, said, theirs, state, options)
    else:
        own = _of_family(path, said, theirs, state)
    return {
        "name": name,
        "title": f"Imported from {path.name}",
        "n_fft": 4096,
        "hop_length": 1024,
        "model_bins": 2049,
        "mask_power": 2.0,
        "mask_extension": "zeros",
        **own,
        "weights": {
            "format": own["weights"],
            "folder": "weights",
            "files": {path.name: None},
            "size": path.stat().st_size,
        },
        "licence": "unknown",
        "citation": _CITATIONS[own["model"]["type"]],
    }


def _of_family(
    path: Path, said: Said, theirs: Values, state: Mapping[str, AnyArray]
) -> dict[str, Any]:
    from mssviz.networks.converters import roformer, scnet

    model, audio = theirs.inner("model"), theirs.inner("audio")
    rate = model.whole("sample_rate", 1, 768_000, audio.whole("sample_rate", 1, 768_000, 44_100))
    if scnet.is_scnet(state):
        family, found = _SCNET, scnet.described(state, path)
    else:
        family, found = _ROFORMER, roformer.described(state, path, rate)
    _compare(model, family.told(model, found), family.known, path)
    n_stems, n_channels = found.pop("n_stems"), found.pop("n_channels")
    hop = said.hop_length or model.whole(family.hop_key, 1, 1 << 15, _HOPS[found["type"]])
    inference = theirs.inner("inference")
    usual = _CHUNK_SECONDS * rate // hop * hop
    chunk = inference.whole("chunk_size", 1, 1 << 25, audio.whole("chunk_size", 1, 1 << 25, usual))
    _warn(said, family, hop, chunk, path)
    targets, residual = _targets(said, theirs.inner("training"), n_stems)
    return {
        "targets": targets,
        "sample_rate": rate,
        "patch_samples": chunk,
        "overlap": inference.whole("num_overlap", 1, 64, 2),
        "n_channels": n_channels,
        "model": family.options(model, found, rate, hop) | {"residual": residual},
        "weights": family.format,
    }


def _of_htdemucs(
    path: Path,
    said: Said,
    theirs: Values,
    state: Mapping[str, AnyArray],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    from mssviz.networks.converters.htdemucs import FIXED, described

    model, training = htdemucs.block(theirs), theirs.inner("training")
    found = described(state, {**model.content, **options}, path)
    _compare(model, htdemucs.told(found, FIXED), htdemucs.known(FIXED), path)
    n_stems = found.pop("n_stems")
    if said.hop_length not in (None, hop := found["n_fft"] // 4):
        raise ParameterError(
            f"hop must be {hop}, a quarter of the window, in an HTDemucs (got {said.hop_length}); "
            "leave it out"
        )
    if said.config is None and not options:
        warnings.warn(
            f"{path.name}: it says nothing of its network, and no configuration was given, so the "
            f"chunk of {float(htdemucs.SEGMENT):g} s, the number of heads and the stems' names are "
            "guesses; wrong ones sound plausible and worse",
            stacklevel=2,
        )
    rate = htdemucs.sample_rate(training, options)
    stems = Values({"instruments": options.get("sources"), **training.content})
    targets, _ = _targets(said, stems, n_stems)
    return {
        "targets": targets[:n_stems],
        "sample_rate": rate,
        "patch_samples": htdemucs.n_samples(training, options, rate),
        "crossfade": 0.25,
        "song_level": True,
        "n_channels": found.pop("n_channels"),
        "model": found,
        "weights": "htdemucs",
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


def _warn(said: Said, family: _Family, hop: int, chunk: int, path: Path) -> None:
    if said.config is None:
        warnings.warn(
            f"{path.name}: no configuration was given, so the hop of {hop} samples, the chunk of "
            f"{chunk}, the stems' names and {family.guessed} are guesses; they leave no trace in "
            "the file, and wrong ones sound plausible and worse",
            stacklevel=2,
        )
    better = [other for other in family.usual_hops if chunk % hop and not chunk % other]
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
