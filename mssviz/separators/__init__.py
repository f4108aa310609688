"""What separates a mixture: networks, classical methods, oracles, and what is made of them.

All of them are a `Model`, so the same masks, sliders, players and scores apply to all, and a
network can be judged beside the others: `oracles` show what a mask could reach at best, and
`classical` what needs no training.
"""

from mssviz.separators.catalogue import (
    Entry,
    entries,
    entry,
    find,
    models,
    options_of,
)
from mssviz.separators.catalogue import names_without_weights as names
from mssviz.separators.chain import Chain
from mssviz.separators.classical import CLASSICAL, Classical, Mixture
from mssviz.separators.ensemble import Blend, Ensemble
from mssviz.separators.model import TWO_STEMS, Model
from mssviz.separators.network import QUALITIES, Quality, Separator

__all__ = [
    "CLASSICAL", "QUALITIES", "TWO_STEMS", "Blend", "Chain", "Classical", "Ensemble", "Entry",
    "Mixture", "Model", "Quality", "Separator", "entries", "entry", "find", "models", "names",
    "options_of",
]  # fmt: skip
