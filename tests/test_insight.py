"""Evidence for a bin of a mask, receptive fields, and networks with parts cut out."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mssviz
from mssviz import plots, presets
from mssviz.errors import Cancelled, ParameterError
from mssviz.insight import MaskBin, Surgery

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]


@pytest.fixture(scope="module")
def song(separator, example):
    """Four seconds of the example, separated by the real network."""
    return separator.separate(example[0][: 4 * 44100], 44100, progress=False)


@pytest.fixture(scope="module")
def small():
    """A trained network that answers quickly."""
    return mssviz.Separator("teaching:4stems", progress=False)


@pytest.fixture(scope="module")
def pointed(small, example):
    song = small.separate(example[0][: 4 * 44100], 44100, progress=False)
    return MaskBin(small, song, "vocals", 3.0, 440.0)


@pytest.fixture(scope="module")
def evidence(pointed):
    return pointed.gradient()


# --- a bin and its evidence -------------------------------------------------------------------


def test_odds_are_those_of_the_mask(separator, song):
    pointed = MaskBin(separator, song, "vocals", 3.0, 440.0)
    frame, number = pointed.index
    masks = np.asarray(song.masks["vocals"][frame, number], np.float64)
    expected = np.mean(10 * np.log10(masks / (1 - masks)))
    assert pointed.odds_db == pytest.approx(expected, abs=0.02)


def test_gradient_is_the_change_with_level(pointed, evidence):
    """The values add up to the derivative by the mixture's level, taken by two runs apart."""
    change = [pointed.odds_with(np.full(evidence.values.shape[:2], 1 + h)) for h in (-1e-3, 1e-3)]
    assert evidence.values.sum(dtype=np.float64) == pytest.approx(
        (change[1] - change[0]) / 2e-3, abs=0.5
    )


def test_gradient_of_a_part_is_the_change_with_that_part(pointed, evidence):
    strongest = np.unravel_index(evidence.values.sum(axis=2).argmax(), evidence.values.shape[:2])
    frames, bins = (slice(max(0, i - 4), i + 5) for i in strongest)
    change = []
    for h in (-1e-2, 1e-2):
        gains = np.ones(evidence.values.shape[:2])
        gains[frames, bins] += h
        change.append(pointed.odds_with(gains))
    assert evidence.values[frames, bins].sum() == pytest.approx(
        (change[1] - change[0]) / 2e-2, rel=0.1
    )


def test_nothing_outside_the_receptive_field_matters(pointed, evidence):
    (start, stop), (low, high) = pointed.receptive_field()
    frames, bins = np.nonzero(evidence.values.any(axis=2))
    params = presets.find("teaching:4stems").stft
    times = evidence.start + mssviz.stft.frames_to_time(frames, params)
    hertz = mssviz.stft.bins_to_hz(bins, params)
    assert start - 1e-6 <= times.min() <= times.max() <= stop + 1e-6
    assert low <= hertz.min() <= hertz.max() <= high


def test_integrated_gradients_add_up(pointed):
    evidence = pointed.integrated_gradients(8)
    quiet = pointed.odds_with(np.full(evidence.values.shape[:2], 1e-4))
    total = evidence.values.sum(dtype=np.float64)
    assert total + evidence.rest_db == pytest.approx(pointed.odds_db - quiet, abs=0.01)


def test_more_steps_leave_less_unexplained(pointed):
    rests = [abs(pointed.integrated_gradients(n).rest_db) for n in (8, 24)]
    assert rests[1] < 0.5 * rests[0]


def test_occlusion_begins_coarse_and_refines(pointed):
    pictures = list(pointed.occlusion(16))
    assert len(pictures) == 3
    counts = [np.unique(picture.values).size for picture in pictures]
    assert counts == sorted(counts)
    assert counts[0] <= 9 < counts[-1]


def test_a_cell_of_an_occlusion_is_what_the_odds_lose_without_it(pointed):
    values = next(iter(pointed.occlusion(8))).values[:, :, 0]
    cell = values == values.flat[np.abs(values).argmax()]
    lost = pointed.odds_db - pointed.odds_with(np.where(cell, 1e-4, 1.0))
    assert 2 * values[cell].sum() == pytest.approx(lost, rel=1e-3)


