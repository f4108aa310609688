"""Lesson 4: magnitude and phase, taken from different sounds."""

from typing import Any

import numpy as np

from mssviz import masks, plots
from mssviz._typing import Stft, Waveform
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure
from mssviz.lessons.exercise import Exercise, Wrong, alike, sound
from mssviz.lessons.songs import PARAMS, excerpt
from mssviz.scores import usdr
from mssviz.stft import istft, stft

ZERO, RANDOM = "zero everywhere", "random"


def swapped(magnitude: Waveform, phase: Waveform | str) -> Waveform:
    """A sound with the magnitudes of one waveform and the phases of another.

    Parameters
    ----------
    magnitude
        Waveform ``(n_samples, n_channels)`` whose magnitudes are taken.
    phase
        Waveform of the same shape whose phases are taken; or `ZERO` or `RANDOM`.
    """
    spectrum = stft(magnitude, PARAMS)
    return istft(masks.with_phase(spectrum, _turned(spectrum, phase)), PARAMS, len(magnitude))


def swap_sdr(magnitude: str, phase: str) -> float:
    """SDR of a sound whose phase is replaced, in dB.

    Parameters
    ----------
    magnitude
        Name of a stem of the song, or ``"mixture"``.
    phase
        Name of the sound whose phases are taken; or `ZERO` or `RANDOM`.
    """
    sounds = _sounds()
    return usdr(sounds[magnitude], swapped(sounds[magnitude], sounds.get(phase, phase)))


def _sounds() -> dict[str, Waveform]:
    song = excerpt()
    return {**song.stems, "mixture": song.mixture}


def _turned(spectrum: Stft, phase: Waveform | str) -> Stft:
    if not isinstance(phase, str):
        return stft(phase, PARAMS)
    if phase == ZERO:
        return np.ones_like(spectrum)
    angle = np.random.default_rng(4).uniform(0, 2 * np.pi, spectrum.shape)
    return np.exp(1j * angle).astype(np.complex64)


class PhaseSwap(Demonstration):
    """Magnitudes of one sound with the phases of another."""

    def __init__(self) -> None:
        self._sounds = _sounds()
        names = [*self._sounds]
        phases = [*names, ZERO, RANDOM]
        super().__init__(
            magnitude=choice("Magnitude of", names, "vocals", "How loud each bin is."),
            phase=choice("Phase of", phases, "mixture", "Where in its period each bin is."),
        )

    def show(self, magnitude: str, phase: str) -> Shown:
        """The sound whose magnitudes are taken, and what has come out."""
        wanted = self._sounds[magnitude]
        other = self._sounds.get(phase)
        heard = swapped(wanted, phase if other is None else other)
        picture = figure()
        spectra = {"magnitudes that were taken": wanted, "what has come out": heard}
        plots.stems(
            {name: stft(one, PARAMS) for name, one in spectra.items()},
            PARAMS,
            axes=picture.subplots(1, 2, sharey=True),
        )
        owner = f"a phase that is {phase}" if other is None else f"the phase of the {phase}"
        score = decibels(usdr(wanted, heard))
        text = (
            f"Left: the {magnitude}. Right: its magnitudes with {owner}. Against the true "
            f"{magnitude}, the SDR is {score} dB."
        )
        sounds = {"swapped": heard, "magnitude's": wanted}
        return Shown(picture, text, sounds | {"phase's": wanted if other is None else other})


def _judge_borrowed(answer: Any) -> str:
    song = excerpt()
    found = sound(answer, song.mixture)
    vocals, mixture = song.stems["vocals"], song.mixture
    if alike(found, swapped(vocals, mixture)):
        return (
            "This is the vocals' magnitude with the mixture's phase: the best that a model can "
            f"give which knows every magnitude and no phase. Its SDR is {usdr(vocals, found):.1f} "
            "dB."
        )
    if alike(found, vocals):
        raise Wrong("These are the true vocals, with their own phase. Borrow the mixture's.")
    if alike(found, mixture):
        raise Wrong("This is the mixture itself. Its phase is right, its magnitudes are not.")
    if alike(found, swapped(mixture, vocals)):
        raise Wrong("Swapped: this has the mixture's magnitudes and the vocals' phase.")
    if alike(found, swapped(vocals, ZERO)):
        raise Wrong("All phases are 0: np.abs(…) has lost them. Multiply by exp(1j · phase).")
    if alike(found, -swapped(vocals, mixture)):
        raise Wrong("The sign is turned over. Is there a minus before the phase?")
    raise Wrong(
        "Magnitudes or phases are others. Use the grid `lessons.PARAMS` for stft and istft, "
        "np.abs of the vocals' STFT and np.angle of the mixture's."
    )


EXERCISES = {"4.1": Exercise("A borrowed phase", _judge_borrowed)}
