"""Lesson 5: masks of every kind, and a bin that has two owners."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mssviz import masks, plots
from mssviz._typing import AnyArray, Stft
from mssviz.lessons.demonstration import Demonstration, Shown, choice, decibels, figure, slider
from mssviz.lessons.exercise import Exercise, Wrong, array
from mssviz.lessons.songs import PARAMS, excerpt
from mssviz.scores import usdr
from mssviz.stft import istft, stft

_Masks = Callable[[Mapping[str, Stft], Stft], Mapping[str, AnyArray]]


def _each(
    mask: Callable[[Stft, Stft], AnyArray], true: Mapping[str, Stft], mixture: Stft
) -> dict[str, AnyArray]:
    return {name: mask(spectrum, mixture) for name, spectrum in true.items()}


def _complex(spectrum: Stft, mixture: Stft) -> Stft:
    silent = mixture == 0
    return np.where(silent, 0, spectrum / np.where(silent, 1, mixture))


#: Kinds of ideal masks: from true spectra and the mixture's to masks, by name.
KINDS: dict[str, _Masks] = {
    "binary": lambda true, _: masks.ideal_binary_masks(true),
    "ratio of magnitudes": lambda true, _: masks.ideal_ratio_masks(true, 1),
    "ratio of powers (Wiener)": lambda true, _: masks.ideal_ratio_masks(true, 2),
    "phase-sensitive": partial(_each, masks.phase_sensitive_mask),
    "complex": partial(_each, _complex),
}
_FIRST = "ratio of powers (Wiener)"
#: Magnitude of a bin below which masks may do what they like: a sine at about -100 dBFS.
_AUDIBLE = 1e-2


class TwoOwners(Demonstration):
    """One time-frequency bin in which two sources meet, as arrows."""

    def __init__(self) -> None:
        super().__init__(
            level_db=slider("Other owner (dB)", -20, 20, 1, -6, "Level, relative to the first."),
            angle=slider("Phase between (°)", 0, 180, 5, 60, "Angle between both arrows."),
            kind=choice("Mask", [*KINDS], _FIRST, "How the bin is shared out."),
        )

    def show(self, level_db: float, angle: float, kind: str) -> Shown:
        """Both sources, their sum, and what the mask makes of the sum for the first source."""
        first, other, mask = bin_of_two(level_db, angle, kind)
        both = first + other
        estimate = mask * both
        arrows = {"first": first, "other": other, "mixture": both, "estimate": estimate}
        picture = figure(4.0)
        ax = picture.subplots()
        colors = [plots.PALETTE[0], plots.PALETTE[2], "black", plots.PALETTE[4]]
        starts = [0, first, 0, 0]
        for (name, arrow), color, start in zip(arrows.items(), colors, starts, strict=True):
            ax.annotate(
                "", _xy(start + arrow), _xy(start),
                arrowprops={"arrowstyle": "->", "color": color, "lw": 2 + 2 * (name == "estimate")},
            )  # fmt: skip
            ax.plot([], [], color=color, label=name)
        reach = max(1.2, abs(other) + 1)
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-0.3, reach)
        ax.set_aspect("equal")
        ax.set_xlabel("real part")
        ax.set_ylabel("imaginary part")
        ax.legend(loc="upper left", frameon=False)
        error = abs(estimate - first)
        said = "nothing" if error < 1e-6 else f"{decibels(20 * np.log10(error))} dB"
        text = (
            f"The first owner has magnitude 1.00, the other {abs(other):.2f}, the mixture "
            f"{abs(both):.2f}. The mask is {_in_words(mask)}; the estimate's error is {said}."
        )
        return Shown(picture, text)


def bin_of_two(level_db: float, angle: float, kind: str) -> tuple[complex, complex, complex]:
    """Two sources in one bin, and the first one's mask.

    Parameters
    ----------
    level_db
        Level of the second source, relative to the first, in dB.
    angle
        Angle between both, in degrees.
    kind
        Kind of mask, one of `KINDS`.
    """
    second = 10 ** (level_db / 20) * np.exp(1j * np.deg2rad(angle))
    true: dict[str, AnyArray] = {
        name: np.full((1, 1, 1), value, np.complex128)
        for name, value in (("first", 1.0), ("second", second))
    }
    mask = KINDS[kind](true, true["first"] + true["second"])["first"]
    return 1 + 0j, complex(second), complex(mask.item())


def _xy(point: complex) -> tuple[float, float]:
    return complex(point).real, complex(point).imag


def _in_words(mask: complex) -> str:
    if abs(mask.imag) < 1e-9:
        return f"{mask.real:.2f}"
    return f"{abs(mask):.2f}, turned by {np.rad2deg(np.angle(mask)):.0f}°".replace("-", "−")


class MaskKinds(Demonstration):
    """One stem through ideal masks of every kind."""

    def __init__(self) -> None:
        song = excerpt()
        self._stems = song.stems
        self._true = {name: stft(stem, PARAMS) for name, stem in song.stems.items()}
        self._mixture = stft(song.mixture, PARAMS)
        super().__init__(
            stem=choice("Stem", [*song.stems], "vocals", "The stem that is masked out."),
            kind=choice("Mask", [*KINDS], "binary", "How each bin is shared out."),
        )

    def show(self, stem: str, kind: str) -> Shown:
        """The mask, and what it lets through."""
        found = KINDS[kind](self._true, self._mixture)
        mask, true = found[stem], self._stems[stem]
        estimate = istft(mask * self._mixture, PARAMS, len(true))
        picture = figure()
        left, right = picture.subplots(1, 2, sharey=True)
        size = np.minimum(np.abs(mask), 1)
        plots.mask(size, PARAMS, ax=left)
        plots.spectrogram(mask * self._mixture, PARAMS, ax=right)
        right.label_outer()
        audible = np.abs(self._mixture) > _AUDIBLE
        total = np.add.reduce(list(found.values()))[audible]
        one = 100 * (np.abs(total - 1) < 0.01).mean()
        soft = 100 * ((size > 0.1) & (size < 0.9)).mean()
        text = (
            f"Left: the mask of the {stem}, {kind}. Right: what it lets through. {soft:.0f} % of "
            f"its bins lie between 0.1 and 0.9. The masks of all stems add up to 1 in {one:.0f} % "
            f"of the bins. SDR: {decibels(usdr(true, estimate))} dB."
        )
        return Shown(picture, text, {"estimate": estimate, "true stem": true})


def true_spectra() -> dict[str, Stft]:
    """STFTs of Lithium's four stems, ``(n_frames, n_bins, n_channels)``, for the exercise."""
    return {name: stft(stem, PARAMS) for name, stem in excerpt().stems.items()}


