"""Lesson 10: what scores reward: their parts as sounds, and sounds that fool them."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import plots
from mssviz._typing import Waveform
from mssviz.lessons import bars
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, song_choice
from mssviz.lessons.exercise import Exercise, Wrong, alike, sound
from mssviz.lessons.mixing import level_db
from mssviz.lessons.songs import PARAMS, SAMPLE_RATE, SECONDS, SPLEETER, excerpt, separated
from mssviz.scores import bleed_map, decompose, si_sdr, usdr
from mssviz.scores.components import Components, Decomposition
from mssviz.stft import stft
from mssviz.widgets.listening_test import ListeningTest

if TYPE_CHECKING:
    import pandas as pd

ORACLE = "oracle:IRM2-targets"
STEM = "vocals"
#: Models whose vocals are taken apart, by what people read.
MODELS = {"Spleeter": SPLEETER, "REPET": "repet-sim", "ideal mask": ORACLE}
#: Level in dB above which a score says no more than that an error is too small to be heard.
TOP_DB = 100.0
#: Levels in dB that bars end at; what is written on them goes on.
_ENDS_DB = (-15.0, 40.0)
#: Colors of Spleeter's bars and of another answer's.
_COLORS = plots.MIXTURE_COLOR, plots.PALETTE[0]


def _of(model: str, song: str) -> Waveform:
    return np.asarray(separated(model, song).estimates[STEM])


def _true(song: str) -> Waveform:
    return excerpt(song).stems[STEM]


def _hard(song: str) -> Waveform:
    masked = separated(SPLEETER, song).with_options(hardness=1.0, threshold=0.95)
    return np.asarray(masked.estimates[STEM])


def _late(song: str) -> Waveform:
    return np.pad(_true(song), ((SAMPLE_RATE // 1000, 0), (0, 0)))[: len(_true(song))]


def _dull(song: str) -> Waveform:
    import scipy.signal

    taps = scipy.signal.firwin(301, 3500, fs=SAMPLE_RATE)[:, None]
    return scipy.signal.fftconvolve(_true(song), taps, mode="same", axes=0).astype(np.float32)


def _hissing(song: str) -> Waveform:
    hiss = np.random.default_rng(10).normal(scale=1e-3, size=_true(song).shape)
    return (_true(song) + hiss).astype(np.float32)


def _broken(song: str) -> Waveform:
    second = np.arange(len(_true(song)))[:, None] // SAMPLE_RATE
    return np.where(second == 1, np.float32(0), _true(song))


#: What may be given as the vocals of a song: a function of the song's name, by what people read.
ANSWERS: Mapping[str, Callable[[str], Waveform]] = {
    "Spleeter's": lambda song: _of(SPLEETER, song),
    "Spleeter's, through hard masks": _hard,
    "Spleeter's, 10 dB softer": lambda song: _of(SPLEETER, song) * np.float32(10**-0.5),
    "the mixture itself": lambda song: excerpt(song).mixture,
    "an ideal mask's": lambda song: _of(ORACLE, song),
    "the true stem, 1 ms late": _late,
    "the true stem, upside down": lambda song: -_true(song),
    "the true stem, below 3.5 kHz": _dull,
    "the true stem, with soft hiss": _hissing,
    "the true stem, without second 2": _broken,
}
_FIRST, _SECOND = [*ANSWERS][:2]


def _taken_apart(estimate: Waveform, song: str) -> Decomposition:
    true = excerpt(song).two
    return decompose(true, {**true, STEM: estimate}, SAMPLE_RATE)


@cache
def components(model: str, song: str = "lithium") -> Components:
    """A model's vocals in the parts that BSS Eval compares.

    Parameters
    ----------
    model
        Name of the model, as for `separators.find`.
    song
        Name of the song, as for `excerpt`.
    """
    return _taken_apart(_of(model, song), song).of(STEM)


def scored(estimate: Waveform, song: str = "lithium") -> dict[str, float]:
    """Scores of a sound that is given as a song's vocals, by measure.

    Parameters
    ----------
    estimate
        Sound, as long as the excerpt.
    song
        Name of the song, as for `excerpt`.

    Returns
    -------
    dict
        ``uSDR``, of the whole excerpt; ``cSDR``, the median over windows of 1 s; ISR, SIR, SAR and
        SI-SDR, all in dB; ``bleedless`` and ``fullness``, 0 to 100.
    """
    apart, true = _taken_apart(estimate, song), excerpt(song).two[STEM]
    windows = [apart.of(STEM, at, at + 1).scores["SDR"] for at in range(int(SECONDS))]
    parts, bleed = apart.of(STEM).scores, bleed_map(true, estimate, SAMPLE_RATE)
    return {
        "uSDR": usdr(true, estimate),
        "cSDR": float(np.nanmedian(windows)),
        **{name: parts[name] for name in ("ISR", "SIR", "SAR")},
        "SI-SDR": si_sdr(true, estimate),
        "bleedless": bleed.bleedless,
        "fullness": bleed.fullness,
    }


@cache
def marks(answer: str, song: str = "lithium") -> Mapping[str, float]:
    """Scores of one of `ANSWERS`, as `scored` gives them.

    Parameters
    ----------
    answer
        Name of the answer.
    song
        Name of the song, as for `excerpt`.
    """
    return scored(ANSWERS[answer](song), song)


class HearScores(Demonstration):
    """A model's vocals in the four parts that SDR, ISR, SIR and SAR are made of."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            model=choice("Vocals by", [*MODELS], "Spleeter", "What has separated the song."),
        )

    def show(self, song: str, model: str) -> Shown:
        """The four parts on one level scale, their levels, and the scores."""
        separated(MODELS[model], song, progress=self.report)
        parts = components(MODELS[model], song)
        # filters ring on: the estimate gets as much silence at its end
        estimate = np.sum([*parts.tracks.values()], axis=0)
        picture = figure()
        spectra = {name: stft(track, PARAMS) for name, track in parts.tracks.items()}
        plots.stems(spectra, PARAMS, axes=picture.subplots(1, 4, sharey=True))
        levels = ", ".join(f"{n} {decibels(level_db(one))}" for n, one in parts.tracks.items())
        scores = ", ".join(f"{name} {decibels(value)}" for name, value in parts.scores.items())
        text = f"Levels in dBFS: {levels}. Scores of {model}'s vocals in dB: {scores}."
        return Shown(picture, text, {**parts.tracks, "all four together": estimate})


