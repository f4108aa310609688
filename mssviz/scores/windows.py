"""How far estimates are from the true sources: BSS Eval of a song's windows, as tables.

SDR   all errors together          SIR   what leaked in from other sources
ISR   filtering and panning        SAR   artefacts that are in no source

Silence policy. A score needs something to be measured against: where a reference or an estimate is
all zeros in a window, BSS Eval gives NaN there, for every target (see `bss_eval`). A target whose
reference or estimate is silent throughout has NaN in all windows, and the other targets are scored
as if it were absent; with fewer than two audible references nothing is scored, since there is no
interference to measure. Windows that touch sound which could not be decoded have NaN, too.
`summarise` leaves NaN out and counts it.
"""

import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio
from mssviz._checks import check_number, check_waveforms
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import AudioError, MssvizError, ParameterError
from mssviz.scores.bss_eval import bss_eval_images
from mssviz.scores.projection import FILTER_LENGTH
from mssviz.scores.table import OF_WINDOWS

if TYPE_CHECKING:
    import pandas as pd

#: Names of the measures of every window, in order.
MEASURES = OF_WINDOWS
#: Level of the noise that repairs band-limited references, in dBFS.
DITHER_DB = -80.0

#: An engine takes references and estimates (n_sources, n_samples, n_channels), window and hop
#: in samples, and a callback for its progress in samples; it returns the four measures in order,
#: each (n_sources, n_windows).
Engine = Callable[
    [AnyArray, AnyArray, int, int, Progress], tuple[AnyArray, AnyArray, AnyArray, AnyArray]
]


def evaluate(
    references: Mapping[str, AnyArray],
    estimates: Mapping[str, AnyArray],
    sample_rate: int,
    *,
    engine: str = "fast",
    window: float = 1.0,
    hop: float = 1.0,
    dither_db: float | None = None,
    repaired: Sequence[tuple[float, float]] | None = None,
    progress: bool | Progress = False,
) -> "pd.DataFrame":
    """BSS Eval v4 of every target, window by window.

    Parameters
    ----------
    references
        True sources ``(n_samples, n_channels)`` by target. At least two, because interference is
        measured against the others.
    estimates
        Estimates by target, for the same targets and of the same lengths and channels. Mono is
        repeated to the channels of the others, among references, too.
    sample_rate
        Sample rate, in hertz.
    engine
        Implementation: ``"fast"`` is `scores.bss_eval`; ``"museval"`` is the reference
        implementation, which gives the same numbers, but takes a signal whose channels cancel each
        other for silence.
    window, hop
        Length of a window and distance from window to window, in seconds; SiSEC 2018 has 1 and 1. A
        window of ``inf`` is the whole signal, as in BSS Eval v3.
    dither_db
        Level in dBFS of noise added to references and estimates, see `suggested_dither_db`; None
        for no noise. References without energy in the treble (decoded from lossy formats) make the
        filters of SIR, SAR and ISR ill-defined; the noise repairs that and leaves SDR as it was.
    repaired
        Parts (start, stop), in seconds, where silence stands for sound that could not be decoded,
        see `audio.AudioReader`. Windows that touch one have no score.
    progress
        True for a bar, False for none, or a callback ``(seconds done, seconds in all, what)``. What
        it raises, such as `Cancelled`, stops the work; museval can be stopped only before it
        begins.

    Returns
    -------
    DataFrame
        One row for each target and window: ``target``, ``time`` (start of the window, seconds),
        ``SDR``, ``ISR``, ``SIR``, ``SAR`` in dB; and, if `repaired` is given, a column
        ``repaired``, true for windows that touch such a part. A perfect estimate scores ``inf``.

    Raises
    ------
    ParameterError
        If targets, lengths, window or engine do not fit.
    AudioError
        If samples are not finite, or the engine cannot score them.

    References
    ----------
    Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation",
    IEEE TASLP 14(4), 2006. Stöter, Liutkus and Ito, "The 2018 signal separation evaluation
    campaign", LVA/ICA 2018.

    Examples
    --------
    >>> song = mssviz.examples()["francium"].excerpt(0, 2)
    >>> mixture, sources, _ = song.sound()
    >>> true = {"vocals": sources["vocals"], "rest": sources["drums"] + sources["other"]}
    >>> scores = mssviz.evaluate(true, {"vocals": mixture, "rest": mixture}, 44100)
    >>> scores[["target", "time"]].values.tolist()
    [['vocals', 0.0], ['vocals', 1.0], ['rest', 0.0], ['rest', 1.0]]
    """
    import pandas as pd

    if engine not in tuple(ENGINES):
        raise ParameterError(f"engine must be one of {', '.join(ENGINES)} (got {engine!r})")
    true, estimated = prepared(references, estimates, dither_db)
    audio.check_sample_rate(sample_rate, "sample_rate")
    n_samples = next(iter(true.values())).shape[0]
    n_window, n_hop = _check_windows(window, hop, n_samples, sample_rate)
    with reporter(progress) as report:
        in_samples = in_seconds(report, sample_rate)
        scores = _scored(true, estimated, ENGINES[engine], n_window, n_hop, in_samples)
    times = np.arange(scores.shape[2]) * n_hop / sample_rate
    columns: dict[str, AnyArray] = {"time": times}
    if repaired is not None:
        columns["repaired"] = _touched(repaired, times, n_window / sample_rate)
        scores[..., columns["repaired"]] = np.nan
    tables = [
        pd.DataFrame(
            {"target": target, **columns, **dict(zip(MEASURES, scores[:, i], strict=True))}
        )
        for i, target in enumerate(true)
    ]
    return pd.concat(tables, ignore_index=True)


