"""Mask options: what each is called, which values it takes and what it does, said once.

Sliders, flags of the command line and checks of keywords are all made from this description.
"""

import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from mssviz._checks import check_number
from mssviz._spleeter import check_keywords
from mssviz.errors import ParameterError

if TYPE_CHECKING:
    from mssviz._typing import Extension
    from mssviz.stft import StftParams

#: Longest smoothing of masks, in seconds.
MAX_SMOOTHING = 1.0
#: Earlier names of options.
_ALIASES = {"mwf_iterations": "mwf"}


@dataclass(frozen=True)
class Option:
    """Description of a mask option, and what a slider for it offers.

    Parameters
    ----------
    label
        Text on a control, with the unit.
    help
        Explanation in one sentence.
    low, high, step
        Range and step of a slider, in the label's unit; `MaskOptions` accepts more.
    factor
        Size of the label's unit, in the option's own unit.
    choices
        Texts by value, for a menu in place of a slider.
    off
        Value at which the option does nothing; None if there is no such value.
    beside
        Name of another option at whose `off` this one does nothing, either; empty if there is none.
    """

    label: str
    help: str
    low: float = 0.0
    high: float = 1.0
    step: float = 0.05
    factor: float = 1.0
    choices: Mapping[str, str] = field(default_factory=dict)
    off: float | None = None
    beside: str = ""


def _said(label: str, help: str, **more: Any) -> dict[str, Option]:  # noqa: A002, as of a flag
    return {"option": Option(label, help, **more)}


@dataclass(frozen=True)
class MaskOptions:
    """How masks and stems are made of a prediction.

    Parameters
    ----------
    power
        Exponent of the ratio masks; 2 is Spleeter's.
    extension
        Filling of the band above the modelled one: ``"zeros"`` or ``"average"``; see
        `masks.extend`.
    mwf
        Number of iterations of the multichannel Wiener filter. With 0, masks are used instead; with
        1 or more, the filter ignores all other options and leaves the band above silent, as in
        Spleeter.
    smoothing
        Time on either side over which masks are averaged, in seconds; see `masks.smooth`.
    hardness, threshold
        Steepness of the masks, from soft (0) to binary (1), and the value around which they become
        steep; see `masks.harden`.
    bandwidth
        Frequency in hertz above which `extension` takes the place of the model's masks; if the
        model does not reach so far, the upper end of its band.

    Raises
    ------
    ParameterError
        If a value is of another type or out of range.

    Notes
    -----
    They are applied in this order: ratio masks, smoothing, hardness, bandwidth, extension.
    """

    power: float = field(
        default=2.0,
        metadata=_said(
            "Exponent", "Exponent of the ratio masks: larger is nearer to binary.",
            low=0.5, high=8.0, step=0.5,
        ),
    )  # fmt: skip
    hardness: float = field(
        default=0.0,
        metadata=_said("Soft to binary", "From soft masks (0) to binary ones (1).", off=0.0),
    )
    threshold: float = field(
        default=0.5,
        metadata=_said(
            "Threshold",
            "Share of the mixture at which a hard mask opens; with Soft to binary at 0, no mask is "
            "hard.",
            low=0.05, high=0.95, beside="hardness",
        ),
    )  # fmt: skip
    smoothing: float = field(
        default=0.0,
        metadata=_said(
            "Smoothing (s)", "Seconds on either side over which masks are averaged.",
            high=MAX_SMOOTHING / 2, step=0.02, off=0.0,
        ),
    )  # fmt: skip
    bandwidth: float = field(
        default=math.inf,
        metadata=_said(
            "Up to (kHz)", "Frequency above which the model's masks are not used.",
            low=0.5, high=11.0, step=0.5, factor=1000.0, off=math.inf,
        ),
    )  # fmt: skip
    extension: "Extension" = field(
        default="zeros",
        metadata=_said(
            "Above that", "What stands above the band that the model covers.",
            choices={"zeros": "silence", "average": "the frame's mean mask"},
        ),
    )  # fmt: skip
    mwf: int = field(
        default=0,
        metadata=_said(
            "MWF rounds",
            "Rounds of the multichannel Wiener filter, which replaces the masks.",
            high=5, step=1, off=0,
        ),
    )  # fmt: skip

    def __post_init__(self) -> None:
        from mssviz import masks  # so that the command line reports a missing file without numpy

        for name, described in described_options().items():
            if name != "mwf" and not described.choices:
                check_number(getattr(self, name), name)
        if not isinstance(self.mwf, numbers.Integral):  # True stands for 1, as in Spleeter
            raise ParameterError(f"mwf must be a whole number (got {self.mwf!r})")
        masks.check_power(self.power)
        masks.check_extension(self.extension)
        if not 0 <= self.mwf <= 100:
            raise ParameterError(f"mwf must lie between 0 and 100 iterations (got {self.mwf})")
        if not 0 <= self.smoothing <= MAX_SMOOTHING:
            raise ParameterError(
                f"smoothing must lie in [0, {MAX_SMOOTHING}] seconds (got {self.smoothing})"
            )
        masks.check_share("hardness", self.hardness)
        masks.check_level(self.threshold)
        if not self.bandwidth > 0:
            raise ParameterError(f"bandwidth must be above 0 Hz (got {self.bandwidth})")

    @property
    def mwf_iterations(self) -> int:
        """Earlier name of `mwf`."""
        return self.mwf

    def margin(self, params: "StftParams") -> int:
        """Number of frames on either side that a frame's mask depends on."""
        if self.mwf:
            return 0
        return round(self.smoothing * params.sample_rate / params.hop_length)


