import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz import plots
from mssviz.errors import ParameterError
from mssviz.widgets import _tiles

lean = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**32 - 1)


def random_bytes(seed, n_frames, n_bins=3):
    return np.random.default_rng(seed).integers(0, 256, (n_frames, n_bins), dtype=np.uint8)


def pyramid_of(values, pool="max", calls=None):
    def compute(start, stop):
        if calls is not None:
            calls.append((start, stop))
        return values[start:stop].copy()

    return _tiles.Pyramid(values.shape, compute, pool)


def whole_level(pyramid, level):
    return np.concatenate([pyramid.tile(level, i) for i in range(pyramid.n_tiles(level))])


def visit_all(pyramid):
    return [whole_level(pyramid, level) for level in range(_tiles.n_levels(pyramid.shape[0]))]


# --- 8 bits -----------------------------------------------------------------------------------


@lean
@given(peak=st.floats(1e-3, 1e4), below_db=st.floats(0, _tiles.RANGE_DB))
def test_levels_are_kept_to_half_a_step_of_decibels(peak, below_db):
    step_db = _tiles.RANGE_DB / 255
    level = np.array([[peak * 10 ** (-below_db / 20)]])
    found = _tiles.quantise_level(level, peak)
    assert found.dtype == np.uint8
    assert abs((255 - int(found[0, 0])) * step_db - below_db) <= step_db / 2 + 1e-3


def test_silence_and_what_is_out_of_range_is_clipped_without_warnings():
    levels = np.array([[0.0, 1e-30, 1.0, 2.0]])
    assert _tiles.quantise_level(levels, 1.0).tolist() == [[0, 0, 255, 255]]
    assert _tiles.quantise_level(np.zeros((2, 2)), 0.0).max() == 0
    assert _tiles.quantise_share(np.array([-0.5, 0, 1, 1.5])).tolist() == [0, 0, 255, 255]
    assert _tiles.quantise_difference(np.array([-2, -1, 0, 1, 2])).tolist() == [1, 1, 128, 255, 255]


@lean
@given(share=st.floats(0, 1))
def test_shares_and_differences_are_kept_to_half_a_step(share):
    assert abs(int(_tiles.quantise_share(np.array([share]))[0]) / 255 - share) <= 1 / 510 + 1e-12
    for difference in (share, -share):
        found = (int(_tiles.quantise_difference(np.array([difference]))[0]) - 128) / 127
        assert abs(found - difference) <= 1 / 254 + 1e-12


# --- Channels ---------------------------------------------------------------------------------


def test_channel_views_of_stereo():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 5, 2)) + 1j * rng.standard_normal((4, 5, 2))
    left, right = values[:, :, 0], values[:, :, 1]
    expected = {
        "mean": (abs(left) + abs(right)) / 2,
        "left": abs(left),
        "right": abs(right),
        "mid": abs(left + right) / 2,
        "side": abs(left - right) / 2,
    }
    assert set(expected) == set(_tiles.CHANNELS)
    for channel, view in expected.items():
        assert np.allclose(_tiles.channel_view(values, channel), view, atol=1e-12)


def test_channel_views_of_mono_are_the_channel_and_no_side():
    values = np.array([[[1 + 1j], [-2]]])
    for channel in ("mean", "left", "right", "mid"):
        assert np.allclose(_tiles.channel_view(values, channel), abs(values[:, :, 0]))
    assert not _tiles.channel_view(values, "side").any()


def test_unknown_channel_is_refused():
    with pytest.raises(ParameterError, match=r"mean, left, right, mid, side .*'rear'"):
        _tiles.channel_view(np.ones((1, 1, 2)), "rear")


# --- Levels of tiles --------------------------------------------------------------------------


@lean
@given(seed=seeds, n_frames=st.integers(1, 3000))
def test_maxima_of_all_levels_equal_pooling_of_all_frames(seed, n_frames):
    values = random_bytes(seed, n_frames)
    for level, found in enumerate(visit_all(pyramid_of(values))):
        starts = np.arange(0, n_frames, 1 << level)
        assert found.dtype == np.uint8
        assert np.array_equal(found, np.maximum.reduceat(values, starts, axis=0))


