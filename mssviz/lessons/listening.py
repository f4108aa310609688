"""Lesson 1: sources, stems, and what leaks from one into another."""

from typing import Any

import numpy as np

from mssviz import plots
from mssviz._typing import Waveform
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, slider
from mssviz.lessons.exercise import Exercise, Wrong, alike, sound
from mssviz.lessons.songs import PARAMS, excerpt
from mssviz.scores import usdr
from mssviz.stft import stft


def bled(stem: str, bleed_db: float) -> Waveform:
    """A stem with all others behind it.

    Parameters
    ----------
    stem
        Name of the stem.
    bleed_db
        Gain of the others, relative to the mixture, in dB.
    """
    song = excerpt()
    clean = song.stems[stem]
    return clean + np.float32(10 ** (bleed_db / 20)) * (song.mixture - clean)


def leak_db(stem: str, bleed_db: float) -> float:
    """How far what leaks into a stem lies below it, in dB; parameters as of `bled`."""
    return usdr(excerpt().stems[stem], bled(stem, bleed_db))


class Bleed(Demonstration):
    """A stem into which the rest of the song leaks, as loud as one likes."""

    def __init__(self) -> None:
        self._song = excerpt()
        super().__init__(
            stem=choice("Stem", [*self._song.stems], "vocals", "The stem that is wanted."),
            bleed_db=slider(
                "Bleed (dB)", -60, 0, 1, -20, "Level of everything else, relative to the mixture."
            ),
        )

    def show(self, stem: str, bleed_db: float) -> Shown:
        """The stem by itself, and with the rest of the song behind it."""
        clean = self._song.stems[stem]
        heard = bled(stem, bleed_db)
        picture = figure()
        sounds = {"with bleed": heard, "clean": clean}
        spectra = {f"{stem}: {name}": stft(one, PARAMS) for name, one in sounds.items()}
        plots.stems(spectra, PARAMS, axes=picture.subplots(1, 2, sharey=True))
        sdr = leak_db(stem, bleed_db)
        side = "below" if sdr >= 0 else "above"
        text = (
            f"Left: {stem} with all other stems at {decibels(bleed_db)} dB. Right: the clean stem. "
            f"What leaks in lies {abs(sdr):.1f} dB {side} the {stem}."
        )
        return Shown(picture, text, sounds)


def _judge_karaoke(answer: Any) -> str:
    song = excerpt()
    found = sound(answer, song.mixture)
    stems, wanted = song.stems, song.mixture - song.stems["vocals"]
    if alike(found, wanted):
        return "The voice is gone, and every other stem is as loud as before."
    if alike(found, song.mixture):
        raise Wrong("This is still the whole mixture: take the vocals out.")
    if alike(found, stems["vocals"]):
        raise Wrong("These are the vocals alone. Karaoke is everything else.")
    for name, stem in stems.items():
        if alike(found, wanted - stem):
            raise Wrong(f"The {name} are missing: add up all stems but the vocals.")
    if alike(found, wanted / (len(stems) - 1)):
        raise Wrong("This is the mean of the stems, which is too soft. A mixture is their sum.")
    if alike(found, song.mixture + stems["vocals"]):
        raise Wrong("The vocals are there twice: subtract them, instead of adding them.")
    raise Wrong("This is no sum of the other stems. Listen to it: what is there, what is missing?")


EXERCISES = {"1.1": Exercise("A karaoke track", _judge_karaoke)}
