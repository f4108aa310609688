"""Time-frequency masks: how they are made from magnitudes or true sources, and applied.

A mask says, for every bin of the mixture's STFT, which share of it belongs to a source; a complex
mask turns its phase, too, and may be louder than all of it. All functions take and return arrays
``(n_frames, n_bins, n_channels)``; several sources are a dict in the preset's order.
"""

from mssviz.masks.complex_valued import PARTS, SILENCE, apply_part, check_part, complex_mask
from mssviz.masks.ideal import (
    ideal_amplitude_mask,
    ideal_binary_masks,
    ideal_ratio_masks,
    phase_sensitive_mask,
)
from mssviz.masks.multichannel import WienerModel, ideal_wiener, wiener
from mssviz.masks.ratio import (
    EPSILON,
    apply,
    binary_masks,
    check_extension,
    check_level,
    check_power,
    check_share,
    extend,
    harden,
    ratio_masks,
    smooth,
    threshold,
    with_phase,
)

__all__ = [
    "EPSILON",
    "PARTS",
    "SILENCE",
    "WienerModel",
    "apply",
    "apply_part",
    "binary_masks",
    "check_extension",
    "check_level",
    "check_part",
    "check_power",
    "check_share",
    "complex_mask",
    "extend",
    "harden",
    "ideal_amplitude_mask",
    "ideal_binary_masks",
    "ideal_ratio_masks",
    "ideal_wiener",
    "phase_sensitive_mask",
    "ratio_masks",
    "smooth",
    "threshold",
    "wiener",
    "with_phase",
]
