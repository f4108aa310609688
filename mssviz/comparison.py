"""Several models on several songs: one table of scores, kept on disk as it grows.

Each pair of a track and a model is scored by itself and its scores are kept in a file named by
what they depend on: the content of the track's files, the model with its weights and options,
and how it is measured. So an interrupted run goes on where it was, a rerun is instant, and a file
that changed is scored anew.
"""

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio, baselines, datasets, measures, metrics, oracles
from mssviz._checks import as_path, check_number
from mssviz._files import cache_folder, check_places, content_digest, new_file, writing
from mssviz._progress import reporter
from mssviz._typing import PathLike, Progress, Waveform
from mssviz.errors import AudioError, ParameterError, reason
from mssviz.separate import Model
from mssviz.separation import MaskChanges
from mssviz.tracks import Track, check_tracks

if TYPE_CHECKING:
    import pandas as pd

#: Measures of a whole track, beside `metrics.MEASURES` of each window: dB, larger is better, but
#: for MSE and LSD.
TRACK_MEASURES = ("SI-SDR", "SD-SDR", "MSE", "LSD")
#: In place of these, of a track with files that could not be decoded everywhere: the seconds of
#: silence that stand for what was lost, of all files together.
REPAIRED = "repaired"
COLUMNS = ("track", "target", "model", "time", "measure", "value")
#: SiSEC 2018's entries that are no separators.
_REFERENCE_POINTS = ("IBM1", "IBM2", "IRM1", "IRM2", "MWF", "MIX")
#: Part of every cache key; to be raised when the same input gives other scores.
_VERSION = 2


@dataclass(frozen=True)
class Settings:
    """How tracks are scored.

    Parameters
    ----------
    window, hop
        Of BSS Eval, in seconds.
    engine
        As in `metrics.evaluate`.
    """

    window: float = 1.0
    hop: float = 1.0
    engine: str = "fast"

    def __post_init__(self) -> None:
        check_number(self.window, "window")
        check_number(self.hop, "hop")


def compare(
    tracks: Mapping[str, Track],
    models: str | Sequence[str] | Mapping[str, Model],
    *,
    targets: Sequence[str] = baselines.TWO_STEMS,
    options: MaskChanges | None = None,
    settings: Settings | None = None,
    cache: PathLike | None = None,
    progress: bool | Progress = True,
    workers: Any = None,
) -> "pd.DataFrame":
    """Score models on tracks.

    Parameters
    ----------
    tracks
        By name; see `datasets`.
    models
        Names (or one), as `baselines.find` takes them, or models by the name that the table
        shall give.
    targets
        Of oracles and of the mixture, where these are given by name.
    options
        Any of `MaskOptions`, for networks that are given by name.
    settings
        How to score.
    cache
        Folder for scores; ``$MSSVIZ_CACHE/scores``, else the user's cache, if left out.
    progress
        True for a bar over pairs of track and model, or a callback ``(done, total, what)``;
        what it raises, such as `Cancelled`, stops the work, and nothing that is done is lost.
    workers
        None: one pair after the other, here. A number: so many processes of a local Dask
        cluster. Text: the address of a Dask scheduler. Or a ``dask.distributed.Client``. Models
        must then be given by name, and workers must see the files under the same paths.

    Returns
    -------
    DataFrame
        One row a number: ``track``, ``target``, ``model``, ``time`` (start of the window,
        seconds; NaN for a measure of the whole track), ``measure`` (SDR, ISR, SIR, SAR, and
        `TRACK_MEASURES`, see `measures`) and ``value`` (dB). Pairs whose targets the track has
        no stems for are left out, with a warning. Where a file could not be decoded, windows
        have no score (NaN), and the whole track has `REPAIRED` instead of its measures.

    Raises
    ------
    ParameterError
        If there is nothing to compare, or models are given in a way that workers cannot use.
    """
    import pandas as pd

    settings = settings or Settings()
    models = [models] if isinstance(models, str) else models
    _check_arguments(tracks, models, workers)
    _check_choices(targets, options, settings)
    found: dict[str, Model]
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        found = {str(name): _named(name, targets, options or {}, progress) for name in models}
    store, chosen = _Store(cache), tuple((options or {}).items())
    tables: dict[tuple[str, str], pd.DataFrame] = {}
    todo: dict[tuple[str, str], str] = {}
    for label, model in found.items():
        for name, track in tracks.items():
            if datasets.to_targets(dict.fromkeys(track.stems, _NOTHING), model.targets) is None:
                warnings.warn(
                    f"{name}: its stems ({', '.join(track.stems)}) do not give the targets of "
                    f"{label} ({', '.join(model.targets)}); left out",
                    stacklevel=2,
                )
                continue
            key = _key(track, model, settings)
            kept = store.get(key)
            if kept is None:
                todo[name, label] = key
            else:
                tables[name, label] = kept

    if todo:
        store.check()

    def score_here() -> Iterator[tuple[tuple[str, str], "pd.DataFrame"]]:
        for name, label in todo:
            yield (name, label), score(tracks[name], found[label], settings)

    with reporter(progress, unit="pair") as report:
        total = len(tables) + len(todo)
        report(len(tables), total, "compare")
        if workers is None or not todo:
            results: Iterable[tuple[tuple[str, str], pd.DataFrame]] = score_here()
        else:
            jobs = {
                (name, label): (tracks[name], label, tuple(targets), chosen, settings)
                for name, label in todo
            }
            from mssviz.scale import spread

            results = spread(score_by_name, jobs, workers)
        for pair, table in results:
            store.put(todo[pair], table)
            tables[pair] = table
            report(len(tables), total, "compare")
    rows = [
        tables[name, label].assign(track=name, model=label)
        for name in tracks
        for label in found
        if (name, label) in tables
    ]
    if not rows:
        raise ParameterError("no track has the stems that any of the models separates")
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _check_arguments(tracks: Any, models: Any, workers: Any) -> None:
    check_tracks(tracks)
    if not isinstance(models, Mapping | Sequence):
        raise ParameterError(
            'models must be a list of names, or a dict of name to model, such as {"mine": model} '
            f"(got {type(models).__name__})"
        )
    if not models:
        raise ParameterError("compare needs at least one model (got none)")
    if not isinstance(models, Mapping):
        for model in models:
            if not isinstance(model, str | os.PathLike):
                raise ParameterError(
                    "models in a list are given by name; give others as a dict of name to model "
                    f"(got {type(model).__name__})"
                )
        return
    for name, model in models.items():
        if not isinstance(model, Model):
            raise ParameterError(
                f"models in a dict are models, such as mssviz.Separator(name); give names alone in "
                f"a list (got {type(model).__name__} for {name!r})"
            )
    if workers is not None:
        raise ParameterError("on workers, models are given by name: a list of names")


