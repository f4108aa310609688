"""A separation: what a model predicts, how masks are made of it, and what follows.

In the order of a song's way: `prediction`, `segments`, `masking`, `song`, `run`.
"""

from mssviz.separation.masking import Masker, make_masker, synthesise
from mssviz.separation.options import (
    MAX_SMOOTHING,
    MaskChanges,
    MaskOptions,
    Option,
    changed,
    described_options,
    given_options,
)
from mssviz.separation.prediction import (
    COMPLEX_MASK,
    MAGNITUDE,
    MASK,
    SPECTRUM,
    Kind,
    Prediction,
)
from mssviz.separation.run import Run
from mssviz.separation.segments import Segment, with_margins
from mssviz.separation.song import Separation, Store

__all__ = [
    "COMPLEX_MASK",
    "MAGNITUDE",
    "MASK",
    "MAX_SMOOTHING",
    "SPECTRUM",
    "Kind",
    "MaskChanges",
    "MaskOptions",
    "Masker",
    "Option",
    "Prediction",
    "Run",
    "Segment",
    "Separation",
    "Store",
    "changed",
    "described_options",
    "given_options",
    "make_masker",
    "synthesise",
    "with_margins",
]
