"""Fixtures that more than one test file needs: the real network runs once per session."""

from pathlib import Path

import pytest

import mssviz
from mssviz import audio, datasets


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
