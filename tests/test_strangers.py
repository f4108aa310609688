"""Models from anybody: what a configuration, an archive or a server says is data, never more."""

import hashlib
import io
import json
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
import pytest

import mssviz
from mssviz import _fetch, presets, pretrained
from mssviz.errors import Cancelled, MssvizError, ParameterError, PretrainedError
from mssviz.presets import KERAS_WEIGHTS
from tests.test_fetch import add_to_tar, left_in, sha256


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MSSVIZ_CACHE", str(folder))
    return folder


TINY = {
    "name": "theirs",
    "targets": ["vocals", "accompaniment"],
    "sample_rate": 8000,
    "n_fft": 64,
    "hop_length": 16,
    "patch_frames": 16,
    "model_bins": 16,
    "n_channels": 1,
    "mask_power": 2.0,
    "mask_extension": "zeros",
    "model": {"type": "unet", "filters": [2, 4]},
    "weights": {"format": "keras", "folder": "weights", "files": {KERAS_WEIGHTS: None}},
}


def changed(config, path, value):
    """A configuration with one value replaced, such as that at ``"weights.folder"``."""
    config = json.loads(json.dumps(config))
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.fixture
def model(tmp_path):
    """Write a configuration into a folder of somebody's, beside which a note lies."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (folder / "README.md").write_text("theirs")

    def write(config=TINY):
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return write


@pytest.fixture
def archive(server, tmp_path):
    """A file that a server has, as a source of weights."""
    path = tmp_path / "served.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        add_to_tar(tar, KERAS_WEIGHTS, b"weights")
    server.files["/served.tar.gz"] = path
    return {"url": f"{server.url}/served.tar.gz", "sha256": sha256(path)}


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# --- What a configuration states --------------------------------------------------------------

WHEELS = [
    "x @ http://127.0.0.1:9/x.zip",
    "x@file:///tmp/x",
    "x==1.0\n--proxy=http://127.0.0.1:9",
    "x==1.0\n",
    "x==1.0 --global-option=y",
    "--editable .",
    "-r /etc/passwd",
    "x>=1.0",
    "x",
    "x==1.*",
    "x===1.0",
    "x[extra]==1.0",
    "x==1.0; python_version > '3'",
    "./x==1.0",
    "../x-1.0.whl",
    "",
    7,
    None,
    ["x==1.0"],
]


@pytest.mark.parametrize("wheel", WHEELS, ids=repr)
def test_a_wheel_is_a_name_and_a_version(model, monkeypatch, wheel):
    def start(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", start)
    source = {"wheel": wheel, "sha256": "0" * 64}
    folder = model(changed(TINY, "weights.sources", [source]))
    with pytest.raises(ParameterError, match=r"config\.json: .*name==1\.0") as error:
        mssviz.Separator(folder)
    one_line(error)
    with pytest.raises(ParameterError, match=r"name==1\.0"):
        _fetch.download_wheel(wheel, "0" * 64, folder, _fetch.no_progress)


def test_pip_is_not_looked_for_in_the_working_folder(tmp_path, monkeypatch):
    for name in ("pip.py", "logging.py"):
        (tmp_path / name).write_text("open('executed', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(PretrainedError, match="pip could not download it"):
        _fetch.download_wheel("no-such-package==1.0", "0" * 64, tmp_path, _fetch.no_progress)
    assert not (tmp_path / "executed").exists()


def test_pip_can_be_stopped_while_it_is_silent(tmp_path, monkeypatch):
    class Waits(subprocess.Popen):
        def __init__(self, _, **options):
            super().__init__([sys.executable, "-c", "input()"], **{**options, "stdin": -1})

    def stop(*_):
        raise Cancelled

    monkeypatch.setattr(subprocess, "Popen", Waits)
    with pytest.raises(Cancelled):
        _fetch.download_wheel("tiny==1.0", "0" * 64, tmp_path, stop)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://x/a b", "http://x/\n", "x.zip", 5]
)
def test_an_address_is_http(model, url):
    source = {"url": url, "sha256": "0" * 64}
    folder = model(changed(TINY, "weights.sources", [source]))
    with pytest.raises(ParameterError, match="must be an address, http"):
        presets.find(folder)
    with pytest.raises(ParameterError, match="must be an address, http"):
        _fetch.download(url, folder / "x", "0" * 64)


OUTSIDE = ["", "..", "../x", "../other/weights", "/tmp", "a/../../x", "a//b", "~", "weights/"]


@pytest.mark.parametrize("folder", OUTSIDE)
def test_weights_stay_within_the_configurations_folder(model, archive, folder):
    place = model({**changed(TINY, "weights.folder", folder)})
    with pytest.raises(ParameterError, match=r"weights\.folder must be a plain name"):
        presets.find(place)


NAMES = [
    "../x", "a/b", "a\\b", "/x", ".", "..", "", ".hidden", "-x", "a\0b", "a\nb", "{codec}", "a:b",
    "$(x)", "a*", "x" * 200, "\u202etxt", "\ud800", 5, None,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_of_stems_and_files_are_plain(model, name):
    with pytest.raises(ParameterError, match=r"targets must be 1 to .* plain names") as error:
        presets.find(model(changed(TINY, "targets", ["vocals", name])))
    one_line(error).encode()
    if isinstance(name, str):
        files = {f"{name}.weights.h5" if name in ("../x", "a/b") else name: None}
        with pytest.raises(ParameterError, match=r"weights\.files must have plain names") as error:
            presets.find(model(changed(TINY, "weights.files", files)))
        one_line(error).encode()


def test_stems_do_not_share_a_file(model):
    with pytest.raises(ParameterError, match="different plain names"):
        presets.find(model(changed(TINY, "targets", ["vocals", "Vocals"])))
    names = ["lead vocals", "Gesang (Männer)", "no_vocals", "808", "歌声"]
    assert presets.find(model(changed(TINY, "targets", names))).targets == tuple(names)


# --- Fetching ---------------------------------------------------------------------------------


def test_nothing_is_fetched_for_a_strangers_model_unless_asked(model, server, archive):
    folder = model(changed(TINY, "weights.sources", [archive]))
    before = everything(folder.parent)
    for attempt in (
        lambda: mssviz.Separator(folder),
        lambda: mssviz.explore(folder / "x.wav", model=str(folder)),
        lambda: pretrained.fetch(presets.find(folder)),
    ):
        with pytest.raises(MssvizError) as error:
            attempt()
        one_line(error)
    assert archive["url"] in str(error.value)
    assert f"mssviz models fetch {folder / 'config.json'} --trust" in str(error.value)
    assert server.asked == []
    assert everything(folder.parent) == before
    pretrained.fetch(presets.find(folder), trusted=True)
    assert len(server.asked) == 1
    assert left_in(folder / "weights") == sorted([KERAS_WEIGHTS, pretrained.MANIFEST])
    assert {**everything(folder.parent), **before} == everything(folder.parent)
    mssviz.Separator(folder)
    assert len(server.asked) == 1


def test_what_is_to_be_typed_does_nothing_else_in_a_shell(model, archive):
    config = changed(TINY, "name", "mine; curl http://127.0.0.1 | sh #")
    fetched = changed(config, "weights.sources", [archive])
    trained = changed(config, "weights", {"format": "none", "folder": "", "files": {}})
    for number, (content, command, rest) in enumerate(
        [
            (fetched, "models fetch", "--trust"),
            (trained, "train -p", "-d SONGS"),
        ]
    ):
        folder = model(content).with_name(f"it's {number}; echo $(id) `id`")
        shutil.copytree(model(content), folder)
        with pytest.raises(PretrainedError) as error:
            pretrained.fetch(presets.find(folder))
        path = shlex.quote(str(folder / "config.json"))
        assert f"mssviz {command} {path} {rest}" in one_line(error)


def test_the_flag_of_the_command_line(model, server, archive):
    folder = model(changed(TINY, "weights.sources", [archive]))
    command = [sys.executable, "-m", "mssviz", "models", "fetch", "-q", str(folder)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert archive["url"] in refused.stderr
    assert "--trust" in refused.stderr
    assert server.asked == []
    subprocess.run([*command, "--trust"], check=True)
    assert pretrained.state(presets.find(folder)) == "ready"


def test_addresses_that_come_with_mssviz_are_trusted_in_a_copy(model, monkeypatch):
    shipped = presets.find("spleeter:4stems")
    source = presets.config_folder() / "spleeter-4stems" / "config.json"
    folder = model(json.loads(source.read_text()))
    asked = []
    monkeypatch.setattr(_fetch, "download", lambda url, *_: asked.append(url) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pretrained.fetch(presets.find(folder))
    assert asked == [shipped.weights.sources[0]["url"]]


def test_weights_beside_their_configuration_are_read_but_not_fetched(model, server, archive):
    config = changed(changed(TINY, "weights.sources", [archive]), "weights.folder", ".")
    folder = model(config)
    before = everything(folder.parent)
    for source in (None, server.files["/served.tar.gz"]):
        with pytest.raises(PretrainedError, match="for weights alone") as error:
            pretrained.fetch(presets.find(folder), source=source, trusted=True)
        one_line(error)
    assert everything(folder.parent) == before


def test_a_folder_that_holds_more_is_left_alone(model, archive):
    folder = model(changed(changed(TINY, "weights.sources", [archive]), "weights.folder", "songs"))
    (folder / "songs").mkdir()
    (folder / "songs" / "mine.wav").write_text("mine")
    before = everything(folder.parent)
    with pytest.raises(MssvizError, match=r"holds 'mine\.wav', which would be deleted"):
        pretrained.fetch(presets.find(folder), trusted=True)
    assert {**everything(folder.parent), **before} == everything(folder.parent)


@pytest.mark.parametrize("through", ["weights", "a"])
def test_a_link_in_their_folder_leads_nowhere(model, archive, tmp_path, through):
    config = changed(TINY, "weights.sources", [archive])
    folder = model(changed(config, "weights.folder", "weights" if through == "weights" else "a/b"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / through).symlink_to(outside)
    with pytest.raises(MssvizError, match=r"is no folder of ours|for weights alone"):
        pretrained.fetch(presets.find(folder), trusted=True)
    assert list(outside.iterdir()) == []
    assert (folder / through).is_symlink()


def test_a_name_in_an_address_is_no_name_of_a_file(model, server, archive, tmp_path):
    server.files["/config.json"] = server.files["/served.tar.gz"]
    source = {**archive, "url": f"{server.url}/config.json"}
    folder = model(changed(TINY, "weights.sources", [source]))
    for name in ("config.json.part", "README.md.part"):
        (folder / name).write_text("theirs")
    before = everything(folder)
    pretrained.fetch(presets.find(folder), trusted=True)
    assert {**everything(folder), **before} == everything(folder)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_stay_with_http(server, tmp_path, to):
    server.moved["/x"] = to
    with pytest.raises(PretrainedError, match="download failed"):
        _fetch.download(f"{server.url}/x", tmp_path / "x", "0" * 64)
    assert not (tmp_path / "x").exists()


def test_a_server_sends_without_end(server, tmp_path):
    def pour(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    server.answers["/x"] = pour
    with pytest.raises(PretrainedError, match="sends over 1 MiB"):
        _fetch.download(f"{server.url}/x", tmp_path / "x", "0" * 64, most=1 << 20)
    assert list(tmp_path.glob("x*")) == []


@pytest.mark.parametrize("said", [1 << 40, "many", "-5", "nan", "1e3", "9" * 30])
def test_what_a_server_says_of_its_length(server, tmp_path, said):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(said))
        handler.end_headers()
        handler.wfile.write(b"little")

    server.answers["/x"] = answer
    with pytest.raises(PretrainedError, match=r"sends over|SHA-256|download failed|closed after"):
        _fetch.download(f"{server.url}/x", tmp_path / "x", "0" * 64, most=1 << 20)


def test_what_is_compressed_on_the_way_stays_so(server, tmp_path):
    bomb = zlib.compress(bytes(1 << 24))

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "deflate")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    server.answers["/x"] = answer
    expected = hashlib.sha256(bomb).hexdigest()
    found = _fetch.download(f"{server.url}/x", tmp_path / "x", expected, most=1 << 20)
    assert found.read_bytes() == bomb


# --- Archives ---------------------------------------------------------------------------------


class Zeros(io.RawIOBase):
    def read(self, size):
        return bytes(size)


def bomb(path, kind):
    """An archive of some kB, of which `KERAS_WEIGHTS` or what is before it would be huge."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr(KERAS_WEIGHTS, bytes(1 << 26))
        return
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("other" if kind == "another member" else KERAS_WEIGHTS)
        if kind == "pax":
            info.pax_headers = {"comment": "x" * (1 << 26)}
        elif kind == "sparse":
            info.type = tarfile.GNUTYPE_SPARSE
        else:
            info.size = 1 << 27
        tar.addfile(info, Zeros() if info.size else None)
        if kind == "entries":
            for _ in range(_fetch._MOST_ENTRIES + 1):
                add_to_tar(tar, "x")


