"""Demucs beside its own code; sources and tolerances in golden/README.md."""

from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import demucs
from mssviz.networks._tensorflow import keras
from mssviz.networks.converters import demucs as converter
from mssviz.networks.converters.demucs import load, load_state, name_table
from mssviz.networks.demucs import build_demucs, sinc_filters, valid_length

TARGETS = ("drums", "bass", "vocals")
SMALL = {"n_samples": 300, "channels": 2, "depth": 2}
NOWHERE = Path("weights.th")


@pytest.fixture(scope="module")
def golden():
    path = Path(__file__).parent / "golden" / "demucs.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def small():
    return build_demucs(TARGETS, **SMALL)


@pytest.fixture
def written(golden, tmp_path):
    def write(name):
        path = tmp_path / f"{name}.th"
        path.write_bytes(golden[f"file_{name}"].tobytes())
        return path

    return write


def state(golden, prefix):
    return {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


# --- The network ------------------------------------------------------------------------------


def test_parameters_of_the_published_network(monkeypatch):
    monkeypatch.setattr(demucs, "_uniform", lambda bound: "zeros")  # a gigabyte of random numbers
    model = build_demucs(("drums", "bass", "other", "vocals"))
    n_second_biases = 2 * 2 * 4 * 2048  # of 2 layers, 2 directions, 4 gates in PyTorch's LSTM
    # sum(p.numel() for p in Demucs(SOURCES).parameters()) in demucs 2.0.3
    assert model.count_params() + n_second_biases == 265_679_496
    assert model.count_params() == 265_646_728


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_estimates_are_those_of_the_reference(golden, version):
    second = version == "v2"
    mixture = golden["mixture"]
    model = build_demucs(
        TARGETS, mixture.shape[1], channels=4, depth=3, resample=second, normalize=second
    )
    load_state(model, state(golden, "state/"), TARGETS, NOWHERE)
    found = np.stack(model(mixture), axis=1)
    for patch, expected in zip(found, golden[version], strict=True):
        assert np.abs(patch - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("resample", [False, True])
def test_estimates_are_as_long_as_the_mixture(resample):
    for n_samples in (1, 100, 101, 998):
        model = build_demucs(
            ["a", "b"], n_samples, 1, channels=2, depth=2, lstm_layers=0, resample=resample
        )
        assert [output.shape for output in model.outputs] == [(None, n_samples, 1)] * 2


def test_valid_lengths():
    # Demucs(SOURCES, ...).valid_length(...) in demucs 2.0.3
    assert valid_length(441_000) == 447_146
    assert valid_length(441_000, resample=False) == 451_924
    assert valid_length(1) == 8_874


def test_normalised_estimates_follow_the_level_of_the_mixture():
    model = build_demucs(TARGETS, **SMALL, lstm_layers=0, normalize=True)
    mixture = noise(2, 300, 2)  # as many patches as channels
    loud, soft = np.stack(model(mixture)), np.stack(model(0.1 * mixture))
    assert np.abs(0.1 * loud - soft).max() < 1e-3 * np.abs(soft).max()
    assert np.allclose(np.stack(model(mixture[:1])), loud[:, :1], atol=1e-6)
    assert not np.any(model(np.zeros((1, 300, 2), np.float32)))


def test_first_weights():
    scaled, plain = (build_demucs(TARGETS, 100, rescale=r, depth=2) for r in (0.1, 0))
    spread = {
        name: (scaled.get_layer(name).kernel.numpy().std(), plain.get_layer(name).kernel.numpy())
        for name in ("encoder2_conv", "encoder2_rewrite", "decoder1_rewrite", "decoder1_conv")
    }
    for found, unscaled in spread.values():
        # PyTorch's: uniform up to 1 / sqrt(fan_in), of transposed convolutions by what goes out
        assert found == pytest.approx(np.sqrt(0.1 * unscaled.std()), rel=0.03)
    assert spread["encoder2_conv"][1].std() == pytest.approx((3 * 64 * 8) ** -0.5, rel=0.03)
    output = plain.get_layer("bass_output").kernel.numpy()
    assert output.std() == pytest.approx((3 * 3 * 2 * 8) ** -0.5, rel=0.06)
    lstm = plain.get_layer("blstm1").get_weights()
    assert lstm[1].std() == pytest.approx((3 * 128) ** -0.5, rel=0.03)
    assert np.abs(lstm[2]).max() < 128**-0.5  # no forget gate open from the start
    assert not np.allclose(lstm[0], lstm[1], atol=0.01)
    assert not np.allclose(lstm[1], lstm[4], atol=0.01)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"depth": 0}, "depth of at least 1"),
        ({"channels": 0}, "channels of at least 1"),
        ({"n_samples": 0}, "n_samples of at least 1"),
        ({"growth": 0.5}, "growth of at least 1"),
        ({"kernel_size": 3}, "at least stride, 4"),
    ],
)
def test_options_that_make_no_network_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_demucs(TARGETS, **{**SMALL, **options})


