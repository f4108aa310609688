"""Ensembles and chains: what other programs define, as models like any other."""

import gc
import re
import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mssviz
from mssviz import audio, comparison, separators
from mssviz._names import mask_paths
from mssviz.comparison.store import key_of
from mssviz.errors import Cancelled, ParameterError
from mssviz.separation import MASK, SPECTRUM, MaskOptions, Run
from mssviz.separation import song as song_module
from mssviz.separators import Chain, Ensemble, Model, find, recipes
from mssviz.separators.model import GRID, weightless
from mssviz.stft import StftParams, stft_frames
from mssviz.widgets.explorer import Session
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.pickers import model_picker
from mssviz.widgets.explorer.script import script_of

pytestmark = pytest.mark.slow

RATE = 44100
SECOND = "spleeter:2stems"
#: More than one block of samples, and no whole number of hops.
LONG = 300_001


class Known(Model):
    """A model that gives stems that are known before, with a phase of their own."""

    kind = SPECTRUM

    def __init__(self, name, stems, grid=GRID):
        described = weightless(name, "known", list(stems))
        self.preset = mssviz.presets.Preset(
            **{**vars(described), "stft": grid, "model_bins": grid.n_bins}
        )
        self.options, self.stems = MaskOptions(), stems

    def begin(self, waveform, sample_rate, references=None):
        mixture, grid = self.prepared(waveform, sample_rate), self.preset.stft
        spectra = {t: stft_frames(stem, grid) for t, stem in self.stems.items()}

        def work(report):
            seconds = len(mixture) / RATE
            for done in (0.5, 1.0):
                report(done * seconds, seconds, "separate")
            yield slice(0, grid.n_frames(len(mixture)))

        return Run(self.separation(mixture, spectra), work)


def noise(seed, n_samples=5000):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (n_samples, 2)).astype(np.float32)


def known(n_models, n_samples=5000, stems=("vocals", "other")):
    return [
        Known(f"m{i}", {stem: noise(10 * i + j, n_samples) for j, stem in enumerate(stems)})
        for i in range(n_models)
    ]


def separated(model, mixture, **options):
    return model.separate(mixture, RATE, progress=False, **options)


# --- What the programs define -------------------------------------------------------------------


def reference(waveforms, method, weights):
    """What Music-Source-Separation-Training's ensemble gives, written from its definitions."""
    way, domain = method.split("_")
    parts = np.array([w.T for w in waveforms], np.float64)
    if domain == "fft":
        parts = np.array([librosa.stft(part, n_fft=2048, hop_length=1024) for part in parts])
    if way == "avg":
        made = np.einsum("i,ict...->ct...", np.array(weights) / sum(weights), parts)
    elif way == "median":
        ordered = np.sort(parts, axis=0)  # complex numbers by real parts, then by imaginary ones
        n = len(parts)
        made = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    else:
        order = np.argsort(np.abs(parts), axis=0, kind="stable")
        index = order[:1] if way == "min" else order[-1:]
        made = np.take_along_axis(parts, index, axis=0)[0]
    if domain == "fft":
        made = librosa.istft(made, hop_length=1024, length=waveforms[0].shape[0])
    return made.T


@pytest.mark.parametrize("method", recipes.METHODS)
@pytest.mark.parametrize("n_models", [2, 3, 4])
def test_every_method_is_as_the_programs_define_it(method, n_models):
    n_samples = 300 * 1024  # whole hops, as librosa has no frame for what is left over
    models = known(n_models, n_samples)
    weights = [0.5 + i for i in range(n_models)] if method.startswith("avg") else None
    mixture = noise(99, n_samples)
    found = separated(Ensemble(models, weights, method), mixture)
    parts = [separated(model, mixture).estimates for model in models]
    for stem in ("vocals", "other"):
        expected = reference([part[stem] for part in parts], method, weights)
        # half a hop at either end is in one frame alone, and is divided by almost nothing
        inner = slice(1024, -1024)
        assert np.abs(found.estimates[stem] - expected)[inner].max() < 2e-6


@given(
    n_models=st.integers(2, 4),
    method=st.sampled_from(recipes.METHODS),
    n_samples=st.integers(1, 6000),
    data=st.data(),
)
@settings(max_examples=40)
def test_what_equal_models_say_is_what_each_says(n_models, method, n_samples, data):
    stems = {"vocals": noise(1, n_samples), "other": noise(2, n_samples)}
    models = [Known(f"m{i}", stems) for i in range(n_models)]
    weights = None
    if method.startswith("avg"):
        some = st.lists(st.floats(0.01, 10), min_size=n_models, max_size=n_models)
        weights = data.draw(some)
    found = separated(Ensemble(models, weights, method), noise(3, n_samples))
    for stem, expected in stems.items():
        assert np.abs(found.estimates[stem] - expected).max() < 1e-5


