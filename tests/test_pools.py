"""Sounds of single stems that belong to no song: in a folder a stem, and in a table."""

import numpy as np
import pytest

import mssviz
from mssviz import _stems, datasets, training
from mssviz.errors import MssvizError, ParameterError
from mssviz.training.chunks import Chunks
from mssviz.training.patches import Patches
from tests import test_corpora
from tests.mutations import flipped

RATE = 44100
#: Seconds of the sounds of each stem.
SECONDS = {"vocals": (1.0, 1.5, 0.5), "drums": (1.0, 0.75), "bass": (0.6,)}


def sound(seed, seconds):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def write(path, waveform):
    path.parent.mkdir(parents=True, exist_ok=True)
    mssviz.write_audio(path, waveform, RATE, "wav", bit_depth="float")


@pytest.fixture
def folder(tmp_path):
    """A folder a stem, with a table beside them that lists all sounds."""
    lines = ["instrum,path"]
    for stem, lengths in SECONDS.items():
        for number, seconds in enumerate(lengths):
            write(tmp_path / stem / f"{stem}_{number}.wav", sound(number, seconds))
            lines.append(f"{stem},{stem}/{stem}_{number}.wav")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture(params=["folders", "table"])
def tracks(request, folder):
    if request.param == "folders":
        return datasets.from_stem_folders(folder)
    return datasets.from_stem_table(folder / "table.csv")


def test_every_sound_is_in_a_mix(tracks, folder):
    assert list(tracks) == ["mix 1", "mix 2", "mix 3"]
    files = [path for track in tracks.values() for path in track.files]
    assert set(files) == set(folder.glob("*/*.wav"))
    names = [{path.name for path in track.files} for track in tracks.values()]
    assert names[1] == {"vocals_1.wav", "drums_1.wav", "bass_0.wav"}
    assert names[2] == {"vocals_2.wav", "drums_0.wav", "bass_0.wav"}


def test_a_mix_is_as_long_as_its_shortest_sound(tracks):
    for track, seconds in zip(tracks.values(), (0.6, 0.6, 0.5), strict=True):
        mixture, stems = track.load()  # a warning would be an error
        assert set(stems) == {"vocals", "drums", "bass"}
        assert len(mixture) == round(seconds * RATE)
        assert np.allclose(mixture, sum(stems.values()), atol=1e-6)
    assert np.array_equal(stems["bass"], sound(0, 0.6)[: len(mixture)])
    assert datasets.check(tracks, False)["problem"].tolist() == ["", "", ""]


def test_names_of_stems_are_those_of_other_programs_too(folder):
    (folder / "drums").rename(folder / "Drums")
    write(folder / "mixture" / "a.wav", sound(0, 0.1))
    (folder / ".cache").mkdir()
    (folder / "vocals" / "notes.txt").touch()
    assert list(datasets.from_stem_folders(folder)["mix 1"].stems) == ["drums", "bass", "vocals"]
    (folder / "Vocal").mkdir()
    with pytest.raises(ParameterError, match="Vocal and vocals are both vocals"):
        datasets.from_stem_folders(folder)


def test_what_is_no_folder_of_stems(tmp_path):
    with pytest.raises(ParameterError, match="no such folder"):
        datasets.from_stem_folders(tmp_path / "gone")
    with pytest.raises(ParameterError, match=r"at least two stems.* \(got none\)"):
        datasets.from_stem_folders(tmp_path)
    (tmp_path / "bass").mkdir()
    write(tmp_path / "vocals" / "a.wav", sound(0, 0.1))
    with pytest.raises(ParameterError, match=r"sounds of each \(got 0 of bass, 1 of vocals\)"):
        datasets.from_stem_folders(tmp_path)


def test_paths_of_a_table_start_at_root(folder):
    (folder / "tables").mkdir()
    table = (folder / "table.csv").rename(folder / "tables" / "table.csv")
    tracks = datasets.from_stem_table(table, folder)
    assert datasets.check(tracks, False)["usable"].all()
    absolute = table.read_text().replace(",", f",{folder}/").replace(f"{folder}/path", "path")
    table.write_text(absolute)
    assert datasets.from_stem_table(table, folder) == tracks
    assert datasets.from_stem_table(table, "/") == tracks
    with pytest.raises(ParameterError, match=r"line 2: '/.* leads out of .*tables;"):
        datasets.from_stem_table(table)


