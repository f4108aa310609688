"""Complex masks as pictures: colours of levels and turns, layers and readings of a view, plots."""

import json
import math

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

mpl.use("Agg")

import matplotlib.pyplot as plt

from mssviz import plots
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, frames_to_time
from mssviz.widgets import _tiles
from mssviz.widgets._figure import figure_of
from mssviz.widgets.spectrogram import SpectrogramView
from tests.pictures import HERTZ, Arrays

lean = settings(deadline=None, max_examples=30)


def one(level_db, degrees=0.0):
    return np.array(10 ** (level_db / 20) * np.exp(1j * np.deg2rad(degrees)), np.complex64)


@lean
@given(level_db=st.floats(-60, 40), degrees=st.floats(-180, 180))
def test_a_colour_stands_for_a_level_and_a_turn(level_db, degrees):
    code = int(plots.complex_codes(one(level_db, degrees)))
    assert (code >= plots.ABOVE_ONE) == (level_db > 0.01) or abs(level_db - 0.01) < 1e-3
    if level_db < plots.LOWEST_DB:
        assert code == 0
        return
    level, turn = divmod(code, plots.TURNS)
    top = plots.LOWEST_DB + level * plots.STEP_DB
    assert min(level_db, plots.HIGHEST_DB) <= top + 0.02
    assert level_db >= top - plots.STEP_DB - 1e-3
    apart = (360 * (turn / plots.TURNS - 0.5) - degrees + 180) % 360 - 180
    assert abs(apart) <= 180 / plots.TURNS + 1e-3


def test_silence_has_a_colour_of_its_own():
    nan = complex(math.nan, math.nan)
    silent, nothing = plots.complex_codes(np.array([nan, 0])).tolist()
    colors = plots.complex_colors()
    assert not colors[nothing].any()
    assert 0.2 < colors[silent].min() == colors[silent].max() < 0.4


def lightness(colors):
    """CIE L* of colours, 0 to 100."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_equal_turns_are_equally_far_apart_and_brighter_is_louder():
    colors = plots.complex_colors()
    assert colors.shape == (256, 3)
    assert 0 <= colors.min() < colors.max() <= 1
    light = lightness(colors).reshape(-1, plots.TURNS)
    assert (np.diff(light.mean(axis=1))[:11] > 2).all()
    ring = colors[plots.ABOVE_ONE - plots.TURNS : plots.ABOVE_ONE]  # at a level of 1
    assert np.ptp(lightness(ring)) < 8
    assert 0.02 < ring.min() < ring.max() < 0.98  # nothing is cut
    steps = np.linalg.norm(np.roll(ring, 1, axis=0) - ring, axis=1)
    assert steps.max() < 3 * steps.min()


def test_what_lies_above_one_is_told_by_lightness_alone():
    light = lightness(plots.complex_colors())
    assert light[plots.ABOVE_ONE :].min() > light[: plots.ABOVE_ONE].max() + 12


def silent_in_places():
    """Complex masks of a picture's two stems, without sound in a few bins."""
    arrays = Arrays(n_frames=40)
    rng = np.random.default_rng(1)
    shape = arrays.mixture.shape

    def mask():
        level, angle = 10 ** rng.uniform(-2, 1, shape), rng.uniform(-np.pi, np.pi, shape)
        return (level * np.exp(1j * angle)).astype(np.complex64)

    found = {stem: mask() for stem in arrays.masks}
    arrays.mixture[7, 3] = 0
    for values in found.values():
        values[7, 3] = np.nan
    arrays.mixture[9, 3, 0], found["vocals"][9, 3, 0] = 0, np.nan  # the left channel alone
    arrays.complex_masks = found
    return arrays


@pytest.fixture
def song():
    return silent_in_places()


def view_of(song, **traits):
    return SpectrogramView(**song.given(), complex_masks=song.complex_masks, **traits)


SILENT_VIEW = view_of(silent_in_places())


def shown(mask, mixture, channel):
    """What a picture of both channels shows, by hand."""
    if channel in ("left", "right"):
        return mask[0 if channel == "left" else 1]
    power = np.where(np.isnan(mask), 0, np.abs(mixture.astype(complex)) ** 2)
    return np.nansum(mask * power) / power.sum() if power.any() else complex(math.nan, math.nan)


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
def test_a_reading_has_level_and_turn_of_the_channels_that_are_shown(song, channel):
    view = view_of(song, channel=channel)
    for frame, index in [(0, 0), (7, 3), (9, 3), (31, 20)]:
        reading = view.read(song.time(frame), HERTZ[index])
        for stem, mask in song.complex_masks.items():
            found = reading["stems"][stem]["complex_mask"]
            expected = shown(mask[frame, index], song.mixture[frame, index], channel)
            if np.isnan(expected):
                assert found is None
                continue
            assert found["factor"] == pytest.approx(abs(expected), rel=1e-5)
            assert found["level_db"] == pytest.approx(20 * np.log10(abs(expected)), abs=1e-3)
            assert found["turn"] == pytest.approx(np.rad2deg(np.angle(expected)), abs=1e-2)


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
def test_a_layer_has_the_colours_of_the_mask(song, channel):
    values = view_of(song).layer_values("complex/vocals", channel)
    for frame, index in [(0, 0), (7, 3), (9, 3), (31, 20)]:
        mask = song.complex_masks["vocals"][frame, index]
        expected = shown(mask, song.mixture[frame, index], channel)
        assert values[frame, index] == plots.complex_codes(np.complex64(expected))


