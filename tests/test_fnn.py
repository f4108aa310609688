"""Uhlich's two networks: the feed-forward one by hand, and his options of the recurrent one."""

import numpy as np
import pytest

from mssviz import presets
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.blstm import build_blstm
from mssviz.networks.fnn import build_fnn, rising_relu

TINY = {"patch_frames": 9, "n_bins": 6, "n_channels": 2, "context_frames": 1, "context_step": 2}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 5, shape).astype(np.float32)


def randomise(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([rng.normal(0.1, 0.4, w.shape) for w in layer.weights])


def outputs(model, x, **options):
    return np.stack([np.asarray(y) for y in model(x, **options)])


# --- Feed-forward -----------------------------------------------------------------------------


def by_hand(model, target, mixture, context_frames, context_step, n_layers):
    """One channel of one patch after the other, ``(T, F)``, frame by frame."""
    weights = [
        [np.asarray(w, float) for w in model.get_layer(f"{target}_dense{i + 1}").get_weights()]
        for i in range(n_layers)
    ]
    estimate = np.zeros(mixture.shape)
    for frame in range(len(mixture)):
        offsets = range(-context_frames * context_step, context_frames * context_step + 1)
        places = [frame + offset for offset in offsets[::context_step]]
        silence = np.zeros(mixture.shape[1])
        stack = [mixture[t] if 0 <= t < len(mixture) else silence for t in places]
        level = np.mean([np.sqrt(np.sum(values**2)) for values in stack])
        x = np.concatenate(stack) / level
        for kernel, bias in weights:
            x = np.maximum(x @ kernel + bias, 0)
        estimate[frame] = x * level
    return estimate


@pytest.mark.parametrize(
    ("context_frames", "context_step", "n_layers", "units"),
    [(3, 4, 4, None), (1, 2, 2, 5), (0, 1, 3, None), (2, 1, 1, None)],
)
def test_the_network_equals_its_description_computed_by_hand(
    context_frames, context_step, n_layers, units
):
    options = (context_frames, context_step, n_layers)
    model = build_fnn(["a", "b"], 9, 6, 2, *options, units)
    randomise(model)
    mixture = noise(2, 9, 6, 2)
    found = outputs(model, mixture)
    for i, target in enumerate(("a", "b")):
        for patch, channel in np.ndindex(2, 2):
            x = mixture[patch, ..., channel].astype(float)
            expected = by_hand(model, target, x, *options)
            assert np.ptp(expected) > 0.1
            assert np.allclose(found[i, patch, ..., channel], expected, rtol=1e-5, atol=1e-5)


def test_the_papers_layers_have_as_many_units_as_bins():
    # 7 stacked frames into the first of 4 layers: 7 F F + F + 3 (F F + F) at F = 1487
    model = build_fnn(["a"], patch_frames=1)
    assert model.count_params() == 22_117_638
    assert [layer.name for layer in model.layers if layer.weights] == [
        f"a_dense{i}" for i in (1, 2, 3, 4)
    ]


def test_level_does_not_matter():
    model = build_fnn(["a", "b"], **TINY)
    randomise(model)
    mixture = noise(1, 9, 6, 2)
    assert np.array_equal(outputs(model, 1024 * mixture), 1024 * outputs(model, mixture))
    louder_left = mixture * np.float32([4, 1])
    found = outputs(model, louder_left)
    assert np.array_equal(found, outputs(model, mixture) * np.float32([4, 1]))


def test_silence_gives_silence():
    model = build_fnn(["a", "b"], **TINY)
    randomise(model)
    mixture = noise(1, 9, 6, 2)
    mixture[..., 0] = 0
    found = outputs(model, mixture)
    assert not found[..., 0].any()
    assert found[..., 1].any()


def test_a_song_patch_by_patch_has_no_seams():
    context = TINY["context_frames"] * TINY["context_step"]
    whole = build_fnn(["a", "b"], **{**TINY, "patch_frames": 12})
    patch = build_fnn(["a", "b"], **{**TINY, "patch_frames": 4 + 2 * context})
    randomise(whole)
    patch.set_weights(whole.get_weights())
    mixture = noise(12, 6, 2)
    around = np.pad(mixture, ((context, context), (0, 0), (0, 0)))
    parts = [
        outputs(patch, around[None, first : first + 4 + 2 * context])[0, 0, context:-context]
        for first in (0, 4, 8)
    ]
    expected = outputs(whole, mixture[None])[0, 0]
    assert np.allclose(np.concatenate(parts), expected, rtol=1e-5, atol=1e-5)


def test_no_bin_begins_below_zero_for_all_inputs():
    keras.utils.set_random_seed(0)
    model = build_fnn(["a", "b"], **{**TINY, "n_bins": 64})
    assert outputs(model, noise(1, 9, 64, 2)).min() > 0


def test_a_bin_that_fell_silent_can_rise_but_not_sink():
    x = tf.constant([-2.0, -1.0, 3.0])
    for pull, expected in (([1.0, -1.0, 1.0], [0, -1, 1]), ([-1.0, 1.0, -1.0], [-1, 0, -1])):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = rising_relu(x)
            loss = tf.reduce_sum(y * pull)
        assert np.array_equal(y, [0, 0, 3])
        assert np.array_equal(tape.gradient(loss, x), expected)


@pytest.mark.parametrize("option", ["n_layers", "context_step", "units"])
def test_wrong_options_are_refused(option):
    with pytest.raises(ParameterError, match=f"{option}.*>= 1"):
        build_fnn(["a", "b"], **{**TINY, option: 0})
    with pytest.raises(ParameterError, match="context_frames >= 0"):
        build_fnn(["a", "b"], **{**TINY, "context_frames": -1})


# --- Recurrent --------------------------------------------------------------------------------


def small_blstm(**options):
    return build_blstm(["a", "b"], patch_frames=7, n_bins=5, n_channels=2, units=6, **options)


def test_scale_is_the_magnitude_that_counts_as_one():
    plain, scaled = small_blstm(), small_blstm(scale=10)
    randomise(plain)
    scaled.set_weights(plain.get_weights())
    mixture = noise(2, 7, 5, 2)
    found = outputs(scaled, 10 * mixture)
    assert np.ptp(found) > 1
    assert np.allclose(found, 10 * outputs(plain, mixture), rtol=1e-5, atol=1e-5)


def test_dropout_is_for_training_only():
    plain, dropping = small_blstm(), small_blstm(dropout=0.5)
    randomise(plain)
    dropping.set_weights(plain.get_weights())
    mixture = noise(2, 7, 5, 2)
    kept = outputs(plain, mixture, training=True)
    assert np.allclose(outputs(dropping, mixture, training=False), kept)
    assert np.abs(outputs(dropping, mixture, training=True) - kept).max() > 0.1
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in plain.layers)


@pytest.mark.parametrize("options", [{"dropout": 1}, {"dropout": -0.1}, {"scale": 0}])
def test_wrong_options_of_the_recurrent_network_are_refused(options):
    with pytest.raises(ParameterError, match="dropout"):
        small_blstm(**options)


# --- Presets ----------------------------------------------------------------------------------


def test_presets_can_be_blended_and_leave_out_the_frames_that_know_too_little():
    shipped = presets.shipped()
    for variant in ("", "-tiny"):
        fnn, blstm = shipped[f"uhlich-fnn{variant}"], shipped[f"uhlich-blstm{variant}"]
        assert (fnn.targets, fnn.stft) == (blstm.targets, blstm.stft)
        assert fnn.context == fnn.model["context_frames"] * fnn.model["context_step"]
        assert fnn.patch_frames > 2 * fnn.context
        assert blstm.patch_frames > 2 * blstm.context
        # stacked windows touch, and do not overlap
        assert fnn.model["context_step"] * fnn.stft.hop_length == fnn.stft.n_fft
