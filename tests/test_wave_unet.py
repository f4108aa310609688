"""Wave-U-Net beside its own code; sources and tolerances in golden/README.md."""

from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import ParameterError
from mssviz.networks.wave_unet import build_wave_unet, sizes

VOICE = ("accompaniment", "vocals")
FOUR = ("bass", "drums", "other", "vocals")
MONO = {"n_samples": 16_384, "n_channels": 1, "context": False}


@pytest.fixture(scope="module")
def golden():
    path = Path(__file__).parent / "golden" / "wave_unet.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


# trainable variables of UnetAudioSeparator of f90/Wave-U-Net at 75eeae6, in TensorFlow 2.15.1
@pytest.mark.parametrize(
    ("targets", "options", "published"),
    [
        (VOICE, {**MONO, "output": "direct"}, 10_263_028),  # M1
        (VOICE, MONO, 10_263_002),  # M2
        (VOICE, {}, 10_263_390),  # M4
        (VOICE, {"upsampling": "learned"}, 10_265_550),  # M5
        (FOUR, {}, 10_263_498),  # M6
    ],
)
def test_parameters_of_the_papers_networks(targets, options, published):
    model = build_wave_unet(targets, **options)
    assert model.count_params() == published
    n_out = 16_389 if options.get("context", True) else 16_384
    shape = (None, n_out, options.get("n_channels", 2))
    assert [output.shape for output in model.outputs] == [shape] * len(targets)


TARGETS = ("bass", "drums", "vocals")
CASES = {
    "m6": {},
    "learned": {"upsampling": "learned"},
    "same": {"context": False, "output": "direct", "output_activation": "linear"},
    "same_learned": {"context": False, "upsampling": "learned"},
}


def with_weights(golden, case):
    """The small network of a case and its weights, every one of them at its place."""
    model = build_wave_unet(
        TARGETS, golden[f"{case}/mixture"].shape[1], levels=3, filters=3, **CASES[case]
    )
    n_own = 3 if CASES[case].get("output") == "direct" else 2
    layers = [
        *("down1", "down2", "down3", "bottom", "up1", "up2", "up3"),
        *(f"{target}_output" for target in TARGETS[:n_own]),
    ]
    table = {
        f"conv1d_{number}/{kind}" if number else f"conv1d/{kind}": f"{layer}/{kind}"
        for number, layer in enumerate(layers)
        for kind in ("kernel", "bias")
    }
    if CASES[case].get("upsampling") == "learned":
        table.update({f"interp_{i}": f"up{i + 1}_interpolation/weight" for i in range(3)})
    prefix = f"{case}/weights/separator/"
    theirs = {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    ours = {f"{layer.name}/{w.name}": w for layer in model.layers for w in layer.weights}
    assert set(theirs) == set(table)
    assert set(ours) == set(table.values())
    for name, value in theirs.items():
        assert ours[table[name]].shape == value.shape
        ours[table[name]].assign(value)
    return model


@pytest.mark.parametrize("case", CASES)
def test_estimates_are_those_of_the_reference(golden, case):
    model, mixture = with_weights(golden, case), golden[f"{case}/mixture"]
    for mode in ("training", "test"):
        found = np.stack(model(mixture, training=mode == "training"), axis=1)
        expected = golden[f"{case}/{mode}"]
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(golden[f"{case}/training"]).max() > 1  # so that clipping is in the test


def test_estimates_add_up_to_the_middle_of_the_mixture(golden):
    model, mixture = with_weights(golden, "m6"), golden["m6/mixture"]
    total = np.sum(model(mixture, training=True), axis=0)
    margin = (mixture.shape[1] - total.shape[1]) // 2
    assert np.abs(total - mixture[:, margin:-margin]).max() < 1e-6


def test_patches_that_overlap_agree(golden):
    """Context makes estimates independent of where a patch is cut, by steps of the bottom."""
    model, n_samples = with_weights(golden, "m6"), golden["m6/mixture"].shape[1]
    sound = np.random.default_rng(0).uniform(-1, 1, (1, n_samples + 8, 2)).astype(np.float32)
    first, second = (np.stack(model(sound[:, i : i + n_samples])) for i in (0, 8))
    assert np.abs(first[:, :, 8:] - second[:, :, :-8]).max() < 1e-5


def test_sizes():
    assert sizes(9) == (147_443, 16_389)  # get_padding for 16384 samples in the reference
    assert sizes(10) == (147_443 + 4096, 16_389 + 4096)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_samples": 147_000}, "147000 samples.* 147443,"),
        ({"n_samples": 150_000}, "151539, others are multiples of 4096 away"),
        ({"n_samples": 10}, "131059,"),
        ({"n_samples": 10_000, "context": False}, " 8192,"),
        ({"n_samples": 10, "context": False}, " 4096,"),
        ({"levels": 0}, "levels of at least 1"),
        ({"upsampling": "cubic"}, "linear, learned .got 'cubic'"),
        ({"output": "mask"}, "difference, direct"),
        ({"output_activation": "relu"}, "tanh, linear"),
        ({"targets": ["vocals"]}, "two targets"),
    ],
)
def test_options_that_make_no_network_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_wave_unet(**{"targets": VOICE, **options})
