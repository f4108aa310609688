import numpy as np
import pandas as pd
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import mssviz
from mssviz import datasets, metrics
from mssviz.errors import AudioError, Cancelled, ParameterError

RATE = 8000
MEASURES = ["SDR", "ISR", "SIR", "SAR"]


def noise(n_samples=3 * RATE, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((n_samples, n_channels))).astype(np.float32)


def pair(names=("vocals", "other")):
    """True sources and estimates with leakage, filtering and noise."""
    true = {name: noise(seed=i) for i, name in enumerate(names)}
    total = sum(true.values())
    estimates = {
        name: (0.8 * w + 0.1 * (i + 1) * total + 0.1 * np.roll(w, 3, axis=0)).astype(np.float32)
        + 0.1 * noise(seed=10 + i)
        for i, (name, w) in enumerate(true.items())
    }
    return true, estimates


# --- BSS Eval ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", metrics.ENGINES)
def test_scores_are_musevals(engine):
    true, estimates = pair()
    found = mssviz.evaluate(true, estimates, RATE, engine=engine)
    assert list(found.columns) == ["target", "time", *MEASURES]
    assert found["target"].tolist() == ["vocals"] * 3 + ["other"] * 3
    assert found["time"].tolist() == [0, 1, 2] * 2

    expected = metrics._museval_metrics().bss_eval(
        np.stack(list(true.values())).astype(float),
        np.stack(list(estimates.values())).astype(float),
        window=RATE,
        hop=RATE,
    )
    for measure, values in zip(MEASURES, expected, strict=False):
        assert np.isfinite(values).all()
        assert np.allclose(found[measure], values.ravel(), atol=1e-6)


def test_windows_and_their_order_follow_the_references():
    true, estimates = pair()
    swapped = dict(reversed(estimates.items()))
    found = mssviz.evaluate(true, swapped, RATE, window=1.5, hop=0.5)
    assert found["time"].tolist() == [0, 0.5, 1, 1.5] * 2
    assert (found.groupby("target", sort=False)["SDR"].median() > 3).all()
    assert not found[MEASURES].isna().any(axis=None)


@pytest.mark.parametrize("engine", metrics.ENGINES)
def test_a_window_without_end_is_the_whole_signal(engine):
    found = mssviz.evaluate(*pair(), RATE, engine=engine, window=np.inf)
    expected = mssviz.evaluate(*pair(), RATE, engine=engine, window=3.0)
    pd.testing.assert_frame_equal(found, expected)
    assert found["time"].tolist() == [0, 0]
    assert len(mssviz.evaluate(*pair(), RATE, engine=engine, hop=np.inf)) == 2


def test_mono_is_repeated_beside_stereo():
    true, estimates = pair()
    mono = {name: signal[:, :1] for name, signal in true.items()}
    stereo = {name: np.repeat(signal, 2, axis=1) for name, signal in mono.items()}
    expected = mssviz.evaluate(stereo, estimates, RATE)
    pd.testing.assert_frame_equal(mssviz.evaluate(mono, estimates, RATE), expected)
    some = {"vocals": mono["vocals"][:, 0], "other": stereo["other"]}
    pd.testing.assert_frame_equal(mssviz.evaluate(some, estimates, RATE), expected)


def test_a_perfect_estimate_beats_every_other():
    true, _ = pair()
    found = mssviz.evaluate(true, true, RATE)
    assert (found["SDR"] > 100).all()


def test_a_window_in_which_a_signal_is_silent_has_no_score_for_any_target():
    for changed in range(2):
        signals = pair()
        signals[changed]["vocals"][RATE : 2 * RATE] = 0
        found = mssviz.evaluate(*signals, RATE)
        assert found.loc[found["time"] == 1, MEASURES].isna().all(axis=None)
        assert not found.loc[found["time"] != 1, MEASURES].isna().any(axis=None)


def test_a_window_that_touches_repaired_sound_has_no_score_and_is_marked():
    expected = mssviz.evaluate(*pair(), RATE)
    found = mssviz.evaluate(*pair(), RATE, repaired=[(0.9, 1.0), (2.5, 2.6)])
    assert found["repaired"].tolist() == [True, False, True] * 2
    assert found.loc[found["repaired"], MEASURES].isna().all(axis=None)
    kept = ~found["repaired"]
    pd.testing.assert_frame_equal(found.loc[kept].drop(columns="repaired"), expected[kept])
    summary = mssviz.summarise(found)
    assert summary[["windows", "silent", "repaired"]].to_numpy().tolist() == [[3, 0, 2]] * 2
    overlapping = mssviz.evaluate(*pair(), RATE, hop=0.5, repaired=[(1.0, 1.5)])
    assert overlapping["repaired"].tolist()[:5] == [False, True, True, False, False]


