"""Songs with known stems: whatever lengths and channels files have, stems have one shape."""

from dataclasses import replace

import numpy as np
import pytest

import mssviz
from mssviz import datasets
from mssviz.errors import AudioError, ParameterError

RATE = 44100


def sound(seed, seconds=1.0, n_channels=2):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((round(seconds * RATE), n_channels))).astype(np.float32)


@pytest.fixture
def song(tmp_path):
    def write(**stems):
        folder = tmp_path / "song"
        folder.mkdir()
        for name, stem in stems.items():
            mssviz.write_audio(folder / f"{name}.wav", stem, RATE, bit_depth="float")
        return datasets.from_folder(folder)

    return write


def test_a_songs_length_is_that_of_its_longest_file(song):
    whole = song(vocals=sound(0, 1.5), bass=sound(1, 2.0))
    assert whole.seconds == pytest.approx(2.0)
    assert replace(whole, start=0.5, skip_end=0.25).seconds == pytest.approx(1.25)
    assert whole.excerpt(0.5, 1.0).seconds == 1.0


def test_mono_is_repeated_beside_stereo(song):
    vocals, bass = sound(0, n_channels=1), sound(1)
    mixture, stems = song(vocals=vocals, bass=bass).load()
    assert np.array_equal(stems["vocals"], np.repeat(vocals, 2, axis=1))
    assert np.array_equal(stems["bass"], bass)
    assert np.allclose(mixture, vocals + bass, atol=1e-6)


def test_mono_alone_stays_mono(song):
    mixture, stems = song(vocals=sound(0, n_channels=1), bass=sound(1, n_channels=1)).load()
    assert {mixture.shape, *(stem.shape for stem in stems.values())} == {(RATE, 1)}


def test_other_channels_are_refused_by_name(song):
    track = song(vocals=sound(0), bass=sound(1, n_channels=6))
    with pytest.raises(AudioError, match=r"vocals\.wav: has 2 channels, another stem 6"):
        track.load()
    assert "has 2 channels" in datasets.check({"a": track}, False).loc["a", "problem"]


def test_a_shorter_stem_is_followed_by_silence(song):
    vocals, bass = sound(0, 0.5), sound(1)
    track = song(vocals=vocals, bass=bass)
    with pytest.warns(UserWarning, match=r"vocals\.wav: ends at 0\.50 s, 0\.50 s before"):
        mixture, stems = track.load()
    assert np.array_equal(stems["vocals"][: len(vocals)], vocals)
    assert not stems["vocals"][len(vocals) :].any()
    assert np.array_equal(mixture[len(vocals) :], bass[len(vocals) :])


def test_what_an_encoder_adds_is_no_matter(song):
    mixture, _ = song(vocals=sound(0, 0.95), bass=sound(1)).load()  # a warning would be an error
    assert len(mixture) == RATE


def test_a_part_behind_a_stems_end_is_silent(song):
    bass = sound(1)
    track = song(vocals=sound(0, 0.5), bass=bass)
    with pytest.warns(UserWarning, match=r"vocals\.wav: ends before 0\.60 s"):
        mixture, stems = track.load(0.6, 0.3)
    assert not stems["vocals"].any()
    assert np.array_equal(mixture, bass[26460:39690])
    assert len(track.load(0.1, 0.2)[0]) == 8820  # no warning: nothing is missing there
    with pytest.raises(AudioError, match="no samples between 2 s and its end"):
        track.load(2)


def test_what_was_repaired_is_told_in_seconds_of_the_part(song, repaired):
    track = song(vocals=sound(0), bass=sound(1))
    repaired["vocals.wav"] = [(0.5, 0.6)]
    assert track.sound().repairs == [(0.5, 0.6)]
    [(start, stop)] = track.excerpt(0.1, 0.8).sound(0.2, 0.5).repairs
    assert (start, stop) == pytest.approx((0.2, 0.3))


def files_of(track, source):
    """The files of a track's stem, as several files of one stem are given."""
    return [track.stems[source]]


