"""A file in chunks: what arrives is what was sent, and nothing else is ever left behind."""

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mssviz
from mssviz.errors import ParameterError
from mssviz.widgets import upload
from mssviz.widgets.upload import MAX_NAME_BYTES, Upload, safe_name

CONTENT = np.random.default_rng(0).bytes(10_000)


class Browser:
    """An upload and what it answers; all its files are below `folder`."""

    def __init__(self, widget, folder, monkeypatch):
        self.widget, self.folder, self.answers, self.paths = widget, folder, [], []
        monkeypatch.setattr(widget, "send", self.answers.append)
        widget.observe(lambda change: self.paths.append(change["new"]), "path")

    def tell(self, kind, buffers=(), **content):
        self.answers.clear()
        message = {"kind": kind, "id": "a", **content}
        self.widget._handle_custom_msg(message, [memoryview(buffer) for buffer in buffers])
        return self.answers[-1] if self.answers else None

    def begin(self, name="song.wav", size=10_000, **content):
        return self.tell("begin", name=name, size=size, **content)

    def chunk(self, offset, n_bytes=4096, **content):
        return self.tell("chunk", [CONTENT[offset : offset + n_bytes]], offset=offset, **content)

    def upload(self, name="song.wav", **content):
        self.begin(name=name, **content)
        for offset in range(0, len(CONTENT), 4096):
            answer = self.chunk(offset, **content)
        return answer

    def files(self):
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path for path in found if path.name != ".made-by-mssviz"]


