import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import presets, pretrained
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.converters.openunmix import UNUSED, load, name_table
from mssviz.networks.openunmix import build_openunmix, set_statistics

GOLDEN = np.load(Path(__file__).parent / "golden" / "openunmix.npz")
TARGETS = ("vocals", "drums")
SMALL = {"patch_frames": 9, "n_bins": 17, "hidden_size": 6, "max_bin": 11}


@pytest.fixture
def folder(tmp_path):
    for target in TARGETS:
        (tmp_path / f"{target}.pth").write_bytes(GOLDEN[f"{target}.pth"].tobytes())
    return tmp_path


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 5, shape).astype(np.float32)


# --- The published network --------------------------------------------------------------------


@pytest.mark.parametrize(
    # sum(p.numel() for p in OpenUnmix(...).parameters()) of openunmix 1.3.0
    ("hidden_size", "published"),
    [(512, 8_893_348), (1024, 28_257_188)],
)
def test_network_has_the_published_parameters_but_for_one_bias_of_two(hidden_size, published):
    model = build_openunmix(["vocals"], hidden_size=hidden_size)
    second_biases = 3 * 2 * 4 * (hidden_size // 2)
    statistics = 2 * (2 * hidden_size + 2 * 2049)  # buffers, which PyTorch does not count
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable == published - second_biases
    assert model.count_params() == trainable + statistics
    assert {512: (8_887_204, 8_897_448), 1024: (28_244_900, 28_257_192)}[hidden_size] == (
        trainable,
        model.count_params(),
    )
    assert model.outputs[0].shape == model.inputs[0].shape == (None, 255, 2049, 2)


def test_table_names_every_variable_and_every_tensor():
    model = build_openunmix(["vocals"], **SMALL)
    table = name_table("vocals")
    assert {w.path for w in model.weights} == set(table)
    assert len(table) == len(model.weights) == 4 + 3 + 3 * 4 + 3 * 2 * 3
    theirs = [name for parts in table.values() for name in parts]
    assert len(theirs) == len(set(theirs)) == 43
    assert not set(theirs) & UNUSED


def files(folder):
    return [folder / f"{target}.pth" for target in TARGETS]


# --- Golden values ----------------------------------------------------------------------------


def test_converted_weights_give_what_openunmix_gives(folder):
    model = build_openunmix(TARGETS, **SMALL)
    load(model, files(folder), TARGETS)
    for target, found in zip(TARGETS, model(GOLDEN["mixture"]), strict=True):
        expected = GOLDEN[target]
        assert np.ptp(expected) > 5
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_weights_survive_keras_own_format(folder, tmp_path):
    model, other = (build_openunmix(TARGETS, **SMALL) for _ in range(2))
    load(model, files(folder), TARGETS)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    for one, two in zip(model.weights, other.weights, strict=True):
        assert one.path == two.path
        assert np.array_equal(one, two)


# --- Converter's refusals ---------------------------------------------------------------------


def test_weights_of_another_network_are_refused(folder):
    def refuses(match, targets=TARGETS, **changes):
        model = build_openunmix(targets, **{**SMALL, **changes})
        before = [np.array(w) for w in model.weights]
        with pytest.raises(PretrainedError, match=match) as error:
            load(model, files(folder), TARGETS)
        assert "\n" not in str(error.value)
        assert all(np.array_equal(w, kept) for w, kept in zip(model.weights, before, strict=True))

    refuses(r"vocals\.pth: fc1\.weight has shape \[6, 22\], .* \[8, 22\]", hidden_size=8)
    refuses(r"vocals\.pth: input_mean has shape \[11\], .* \[10\]", max_bin=10)
    refuses(r"vocals\.pth: .* 0 tensors missing, 16 unknown \(lstm\.bias", n_layers=1)
    refuses(r"vocals\.pth: .* 8 tensors missing, 0 unknown", n_layers=4)
    refuses("variables do not match", targets=("vocals", "drums", "bass"))
    (folder / "drums.pth").write_bytes(b"PK\x03\x04")
    refuses(r"drums\.pth: .* damaged")
    (folder / "drums.pth").unlink()
    refuses(r"drums\.pth: cannot be read \(No such file")


def test_a_file_without_a_state_dictionary_is_refused(folder):
    (folder / "drums.pth").write_bytes(
        (Path(__file__).parent / "golden/torch_zip.pth").read_bytes()
    )
    with pytest.raises(PretrainedError, match=r"drums\.pth: holds no state dictionary"):
        load(build_openunmix(TARGETS, **SMALL), files(folder), TARGETS)


# --- A folder as its training leaves it -------------------------------------------------------


@pytest.fixture
def trained(folder):
    """Beside the weights, what Open-Unmix' training script writes, with more that is not read."""
    separator = {"nb_channels": 2, "nfft": 32, "nhop": 8, "sample_rate": 44100}
    (folder / "separator.json").write_text(json.dumps(separator))
    args = {"bandwidth": 14000, "hidden_size": 6, "nfft": 32, "seq_dur": 6.0, "root": "/songs"}
    for target in TARGETS:
        history = {"args": {**args, "target": target}, "valid_loss_history": [1.0, float("nan")]}
        (folder / f"{target}.json").write_text(json.dumps(history))
        (folder / f"{target}.chkpnt").write_bytes(b"with the state of the optimizer")
    return folder


def test_a_folder_of_its_training_is_a_model(trained):
    preset = presets.find(trained)
    assert preset.targets == ("vocals", "drums", "other")
    assert (preset.stft.n_fft, preset.model_bins, preset.model["max_bin"]) == (32, 17, 11)
    assert presets.find(trained / "separator.json") == preset
    assert pretrained.state(preset) == "ready"
    assert mssviz.Separator(trained).targets == preset.targets
    mixture = GOLDEN["mixture"]
    found = pretrained.load(replace(preset, patch_frames=9, context=2))(mixture)
    for target in TARGETS:
        assert np.abs(found[target] - GOLDEN[target]).max() < 1e-5 * GOLDEN[target].max()
    rest = np.maximum(mixture - found["vocals"] - found["drums"], 0)
    assert np.allclose(found["other"], rest, atol=1e-5)


def test_one_stem_leaves_the_accompaniment_and_all_leave_nothing(trained):
    for name in ("json", "pth"):
        (trained / f"drums.{name}").rename(trained / f"other.{name}")
    preset = presets.find(trained)
    assert preset.targets == ("vocals", "other")
    assert not preset.model["residual"]
    (trained / "other.json").unlink()
    assert presets.find(trained).targets == ("vocals", "accompaniment")
    (trained / "vocals.pth").unlink()
    with pytest.raises(ParameterError, match="holds no stem's TARGET"):
        presets.find(trained)


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("separator.json", {"nfft": 33}, "n_fft must be a multiple"),
        ("separator.json", {"nfft": None}, "nfft must be a whole number"),
        ("separator.json", {"nb_channels": 0}, "n_channels must be"),
        ("vocals.json", {"args": {}}, r"args\.bandwidth"),
        ("vocals.json", {"args": {"bandwidth": 14000, "hidden_size": 8}}, "train alike"),
        ("vocals.json", {"args": {"bandwidth": -1, "hidden_size": 6}}, r"args\.bandwidth must be"),
    ],
)
def test_a_folder_of_its_training_with_nonsense(trained, file, change, match):
    config = json.loads((trained / file).read_text())
    (trained / file).write_text(json.dumps({**config, **change}))
    with pytest.raises(ParameterError, match=match) as error:
        presets.find(trained)
    assert "\n" not in str(error.value)