def test_a_stem_of_several_files_is_their_sum(song):
    lead, choir, bass = sound(0), sound(1, n_channels=1), sound(2)
    track = song(lead=lead, choir=choir, bass=bass)
    voices = files_of(track, "lead") + files_of(track, "choir")
    joined = replace(track, stems={"vocals": voices, "bass": track.stems["bass"]})
    mixture, stems = joined.load()
    assert list(stems) == ["vocals", "bass"]
    assert np.allclose(stems["vocals"], lead + choir, atol=1e-6)
    assert np.allclose(mixture, lead + choir + bass, atol=1e-6)
    assert len(joined.files) == 3
    assert joined.seconds == pytest.approx(1.0)


def test_each_file_of_a_stem_is_checked(song, repaired):
    track = song(lead=sound(0, 0.5), choir=sound(1), bass=sound(2))
    voices = files_of(track, "lead") + files_of(track, "choir")
    joined = replace(track, stems={"vocals": voices, "bass": track.stems["bass"]})
    repaired["choir.wav"] = [(0.5, 0.6)]
    with pytest.warns(UserWarning, match=r"lead\.wav: ends at 0\.50 s"):
        assert joined.sound().repairs == [(0.5, 0.6)]
    problem = datasets.check({"a": joined}, False).loc["a", "problem"]
    assert "vocals lead.wav 0.50 s, vocals choir.wav 1.00 s, bass 1.00 s" in problem
    assert "damaged (vocals choir.wav at 0.50 s)" in problem


def test_a_stem_without_files_is_silent(song):
    track = song(vocals=sound(0), bass=sound(1))
    mixture, stems = replace(track, stems={**track.stems, "piano": []}).load(0.25, 0.5)
    assert stems["piano"].shape == mixture.shape
    assert not stems["piano"].any()
    with pytest.raises(ParameterError, match="dict of source to file"):
        datasets.Track("nothing", {"piano": []})


def test_sounds_of_different_songs_end_with_the_shortest(song):
    vocals, bass = sound(0, 0.5), sound(1)
    track = replace(song(vocals=vocals, bass=bass), shortest=True)
    assert track.seconds == pytest.approx(0.5)
    mixture, stems = track.load()  # a warning would be an error
    assert np.array_equal(stems["bass"], bass[: len(vocals)])
    assert len(mixture) == len(vocals)
    assert len(track.load(0.4, 0.3)[0]) == round(0.1 * RATE)
    with pytest.raises(AudioError, match=r"no samples between 0\.6 s and its end"):
        track.load(0.6)


def test_a_key_holds_every_file_and_where_the_track_ends(song):
    track = song(vocals=sound(0), bass=sound(1), choir=sound(2))
    stems = {"vocals": files_of(track, "vocals"), "bass": track.stems["bass"]}
    one = replace(track, stems=stems)
    two = replace(track, stems={**stems, "vocals": [*stems["vocals"], track.stems["choir"]]})
    silent = replace(track, stems={**stems, "piano": []})
    keys = [str(t.depends_on(str)) for t in (one, two, silent, replace(one, shortest=True))]
    assert len(set(keys)) == len(keys)
    plain = replace(track, stems={name: track.stems[name] for name in ("vocals", "bass")})
    assert plain.depends_on(str) == one.depends_on(str)


def test_an_excerpt_stays_within_its_track(song):
    part = song(vocals=sound(0, 2), bass=sound(1, 2)).excerpt(0.5, 1.0)
    assert part.excerpt(0.75, 5.0).seconds == pytest.approx(0.25)
    assert len(part.excerpt(0.75, 5.0).load()[0]) == RATE // 4
    assert part.excerpt(0, 600).seconds == pytest.approx(1.0)
    for start, duration in ((-0.1, 1.0), (1.0, 1.0), (0.5, 0.0), (0.5, float("nan"))):
        with pytest.raises(ParameterError, match=r"song: an excerpt begins in the track's 1\.00 s"):
            part.excerpt(start, duration)


def test_an_excerpt_that_is_longer_than_its_song_knows_how_long_it_is(song):
    assert song(vocals=sound(0, 2), bass=sound(1, 2)).excerpt(1.5, 600).seconds == 0.5
