"""Corpora that list their songs' instruments: what becomes of them, and of lists that are wrong."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mssviz
from mssviz import datasets
from mssviz.errors import MssvizError, ParameterError
from tests.mutations import flipped, nonsense

ROOT = Path(__file__).parents[1]
RATE = 44100
LISTED = json.loads((ROOT / "mssviz" / "datasets" / "instruments.json").read_text("utf-8"))
ATONAL = "a-tonal_percussion_(claps,_shakers,_congas,_cowbell_etc)"


def sound(seed, n_channels=2):
    """A sound of 16 bits, so that sums of a few are exact in files of 16 bits, too."""
    rng = np.random.default_rng(seed)
    return (rng.integers(-3000, 3000, (RATE // 10, n_channels)) / 32768).astype(np.float32)


def write(path, waveform):
    path.parent.mkdir(parents=True, exist_ok=True)
    format_ = path.suffix.removeprefix(".")
    depth = {"bit_depth": "float"} if format_ == "wav" else {}
    mssviz.write_audio(path, waveform, RATE, format_, **depth)


# --- The three arrangements, each with the song that is read and the text that lists its files ----


class MoisesDB:
    """A song of MoisesDB: stems of two levels, of which the first has a folder."""

    read = staticmethod(datasets.moisesdb)
    song = "0b1c4b0e-8b1f-4a43-9f5c-2d3c1a7e5f60"
    #: First level, second level, file.
    files = (
        ("vocals", "lead_female_singer", "f0c1"),
        ("vocals", "background_vocals", "f0c2"),
        ("percussion", ATONAL, "f0c3"),
        ("guitar", "acoustic_guitar", "f0c4"),
        ("other_keys", "synth_pad", "f0c5"),
    )
    expected = {"vocals": [0, 1], "guitar": [3], "other": [2, 4]}

    def __init__(self, root):
        self.root, self.folder = root, root / "moisesdb_v0.1" / self.song
        for seed, (stem, _, name) in enumerate(self.files):
            write(self.folder / stem / f"{name}.wav", sound(seed))
        self.path = self.folder / "data.json"
        stems = [
            {
                "id": f"5{stem}",
                "stemName": stem,
                "tracks": [
                    {"trackType": kind, "id": name, "extension": "wav", "has_bleed": False}
                    for first, kind, name in self.files
                    if first == stem
                ],
            }
            for stem in dict.fromkeys(stem for stem, _, _ in self.files)
        ]
        self.content = {"song": "Nox", "artist": "Ichbin", "genre": "pop", "stems": stems}
        self.write(self.content)

    def write(self, content):
        self.path.write_text(json.dumps(content))


class MedleyDB:
    """A song of MedleyDB: numbered stems, whose instruments stand in YAML."""

    read = staticmethod(datasets.medleydb)
    song = "LizNelson_Rainfall"
    instruments = ("male singer", "electric bass", "drum set", "tambourine", "vibraphone")
    expected = {"vocals": [0], "drums": [2, 3], "bass": [1], "other": [4]}

    def __init__(self, root):
        self.root, self.folder = root, root / "Audio" / self.song
        numbers = range(len(self.instruments))
        for seed in numbers:
            write(self.folder / f"{self.song}_STEMS" / self.file(seed), sound(seed))
        self.mixture = np.float32(0.8) * sum(sound(seed) for seed in numbers)  # as if mastered
        write(self.folder / f"{self.song}_MIX.wav", self.mixture)
        self.path = self.folder / f"{self.song}_METADATA.yaml"
        self.content = {
            "artist": "Liz Nelson",
            "has_bleed": "no",
            "mix_filename": f"{self.song}_MIX.wav",
            "stem_dir": f"{self.song}_STEMS",
            "stems": {
                f"S{seed + 1:02d}": {
                    "component": "",
                    "filename": self.file(seed),
                    "instrument": instrument,
                    "raw": {"R01": {"filename": "x.wav", "instrument": instrument}},
                }
                for seed, instrument in enumerate(self.instruments)
            },
        }
        self.write(self.content)

    def file(self, seed):
        return f"{self.song}_STEM_{seed + 1:02d}.wav"

    def write(self, content):
        self.path.write_text(yaml.safe_dump(content))


class Slakh:
    """A song of Slakh2100: mono files named by number, one of which was not rendered."""

    read = staticmethod(datasets.slakh2100)
    song = "Track01876"
    classes = ("Piano", "Bass", "Guitar", "Drums", "Guitar", "Strings (continued)")
    expected = {"drums": [3], "bass": [1], "piano": [0], "guitar": [2, 4], "other": [5]}

    def __init__(self, root):
        self.root, self.folder = root, root / "test" / self.song
        numbers = range(len(self.classes))
        for seed in numbers:
            write(self.folder / "stems" / f"S{seed:02d}.flac", sound(seed, 1))
        self.mixture = sum(sound(seed, 1) for seed in numbers)
        write(self.folder / "mix.flac", self.mixture)
        self.path = self.folder / "metadata.yaml"
        stems = {
            f"S{seed:02d}": {
                "audio_rendered": True,
                "inst_class": kind,
                "integrated_loudness": -12.8,
                "is_drum": kind == "Drums",
                "program_num": 30,
            }
            for seed, kind in enumerate(self.classes)
        }
        stems["S06"] = {"audio_rendered": False, "inst_class": "Ethnic", "plugin_name": "None"}
        self.content = {"UUID": "1a81", "audio_dir": "stems", "overall_gain": 0.18, "stems": stems}
        self.write(self.content)

    def write(self, content):
        self.path.write_text(yaml.safe_dump(content))


CORPORA = (MoisesDB, MedleyDB, Slakh)


@pytest.fixture(params=CORPORA, ids=lambda kind: kind.__name__)
def corpus(request, tmp_path):
    return request.param(tmp_path)


def outcome(work, *arguments):
    """What work gives, and what its error says if it is one of ours."""
    try:
        return work(*arguments), ""
    except MssvizError as error:
        return None, str(error)


def said(corpus):
    """What is said of a list that is wrong, in one line."""
    with pytest.raises(ParameterError) as error:
        corpus.read(corpus.root)
    assert "\n" not in str(error.value)
    return str(error.value)


def first_stem(content):
    """The first entry of a song's stems, in a list or an object."""
    stems = content["stems"]
    return next(iter(stems.values())) if isinstance(stems, dict) else stems[0]


