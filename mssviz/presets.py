"""Presets: what was trained, on which grid, and where its weights come from. Data only.

A preset is a ``config.json``, either one of those in ``pretrained/`` or a user's own; the
configuration files of Spleeter, and the folders that Open-Unmix' training leaves, are read, too.
Anybody may have written them, so every value is checked: what a configuration names is data, and
never becomes an option of a program, a path outside its folder, or a part of a pattern.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from mssviz._checks import as_path
from mssviz._fetch import check_address, check_wheel
from mssviz._paths import exists, is_folder
from mssviz._typing import Extension, PathLike
from mssviz._values import Values, check_option, is_name, is_sha256, read_json, shown
from mssviz.errors import ParameterError, one_line, reason
from mssviz.networks.table import FORMATS, NETWORKS
from mssviz.stft import StftParams

#: Ending of the names of small variants.
TINY = "-tiny"
#: Format of a model that has no weights.
WEIGHTLESS = "none"
#: Name of the weights that Keras writes.
KERAS_WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
#: What Open-Unmix' training writes beside the networks of the single stems.
OPENUNMIX_CONFIG = "separator.json"
_CHECKPOINT = ("model.index", "model.data-00000-of-00001")
#: Numbers that a network may read at a time: patches are some seconds long.
_LARGEST_PATCH = 1 << 25
#: Options of networks that say how often something is repeated, and how often that may be.
_REPEATS = re.compile(r"depth|levels|n_blocks|.*_depth|.*layers")
_MOST_REPEATS = 48


@dataclass(frozen=True)
class Weights:
    """Where a preset's weights are.

    Parameters
    ----------
    format
        ``"spleeter"``: TensorFlow 1 checkpoint ``model.*``; ``"keras"``: ``model.weights.h5``;
        ``"openunmix"``, ``"xumx"`` and ``"demucs"``: files of PyTorch;
        `WEIGHTLESS`: there are none.
    folder
        Name below the place for weights (see `pretrained`), or a user's own absolute path, within
        the folder of the configuration. Nothing is fetched into that folder itself.
    files
        File name to SHA-256, or as many of its first digits as are published; None where only
        the archive's is known.
    size
        Bytes of all files, 0 if unknown.
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
    path
        Configuration that it was read from; None of those that come with mssviz. Only these are
        trusted to name addresses.
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
    path: Path | None = field(default=None, compare=False)

    @property
    def signal(self) -> str:
        """What the network reads: ``"magnitude"``, ``"spectrum"`` or ``"waveform"``."""
        kind = NETWORKS.get(self.model.get("type", ""))
        return kind.reads if kind else "magnitude"

    @property
    def gives_waveforms(self) -> bool:
        """Whether estimates come with a phase of their own, so that no mask makes them."""
        kind = NETWORKS.get(self.model.get("type", ""))
        return kind is not None and kind.gives == "waveform"

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
    for path in sorted(config_folder().glob(f"*/{CONFIG}")):
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
    path = as_path(name_or_path, "a model that is no preset's name")
    try:
        if is_folder(path):
            names = (CONFIG, OPENUNMIX_CONFIG)
            path = next((path / name for name in names if (path / name).is_file()), path)
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({reason(error)}); check its permissions"
        ) from error
    if exists(path) and path.is_file():
        return read(path)
    raise ParameterError(
        f"no preset {str(name_or_path)!r}: choose one of "
        f"{', '.join(name for name in presets if not name.endswith(TINY))}, a folder with a "
        f"{CONFIG} or Open-Unmix' {OPENUNMIX_CONFIG}, or a configuration file"
    )


def read(path: Path) -> Preset:
    """Read a configuration file: mssviz's, Spleeter's, or Open-Unmix' ``separator.json``.

    Raises
    ------
    ParameterError
        If it is not JSON, or a key is missing or has a wrong value; names file and key.
    """
    return _checked(path, _load(path))


