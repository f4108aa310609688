"""Writing while computing gives what `Separator.separate` gives, and all of it or nothing."""

import numpy as np
import pytest

import mssviz
from mssviz import audio, datasets, export
from mssviz.errors import AudioError, Cancelled, ParameterError
from mssviz.export import FileOptions, separate_file, stem_paths

pytestmark = pytest.mark.slow

FLOAT = FileOptions(bit_depth="float")
TARGETS = ("vocals", "accompaniment")


def snr_db(expected, found):
    return 10 * np.log10(np.square(expected).sum() / np.square(expected - found).sum())


@pytest.fixture(scope="module")
def song():
    return datasets.example_mixture()


@pytest.fixture(scope="module")
def streamed(separator, song, tmp_path_factory):
    """The example in files, with masks."""
    folder = tmp_path_factory.mktemp("streamed")
    options = FileOptions(bit_depth="float", masks=True)
    [files] = stem_paths([song], TARGETS, folder, options)
    return files, separate_file(separator, song, files, options=options, progress=False)


@pytest.fixture
def wiener(separator):
    filtering = mssviz.Separator(mwf_iterations=1, progress=False)
    filtering._network = separator.network
    return filtering


def test_stems_equal_those_in_memory(streamed, separation):
    files, _ = streamed
    for target in TARGETS:
        found, rate = audio.load_audio(files[target], sample_rate=None)
        assert rate == 44100
        assert found.shape == separation.mixture.shape
        np.testing.assert_allclose(found, separation.estimates[target], atol=1e-6)


def test_masks_equal_those_in_memory(streamed, separation):
    files, written = streamed
    for target in TARGETS:
        path = files[target].with_name(f"{target}_mask.npy")
        assert path in written
        found = np.load(path, allow_pickle=False)
        assert found.dtype == np.float16
        assert found.shape == separation.masks[target].shape
        np.testing.assert_allclose(found, separation.masks[target][:], atol=1e-3)


def test_a_picture_of_all_masks(streamed):
    files, written = streamed
    picture = files["vocals"].with_name("masks.png")
    assert picture in written
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in written} == {p.name for p in picture.parent.iterdir()}


def test_the_wiener_filter_equals_that_in_memory(wiener, separation, song, tmp_path):
    [files] = stem_paths([song], TARGETS, tmp_path, FLOAT)
    separate_file(wiener, song, files, options=FLOAT, progress=False)
    expected = separation.with_options(mwf_iterations=1).estimates
    for target in TARGETS:
        found, _ = audio.load_audio(files[target])
        assert found.shape == expected[target].shape
        np.testing.assert_allclose(found, expected[target], atol=1e-4)


@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 44100, 88200, 512 * 1024 - 4096, 520_193])
def test_stems_are_as_long_as_the_song(separator, tmp_path, n_samples):
    path = tmp_path / "song.wav"
    audio.write_audio(path, np.full((n_samples, 2), 0.1, np.float32), 44100)
    [files] = stem_paths([path], ["vocals"], tmp_path, FLOAT)
    separate_file(separator, path, files, options=FLOAT, progress=False)
    assert len(audio.load_audio(files["vocals"])[0]) == n_samples


@pytest.mark.parametrize("codec", audio.CODECS)
def test_a_part_and_a_subset_in_every_codec(separator, separation, song, tmp_path, codec):
    options = FileOptions(codec=codec, bitrate="320k")
    [files] = stem_paths([song], ["accompaniment"], tmp_path, options)
    written = separate_file(
        separator, song, files, offset=0.0, duration=1.5, options=options, progress=False
    )
    assert [p.name for p in written] == [f"accompaniment.{codec}"]
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == written
    found, _ = audio.load_audio(written[0])
    n_samples = round(1.5 * 44100)
    assert 0 <= len(found) - n_samples < (2048 if codec == "wma" else 1)
    # the patch ends elsewhere, so the network does not see quite the same
    start = slice(0, 44100 // 2)
    assert snr_db(separation.estimates["accompaniment"][start], found[start]) > 10


def test_mono_and_other_rates(separator, tmp_path):
    path = tmp_path / "mono.wav"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (22050, 1)).astype(np.float32)
    audio.write_audio(path, noise, 22050)
    [files] = stem_paths([path], TARGETS, tmp_path, FLOAT)
    separate_file(separator, path, files, options=FLOAT, progress=False)
    stems = [audio.load_audio(file, sample_rate=None) for file in files.values()]
    for stem, rate in stems:
        assert (stem.shape, rate) == ((44100, 2), 44100)
        assert snr_db(stem[:, 0], stem[:, 1]) > 30  # the network has weights for each channel


def test_progress_is_told_in_seconds(separator, song, tmp_path):
    seen = []
    [files] = stem_paths([song], ["vocals"], tmp_path, FLOAT)
    separate_file(separator, song, files, duration=13.0, progress=lambda *told: seen.append(told))
    assert [what for _, _, what in seen] == ["separate", "separate"]
    assert [total for _, total, _ in seen] == [13.0, 13.0]
    assert 0 < seen[0][0] < seen[1][0] == 13.0