# --- What is read -----------------------------------------------------------------------------


def test_stems_are_the_sums_of_their_instruments(corpus):
    [(name, track)] = corpus.read(corpus.root).items()
    assert name == corpus.song
    mixture, stems = track.load()
    assert tuple(stems) == datasets.CORPUS_STEMS
    n_channels = mixture.shape[1]
    for stem, waveform in stems.items():
        expected = sum(sound(seed, n_channels) for seed in corpus.expected.get(stem, []))
        assert np.allclose(waveform, expected, atol=1e-6), stem
    assert datasets.check({name: track}, False)["seconds"].tolist() == [0.1]


@pytest.mark.parametrize("kind", [MoisesDB, Slakh])
def test_mixtures_are_the_sums_of_their_stems(kind, tmp_path):
    corpus = kind(tmp_path)
    [track] = corpus.read(tmp_path).values()
    mixture, stems = track.load()
    assert mixture.any()
    assert np.allclose(mixture, sum(stems.values()), atol=1e-6)
    assert (track.mixture is None) == (kind is MoisesDB)
    found = datasets.check({"song": track}, False).loc["song"]
    assert found["usable"]
    assert found["problem"].startswith("silent throughout: ")


def test_a_mastered_mixture_is_the_one_that_people_hear(tmp_path):
    corpus = MedleyDB(tmp_path)
    track = datasets.medleydb(tmp_path)[corpus.song]
    assert np.allclose(track.load()[0], corpus.mixture, atol=1e-6)
    found = datasets.check({"song": track}, False).loc["song"]
    assert "do not add up to the mixture: -12 dB" in found["problem"]


def test_four_stems_are_made_of_six(tmp_path):
    track = datasets.slakh2100(Slakh(tmp_path).root)["Track01876"]
    _, stems = track.load()
    four = datasets.to_targets(stems, ("vocals", "drums", "bass", "other"))
    assert np.allclose(four["other"], sum(sound(seed, 1) for seed in (0, 2, 4, 5)), atol=1e-6)
    assert not four["vocals"].any()


