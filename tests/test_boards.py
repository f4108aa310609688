"""Measures of leaderboards: golden values of the boards' own programs, and what the measures say.

The golden values are those of ``song(0)`` and ``song(1)``, cut to the digits that agree in float32:

- ``sdr``, ``bleed_full`` and ``L1Freq_metric`` of ``msst/utils/metrics.py`` in the package msst
  0.1.0, with torch 2.13, given ``vocals.T`` and ``estimate.T`` (``sdr``: with an axis more);
- ``LogWMSE(sample_rate=44100)(mixture, vocals, estimate)`` of torch-log-wmse 1.1.0, and
  ``calculate_log_wmse(mixture.T, estimate.T, vocals.T, 44100)`` of log-wmse-audio-quality 0.2.0,
  with ``mixture = vocals + rest``;
- ``_scale_bss_eval(stems, estimate, 0)`` of ``nussl/evaluation/bss_eval.py`` in nussl 1.1.9, given
  all samples of all channels one after the other, float64.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import scores
from mssviz.errors import ParameterError

RATE = 44100
SEEDS = (0, 1)


def song(seed=0, n_samples=50_000):
    """A voice, the rest, and an estimate of the voice with a leak, a wrong level and noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE

    def tone(hertz):
        angle = 2 * np.pi * hertz * t
        return np.stack([np.sin(angle), 0.5 * np.sin(angle + 1)], 1)

    vocals = 0.3 * tone(440) * (t[:, None] > 0.3) + 0.02 * rng.standard_normal((n_samples, 2))
    rest = 0.2 * tone(95) + 0.05 * rng.standard_normal((n_samples, 2))
    estimate = 0.9 * vocals + 0.15 * rest * (t[:, None] < 0.7)
    estimate += 0.01 * rng.standard_normal((n_samples, 2))
    return [x.astype(np.float32) for x in (vocals, rest, estimate)]


def noise(seed=0, n_samples=20_000, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((n_samples, 2))).astype(np.float32)


# --- Golden values ----------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "expected"), zip(SEEDS, (16.06461662, 16.06058637), strict=True))
def test_usdr_is_the_boards(seed, expected):
    vocals, _, estimate = song(seed)
    assert scores.usdr(vocals, estimate) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("seed", "expected"), zip(SEEDS, ((27.72472, 31.792236), (27.668037, 31.875706)), strict=True)
)
def test_bleedless_and_fullness_are_the_boards(seed, expected):
    vocals, _, estimate = song(seed)
    found = [f(vocals, estimate, RATE) for f in (scores.bleedless, scores.fullness)]
    assert found == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("seed", "expected"), zip(SEEDS, (22.1197111, 22.1426936), strict=True))
def test_l1_freq_is_the_boards(seed, expected):
    vocals, _, estimate = song(seed)
    assert scores.l1_freq(vocals, estimate) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("seed", "torch", "numpy", "silent"),
    [(0, 17.1377029, 17.137157, 1.5403261), (1, 17.1277065, 17.127174, 1.5349686)],
)
def test_log_wmse_is_the_packages(seed, torch, numpy, silent):
    vocals, rest, estimate = song(seed)
    found = scores.log_wmse(vocals, estimate, vocals + rest, RATE)
    assert found == pytest.approx(torch, abs=1e-3)
    assert found == pytest.approx(numpy, abs=2e-3)
    found = scores.log_wmse(0 * vocals, estimate, vocals + rest, RATE)
    assert found == pytest.approx(silent, abs=1e-3)
    copy = scores.log_wmse(vocals, vocals, vocals + rest, RATE)
    assert copy == pytest.approx(73.682723, abs=1e-5)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, (17.41954709997, 21.22489854683, 19.75806704575)),
        (1, (17.41391493969, 21.18048749328, 19.78031186724)),
    ],
)
def test_scale_invariant_ratios_are_the_papers(seed, expected):
    vocals, rest, estimate = song(seed)
    found = [
        scores.si_sdr(vocals, estimate),
        scores.si_sir(vocals, estimate, {"rest": rest}),
        scores.si_sar(vocals, estimate, {"rest": rest}),
    ]
    assert found == pytest.approx(expected, abs=1e-8)


