"""Training: examples, augmentation, steps, interruption, the result as a preset."""

import dataclasses
import gc
import json
import os
import re
import signal
import subprocess
import sys
from contextvars import ContextVar

import numpy as np
import pytest
from tensorflow.python.framework.func_graph import FuncGraph
from typer.testing import CliRunner

import mssviz
from mssviz import audio, cli, datasets, patches, presets, training
from mssviz.errors import Cancelled, FileError, ParameterError
from mssviz.networks import Network
from mssviz.networks._tensorflow import tf
from mssviz.networks.fit import Fit
from mssviz.networks.losses import weighted_l1
from mssviz.stft import stft
from mssviz.training import Settings, train
from mssviz.training.chunks import Chunks, _starts
from mssviz.training.patches import Patches
from mssviz.widgets import training_view

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]

RATE = 44100
TARGETS = ("vocals", "accompaniment")
TINY = dataclasses.replace(
    training.tiny(), patch_frames=32, model={"type": "unet", "filters": [4, 8]}
)
FEW = Settings(
    steps=24, epoch_steps=8, batch_size=2, learning_rate=1e-2, decay=0.5, chunk_seconds=3.5
)


def build():
    return Network(TINY.model, TARGETS, TINY.input_shape)


@pytest.fixture(scope="module")
def songs():
    song = datasets.examples()["francium"]
    return {"first": song.excerpt(0, 5.0), "second": song.excerpt(5.0, 5.0)}


