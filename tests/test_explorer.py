"""The explorer from code: what buttons and sliders do, without a browser."""

from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

import mssviz
from mssviz import datasets, mask_options, masks
from mssviz.separation.editing import Stroke
from mssviz.stft import stft
from mssviz.training import Settings

pytestmark = pytest.mark.slow


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
    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    explorer.wait()
    assert not np.array_equal(explorer.estimates["vocals"], before)
    assert np.array_equal(explorer.mixer.waveform("vocals"), explorer.estimates["vocals"])
    assert not explorer.scores.equals(scores)
    explorer.controls.undo.click()
    explorer.wait()
    assert np.array_equal(explorer.editor.masks["vocals"], mask)
    assert np.allclose(explorer.estimates["vocals"], before, atol=1e-6)


def test_a_button_is_free_before_the_other_one_is_locked(explorer):
    """The page gives the focus of the one that is locked to the other, which must be free."""
    controls, seen = explorer.controls, []
    buttons = {"undo": controls.undo, "redo": controls.redo}

    def look(_):
        seen.append({name for name, button in buttons.items() if not button.disabled})

    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    explorer.wait()
    for button in buttons.values():
        button.observe(look, "disabled")
    controls.undo.click()
    explorer.wait()
    controls.redo.click()
    explorer.wait()
    assert seen == [{"undo", "redo"}, {"redo"}, {"undo", "redo"}, {"undo"}]
    for button in buttons.values():
        button.unobserve(look, "disabled")
    controls.undo.click()
    explorer.wait()


def test_what_python_gives_is_what_is_heard_to_the_sample(explorer):
    def alike():
        explorer.wait()
        return all(
            np.array_equal(stem, explorer.mixer.waveform(target))
            and np.array_equal(stem, explorer.estimates[target])
            for target, stem in explorer.separation.estimates.items()
        )

    unpainted = explorer.separation
    assert alike()
    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    assert alike()
    painted = explorer.separation
    assert not np.array_equal(painted.estimates["vocals"], unpainted.estimates["vocals"])
    explorer.controls.power.value = 4.0
    assert alike()
    explorer.controls.power.value = 2.0
    explorer.controls.undo.click()
    assert alike()
    assert not np.array_equal(painted.estimates["vocals"], explorer.estimates["vocals"])


def test_a_slider_changes_the_masks_without_the_network(explorer, monkeypatch):
    monkeypatch.setattr("mssviz.separate.Separator.segments", None)
    explorer.controls.power.value = 4.0
    explorer.wait()
    assert explorer.separation.options.power == 4.0
    explorer.controls.power.value = 2.0
    explorer.wait()


def test_a_bandwidth_stays_with_a_model_of_another_band(explorer):
    slider = explorer.controls.bandwidth
    assert slider.value == slider.max == 11.0
    slider.value = 9.0
    explorer.controls.model.value = "bands"
    explorer.separate()
    assert (slider.value, slider.max) == (9.0, 22.1)
    assert explorer.separation.options.bandwidth == 9000
    slider.value = slider.max
    explorer.controls.model.value = "spleeter:2stems"
    explorer.separate()
    assert slider.value == slider.max == 11.0
    assert explorer.separation.options.bandwidth == np.inf


def test_controls_have_the_options_names(explorer):
    assert set(mask_options.described_options()) <= set(dir(explorer.controls))
    with pytest.raises(AttributeError, match="no control 'loudness'"):
        _ = explorer.controls.loudness


def test_an_error_ends_the_work_and_says_what(explorer, monkeypatch):
    def fail(*_):
        raise RuntimeError("no <b>luck</b>")

    monkeypatch.setattr(datasets.Track, "sound", fail)
    explorer.controls.separate.click()
    explorer.wait()
    assert "no &lt;b&gt;luck" in explorer.controls.status.value
    assert not explorer.controls.separate.disabled
    monkeypatch.undo()
    explorer.separate()
    assert explorer.controls.status.value == ""


def test_wrong_arguments_are_refused():
    with pytest.raises(mssviz.ParameterError, match="no preset"):
        mssviz.explore(model="spleeter:9stems")
    with pytest.raises(mssviz.AudioError, match="no such file"):
        mssviz.explore("/nonexistent.mp3")
    with pytest.raises(mssviz.ParameterError, match="layout must be one of full, lecture"):
        mssviz.explore(layout="wide")
    with pytest.raises(mssviz.ParameterError, match="nothing is separated yet"):
        mssviz.explore().save_html("page.html")