def test_size_is_that_of_all_files():
    # four of 35,637,796 bytes
    assert mssviz.models().loc["umx", "size_mb"] == pytest.approx(142.6, abs=0.1)


# --- The network itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hidden_size": 7}, "hidden_size .* 7"),
        ({"hidden_size": 0}, "hidden_size .* 0"),
        ({"n_layers": 0}, "n_layers .* 0"),
        ({"max_bin": 18}, "1 to the 17 bins .* 18"),
        ({"max_bin": 0}, "max_bin .* 0"),
        ({"dropout": 1.0}, r"dropout .* 1\.0"),
        ({"residual": True}, "a target before it"),
    ],
)
def test_wrong_options_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_openunmix(["a"], **{**SMALL, **options})


def test_bins_above_the_limit_are_written_but_not_read(folder):
    model = build_openunmix(TARGETS, **SMALL)
    load(model, files(folder), TARGETS)
    x = noise(1, 9, 17, 2)
    louder = x.copy()
    louder[:, :, 11:] *= 2
    first, second = np.asarray(model(x)[0]), np.asarray(model(louder)[0])
    assert np.allclose(first[:, :, :11], second[:, :, :11], rtol=1e-5)
    assert np.allclose(2 * first[:, :, 11:], second[:, :, 11:], rtol=1e-5)
    assert first[:, :, 11:].max() > 0.1


def test_training_normalises_with_the_batch_and_keeps_its_statistics():
    model = build_openunmix(["a"], **SMALL, dropout=0.0)
    x = noise(4, 9, 17, 2)
    norm = model.get_layer("a_bn1")
    before = np.array(norm.moving_mean)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(np.all(np.isfinite(g)) for g in gradients)
    assert sum(np.any(g) for g in gradients) == len(gradients)
    encoded = keras.Model(model.input, model.get_layer("a_fc1").output)(x)
    mean = np.mean(encoded, axis=(0, 1))
    assert np.allclose(norm.moving_mean, 0.9 * before + 0.1 * mean, rtol=1e-4, atol=1e-5)


def test_statistics_of_the_songs_make_bins_alike():
    model = build_openunmix(["a", "b"], **SMALL)
    mean, deviation = noise(17), noise(17, seed=1)
    deviation[3] = 0
    set_statistics(model, ["b"], mean, deviation)
    x = noise(1, 9, 17, 2)
    scaled = keras.Model(model.input, model.get_layer("b_input").output)(x)
    # (batch, T, C, B)
    expected = (x[:, :, :11] - mean[:11, None]) / np.maximum(
        deviation[:11, None], 1e-4 * deviation.max()
    )
    assert np.allclose(scaled, np.moveaxis(expected, 2, 3), rtol=1e-3)
    assert not np.any(model.get_layer("a_input").mean)


def test_zeros_stay_zero():
    model = build_openunmix(["a"], **SMALL)
    assert not np.any(model(np.zeros((1, 9, 17, 2), np.float32)))
