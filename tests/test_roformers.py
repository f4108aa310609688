"""RoFormers of both kinds, and checkpoints of them, against the package that people use."""

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from mssviz import presets
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import Network, attention
from mssviz.networks.converters import checkpoint, roformer, safetensors_file
from mssviz.networks.mel_roformer import build_mel_roformer
from mssviz.networks.roformer_tables import BANDS, frequencies, mel_bands
from mssviz.networks.table import NETWORKS, resolve
from tests.shapes import outline

pytestmark = pytest.mark.slow

GOLDEN = np.load(Path(__file__).parent / "golden" / "roformers.npz")
CHUNK, OVERLAP = 480, 4
FILES = {  # of the golden values: what no shape tells, and the stems
    "bs_ckpt": ({"skip": True}, ("a", "b")),
    "bs_safetensors": ({"skip": True}, ("a", "b")),
    "mel_ckpt": ({"sample_rate": 8000, "residual": True}, ("a", "rest")),
}


def written(name, folder):
    path = folder / name
    path.write_bytes(GOLDEN[name].tobytes())
    return path


def loaded(name, folder):
    path, (options, targets) = written(name, folder), FILES[name]
    network = built(path, options, targets)
    roformer.load(network.model, [path], targets)
    return network


def built(path, options, targets):
    state = checkpoint.read_state(path)
    found = roformer.described(state, path, options.get("sample_rate", 44100))
    assert found.pop("n_stems") == len(targets) - options.get("residual", False)
    shape = {"n_samples": CHUNK, "n_channels": found.pop("n_channels")}
    return Network({**found, **options, "hop_length": 24}, targets, shape)


# --- Networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_network_equals_the_reference(name, tmp_path):
    network = loaded(name, tmp_path)
    estimates = network(GOLDEN["mixture"].T[np.newaxis, :CHUNK])
    expected = GOLDEN[f"{name.split('_')[0]}_patch"]
    for target, reference in zip(network.targets, expected, strict=False):
        assert np.abs(estimates[target][0].T - reference).max() < 1e-5 * np.abs(reference).max()


def test_the_last_stem_is_what_the_others_leave_of_the_mixture(tmp_path):
    mixture = GOLDEN["mixture"].T[np.newaxis, :CHUNK]
    estimates = loaded("mel_ckpt", tmp_path)(mixture)
    assert np.abs(estimates["a"]).max() > 0.1
    assert np.allclose(estimates["a"] + estimates["rest"], mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "n_stems", "expected"),
    [  # numbers in published files, without their rotary frequencies
        ({}, 1, 228_202_788),
        ({"depth": 12}, 1, 251_869_572),
        ({"depth": 8}, 1, 236_091_716),
        ({"dim": 256, "depth": 12}, 2, 217_301_852),
        ({"dim": 256, "depth": 4, "mask_expansion": 1}, 1, 22_435_076),
    ],
)
def test_networks_have_as_many_numbers_as_published_files(options, n_stems, expected):
    model = outline(build_mel_roformer, [f"stem{n}" for n in range(n_stems)], **options)
    assert model.count_params() == expected


PUBLISHED = {  # numbers without rotary frequencies, and tensors with them
    "bs-roformer:musdb": (131_704_100, 1355),
    "bs-roformer:resurrection-vocals": (51_049_420, 699),
    "bs-roformer:sw": (174_656_500, 1939),
    "mel-roformer:kim-vocals": (228_202_788, 684),
    "mel-roformer:guitar": (22_435_076, 636),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_as_large_as_the_numbers_of_their_presets(name):
    """PyTorch adds some 430 bytes a tensor, which depend on its version and the file's name."""
    preset, options = presets.find(name), dict(presets.find(name).model)
    build = resolve(NETWORKS[options.pop("type")].builder)
    model = outline(build, preset.targets, **preset.input_shape, **options)
    n_attentions = sum(layer.name.endswith("_attention") for layer in model.layers)
    table = roformer.name_table(model, preset.targets)
    n_tensors = n_attentions + sum(
        len(names) if isinstance(names, list) else 1 for names in table.values()
    )
    assert (model.count_params(), n_tensors) == PUBLISHED[name]
    n_bytes = 2 if preset.model.get("rotary") == "float16" else 4
    rest = preset.weights.size - n_bytes * (model.count_params() + 32 * n_attentions)
    assert 400 < rest / n_tensors < 445


def test_mel_bands_are_those_of_librosas_filters():
    import librosa

    for rate, n_fft, n_bands in ((44100, 2048, 60), (44100, 4096, 60), (8000, 128, 7)):
        filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_bands)
        filters[0, 0] = filters[-1, -1] = 1
        expected = [np.flatnonzero(row > 0) for row in filters]
        assert mel_bands(rate, n_fft, n_bands) == [(b[0], len(b)) for b in expected]