@pytest.fixture(scope="module")
def held_out():
    return {"third": datasets.examples()["francium"].excerpt(2.0, 4.0)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("spectra")


@pytest.fixture(scope="module")
def chunks(songs, cache):
    chunks = Chunks(songs, TINY, 3.5, 2, cache)
    chunks.decode(progress=False)
    return chunks


@pytest.fixture(scope="module")
def trained(songs, held_out, cache, tmp_path_factory):
    """A whole run: its folder and its history."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    history = train(
        songs, folder, TINY, validation=held_out, settings=FEW, cache=cache, progress=False
    )
    return folder, history


# --- Examples ---------------------------------------------------------------------------------


def test_chunks_hold_the_spectra_of_mixture_and_targets(songs, chunks):
    mixture, sources = songs["first"].load()
    targets = datasets.to_targets(sources, TARGETS)
    assert len(chunks) == 4
    # the first chunk starts at the margin; its frames are those that samples fill
    part = slice(RATE // 2, RATE // 2 + 7 * RATE // 2)
    for number, signal_ in enumerate((mixture, *targets.values())):
        expected = stft(signal_[part], TINY.stft)[4:, :1024]
        found = chunks.read(0, number, 10, 20)
        assert np.allclose(found, expected[10:30].transpose(0, 2, 1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("n_chunks", "expected"), [(1, [10.0]), (2, [0.5, 19.5]), (4, [0.5, 41 / 6, 79 / 6, 19.5])]
)
def test_chunks_are_spread_evenly_as_spleeter_does(n_chunks, expected):
    assert np.allclose(_starts(40.0, 20.0, n_chunks), expected)


def test_a_song_of_one_chunk_gives_one():
    assert _starts(20.5, 20.0, 3) == [0.25]


def test_spectra_are_decoded_once_and_again_when_the_sound_changes(songs, chunks, tmp_path):
    again = Chunks(songs, TINY, 3.5, 2, chunks.files["first"].parent)
    assert again.looks(progress=False) == {}
    assert again.files == chunks.files
    louder = {}
    for name, (path, _) in songs["first"].stems.items():
        waveform, rate = audio.load_audio(path)
        audio.write_audio(tmp_path / f"{name}.wav", waveform / 2, rate, bit_depth="float")
        louder[name] = (tmp_path / f"{name}.wav", 0)
    changed = {"first": dataclasses.replace(songs["first"], stems=louder)}
    folder = chunks.files["first"].parent
    assert Chunks(changed, TINY, 3.5, 2, folder).files["first"] != chunks.files["first"]
    assert Chunks(songs, TINY, 3.5, 1, folder).files["first"] != chunks.files["first"]


def test_an_example_depends_on_seed_and_number_alone(chunks):
    augment = patches.AUGMENTATIONS
    one, other = Patches(chunks, augment, seed=3), Patches(chunks, augment, seed=3)
    batch = next(one.batches(5, 2))
    assert batch.shape == (2, 3, 32, 2, 1024)
    assert np.array_equal(batch, np.stack([other[10], other[11]]))
    assert not np.allclose(other[10], other[11])
    another = Patches(chunks, seed=4)
    plain = Patches(chunks, seed=3)
    same_chunk = [n for n in range(20) if plain._shuffled(n) == another._shuffled(n)]
    assert not any(np.allclose(plain[n], another[n]) for n in same_chunk[:2])


def test_every_chunk_comes_once_in_a_turn(chunks):
    plain = Patches(chunks, seed=1)
    for turn in range(3):
        order = [plain._shuffled(4 * turn + i) for i in range(4)]
        assert sorted(order) == [0, 1, 2, 3]
    assert len({tuple(plain._shuffled(4 * turn + i) for i in range(4)) for turn in range(9)}) > 1


# --- Augmentation -----------------------------------------------------------------------------


def shares(chunks, *augment, n=60):
    """Levels of the targets relative to the same example without augmentation."""
    plain, varied = Patches(chunks, seed=2), Patches(chunks, augment, seed=2)
    pairs = [(plain[i][1:], varied[i][1:]) for i in range(n)]
    return np.array([(b.sum(axis=(1, 2, 3)) / a.sum(axis=(1, 2, 3))) for a, b in pairs])


def test_gains_are_in_their_range_and_each_targets_own(chunks):
    gains = shares(chunks, "gain")
    assert 0.25 <= gains.min() < 0.35
    assert 1.15 < gains.max() <= 1.25
    assert abs(np.corrcoef(gains.T)[0, 1]) < 0.5


def test_swapped_channels_are_exchanged_as_often_as_not(chunks):
    plain, varied = Patches(chunks, seed=2), Patches(chunks, ("swap",), seed=2)
    swapped = []
    for i in range(40):
        before, after = plain[i][1:], varied[i][1:]
        for x, y in zip(before, after, strict=True):
            swapped.append(np.array_equal(y, x[:, ::-1]))
            assert swapped[-1] or np.array_equal(y, x)
    assert 0.3 < np.mean(swapped) < 0.7


@pytest.mark.parametrize("augment", [("gain",), ("swap",), ("remix",), ("gain", "swap", "remix")])
def test_the_mixture_is_the_complex_sum_of_the_varied_targets(chunks, augment, monkeypatch):
    monkeypatch.setattr(np, "abs", lambda x: x)  # leave the spectra complex
    for number in range(6):
        mixture, *targets = Patches(chunks, augment, seed=5)[number]
        assert np.allclose(mixture, sum(targets), atol=1e-4)


def test_remixing_takes_targets_from_different_chunks(chunks):
    plain, mixed = Patches(chunks, seed=2), Patches(chunks, ("remix",), seed=2)
    known = [np.abs(chunks.read(c, 2, 0, chunks.length)) for c in range(4)]
    sources = []
    for i in range(12):
        assert np.allclose(mixed[i][1], plain[i][1])  # the first target stays
        errors = [np.abs(frames - mixed[i][2][0]).max(axis=(1, 2)).min() for frames in known]
        assert min(errors) < 1e-4
        sources.append(int(np.argmin(errors)) == plain._shuffled(i))
    assert 0 < sum(sources) < 12


def test_pitch_moves_a_line_and_tempo_a_click():
    magnitudes = np.zeros((1, 40, 2, 200), np.float32)
    magnitudes[0, 10, :, 100] = 1
    frames, bins = np.nonzero(patches.stretched(magnitudes, 20)[0, :, 0])
    assert set(frames) == {5}
    assert set(bins) == {100}
    higher = patches.stretched(magnitudes, 40, pitch=1.3)
    assert abs(int(np.argmax(higher[0, 10, 0])) - 130) <= 1
    lower = patches.stretched(magnitudes + 1, 40, pitch=0.7)
    assert not lower[..., 140:].any()
    assert np.allclose(lower[0, 0, 0, :139], 1)


def test_tempo_spreads_more_or_fewer_frames_over_a_patch(chunks):
    varied = Patches(chunks, ("tempo",), seed=2)
    lengths = []
    for i in range(8):
        frames = np.abs(chunks.read(varied._shuffled(i), slice(None), 0, chunks.length))
        ends = [np.abs(frames - varied[i][:, [t]]).max(axis=(0, 2, 3)) for t in (0, -1)]
        assert max(errors.min() for errors in ends) < 1e-4
        lengths.append(int(np.argmin(ends[1]) - np.argmin(ends[0])) + 1)
    assert round(0.7 * 32) <= min(lengths) < 30
    assert 34 < max(lengths) <= round(1.3 * 32)


def test_pitch_moves_mixture_and_targets_alike(chunks):
    varied = Patches(chunks, ("pitch",), seed=2)
    lowered = 0
    for i in range(8):
        example = varied[i]
        # as for any sum, before interpolation
        assert np.all(example[0] <= 1.01 * (example[1] + example[2]) + 1e-3)
        tops = [np.flatnonzero(part.any(axis=(0, 1)))[-1] for part in example]
        assert max(tops) - min(tops) <= 1
        lowered += tops[0] < 1000
    assert 0 < lowered < 8


def test_unknown_augmentation_is_refused(chunks):
    with pytest.raises(ParameterError, match="'echo'"):
        Patches(chunks, ("echo",))


# --- Training ---------------------------------------------------------------------------------


def test_losses_fall(trained):
    _, history = trained
    assert list(history["step"]) == [8, 16, 24]
    assert history["loss"].is_monotonic_decreasing
    assert history["validation_loss"].is_monotonic_decreasing
    assert history["validation_loss"].iloc[-1] < 0.95 * history["validation_loss"].iloc[0]


def test_losses_are_spleeters(chunks):
    batch = np.stack([Patches(chunks)[i] for i in range(3)])
    fit = Fit(build, seed=1)
    # (examples, 1 + targets, T, C, F) -> (1 + targets, examples, T, F, C)
    mixture, *targets = batch.transpose(1, 0, 2, 4, 3)
    estimates = [np.asarray(output) for output in fit.network.model(mixture)]
    expected = [
        np.mean(abs(x - y), axis=(1, 2, 3)) for x, y in zip(estimates, targets, strict=True)
    ]
    assert np.allclose(fit.validate(batch), np.transpose(expected), rtol=1e-4)
    assert np.isclose(fit.step(batch, 1e-3), np.mean(expected, axis=1).sum(), rtol=1e-4)
    weighted = [
        np.mean(y, axis=(1, 2, 3)) * loss for y, loss in zip(targets, expected, strict=True)
    ]
    found = np.transpose(weighted_l1(estimates, targets, mixture))
    assert np.allclose(found, weighted, rtol=1e-4)


def test_the_average_follows_the_weights_by_its_formula(chunks):
    fit = Fit(build, decay=0.25, seed=1)
    batch = Patches(chunks)[0][None]
    expected = fit.network.model.get_weights()
    for step in range(1, 5):
        fit.step(batch, 1e-2)
        decay = min(0.25, step / (9 + step))
        weights = fit.network.model.get_weights()
        expected = [decay * m + (1 - decay) * w for m, w in zip(expected, weights, strict=True)]
    for mean, value in zip(fit.average.model.get_weights(), expected, strict=True):
        assert np.allclose(mean, value, atol=1e-6)


def test_mixed_precision_gives_similar_losses(chunks):
    batch = np.stack([Patches(chunks)[i] for i in range(2)])
    losses = {}
    for precision in ("float32", "mixed_float16"):
        fit = Fit(build, precision=precision, seed=1)
        losses[precision] = [fit.step(batch, 1e-2) for _ in range(4)]
        assert {w.dtype for w in fit.network.model.get_weights()} == {np.dtype("float32")}
    plain, mixed = losses.values()
    assert plain[-1] < 0.99 * plain[0]
    assert mixed != plain
    assert np.allclose(mixed, plain, rtol=0.02)


def test_the_rate_falls_and_training_ends_when_validation_stalls(
    songs, held_out, cache, tmp_path, monkeypatch
):
    losses = iter([3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5])
    monkeypatch.setattr(training.Run, "_validated", lambda run: np.array([next(losses)]))
    settings = dataclasses.replace(
        FEW, steps=24, epoch_steps=1, learning_rate=1e-3, reduce_after=2, stop_after=3
    )
    history = train(
        songs, tmp_path / "run", TINY, validation=held_out, settings=settings, cache=cache,
        progress=False,
    )  # fmt: skip
    assert np.allclose(history["learning_rate"], [1e-3, 1e-3, 1e-3, 1e-3, 3e-4])
    card = (tmp_path / "run" / "README.md").read_text()
    assert "| steps | 2 of 2 patches" in card  # the best, not the last


def test_curves_are_written_for_tensorboard(trained):
    folder, history = trained
    found = {}
    for path in (folder / "logs").glob("events.*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, {})[event.step] = number
    assert list(found["loss"]) == list(range(1, 25))
    assert np.isclose(np.mean([found["loss"][s] for s in range(17, 25)]), history["loss"].iloc[2])
    assert np.allclose(list(found["validation_loss"].values()), history["validation_loss"])
    assert np.allclose(list(found["learning_rate"].values()), 1e-2)


# --- Interruption -----------------------------------------------------------------------------

KILLED = """
import sys, time
from pathlib import Path
from tests.test_training import FEW, TINY, datasets, train
song = datasets.examples()["francium"]
songs = {"first": song.excerpt(0, 5.0), "second": song.excerpt(5.0, 5.0)}
folder, cache = map(Path, sys.argv[1:3])
def report(done, total, what):
    if what.startswith("train"):
        print("step", done, flush=True)
        time.sleep(0.2)
train(songs, folder, TINY, validation={"third": song.excerpt(2.0, 4.0)}, settings=FEW,
      cache=cache, progress=report)
"""


def killed_at(step, folder, cache):
    """Start the same run in a process and kill it once it has done `step` steps."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(cache)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=os.fspath(presets.checkout_folder()),
    )  # fmt: skip
    for line in process.stdout:
        if line == f"step {step}\n":
            process.kill()
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def assert_same_losses(found, expected):
    assert list(found["step"]) == list(expected["step"])
    for column in ("loss", "validation_loss", "learning_rate"):
        assert np.allclose(found[column], expected[column], rtol=0, atol=1e-6)


