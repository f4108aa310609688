"""The examples in the docstrings of the public interface: every name has one, and it runs."""

import doctest
import inspect

import numpy as np
import pandas as pd
import pytest

import mssviz

NAMES = [name for name in mssviz.__all__ if not inspect.ismodule(getattr(mssviz, name))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_there_are_names():
    assert {"explore", "Separator", "evaluate"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"mssviz": mssviz, "np": np, "pd": pd}
    finder = doctest.DocTestFinder(recurse=False)
    [test] = finder.find(getattr(mssviz, name), name, globs=names)
    assert test.examples, f"{name} has no example"
    said = []
    failed = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append).failed
    assert not failed, "".join(said)
