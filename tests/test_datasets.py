"""Corpora in their own layouts, and what is wrong with them before hours are spent."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import datasets
from mssviz.errors import MssvizError, ParameterError

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


def test_a_path_with_a_null_byte_is_a_missing_file(tmp_path):
    table = tmp_path / "songs.csv"
    table.write_text("mix_path,vocals_path,other_path\na.wav,a\0b.wav,c.wav\n")
    tracks = datasets.from_csv(table)
    with pytest.raises(MssvizError, match=r"cannot be read|no such file"):
        mssviz.compare(tracks, ["mixture"], cache=tmp_path / "cache", progress=False)
    settings = mssviz.training.Settings(steps=1)
    with pytest.raises(MssvizError, match=r"a\.wav"):
        mssviz.train(tracks, tmp_path / "x", "tiny", settings=settings, cache=tmp_path / "cache")


def test_a_song_that_is_there_twice_is_named(hq):
    (hq / "test" / "A - Song.stem.mp4").write_bytes(b"")
    with pytest.raises(ParameterError, match=r"'A - Song' twice, as a folder and in one file"):
        datasets.musdb18(hq)
    (hq / "test" / "A - Song.stem.m4a").write_bytes(b"")
    with pytest.raises(ParameterError, match=r"'A - Song' twice, in A - Song.stem.m4a and A"):
        datasets.musdb18(hq)


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
        (header + row.replace("a/drums.wav", " "), "line 2: drums_path is empty"),
        (header + "\n" + row.replace("1.0", "1.0,2"), "line 3: has 7 values for 6 columns"),
        (header.replace(",", "|"), r"separated by commas \(got mix_path\|vocals_path"),
        (header.replace("bass", "drums") + row, "has two columns drums_path"),
        (header.replace("bass", "Drums") + row, "one for each stem"),
        (header, "holds no rows"),
        ("", r"\(got none\)"),
    ):
        table.write_text(text)
        with pytest.raises(ParameterError, match=message):
            datasets.from_csv(table)
    with pytest.raises(ParameterError, match=r"gone.csv: not a readable table"):
        datasets.from_csv(tmp_path / "gone.csv")


def test_a_table_made_by_hand_may_have_blanks(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(
        "\ufeffmix_path, Vocals_path , other_path, duration\n"
        ' a b/mix.wav, "a, b.wav",\ta b/other.wav ,1.0,\n'
        "\n"
        "c/mix.wav, c/vocals.wav, c/other.wav\n"
    )
    tracks = datasets.from_csv(table)
    assert list(tracks) == ["a b/mix.wav", "c/mix.wav"]
    assert tracks["a b/mix.wav"].stems == {
        "vocals": (tmp_path / "a, b.wav", 0),
        "other": (tmp_path / "a b" / "other.wav", 0),
    }


def test_a_folder_of_folders(hq):
    assert list(datasets.from_folders(hq / "test")) == ["A - Song", "B - Other song"]
    with pytest.raises(ParameterError, match="holds no folders"):
        datasets.from_folders(hq / "test" / "A - Song")


def test_folders_that_are_no_songs_are_left_out(hq):
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".@__thumb", "$RECYCLE.BIN"):
        (hq / "test" / name).mkdir()
        write(hq / "test" / name / "vocals.wav", sound(0, 0.1))
    (hq / "test" / "._A - Song").write_bytes(b"no folder")
    assert list(datasets.from_folders(hq / "test")) == ["A - Song", "B - Other song"]
    assert list(datasets.musdb18(hq)) == ["A - Song", "B - Other song"]
    (hq / "test" / "Covers").mkdir()
    (hq / "test" / "Covers" / "front.jpg").write_bytes(b"a picture")
    with pytest.warns(UserWarning, match="Covers: left out"):
        assert len(datasets.from_folders(hq / "test")) == 2
    assert len(datasets.musdb18(hq)) == 2


def test_a_folder_of_stems_holds_more_than_stems(tmp_path):
    for name in ("vocals", "Bass"):
        write(tmp_path / f"{name}.wav", sound(1, 0.1))
        (tmp_path / f"._{name}.wav").write_bytes(b"\0\5\26\7")
    (tmp_path / "drums.wav").mkdir()
    (tmp_path / "Thumbs.db").write_bytes(b"")
    (tmp_path / "all.stem.mp4").write_bytes(b"stems in one file")
    write(tmp_path / "Mix.wav", sound(2, 0.1))
    assert list(datasets.from_folder(tmp_path).stems) == ["bass", "vocals"]


@pytest.mark.parametrize(
    "names",
    [
        ("Vocals", "no_vocals"),
        ("VOCALS", "Instrumental"),
        ("1_My song (Live)_(Vocals)_model", "1_My song (Live)_(Instrumental)_model"),
        ("vocal", "song (No Vocals)"),
        ("vocals", "accompaniment"),
    ],
)
def test_stems_have_the_names_that_other_programs_give(tmp_path, names):
    for name in names:
        write(tmp_path / f"{name}.wav", sound(1, 0.1))
    assert set(datasets.from_folder(tmp_path).stems) == {"vocals", "accompaniment"}


def test_names_that_say_nothing_are_kept(tmp_path):
    for name in ("Lead Synth", "Bass (Live)", "Stimme e\u0301"):
        write(tmp_path / f"{name}.wav", sound(1, 0.1))
    found = datasets.from_folder(tmp_path).stems
    assert set(found) == {"lead synth", "bass (live)", "stimme \xe9"}


def test_two_files_of_a_stem_are_named(tmp_path):
    for name in ("vocals.wav", "Vocals.flac", "bass.wav"):
        (tmp_path / name).write_bytes(b"not read")
    with pytest.raises(ParameterError, match=r"Vocals\.flac and vocals\.wav are both vocals"):
        datasets.from_folder(tmp_path)


def test_an_accompaniment_beside_its_parts_is_left_out(tmp_path):
    stems = write_stems(tmp_path)
    write(tmp_path / "instrumental.wav", sum(stems.values()) - stems["vocals"])
    with pytest.warns(UserWarning, match=r"instrumental\.wav: left out, as it is the sum"):
        track = datasets.from_folder(tmp_path)
    assert np.allclose(track.load()[0], sum(stems.values()), atol=1e-6)


@pytest.mark.parametrize("suffix", [".aif", ".AIFC", ".w64", ".au", ".caf", ".mp4", ".webm"])
def test_stems_are_files_of_any_kind(tmp_path, suffix):
    for name in ("vocals", "other"):
        (tmp_path / f"{name}{suffix}").write_bytes(b"not read")
    assert set(datasets.from_folder(tmp_path).stems) == {"vocals", "other"}


def test_musdb18_hq_without_mixtures_is_the_sum_of_its_stems(hq):
    folder = hq / "test" / "A - Song"
    (folder / "mixture.wav").unlink()
    (folder / "drums.wav").rename(folder / "Drums.WAV")
    mixture, stems = datasets.musdb18(hq)["A - Song"].load()
    assert np.array_equal(stems["drums"], sound(1))
    assert np.array_equal(mixture, np.add.reduce(list(stems.values())))


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


def test_a_part_of_a_corpus_has_its_name_in_any_case(hq):
    assert len(datasets.musdb18(hq, "Test")) == 2
    (hq / "test").rename(hq / "TEST")
    assert len(datasets.musdb18(hq, "test")) == 2
    with pytest.raises(ParameterError, match=r"one of train, test \(got 'dev'\)"):
        datasets.musdb18(hq, "dev")
    with pytest.raises(ParameterError, match=r"has no folder train \(it holds TEST\)"):
        datasets.musdb18(hq, "train")


def test_dsd100_says_what_is_wrong(tmp_path):
    with pytest.raises(ParameterError, match="has no folder Mixtures"):
        datasets.dsd100(tmp_path)
    write_stems(
        tmp_path / "Sources" / "Dev" / "001 - X", 0,
        tmp_path / "Mixtures" / "Dev" / "001 - X" / "mixture.wav",
    )  # fmt: skip
    assert list(datasets.dsd100(tmp_path, "dev")) == ["001 - X"]
    with pytest.raises(ParameterError, match=r"Mixtures: has no folder Test \(it holds Dev\)"):
        datasets.dsd100(tmp_path)
    with pytest.raises(ParameterError, match="one of Dev, Test"):
        datasets.dsd100(tmp_path, "train")


@pytest.mark.parametrize(
    "read",
    [
        datasets.musdb18, datasets.dsd100, datasets.from_folders, datasets.moisesdb,
        datasets.medleydb, datasets.slakh2100,
    ],
)  # fmt: skip
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
    write_stems(hq / "test" / "F", 50)
    write(hq / "test" / "F" / "bass.wav", 0 * sound(52))
    stems = write_stems(hq / "test" / "G", 60)
    write(hq / "test" / "G" / "vocals.wav", stems["vocals"][: RATE // 2, :1])
    write_stems(hq / "test" / "H", 70)
    (hq / "test" / "H" / "vocals.wav").unlink()
    (hq / "test" / "H" / "drums.wav").write_text("la la la")
    calls = []
    table = datasets.check(datasets.musdb18(hq), lambda *call: calls.append(call))
    assert list(table["problem"][:2]) == ["", ""]
    assert table["residual_db"].iloc[0] < -100
    assert table["seconds"].iloc[0] == 1
    assert "do not add up to the mixture" in table.loc["C", "problem"]
    assert "different sample rates ([22050, 44100])" in table.loc["D", "problem"]
    assert "drums.wav: no such file" in table.loc["E", "problem"]
    assert "silent throughout: bass" in table.loc["F", "problem"]
    assert "lengths (vocals 0.50 s, drums 1.00 s" in table.loc["G", "problem"]
    assert "channels (vocals 1, drums 2" in table.loc["G", "problem"]
    assert "vocals.wav: no such file" in table.loc["H", "problem"]
    assert "drums.wav: not a sound file" in table.loc["H", "problem"]
    assert table["usable"].tolist() == [True, True, False, False, False, True, True, False]
    assert calls[-1] == (8, 8, "check")


def test_check_names_what_was_repaired(hq, repaired):
    repaired["bass.wav"] = [(0.25, 0.5), (0.7, 0.8)]
    found = datasets.check(datasets.musdb18(hq), False).loc["A - Song"]
    assert "damaged (bass at 0.25 s)" in found["problem"]
    assert found["usable"]


def test_published_scores_are_at_hand():
    scores = datasets.published_scores()
    assert scores["IRM2"]["vocals"]["SDR"] == pytest.approx(9.4, abs=0.5)
    assert {"MIX", "IBM1", "MWF"} <= set(scores)


@pytest.mark.parametrize(
    ("sources", "targets", "known"),
    [
        # a song whose bass has no file, or is silent
        ("vocals drums other", "vocals drums bass other", {"vocals", "drums", "other"}),
        ("vocals drums piano", "vocals drums bass other", {"vocals", "drums", "other"}),
        # the accompaniment holds drums and bass: it is not what is left over
        ("vocals accompaniment", "vocals drums bass other", {"vocals"}),
        ("drums bass", "vocals accompaniment", {"accompaniment"}),
        ("vocals", "vocals accompaniment", {"vocals"}),
        ("kazoo", "vocals drums", set()),
        ("vocals drums bass other", "vocals accompaniment", {"vocals", "accompaniment"}),
    ],
)
def test_targets_are_known_as_far_as_the_sources_tell(sources, targets, known):
    stems = {name: sound(seed) for seed, name in enumerate(sources.split())}
    found = datasets.known_targets(stems, tuple(targets.split()))
    assert set(found) == known
    complete = datasets.to_targets(stems, tuple(targets.split()))
    assert (complete is not None) == (len(known) == len(targets.split()))
    for name in known & set(stems) - {"other"}:
        assert np.array_equal(found[name], stems[name])


def test_check_finds_a_click(tmp_path):
    for name in ("vocals", "other"):
        stem = sound(1).copy()
        stem[5000] = 1.2
        mssviz.write_audio(tmp_path / f"{name}.wav", stem, 44100, bit_depth="float")
    [problem] = datasets.check({"song": datasets.from_folder(tmp_path)}, False)["problem"]
    assert problem == "the mixture's peak is 2.4, at 0.11 s: a click?"


def test_the_excerpts_at_hand_have_no_clicks():
    tracks = datasets.examples()
    assert list(tracks)[:2] == ["francium", "lithium"]
    table = datasets.check(tracks, False)
    assert table["usable"].all()
    assert not table["problem"].str.contains("click").any()
    musdb = tracks.get("musdb")
    if musdb is not None:
        click = datasets.check({"musdb": replace(musdb, start=0.0)}, False)
        assert "peak is 2.8, at 0.05 s" in click.loc["musdb", "problem"]


def test_every_stem_of_four_sounds_throughout_the_excerpt_with_a_bass():
    mixture, stems = datasets.examples()["lithium"].load()
    assert list(stems) == ["vocals", "drums", "bass", "other"]
    assert mixture.shape == (441_000, 2)
    assert np.abs(mixture).max() < 1
    for stem in stems.values():
        levels = np.sqrt(np.square(stem.reshape(10, 44100, 2)).mean(axis=(1, 2)))
        assert levels.min() > 0.005


@pytest.mark.parametrize("path", ["../out.wav", "/etc/out.wav", "a/../../out.wav"])
@pytest.mark.parametrize("column", ["mix_path", "vocals_path"])
def test_a_path_of_a_table_stays_in_its_folder(tmp_path, path, column):
    row = {"mix_path": "m.wav", "vocals_path": "v.wav", "other_path": "o.wav", column: path}
    table = tmp_path / "songs.csv"
    table.write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"line 2: .* leads out of .*; give as root"):
        datasets.from_csv(table)
