"""Fixtures that more than one test file needs: the real network runs once per session."""

import pytest

import mssviz
from mssviz import datasets


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
