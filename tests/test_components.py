import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mssviz
from mssviz import bss_eval, datasets, metrics
from mssviz.errors import AudioError, ParameterError
from mssviz.scores import decompose, residual

RATE = 8000
NAMES = ["target", "spatial", "interference", "artefacts"]


def noise(n_samples=3 * RATE, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((n_samples, n_channels))).astype(np.float32)


def pair(n_samples=3 * RATE, n_channels=2, names=("vocals", "other"), seed=0):
    """True sources and estimates with leakage, filtering and noise."""
    true = {name: noise(n_samples, n_channels, seed + i) for i, name in enumerate(names)}
    total = sum(true.values())
    estimates = {
        name: (0.8 * w + 0.1 * (i + 1) * total + 0.1 * np.roll(w, 3, axis=0)).astype(np.float32)
        + np.float32(0.1) * noise(n_samples, n_channels, seed + 10 + i)
        for i, (name, w) in enumerate(true.items())
    }
    return true, estimates


def stacked(signals):
    return np.stack(list(signals.values())).astype(float)


def music(example, n_channels):
    """Spleeter-like targets of the shipped excerpt, and masks' estimates of them."""
    _, sources = example
    true = datasets.to_targets(sources, ("vocals", "accompaniment"))
    true = {name: w[-3 * 44100 :, :n_channels] for name, w in true.items()}
    estimates = {name: (0.7 * w).astype(np.float32) for name, w in true.items()}
    estimates["vocals"] += np.float32(0.2) * true["accompaniment"]
    return true, {
        name: w + np.float32(1e-3) * noise(len(w), n_channels) for name, w in estimates.items()
    }


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("target", [0, 1])
def test_the_tracks_are_musevals(n_channels, target):
    true, estimates = pair(6000, n_channels)
    references = stacked(true)
    museval = metrics._museval_metrics()
    G, sf = museval._compute_reference_correlations(references, 512)
    estimate = stacked(estimates)[target]
    C = museval._compute_projection_filters(G, sf, estimate)
    own = (slice(target, target + 1),) * 2
    Cj = museval._compute_projection_filters(G[own], sf[target : target + 1], estimate)
    expected = museval._bss_decomp_mtifilt(references, estimate, target, C, Cj)
    name = list(true)[target]
    found = decompose(true, estimates, RATE).of(name).tracks
    assert list(found) == NAMES
    for ours, theirs in zip(found.values(), expected, strict=True):
        assert ours.shape == theirs.shape == (6000 + 511, n_channels)
        assert np.allclose(ours, theirs, atol=1e-6)


@settings(deadline=None, max_examples=8)
@given(
    n_samples=st.integers(2000, 9000),
    n_channels=st.integers(1, 2),
    version=st.sampled_from([3, 4]),
    seed=st.integers(0, 1000),
)
def test_the_tracks_add_up_to_the_estimate(n_samples, n_channels, version, seed):
    true, estimates = pair(n_samples, n_channels, seed=seed)
    decomposition = decompose(true, estimates, RATE, version=version)
    for target, estimate in estimates.items():
        tracks = decomposition.of(target).tracks
        total = np.sum(list(tracks.values()), axis=0, dtype=float)
        assert np.allclose(total[:n_samples], estimate, atol=1e-7)
        assert np.allclose(total[n_samples:], 0, atol=1e-7)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_every_window_has_the_scores_that_evaluate_gives(example, n_channels):
    true, estimates = music(example, n_channels)
    table = mssviz.evaluate(true, estimates, 44100, window=0.7, hop=0.5)
    decomposition = decompose(true, estimates, 44100)
    for _, row in table.iterrows():
        parts = decomposition.of(row["target"], row["time"], row["time"] + 0.7)
        assert list(parts.scores) == ["SDR", "ISR", "SIR", "SAR"]
        for measure, value in parts.scores.items():
            assert value == pytest.approx(row[measure], abs=1e-6)
    whole = mssviz.evaluate(true, estimates, 44100, window=np.inf).set_index("target")
    for measure, value in decomposition.of("vocals").scores.items():
        assert value == pytest.approx(whole.loc["vocals", measure], abs=1e-6)


