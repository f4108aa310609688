"""Waveforms in memory: checks that say what is wrong, channels and sample rates."""

import math
import numbers
import os
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import soxr

from mssviz._ahead import warn
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import AudioError, reason

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
MAX_CHANNELS = 64
#: Peak from which floating-point samples are taken for integers that were not divided: +40 dBFS.
#: Sound that was mixed or separated exceeds full scale by a few decibels, while even quiet 16-bit
#: sound has peaks in the hundreds.
INTEGER_PEAK = 100.0
#: Samples that `residual_db` looks at together.
_BLOCK = 1 << 18


def check_waveform(waveform: AnyArray, name: str = "waveform") -> Waveform:
    """Return a waveform as ``(n_samples, n_channels)`` float32, or say what is wrong with it.

    A one-dimensional array is taken as mono; float64 is rounded; the input is not changed.

    Raises
    ------
    AudioError
        If this is no array of samples, empty, of integers, channels first, or holds NaN or infinite
        samples.
    """
    array = _as_array(waveform, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 3:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) (got {array.shape}); of an array of "
            "several, such as museval's (n_sources, n_samples, n_channels), give one: x[0]"
        )
    if array.ndim != 2 or not array.size:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) and samples (got shape {array.shape})"
        )
    if array.shape[1] > MAX_CHANNELS and array.shape[0] <= MAX_CHANNELS:
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels); {array.shape} looks like channels "
            "first: give its .T"
        )
    if not np.issubdtype(array.dtype, np.floating):
        remedy = "give samples as float32"
        if np.issubdtype(array.dtype, np.integer):
            remedy = "divide 16-bit integers by 32768"
        raise AudioError(f"{name} must be floating point in [-1, 1] (got {array.dtype}); {remedy}")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise AudioError(f"{name}: {describe_not_finite(array)}; repair it first")
    return array


def _as_array(waveform: Any, name: str) -> AnyArray:
    if isinstance(waveform, str | bytes | os.PathLike):
        raise AudioError(
            f"{name} must be an array of samples (got {str(waveform)[:300]!r}); read a file "
            "with waveform, sample_rate = mssviz.load_audio(path)"
        )
    if isinstance(waveform, tuple):
        raise AudioError(
            f"{name} must be an array of samples (got a tuple of {len(waveform)}); of what "
            "load_audio returns, give the first: waveform, sample_rate = mssviz.load_audio(path)"
        )
    if waveform is None or isinstance(waveform, Mapping):
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) (got "
            f'{type(waveform).__name__}); of several stems give one, such as stems["vocals"]'
        )
    if isinstance(waveform, numbers.Real):
        raise AudioError(
            f"{name} must have shape (n_samples, n_channels) (got the number {waveform}); give the "
            "waveform first, then its sample rate"
        )
    try:
        return np.asarray(waveform)
    except (TypeError, ValueError) as error:
        raise AudioError(
            f"{name} must be an array of shape (n_samples, n_channels) ({reason(error)})"
        ) from error


def warn_of_integers(array: Waveform, name: str) -> bool:
    """Warn if floating-point samples are as large as integers, and return whether they are.

    This matters to networks, for which the level counts, but not to scores.
    """
    peak = float(max(array.max(), -array.min()))
    if peak > INTEGER_PEAK:
        warn(
            f"{name}: floating-point samples are to lie in [-1, 1], but the peak is {peak:.0f}; if "
            "they are 16-bit integers, divide them by 32768",
            stacklevel=3,
        )
    return peak > INTEGER_PEAK


