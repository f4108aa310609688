import itertools

import norbert  # through scipy.ndimage.filters, which SciPy 2 will not have
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import masks
from mssviz.errors import ParameterError

lean = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(2, 5)
powers = st.one_of(st.sampled_from([1.0, 2.0, 64.0]), st.floats(0.1, 64))


def random_magnitudes(seed, n_sources=2, low=-3, high=3, shape=(4, 6, 2)):
    """Log-uniform from 10**low to 10**high."""
    rng = np.random.default_rng(seed)
    return {
        f"s{i}": (10 ** rng.uniform(low, high, shape)).astype(np.float32) for i in range(n_sources)
    }


def random_spectra(seed, n_sources=2, n_channels=2, n_frames=30, n_bins=12, dtype=np.complex64):
    """Panned sources of changing level, as music has them."""
    rng = np.random.default_rng(seed)

    def gaussian(*shape):
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    sources = {}
    for i in range(n_sources):
        level = 10 ** rng.uniform(-1, 2, (n_frames, n_bins, 1))
        direct = gaussian(n_frames, n_bins, 1) * gaussian(1, n_bins, n_channels)
        diffuse = 0.1 * gaussian(n_frames, n_bins, n_channels)
        sources[f"s{i}"] = (level * (direct + diffuse)).astype(dtype)
    return sources


def stack(sources):
    return np.stack(list(sources.values()), axis=-1)


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# --- Ratio masks ------------------------------------------------------------------------------


@lean
@given(seed=seeds, n_sources=counts, power=powers)
def test_ratio_masks_share_every_bin_whatever_the_level(seed, n_sources, power):
    magnitudes = random_magnitudes(seed, n_sources, low=-20, high=4)
    kept = {name: m.copy() for name, m in magnitudes.items()}
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        found = masks.ratio_masks(magnitudes, power)
    together = stack(found)
    assert list(found) == list(magnitudes)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    assert together.min() >= 0
    assert together.max() <= 1 + 1e-6
    assert np.allclose(together.sum(axis=-1), 1, atol=2e-6)
    assert all(np.array_equal(magnitudes[name], kept[name]) for name in kept)


@lean
@given(n_sources=counts, power=powers)
def test_ratio_masks_share_silence_equally(n_sources, power):
    silence = {f"s{i}": np.zeros((2, 3, 2), np.float32) for i in range(n_sources)}
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        found = masks.ratio_masks(silence, power)
    assert np.allclose(stack(found), 1 / n_sources, atol=1e-7)


@lean
@given(seed=seeds, n_sources=counts, exponents=st.lists(st.floats(0.5, 64), min_size=2, max_size=5))
def test_ratio_masks_tend_to_binary_masks_with_the_exponent(seed, n_sources, exponents):
    magnitudes = random_magnitudes(seed, n_sources, low=0, high=3)
    together = stack(magnitudes)
    loudest, softest = together.argmax(axis=-1)[..., None], together.argmin(axis=-1)[..., None]
    found = [stack(masks.ratio_masks(magnitudes, power)) for power in sorted(exponents)]
    for lower, higher in itertools.pairwise(found):
        rise = np.take_along_axis(higher - lower, loudest, axis=-1)
        fall = np.take_along_axis(higher - lower, softest, axis=-1)
        assert rise.min() > -1e-5
        assert fall.max() < 1e-5


def test_a_high_exponent_gives_the_binary_mask():
    magnitudes = {"a": np.full((1, 1, 1), 3, np.float32), "b": np.full((1, 1, 1), 2, np.float32)}
    found = masks.ratio_masks(magnitudes, 64)
    assert found["a"] == pytest.approx(1)
    assert found["b"] == pytest.approx(0, abs=1e-6)


@lean
@given(seed=seeds, n_sources=counts)
def test_exponent_two_is_spleeters_formula(seed, n_sources):
    magnitudes = random_magnitudes(seed, n_sources, low=-7, high=3)
    squares = stack(magnitudes).astype(np.float64) ** 2
    total = squares.sum(axis=-1, keepdims=True) + 1e-10
    expected = (squares + 1e-10 / n_sources) / total
    assert np.abs(stack(masks.ratio_masks(magnitudes)) - expected).max() < 1e-6


@lean
@given(seed=seeds, power=st.floats(0.3, 8))
def test_other_exponents_follow_the_same_formula(seed, power):
    magnitudes = random_magnitudes(seed, low=-2, high=3)
    raised = stack(magnitudes).astype(np.float64) ** power
    silence = 1e-5**power
    expected = (raised + silence / 2) / (raised.sum(axis=-1, keepdims=True) + silence)
    assert np.abs(stack(masks.ratio_masks(magnitudes, power)) - expected).max() < 1e-5


