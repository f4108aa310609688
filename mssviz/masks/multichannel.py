"""The multichannel Wiener filter, which also uses where a source stands in the stereo image."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mssviz._typing import AnyArray, Magnitude, Stft
from mssviz.errors import ParameterError
from mssviz.masks._arrays import check_same_shape


@dataclass(frozen=True)
class WienerModel:
    r"""Multichannel Wiener filter (MWF) of a whole song, held by its spatial statistics.

    Every source is a Gaussian with power ``v_j(t, f)`` and a spatial covariance ``R_j(f)``, which
    is estimated over the whole song. Its filter is

    .. math:: W_j = v_j R_j \left(\sum_k v_k R_k + \sqrt{\epsilon} I\right)^{-1}

    Iteration *n* estimates ``v`` and ``R`` from the sources of iteration *n - 1*; iteration 0 is
    the magnitude ratio mask. Only ``R`` of each iteration is kept (``n_bins x n_channels²`` numbers
    for each source), so a song can be passed through in blocks.

    In silence the regularisation takes over and every estimate is 0. Channels that are
    perfectly correlated are handled by the same term.

    References
    ----------
    Duong, Vincent and Gribonval, IEEE TASLP 18(7), 2010; Nugraha, Liutkus and Vincent, IEEE
    TASLP 24(9), 2016; the scheme is the one of ``norbert.wiener``, which Spleeter calls.
    """

    scale: float
    covariances: tuple[AnyArray, ...]  # one per iteration: (n_bins, n_channels, n_channels, K)

    @classmethod
    def fit(
        cls,
        blocks: Callable[[], Iterable[tuple[Mapping[str, Magnitude], Stft]]],
        iterations: int = 1,
    ) -> "WienerModel":
        """Estimate the statistics in ``1 + iterations`` passes over a song.

        Parameters
        ----------
        blocks
            Function that begins a new pass: it returns the song's blocks ``(magnitudes, mixture)``,
            with magnitudes a dict of ``(n_frames, n_model_bins, n_channels)`` and the mixture's
            STFT of the same shape (cut to the modelled bins).
        iterations
            Number of rounds of refinement, at least 1.
        """
        if iterations < 1:
            raise ParameterError(f"MWF needs at least 1 iteration (got {iterations})")
        model = cls(scale=_wiener_scale(mixture for _, mixture in blocks()), covariances=())
        for _ in range(iterations):
            model = cls(model.scale, (*model.covariances, model._estimate(blocks())))
        return model

    @classmethod
    def oracle(
        cls, blocks: Callable[[], Iterable[tuple[Mapping[str, Stft], Stft]]]
    ) -> "WienerModel":
        """Take the statistics from the true sources, in two passes over a song.

        Parameters
        ----------
        blocks
            Function that begins a new pass, as for `fit`, with the true sources' STFTs instead of
            magnitudes. To `filter` a block, give its true sources as `sources`.
        """
        scale = _wiener_scale(mixture for _, mixture in blocks())
        total: AnyArray | float = 0.0
        weight: AnyArray | np.float32 = _EPS
        for references, mixture in blocks():
            check_same_shape({**references, "mixture": mixture})
            sources = np.stack(list(references.values()), axis=-1) / np.float32(scale)
            sums, powers = _covariance_sums(sources)
            total, weight = total + sums, weight + powers
        covariance = np.asarray(total / np.asarray(weight)[:, None, None, :])
        return cls(scale, (covariance.astype(np.complex64),))

    def filter(
        self, magnitudes: Mapping[str, AnyArray], mixture: Stft, sources: AnyArray | None = None
    ) -> dict[str, Stft]:
        """Separate one block.

        Parameters
        ----------
        magnitudes
            Magnitudes by source, as in `fit`. If `sources` is given, only their names are used.
        mixture
            STFT of the block, ``(n_frames, n_model_bins, n_channels)``.
        sources
            Estimates to start from, ``(n_frames, n_model_bins, n_channels, K)``; those of the
            magnitude ratio mask if left out.

        Returns
        -------
        dict
            STFTs by source, complex64, of the shape of `mixture`.
        """
        check_same_shape({**magnitudes, "mixture": mixture})
        estimates: AnyArray = self._refine(magnitudes, mixture, sources) * np.float32(self.scale)
        return {name: estimates[..., j] for j, name in enumerate(magnitudes)}

    def _refine(
        self, magnitudes: Mapping[str, AnyArray], mixture: Stft, sources: AnyArray | None = None
    ) -> AnyArray:
        # scaled estimates after all iterations that are known so far: (frames, bins, channels, K)
        scaled = mixture / np.float32(self.scale)
        if sources is None:
            stacked = np.stack(list(magnitudes.values()), axis=-1)
            stacked /= stacked.sum(axis=-1, keepdims=True) + _EPS
            estimates = stacked * scaled[..., None]
        else:
            estimates = sources / np.float32(self.scale)
        for covariance in self.covariances:
            power = _channel_mean_power(estimates)
            estimates = _wiener_filter(power, covariance, scaled)
        return estimates

    def _estimate(self, blocks: Iterable[tuple[Mapping[str, Magnitude], Stft]]) -> AnyArray:
        total: AnyArray | float = 0.0
        weight: AnyArray | np.float32 = _EPS
        for magnitudes, mixture in blocks:
            sums, powers = _covariance_sums(self._refine(magnitudes, mixture))
            total, weight = total + sums, weight + powers
        return np.asarray(total / np.asarray(weight)[:, None, None, :]).astype(np.complex64)


def wiener(
    magnitudes: Mapping[str, Magnitude], mixture: Stft, iterations: int = 1
) -> dict[str, Stft]:
    """Multichannel Wiener filter of arrays that fit into memory; see `WienerModel`.

    Parameters
    ----------
    magnitudes
        Magnitudes by source, linear, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the mixture, of the same shape.
    iterations
        Number of rounds of refinement, at least 1.

    Returns
    -------
    dict
        STFTs by source, complex64.
    """
    model = WienerModel.fit(lambda: [(magnitudes, mixture)], iterations)
    return model.filter(magnitudes, mixture)


def ideal_wiener(references: Mapping[str, Stft], mixture: Stft) -> dict[str, Stft]:
    """Oracle MWF: the filter of `WienerModel` with the true sources' statistics.

    This is the upper bound for any method that weights the channels of the mixture linearly with
    one spatial covariance for each source. SiSEC 2018's ``MWF`` estimates it in another way; see
    `separators.oracles`. Silence gives silence.

    Parameters
    ----------
    references
        STFTs of the true sources by name, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the mixture, of the same shape.
    """
    model = WienerModel.oracle(lambda: [(references, mixture)])
    return model.filter(references, mixture, np.stack(list(references.values()), axis=-1))


_EPS = np.finfo(np.float32).eps


def _wiener_scale(mixtures: Iterable[Stft]) -> float:
    # magnitudes are scaled to 10 at most, where the regularisation is that of norbert
    peak = max((float(np.abs(mixture).max(initial=0)) for mixture in mixtures), default=0.0)
    return max(1.0, peak / 10)


def _channel_mean_power(sources: AnyArray) -> AnyArray:
    return (np.square(sources.real) + np.square(sources.imag)).mean(axis=2)


def _covariance_sums(sources: AnyArray) -> tuple[AnyArray, AnyArray]:
    # sums over frames, in double precision: (bins, channels, channels, K) and (bins, K)
    wide = sources.astype(np.complex128)
    total = np.einsum("tfcj,tfdj->fcdj", wide, wide.conj(), optimize=True)
    return total, _channel_mean_power(wide).sum(axis=0)


def _wiener_filter(power: AnyArray, covariance: AnyArray, mixture: AnyArray) -> AnyArray:
    # power (t, f, j), covariance (f, c, d, j), mixture (t, f, c) -> (t, f, c, j)
    n_channels = mixture.shape[2]
    mix_covariance = np.einsum("tfj,fcdj->tfcd", power, covariance)
    mix_covariance += np.sqrt(_EPS) * np.eye(n_channels, dtype=np.float32)
    whitened = _inverse_times(mix_covariance, mixture)
    return np.einsum("fcdj,tfd->tfcj", covariance, whitened) * power[:, :, None, :]


def _inverse_times(matrices: AnyArray, vectors: AnyArray) -> AnyArray:
    # The 2 x 2 case, stereo, in closed form: many times faster than a general solver.
    if vectors.shape[-1] != 2:
        return np.linalg.solve(matrices, vectors[..., None])[..., 0]
    a, b = matrices[..., 0, 0], matrices[..., 0, 1]
    c, d = matrices[..., 1, 0], matrices[..., 1, 1]
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([d * x - b * y, a * y - c * x], axis=-1) / (a * d - b * c)[..., None]
