"""What a spectrogram view can show: the kinds of layers, and the layers of one song by name."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mssviz.errors import ParameterError
from mssviz.widgets._tiles import TURN_MAP, Pool

KindName = Literal[
    "hues", "mixture", "mask", "complex", "estimate", "reference", "difference", "map"
]
Values = Literal["hues", "level", "share", "turn", "difference", "signed"]
InPage = Literal["stored", "derived", "asked", "absent"]

#: Colour maps of values that are no levels; people choose the colour map of levels.
FIXED_COLORMAPS: dict[Values, str] = {
    "share": "cividis",
    "turn": TURN_MAP,
    "difference": "PuOr",
    "signed": "PuOr",
}
_POOLS: dict[Values, Pool] = {"level": "max", "turn": "pick", "signed": "strongest"}


@dataclass(frozen=True)
class LayerKind:
    """What all layers of one kind have in common.

    Parameters
    ----------
    label
        Text for people, with ``{stem}`` and ``{other}`` in place of their names.
    values
        Meaning of the layer's 8-bit values: a level in decibels, a share in [0, 1], a level with a
        turn of the phase, see `plots.complex_codes`, a difference in [-1, 1] or a level with a
        sign, see `SignedMap`. ``"hues"`` has no values of its own; it is painted from the mixture
        and all masks.
    follows_masks
        Whether the layer changes when masks do.
    in_page
        Whether a saved page stores the layer, always or if it is asked for, derives it from those
        that it stores, or does without it.
    """

    label: str
    values: Values
    follows_masks: bool
    in_page: InPage


KINDS: dict[KindName, LayerKind] = {
    "hues": LayerKind("all masks as hues", "hues", True, "derived"),
    "mixture": LayerKind("mixture", "level", False, "stored"),
    "mask": LayerKind("{stem}: mask", "share", True, "stored"),
    "complex": LayerKind("{stem}: complex mask", "turn", True, "stored"),
    "estimate": LayerKind("{stem}: what the mask lets through", "level", True, "derived"),
    "reference": LayerKind("{stem}: true stem", "level", False, "stored"),
    "difference": LayerKind("{stem}: mask minus {other}", "difference", True, "absent"),
    "map": LayerKind("{stem}: {other}", "signed", True, "asked"),
}


@dataclass(frozen=True)
class Signs:
    """What the values of a map mean.

    Parameters
    ----------
    below, above
        Texts that say what values below and above 0 mean.
    title
        Text that says what the strength of a colour stands for.
    peak_db
        Level, in dB, that the strongest colour stands for.
    """

    below: str
    above: str
    title: str
    peak_db: float


@dataclass(frozen=True)
class Layer:
    """One picture that can be shown.

    Parameters
    ----------
    kind
        Name of the layer's kind, one of `KINDS`.
    stem
        Stem whose mask, complex mask, estimate, reference, difference or map it is; None for layers
        of the whole song.
    other
        Name of what the stem's mask is compared with, in a difference, or of what a map shows; None
        otherwise.
    signs
        Meaning of the values of a map; None otherwise.
    """

    kind: KindName
    stem: str | None = None
    other: str | None = None
    signs: Signs | None = None

    @property
    def properties(self) -> LayerKind:
        """What the layer has in common with all layers of its kind."""
        return KINDS[self.kind]

    @property
    def name(self) -> str:
        """Name by which `SpectrogramView.show` and messages refer to it, such as ``"mask/vocals"``.

        Names are looked up in `layers_by_name` and never taken apart, because names of stems and
        models may have "/" in them, too.
        """
        fields = (self.kind, self.stem, self.other)
        return "/".join(field for field in fields if field is not None)

    @property
    def label(self) -> str:
        """Text that people read in the menu."""
        return self.properties.label.format(stem=self.stem, other=self.other)

    @property
    def pool(self) -> Pool:
        """How neighbouring values become one; a click must stay visible in a whole song."""
        return _POOLS.get(self.properties.values, "mean")

    @property
    def record(self) -> dict[str, Any]:
        """Description of the layer for the browser, where the name is only a key, too."""
        return {
            "name": self.name,
            "kind": self.kind,
            "stem": self.stem,
            "other": self.other,
            "colormap": FIXED_COLORMAPS.get(self.properties.values),
            "pool": self.pool,
            "signs": None if self.signs is None else asdict(self.signs),
        }


def layers_by_name(
    masks: Collection[str],
    references: Collection[str],
    compare: Mapping[str, Collection[str]],
    maps: Mapping[str, Mapping[str, Signs]],
    complex_masks: Collection[str] = (),
) -> dict[str, Layer]:
    """List all layers of a song by name, in the order of the menu.

    Parameters
    ----------
    masks, references
        Names of stems that have a mask, and of stems whose true ones are known.
    compare
        Names of the stems that have masks to compare with, by the name of what these masks are.
    maps
        Meaning of the values of a stem's map, by stem for each name of what it shows.
    complex_masks
        Names of stems whose complex masks are known.

    Raises
    ------
    ParameterError
        If two layers would have the same name.
    """
    layers = [Layer("hues")] if masks else []
    layers.append(Layer("mixture"))
    layers += [Layer("mask", stem) for stem in masks]
    layers += [Layer("complex", stem) for stem in complex_masks]
    layers += [Layer("estimate", stem) for stem in masks]
    layers += [Layer("reference", stem) for stem in references]
    layers += [
        Layer("difference", stem, other)
        for other, stems in compare.items()
        for stem in stems
        if stem in masks
    ]
    layers += [
        Layer("map", stem, what, signs)
        for what, stems in maps.items()
        for stem, signs in stems.items()
    ]
    named = {layer.name: layer for layer in layers}
    if len(named) < len(layers):
        raise ParameterError(
            "names of stems, and of what they are compared with, must not make the same name of "
            f"two pictures (got {', '.join(layer.name for layer in layers)})"
        )
    return named
