"""The explorer's session: all its work from a song to scores, without a page or a widget."""

import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import mssviz
from mssviz import baselines
from mssviz.separation import Run
from mssviz.separation.editing import Stroke
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.excerpt import HEARD_SECONDS
from mssviz.widgets.explorer.script import script_of
from mssviz.widgets.explorer.session import Session
from mssviz.widgets.explorer.work import Listener

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]

RATE = 44100
STROKE = Stroke("vocals", "erase", [(0.5, 400), (1, 400)])


class Log(Listener):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []
        self.statuses = []

    def status_changed(self, status):
        self.statuses.append(status)

    def excerpt_changed(self, excerpt):
        self.told.append(("excerpt", excerpt))

    def result_changed(self, result):
        self.told.append(("result", result and result.complete))

    def masks_changed(self, frames):
        self.told.append(("masks", frames))

    def sound_changed(self, samples):
        self.told.append(("sound", samples))

    def settled(self, result):
        self.told.append(("settled", result))

    def scores_changed(self, result, measuring):
        self.told.append(("scores", measuring))

    def kinds(self):
        """What was told since the last call, each kind once in a row."""
        names, self.told = [name for name, _ in self.told], []
        return [n for n, before in zip(names, [None, *names], strict=False) if n != before]


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(("vocals", "accompaniment")):
        noise = np.random.default_rng(seed).normal(0, 0.1, (2 * RATE, 2)).astype(np.float32)
        mssviz.write_audio(tmp_path / f"{name}.wav", noise, RATE)
    return tmp_path


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def session(log):
    session = Session(log)
    yield session
    session.close()


@pytest.fixture
def separated(session, folder, log):
    session.separate(Choice(folder, "mixture"))
    log.told = []
    return session


def test_a_song_is_read_separated_and_measured_and_each_step_is_told(session, folder, log):
    separation = session.separate(Choice(folder, "mixture", offset=0.5))
    assert len(separation.mixture) == 1.5 * RATE
    assert session.laboratory.heard is separation
    assert session.result.title == f"{folder.name} · mixture"
    assert set(session.result.scores.summary.index) == {"vocals", "accompaniment"}
    assert ("result", False) in log.told  # to be looked at while it is filled in
    assert ("result", True) in log.told
    assert log.told[-1] == ("scores", False)
    assert log.statuses[0].phase == "working"
    assert "read the song" in [status.doing for status in log.statuses]
    assert session.status == log.statuses[-1]
    assert (session.status.phase, session.status.share) == ("done", 1.0)


# --- Before anything is separated ---------------------------------------------------------------


def test_what_is_chosen_is_read_before_it_is_separated(session, folder, log):
    choice = Choice(folder, offset=0.5, duration=1.0)
    session.look_at(choice)
    session.wait()
    excerpt = session.excerpt
    assert log.told == [("excerpt", excerpt)]
    assert np.array_equal(excerpt.mixture, choice.load(RATE).mixture)
    assert (excerpt.offset, excerpt.masks, excerpt.stems) == (0.5, {}, {})
    assert list(dict.fromkeys(status.phase for status in log.statuses)) == ["reading", "idle"]
    assert session.laboratory is session.result is None
    assert session.models == {}


