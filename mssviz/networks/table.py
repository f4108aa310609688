"""What can be built, read and trained, by name; nothing here imports TensorFlow.

A configuration names a type of network, a format of weights, a loss and an optimizer. These tables
say which there are and where in this package each is defined; `resolve` imports it from there.
"""

import pkgutil
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class NetworkType:
    """One architecture.

    Parameters
    ----------
    builder
        Module and function that builds the Keras model, as `resolve` takes it. The function is
        called with the targets, the shape of the input and the options of the configuration.
    reads
        Content of a patch of its input: magnitudes, complex spectra or waveforms.
    gives
        Content of its estimate of a target: magnitudes, from which masks are made, or waveforms,
        which have a phase of their own.
    attends
        Whether it is made of transformers, to whose linear layers training can add LoRA.
    """

    builder: str
    reads: Literal["magnitude", "spectrum", "waveform"] = "magnitude"
    gives: Literal["magnitude", "waveform"] = "magnitude"
    attends: bool = False


@dataclass(frozen=True)
class WeightsFormat:
    """One way in which weights are kept in files.

    Parameters
    ----------
    converter
        Module and function, as `resolve` takes it, that fills a Keras model: it is called with the
        model, the paths of the files in the configuration's order, and the targets, and raises
        `PretrainedError` if they do not fit.
    ending
        Ending of every file's name; any if empty.
    signature
        First bytes of every file; any if empty.
    """

    converter: str
    ending: str = ""
    signature: bytes = b""


NETWORKS = {
    "unet": NetworkType("unet:build_unet"),
    "blstm": NetworkType("blstm:build_blstm"),
    "fnn": NetworkType("fnn:build_fnn"),
    "openunmix": NetworkType("openunmix:build_openunmix"),
    "d3net": NetworkType("d3net:build_d3net"),
    "phase_features": NetworkType("phase_features:build_phase_features", "spectrum"),
    "xumx": NetworkType("xumx:build_xumx", "spectrum"),
    "wave_unet": NetworkType("wave_unet:build_wave_unet", "waveform", "waveform"),
    "demucs": NetworkType("demucs:build_demucs", "waveform", "waveform"),
    "bs_roformer": NetworkType(
        "bs_roformer:build_bs_roformer", "waveform", "waveform", attends=True
    ),
    "mel_roformer": NetworkType(
        "mel_roformer:build_mel_roformer", "waveform", "waveform", attends=True
    ),
    "scnet": NetworkType("scnet:build_scnet", "waveform", "waveform"),
    "htdemucs": NetworkType("htdemucs:build_htdemucs", "waveform", "waveform", attends=True),
}

FORMATS = {
    "spleeter": WeightsFormat("converters.spleeter:load"),
    "openunmix": WeightsFormat("converters.openunmix:load", ".pth"),
    "xumx": WeightsFormat("converters.xumx:load"),
    "demucs": WeightsFormat("converters.demucs:load"),
    "roformer": WeightsFormat("converters.roformer:load"),
    "scnet": WeightsFormat("converters.scnet:load"),
    "htdemucs": WeightsFormat("converters.htdemucs:load"),
    "keras": WeightsFormat("converters.keras:load", ".weights.h5", b"\x89HDF\r\n\x1a\n"),
}

#: Losses by their names in the settings of training; the first two are Spleeter's.
LOSSES = {
    "L1_mask": "losses:l1",
    "weighted_L1_mask": "losses:weighted_l1",
    "L1": "losses:l1",
    "MSE": "losses:mean_square",
    "combination": "xumx:combination_loss",
    "multi_resolution": "bs_roformer:multi_resolution_loss",
    "spectral_rmse": "scnet:spectral_rmse",
}

#: Arguments of the classes of ``keras.optimizers``, by class; epsilon is TensorFlow 1's.
OPTIMIZERS: dict[str, dict[str, Any]] = {"Adam": {"epsilon": 1e-8}, "Adadelta": {}, "SGD": {}}

#: Policies of Keras for the type of the numbers that layers compute with.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def resolve(place: str) -> Any:
    """Import what a place of this package names, such as ``"unet:build_unet"``, with TensorFlow."""
    return pkgutil.resolve_name(f"mssviz.networks.{place}")
