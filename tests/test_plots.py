import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mssviz import plots
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, frames_to_time, stft

PARAMS = StftParams(44100, 2048, 512)
SCALES = ("linear", "log", "mel")
TONE_HZ = 100 * 44100 / 2048


@pytest.fixture(autouse=True)
def fresh_figure():
    yield plt.figure()
    plt.close("all")


@pytest.fixture(scope="module")
def tone():
    """STFT of silence with a tone from 0.5 s to 0.7 s, in the centre of bin 100."""
    t = np.arange(44100) / 44100
    wave = np.sin(2 * np.pi * TONE_HZ * t) * ((t >= 0.5) & (t < 0.7))
    return stft(np.repeat(wave[:, None], 2, axis=1).astype(np.float32), PARAMS)


def edges(mesh):
    corners = mesh.get_coordinates()
    return corners[0, :, 0], corners[:, 0, 1]


def value_at(mesh, seconds, hertz):
    x, y = edges(mesh)
    return mesh.get_array()[np.searchsorted(y, hertz) - 1, np.searchsorted(x, seconds) - 1]


def assert_axes_are_in_seconds_and_hertz(ax):
    assert ax.get_xlabel() == "time (s)"
    assert ax.get_ylabel() == "frequency (Hz)"


@pytest.mark.parametrize("scale", SCALES)
def test_a_tone_is_brightest_where_and_when_it_sounds(tone, scale):
    mesh = plots.spectrogram(tone, PARAMS, scale=scale)
    assert isinstance(mesh, QuadMesh)
    assert mesh.axes is plt.gcf().axes[0]
    assert_axes_are_in_seconds_and_hertz(mesh.axes)
    x, y = edges(mesh)
    row, column = np.unravel_index(mesh.get_array().argmax(), mesh.get_array().shape)
    assert y[row] <= TONE_HZ <= y[row + 1]
    assert 0.5 < x[column] < x[column + 1] < 0.7
    assert mesh.get_array().max() == pytest.approx(0, abs=1e-4)  # the loudest cell is 0 dB
    assert value_at(mesh, 0.3, TONE_HZ) <= -80
    assert mesh.get_clim() == (-80, 0)
    assert mesh.axes.get_yscale() == {"linear": "linear", "log": "log", "mel": "function"}[scale]
    mesh.figure.canvas.draw()


def test_levels_are_relative_to_the_reference(tone):
    level = np.abs(tone).mean(axis=2).max()
    mesh = plots.spectrogram(tone[:, :400], PARAMS, reference=10 * level)
    assert mesh.get_array().max() == pytest.approx(-20, abs=0.01)


@pytest.mark.parametrize("scale", SCALES)
def test_a_mask_is_drawn_where_its_values_belong(scale):
    values = np.zeros((80, 1025, 2), np.float32)
    values[40, 100] = [1.0, 0.5]
    if scale == "log":
        values[40, 90:111] = [1.0, 0.5]  # a row is the mean of several bins up there
    mesh = plots.mask(values, PARAMS, scale=scale, start=2.0)
    seconds = 2.0 + frames_to_time(40, PARAMS)
    found = value_at(mesh, seconds, bins_to_hz(100, PARAMS))
    if scale == "linear":  # 1025 bins on 500 rows: two or three to one
        assert found in (pytest.approx(0.75 / 2), pytest.approx(0.75 / 3))
    elif scale == "log":
        assert found == pytest.approx(0.75)
    assert found > 0.2
    assert value_at(mesh, seconds + 0.1, bins_to_hz(100, PARAMS)) == 0
    assert value_at(mesh, seconds, bins_to_hz(300, PARAMS)) == 0
    assert mesh.get_clim() == (0, 1)
    assert_axes_are_in_seconds_and_hertz(mesh.axes)


def test_small_arrays_are_drawn_bin_by_bin():
    values = np.random.default_rng(0).random((30, 65, 1))
    params = StftParams(8000, 128, 32)
    mesh = plots.mask(values, params, scale="linear")
    assert np.allclose(mesh.get_array(), values[:, :, 0].T)
    x, y = edges(mesh)
    assert np.allclose((x[:-1] + x[1:]) / 2, frames_to_time(np.arange(30), params))
    assert np.allclose((y[1:-1] + y[2:]) / 2, bins_to_hz(np.arange(1, 65), params))


