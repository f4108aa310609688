"""Lesson 3: the STFT by hand: one frame, then all of them, and what window and hop decide."""

from typing import Any

import numpy as np

from mssviz import plots
from mssviz._typing import AnyArray, Waveform
from mssviz.lessons.demonstration import (
    Demonstration,
    Shown,
    choice,
    decibels,
    figure,
    slider,
    steps,
)
from mssviz.lessons.exercise import Exercise, Wrong, number
from mssviz.lessons.songs import SAMPLE_RATE, SECONDS, excerpt
from mssviz.scores import usdr
from mssviz.stft import StftParams, istft, stft, to_db

#: Lengths of windows that the sliders offer, in samples.
LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384)
WINDOWS = ("hann", "boxcar")
_SPOKEN = {"hann": "A Hann window", "boxcar": "A rectangular window"}
#: Frequencies of two neighbouring notes of the piano, A2 and A♯2, in hertz.
NOTES = (110.0, 110.0 * 2 ** (1 / 12))

#: Depth of a valley from which two notes count as two, in dB.
_TWO_DB = 3.0
#: Length of the transform in which the valley is looked for; no longer window is needed.
_FINE = 1 << 18
#: Window that is longer than the shortest by more than this factor is too long.
_SLACK = 2.0


def tones(*hertz: float, seconds: float = SECONDS) -> Waveform:
    """Steady tones together, ``(n_samples, 1)``.

    Parameters
    ----------
    hertz
        Frequencies.
    seconds
        Length.
    """
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    total = np.add.reduce([np.sin(2 * np.pi * f * time) for f in hertz])
    return (0.2 * total[:, None]).astype(np.float32)


def _sounds() -> dict[str, tuple[Waveform, tuple[float, float]]]:
    # each with the frequencies that its picture goes from and to, in hertz
    song = excerpt()
    tonal = {
        "a tone of 440 Hz": (tones(440.0), (0.0, 1000.0)),
        "the notes A2 and A♯2": (tones(*NOTES), (50.0, 200.0)),
    }
    return tonal | {name: (stem, (0.0, 4000.0)) for name, stem in song.stems.items()}


class Frame(Demonstration):
    """One frame: some samples, a window over them, and their spectrum."""

    def __init__(self) -> None:
        self._sounds = _sounds()
        super().__init__(
            sound=choice("Sound", [*self._sounds], "a tone of 440 Hz", "What is looked at."),
            time=slider("Begins at (s)", 0, 3.5, 0.1, 1, "First sample of the frame."),
            n_fft=steps("Samples (n_fft)", LENGTHS, 2048, "Length of the frame."),
            window=choice("Window", WINDOWS, "hann", "Weights of the frame's samples."),
        )

    def show(self, sound: str, time: float, n_fft: int, window: str) -> Shown:
        """The weighted samples, and the level of each of their frequencies."""
        import scipy.signal

        first = round(time * SAMPLE_RATE)
        waveform, band = self._sounds[sound]
        samples = waveform[first : first + n_fft].mean(axis=1)
        weights = scipy.signal.get_window(window, n_fft)
        spectrum = np.abs(np.fft.rfft(samples * weights)) / weights.sum()
        hertz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
        picture = figure()
        left, right = picture.subplots(1, 2)
        seconds = time + np.arange(n_fft) / SAMPLE_RATE
        left.plot(seconds, samples, color=plots.MIXTURE_COLOR, linewidth=0.8)
        left.plot(seconds, samples * weights, color=plots.PALETTE[0], linewidth=0.8)
        left.set_xlabel("time (s)")
        left.set_ylabel("amplitude")
        right.plot(hertz, to_db(spectrum, float(spectrum.max()) or 1.0), color=plots.PALETTE[0])
        right.set_xlim(*band)
        right.set_ylim(-100, 3)
        right.set_xlabel("frequency (Hz)")
        right.set_ylabel("dB below the loudest bin")
        text = (
            f"{_SPOKEN[window]} over {n_fft:,} samples, {1000 * n_fft / SAMPLE_RATE:.1f} ms, of "
            f"{sound}. Bins are {SAMPLE_RATE / n_fft:.1f} Hz apart. The loudest lies at "
            f"{hertz[spectrum.argmax()]:.0f} Hz."
        )
        return Shown(picture, text)


