"""Time-frequency masks: how to get from magnitudes or true sources to masks, and apply them.

A mask says, for every bin of the mixture's STFT, which share of it belongs to a source. All
functions take and return arrays ``(n_frames, n_bins, n_channels)``; several sources are a
dict in the preset's order.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from mssviz._checks import check_number
from mssviz._typing import AnyArray, Extension, Magnitude, Mask, Stft
from mssviz.errors import ParameterError
from mssviz.stft import magnitude

#: Power below which ratio masks take a bin for silent, as in Spleeter; far below anything audible.
EPSILON = 1e-10


def ratio_masks(magnitudes: Mapping[str, Magnitude], power: float = 2.0) -> dict[str, Mask]:
    r"""Soft masks from the sources' magnitudes.

    .. math:: M_i = \frac{P_i^p + \epsilon^{p/2} / K}{\sum_j P_j^p + \epsilon^{p/2}}

    With *p* = 2 this is Spleeter's formula. Spleeter keeps :math:`\epsilon` itself at every
    exponent, so that with a high one quiet bins count as silent; here silence begins at the
    same magnitude, 1e-5, whatever *p* is.

    Parameters
    ----------
    magnitudes
        Source name to magnitude, linear, ``(n_frames, n_bins, n_channels)``, non-negative.
    power
        Exponent *p*: 1 is the magnitude ratio, 2 (Spleeter's) the power ratio of a Wiener
        filter, larger values approach a binary mask. Positive.

    Returns
    -------
    dict
        Masks in [0, 1] that add up to 1. In silence every mask is ``1 / K``.

    Raises
    ------
    ParameterError
        If there is no source, shapes differ, or `power` is not positive.

    References
    ----------
    Hennequin et al., "Spleeter", JOSS 5(50):2154, 2020. Liutkus and Badeau, "Generalized
    Wiener filtering with fractional power spectrograms", ICASSP 2015.
    """
    _check_same_shape(magnitudes)
    check_power(power)
    magnitudes = {
        name: np.asarray(p, np.result_type(p, np.float32)) for name, p in magnitudes.items()
    }
    if power == 2:  # Spleeter's, to the bit
        powers = {name: p * p for name, p in magnitudes.items()}
        epsilon: AnyArray | np.float32 = np.float32(EPSILON)
    else:
        # Raising to a high power could overflow or vanish: divide by the loudest source first.
        loudest = np.maximum.reduce(list(magnitudes.values()))
        safe = np.maximum(loudest, np.float32(1e-30))
        powers = {name: (p / safe) ** np.float32(power) for name, p in magnitudes.items()}
        with np.errstate(over="ignore"):  # silence: cut to a finite value below
            epsilon = (np.float32(EPSILON**0.5) / safe) ** np.float32(power)
        epsilon = np.minimum(epsilon, np.float32(1e30))
    total = np.add.reduce(list(powers.values())) + epsilon
    share = epsilon / np.float32(len(powers))
    for mask in powers.values():
        mask += share
        mask /= total
    return powers


def extend(mask: Mask, n_bins: int, extension: Extension = "zeros") -> Mask:
    """Extend a mask from the bins that the network models to the full band.

    Parameters
    ----------
    mask
        ``(n_frames, n_model_bins, n_channels)``.
    n_bins
        Bins of the STFT; at least `n_model_bins`.
    extension
        ``"zeros"`` silences what lies above (stems then miss the treble and do not add up to
        the mixture); ``"average"`` repeats each frame's and channel's mean over the bins.

    Returns
    -------
    Mask
        ``(n_frames, n_bins, n_channels)``.

    References
    ----------
    Spleeter 2.4.2, ``EstimatorSpecBuilder._extend_mask``.
    """
    check_extension(extension)
    n_frames, n_model_bins, n_channels = mask.shape
    if n_bins < n_model_bins:
        raise ParameterError(f"cannot extend a mask of {n_model_bins} bins to {n_bins}")
    extended = _empty(n_frames, n_bins, n_channels)
    extended[:, :n_model_bins] = mask
    if extension == "zeros":
        extended[:, n_model_bins:] = 0
    else:
        extended[:, n_model_bins:] = mask.mean(axis=1, keepdims=True)
    return extended


def smooth(mask: Mask, n_frames: int) -> Mask:
    """Average a mask over time, weighted by a Hann window of ``2 n_frames + 1`` frames.

    Flicker from frame to frame is what is heard as "musical noise"; averaging trades it for
    blurred onsets. Masks keep their sum. At either end the window is cut to the frames there are.

    Parameters
    ----------
    mask
        ``(n_frames, n_bins, n_channels)``.
    n_frames
        Neighbours on either side, 0 or more.

    References
    ----------
    Cappé, "Elimination of the musical noise phenomenon with the Ephraim and Malah noise
    suppressor", IEEE TSAP 2(2), 1994.
    """
    if n_frames < 0:
        raise ParameterError(f"n_frames must be 0 or more (got {n_frames})")
    if not n_frames:
        return mask
    window = np.hanning(2 * n_frames + 3)[1:-1].astype(np.float32)
    present = np.convolve(np.ones(len(mask), np.float32), window)[n_frames : n_frames + len(mask)]
    averaged = scipy.ndimage.convolve1d(mask, window, axis=0, mode="constant")
    return averaged / present[:, None, None]


def harden(mask: Mask, hardness: float = 1.0, level: float = 0.5) -> Mask:
    r"""Make a soft mask steeper around a level, from unchanged to binary.

    .. math:: M' = \min(\max(\theta + (M - \theta) / (1 - h), 0), 1)

    Parameters
    ----------
    mask
        In [0, 1], any shape.
    hardness
        *h* in [0, 1]: 0 leaves the mask as it is, 1 is `threshold`.
    level
        :math:`\theta` in [0, 1), the value that stays. At 0.5, the masks of two sources keep
        their sum of 1.
    """
    check_share("hardness", hardness)
    if hardness == 1:
        return threshold(mask, level)
    check_level(level)
    if not hardness:
        return mask
    steeper = level + (mask - np.float32(level)) / np.float32(1 - hardness)
    return np.clip(steeper, 0, 1).astype(np.float32)


def threshold(mask: Mask, level: float = 0.5) -> Mask:
    """Binary mask: 1 where `mask` exceeds `level`, else 0; same shape.

    Parameters
    ----------
    mask
        In [0, 1].
    level
        In [0, 1). At 0.5, two-source masks stay complementary but for exact ties, which
        become 0 in both (so silence, where masks are ``1 / K``, gives 0 everywhere).
    """
    check_level(level)
    return (mask > level).astype(np.float32)


def binary_masks(magnitudes: Mapping[str, Magnitude]) -> dict[str, Mask]:
    """Give each bin wholly to its loudest source.

    With the true sources' magnitudes this is the ideal binary mask for several sources.
    Ties, and so silence, go to the first source in the dict's order; masks add up to 1.
    """
    _check_same_shape(magnitudes)
    winner = np.argmax(np.stack(list(magnitudes.values())), axis=0)
    return {name: (winner == i).astype(np.float32) for i, name in enumerate(magnitudes)}


def ideal_binary_masks(references: Mapping[str, Stft]) -> dict[str, Mask]:
    """Ideal binary masks (IBM): 1 where the source is louder than all others together.

    Parameters
    ----------
    references
        Source name to the true source's STFT, ``(n_frames, n_bins, n_channels)``.

    Returns
    -------
    dict
        Masks of 0 and 1. With more than two sources a bin may belong to none; in silence all
        are 0.

    References
    ----------
    Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005.
    SiSEC 2018's ``IBM1`` and ``IBM2`` compare with the mixture instead; see `oracles`.
    """
    _check_same_shape(references)
    powers = {name: np.abs(s) ** 2 for name, s in references.items()}
    total = np.add.reduce(list(powers.values()))
    return {name: (p > total - p).astype(np.float32) for name, p in powers.items()}


def ideal_ratio_masks(references: Mapping[str, Stft], power: float = 2.0) -> dict[str, Mask]:
    """Ideal ratio masks (IRM): `ratio_masks` of the true sources' magnitudes.

    With ``power=1`` and ``power=2``, of all single sources, SiSEC 2018's ``IRM1`` and ``IRM2``, but
    for their grid; see `oracles`. Silence: ``1 / K``.
    """
    return ratio_masks({name: magnitude(s) for name, s in references.items()}, power)


def ideal_amplitude_mask(reference: Stft, mixture: Stft, limit: float = 1.0) -> Mask:
    r"""Ideal amplitude mask (IAM), ``min(|S| / |X|, limit)``; 0 where the mixture is silent.

    Unlimited it would restore the source's magnitude exactly, and exceed 1 wherever sources
    cancel each other.

    References
    ----------
    Wang, Narayanan and Wang, "On training targets for supervised speech separation", 2014.
    """
    _check_same_shape({"reference": reference, "mixture": mixture})
    ratio = np.abs(reference) / np.maximum(np.abs(mixture), np.float32(EPSILON))
    ratio[mixture == 0] = 0
    return np.minimum(ratio, np.float32(limit))


def phase_sensitive_mask(reference: Stft, mixture: Stft, limit: float = 1.0) -> Mask:
    r"""Phase-sensitive mask (PSM), ``Re(S / X)`` cut to ``[0, limit]``; 0 in silence.

    It loses what the mixture's phase makes useless: the best real mask in least squares,
    before it is cut.

    References
    ----------
    Erdogan et al., "Phase-sensitive and recognition-boosted speech separation using deep
    recurrent neural networks", ICASSP 2015.
    """
    _check_same_shape({"reference": reference, "mixture": mixture})
    power = np.square(mixture.real) + np.square(mixture.imag)
    aligned = (reference * mixture.conj()).real
    ratio = aligned / np.maximum(power, np.float32(1e-30))
    return np.clip(ratio, 0, limit).astype(np.float32)


def apply(mask: Mask, mixture: Stft) -> Stft:
    """Multiply an STFT by a mask: the source's magnitude share with the mixture's phase."""
    if mask.shape != mixture.shape:
        raise ParameterError(
            f"mask and STFT must have one shape (got {mask.shape} and {mixture.shape}); "
            "extend() the mask to all bins first"
        )
    return mask * mixture


def with_phase(spectrum: Stft, other: Stft) -> Stft:
    r"""Give a spectrum another's phase, :math:`|Y| e^{j \angle S}`.

    With the true source's phase (oracle phase) this shows what a mask would achieve if it were
    not for the mixture's phase. Where `other` is 0, its phase counts as 0.
    """
    _check_same_shape({"spectrum": spectrum, "other": other})
    size = np.abs(other)
    turn = np.where(size > 0, other / np.maximum(size, np.float32(1e-30)), np.complex64(1))
    return (np.abs(spectrum) * turn).astype(np.complex64)


# --- What parameters may be ---------------------------------------------------------------------


def check_power(power: float) -> None:
    """Raise `ParameterError` unless `ratio_masks` takes this exponent."""
    check_number(power, "mask exponent")
    if not 0 < power <= 64:
        raise ParameterError(f"mask exponent must lie in (0, 64] (got {power})")


def check_extension(extension: str) -> None:
    """Raise `ParameterError` unless `extend` knows this extension."""
    if extension not in ("zeros", "average"):
        raise ParameterError(f"mask extension is 'zeros' or 'average' (got {extension!r})")


def check_level(level: float) -> None:
    """Raise `ParameterError` unless `threshold` and `harden` take this level."""
    check_number(level, "threshold")
    if not 0 <= level < 1:
        raise ParameterError(f"threshold must lie in [0, 1) (got {level})")


def check_share(name: str, value: float) -> None:
    """Raise `ParameterError` unless a value lies in [0, 1]."""
    check_number(value, name)
    if not 0 <= value <= 1:
        raise ParameterError(f"{name} must lie in [0, 1] (got {value})")


# --- Multichannel Wiener filter ---------------------------------------------------------------


@dataclass(frozen=True)
class WienerModel:
    r"""Multichannel Wiener filter (MWF) of a whole song, held by its spatial statistics.

    Every source is a Gaussian with power ``v_j(t, f)`` and a spatial covariance ``R_j(f)``,
    which is estimated over the whole song; its filter is

    .. math:: W_j = v_j R_j \left(\sum_k v_k R_k + \sqrt{\epsilon} I\right)^{-1}

    Iteration *n* estimates ``v`` and ``R`` from the sources of iteration *n - 1*; iteration 0
    is the magnitude ratio mask. Only ``R`` of each iteration is kept (``n_bins x n_channels²``
    numbers a source), so the song can be passed through in blocks.

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
            Called for each pass; returns the song's blocks ``(magnitudes, mixture)``, with
            magnitudes a dict of ``(n_frames, n_model_bins, n_channels)`` and the mixture's
            STFT of the same shape (cut to the modelled bins).
        iterations
            Rounds of refinement, at least 1.
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
            As in `fit`, with the true sources' STFTs instead of magnitudes. To `filter` a block,
            give its true sources as `sources`.
        """
        scale = _wiener_scale(mixture for _, mixture in blocks())
        total: AnyArray | float = 0.0
        weight: AnyArray | np.float32 = _EPS
        for references, mixture in blocks():
            _check_same_shape({**references, "mixture": mixture})
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
            As in `fit`; gives the sources' names, too. Unused if `sources` is given.
        mixture
            STFT of the block, ``(n_frames, n_model_bins, n_channels)``.
        sources
            Starting estimates ``(n_frames, n_model_bins, n_channels, K)``; the magnitude
            ratio mask's when left out.

        Returns
        -------
        dict
            Source name to STFT, complex64, shape of `mixture`.
        """
        _check_same_shape({**magnitudes, "mixture": mixture})
        estimates: AnyArray = self._refine(magnitudes, mixture, sources) * np.float32(self.scale)
        return {name: estimates[..., j] for j, name in enumerate(magnitudes)}

    def _refine(
        self, magnitudes: Mapping[str, AnyArray], mixture: Stft, sources: AnyArray | None = None
    ) -> AnyArray:
        # scaled estimates after all iterations known so far: (frames, bins, channels, K)
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
        Source name to magnitude, linear, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the same shape.
    iterations
        Rounds of refinement, at least 1.

    Returns
    -------
    dict
        Source name to STFT, complex64.
    """
    model = WienerModel.fit(lambda: [(magnitudes, mixture)], iterations)
    return model.filter(magnitudes, mixture)


def ideal_wiener(references: Mapping[str, Stft], mixture: Stft) -> dict[str, Stft]:
    """Oracle MWF: the filter of `WienerModel` with the true sources' statistics.

    The upper bound for any method that weights the channels of the mixture linearly with
    one spatial covariance a source. SiSEC 2018's ``MWF`` estimates it otherwise; see `oracles`.
    Silence gives silence.

    Parameters
    ----------
    references
        Source name to the true source's STFT, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the same shape.
    """
    model = WienerModel.oracle(lambda: [(references, mixture)])
    return model.filter(references, mixture, np.stack(list(references.values()), axis=-1))


_EPS = np.finfo(np.float32).eps


def _wiener_scale(mixtures: Iterable[Stft]) -> float:
    # magnitudes are brought to 10 at most, where the regularisation is what norbert's is
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


def _empty(n_frames: int, n_bins: int, n_channels: int) -> Mask:
    # memory order (frames, channels, bins), as the FFT leaves spectra, so that products run fast
    return np.moveaxis(np.empty((n_frames, n_channels, n_bins), np.float32), 1, 2)


def _check_same_shape(arrays: Mapping[str, AnyArray]) -> None:
    if not isinstance(arrays, Mapping):
        raise ParameterError(
            "sources must be a dict of name to array (n_frames, n_bins, n_channels) (got "
            f"{type(arrays).__name__})"
        )
    if not arrays:
        raise ParameterError("masks need at least one source (got an empty dict)")
    shapes = {name: np.shape(a) for name, a in arrays.items()}
    if len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 3:
        raise ParameterError(
            f"sources must share one shape (n_frames, n_bins, n_channels) (got {shapes})"
        )