@lean
@given(seed=seeds, n_frames=st.integers(1, 3000))
def test_means_of_all_levels_equal_pooling_of_all_frames_up_to_rounding(seed, n_frames):
    values = random_bytes(seed, n_frames)
    for level, found in enumerate(visit_all(pyramid_of(values, "mean"))):
        group, full = 1 << level, n_frames >> level
        means = values[: full * group].reshape(full, group, -1).mean(axis=1)
        assert len(found) == -(-n_frames // group)
        assert np.abs(found[:full] - means).max(initial=0) <= level / 2
        rest = values[full * group :]  # the last group may have fewer frames
        if len(rest):
            assert (found[-1] >= rest.min(axis=0)).all()
            assert (found[-1] <= rest.max(axis=0)).all()


def test_of_values_without_a_mean_the_first_is_picked():
    values = random_bytes(0, 1001)
    for level, found in enumerate(visit_all(pyramid_of(values, "pick"))):
        assert np.array_equal(found, values[:: 1 << level])


def test_the_mean_of_a_constant_stays_the_constant():
    for value in (0, 1, 127, 128, 254, 255):
        values = np.full((1001, 2), value, np.uint8)
        assert all((level == value).all() for level in visit_all(pyramid_of(values, "mean")))


@lean
@given(n_frames=st.integers(1, 100_000))
def test_the_coarsest_level_is_the_first_that_fits_one_tile(n_frames):
    pyramid = pyramid_of(np.broadcast_to(np.uint8(0), (n_frames, 1)))
    coarsest = _tiles.n_levels(pyramid.shape[0]) - 1
    assert pyramid.n_tiles(coarsest) == 1
    if coarsest:
        assert pyramid.n_tiles(coarsest - 1) == 2
    assert pyramid.n_tiles(0) == -(-n_frames // _tiles.TILE_COLUMNS)


def test_tiles_are_full_but_the_last():
    size = _tiles.TILE_COLUMNS
    pyramid = pyramid_of(random_bytes(0, 2 * size + 7))
    assert [len(pyramid.tile(0, i)) for i in range(3)] == [size, size, 7]
    assert [len(pyramid.tile(1, i)) for i in range(2)] == [size, 4]
    assert len(pyramid.tile(2, 0)) == size // 2 + 2


def test_frames_are_computed_block_by_block_once_and_only_when_needed():
    calls = []
    block = _tiles.BLOCK_FRAMES
    pyramid = pyramid_of(random_bytes(0, 3 * block + 5), calls=calls)
    assert calls == []
    pyramid.tile(0, 0)
    pyramid.tile(0, 1)
    assert calls == [(0, block)]
    visit_all(pyramid)
    visit_all(pyramid)
    blocks = [(0, block), (block, 2 * block), (2 * block, 3 * block), (3 * block, 3 * block + 5)]
    assert sorted(calls) == blocks


def test_blocks_are_kept_up_to_a_limit_over_all_pyramids_of_a_cache(monkeypatch):
    block, n_bins = _tiles.BLOCK_FRAMES, 3
    monkeypatch.setattr(_tiles, "CACHE_BYTES", 2 * block * n_bins)
    cache = _tiles.BlockCache()
    songs = [random_bytes(seed, block, n_bins) for seed in range(3)]
    calls = []

    def pyramid(values):
        return _tiles.Pyramid(
            values.shape, lambda a, b: calls.append(b) or values[a:b], "max", cache
        )

    pyramids = [pyramid(values) for values in songs]
    for values, one in [*zip(songs, pyramids, strict=True)] * 2:
        assert np.array_equal(whole_level(one, 0), values)
        assert 0 < cache.n_bytes <= _tiles.CACHE_BYTES
    assert len(calls) == 6  # the oldest of three is gone when it is asked for again


def test_what_changes_while_it_is_computed_is_computed_again():
    values = np.zeros((10, 3), np.uint8)

    def compute(start, stop):
        found = values[start:stop].copy()
        if not values.any():  # another thread changes all meanwhile
            values[:] = 7
            pyramid.forget(0, 10)
        return found

    pyramid = _tiles.Pyramid(values.shape, compute, "mean")
    assert (pyramid.tile(0, 0) == 0).all()
    assert (pyramid.tile(0, 0) == 7).all()


@lean
@given(seed=seeds, n_frames=st.integers(1, 3000), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_forgotten_frames_are_computed_anew_at_all_levels(seed, n_frames, ends):
    calls, block = [], _tiles.BLOCK_FRAMES
    values = random_bytes(seed, n_frames)
    pyramid = pyramid_of(values, calls=calls)
    visit_all(pyramid)
    calls.clear()
    start, stop = sorted(round(end * n_frames) for end in ends)
    values[start:stop] = random_bytes(seed + 1, stop - start)
    pyramid.forget(start, stop)
    for level, found in enumerate(visit_all(pyramid)):
        starts = np.arange(0, n_frames, 1 << level)
        assert np.array_equal(found, np.maximum.reduceat(values, starts, axis=0))
    touched = {frame // block for frame in range(start, stop)}
    assert {first // block for first, _ in calls} == touched
    assert len(calls) == len(touched)


@pytest.mark.parametrize(("level", "index"), [(-1, 0), (3, 0), (0, -1), (0, 3), (2, 1)])
def test_tiles_that_do_not_exist_are_refused(level, index):
    pyramid = pyramid_of(random_bytes(0, 600))
    with pytest.raises(ParameterError, match=f"no tile {index} at level {level}"):
        pyramid.tile(level, index)


# --- Colours and frames -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "last"), [("gray", "000000", "ffffff"), ("magma", "000003", "fbfcbf")]
)
def test_a_palette_is_256_colours_in_hexadecimal(name, first, last):
    found = _tiles.palette(name)
    assert len(found) == 1536
    ends = [int(found[i : i + 2], 16) for i in (0, 2, 4, 1530, 1532, 1534)]
    expected = [int((first + last)[i : i + 2], 16) for i in range(0, 12, 2)]
    assert np.abs(np.subtract(ends, expected)).max() <= 1


def test_the_palette_of_complex_masks_has_the_colours_of_plots():
    found = np.frombuffer(bytes.fromhex(_tiles.palette(_tiles.TURN_MAP)), np.uint8)
    assert np.array_equal(found.reshape(256, 3), np.rint(plots.complex_colors() * 255))


@lean
@given(
    times=st.tuples(st.floats(-5, 15), st.floats(-5, 15)),
    hop=st.floats(0.01, 0.5),
    first=st.floats(-1, 1),
    n_frames=st.integers(1, 200),
)
def test_frames_within_holds_all_frames_between_two_times_and_at_most_one_more_each_side(
    times, hop, first, n_frames
):
    found = _tiles.frames_within(times, hop, first, n_frames)
    assert found.start >= 0
    assert found.stop <= n_frames
    centres = first + hop * np.arange(n_frames)
    low, high = min(times), max(times)
    between = np.flatnonzero((centres > low + 1e-9) & (centres < high - 1e-9))
    frames = np.arange(n_frames)[found]
    assert set(between) <= set(frames)
    assert all(low - hop - 1e-9 <= centre <= high + hop + 1e-9 for centre in centres[frames])
