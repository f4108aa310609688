"""Measuring a session's result in a thread of its own, and what must be said of the scores."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mssviz import audio
from mssviz._memory import trim
from mssviz._typing import Progress, Waveform
from mssviz._worker import Worker
from mssviz.errors import Cancelled, MssvizError
from mssviz.scores import evaluate, si_sdr, suggested_dither_db, summarise
from mssviz.widgets.explorer.result import Result, Scores

if TYPE_CHECKING:
    import pandas as pd

SCORE_WINDOW = 1.0
#: True stems without which nothing is scored: interference is measured against the others.
LEAST_REFERENCES = 2
#: Part of a window, in seconds, below which nobody misses it.
_LEAST_LEFT = 0.01


class Scorer:
    """Measures results in the background; a newer one takes the place of the one in progress.

    Parameters
    ----------
    changed
        Function that gets a result, and whether it is still being measured, when either is new.
    """

    def __init__(self, changed: Callable[[Result, bool], object]) -> None:
        self._changed = changed
        self._work = Worker()

    def measure(self, result: Result) -> None:
        """Measure the selection of a result, and keep the scores in `Result.scores`."""
        if len(result.laboratory.references) < LEAST_REFERENCES:
            result.no_scores = _why_unknown(result)
            self._changed(result, False)
            return
        self._changed(result, True)
        self._work.do(lambda: self._measure(result), "measure")

    def wait(self) -> None:
        """Wait until everything is measured."""
        self._work.wait()

    def close(self) -> None:
        """End the work in progress, and accept no more."""
        self._work.close()

    def _measure(self, result: Result) -> None:
        try:
            result.scores, result.no_scores = measure(result, self._check), ""
        except Cancelled:
            pass  # newer stems are waiting to be measured
        except MssvizError as error:
            result.scores, result.no_scores = None, error.on_page
        finally:
            self._changed(result, self._work.waits("measure"))
            trim()

    def _check(self, _done: float, _total: float | None, _what: str) -> None:
        self._work.check()
        if self._work.waits("measure"):
            raise Cancelled("there is something newer to measure")


def measure(result: Result, progress: Progress) -> Scores:
    """Measure the selection, or else the whole excerpt.

    Parameters
    ----------
    result
        Result whose true stems are known.
    progress
        Callback for the progress, as in `scores.evaluate`.
    """
    rate = result.laboratory.separation.sample_rate
    selected = result.selected()
    part = slice(None)
    if selected:
        part = slice(round(selected[0] * rate), round(selected[1] * rate))
    true = {target: stem[part] for target, stem in result.laboratory.references.items()}
    begin, seconds = (part.start or 0) / rate, len(next(iter(true.values()))) / rate
    window = min(SCORE_WINDOW, seconds)
    repaired = _repaired(result, begin, seconds)
    dither_db = suggested_dither_db(true)

    def measured(stems: Mapping[str, Waveform]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
        found = {target: stems[target][part] for target in true}
        windows = evaluate(
            true, found, rate, dither_db=dither_db, window=window,
            repaired=repaired or None, progress=progress,
        )  # fmt: skip
        summary = summarise(windows).rename_axis(None)
        whole = [np.nan if repaired else si_sdr(true[t], found[t]) for t in true]
        summary.insert(0, "SI-SDR", whole)
        return windows.assign(time=windows["time"] + begin), summary

    windows, summary = measured(result.laboratory.estimates)
    if result.rival and set(true) <= set(result.shared_targets()):
        import pandas as pd

        _, other = measured(result.rival.estimates)
        summary = pd.concat([summary, other.rename(lambda t: f"{t} · {result.rival_name}")])
    left = seconds - windows["time"].nunique() * window
    notes = _notes(result, selected, window, left, dither_db, repaired)
    return Scores(windows, summary, notes)


def _why_unknown(result: Result) -> str:
    if not result.sources:
        return "No scores: this song's true stems are unknown."
    known, wanted = ", ".join(result.sources), ", ".join(_untold(result))
    return (
        f"No scores: this song's true stems ({known}) do not tell what {wanted} should be, and "
        f"scores need {LEAST_REFERENCES} stems or more."
    )


def _untold(result: Result) -> list[str]:
    """Stems whose true one is unknown."""
    laboratory = result.laboratory
    return [t for t in laboratory.separation.targets if t not in laboratory.references]


def _repaired(result: Result, begin: float, seconds: float) -> list[tuple[float, float]]:
    """Repaired parts of some seconds of the excerpt, in seconds from where these begin."""
    moved = [(low - begin, high - begin) for low, high in result.repairs]
    return [(low, high) for low, high in moved if low < seconds and high > 0]


def _notes(
    result: Result,
    selected: tuple[float, float] | None,
    window: float,
    left: float,
    dither_db: float | None,
    repaired: Sequence[tuple[float, float]],
) -> list[str]:
    notes = [f"dB; median over windows of {window:.2g} s (BSS Eval v4)."]
    begin = offset = result.offset
    if selected:
        begin, end = (offset + seconds for seconds in selected)
        notes.append(f"Of the selection, {begin:.1f} to {end:.1f} s.")
    if left > _LEAST_LEFT:
        notes.append(f"The last {left:.2f} s are less than a window, and only in SI-SDR.")
    untold = _untold(result)
    if untold:
        notes.append(
            f"Not scored: {', '.join(untold)}. The song's true stems ({', '.join(result.sources)}) "
            f"do not tell what {'it' if len(untold) == 1 else 'they'} should be."
        )
    if dither_db is not None:
        notes.append(
            f"The true stems come from a lossy file: noise of {dither_db:.0f} dBFS was added, "
            "without which ISR, SIR and SAR are not defined."
        )
    if repaired:
        spans = audio.describe_repairs([(begin + low, begin + high) for low, high in repaired])
        notes.append(
            f"Files of this song are {spans}: windows that touch this have no score, and the "
            "whole has no SI-SDR."
        )
    return notes
