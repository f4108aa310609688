"""Several models on several songs: one table of scores, kept on disk as it grows.

Each pair of a track and a model is scored by itself, and its scores are kept in a file named by
what they depend on: the content of the track's files, the model with its weights and options, and
how it is measured. So an interrupted run goes on where it was, a rerun is instant, and a file that
changed is scored anew.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import datasets
from mssviz._progress import reporter
from mssviz._scale import spread
from mssviz._typing import PathLike, Progress
from mssviz.comparison.costs import cost
from mssviz.comparison.overview import overview
from mssviz.comparison.pairs import named, score, score_by_name
from mssviz.comparison.published import published
from mssviz.comparison.scoring import COLUMNS, REPAIRED, Scoring, check_arguments, check_choices
from mssviz.comparison.store import ScoreStore, key_of
from mssviz.comparison.summary import medians, paired, summary, to_museval
from mssviz.errors import ParameterError
from mssviz.separation import MaskChanges
from mssviz.separators import TWO_STEMS, Model
from mssviz.tracks import Track

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS", "REPAIRED", "Scoring", "compare", "cost", "medians", "overview", "paired",
    "published", "score", "summary", "to_museval",
]  # fmt: skip

#: Names of a track and of a model.
_Pair = tuple[str, str]
_NOTHING: Any = np.zeros((1, 1), np.float32)


def compare(
    tracks: Mapping[str, Track],
    models: str | Sequence[str] | Mapping[str, Model],
    *,
    targets: Sequence[str] = TWO_STEMS,
    options: MaskChanges | None = None,
    settings: Scoring | None = None,
    cache: PathLike | None = None,
    progress: bool | Progress = True,
    workers: Any = None,
) -> "pd.DataFrame":
    """Score models on tracks.

    Parameters
    ----------
    tracks
        Tracks by name; see `datasets`.
    models
        Names of models (or one name), as `separators.find` takes them, or models by the names that
        the table is to give them.
    targets
        Targets of oracles and of the mixture, where these are given by name.
    options
        Any of `MaskOptions`, for networks that are given by name.
    settings
        Windows and engine of the scores.
    cache
        Folder for scores; ``$MSSVIZ_CACHE/scores``, else the user's cache, if left out.
    progress
        True for a bar over pairs of track and model, False for none, or a callback
        ``(done, total, what)``. What it raises, such as `Cancelled`, stops the work, and nothing
        that is done is lost.
    workers
        None for one pair after the other in this process, a number for so many processes of a local
        Dask cluster, text for the address of a Dask scheduler, or a ``dask.distributed.Client``.
        With workers, models must be given by name, and workers must see the files under the same
        paths.

    Returns
    -------
    DataFrame
        One row for each number: ``track``, ``target``, ``model``, ``time`` (start of the window,
        seconds; NaN for a measure of the whole track), ``measure`` (one of `scores.MEASURES`) and
        ``value``, in the measure's unit. Pairs of a model and a track without stems for its
        targets are left out, with a warning. Where a file could not be decoded, windows have no
        score (NaN), and the whole track has `REPAIRED` instead of its measures.

    Raises
    ------
    ParameterError
        If there is nothing to compare, or models are given in a way that workers cannot use.

    Examples
    --------
    >>> songs = {"francium": mssviz.examples()["francium"].excerpt(0, 2)}
    >>> models = ["oracle:IRM2", "mixture"]
    >>> table = mssviz.compare(songs, models, cache="scores", progress=False)
    >>> sdr = mssviz.comparison.summary(table)["SDR"]
    >>> bool(sdr["vocals", "oracle:IRM2"] > sdr["vocals", "mixture"])
    True
    """
    scoring = settings or Scoring()
    models = [models] if isinstance(models, str) else models
    check_arguments(tracks, models, workers)
    check_choices(targets, options, scoring)
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        found = {str(name): named(name, targets, options or {}, progress) for name in models}
    store = ScoreStore(cache)
    plan = _planned(tracks, found, scoring, store)
    if plan.missing:
        store.check()
    how = (tuple(targets), tuple((options or {}).items()), scoring)
    with reporter(progress, unit="pair") as report:
        report(len(plan.known), plan.size, "compare")
        for pair, table in _scored(plan, tracks, found, how, workers):
            store.put(plan.missing[pair], table)
            plan.known[pair] = table
            report(len(plan.known), plan.size, "compare")
    return _assembled(plan, tracks, found)


@dataclass
class _Plan:
    """Scores that are known, and the keys of those that are missing; `size` counts both."""

    known: dict[_Pair, "pd.DataFrame"] = field(default_factory=dict)
    missing: dict[_Pair, str] = field(default_factory=dict)
    size: int = 0


def _planned(
    tracks: Mapping[str, Track], models: Mapping[str, Model], scoring: Scoring, store: ScoreStore
) -> _Plan:
    """Find which pairs there are, and which of them have been scored before."""
    plan = _Plan()
    for label, model in models.items():
        for name, track in tracks.items():
            if datasets.to_targets(dict.fromkeys(track.stems, _NOTHING), model.targets) is None:
                warnings.warn(
                    f"{name}: its stems ({', '.join(track.stems)}) do not give the targets of "
                    f"{label} ({', '.join(model.targets)}); left out",
                    stacklevel=3,
                )
                continue
            key = key_of(track, model, scoring)
            kept = store.get(key)
            if kept is None:
                plan.missing[name, label] = key
            else:
                plan.known[name, label] = kept
    plan.size = len(plan.known) + len(plan.missing)
    return plan


def _scored(
    plan: _Plan,
    tracks: Mapping[str, Track],
    models: Mapping[str, Model],
    how: tuple[tuple[str, ...], tuple[tuple[str, Any], ...], Scoring],
    workers: Any,
) -> Iterator[tuple[_Pair, "pd.DataFrame"]]:
    """Score what is missing, here or on workers; each pair is given when it is done."""
    if workers is None:
        for name, label in plan.missing:
            yield (name, label), score(tracks[name], models[label], how[-1])
    elif plan.missing:
        jobs = {(name, label): (tracks[name], label, *how) for name, label in plan.missing}
        yield from spread(score_by_name, jobs, workers)


def _assembled(
    plan: _Plan, tracks: Mapping[str, Track], models: Mapping[str, Model]
) -> "pd.DataFrame":
    """Make one table of all pairs, in the order in which tracks and models were given."""
    import pandas as pd

    rows = [
        plan.known[name, label].assign(track=name, model=label)
        for name in tracks
        for label in models
        if (name, label) in plan.known
    ]
    if not rows:
        raise ParameterError("no track has the stems that any of the models separates")
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]
