import math

import numpy as np
import pytest
import traitlets

from mssviz.errors import ParameterError
from mssviz.separation.editing import TOOLS, MaskEditor
from mssviz.widgets import _tiles
from mssviz.widgets.spectrogram import SpectrogramView
from tests.pictures import (
    HERTZ,
    N_BINS,
    N_FRAMES,
    PARAMS,
    Arrays,
    level_db,
    random_song,
)


class Song(Arrays):
    """A song's arrays and a view of them, and what it answers."""

    def __init__(self, offset=0.0, **traits):
        super().__init__(offset=offset)
        self.view = SpectrogramView(**self.given(), **traits)

    def ask(self, **message):
        return list(self.view.answers(message))

    def tile(self, layer, channel="mean", level=0, index=0):
        ((message, (values,)),) = self.ask(
            kind="tiles", channel=channel, tiles=[[layer, level, index]]
        )
        assert message == {
            "kind": "tile", "layer": layer, "channel": channel, "level": level, "index": index,
            "version": message["version"],
        }  # fmt: skip
        assert values.dtype == np.uint8
        assert values.flags.c_contiguous
        return values


@pytest.fixture
def song():
    return Song()


@pytest.fixture
def sent(song, monkeypatch):
    """What the song's view sends of itself."""
    messages = []
    monkeypatch.setattr(song.view, "send", lambda *message: messages.append(message))
    return messages


# --- Building ---------------------------------------------------------------------------------


def test_unknown_options_are_refused():
    mixture = random_song(n_frames=10)[0]
    for option in ("colour_map", "_geometry"):
        with pytest.raises(ParameterError, match=f"no option '{option}'"):
            SpectrogramView(mixture, PARAMS, **{option: 1})


@pytest.mark.parametrize("where", ["masks", "references", "compare"])
def test_arrays_of_another_shape_are_refused(where):
    mixture, masks, _, _ = random_song(n_frames=10)
    wrong = {"drums": masks["drums"][1:]}
    if where == "compare":
        wrong = {"other": wrong}
    with pytest.raises(ParameterError, match=r"drums: .*\(10, 33, 2\) \(got \(9, 33, 2\)\)"):
        SpectrogramView(mixture, PARAMS, **{where: wrong})


def test_pictures_that_can_be_shown(song):
    assert song.view.shows == [
        "hues", "mixture", "mask/vocals", "mask/drums", "estimate/vocals", "estimate/drums",
        "reference/vocals", "difference/vocals/other", "difference/drums/other",
    ]  # fmt: skip
    for show in song.view.shows:
        song.view.show = show
    bare = SpectrogramView(song.mixture, PARAMS)
    assert bare.shows == ["mixture"]
    assert bare.show == "mixture"


def test_a_new_view_shows_the_whole_song_on_its_own_time_axis():
    song = Song(offset=30.0, colors={"drums": "#123456"})
    view, n_samples = song.view, (N_FRAMES * 16 - 64)
    assert view.start == 30
    assert view.stop == pytest.approx(30 + n_samples / 8000, abs=2 * 16 / 8000)
    assert view.high == 4000
    assert view.brush["target"] == "vocals"
    state = view.get_state()
    assert state["_stems"][1] == {"name": "drums", "color": "#123456"}
    assert state["_geometry"]["first"] == pytest.approx(30 - 32 / 8000)
    assert state["_geometry"]["levels"] == 3


