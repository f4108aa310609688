"""An explorer's life: a result stays until the next is complete, and nothing when it is closed."""

import gc
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from jupyter_client.manager import start_new_kernel

import mssviz
from mssviz import baselines
from mssviz.separation import Run
from mssviz.separation.editing import Stroke
from mssviz.widgets._box import owned
from mssviz.widgets.explorer import views as views_module
from tests.counts import count

pytestmark = pytest.mark.slow

RATE = 44100
STROKE = Stroke("vocals", "erase", [(0.5, 400), (1, 400)])


def noise(seed, seconds=2, n_channels=2):
    level = np.random.default_rng(seed).normal(0, 0.1, (seconds * RATE, n_channels))
    return level.astype(np.float32)


@pytest.fixture
def song(tmp_path):
    folder = tmp_path / "song"
    folder.mkdir()
    for seed, name in enumerate(("vocals", "accompaniment")):
        mssviz.write_audio(folder / f"{name}.wav", noise(seed), RATE)
    return folder


class Slow:
    """Model that waits within its work until it is told to go on."""

    def __init__(self, explorer, error=None):
        self.begun, self.go, self._error = threading.Event(), threading.Event(), error
        self._model = baselines.find("mixture", baselines.TWO_STEMS)
        explorer.session.models["mixture", baselines.TWO_STEMS] = self

    def __getattr__(self, name):
        return getattr(self._model, name)

    def begin(self, *sound):
        run = self._model.begin(*sound)

        def work(progress):
            for frames in run.proceed(progress):
                yield frames
                progress(1.0, 2.0, "separate")
                self.begun.set()
                while not self.go.wait(0.01):
                    progress(1.0, 2.0, "separate")
                if self._error:
                    raise self._error

        return Run(run.separation, work)


def explored(song, **options):
    explorer = mssviz.explore(song, "mixture", **options)
    explorer.separate()
    explorer.wait()
    return explorer


def on_page(explorer):
    """Views that the explorer's page holds."""
    views = (mssviz.SpectrogramView, mssviz.Mixer, mssviz.ScoreView)
    return {widget for widget in owned(explorer) if isinstance(widget, views)}


def shown(explorer):
    """What a run must not change, and whether it is still open."""
    parts = (explorer.view, explorer.mixer, explorer.score_view)
    assert on_page(explorer) == set(parts)
    assert all(part.comm is not None for part in parts)
    return (explorer.laboratory, *parts, explorer.stage.score_table.value)


# --- Results ----------------------------------------------------------------------------------


@pytest.fixture
def painted(song):
    explorer = explored(song)
    explorer.session.paint(STROKE)
    explorer.wait()
    return explorer


def assert_kept(explorer, before, mask):
    explorer.wait()
    assert shown(explorer) == before
    assert np.array_equal(explorer.editor.masks["vocals"], mask)
    assert explorer.editor.can_undo
    assert not explorer.controls.undo.disabled
    # and it can be worked on
    explorer.controls.undo.click()
    explorer.controls.hardness.value = 0.5
    explorer.wait()
    assert explorer.separation.options.hardness == 0.5


def test_a_song_that_cannot_be_read_keeps_the_result_and_its_strokes(painted, tmp_path):
    before, mask = shown(painted), painted.editor.masks["vocals"].copy()
    painted.controls.path.value = str(tmp_path / "none.wav")
    with pytest.raises(mssviz.AudioError, match=r"none\.wav"):
        painted.separate()
    assert "none.wav" in painted.controls.status.value
    assert_kept(painted, before, mask)


def test_a_network_that_fails_keeps_the_result_and_its_strokes(painted):
    before, mask = shown(painted), painted.editor.masks["vocals"].copy()
    Slow(painted, RuntimeError("no memory")).go.set()
    with pytest.raises(RuntimeError, match="no memory"):
        painted.separate()
    assert "no memory" in painted.controls.status.value
    assert_kept(painted, before, mask)


def test_a_cancelled_run_keeps_the_result_and_its_strokes(painted):
    before, mask = shown(painted), painted.editor.masks["vocals"].copy()
    model = Slow(painted)
    painted.controls.separate.click()
    assert model.begun.wait(20)
    assert shown(painted) == before  # it stays while the network works
    assert painted.controls.progress.value == 0.5
    painted.controls.cancel.click()
    painted.wait()
    assert painted.status == "Cancelled."
    assert_kept(painted, before, mask)


