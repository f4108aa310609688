"""Which part of the input carries one value of a mask: gradients, occlusion, receptive field.

What is explained is how clearly a bin is one stem's, the odds of its soft mask in decibels::

    odds = 10 log10( |estimate|^p / sum over the other targets of |estimate|^p )

with the exponent p of the mask: 0 dB is a mask of 0.5, 10 dB one of 0.91. A mask itself says
nothing more once it is near 0 or 1, and its gradient vanishes there.

Such pictures say what the network's answer would change with, not how it reasons: a gradient holds
for small changes alone, occlusion puts a hole where no song has one, and both miss what two parts
of the input do only together. `docs/evidence.md` has the test with random weights.

Sources: Simonyan et al., "Deep inside convolutional networks", ICLR 2014 workshop, for the
gradient; Shrikumar et al., "Not just a black box", arXiv:1605.01713, for gradient times input;
Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017, for integrated gradients;
Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, for occlusion;
Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from mssviz._checks import check_count, check_number
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Mask, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.insight._cells import Cell, grid, quarters
from mssviz.separation import MAGNITUDE, Separation
from mssviz.separators import Separator
from mssviz.stft import bins_to_hz, frames_to_time, istft_part, time_to_frames

#: Gain of what is taken away: 80 dB less, so that a bin that is pointed at keeps a mask.
SILENCED = 1e-4
#: Numbers of an occlusion's first cells along time and along frequency.
FIRST_CELLS = (4, 2)
#: Steps of integrated gradients before any is halved, at equal ratios of level.
_FIRST_STEPS = 8
#: Added to magnitudes before their logarithm; far below any that float32 holds beside others.
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Evidence:
    """What each bin of the input contributes to the odds of one bin of a mask.

    Parameters
    ----------
    method
        Method by which it was found: ``"gradient"``, ``"integrated gradients"`` or
        ``"occlusion"``.
    values
        Contributions in dB, float32, ``(n_frames, n_bins, n_channels)``: above 0 where the input
        speaks for the target, below 0 where it speaks against it.
    start
        Time of the signal whose STFT the values have the grid of, in seconds from the excerpt's
        beginning; below 0 where a patch begins in the silence before it.
    odds_db
        Odds of the bin that is pointed at, in dB.
    rest_db
        Difference in dB between what integrated gradients should add up to and their sum; NaN for
        methods whose values have no sum that means anything.
    """

    method: str
    values: AnyArray
    start: float
    odds_db: float
    rest_db: float = math.nan

    def carrying(self, share: float = 0.9) -> Mask:
        """The fewest bins that together hold a share of what speaks for the target.

        Parameters
        ----------
        share
            Share in (0, 1] of the sum of all values above 0.

        Returns
        -------
        Mask
            1 in these bins and 0 elsewhere, float32, of the same shape as `values`.
        """
        check_number(share, "share")
        if not 0 < share <= 1:
            raise ParameterError(f"share must be above 0 and at most 1 (got {share})")
        gain = np.maximum(self.values, 0).ravel()
        order = np.argsort(gain)[::-1]
        total = np.cumsum(gain[order], dtype=np.float64)
        n_bins = int(np.searchsorted(total, share * total[-1])) + 1 if total[-1] > 0 else 0
        mask = np.zeros(gain.shape, np.float32)
        mask[order[:n_bins]] = 1
        return mask.reshape(self.values.shape)


class MaskBin:
    """One bin of a soft mask, of which can be asked why it has its value.

    Parameters
    ----------
    separator
        Network that made the separation.
    separation
        Song that it has separated.
    target
        Stem whose mask is looked at.
    time
        Time of the bin in seconds from the excerpt's beginning; the frame whose centre is nearest
        is taken.
    frequency
        Frequency of the bin in hertz; the nearest bin is taken.

    Attributes
    ----------
    index : tuple of int
        Numbers of its frame and its bin in the song's STFT.
    time, frequency : float
        Centre of the bin, in seconds and hertz.

    Raises
    ------
    ParameterError
        If the network gives no magnitudes, if there is no such target or bin, or if the mixture is
        silent there.

    Examples
    --------
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> separator = mssviz.Separator()
    >>> separation = separator.separate(waveform, sample_rate, progress=False)
    >>> pointed = mssviz.insight.MaskBin(separator, separation, "vocals", 1.0, 440.0)
    >>> pointed.gradient().values.shape
    (512, 1024, 2)
    """

    def __init__(
        self,
        separator: Separator,
        separation: Separation,
        target: str,
        time: float,
        frequency: float,
    ) -> None:
        _check_model(separator)
        _check_separation(separation, separator)
        if target not in separation.targets:
            raise ParameterError(
                f"target must be one of {', '.join(separation.targets)} (got {target!r})"
            )
        self._separator, self._separation, self._target = separator, separation, target
        params = separation.preset.stft
        mixture = separation.mixture_stft
        self.index = _index(separation, time, frequency)
        frame, self._bin = self.index
        self.time = float(frames_to_time(frame, params))
        self.frequency = float(bins_to_hz(self._bin, params))
        self._patch, self._first = separator.patch_of(mixture, frame)
        self._frame = frame - self._first
        self._start = self._first * params.hop_length / params.sample_rate
        if not np.abs(self._patch[0, self._frame, self._bin]).min() > 0:
            raise ParameterError(
                f"the mixture is silent at {self.time:.2f} s and {self.frequency:.0f} Hz, so a "
                "mask means nothing there; point at another bin"
            )

    # --- methods ------------------------------------------------------------------------------

    def gradient(self) -> Evidence:
        """Find what the odds change with, by gradient times input: one step through the network.

        Returns
        -------
        Evidence
            Derivative of the odds by a gain on each bin: the dB that they would rise by if the bin
            were twice as strong and the network a straight line.
        """
        odds, slope = self._slope(1.0)
        return Evidence("gradient", slope, self._start, odds)

    def integrated_gradients(self, n_runs: int = 32, progress: bool | Progress = False) -> Evidence:
        """Find what the odds are made of, by gradients along the way from near silence.

        Parameters
        ----------
        n_runs
            Largest number of steps through the network, 8 or more. They are put where the odds
            change most.
        progress
            Bar or callback for the steps that are done. What it raises stops the work.

        Returns
        -------
        Evidence
            Values that add up to the odds, less those of the same mixture 80 dB quieter, less
            `Evidence.rest_db`, which shrinks with more steps.
        """
        check_count(n_runs, "n_runs", _FIRST_STEPS)
        edges = np.geomspace(SILENCED, 1.0, _FIRST_STEPS + 1)
        levels = [self.odds_with(np.full(self._patch.shape[1:3], e)) for e in edges]
        steps = []
        with reporter(progress, unit="runs") as report:
            for done, (low, high) in enumerate(pairwise(zip(edges, levels, strict=True))):
                report(done, n_runs, "integrate")
                steps.append(self._step(low, high))
            for done in range(_FIRST_STEPS, n_runs - 1, 2):
                report(done, n_runs, "integrate")
                steps.sort(key=_Step.error)
                worst = steps.pop()
                steps += [self._step(worst.low, worst.middle), self._step(worst.middle, worst.high)]
            report(n_runs, n_runs, "integrate")
        values = np.sum([step.values for step in steps], axis=0)
        rest = levels[-1] - levels[0] - float(values.sum(dtype=np.float64))
        return Evidence("integrated gradients", values, self._start, self.odds_db, rest)

    def occlusion(self, n_runs: int = 64, progress: bool | Progress = False) -> Iterator[Evidence]:
        """Find what the odds lose when a part of the input falls silent, coarse parts first.

        Parameters
        ----------
        n_runs
            Largest number of runs of the network.
        progress
            Bar or callback for the runs that are done. What it raises stops the work.

        Yields
        ------
        Evidence
            Pictures of growing detail: after the first cells, the one that matters most is cut into
            four, again and again. A cell's loss is spread evenly over its bins.
        """
        check_count(n_runs, "n_runs", FIRST_CELLS[0] * FIRST_CELLS[1])
        cells: dict[Cell, float] = {}
        waiting, done = grid(self._field(), *FIRST_CELLS), 0
        with reporter(progress, unit="runs") as report:
            while waiting and done + len(waiting) <= n_runs:
                for cell in waiting:
                    report(done, n_runs, "occlude")
                    cells[cell] = self.odds_db - self._odds_without(cell)
                    done += 1
                yield self._painted(cells)
                largest = sorted(cells, key=lambda cell: -abs(cells[cell]))
                parts = ((cell, quarters(cell)) for cell in largest)
                cut, waiting = next(((c, p) for c, p in parts if len(p) > 1), (None, []))
                if cut and done + len(waiting) <= n_runs:
                    del cells[cut]
            report(n_runs, n_runs, "occlude")

    def receptive_field(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The part of the input that can matter at all, computed from the layers.

        Returns
        -------
        seconds, hertz : tuple of float
            Centres of the first and the last frame, and of the lowest and the highest bin.
        """
        start, stop, low, high = self._field()
        params = self._separation.preset.stft
        seconds = frames_to_time(np.array([start, stop - 1]) + self._first, params)
        hertz = bins_to_hz(np.array([low, high - 1]), params)
        return (float(seconds[0]), float(seconds[1])), (float(hertz[0]), float(hertz[1]))

    @cached_property
    def odds_db(self) -> float:
        """Odds that the bin is the target's, in dB."""
        return self.odds_with(np.ones(self._patch.shape[1:3], np.float32))

    def odds_with(self, gains: AnyArray) -> float:
        """Odds in dB with a gain on each bin of the network's input, ``(n_frames, n_bins)``."""
        network = self._separator.network
        found = network(self._patch * gains[None, :, :, None].astype(np.float32))
        return float(_odds([found[target] for target in network.targets], *self._asked))

    def waveform(self, kept: Mask) -> tuple[float, Waveform]:
        """Make the mixture heard through a mask on what the network has read.

        Parameters
        ----------
        kept
            Mask, such as from `Evidence.carrying`, ``(n_frames, n_bins, n_channels)``.

        Returns
        -------
        start : float
            Time of the first sample, in seconds from the excerpt's beginning.
        waveform : Waveform
            Samples ``(n_samples, n_channels)`` of the mixture in these bins.
        """
        mixture = self._separation.mixture_stft
        first, last = max(0, self._first), min(len(mixture), self._first + len(kept))
        spectrum = np.zeros((last - first, *mixture.shape[1:]), np.complex64)
        frames = slice(first - self._first, last - self._first)
        n_bins = kept.shape[1]
        spectrum[:, :n_bins] = mixture[first:last, :n_bins] * kept[frames]
        start, samples = istft_part(spectrum, self._separation.preset.stft, first)
        cut = max(0, -start)
        stop = len(self._separation.mixture) - start
        return (start + cut) / self._separation.sample_rate, samples[cut:stop]

    def alone(self, kept: Mask) -> Waveform:
        """`waveform` with silence around it, as long as the excerpt."""
        start, piece = self.waveform(kept)
        heard = np.zeros_like(self._separation.mixture)
        first = round(start * self._separation.sample_rate)
        heard[first : first + len(piece)] = piece
        return heard

    # --- the network --------------------------------------------------------------------------

    def _field(self) -> Cell:
        from mssviz.networks.receptive_field import receptive_field

        frames, bins = receptive_field(self._separator.network.model, self._frame, self._bin)
        return frames.start, frames.stop, bins.start, bins.stop

    def _step(self, low: tuple[float, float], high: tuple[float, float]) -> "_Step":
        """Go from one (level, odds) to another."""
        middle = float(np.sqrt(low[0] * high[0]))
        odds, slope = self._slope(middle)
        # the derivative by a gain, times the gain, is the one by the gain's logarithm
        return _Step(low, (middle, odds), high, slope * np.float32(np.log(high[0] / low[0])))

    def _slope(self, level: float) -> tuple[float, AnyArray]:
        """Odds of the mixture at a level, and their derivative by a gain on each bin, times it."""
        from mssviz.networks._tensorflow import tf

        patch = tf.constant(np.ascontiguousarray(self._patch) * np.float32(level))
        odds, slope = self._separator.network.traced(_slope)(patch, *map(tf.constant, self._asked))
        return float(odds), slope.numpy()[0]

    @property
    def _asked(self) -> tuple[int, int, int, float]:
        """Frame and bin in the patch, number of the target, exponent of the masks."""
        own = self._separator.network.targets.index(self._target)
        return self._frame, self._bin, own, self._separation.options.power

    def _odds_without(self, cell: Cell) -> float:
        gains = np.ones(self._patch.shape[1:3], np.float32)
        gains[cell[0] : cell[1], cell[2] : cell[3]] = SILENCED
        return self.odds_with(gains)

    def _painted(self, cells: dict[Cell, float]) -> Evidence:
        values = np.zeros(self._patch.shape[1:], np.float32)
        for (start, stop, low, high), loss in cells.items():
            part = values[start:stop, low:high]
            part += np.float32(loss / part.size)
        return Evidence("occlusion", values, self._start, self.odds_db)


