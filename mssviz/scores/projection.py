r"""The filters of BSS Eval: what can be made of the references to come nearest to an estimate.

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
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import scipy.fft
import scipy.linalg

from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError

#: Taps of the filters that count as no error, 12 ms at 44.1 kHz.
FILTER_LENGTH = 512
_N_FFT = 4096  # short enough for spectra to stay in the processor's cache
_BLOCKS = 16  # blocks of the signal that one thread works on together
_HEIGHT = 8  # rows of a block in factorising: few are less work, many fewer steps
_THREADS = 4  # more threads would take more memory, and wait for it


#: Filters from each target's own reference, and from all references, as `fit` gives them.
Filters = tuple[AnyArray, AnyArray]
Part = TypeVar("Part")
Result = TypeVar("Result")


# --- Signals ----------------------------------------------------------------------------------


class Stack:
    """Waveforms of several sources as one array, of which parts are copied when they are needed.

    Parameters
    ----------
    waveforms
        Waveforms ``(n_samples, n_channels)`` of one shape.

    Attributes
    ----------
    shape : tuple of int
        ``(n_sources, n_samples, n_channels)``.
    """

    def __init__(self, waveforms: Iterable[Waveform]) -> None:
        self._waveforms = list(waveforms)
        self.shape = (len(self._waveforms), *self._waveforms[0].shape)

    def __iter__(self) -> Iterator[Waveform]:
        return iter(self._waveforms)

    def __getitem__(self, part: tuple[slice, slice]) -> AnyArray:
        sources, samples = part
        return np.stack([waveform[samples] for waveform in self._waveforms[sources]])


#: Waveforms ``(n_sources, n_samples, n_channels)``.
Signals = AnyArray | Stack


# --- Filters ----------------------------------------------------------------------------------


def fit(references: Signals, estimates: Signals, progress: Progress | None = None) -> Filters:
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


def _correlations(references: Signals, estimates: Signals, progress: Progress | None) -> AnyArray:
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


# --- Images -----------------------------------------------------------------------------------


def project(
    references: Signals,
    estimates: Signals,
    filters: Filters,
    windows: Sequence[slice],
    sources: Sequence[int],
    take: Callable[[AnyArray, AnyArray, AnyArray, AnyArray], Result],
    progress: Progress | None = None,
) -> Iterator[list[Result]]:
    """Apply the filters to windows, piece by piece, and take something of each piece.

    Parameters
    ----------
    references, estimates
        Waveforms ``(n_sources, n_samples, n_channels)``.
    filters
        Filters from `fit`.
    windows
        Windows of one length; each is cut out before the filters are applied, so that it ends with
        their tails.
    sources
        Numbers of the sources whose estimates are looked at.
    take
        Function of reference, estimate, what the own reference makes of it, and what all references
        make of it, each ``(n_channels, n_pieces, any)``, one piece after the other: those of a
        window together are as long as the window with the tails, and zeros up to the last piece's
        end. It is called in several threads.
    progress
        Callback for the progress, in samples.

    Yields
    ------
    list
        What was taken of some pieces, for each of the sources.
    """
    tail = FILTER_LENGTH - 1
    n_output = windows[0].stop - windows[0].start + tail
    step = -(-n_output // -(-n_output // (_N_FFT - tail)))  # equal blocks, none mostly empty
    n_fft = scipy.fft.next_fast_len(step + tail, real=True)
    own, joint = (scipy.fft.rfft(c, n_fft) for c in filters)

    def images(pieces: Sequence[tuple[int, slice]]) -> list[Result]:
        # (n_sources, n_channels, n_pieces, n_fft); the filters only start in the first 511 samples
        s, s_hat = (_cut(signals, pieces, n_fft) for signals in (references, estimates))
        spectra = scipy.fft.rfft(s)
        heard = np.s_[..., tail : tail + step]
        found = []
        for j in sources:
            from_own = np.einsum("cpf,cdf->dpf", spectra[j], own[j])
            from_all = np.einsum("icpf,icdf->dpf", spectra, joint[:, :, j])
            made = (scipy.fft.irfft(image, n_fft)[heard] for image in (from_own, from_all))
            found.append(take(s[j][heard], s_hat[j][heard], *made))
        return found

    starts = range(-tail, n_output - tail, step)
    pieces = [(window.start + start, window) for window in windows for start in starts]
    return _parallel(images, _batches(pieces), references.shape[1], "measure", progress)


# --- Blocks -----------------------------------------------------------------------------------


def _cut(signals: Signals, pieces: Sequence[tuple[int, slice]], n_samples: int) -> AnyArray:
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
