"""Writers that are killed, interrupted, or have no room, and what is there after that.

``python -m tests.trials SEED COUNTS WRITER ...`` prints what went wrong as JSON. ``COUNTS`` is
JSON, too: how often to ``kill`` and ``interrupt``, and to have a ``full`` or a ``read_only`` disk.
All that a writer reads and imports is made once, and then it is run in forks, so that a trial takes
as long as the writing itself. Moments are numbers of executed lines, so a seed finds the same one
again.
"""

import gc
import hashlib
import json
import linecache
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import tqdm

import mssviz
from mssviz._files import temporary
from mssviz.errors import Cancelled, MssvizError
from tests.permissions import bound
from tests.writers import WRITERS

PACKAGE = str(Path(mssviz.__file__).parent)
#: Where files get and lose their names; half of all moments lie there.
NAMING = (f"{PACKAGE}/_files", f"{PACKAGE}/_fetch.py", shutil.__file__)
#: Names of ours that what is not complete has, and what is not looked at: a lock stays, and curves
#: for TensorBoard grow line by line.
TEMPORARY = re.compile(r"\.?mssviz-[0-9a-f]{16}\.(part|tmp)")
ASIDE = re.compile(r"lock$|logs/")
#: What arrives goes on where it stopped, so it is kept until the next run.
RESUMED = re.compile(r"cache/downloads/.*")
LIMIT_SECONDS = 300


class Lines:
    """Counts the lines that a process executes in mssviz, and does something at one of them."""

    def __init__(self, where="", number=0, act=lambda: None):
        self.counts, self._where, self._number, self._act = Counter(), where, number, act
        self._has_acted = False

    def __enter__(self):
        threading.settrace(self._called)
        sys.settrace(self._called)
        return self

    def __exit__(self, *_):
        sys.settrace(None)
        threading.settrace(None)

    def _called(self, frame, _event, _argument):
        file = frame.f_code.co_filename
        if file.startswith(NAMING):
            return self._naming
        return self._line if file.startswith(PACKAGE) else None

    def _line(self, frame, event, _argument, where="all"):
        if event == "line":
            self.counts[where] += 1
            is_due = where == self._where and self.counts[where] >= self._number
            if is_due and not self._has_acted and not _leaves(frame):
                self._has_acted = True
                self._act()
        return self._line

    def _naming(self, frame, event, argument):
        self._line(frame, event, argument)
        self._line(frame, event, argument, "naming")
        return self._naming


def _leaves(frame):
    # Python tells the line of a `with` once more where the block is left, in front of what gives a
    # lock back. What a tracer raises there leaves the lock held; a signal comes before or after.
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return line.lstrip().startswith("with ")


