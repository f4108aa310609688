"""Presets: what was trained, on which grid, and where its weights come from. Data only.

A preset is a ``config.json``, either one of those in ``pretrained/`` or a user's own; the
configuration files of Spleeter are read, too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from mssviz._typing import SIGNALS, Extension, PathLike
from mssviz.errors import ParameterError
from mssviz.stft import StftParams

#: Ending of the names of small variants.
TINY = "-tiny"


@dataclass(frozen=True)
class Weights:
    """Where a preset's weights are.

    Parameters
    ----------
    format
        ``"spleeter"``: TensorFlow 1 checkpoint ``model.*``; ``"keras"``: ``model.weights.h5``;
        ``"openunmix"`` and ``"demucs"``: files of PyTorch; ``"none"``: the model has no weights.
    folder
        Name below the place for weights (see `pretrained`), or a user's own absolute path.
    files
        File name to SHA-256, or as many of its first digits as are published; None where only
        the archive's is known.
    size
        Bytes of the largest file, 0 if unknown.
    sources
        In order of preference: ``{"url": …, "sha256": …}`` for an archive,
        ``{"wheel": "name==version", "sha256": …}``, or ``{"files": {name: url}}``.
    """

    format: str
    folder: str
    files: Mapping[str, str | None]
    size: int = 0
    sources: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Preset:
    """One separator, completely described.

    Parameters
    ----------
    name
        Such as ``"spleeter:2stems"``.
    targets
        Names of the stems, in the order of the weights.
    stft
        Time-frequency grid.
    patch_frames, model_bins, n_channels
        Shape of the network's input; frequencies from bin `model_bins` up are not modelled.
    patch_samples
        Length of the input of networks that read waveforms, which have no `patch_frames`.
    context
        Frames, or samples, at either end of a patch that the network only looks at: its output
        for them comes from the neighbouring patches.
    mask_power, mask_extension
        Defaults for the ratio masks.
    model
        Network type and options, as JSON.
    weights
        Where they come from.
    training
        Settings for `training.train` that fit the network.
    """

    name: str
    targets: tuple[str, ...]
    stft: StftParams
    patch_frames: int
    model_bins: int
    n_channels: int
    mask_power: float
    mask_extension: Extension
    model: Mapping[str, Any]
    weights: Weights
    title: str = ""
    licence: str = "unknown"
    citation: str = ""
    published_scores: Mapping[str, Any] = field(default_factory=dict)
    patch_samples: int = 0
    context: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def signal(self) -> str:
        """What the network reads: ``"magnitude"``, ``"spectrum"`` or ``"waveform"``."""
        return SIGNALS.get(self.model.get("type", ""), "magnitude")

    @property
    def gives_waveforms(self) -> bool:
        """Whether estimates come with a phase of their own, so that no mask makes them."""
        return self.signal == "waveform"

    @property
    def patch_length(self) -> int:
        """Frames, or samples, of a patch."""
        return self.patch_samples if self.signal == "waveform" else self.patch_frames

    @property
    def input_shape(self) -> dict[str, int]:
        """Shape of the network's input, by the names that its builder gives to it."""
        if self.signal == "waveform":
            return {"n_samples": self.patch_samples, "n_channels": self.n_channels}
        return {
            "patch_frames": self.patch_frames,
            "n_bins": self.model_bins,
            "n_channels": self.n_channels,
        }


def checkout_folder() -> Path | None:
    """Root of the source checkout that this package runs from, or None if it is installed."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pretrained" / "README.md").is_file() else None


def config_folder() -> Path:
    """Folder with the shipped presets' configurations and cards."""
    checkout = checkout_folder()
    return checkout / "pretrained" if checkout else Path(__file__).with_name("_pretrained")


def shipped() -> dict[str, Preset]:
    """Every preset that comes with mssviz, by name.

    Spleeter's first, then others with weights, then those to be trained, then the small variants,
    whose names end in ``-tiny``.
    """
    found: dict[str, Preset] = {}
    for path in sorted(config_folder().glob("*/config.json")):
        config = _load(path)
        for variant in (config, *_tiny(config)):
            preset = _checked(path, variant)
            found[preset.name] = preset
    return dict(sorted(found.items(), key=lambda item: _rank(item[1])))


def _rank(preset: Preset) -> tuple[bool, ...]:
    is_spleeters = preset.name.startswith("spleeter:")
    return preset.name.endswith(TINY), not preset.weights.files, not is_spleeters


