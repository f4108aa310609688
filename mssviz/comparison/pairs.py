"""One model on one track: separate the track, and score what comes out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio, datasets
from mssviz._typing import PathLike, Progress
from mssviz.comparison.scoring import REPAIRED, Scoring
from mssviz.comparison.store import KEPT
from mssviz.errors import ParameterError
from mssviz.scores import OF_WINDOWS, evaluate, suggested_dither_db, whole
from mssviz.scores.projection import FILTER_LENGTH
from mssviz.separators import Model, entry, find
from mssviz.separators.catalogue import Choices, find_kept
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
    if len(mixture) < FILTER_LENGTH:
        raise ParameterError(
            f"{track.name}: has {len(mixture)} samples at {model.sample_rate} Hz, scores need "
            f"{FILTER_LENGTH} or more; leave it out"
        )
    separation = model.separate(mixture, model.sample_rate, False, sources)
    estimates = dict(separation.estimates)
    window = min(settings.window, len(mixture) / model.sample_rate)
    scores = evaluate(
        references, estimates, model.sample_rate, engine=settings.engine, window=window,
        hop=settings.hop, dither_db=suggested_dither_db(references), repaired=repairs,
    )  # fmt: skip
    windows = scores.melt(["target", "time"], OF_WINDOWS, "measure", "value")
    if repairs:
        lost = {REPAIRED: sum(stop - start for start, stop in repairs)}
        values = pd.DataFrame([lost] * len(references), index=list(references))
    else:
        mixed = audio.to_channels(mixture, model.preset.n_channels)
        values = whole(references, estimates, model.sample_rate, mixed)
    of_tracks = values.rename_axis("target").reset_index().assign(time=np.nan)
    # target by target, as windows are
    long = of_tracks.melt(["target", "time"], list(values), "measure", "value")
    long = long.sort_values("target", key=lambda t: t.map(list(references).index), kind="stable")
    return pd.concat([windows, long[KEPT]], ignore_index=True)


def score_by_name(
    track: Track, name: str, targets: tuple[str, ...], options: Choices, settings: Scoring
) -> "pd.DataFrame":
    """Scores as from `score`, for a model given by name, which each process builds only once."""
    return score(track, find_kept(name, targets, _for_networks(name, options)), settings)


def named(
    name: PathLike, targets: Sequence[str], options: Mapping[str, Any], progress: bool | Progress
) -> Model:
    """Find a model by name; only networks get the options."""
    chosen = _for_networks(name, tuple(options.items()))
    return find(name, targets, progress=progress, **dict(chosen))


def _for_networks(name: PathLike, options: Choices) -> Choices:
    return options if entry(name).group == "network" else ()
