"""Loudness of a sound as people hear it, and gains that bring sounds to the same."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.signal

from mssviz import audio
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import ParameterError

#: Lowest sample rate at which the filters are right, in hertz.
MIN_SAMPLE_RATE = 8_000
_BLOCK_SECONDS, _ABSOLUTE_GATE, _RELATIVE_GATE = 0.4, -70.0, -10.0


def loudness_lufs(waveform: AnyArray, sample_rate: int) -> float:
    r"""Integrated loudness of a sound: its mean power under K-weighting, without quiet passages.

    .. math:: L = -0.691 + 10 \log_{10} \sum_c z_c

    with :math:`z_c` the mean square of channel *c* over those blocks of 400 ms (a new one each
    100 ms) that exceed -70 LUFS and then -10 LU relative to the mean of those. A sound shorter
    than 400 ms is one block.

    Parameters
    ----------
    waveform
        Waveform ``(n_samples, n_channels)`` of one or two channels, 1.0 being full scale.
    sample_rate
        Sample rate, in hertz, 8000 or more.

    Returns
    -------
    float
        Loudness in LUFS (the same as LKFS); -inf if no block exceeds -70 LUFS. A sine of 997 Hz at
        full scale in one channel gives -3.01.

    References
    ----------
    ITU-R BS.1770-5, Algorithms to measure audio programme loudness and true-peak audio level,
    annex 1.
    """
    waveform = audio.check_waveform(waveform)
    if waveform.shape[1] > 2:
        raise ParameterError(
            f"loudness is defined here for one or two channels (got {waveform.shape[1]})"
        )
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    if sample_rate < MIN_SAMPLE_RATE:
        raise ParameterError(f"sample_rate must be {MIN_SAMPLE_RATE} Hz or more")
    weighted = scipy.signal.sosfilt(k_weighting(sample_rate), waveform.astype(np.float64), axis=0)
    block = min(len(weighted), round(_BLOCK_SECONDS * sample_rate))
    energy = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=1))])
    step = round(_BLOCK_SECONDS / 4 * sample_rate)
    starts = np.arange(0, len(weighted) - block + 1, step)
    power = np.maximum(energy[starts + block] - energy[starts], 0) / block
    power = power[_lufs(power) > _ABSOLUTE_GATE]
    if not len(power):
        return -math.inf
    power = power[_lufs(power) > _lufs(power.mean()) + _RELATIVE_GATE]
    return float(_lufs(power.mean()))


def k_weighting(sample_rate: int) -> AnyArray:
    """Filters of BS.1770, a shelf and a high-pass, as second-order sections ``(2, 6)``.

    The standard tabulates them at 48 kHz. These are the analogue prototypes of that table, taken to
    the sample rate (hertz) by the bilinear transform. At 48 kHz they agree with the table to 1e-6.
    """

    def section(frequency: float, q: float, high: float, band: float, low: float) -> list[float]:
        k = math.tan(math.pi * frequency / sample_rate)
        b = [high + band * k / q + low * k * k, 2 * (low * k * k - high)]
        b.append(high - band * k / q + low * k * k)
        a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
        return [value / a[0] for value in (*b, *a)]

    gain = 10 ** (3.999843853973347 / 20)
    shelf = section(1681.974450955533, 0.7071752369554196, gain, gain**0.4996667741545416, 1.0)
    # the table's high-pass has the numerator 1, -2, 1, so its pass band lies 0.04 dB above 0 dB
    frequency, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / 48_000)
    return np.array([shelf, section(frequency, q, 1 + k / q + k * k, 0.0, 0.0)])


def matching_gains_db(sounds: Mapping[str, Waveform], sample_rate: int) -> dict[str, float]:
    """Gains that bring sounds to the loudness of the quietest, in dB.

    Parameters
    ----------
    sounds
        Waveforms ``(n_samples, n_channels)`` by name, of one or two channels.
    sample_rate
        Sample rate, in hertz, 8000 or more.

    Returns
    -------
    dict
        Gains in dB by name, 0 or less; 0 for a sound that is silent, see `loudness_lufs`.
    """
    loudness = {name: loudness_lufs(sound, sample_rate) for name, sound in sounds.items()}
    quietest = min((level for level in loudness.values() if math.isfinite(level)), default=0.0)
    return {
        name: quietest - level if math.isfinite(level) else 0.0 for name, level in loudness.items()
    }


def _lufs(power: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(power)