@lean
@given(
    kind=st.sampled_from(["tiles", "read", "slices"]),
    place=st.tuples(st.floats(), st.floats()),
    layer=st.sampled_from(["complex/vocals", "complex/drums", "complex/", "complex/piano", "mask"]),
    channel=st.sampled_from([*_tiles.CHANNELS, "rear"]),
    index=st.tuples(st.integers(-2, 3), st.integers(-2, 3)),
    span=st.tuples(st.floats(), st.floats()),
)
def test_whatever_the_browser_asks_is_answered_without_nan_or_refused(
    kind, place, layer, channel, index, span
):
    message = {
        "kind": kind, "id": 1, "seconds": place[0], "hertz": place[1],
        "channel": channel, "tiles": [[layer, *index]], "span": span,
    }  # fmt: skip
    try:
        answers = list(SILENT_VIEW.answers(message))
    except ParameterError:
        return
    assert answers
    for answer, _ in answers:
        json.dumps(answer, allow_nan=False)


def test_a_mask_of_nothing_has_no_turn(song):
    song.complex_masks["vocals"][5, 5] = 0
    found = view_of(song).read(song.time(5), HERTZ[5])["stems"]["vocals"]["complex_mask"]
    assert found == {"factor": 0, "level_db": -160, "turn": None}


def test_complex_masks_are_of_stems_with_a_mask(song):
    song.complex_masks["piano"] = song.complex_masks["vocals"]
    with pytest.raises(ParameterError, match=r"vocals, drums \(got vocals, drums, piano\)"):
        view_of(song)
    song.complex_masks = {"vocals": np.zeros((3, 3, 2), np.complex64)}
    with pytest.raises(ParameterError, match="vocals: must have the mixture's shape"):
        view_of(song)


def test_other_masks_let_complex_ones_be_looked_at_anew(song):
    view = view_of(song)
    before = view.layer_values("complex/vocals").copy()
    song.complex_masks["vocals"][10:20] = 1
    assert np.array_equal(view.layer_values("complex/vocals"), before)
    view.set_masks(song.masks, slice(10, 20))
    after = view.layer_values("complex/vocals")
    assert np.unique(after[10:20]).tolist() == [plots.ABOVE_ONE - plots.TURNS // 2]
    assert np.array_equal(after[20:], before[20:])


@pytest.fixture
def fresh_figure():
    yield plt.figure()
    plt.close("all")


@pytest.mark.usefixtures("fresh_figure")
@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_a_plot_has_the_colours_of_the_mask_where_it_belongs(scale):
    params = StftParams(8000, 128, 32)
    mask = np.full((30, 65, 2), 0.5, np.complex64)
    mask[10, 40], mask[20, 8] = -1, np.nan
    mesh = plots.complex_mask(mask, np.ones_like(mask), params, scale=scale, start=1.0)
    assert mesh.axes.get_xlabel() == "time (s)"
    corners = mesh.get_coordinates()
    colors = plots.complex_colors()
    for place, value in {(10, 40): -1, (20, 8): np.nan, (5, 10): 0.5}.items():
        column = np.searchsorted(corners[0, :, 0], 1.0 + frames_to_time(place[0], params)) - 1
        row = np.searchsorted(corners[:, 0, 1], bins_to_hz(place[1], params)) - 1
        expected = colors[plots.complex_codes(np.complex64(value))]
        assert np.allclose(mesh.get_array()[row, column], expected)
    [legend] = mesh.axes.child_axes
    assert (legend.get_xlabel(), legend.get_ylabel()) == ("turn,\n±180°", "level |M| (dB)")
    mesh.figure.canvas.draw()


@pytest.mark.usefixtures("fresh_figure")
def test_what_lies_above_one_is_hatched_in_a_plot():
    params = StftParams(8000, 128, 32)
    mask = np.full((30, 65, 2), 2, np.complex64)
    mesh = plots.complex_mask(mask, np.ones_like(mask), params, scale="linear")
    dark = (np.asarray(mesh.get_array()) == 0).all(axis=2)
    assert dark.mean() == pytest.approx(0.25, abs=0.01)
    even = plots.complex_mask(mask / 4, np.ones_like(mask), params, scale="linear")
    assert np.ptp(np.asarray(even.get_array()), axis=(0, 1)).max() == 0


@pytest.mark.usefixtures("fresh_figure")
def test_cells_of_a_plot_show_the_mask_that_is_best_for_all_their_bins():
    params = StftParams(44100, 4096, 1024)
    mixture = np.full((8, 2049, 1), 1e-3, np.complex64)
    mask = np.full(mixture.shape, 100, np.complex64)  # of what is hardly heard
    mixture[:, ::2], mask[:, ::2] = 1, -0.5
    mesh = plots.complex_mask(mask, mixture, params, scale="linear")
    expected = plots.complex_colors()[plots.complex_codes(np.complex64(-0.5))]
    assert np.allclose(mesh.get_array()[1:-1], expected, atol=0.15)


def test_a_figure_of_the_view_has_the_same_colours(song):
    view = view_of(song, show="complex/vocals", scale="linear", low=0.0)
    [ax] = figure_of(view, "title").axes[:1]
    [mesh] = ax.collections
    values = view.layer_values("complex/vocals")
    found = np.asarray(mesh.get_array())
    values = values[2 : 2 + found.shape[1]].T  # from the first frame that is seen
    colors = plots.complex_colors()[values]
    hatched = (found == 0).all(axis=2)
    assert np.allclose(found[~hatched], colors[~hatched])
    assert (values[hatched & colors.any(axis=2)] >= plots.ABOVE_ONE).all()
    assert "vocals: complex mask" in ax.get_title()
