"""Lesson 8: what a U-Net's bin can see, what its skip connections carry, what its layers hold."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import plots
from mssviz._typing import AnyArray, Mask, Waveform
from mssviz._values import shown
from mssviz.insight import Surgery
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
from mssviz.lessons.songs import SAMPLE_RATE, SPLEETER, excerpt, separated
from mssviz.scores import usdr
from mssviz.separators import TWO_STEMS, Separator
from mssviz.stft import bins_to_hz, frames_to_time, stft_frames, time_to_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Number of Spleeter's levels, of which each halves frames and bins.
N_LEVELS = 6
#: Length of the sound that a receptive field is drawn on, in seconds.
_WHOLE = 10.0


@cache
def surgery() -> Surgery:
    """Spleeter with two stems, whose parts can be switched off."""
    return Surgery(Separator(SPLEETER, progress=False))


def edge_hz() -> float:
    """Frequency above which Spleeter's network sees nothing, in hertz."""
    preset = surgery().preset
    return float(bins_to_hz(preset.model_bins, preset.stft))


def two_masks(picture: "Figure", shown: Mapping[str, Mask]) -> AnyArray:
    """Draw two masks beside each other, and give their axes.

    Parameters
    ----------
    picture
        Figure to draw into.
    shown
        Masks on Spleeter's grid, by title.
    """
    axes = picture.subplots(1, 2, sharey=True)
    for ax, (title, mask) in zip(axes, shown.items(), strict=True):
        plots.mask(mask, surgery().preset.stft, ax=ax)
        ax.set_title(title)
        ax.label_outer()
    return axes


# --- Receptive field ----------------------------------------------------------------------------


def field(n_levels: int, time: float, frequency: float) -> tuple[slice, slice]:
    """Frames and bins that a bin can depend on in a U-Net of Spleeter's kind.

    Parameters
    ----------
    n_levels
        Number of levels, from 1.
    time, frequency
        Place of the bin, in seconds and hertz.
    """
    from mssviz.networks.receptive_field import receptive_field

    params = surgery().preset.stft
    frame = round(float(time_to_frames(time, params)))
    return receptive_field(_small(n_levels), frame, round(frequency / float(bins_to_hz(1, params))))


@cache
def _small(n_levels: int) -> Any:
    # of one channel: how many there are does not change what is seen
    from mssviz.networks.unet import build_unet

    return build_unet(["vocals"], filters=[1] * n_levels)


class ReceptiveField(Demonstration):
    """How far one bin of a U-Net's output looks, by the number of its levels."""

    def __init__(self) -> None:
        super().__init__(
            n_levels=slider("Levels", 1, N_LEVELS, 1, 1, "Each level halves frames and bins."),
            time=slider("Time (s)", 0.5, 9.5, 0.5, 5, "Time of the bin."),
            frequency=slider("Frequency (Hz)", 200, 8000, 100, 1000, "Frequency of the bin."),
        )

    def show(self, n_levels: float, time: float, frequency: float) -> Shown:
        """The mixture, and a box around what the bin can depend on."""
        params = surgery().preset.stft
        frames, bins = field(round(n_levels), time, frequency)
        mixture = excerpt("lithium", _WHOLE).mixture
        picture = figure()
        ax = picture.subplots()
        spectrum = stft_frames(mixture, params)[:, : surgery().preset.model_bins]
        plots.spectrogram(spectrum, params, ax=ax, scale="linear")
        first, last = frames_to_time(np.array([frames.start, frames.stop - 1]), params)
        low, high = bins_to_hz(np.array([bins.start, bins.stop - 1]), params)
        ax.plot([first, last, last, first, first], [low, low, high, high, low], color="white")
        ax.plot([time], [frequency], "o", color="white", markersize=4)
        n_frames, n_bins = frames.stop - frames.start, bins.stop - bins.start
        levels = f"{n_levels:.0f} level{'s' * (n_levels > 1)}"
        text = (
            f"With {levels}, the bin at {time:.1f} s and {frequency:.0f} Hz sees {n_frames} of "
            f"{surgery().preset.patch_frames} frames and {n_bins} of "
            f"{surgery().preset.model_bins:,} bins: {last - first:.1f} s, and from {low:.0f} to "
            f"{high:.0f} Hz."
        )
        return Shown(picture, text)


