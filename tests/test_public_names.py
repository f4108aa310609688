"""The names of the public interface stay what they are, whatever has been imported."""

import inspect

import mssviz


def test_a_function_is_not_hidden_by_a_module_of_its_name(separator):
    assert separator.network is not None  # everything that a separation imports is imported
    for name in mssviz.__all__:
        assert not inspect.ismodule(getattr(mssviz, name)), name
    assert "spleeter:2stems" in mssviz.models().index
