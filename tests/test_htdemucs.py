"""HTDemucs, and files of it, beside demucs 4 itself; sources and tolerances in golden/README.md."""

import functools
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mssviz import presets, pretrained
from mssviz._values import Values
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import Network
from mssviz.networks.converters import checkpoint, htdemucs
from mssviz.networks.htdemucs import build_htdemucs
from mssviz.presets import htdemucs as said
from mssviz.separators import Separator, chunks, levels
from tests.shapes import outline
from tests.test_roformers import safetensors

pytestmark = pytest.mark.slow

GOLDEN = np.load(Path(__file__).parent / "golden" / "htdemucs.npz")
CHUNK = 610
SONG = GOLDEN["mixture"].T
#: Files of each network, in the order of its targets, and these.
KINDS = {
    "th": (("th",), ("a", "b")),
    "safetensors": (("safetensors",), ("a", "b", "c")),
    "bag": (("th", "bag"), ("a", "b")),
}


def written(name, folder):
    path = folder / f"{name}.{'safetensors' if name == 'safetensors' else 'th'}"
    path.write_bytes(GOLDEN[f"{name}_file"].tobytes())
    return path


def built(path, targets, bag=False):
    found = htdemucs.described(*checkpoint.read_package(path), path)
    assert found.pop("n_stems") == len(targets)
    shape = {"n_samples": CHUNK, "n_channels": found.pop("n_channels")}
    return Network(found | ({"bag": True} if bag else {}), targets, shape)


