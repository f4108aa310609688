import json
from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import ParameterError
from mssviz.networks.d3net import build_d3net
from tests.shapes import outline

GOLDEN = Path(__file__).parent / "golden" / "d3net.npz"
SMALL = {  # of the golden values, see golden/make_d3net.py
    "modelled_bins": 24,
    "split_bin": 8,
    "low_layers": [3, 4, 2],
    "low_growth": [3, 4, 5],
    "high_layers": [1, 1, 1],
    "high_growth": [2, 3, 2],
    "full_layers": [2, 3, 2, 3, 1],
    "full_growth": [3, 2, 4, 3, 2],
    "filters": [4, 3, 5],
    "n_blocks": [2, 1, 3],
    "final_layers": 3,
    "final_growth": 4,
}
# Of every parameter that Sony's code makes with configs/{target}.yaml, statistics included.
PUBLISHED = {"vocals": 2_975_489, "drums": 2_881_270, "bass": 2_427_050, "other": 2_975_489}
DEAD = 2 * (2049 - 1600)  # of the input's mean and scale, for bins that nothing reads


@pytest.mark.parametrize("target", PUBLISHED)
def test_network_has_sonys_parameters(target):
    model = outline(build_d3net, [target])
    assert model.count_params() + DEAD == PUBLISHED[target]
    assert model.outputs[0].shape == model.inputs[0].shape == (None, 256, 2049, 2)
    assert all(layer.name.startswith(f"{target}_") for layer in model.layers if layer.weights)


def md3_names(theirs, ours, layers, n_blocks):
    """Sony's scope of every pair of normalisation and convolution to our name of the convolution.

    And of every transposed one, ending in ``up``.
    """
    depth = len(layers) // 2
    for number, n_layers in enumerate(layers, start=1):
        if number <= depth:
            block = f"{theirs}/ds_layers/dense_block{number - 1}"
        elif number == depth + 1:
            block = f"{theirs}/bottleneck_block"
        else:
            yield f"{theirs}/us_layers/upsample{number - depth - 2}/upsample", f"{ours}{number}_up"
            block = f"{theirs}/us_layers/dense_block{number - 1}"
        for d2 in range(1, n_blocks + 1):
            group = f"{block}/initial_block" if d2 == 1 else f"{block}/layers/layer{d2 - 1}"
            yield from d2_names(group, f"{ours}{number}_d{d2}", n_layers)


def d2_names(theirs, ours, n_layers):
    for number in range(1, n_layers + 1):
        layer = "initial_layer" if number == 1 else f"layers/layer{number - 1}"
        yield f"{theirs}/{layer}/bottleneck", f"{ours}_conv{number}"


def name_table(target, sizes):
    """Sony's name of every parameter to layer and weight of ours."""
    parts = (("dense_band/0", "low"), ("dense_band/1", "high"), ("dense_full", "full"))
    pairs = [*d2_names("final_dense", "final", sizes["final_layers"])]
    for (theirs, ours), n_blocks in zip(parts, sizes["n_blocks"], strict=True):
        pairs += md3_names(theirs, ours, sizes[f"{ours}_layers"], n_blocks)
    norms, convolutions = {"out_gate/bn/bn": "output_norm"}, {}
    for theirs, ours in pairs:
        up = ours.endswith("_up")
        norms[f"{theirs}/{'norm' if up else 'norm1'}/bn"] = f"{ours}_norm"
        convolutions[f"{theirs}/{'transconv/deconv' if up else 'conv1/conv'}"] = ours
    convolutions |= {
        "features_init/0/conv": "low_conv",
        "features_init/1/conv": "high_conv",
        "features_init_full/conv": "full_conv",
        "out_gate/conv_gate/conv/conv": "gate",
        "out_gate/conv_filt/conv/conv": "filter",
    }
    for number, ours in enumerate(("low", "high")):
        if sizes[f"{ours}_growth"][-1] < max(sizes["low_growth"][-1], sizes["high_growth"][-1]):
            norms[f"match_fm_conv/{number}/norm/bn"] = f"{ours}_widen_norm"
            convolutions[f"match_fm_conv/{number}/conv/conv"] = f"{ours}_widen"
    table = {
        "in_offset": ("input", "mean"),
        "in_scale": ("input", "scale"),
        "decode_scale": ("output", "scale"),
        "decode_bias": ("output", "bias"),
    }
    statistics = {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "var": "moving_variance"}
    for theirs, ours in norms.items():
        table |= {f"{theirs}/{a}": (ours, b) for a, b in statistics.items()}
    for theirs, ours in convolutions.items():
        table |= {f"{theirs}/W": (ours, "kernel"), f"{theirs}/b": (ours, "bias")}
    return {theirs: (f"{target}_{layer}", weight) for theirs, (layer, weight) in table.items()}


