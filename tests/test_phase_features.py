"""Muth's phase features and network: signals with known answers, and another's code (golden)."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import presets
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras
from mssviz.networks.phase_features import (
    build_phase_features,
    frequency_derivative,
    time_derivative,
)
from mssviz.stft import StftParams, stft

lean = settings(deadline=None, max_examples=30)
PARAMS = StftParams(8000, 512, 128)
N, H = PARAMS.n_fft, PARAMS.hop_length
TINY = {"patch_frames": 9, "n_bins": 7, "n_fft": 12, "hop_length": 3, "context_frames": 2}


def pairs(spectrum):
    return np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)


def in_time(spectrum, params=PARAMS):
    return np.asarray(time_derivative(pairs(spectrum), params.n_fft, params.hop_length))


def in_frequency(spectrum):
    return np.asarray(frequency_derivative(pairs(spectrum)))


def circular(a, b):
    """Largest distance of angles."""
    return np.abs(np.angle(np.exp(1j * (np.asarray(a, float) - b)))).max()


def noise(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def randomise(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([rng.normal(0.2, 0.4, w.shape) for w in layer.weights])


# --- Features: signals with known answers -----------------------------------------------------


@lean
@given(
    frequency=st.floats(12, N / 2 - 12),
    phase=st.floats(0, 2 * np.pi),
    amplitude=st.floats(1e-4, 1),
)
def test_a_steady_tone_turns_by_its_distance_from_the_bin(frequency, phase, amplitude):
    time = np.arange(20 * H)
    tone = amplitude * np.cos(2 * np.pi * frequency * time / N + phase)
    inner = slice(N // H + 1, -N // H - 1)  # these frames and those before are full
    spectrum = stft(tone[:, np.newaxis].astype(np.float32), PARAMS)
    peak = round(frequency) + np.arange(-1, 2)
    expected = 2 * np.pi * (frequency - peak) * H / N
    assert circular(in_time(spectrum)[inner, peak, 0], expected) < 2e-3
    # and its middle is the frame's
    assert circular(in_frequency(spectrum)[inner, peak[1:], 0], 0) < 2e-3


def test_a_tone_in_the_middle_of_a_bin_does_not_turn():
    tone = np.sin(2 * np.pi * 40 * np.arange(20 * H) / N)
    found = in_time(stft(tone[:, np.newaxis].astype(np.float32), PARAMS))[8, 39:42, 0]
    assert np.allclose(found, [np.pi / 2, 0, -np.pi / 2], atol=1e-4)


@lean
@given(sample=st.integers(0, 8 * H), polarity=st.sampled_from([-1, 1]))
def test_a_click_shows_its_place_in_the_frame(sample, polarity):
    click = np.zeros((9 * H, 1), np.float32)
    click[sample] = polarity
    spectrum = stft(click, PARAMS)
    in_bins, in_frames = in_frequency(spectrum)[..., 0], in_time(spectrum)[..., 0]
    for frame, values in enumerate(in_bins):
        place = sample - (frame * H - N)  # frame t begins at t H - N
        if 0 < place < N:
            assert circular(values[1:], np.pi - 2 * np.pi * place / N) < 1e-3
            if place + H < N:  # it was in the frame before, too
                assert circular(in_frames[frame], 0) < 1e-3
        else:
            assert not values.any()


def test_a_click_in_the_middle_of_the_frame_is_zero():
    spectrum = np.exp(-1j * np.pi * np.arange(9))[np.newaxis, :, np.newaxis]
    assert circular(in_frequency(spectrum), 0) < 1e-6


@lean
@given(seed=st.integers(0, 2**32 - 1), turn=st.floats(-4, 4), level=st.floats(1e-3, 1e3))
def test_derivatives_ignore_level_and_the_phase_itself(seed, turn, level):
    spectrum = noise(5, 9, 2, seed=seed)
    other = (level * np.exp(1j * turn) * spectrum).astype(np.complex64)
    small = StftParams(8000, 16, 4)
    assert circular(in_time(spectrum, small), in_time(other, small)) < 1e-3
    assert circular(in_frequency(spectrum), in_frequency(other)) < 1e-3


def test_silence_has_no_phase():
    spectrum = noise(6, N // 2 + 1, 2)
    spectrum[2:4] = 0
    spectrum[:, 10] = -0.0
    found = in_time(spectrum), in_frequency(spectrum)
    for values in found:
        assert np.isfinite(values).all()
        assert np.abs(values).max() <= np.pi + 1e-6
        assert not values[2:4].any()
        assert not values[:, 10].any()
    assert not found[0][[0, 4]].any()  # what follows silence
    assert not found[1][:, [0, 11]].any()  # what lies above
    assert found[0][5].any()


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(Path(__file__).parent / "golden" / "phase_features.npz"))


def test_features_equal_anothers(golden):
    params = StftParams(8000, 32, 8)
    assert circular(in_time(golden["spectrum"], params), golden["time_derivative"]) < 1e-5
    assert circular(in_frequency(golden["spectrum"]), golden["frequency_derivative"]) < 1e-5


# --- Network ----------------------------------------------------------------------------------


def test_the_network_has_the_parameters_of_the_code_it_follows():
    # 46,610,651: counted in aRI0U's AmplitudeEstimator2 at 4096 / 1024. It makes one magnitude
    # for both channels, so its last large layer has half as many outputs.
    model = build_phase_features(["a"], patch_frames=1)
    assert model.count_params() == 46_610_651 + (500 + 1) * 2049


def copied(golden, channels=2):
    """aRI0U's weights in the order and shape of ours, by layer."""

    def weights(name):
        return [golden[f"weights/{name}.{kind}"] for kind in ("weight", "bias")]

    def convolution(name):
        # (units, bins, frames, [features,] channels) -> (frames, bins channels, units)
        kernel, bias = weights(name)
        kernel = kernel.reshape(*kernel.shape[:3], kernel.shape[-1]).transpose(2, 1, 3, 0)
        return [kernel.reshape(len(kernel), -1, len(bias)), bias]

    def dense(name):
        kernel, bias = weights(name)
        return [kernel.T, bias]

    spread = [np.repeat(w, channels, axis=-1) for w in dense("fc_final.0")]
    kernel, bias = dense("reshape")
    table = {
        "standardise": [golden[f"weights/bias_layer.{n}"][:, None] for n in ("bias", "scale")],
        "magnitude1": convolution("conv_A.1"),
        "magnitude2": dense("fc_A.0"),
        "phase1": convolution("conv_phi.0"),
        "phase2": dense("fc_phi.0"),
        "spread": spread,
        "sum": [kernel[[0, 2, 1]], bias],  # there: magnitude, frequency, time
    }
    n_theirs = sum(name.startswith("weights/") for name in golden)
    assert sum(len(arrays) for arrays in table.values()) == n_theirs
    return table


