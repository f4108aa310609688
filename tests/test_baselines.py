"""Models without weights give what their formulas say, through the same separation."""

import librosa
import numpy as np
import pytest

from mssviz import baselines, masks
from mssviz.datasets import to_targets
from mssviz.errors import Cancelled, ParameterError
from mssviz.measures import si_sdr
from mssviz.stft import StftParams, istft, stft

RATE = 44100
PARAMS = StftParams()
TWO = ("vocals", "accompaniment")


@pytest.fixture(scope="module")
def song(example):
    """Mixture, and true stems of two targets, 3 s."""
    part = slice(4 * RATE, 7 * RATE)
    mixture, sources = example
    return mixture[part], to_targets({n: w[part] for n, w in sources.items()}, TWO)


@pytest.fixture(scope="module")
def spectra(song):
    mixture, references = song
    return stft(mixture, PARAMS), {t: stft(w, PARAMS) for t, w in references.items()}


def separated(model, song, **options):
    separation = model.separate(song[0], RATE, progress=False, references=song[1])
    return separation.with_options(**options) if options else separation


@pytest.mark.parametrize(
    ("kind", "ideal"),
    [
        ("IBM", lambda true, mixture: masks.ideal_binary_masks(true)),
        ("IRM1", lambda true, mixture: masks.ideal_ratio_masks(true, 1)),
        ("IRM2", lambda true, mixture: masks.ideal_ratio_masks(true, 2)),
        ("IAM", lambda true, mixture: {
            t: masks.ideal_amplitude_mask(s, mixture) for t, s in true.items()}),
        ("PSM", lambda true, mixture: {
            t: masks.phase_sensitive_mask(s, mixture) for t, s in true.items()}),
    ],
)  # fmt: skip
def test_oracle_masks_are_the_ideal_ones(song, spectra, kind, ideal):
    separation = separated(baselines.find(f"oracle:{kind}"), song)
    mixture, true = spectra
    for target, expected in ideal(true, mixture).items():
        found = separation.masks[target][:]
        loud = np.abs(mixture) > 1e-4
        different = np.abs(found - expected) > 1e-4
        assert different[loud].mean() < 1e-5, target  # ties of binary masks


def test_the_oracle_wiener_filter_is_the_ideal_one(song, spectra):
    separation = separated(baselines.Oracle("MWF"), song)
    mixture, true = spectra
    for target, expected in masks.ideal_wiener(true, mixture).items():
        stem = istft(expected, PARAMS, len(song[0]))
        assert np.abs(separation.estimates[target] - stem).max() < 1e-5


def test_oracles_stand_above_a_network_and_the_mixture_below(song, separator):
    def vocals(model):
        return si_sdr(song[1]["vocals"], separated(model, song).estimates["vocals"])

    network = vocals(separator)
    for kind in ("IBM", "IRM1", "IRM2", "PSM", "MWF"):
        assert vocals(baselines.Oracle(kind)) > network
    assert vocals(baselines.Mixture()) < network
    assert vocals(baselines.Classical("repet-sim")) < network


def test_the_mixture_is_every_stem(song):
    separation = separated(baselines.Mixture(("vocals", "drums", "bass")), song)
    for stem in separation.estimates.values():
        assert np.abs(stem - song[0]).max() < 1e-6


def test_hpss_is_librosas_wherever_blocks_begin(example):
    mixture = example[0][: 14 * RATE]  # more than one block
    separation = baselines.Classical("hpss").separate(mixture, RATE, progress=False)
    spectrum = np.abs(stft(mixture, PARAMS))
    harmonic, percussive = librosa.decompose.hpss(spectrum[:, :, 0].T, mask=True, power=2.0)
    loud = spectrum[:, :, 0] > 1e-3
    for target, expected in (("drums", percussive), ("other", harmonic)):
        found = separation.masks[target][:][:, :, 0]
        assert np.abs(found - expected.T)[loud].max() < 1e-3


def test_bands_split_at_200_hz(song):
    separation = separated(baselines.Classical("bands"), song)
    bass = np.abs(np.fft.rfft(separation.estimates["bass"][:, 0]))
    hertz = np.fft.rfftfreq(len(song[0]), 1 / RATE)
    assert np.square(bass[hertz > 250]).sum() < 1e-4 * np.square(bass).sum()
    total = sum(separation.estimates.values())
    assert np.abs(total - song[0]).max() < 1e-4


def test_repet_keeps_what_repeats():
    rng = np.random.default_rng(0)
    loop = np.tile(0.1 * rng.standard_normal((RATE // 2, 1)), (16, 1))
    seconds = np.arange(len(loop)) / RATE
    voice = 0.2 * np.sin(2 * np.pi * (300 * seconds + 40 * np.sin(2.1 * seconds)))[:, None]
    mixture = (loop + voice).astype(np.float32)
    separation = baselines.Classical("repet-sim").separate(mixture, RATE, progress=False)
    found = separation.estimates["vocals"][:, :1]
    reference = voice.astype(np.float32)
    assert si_sdr(reference, found) > si_sdr(reference, mixture) + 3


def test_a_blend_is_the_weighted_mean_of_the_outputs(song):
    models = [baselines.Oracle("IRM1"), baselines.Mixture()]
    blend = separated(baselines.Blend(models, [3, 1]), song)
    parts = [separated(model, song) for model in models]
    for target in TWO:
        expected = 0.75 * parts[0].estimates[target] + 0.25 * parts[1].estimates[target]
        assert np.abs(blend.estimates[target] - expected).max() < 1e-5
    assert blend.preset.name == "0.75 oracle:IRM1 + 0.25 mixture"


def test_progress_is_told_and_can_stop(song):
    def stop(*_):
        raise Cancelled("enough")

    for name in ("hpss", "mixture"):
        with pytest.raises(Cancelled):
            baselines.find(name).separate(song[0], RATE, progress=stop)


def test_every_name_is_found_and_described():
    for name, title in baselines.names().items():
        model = baselines.find(name)
        assert model.preset.name == name
        assert model.preset.title == title != ""
    assert {"spleeter:2stems", "oracle:IBM", "hpss"} <= set(baselines.all_presets())


def test_what_does_not_fit_is_refused(song):
    with pytest.raises(ParameterError, match="IBM, IRM1"):
        baselines.find("oracle:XYZ")
    with pytest.raises(ParameterError, match="hpss"):
        baselines.Classical("nmf")
    with pytest.raises(ParameterError, match="needs the true stems vocals, accompaniment"):
        baselines.Oracle("IBM").separate(song[0], RATE, progress=False)
    short = {target: stem[:-1] for target, stem in song[1].items()}
    with pytest.raises(ParameterError, match="as long as the mixture"):
        baselines.Oracle("IBM").separate(song[0], RATE, progress=False, references=short)
    mixture = baselines.Mixture()
    for models, weights, message in (
        ([mixture], None, "two or more"),
        ([mixture, mixture], [1], "a weight for each"),
        ([mixture, mixture], [0, 0], "weights"),
        ([mixture, mixture], [1, -1], "weights"),
        ([mixture, baselines.Classical("hpss")], None, "differ in their targets"),
    ):
        with pytest.raises(ParameterError, match=message):
            baselines.Blend(models, weights)


def test_the_oracle_filter_knows_no_smoothing(song):
    mixture, references = song
    found = baselines.find("oracle:MWF").separate(mixture, RATE, False, references)
    smooth = found.with_options(smoothing=0.1)
    assert np.asarray(smooth.masks["vocals"]).shape == found.mixture_stft.shape
    for target, stem in found.estimates.items():
        assert np.allclose(smooth.estimates[target], stem, atol=1e-6)