@given(n_models=st.integers(2, 5), seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_smallest_and_largest_values_are_bounds_of_all_others(n_models, seed):
    models = [Known(f"m{i}", {"vocals": noise(seed + i)}) for i in range(n_models)]
    ways = {
        way: np.abs(separated(Ensemble(models, None, f"{way}_wave"), noise(0)).estimates["vocals"])
        for way in ("min", "median", "max")
    }
    tolerance = 1e-6
    assert (ways["min"] <= ways["max"] + tolerance).all()
    for model in models:
        level = np.abs(model.stems["vocals"])
        assert (ways["min"] <= level + tolerance).all()
        assert (level <= ways["max"] + tolerance).all()
    assert (ways["median"] <= ways["max"] + tolerance).all()


@given(weights=st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.01))
@settings(max_examples=20)
def test_a_mean_has_the_weights_that_it_is_given(weights):
    models = known(3)
    expected = np.tensordot(
        np.array(weights) / sum(weights), [m.stems["vocals"] for m in models], axes=1
    )
    found = separated(Ensemble(models, weights), noise(0)).estimates["vocals"]
    assert np.abs(found - expected).max() < 1e-5


def test_a_stem_has_weights_of_its_own():
    first, second = known(2)
    ensemble = Ensemble([first, second], {"other": [1, 3], "vocals": [1, 0]})
    found = separated(ensemble, noise(0))
    assert ensemble.targets == ("other", "vocals")
    assert np.abs(found.estimates["vocals"] - first.stems["vocals"]).max() < 1e-5
    expected = 0.25 * first.stems["other"] + 0.75 * second.stems["other"]
    assert np.abs(found.estimates["other"] - expected).max() < 1e-5
    assert ensemble.preset.name == "other: 0.25 m0 + 0.75 m1; vocals: 1 m0"


# --- Models that differ -------------------------------------------------------------------------


def test_models_of_masks_and_of_waveforms_and_of_other_grids_go_together():
    mixture = noise(5, LONG)
    waveforms = Known("w", {"bass": noise(1, LONG), "other": noise(2, LONG)})
    fine = Known(
        "f", {"bass": noise(3, LONG), "other": noise(4, LONG)}, StftParams(RATE, 2048, 512)
    )
    masks = find("bands")
    ensemble = Ensemble([masks, waveforms, fine], [2, 1, 1])
    assert (ensemble.kind, ensemble.preset.stft) == (SPECTRUM, GRID)
    found, of_masks = separated(ensemble, mixture), separated(masks, mixture)
    for stem in ("bass", "other"):
        expected = 0.5 * of_masks.estimates[stem] + 0.25 * (
            waveforms.stems[stem] + fine.stems[stem]
        )
        assert np.abs(found.estimates[stem] - expected).max() < 1e-5


def test_a_mean_of_masks_has_masks_and_their_options():
    mixture = noise(0, 20_000)
    models = [find("bands"), separators.Mixture(("bass", "other"))]
    ensemble = Ensemble(models, {"bass": [1, 1], "other": [1, 0]})
    assert ensemble.kind is MASK
    found = separated(ensemble, mixture)
    expected = 0.5 * (separated(models[0], mixture).estimates["bass"] + mixture)
    assert np.abs(found.estimates["bass"] - expected).max() < 1e-5
    assert set(np.unique(found.with_options(hardness=1.0).masks["bass"][:])) <= {0.0, 1.0}
    filtered = find("bands", mwf=1)
    assert Ensemble([filtered, models[0]]).kind is SPECTRUM  # whose output no mask makes


def test_stems_of_one_model_are_summed_to_anothers():
    two = Known("two", {"vocals": noise(1), "accompaniment": noise(2)})
    [four] = known(1, stems=("vocals", "drums", "bass", "other"))
    found = separated(Ensemble([two, four]), noise(0))
    band = sum(four.stems[stem] for stem in ("drums", "bass", "other"))
    expected = (two.stems["accompaniment"] + band) / 2
    assert np.abs(found.estimates["accompaniment"] - expected).max() < 1e-5