def test_the_next_result_takes_the_place_of_the_last(painted, tmp_path):
    before = shown(painted)
    mssviz.write_audio(tmp_path / "other.wav", noise(7), RATE)
    painted.controls.path.value = str(tmp_path / "other.wav")
    painted.separate()
    painted.wait()
    assert painted.laboratory is not before[0]
    assert [widget.comm for widget in before[1:4]] == [None] * 3
    assert on_page(painted) == {painted.view, painted.mixer}
    assert "true stems are unknown" in painted.stage.score_table.value
    assert painted.controls.undo.disabled


def test_a_stroke_on_a_picture_that_is_gone_is_not_painted_on_the_next(painted):
    model, old = Slow(painted), painted.view
    painted.controls.separate.click()
    assert model.begun.wait(20)
    stroke = {"kind": "stroke", "tool": "erase", "points": [[0.5, 400]]}
    assert list(old.answers(stroke)) == []
    model.go.set()
    painted.wait()
    assert painted.view is not old
    assert not painted.editor.edited
    old.selection = [0.5, 1.0]
    painted.wait()
    assert painted.session.result.selection is None


def test_a_first_run_that_is_cancelled_leaves_nothing_and_can_be_repeated(song):
    explorer = mssviz.explore(song, "mixture")
    model = Slow(explorer)
    explorer.controls.separate.click()
    assert model.begun.wait(20)
    assert on_page(explorer) == {explorer.view, explorer.mixer}  # they fill in
    assert explorer.laboratory is None
    explorer.cancel()
    explorer.wait()
    assert explorer.view is None
    assert on_page(explorer) == set()
    model.go.set()
    explorer.separate()
    assert explorer.view is not None


def test_a_cancelled_stroke_is_taken_back_from_mask_and_sound(painted):
    mask, sound = painted.editor.masks["vocals"].copy(), painted.estimates["vocals"].copy()
    resound, resounded = painted.laboratory.resound, threading.Event()

    def and_cancel(frames):
        if not resounded.is_set():
            resounded.set()
            painted.cancel()
        return resound(frames)

    painted.laboratory.parts = lambda *_: iter([slice(0, 40), slice(40, 80)])
    painted.laboratory.resound = and_cancel
    painted.session.paint(Stroke("vocals", "paint", [(0.2, 3000), (1.5, 3000)]))
    painted.wait()
    assert resounded.is_set()
    assert painted.status == "Cancelled."
    assert np.array_equal(painted.editor.masks["vocals"], mask)
    assert np.allclose(painted.estimates["vocals"], sound, atol=1e-6)
    assert np.array_equal(painted.mixer.waveform("vocals"), painted.estimates["vocals"])


def test_a_stroke_that_cannot_be_painted_says_why(painted):
    painted.session.paint(Stroke("guitar", "paint", [(0.2, 3000)]))
    painted.wait()
    assert "no stem" in painted.controls.status.value
    assert not painted.controls.separate.disabled


# --- What is typed and given ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": -5}, "offset must be 0 s or more .*-5"),
        ({"offset": float("nan")}, "offset must be 0 s or more"),
        ({"offset": "1"}, "offset must be 0 s or more"),
        ({"duration": 0}, r"duration must be 0\.1 s or more, or None for the whole song .*0"),
        ({"duration": float("inf")}, "duration must be"),
        ({"power": 20, "model": "teaching:4stems"}, r"power must lie between 0\.5 and 8 .*20"),
        ({"mwf": 9}, "mwf must lie between 0 and 5 .*9"),
        ({"extension": "none"}, "extension"),
    ],
)
def test_values_out_of_range_are_refused_and_not_made_others(options, message):
    with pytest.raises(mssviz.ParameterError, match=message):
        mssviz.explore(**{"model": "mixture", **options})


def test_an_array_is_refused_with_the_way_to_go():
    with pytest.raises(mssviz.ParameterError, match=r"path .*ndarray.*write_audio.*Separator"):
        mssviz.explore(noise(0))


@pytest.mark.parametrize(("name", "value"), [("offset", -1.0), ("duration", 0.0)])
def test_typed_values_out_of_range_are_refused_and_stay_as_typed(song, name, value):
    explorer = mssviz.explore(song, "mixture")
    getattr(explorer.controls, name).value = value
    with pytest.raises(mssviz.ParameterError, match="must be"):
        explorer.separate()
    assert getattr(explorer.controls, name).value == value
    assert "must be" in explorer.controls.status.value


