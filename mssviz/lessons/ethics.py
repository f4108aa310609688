"""Lesson 13: what may be published, test songs that were trained on, and voices that fare worse."""

import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mssviz import audio, plots, presets, separators
from mssviz._typing import Waveform
from mssviz.lessons import bars
from mssviz.lessons.ceilings import ceiling
from mssviz.lessons.demonstration import (
    Demonstration,
    Shown,
    choice,
    decibels,
    figure,
    song_choice,
    steps,
)
from mssviz.lessons.exercise import Exercise, Wrong, listed
from mssviz.lessons.songs import SAMPLE_RATE, SECONDS, SONGS, SPLEETER, excerpt, separated
from mssviz.scores import usdr

#: What one may want to do with a stem.
PLANS = ("listen at home", "show it in a paper", "put it on a free page", "sell a remix")
#: What a licence says of a plan, from the freest to the strictest.
VERDICTS = ("yes", "with conditions", "depends on the country", "ask first")
_YES, _IF, _LAW, _ASK = VERDICTS
#: By licence of a song: what it says of each of `PLANS`, and why.
SONG_LICENCES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "my own": ((_YES,) * 4, "It is yours, if all who play and sing in it agree."),
    "CC0": ((_YES,) * 4, "CC0 asks for nothing. Credit is good manners."),
    "CC BY": ((_YES, _IF, _IF, _IF), "CC BY asks for credit, and for a word on what you changed."),
    "CC BY-NC-SA": (
        (_YES, _IF, _IF, _ASK),
        "CC BY-NC-SA asks for credit and the same licence, and allows no commercial use.",
    ),
    "all rights reserved": (
        (_LAW, _LAW, _ASK, _ASK),
        "Copies at home and quotations are matters of the country's law; all else is the owner's.",
    ),
}
#: By licence of a network's weights: the same.
WEIGHT_LICENCES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "MIT": ((_YES,) * 4, "MIT allows any use; who passes the weights on passes its text on."),
    "CC BY-NC-SA": (
        (_YES, _IF, _IF, _ASK),
        "CC BY-NC-SA asks for credit, and allows no commercial use.",
    ),
    "for scientific purposes": (
        (_ASK, _YES, _ASK, _ASK),
        "Only science is named, so ask about everything else.",
    ),
    "not stated": ((_ASK,) * 4, "Without a licence, all rights are reserved."),
}


def verdict(song: str, weights: str, plan: str) -> str:
    """The stricter of what two licences say of a plan, one of `VERDICTS`.

    Parameters
    ----------
    song
        Licence of the song, one of `SONG_LICENCES`.
    weights
        Licence of the weights, one of `WEIGHT_LICENCES`.
    plan
        Plan, one of `PLANS`.
    """
    number = PLANS.index(plan)
    both = SONG_LICENCES[song][0][number], WEIGHT_LICENCES[weights][0][number]
    return max(both, key=VERDICTS.index)


def models_under(weights: str) -> list[str]:
    """Names of the models whose cards state a licence of their weights that begins so.

    Parameters
    ----------
    weights
        Licence of the weights, one of `WEIGHT_LICENCES`.
    """
    return [
        name
        for name, preset in presets.shipped().items()
        if preset.weights.files and preset.licence.startswith(weights)
    ]