def test_moisesdb_is_also_the_folder_of_songs(tmp_path):
    corpus = MoisesDB(tmp_path)
    assert datasets.moisesdb(corpus.folder.parent) == datasets.moisesdb(tmp_path)
    assert datasets.moisesdb(tmp_path)[corpus.song].name == "Ichbin - Nox"
    corpus.write({"stems": corpus.content["stems"]})
    assert datasets.moisesdb(tmp_path)[corpus.song].name == corpus.song


def test_a_song_that_is_there_twice(tmp_path):
    corpus = MoisesDB(tmp_path)
    copy = tmp_path / "copy" / corpus.song
    copy.mkdir(parents=True)
    (copy / "data.json").write_text(json.dumps(corpus.content))
    assert "the song is there twice" in said(corpus)


def test_medleydbs_metadata_may_lie_elsewhere(tmp_path):
    corpus = MedleyDB(tmp_path / "here")
    with pytest.raises(ParameterError, match="holds no songs with …_METADATA"):
        datasets.medleydb(corpus.folder)
    track = datasets.medleydb(corpus.root)
    assert datasets.medleydb(corpus.folder.parent) == track
    for place, metadata in ((corpus.root / "Metadata", None), (tmp_path / "x", tmp_path / "x")):
        place.mkdir()
        corpus.path = corpus.path.rename(place / corpus.path.name)
        assert datasets.medleydb(corpus.root, metadata) == track
    with pytest.raises(ParameterError, match="as metadata the folder of these files"):
        datasets.medleydb(corpus.root)


def test_songs_of_medleydb_without_metadata_are_told(tmp_path):
    corpus = MedleyDB(tmp_path)
    write(tmp_path / "Audio" / "Another_Song" / "Another_Song_MIX.wav", sound(9))
    (tmp_path / "Audio" / "no song").mkdir()
    with pytest.warns(UserWarning, match=r"METADATA\.yaml: Another_Song$"):
        assert list(datasets.medleydb(tmp_path)) == [corpus.song]


@pytest.mark.parametrize("value", ["yes", True])
def test_songs_that_leak_can_be_left_out(tmp_path, value):
    corpus = MedleyDB(tmp_path)
    corpus.write(corpus.content | {"has_bleed": value})
    assert len(datasets.medleydb(tmp_path)) == 1
    assert datasets.medleydb(tmp_path, bleed=False) == {}
    corpus.write(corpus.content)
    assert len(datasets.medleydb(tmp_path, bleed=False)) == 1


def test_instruments_that_are_in_no_list_are_told(tmp_path):
    corpus = MedleyDB(tmp_path)
    stems = corpus.content["stems"]
    stems["S01"]["instrument"] = ["male singer", "female singer"]  # one stem
    stems["S02"]["instrument"] = ["male singer", "electric bass"]  # two
    stems["S03"]["instrument"] = "Kazoo"
    stems["S04"]["instrument"] = "Main System"  # all of the music at once
    corpus.write(corpus.content)
    told = r"taken for other: 'Kazoo', 'male singer \+ electric bass'$"
    with pytest.warns(UserWarning, match=told):
        [track] = datasets.medleydb(tmp_path).values()
    files = {stem: [path.stem[-2:] for path, _ in found] for stem, found in track.parts.items()}
    assert files["vocals"] == ["01"]
    assert files["other"] == ["02", "03", "05"]
    assert not any("04" in found for found in files.values())


def test_many_instruments_that_are_in_no_list_are_counted(tmp_path):
    corpus = MedleyDB(tmp_path)
    stems = {
        f"S{number}": {"filename": "x.wav", "instrument": f"kazoo {number}"}
        for number in range(10, 23)
    }
    corpus.write(corpus.content | {"stems": stems})
    with pytest.warns(UserWarning, match=r"'kazoo 10', .*, 'kazoo 19', and 3 more$"):
        datasets.medleydb(tmp_path)