def test_looking_at_a_song_does_not_wait_for_tensorflow(folder):
    code = (
        "import sys\n"
        "from mssviz.widgets.explorer.choice import Choice\n"
        "from mssviz.widgets.explorer.session import Session\n"
        "session = Session()\n"
        "session.look_at(Choice(sys.argv[1]))\n"
        "session.wait()\n"
        "print(session.excerpt.mixture.shape, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout == "(88200, 2) False\n", done.stderr


def test_what_is_seen_already_is_not_read_again(session, folder, log):
    session.look_at(Choice(folder, "mixture"))
    session.wait()
    before = session.excerpt
    session.look_at(Choice(folder, "spleeter:2stems"))  # another model of the same grid
    session.wait()
    assert session.excerpt is before
    session.look_at(Choice(folder, "wave-unet"))
    session.wait()
    assert session.excerpt.params.sample_rate == 22050
    assert len(log.told) == 2


def test_a_result_takes_the_place_of_what_was_looked_at_and_keeps_the_selection(
    session, folder, log
):
    session.look_at(Choice(folder, "mixture"))
    session.wait()
    session.select((0.0, 1.0))
    session.separate(Choice(folder, "mixture"))
    assert session.excerpt is None
    assert session.result.selection == (0.0, 1.0)
    assert set(session.result.scores.windows["time"]) == {0.0}
    # and it stays when another song is chosen
    result, log.told = session.result, []
    session.look_at(Choice(folder / "vocals.wav", "mixture"))
    session.wait()
    assert session.result is result
    assert log.told == []


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"song": "none.wav"}, "no such file"),
        ({"song": ""}, "no file chosen"),
        ({"offset": -1.0}, "0 s or more"),
        ({"duration": 0.0}, r"0\.1 s or more"),
        ({"offset": 5.0}, "nothing after|no samples"),
    ],
)
def test_what_cannot_be_read_is_told_without_an_alarm(session, folder, log, choice, reason):
    session.look_at(Choice(folder, "mixture"))
    session.wait()
    session.look_at(Choice(**{"song": folder, "model": "mixture", **choice}))
    session.wait()
    assert session.status.phase == "unread"
    assert re.search(reason, session.status.messages[0])
    assert log.told[-1] == ("excerpt", None)  # it would be another's picture
    session.look_at(Choice(folder, "mixture"))
    session.wait()
    assert (session.status.phase, session.status.messages) == ("idle", ())
    assert session.excerpt is not None


class Reading:
    """Waits within the reading of a song, as if it was a long one, until it is told to go on."""

    def __init__(self, monkeypatch):
        self.begun, self.go = threading.Event(), threading.Event()
        load = Choice.load

        def slowly(choice, sample_rate, progress):
            if choice.offset != 1.0:
                return load(choice, sample_rate, progress)
            while not self.go.wait(0.01):
                progress(1.0, 2.0, "read")
                self.begun.set()
            return load(choice, sample_rate, progress)

        monkeypatch.setattr(Choice, "load", slowly)


def test_a_newer_choice_ends_the_reading_of_an_older_one(session, folder, log, monkeypatch):
    reading = Reading(monkeypatch)
    session.look_at(Choice(folder, "mixture", offset=1.0))
    assert reading.begun.wait(20)
    assert (session.status.phase, session.status.share) == ("reading", 0.5)
    session.look_at(Choice(folder, "mixture", offset=0.5))
    session.wait()
    assert log.told == [("excerpt", session.excerpt)]
    assert session.excerpt.offset == 0.5
    assert (session.status.phase, session.status.messages) == ("idle", ())


def test_reading_can_be_cancelled(session, folder, log, monkeypatch):
    reading = Reading(monkeypatch)
    session.look_at(Choice(folder, "mixture", offset=1.0))
    assert reading.begun.wait(20)
    session.cancel()
    session.wait()
    assert (session.status.phase, session.status.messages) == ("cancelled", ("Cancelled.",))
    assert log.told == [("excerpt", None)]


def test_separating_does_not_wait_for_what_was_to_be_looked_at(session, folder, log, monkeypatch):
    reading = Reading(monkeypatch)
    session.look_at(Choice(folder, "mixture", offset=1.0))
    assert reading.begun.wait(20)
    session.separate(Choice(folder, "mixture"))
    assert [kind for kind, _ in log.told].count("excerpt") == 0
    assert session.result.offset == 0


def test_a_first_run_that_is_cancelled_brings_the_mixture_back(session, folder, log):
    model = session.models["mixture", baselines.TWO_STEMS] = Endless()
    choice = Choice(folder, "mixture")
    session.look_at(choice)
    session.wait()
    excerpt = session.excerpt
    session.begin(choice)
    assert model.begun.wait(20)
    session.look_at(Choice(folder, "mixture", offset=0.5))  # it must not take the run's place
    assert session.result is not None
    session.cancel()
    session.wait()
    assert session.result is None
    told = [what for kind, what in log.told if kind == "excerpt"]
    assert told[:2] == [excerpt, excerpt]
    assert (session.excerpt.offset, told[2]) == (0.5, session.excerpt)  # chosen meanwhile


