"""What models cost here, and what tells them apart before they are tried."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mssviz import comparison, separators
from mssviz.comparison import costs
from mssviz.errors import Cancelled, MssvizError, ParameterError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def test_a_model_is_measured_in_a_process_of_its_own():
    told = []
    table = comparison.cost(
        ["oracle:IRM2", "hpss > other > bands"],
        seconds=2.0,
        progress=lambda *found: told.append(found),
    )
    assert list(table.index) == ["oracle:IRM2", "hpss > other > bands"]
    assert tuple(table.columns) == costs.COLUMNS
    assert (table["weights"] == "ready").all()
    numbers = table.drop(columns="weights")
    assert (numbers > 0).all(axis=None)
    assert (table["memory_mb"] > 50).all()
    done = [found[0] for found in told]
    assert done == sorted(done)
    assert told[0] == (0, 2, "cost: oracle:IRM2")
    assert told[-1][:2] == (2, 2)


def test_a_network_without_weights_is_measured_with_random_ones_and_nothing_is_fetched():
    assert separators.entry("umx-tiny").state != "ready"
    table = comparison.cost("umx-tiny", seconds=1.0, progress=False)
    assert table.loc["umx-tiny", "weights"] == "random"
    assert table.loc["umx-tiny", "seconds_per_second"] > 0


@pytest.mark.parametrize("name", ["spleeter:2stems", "scnet-tiny", "demucs-tiny", "umx-tiny"])
def test_a_step_is_what_the_next_patch_adds(name):
    """What is left out of the cost is only what whole patches have beyond the sound."""
    preset = separators.entry(name).preset
    step = costs._step(preset)
    assert 0 < step <= max(preset.patch_samples, preset.patch_frames * preset.stft.hop_length)
    counted = []
    for n_steps in (9, 10):
        patches = costs._Patches(lambda patch: {t: zeros(preset, patch) for t in preset.targets})
        patches.network.signal = preset.signal
        model = separators.Separator.from_network(preset, patches)
        silence = np.zeros((n_steps * step, preset.n_channels), np.float32)
        model.separate(silence, model.sample_rate, progress=False)
        counted.append(patches.n)
    assert counted[1] - counted[0] == 1


def zeros(preset, patch):
    """What a network of a preset gives for a patch, silent."""
    if preset.gives_waveforms:
        return np.zeros((1, preset.patch_samples, preset.n_channels), np.float32)
    return np.zeros(patch.shape, np.float32)


def test_without_names_all_are_measured_that_are_ready(monkeypatch):
    asked = []

    def working(name, seconds):
        asked.append(name)
        code = f"import json; print(json.dumps(dict.fromkeys({costs.COLUMNS[:-1]}, 1)))"
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(costs, "_working", working)
    table = comparison.cost(progress=False)
    assert asked == list(table.index)
    assert {"spleeter:2stems", "hpss"} <= set(asked)
    assert set(asked).isdisjoint({"umx-tiny", "mixture", "oracle:IRM2"})


def test_work_that_is_cancelled_leaves_no_process():
    begun = []
    popen = subprocess.Popen

    class Watched(popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            begun.append(self)

    def stop(*_):
        raise Cancelled("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", Watched)
        with pytest.raises(Cancelled):
            comparison.cost("hpss", progress=stop)
    [process] = begun
    assert process.poll() is not None


def test_a_process_ends_with_the_one_that_waits_for_it():
    arguments = [sys.executable, "-c", costs._PROGRAM, "repet-sim", "3600"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.close()
        assert process.wait(300) == 1


@pytest.mark.parametrize(
    ("models", "seconds", "message"),
    [
        ("nothing", 1.0, "no preset 'nothing'"),
        ([], 1.0, "name a model or more"),
        ("hpss", 0, "seconds must be more than 0"),
        ("hpss", "1", "seconds must be a number"),
        ("0.5 umx-tiny + 0.5 umx-tiny", 1.0, "not all of its weights are here"),
    ],
)
def test_what_cannot_be_measured_is_one_line(models, seconds, message):
    with pytest.raises(ParameterError, match=message):
        comparison.cost(models, seconds=seconds, progress=False)


def test_a_model_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "_PROGRAM", "raise SystemExit(3)")
    with pytest.raises(MssvizError, match="hpss cannot be measured: its process ended with code 3"):
        comparison.cost("hpss", progress=False)


def test_the_overview_has_every_model_that_can_be_used():
    table = comparison.overview()
    networks = {
        name for name, one in separators.entries().items()
        if one.group == "classical" or one.preset.weights.files
    }  # fmt: skip
    assert set(table.index) == networks
    n_stems = table["stems"].str.count(",")
    assert n_stems.is_monotonic_increasing
    # the two scales never stand in one row, and a score says of which songs
    assert not (table["cSDR"].notna() & table["uSDR"].notna()).any()
    scored = table[["cSDR", "uSDR"]].notna().any(axis=1)
    assert (scored == (table["songs"] != "")).all()
    assert table.loc["scnet:xl-ihf", "uSDR"] == 11.42
    assert np.isnan(table.loc["hpss", "uSDR"])


# --- The page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(ROOT / "tools" / "which_model.py")


def test_the_page_says_what_the_catalogue_says(tool):
    page = (ROOT / "docs" / "which-model.md").read_text("utf-8")
    assert tool["written"](page) == page, "run python tools/which_model.py"


def test_costs_on_the_page_are_of_models_that_there_are(tool):
    known = tool["costs"]()
    assert set(known.index) <= set(tool["overview"]().index)
    assert (known > 0).all(axis=None)


def test_the_page_advises_models_that_there_are():
    page = (ROOT / "docs" / "which-model.md").read_text("utf-8")
    advice = page[: page.index("## All that can be used")]
    named = set(re.findall(r"`([a-z0-9:-]+)`", advice))
    assert len(named) > 5
    assert named <= set(comparison.overview().index)