def test_slakh_has_subsets_and_babyslakh_has_none(tmp_path):
    corpus = Slakh(tmp_path)
    songs = datasets.slakh2100(tmp_path, "Test")
    assert datasets.slakh2100(tmp_path / "test", None) == songs
    with pytest.raises(ParameterError, match=r"has no folder train \(it holds test\)"):
        datasets.slakh2100(tmp_path, "train")
    with pytest.raises(ParameterError, match="one of train, validation, test"):
        datasets.slakh2100(tmp_path, "omitted")
    with pytest.raises(ParameterError, match="and subset=None"):
        datasets.slakh2100(tmp_path, None)
    # BabySlakh: wav, and nothing is said to be rendered
    for seed in range(len(corpus.classes)):
        (corpus.folder / "stems" / f"S{seed:02d}.flac").unlink()
        write(corpus.folder / "stems" / f"S{seed:02d}.wav", sound(seed, 1))
        corpus.content["stems"][f"S{seed:02d}"]["audio_rendered"] = False
    corpus.write(corpus.content)
    mixture, stems = datasets.slakh2100(tmp_path)[corpus.song].load()
    assert np.allclose(mixture, sum(stems.values()), atol=1e-6)


def test_files_that_are_missing_are_named_by_the_check(corpus):
    path = sorted(p for p in corpus.folder.glob("*/*") if p.suffix in (".flac", ".wav"))[0]
    path.unlink()
    found = datasets.check(corpus.read(corpus.root), False).iloc[0]
    assert not found["usable"]
    assert f"{path}: no such file" in found["problem"]


# --- Lists that are wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a list of a song's files in JSON|must be an object"),
        ("\0", "not a list of a song's files in (JSON|YAML)"),
        ("[1, 2", "not a list of a song's files in (JSON|YAML)"),
        ("[" * 100_000, "not a list of a song's files in (JSON|YAML)"),
        ("[1, 2]", r"it must be an object \(got \[1, 2\]\)"),
        ("{}", "key '(has_bleed|stems)' is missing"),
    ],
)
def test_what_is_no_list_of_stems(corpus, text, message):
    corpus.path.write_text(text)
    told = said(corpus)
    assert told.startswith(f"{corpus.path}: ")
    assert re.search(message, told)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"a": "' + b"x" * (1 << 21) + b'"}'])
def test_what_is_no_text_or_too_large(corpus, content):
    corpus.path.write_bytes(content)
    assert said(corpus).startswith(f"{corpus.path}: not a ")


def test_yaml_makes_no_objects_and_no_copies(tmp_path):
    corpus = MedleyDB(tmp_path)
    for text in (
        "stems: !!python/object/apply:os.system ['touch executed']",
        "a: &a [x, x]\nstems: [*a, *a]",
    ):
        corpus.path.write_text(text)
        assert "not a list of a song's files in YAML" in said(corpus)
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "stems",
    [None, 7, "vocals", [], {}, [7], [[]], {"S01": 7}, {"../S01": {}}, {1: {}}, [{}], {"S01": {}}],
    ids=repr,
)
def test_stems_of_another_form(corpus, stems):
    corpus.write(corpus.content | {"stems": stems})
    told = said(corpus)
    assert told.startswith(f"{corpus.path}: ")
    assert re.search(r"stems|the song names no files", told)


#: Values that are no names of files.
NO_NAMES = [
    "../x", "..", "/etc/passwd", "a/b", "a\\b", ".hidden", "", "x\0y", "~", "x\n", 7, None, [],
]  # fmt: skip


@pytest.mark.parametrize("value", NO_NAMES, ids=repr)
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (MoisesDB, "stemName"), (MoisesDB, "id"), (MoisesDB, "extension"),
        (MedleyDB, "filename"),
    ],
)  # fmt: skip
def test_names_of_files_stay_in_their_folder(kind, key, value, tmp_path):
    corpus = kind(tmp_path)
    stem = first_stem(corpus.content)
    place = stem if key in ("stemName", "filename") else stem["tracks"][0]
    place[key] = value
    corpus.write(corpus.content)
    told = said(corpus)
    assert told.startswith(f"{corpus.path}: stems.")
    assert f"{key} must be a plain name" in told
    assert mssviz._values.shown(value) in told


@pytest.mark.parametrize("value", [7, None, "two\nlines", ["Guitar", 7], [], {"a": 1}], ids=repr)
@pytest.mark.parametrize(("kind", "key"), [(MedleyDB, "instrument"), (Slakh, "inst_class")])
def test_instruments_are_lines_of_text(kind, key, value, tmp_path):
    corpus = kind(tmp_path)
    first_stem(corpus.content)[key] = value
    corpus.write(corpus.content)
    assert f"{corpus.path}: stems." in said(corpus)


