"""Masks changed and heard part by part are those of the whole."""

import itertools

import numpy as np
import pytest

from mssviz import audio, datasets
from mssviz.errors import ParameterError
from mssviz.masks import ideal_ratio_masks
from mssviz.scores.signals import si_sdr
from mssviz.separation.editing import Stroke
from mssviz.separation.laboratory import Laboratory
from mssviz.stft import istft, stft

RATE = 44100


@pytest.fixture(scope="module")
def excerpt(example):
    mixture, sources = example
    part = slice(3 * RATE, 7 * RATE)
    return mixture[part], {name: waveform[part] for name, waveform in sources.items()}


@pytest.fixture(scope="module")
def separated(separator, excerpt):
    return separator.separate(excerpt[0], RATE, progress=False)


@pytest.fixture
def laboratory(separated, separator, excerpt):
    return make(separated, datasets.to_targets(excerpt[1], separator.targets))


def make(separation, references=None):
    laboratory = Laboratory(separation, references)
    work(laboratory)
    return laboratory


def work(laboratory, first=()):
    for frames in laboratory.parts(first):
        laboratory.remask(frames)
        laboratory.resound(frames)


def assert_is(laboratory, separation):
    for target in separation.targets:
        assert np.array_equal(laboratory.editor.masks[target], separation.masks[target][:])
        assert np.allclose(
            laboratory.estimates[target], separation.estimates[target], rtol=0, atol=1e-6
        )


def test_masks_and_stems_fill_in_while_the_network_runs(separator, separated, excerpt):
    longer = np.concatenate([excerpt[0]] * 4)  # 16 s: two patches
    run = separator.begin(longer, RATE)
    separation = run.separation
    assert not any(m.any() for m in separation.magnitudes.values())
    laboratory = Laboratory(separation)
    seen = []
    for frames in run.proceed(progress=False):
        laboratory.remask(frames)
        laboratory.resound(frames)
        seen.append(frames)
        assert not laboratory.editor.masks["vocals"][frames.stop :].any()
        assert laboratory.editor.masks["vocals"][frames].any()
    assert [frames.start for frames in seen] == [0, 512]
    assert_is(laboratory, separator.separate(longer, RATE, progress=False))


@pytest.mark.parametrize(
    "options",
    [
        {"power": 4.0},
        {"hardness": 1.0, "threshold": 0.3},
        {"smoothing": 0.1},
        {"bandwidth": 3000.0, "extension": "average"},
        {"mwf_iterations": 1},
    ],
)
@pytest.mark.parametrize("first", [(), [(1.0, 1.3)], [(-5.0, 99.0)], [(2.0, 2.5), (1.0, 3.0)]])
def test_options_give_what_a_whole_separation_gives(laboratory, separated, options, first):
    laboratory.set_options(**options)
    work(laboratory, first)
    assert_is(laboratory, separated.with_options(**options))


def test_parts_cover_every_frame_once_and_what_is_wanted_first(laboratory):
    n_frames = len(laboratory.mixture_stft)
    wanted = [(1.0, 2.0), (3.9, 8.0), (-3.0, -2.0), (1.5, 3.0)]
    for first in ([], *([part] for part in wanted), wanted, wanted[::-1]):
        parts = list(laboratory.parts(first))
        frames = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        assert sorted(frames) == list(range(n_frames))
    start = next(laboratory.parts([(1.0, 2.0)])).start
    assert start * 1024 / RATE == pytest.approx(1.0 + 2048 / RATE, abs=1024 / RATE)


def test_parts_come_in_the_order_in_which_they_are_wanted(laboratory):
    parts = laboratory.parts([(2.0, 2.5), (1.0, 3.0)])
    centres = [(part.start + part.stop) / 2 * 1024 / RATE for part in itertools.islice(parts, 3)]
    assert centres == pytest.approx([2.25, 1.5, 2.75], abs=0.1)


def test_only_what_a_stroke_changed_is_computed_anew(laboratory, separated):
    before = {target: stem.copy() for target, stem in laboratory.estimates.items()}
    frames = laboratory.editor.apply(Stroke("vocals", "erase", [(1.0, 500.0), (1.5, 800.0)]))
    start, pieces = laboratory.resound(frames)
    stop = start + len(pieces["vocals"])
    assert 0.9 * RATE < start + 2048 < stop < 1.8 * RATE
    for target, stem in laboratory.estimates.items():
        mask, spectrum = laboratory.editor.masks[target], laboratory.mixture_stft[:]
        whole = istft(mask * spectrum, laboratory.params, len(stem))
        assert np.allclose(stem, whole, rtol=0, atol=1e-6)
        assert np.array_equal(pieces[target], stem[start:stop])
        assert np.array_equal(stem[:start], before[target][:start])
        assert np.array_equal(stem[stop:], before[target][stop:])
        assert not np.array_equal(stem[start:stop], before[target][start:stop])
    assert laboratory.residual_db() == pytest.approx(separated.residual_db(), abs=0.5)


