"""Trainings that are described by files: configurations, mssviz's and Spleeter's, and folders."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mssviz import datasets, presets
from mssviz._checks import as_path
from mssviz._typing import PathLike
from mssviz._values import shown
from mssviz.datasets import Track
from mssviz.errors import ParameterError
from mssviz.presets import Preset, Weights
from mssviz.stft import StftParams
from mssviz.training.result import WEIGHTS
from mssviz.training.settings import settings_of

#: Songs of MUSDB18's ``train`` that its authors' tools keep for validation.
MUSDB_VALIDATION = frozenset({
    "ANiMAL - Rockshow", "Actions - One Minute Smile", "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims", "Fergessen - Nos Palpitants",
    "James May - On The Line", "Johnny Lokke - Promises & Lies", "Leaf - Summerghost",
    "Meaxic - Take A Step", "Patrick Talbot - A Reason To Leave", "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens", "Triviul - Angelsaint", "Young Griffo - Pennies",
})  # fmt: skip

#: Our settings by Spleeter's keys.
_SPLEETER = {
    "train_max_steps": "steps",
    "save_checkpoints_steps": "epoch_steps",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
    "optimizer": "optimizer",
    "loss_type": "loss",
    "chunk_duration": "chunk_seconds",
    "n_chunks_per_song": "chunks",
    "random_seed": "seed",
}
#: Spleeter's other keys that mean something here, of the training and of the preset.
_MEANT = {
    "train_csv", "validation_csv", "model_dir", "training_cache", "instrument_list", "sample_rate",
    "frame_length", "frame_step", "T", "F", "n_channels", "separation_exponent", "mask_extension",
    "model",
}  # fmt: skip
#: Spleeter's keys that change nothing here, and what holds instead.
_WITHOUT_EFFECT = {
    "mix_name": "tables have a column mix_path",
    "validation_cache": "training_cache is for all spectra",
    "throttle_secs": "each epoch is validated",
    "save_summary_steps": "each step is logged",
    "MWF": "an option of separation",
    "stft_backend": "there is one",
}
_TEXTS = ("train_csv", "validation_csv", "model_dir", "training_cache")


def tiny(targets: tuple[str, ...] = ("vocals", "accompaniment")) -> Preset:
    """A network of 0.2 million parameters per target, for tests and teaching, without weights."""
    return Preset(
        name="tiny",
        title="A small U-Net",
        targets=targets,
        stft=StftParams(),
        patch_frames=64,
        model_bins=1024,
        n_channels=2,
        mask_power=2.0,
        mask_extension="zeros",
        model={"type": "unet", "filters": [8, 16, 32, 64]},
        weights=Weights("keras", "weights", {WEIGHTS: None}),
    )


def preset_of(network: PathLike | Preset) -> Preset:
    """Preset that the `network` of `train` stands for."""
    if isinstance(network, Preset):
        return network
    return tiny() if network == "tiny" else presets.find(network)


def plan(
    network: PathLike,
    data: PathLike,
    validation: PathLike | None = None,
    output: PathLike | None = None,
    cache: PathLike | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Make arguments of `train` from files: a configuration, mssviz's or Spleeter's, and folders.

    Parameters
    ----------
    network
        Name of a preset, or path of a configuration. Its settings are under ``training`` (those of
        `Settings`), or are Spleeter's own keys.
    data
        Folder of folders of stems; or of MUSDB18, of which 86 songs of ``train`` are learnt and the
        usual 14 are for validation; of Slakh2100, whose own ``validation`` is; of MoisesDB or
        MedleyDB; a folder or a table of sounds of single stems, see `datasets.pools`; or, where the
        configuration names ``train_csv``, the folder that paths in that table are relative to.
    validation
        Folder of folders of stems.
    output
        Folder for the result; if left out, Spleeter's ``model_dir``, or ``trained``. A folder that
        is neither below the current one nor below the configuration's must be named here.
    cache
        Folder for spectra; if left out, Spleeter's ``training_cache``, or that of `train`.
    changes
        Settings that take precedence over the configuration's; None keeps the configuration's.

    Raises
    ------
    ParameterError
        If something cannot be read, or a setting is unknown or outside its domain.
    """
    data = as_path(data, "data")
    config = _config(network)
    preset = preset_of(network)
    for key in _TEXTS:
        if not isinstance(config.get(key, ""), str):
            raise ParameterError(f"{network}: {key} must be text (got {config[key]!r})")
    if "instrument_list" in config:
        found = {ours: config[key] for key, ours in _SPLEETER.items() if key in config}
        preset = replace(preset, training=found)
        _tell_unused(config, network)
    has_subsets = (Path(data) / "train").is_dir()
    validated = bool(validation is not None or config.get("validation_csv") or has_subsets)
    given = {name: value for name, value in changes.items() if value is not None}
    settings = settings_of(preset, validated, **given)
    if config.get("train_csv"):
        tracks = _from_table("train_csv", config, network, data)
        held_out = _from_table("validation_csv", config, network, data)
    elif has_subsets:
        tracks, held_out = _with_subsets(data)
    else:
        tracks, held_out = _found(Path(data)), {}
    if validation is not None:
        held_out = datasets.from_folders(validation)
    return {
        "tracks": tracks,
        "folder": Path(output or _place("model_dir", config, network, "-o (output)") or "trained"),
        "network": network,
        "validation": held_out,
        "settings": settings,
        "cache": cache or _place("training_cache", config, network, "--cache (cache)"),
    }