def test_a_duration_of_none_is_the_whole_song(song):
    explorer = explored(song, duration=None)
    assert explorer.controls.duration.disabled
    assert len(explorer.separation.mixture) == 2 * RATE
    explorer.controls.whole.value = False
    explorer.controls.duration.value = 1.0
    assert len(explorer.separate().mixture) == RATE


def test_a_path_from_home_is_found(song, monkeypatch):
    monkeypatch.setenv("HOME", str(song.parent))
    assert explored("~/song").references
    explorer = mssviz.explore(model="mixture")
    explorer.controls.song.value, explorer.controls.path.value = "own file", " ~/song "
    assert len(explorer.separate().mixture) == 2 * RATE


def test_stems_in_mono_are_scored(tmp_path):
    for seed, name in enumerate(("vocals", "accompaniment")):
        mssviz.write_audio(tmp_path / f"{name}.wav", noise(seed, n_channels=1), RATE)
    explorer = explored(tmp_path)
    assert explorer.scores["SDR"].notna().all()
    assert explorer.references["vocals"].shape == explorer.separation.mixture.shape


def test_scores_that_come_while_the_next_result_is_shown_disturb_nothing(song, monkeypatch, caplog):
    explorer, make = mssviz.explore(song, "mixture"), views_module.ScoreView
    drawn, shown_next = threading.Event(), threading.Event()

    def made_slowly(*arguments, **options):
        view = make(*arguments, **options)
        drawn.set()
        shown_next.wait(2)  # the views that it belongs to must stay for as long
        return view

    monkeypatch.setattr(views_module, "ScoreView", made_slowly)
    explorer.controls.separate.click()
    assert drawn.wait(20)
    explorer.controls.duration.value, explorer.controls.whole.value = 1.0, False
    explorer.controls.separate.click()
    explorer.session._work.wait()
    shown_next.set()
    explorer.wait()
    assert "unforeseen error" not in caplog.text
    shown(explorer)
    explorer.close()


def test_scores_and_title_are_of_the_run_and_not_of_what_was_chosen_since(song, tmp_path):
    explorer = explored(song, offset=0.5)
    explorer.controls.path.value, explorer.controls.offset.value = "/another.wav", 9.0
    explorer.controls.undo.click()
    explorer.view.selection = [0.5, 1.5]
    explorer.wait()
    assert "Of the selection, 0.5 to 1.5 s" in explorer.stage.score_table.value
    page = explorer.save_html(tmp_path / "page.html").read_text("utf-8")
    assert "<title>song · mixture</title>" in page
    assert "(masks: Above that: silence)" in page


HOSTILE = "<img src=x onerror=alert(1)> $5 {0} %s.wav"


def test_markup_in_a_name_stays_text(tmp_path):
    explorer = mssviz.explore(model="mixture", duration=1)
    explorer.controls.song.value, explorer.controls.path.value = "own file", str(tmp_path / HOSTILE)
    with pytest.raises(mssviz.AudioError):
        explorer.separate()
    assert "&lt;img src=x onerror=alert(1)&gt; $5 {0} %s.wav" in explorer.controls.status.value
    assert "<img" not in explorer.controls.status.value
    mssviz.write_audio(tmp_path / HOSTILE, noise(0), RATE)
    explorer.separate()
    page = explorer.save_html(tmp_path / "page.html").read_text("utf-8")
    assert "<h1>&lt;img src=x onerror=alert(1)&gt; $5 {0} %s.wav · mixture</h1>" in page
    assert "<img" not in page


def test_warnings_are_shown(song, monkeypatch):
    explorer = mssviz.explore(song, "mixture")
    load = mssviz.datasets.from_folder

    def and_warn(folder):
        warnings.warn("song.mp3: <3 s> were filled with silence", stacklevel=2)
        return load(folder)

    monkeypatch.setattr(mssviz.datasets, "from_folder", and_warn)
    with pytest.warns(UserWarning, match="filled with silence"):
        explorer.separate()
    assert "song.mp3: &lt;3 s&gt; were filled" in explorer.controls.status.value


