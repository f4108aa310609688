"""Loudness as the standard measures it, and gains that bring sounds to the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz.errors import ParameterError
from mssviz.scores.loudness import k_weighting, loudness_lufs, matching_gains_db

RATE = 8000


def noise(seed, peak=0.5, n_channels=2, n_samples=RATE):
    samples = np.random.default_rng(seed).uniform(-peak, peak, (n_samples, n_channels))
    return samples.astype(np.float32)


def sine(frequency=997, amplitude=1.0, seconds=5, sample_rate=48_000, channels=(0,)):
    time = np.arange(seconds * sample_rate) / sample_rate
    waveform = np.zeros((len(time), 2))
    waveform[:, channels] = amplitude * np.sin(2 * np.pi * frequency * time)[:, None]
    return waveform


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
def test_a_full_scale_sine_in_one_channel_has_the_standards_loudness(sample_rate):
    assert loudness_lufs(sine(sample_rate=sample_rate), sample_rate) == pytest.approx(
        -3.01, abs=0.01
    )


def test_both_channels_are_3_db_louder_and_levels_add_up():
    both = loudness_lufs(sine(amplitude=10 ** (-23 / 20), channels=(0, 1)), 48_000)
    assert both == pytest.approx(-23, abs=0.01)


def test_filters_at_48_khz_are_the_standards_table():
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf += [1.0, -1.69065929318241, 0.73248077421585]
    cut = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(48_000), [shelf, cut], atol=1e-6)


def test_quiet_passages_are_left_out():
    # as signal 3 of EBU Tech 3341: 10 s at -36, 60 s at -23, 10 s at -36 dBFS, both channels
    levels = [(-36, 10), (-23, 60), (-36, 10)]
    parts = [sine(1000, 10 ** (db / 20), s, RATE * 6, (0, 1)) for db, s in levels]
    assert loudness_lufs(np.concatenate(parts), RATE * 6) == pytest.approx(-23, abs=0.1)
    silence = np.zeros((480_000, 2))
    loud = sine(channels=(0, 1))
    level = loudness_lufs(np.concatenate([silence, loud]), 48_000)
    # 3 of 50 blocks lie across the edge
    assert level == pytest.approx(loudness_lufs(loud, 48_000), abs=0.2)


def test_silence_has_no_loudness_and_short_sounds_do():
    assert loudness_lufs(np.zeros((48_000, 2)), 48_000) == -np.inf
    assert np.isfinite(loudness_lufs(sine()[:1000], 48_000))


@settings(max_examples=25, deadline=None)
@given(st.floats(-40, 0), st.integers(0, 100))
def test_loudness_follows_the_level(gain_db, seed):
    waveform = noise(seed, peak=0.9)
    changed = loudness_lufs(waveform * 10 ** (gain_db / 20), RATE)
    assert changed == pytest.approx(loudness_lufs(waveform, RATE) + gain_db, abs=0.02)


def test_loudness_refuses_what_it_cannot_weigh():
    with pytest.raises(ParameterError, match="one or two channels"):
        loudness_lufs(np.zeros((100, 6)), 48_000)
    with pytest.raises(ParameterError, match="8000 Hz"):
        loudness_lufs(noise(0), 4000)


def test_gains_bring_all_to_the_quietest_and_leave_silence():
    sounds = {"loud": noise(0), "soft": noise(1, peak=0.1), "none": np.zeros((RATE, 2), np.float32)}
    gains = matching_gains_db(sounds, RATE)
    assert gains["soft"] == gains["none"] == 0
    assert gains["loud"] == pytest.approx(-14, abs=0.5)
    matched = loudness_lufs(sounds["loud"] * 10 ** (gains["loud"] / 20), RATE)
    assert matched == pytest.approx(loudness_lufs(sounds["soft"], RATE), abs=1e-4)
    assert matching_gains_db({"none": sounds["none"]}, RATE) == {"none": 0.0}
