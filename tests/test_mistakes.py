"""What people give by mistake, or as others have it: one line that says what to write, or it works.

Each of these gave an error of a library's, or a wrong result.
"""

import io
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mssviz
from mssviz import comparison, datasets, evaluation, insight, masks, plots, scores, separators, stft
from mssviz._progress import reporter
from mssviz.cli._arguments import workers_of
from mssviz.datasets import Track
from mssviz.separation.editing import Stroke

RATE = 8000
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, (RATE, 2)).astype(np.float32)
PAIR = {"vocals": NOISE, "other": NOISE[::-1]}
TRACK = Track("song", {"vocals": ("vocals.wav", 0), "other": ("other.wav", 0)})
GRID = stft.StftParams(RATE, 512, 128)


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    mssviz.write_audio(path, NOISE, RATE)
    return path


def says(call, *parts):
    with pytest.raises(mssviz.MssvizError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"offset": "1"}, "write it without quotes"),
        ({"offset": None}, "offset must be a number"),
        ({"duration": "10"}, "duration must be a number"),
        ({"duration": np.inf}, "leave it out to read to the end"),
        ({"stream": "0"}, "stream must be a number"),
        ({"sample_rate": 0}, "between 1000 and 768000 Hz"),
    ],
    ids=repr,
)
def test_what_to_read_of_a_file(song, options, part):
    says(lambda: mssviz.load_audio(song, **options), part)


def test_an_address_is_no_file():
    says(lambda: mssviz.load_audio("https://example.org/a.mp3"), "https://", "download it")


def test_the_home_folder_is_found(song, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mssviz.load_audio("~/song.wav", sample_rate=None)[1] == RATE
    mssviz.write_audio("~/other.wav", NOISE, RATE)
    assert (tmp_path / "other.wav").exists()


def test_numbers_are_bit_depths(tmp_path):
    mssviz.write_audio(tmp_path / "x.wav", NOISE, RATE, bit_depth=24)
    assert (tmp_path / "x.wav").stat().st_size > 6 * RATE
    says(
        lambda: mssviz.write_audio(tmp_path / "x.wav", NOISE, RATE, bit_depth=32),
        "16 or 24, or float",
    )


@pytest.mark.parametrize("path", [None, 5, io.BytesIO()], ids=type)
def test_where_to_write(path):
    says(lambda: mssviz.write_audio(path, NOISE, RATE), "must be a path")


@pytest.mark.parametrize(
    ("waveform", "part"),
    [
        (None, "got NoneType"),
        (PAIR, 'such as stems["vocals"]'),
        (NOISE.astype(complex), "float32"),
    ],
    ids=["none", "dict", "complex"],
)
def test_what_is_no_waveform(waveform, part):
    says(lambda: mssviz.si_sdr(waveform, NOISE), part)


@pytest.mark.parametrize("model", [None, 2, ["spleeter:2stems"], NOISE], ids=type)
def test_what_is_no_model(model):
    says(lambda: mssviz.presets.find(model), "must be a path")


@pytest.mark.parametrize("files", [None, 3, NOISE, [None], io.BytesIO(b"sound")], ids=type)
def test_what_is_no_list_of_files(separator, tmp_path, files):
    says(lambda: mssviz.separate_files(files, tmp_path, separator), "must be a path")


def test_masks_of_wrong_values():
    says(lambda: masks.check_power("2"), "mask exponent must be a number")
    says(lambda: masks.harden(np.ones((1, 1, 1)), hardness=None), "hardness must be a number")
    says(lambda: masks.ratio_masks([NOISE]), "must be a dict", "got list")
    whole = masks.ratio_masks({"a": np.ones((2, 3, 1), int), "b": np.ones((2, 3, 1), int)})
    assert np.allclose(whole["a"], 0.5)


def test_what_is_no_grid():
    says(lambda: stft.stft(NOISE, 4096), "StftParams", "got int")
    says(lambda: stft.stft(NOISE[:, 0], GRID), "[:, None]")
    says(lambda: stft.StftParams("44100"), "without quotes")
    says(lambda: mssviz.SpectrogramView(NOISE, RATE), "StftParams")


@pytest.mark.parametrize("progress", [None, 0, np.False_])
def test_no_progress(progress):
    with reporter(progress) as report:
        report(1, 2, "work")


def test_progress_of_a_wrong_kind():
    says(lambda: reporter("yes").__enter__(), "progress must be")


# --- Scores -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"window": "1"}, "window must be a number"),
        ({"hop": None}, "hop must be a number"),
        ({"window": 30}, "inf for all"),
        ({"engine": []}, "engine must be one of"),
        ({"dither_db": "-80"}, "without quotes"),
        ({"dither_db": 1e9}, "0 dBFS or less"),
    ],
    ids=repr,
)
def test_how_to_score(options, part):
    says(lambda: mssviz.evaluate(PAIR, PAIR, RATE, **options), part)


