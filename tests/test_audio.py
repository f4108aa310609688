import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mssviz import audio, datasets
from mssviz.audio import AudioReader, AudioWriter, load_audio, write_audio
from mssviz.errors import AudioError, ParameterError

RATE = 44100
LOSSY = {"mp3": 15, "ogg": 15, "m4a": 15, "wma": 15}  # codec to least SNR at 192k, dB
EXACT_LENGTH = ("wav", "flac", "mp3", "ogg", "m4a")


def song(seconds=2.003, rate=RATE, n_channels=2, seed=0):
    """Chords and noise, different in every channel, peak below 1."""
    t = np.arange(round(seconds * rate))[:, None] / rate
    channels = np.arange(1, n_channels + 1)
    tones = sum(np.sin(2 * np.pi * f * (1 + 0.01 * channels) * t) for f in (110, 277.2, 659.3))
    noise = np.random.default_rng(seed).standard_normal(tones.shape)
    return (0.12 * tones + 0.01 * noise).astype(np.float32)


def snr_db(reference, heard):
    n = min(len(reference), len(heard))
    error = np.square(reference[:n] - heard[:n]).sum()
    return 10 * np.log10(np.square(reference[:n]).sum() / error)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The same song in every codec."""
    folder = tmp_path_factory.mktemp("codecs")
    for codec in audio.CODECS:
        write_audio(folder / f"song.{codec}", song(), RATE, bitrate="192k")
    return folder


# -- round trips -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", range(1, 7))
def test_float_wav_keeps_every_bit(tmp_path, n_channels):
    waveform = 3 * song(0.3, n_channels=n_channels)
    write_audio(tmp_path / "x.wav", waveform, RATE, bit_depth="float")
    found, rate = load_audio(tmp_path / "x.wav")
    assert rate == RATE
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, waveform)


@pytest.mark.parametrize("codec", ["wav", "flac"])
@pytest.mark.parametrize("bit_depth", ["16", "24"])
@pytest.mark.parametrize("n_channels", [1, 2, 6, 8])
def test_integer_formats_are_within_one_step(tmp_path, codec, bit_depth, n_channels):
    waveform = song(0.3, n_channels=n_channels)
    path = tmp_path / f"x.{codec}"
    write_audio(path, waveform, RATE, bit_depth=bit_depth)
    found, _ = load_audio(path)
    assert found.shape == waveform.shape
    assert np.abs(found - waveform).max() <= 2.0 ** (1 - int(bit_depth))
    independent, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(found, independent)


@pytest.mark.parametrize("codec", LOSSY)
def test_lossy_codecs_keep_sound_and_start(written, codec):
    found, _ = load_audio(written / f"song.{codec}")
    assert snr_db(song(), found) > LOSSY[codec]  # one sample of delay would cost all of it


@pytest.mark.parametrize("codec", EXACT_LENGTH)
def test_length_is_exact(written, codec):
    with AudioReader(written / f"song.{codec}") as reader:
        assert reader.n_samples == len(song())
        assert sum(map(len, reader.blocks())) == len(song())


def test_wma_is_whole_frames_and_at_most_one_longer(written):
    found, _ = load_audio(written / "song.wma")
    assert 0 <= len(found) - len(song()) < 2048


def test_m4a_length_is_exact_at_odd_rates(tmp_path):
    for rate in (8000, 22050, 48000):
        waveform = song(0.5011, rate)
        write_audio(tmp_path / "x.m4a", waveform, rate)
        assert len(load_audio(tmp_path / "x.m4a", sample_rate=None)[0]) == len(waveform)


def test_short_vorbis_is_at_most_one_block_off(tmp_path):
    # in a file of one page, FFmpeg miscounts the encoder's first block
    write_audio(tmp_path / "x.ogg", song(0.2), RATE)
    found, _ = load_audio(tmp_path / "x.ogg")
    assert abs(len(found) - len(song(0.2))) <= 1024
    assert snr_db(song(0.2), found) > 15


@pytest.mark.parametrize("codec", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("rate", [8000, 11025, 96000, 192000])
def test_sample_rates_are_kept(tmp_path, codec, rate):
    waveform = song(0.5, rate)
    write_audio(tmp_path / f"x.{codec}", waveform, rate)
    found, found_rate = load_audio(tmp_path / f"x.{codec}", sample_rate=None)
    assert found_rate == rate
    assert abs(len(found) - len(waveform)) <= 256
    assert snr_db(waveform, found) > 15


@pytest.mark.parametrize(
    ("subtype", "step"), [("PCM_U8", 2**-7), ("PCM_24", 2**-23), ("PCM_32", 2**-24), ("DOUBLE", 0)]
)
def test_wav_of_other_programs(tmp_path, subtype, step):
    soundfile.write(tmp_path / "x.wav", song(0.2), RATE, subtype=subtype)
    found, _ = load_audio(tmp_path / "x.wav")
    assert np.abs(found - song(0.2)).max() <= step


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 400), st.integers(1, 4)),
        elements=st.floats(-4, 4, width=32),
    ),
    st.sampled_from([8000, 44100, 192000]),
)
def test_float_wav_is_the_identity(tmp_path_factory, waveform, rate):
    path = tmp_path_factory.getbasetemp() / "property.wav"
    write_audio(path, waveform, rate, bit_depth="float")
    found, found_rate = load_audio(path, sample_rate=None)
    assert found_rate == rate
    np.testing.assert_array_equal(found, waveform)


# -- parts, blocks, streams ------------------------------------------------------------------


@pytest.mark.parametrize("codec", audio.CODECS)
@pytest.mark.parametrize(
    ("offset", "duration"), [(0, 0.3), (0.5, 0.7), (1.23456, 0.1), (1.7, None), (1.5, 60)]
)
def test_a_part_equals_a_slice(written, codec, offset, duration):
    path = written / f"song.{codec}"
    whole, _ = load_audio(path)
    part, _ = load_audio(path, offset, duration)
    first = round(offset * RATE)
    stop = None if duration is None else first + round(duration * RATE)
    np.testing.assert_array_equal(part, whole[first:stop])


@pytest.mark.parametrize("codec", ["wav", "flac"])
def test_a_late_part_equals_a_slice(tmp_path, codec):
    waveform = song(12)
    write_audio(tmp_path / f"x.{codec}", waveform, RATE)
    part, _ = load_audio(tmp_path / f"x.{codec}", 9.87654, 1.5)
    first = round(9.87654 * RATE)
    assert np.abs(part - waveform[first : first + round(1.5 * RATE)]).max() <= 2**-15


@pytest.mark.parametrize("offset", [2.1, 1e6])
def test_offset_beyond_the_end(written, offset):
    for codec in audio.CODECS:
        with pytest.raises(AudioError, match="choose another part"):
            load_audio(written / f"song.{codec}", offset, 1.0)


@pytest.mark.parametrize("sample_rate", [None, 22050, 48000])
@pytest.mark.parametrize("codec", ["wav", "mp3"])
def test_blocks_equal_the_whole(written, codec, sample_rate):
    whole, _ = load_audio(written / f"song.{codec}", sample_rate=sample_rate)
    for seconds in (0.05, 0.7):
        with AudioReader(written / f"song.{codec}", sample_rate=sample_rate) as reader:
            blocks = list(reader.blocks(seconds))
        assert len(blocks) > 1
        np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


def test_resampled_file_equals_resampled_waveform(written):
    whole, _ = load_audio(written / "song.wav")
    found, rate = load_audio(written / "song.wav", sample_rate=32000)
    expected = soxr.resample(whole, RATE, 32000, quality="VHQ")
    assert rate == 32000
    assert abs(len(found) - len(expected)) <= 1
    n = min(len(found), len(expected))
    np.testing.assert_allclose(found[:n], expected[:n], atol=1e-5)


@pytest.mark.parametrize("rates", [(48000, 44100), (44100, 22050), (8000, 44100), (192000, 44100)])
def test_resampling_keeps_frequency_and_level(rates):
    before, after = rates
    t = np.arange(2 * before) / before
    sine = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)[:, None]
    found = audio.resample(sine, before, after)
    assert found.dtype == np.float32
    assert len(found) == 2 * after
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * after) / after)
    inner = slice(after // 10, -after // 10)
    np.testing.assert_allclose(found[inner, 0], expected[inner], atol=1e-4)


def test_resampling_to_the_same_rate_is_nothing():
    waveform = song(0.1)
    assert audio.resample(waveform, RATE, RATE) is waveform


def test_streams_of_a_stem_file():
    track = datasets.examples().get("musdb")
    if track is None:
        pytest.skip("museval's excerpt is not installed")
    path = next(iter(track.stems.values()))[0]
    streams = [load_audio(path, stream=i)[0] for i in range(5)]
    assert {s.shape for s in streams} == {streams[0].shape}
    inner = slice(RATE, 5 * RATE)
    mixture, stems = streams[0][inner], np.add.reduce(streams[1:])[inner]
    assert snr_db(mixture, stems) > 15
    part, _ = load_audio(path, 2.0, 0.5, stream=3)
    np.testing.assert_array_equal(part, streams[3][2 * RATE : 2 * RATE + RATE // 2])
    with pytest.raises(AudioError, match="has 5 audio streams, number 5"):
        load_audio(path, stream=5)


def test_a_video_without_sound(tmp_path):
    with av.open(str(tmp_path / "x.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="holds no audio"):
        load_audio(tmp_path / "x.mp4")


@pytest.mark.parametrize(
    ("offset", "duration"), [(-1, None), (np.nan, None), (0, 0), (0, -1), (0, np.inf)]
)
def test_nonsense_parts(written, offset, duration):
    with pytest.raises(ParameterError, match=r"offset|duration"):
        load_audio(written / "song.wav", offset, duration)


# -- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "bit_depth"), [("wav", "16"), ("flac", "24"), ("mp3", "16")])
def test_clipping_is_counted_and_told(tmp_path, codec, bit_depth):
    waveform = song(0.2)
    waveform[10:15, 1] = 2.0
    with pytest.warns(UserWarning, match=r"5 samples exceeded full scale \(peak \+6\.0 dBFS\)"):
        write_audio(tmp_path / f"x.{codec}", waveform, RATE, bit_depth=bit_depth)
    if codec != "mp3":
        assert load_audio(tmp_path / f"x.{codec}")[0][12, 1] == pytest.approx(1, abs=2**-14)


def test_full_scale_is_no_clipping(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_audio(tmp_path / "x.wav", np.array([1.0, -1.0, 0.0]), RATE)


def write_half(path):
    with AudioWriter(path, RATE, 2) as writer:
        writer.write(song(0.2))
        raise KeyError


@pytest.mark.parametrize("codec", audio.CODECS)
def test_an_error_while_writing_leaves_nothing(tmp_path, codec):
    with pytest.raises(KeyError):
        write_half(tmp_path / f"x.{codec}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_written(tmp_path, value):
    block = np.zeros((100, 2), np.float32)
    writer = audio.AudioWriter(tmp_path / "a.wav", 44100, 2)
    writer.write(block)
    block[50, 1] = value
    with pytest.raises(AudioError, match="not finite"):
        writer.write(block)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")
    with pytest.raises(KeyError):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("codec", audio.CODECS)
def test_writing_in_blocks_equals_writing_at_once(written, tmp_path, codec):
    path = tmp_path / f"song.{codec}"
    with AudioWriter(path, RATE, 2, bitrate="192k") as writer:
        for start in range(0, len(song()), 5000):
            writer.write(song()[start : start + 5000])
        assert writer.peak == np.abs(song()).max()
        assert writer.n_clipped == 0
    # libvorbis chooses its first block by what it has been given so far
    tolerance = 0.02 if codec == "ogg" else 1e-6
    at_once, _ = load_audio(written / f"song.{codec}")
    np.testing.assert_allclose(load_audio(path)[0], at_once, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("x.xyz", {}, "codec must be one of wav"),
        ("x", {}, "codec must be one of wav"),
        ("x.flac", {"bit_depth": "float"}, "choose 16 or 24"),
        ("x.wav", {"bit_depth": "8"}, "choose 16 or 24"),
        ("x.mp3", {"bitrate": "fast"}, "such as 192k"),
        ("x.mp3", {"bitrate": "1"}, "such as 192k"),
        ("x.mp3", {"bitrate": "nan"}, "such as 192k"),
        ("x.mp3", {"bitrate": "inf"}, "such as 192k"),
        ("x.mp3", {"sample_rate": 192000}, "mp3 cannot hold 2 channels at 192000 Hz"),
        ("x.m4a", {"sample_rate": 192000}, "m4a cannot hold 2 channels at 192000 Hz"),
        ("x.wav", {"sample_rate": 7}, "between 1000 and 768000 Hz"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, options, match):
    options = {"sample_rate": RATE, **options}
    with pytest.raises((ParameterError, AudioError), match=match):
        write_audio(tmp_path / name, song(0.1), **options)
    assert not list(tmp_path.iterdir())


# -- waveforms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waveform", "match"),
    [
        (np.zeros((0, 2)), "samples"),
        (np.zeros((5, 0)), "samples"),
        (np.float32(1), "shape"),
        (np.zeros((5, 2, 1)), "shape"),
        (np.zeros((2, 44100)), "give its .T"),
        (np.zeros((50, 2), np.int16), "divide 16-bit integers by 32768"),
        (np.zeros((50, 2), complex), "floating point"),
        (np.array([0, np.nan, np.nan]), r"2 samples are not finite \(NaN\)"),
        (np.array([0, -np.inf]), r"1 samples are not finite \(infinite\)"),
        (np.array([1e300]), "infinite"),
    ],
)
def test_unfit_waveforms(waveform, match):
    with (
        np.errstate(over="ignore"),
        pytest.raises(AudioError, match=match),
    ):
        audio.check_waveform(waveform)


def test_fit_waveforms():
    mono = np.linspace(-1, 1, 9)
    found = audio.check_waveform(mono)
    assert found.shape == (9, 1)
    assert found.dtype == np.float32
    stereo = song(0.01)
    assert audio.check_waveform(stereo) is stereo


def test_what_stems_leave_of_a_long_mixture_is_that_of_all_its_samples():
    rng = np.random.default_rng(0)
    mixture = rng.standard_normal((600_000, 2), np.float32)
    mixture[300_000:] *= 8
    stems = [0.5 * mixture, 0.4 * mixture]
    left = (mixture - stems[0] - stems[1]).astype(np.float64)
    expected = 10 * np.log10(np.square(left).sum() / np.square(mixture, dtype=np.float64).sum())
    assert audio.residual_db(mixture, stems) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(audio.residual_db(0 * mixture, stems))


def test_to_channels():
    mono, stereo, surround = song(0.01, n_channels=1), song(0.01), song(0.01, n_channels=6)
    np.testing.assert_array_equal(audio.to_channels(mono, 2), np.repeat(mono, 2, axis=1))
    assert audio.to_channels(stereo, 2) is stereo
    with pytest.warns(UserWarning, match="6 channels; they are taken for L R C LFE Ls Rs"):
        np.testing.assert_array_equal(audio.to_channels(surround, 2), audio.mix_down(surround))
    with pytest.warns(UserWarning, match="6 channels; only the first 3"):
        np.testing.assert_array_equal(audio.to_channels(surround, 3), surround[:, :3])
    with pytest.raises(AudioError, match="needs 6 channels"):
        audio.to_channels(stereo, 6)


def test_an_mp3_that_ends_early_is_read_with_a_warning(tmp_path):
    path = tmp_path / "song.mp3"
    rng = np.random.default_rng(0)
    audio.write_audio(path, 0.1 * rng.standard_normal((20 * 44100, 2)), 44100)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="cut short"):
        waveform, _ = audio.load_audio(path)
    assert 9 < len(waveform) / 44100 < 11


# -- rates, limits, mistakes -----------------------------------------------------------------


@pytest.mark.parametrize("rate", [np.int64(44100), np.float32(44100), 44100.0, np.uint16(44100)])
@pytest.mark.parametrize("codec", audio.CODECS)
def test_whole_numbers_of_any_type_are_rates(tmp_path, codec, rate):
    write_audio(tmp_path / f"x.{codec}", song(0.2), rate)
    found, found_rate = load_audio(tmp_path / f"x.{codec}", sample_rate=rate)
    assert type(found_rate) is int
    assert found_rate == RATE
    assert found.shape[1] == 2


@pytest.mark.parametrize("rate", [True, np.True_, 44100.5, "44100", None, np.nan, np.inf, 10**9])
def test_what_is_no_rate(tmp_path, rate):
    with pytest.raises(AudioError, match="sample_rate: sample rate must"):
        write_audio(tmp_path / "x.wav", song(0.1), rate)


@pytest.mark.parametrize(
    ("codec", "sample_rate", "n_channels"),
    [
        ("wav", 768_000, 2), ("wav", RATE, 64), ("wav", RATE, 9), ("flac", 655_350, 2),
        ("flac", RATE, 8), ("ogg", 200_000, 2), ("ogg", 1000, 1), ("ogg", RATE, 64),
        ("mp3", 48_000, 2), ("mp3", 8000, 1), ("m4a", 96_000, 2), ("m4a", RATE, 8),
        ("m4a", 7350, 1), ("wma", 48_000, 2), ("wma", 1000, 1),
    ],
)  # fmt: skip
def test_codecs_at_their_limits(tmp_path, codec, sample_rate, n_channels):
    path = tmp_path / f"x.{codec}"
    write_audio(path, song(0.2, n_channels=n_channels), sample_rate)
    found, found_rate = load_audio(path, sample_rate=None)
    assert found_rate == sample_rate
    assert found.shape[1] == n_channels


@pytest.mark.parametrize(
    ("codec", "sample_rate", "n_channels", "limit"),
    [
        ("ogg", 200_001, 2, "1000 to 200000 Hz"), ("ogg", 384_000, 2, "1000 to 200000 Hz"),
        ("flac", 655_351, 2, "1000 to 655350 Hz"), ("flac", RATE, 9, "1 to 8 channels"),
        ("mp3", 8001, 2, "8000, 11025, .* or 48000 Hz"), ("mp3", RATE, 3, "1 to 2 channels"),
        ("m4a", 7000, 2, "or 96000 Hz"), ("m4a", RATE, 9, "1 to 8 channels"),
        ("wma", 50_000, 2, "1000 to 48000 Hz"), ("wav", RATE, 65, "1 to 64 channels"),
    ],
)  # fmt: skip
def test_beyond_a_codecs_limits(tmp_path, codec, sample_rate, n_channels, limit):
    with pytest.raises(ParameterError, match=f"{codec} cannot hold .* {limit}.*; choose wav"):
        write_audio(tmp_path / f"x.{codec}", song(0.1, n_channels=n_channels), sample_rate)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("waveform", "match"),
    [
        ("song.wav", r"got 'song\.wav'\); read a file with .* mssviz\.load_audio"),
        (Path("a\nb.wav"), r"mssviz\.load_audio\(path\)"),
        ((song(0.1), RATE), "a tuple of 2.* load_audio returns, give the first"),
        (44100, "the number 44100.*waveform first, then its sample rate"),
        (np.float64(44100.0), "waveform first"),
        (
            np.zeros((2, 500, 2)),
            r"\(n_sources, n_samples, n_channels\), give one: x\[0\]",
        ),
        ([[1.0, 2.0], [3.0]], "must be an array of shape"),
        (None, "must have shape"),
    ],
)
def test_usual_mistakes(waveform, match):
    with pytest.raises(AudioError, match=match) as error:
        audio.check_waveform(waveform)
    assert str(error.value).isprintable()


def test_floats_as_large_as_integers():
    with pytest.warns(UserWarning, match="mixture: .* the peak is 3277; .* divide them by 32768"):
        assert audio.warn_of_integers(np.full((9, 1), -3276.8), "mixture")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not audio.warn_of_integers(np.full((9, 1), 30.0), "mixture")


@pytest.mark.parametrize("n_channels", [3, 5, 6, 8])
def test_film_sound_is_mixed_down_by_the_standard(n_channels):
    places = {3: "L R C", 5: "L R C Ls Rs", 6: "L R C E Ls Rs", 8: "L R C E Lb Rb Ls Rs"}
    for i, place in enumerate(places[n_channels].split()):
        one = np.zeros((4, n_channels), np.float32)
        one[:, i] = 1
        half = np.sqrt(0.5)
        expected = {"L": (1, 0), "R": (0, 1), "C": (half, half), "E": (0, 0)}.get(
            place, (half, 0) if place[0] == "L" else (0, half)
        )
        np.testing.assert_allclose(audio.mix_down(one), np.tile(expected, (4, 1)), atol=1e-7)


def test_channels_without_a_standard_mix():
    with pytest.raises(AudioError, match="only 3, 5, 6 or 8 channels"):
        audio.mix_down(song(0.01, n_channels=4))
