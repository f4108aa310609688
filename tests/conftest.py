"""Fixtures that more than one test file needs: the real network runs once per session."""

import gc
import os
import sys
import tempfile
import warnings
from pathlib import Path

import hypothesis.core
import pytest
from hypothesis import settings

import mssviz
from mssviz import audio, cli, datasets
from tests import counts
from tests.permissions import bound
from tests.server import serving

# how long an example takes says how busy the machine is, and nothing of what is tested
settings.register_profile("usual", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=100 * max(1, counts.NIGHTLY))
settings.load_profile("nightly" if counts.NIGHTLY else "usual")


def pytest_configure(config):
    if config.getoption("--hypothesis-seed") is None:
        hypothesis.core.global_force_seed = counts.SEED


def pytest_collection_modifyitems(items):
    """Slow tests begin: at the end, short files keep all processes busy."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header():
    return counts.told()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.failed:
        report.sections.append(("to repeat it", counts.told()))
    return report


@pytest.fixture(scope="module", autouse=True)
def short_collections():
    """What files before have left is not looked through each time that garbage is collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def plain_graphs():
    """Graphs run as they are traced: to improve them takes longer than a few steps do."""
    from mssviz.networks._tensorflow import tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="session")
def separator():
    return mssviz.Separator("spleeter:2stems", progress=False)


@pytest.fixture(scope="session")
def example():
    """(mixture, references) of the shipped example, at 44100 Hz."""
    return datasets.examples()["francium"].load()


@pytest.fixture(scope="session")
def separation(separator, example):
    return separator.separate(example[0], 44100, progress=False)


@pytest.fixture
def repaired(monkeypatch):
    """Name of a sound file to parts, in seconds, that its reader says it has filled."""
    fakes = {}

    class Repairing(audio.AudioReader):
        def __init__(self, path, *arguments, **options):
            super().__init__(path, *arguments, **options)
            self._fake = fakes.get(Path(path).name, [])

        def blocks(self, *arguments):
            yield from super().blocks(*arguments)
            self.repairs = self._fake

    monkeypatch.setattr(audio, "AudioReader", Repairing)
    return fakes


@pytest.fixture
def mssviz_command(separator, monkeypatch, capfd):
    """The command line within this process, with a network that is loaded already."""

    def exit_(code):
        raise SystemExit(code)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mssviz", *map(str, arguments)])
        capfd.readouterr()
        with warnings.catch_warnings(), pytest.raises(SystemExit) as stop:
            cli.main()
        said = capfd.readouterr()
        return stop.value.code, said.out, said.err

    monkeypatch.setattr(os, "_exit", exit_)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    network = separator.network
    monkeypatch.setattr("mssviz.pretrained.load", lambda _: network)
    return run


@pytest.fixture(scope="module")
def running_server():
    with serving() as server:
        yield server


@pytest.fixture
def server(running_server):
    """A web server of this machine's own, which serves what a test gives it."""
    running_server.reset()
    return running_server


@pytest.fixture
def own_folder():
    """Folder of a user whom permissions bind; root passes over them, and gives that up here."""
    with tempfile.TemporaryDirectory() as folder, bound():
        yield Path(folder)