def test_a_killed_run_goes_on_to_the_same_losses(trained, songs, held_out, cache, tmp_path):
    folder = tmp_path / "mine"
    killed_at(11, folder, cache)
    kept = json.loads(str(np.load(folder / "checkpoint.npz")["progress"]))
    assert kept["step"] == 8
    assert mssviz.Separator(folder, progress=False).targets == TARGETS  # usable so far
    history = train(
        songs, folder, TINY, validation=held_out, settings=FEW, cache=cache, progress=False
    )
    assert_same_losses(history, trained[1])
    mine, theirs = (np.load(f / "checkpoint.npz") for f in (folder, trained[0]))
    for name in set(mine.files) - {"progress"}:
        assert np.allclose(mine[name], theirs[name], rtol=0, atol=1e-6)


def test_a_strange_file_among_the_weights_costs_no_step(trained, songs, held_out, cache, tmp_path):
    folder = tmp_path / "mine"
    strange = folder / "weights" / ".DS_Store"
    same = {"validation": held_out, "settings": FEW, "cache": cache}

    def put(done, _total, what):
        if what.startswith("train") and done == 11:  # between the first export and the second
            strange.write_bytes(b"")

    with pytest.raises(FileError, match=r"holds '.DS_Store', which would be deleted"):
        train(songs, folder, TINY, progress=put, **same)
    kept = json.loads(str(np.load(folder / "checkpoint.npz")["progress"]))
    assert (kept["step"], len(kept["losses"])) == (16, 8)
    with pytest.raises(FileError, match=r"holds '.DS_Store'"):  # before any step
        train(songs, folder, TINY, progress=False, **same)
    strange.unlink()
    history = train(songs, folder, TINY, progress=False, **same)
    assert_same_losses(history, trained[1])


