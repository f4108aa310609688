"""Lesson 7: separation before deep learning: median filters, repetition, and components."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from mssviz import masks, plots
from mssviz._typing import AnyArray, Mask, Waveform
from mssviz._values import shown
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
from mssviz.lessons.songs import PARAMS, SPLEETER, excerpt, separated
from mssviz.scores import usdr
from mssviz.separators import TWO_STEMS
from mssviz.separators.classical import hpss
from mssviz.stft import istft, magnitude, stft

#: Lengths of the median filters that the slider offers, in frames and in bins.
LENGTHS = (3, 7, 15, 31, 63, 127)
HALVES = ("percussive", "harmonic")
#: Length of the sound in which repetition is looked for, in seconds.
REPEATING = 10.0
#: Least distance of two frames that count as a repetition, in seconds.
_APART = 2.0
#: Number of components, and of the rounds in which they are found.
N_COMPONENTS, _N_ROUNDS = 10, 200


# --- Median filters -----------------------------------------------------------------------------


@cache
def median_masks(song: str, length: int) -> Mapping[str, Mask]:
    """Masks of percussive and harmonic sound.

    Parameters
    ----------
    song
        Name of the song.
    length
        Length of the median filters, in frames and in bins.
    """
    halves = hpss(magnitude(stft(excerpt(song).mixture, PARAMS)), length)
    return masks.ratio_masks(dict(zip(HALVES, halves, strict=True)), 2.0)


def percussive_share(stem: str, song: str = "lithium", length: int = 31) -> float:
    """Share of a stem's energy that counts as percussive, in percent.

    Parameters
    ----------
    stem
        Name of the stem.
    song, length
        Song and length of the filters, as of `median_masks`.
    """
    found = median_masks(song, length)
    spectrum = stft(excerpt(song).stems[stem], PARAMS)
    energy = {half: np.sum(np.abs(mask * spectrum) ** 2) for half, mask in found.items()}
    return float(100 * energy["percussive"] / sum(energy.values()))


class MedianFilters(Demonstration):
    """A mixture cut in two: what stands upright in its spectrogram, and what lies flat."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            length=steps("Filter (frames, bins)", LENGTHS, 31, "Length of both median filters."),
        )

    def show(self, song: str, length: int) -> Shown:
        """Both halves, and where each true stem has gone."""
        found = excerpt(song)
        mixture = stft(found.mixture, PARAMS)
        halves = {name: mask * mixture for name, mask in median_masks(song, length).items()}
        picture = figure()
        plots.stems(halves, PARAMS, axes=picture.subplots(1, 2, sharey=True))
        sounds = {name: istft(s, PARAMS, len(found.mixture)) for name, s in halves.items()}
        shares = [f"{s} {percussive_share(s, song, length):.0f} %" for s in found.stems]
        score = usdr(found.stems["drums"], sounds["percussive"])
        text = (
            f"Left: what is smooth along {length} bins. Right: what is smooth along {length} "
            f"frames. Of each stem's energy this much goes to the left: {', '.join(shares)}. Taken "
            f"as drums, the percussive half has an SDR of {decibels(score)} dB."
        )
        return Shown(picture, text, sounds | {"true drums": found.stems["drums"]})


# --- Repetition ---------------------------------------------------------------------------------


def similarity(song: str) -> AnyArray:
    """How alike all frames of a song are: cosines of the angles between their magnitudes.

    Parameters
    ----------
    song
        Name of the song.

    Returns
    -------
    array
        Values in [0, 1], ``(n_frames, n_frames)``.
    """
    frames = magnitude(stft(excerpt(song, REPEATING).mixture, PARAMS)).mean(axis=2)
    length = np.linalg.norm(frames, axis=1, keepdims=True)
    unit = frames / np.maximum(length, 1e-9)
    return np.clip(unit @ unit.T, 0, 1)


