"""Predictions know what they are: what is made of each kind, which options apply, and runs."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import baselines, masks
from mssviz.errors import Cancelled, ParameterError
from mssviz.presets import Preset, Weights
from mssviz.separation import (
    COMPLEX_MASK,
    MAGNITUDE,
    MASK,
    SPECTRUM,
    Prediction,
    Separation,
    Store,
)
from mssviz.separation.options import (
    MaskChanges,
    MaskOptions,
    changed,
    described_options,
    in_words,
)
from mssviz.stft import StftParams, magnitude, stft

RATE, PARAMS, N_BINS = 44100, StftParams(), 1024
TARGETS = ("vocals", "accompaniment")
OPTIONS = {
    "power": 1.0, "hardness": 0.5, "threshold": 0.3, "smoothing": 0.1, "bandwidth": 4000.0,
    "extension": "average", "mwf": 1,
}  # fmt: skip


def noise(seed=0, seconds=1.0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def preset():
    return Preset(
        name="some", targets=TARGETS, stft=PARAMS, patch_frames=64, model_bins=N_BINS,
        n_channels=2, mask_power=2.0, mask_extension="zeros", model={},
        weights=Weights("none", "", {}),
    )  # fmt: skip


def separation(kind, **changes):
    """Of a mixture of two noises, by what would be a perfect prediction of some kind."""
    true = {target: noise(seed) for seed, target in enumerate(TARGETS)}
    mixture = true["vocals"] + true["accompaniment"]
    spectrum = stft(mixture, PARAMS)[:, :N_BINS]
    values = {}
    for target, waveform in true.items():
        y = stft(waveform, PARAMS)[:, :N_BINS]
        values[target] = {
            MAGNITUDE: lambda y: magnitude(y),
            MASK: lambda y: masks.ideal_amplitude_mask(y, spectrum),
            COMPLEX_MASK: lambda y: y / (spectrum + 1e-9),
            SPECTRUM: lambda y: y,
        }[kind](y).astype(kind.dtype)  # fmt: skip
    options = changed(MaskOptions(), changes)
    return Separation(preset(), mixture, Prediction(kind, values), options, Store())


# --- What is made of each ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [COMPLEX_MASK, SPECTRUM], ids=lambda kind: kind.name)
def test_kinds_with_a_phase_give_the_stem_itself(kind):
    found = separation(kind)
    expected = stft(noise(0), PARAMS)[:, :N_BINS]
    [segment, *_] = found.segments()
    spectra = found.masker.spectra(segment)["vocals"]
    assert np.allclose(spectra[:, :N_BINS], expected[: len(spectra)], atol=1e-3)
    assert not spectra[:, N_BINS:].any()
    mask = found.masks["vocals"][:]
    assert mask.shape == found.mixture_stft.shape
    assert 0 <= mask.min() < mask.max() <= 1


def test_a_complex_mask_may_be_louder_than_the_mixture():
    found = separation(COMPLEX_MASK)
    assert np.abs(found.prediction.values["vocals"]).max() > 1


def test_masks_are_used_as_they_are():
    found = separation(MASK)
    assert np.array_equal(found.masks["vocals"][:, :N_BINS], found.prediction.values["vocals"])


@pytest.mark.parametrize("kind", [MAGNITUDE, COMPLEX_MASK, SPECTRUM], ids=lambda kind: kind.name)
def test_magnitudes_are_meant_by_every_kind(kind):
    found = separation(kind).magnitudes["vocals"]
    expected = magnitude(stft(noise(0), PARAMS)[:, :N_BINS])
    assert found.shape == expected.shape
    assert np.allclose(found[:], expected, atol=1e-3)


# --- Which options apply ----------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", [MAGNITUDE, MASK, COMPLEX_MASK, SPECTRUM], ids=lambda k: k.name)
def test_an_option_changes_what_is_heard_or_is_refused(kind, name):
    before = separation(kind, **({"hardness": 1.0} if name == "threshold" else {}))
    if name in kind.options:
        after = before.with_options(**{name: OPTIONS[name]})
        assert not np.array_equal(after.estimates["vocals"], before.estimates["vocals"])
    else:
        with pytest.raises(ParameterError, match=f"some: {name} would do nothing, as its "):
            before.with_options(**{name: OPTIONS[name]})


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"mwf"}))
def test_the_wiener_filter_leaves_no_other_option(name):
    filtered = separation(MAGNITUDE).with_options(mwf=1)
    with pytest.raises(ParameterError, match=f"{name} would do nothing.*give mwf=0"):
        filtered.with_options(**{name: OPTIONS[name]})
    assert filtered.with_options(mwf=0, **{name: OPTIONS[name]}).options.mwf == 0


def test_what_is_off_may_be_said_to_be_off():
    off = {"mwf": 0, "hardness": 0.0, "smoothing": 0.0, "bandwidth": np.inf}
    assert separation(SPECTRUM).with_options(**off).options == MaskOptions()


@pytest.mark.parametrize(
    ("model", "option"),
    [("oracle:MWF", "hardness"), ("oracle:PSM", "power"), ("wave-unet-tiny", "extension")],
)
def test_separators_and_the_explorer_refuse_by_name(model, option):
    with pytest.raises(ParameterError, match=f"{model}: {option} would do nothing"):
        mssviz.explore(model=model, **{option: OPTIONS[option]})
    if not model.startswith("oracle"):
        with pytest.raises(ParameterError, match=f"{model}: {option} would do nothing"):
            mssviz.Separator(model, fetch=False, **{option: OPTIONS[option]})


# --- Options, said once -----------------------------------------------------------------------


def test_every_option_is_described_and_can_be_changed():
    names = [field.name for field in fields(MaskOptions)]
    assert list(described_options()) == names
    assert set(MaskChanges.__annotations__) == {*names, "mwf_iterations"}
    for option in described_options().values():
        assert option.help.endswith(".")
        assert option.choices or option.low < option.high


def test_the_earlier_name_of_the_wiener_filter_is_understood():
    assert changed(MaskOptions(), {"mwf_iterations": 2}).mwf == 2
    assert MaskOptions(mwf=2).mwf_iterations == 2
    with pytest.raises(ParameterError, match="give one of them"):
        changed(MaskOptions(), {"mwf_iterations": 2, "mwf": 2})


@pytest.mark.parametrize(
    ("name", "value"),
    [("power", "2"), ("power", True), ("mwf", 1.5), ("smoothing", [0.1]), ("extension", 3)],
)
def test_values_of_another_type_are_one_line(name, value):
    with pytest.raises(ParameterError, match=r"must be a|is 'zeros'"):
        changed(MaskOptions(), {name: value})


# --- Runs -------------------------------------------------------------------------------------


def references():
    return {target: noise(seed) for seed, target in enumerate(TARGETS)}


def run_of(model):
    true = references()
    return model.begin(np.add.reduce(list(true.values())), RATE, true)


def blend():
    return baselines.Blend([baselines.find("oracle:IRM2-targets"), baselines.find("mixture")])


MODELS = {
    "oracle": lambda: baselines.find("oracle:MWF"),
    "ideal filter": lambda: baselines.find("oracle:MWF-targets"),
    "classical": lambda: baselines.find("hpss"),
    "blend": blend,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_run_is_done_once(name):
    run = run_of(MODELS[name]())
    frames = list(run.proceed(progress=False))
    assert frames[0].start == 0
    assert frames[-1].stop == len(run.separation.mixture_stft)
    with pytest.raises(ParameterError, match="begin another one"):
        run.proceed(progress=False)


@pytest.mark.parametrize("name", MODELS)
def test_masks_may_be_chosen_before_the_work_is_done(name):
    run = run_of(MODELS[name]())
    usable = run.separation.prediction.kind.options
    changes = {key: OPTIONS[key] for key in ("hardness", "smoothing") if key in usable}
    other = run.separation.with_options(**changes)
    assert not other.estimates["drums" if name == "classical" else "vocals"].any()
    done = run.finish(progress=False)
    target = done.targets[0]
    expected = done.with_options(**changes).estimates[target]
    assert np.array_equal(other.with_options(**changes).estimates[target], expected)


@pytest.mark.parametrize("name", MODELS)
def test_a_run_can_be_cancelled(name):
    run = run_of(MODELS[name]())
    run.cancel()
    with pytest.raises(Cancelled):
        run.finish(progress=False)


# --- Words for options ------------------------------------------------------------------------


def test_the_glossarys_table_of_options_says_what_their_controls_say():
    page = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    described = described_options()
    for name, option in described.items():
        span = f"{option.low:g} to {option.high:g}"
        if option.choices:
            span = " or ".join(f"`{value}` ({what})" for value, what in option.choices.items())
        off = "" if option.off is None else f"{option.off:g} "
        if option.beside:
            off = f"(`{option.beside}` {described[option.beside].off:g}) "
        assert f"| `{name}` | {option.label} | {span} | {off}| {option.help} |" in rows


def test_options_in_words_are_those_that_change_anything():
    options = MaskOptions(hardness=0.5, bandwidth=9000)
    assert in_words(options, MASK.usable(options)) == (
        "Soft to binary: 0.5; Threshold: 0.5; Up to (kHz): 9; Above that: silence"
    )
    assert in_words(options, SPECTRUM.usable(options)) == ""
    soft = MaskOptions(threshold=0.3)  # of which soft masks make no use
    assert in_words(soft, MASK.usable(soft)) == "Above that: silence"
