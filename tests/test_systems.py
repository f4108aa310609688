"""Every trainable preset, in its small variant: it learns, is kept, is loaded, and separates."""

import dataclasses

import numpy as np
import pytest
from mssviz.separate import Separator

import mssviz
from mssviz import audio, datasets, presets, pretrained, training
from mssviz.errors import ParameterError, PretrainedError
from mssviz.networks import Network
from mssviz.networks._tensorflow import keras
from mssviz.networks.table import FORMATS, LOSSES, NETWORKS, OPTIMIZERS, PRECISIONS, resolve
from mssviz.separation import MAGNITUDE, SPECTRUM

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_graphs")]

RATE = 44100
SMALL = [name for name in presets.shipped() if name.endswith(presets.TINY)]
LARGE = [name.removesuffix(presets.TINY) for name in SMALL]
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Eight seconds of four sounds that differ in pitch and rhythm."""
    folder = tmp_path_factory.mktemp("songs") / "song"
    folder.mkdir()
    rng = np.random.default_rng(7)
    t = np.arange(8 * RATE) / RATE
    vibrato = np.sin(2 * np.pi * (440 * t + 4 * np.sin(2 * np.pi * 5 * t)))
    sounds = {
        "vocals": vibrato * (np.sin(2 * np.pi * 0.4 * t) > 0),
        "drums": rng.normal(size=len(t)) * np.exp(-20 * (t % 0.5)) * 0.5,
        "bass": np.sin(2 * np.pi * 70 * t),
        "other": sum(np.sin(2 * np.pi * f * t) for f in (880, 1108.7, 1318.5)) / 3,
    }
    for name, mono in sounds.items():
        stereo = 0.2 * np.stack([mono, rng.uniform(0.5, 1) * mono], axis=1)
        audio.write_audio(folder / f"{name}.wav", stereo.astype(np.float32), RATE)
    return datasets.from_folder(folder)


def test_every_kind_of_network_has_a_preset_and_what_it_reads():
    kinds = {preset.model["type"] for preset in presets.shipped().values()}
    assert kinds == set(NETWORKS)


@pytest.mark.parametrize("name", SMALL)
def test_small_variants_are_small_and_of_the_same_kind(name):
    small, large = presets.find(name), presets.find(name.removesuffix(presets.TINY))
    assert small.model["type"] == large.model["type"]
    assert small.targets == large.targets
    n_weights = Network(small.model, small.targets, small.input_shape).model.count_params()
    assert n_weights < 4e5 * len(small.targets)


@pytest.mark.parametrize("name", SMALL + LARGE)
def test_patches_leave_something_between_their_context(name):
    preset = presets.find(name)
    # of spectra, the neighbours' frames come from one patch on either side
    assert preset.patch_length >= (2 if preset.gives_waveforms else 3) * preset.context + 1


@pytest.mark.parametrize("name", SMALL + LARGE)
def test_the_settings_of_a_preset_are_settings_and_fit_it(name):
    preset = presets.find(name)
    settings = training.settings_of(preset, validated=True)
    assert set(preset.training) <= set(dataclasses.asdict(settings))
    assert settings.chunk_seconds >= training.patch_seconds(preset)
    training.check_augment(settings.augment, preset)
    assert settings.loss in LOSSES


def test_all_that_the_tables_name_is_there():
    places = [network.builder for network in NETWORKS.values()]
    places += [kind.converter for kind in FORMATS.values()]
    for place in (*places, *LOSSES.values()):
        assert callable(resolve(place)), place
    for name, arguments in OPTIMIZERS.items():
        assert getattr(keras.optimizers, name)(**arguments)
    for precision in PRECISIONS:
        assert keras.dtype_policies.get(precision).name == precision


@pytest.mark.parametrize("name", SMALL)
def test_learns_is_kept_and_separates(name, song, tmp_path):
    preset = presets.find(name)
    seconds = max(3.0, training.patch_seconds(preset) + 0.1)
    settings = training.settings_of(
        preset, validated=False, steps=12, epoch_steps=3, batch_size=2, chunk_seconds=seconds,
        chunks=1, augment=(), learning_rate=2e-3, decay=0.0,
    )  # fmt: skip
    history = mssviz.train(
        {"song": song}, tmp_path / "mine", preset, settings=settings, cache=tmp_path,
        progress=False,
    )  # fmt: skip
    losses = history["loss"]
    assert np.isfinite(losses).all()
    assert losses.iloc[-1] < losses.iloc[0]

    separator = Separator(tmp_path / "mine")
    for name in ("context", "overlap", "crossfade", "song_level"):
        assert getattr(separator.preset, name) == getattr(preset, name)
    mixture, _ = song.load(0, 3.3, separator.sample_rate)
    separation = separator.separate(mixture, separator.sample_rate, progress=False)
    assert list(separation.estimates) == list(preset.targets)
    for target in preset.targets:
        estimate, mask = separation.estimates[target], np.asarray(separation.masks[target])
        assert estimate.shape == mixture.shape
        assert np.isfinite(estimate).all()
        assert mask.min() >= 0
        assert mask.max() <= 1
    assert separation.prediction.kind is (SPECTRUM if preset.gives_waveforms else MAGNITUDE)


def test_the_training_view_shows_networks_that_give_waveforms(song, tmp_path):
    preset = presets.find("wave-unet-tiny")
    view = mssviz.TrainingView(song.excerpt(0, 2), preset)
    settings = training.settings_of(
        preset, validated=False, steps=2, epoch_steps=1, batch_size=1, chunk_seconds=2, chunks=1
    )
    view.train({"song": song}, tmp_path / "mine", settings=settings, cache=tmp_path)
    view.wait()
    assert view._status.value == "done"
    assert view.separation.prediction.kind is SPECTRUM
    assert all(len(values) == 2 for values in view.sdr.values())


@pytest.mark.parametrize("name", SMALL)
def test_without_weights_the_error_says_how_to_train(name):
    with pytest.raises(PretrainedError, match=f"mssviz train -p {name}"):
        Separator(name)
    assert mssviz.models().loc[name, "state"] == pretrained.TO_BE_TRAINED


def test_mask_options_are_refused_where_no_mask_makes_the_stems():
    for options in ({"power": 1.0}, {"mwf": 1}, {"bandwidth": 8000.0}):
        with pytest.raises(ParameterError, match="would do nothing, as its stems have a phase"):
            Separator("wave-unet-tiny", fetch=False, **options)
    Separator("wave-unet-tiny", fetch=False, mwf_iterations=0)


def test_augmentation_of_magnitudes_is_refused_for_other_networks(song, tmp_path):
    settings = training.Settings(augment=("gain", "pitch"))
    with pytest.raises(ParameterError, match=r"gain, swap, remix for a network that reads a wav"):
        mssviz.train({"song": song}, tmp_path / "x", "wave-unet-tiny", settings=settings)


# --- Patches with context ---------------------------------------------------------------------


class Average:
    """In place of a network: a mean over time, so wide that the context is just enough."""

    def __init__(self, signal, targets, width):
        self.signal, self._targets, self._width = signal, targets, width

    def __call__(self, mixture):
        mean = moving_mean(mixture, self._width)
        return {t: mean * np.float32(share) for share, t in enumerate(self._targets, start=1)}


def moving_mean(values, width):
    padded = np.pad(values, [(0, 0), (width, width)] + [(0, 0)] * (values.ndim - 2))
    n = values.shape[1]
    return sum(padded[:, i : i + n] for i in range(2 * width + 1)) / np.float32(2 * width + 1)


@pytest.mark.parametrize("n_samples", [1, 5000, 44100, 100_003])
def test_patches_with_context_give_what_the_whole_song_gives(n_samples):
    separator = Separator("spleeter:2stems", fetch=False)
    separator.preset = dataclasses.replace(
        separator.preset, patch_frames=16, context=5, model_bins=64
    )
    separator._network = Average("magnitude", separator.targets, 5)
    mixture = np.random.default_rng(1).normal(size=(n_samples, 2)).astype(np.float32) * 0.1
    separation = separator.separate(mixture, RATE, progress=False)
    whole = np.abs(np.asarray(separation.mixture_stft)[:, :64])
    expected = moving_mean(whole[None], 5)[0]
    assert np.allclose(separation.magnitudes["vocals"], expected, atol=1e-5)
    assert np.allclose(separation.magnitudes["accompaniment"], 2 * expected, atol=2e-5)


@pytest.mark.parametrize("n_samples", [1, 700, 1500, 44100, 100_003])
@pytest.mark.parametrize("shorter", [False, True])
def test_patches_of_waveforms_give_what_the_whole_song_gives(n_samples, shorter):
    separator = Separator("wave-unet-tiny", fetch=False)
    separator.preset = dataclasses.replace(separator.preset, patch_samples=2000, context=300)
    average = Average("waveform", separator.targets, 300)

    def network(mixture):
        cut = slice(300, -300) if shorter else slice(None)
        return {target: stem[:, cut] for target, stem in average(mixture).items()}

    separator._network = network
    mixture = np.random.default_rng(1).normal(size=(n_samples, 2)).astype(np.float32) * 0.1
    separation = separator.separate(mixture, separator.sample_rate, progress=False)
    expected = moving_mean(mixture[None], 300)[0]
    for share, target in enumerate(separator.targets, start=1):
        assert np.allclose(separation.estimates[target], share * expected, atol=1e-5)