# --- Skip connections ---------------------------------------------------------------------------

#: What can be switched off, by what people read: parts of each stem's network.
CUTS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    **{f"skip of level {n}": (f"conv{n}_skip",) for n in range(1, N_LEVELS)},
    "all skips": tuple(f"conv{n}_skip" for n in range(1, N_LEVELS)),
    "the deepest layer": (f"conv{N_LEVELS}",),
}


@cache
def without(cut: str, song: str = "lithium") -> dict[str, AnyArray]:
    """Stems and masks of Spleeter with something switched off in the networks of both stems.

    Parameters
    ----------
    cut
        What is off, one of `CUTS`.
    song
        Name of the song.

    Returns
    -------
    dict
        Estimated waveforms by stem, and the vocals' mask as ``"mask"``.
    """
    network = surgery()
    network.reset()
    try:
        for part in CUTS[cut]:
            for stem in network.targets:
                network.scale(f"{stem}_{part}", 0)
        made = network.separate(excerpt(song).mixture, SAMPLE_RATE, progress=False)
    finally:
        network.reset()
    mask = np.asarray(made.masks["vocals"])
    return {name: np.asarray(made.estimates[name]) for name in TWO_STEMS} | {"mask": mask}


def sdr_without(cut: str, stem: str = "vocals", song: str = "lithium") -> float:
    """SDR of a stem with something switched off, in dB; parameters as of `without`."""
    return usdr(excerpt(song).two[stem], without(cut, song)[stem])


class Skips(Demonstration):
    """Spleeter with a skip connection switched off."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            cut=choice("Switch off", [*CUTS], "nothing", "Part of both stems' networks."),
        )

    def show(self, song: str, cut: str) -> Shown:
        """The vocals' mask of the whole network and of what is left of it."""
        self.report(0, 2, "separate")
        whole = without("nothing", song)
        self.report(1, 2, "separate")
        left = without(cut, song)
        picture = figure()
        two_masks(picture, {"whole network": whole["mask"], f"{cut} switched off": left["mask"]})
        levels = [decibels(sdr_without(one, song=song)) for one in ("nothing", cut)]
        below = slice(surgery().preset.model_bins)
        change = float(np.abs(whole["mask"] - left["mask"])[:, below].mean())
        text = (
            f"Masks of {song}'s vocals. Left: the whole network, SDR {levels[0]} dB. Right: {cut} "
            f"switched off, SDR {levels[1]} dB. The mask has changed by {change:.2f} in the mean."
        )
        sounds: dict[str, Waveform] = {"cut": left["vocals"], "whole": whole["vocals"]}
        return Shown(picture, text, sounds | {"true vocals": excerpt(song).two["vocals"]})


# --- Feature maps -------------------------------------------------------------------------------

#: Layers that can be looked at: those on the way down, and those on the way up.
LAYERS = (
    *(f"conv{n}" for n in range(1, N_LEVELS + 1)),
    *(f"up{n}" for n in range(1, N_LEVELS + 1)),
)
#: Number of channels that can be looked at, and frequency up to which they are drawn, in hertz.
_SHOWN, _TOP = 8, 6000


@cache
def feature_maps(layer: str, song: str = "lithium") -> AnyArray:
    """What a layer of the vocals' network holds of a song, its most varied channels first.

    Parameters
    ----------
    layer
        Name of the layer, one of `LAYERS`.
    song
        Name of the song.

    Returns
    -------
    array
        Maps over the patch, ``(n_times, n_bands, n_channels)``.
    """
    maps, _ = surgery().feature_maps(f"vocals_{layer}", separated(SPLEETER, song), 0.0)
    return maps[:, :, np.argsort(-maps.std(axis=(0, 1)), kind="stable")]


