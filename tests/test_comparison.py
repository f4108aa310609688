"""Models compared on tracks: one table, kept on disk, the same on workers."""

import importlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import types
import warnings
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mssviz
from mssviz import baselines, cli, comparison, datasets, measures, metrics, plots, scores
from mssviz.cli import _evaluate
from mssviz.comparison import Scoring, compare, pairs
from mssviz.comparison.store import KEPT, ScoreStore, key_of
from mssviz.errors import Cancelled, MssvizError, ParameterError
from mssviz.networks import Network
from mssviz.networks._tensorflow import keras
from mssviz.training import result

pytestmark = pytest.mark.slow

MODELS = ["mixture", "oracle:IRM2", "bands"]
RATE = 44100


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Three short songs in folders of stems, of noise in different colours."""
    root = tmp_path_factory.mktemp("songs")
    for i in range(3):
        rng = np.random.default_rng(i)
        folder = root / f"song {i}"
        folder.mkdir()
        for name, smooth in (("vocals", 3), ("bass", 200), ("drums", 1)):
            noise = rng.standard_normal((RATE * 2 + 1000 * i, 2))
            kernel = np.hanning(smooth + 2)
            shaped = np.stack([np.convolve(c, kernel, "same") for c in noise.T], axis=1)
            shaped *= rng.uniform(0.05, 0.2) / np.abs(shaped).max()
            mssviz.write_audio(folder / f"{name}.flac", shaped.astype(np.float32), RATE)
    return datasets.from_folders(root)


@pytest.fixture(scope="module")
def table(tracks, tmp_path_factory):
    return compare(tracks, MODELS, cache=tmp_path_factory.mktemp("cache"), progress=False)


def test_the_table_is_tidy_and_holds_what_evaluate_gives(tracks, table):
    assert list(table.columns) == list(comparison.COLUMNS)
    assert set(table["measure"]) == set(mssviz.scores.MEASURES)
    assert set(table["track"]) == set(tracks)
    model = baselines.find("oracle:IRM2")
    mixture, sources = tracks["song 1"].load()
    references = datasets.to_targets(sources, baselines.TWO_STEMS)
    estimates = model.separate(mixture, RATE, False, sources).estimates
    expected = metrics.evaluate(references, estimates, RATE)
    found = table[(table["track"] == "song 1") & (table["model"] == "oracle:IRM2")]
    for measure in metrics.MEASURES:
        rows = found[(found["measure"] == measure) & (found["target"] == "vocals")]
        assert np.array_equal(rows["value"], expected[expected["target"] == "vocals"][measure])
    vocals = references["vocals"], estimates["vocals"]
    for name, expected in (
        ("SI-SDR", measures.si_sdr(*vocals)),
        ("SD-SDR", measures.sd_sdr(*vocals)),
        ("MSE", measures.mse_db(*vocals)),
        ("LSD", measures.log_spectral_distance(*vocals, RATE)),
        ("uSDR", scores.usdr(*vocals)),
        ("SI-SIR", scores.si_sir(*vocals, {"rest": references["accompaniment"]})),
        ("SI-SAR", scores.si_sar(*vocals, {"rest": references["accompaniment"]})),
        ("log-WMSE", scores.log_wmse(*vocals, mixture, RATE)),
        ("bleedless", scores.bleedless(*vocals, RATE)),
        ("fullness", scores.fullness(*vocals, RATE)),
        ("L1Freq", scores.l1_freq(*vocals)),
    ):
        whole = found[found["measure"] == name]
        assert whole["time"].isna().all()
        assert whole["value"].iloc[0] == expected


def test_a_rerun_measures_nothing(tracks, table, tmp_path, monkeypatch):
    first = compare(tracks, MODELS, cache=tmp_path, progress=False)
    pd.testing.assert_frame_equal(first, table)
    monkeypatch.setattr(comparison, "score", None)
    again = compare(tracks, MODELS, cache=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again, first, check_exact=True)


def test_an_interrupted_run_goes_on_where_it_was(tracks, table, tmp_path, monkeypatch):
    def stop(done, total, what):
        if done == 4:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        compare(tracks, MODELS, cache=tmp_path, progress=stop)
    scored = []
    real = comparison.score

    def spy(track, model, settings):
        scored.append((track.name, model.preset.name))
        return real(track, model, settings)

    monkeypatch.setattr(comparison, "score", spy)
    found = compare(tracks, MODELS, cache=tmp_path, progress=False)
    assert len(scored) == 9 - 4
    pd.testing.assert_frame_equal(found, table)


def test_what_scores_depend_on_is_in_their_key(tracks, tmp_path):
    track = tracks["song 0"]
    key = key_of(track, baselines.Mixture(), Scoring())
    other = tmp_path / "vocals.flac"
    other.write_bytes(track.stems["bass"][0].read_bytes())
    for changed in (
        (track.excerpt(0, 1), baselines.Mixture(), Scoring()),
        (track, baselines.Mixture(("vocals", "other")), Scoring()),
        (track, baselines.find("oracle:IRM1"), Scoring()),
        (track, baselines.Mixture(), Scoring(window=2.0)),
        (
            datasets.Track("song 0", {**track.stems, "vocals": (other, 0)}),
            baselines.Mixture(), Scoring(),
        ),
    ):  # fmt: skip
        assert key_of(*changed) != key
    assert key_of(track, baselines.Mixture(), Scoring()) == key


def test_weights_and_options_are_in_a_networks_key(separator):
    other = mssviz.Separator("spleeter:2stems", power=1.0, progress=False)
    assert separator.fingerprint() != other.fingerprint()
    assert len(separator.fingerprint().split()[-1]) == 64


def test_damaged_scores_are_measured_anew(tracks, table, tmp_path):
    compare(tracks, MODELS[:1], cache=tmp_path, progress=False)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    files[0].write_text('{"target": []}')
    files[1].write_bytes(b"\x00\xff")
    found = compare(tracks, MODELS[:1], cache=tmp_path, progress=False)
    expected = table[table["model"] == "mixture"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("seed", range(24))
def test_wrong_scores_are_never_given(tmp_path, seed):
    store, rng = ScoreStore(tmp_path), np.random.default_rng(seed)
    kept = pd.DataFrame([("a", 0.0, "SDR", 1.5)] * 3, columns=KEPT)
    store.put("x", kept)
    path = tmp_path / "x.json"
    data = bytearray(path.read_bytes())
    place = int(rng.integers(len(data)))
    if seed % 3 == 0:
        del data[place:]
    elif seed % 3 == 1:
        data[place] = rng.choice([c for c in b"0123456789[]{}:,." if c != data[place]])
    else:
        start = data.index(b'"value"')
        place = int(rng.choice([i for i in range(start, len(data)) if 48 <= data[i] <= 57]))
        data[place] = 48 + (data[place] - 47) % 10
    path.write_bytes(data)
    assert store.get("x") is None
    store.put("x", kept)
    pd.testing.assert_frame_equal(store.get("x"), kept, check_exact=True)


@pytest.mark.parametrize("text", ["", "3", "[]", "{}", "[" * 100_000, '{"scores": 3, "sha256": 1}'])
def test_files_that_are_no_scores_are_scored_anew(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    assert ScoreStore(tmp_path).get("x") is None


def test_scores_of_another_pair_are_not_taken(tmp_path):
    store = ScoreStore(tmp_path)
    store.put("x", pd.DataFrame([("a", 0.0, "SDR", 1.5)], columns=KEPT))
    (tmp_path / "x.json").rename(tmp_path / "y.json")
    assert store.get("y") is None


def test_perfect_scores_and_silence_survive_the_disk(tmp_path):
    store = ScoreStore(tmp_path)
    kept = pd.DataFrame(
        [("a", 0.0, "SDR", np.inf), ("a", 1.0, "SDR", np.nan), ("NA", 2.0, "SDR", 0.1 + 0.2)],
        columns=["target", "time", "measure", "value"],
    )
    store.put("x", kept)
    pd.testing.assert_frame_equal(store.get("x"), kept, check_exact=True)


def test_pairs_that_do_not_fit_are_left_out_with_a_warning(tracks, tmp_path):
    some = {"song 0": tracks["song 0"]}
    with pytest.warns(UserWarning, match="do not give the targets of oracle:IBM1"):
        found = compare(
            some, ["oracle:IBM1", "bands"], targets=("piano", "other"), cache=tmp_path,
            progress=False,
        )  # fmt: skip
    assert set(found["model"]) == {"bands"}
    with pytest.raises(ParameterError, match="at least one"):
        compare({}, MODELS)


def test_a_track_with_repaired_files_is_marked(tracks, tmp_path, repaired):
    repaired["vocals.flac"] = [(0.2, 0.3), (0.5, 0.6)]
    some = {"song 0": tracks["song 0"]}
    for _ in range(2):  # scored, then from the disk
        found = compare(some, ["mixture"], cache=tmp_path, progress=False)
        whole = found[found["time"].isna()]
        assert set(whole["measure"]) == {comparison.REPAIRED}
        assert np.allclose(whole["value"], 0.2)
        windows = found[found["time"].notna()].set_index("time")["value"]
        assert windows[0].isna().all()
        assert windows[1].notna().all()
    assert comparison.summary(found).loc[("vocals", "mixture"), "tracks"] == 1


def test_numbers_of_some_tracks_only_are_told(table):
    assert comparison.summary(table)["tracks"].tolist() == [3] * 6  # of all: nothing is told
    of_one = (table["track"] == "song 1") & (table["measure"] == "uSDR")
    lacking = table[~of_one | (table["model"] != "bands")]
    with pytest.warns(
        UserWarning, match=r"^not of all tracks: uSDR of \w+ by bands is of 2 of 3 .*, and 1 more;"
    ):
        comparison.summary(lacking)


def test_a_mixture_that_is_no_sum_of_stems_counts_as_it_is(tracks, tmp_path):
    mixture, stems = tracks["song 0"].load()
    mastered = tmp_path / "mixture.wav"
    mssviz.write_audio(mastered, 0.5 * mixture, RATE, bit_depth="float")
    track = datasets.Track("song 0", tracks["song 0"].stems, mixture=(mastered, 0))
    found = compare({"song 0": track}, ["mixture"], cache=tmp_path, progress=False)
    values = found.set_index(["target", "measure"])["value"]
    expected = scores.log_wmse(stems["vocals"], 0.5 * mixture, 0.5 * mixture, RATE)
    assert values["vocals", "log-WMSE"] == pytest.approx(expected, abs=1e-4)


def test_one_name_is_a_list_of_one(tracks, table, tmp_path):
    found = compare(tracks, "mixture", cache=tmp_path, progress=False)
    expected = table[table["model"] == "mixture"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


def test_what_is_no_collection_is_refused(tracks):
    track = tracks["song 0"]
    for wrong in (track, [track]):
        with pytest.raises(ParameterError, match="dict of name to Track"):
            compare(wrong, MODELS)
    model = baselines.Mixture()
    for wrong in (model, [model], ["bands", model]):
        with pytest.raises(ParameterError, match="dict of name to model"):
            compare(tracks, wrong)


# --- Summaries --------------------------------------------------------------------------------


def test_medians_are_over_windows_then_tracks(table):
    per_track = comparison.medians(table)
    one = table[
        (table["track"] == "song 2") & (table["model"] == "mixture")
        & (table["target"] == "vocals") & (table["measure"] == "SDR")
    ]["value"]  # fmt: skip
    assert per_track.loc[("song 2", "vocals", "mixture"), "SDR"] == one.median()
    found = comparison.summary(table)
    values = per_track.xs(("vocals", "mixture"), level=("target", "model"))["SDR"]
    assert found.loc[("vocals", "mixture"), "SDR"] == values.median()
    assert found.loc[("vocals", "mixture"), "tracks"] == 3


def test_published_scores_stand_beside_ones_own(table):
    found = comparison.summary(table, published=True)
    assert found.loc[("vocals", "SiSEC18 TAK1"), "SDR"] == 6.6
    assert set(found["data"]) == {
        "these tracks", "MUSDB18 test, museval 0.2", "MUSDB18-HQ test", "MVSEP Multisong",
    }  # fmt: skip
    assert found.loc[("vocals", "mixture"), "data"] == "these tracks"
    assert set(found.index.get_level_values("target")) == set(table["target"])


def test_a_published_score_stands_only_in_the_column_of_its_scale(table):
    found = comparison.summary(table, published=True).loc["vocals"]
    boards = found.loc["SCNet XL IHF"]
    assert boards[["uSDR", "training", "trained_on_test"]].tolist() == [11.42, "MUSDB18-HQ", "no"]
    assert boards[[*scores.OF_WINDOWS]].isna().all()
    paper = found.loc["SCNet-large (paper)"]
    assert paper["SDR"] == 10.86
    assert np.isnan(paper["uSDR"])
    without = table[table["measure"] != "uSDR"]
    found = comparison.summary(without, published=True).loc["vocals"]
    assert "SCNet XL IHF" not in found.index
    assert "uSDR" not in found


def test_published_scores_of_windows_are_left_out_beside_windows_of_another_length(table):
    halved = table.assign(time=table["time"] / 2)
    whole = table[~(table["time"] > 0)]
    for other in (halved, whole):
        with pytest.warns(UserWarning, match="windows of one second"):
            found = comparison.summary(other, published=True)
        theirs = found[found["data"] != "these tracks"]
        assert set(theirs["data"]) == {"MUSDB18-HQ test", "MVSEP Multisong"}
        assert theirs["SDR"].isna().all()
        assert theirs["uSDR"].notna().all()


def test_published_scores_say_where_they_stand_and_of_what():
    found = comparison.published()
    assert not found.drop(columns="tracks").isna().any(axis=None)
    assert not found.duplicated(["model", "target", "measure"]).any()
    assert set(found["measure"]) == {"SDR", "ISR", "SIR", "SAR", "uSDR"}
    by_model = found.drop_duplicates("model").set_index("model")["trained_on_test"]
    assert by_model["SiSEC18 IRM2"] == by_model["BS-RoFormer 384x8"] == "no"
    assert by_model["SiSEC18 UHL3"] == by_model["BS-RoFormer viperx"] == "not known"
    of_stems = found[(found["measure"] == "uSDR") & (found["tracks"] == 50)]
    of_stems = of_stems.pivot(index="model", columns="target", values="value").dropna()
    assert len(of_stems) == 10
    means = of_stems[["vocals", "drums", "bass", "other"]].mean(axis=1)
    assert (means - of_stems["mean"]).abs().max() < 0.011


def test_the_mean_over_tracks_is_what_boards_make_of_usdr(table):
    per_track = comparison.medians(table)["uSDR"].xs(("vocals", "mixture"), level=[1, 2])
    found = comparison.summary(table).loc[("vocals", "mixture"), "uSDR"]
    assert found == pytest.approx(per_track.mean())
    assert found != pytest.approx(per_track.median(), abs=1e-3)


def test_a_model_that_may_know_the_test_songs_is_marked(table, capsys):
    names = {"mixture": "mel-roformer:kim-vocals", "bands": "my network"}
    renamed = table.assign(model=table["model"].replace(names))
    found = comparison.summary(renamed)["trained_on_test"].droplevel("target").to_dict()
    assert found == {
        "my network": "not known", "oracle:IRM2": "no", "mel-roformer:kim-vocals": "not known",
    }  # fmt: skip
    found = comparison.summary(renamed, published=True)["training"]
    assert found["vocals", "mel-roformer:kim-vocals"].startswith("not stated")
    assert found["bass", "my network"] == "not known"
    _evaluate._print_corpus(renamed, ["my network", "oracle:IRM2"])
    theirs, oracles = capsys.readouterr().out.split("oracle:IRM2, median over")
    assert "\n(Was it trained on these songs? Not known.)\n" in theirs
    assert "trained" not in oracles


def test_published_oracles_stand_beside_their_like_alone(table):
    found = comparison.summary(table, published=True)
    for target in baselines.TWO_STEMS:
        assert found.loc[(target, "SiSEC18 IRM2"), "alike"] == "oracle:IRM2"
        assert found.loc[(target, "oracle:IRM2"), "alike"] == "SiSEC18 IRM2"
        assert found.loc[(target, "mixture"), "alike"] == ""
        assert found.loc[(target, "SiSEC18 TAK1"), "alike"] == ""
    assert not {"SiSEC18 IBM1", "SiSEC18 MWF", "SiSEC18 MIX"} & set(found.index.levels[1])
    renamed = table.assign(model=table["model"].replace("oracle:IRM2", "oracle:IRM2-targets"))
    found = comparison.summary(renamed, published=True)
    assert set(found["alike"]) == {""}
    assert "SiSEC18 IRM2" not in found.index.get_level_values("model")


def test_options_are_for_the_networks_of_a_comparison(tracks, table, tmp_path):
    found = compare(tracks, MODELS, options={"power": 1.0}, cache=tmp_path, progress=False)
    pd.testing.assert_frame_equal(found, table)


def test_models_are_compared_in_pairs_on_the_same_tracks(table):
    found = comparison.paired(table, "oracle:IRM2", "mixture")
    assert list(found.index) == ["vocals", "accompaniment"]
    assert (found["tracks"] == 3).all()
    assert (found["better"] == 1).all()
    assert found.loc["vocals", "p"] == 0.25  # the least that three tracks can give
    assert found.loc["vocals", "median_difference"] > 0
    with pytest.raises(ParameterError, match="oracle:IRM2"):
        comparison.paired(table, "nobody", "mixture")


def test_museval_aggregates_our_files(table, tracks, tmp_path, monkeypatch):
    # museval imports musdb, which wants the ffmpeg program; its aggregation needs neither
    monkeypatch.setitem(sys.modules, "musdb", types.SimpleNamespace(DB=object))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        museval = importlib.import_module("museval")
    folder = tmp_path / "test"
    folder.mkdir()
    mute = table[table["track"] == "song 0"].assign(track="mute", value=np.nan)
    table = pd.concat([table, mute])
    for track in [*tracks, "mute"]:
        text = comparison.to_museval(table, track, "oracle:IRM2", Scoring())
        (folder / f"{track}.json").write_text(text)
    scores = museval.EvalStore()
    scores.add_eval_dir(tmp_path)
    theirs = scores.agg_frames_tracks_scores()
    with pytest.warns(UserWarning, match=r"^not of all tracks: SDR of vocals .* is of 3 of 4"):
        ours = comparison.summary(table)
    for target in baselines.TWO_STEMS:
        for measure in metrics.MEASURES:
            expected = ours.loc[(target, "oracle:IRM2"), measure]
            assert theirs.loc[(target, measure)] == pytest.approx(expected, abs=1e-3)


def test_files_for_museval_are_strict_json():
    rows = [
        ("a", "vocals", "m", float(i), measure, value)
        for i, value in enumerate((np.inf, np.nan, -np.inf, 1.5))
        for measure in metrics.MEASURES
    ]
    scores = pd.DataFrame(rows, columns=list(comparison.COLUMNS))
    text = comparison.to_museval(scores, "a", "m", Scoring(window=np.inf))

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    [target] = json.loads(text, parse_constant=refuse)["targets"]
    assert [frame["metrics"]["SDR"] for frame in target["frames"]] == [None, None, None, 1.5]
    assert target["frames"][0]["duration"] is None


def test_pictures_of_a_comparison(table):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    plots.model_boxes(comparison.medians(table)["SDR"], ax=axes)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert set(labels) >= {"mixture", "oracle:IRM2"}
    axes = Figure().subplots()
    plots.model_pairs(comparison.medians(table)["SDR"], "oracle:IRM2", "mixture", ax=axes)
    assert len(axes.lines) >= 6  # a line a track and target


def test_pictures_and_tests_know_which_way_is_better(table):
    from matplotlib.figure import Figure

    medians = comparison.medians(table)
    for measure, unit in (("SDR", " (dB)"), ("LSD", " (dB)"), ("bleedless", " (0–100)"),
                          ("log-WMSE", "")):  # fmt: skip
        axes = Figure().subplots()
        plots.model_boxes(medians[measure], ax=axes)
        assert axes.get_xlabel() == measure + unit
        order = [label.get_text() for label in axes.get_yticklabels()]
        assert order.index("oracle:IRM2") > order.index("mixture")
        axes = Figure().subplots()
        plots.model_pairs(medians[measure], "oracle:IRM2", "mixture", ax=axes)
        assert axes.get_ylabel() == measure + unit
    for measure in ("SDR", "LSD", "MSE"):
        found = comparison.paired(table, "oracle:IRM2", "mixture", measure)
        assert (found["better"] == 1).all()
        assert ((found["median_difference"] > 0) == (measure == "SDR")).all()


# --- Command line -----------------------------------------------------------------------------


@pytest.fixture
def musdb(tracks, tmp_path):
    """Our songs as MUSDB18-HQ lays them out."""
    for name, track in tracks.items():
        mixture, stems = track.load()
        folder = tmp_path / "musdb" / "test" / name
        folder.mkdir(parents=True)
        stems["other"] = 0.5 * stems["drums"]
        mssviz.write_audio(folder / "mixture.wav", mixture + stems["other"], RATE)
        for source, stem in stems.items():
            mssviz.write_audio(folder / f"{source}.wav", stem, RATE)
    return tmp_path / "musdb"


def test_musdb_is_evaluated_in_spleeters_layout(musdb, tmp_path, monkeypatch):
    monkeypatch.setenv("MSSVIZ_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "scores"
    (musdb / "test" / "song 2").rename(musdb / "test" / "=1+2")
    command = ["evaluate", "--mus_dir", str(musdb), "-p", "bands", "-p", "oracle:IRM2"]
    csv = tmp_path / "scores.csv"
    result = CliRunner().invoke(cli.app, [*command, "-o", str(out), "--csv", str(csv)])
    assert set(pd.read_csv(csv)["track"]) == {"'=1+2", "song 0", "song 1"}  # no formula
    assert result.exit_code == 0, result.output
    blocks = result.stdout.split("median over 3 tracks")
    assert len(blocks) == 3
    assert re.search(r"bass:\nSDR: -?\d+\.\d{3}\nSAR: .*\nSIR: .*\nISR: .*\nother:", blocks[1])
    assert re.search(r"Of whole songs, the median .*:\n.*\nuSDR \(dB\) .*\n", blocks[1])
    assert re.search(r"\nbleedless \(0–100\) +\d", blocks[2])
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.json"))
    assert files[1] == "bands/test/song 0.json"
    assert len(files) == 6
    scores = json.loads((out / files[1]).read_text())
    assert [target["name"] for target in scores["targets"]] == ["bass", "other"]
    assert scores["targets"][0]["frames"][0]["duration"] == 1


def test_songs_are_separated_on_workers(tracks, tmp_path, cluster):
    songs = []
    for i, track in enumerate(tracks.values()):
        songs.append(tmp_path / f"{i}.flac")
        mssviz.write_audio(songs[-1], track.load()[0], RATE)
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all")
    command = ["separate", *map(str, songs), str(broken), "-o", str(tmp_path / "stems"), "-q"]
    result = CliRunner().invoke(cli.app, [*command, "--workers", cluster.scheduler.address])
    assert isinstance(result.exception, MssvizError)
    assert "1 of 4 files" in str(result.exception)
    assert "broken.mp3" in result.stderr
    separator = mssviz.Separator("spleeter:2stems", progress=False)
    for i, track in enumerate(tracks.values()):
        stem, _ = mssviz.load_audio(tmp_path / "stems" / str(i) / "vocals.wav")
        mixture, _ = mssviz.load_audio(songs[i])
        expected = separator.separate(mixture, RATE, False).estimates["vocals"]
        assert len(stem) == len(track.load()[0])
        assert np.abs(stem - expected).max() < 2 / 32768


# --- Workers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def assert_same(found, expected):
    # workers have one thread each, and sums are rounded in another order
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-6)


def test_workers_give_the_same_table(tracks, table, tmp_path, cluster):
    found = compare(tracks, MODELS, cache=tmp_path, progress=False, workers=cluster)
    assert_same(found, table)
    address = cluster.scheduler.address
    again = compare(tracks, MODELS, cache=tmp_path / "other", progress=False, workers=address)
    assert_same(again, table)


def test_a_worker_that_dies_loses_nothing(tracks, table, tmp_path, cluster):
    pids = cluster.run(os.getpid)
    killed = []

    def kill(done, total, what):
        if done == 2 and not killed:
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    found = compare(tracks, MODELS, cache=tmp_path, progress=kill, workers=cluster)
    assert killed
    assert_same(found, table)
    deadline = time.monotonic() + 30
    while len(cluster.run(os.getpid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)


def test_an_error_on_a_worker_is_told_here(tracks, tmp_path, cluster):
    gone = datasets.Track("gone", dict(tracks["song 0"].stems))
    folder = tmp_path / "gone"
    folder.mkdir()
    stems = {}
    for name, (path, _) in gone.stems.items():
        stems[name] = (folder / path.name, 0)
        stems[name][0].write_bytes(b"no sound at all")
    broken = {"gone": datasets.Track("gone", stems)}
    with pytest.raises(MssvizError, match=r"bass\.flac"):
        compare(broken, MODELS[:1], cache=tmp_path, progress=False, workers=cluster)


UNGUARDED = """
import sys
import mssviz
from mssviz import datasets
print("begins")
tracks = datasets.from_folders(sys.argv[1])
table = mssviz.compare(tracks, ["mixture"], workers=1, progress=False, cache=sys.argv[2])
print(len(set(table["track"])))
"""


def test_workers_need_no_guard_in_the_script_that_starts_them(tracks, tmp_path):
    songs = next(iter(tracks.values())).files[0].parents[1]
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", songs, tmp_path / "cache"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr  # but Dask may have a word on its port
    assert done.stdout == "begins\n3\n"  # and is run once


@pytest.mark.parametrize("workers", [0, -1, True, 1.5])
def test_workers_that_are_none_are_refused(tracks, tmp_path, workers):
    with pytest.raises(ParameterError, match="workers must be"):
        compare(tracks, MODELS[:1], cache=tmp_path, progress=False, workers=workers)


def test_an_address_where_nobody_answers_is_named(tracks, tmp_path, monkeypatch):
    monkeypatch.setattr("mssviz.scale.CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match=r"127\.0\.0\.1:9: no Dask scheduler"):
        compare(tracks, MODELS[:1], cache=tmp_path, progress=False, workers="tcp://127.0.0.1:9")
    with pytest.raises(ParameterError, match="by name"):
        compare(tracks, {"m": baselines.Mixture()}, workers=2)


def test_a_track_that_is_too_short_is_named(tracks, tmp_path):
    songs = {"long": tracks["song 0"], "short": tracks["song 1"].excerpt(0, 0.005)}
    with pytest.raises(ParameterError, match=r"song 1: has \d+ samples at .* scores need 512"):
        compare(songs, ["mixture"], cache=tmp_path, progress=False)


# --- Weights that change --------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """A small network as a preset, and a function that gives it other weights."""
    preset = mssviz.training.tiny()

    def network(seed):
        keras.utils.set_random_seed(seed)
        return Network(preset.model, preset.targets, preset.input_shape)

    def export(seed):
        result.export(
            tmp_path / "own",
            network(seed).model.save_weights,
            result.configuration(preset, mssviz.training.Settings(), ["a song"], None),
            "",
        )

    (tmp_path / "own").mkdir()
    export(1)
    return tmp_path / "own", network, export


def test_scores_are_kept_for_the_weights_that_made_them(tracks, own, tmp_path):
    folder, network, export = own
    song = {"song 0": tracks["song 0"]}

    def usdr(model):
        table = compare(song, {"own": model}, cache=tmp_path / "cache", progress=False)
        return comparison.summary(table)["uSDR"].tolist()

    loaded = mssviz.Separator(folder)
    first = usdr(loaded)
    other = usdr(mssviz.Separator.from_network(loaded.preset, network(2)))
    assert other != first
    export(3)  # while the first are in memory
    assert usdr(loaded) == first
    third = usdr(mssviz.Separator(folder))
    assert third not in (first, other)
    assert usdr(mssviz.Separator.from_network(loaded.preset, network(2))) == other


def test_a_worker_takes_new_weights(own, tracks, tmp_path):
    folder, _, export = own
    arguments = (tracks["song 0"], str(folder), baselines.TWO_STEMS, (), Scoring())
    first = pairs.score_by_name(*arguments)
    assert pairs.score_by_name(*arguments).equals(first)
    export(2)
    assert not pairs.score_by_name(*arguments).equals(first)


def test_a_worker_reads_a_configuration_that_was_changed(own, tracks):
    folder, *_ = own
    arguments = (tracks["song 0"], str(folder), baselines.TWO_STEMS, (), Scoring())
    first = pairs.score_by_name(*arguments)
    described = json.loads((folder / "config.json").read_text())
    described["context"] = described["patch_frames"] // 4
    (folder / "config.json").write_text(json.dumps(described))
    assert not pairs.score_by_name(*arguments).equals(first)


def test_all_of_a_preset_that_matters_is_in_a_models_key(own):
    preset = mssviz.Separator(own[0]).preset
    other = {int: 7, float: 0.7, str: "other", bool: True, tuple: ("a", "b"), dict: {"a": 1}}
    same = set()
    for field in fields(preset):
        value = getattr(preset, field.name)
        made = other.get(type(value), "other")
        if field.name == "stft":
            made = replace(value, hop_length=value.hop_length // 2)
        if replace(preset, **{field.name: made}).method == preset.method:
            same.add(field.name)
    assert same == {
        "title", "licence", "licence_source", "training_data", "trained_on_test", "citation",
        "published_scores", "weights", "training", "path",
    }  # fmt: skip


def test_a_network_in_memory_goes_to_no_other_process(own):
    folder, network, _ = own
    loaded = mssviz.Separator(folder)
    assert loaded.network
    assert pickle.loads(pickle.dumps(loaded)).fingerprint() == loaded.fingerprint()
    with pytest.raises(ParameterError, match="which no other process has"):
        pickle.dumps(mssviz.Separator.from_network(loaded.preset, network(1)))
