"""What a spectrogram view can show: the kinds of layers, and the layers of one song by name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from mssviz.errors import ParameterError
from mssviz.widgets._tiles import Pool

KindName = Literal["hues", "mixture", "mask", "estimate", "reference", "difference"]
Values = Literal["hues", "level", "share", "difference"]
InPage = Literal["stored", "derived", "absent"]

#: Colour maps of values that are no levels; those of levels people choose.
FIXED_COLORMAPS: dict[Values, str] = {"share": "cividis", "difference": "PuOr"}


@dataclass(frozen=True)
class Kind:
    """What all layers of one kind have in common.

    Parameters
    ----------
    label
        Text for people, with ``{stem}`` and ``{other}`` where their names stand.
    values
        What the layer's 8-bit values are: a level in decibels, a share in [0, 1] or a difference
        in [-1, 1]. ``"hues"`` has none of its own: it is painted from the mixture and all masks.
    follows_masks
        Whether the layer changes when masks do.
    in_page
        Whether a saved page stores the layer, derives it from those that it stores, or does
        without it.
    """

    label: str
    values: Values
    follows_masks: bool
    in_page: InPage


KINDS: dict[KindName, Kind] = {
    "hues": Kind("all masks as hues", "hues", True, "derived"),
    "mixture": Kind("mixture", "level", False, "stored"),
    "mask": Kind("{stem}: mask", "share", True, "stored"),
    "estimate": Kind("{stem}: what the mask lets through", "level", True, "derived"),
    "reference": Kind("{stem}: true stem", "level", False, "stored"),
    "difference": Kind("{stem}: mask minus {other}", "difference", True, "absent"),
}


@dataclass(frozen=True)
class Layer:
    """One picture that can be shown.

    Parameters
    ----------
    kind
        One of `KINDS`.
    stem
        Whose mask, estimate, reference or difference it is; None where it is of the whole song.
    other
        What the stem's mask is compared with, in a difference; None otherwise.
    """

    kind: KindName
    stem: str | None = None
    other: str | None = None

    @property
    def properties(self) -> Kind:
        """What it has in common with all layers of its kind."""
        return KINDS[self.kind]

    @property
    def name(self) -> str:
        """What `SpectrogramView.show` and messages call it, such as ``"mask/vocals"``.

        Names are looked up in `layers_by_name` and never taken apart: those of stems and models
        may have "/" in them, too.
        """
        fields = (self.kind, self.stem, self.other)
        return "/".join(field for field in fields if field is not None)

    @property
    def label(self) -> str:
        """What people read in the menu."""
        return self.properties.label.format(stem=self.stem, other=self.other)

    @property
    def pool(self) -> Pool:
        """How neighbouring values are reduced to one: a click stays visible in a whole song."""
        return "max" if self.properties.values == "level" else "mean"

    @property
    def record(self) -> dict[str, str | None]:
        """What the browser is told of it; there, too, the name is a key and nothing else."""
        return {
            "name": self.name,
            "kind": self.kind,
            "stem": self.stem,
            "other": self.other,
            "colormap": FIXED_COLORMAPS.get(self.properties.values),
            "pool": self.pool,
        }


def layers_by_name(
    masks: Collection[str], references: Collection[str], compare: Mapping[str, Collection[str]]
) -> dict[str, Layer]:
    """All layers of a song by name, in the order of the menu.

    Parameters
    ----------
    masks, references
        Stems that have a mask, and those whose true stem is known.
    compare
        What masks are compared with, to the stems that it has masks of.

    Raises
    ------
    ParameterError
        If two layers would have the same name.
    """
    layers = [Layer("hues")] if masks else []
    layers.append(Layer("mixture"))
    layers += [Layer("mask", stem) for stem in masks]
    layers += [Layer("estimate", stem) for stem in masks]
    layers += [Layer("reference", stem) for stem in references]
    layers += [
        Layer("difference", stem, other)
        for other, stems in compare.items()
        for stem in stems
        if stem in masks
    ]
    named = {layer.name: layer for layer in layers}
    if len(named) < len(layers):
        raise ParameterError(
            "names of stems, and of what they are compared with, must not make the same name of "
            f"two pictures (got {', '.join(layer.name for layer in layers)})"
        )
    return named
