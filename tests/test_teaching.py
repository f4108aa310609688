"""The small networks that ship: there without a network, on a song that none was trained on."""

import numpy as np
import pytest

import mssviz
from mssviz import measures, presets, pretrained

NAMES = ("teaching:4stems", "teaching:5stems")


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_in_the_repository_and_verified(name, monkeypatch):
    monkeypatch.setattr("mssviz._fetch.download", None)
    preset = presets.find(name)
    assert pretrained.state(preset) == "ready"
    assert preset.weights.size < 8_000_000
    assert all(len(known) == 64 for known in preset.weights.files.values())
    pretrained.fetch(preset)  # nothing to do
    assert mssviz.models().loc[name, "state"] == "ready"


@pytest.mark.parametrize("name", NAMES)
def test_stems_are_nearer_to_the_true_ones_than_the_mixture_is(name, example):
    mixture, true = example
    separation = mssviz.Separator(name).separate(mixture, 44100, progress=False)
    for target in ("vocals", "drums"):
        found = measures.si_sdr(true[target], separation.estimates[target])
        assert found > measures.si_sdr(true[target], mixture) + 2, target
    total = sum(separation.estimates.values())
    assert np.abs(total - mixture).max() < 1e-3  # masks sum to one, above the network's band, too


@pytest.mark.parametrize("name", NAMES)
def test_cards_tell_what_they_were_trained_on_and_what_they_score(name):
    card = (presets.config_folder() / name.replace(":", "-") / "README.md").read_text()
    for word in ("teaching", "CC0", "hours", "HPSS", "ideal ratio mask", "nitech_jp_song070_f001"):
        assert word in card