def loaded(kind, folder):
    files, targets = KINDS[kind]
    paths = [written(name, folder) for name in files]
    network = built(paths[0], targets, bag=kind == "bag")
    htdemucs.load(network.model, paths, targets)
    return network


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Function that gives the network of a kind, loaded once."""
    folder = tmp_path_factory.mktemp("files")
    return functools.cache(lambda kind: loaded(kind, folder))


def peak(values):
    return np.abs(values).max()


# --- Networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["th", "safetensors"])
def test_network_equals_the_reference(kind, ready):
    estimates = ready(kind)(SONG[np.newaxis, :CHUNK])
    reference = GOLDEN[f"{kind}_patch"]
    assert len(estimates) == len(reference)
    for estimate, expected in zip(estimates.values(), reference, strict=True):
        assert peak(estimate[0].T - expected) < 1e-5 * peak(expected)


def test_of_a_bag_each_network_gives_its_own_target(ready):
    estimates = ready("bag")(SONG[np.newaxis, :CHUNK])
    for target, expected in (("a", GOLDEN["th_patch"][0]), ("b", GOLDEN["bag_patch"][1])):
        assert peak(estimates[target][0].T - expected) < 1e-5 * peak(expected)


PUBLISHED = {  # numbers of each file and its tensors, in demucs 4.1.0
    "htdemucs": (41_984_456, 533),
    "htdemucs:ft": (41_984_456, 533),
    "htdemucs:6s": (27_414_996, 525),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_as_large_as_the_numbers_of_their_presets(name):
    """PyTorch and what a file says of its training add some 310 to 330 bytes a tensor."""
    preset, options = presets.find(name), dict(presets.find(name).model)
    del options["type"]
    model = outline(build_htdemucs, preset.targets, **preset.input_shape, **options)
    n_files = len(preset.weights.files)
    prefixes = [f"{target}_" for target in preset.targets] if n_files > 1 else [""]
    tables = [htdemucs.name_table(model, prefix) for prefix in prefixes]
    for table in tables:
        shapes = {tensor: shape for tensor, shape, _ in table.values()}
        n_numbers = sum(int(np.prod(shape)) for shape in shapes.values())
        assert (n_numbers, len(shapes)) == PUBLISHED[name]
        n_more = preset.weights.size // n_files - 2 * n_numbers
        assert 310 < n_more / len(shapes) < 330
    assert len({path for table in tables for path in table}) == len(model.weights)


def test_levels_of_a_song_and_of_a_chunk_make_no_difference(ready):
    network, mixture = ready("th"), SONG[np.newaxis, :CHUNK]
    usual, other = network(mixture), network(0.2 * mixture)
    for target, estimate in usual.items():
        assert np.allclose(5 * other[target], estimate, atol=2e-3 * peak(estimate))
    silent = network(np.zeros_like(mixture))
    assert all(np.isfinite(estimate).all() for estimate in silent.values())


SMALL = {"type": "htdemucs", "n_fft": 128, "channels": 4, "depth": 2, "compression": 2, "bottom": 8,
         "layers": 2, "heads": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"channels": 0}, "channels and depth must be at least 1"),
        ({"depth": 0}, "channels and depth must be at least 1"),
        ({"compression": 5}, "compression from 1 to channels"),
        ({"n_fft": 100}, "n_fft must be a multiple of 32, above 64"),
        ({"n_fft": 64}, "n_fft must be a multiple of 32, above 64"),
        ({"n_fft": 256, "depth": 3}, "n_fft must be a multiple of 128, above 256"),
        ({"heads": 3}, "must be a multiple of heads and of 4"),
        ({"heads": 0}, "must be a multiple of heads and of 4"),
        ({"bottom": 6}, "must be a multiple of heads and of 4"),
        ({"n_fft": 512}, "n_samples must be above n_fft, 512"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        Network({**SMALL, **options}, ["a"], {"n_samples": 300, "n_channels": 1})


def test_the_transformer_can_be_left_out():
    shape = {"n_samples": 300, "n_channels": 1}
    network = Network({**SMALL, "layers": 0}, ["a"], shape)
    assert not [layer.name for layer in network.model.layers if "attention" in layer.name]
    assert network(np.ones((1, 300, 1), np.float32))["a"].shape == (1, 300, 1)


# --- Songs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2600,), (7, 1000, 1593), (457,) * 5 + (315,)])
def test_songs_in_chunks_equal_the_references(sizes, ready):
    network, blocks = ready("th"), np.split(SONG, np.cumsum(sizes)[:-1])

    def estimate(patch):
        return np.concatenate([s[0] for s in network(patch[np.newaxis]).values()], axis=1)

    def separate(normalised):
        return chunks.in_triangles(normalised, CHUNK, 0.25, estimate)

    found = np.concatenate(list(levels.at_song_level(iter(blocks), 2, separate)))
    assert np.array_equal(found[:, :2], SONG)
    for n, expected in enumerate(GOLDEN["th_song"], start=1):
        assert peak(found[:, 2 * n : 2 * n + 2].T - expected) < 1e-4 * peak(expected)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"crossfade": 0.6}, "crossfade must be a number from 0 to 0.5"),
        ({"overlap": 2}, "crossfade must be a number from 0 to 0"),
        ({"context": 10}, "crossfade must be a number from 0 to 0"),
        ({"song_level": "perhaps"}, "song_level must be"),
    ],
)
def test_patches_follow_each_other_in_one_way(changes, match, tmp_path):
    shipped = json.loads((presets.config_folder() / "htdemucs" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(shipped | changes))
    with pytest.raises(ParameterError, match=match):
        presets.find(tmp_path)


# --- Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("th", {"n_stems": 2, "bottom": 8}), ("safetensors", {"n_stems": 3, "bottom": 0})],
)
def test_files_tell_what_a_network_is(name, sizes, tmp_path):
    path = written(name, tmp_path)
    state, options = checkpoint.read_package(path)
    assert htdemucs.described(state, options, path) == {
        "type": "htdemucs", "n_channels": 2, "n_fft": 128, "channels": 4, "depth": 2,
        "compression": 2, "layers": 3, "heads": 2, **sizes,
    }  # fmt: skip
    assert options["sources"] == list(KINDS[name][1])


TENSOR = "crosstransformer.layers.0.self_attn.in_proj_weight"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({TENSOR: None}, rf"1 tensors missing, 0 unknown \({TENSOR}"),
        ({"stranger": np.zeros(1)}, r"0 tensors missing, 1 unknown \(stranger\)"),
        ({TENSOR: np.zeros((24, 9))}, r"has shape \[24, 9\], the network needs \[24, 8\]"),
        ({"encoder.0.rewrite.weight": np.zeros((8, 4))}, r"the network needs \[8, 4, 1, 1\]"),
    ],
)
def test_what_differs_in_any_way_is_refused(changes, match, ready, tmp_path):
    path = written("safetensors", tmp_path)
    network, state = ready("safetensors"), checkpoint.read_state(path)
    for name, array in changes.items():
        state[name] = array
        if array is None:
            del state[name]
    path.write_bytes(safetensors(state))
    with pytest.raises(PretrainedError, match=match):
        htdemucs.load(network.model, [path], network.targets)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"t_heads": 4}, "its network has t_heads 4, this one 2"),
        ({"t_emb": "cape"}, "its network has t_emb 'cape', this one sin"),
        ({"t_norm_first": False}, "t_norm_first False, this one True"),
        ({"freq_emb": 0.1}, "freq_emb 0.1"),
        ({"t_max_period": None}, "t_max_period None"),
        ({"dconv_depth": [2]}, r"dconv_depth \[2\]"),
        ({"growth": [[2]]}, "growth 'list'"),
    ],
)
def test_options_that_leave_no_trace_in_shapes_are_compared(options, match, ready, tmp_path):
    path = written("safetensors", tmp_path)
    network, state = ready("safetensors"), checkpoint.read_state(path)
    path.write_bytes(safetensors(state, {"kwargs": json.dumps(options)}))
    with pytest.raises(PretrainedError, match=match) as caught:
        htdemucs.load(network.model, [path], network.targets)
    assert "\n" not in str(caught.value)


def test_what_a_file_says_cannot_grow_without_end(tmp_path):
    deep = ()
    for _ in range(90):
        deep = (deep, deep)  # a few bytes each, but a text of 2^90
    path = tmp_path / "x.th"
    kwargs = {"t_heads": deep, "segment": deep, "sources": [deep], "t_emb": deep, 5: "x"}
    content = {"klass": "x", "args": (deep,), "kwargs": kwargs, "state": {}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(content, 2))
    _, options = checkpoint.read_package(path)
    assert set(options.values()) == {"tuple"}
    with pytest.raises(PretrainedError, match="not the weights of an HTDemucs"):
        htdemucs.described({}, options, path)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("encoder.1.dconv.layers.0.3.lstm.weight_ih_l0", "LSTMs or attention in its branches"),
        ("encoder.0.layers.0.conv.weight", "layers of their own for bands"),
        ("tdecoder.0.norm2.weight", "norms behind its convolutions"),
        ("crosstransformer.layers.1.cross_attn.q.weight", "sparse attention"),
        ("crosstransformer.position_embeddings.embedding.weight", "learnt positions"),
    ],
)
def test_other_networks_are_named(name, match, tmp_path):
    path = written("th", tmp_path)
    state, options = checkpoint.read_package(path)
    with pytest.raises(PretrainedError, match=match):
        htdemucs.described({**state, name: np.zeros(1)}, options, path)


def test_a_bag_needs_a_file_for_each_target_and_all_others_one(ready, tmp_path):
    path = written("th", tmp_path)
    for kind, n_files, match in (("bag", 1, "the network needs 2"), ("th", 2, "needs 1")):
        network = ready(kind)
        with pytest.raises(PretrainedError, match=match):
            htdemucs.load(network.model, [path] * n_files, network.targets)


# --- Imports ----------------------------------------------------------------------------------

YAML = """\
audio: {chunk_size: 485100, min_mean_abs: 0.001}
training: {instruments: [a, b], segment: 0.0138, samplerate: 44100, channels: 2}
htdemucs: {channels: 4, channels_time: null, growth: 2, nfft: 128, cac: true, depth: 2,
  rewrite: true, multi_freqs: [], freq_emb: 0.2, emb_scale: 10, kernel_size: 8, stride: 4,
  dconv_mode: 3, dconv_comp: 2, bottom_channels: 8, t_layers: 3, t_heads: 2, t_emb: sin,
  t_dropout: 0.02, t_cape_glob_loc_scale: [5000.0, 1.0, 1.4], t_sparse_self_attn: false}
