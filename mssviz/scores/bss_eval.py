r"""BSS Eval: how much of an estimate is its source, filtering, other sources, or artefact.

Of target :math:`j`, let :math:`s` be the reference, :math:`\hat s` the estimate (stereo, or any
number of channels), :math:`P_j \hat s` what filters of 512 taps can make of the channels of
reference :math:`j` to come nearest to the estimate, and :math:`P \hat s` what they can make of
the channels of all references. The estimate is a sum of four images:

.. math:: \hat s = s + \underbrace{(P_j \hat s - s)}_{\text{filtering}}
    + \underbrace{(P \hat s - P_j \hat s)}_{\text{interference}}
    + \underbrace{(\hat s - P \hat s)}_{\text{artefacts}}

and each measure is a ratio of energies, in dB:

==== ============================ ================================ =========================
\    version 4, images            version 3, sources               the error is
==== ============================ ================================ =========================
SDR  :math:`s` : :math:`\hat s-s` :math:`P_j\hat s` :              everything
                                  :math:`\hat s-P_j\hat s`
ISR  :math:`s` :                  –                                filtering and panning
     :math:`P_j\hat s-s`
SIR  :math:`P_j\hat s` :          the same                         interference
     :math:`P\hat s-P_j\hat s`
SAR  :math:`P\hat s` :            the same                         artefacts
     :math:`\hat s-P\hat s`
==== ============================ ================================ =========================

Version 4 fits the filters once, over the whole signal, and measures in windows; version 3 fits
them anew in each window. A window is cut from references and estimates before the filters are
applied, so the filters' tails, 511 samples after its end, belong to it. `projection` says how the
filters are found.

**Silence.** A window in which a reference or an estimate is all zeros has no score (NaN) for any
target, since without it the others are measured against something else.

References
----------
Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation", IEEE
TASLP 14(4), 2006 (the decomposition). Vincent, Sawada, Bofill, Makino and Rosca, "First stereo
audio source separation evaluation campaign", ICA 2007 (images). Stöter, Liutkus and Ito, "The
2018 signal separation evaluation campaign", LVA/ICA 2018 (version 4).
"""

from collections.abc import Callable

import numpy as np

from mssviz._typing import AnyArray, Progress
from mssviz.errors import ParameterError
from mssviz.scores.projection import Filters, fit, project

# From (s, s_hat, P_j s_hat, P s_hat) to the pairs of signals whose energies are compared
Pairs = Callable[[AnyArray, AnyArray, AnyArray, AnyArray], list[tuple[AnyArray, AnyArray]]]


def bss_eval_images(
    references: AnyArray,
    estimates: AnyArray,
    window: int | None = None,
    hop: int | None = None,
    progress: Progress | None = None,
) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """BSS Eval v4: SDR, ISR, SIR and SAR in windows, with filters of the whole signal.

    Parameters
    ----------
    references, estimates
        Waveforms ``(n_sources, n_samples, n_channels)``, floating point, the sources in the same
        order in both: no permutation is sought.
    window
        Length of a window, in samples; None, or more than there are, for the whole signal.
    hop
        Distance from window to window, in samples; None for `window`. What is left after the last
        full window is not measured.
    progress
        Callback that gets the samples done, the samples in all, and what is being done. What it
        raises, such as `Cancelled`, stops the work.

    Returns
    -------
    sdr, isr, sir, sar
        Scores in dB, ``(n_sources, n_windows)`` float64: ``inf`` where there is no error, NaN in
        windows where a signal is silent.

    Raises
    ------
    ParameterError
        If shapes differ, samples are not finite, or window or hop are not positive.

    References
    ----------
    Stöter, Liutkus and Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018.
    """
    windows = _check(references, estimates, window, hop)
    scored = _audible(references, estimates, windows)
    measures = np.full((4, len(references), len(windows)), np.nan)
    if scored.any():
        filters = fit(references, estimates, progress)
        audible = [w for w, has_sound in zip(windows, scored, strict=True) if has_sound]
        measures[..., scored] = _measure(references, estimates, filters, audible, _images, progress)
    sdr, isr, sir, sar = measures
    return sdr, isr, sir, sar


