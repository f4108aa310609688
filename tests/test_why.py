"""The panel Why? from code: errors, parts, evidence and surgery of what is seen and heard."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

import mssviz
from mssviz import scores
from mssviz.errors import ParameterError
from mssviz.separation.editing import Stroke
from mssviz.widgets.explorer.lanes import RESIDUAL
from mssviz.widgets.explorer.questions import FeatureMaps, placed
from mssviz.widgets.explorer.why import errors as errors_module

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]

RATE = 44100


@pytest.fixture(scope="module")
def made():
    explorer = mssviz.explore(duration=4)
    explorer.separate()
    yield explorer
    explorer.close()


@pytest.fixture
def explorer(made):
    """An explorer of the shipped song, without strokes and cuts, on whose lanes the stems are."""
    why = made.why
    why.stem.value = "vocals"
    yield made
    made.cancel()
    made.view.selection = None
    why.parts.lanes.value = "stems"
    while made.editor.can_undo:
        made.controls.undo.click()
        made.wait()
    if why.layers.network is not None:
        why.layers.network.reset()
    made.wait()


def found(explorer, stem="vocals"):
    explorer.why.stem.value = stem
    explorer.why.errors.find.click()
    explorer.wait()
    return explorer.why.errors


def sdr(true, estimate):
    return 10 * np.log10(np.square(true).sum() / np.square(estimate - true).sum())


# --- where the decibels went ----------------------------------------------------------------------


def test_the_error_of_a_stem_is_a_layer_with_its_regions(explorer):
    errors = found(explorer)
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    expected = scores.error_map(true, estimate)
    assert f"SDR {expected.sdr:.2f} dB" in errors.said.value
    assert explorer.view.show == "map/vocals/error"
    regions = scores.costliest(expected)
    assert [row["gain_db"] for row in errors.regions.rows] == [r.gain_db for r in regions]
    assert [box["start"] for box in explorer.view.boxes] == [r.start for r in regions]
    values = explorer.view.layer_values("map/vocals/error").astype(int) - 128
    signed = expected.signed[:].mean(axis=2)
    loud = np.abs(signed) > 1e-3 * expected.peak
    assert np.array_equal(np.sign(values[loud]), np.sign(signed[loud]))
    errors.part.value = "error of phase"
    assert explorer.view.show == "map/vocals/error of phase"
    errors.part.value = "error"


def test_regions_lie_over_maps_of_the_error_alone_and_every_press_shows_them(explorer):
    errors = found(explorer)
    boxes = explorer.view.boxes
    assert boxes
    explorer.view.show = "hues"
    assert explorer.view.boxes == []
    explorer.why.reasons(explorer.session.complete_result())  # as for a page that is saved
    assert (explorer.view.show, explorer.view.boxes) == ("hues", [])
    assert found(explorer) is errors
    assert (explorer.view.show, explorer.view.boxes) == ("map/vocals/error", boxes)


def test_a_stroke_changes_the_map_and_the_list(explorer):
    errors = found(explorer)
    before = errors.said.value
    values = explorer.view.layer_values("map/vocals/error")
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (3.0, 400.0)]))
    explorer.wait()
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    assert errors.said.value != before
    assert f"SDR {sdr(true, estimate):.2f} dB" in errors.said.value
    assert not np.array_equal(explorer.view.layer_values("map/vocals/error"), values)


def test_a_region_moves_the_picture_and_loops_it(explorer):
    errors = found(explorer)
    shows = errors.regions.rows[0]["shows"]
    box = errors.regions.rows[0]["box"]
    assert shows["start"] < box["start"] < box["stop"] < shows["stop"]
    assert shows["low"] < box["low"] < box["high"] < shows["high"]
    assert shows["selection"][0] <= box["start"] + 1e-9
    assert shows["selection"][1] >= box["stop"] - 1e-9


def test_a_region_at_the_end_does_not_lead_beyond_it():
    true = np.random.default_rng(0).normal(size=(44100, 1))
    estimate = np.concatenate([true[:-2205], np.zeros((2205, 1))])
    regions = scores.costliest(scores.error_map(true, estimate), 1)
    [row] = mssviz.RegionList(regions, offset=3.0, duration=1.0).rows
    assert row["shows"]["stop"] == row["shows"]["selection"][1] == 4.0
    assert row["shows"]["start"] >= 3.0
    [row] = mssviz.RegionList(regions, offset=3.0).rows
    assert row["shows"]["stop"] > 4.0


@pytest.mark.parametrize("what", ["Error", "True stem", "Estimate"])
def test_error_true_stem_and_estimate_are_heard_alone(explorer, what):
    errors = found(explorer)
    errors.heard[what].click()
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    expected = {"Error": estimate - true, "True stem": true, "Estimate": estimate}[what]
    assert np.abs(explorer.mixer.mix() - expected * explorer.mixer.common_gain).max() < 1e-6
    explorer.mixer.adjust("vocals", solo=False, shows="vocals")


def test_errors_and_residual_follow_what_is_painted(explorer):
    explorer.why.parts.lanes.value = "errors"
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (3.0, 400.0)]))
    explorer.wait()
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    assert np.abs(explorer.mixer.waveform("vocals (error)") - (estimate - true)).max() < 1e-6
    left = scores.residual(explorer.separation.mixture, explorer.estimates)
    assert np.abs(explorer.mixer.waveform(RESIDUAL) - left).max() < 1e-6


# --- what scores are made of ----------------------------------------------------------------------


@pytest.mark.parametrize(("version", "names"), [
    (4, ["target", "spatial", "interference", "artefacts"]),
    (3, ["target", "interference", "artefacts"]),
])  # fmt: skip
def test_parts_add_up_to_the_estimate_and_say_its_scores(explorer, version, names):
    explorer.why.parts.version.value = version
    explorer.why.parts.lanes.value = "parts"
    explorer.wait()
    assert [strip["name"] for strip in explorer.mixer.strips] == names
    total = np.sum([explorer.mixer.waveform(name) for name in names], axis=0)
    assert np.abs(total - explorer.estimates["vocals"]).max() < 1e-5
    whole = scores.decompose(explorer.references, explorer.estimates, RATE, version=version).of(
        "vocals"
    )
    measures = {"target": "SDR", "spatial": "ISR", "interference": "SIR", "artefacts": "SAR"}
    for name, text in explorer.mixer.captions.items():
        value = float(re.search(r"−?[\d.]+", text).group().replace("−", "-"))
        assert value == pytest.approx(whole.scores[measures[name]], abs=0.06)
    explorer.why.parts.version.value = 4


def test_a_selection_has_its_own_scores(explorer):
    explorer.why.parts.lanes.value = "parts"
    explorer.wait()
    before = dict(explorer.mixer.captions)
    explorer.view.selection = [1.0, 2.0]
    explorer.wait()
    table = scores.evaluate(explorer.references, explorer.estimates, RATE).set_index(
        ["target", "time"]
    )
    assert explorer.mixer.captions != before
    assert f"{table.loc[('vocals', 1.0), 'SIR']:.1f} dB" in explorer.mixer.captions["interference"]


def test_a_selection_changes_the_scores_of_parts_and_not_their_sound(explorer):
    explorer.why.parts.lanes.value = "parts"
    explorer.wait()
    mixer = explorer.mixer
    explorer.view.selection = [1.0, 2.0]
    explorer.wait()
    assert explorer.mixer is mixer
    assert "selection" in explorer.why.parts.said.value
    explorer.view.selection = None
    explorer.wait()
    assert explorer.mixer is mixer
    assert "the excerpt" in explorer.why.parts.said.value


def test_what_the_lanes_play_is_what_the_picker_says(explorer):
    errors, evidence, lanes = found(explorer), explorer.why.evidence, explorer.why.parts.lanes
    errors.heard["Error"].click()
    assert lanes.value == "errors"
    explorer.mixer.adjust("vocals", solo=False, shows="vocals")
    explorer.view.pinned = [2.0, 440.0]
    evidence.explain.click()
    explorer.wait()
    evidence.hear.value = True
    evidence.hear.value = False
    assert "vocals (error)" in explorer.mixer.strips[1]["choices"]


def test_what_is_found_again_waits_for_changes_that_wait(explorer, monkeypatch):
    errors = found(explorer)
    done, find = [], errors_module.find_errors

    def noted(result, stem, progress):
        if not done:  # a slider moves while errors are found anew
            explorer.controls.power.value = 3.0
        done.append("begun")
        yield from find(result, stem, progress)
        done.append("found")

    monkeypatch.setattr(errors_module, "find_errors", noted)
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (2.0, 400.0)]))
    explorer.wait()
    assert done == ["begun", "begun", "found"]
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    assert f"SDR {sdr(true, estimate):.2f} dB" in errors.said.value
    explorer.controls.power.value = 2.0
    explorer.wait()


def test_lanes_keep_what_was_set_on_them(explorer):
    explorer.mixer.adjust("vocals", gain_db=-6.0, muted=True)
    explorer.why.parts.lanes.value = "parts"
    explorer.wait()
    explorer.why.parts.lanes.value = "stems"
    strip = next(strip for strip in explorer.mixer.strips if strip["name"] == "vocals")
    assert (strip["gain_db"], strip["muted"]) == (-6.0, True)
    assert explorer.mixer.captions["vocals"].startswith("SDR")
    explorer.mixer.adjust("vocals", gain_db=0.0, muted=False)


def test_boards_measures_are_those_of_the_functions_and_follow_strokes(explorer):
    section = explorer.why.boards
    section.measure.click()
    explorer.wait()

    def said(measure, column=0):
        row = re.search(rf">{re.escape(measure)}</th>(.*?)</tr>", section.table.value).group(1)
        values = re.findall(r"<td>(.*?)</td>", row)
        return float(values[column].replace("−", "-"))

    expected = scores.whole(explorer.references, explorer.estimates, RATE)
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    assert said("uSDR (dB)") == pytest.approx(sdr(true, estimate), abs=0.02)
    assert said("bleedless (0–100)", 1) == pytest.approx(
        expected.loc["accompaniment", "bleedless"], abs=0.006
    )
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (3.0, 400.0)]))
    explorer.wait()
    estimate = explorer.estimates["vocals"]
    assert said("uSDR (dB)") == pytest.approx(sdr(true, estimate), abs=0.02)
    section._asked = False


def test_bleed_and_holes_are_drawn_with_their_levels(explorer):
    explorer.why.stem.value = "vocals"
    explorer.why.boards.bleed.click()
    explorer.wait()
    view = explorer.view
    assert view.show == "map/vocals/bleed and holes"
    true, estimate = explorer.references["vocals"], explorer.estimates["vocals"]
    bleed = scores.bleed_map(true, estimate, RATE)
    for seconds, hertz in ((1.0, 300.0), (2.5, 1000.0), (3.2, 6000.0)):
        reading = view.read(seconds, hertz)
        frame = np.abs(bleed.times - reading["time"]).argmin()
        band = np.abs(bleed.frequencies - reading["frequency"]).argmin()
        difference = bleed.difference[frame, band]
        mean = np.mean(np.copysign(10 ** (np.abs(difference) / 10), difference))
        said = reading["maps"][view.show]
        assert said["side"] == ("louder" if mean > 0 else "softer")
        assert said["level_db"] == pytest.approx(10 * np.log10(abs(mean)), abs=0.01)
    before = view.layer_values(view.show)
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (3.0, 400.0)]))
    explorer.wait()
    assert (view.layer_values(view.show) != before).any()
    view.show = "hues"


# --- why a bin has its mask -----------------------------------------------------------------------


def test_evidence_is_drawn_said_and_heard(explorer):
    section = explorer.why.evidence
    explorer.view.pinned = None
    section.explain.click()
    assert "No bin is pinned" in section.said.value
    explorer.view.pinned = [2.0, 440.0]
    section.explain.click()
    explorer.wait()
    pointed = mssviz.insight.MaskBin(mssviz.Separator(), explorer.separation, "vocals", 2.0, 440.0)
    evidence = pointed.gradient()
    assert f"{evidence.odds_db:+.1f} dB".replace("-", "−") in section.said.value
    assert explorer.view.show == "map/vocals/evidence"
    values = explorer.view.layer_values("map/vocals/evidence").astype(int) - 128
    frame, index = np.unravel_index(np.abs(values).argmax(), values.shape)
    own = np.abs(evidence.values.mean(axis=2))
    assert own[frame, index] > 0.9 * own.max()  # as near as 8 bits tell
    section.hear.value = True
    assert [strip["name"] for strip in explorer.mixer.strips] == ["mixture", "evidence"]
    start, piece = pointed.waveform(evidence.carrying())
    heard = explorer.mixer.waveform("evidence")
    first = round(start * RATE)
    assert np.abs(heard[first : first + len(piece)] - piece).max() < 1e-5
    section.hear.value = False
    assert [strip["name"] for strip in explorer.mixer.strips][-1] == "accompaniment"


def test_a_click_asks_about_the_bin_and_the_stem_that_the_page_shows(explorer):
    section, view = explorer.why.evidence, explorer.view
    view.pinned = [2.0, 440.0]
    shown = [[view.model_id, "pinned", [1.0, 880.0]]]
    shown.append([explorer.why.stem.model_id, "value", "accompaniment"])
    section.explain._handle_custom_msg({"kind": "press", "shown": shown}, [])
    explorer.wait()
    assert "1.00 s, 883 Hz: the odds of accompaniment" in section.said.value
    assert view.pinned == [1.0, 880.0]


def test_a_model_that_is_no_network_is_refused_in_its_place(tmp_path):
    explorer = mssviz.explore(model="hpss", duration=2)
    explorer.separate()
    explorer.view.pinned = [1.0, 440.0]
    explorer.why.evidence.explain.click()
    explorer.wait()
    assert "is no network" in explorer.status
    explorer.why.layers.draw.click()
    explorer.wait()
    assert "is no network" in explorer.status
    assert explorer.why.layers.network is None
    explorer.close()


# --- what a layer does ----------------------------------------------------------------------------


def test_what_is_cut_is_seen_heard_scored_and_stays_in_a_new_run(explorer):
    section = explorer.why.layers
    section.draw.click()
    explorer.wait()
    whole, table = explorer.estimates["vocals"].copy(), explorer.scores
    section.network.scale("vocals_conv1_skip", 0)
    explorer.wait()
    surgery = mssviz.insight.Surgery(mssviz.Separator())
    surgery.scale("vocals_conv1_skip", 0)
    mixture = explorer.separation.mixture
    expected = surgery.separate(mixture, RATE, progress=False).estimates["vocals"]
    assert np.abs(explorer.estimates["vocals"] - expected).max() < 1e-5
    assert np.array_equal(explorer.mixer.waveform("vocals"), explorer.estimates["vocals"])
    assert not explorer.scores.equals(table)
    explorer.separate()
    explorer.wait()
    assert np.abs(explorer.estimates["vocals"] - expected).max() < 1e-5
    section.network.reset()
    explorer.wait()
    assert np.abs(explorer.estimates["vocals"] - whole).max() < 1e-6


def test_strokes_stay_when_a_layer_is_cut(explorer):
    explorer.why.layers.draw.click()
    explorer.wait()
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (3.0, 400.0)]))
    explorer.wait()
    explorer.why.layers.network.scale("vocals_conv2_skip", 0)
    explorer.wait()
    frame, index = explorer.view._data.nearest(2.0, 400.0)
    assert explorer.editor.masks["vocals"][frame, index].max() < 1e-3
    assert explorer.editor.can_undo


def test_a_cut_that_is_cancelled_is_said_to_be_unheard(explorer):
    section = explorer.why.layers
    section.draw.click()
    explorer.wait()
    whole, begin = explorer.estimates["vocals"].copy(), section.network.surgery.begin

    def and_cancel(*sound):
        explorer.cancel()
        return begin(*sound)

    section.network.surgery.begin = and_cancel
    section.network.scale("vocals_conv1_skip", 0)
    explorer.wait()
    del section.network.surgery.begin
    assert "The last cut was cancelled" in section.said.value
    assert np.array_equal(explorer.estimates["vocals"], whole)


def test_feature_maps_leave_the_layer_that_people_turn_to(explorer):
    section = explorer.why.layers
    section.draw.click()
    explorer.wait()
    section.network.looking_at = "vocals_conv1"
    explorer.wait()
    explorer.view.show = "hues"
    explorer.session.paint(Stroke("vocals", "erase", [(1.0, 400.0), (2.0, 400.0)]))
    explorer.wait()
    assert explorer.view.show == "hues"
    section.network.looking_at = ""
    explorer.wait()


def test_the_script_makes_the_same_cuts(explorer, tmp_path):
    explorer.why.layers.draw.click()
    explorer.wait()
    network = explorer.why.layers.network
    network.scale("vocals_conv1_skip", 0)
    network.scale("vocals_conv2", 0.5, [1, 3])
    explorer.wait()
    script = explorer.save("script", tmp_path / "same.py").read_text()
    assert "surgery.scale('vocals_conv1_skip', 0.0)\n" in script
    assert "surgery.scale('vocals_conv2', 0.5, [1, 3])\n" in script
    space = {}
    exec(script.replace('separation.save("stems")', ""), space)
    assert np.allclose(
        space["separation"].estimates["vocals"], explorer.estimates["vocals"], atol=1e-6
    )


def test_feature_maps_lie_on_the_songs_axes(explorer):
    section = explorer.why.layers
    section.draw.click()
    explorer.wait()
    section.network.looking_at = "vocals_conv1"
    explorer.wait()
    assert explorer.view.show == "map/vocals/feature map"
    maps, _ = section.network.surgery.feature_maps("vocals_conv1", explorer.separation, 0.0)
    channel = round(section.channel.value) - 1
    assert channel == np.abs(maps).sum(axis=(0, 1)).argmax()
    values = explorer.view.layer_values(explorer.view.show).astype(int) - 128
    n_frames = len(values)
    # the layer halves both axes
    spread = np.repeat(np.repeat(maps[:, :, channel], 2, axis=0), 2, axis=1)[:n_frames]
    strong = np.abs(spread) > 0.1 * np.abs(spread).max()
    assert np.array_equal(np.sign(values[:, : spread.shape[1]][strong]), np.sign(spread[strong]))
    section.network.looking_at = ""
    explorer.wait()
    assert explorer.view.show != "map/vocals/feature map"


def test_what_lies_outside_a_song_is_left_out():
    values = np.arange(1, 7, dtype=np.float32).reshape(6, 1, 1)
    song = placed(values, -2, (3, 4, 2))
    assert np.array_equal(song[:][:, 0, 0], [3, 4, 5])
    assert not song[:][:, 1:].any()
    late = placed(values, 2, (3, 4, 2))
    assert np.array_equal(late[:][:, 0, 1], [0, 0, 1])


def test_the_strongest_channel_is_shown_first():
    values = np.zeros((2, 2, 3), np.float32)
    values[0, 0, 1] = -5
    assert FeatureMaps("conv", values, (0.0, 1.0)).strongest == 1


# --- a saved page ---------------------------------------------------------------------------------


def test_a_page_has_errors_and_parts_if_it_is_asked(explorer, tmp_path):
    plain = explorer.save_html(tmp_path / "plain.html")
    asked = explorer.save("page with reasons", tmp_path / "asked.html")
    assert plain.stat().st_size < asked.stat().st_size < 2 * plain.stat().st_size
    text = asked.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="mssviz-data">(.*?)</script>', text, re.S).group(1))
    assert list(data["audio"]["parts"]) == ["target", "spatial", "interference", "artefacts"]
    assert len(data["regions"]["rows"]) == len(explorer.why.errors.regions.rows)
    packed = data["layers"]["map/vocals/error"]
    differences = np.frombuffer(gzip.decompress(base64.b64decode(packed)), np.uint8)
    values = np.cumsum(differences, dtype=np.uint8)
    shown = explorer.view.layer_values("map/vocals/error")
    assert np.array_equal(values.reshape(shown.shape), shown)
    assert "map/" not in plain.read_text(encoding="utf-8")


def test_a_page_without_true_stems_says_why_it_has_no_reasons(tmp_path):
    explorer = mssviz.explore(mssviz.datasets.example_mixture(), duration=2)
    explorer.separate()
    with pytest.raises(ParameterError, match="true stem of vocals is unknown"):
        explorer.save("page with reasons", tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
    explorer.close()