class FeatureMaps(Demonstration):
    """What one channel of one layer makes of a song."""

    def __init__(self) -> None:
        super().__init__(
            song=song_choice(),
            layer=choice("Layer", LAYERS, LAYERS[0], "conv: on the way down; up: on the way up."),
            channel=slider("Channel", 1, _SHOWN, 1, 1, "The most varied come first."),
        )

    def show(self, song: str, layer: str, channel: float) -> Shown:
        """The mixture, and below it the feature map on the same axes."""
        self.report(0, None, "compute")
        preset = surgery().preset
        maps = feature_maps(layer, song)
        chosen = min(round(channel), maps.shape[2])
        values = maps[:, :, chosen - 1]
        first, last = frames_to_time(np.array([0, preset.patch_frames - 1]), preset.stft)
        picture = figure()
        left, right = picture.subplots(1, 2, sharey=True, sharex=True)
        mixture = excerpt(song).mixture
        spectrum = stft_frames(mixture, preset.stft)[:, : preset.model_bins]
        plots.spectrogram(spectrum, preset.stft, ax=left, scale="linear")
        reach = float(np.percentile(np.abs(values), 99.5)) or 1.0
        image = right.imshow(
            values.T, origin="lower", aspect="auto", extent=(first, last, 0, edge_hz()),
            cmap=plots.DIFFERENCE_MAP, vmin=-reach, vmax=reach,
        )  # fmt: skip
        picture.colorbar(image, ax=right, label="value", pad=0.01, aspect=12)
        right.set_xlabel("time (s)")
        left.set(xlim=(0, len(mixture) / SAMPLE_RATE), ylim=(0, _TOP))
        text = (
            f"Left: {song}'s mixture. Right: channel {chosen} of {maps.shape[2]} of {layer}, which "
            f"has {maps.shape[0]} times and {maps.shape[1]} bands a patch: one every "
            f"{1000 * (last - first) / maps.shape[0]:.0f} ms and "
            f"{edge_hz() / maps.shape[1]:.0f} Hz."
            f" Its values go from {decibels(values.min())} to {decibels(values.max())}."
        )
        return Shown(picture, text)


# --- How much a layer sees ----------------------------------------------------------------------

#: Width of the kernels, and step from one output to the next, in bins of what is read.
KERNEL, STRIDE = 5, 2


def sizes(kernel: int = KERNEL, stride: int = STRIDE) -> list[int]:
    """Number of frames that each layer on the way down sees.

    Parameters
    ----------
    kernel, stride
        Width of the kernels and the step of each layer.
    """
    return [1 + (kernel - 1) * sum(stride**k for k in range(n)) for n in range(1, N_LEVELS + 1)]


def _judge_sizes(answer: Any) -> str:
    found, right = _sizes(answer), sizes()
    if found == right:
        return f"The deepest layer sees {right[-1]} frames, {right[-1] * 1024 / 44100:.1f} s."
    if found == right[::-1]:
        raise Wrong("The order is turned round: the first layer, which sees least, comes first.")
    if found == sizes(stride=1):
        raise Wrong(
            "This is right for layers that go on by one frame. Here each goes on by two, so what "
            "the next one reads lies twice as far apart."
        )
    if found == [1 + STRIDE * (size - 1) for size in right]:
        raise Wrong(
            "Every layer is one too far: a layer's own stride spreads what the next one reads, and "
            "not what it reads itself."
        )
    if found == [KERNEL * STRIDE**n for n in range(N_LEVELS)]:
        raise Wrong("A layer does not double what the one before it sees. It adds to both ends.")
    if found == [KERNEL ** (n + 1) for n in range(N_LEVELS)]:
        raise Wrong("Kernels overlap: five neighbours do not see five times as much, but share it.")
    wrong = next(n for n in range(N_LEVELS) if found[n] != right[n])
    if wrong == 0:
        raise Wrong(f"The first layer sees as many frames as its kernel is wide: {KERNEL}.")
    raise Wrong(
        f"Right up to layer {wrong}. Layer {wrong + 1} reads {KERNEL} outputs of the layer before. "
        f"How many frames lie from one of these to the next?"
    )


def _sizes(answer: Any) -> list[int]:
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if not isinstance(answer, Sequence) or isinstance(answer, str) or len(answer) != N_LEVELS:
        raise Wrong(f"The answer must be a list of {N_LEVELS} numbers, not {shown(answer)}.")
    found = [number(one) for one in answer]
    if any(one != round(one) for one in found):
        raise Wrong("Count frames: all numbers are whole.")
    return [round(one) for one in found]


EXERCISES = {"8.1": Exercise("How much a layer sees", _judge_sizes)}
