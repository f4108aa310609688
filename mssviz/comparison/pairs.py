"""One model on one track: separate the track, and score what comes out."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio, datasets
from mssviz._typing import PathLike, Progress
from mssviz.comparison.scoring import REPAIRED, Scoring
from mssviz.comparison.store import KEPT
from mssviz.errors import ParameterError
from mssviz.scores import OF_WINDOWS, evaluate, suggested_dither_db
from mssviz.scores.table import of_track
from mssviz.separators import Model, entry, find
from mssviz.tracks import Track

if TYPE_CHECKING:
    import pandas as pd


def score(track: Track, model: Model, settings: Scoring) -> "pd.DataFrame":
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
    scores = evaluate(
        references, estimates, model.sample_rate, engine=settings.engine, window=window,
        hop=settings.hop, dither_db=suggested_dither_db(references), repaired=repairs,
    )  # fmt: skip
    windows = scores.melt(["target", "time"], OF_WINDOWS, "measure", "value")
    whole = pd.DataFrame(
        [
            (target, np.nan, name, value)
            for target, reference in references.items()
            for name, value in (
                {REPAIRED: sum(stop - start for start, stop in repairs)}
                if repairs
                else of_track(reference, estimates[target], model.sample_rate)
            ).items()
        ],
        columns=KEPT,
    )
    return pd.concat([windows, whole], ignore_index=True)


def score_by_name(
    track: Track,
    name: str,
    targets: tuple[str, ...],
    options: tuple[tuple[str, Any], ...],
    settings: Scoring,
) -> "pd.DataFrame":
    """Scores as from `score`, for a model given by name, which each process builds only once."""
    return score(track, _model(name, targets, options), settings)


@functools.lru_cache(maxsize=2)
def _model(name: str, targets: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Model:
    return named(name, targets, dict(options), progress=False)


def named(
    name: PathLike, targets: Sequence[str], options: Mapping[str, Any], progress: bool | Progress
) -> Model:
    """Find a model by name; only networks get the options."""
    chosen = options if entry(name).group == "network" else {}
    return find(name, targets, progress=progress, **chosen)