def test_nothing_of_a_training_stays_in_memory(chunks):
    def graphs():
        gc.collect()
        return sum(isinstance(found, FuncGraph) for found in gc.get_objects())

    before = graphs()
    fit = Fit(build, seed=1)
    fit.step(np.stack([Patches(chunks)[0]]), 1e-3)
    assert graphs() > before
    del fit
    assert graphs() == before


def test_ctrl_c_keeps_the_last_step_and_a_longer_run_goes_on(
    trained, songs, held_out, cache, tmp_path
):
    folder = tmp_path / "mine"
    same = {"validation": held_out, "cache": cache}

    def interrupt(done, total, what):
        if what.startswith("train") and done == 11:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Cancelled, match=r"after step 11 of 16; the same .* goes on"):
        train(
            songs, folder, TINY, settings=dataclasses.replace(FEW, steps=16), progress=interrupt,
            **same,
        )  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is handler
    kept = json.loads(str(np.load(folder / "checkpoint.npz")["progress"]))
    assert (kept["step"], len(kept["losses"])) == (11, 3)
    history = train(songs, folder, TINY, settings=FEW, progress=False, **same)
    assert_same_losses(history, trained[1])


def test_a_callback_can_stop_a_run(trained, songs, held_out, cache, tmp_path):
    folder = tmp_path / "mine"

    def stop(done, total, what):
        if what.startswith("train") and done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(songs, folder, TINY, validation=held_out, settings=FEW, cache=cache, progress=stop)
    kept = json.loads(str(np.load(folder / "checkpoint.npz")["progress"]))
    assert (kept["step"], len(kept["losses"])) == (3, 3)