class MayIPublish(Demonstration):
    """What licences of song and weights say of a plan."""

    def __init__(self) -> None:
        super().__init__(
            song=choice("The song is", [*SONG_LICENCES], "CC BY", "Licence of the song."),
            weights=choice("The weights are", [*WEIGHT_LICENCES], "MIT", "Licence of the weights."),
            plan=choice("I want to", PLANS, PLANS[0], "What the stem is for."),
        )

    def show(self, song: str, weights: str, plan: str) -> Shown:
        """All licences and plans as a table, and the verdict on this one."""
        from matplotlib.patches import Rectangle

        picture = figure()
        tables = {"the song": (SONG_LICENCES, song), "the weights": (WEIGHT_LICENCES, weights)}
        for ax, (title, (table, chosen)) in zip(
            picture.subplots(1, 2), tables.items(), strict=True
        ):
            numbers = [[VERDICTS.index(word) for word in words] for words, _ in table.values()]
            ax.imshow(numbers, cmap="YlOrRd", vmin=0, vmax=5, aspect="auto")
            for row, words in enumerate(words for words, _ in table.values()):
                for column, word in enumerate(words):
                    said = textwrap.fill(word, 12)
                    ax.text(column, row, said, ha="center", va="center", fontsize=9)
            corner = PLANS.index(plan) - 0.5, [*table].index(chosen) - 0.5
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, linewidth=3, clip_on=False))
            ax.set_xticks(range(len(PLANS)), [textwrap.fill(one, 12) for one in PLANS])
            ax.set_yticks(range(len(table)), [*table])
            ax.set_title(title)
        answer = verdict(song, weights, plan).capitalize()
        text = (
            f"Song: {song}. Weights: {weights}. May I {plan}? {answer}. "
            f"Of the song: {SONG_LICENCES[song][1]} Of the weights: {WEIGHT_LICENCES[weights][1]}"
        )
        if named := models_under(weights):
            text += f" Cards of models that say so: {', '.join(named)}."
        return Shown(picture, text)


#: The network that is compared with Spleeter; it has learnt from Lithium, says its card.
_TAUGHT = "teaching:4stems"


class Contaminated(Demonstration):
    """Two networks on a song that one of them has learnt from, and on one that neither has."""

    def __init__(self) -> None:
        super().__init__(
            song=choice("Listen to", SONGS, SONGS[0], "The song that is heard."),
        )

    def show(self, song: str) -> Shown:
        """The SDR of both networks' vocals on both songs."""
        levels = {
            model: {name: ceiling(model, name) for name in SONGS} for model in (_TAUGHT, SPLEETER)
        }
        picture = figure()
        ax = picture.subplots()
        bars.grouped(ax, levels, plots.PALETTE[:2])
        ax.set_ylabel("SDR of the vocals (dB)")
        ax.margins(y=0.15)
        ax.legend(frameon=False)
        said = "; ".join(
            f"{name}: "
            + ", ".join(f"{model} {decibels(values[name])}" for model, values in levels.items())
            for name in SONGS
        )
        sounds = {model: np.asarray(separated(model, song).estimates["vocals"]) for model in levels}
        sounds["true stem"] = excerpt(song).stems["vocals"]
        return Shown(picture, f"SDR of the vocals in dB. {said}.", sounds)


#: Models that `OtherVoices` compares, by what people read.
_MODELS = {"mixture": "mixture", "Spleeter": SPLEETER, "ideal mask": "oracle:IRM2-targets"}


@cache
def _shifted(song: str, semitones: int) -> Mapping[str, Waveform]:
    """Vocals and accompaniment of a song, played so much faster that they are higher."""
    rate = round(SAMPLE_RATE * 2 ** (semitones / 12))
    return {name: audio.resample(one, rate, SAMPLE_RATE) for name, one in excerpt(song).two.items()}


@cache
def shifted_vocals(model: str, song: str, semitones: int) -> Waveform:
    """Vocals that a model finds in a song that is higher or lower.

    Parameters
    ----------
    model
        Name of the model, as for `separators.find`.
    song
        Name of the song, as for `excerpt`.
    semitones
        Distance by which everything is higher, because it is played faster.
    """
    true = _shifted(song, semitones)
    mixture = np.add.reduce([*true.values()])
    made = separators.find(model).separate(mixture, SAMPLE_RATE, references=true, progress=False)
    return np.asarray(made.estimates["vocals"])


def shifted_sdr(model: str, song: str, semitones: int) -> float:
    """SDR of `shifted_vocals`, with its parameters, in dB."""
    return usdr(_shifted(song, semitones)["vocals"], shifted_vocals(model, song, semitones))


def _told(semitones: int) -> str:
    return f"{semitones:+d} semitones".replace("-", "−") if semitones else "as recorded"


