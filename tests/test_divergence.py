"""Trainings that run into numbers that are not finite: they end, and what was good stays."""

import dataclasses
import shutil

import numpy as np
import pytest

import mssviz
from mssviz import datasets, training
from mssviz.errors import Cancelled, FileError, MssvizError, ParameterError
from mssviz.networks import Network
from mssviz.networks._tensorflow import keras
from mssviz.networks.fit import Fit
from mssviz.training import CHECKPOINT, Run, Settings, train

pytestmark = pytest.mark.slow

TINY = dataclasses.replace(
    training.tiny(), patch_frames=16, model_bins=64, model={"type": "unet", "filters": [4, 8]}
)
FEW = Settings(steps=6, epoch_steps=2, batch_size=1, learning_rate=1e-3, chunk_seconds=3.5)


@pytest.fixture(scope="module")
def song():
    return {"song": datasets.examples()["francium"].excerpt(0, 4.0)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("spectra")


def diverges(song, cache, folder, match, settings=FEW, kind=MssvizError, **options):
    """Train until it ends, and give what the folder holds."""
    with pytest.raises(kind, match=match) as caught:
        train(song, folder, TINY, settings=settings, cache=cache, progress=False,
              validation=song, **options)  # fmt: skip
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(folder):
    files = [folder / CHECKPOINT, *(folder / "weights").iterdir()]
    return {path.name: path.read_bytes() for path in files if path.is_file()}


def test_a_training_loss_that_is_not_finite_ends_it_and_keeps_nothing(song, cache, tmp_path):
    settings = dataclasses.replace(FEW, optimizer="SGD", learning_rate=1e30, epoch_steps=4)
    text = diverges(song, cache, tmp_path / "run", r"^step \d, learning rate 1e\+30: the trai",
                    settings)  # fmt: skip
    assert f"nothing was kept in {tmp_path / 'run'}" in text
    assert "float32" in text
    assert not (tmp_path / "run" / CHECKPOINT).exists()
    assert not (tmp_path / "run" / "weights").exists()


def good_until(step, monkeypatch, spoil):
    """Let the network go bad after a step, and remember what was kept before."""
    real = Fit.step
    done = []

    def stepped(fit, batch, learning_rate):
        loss = real(fit, batch, learning_rate)
        done.append(loss)
        return spoil(fit, loss) if len(done) > step else loss

    monkeypatch.setattr(Fit, "step", stepped)


def spoil_weights(fit, loss):
    weights = fit.network.model.weights[0]
    weights.assign(np.full(weights.shape, np.nan, np.float32))
    return loss


@pytest.fixture(scope="module")
def trained(song, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(song, folder, TINY, settings=dataclasses.replace(FEW, steps=2), cache=cache,
          validation=song, progress=False)  # fmt: skip
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """Of a run that has done two steps."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda fit, loss: float("nan"), "step 3, .* the training loss is nan"),
        (spoil_weights, "step 4, .* weights are not finite|loss is nan"),
    ],
    ids=["loss", "weights"],
)
def test_the_last_good_state_stays(song, cache, folder, monkeypatch, spoil, match):
    before = contents(folder)
    good_until(0, monkeypatch, spoil)
    text = diverges(song, cache, folder, match)
    assert "the last good checkpoint and weights stay" in text
    assert contents(folder) == before
    network = mssviz.Separator(folder, progress=False).network
    assert all(np.isfinite(values).all() for values in network.model.get_weights())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_validation_loss_that_is_not_finite_is_not_the_best(
    song, cache, folder, monkeypatch, value
):
    before = contents(folder)
    monkeypatch.setattr(Run, "_validated", lambda run: np.array([1.0, value]))
    diverges(song, cache, folder, f"step 4, .* the validation loss is {value}")
    assert contents(folder) == before


def test_interrupted_at_such_numbers_keeps_the_state_before(song, cache, folder, monkeypatch):
    before = contents(folder)
    good_until(0, monkeypatch, spoil_weights)

    def stop(done, total, what):
        if what.startswith("train"):
            raise Cancelled

    with pytest.raises(MssvizError, match="weights are not finite"):
        train(song, folder, TINY, settings=FEW, cache=cache, validation=song, progress=stop)
    assert contents(folder) == before


def test_what_is_not_finite_is_not_gone_on_from(song, cache, folder):
    with np.load(folder / CHECKPOINT) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["network/0"][:] = np.inf
    np.savez(folder / CHECKPOINT, **arrays)
    diverges(
        song, cache, folder, "network/0 holds numbers that are not finite", kind=ParameterError
    )


# --- The folder -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "config.json"])
def test_a_persons_files_are_not_replaced(song, cache, tmp_path, name):
    (tmp_path / name).write_text('{"title": "mine"}')
    diverges(song, cache, tmp_path, f"holds {name}, which no training", kind=FileError)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_result_without_its_checkpoint_is_trained_anew(song, cache, folder):
    before = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).unlink()
    train(song, folder, TINY, settings=dataclasses.replace(FEW, steps=2), cache=cache,
          validation=song, progress=False)  # fmt: skip
    assert len((folder / CHECKPOINT).read_bytes()) == pytest.approx(len(before), abs=2000)


# --- Settings of the session ------------------------------------------------------------------


def losses():
    fit = Fit(lambda: Network(TINY.model, TINY.targets, TINY.input_shape), seed=3)
    batch = np.random.default_rng(0).uniform(0, 1, (2, 3, 16, 2, 64)).astype(np.float32)
    found = [fit.step(batch, 1e-2) for _ in range(3)]
    return found, fit.validate(batch), {name: kind for name, (_, kind) in fit.layout().items()}


def test_keras_settings_do_not_reach_a_training():
    expected = losses()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    try:
        found = losses()
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert found[2] == expected[2]
