"""Lesson 2: how sounds add up, and what is left when stems are taken out of a mixture."""

from typing import Any

import numpy as np

from mssviz import plots
from mssviz._typing import Extension, Waveform
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, slider
from mssviz.lessons.exercise import Exercise, Wrong, alike, sound
from mssviz.lessons.songs import SAMPLE_RATE, SPLEETER, excerpt, separated
from mssviz.scores import residual
from mssviz.stft import stft

#: What is added to the first sound in `Sum`.
OTHERS = ("another stem", "the same sound", "the same, upside down")
#: Part that `Sum` draws, in seconds: some periods of a voice.
_ZOOM = (1.0, 1.02)
#: What `Residual` offers above the network's band, by what people read.
_EXTENSIONS: dict[str, Extension] = {"silence": "zeros", "the frame's mean mask": "average"}


def level_db(waveform: Waveform) -> float:
    """Level of a waveform, dBFS (RMS); -inf in silence."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.square(waveform, dtype=np.float64).mean()))


def summed(other: str, gain_db: float, delay_ms: float) -> dict[str, Waveform]:
    """Two sounds of one level, of which the second is changed, and their sum.

    Parameters
    ----------
    other
        Second sound, one of `OTHERS`.
    gain_db
        Gain of the second sound, in dB.
    delay_ms
        Delay of the second sound, in milliseconds.
    """
    stems = excerpt().stems
    first = stems["vocals"]
    second = -first if other == OTHERS[2] else first
    if other == OTHERS[0]:
        second = stems["drums"] * np.float32(
            10 ** ((level_db(first) - level_db(stems["drums"])) / 20)
        )
    late = round(delay_ms / 1000 * SAMPLE_RATE)
    second = np.pad(second, ((late, 0), (0, 0)))[: len(first)] * np.float32(10 ** (gain_db / 20))
    return {"sum": first + second, "first": first, "second": second}


def gained_db(other: str, gain_db: float = 0.0, delay_ms: float = 0.0) -> float:
    """What is won in level by adding a second sound to the vocals, in dB; see `summed`."""
    sounds = summed(other, gain_db, delay_ms)
    return level_db(sounds["sum"]) - level_db(sounds["first"])


class Sum(Demonstration):
    """Two sounds and their sum: coherent, incoherent, cancelling, delayed."""

    def __init__(self) -> None:
        super().__init__(
            other=choice("Add to the vocals", OTHERS, OTHERS[0], "The second sound."),
            gain_db=slider("Its gain (dB)", -40, 0, 1, 0, "Level of the second sound."),
            delay_ms=slider("Its delay (ms)", 0, 10, 0.1, 0, "How much later it begins."),
        )

    def show(self, other: str, gain_db: float, delay_ms: float) -> Shown:
        """A few periods of both sounds and of the sum, and all three levels."""
        sounds = summed(other, gain_db, delay_ms)
        levels = {name: level_db(one) for name, one in sounds.items()}
        picture = figure()
        waves, bars = picture.subplots(1, 2, width_ratios=(2, 1))
        colors = {"sum": "black", "first": plots.PALETTE[0], "second": plots.PALETTE[1]}
        widths = {"sum": 1.5, "first": 3, "second": 1}  # both are seen where they are the same
        start, stop = (round(seconds * SAMPLE_RATE) for seconds in _ZOOM)
        for name, one in sounds.items():
            part = one[start:stop].mean(axis=1)
            seconds = _ZOOM[0] + np.arange(len(part)) / SAMPLE_RATE
            waves.plot(seconds, part, color=colors[name], linewidth=widths[name])
            bars.barh(name, max(levels[name], -80) + 80, left=-80, color=colors[name])
        waves.set_xlabel("time (s)")
        waves.set_ylabel("amplitude")
        bars.set_xlim(-80, 0)
        bars.set_xlabel("level (dBFS)")
        bars.invert_yaxis()
        return Shown(picture, _said(other, levels), sounds)


def _said(other: str, levels: dict[str, float]) -> str:
    first, second, total = levels["first"], levels["second"], levels["sum"]
    text = f"Vocals: {decibels(first)} dBFS. {other.capitalize()}: {decibels(second)} dBFS. "
    if total < -120:
        return f"{text}Their sum is silence: they cancel each other."
    side = "louder" if total > first else "softer"
    return f"{text}Their sum is {abs(total - first):.1f} dB {side} than the vocals alone."


class Residual(Demonstration):
    """What is in the mixture, but in no stem of Spleeter's."""

    def __init__(self) -> None:
        super().__init__(
            extension=choice(
                "Above 11 kHz", [*_EXTENSIONS], "silence",
                "What stands above the band that the network covers.",
            ),
        )  # fmt: skip

    def show(self, extension: str) -> Shown:
        """The mixture beside the residual, on one level scale."""
        made = separated(SPLEETER, progress=self.report)
        made = made.with_options(extension=_EXTENSIONS[extension])
        left = residual(made.mixture, dict(made.estimates))
        sounds = {"residual": left, "mixture": made.mixture}
        params = made.preset.stft
        picture = figure()
        spectra = {name: stft(one, params) for name, one in reversed(sounds.items())}
        plots.stems(spectra, params, axes=picture.subplots(1, 2, sharey=True), scale="linear")
        text = (
            "Left: the mixture. Right: the mixture minus both of Spleeter's stems, which lies "
            f"{-made.residual_db():.1f} dB below the mixture."
        )
        return Shown(picture, text, sounds)


#: What the exercise turns the vocals down by, in dB.
DOWN_DB = 12.0


def _judge_practice(answer: Any) -> str:
    song = excerpt()
    found = sound(answer, song.mixture)
    vocals, rest = song.stems["vocals"], song.mixture - song.stems["vocals"]

    def heard(gain: float, other: float = 1.0) -> bool:
        return alike(found, np.float32(gain) * vocals + np.float32(other) * rest)

    factor = 10 ** (-DOWN_DB / 20)
    if heard(factor):
        return f"The voice is {DOWN_DB:.0f} dB softer, and all else is as it was."
    if heard(10 ** (-DOWN_DB / 10)):
        raise Wrong(
            f"The vocals are {2 * DOWN_DB:.0f} dB softer: 10 ** (dB / 10) is for power. "
            "Samples are amplitudes; divide by 20."
        )
    if heard(1 / DOWN_DB):
        raise Wrong(f"Divided by {DOWN_DB:.0f} is not {DOWN_DB:.0f} dB: dB are a logarithm.")
    if heard(1 - factor):
        raise Wrong("You subtracted the soft vocals, so the loud rest of them has stayed.")
    if heard(1 / factor):
        raise Wrong("The vocals are louder, not softer: mind the sign of the gain.")
    if heard(0):
        raise Wrong("The vocals are gone. They should be soft, so that one can follow them.")
    if heard(factor, factor):
        raise Wrong("All is softer. Turn down the vocals alone.")
    raise Wrong("This is not the mixture with softer vocals. What should stay as it is?")


EXERCISES = {"2.1": Exercise("Vocals turned down", _judge_practice)}
