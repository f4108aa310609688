"""Models, results and caches that may not be read or written: one line says so."""

import dataclasses
import json

import numpy as np
import pandas as pd  # noqa: F401, before the tests run as somebody who may not read it
import pytest

import mssviz
from mssviz import _files, comparison, datasets, pretrained, training
from mssviz.errors import FileError, ParameterError, PretrainedError
from mssviz.training import result
from mssviz.training.settings import Settings


@pytest.fixture
def model(own_folder):
    """Folder of a model whose weights nobody has looked at yet."""
    folder = own_folder / "model"
    (folder / "weights").mkdir(parents=True)
    config = result.configuration(training.tiny(), Settings(), ["song"], None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "weights" / result.WEIGHTS).write_bytes(b"")
    return folder


def test_a_model_that_may_not_be_read(model):
    weights = model / "weights"
    weights.chmod(0)
    with pytest.raises(PretrainedError, match="model/weights: may not be read; change its permis"):
        mssviz.Separator(model, progress=False)
    with pytest.raises(PretrainedError, match="model/weights: may not be read; change its permis"):
        pretrained.load(mssviz.presets.find(model))
    model.chmod(0)
    with pytest.raises(
        ParameterError, match=r"model.* cannot be read \(Permission denied\); check"
    ):
        mssviz.Separator(model, progress=False)
    model.chmod(0o700)


def test_weights_that_are_brought_but_may_not_be_read(own_folder, monkeypatch):
    monkeypatch.setenv("MSSVIZ_CACHE", str(own_folder / "cache"))
    preset = mssviz.presets.find("spleeter:4stems")
    weights = dataclasses.replace(preset.weights, folder=str(own_folder / "place"))
    archive = own_folder / "archive.tar.gz"
    archive.write_bytes(b"")
    archive.chmod(0)
    with pytest.raises(PretrainedError, match=r"archive\.tar\.gz: no such file .* may not be read"):
        pretrained.fetch(dataclasses.replace(preset, weights=weights), source=archive)
    for name in weights.files:
        (own_folder / name).write_bytes(b"")
    (own_folder / name).chmod(0)
    with pytest.raises(PretrainedError, match=f"holds no file {name} that can be read"):
        pretrained.fetch(dataclasses.replace(preset, weights=weights), source=own_folder)


def test_a_place_that_may_not_be_entered(own_folder):
    locked = own_folder / "locked"
    locked.mkdir(mode=0)
    with pytest.raises(FileError, match=r"Permission denied.*choose a folder that you may"):
        _files.check_places([locked / "scores.csv"])
    with pytest.raises(FileError, match=r"Permission denied.*choose a folder that you may"):
        _files.check_places([locked / "new" / "scores.csv"])
    locked.chmod(0o700)


def test_scores_that_cannot_be_kept_are_told_before_any_are_made(own_folder, monkeypatch):
    monkeypatch.setattr(comparison, "score", lambda *_: pytest.fail("scored in vain"))
    cache = own_folder / "cache"
    cache.mkdir(mode=0o500)
    sound = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
    for stem in ("vocals", "accompaniment"):
        mssviz.write_audio(own_folder / f"{stem}.wav", sound, 44100)
    tracks = {"song": datasets.from_folder(own_folder)}
    with pytest.raises(FileError, match=r"cache.*cannot be written"):
        comparison.compare(tracks, "mixture", cache=cache, progress=False)