def test_a_model_has_no_part_in_a_stem_that_it_lacks():
    [four] = known(1, stems=("vocals", "drums", "bass", "other"))
    two = Known("two", {"vocals": noise(21), "accompaniment": noise(22)})
    guitar = Known("guitar", {"guitar": noise(31), "other": noise(32)})
    found = separated(Ensemble([four, two]), noise(0))
    expected = (four.stems["vocals"] + two.stems["vocals"]) / 2
    assert np.abs(found.estimates["vocals"] - expected).max() < 1e-5
    for stem in ("drums", "bass", "other"):
        assert np.abs(found.estimates[stem] - four.stems[stem]).max() < 1e-5
    with pytest.raises(ParameterError, match="guitar gives none of the stems of m0"):
        Ensemble([four, guitar])  # its other holds the vocals, too


def test_what_separates_anything_separates_the_same_as_the_others():
    name = "0.5 mixture + 0.5 hpss"
    assert find(name).targets == find("hpss").targets
    assert find(name).kind is separators.entry(name).predicts is MASK


# --- Chains -------------------------------------------------------------------------------------


def test_a_chain_separates_a_stem_further_and_loses_nothing():
    mixture = noise(0, 30_000)
    chain = find("hpss > other > bands")
    assert (chain.targets, chain.kind) == (("drums", "bass", "other"), SPECTRUM)
    found = separated(chain, mixture)
    assert np.abs(sum(found.estimates.values()) - mixture).max() < 1e-4
    first = separated(find("hpss"), mixture)
    second = separated(find("bands"), first.estimates["other"])
    for stem, expected in (("drums", first), ("bass", second), ("other", second)):
        assert np.abs(found.estimates[stem] - expected.estimates[stem]).max() < 1e-5


def test_stems_of_one_name_are_added():
    mixture = noise(0)
    first = Known("a", {"vocals": noise(1), "drums": noise(2), "bass": noise(3)})
    second = Known("b", {"vocals": noise(4), "other": noise(5)})
    chain = Chain(first, "accompaniment", second)
    found = separated(chain, mixture)
    assert chain.targets == ("vocals", "other")
    assert np.abs(found.estimates["vocals"] - first.stems["vocals"] - noise(4)).max() < 1e-5
    with pytest.raises(ParameterError, match=r"a gives no 'guitar': choose one of vocals, drums"):
        Chain(first, "guitar", second)


@given(n_samples=st.integers(1, 9000), seed=st.integers(0, 100))
@settings(max_examples=15)
def test_the_parts_of_a_chain_sum_to_the_mixture_whatever_its_length(n_samples, seed):
    mixture = noise(seed, n_samples)
    found = separated(find("bands > other > bands > bass > bands"), mixture)
    assert np.abs(sum(found.estimates.values()) - mixture).max() < 1e-4


def test_oracles_in_a_chain_know_the_true_stems(example):
    mixture, sources = (
        example[0][:40_000],
        {name: stem[:40_000] for name, stem in example[1].items()},
    )
    found = separated(find("oracle:IRM2 > vocals > mixture"), mixture, references=sources)
    assert "vocals" in found.targets
    with pytest.raises(ParameterError, match="needs the true stems"):
        separated(find("mixture > vocals > oracle:IRM2"), mixture)


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "0.25 oracle:IRM2 + 0.75 mixture",
        "median_fft: hpss + hpss + mixture",
        "avg_fft: 0.5 hpss + 0.5 mixture",
        "drums: 0.9 hpss + 0.1 mixture; other: 1 hpss",
        "hpss > other > bands",
        "0.5 (hpss > other > bands) + 0.5 mixture",
        "max_fft: (0.5 hpss + 0.5 mixture) + hpss",
        "0.5 hpss + 0.5 mixture > other > bands",
        "hpss > other > 0.5 bands + 0.5 mixture",
        "hpss > other > (bands > other > hpss)",
    ],
)
def test_a_model_is_found_by_the_name_that_it_has(name):
    described = separators.entry(name)
    assert (described.group, described.state) == ("ensemble", "ready")
    assert find(name).preset == described.preset
    assert described.preset.name == name


NAMES = st.recursive(
    st.sampled_from(["hpss", "spleeter:2stems", "/songs/my (best) model", "a-b.c"]),
    lambda names: st.one_of(
        st.tuples(st.just("mean"), st.lists(names, min_size=2, max_size=3)),
        st.tuples(st.just("min_fft"), st.lists(names, min_size=2, max_size=3)),
        st.tuples(st.just("chain"), st.tuples(names, names)),
    ),
    max_leaves=6,
)


def text_of(tree):
    if isinstance(tree, str):
        return tree
    kind, parts = tree
    texts = [text_of(part) for part in parts]
    if kind == "chain":
        return recipes.chained_name(texts[0], "other", texts[1])
    weights = [1 / len(parts)] * len(parts)
    return recipes.mixed_name(
        recipes.Mixed(texts, weights, recipes.MEAN if kind == "mean" else kind)
    )


