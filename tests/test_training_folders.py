"""Folders that are trained into: of any name, on full disks, of two trainings at once."""

import dataclasses
import json
import os
import resource
import threading

import numpy as np
import pytest
import soundfile

import mssviz
from mssviz import datasets, presets, training
from mssviz.errors import FileError, ParameterError
from mssviz.networks.fit import Log
from mssviz.training import Settings, train

RATE = 44100
TINY = dataclasses.replace(
    training.tiny(), patch_frames=32, model={"type": "unet", "filters": [4, 8]}
)
SHORT = Settings(steps=1, epoch_steps=1, batch_size=1, chunk_seconds=2)
SPLEETERS = {
    "instrument_list": ["vocals", "accompaniment"],
    "sample_rate": RATE,
    "frame_length": 4096,
    "frame_step": 1024,
    "T": 64,
    "F": 1024,
    "n_channels": 2,
    "separation_exponent": 2,
    "mask_extension": "zeros",
    "model_dir": "model",
    "model": {"type": "unet.unet", "params": {"conv_n_filters": [8, 16, 32, 64]}},
}


@pytest.fixture
def song(tmp_path):
    folder = tmp_path / "songs" / "song"
    folder.mkdir(parents=True)
    for number, stem in enumerate(("vocals", "accompaniment")):
        noise = np.random.default_rng(number).normal(0, 0.1, (2 * RATE, 2))
        soundfile.write(folder / f"{stem}.wav", noise, RATE)
    return folder


def run(song, folder, **options):
    settings = options.pop("settings", SHORT)
    tracks = datasets.from_folders(song.parent)
    cache = song.parents[1] / "cache"
    return train(tracks, folder, TINY, settings=settings, cache=cache, progress=False, **options)


# --- Names ------------------------------------------------------------------------------------


def test_what_a_folder_of_any_name_holds_is_a_model(song, tmp_path):
    name = os.fsdecode(b"caf\xe9 " + "spaced\u00a0👩\u200d🎤\ntwo lines".encode())
    song.rename(song.parent / name)
    folder = tmp_path / name
    run(song, folder)
    assert f"- {mssviz.errors.one_line(name)}\n" in (folder / "README.md").read_text("utf-8")
    separator = mssviz.Separator(folder, progress=False)
    sound = np.random.default_rng(0).normal(0, 0.1, (RATE, 2))
    assert set(separator.separate(sound, RATE, progress=False).estimates) == set(separator.targets)


@pytest.mark.parametrize("name", [b"caf\xe9.json", "spaced\u00a0.json".encode()])
def test_a_configuration_of_spleeters_may_have_any_name(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_text(json.dumps(SPLEETERS), "utf-8")
    assert presets.find(path).name.isprintable()


def test_a_preset_whose_result_could_not_be_read_is_refused(song, tmp_path):
    too_long = dataclasses.replace(TINY, context=16)
    with pytest.raises(
        ParameterError, match=r"result could not be read: .*context must be .* 0 to 15 \(got 16\)"
    ):
        train(datasets.from_folders(song.parent), tmp_path / "model", too_long, settings=SHORT,
              cache=tmp_path / "cache", progress=False)  # fmt: skip
    assert not (tmp_path / "model").exists()


# --- Disks ------------------------------------------------------------------------------------


def test_curves_that_cannot_be_written_are_one_line(song, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "logs").touch()
    with pytest.raises(FileError, match=r"model/logs: curves .* cannot be written \(Not a dir"):
        run(song, folder)


def test_a_disk_that_fills_up_under_the_curves_is_one_line(tmp_path):
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Log(tmp_path) as log:
        log.write(1, {"loss": 1.0})
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, most[1]))
        try:
            with pytest.raises(
                FileError, match=r"curves .* \(.*File too large.*\); free some space"
            ):
                log.write(2, {"loss": 1.0})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)


# --- Two at once ------------------------------------------------------------------------------


def test_two_trainings_in_one_folder_do_not_disturb_each_other(song, tmp_path):
    refused = []

    def again(*_):
        other = threading.Thread(target=lambda: refused.append(refusal()))
        other.start()
        other.join()

    def refusal():
        with pytest.raises(FileError, match="another training is at work in it; wait for its end"):
            run(song, tmp_path / "model")
        return True

    history = run(song, tmp_path / "model", watch=again)
    assert len(history) == 1
    assert refused == [True]
    assert len(run(song, tmp_path / "model")) == 1  # it has ended


# --- What configurations say ------------------------------------------------------------------


@pytest.mark.parametrize("key", ["model_dir", "training_cache"])
@pytest.mark.parametrize("place", ["../outside", "/outside", "model/../../outside"])
def test_a_configuration_does_not_choose_folders_elsewhere(song, tmp_path, key, place):
    path = tmp_path / "theirs" / "conf.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**SPLEETERS, key: place}), "utf-8")
    with pytest.raises(ParameterError, match=f"conf.json: {key} '{place}' is neither within"):
        training.plan(path, song.parent)
    output, cache = tmp_path / "out", tmp_path / "cache"
    plan = training.plan(path, song.parent, output=output, cache=cache)
    assert (plan["folder"], plan["cache"]) == (output, cache)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 4e9), ("chunks", 4e9)])
def test_numbers_that_no_memory_holds_are_refused(name, value):
    with pytest.raises(ParameterError, match=f"{name} must be a whole number from 1 to"):
        Settings(**{name: value})


def test_a_batch_that_no_memory_holds_is_refused(song, tmp_path):
    settings = Settings(steps=1, batch_size=20_000, chunk_seconds=2)
    with pytest.raises(ParameterError, match="batch_size 20000 makes batches of 3932160000 numb"):
        run(song, tmp_path / "model", settings=settings)
    assert not (tmp_path / "model").exists()