class FoolScores(Demonstration):
    """Sounds that are given as the vocals, good ones and bad ones, with every score of them."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            answer=choice("Given as the vocals", [*ANSWERS], _SECOND, "What is scored."),
        )

    def show(self, song: str, answer: str) -> Shown:
        """All scores of the answer, beside those of Spleeter's vocals."""
        separated(SPLEETER, song, progress=self.report)
        both = {name: marks(name, song) for name in dict.fromkeys((_FIRST, answer))}
        picture = figure()
        ratios, shares = picture.subplots(1, 2, width_ratios=(3, 1))
        names = [*both[answer]]
        for ax, part, ends in ((ratios, names[:-2], _ENDS_DB), (shares, names[-2:], (0, 100))):
            drawn = {one: {name: found[name] for name in part} for one, found in both.items()}
            bars.grouped(ax, drawn, _COLORS[: len(both)], ends, _written)
        ratios.set_ylim(-22, 58)
        ratios.set_ylabel("dB (bars end at −15 and 40)")
        ratios.legend(frameon=False, loc="upper left", ncols=2)
        shares.set_ylim(0, 110)
        shares.set_ylabel("0 to 100")
        said = ", ".join(f"{name} {_written(value)}" for name, value in both[answer].items())
        text = f"{answer[0].upper()}{answer[1:]}, given as the vocals of {song}: {said}."
        return Shown(picture, text, {"given": ANSWERS[answer](song), "true stem": _true(song)})


def _written(value: float) -> str:
    """A score in words: what lies above `TOP_DB` is rounding."""
    return f"above {TOP_DB:.0f}" if value > TOP_DB else decibels(value)


#: What the blind test plays beside the hidden reference and the anchor.
HEARD = [_FIRST, _SECOND, "an ideal mask's", "the true stem, upside down"]


def blind_test(song: str = "lithium") -> ListeningTest:
    """Make a blind test of some of `ANSWERS`.

    Parameters
    ----------
    song
        Name of the song, as for `excerpt`.
    """
    heard = {answer: ANSWERS[answer](song) for answer in HEARD}
    trial = f"{song}: {STEM}"
    return ListeningTest({trial: heard}, SAMPLE_RATE, references={trial: _true(song)})


def beside(test: ListeningTest, song: str = "lithium") -> "pd.DataFrame":
    """Set a listener's ratings beside the scores of what was heard.

    Parameters
    ----------
    test
        Test that `blind_test` made.
    song
        Name of the song of the test.

    Returns
    -------
    DataFrame
        A row for each of `HEARD`: ``rating``, which is NaN before there is one, and the scores.
    """
    import pandas as pd

    ratings = test.summary()["mean"]
    rows = {
        answer: {"rating": ratings.get(answer, np.nan), **marks(answer, song)} for answer in HEARD
    }
    return pd.DataFrame.from_dict(rows, orient="index").round(1)


def _judge_fooled(answer: Any) -> str:
    true, own, ideal = _true("lithium"), marks(_FIRST), marks("an ideal mask's")
    found = sound(answer, true)
    if not found.any():
        raise Wrong("This is silence, which has no SIR. Something must be heard.")
    if alike(found, ANSWERS[_FIRST]("lithium")):
        raise Wrong(f"These are Spleeter's vocals as they are: their SIR is {own['SIR']:.1f} dB.")
    level = scored(found.astype(np.float32))
    sir, sdr = level["SIR"], level["uSDR"]
    if sir > 2 * ideal["SIR"]:
        raise Wrong(f"A SIR of {_written(sir)} dB comes of the true vocals, which nobody has.")
    if abs(sir - own["SIR"]) < 0.1:
        raise Wrong(f"The SIR has stayed at {sir:.1f} dB: neither level nor filters change it.")
    if sir < own["SIR"]:
        raise Wrong(f"The SIR has fallen to {sir:.1f} dB: more of the other stems leaks in.")
    if sir <= ideal["SIR"]:
        raise Wrong(
            f"The SIR has risen to {sir:.1f} dB, but the ideal mask has {ideal['SIR']:.1f} dB. Let "
            "through only bins of which the network is surer."
        )
    if sdr >= own["uSDR"]:
        raise Wrong(f"The SDR is {sdr:.1f} dB, no lower than Spleeter's: this is no worse a stem.")
    return (
        f"SIR {sir:.1f} dB, above the ideal mask's {ideal['SIR']:.1f} dB; SDR {sdr:.1f} dB, below "
        f"Spleeter's {own['uSDR']:.1f} dB. A board that ranks by SIR alone would put it first."
    )


EXERCISES = {"10.1": Exercise("A worse stem with a better SIR", _judge_fooled)}
