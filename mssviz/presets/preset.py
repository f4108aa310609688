"""A preset: what was trained, on which grid, and where its weights come from. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mssviz._typing import Extension
from mssviz.networks.table import NETWORKS
from mssviz.stft import StftParams

#: Format of a model that has no weights.
WEIGHTLESS = "none"
#: Name of the weights that Keras writes.
KERAS_WEIGHTS = "model.weights.h5"
CONFIG = "config.json"


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
