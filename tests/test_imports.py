"""Checkpoints that people bring become models, if file and configuration agree."""

import os
import subprocess
import sys

import numpy as np
import pytest

import mssviz
from mssviz import presets, pretrained
from mssviz._values import LARGEST_YAML, load_yaml
from mssviz.errors import FileError, ParameterError, PretrainedError
from tests.test_roformers import GOLDEN, safetensors, written

pytestmark = pytest.mark.slow

BS = """\
audio: {chunk_size: 480, hop_length: 441, num_channels: 2, sample_rate: 44100}
model:
  dim: 6
  depth: 2
  stereo: true
  num_stems: 2
  time_transformer_depth: 2
  freq_transformer_depth: 1
  linear_transformer_depth: 0
  freqs_per_bands: !!python/tuple [2, 2, 5, 5, 5, 14]
  dim_head: 4
  heads: 3
  attn_dropout: 0.1
  flash_attn: true
  stft_n_fft: 64
  stft_hop_length: 24
  stft_win_length: 64
  stft_normalized: false
  mask_estimator_depth: 2
  mlp_expansion_factor: 2
  skip_connection: true
  zero_dc: false
training: {instruments: [a, b], target_instrument: null, lr: 1.0e-05}
inference: {num_overlap: 4, batch_size: 1}
"""
MEL = """\
audio: {chunk_size: 480, sample_rate: 8000}
model: {num_bands: 7, mask_estimator_depth: 2, stft_hop_length: 24, sample_rate: 8000}
training: {instruments: [Vocals, other], target_instrument: Vocals}
inference: {num_overlap: 4}
"""


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.setenv("MSSVIZ_PRETRAINED", str(tmp_path / "place"))


@pytest.fixture
def bring(tmp_path):
    """Function that imports a golden file with a yaml."""

    def imported(file="bs_ckpt", text=BS, name="mine", **said):
        (tmp_path / "config.yaml").write_text(text)
        config = tmp_path / "config.yaml" if text else None
        return pretrained.import_checkpoint(written(file, tmp_path), name, config, **said)

    return imported


@pytest.mark.parametrize(
    ("file", "text", "stems"),
    [
        ("bs_ckpt", BS, ["a", "b"]),
        ("bs_safetensors", BS, ["a", "b"]),
        ("mel_ckpt", MEL, ["vocals", "accompaniment"]),
    ],
)
def test_what_was_imported_separates_as_the_reference_does(bring, file, text, stems):
    bring(file, text)
    separator = mssviz.Separator("mine")
    song = GOLDEN["mixture"].T
    separation = separator.separate(song, separator.sample_rate, progress=False)
    assert list(separation.estimates) == stems
    expected = GOLDEN[f"{file.split('_')[0]}_song"]
    for stem, reference in zip(stems, expected, strict=False):
        difference = separation.estimates[stem].T - reference
        assert np.abs(difference).max() < 1e-4 * np.abs(reference).max()
    if len(expected) < len(stems):
        assert np.allclose(sum(separation.estimates.values()), song, atol=1e-5)


def test_an_import_is_a_model_like_the_others(bring):
    preset = bring()
    assert preset == presets.find("mine") == presets.imported()["mine"]
    assert (preset.patch_samples, preset.overlap, preset.n_channels) == (480, 4, 2)
    assert mssviz.models().loc["mine", ["kind", "state"]].tolist() == ["network", "ready"]
    bring(name="other one")
    assert list(presets.imported()) == ["mine", "other one"]


def test_a_preset_that_cannot_be_read_leaves_out_itself_alone(bring):
    bring()
    folder = presets.imports.imports_folder() / "broken"
    folder.mkdir()
    (folder / "config.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*broken.config.json"):
        assert list(presets.imported()) == ["mine"]


def test_without_a_configuration_what_was_guessed_is_said(bring, monkeypatch):
    # the guessed chunk has many of this tiny network's frames
    monkeypatch.setattr("mssviz.networks.roformer._MOST_FRAMES", 1 << 14)
    with pytest.warns(UserWarning, match=r"hop of 24 samples.* are guesses; they leave no trace"):
        preset = bring(text="", hop_length=24)
    assert preset.targets == ("stem1", "stem2")
    with pytest.warns(UserWarning, match="are guesses"):
        named = bring(text="", name="named", stems=["Drums", "bass"], hop_length=24)
    assert named.targets == ("drums", "bass")


@pytest.mark.parametrize(
    ("one", "instruments", "targets"),
    [
        ("vocals", "[vocals, other]", ("vocals", "accompaniment")),
        ("vocals", "[vocals, bass, drums, other]", ("vocals", "accompaniment")),
        ("other", "[vocals, other]", ("other", "vocals")),
        ("Instrumental", "[Vocals, Instrumental]", ("accompaniment", "vocals")),
        ("guitar", "[guitar, other]", ("guitar", "other")),
        ("dry", "[dry, reverb]", ("dry", "reverb")),
    ],
)
def test_the_rest_is_named_as_people_know_it(bring, one, instruments, targets):
    text = MEL.replace("[Vocals, other]", instruments).replace(
        "target_instrument: Vocals", f"target_instrument: {one}"
    )
    assert bring("mel_ckpt", text).targets == targets


