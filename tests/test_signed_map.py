"""Maps of energies with a sign in a spectrogram view: colours, readings, refusals, pages."""

import numpy as np
import pytest
import traitlets as t
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mssviz
from mssviz.errors import ParameterError
from mssviz.widgets._picture_data import PictureData
from mssviz.widgets._tiles import SIGNED_RANGE_DB, _halve, quantise_signed
from tests.pictures import HERTZ, Arrays

ENERGIES = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@given(values=arrays(np.float32, (6, 4), elements=ENERGIES), peak=st.floats(1e-6, 1e6))
def test_eight_bits_keep_the_sign_and_the_level(values, peak):
    found = quantise_signed(values, peak).astype(int) - 128
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(np.abs(values.astype(np.float64)) / peak)
    expected = np.clip(level / SIGNED_RANGE_DB + 1, 0, 1) * 127
    assert np.abs(np.abs(found) - expected).max() <= 0.51
    assert (found * np.sign(values) >= 0).all()


@given(values=arrays(np.uint8, (9, 3), elements=st.integers(1, 255)))
def test_of_two_frames_the_stronger_one_stays(values):
    halved = _halve(values, "strongest")
    for column, frames in zip(halved, np.split(values, range(2, 9, 2)), strict=True):
        strongest = np.abs(frames.astype(int) - 128).max(axis=0)
        assert np.array_equal(np.abs(column.astype(int) - 128), strongest)
        assert all(value in frames[:, k] for k, value in enumerate(column))


def a_map(song, **options):
    rng = np.random.default_rng(3)
    values = rng.normal(size=song.mixture.shape) * 10 ** rng.uniform(-3, 3, song.mixture.shape)
    return mssviz.SignedMap(values.astype(np.float32), **options)


def test_the_strongest_value_has_the_strongest_colour():
    song = Arrays()
    found = a_map(song)
    assert found.peak == np.abs(found.values).max()
    frame, index, channel = np.unravel_index(np.abs(found.values).argmax(), found.values.shape)
    data = PictureData(**song.given(), maps={"error": {"vocals": found}})
    view = ("left", "right")[channel]
    value = data.layer_values("map/vocals/error", view)[frame, index]
    assert value == (255 if found.values[frame, index, channel] > 0 else 1)


@pytest.mark.parametrize("channel", ["mean", "left", "side"])
def test_readings_are_exact(channel):
    song = Arrays(offset=5.0)
    found = a_map(song, below="missing", above="too much", peak=10.0)
    data = PictureData(**song.given(), maps={"error": {"vocals": found}})
    value = found.values[7, 3]
    value = value[0] if channel == "left" else value.mean()
    reading = data.read(song.time(7), HERTZ[3], channel)["maps"]["map/vocals/error"]
    assert reading["side"] == ("too much" if value > 0 else "missing")
    assert reading["level_db"] == pytest.approx(10 * np.log10(abs(value) / 10.0), abs=1e-3)


def test_maps_come_and_go_and_what_is_shown_stays_if_it_can():
    song = Arrays()
    view = mssviz.SpectrogramView(**song.given())
    before = view.shows
    first, second = a_map(song), mssviz.SignedMap(-a_map(song).values)
    view.set_maps({"error": {"vocals": first}})
    assert view.shows == [*before, "map/vocals/error"]
    assert view._choices["show"][-1] == ("map/vocals/error", "vocals: error")
    view.show = "map/vocals/error"
    shown = view.layer_values(view.show).astype(int) - 128
    view.set_maps({"error": {"vocals": second}, "evidence": {"drums": first}})
    assert view.show == "map/vocals/error"
    assert np.array_equal(view.layer_values(view.show).astype(int) - 128, -shown)
    view.set_maps({})
    assert (view.show, view.shows) == (before[0], before)


def test_a_map_follows_the_sound_as_far_as_frames_overlap():
    song = Arrays()
    live = np.ones(song.mixture.shape, np.float32)
    view = mssviz.SpectrogramView(
        **song.given(), maps={"error": {"vocals": mssviz.SignedMap(live)}}
    )
    view.layer_values("map/vocals/error")
    live *= -1
    reach = 2 * view.params.n_fft // view.params.hop_length
    start, stop = view._data.set_masks(song.masks, slice(200, 210))
    assert (start, stop) == (200 - reach, 210 + reach)
    assert (view.layer_values("map/vocals/error")[start:stop] == 1).all()


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"error": {"vocals": np.ones((3, 3, 2))}}, "maps are SignedMaps"),
        ({"error": {"vocals": mssviz.SignedMap(np.ones((3, 3, 2)))}}, "must have the mixture's"),
    ],
)
def test_what_is_no_map_of_the_song_is_refused_and_the_old_ones_stay(maps, said):
    view = mssviz.SpectrogramView(**Arrays().given())
    before = view.shows
    with pytest.raises(ParameterError, match=said):
        view.set_maps(maps)
    assert view.shows == before
    assert view.layer_values("mixture").any()


@pytest.mark.parametrize("peak", [-1.0, float("nan"), float("inf")])
def test_a_peak_that_is_no_size_is_refused(peak):
    with pytest.raises(ParameterError, match="peak must be a size"):
        mssviz.SignedMap(np.ones((1, 1, 1)), peak)


def test_silence_is_drawn_as_nothing():
    song = Arrays()
    silent = mssviz.SignedMap(np.zeros(song.mixture.shape))
    data = PictureData(**song.given(), maps={"error": {"vocals": silent}})
    assert (data.layer_values("map/vocals/error") == 128).all()


def test_boxes_are_checked():
    view = mssviz.SpectrogramView(**Arrays().given())
    box = {"start": 0.1, "stop": 0.2, "low": 100, "high": 200.0, "label": "1"}
    view.boxes = [box]
    assert view.boxes == [box]
    for wrong in ({**box, "start": None}, {**box, "color": "red"}, {**box, "low": float("nan")}):
        with pytest.raises(t.TraitError, match="a box has"):
            view.boxes = [wrong]
    assert view.boxes == [box]


def test_a_page_has_maps_if_it_is_asked():
    song = Arrays()
    view = mssviz.SpectrogramView(**song.given(), maps={"error": {"vocals": a_map(song)}})
    names = [layer["name"] for layer in view.saved_state()["_layers"]]
    with_maps = [layer["name"] for layer in view.saved_state(maps=True)["_layers"]]
    assert with_maps == [*names, "map/vocals/error"]
