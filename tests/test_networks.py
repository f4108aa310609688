import dataclasses
import json

import numpy as np
import pytest

import mssviz
from mssviz import presets
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import Network
from mssviz.networks._tensorflow import keras
from mssviz.networks.blstm import build_blstm
from mssviz.networks.converters.spleeter import name_table
from mssviz.networks.unet import build_unet

PER_STEM = 9_824_711
DEAD = 4 * 512  # of a normalisation in the original graph that nothing reads
TINY = {"patch_frames": 16, "n_bins": 16, "filters": (4, 8)}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 5, shape).astype(np.float32)


def randomise(model, seed=0):
    """Fill every variable, statistics too, so that no layer does nothing."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.weights:
            values = [rng.uniform(-0.5, 0.5, w.shape) for w in layer.weights]
            if isinstance(layer, keras.layers.BatchNormalization):
                values[-1] = np.abs(values[-1]) + 0.1
            layer.set_weights(values)


# --- The published networks -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("spleeter:2stems", 19_653_518),
        ("spleeter:4stems", 39_307_036),
        ("spleeter:5stems", 49_133_795),
    ],
)
def test_networks_have_spleeters_parameters_and_variables(name, published):
    preset = presets.find(name)
    options = {k: v for k, v in preset.model.items() if k != "type"}
    model = build_unet(preset.targets, **options)
    n_stems = len(preset.targets)
    assert len(model.outputs) == n_stems
    assert model.count_params() == n_stems * PER_STEM
    assert model.count_params() + n_stems * DEAD == published

    table = name_table(preset.targets)
    assert len(table) == 74 * n_stems
    assert sum(ours is None for ours in table.values()) == 4 * n_stems
    ours = {f"{layer.name}/{w.name}" for layer in model.layers for w in layer.weights}
    assert {name for name in table.values() if name} == ours


def test_checkpoint_names_run_on_through_the_stems():
    assert [len(name_table(range(n))) for n in (2, 4, 5)] == [148, 296, 370]
    table = name_table(["vocals", "other"])
    assert table["conv2d/kernel"] == "vocals_conv1/kernel"
    assert table["conv2d_6/bias"] == "vocals_logits/bias"
    assert table["conv2d_7/kernel"] == "other_conv1/kernel"
    assert table["conv2d_transpose_11/kernel"] == "other_up6/kernel"
    assert table["batch_normalization_5/gamma"] is None
    assert table["batch_normalization_23/moving_mean"] == "other_up6_norm/moving_mean"


@pytest.mark.parametrize("n_bins", [1024, 1536])
def test_estimates_have_the_mixtures_shape(n_bins):
    model = build_unet(["a"], n_bins=n_bins)
    assert model.outputs[0].shape == model.inputs[0].shape == (None, 512, n_bins, 2)
    assert model.get_layer("a_conv6").output.shape == (None, 8, n_bins // 64, 512)
    assert model.get_layer("a_up6").output.shape == (None, 512, n_bins, 1)


def test_released_statistics_are_zero_and_one(separator):
    """The reason why normalisation always runs with them: they were never trained."""
    norms = [
        layer
        for layer in separator.network.model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 22
    for norm in norms:
        assert not np.any(norm.moving_mean)
        assert np.all(np.asarray(norm.moving_variance) == 1)


# --- One U-Net by hand ------------------------------------------------------------------------


def convolve(x, kernel, stride=1, dilation=1, before=1):
    n = kernel.shape[0]
    padded = np.pad(x, ((before, n * dilation), (before, n * dilation), (0, 0)))
    rows, columns = (-(-size // stride) for size in x.shape[:2])
    out = np.zeros((rows, columns, kernel.shape[3]))
    for i, j in np.ndindex(n, n):
        part = padded[i * dilation :, j * dilation :][: rows * stride : stride]
        out += part[:, : columns * stride : stride] @ kernel[i, j]
    return out


def transposed(x, kernel):
    # what the stride-2 convolution's gradient does: each input adds a patch from 2 i - 1 on
    rows, columns, _ = x.shape
    out = np.zeros((2 * rows + 5, 2 * columns + 5, kernel.shape[2]))
    for i, j in np.ndindex(5, 5):
        out[i : i + 2 * rows : 2, j : j + 2 * columns : 2] += x @ kernel[i, j].T
    return out[1 : 1 + 2 * rows, 1 : 1 + 2 * columns]


ACTIVATIONS = {
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


def logits_by_hand(model, target, x, encoder, decoder):
    def layer(name):
        return [np.asarray(w, float) for w in model.get_layer(f"{target}_{name}").get_weights()]

    def normalise(x, name):
        gamma, beta, mean, variance = layer(f"{name}_norm")
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    encode, decode = ACTIVATIONS[encoder], ACTIVATIONS[decoder]
    kernel, bias = layer("conv1")
    skip = convolve(x, kernel, stride=2) + bias
    kernel, bias = layer("conv2")
    x = convolve(encode(normalise(skip, "conv1")), kernel, stride=2) + bias
    kernel, bias = layer("up1")
    x = normalise(decode(transposed(x, kernel) + bias), "up1")
    kernel, bias = layer("up2")
    x = np.concatenate([skip, x], axis=-1)
    x = normalise(decode(transposed(x, kernel) + bias), "up2")
    kernel, bias = layer("logits")
    return convolve(x, kernel, dilation=2, before=3) + bias


@pytest.mark.parametrize(
    ("head", "encoder", "decoder"),
    [("sigmoid", "leaky_relu", "relu"), ("sigmoid", "elu", "elu"), ("softmax", "elu", "elu")],
)
def test_unet_equals_its_description_computed_by_hand(head, encoder, decoder):
    model = build_unet(
        ["a", "b"], **TINY, head=head, encoder_activation=encoder, decoder_activation=decoder
    )
    randomise(model)
    x = noise(16, 16, 2)
    logits = np.stack([logits_by_hand(model, t, x, encoder, decoder) for t in ("a", "b")])
    if head == "sigmoid":
        expected = x / (1 + np.exp(-logits))
    else:
        raised = np.exp(logits - logits.max(axis=0))
        expected = x * raised / raised.sum(axis=0)
    found = np.stack([np.asarray(output)[0] for output in model(x[None])])
    assert np.ptp(found / x) > 0.2  # not a constant mask
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_softmax_estimates_add_up_to_the_mixture():
    model = build_unet(["a", "b", "c"], **TINY, head="softmax")
    x = noise(2, 16, 16, 2)
    assert np.allclose(sum(np.asarray(y) for y in model(x)), x, rtol=1e-5)


def test_normalisation_uses_stored_statistics_in_training_too():
    model = build_unet(["a"], **TINY)
    randomise(model)
    x = noise(2, 16, 16, 2)
    before = [np.array(w) for w in model.weights]
    trained, inferred = np.asarray(model(x, training=True)), np.asarray(model(x, training=False))
    assert np.array_equal(trained, inferred)
    assert all(np.array_equal(w, kept) for w, kept in zip(model.weights, before, strict=True))


def test_targets_do_not_depend_on_each_other():
    both, one = build_unet(["a", "b"], **TINY), build_unet(["b"], **TINY)
    for layer in one.layers:
        layer.set_weights(both.get_layer(layer.name).get_weights() if layer.weights else [])
    x = noise(1, 16, 16, 2)
    assert np.allclose(both(x)[1], one(x)[0], atol=1e-6)


# --- BLSTM ------------------------------------------------------------------------------------


def test_blstm_shape_and_parameters():
    units, n_features = 6, 5 * 2
    model = build_blstm(["a", "b"], patch_frames=7, n_bins=5, n_channels=2, units=units)
    assert [output.shape for output in model.outputs] == [(None, 7, 5, 2)] * 2

    def lstm(n_inputs):
        return 2 * 4 * (units * (n_inputs + units) + units)

    dense = (2 * units + 1) * n_features
    assert model.count_params() == 2 * (lstm(n_features) + 2 * lstm(2 * units) + dense)
    assert all(np.asarray(y).min() >= 0 for y in model(noise(3, 7, 5, 2)))


# --- Network ----------------------------------------------------------------------------------


def shape(patch_frames, n_bins):
    return {"patch_frames": patch_frames, "n_bins": n_bins, "n_channels": 2}


@pytest.mark.parametrize(
    ("config", "patch_frames", "match"),
    [
        ({"type": "transformer"}, 16, "'transformer'"),
        ({}, 16, "None"),
        ({"type": "unet", "filters": [4, 8]}, 18, "multiples of 4"),
        ({"type": "unet", "filters": [4, 8], "head": "tanh"}, 16, "'tanh'"),
        ({"type": "unet", "filters": [4, 8], "encoder_activation": "gelu"}, 16, "'gelu'"),
        ({"type": "unet", "filters": [4, 8], "decoder_activation": "gelu"}, 16, "'gelu'"),
        ({"type": "unet", "filters": [4, 8], "dropout": 0.5}, 16, "dropout"),
    ],
)
def test_configurations_that_make_no_network_are_refused(config, patch_frames, match):
    with pytest.raises(ParameterError, match=match):
        Network(config, ["a", "b"], shape(patch_frames, 16))


def test_network_runs_on_spectra_in_their_own_layout():
    network = Network({"type": "unet", "filters": [4, 8]}, ["a", "b"], shape(16, 32))
    x = noise(3, 16, 32, 2)
    found = network(x)
    assert list(found) == ["a", "b"]
    for name, expected in zip(found, network.model(x), strict=True):
        assert found[name].shape == x.shape
        assert np.allclose(found[name], expected, atol=1e-5)
    spectra_order = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 3, 2)), 2, 3)
    assert np.array_equal(network(spectra_order)["a"], found["a"])


def test_configuration_survives_json(tmp_path):
    for name, preset in presets.shipped().items():
        if name.endswith(presets.TINY):  # a part of the other's
            continue
        source = presets.config_folder() / name.replace(":", "-") / "config.json"
        copy = tmp_path / source.parent.name / "config.json"
        copy.parent.mkdir()
        copy.write_text(json.dumps(json.loads(source.read_text())))
        found = presets.find(copy.parent)
        assert dataclasses.replace(found, weights=preset.weights) == preset
        assert found.weights.files == preset.weights.files


SPLEETER_MODELS = {
    "2stems": {"type": "unet.unet", "params": {}},
    "4stems": {
        "type": "unet.unet",
        "params": {"conv_activation": "ELU", "deconv_activation": "ELU"},
    },
    "5stems": {
        "type": "unet.softmax_unet",
        "params": {"conv_activation": "ELU", "deconv_activation": "ELU"},
    },
}


@pytest.mark.parametrize("name", SPLEETER_MODELS)
def test_spleeters_own_configuration_gives_the_same_preset(name, tmp_path):
    preset = presets.find(f"spleeter:{name}")
    config = {
        "instrument_list": list(preset.targets),
        "sample_rate": 44100,
        "frame_length": 4096,
        "frame_step": 1024,
        "T": 512,
        "F": 1024,
        "n_channels": 2,
        "separation_exponent": 2,
        "mask_extension": "zeros",
        "model_dir": name,
        "model": SPLEETER_MODELS[name],
    }
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(config))
    found = presets.find(path)
    for field in ("targets", "stft", "patch_frames", "model_bins", "n_channels", "model"):
        assert getattr(found, field) == getattr(preset, field)
    assert found.weights.folder == preset.weights.folder


# --- A network without weights ----------------------------------------------------------------


def tiny_separator(equal):
    separator = mssviz.Separator("spleeter:2stems", fetch=False)
    separator.preset = dataclasses.replace(separator.preset, patch_frames=16, model_bins=16)
    network = Network({"type": "unet", "filters": [4, 8]}, separator.targets, shape(16, 16))
    if equal:
        for layer in network.model.layers:
            if layer.name.startswith("accompaniment") and layer.weights:
                twin = network.model.get_layer(layer.name.replace("accompaniment", "vocals"))
                layer.set_weights(twin.get_weights())
    separator._network = network
    return separator


def test_a_network_whose_stems_are_equal_is_refused():
    waveform = noise(20000, 2) / 5 - 0.5
    with pytest.raises(PretrainedError, match="1/2"):
        tiny_separator(equal=True).separate(waveform, 44100, progress=False)
    tiny_separator(equal=False).separate(waveform, 44100, progress=False)


def test_silence_is_no_reason_to_refuse_a_network():
    silence = np.zeros((20000, 2), np.float32)
    separation = tiny_separator(equal=True).separate(silence, 44100, progress=False)
    assert not any(stem.any() for stem in separation.estimates.values())


def test_the_real_separation_is_not_the_mixture_shared_equally(separation):
    for target in separation.targets:
        mask = separation.masks[target][:, :1024]
        assert np.mean(np.abs(mask - 1 / len(separation.targets)) > 0.25) > 0.5
    vocals, accompaniment = (separation.estimates[t] for t in separation.targets)
    assert np.abs(vocals - accompaniment).max() > 0.1


@pytest.mark.slow
def test_the_preset_with_the_largest_layers_is_within_the_bounds():
    preset = presets.find("bs-roformer:resurrection-vocals")
    network = Network(preset.model, preset.targets, preset.input_shape)
    assert network.targets == preset.targets
