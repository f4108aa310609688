"""Measures of a whole signal, and what can be said of stems without the true ones.

Every measure rewards something and hides something, which its docstring says. None of them is what
people hear: that is what `ListeningTest` is for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mssviz import audio
from mssviz._checks import check_number, check_waveforms
from mssviz._typing import AnyArray, Waveform
from mssviz.audio import residual_db
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, magnitude, stft_frames, to_db

if TYPE_CHECKING:
    import pandas as pd

_GRID = StftParams()
_BLOCK_FRAMES, _BLOCK_SAMPLES = 512, 1 << 18


def si_sdr(reference: AnyArray, estimate: AnyArray) -> float:
    r"""Scale-invariant SDR of a whole signal, in dB.

    .. math:: 10 \log_{10} \frac{\|\alpha s\|^2}{\|\alpha s - \hat s\|^2},
              \quad \alpha = \frac{\langle \hat s, s \rangle}{\|s\|^2}

    Channels are taken as one long signal, so a change of panning counts as an error. NaN if
    either signal is silent; ``inf`` for a copy, or above 120 dB for a scaled one, which rounds.

    It rewards the right shape at any level. It hides a wrong level, and what goes wrong in quiet
    passages, since loud ones decide.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019.

    Examples
    --------
    >>> true = np.random.default_rng(0).normal(size=(44100, 2))
    >>> mssviz.si_sdr(true, 0.5 * true)
    inf
    >>> noise = np.random.default_rng(1).normal(size=(44100, 2))
    >>> round(mssviz.si_sdr(true, true + 0.1 * noise))
    20
    """
    s, e = checked_pair(reference, estimate)
    if not s.any() or not e.any():
        return float("nan")
    alpha, energy = _fitted(s, e)
    return ratio_db(alpha**2 * energy, error_energy(s, e, alpha))


def sd_sdr(reference: AnyArray, estimate: AnyArray) -> float:
    r"""Scale-dependent SDR of a whole signal, in dB.

    .. math:: 10 \log_{10} \frac{\|\alpha s\|^2}{\|s - \hat s\|^2}

    with `si_sdr`'s :math:`\alpha`. NaN if either signal is silent; ``inf`` for a copy.

    It rewards the right shape at the right level: a stem that is too soft loses twice, where plain
    SDR would reward caution. It hides, like `si_sdr`, what goes wrong in quiet passages.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019.
    """
    s, e = checked_pair(reference, estimate)
    if not s.any() or not e.any():
        return float("nan")
    alpha, energy = _fitted(s, e)
    return ratio_db(alpha**2 * energy, error_energy(s, e))


def mse_db(reference: AnyArray, estimate: AnyArray) -> float:
    """Mean squared error, in dB relative to full scale; ``-inf`` for a copy.

    It rewards errors that are small in absolute terms, so it is defined in silence, too, where
    ratios are not. It hides how loud the stem is: the same number is good for drums and hopeless
    for a whisper.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.
    """
    s, e = checked_pair(reference, estimate)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(error_energy(s, e) / s.size)))


def log_spectral_distance(
    reference: AnyArray, estimate: AnyArray, sample_rate: int, floor_db: float = -80.0
) -> float:
    r"""Log-spectral distance, in dB: 0 for a copy, smaller is better.

    .. math:: \frac{1}{T} \sum_t \sqrt{\frac{1}{F} \sum_f (L_s(t, f) - L_{\hat s}(t, f))^2}

    with levels *L* in dB, for all channels, no lower than `floor_db` re the reference's loudest
    bin.

    It rewards the right spectrum at every level, in soft passages as much as in loud ones. It hides
    phase: a stem with another's phase can score well and sound hollow.

    Parameters
    ----------
    reference, estimate
        Waveforms ``(n_samples, n_channels)`` of the same shape.
    sample_rate
        Sample rate, in hertz; frames are 4096 samples long whatever it is.
    floor_db
        Lowest level that counts, in dB relative to the reference's loudest bin.

    References
    ----------
    Gray and Markel, "Distance measures for speech processing", IEEE TASSP 24(5), 1976.
    """
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    check_number(floor_db, "floor_db")
    if not -math.inf < floor_db < 0:
        raise ParameterError(f"floor_db must be below 0 and finite (got {floor_db})")
    s, e = checked_pair(reference, estimate)
    spectra = stft_frames(s, _GRID), stft_frames(e, _GRID)
    starts = range(0, len(spectra[0]), _BLOCK_FRAMES)
    loudest = max(float(magnitude(spectra[0][i : i + _BLOCK_FRAMES]).max()) for i in starts)
    if not loudest:
        return float("nan")
    total = 0.0
    for start in starts:
        levels = [
            to_db(magnitude(x[start : start + _BLOCK_FRAMES]), loudest, floor_db) for x in spectra
        ]
        squares = np.square(levels[0] - levels[1], dtype=np.float64)
        total += float(np.sqrt(squares.mean(axis=(1, 2))).sum())
    return total / len(spectra[0])


def best_permutation(
    references: Mapping[str, AnyArray], estimates: Mapping[str, AnyArray]
) -> dict[str, str]:
    """Find which estimate belongs to which reference, for stems without labels.

    Parameters
    ----------
    references, estimates
        Waveforms by name, all of one shape; as many estimates as references.

    Returns
    -------
    dict
        The estimate's name for each reference's, such that the sum of `si_sdr` is largest. A pair
        with a silent signal counts as the worst.

    References
    ----------
    Kuhn, "The Hungarian method for the assignment problem", 1955, as in `scipy.optimize`.
    """
    import scipy.optimize

    check_waveforms(references, "references")
    check_waveforms(estimates, "estimates")
    if len(references) != len(estimates) or not references:
        raise ParameterError(
            f"as many estimates as references are needed (got {len(references)} and "
            f"{len(estimates)})"
        )
    scores = np.array(
        [[si_sdr(true, found) for found in estimates.values()] for true in references.values()]
    )
    scores = np.clip(np.nan_to_num(scores, nan=-1000.0), -1000, 1000)
    rows, columns = scipy.optimize.linear_sum_assignment(-scores)
    names = list(estimates)
    return {list(references)[r]: names[c] for r, c in zip(rows, columns, strict=True)}


def describe(
    estimates: Mapping[str, AnyArray], mixture: AnyArray, sample_rate: int
) -> "pd.DataFrame":
    """Describe stems whose true ones are unknown.

    None of the numbers says that stems are right; they show where stems are suspicious.

    Parameters
    ----------
    estimates
        Waveforms ``(n_samples, n_channels)`` by target.
    mixture
        Waveform of the mixture, of the same shape.
    sample_rate
        Sample rate, in hertz.

    Returns
    -------
    DataFrame
        Index ``target``. ``level_db`` is the level (dBFS, RMS). ``share`` is the share in the
        energy of all stems; a stem of almost nothing may be absent from the song. ``alike`` is the
        largest correlation with another stem, at no delay, and ``alike_to`` names that stem; near
        1, one bleeds into the other. ``bandwidth`` is the frequency below which 99 % of the energy
        lies (hertz). The attribute ``attrs["residual_db"]`` is the level of the mixture minus all
        stems, relative to the mixture.
    """
    import pandas as pd

    check_waveforms(estimates, "estimates")
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    stems = {t: checked_pair(mixture, waveform)[1] for t, waveform in estimates.items()}
    flat = {t: stem.ravel().astype(np.float64) for t, stem in stems.items()}
    energy = {t: float(x @ x) for t, x in flat.items()}
    total = sum(energy.values())
    rows = []
    for target, stem in stems.items():
        alike = {
            other: float(abs(flat[target] @ flat[other]))
            / max(1e-30, (energy[target] * energy[other]) ** 0.5)
            for other in stems
            if other != target
        }
        nearest = max(alike, key=lambda name: alike[name]) if alike else ""
        rows.append(
            {
                "target": target,
                "level_db": 10 * np.log10(max(energy[target] / stem.size, 1e-30)),
                "share": energy[target] / total if total else np.nan,
                "alike": alike.get(nearest, np.nan),
                "alike_to": nearest,
                "bandwidth": _bandwidth(stem, sample_rate),
            }
        )
    table = pd.DataFrame(rows).set_index("target")
    mixed = audio.check_waveform(mixture, "mixture")
    table.attrs["residual_db"] = residual_db(mixed, stems.values())
    return table


def _bandwidth(stem: Waveform, sample_rate: int) -> float:
    frames = stft_frames(stem, _GRID)
    power = np.zeros(_GRID.n_bins)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = magnitude(frames[start : start + _BLOCK_FRAMES])
        power += np.square(block, dtype=np.float64).sum(axis=(0, 2))
    if not power.any():
        return 0.0
    index = int(np.searchsorted(np.cumsum(power), 0.99 * power.sum()))
    return float(bins_to_hz(index, StftParams(sample_rate, _GRID.n_fft, _GRID.hop_length)))


def checked_pair(reference: AnyArray, estimate: AnyArray) -> tuple[Waveform, Waveform]:
    """Check two waveforms of one shape, and give them as float32."""
    s = audio.check_waveform(reference, "reference")
    e = audio.check_waveform(estimate, "estimate")
    if s.shape != e.shape:
        raise ParameterError(f"reference and estimate differ in shape ({s.shape}, {e.shape})")
    return s, e


def blocks(signals: Sequence[Waveform]) -> Iterator[AnyArray]:
    """All samples of all channels, a part after the other, ``(n_signals, any)`` float64."""
    for start in range(0, len(signals[0]), _BLOCK_SAMPLES):
        part = slice(start, start + _BLOCK_SAMPLES)
        yield np.stack([signal[part].ravel() for signal in signals]).astype(np.float64)


def energy(signal: Waveform) -> float:
    """Sum of squares over all samples and channels."""
    return sum(float(part @ part) for [part] in blocks([signal]))


def error_energy(s: Waveform, e: Waveform, gain: float = 1.0) -> float:
    """Energy of what an estimate differs by from a signal with a gain."""
    return sum(float(np.square(gain * true - found).sum()) for true, found in blocks([s, e]))


def _fitted(s: Waveform, e: Waveform) -> tuple[float, float]:
    """Gain that brings a signal nearest to an estimate, and the signal's energy."""
    own, product = energy(s), sum(float(true @ found) for true, found in blocks([s, e]))
    return product / own, own


def ratio_db(signal: float, error: float) -> float:
    """Ratio of two energies in dB: ``inf`` without an error."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(signal) / np.float64(error)))
