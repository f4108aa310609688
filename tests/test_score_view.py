"""Scores on a time axis: what the browser is told, as JSON, and what is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import mssviz
from mssviz.errors import ParameterError
from mssviz.plots import STEM_COLORS
from mssviz.scores.windows import MEASURES
from mssviz.widgets.scores import ScoreView

N_WINDOWS = 5


def table(targets=("vocals", "drums"), times=range(N_WINDOWS), seed=0):
    rng = np.random.default_rng(seed)
    tables = [
        pd.DataFrame(
            {"target": target, "time": np.array(times, float)}
            | {measure: rng.normal(5, 4, len(times)) for measure in MEASURES}
        )
        for target in targets
    ]
    return pd.concat(tables, ignore_index=True)


def told(view):
    """What the browser is told of windows and scores."""
    return view.get_state()["_table"]


def test_windows_that_touch_damage_are_told():
    scores = table(times=[0, 1, 2])
    assert told(ScoreView(scores))["repaired"] == [False] * 3
    damaged = scores.assign(repaired=scores["time"] == 1)
    assert told(ScoreView(damaged))["repaired"] == [False, True, False]


def test_the_state_holds_the_table():
    scores = table()
    view = mssviz.ScoreView(scores, colors={"drums": "teal"}, offset=30)
    assert told(view)["times"] == [30, 31, 32, 33, 34]
    assert told(view)["window"] == told(view)["step"] == 1
    assert [(t["name"], t["color"]) for t in told(view)["targets"]] == [
        ("vocals", STEM_COLORS["vocals"]),
        ("drums", "teal"),
    ]
    for target in told(view)["targets"]:
        rows = scores[scores["target"] == target["name"]]
        for measure in MEASURES:
            assert target[measure] == rows[measure].tolist()
    assert (view.start, view.stop, view.time) == (30, 35, 30)
    assert (view.selection, view.measure, view.height) == (None, "SDR", 150)


def test_everything_shown_is_in_the_state_as_json():
    scores = table()
    scores.loc[1, list(MEASURES)] = np.nan
    scores.loc[2, "SIR"] = np.inf
    scores.loc[3, "SAR"] = -np.inf
    state = ScoreView(scores).get_state()
    text = json.dumps({k: v for k, v in state.items() if k[0] != "_"} | {"t": state["_table"]},
                      allow_nan=False, default=str)  # fmt: skip
    vocals = json.loads(text)["t"]["targets"][0]
    assert [vocals[measure][1] for measure in MEASURES] == [None] * 4
    assert vocals["SIR"][2] == "Infinity"
    assert vocals["SAR"][3] == "-Infinity"


def test_a_table_from_evaluate_fits():
    rng = np.random.default_rng(0)
    references = {name: rng.normal(0, 0.1, (16_000, 2)) for name in ("vocals", "drums")}
    references["drums"][8000:12_000] = 0
    estimates = {name: w + 0.01 * rng.normal(size=w.shape) for name, w in references.items()}
    scores = mssviz.evaluate(references, estimates, 8000, window=0.5, hop=0.5)
    view = ScoreView(scores, window=0.5)
    assert told(view)["times"] == [0, 0.5, 1, 1.5]
    assert told(view)["targets"][1]["SDR"][2] is None
    assert view.stop == 2


def test_rows_come_in_any_order_and_missing_windows_have_no_score():
    scores = table().drop(index=[1, 7]).sample(frac=1, random_state=0)
    view = ScoreView(scores, window=1.0)
    assert told(view)["times"] == [0, 1, 2, 3, 4]
    missing = {
        target["name"]: [i for i, v in enumerate(target["SDR"]) if v is None]
        for target in told(view)["targets"]
    }
    assert missing == {"vocals": [1], "drums": [2]}


def test_overlapping_windows_are_drawn_as_wide_as_they_are_apart():
    view = ScoreView(table(times=[0, 0.5, 1.0]), window=2.0)
    assert told(view)["step"] == 0.5
    assert view.stop == 3
    assert ScoreView(table(times=[0, 4]), window=2.0)._table["step"] == 2
    assert ScoreView(table(times=[7]), window=2.0)._table["step"] == 2


def test_other_scores_replace_the_table_and_keep_the_view():
    view = ScoreView(table(), start=1, stop=3, time=2, measure="SIR", selection=[1, 2])
    changes = []
    view.observe(lambda change: changes.append(change["name"]))
    scores = table(targets=("vocals", "drums", "bass"), seed=1)
    view.set_scores(scores)
    assert changes == ["_table"]
    assert [t["name"] for t in told(view)["targets"]] == ["vocals", "drums", "bass"]
    assert told(view)["targets"][0]["SDR"] == scores["SDR"][:N_WINDOWS].tolist()
    state = (view.start, view.stop, view.time, view.measure, view.selection)
    assert state == (1, 3, 2, "SIR", [1, 2])


def test_a_table_that_is_refused_leaves_the_old_one():
    view = ScoreView(table())
    before = told(view)
    with pytest.raises(ParameterError):
        view.set_scores(table().iloc[:0])
    assert told(view) is before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop(columns=["SIR", "time"]), "lacks time, SIR"),
        (lambda s: s.iloc[:0], "at least one window"),
        (lambda s: pd.concat([s, s]), "vocals has several at 0 s"),
        (lambda s: s.assign(time=np.nan), "seconds in every row"),
        (lambda s: s.assign(time=np.inf), "seconds in every row"),
        (lambda s: s.assign(SDR="loud"), "SDR must hold numbers"),
    ],
)
def test_what_is_no_table_of_scores_is_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        ScoreView(change(table()))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"window": 0}, "window"),
        ({"window": math.nan}, "window"),
        ({"offset": -1}, "offset"),
        ({"offset": math.inf}, "offset"),
        ({"colour": "red"}, "no option 'colour'"),
        ({"_table": {}}, "no option '_table'"),
        ({"start": math.nan}, "start must be finite"),
        ({"time": math.inf}, "time must be finite"),
        ({"selection": [2, 1]}, "selection must be"),
        ({"selection": [math.nan, 1]}, "must be finite"),
        ({"height": 10}, "at least 80"),
    ],
)
def test_options_outside_their_domain_are_refused(option, message):
    with pytest.raises(ParameterError, match=message):
        ScoreView(table(), **option)


def test_measures_are_the_four():
    view = ScoreView(table())
    for measure in MEASURES:
        view.measure = measure
    with pytest.raises(Exception, match="SDR"):
        view.measure = "SNR"


def test_what_the_browser_sets_arrives():
    view = ScoreView(table(), offset=30)
    view.set_state({"time": 32, "selection": [31, 33.5], "start": 30.5, "measure": "SAR"})
    assert (view.time, view.selection, view.start, view.measure) == (32, [31, 33.5], 30.5, "SAR")
    assert isinstance(view.time, float)
