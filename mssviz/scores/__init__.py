"""How good estimates are: BSS Eval, measures of whole signals, and loudness.

`bss_eval` computes BSS Eval, and `windows` tabulates it for a song, window by window. `signals` has
measures of a whole signal, `boards` those that leaderboards rank by; `table` lists them all for
whatever shows them. `loudness` says how loud people hear a sound. `error_maps` says where in time
and frequency an error lies, and `regions` which of it costs most; `components` makes sounds of what
BSS Eval's scores are made of.
"""

from mssviz.scores.boards import (
    BleedMap,
    bleed_map,
    bleedless,
    fullness,
    l1_freq,
    log_wmse,
    si_sar,
    si_sir,
    usdr,
)
from mssviz.scores.components import Components, Decomposition, decompose, residual
from mssviz.scores.error_maps import Advantage, ErrorMap, error_map, where_better
from mssviz.scores.loudness import loudness_lufs
from mssviz.scores.regions import Region, costliest, repaired
from mssviz.scores.signals import (
    best_permutation,
    describe,
    log_spectral_distance,
    mse_db,
    sd_sdr,
    si_sdr,
)
from mssviz.scores.table import MEASURES, OF_TRACKS, OF_WINDOWS, Judged, Measure, whole
from mssviz.scores.windows import evaluate, suggested_dither_db, summarise

__all__ = [
    "MEASURES", "OF_TRACKS", "OF_WINDOWS", "Advantage", "BleedMap", "Components",
    "Decomposition", "ErrorMap", "Judged", "Measure", "Region", "best_permutation", "bleed_map",
    "bleedless", "costliest", "decompose", "describe", "error_map", "evaluate", "fullness",
    "l1_freq", "log_spectral_distance", "log_wmse", "loudness_lufs", "mse_db", "repaired",
    "residual", "sd_sdr", "si_sar", "si_sdr", "si_sir", "suggested_dither_db", "summarise",
    "usdr", "where_better", "whole",
]  # fmt: skip