def test_mel_bands_cover_a_spectrum_twice():
    bands = mel_bands(44100, 2048, 60)
    widths = [width for _, width in bands]
    times = np.bincount(np.concatenate([np.arange(b, b + n) for b, n in bands]))
    assert (widths[0], *widths[-6:], sum(widths)) == (7, 93, 99, 105, 113, 122, 130, 1979)
    assert np.bincount(times).tolist() == [0, 71, 954]
    with pytest.raises(ParameterError, match="500 mel bands are too many for a window of 512"):
        mel_bands(44100, 512, 500)


def test_half_precision_changes_the_frequencies_of_rotations():
    single, half = frequencies(64), frequencies(64, "float16")
    assert np.allclose(single, 10000.0 ** (-np.arange(32) / 32), rtol=1e-6)
    assert np.array_equal(half, single.astype(np.float16).astype(np.float32))
    assert 0.05 < np.abs(1100 * (half - single)).max() < 0.5


def test_long_songs_are_attended_to_in_parts(tmp_path, monkeypatch):
    mixture = GOLDEN["mixture"].T[np.newaxis, :CHUNK]
    whole = loaded("bs_ckpt", tmp_path)(mixture)
    monkeypatch.setattr(attention, "_MOST_SCORES", 100)
    parts = loaded("bs_ckpt", tmp_path)(mixture)
    for target, expected in whole.items():
        assert np.allclose(parts[target], expected, atol=1e-6)


def test_a_chunk_need_not_be_a_multiple_of_the_hop():
    shape = {"n_samples": 101, "n_channels": 1}
    options = {"type": "bs_roformer", "n_fft": 64, "hop_length": 24, "bands": [16, 17], "dim": 4}
    network = Network({**options, "depth": 1, "heads": 1, "head_dim": 2}, ["a"], shape)
    estimate = network(np.ones((1, 101, 1), np.float32))["a"]
    assert estimate.shape == (1, 101, 1)
    assert np.isfinite(estimate).all()


# --- Files ------------------------------------------------------------------------------------


def test_shapes_tell_what_a_network_is(tmp_path):
    path = written("mel_ckpt", tmp_path)
    found = roformer.described(checkpoint.read_state(path), path, 8000)
    assert found == {
        "type": "mel_roformer", "n_stems": 1, "n_channels": 2, "n_fft": 128, "n_bands": 7,
        "dim": 6, "depth": 2, "time_layers": 1, "band_layers": 1, "heads": 3, "head_dim": 4,
        "feedforward": 4, "mask_depth": 3, "mask_expansion": 1, "rotary": "float16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "n_channels", "n_fft"), [((BANDS, 2), 2, 2048), ((BANDS, 1), 1, 2048)]
)
def test_widths_of_bands_tell_channels_and_window(shape, n_channels, n_fft):
    bands, channels = shape
    found = roformer._bands([2 * channels * b for b in bands], False, 44100, Path("x"))
    assert found == {"n_channels": n_channels, "n_fft": n_fft, "bands": list(bands)}


