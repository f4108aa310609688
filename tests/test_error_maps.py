import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import scores
from mssviz.errors import ParameterError
from mssviz.scores import costliest, error_map, repaired, where_better
from mssviz.stft import StftParams, istft, stft

RATE = 44100
GRIDS = (
    StftParams(),
    StftParams(RATE, 512, 128),
    StftParams(8000, 250, 50),
    StftParams(8000, 63, 9),
)


def noise(n_samples=RATE, n_channels=2, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((n_samples, n_channels))).astype(np.float32)


def energy(x):
    return np.square(x.astype(np.float64)).sum()


def plain_sdr(true, found):
    return 10 * np.log10(energy(true) / energy(found.astype(np.float64) - true))


def total(frames):
    return np.abs(frames[:].astype(np.float64)).sum()


def tone(start, stop, hertz, seconds=4.0, level=0.1):
    t = np.arange(round(seconds * RATE)) / RATE
    shape = (t >= start) & (t < stop)
    return np.repeat((level * np.sin(2 * np.pi * hertz * t) * shape)[:, None], 2, 1).astype("f4")


# --- The sum ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    n_samples=st.integers(1, 6000),
    n_channels=st.integers(1, 2),
    params=st.sampled_from(GRIDS),
    mistake=st.floats(1e-4, 3),
    gain=st.floats(0, 2),
    seed=st.integers(0, 1000),
)
def test_the_bins_add_up_to_the_whole_error(n_samples, n_channels, params, mistake, gain, seed):
    true = noise(n_samples, n_channels, seed)
    found = np.float32(gain) * true + np.float32(mistake) * noise(n_samples, n_channels, seed + 1)
    found = found.astype(np.float32)
    whole = energy(found.astype(np.float64) - true)
    errors = error_map(true, found, params)
    assert errors.error == pytest.approx(whole, rel=1e-12)
    assert errors.sdr == pytest.approx(plain_sdr(true, found), abs=1e-9)
    assert total(errors.signed) == pytest.approx(whole, rel=1e-6)
    assert errors.too_much + errors.missing == pytest.approx(1, abs=1e-12)
    assert 0 <= errors.phase < 1
    assert total(errors.level) == pytest.approx((1 - errors.phase) * whole, rel=1e-6)


def test_a_bin_is_what_scipy_says_it_is():
    """Level and phase against another STFT, bin by bin, away from the edges."""
    n_fft, hop = 512, 128
    true, found = noise(8000), noise(8000, seed=1)
    window = scipy.signal.get_window("hann", n_fft)
    x, y = (
        np.stack(
            [np.fft.rfft(window[:, None] * w[s : s + n_fft], axis=0) for s in range(0, 4000, hop)]
        )
        for w in (true.astype(float), found.astype(float))
    )
    weights = np.full(n_fft // 2 + 1, 2.0)
    weights[[0, -1]] = 1
    scale = weights[:, None] / n_fft / np.square(window).reshape(-1, hop).sum(axis=0).mean()
    level = (np.abs(y) - np.abs(x)) ** 2
    phase = 2 * np.abs(x) * np.abs(y) * (1 - np.cos(np.angle(y) - np.angle(x)))
    errors = error_map(true, found, StftParams(RATE, n_fft, hop))
    first = n_fft // hop  # the frame that begins with the first sample
    frames = slice(first, first + len(x))
    sign = np.sign(np.abs(y) - np.abs(x))
    assert np.allclose(errors.level[frames], sign * scale * level, rtol=1e-4, atol=1e-9)
    assert np.allclose(errors.signed[frames], sign * scale * (level + phase), rtol=1e-4, atol=1e-9)


def test_a_wrong_level_is_no_wrong_phase_and_the_reverse():
    true = noise()
    soft = error_map(true, 0.5 * true)
    assert soft.missing == 1
    assert soft.phase == pytest.approx(0, abs=1e-9)
    turned = error_map(true, -true)
    assert turned.phase == pytest.approx(1, abs=1e-6)
    loud = error_map(true, 2 * true)
    assert loud.too_much == 1
    assert (loud.level[:] >= 0).all()


def test_silence_and_copies_have_no_shares():
    true = noise()
    copy = error_map(true, true)
    assert copy.sdr == np.inf
    assert np.isnan([copy.too_much, copy.missing, copy.phase]).all()
    assert costliest(copy) == []
    silent = error_map(0 * true, true)
    assert np.isnan(silent.sdr)
    assert silent.too_much == 1
    assert error_map(true, 0 * true).missing == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ParameterError, match="differ in shape"):
        error_map(noise(), noise(n_channels=1))
    with pytest.raises(ParameterError, match="StftParams"):
        error_map(noise(), noise(), 2048)
    for n in (0, 2.5, "3"):
        with pytest.raises(ParameterError, match="1 or more"):
            costliest(error_map(noise(), noise(seed=1)), n)
    others = costliest(error_map(noise(), noise(seed=1)))
    coarse = error_map(noise(), noise(seed=1), StftParams(RATE, 512, 128))
    with pytest.raises(ParameterError, match="regions must be of this map"):
        repaired(coarse, others)
    with pytest.raises(ParameterError, match="error_map"):
        costliest(noise())


# --- Regions ----------------------------------------------------------------------------------


