import json
from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import tf
from mssviz.networks.bs_roformer import build_bs_roformer, multi_resolution_loss
from tests.shapes import outline

GOLDEN = Path(__file__).parent / "golden" / "bs_roformer.npz"
TARGETS = ("a", "b")
SMALL = {  # of the golden values, see golden/make_bs_roformer.py
    "n_samples": 2400,
    "n_fft": 64,
    "hop_length": 24,
    "bands": [2, 2, 5, 5, 5, 14],
    "dim": 6,
    "depth": 2,
    "heads": 3,
    "head_dim": 4,
    "mask_depth": 3,
}
#: The reference counts the 32 frequencies of each of its two rotations, which are never trained.
ROTATIONS = 2 * 32


@pytest.mark.parametrize(
    ("options", "n_targets", "reference"),
    [  # of all parameters of BSRoformer 0.3.10 with these sizes
        ({}, 4, 230_223_204),
        ({}, 1, 82_420_044),
        ({"dim": 192, "depth": 6}, 1, 24_591_340),
        ({"dim": 512, "depth": 12}, 1, 159_758_092),
    ],
)
def test_network_has_the_references_parameters(options, n_targets, reference):
    model = outline(build_bs_roformer, [f"target{n}" for n in range(n_targets)], **options)
    assert model.count_params() + ROTATIONS == reference
    assert [o.shape for o in model.outputs] == [(None, 131_584, 2)] * n_targets


def name_table():
    """Layer and weight of ours to the reference's: one name, or those that are stacked."""
    table = {("norm", "gamma"): "final_norm.gamma"}
    for level in range(SMALL["depth"]):
        for axis, name in enumerate(("time", "band")):
            ours, theirs = f"layer{level + 1}_{name}", f"layers.{level}.{axis}.layers.0"
            table |= {
                (f"{ours}_attention_norm", "gamma"): f"{theirs}.0.norm.gamma",
                (f"{ours}_attention_qkv", "kernel"): f"{theirs}.0.to_qkv.weight",
                (f"{ours}_attention_gates", "kernel"): f"{theirs}.0.to_gates.weight",
                (f"{ours}_attention_gates", "bias"): f"{theirs}.0.to_gates.bias",
                (f"{ours}_attention_out", "kernel"): f"{theirs}.0.to_out.0.weight",
                (f"{ours}_feedforward_norm", "gamma"): f"{theirs}.1.net.0.gamma",
                (f"{ours}_feedforward_linear1", "kernel"): f"{theirs}.1.net.1.weight",
                (f"{ours}_feedforward_linear1", "bias"): f"{theirs}.1.net.1.bias",
                (f"{ours}_feedforward_linear2", "kernel"): f"{theirs}.1.net.4.weight",
                (f"{ours}_feedforward_linear2", "bias"): f"{theirs}.1.net.4.bias",
            }
    everywhere, runs = range(6), ((0, 1), (2, 3, 4), (5,))  # bands of equal width
    for number, run in enumerate(runs, start=1):
        split = "band_split.to_features.{}"
        table |= {
            ("band_split", f"gamma{number}"): [f"{split.format(b)}.0.gamma" for b in run],
            ("band_split", f"kernel{number}"): [f"{split.format(b)}.1.weight" for b in run],
            ("band_split", f"bias{number}"): [f"{split.format(b)}.1.bias" for b in run],
        }
    for n, target in enumerate(TARGETS):
        layers = [("_hidden1", everywhere, 0), ("_hidden2", everywhere, 2)]
        layers += [(str(number), run, 4) for number, run in enumerate(runs, start=1)]
        for ours, bands, place in layers:
            theirs = [f"mask_estimators.{n}.to_freqs.{b}.0.{place}" for b in bands]
            table[f"{target}_mask", f"kernel{ours}"] = [f"{name}.weight" for name in theirs]
            table[f"{target}_mask", f"bias{ours}"] = [f"{name}.bias" for name in theirs]
    return table


def fill(model, arrays, table):
    """Put the reference's parameters in their places; every one, everywhere, of the right shape."""
    ours = {(layer.name, w.name): w for layer in model.layers for w in layer.weights}
    used = [n for names in table.values() for n in ([names] if isinstance(names, str) else names)]
    assert sorted(used) == sorted(arrays)
    assert sorted(table) == sorted(ours)
    for place, names in table.items():
        if isinstance(names, str):
            array = arrays[names].T
        else:
            array = np.stack([arrays[name].T for name in names])
        assert ours[place].shape == array.shape
        ours[place].assign(array)


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN)


