"""What may be opened as a sound file, under which names, and what is made of its header."""

import errno
import io
import os
import socket
import struct
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mssviz import audio
from mssviz.audio import AudioReader, load_audio, write_audio
from mssviz.errors import AudioError, ParameterError

RATE = 44100


def song(seconds=1.0, n_channels=2):
    noise = np.random.default_rng(0).standard_normal((round(seconds * RATE), n_channels))
    return (0.1 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def content():
    """Bytes of a wav file of one second."""
    buffer = io.BytesIO()
    soundfile.write(buffer, song(), RATE, format="WAV")
    return buffer.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- Names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Artist:Title.wav", "12:30 Mix.wav", "http:x.wav", "concat:a|b", "data:,x", "%d.wav"]
)
def test_a_name_is_never_an_address(here, content, name):
    (here / name).write_bytes(content)
    assert len(load_audio(name)[0]) == RATE


@pytest.mark.parametrize("codec", audio.CODECS)
def test_writing_into_a_folder_with_a_colon(here, codec):
    (here / "http:").mkdir()
    write_audio(f"http:/x.{codec}", song(), RATE)
    assert abs(len(load_audio(f"http:/x.{codec}")[0]) - RATE) < 3000


@pytest.mark.parametrize("name", ["two\nlines.wav", "tab\t.wav", os.fsdecode(b"caf\xe9.wav")])
def test_odd_names_are_read_and_named_in_one_line(here, content, name):
    with pytest.raises(AudioError) as error:
        load_audio(name)
    assert str(error.value).isprintable()
    (here / name).write_bytes(content)
    assert len(load_audio(name)[0]) == RATE


@pytest.mark.parametrize("name", ["x" * 5000 + ".wav", "a\0b.wav"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(AudioError, match="name") as error:
        load_audio(name)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


# --- Kinds ------------------------------------------------------------------------------------


PLAYLISTS = {
    "e.wav": "ffconcat version 1.0\nfile 'secret.wav'\n",
    "e.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.wav\n#EXT-X-ENDLIST\n",
    "e.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "e.mpd": "<MPD><Period><AdaptationSet><Representation><BaseURL>secret.wav</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "e.txt": "sine=frequency=440\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_file_cannot_name_another(here, content, name):
    (here / "secret.wav").write_bytes(content)
    (here / name).write_text(PLAYLISTS[name])
    with pytest.raises(AudioError, match="not a sound file that FFmpeg knows"):
        load_audio(name)


def test_pictures_are_no_sound(tmp_path):
    with av.open(str(tmp_path / "x.png"), "w", format="image2") as output:
        stream = output.add_stream("png", rate=1)
        stream.width = stream.height = 8
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8))
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(AudioError, match="not a sound file"):
        load_audio(tmp_path / "x.png")


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match=r"pipe\.wav: is no file but a pipe"):
        load_audio(tmp_path / "pipe.wav")


def test_devices_and_sockets_are_refused(here):
    with pytest.raises(AudioError, match="is no file"):
        load_audio("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("x.wav")
        with pytest.raises(AudioError, match="is no file"):
            load_audio("x.wav")


def test_too_many_channels(tmp_path):
    layout = struct.pack("<HHIIHH", 1, 65535, RATE, RATE * 2, 65534, 16)
    data = bytes(65535 * 2 * 10)
    (tmp_path / "x.wav").write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + layout
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip
    with pytest.raises(AudioError, match=r"channels; convert it again|damaged at its start"):
        load_audio(tmp_path / "x.wav")


# --- File objects -----------------------------------------------------------------------------


def test_bytes_in_memory_are_read(content):
    expected = np.round(song() * 32768) / 32768
    for source in (io.BytesIO(content), content, bytearray(content)):
        np.testing.assert_allclose(load_audio(source)[0], expected, atol=2**-15)


def test_an_open_file_is_read_from_its_start_and_stays_open(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    with (tmp_path / "x.wav").open("rb") as file:
        file.seek(1000)
        assert len(load_audio(file)[0]) == RATE
        assert not file.closed


def test_errors_name_the_object(content):
    with pytest.raises(AudioError, match="sound in memory: not a sound file"):
        load_audio(io.BytesIO(b"la la la" * 100))
    with pytest.raises(AudioError, match="sound in memory: is empty"):
        load_audio(io.BytesIO())


@pytest.mark.parametrize(
    ("source", "match"),
    [(7, "must be a path"), (None, "must be a path"), (io.StringIO("x"), "mode 'rb'")],
)
def test_what_is_no_file(source, match):
    with pytest.raises(ParameterError, match=match):
        load_audio(source)


# --- Headers ----------------------------------------------------------------------------------


def id3(size):
    return b"ID3\3\0\0" + bytes((0, 0, size >> 7, size & 127)) + bytes(size)


@pytest.mark.parametrize("size", [0, 10, 5000])
@pytest.mark.parametrize("codec", audio.CODECS)
def test_a_tag_in_front_does_not_matter(tmp_path, codec, size):
    write_audio(tmp_path / f"x.{codec}", song(), RATE)
    tagged = io.BytesIO(id3(size) + id3(3) + (tmp_path / f"x.{codec}").read_bytes())
    found, plain = load_audio(tagged)[0], load_audio(tmp_path / f"x.{codec}")[0]
    np.testing.assert_array_equal(found, plain)


def test_tags_of_any_encoding(content):
    words = b"INFOIART" + struct.pack("<I", 5) + b"caf\xe9\0\0"
    chunk = b"LIST" + struct.pack("<I", len(words)) + words
    tagged = content[:12] + chunk + content[12:]
    assert len(load_audio(io.BytesIO(tagged))[0]) == RATE


@pytest.mark.parametrize("size", [0, 7, 10**6, 0xFFFFFFFF])
def test_the_size_of_a_riff_does_not_matter(content, size):
    wrong = content[:4] + struct.pack("<I", size) + content[8:]
    assert len(load_audio(io.BytesIO(wrong))[0]) == RATE


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("W64", "PCM_24"), ("CAF", "FLOAT"), ("AU", "PCM_16"), ("AIFF", "PCM_16"),
     ("FLAC", "PCM_16")],
)  # fmt: skip
def test_sound_that_is_cut_short_is_refused(container, subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, song(), RATE, format=container, subtype=subtype)
    half = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    with pytest.raises(AudioError, match=r"cut short, its header states 1\.00 s .* 0\.\d+ s"):
        load_audio(io.BytesIO(half))


