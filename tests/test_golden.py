"""mssviz beside Spleeter 2.4.2 itself; sources and tolerances in golden/README.md."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import datasets

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden"
TARGETS = ("vocals", "accompaniment")
DITHER_DB = {"francium": None, "musdb": -80}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "spleeter_2stems_example.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def separated(separator, golden):
    return separator.separate(golden["mixture"], 44100, progress=False)


def test_network_output(golden, separated):
    found = separated.magnitudes["vocals"][golden["frames"]]
    expected = golden["spectrogram_vocals"]
    assert expected.max() > 100
    assert np.abs(found - expected).max() < 1e-3 * expected.max()
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_masks(golden, separated):
    expected = golden["mask_vocals"]
    vocals, accompaniment = (np.asarray(separated.masks[t])[golden["frames"]] for t in TARGETS)
    assert np.abs(vocals[:, :1024] - expected).max() < 1e-5
    assert np.abs(accompaniment[:, :1024] - (1 - expected)).max() < 1e-5
    assert not vocals[:, 1024:].any()
    assert not accompaniment[:, 1024:].any()


@pytest.mark.parametrize("target", TARGETS)
def test_waveforms(golden, separated, target):
    start, stop = golden["part"]
    assert np.abs(golden[target]).max() > 0.1
    assert np.abs(separated.estimates[target][start:stop] - golden[target]).max() < 1e-5


def test_what_the_stems_leave_of_the_mixture(separated):
    """-20.6 dB is the original's; with `average` it is rounding, -136 dB there."""
    assert separated.residual_db() == pytest.approx(-20.6, abs=0.1)
    assert separated.with_options(extension="average").residual_db() < -125


@pytest.mark.parametrize("mwf_iterations", [0, 1])
@pytest.mark.parametrize("name", ["francium", "musdb"])
def test_scores(separator, name, mwf_iterations):
    golden = json.loads((GOLDEN / "spleeter_scores.json").read_text())
    expected = golden[name + "_mwf" * mwf_iterations]
    tracks = datasets.examples()
    if name not in tracks:
        pytest.skip("the excerpt comes with stempeg, which museval brings")
    # golden values are of the excerpt with the click at its beginning
    mixture, sources = replace(tracks[name], start=0.0).load()
    references = datasets.to_targets(sources, TARGETS)
    separation = separator.separate(mixture, 44100, progress=False)
    estimates = separation.with_options(mwf_iterations=mwf_iterations).estimates
    scores = mssviz.evaluate(references, estimates, 44100, dither_db=DITHER_DB[name])
    found = mssviz.summarise(scores)[["SDR", "ISR", "SIR", "SAR"]]
    for target in TARGETS:
        difference = np.abs(found.loc[target].to_numpy() - expected[target])
        assert difference[0] < 0.05, target
        assert difference.max() < 0.1, target
