"""The result of a training: a preset with its weights, its configuration and its card."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mssviz import plots, presets, pretrained
from mssviz._files import new_file, new_folder, refuse_strangers, sha256
from mssviz.errors import FileError, ParameterError, one_line
from mssviz.presets import Preset
from mssviz.training.chunks import patch_seconds
from mssviz.training.settings import Settings

WEIGHTS = "model.weights.h5"
_WEIGHTS_FILES = (WEIGHTS, pretrained.MANIFEST)
_TITLE = "Trained on "
#: Number of songs that are named in a line; the card lists all.
_NAMED = 5
#: What a preset says of songs that pass patch by patch, if it says it.
_JOINTS = ("overlap", "crossfade", "song_level")


def check_folder(folder: Path) -> None:
    """Raise `FileError` if a result would replace, or delete, files that are of no result."""
    refuse_strangers(folder / "weights", _WEIGHTS_FILES)
    held = [name for name in ("config.json", "README.md") if (folder / name).exists()]
    if held and not _is_result(folder):
        raise FileError(
            f"{folder}: holds {held[0]}, which no training has written and which would be "
            "replaced; choose another folder for the result"
        )


def check_description(
    folder: Path, preset: Preset, settings: Settings, songs: Sequence[str], init: str | None
) -> None:
    """Raise `ParameterError` for a preset whose configuration could not be read again."""
    config = json.loads(json.dumps(configuration(preset, settings, songs, init)))
    try:
        presets.checked(folder / "config.json", config)
    except ParameterError as error:
        raise ParameterError(f"the result could not be read: {error}; change the preset") from error


def _is_result(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["title"]).startswith(_TITLE) and WEIGHTS in config["weights"]["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def export(
    folder: Path,
    save_weights: Callable[[Path], None],
    config: Mapping[str, Any],
    card: str,
) -> None:
    """Write a preset, weights first, so that its description is never ahead of them.

    Parameters
    ----------
    folder
        Folder of the preset, which must exist.
    save_weights
        Function that writes the weights to a path, ``*.weights.h5``.
    config, card
        Content of both files, from `configuration` and `card`.
    """
    with new_folder(folder / "weights", _WEIGHTS_FILES) as scratch:
        save_weights(scratch / WEIGHTS)
        manifest = {WEIGHTS: sha256(scratch / WEIGHTS)}
        (scratch / pretrained.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    texts = {"config.json": json.dumps(config, indent=2) + "\n", "README.md": card}
    for name, text in texts.items():
        with new_file(folder / name) as file:
            file.write_text(text, encoding="utf-8")


def configuration(
    preset: Preset, settings: Settings, songs: Sequence[str], init: str | None
) -> dict[str, Any]:
    """Make the content of ``config.json``.

    Parameters
    ----------
    preset, settings
        Preset that was trained, and the settings of its training.
    songs
        Names of the songs that it has learnt.
    init
        Name of the preset that training began with, if any.
    """
    p = preset
    length = "patch_samples" if p.gives_waveforms else "patch_frames"
    return {
        "name": p.name,
        "title": f"{_TITLE}{_counted(len(songs), 'song')}",
        "training_data": _told(songs, init),
        "targets": list(p.targets),
        **asdict(p.stft),
        length: p.patch_length,
        "context": p.context,
        **{name: value for name in _JOINTS if (value := getattr(p, name))},
        "model_bins": p.model_bins,
        "n_channels": p.n_channels,
        "mask_power": p.mask_power,
        "mask_extension": p.mask_extension,
        "model": dict(p.model),
        "weights": {"format": "keras", "folder": "weights", "files": {WEIGHTS: None}},
        "training": asdict(settings),
    }


def card(
    preset: Preset,
    settings: Settings,
    *,
    init: str | None,
    songs: list[str],
    n_held_out: int,
    licences: list[str],
    last: Mapping[str, float],
    losses: Mapping[str, float],
) -> str:
    """Write the text of the preset's ``README.md``.

    Parameters
    ----------
    preset, settings, init
        Preset that was trained, the settings, and the preset that it started from.
    songs, n_held_out, licences
        Names of the songs that were learnt, number of the songs for validation, and licences of
        all.
    last
        Last row of the history.
    losses
        Validation losses by target.
    """
    p, s = preset, settings
    hertz = p.model_bins * p.stft.sample_rate / p.stft.n_fft
    rows = {
        "stems, in this order": ", ".join(p.targets),
        "network": json.dumps(dict(p.model)),
        "input": f"{p.signal} of the mixture, {p.stft.sample_rate} Hz, "
        f"{p.n_channels} channels, window {p.stft.n_fft}, hop {p.stft.hop_length}, "
        f"{patch_seconds(p):.2f} s at a time",
        "modelled band": f"up to {hertz:,.0f} Hz",
        "began with": one_line(init or "random weights"),
        "training data": f"{_counted(len(songs), 'song')}; "
        f"{_counted(n_held_out, 'other')} for validation",
        "licences of the songs": ", ".join(licences),
        "steps": f"{last['step']} of {s.batch_size} patches, {s.optimizer}, "
        f"learning rate {last['learning_rate']:g}",
        "augmentation": ", ".join(s.augment) or "none",
        "time": f"{last['seconds'] / 3600:.2f} hours",
        "loss": f"{last['loss']:.4f} ({s.loss}, summed over stems)",
        "validation loss": ", ".join(f"{t} {loss:.4f}" for t, loss in losses.items()) or "none",
    }
    table = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    listed = "".join(f"- {one_line(name)}\n" for name in songs)
    return f"# {p.name}\n\n{', '.join(p.targets)}.\n\n| | |\n|---|---|\n{table}\nSongs:\n\n{listed}"


def _told(songs: Sequence[str], init: str | None) -> str:
    """Training data in one line: how many songs, the first of them, and what was learnt before."""
    listed = ", ".join(songs[:_NAMED]) + (" and others" if len(songs) > _NAMED else "")
    before = f"; before that, what {init} has learnt" if init else ""
    return plots.one_line(f"{_counted(len(songs), 'song')}: {listed}{before}", 400)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