def damaged(path, seconds):
    """Overwrite a flac of 16 bits and noise, which takes as much room in all seconds, at a time."""
    content = bytearray(path.read_bytes())
    at = round(len(content) * seconds)
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)


def test_windows_that_touch_damage_have_no_score(tmp_path):
    for seed, name in enumerate(("vocals", "accompaniment")):
        mssviz.write_audio(tmp_path / f"{name}.flac", noise(seed, 4), RATE)
    damaged(tmp_path / "vocals.flac", 2.5 / 4)
    with pytest.warns(UserWarning, match="damaged, silence replaces"):
        explorer = explored(tmp_path)
    assert "vocals.flac: damaged, silence replaces 2." in explorer.controls.status.value
    scores = explorer.scores.set_index("target").loc["vocals"]
    assert scores["repaired"].tolist() == [False, False, True, False]
    assert scores["SDR"].isna().tolist() == [False, False, True, False]
    assert explorer.score_view.get_state()["_table"]["repaired"] == [False, False, True, False]
    said = explorer.stage.score_table.value
    assert "Files of this song are damaged, silence replaces 2." in said
    # a model without a single window: lane and table say the same of it
    explorer.view.selection = [2.0, 3.0]
    explorer.wait()
    assert "SDR damaged" in explorer.mixer.captions["vocals"]
    assert "damaged" in explorer.stage.score_table.value
    explorer.view.selection = None
    explorer.wait()
    assert "windows that touch this have no score, and the whole has no SI-SDR." in said
    # a part beside it is as good as any
    explorer.view.selection = [3.0, 4.0]
    explorer.wait()
    assert not explorer.scores["SDR"].isna().any()
    assert "damaged" not in explorer.stage.score_table.value
    explorer.view.selection = [2.0, 4.0]
    explorer.wait()
    assert explorer.score_view.get_state()["_table"]["repaired"] == [True, False]


def test_names_too_long_for_a_path_are_refused():
    long = "n" * 5000
    with pytest.raises(mssviz.AudioError, match="no such file"):
        mssviz.explore(long)
    with pytest.raises(mssviz.ParameterError, match="no preset"):
        mssviz.explore(model=long)
    with pytest.raises(mssviz.ParameterError, match="no such folder"):
        mssviz.datasets.from_folder(long)
    explorer = mssviz.explore(model="mixture")
    explorer.controls.song.value, explorer.controls.path.value = "own file", long
    with pytest.raises(mssviz.AudioError, match="cannot be opened"):
        explorer.separate()
    assert "cannot be opened" in explorer.controls.status.value
    assert len(explorer.controls.status.value) < 700
    explorer.controls.path.value = "~nobody-of-this-name/song.wav"
    with pytest.raises(mssviz.AudioError, match="no such file"):
        explorer.separate()


def test_a_pasted_path_may_stand_in_quotes(tmp_path):
    mssviz.write_audio(tmp_path / "a song.wav", noise(0, 1), RATE)
    explorer = mssviz.explore(model="mixture")
    explorer.controls.song.value, explorer.controls.path.value = (
        "own file",
        f'"{tmp_path / "a song.wav"}"',
    )
    explorer.separate()
    assert len(explorer.separation.mixture) == RATE


def test_why_there_are_no_scores_is_told(song):
    explorer = mssviz.explore(song, "bands")  # bass and other
    explorer.separate()
    explorer.wait()
    assert explorer.scores is None
    assert (
        "(accompaniment, vocals) do not tell what bass, other should"
        in explorer.stage.score_table.value
    )


def test_a_rival_of_another_grid_is_refused_before_it_is_fetched(monkeypatch):
    explorer = mssviz.explore(compare="wave-unet")
    monkeypatch.setattr("mssviz.widgets.explorer.session.find", None)
    with pytest.raises(mssviz.ParameterError, match=r"wave-unet and .* at different"):
        explorer.separate()


def test_a_warning_is_shown_in_each_run(tmp_path):
    song = tmp_path / "song.flac"
    mssviz.write_audio(song, noise(0, 4), RATE)
    damaged(song, 2.5 / 4)
    explorer = mssviz.explore(song, "mixture")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for _ in range(3):
            explorer.separate()
            assert "song.flac: damaged, silence replaces 2." in explorer.controls.status.value


# --- Before a result is complete ----------------------------------------------------------------


def muted(explorer):
    return {strip["name"]: strip["muted"] for strip in explorer.mixer.strips}


