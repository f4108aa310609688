"""Analysis of a listening test: tables of answers, their figures, and whether to rely on them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz.widgets._listening_trials import NO_PREFERENCE, REFERENCE, Page

if TYPE_CHECKING:
    import pandas as pd

#: Rating of the hidden reference below which BS.1534 doubts a trial, and share of such trials above
#: which it excludes the listener.
RELIABLE_RATING, RELIABLE_SHARE = 90, 0.15
_CONFIDENCE = 0.95
_MUSHRA_COLUMNS = (
    "trial", "condition", "rating", "position", "times_played", "seconds_listened", "gain_db",
    "method",
)  # fmt: skip
_AB_COLUMNS = (
    "trial", "a", "b", "choice", "times_played_a", "times_played_b", "seconds_listened_a",
    "seconds_listened_b", "gain_db_a", "gain_db_b", "method",
)  # fmt: skip
_INTERVAL = ["ci_low", "ci_high"]
_RATING_FIGURES = ["mean", "median", "n", *_INTERVAL]
_CHOICE_FIGURES = ["wins", "losses", "ties", "n", "share", *_INTERVAL]
_HEADERS = {"ci_low": "95 % from", "ci_high": "95 % to", "share": "share of wins"}


def results(pages: Sequence[Page], method: str) -> "pd.DataFrame":
    """Answers so far, in the order of the pages, with the columns of `ListeningTest.results`."""
    import pandas as pd

    if method == "ab":
        return pd.DataFrame(choices(pages), columns=[*_AB_COLUMNS])
    return pd.DataFrame(ratings(pages), columns=[*_MUSHRA_COLUMNS])


def summary(pages: Sequence[Page], method: str) -> "pd.DataFrame":
    """Figures of each condition, the best first, with the columns of `ListeningTest.summary`."""
    import pandas as pd

    if method == "ab":
        names = sorted({condition.name for page in pages for condition in page.conditions})
        rows = {name: _preference(name, choices(pages)) for name in names}
        columns, best = _CHOICE_FIGURES, "share"
    else:
        given: dict[str, list[float]] = {}
        for row in ratings(pages):
            given.setdefault(row["condition"], []).append(row["rating"])
        rows = {name: _mean(values) for name, values in given.items()}
        columns, best = _RATING_FIGURES, "mean"
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("condition").sort_values(best, ascending=False, kind="stable")


def reliable(pages: Sequence[Page]) -> bool | None:
    """Whether the listener passes BS.1534's post-screening; None if it cannot be told."""
    hidden = [row["rating"] for row in ratings(pages) if row["condition"] == REFERENCE]
    if not hidden:
        return None
    missed = sum(rating < RELIABLE_RATING for rating in hidden)
    return missed <= RELIABLE_SHARE * len(hidden)


def ratings(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """Every rating of a MUSHRA test so far, as values by column."""
    return [
        {
            "trial": page.trial,
            "condition": condition.name,
            "rating": condition.rating,
            "position": position,
            "times_played": condition.times_played,
            "seconds_listened": round(condition.seconds, 3),
            "gain_db": round(condition.gain_db, 3),
            "method": "mushra",
        }
        for page in pages
        for position, condition in enumerate(page.conditions, start=1)
        if condition.rating is not None
    ]


def choices(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """Every choice of an A/B test so far, as values by column."""
    rows = []
    for page in pages:
        if page.choice is None:
            continue
        a, b = page.conditions
        row: dict[str, Any] = {"trial": page.trial, "a": a.name, "b": b.name}
        row["choice"] = (a.name, b.name, NO_PREFERENCE)[page.choice]
        for side, condition in (("a", a), ("b", b)):
            row[f"times_played_{side}"] = condition.times_played
            row[f"seconds_listened_{side}"] = round(condition.seconds, 3)
            row[f"gain_db_{side}"] = round(condition.gain_db, 3)
        rows.append(row | {"method": "ab"})
    return rows


def _mean(given: Sequence[float]) -> list[float]:
    from scipy.stats import t as student

    n, mean = len(given), float(np.mean(given))
    half = math.nan
    if n > 1:
        half = student.ppf((1 + _CONFIDENCE) / 2, n - 1) * np.std(given, ddof=1) / math.sqrt(n)
    return [mean, float(np.median(given)), n, mean - half, mean + half]


def _preference(name: str, given: Sequence[Mapping[str, Any]]) -> list[float]:
    from scipy.stats import binomtest

    mine = [row["choice"] for row in given if name in (row["a"], row["b"])]
    wins, ties = mine.count(name), mine.count(NO_PREFERENCE)
    decided = len(mine) - ties
    if not decided:
        return [wins, 0, ties, len(mine), math.nan, math.nan, math.nan]
    interval = binomtest(wins, decided).proportion_ci(_CONFIDENCE, method="wilson")
    share = wins / decided
    return [wins, decided - wins, ties, len(mine), share, interval.low, interval.high]


def as_text(table: "pd.DataFrame") -> list[list[str]]:
    """Write a table of figures as the page shows it: first its header, then its rows."""

    def text(column: str, value: Any) -> str:
        if isinstance(value, float) and math.isnan(value):
            return "–"
        if column in ("share", "ci_low", "ci_high") and "share" in table:
            return f"{100 * value:.0f} %"
        return f"{value:.1f}" if column in ("mean", "median", "ci_low", "ci_high") else str(value)

    header = [_HEADERS.get(column, column) for column in ["condition", *table.columns]]
    columns = list(table.columns)
    rows = [
        [str(name), *(text(c, v) for c, v in zip(columns, row, strict=True))]
        for name, row in zip(table.index, table.itertuples(index=False, name=None), strict=True)
    ]
    return [header, *rows]
