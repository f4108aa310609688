"""Models without weights give what their formulas say, through the same separation."""

import librosa
import numpy as np
import pytest

import mssviz
from mssviz import baselines
from mssviz.datasets import to_targets
from mssviz.errors import Cancelled, ParameterError
from mssviz.scores.signals import si_sdr
from mssviz.stft import StftParams, stft

RATE = 44100
PARAMS = StftParams()
TWO = ("vocals", "accompaniment")


@pytest.fixture(scope="module")
def song(example):
    """Mixture, and true stems of two targets, 3 s."""
    part = slice(4 * RATE, 7 * RATE)
    mixture, sources = example
    return mixture[part], to_targets({n: w[part] for n, w in sources.items()}, TWO)


def separated(model, song, **options):
    separation = model.separate(song[0], RATE, progress=False, references=song[1])
    return separation.with_options(**options) if options else separation


def test_a_network_stands_above_what_is_not_trained(song, separator):
    def vocals(model):
        return si_sdr(song[1]["vocals"], separated(model, song).estimates["vocals"])

    network = vocals(separator)
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


@pytest.mark.parametrize("name", list(baselines.CLASSICAL))
@pytest.mark.parametrize("n_frames", range(1, 9))
def test_a_last_part_of_a_few_frames_is_separated(name, n_frames):
    """A song's last part can be one frame long, wherever its length leads to."""
    spectrum = np.random.default_rng(n_frames).random((n_frames, 2049, 2), np.float32)
    parts = baselines.CLASSICAL[name].separate(spectrum)
    assert all(np.isfinite(part).all() and (part >= 0).all() for part in parts)
    np.testing.assert_allclose(sum(parts), spectrum, atol=1e-5)


@pytest.mark.parametrize("n_frames", range(170, 178))
def test_repet_takes_parts_of_about_twice_the_time_that_frames_must_lie_apart(n_frames):
    spectrum = np.random.default_rng(n_frames).random((n_frames, 33, 2), np.float32)
    voice, rest = baselines.CLASSICAL["repet-sim"].separate(spectrum)
    np.testing.assert_allclose(voice + rest, spectrum, atol=1e-5)


def test_a_blend_is_the_weighted_mean_of_the_outputs(song):
    models = [baselines.find("oracle:IRM1-targets"), baselines.Mixture()]
    blend = separated(baselines.Blend(models, [3, 1]), song)
    parts = [separated(model, song) for model in models]
    for target in TWO:
        expected = 0.75 * parts[0].estimates[target] + 0.25 * parts[1].estimates[target]
        assert np.abs(blend.estimates[target] - expected).max() < 1e-5
    assert blend.preset.name == "0.75 oracle:IRM1-targets + 0.25 mixture"


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
    assert {"spleeter:2stems", "oracle:IBM1", "hpss"} <= set(baselines.entries())


def test_what_does_not_fit_is_refused(song):
    with pytest.raises(ParameterError, match="hpss"):
        baselines.Classical("nmf")
    for name in ("oracle:IRM2", "hpss", "mixture"):
        with pytest.raises(ParameterError, match=f"{name}: power.* would do nothing"):
            baselines.find(name, power=1.0, mwf_iterations=1)
        assert baselines.find(name, progress=False, mwf_iterations=0).preset.name == name
    mixture = baselines.Mixture()
    for models, weights, message in (
        ([mixture], None, "two or more"),
        ([mixture, mixture], [1], "a weight for each"),
        ([mixture, mixture], [0, 0], "weights"),
        ([mixture, mixture], [1, -1], "weights"),
        ([mixture, baselines.Classical("hpss")], None, "hpss gives none of the stems of mixture"),
    ):
        with pytest.raises(ParameterError, match=message):
            baselines.Blend(models, weights)


# --- The catalogue ----------------------------------------------------------------------------


def test_a_blend_is_found_by_the_name_that_it_has():
    name = "0.25 oracle:IRM2 + 0.75 mixture"
    blend = baselines.find(name, ("vocals", "other"))
    assert (blend.preset.name, blend.weights) == (name, [0.25, 0.75])
    assert blend.targets == blend.models[0].targets == ("vocals", "other")
    described = baselines.entry(name)
    assert (described.group, described.state) == ("ensemble", "ready")
    assert described.preset.name == name


def test_a_blend_may_do_only_what_all_of_its_models_may():
    preset = baselines.entry("0.5 spleeter:2stems + 0.5 mel-roformer:kim-vocals").preset
    assert preset.licence.startswith("MIT; stated differently")
    assert preset.training_data.startswith("about 25,000 songs")
    assert preset.trained_on_test == "not known"
    assert baselines.entry("0.5 mixture + 0.5 oracle:IRM2").preset.trained_on_test == "no"


@pytest.mark.parametrize(
    "name", ["0.5 nothing + 0.5 mixture", "0.5 hpss + 0.5 bands", "0 hpss + 0 hpss"]
)
def test_a_blend_of_what_cannot_be_blended_is_one_error(name):
    with pytest.raises(ParameterError, match=r"no preset 'nothing'|gives none of|weights must"):
        baselines.find(name)


def test_options_reach_every_model_by_name_or_are_refused():
    assert baselines.find("hpss", hardness=1.0).options.hardness == 1
    with pytest.raises(ParameterError, match="hpss: power would do nothing"):
        baselines.find("hpss", power=1.0)


def test_every_model_is_listed_with_what_it_is():
    table = mssviz.models()
    assert set(table["kind"]) == {"network", "oracle", "classical", "baseline", "ensemble"}
    assert list(table.index) == list(baselines.entries())
    assert table.loc["hpss", ["kind", "targets", "state"]].tolist() == [
        "classical", "drums, other", "ready",
    ]  # fmt: skip
    assert table.loc["oracle:PSM", "targets"] == "any"
    facts = table[["licence", "trained_on_test"]]
    assert facts.loc["demucs"].tolist() == ["for scientific purposes; code MIT", "no"]
    assert facts.loc["bs-roformer:sw"].tolist() == ["not stated", "not known"]


def test_a_small_variant_has_learnt_nothing_yet():
    preset = baselines.entry("umx-tiny").preset
    assert preset.training_data.startswith("none yet")
    assert preset.trained_on_test == "no"
