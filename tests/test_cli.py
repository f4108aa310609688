"""The command line takes what people type and paste, and says at once what cannot be done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import typer

from mssviz import audio, cli, datasets, pretrained
from mssviz._paths import typed
from mssviz.cli._notebooks import copy_notebooks

RATE = 44100
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, which is home, too, with a short song in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_song("song.wav")
    return tmp_path


def write_song(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (RATE // 10, 2)).astype(np.float32)
    audio.write_audio(path, noise, RATE)


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def assert_one_line(said, *parts):
    assert said.count("\n") == 1, said
    for part in parts:
        assert part in said


# -- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("song.wav", "song.wav"),
        ("spleeter:2stems", "spleeter:2stems"),
        ("./umx", "./umx"),
        ("~", "{home}"),
        ("~/a b.wav", "{home}/a b.wav"),
        ("'{home}/a b.wav'", "{home}/a b.wav"),
        ('"~/a b.wav"', "{home}/a b.wav"),
        ("file://{home}/a%20b%231.wav", "{home}/a b#1.wav"),
        ("file://localhost{home}/%C3%A4.wav", "{home}/ä.wav"),
        ("'file://{home}/x.wav'", "{home}/x.wav"),
        ("file://elsewhere/x.wav", "file://elsewhere/x.wav"),
        ("file:///a%00b.wav", "file:///a%00b.wav"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        ("'", "'"),
        ("''", "''"),
        ("'it\"", "'it\""),
    ],
)
def test_a_path_is_what_was_meant(folder, text, meant):
    assert typed(text.format(home=folder)) == meant.format(home=folder)


@pytest.mark.parametrize("name", ["~", "'quoted'", '"quoted.wav"'])
def test_what_exists_under_the_very_name_is_taken_as_it_is(folder, name):
    (folder / name).touch()
    assert typed(name) == name


def test_every_path_may_be_quoted_and_at_home(mssviz_command, folder):
    code, _, err = mssviz_command("separate", '"~/song.wav"', "-o", "~/out", "-q", "--stem=vocals")
    assert (code, err) == (0, "")
    assert files_in("out") == ["song/vocals.wav"]
    for words in (["evaluate", "~/a", "~/a"], ["train", "-d", "~/a"]):
        code, _, err = mssviz_command(*words)
        assert code == 1
        assert_one_line(err, str(folder / words[-1][2:]))
    (folder / "own").mkdir()
    (folder / "own" / "config.json").write_text("{}")
    code, _, err = mssviz_command("separate", "song.wav", "-p", "~/own")
    assert code == 1
    assert_one_line(err, f"{folder}/own/config.json: wrong value in the configuration")


# -- inputs ----------------------------------------------------------------------------------


def test_a_model_among_the_songs_is_a_forgotten_p(mssviz_command, folder):
    code, _, err = mssviz_command("separate", "song.wav", "teaching:4stems")
    assert code == 2
    assert_one_line(err, "write -p teaching:4stems")
    (folder / "mine").mkdir()
    (folder / "mine" / "config.json").touch()
    code, _, err = mssviz_command("separate", "song.wav", "mine")
    assert code == 2
    assert_one_line(err, "write -p mine")
    assert files_in(folder) == ["mine/config.json", "song.wav"]


@pytest.mark.parametrize("name", [".", "..", "album", "/"])
def test_a_folder_is_no_song(mssviz_command, folder, name):
    (folder / "album").mkdir()
    code, _, err = mssviz_command("separate", name)
    assert code == 1
    assert_one_line(err, f"{name}: is a folder", "*", "-o")
    assert files_in(folder) == ["song.wav"]


def test_songs_beside_a_folder_are_separated(mssviz_command, folder):
    write_song("song/other.wav")  # and its name is that of a song
    code, out, err = mssviz_command("separate", "song", "song.wav", "gone.wav", "--stem", "vocals")
    assert code == 1
    assert "mssviz: song: is a folder" in err
    assert "mssviz: gone.wav: no such file" in err
    assert err.splitlines()[-1] == "mssviz: 2 of 3 files could not be separated"
    assert out == "separated/song/vocals.wav\n"


def test_songs_that_differ_in_their_suffix_get_places_by_it(mssviz_command, folder):
    write_song("song.flac")
    words = ("separate", "song.wav", "song.flac", "song.wav", "--stem", "vocals", "-q")
    code, _, err = mssviz_command(*words)
    assert code == 1
    assert_one_line(err, "song.wav", "song.flac", advice := "{suffix}/{filename}/{instrument}")
    code, _, err = mssviz_command(*words, "-f", advice + ".{codec}")
    assert (code, err) == (0, "")
    assert files_in("separated") == ["flac/song/vocals.wav", "wav/song/vocals.wav"]


def test_links_are_named_as_they_are_given(mssviz_command, folder):
    for number, name in enumerate(("one", "two")):
        write_song(f"store/{number}.wav")
        (folder / name).mkdir()
        (folder / name / "mixture.wav").symlink_to(folder / "store" / f"{number}.wav")
    code, _, err = mssviz_command(
        "separate", "one/mixture.wav", "two/mixture.wav", "-q", "--stem", "vocals",
        "-f", "{foldername}/{instrument}.{codec}",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert files_in("separated") == ["one/vocals.wav", "two/vocals.wav"]


def test_names_that_are_no_text_are_listed_and_told_in_one_line(mssviz_command, folder):
    odd = os.fsdecode(b"\xe9\n")
    write_song(f"{odd}.wav")
    code, out, err = mssviz_command("separate", f"{odd}.wav", "--stem", "vocals")
    assert (code, out) == (0, f"separated/{odd}/vocals.wav\n")
    code, _, err = mssviz_command("separate", f"{odd}\x1b[2J.mp3")
    assert code == 1
    assert_one_line(err, r"\n\x1b[2J.mp3: no such file")


def test_a_stream_can_be_chosen(mssviz_command, folder):
    with av.open("two.mp4", "w") as container:
        streams = [container.add_stream("aac", rate=RATE, layout="mono") for _ in range(2)]
        for stream, level in zip(streams, (0.1, 0.0), strict=True):
            sound = np.full((1, RATE), level, np.float32)
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    levels = []
    for number in ("0", "1"):
        code, _, err = mssviz_command("separate", "two.mp4", "--stream", number, "-q")
        assert code == 0, err
        stems = [audio.load_audio(p)[0] for p in Path("separated/two").iterdir()]
        levels.append(np.abs(np.sum(stems, axis=0)).max())
    assert levels[0] > 0.05
    assert levels[1] < 1e-4
    code, _, err = mssviz_command("separate", "two.mp4", "--stream", "-1")
    assert code == 2
    assert_one_line(err, "--stream")


# -- before any work -------------------------------------------------------------------------

#: A command that fails, and which of some modules it has imported by then.
WATCHED = """
import os, sys
os._exit = lambda code: print(code, sorted({"tensorflow", "numpy"} & set(sys.modules)))
from mssviz import cli
cli.main()
"""


def test_what_cannot_be_read_is_told_without_tensorflow(folder):
    Path("text.wav").write_text("la la la")
    for words, imported in ((["gone.wav", "too.wav"], []), (["text.wav", "gone.wav"], ["numpy"])):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, "separate", *words],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout == f"1 {imported}\n"
        assert "2 of 2 files could not be separated" in done.stderr


def test_weights_are_not_fetched_for_nothing(mssviz_command, folder, monkeypatch):
    def fetch(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr(pretrained, "state", lambda _: "missing")
    monkeypatch.setattr(pretrained, "fetch", fetch)
    Path("file").touch()
    for words, said in (
        (["gone.wav"], "gone.wav: no such file"),
        (["."], "is a folder"),
        (["song.wav", "-o", "file"], "file is a file"),
        (["song.wav", "-f", "{nothing}"], "unknown field"),
    ):
        code, _, err = mssviz_command("separate", *words)
        assert code == 1
        assert_one_line(err, said)
    with pytest.raises(AssertionError, match="fetched"):
        mssviz_command("separate", "song.wav")


@pytest.mark.parametrize(
    "words",
    [
        ("separate", "song.wav"),
        ("train", "-d", "songs"),
        ("evaluate", "--mus_dir", "songs"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("file", "is a file; choose another folder"),
        ("file/below", "is a file; choose another folder"),
        ("dangling", "this link points to 'nowhere', which does not exist"),
        ("dangling/below", "this link points to 'nowhere', which does not exist"),
        ("loop", "this link points to 'loop', which does not exist"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_first(
    mssviz_command, folder, monkeypatch, words, output, said
):
    def work(*_, **__):
        raise AssertionError("work was begun")

    for name in ("export.separate_file", "training.train", "comparison.compare"):
        monkeypatch.setattr(f"mssviz.{name}", work)
    for stem in ("vocals", "other"):
        write_song(f"songs/one/{stem}.wav")
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    before = files_in(folder)
    code, _, err = mssviz_command(*words, "-o", output)
    assert code == 1
    assert_one_line(err, said)
    assert files_in(folder) == before


def test_a_current_folder_that_was_deleted(mssviz_command, folder, monkeypatch):
    (folder / "gone").mkdir()
    monkeypatch.chdir("gone")
    (folder / "gone").rmdir()
    code, _, err = mssviz_command("separate", folder / "song.wav")
    assert code == 1
    assert_one_line(err, "current folder was deleted", "cd")


# -- errors and options ----------------------------------------------------------------------


def test_no_error_of_the_system_is_a_traceback(mssviz_command, folder):
    code, _, err = mssviz_command("separate", 300 * "a" + ".wav")
    assert code == 1
    assert_one_line(err, "aaa.wav: File name too long; check the path")


def test_who_has_read_enough_is_not_told():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "mssviz", "models"],
        stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


#: Spleeter 2.4.2's.
SPLEETERS = {
    "separate": "-i --inputs -a --adapter -b --bitrate -c --codec -d --duration -s --offset "
    "-o --output_path -f --filename_format -p --params_filename --mwf --verbose",
    "train": "-a --adapter -d --data -p --params_filename --verbose",
    "evaluate": "-a --adapter -o --output_path -p --params_filename --mus_dir --mwf --verbose",
}


@pytest.mark.parametrize("command", SPLEETERS)
def test_every_option_of_spleeters_is_there_and_on_its_page(command):
    parameters = typer.main.get_command(cli.app).commands[command].params
    ours = {name for parameter in parameters for name in parameter.opts}
    page = Path(__file__).parents[1] / "docs" / "coming-from-spleeter.md"
    for name in SPLEETERS[command].split():
        assert name in ours
        assert f"`{name}`" in page.read_text(encoding="utf-8")


def test_spleeters_options_are_taken(mssviz_command, folder):
    write_song("second.wav")
    code, _, err = mssviz_command(
        "separate", "-i", "song.wav", "second.wav", "-q", "--stem", "vocals", "--verbose",
        "-a", "spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter",
    )  # fmt: skip
    assert code == 0
    assert [line.partition(" has no effect: ")[0] for line in err.splitlines()] == [
        "mssviz: note: --verbose",
        "mssviz: note: --adapter",
    ]
    assert files_in("separated") == ["second/vocals.wav", "song/vocals.wav"]


def test_spleeters_options_are_taken_by_all(mssviz_command, folder, monkeypatch):
    def work(*_, **__):
        raise datasets.ParameterError("work was begun")

    monkeypatch.setattr("mssviz.training.plan", work)
    monkeypatch.setattr("mssviz.datasets.musdb18", work)
    for words in (["train", "-d", "songs"], ["evaluate", "--mus_dir", "songs"]):
        code, _, err = mssviz_command(*words, "-a", "some.Adapter", "--verbose")
        assert code == 1
        assert err.splitlines()[-1] == "mssviz: work was begun"


def test_app_refuses_a_song_that_is_not_there_before_it_starts(mssviz_command, tmp_path):
    code, out, err = mssviz_command("app", "--no-browser", tmp_path / "none.wav")
    assert (code, out) == (1, "")
    assert err == f"mssviz: {tmp_path}/none.wav: no such file or folder; check its name\n"
    code, _, err = mssviz_command("app", "--no-browser", "--port", 0)
    assert code == 1
    assert "--port must lie between 1 and 65535 (got 0)" in err


def test_course_copies_lessons_and_keeps_the_persons_own(mssviz_command, tmp_path):
    folder = tmp_path / "mine"
    code, out, err = mssviz_command("course", folder)
    assert (code, out, err) == (0, f"{folder}/README.md\n", "")
    original = ROOT / "notebooks"
    lessons = sorted(path.name for path in (original / "course").glob("*.ipynb"))
    copied = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    beside = ["comparison.ipynb", "explorer.ipynb", "which-model.ipynb", "why.ipynb"]
    named = ["README.md", *beside, "course/glossary.md"]
    pictures = [f"course/pictures/{Path(name).stem}.png" for name in lessons]
    assert copied == sorted([*named, *pictures, *(f"course/{name}" for name in lessons)])
    for name in copied:
        assert not (folder / name).is_symlink()
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    contents = (folder / "README.md").read_text()
    leads = re.findall(r"\]\((?!\w+:)([^)]+)\)", contents)
    for target in [*leads, *re.findall(r'src="([^"]+)"', contents)]:
        assert (folder / target).is_file(), target
    first = folder / "course" / lessons[0]
    first.write_text("mine")
    code, _, err = mssviz_command("course", folder, "--solutions")
    assert code == 0
    assert err == f"mssviz: note: {first} is yours from an earlier time and stays as it is\n"
    assert first.read_text() == "mine"
    (folder / "README.md").write_text("mine")
    err = mssviz_command("course", folder)[2]
    both = f"{folder}/README.md, {first}"
    assert err == f"mssviz: note: {both} are yours from an earlier time and stay as they are\n"
    solutions = [path.stem for path in (folder / "course" / "solutions").iterdir()]
    assert sorted(solutions) == [Path(name).stem for name in lessons]


def test_explore_opens_the_course_and_leaves_what_is_arranged(
    mssviz_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command[-1]))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.delenv("JUPYTERLAB_WORKSPACES_DIR", raising=False)
    assert mssviz_command("explore", "--course")[0] == 0
    assert started == ["README.md"]
    assert (tmp_path / "course" / "01-listening.ipynb").is_file()
    assert os.environ["JUPYTERLAB_WORKSPACES_DIR"] == str(tmp_path / ".workspaces")
    [arranged] = (tmp_path / ".workspaces").iterdir()
    arranged.write_text(arranged.read_text().replace("explorer.ipynb", "comparison.ipynb"))
    arranged_by_hand = arranged.read_text()
    monkeypatch.delenv("JUPYTERLAB_WORKSPACES_DIR")
    assert mssviz_command("explore", "--course")[0] == 0
    assert arranged.read_text() == arranged_by_hand


def test_what_an_interrupted_copy_left_goes_even_if_no_copy_is_missing(tmp_path):
    for name in ("explorer.ipynb", ".mssviz-notes.part", ".mssviz-0123456789abcdef.part"):
        (tmp_path / name).write_bytes((ROOT / "notebooks" / "explorer.ipynb").read_bytes())
    copy_notebooks(["explorer.ipynb"], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"explorer.ipynb", ".mssviz-notes.part"}


def test_course_says_where_it_cannot_write(mssviz_command, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = mssviz_command("course", tmp_path / "file" / "below")
    assert (code, out) == (1, "")
    assert err.startswith(f"mssviz: {tmp_path}/file/below")
    assert len(err.splitlines()) == 1


def test_explore_opens_a_copy_and_keeps_the_persons_own(mssviz_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command[1:]))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/mine")
    assert mssviz_command("explore", "--", "--no-browser")[0] == 0
    assert started == [["-m", "jupyterlab", "--no-browser", "explorer.ipynb"]]
    copy = tmp_path / "explorer.ipynb"
    assert copy.read_bytes() == (ROOT / "notebooks" / "explorer.ipynb").read_bytes()
    settings, mine = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    news = Path(settings) / "labconfig" / "default_setting_overrides.json"
    assert '"fetchNews": "false"' in news.read_text()
    assert mine == "/etc/mine"
    assert mssviz_command("explore")[2] == ""
    copy.write_text("mine")
    code, _, err = mssviz_command("explore")
    assert code == 0
    assert "explorer.ipynb is yours from an earlier time and stays as it is" in err
    assert copy.read_text() == "mine"