def test_a_silent_reference_is_as_if_it_were_absent():
    names = ("vocals", "drums", "other")
    true, estimates = pair(names)
    rest = {name: (true[name], estimates[name]) for name in ("vocals", "other")}
    true["drums"][:] = 0
    found = mssviz.evaluate(true, estimates, RATE).set_index("target")
    without = mssviz.evaluate(
        {name: r for name, (r, _) in rest.items()}, {name: e for name, (_, e) in rest.items()}, RATE
    )
    assert found.loc["drums", MEASURES].isna().all(axis=None)
    assert np.allclose(found.loc[["vocals", "other"], MEASURES], without[MEASURES], atol=1e-6)


def test_a_silent_estimate_has_no_score_and_the_others_keep_theirs():
    true, estimates = pair()
    before = mssviz.evaluate(true, estimates, RATE).set_index("target")
    estimates["vocals"][:] = 0
    after = mssviz.evaluate(true, estimates, RATE).set_index("target")
    assert after.loc["vocals", MEASURES].isna().all(axis=None)
    assert np.allclose(after.loc["other", MEASURES], before.loc["other", MEASURES], atol=1e-6)


def test_with_fewer_than_two_audible_references_nothing_is_scored():
    true, estimates = pair()
    true["vocals"][:] = 0
    found = mssviz.evaluate(true, estimates, RATE)
    assert len(found) == 6
    assert found[MEASURES].isna().all(axis=None)


def test_channels_that_cancel_each_other_are_not_silence():
    true, estimates = pair()
    true["vocals"][:, 1] = -true["vocals"][:, 0]
    assert not mssviz.evaluate(true, estimates, RATE)[MEASURES].isna().any(axis=None)
    with pytest.raises(AudioError, match="cancel"):
        mssviz.evaluate(true, estimates, RATE, engine="museval")


@pytest.mark.parametrize("engine", metrics.ENGINES)
def test_progress_counts_seconds_and_can_stop_the_work(engine):
    heard = []
    mssviz.evaluate(*pair(), RATE, engine=engine, progress=lambda *news: heard.append(news))
    assert heard[-1] == (3, 3, "measure")
    for what in {what for _, _, what in heard}:
        done = [seconds for seconds, _, kind in heard if kind == what]
        assert done == sorted(done)

    def stop(*_):
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        mssviz.evaluate(*pair(), RATE, engine=engine, progress=stop)


def band_limited(seed=0):
    low = scipy.signal.butter(12, 0.5, output="sos")
    return scipy.signal.sosfilt(low, noise(seed=seed), axis=0).astype(np.float32)


def test_a_reference_without_treble_warns_and_dither_helps():
    true = {"vocals": band_limited(0), "other": band_limited(1)}
    estimates = {"vocals": true["vocals"] + 0.3 * true["other"], "other": true["other"]}
    with pytest.warns(UserWarning, match="dither_db=-80"):
        plain = mssviz.evaluate(true, estimates, RATE)
    dithered = mssviz.evaluate(true, estimates, RATE, dither_db=-80)  # no warning: they are errors
    vocals = plain["target"] == "vocals"
    assert np.allclose(plain.loc[vocals, "SDR"], dithered.loc[vocals, "SDR"], atol=0.05)
    assert (dithered.loc[~vocals, "SDR"] < 80).all()  # references and estimates differ in noise
    again = mssviz.evaluate(true, estimates, RATE, dither_db=-80)
    assert dithered.equals(again)
    assert metrics.suggested_dither_db(true) == -80
    assert metrics.suggested_dither_db(pair()[0]) is None


def test_what_counts_as_band_limited():
    assert metrics.is_band_limited(band_limited())
    assert metrics.is_band_limited(band_limited() + np.float32(10 ** (-85 / 20)) * noise(seed=1))
    assert not metrics.is_band_limited(band_limited() + np.float32(10 ** (-65 / 20)) * noise())
    assert not metrics.is_band_limited(noise())
    assert not metrics.is_band_limited(np.zeros((RATE, 2), np.float32))
    assert not metrics.is_band_limited(noise()[:1])
    sixteen_bits = (np.rint(band_limited() * 32768) / 32768).astype(np.float32)
    assert not metrics.is_band_limited(sixteen_bits)