def test_work_can_be_stopped(pointed):
    def stop(done, total, what):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(pointed.occlusion(16, progress=stop))
    with pytest.raises(Cancelled):
        pointed.integrated_gradients(16, progress=stop)


def test_the_evidence_is_heard(pointed, evidence, song):
    everything = np.ones_like(evidence.values)
    start, whole = pointed.waveform(everything)
    first = round(start * song.sample_rate)
    middle = slice(8192, -8192)
    mixture = song.mixture[first : first + len(whole)][middle]
    residual = whole[middle] - mixture  # what lies above the bins that the network reads
    assert np.sqrt(np.mean(residual**2)) < 0.1 * np.sqrt(np.mean(mixture**2))
    _, part = pointed.waveform(evidence.carrying(0.5))
    assert 0 < np.sum(part**2) < np.sum(whole**2)


def test_evidence_of_a_later_patch_is_heard_in_its_place(separator, separation):
    pointed = MaskBin(separator, separation, "vocals", 14.0, 440.0)
    everything = np.ones(
        (separator.preset.patch_frames, separator.preset.model_bins, 2), np.float32
    )
    start, piece = pointed.waveform(everything)
    first = round(start * separation.sample_rate)
    heard = pointed.alone(everything)
    assert start > 10
    assert heard.shape == separation.mixture.shape
    assert not heard[:first].any()
    assert np.array_equal(heard[first : first + len(piece)], piece)


@given(st.floats(0.01, 1.0))
def test_the_fewest_bins_carry_a_share(share):
    values = np.random.default_rng(3).standard_normal((8, 9, 2)).astype(np.float32)
    kept = mssviz.insight.Evidence("gradient", values, 0.0, 0.0).carrying(share)
    gains = np.maximum(values, 0)
    held = (gains * kept).sum()
    assert held >= share * gains.sum() * (1 - 1e-5)
    least = gains[kept > 0].min()
    assert held - least < share * gains.sum() * (1 + 1e-5)


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_is_within_its_range(evidence, share):
    with pytest.raises(ParameterError, match="share"):
        evidence.carrying(share)


@pytest.mark.parametrize(
    ("target", "time", "frequency", "match"),
    [
        ("guitar", 1.0, 440.0, "target must be one of vocals, accompaniment"),
        ("vocals", -5.0, 440.0, "time"),
        ("vocals", 99.0, 440.0, "time"),
        ("vocals", 1.0, 15_000.0, "11014 Hz"),
        ("vocals", 1.0, -200.0, "frequency"),
        ("vocals", float("nan"), 440.0, "time"),
        ("vocals", 1.0, float("nan"), "frequency"),
    ],
)
def test_a_bin_that_is_none_is_refused(separator, song, target, time, frequency, match):
    with pytest.raises(ParameterError, match=match):
        MaskBin(separator, song, target, time, frequency)


def test_a_silent_bin_is_refused(separator):
    song = separator.separate(np.zeros((44100, 2), np.float32), 44100, progress=False)
    with pytest.raises(ParameterError, match="silent"):
        MaskBin(separator, song, "vocals", 0.5, 440.0)


def test_models_without_such_masks_are_refused(song):
    for model in (mssviz.separators.find("repet-sim"), mssviz.Separator("demucs", fetch=False)):
        with pytest.raises(ParameterError, match=r"network"):
            MaskBin(model, song, "vocals", 1.0, 440.0)