def prepared(
    references: Mapping[str, AnyArray], estimates: Mapping[str, AnyArray], dither_db: float | None
) -> tuple[dict[str, Waveform], dict[str, Waveform]]:
    """Check what is to be measured, and add noise to it if that is asked for.

    Parameters
    ----------
    references, estimates, dither_db
        Arguments of `evaluate`.
    """
    true, estimated = _check_pairs(references, estimates)
    if dither_db is not None:
        check_number(dither_db, "dither_db")
        if not dither_db <= 0:
            raise ParameterError(
                f"dither_db must be 0 dBFS or less, such as {DITHER_DB:.0f} (got {dither_db})"
            )
        return _dither(true, dither_db, seed=0), _dither(estimated, dither_db, seed=1)
    if any(is_band_limited(signal) for signal in true.values()):
        warnings.warn(
            "a reference has no energy in the treble (decoded from a lossy format?): SDR is "
            "right, but ISR, SIR and SAR are not defined well; evaluate with "
            f"dither_db={DITHER_DB:.0f}",
            stacklevel=3,
        )
    return true, estimated


def _check_windows(window: float, hop: float, n_samples: int, sample_rate: int) -> tuple[int, int]:
    """Length of a window and of a hop, in samples."""
    check_number(window, "window")
    check_number(hop, "hop")
    n_window = n_samples if window == np.inf else _in_samples(window, sample_rate)
    n_hop = n_samples if hop == np.inf else _in_samples(hop, sample_rate)
    if n_hop < 1 or not FILTER_LENGTH <= n_window <= n_samples:
        raise ParameterError(
            f"window must be between {FILTER_LENGTH} samples and the signal's "
            f"{n_samples / sample_rate:.2f} s, or inf for all of it, and hop positive (got window "
            f"{window} s, hop {hop} s)"
        )
    return n_window, n_hop


def _scored(
    true: Mapping[str, Waveform],
    estimated: Mapping[str, Waveform],
    engine: Engine,
    n_window: int,
    n_hop: int,
    progress: Progress,
) -> AnyArray:
    """Scores ``(n_measures, n_targets, n_windows)``; NaN for targets that cannot be scored."""
    targets, n_samples = list(true), len(next(iter(true.values())))
    audible = [t for t in targets if true[t].any() and estimated[t].any()]
    n_windows = 1 + max(0, n_samples - n_window) // n_hop
    scores = np.full((len(MEASURES), len(targets), n_windows), np.nan)
    # A silent reference adds nothing to the interference, so it is left out. The reference of a
    # silent estimate is not: it stands in for the estimate, and the target gets no score.
    present = [t for t in targets if true[t].any()]
    if audible and len(present) > 1:
        signals = (
            np.stack([true[t] for t in present]),
            np.stack([(estimated if t in audible else true)[t] for t in present]),
        )
        measured = engine(*signals, n_window, n_hop, progress)
        for m, values in enumerate(measured):
            for row, target in enumerate(present):
                if target in audible:
                    scores[m, targets.index(target), : values.shape[1]] = values[row]
    return scores


