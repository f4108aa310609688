"""Files and folders: complete or absent, never another's, and nothing left by what died."""

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mssviz import _files
from mssviz._fetch import no_progress
from mssviz._files import exchange, temporary
from mssviz._files import scratch as scratch_files
from mssviz.errors import AudioError, Cancelled, FileError
from tests.trials import Lines


@pytest.fixture(autouse=True)
def sweeps_anew():
    temporary.sweep_once.cache_clear()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed(code, *arguments):
    """Run code that makes temporary things and prints their paths, and kill it."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{code}\nprint(flush=True)\nimport time; time.sleep(600)",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "it failed"
    yield process
    process.kill()
    process.wait()


# --- Drafts -----------------------------------------------------------------------------------


def test_a_file_gets_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with _files.new_file(path) as scratch:
        scratch.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_half(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def write_half(path):
    with _files.new_file(path) as scratch:
        scratch.write_text("half")
        raise KeyError


def test_an_interruption_while_tidying_up_closes_nothing_twice(tmp_path, monkeypatch):
    draft, close = _files.Draft(tmp_path / "file"), os.close

    def and_interrupt(handle):
        close(handle)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            draft.discard()
    draft.discard()
    assert names(tmp_path) == []


def test_an_interruption_leaves_nothing_where_it_was_only_looked(tmp_path):
    """Another folder is written to later, so no later look would sweep this one."""
    paths = [tmp_path / "later" / "a.wav"]
    _files.check_places(paths)  # sweeps, which is done once
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Lines() as lines:
            _files.check_places(paths)
        for moment in range(1, lines.counts["all"] + 1):
            with (
                pytest.raises(KeyboardInterrupt),
                Lines("all", moment, lambda: signal.raise_signal(signal.SIGINT)),
            ):
                _files.check_places(paths)
            assert list(tmp_path.iterdir()) == [], moment
    finally:
        signal.signal(signal.SIGINT, before)
    assert lines.counts["all"] > 10


def test_two_at_once_do_not_disturb_each_other(tmp_path):
    path, failures = tmp_path / "file", []

    def write(text):
        try:
            for _ in range(100):
                with _files.new_file(path) as scratch:
                    scratch.write_text(text)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(path.read_text())) == 1
    assert names(tmp_path) == ["file"]


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path):
    path = tmp_path / ("x" * 255)
    with _files.new_file(path) as scratch:
        scratch.write_text("text")
    assert path.read_text() == "text"


def test_the_users_mask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        with _files.new_file(tmp_path / "file"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("where", ["missing/file", "folder"])
def test_what_cannot_be_written_is_one_line(tmp_path, where):
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(FileError, match=r"cannot be written .*; \w+") as caught,
        _files.new_file(tmp_path / where),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_writing_raises_the_kind_that_was_asked_for(tmp_path):
    with (
        pytest.raises(AudioError, match="free some space"),
        _files.writing(tmp_path / "a.wav", AudioError),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


# --- Folders ----------------------------------------------------------------------------------


def fill(target, text="new", names=("weights", "manifest")):
    with _files.new_folder(target, names) as scratch:
        for name in names:
            (scratch / name).write_text(text)


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "folder"
    with _files.new_folder(target, ["weights"]) as scratch:
        (scratch / "weights").write_text("new")
        assert not target.exists()
    assert (target / "weights").read_text() == "new"
    assert names(target.parent) == ["folder"]


def test_a_folder_of_the_same_files_is_replaced(tmp_path):
    fill(tmp_path / "folder", "old")
    fill(tmp_path / "folder", "new")
    assert (tmp_path / "folder" / "manifest").read_text() == "new"
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_replaced_where_names_cannot_be_exchanged(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "exchange_names", lambda *_: False)
    fill(tmp_path / "folder", "old")
    fill(tmp_path / "folder", "new")
    assert (tmp_path / "folder" / "manifest").read_text() == "new"
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="the system has no such call")
def test_names_are_exchanged_at_once(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange.exchange_names(tmp_path / "a", tmp_path / "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["b"], ["a"])
    assert not exchange.exchange_names(tmp_path / "a", tmp_path / "missing")


def test_a_failure_leaves_the_old_folder(tmp_path):
    target = tmp_path / "folder"
    fill(target, "old")
    with pytest.raises(KeyError), _files.new_folder(target, ["weights", "manifest"]):
        raise KeyError
    assert (target / "weights").read_text() == "old"
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("stranger", ["thesis.txt", "songs/", "weights/", "weights -> ../kept"])
def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path, stranger):
    target = tmp_path / "folder"
    target.mkdir()
    (tmp_path / "kept").write_text("mine")
    name, _, link = stranger.partition(" -> ")
    if link:
        (target / name).symlink_to(link)
    elif name.endswith("/"):
        (target / name).mkdir()
    else:
        (target / name).write_text("mine")
    with pytest.raises(FileError, match="would be deleted"):
        fill(target)
    assert names(target) == [name.rstrip("/")]
    assert (tmp_path / "kept").read_text() == "mine"


def test_what_comes_while_a_folder_is_filled_is_left_alone(tmp_path):
    target = tmp_path / "folder"
    fill(target, "old")
    filling = _files.new_folder(target, ["weights", "manifest"])
    (filling.__enter__() / "weights").write_text("new")
    (target / "thesis.txt").write_text("mine")
    with pytest.raises(FileError, match=r"thesis\.txt"):
        filling.__exit__(None, None, None)
    assert (target / "thesis.txt").read_text() == "mine"
    assert (target / "weights").read_text() == "old"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_is_no_folder_to_replace(tmp_path, kind):
    target, other = tmp_path / "folder", tmp_path / "other"
    other.mkdir()
    (other / "weights").write_text("mine")
    if kind == "link":
        target.symlink_to(other)
    else:
        target.write_text("mine")
    with pytest.raises(FileError, match="no folder of ours"):
        fill(target)
    assert (other / "weights").read_text() == "mine"


# --- Temporary arrays -------------------------------------------------------------------------


def test_a_mapped_array_has_no_name_and_no_end_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    array = _files.mapped_zeros((100, 1000))
    assert isinstance(array, np.memmap)
    assert array.dtype == np.float32
    assert not array.any()
    array[:] = 1
    assert array.sum() == 100_000
    assert names(tmp_path) == []


FULL = """
import resource, sys
from pathlib import Path
from mssviz import _files
from mssviz._files import exchange
from mssviz._files import scratch as scratch_files
from mssviz._files import temporary
from mssviz.errors import FileError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    _files.mapped_zeros((1 << 20,))[:] = 1
except FileError as error:
    print(error)