@pytest.mark.parametrize("kind", ["zip", "member", "another member", "pax", "sparse", "entries"])
def test_archives_that_grow_are_refused(tmp_path, kind):
    path, target = tmp_path / "x", tmp_path / "target"
    target.mkdir()
    if kind == "entries":
        with tarfile.open(path, "w") as tar:
            for _ in range(_fetch._MOST_ENTRIES + 1):
                add_to_tar(tar, "x")
    else:
        bomb(path, kind)
        assert path.stat().st_size < 1 << 20
    with pytest.raises(PretrainedError, match=r"x: ") as error:
        _fetch.extract(path, {KERAS_WEIGHTS: None}, target, most=1 << 25)
    one_line(error)
    assert sum(p.stat().st_size for p in target.iterdir()) < 1 << 20


def test_a_member_that_comes_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x", "w") as tar:
        for folder in ("a", "b"):
            add_to_tar(tar, f"{folder}/{KERAS_WEIGHTS}", folder.encode())
    with pytest.raises(PretrainedError, match="holds more"):
        _fetch.extract(tmp_path / "x", {KERAS_WEIGHTS: None}, tmp_path)


# --- Sizes ------------------------------------------------------------------------------------

NONSENSE = [
    ("sample_rate", 0), ("sample_rate", -1), ("sample_rate", 1e300), ("sample_rate", True),
    ("sample_rate", "44100"), ("n_fft", 2**30), ("n_fft", 4.5), ("hop_length", 0),
    ("hop_length", 3), ("patch_frames", 10**9), ("patch_frames", 0), ("patch_frames", None),
    ("model_bins", 34), ("model_bins", 0), ("n_channels", 0), ("n_channels", 10**6),
    ("overlap", 2), ("crossfade", 0.25), ("song_level", True), ("song_level", 2),
    ("context", 8), ("context", -1), ("mask_power", 0), ("mask_power", float("nan")),
    ("mask_power", float("inf")), ("mask_extension", "mirror"), ("mask_extension", []),
    ("name", "a\nb"), ("name", 5), ("title", "\x1b[2J"), ("licence", ["MIT"]),
    ("licence_source", "a\nb"), ("training_data", 5), ("trained_on_test", "maybe"),
    ("targets", []), ("targets", "vocals"), ("targets", {"a": 1}), ("targets", None),
    ("model", None), ("model", {}), ("model.type", "my.net"), ("model.type", ["unet"]),
    ("model.filters", [10**6]), ("model.filters", "a/b"), ("model.filters", [[[1]]]),
    ("model.filters", [1] * 1000), ("model.head", "../x"), ("training", []),
    ("published_scores", 5), ("weights", None), ("weights.format", "pickle"),
    ("weights.files", [KERAS_WEIGHTS]), ("weights.files", {"x.weights.json": None}),
    ("weights.files", {KERAS_WEIGHTS: "zz"}), ("weights.files", {KERAS_WEIGHTS: 5}),
    ("weights.size", -1), ("weights.sources", 5), ("weights.sources", [5]),
    ("weights.sources", [{}]), ("weights.sources", [{"url": "http://x/y", "sha256": "0"}]),
    ("weights.sources", [{"files": {"other": "http://x/y"}}]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), NONSENSE, ids=repr)