# --- receptive fields -------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [(2, 3), (1, 2, 2)])
@pytest.mark.parametrize("place", [(10, 20), (0, 0), (63, 127), (33, 64)])
def test_receptive_field_is_where_the_gradient_is(filters, place):
    """With equal weights above 0 nothing cancels: the gradient reaches all that can matter."""
    from mssviz.networks._tensorflow import tf
    from mssviz.networks.receptive_field import receptive_field
    from mssviz.networks.unet import build_unet

    model = build_unet(["vocals"], 64, 128, 1, encoder_activation="relu", filters=filters)
    for variable in model.variables:
        scales = variable.path.endswith(("gamma", "moving_variance"))
        value = 0.01 if variable.path.endswith("kernel") else float(scales)
        variable.assign(tf.fill(variable.shape, value))
    mixture = tf.ones((1, 64, 128, 1))
    with tf.GradientTape() as tape:
        tape.watch(mixture)
        output = model(mixture)
        value = (output[0] if isinstance(output, list) else output)[0, place[0], place[1], 0]
    reached = np.argwhere(np.asarray(tape.gradient(value, mixture))[0, :, :, 0] > 0)
    frames, bins = receptive_field(model, *place)
    assert reached.min(axis=0).tolist() == [frames.start, bins.start]
    assert (reached.max(axis=0) + 1).tolist() == [frames.stop, bins.stop]


def test_a_recurrent_layer_reaches_everything():
    from mssviz.networks.receptive_field import receptive_field

    preset = presets.find("uhlich-blstm-tiny")
    model = mssviz.networks.Network(preset.model, preset.targets, preset.input_shape).model
    frames, bins = receptive_field(model, 3, 5)
    assert (frames.stop, bins.stop) == model.inputs[0].shape[1:3]


# --- surgery ----------------------------------------------------------------------------------


@pytest.fixture
def surgery(separator):
    return Surgery(separator)


def test_nothing_cut_changes_nothing(surgery, song):
    again = surgery.separate(song.mixture, 44100, progress=False)
    for target, values in song.magnitudes.items():
        np.testing.assert_array_equal(again.magnitudes[target], values)


def test_one_target_is_cut_and_the_other_stays(surgery, song):
    surgery.scale("vocals_conv1_skip")
    cut = surgery.separate(song.mixture, 44100, progress=False)
    np.testing.assert_array_equal(cut.magnitudes["accompaniment"], song.magnitudes["accompaniment"])
    assert np.abs(cut.magnitudes["vocals"] - song.magnitudes["vocals"]).max() > 1
    surgery.reset()
    assert surgery.cuts == {}
    again = surgery.separate(song.mixture, 44100, progress=False)
    np.testing.assert_array_equal(again.magnitudes["vocals"], song.magnitudes["vocals"])


def test_sites_say_which_others_they_read(surgery):
    sites = surgery.sites
    assert sites["vocals_conv1"].reads == ()
    assert sites["vocals_conv2"].reads == ("vocals_conv1",)
    assert sites["vocals_conv5_skip"].reads == ("vocals_conv5",)
    assert set(sites["vocals_up2"].reads) == {"vocals_conv5_skip", "vocals_up1"}


def test_the_network_operated_on_stays_whole(separator, surgery, song):
    surgery.scale("vocals_conv6", 0)
    again = separator.separate(song.mixture, 44100, progress=False)
    np.testing.assert_array_equal(again.magnitudes["vocals"], song.magnitudes["vocals"])


def test_a_feature_map_is_what_the_layer_computes(separator, surgery, song):
    maps, seconds = surgery.feature_maps("vocals_conv1", song, 1.0)
    assert maps.shape == surgery.sites["vocals_conv1"].shape == (256, 512, 16)
    patch, _ = separator.patch_of(song.mixture_stft, 0)
    kernel, bias = separator.network.model.get_layer("vocals_conv1").get_weights()
    # output (9, 30) reads the input from 2 * 9 - 1 on: padding is 1 before and 2 after
    seen = patch[0, 17:22, 59:64]
    expected = np.einsum("tfc,tfcn->n", seen, kernel) + bias
    np.testing.assert_allclose(maps[9, 30], expected, rtol=1e-3, atol=1e-4)
    assert seconds[0] == pytest.approx(-2048 / 44100)


def test_single_channels_are_scaled(surgery, song):
    before, _ = surgery.feature_maps("vocals_conv2", song, 1.0)
    surgery.scale("vocals_conv2", 0, channels=[3, 7])
    surgery.scale("vocals_conv2", 0.5, channels=1)
    assert surgery.cuts == {"vocals_conv2": "channels 3, 7: off; channels 1: x 0.5"}
    after, _ = surgery.feature_maps("vocals_conv2", song, 1.0)
    gains = np.ones(32, np.float32)
    gains[[3, 7]], gains[1] = 0, 0.5
    np.testing.assert_array_equal(after, before * gains)
    surgery.scale("vocals_conv2", 1)
    assert surgery.cuts == {}


