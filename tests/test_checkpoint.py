"""Checkpoints that were damaged, made up or mixed up: one line, and nothing wrong is taken."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from mssviz.errors import FileError, ParameterError
from mssviz.training import checkpoint

STATE = {
    "network/0": np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4),
    "network/1": np.arange(2, dtype=np.uint32),
    "optimizer/0": np.array(7, np.int64),
}
LAYOUT = {name: (values.shape, str(values.dtype)) for name, values in STATE.items()}
ROW = {"step": 8, "loss": 1.5, "validation_loss": float("nan"), "learning_rate": 1e-3,
       "seconds": 2.0}  # fmt: skip
PROGRESS = {
    "identity": {"targets": ["vocals", "other"]}, "step": 9, "seconds": 2.5, "learning_rate": 1e-3,
    "best": float("inf"), "stalled": 0, "losses": [1.25], "history": [ROW],
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    checkpoint.write(tmp_path / "checkpoint.npz", PROGRESS, STATE)
    return tmp_path / "checkpoint.npz"


def is_as_written(path):
    progress, state = checkpoint.read(path, LAYOUT)
    assert json.dumps(progress) == json.dumps(PROGRESS)
    assert set(state) == set(STATE)
    assert all(np.array_equal(state[name], STATE[name]) for name in STATE)
    assert all(state[name].dtype == STATE[name].dtype for name in STATE)


def is_refused(path, match="not a checkpoint"):
    with pytest.raises(ParameterError, match=match) as caught:
        checkpoint.read(path, LAYOUT)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 600


def test_a_checkpoint_gives_what_was_written(path):
    is_as_written(path)


def test_numpy_reads_a_checkpoint_and_writes_one(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays)
    is_as_written(path)


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_one_line_or_harmless(path, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    kind = seed % 4
    if kind == 0:
        del data[rng.integers(len(data)) :]
    elif kind == 1:
        start = int(rng.integers(len(data)))
        data[start : start + 40] = rng.bytes(40)
    elif kind == 2:
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    else:
        del data[(start := int(rng.integers(len(data)))) : start + int(rng.integers(1, 30))]
    path.write_bytes(data)
    try:
        is_as_written(path)  # what was hit means nothing, such as a date
    except ParameterError:
        is_refused(path)


def arrays_with(**changes):
    arrays = {"progress": np.array(json.dumps(PROGRESS)), **STATE, **changes}
    return {name: values for name, values in arrays.items() if values is not None}


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"x": np.zeros(3)},
        arrays_with(progress=None),
        arrays_with(more=np.zeros(3)),
        arrays_with(**{"network/1": None}),
        arrays_with(**{"network/1": np.arange(3, dtype=np.uint32)}),
        arrays_with(**{"network/1": np.arange(2, dtype=np.float32)}),
        arrays_with(**{"network/0": STATE["network/0"].T}),
        arrays_with(**{"network/0": np.asfortranarray(STATE["network/0"])}),
        arrays_with(**{"network/0": STATE["network/0"].astype(">f4")}),
        arrays_with(**{"optimizer/0": np.array("7")}),
        arrays_with(progress=np.zeros(3)),
        arrays_with(progress=np.array([json.dumps(PROGRESS)])),
    ],
    ids=lambda arrays: f"{len(arrays)} arrays",
)
def test_other_arrays_are_refused(path, arrays):
    np.savez(path, **arrays)
    is_refused(path)


def test_nothing_is_unpickled(path, monkeypatch):
    monkeypatch.setattr(pickle, "load", None)
    np.savez(path, **arrays_with(**{"network/0": np.array([{}, []], object)}))
    is_refused(path)


def test_nothing_is_unpacked(path):
    np.savez_compressed(path, **arrays_with())
    is_refused(path, "compressed")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("progress.npy", bytes(1 << 26))
    assert path.stat().st_size < 1 << 17
    is_refused(path)


def test_a_size_is_not_believed(path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 3, 4)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays_with().items():
            plain = io.BytesIO()
            np.save(plain, values)
            made_up = content if name == "network/0" else plain
            archive.writestr(f"{name}.npy", made_up.getvalue())
    is_refused(path)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "null", "[1, 2]", "{}", "[" * 100_000, '{"step": ' + "9" * 5000 + "}",
        *(json.dumps({k: v for k, v in PROGRESS.items() if k != name}) for name in PROGRESS),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_other_text_is_refused(path, text):
    np.savez(path, **arrays_with(progress=np.array(text)))
    is_refused(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", []), ("step", -1), ("step", 2.0), ("step", True), ("step", "9"),
        ("step", 10**400), ("step", None), ("seconds", float("nan")), ("seconds", -1.0),
        ("learning_rate", float("inf")), ("learning_rate", [1]), ("best", "low"), ("stalled", {}),
        ("losses", 3), ("losses", ["x"]), ("losses", [float("nan")]), ("history", {}),
        ("history", [3]), ("history", [{**ROW, "loss": "low"}]), ("history", [{"step": 3}]),
        ("history", [{**ROW, "step": 1.5}]),
    ],
)  # fmt: skip
def test_values_are_checked(path, name, value):
    text = json.dumps({**PROGRESS, name: value})
    np.savez(path, **arrays_with(progress=np.array(text)))
    is_refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(path, value):
    bad = STATE["network/0"].copy()
    bad[1, 2, 3] = value
    np.savez(path, **arrays_with(**{"network/0": bad}))
    is_refused(path, "network/0 holds numbers that are not finite.* lower learning rate")


def test_a_full_disk_leaves_the_older_one(path):
    import resource

    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"checkpoint\.npz: cannot be written .*free some"):
            checkpoint.write(path, PROGRESS, {"network/0": np.zeros(10_000, np.float32)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