class WindowExplorer(Demonstration):
    """Spectrogram with any window length and hop, and the sound of its loudest bins."""

    def __init__(self) -> None:
        song = excerpt()
        self._sounds = {**song.stems, "mixture": song.mixture}
        super().__init__(
            sound=choice("Sound", [*self._sounds], "drums", "What is looked at."),
            n_fft=steps("Window (n_fft)", LENGTHS, 4096, "Length of the window, in samples."),
            overlap=steps("Windows in one (n_fft / hop)", (4, 8), 4, "How many overlap."),
            keep=steps("Bins kept (%)", (100, 10, 5, 2, 1), 100, "Only the loudest bins stay."),
        )

    def show(self, sound: str, n_fft: int, overlap: int, keep: int) -> Shown:
        """The spectrogram of the loudest bins, and what they sound like."""
        params = StftParams(SAMPLE_RATE, n_fft, n_fft // overlap)
        waveform = self._sounds[sound]
        spectrum = loudest(stft(waveform, params), keep)
        heard = istft(spectrum, params, len(waveform))
        picture = figure()
        plots.spectrogram(spectrum, params, ax=picture.subplots())
        text = (
            f"{sound.capitalize()}: windows of {1000 * n_fft / SAMPLE_RATE:.1f} ms, a frame every "
            f"{1000 * params.hop_length / SAMPLE_RATE:.1f} ms, bins {SAMPLE_RATE / n_fft:.1f} Hz "
            f"apart. The loudest {keep} % of the bins give the sound back with an SDR of "
            f"{decibels(usdr(waveform, heard))} dB."
        )
        return Shown(picture, text, {"kept bins": heard, "original": waveform})


def loudest(spectrum: AnyArray, percent: float) -> AnyArray:
    """Keep a share of an STFT's bins, the loudest, and silence the others.

    Parameters
    ----------
    spectrum
        STFT ``(n_frames, n_bins, n_channels)``.
    percent
        Share of the bins, above 0 and up to 100.
    """
    level = np.abs(spectrum)
    return np.where(level >= np.percentile(level, 100 - percent), spectrum, 0)


def dip_db(n_fft: int) -> float:
    """Depth of the valley between the two `NOTES` in the spectrum of one frame, in dB.

    Powers of the two are added, as if their phases were unknown.

    Parameters
    ----------
    n_fft
        Length of the Hann window.
    """
    weights = np.hanning(n_fft)[:, None]
    seconds = n_fft / SAMPLE_RATE
    power = np.zeros(_FINE // 2 + 1)
    for note in NOTES:
        spectrum = np.fft.rfft(tones(note, seconds=seconds) * weights, _FINE, axis=0)
        power += np.abs(spectrum[:, 0]) ** 2
    low, high = (round(note * _FINE / SAMPLE_RATE) for note in NOTES)
    return float(10 * np.log10(min(power[low], power[high]) / power[low : high + 1].min()))


def _judge_window(answer: Any) -> str:
    n_fft = answer.n_fft if isinstance(answer, StftParams) else number(answer)
    if n_fft != int(n_fft) or n_fft < 16:
        raise Wrong("The window's length is a whole number of samples, such as 1024.")
    if n_fft > _FINE:
        raise Wrong("This is longer than the whole sound of a note. Find a shorter window.")
    n_fft = int(n_fft)
    seconds, spacing = n_fft / SAMPLE_RATE, SAMPLE_RATE / n_fft
    apart = NOTES[1] - NOTES[0]
    if dip_db(n_fft) < _TWO_DB:
        if spacing < apart:
            raise Wrong(
                f"Bins are {spacing:.1f} Hz apart, which is finer than the notes' {apart:.1f} Hz. "
                "But the peak of a Hann window is some bins wide, so both still are one hill."
            )
        raise Wrong(
            f"Bins are {spacing:.1f} Hz apart, but the notes only {apart:.1f} Hz: both fall into "
            "the same bin. Take a longer window."
        )
    if dip_db(int(n_fft / _SLACK)) >= _TWO_DB:
        raise Wrong(
            f"The notes are apart, but a window of {seconds:.2f} s blurs everything that is "
            "shorter. Half of it does it, too."
        )
    return f"Two hills, {1000 * seconds:.0f} ms: as short as these two notes allow."


EXERCISES = {"3.1": Exercise("Two notes apart", _judge_window)}
