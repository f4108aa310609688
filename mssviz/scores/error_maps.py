r"""Where an estimate's error lies in time and frequency, to the last decibel.

With :math:`X` the true stem's STFT and :math:`Y` the estimate's, the error of a time-frequency bin
is an energy, and it falls exactly into an error of level and one of phase:

.. math:: |Y - X|^2 = (|Y| - |X|)^2 + 2 |X| |Y| (1 - \cos\Delta\varphi)

**The bins add up to the whole.** The Hann windows of a grid, squared, add up to one constant at
every sample, because `stft` pads a signal until all its samples lie in equally many frames. So
Parseval's theorem holds for the signal as a whole, its edges included:

.. math:: \sum_n |\hat s - s|^2 = \frac{1}{N G} \sum_{t, f} g_f |Y - X|^2

with :math:`N` the length of a frame, :math:`G` the constant (`StftParams.overlap_gain`), and
:math:`g_f` 2 for bins that stand for their mirror image, too, and 1 for those at 0 Hz and at half
the sample rate. The energies of a map are the terms of this sum: any of them, over the sum, is
that bin's share of what the SDR lost.

References
----------
Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP
32(2), 1984. Le Roux and Vincent, "Consistent Wiener filtering for audio source separation", IEEE
Signal Processing Letters 20(3), 2013, for what an inverse STFT does to errors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mssviz._fetch import no_progress
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.scores.signals import checked_pair, ratio_db
from mssviz.stft import Frames, StftParams, check_params, stft_frames

#: Frames in a block of a pass over a song.
BLOCK_FRAMES = 256


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """The error of an estimate, bin by bin; from `error_map`.

    Only the two waveforms are stored: maps are computed when they are looked at, frame by frame.

    Parameters
    ----------
    reference, estimate
        True stem and its estimate, ``(n_samples, n_channels)``.
    params
        Time-frequency grid.
    too_much, missing
        Shares of the error's energy in bins whose level is too high, and too low, 0 to 1. They add
        up to 1; NaN if there is no error.
    phase
        Share of the error's energy that is wrong phase, 0 to 1; the rest is wrong level.
    peak
        Largest energy of the error in one bin of one channel.
    """

    reference: Waveform
    estimate: Waveform
    params: StftParams
    too_much: float
    missing: float
    phase: float
    peak: float

    @cached_property
    def error(self) -> float:
        """Energy of the error: the sum of its squared samples."""
        return energy(self.estimate, self.reference)

    @cached_property
    def sdr(self) -> float:
        """Energy of the true stem over that of the error, in dB; NaN if the stem is silent."""
        return sdr_db(energy(self.reference), self.error)

    @property
    def signed(self) -> Frames:
        """Energy of the error, above 0 where there is too much and below where there is too little.

        ``(n_frames, n_bins, n_channels)``, float32; the absolute values add up to `error`.
        """
        return self._frames(lambda start, stop: self.parts(start, stop)[0])

    @property
    def level(self) -> Frames:
        """The part of `signed` that is wrong level, with the same signs."""
        return self._frames(lambda start, stop: self.parts(start, stop)[1])

    @property
    def out_of_phase(self) -> Frames:
        """The part of `signed` that is wrong phase, with the same signs."""
        return self._frames(lambda start, stop: np.subtract(*self.parts(start, stop)))

    def _frames(self, compute: Callable[[int, int], AnyArray]) -> Frames:
        n_samples, n_channels = self.reference.shape
        shape = (self.params.n_frames(n_samples), self.params.n_bins, n_channels)
        return Frames(shape, np.float32, lambda *span: compute(*span).astype(np.float32))

    def parts(self, start: int, stop: int) -> tuple[AnyArray, AnyArray]:
        """Compute `signed` and `level` of the frames from `start` to before `stop`, float64."""
        # float64, so that the difference of spectra that are nearly alike keeps its digits
        true, found = (
            stft_frames(waveform, self.params, precise=True)[start:stop]
            for waveform in (self.reference, self.estimate)
        )
        too_much = np.abs(found) - np.abs(true)
        error = found - true
        weights = bin_weights(self.params)[:, None]
        signed = np.copysign(weights * (error.real**2 + error.imag**2), too_much)
        return signed, weights * np.abs(too_much) * too_much

    def blocks(self, report: Progress = no_progress) -> Iterator[tuple[int, AnyArray, AnyArray]]:
        """Pass through the song: the number of a block's first frame, and its `parts`.

        Parameters
        ----------
        report
            Callback that gets the seconds done and the seconds in all.
        """
        n_frames = self.params.n_frames(len(self.reference))
        hop = self.params.hop_length / self.params.sample_rate
        for start in range(0, n_frames, BLOCK_FRAMES):
            report(start * hop, n_frames * hop, "find errors")
            yield start, *self.parts(start, min(start + BLOCK_FRAMES, n_frames))


def error_map(
    reference: AnyArray,
    estimate: AnyArray,
    params: StftParams | None = None,
    progress: bool | Progress = False,
) -> ErrorMap:
    """Find where the error of an estimate lies.

    Parameters
    ----------
    reference, estimate
        True stem and its estimate, ``(n_samples, n_channels)`` of one shape. They must be at one
        level and in time with each other: a delay is an error of phase everywhere.
    params
        Time-frequency grid; Spleeter's if left out.
    progress
        Bar or callback for the progress, in seconds. What it raises stops the work.

    Returns
    -------
    ErrorMap
        Map whose energies add up to that of the error, so that it accounts for the whole SDR.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(44100, 2))
    >>> soft = mssviz.scores.error_map(true, 0.5 * true)
    >>> round(soft.sdr, 2), soft.missing, round(soft.phase, 6)
    (6.02, 1.0, 0.0)
    """
    params = StftParams() if params is None else params
    check_params(params)
    true, found = checked_pair(reference, estimate)
    unknown = ErrorMap(true, found, params, np.nan, np.nan, np.nan, 0.0)
    above = below = level = peak = 0.0
    with reporter(progress) as report:
        for _, signed, of_level in unknown.blocks(report):
            above += float(signed[signed > 0].sum())
            below -= float(signed[signed < 0].sum())
            level += float(np.abs(of_level).sum())
            peak = max(peak, float(np.abs(signed).max(initial=0)))
    total = above + below
    if not total:
        return unknown
    phase = max(0.0, 1 - level / total)  # which rounds to less where there is none
    return ErrorMap(true, found, params, above / total, below / total, phase, peak)


@dataclass(frozen=True, eq=False)
class Advantage:
    """Where one estimate of a stem is better than another; from `where_better`.

    Parameters
    ----------
    first, second
        Maps of both errors.
    gained, lost
        Energies of error that the first avoids where it is better, and adds where it is worse.
    """

    first: ErrorMap
    second: ErrorMap
    gained: float
    lost: float

    @property
    def total_db(self) -> float:
        """SDR of the first minus that of the second, in dB."""
        return self.first.sdr - self.second.sdr

    @property
    def best_of_both_db(self) -> float:
        """SDR that a choice of the better one in each bin reaches at least, in dB."""
        return sdr_db(energy(self.first.reference), max(0.0, self.second.error - self.gained))

    @property
    def difference(self) -> Frames:
        """Energy of the second's error minus the first's: above 0 where the first is better."""
        first, second = self.first.signed, self.second.signed
        return Frames(
            first.shape, np.float32,
            lambda *span: np.abs(second[slice(*span)]) - np.abs(first[slice(*span)]),
        )  # fmt: skip


def where_better(first: ErrorMap, second: ErrorMap, progress: bool | Progress = False) -> Advantage:
    """Compare the errors of two estimates of one stem, bin by bin.

    Parameters
    ----------
    first, second
        Maps of the two estimates, of the same true stem on the same grid.
    progress
        Bar or callback for the progress, in seconds. What it raises stops the work.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(44100, 2))
    >>> maps = [mssviz.scores.error_map(true, gain * true) for gain in (0.9, 0.5)]
    >>> round(mssviz.scores.where_better(*maps).total_db, 2)
    13.98
    """
    for given in (first, second):
        if not isinstance(given, ErrorMap):
            raise ParameterError(
                f"two maps from scores.error_map are compared (got {type(given).__name__})"
            )
    if first.params != second.params or not np.array_equal(first.reference, second.reference):
        raise ParameterError(
            "both maps must be of one true stem on one grid; make them from the same reference and "
            "params"
        )
    gained = lost = 0.0
    with reporter(progress) as report:
        both = zip(first.blocks(report), second.blocks(), strict=True)
        for (_, ours, _), (_, theirs, _) in both:
            saved = np.abs(theirs) - np.abs(ours)
            gained += float(saved[saved > 0].sum())
            lost -= float(saved[saved < 0].sum())
    return Advantage(first, second, gained, lost)


def bin_weights(params: StftParams) -> AnyArray:
    """Energy in the signal of a squared magnitude of 1, for each bin: ``g / (N G)``."""
    weights = np.full(params.n_bins, 2 / (params.n_fft * params.overlap_gain))
    weights[0] /= 2
    if params.n_fft % 2 == 0:
        weights[-1] /= 2
    return weights


def sdr_db(signal: float, error: float) -> float:
    """Ratio of two energies in dB: NaN without a signal, ``inf`` without an error."""
    return ratio_db(signal, error) if signal else float("nan")


def energy(waveform: AnyArray, other: AnyArray | None = None) -> float:
    """Sum of the squared samples of a waveform, or of its difference from another one."""
    total = 0.0
    for start in range(0, len(waveform), 1 << 20):
        part = waveform[start : start + (1 << 20)].astype(np.float64)
        if other is not None:
            part -= other[start : start + (1 << 20)]
        total += float(np.square(part).sum())
    return total