@pytest.fixture(scope="module")
def model(golden):
    shapes = {name: tuple(shape) for name, shape in json.loads(str(golden["shapes"])).items()}
    parts = np.split(golden["weights"], np.cumsum([np.prod(s) for s in shapes.values()])[:-1])
    arrays = {n: part.reshape(s) for (n, s), part in zip(shapes.items(), parts, strict=True)}
    model = build_bs_roformer(TARGETS, **SMALL)
    fill(model, arrays, name_table())
    return model


def test_network_equals_the_reference(golden, model):
    """Difference measured: 5e-7 of the peak."""
    expected = golden["estimates"].transpose(1, 0, 3, 2)  # (stems, batch, samples, channels)
    found = np.stack(model(golden["mixture"].transpose(0, 2, 1)))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_loss_and_its_gradient_equal_the_references(golden, model):
    """Differences measured: of the loss none, of the gradient 2e-6 of its largest value."""
    mixture = tf.constant(golden["mixture"].transpose(0, 2, 1))
    targets = list(golden["targets"].transpose(1, 0, 3, 2))
    kernel = model.get_layer("band_split").kernels[0]
    with tf.GradientTape() as tape:
        parts = multi_resolution_loss(model(mixture), targets, mixture)
        loss = tf.reduce_mean(tf.reduce_sum(parts, axis=1))
    gradient = np.asarray(tape.gradient(loss, kernel.value))[0].T
    assert parts.shape == (2, 2)
    assert np.isclose(loss, golden["loss"], rtol=1e-6)
    assert np.allclose(gradient, golden["gradient"], atol=1e-4 * np.abs(golden["gradient"]).max())


def test_silence_gives_silence_and_no_nan(model):
    silence = tf.zeros((1, 2400, 2))
    with tf.GradientTape() as tape:
        estimates = model(silence)
        loss = tf.reduce_sum(multi_resolution_loss(estimates, [silence + 0.1] * 2))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert not any(np.any(estimate) for estimate in estimates)
    assert all(np.all(np.isfinite(tf.convert_to_tensor(g))) for g in gradients if g is not None)


def test_dropout_is_for_training_alone(golden, model):
    dropping = build_bs_roformer(TARGETS, **SMALL, dropout=0.5)
    for layer in model.layers:
        if layer.weights:
            dropping.get_layer(layer.name).set_weights(layer.get_weights())
    mixture = golden["mixture"].transpose(0, 2, 1)
    expected = np.stack(model(mixture))
    assert np.allclose(np.stack(dropping(mixture, training=False)), expected, atol=1e-6)
    assert np.abs(np.stack(dropping(mixture, training=True)) - expected).max() > 0.01


def test_loss_of_a_constant_is_its_level_and_its_spectra():
    """By hand: all spectra of a constant are the window's, and zero in most bins."""
    level, sizes = 0.5, (4096, 2048, 1024, 512, 256)
    signal = np.full((1, 4800, 1), level, np.float32)
    expected = level
    for size in sizes:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        expected += level * np.abs(np.fft.rfft(window, max(size, 2048))).mean()
    one = multi_resolution_loss([signal], [np.zeros_like(signal)])
    assert np.allclose(one, [[expected]], rtol=1e-5)
    two = multi_resolution_loss([signal, signal], [np.zeros_like(signal), signal])
    assert np.allclose(two, [[expected / 2, 0]], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_samples": 32}, "n_samples must be above 32 .* 32"),
        ({"n_samples": 24 * 9000}, "has 9001 frames, at most 8192 can attend .* check the hop"),
        ({"hop_length": 33}, "hop_length must be from 1 to 32, half of n_fft .* 33"),
        ({"n_fft": 65}, "n_fft must be even .* 65"),
        ({"bands": [16, 16]}, "33 bins in all .* 32"),
        ({"bands": [34, -1]}, "positive"),
        ({"head_dim": 5}, "head_dim must be even .* 5"),
        ({"mask_depth": 0}, "mask_depth at least 1 .* 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_bs_roformer(TARGETS, **{**SMALL, **options})
