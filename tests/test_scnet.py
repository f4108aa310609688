"""SCNet of both kinds, and checkpoints of it, against the packages that people use."""

from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import presets, pretrained
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import Network
from mssviz.networks.converters import checkpoint, scnet
from mssviz.networks.scnet import build_scnet, spectral_rmse
from mssviz.separators import chunks
from tests.shapes import outline
from tests.test_roformers import safetensors

pytestmark = pytest.mark.slow

GOLDEN = np.load(Path(__file__).parent / "golden" / "scnet.npz")
CHUNK, OVERLAP = 480, 4
TARGETS = ("a", "b")
TOLD = {  # of the golden files: what no shape tells
    "plain": {"n_fft": 128, "hop_length": 32},
    "masked": {"hop_length": 32, "strides": [1, 4, 4], "shares": [0.23, 0.37, 0.4]},
}
YAML = """\
audio: {chunk_size: 480, num_channels: 2, sample_rate: 44100, min_mean_abs: 0.0}
model:
  sources: [a, b]
  audio_channels: 2
  dims: [4, 4, 6]
  nfft: 128
  hop_size: 32
  win_size: 128
  normalized: true
  band_SR: [0.175, 0.392, 0.433]
  band_stride: [1, 4, 16]
  band_kernel: [3, 4, 16]
  conv_depths: [3, 2, 1]
  compress: 2
  conv_kernel: 3
  num_dplayer: 4
  expand: 1
training: {instruments: [a, b], target_instrument: null}
inference: {num_overlap: 4, batch_size: 8, dim_t: 256}
"""
MASKED = """\
audio: {chunk_size: 480}
model: {hop_size: 32, band_SR: [0.23, 0.37, 0.4], band_stride: [1, 4, 4], conv_kernel: 5}
training: {instruments: [a, b]}
inference: {num_overlap: 4}
"""


def written(kind, folder):
    path = folder / f"{kind}.ckpt"
    path.write_bytes(GOLDEN[f"{kind}_ckpt"].tobytes())
    return path


def built(path, kind):
    found = scnet.described(checkpoint.read_state(path), path)
    assert found.pop("n_stems") == len(TARGETS)
    shape = {"n_samples": CHUNK, "n_channels": found.pop("n_channels")}
    return Network({**found, **TOLD[kind]}, TARGETS, shape)


def loaded(kind, folder):
    path = written(kind, folder)
    network = built(path, kind)
    scnet.load(network.model, [path], TARGETS)
    return network


# --- Networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOLD)
def test_network_equals_the_reference(kind, tmp_path):
    estimates = loaded(kind, tmp_path)(GOLDEN["mixture"].T[np.newaxis, :CHUNK])
    for target, reference in zip(TARGETS, GOLDEN[f"{kind}_patch"], strict=True):
        assert np.abs(estimates[target][0].T - reference).max() < 1e-5 * np.abs(reference).max()


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize("sizes", [(2000,), (7, 1000, 993)])
def test_songs_in_chunks_equal_the_references(kind, sizes, tmp_path):
    network, samples = loaded(kind, tmp_path), GOLDEN["mixture"].T

    def estimate(patch):
        return np.concatenate([s[0] for s in network(patch[np.newaxis]).values()], axis=1)

    blocks = iter(np.split(samples, np.cumsum(sizes)[:-1]))
    found = np.concatenate(list(chunks.in_chunks(blocks, CHUNK, OVERLAP, estimate)))
    for n, reference in enumerate(GOLDEN[f"{kind}_song"], start=1):
        difference = found[:, 2 * n : 2 * n + 2].T - reference
        assert np.abs(difference).max() < 1e-4 * np.abs(reference).max()


def test_the_loss_is_that_of_the_authors():
    estimates, targets = (list(np.moveaxis(w, 3, 2).swapaxes(0, 1)) for w in GOLDEN["waveforms"])
    losses = spectral_rmse(estimates, targets).numpy()
    assert losses.shape == (2, 2)
    assert losses.sum(axis=1).mean() == pytest.approx(float(GOLDEN["loss"]), rel=1e-5)
    assert np.isfinite(spectral_rmse(targets, targets)).all()


