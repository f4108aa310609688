"""Complex masks: what an estimate with a phase of its own does to each bin of the mixture."""

from typing import get_args

import numpy as np

from mssviz._typing import MaskPart, Stft
from mssviz.errors import ParameterError
from mssviz.masks._arrays import check_same_shape
from mssviz.masks.ratio import EPSILON, with_phase

#: Magnitude up to which a bin of the mixture counts as silent, as in `ratio_masks`.
SILENCE = EPSILON**0.5
#: What of a complex mask can be used; see `apply_part`.
PARTS: tuple[MaskPart, ...] = get_args(MaskPart)


def complex_mask(estimate: Stft, mixture: Stft) -> Stft:
    r"""Effective complex mask :math:`M = \hat{S} / X` of an estimate, whatever has made it.

    ``np.abs`` of it is the level, which may exceed 1, and ``np.angle`` the turn of the phase. Where
    the mixture has no sound (:math:`|X| \le 10^{-5}`, about 160 dB below full scale), no mask can
    be told, and the value is NaN: nothing is divided by almost nothing.

    Parameters
    ----------
    estimate
        STFT of the estimate, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the mixture, of the same shape.

    Returns
    -------
    Stft
        Mask of the same shape, complex64, of any level; NaN where the mixture has no sound.

    References
    ----------
    Williamson, Wang and Wang, "Complex ratio masking for monaural speech separation", IEEE/ACM
    TASLP 24(3), 2016.
    """
    check_same_shape({"estimate": estimate, "mixture": mixture})
    has_sound = np.abs(mixture) > SILENCE
    mask = np.full(np.shape(mixture), complex(np.nan, np.nan), np.complex64)
    np.divide(estimate, mixture, out=mask, where=has_sound, casting="same_kind")
    return mask


def apply_part(estimate: Stft, mixture: Stft, part: MaskPart = "whole") -> Stft:
    r"""Estimate that a part of the effective complex mask :math:`M = \hat{S} / X` makes.

    It is computed without a division, so that it is exact in quiet bins, too.

    Parameters
    ----------
    estimate
        STFT of the estimate, ``(n_frames, n_bins, n_channels)``.
    mixture
        STFT of the mixture, of the same shape.
    part
        Part of the mask: ``"whole"`` gives the estimate itself; ``"magnitude"`` what a ratio mask
        could do at best, :math:`|M| X`, its magnitude with the mixture's phase; ``"turn"`` what the
        turn does alone, :math:`X M / |M|`, the mixture's magnitude with the estimate's phase.

    Returns
    -------
    Stft
        STFT of the same shape. Where the mixture is 0, no mask makes anything of it, and both parts
        are 0. Where the estimate is 0, there is no turn, and ``"turn"`` gives the mixture.

    Raises
    ------
    ParameterError
        If there is no such part, or shapes differ.
    """
    check_part(part)
    check_same_shape({"estimate": estimate, "mixture": mixture})
    if part == "whole":
        return estimate
    if part == "turn":
        return np.where(estimate == 0, mixture, with_phase(mixture, estimate))
    return np.where(mixture == 0, 0, with_phase(estimate, mixture))


def check_part(part: str) -> None:
    """Raise `ParameterError` unless a complex mask has this part."""
    if part not in PARTS:
        raise ParameterError(f"mask part is one of {', '.join(PARTS)} (got {part!r})")
