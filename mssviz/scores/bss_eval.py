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
applied, so the filters' tails, 511 samples after its end, belong to it.

**The filters** minimise :math:`\|\hat s - \sum_{ik} c_{ik}\, s_i[n-k]\|^2` over lags :math:`k`
of 0 to 511 and channels :math:`i` of the references, so they solve the normal equations

.. math:: \sum_{jm} r_{ij}[k-m]\, c_{jm} = d_i[k], \quad
    r_{ij}[l] = \sum_n s_i[n] s_j[n+l], \quad d_i[k] = \sum_n s_i[n]\, \hat s[n+k].

The matrix is block-Toeplitz and the same for all targets: one Cholesky factorisation serves them
all, and Schur's algorithm finds it from the correlations without forming the matrix. The 512 lags
of all correlations are summed over short blocks of the signal, in each of which they are a product
of spectra (a block, and itself with the 511 samples after it); and the filters are applied to
short overlapping blocks (overlap-save). So the work is proportional to the length of the signal,
and memory does not grow with it.

**Silence.** A window in which a reference or an estimate is all zeros has no score (NaN) for any
target, since without it the others are measured against something else.

References
----------
Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation", IEEE
TASLP 14(4), 2006 (the decomposition). Vincent, Sawada, Bofill, Makino and Rosca, "First stereo
audio source separation evaluation campaign", ICA 2007 (images). Stöter, Liutkus and Ito, "The
2018 signal separation evaluation campaign", LVA/ICA 2018 (version 4).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import scipy.fft
import scipy.linalg

from mssviz._typing import AnyArray, Progress
from mssviz.errors import ParameterError

#: Taps of the filters that count as no error, 12 ms at 44.1 kHz.
FILTER_LENGTH = 512
_N_FFT = 4096  # short enough for spectra to stay in the processor's cache
_BLOCKS = 16  # blocks of the signal that one thread works on together
_HEIGHT = 8  # rows of a block in factorising: few are less work, many fewer steps
_THREADS = 4  # more threads would take more memory, and wait for it

# From (s, s_hat, P_j s_hat, P s_hat) to the pairs of signals whose energies are compared
Pairs = Callable[[AnyArray, AnyArray, AnyArray, AnyArray], list[tuple[AnyArray, AnyArray]]]
Part = TypeVar("Part")
Result = TypeVar("Result")


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
        filters = _fit(references, estimates, progress)
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
        measures[..., column : column + 1] = _measure(*parts, _fit(*parts), [whole], _sources)
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


# --- Filters ----------------------------------------------------------------------------------


def _fit(
    references: AnyArray, estimates: AnyArray, progress: Progress | None = None
) -> tuple[AnyArray, AnyArray]:
    """Fit the filters from each target's own reference, and from all references, to its estimate.

    Returns
    -------
    own
        Filters from the own reference, ``(n_sources, n_channels in, n_channels out, 512)``.
    joint : ``(n_sources in, n_channels in, n_sources out, n_channels out, 512)``
        Filters from all references.
    """
    n_sources, _, n_channels = references.shape
    n_inputs = n_sources * n_channels
    correlations = _correlations(references, estimates, progress)
    if not np.isfinite(correlations).all():
        raise ParameterError("references and estimates must be finite (got NaN or infinity)")
    r, d = np.split(correlations, [n_inputs], axis=1)
    # References scaled to one level determine their filters equally well, at any level
    level = np.sqrt(r.diagonal()[0])
    level[level == 0] = 1
    r = r / (level[:, None] * level)[..., None]
    d = d / level[:, None, None]
    joint = _solve(r, d) / level[:, None, None]
    shape = (n_sources, n_channels, n_sources, n_channels, FILTER_LENGTH)
    targets = [slice(j, j + n_channels) for j in range(0, n_inputs, n_channels)]
    own = [_solve(r[j, j], d[j, j]) / level[j, None, None] for j in targets]
    return np.stack(own), joint.reshape(shape)