# --- What they say ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), gain=st.floats(0.05, 4), leak=st.floats(0.01, 1))
def test_scale_invariant_errors_add_up_and_ignore_levels(seed, gain, leak):
    s, other, more = (noise(seed + i) for i in range(3))
    e = (s + leak * other + 0.1 * noise(seed + 3)).astype(np.float32)
    others = {"other": other, "more": (np.float32(gain) * more), "silent": 0 * more}
    sdr, sir, sar = (
        scores.si_sdr(s, e),
        scores.si_sir(s, e, others),
        scores.si_sar(s, e, others),
    )
    shares = [10 ** (-ratio / 10) for ratio in (sdr, sir, sar)]
    assert shares[0] == pytest.approx(shares[1] + shares[2], rel=1e-6)
    changed = np.float32(gain) * e
    assert scores.si_sir(s, changed, others) == pytest.approx(sir, abs=1e-3)
    assert scores.si_sar(s, changed, {"other": other, "more": more}) == pytest.approx(sar, abs=1e-3)


def test_a_steady_leak_is_interference_and_one_that_comes_and_goes_is_not():
    s, other = noise(0), noise(1)
    steady = (s + 0.1 * other).astype(np.float32)
    assert scores.si_sir(s, steady, {"other": other}) == pytest.approx(20, abs=0.1)
    assert scores.si_sar(s, steady, {"other": other}) > 100
    flips = np.sign(np.sin(np.arange(len(s)) / 100))[:, None]
    flickering = (s + 0.1 * flips * other).astype(np.float32)
    assert scores.si_sir(s, flickering, {"other": other}) > 40
    assert scores.si_sar(s, flickering, {"other": other}) == pytest.approx(20, abs=0.1)
    for silent in ((0 * s, s), (s, 0 * s)):
        assert np.isnan(scores.si_sir(*silent, {"other": other}))
        assert np.isnan(scores.si_sar(*silent, {"other": other}))


def test_usdr_of_silence_is_a_number():
    assert scores.usdr(0 * noise(), 0 * noise()) == 0
    assert scores.usdr(0 * noise(), noise()) < -80
    assert scores.usdr(noise(), noise()) > 80


def test_a_bleed_map_shows_bleed_and_holes_where_they_are():
    n = 4 * RATE
    t = np.arange(n)[:, None] / RATE
    s = noise(n_samples=n)
    bleed = np.sin(2 * np.pi * 3000 * t) * ((t > 1) & (t < 2))
    hole = (t < 3).astype(np.float32)
    found = scores.bleed_map(s, ((s + bleed) * hole).astype(np.float32), RATE)
    assert found.difference.shape == (len(found.times), len(found.frequencies), 2)
    assert found.times[0] == 0
    band = np.argmin(np.abs(found.frequencies - 3000))
    during = (found.times > 1.1) & (found.times < 1.9)
    before = (found.times > 0.1) & (found.times < 0.9)
    assert (found.difference[during, band] > 20).all()
    # a hole in the noise may reach down to the floor, which lies 80 dB below the louder peak
    assert np.mean(found.difference[before][:, 100:] != 0) < 1e-3
    assert found.difference[found.times > 3.1][:, 100:].mean() < -25


def test_marks_of_silence_mixture_and_copies():
    vocals, rest, _ = song()
    assert scores.bleedless(vocals, vocals, RATE) == 100
    assert scores.fullness(vocals, vocals, RATE) == 100
    assert scores.bleedless(vocals, 0 * vocals, RATE) == 100
    assert scores.fullness(vocals, 0 * vocals, RATE) < 3
    mixture = vocals + rest
    assert scores.fullness(vocals, mixture, RATE) > 2 * scores.bleedless(vocals, mixture, RATE)
    half = scores.fullness(noise(), 0.5 * noise(), RATE)
    assert half == pytest.approx(100 / (1 + 20 * np.log10(2)), abs=0.01)