@given(tree=NAMES)
def test_a_name_that_is_written_is_read_as_what_it_was_made_of(tree):
    found = recipes.read(text_of(tree))
    if isinstance(tree, str):
        assert found is None
    elif tree[0] == "chain":
        first, second = map(text_of, tree[1])
        whole = text_of(tree)
        assert isinstance(found, recipes.Chained)
        # the last model stands alone, and what stands before it is one model, too
        assert recipes.chained_name(found.first, found.stem, found.second) == whole
        assert (found.first, found.second) == (first, second)
    else:
        assert list(found.models) == [text_of(part) for part in tree[1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0.5 nothing + 0.5 mixture", "no preset 'nothing'"),
        ("0.5 hpss + mixture", r"a weight stands before each model .*got 'mixture'"),
        ("0 hpss + 0 hpss", "weights must be 0 or more"),
        ("median_wave: hpss", "two or more models"),
        ("median_wave: 0.5 hpss + 0.5 hpss", "median_wave has no weights"),
        ("median_fff: hpss + hpss", "no method 'median_fff': choose one of avg_wave"),
        ("0.5 hpss + 0.5 bands > other", "a chain is written MODEL > STEM > MODEL"),
        ("hpss > vocals > bands", "hpss gives no 'vocals': choose one of drums, other"),
        ("drums: 0.5 hpss + 0.5 bands", "bands gives no drums, but bass, other"),
        ("drums: hpss; drums: mixture", "drums is said twice"),
        ("0.5 spleeter:2stems + 0.5 bands", "bands gives none of the stems of spleeter:2stems"),
        ("0.5 hpss + 0.5 wave-unet", "different sample rates"),
    ],
)
def test_what_cannot_be_made_is_one_clear_line(name, message):
    with pytest.raises(ParameterError, match=message) as caught:
        find(name)
    assert "\n" not in str(caught.value)


def test_a_separator_says_how_several_models_are_found():
    with pytest.raises(ParameterError, match=r"made of several models.*separators\.find"):
        mssviz.Separator("0.5 spleeter:2stems + 0.5 umx")


def test_quality_is_that_of_the_networks():
    name = f"0.5 {SECOND} + 0.5 mixture"
    best = find(name, quality="best", fetch=False)
    assert [m.preset.name for m in best.models] == [f"{SECOND}-16kHz", "mixture"]
    with pytest.raises(ParameterError, match="hpss: quality is a choice for networks"):
        find("hpss", quality="best")


def test_models_are_no_names():
    for make in (
        lambda: Ensemble(["hpss", "bands"]),
        lambda: Chain(find("hpss"), "drums", "bands"),
    ):
        with pytest.raises(ParameterError, match=r"got str.*call mssviz\.separators\.find"):
            make()


def test_earlier_names_still_work():
    from mssviz.separators.blend import Blend

    assert Blend is separators.Blend is Ensemble


# --- As any model -------------------------------------------------------------------------------


def test_licences_and_training_songs_are_those_of_all():
    preset = separators.entry(f"{SECOND} > vocals > mel-roformer:kim-vocals").preset
    assert preset.licence.startswith("MIT; stated differently")
    assert preset.trained_on_test == "not known"
    assert preset.weights.size > separators.entry(SECOND).preset.weights.size


def test_kept_scores_depend_on_every_weight_and_model():
    tracks = mssviz.examples()

    def key(model):
        return key_of(tracks["francium"], model, comparison.Scoring())

    models = [find("hpss"), find("mixture", ("drums", "other"))]
    keys = {
        key(Ensemble(models, [0.5, 0.5])),
        key(Ensemble(models, [0.5001, 0.4999])),  # of the same name
        key(Ensemble(models, [0.5, 0.5], "avg_fft")),
        key(Ensemble(models, None, "max_fft")),
        key(Ensemble([find("hpss", hardness=1.0), models[1]])),
        key(Chain(models[0], "other", find("bands"))),
    }
    assert len(keys) == 6


@pytest.mark.parametrize(
    "name",
    ["median_wave: bands + bands + mixture", "bands > other > bands", "0.5 bands + 0.5 mixture"],
)
def test_progress_only_grows_and_its_callback_can_stop_the_work(name):
    told = []
    find(name).separate(noise(0, LONG), RATE, progress=lambda *found: told.append(found))
    seconds = [done for done, _, _ in told]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(LONG / RATE)

    def stop(done, total, what):
        if what == "combine":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        find(name).separate(noise(0, LONG), RATE, progress=stop)