def test_options_change_masks_sound_and_scores(separated, log):
    before = separated.result.scores
    separated.set_options(hardness=0.5, power=3)
    separated.wait()
    assert separated.laboratory.separation.options.hardness == 0.5
    # masks of the mixture are given: an exponent would do nothing
    assert separated.laboratory.separation.options.power == 2
    assert separated.result.scores is not before
    assert log.kinds()[-2:] == ["settled", "scores"]
    separated.set_options(threshold=0.6)
    separated.wait()
    assert separated.laboratory.separation.options.hardness == 0.5


def test_options_are_kept_for_the_next_song(session, folder):
    session.set_options(hardness=0.5, oracle_phase=True)
    session.separate(Choice(folder, "mixture"))
    assert session.laboratory.separation.options.hardness == 0.5
    assert session.laboratory.oracle_phase
    session.separate(Choice(folder / "vocals.wav", "mixture"))
    assert session.laboratory.separation.options.hardness == 0.5
    assert not session.laboratory.oracle_phase  # there is none to take
    assert session.result.scores is None
    assert "true stems are unknown" in session.result.no_scores


def test_a_part_of_complex_masks_is_heard_where_there_is_one(session, folder):
    session.set_options(mask_part="turn")
    session.separate(Choice(folder, "oracle:MWF-targets"))
    assert session.laboratory.mask_part == "turn"
    turned, scores = session.laboratory.estimates["vocals"].copy(), session.result.scores
    assert "mask_part='turn'" in script_of(session.result)
    session.set_options()
    session.wait()
    assert session.laboratory.mask_part == "whole"
    assert not np.allclose(session.laboratory.estimates["vocals"], turned, atol=1e-3)
    assert session.result.scores.summary["SDR"]["vocals"] > scores.summary["SDR"]["vocals"] + 1
    session.set_options(mask_part="magnitude")
    session.separate(Choice(folder, "mixture"))  # nothing turns here
    assert session.laboratory.mask_part == "whole"
    session.separate(Choice(folder, "oracle:MWF-targets"))
    assert session.laboratory.mask_part == "magnitude"


def test_a_stroke_is_painted_and_taken_back_and_painted_again(separated, log):
    editor = separated.laboratory.editor
    mask, sound = editor.masks["vocals"].copy(), separated.laboratory.estimates["vocals"].copy()
    separated.paint(STROKE, sum_to_one=False)
    separated.wait()
    assert log.kinds() == ["sound", "masks", "settled", "scores"]
    painted = editor.masks["vocals"].copy()
    assert not np.array_equal(painted, mask)
    assert np.array_equal(editor.masks["accompaniment"], np.ones_like(mask))
    separated.undo()
    separated.wait()
    assert np.array_equal(editor.masks["vocals"], mask)
    assert np.allclose(separated.laboratory.estimates["vocals"], sound, atol=1e-6)
    separated.redo()
    separated.wait()
    assert np.array_equal(editor.masks["vocals"], painted)


def test_what_is_told_of_a_stroke_is_where_the_sound_changes(separated, log):
    before = separated.laboratory.estimates["vocals"].copy()
    separated.paint(STROKE)
    separated.wait()
    changed = np.flatnonzero((separated.laboratory.estimates["vocals"] != before).any(axis=1))
    (samples,) = [what for kind, what in log.told if kind == "sound"]
    assert samples.start <= changed[0]
    assert changed[-1] < samples.stop < len(before)


def test_a_selection_is_measured_alone(separated):
    separated.select((0.0, 1.0))
    separated.wait()
    assert set(separated.result.scores.windows["time"]) == {0.0}
    assert "Of the selection, 0.0 to 1.0 s." in separated.result.scores.notes
    separated.select(None)
    separated.wait()
    assert set(separated.result.scores.windows["time"]) == {0.0, 1.0}