def _judge_masks(answer: Any) -> str:
    true = true_spectra()
    if not isinstance(answer, Mapping) or set(answer) != set(true):
        raise Wrong(f"The answer must be a dict with a mask for each of {', '.join(true)}.")
    shape = next(iter(true.values())).shape
    found = {
        name: array(answer[name], shape, f"the mask of the {name}, like the STFT") for name in true
    }
    if any(np.iscomplexobj(mask) for mask in found.values()):
        raise Wrong("These masks are complex: take magnitudes, with np.abs, before you divide.")
    loud = np.add.reduce([np.abs(s) for s in true.values()]) > _AUDIBLE
    total = np.add.reduce(list(found.values()))[loud]

    def is_near(others: Mapping[str, AnyArray]) -> bool:
        return all(np.abs(found[n] - others[n])[loud].max() < 0.01 for n in true)

    if is_near(masks.ideal_ratio_masks(true, 2)):
        return "Every mask lies in [0, 1], and all four add up to 1 in every bin."
    if is_near(masks.ideal_ratio_masks(true, 1)):
        raise Wrong("They add up to 1, but these are shares of magnitudes. Square them first.")
    if all(set(np.unique(mask)) <= {0, 1} for mask in found.values()):
        raise Wrong("These are binary masks: each bin goes to one stem. Share it out.")
    if np.abs(total - 1).max() < 0.01:
        raise Wrong("They add up to 1, but are no shares of powers: |S|² over the sum of all |S|².")
    raise Wrong(
        f"The four masks add up to {total.mean():.2f} in the mean, not to 1: something is shared "
        "out twice, or lost. Divide by the sum of the four powers, not by the mixture's power."
    )


EXERCISES = {"5.2": Exercise("Masks that add up to one", _judge_masks)}