@pytest.mark.parametrize("name", ["max_fft: bands + mixture", "bands > other > bands"])
def test_large_arrays_live_in_files_with_the_same_result(name, monkeypatch):
    mixture = noise(0, LONG)
    expected = separated(find(name), mixture)
    monkeypatch.setattr(song_module, "SPILL_BYTES", 1 << 10)
    kept = []
    empty = song_module.Store.empty

    def watched(self, shape, dtype=np.float32):
        array = empty(self, shape, dtype)
        kept.append(isinstance(array, np.memmap))
        return array

    monkeypatch.setattr(song_module.Store, "empty", watched)
    found = separated(find(name), mixture)
    assert set(kept) == {True}
    gc.collect()
    for stem in found.targets:
        assert np.array_equal(found.estimates[stem], expected.estimates[stem])


@pytest.mark.parametrize("name", ["0.7 hpss + 0.3 mixture", "hpss > other > bands"])
def test_files_hold_what_a_separation_does(name, tmp_path):
    mixture = noise(0, 2 * RATE)
    audio.write_audio(tmp_path / "song.wav", mixture, RATE, bit_depth="float")
    options = {"bit_depth": "float", "masks": True}
    [stems] = mssviz.separate_files(
        tmp_path / "song.wav", tmp_path / "stems", name, progress=False, **options
    )
    expected = separated(find(name), mixture)
    assert set(stems) == set(expected.targets)
    for stem, path in stems.items():
        written, _ = audio.load_audio(path)
        assert np.abs(written - expected.estimates[stem]).max() < 1e-6
        masks = np.load(mask_paths({stem: path})[0])
        assert np.abs(masks - expected.masks[stem][:]).max() < 1e-3


def test_the_command_line_takes_their_names(mssviz_command, tmp_path):
    audio.write_audio(tmp_path / "song.wav", noise(0, RATE), RATE)
    model = "hpss > other > bands"
    code, out, _ = mssviz_command(
        "separate", tmp_path / "song.wav", "-p", model, "-o", tmp_path / "out", "--stem", "bass"
    )
    assert (code, out.strip()) == (0, str(tmp_path / "out" / "song" / "bass.wav"))
    code, _, said = mssviz_command("separate", tmp_path / "song.wav", "-p", "0.5 hpss + 0.5 bass")
    assert code == 1
    assert said.startswith("mssviz: no preset 'bass'")
    code, _, said = mssviz_command("separate", tmp_path / "song.wav", "-p", "oracle:IRM2")
    assert code == 1
    assert "needs the true stems" in said


def test_a_comparison_takes_their_names(tmp_path):
    songs = {"francium": mssviz.examples()["francium"].excerpt(0, 2)}
    names = ["0.5 oracle:IRM2 + 0.5 mixture", "min_fft: oracle:IRM2 + oracle:IRM1", "oracle:IRM2"]
    table = mssviz.compare(songs, names, cache=tmp_path, progress=False)
    summary = comparison.summary(table)
    assert set(summary.index.get_level_values("model")) == set(names)
    assert set(summary["trained_on_test"]) == {"no"}
    sdr = summary["SDR"]["vocals"]
    assert sdr["oracle:IRM2"] > sdr["0.5 oracle:IRM2 + 0.5 mixture"]


def test_the_explorer_shows_and_measures_them():
    session = Session()
    name = f"0.5 {SECOND} + 0.5 repet-sim > accompaniment > hpss"
    song = mssviz.examples()["francium"]
    with warnings.catch_warnings():
        found = session.separate(Choice(song, name, "hpss", duration=2.0))
    assert found.targets == ("vocals", "drums", "other")
    assert session.result.scores is not None
    assert f"model={name!r}" in script_of(session.result)
    assert name in [value for _, value in model_picker(name, "Model").options]
    session.close()


# --- On real songs ------------------------------------------------------------------------------


def test_the_page_says_what_real_models_score(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "ensembles.md").read_text("utf-8")
    rows = re.findall(r"^\| \**`(.*spleeter.*)`\** \| \**([0-9. /-]+)\** \|", page, re.M)
    assert len(rows) == 3
    songs = {"francium": mssviz.examples()["francium"]}
    names = [name for name, _ in rows]
    table = mssviz.compare(songs, names, cache=tmp_path, progress=False)
    usdr = comparison.summary(table)["uSDR"]
    for name, said in rows:
        found = [usdr[stem, name] for stem in ("vocals", "accompaniment")]
        assert found == pytest.approx([float(text) for text in said.split(" / ")], abs=0.06)