def _correlations(references: AnyArray, estimates: AnyArray, progress: Progress | None) -> AnyArray:
    """Sum channel i of the references at n times channel j of any signal at n + lag.

    Returns
    -------
    ndarray
        Sums over n, ``(n_inputs, n_inputs + n_outputs, 512)``; among j, references come first.
    """
    n_sources, n_samples, n_channels = references.shape
    n_inputs = n_sources * n_channels
    step = _N_FFT - FILTER_LENGTH + 1

    def product(starts: Sequence[int]) -> AnyArray:
        pieces = [(start, slice(0, n_samples)) for start in starts]
        blocks = np.concatenate([_cut(s, pieces, _N_FFT) for s in (references, estimates)])
        blocks = blocks.reshape(2 * n_inputs, len(pieces), _N_FFT)
        here = scipy.fft.rfft(blocks[:n_inputs, :, :step], _N_FFT).conj()
        ahead = scipy.fft.rfft(blocks)
        # (n_bins, n_inputs, n_blocks) times (n_bins, n_blocks, n_inputs + n_outputs)
        return here.transpose(2, 0, 1) @ ahead.transpose(2, 1, 0)

    parts = _batches(range(0, n_samples, step))
    total = sum(_parallel(product, parts, n_samples, "correlate", progress))
    return scipy.fft.irfft(total, _N_FFT, axis=0)[:FILTER_LENGTH].transpose(1, 2, 0)


def _solve(r: AnyArray, d: AnyArray) -> AnyArray:
    """Solve the normal equations.

    Parameters
    ----------
    r
        Correlations of the reference channels with each other, ``(n_inputs, n_inputs, 512)``.
    d
        Correlations of the reference channels with the estimates', ``(n_inputs, n_outputs, 512)``.

    Returns
    -------
    ndarray
        Taps of the filters, ``(n_inputs, n_outputs, 512)``.
    """
    n_inputs, n_outputs, n_lags = d.shape
    right = d.transpose(2, 0, 1).reshape(n_lags * n_inputs, n_outputs)
    c = np.zeros_like(right)
    try:
        triangle = _factor(r)
        c[:] = scipy.linalg.cho_solve((triangle.T, True), right, check_finite=False)
    except np.linalg.LinAlgError:
        # Two channels are equal, one is silent, or the treble is empty: leave out what the rest can
        # make up. What the filters make of the references stays the same.
        triangle, pivots, rank, _ = scipy.linalg.lapack.dpstrf(_rows(r).T, overwrite_a=1)
        kept = pivots[:rank] - 1
        part = triangle[:rank, :rank], False
        c[kept] = scipy.linalg.cho_solve(part, right[kept], check_finite=False)
    return c.reshape(n_lags, n_inputs, n_outputs).transpose(1, 2, 0)