def test_the_oracle_phase_helps_and_needs_true_stems(laboratory, separated):
    reference = laboratory.references["vocals"]
    before = si_sdr(reference, laboratory.estimates["vocals"])
    laboratory.set_options(oracle_phase=True)
    work(laboratory)
    assert si_sdr(reference, laboratory.estimates["vocals"]) > before + 1
    levels = np.abs(stft(laboratory.estimates["vocals"], laboratory.params))
    assert np.corrcoef(levels.ravel(), np.abs(separated.masks["vocals"][:]
                       * separated.mixture_stft[:]).ravel())[0, 1] > 0.9  # fmt: skip
    with pytest.raises(ParameterError, match="true stems"):
        Laboratory(separated).set_options(oracle_phase=True)


def test_ideal_masks_are_those_of_the_true_stems(laboratory):
    spectra = {t: stft(w, laboratory.params) for t, w in laboratory.references.items()}
    expected = ideal_ratio_masks(spectra)
    for target, found in laboratory.ideal_masks.items():
        assert np.allclose(found[10:150], expected[target][10:150], atol=1e-5)


def test_references_must_be_of_the_targets(separated, excerpt):
    with pytest.raises(ParameterError, match="vocals, accompaniment"):
        Laboratory(separated, excerpt[1])


@pytest.mark.parametrize("first", [(), [(0.5, 1.0)], [(3.0, 9.0)]])
def test_parts_can_be_of_some_frames_only(laboratory, first, monkeypatch):
    monkeypatch.setattr("mssviz.laboratory.PART_SECONDS", 0.5)
    parts = list(laboratory.parts(first, slice(30, 100)))
    assert len(parts) > 2
    frames = [frame for part in parts for frame in range(part.start, part.stop)]
    assert sorted(frames) == list(range(30, 100))


STROKE = Stroke("vocals", "erase", [(0.5, 800), (1.0, 800)], radius_hertz=400)


def heard_alike(laboratory):
    """Whether what is heard is the laboratory's own sound and masks, to the sample."""
    heard = laboratory.heard
    return all(
        np.array_equal(heard.estimates[t], laboratory.estimates[t])
        and np.array_equal(heard.masks[t][:], laboratory.editor.masks[t])
        for t in heard.targets
    )


def test_what_is_heard_can_be_had_as_a_separation_to_the_sample(laboratory, tmp_path):
    assert heard_alike(laboratory)
    before = laboratory.heard
    assert laboratory.heard is before
    untouched = {target: stem.copy() for target, stem in before.estimates.items()}
    laboratory.resound(laboratory.editor.apply(STROKE))
    assert heard_alike(laboratory)
    assert all(np.array_equal(before.estimates[t], untouched[t]) for t in untouched)
    [vocals, _] = laboratory.heard.save(tmp_path, "wav")
    written, _ = audio.load_audio(vocals)
    assert np.allclose(written, laboratory.estimates["vocals"], atol=1 / 32768)
    assert not np.allclose(written, untouched["vocals"], atol=0.01)
    assert laboratory.heard.residual_db() == laboratory.residual_db()
    assert laboratory.heard._repr_jpeg_() != before._repr_jpeg_()
    laboratory.resound(laboratory.editor.undo())
    assert heard_alike(laboratory)
    laboratory.set_options(hardness=1.0)
    work(laboratory)
    assert laboratory.heard.options.hardness == 1.0
    assert heard_alike(laboratory)


def test_strokes_stay_when_what_is_heard_gets_other_masks(laboratory):
    laboratory.resound(laboratory.editor.apply(STROKE))
    other = laboratory.heard.with_options(hardness=1.0)
    laboratory.set_options(hardness=1.0)
    work(laboratory)
    for target, stem in laboratory.estimates.items():
        assert np.array_equal(other.masks[target][:], laboratory.editor.masks[target])
        assert np.allclose(other.estimates[target], stem, rtol=0, atol=1e-6)
    laboratory.resound(laboratory.editor.undo())
    plain = laboratory.heard.with_options(hardness=0.0)
    assert_is(make(plain), laboratory.separation.with_options(hardness=0.0))


def test_what_is_heard_has_the_true_phase_where_that_is_wanted(laboratory):
    laboratory.set_options(oracle_phase=True)
    work(laboratory)
    assert heard_alike(laboratory)
    other = laboratory.heard.with_options(power=4.0)
    laboratory.set_options(oracle_phase=True, power=4.0)
    work(laboratory)
    assert np.allclose(other.estimates["vocals"], laboratory.estimates["vocals"], atol=1e-6)


def test_a_stem_without_a_true_one_shares_what_the_others_leave(laboratory, separated):
    true = {"vocals": laboratory.references["vocals"]}
    known = make(separated, true)
    # two targets whose true stems add up: what is left over is the other
    mask, expected = known.ideal_masks["vocals"], laboratory.ideal_masks["vocals"]
    assert list(known.ideal_masks) == ["vocals"]
    assert np.abs(mask[10:150] - expected[10:150]).mean() < 1e-3
    before = {target: stem.copy() for target, stem in known.estimates.items()}
    known.set_options(oracle_phase=True)
    work(known)
    assert np.array_equal(known.estimates["accompaniment"], before["accompaniment"])
    assert not np.allclose(known.estimates["vocals"], before["vocals"], atol=1e-3)
