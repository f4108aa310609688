import contextlib
import dataclasses
import io
import itertools
import os
import pickle
import threading
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mssviz.errors import Cancelled, FileError, ParameterError
from mssviz.separation import _brush
from mssviz.separation.editing import TOOLS, MaskEditor, Stroke
from mssviz.stft import StftParams, bins_to_hz, frames_to_time

lean = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)

PARAMS = StftParams(sample_rate=8000, n_fft=64, hop_length=16)  # 2 ms, 125 Hz
HOP, BIN = 0.002, 125.0
N_FRAMES, N_BINS = 40, PARAMS.n_bins
SECONDS = frames_to_time(np.arange(N_FRAMES), PARAMS)
HERTZ = bins_to_hz(np.arange(N_BINS), PARAMS)
STEMS = ("vocals", "drums", "bass")


def random_masks(seed, stems=STEMS, silent_share=0.1):
    """Masks that sum to one, but for bins where all are 0, as above a model's band."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0, 1, (len(stems), N_FRAMES, N_BINS, 2)) ** 3
    shares = shares / shares.sum(axis=0)
    shares[rng.integers(len(stems))][rng.uniform(size=shares.shape[1:]) < 0.1] = 0
    shares = shares / np.maximum(shares.sum(axis=0), 1e-9)
    shares[:, rng.uniform(size=shares.shape[1:]) < silent_share] = 0
    return dict(zip(stems, shares.astype(np.float32), strict=True))


def even_masks(stems=STEMS):
    shape = (N_FRAMES, N_BINS, 2)
    return {stem: np.full(shape, 1 / len(stems), np.float32) for stem in stems}


def total(masks):
    return np.add.reduce(list(masks.values()))


def copied(masks):
    return {stem: mask.copy() for stem, mask in masks.items()}


def same(a, b):
    return list(a) == list(b) and all(np.array_equal(a[stem], b[stem]) for stem in a)


def at(frame, index):
    return (SECONDS[frame], HERTZ[index])


points = st.tuples(st.floats(-0.02, 0.1), st.floats(-500, 6000))
strokes = st.builds(
    Stroke,
    target=st.sampled_from(STEMS),
    tool=st.sampled_from(TOOLS),
    points=st.lists(points, min_size=1, max_size=5),
    radius_seconds=st.floats(0.0005, 0.03),
    radius_hertz=st.floats(20, 2000),
    softness=st.floats(0, 1),
    value=st.floats(0, 1),
)
some_strokes = st.lists(strokes, min_size=1, max_size=4)


# --- What holds for all strokes ---------------------------------------------------------------


@lean
@given(seed=seeds, movement=some_strokes)
def test_masks_stay_shares_of_one(seed, movement):
    editor = MaskEditor(random_masks(seed), PARAMS)
    for stroke in movement:
        before = total(editor.masks)
        editor.apply(stroke)
        painted = editor.masks[stroke.target]
        for mask in editor.masks.values():
            assert mask.dtype == np.float32
            assert mask.min() >= 0
            assert mask.max() <= 1
        kept = np.where(before > 1e-6, np.maximum(before, painted), total(editor.masks))
        assert np.allclose(total(editor.masks), kept, atol=2e-6)
    full = total(random_masks(seed)) > 0.5
    assert np.allclose(total(editor.masks)[full], 1, atol=2e-5)


@lean
@given(seed=seeds, movement=some_strokes, sum_to_one=st.booleans())
def test_undo_and_redo_restore_every_bit(seed, movement, sum_to_one):
    editor = MaskEditor(random_masks(seed), PARAMS, sum_to_one)
    states = [copied(editor.masks)]
    for stroke in movement:
        frames = editor.apply(stroke)
        if frames.stop > frames.start:
            states.append(copied(editor.masks))
    for state in reversed(states[:-1]):
        assert editor.can_undo
        editor.undo()
        assert same(editor.masks, state)
    assert not editor.can_undo
    for state in states[1:]:
        assert editor.can_redo
        editor.redo()
        assert same(editor.masks, state)
    assert not editor.can_redo


@lean
@given(seed=seeds, stroke=strokes, sum_to_one=st.booleans())
def test_nothing_changes_outside_the_frames_returned(seed, stroke, sum_to_one):
    masks = random_masks(seed)
    editor = MaskEditor(masks, PARAMS, sum_to_one)
    frames = editor.apply(stroke)
    outside = np.ones(N_FRAMES, bool)
    outside[frames] = False
    for stem in STEMS:
        assert np.array_equal(editor.masks[stem][outside], masks[stem][outside])
    times = [seconds for seconds, _ in stroke.points]
    reach = 0 if stroke.tool == "lasso" else stroke.radius_seconds
    for second in SECONDS[frames]:
        assert min(times) - reach <= second <= max(times) + reach
    assert editor.undo() == frames or not editor.can_redo


@lean
@given(seed=seeds, stroke=strokes)
def test_other_stems_change_only_where_the_painted_one_does(seed, stroke):
    masks = random_masks(seed)
    editor = MaskEditor(masks, PARAMS)
    editor.apply(stroke)
    still = editor.masks[stroke.target] == masks[stroke.target]
    for stem in STEMS:
        assert np.array_equal(editor.masks[stem][still], masks[stem][still])


@lean
@given(seed=seeds, stroke=strokes)
def test_without_sharing_the_other_stems_are_left_alone(seed, stroke):
    masks = random_masks(seed)
    editor = MaskEditor(masks, PARAMS, sum_to_one=False)
    editor.apply(stroke)
    for stem in set(STEMS) - {stroke.target}:
        assert np.array_equal(editor.masks[stem], masks[stem])
    assert editor.masks[stroke.target].min() >= 0
    assert editor.masks[stroke.target].max() <= 1


def test_masks_that_sum_to_more_stay_below_one():
    masks = {stem: np.full((N_FRAMES, N_BINS, 1), 0.9, np.float32) for stem in STEMS}
    editor = MaskEditor(masks, PARAMS)
    editor.apply(Stroke("drums", "erase", [at(10, 10)]))
    assert all(mask.max() <= 1 for mask in editor.masks.values())


def test_the_masks_given_are_copied():
    masks = even_masks()
    MaskEditor(masks, PARAMS).apply(Stroke("bass", "paint", [at(10, 10)]))
    assert same(masks, even_masks())


#: A comb that moves within one frame, which is changed alone.
NARROW_COMB = Stroke(
    "vocals", "comb", [(0.0, 2.0), (-0.015625, 0.0)], radius_seconds=0.001953125, radius_hertz=20,
    softness=1, value=0,
)  # fmt: skip


@lean
@example(seed=0, movement=[NARROW_COMB], sum_to_one=False, cuts=[1])
@given(
    seed=seeds, movement=some_strokes, sum_to_one=st.booleans(),
    cuts=st.lists(st.integers(0, N_FRAMES), max_size=3),
)  # fmt: skip
def test_strokes_stay_when_the_masks_below_change(seed, movement, sum_to_one, cuts):
    editor = MaskEditor(random_masks(seed), PARAMS, sum_to_one)
    below = random_masks(seed + 1)
    expected = MaskEditor(below, PARAMS, sum_to_one)
    for stroke in movement:
        editor.apply(stroke)
        expected.apply(stroke)
    for start, stop in itertools.pairwise(sorted({0, *cuts, N_FRAMES})):
        frames = slice(start, stop)
        editor.rebase(frames, {stem: mask[frames] for stem, mask in below.items()})
    assert same(editor.masks, expected.masks)
    while editor.can_undo:
        editor.undo()
        expected.undo()
        assert same(editor.masks, expected.masks)
    assert same(editor.masks, below)


def test_loaded_masks_stay_when_those_below_change(tmp_path):
    kept = MaskEditor(random_masks(1), PARAMS)
    kept.save(tmp_path / "masks.npz")
    editor = MaskEditor(even_masks(), PARAMS)
    assert not editor.edited
    editor.load(tmp_path / "masks.npz")
    assert editor.edited
    editor.rebase(slice(0, N_FRAMES), random_masks(2))
    assert same(editor.masks, kept.masks)
    editor.undo()
    assert same(editor.masks, random_masks(2))


def test_masks_can_be_painted_on_in_place():
    masks = even_masks()
    MaskEditor(masks, PARAMS, copy=False).apply(Stroke("bass", "paint", [at(10, 10)]))
    assert not same(masks, even_masks())


def test_a_new_stroke_drops_what_was_undone():
    editor = MaskEditor(even_masks(), PARAMS)
    editor.apply(Stroke("bass", "paint", [at(10, 10)]))
    editor.undo()
    editor.apply(Stroke("drums", "paint", [at(30, 10)]))
    assert not editor.can_redo
    assert editor.redo() == slice(0, 0)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("place", [(99.0, 1000.0), (-99.0, 1000.0), (0.02, 1e6)])
def test_strokes_outside_change_nothing_and_leave_no_step(tool, place):
    editor = MaskEditor(even_masks(), PARAMS)
    assert editor.apply(Stroke("bass", tool, [place, place])) == slice(0, 0)
    assert same(editor.masks, even_masks())
    assert not editor.can_undo


# --- The brush --------------------------------------------------------------------------------


@lean
@given(
    frame=st.integers(0, N_FRAMES - 1),
    index=st.integers(0, N_BINS - 1),
    softness=st.floats(0, 1),
    value=st.floats(0, 1),
)
def test_the_centre_of_the_brush_gets_the_value(frame, index, softness, value):
    for tool, expected in (("paint", value), ("erase", 0.0)):
        editor = MaskEditor(random_masks(1), PARAMS, sum_to_one=False)
        editor.apply(Stroke("bass", tool, [at(frame, index)], softness=softness, value=value))
        found = editor.masks["bass"][frame, index]
        assert np.allclose(found, expected, atol=1e-6)
        if tool == "erase":
            assert not found.any()


def test_a_stem_that_is_erased_goes_to_the_others_in_proportion():
    shape = (N_FRAMES, N_BINS, 1)
    shares = {"vocals": 0.5, "drums": 0.3, "bass": 0.2}
    masks = {stem: np.full(shape, share, np.float32) for stem, share in shares.items()}
    editor = MaskEditor(masks, PARAMS)
    editor.apply(Stroke("vocals", "erase", [at(20, 10)]))
    found = [float(editor.masks[stem][20, 10, 0]) for stem in STEMS]
    assert found == pytest.approx([0, 0.6, 0.4], abs=1e-6)


def test_where_the_others_have_nothing_they_share_equally():
    masks = {stem: np.zeros((N_FRAMES, N_BINS, 1), np.float32) for stem in STEMS}
    masks["bass"][:] = 1
    editor = MaskEditor(masks, PARAMS)
    editor.apply(Stroke("bass", "erase", [at(20, 10)]))
    assert [float(editor.masks[stem][20, 10, 0]) for stem in STEMS] == [0.5, 0.5, 0]


def painted_share(**options):
    masks = {"bass": np.zeros((N_FRAMES, N_BINS, 1), np.float32)}
    editor = MaskEditor(masks, PARAMS)
    stroke = {"tool": "paint", "points": [at(20, 16)], "radius_seconds": 0.02, "radius_hertz": 1000}
    editor.apply(Stroke("bass", **{**stroke, **options}))
    return editor.masks["bass"][:, :, 0]


def test_a_hard_brush_is_an_ellipse():
    across = ((SECONDS[:, None] - SECONDS[20]) / 0.02) ** 2 + ((HERTZ - HERTZ[16]) / 1000) ** 2
    found = painted_share(softness=0)
    clear = np.abs(across - 1) > 1e-6
    assert np.array_equal(found[clear], (across < 1)[clear])


def test_a_softer_brush_is_nowhere_stronger_and_falls_off_from_its_centre():
    shares = [painted_share(softness=softness) for softness in np.linspace(0, 1, 6)]
    for harder, softer in itertools.pairwise(shares):
        assert (softer <= harder + 1e-6).all()
        assert softer.sum() < harder.sum()
    for share in shares:
        assert (np.diff(share[20, 16:]) <= 1e-6).all()
        assert (np.diff(share[20:, 16]) <= 1e-6).all()


@pytest.mark.parametrize("tool", ["paint", "comb"])
def test_a_quick_movement_leaves_no_gaps(tool):
    options = {"radius_seconds": 0.003, "radius_hertz": 200.0, "softness": 0.0, "tool": tool}
    found = painted_share(points=[at(2, 4), at(37, 4)], **options)
    assert (found[2:38, 4] == 1).all()
    steep = painted_share(points=[at(5, 2), at(5, 30)], **options)
    assert (steep[5, 2:31] == 1).all()


def test_the_comb_hits_multiples_and_nothing_between():
    found = painted_share(
        tool="comb", points=[(SECONDS[20], 1000.0)], radius_hertz=130.0, softness=0.0
    )
    expected = np.isin(np.arange(N_BINS) % 8, [0, 1, 7]) & (np.arange(N_BINS) >= 7)
    assert np.array_equal(found[20] == 1, expected)


# --- The lasso --------------------------------------------------------------------------------


def lassoed(corners):
    """Polygon in fractions of frames and bins, so that no bin lies on its edge."""
    place = [(SECONDS[0] + f * HOP, b * BIN) for f, b in corners]
    return painted_share(tool="lasso", points=place) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_lasso_fills_a_square_exactly(order):
    found = lassoed([(4.5, 2.5), (11.5, 2.5), (11.5, 9.5), (4.5, 9.5)][::order])
    expected = np.zeros((N_FRAMES, N_BINS), bool)
    expected[5:12, 3:10] = True
    assert np.array_equal(found, expected)


def test_a_lasso_fills_a_concave_polygon():
    corners = [(4.5, 2.5), (20.5, 2.5), (20.5, 20.5), (14.5, 20.5), (14.5, 8.5), (10.5, 8.5)]
    found = lassoed([*corners, (10.5, 20.5), (4.5, 20.5)])
    expected = np.zeros((N_FRAMES, N_BINS), bool)
    expected[5:21, 3:21] = True
    expected[11:15, 9:21] = False  # the notch of the U
    assert np.array_equal(found, expected)


# --- Files ------------------------------------------------------------------------------------


def test_saved_masks_come_back_as_one_step(tmp_path):
    path = tmp_path / "masks.npz"
    editor = MaskEditor(random_masks(3), PARAMS)
    editor.apply(Stroke("bass", "paint", [at(10, 10)]))
    editor.save(path)
    saved = copied(editor.masks)
    editor.apply(Stroke("drums", "paint", [at(20, 10)]))
    edited = copied(editor.masks)
    assert editor.load(path) == slice(0, N_FRAMES)
    assert same(editor.masks, saved)
    editor.undo()
    assert same(editor.masks, edited)
    editor.redo()
    assert same(editor.masks, saved)
    assert [p.name for p in tmp_path.iterdir()] == ["masks.npz"]


def test_editing_after_loading_leaves_the_steps_alone(tmp_path):
    editor = MaskEditor(random_masks(3), PARAMS)
    editor.save(tmp_path / "masks.npz")
    editor.load(tmp_path / "masks.npz")
    loaded = copied(editor.masks)
    editor.apply(Stroke("bass", "paint", [at(10, 10)]))
    for move in (editor.undo, editor.undo, editor.redo):
        move()
    assert same(editor.masks, loaded)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


def write_bad_file(path, kind):
    masks = even_masks()
    if kind == "other stems":
        np.savez(path, guitar=masks["bass"])
    elif kind == "other shapes":
        np.savez(path, **{stem: mask[1:] for stem, mask in masks.items()})
    elif kind == "not finite":
        np.savez(path, **{**masks, "bass": masks["bass"] * np.nan})
    elif kind == "above one":
        np.savez(path, **{**masks, "bass": masks["bass"] * 9})
    elif kind == "pickled object":
        np.savez(path, **{stem: np.array([Trap()], object) for stem in STEMS})
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    elif kind == "one array":
        with path.open("wb") as file:
            np.save(file, masks["bass"])
    elif kind == "text":
        path.write_text("masks")
    elif kind == "empty":
        path.touch()
    elif kind == "cut short":
        np.savez(path, **masks)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "damaged":
        np.savez_compressed(path, **random_masks(0))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(bytes(content))
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    "kind",
    [
        "other stems", "other shapes", "not finite", "above one", "pickled object", "pickle",
        "one array", "text", "empty", "cut short", "damaged", "folder", "missing",
    ],
)  # fmt: skip
def test_files_of_anything_else_are_refused_and_change_nothing(tmp_path, kind):
    path = tmp_path / "masks.npz"
    write_bad_file(path, kind)
    editor = MaskEditor(even_masks(), PARAMS)
    with pytest.raises(ParameterError, match=r"masks\.npz: "):
        editor.load(path)
    assert same(editor.masks, even_masks())
    assert not editor.can_undo


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "masks.npz"
    editor = MaskEditor(even_masks(), PARAMS)
    editor.save(path)
    content = path.read_bytes()

    def fail(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(FileError, match="free some space"):
        editor.save(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["masks.npz"]


def test_saving_into_no_folder_says_so(tmp_path):
    with pytest.raises(FileError, match="create the folder first"):
        MaskEditor(even_masks(), PARAMS).save(tmp_path / "none" / "masks.npz")


# --- Bad input --------------------------------------------------------------------------------


GOOD = Stroke("bass", "paint", [(0.01, 500.0)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tool": "spray"}, "paint, erase, lasso, comb .*'spray'"),
        ({"points": []}, "at least one point"),
        ({"points": [(1.0, 2.0, 3.0)]}, "at least one point"),
        ({"points": [(1.0, 2.0), (1.0,)]}, "at least one point"),
        ({"points": [(np.nan, 2.0)]}, "finite"),
        ({"points": [(0.0, np.inf)]}, "finite"),
        ({"radius_seconds": 0.0}, "radius must be positive"),
        ({"radius_hertz": -1.0}, "radius must be positive"),
        ({"radius_hertz": np.nan}, "radius must be positive"),
        ({"softness": 1.1}, r"\[0, 1\]"),
        ({"softness": np.nan}, r"\[0, 1\]"),
        ({"value": -0.1}, r"\[0, 1\]"),
    ],
)
def test_strokes_that_cannot_be_painted_are_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        dataclasses.replace(GOOD, **change)


def test_unknown_stems_and_unequal_shapes_are_refused():
    with pytest.raises(ParameterError, match="no stem 'guitar'; choose among vocals, drums, bass"):
        MaskEditor(even_masks(), PARAMS).apply(dataclasses.replace(GOOD, target="guitar"))
    with pytest.raises(ParameterError, match="one shape"):
        MaskEditor({**even_masks(), "bass": np.ones((1, 2, 3))}, PARAMS)
    with pytest.raises(ParameterError, match="one shape"):
        MaskEditor({}, PARAMS)


def test_the_history_is_as_long_as_memory_allows(monkeypatch):
    from mssviz import mask_editing
    from mssviz.stft import StftParams

    ones = {"a": np.ones((40, 2049, 1), np.float32), "b": np.zeros((40, 2049, 1), np.float32)}
    editor = mask_editing.MaskEditor(ones, StftParams())
    monkeypatch.setattr(mask_editing, "HISTORY_BYTES", 1)
    for seconds in (0.1, 0.2, 0.3):
        editor.apply(mask_editing.Stroke("a", "erase", [(seconds, 500.0)]))
    painted = copied(editor.masks)
    editor.rebase(slice(0, 40), ones)
    assert same(editor.masks, painted)  # strokes that can not be taken back stay, too
    assert editor.undo().stop > 0
    assert not editor.can_undo
    assert editor.edited


# --- Bounds -----------------------------------------------------------------------------------

SONG = StftParams()  # as Spleeter's


def song_editor(n_frames=660):
    shape = (n_frames, SONG.n_bins, 2)
    return MaskEditor({stem: np.full(shape, 0.5, np.float32) for stem in ("a", "b")}, SONG)


def inside_by_each_edge(points, seconds, hertz):
    """Even-odd rule in another way: every edge is held against every bin."""
    found = np.zeros((len(seconds), len(hertz)), bool)
    corners = np.asarray(points, float)
    for (t0, f0), (t1, f1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if f0 != f1:
            crosses = (f0 > hertz) != (f1 > hertz)
            found ^= crosses & (seconds[:, None] < t0 + (hertz - f0) / (f1 - f0) * (t1 - t0))
    return found


@lean
@given(points=st.lists(points, min_size=1, max_size=12), crossings=st.integers(1, 40))
def test_a_lasso_is_the_same_edge_by_edge_and_in_parts(points, crossings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_brush, "_CROSSINGS", crossings)
        found = _brush.inside(points, SECONDS, HERTZ, lambda _: None)
    assert np.array_equal(found, inside_by_each_edge(points, SECONDS, HERTZ))


def test_an_edge_that_is_nearly_level_overflows_nothing():
    corners = [(-1e9, 500.0), (1e9, 500.0 + 1e-13), (0.0, 2000.0)]
    editor = MaskEditor(even_masks(), PARAMS)
    assert editor.apply(Stroke("bass", "lasso", corners)).stop > 0


def test_a_stroke_computes_where_it_lies_once(monkeypatch):
    calls, inside = [], _brush.inside
    monkeypatch.setattr(_brush, "inside", lambda *a: calls.append(a) or inside(*a))
    MaskEditor(even_masks(), PARAMS).apply(Stroke("bass", "lasso", [(0, 0), (0.05, 0), (0, 3000)]))
    assert len(calls) == 1


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("radius", [(1e-4, 1.0), (0.05, 100.0), (1e9, 1e9)])
def test_no_stroke_of_many_points_takes_long(tool, radius):
    rng = np.random.default_rng(1)
    scribble = np.cumsum(rng.normal(0, (0.002, 30), (20_000, 2)), axis=0)
    scribble += (7, 8000)
    stroke = Stroke("a", tool, scribble.tolist(), *radius)
    started = time.monotonic()
    with contextlib.suppress(ParameterError):  # too many bins: refused before the work
        song_editor().apply(stroke)
    assert time.monotonic() - started < 30


def test_too_many_points_and_far_ones_are_refused():
    with pytest.raises(ParameterError, match="at most 20000 points"):
        Stroke("a", "lasso", [(0.0, 0.0)] * 20_001)
    with pytest.raises(ParameterError, match="finite, within"):
        Stroke("a", "lasso", [(0.0, 1e300)])
    for radii in ((1e-6, 100.0), (0.05, 1e-3), (np.inf, 100.0)):
        with pytest.raises(ParameterError, match=r"0\.0001 s and 1 Hz or more"):
            Stroke("a", "paint", [(0.0, 0.0)], *radii)


@pytest.mark.parametrize("tool", ["paint", "comb", "lasso"])
def test_a_cancelled_stroke_changes_nothing(tool):
    def cancel(done, _total, _what):
        if done > 0.3:
            raise Cancelled

    editor = MaskEditor(even_masks(), PARAMS)
    path = [(0.01 + 0.001 * i, 500.0 * (1 + i % 7)) for i in range(50)]
    with pytest.raises(Cancelled):
        editor.apply(Stroke("bass", tool, path), cancel)
    assert same(editor.masks, even_masks())
    assert not editor.edited


# --- Files that are larger than they seem -----------------------------------------------------


def header(shape, dtype="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def pack(path, entries, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in entries:
            archive.writestr(name, content)


BOMB = bytes(64 << 20)
BOMBS = {
    "huge arrays": [(f"{stem}.npy", header((1 << 24, 1)) + BOMB) for stem in STEMS],
    "huge claims": [(f"{stem}.npy", header((1 << 40, 1 << 10))) for stem in STEMS],
    "other stems beside": [("x.npy", header((16 << 20,)) + BOMB)] * 3,
    "long texts": [(f"{stem}.npy", header((N_FRAMES, N_BINS, 2), "|S999999")) for stem in STEMS],
    "a stem twice": [("vocals.npy", header((N_FRAMES, N_BINS, 2)))] * 3,
    "a long header": [
        (f"{stem}.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x03" + BOMB) for stem in STEMS
    ],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", BOMBS)
def test_files_that_unpack_to_more_are_refused_before_they_do(tmp_path, kind):
    pack(tmp_path / "masks.npz", BOMBS[kind])
    editor = MaskEditor(even_masks(), PARAMS)
    tracemalloc.start()
    with pytest.raises(ParameterError, match=r"masks\.npz: "):
        editor.load(tmp_path / "masks.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_file_packed_in_another_way_is_refused(tmp_path):
    pack(tmp_path / "masks.npz", BOMBS["huge arrays"][:1], zipfile.ZIP_BZIP2)
    with pytest.raises(ParameterError, match="packed in another way"):
        MaskEditor(even_masks(), PARAMS).load(tmp_path / "masks.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "masks.npz")
    with pytest.raises(ParameterError, match="no such file"):
        MaskEditor(even_masks(), PARAMS).load(tmp_path / "masks.npz")


def test_two_saves_of_one_file_do_not_disturb_each_other(tmp_path, monkeypatch):
    path, save, both = tmp_path / "masks.npz", np.savez_compressed, threading.Barrier(2)

    def together(file, **arrays):
        both.wait(10)
        save(file, **arrays)
        both.wait(10)

    monkeypatch.setattr(np, "savez_compressed", together)
    editors = [MaskEditor(random_masks(seed), PARAMS) for seed in (1, 2)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda editor: editor.save(path), editors))
    loaded = MaskEditor(even_masks(), PARAMS)
    loaded.load(path)
    assert any(same(loaded.masks, editor.masks) for editor in editors)
    assert [p.name for p in tmp_path.iterdir()] == ["masks.npz"]