def test_another_run_in_the_same_folder_is_refused(trained, songs, held_out, cache):
    folder, _ = trained
    other = dataclasses.replace(FEW, learning_rate=1e-5, batch_size=3)
    before = (folder / "checkpoint.npz").read_bytes()
    with pytest.raises(ParameterError, match="other batch_size, learning_rate"):
        train(songs, folder, TINY, validation=held_out, settings=other, cache=cache, progress=False)
    with pytest.raises(ParameterError, match="other tracks"):
        train(held_out, folder, TINY, validation=held_out, settings=FEW, cache=cache,
              progress=False)  # fmt: skip
    assert (folder / "checkpoint.npz").read_bytes() == before


def test_a_damaged_checkpoint_is_named(songs, cache, tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"PK\x03\x04 not more")
    with pytest.raises(ParameterError, match=r"checkpoint\.npz: not a checkpoint"):
        train(songs, tmp_path, TINY, settings=FEW, cache=cache, progress=False)


# --- The result -------------------------------------------------------------------------------


def test_the_result_separates_like_any_preset(trained, example):
    folder, history = trained
    separator = mssviz.Separator(folder, progress=False)
    assert separator.preset.name == "mine"
    mixture, _ = example
    separation = separator.separate(mixture[: 3 * RATE], RATE, progress=False)
    assert separation.targets == TARGETS
    assert np.abs(separation.estimates["vocals"]).max() > 0.01
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# mine\n")
    assert "2 songs" in card
    assert "CC0 1.0" in card
    assert f"{history['loss'].iloc[-1]:.4f}" in card


def test_the_exported_weights_are_the_average(trained):
    folder, _ = trained
    network = mssviz.Separator(folder, progress=False).network
    kept = np.load(folder / "checkpoint.npz")
    for number, value in enumerate(network.model.get_weights()):
        assert np.array_equal(value, kept[f"average/{number}"])
    assert not np.array_equal(kept["average/0"], kept["network/0"])


def test_damaged_weights_are_noticed(trained, tmp_path):
    import shutil

    folder = shutil.copytree(trained[0], tmp_path / "copy")
    weights = folder / "weights" / training.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    weights.write_bytes(data)
    with pytest.raises(mssviz.PretrainedError, match="SHA-256"):
        _ = mssviz.Separator(folder, progress=False).network


# --- Faults -----------------------------------------------------------------------------------


def test_faults_are_told_all_at_once_before_the_first_step(songs, held_out, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.1, 0.1, (2 * RATE, 2)).astype(np.float32)

    def song(name, stems):
        (tmp_path / name).mkdir()
        for stem, waveform in stems.items():
            audio.write_audio(tmp_path / name / f"{stem}.wav", waveform, RATE)
        return datasets.from_folder(tmp_path / name)

    bad = {
        "short": song("short", {"vocals": noise[:9000], "other": noise[:9000]}),
        "dumb": song("dumb", {"vocals": 0 * noise, "other": noise}),
        "instrumental": song("instrumental", {"drums": noise, "bass": noise}),
    }
    (tmp_path / "gone").mkdir()
    gone = song("gone/x", {"vocals": noise, "other": noise})
    (tmp_path / "gone" / "x" / "vocals.wav").unlink()
    with pytest.raises(ParameterError) as caught:
        train(
            songs | bad, tmp_path / "out", TINY, validation={"gone": gone}, settings=FEW,
            cache=tmp_path / "cache", progress=False,
        )  # fmt: skip
    text = str(caught.value)
    assert text.startswith("3 of 6 tracks")
    assert "short: has 0.20 s, a patch needs 0.81 s" in text
    assert "dumb" not in text  # a song without a voice is one, too
    assert "instrumental: stems bass, drums do not give vocals, accompaniment" in text
    assert "gone: " in text
    assert "first" not in text
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 0}, "steps"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"decay": 1.0}, "decay"),
        ({"seed": -1}, "seed"),
        ({"loss": "L2"}, "'L2'"),
        ({"optimizer": "Lion"}, "'Lion'"),
        ({"precision": "float8"}, "'float8'"),
        ({"augment": ("echo",)}, "'echo'"),
        ({"augment": "gain"}, "augment is a list"),
        ({"augment": 3}, "augment is a list"),
        ({"mixture": "mastered"}, "mixture is one of file, sum"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"steps": "many"}, "steps must be a whole number"),
        ({"steps": None}, "steps must be a whole number"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"seed": 2**32}, "seed must be a whole number"),
        ({"learning_rate": float("inf")}, "learning_rate must be a finite number"),
        ({"decay": float("nan")}, "decay must be a finite number"),
        ({"chunk_seconds": [20]}, "chunk_seconds must be a finite number"),
        ({"loss": ["L1"]}, "loss is one of"),
    ],
)
def test_settings_out_of_their_domain_are_refused(changes, match):
    with pytest.raises(ParameterError, match=match):
        Settings(**changes)


