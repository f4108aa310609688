"""Units and directions of measures, which tables and pictures need of what they show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """What a measure's values mean.

    Parameters
    ----------
    unit
        Unit, such as ``"dB"``, or the range of a mark, such as ``"0–100"``; empty for a plain
        number.
    less_is_better
        Whether a smaller value is the better one.
    """

    unit: str = "dB"
    less_is_better: bool = False


_DECIBELS = Scale()
_OTHERS = {
    "MSE": Scale(less_is_better=True),
    "LSD": Scale(less_is_better=True),
    "log-WMSE": Scale(""),
    "bleedless": Scale("0–100"),
    "fullness": Scale("0–100"),
    "L1Freq": Scale("0–100"),
}


def scale_of(measure: str) -> Scale:
    """Scale of a measure by its name; of others than the listed, decibels, more being better."""
    return _OTHERS.get(measure, _DECIBELS)


def with_unit(measure: str) -> str:
    """Name of a measure for an axis or a column, with its unit: ``"SDR (dB)"``."""
    unit = scale_of(measure).unit
    return f"{measure} ({unit})" if unit else measure
