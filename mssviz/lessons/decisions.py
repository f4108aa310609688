"""Lesson 9: how Spleeter separates: patches, the edge of its band, its errors and their reasons."""

from functools import cache
from typing import Any

import numpy as np

from mssviz import plots
from mssviz._typing import Mask, Waveform
from mssviz.audio import level_ratio_db
from mssviz.insight import MaskBin
from mssviz.lessons.ceilings import ceiling
from mssviz.lessons.demonstration import (
    Demonstration,
    Shown,
    choice,
    decibels,
    figure,
    slider,
    song_choice,
)
from mssviz.lessons.exercise import Exercise, Wrong, number
from mssviz.lessons.layers import edge_hz, surgery, two_masks
from mssviz.lessons.songs import SAMPLE_RATE, SECONDS, SPLEETER, excerpt, separated
from mssviz.scores import ErrorMap, Region, costliest, error_map, repaired, usdr
from mssviz.separation import Separation
from mssviz.separators import TWO_STEMS
from mssviz.stft import bins_to_hz, frames_to_time, stft_frames, time_to_frames

# --- Patches ------------------------------------------------------------------------------------


@cache
def across(border: float, song: str = "lithium") -> tuple[Separation, int]:
    """Separate a song so that a border between two patches falls into it.

    Silence before the song, whole hops of it, moves the border.

    Parameters
    ----------
    border
        Time of the first frame of the second patch, in seconds.
    song
        Name of the song.

    Returns
    -------
    separation : Separation
        Song with the silence before it.
    first : int
        Number that the song's first frame has in it.
    """
    preset = surgery().preset
    first = preset.patch_frames - round(float(time_to_frames(border, preset.stft)))
    silence = ((first * preset.stft.hop_length, 0), (0, 0))
    mixture = np.pad(excerpt(song).mixture, silence)
    return surgery().whole.separate(mixture, SAMPLE_RATE, progress=False), first


def border_sdr(border: float, song: str = "lithium") -> float:
    """SDR of the vocals with a border, in dB; parameters as of `across`."""
    return usdr(excerpt(song).two["vocals"], _vocals_across(border, song))


def _vocals_across(border: float, song: str) -> Waveform:
    separation, first = across(border, song)
    start = first * surgery().preset.stft.hop_length
    estimate = np.asarray(separation.estimates["vocals"])
    return estimate[start : start + len(excerpt(song).mixture)]


def _masks_across(border: float, song: str) -> tuple[Mask, Mask]:
    separation, first = across(border, song)
    whole = np.asarray(separated(SPLEETER, song).masks["vocals"])
    return whole, separation.masks["vocals"][first : first + len(whole)]


class PatchBorder(Demonstration):
    """A song of which the network sees one part, and then the other."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            border=slider(
                "Border (s)", 0.5, 3.5, 0.25, 2, "Where one patch ends and the next one begins."
            ),
        )

    def show(self, song: str, border: float) -> Shown:
        """The vocals' mask without a border and with one."""
        self.report(0, None, "separate")
        found = _masks_across(border, song)
        preset = surgery().preset
        whole, cut = (mask[:, : preset.model_bins] for mask in found)
        picture = figure()
        axes = two_masks(picture, {"one patch": whole, "two patches": cut})
        axes[1].axvline(border, color="white", linestyle="--")
        estimate = np.asarray(separated(SPLEETER, song).estimates["vocals"])
        text = (
            f"Mask of {song}'s vocals. Left: all in one patch, SDR "
            f"{decibels(ceiling(SPLEETER, song))} dB. Right: with a border at "
            f"{border:.2f} s, SDR {decibels(border_sdr(border, song))} dB. The mask changes by "
            f"{np.abs(whole - cut).mean():.2f} in the mean."
        )
        sounds = {"with border": _vocals_across(border, song), "without": estimate}
        return Shown(picture, text, sounds)


# --- The edge of the band -----------------------------------------------------------------------

#: What stands above the network's band, by what people read, as options of the masks.
ABOVE: dict[str, dict[str, Any]] = {
    "silence": {"extension": "zeros"},
    "the frame's mean mask": {"extension": "average"},
    "Wiener filter, silence above": {"mwf": 1},
}


def edge_sdr(above: str, stem: str = "vocals", song: str = "lithium") -> float:
    """SDR of Spleeter's stem, in dB.

    Parameters
    ----------
    above
        What stands above the band, one of `ABOVE`.
    stem, song
        Names of the stem and of the song.
    """
    return usdr(excerpt(song).two[stem], _with(above, song).estimates[stem])


