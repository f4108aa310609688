"""Corpora in their own layouts, and what is wrong with them before hours are spent."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import datasets
from mssviz.errors import ParameterError

RATE = 44100
SOURCES = ("vocals", "drums", "bass", "other")


def sound(seed, seconds=1.0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def write(path, waveform, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    mssviz.write_audio(path, waveform, rate, "wav", bit_depth="float")


def write_stems(folder, seed=0, mixture=None):
    stems = {name: sound(seed + i) for i, name in enumerate(SOURCES)}
    for name, stem in stems.items():
        write(folder / f"{name}.wav", stem)
    if mixture:
        write(mixture, sum(stems.values()))
    return stems


@pytest.fixture
def hq(tmp_path):
    for i, name in enumerate(("A - Song", "B - Other song")):
        folder = tmp_path / "test" / name
        write_stems(folder, 10 * i, folder / "mixture.wav")
    return tmp_path


def test_musdb18_hq_is_folders_of_wav_files(hq):
    tracks = datasets.musdb18(hq)
    assert list(tracks) == ["A - Song", "B - Other song"]
    mixture, stems = tracks["A - Song"].load()
    assert list(stems) == ["vocals", "drums", "bass", "other"]
    assert np.array_equal(stems["drums"], sound(1))
    assert np.allclose(mixture, sum(stems.values()), atol=1e-6)


def test_musdb18_is_stem_files(tmp_path):
    package = importlib.util.find_spec("stempeg")
    [found] = Path(package.submodule_search_locations[0], "data").glob("*.stem.mp4")
    (tmp_path / "train").mkdir()
    shutil.copy(found, tmp_path / "train" / found.name)
    [(name, track)] = datasets.musdb18(tmp_path, "train").items()
    assert name == found.name.removesuffix(".stem.mp4")
    mixture, stems = track.load(1, 2)
    assert mixture.shape == (2 * RATE, 2)
    assert set(stems) == set(SOURCES)
    # the mixture is a file of its own, not the sum of stems that were coded one by one
    residual = mixture - sum(stems.values())
    assert residual.any()
    assert np.square(residual).sum() < 0.01 * np.square(mixture).sum()


def test_dsd100_has_mixtures_and_sources_apart(tmp_path):
    stems = write_stems(
        tmp_path / "Sources" / "Test" / "001 - X", 0,
        tmp_path / "Mixtures" / "Test" / "001 - X" / "mixture.wav",
    )  # fmt: skip
    tracks = datasets.dsd100(tmp_path)
    mixture, found = tracks["001 - X"].load()
    assert np.allclose(mixture, sum(stems.values()), atol=1e-6)
    assert np.array_equal(found["bass"], stems["bass"])


def test_a_table_as_spleeters_names_mixtures_and_stems(tmp_path):
    stems = write_stems(tmp_path / "songs" / "a", 0, tmp_path / "songs" / "a" / "mix.wav")
    header = "mix_path,vocals_path,drums_path,bass_path,other_path,duration\n"
    row = "a/mix.wav,a/vocals.wav,a/drums.wav,a/bass.wav,a/other.wav,1.0\n"
    table = tmp_path / "table.csv"
    table.write_text(header + row)
    [track] = datasets.from_csv(table, tmp_path / "songs").values()
    mixture, found = track.load()
    assert np.array_equal(found["vocals"], stems["vocals"])
    assert np.allclose(mixture, sum(stems.values()), atol=1e-6)
    for text, message in (
        ("path,vocals_path\n", "needs columns mix_path"),
        (header + row + row, r"line 3: a/mix.wav appears twice"),
        (header + row.replace("a/drums.wav", ""), "line 2: drums_path is empty"),
    ):
        table.write_text(text)
        with pytest.raises(ParameterError, match=message):
            datasets.from_csv(table)
    with pytest.raises(ParameterError, match=r"gone.csv: not a readable table"):
        datasets.from_csv(tmp_path / "gone.csv")


def test_a_folder_of_folders(hq):
    assert list(datasets.from_folders(hq / "test")) == ["A - Song", "B - Other song"]
    with pytest.raises(ParameterError, match="holds no folders"):
        datasets.from_folders(hq / "test" / "A - Song")


def test_excerpts_are_parts_of_a_track(hq):
    track = datasets.musdb18(hq)["A - Song"]
    whole, _ = track.load()
    part, stems = track.excerpt(0.25, 0.5).load()
    assert np.array_equal(part, whole[11025:33075])
    assert np.array_equal(stems["vocals"], sound(0)[11025:33075])
    inner, _ = track.excerpt(0.25, 0.5).excerpt(0.1, 0.2).load()
    assert np.array_equal(inner, whole[15435:24255])
    with pytest.raises(mssviz.AudioError, match=r"has 0.50 s, nothing after 0.6 s"):
        track.excerpt(0.25, 0.5).load(0.6)


@pytest.mark.parametrize("read", [datasets.musdb18, datasets.dsd100, datasets.from_folders])
def test_what_is_no_corpus_is_refused(tmp_path, read):
    with pytest.raises(ParameterError, match="no such folder"):
        read(tmp_path / "gone")
    with pytest.raises(ParameterError, match=str(tmp_path)):
        read(tmp_path)


def test_check_names_what_would_spoil_an_evaluation(hq):
    write_stems(hq / "test" / "C", 20)  # another song's mixture
    write(hq / "test" / "C" / "mixture.wav", sound(99))
    write_stems(hq / "test" / "D", 30, hq / "test" / "D" / "mixture.wav")
    write(hq / "test" / "D" / "bass.wav", sound(32), rate=22050)
    write_stems(hq / "test" / "E", 40, hq / "test" / "E" / "mixture.wav")
    (hq / "test" / "E" / "drums.wav").unlink()
    write_stems(hq / "test" / "F", 50, hq / "test" / "F" / "mixture.wav")
    write(hq / "test" / "F" / "bass.wav", 0 * sound(52))
    calls = []
    table = datasets.check(datasets.musdb18(hq), lambda *call: calls.append(call))
    assert list(table["problem"][:2]) == ["", ""]
    assert table["residual_db"].iloc[0] < -100
    assert table["seconds"].iloc[0] == 1
    assert "do not add up to the mixture" in table.loc["C", "problem"]
    assert "different sample rates ([22050, 44100])" in table.loc["D", "problem"]
    assert "drums.wav: no such file" in table.loc["E", "problem"]
    assert "silent throughout: bass" in table.loc["F", "problem"]
    assert calls[-1] == (6, 6, "check")


def test_published_scores_are_at_hand():
    scores = datasets.published_scores()
    assert scores["IRM2"]["vocals"]["SDR"] == pytest.approx(9.4, abs=0.5)
    assert {"MIX", "IBM1", "MWF"} <= set(scores)
