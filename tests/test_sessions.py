"""Networks in sessions that are not ours: Keras' settings, forks, other processes, leftovers."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import mssviz
from mssviz.errors import MssvizError, PretrainedError

MODEL = "teaching:4stems"
RATE = 44100


def noise(seconds=1.0):
    rng = np.random.default_rng(1)
    return (0.1 * rng.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def separated(**options):
    separator = mssviz.Separator(MODEL, progress=False, **options)
    return separator.separate(noise(), RATE, progress=False)


@pytest.fixture(scope="module")
def usual():
    return separated()


# --- Keras' settings --------------------------------------------------------------------------


@pytest.fixture
def settings():
    from mssviz.networks._tensorflow import keras

    config = keras.config
    kept = config.dtype_policy(), config.floatx(), config.image_data_format()
    yield config
    config.set_floatx(kept[1])
    config.set_dtype_policy(kept[0])
    config.set_image_data_format(kept[2])


def test_a_cards_memory_is_shared_unless_the_session_uses_it_already(monkeypatch):
    from mssviz.networks import _tensorflow

    config, shared = _tensorflow.tf.config, []

    def grow(card, enable):
        if card == "in use":
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        if card == "divided":
            raise ValueError("Cannot set memory growth on device when virtual devices configured")
        shared.append((card, enable))

    cards = {"GPU": ["in use", "divided", "free"]}
    monkeypatch.setattr(config, "list_physical_devices", cards.get)
    monkeypatch.setattr(config.experimental, "set_memory_growth", grow)
    _tensorflow._share_cards()
    assert shared == [("free", True)]


@pytest.mark.parametrize("is_there", [True, False])
def test_the_library_that_tensorflow_does_not_look_for_is_opened(monkeypatch, tmp_path, is_there):
    from mssviz.networks import _tensorflow

    library = tmp_path / "nvidia/cusolver/lib/libcusolver.so.11"
    library.parent.mkdir(parents=True)
    library.touch()
    opened = []

    def open_library(name):
        if name == "libcuda.so.1" and not is_there:
            raise OSError("cannot open shared object file")
        opened.append(name)

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_tensorflow.ctypes, "CDLL", open_library)
    _tensorflow._open_cusolver()
    assert opened == (["libcuda.so.1", str(library)] if is_there else [])


def test_networks_run_with_all_bits_and_the_session_as_it_wants(monkeypatch):
    from mssviz.networks._tensorflow import tf

    config = tf.config.experimental
    network = mssviz.Separator(MODEL, progress=False).network
    run, found = network._run, []

    def spy(*tensors):
        found.append(config.tensor_float_32_execution_enabled())
        return run(*tensors)

    monkeypatch.setattr(network, "_run", spy)
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(True)
    try:
        network(np.zeros((1, *network.model.input_shape[1:]), np.float32))
        assert found == [False]
        assert config.tensor_float_32_execution_enabled()
    finally:
        config.enable_tensor_float_32_execution(before)


def test_the_same_sound_gives_the_same_bits_on_a_card():
    import mssviz.networks._tensorflow  # noqa: F401, which sets it for cuDNN

    assert os.environ["TF_CUDNN_DETERMINISTIC"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_data_format", "channels_first"),
        ("dtype_policy", "mixed_float16"),
        ("dtype_policy", "float64"),
        ("floatx", "float16"),
    ],
)
def test_keras_settings_change_nothing_and_stay(settings, usual, name, value):
    getattr(settings, f"set_{name}")(value)
    found = separated()
    for target, estimate in usual.estimates.items():
        assert np.array_equal(found.estimates[target], estimate)
    now = getattr(settings, name)()
    assert getattr(now, "name", now) == value


def test_threads_neither_see_nor_lose_the_sessions_settings(settings):
    from mssviz.networks._tensorflow import own_settings

    settings.set_dtype_policy("mixed_float16")
    both_in, first_out = threading.Barrier(2), threading.Event()
    seen = []

    def first():
        with own_settings():
            both_in.wait()
        first_out.set()

    def second():
        with own_settings():
            both_in.wait()
            first_out.wait()
            seen.append(settings.dtype_policy().name)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["float32"]
    assert settings.dtype_policy().name == "mixed_float16"


def test_a_thread_waits_while_another_precision_is_in_force(settings):
    from mssviz.networks._tensorflow import own_settings

    seen = []

    def work():
        with own_settings():
            seen.append(settings.dtype_policy().name)

    with own_settings("mixed_float16"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.1)
        assert seen == []
    thread.join()
    assert seen == ["float32"]


def test_threads_may_build_networks_at_once():
    from mssviz.networks._tensorflow import keras

    preset = mssviz.presets.find(MODEL)
    add_weight, start, found = keras.Layer.add_weight, threading.Barrier(4), []

    def work():
        start.wait()
        found.append(mssviz.pretrained.load(preset).targets)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [preset.targets] * 4
    assert keras.Layer.add_weight is add_weight


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_another_backend_by_default_is_told_and_does_not_matter():
    code = (
        "import mssviz.networks.network, os, keras\n"
        "print(keras.config.backend(), os.environ['KERAS_BACKEND'])"
    )
    found = run(code, KERAS_BACKEND="jax")
    assert found.stdout == "tensorflow jax\n"
    assert "KERAS_BACKEND is 'jax', but mssviz needs TensorFlow" in found.stderr


def test_another_backend_in_use_is_one_line():
    code = (
        "import sys, types; keras = types.ModuleType('keras'); sys.modules['keras'] = keras\n"
        "keras.config = types.SimpleNamespace(backend=lambda: 'torch')\n"
        "import mssviz\n"
        "try:\n import mssviz.networks.network\n"
        "except mssviz.MssvizError as error: print(error)"
    )
    found = run(code)
    assert "imported it with the backend 'torch': restart it" in found.stdout


# --- Processes --------------------------------------------------------------------------------


def test_a_separator_that_was_used_can_be_sent_to_another_process(usual):
    separator = mssviz.Separator(MODEL, progress=False)
    separator.separate(noise(), RATE, progress=False)
    copy = pickle.loads(pickle.dumps(separator))
    found = pickle.loads(pickle.dumps(copy.separate(noise(), RATE, progress=False)))
    for target, estimate in usual.estimates.items():
        assert np.array_equal(found.estimates[target], estimate)


def test_what_an_oracle_made_can_be_sent_to_another_process():
    from mssviz import baselines

    true = {"vocals": noise(), "accompaniment": 0.5 * noise()[::-1]}
    oracle = baselines.find("oracle:IRM2")
    found = oracle.separate(sum(true.values()), RATE, False, true)
    copy = pickle.loads(pickle.dumps(found))
    assert np.array_equal(copy.estimates["vocals"], found.estimates["vocals"])


def test_a_fork_after_use_says_so_instead_of_waiting(usual):
    separator = mssviz.Separator(MODEL, progress=False)
    separator.separate(noise(), RATE, progress=False)
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        text = "no error"
        try:
            separator.separate(noise(), RATE, progress=False)
        except MssvizError as error:
            text = str(error)
        finally:
            os.write(writing, text.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(process, 0)
    assert f"forked from process {os.getpid()}" in text
    assert "spawn" in text


def test_the_command_leaves_no_temporary_files(tmp_path):
    from mssviz import audio

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    audio.write_audio(tmp_path / "song.wav", noise(), RATE)
    subprocess.run(
        [sys.executable, "-m", "mssviz", "separate", "song.wav", "-p", MODEL, "--mwf", "-q"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        check=True,
    )
    assert list(scratch.iterdir()) == []
    names = {path.name for path in (tmp_path / "separated" / "song").iterdir()}
    assert names == {"vocals.wav", "drums.wav", "bass.wav", "other.wav"}


# --- What a network must not give -------------------------------------------------------------


class Wrong:
    """A network whose answers become NaN at the second patch."""

    signal = "magnitude"

    def __init__(self, targets):
        self.targets, self.patches = targets, 0

    def __call__(self, patch):
        self.patches += 1
        found = {target: patch / (1 + n) for n, target in enumerate(self.targets)}
        if self.patches == 2:
            found[self.targets[1]] = np.full_like(patch, np.nan)
        return found


def test_estimates_that_are_not_finite_are_refused_and_not_written(tmp_path):
    from mssviz import audio, export

    audio.write_audio(tmp_path / "song.wav", noise(20.0), RATE)
    separator = mssviz.Separator(MODEL, progress=False)
    options = export.FileOptions()
    [files] = export.stem_paths(
        [tmp_path / "song.wav"], separator.targets, tmp_path / "out", options
    )
    separator._network = Wrong(separator.targets)
    with pytest.raises(PretrainedError, match=r"drums is not finite after \d+\.\d s") as caught:
        export.separate_file(separator, tmp_path / "song.wav", files, progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    separator._network = Wrong(separator.targets)
    with pytest.raises(PretrainedError, match="not finite"):
        separator.separate(noise(20.0), RATE, progress=False)