def test_settings_that_do_not_fit_the_data_are_refused(songs, tmp_path):
    for settings, given, match in (
        (Settings(chunk_seconds=0.5), songs, "chunk_seconds"),
        (Settings(stop_after=3), songs, "validation"),
        (Settings(), {}, "at least one track"),
    ):
        with pytest.raises(ParameterError, match=match):
            train(given, tmp_path / "out", TINY, settings=settings, progress=False)


# --- Fine-tuning ------------------------------------------------------------------------------


def test_fine_tuning_starts_below_a_random_network(separator, chunks):
    preset = separator.preset  # convolutions know no length: short patches will do
    shape = {**preset.input_shape, "patch_frames": 64}
    fit = Fit(lambda: Network(preset.model, TARGETS, shape), seed=1)
    batch = np.abs(chunks.read(0, slice(None), 0, 64))[None]
    random = fit.validate(batch).sum()
    fit.start_from(separator.network, {target: target for target in TARGETS})
    assert fit.validate(batch).sum() < 0.5 * random


def test_a_result_says_what_it_has_learnt(trained):
    preset = presets.find(trained[0])
    assert preset.training_data == "2 songs: first, second"
    assert preset.trained_on_test == "not known"


def test_a_run_starts_from_another(trained, songs, held_out, cache, tmp_path):
    settings = dataclasses.replace(FEW, steps=1, learning_rate=1e-9)
    history = train(
        songs, tmp_path / "next", TINY, validation=held_out, settings=settings, init=trained[0],
        cache=cache, progress=False,
    )  # fmt: skip
    learnt = presets.find(tmp_path / "next").training_data
    assert learnt == f"2 songs: first, second; before that, what {trained[0]} has learnt"
    before = trained[1]["validation_loss"].iloc[-1]
    assert np.isclose(history["validation_loss"].iloc[0], before, rtol=1e-4)
    assert f"| began with | {trained[0]} |" in (tmp_path / "next" / "README.md").read_text()


def test_new_targets_start_where_they_are_told(trained, chunks):
    source = mssviz.Separator(trained[0], progress=False).network
    others = ("vocals", "drums", "other")
    fit = Fit(lambda: Network(TINY.model, others, TINY.input_shape), seed=9)
    before = fit.network.model.get_layer("other_conv1").get_weights()[0]
    fit.start_from(source, {"vocals": "vocals", "drums": "accompaniment"})
    for own, theirs in (("vocals", "vocals"), ("drums", "accompaniment")):
        for layer in ("conv2", "up1", "logits"):
            found = fit.average.model.get_layer(f"{own}_{layer}").get_weights()
            known = source.model.get_layer(f"{theirs}_{layer}").get_weights()
            assert all(np.array_equal(a, b) for a, b in zip(found, known, strict=True))
    assert np.array_equal(fit.network.model.get_layer("other_conv1").get_weights()[0], before)


def test_starting_from_another_network_is_refused(trained, songs, tmp_path, cache):
    cases = (
        (training.tiny(), None, "another network"),
        (TINY, {"vocals": "guitar"}, "guitar"),
        (TINY, {"guitar": "vocals"}, "guitar"),
    )
    for number, (network, named, match) in enumerate(cases):
        with pytest.raises(ParameterError, match=match):
            train(
                songs, tmp_path / str(number), network, settings=FEW, init=trained[0],
                init_targets=named, cache=cache, progress=False,
            )  # fmt: skip


# --- Configurations and the command line ------------------------------------------------------


