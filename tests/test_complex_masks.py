"""Complex masks: what they are, what their parts do, and that they are heard so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import masks
from mssviz.errors import ParameterError
from mssviz.separation import COMPLEX_MASK, MAGNITUDE, MASK, SPECTRUM
from mssviz.separation.editing import Stroke
from mssviz.separation.laboratory import Laboratory
from mssviz.stft import istft, stft_frames
from tests.test_prediction import separation

lean = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)
TURNING = [COMPLEX_MASK, SPECTRUM]


def random_spectra(seed, shape=(5, 9, 2)):
    """Estimate and mixture of levels far apart, each silent in some bins, both in a few."""
    rng = np.random.default_rng(seed)

    def spectrum():
        level = 10 ** rng.uniform(-4, 4, shape) * (rng.uniform(size=shape) > 0.2)
        return (level * np.exp(2j * np.pi * rng.uniform(size=shape))).astype(np.complex64)

    return spectrum(), spectrum()


def assert_turned_alike(first, second):
    """Phases agree, where there are any."""
    product = first * np.conj(second)
    assert np.allclose(np.angle(product)[np.abs(product) > 0], 0, atol=1e-4)


# --- The mask, and its parts ------------------------------------------------------------------


@lean
@given(seed=seeds)
def test_the_whole_mask_makes_the_estimate_and_nothing_is_told_of_silence(seed):
    estimate, mixture = random_spectra(seed)
    kept = estimate.copy(), mixture.copy()
    mask = masks.complex_mask(estimate, mixture)
    assert mask.dtype == np.complex64
    silent = np.abs(mixture) <= 1e-5
    assert np.array_equal(np.isnan(mask), silent)
    assert np.allclose((mask * mixture)[~silent], estimate[~silent], rtol=1e-5, atol=0)
    assert np.array_equal(masks.apply_part(estimate, mixture), estimate)
    assert all(map(np.array_equal, (estimate, mixture), kept))


@lean
@given(seed=seeds)
def test_the_magnitude_alone_has_the_estimates_level_and_the_mixtures_phase(seed):
    estimate, mixture = random_spectra(seed)
    found = masks.apply_part(estimate, mixture, "magnitude")
    sound = mixture != 0
    assert found.dtype == np.complex64
    assert np.allclose(np.abs(found)[sound], np.abs(estimate)[sound], rtol=1e-5)
    assert_turned_alike(found, mixture)
    assert not found[~sound].any()  # no mask makes anything of nothing
    size = np.abs(masks.complex_mask(estimate, mixture))
    assert np.allclose(found[sound], (size * mixture)[sound], rtol=1e-5, atol=0)


@lean
@given(seed=seeds)
def test_the_turn_alone_has_the_mixtures_level_and_the_estimates_phase(seed):
    estimate, mixture = random_spectra(seed)
    found = masks.apply_part(estimate, mixture, "turn")
    assert found.dtype == np.complex64
    assert np.allclose(np.abs(found), np.abs(mixture), rtol=1e-5)
    assert_turned_alike(found, estimate)
    assert np.array_equal(found[estimate == 0], mixture[estimate == 0])


@lean
@given(seed=seeds)
def test_a_mask_that_turns_nothing_is_its_magnitude(seed):
    _, mixture = random_spectra(seed)
    share = np.random.default_rng(seed).uniform(0.1, 1, mixture.shape).astype(np.float32)
    estimate = masks.apply(share, mixture)
    sound = mixture != 0
    mask = masks.complex_mask(estimate, mixture)[sound]
    assert np.allclose(mask, share[sound], atol=1e-6)
    for part, expected in {"magnitude": estimate, "turn": mixture}.items():
        assert np.allclose(masks.apply_part(estimate, mixture, part), expected, rtol=1e-5)


@pytest.mark.parametrize("function", [masks.complex_mask, masks.apply_part])
def test_spectra_of_other_shapes_are_refused(function):
    with pytest.raises(ParameterError, match="one shape"):
        function(np.ones((2, 3, 1), np.complex64), np.ones((2, 4, 1), np.complex64))


def test_parts_that_there_are_not_are_refused():
    one = np.ones((1, 1, 1), np.complex64)
    with pytest.raises(ParameterError, match=r"whole, magnitude, turn \(got 'phase'\)"):
        masks.apply_part(one, one, "phase")


# --- Of a separation --------------------------------------------------------------------------


def spectrum_of(found, target):
    """STFT of a stem as a model gives it, before any part is chosen."""
    return np.concatenate([found.masker.spectra(s)[target] for s in found.segments()])


@pytest.mark.parametrize("kind", TURNING, ids=lambda kind: kind.name)
def test_a_model_that_turns_the_phase_has_complex_masks(kind):
    found = separation(kind)
    mixture = np.asarray(found.mixture_stft)
    mask = found.complex_masks["vocals"]
    assert list(found.complex_masks) == list(found.targets)
    assert mask.shape == mixture.shape
    expected = masks.complex_mask(spectrum_of(found, "vocals"), mixture)
    assert np.array_equal(mask[:], expected, equal_nan=True)
    assert np.array_equal(mask[3:9], expected[3:9], equal_nan=True)
    assert np.nanmax(np.abs(expected)) > 1
    assert np.nanstd(np.angle(expected)) > 0.1


@pytest.mark.parametrize("kind", [MAGNITUDE, MASK], ids=lambda kind: kind.name)
def test_of_masks_there_is_a_complex_one_with_the_wiener_filter_alone(kind):
    assert separation(kind).complex_masks == {}
    found = separation(kind, mwf=1)
    mask = found.complex_masks["vocals"][:]
    expected = masks.complex_mask(spectrum_of(found, "vocals"), np.asarray(found.mixture_stft))
    assert np.array_equal(mask, expected, equal_nan=True)
    assert np.nanmax(np.abs(np.angle(mask))) > 0.1


# --- In the laboratory ------------------------------------------------------------------------


def heard_with(laboratory, **options):
    """Stems with some options, by target."""
    laboratory.set_options(**options)
    for frames in laboratory.parts():
        laboratory.remask(frames)
        laboratory.resound(frames)
    return {target: stem.copy() for target, stem in laboratory.estimates.items()}


def expected_of(found, part):
    mixture = np.asarray(found.mixture_stft)
    return {
        target: istft(
            masks.apply_part(spectrum_of(found, target), mixture, part),
            found.preset.stft,
            len(found.mixture),
        )
        for target in found.targets
    }


def assert_sound(stems, expected):
    for target, stem in stems.items():
        assert np.allclose(stem, expected[target], rtol=0, atol=1e-6)


@pytest.mark.parametrize("part", masks.PARTS)
@pytest.mark.parametrize("kind", TURNING, ids=lambda kind: kind.name)
def test_every_part_of_the_mask_is_heard(kind, part):
    found = separation(kind)
    laboratory = Laboratory(found)
    stems = heard_with(laboratory, mask_part=part)
    assert_sound(stems, expected_of(found, part))
    heard = laboratory.heard
    assert all(np.array_equal(heard.estimates[t], stem) for t, stem in stems.items())
    if part != "whole":
        assert not np.allclose(stems["vocals"], expected_of(found, "whole")["vocals"], atol=1e-3)
    assert_sound(heard_with(laboratory), expected_of(found, "whole"))


def test_the_part_stays_when_what_is_heard_gets_other_options():
    laboratory = Laboratory(separation(COMPLEX_MASK))
    heard_with(laboratory, mask_part="magnitude")
    narrow = laboratory.heard.with_options(bandwidth=4000.0)
    expected = expected_of(separation(COMPLEX_MASK, bandwidth=4000.0), "magnitude")
    assert_sound(narrow.estimates, expected)


def test_the_wiener_filter_has_parts_as_long_as_it_is_on():
    laboratory = Laboratory(separation(MAGNITUDE))
    stems = heard_with(laboratory, mask_part="turn", mwf=1)
    assert_sound(stems, expected_of(separation(MAGNITUDE, mwf=1), "turn"))
    with pytest.raises(ParameterError, match=r"some: its masks lie in \[0, 1\].*'turn'"):
        laboratory.set_options(mask_part="turn", mwf=0)
    assert laboratory.separation.options.mwf == 1  # nothing has changed
    assert_sound(laboratory.heard.with_options(mwf=0).estimates, separation(MAGNITUDE).estimates)


@pytest.mark.parametrize("kind", [MAGNITUDE, MASK], ids=lambda kind: kind.name)
def test_masks_without_a_turn_have_no_parts(kind):
    laboratory = Laboratory(separation(kind))
    for part in ("magnitude", "turn"):
        with pytest.raises(ParameterError, match="leave it at 'whole'"):
            laboratory.set_options(mask_part=part)
    with pytest.raises(ParameterError, match=r"mask part is one of .*'all'"):
        laboratory.set_options(mask_part="all")
    assert laboratory.mask_part == "whole"


def test_strokes_replace_the_complex_mask_and_undo_brings_its_part_back():
    found = separation(SPECTRUM)
    laboratory = Laboratory(found)
    before = heard_with(laboratory, mask_part="turn")
    laboratory.editor.apply(Stroke("vocals", "erase", [(0.2, 800.0), (0.6, 800.0)]))
    painted = heard_with(laboratory, mask_part="turn")
    mixture = np.asarray(found.mixture_stft)
    for target, mask in laboratory.editor.masks.items():
        expected = istft(masks.apply(mask, mixture), found.preset.stft, len(found.mixture))
        assert np.allclose(painted[target], expected, rtol=0, atol=1e-6)
    laboratory.editor.undo()
    assert_sound(heard_with(laboratory, mask_part="turn"), before)


def test_the_true_phase_comes_after_the_part():
    found = separation(SPECTRUM)
    true = {t: stem[::-1].copy() for t, stem in found.estimates.items()}
    stems = heard_with(Laboratory(found, true), mask_part="magnitude", oracle_phase=True)
    mixture, params = np.asarray(found.mixture_stft), found.preset.stft
    for target, stem in stems.items():
        level = masks.apply_part(spectrum_of(found, target), mixture, "magnitude")
        spectrum = masks.with_phase(level, stft_frames(true[target], params)[:])
        assert np.allclose(stem, istft(spectrum, params, len(stem)), rtol=0, atol=1e-6)
