"""Lesson 5: a mask painted by hand, which is to beat the network's on one bar of a song."""

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets as w
import numpy as np

from mssviz import masks
from mssviz._typing import AnyArray, Mask
from mssviz.errors import MssvizError
from mssviz.lessons.demonstration import decibels, style
from mssviz.lessons.exercise import Exercise, Wrong, array
from mssviz.lessons.songs import SAMPLE_RATE, excerpt, separated
from mssviz.scores import costliest, error_map, usdr
from mssviz.separation.editing import Stroke
from mssviz.separation.laboratory import Laboratory
from mssviz.stft import istft, stft_frames
from mssviz.widgets._box import Box
from mssviz.widgets._view import link
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.spectrogram import SpectrogramView

#: Length of a bar of "Lithium", four beats at 124 a minute, in seconds.
BAR_SECONDS = 4 * 60 / 124
MODEL = "spleeter:2stems"
STEM = "vocals"
#: What an error of each kind is, in words.
_KINDS = {"too much": "other sound that the mask lets through", "missing": "voice that it cuts off"}
#: Decibels by which the painted mask must be better; less is no work.
LEAST_DB = 0.25


class MaskGoal(Box):
    """A bar of a song whose vocals' mask is painted, with the score that is to be beaten.

    The brush begins on the network's own masks.

    Attributes
    ----------
    laboratory : Laboratory
        Masks as they are painted, and the stems that they let through.
    picture : SpectrogramView
    mixer : Mixer
    network_sdr : float
        SDR of the network's vocals in this bar, dB.
    """

    def __init__(self) -> None:
        song = excerpt("lithium", BAR_SECONDS)
        made = separated(MODEL, "lithium", BAR_SECONDS, progress=True)
        self.laboratory = laboratory = Laboratory(made, song.two)
        whole = slice(0, made.mixture_stft.shape[0])
        laboratory.remask(whole)
        laboratory.resound(whole)
        self.network_sdr = self.sdr
        self.picture = SpectrogramView(
            made.mixture_stft, made.preset.stft, laboratory.editor.masks,
            references=laboratory.reference_stfts, low=200.0, high=4000.0,
            show=f"mask/{STEM}", tool="paint",
        )  # fmt: skip
        stems = dict(laboratory.estimates)
        true = {f"true {name}": stem for name, stem in song.two.items()}
        self.mixer = Mixer(
            stems | true, SAMPLE_RATE, pairs={name: f"true {name}" for name in stems}
        )
        self._links = link(self.picture, self.mixer)
        self._status = w.HTML()
        self._undo = w.Button(description="Undo", disabled=True)
        self._undo.on_click(lambda _: self._changed(laboratory.editor.undo()))
        self.picture.on_stroke(self.paint)
        row = w.HBox([self._undo, self._status])
        row.add_class("mssviz-controls")
        super().__init__([row, self.picture, self.mixer, style()], "Exercise with a mask")
        self.add_class("mssviz-lesson")
        self.take_place()
        self._say()

    @property
    def sdr(self) -> float:
        """SDR of the vocals that the present mask lets through, dB."""
        return usdr(self.laboratory.references[STEM], self.laboratory.estimates[STEM])

    @property
    def text(self) -> str:
        """Sentences that say how the present mask stands."""
        laboratory = self.laboratory
        error = error_map(laboratory.references[STEM], laboratory.estimates[STEM])
        return " ".join(
            [
                f"Your {STEM}: SDR {decibels(error.sdr)} dB.",
                f"The network's: {decibels(self.network_sdr)} dB.",
                "Most of your error is",
                _KINDS["too much" if error.too_much > error.missing else "missing"] + ".",
            ]
        )

    def paint(self, stroke: Stroke) -> None:
        """Paint a stroke, as the brush does, and let it be seen, heard and scored."""
        try:
            self._changed(self.laboratory.editor.apply(stroke))
        except MssvizError as error:
            self._status.value = f'<div role="alert">{html.escape(error.on_page)}</div>'

    def withdraw(self) -> None:
        """Close every widget; what was painted stays."""
        for one in self._links:
            one.close()
        super().withdraw()

    def close(self) -> None:
        """Close every widget."""
        self.withdraw()

    def _changed(self, frames: slice) -> None:
        if frames.start < frames.stop:
            start, pieces = self.laboratory.resound(frames)
            self.picture.set_masks(self.laboratory.editor.masks, frames)
            for name, piece in pieces.items():
                self.mixer.replace(name, piece, start / SAMPLE_RATE)
        self._say()

    def _say(self) -> None:
        self._undo.disabled = not self.laboratory.editor.can_undo
        self._status.value = f'<div role="status">{html.escape(self.text)}</div>'


def _judge_goal(answer: Any) -> str:
    song = excerpt("lithium", BAR_SECONDS)
    made = separated(MODEL, "lithium", BAR_SECONDS)
    network = np.asarray(made.masks[STEM])
    mask = _mask_of(answer, network)
    params, mixture = made.preset.stft, np.asarray(made.mixture_stft)
    if np.allclose(mask, network, atol=1e-6):
        raise Wrong("This is the network's own mask. Paint on it: every stroke is scored.")
    true = {name: np.asarray(stft_frames(stem, params)) for name, stem in song.two.items()}
    if _is_ideal(mask, true):
        raise Wrong("This mask is computed from the true vocals, which nobody has. Paint one.")
    reference = song.two[STEM]
    estimate = istft(masks.apply(mask, mixture), params, len(reference))
    sdr, goal = usdr(reference, estimate), usdr(reference, made.estimates[STEM])
    if sdr >= goal + LEAST_DB:
        return f"Your SDR is {sdr:.2f} dB, the network's {goal:.2f} dB."
    place = costliest(error_map(reference, estimate, params), 1)[0]
    remedy = "erase there" if place.kind == "too much" else "paint there"
    raise Wrong(
        f"Your SDR is {sdr:.2f} dB, the network's {goal:.2f} dB; be better by {LEAST_DB} dB. The "
        f"costliest place lies around {(place.start + place.stop) / 2:.2f} s and "
        f"{place.low:.0f} to {place.high:.0f} Hz: {place.kind}, so {remedy}."
    )


def _mask_of(answer: Any, like: AnyArray) -> Mask:
    if isinstance(answer, MaskGoal):
        return answer.laboratory.editor.masks[STEM]
    mask = array(answer, like.shape, "the demonstration, or a mask, (n_frames, n_bins, n_channels)")
    if np.iscomplexobj(mask) or mask.min() < 0 or mask.max() > 1:
        raise Wrong("A mask is a share: its values lie from 0 to 1.")
    return mask.astype(np.float32)


def _is_ideal(mask: Mask, true: Mapping[str, AnyArray]) -> bool:
    ideal = [masks.ideal_binary_masks(true), *(masks.ideal_ratio_masks(true, p) for p in (1, 2))]
    return any(np.abs(mask - found[STEM]).mean() < 1e-3 for found in ideal)


EXERCISES = {"5.1": Exercise("A painted mask that beats the network", _judge_goal)}
