"""Lesson 6: what masks of each kind could reach at best, and how far a network is from it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mssviz import masks, plots
from mssviz.lessons import bars
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, song_choice
from mssviz.lessons.exercise import Exercise, Wrong, number
from mssviz.lessons.songs import SAMPLE_RATE, SECONDS, SPLEETER, excerpt, separated
from mssviz.scores import usdr
from mssviz.separators import TWO_STEMS
from mssviz.stft import StftParams, istft, stft

#: Models that are set beside each other, by what people read.
MODELS = {
    "the mixture itself": "mixture",
    "Spleeter": SPLEETER,
    "ratio of magnitudes (IRM1)": "oracle:IRM1-targets",
    "binary mask (IBM)": "oracle:IBM-targets",
    "ratio of powers (IRM2)": "oracle:IRM2-targets",
    "phase-sensitive (PSM)": "oracle:PSM",
    "Wiener filter (MWF)": "oracle:MWF-targets",
}


def ceiling(
    model: str, song: str = "lithium", stem: str = "vocals", seconds: float = SECONDS
) -> float:
    """SDR of a model's stem of the beginning of a song, in dB.

    Parameters
    ----------
    model
        Name of the model, as for `separators.find`.
    song
        Name of the song, ``"lithium"`` or ``"francium"``.
    stem
        Name of the stem, ``"vocals"`` or ``"accompaniment"``.
    seconds
        Length.
    """
    estimates = separated(model, song, seconds).estimates
    return usdr(excerpt(song, seconds).two[stem], estimates[stem])


class Ceilings(Demonstration):
    """A network between the mixture below it and the oracles above it."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            stem=choice("Stem", TWO_STEMS, TWO_STEMS[0], "The stem that is scored."),
            heard=choice("Listen to", [*MODELS], "Spleeter", "The model that is heard."),
        )

    def show(self, song: str, stem: str, heard: str) -> Shown:
        """The SDR of every model as bars."""
        for done, (title, model) in enumerate(MODELS.items()):
            self.report(done, len(MODELS), title)
            separated(model, song)
        levels = {title: ceiling(model, song, stem) for title, model in MODELS.items()}
        picture = figure()
        ax = picture.subplots()
        colors = [plots.MIXTURE_COLOR, plots.PALETTE[0], *[plots.PALETTE[1]] * (len(levels) - 2)]
        bars.listed(ax, levels, colors, f"SDR of the {stem} (dB)")
        ax.margins(x=0.12)
        said = ", ".join(f"{title} {decibels(level)}" for title, level in levels.items())
        estimate = np.asarray(separated(MODELS[heard], song).estimates[stem])
        sounds = {"estimate": estimate, "true stem": excerpt(song).two[stem]}
        return Shown(picture, f"SDR of {song}'s {stem} in dB: {said}.", sounds)


#: Windows that the exercise chooses among, in samples.
LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384)


@cache
def by_window(stem: str, song: str = "lithium") -> Mapping[int, float]:
    """SDR of a stem under the ideal ratio mask of powers, by length of the window.

    Parameters
    ----------
    stem
        Name of one of the song's stems; the others together are what it is masked against.
    song
        Name of the song.
    """
    found = excerpt(song)
    true = found.stems[stem]
    rest = found.mixture - true
    levels = {}
    for n_fft in LENGTHS:
        params = StftParams(SAMPLE_RATE, n_fft, n_fft // 4)
        spectra = {"stem": stft(true, params), "rest": stft(rest, params)}
        mask = masks.ideal_ratio_masks(spectra)["stem"]
        mixture = spectra["stem"] + spectra["rest"]
        levels[n_fft] = usdr(true, istft(masks.apply(mask, mixture), params, len(true)))
    return levels


_STEM = "other"


def _judge_window(answer: Any) -> str:
    levels = by_window(_STEM)
    n_fft = answer.n_fft if isinstance(answer, StftParams) else number(answer)
    if n_fft not in levels:
        raise Wrong(f"Choose one of {', '.join(map(str, LENGTHS))} samples.")
    best = max(levels, key=lambda length: levels[length])
    level = decibels(levels[int(n_fft)])
    found = f"With {n_fft:.0f} samples the ceiling of {_STEM} is {level} dB"
    if n_fft == best:
        return f"{found}, and no other window reaches that."
    if n_fft == max(by_window("vocals"), key=lambda length: by_window("vocals")[length]):
        raise Wrong(f"{found}. This window is the vocals' best. Is {_STEM} steadier than a voice?")
    if n_fft > best:
        raise Wrong(f"{found}. A long window blurs where notes begin: take a shorter one.")
    raise Wrong(f"{found}. A short window puts near notes into one bin: take a longer one.")


EXERCISES = {"6.1": Exercise("The best window for a stem", _judge_window)}