def treble_db(waveform: Waveform) -> float:
    """Level of what lies above the network's band, relative to the whole, in dB."""
    level = np.abs(np.asarray(stft_frames(waveform, surgery().preset.stft)))
    return level_ratio_db(level[:, surgery().preset.model_bins :], level)


@cache
def _with(above: str, song: str) -> Separation:
    return separated(SPLEETER, song).with_options(**ABOVE[above])


class Edge(Demonstration):
    """What becomes of the treble that the network does not see."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            stem=choice("Stem", TWO_STEMS, TWO_STEMS[1], "The stem that is heard and scored."),
            above=choice("Above 11 kHz", [*ABOVE], "silence", "How stems are made."),
        )

    def show(self, song: str, stem: str, above: str) -> Shown:
        """The estimate beside the true stem, up to the highest frequency."""
        self.report(0, None, "separate")
        estimate = np.asarray(_with(above, song).estimates[stem])
        true = excerpt(song).two[stem]
        params = surgery().preset.stft
        picture = figure()
        axes = picture.subplots(1, 2, sharey=True)
        spectra = {
            f"{stem}: estimate": stft_frames(estimate, params)[:],
            f"{stem}: true": stft_frames(true, params)[:],
        }
        plots.stems(spectra, params, axes=axes, scale="linear")
        for ax in axes:
            ax.axhline(edge_hz(), color="white", linestyle="--", linewidth=0.8)
        text = (
            f"Left: {song}'s {stem} from Spleeter; above {edge_hz():,.0f} Hz: {above}. Right: the "
            f"true stem. What lies above the line is at {decibels(treble_db(estimate))} dB of the "
            f"whole estimate, and at {decibels(treble_db(true))} dB of the whole true stem. SDR: "
            f"{decibels(edge_sdr(above, stem, song))} dB."
        )
        return Shown(picture, text, {"estimate": estimate, "true stem": true})


# --- Errors -------------------------------------------------------------------------------------

_N_REGIONS = 5


@cache
def mistakes(song: str = "lithium", stem: str = "vocals") -> tuple[ErrorMap, list[Region]]:
    """Where Spleeter's error lies, and the five places that cost most.

    Parameters
    ----------
    song, stem
        Names of the song and of the stem.
    """
    true = excerpt(song).two[stem]
    errors = error_map(true, separated(SPLEETER, song).estimates[stem], surgery().preset.stft)
    return errors, costliest(errors, _N_REGIONS)


class Mistakes(Demonstration):
    """Where the network errs, and what one of these places costs."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            stem=choice("Stem", TWO_STEMS, TWO_STEMS[0], "The stem that is looked at."),
            place=slider("Repair place", 1, _N_REGIONS, 1, 1, "The costliest comes first."),
        )

    def show(self, song: str, stem: str, place: float) -> Shown:
        """The error map with its costliest places, and the stem with one of them repaired."""
        self.report(0, None, "find errors")
        errors, regions = mistakes(song, stem)
        region = regions[min(round(place), len(regions)) - 1]
        mended = repaired(errors, [region])
        picture = figure(3.8)
        ax = picture.subplots()
        plots.error_map(np.asarray(errors.signed), errors.params, ax=ax)
        plots.boxes([one.box for one in regions], ax=ax)
        text = (
            f"Of the error of {song}'s {stem}, {100 * errors.missing:.0f} % is missing and "
            f"{100 * errors.too_much:.0f} % too much. Place {regions.index(region) + 1}: "
            f"{region.kind}, {region.start:.2f} to {region.stop:.2f} s, {region.low:.0f} to "
            f"{region.high:.0f} Hz, {100 * region.share:.0f} % of the error. With it repaired, SDR "
            f"rises from {decibels(errors.sdr)} to {decibels(usdr(errors.reference, mended))} dB."
        )
        sounds = {"estimate": errors.estimate, "repaired": mended, "true stem": errors.reference}
        return Shown(picture, text, sounds)


# --- Reasons ------------------------------------------------------------------------------------

#: Time around a bin that counts as near it, in seconds.
_NEAR = 0.5


