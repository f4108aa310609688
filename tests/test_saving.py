"""Files of what the explorer shows and plays."""

import html
import io
import os
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mssviz
from mssviz.errors import FileError, ParameterError
from mssviz.separation.editing import Stroke
from mssviz.widgets.explorer.saving import WAYS
from mssviz.widgets.explorer.script import script_of

pytestmark = pytest.mark.slow

RATE = 44100
STROKE = Stroke("vocals", "erase", [(0.5, 400), (1.0, 800)], radius_hertz=300.0)
#: Names that would be code, markup or another folder, if anybody let them.
ODD = """../'''"\\n"+__import__('os').system('touch hacked')+'{0}<img src=x>"""


@pytest.fixture(scope="module")
def explorer(tmp_path_factory, example):
    """A painted song whose name is hostile, under a model without weights."""
    folder = tmp_path_factory.mktemp("song") / ODD.replace("/", "∕")
    folder.mkdir()
    for name in ("vocals", "other"):
        mssviz.write_audio(folder / f"{name}.flac", example[1][name][: 2 * RATE], RATE)
    explorer = mssviz.explore(folder, model="repet-sim")
    explorer.separate()
    explorer.session.paint(STROKE)
    explorer.wait()
    yield explorer
    explorer.close()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_stems_whose_names_differ_in_a_sign_alone_are_all_saved(here):
    mixture = np.zeros((RATE, 2), np.float32)
    stems = {"voice+": mixture + 0.1, "voice*": mixture + 0.2}
    separation = mssviz.Separator().separate(mixture, RATE, progress=False)
    result = SimpleNamespace(laboratory=SimpleNamespace(estimates=stems, separation=separation))
    WAYS["stems"].write(SimpleNamespace(result=result), here / "stems.zip", "wav")
    with zipfile.ZipFile(here / "stems.zip") as archive:
        assert len(set(archive.namelist())) == 2
        archive.extractall(here)
        levels = [mssviz.load_audio(here / name)[0].max() for name in archive.namelist()]
    assert levels == pytest.approx([0.1, 0.2], abs=1e-4)


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
def test_stems_are_those_that_are_heard(explorer, here, codec):
    path = explorer.save("stems", format=codec)
    assert path.suffix == ".zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"vocals.{codec}", f"accompaniment.{codec}"]
        archive.extractall(here)
    for target, stem in explorer.estimates.items():
        found, rate = mssviz.load_audio(here / f"{target}.{codec}")
        assert rate == RATE
        lossless = codec in ("wav", "flac")
        assert len(found) == len(stem) or not lossless
        n = min(len(found), len(stem))
        error = np.sqrt(np.square(found[:n] - stem[:n]).mean())
        assert error < (1e-6 if lossless else 0.01)


def test_the_mix_is_what_the_mixer_plays(explorer, here):
    mixer = explorer.mixer
    before = mixer.strips
    mixer.adjust("vocals", gain_db=-6.0, pan=-1.0)
    mixer.adjust("accompaniment", shows="accompaniment (true)", solo=True)
    mixer.adjust("vocals", solo=True)
    mixer.master_db = -3.0
    found, _ = mssviz.load_audio(explorer.save("mix", "mix.wav"))
    vocals, rest = explorer.estimates["vocals"], explorer.references["accompaniment"]
    hard_left = np.stack([vocals.sum(axis=1), 0 * vocals[:, 0]], axis=1)
    expected = (10 ** (-6 / 20) * hard_left + rest) * 10 ** (-3 / 20) * mixer.common_gain
    assert np.abs(found - expected).max() < 1e-6
    mixer.strips, mixer.master_db = before, 0.0


def test_nothing_is_clipped_and_that_is_said(explorer, here):
    before = explorer.mixer.strips
    explorer.mixer.adjust("mixture", muted=False, gain_db=12.0)
    mix = explorer.mixer.mix()
    assert np.abs(mix).max() > 1
    with pytest.warns(UserWarning, match="dB lower than it is, so that nothing is clipped"):
        found, _ = mssviz.load_audio(explorer.save("mix"))
    assert np.allclose(found, mix / np.abs(mix).max(), atol=1e-6)
    explorer.mixer.strips = before


def test_karaoke_is_all_but_the_vocals(explorer, here):
    found, _ = mssviz.load_audio(explorer.save("karaoke", format="flac"))
    assert np.abs(found - explorer.estimates["accompaniment"]).max() < 1e-6


def test_karaoke_needs_vocals(here):
    explorer = mssviz.explore("francium", model="hpss", duration=1)
    explorer.separate()
    with pytest.raises(ParameterError, match="karaoke needs a model with a stem of vocals"):
        explorer.save("karaoke")
    assert not list(here.iterdir())
    explorer.close()


def test_masks_are_those_that_are_shown(explorer, here):
    with np.load(explorer.save("masks")) as found:
        assert set(found) == {"vocals", "accompaniment"}
        for target, mask in explorer.editor.masks.items():
            assert np.array_equal(found[target], mask)