def test_a_first_run_plays_before_it_is_done(song):
    explorer = mssviz.explore(song, "hpss", compare="mixture")
    model = Slow(explorer)
    explorer.session.models["hpss", baselines.TWO_STEMS] = model
    explorer.controls.separate.click()
    assert model.begun.wait(20)
    mixer, heard = explorer.mixer, explorer.mixer.waveform("vocals")
    assert mixer in on_page(explorer)
    assert muted(explorer) == {"mixture": False, "vocals": True, "accompaniment": True}
    assert heard.any()  # the part that has been made
    model.go.set()
    explorer.wait()
    assert explorer.mixer is mixer
    assert muted(explorer) == {"mixture": True, "vocals": False, "accompaniment": False}
    for name, stem in explorer.estimates.items():
        assert np.array_equal(mixer.waveform(name), stem)
        assert mixer.waveform(f"{name} (mixture)").any()


def test_who_solos_a_stem_meanwhile_keeps_that(song):
    explorer = mssviz.explore(song, "mixture")
    model = Slow(explorer)
    explorer.controls.separate.click()
    assert model.begun.wait(20)
    explorer.mixer.adjust("vocals", muted=False)
    before = muted(explorer)
    model.go.set()
    explorer.wait()
    assert muted(explorer) == before


def test_a_network_is_built_while_people_look_at_the_page(song, separator, monkeypatch):
    network, loaded = separator.network, threading.Event()

    def load(_):
        loaded.set()
        return network

    monkeypatch.setattr("mssviz.pretrained.load", load)
    explorer = mssviz.explore(song)
    assert not explorer.session.models
    explorer._repr_mimebundle_()
    explorer.wait()
    assert loaded.is_set()
    assert explorer.session.status.phase == "idle"
    assert explorer.view is not None  # of the mixture
    explorer.close()


