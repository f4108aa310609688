"""Settings of a training, each with its domain."""

import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks import table
from mssviz.presets import Preset
from mssviz.training.patches import check_augment


@dataclass(frozen=True)
class Settings:
    """Settings of a training; the defaults are Spleeter's, where it has them.

    Parameters
    ----------
    steps
        Number of gradient steps in all.
    epoch_steps
        Number of steps between two validations, after each of which a checkpoint is written.
    batch_size
        Number of patches in a step.
    learning_rate
        Learning rate of the first steps.
    optimizer, loss, precision
        Names from `networks.table`: ``"Adam"``, ``"Adadelta"`` or ``"SGD"``; ``"L1_mask"`` or
        another loss; ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``.
    decay
        Decay of the average of weights, see `networks.fit.Fit`; 0 for no average.
    chunk_seconds, chunks
        Length in seconds of the chunks that patches are cut from, and their number for each song.
    augment
        Names from `training.patches.AUGMENTATIONS`.
    mixture
        Mixture of songs that have a file of it. ``"file"`` is that file, even if it was mastered,
        and ``"sum"`` is the sum of the stems. None is the file, which must be the sum of the stems,
        or nothing is trained. Augmentation with gains, swaps or remixing always sums.
    lora
        Rank of the changes that a trained transformer's linear layers get, see `networks.fit.Fit`;
        0 to learn all weights.
    measure
        What the best weights are chosen by in validation: ``"loss"``, or ``"uSDR"`` of what is
        heard, as boards count it, see `scores.usdr`; it takes longer.
    reduce_after, stop_after
        Numbers of epochs without a better measure in validation after which the learning rate is
        multiplied with 0.3, and after which training ends; None for never.
    seed
        Seed of weights, order, cuts and augmentation.

    Raises
    ------
    ParameterError
        If a value is outside its domain.
    """

    steps: int = 100_000
    epoch_steps: int = 300
    batch_size: int = 4
    learning_rate: float = 1e-4
    optimizer: str = "Adam"
    loss: str = "L1_mask"
    precision: str = "float32"
    decay: float = 0.999
    chunk_seconds: float = 20.0
    chunks: int = 2
    augment: tuple[str, ...] = ()
    mixture: str | None = None
    lora: int = 0
    measure: str = "loss"
    reduce_after: int | None = None
    stop_after: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                self._set(name, _count(name, value))
        for name in ("learning_rate", "decay", "chunk_seconds"):
            self._set(name, _number(name, getattr(self, name)))
        if not 0 <= self.decay < 1:
            raise ParameterError(f"decay must be at least 0 and below 1 (got {self.decay})")
        for name, known in _NAMES.items():
            value = getattr(self, name)
            if value not in tuple(known) and (value is not None or name not in _OPTIONAL):
                raise ParameterError(f"{name} is one of {', '.join(known)} (got {value!r})")
        if isinstance(self.augment, str) or not isinstance(self.augment, Iterable):
            raise ParameterError(f"augment is a list of names (got {self.augment!r})")
        self._set("augment", tuple(self.augment))
        check_augment(self.augment)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


_COUNTS = (
    "steps", "epoch_steps", "batch_size", "chunks", "lora", "reduce_after", "stop_after", "seed"
)  # fmt: skip
_OPTIONAL = ("reduce_after", "stop_after", "mixture")
_NAMES: dict[str, Iterable[str]] = {
    "optimizer": table.OPTIMIZERS,
    "loss": table.LOSSES,
    "precision": table.PRECISIONS,
    "mixture": ("file", "sum"),
    "measure": ("loss", "uSDR"),
}
#: Largest count of all: seeds of random numbers have 32 bits.
_MOST = 2**32 - 1
#: Largest counts of things that are in memory at the same time.
_MOST_AT_ONCE = {"batch_size": 1 << 16, "chunks": 10_000, "lora": 1024}


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ParameterError(f"{name} must be a finite number (got {value!r})")
    if value <= 0 and name != "decay":
        raise ParameterError(f"{name} must be above 0 (got {value})")
    return float(value)


def _count(name: str, value: Any) -> int:
    least = 0 if name in ("seed", "lora") else 1
    whole = isinstance(value, numbers.Real) and not isinstance(value, bool) and value % 1 == 0
    most = _MOST_AT_ONCE.get(name, _MOST)
    if not whole or not least <= value <= most:
        raise ParameterError(
            f"{name} must be a whole number from {least} to {most} (got {value!r})"
        )
    return int(value)


def settings_of(preset: Preset, validated: bool, **changes: Any) -> Settings:
    """Settings with which a preset is to be trained.

    Parameters
    ----------
    preset
        Preset, whose ``training`` takes precedence over the defaults.
    validated
        Whether there are songs for validation; otherwise nothing waits for its loss.
    changes
        Settings that take precedence over the preset's.

    Raises
    ------
    ParameterError
        If a setting is unknown or outside its domain.
    """
    found = dict(preset.training)
    if not validated:
        found = {k: v for k, v in found.items() if k not in ("reduce_after", "stop_after")}
    found |= changes
    known = [field.name for field in fields(Settings)]
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ParameterError(
            f"{preset.name}: {', '.join(map(repr, unknown))} is no setting of training; there are "
            f"{', '.join(known)}"
        )
    return Settings(**found)