@pytest.mark.parametrize("n_frames", [1200, 1201, 5000])
@pytest.mark.parametrize("scale", SCALES)
def test_long_songs_are_pooled_without_losing_level(n_frames, scale):
    values = np.random.default_rng(0).random((n_frames, 1025, 1), np.float32)
    mesh = plots.mask(values, PARAMS, scale=scale)
    rows, columns = mesh.get_array().shape
    assert columns <= plots.MAX_COLUMNS
    assert rows <= plots.MAX_ROWS
    x, y = edges(mesh)
    area = np.outer(np.diff(y), np.diff(x))
    assert np.average(mesh.get_array(), weights=area) == pytest.approx(0.5, abs=0.002)
    hop = PARAMS.hop_length / PARAMS.sample_rate
    assert x[-1] - x[0] == pytest.approx(n_frames * hop)


def test_thinned_out_frames_span_the_seconds_given():
    mesh = plots.spectrogram(np.ones((50, 65, 1)), StftParams(8000, 128, 32), seconds=100.0)
    x, _ = edges(mesh)
    assert x[-1] - x[0] == pytest.approx(100)


def test_the_tint_grows_with_the_mask_and_the_brightness_with_the_level(tone):
    mask = np.zeros(tone.shape, np.float32)
    mask[:55] = 1
    mesh = plots.mask_over_spectrogram(mask, tone, PARAMS, color="#ff0000")
    assert_axes_are_in_seconds_and_hertz(mesh.axes)

    def color(seconds):
        return np.array(mesh.to_rgba(value_at(mesh, seconds, TONE_HZ))[:3])

    assert frames_to_time(55, PARAMS) == pytest.approx(0.615, abs=0.01)
    assert np.allclose(color(0.57), to_rgb("#ff0000"), atol=0.05)
    assert np.ptp(color(0.66)) < 0.01
    assert color(0.66)[0] > 0.4
    assert np.allclose(color(0.3), 0)


def test_differences_are_signed():
    first, second = np.zeros((2, 20, 65, 1), np.float32)
    first[5, 30], second[9, 30] = 0.7, 0.4
    params = StftParams(8000, 128, 32)
    mesh = plots.mask_difference(first, second, params, scale="linear")
    hertz = bins_to_hz(30, params)
    assert value_at(mesh, frames_to_time(5, params), hertz) == pytest.approx(0.7)
    assert value_at(mesh, frames_to_time(9, params), hertz) == pytest.approx(-0.4)
    assert mesh.get_clim() == (-1, 1)
    assert_axes_are_in_seconds_and_hertz(mesh.axes)
    orange, violet = mesh.to_rgba([-0.8, 0.8])[:, :3]
    assert orange[0] > orange[2]
    assert violet[2] > violet[0]


def test_an_error_is_violet_where_too_much_and_orange_where_missing():
    signed = np.zeros((20, 65, 1), np.float32)
    signed[5, 30], signed[9, 30], signed[9, 20], signed[12, 40] = 1.0, -0.01, -1e-6, -0.1
    params = StftParams(8000, 128, 32)
    mesh = plots.error_map(signed, params, scale="linear")
    level = {
        place: value_at(mesh, frames_to_time(place[0], params), bins_to_hz(place[1], params))
        for place in ((5, 30), (9, 30), (9, 20), (12, 40))
    }
    # dB above what fades out, 40 dB below the costliest
    assert level[5, 30] == pytest.approx(40)
    assert level[9, 30] == pytest.approx(-20)
    assert level[12, 40] == pytest.approx(-30)
    assert level[9, 20] == 0
    orange, violet = mesh.to_rgba([-30, 30])[:, :3]
    assert orange[0] > orange[2]
    assert violet[2] > violet[0]
    bar = plt.gcf().axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["0", "−20", "−40", "−20", "0"]
    assert_axes_are_in_seconds_and_hertz(mesh.axes)
    assert not plots.error_map(0 * signed, params).get_array().any()


def test_boxes_are_numbered_and_lie_where_they_are_put():
    ax = plt.gca()
    first, second = plots.boxes([(1, 2, 100, 300), (3, 3.5, 50, 60)], ax=ax)
    assert (first.get_x(), first.get_width(), first.get_y(), first.get_height()) == (1, 1, 100, 200)
    assert second.get_x() == 3
    assert [text.get_text() for text in ax.texts] == ["1", "2"]
    assert ax.texts[0].xy == (1, 300)
    assert plots.boxes([]) == []