def test_nonsense_is_refused_where_it_is_read(model, path, value):
    folder = model(changed(TINY, path, value))
    with pytest.raises(ParameterError, match=r"config\.json: ") as error:
        presets.find(folder)
    one_line(error)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 5000, b"1" * 5000, b" " * (1 << 21), b"null"],
    ids=["empty", "bytes", "lists", "objects", "digits", "blanks", "null"],
)
def test_what_is_no_configuration(model, content):
    folder = model()
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ParameterError, match=r"config\.json: ") as error:
        presets.find(folder)
    one_line(error)


@pytest.fixture
def trained(model):
    """A small network of a stranger's, with weights; further changes to its configuration."""

    def make(**changes):
        config = TINY
        for path, value in changes.items():
            config = changed(config, path.replace("__", "."), value)
        folder = model(config)
        (folder / "weights").mkdir(exist_ok=True)
        if not changes:
            preset = presets.find(folder)
            network = mssviz.networks.Network(preset.model, preset.targets, preset.input_shape)
            network.model.save_weights(folder / "weights" / KERAS_WEIGHTS)
        return folder

    import mssviz.networks

    make()
    return make


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model__filters": [60000, 60000]}, "more than its weights"),
        ({"model": {"type": "blstm", "units": 60000}}, "more than its weights"),
        ({"model": {"type": "openunmix", "max_bin": 16, "n_layers": 48}}, "more than its weights"),
        ({"patch_frames": 2**20, "model__filters": [64, 1]}, "choose shorter patches"),
        ({"model": {"type": "unet", "options": 5}}, "options of network 'unet' are wrong"),
        ({"model": {"type": "unet", "filters": "abc"}}, "options of network 'unet' are wrong"),
        ({"model": {"type": "fnn", "units": 2.5}}, "options of network 'fnn' are wrong"),
    ],
    ids=repr,
)
def test_networks_that_are_too_large_are_not_built(trained, changes, match):
    folder = trained(**changes)
    with pytest.raises(PretrainedError, match=match) as error:
        pretrained.load(presets.find(folder))
    assert KERAS_WEIGHTS in one_line(error)


