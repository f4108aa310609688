"""What is to be compared, checked before any work begins, and how it is scored."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mssviz._checks import check_number
from mssviz.errors import ParameterError
from mssviz.separators import Model
from mssviz.tracks import check_tracks

#: Stands in place of the measures of a whole track of which files could not be decoded everywhere:
#: the seconds of silence in place of what was lost, in all files together.
REPAIRED = "repaired"
COLUMNS = ("track", "target", "model", "time", "measure", "value")


@dataclass(frozen=True)
class Scoring:
    """How tracks are scored.

    Parameters
    ----------
    window, hop
        Length of a window of BSS Eval and distance from window to window, in seconds. A track that
        is shorter than a window is one.
    engine
        Implementation of BSS Eval, as in `scores.evaluate`.
    """

    window: float = 1.0
    hop: float = 1.0
    engine: str = "fast"

    def __post_init__(self) -> None:
        check_number(self.window, "window")
        check_number(self.hop, "hop")


def check_arguments(tracks: Any, models: Any, workers: Any) -> None:
    """Raise `ParameterError` unless these can be compared."""
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


def check_choices(targets: Any, options: Any, settings: Any) -> None:
    """Raise `ParameterError` unless `compare` takes these choices."""
    if isinstance(targets, str) or not isinstance(targets, Sequence) or len(targets) < 2:
        raise ParameterError(
            'targets must be a list of two or more, such as ["vocals", "accompaniment"] '
            f"(got {targets!r})"
        )
    if not isinstance(options, Mapping | None):
        raise ParameterError(f'options must be a dict, such as {{"power": 1.0}} (got {options!r})')
    if not isinstance(settings, Scoring):
        raise ParameterError(
            f"settings must be comparison.Scoring(window, hop, engine) (got {settings!r})"
        )