def test_a_folder_of_stems_brings_scores(tmp_path, example):
    _, sources = example
    for name, stem in sources.items():
        mssviz.write_audio(tmp_path / f"{name}.flac", stem[: 2 * 44100], 44100)
    explorer = mssviz.explore(tmp_path, model="repet-sim")
    explorer.separate()
    assert len(explorer.scores) == 4
    assert len(explorer.mixer.waveform("vocals")) == 2 * 44100


def test_a_second_model_is_set_beside_the_first():
    explorer = mssviz.explore(duration=3, compare="oracle:IRM2")
    separation = explorer.separate()
    assert explorer.rival.targets == separation.targets
    assert "difference/vocals/oracle:IRM2" in explorer.view.shows
    strips = {strip["name"]: strip["choices"] for strip in explorer.mixer.strips}
    assert strips["vocals"] == ["vocals", "vocals (true)", "vocals (oracle:IRM2)"]
    sound = explorer.mixer.waveform("vocals (oracle:IRM2)")
    assert np.array_equal(sound, explorer.rival.estimates["vocals"])
    assert "accompaniment · oracle:IRM2" in explorer.stage.score_table.value


def test_a_second_model_that_is_given_by_its_path_is_shown_like_any_other():
    folder = str(Path(__file__).parents[1] / "pretrained" / "spleeter-2stems")
    explorer = mssviz.explore(duration=2, model="oracle:IRM2", compare=folder)
    separation = explorer.separate()
    explorer.view.show = f"difference/vocals/{folder}"
    ours, theirs = (np.asarray(s.masks["vocals"]) for s in (separation, explorer.rival))
    shown = explorer.view.layer_values(explorer.view.show).astype(float)
    assert np.abs((shown - 128) / 127 - (ours - theirs).mean(axis=2)).max() < 0.005


def test_what_is_left_over_is_compared_only_with_the_same_left_over():
    explorer = mssviz.explore(duration=3, compare="hpss")  # drums, other
    explorer.separate()
    assert not any(show.endswith("/hpss") for show in explorer.view.shows)
    assert "hpss" not in explorer.stage.score_table.value


def test_an_oracle_without_true_stems_says_what_it_needs(tmp_path, example):
    mssviz.write_audio(tmp_path / "song.flac", example[0][:44100], 44100)
    explorer = mssviz.explore(tmp_path / "song.flac", model="oracle:IBM1")
    with pytest.raises(mssviz.ParameterError, match="needs the true stems"):
        explorer.separate()
    assert "needs the true stems" in explorer.controls.status.value


def test_a_selection_is_measured_alone(explorer):
    explorer.view.selection = [1.0, 3.0]
    explorer.wait()
    assert sorted(set(explorer.scores["time"])) == [1.0, 2.0]
    assert "Of the selection, 1.0 to 3.0 s" in explorer.stage.score_table.value
    explorer.view.selection = None
    explorer.wait()
    assert len(set(explorer.scores["time"])) == 4


def test_the_threshold_is_locked_while_masks_are_soft(explorer):
    hardness, threshold = explorer.controls.hardness, explorer.controls.threshold
    assert threshold.disabled
    hardness.value = 0.5
    assert not threshold.disabled
    explorer.controls.mwf.value = 1
    assert threshold.disabled
    explorer.controls.mwf.value = hardness.value = 0
    assert threshold.disabled
    explorer.wait()


def test_strokes_stay_when_a_slider_moves(explorer):
    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    explorer.controls.hardness.value = 0.5
    explorer.wait()
    assert explorer.editor.can_undo
    frame, index = 60, 37  # 1.35 s, 398 Hz
    assert explorer.editor.masks["vocals"][frame, index].max() < 0.05
    explorer.controls.hardness.value = 0.0
    explorer.controls.undo.click()
    explorer.wait()
    assert np.array_equal(explorer.editor.masks["vocals"], explorer.separation.masks["vocals"][:])


def test_a_filter_gives_way_to_masks_when_painted_on(explorer):
    explorer.controls.mwf.value = 1
    explorer.wait()
    filtered = explorer.separation.estimates["vocals"]
    assert np.allclose(explorer.estimates["vocals"], filtered, atol=1e-6)
    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    explorer.wait()
    tail = slice(3 * 44100, None)  # far from the stroke, and yet of the effective mask now
    assert not np.allclose(explorer.estimates["vocals"][tail], filtered[tail], atol=1e-6)
    explorer.controls.undo.click()
    explorer.wait()
    assert np.allclose(explorer.estimates["vocals"], filtered, atol=1e-6)
    explorer.controls.mwf.value = 0
    explorer.wait()