def check_sample_rate(sample_rate: float, name: str) -> int:
    """Return a sample rate in hertz as an int, or raise `AudioError` if sound cannot have it.

    Whole numbers of any type are accepted, such as ``np.int64(44100)`` and ``44100.0``.
    """
    is_number = isinstance(sample_rate, numbers.Real) and not isinstance(sample_rate, bool)
    if not is_number or (math.isfinite(sample_rate) and sample_rate != int(sample_rate)):
        received = reprlib.repr(sample_rate)
        raise AudioError(
            f"{name}: sample rate must be a whole number of hertz such as 44100 (got {received}); "
            "give the waveform first, then its rate"
        )
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name}: sample rate must lie between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE} Hz "
            f"(got {sample_rate}); convert the sound"
        )
    return int(sample_rate)


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Change the sample rate, in hertz; the waveform itself is returned if the rates are equal."""
    if from_rate == to_rate:
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="VHQ").astype(np.float32)


# Places of channels, in the order of wav files and FFmpeg, by the number of channels.
_SURROUND = {
    3: "L R C",
    5: "L R C Ls Rs",
    6: "L R C LFE Ls Rs",
    8: "L R C LFE Lb Rb Ls Rs",
}


def mix_down(waveform: Waveform) -> Waveform:
    """Mix film sound down to stereo, as ITU-R BS.775 says.

    Left is L + 0.7071 (C + Ls + Lb), right R + 0.7071 (C + Rs + Rb); the channel of low effects
    (LFE) is left out. The level is not lowered, so samples can exceed full scale.

    Parameters
    ----------
    waveform
        Samples ``(n_samples, n_channels)``, channels in the order of wav files: 3 channels (L R C),
        5 (L R C Ls Rs), 6 (5.1: L R C LFE Ls Rs) or 8 (7.1: L R C LFE Lb Rb Ls Rs).

    Returns
    -------
    Waveform
        Samples ``(n_samples, 2)``.
    """
    places = _SURROUND.get(waveform.shape[1], "").split()
    if not places:
        raise AudioError(
            f"only 3, 5, 6 or 8 channels have a standard mix (got {waveform.shape[1]}); choose two "
            "with waveform[:, :2]"
        )
    gains = np.zeros((len(places), 2), np.float32)
    for gain, place in zip(gains, places, strict=True):
        level = 1.0 if place in ("L", "R") else 0.0 if place == "LFE" else math.sqrt(0.5)
        gain[:] = level * (place[0] in "LC"), level * (place[0] in "RC")
    return waveform @ gains


def to_channels(waveform: Waveform, n_channels: int) -> Waveform:
    """Give a waveform the number of channels that a network takes.

    Mono is repeated, as in Spleeter. If there are more channels than wanted, film sound is mixed
    down to stereo by `mix_down`, and of other sound the first channels are taken; both with a
    warning.
    """
    present = waveform.shape[1]
    if present == 1:
        return np.repeat(waveform, n_channels, axis=1)
    if n_channels == 2 and present in _SURROUND:
        warn(
            f"the sound has {present} channels; they are taken for {_SURROUND[present]} and mixed "
            "down to two (ITU-R BS.775); to separate others, write them to a file of two",
            stacklevel=2,
        )
        return mix_down(waveform)
    if present > n_channels:
        warn(
            f"the sound has {present} channels; only the first {n_channels} are separated; if "
            "others matter, mix it down to them first",
            stacklevel=2,
        )
        return waveform[:, :n_channels]
    if present < n_channels:
        raise AudioError(f"the network needs {n_channels} channels (got {present})")
    return waveform


def describe_not_finite(array: AnyArray) -> str:
    """Say how many samples are NaN or infinite, for a message."""
    bad = ~np.isfinite(array)
    kind = "NaN" if np.isnan(array).any() else "infinite"
    return f"{int(bad.sum())} samples are not finite ({kind})"


def level_ratio_db(signal: Waveform, reference: Waveform) -> float:
    """Level of one signal relative to another's, in dB; NaN if the latter is silent."""
    power = float(np.square(reference, dtype=np.float64).sum())
    error = float(np.square(signal, dtype=np.float64).sum())
    return _ratio_db(error, power)


def residual_db(mixture: Waveform, stems: Iterable[Waveform]) -> float:
    """Level of a mixture minus all stems, relative to the mixture, in dB; NaN in silence.

    It is measured in blocks, so that it takes no memory to speak of.
    """
    stems = list(stems)
    error = power = 0.0
    for start in range(0, len(mixture), _BLOCK):
        block = slice(start, start + _BLOCK)
        left = mixture[block] - np.add.reduce([stem[block] for stem in stems])
        error += float(np.square(left, dtype=np.float64).sum())
        power += float(np.square(mixture[block], dtype=np.float64).sum())
    return _ratio_db(error, power)


def _ratio_db(error: float, power: float) -> float:
    return 10 * float(np.log10(max(error / power, 1e-30))) if power else float("nan")