model: htdemucs
inference: {num_overlap: 4, batch_size: 8}
"""


@pytest.fixture
def bring(tmp_path, monkeypatch):
    """Function that imports a golden file, its tensors alone if wanted, with a yaml."""
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(tmp_path / "place"))

    def imported(name="th", text="", bare=False, **said):
        (tmp_path / "config.yaml").write_text(text)
        path = written(name, tmp_path)
        if bare:
            path.write_bytes(safetensors(checkpoint.read_state(path)))
        config = tmp_path / "config.yaml" if text else None
        return pretrained.import_checkpoint(path, "mine", config, **said)

    return imported


def test_what_was_imported_separates_as_the_reference_does(bring):
    preset = bring()  # the file says all
    assert (preset.patch_samples, preset.targets) == (CHUNK, ("a", "b"))
    separator = Separator("mine")
    separation = separator.separate(SONG, separator.sample_rate, progress=False)
    for stem, expected in zip(preset.targets, GOLDEN["th_song"], strict=True):
        assert peak(separation.estimates[stem].T - expected) < 1e-4 * peak(expected)


def test_a_bag_of_ones_own_separates_as_the_reference_does(tmp_path):
    published = presets.find("htdemucs:ft")
    files = [written(name, tmp_path).name for name in ("th", "bag")]
    (tmp_path / "config.json").write_text(json.dumps({
        "name": "mine", "targets": ["a", "b"], "sample_rate": 44100, "n_fft": 4096,
        "hop_length": 1024, "patch_samples": CHUNK, "crossfade": published.crossfade,
        "song_level": published.song_level, "model_bins": 2049, "n_channels": 2, "mask_power": 2.0,
        "mask_extension": "zeros", "model": {**SMALL, "layers": 3, "bag": True},
        "weights": {"format": "htdemucs", "folder": ".", "files": dict.fromkeys(files)},
    }))  # fmt: skip
    separator = Separator(tmp_path)
    separation = separator.separate(SONG, separator.sample_rate, progress=False)
    for stem, expected in zip("ab", GOLDEN["bag_song"], strict=True):
        assert peak(separation.estimates[stem].T - expected) < 1e-4 * peak(expected)


def test_exported_files_say_as_much(bring):
    preset = bring("safetensors")
    assert (preset.patch_samples, preset.targets) == (CHUNK, ("a", "b", "c"))


def test_a_yaml_says_what_a_bare_file_does_not(bring):
    preset = bring(text=YAML.replace("t_heads: 2", "t_heads: 4"), bare=True)
    assert (preset.patch_samples, preset.targets) == (608, ("a", "b"))
    assert preset.model["heads"] == 4


def test_without_a_configuration_what_was_guessed_is_said(bring):
    with pytest.warns(UserWarning, match=r"chunk of 7.8 s, the number of heads .* are guesses"):
        preset = bring(bare=True)
    assert (preset.patch_samples, preset.model["heads"]) == (343_980, 8)
    assert preset.targets == ("stem1", "stem2")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("channels: 4", "channels: 8", r"channels is 8, but th.th is of a network with 4"),
        ("nfft: 128", "nfft: 256", r"nfft is 256, but"),
        ("t_layers: 3", "t_layers: 5", r"t_layers is 5, but"),
        ("t_heads: 2", "t_heads: 4", r"t_heads is 4, but"),
        ("t_emb: sin", "t_emb: scaled", r"t_emb is 'scaled', but"),
        ("growth: 2", "growth: 3", r"growth is 3, but"),
        ("multi_freqs: []", "multi_freqs: [0.5]", r"multi_freqs is \[0.5\], which changes"),
        ("instruments: [a, b]", "instruments: [a]", "names 1 stems"),
    ],
)
def test_what_does_not_agree_is_refused(bring, old, new, match):
    assert old in YAML
    with pytest.raises((ParameterError, PretrainedError), match=match) as caught:
        bring(text=YAML.replace(old, new))
    assert "\n" not in str(caught.value)


def described_segment(options):
    return said.n_samples(Values({}), options, 44_100)


@pytest.mark.parametrize("segment", ["x", [1], 0, -1, 1e9, True, None, {"numerator": 1}])
def test_times_that_are_none_are_refused(segment):
    with pytest.raises(ParameterError, match="segment must be"):
        described_segment({"segment": segment})


@pytest.mark.parametrize("segment", [7.8, (39, 5), ("39/5",), {"numerator": 39, "denominator": 5}])
def test_times_are_numbers_and_fractions(segment):
    assert described_segment({"segment": segment}) == 343_980


def test_a_hop_of_its_own_is_refused(bring):
    with pytest.raises(ParameterError, match="hop must be 32, a quarter of the window"):
        bring(hop_length=64)