def test_inputs_are_not_changed():
    true, estimates = pair()
    kept = [w.copy() for w in (*true.values(), *estimates.values())]
    mssviz.evaluate(true, estimates, RATE, dither_db=-80)
    for w, before in zip((*true.values(), *estimates.values()), kept, strict=True):
        assert np.array_equal(w, before)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"engine": "magic"}, "museval"),
        ({"window": 0.01}, "512 samples"),
        ({"window": 5.0}, "3.00 s"),
        ({"hop": 0.0}, "hop"),
        ({"window": np.nan}, "window nan s"),
        ({"hop": np.nan}, "hop nan s"),
    ],
)
def test_options_out_of_range_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        mssviz.evaluate(*pair(), RATE, **options)


def test_pairs_that_do_not_fit_are_refused():
    true, estimates = pair()
    for references, found in (
        ({}, {}),
        ({"vocals": true["vocals"]}, {"vocals": estimates["vocals"]}),
        (true, {"vocals": estimates["vocals"], "drums": estimates["other"]}),
        (true, {**estimates, "other": estimates["other"][:-1]}),
        (true, {**estimates, "other": np.repeat(estimates["other"], 2, axis=1)}),
    ):
        with pytest.raises(ParameterError):
            mssviz.evaluate(references, found, RATE)
    as_museval = np.stack(list(true.values()))
    with pytest.raises(ParameterError, match=r"references must be a dict .* \(got ndarray\)"):
        mssviz.evaluate(as_museval, as_museval, RATE)
    with pytest.raises(ParameterError, match="estimates must be a dict of target to waveform"):
        mssviz.evaluate(true, list(estimates.values()), RATE)
    with pytest.raises(AudioError, match="sample_rate: sample rate must lie between"):
        mssviz.evaluate(true, estimates, 0)
    with pytest.raises(AudioError, match="estimate other"):
        mssviz.evaluate(true, {**estimates, "other": estimates["other"] * np.nan}, RATE)


# --- Summaries --------------------------------------------------------------------------------


def table(target, values, track=None):
    columns = {"target": target, "time": np.arange(len(values)), **dict.fromkeys(MEASURES, values)}
    return pd.DataFrame(columns if track is None else {"track": track, **columns})


def test_a_summary_holds_medians_and_counts_silence():
    scores = pd.concat([table("vocals", [1, np.nan, 2, 9]), table("bass", [np.nan] * 4)])
    found = mssviz.summarise(scores)
    assert found.index.tolist() == ["vocals", "bass"]
    assert found.columns.tolist() == [*MEASURES, "windows", "silent"]
    assert found.loc["vocals"].tolist() == [2, 2, 2, 2, 4, 1]
    assert found.loc["bass", MEASURES].isna().all()
    assert found.loc["bass", ["windows", "silent"]].tolist() == [4, 4]


def test_several_tracks_weigh_the_same_whatever_their_length():
    scores = pd.concat(
        [table("vocals", [1] * 9, "a"), table("vocals", [5], "b"), table("vocals", [6, 8], "c")]
    )
    found = mssviz.summarise(scores)
    assert found.loc["vocals"].tolist() == [5, 5, 5, 5, 12, 0]


# --- SI-SDR -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    gain=st.floats(1e-3, 1e3),
    sign=st.sampled_from([-1, 1]),
    level=st.floats(0.01, 2),
)
def test_si_sdr_ignores_scale(seed, gain, sign, level):
    s, e = noise(500, seed=seed), noise(500, seed=seed) + level * noise(500, seed=seed + 1)
    expected = mssviz.si_sdr(s, e)
    assert mssviz.si_sdr(s, np.float32(sign * gain) * e) == pytest.approx(expected, abs=1e-3)
    assert mssviz.si_sdr(np.float32(gain) * s, e) == pytest.approx(expected, abs=1e-3)


def test_si_sdr_of_orthogonal_noise_is_the_ratio_of_levels():
    s, n = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
    s[:2], n[2:] = 1, 0.1
    assert mssviz.si_sdr(s, s + n) == pytest.approx(20, abs=1e-4)
    panned = np.repeat(s, 2, axis=1) * np.array([1, 0.5], np.float32)
    assert mssviz.si_sdr(np.repeat(s, 2, axis=1), panned) < 15


