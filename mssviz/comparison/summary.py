"""What a table of `compare` says: medians, published scores beside them, and who beats whom."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import datasets
from mssviz._measures import scale_of
from mssviz.comparison.scoring import COLUMNS, Scoring
from mssviz.errors import ParameterError
from mssviz.scores import MEASURES, OF_WINDOWS
from mssviz.scores.windows import check_table
from mssviz.separators import oracles

if TYPE_CHECKING:
    import pandas as pd

#: SiSEC 2018's entries that are not separators.
_REFERENCE_POINTS = ("IBM1", "IBM2", "IRM1", "IRM2", "MWF", "MIX")


def medians(table: "pd.DataFrame") -> "pd.DataFrame":
    """Take the median over the windows of each track, as SiSEC does.

    Returns
    -------
    DataFrame
        Index ``track``, ``target``, ``model``; a column for each measure, in the unit that
        `scores.MEASURES` has.
    """
    check_table(table, COLUMNS, "mssviz.compare; for scores of one song call "
                        "mssviz.summarise")  # fmt: skip
    grouped = table.groupby(["track", "target", "model", "measure"], sort=False)["value"].median()
    order = [m for m in MEASURES if m in set(table["measure"])]
    return grouped.unstack("measure")[order]


def summary(table: "pd.DataFrame", published: bool = False) -> "pd.DataFrame":
    """Take the median over tracks of the medians over windows.

    Parameters
    ----------
    table
        Table from `compare`.
    published
        Whether to set SiSEC 2018's entries beside one's own, with two more columns. ``data`` says
        which songs a row is of, because only rows of the same songs and version can be compared.
        ``alike`` names the entry, or one's own model, that is defined in the same way. An oracle of
        SiSEC's is listed only beside its like: ``IRM2`` beside ``oracle:IRM2``, but not beside
        ``oracle:IRM2-targets``. ``MIX`` is left out: it is a share of the mixture, 1/4 for each of
        four stems, where ours is all of it.

    Returns
    -------
    DataFrame
        Index ``target``, ``model``; a column for each measure, in the unit that `scores.MEASURES`
        has, and ``tracks``, their number.
    """
    import pandas as pd

    per_track = medians(table)
    keys = ["target", "model"]
    result = per_track.groupby(keys, sort=False).median()
    result["tracks"] = per_track.groupby(keys, sort=False).size()
    if not published:
        return result
    theirs = pd.DataFrame(_published(table)).set_index(keys)
    own = result.assign(
        data="these tracks",
        alike=[_entry_label(oracles.published_as(model)) for _, model in result.index],
    )
    return pd.concat([own, theirs]).sort_index(level="target", sort_remaining=False)


def _published(table: "pd.DataFrame") -> Iterator[dict[str, Any]]:
    """Rows of SiSEC 2018 for a table's targets, without the oracles that have no like in it."""
    targets = set(table["target"])
    alike = {oracles.published_as(model): model for model in _models(table)}
    for entry, found in datasets.published_scores().items():
        if entry in _REFERENCE_POINTS and entry not in alike:
            continue
        for target in (name for name in found if name in targets):
            yield {
                "target": target,
                "model": _entry_label(entry),
                **found[target],
                "tracks": found["n"],
                "data": "MUSDB18 test, museval 0.2",
                "alike": alike.get(entry, ""),
            }


def _entry_label(entry: str | None) -> str:
    return f"SiSEC18 {entry}" if entry else ""


def paired(table: "pd.DataFrame", first: str, second: str, measure: str = "SDR") -> "pd.DataFrame":
    """Test whether one model beats another on the same tracks, by differences and Wilcoxon's test.

    Parameters
    ----------
    table
        Table from `compare`.
    first, second
        Names of models.
    measure
        Name of a measure of the table.

    Returns
    -------
    DataFrame
        Index ``target``; columns ``tracks``, ``median_difference`` (`first` minus `second`, in the
        measure's unit), ``better`` (share of tracks on which `first` is better) and ``p``, the
        two-sided probability of the signed-rank test; NaN with fewer than two tracks that differ.
        With five tracks or fewer it can never reach 0.05.

    Raises
    ------
    ParameterError
        If the table lacks a model or the measure.

    References
    ----------
    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945.
    """
    import pandas as pd
    import scipy.stats

    per_track = medians(table)
    for name, known in ((measure, per_track.columns), (first, _models(table)),
                        (second, _models(table))):  # fmt: skip
        if name not in known:
            raise ParameterError(f"no {name!r} in this table: choose one of {', '.join(known)}")
    values = per_track[measure].unstack("model")
    difference = (values[first] - values[second]).dropna()
    sign = -1 if scale_of(measure).less_is_better else 1
    rows = []
    for target, found in difference.groupby("target", sort=False):
        p = np.nan
        if np.count_nonzero(found) >= 2:
            p = float(scipy.stats.wilcoxon(found).pvalue)
        rows.append(
            {
                "target": target,
                "tracks": len(found),
                "median_difference": float(found.median()),
                "better": float((sign * found > 0).mean()),
                "p": p,
            }
        )
    columns = ["target", "tracks", "median_difference", "better", "p"]
    return pd.DataFrame(rows, columns=columns).set_index("target")


def to_museval(table: "pd.DataFrame", track: str, model: str, settings: Scoring) -> str:
    """Write one track's windows as the JSON that museval aggregates.

    Scores that are not finite are ``null``, where museval writes ``NaN``, which is no JSON; museval
    leaves perfect scores out of its medians, too.
    """
    rows = table[(table["track"] == track) & (table["model"] == model) & table["time"].notna()]
    targets = []
    for target, found in rows.groupby("target", sort=False):
        windows = found.pivot_table(
            index="time", columns="measure", values="value", dropna=False, sort=False
        )
        frames = [
            {
                "time": time,
                "duration": _finite(settings.window),
                "metrics": {m: _finite(values[m]) for m in OF_WINDOWS},
            }
            for time, values in zip(
                windows.index.to_list(), windows.to_dict("records"), strict=True
            )
        ]
        targets.append({"name": target, "frames": frames})
    content = {"targets": targets, "museval_version": "0.4.1"}
    return json.dumps(content, indent=1, allow_nan=False)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _models(table: "pd.DataFrame") -> list[str]:
    return list(dict.fromkeys(table["model"]))