class MaskChanges(TypedDict, total=False):
    """Some of `MaskOptions`, as keyword arguments; None stands for "as it is"."""

    power: float | None
    hardness: float | None
    threshold: float | None
    smoothing: float | None
    bandwidth: float | None
    extension: "Extension | None"
    mwf: int | None
    mwf_iterations: int | None  # earlier name of `mwf`


def described_options() -> dict[str, Option]:
    """Descriptions of all mask options by name, in the order in which controls show them."""
    return {f.name: f.metadata["option"] for f in fields(MaskOptions)}


def in_words(options: MaskOptions, names: Collection[str]) -> str:
    """Say what masks were made with, by the labels on controls, such as ``"Exponent: 2"``.

    Parameters
    ----------
    options
        Options of the masks.
    names
        Names of the options that have an effect, see `Kind.usable`. Options whose value does
        nothing, or nothing beside another's, are left out, too.
    """
    said = []
    described = described_options()
    for name in switched_on((name for name in described if name in names), options):
        option, value = described[name], getattr(options, name)
        if not idle_beside(name, options):
            told = option.choices[value] if option.choices else f"{value / option.factor:g}"
            said.append(f"{option.label}: {told}")
    return "; ".join(said)


def given_options(changes: Mapping[str, Any]) -> MaskChanges:
    """Pick those of some keyword arguments that are given, by their present names.

    Raises
    ------
    ParameterError
        If there is no such option, or one option is given under two names.
    """
    check_keywords(changes, [*described_options(), *_ALIASES])
    given = {name: value for name, value in changes.items() if value is not None}
    for alias, name in _ALIASES.items():
        if alias in given:
            if name in given:
                raise ParameterError(f"{alias} is an earlier name of {name}: give one of them")
            given[name] = given.pop(alias)
    return cast(MaskChanges, given)


def changed(options: MaskOptions, changes: Mapping[str, Any]) -> MaskOptions:
    """Replace some of the options.

    Raises
    ------
    ParameterError
        If there is no such option, or its value is out of range.
    """
    given: dict[str, Any] = {**given_options(changes)}
    return replace(options, **given)


def idle_beside(name: str, options: MaskOptions) -> bool:
    """Whether an option does nothing whatever its value, as another one is off."""
    other = described_options()[name].beside
    return bool(other) and not switched_on([other], options)


def switched_on(names: Iterable[str], options: MaskOptions) -> list[str]:
    """Pick the names of options whose value is not the one at which they do nothing."""
    described = described_options()
    return [name for name in names if getattr(options, name) != described[name].off]