class Repetition(Demonstration):
    """What comes again is the accompaniment, what does not is the voice."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            stem=choice("Stem", TWO_STEMS, TWO_STEMS[0], "The stem that is heard and scored."),
        )

    def show(self, song: str, stem: str) -> Shown:
        """How alike any two frames are, and the stem that follows from it."""
        made = separated("repet-sim", song, REPEATING, self.report)
        alike = similarity(song)
        picture = figure()
        left, right = picture.subplots(1, 2, width_ratios=(1, 2))
        seconds = (0, REPEATING, 0, REPEATING)
        image = left.imshow(alike, origin="lower", extent=seconds, cmap=plots.MASK_MAP, vmin=0)
        picture.colorbar(image, ax=left, label="likeness", pad=0.02)
        left.set_xlabel("time (s)")
        left.set_ylabel("time (s)")
        estimate = np.asarray(made.estimates[stem])
        plots.spectrogram(stft(estimate, PARAMS), PARAMS, ax=right)
        right.set_title(stem)
        nearest = np.where(_are_apart(len(alike)), alike, 0).max(axis=1)
        levels = {
            model: decibels(ceiling(model, song, stem, REPEATING))
            for model in ("repet-sim", "mixture", SPLEETER)
        }
        text = (
            f"Left: how alike any two frames of {song} are; stripes beside the diagonal are bars "
            f"that come again. The median frame has one at least {_APART:.0f} s away that is alike "
            f"by {np.median(nearest):.2f}. Right: the {stem} made from it. SDR: "
            f"{levels['repet-sim']} dB; the mixture itself has {levels['mixture']} dB, Spleeter "
            f"{levels[SPLEETER]} dB."
        )
        true = excerpt(song, REPEATING).two[stem]
        return Shown(picture, text, {"estimate": estimate, "true stem": true})


def _are_apart(n_frames: int) -> AnyArray:
    number = np.arange(n_frames)
    hops = _APART * PARAMS.sample_rate / PARAMS.hop_length
    return np.abs(number[:, None] - number) >= hops


# --- Components ---------------------------------------------------------------------------------


class Factors(NamedTuple):
    """A magnitude as the product of two tables without negative numbers.

    Attributes
    ----------
    spectra : array
        Spectrum of each component, ``(n_bins, n_components)``; the largest value is 1.
    gains : array
        Level of each component in each frame, ``(n_components, n_frames)``.
    """

    spectra: AnyArray
    gains: AnyArray


@cache
def factors(song: str = "lithium", n_components: int = N_COMPONENTS) -> Factors:
    """Factorise a mixture's magnitude, as scikit-learn does, lowest components first.

    Parameters
    ----------
    song
        Name of the song.
    n_components
        Number of components.
    """
    import librosa

    level = magnitude(stft(excerpt(song).mixture, PARAMS)).mean(axis=2).T
    spectra, gains = librosa.decompose.decompose(
        level, n_components=n_components, sort=True, init="nndsvda", random_state=0,
        max_iter=_N_ROUNDS, tol=0,
    )  # fmt: skip
    peaks = np.maximum(spectra.max(axis=0), 1e-9)
    return Factors(spectra / peaks, gains * peaks[:, None])


def components(song: str = "lithium", n_components: int = N_COMPONENTS) -> tuple[Waveform, ...]:
    """Sounds of the components, which add up to the mixture.

    Parameters
    ----------
    song
        Name of the song.
    n_components
        Number of components.
    """
    return tuple(sound.copy() for sound in _components(song, n_components))


@cache
def _components(song: str, n_components: int) -> tuple[Waveform, ...]:
    found, mixture = factors(song, n_components), excerpt(song).mixture
    levels = {
        str(n): np.outer(found.gains[n], found.spectra[:, n])[:, :, None].astype(np.float32)
        for n in range(n_components)
    }
    shares, spectrum = masks.ratio_masks(levels, 1.0), stft(mixture, PARAMS)
    return tuple(istft(mask * spectrum, PARAMS, len(mixture)) for mask in shares.values())


def share_of(stem: str, number: int, n_components: int = N_COMPONENTS) -> float:
    """How much of a stem of Lithium a component explains, in percent of the component's energy.

    Parameters
    ----------
    stem
        Name of the stem.
    number
        Number of the component, from 1.
    n_components
        Number of components.
    """
    return 100 * _shares("lithium", number, n_components)[stem]


def _shares(song: str, number: int, n_components: int) -> dict[str, float]:
    # what the component's mask lets through of each true stem
    found = factors(song, n_components)
    total = found.spectra @ found.gains + 1e-9
    mask = (found.spectra[:, number - 1 : number] * found.gains[number - 1] / total).T[:, :, None]
    energy = {
        name: float(np.sum(np.abs(mask * stft(stem, PARAMS)) ** 2))
        for name, stem in excerpt(song).stems.items()
    }
    whole = sum(energy.values()) or 1.0
    return {name: value / whole for name, value in energy.items()}


class Components(Demonstration):
    """A spectrogram as a sum of some spectra that come and go."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            n_components=steps("Components", (2, 4, 6, 8, 10, 16), 10, "How many are found."),
            number=slider(
                "Listen to number", 1, 16, 1, 1, "The component that is heard, or else the last."
            ),
        )

    def show(self, song: str, n_components: int, number: float) -> Shown:
        """The spectra and gains of all components, and whose sound the chosen one is."""
        self.report(0, None, "factorise")
        found, heard = factors(song, n_components), components(song, n_components)
        chosen = min(round(number), n_components)
        picture = figure(3.8)
        _draw(picture.subplots(1, 2, width_ratios=(1, 2)), found, chosen)
        shares = _shares(song, chosen, n_components)
        said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
        loudest = found.spectra[:, chosen - 1].argmax() * PARAMS.sample_rate / PARAMS.n_fft
        text = (
            f"Component {chosen} of {n_components}: its spectrum is loudest at {loudest:.0f} Hz, "
            f"and its gain at {found.gains[chosen - 1].argmax() * PARAMS.hop_length / 44100:.1f} "
            f"s. Its sound is {said}."
        )
        mixture = excerpt(song).mixture
        return Shown(picture, text, {"component": heard[chosen - 1], "mixture": mixture})


