"""Measures that leaderboards rank by, defined as the boards' own programs compute them.

A number can be set beside a board's only if it is the same number: each function states its source,
what it rewards and what it hides. None of them is what people hear.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.fft
import scipy.interpolate
import scipy.sparse

from mssviz import audio
from mssviz._checks import check_waveforms
from mssviz._typing import AnyArray, Magnitude, Waveform
from mssviz.scores.signals import blocks, checked_pair, energy, error_energy, ratio_db
from mssviz.stft import StftParams, frames_to_time, magnitude, stft_frames

_BLOCK_FRAMES, _BLOCK_BINS = 512, 1 << 18
_USDR_EPSILON = 1e-7
_MEL_BANDS, _LEAST_AMPLITUDE, _TOP_DB = 512, 1e-10, 80.0
_WMSE_SCALE, _WMSE_EPSILON, _WMSE_LEAST_POWER, _WMSE_TAPS = -4.0, 1e-8, 1e-16, 4000

#: Frequency weighting of log-WMSE: levels of its published filter in dB, by frequency in hertz.
HEARING_DB = {
    2: -71.14, 5: -55.22, 10: -43.17, 20: -31.13, 30: -24.10, 40: -19.13, 50: -15.32, 63: -11.48,
    80: -7.77, 90: -6.12, 100: -4.79, 110: -3.72, 120: -2.88, 130: -2.21, 140: -1.69, 150: -1.27,
    160: -0.94, 180: -0.45, 200: -0.11, 225: 0.22, 250: 0.49, 280: 0.79, 315: 1.14, 355: 1.56,
    400: 2.01, 450: 2.39, 500: 2.53, 560: 2.43, 630: 2.13, 710: 1.80, 800: 1.55, 1000: 1.49,
    1250: 1.97, 1600: 2.90, 2000: 3.69, 2500: 4.14, 3150: 4.23, 4000: 4.00, 5000: 3.51, 6300: 2.65,
    8000: 1.20, 10000: -1.01, 12500: -4.67, 14000: -7.49, 16000: -12.30, 17000: -15.39,
    18000: -19.18, 19000: -24.07, 20000: -30.94, 20500: -35.78, 21000: -42.51, 21500: -53.66,
    22000: -93.70,
}  # fmt: skip


def usdr(reference: AnyArray, estimate: AnyArray) -> float:
    r"""SDR of a whole song as boards count it, in dB ("uSDR", "global SDR").

    .. math:: 10 \log_{10} \frac{\sum s^2 + \epsilon}{\sum (s - \hat s)^2 + \epsilon},
              \quad \epsilon = 10^{-7}

    over all samples and channels. A board's number for a model is the mean over songs, and for
    several stems the mean over stems first. The median over windows that papers print, cSDR, is
    another scale: never set them side by side.

    It rewards what the loudest seconds sound like. It hides quiet passages, and of silence it only
    says how little there is of an error.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.

    References
    ----------
    Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal Processing 1, 2022, and
    its starter kit. The boards of SDX 2023 and MVSEP use the same.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(44100, 2))
    >>> round(mssviz.scores.usdr(true, 0.9 * true), 3)
    20.0
    """
    s, e = checked_pair(reference, estimate)
    return ratio_db(energy(s) + _USDR_EPSILON, error_energy(s, e) + _USDR_EPSILON)


def si_sir(reference: AnyArray, estimate: AnyArray, others: Mapping[str, AnyArray]) -> float:
    r"""Scale-invariant SIR, in dB: how much of the other stems, as they are, is in the estimate.

    .. math:: 10 \log_{10} \frac{\|\alpha s\|^2}{\|e_\mathrm{interf}\|^2}

    with :math:`\alpha` of `si_sdr`, and :math:`e_\mathrm{interf}` what of the error
    :math:`\hat s - \alpha s` is a sum of all true stems, each at one level throughout. With
    `si_sar`, the errors add up: :math:`10^{-\mathrm{SDR}/10} = 10^{-\mathrm{SIR}/10} +
    10^{-\mathrm{SAR}/10}`.

    It rewards that nothing of another stem runs through the whole song. It hides bleed that comes
    and goes, or is filtered, which is most of what masks do: that is an artefact to it.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape; channels are taken as one long
        signal.
    others
        True waveforms of the other stems, of that shape, by name.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019.
    """
    return si_parts(reference, estimate, others).sir


def si_sar(reference: AnyArray, estimate: AnyArray, others: Mapping[str, AnyArray]) -> float:
    r"""Scale-invariant SAR, in dB: how much of the estimate is in no true stem as it is.

    .. math:: 10 \log_{10} \frac{\|\alpha s\|^2}{\|e_\mathrm{artif}\|^2}

    with the symbols of `si_sir`, and :math:`e_\mathrm{artif}` the rest of the error.

    It rewards an estimate without holes, gates and musical noise. It hides whose sound the
    artefacts are: bleed that comes and goes is among them.

    Parameters
    ----------
    reference, estimate, others
        Arguments of `si_sir`.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019.
    """
    return si_parts(reference, estimate, others).sar


@dataclass(frozen=True)
class SiParts:
    """Energies of the parts of an estimate, NaN if it or the true stem is silent; from `si_parts`.

    Parameters
    ----------
    target
        Energy of the true stem at the level that it has in the estimate.
    interference, artefacts
        Energies of the error: what is a sum of true stems, and the rest.
    """

    target: float
    interference: float
    artefacts: float

    @property
    def sir(self) -> float:
        """Ratio of target and interference, in dB, see `scores.si_sir`."""
        return ratio_db(self.target, self.interference)

    @property
    def sar(self) -> float:
        """Ratio of target and artefacts, in dB, see `scores.si_sar`."""
        return ratio_db(self.target, self.artefacts)


def si_parts(reference: AnyArray, estimate: AnyArray, others: Mapping[str, AnyArray]) -> SiParts:
    """Split an estimate into target, interference and artefacts; parameters as for `si_sir`."""
    check_waveforms(others, "others")
    true, found = checked_pair(reference, estimate)
    stems = [true, *(checked_pair(reference, other)[1] for other in others.values())]
    products = np.add.reduce([block @ block.T for block in blocks([*stems, found])])
    if not products[0, 0] or not products[-1, -1]:
        return SiParts(np.nan, np.nan, np.nan)
    alpha = products[0, -1] / products[0, 0]
    # stems at one level, so that a soft one counts for what it is
    levels = np.sqrt(products.diagonal()[:-1])
    levels[levels == 0] = 1
    onto = (products[:-1, -1] - alpha * products[:-1, 0]) / levels
    alike = products[:-1, :-1] / np.outer(levels, levels)
    gains = np.linalg.lstsq(alike, onto)[0] / levels
    interference = artefacts = 0.0
    for block in blocks([*stems, found]):
        mixed = gains @ block[:-1]
        interference += float(mixed @ mixed)
        artefacts += float(np.square(block[-1] - alpha * block[0] - mixed).sum())
    return SiParts(float(alpha**2 * products[0, 0]), interference, artefacts)


@dataclass(frozen=True, eq=False)
class BleedMap:
    """How much louder or softer an estimate is than the true stem, band by band; from `bleed_map`.

    Parameters
    ----------
    difference
        Level of the estimate minus that of the true stem, in dB, ``(n_frames, n_bands,
        n_channels)``: above 0 is bleed, below 0 a hole.
    times
        Centre of each frame, in seconds.
    frequencies
        Centre of each band, in hertz.
    """

    difference: AnyArray
    times: AnyArray
    frequencies: AnyArray

    @cached_property
    def bleedless(self) -> float:
        """Mark for little bleed, see `scores.bleedless`."""
        return self._mark(self.difference > 0)

    @cached_property
    def fullness(self) -> float:
        """Mark for few holes, see `scores.fullness`."""
        return self._mark(self.difference < 0)

    def _mark(self, counted: AnyArray) -> float:
        found = self.difference[counted]
        mean = float(np.abs(found).mean(dtype=np.float64)) if found.size else 0.0
        return 100 / (1 + mean)


def bleed_map(reference: AnyArray, estimate: AnyArray, sample_rate: int) -> BleedMap:
    """Compare the levels of an estimate and of the true stem in 512 mel bands.

    Levels count down to 80 dB below each signal's own loudest place.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.
    sample_rate
        Sample rate, in hertz; frames are 4096 samples long whatever it is.

    References
    ----------
    Solovyev (ZFTurbo), Music-Source-Separation-Training, ``bleed_full`` in ``utils/metrics.py``.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(44100, 1))
    >>> found = mssviz.scores.bleed_map(true, true + 0.01 * np.sin(0.3 * np.arange(44100))[:, None],
    ...                                 44100)
    >>> found.bleedless < found.fullness
    True
    """
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    params = StftParams(sample_rate)
    levels = [_mel_db(signal, params) for signal in checked_pair(reference, estimate)]
    times = frames_to_time(np.arange(len(levels[0])) + _first_frame(params), params)
    return BleedMap(levels[1] - levels[0], times, _mel_centres(sample_rate))


def bleedless(reference: AnyArray, estimate: AnyArray, sample_rate: int) -> float:
    r"""How little an estimate has of what is not its own, from 0 to 100.

    .. math:: \frac{100}{1 + \text{mean of } d \text{ where } d > 0}

    with *d* the difference of levels of `bleed_map`, in dB.

    It rewards silence where the true stem is silent, and levels that nowhere exceed it: an estimate
    of nothing gets 100 (or nearly). Every place counts alike, however soft, so bleed that nobody
    hears costs as much as a drum beat. Levels are measured against each signal's own loudest place,
    so one wrong peak moves all places that are 80 dB below it. Where both levels are the same but
    for rounding, it is chance whether the place counts. It hides phase.

    Parameters
    ----------
    reference, estimate, sample_rate
        Arguments of `bleed_map`.

    References
    ----------
    Solovyev (ZFTurbo), Music-Source-Separation-Training, ``bleed_full`` in ``utils/metrics.py``.
    """
    return bleed_map(reference, estimate, sample_rate).bleedless


def fullness(reference: AnyArray, estimate: AnyArray, sample_rate: int) -> float:
    r"""How little an estimate lacks of what is its own, from 0 to 100.

    .. math:: \frac{100}{1 - \text{mean of } d \text{ where } d < 0}

    with *d* the difference of levels of `bleed_map`, in dB.

    It rewards that nothing is missing: the mixture itself scores high. So it says something only
    beside `bleedless`, whose faults it shares.

    Parameters
    ----------
    reference, estimate, sample_rate
        Arguments of `bleed_map`.

    References
    ----------
    Solovyev (ZFTurbo), Music-Source-Separation-Training, ``bleed_full`` in ``utils/metrics.py``.
    """
    return bleed_map(reference, estimate, sample_rate).fullness


def _first_frame(params: StftParams) -> int:
    """The frame that lies around the first sample."""
    return params.n_fft // 2 // params.hop_length


def _mel_db(signal: Waveform, params: StftParams) -> Magnitude:
    """Levels in dB, ``(n_frames, n_bands, n_channels)``, of frames around each hop of a signal."""
    frames, bands = stft_frames(signal, params), _mel_filters(params.sample_rate)
    first = _first_frame(params)
    last = first + 1 + len(signal) // params.hop_length
    level = np.empty((last - first, _MEL_BANDS, signal.shape[1]), np.float32)
    for start in range(first, last, _BLOCK_FRAMES):
        found = magnitude(frames[start : min(last, start + _BLOCK_FRAMES)])
        # (frames, bins, channels) to (bins, frames x channels), and back with bands for bins
        flat = found.swapaxes(0, 1).reshape(found.shape[1], -1)
        mel = (bands @ flat).reshape(_MEL_BANDS, len(found), -1)
        mel = np.maximum(mel, np.float32(_LEAST_AMPLITUDE)).swapaxes(0, 1)
        level[start - first : start - first + len(mel)] = 20 * np.log10(mel)
    return np.maximum(level, level.max() - np.float32(_TOP_DB), out=level)


@cache
def _mel_filters(sample_rate: int) -> Any:
    import warnings

    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the lowest bands lie between bins, and are empty
        bands = librosa.filters.mel(sr=sample_rate, n_fft=StftParams.n_fft, n_mels=_MEL_BANDS)
    # sparse: less work, and the same on any number of threads, where dense products round otherwise
    # and turn signs of differences that are none
    return scipy.sparse.csr_array(bands)


def _mel_centres(sample_rate: int) -> AnyArray:
    import librosa

    return librosa.mel_frequencies(_MEL_BANDS + 2, fmin=0.0, fmax=sample_rate / 2)[1:-1]


def log_wmse(reference: AnyArray, estimate: AnyArray, mixture: AnyArray, sample_rate: int) -> float:
    r"""Logarithm of the error's energy, weighted as the ear does, relative to the mixture's.

    .. math:: -4 \ln \left( \frac{\|h * (\hat s - s)\|^2}{\|h * x\|^2} + 10^{-8} \right)

    for each channel, then their mean; *h* is a filter that follows the ear's sensitivity
    (`HEARING_DB`). More is better: 3 is poor, 30 very good, 73.7 a copy.

    It rewards small errors where the ear is keen, and is defined where the true stem is silent,
    since it is relative to the mixture: there it says how far the estimate keeps quiet. It hides
    masking, and how loud the stem is: a whisper that is lost altogether in a loud mixture costs
    little.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.
    mixture
        Waveform of the mixture, of that shape.
    sample_rate
        Sample rate, in hertz.

    Notes
    -----
    The filter's level is read off a table of the published filter's, with a cubic spline, true to
    0.02 dB from 2 Hz to 16 kHz, so that scores agree with the package's to 0.01.

    References
    ----------
    Landschoot, ``torch-log-wmse`` 1.1, after Jordal, ``log-wmse-audio-quality`` (which leaves out
    errors below -68 dB), 2023.
    """
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    s, e = checked_pair(reference, estimate)
    x, _ = checked_pair(mixture, reference)
    n_fft = scipy.fft.next_fast_len(len(s) + _WMSE_TAPS - 1, real=True)
    table = np.array(list(HEARING_DB.items()))
    level = scipy.interpolate.CubicSpline(np.log(table[:, 0]), table[:, 1])

    def squares(spectrum: AnyArray, start: int, stop: int) -> AnyArray:
        frequencies = np.clip(np.arange(start, stop) * sample_rate / n_fft, *table[[0, -1], 0])
        part = spectrum[start:stop]
        return 10 ** (level(np.log(frequencies)) / 10) * (part.real**2 + part.imag**2)

    def power(signal: AnyArray) -> float:
        spectrum = scipy.fft.rfft(signal.astype(np.float64), n_fft)
        n_bins = len(spectrum)
        edges = [*range(0, n_bins, _BLOCK_BINS), n_bins]
        doubled = 2 * sum(squares(spectrum, *part).sum() for part in pairwise(edges))
        doubled -= squares(spectrum, 0, 1)[0]
        if n_fft % 2 == 0:
            doubled -= squares(spectrum, n_bins - 1, n_bins)[0]
        return float(doubled / n_fft / len(signal))

    found = [
        power(e[:, c].astype(np.float64) - s[:, c]) / max(power(x[:, c]), _WMSE_LEAST_POWER)
        for c in range(s.shape[1])
    ]
    return float(np.mean(_WMSE_SCALE * np.log(np.array(found) + _WMSE_EPSILON)))


def l1_freq(reference: AnyArray, estimate: AnyArray) -> float:
    r"""How near the magnitudes of two spectrograms are, from 0 to 100.

    .. math:: \frac{100}{1 + 10 \cdot \text{mean of } \left| |S| - |\hat S| \right|}

    over all bins of frames of 2048 samples, 1024 apart, without a window function.

    It rewards the right magnitudes at the loud bins, which decide a mean that is not relative to
    anything: the same estimate 20 dB softer scores higher. So it says nothing across songs or
    stems, only across models on the same ones. It hides phase.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.

    References
    ----------
    Solovyev (ZFTurbo), Music-Source-Separation-Training, ``L1Freq_metric`` in
    ``utils/metrics.py``.
    """
    n_fft, hop = 2048, 1024
    pair = checked_pair(reference, estimate)
    n_samples, n_channels = pair[0].shape
    # numbers of the samples of each frame; both ends are mirrored
    samples = np.pad(np.arange(n_samples, dtype=np.int32), n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop]
    total = 0.0
    for start in range(0, len(frames), _BLOCK_FRAMES):
        part = frames[start : start + _BLOCK_FRAMES]
        true, found = (np.abs(scipy.fft.rfft(signal[part], axis=1)) for signal in pair)
        total += float(np.abs(true - found).sum(dtype=np.float64))
    return 100 / (1 + 10 * total / (len(frames) * n_channels * (n_fft // 2 + 1)))
