"""The way to report progress: a callback ``(done, total, what)``, or a bar made from it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mssviz._fetch import no_progress
from mssviz._typing import Progress, Waveform
from mssviz.errors import ParameterError


@contextmanager
def reporter(progress: bool | Progress, unit: str = "s") -> Iterator[Progress]:
    """Turn a `progress` argument into a callback.

    Parameters
    ----------
    progress
        True for a bar in the terminal or notebook, one for each kind of work; False for nothing; or
        a callback, which is used as it is. Text after a colon, as in ``"train: loss 0.2"``, is
        shown with the bar, but does not make a new one.
    unit
        Unit of what is counted: seconds of sound (``"s"``), bytes (``"B"``), or things by their
        name.
    """
    if callable(progress):
        yield progress
    elif not progress:
        yield no_progress
    elif isinstance(progress, str):
        raise ParameterError(
            f"progress must be True, False or a function (got {progress!r}); leave it out for a bar"
        )
    else:
        with _bars(unit) as show:
            yield show


def counted(
    blocks: Iterable[Waveform], sample_rate: int, n_samples: int | None, progress: Progress
) -> Iterator[Waveform]:
    """Pass on blocks of a song, and report how many seconds of it have been read.

    Parameters
    ----------
    blocks
        Waveforms, one after the other.
    sample_rate
        Sample rate of them, in hertz.
    n_samples
        Number of samples that they have in all, about; None if it is unknown.
    progress
        Callback that gets the seconds.
    """
    done = 0
    for block in blocks:
        done += len(block)
        total = None if n_samples is None else max(done, n_samples)
        progress(done / sample_rate, None if total is None else total / sample_rate, "read")
        yield block


@contextmanager
def _bars(unit: str) -> Iterator[Progress]:
    from tqdm.auto import tqdm

    bars: dict[str, tqdm] = {}

    def show(done: float, total: float | None, what: str) -> None:
        kind = what.partition(": ")[0]
        if kind not in bars:
            counts = f"{{n:.0f}}/{{total:.0f}} {unit} [{{elapsed}}<{{remaining}}]"
            layout = None if unit == "B" else f"{{l_bar}}{{bar}}| {counts}"
            bars[kind] = tqdm(
                total=total, desc=kind, unit=unit, unit_scale=unit == "B", bar_format=layout
            )
        bar = bars[kind]
        bar.set_description(what, refresh=False)
        bar.total = total if total is not None else max(bar.total or 0, done)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
