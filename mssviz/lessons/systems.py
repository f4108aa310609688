"""Lesson 12: what systems give, a mask, magnitudes or waveforms; bands; and all on one song."""

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from mssviz import masks, plots, separators
from mssviz._typing import AnyArray, Waveform
from mssviz.audio import level_ratio_db
from mssviz.lessons import bars
from mssviz.lessons.ceilings import ceiling
from mssviz.lessons.demonstration import (
    Demonstration,
    Shown,
    choice,
    decibels,
    figure,
    slider,
    song_choice,
    steps,
)
from mssviz.lessons.exercise import Exercise, Wrong, listed
from mssviz.lessons.songs import PARAMS, SAMPLE_RATE, SPLEETER, excerpt, separated
from mssviz.scores import usdr
from mssviz.stft import StftParams, istft, stft

#: What networks give, by what people read.
OUTPUTS = ("mask", "magnitudes", "complex mask", "waveform")
#: Level of the error at which there is none.
_NONE_DB = -60
#: SDR in dB above which an error is rounding.
_TOP_DB = 90.0


def _off(values: AnyArray, scale: float, error_db: float) -> AnyArray:
    """Values with random errors, of a level relative to their scale."""
    if error_db <= _NONE_DB:
        return values
    rng = np.random.default_rng(12)
    error = rng.normal(size=values.shape)
    if np.iscomplexobj(values):
        error = (error + 1j * rng.normal(size=values.shape)) / np.sqrt(2)
    return values + 10 ** (error_db / 20) * scale * error


def _level(values: AnyArray) -> float:
    return float(np.sqrt(np.square(np.abs(values), dtype=np.float64).mean()))


@cache
def given(output: str, error_db: float) -> Waveform:
    """Lithium's vocals by a network that is right but for random errors of what it gives.

    Parameters
    ----------
    output
        Kind of the output, one of `OUTPUTS`.
    error_db
        Level of the errors in dB: relative to 1 for masks, to the output's level for others; -60
        for none.
    """
    song = excerpt()
    true = song.stems["vocals"]
    if output == "waveform":
        return _off(true, _level(true), error_db).astype(np.float32)
    spectra = {"vocals": stft(true, PARAMS), "rest": stft(song.mixture - true, PARAMS)}
    mixture = spectra["vocals"] + spectra["rest"]
    if output == "mask":
        mask = masks.ideal_ratio_masks(spectra)["vocals"]
        spectrum = np.clip(_off(mask, 1, error_db), 0, 1) * mixture
    elif output == "magnitudes":
        size = np.abs(spectra["vocals"])
        spectrum = np.maximum(_off(size, _level(size), error_db), 0) * np.exp(
            1j * np.angle(mixture)
        )
    else:
        silent = mixture == 0
        mask = np.where(silent, 0, spectra["vocals"] / np.where(silent, 1, mixture))
        spectrum = _off(mask, 1, error_db) * mixture
    return istft(spectrum.astype(np.complex64), PARAMS, len(true))


def output_sdr(output: str, error_db: float) -> float:
    """SDR of `given`, with its parameters, in dB."""
    return usdr(excerpt().stems["vocals"], given(output, error_db))


def soft_error_db(waveform: Waveform) -> float:
    """Level of the errors in the softer half of the mixture's bins, relative to it there, in dB.

    Parameters
    ----------
    waveform
        Sound that is given as Lithium's vocals.
    """
    song = excerpt()
    mixture = np.abs(stft(song.mixture, PARAMS))
    soft = mixture < np.median(mixture)
    error = np.abs(stft(waveform - song.stems["vocals"], PARAMS))
    return level_ratio_db(error[soft], mixture[soft])


