import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import bss_eval, datasets, metrics
from mssviz.errors import Cancelled, ParameterError
from mssviz.scores import projection

pytestmark = pytest.mark.slow


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def leaking(references, leakage=0.1, seed=1):
    """Estimates with the other sources, filtering and noise in them."""
    mixture = references.sum(axis=0)
    filtered = 0.8 * references + 0.1 * np.roll(references, 3, axis=1)
    return filtered + leakage * mixture + 0.02 * noise(*references.shape, seed=seed)


def assert_agree(found, expected):
    """NaN in the same places, and finite values below 60 dB within 0.01 dB."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        compared = np.abs(theirs) < 60
        assert np.allclose(ours[compared], theirs[compared], rtol=0, atol=0.01)
        assert (ours[theirs >= 60] > 59).all()


def assert_as_museval(references, estimates, window, hop):
    museval = metrics._museval_metrics()
    expected = museval.bss_eval(references, estimates, window=window, hop=hop)
    assert_agree(bss_eval.bss_eval_images(references, estimates, window, hop), expected[:4])


# --- Images, version 4 ------------------------------------------------------------------------


@settings(deadline=None, max_examples=10)
@given(
    shape=st.sampled_from([(1, 1), (2, 1), (3, 1), (2, 2), (1, 3)]),
    n_samples=st.integers(4000, 9000),
    window=st.integers(10, 10_000),
    hop=st.integers(400, 3000),
    leakage=st.floats(0.01, 1),
    silent=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_scores_are_musevals(shape, n_samples, window, hop, leakage, silent, seed):
    n_sources, n_channels = shape
    references = noise(n_sources, n_samples, n_channels, seed=seed)
    estimates = leaking(references, leakage, seed + 1)
    if silent:
        references[0, n_samples // 4 : n_samples // 2] = 0
        estimates[-1, : n_samples // 5] = 0
    assert_as_museval(references, estimates, window, hop)


@pytest.mark.parametrize(
    ("targets", "n_channels"),
    [(("vocals", "accompaniment"), 1), (("vocals", "accompaniment"), 2), (None, 1), (None, 2)],
    ids=["2 mono", "2 stereo", "4 mono", "4 stereo"],
)
def test_scores_of_music_are_musevals(example, targets, n_channels):
    _, sources = example
    if targets:
        sources = datasets.to_targets(sources, targets)
    else:
        sources = {**sources, "more": sources["other"][::-1]}
    references = np.stack([w[-70_000:, :n_channels] for w in sources.values()]).astype(float)
    assert_as_museval(references, leaking(references), 22_050, 22_050)


def test_a_signal_shorter_than_a_block_is_measured_whole():
    references = noise(2, 700, 1)
    assert_as_museval(references, leaking(references), 5000, 5000)
    found = bss_eval.bss_eval_images(references, leaking(references))
    assert np.shape(found) == (4, 2, 1)


def test_a_long_window_is_the_same_in_pieces():
    """One window of many pieces, against museval's single transform."""
    references = noise(2, 60_000, 1)
    estimates = leaking(references)
    expected = metrics._museval_metrics().bss_eval(references, estimates, np.inf, np.inf)
    found = bss_eval.bss_eval_images(references, estimates)
    for ours, theirs in zip(found, expected[:4], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-9)


def test_only_windows_with_silence_have_no_score():
    references = noise(2, 6000, 2)
    estimates = leaking(references)
    estimates[0, 2000:3001] = 0
    estimates[1, :, 1] = -estimates[1, :, 0]  # cancel each other, but are not silent
    for measure in bss_eval.bss_eval_images(references, estimates, 1000, 500):
        silent = np.isnan(measure)
        assert np.flatnonzero(silent[0]).tolist() == [4]
        assert np.array_equal(silent[0], silent[1])
    references[0] = 0
    assert np.isnan(bss_eval.bss_eval_images(references, estimates, 1000)).all()


def test_errors_of_one_kind_show_in_their_measure_alone():
    references = noise(2, 8000, 2)
    sdr, isr, sir, sar = bss_eval.bss_eval_images(references, references)
    assert np.isinf(sdr).all()
    filtered = 0.5 * references + 0.4 * np.pad(references, ((0, 0), (500, 0), (0, 0)))[:, :8000]
    sdr, isr, sir, sar = bss_eval.bss_eval_images(references, filtered)
    assert np.allclose(sdr, 10 * np.log10(1 / (0.5**2 + 0.4**2)), atol=0.5)
    assert np.allclose(isr, sdr, atol=0.5)
    assert (sir > 15).all()
    leaked = references + 0.1 * references[::-1]
    sdr, isr, sir, sar = bss_eval.bss_eval_images(references, leaked)
    assert np.allclose(sir, 20, atol=0.8)
    assert (isr > 25).all()
    assert (sar > 100).all()