def test_a_run_that_fails_leaves_the_earlier_result(separated, folder, log):
    separated.paint(STROKE)
    separated.wait()
    before = separated.result
    log.told = []
    with pytest.raises(mssviz.AudioError, match=r"none\.wav"):
        separated.separate(Choice(folder / "none.wav", "mixture"))
    assert separated.result is before
    assert log.told == []
    assert separated.status.phase == "failed"
    assert "none.wav" in separated.status.messages[0]
    separated.undo()
    separated.wait()
    assert not before.laboratory.editor.edited


def test_what_a_listener_cannot_show_takes_no_results_place(separated, folder, log, monkeypatch):
    def refuse(_):
        raise RuntimeError("no room on the page")

    before = separated.result
    monkeypatch.setattr(log, "result_changed", refuse)
    with pytest.raises(RuntimeError, match="no room"):
        separated.separate(Choice(folder, "mixture"))
    assert separated.result is before


class Endless:
    """Model that works until it is cancelled."""

    def __init__(self):
        self.begun = threading.Event()
        self._model = baselines.find("mixture")

    def __getattr__(self, name):
        return getattr(self._model, name)

    def begin(self, *sound):
        run = self._model.begin(*sound)

        def work(progress):
            while True:
                progress(1, 2, "separate")
                self.begun.set()
                yield slice(0, 1)

        return Run(run.separation, work)


@pytest.mark.parametrize("stop", [Session.cancel, Session.close])
def test_work_can_be_cancelled_and_closed(session, folder, log, stop):
    model = session.models["mixture", baselines.TWO_STEMS] = Endless()
    session.begin(Choice(folder, "mixture"))
    assert model.begun.wait(20)
    stop(session)
    session.wait()
    assert session.status.phase == "cancelled"
    assert session.status.messages == ("Cancelled.",)
    assert session.result is None
    assert log.told[-1] == ("result", None)


def test_a_closed_session_lets_go_of_everything(separated, folder):
    separated.close()
    assert separated.laboratory is None
    assert separated.models == {}
    with pytest.raises(mssviz.ParameterError, match="closed"):
        separated.separate(Choice(folder, "mixture"))


def test_models_of_other_grids_are_refused(session, folder):
    with pytest.raises(mssviz.ParameterError, match="different sample rates or windows"):
        session.separate(Choice(folder, "mixture", "wave-unet"))


def test_no_widget_is_needed():
    """All of the above, in a process that has none."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['ipywidgets', 'anywidget', 'traitlets']))\n"
        "import pytest\n"
        "sys.exit(pytest.main([sys.argv[1], '-k', 'not needed', '-p', 'no:cacheprovider']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, __file__],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_what_is_heard_changes_before_what_is_selected_and_seen(session, folder, log):
    session.separate(Choice(folder, "repet-sim"))
    session.select((0.2, 0.4))
    result = session.result
    result.playhead, result.visible = 1.0, (0.0, 0.5)
    session.wait()
    log.told = []
    session.set_options(hardness=1.0)
    session.wait()
    starts = [samples.start / RATE for kind, samples in log.told if kind == "sound"]
    # sound begins to change half a window before the first mask
    assert starts[0] == pytest.approx(1.0 - HEARD_SECONDS[0], abs=0.1)
    assert starts[1] == pytest.approx(0.2, abs=0.1)
    assert sorted(starts) != starts


@pytest.mark.parametrize(
    ("options", "passes"),
    [({}, 1), ({"hardness": 1.0}, 1), ({"smoothing": 0.1}, 2), ({"mwf": 1}, 2)],
)
def test_masks_of_a_first_run_are_made_once_unless_they_need_later_frames(
    session, folder, log, options, passes
):
    session.set_options(**options)
    found = session.separate(Choice(folder, "hpss"))
    assert [kind for kind, _ in log.told].count("sound") == passes
    assert session.result.settings.items() >= options.items()
    mixture, _, _ = Choice(folder, "hpss").load(RATE)
    expected = baselines.find("hpss", **options).separate(mixture, RATE, progress=False)
    for target, stem in expected.estimates.items():
        assert np.abs(found.estimates[target] - stem).max() < 1e-6