def fill(model, arrays, table, modelled_bins):
    """Put Sony's parameters in their places; every one, everywhere, and of the right shape."""
    ours = {(layer.name, w.name): w for layer in model.layers for w in layer.weights}
    assert sorted(table) == sorted(arrays)
    assert sorted(table.values()) == sorted(ours)
    for theirs, place in table.items():
        array = arrays[theirs]
        if place[1] == "kernel":  # (out, in, frames, bins); transposed (in, out, ...)
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 4 and place[0].endswith(("_input", "_output")):
            array = array[0, 0, 0, :modelled_bins, None]
        elif array.ndim == 4:
            array = array[0, :, 0, 0]
        assert ours[place].shape == array.shape
        ours[place].assign(array)


def test_network_equals_sonys():
    """Difference measured: 2.5e-6 of the highest magnitude."""
    golden = np.load(GOLDEN)
    shapes = {name: tuple(shape) for name, shape in json.loads(str(golden["shapes"])).items()}
    parts = np.split(golden["weights"], np.cumsum([np.prod(s) for s in shapes.values()])[:-1])
    arrays = {n: part.reshape(s) for (n, s), part in zip(shapes.items(), parts, strict=True)}

    model = build_d3net(["vocals"], patch_frames=16, n_bins=32, **SMALL)
    fill(model, arrays, name_table("vocals", SMALL), SMALL["modelled_bins"])
    mixture, expected = (golden[name].transpose(0, 1, 3, 2) for name in ("mixture", "estimate"))
    found = np.asarray(model(mixture)).reshape(expected.shape)
    modelled = expected[:, :, : SMALL["modelled_bins"]]
    assert 0.2 < np.mean(modelled > 0) < 0.8
    assert np.abs(found - expected).max() < 1e-5 * modelled.max()
    assert np.array_equal(found[:, :, 24:], mixture[:, :, 24:])


def test_sizes_by_target_fall_back_on_those_of_other():
    sizes = {**SMALL, "split_bin": {"bass": 4, "other": 12}}
    model = outline(build_d3net, ["bass", "piano"], patch_frames=16, n_bins=32, **sizes)
    assert model.get_layer("bass_low_conv").output.shape == (None, 16, 4, 4)
    assert model.get_layer("piano_low_conv").output.shape == (None, 16, 12, 4)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"modelled_bins": 33}, "1 to 32, .* 33"),
        ({"split_bin": 24}, "1 to 23 .* 24"),
        ({"split_bin": {"bass": 8}}, "'a' or 'other'"),
        ({"split_bin": 7}, "multiples of 2 frames and bins .* 7 bins for a_low"),
        ({"low_layers": [1, 1]}, "as many, and odd"),
        ({"full_growth": [2, 2, 2]}, "as many, and odd"),
        ({"filters": [4, 4]}, "filters takes 3"),
        ({"n_blocks": [1]}, "n_blocks takes 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_d3net(["a"], patch_frames=16, n_bins=32, **{**SMALL, **options})