def test_stems_share_one_level(tone):
    meshes = plots.stems({"mixture": tone, "half": tone / 2}, PARAMS)
    assert [mesh.axes.get_title() for mesh in meshes] == ["mixture", "half"]
    assert meshes[0].get_array().max() - meshes[1].get_array().max() == pytest.approx(6.02, abs=0.1)
    assert meshes[0].axes.get_ylabel() == "frequency (Hz)"
    assert meshes[1].axes.get_xlabel() == "time (s)"
    axes = plt.figure().subplots(1, 2)
    again = plots.stems({"a": tone, "b": tone}, PARAMS, axes=axes)
    assert [mesh.axes for mesh in again] == list(axes)


def test_scores_are_lines_at_the_windows_centres():
    table = pd.DataFrame(
        {
            "target": ["vocals"] * 3 + ["other"] * 3,
            "time": [0, 1, 2] * 2,
            "SDR": [1, np.nan, 3, 4, 5, 6],
            "SIR": range(6),
        }
    )
    lines = plots.scores(table)
    assert all(isinstance(line, Line2D) for line in lines)
    assert [line.get_label() for line in lines] == ["vocals", "other"]
    assert lines[1].get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert lines[1].get_ydata().tolist() == [4, 5, 6]
    assert plt.gca().get_xlabel() == "time (s)"
    assert plt.gca().get_ylabel() == "SDR (dB)"
    ax = plt.figure().subplots()
    assert plots.scores(table, measure="SIR", ax=ax)[0].axes is ax
    assert ax.get_ylabel() == "SIR (dB)"
    overlapping = plots.scores(table, window=2.0)  # with a hop of 1 s
    assert overlapping[1].get_xdata().tolist() == [1, 2, 3]


@pytest.mark.parametrize("draw", [plots.song_figure, plots.separation_figure])
def test_figures_of_all_masks_can_be_saved(tone, draw, tmp_path):
    masks = {"vocals": np.ones(tone.shape, np.float32), "other": np.zeros(tone.shape, np.float32)}
    if draw is plots.song_figure:
        figure = draw(np.abs(tone), masks, PARAMS, len(tone))
    else:
        figure = draw(tone, masks, PARAMS)
    assert isinstance(figure, Figure)
    titles = " ".join(ax.get_title() for ax in figure.axes)
    assert "vocals" in titles
    assert "other" in titles
    figure.savefig(tmp_path / "figure.png", dpi=30)
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_functions_draw_where_they_are_told(tone):
    ax = plt.figure().subplots()
    plt.figure()
    mask = np.ones(tone.shape, np.float32)
    for mesh in (
        plots.spectrogram(tone, PARAMS, ax=ax),
        plots.mask(mask, PARAMS, ax=ax),
        plots.mask_over_spectrogram(mask, tone, PARAMS, ax=ax),
        plots.mask_difference(mask, mask, PARAMS, ax=ax),
    ):
        assert mesh.axes is ax
        assert mesh in ax.collections


def test_dark_and_neutral_hold_inside_their_context_alone():
    before = mpl.rcParams["axes.facecolor"]
    with plots.dark():
        dark = plt.figure().subplots()
    assert sum(to_rgb(dark.get_facecolor())) < 0.5
    assert sum(to_rgb(dark.xaxis.label.get_color())) > 2
    with plots.neutral():
        assert plt.figure().get_facecolor()[3] == 0
    assert mpl.rcParams["axes.facecolor"] == before


def test_silence_is_drawn():
    silence = np.zeros((10, 65, 2), np.complex64)
    mesh = plots.spectrogram(silence, StftParams(8000, 128, 32))
    assert np.isfinite(mesh.get_array()).all()
    plots.mask_over_spectrogram(np.abs(silence), silence, StftParams(8000, 128, 32))


def test_inputs_are_not_changed(tone):
    mask, kept = np.ones(tone.shape, np.float32), tone.copy()
    plots.spectrogram(tone, PARAMS)
    plots.mask_over_spectrogram(mask, tone, PARAMS)
    assert np.array_equal(tone, kept)
    assert (mask == 1).all()


def test_what_cannot_be_drawn_is_refused(tone):
    mask = np.ones(tone.shape, np.float32)
    with pytest.raises(ParameterError, match="'bark'"):
        plots.spectrogram(tone, PARAMS, scale="bark")
    with pytest.raises(ParameterError, match="one shape"):
        plots.mask_difference(mask, mask[:-1], PARAMS)
    with pytest.raises(ParameterError, match="one shape"):
        plots.mask_over_spectrogram(mask[:, :10], tone, PARAMS)


