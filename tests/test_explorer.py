"""The explorer from code: what buttons and sliders do, without a browser."""

import numpy as np
import pytest

import mssviz
from mssviz.mask_editing import Stroke


@pytest.fixture(scope="module")
def explorer():
    explorer = mssviz.explore(duration=4)
    explorer.separate()
    return explorer


def test_separating_gives_masks_stems_and_scores(explorer):
    assert explorer.separation.targets == ("vocals", "accompaniment")
    assert set(explorer.scores["target"]) == {"vocals", "accompaniment"}
    assert explorer.scores["SDR"].notna().all()
    assert np.array_equal(explorer.mixer.waveform("vocals"), explorer.estimates["vocals"])


def test_a_stroke_changes_masks_sound_and_scores_and_can_be_undone(explorer):
    before, scores = explorer.estimates["vocals"].copy(), explorer.scores
    mask = explorer.editor.masks["vocals"].copy()
    explorer._edit(lambda editor: editor.apply(Stroke("vocals", "erase", [(1, 400), (2, 400)])))
    explorer.wait()
    assert not np.array_equal(explorer.estimates["vocals"], before)
    assert np.array_equal(explorer.mixer.waveform("vocals"), explorer.estimates["vocals"])
    assert not explorer.scores.equals(scores)
    explorer._undo.click()
    explorer.wait()
    assert np.array_equal(explorer.editor.masks["vocals"], mask)
    assert np.allclose(explorer.estimates["vocals"], before, atol=1e-6)


def test_a_slider_changes_the_masks_without_the_network(explorer, monkeypatch):
    monkeypatch.setattr("mssviz.separate.Separator.segments", None)
    explorer._power.value = 4.0
    explorer.wait()
    assert explorer.separation.options.power == 4.0
    explorer._power.value = 2.0
    explorer.wait()


def test_an_error_ends_the_work_and_says_what(explorer, monkeypatch):
    def fail(*_):
        raise RuntimeError("no <b>luck</b>")

    monkeypatch.setattr(explorer, "_load", fail)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    explorer._go.click()
    explorer.wait()
    assert "no &lt;b&gt;luck" in explorer._status.value
    assert not explorer._go.disabled
    monkeypatch.undo()
    explorer.separate()
    assert explorer._status.value == ""


def test_wrong_arguments_are_refused():
    with pytest.raises(mssviz.ParameterError, match="no preset"):
        mssviz.explore(model="spleeter:9stems")
    with pytest.raises(mssviz.AudioError, match="no such file"):
        mssviz.explore("/nonexistent.mp3")
    with pytest.raises(mssviz.ParameterError, match="nothing is separated yet"):
        mssviz.explore().save_html("page.html")