@pytest.mark.parametrize("mwf_iterations", [0, 1])
@pytest.mark.parametrize("masks", [False, True])
def test_cancelling_leaves_nothing(separator, wiener, song, tmp_path, masks, mwf_iterations):
    def stop(*_):
        raise Cancelled("enough")

    options = FileOptions(masks=masks)
    [files] = stem_paths([song], TARGETS, tmp_path, options)
    chosen = wiener if mwf_iterations else separator
    with pytest.raises(Cancelled, match="enough"):
        separate_file(chosen, song, files, options=options, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_leaves_older_files(separator, song, tmp_path):
    def stop(*_):
        raise Cancelled

    [files] = stem_paths([song], TARGETS, tmp_path, FLOAT)
    files["vocals"].parent.mkdir()
    files["vocals"].write_bytes(b"older")
    with pytest.raises(Cancelled):
        separate_file(separator, song, files, progress=stop)
    assert files["vocals"].read_bytes() == b"older"
    assert list(tmp_path.rglob("*")) == [files["vocals"].parent, files["vocals"]]


@pytest.mark.parametrize("masks", [False, True])
def test_a_failure_at_the_last_moment_leaves_nothing(separator, song, tmp_path, monkeypatch, masks):
    def fail(self):
        raise AudioError("the disk went away")

    last = export._MaskRecorder if masks else audio.AudioWriter
    monkeypatch.setattr(last, "finish", fail)
    options = FileOptions(masks=masks)
    [files] = stem_paths([song], TARGETS, tmp_path, options)
    with pytest.raises(AudioError, match="went away"):
        separate_file(separator, song, files, duration=1.0, options=options, progress=False)
    assert list(tmp_path.iterdir()) == []


# -- names -----------------------------------------------------------------------------------


def test_plan_names_files_like_spleeter(tmp_path):
    inputs = [tmp_path / "album" / "one.mp3", tmp_path / "album" / "two.ogg"]
    found = stem_paths(inputs, TARGETS, "out", FileOptions(codec="flac"))
    assert [str(p) for files in found for p in files.values()] == [
        "out/one/vocals.flac",
        "out/one/accompaniment.flac",
        "out/two/vocals.flac",
        "out/two/accompaniment.flac",
    ]
    named = FileOptions(name_format="{foldername}_{filename}_{instrument}.{codec}")
    [files] = stem_paths(inputs[:1], TARGETS, "out", named)
    assert [str(p) for p in files.values()] == [
        "out/album_one_vocals.wav",
        "out/album_one_accompaniment.wav",
    ]


def test_plan_takes_file_names_as_they_are(tmp_path):
    for name in ("{instrument}", "a.b", "100 %s", "ä ö", "-o"):
        [files] = stem_paths([tmp_path / f"{name}.mp3"], ["vocals"], "out", FileOptions())
        assert str(files["vocals"]) == f"out/{name}/vocals.wav"


def test_plan_is_relative_to_nothing_but_its_folder(tmp_path):
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(ParameterError, match="leads out of"):
        stem_paths(["song.mp3"], TARGETS, tmp_path, FileOptions(name_format="link/{instrument}"))


def test_stems_that_the_network_does_not_have(separator, song, tmp_path):
    for files in ({}, {"drums": tmp_path / "drums.wav"}):
        with pytest.raises(ParameterError, match="among vocals, accompaniment"):
            separate_file(separator, song, files, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("inputs", "name_format", "remedy"),
    [
        (["s.wav", "s.mp3"], "{filename}/{instrument}", "{suffix}/{filename}/{instrument}"),
        (["a/s.wav", "b/s.wav"], "{filename}/{instrument}", "{foldername}/{filename}/{instrument}"),
        (["a/s.wav", "b/t.mp3"], "{instrument}", "{filename}/{instrument}"),
        (["s.wav"], "{filename}", "{instrument}/{filename}"),
    ],
)
def test_the_remedy_for_a_conflict_of_names_helps(tmp_path, inputs, name_format, remedy):
    with pytest.raises(ParameterError, match="path conflict") as error:
        stem_paths(inputs, TARGETS, tmp_path, FileOptions(name_format=name_format))
    assert f'"{remedy}"' in str(error.value)
    found = stem_paths(inputs, TARGETS, tmp_path, FileOptions(name_format=remedy))
    assert len({path for files in found for path in files.values()}) == 2 * len(inputs)


def test_songs_that_no_name_tells_apart(tmp_path):
    for second in ("a/x/s.wav", "b/x/s.wav"):
        with pytest.raises(ParameterError, match="one at a time, each into another folder"):
            stem_paths(["a/x/s.wav", second], TARGETS, tmp_path, FileOptions(
                name_format="{suffix}/{foldername}/{filename}/{instrument}"))  # fmt: skip


# -- one call ----------------------------------------------------------------------------------


def test_one_call_from_songs_to_files(separator, song, tmp_path):
    [files] = mssviz.separate_files(
        str(song), tmp_path, separator, offset=1.0, duration=0.5, masks=True, progress=False
    )
    assert list(files) == list(TARGETS)
    for target, path in files.items():
        assert len(audio.load_audio(path)[0]) == 22050
        assert path.with_name(f"{target}_mask.npy").is_file()
    several = mssviz.separate_files(
        [song, files["vocals"]], tmp_path / "new", "teaching:4stems",
        duration=0.4, codec="flac", name_format="{filename}-{instrument}.{codec}", progress=False,
    )  # fmt: skip
    names = [path.name for files in several for path in files.values()]
    assert names[:2] == ["mixture-vocals.flac", "mixture-drums.flac"]
    assert names[4:6] == ["vocals-vocals.flac", "vocals-drums.flac"]
    assert all(path.is_file() for files in several for path in files.values())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filename_format": "{instrument}"}, "'filename_format': write name_format"),
        ({"synchronous": False}, "'synchronous': leave it out"),
        ({"destination": "x"}, "'destination': the folder is the second argument"),
        ({"bit_dept": "16"}, "did you mean bit_depth?"),
        ({"colour": "red"}, "choose among codec, bitrate, bit_depth, name_format, masks"),
    ],
)
def test_keywords_that_one_call_does_not_have(separator, tmp_path, options, said):
    with pytest.raises(ParameterError) as error:
        mssviz.separate_files("song.mp3", tmp_path, separator, **options)
    assert said in str(error.value)