def test_a_stated_end_before_the_sound_is_told():
    buffer = io.BytesIO()
    soundfile.write(buffer, song(), RATE, format="FLAC")
    content = bytearray(buffer.getvalue())
    content[22:26] = struct.pack(">I", RATE // 2)  # of the block STREAMINFO
    with pytest.warns(UserWarning, match=r"goes on behind the end that its header states, 0\.50 s"):
        assert len(load_audio(io.BytesIO(content))[0]) == RATE


# --- Streams ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_streams(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "two.mka"
    with av.open(str(path), "w", format="matroska") as output:
        streams = [output.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for i, stream in enumerate(streams):
            block = np.full((1, RATE), 0.25 * (i + 1), np.float32)
            frame = av.AudioFrame.from_ndarray(block, "flt", "mono")
            frame.sample_rate, frame.pts = RATE, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


def test_several_streams_are_told_unless_one_is_named(two_streams):
    with pytest.warns(UserWarning, match=r"has 2 audio streams, of which the first, number 0"):
        assert load_audio(two_streams)[0][100] == 0.25
    assert load_audio(two_streams, stream=0)[0][100] == 0.25
    assert load_audio(two_streams, stream=1)[0][100] == 0.5


@pytest.mark.parametrize("stream", [2, -1])
def test_streams_that_are_not_there(two_streams, stream):
    with pytest.raises(AudioError, match=f"2 audio streams, number {stream} was asked for"):
        load_audio(two_streams, stream=stream)


# --- Levels -----------------------------------------------------------------------------------


def test_floats_as_large_as_integers_are_told_once():
    buffer = io.BytesIO()
    soundfile.write(buffer, song() * 32768, RATE, format="WAV", subtype="FLOAT")
    with (
        pytest.warns(UserWarning, match="peak is 1.*; .* divide them by 32768") as told,
        AudioReader(buffer) as reader,
    ):
        assert len(list(reader.blocks(0.1))) > 5
    assert len(told) == 1


# --- What goes wrong while FFmpeg reads -------------------------------------------------------


class Failing(io.BytesIO):
    """A file that raises something when it is read for the so-manieth time."""

    def __init__(self, content, number, error):
        super().__init__(content)
        self._left, self._error = number, error

    def read(self, size=-1):
        self._left -= 1
        if self._left == 0:
            raise self._error
        return super().read(size)


def all_reads(container, codec):
    """Content of a file, and how often it is read."""
    with tempfile.NamedTemporaryFile(suffix=f".{container}") as file:
        write_audio(file.name, song(), RATE, codec=codec)
        content = Path(file.name).read_bytes()
    counted = Failing(content, -1, OSError())
    load_audio(counted)
    return content, -1 - counted._left


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_an_interruption_while_a_file_is_read_is_one(codec):
    content, n_reads = all_reads(codec, codec)
    assert n_reads > 2
    for number in range(1, n_reads + 1):
        with pytest.raises(KeyboardInterrupt):
            load_audio(Failing(content, number, KeyboardInterrupt()))
        load_audio(io.BytesIO(content))  # and nothing of it comes later


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_a_disk_that_fails_is_told_as_such(codec):
    content, n_reads = all_reads(codec, codec)
    for number in range(1, n_reads + 1):
        with pytest.raises((AudioError, ParameterError), match="Input/output error"):
            load_audio(Failing(content, number, OSError(errno.EIO, "Input/output error")))


# --- Films ------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["matroska", "webm"])
def test_a_film_may_be_longer_than_its_sound(tmp_path, container, recwarn):
    path = tmp_path / "film.mkv"
    codecs = ("libopus", "libvpx") if container == "webm" else ("flac", "mpeg4")
    with av.open(str(path), "w", format=container) as output:
        heard = output.add_stream(codecs[0], rate=48000, layout="stereo")
        seen = output.add_stream(codecs[1], rate=5)
        seen.width, seen.height, seen.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            output.mux(seen.encode(picture))
        output.mux(seen.encode(None))
        block = np.zeros((1, 2 * 3 * 48000), np.float32)
        frame = av.AudioFrame.from_ndarray(block, "flt", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        output.mux(heard.encode(frame))
        output.mux(heard.encode(None))
    assert len(load_audio(path, sample_rate=48000)[0]) == pytest.approx(3 * 48000, abs=1000)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    "noted", [b"00:00:01.", b"99:00:03.", b"00:00:00.", b"00:99:99.", b"-1:00:00."]
)
def test_a_length_that_a_tag_notes_cuts_nothing(tmp_path, noted):
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("flac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(song(3.0).reshape(1, -1), "flt", "stereo")
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    content = path.read_bytes()
    assert content.count(b"00:00:03.") == 1
    changed = io.BytesIO(content.replace(b"00:00:03.", noted))
    assert len(load_audio(changed)[0]) == 3 * RATE