@pytest.mark.parametrize("power", [0, -1, 65, float("nan")])
def test_ratio_masks_refuse_other_exponents(power):
    with pytest.raises(ParameterError, match="exponent"):
        masks.ratio_masks(random_magnitudes(0), power)


@pytest.mark.parametrize(
    "magnitudes",
    [{}, {"a": np.ones((2, 3, 2)), "b": np.ones((2, 3, 1))}, {"a": np.ones(3), "b": np.ones(3)}],
)
def test_sources_that_do_not_fit_together_are_refused(magnitudes):
    for function in (masks.ratio_masks, masks.binary_masks, masks.ideal_binary_masks):
        with pytest.raises(ParameterError):
            function(magnitudes)


# --- From masks to masks ----------------------------------------------------------------------


def test_extension_keeps_the_modelled_band_and_fills_the_rest():
    mask = random_magnitudes(0, 1, low=-1, high=0, shape=(3, 5, 2))["s0"]
    for extension in ("zeros", "average"):
        assert np.array_equal(masks.extend(mask, 8, extension)[:, :5], mask)
        assert np.array_equal(masks.extend(mask, 5, extension), mask)
    assert not masks.extend(mask, 8, "zeros")[:, 5:].any()
    average = masks.extend(mask, 8, "average")[:, 5:]
    assert np.allclose(average, np.repeat(mask.mean(axis=1, keepdims=True), 3, axis=1))


def test_averaged_masks_still_add_up_to_one():
    found = masks.ratio_masks(random_magnitudes(0, 4))
    total = sum(masks.extend(mask, 20, "average") for mask in found.values())
    assert np.allclose(total, 1, atol=1e-6)


def test_extension_refuses_fewer_bins_and_unknown_names():
    mask = np.ones((1, 4, 1), np.float32)
    with pytest.raises(ParameterError, match="4 bins to 3"):
        masks.extend(mask, 3)
    with pytest.raises(ParameterError, match="'mirror'"):
        masks.extend(mask, 5, "mirror")


def test_threshold_is_above_not_at():
    mask = np.array([0, 0.3, 0.5, 0.6, 1], np.float32).reshape(1, 5, 1)
    assert masks.threshold(mask).ravel().tolist() == [0, 0, 0, 1, 1]
    assert masks.threshold(mask, 0).ravel().tolist() == [0, 1, 1, 1, 1]
    for level in (-0.1, 1):
        with pytest.raises(ParameterError):
            masks.threshold(mask, level)


@lean
@given(seed=seeds, n_sources=counts)
def test_binary_masks_give_each_bin_to_its_loudest_source(seed, n_sources):
    magnitudes = random_magnitudes(seed, n_sources)
    found = stack(masks.binary_masks(magnitudes))
    assert set(np.unique(found)) <= {0, 1}
    assert (found.sum(axis=-1) == 1).all()
    assert np.array_equal(found.argmax(axis=-1), stack(magnitudes).argmax(axis=-1))


def test_binary_masks_give_silence_to_the_first_source():
    silence = {name: np.zeros((1, 2, 1), np.float32) for name in ("a", "b", "c")}
    found = masks.binary_masks(silence)
    assert (found["a"] == 1).all()
    assert not found["b"].any()
    assert not found["c"].any()


@lean
@given(seed=seeds, hardness=st.floats(0, 1), level=st.floats(0, 0.99))
def test_hardness_goes_from_soft_to_binary(seed, hardness, level):
    soft = masks.ratio_masks(random_magnitudes(seed))["s0"]
    hard = masks.harden(soft, hardness, level)
    assert hard.dtype == np.float32
    assert hard.min() >= 0
    assert hard.max() <= 1
    # it moves away from the level, never towards or across it
    assert (np.sign(hard - np.float32(level)) * np.sign(soft - np.float32(level)) >= 0).all()
    assert (np.abs(hard - level) >= np.minimum(np.abs(soft - level), 1) - 1e-6).all()
    assert np.array_equal(masks.harden(soft, 0, level), soft)
    assert np.array_equal(masks.harden(soft, 1, level), masks.threshold(soft, level))


def test_hardened_masks_of_two_sources_keep_their_sum():
    found = masks.ratio_masks(random_magnitudes(3))
    steep = [masks.harden(mask, 0.7) for mask in found.values()]
    assert np.allclose(sum(steep), 1, atol=1e-6)


