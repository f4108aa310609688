"""Presets: what was trained, on which grid, and where its weights come from, all as data.

A preset is a ``config.json``, either one of those in ``pretrained/`` or a user's own. Configuration
files of Spleeter, and folders that Open-Unmix' training leaves, are read, too. Anybody may have
written them, so every value is checked: what a configuration names is data, and never becomes an
option of a program, a path outside its folder, or a part of a pattern.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from mssviz._checks import as_path
from mssviz._fetch import check_address, check_wheel
from mssviz._paths import exists, is_folder
from mssviz._typing import Extension, PathLike
from mssviz._values import Values, check_option, is_name, is_sha256, load_json, shown
from mssviz.errors import ParameterError, reason
from mssviz.networks.table import FORMATS, NETWORKS
from mssviz.presets.foreign import OPENUNMIX_CONFIG, from_openunmix, from_spleeter
from mssviz.presets.imports import imports_folder
from mssviz.presets.preset import (
    CONFIG,
    KERAS_WEIGHTS,
    NOT_KNOWN,
    TRAINED_ON_TEST,
    WEIGHTLESS,
    Preset,
    Weights,
)
from mssviz.stft import StftParams

__all__ = [
    "CONFIG",
    "KERAS_WEIGHTS",
    "NOT_KNOWN",
    "TINY",
    "TRAINED_ON_TEST",
    "WEIGHTLESS",
    "Preset",
    "Weights",
    "checkout_folder",
    "config_folder",
    "find",
    "imported",
    "read",
    "shipped",
]

#: Ending of the names of small variants.
TINY = "-tiny"
#: Most numbers that a network may read at a time; patches are some seconds long.
_LARGEST_PATCH = 1 << 25
#: Names of options of networks that say how often something is repeated, and are bounded.
_REPEATS = re.compile(r"depths?|levels|n_blocks|n_paths|.*_depth|.*layers")
_MOST_REPEATS = 48
#: Most patches that a sample may be in.
_MOST_OVERLAP = 64
_WHAT = "a configuration"


def checkout_folder() -> Path | None:
    """Root of the source checkout that this package runs from, or None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pretrained" / "README.md").is_file() else None


def config_folder() -> Path:
    """Folder with the shipped presets' configurations and cards."""
    checkout = checkout_folder()
    return checkout / "pretrained" if checkout else Path(__file__).parents[1] / "_pretrained"


def shipped() -> dict[str, Preset]:
    """Every preset that comes with mssviz, by name.

    Spleeter's come first, then others with weights, then those that are yet to be trained, and then
    the small variants, whose names end in ``-tiny``.
    """
    found: dict[str, Preset] = {}
    for path in sorted(config_folder().glob(f"*/{CONFIG}")):
        config = load_json(path, _WHAT)
        for variant in (config, *_tiny(config)):
            preset = checked(path, variant)
            found[preset.name] = preset
    return dict(sorted(found.items(), key=lambda item: _rank(item[1])))


def imported() -> dict[str, Preset]:
    """Every preset that `imports` has made on this machine, by name.

    One that cannot be read is left out, with a warning.
    """
    found = {}
    for path in sorted(imports_folder().glob(f"*/{CONFIG}")):
        try:
            found[path.parent.name] = read(path)
        except ParameterError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
    return found


def _released(name: str) -> Weights | None:
    found = shipped().get(name)
    return found.weights if found else None


def _rank(preset: Preset) -> tuple[bool, ...]:
    is_spleeters = preset.name.startswith("spleeter:")
    return preset.name.endswith(TINY), not preset.weights.files, not is_spleeters


def find(name_or_path: PathLike) -> Preset:
    """Find a preset by its name, folder or configuration file.

    Raises
    ------
    ParameterError
        If there is none; the message lists the names.
    """
    presets = shipped()
    if str(name_or_path) in presets:
        return presets[str(name_or_path)]
    if is_name(name_or_path) and (imports_folder() / str(name_or_path) / CONFIG).is_file():
        return read(imports_folder() / str(name_or_path) / CONFIG)
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
        If the file is not JSON, or a key is missing or has a wrong value; the message names file
        and key.
    """
    return checked(path, load_json(path, _WHAT))


def _tiny(config: Any) -> Iterator[dict[str, Any]]:
    """Give the variant for tests and teaching that a configuration has under ``tiny``, if any."""
    if "tiny" in config:
        title = f"{config.get('title', '')}, small enough to train in class"
        small = {**config, **_UNTRAINED, "title": title, **config["tiny"]}
        yield {**small, "name": config["name"] + TINY}


#: What a configuration says of a network that is yet to be trained.
_UNTRAINED = {
    "weights": {"format": WEIGHTLESS, "folder": "", "files": {}},
    "training_data": "none yet: it is to be trained",
    "trained_on_test": "no",
    "published_scores": {},
}


def checked(path: Path, content: Any) -> Preset:
    """Preset that a configuration describes.

    Parameters
    ----------
    path
        Path that the configuration has or is to have, for messages and for folders beside it.
    content
        Content of the file, as JSON gives it.

    Raises
    ------
    ParameterError
        If a key is missing or has a wrong value.
    """
    try:
        config = Values(content)
        if "instrument_list" in config:
            return _preset(*from_spleeter(config, path, _released), path)
        if "nhop" in config:
            return _preset(*from_openunmix(config, path), path)
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
        **_joints(config, is_waveform, length),
        training=config.inner("training").content,
        model_bins=n_bins,
        n_channels=n_channels,
        mask_power=config.real("mask_power", 1e-3, 100),
        mask_extension=config.choice("mask_extension", get_args(Extension)),  # type: ignore[arg-type]
        model=model,
        weights=weights,
        licence=config.text("licence", "unknown"),
        licence_source=config.line("licence_source", NOT_KNOWN),
        training_data=config.line("training_data", NOT_KNOWN),
        trained_on_test=config.choice("trained_on_test", TRAINED_ON_TEST, NOT_KNOWN),
        citation=config.text("citation", ""),
        published_scores=config.inner("published_scores").content,
        path=None if _is_shipped(path) else path,
    )


def _joints(config: Values, is_waveform: bool, length: int) -> dict[str, Any]:
    """How patches follow each other: with context side by side, as those of spectra, or faded."""
    context = config.whole("context", 0, (length - 1) // 2, 0)
    is_faded = is_waveform and not context
    overlap = config.whole("overlap", 0, min(_MOST_OVERLAP, length) if is_faded else 0, 0)
    crossfade = config.real("crossfade", 0, 0.5 if is_faded and not overlap else 0, 0)
    song_level = "song_level" in config and config.flag("song_level")
    if song_level and not is_waveform:
        raise ParameterError("song_level must be false for networks that read no waveforms")
    return {
        "context": context, "overlap": overlap, "crossfade": crossfade, "song_level": song_level
    }  # fmt: skip


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
    """Folder of the weights: a path beside the configuration, or a shipped preset's own name."""
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