@pytest.fixture
def browser(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return Browser(Upload(), tmp_path, monkeypatch)


def test_a_file_arrives_whole_and_is_named_last(browser):
    assert browser.begin() == {"kind": "taken", "id": "a", "received": 0}
    assert browser.chunk(0) == {"kind": "taken", "id": "a", "received": 4096}
    assert browser.chunk(4096)["received"] == 8192
    assert [path.name for path in browser.files()] == ["upload.part"]
    assert browser.paths == []
    assert browser.chunk(8192) is None
    (path,) = browser.files()
    assert browser.paths == [browser.widget.path] == [str(path)]
    assert path.name == "song.wav"
    assert path.read_bytes() == CONTENT
    arrived = {"id": "a", "name": "song.wav", "size": len(CONTENT)}
    assert browser.widget._arrived == arrived


def test_an_empty_file_arrives_at_once(browser):
    assert browser.begin(size=0) is None
    assert Path(browser.widget.path).read_bytes() == b""


def test_the_next_file_takes_the_place_of_the_last(browser):
    browser.upload()
    first = browser.widget.path
    seen = []
    browser.widget.observe(lambda _: seen.append(Path(first).exists()), "path")
    browser.upload(id="b")
    assert len(set(browser.paths)) == 2
    assert seen == [True]  # observers may still want it
    assert browser.files() == [Path(browser.widget.path)]


def test_cancelling_leaves_nothing_and_keeps_the_last_file(browser):
    browser.upload()
    browser.begin(id="b")
    browser.chunk(0, id="b")
    assert len(browser.files()) == 2
    assert browser.tell("cancel", id="b") is None
    assert browser.files() == [Path(browser.widget.path)]
    assert browser.chunk(4096, id="b") is None  # it was on its way
    assert len(browser.files()) == 1


def test_a_new_file_ends_the_one_under_way(browser):
    browser.begin()
    browser.chunk(0)
    browser.begin(name="other.wav", id="b")
    told, taken = browser.answers
    assert (told["kind"], told["id"]) == ("failed", "a")
    assert "another file" in told["text"]
    assert taken == {"kind": "taken", "id": "b", "received": 0}
    assert browser.chunk(4096) is None
    assert browser.tell("cancel") is None  # of the old one: the new one goes on
    assert browser.chunk(0, id="b")["received"] == 4096
    assert len(browser.files()) == 1


def test_closing_removes_everything(browser):
    browser.upload()
    browser.begin(id="b")
    browser.chunk(0, id="b")
    browser.widget.close()
    assert list(browser.folder.iterdir()) == []


def test_a_listener_that_fails_does_not_fail_the_upload(browser):
    def fail(_):
        raise RuntimeError("no such format")

    browser.widget.observe(fail, "path")
    assert browser.upload() is None
    assert Path(browser.widget.path).read_bytes() == CONTENT
    assert browser.begin(id="b")["kind"] == "taken"


# --- hostile and broken messages --------------------------------------------------------------


@pytest.mark.parametrize("offset", [4096, 1, -1, None, "0", [], 2**80])
def test_a_chunk_at_another_place_ends_the_transfer(browser, offset):
    browser.begin()
    answer = browser.tell("chunk", [CONTENT[:4096]], offset=offset)
    assert answer["kind"] == "failed"
    assert "order" in answer["text"]
    assert browser.files() == []
    assert browser.chunk(0) is None


def test_a_chunk_that_comes_twice_ends_the_transfer(browser):
    browser.begin()
    browser.chunk(0)
    assert "order" in browser.chunk(0)["text"]
    assert browser.files() == []


@pytest.mark.parametrize("buffers", [[], [b""], [b"a", b"b"]])
def test_a_chunk_without_content_ends_the_transfer(browser, buffers):
    browser.begin()
    assert browser.tell("chunk", buffers, offset=0)["kind"] == "failed"
    assert browser.files() == []


def test_more_bytes_than_announced_are_refused(browser):
    browser.begin(size=5000)
    browser.chunk(0)
    assert "5,000 announced" in browser.chunk(4096)["text"]
    assert browser.files() == []
    assert browser.paths == []


@pytest.mark.parametrize("size", [-1, 1.5, "12", None, True, float("nan"), (2 << 30) + 1])
def test_a_size_that_is_none_or_too_large_is_refused(browser, size):
    assert browser.begin(size=size)["kind"] == "failed"
    assert browser.files() == []


def test_the_limit_is_inclusive_and_says_itself(browser):
    browser.widget.max_bytes = 5000
    assert browser.begin(size=5000)["kind"] == "taken"
    assert "at most 5,000 bytes (got 5,001)" in browser.begin(size=5001)["text"]


@pytest.mark.parametrize(
    "message",
    ["begin", None, 3, {}, {"kind": "chunk"}, {"kind": "cancel", "id": []}, {"kind": "eat"}],
)
def test_messages_without_sense_are_passed_over(browser, message):
    browser.widget._handle_custom_msg(message, [memoryview(b"abc")])
    assert browser.answers == []
    assert browser.files() == []


@pytest.mark.parametrize("content", [{"id": None}, {"id": 3}, {"name": None}, {"name": ["a"]}])
def test_an_upload_needs_an_id_and_a_name(browser, content):
    assert browser.begin(**content)["kind"] == "failed"
    assert browser.files() == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("song.wav", "song.wav"),
        ("Für Elise (live).flac", "Für Elise (live).flac"),
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow", "shadow"),
        ("..\\..\\Windows\\x.wav", "x.wav"),
        ("C:\\fakepath\\x.wav", "x.wav"),
        ("..", "upload"),
        (".", "upload"),
        ("", "upload"),
        ("a/", "upload"),
        ("\0\n\r\t", "upload"),
        ("a\0b\nc\x7f\u202ed\u2028.wav", "abcd.wav"),
        ("\ud800x.wav", "x.wav"),
        ("a:b|c?.wav", "a_b_c_.wav"),
        ("x.wav. . ", "x.wav"),
        ("~", "~"),
    ],
)
def test_names_are_cut_to_what_is_safe(name, expected):
    assert safe_name(name) == expected


