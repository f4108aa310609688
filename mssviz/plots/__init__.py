"""Pictures: spectrograms, masks, masks over spectrograms, differences, scores.

Every function draws into a matplotlib `Axes` and returns the artist; axes are in seconds and hertz.
Colours can be told apart with any colour vision (magma, cividis, and blue to orange). They follow
the figure's own background, so that ``matplotlib.style.context("dark_background")`` or `dark` give
dark pictures.
"""

from mssviz.plots.axes import (
    DIFFERENCE_MAP,
    LEVEL_MAP,
    LEVEL_RANGE_DB,
    MASK_MAP,
    MAX_COLUMNS,
    MAX_LABEL,
    MAX_ROWS,
    MIXTURE_COLOR,
    PALETTE,
    STEM_COLORS,
    FrequencyScale,
    check_colors,
    check_layout,
    dark,
    label,
    neutral,
    one_line,
    stem_colors,
)
from mssviz.plots.charts import model_boxes, model_pairs, scores
from mssviz.plots.complex_masks import (
    ABOVE_ONE,
    HIGHEST_DB,
    LOWEST_DB,
    STEP_DB,
    TURNS,
    complex_codes,
    complex_colors,
    complex_mask,
)
from mssviz.plots.pictures import (
    boxes,
    error_map,
    evidence,
    mask,
    mask_difference,
    mask_over_spectrogram,
    separation_figure,
    song_figure,
    spectrogram,
    stems,
)

__all__ = [
    "ABOVE_ONE",
    "DIFFERENCE_MAP",
    "HIGHEST_DB",
    "LEVEL_MAP",
    "LEVEL_RANGE_DB",
    "LOWEST_DB",
    "MASK_MAP",
    "MAX_COLUMNS",
    "MAX_LABEL",
    "MAX_ROWS",
    "MIXTURE_COLOR",
    "PALETTE",
    "STEM_COLORS",
    "STEP_DB",
    "TURNS",
    "FrequencyScale",
    "boxes",
    "check_colors",
    "check_layout",
    "complex_codes",
    "complex_colors",
    "complex_mask",
    "dark",
    "error_map",
    "evidence",
    "label",
    "mask",
    "mask_difference",
    "mask_over_spectrogram",
    "model_boxes",
    "model_pairs",
    "neutral",
    "one_line",
    "scores",
    "separation_figure",
    "song_figure",
    "spectrogram",
    "stem_colors",
    "stems",
]