def test_si_sdr_of_copies_and_of_silence():
    s, silence = noise(500), np.zeros((500, 2), np.float32)
    assert mssviz.si_sdr(s, s) == np.inf
    assert mssviz.si_sdr(s, 0.5 * s) == np.inf
    assert mssviz.si_sdr(s, np.float32(0.3) * s) > 120  # but for rounding
    assert np.isnan(mssviz.si_sdr(s, silence))
    assert np.isnan(mssviz.si_sdr(silence, s))
    with pytest.raises(ParameterError, match="shape"):
        mssviz.si_sdr(s, s[:-1])


# --- Songs with known sources -----------------------------------------------------------------


def test_the_mixture_is_the_sum_of_the_stems(example):
    mixture, references = example
    assert list(references) == ["vocals", "drums", "other"]
    assert np.array_equal(mixture, np.add.reduce(list(references.values())))
    assert all(np.abs(stem).max() > 0.05 for stem in references.values())


def test_the_shipped_mixture_file_is_that_sum(example):
    found, sample_rate = mssviz.load_audio(datasets.example_mixture())
    assert sample_rate == 44100
    assert found.shape == example[0].shape
    assert np.abs(found - example[0]).max() < 2 / 32768


def test_a_part_of_a_track_is_cut_to_the_sample(example):
    mixture, references = datasets.examples()["francium"].load(offset=1.5, duration=2.0)
    assert np.array_equal(mixture, example[0][66150:154350])
    assert np.array_equal(references["drums"], example[1]["drums"][66150:154350])
    with pytest.raises(AudioError, match="no samples between 60"):
        datasets.examples()["francium"].load(offset=60)


def test_examples_state_their_licence():
    tracks = mssviz.examples()
    assert "francium" in tracks
    for track in tracks.values():
        assert track.licence.startswith("CC")


def test_a_folder_of_stems_is_a_track(tmp_path):
    stems = {"vocals": noise(4000, seed=1), "bass": noise(5000, seed=2)}
    for name, waveform in stems.items():
        mssviz.write_audio(tmp_path / f"{name}.wav", waveform, 44100)
    mssviz.write_audio(tmp_path / "Mixture.wav", noise(100), 44100)
    (tmp_path / "notes.txt").write_text("no sound")
    track = datasets.from_folder(tmp_path)
    assert sorted(track.stems) == ["bass", "vocals"]
    mixture, references = track.load()
    assert mixture.shape == (5000, 2)  # the longest's
    assert not references["vocals"][4000:].any()
    assert np.array_equal(mixture, references["bass"] + references["vocals"])
    (tmp_path / "bass.wav").unlink()
    with pytest.raises(ParameterError, match="two stems"):
        datasets.from_folder(tmp_path)


def test_sources_are_summed_to_targets():
    sources = {name: noise(10, seed=i) for i, name in enumerate(("vocals", "drums", "bass", "fx"))}
    total = sum(sources.values())
    two = datasets.to_targets(sources, ("vocals", "accompaniment"))
    assert list(two) == ["vocals", "accompaniment"]
    assert np.allclose(two["accompaniment"], total - sources["vocals"], atol=1e-6)
    four = datasets.to_targets(sources, ("bass", "vocals", "drums", "other"))
    assert list(four) == ["bass", "vocals", "drums", "other"]
    assert np.array_equal(four["other"], sources["fx"])
    for targets in (("vocals", "accompaniment"), ("vocals", "drums", "bass", "fx", "other")):
        found = datasets.to_targets(sources, targets)
        assert found is None or np.allclose(sum(found.values()), total, atol=1e-6)
    assert datasets.to_targets(sources, ("vocals", "piano", "other")) is None
    assert datasets.to_targets({"vocals": total}, ("vocals", "accompaniment")) is None


def test_targets_that_are_all_there_need_no_other():
    sources = {name: noise(10, seed=i) for i, name in enumerate(("vocals", "bass"))}
    assert datasets.to_targets(sources, ("bass", "vocals")) == sources
    assert list(datasets.to_targets(sources, ("bass",))) == ["bass"]


def test_targets_are_named_as_other_programs_name_them():
    sources = {name: noise(10, seed=i) for i, name in enumerate(("vocals", "bass", "drums"))}
    found = datasets.to_targets(sources, ("Vocals", "no_vocals"))
    assert list(found) == ["Vocals", "no_vocals"]
    assert np.array_equal(found["no_vocals"], sources["bass"] + sources["drums"])
    odd = {"Vocals": sources["vocals"], "Rest": sources["bass"]}
    assert datasets.to_targets(odd, ("Vocals", "Rest")) == odd