def test_a_sound_that_slakhs_list_lacks(tmp_path):
    corpus = Slakh(tmp_path)
    write(corpus.folder / "stems" / "S42.flac", sound(9, 1))
    assert "its stems lack S42.flac, which are in the folder stems" in said(corpus)


def test_only_whether_a_stem_was_rendered_and_leaks_is_true_or_false(tmp_path):
    slakh, medley = Slakh(tmp_path / "a"), MedleyDB(tmp_path / "b")
    slakh.content["stems"]["S06"]["audio_rendered"] = "maybe"
    slakh.write(slakh.content)
    assert "stems.S06.audio_rendered must be 'yes' or 'no' (got 'maybe')" in said(slakh)
    medley.write(medley.content | {"has_bleed": 1})
    assert "has_bleed must be 'yes' or 'no' (got 1)" in said(medley)


def test_titles_are_text(tmp_path):
    corpus = MoisesDB(tmp_path)
    for artist in ("<img src=x onerror=alert(1)>", "{0.__class__}", "$(touch x)"):
        corpus.write(corpus.content | {"artist": artist})
        assert datasets.moisesdb(tmp_path)[corpus.song].name == f"{artist} - Nox"
    for artist in ("a\nb", 7, ["a"]):
        corpus.write(corpus.content | {"artist": artist})
        assert f"{corpus.path}: artist must be " in said(corpus)


@pytest.mark.parametrize("kind", CORPORA, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:.*instruments taken for other")
def test_damaged_lists_give_tracks_or_one_line(kind, tmp_path):
    corpus, errors = kind(tmp_path), 0
    good = corpus.path.read_bytes()
    for number in range(100):
        rng = np.random.default_rng((7, number))
        if number % 2:
            # JSON is YAML, too
            text = json.dumps(nonsense(corpus.content, rng)).encode("utf-8", "surrogatepass")
            corpus.path.write_bytes(text)
        else:
            corpus.path.write_bytes(flipped(good, rng))
        tracks, told = outcome(corpus.read, tmp_path)
        assert "\n" not in told
        assert tracks or told.startswith(f"{corpus.path}: ")
        errors += bool(told)
        for track in (tracks or {}).values():
            assert all(path.resolve().is_relative_to(corpus.folder) for path in track.files)
            assert "\n" not in outcome(track.load)[1]
    assert 20 < errors < 100


@pytest.fixture(scope="module")
def moises(tmp_path_factory):
    return MoisesDB(tmp_path_factory.mktemp("moises"))


@given(name=st.text() | st.sampled_from(["..", "../../x", "/", "C:\\x", "a/../../b"]))
def test_whatever_is_named_is_in_the_songs_folder_or_an_error(moises, name):
    content = json.loads(json.dumps(moises.content))
    content["stems"][0]["stemName"] = content["stems"][0]["tracks"][0]["id"] = name
    moises.write(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are in no list
        tracks, _ = outcome(datasets.moisesdb, moises.root)
    for track in (tracks or {}).values():
        assert all(path.resolve().is_relative_to(moises.folder) for path in track.files)


# --- The list of instruments ------------------------------------------------------------------


#: Columns of the page's table.
HEADS = ["MoisesDB (`stemName`)", "MedleyDB (`instrument`)", "Slakh2100 (`inst_class`)"]


@pytest.mark.parametrize("corpus", LISTED)
def test_an_instrument_belongs_to_one_stem(corpus):
    names = [name for found in LISTED[corpus].values() for name in found]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and "_" not in name for name in names)
    assert set(LISTED[corpus]) - {"left out"} == set(datasets.CORPUS_STEMS)


def test_the_table_of_the_page_says_what_the_list_says():
    text = (ROOT / "datasets" / "README.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    head = rows.index(["stem", *HEADS])
    found = {row[0]: row[1:] for row in rows[head + 1 : head + 8]}
    for number, corpus in enumerate(LISTED):
        for stem, names in LISTED[corpus].items():
            assert found[stem][number] == (", ".join(names) or "–"), (corpus, stem)