@lean
@given(seed=seeds, n_sources=counts, n_frames=st.integers(0, 9))
def test_smoothed_masks_keep_their_sum_and_range(seed, n_sources, n_frames):
    found = masks.ratio_masks(random_magnitudes(seed, n_sources, shape=(7, 3, 2)))
    smoothed = {name: masks.smooth(mask, n_frames) for name, mask in found.items()}
    assert np.allclose(stack(smoothed).sum(axis=-1), 1, atol=1e-5)
    for name, mask in smoothed.items():
        assert mask.shape == found[name].shape
        assert (mask >= found[name].min(axis=0) - 1e-6).all()
        assert (mask <= found[name].max(axis=0) + 1e-6).all()


def test_smoothing_spreads_a_flash_over_its_neighbours_alone():
    mask = np.zeros((11, 2, 1), np.float32)
    mask[5, 0] = 1
    smoothed = masks.smooth(mask, 2)[:, :, 0]
    assert np.allclose(smoothed[3:8, 0], np.array([0.25, 0.75, 1, 0.75, 0.25]) / 3, atol=1e-6)
    assert not smoothed[:3].any()
    assert not smoothed[:, 1].any()
    assert masks.smooth(mask, 0) is mask


@pytest.mark.parametrize(
    ("function", "values", "message"),
    [
        (masks.harden, (-0.1,), "hardness"),
        (masks.harden, (0.5, 1.0), "threshold"),
        (masks.smooth, (-1,), "n_frames"),
    ],
)
def test_what_is_out_of_range_is_refused(function, values, message):
    with pytest.raises(ParameterError, match=message):
        function(np.full((2, 2, 1), 0.5, np.float32), *values)


def test_a_borrowed_phase_leaves_the_magnitude():
    spectra = random_spectra(1)
    mixed = masks.with_phase(spectra["s0"], spectra["s1"])
    assert np.allclose(np.abs(mixed), np.abs(spectra["s0"]), rtol=1e-5)
    assert np.allclose(np.angle(mixed * spectra["s1"].conj()), 0, atol=1e-4)
    silent = masks.with_phase(spectra["s0"], np.zeros_like(spectra["s0"]))
    assert np.allclose(silent, np.abs(spectra["s0"]), rtol=1e-6)


def test_two_thresholded_masks_are_complementary():
    found = masks.ratio_masks(random_magnitudes(1))
    assert (sum(masks.threshold(mask) for mask in found.values()) == 1).all()


# --- Ideal masks ------------------------------------------------------------------------------

# bins: a alone louder; b and c together louder than a; a and b equal; silence
REFERENCES = {
    name: np.array(values, np.complex64).reshape(1, 4, 1)
    for name, values in {"a": [5, 4j, 2, 0], "b": [3j, -3, -2, 0], "c": [0, 3, 0, 0]}.items()
}


def test_ideal_binary_mask_compares_with_all_others_together():
    found = masks.ideal_binary_masks(REFERENCES)
    assert found["a"].ravel().tolist() == [1, 0, 0, 0]  # 16 is less than 9 + 9
    assert not found["b"].any()
    assert not found["c"].any()


def test_ideal_ratio_mask_is_the_ratio_of_magnitudes():
    assert np.allclose(
        masks.ideal_ratio_masks(REFERENCES, 1)["a"].ravel(), [5 / 8, 4 / 10, 0.5, 1 / 3]
    )
    assert np.allclose(
        masks.ideal_ratio_masks(REFERENCES)["a"].ravel(), [25 / 34, 16 / 34, 0.5, 1 / 3]
    )


# aligned, opposite, at right angles, louder than the mixture, silent mixture, silent both
SOURCE = np.array([1, -1, 1j, 3, 1, 0], np.complex64).reshape(1, 6, 1)
MIXTURE = np.array([2, 2, 2, 2, 0, 0], np.complex64).reshape(1, 6, 1)


def test_ideal_amplitude_mask():
    found = masks.ideal_amplitude_mask(SOURCE, MIXTURE).ravel()
    assert np.allclose(found, [0.5, 0.5, 0.5, 1, 0, 0])
    unlimited = masks.ideal_amplitude_mask(SOURCE, MIXTURE, limit=np.inf).ravel()
    assert np.allclose(unlimited, [0.5, 0.5, 0.5, 1.5, 0, 0])


def test_phase_sensitive_mask():
    found = masks.phase_sensitive_mask(SOURCE, MIXTURE).ravel()
    assert np.allclose(found, [0.5, 0, 0, 1, 0, 0])
    assert found.dtype == np.float32
    assert masks.phase_sensitive_mask(SOURCE, MIXTURE, limit=2).ravel()[3] == pytest.approx(1.5)