@pytest.fixture(scope="module")
def waveform_model(tmp_path_factory, example):
    """Folder of a network that gives waveforms, after a few steps of training."""
    folder = tmp_path_factory.mktemp("waveforms")
    _, sources = example
    (folder / "song").mkdir()
    for name in ("vocals", "drums", "other", "bass"):  # the example has no bass of its own
        stem = sources["drums" if name == "bass" else name][: 4 * 44100]
        mssviz.write_audio(folder / "song" / f"{name}.flac", stem, 44100)
    settings = Settings(steps=2, epoch_steps=2, batch_size=1, chunk_seconds=3, chunks=1, loss="MSE")
    songs = datasets.from_folders(folder)
    mssviz.train(
        songs, folder / "mine", "wave-unet-tiny", settings=settings, cache=folder, progress=False
    )
    return str(folder / "mine")


def test_a_model_that_gives_waveforms_is_explored_by_its_effective_masks(waveform_model, tmp_path):
    explorer = mssviz.explore(str(Path(waveform_model).parent / "song"), model=waveform_model)
    explorer.separate()
    assert explorer.controls.power.disabled
    assert explorer.controls.mwf.disabled
    assert not explorer.controls.oracle_phase.disabled
    assert "gives waveforms, not masks" in explorer.controls.masks.note.value
    separation, estimate = explorer.separation, explorer.estimates["vocals"].copy()
    assert np.allclose(estimate, separation.estimates["vocals"], atol=1e-5)
    spectrum = stft(separation.estimates["vocals"], separation.preset.stft)
    effective = masks.ideal_amplitude_mask(spectrum, np.asarray(separation.mixture_stft))
    loud = abs(np.asarray(separation.mixture_stft)) > 1e-2
    found = np.asarray(explorer.editor.masks["vocals"])
    assert np.allclose(found[loud], effective[loud], atol=1e-3)
    part = explorer.controls.mask_part
    assert part.layout.display is None
    assert "complex/vocals" in explorer.view.shows
    part.value = "turn"
    explorer.wait()
    page = explorer.save_html(tmp_path / "turned.html").read_text("utf-8")
    assert "(masks: heard of them: turn only)" in page
    assert not np.allclose(explorer.estimates["vocals"], estimate, atol=1e-3)
    explorer.session.paint(Stroke("vocals", "erase", [(1, 400), (2, 400)]))
    explorer.wait()
    assert part.disabled  # strokes are made on masks that turn nothing
    assert not np.array_equal(explorer.estimates["vocals"], estimate)
    explorer.session.undo()
    part.value = "whole"
    explorer.wait()
    assert not part.disabled
    assert np.allclose(explorer.estimates["vocals"], estimate, atol=1e-5)
    explorer.controls.model.value = "repet-sim"
    explorer.separate()
    assert part.layout.display == "none"
    assert "complex/vocals" not in explorer.view.shows
    assert explorer.controls.power.disabled
    assert not explorer.controls.hardness.disabled
    assert "its masks are given and not ratios" in explorer.controls.masks.note.value


def test_masks_of_another_grid_are_not_laid_over_each_other(waveform_model):
    explorer = mssviz.explore(duration=2, compare=waveform_model)
    with pytest.raises(mssviz.ParameterError, match="different sample rates or windows"):
        explorer.separate()


def test_the_picker_says_what_has_yet_to_be_trained():
    explorer = mssviz.explore()
    labels = {name: label for label, name in explorer.controls.model.options}
    assert "to be trained" in labels["umx"] or "will be fetched" in labels["umx"]
    assert labels["wave-unet"].endswith("(to be trained)")
    assert "umx-tiny" not in labels
    explorer.controls.model.value = "wave-unet"
    with pytest.raises(mssviz.PretrainedError, match="mssviz train -p wave-unet"):
        explorer.separate()
    assert "train it, or choose another model" in explorer.controls.status.value


def test_the_picker_says_which_models_may_know_the_test_songs():
    details = mssviz.explore().controls.model._details
    assert "learnt MUSDB18's test songs: not known" in details["bs-roformer:sw"]
    assert "test songs" not in details["umx"]


