"""Configurations of Spleeter and Open-Unmix, translated into our own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mssviz._values import Values, load_json
from mssviz.errors import ParameterError, one_line
from mssviz.presets.preset import CONFIG, KERAS_WEIGHTS, Weights

#: File that Open-Unmix' training writes beside the networks of the single stems.
OPENUNMIX_CONFIG = "separator.json"
#: Files of a checkpoint of TensorFlow 1.
_CHECKPOINT = ("model.index", "model.data-00000-of-00001")
_SPLEETER_ENCODER = {"ELU": "elu", "ReLU": "relu"}
_SPLEETER_DECODER = {"ELU": "elu", "LeakyReLU": "leaky_relu"}


def from_spleeter(
    config: Values, path: Path, released: Callable[[str], Weights | None]
) -> tuple[Values, Weights]:
    """Values of our own configuration for one of Spleeter's; `released` knows its weights."""
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
    return Values(ours), _spleeter_weights(config.line("model_dir"), path, released)


def _spleeter_weights(
    model_dir: str, path: Path, released: Callable[[str], Weights | None]
) -> Weights:
    """Weights trained by mssviz or Spleeter, beside the configuration or here, or released ones."""
    places = [path.parent / model_dir, Path(model_dir)]
    for place in places:
        if (place / CONFIG).is_file() and (place / "weights" / KERAS_WEIGHTS).is_file():
            return Weights("keras", str(place.resolve() / "weights"), {KERAS_WEIGHTS: None})
        if all((place / name).is_file() for name in _CHECKPOINT):
            return Weights("spleeter", str(place.absolute()), dict.fromkeys(_CHECKPOINT))
    if weights := released(f"spleeter:{model_dir}"):
        return weights
    return Weights("spleeter", str(places[0].absolute()), dict.fromkeys(_CHECKPOINT))


def from_openunmix(config: Values, path: Path) -> tuple[Values, Weights]:
    """Values of our own configuration for a folder of Open-Unmix' training, with its weights."""
    folder = path.absolute().parent
    found = {p.stem for p in folder.glob("*.pth")} & {p.stem for p in folder.glob("*.json")}
    targets: list[str] = [t for t in ("vocals", "drums", "bass", "other") if t in found]
    targets += sorted(found - set(targets))
    if not targets:
        raise ParameterError(f"{folder} holds no stem's TARGET.json and TARGET.pth")
    n_fft, rate = config.whole("nfft", 4, 1 << 17), config.whole("sample_rate", 1, 768_000)
    sizes = {}
    for target in targets:
        told = Values(load_json(folder / f"{target}.json", "a record of a stem's training"))
        args = Values(told.raw("args"), f"{target}.json: args")
        limit = args.real("bandwidth", 0, rate)
        sizes[target] = args.whole("hidden_size", 2, 1 << 14), 1 + int(limit * n_fft / rate)
    if len(set(sizes.values())) > 1:
        raise ParameterError(f"stems have other hidden sizes or bandwidths: {sizes}; train alike")
    hidden_size, max_bin = sizes[targets[0]]
    n_bins = n_fft // 2 + 1
    # If stems of a song are missing, what the others leave is one more: masks share out all there
    # is.
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