def test_masks_multiply_the_mixture_and_must_have_its_shape():
    mask = np.full(MIXTURE.shape, 0.25, np.float32)
    assert np.array_equal(masks.apply(mask, MIXTURE), MIXTURE / 4)
    assert masks.apply(mask, MIXTURE).dtype == np.complex64
    with pytest.raises(ParameterError, match="extend"):
        masks.apply(mask[:, :3], MIXTURE)


# --- Wiener filter ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("iterations", [1, 2])
@pytest.mark.parametrize("n_sources", [2, 4])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_wiener_is_norberts(dtype, iterations, n_sources, n_channels):
    sources = random_spectra(7, n_sources, n_channels, dtype=dtype)
    mixture = sum(sources.values())
    rng = np.random.default_rng(8)
    magnitudes = {
        name: np.abs(s) * rng.uniform(0.3, 3, s.shape).astype(np.abs(s).dtype)
        for name, s in sources.items()
    }
    kept = mixture.copy(), stack(magnitudes)
    found = stack(masks.wiener(magnitudes, mixture, iterations))
    assert np.array_equal(mixture, kept[0])
    assert np.array_equal(stack(magnitudes), kept[1])
    eps = np.finfo(np.float32).eps  # mssviz regularises as in single precision, always
    expected = norbert.wiener(stack(magnitudes), mixture.copy(), iterations, eps=eps)
    assert relative_error(found, expected) < 1e-3


def test_wiener_restores_the_mixture():
    sources = random_spectra(3, 3)
    mixture = sum(sources.values())
    found = masks.wiener({name: np.abs(s) for name, s in sources.items()}, mixture)
    assert relative_error(sum(found.values()), mixture) < 1e-2


@pytest.mark.parametrize("cut", [1, 13, 29])
def test_wiener_fitted_in_blocks_equals_fitted_in_whole(cut):
    sources = random_spectra(4)
    mixture = sum(sources.values())
    magnitudes = {name: np.abs(s) for name, s in sources.items()}

    def blocks():
        for part in (slice(None, cut), slice(cut, None)):
            yield {name: m[part] for name, m in magnitudes.items()}, mixture[part]

    model = masks.WienerModel.fit(blocks, iterations=2)
    parts = [stack(model.filter(*block)) for block in blocks()]
    expected = stack(masks.wiener(magnitudes, mixture, iterations=2))
    assert relative_error(np.concatenate(parts), expected) < 1e-5


def test_ideal_wiener_is_norberts_from_the_true_sources_and_beats_the_ratio_mask():
    sources = random_spectra(5, 3, n_frames=60)
    mixture = sum(sources.values())
    kept = mixture.copy(), stack(sources)
    found = stack(masks.ideal_wiener(sources, mixture))
    assert np.array_equal(mixture, kept[0])
    assert np.array_equal(stack(sources), kept[1])

    scale = max(1, np.abs(mixture).max() / 10)
    expected, _, _ = norbert.expectation_maximization(stack(sources) / scale, mixture / scale, 1)
    assert relative_error(found, expected * scale) < 1e-3

    ratio = stack(masks.ideal_ratio_masks(sources)) * mixture[..., None]
    for j in range(3):
        truth = stack(sources)[..., j]
        assert relative_error(found[..., j], truth) < 0.8 * relative_error(ratio[..., j], truth)


def test_wiener_of_silence_is_silence():
    silence = {name: np.zeros((3, 4, 2), np.float32) for name in ("a", "b")}
    mixture = np.zeros((3, 4, 2), np.complex64)
    for found in (
        masks.wiener(silence, mixture),
        masks.wiener({name: s + 1 for name, s in silence.items()}, mixture),
        masks.ideal_wiener({name: s.astype(np.complex64) for name, s in silence.items()}, mixture),
    ):
        assert not stack(found).any()


def test_wiener_takes_equal_channels_without_breaking():
    mono = random_spectra(6, n_channels=1)
    sources = {name: np.repeat(s, 2, axis=2) for name, s in mono.items()}
    mixture = sum(sources.values())
    found = stack(masks.wiener({name: np.abs(s) for name, s in sources.items()}, mixture))
    assert np.isfinite(found).all()
    assert relative_error(found.sum(axis=-1), mixture) < 1e-2


def test_wiener_needs_an_iteration():
    with pytest.raises(ParameterError, match="at least 1"):
        masks.wiener(random_magnitudes(0), np.ones((4, 6, 2), np.complex64), 0)
