"""What the explorer says when something is wrong: in words of its own controls."""

import errno
import os
import pickle
import re

import numpy as np
import pytest
import requests

import mssviz
from mssviz import _fetch, _files
from mssviz._files import scratch
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.session import Session

pytestmark = pytest.mark.slow

RATE = 44100
#: Flags of commands, calls of Python, and folders that nobody has chosen.
FOREIGN = r"--\w|\(\)|/tmp|TMPDIR|MSSVIZ_|None|mssviz\.|\boffset\b|\bduration\b"


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """Folder that uploads get, in a temporary folder of the system's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with _files.ScratchFolder() as folder:
        (folder.path / "upload").mkdir()
        noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
        mssviz.write_audio(folder.path / "upload" / "song.flac", noise, RATE)
        yield folder.path / "upload"


def said(song, model="mixture", **choice):
    """What the status line says after Separate, and before it where only the song is read."""
    session = Session()
    session.look_at(Choice(song, model, **choice))
    session.wait()
    told = [session.status.messages]
    with pytest.raises(mssviz.MssvizError):
        session.separate(Choice(song, model, **choice))
    told.append(session.status.messages)
    session.close()
    return [text for texts in told for text in texts]


def assert_of_the_page(texts, words):
    assert any(re.search(words, text) for text in texts), texts
    assert not [text for text in texts if re.search(FOREIGN, text)]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"song": " "}, "no file chosen: upload one"),
        ({"song": "none.wav"}, r"none\.wav: no such file"),
        ({"song": "n" * 5000}, "cannot be opened"),
        ({"offset": -1.0}, "From must be 0 s or more"),
        ({"offset": 99.0}, "choose another part"),
        ({"duration": 0.0}, "Length must be 0.1 s or more, or tick"),
        ({"model": "oracle:IRM2"}, "needs the true stems"),
        ({"model": "wave-unet"}, "train it, or choose another model"),
        ({"rival": "wave-unet"}, "different sample rates or windows"),
    ],
)
def test_what_is_mistyped_is_told_in_words_of_the_page(uploads, choice, words):
    assert_of_the_page(said(**{"song": uploads / "song.flac", **choice}), words)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"no sound " * 99, "no sound|not"), (None, "stems")],
    ids=["empty", "text", "folder"],
)
def test_an_upload_that_is_no_song_is_told_by_its_name(uploads, content, words):
    song = uploads / "a song.wav"
    song.mkdir() if content is None else song.write_bytes(content)
    texts = said(song)
    assert_of_the_page(texts, words)
    assert texts[0].startswith("a song.wav: ")


def test_weights_that_cannot_be_fetched_are_told_in_words_of_the_page(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", fail)
    with pytest.raises(mssviz.PretrainedError, match="--from") as error:
        _fetch.download("https://example.org/w.tar.gz", tmp_path / "w", "0" * 64)
    assert_of_the_page([error.value.on_page], "check the network$")


def test_weights_of_another_sum_and_a_full_disk_are_told_in_words_of_the_page(
    tmp_path, monkeypatch
):
    (tmp_path / "weights").write_bytes(b"others")
    with pytest.raises(mssviz.PretrainedError) as wrong:
        _fetch.verify(tmp_path / "weights", "0" * 64, "weights")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scratch, "_reserve", full)
    with pytest.raises(mssviz.FileError, match="TMPDIR") as disk:
        _files.mapped_zeros((1000,))
    assert_of_the_page([wrong.value.on_page], "delete it and fetch it again")
    assert_of_the_page([disk.value.on_page], "free some space on the disk")


def test_a_remedy_for_who_types_survives_pickling():
    error = pickle.loads(pickle.dumps(mssviz.AudioError("too loud", "use --quiet")))
    assert (str(error), error.on_page) == ("too loud; use --quiet", "too loud")