def _with_subsets(data: PathLike) -> tuple[dict[str, Track], dict[str, Track]]:
    """Songs of Slakh2100 or MUSDB18 to learn, and those for validation."""
    if any(Path(data).glob("train/*/metadata.yaml")):
        return datasets.slakh2100(data, "train"), datasets.slakh2100(data, "validation")
    songs = datasets.musdb18(data, "train")
    held_out = {name: track for name, track in songs.items() if name in MUSDB_VALIDATION}
    return {name: track for name, track in songs.items() if name not in held_out}, held_out


def _found(data: Path) -> dict[str, Track]:
    """Songs of whatever set without subsets a folder or a table is."""
    if data.is_file():
        return datasets.from_stem_table(data)
    if (data / "Audio").is_dir():
        return datasets.medleydb(data)
    if any(data.glob("*/data.json")) or any(data.glob("*/*/data.json")):
        return datasets.moisesdb(data)
    if datasets.is_of_stem_folders(data):
        return datasets.from_stem_folders(data)
    return datasets.from_folders(data)


def _config(network: PathLike) -> dict[str, Any]:
    path = Path(network)
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        return {}
    presets.read(path)  # raises an error that says what is wrong with it
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _place(key: str, config: Mapping[str, Any], network: PathLike, option: str) -> Path | None:
    """Folder that a configuration names, here or beside it, since anybody may have written it."""
    if not config.get(key):
        return None
    place = Path(config[key])
    homes = Path.cwd(), Path(network).absolute().parent
    if ".." in place.parts or not any(place.absolute().is_relative_to(home) for home in homes):
        raise ParameterError(
            f"{network}: {key} {shown(config[key])} is neither within the current folder nor "
            f"within the configuration's; if you want it there, name it by {option}"
        )
    return place


def _from_table(
    key: str, config: Mapping[str, Any], network: PathLike, data: PathLike
) -> dict[str, Track]:
    """Songs of a table that a configuration names, from the working directory or beside it."""
    name = config.get(key)
    if not name:
        return {}
    table = Path(name) if Path(name).is_file() else Path(network).parent / name
    tracks = datasets.from_csv(table, data)
    wanted = config.get("instrument_list", ())
    # as in Spleeter, whatever is in the list is taken if there are columns for all of it
    return {
        name: replace(track, stems={stem: track.stems[stem] for stem in wanted})
        if wanted and set(wanted) <= set(track.stems)
        else track
        for name, track in tracks.items()
    }


def _tell_unused(config: Mapping[str, Any], network: PathLike) -> None:
    unused = [f"{key} ({why})" for key, why in _WITHOUT_EFFECT.items() if key in config]
    known = {*_SPLEETER, *_MEANT, *_WITHOUT_EFFECT}
    unknown = [f"{key!r} (unknown)" for key in config if key not in known]
    if unused or unknown:
        warnings.warn(
            f"{network}: without effect on training: {', '.join(unused + unknown)}", stacklevel=3
        )