# --- Names as labels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a $5 and $6 song", r"a \$5 and \$6 song"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("_drums", " _drums"),
        ("  ", ""),
    ],
)
def test_names_become_labels_of_one_line_without_formulas(name, expected):
    assert plots.label(name) == expected


def test_long_names_are_cut_in_the_middle():
    label = plots.one_line("a" * 5000 + " (true)")
    assert len(label) == plots.MAX_LABEL
    assert label.endswith(" (true)")
    assert plots.one_line("b" * plots.MAX_LABEL) == "b" * plots.MAX_LABEL


ODD = ["$x^$ and $\\frac$", "_hidden", "n\new", "x" * 5000]


def test_pictures_of_odd_names_are_drawn_with_all_of_them(tone):
    masks = {name: np.ones(tone.shape, np.float32) for name in ODD}
    for figure in (
        plots.song_figure(np.abs(tone), masks, PARAMS, len(tone)),
        plots.separation_figure(tone, masks, PARAMS),
    ):
        figure.draw_without_rendering()
    rows = [{"target": name, "time": 0.0, "SDR": 1.0} for name in ODD]
    ax = plt.figure().subplots()
    plots.scores(pd.DataFrame(rows), ax=ax)
    assert len(ax.get_legend().get_texts()) == len(ODD)
    index = pd.MultiIndex.from_product([ODD[:2], ODD, ["t"]], names=["target", "model", "track"])
    medians = pd.Series(1.0, index, name="SDR")
    plots.model_boxes(medians, plt.figure().subplots()).figure.draw_without_rendering()
    pairs = plots.model_pairs(medians, ODD[0], ODD[1], plt.figure().subplots())
    pairs.figure.draw_without_rendering()


@pytest.mark.parametrize("shape", [(10, 20), (10, 5000, 2), (0, 20, 2)])
def test_arrays_of_other_axes_are_refused_by_their_names(shape):
    with pytest.raises(ParameterError, match=r"\(n_frames, n_bins, n_channels\)"):
        plots.spectrogram(np.zeros(shape), PARAMS)


def luminance(color):
    """Relative luminance of WCAG 2, and linear light, ``(3,)``."""
    srgb = np.array(to_rgb(color))
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return light @ [0.2126, 0.7152, 0.0722], light


#: Machado, Oliveira and Fernandes, 2009: what protanopes, deuteranopes and tritanopes see of light.
EYES = {
    "all": np.eye(3),
    "no red": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]],
    "no green": [[0.3673, 0.8606, -0.228], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no blue": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}


def oklab(light):
    """Ottosson's OKLab, where distances are about what people see."""
    cones = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]])
    axes = np.array(
        [[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    )
    return axes @ np.cbrt(np.clip(cones @ light, 0, 1))


@pytest.mark.parametrize("eyes", EYES)
def test_stems_are_told_apart_with_any_colour_vision(eyes):
    colors = plots.stem_colors(["mixture", *plots.STEM_COLORS])
    seen = {name: oklab(EYES[eyes] @ luminance(color)[1]) for name, color in colors.items()}
    # the accompaniment stands beside the vocals and the mixture alone
    for others in (seen.keys() - {"accompaniment"}, {"mixture", "vocals", "accompaniment"}):
        for a, b in itertools.combinations(sorted(others), 2):
            assert np.linalg.norm(seen[a] - seen[b]) > 0.08, (a, b)


def test_stems_are_seen_on_white_and_on_black():
    for color in plots.stem_colors(["mixture", *plots.STEM_COLORS]).values():
        level, _ = luminance(color)
        assert 1.05 / (level + 0.05) > 3
        assert (level + 0.05) / 0.05 > 3


def test_a_stem_has_its_colour_in_every_model():
    own = plots.STEM_COLORS
    assert plots.stem_colors(own) == own
    assert plots.stem_colors(["bass", "Vocals"]) == {"bass": own["bass"], "Vocals": own["vocals"]}
    assert plots.stem_colors(["no_vocals"]) == {"no_vocals": own["accompaniment"]}
    found = plots.stem_colors(["kazoo", "vocals", "spoons", "mixture"])
    assert len(set(found.values())) == 4
    assert found["vocals"] == own["vocals"]
    assert found["mixture"] == plots.MIXTURE_COLOR
    assert set(found.values()) <= {*plots.PALETTE, plots.MIXTURE_COLOR}
    assert len(plots.stem_colors([f"part {i}" for i in range(20)])) == 20