def test_a_hop_that_does_not_divide_the_chunk_is_doubted(bring):
    text = BS.replace("chunk_size: 480", "chunk_size: 512").replace("n_fft: 64", "n_fft: 64")
    with pytest.warns(UserWarning, match="no multiple of the hop of 24, but of 512"):
        bring(text=text)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("depth: 2\n  stereo", "depth: 3\n  stereo", "model.depth is 3, but bs_ckpt is .* with 2"),
        ("num_stems: 2", "num_stems: 1", "model.num_stems is 1, but"),
        ("stereo: true", "stereo: false", "model.stereo is False, but"),
        ("n_fft: 64", "n_fft: 128", "model.stft_n_fft is 128, but"),
        ("win_length: 64", "win_length: 32", "model.stft_win_length is 32, but"),
        ("estimator_depth: 2", "estimator_depth: 1", "model.mask_estimator_depth is 1, but"),
        ("[2, 2, 5, 5, 5, 14]", "[2, 2, 5, 5, 6, 13]", "model.freqs_per_bands is"),
        ("linear_transformer_depth: 0", "linear_transformer_depth: 1", "unknown here"),
        ("stft_normalized: false", "stft_normalized: true", "model.stft_normalized is True"),
        ("skip_connection: true", "skip_connection: 3", "true or false"),
        ("skip_connection: true", "use_pope: true", "model.use_pope is True, which changes"),
        ("[a, b]", "[a, b, c]", r"names 3 stems \(a, b, c\), but the file has 2"),
        ("[a, b]", "[a, ../b]", "targets must be .* plain names"),
        ("[a, b]", "7", "instruments must be up to 64 names"),
        ("hop_length: 24", "hop_length: 33", "hop_length must be from 1 to 32"),
        ("chunk_size: 480", "chunk_size: 99999999999", "chunk_size must be a whole number"),
        ("audio: {", "audio: [{", "not a configuration in YAML"),
        ("[a, b]", "!!python/object/apply:os.system [echo]", "not a configuration in YAML"),
        ("instruments: [a, b]", "instruments: &x [a, *x]", "aliases"),
    ],
)
def test_what_does_not_agree_is_refused_and_nothing_is_left(bring, old, new, match):
    assert old in BS
    with pytest.raises((ParameterError, PretrainedError), match=match) as caught:
        bring(text=BS.replace(old, new))
    assert "\n" not in str(caught.value)
    folder = presets.imports.imports_folder()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_mel_estimators_last_layer_is_not_counted(bring):
    """Its depth of 2 is three layers; of the other kind it is two."""
    with pytest.raises(ParameterError, match=r"model.mask_estimator_depth is 3, but .* with 2"):
        bring("mel_ckpt", MEL.replace("mask_estimator_depth: 2", "mask_estimator_depth: 3"))
    bring("mel_ckpt", MEL.replace("mask_estimator_depth: 2", "mlp_hidden_layers: 2"))


def test_names_are_taken_once_and_plain(bring):
    bring()
    with pytest.raises(FileError, match="is there already; choose another name"):
        bring()
    for name in ("../x", "a/b", "", "x\n"):
        with pytest.raises(ParameterError, match="plain names"):
            bring(name=name)
    with pytest.raises(ParameterError, match="umx comes with mssviz"):
        bring(name="umx")


def test_files_of_other_networks_are_refused(bring, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors({"weight": np.ones((2, 2))}))
    with pytest.raises(PretrainedError, match="not the weights of a RoFormer"):
        pretrained.import_checkpoint(path, "mine")
    with pytest.raises(PretrainedError, match="no such file"):
        pretrained.import_checkpoint(tmp_path / "nothing.ckpt", "mine")


def test_yaml_is_read_without_running_or_making_anything_large(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: !!python/tuple [1, 2]\nb: {c: [true, null, 1.5, x]}\n")
    assert load_yaml(path, "a list") == {"a": [1, 2], "b": {"c": [True, None, 1.5, "x"]}}
    bombs = ["a: &a [x]\nb: &b [*a, *a]\n", "[" * 50_000, "x: !!python/name:os.system\n",
             "? !!python/object/new:os.system\n", "a: \xff", "{" * 9, "a: !!int x", "a: 2001-99-99",
             "#" * (LARGEST_YAML + 1)]  # fmt: skip
    for text in bombs:
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ParameterError, match="not a list in YAML") as caught:
            load_yaml(path, "a list")
        assert "\n" not in str(caught.value)


def test_the_command_imports_and_says_what_it_gives(tmp_path):
    (tmp_path / "config.yaml").write_text(MEL)
    path = written("mel_ckpt", tmp_path).rename(tmp_path / "karaoke.ckpt")
    done = subprocess.run(
        [sys.executable, "-m", "mssviz", "models", "import", str(path), "--config",
         str(tmp_path / "config.yaml")],
        capture_output=True, text=True, env=dict(os.environ), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "karaoke gives vocals, accompaniment; it is in" in done.stdout
    assert presets.find("karaoke").targets == ("vocals", "accompaniment")