def test_a_network_is_bounded_without_weights_too():
    with pytest.raises(ParameterError, match="than can be"):
        mssviz.networks.Network(
            {"type": "blstm", "units": 60000},
            ["a"],
            {"patch_frames": 4, "n_bins": 4, "n_channels": 1},
        )


# --- Weights ----------------------------------------------------------------------------------


def first_dataset(file):
    found = []
    file.visititems(lambda name, thing: found.append(name) if hasattr(thing, "shape") else None)
    return found[0]


@pytest.mark.parametrize(
    "kind", ["external link", "soft link", "virtual", "external", "text", "large"]
)
def test_weights_that_are_no_plain_arrays(trained, tmp_path, kind):
    folder = trained()
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.zeros(4)
    with h5py.File(folder / "weights" / KERAS_WEIGHTS, "r+") as file:
        name = first_dataset(file)
        shape = file[name].shape
        del file[name]
        if kind == "external link":
            file[name] = h5py.ExternalLink(str(secret), "x")
        elif kind == "soft link":
            file[name] = h5py.SoftLink("/layers")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4,), np.float64)
            layout[:] = h5py.VirtualSource(str(secret), "x", shape=(4,))
            file.create_virtual_dataset(name, layout)
        elif kind == "external":
            file.create_dataset(name, shape, external=[(str(secret), 0, 1 << 20)])
        elif kind == "text":
            file[name] = "text"
        else:
            file.create_dataset(name, (1 << 40,), np.float32, chunks=(1 << 20,))
    with pytest.raises(PretrainedError, match=r"model\.weights\.h5: ") as error:
        pretrained.load(presets.find(folder))
    one_line(error)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(trained, value):
    folder = trained()
    with h5py.File(folder / "weights" / KERAS_WEIGHTS, "r+") as file:
        file[first_dataset(file)][...] = value
    with pytest.raises(PretrainedError, match="not finite"):
        pretrained.load(presets.find(folder))


MANIFESTS = [
    b"", b"[]", b"5", b"null", b"{", b"\xff", b"[" * 9999, b'{"model.weights.h5": 5}',
    b'{"model.weights.h5": null}', b'{"x": "y"}',
]  # fmt: skip


@pytest.mark.parametrize("content", MANIFESTS, ids=repr)
def test_a_manifest_that_is_none(trained, content):
    folder = trained()
    (folder / "weights" / pretrained.MANIFEST).write_bytes(content)
    with pytest.raises(PretrainedError, match=r"manifest\.json: is damaged"):
        pretrained.load(presets.find(folder))


def test_a_network_of_ones_own_goes_on_to_work(trained, tmp_path):
    folder = trained()
    assert pretrained.load(presets.find(folder)).targets == ("vocals", "accompaniment")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (4000, 1))
    found = mssviz.Separator(folder).separate(noise, 8000, progress=False)
    assert set(found.estimates) == {"vocals", "accompaniment"}
