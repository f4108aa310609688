"""The numbers behind a picture, without a widget: exact values, slices, notes, tiles."""

import numpy as np
import pytest

from mssviz.widgets import _tiles
from mssviz.widgets._picture_data import SLICE_POINTS, PictureData, note_name
from tests.pictures import HERTZ, N_BINS, N_FRAMES, STEMS, Arrays, level_db, shown_share

# --- Exact values -----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_reading_is_exact_in_every_channel_view(channel, n_channels, lazy):
    song = Arrays(lazy, n_frames=20, n_channels=n_channels, offset=5.0)
    data = PictureData(**song.given())
    for frame, index in [(0, 0), (7, 3), (19, N_BINS - 1)]:
        found = data.read(song.time(frame) + 0.0009, HERTZ[index] - 60, channel)
        assert (found["frame"], found["bin"]) == (frame, index)
        assert found["time"] == pytest.approx(song.time(frame))
        assert found["frequency"] == HERTZ[index]
        assert found["note"] == note_name(HERTZ[index])

        def db(values, place=(frame, index), channel=channel):
            return pytest.approx(float(level_db(values, channel)[place]), abs=1e-3)

        assert found["level_db"] == db(song.mixture)
        assert list(found["stems"]) == list(STEMS)
        for stem, values in found["stems"].items():
            share = shown_share(song.masks[stem], channel)[frame, index]
            assert values["mask"] == pytest.approx(float(share), abs=1e-6)
            assert values["level_db"] == db(song.masks[stem] * song.mixture)
            phase = np.angle(song.mixture[frame, index, 0])
            assert values["phase"] == pytest.approx(float(phase), abs=1e-6)
        true = song.references["vocals"]
        assert found["stems"]["vocals"]["reference_db"] == db(true)
        assert found["stems"]["vocals"]["reference_phase"] == pytest.approx(
            float(np.angle(true[frame, index, 0])), abs=1e-6
        )
        assert "reference_db" not in found["stems"]["drums"]


def test_readings_outside_the_song_are_of_its_nearest_bin():
    data = PictureData(**Arrays().given())
    assert data.read(-99, -5, "mean")["frame"] == 0
    found = data.read(99, 1e6, "mean")
    assert (found["frame"], found["bin"]) == (N_FRAMES - 1, N_BINS - 1)


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
@pytest.mark.parametrize("lazy", [False, True])
def test_slices_are_exact(channel, lazy):
    song = Arrays(lazy, offset=5.0)
    span = (song.time(100), song.time(300))
    data = PictureData(**song.given())
    message, buffers = data.slices(song.time(40), HERTZ[9], channel, span)
    assert message["names"] == ["mixture", *STEMS]
    first, last = (round((message[end] - song.time(0)) / 0.002) for end in ("start", "stop"))
    assert 99 <= first <= 100
    assert 300 <= last <= 301
    arrays = [np.frombuffer(buffer, "<f4") for buffer in buffers]
    spectra = [song.mixture, *(song.masks[stem] * song.mixture for stem in STEMS)]
    for values, across, along in zip(spectra, arrays[:3], arrays[3:], strict=True):
        levels = level_db(values, channel)
        assert np.allclose(across, levels[40], atol=1e-3)
        assert np.allclose(along, levels[first : last + 1, 9], atol=1e-3)


def long_slices():
    # a little more than two frames for each point
    song = Arrays(lazy=True, n_frames=2 * SLICE_POINTS + 50)
    span = (song.time(0), song.time(2 * SLICE_POINTS + 50))
    message, buffers = PictureData(**song.given()).slices(0.1, 500, "mean", span)
    return song, message, np.frombuffer(buffers[3], "<f4")


def test_the_points_of_a_long_slice_are_no_more_than_can_be_drawn():
    _, _, course = long_slices()
    assert len(course) <= SLICE_POINTS


def test_the_times_of_a_long_slice_are_those_of_its_first_and_last_point():
    song, message, course = long_slices()
    frames = [round((message[end] - song.time(0)) / 0.002) for end in ("start", "stop")]
    expected = level_db(song.mixture, "mean")[frames, 4]
    assert course[[0, -1]] == pytest.approx(expected, abs=1e-3)


def test_a_span_beside_the_song_has_empty_courses():
    _, buffers = PictureData(**Arrays().given()).slices(0.1, 500, "mean", (50.0, 60.0))
    assert [len(buffer) // 4 for buffer in buffers] == [N_BINS] * 3 + [0] * 3


# --- Notes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "text"),
    [
        (440, "A4 +0 ct"),
        (261.6256, "C4 +0 ct"),
        (261.63, "C4 +0 ct"),
        (27.5, "A0 +0 ct"),
        (440 * 2 ** (12 / 1200), "A4 +12 ct"),
        (440 * 2 ** (49 / 1200), "A4 +49 ct"),
        (440 * 2 ** (51 / 1200), "A♯4 -49 ct"),
        (246.9417, "B3 +0 ct"),
        (246.9417 * 2 ** (51 / 1200), "C4 -49 ct"),
        (8.1758, "C-1 +0 ct"),
        (8.0, "C-1 -38 ct"),
        (7.99, ""),
        (0, ""),
    ],
)
def test_notes(frequency, text):
    assert note_name(frequency) == text


def test_notes_are_at_most_half_a_semitone_away():
    for frequency in np.geomspace(8, 22050, 500):
        assert -50 <= int(note_name(frequency).split()[1]) <= 50


# --- Tiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", _tiles.CHANNELS)
@pytest.mark.parametrize("lazy", [False, True])
def test_tiles_of_all_layers(channel, lazy):
    song = Arrays(lazy)
    data = PictureData(**song.given())
    peak = np.abs(song.mixture).max()
    frames = slice(256, 512)

    def levels(values):
        return _tiles.quantise_level(_tiles.channel_view(values[frames], channel), peak)

    mask = song.masks["drums"]
    difference = (mask - song.compare["drums"])[frames]
    expected = {
        "mixture": levels(song.mixture),
        "mask/drums": _tiles.quantise_share(shown_share(mask, channel)[frames]),
        "estimate/drums": levels(mask * song.mixture),
        "reference/vocals": levels(song.references["vocals"]),
        "difference/drums/other": _tiles.quantise_difference(shown_share(difference, channel)),
    }
    for layer, values in expected.items():
        assert np.array_equal(data.tile(layer, channel, level=0, index=1), values)


def test_levels_are_pooled_by_maximum_and_masks_by_mean():
    data = PictureData(**Arrays().given())
    fine, coarse = (data.tile("mixture", "mean", level, 0) for level in (0, 1))
    assert np.array_equal(coarse[:128], np.maximum(fine[::2], fine[1::2]))
    fine, coarse = (data.tile("mask/drums", "mean", level, 0).astype(float) for level in (0, 1))
    assert np.abs(coarse[:128] - (fine[::2] + fine[1::2]) / 2).max() <= 0.5


def test_only_what_follows_the_masks_is_made_anew_for_others():
    song = Arrays()
    data = PictureData(**song.given())
    before = {name: data.layer_values(name) for name in list(data.layers)[1:]}
    others = {stem: mask.copy() for stem, mask in song.masks.items()}
    for mask in others.values():
        mask[10:20] = 1 - mask[10:20]
    assert data.set_masks(others, slice(10, 20)) == (10, 20)
    for name, values in before.items():
        changed = np.flatnonzero((data.layer_values(name) != values).any(axis=1))
        kept = data.layers[name].kind in ("mixture", "reference")
        assert changed.tolist() == ([] if kept else list(range(10, 20)))