def test_tables_of_another_kind():
    scores = mssviz.evaluate(PAIR, PAIR, RATE)
    says(lambda: mssviz.summarise(None), "mssviz.evaluate")
    says(lambda: mssviz.summarise(mssviz.summarise(scores)), "mssviz.evaluate")
    says(lambda: comparison.summary(scores), "mssviz.compare")
    says(lambda: mssviz.ScoreView(None), "lacks target")
    says(lambda: plots.model_boxes(scores), '["SDR"]')


def test_models_that_a_picture_lacks():
    index = pd.MultiIndex.from_tuples([("a", "vocals", "x")], names=["track", "target", "model"])
    says(lambda: plots.model_pairs(pd.Series([1.0], index, name="SDR"), "x", "y"), "'y'")


@pytest.mark.parametrize("tracks", [None, TRACK, [TRACK], {}, {"a": "song.wav"}], ids=type)
def test_what_are_no_tracks(tracks, tmp_path):
    for call in (
        lambda: mssviz.compare(tracks, "mixture"),
        lambda: datasets.check(tracks),
        lambda: mssviz.train(tracks, tmp_path, "tiny"),
    ):
        says(call, "dict of name to Track")


@pytest.mark.parametrize("stems", [None, {}, ["a.wav"], {"vocals": "vocals.wav"}], ids=type)
def test_what_are_no_stems_of_a_track(stems):
    says(lambda: Track("song", stems), '("vocals.wav", 0)')


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"targets": "vocals"}, "list of two or more"),
        ({"targets": None}, "list of two or more"),
        ({"options": [1]}, "must be a dict"),
        ({"settings": {"window": 1}}, "comparison.Scoring"),
        ({"cache": 5}, "cache must be a path"),
    ],
    ids=repr,
)
def test_how_to_compare(options, part):
    says(lambda: mssviz.compare({"song": TRACK}, "mixture", **options), part)


def test_a_name_in_a_dict_of_models():
    says(lambda: mssviz.compare({"song": TRACK}, {"a": "mixture"}), "names alone in a list")


# --- Widgets ----------------------------------------------------------------------------------


def test_widgets_of_arrays_alone():
    says(lambda: mssviz.Mixer(NOISE, RATE), "dict of name to waveform")
    says(lambda: mssviz.ListeningTest({"a": NOISE}, RATE), "dict of trial")
    says(lambda: mssviz.Laboratory(NOISE), "Separator.separate")
    says(lambda: mssviz.TrainingView(NOISE), "must be a Track")


# --- Data sets --------------------------------------------------------------------------------


def put(folder, *names, n_channels=2):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        mssviz.write_audio(folder / name, np.repeat(NOISE[:, :1], n_channels, axis=1), RATE)


@pytest.mark.parametrize("form", ["My Song - {}.wav", "{}.wav"])
@pytest.mark.parametrize("number", [("", ""), ("01 ", "02 "), ("1-", "2-"), ("1. ", "2. ")])
def test_names_that_editors_give(tmp_path, form, number):
    put(tmp_path, *(n + form.format(s) for n, s in zip(number, ("Vocals", "Drums"), strict=True)))
    assert set(datasets.from_folder(tmp_path).stems) == {"vocals", "drums"}


def test_a_folder_of_songs_for_a_song_and_the_reverse(tmp_path):
    put(tmp_path / "song", "vocals.wav", "other.wav")
    says(lambda: datasets.from_folder(tmp_path), "of a folder of songs give one")
    says(lambda: datasets.from_folders(tmp_path / "song"), "give the one above")
    says(lambda: datasets.from_folder(None), "must be a path")
    says(lambda: datasets.musdb18(tmp_path, None), "subset must be one of")


@pytest.mark.parametrize("separator_", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_of_spreadsheets(tmp_path, separator_, mark):
    rows = ("mix_path", "vocals_path", "other_path"), ("m.wav", '"v, 1; x.wav"', "o.wav")
    text = mark + "".join(separator_.join(row) + "\r\n" for row in rows)
    (tmp_path / "t.csv").write_bytes(text.encode())
    track = datasets.from_csv(tmp_path / "t.csv")["m.wav"]
    assert track.stems["vocals"] == (tmp_path / "v, 1; x.wav", 0)


def test_a_table_in_another_encoding(tmp_path):
    (tmp_path / "t.csv").write_bytes("mix_path,vocals_path".encode("utf-16"))
    says(lambda: datasets.from_csv(tmp_path / "t.csv"), "CSV in UTF-8")


@pytest.mark.filterwarnings("ignore:true stems have no energy")
def test_neither_side_is_mono(tmp_path):
    put(tmp_path / "true", "vocals.wav", "other.wav")
    put(tmp_path / "mine", "vocals.wav", "other.wav", n_channels=6)
    says(
        lambda: evaluation.folders(tmp_path / "true", tmp_path / "mine", progress=False),
        "one length and channel count",
    )


# --- The command line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["song.wav", "-d", "1:30"], "(got '1:30')"),
        (["-dash.wav"], "write ./-name (mssviz separate --help)"),
        (["song.wav", "-o", ""], "is empty; name a path"),
        ([""], "is empty; name a path"),
    ],
    ids=repr,
)
def test_values_that_are_none(mssviz_command, arguments, part):
    code, _, err = mssviz_command("separate", *arguments)
    assert code == 2
    assert part in err
    assert err.count("\n") == 1