PUBLISHED = {  # numbers of a file and its tensors
    "scnet:small": (10_578_768, 372),
    "scnet:large": (42_181_232, 372),
    "scnet:xl": (54_006_896, 420),
    "scnet:xl-ihf": (53_466_800, 510),
    "scnet:masked-small": (10_597_284, 377),
    "scnet:masked-xl-ihf": (53_485_316, 515),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_as_large_as_the_numbers_of_their_presets(name):
    """PyTorch adds some 320 to 390 bytes a tensor, by its version and the file's name."""
    preset, options = presets.find(name), dict(presets.find(name).model)
    del options["type"]
    model = outline(build_scnet, preset.targets, **preset.input_shape, **options)
    table = scnet.name_table(model)
    n_numbers = sum(len(table[v.path]) * int(np.prod(v.shape)) for v in model.weights)
    assert (n_numbers, sum(map(len, table.values()))) == PUBLISHED[name]
    if preset.weights.size:
        assert 320 < (preset.weights.size - 4 * n_numbers) / PUBLISHED[name][1] < 390


def test_the_last_stem_may_be_what_the_others_leave_of_the_mixture():
    small = {"type": "scnet", "n_fft": 256, "hop_length": 64, "widths": [4], "n_paths": 2}
    mixture = np.random.default_rng(0).normal(size=(1, 500, 1)).astype(np.float32)
    network = Network(small | {"residual": True}, TARGETS, {"n_samples": 500, "n_channels": 1})
    estimates = network(mixture)
    assert np.abs(estimates["a"]).max() > 0
    assert np.allclose(estimates["a"] + estimates["b"], mixture, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"residual": True}, "two targets or more"),
        ({"n_paths": 3}, "n_paths must be even"),
        ({"module_kernel": 4}, "module_kernel odd"),
        ({"widths": []}, "there must be a level"),
        ({"strides": [1, 4, 5]}, "kernels must be multiples of strides"),
        ({"strides": [1, 0, 4]}, "kernels must be multiples of strides"),
        ({"n_fft": 63}, "n_fft must be even"),
        ({"hop_length": 33}, "hop_length from 1 to half"),
        ({"n_fft": 1024}, "n_samples must be above 512"),
        ({"shares": [0.9, 0.09, 0.01]}, "33 bins are too few"),
        ({"shares": [0.9, 0.2, 0.1]}, "33 bins are too few"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    small = {"type": "scnet", "n_fft": 64, "hop_length": 16, "widths": [2], "n_paths": 2}
    with pytest.raises(ParameterError, match=match):
        Network({**small, **options}, ["a"], {"n_samples": 200, "n_channels": 1})


# --- Files ------------------------------------------------------------------------------------


def test_shapes_tell_what_a_network_is(tmp_path):
    path = written("masked", tmp_path)
    assert scnet.described(checkpoint.read_state(path), path) == {
        "type": "scnet", "n_stems": 2, "n_channels": 2, "n_fft": 128, "widths": [4, 6],
        "kernels": [3, 4, 4], "depths": [1, 1, 2], "compression": 1, "module_kernel": 5,
        "n_paths": 2, "expansion": 1, "masked": True,
    }  # fmt: skip


LSTM = "separation_net.dp_modules.1.lstm_layers.0"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"decoder.0.0.conv.bias": None}, r"1 tensors missing, 0 unknown \(decoder.0.0.conv.bias"),
        ({"stranger": np.zeros(1)}, r"0 tensors missing, 1 unknown \(stranger\)"),
        ({f"{LSTM}.bias_hh_l0": np.zeros(1)}, r"bias_hh_l0 has shape \[1\], the network needs"),
        ({"decoder.0.0.conv.bias": np.zeros(7)}, r"has shape \[7\], the network needs \[12\]"),
        ({"encoder.0.globalconv.weight": np.zeros((4, 3, 3, 4))}, r"the network needs \[4, 4, 3"),
    ],
)
def test_what_differs_in_any_way_is_refused(changes, match, tmp_path):
    path = written("plain", tmp_path)
    network, state = built(path, "plain"), checkpoint.read_state(path)
    for name, array in changes.items():
        state[name] = array
        if array is None:
            del state[name]
    path.write_bytes(safetensors(state))
    with pytest.raises(PretrainedError, match=match):
        scnet.load(network.model, [path], TARGETS)


# --- Imports ----------------------------------------------------------------------------------


@pytest.fixture
def bring(tmp_path, monkeypatch):
    """Function that imports a golden file with a yaml."""
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(tmp_path / "place"))

    def imported(kind="plain", text=YAML, **said):
        (tmp_path / "config.yaml").write_text(text)
        config = tmp_path / "config.yaml" if text else None
        return pretrained.import_checkpoint(written(kind, tmp_path), "mine", config, **said)

    return imported


@pytest.mark.parametrize(("kind", "text"), [("plain", YAML), ("masked", MASKED)])
def test_what_was_imported_separates_as_the_reference_does(bring, kind, text):
    bring(kind, text)
    separator, song = mssviz.Separator("mine"), GOLDEN["mixture"].T
    separation = separator.separate(song, separator.sample_rate, progress=False)
    for stem, reference in zip(TARGETS, GOLDEN[f"{kind}_song"], strict=True):
        difference = separation.estimates[stem].T - reference
        assert np.abs(difference).max() < 1e-4 * np.abs(reference).max()


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("dims: [4, 4, 6]", "dims: [4, 4, 8]", r"model.dims is \[4, 4, 8\], but plain.ckpt is of"),
        ("conv_depths: [3, 2, 1]", "conv_depths: [3, 3, 3]", "model.conv_depths is"),
        ("compress: 2", "compress: 4", "model.compress is 4, but"),
        ("num_dplayer: 4", "num_dplayer: 6", "model.num_dplayer is 6, but"),
        ("normalized: true", "normalized: false", "model.normalized is False, but"),
        ("win_size: 128", "win_size: 64", "model.win_size is 64, but"),
        ("audio_channels: 2", "audio_channels: 1", "model.audio_channels is 1, but"),
        ("expand: 1", "mamba: true", "model.mamba is True, which changes the network"),
        ("band_SR: [0.175, 0.392, 0.433]", "band_SR: [0.5, 0.5]", "band_SR must be 3 numbers"),
        ("band_stride: [1, 4, 16]", "band_stride: [1, 3, 16]", "multiples of strides"),
        ("instruments: [a, b]", "instruments: [a]", "names 1 stems"),
    ],
)
def test_what_does_not_agree_is_refused(bring, old, new, match):
    assert old in YAML
    with pytest.raises((ParameterError, PretrainedError), match=match) as caught:
        bring(text=YAML.replace(old, new))
    assert "\n" not in str(caught.value)


def test_without_a_configuration_what_was_guessed_is_said(bring):
    with pytest.warns(UserWarning, match="hop of 32 samples.* shares and strides are guesses"):
        preset = bring("masked", "", hop_length=32)
    assert preset.model["strides"] == [1, 4, 4]
    assert preset.targets == ("stem1", "stem2")