def test_the_network_equals_anothers(golden):
    spectrum, expected = golden["spectrum"], golden["estimate"]
    n_frames, n_bins, n_channels = spectrum.shape
    model = build_phase_features(
        ["a", "b"], n_frames, n_bins, n_channels, n_fft=32, hop_length=8, context_frames=2, units=6
    )
    for name, arrays in copied(golden).items():
        model.get_layer(f"a_{name}").set_weights(arrays)
    found = np.asarray(model(pairs(spectrum)[np.newaxis])[0])[0]
    inner = slice(2, -2)  # it mirrors magnitudes at the ends
    expected = np.maximum(expected, 0)[inner, :, np.newaxis]  # and leaves what is below 0
    assert 0.3 < np.mean(expected > 0) < 1
    assert np.abs(found[inner] - expected).max() < 1e-5 * expected.max()


def test_joined_by_concatenation_equals_its_description_computed_by_hand():
    model = build_phase_features(["a", "b"], **TINY, units=5, join="concatenate")
    randomise(model)
    spectrum = noise(9, 7, 2, seed=3)

    def weights(name):
        return [np.asarray(w, float) for w in model.get_layer(f"b_{name}").get_weights()]

    def branch(name, x):
        kernel, bias = weights(f"{name}1")
        stacks = np.stack([x[t : t + len(kernel)] for t in range(9)])  # (T, n, F C)
        x = np.maximum(np.einsum("tni,niu->tu", stacks, kernel) + bias, 0)
        kernel, bias = weights(f"{name}2")
        return np.maximum(x @ kernel + bias, 0)

    small = StftParams(8000, 12, 3)
    silence = ((2, 2), (0, 0), (0, 0))
    mean, scale = weights("standardise")
    x = (np.pad(np.abs(spectrum), silence) - mean) / scale
    phase = [np.pad(f, silence) for f in (in_time(spectrum, small), in_frequency(spectrum))]
    found = [
        branch("magnitude", x.reshape(13, -1)),
        branch("phase", np.concatenate(phase, axis=2).reshape(13, -1)),
    ]
    kernel, bias = weights("spread")
    expected = np.maximum(np.concatenate(found, axis=1) @ kernel + bias, 0).reshape(9, 7, 2)
    expected = np.maximum(expected + mean, 0)
    assert expected.min() < expected.max()
    assert np.allclose(model(pairs(spectrum)[np.newaxis])[1][0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("join", ["sum", "concatenate"])
def test_a_song_patch_by_patch_has_no_seams(join):
    options = {**TINY, "units": 4, "join": join}
    context = options["context_frames"] + 1  # and the frame that the first derivative needs
    whole = build_phase_features(["a", "b"], **{**options, "patch_frames": 12})
    patch = build_phase_features(["a", "b"], **{**options, "patch_frames": 4 + 2 * context})
    randomise(whole)
    patch.set_weights(whole.get_weights())
    spectrum = pairs(noise(12, 7, 2))
    around = np.pad(spectrum, ((context, context), *[(0, 0)] * 3))
    parts = [
        np.asarray(patch(around[None, first : first + 4 + 2 * context])[0])[0, context:-context]
        for first in (0, 4, 8)
    ]
    expected = np.asarray(whole(spectrum[None])[0])[0]
    assert np.ptp(expected) > 0.1
    assert np.allclose(np.concatenate(parts), expected, rtol=1e-5, atol=1e-5)


def test_no_bin_begins_below_zero_for_all_inputs():
    keras.utils.set_random_seed(0)
    for join in ("sum", "concatenate"):
        model = build_phase_features(["a", "b"], **TINY, units=16, join=join)
        assert np.asarray(model(pairs(noise(1, 9, 7, 2)))[0]).min() > 0


def test_every_layer_belongs_to_a_target():
    for join in ("sum", "concatenate"):
        model = build_phase_features(["a", "b"], **TINY, units=3, join=join)
        named = [layer.name for layer in model.layers if layer.weights]
        assert {name[:2] for name in named} == {"a_", "b_"}
        assert [n[2:] for n in named if n < "b"] == [n[2:] for n in named if n > "b"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"join": "product"}, "'product'"),
        ({"context_frames": -1}, "got -1"),
        ({"units": 0}, "units >= 1"),
    ],
)
def test_wrong_options_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        build_phase_features(["a"], **{**TINY, **options})


def test_presets_leave_out_the_frames_that_know_too_little():
    shipped = presets.shipped()
    for name in ("muth", "muth-tiny"):
        preset = shipped[name]
        assert preset.context == preset.model["context_frames"] + 1
        assert preset.patch_frames > 2 * preset.context
        grid = (preset.model["n_fft"], preset.model["hop_length"])
        assert grid == (preset.stft.n_fft, preset.stft.hop_length)