class OtherVoices(Demonstration):
    """A song whose voice is higher or lower than those that a network has learnt from."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice("francium"),
            semitones=steps("Semitones", (-12, -6, 0, 6, 12), 0, "How much higher all is."),
        )

    def show(self, song: str, semitones: int) -> Shown:
        """The SDR of mixture, network and ideal mask, as recorded and shifted."""
        levels = {}
        for done, distance in enumerate(dict.fromkeys((0, semitones))):
            self.report(done, 2, "separating")
            levels[_told(distance)] = {
                title: shifted_sdr(model, song, distance) for title, model in _MODELS.items()
            }
        picture = figure()
        ax = picture.subplots()
        bars.grouped(ax, levels, (plots.MIXTURE_COLOR, plots.PALETTE[0])[: len(levels)])
        ax.set_ylabel("SDR of the vocals (dB)")
        ax.margins(y=0.15)
        ax.legend(frameon=False)
        said = ", ".join(
            f"{name} {decibels(value)}" for name, value in levels[_told(semitones)].items()
        )
        text = f"{song.capitalize()}, {_told(semitones)}. SDR of the vocals in dB: {said}."
        heard = shifted_vocals(SPLEETER, song, semitones)
        # what is an octave lower lasts twice as long; silence follows what is shorter
        rest = ((0, round(2 * SECONDS * SAMPLE_RATE) - len(heard)), (0, 0))
        sounds = {
            "Spleeter's": np.pad(heard, rest),
            "true stem": np.pad(_shifted(song, semitones)["vocals"], rest),
        }
        return Shown(picture, text, sounds)


#: Length of the songs of the exercise, in samples.
_LENGTH = 2 * SAMPLE_RATE
#: Likeness from which the same sound is in both; what has nothing in common stays far below.
LIKE = 0.5


def training_set() -> dict[str, Waveform]:
    """What a network of the exercise has learnt from: Lithium's mixture and its stems, by name."""
    song = excerpt("lithium")
    return {"mixture": song.mixture, **song.stems}


def test_set() -> dict[str, Waveform]:
    """Four short songs by name, with which that network is to be tested."""
    lithium, francium = excerpt("lithium"), excerpt("francium")
    first, last = slice(0, _LENGTH), slice(-_LENGTH, None)
    return {
        "song 1": np.float32(0.35) * lithium.mixture[last, ::-1],
        "song 2": francium.mixture[first],
        "song 3": np.float32(0.5) * francium.two["vocals"][last] + lithium.stems["drums"][first],
        "song 4": -francium.mixture[last],
    }


def likeness(first: Waveform, second: Waveform) -> float:
    """How alike two sounds are at the best delay, from 0 to 1; level and sign do not count.

    Parameters
    ----------
    first, second
        Waveforms ``(n_samples, n_channels)``; the second may be a part of the first.
    """
    import scipy.signal

    long, short = (one.mean(axis=1, dtype=np.float64) for one in (first, second))
    found = np.abs(scipy.signal.correlate(long, short, mode="valid"))
    energy = scipy.signal.correlate(long**2, np.ones(len(short)), mode="valid")
    level = np.sqrt(np.maximum(energy, 1e-12) * max(float(short @ short), 1e-12))
    return float((found / level).max())


@cache
def _shared() -> Mapping[str, tuple[str, float]]:
    """By song of the test: what of the training set is most alike, and how much."""
    best = {}
    for name, one in test_set().items():
        found = {part: likeness(other, one) for part, other in training_set().items()}
        part = max(found, key=lambda key: found[key])
        best[name] = part, found[part]
    return best


def _judge_shared(answer: Any) -> str:
    songs = _shared()
    refusal = 'The answer must be a list of names, such as ["song 4"].'
    names = listed(answer, refusal)
    if not all(isinstance(name, str) for name in names):
        raise Wrong(refusal)
    named = set(names)
    unknown = sorted(map(str, named - set(songs)))
    if unknown:
        raise Wrong(f"There is no {unknown[0]}; choose from {', '.join(songs)}.")
    right = {name for name, (_, like) in songs.items() if like > LIKE}
    for name in sorted(named - right):
        part, like = songs[name]
        raise Wrong(
            f"{name.capitalize()} may stay. Of the training set, its {part} is the most like it, "
            f"with a likeness of only {like:.2f}."
        )
    for name in sorted(right - named):
        if songs[name][0] == "mixture":
            raise Wrong("A song was learnt from as it is. Neither level nor channels make it new.")
        raise Wrong("Mixtures are not all: a song was learnt from in part. Compare the stems, too.")
    return "Without these, the test says how the network does on songs that it does not know."


EXERCISES = {"13.1": Exercise("A clean test set", _judge_shared)}
