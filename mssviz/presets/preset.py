"""A preset: what was trained, on which grid, and where its weights come from, all as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mssviz._typing import Extension
from mssviz.networks.table import NETWORKS
from mssviz.stft import StftParams

#: Fields of a preset on which no estimate depends; weights are told apart by their content.
_ABOUT = {
    "title", "licence", "licence_source", "training_data", "trained_on_test", "citation",
    "published_scores", "weights", "training", "path",
}  # fmt: skip
#: Format of the weights of a model that has none.
WEIGHTLESS = "none"
#: Name of the file of weights that Keras writes.
KERAS_WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
#: What a card says of what nobody has said.
NOT_KNOWN = "not known"
#: Whether a model was trained on MUSDB18's test songs, from the best answer to the worst.
TRAINED_ON_TEST = ("no", NOT_KNOWN, "yes")


@dataclass(frozen=True)
class Weights:
    """The place where a preset's weights are, and their format.

    Parameters
    ----------
    format
        Format of the files: ``"spleeter"`` is a TensorFlow 1 checkpoint ``model.*``, ``"keras"`` is
        ``model.weights.h5``, ``"openunmix"``, ``"xumx"`` and ``"demucs"`` are files of PyTorch,
        ``"roformer"`` and ``"scnet"`` are one of PyTorch or safetensors, ``"htdemucs"`` one or, for
        a bag, several of these, and `WEIGHTLESS` stands for no files.
    folder
        Name below the place for weights (see `pretrained`), or an absolute path of a user's own,
        within the folder of the configuration. Nothing is fetched into that folder itself.
    files
        SHA-256 by file name, or as many of its first digits as are published; None where only the
        archive's is known.
    size
        Size of all files in bytes, 0 if unknown.
    sources
        Addresses in order of preference: ``{"url": …, "sha256": …}`` for an archive,
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
        Name, such as ``"spleeter:2stems"``.
    targets
        Names of the stems, in the order of the weights.
    stft
        Time-frequency grid.
    patch_frames, model_bins, n_channels
        Shape of the network's input; frequencies from bin `model_bins` up are not modelled.
    patch_samples
        Length of the input in samples, for networks that read waveforms and have no `patch_frames`.
    context
        Number of frames, or samples, at either end of a patch that the network only looks at: the
        output for them comes from the neighbouring patches.
    overlap
        Number of patches that each sample is in, whose estimates are faded into each other, for
        networks that read waveforms; 0 where patches lie side by side.
    crossfade
        Share of a patch that is also in the next one, into which it is faded, for networks that
        read waveforms and were published with the program demucs; else 0.
    song_level
        Whether songs are brought to a mean of 0 and a deviation of 1 as a whole, and stems back.
    mask_power, mask_extension
        Defaults for the ratio masks.
    model
        Type and options of the network, as JSON.
    weights
        Place and format of the weights.
    training
        Settings for `training.train` that suit the network.
    licence, licence_source
        Licence of the weights as it is stated, and by whom, where and when.
    training_data
        Songs that the weights were trained on.
    trained_on_test
        Word of `TRAINED_ON_TEST`: whether songs of MUSDB18's test set were among them. Scores on
        these songs can be believed only if not.
    path
        Path of the configuration that it was read from; None for presets that come with mssviz,
        which alone are trusted to name addresses.
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
    licence_source: str = NOT_KNOWN
    training_data: str = NOT_KNOWN
    trained_on_test: str = NOT_KNOWN
    citation: str = ""
    published_scores: Mapping[str, Any] = field(default_factory=dict)
    patch_samples: int = 0
    context: int = 0
    overlap: int = 0
    crossfade: float = 0.0
    song_level: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = field(default=None, compare=False)

    @property
    def method(self) -> str:
        """All that estimates depend on besides the weights, as text."""
        values = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))
        return ", ".join(value for value in values if value.partition("=")[0] not in _ABOUT)

    @property
    def signal(self) -> str:
        """Form of the network's input: ``"magnitude"``, ``"spectrum"`` or ``"waveform"``."""
        kind = NETWORKS.get(self.model.get("type", ""))
        return kind.reads if kind else "magnitude"

    @property
    def gives_waveforms(self) -> bool:
        """Whether estimates have a phase of their own, so that no mask makes them."""
        kind = NETWORKS.get(self.model.get("type", ""))
        return kind is not None and kind.gives == "waveform"

    @property
    def patch_length(self) -> int:
        """Number of frames, or samples, of a patch."""
        return self.patch_samples if self.signal == "waveform" else self.patch_frames

    @property
    def input_shape(self) -> dict[str, int]:
        """Shape of the network's input, by its builder's names."""
        if self.signal == "waveform":
            return {"n_samples": self.patch_samples, "n_channels": self.n_channels}
        return {
            "patch_frames": self.patch_frames,
            "n_bins": self.model_bins,
            "n_channels": self.n_channels,
        }