def test_whole_numbers(mssviz_command):
    code, _, err = mssviz_command("train", "-d", "songs", "--steps", "1e6")
    assert code == 2
    assert "must be a whole number such as 4 (got '1e6')" in err


TABLE = pd.DataFrame({"target": ["vocals"], "time": [0.0], "SDR": [1.0]})
BANDS = separators.find("bands")
LOUD = np.full((4, 257, 2), np.nan, np.float32)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: scores.whole(NOISE, NOISE, RATE), "must be a dict of target to waveform"),
        (lambda: scores.best_permutation([NOISE], [NOISE]), "must be a dict of target"),
        (lambda: scores.describe([NOISE], NOISE, RATE), "must be a dict of target"),
        (lambda: scores.si_sir(NOISE, NOISE, [NOISE]), "others must be a dict of target"),
        (lambda: scores.residual(NOISE, [NOISE]), "must be a dict of target"),
        (lambda: separators.Ensemble([BANDS, BANDS], 0.5), "must be numbers, one for each model"),
        (lambda: separators.Ensemble([BANDS, BANDS], {"bass": 0.5}), "must be numbers, one for"),
        (lambda: separators.Ensemble([BANDS, BANDS], ["1", "2"]), "write it without quotes"),
        (lambda: separators.Ensemble(BANDS), "models must be a list"),
        (lambda: separators.find("oracle:IRM2", "vocals"), "write ['vocals']"),
        (lambda: separators.Mixture("vocals"), "write ['vocals']"),
        (lambda: mssviz.train({"a": TRACK}, "x", "tiny", settings={"steps": 5}), "Settings(steps="),
        (lambda: mssviz.training.plan("tiny", 5), "data must be a path"),
        (lambda: comparison.cost(5), "models must be names of models"),
        (lambda: plots.scores(TABLE, measure="SI-SDR"), "no column SI-SDR (it has target, time"),
        (lambda: insight.MaskBin("spleeter:2stems", None, "vocals", 0, 0), "must be a network"),
        (lambda: mssviz.ListeningTest({"t": PAIR}, "8000"), "write it without quotes"),
        (lambda: mssviz.ListeningTest({"t": PAIR}, RATE, seed=-1), "seed must be a whole number"),
        (lambda: TRACK.excerpt(-1, 2), "an excerpt begins at 0 or later"),
        (lambda: TRACK.excerpt(0, float("nan")), "lasts more than 0 s"),
        (lambda: mssviz.MaskEditor({"a": LOUD}, GRID), "masks must be finite"),
        (lambda: mssviz.MaskEditor({"a": LOUD[0]}, GRID), "(n_frames, n_bins, n_channels)"),
        (lambda: stft.istft(stft.stft(NOISE, GRID), GRID, -5), "n_samples must be 0 or more"),
        (lambda: stft.StftParams(float("nan")), "sample_rate > 0"),
    ],
)
def test_what_is_of_another_kind_is_told(call, part):
    says(call, part)


def test_true_stems_and_separations_are_of_each_other():
    separation = BANDS.separate(NOISE, RATE, progress=False)
    says(lambda: mssviz.Laboratory(separation, {"bass": NOISE[:100]}), "the mixture's shape")
    spleeter = mssviz.Separator("spleeter:2stems", fetch=False)
    says(lambda: insight.MaskBin(spleeter, separation, "bass", 0.5, 100), "got one of bands")


def test_help_is_all_that_is_said(mssviz_command):
    code, out, err = mssviz_command()
    assert code == 2
    assert "Usage: mssviz " in out
    assert err == ""


def test_a_negative_number_of_workers_is_a_number():
    assert workers_of("-2") == -2
    assert workers_of("tcp://host:8786") == "tcp://host:8786"


def test_who_interrupts_is_told(mssviz_command, song, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mssviz.export.separate_file", interrupted)
    code, _, err = mssviz_command("separate", song, "-o", tmp_path / "stems")
    assert code == 130
    assert err == "mssviz: interrupted; nothing was left half-written\n"


def test_closed_streams():
    command = shlex.join([sys.executable, "-m", "mssviz", "--version"])
    for closed in (">&-", "2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} {closed}"], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0
        assert done.stderr == b""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"points": None}, "at least one point"),
        ({"points": [("a", "b")]}, "at least one point"),
        ({"radius_seconds": "x"}, "radius_seconds must be a number"),
        ({"softness": None}, "softness must be a number"),
    ],
)
def test_what_is_no_stroke(change, text):
    stroke = {"target": "vocals", "tool": "paint", "points": [(0.5, 440.0)]}
    says(lambda: Stroke(**(stroke | change)), text)


def test_what_is_no_number_of_a_measure():
    noise = np.random.default_rng(0).standard_normal((8000, 2)) / 10
    for rate in ("44100", None, float("nan")):
        says(lambda rate=rate: scores.loudness_lufs(noise, rate), "sample_rate")
    for floor in (10, 0, float("nan"), float("-inf"), "x"):
        says(
            lambda floor=floor: scores.log_spectral_distance(noise, noise, 8000, floor_db=floor),
            "floor_db must be",
        )
