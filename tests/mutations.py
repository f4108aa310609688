"""Models and archives, each damaged somewhere: what is made of them is a result or one line.

``python -m tests.mutations SEED COUNTS`` runs in a process of its own, as a crash would end it, and
prints what went wrong; `tests/test_mutations.py` reads that. ``COUNTS`` is JSON: how many of each
of `GROUPS`.
"""

import gzip
import json
import os
import re
import resource
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mssviz import _fetch, presets, pretrained
from mssviz._values import load_yaml
from mssviz.errors import MssvizError
from mssviz.networks import Network
from mssviz.networks.converters import (
    checkpoint,
    demucs,
    htdemucs,
    keras,
    openunmix,
    roformer,
    scnet,
    spleeter,
)
from mssviz.networks.converters.torch_file import read_torch
from mssviz.training import checkpoint as training_checkpoint
from tests.test_checkpoint import PROGRESS
from tests.test_training_folders import SPLEETERS

GOLDEN = Path(__file__).parent / "golden"
CONFIG = {
    "name": "theirs",
    "title": "A model",
    "targets": ["vocals", "accompaniment"],
    "sample_rate": 8000,
    "n_fft": 64,
    "hop_length": 16,
    "patch_frames": 16,
    "context": 2,
    "model_bins": 16,
    "n_channels": 1,
    "mask_power": 2.0,
    "mask_extension": "zeros",
    "model": {"type": "unet", "filters": [2, 4], "head": "sigmoid"},
    "weights": {
        "format": "keras",
        "folder": "weights",
        "files": {"model.weights.h5": None},
        "sources": [{"url": "http://127.0.0.1:9/x.zip", "sha256": "0" * 64}],
    },
    "training": {"steps": 10},
}
NONSENSE = [
    None, True, False, 0, -1, 1, 2, 3, 7, 64, 1000, 65536, 2**30, 10**9, 2**63, 10**400, 0.5, 1e308,
    float("nan"), float("inf"), "", "x", "../x", "a\0b", "x" * 5000, "\ud800", "{codec}", "unet",
    "blstm", "openunmix", "xumx", "fnn", "wave_unet", "demucs", "bs_roformer", "phase_features",
    "mel_roformer", "roformer", "scnet", "htdemucs",
    "keras", "spleeter", "demucs", "softmax", [], [1], [[]], [10**6], [1] * 100, {}, {"a": {}}, "1",
]  # fmt: skip


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One of the ways in which a file is damaged."""
    kind, place = rng.integers(6), int(rng.integers(len(content)))
    n = int(rng.integers(1, 64))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes(n) + content[place + n :]
    if kind == 2:
        return content[:place] + rng.bytes(n) + content[place:]
    if kind == 3:
        return content[:place] + b"\xff" * 8 + content[place + 8 :]
    damaged = bytearray(content)
    # half of the damage goes where headers are
    for _ in range(int(rng.integers(1, 8))):
        position = place if kind == 4 else int(rng.integers(min(len(content), 2048)))
        damaged[position] ^= 1 << int(rng.integers(8))
        place = int(rng.integers(len(content)))
    return bytes(damaged)


def nonsense(value, rng: np.random.Generator):
    """JSON with one value replaced, removed or renamed."""
    value = json.loads(json.dumps(value))
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(place[key], dict | list) and len(place[key]) and rng.random() < 0.7:
            place = place[key]
            continue
        new = NONSENSE[int(rng.integers(len(NONSENSE)))]
        if isinstance(place, dict) and rng.random() < 0.1:
            place[str(new)] = place.pop(key)
        else:
            place[key] = new
        return value


#: Kinds of files by what they are counted as.
GROUPS = {
    "damaged checkpoints": (
        "h5", "checkpoint", "openunmix", "demucs", "torch", "roformer", "scnet", "htdemucs",
        "training",
    ),
    "damaged archives": ("archive",),
    "damaged configurations": ("config", "spleeters", "manifest", "yaml"),
}  # fmt: skip


class Originals:
    """What is damaged, and what is done with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.preset = self._keras()
        self.roformers: dict[str, Network] = {}
        self.scnets: dict[str, Network] = {}
        self.htdemucses: dict[str, Network] = {}
        self.kinds = {
            "config": self.config,
            "spleeters": self.spleeters,
            "manifest": self.manifest,
            "h5": self.h5,
            "checkpoint": self.checkpoint,
            "openunmix": self.openunmix,
            "demucs": self.demucs,
            "torch": self.torch,
            "roformer": self.roformer,
            "scnet": self.scnet,
            "htdemucs": self.htdemucs,
            "yaml": self.yaml,
            "archive": self.archive,
            "training": self.training,
        }
        self._checkpoint()
        golden = np.load(GOLDEN / "openunmix.npz")
        self.pth = golden["vocals.pth"].tobytes()
        shape = {"patch_frames": 9, "n_bins": 17, "n_channels": 2}
        options = {"type": "openunmix", "hidden_size": 6, "max_bin": 11}
        self.unmix = Network(options, ["vocals"], shape).model
        with np.load(GOLDEN / "demucs.npz") as arrays:
            files = [name for name in arrays if name.startswith("file_")]
            self.th = [arrays[name].tobytes() for name in files]
        options = {"type": "demucs", "channels": 4, "depth": 3, "resample": False}
        shape = {"n_samples": 500, "n_channels": 2}
        self.separates = Network(options, ["drums", "bass", "vocals"], shape).model

    def _keras(self):
        (self.folder / "weights").mkdir()
        (self.folder / "config.json").write_text(json.dumps(CONFIG))
        preset = presets.find(self.folder)
        self.network = Network(preset.model, preset.targets, preset.input_shape)
        self.network.model.save_weights(self.folder / "weights" / "model.weights.h5")
        self.keras = (self.folder / "weights" / "model.weights.h5").read_bytes()
        return preset

    def _checkpoint(self):
        from mssviz.networks._tensorflow import tf

        shape = {"patch_frames": 64, "n_bins": 64, "n_channels": 1}
        self.unet = Network({"type": "unet", "filters": [1] * 6}, ["a"], shape).model
        variables = {f"{v.path}": v.numpy() for v in self.unet.weights}
        tensors = {
            theirs: variables[ours] if ours else np.zeros(1, np.float32)
            for theirs, ours in spleeter.name_table(["a"]).items()
        }
        tf.raw_ops.SaveV2(
            prefix=str(self.folder / "model"), tensor_names=list(tensors),
            shape_and_slices=[""] * len(tensors), tensors=list(tensors.values()),
        )  # fmt: skip
        spleeter.load(self.unet, [self.folder / "model.index"], ["a"])

    def config(self, rng):
        text = json.dumps(nonsense(CONFIG, rng))
        content = text.encode() if rng.random() < 0.8 else flipped(text.encode(), rng)
        (self.folder / "config.json").write_bytes(content)
        preset = presets.find(self.folder)
        if pretrained.state(preset) != "ready":
            pretrained.fetch(preset)
        pretrained.load(preset)

    def spleeters(self, rng):
        text = json.dumps(nonsense(SPLEETERS, rng))
        content = text.encode() if rng.random() < 0.8 else flipped(text.encode(), rng)
        (self.folder / "theirs.json").write_bytes(content)
        presets.find(self.folder / "theirs.json")

    def manifest(self, rng):
        good = json.dumps({"model.weights.h5": "0" * 64})
        path = self.folder / "weights" / pretrained.MANIFEST
        path.write_bytes(flipped(good.encode(), rng))
        try:
            pretrained.load(self.preset)
        finally:
            path.unlink()

    def h5(self, rng):
        path = self.folder / "damaged.weights.h5"
        path.write_bytes(flipped(self.keras, rng))
        keras.load(self.network.model, [path], self.network.targets)

    def checkpoint(self, rng):
        damaged = self.folder / "damaged"
        for name in ("index", "data-00000-of-00001"):
            content = (self.folder / f"model.{name}").read_bytes()
            if (name == "index") == (rng.random() < 0.7):
                content = flipped(content, rng)
            damaged.with_name(f"damaged.{name}").write_bytes(content)
        spleeter.load(self.unet, [self.folder / "damaged.index"], ["a"])

    def openunmix(self, rng):
        (self.folder / "vocals.pth").write_bytes(flipped(self.pth, rng))
        openunmix.load(self.unmix, [self.folder / "vocals.pth"], ["vocals"])

    def demucs(self, rng):
        path = self.folder / "demucs.th"
        content = flipped(self.th[int(rng.integers(len(self.th)))], rng)
        path.write_bytes(gzip.compress(content) if rng.random() < 0.2 else content)
        demucs.load(self.separates, [path], ["drums", "bass", "vocals"])

    def _roformer(self, rng):
        name = ("bs_ckpt", "bs_safetensors", "mel_ckpt")[int(rng.integers(3))]
        path = self.folder / f"{name}.ckpt"
        with np.load(GOLDEN / "roformers.npz") as arrays:
            path.write_bytes(arrays[name].tobytes())
        return path

    def roformer(self, rng):
        path = self._roformer(rng)
        if path.name not in self.roformers:
            good = roformer.described(checkpoint.read_state(path), path, 8000)
            targets = [f"stem{number}" for number in range(good.pop("n_stems"))]
            shape = {"n_samples": 480, "n_channels": good.pop("n_channels")}
            self.roformers[path.name] = Network({**good, "hop_length": 24}, targets, shape)
        network = self.roformers[path.name]
        path.write_bytes(flipped(path.read_bytes(), rng))
        roformer.load(network.model, [path], network.targets)
        roformer.described(checkpoint.read_state(path), path, 8000)

    def scnet(self, rng):
        from tests.test_scnet import built, written

        kind = ("plain", "masked")[int(rng.integers(2))]
        path = written(kind, self.folder)
        if kind not in self.scnets:
            self.scnets[kind] = built(path, kind)
        network = self.scnets[kind]
        path.write_bytes(flipped(path.read_bytes(), rng))
        scnet.load(network.model, [path], network.targets)
        scnet.described(checkpoint.read_state(path), path)

    def htdemucs(self, rng):
        from tests.test_htdemucs import KINDS, built, written

        name = ("th", "safetensors")[int(rng.integers(2))]
        path = written(name, self.folder)
        if name not in self.htdemucses:
            self.htdemucses[name] = built(path, KINDS[name][1])
        network = self.htdemucses[name]
        path.write_bytes(flipped(path.read_bytes(), rng))
        htdemucs.load(network.model, [path], network.targets)
        os.environ["MSSVIZ_PRETRAINED"] = str(self.folder / "place")
        pretrained.import_checkpoint(path, f"model{rng.integers(1 << 30)}")

    def yaml(self, rng):
        from tests.test_imports import BS, MEL

        path, config = self._roformer(rng), self.folder / "config.yaml"
        text = MEL if path.name.startswith("mel") else BS
        if rng.random() < 0.7:
            config.write_text(text)
            theirs = load_yaml(config, "a configuration")
            text = json.dumps(nonsense(theirs, rng))  # which is YAML, too
        content = text.encode("utf-8", "surrogatepass")
        config.write_bytes(content if rng.random() < 0.5 else flipped(content, rng))
        os.environ["MSSVIZ_PRETRAINED"] = str(self.folder / "place")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of hops that fit no chunk
            pretrained.import_checkpoint(path, f"model{rng.integers(1 << 30)}", config)

    def torch(self, rng):
        name = ("torch_zip.pth", "torch_legacy.pth")[int(rng.integers(2))]
        path = self.folder / name
        path.write_bytes(flipped((GOLDEN / name).read_bytes(), rng))
        read_torch(path)

    def training(self, rng):
        path = self.folder / "checkpoint.npz"
        state = {"network/0": np.arange(12, dtype=np.float32).reshape(3, 4), "step": np.array(3)}
        training_checkpoint.write(path, PROGRESS, state)
        path.write_bytes(flipped(path.read_bytes(), rng))
        layout = {name: (array.shape, array.dtype.str) for name, array in state.items()}
        training_checkpoint.read(path, layout)

    def archive(self, rng):
        path, target = self.folder / "archive", self.folder / "extracted"
        member = self.folder / "weights" / "model.weights.h5"
        kind = ("tar", "gz", "zip")[int(rng.integers(3))]
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
                zipped.write(member, "a/model.weights.h5")
        else:
            with tarfile.open(path, f"w:{kind.removeprefix('tar')}") as tar:
                tar.add(member, "a/model.weights.h5")
        content = path.read_bytes()
        if kind == "gz" and rng.random() < 0.5:
            content = gzip.compress(flipped(gzip.decompress(content), rng))
        else:
            content = flipped(content, rng)
        path.write_bytes(content)
        target.mkdir(exist_ok=True)
        _fetch.extract(path, {"model.weights.h5": None}, target)


def run(seed: int, counts: Mapping[str, int]) -> list[str]:
    """Lines that say what went wrong, of so many files of each group."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        originals = Originals(Path(folder))
        tried = [
            (GROUPS[group][number % len(GROUPS[group])], number)
            for group, count in counts.items()
            for number in range(count)
        ]
        for kind, number in tried:
            began = time.process_time()  # how busy the machine is does not matter
            try:
                originals.kinds[kind](np.random.default_rng((seed, number)))
            except MssvizError as error:
                if "\n" in str(error):
                    wrong.append(f"{kind} {number}: several lines: {error}")
            except Exception:
                wrong.append(f"{kind} {number}: {traceback.format_exc()}")
            if time.process_time() - began > 20:
                wrong.append(f"{kind} {number}: {time.process_time() - began:.0f} s")
    return wrong


def peak_mib():
    """Most memory that this process has used; `resource` tells that of its parent, if larger."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024


if __name__ == "__main__":
    lines = run(int(sys.argv[1]), json.loads(sys.argv[2]))
    print(json.dumps({"wrong": lines, "peak_mib": peak_mib()}))
    sys.stdout.flush()
    os._exit(0)