def safetensors(tensors, metadata=None):
    """A file of safetensors with arrays in single precision, and its table."""
    table, values = {"__metadata__": metadata} if metadata else {}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        place = [len(values), len(values) + len(raw)]
        table[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        values += raw
    import json

    head = json.dumps(table).encode()
    return struct.pack("<Q", len(head)) + head + values


@pytest.fixture
def changed(tmp_path):
    """Function that writes the golden checkpoint with changes, and loads it."""

    def load(**changes):
        path, (options, targets) = written("bs_ckpt", tmp_path), FILES["bs_ckpt"]
        state = checkpoint.read_state(path)
        network = built(path, options, targets)
        for name, array in changes.items():
            state[name] = array
            if array is None:
                del state[name]
        path.write_bytes(safetensors(state))
        roformer.load(network.model, [path], targets)

    return load


def test_a_file_as_it_is_is_loaded(changed):
    changed()


FREQUENCIES = "layers.0.0.layers.0.0.rotary_embed.freqs"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"final_norm.gamma": None}, r"1 tensors missing, 0 unknown \(final_norm.gamma\)"),
        ({"stranger": np.zeros(1)}, r"0 tensors missing, 1 unknown \(stranger\)"),
        ({"final_norm.gamma": np.zeros(7)}, r"final_norm.gamma has shape \[7\], .* needs \[6\]"),
        ({FREQUENCIES: None}, "1 tensors missing, 0 unknown"),
        ({FREQUENCIES: np.array([1, 0.0188])}, r"rotary frequencies are not 10000\^\(-2k / 4\)"),
        ({FREQUENCIES: np.array([1, np.float16(0.01)])}, "rotary frequencies are not"),
        ({"mask_estimators.0.segm.a.weight": np.zeros(1)}, "has a HyperACE head"),
        ({"layers.0.0.layers.0.0.pope_embed.bias": np.zeros(1)}, r"\(PolarFormer\)"),
        ({"layers.1.0.layers.0.0.to_value_residual_mix.bias": np.zeros(1)}, "value residuals"),
        ({"layers.0.0.layers.0.0.static_alpha": np.zeros(1)}, "hyper-connections"),
        ({"layers.0.2.norm.gamma": np.zeros(1)}, "linear attention"),
        ({"mask_estimators.0.layers.0.0.norm.gamma": np.zeros(1)}, "Large-Inst"),
        ({"layers.0.0.layers.0.0.to_qkv.lora_A": np.zeros(1)}, "LoRA"),
    ],
)
def test_what_differs_in_any_way_is_refused(changed, changes, match):
    with pytest.raises(PretrainedError, match=match):
        changed(**changes)


def test_frequencies_of_another_precision_are_refused(tmp_path):
    path = written("mel_ckpt", tmp_path)
    options, targets = FILES["mel_ckpt"]
    network = built(path, {**options, "rotary": "float32"}, targets)
    with pytest.raises(PretrainedError, match=r"kept in float16.* set model.rotary .* to float16"):
        roformer.load(network.model, [path], targets)


def test_a_checkpoint_of_a_training_has_more_than_weights(tmp_path):
    """Its best score is a number of numpy, which a pickle makes by calling what it names."""

    path = written("mel_ckpt", tmp_path)
    assert set(checkpoint.read_state(path)) > {"layers.0.0.norm.gamma"}
    pickled = pickle.dumps({"state_dict": {}, "best": np.float64(1.5)}, protocol=2)
    legacy = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(part, legacy, protocol=2)
    legacy.write(pickled)
    pickle.dump([], legacy, protocol=2)
    path.write_bytes(legacy.getvalue())
    assert checkpoint.read_state(path) == {}


@pytest.mark.parametrize(
    ("table", "values", "match"),
    [
        ('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', b"1234", "side by side"),
        ('{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}', b"12345678", "size"),
        ('{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}', b"12345678", "shape"),
        ('{"a": {"dtype": "F9", "shape": [2], "data_offsets": [0, 8]}}', b"12345678", "F9"),
        ('{"a": {"dtype": "F32", "shape": [2]}}', b"12345678", "data_offsets"),
        ("{" * 99, b"", "not a file of safetensors"),
        ("[]", b"", "not a file of"),
    ],
)
def test_damaged_tables_of_safetensors_are_one_line(tmp_path, table, values, match):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(table)) + table.encode() + values)
    with pytest.raises(PretrainedError, match=match) as caught:
        safetensors_file.read_safetensors(path)
    assert "\n" not in str(caught.value)


def test_a_table_may_not_be_longer_than_its_file(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b'{"a"')
    with pytest.raises(PretrainedError, match="longer than the file"):
        safetensors_file.read_safetensors(path)


def test_brain_floats_become_single_precision(tmp_path):
    path = tmp_path / "x.safetensors"
    table = b'{"a": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}'
    values = (np.array([1, -3.140625], "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    path.write_bytes(struct.pack("<Q", len(table)) + table + values)
    assert safetensors_file.read_safetensors(path)["a"].tolist() == [[1], [-3.140625]]