def test_version_3_fits_each_window_and_has_no_spatial_error():
    true, estimates = pair()
    expected = bss_eval.bss_eval_sources(stacked(true), stacked(estimates), RATE, RATE)
    decomposition = decompose(true, estimates, RATE, version=3)
    for second in range(3):
        for j, target in enumerate(true):
            parts = decomposition.of(target, second, second + 1)
            assert list(parts.tracks) == ["target", "interference", "artefacts"]
            assert list(parts.scores) == ["SDR", "SIR", "SAR"]
            for found, values in zip(parts.scores.values(), expected, strict=True):
                assert found == pytest.approx(values[j, second], abs=1e-6)


def test_dithered_tracks_have_the_dithered_scores():
    true, estimates = pair()
    expected = mssviz.evaluate(true, estimates, RATE, dither_db=-50).set_index(["target", "time"])
    parts = decompose(true, estimates, RATE, dither_db=-50).of("other", 1, 2)
    for measure, value in parts.scores.items():
        assert value == pytest.approx(expected.loc[("other", 1.0), measure], abs=1e-6)


def test_each_kind_of_error_is_in_its_own_track():
    true, _ = pair()
    heard = {**true, "vocals": (0.5 * true["vocals"] + 0.25 * true["other"]).astype(np.float32)}
    tracks = decompose(true, heard, RATE).of("vocals").tracks
    n = len(true["vocals"])
    assert np.array_equal(tracks["target"][:n], true["vocals"])
    # filters of so short a sound find a little of the other stem in their own by chance
    for name, stem in (("spatial", -0.5 * true["vocals"]), ("interference", 0.25 * true["other"])):
        assert np.square(tracks[name][:n] - stem).sum() < 0.06 * np.square(stem).sum()
    assert np.abs(tracks["artefacts"]).max() < 1e-6


def test_silence_has_no_scores_as_in_evaluate():
    true, estimates = pair(names=("vocals", "drums", "other"))
    true["drums"][:] = 0
    true["other"][:RATE] = 0
    estimates["other"][:] = 0
    table = mssviz.evaluate(true, estimates, RATE).set_index(["target", "time"])
    decomposition = decompose(true, estimates, RATE)
    assert decomposition.targets == ("vocals", "other")
    for target in decomposition.targets:
        for second in range(3):
            parts = decomposition.of(target, second, second + 1)
            for measure, value in parts.scores.items():
                expected = table.loc[(target, float(second)), measure]
                assert value == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert not np.isnan(decomposition.of("vocals", 1, 2).scores["SIR"])
    with pytest.raises(ParameterError, match="vocals, other, which are not silent"):
        decomposition.of("drums")


def test_one_stem_alone_has_tracks_but_no_scores():
    true, estimates = pair()
    true["other"][:] = 0
    parts = decompose(true, estimates, RATE).of("vocals")
    assert np.isnan(list(parts.scores.values())).all()
    assert np.allclose(sum(parts.tracks.values())[: 3 * RATE], estimates["vocals"], atol=1e-6)


def test_what_does_not_fit_is_refused():
    true, estimates = pair()
    with pytest.raises(ParameterError, match="3 or 4"):
        decompose(true, estimates, RATE, version=5)
    with pytest.raises(ParameterError, match="silent"):
        decompose({name: 0 * w for name, w in true.items()}, estimates, RATE)
    with pytest.raises(AudioError, match="sample_rate"):
        decompose(true, estimates, 0)
    decomposition = decompose(true, estimates, RATE)
    for window in ((-1, 2), (1, 1), (2, 9), (np.nan, 1), (0, np.inf)):
        with pytest.raises(ParameterError, match=r"from 0 to 3\.00"):
            decomposition.of("vocals", *window)


def test_inputs_are_not_changed():
    true, estimates = pair()
    kept = [w.copy() for w in (*true.values(), *estimates.values())]
    decompose(true, estimates, RATE).of("vocals")
    for w, before in zip((*true.values(), *estimates.values()), kept, strict=True):
        assert np.array_equal(w, before)


def test_the_residual_is_what_no_stem_has():
    mixture, a, b = noise(seed=1), noise(seed=2), noise(seed=3)
    left = residual(mixture, {"a": a, "b": b})
    assert np.allclose(left, mixture.astype(float) - a - b, atol=1e-7)
    assert left.dtype == np.float32
    with pytest.raises(ParameterError, match="the mixture's shape"):
        residual(mixture, {"a": a[:-1]})