class Outputs(Demonstration):
    """The same error in what networks of each kind give."""

    def __init__(self) -> None:
        super().__init__(
            output=choice("The network gives", OUTPUTS, "mask", "What the network is asked for."),
            error_db=slider("Its error (dB)", _NONE_DB, 0, 5, _NONE_DB, "−60 is no error."),
        )

    def show(self, output: str, error_db: float) -> Shown:
        """The stem that comes out, beside the true one."""
        true, heard = excerpt().stems["vocals"], given(output, error_db)
        picture = figure()
        sounds = {"given": heard, "true stem": true}
        spectra = {name: stft(one, PARAMS) for name, one in sounds.items()}
        plots.stems(spectra, PARAMS, axes=picture.subplots(1, 2, sharey=True))
        said = "no error" if error_db <= _NONE_DB else f"errors of {decibels(error_db)} dB"
        sdr, soft = usdr(true, heard), soft_error_db(heard)
        text = f"The network gives: {output}, with {said}. "
        if sdr > _TOP_DB:
            text += f"SDR: above {_TOP_DB:.0f} dB. Nothing is wrong."
        else:
            side = "above" if soft > 0 else "below"
            text += (
                f"SDR: {decibels(sdr)} dB. Where the mixture is soft, the error lies "
                f"{abs(soft):.1f} dB {side} it."
            )
        return Shown(picture, text, sounds)


#: Grid of the RoFormers.
_GRID = StftParams(SAMPLE_RATE, 2048, 512)
#: How the bins of a frame are grouped, by what people read.
SPLITS = ("every bin by itself", "62 bands (BS-RoFormer)", "60 mel bands (Mel-Band RoFormer)")


def bands(split: str) -> list[tuple[int, int]]:
    """First bin and number of bins of every band.

    Parameters
    ----------
    split
        Way of grouping bins, one of `SPLITS`.
    """
    from mssviz.networks import roformer_tables

    if split == SPLITS[0]:
        return [(number, 1) for number in range(_GRID.n_bins)]
    if split == SPLITS[1]:
        widths = roformer_tables.BANDS
        return list(zip(itertools.accumulate(widths, initial=0), widths, strict=False))
    return list(roformer_tables.mel_bands(SAMPLE_RATE, _GRID.n_fft, 60))


def bands_at(split: str, hertz: float) -> list[tuple[int, int]]:
    """Those of `bands` that a frequency lies in."""
    number = round(hertz * _GRID.n_fft / SAMPLE_RATE)
    return [(low, width) for low, width in bands(split) if low <= number < low + width]


class Bands(Demonstration):
    """How a spectrum is cut into bands, which transformers read as words."""

    def __init__(self) -> None:
        super().__init__(
            split=choice("Bins are grouped as", SPLITS, SPLITS[1], "What is a word."),
            hertz=steps(
                "Look at (Hz)", (100, 200, 500, 1000, 2000, 5000, 10000, 20000), 1000,
                "Frequency whose bands are marked.",
            ),
        )  # fmt: skip

    def show(self, split: str, hertz: int) -> Shown:
        """Bands over a spectrogram, and the width of each."""
        step = SAMPLE_RATE / _GRID.n_fft
        found, here = bands(split), bands_at(split, hertz)
        picture = figure()
        left, right = picture.subplots(1, 2, width_ratios=(3, 2))
        plots.spectrogram(stft(excerpt().mixture, _GRID), _GRID, ax=left)
        if split != SPLITS[0]:
            for low, _ in found:
                left.axhline(max(low, 0.5) * step, color="white", linewidth=0.5, alpha=0.6)
        for low, width in here:
            left.axhspan(max(low, 0.5) * step, (low + width) * step, color="white", alpha=0.3)
        centres = [(low + width / 2) * step for low, width in found]
        right.loglog(centres, [width * step for _, width in found], ".", color=plots.PALETTE[0])
        right.set_xlabel("centre of a band (Hz)")
        right.set_ylabel("its width (Hz)")
        widths = " and ".join(f"{width * step:,.0f} Hz" for _, width in here)
        per_second = len(found) * SAMPLE_RATE / _GRID.hop_length
        text = (
            f"{split[0].upper()}{split[1:]}: {len(found):,} in a frame, {per_second:,.0f} in a "
            f"second. {hertz:,} Hz lies in {len(here)} of them, of {widths}. Attention within a "
            f"frame compares {len(found) ** 2:,} pairs."
        )
        return Shown(picture, text)


