"""What training offers beside its steps: LoRA, the measure of validation, why a loss is flat."""

import dataclasses

import numpy as np
import pytest

import mssviz
from mssviz import datasets, presets, scores
from mssviz.errors import ParameterError
from mssviz.networks import Network, table
from mssviz.networks._tensorflow import tf
from mssviz.networks.fit import Fit, Glance
from mssviz.training import Settings, measuring, train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]

TARGETS = ("vocals", "accompaniment")
SMALL = dataclasses.replace(
    presets.find("bs-roformer-tiny"),
    targets=TARGETS,
    patch_samples=8192,
    context=0,
    model={
        "type": "bs_roformer", "n_fft": 256, "hop_length": 64, "bands": [8] * 15 + [9],
        "dim": 16, "depth": 1, "heads": 2, "head_dim": 8, "mask_expansion": 1,
    },
)  # fmt: skip
FEW = Settings(
    steps=6, epoch_steps=3, batch_size=2, learning_rate=1e-2, decay=0.5, chunk_seconds=2.0,
    loss="L1", lora=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def songs():
    return {"song": datasets.examples()["francium"].excerpt(0, 3.0)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("spectra")


@pytest.fixture(scope="module")
def base(songs, cache, tmp_path_factory):
    """A preset of three steps of training, all weights."""
    folder = tmp_path_factory.mktemp("base") / "base"
    settings = dataclasses.replace(FEW, steps=3, lora=0)
    train(songs, folder, SMALL, settings=settings, cache=cache, progress=False)
    return folder


@pytest.fixture(scope="module")
def tuned(songs, cache, base, tmp_path_factory):
    """A preset that was adapted from `base`, and its history."""
    folder = tmp_path_factory.mktemp("tuned") / "tuned"
    options = {"validation": songs, "settings": FEW, "cache": cache, "progress": False}
    return folder, train(songs, folder, SMALL, init=base, **options)


def _weights(folder):
    network = mssviz.Separator(folder, progress=False).network
    return {weight.path: weight.numpy() for weight in network.model.weights}


def test_the_kernels_of_linear_layers_change_by_the_rank_and_nothing_else_does(base, tuned):
    before, after = _weights(base), _weights(tuned[0])
    assert before.keys() == after.keys()
    changed = {path for path, value in before.items() if not np.array_equal(value, after[path])}
    larger = tuple(f"_{name}/kernel" for name in ("qkv", "out", "linear1", "linear2"))
    assert changed == {path for path in before if path.endswith(larger)}
    for path in changed:
        ranks = np.linalg.svd(after[path] - before[path], compute_uv=False)
        assert ranks[1] > 1e-2 * ranks[0] > 0
        assert ranks[2] < 1e-5 * ranks[0]
    assert tuned[1]["loss"].iloc[-1] < tuned[1]["loss"].iloc[0]


def test_the_result_separates_as_it_was_validated(songs, cache, base, tuned):
    settings = dataclasses.replace(FEW, steps=1, lora=0, learning_rate=1e-9)
    folder = tuned[0].parent / "next"
    history = train(
        songs, folder, SMALL, validation=songs, settings=settings, init=tuned[0], cache=cache,
        progress=False,
    )  # fmt: skip
    best = tuned[1]["validation_loss"].min()
    assert history["validation_loss"].iloc[0] == pytest.approx(best, rel=1e-4)


def test_a_stopped_run_goes_on_to_the_same_weights(songs, cache, base, tuned, tmp_path):
    options = {"validation": songs, "cache": cache, "progress": False, "init": base}
    for steps in (3, 6):
        settings = dataclasses.replace(FEW, steps=steps)
        train(songs, tmp_path / "again", SMALL, settings=settings, **options)
    again, whole = _weights(tmp_path / "again"), _weights(tuned[0])
    assert all(np.array_equal(again[path], value) for path, value in whole.items())


def test_only_a_few_weights_are_learnt(base):
    fit = Fit(lambda: Network(SMALL.model, TARGETS, SMALL.input_shape), lora=2)
    names = {weight.name for weight in fit.network.model.trainable_weights}
    assert names == {"lora_kernel_a", "lora_kernel_b"}
    with pytest.raises(ParameterError, match="lora 64 is as large"):
        Fit(lambda: Network(SMALL.model, TARGETS, SMALL.input_shape), lora=64)


@pytest.mark.parametrize(
    ("network", "named"),
    [(SMALL, False), ("tiny", True)],
    ids=["without a beginning", "without transformers"],
)
def test_it_is_refused_where_it_means_nothing(songs, cache, base, tmp_path, network, named):
    with pytest.raises(ParameterError, match="lora changes a trained transformer a little"):
        train(
            songs, tmp_path / "no", network, settings=FEW, init=base if named else None,
            cache=cache, progress=False,
        )  # fmt: skip
    assert not (tmp_path / "no").exists()


# --- The measure of validation ----------------------------------------------------------------


@pytest.mark.parametrize("network", [SMALL, "tiny"], ids=["waveforms", "magnitudes"])
def test_the_best_weights_can_be_chosen_by_what_is_heard(songs, cache, tmp_path, network):
    settings = Settings(
        steps=2, epoch_steps=1, batch_size=1, chunk_seconds=3.0, chunks=1, measure="uSDR",
        learning_rate=1e-3, decay=0, loss="L1",
    )  # fmt: skip
    if network == "tiny":
        network = dataclasses.replace(
            mssviz.training.tiny(), patch_frames=32, model={"type": "unet", "filters": [4, 8]}
        )
    folder = tmp_path / "mine"
    history = train(
        songs, folder, network, validation=songs, settings=settings, cache=cache, progress=False
    )
    assert history["validation_usdr"].notna().all()
    mixture, stems = songs["song"].load()
    true = datasets.to_targets(stems, TARGETS)
    found = mssviz.Separator(folder, progress=False).separate(mixture, 44100, progress=False)
    heard = np.mean([scores.usdr(true[target], found.estimates[target]) for target in TARGETS])
    assert history["validation_usdr"].max() == pytest.approx(heard, abs=1e-3)


def test_a_measure_needs_songs_for_validation(songs, cache, tmp_path):
    settings = dataclasses.replace(FEW, lora=0, measure="uSDR")
    with pytest.raises(ParameterError, match="a measure need tracks for validation"):
        train(songs, tmp_path / "no", SMALL, settings=settings, cache=cache, progress=False)


# --- What cannot learn ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in table.LOSSES if name != "combination"])
def test_a_batch_of_one_has_the_losses_that_it_has_among_others(name):
    loss = table.resolve(table.LOSSES[name])
    rng = np.random.default_rng(0)
    shape = (3, 6000, 2)
    estimates, targets = (
        [tf.constant(rng.random(shape), tf.float32) for _ in TARGETS] for _ in range(2)
    )
    mixture = targets[0] + targets[1]
    together = loss(estimates, targets, mixture).numpy()
    assert (together > 0).all()
    for number in range(3):
        one = slice(number, number + 1)
        alone = loss([e[one] for e in estimates], [t[one] for t in targets], mixture[one])
        assert np.allclose(alone.numpy()[0], together[number], rtol=1e-5)


def test_remixing_a_single_song_is_told(songs, cache, tmp_path):
    settings = dataclasses.replace(FEW, lora=0, steps=1, augment=("remix",))
    with pytest.warns(UserWarning, match="there is one song"):
        train(songs, tmp_path / "one", SMALL, settings=settings, cache=cache, progress=False)


@pytest.fixture(scope="module")
def fit():
    return Fit(lambda: Network(SMALL.model, TARGETS, SMALL.input_shape), loss="L1")


def _batch(targets):
    return np.concatenate([targets.sum(axis=1, keepdims=True), targets], axis=1, dtype=np.float32)


@pytest.fixture(scope="module")
def batch():
    return _batch(0.1 * np.random.default_rng(0).normal(size=(1, 2, 8192, 2)))


def test_losses_are_flat_if_no_epoch_is_a_hundredth_below_the_first():
    assert measuring.is_flat([1.0, 0.995, 1.2], 100)
    assert not measuring.is_flat([1.0, 0.995, 1.2], 99)
    assert not measuring.is_flat([1.0, 0.98, 1.2], 100)
    assert not measuring.is_flat([1.0, 1.0], 100)


def test_a_flat_loss_is_explained_by_what_is_found(fit, batch, monkeypatch):
    def why(examples=batch, rate=1e-3, began_with=None):
        return measuring.why_flat(fit, examples, rate, began_with)

    assert "all targets of the last batch are silent" in why(_batch(np.zeros((1, 2, 8192, 2))))
    assert "changes next to nothing" in why(rate=1e-9)
    assert "it is that of silence" in why()  # as a random network is
    kept = fit.network.model.get_weights()
    try:
        for weight in fit.network.model.weights:
            if "_mask/" in weight.path:
                weight.assign(10 * weight)
        assert "three times as high" in why()
        assert "base, which it began with" in why(began_with="base")
    finally:
        fit.network.model.set_weights(kept)
    monkeypatch.setattr(fit, "look_into", lambda _: Glance(loss=1.0, silence=2.0, gradient=0.0))
    assert "no weight has a gradient" in why()
    monkeypatch.setattr(fit, "look_into", lambda _: Glance(loss=0.0, silence=2.0, gradient=0.0))
    assert "the loss is 0" in why()


def test_a_training_that_does_not_learn_says_why(songs, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "FLAT_STEPS", 3)
    settings = dataclasses.replace(
        FEW, lora=0, epoch_steps=1, learning_rate=1e-12, chunk_seconds=0.1858, chunks=1
    )
    with pytest.warns(UserWarning, match=r"has not fallen in \d epochs .*changes next to nothing"):
        train(songs, tmp_path / "flat", SMALL, settings=settings, cache=cache, progress=False)
