"""Checks of answers: why a wrong one is wrong, and what is kept of all of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mssviz import lessons, masks
from mssviz.errors import ParameterError
from mssviz.lessons import ethics, painting, phases, systems
from mssviz.separation.editing import Stroke
from mssviz.stft import StftParams, stft

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def vocals():
    return lessons.excerpt().stems["vocals"]


def mixture():
    return lessons.excerpt().mixture


def rest():
    return mixture() - vocals()


def powers(exponent=2, below=None):
    """Ratio masks by hand: a share of what is made of magnitudes."""
    found = {name: np.abs(s) ** exponent for name, s in lessons.true_spectra().items()}
    total = sum(found.values()) if below is None else below
    return {name: power / (total + 1e-5**exponent) for name, power in found.items()}


def network_mask():
    return np.asarray(
        lessons.songs.separated("spleeter:2stems", "lithium", painting.BAR_SECONDS).masks["vocals"]
    )


def bar():
    return lessons.excerpt("lithium", painting.BAR_SECONDS)


def painted(*strokes):
    goal = lessons.MaskGoal()
    for stroke in strokes:
        goal.paint(stroke)
    return goal


def spleeters(**options):
    made = lessons.songs.separated("spleeter:2stems")
    return np.asarray(made.with_options(**options).estimates["vocals"])


def backing():
    return lessons.excerpt("francium").two["accompaniment"]


def made_song(**others):
    """An example of two songs, with some of it replaced."""
    softer = 10 ** (-6 / 20) * vocals()
    right = {"mixture": softer + backing(), "vocals": softer, "accompaniment": backing()}
    return right | others


def of_mixture():
    spectrum = sum(lessons.true_spectra().values())
    return powers(below=np.abs(spectrum) ** 2)


#: By exercise: answers that are wrong, with what the message says.
WRONG = {
    "1.1": [
        (mixture, "still the whole mixture"),
        (vocals, "vocals alone"),
        (lambda: rest() / 3, "mean of the stems"),
        (lambda: rest() - lessons.excerpt().stems["bass"], "bass are missing"),
        (lambda: mixture() + vocals(), "there twice"),
        (lambda: mixture()[:1000], r"of shape \(176400, 2\); yours has \(1000, 2\)"),
        (lambda: lessons.excerpt().stems, "must be an array"),
        (lambda: rest() * np.nan, "not finite"),
        (lambda: 2 * rest(), "no sum of the other stems"),
    ],
    "2.1": [
        (lambda: 10 ** (-12 / 10) * vocals() + rest(), "divide by 20"),
        (lambda: vocals() / 12 + rest(), "not 12 dB"),
        (rest, "vocals are gone"),
        (lambda: mixture() - 10 ** (-12 / 20) * vocals(), "subtracted the soft vocals"),
        (lambda: 10 ** (-12 / 20) * mixture(), "All is softer"),
        (lambda: 10 ** (12 / 20) * vocals() + rest(), "mind the sign"),
        (mixture, "not the mixture with softer vocals"),
    ],
    "3.1": [
        (lambda: 4096, "fall into the same bin"),
        (lambda: 8192, "both still are one hill"),
        (lambda: 65536, "Half of it does it"),
        (lambda: 1.5, "whole number"),
        (lambda: "16384", "must be a number"),
        (lambda: 10**9, "longer than the whole sound"),
    ],
    "4.1": [
        (vocals, "true vocals"),
        (mixture, "mixture itself"),
        (lambda: phases.swapped(mixture(), vocals()), "Swapped"),
        (lambda: phases.swapped(vocals(), phases.ZERO), "All phases are 0"),
        (lambda: -phases.swapped(vocals(), mixture()), "sign"),
        (lambda: phases.swapped(vocals(), phases.RANDOM), "Magnitudes or phases are others"),
    ],
    "5.1": [
        (painted, "network's own mask"),
        (lambda: np.zeros_like(network_mask()), "costliest place"),
        (lambda: np.ones_like(network_mask()), "too much, so erase there"),
        (lambda: 2 * np.ones_like(network_mask()), "from 0 to 1"),
        (lambda: _ideal(), "computed from the true vocals"),
        (lambda: "mine", "must be an array"),
    ],
    "5.2": [
        (lambda: powers(exponent=1), "shares of magnitudes"),
        (of_mixture, "not to 1"),
        (lambda: masks.binary_masks(lessons.true_spectra()), "binary"),
        (lambda: powers(exponent=4), "no shares of powers"),
        (lambda: {n: mask * np.nan for n, mask in powers().items()}, "not finite"),
        (lambda: {"vocals": 1}, "a mask for each of vocals, drums, bass, other"),
        (lessons.true_spectra, "complex"),
    ],
    "6.1": [
        (lambda: 4096, "the vocals' best"),
        (lambda: 16384, "take a shorter one"),
        (lambda: 512, "take a longer one"),
        (lambda: 5000, "Choose one of 256, 512"),
        (lambda: "long", "must be a number"),
    ],
    "7.1": [
        (lambda: range(1, 11), "All components together are the mixture"),
        (lambda: [9, 10], "but one is missing"),
        (lambda: [5, 8, 9, 10], "Component 8 is mostly other: 57 %"),
        (lambda: [0, 4], "numbered from 1 to 10"),
        (lambda: [5, 9, 9, 10], "twice as loud"),
        (lambda: [5.5], "whole numbers"),
        (lambda: [], "list is empty"),
        (lambda: "all", "must be a list of numbers"),
    ],
    "8.1": [
        (lambda: [5, 9, 13, 17, 21, 25], "go on by one frame"),
        (lambda: [5, 10, 20, 40, 80, 160], "does not double"),
        (lambda: [9, 25, 57, 121, 249, 505], "own stride"),
        (lambda: [5, 25, 125, 625, 3125, 15625], "Kernels overlap"),
        (lambda: [253, 125, 61, 29, 13, 5], "turned round"),
        (lambda: [5, 13, 29, 60, 125, 253], "Right up to layer 3"),
        (lambda: [3, 7, 15, 31, 63, 127], "as its kernel is wide: 5"),
        (lambda: 253, "must be a list of 6 numbers"),
        (lambda: [0.1, 0.3, 0.7, 1.4, 2.9, 5.9], "all numbers are whole"),
    ],
    "9.1": [
        (lambda: (3.9, 75), "mostly other sound"),
        (lambda: (3.32, 1184), "a voice that is found"),
        (lambda: (3.6, 1174), "an instrument taken for a voice"),
        (lambda: (3.5, 15000), "sees nothing above 11,025 Hz"),
        (lambda: (3.85, 280), "no clear one"),
        (lambda: (3.5, 10900), "Almost nothing sounds"),
        (lambda: (0.7, 883), "from 3 to 4 s"),
        (lambda: 883, "a pair: seconds and hertz"),
        (lambda: ("0.7", "883"), "must be a number"),
    ],
    "10.1": [
        (lambda: spleeters(), "Spleeter's vocals as they are"),
        (lambda: 0.5 * spleeters(), "neither level nor filters change it"),
        (mixture, "fallen to"),
        (lambda: spleeters(power=8), "of which the network is surer"),
        (vocals, "of the true vocals"),
        (lambda: 0 * vocals(), "silence"),
        (lambda: vocals() + 0.03 * rest(), "no worse a stem"),
    ],
    "11.1": [
        (lambda: made_song(mixture=mixture()), "a song's own"),
        (lambda: made_song(mixture=vocals() + backing()), "mixture has the vocals as loud"),
        (lambda: made_song(vocals=vocals()), "turn down the target, too"),
        (lambda: made_song(vocals=vocals() / 4), r"10 \*\* \(dB / 20\)"),
        (lambda: made_song(vocals=lessons.excerpt("francium").stems["vocals"]), "are Francium's"),
        (lambda: made_song(accompaniment=rest()), "of one song again"),
        (lambda: made_song(accompaniment=mixture()), "not Francium's, as it is"),
        (lambda: made_song(mixture=0.5 * made_song()["mixture"]), "no mask could be right"),
        (lambda: {"vocals": vocals()}, "a dict with mixture, vocals, accompaniment"),
    ],
    "12.1": [
        (lambda: [width for _, width in systems.bands(systems.SPLITS[1])], "62 bands, at most 30"),
        (lambda: [35] * 29 + [10], "begins at 0 Hz is 754 Hz wide"),
        (lambda: [*[4] * 12, *[57] * 17], "all above 21,899 Hz is in no band"),
        (lambda: [*[4] * 12, *[60] * 17], "add up to 1,068"),
        (lambda: [8, *[57] * 17, *[4] * 12], "upside down"),
        (lambda: [102.5] * 10, "whole number of bins"),
        (lambda: 30, "list of widths"),
    ],
    "13.1": [
        (lambda: ["song 1"], "Compare the stems, too"),
        (lambda: ["song 3"], "Neither level nor channels make it new"),
        (lambda: [*ethics.test_set()], "Song 2 may stay"),
        (lambda: ["song 1", "song 3", "song 4"], "Song 4 may stay"),
        (lambda: ["song 5"], "no song 5; choose from song 1"),
        (lambda: "song 1", "list of names"),
    ],
}  # fmt: skip

#: By exercise: answers that are right, each made in another way.
RIGHT = {
    "1.1": [
        rest,
        lambda: np.add.reduce([s for n, s in lessons.excerpt().stems.items() if n != "vocals"]),
    ],
    "2.1": [
        lambda: 10 ** (-12 / 20) * vocals() + rest(),
        lambda: mixture() - 0.75 * vocals(),
    ],
    "3.1": [lambda: 16384, lambda: StftParams(n_fft=16000, hop_length=4000)],
    "4.1": [
        lambda: phases.swapped(vocals(), mixture()),
        lambda: phases.swapped(vocals(), mixture()).astype(np.float64),
    ],
    "5.1": [
        lambda: painted(Stroke("vocals", "paint", [(0.1, 850), (1.3, 850)], 0.08, 100.0)),
        lambda: np.maximum(network_mask(), 0.8 * (_ideal() > 0.5)).astype(np.float32),
    ],
    "5.2": [powers, lambda: masks.ideal_ratio_masks(lessons.true_spectra())],
    "6.1": [lambda: 8192, lambda: StftParams(n_fft=8192, hop_length=2048)],
    "7.1": [lambda: [5, 9, 10], lambda: np.array([10, 9, 5])],
    "8.1": [lambda: [5, 13, 29, 61, 125, 253], lambda: 2 ** np.arange(3, 9) - 3],
    "9.1": [lambda: (3.1, 345), lambda: [3.78, 560.0]],
    "10.1": [
        lambda: spleeters(hardness=1.0, threshold=0.8),
        lambda: 0.7 * spleeters(hardness=1.0, threshold=0.95),
    ],
    "11.1": [
        lambda: made_song(),
        lambda: {name: one.astype(np.float64) for name, one in made_song().items()},
    ],
    "12.1": [
        lambda: [4] * 12 + [57] * 17 + [8],
        lambda: np.array([3] * 17 + [100] * 9 + [74]),
    ],
    "13.1": [lambda: ["song 3", "song 1"], lambda: {"song 1": True, "song 3": True}],
}


def _ideal():
    true = {name: stft(stem, StftParams()) for name, stem in bar().two.items()}
    return masks.ideal_ratio_masks(true)["vocals"]


def test_every_exercise_has_answers_here():
    assert list(WRONG) == list(RIGHT) == list(lessons.EXERCISES)
    assert all(len(answers) >= 3 for answers in WRONG.values())
    assert all(len(answers) >= 2 for answers in RIGHT.values())


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        pytest.param(exercise, answer, said, id=f"{exercise} {said}")
        for exercise, answers in WRONG.items()
        for answer, said in answers
    ],
)
def test_a_wrong_answer_is_told_why(exercise, answer, said):
    verdict = lessons.check(exercise, answer())
    assert not verdict.solved
    assert re.search(said, verdict.message), verdict.message
    assert repr(verdict).startswith("Not yet. ")


@pytest.mark.parametrize(
    ("exercise", "answer"), [(e, answer) for e, answers in RIGHT.items() for answer in answers]
)
def test_a_right_answer_is_right(exercise, answer):
    verdict = lessons.check(exercise, answer())
    assert verdict.solved, verdict
    assert repr(verdict).startswith("Right. ")
    assert (
        lessons.progress()
        == f"Solved 1 of {len(RIGHT)}: {exercise}. Open: "
        + ", ".join(one for one in RIGHT if one != exercise)
        + "."
    )


def test_different_mistakes_get_different_messages():
    for exercise, answers in WRONG.items():
        said = {lessons.check(exercise, answer()).message for answer, _ in answers[:4]}
        assert len(said) == 4, exercise


# --- What is kept -------------------------------------------------------------------------------


def kept():
    return json.loads(Path(lessons.RESULTS).read_text())["exercises"]


def test_what_is_solved_stays_solved_and_tries_are_counted():
    for answer in (4096, 16384, 1024):
        lessons.check("3.1", answer)
    assert kept()["3.1"]["solved"] is True
    assert kept()["3.1"]["tries"] == 3
    assert kept()["3.1"]["time"].endswith("+00:00")
    lessons.check("6.1", 512)
    assert kept()["3.1"]["tries"] == 3
    assert kept()["6.1"] == {"solved": False, "tries": 1}


@pytest.mark.parametrize("answer", [..., None])
def test_no_answer_is_no_try(answer, folder):
    assert "three dots" in lessons.check("3.1", answer).message
    assert not list(folder.iterdir())


def test_an_exercise_that_does_not_exist_is_refused():
    with pytest.raises(ParameterError, match=r"exercise must be one of 1\.1, .* \(got '9\.9'\)"):
        lessons.check("9.9", 1)


@pytest.mark.parametrize(
    "content",
    ["mine", "[]", '{"exercises": 3}', '{"exercises": {"3.1": {"solved": true, "tries": "x"}}}'],
)
def test_a_file_that_is_no_record_is_left_as_it_is(content, folder):
    (folder / lessons.RESULTS).write_text(content)
    verdict = lessons.check("3.1", 16384)
    assert verdict.solved
    assert "could not be kept" in verdict.message
    assert "move it away" in verdict.message
    assert (folder / lessons.RESULTS).read_text() == content
    with pytest.raises(ParameterError, match="move it away"):
        lessons.progress()


def test_a_folder_that_cannot_be_written_is_told(own_folder, monkeypatch):
    monkeypatch.chdir(own_folder)
    own_folder.chmod(0o500)
    verdict = lessons.check("3.1", 16384)
    own_folder.chmod(0o700)
    assert verdict.solved
    assert "could not be kept" in verdict.message


def test_a_verdict_on_a_page_is_text():
    page = lessons.Verdict(False, "<b>no</b>")._repr_html_()
    assert 'role="status"' in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page


def test_results_of_a_class_are_one_table(folder):
    records = {
        "anna": {"1.1": {"solved": True, "tries": 3}, "3.1": {"solved": False, "tries": 2}},
        "late/ben": {"3.1": {"solved": True, "tries": 1}},
    }
    for student, exercises in records.items():
        (folder / student).mkdir(parents=True)
        content = json.dumps({"exercises": exercises})
        (folder / student / lessons.RESULTS).write_text(content)
    table = lessons.class_results(folder)
    assert list(table.index) == ["anna", "late/ben"]
    assert list(table.columns) == ["solved", "tries", *lessons.EXERCISES]
    assert table.loc["anna", ["solved", "tries", "1.1", "3.1"]].tolist() == [
        1,
        5,
        "solved",
        "tried",
    ]
    assert table.loc["late/ben", ["solved", "tries", "1.1"]].tolist() == [1, 1, ""]
    (folder / "anna" / lessons.RESULTS).write_text("{")
    with pytest.raises(ParameterError, match=r"anna.*move it away"):
        lessons.class_results(folder)


def test_a_class_that_has_handed_in_nothing_is_told(folder):
    with pytest.raises(ParameterError, match=lessons.RESULTS):
        lessons.class_results(folder)


def test_progress_begins_with_nothing_and_ends_with_everything(folder):
    assert lessons.progress().startswith(f"Solved 0 of {len(RIGHT)}. Open: 1.1, ")
    record = {"exercises": {name: {"solved": True, "tries": 1} for name in RIGHT}}
    (folder / lessons.RESULTS).write_text(json.dumps(record))
    assert lessons.progress().endswith("Nothing is open.")
    assert lessons.progress(folder) == lessons.progress()


def test_who_changes_what_is_given_changes_it_for_nobody_else():
    song = lessons.excerpt()
    karaoke = song.mixture
    karaoke -= song.stems["vocals"]
    assert repr(lessons.check("1.1", karaoke)).startswith("Right.")
    song.stems.pop("vocals")
    assert repr(lessons.check("1.1", rest())).startswith("Right.")
    sounds = lessons.components()
    sounds[0][:] = 0
    assert lessons.components()[0].any()


def test_what_another_version_of_the_course_has_kept_stays(folder):
    kept = {
        "exercises": {"14.1": {"solved": True, "tries": 2}, "3.1": {"solved": True, "tries": 1}}
    }
    (folder / "course-results.json").write_text(json.dumps(kept | {"name": "A. Student"}))
    lessons.check("6.1", 5)
    found = json.loads((folder / "course-results.json").read_text())
    assert found["name"] == "A. Student"
    assert found["exercises"] == kept["exercises"] | {"6.1": {"solved": False, "tries": 1}}
    with pytest.raises(ParameterError, match="no such folder"):
        lessons.progress(folder / "none")


@pytest.mark.parametrize("answer", [10**400, np.array(5.0), {}, object()])
@pytest.mark.parametrize("exercise", RIGHT)
def test_an_answer_of_any_kind_is_judged(exercise, answer):
    assert not lessons.check(exercise, answer).solved