def find(name_or_path: PathLike) -> Preset:
    """Preset by name, folder or configuration file.

    Raises
    ------
    ParameterError
        If there is none; the message lists the names.
    """
    presets = shipped()
    if str(name_or_path) in presets:
        return presets[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_dir():
        path = path / "config.json"
    if path.is_file():
        return read(path)
    raise ParameterError(
        f"no preset {str(name_or_path)!r}: choose one of "
        f"{', '.join(name for name in presets if not name.endswith(TINY))}, a folder with a "
        "config.json, or a configuration file"
    )


def read(path: Path) -> Preset:
    """Read a configuration file, mssviz's or Spleeter's.

    Raises
    ------
    ParameterError
        If it is not JSON, or a key is missing or has a wrong value; names file and key.
    """
    return _checked(path, _load(path))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: not a JSON configuration ({error})") from error


def _tiny(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The variant for tests and teaching that a configuration describes under ``tiny``, if any."""
    if "tiny" in config:
        title = f"{config.get('title', '')}, small enough to train in class"
        small = {**config, "title": title, "weights": _UNTRAINED, **config["tiny"]}
        yield {**small, "name": config["name"] + TINY, "published_scores": {}}


#: Weights of a network that has yet to be trained.
_UNTRAINED = {"format": "none", "folder": "", "files": {}}


def _checked(path: Path, config: Any) -> Preset:
    try:
        if "instrument_list" in config:
            config = _from_spleeter(config, path)
        else:
            config = {**config, "weights": _placed(config["weights"], path)}
        return _preset(config)
    except KeyError as error:
        raise ParameterError(f"{path}: key {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ParameterError(f"{path}: wrong value in the configuration ({error})") from error


def _placed(weights: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Weights that stand beside their configuration, as trained ones do, by their whole path."""
    beside = path.parent.resolve() / weights["folder"]
    comes_later = path.parent.parent == config_folder() and not beside.is_dir()
    return weights if comes_later or not weights["folder"] else {**weights, "folder": str(beside)}


def _preset(config: Mapping[str, Any]) -> Preset:
    weights = config["weights"]
    extension = config["mask_extension"]
    if extension not in get_args(Extension):
        raise ParameterError(f"mask_extension is 'zeros' or 'average' (got {extension!r})")
    return Preset(
        name=config["name"],
        title=config.get("title", ""),
        targets=tuple(str(target) for target in config["targets"]),
        stft=StftParams(
            int(config["sample_rate"]), int(config["n_fft"]), int(config["hop_length"])
        ),
        patch_frames=int(config["patch_frames"] if "patch_samples" not in config else 0),
        patch_samples=int(config.get("patch_samples", 0)),
        context=int(config.get("context", 0)),
        training=dict(config.get("training", {})),
        model_bins=int(config["model_bins"]),
        n_channels=int(config["n_channels"]),
        mask_power=float(config["mask_power"]),
        mask_extension=extension,
        model=dict(config["model"]),
        weights=Weights(
            format=weights["format"],
            folder=weights["folder"],
            files=dict(weights["files"]),
            size=int(weights.get("size", 0)),
            sources=tuple(weights.get("sources", ())),
        ),
        licence=config.get("licence", "unknown"),
        citation=config.get("citation", ""),
        published_scores=config.get("published_scores", {}),
    )


_SPLEETER_ENCODER = {"ELU": "elu", "ReLU": "relu"}
_SPLEETER_DECODER = {"ELU": "elu", "LeakyReLU": "leaky_relu"}


def _from_spleeter(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    kind = config["model"]["type"]
    params = config["model"].get("params", {})
    if kind in ("unet.unet", "unet.softmax_unet"):
        model: dict[str, Any] = {
            "type": "unet",
            "head": "softmax" if kind == "unet.softmax_unet" else "sigmoid",
            "encoder_activation": _SPLEETER_ENCODER.get(
                params.get("conv_activation"), "leaky_relu"
            ),
            "decoder_activation": _SPLEETER_DECODER.get(params.get("deconv_activation"), "relu"),
        }
        if "conv_n_filters" in params:
            model["filters"] = list(params["conv_n_filters"])
    elif kind == "blstm.blstm":
        model = {"type": "blstm", "units": int(params.get("lstm_units", 250))}
    else:
        raise ParameterError(f"model type {kind!r} is not one of Spleeter's")
    own = path.parent.resolve() / config["model_dir"]
    released = shipped().get(f"spleeter:{config['model_dir']}")
    if released and not own.is_dir():
        weights = vars(released.weights)
    else:
        files = {"model.index": None, "model.data-00000-of-00001": None}
        weights = {"format": "spleeter", "folder": str(own), "files": files}
    return {
        "name": path.stem,
        "title": f"Spleeter configuration {path.name}",
        "targets": config["instrument_list"],
        "sample_rate": config["sample_rate"],
        "n_fft": config["frame_length"],
        "hop_length": config["frame_step"],
        "patch_frames": config["T"],
        "model_bins": config["F"],
        "n_channels": config["n_channels"],
        "mask_power": config["separation_exponent"],
        "mask_extension": config["mask_extension"],
        "model": model,
        "weights": weights,
    }