def bss_eval_sources(
    references: AnyArray,
    estimates: AnyArray,
    window: int | None = None,
    hop: int | None = None,
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """BSS Eval v3 for sources: SDR, SIR and SAR in windows, with filters of each window.

    A filtered reference counts as right. So an estimate is not punished if it lacks a part of the
    spectrum, is panned, or is delayed by up to 511 samples: these scores flatter.

    Parameters
    ----------
    references, estimates, window, hop
        The arguments of `bss_eval_images`.

    Returns
    -------
    sdr, sir, sar
        Scores in dB, ``(n_sources, n_windows)`` float64; ``inf`` and NaN as in `bss_eval_images`.

    Raises
    ------
    ParameterError
        Under the conditions of `bss_eval_images`.

    References
    ----------
    Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation",
    IEEE TASLP 14(4), 2006.
    """
    windows = _check(references, estimates, window, hop)
    scored = _audible(references, estimates, windows)
    measures = np.full((3, len(references), len(windows)), np.nan)
    for column in np.flatnonzero(scored):
        cut = windows[column]
        parts = references[:, cut], estimates[:, cut]
        whole = slice(0, cut.stop - cut.start)
        measures[..., column : column + 1] = _measure(*parts, fit(*parts), [whole], _sources)
    sdr, sir, sar = measures
    return sdr, sir, sar


def _images(
    s: AnyArray, s_hat: AnyArray, own: AnyArray, joint: AnyArray
) -> list[tuple[AnyArray, AnyArray]]:
    return [(s, s_hat - s), (s, own - s), (own, joint - own), (joint, s_hat - joint)]


def _sources(
    _: AnyArray, s_hat: AnyArray, own: AnyArray, joint: AnyArray
) -> list[tuple[AnyArray, AnyArray]]:
    return [(own, s_hat - own), (own, joint - own), (joint, s_hat - joint)]


# --- Windows ----------------------------------------------------------------------------------


def _check(
    references: AnyArray, estimates: AnyArray, window: int | None, hop: int | None
) -> list[slice]:
    if references.ndim != 3 or references.shape != estimates.shape or not references.size:
        raise ParameterError(
            "references and estimates must share one shape (n_sources, n_samples, n_channels) "
            f"(got {references.shape} and {estimates.shape})"
        )
    n_samples = references.shape[1]
    window = n_samples if window is None else window
    hop = window if hop is None else hop
    if window < 1 or hop < 1:
        raise ParameterError(
            f"window and hop must be 1 sample or more (got window {window}, hop {hop})"
        )
    window = min(window, n_samples)
    return [slice(start, start + window) for start in range(0, n_samples - window + 1, hop)]


def _audible(references: AnyArray, estimates: AnyArray, windows: list[slice]) -> AnyArray:
    return np.array(
        [
            all(signals[:, window].any(axis=(1, 2)).all() for signals in (references, estimates))
            for window in windows
        ]
    )


# --- Energies ---------------------------------------------------------------------------------


def _measure(
    references: AnyArray,
    estimates: AnyArray,
    filters: Filters,
    windows: list[slice],
    pairs: Pairs,
    progress: Progress | None = None,
) -> AnyArray:
    """Ratios of energies in dB, ``(n_measures, n_sources, n_windows)``."""

    def energies(*signals: AnyArray) -> list[list[AnyArray]]:
        return [[np.einsum("dpt,dpt->p", x, x) for x in pair] for pair in pairs(*signals)]

    sources = range(len(references))
    parts = project(references, estimates, filters, windows, sources, energies, progress)
    # (n_sources, n_measures, 2, n_pieces)
    each = np.concatenate([np.array(part) for part in parts], axis=-1)
    signal, error = (
        each.reshape(*each.shape[:3], len(windows), -1).sum(axis=-1).transpose(2, 1, 0, 3)
    )
    return ratio_db(signal, error)


def ratio_db(signal: AnyArray, error: AnyArray) -> AnyArray:
    """Ratios of energies in dB, ``inf`` where there is no error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, np.inf, 10 * np.log10(signal / error))