# --- The change of rate -----------------------------------------------------------------------


def test_filters_keep_a_constant():
    for old, new in ((1, 2), (2, 1), (32, 16)):
        assert np.allclose(sinc_filters(old, new).sum(axis=0), 1, atol=1e-6)
    assert sinc_filters(1, 2).shape == (53, 1, 2)  # as in julius 0.2.8
    assert sinc_filters(2, 1).shape == (104, 1, 1)


def test_twice_the_rate_and_back():
    time = np.arange(999)
    sound = np.sin(0.1 * np.pi * time) + 0.5 * np.sin(0.7 * np.pi * time + 1)
    x = np.stack([sound, sound[::-1]], axis=1)[np.newaxis].astype(np.float32)
    twice = demucs._Resampling(1, 2, name="up")(x)
    assert twice.shape == (1, 1998, 2)
    half_steps = np.arange(1998) / 2
    true = np.sin(0.1 * np.pi * half_steps) + 0.5 * np.sin(0.7 * np.pi * half_steps + 1)
    inner = slice(60, -60)
    assert np.abs(twice[0, :, 0] - true)[inner].max() < 1e-3
    back = demucs._Resampling(2, 1, name="down")(twice)
    assert back.shape == x.shape
    assert np.abs(back - x)[0, inner].max() < 2e-3
    assert np.array_equal(x[0, :, 1], x[0, ::-1, 0])


# --- Published files --------------------------------------------------------------------------


def test_every_tensor_of_the_published_file_has_a_place():
    table = name_table(6, 2, ("drums", "bass", "other", "vocals"))
    assert len(table) == 66  # len(Demucs(SOURCES).state_dict()) in demucs 2.0.3
    assert table["encoder.0.0.weight"] == ["encoder1_conv/kernel"]
    assert table["decoder.5.2.bias"] == [
        f"{t}_output/bias" for t in ("drums", "bass", "other", "vocals")
    ]
    assert table["lstm.lstm.bias_hh_l1_reverse"] == ["blstm2/backward/bias"]


@pytest.mark.parametrize("name", ["state", "package", "v1"])
def test_files_of_both_versions(golden, written, small, name):
    model = build_demucs(TARGETS, **SMALL, resample=False) if name == "v1" else small
    for layer in model.layers:
        layer.set_weights([np.full_like(w, np.nan) for w in layer.get_weights()])
    load(model, [written(name)], TARGETS)
    expected = state(golden, "small/")
    assert np.array_equal(model.get_layer("encoder2_conv").kernel, expected["encoder.1.0.weight"].T)
    backward = model.get_layer("blstm2").backward_layer.cell
    assert np.array_equal(backward.kernel, expected["lstm.lstm.weight_ih_l1_reverse"].T)
    biases = [expected[f"lstm.lstm.bias_{which}_l1_reverse"] for which in ("ih", "hh")]
    assert np.array_equal(backward.bias, sum(biases))
    output = model.get_layer("bass_output")
    assert np.array_equal(output.kernel, expected["decoder.1.2.weight"][:, 2:4].T)
    assert np.array_equal(output.bias, expected["decoder.1.2.bias"][2:4])
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_half_precision_is_read(golden, small):
    halves = {k: v.astype(np.float16) for k, v in state(golden, "small/").items()}
    load_state(small, halves, TARGETS, NOWHERE)
    assert small.get_layer("dense").kernel.dtype == "float32"