def test_a_hole_and_a_leak_are_found_where_they_are():
    song = tone(0, 4, 300) + noise(4 * RATE, level=0.001)
    found = song - tone(1, 2, 300) + tone(2.5, 3, 2000, level=0.05)
    hole, leak = costliest(error_map(song, found))[:2]
    assert (hole.kind, leak.kind) == ("missing", "too much")
    assert (hole.start, hole.stop) == pytest.approx((1, 2), abs=0.1)
    assert hole.low < 300 < hole.high < 400
    assert (leak.start, leak.stop) == pytest.approx((2.5, 3), abs=0.1)
    assert 1800 < leak.low < 2000 < leak.high < 2200
    assert 0.7 < hole.share < 8 / 9  # 1 s at 0.1, beside half a second at 0.05
    assert hole.box == (hole.start, hole.stop, hole.low, hole.high)


def test_repairing_a_region_brings_what_was_promised_or_more(example):
    mixture, sources = example
    true = sources["vocals"][: 6 * RATE]
    errors = error_map(true, 0.6 * mixture[: 6 * RATE])
    regions = costliest(errors, 5)
    assert len(regions) == 5
    shares = [region.share for region in regions]
    assert shares == sorted(shares, reverse=True)
    for region in regions:
        expected = energy(errors.estimate.astype(np.float64) - true) * (1 - region.share)
        left = energy(repaired(errors, [region]).astype(np.float64) - true)
        assert 0.8 * expected < left <= expected * (1 + 1e-6)
        assert region.gain_db == pytest.approx(-10 * np.log10(1 - region.share))
    left = energy(repaired(errors, regions).astype(np.float64) - true)
    assert left <= energy(errors.estimate.astype(np.float64) - true) * (1 - sum(shares))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), n_samples=st.integers(2000, 60_000), mistake=st.floats(0.01, 2))
def test_regions_do_not_overlap_and_keep_their_promise(seed, n_samples, mistake):
    params = StftParams(RATE, 1024, 256)
    true = noise(n_samples, 1, seed)
    errors = error_map(true, (true + mistake * noise(n_samples, 1, seed + 1)).astype("f4"), params)
    regions = costliest(errors, 8)
    covered = np.zeros(errors.signed.shape[:2], int)
    for region in regions:
        n_frames, n_bins = region.inside.shape
        frames = slice(region.first_frame, region.first_frame + n_frames)
        bins = slice(region.first_bin, region.first_bin + n_bins)
        covered[frames, bins] += region.inside
        held = total(errors.signed[frames, bins][region.inside])
        assert region.share == pytest.approx(held / errors.error, rel=1e-5)
        assert region.start <= region.stop <= n_samples / RATE
    assert covered.max() == 1
    promised = errors.error * (1 - sum(region.share for region in regions))
    left = energy(repaired(errors, regions).astype(np.float64) - true)
    assert left <= promised * (1 + 1e-5) + 1e-12


def test_nothing_repaired_is_the_estimate_and_everything_the_true_stem():
    true, found = noise(RATE + 7), noise(RATE + 7, seed=1)
    errors = error_map(true, found)
    assert np.allclose(repaired(errors, []), found, atol=1e-6)
    [region, *_] = costliest(errors, 1)
    shape = errors.signed.shape[:2]
    everything = scores.Region(*region.box, 1.0, "missing", np.inf, 0, 0, np.ones(shape, bool))
    assert np.allclose(repaired(errors, [everything]), true, atol=1e-6)


# --- Two estimates ----------------------------------------------------------------------------


def test_where_one_estimate_is_better_than_another():
    true = tone(0, 4, 300) + noise(4 * RATE, level=0.001)
    early, late = true - 0.5 * tone(0, 2, 300), true - tone(2, 4, 300)
    first, second = error_map(true, early), error_map(true, late)
    found = where_better(first, second)
    assert found.total_db == pytest.approx(plain_sdr(true, early) - plain_sdr(true, late), abs=1e-6)
    assert found.gained - found.lost == pytest.approx(second.error - first.error, rel=1e-6)
    difference = found.difference[:].astype(np.float64)
    assert difference.sum() == pytest.approx(second.error - first.error, rel=1e-5)
    middle = len(difference) // 2
    assert difference[: middle - 4].sum() < 0 < difference[middle + 4 :].sum()
    assert found.best_of_both_db > 20


def test_a_choice_of_the_better_bins_is_at_least_so_good():
    true = noise()
    estimates = [(true + 0.5 * noise(seed=i)).astype(np.float32) for i in (1, 2)]
    maps = [error_map(true, found) for found in estimates]
    spectra = [stft(found, StftParams()) for found in estimates]
    better = np.abs(maps[0].signed[:]) < np.abs(maps[1].signed[:])
    chosen = istft(np.where(better, *spectra), StftParams(), len(true))
    assert plain_sdr(true, chosen) >= where_better(*maps).best_of_both_db
    assert where_better(*maps).best_of_both_db > max(m.sdr for m in maps) + 1


def test_maps_of_different_stems_are_not_compared():
    true = noise()
    errors = error_map(true, noise(seed=1))
    for other in (
        error_map(noise(seed=2), true),
        error_map(true, noise(seed=1), StftParams(RATE, 2048, 512)),
    ):
        with pytest.raises(ParameterError, match="one true stem on one grid"):
            where_better(errors, other)
    with pytest.raises(ParameterError, match=r"from scores\.error_map"):
        where_better(errors, true)
