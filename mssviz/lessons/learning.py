"""Lesson 11: training: what a loss asks for, what augmentation makes of songs, and overfitting."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mssviz import datasets, plots, presets
from mssviz._typing import AnyArray, Waveform
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, slider
from mssviz.lessons.exercise import Exercise, Wrong, alike, sound
from mssviz.lessons.mixing import level_db
from mssviz.lessons.songs import PARAMS, SAMPLE_RATE, SECONDS, SONGS, excerpt
from mssviz.stft import stft
from mssviz.training import Settings
from mssviz.training.chunks import Chunks
from mssviz.training.patches import Patches
from mssviz.widgets.training_view import TrainingView

#: Losses of one bin: functions of the answer and the true share.
LOSSES = {
    "absolute error (L1)": lambda answer, true: np.abs(answer - true),
    "squared error (MSE)": lambda answer, true: (answer - true) ** 2,
}
#: Answers that `mean_losses` tries.
_ANSWERS = np.linspace(0, 1, 1001)


def mean_losses(share: float) -> dict[str, AnyArray]:
    """Mean loss of every answer from 0 to 1, where all examples look alike to the network.

    Parameters
    ----------
    share
        Share of the examples in which the bin is the voice's; in the others it is not.
    """
    return {
        name: share * loss(_ANSWERS, 1) + (1 - share) * loss(_ANSWERS, 0)
        for name, loss in LOSSES.items()
    }


def best_answer(loss: str, share: float) -> float:
    """Answer with the least mean loss.

    Parameters
    ----------
    loss
        Name of the loss, one of `LOSSES`.
    share
        Share of the examples in which the bin is the voice's.
    """
    return float(_ANSWERS[mean_losses(share)[loss].argmin()])


class LossOfABin(Demonstration):
    """What a loss makes a network answer for a bin of which it cannot be sure."""

    def __init__(self) -> None:
        super().__init__(
            percent=slider("It is the voice in (%)", 0, 100, 5, 30, "Share of the examples."),
        )

    def show(self, percent: float) -> Shown:
        """The mean loss of every answer, and the best answer by each loss."""
        picture = figure()
        ax = picture.subplots()
        found = mean_losses(percent / 100)
        best = {name: best_answer(name, percent / 100) for name in found}
        for (name, values), color in zip(found.items(), plots.PALETTE, strict=False):
            ax.plot(_ANSWERS, values, color=color, label=name)
            ax.plot(best[name], values.min(), "o", color=color, markersize=9)
        ax.set_xlabel("the network's answer: share of the bin that is the voice")
        ax.set_ylabel("mean loss")
        ax.legend(frameon=False)
        said = ", by ".join(f"{name} it is {answer:.2f}" for name, answer in best.items())
        text = (
            f"In {percent:.0f} % of the examples the bin is the voice's. "
            f"What is the best answer? By {said}."
        )
        return Shown(picture, text)


#: Sources that both songs have, of which examples are made.
_SOURCES = ("vocals", "drums", "other")
#: Augmentations that `Augmented` offers, by what people read.
AUGMENTATIONS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "gain": ("gain",),
    "gain and swapped channels": ("gain", "swap"),
    "stems of both songs": ("remix",),
    "all of these": ("gain", "swap", "remix"),
}


@cache
def _chunks() -> tuple[Chunks, Any]:
    """Both songs as training keeps them, and the folder, which is there as long as this is."""
    preset = replace(
        presets.find("wave-unet-tiny"), targets=_SOURCES, patch_samples=round(3 * SAMPLE_RATE),
        context=0, stft=PARAMS,
    )  # fmt: skip
    folder = tempfile.TemporaryDirectory(prefix="mssviz-", ignore_cleanup_errors=True)
    songs = {name: datasets.examples()[name] for name in SONGS}
    chunks = Chunks(songs, preset, 8.0, 1, Path(folder.name), summed=True)
    chunks.decode(False)
    return chunks, folder


def example(number: int, augment: Collection[str]) -> dict[str, Waveform]:
    """Example that a network would be trained on: the mixture and its stems, by name.

    Parameters
    ----------
    number
        Number of the example, from 0.
    augment
        Names of augmentations, as for `Settings`.
    """
    chunks, _ = _chunks()
    signals = Patches(chunks, augment)[number]
    return dict(zip(("mixture", *_SOURCES), signals, strict=True))


class Augmented(Demonstration):
    """Examples for training, as augmentation makes them of two songs."""

    def __init__(self) -> None:
        super().__init__(
            augment=choice("Augmentation", [*AUGMENTATIONS], "none", "What is varied at random."),
            number=slider("Example", 0, 19, 1, 0, "Number of the example."),
        )

    def show(self, augment: str, number: float) -> Shown:
        """The stems of one example, and their levels."""
        sounds = example(round(number), AUGMENTATIONS[augment])
        picture = figure()
        spectra = {name: stft(one, PARAMS) for name, one in sounds.items()}
        plots.stems(spectra, PARAMS, axes=picture.subplots(1, len(spectra), sharey=True))
        levels = ", ".join(f"{name} {decibels(level_db(one))}" for name, one in sounds.items())
        text = f"Example {number:.0f}, augmentation: {augment}. Levels in dBFS: {levels}."
        return Shown(picture, text, sounds)


class ClassTraining(TrainingView):
    """A tiny network that learns the beginning of Lithium, and is tried on Francium.

    Training begins at once, in a thread. What it writes lies in a folder that is removed with this.

    Parameters
    ----------
    seconds
        Length of the music that is learnt, up to 10.
    augment
        Names of augmentations, as for `Settings`.
    steps
        Number of gradient steps.
    """

    def __init__(
        self, seconds: float = SECONDS, augment: Collection[str] = (), steps: int = 160
    ) -> None:
        songs = datasets.examples()
        super().__init__(songs["francium"].excerpt(2, SECONDS), "tiny")
        self._folder = tempfile.TemporaryDirectory(prefix="mssviz-", ignore_cleanup_errors=True)
        place = Path(self._folder.name)
        settings = Settings(
            steps=steps, epoch_steps=max(1, steps // 10), batch_size=2, learning_rate=3e-3,
            decay=0.9, chunk_seconds=seconds, chunks=1, augment=tuple(augment),
        )  # fmt: skip
        self.train(
            {"lithium": songs["lithium"].excerpt(0, seconds)}, place / "network",
            validation={"francium": songs["francium"]}, settings=settings, cache=place / "spectra",
        )  # fmt: skip


#: Gain of the vocals in the exercise, in dB.
GAIN_DB = -6.0
_PARTS = ("mixture", "vocals", "accompaniment")


def _judge_example(answer: Any) -> str:
    if not isinstance(answer, Mapping) or set(answer) != set(_PARTS):
        raise Wrong(f"The answer must be a dict with {', '.join(_PARTS)}.")
    first, second = excerpt("lithium"), excerpt("francium")
    given = {name: sound(answer[name], first.mixture) for name in _PARTS}
    own, other = first.two["vocals"], second.two["accompaniment"]
    softer = np.float32(10 ** (GAIN_DB / 20)) * own
    if alike(given["vocals"], second.two["vocals"]):
        raise Wrong("The vocals are Francium's. Take Lithium's, over Francium's accompaniment.")
    if alike(given["accompaniment"], first.two["accompaniment"]):
        raise Wrong("The accompaniment is Lithium's: both stems would be of one song again.")
    if not alike(given["accompaniment"], other):
        raise Wrong("The accompaniment is not Francium's, as it is.")
    if alike(given["vocals"], own):
        raise Wrong("The vocals of the answer are as loud as ever: turn down the target, too.")
    if not alike(given["vocals"], softer):
        raise Wrong(f"The vocals are not Lithium's at {GAIN_DB:.0f} dB: 10 ** (dB / 20).")
    if alike(given["mixture"], softer + other):
        return "The mixture is the sum of its targets: a song that nobody has played."
    if any(alike(given["mixture"], song.mixture) for song in (first, second)):
        raise Wrong("This mixture is a song's own: its targets are not what one hears in it.")
    if alike(given["mixture"], own + other):
        raise Wrong("The target is softer, but the mixture has the vocals as loud as ever.")
    raise Wrong("The mixture is not the sum of the two targets, so no mask could be right.")


EXERCISES = {"11.1": Exercise("A song that nobody has played", _judge_example)}