def _load(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: not a JSON configuration ({reason(error)})") from error


def _tiny(config: Any) -> Iterator[dict[str, Any]]:
    """The variant for tests and teaching that a configuration describes under ``tiny``, if any."""
    if "tiny" in config:
        title = f"{config.get('title', '')}, small enough to train in class"
        small = {**config, "title": title, "weights": _UNTRAINED, **config["tiny"]}
        yield {**small, "name": config["name"] + TINY, "published_scores": {}}


#: Weights of a network that has yet to be trained.
_UNTRAINED = {"format": WEIGHTLESS, "folder": "", "files": {}}


def _checked(path: Path, content: Any) -> Preset:
    try:
        config = Values(content)
        if "instrument_list" in config:
            return _preset(*_from_spleeter(config, path), path)
        if "nhop" in config:
            return _preset(*_from_openunmix(config, path), path)
        return _preset(config, _weights(Values(config.raw("weights"), "weights"), path), path)
    except KeyError as error:
        raise ParameterError(f"{path}: key {error.args[0]!r} is missing") from error
    except ParameterError as error:
        raise ParameterError(f"{path}: wrong value in the configuration ({error})") from error


# --- The parts of a configuration -------------------------------------------------------------


def _preset(config: Values, weights: Weights, path: Path) -> Preset:
    grid = StftParams(
        config.whole("sample_rate", 1, 768_000),
        config.whole("n_fft", 4, 1 << 17),
        config.whole("hop_length", 1, 1 << 15),
    )
    model = _model(Values(config.raw("model"), "model"))
    is_waveform = NETWORKS[model["type"]].reads == "waveform"
    n_bins = config.whole("model_bins", 1, grid.n_bins)
    n_channels = config.whole("n_channels", 1, 64)
    most = _LARGEST_PATCH // (n_channels * (1 if is_waveform else n_bins))
    length = config.whole("patch_samples" if is_waveform else "patch_frames", 1, most)
    return Preset(
        name=config.line("name"),
        title=config.line("title", ""),
        targets=config.names("targets"),
        stft=grid,
        patch_frames=0 if is_waveform else length,
        patch_samples=length if is_waveform else 0,
        context=config.whole("context", 0, (length - 1) // 2, 0),
        training=config.inner("training").content,
        model_bins=n_bins,
        n_channels=n_channels,
        mask_power=config.real("mask_power", 1e-3, 100),
        mask_extension=config.choice("mask_extension", get_args(Extension)),  # type: ignore[arg-type]
        model=model,
        weights=weights,
        licence=config.text("licence", "unknown"),
        citation=config.text("citation", ""),
        published_scores=config.inner("published_scores").content,
        path=None if _is_shipped(path) else path,
    )


def _is_shipped(path: Path) -> bool:
    return path.absolute().parent.parent == config_folder()


def _model(model: Values) -> dict[str, Any]:
    model.choice("type", NETWORKS)
    for name, option in model.content.items():
        most = _MOST_REPEATS if _REPEATS.fullmatch(name) else 1 << 16
        check_option(option, f"model.{name}", most)
    return dict(model.content)


def _weights(weights: Values, path: Path) -> Weights:
    files = Values(weights.raw("files"), "weights.files").content
    kind = weights.choice("format", (*FORMATS, WEIGHTLESS))
    ending = FORMATS[kind].ending if kind in FORMATS else ""
    for name, digest in files.items():
        if not is_name(name) or not name.endswith(ending):
            which = f", which end in {ending}" if ending else ""
            raise ParameterError(f"weights.files must have plain names{which} (got {shown(name)})")
        if digest is not None and not is_sha256(digest, 8):
            raise ParameterError(
                f"weights.files: SHA-256 of {name} must be 8 to 64 hexadecimal digits in lower "
                f"case, or null (got {shown(digest)})"
            )
    sources = weights.content.get("sources", ())
    if not isinstance(sources, list | tuple) or len(sources) > 16:
        raise ParameterError(f"weights.sources must be up to 16 objects (got {shown(sources)})")
    return Weights(
        kind,
        _placed(weights, path) if files else "",
        dict(files),
        weights.whole("size", 0, 1 << 40, 0),
        tuple(_source(Values(source, "weights.sources"), files) for source in sources),
    )


def _placed(weights: Values, path: Path) -> str:
    """Folder of the weights: that beside their configuration, as of trained ones, by its path."""
    folder = weights.text("folder", most=500)
    if folder != "." and not all(is_name(part) for part in folder.split("/")):
        raise ParameterError(
            "weights.folder must be a plain name, of a folder within that of the configuration "
            f"(got {shown(folder)})"
        )
    beside = path.absolute().parent.resolve() / folder
    return folder if _is_shipped(path) and not beside.is_dir() else str(beside)


def _source(source: Values, files: Mapping[str, str | None]) -> Mapping[str, Any]:
    if "files" in source:
        urls = Values(source.raw("files"), "weights.sources.files").content
        if set(urls) != {name for name, digest in files.items() if digest} or not urls:
            raise ParameterError(
                "weights.sources.files must be those of weights.files, each with its SHA-256 "
                f"(got {shown(sorted(urls))})"
            )
        return {"files": {n: check_address(url, f"address of {n}") for n, url in urls.items()}}
    digest = source.raw("sha256")
    if not is_sha256(digest, 64):
        raise ParameterError(
            f"weights.sources.sha256 must be 64 hexadecimal digits (got {shown(digest)})"
        )
    if "url" in source:
        return {"url": check_address(source.raw("url"), "weights.sources.url"), "sha256": digest}
    return {"wheel": check_wheel(source.raw("wheel")), "sha256": digest}


# --- Other projects' configurations -----------------------------------------------------------

_SPLEETER_ENCODER = {"ELU": "elu", "ReLU": "relu"}
_SPLEETER_DECODER = {"ELU": "elu", "LeakyReLU": "leaky_relu"}


def _from_spleeter(config: Values, path: Path) -> tuple[Values, Weights]:
    theirs = Values(config.raw("model"), "model")
    kind = theirs.line("type")
    params = theirs.inner("params").content
    if kind in ("unet.unet", "unet.softmax_unet"):
        model: dict[str, Any] = {
            "type": "unet",
            "head": "softmax" if kind == "unet.softmax_unet" else "sigmoid",
            "encoder_activation": _SPLEETER_ENCODER.get(
                str(params.get("conv_activation")), "leaky_relu"
            ),
            "decoder_activation": _SPLEETER_DECODER.get(
                str(params.get("deconv_activation")), "relu"
            ),
        }
        if "conv_n_filters" in params:
            model["filters"] = params["conv_n_filters"]
    elif kind == "blstm.blstm":
        model = {"type": "blstm", "units": params.get("lstm_units", 250)}
    else:
        raise ParameterError(f"model type {kind!r} is not one of Spleeter's")
    ours = {
        "name": one_line(path.stem),
        "title": one_line(f"Spleeter configuration {path.name}"),
        "targets": config.raw("instrument_list"),
        "sample_rate": config.raw("sample_rate"),
        "n_fft": config.raw("frame_length"),
        "hop_length": config.raw("frame_step"),
        "patch_frames": config.raw("T"),
        "model_bins": config.raw("F"),
        "n_channels": config.raw("n_channels"),
        "mask_power": config.raw("separation_exponent"),
        "mask_extension": config.raw("mask_extension"),
        "model": model,
    }
    return Values(ours), _spleeter_weights(config.line("model_dir"), path)


def _spleeter_weights(model_dir: str, path: Path) -> Weights:
    """Trained by mssviz or by Spleeter, beside the configuration or here; else the released."""
    places = [path.parent / model_dir, Path(model_dir)]
    for place in places:
        if (place / CONFIG).is_file() and (place / "weights" / KERAS_WEIGHTS).is_file():
            return Weights("keras", str(place.resolve() / "weights"), {KERAS_WEIGHTS: None})
        if all((place / name).is_file() for name in _CHECKPOINT):
            return Weights("spleeter", str(place.absolute()), dict.fromkeys(_CHECKPOINT))
    released = shipped().get(f"spleeter:{model_dir}")
    if released:
        return released.weights
    return Weights("spleeter", str(places[0].absolute()), dict.fromkeys(_CHECKPOINT))


def _from_openunmix(config: Values, path: Path) -> tuple[Values, Weights]:
    """What its training leaves: a ``TARGET.json`` and a ``TARGET.pth`` a stem."""
    folder = path.absolute().parent
    found = {p.stem for p in folder.glob("*.pth")} & {p.stem for p in folder.glob("*.json")}
    targets: list[str] = [t for t in ("vocals", "drums", "bass", "other") if t in found]
    targets += sorted(found - set(targets))
    if not targets:
        raise ParameterError(f"{folder} holds no stem's TARGET.json and TARGET.pth")
    n_fft, rate = config.whole("nfft", 4, 1 << 17), config.whole("sample_rate", 1, 768_000)
    sizes = {}
    for target in targets:
        args = Values(Values(_load(folder / f"{target}.json")).raw("args"), f"{target}.json: args")
        limit = args.real("bandwidth", 0, rate)
        sizes[target] = args.whole("hidden_size", 2, 1 << 14), 1 + int(limit * n_fft / rate)
    if len(set(sizes.values())) > 1:
        raise ParameterError(f"stems have other hidden sizes or bandwidths: {sizes}; train alike")
    hidden_size, max_bin = sizes[targets[0]]
    n_bins = n_fft // 2 + 1
    # Without all stems of a song, what they leave is one more: masks share out all there is.
    rest = [] if {"other", "accompaniment"} & set(targets) else [
        "accompaniment" if targets == ["vocals"] else "other"
    ]  # fmt: skip
    ours = {
        "name": one_line(folder.name),
        "title": "Trained by Open-Unmix",
        "targets": [*targets, *rest],
        "sample_rate": rate,
        "n_fft": n_fft,
        "hop_length": config.raw("nhop"),
        "patch_frames": 255,
        "context": 32,
        "model_bins": n_bins,
        "n_channels": config.raw("nb_channels"),
        "mask_power": 2.0,
        "mask_extension": "zeros",
        "model": {
            "type": "openunmix",
            "hidden_size": hidden_size,
            "max_bin": min(max_bin, n_bins),
            "residual": bool(rest),
        },
    }
    files = {f"{target}.pth": None for target in targets}
    return Values(ours), Weights("openunmix", str(folder), files)