def test_a_run_can_be_cancelled_while_its_network_is_built(song, separator, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def load(_):
        begun.set()
        assert go.wait(20)
        return separator.network

    monkeypatch.setattr("mssviz.pretrained.load", load)
    explorer = mssviz.explore(song)
    explorer._repr_mimebundle_()
    assert begun.wait(20)
    explorer.controls.separate.click()
    explorer.cancel()
    go.set()
    explorer.wait()
    assert (explorer.session.status.phase, explorer.laboratory) == ("cancelled", None)
    explorer.close()


def test_the_mixture_is_seen_and_heard_before_anything_is_separated(song, tmp_path):
    explorer = mssviz.explore(song, "mixture", offset=0.5)
    explorer.wait()
    assert explorer.view is None  # nothing is read for who does not show it
    assert explorer.stage.notice.layout.display is None
    explorer._repr_mimebundle_()
    explorer.wait()
    view = explorer.view
    assert on_page(explorer) == {view, explorer.mixer}
    assert view.shows == ["mixture"]
    assert [strip["name"] for strip in explorer.mixer.strips] == ["mixture"]
    assert not explorer.mixer.strips[0]["muted"]
    assert explorer.laboratory is explorer.separation is explorer.scores is None
    assert explorer.stage.notice.layout.display is None
    with pytest.raises(mssviz.ParameterError, match="nothing is separated yet"):
        explorer.save_html(tmp_path / "page.html")
    explorer.controls.offset.value = 1.0
    explorer.wait()
    assert (explorer.view.start, explorer.mixer.offset) == (1.0, 1.0)
    assert view.comm is None
    explorer.close()


def test_a_result_takes_over_how_the_mixture_was_looked_at_and_heard(song):
    explorer = mssviz.explore(song, "mixture")
    explorer._repr_mimebundle_()
    explorer.wait()
    before, mixer = explorer.view, explorer.mixer
    before.start, before.stop, before.scale, before.time = 0.5, 1.5, "mel", 0.7
    before.selection = [0.0, 1.0]
    mixer.rate, mixer.playing = 0.5, True
    mixer.adjust("mixture", gain_db=-6.0)
    explorer.controls.separate.click()
    explorer.wait()
    view = explorer.view
    assert view is not before
    assert (view.start, view.stop, view.scale, view.time) == (0.5, 1.5, "mel", 0.7)
    assert view.show == "hues"  # the mixture was not chosen: there was nothing else
    assert view.selection == explorer.mixer.selection == [0.0, 1.0]
    assert set(explorer.scores["time"]) == {0.0}
    assert explorer.mixer.rate == 0.5
    assert explorer.mixer.playing
    assert explorer.mixer.strips[0]["gain_db"] == -6.0
    assert muted(explorer) == {"mixture": True, "vocals": False, "accompaniment": False}
    assert explorer.stage.notice.layout.display == "none"
    assert on_page(explorer) == {view, explorer.mixer, explorer.score_view}
    explorer.close()


def test_a_song_that_cannot_be_read_is_told_calmly_and_can_be_separated_later(song, tmp_path):
    explorer = mssviz.explore(song, "mixture")
    explorer._repr_mimebundle_()
    explorer.controls.path.value = str(tmp_path / "none.wav")
    explorer.wait()
    assert 'role="status"' in explorer.controls.status.value
    assert "none.wav: no such file" in explorer.controls.status.value
    assert explorer.view is None
    assert not explorer.controls.separate.disabled
    assert explorer.controls.cancel.disabled
    explorer.controls.path.value = str(song)
    explorer.wait()
    assert explorer.controls.status.value == ""
    assert explorer.view is not None
    explorer.close()


# --- Closing ----------------------------------------------------------------------------------


def test_closing_frees_every_widget_array_and_model(song):
    gc.collect()
    before = set(_instances)
    explorer = explored(song, compare="hpss")
    kept = [
        *(explorer, explorer.laboratory, explorer.separation, explorer.rival),
        *(explorer.view, explorer.mixer, explorer.score_view, *explorer.session.models.values()),
        *(explorer.estimates["vocals"], explorer.separation.mixture),
    ]
    references = [weakref.ref(thing) for thing in kept]
    del kept
    explorer.close()
    assert set(_instances) == before
    del explorer
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


def test_closing_ends_what_is_going_on_and_removes_uploads(song, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(threading.enumerate())
    explorer = mssviz.explore(song, "mixture")
    begin = {"kind": "begin", "id": "a", "name": "x.wav", "size": 9}
    explorer.controls.upload._handle_custom_msg(begin, [])
    assert list(tmp_path.rglob("upload.part"))
    model = Slow(explorer)
    explorer.controls.separate.click()
    assert model.begun.wait(20)
    explorer.close()
    assert set(threading.enumerate()) <= before
    assert not list(tmp_path.rglob("upload.part"))
    explorer.close()  # twice does no harm
    with pytest.raises(mssviz.ParameterError, match="closed"):
        explorer.separate()


def test_an_explorer_that_was_refused_leaves_no_widget():
    gc.collect()
    before = set(_instances)
    with pytest.raises(mssviz.ParameterError):
        mssviz.explore(model="mixture", offset=-1)
    gc.collect()
    assert set(_instances) == before


CELL = """
import gc, mssviz, weakref
from ipywidgets.widgets.widget import _instances
made = globals().get("made", [])
explorer = mssviz.explore({song!r}, "mixture")
explorer.separate()
made.append(weakref.ref(explorer))
"""
REPORT = """
gc.collect()
print(len(_instances), [bool(e()) and e().comm is not None for e in made])
"""


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_cell(client, code, cell, timeout=60, subshell=None):
    """What a cell prints; a notebook names the cell in each request."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": True}
    request = client.session.msg("execute_request", content, metadata={"cellId": cell})
    if subshell is not None:
        request["header"]["subshell_id"] = subshell
    client.shell_channel.send(request)
    printed = ""
    while True:
        message = client.get_iopub_msg(timeout=timeout)
        if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            continue
        assert message["msg_type"] != "error", message["content"]
        if message["content"].get("name") == "stdout":
            printed += message["content"]["text"]
        if message["content"].get("execution_state") == "idle":
            return printed


def test_running_a_cell_again_keeps_nothing_of_its_last_run(kernel, song):
    code = CELL.format(song=str(song))
    counts = []
    for _ in range(3):
        run_cell(kernel, code, "a")
        count, alive = run_cell(kernel, REPORT, "b").split(" ", 1)
        counts.append(int(count))
    assert counts[0] == counts[1] == counts[2]
    assert alive.strip() == "[False, False, True]"
    # those of other cells stay, and several of one run, too
    run_cell(kernel, "more = [mssviz.explore(), mssviz.explore()]", "c")
    found = run_cell(kernel, "print([e.comm is not None for e in (*more, explorer)])", "b")
    assert found.strip() == "[True, True, True]"


READ_LATE = """
import threading, mssviz
from mssviz.widgets.explorer.choice import Choice
load, go = Choice.load, threading.Event()
Choice.load = lambda *arguments: (go.wait(20), load(*arguments))[1]
explorer = mssviz.explore({song!r}, "mixture", duration=1)
explorer
"""


def asked(client, kind, **content):
    """Ask a kernel's control channel for something; its answer."""
    request = client.session.msg(kind, content)
    client.control_channel.send(request)
    while (reply := client.get_control_msg(timeout=20))["parent_header"] != request["header"]:
        continue
    return reply["content"]


def test_a_view_answers_the_page_whoever_else_asked_while_its_song_was_read(kernel, song):
    # a page that is loaded asks for all widgets in a thread of the kernel that ends then
    run_cell(kernel, READ_LATE.format(song=str(song)), "late")
    meanwhile = asked(kernel, "create_subshell_request")["subshell_id"]
    run_cell(kernel, "go.set(); explorer.wait(); Choice.load = load", "m", subshell=meanwhile)
    asked(kernel, "delete_subshell_request", subshell_id=meanwhile)
    view = run_cell(kernel, "print(explorer.view.comm.comm_id)", "b").strip()
    question = {"kind": "tiles", "channel": "mean", "tiles": [["mixture", 0, 0]]}
    data = {"method": "custom", "content": question}
    request = kernel.session.msg("comm_msg", {"comm_id": view, "data": data})
    kernel.shell_channel.send(request)
    answers = []
    while not answers or answers[-1]["content"].get("execution_state") != "idle":
        message = kernel.get_iopub_msg(timeout=20)
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            answers.append(message)
    told = [answer["content"]["data"] for answer in answers if answer["msg_type"] == "comm_msg"]
    assert [data["content"]["kind"] for data in told] == ["tile"]


def test_who_holds_the_explorer_of_an_earlier_run_keeps_its_result(kernel, song):
    run_cell(kernel, CELL.format(song=str(song)) + "held = explorer", "d")
    run_cell(kernel, CELL.format(song=str(song)), "d")
    found = run_cell(kernel, "print(held.comm, held.editor.masks['vocals'].shape)", "b")
    assert found.startswith("None (")


# --- Memory -----------------------------------------------------------------------------------

measures_memory = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells a process's size")
SIZES = """
def sizes():
    lines = open("/proc/self/status").read().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return [int(found[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM")]
"""
SHOWN = """
import mssviz
mssviz.explore({song!r}, duration={seconds})
"""
SEPARATED = """
explorer = Out[max(Out)]
explorer.wait()
for _ in range({times}):
    explorer.separate()
    explorer.wait()
    print(*sizes())
del explorer
"""


@pytest.fixture
def measured():
    """Function (song, seconds, times) that runs an explorer's cell anew; (size, peak) in MiB."""
    manager, client = start_new_kernel(kernel_name="python3")

    def separate(path, seconds, times=1):
        run_cell(client, SHOWN.format(song=path, seconds=seconds), "shown")
        printed = run_cell(client, SEPARATED.format(times=times), "separated")
        return [tuple(map(int, line.split())) for line in printed.splitlines()]

    run_cell(client, SIZES, "sizes")
    yield separate
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@measures_memory
def test_running_a_cell_many_times_does_not_add_up(measured):
    sizes = [size for _ in range(count("runs of a cell")) for size, _ in measured(None, 1)]
    assert max(sizes[-3:]) - max(sizes[:4]) < 50, sizes


@measures_memory
def test_separations_of_half_a_minute_stay_below_one_and_a_half_gigabytes(measured, tmp_path):
    for name, stem in mssviz.examples()["francium"].load()[1].items():
        long = np.tile(stem, (30 * RATE // len(stem) + 1, 1))[: 30 * RATE]
        mssviz.write_audio(tmp_path / f"{name}.flac", long, RATE)
    times = count("separations of half a minute")
    sizes, peaks = zip(*measured(str(tmp_path), 30, times), strict=True)
    print(sizes, peaks)
    assert peaks[-1] < 1500, (sizes, peaks)
    assert max(sizes) - sizes[1] < 100, sizes  # what one has used goes back before the next
