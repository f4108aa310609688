"""Weights from an archive in Deezer's format to a network, over a real HTTP connection.

The 4 and 5 stem archives are built here: checkpoints with the published names and shapes and
random content.
"""

import gzip
import hashlib
import importlib.util
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

import mssviz
from mssviz import _fetch, _files, presets, pretrained
from mssviz.errors import Cancelled, ParameterError, PretrainedError
from mssviz.presets import Weights

pytestmark = pytest.mark.slow

INDEX, DATA = "model.index", "model.data-00000-of-00001"
FILES = {INDEX: None, DATA: None}


# -- archives --------------------------------------------------------------------------------


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def add_to_tar(tar, name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def layers(stem, rng):
    """(TensorFlow's name, Keras layer, tensors) of one U-Net, as listed for the released ones."""
    encoder = [(2, 16), (16, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
    decoder = [(256, 512), (128, 512), (64, 256), (32, 128), (16, 64), (1, 32)]

    def numbered(name, index):
        return f"{name}_{index}" if index else name

    def kernel(*shape, outputs):
        values = rng.standard_normal(shape, np.float32)
        scale = np.float32(np.sqrt(np.prod(shape) / outputs))
        bias = 0.1 * rng.standard_normal(outputs, np.float32)
        return {"kernel": values / scale, "bias": bias}

    def norm(size):
        moved = {"moving_mean": np.zeros(size), "moving_variance": np.ones(size)}
        trained = {"gamma": 1 + 0.1 * rng.standard_normal(size), "beta": np.full(size, 0.01)}
        return {name: value.astype(np.float32) for name, value in {**trained, **moved}.items()}

    for i, (c_in, c_out) in enumerate(encoder):
        name = numbered("conv2d", 7 * stem + i)
        yield name, f"conv{i + 1}", kernel(5, 5, c_in, c_out, outputs=c_out)
        dead = i == len(encoder) - 1
        name = numbered("batch_normalization", 12 * stem + i)
        yield name, None if dead else f"conv{i + 1}_norm", norm(c_out)
    for i, (c_out, c_in) in enumerate(decoder):
        name = numbered("conv2d_transpose", 6 * stem + i)
        yield name, f"up{i + 1}", kernel(5, 5, c_out, c_in, outputs=c_out)
        yield numbered("batch_normalization", 12 * stem + 6 + i), f"up{i + 1}_norm", norm(c_out)
    yield numbered("conv2d", 7 * stem + 6), "logits", kernel(4, 4, 1, 2, outputs=2)


def write_checkpoint(folder, targets):
    """Write ``model.*`` as TensorFlow 1 would; return what the network should hold."""
    from mssviz.networks._tensorflow import tf

    rng = np.random.default_rng(len(targets))
    tensors, expected = {"global_step": np.int64(0)}, {}
    for stem, target in enumerate(targets):
        for theirs, ours, values in layers(stem, rng):
            for variable, value in values.items():
                tensors[f"{theirs}/{variable}"] = value
                if ours:
                    expected[f"{target}_{ours}/{variable}"] = value
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model"),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    (folder / "checkpoint").write_text('model_checkpoint_path: "model"\n')
    (folder / "model.meta").write_bytes(b"graph")
    return expected


class Release:
    """An archive such as Deezer's, and a folder with a configuration that names it."""

    def __init__(self, name, folder, server):
        shipped = json.loads((presets.config_folder() / f"spleeter-{name}/config.json").read_text())
        self.targets = shipped["targets"]
        content = folder / "content"
        content.mkdir()
        self.expected = write_checkpoint(content, self.targets)
        n_bytes = (content / DATA).stat().st_size
        assert n_bytes == pytest.approx(shipped["weights"]["size"], abs=8)  # of the step counter
        self.archive = folder / "published" / f"{name}.tar.gz"
        self.archive.parent.mkdir()
        with tarfile.open(self.archive, "w:gz", compresslevel=0) as tar:
            for path in sorted(content.iterdir()):
                tar.add(path, path.name)
        shutil.rmtree(content)
        self.server_path = f"/{name}.tar.gz"
        source = {"url": server.url + self.server_path, "sha256": sha256(self.archive)}
        weights = {**shipped["weights"], "folder": "weights", "sources": [source]}
        self.config = {**shipped, "name": f"local:{name}", "weights": weights}
        self.path = folder / "config.json"
        self.path.write_text(json.dumps(self.config))
        self.weights = folder / "weights"


@pytest.fixture(scope="module")
def releases(running_server, tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = Release(name, tmp_path_factory.mktemp(name), running_server)
        return made[name]

    yield get
    for release in made.values():
        shutil.rmtree(release.path.parent)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty place for weights instead of this machine's."""
    folder = tmp_path / "place"
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(folder))
    monkeypatch.setenv("MSSVIZ_CACHE", str(tmp_path / "cache"))
    return folder


def arriving(preset, tmp_path):
    """Our own folder for a preset's archive until it is verified, and the archive's name."""
    folder = hashlib.sha256(os.fsencode(pretrained.weights_folder(preset))).hexdigest()[:16]
    return tmp_path / "cache" / "downloads" / folder, preset.weights.sources[0]["sha256"]


@pytest.fixture
def tiny(server, place, tmp_path):
    """A preset whose weights are an archive of 3 MB; nothing that a network could use."""
    archive = tmp_path / "tiny.tar.gz"
    content = np.random.default_rng(0).bytes(3_000_000)
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        add_to_tar(tar, ".", type=tarfile.DIRTYPE)
        add_to_tar(tar, "./model.index", b"index")
        add_to_tar(tar, f"./{DATA}", content)
        add_to_tar(tar, "./model.meta", b"never taken out")
    server.files["/tiny.tar.gz"] = archive
    source = {"url": f"{server.url}/tiny.tar.gz", "sha256": sha256(archive)}
    weights = Weights("spleeter", "tiny", FILES, sources=(source,))
    return replace(presets.find("spleeter:4stems"), name="tiny", weights=weights)


def left_in(folder):
    """Files below a folder, without locks, which stay."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != "lock")


INSTALLED = sorted([INDEX, DATA, pretrained.MANIFEST])


# -- 4 and 5 stems, end to end ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["4stems", "5stems"])
def test_from_a_configuration_to_stems(releases, server, name):
    release = releases(name)
    server.files[release.server_path] = release.archive
    told = []
    pretrained.fetch(presets.read(release.path), lambda *now: told.append(now), trusted=True)
    separator = mssviz.Separator(release.path)
    assert server.asked == [(release.server_path, None)]
    assert told[-1][:2] == (release.archive.stat().st_size,) * 2
    assert left_in(release.weights) == INSTALLED
    assert not list(release.path.parent.glob("*.part"))

    held = {
        f"{layer.name}/{variable.name}": variable
        for layer in separator.network.model.layers
        for variable in layer.weights
    }
    assert set(held) == set(release.expected)
    for key, value in release.expected.items():
        np.testing.assert_array_equal(held[key], value)

    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (3 * 44100, 2))
    separation = separator.separate(noise, 44100, progress=False)
    assert list(separation.estimates) == release.targets
    mixture = np.abs(separation.mixture_stft[:, :1024])
    predicted = np.stack([separation.magnitudes[target] for target in release.targets])
    shares = predicted[:, mixture > 1] / mixture[mixture > 1]
    assert shares.min() >= 0
    assert shares.max() <= 1 + 1e-6
    assert shares.std(axis=0).mean() > 0.01  # the networks differ
    if name == "5stems":  # softmax
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    else:  # sigmoid
        assert np.abs(shares.sum(axis=0) - 1).mean() > 0.1
    in_band = sum(np.asarray(mask[:4, :1024]) for mask in separation.masks.values())
    np.testing.assert_allclose(in_band, 1, atol=1e-5)
    for estimate in separation.estimates.values():
        assert estimate.shape == noise.shape
        assert np.isfinite(estimate).all()


def preset_of(release, **changes):
    """The release's preset, its weights found where they were installed."""
    config = {**release.config, **changes}
    path = release.path.with_name("changed.json")
    path.write_text(json.dumps(config))
    return presets.read(path)


@pytest.fixture
def four(releases, server):
    """4 stems, installed."""
    release = releases("4stems")
    server.files[release.server_path] = release.archive
    pretrained.fetch(presets.read(release.path), trusted=True)
    return release


def test_weights_of_four_stems_are_refused_by_others(four):
    two = preset_of(four, targets=["vocals", "accompaniment"])
    with pytest.raises(PretrainedError, match=r"not a checkpoint of 2 U-Nets .* 148 unknown"):
        pretrained.load(two)
    five = preset_of(four, targets=[*four.targets, "piano"])
    with pytest.raises(PretrainedError, match=r"not a checkpoint of 5 U-Nets .* 74 .*missing"):
        pretrained.load(five)
    smaller = {**four.config["model"], "filters": [8, 16, 32, 64, 128, 256]}
    with pytest.raises(PretrainedError, match=r"has shape .* the network needs"):
        pretrained.load(preset_of(four, model=smaller))


def test_an_archive_of_four_stems_is_no_two_stems(four, place):
    with pytest.raises(PretrainedError, match="SHA-256"):
        pretrained.fetch(presets.find("spleeter:2stems"), source=four.archive)
    assert left_in(place) == []


@pytest.mark.parametrize("has_manifest", [True, False])
def test_one_flipped_byte_is_found(four, has_manifest):
    data = four.weights / DATA
    manifest = four.weights / pretrained.MANIFEST
    before = manifest.read_text()
    try:
        flip_a_byte(data)
        if not has_manifest:  # TensorFlow's own checksums
            manifest.unlink()
        with pytest.raises(PretrainedError, match=r"models fetch|fetch the weights again") as error:
            pretrained.load(preset_of(four))
        assert str(four.weights) in str(error.value)
    finally:
        flip_a_byte(data)
        manifest.write_text(before)
    assert pretrained.fetch(preset_of(four)) == four.weights


def flip_a_byte(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


# -- downloads -------------------------------------------------------------------------------


def test_fetch_once_and_never_again(tiny, server, place):
    assert pretrained.state(tiny) == "not fetched"
    folder = pretrained.fetch(tiny)
    assert folder == place / "tiny" / "weights"
    assert left_in(place) == INSTALLED
    assert pretrained.state(tiny) == "ready"
    pretrained.fetch(tiny)
    assert len(server.asked) == 1


def test_what_a_killed_process_left_of_a_finished_download_goes(tiny, server, place, tmp_path):
    pretrained.fetch(tiny)
    folder, digest = arriving(tiny, tmp_path)
    shutil.copyfile(server.files["/tiny.tar.gz"], folder / digest)
    (folder / "files").mkdir()
    (folder / "files" / "one").write_text("whole")
    pretrained.fetch(tiny)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert len(server.asked) == 1


def test_what_others_put_beside_a_finished_download_stays(tiny, server, place, tmp_path):
    pretrained.fetch(tiny)
    folder, digest = arriving(tiny, tmp_path)
    (folder / "notes.txt").write_text("mine")
    (folder / f"{digest}.part").write_text("cut off")
    pretrained.fetch(tiny)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "notes.txt"]


def test_an_interrupted_download_is_resumed(tiny, server, place, tmp_path):
    server.stop_after = 2_500_000
    with pytest.raises(PretrainedError, match=server.url):
        pretrained.fetch(tiny)
    folder, digest = arriving(tiny, tmp_path)
    assert left_in(place) == []
    assert left_in(folder) == [f"{digest}.part"]
    server.stop_after = None
    pretrained.fetch(tiny)
    assert server.asked == [("/tiny.tar.gz", None), ("/tiny.tar.gz", "bytes=2500000-")]
    assert left_in(place) == INSTALLED
    assert left_in(folder) == []


def test_a_cancelled_download_is_resumed(tiny, server, place):
    def stop(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        pretrained.fetch(tiny, stop)
    assert pretrained.state(tiny) == "not fetched"
    pretrained.fetch(tiny)
    assert left_in(place) == INSTALLED


def test_a_server_that_cannot_resume(tiny, server, place):
    server.stop_after = 2_500_000
    with pytest.raises(PretrainedError):
        pretrained.fetch(tiny)
    server.stop_after, server.resumes = None, False
    pretrained.fetch(tiny)
    assert left_in(place) == INSTALLED


@pytest.mark.parametrize("ending", [".part", ""])
def test_a_part_that_is_whole_already(tiny, server, place, tmp_path, ending):
    folder, digest = arriving(tiny, tmp_path)
    folder.mkdir(parents=True)
    shutil.copyfile(server.files["/tiny.tar.gz"], folder / f"{digest}{ending}")
    pretrained.fetch(tiny)
    assert left_in(folder) == []
    assert left_in(place) == INSTALLED


@pytest.mark.parametrize("size", [1000, 4_000_000])
def test_a_part_of_something_else_is_removed(tiny, place, tmp_path, size):
    folder, digest = arriving(tiny, tmp_path)
    folder.mkdir(parents=True)
    (folder / f"{digest}.part").write_bytes(b"x" * size)
    with pytest.raises(PretrainedError, match="SHA-256 is"):
        pretrained.fetch(tiny)
    assert left_in(place) == left_in(folder) == []
    pretrained.fetch(tiny)
    assert left_in(place) == INSTALLED


def test_content_of_another_hash_is_refused(tiny, server, place, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"not what was published" * 1000)
    server.files["/tiny.tar.gz"] = other
    with pytest.raises(PretrainedError, match=r"SHA-256 is .* expected"):
        pretrained.fetch(tiny)
    assert left_in(place) == []
    assert pretrained.state(tiny) == "not fetched"


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_errors_of_the_server(tiny, server, place, status):
    server.status = status
    with pytest.raises(PretrainedError, match=rf"{status} .*--from"):
        pretrained.fetch(tiny)
    assert left_in(place) == []


def test_no_network(tiny, place):
    weights = replace(
        tiny.weights, sources=({"url": "http://127.0.0.1:9/x.tar.gz", "sha256": "0" * 64},)
    )
    with pytest.raises(PretrainedError, match=r"127\.0\.0\.1:9.*check the network.*--from"):
        pretrained.fetch(replace(tiny, weights=weights))
    assert left_in(place) == []


def test_the_next_source_is_tried(tiny, server, place):
    missing = {"url": f"{server.url}/missing.tar.gz", "sha256": "0" * 64}
    weights = replace(tiny.weights, sources=(missing, *tiny.weights.sources))
    pretrained.fetch(replace(tiny, weights=weights))
    assert [path for path, _ in server.asked] == ["/missing.tar.gz", "/tiny.tar.gz"]
    assert left_in(place) == INSTALLED


@pytest.fixture
def unmix(server, place, tmp_path):
    """Weights of two small Open-Unmix networks, a file each, as their authors publish them."""
    golden = np.load(Path(__file__).parent / "golden" / "openunmix.npz")
    targets, files, urls = ("vocals", "drums"), {}, {}
    for target in targets:
        path = tmp_path / f"{target}.pth"
        path.write_bytes(golden[f"{target}.pth"].tobytes())
        server.files[f"/{target}.pth"] = path
        files[path.name] = sha256(path)[:8]  # all that is published of some
        urls[path.name] = f"{server.url}/{path.name}"
    weights = Weights("openunmix", "unmix", files, sources=({"files": urls},))
    model = {"type": "openunmix", "hidden_size": 6, "max_bin": 11}
    return replace(
        presets.find("umx"), name="unmix", weights=weights, targets=targets, model=model,
        patch_frames=9, context=2, model_bins=17,
    )  # fmt: skip


def test_files_one_by_one_become_a_network(unmix, server, place):
    assert pretrained.state(unmix) == "not fetched"
    pretrained.fetch(unmix)
    assert left_in(place) == sorted([*unmix.weights.files, pretrained.MANIFEST])
    network = pretrained.load(unmix)
    golden = np.load(Path(__file__).parent / "golden" / "openunmix.npz")
    found = network(golden["mixture"])
    for target in unmix.targets:
        assert np.allclose(found[target], golden[target], atol=1e-5 * golden[target].max())
    asked = len(server.asked)
    pretrained.fetch(unmix)
    assert len(server.asked) == asked


def test_files_that_are_there_are_not_fetched_again(unmix, server, place):
    drums = server.files.pop("/drums.pth")
    with pytest.raises(PretrainedError, match="404"):
        pretrained.fetch(unmix)
    assert pretrained.state(unmix) == "not fetched"
    server.files["/drums.pth"] = drums
    pretrained.fetch(unmix)
    assert [path for path, _ in server.asked].count("/vocals.pth") == 1


def test_a_file_that_begins_with_another_hash_is_refused(unmix, server, place, tmp_path):
    (tmp_path / "drums.pth").write_bytes((tmp_path / "vocals.pth").read_bytes())
    with pytest.raises(PretrainedError, match=r"drums\.pth: SHA-256 is"):
        pretrained.fetch(unmix)
    with pytest.raises(PretrainedError, match=r"drums\.pth: SHA-256 is"):
        pretrained.fetch(unmix, source=tmp_path)
    assert pretrained.state(unmix) == "not fetched"


def test_two_at_once_fetch_once(tiny, server, tmp_path):
    # as processes, through the command line and a configuration of their own
    config = {**json.loads((presets.config_folder() / "spleeter-4stems/config.json").read_text())}
    config["weights"] = {**vars(tiny.weights), "folder": "weights"}
    path = tmp_path / "own" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "mssviz", "models", "fetch", str(path), "--trust"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("is ready in" in out for out, _ in said)
    assert len(server.asked) == 1
    assert left_in(path.parent / "weights") == INSTALLED


def test_threads_at_once_fetch_once(tiny, server, place):
    threads = [threading.Thread(target=pretrained.fetch, args=(tiny,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
    assert left_in(place) == INSTALLED


def test_waiting_for_another_process_shows_and_can_be_cancelled(tiny, server, tmp_path):
    told = []

    def stop(*now):
        told.append(now)
        raise Cancelled

    folder, _ = arriving(tiny, tmp_path)
    folder.mkdir(parents=True)
    with FileLock(folder / "lock"), pytest.raises(Cancelled):
        pretrained.fetch(tiny, stop)
    assert told == [(0, None, "wait for another process that fetches the same weights")]
    assert server.asked == []


def test_a_mirror_of_the_releases(tiny, server, place, monkeypatch):
    server.files = {"/deezer/spleeter/x/tiny.tar.gz": server.files["/tiny.tar.gz"]}
    url = "https://github.com/deezer/spleeter/x/tiny.tar.gz"
    source = {**tiny.weights.sources[0], "url": url}
    monkeypatch.setenv("GITHUB_HOST", server.url + "/")
    pretrained.fetch(replace(tiny, weights=replace(tiny.weights, sources=(source,))))
    assert left_in(place) == INSTALLED


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is not installed")
@pytest.mark.parametrize("genuine", [True, False])
def test_a_wheel_through_pip(tiny, place, tmp_path, monkeypatch, genuine):
    wheel = tmp_path / "wheels" / "tiny_weights-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as zipped:
        zipped.writestr(f"package/pretrained_models/{INDEX}", b"index")
        zipped.writestr(f"package/pretrained_models/{DATA}", b"data" * 1000)
        zipped.writestr("package/setup.py", b"raise SystemExit('installed')")
        info = "tiny_weights-1.0.dist-info"
        # only read as an archive, so it need not support this Python
        metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Python: <3\n"
        zipped.writestr(f"{info}/METADATA", metadata)
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    expected = sha256(wheel) if genuine else "0" * 64
    source = {"wheel": "tiny-weights==1.0", "sha256": expected}
    files = {INDEX: hashlib.sha256(b"index").hexdigest(), DATA: None}
    preset = replace(tiny, weights=Weights("spleeter", "tiny", files, sources=(source,)))
    if genuine:
        pretrained.fetch(preset)
        assert left_in(place) == INSTALLED
    else:
        with pytest.raises(PretrainedError, match=r"tiny-weights==1\.0: pip could not .*--from"):
            pretrained.fetch(preset)
        assert left_in(place) == []


def test_a_mirror_that_is_no_address_is_named(tiny, place, monkeypatch):
    source = {**tiny.weights.sources[0], "url": "https://github.com/deezer/tiny.tar.gz"}
    theirs = replace(tiny, weights=replace(tiny.weights, sources=(source,)))
    monkeypatch.setenv("GITHUB_HOST", "mirror.example")
    with pytest.raises(ParameterError, match="GITHUB_HOST must be an address, http:// or"):
        pretrained.fetch(theirs)
    pretrained.fetch(tiny)  # which is not there


def test_home_is_meant_in_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("MSSVIZ_PRETRAINED", "MSSVIZ_CACHE"):
        monkeypatch.setenv(variable, "~/kept")
    assert pretrained.weights_place() == tmp_path / "kept"
    assert _files.cache_folder("scores") == tmp_path / "kept" / "scores"


# -- archives that people bring ------------------------------------------------------------------


def test_from_a_file_without_network(tiny, server, place):
    server.status = 500
    pretrained.fetch(tiny, source=server.files["/tiny.tar.gz"])
    assert server.asked == []
    assert left_in(place) == INSTALLED


def test_from_another_file_is_refused(tiny, server, place, tmp_path):
    other = tmp_path / "other.tar.gz"
    other.write_bytes(server.files["/tiny.tar.gz"].read_bytes() + b"\0")
    with pytest.raises(PretrainedError, match=r"other\.tar\.gz: its SHA-256 is not that"):
        pretrained.fetch(tiny, source=other)
    for missing in (tmp_path / "missing.tar.gz", tmp_path / "wheels"):
        with pytest.raises(PretrainedError, match="no such file or folder"):
            pretrained.fetch(tiny, source=missing)
    assert left_in(place) == []


def test_from_a_folder(tiny, place, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / INDEX).write_bytes(b"index")
    with pytest.raises(PretrainedError, match=f"holds no file {DATA}"):
        pretrained.fetch(tiny, source=folder)
    (folder / DATA).write_bytes(b"data")
    pretrained.fetch(tiny, source=folder)
    assert left_in(place) == INSTALLED
    assert left_in(folder) == sorted(FILES)


def test_published_weights_from_a_folder_and_a_wheel(separator, place, tmp_path, monkeypatch):
    monkeypatch.delenv("MSSVIZ_PRETRAINED")
    genuine = pretrained.weights_folder(separator.preset)
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(place))
    assert pretrained.state(separator.preset) == "not fetched"
    assert "not fetched" in set(mssviz.models()["state"])
    pretrained.fetch(separator.preset, source=genuine)
    assert pretrained.state(separator.preset) == "ready"
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as zipped:
        for name in FILES:
            zipped.write(genuine / name, f"spleeter/pretrained_models/2stems/{name}")
    shutil.rmtree(place)
    pretrained.fetch(separator.preset, source=wheel)
    assert pretrained.state(separator.preset) == "ready"
    assert left_in(place) == INSTALLED


HOSTILE = {
    "parent": ("../model.index", {}),
    "parent within": ("a/../../model.index", {}),
    "absolute": ("/tmp/model.index", {}),
    "windows": ("C:\\model.index", {}),
    "windows parent": ("..\\model.index", {}),
    "symlink": ("model.index", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "inner symlink": ("a", {"type": tarfile.SYMTYPE, "linkname": "model.meta"}),
    "hardlink": ("model.index", {"type": tarfile.LNKTYPE, "linkname": "../../secret"}),
    "device": ("model.index", {"type": tarfile.CHRTYPE}),
    "pipe": ("model.index", {"type": tarfile.FIFOTYPE}),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("position", ["first", "last"])
def test_hostile_tars_are_refused(tmp_path, kind, position):
    name, attributes = HOSTILE[kind]
    content = b"" if attributes else b"index"
    archive, target = tmp_path / "x.tar.gz", tmp_path / "target"
    with tarfile.open(archive, "w:gz") as tar:
        if position == "first":
            add_to_tar(tar, name, content, **attributes)
        add_to_tar(tar, INDEX, b"index")
        add_to_tar(tar, DATA, b"data")
        if position == "last":
            add_to_tar(tar, name, content, **attributes)
    assert_refused(archive, target, "is a link or points outside")


@pytest.mark.parametrize("kind", ["parent", "parent within", "absolute", "windows", "symlink"])
def test_hostile_zips_are_refused(tmp_path, kind):
    name, attributes = HOSTILE[kind]
    archive, target = tmp_path / "x.whl", tmp_path / "target"
    info = zipfile.ZipInfo(name)
    if attributes:
        info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(f"good/{INDEX}", b"index")
        zipped.writestr(DATA, b"data")
        zipped.writestr(info, b"/etc/passwd")
    assert_refused(archive, target, "is a link or points outside")


def assert_refused(archive, target, reason):
    before = set(target.parent.iterdir())
    with (
        pytest.raises(PretrainedError, match=reason) as error,
        _files.new_folder(target, FILES) as folder,
    ):
        _fetch.extract(archive, FILES, folder)
    assert str(archive) in str(error.value)
    assert set(target.parent.iterdir()) == before
    assert not Path("/tmp/model.index").exists()


@pytest.mark.parametrize("make", [tarfile.open, zipfile.ZipFile])
def test_a_member_is_missing(tmp_path, make):
    archive = tmp_path / "x"
    with make(archive, "w") as opened:
        if make is tarfile.open:
            add_to_tar(opened, INDEX, b"index")
        else:
            opened.writestr(INDEX, b"index")
    assert_refused(archive, tmp_path / "target", f"holds no file {DATA}")


def test_a_member_of_another_hash(tmp_path):
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        add_to_tar(tar, INDEX, b"index")
    with pytest.raises(PretrainedError, match=r"model\.index in .*SHA-256"):
        _fetch.extract(archive, {INDEX: "0" * 64}, tmp_path)


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "text", "empty", "gzip of text"])
def test_truncated_and_other_archives(tmp_path, kind):
    archive = tmp_path / "x"
    content = np.random.default_rng(0).bytes(100_000)
    if kind == "tar.gz":
        with tarfile.open(archive, "w:gz") as tar:
            add_to_tar(tar, INDEX, b"index")
            add_to_tar(tar, DATA, content)
        archive.write_bytes(archive.read_bytes()[:50_000])
    elif kind == "zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(DATA, content)
        archive.write_bytes(archive.read_bytes()[:50_000])
    else:
        archive.write_bytes(
            {"text": b"text", "empty": b"", "gzip of text": gzip.compress(b"text")}[kind]
        )
    assert_refused(archive, tmp_path / "target", "not a readable archive")


# -- folders that are not what they seem ---------------------------------------------------------


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "stale"])
def test_a_damaged_folder_is_refused_and_repaired(tiny, server, place, change):
    data = pretrained.fetch(tiny) / DATA
    content = data.read_bytes()
    if change == "flip":
        flip_a_byte(data)
    else:
        data.write_bytes({"cut": content[:1000], "empty": b"", "stale": b"older" * 99}[change])
    with pytest.raises(PretrainedError, match="mssviz models fetch tiny") as error:
        pretrained.load(tiny)
    assert str(data) in str(error.value)
    pretrained.fetch(tiny)
    assert data.read_bytes() == content
    assert left_in(place) == INSTALLED


def test_a_half_empty_folder_is_incomplete_and_completed(tiny, place):
    data = pretrained.fetch(tiny) / DATA
    data.unlink()
    assert pretrained.state(tiny) == "incomplete"
    with pytest.raises(PretrainedError, match=r"no complete weights.*mssviz models fetch tiny"):
        pretrained.load(tiny)
    pretrained.fetch(tiny)
    assert pretrained.state(tiny) == "ready"


def test_a_folder_without_weights_is_not_fetched_on_request(place):
    with pytest.raises(PretrainedError, match="mssviz models fetch spleeter:4stems"):
        _ = mssviz.Separator("spleeter:4stems", fetch=False).network
    assert not place.exists()


def test_weights_of_no_network(tiny):
    pretrained.fetch(tiny)
    with pytest.raises(PretrainedError, match="not a readable TensorFlow checkpoint"):
        pretrained.load(tiny)


def test_a_place_that_cannot_be_written(tiny, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(file / "place"))
    with pytest.raises(PretrainedError, match=r"cannot be written.*MSSVIZ_PRETRAINED"):
        pretrained.fetch(tiny)
    assert file.read_text() == "mine"


# -- a user's own ----------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Configuration of a small network with Keras weights, beside it."""
    config = json.loads((presets.config_folder() / "spleeter-4stems/config.json").read_text())
    config.update(name="own", targets=["a", "b"], patch_frames=64, model_bins=64)
    config["model"]["filters"] = [1, 2, 2, 2, 2, 2]
    files = {"model.weights.h5": None}
    config["weights"] = {"format": "keras", "folder": ".", "files": files}
    path = tmp_path / "own" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    return path


def network_of(path):
    from mssviz.networks import Network

    preset = presets.read(path)
    return Network(preset.model, preset.targets, preset.input_shape)


def test_own_keras_weights(own):
    network = network_of(own)
    network.model.save_weights(own.parent / "model.weights.h5")
    loaded = pretrained.load(presets.find(own.parent))
    for expected, found in zip(network.model.weights, loaded.model.weights, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_own_weights_of_another_shape(own):
    network_of(own).model.save_weights(own.parent / "model.weights.h5")
    config = json.loads(own.read_text())
    config["model"]["filters"] = [1, 2, 2, 2, 2, 3]
    own.write_text(json.dumps(config))
    with pytest.raises(PretrainedError, match="do not fit the network of its configuration"):
        pretrained.load(presets.find(own))


def test_own_weights_that_are_cut_short(own):
    weights = own.parent / "model.weights.h5"
    network_of(own).model.save_weights(weights)
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(PretrainedError, match=r"model\.weights\.h5"):
        pretrained.load(presets.find(own))


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["pickle", "npy", "npz"])
def test_a_pickle_is_never_executed(own, tmp_path, kind):
    weights, witness = own.parent / "model.weights.h5", tmp_path / "executed"
    hostile = np.array([Hostile(witness)], dtype=object)
    with weights.open("wb") as file:
        if kind == "pickle":
            pickle.dump(Hostile(witness), file)
        elif kind == "npy":
            np.save(file, hostile, allow_pickle=True)
        else:
            np.savez(file, weights=hostile)
    with pytest.raises(PretrainedError, match="not a file of weights in format keras"):
        mssviz.Separator(own).separate(np.zeros((4410, 2)), 44100, progress=False)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Hostile(witness))).close()  # it would have left a trace
    assert witness.exists()


def test_a_configuration_without_a_source(own):
    with pytest.raises(PretrainedError, match=r"names no source; train it, or copy"):
        mssviz.Separator(own)


SPLEETER_2STEMS = {
    "train_csv": "path/to/train.csv",
    "validation_csv": "path/to/test.csv",
    "model_dir": "2stems",
    "mix_name": "mix",
    "instrument_list": ["vocals", "accompaniment"],
    "sample_rate": 44100,
    "frame_length": 4096,
    "frame_step": 1024,
    "T": 512,
    "F": 1024,
    "n_channels": 2,
    "separation_exponent": 2,
    "mask_extension": "average",
    "learning_rate": 1e-4,
    "batch_size": 4,
    "training_cache": "training_cache",
    "validation_cache": "validation_cache",
    "train_max_steps": 1000000,
    "throttle_secs": 300,
    "random_seed": 0,
    "save_checkpoints_steps": 150,
    "save_summary_steps": 5,
    "model": {"type": "unet.unet", "params": {}},
}


def test_a_configuration_of_spleeter(separator, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SPLEETER_2STEMS))
    own = mssviz.Separator(path)
    assert own.targets == ("vocals", "accompaniment")
    assert own.options.extension == "average"
    assert own.preset.model == separator.preset.model
    assert own.preset.stft == separator.preset.stft
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (44100, 2))
    found = own.separate(noise, 44100, progress=False)
    expected = separator.separate(noise, 44100, progress=False)
    for target in own.targets:
        np.testing.assert_array_equal(found.magnitudes[target], expected.magnitudes[target])
    assert found.residual_db() < -100  # which "average" is for


