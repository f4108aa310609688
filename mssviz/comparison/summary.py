"""What a table of `compare` says: medians, published scores beside them, and who beats whom."""

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mssviz._measures import scale_of
from mssviz.comparison.published import SISEC, published
from mssviz.comparison.scoring import COLUMNS, Scoring
from mssviz.errors import ParameterError
from mssviz.presets import NOT_KNOWN
from mssviz.scores import MEASURES, OF_WINDOWS
from mssviz.scores.windows import check_table
from mssviz.separators import entry, oracles

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
    """Take the median over tracks of the medians over windows; of uSDR the mean, as boards do.

    Parameters
    ----------
    table
        Table from `compare`.
    published
        Whether to set published scores (see `comparison.published`) beside one's own of the same
        measure, with three more columns. ``data`` says which songs a row is of, because only rows
        of the same songs and version can be compared; ``training`` says what was learnt from.
        ``alike`` names SiSEC 2018's entry, or one's own model, that is defined in the same way. An
        oracle of SiSEC's is listed only beside its like: ``IRM2`` beside ``oracle:IRM2``, but not
        beside ``oracle:IRM2-targets``. ``MIX`` is left out: it is a share of the mixture, 1/4 for
        each of four stems, where ours is all of it.

    Returns
    -------
    DataFrame
        Index ``target``, ``model``; a column for each measure, in the unit that `scores.MEASURES`
        has; ``tracks``, their number; and ``trained_on_test``: ``"yes"``, ``"no"`` or ``"not
        known"``, as the model's card says whether it was trained on MUSDB18's test songs. It is
        not known of models whose name is nobody's but this table's.

    Warns
    -----
    UserWarning
        If windows do not begin a second apart: their scores are on another scale than the
        published ones, which are left out. And if a number is of some of the tracks only, since
        the others have no such score.
    """
    import pandas as pd

    per_track = medians(table)
    keys = ["target", "model"]
    grouped = per_track.groupby(keys, sort=False)
    result = grouped.median()
    if "uSDR" in result:
        result["uSDR"] = grouped["uSDR"].mean()
    measures = list(result.columns)
    _tell_of_few(grouped.count(), grouped.size().tolist())
    models = result.index.get_level_values("model")
    songs = {model: _training_songs(model) for model in _models(table)}
    result["tracks"] = grouped.size()
    result["trained_on_test"] = [songs[model][0] for model in models]
    if not published:
        return result
    own = result.assign(
        data="these tracks",
        training=[songs[model][1] for model in models],
        alike=[_entry_label(oracles.published_as(model)) for model in models],
    )
    theirs = _published(table, measures)
    return pd.concat([own, theirs]).sort_index(level="target", sort_remaining=False)


def _tell_of_few(scored: "pd.DataFrame", tracks: Sequence[int]) -> None:
    """Warn of numbers that are of some tracks only, and name the first."""
    few = [
        f"{measure} of {target} by {model} is of {number} of {n_tracks} tracks"
        for (target, model), row, n_tracks in zip(
            scored.index.tolist(), scored.to_dict("records"), tracks, strict=True
        )
        for measure, number in row.items()
        if 0 < number < n_tracks
    ]
    if few:
        more = f", and {len(few) - 1} more" if len(few) > 1 else ""
        warnings.warn(
            f"not of all tracks: {few[0]}{more}; where a stem is silent, or sound was damaged, "
            "there is no such score",
            stacklevel=3,
        )


def _training_songs(model: str) -> tuple[str, str]:
    """Whether a model was trained on test songs, and on which songs, as its card says."""
    try:
        preset = entry(model).preset
    except ParameterError:  # a model of somebody's own, under a name of this table
        return NOT_KNOWN, NOT_KNOWN
    return preset.trained_on_test, preset.training_data


def _published(table: "pd.DataFrame", measures: list[str]) -> "pd.DataFrame":
    """Published scores of a table's targets and measures, a row for each target and model.

    Oracles that have no like in the table are left out, and scores of windows where the table's
    are others.
    """
    if not _in_seconds(table):
        warnings.warn(
            "published SDR, ISR, SIR and SAR are medians of windows of one second, and these "
            "windows are others: two scales, so they are left out; compare with Scoring(1, 1)",
            stacklevel=3,
        )
        measures = [name for name in measures if name not in OF_WINDOWS]
    alike = {_entry_label(oracles.published_as(model)): model for model in _models(table)}
    without = {SISEC + name for name in _REFERENCE_POINTS} - set(alike)
    found = published()
    found = found[
        found["target"].isin(set(table["target"]))
        & found["measure"].isin(measures)
        & ~found["model"].isin(without)
    ]
    about = ["tracks", "trained_on_test", "data", "training"]
    wide = found.set_index(["target", "model", *about, "measure"])["value"].unstack("measure")
    wide = wide.reset_index(about)
    return wide.assign(alike=[alike.get(model, "") for _, model in wide.index])


def _in_seconds(table: "pd.DataFrame") -> bool:
    """Whether windows begin a second apart."""
    starts = np.unique(table["time"].dropna())
    return len(starts) > 1 and np.allclose(np.diff(starts), 1)


def _entry_label(entry: str | None) -> str:
    return SISEC + entry if entry else ""


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
    if not len(rows):
        raise ParameterError(f"the table has no windows of {track} by {model}")
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