def _draw(axes: AnyArray, found: Factors, chosen: int) -> None:
    left, right = axes
    hertz = np.arange(len(found.spectra)) * PARAMS.sample_rate / PARAMS.n_fft
    seconds = np.arange(found.gains.shape[1]) * PARAMS.hop_length / PARAMS.sample_rate
    for n, (spectrum, gain) in enumerate(zip(found.spectra.T, found.gains, strict=True), 1):
        color = plots.PALETTE[0] if n == chosen else plots.MIXTURE_COLOR
        left.fill_betweenx(hertz, n, n + 0.9 * spectrum, color=color, linewidth=0.5)
        right.fill_between(seconds, n, n + 0.9 * gain / (gain.max() or 1.0), color=color)
    left.set_yscale("log")
    left.set_ylim(40, 10_000)
    ticks = {50: "50", 100: "100", 200: "200", 500: "500", 1000: "1k", 2000: "2k", 5000: "5k"}
    left.set_yticks([*ticks], [*ticks.values()])
    left.minorticks_off()
    left.set_xlabel("component: its spectrum")
    left.set_ylabel("frequency (Hz)")
    right.set_xlabel("time (s)")
    right.set_ylabel("component: its gain")
    for axis in (left.xaxis, right.yaxis):
        axis.get_major_locator().set_params(integer=True)


_STEM = "vocals"
#: What a right answer may lie below the best one, in dB.
_SLACK_DB = 0.5


def grouped_sdr(numbers: Iterable[int], stem: str = _STEM) -> float:
    """SDR of some components of Lithium together, taken as a stem, in dB.

    Parameters
    ----------
    numbers
        Numbers of the components, from 1.
    stem
        Name of the stem.
    """
    sounds = components()
    return usdr(excerpt().stems[stem], np.add.reduce([sounds[n - 1] for n in numbers]))


@cache
def best_group() -> frozenset[int]:
    """Numbers of the components that together are nearest to the vocals of Lithium.

    They are added one after the other, as long as that makes the group better.
    """
    best: frozenset[int] = frozenset()
    level = -np.inf
    while True:
        others = [best | {n} for n in range(1, N_COMPONENTS + 1) if n not in best]
        found = max(others, key=grouped_sdr, default=best)
        if found == best or grouped_sdr(found) <= level:
            return best
        best, level = found, grouped_sdr(found)


def _judge_group(answer: Any) -> str:
    numbers = _numbers(answer)
    level, goal = grouped_sdr(numbers), grouped_sdr(best_group())
    said = f"As {_STEM}, they have an SDR of {decibels(level)} dB"
    if level >= goal - _SLACK_DB:
        return f"{said}. More cannot be had of these components: no group does much better."
    if len(numbers) == N_COMPONENTS:
        raise Wrong(f"All components together are the mixture. {said}.")
    owners = {number: _shares("lithium", number, N_COMPONENTS) for number in numbers}
    for number, shares in owners.items():
        owner = max(shares, key=lambda name: shares[name])
        if owner != _STEM:
            raise Wrong(
                f"{said}. Component {number} is mostly {owner}: {100 * shares[owner]:.0f} % of it."
            )
    raise Wrong(f"{said}. They are right, but one is missing: which other one sings?")


def _numbers(answer: Any) -> list[int]:
    refusal = f"The answer must be a list of numbers, such as [1, 2], not {shown(answer)}."
    if isinstance(answer, Mapping):
        raise Wrong(refusal)
    found = listed(answer, refusal)
    if any(isinstance(n, bool) or not isinstance(n, int | np.integer) for n in found):
        raise Wrong("Components are whole numbers: give a list such as [1, 2].")
    if not found:
        raise Wrong("The list is empty. Listen to the components, and name those of the voice.")
    if not all(1 <= n <= N_COMPONENTS for n in found):
        raise Wrong(f"Components are numbered from 1 to {N_COMPONENTS}.")
    if len(set(found)) < len(found):
        raise Wrong("One component is in the list twice, so it would be twice as loud.")
    return [int(n) for n in found]


EXERCISES = {"7.1": Exercise("Components of the voice", _judge_group)}