def _check_choices(targets: Any, options: Any, settings: Any) -> None:
    if isinstance(targets, str) or not isinstance(targets, Sequence) or len(targets) < 2:
        raise ParameterError(
            'targets must be a list of two or more, such as ["vocals", "accompaniment"] '
            f"(got {targets!r})"
        )
    if not isinstance(options, Mapping | None):
        raise ParameterError(f'options must be a dict, such as {{"power": 1.0}} (got {options!r})')
    if not isinstance(settings, Settings):
        raise ParameterError(
            f"settings must be comparison.Settings(window, hop, engine) (got {settings!r})"
        )


def score(track: Track, model: Model, settings: Settings) -> "pd.DataFrame":
    """Scores of one model on one track: ``target``, ``time``, ``measure``, ``value``."""
    import pandas as pd

    mixture, sources, repairs = track.sound(sample_rate=model.sample_rate)
    references = datasets.to_targets(sources, model.targets)
    if references is None:
        raise ParameterError(f"{track.name}: has no stems for {', '.join(model.targets)}")
    references = {
        target: audio.to_channels(waveform, model.preset.n_channels)
        for target, waveform in references.items()
    }
    separation = model.separate(mixture, model.sample_rate, False, sources)
    estimates = dict(separation.estimates)
    window = min(settings.window, len(mixture) / model.sample_rate)
    scores = metrics.evaluate(
        references, estimates, model.sample_rate, engine=settings.engine, window=window,
        hop=settings.hop, dither_db=metrics.suggested_dither_db(references), repaired=repairs,
    )  # fmt: skip
    windows = scores.melt(["target", "time"], metrics.MEASURES, "measure", "value")
    whole = pd.DataFrame(
        [
            (target, np.nan, name, value)
            for target, reference in references.items()
            for name, value in (
                {REPAIRED: sum(stop - start for start, stop in repairs)}
                if repairs
                else _whole(reference, estimates[target], model.sample_rate)
            ).items()
        ],
        columns=_KEPT,
    )
    return pd.concat([windows, whole], ignore_index=True)


def _whole(reference: Waveform, estimate: Waveform, sample_rate: int) -> dict[str, float]:
    return {
        "SI-SDR": measures.si_sdr(reference, estimate),
        "SD-SDR": measures.sd_sdr(reference, estimate),
        "MSE": measures.mse_db(reference, estimate),
        "LSD": measures.log_spectral_distance(reference, estimate, sample_rate),
    }


def score_by_name(
    track: Track,
    name: str,
    targets: tuple[str, ...],
    options: tuple[tuple[str, Any], ...],
    settings: Settings,
) -> "pd.DataFrame":
    """As `score`, of a model that each process builds once."""
    return score(track, _model(name, targets, options), settings)


