"""Folders of stems against the true ones: whatever names, lengths and channels they have."""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mssviz
from mssviz import cli, evaluation, metrics
from mssviz.comparison import Scoring
from mssviz.errors import FileError, ParameterError

RATE = 44100


def true_stems(seconds=3.0, n_channels=2):
    rng = np.random.default_rng(0)
    shape = round(seconds * RATE), n_channels
    return {n: (0.1 * rng.standard_normal(shape)).astype(np.float32) for n in ("vocals", "other")}


def mixed_up(true):
    first, second = true.values()
    return dict(zip(true, (first + 0.1 * second, second + 0.1 * first), strict=True))


def write(folder, names=("vocals", "other"), **stems):
    folder.mkdir()
    for name, stem in zip(names, stems.values(), strict=True):
        mssviz.write_audio(folder / f"{name}.wav", stem, RATE, bit_depth="float")
    return folder


@pytest.fixture
def pair(tmp_path):
    true = true_stems()
    return write(tmp_path / "true", **true), write(tmp_path / "found", **mixed_up(true))


def run(*words):
    return CliRunner().invoke(cli.app, ["evaluate", *map(str, words)])


def test_folders_are_scored_as_their_waveforms(pair):
    true = true_stems()
    expected = mssviz.evaluate(true, mixed_up(true), RATE).set_index(["target", "time"])
    found = evaluation.folders(*pair, progress=False).set_index(["target", "time"])
    pd.testing.assert_frame_equal(found.loc[expected.index], expected)
    said = run(*pair).stdout
    assert "vocals" in said
    whole = mssviz.scores.whole(true, mixed_up(true), RATE).loc["vocals"]
    for measure, label in (("uSDR", "uSDR (dB)"), ("fullness", "fullness (0–100)")):
        assert re.search(rf"{re.escape(label)} .*{whole[measure]:.2f}", said)


@pytest.mark.parametrize(
    "names", [("Vocals", "OTHER"), ("song_(Vocals)_model", "song_(Other)_model")]
)
def test_stems_are_matched_whoever_named_them(pair, tmp_path, names):
    other = write(tmp_path / "renamed", names, **mixed_up(true_stems()))
    expected = evaluation.folders(*pair, progress=False)
    found = evaluation.folders(pair[0], other, progress=False)
    pd.testing.assert_frame_equal(
        found.sort_values(["target", "time"], ignore_index=True),
        expected.sort_values(["target", "time"], ignore_index=True),
    )


def test_stems_without_a_rest_are_matched(tmp_path):
    true, names = true_stems(1.0), ("vocals", "bass")
    folders = write(tmp_path / "a", names, **true), write(tmp_path / "b", names, **mixed_up(true))
    assert set(evaluation.folders(*folders, progress=False)["target"]) == set(names)
    other = write(tmp_path / "c", ("vocals", "flute"), **true)
    with pytest.raises(ParameterError, match="name the files alike"):
        evaluation.folders(folders[0], other)


def test_shorter_estimates_are_told_and_followed_by_silence(pair, tmp_path):
    short = {name: stem[:RATE] for name, stem in mixed_up(true_stems()).items()}
    short = write(tmp_path / "short", **short)
    with pytest.warns(UserWarning, match=r"last 1\.000 s, 2\.000 s shorter than the true stems"):
        found = evaluation.folders(pair[0], short, progress=False)
    measured = found.groupby("time")["SDR"].agg(lambda values: values.notna().all())
    assert measured.tolist() == [True, False, False]


def test_longer_estimates_are_told_and_cut(pair, tmp_path):
    true = {name: stem[: 2 * RATE] for name, stem in true_stems().items()}
    short = write(tmp_path / "short", **true)
    with pytest.warns(UserWarning, match=r"1\.000 s longer than the true stems; what is beyond"):
        assert len(evaluation.folders(short, pair[1], progress=False)) == 4


@pytest.mark.parametrize("mono", [0, 1])
def test_mono_is_matched_with_stereo(tmp_path, mono):
    true = true_stems(1.0, 1)
    both = [true, mixed_up(true)]
    both[1 - mono] = {name: np.repeat(stem, 2, axis=1) for name, stem in both[1 - mono].items()}
    folders = [write(tmp_path / str(i), **stems) for i, stems in enumerate(both)]
    with pytest.warns(UserWarning, match="mono and were repeated to 2 channels"):
        found = evaluation.folders(*folders, progress=False)
    expected = mssviz.evaluate(true, mixed_up(true), RATE)
    assert found["SDR"].median() == pytest.approx(expected["SDR"].median(), abs=1e-3)
    with pytest.warns(UserWarning, match="mono and were repeated to 2 channels"):
        whole = evaluation.read_folders(*folders).whole()
    one_channel = mssviz.scores.whole(true, mixed_up(true), RATE)
    assert whole["uSDR"].to_dict() == pytest.approx(one_channel["uSDR"].to_dict(), abs=1e-3)


@pytest.mark.parametrize("folder", [0, 1])
def test_windows_of_repaired_stems_are_marked(pair, repaired, tmp_path, folder):
    pair[folder].joinpath("other.wav").rename(pair[folder] / "Other.wav")
    repaired["Other.wav"] = [(1.2, 1.3)]
    table = tmp_path / "scores.csv"
    assert re.search(r"repaired\n.*\n.* 0 +1\n", run(*pair, "--csv", table).stdout)
    found = pd.read_csv(table)
    assert found["repaired"].tolist() == [False, True, False] * 2
    assert found["SDR"].isna().tolist() == found["repaired"].tolist()


def test_a_window_without_end_is_the_whole_song(pair, tmp_path):
    table = tmp_path / "scores.csv"
    result = run(*pair, "--window", "inf", "--csv", table)
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(table)
    assert scores["time"].tolist() == [0, 0]
    expected = evaluation.folders(*pair, Scoring(window=np.inf), progress=False)
    assert np.allclose(scores["SDR"].sort_values(), expected["SDR"].sort_values())


def test_outputs_are_checked_before_the_work(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "evaluate", None)
    monkeypatch.setattr("mssviz.comparison.compare", None)
    result = run(*pair, "--csv", tmp_path / "nowhere" / "x.csv")
    assert isinstance(result.exception, FileError)
    assert re.search(r"nowhere/x\.csv: cannot be written .*folder", str(result.exception))
    song = tmp_path / "musdb" / "test" / "song"
    song.parent.mkdir(parents=True)
    write(song, ("vocals", "drums"), **true_stems(0.1))
    (tmp_path / "file").write_text("mine")
    result = run("--mus_dir", tmp_path / "musdb", "-p", "bands", "-o", tmp_path / "file")
    assert isinstance(result.exception, FileError)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_missing_is_named(pair, tmp_path):
    with pytest.raises(ParameterError, match="tru: no such folder; check its name"):
        evaluation.folders(tmp_path / "tru", pair[1])
    with pytest.raises(ParameterError, match=r"vocals\.wav: is a file; name the folder"):
        evaluation.folders(pair[0], pair[1] / "vocals.wav")
    assert run(*pair, "--mus_dir", tmp_path).exit_code == 2


def test_scores_of_a_model_lie_in_its_own_folder():
    assert evaluation._folder_names(["spleeter:4stems"]) == {"spleeter:4stems": "spleeter-4stems"}
    models = ["../../model", "/model", "..", "a/../b", ".", "../b/model", "b/model", "x" * 300]
    names = evaluation._folder_names([*models, "."])
    assert list(names) == models
    assert len(set(names.values())) == len(models)
    for name in names.values():
        assert 0 < len(name) < 100
        assert name not in (".", "..")
        assert "/" not in name