@pytest.fixture
def spleeters(tmp_path):
    """A configuration and a table as Deezer's package takes them, and the folder of the sound."""
    folder = datasets.example_mixture().parent
    config = {
        "train_csv": "train.csv",
        "validation_csv": "train.csv",
        "model_dir": str(tmp_path / "model"),
        "mix_name": "mix",
        "instrument_list": ["vocals", "drums", "other"],
        "sample_rate": RATE,
        "frame_length": 4096,
        "frame_step": 1024,
        "T": 64,
        "F": 128,
        "n_channels": 2,
        "n_chunks_per_song": 1,
        "chunk_duration": 5.0,
        "separation_exponent": 2,
        "mask_extension": "zeros",
        "learning_rate": 1e-3,
        "batch_size": 2,
        "training_cache": str(tmp_path / "cache"),
        "validation_cache": str(tmp_path / "cache"),
        "train_max_steps": 4,
        "throttle_secs": 600,
        "random_seed": 3,
        "save_checkpoints_steps": 2,
        "save_summary_steps": 5,
        "model": {"type": "unet.unet", "params": {"conv_n_filters": [4, 8]}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "train.csv").write_text(
        "mix_path,vocals_path,drums_path,other_path,duration\n"
        "mixture.flac,vocals.flac,drums.flac,other.flac,15.0\n"
    )
    return tmp_path, folder


def run_cli(*arguments):
    return CliRunner().invoke(cli.app, ["train", *map(str, arguments)])


def test_spleeters_configuration_and_tables_are_taken_as_they_are(spleeters):
    folder, sound = spleeters
    with pytest.warns(UserWarning, match=r"without effect .* save_summary_steps \("):
        found = training.plan(folder / "config.json", sound)
    assert found["settings"] == Settings(
        steps=4, epoch_steps=2, batch_size=2, learning_rate=1e-3, chunk_seconds=5.0, chunks=1,
        seed=3,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="validation_cache"):
        result = run_cli("-p", folder / "config.json", "-d", sound, "-q")
    assert result.exit_code == 0, result.exception
    separator = mssviz.Separator(folder / "model", progress=False)
    assert separator.targets == ("vocals", "drums", "other")
    assert separator.preset.model_bins == 128
    same = mssviz.Separator(folder / "config.json", progress=False)  # finds what it trained
    for one, other in zip(same.network.model.weights, separator.network.model.weights, strict=True):
        assert np.array_equal(one, other)
    kept = json.loads(str(np.load(folder / "model" / "checkpoint.npz")["progress"]))
    assert [row["step"] for row in kept["history"]] == [2, 4]
    assert not np.isnan(kept["history"][-1]["validation_loss"])


def test_keys_that_change_nothing_are_told(spleeters):
    folder, sound = spleeters
    config = json.loads((folder / "config.json").read_text())
    config |= {"learning_rte": 1e-2, "MWF": True}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="without effect") as told:
        found = training.plan(folder / "config.json", sound)
    (text,) = [str(warning.message) for warning in told]
    named = ("mix_name", "validation_cache", "throttle_secs", "save_summary_steps", "MWF")
    assert all(f"{key} (" in text for key in named)
    assert text.endswith("'learning_rte' (unknown)")
    for key in set(config) - {*named, "learning_rte"}:
        assert f" {key} (" not in text
    assert found["settings"].learning_rate == 1e-3


def test_only_stems_of_the_list_are_taken_from_a_table(spleeters):
    folder, sound = spleeters
    config = json.loads((folder / "config.json").read_text())
    config["instrument_list"] = ["vocals", "other"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="without effect"):
        found = training.plan(folder / "config.json", sound)
    (track,) = found["tracks"].values()
    assert list(track.stems) == ["vocals", "other"]


@pytest.mark.parametrize("key", ["train_csv", "validation_csv", "training_cache"])
def test_paths_of_a_configuration_are_text(spleeters, key):
    folder, sound = spleeters
    config = json.loads((folder / "config.json").read_text()) | {key: ["x"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ParameterError, match=key):
        training.plan(folder / "config.json", sound)


def test_the_command_line_trains_on_folders(tmp_path, songs):
    for name, song in songs.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        _, stems = song.load()
        for stem, waveform in stems.items():
            audio.write_audio(tmp_path / "data" / name / f"{stem}.wav", waveform, RATE)
    config = json.loads((presets.config_folder() / "spleeter-2stems" / "config.json").read_text())
    config |= {"name": "own", "patch_frames": 32, "model": TINY.model | {"head": "sigmoid"}}
    config["training"] = {"batch_size": 1, "chunk_seconds": 2.0, "learning_rate": 1e-3}
    (tmp_path / "own.json").write_text(json.dumps(config))
    common = ("-p", tmp_path / "own.json", "-d", tmp_path / "data", "-o", tmp_path / "out",
              "--validation", tmp_path / "data", "--cache", tmp_path / "cache", "--seed", 7,
              "--epoch_steps", 2, "--augment", "gain", "--augment", "swap",
              "--mixture", "sum")  # fmt: skip
    result = run_cli(*common, "--steps", 4, "--quiet")
    assert result.exit_code == 0, result.exception
    trained_by = json.loads((tmp_path / "out" / "config.json").read_text())["training"]
    assert trained_by["augment"] == ["gain", "swap"]
    assert (trained_by["seed"], trained_by["batch_size"]) == (7, 1)
    assert trained_by["mixture"] == "sum"
    kept = json.loads(str(np.load(tmp_path / "out" / "checkpoint.npz")["progress"]))
    assert [row["step"] for row in kept["history"]] == [2, 4]


def test_the_command_line_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def interrupted(**_):
        raise Cancelled("goes on from there")

    (tmp_path / "song").mkdir()
    for stem in ("vocals", "other"):
        (tmp_path / "song" / f"{stem}.wav").touch()
    codes = []
    monkeypatch.setattr(training, "train", interrupted)
    monkeypatch.setattr(sys, "argv", ["mssviz", "train", "-d", str(tmp_path)])
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    cli.main()
    assert codes == [130]
    assert "goes on from there" in capsys.readouterr().err


def test_unknown_settings_of_a_configuration_are_named(tmp_path):
    source = presets.config_folder() / "spleeter-2stems" / "config.json"
    config = json.loads(source.read_text()) | {"training": {"momentum": 0.9}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ParameterError, match="momentum"):
        training.plan(tmp_path, tmp_path)


def test_musdbs_validation_songs_are_set_aside(tmp_path):
    names = ["A - B", "ANiMAL - Rockshow"]
    for name in names:
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "mixture.wav").touch()
    found = training.plan("spleeter:4stems", tmp_path)
    assert list(found["tracks"]) == ["A - B"]
    assert list(found["validation"]) == ["ANiMAL - Rockshow"]
    assert len(training.MUSDB_VALIDATION) == 14