def test_log_wmse_hears_the_middle_more_than_the_ends():
    t = np.arange(RATE)[:, None] / RATE
    mixture = noise(n_samples=RATE)
    low, middle, high = (
        scores.log_wmse(0 * mixture, 0.01 * np.sin(2 * np.pi * f * t).repeat(2, 1), mixture, RATE)
        for f in (40, 3000, 18_000)
    )
    assert low > middle + 15
    assert high > middle + 15
    # levels at 40 Hz and at 3 kHz by the table: 4.23 and -19.13 dB
    assert low - middle == pytest.approx(4 * np.log(10) * (4.23 + 19.13) / 10, abs=0.2)
    louder = scores.log_wmse(0 * mixture, 0.02 * noise(5, RATE), 2 * mixture, RATE)
    assert louder == pytest.approx(
        scores.log_wmse(0 * mixture, 0.01 * noise(5, RATE), mixture, RATE), abs=1e-5
    )


def test_log_wmse_does_not_hear_what_lies_above_hearing():
    t = np.arange(96_000)[:, None] / 96_000
    mixture = noise(n_samples=96_000)
    heard, unheard = (
        scores.log_wmse(mixture, mixture + 0.01 * np.sin(2 * np.pi * f * t), mixture, 96_000)
        for f in (1000, 40_000)
    )
    assert heard < 30
    assert unheard > 70  # but for the ends of the tone


def test_l1_freq_depends_on_the_level():
    s, e = noise(), noise(1)
    assert scores.l1_freq(s, s) == 100
    assert scores.l1_freq(0.1 * s, 0.1 * e) > scores.l1_freq(s, e) + 10


def test_shapes_must_agree():
    s, short = noise(), noise()[:-1]
    for call in (
        lambda: scores.usdr(s, short),
        lambda: scores.si_sir(s, s, {"other": short}),
        lambda: scores.si_sar(s, short, {}),
        lambda: scores.bleedless(s, short, RATE),
        lambda: scores.log_wmse(s, s, short, RATE),
        lambda: scores.l1_freq(s, short),
    ):
        with pytest.raises(ParameterError, match="differ in shape"):
            call()


# --- The table --------------------------------------------------------------------------------


def test_whole_songs_have_all_measures_of_tracks():
    vocals, rest, estimate = song()
    true = {"vocals": vocals, "rest": rest}
    table = scores.whole(true, {"rest": rest, "vocals": estimate}, RATE)
    assert list(table.columns) == list(scores.OF_TRACKS)
    assert list(table.index) == ["vocals", "rest"]
    row = table.loc["vocals"]
    assert row["uSDR"] == scores.usdr(vocals, estimate)
    assert row["SI-SIR"] == scores.si_sir(vocals, estimate, {"rest": rest})
    assert row["log-WMSE"] == scores.log_wmse(vocals, estimate, vocals + rest, RATE)
    assert row["fullness"] == scores.fullness(vocals, estimate, RATE)
    louder = scores.whole(true, {"rest": rest, "vocals": estimate}, RATE, 2 * (vocals + rest))
    changed = (louder != table).any()
    assert changed[changed].index.tolist() == ["log-WMSE"]
    with pytest.raises(ParameterError, match="the same targets"):
        scores.whole(true, {"vocals": vocals}, RATE)


def test_every_measure_says_its_unit_and_its_direction():
    """A worse estimate has a worse value, in the direction that the table states."""
    vocals, rest, estimate = song()
    worse = (estimate + 0.3 * rest * (np.arange(len(rest)) % 2000 < 1000)[:, None]).astype("f4")
    true = {"vocals": vocals, "rest": rest}
    good, bad = (scores.whole(true, {**true, "vocals": e}, RATE) for e in (estimate, worse))
    for name in scores.OF_TRACKS:
        scale = scores.MEASURES[name].scale
        sign = -1 if scale.less_is_better else 1
        difference = sign * (good.loc["vocals", name] - bad.loc["vocals", name])
        if name != "fullness":  # more sound is fuller
            assert difference > 0, name
    units = {name: measure.scale.unit for name, measure in scores.MEASURES.items()}
    assert {name for name, unit in units.items() if unit != "dB"} == {
        "log-WMSE", "bleedless", "fullness", "L1Freq",
    }  # fmt: skip