"""


@pytest.mark.parametrize("lengths", [[3, 0, 2], [0], []])
def test_blocks_become_one_array(tmp_path, lengths):
    blocks = [np.full((n, 2), number, np.float64) for number, n in enumerate(lengths)]
    array = _files.mapped_blocks(tmp_path / "kept", iter(blocks), 2)
    assert (array.shape, array.dtype) == ((sum(lengths), 2), np.float32)
    assert np.array_equal(array, np.concatenate([np.zeros((0, 2)), *blocks]))


def test_what_fails_before_blocks_are_kept_is_told_as_it_is(tmp_path):
    def blocks():
        yield np.zeros((1, 1))
        raise OSError("of another file")

    with pytest.raises(OSError, match="of another file"):
        _files.mapped_blocks(tmp_path / "kept", blocks(), 1)
    with pytest.raises(FileError, match=r"nowhere/kept: .*create the folder first"):
        _files.mapped_blocks(tmp_path / "nowhere" / "kept", [], 1)


def test_a_full_disk_is_an_error_before_anything_is_mapped(tmp_path):
    # a limit on the size of files stands for the full disk: the system answers alike
    environment = {**os.environ, "TMPDIR": str(tmp_path), "MSSVIZ_CACHE": str(tmp_path / "cache")}
    found = subprocess.run(
        [sys.executable, "-c", FULL], env=environment, capture_output=True, text=True, check=True
    )
    for word in (str(tmp_path), str(tmp_path / "cache"), "4 MiB", "TMPDIR"):
        assert word in found.stdout
    assert found.stdout.count("\n") == 1
    assert names(tmp_path) == ["cache"]


def test_another_place_is_taken_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "full"))
    monkeypatch.setenv("MSSVIZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "full").mkdir()
    reserve, tried = scratch_files._reserve, []

    def full_at_first(handle, n_bytes):
        tried.append(n_bytes)
        if len(tried) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        reserve(handle, n_bytes)

    monkeypatch.setattr(scratch_files, "_reserve", full_at_first)
    assert not _files.mapped_zeros((1000,)).any()
    assert tried == [4000, 4000]


def test_space_is_reserved_where_the_system_has_no_call_for_it(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    with (tmp_path / "file").open("w+b") as file:
        scratch_files._reserve(file.fileno(), (3 << 20) + 5)
        assert os.fstat(file.fileno()).st_size == (3 << 20) + 5
        assert os.fstat(file.fileno()).st_blocks * 512 >= 3 << 20


def test_a_folder_that_is_not_there_is_no_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("MSSVIZ_CACHE", str(tmp_path / "cache"))
    assert not _files.mapped_zeros((10,)).any()
    with _files.ScratchFolder() as folder:
        assert folder.path.parent == tmp_path / "cache"


# --- Temporary folders, and what dead processes left ------------------------------------------


def test_a_scratch_folder_goes_when_it_is_closed_or_forgotten(tmp_path):
    with _files.ScratchFolder(tmp_path) as folder:
        (folder.path / "file").write_text("text")
    assert names(tmp_path) == []
    folder = _files.ScratchFolder(tmp_path)
    del folder
    gc.collect()
    assert names(tmp_path) == []


LEAVE = """
import sys
from pathlib import Path
from mssviz import _files
from mssviz._files import exchange
from mssviz._files import scratch as scratch_files
from mssviz._files import temporary
place = Path(sys.argv[1])
folder = _files.ScratchFolder(place)
(folder.path / "spectra").write_text("large")
draft = _files.Draft(place / "vocals.wav")
hidden = _files.new_folder(place / "weights", ["a"])
(hidden.__enter__() / "a").write_text("half")
"""


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_has_is_not(tmp_path):
    for process in killed(LEAVE, str(tmp_path)):
        left = names(tmp_path)
        assert len(left) == 3
        _files.sweep(tmp_path)
        assert names(tmp_path) == left
        process.kill()
        process.wait()
        with _files.new_file(tmp_path / "next"):  # sweeps at its first file in a folder
            pass
        assert names(tmp_path) == ["next"]


def test_a_folder_loses_its_mark_last(tmp_path, monkeypatch):
    folder, gone = _files.ScratchFolder(tmp_path), []
    for name in "abc":
        (folder.path / name).touch()
    (folder.path / "deep").mkdir()
    unlink, rmtree = Path.unlink, shutil.rmtree
    monkeypatch.setattr(Path, "unlink", lambda p, **o: gone.append(p.name) or unlink(p, **o))
    monkeypatch.setattr(shutil, "rmtree", lambda p, **o: gone.append(p.name) or rmtree(p, **o))
    folder.close()
    assert sorted(gone[:-1]) == ["a", "b", "c", "deep"]
    assert gone[-1] == folder.path.name
    assert names(tmp_path) == []


def test_a_look_at_a_place_sweeps_it(tmp_path):
    (tmp_path / ".mssviz-0123456789abcdef.part").touch()
    _files.check_places([tmp_path / "file"])
    assert names(tmp_path) == []


def test_nothing_else_is_ever_swept(tmp_path):
    mark = "0123456789abcdef"
    for name in ("mssviz", "mssviz-notes", ".mssviz.part", f"mssviz-{mark}.txt", f"x-{mark}.tmp"):
        (tmp_path / name).write_text("mine")
    (tmp_path / f"mssviz-{mark}.tmp").mkdir()  # no mark of ours in it
    (tmp_path / f"mssviz-{mark}.tmp" / "thesis.txt").write_text("mine")
    (tmp_path / f"mssviz-{mark[::-1]}.tmp").symlink_to(tmp_path / "mssviz")
    before = names(tmp_path)
    _files.sweep(tmp_path)
    assert names(tmp_path) == before
    assert names(tmp_path / f"mssviz-{mark}.tmp") == ["thesis.txt"]


def test_a_fork_does_not_remove_what_its_parent_uses(tmp_path):
    folder = _files.ScratchFolder(tmp_path)
    process = os.fork()
    if not process:
        folder.close()
        os._exit(0)
    os.waitpid(process, 0)
    assert folder.path.is_dir()
    folder.close()


# --- Caches and locks -------------------------------------------------------------------------


def test_a_sealed_file_is_told_from_a_damaged_one(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.arange(1000))
    assert not _files.is_sealed(path)
    _files.seal(path)
    assert _files.is_sealed(path)
    assert np.array_equal(np.load(path, mmap_mode="r"), np.arange(1000))
    content = bytearray(path.read_bytes())
    for position in (0, 500, len(content) - 60, len(content) - 1):
        content[position] ^= 1
        path.write_bytes(content)
        assert not _files.is_sealed(path)
        content[position] ^= 1
    path.write_bytes(content[:-1])
    assert not _files.is_sealed(path)
    assert not _files.is_sealed(tmp_path / "missing")


def test_sealed_archives_can_be_read(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, text=np.array(json.dumps({"a": 1})), values=np.arange(9))
    _files.seal(path)
    with np.load(path) as file:
        assert json.loads(str(file["text"])) == {"a": 1}
        assert np.array_equal(file["values"], np.arange(9))


def test_a_digest_follows_the_content(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    first = _files.content_digest(path)
    assert first == _files.sha256(path)
    path.write_text("another")
    assert _files.content_digest(path) != first


def test_waiting_for_a_lock_is_told_and_can_be_cancelled(tmp_path):
    told = []

    def report(done, total, what):
        told.append((done, total, what))
        raise Cancelled("enough")

    with _files.lock(tmp_path / "lock", no_progress, ""):
        thread = threading.Thread(target=lambda: told.append(attempt(tmp_path, report)))
        thread.start()
        thread.join(20)
    assert told == [(0, None, "wait for another"), "cancelled"]
    with _files.lock(tmp_path / "lock", report, "free now"):
        pass


def attempt(folder, report):
    try:
        with _files.lock(folder / "lock", report, "wait for another"):
            return "held"
    except Cancelled:
        return "cancelled"


def test_the_cache_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("MSSVIZ_CACHE", str(tmp_path))
    assert _files.cache_folder("scores") == tmp_path / "scores"
    monkeypatch.delenv("MSSVIZ_CACHE")
    assert _files.cache_folder("scores").parts[-2:] == ("mssviz", "scores")