def test_quantised_files_are_refused(written, small):
    with pytest.raises(PretrainedError, match="quantised"):
        load(small, [written("quantized")], TARGETS)


def test_damaged_files_are_refused(tmp_path, golden, small):
    path = tmp_path / "cut.th"
    path.write_bytes(golden["file_state"].tobytes()[:5000])
    with pytest.raises(PretrainedError, match=r"cut\.th"):
        load(small, [path], TARGETS)


@pytest.mark.parametrize(
    ("name", "options", "targets", "match"),
    [
        ("state", {"depth": 3}, TARGETS, "depth 3: 8 tensors missing, 0 unknown"),
        ("state", {"lstm_layers": 1}, TARGETS, "0 tensors missing, 8 unknown"),
        ("state", {"channels": 3}, TARGETS, "the network needs"),
        ("state", {}, TARGETS[:2], "the network needs"),
        ("package", {"stride": 2}, TARGETS, "stride 4, this one 2"),
        ("package", {"resample": False}, TARGETS, "resample True, this one False"),
        ("package", {}, TARGETS[::-1], "sources"),
        ("v1", {}, TARGETS, "resample False, this one True"),
        ("v1", {"resample": False}, TARGETS[:2], "sources 3, this one 2"),
    ],
)
def test_other_networks_files_are_refused(written, name, options, targets, match):
    model = build_demucs(targets, **{**SMALL, **options})
    with pytest.raises(PretrainedError, match=match):
        load(model, [written(name)], targets)


OWN = {"sources": list(TARGETS), "channels": 2, "depth": 2}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (("tasnet", (), {}, {}), "another network"),
        ({"klass": "tasnet", "args": (), "kwargs": {}, "state": {}}, "another network"),
        ([1, 2], "no weights"),
        (("demucs", (), {**OWN, "resample": True}, None), "no weights"),
        (("demucs", (3, 2), {}, {}), "options"),
        (("demucs", (), None, {}), "options"),
        (("demucs", (), {**OWN, "upsample": True}, {}), "upsample True, this one False"),
        (("demucs", (), {**OWN, "glu": np.ones(3)}, {}), "glu"),
        (("demucs", (), {**OWN, "resample": True, "normalize": True}, {}), "normalize True"),
        (("demucs", (list(TARGETS),), {"resample": True}, {1: 2}), "34 tensors missing, 1 unknown"),
    ],
)
def test_contents_that_are_refused(monkeypatch, small, content, match):
    def read(path, classes):
        named = {
            "demucs": classes["demucs.model.Demucs"],
            "tasnet": classes["demucs.tasnet.ConvTasNet"],
        }
        if isinstance(content, dict):
            return {**content, "klass": named[content["klass"]]}
        return (named[content[0]], *content[1:]) if isinstance(content, tuple) else content

    monkeypatch.setattr(converter, "read_torch", read)
    with pytest.raises(PretrainedError, match=match):
        load(small, [NOWHERE], TARGETS)


def test_tensors_that_are_none_are_refused(golden, small):
    wrong = {**state(golden, "small/"), "lstm.linear.bias": np.arange(4)}
    with pytest.raises(PretrainedError, match=r"lstm\.linear\.bias is no tensor"):
        load_state(small, wrong, TARGETS, NOWHERE)


def test_weights_need_a_demucs(golden):
    model = build_demucs(TARGETS, **SMALL)
    more = keras.Model(model.inputs, [keras.layers.Dense(2, name="more")(model.outputs[0])])
    with pytest.raises(PretrainedError, match="build a Demucs"):
        load_state(more, state(golden, "small/"), TARGETS, NOWHERE)
