"""Scores window by window, on the same time axis as the spectrogram above them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from mssviz.errors import ParameterError
from mssviz.plots import check_colors, stem_colors
from mssviz.scores import MEASURES, OF_WINDOWS
from mssviz.widgets import _static
from mssviz.widgets._view import WRITTEN, Number, View, pair

if TYPE_CHECKING:
    import pandas as pd

MIN_HEIGHT = 80


class ScoreView(View):
    """Course of a measure for every target; pointing at a window reads all four measures.

    The picture lies pixel for pixel below a `SpectrogramView` of the same width when ``start`` and
    ``stop`` of both are linked; ``time`` and ``selection`` can be linked, too. Everything shown is
    in the widget's state, so a saved page shows it without a kernel.

    Parameters
    ----------
    scores
        Table from `evaluate`, with one row for each target and window: ``target``, ``time`` (start
        of the window, seconds from the first sample) and ``SDR``, ``ISR``, ``SIR``, ``SAR`` in dB,
        NaN where a window is silent, ``inf`` for a perfect estimate. It may have a column
        ``repaired``.
    window
        Length of a window, in seconds, as given to `evaluate`.
    colors
        Colours by target, such as ``"#E69F00"``; `plots.stem_colors` for the others.
    offset
        Time of the first sample on the song's time axis, in seconds; all traits count from the
        song's beginning.
    traits
        Initial values of the traits below.

    Raises
    ------
    ParameterError
        If a keyword is unknown, a value is outside its domain, or the table does not hold scores.

    Examples
    --------
    >>> columns = {"time": [0.0, 1.0], "SDR": [4.0, 6.0], "ISR": 9.0, "SIR": 8.0, "SAR": 7.0}
    >>> scores = pd.DataFrame({"target": "vocals", **columns})
    >>> view = mssviz.ScoreView(scores, measure="SIR")
    >>> view.start, view.stop
    (0.0, 2.0)
    """

    shared = ("start", "stop", "time", "selection")
    settings = ("measure", "height")
    module = "scores/view.js"
    _esm = _static.module(module)
    styles = ("scores.css", "help.css")
    _css = _static.style(*styles)

    start = Number(0.0, help="left edge, seconds").tag(**WRITTEN)
    stop = Number(1.0, help="right edge, seconds").tag(**WRITTEN)
    time = Number(0.0, help="playhead, seconds").tag(**WRITTEN)
    selection = pair("selected time, [start, stop] seconds").tag(**WRITTEN)
    measure = t.Enum(OF_WINDOWS, OF_WINDOWS[0], help="measure drawn").tag(**WRITTEN)
    height = t.Int(150, help="of the picture, CSS pixels").tag(sync=True)

    _table = t.Dict(help="windows and scores; NaN as None, infinities as text").tag(sync=True)

    def __init__(
        self,
        scores: "pd.DataFrame",
        *,
        window: float = 1.0,
        colors: Mapping[str, str] | None = None,
        offset: float = 0.0,
        **traits: Any,
    ) -> None:
        unknown = sorted(set(traits) - {n for n in self.trait_names() if n[0] != "_"})
        if unknown:
            raise ParameterError(f"ScoreView has no option {unknown[0]!r}")
        if not 0 < window < math.inf:
            raise ParameterError(f"window must be a length in seconds, above 0 (got {window})")
        if not 0 <= offset < math.inf:
            raise ParameterError(f"offset must be a time in seconds, 0 or more (got {offset})")
        check_colors(colors or {})
        self.window, self.offset = float(window), float(offset)
        self._colors = dict(colors or {})
        table = self._table_of(scores)
        edges = {"start": self.offset, "stop": table["times"][-1] + self.window}
        super().__init__(**{**edges, "time": self.offset, **traits}, _table=table)

    def set_scores(self, scores: "pd.DataFrame") -> None:
        """Show other scores; the part of the song in view stays the same.

        Parameters
        ----------
        scores
            Table as in the constructor, with windows of the same length.
        """
        self._table = self._table_of(scores)

    @t.validate("selection")
    def _valid_selection(self, proposal: Any) -> list[float] | None:
        value = proposal["value"]
        if value is not None and not -math.inf < value[0] < value[1] < math.inf:
            raise ParameterError(
                f"selection must be None or [start, stop] in seconds (got {value})"
            )
        return value

    @t.validate("height")
    def _valid_height(self, proposal: Any) -> int:
        if proposal["value"] < MIN_HEIGHT:
            raise ParameterError(
                f"height must be at least {MIN_HEIGHT} pixels (got {proposal['value']})"
            )
        return int(proposal["value"])

    def _table_of(self, scores: "pd.DataFrame") -> dict[str, Any]:
        """What the browser draws, in JSON's types: windows in order, at times of the song."""
        _check_scores(scores)
        times = np.unique(scores["time"].to_numpy(float))
        targets = []
        names = list(dict.fromkeys(scores["target"]))
        colors = {**stem_colors(map(str, names)), **self._colors}
        for name in names:
            rows = scores[scores["target"] == name].set_index("time").reindex(times)
            columns = {m: [_plain(v) for v in rows[m].to_numpy(float)] for m in OF_WINDOWS}
            targets.append({"name": str(name), "color": colors[str(name)], **columns})
        # overlapping windows share the axis: each is drawn as wide as their distance
        step = min([self.window, *np.diff(times).tolist()])
        return {
            "measures": {name: MEASURES[name].help for name in OF_WINDOWS},
            "window": self.window,
            "step": step,
            "times": (times + self.offset).tolist(),
            "repaired": _repaired(scores, times),
            "targets": targets,
        }


def _repaired(scores: "pd.DataFrame", times: np.ndarray) -> list[bool]:
    """Whether each window touches sound that could not be decoded."""
    if "repaired" not in scores:
        return [False] * len(times)
    touched = scores.loc[scores["repaired"].to_numpy(bool), "time"]
    return np.isin(times, touched.to_numpy(float)).tolist()


def _check_scores(scores: "pd.DataFrame") -> None:
    missing = [
        name
        for name in ("target", "time", *OF_WINDOWS)
        if name not in getattr(scores, "columns", ())
    ]
    if missing:
        raise ParameterError(
            f"scores must be a table as from `evaluate`; it lacks {', '.join(missing)}"
        )
    if not len(scores):
        raise ParameterError("scores must have at least one window (got an empty table)")
    for name in ("time", *OF_WINDOWS):
        if scores[name].dtype.kind not in "fiu":
            raise ParameterError(f"{name} must hold numbers (got {scores[name].dtype})")
    if not np.isfinite(scores["time"].to_numpy(float)).all():
        raise ParameterError("time must be seconds in every row (got NaN or inf)")
    if scores.duplicated(["target", "time"]).any():
        target, time = scores.loc[scores.duplicated(["target", "time"]), ["target", "time"]].iloc[0]
        raise ParameterError(
            f"scores must have one row per target and window; {target} has several at {time:g} s. "
            "Show one track at a time"
        )


def _plain(value: float) -> float | str | None:
    """Number that JSON can hold: NaN as None, infinities as JavaScript writes them."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"