def test_the_table_is_that_of_the_scores(explorer, here):
    table = pd.read_csv(explorer.save("scores"), index_col="stem")
    summary = explorer.session.result.scores.summary
    assert list(table.columns) == list(summary.columns)
    assert np.allclose(table, summary, atol=1e-3, equal_nan=True)


def test_the_page_is_the_one_that_save_html_writes(explorer, here):
    page = explorer.save("page").read_text(encoding="utf-8")
    other = explorer.save_html("other.html").read_text(encoding="utf-8")
    assert page.partition("mssviz-data")[0] == other.partition("mssviz-data")[0]
    assert "<img" not in page


@pytest.mark.parametrize("show", ["hues", "mixture", "mask/vocals", "difference"])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_what_is_in_view(explorer, here, show, suffix):
    view = explorer.view
    view.show = next(name for name in view.shows if name.startswith(show))
    view.start, view.stop, view.low, view.high = 0.5, 1.5, 100.0, 8000.0
    path = explorer.save("picture", f"picture.{suffix}")
    if suffix == "png":
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert pixels.shape[1] == 1800
        assert len(np.unique(pixels @ [1 << 16, 1 << 8, 1])) > 50
    else:
        text = path.read_text()
        assert "<svg" in text
        assert "<img" not in text
    view.show = "hues"


def test_a_picture_shows_the_part_between_the_edges(explorer):
    from mssviz.widgets._figure import figure_of

    view = explorer.view
    view.start, view.stop, view.low, view.high, view.scale = 0.25, 1.0, 200.0, 4000.0, "linear"
    view.show, view.floor_db, view.gamma = "estimate/vocals", -60.0, 2.0
    axes, colours = figure_of(view, "song").axes
    assert axes.get_xlim() == (0.25, 1.0)
    assert axes.get_ylim() == (200.0, 4000.0)
    [mesh] = axes.collections
    assert mesh.get_clim() == (-60.0, 0.0)
    assert mesh.norm.gamma == 2.0
    assert colours.get_ylabel() == "dB below the loudest bin"
    level = mesh.get_array()
    values = view.layer_values("estimate/vocals").astype(float)
    assert level.max() <= (values.max() / 255 - 1) * 120
    view.show, view.floor_db, view.gamma, view.scale = "hues", -80.0, 1.0, "log"


def test_files_take_no_other_files_place_unless_asked(explorer, here):
    first, second = explorer.save("scores"), explorer.save("scores")
    assert first != second
    assert second.name.endswith(" scores (2).csv")
    Path("mine.csv").write_text("precious")
    with pytest.raises(FileError, match="is there already; choose another name"):
        explorer.save("scores", "mine.csv")
    assert Path("mine.csv").read_text() == "precious"
    explorer.save("scores", "mine.csv", overwrite=True)
    assert Path("mine.csv").read_text() == first.read_text()
    assert {path.parent for path in (first, second)} == {Path()}
    assert len(list(here.iterdir())) == 3


@pytest.mark.parametrize(
    ("what", "arguments", "said"),
    [
        ("sound", {}, "what must be one of stems, mix"),
        ("mix", {"format": "aiff"}, "mix can be saved as wav, flac, mp3, ogg"),
        ("mix", {"path": "mix.png"}, "mix can be saved as"),
        ("mix", {"path": "mix.wav", "format": "flac"}, r"must end with \.flac"),
        ("stems", {"path": "stems.wav"}, r"must end with \.zip"),
        ("mix", {"path": "none/mix.wav"}, "there is no such folder"),
    ],
)
def test_what_cannot_be_saved_is_refused(explorer, here, what, arguments, said):
    with pytest.raises(mssviz.MssvizError, match=said):
        explorer.save(what, **arguments)
    assert not list(here.iterdir())


