import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import measures
from mssviz.errors import ParameterError

RATE = 44100
MEASURES = (
    measures.si_sdr,
    measures.sd_sdr,
    measures.mse_db,
    lambda s, e: measures.log_spectral_distance(s, e, RATE),
)


def noise(seed=0, n_samples=20_000, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((n_samples, 2))).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), gain=st.floats(0.05, 4))
def test_si_sdr_ignores_a_gain_and_sd_sdr_does_not(seed, gain):
    s = noise(seed)
    e = s + 0.3 * noise(seed + 1)
    changed = np.float32(gain) * e
    assert measures.si_sdr(s, changed) == pytest.approx(measures.si_sdr(s, e), abs=1e-3)
    assert measures.sd_sdr(s, changed) <= measures.si_sdr(s, changed) + 1e-6


def test_sd_sdr_is_the_formula_and_punishes_a_soft_stem():
    s = noise()
    e = 0.5 * s
    assert measures.sd_sdr(s, e) == pytest.approx(0, abs=1e-3)  # 0.25 / 0.25
    assert measures.sd_sdr(s, 2 * s) == pytest.approx(10 * np.log10(4), abs=1e-3)


def test_mse_is_a_level_of_the_error():
    s = noise()
    assert measures.mse_db(s, s) == -np.inf
    assert measures.mse_db(s, s + np.float32(0.01)) == pytest.approx(-40, abs=1e-3)


def test_log_spectral_distance_is_a_gain_in_db_and_blind_to_phase():
    s = noise(n_samples=200_000)
    assert measures.log_spectral_distance(s, s, RATE) == 0
    found = measures.log_spectral_distance(s, 0.5 * s, RATE)
    assert found == pytest.approx(6.02, abs=0.1)  # but for the empty frames at either end
    assert measures.log_spectral_distance(s, -s, RATE) == 0
    assert np.isnan(measures.log_spectral_distance(0 * s, s, RATE))


def test_silence_has_no_ratio():
    s = noise()
    for measure in (measures.si_sdr, measures.sd_sdr):
        assert np.isnan(measure(s, 0 * s))
        assert np.isnan(measure(0 * s, s))
        assert measure(s, s) == np.inf or measure(s, s) > 120


@given(order=st.permutations(range(4)))
@settings(deadline=None, max_examples=24)
def test_stems_without_labels_find_their_references(order):
    references = {f"r{i}": noise(i) for i in range(4)}
    estimates = {f"e{k}": noise(i) + 0.5 * noise(10 + i) for k, i in enumerate(order)}
    found = measures.best_permutation(references, estimates)
    assert found == {f"r{i}": f"e{order.index(i)}" for i in range(4)}


def test_a_silent_stem_is_left_for_last():
    references = {"a": noise(0), "b": noise(1)}
    found = measures.best_permutation(references, {"x": 0 * noise(), "y": noise(0)})
    assert found == {"a": "y", "b": "x"}
    with pytest.raises(ParameterError, match="as many"):
        measures.best_permutation(references, {"x": noise()})


def test_stems_are_described_without_true_ones():
    t = np.arange(3 * RATE)[:, None] / RATE
    low = np.repeat(0.1 * np.sin(2 * np.pi * 200 * t), 2, axis=1).astype(np.float32)
    high = noise(n_samples=3 * RATE, level=0.05)
    bleeding = (0.5 * low + 0.1 * high).astype(np.float32)
    mixture = low + high
    table = measures.describe({"low": low, "high": high, "bleeding": bleeding}, mixture, RATE)
    assert table["share"].sum() == pytest.approx(1)
    assert table.loc["low", "level_db"] == pytest.approx(-23, abs=0.1)
    assert table.loc["low", "bandwidth"] == pytest.approx(200, abs=25)
    assert table.loc["high", "bandwidth"] > 20_000
    assert table.loc["low", "alike_to"] == "bleeding"
    assert table.loc["low", "alike"] > 0.9 > table.loc["high", "alike"]
    exact = measures.describe({"low": low, "high": high}, mixture, RATE)
    assert exact.attrs["residual_db"] < -120


@pytest.mark.parametrize("measure", MEASURES)
def test_shapes_must_agree(measure):
    with pytest.raises(ParameterError, match="differ in shape"):
        measure(noise(), noise()[:-1])
