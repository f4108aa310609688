"""Ideal masks, made of the true sources: what a mask of their kind could reach at best."""

from collections.abc import Mapping

import numpy as np

from mssviz._typing import Mask, Stft
from mssviz.masks._arrays import check_same_shape
from mssviz.masks.ratio import EPSILON, ratio_masks
from mssviz.stft import magnitude


def ideal_binary_masks(references: Mapping[str, Stft]) -> dict[str, Mask]:
    """Ideal binary masks (IBM): 1 where the source is louder than all others together.

    Parameters
    ----------
    references
        STFTs of the true sources by name, ``(n_frames, n_bins, n_channels)``.

    Returns
    -------
    dict
        Masks of 0 and 1 by name. With more than two sources a bin may belong to none; in silence
        all masks are 0.

    References
    ----------
    Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005.
    SiSEC 2018's ``IBM1`` and ``IBM2`` compare with the mixture instead; see `separators.oracles`.
    """
    check_same_shape(references)
    powers = {name: np.abs(s) ** 2 for name, s in references.items()}
    total = np.add.reduce(list(powers.values()))
    return {name: (p > total - p).astype(np.float32) for name, p in powers.items()}


def ideal_ratio_masks(references: Mapping[str, Stft], power: float = 2.0) -> dict[str, Mask]:
    """Ideal ratio masks (IRM): `ratio_masks` of the true sources' magnitudes.

    Among all single sources, ``power=1`` and ``power=2`` are SiSEC 2018's ``IRM1`` and ``IRM2`` but
    for their grid; see `separators.oracles`. In silence every mask is ``1 / K``.
    """
    return ratio_masks({name: magnitude(s) for name, s in references.items()}, power)


def ideal_amplitude_mask(reference: Stft, mixture: Stft, limit: float = 1.0) -> Mask:
    r"""Ideal amplitude mask (IAM), ``min(|S| / |X|, limit)``; 0 where the mixture is silent.

    Without the limit it would restore the source's magnitude exactly, and exceed 1 wherever sources
    cancel each other.

    References
    ----------
    Wang, Narayanan and Wang, "On training targets for supervised speech separation", 2014.
    """
    check_same_shape({"reference": reference, "mixture": mixture})
    ratio = np.abs(reference) / np.maximum(np.abs(mixture), np.float32(EPSILON))
    ratio[mixture == 0] = 0
    return np.minimum(ratio, np.float32(limit))


def phase_sensitive_mask(reference: Stft, mixture: Stft, limit: float = 1.0) -> Mask:
    r"""Phase-sensitive mask (PSM), ``Re(S / X)`` cut to ``[0, limit]``; 0 in silence.

    It leaves out what the mixture's phase makes useless: before it is cut, it is the best real mask
    in least squares.

    References
    ----------
    Erdogan et al., "Phase-sensitive and recognition-boosted speech separation using deep
    recurrent neural networks", ICASSP 2015.
    """
    check_same_shape({"reference": reference, "mixture": mixture})
    power = np.square(mixture.real) + np.square(mixture.imag)
    aligned = (reference * mixture.conj()).real
    ratio = aligned / np.maximum(power, np.float32(1e-30))
    return np.clip(ratio, 0, limit).astype(np.float32)
