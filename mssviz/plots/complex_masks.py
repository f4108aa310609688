"""Complex masks as pictures: the turn of the phase as a hue, the level as its brightness.

A mask is rounded to one of 256 colours, 16 levels of 16 hues, which the browser paints from the
same table. Hues go round the circle of OKLCh at one lightness and one strength, so that equal turns
look equally far apart (Ottosson, "A perceptual color space for image processing", 2020): no turn is
blue, half a turn orange, which can be told apart with any colour vision. Above 1 colours are pale,
much lighter than any other, and hatched.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mssviz._typing import AnyArray, Stft
from mssviz.plots.axes import FrequencyScale, Grid, axes_of, check_same_shape
from mssviz.stft import StftParams

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

#: Number of hues, one of which is no turn.
TURNS = 16
#: Step between neighbouring brightnesses, in dB.
STEP_DB = 3.0
#: Levels at which the darkest brightness begins and the lightest one ends, in dB.
LOWEST_DB, HIGHEST_DB = -33.0, 12.0
#: Number of brightnesses; the first is black.
_LEVELS = 1 + round((HIGHEST_DB - LOWEST_DB) / STEP_DB)
#: First of the colours, 16 for each brightness, that stand for levels above 1.
ABOVE_ONE = TURNS * (1 + round(-LOWEST_DB / STEP_DB))
#: Level above 1 that is rounding, in dB.
_ROUNDING_DB = 0.01
#: Lightness, strength and hue in OKLCh: of a mask of 1, of all above, and where nothing turns.
_LIGHT, _STRENGTH = 0.74, 0.115
_PALE_LIGHT, _PALE_STRENGTH = 0.93, 0.04
_NO_TURN_HUE = np.deg2rad(250)
_DARKEST = 0.2
#: Every so many rows of cells, what lies above 1 is black.
_HATCH = 4
#: Number of the colour where there is no sound, and that colour.
SILENT = 1
_NO_SOUND = (0.27, 0.27, 0.27)


def complex_codes(mask: AnyArray) -> AnyArray:
    """Round complex masks to the numbers of their colours in `complex_colors`.

    A number is 16 times that of the level, in steps of 3 dB from -33 dB, plus that of the turn, in
    steps of 22.5° from -180°. It is 0 where the mask is softer, whatever its turn, and 1 where it
    is NaN, as there is no sound.

    Parameters
    ----------
    mask
        Complex masks of any shape.
    """
    size = np.abs(mask)
    sound, size = ~np.isnan(size), np.nan_to_num(size, nan=0.0)
    level_db = 20 * np.log10(np.maximum(size, 1e-30)) - _ROUNDING_DB
    level = np.clip(np.ceil((level_db - LOWEST_DB) / STEP_DB), 0, _LEVELS - 1).astype(int)
    angle = np.angle(np.where(sound, mask, 0))
    turn = (np.rint(angle / (2 * np.pi) * TURNS).astype(int) + TURNS // 2) % TURNS
    return np.where(level > 0, TURNS * level + turn, ~sound).astype(np.uint8)


def complex_colors() -> AnyArray:
    """Colours of `complex_codes`, ``(256, 3)``, red, green and blue in [0, 1]."""
    level, turn = np.divmod(np.arange(_LEVELS * TURNS), TURNS)
    share = level * TURNS / (ABOVE_ONE - TURNS)
    pale = level * TURNS >= ABOVE_ONE
    light = np.where(pale, _PALE_LIGHT, _DARKEST + (_LIGHT - _DARKEST) * share)
    strength = np.where(pale, _PALE_STRENGTH, _STRENGTH * share)
    hue = _NO_TURN_HUE + 2 * np.pi * (turn / TURNS - 0.5)
    colors = _srgb(light, strength * np.cos(hue), strength * np.sin(hue))
    colors[level == 0], colors[SILENT] = 0, _NO_SOUND
    return colors


def complex_mask(
    mask: Stft,
    mixture: Stft,
    params: StftParams,
    *,
    ax: "Axes | None" = None,
    scale: FrequencyScale = "log",
    start: float = 0.0,
) -> "QuadMesh":
    """Draw a complex mask: its level as brightness, the turn of the phase as hue.

    What lies above 1, 0 dB, is pale and hatched; what has no sound is grey. Colours are those of
    `complex_colors`; a legend of them stands beside the picture.

    Parameters
    ----------
    mask
        Complex mask ``(n_frames, n_bins, n_channels)``, see `masks.complex_mask`; NaN where there
        is no sound.
    mixture
        STFT of the mixture, of the same shape. Each cell of the picture shows the one mask that is
        best for all its bins and channels, ``Σ M |X|² / Σ |X|²``.
    params, ax, scale, start
        Grid, axes, frequency scale and first time in seconds, as in `spectrogram`.
    """
    check_same_shape(mask, mixture)
    grid = Grid(np.shape(mask), params, scale, start)
    best = best_complex_mask(mask, mixture, grid.pool)
    return draw_codes(complex_codes(best), grid, ax)


def best_complex_mask(mask: Stft, mixture: Stft, total: Callable[[AnyArray], AnyArray]) -> AnyArray:
    """The one complex mask that is best for several bins, ``Σ M |X|² / Σ |X|²``.

    Parameters
    ----------
    mask, mixture
        Complex masks, NaN where there is no sound, and STFT of the mixture, of the same shape.
    total
        Function that adds up, or takes the mean of, the bins that become one.

    Returns
    -------
    ndarray
        Masks, of the shape that `total` makes; NaN where none of the bins has sound.
    """
    power = np.where(np.isnan(mask), 0, np.square(np.abs(mixture)))
    with np.errstate(invalid="ignore"):  # of no sound, which gives NaN
        return total(np.nan_to_num(mask) * power) / total(power)


def draw_codes(codes: AnyArray, grid: Grid, ax: "Axes | None") -> "QuadMesh":
    """Draw numbers of colours, ``(n_columns, n_rows)``, from `complex_codes`, with a legend."""
    ax = axes_of(ax)
    mesh = grid.draw(_hatched(codes), ax, None, 0, 1)
    _draw_legend(ax)
    return mesh


def _hatched(codes: AnyArray) -> AnyArray:
    """Colours ``(n_columns, n_rows, 3)`` of numbers, with dark lines where these lie above 1."""
    column, row = np.indices(codes.shape)
    colors = complex_colors()[codes]
    colors[(codes >= ABOVE_ONE) & ((column + row) % _HATCH == 0)] = 0
    return colors


def _draw_legend(ax: "Axes") -> None:
    """Draw all colours beside a picture: turns to the right, levels upwards."""
    fine = 4  # cells for each colour, so that hatching is seen
    level, turn = np.indices((_LEVELS * fine, TURNS * fine)) // fine
    codes = np.where(level > 0, level * TURNS + turn, 0)
    legend = ax.inset_axes((1.02, 0.1, 0.1, 0.8))
    legend.imshow(
        _hatched(codes), origin="lower", aspect="auto", interpolation="nearest",
        extent=(-180 - 180 / TURNS, 180 - 180 / TURNS, LOWEST_DB - STEP_DB, HIGHEST_DB),
    )  # fmt: skip
    legend.yaxis.tick_right()
    legend.yaxis.set_label_position("right")
    legend.set_xticks([0])
    legend.set_yticks([-30, -20, -10, 0, 10], labels=["−30", "−20", "−10", "0", "10"])
    legend.set_xlabel("turn,\n±180°")
    legend.set_ylabel("level |M| (dB)")


def _srgb(light: AnyArray, a: AnyArray, b: AnyArray) -> AnyArray:
    """Colours of OKLab as red, green and blue in [0, 1]."""
    cones = np.stack([
        light + 0.3963377774 * a + 0.2158037573 * b,
        light - 0.1055613458 * a - 0.0638541728 * b,
        light - 0.0894841775 * a - 1.2914855480 * b,
    ])  # fmt: skip
    linear = np.array([
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]) @ cones**3  # fmt: skip
    linear = np.clip(linear, 0, 1)
    bent = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bent).T
