"""Oracles are what their names say: SiSEC's equal the published formulas, the others the masks'."""

import itertools

import numpy as np
import pytest
import scipy.signal

from mssviz import baselines, datasets, masks, metrics, oracles
from mssviz.datasets import to_targets
from mssviz.errors import Cancelled, ParameterError
from mssviz.scores.signals import si_sdr
from mssviz.separation import SPECTRUM
from mssviz.stft import StftParams, istft, stft

pytestmark = pytest.mark.slow

RATE = 44100
PARAMS = StftParams()
TWO = ("vocals", "accompaniment")
EPS = np.finfo(float).eps
SISEC = ("IBM1", "IBM2", "IRM1", "IRM2", "MWF")


def separated(model, mixture, sources):
    return model.separate(mixture, RATE, progress=False, references=sources)


# --- SiSEC's: a second implementation, with SciPy alone, of whole songs -----------------------


def transformed(waveform):
    """Channels, bins and frames of SciPy's STFT with its defaults."""
    return scipy.signal.stft(waveform.T.astype(np.float64), nperseg=2048)[2]


def published(kind, mixture, sources):
    """Estimates of all sources, and their sum without the vocals, by the organisers' formulas."""
    spectrum = transformed(mixture)
    true = {name: transformed(stem) for name, stem in sources.items()}
    if kind == "MWF":
        found = wiener(spectrum, true)
    else:
        power = int(kind[-1])
        levels = {name: abs(stem) ** power for name, stem in true.items()}
        whole = abs(spectrum) ** power if kind.startswith("IBM") else sum(levels.values())
        gains = {name: level / (EPS + whole) for name, level in levels.items()}
        if kind.startswith("IBM"):
            gains = {name: (gain >= 0.5).astype(float) for name, gain in gains.items()}
        found = {name: gain * spectrum for name, gain in gains.items()}
    stems = {
        name: scipy.signal.istft(stem)[1].T[: len(mixture)].astype(np.float32)
        for name, stem in found.items()
    }
    stems["accompaniment"] = sum(stem for name, stem in stems.items() if name != "vocals")
    return stems


def wiener(spectrum, true):
    """Local Gaussian model, bin by bin, with the organisers' normalisation and constants."""
    powers, covariances = {}, {}
    for name, stem in true.items():
        outer = np.einsum("cft,dft->ftcd", stem, stem.conj())
        power = (abs(stem) ** 2).mean(axis=0)
        mean = (outer / (EPS + power)[..., None, None]).mean(axis=1)
        mean = mean * 2 / np.trace(mean) + EPS * np.eye(2)  # NumPy's trace is over bins, too
        powers[name] = np.einsum("fcd,ftdc->ft", regular(mean), outer).real / 2
        covariances[name] = mean
    total = sum(powers[n][..., None, None] * covariances[n][:, None] for n in true)
    inverse = regular(total)
    return {
        name: np.einsum("ft,fcd,ftde,eft->cft", powers[name], covariances[name], inverse, spectrum,
                        optimize=True)
        for name in true
    }  # fmt: skip


def regular(matrices):
    """Inverse with a constant added to the determinant."""
    found = np.empty_like(matrices)
    found[..., 0, 0], found[..., 1, 1] = matrices[..., 1, 1], matrices[..., 0, 0]
    found[..., 0, 1], found[..., 1, 0] = -matrices[..., 0, 1], -matrices[..., 1, 0]
    determinant = (
        matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]
    )
    return found / (EPS + determinant)[..., None, None]


@pytest.fixture(scope="module", params=["francium", "musdb"])
def excerpt(request):
    """Mixture and single sources of 7 s, so more than one block, or of MUSDB's 6 s."""
    track = datasets.examples().get(request.param)
    if track is None:
        pytest.skip("needs the excerpt that comes with museval")
    return track.load(duration=7)


def scores(references, estimates):
    dither = metrics.suggested_dither_db(references)
    table = metrics.evaluate(references, estimates, RATE, dither_db=dither)
    return table.set_index(["target", "time"])[list(metrics.MEASURES)]


@pytest.mark.parametrize("kind", SISEC)
def test_sisecs_oracles_are_the_organisers_to_a_hundredth_of_a_decibel(excerpt, kind):
    mixture, sources = excerpt
    expected = published(kind, mixture, sources)
    for targets in (TWO, tuple(sources)):
        references = to_targets(sources, targets)
        found = separated(baselines.find(f"oracle:{kind}", targets), mixture, sources).estimates
        for target in targets:
            assert np.abs(found[target] - expected[target]).max() < 1e-5, target
        ours, theirs = (
            scores(references, {target: stems[target] for target in targets})
            for stems in (found, expected)
        )
        assert (ours - theirs).abs().max().max() < 0.01


def test_the_accompaniment_is_the_sum_of_single_estimates(excerpt):
    mixture, sources = excerpt
    single = separated(oracles.SisecOracle("IBM1", tuple(sources)), mixture, sources).estimates
    two = separated(oracles.SisecOracle("IBM1"), mixture, sources).estimates
    total = sum(stem for name, stem in single.items() if name != "vocals")
    assert np.abs(two["accompaniment"] - total).max() < 1e-6
    # of two stems alone, each is a source of its own
    pair = to_targets(sources, TWO)
    found = separated(oracles.SisecOracle("IBM1"), mixture, pair).estimates
    assert (
        np.abs(found["accompaniment"] - published("IBM1", mixture, pair)["accompaniment"]).max()
        < 1e-5
    )