def test_what_fails_half_way_leaves_nothing(explorer, here, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mssviz.audio.write_audio", fail)
    with pytest.raises(FileError, match="free some space"):
        explorer.save("stems")
    assert not list(here.iterdir())


def test_nothing_is_saved_before_there_is_a_result():
    explorer = mssviz.explore()
    with pytest.raises(ParameterError, match="nothing is separated yet"):
        explorer.save("mix")
    explorer.close()


def test_the_script_makes_the_same(explorer, here):
    explorer.view.selection = [0.5, 1.8]
    explorer.wait()
    explorer.controls.hardness.value = 0.5
    explorer.wait()
    script = explorer.save("script")
    check = (
        "\nimport numpy\n"
        "numpy.savez('found', **separation.estimates)\n"
        "session.result.scores.summary.to_csv('found.csv')\n"
    )
    program = script.read_text(encoding="utf-8") + check
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(mssviz.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Separation(2.0 s into vocals, accompaniment, repet-sim)" in done.stdout
    with np.load("found.npz") as found:
        for target, stem in explorer.estimates.items():
            assert np.allclose(found[target], stem, atol=1e-6)
    summary = pd.read_csv("found.csv", index_col=0)
    assert np.allclose(summary, explorer.session.result.scores.summary, atol=1e-6, equal_nan=True)
    assert sorted(p.suffix for p in Path("stems").iterdir()) == [".wav", ".wav"]
    assert not list(here.rglob("hacked*"))
    explorer.controls.hardness.value = 0.0
    explorer.view.selection = None
    explorer.wait()


def test_a_script_names_examples_and_makes_other_tracks(explorer):
    result = explorer.session.result
    track = replace(mssviz.examples()["lithium"])
    shipped = replace(result, choice=replace(result.choice, song=track))
    assert "song=mssviz.examples()['lithium']," in script_of(shipped)
    odd = replace(track, name=ODD, start=1.5)
    namespace = {}
    text = script_of(replace(result, choice=replace(result.choice, song=odd)))
    exec(text[: text.index("session = Session()")], namespace)
    assert namespace["choice"] == replace(result.choice, song=odd)


def test_masks_of_a_file_are_in_no_script(explorer, here):
    masks = explorer.save("masks")
    editor = explorer.editor
    editor.load(masks)
    with pytest.raises(ParameterError, match="masks were loaded from a file"):
        explorer.save("script")
    editor.undo()


def test_the_format_stays_where_another_thing_has_it_too(explorer):
    controls = explorer.controls.save
    assert controls.format.value == WAYS[controls.what.value].formats[0]
    first, second = [name for name, way in WAYS.items() if "flac" in way.formats][:2]
    other = next(name for name, way in WAYS.items() if "flac" not in way.formats)
    controls.what.value = first
    controls.format.value = "flac"
    controls.what.value = second
    assert controls.format.value == "flac"
    controls.what.value = other
    assert controls.format.value == WAYS[other].formats[0]


def test_the_button_saves_and_hands_the_file_over(explorer, here, monkeypatch):
    controls, sent = explorer.controls.save, []
    monkeypatch.setattr(controls.download, "send", lambda *message: sent.append(message))
    assert not controls.button.disabled
    for name, way in WAYS.items():
        controls.what.value = name
        assert controls.format.options == way.formats
        assert controls.format.disabled == (len(way.formats) == 1)
    controls.what.value, controls.format.value = "karaoke", "ogg"
    controls.button.click()
    [path] = here.iterdir()
    [(message, [data])] = sent
    assert message == {"kind": "file", "name": path.name}
    assert data == path.read_bytes()
    assert controls.download.name == path.name
    assert "saved beside the notebook as" in controls.said.value
    assert "<img" not in controls.said.value


def test_a_click_saves_what_the_page_shows_and_not_what_the_kernel_knows(explorer, here):
    controls = explorer.controls.save
    controls.what.value, controls.format.value = "mix", "wav"
    what, format_ = controls.what.model_id, controls.format.model_id
    shown = [[what, "value", WAYS["karaoke"].label], [format_, "value", "flac"]]
    controls.button._handle_custom_msg({"kind": "press", "shown": shown}, [])
    [path] = here.iterdir()
    assert path.name.endswith("karaoke.flac")
    assert html.escape(path.name) in controls.said.value
    for strange in (
        *([what, "value", "nothing"], [format_, "value", "exe"], [what, "value", []]),
        *([what, "disabled", True], ["elsewhere", "value", "wav"], [what], "wav", None),
    ):
        controls.button._handle_custom_msg({"kind": "press", "shown": [strange]}, [])
    controls.button._handle_custom_msg({"kind": "press", "shown": "nothing"}, [])
    assert {found.suffix for found in here.iterdir()} == {".flac"}
    assert not controls.what.disabled


def test_a_file_that_is_too_large_stays_beside_the_notebook(explorer, here, monkeypatch):
    monkeypatch.setattr("mssviz.widgets.explorer.save_controls.MAX_DOWNLOAD", 10)
    controls = explorer.controls.save
    controls.what.value = "scores"
    controls.button.click()
    assert controls.download.name == ""
    assert "it is not sent to the browser" in controls.said.value


def test_what_the_button_cannot_do_is_said_beside_it(explorer, here, monkeypatch):
    def refuse(*_, **__):
        raise ParameterError("no <b>luck</b>")

    monkeypatch.setattr(explorer, "save", refuse)
    controls = explorer.controls.save
    controls.button.click()
    assert "no &lt;b&gt;luck" in controls.said.value
    assert 'role="alert"' in controls.said.value
    assert not controls.button.disabled


def test_notes_of_saving_stand_beside_the_button(explorer, here):
    before = explorer.mixer.strips
    explorer.mixer.adjust("mixture", muted=False, gain_db=12.0)
    controls = explorer.controls.save
    controls.what.value = "mix"
    with warnings.catch_warnings():
        controls.button.click()
    assert "so that nothing is clipped" in controls.said.value
    explorer.mixer.strips = before


def test_a_separation_saves_what_is_heard(explorer, tmp_path):
    for path in explorer.separation.save(tmp_path, "flac"):
        found, _ = mssviz.load_audio(io.BytesIO(path.read_bytes()))
        assert np.abs(found - explorer.estimates[path.stem]).max() < 1 / 32768