def test_options_win_over_defaults():
    view = SpectrogramView(random_song(n_frames=10)[0], PARAMS, start=0.01, high=1000.0, gamma=2.0)
    assert (view.start, view.high, view.gamma) == (0.01, 1000, 2)


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("show", "mask/guitar", "show must be one of hues, mixture, .*'mask/guitar'"),
        ("gamma", 0.0, r"gamma must lie in \[0.1, 10\] \(got 0"),
        ("gamma", 11.0, "gamma must lie"),
        ("scale", "bark", "scale.*bark"),
        ("channel", "rear", "channel.*rear"),
        ("colormap", "jet", "colormap.*jet"),
        ("tool", "spray", "tool.*spray"),
        ("selection", [1.0], "selection"),
        ("pinned", [1.0, 2.0, 3.0], "pinned"),
    ],
)
def test_bad_values_of_traits_are_refused(song, trait, value, message):
    before = getattr(song.view, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(song.view, trait, value)
    assert getattr(song.view, trait) == before


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("trait", ["start", "low", "high", "gamma", "time", "selection", "pinned"])
def test_numbers_that_no_page_can_have_are_refused(song, trait, value):
    before = getattr(song.view, trait)
    with pytest.raises(ParameterError, match="must be finite"):
        setattr(song.view, trait, [0.1, value] if trait in ("selection", "pinned") else value)
    assert getattr(song.view, trait) == before


# --- Exact values -----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
def test_a_reading_and_slices_are_of_the_channels_and_the_time_that_are_shown(channel):
    song = Song(channel=channel, offset=5.0)
    song.view.start, song.view.stop = song.time(100), song.time(300)
    place = (song.time(40), HERTZ[9])
    found = song.view.read(*place)
    assert found["level_db"] == pytest.approx(
        float(level_db(song.mixture, channel)[40, 9]), abs=1e-3
    )
    message, buffers = song.view.slices(*place)
    assert message["start"] == pytest.approx(song.view.start, abs=0.003)
    assert message["stop"] == pytest.approx(song.view.stop, abs=0.003)
    spectrum = np.frombuffer(buffers[0], "<f4")
    assert spectrum[found["bin"]] == pytest.approx(found["level_db"], abs=1e-3)


# --- Messages ---------------------------------------------------------------------------------


def test_names_of_stems_and_models_may_have_slashes():
    mixture, masks, references, compare = random_song(n_frames=20)
    stems = {"vocals": "lead/vocals", "drums": "lead/vocals/drums"}

    def renamed(arrays):
        return {stems[name]: array for name, array in arrays.items()}

    view = SpectrogramView(
        mixture, PARAMS, renamed(masks),
        references=renamed(references), compare={"/home/me/models/mine": renamed(compare)},
    )  # fmt: skip
    view.show = "difference/lead/vocals/drums//home/me/models/mine"
    request = {"kind": "tiles", "channel": "mean", "tiles": [[view.show, 0, 0]]}
    ((message, (values,)),) = view.answers(request)
    assert message["layer"] == view.show
    difference = (masks["drums"] - compare["drums"]).mean(axis=2)
    assert np.array_equal(values, _tiles.quantise_difference(difference))
    for layer in view.layers[1:]:
        assert view.layer_values(layer.name).shape == (20, N_BINS)


def test_every_tile_is_a_message_of_its_own(song):
    tiles = [["mixture", 0, 2], ["mask/drums", 1, 0]]
    answers = song.ask(kind="tiles", channel="mean", tiles=tiles)
    assert [(message["layer"], message["level"]) for message, _ in answers] == [
        ("mixture", 0), ("mask/drums", 1),
    ]  # fmt: skip
    assert answers[0][1][0].shape == (N_FRAMES - 512, N_BINS)


def test_silence_is_black_and_nothing_fails():
    view = SpectrogramView(np.zeros((20, N_BINS, 2), np.complex64), PARAMS)
    request = {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 0, 0]]}
    ((_, (values,)),) = view.answers(request)
    assert not values.any()
    assert view.read(0, 0)["level_db"] == pytest.approx(-160, abs=1e-3)


def test_what_is_answered_to_the_browser_is_sent(song, sent):
    request = {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 0, 0], ["mixture", 1, 0]]}
    content = {"method": "custom", "content": request}
    song.view.comm.handle_msg({"content": {"data": content}, "buffers": []})
    answers = song.ask(**request)
    assert [message for message, _ in sent] == [message for message, _ in answers]
    for (_, (values,)), (_, (expected,)) in zip(sent, answers, strict=True):
        assert np.array_equal(values, expected)


@pytest.mark.parametrize(
    "layer",
    [
        "mask/guitar", "reference/drums", "phase/vocals", "", "mixture/", "_masks",
        "hues",
    ],
)  # fmt: skip
def test_layers_that_are_not_offered_are_refused(song, layer):
    with pytest.raises(ParameterError, match="no layer"):
        song.tile(layer)


@pytest.mark.parametrize(
    "layer",
    ["mixture", "mask/drums"],
)
def test_unknown_channels_are_refused(song, layer):
    with pytest.raises(ParameterError, match="channel must be one of"):
        song.tile(layer, channel="rear")


def test_a_reading_is_sent_under_its_number(song):
    ((message, _),) = song.ask(kind="read", id=7, seconds=0.1, hertz=500, channel="mean")
    assert message == {"kind": "reading", "id": 7, "reading": song.view.read(0.1, 500)}


def test_slices_are_sent_under_their_number(song):
    span = [song.view.start, song.view.stop]
    wanted = {"id": 8, "seconds": 0.1, "hertz": 500, "channel": "mean", "span": span}
    ((message, buffers),) = song.ask(kind="slices", **wanted)
    expected, arrays = song.view.slices(0.1, 500)
    assert message == {"kind": "slices", "id": 8, **expected}
    assert buffers == arrays