@pytest.mark.parametrize("kind", SISEC)
def test_a_silent_source_gives_silence_and_no_nan(example, kind):
    mixture, sources = example[0][:RATE], {n: w[:RATE] for n, w in example[1].items()}
    sources = {**sources, "bass": np.zeros_like(mixture)}
    targets = tuple(sources)
    found = separated(oracles.SisecOracle(kind, targets), mixture, sources)
    assert not found.estimates["bass"].any()
    assert np.isfinite(found.estimates["vocals"]).all()
    assert np.abs(found.estimates["vocals"]).max() > 0.01


def test_sisecs_stems_are_shown_by_their_effective_masks(example):
    mixture, sources = example[0][:RATE], {n: w[:RATE] for n, w in example[1].items()}
    model = oracles.SisecOracle("IRM2")
    assert model.kind is SPECTRUM
    separation = separated(model, mixture, sources)
    spectrum = stft(separation.estimates["vocals"], PARAMS)
    expected = masks.ideal_amplitude_mask(spectrum, separation.mixture_stft[:])
    found = separation.masks["vocals"][:]
    loud = np.abs(separation.mixture_stft[:]) > 1e-2
    assert np.abs(found - expected)[loud].max() < 1e-3
    assert 0 <= found.min() < found.max() <= 1


def test_parts_of_the_work_are_complete_when_they_are_told(example):
    mixture, sources = example[0], dict(example[1])
    model = oracles.SisecOracle("IRM1")
    run = model.begin(mixture, RATE, sources)
    separation, told = run.separation, []
    final = separated(model, mixture, sources)
    for frames in run.proceed(progress=False):
        told.append(frames)
        now = separation.magnitudes["vocals"][frames]
        assert np.array_equal(now, final.magnitudes["vocals"][frames])
    assert len(told) > 1
    assert told[0].start == 0
    assert all(one.stop == other.start for one, other in itertools.pairwise(told))
    assert told[-1].stop == separation.mixture_stft.shape[0]


def test_every_pass_over_the_song_tells_its_progress_and_can_be_stopped(example):
    told = []
    model, seconds = oracles.SisecOracle("MWF"), len(example[0]) / RATE
    model.separate(example[0], RATE, lambda *now: told.append(now), dict(example[1]))
    for what in ("measure", "separate"):
        passed = [done for done, total, now in told if now == what]
        assert len(passed) > 1
        assert passed == sorted(passed)
        assert passed[-1] == seconds

    def stop(done, total, what):
        raise Cancelled(what)

    with pytest.raises(Cancelled, match="measure"):
        model.separate(example[0], RATE, stop, dict(example[1]))


# --- Among the targets ------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("kind", "ideal"),
    [
        ("IBM-targets", lambda true, mixture: masks.ideal_binary_masks(true)),
        ("IRM1-targets", lambda true, mixture: masks.ideal_ratio_masks(true, 1)),
        ("IRM2-targets", lambda true, mixture: masks.ideal_ratio_masks(true, 2)),
        ("IAM", lambda true, mixture: {
            t: masks.ideal_amplitude_mask(s, mixture) for t, s in true.items()}),
        ("PSM", lambda true, mixture: {
            t: masks.phase_sensitive_mask(s, mixture) for t, s in true.items()}),
    ],
)  # fmt: skip
def test_masks_among_the_targets_are_the_ideal_ones(song, spectra, kind, ideal):
    separation = separated(baselines.find(f"oracle:{kind}"), *song)
    mixture, true = spectra
    for target, expected in ideal(true, mixture).items():
        found = separation.masks[target][:]
        loud = np.abs(mixture) > 1e-4
        different = np.abs(found - expected) > 1e-4
        assert different[loud].mean() < 1e-5, target  # ties of binary masks


def test_the_wiener_filter_of_the_targets_is_the_ideal_one(song, spectra):
    separation = separated(oracles.TargetOracle("MWF-targets"), *song)
    mixture, true = spectra
    for target, expected in masks.ideal_wiener(true, mixture).items():
        stem = istft(expected, PARAMS, len(song[0]))
        assert np.abs(separation.estimates[target] - stem).max() < 1e-5


def test_single_sources_are_summed_to_the_targets(example, song):
    sources = {n: w[4 * RATE : 7 * RATE] for n, w in example[1].items()}
    model = oracles.TargetOracle("IRM2-targets")
    expected = separated(model, *song).estimates
    found = separated(model, song[0], sources).estimates
    for target in TWO:
        assert np.abs(found[target] - expected[target]).max() < 1e-6


def test_the_filter_of_the_targets_knows_no_smoothing(song):
    found = separated(baselines.find("oracle:MWF-targets"), *song)
    assert np.asarray(found.masks["vocals"]).shape == found.mixture_stft.shape
    with pytest.raises(ParameterError, match="smoothing would do nothing"):
        found.with_options(smoothing=0.1)


# --- Both -------------------------------------------------------------------------------------


def test_oracles_stand_above_a_network(song, separator):
    def vocals(model):
        return si_sdr(song[1]["vocals"], separated(model, *song).estimates["vocals"])

    network = vocals(separator)
    for kind in oracles.titles():
        if kind != "IAM":
            assert vocals(oracles.oracle(kind)) > network, kind


def test_what_an_oracle_cannot_use_is_refused(song):
    mixture, references = song
    with pytest.raises(ParameterError, match="IBM1, IBM2"):
        oracles.oracle("XYZ")
    with pytest.raises(ParameterError, match="IBM1 compares magnitudes and IBM2 powers"):
        baselines.find("oracle:IBM")
    for kind in ("IBM1", "IBM-targets"):
        oracle = oracles.oracle(kind)
        message = "needs the true stems vocals, accompaniment"
        for given in (None, {"vocals": references["vocals"]}):
            with pytest.raises(ParameterError, match=message):
                separated(oracle, mixture, given)
        short = {target: stem[:-1] for target, stem in references.items()}
        with pytest.raises(ParameterError, match="as long as the mixture"):
            separated(oracle, mixture, short)
