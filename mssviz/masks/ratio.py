"""Masks from magnitudes, what can be done to them, and their application."""

from collections.abc import Mapping

import numpy as np
import scipy.ndimage

from mssviz._checks import check_number
from mssviz._typing import AnyArray, Extension, Magnitude, Mask, Stft
from mssviz.errors import ParameterError
from mssviz.masks._arrays import check_same_shape, empty

#: Power below which ratio masks take a bin for silent, as in Spleeter; far below what is audible.
EPSILON = 1e-10


def ratio_masks(magnitudes: Mapping[str, Magnitude], power: float = 2.0) -> dict[str, Mask]:
    r"""Make soft masks from the sources' magnitudes.

    .. math:: M_i = \frac{P_i^p + \epsilon^{p/2} / K}{\sum_j P_j^p + \epsilon^{p/2}}

    With *p* = 2 this is Spleeter's formula. Spleeter keeps :math:`\epsilon` itself at every
    exponent, so that with a high exponent quiet bins count as silent; here silence begins at the
    same magnitude, 1e-5, whatever *p* is.

    Parameters
    ----------
    magnitudes
        Magnitudes by source, linear, ``(n_frames, n_bins, n_channels)``, non-negative.
    power
        Exponent *p*, positive: 1 is the magnitude ratio, 2 (Spleeter's) the power ratio of a Wiener
        filter, larger values approach a binary mask.

    Returns
    -------
    dict
        Masks in [0, 1] by source, which add up to 1. In silence every mask is ``1 / K``.

    Raises
    ------
    ParameterError
        If there is no source, shapes differ, or `power` is not positive.

    References
    ----------
    Hennequin et al., "Spleeter", JOSS 5(50):2154, 2020. Liutkus and Badeau, "Generalized
    Wiener filtering with fractional power spectrograms", ICASSP 2015.
    """
    check_same_shape(magnitudes)
    check_power(power)
    magnitudes = {
        name: np.asarray(p, np.result_type(p, np.float32)) for name, p in magnitudes.items()
    }
    if power == 2:  # equal to Spleeter's to the bit
        powers = {name: p * p for name, p in magnitudes.items()}
        epsilon: AnyArray | np.float32 = np.float32(EPSILON)
    else:
        # Raising to a high power could overflow or vanish: divide by the loudest source first.
        loudest = np.maximum.reduce(list(magnitudes.values()))
        safe = np.maximum(loudest, np.float32(1e-30))
        powers = {name: (p / safe) ** np.float32(power) for name, p in magnitudes.items()}
        with np.errstate(over="ignore"):  # in silence, cut to a finite value below
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
        Mask of the modelled bins, ``(n_frames, n_model_bins, n_channels)``.
    n_bins
        Number of bins of the STFT, at least `n_model_bins`.
    extension
        What happens above the modelled bins. ``"zeros"`` silences them (stems then miss the treble
        and do not add up to the mixture); ``"average"`` repeats each frame's and channel's mean
        over the modelled bins.

    Returns
    -------
    Mask
        Mask of the full band, ``(n_frames, n_bins, n_channels)``.

    References
    ----------
    Spleeter 2.4.2, ``EstimatorSpecBuilder._extend_mask``.
    """
    check_extension(extension)
    n_frames, n_model_bins, n_channels = mask.shape
    if n_bins < n_model_bins:
        raise ParameterError(f"cannot extend a mask of {n_model_bins} bins to {n_bins}")
    extended = empty(n_frames, n_bins, n_channels)
    extended[:, :n_model_bins] = mask
    if extension == "zeros":
        extended[:, n_model_bins:] = 0
    else:
        extended[:, n_model_bins:] = mask.mean(axis=1, keepdims=True)
    return extended


def smooth(mask: Mask, n_frames: int) -> Mask:
    """Average a mask over time, weighted by a Hann window of ``2 n_frames + 1`` frames.

    Flicker from frame to frame is heard as "musical noise"; averaging trades it for blurred onsets.
    Masks keep their sum. At either end the window is cut to the frames that there are.

    Parameters
    ----------
    mask
        Mask ``(n_frames, n_bins, n_channels)``.
    n_frames
        Number of neighbouring frames on either side, 0 or more.

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
        Mask in [0, 1], of any shape.
    hardness
        *h* in [0, 1]: 0 leaves the mask as it is, 1 is `threshold`.
    level
        :math:`\theta` in [0, 1), the value that stays as it is. At 0.5, the masks of two sources
        keep their sum of 1.
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
    """Make a binary mask: 1 where `mask` exceeds `level`, else 0; same shape.

    Parameters
    ----------
    mask
        Mask in [0, 1].
    level
        Threshold in [0, 1). At 0.5, the masks of two sources stay complementary except for exact
        ties, which become 0 in both (so silence, where masks are ``1 / K``, gives 0 everywhere).
    """
    check_level(level)
    return (mask > level).astype(np.float32)


def binary_masks(magnitudes: Mapping[str, Magnitude]) -> dict[str, Mask]:
    """Give each bin wholly to its loudest source.

    With the true sources' magnitudes this is the ideal binary mask for several sources.
    Ties, and so silence, go to the first source in the dict's order; masks add up to 1.
    """
    check_same_shape(magnitudes)
    winner = np.argmax(np.stack(list(magnitudes.values())), axis=0)
    return {name: (winner == i).astype(np.float32) for i, name in enumerate(magnitudes)}


def apply(mask: Mask, mixture: Stft) -> Stft:
    """Multiply an STFT by a mask: a share of the mixture's magnitude with the mixture's phase."""
    if mask.shape != mixture.shape:
        raise ParameterError(
            f"mask and STFT must have one shape (got {mask.shape} and {mixture.shape}); "
            "extend() the mask to all bins first"
        )
    return mask * mixture


def with_phase(spectrum: Stft, other: Stft) -> Stft:
    r"""Give a spectrum the phase of another one, :math:`|Y| e^{j \angle S}`.

    With the true source's phase (oracle phase) this shows what a mask would achieve if it did not
    have to use the mixture's phase. Where `other` is 0, its phase counts as 0.
    """
    check_same_shape({"spectrum": spectrum, "other": other})
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