def _odds(outputs: Sequence[Any], frame: Any, bin_: Any, own: Any, exponent: Any) -> Any:
    """Odds in dB, from what a network gives for each of its targets."""
    from mssviz.networks._tensorflow import tf

    values = tf.stack([output[0, frame, bin_] for output in outputs])
    levels = tf.math.log(tf.abs(values) + _TINY) * tf.cast(exponent, tf.float32)
    is_own = tf.one_hot(own, len(outputs), on_value=True, off_value=False)[:, None]
    others = tf.reduce_logsumexp(tf.where(is_own, -np.inf, levels), axis=0)
    return tf.reduce_mean(levels[own] - others) * (10 / np.log(10))


def _slope(network: Any, patch: Any, *asked: Any) -> tuple[Any, Any]:
    """Odds of a patch, and their derivative by a gain on each bin."""
    from mssviz.networks._tensorflow import tf

    gains = tf.ones(patch.shape, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(gains)
        scaled = patch * tf.cast(gains, patch.dtype)
        odds = _odds(network.forward(scaled, training=False), *asked)
    return odds, tape.gradient(odds, gains)


@dataclass(frozen=True, eq=False)
class _Step:
    """A step of integrated gradients between levels, each with its odds in dB."""

    low: tuple[float, float]
    middle: tuple[float, float]
    high: tuple[float, float]
    values: AnyArray

    def error(self) -> float:
        """How far the values are from adding up to the change of the odds."""
        return abs(self.high[1] - self.low[1] - float(self.values.sum(dtype=np.float64)))


def _check_model(separator: Separator) -> None:
    """Refuse a model whose mask is no ratio of magnitudes that a network has read off a picture."""
    if not isinstance(separator, Separator):
        raise ParameterError(f"separator must be a network (got {type(separator).__name__})")
    name = separator.preset.name
    if separator.kind is not MAGNITUDE or separator.preset.gives_waveforms:
        raise ParameterError(
            f"{name} reads and gives waveforms: its stems have no mask that a part of the "
            "spectrogram could carry; choose a network that gives magnitudes"
        )
    if len(separator.targets) < 2:
        raise ParameterError(f"{name} has one target alone, so its mask has no odds")


def _check_separation(separation: Separation, separator: Separator) -> None:
    """Refuse a separation with targets or a grid that are not the network's."""
    own, other = separator.preset, separation.preset
    if (own.targets, own.stft) != (other.targets, other.stft):
        raise ParameterError(f"separation must be of {own.name} (got one of {other.name})")


def _index(separation: Separation, time: float, frequency: float) -> tuple[int, int]:
    """Numbers of the frame and the bin that are nearest to a time and a frequency."""
    preset, params = separation.preset, separation.preset.stft
    highest = float(bins_to_hz(preset.model_bins - 1, params))
    check_number(frequency, "frequency")
    if not 0 <= frequency <= highest:
        raise ParameterError(
            f"frequency must lie between 0 and {highest:.0f} Hz, which is as far as {preset.name} "
            f"reads; masks above are an extension (got {frequency})"
        )
    return frame_at(separation, time), round(frequency * params.n_fft / params.sample_rate)


def frame_at(separation: Separation, time: float) -> int:
    """Number of the frame nearest to a time in seconds, or `ParameterError` if there is none."""
    seconds = len(separation.mixture) / separation.sample_rate
    check_number(time, "time")
    if not 0 <= time <= seconds:
        raise ParameterError(f"time must lie between 0 and {seconds:.2f} s (got {time})")
    return int(time_to_frames(time, separation.preset.stft))