class WhyBin(Demonstration):
    """What the network's decision about one bin depends on."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            time=slider("Time (s)", 0.1, SECONDS - 0.1, 0.1, 1.7, "Time of the bin."),
            frequency=slider("Frequency (Hz)", 50, 6000, 10, 3000, "Frequency of the bin."),
        )

    def show(self, song: str, time: float, frequency: float) -> Shown:
        """What speaks for the vocals and against them, and the sound of what speaks for them."""
        self.report(0, None, "ask")
        params = surgery().preset.stft
        pointed = MaskBin(surgery().whole, separated(SPLEETER, song), "vocals", time, frequency)
        evidence = pointed.gradient()
        found = np.abs(evidence.values).sum(axis=2)
        at = evidence.start + frames_to_time(np.arange(len(found)), params)
        near = found[np.abs(at - pointed.time) <= _NEAR].sum() / found.sum()
        loudest = float(bins_to_hz(int(found.sum(axis=0).argmax()), params))
        picture = figure(3.8)
        ax = picture.subplots()
        plots.evidence(evidence.values, params, start=evidence.start, ax=ax, range_db=25)
        ax.plot([pointed.time], [pointed.frequency], "o", mec="black", mfc="none", markersize=9)
        ax.set_xlim(0, SECONDS)
        share, right = shares_at(song, *pointed.index)
        text = (
            f"At {pointed.time:.2f} s and {pointed.frequency:.0f} Hz the vocals' mask is "
            f"{share:.2f}; it should be {right:.2f}. {100 * near:.0f} % of what it depends on lies "
            f"within {_NEAR} s, and most of it at {loudest:.0f} Hz."
        )
        heard = pointed.alone(evidence.carrying(0.9))
        return Shown(picture, text, {"evidence": heard, "mixture": excerpt(song).mixture})


def shares_at(song: str, frame: int, frequency_bin: int) -> tuple[float, float]:
    """The vocals' share of a bin as the network has decided, and as it is: mask and ratio mask.

    Parameters
    ----------
    song
        Name of the song.
    frame, frequency_bin
        Number of the frame and of the bin.
    """
    found, right = (
        separated(model, song).masks["vocals"][frame : frame + 1][0, frequency_bin]
        for model in (SPLEETER, "oracle:IRM2-targets")
    )
    return float(found.mean()), float(right.mean())


# --- The exercise -------------------------------------------------------------------------------

#: Time from which on a place is looked for, in seconds: the lesson itself shows one before it.
AFTER = 3.0
#: Largest mask of the network, and least true share, of an error that is clear.
_MOST, _LEAST = 0.1, 0.9
#: Level below the loudest bin from which on a bin is too soft to matter, in dB.
_SOFT_DB = -50.0


def _judge_place(answer: Any) -> str:
    time, frequency = _place(answer)
    preset = surgery().preset
    frame = round(float(time_to_frames(time, preset.stft)))
    spectrum = np.abs(np.asarray(separated(SPLEETER).mixture_stft)).mean(axis=2)
    last = len(spectrum) - 1
    place = min(frame, last), round(frequency / float(bins_to_hz(1, preset.stft)))
    if spectrum[place] < 10 ** (_SOFT_DB / 20) * spectrum.max():
        raise Wrong("Almost nothing sounds there. Point at a bright line of the spectrogram.")
    found, right = shares_at("lithium", *place)
    said = f"The network's mask is {found:.2f} there, and the voice's true share {right:.2f}"
    if found <= _MOST and right >= _LEAST:
        return f"{said}: a voice that the network takes for an instrument."
    if found < 0.5 and right < 0.5:
        raise Wrong(f"{said}: mostly other sound, and the network says so. It is right.")
    if found >= 0.5 and right >= 0.5:
        raise Wrong(f"{said}: a voice that is found. Look where the error map is orange.")
    if found >= 0.5:
        raise Wrong(f"{said}: this is the other error, an instrument taken for a voice.")
    raise Wrong(f"{said}: an error, but no clear one. Find {_MOST} or less, and {_LEAST} or more.")


def _place(answer: Any) -> tuple[float, float]:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("The answer is a pair: seconds and hertz, such as (3.5, 440).")
    time, frequency = number(answer[0]), number(answer[1])
    if not AFTER <= time <= SECONDS:
        raise Wrong(f"Look in the last second: from {AFTER:.0f} to {SECONDS:.0f} s.")
    if not 0 < frequency < edge_hz():
        raise Wrong(
            f"The network sees nothing above {edge_hz():,.0f} Hz, so nothing is decided there. "
            "Give the frequency in hertz, above 0."
        )
    return time, frequency


EXERCISES = {"9.1": Exercise("A voice that the network misses", _judge_place)}