# --- Watching ---------------------------------------------------------------------------------


def test_the_view_shows_masks_scores_and_curves_of_every_epoch(
    trained, songs, held_out, cache, tmp_path
):
    view = mssviz.TrainingView(held_out["third"], TINY)
    assert view._curves.value == ""  # no broken picture before the first epoch
    assert view.spectrogram.get_state()["_choices"]["tool"] == []  # nobody listens to strokes
    before = np.asarray(view.separation.masks["vocals"][:, :1024])
    assert np.allclose(before, 0.5)
    view.train(songs, tmp_path / "run", validation=held_out, settings=FEW, cache=cache)
    with pytest.raises(ParameterError, match="is running"):
        view.train(songs, tmp_path / "run")
    view.wait()
    assert_same_losses(view.history, trained[1])
    assert {target: len(values) for target, values in view.sdr.items()} == dict.fromkeys(TARGETS, 3)
    last = mssviz.Separator(tmp_path / "run", progress=False)
    mixture, _ = held_out["third"].load()
    expected = last.separate(mixture, RATE, progress=False).masks["vocals"]
    assert np.allclose(view.spectrogram._data._masks["vocals"][:], expected[:], atol=1e-5)
    picture = view._curves.value
    assert "data:image/png;base64,iVBORw0KGgo" in picture
    assert re.search(r'alt="After step \d+: loss .* SDR of the excerpt in dB: .*\d\."', picture)
    assert view._status.value == "done"


def test_the_view_trains_in_the_context_of_who_asked(held_out, tmp_path, monkeypatch):
    asker: ContextVar[str] = ContextVar("asker")
    asker.set("teacher")
    seen = []
    monkeypatch.setattr(training_view, "train", lambda *_, **__: seen.append(asker.get()))
    view = mssviz.TrainingView(held_out["third"], TINY)
    view.train({}, tmp_path)
    view.wait()
    assert seen == ["teacher"]


def test_the_view_of_a_finished_training_shows_its_result(trained, held_out, songs, cache):
    view = mssviz.TrainingView(held_out["third"], TINY)
    view.train(songs, trained[0], validation=held_out, settings=FEW, cache=cache)
    view.wait()
    assert view._status.value == "done"
    assert_same_losses(view.history, trained[1])
    assert {target: len(values) for target, values in view.sdr.items()} == dict.fromkeys(TARGETS, 1)
    assert not np.allclose(view.separation.masks["vocals"][:, :1024], 0.5)


def test_the_view_refuses_what_train_does_not_take(held_out, songs, tmp_path):
    view = mssviz.TrainingView(held_out["third"], TINY)
    with pytest.raises(ParameterError, match=r"got steps.*settings=mssviz.training.Settings"):
        view.train(songs, tmp_path / "run", steps=3)
    assert not (tmp_path / "run").exists()


def test_the_view_can_be_stopped_and_shows_what_went_wrong(songs, held_out, cache, tmp_path):
    view = mssviz.TrainingView(held_out["third"], TINY)
    many = dataclasses.replace(FEW, steps=10_000)
    view.train(songs, tmp_path / "run", settings=many, cache=cache)
    view._stop.click()
    view.wait()
    assert "goes on" in view._status.value
    view.train({}, tmp_path / "none")
    view.wait()
    assert (
        view._status.value
        == "tracks must be a dict of name to Track, at least one track (got none)"
    )
    with pytest.raises(ParameterError, match="do not give guitar"):
        mssviz.TrainingView(held_out["third"], training.tiny(("guitar", "other")))