def test_cuts_belong_to_the_fingerprint_and_travel_to_other_processes(surgery, separator):
    before = surgery.fingerprint()
    surgery.scale("vocals_conv1_skip")
    assert surgery.fingerprint() != before
    other = pickle.loads(pickle.dumps(surgery))
    assert other.cuts == {"vocals_conv1_skip": "off"}
    assert other.fingerprint() == surgery.fingerprint()


@pytest.mark.parametrize(
    ("site", "gain", "channels", "match"),
    [
        ("conv1", 0, None, "site must be one of"),
        ("vocals_conv1", float("nan"), None, "gain"),
        ("vocals_conv1", 0, [16], "0 to 15"),
        ("vocals_conv1", 0, [-1], "0 to 15"),
        ("vocals_conv1", 0, [0.5], "whole numbers"),
    ],
)
def test_what_is_no_cut_is_refused(surgery, site, gain, channels, match):
    with pytest.raises(ParameterError, match=match):
        surgery.scale(site, gain, channels)
    assert surgery.cuts == {}


@pytest.mark.parametrize("time", [-1.0, 99.0, float("nan")])
def test_feature_maps_are_of_a_time_in_the_song(surgery, song, time):
    with pytest.raises(ParameterError, match=r"time must lie between 0 and 4\.00 s"):
        surgery.feature_maps("vocals_conv1", song, time)


def test_only_networks_can_be_cut():
    with pytest.raises(ParameterError, match="network"):
        Surgery(mssviz.separators.find("repet-sim"))


@pytest.mark.parametrize(
    "name",
    [f"{name}-tiny" for name in ("bs-roformer", "d3net", "demucs", "htdemucs", "mel-roformer",
                                 "muth", "scnet", "uhlich-blstm", "uhlich-fnn", "umx", "wave-unet",
                                 "xumx")],
)  # fmt: skip
def test_every_architecture_has_gates_that_change_nothing_and_something(name):
    from mssviz.networks import Network
    from mssviz.networks.gates import Gates

    preset = presets.find(name)
    network = Network(preset.model, preset.targets, preset.input_shape)
    gates = Gates(network.model, preset.targets)
    order = list(gates.sites)
    for i, site in enumerate(gates.sites.values()):
        assert set(site.reads) <= set(order[:i])
    gated = network.with_model(gates.model)
    shape = preset.input_shape
    size = (1, shape["n_samples"], shape["n_channels"]) if network.signal == "waveform" else (
        1, shape["patch_frames"], shape["n_bins"], shape["n_channels"])  # fmt: skip
    noise = np.random.default_rng(1).random(size, np.float32)
    patch = noise.astype(np.complex64) if network.signal == "spectrum" else noise
    target = preset.targets[0]
    whole = network(patch)[target]
    np.testing.assert_array_equal(gated(patch)[target], whole)
    last = [name for name, site in gates.sites.items() if site.target in ("", target)][-1]
    gates.set_gains({last: np.zeros(gates.sites[last].n_channels, np.float32)})
    assert np.abs(gated(patch)[target] - whole).max() > 0


def test_evidence_is_drawn_where_it_lies(evidence):
    figure, ax = plt.subplots()
    params = presets.find("teaching:4stems").stft
    mesh = plots.evidence(evidence.values, params, ax=ax, start=evidence.start)
    drawn = mesh.get_array()
    seconds, hertz = mesh.get_coordinates()[:-1, :-1].reshape(-1, 2).T
    strongest = np.abs(drawn).ravel().argmax()
    place = np.abs(evidence.values).mean(axis=2)
    frame, _ = np.unravel_index(place.argmax(), place.shape)
    expected = evidence.start + mssviz.stft.frames_to_time(frame, params)
    assert abs(seconds[strongest] - expected) < 0.3
    assert 0 < hertz[strongest] < 11025
    plt.close(figure)