def test_answers_are_for_what_the_page_shows_even_if_python_has_yet_to_hear_of_it(song):
    bin_ = {"seconds": 0.1, "hertz": 500, "channel": "side"}
    ((reading, _),) = song.ask(kind="read", id=1, **bin_)
    ((course, buffers),) = song.ask(kind="slices", id=2, **bin_, span=[0.0, 0.2])
    assert song.view.channel == "mean"
    song.view.channel = "side"
    song.view.start, song.view.stop = 0.0, 0.2
    assert reading["reading"] == song.view.read(0.1, 500)
    expected, arrays = song.view.slices(0.1, 500)
    assert course == {"kind": "slices", "id": 2, **expected}
    assert buffers == arrays


@pytest.mark.parametrize("message", [None, "tiles", [], {}, {"kind": "none"}])
def test_messages_of_no_known_kind_are_passed_over(song, message):
    assert list(song.view.answers(message)) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_strokes_reach_their_listeners_in_time_of_the_signal(tool):
    song = Song(offset=30.0)
    strokes, others = [], []
    song.view.on_stroke(strokes.append)
    song.view.on_stroke(others.append)
    song.view.brush = {**song.view.brush, "target": "drums", "softness": 0.25, "extra": 1}
    song.ask(kind="stroke", tool=tool, points=[[30.5, 400], [31, 500.5]])
    (stroke,) = strokes
    assert others == strokes
    assert (stroke.target, stroke.tool, stroke.softness) == ("drums", tool, 0.25)
    assert list(stroke.points) == [(0.5, 400.0), (1.0, 500.5)]


def test_a_stroke_may_bring_a_brush_of_its_own():
    song = Song()
    strokes = []
    song.view.on_stroke(strokes.append)
    song.view.brush = song.view.brush | {"target": "drums", "value": 0.75}
    corners = [[30.5, 400], [31, 400], [31, 500], [30.5, 500]]
    song.ask(kind="stroke", tool="lasso", points=corners, brush={"value": 0, "tool": "comb"})
    song.ask(kind="stroke", tool="comb", points=corners[:2], brush={"radius_hertz": 50})
    lasso, comb = strokes
    assert (lasso.tool, lasso.target, lasso.value) == ("lasso", "drums", 0)
    assert (comb.tool, comb.value, comb.radius_hertz) == ("comb", 0.75, 50)


def test_a_stroke_edits_the_masks_that_are_shown(song):
    editor = MaskEditor(song.masks, PARAMS)
    song.view.on_stroke(lambda stroke: song.view.set_masks(editor.masks, editor.apply(stroke)))
    song.tile("mask/vocals")
    song.ask(kind="stroke", tool="erase", points=[[song.time(50), HERTZ[10]]])
    assert song.tile("mask/vocals")[50, 10] == 0
    assert song.tile("mask/drums")[50, 10] == 255


def test_what_the_browser_pins_is_not_sent_back_to_it(song, monkeypatch):
    states = []
    monkeypatch.setattr(song.view, "send_state", lambda key=None: states.append(key))
    assert song.ask(kind="pin", seconds=1.5, hertz=440.0) == []
    assert song.view.pinned == [1.5, 440.0]
    assert states == []
    song.view.pinned = [2.0, 440.0]  # by the notebook
    assert states == ["pinned"]


# --- Other masks ------------------------------------------------------------------------------


@pytest.mark.parametrize("show", ["hues", "estimate/drums", "mixture"])
def test_of_other_masks_the_browser_gets_what_is_in_view_unasked(song, sent, show):
    song.view.show = show
    song.view._receive(None, {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 1, 0]]}, [])
    sent.clear()
    changed = {stem: np.ones_like(mask) for stem, mask in song.masks.items()}
    song.view.set_masks(changed, slice(10, 20))
    (announced,), *pushed = sent
    names = {"hues": [f"mask/{stem}" for stem in changed], "mixture": []}.get(show, [show])
    assert [message["layer"] for message, _ in pushed] == names
    for message, (values,) in pushed:
        assert np.array_equal(values, song.tile(message["layer"], level=1))
        assert (message["level"], message["index"], message["channel"]) == (1, 0, "mean")
        assert message["version"] == announced["version"]
    sent.clear()
    song.view.start, song.view.stop = song.view.offset + 1.0, song.view.offset + 2.0
    song.view.set_masks(changed, slice(0, 2))  # these frames are out of view
    assert [message["kind"] for message, *_ in sent] == ["changed"]


def test_other_masks_are_announced_and_their_tiles_made_anew(song, sent):
    layers = ("mixture", "mask/drums", "estimate/drums", "difference/drums/other")
    before = {layer: [song.tile(layer, level=level) for level in (0, 2)] for layer in layers}
    changed = {stem: mask.copy() for stem, mask in song.masks.items()}
    changed["drums"][10:20] = 1
    song.view.set_masks(changed, slice(10, 20))
    ((message,),) = sent
    assert set(song.view.shows) - set(message.pop("layers")) == {"mixture", "reference/vocals"}
    assert message.pop("version") > 0
    assert message == {"kind": "changed", "start": 10, "stop": 20}
    assert (song.tile("mask/drums")[10:20] == 255).all()
    for layer in layers:
        fine, coarse = (song.tile(layer, level=level) for level in (0, 2))
        old_fine, old_coarse = before[layer]
        assert np.array_equal(fine[20:], old_fine[20:])
        assert np.array_equal(coarse[5:], old_coarse[5:])
        same = layer == "mixture"
        assert np.array_equal(fine, old_fine) == same
        assert np.array_equal(coarse, old_coarse) == same


