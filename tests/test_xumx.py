from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks._tensorflow import tf
from mssviz.networks.converters.xumx import load
from mssviz.networks.openunmix import build_openunmix
from mssviz.networks.xumx import EDGE, WAVEFORM_WEIGHT, build_xumx, combination_loss
from mssviz.stft import StftParams, stft

GOLDEN = np.load(Path(__file__).parent / "golden" / "xumx.npz")
SAVED = ("bass", "drums", "vocals", "other")  # asteroid's order
TARGETS = ("vocals", "drums", "bass", "other")
SMALL = {"patch_frames": 64, "n_bins": 17, "hidden_size": 6, "n_layers": 2, "max_bin": 11}


def in_parts(spectrum):
    return np.stack([spectrum.real, spectrum.imag], axis=-1)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "pretrained_xumx.pth"
    path.write_bytes(GOLDEN["model"].tobytes())
    return path


def test_network_has_as_many_parameters_as_open_unmix():
    # asteroid's XUMX of 4 sources: 4 x 8,893,348 with both biases of every LSTM
    model = build_xumx(TARGETS)
    assert model.count_params() == 4 * 8_897_448
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 4 * (8_893_348 - 6_144)
    assert model.inputs[0].shape == (None, 255, 2049, 2, 2)
    assert [output.shape for output in model.outputs] == [(None, 255, 2049, 2)] * 4
    assert {w.path for w in model.weights} == {w.path for w in build_openunmix(TARGETS).weights}


def test_converted_weights_give_what_asteroid_gives(path):
    model = build_xumx(TARGETS, **SMALL)
    load(model, [path], TARGETS)
    found = model(in_parts(GOLDEN["targets"].sum(0)))
    for target, estimate in zip(TARGETS, found, strict=True):
        expected = GOLDEN["estimates"][SAVED.index(target)]
        assert np.ptp(expected) > 1
        assert np.abs(estimate - expected).max() < 1e-5 * np.abs(expected).max()


def test_weights_of_another_network_are_refused(path):
    for match, options in (
        (r"layer_enc\.vocals\.enc\.0\.weight has shape \[6, 22\]", {"hidden_size": 8}),
        ("0 tensors missing, 32 unknown", {"n_layers": 1}),
    ):
        with pytest.raises(PretrainedError, match=match):
            load(build_xumx(TARGETS, **{**SMALL, **options}), [path], TARGETS)
    with pytest.raises(PretrainedError, match="38 unknown"):
        load(build_xumx(TARGETS[:3], **SMALL), [path], TARGETS[:3])
    path.write_bytes((Path(__file__).parent / "golden/torch_zip.pth").read_bytes())
    with pytest.raises(PretrainedError, match="holds no state dictionary"):
        load(build_xumx(TARGETS, **SMALL), [path], TARGETS)


def test_every_target_hears_the_others():
    model = build_xumx(["a", "b"], **{**SMALL, "patch_frames": 5, "n_layers": 1})
    x = in_parts(GOLDEN["targets"].sum(0)[:, :5])
    before = np.asarray(model(x)[0])
    for name in ("b_fc1", "b_lstm1"):
        layer = model.get_layer(name)
        kept = layer.get_weights()
        layer.set_weights([2 * w for w in kept])
        assert np.abs(model(x)[0] - before).max() > 1e-3
        layer.set_weights(kept)
    model.get_layer("b_fc2").set_weights([np.zeros((12, 6), np.float32)])
    assert np.array_equal(model(x)[0], before)


def test_one_target_alone_is_open_unmix():
    options = {**SMALL, "patch_frames": 5}
    alone, other = build_xumx(["a"], **options), build_openunmix(["a"], **options)
    other.set_weights(alone.get_weights())
    spectrum = GOLDEN["targets"].sum(0)[:, :5]
    assert np.allclose(alone(in_parts(spectrum)), other(np.abs(spectrum)), atol=1e-5)


# --- Loss -------------------------------------------------------------------------------------


def loss_of_golden(**options):
    targets = GOLDEN["targets"]
    return np.asarray(combination_loss(list(GOLDEN["estimates"]), list(targets), targets.sum(0),
                                       **options))  # fmt: skip


def test_loss_is_the_references():
    found = loss_of_golden(edge=0)
    assert found.shape == (2, 14)
    assert np.isclose(found.sum(1).mean(), GOLDEN["asteroid"], rtol=1e-5)


def test_loss_leaves_out_the_edges_as_the_papers_own_code_does():
    found = loss_of_golden()
    assert EDGE == 200
    expected = np.mean([
        (np.abs(GOLDEN["estimates"][list(group)].sum(0)
                - np.abs(GOLDEN["targets"])[list(group)].sum(0)) ** 2).mean()
        for n in (1, 2, 3) for group in combinations(range(4), n)
    ])  # fmt: skip
    expected += WAVEFORM_WEIGHT * GOLDEN["sony_waveform"]
    assert np.isclose(found.sum(1).mean(), expected, rtol=1e-5)
    assert abs(found.sum(1).mean() / loss_of_golden(edge=0).sum(1).mean() - 1) > 1e-3


def test_parts_begin_with_the_targets_in_order():
    estimates = list(np.abs(GOLDEN["targets"]))
    mixture = GOLDEN["targets"].sum(0)
    perfect = np.asarray(combination_loss(estimates, list(GOLDEN["targets"]), mixture))
    estimates[1] = 3 * estimates[1]
    found = np.asarray(combination_loss(estimates, list(GOLDEN["targets"]), mixture))
    groups = [g for n in (1, 2, 3) for g in combinations(range(4), n)]
    changed = np.abs(found - perfect).max(axis=0) > 1e-4
    assert changed.tolist() == [1 in group for group in groups]


def test_true_spectra_with_true_phases_lose_nothing():
    # of one target that is the mixture, the phase is known
    params = StftParams(8000, 64, 16)
    waveform = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)
    spectrum = stft(waveform, params)[None, 10:60]
    found = combination_loss([np.abs(spectrum)], [spectrum], spectrum)
    assert found.shape == (1, 1)
    assert abs(found[0, 0]) < 1e-5 * WAVEFORM_WEIGHT


def test_loss_has_gradients_and_survives_silence():
    silence = np.zeros((1, 64, 17, 2), np.complex64)
    for spectrum in (GOLDEN["targets"][0, :1], silence):
        estimates = [tf.Variable(np.abs(spectrum) / 2), tf.Variable(np.abs(spectrum))]
        with tf.GradientTape() as tape:
            loss = combination_loss(estimates, [spectrum, silence], spectrum)
        assert np.all(np.isfinite(loss))
        for gradient in tape.gradient(loss, estimates):
            assert np.all(np.isfinite(gradient))
            assert np.any(gradient) == np.any(spectrum)


def test_patches_without_a_middle_are_refused():
    spectrum = np.ones((1, 50, 17, 2), np.complex64)
    with pytest.raises(ParameterError, match=r"more than 51 frames \(got 50\)"):
        combination_loss([np.abs(spectrum)], [spectrum], spectrum)