def _factor(r: AnyArray) -> AnyArray:
    """Find Cholesky's upper triangle of the matrix of `_rows`, by Schur's algorithm.

    A block-Toeplitz matrix, less itself moved down and right by a block, is :math:`A^T A - B^T B`
    with A and B of a block's height. The first rows of the triangle are A. The next rows follow
    when A is moved right by a block and turned together with B so that B's first block vanishes.
    That takes N² operations for each row of a block, where N³ / 3 is usual for the whole.

    Raises
    ------
    LinAlgError
        If the matrix is singular to working precision.

    References
    ----------
    Kailath and Sayed, "Displacement structure: theory and applications", SIAM Review 37(3),
    1995. The turn is formed as Bojanczyk, Brent, de Hoog and Sweet show to be stable: "On the
    stability of the Bareiss and related Toeplitz factorization algorithms", SIAM J. Matrix
    Anal. Appl. 16(1), 1995.
    """
    n_inputs, _, n_lags = r.shape
    size, height = n_inputs * n_lags, n_inputs * max(1, _HEIGHT // n_inputs)
    one = np.eye(height)
    triangle = np.zeros((size, size))
    rows = _rows(r, height // n_inputs)
    a = np.linalg.inv(np.linalg.cholesky(rows[:, :height])) @ rows
    b = a[:, height:]
    for start in range(0, size, height):
        if start:
            turn = np.linalg.solve(a[:, :height].T, b[:, :height].T)  # transposed
            shrink = np.linalg.cholesky([one - turn @ turn.T, one - turn.T @ turn])
            grow_a, grow_b = np.linalg.inv(shrink)
            a = grow_a @ (a - turn @ b)
            b = (shrink[1].T @ b - grow_b @ turn.T @ shrink[0] @ a)[:, height:]
        triangle[start : start + height, start:] = a
        a = a[:, : size - start - height]
    # A squared pivot is the share of a delayed channel that the channels before it cannot make up
    if np.square(triangle.diagonal()).min() < size * np.finfo(float).eps:
        raise np.linalg.LinAlgError
    return triangle


def _rows(r: AnyArray, n_rows: int = FILTER_LENGTH) -> AnyArray:
    """Rows ``(k, i)``, of the first lags k, whose columns ``(m, j)`` hold r[i, j] at lag k - m."""
    n_inputs, _, n_lags = r.shape
    # r_ij[-l] is r_ji[l]: lags from -511 to 511
    lags = np.concatenate([r.swapaxes(0, 1)[..., :0:-1], r], axis=-1)
    blocks = np.lib.stride_tricks.sliding_window_view(lags, n_lags, axis=-1)[..., ::-1]
    return blocks[:, :, :n_rows].transpose(2, 0, 3, 1).reshape(n_rows * n_inputs, -1)


# --- Energies ---------------------------------------------------------------------------------


def _measure(
    references: AnyArray,
    estimates: AnyArray,
    filters: tuple[AnyArray, AnyArray],
    windows: list[slice],
    pairs: Pairs,
    progress: Progress | None = None,
) -> AnyArray:
    """Ratios of energies in dB, ``(n_measures, n_sources, n_windows)``."""
    tail = FILTER_LENGTH - 1
    n_output = windows[0].stop - windows[0].start + tail
    step = -(-n_output // -(-n_output // (_N_FFT - tail)))  # equal blocks, none mostly empty
    n_fft = scipy.fft.next_fast_len(step + tail, real=True)
    own, joint = (scipy.fft.rfft(c, n_fft) for c in filters)

    def energies(pieces: Sequence[tuple[int, slice]]) -> AnyArray:
        # (n_sources, n_channels, n_pieces, n_fft); the filters only start in the first 511 samples
        s, s_hat = (_cut(signals, pieces, n_fft) for signals in (references, estimates))
        spectra = scipy.fft.rfft(s)
        heard = np.s_[..., tail : tail + step]
        found = []
        for j, filtered in enumerate(spectra):
            from_own = np.einsum("cpf,cdf->dpf", filtered, own[j])
            from_all = np.einsum("icpf,icdf->dpf", spectra, joint[:, :, j])
            images = (scipy.fft.irfft(image, n_fft)[heard] for image in (from_own, from_all))
            found.append(
                [
                    [np.einsum("dpt,dpt->p", x, x) for x in pair]
                    for pair in pairs(s[j][heard], s_hat[j][heard], *images)
                ]
            )
        return np.array(found)  # (n_sources, n_measures, 2, n_pieces)

    starts = range(-tail, n_output - tail, step)
    pieces = [(window.start + start, window) for window in windows for start in starts]
    parts = _parallel(energies, _batches(pieces), references.shape[1], "measure", progress)
    each = np.concatenate(list(parts), axis=-1)
    signal, error = (
        each.reshape(*each.shape[:3], len(windows), -1).sum(axis=-1).transpose(2, 1, 0, 3)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, np.inf, 10 * np.log10(signal / error))


# --- Blocks -----------------------------------------------------------------------------------


def _cut(signals: AnyArray, pieces: Sequence[tuple[int, slice]], n_samples: int) -> AnyArray:
    """Cut blocks out of signals, silent outside the window that each belongs to.

    Parameters
    ----------
    signals
        Waveforms ``(n_sources, any, n_channels)``.
    pieces
        Blocks: the start of each, perhaps before the signal, and the samples outside which it is 0.
    n_samples
        Length of each block, in samples.

    Returns
    -------
    ndarray
        Blocks ``(n_sources, n_channels, n_pieces, n_samples)``, float64.
    """
    n_sources, _, n_channels = signals.shape
    cut = np.zeros((n_sources, n_channels, len(pieces), n_samples))
    for i, (start, within) in enumerate(pieces):
        first, stop = max(start, within.start), min(start + n_samples, within.stop)
        cut[:, :, i, first - start : stop - start] = signals[:, first:stop].swapaxes(1, 2)
    return cut


def _batches(parts: Sequence[Part]) -> list[Sequence[Part]]:
    return [parts[i : i + _BLOCKS] for i in range(0, len(parts), _BLOCKS)]


def _parallel(
    work: Callable[[Part], Result],
    parts: Sequence[Part],
    n_samples: int,
    what: str,
    progress: Progress | None,
) -> Iterator[Result]:
    """Give the results of work on each part, in order; what `progress` raises stops all of it."""
    pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))
    try:
        for done, result in enumerate(pool.map(work, parts), start=1):
            if progress is not None:
                progress(done / len(parts) * n_samples, n_samples, what)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
