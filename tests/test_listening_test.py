"""The listening test's Python side: blindness, order, and what becomes of answers."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from mssviz.errors import AudioError, FileError, ParameterError
from mssviz.scores.loudness import loudness_lufs
from mssviz.widgets.listening_test import ListeningTest, low_anchor

RATE = 8000
MODELS = ("umber", "ochre", "sienna")


def noise(seed, peak=0.5, n_channels=2, n_samples=RATE):
    samples = np.random.default_rng(seed).uniform(-peak, peak, (n_samples, n_channels))
    return samples.astype(np.float32)


@pytest.fixture
def stimuli():
    return {
        trial: {m: noise(10 * i + j, peak=0.1 + 0.2 * j) for j, m in enumerate(MODELS)}
        for i, trial in enumerate(["vocals", "drums"])
    }


@pytest.fixture
def references():
    return {"vocals": noise(100), "drums": noise(101)}


def watch(test, monkeypatch):
    messages = []
    monkeypatch.setattr(test, "send", lambda *message: messages.append(message))
    return messages


def tell(test, kind, **content):
    test._handle_custom_msg({"kind": kind, "trial": test.state["trial"], **content}, [])


def ids(test):
    return [i for i in test.state["ids"] if i != "open"]


def answer(test, rating_of=lambda condition: 50):
    """Hear and rate everything on a page, and go on."""
    page = test._pages[test.state["trial"]]
    for i, condition in zip(ids(test), page.conditions, strict=True):
        tell(test, "heard", id=i, times=1, seconds=0.5)
        tell(test, "rate", id=i, rating=rating_of(condition.name))
    tell(test, "next")


def choose(test, choice):
    for i in ids(test):
        tell(test, "heard", id=i, times=1, seconds=0.5)
    tell(test, "choose", choice=choice)
    tell(test, "next")


# --- anchor -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 96_000])
def test_the_anchor_is_band_limited_as_the_standard_says(sample_rate):
    impulse = np.zeros((8001, 1), np.float32)
    impulse[4000] = 1
    frequency = np.fft.rfftfreq(8001, 1 / sample_rate)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(low_anchor(impulse, sample_rate)[:, 0])) + 1e-9)
    assert np.abs(gain_db[frequency <= 3500]).max() < 0.1
    assert gain_db[frequency >= 4000].max(initial=-99) < -50


# --- order and blindness ----------------------------------------------------------------------


def test_a_mushra_page_has_models_reference_and_anchor(stimuli, references):
    test = ListeningTest(stimuli, RATE, references=references, seed=0)
    assert {p.trial for p in test._pages} == set(stimuli)
    for page in test._pages:
        assert sorted(c.name for c in page.conditions) == sorted([*MODELS, "reference", "anchor"])
        assert page.reference is not None
    assert test.state["ids"] == ["open", "1", "2", "3", "4", "5"]


def test_without_a_reference_there_is_no_anchor(stimuli, references):
    test = ListeningTest(stimuli, RATE, references={"drums": references["drums"]}, seed=0)
    pages = {p.trial: [c.name for c in p.conditions] for p in test._pages}
    assert sorted(pages["vocals"]) == sorted(MODELS)
    assert len(pages["drums"]) == 5
    without = ListeningTest(stimuli, RATE, references=references, anchors=None)
    assert all("anchor" not in [c.name for c in p.conditions] for p in without._pages)
    own = ListeningTest(stimuli, RATE, anchors={"vocals": noise(9)}, seed=0)
    assert {len(p.conditions) for p in own._pages} == {3, 4}


def test_ab_has_every_pair_of_every_trial_once(stimuli):
    test = ListeningTest(stimuli, RATE, method="ab", seed=0)
    pairs = [(p.trial, *sorted(c.name for c in p.conditions)) for p in test._pages]
    assert len(pairs) == len(set(pairs)) == 6
    assert test.state["ids"] == ["1", "2"]


def test_a_seed_repeats_the_order_and_others_differ(stimuli, references):
    def order(seed):
        test = ListeningTest(stimuli, RATE, references=references, seed=seed)
        return tuple((p.trial, *(c.name for c in p.conditions)) for p in test._pages)

    assert order(3) == order(3)
    assert len({order(seed) for seed in range(8)}) > 4


@pytest.mark.parametrize("method", ["mushra", "ab"])
def test_no_name_of_a_model_leaves_python_before_the_end(stimuli, references, method, monkeypatch):
    test = ListeningTest(stimuli, RATE, references=references, method=method, seed=1)
    messages = watch(test, monkeypatch)

    def shown():
        state = {k: v for k, v in test.get_state().items() if k not in ("_esm", "_css")}
        return json.dumps([state, [m for m, _ in messages]])

    while not test.finished:
        tell(test, "ask")
        assert not any(name in shown() for name in (*MODELS, "anchor"))
        if method == "ab":
            choose(test, 2)
        else:
            answer(test)
    assert all(name in shown() for name in MODELS)


def test_what_is_not_to_be_revealed_stays_in_python(stimuli):
    test = ListeningTest(stimuli, RATE, reveal=False)
    while not test.finished:
        answer(test)
    assert "table" not in test.state


def test_audio_is_sent_only_for_the_trial_shown_and_on_request(stimuli, references, monkeypatch):
    test = ListeningTest(stimuli, RATE, references=references, seed=1)
    messages = watch(test, monkeypatch)
    test._handle_custom_msg({"kind": "ask", "trial": 1}, [])
    assert messages == []
    tell(test, "ask", have=["open", "1"])
    assert [m["id"] for m, _ in messages] == ["2", "3", "4", "5"]
    page = test._pages[0]
    for message, (data,) in messages:
        condition = page.conditions[int(message["id"]) - 1]
        decoded, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert rate == RATE
        wanted = condition.waveform * 10 ** (condition.gain_db / 20)
        np.testing.assert_allclose(decoded, wanted, atol=2**-14)


# --- levels -----------------------------------------------------------------------------------


def test_sounds_of_a_trial_come_to_the_loudness_of_the_quietest(stimuli, references):
    test = ListeningTest(stimuli, RATE, references=references)
    for page in test._pages:
        sounds = [*page.conditions, page.reference]
        loudness = [
            loudness_lufs(c.waveform * np.float32(10 ** (c.gain_db / 20)), RATE) for c in sounds
        ]
        np.testing.assert_allclose(loudness, loudness[0], atol=0.02)
        assert max(c.gain_db for c in sounds) == pytest.approx(0)


def test_levels_stay_when_not_matched_and_nothing_clips():
    stimuli = {"vocals": {"umber": noise(0, peak=2), "ochre": noise(1), "nil": 0 * noise(1)}}
    test = ListeningTest(stimuli, RATE, loudness_match=False)
    gains = {c.gain_db for c in test._pages[0].conditions}
    assert len(gains) == 1
    assert gains.pop() == pytest.approx(-6.02, abs=0.01)
    matched = ListeningTest(stimuli, RATE)
    peaks = [
        np.abs(c.waveform).max() * 10 ** (c.gain_db / 20) for c in matched._pages[0].conditions
    ]
    assert max(peaks) <= 1 + 1e-6


def test_mono_is_brought_to_stereo_before_it_is_measured():
    stereo = noise(0)
    test = ListeningTest({"t": {"a": stereo[:, :1], "b": np.repeat(stereo[:, :1], 2, 1)}}, RATE)
    assert [c.gain_db for c in test._pages[0].conditions] == pytest.approx([0, 0])


# --- answers ----------------------------------------------------------------------------------


def test_results_of_a_whole_test(stimuli, references, tmp_path):
    test = ListeningTest(stimuli, RATE, references=references, seed=4)
    assert test.results.empty
    scores = {"umber": 60, "ochre": 40, "sienna": 80, "reference": 100, "anchor": 10}
    while not test.finished:
        answer(test, scores.__getitem__)
    table = test.results
    assert list(table) == [
        "trial", "condition", "rating", "position", "times_played", "seconds_listened",
        "gain_db", "method",
    ]  # fmt: skip
    assert len(table) == 10
    assert (table["rating"] == table["condition"].map(scores)).all()
    assert table.groupby("trial")["position"].apply(sorted).tolist() == [[1, 2, 3, 4, 5]] * 2
    assert (table["times_played"] == 1).all()
    assert (table["seconds_listened"] == 0.5).all()
    pd.testing.assert_frame_equal(pd.read_csv(test.save(tmp_path / "listener.csv")), table)
    assert [p.name for p in tmp_path.iterdir()] == ["listener.csv"]
    assert test.reliable is True
    assert test.state["table"][0][:2] == ["condition", "mean"]
    assert test.state["table"][1][:2] == ["reference", "100.0"]


def test_summary_gives_students_interval(stimuli):
    test = ListeningTest(stimuli, RATE, seed=0)
    given = iter([40, 60, 10, 50, 10, 70])
    while not test.finished:
        answer(test, lambda _: next(given))
    values = test.results.groupby("condition")["rating"]
    summary = test.summary().sort_index()
    np.testing.assert_allclose(summary["mean"], values.mean())
    np.testing.assert_allclose(summary["median"], values.median())
    assert (summary["n"] == 2).all()
    half = 12.706 * values.std() / np.sqrt(2)  # t of one degree of freedom at 97.5 %
    np.testing.assert_allclose(summary["ci_high"] - summary["mean"], half, rtol=1e-4)
    np.testing.assert_allclose(summary["mean"] - summary["ci_low"], half, rtol=1e-4)


@pytest.mark.parametrize(("rating", "reliable"), [(90, True), (89, False)])
def test_a_listener_who_misses_the_hidden_reference_is_flagged(
    stimuli, references, rating, reliable
):
    test = ListeningTest(stimuli, RATE, references=references)
    assert test.reliable is None
    while not test.finished:
        answer(test, lambda name: rating if name == "reference" else 50)
    assert test.reliable is reliable


def test_preferences(stimuli):
    test = ListeningTest(stimuli, RATE, method="ab", seed=2)
    while not test.finished:
        names = [c.name for c in test._pages[test.state["trial"]].conditions]
        choose(test, names.index("umber") if "umber" in names else 2)
    table = test.results
    assert list(table)[:4] == ["trial", "a", "b", "choice"]
    assert len(table) == 6
    assert (table["choice"] == "umber").sum() == 4
    assert (table["choice"] == "no preference").sum() == 2
    summary = test.summary()
    assert summary.loc["umber", ["wins", "losses", "ties", "n"]].tolist() == [4, 0, 0, 4]
    # Wilson's lower limit for 4 of 4
    assert summary.loc["umber", "ci_low"] == pytest.approx(4 / (4 + 1.96**2), abs=1e-3)
    assert summary.loc["ochre", ["wins", "losses", "ties"]].tolist() == [0, 2, 2]
    assert test.reliable is None


def test_a_page_is_left_only_when_all_is_heard_and_rated(stimuli):
    test = ListeningTest(stimuli, RATE, seed=0)
    for i in ids(test):
        tell(test, "rate", id=i, rating=10)
    tell(test, "next")
    assert test.state["trial"] == 0
    for i in ids(test):
        tell(test, "heard", id=i, times=1, seconds=0)
    tell(test, "next")
    assert (test.state["trial"], test.state["ratings"], test.state["played"]) == (1, {}, [])


def test_what_a_stale_or_strange_view_says_changes_nothing(stimuli, references):
    test = ListeningTest(stimuli, RATE, references=references, seed=0)
    before = test.state
    for content in (
        {"kind": "rate", "id": "1", "rating": 101},
        {"kind": "rate", "id": "1", "rating": float("nan")},
        {"kind": "rate", "id": "1", "rating": None},
        {"kind": "rate", "id": "open", "rating": 50},
        {"kind": "rate", "id": "9", "rating": 50},
        {"kind": "rate", "id": "1", "rating": 50, "trial": 1},
        {"kind": "heard", "id": "1", "times": -1, "seconds": 1},
        {"kind": "heard", "id": "1", "times": 1, "seconds": "x"},
        {"kind": "heard", "id": "1", "times": 1, "seconds": 1, "trial": 1},
        {"kind": "choose", "choice": 0},
        {"kind": "next"},
        {"kind": "other"},
        {},
    ):
        tell(test, **{"kind": "", **content})
    test._handle_custom_msg("text", [])
    assert test.state == before
    assert test.results.empty


def test_listening_reported_late_still_counts(stimuli):
    test = ListeningTest(stimuli, RATE, seed=0)
    answer(test)
    test._handle_custom_msg(
        {"kind": "heard", "trial": 0, "id": "1", "times": 0, "seconds": 2.0}, []
    )
    assert test.results["seconds_listened"].tolist() == [2.5, 0.5, 0.5]


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"stimuli": {}}, "at least one trial"),
        ({"stimuli": {"vocals": {}}}, "1 models or more"),
        ({"stimuli": {"vocals": {"umber": noise(0)}}, "method": "ab"}, "2 models or more"),
        ({"stimuli": {"vocals": {"reference": noise(0)}}}, "other than"),
        ({"stimuli": {"vocals": {"a": noise(0), "b": noise(0, n_samples=9)}}}, "one length"),
        ({"stimuli": {"vocals": {"a": noise(0, n_channels=3)}}}, "one or two channels"),
        ({"references": {"bass": noise(0)}}, "choose from vocals, drums"),
        ({"anchors": {"bass": noise(0)}}, "choose from vocals, drums"),
        ({"anchors": "highpass"}, "lowpass"),
        ({"anchors": {"vocals": noise(0)}, "method": "ab"}, "no anchors"),
        ({"method": "abx"}, "mushra"),
        ({"sample_rate": 4000}, "browsers"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_refusals(stimuli, changes, match):
    arguments = {"stimuli": stimuli, "sample_rate": RATE} | changes
    with pytest.raises(ParameterError, match=match):
        ListeningTest(**arguments)


def test_unfit_waveforms_are_named():
    with pytest.raises(AudioError, match="vocals, umber"):
        ListeningTest({"vocals": {"umber": np.full((100, 2), np.nan, "f4")}}, RATE)


def test_results_go_to_no_folder_that_is_not_there(stimuli, tmp_path):
    with pytest.raises(FileError, match="create the folder"):
        ListeningTest(stimuli, RATE).save(tmp_path / "none" / "a.csv")


def test_answers_of_another_listener_are_not_replaced_unasked(stimuli, tmp_path):
    ListeningTest(stimuli, RATE, seed=1).save(tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    again = ListeningTest(stimuli, RATE, seed=2)
    with pytest.raises(FileError, match="is there already"):
        again.save(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before
    assert again.save(tmp_path / "a.csv", overwrite=True) == tmp_path / "a.csv"