#: Systems that are set beside each other, if their weights are there, by what people read.
_SYSTEMS = {
    "the mixture itself": "mixture",
    "REPET": "repet-sim",
    "teaching:4stems": "teaching:4stems",
    "Spleeter": SPLEETER,
    "Open-Unmix": "umx",
    "Demucs": "demucs",
    "Mel-Band RoFormer (64 features)": "mel-roformer:musdb-64",
    "Mel-Band RoFormer (Kim)": "mel-roformer:kim-vocals",
    "BS-RoFormer (Resurrection)": "bs-roformer:resurrection-vocals",
}


def systems_here() -> dict[str, str]:
    """Systems whose weights are in place, by what people read."""
    states = separators.models()["state"]
    return {title: name for title, name in _SYSTEMS.items() if states[name] == "ready"}


class SideBySide(Demonstration):
    """One song through every system whose weights are there."""

    def __init__(self) -> None:
        self._systems = systems_here()
        super().__init__(
            song=song_choice("francium"),
            heard=choice("Listen to", [*self._systems], "Spleeter", "The system that is heard."),
        )

    def show(self, song: str, heard: str) -> Shown:
        """The SDR of every system's vocals, and a spectrogram of those that are heard."""
        for done, (title, model) in enumerate(self._systems.items()):
            self.report(done, len(self._systems), title)
            separated(model, song)
        levels = {title: ceiling(model, song) for title, model in self._systems.items()}
        estimate = np.asarray(separated(self._systems[heard], song).estimates["vocals"])
        picture = figure()
        left, right = picture.subplots(1, 2)
        colors = [plots.PALETTE[0] if title == heard else plots.MIXTURE_COLOR for title in levels]
        bars.listed(left, levels, colors, "SDR of the vocals (dB)")
        left.margins(x=0.15)
        plots.spectrogram(stft(estimate, PARAMS), PARAMS, ax=right)
        said = ", ".join(f"{title} {decibels(level)}" for title, level in levels.items())
        sounds = {"estimate": estimate, "true stem": excerpt(song).stems["vocals"]}
        return Shown(picture, f"SDR of {song}'s vocals in dB: {said}.", sounds)


#: Most bands of the exercise, and the widest that may begin below the limit, in hertz.
MOST_BANDS, WIDEST_HZ, LIMIT_HZ = 30, 100.0, 1000.0


def _widths(answer: Any) -> Sequence[int]:
    found = listed(answer, "The answer must be a list of widths in bins, from the lowest band up.")
    if not all(isinstance(width, int | np.integer) and width > 0 for width in found):
        raise Wrong("Each width must be a whole number of bins, at least 1.")
    return [int(width) for width in found]


def _judge_split(answer: Any) -> str:
    widths = _widths(answer)
    step, total = SAMPLE_RATE / _GRID.n_fft, sum(widths)
    if total < _GRID.n_bins:
        raise Wrong(
            f"The widths add up to {total:,} of {_GRID.n_bins:,} bins: all above "
            f"{total * step:,.0f} Hz is in no band, and would be silent."
        )
    if total > _GRID.n_bins:
        raise Wrong(f"The widths add up to {total:,}, but there are {_GRID.n_bins:,} bins.")
    if len(widths) > MOST_BANDS:
        raise Wrong(
            f"These are {len(widths)} bands, at most {MOST_BANDS} may be. Where can you save?"
        )
    starts = itertools.accumulate(widths, initial=0)
    for start, width in zip(starts, widths, strict=False):
        if start * step < LIMIT_HZ and width * step > WIDEST_HZ:
            hint = " Is the list upside down?" if widths[-1] < widths[0] else ""
            raise Wrong(
                f"The band that begins at {start * step:.0f} Hz is {width * step:.0f} Hz wide: "
                f"several notes share it. Take narrower bands below {LIMIT_HZ:.0f} Hz.{hint}"
            )
    return (
        f"{len(widths)} bands hold all {_GRID.n_bins:,} bins. Attention within a frame compares "
        f"{len(widths) ** 2:,} pairs, where single bins would make {_GRID.n_bins**2:,}."
    )


EXERCISES = {"12.1": Exercise("A band split of your own", _judge_split)}