def test_a_configuration_of_spleeter_beside_its_own_checkpoint(four, tmp_path):
    config = {
        **SPLEETER_2STEMS,
        "model_dir": "trained",
        "instrument_list": four.targets,
        "model": {
            "type": "unet.softmax_unet",
            "params": {"conv_activation": "ELU", "deconv_activation": "ELU"},
        },
    }
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(config))
    (tmp_path / "trained").symlink_to(four.weights)
    preset = presets.find(path)
    assert preset.model["head"] == "softmax"
    assert preset.model["encoder_activation"] == preset.model["decoder_activation"] == "elu"
    assert pretrained.state(preset) == "ready"
    assert pretrained.weights_folder(preset) == tmp_path / "trained"


@pytest.mark.parametrize("place", ["beside", "here"])
def test_a_configuration_of_spleeter_finds_what_it_trained(tmp_path, monkeypatch, place):
    path = tmp_path / "configs" / "mine.json"
    here = tmp_path / "here"
    for folder in (path.parent, here):
        folder.mkdir()
    path.write_text(json.dumps({**SPLEETER_2STEMS, "model_dir": "trained"}))
    monkeypatch.chdir(here)
    with pytest.raises(PretrainedError, match=f"no weights in {path.parent / 'trained'}"):
        mssviz.Separator(path)
    weights = {"beside": path.parent, "here": here}[place] / "trained" / "weights"
    weights.mkdir(parents=True)
    for file in (weights / "model.weights.h5", weights.parent / "config.json"):
        file.touch()
    preset = presets.find(path)
    assert preset.weights.format == "keras"
    assert pretrained.weights_folder(preset) == weights
    assert pretrained.state(preset) == "ready"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model": {"type": "my.net"}}, "'my.net' is not one of Spleeter's"),
        ({"frame_length": 4500}, "multiple of hop_length"),
        ({"mask_extension": "mirror"}, "'zeros' or 'average'"),
        ({"sample_rate": "fast"}, "wrong value"),
    ],
)
def test_wrong_configurations_of_spleeter(tmp_path, change, match):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**SPLEETER_2STEMS, **change}))
    with pytest.raises(ParameterError, match=match) as error:
        presets.find(path)
    assert str(path) in str(error.value)