def test_the_songs_button_says_no_more_than_the_song_has(tmp_path):
    path = tmp_path / "short.wav"
    mssviz.write_audio(path, np.zeros((int(3.2 * 44100), 2), np.float32), 44100)
    controls = mssviz.explore(path).controls
    # what lies behind the song's end is refused when it is read
    for start, part in ((0, "0:00–0:03"), (2, "0:02–0:03"), (5, "0:05–0:20")):
        controls.offset.value = start
        (button,) = controls.row.children[0].buttons
        assert button["detail"] == f"{part} of 0:03"


def test_a_new_run_on_the_same_excerpt_keeps_how_things_are_looked_at_and_heard():
    explorer = mssviz.explore(duration=3, model="repet-sim")
    explorer.separate()
    view, mixer = explorer.view, explorer.mixer
    view.start, view.stop, view.low, view.high = 0.5, 2.0, 100.0, 5000.0
    view.scale, view.show, view.time, view.selection = "mel", "mask/vocals", 1.0, [1.0, 2.0]
    view.floor_db, view.tool = -60.0, "lasso"
    view.brush = view.brush | {"target": "accompaniment", "value": 0.5}
    mixer.adjust("vocals", solo=True, gain_db=-6.0, shows="vocals (true)")
    mixer.adjust("mixture", muted=False)
    mixer.master_db, mixer.time = -3.0, 1.0
    explorer.score_view.measure = "SIR"
    explorer.wait()
    explorer.controls.rival.value = "mixture"
    explorer.separate()
    assert explorer.view is not view
    assert (explorer.view.start, explorer.view.stop) == (0.5, 2.0)
    assert (explorer.view.low, explorer.view.high) == (100.0, 5000.0)
    assert (explorer.view.scale, explorer.view.show) == ("mel", "mask/vocals")
    assert (explorer.view.time, explorer.view.selection) == (1.0, [1.0, 2.0])
    assert (explorer.view.floor_db, explorer.view.tool) == (-60.0, "lasso")
    assert explorer.view.brush == view.brush
    strips = {strip["name"]: strip for strip in explorer.mixer.strips}
    assert (strips["vocals"]["solo"], strips["vocals"]["gain_db"]) == (True, -6.0)
    assert strips["vocals"]["shows"] == "vocals (true)"
    assert not strips["mixture"]["muted"]
    assert (explorer.mixer.master_db, explorer.mixer.time) == (-3.0, 1.0)
    assert explorer.mixer.selection == [1.0, 2.0]
    assert explorer.score_view.measure == "SIR"
    assert set(explorer.scores["time"]) == {1.0}  # of the selection, still
    # of another model, what it has
    explorer.view.show = "difference/vocals/mixture"
    explorer.controls.rival.value = ""
    explorer.controls.model.value = "hpss"
    explorer.separate()
    assert explorer.view.show == "hues"
    assert explorer.view.brush["target"] == "drums"
    assert (explorer.view.start, explorer.view.stop) == (0.5, 2.0)
    # another excerpt begins anew
    explorer.controls.offset.value = 1.0
    explorer.separate()
    assert (explorer.view.start, explorer.view.selection) == (1.0, None)
    assert explorer.session.result.selection is None
    explorer.close()


def test_stems_with_a_true_one_are_scored_and_the_others_are_named():
    explorer = mssviz.explore("francium", model="teaching:4stems", duration=3.5)
    explorer.separate()
    assert list(explorer.references) == ["vocals", "drums", "other"]
    assert set(explorer.scores["target"]) == {"vocals", "drums", "other"}
    table = explorer.stage.score_table.value
    assert "Not scored: bass." in table
    assert "(vocals, drums, other) do not tell what it should be" in table
    assert "The last 0.50 s are less than a window" in table
    choices = {strip["name"]: strip["choices"] for strip in explorer.mixer.strips}
    assert choices["drums"] == ["drums", "drums (true)"]
    assert choices["bass"] == ["bass"]
    assert "reference/drums" in explorer.view.shows
    assert "reference/bass" not in explorer.view.shows
    page = explorer.save_html("page.html")
    assert "Not scored: bass." in page.read_text(encoding="utf-8")
    page.unlink()
    explorer.controls.song.value = "lithium"
    explorer.separate()
    assert set(explorer.scores["target"]) == set(explorer.separation.targets)
    assert explorer.scores["SDR"].notna().all()
    assert "Not scored" not in explorer.stage.score_table.value
    explorer.close()