@functools.lru_cache(maxsize=2)
def _model(name: str, targets: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Model:
    return _named(name, targets, dict(options), progress=False)


def _named(
    name: PathLike, targets: Sequence[str], options: Mapping[str, Any], progress: bool | Progress
) -> Model:
    """Model by name; only networks get the options."""
    chosen = {} if str(name) in baselines.names() else options
    return baselines.find(name, targets, progress=progress, **chosen)


# --- Summaries --------------------------------------------------------------------------------


def medians(table: "pd.DataFrame") -> "pd.DataFrame":
    """Median over windows of each track, as SiSEC counts.

    Returns
    -------
    DataFrame
        Index ``track``, ``target``, ``model``; a column for each measure, in dB.
    """
    metrics.check_table(table, COLUMNS, "mssviz.compare; for scores of one song call "
                        "mssviz.summarise")  # fmt: skip
    grouped = table.groupby(["track", "target", "model", "measure"], sort=False)["value"].median()
    order = [m for m in (*metrics.MEASURES, *TRACK_MEASURES) if m in set(table["measure"])]
    return grouped.unstack("measure")[order]


def summary(table: "pd.DataFrame", published: bool = False) -> "pd.DataFrame":
    """Median over tracks of the medians over windows.

    Parameters
    ----------
    table
        From `compare`.
    published
        Whether to set SiSEC 2018's entries beside one's own, with two more columns: ``data`` says
        which songs a row is of, for only rows of the same songs and version can be compared;
        ``alike`` names the entry, or one's own model, that is defined in the same way. An oracle
        of SiSEC's is listed only beside its like: ``IRM2`` beside ``oracle:IRM2``, but not beside
        ``oracle:IRM2-targets``. ``MIX`` is left out: it is a share of the mixture, 1/4 for each of
        four stems, where ours is all of it.

    Returns
    -------
    DataFrame
        Index ``target``, ``model``; a column for each measure, in dB, and ``tracks``.
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
    """Rows of SiSEC 2018 for a table's targets, without what has no like in it."""
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
    """Whether one model beats another on the same tracks: differences and a Wilcoxon test.

    Parameters
    ----------
    table
        From `compare`.
    first, second
        Names of models.
    measure
        One of its measures.

    Returns
    -------
    DataFrame
        Index ``target``: ``tracks``, ``median_difference`` (`first` minus `second`, dB),
        ``better`` (share of tracks on which `first` is better) and ``p``, two-sided, of the
        signed-rank test; NaN with fewer than two tracks that differ. Five tracks or fewer can
        never reach 0.05.

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
                "better": float((found > 0).mean()),
                "p": p,
            }
        )
    columns = ["target", "tracks", "median_difference", "better", "p"]
    return pd.DataFrame(rows, columns=columns).set_index("target")


def to_museval(table: "pd.DataFrame", track: str, model: str, settings: Settings) -> str:
    """JSON of one track's windows, as museval aggregates it.

    Scores that are not finite are ``null``, where museval writes ``NaN``, which is no JSON; it
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
                "metrics": {m: _finite(values[m]) for m in metrics.MEASURES},
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


# --- Cache ------------------------------------------------------------------------------------

_KEPT = ["target", "time", "measure", "value"]
_NOTHING: Any = np.zeros((1, 1), np.float32)


def _key(track: Track, model: Model, settings: Settings) -> str:
    parts = {
        "version": _VERSION,
        "stems": {name: [_digest(path), stream] for name, (path, stream) in track.stems.items()},
        "mixture": [_digest(track.mixture[0]), track.mixture[1]] if track.mixture else None,
        "part": [track.start, track.duration, track.skip_end],
        "model": model.fingerprint(),
        "settings": asdict(settings),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({reason(error)}); check its name") from error


class _Store:
    """Scores in files named by their keys; with a checksum, so that damage is scored anew."""

    def __init__(self, folder: PathLike | None) -> None:
        self._folder = cache_folder("scores") if folder is None else as_path(folder, "cache")

    def check(self) -> None:
        check_places([self._folder / "scores.json"])

    def get(self, key: str) -> "pd.DataFrame | None":
        import pandas as pd

        try:
            kept = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
            if kept["sha256"] != _checksum(key, kept["scores"]):
                return None
            table = pd.DataFrame(kept["scores"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # not scored yet, or damaged
        return table if list(table.columns) == _KEPT else None

    def put(self, key: str, table: "pd.DataFrame") -> None:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        scores = table.to_dict("list")
        with new_file(self._folder / f"{key}.json") as scratch:
            kept = {"sha256": _checksum(key, scores), "scores": scores}
            scratch.write_text(json.dumps(kept), "utf-8")


def _checksum(key: str, scores: Any) -> str:
    # Python's JSON keeps every bit, infinities and NaN, so that what was read gives the same text
    return hashlib.sha256(f"{key} {json.dumps(scores)}".encode()).hexdigest()