def _touched(parts: Sequence[tuple[float, float]], times: AnyArray, seconds: float) -> AnyArray:
    """Which windows, all of a length in seconds, touch any of the parts."""
    touched = np.zeros(len(times), bool)
    for start, stop in parts:
        touched |= (times < stop) & (times + seconds > start)
    return touched


def summarise(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Aggregate windows as SiSEC does: the median of each measure over a track's windows.

    Parameters
    ----------
    scores
        Table from `evaluate`; with a column ``track``, medians are taken per track, then over
        tracks.

    Returns
    -------
    DataFrame
        Index ``target``; columns ``SDR``, ``ISR``, ``SIR``, ``SAR`` in dB, ``windows`` (number of
        windows) and ``silent`` (number of those without a score because of silence). If `scores`
        has a column ``repaired``, another counts the windows without a score for that reason.

    Examples
    --------
    >>> columns = {"time": [0.0, 1.0], "SDR": [4.0, 6.0], "ISR": 9.0, "SIR": 8.0, "SAR": 7.0}
    >>> mssviz.summarise(pd.DataFrame({"target": "vocals", **columns})).loc["vocals", "SDR"].item()
    5.0
    """
    columns = list(MEASURES)
    check_table(scores, ("target", *MEASURES), "mssviz.evaluate; for one of mssviz.compare call "
                "comparison.summary")  # fmt: skip
    order = list(dict.fromkeys(scores["target"]))
    keys = ["target", "track"] if "track" in scores else ["target"]
    medians = scores.groupby(keys)[columns].median().groupby("target").median()
    counts = scores.groupby("target")["SDR"].agg(
        windows="size", silent=lambda values: int(values.isna().sum())
    )
    if "repaired" in scores:
        counts["repaired"] = scores.groupby("target")["repaired"].sum().astype(int)
        counts["silent"] -= counts["repaired"]
    return medians.join(counts).loc[order]


def check_table(table: Any, columns: Sequence[str], source: str) -> None:
    """Raise `ParameterError` unless a table has some columns.

    Parameters
    ----------
    table
        Value that should be such a table.
    columns
        Names of the columns that it must have.
    source
        Name of what gives such tables, for the error.
    """
    missing = [name for name in columns if name not in getattr(table, "columns", ())]
    if missing:
        raise ParameterError(
            f"needs a table from {source} (got {type(table).__name__} without {', '.join(missing)})"
        )


def suggested_dither_db(references: Mapping[str, AnyArray]) -> float | None:
    """Level of the noise that `evaluate` needs for these references, in dBFS; None for no noise.

    Parameters
    ----------
    references
        True sources ``(n_samples, n_channels)`` by target.
    """
    return DITHER_DB if any(map(is_band_limited, references.values())) else None


def is_band_limited(signal: Waveform) -> bool:
    """Whether a signal is so empty in the treble that BSS Eval's filters are ill-defined.

    True if the top twentieth of the band lies more than 75 dB below the loudest, as in sound
    decoded from a lossy format. Samples that are rounded to 16 bits are never so: their noise is
    enough.

    Parameters
    ----------
    signal
        Waveform ``(n_samples, n_channels)``.
    """
    scaled = signal * np.float32(32768)
    if not signal.any() or np.array_equal(scaled, np.rint(scaled)):
        return False
    n = min(len(signal), 1 << 16)
    loudest = int(np.argmax(np.abs(signal).max(axis=1)))
    start = min(max(0, loudest - n // 2), len(signal) - n)
    window = np.hanning(n)[:, None]
    power = np.square(np.abs(np.fft.rfft(signal[start : start + n] * window, axis=0))).mean(axis=1)
    bands = [band.mean() for band in np.array_split(power, min(20, len(power)))]
    return bool(bands[-1] < 10**-7.5 * max(bands))


def _museval(
    references: AnyArray, estimates: AnyArray, window: int, hop: int, progress: Progress
) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    references, estimates = references.astype(np.float64), estimates.astype(np.float64)
    for signal in (*references, *estimates):
        if not signal.sum(axis=1).any():
            raise AudioError(
                "museval takes a signal whose channels cancel each other everywhere for silence "
                'and cannot score it; evaluate with engine="fast"'
            )
    n_samples = references.shape[1]
    progress(0, n_samples, "measure")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sdr, isr, sir, sar, _ = _museval_metrics().bss_eval(
                references, estimates, window=window, hop=hop
            )
    except (ValueError, AttributeError, np.linalg.LinAlgError) as error:
        # museval's own way out of a singular system needs numpy.linalg.linalg, which numpy 2 lacks
        raise AudioError(
            f"museval could not score these signals ({error}); two references may be copies of "
            f"each other, or band-limited: evaluate with dither_db={DITHER_DB:.0f}"
        ) from error
    progress(n_samples, n_samples, "measure")
    return sdr, isr, sir, sar


#: Implementations of BSS Eval by name.
ENGINES: dict[str, Engine] = {"fast": bss_eval_images, "museval": _museval}


@cache
def _museval_metrics() -> ModuleType:
    # museval/__init__ imports musdb and stempeg, which stop the import where there is no ffmpeg
    # program. The metrics need neither: their module is loaded by itself.
    package = importlib.util.find_spec("museval")
    if package is None or not package.submodule_search_locations:
        raise MssvizError("museval is not installed; run: pip install museval")
    path = Path(package.submodule_search_locations[0], "metrics.py")
    spec = importlib.util.spec_from_file_location("mssviz._museval_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


def _in_samples(seconds: float, sample_rate: int) -> int:
    return round(seconds * sample_rate) if np.isfinite(seconds) else 0


def in_seconds(report: Progress, sample_rate: int) -> Progress:
    """Make a callback that gets its progress in samples of one that gets it in seconds."""

    def in_samples(done: float, total: float | None, what: str) -> None:
        report(done / sample_rate, None if total is None else total / sample_rate, what)

    return in_samples


def _check_pairs(
    references: Mapping[str, AnyArray], estimates: Mapping[str, AnyArray]
) -> tuple[dict[str, Waveform], dict[str, Waveform]]:
    for name, signals in (("references", references), ("estimates", estimates)):
        check_waveforms(signals, name)
    if len(references) < 2 or set(references) != set(estimates):
        raise ParameterError(
            "references and estimates must hold the same two or more targets "
            f"(got {', '.join(references) or 'none'} and {', '.join(estimates) or 'none'})"
        )
    true = {t: audio.check_waveform(w, f"reference {t}") for t, w in references.items()}
    estimated = {t: audio.check_waveform(estimates[t], f"estimate {t}") for t in true}
    n_channels = max(w.shape[1] for w in (*true.values(), *estimated.values()))
    true, estimated = _repeated(true, n_channels), _repeated(estimated, n_channels)
    shapes = {w.shape for w in (*true.values(), *estimated.values())}
    if len(shapes) > 1:
        raise ParameterError(
            "references and estimates must share one length and channel count (got "
            f"{', '.join(map(str, sorted(shapes)))}); cut or mix them alike"
        )
    return true, estimated


def _repeated(signals: Mapping[str, Waveform], n_channels: int) -> dict[str, Waveform]:
    return {
        target: np.repeat(signal, n_channels, axis=1) if signal.shape[1] == 1 else signal
        for target, signal in signals.items()
    }


def _dither(signals: Mapping[str, Waveform], level_db: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    scale = 10 ** (level_db / 20)
    return {t: w + scale * rng.standard_normal(w.shape) for t, w in signals.items()}