def test_two_equal_channels_score_as_one():
    references = noise(2, 8000, 1)
    estimates = leaking(references)
    once = bss_eval.bss_eval_images(references, estimates, 2000)
    twice = bss_eval.bss_eval_images(references.repeat(2, 2), estimates.repeat(2, 2), 2000)
    assert np.allclose(once, twice, atol=1e-6)


def test_a_silent_channel_adds_nothing():
    references = noise(2, 8000, 1)
    estimates = leaking(references)
    once = bss_eval.bss_eval_images(references, estimates, 2000)
    padded = [np.pad(signals, ((0, 0), (0, 0), (0, 1))) for signals in (references, estimates)]
    assert np.allclose(once, bss_eval.bss_eval_images(*padded, 2000), atol=1e-6)


@given(
    gain=st.floats(1e-6, 1e6),
    seed=st.integers(0, 100),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(deadline=None, max_examples=8)
def test_level_and_order_of_the_targets_do_not_matter(gain, seed, dtype):
    references = noise(3, 5000, 1, seed=seed).astype(dtype)
    estimates = leaking(references).astype(dtype)
    expected = np.array(bss_eval.bss_eval_images(references, estimates, 2000, 1500))
    signals = [(dtype(gain) * s[::-1]).astype(dtype) for s in (references, estimates)]
    found = np.array(bss_eval.bss_eval_images(*signals, 2000, 1500))
    assert np.allclose(found[:, ::-1], expected, atol=1e-4)


# --- Sources, version 3 -----------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2])
def test_version_3_is_musevals(n_channels):
    references = noise(2, 7000, n_channels)
    estimates = leaking(references)
    references[1, 3000:6000] = 0
    museval = metrics._museval_metrics()
    whole = museval.bss_eval_sources(references, estimates, compute_permutation=False)
    assert_agree(bss_eval.bss_eval_sources(references, estimates), whole[:3])
    framewise = museval.bss_eval_sources_framewise(references, estimates, 3000, 3000)
    found = bss_eval.bss_eval_sources(references, estimates, 3000, 3000)
    assert np.isnan(found[0]).any()
    assert_agree(found, framewise[:3])


def test_version_3_forgives_what_version_4_does_not():
    references = noise(2, 8000, 1)
    delayed = np.roll(references, 100, axis=1)
    delayed[:, :100] = 0
    assert (bss_eval.bss_eval_images(references, delayed)[0] < 0).all()
    assert (bss_eval.bss_eval_sources(references, delayed)[0] > 15).all()


# --- Progress and errors ----------------------------------------------------------------------


def test_progress_grows_to_the_end_of_both_passes():
    references = noise(2, 200_000, 1)
    heard = []
    bss_eval.bss_eval_images(
        references, references, 5000, progress=lambda *news: heard.append(news)
    )
    for what in ("correlate", "measure"):
        done = [samples for samples, total, kind in heard if kind == what and total == 200_000]
        assert len(done) > 2
        assert done == sorted(set(done))
        assert done[-1] == 200_000


def test_what_progress_raises_stops_the_work(monkeypatch):
    begun, cut = [], projection._cut
    at_full_speed = math.inf

    def slowly(*given):
        begun.append(given)
        if len(begun) > at_full_speed:  # on busy cores, too, it is stopped before all is done
            time.sleep(0.1)
        return cut(*given)

    monkeypatch.setattr(projection, "_cut", slowly)
    references = noise(2, 1_000_000, 1).astype(np.float32)
    bss_eval.bss_eval_images(references, references, 44_100)
    in_all = len(begun)
    for stage, done_before in (("correlate", 0), ("measure", in_all // 2)):

        def stop(_done, _total, what, stage=stage):
            if what == stage:
                raise Cancelled("enough")

        begun.clear()
        at_full_speed = done_before + 2
        with pytest.raises(Cancelled):
            bss_eval.bss_eval_images(references, references, 44_100, progress=stop)
        assert len(begun) < done_before + in_all // 4  # what had begun is finished


def test_signals_and_windows_out_of_range_are_refused():
    references = noise(2, 2000, 1)
    for given_ in (
        (references, references[:, 1:]),
        (references[..., 0], references[..., 0]),
        (references[:0], references[:0]),
        (references, references, 0),
        (references, references, 100, 0),
        (references, references * np.nan),
    ):
        with pytest.raises(ParameterError):
            bss_eval.bss_eval_images(*given_)
        with pytest.raises(ParameterError):
            bss_eval.bss_eval_sources(*given_)