@pytest.mark.parametrize("path", ["../x.wav", "a/../../x.wav", "/etc/passwd", ".."])
def test_no_path_of_a_table_leads_out(folder, path):
    with (folder / "table.csv").open("a") as table:
        table.write(f"vocals,{path}\n")
    with pytest.raises(ParameterError, match=r"table\.csv, line 8: '.*' leads out of .*as root"):
        datasets.from_stem_table(folder / "table.csv")


def test_tables_that_are_none(folder, monkeypatch):
    table = folder / "table.csv"
    for text, message in (
        ("", r"needs columns instrum and path.* \(got none\)"),
        ("type,path\nvocals,a.wav\n", r"\(got type, path\)"),
        ("instrum,path\nvocals,a.wav\n", r"at least two stems.* \(got 1 of vocals\)"),
        ("instrum,path\nvocals,\n", "line 2: path is empty"),
        ("instrum,path\n,a.wav\n", "line 2: instrum is empty"),
        ("instrum,path\nvocals,a.wav,b.wav\n", "line 2: has 3 values for 2 columns"),
        ('instrum,path\nvocals,"a', "not a readable table"),
    ):
        table.write_text(text)
        with pytest.raises(ParameterError, match=message) as error:
            datasets.from_stem_table(table)
        assert str(error.value).startswith(str(table))
    monkeypatch.setattr(_stems, "LARGEST_TABLE", 100)
    table.write_text("instrum,path\n" + "vocals,a.wav\n" * 8)
    with pytest.raises(ParameterError, match=r"not a readable table \(over 0 million characters\)"):
        datasets.from_stem_table(table)


def test_sounds_that_are_missing_are_named_by_the_check(folder):
    (folder / "bass" / "bass_0.wav").unlink()
    found = datasets.check(datasets.from_stem_table(folder / "table.csv"), False)
    assert not found["usable"].any()
    assert found["problem"].str.contains(r"bass_0\.wav: no such file").all()


def test_damaged_tables_give_tracks_or_one_line(folder):
    table, errors = folder / "table.csv", 0
    good = table.read_bytes()
    for number in range(100):
        table.write_bytes(flipped(good, np.random.default_rng((8, number))))
        tracks, told = test_corpora.outcome(datasets.from_stem_table, table)
        assert "\n" not in told
        assert tracks or told.startswith(str(table))
        errors += bool(told)
        for track in (tracks or {}).values():
            assert all(path.is_relative_to(folder) for path in track.files)
            assert not any(".." in path.parts for path in track.files)
            assert "\n" not in test_corpora.outcome(track.load)[1]
    assert 20 < errors < 100


# --- Training ---------------------------------------------------------------------------------


def test_remixing_draws_stems_from_all_sounds(tmp_path):
    """The level of each sound tells which one a stem of an example is."""
    for stem in ("vocals", "other"):
        for level in (1, 2, 4):
            write(tmp_path / stem / f"{level}.wav", sound(0, 3.0) * np.float32(level / 8))
    tracks = datasets.from_stem_folders(tmp_path)
    preset = training.tiny(("vocals", "other"))
    chunks = Chunks(tracks, preset, 3.0, 1, tmp_path / "cache")
    chunks.decode(progress=False)
    patches = Patches(chunks, ("remix",), seed=1)
    power = [np.square(patches[number][1:]).mean((1, 2, 3)) for number in range(40)]
    pairs = {tuple(np.log2(pair / np.min(power)).round()) for pair in power}
    assert len(pairs) == 9


@pytest.mark.parametrize("kind", test_corpora.CORPORA, ids=lambda kind: kind.__name__)
def test_a_training_knows_a_corpus_by_its_arrangement(kind, tmp_path):
    corpus = kind(tmp_path)
    if kind is test_corpora.Slakh:
        for subset in ("train", "validation"):
            (tmp_path / "test").rename(tmp_path / subset)
            test_corpora.Slakh(tmp_path)
    plan = training.plan("tiny", tmp_path)
    assert list(plan["tracks"]) == [corpus.song]
    assert list(plan["validation"]) == ([corpus.song] if kind is test_corpora.Slakh else [])


def test_a_training_knows_sounds_of_single_stems(folder):
    for data in (folder, folder / "table.csv"):
        assert list(training.plan("tiny", data)["tracks"]) == ["mix 1", "mix 2", "mix 3"]
    write(folder / "a song" / "vocals.wav", sound(0, 0.1))
    write(folder / "a song" / "other.wav", sound(0, 0.1))
    with pytest.raises(MssvizError, match="needs at least two stems"):
        training.plan("tiny", folder)  # a folder of songs, of which some are none