def test_without_frames_all_are_made_anew(song, sent):
    song.tile("mask/drums", index=2)
    song.view.set_masks({stem: np.ones_like(mask) for stem, mask in song.masks.items()})
    ((message,),) = sent
    assert (message["start"], message["stop"]) == (0, N_FRAMES)
    assert (song.tile("mask/drums", index=2) == 255).all()


def test_masks_of_other_stems_are_refused(song):
    with pytest.raises(ParameterError, match="vocals, drums"):
        song.view.set_masks({"vocals": song.masks["vocals"]})


def test_masks_of_another_shape_are_refused(song):
    with pytest.raises(ParameterError, match="shape"):
        song.view.set_masks({stem: mask[1:] for stem, mask in song.masks.items()})


# --- Bounds of what the browser may ask -------------------------------------------------------


def test_more_tiles_than_a_view_asks_for_are_refused(song):
    with pytest.raises(ParameterError, match=r"at most 256 tiles.*got 257"):
        song.ask(kind="tiles", channel="mean", tiles=[["mixture", 0, 0]] * 257)


def test_a_tile_that_is_asked_for_twice_is_sent_once(song):
    assert len(song.ask(kind="tiles", channel="mean", tiles=[["mixture", 0, 0]] * 200)) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "tiles"},
        {"kind": "tiles", "channel": "mean", "tiles": 7},
        {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 0]]},
        {"kind": "tiles", "channel": "mean", "tiles": [["mixture", None, "x"]]},
        {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 1e999, 0]]},
        {"kind": "read", "id": 1, "seconds": float("inf"), "hertz": 0, "channel": "mean"},
        {"kind": "read", "id": 1, "seconds": "later", "hertz": 0, "channel": "mean"},
        {"kind": "read", "id": 1, "seconds": 0.1, "hertz": 0},
        {"kind": "slices", "id": 1, "seconds": 0.1},
        {"kind": "slices", "id": 1, "seconds": 0.1, "hertz": 0, "channel": "mean", "span": [1]},
        {
            "kind": "slices",
            "id": 1,
            "seconds": 0.1,
            "hertz": 0,
            "channel": "mean",
            "span": [0, float("nan")],
        },
    ],
)
def test_messages_of_another_form_are_one_error_and_send_nothing(song, message):
    with pytest.raises(ParameterError, match=r"of another form|no tile"):
        next(song.view.answers(message))


@pytest.mark.parametrize(
    ("change", "points", "text"),
    [
        ({"radius_seconds": 1e-6}, [[0.1, 400]], "brush radius"),
        ({"softness": "x"}, [[0.1, 400]], "softness must be a number"),
        ({}, [[0.1, 400]] * 20_001, "at most 20000 points"),
        ({}, [[0.1]], "another form"),
        ({}, [], "at least one point"),
    ],
)
def test_a_stroke_that_is_refused_says_why_in_the_view(song, change, points, text):
    song.view.on_stroke(lambda _: pytest.fail("painted"))
    song.view.brush = {**song.view.brush, **change}
    ((message, _),) = song.ask(kind="stroke", tool="paint", points=points)
    assert message["kind"] == "refused"
    assert text in message["text"]


@pytest.mark.parametrize("shape", [(N_BINS, 20), (20, N_BINS), (20,), (20, N_BINS + 1, 2)])
def test_a_spectrum_of_other_axes_is_refused_by_their_names(shape):
    with pytest.raises(ParameterError, match=r"\(n_frames, n_bins, n_channels\)"):
        SpectrogramView(np.zeros(shape, np.complex64), PARAMS)


def test_a_colour_is_a_colour_and_nothing_else():
    for color in ("red; x: y", "url(http://x)", 7):
        with pytest.raises(ParameterError, match="color must be like"):
            SpectrogramView(np.zeros((20, N_BINS, 1), np.complex64), PARAMS, colors={"a": color})


def test_a_bin_that_is_pinned_is_known_before_what_is_asked_next():
    view = SpectrogramView(**Arrays().given())
    assert list(view.answers({"kind": "pin", "seconds": 0.5, "hertz": 440})) == []
    assert view.pinned == [0.5, 440.0]
    with pytest.raises(ParameterError, match="another form"):
        list(view.answers({"kind": "pin", "seconds": "soon", "hertz": 440}))
    assert view.pinned == [0.5, 440.0]
