"""Layers of a spectrogram view: what each is, and that its name stands for it and nothing else."""

import pytest

from mssviz.errors import ParameterError
from mssviz.widgets._layers import KINDS, Layer, layers_by_name

STEMS = ("vocals", "drums")


def test_names_are_the_fields_in_the_order_of_the_menu():
    layers = layers_by_name(
        STEMS,
        ["vocals"],
        {"ideal": STEMS},
        {"error": {"vocals": ("missing", "too much")}},
        ["vocals"],
    )
    assert list(layers) == [
        "hues", "mixture", "mask/vocals", "mask/drums", "complex/vocals", "estimate/vocals",
        "estimate/drums", "reference/vocals", "difference/vocals/ideal", "difference/drums/ideal",
        "map/vocals/error",
    ]  # fmt: skip
    assert layers["difference/drums/ideal"] == Layer("difference", "drums", "ideal")
    assert {layer.kind for layer in layers.values()} == set(KINDS)


def test_without_masks_there_is_the_mixture_and_what_is_true():
    assert list(layers_by_name([], ["vocals"], {}, {})) == ["mixture", "reference/vocals"]


def test_stems_without_a_mask_are_not_compared():
    layers = layers_by_name(["vocals"], [], {"other model": STEMS}, {})
    assert [layer.stem for layer in layers.values() if layer.kind == "difference"] == ["vocals"]


@pytest.mark.parametrize("stem", ["lead/vocals", "/", "a/b/c", "mask/vocals", "{stem}", ""])
@pytest.mark.parametrize("other", ["/home/me/models/mine", "a/b", "/", "{other}", ""])
def test_names_of_stems_and_models_may_be_anything(stem, other):
    layers = layers_by_name([stem], [stem], {other: [stem]}, {})
    assert [(layer.stem, layer.other) for layer in layers.values()] == [
        (None, None), (None, None), (stem, None), (stem, None), (stem, None), (stem, other),
    ]  # fmt: skip
    assert [layer.label for layer in layers.values()][-1] == f"{stem}: mask minus {other}"
    assert [layer.record["name"] for layer in layers.values()] == list(layers)


def test_names_that_two_pictures_would_share_are_refused():
    with pytest.raises(ParameterError, match="the same name of two pictures"):
        layers_by_name(["a", "a/b"], [], {"b/c": ["a"], "c": ["a/b"]}, {})


def test_levels_are_pooled_so_that_clicks_stay_and_shares_so_that_they_are_true():
    pools = {kind: Layer(kind).pool for kind in KINDS if kind != "hues"}
    assert pools == {
        "mixture": "max", "mask": "mean", "complex": "pick", "estimate": "max", "reference": "max",
        "difference": "mean", "map": "strongest",
    }  # fmt: skip