class Trials:
    """One writer, with what it reads, and what it is to write."""

    def __init__(self, name, folder):
        self.name, self.writer, self.root = name, WRITERS[name], folder / "trial"
        os.environ["MSSVIZ_CACHE"] = str(self.root / "cache")
        os.environ["TMPDIR"] = str(self.root / "tmp")
        self._empty()
        (folder / "inputs").mkdir()
        self.made = self.writer.prepare(folder / "inputs")
        if self.writer.imports:
            # before there is a fork; librosa takes numba in, which is not to be interrupted there
            import librosa

            import mssviz.networks.converters.roformer
            import mssviz.networks.fit
            import mssviz.networks.mel_roformer
            import mssviz.networks.unet  # noqa: F401

            librosa.filters.mel(sr=8000, n_fft=64)
        self._empty()
        gc.freeze()  # what is collected before each fork is little then
        self.lines = self._forked(self._counted)
        self.new = self._forked(self._written)
        self.largest = max(path.stat().st_size for path in self.files())
        self._empty()
        names = [name.removeprefix("home/") for name in self.new if name.startswith("home/")]
        self._forked(lambda: self.writer.older(self.made, self.root / "home", names))
        self.old = self.seen()
        shutil.copytree(self.root, folder / "older", symlinks=True)
        self.older = folder / "older"

    # --- What is there ---

    def _empty(self):
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("home", "cache", "tmp"):
            (self.root / name).mkdir(parents=True)

    def _begin(self, rng):
        """Begin with nothing, or with what was there before; returns what that is."""
        if rng.random() < 0.5:
            self._empty()
            return {}
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.older, self.root, symlinks=True)
        return self.old

    def seen(self):
        """Digest by path of all that has its final name."""
        found = {}
        for path in self.files():
            name = str(path.relative_to(self.root))
            if not any(map(TEMPORARY.fullmatch, Path(name).parts)) and not ASIDE.search(name):
                content = self.writer.digest(name, path.read_bytes())
                found[name] = hash_of(content)
        return found

    def left(self):
        """What is temporary."""
        names = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return [
            name for name in names
            if any(map(TEMPORARY.fullmatch, Path(name).parts)) or name.startswith("tmp/")
        ]  # fmt: skip

    def files(self):
        return (path for path in self.root.rglob("*") if path.is_file())

    # --- Writing ---

    def _write(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.writer.write(self.made, self.root / "home")

    def _counted(self):
        with Lines() as lines:
            self._write()
        return dict(lines.counts)

    def _written(self):
        """Write in a process that has not written yet; what is there then."""
        self._write()
        return self.seen()

    def _forked(self, work):
        """What some work gives in a fork, or None if it was killed."""
        gc.collect()  # what has threads of a library, which a fork has not, and waits for them
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            os.close(reader)
            temporary.sweep_once.cache_clear()  # a process of its own would not have swept yet
            signal.alarm(LIMIT_SECONDS)
            try:
                answer = {"value": work()}
            except BaseException:
                answer = {"error": traceback.format_exc()}
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(process, 0)
        if not said:
            assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by {os.WTERMSIG(status)}"
            return None
        answer = json.loads(said)
        assert "value" in answer, answer["error"]
        return answer["value"]

    def _moment(self, rng):
        where = ("all", "naming")[int(rng.integers(2))] if "naming" in self.lines else "all"
        return where, int(rng.integers(1, self.lines[where] + 1))

    # --- What must hold ---

    def check_intact(self, before):
        """Whatever has its final name is what was there before, or what is to be there.

        A writer with something between comes by what is old even if it begins with nothing, as a
        training does by its first checkpoint.
        """
        seen, between = self.seen(), self.writer.between
        old = self.old if between else before
        for name, found in seen.items():
            whole = [old.get(name), self.new.get(name), between and hash_of(between)]
            assert found in whole or RESUMED.fullmatch(name), f"{name} is half-written"
        missing = sorted(set(before) - set(seen))
        assert not missing, f"{missing} was there before"

    def check_complete(self, where="", seen=None):
        seen = self.seen() if seen is None else seen
        wrong = sorted(set(seen.items()) ^ set(self.new.items()))
        assert not wrong, f"{where}the next run leaves {wrong}"
        assert not self.left(), f"{where}the next run leaves {self.left()}"

    # --- The trials ---

    def kill(self, rng):
        before, moment = self._begin(rng), self._moment(rng)

        def killed():
            with Lines(*moment, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                self._write()

        self._forked(killed)
        self.check_intact(before)
        self._forked(self._written)
        self.check_complete()

    def interrupt(self, rng):
        before, moment = self._begin(rng), self._moment(rng)

        def interrupted():
            n_threads = threading.active_count()
            try:
                with Lines(*moment, lambda: os.kill(os.getpid(), signal.SIGINT)):
                    self._write()
            except (KeyboardInterrupt, Cancelled):
                pass
            self.check_intact(before)
            self._write()  # in the same process, as in a notebook
            assert threading.active_count() <= n_threads, threading.enumerate()
            seen = self.seen()
            wrong = sorted(set(seen.items()) ^ set(self.new.items()))
            assert not wrong, f"the next run leaves {wrong}"

        self._forked(interrupted)
        self._forked(self._written)
        self.check_complete("in another process, ")

    def full(self, rng):
        """No file may grow beyond a size; the system answers as for a full disk."""
        before = self._begin(rng)
        most = int(rng.integers(1, self.largest))
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

        def short_of_room():
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
            self._refused(before)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            self._write()
            return self.seen()

        self.check_complete(f"below {most} bytes: ", self._forked(short_of_room))

    def read_only(self, rng):
        before = self._begin(rng)

        def locked():
            folders = [self.root / "home", *(p for p in self.root.rglob("*") if p.is_dir())]
            with bound():
                for folder in folders:
                    folder.chmod(0o555)
                self._refused(before)
                for folder in folders:
                    folder.chmod(0o755)
            self._write()
            return self.seen()

        self.check_complete("", self._forked(locked))

    def _refused(self, before):
        try:
            self._write()
        except MssvizError as error:
            lines = str(error).splitlines()
            assert len(lines) == 1, lines
        self.check_intact(before)
        assert not self.left(), f"it leaves {self.left()}"


def hash_of(content):
    return hashlib.sha256(content).hexdigest()[:16]


def tried(name, seed, counts, folder):
    """What went wrong with one writer, by what was done to it."""
    trials, wrong = Trials(name, folder), {}
    for how, count in counts.items():
        wrong[how] = []
        for number in range(count):
            try:
                getattr(trials, how)(np.random.default_rng((seed, number)))
            except AssertionError as error:
                wrong[how].append(f"{number}: {error}")
    return wrong


def main(seed, counts, *names):
    # forks share no lock of bars, which a killed one would keep; nor is it held at a fork
    tqdm.tqdm.set_lock(threading.RLock())
    tqdm.tqdm.monitor_interval = 0
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = tried(name, int(seed), json.loads(counts), Path(folder))
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