def test_one_true_stem_can_be_heard_and_is_not_scored(tmp_path, example):
    _, sources = example
    for name, stem in {"vocals": sources["vocals"], "kazoo": sources["drums"]}.items():
        mssviz.write_audio(tmp_path / f"{name}.flac", stem[: 2 * 44100], 44100)
    explorer = mssviz.explore(tmp_path, model="hpss", compare="hpss")
    explorer.separate()
    assert explorer.scores is None
    assert "do not tell what drums should be" in explorer.stage.score_table.value
    assert list(explorer.references) == ["other"]
    explorer.close()


def test_what_is_left_of_a_silent_song_or_of_an_exact_sum_is_said_in_words(tmp_path):
    noise = np.random.default_rng(1).normal(size=(2 * 44100, 2)).astype(np.float32) * 0.1
    for name, sound, said in (("silence", 0 * noise, "silent"), ("noise", noise, "dB")):
        mssviz.write_audio(tmp_path / f"{name}.wav", sound, 44100)
        explorer = mssviz.Explorer(tmp_path / f"{name}.wav", "hpss")
        explorer.separate()
        explorer.wait()
        assert f"{said}." in explorer.stage.level_note.value
        explorer.close()


def test_times_that_a_page_asks_for_are_taken_within_the_excerpt():
    explorer = mssviz.Explorer(model="oracle:IRM1", offset=1, duration=2)
    explorer.separate()
    explorer.wait()
    result = explorer.session.complete_result()
    explorer.view.selection = [-1e308, 1e308]
    explorer.view.start, explorer.view.stop = -1e308, 1e308
    explorer.wait()
    assert result.selected() == (0, 2)
    assert {part for part in result.looked_at() if part[1] - part[0] == 2} == {(0.0, 2.0)}
    explorer.close()


def test_what_is_shown_is_said_while_something_else_is_chosen():
    explorer = mssviz.Explorer(model="oracle:IRM1", duration=2)
    explorer._repr_mimebundle_()  # as when it is shown
    explorer.separate()
    explorer.wait()
    level = explorer.stage.level_note.value
    explorer.controls.model.value = "oracle:IRM2"
    said = explorer.stage.level_note.value
    assert "Shown is Francium" in said
    assert "oracle:IRM1. Press Separate for what is chosen." in said
    explorer.controls.model.value = "oracle:IRM1"
    assert explorer.stage.level_note.value == level
    explorer.controls.offset.value = 1.0
    assert explorer.stage.level_note.value == said
    explorer.separate()
    explorer.wait()
    assert "Mixture − all stems" in explorer.stage.level_note.value
    explorer.close()


def test_what_is_silent_is_called_so_in_the_table(tmp_path, example):
    _, sources = example
    vocals = sources["vocals"][: 3 * 44100].copy()
    vocals[: 44100 * 2] = 0
    mssviz.write_audio(tmp_path / "vocals.flac", 0 * vocals, 44100)
    mssviz.write_audio(tmp_path / "drums.flac", vocals, 44100)
    mssviz.write_audio(tmp_path / "other.flac", sources["other"][: 3 * 44100], 44100)
    explorer = mssviz.explore(tmp_path, model="teaching:4stems")
    explorer.separate()
    table = explorer.session.result.scores.in_words()
    assert table.loc["vocals", ["SI-SDR", "SDR", "SAR"]].tolist() == ["silent"] * 3
    assert table.loc["vocals", ["windows", "silent"]].tolist() == ["3", "3"]
    assert table.loc["drums", "silent"] == "2"
    assert float(table.loc["drums", "SDR"]) < 100
    assert "nan" not in explorer.stage.score_table.value.lower()
    explorer.close()


def test_a_slider_refuses_what_it_cannot_show(explorer):
    power = explorer.controls.power
    for value in (0.1, 9.0, float("nan")):
        with pytest.raises(TraitError, match=r"Exponent must lie between 0\.5 and 8"):
            power.value = value
    assert power.value == 2
    bandwidth = explorer.controls.bandwidth
    assert bandwidth.value == bandwidth.max == 11
    bandwidth.max = 5.0  # another model's band
    assert bandwidth.value == 5
    bandwidth.max = bandwidth.value = 11.0
