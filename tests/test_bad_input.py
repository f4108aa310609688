"""What is wrong with an input is said in one line that names it, and nothing is left behind."""

import contextlib
import os
import re
import resource
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mssviz import audio, pretrained
from mssviz.errors import AudioError

RATE = 44100


def song(seconds=2.0):
    noise = np.random.default_rng(0).standard_normal((round(seconds * RATE), 2))
    return (0.1 * noise).clip(-1, 1).astype(np.float32)


def wav_bytes(data, rate=RATE, n_channels=2, bits=16):
    frame = n_channels * bits // 8
    layout = struct.pack("<HHIIHH", 1, n_channels, rate, rate * frame % 2**32, frame, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", len(chunks) + len(data)) + chunks + data


def streamable_m4a(path):
    # with its index in front, so that it can be opened when its end is missing
    with av.open(str(path), "w", format="ipod", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(song().reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cut(path, share=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def write_bad_files(folder):
    (folder / "folder.wav").mkdir()
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("la la la\n" * 100)
    (folder / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20_000))
    (folder / "no_samples.wav").write_bytes(wav_bytes(b""))
    data = song(0.1).tobytes()
    (folder / "rate_7.wav").write_bytes(wav_bytes(data, rate=7))
    (folder / "rate_0.wav").write_bytes(wav_bytes(data, rate=0))
    (folder / "rate_2e9.wav").write_bytes(wav_bytes(data, rate=2_000_000_000))
    (folder / "channels_0.wav").write_bytes(wav_bytes(data, n_channels=0))
    (folder / "bits_0.wav").write_bytes(wav_bytes(data, bits=0))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        waveform = song()
        waveform[40_000, 1] = value
        soundfile.write(folder / f"{name}.wav", waveform, RATE, subtype="FLOAT")
    for codec in ("wav", "flac"):
        audio.write_audio(folder / f"cut_{codec}.{codec}", song(), RATE)
        cut(folder / f"cut_{codec}.{codec}")
    soundfile.write(folder / "cut_plain.wav", song(), RATE)
    cut(folder / "cut_plain.wav")
    streamable_m4a(folder / "cut_m4a.m4a")
    cut(folder / "cut_m4a.m4a")
    audio.write_audio(folder / "cut_index.m4a", song(), RATE)
    cut(folder / "cut_index.m4a")


#: File to what is said of it.
BAD_FILES = {
    "missing.wav": "no such file; check its name",
    "folder.wav": "is a folder; name a sound file",
    "empty.wav": "is empty (0 bytes); copy or record it again",
    "text.wav": "not a sound file that FFmpeg knows",
    "noise.mp3": "not a sound file that FFmpeg knows",
    "no_samples.wav": "holds no samples; record or export it again",
    "rate_7.wav": "between 1000 and 768000 Hz (got 7); convert",
    "rate_0.wav": "damaged at its start",
    "rate_2e9.wav": "between 1000 and 768000 Hz (got 2000000000); convert",
    "channels_0.wav": "states 0 channels; convert it again",
    "bits_0.wav": "encoding is not known to FFmpeg; convert it again",
    "nan.wav": "1 samples are not finite (NaN); repair",
    "inf.wav": "1 samples are not finite (infinite); repair",
    "cut_wav.wav": "cut short, its header states 2.00 s but it ends after 1.20 s; copy it again",
    "cut_plain.wav": "cut short, its header states 2.00 s but it ends after 1.20 s; copy it again",
    "cut_flac.flac": "cut short, its header states 2.00 s",
    "cut_m4a.m4a": "cut short, its header states 2.00 s",
    "cut_index.m4a": "damaged at its start",
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    write_bad_files(folder)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "song.wav"
    audio.write_audio(path, song(1.0), RATE)
    return path


def run_process(*arguments, **options):
    done = subprocess.run(
        [sys.executable, "-m", "mssviz", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def assert_one_line(said, *parts):
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    for part in parts:
        assert str(part) in said


def left_in(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))


# -- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_and_leaves_nothing(mssviz_command, bad, tmp_path, name):
    path, output = bad / name, tmp_path / "out"
    code, out, err = mssviz_command("separate", path, "-o", output, "-q", "--masks")
    assert code == 1
    assert out == ""
    assert_one_line(err, path, BAD_FILES[name])
    assert not output.exists()


def test_every_bad_file_of_many_is_named(bad, tmp_path):
    # in a process of its own, where TensorFlow would have its say, too
    paths = [bad / name for name in BAD_FILES]
    code, out, err = run_process(
        "separate", *paths, "-q", "-o", tmp_path, "-f", "{filename}/{instrument}.{codec}"
    )
    assert code == 1
    assert out == ""
    *lines, last = err.splitlines()
    assert len(lines) == len(paths), err
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(f"mssviz: {path}: ")
        assert BAD_FILES[path.name] in line
    assert f"{len(paths)} of {len(paths)} files" in last
    assert left_in(tmp_path) == []


def test_good_files_among_bad_ones_are_separated(mssviz_command, bad, good, tmp_path):
    code, out, err = mssviz_command(
        "separate", bad / "empty.wav", good, "-o", tmp_path, "-f", "{filename}-{instrument}.wav"
    )
    assert code == 1
    assert "empty.wav: is empty" in err
    assert "1 of 2 files" in err
    assert left_in(tmp_path) == ["song-accompaniment.wav", "song-vocals.wav"]
    assert [Path(line).name for line in out.splitlines()] == [
        "song-vocals.wav",
        "song-accompaniment.wav",
    ]


@pytest.mark.parametrize("name", ["cut_wav.wav", "cut_plain.wav", "cut_flac.flac", "cut_m4a.m4a"])
def test_the_remedy_for_a_cut_file_works(bad, name):
    with pytest.raises(AudioError) as error:
        audio.load_audio(bad / name)
    duration = float(re.search(r"duration=([\d.]+)", str(error.value))[1])
    found, _ = audio.load_audio(bad / name, duration=duration)
    assert duration > 1
    assert len(found) == round(duration * RATE)


def test_a_piped_wav_has_no_length_to_hold_it_to(tmp_path):
    content = bytearray(wav_bytes(b"\1\0" * 2000))
    for placeholder in (b"\xff\xff\xff\xff", b"\x24\xf0\xff\x7f"):
        content[4:8] = content[40:44] = placeholder
        (tmp_path / "x.wav").write_bytes(content)
        assert len(audio.load_audio(tmp_path / "x.wav")[0]) == 1000


def test_a_file_that_may_not_be_read(own_folder):
    path = own_folder / "x.wav"
    path.write_bytes(wav_bytes(b"\1\0" * 2000))
    path.chmod(0)
    with pytest.raises(AudioError, match="may not be read; change its permissions"):
        audio.load_audio(path)


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected", "parts"),
    [
        (["-p", "spleeter:9stems"], 1, ["spleeter:9stems", "choose one of spleeter:2stems"]),
        (["-p", "/nonexistent/config.json"], 1, ["/nonexistent/config.json", "choose one of"]),
        (["--stem", "drums"], 2, ["no stem drums", "choose among vocals, accompaniment"]),
        (["-b", "fast", "-c", "mp3"], 1, ["'fast'", "such as 192k"]),
        (["-b", "1k", "-c", "mp3"], 1, ["'1k'", "such as 192k"]),
        (["-c", "xyz"], 1, ["'xyz'", "one of wav, flac"]),
        (["--bit_depth", "8"], 1, ["'8'", "choose 16 or 24"]),
        (["-c", "flac", "--bit_depth", "float"], 1, ["'float'", "choose 16 or 24"]),
        (["--power", "0"], 1, ["0.0", "must lie in (0, 64]"]),
        (["--power", "nan"], 1, ["nan", "must lie in (0, 64]"]),
        (["--power", "two"], 2, ["--power", "--help"]),
        (["--extension", "up"], 1, ["'up'", "'zeros' or 'average'"]),
        (["-s", "-1"], 1, ["-1.0", "0 s or more"]),
        (["-s", "nan"], 1, ["nan", "0 s or more"]),
        (["-s", "1000"], 1, ["1000", "offset"]),
        (["-d", "0"], 1, ["0.0", "more than 0 s"]),
        (["-d", "-3"], 1, ["-3.0", "more than 0 s"]),
        (["--nonsense"], 2, ["--nonsense", "--help"]),
        (["-f", "{filename}.{codec}"], 1, ["song.wav", "path conflict", "use {instrument}"]),
        (["-f", "{song}/{instrument}.wav"], 1, ["'song'", "choose among {filename}"]),
        (["-f", "{}/{instrument}.wav"], 1, ["''", "choose among {filename}"]),
        (["-f", "{instrument.__class__}"], 1, ["instrument.__class__", "choose among"]),
        (["-f", "{filename"], 1, ["'{filename'", "{filename}/{instrument}.{codec}"]),
        (["-f", "{instrument:d}"], 1, ["'{instrument:d}'", "without"]),
        (["-f", "{instrument!z}"], 1, ["'{instrument!z}'", "without"]),
        (["-f", "../{instrument}.wav"], 1, ["../vocals.wav", "leads out of"]),
        (["-f", "/{instrument}.wav"], 1, ["/vocals.wav", "leads out of"]),
        (["-f", "{foldername}/../../{instrument}"], 1, ["leads out of"]),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_a_bad_option_is_named_and_leaves_nothing(
    mssviz_command, good, tmp_path, options, expected, parts
):
    code, out, err = mssviz_command("separate", good, "-q", "-o", tmp_path / "out", *options)
    assert code == expected
    assert out == ""
    assert_one_line(err, *parts)
    assert left_in(tmp_path) == []


def test_wrong_usage_without_files_and_commands():
    code, _, err = run_process("separate")
    assert code == 2
    assert_one_line(err, "files", "--help")
    code, _, err = run_process("seperate")
    assert code == 2
    assert_one_line(err, "seperate", "--help")


def test_two_songs_of_one_name(mssviz_command, good, tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "song.wav").write_bytes(good.read_bytes())
    output = tmp_path / "out"
    code, _, err = mssviz_command("separate", good, folder / "song.wav", "-o", output)
    assert code == 1
    assert_one_line(err, good, folder / "song.wav", "path conflict", "{foldername}")
    assert not output.exists()


def test_a_stem_never_overwrites_an_input(mssviz_command, good, tmp_path):
    path = tmp_path / "vocals.wav"
    path.write_bytes(good.read_bytes())
    for spelling in (path, tmp_path / ".." / tmp_path.name / "vocals.wav"):
        code, _, err = mssviz_command(
            "separate", spelling, "-o", tmp_path, "-f", "{instrument}.wav"
        )
        assert code == 1
        assert_one_line(err, path, "an input file")
    assert path.read_bytes() == good.read_bytes()
    assert left_in(tmp_path) == ["vocals.wav"]


def test_masks_never_overwrite_each_other(mssviz_command, good, tmp_path):
    second = tmp_path / "second.wav"
    second.write_bytes(good.read_bytes())
    code, _, err = mssviz_command(
        "separate", good, second, "--masks", "-o", tmp_path / "out", "-f", "{filename}-{instrument}"
    )
    assert code == 1
    assert_one_line(err, "masks.png", "{filename}/{instrument}")
    code, _, err = mssviz_command(
        "separate", good, "--masks", "-o", tmp_path / "out", "-f", "{filename}.{instrument}"
    )
    assert code == 1
    assert_one_line(err, "song_mask.npy", "{filename}/{instrument}")
    assert left_in(tmp_path) == ["second.wav"]


def test_a_configuration_that_is_none(mssviz_command, good, tmp_path):
    path = tmp_path / "config.json"
    for content, part in (
        ("{", "not a configuration in JSON"),
        ("[]", "wrong value"),
        ("{}", "key 'weights' is missing"),
        ('{"instrument_list": []}', "key 'model' is missing"),
    ):
        path.write_text(content)
        code, _, err = mssviz_command("separate", good, "-p", path, "-o", tmp_path / "out")
        assert code == 1
        assert_one_line(err, path, part)
        assert left_in(tmp_path) == ["config.json"]


# -- places to write -------------------------------------------------------------------------


def test_output_below_a_file(mssviz_command, good, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    code, _, err = mssviz_command("separate", good, "-q", "-o", file / "out")
    assert code == 1
    assert_one_line(err, file / "out", "cannot be written (Not a directory)", "folder")
    assert file.read_text() == "mine"
    assert left_in(tmp_path) == ["file"]


def test_output_is_a_folder(mssviz_command, good, tmp_path):
    (tmp_path / "song" / "accompaniment.wav").mkdir(parents=True)
    code, _, err = mssviz_command("separate", good, "-q", "-o", tmp_path)
    assert code == 1
    assert_one_line(err, tmp_path / "song" / "accompaniment.wav", "a folder has that name")
    assert left_in(tmp_path) == ["song", "song/accompaniment.wav"]


@pytest.fixture
def shared_weights(separator, monkeypatch):
    folder = pretrained.weights_folder(separator.preset)
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(folder.parents[1]))


def test_output_in_a_locked_folder(mssviz_command, shared_weights, own_folder):
    sound = own_folder / "x.wav"
    sound.write_bytes(wav_bytes(b"\1\0" * 2000))
    locked = own_folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    code, _, err = mssviz_command("separate", sound, "-q", "-o", locked)
    assert code == 1
    assert_one_line(err, locked, "choose a folder that you may write to")


@contextlib.contextmanager
def small_files():
    """No file may grow beyond 20 kB; Python ignores the signal, so that writing fails.

    For as short as possible: it binds the log that pytest itself may be writing to.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("extra", [[], ["--masks"], ["--mwf"], ["-c", "ogg", "-b", "320k"]])
def test_a_full_disk_is_told_and_leaves_nothing(mssviz_command, good, tmp_path, extra):
    with small_files():
        code, out, err = mssviz_command("separate", good, "-q", "-o", tmp_path, *extra)
    assert code == 1
    assert out == ""
    assert_one_line(err, "cannot be written", "space")
    assert left_in(tmp_path) == []


def assert_every_codec_tells(folder):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (5 * RATE, 2)).astype(np.float32)
    for codec in audio.CODECS:
        path = folder / f"x.{codec}"
        with pytest.raises(AudioError, match=r"cannot be written .* space") as error:
            audio.write_audio(path, noise, RATE, bitrate="320k")
        assert str(path) in str(error.value)
        assert left_in(folder) == []


def test_a_full_disk_with_every_codec(tmp_path):
    with small_files():
        assert_every_codec_tells(tmp_path)


def test_a_really_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        assert_every_codec_tells(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# -- sound with nothing in it, machines with nothing on them -----------------------------------


@pytest.mark.parametrize("mwf_iterations", [0, 1])
def test_silence_gives_silence(separator, mwf_iterations):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        separation = separator.separate(np.zeros((RATE, 2)), RATE, progress=False)
        separation = separation.with_options(mwf_iterations=mwf_iterations)
        for target in separation.targets:
            assert np.abs(separation.estimates[target]).max() < 1e-9
            assert np.isfinite(separation.masks[target][:]).all()


def test_a_single_sample(separator):
    separation = separator.separate(np.array([0.5]), RATE, progress=False)
    for target in separation.targets:
        assert separation.estimates[target].shape == (1, 2)
        assert np.isfinite(separation.estimates[target]).all()


WITHOUT_FFMPEG = """
import shutil, sys, numpy as np, mssviz, mssviz.scores.windows
from mssviz import datasets, export
assert shutil.which("ffmpeg") is None and shutil.which("ffprobe") is None
separator = mssviz.Separator(progress=False)
options = export.FileOptions(codec="mp3")
song = datasets.example_mixture()
[files] = export.stem_paths([song], separator.targets, sys.argv[1], options)
export.separate_file(separator, song, files, duration=2.0, options=options, progress=False)
estimates = {target: mssviz.load_audio(path)[0] for target, path in files.items()}
references = datasets.examples()["francium"].load(duration=2.0)[1]
references = datasets.to_targets(references, separator.targets)
scores = mssviz.evaluate(references, estimates, 44100, dither_db=-80)
assert np.isfinite(scores["SDR"]).all() and len(scores) == 4
"""


def test_no_program_is_needed(tmp_path):
    subprocess.run(
        [sys.executable, "-c", WITHOUT_FFMPEG, str(tmp_path)],
        env={**os.environ, "PATH": "/nonexistent"},
        check=True,
        timeout=120,
    )
    assert left_in(tmp_path) == ["mixture", "mixture/accompaniment.mp3", "mixture/vocals.mp3"]
