"""The examples in the docstrings of the public interface: every name has one, and it runs."""

import doctest
import inspect
import operator

import numpy as np
import pandas as pd
import pytest

import mssviz

pytestmark = pytest.mark.slow

NAMES = [name for name in mssviz.__all__ if not inspect.ismodule(getattr(mssviz, name))]
#: Names in rooms that have an example, too.
IN_ROOMS = [
    f"{room}.{name}"
    for room in ("lessons", "masks", "plots", "scores")
    for name in getattr(mssviz, room).__all__
    if ">>>" in (getattr(getattr(mssviz, room), name).__doc__ or "")
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_there_are_names():
    assert {"explore", "Separator", "evaluate"} <= set(NAMES)


def example_of(thing, name):
    """The example in a docstring, whose code finds the usual names."""
    names = {"mssviz": mssviz, "np": np, "pd": pd}
    [test] = doctest.DocTestFinder(recurse=False).find(thing, name, globs=names)
    return test


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = example_of(getattr(mssviz, name), name)
    assert test.examples, f"{name} has no example"
    runs(test)


@pytest.mark.parametrize("name", IN_ROOMS)
def test_the_example_of_a_name_in_a_room_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs(example_of(operator.attrgetter(name)(mssviz), name))


def runs(test):
    said = []
    failed = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append).failed
    assert not failed, "".join(said)