@given(st.text(st.characters(), max_size=300))
def test_no_name_leaves_its_folder(name):
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert safe not in ("", ".", "..")
    assert safe.isprintable()
    assert not set(safe) & set('/\\:*?"<>|')
    assert len(safe.encode()) <= MAX_NAME_BYTES
    assert safe_name(safe) == safe


def test_long_names_keep_their_suffix():
    assert safe_name("ä" * 300 + ".wav") == "ä" * ((MAX_NAME_BYTES - 4) // 2) + ".wav"
    assert len(safe_name("a." + "b" * 300)) == MAX_NAME_BYTES


def test_a_hostile_name_stays_in_the_folder(browser):
    browser.upload(name="../../../escaped.wav")
    (path,) = browser.files()
    assert path.name == "escaped.wav"
    assert path.parents[2] == browser.folder


# --- disks ------------------------------------------------------------------------------------


class BadDisk(io.BytesIO):
    """Has room for `room` bytes, then loses what is written or says that it is full."""

    def __init__(self, path, room, silent):
        super().__init__()
        self.name, self.room, self.silent = str(path), room, silent

    def write(self, data):
        self.room -= len(data)
        if self.room >= 0:
            Path(self.name).write_bytes(Path(self.name).read_bytes() + data)
        elif not self.silent:
            raise OSError(errno.ENOSPC, "No space left on device")


def give_bad_disk(monkeypatch, **options):
    def open_(path, _mode):
        path.touch()
        return BadDisk(path, **options)

    monkeypatch.setattr(upload.Path, "open", open_)


def test_a_disk_that_fills_up_is_named_and_nothing_is_left(browser, monkeypatch):
    with monkeypatch.context() as patch:
        give_bad_disk(patch, room=5000, silent=False)
        browser.begin()
    assert browser.chunk(0)["kind"] == "taken"
    answer = browser.chunk(4096)
    assert answer["kind"] == "failed"
    assert "disk is full" in answer["text"]
    assert "TMPDIR" in answer["text"]
    assert browser.files() == []


def test_a_file_that_lost_bytes_on_the_disk_is_refused(browser, monkeypatch):
    with monkeypatch.context() as patch:
        give_bad_disk(patch, room=5000, silent=True)
        browser.begin(size=8192)
    browser.chunk(0)
    assert "4,096 of 8,192 bytes" in browser.chunk(4096)["text"]
    assert browser.files() == []
    assert browser.paths == []


def test_a_disk_without_room_is_named_before_anything_is_sent(browser, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=len(CONTENT) - 1)
    monkeypatch.setattr(upload.shutil, "disk_usage", lambda _: usage)
    assert "disk is full" in browser.begin()["text"]
    assert browser.files() == []


def test_a_folder_that_cannot_be_made_is_named(browser, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("MSSVIZ_CACHE", "/dev/null/none")
    answer = browser.begin()
    assert answer["kind"] == "failed"
    assert "No such file or directory" in answer["text"]


# --- construction -----------------------------------------------------------------------------


def test_options_are_traits_and_others_are_refused():
    widget = mssviz.Upload(accept="audio/*", description="Upload…", max_bytes=10)
    assert (widget.accept, widget.description, widget.max_bytes) == ("audio/*", "Upload…", 10)
    with pytest.raises(ParameterError, match="no parameter multiple"):
        Upload(multiple=True)
    with pytest.raises(ParameterError, match="at least 1"):
        Upload(max_bytes=0)


def test_the_browser_is_not_told_where_the_file_is(browser):
    browser.upload()
    assert "path" not in browser.widget.get_state()


def test_what_a_killed_kernel_left_is_swept_by_the_next(tmp_path):
    code = """
import os, signal, mssviz
upload = mssviz.Upload()
upload._receive(None, {"kind": "begin", "id": "a", "name": "song.wav", "size": 9}, [])
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60)
    assert list(tmp_path.rglob("upload.part"))
    code = code.replace("os.kill(os.getpid(), signal.SIGKILL)", "upload.close()")
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert not list(tmp_path.iterdir())
