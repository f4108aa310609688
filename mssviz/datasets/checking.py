"""What would spoil an evaluation or a training, looked for before hours are spent on it."""

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio
from mssviz._progress import reporter
from mssviz._typing import Progress, Waveform
from mssviz.audio import residual_db
from mssviz.errors import MssvizError
from mssviz.tracks import MAX_MISSING_SECONDS, Part, Track, check_tracks

if TYPE_CHECKING:
    import pandas as pd

#: Peak of a mixture above which `check` looks twice: a sum of mastered stems stays below.
MAX_PEAK = 2.0
#: Level of mixture minus stems, in dB relative to the mixture, above which `check` complains.
MAX_RESIDUAL_DB = -25.0


def check(tracks: Mapping[str, Track], progress: bool | Progress = True) -> "pd.DataFrame":
    """Look for what would spoil an evaluation before hours are spent on it.

    Parameters
    ----------
    tracks
        Tracks by name.
    progress
        True for a bar, or a callback; see `Separator.separate`. Files are read whole.

    Returns
    -------
    DataFrame
        One row for each track: ``seconds``, ``sample_rate`` (Hz), ``residual_db`` (level of the
        mixture minus the sum of the stems, relative to the mixture), ``usable``, and ``problem``,
        which is empty if there is none. A track is not usable if files are missing or cannot be
        read, if the mixture is silent, or if the stems are not the mixture's. Silent stems, clicks,
        and unequal rates, channels or lengths and damage, which `Track.load` makes up for, are
        problems that one can live with.
    """
    import pandas as pd

    check_tracks(tracks)
    rows = []
    with reporter(progress, unit="track") as report:
        for done, (name, track) in enumerate(tracks.items(), start=1):
            rows.append({"track": name, **_checked(track)})
            report(done, len(tracks), "check")
    return pd.DataFrame(rows).set_index("track")


def _checked(track: Track) -> dict[str, Any]:
    row = {"seconds": 0.0, "sample_rate": 0, "residual_db": np.nan, "usable": False}
    rates, problems = set(), []
    for path, stream in dict.fromkeys(chain.from_iterable(track.parts.values())):
        try:
            with audio.AudioReader(path, sample_rate=None, stream=stream) as reader:
                rates.add(reader.sample_rate)
        except MssvizError as error:
            problems.append(str(error))
    if problems:
        return {**row, "problem": "; ".join(problems)}
    rate = max(rates)
    try:
        parts = track.read(sample_rate=rate)
        mixture, stems = track.joined(parts)
    except MssvizError as error:
        return {**row, "problem": str(error)}
    if len(rates) > 1:
        problems.append(f"files have different sample rates ({sorted(rates)})")
    problems += _mended(parts, rate)
    unfit, left_db = _unfit(mixture, stems)
    problems += unfit
    peaks = np.abs(mixture).max(axis=1)
    if peaks.max(initial=0) > MAX_PEAK:
        at = int(peaks.argmax()) / rate
        problems.append(f"the mixture's peak is {peaks.max():.1f}, at {at:.2f} s: a click?")
    silent = [name for name, stem in stems.items() if not stem.any()]
    if silent:
        problems.append(f"silent throughout: {', '.join(silent)}")
    return {
        "seconds": len(mixture) / rate,
        "sample_rate": rate,
        "residual_db": left_db,
        "usable": not unfit,
        "problem": "; ".join(problems),
    }


def _mended(parts: Mapping[str, list[Part]], sample_rate: int) -> list[str]:
    """Describe the problems that `Track.load` makes up for."""
    named = {
        source if len(files) == 1 else f"{source} {part.path.name}": part
        for source, files in parts.items()
        for part in files
    }
    channels = {name: part.waveform.shape[1] for name, part in named.items()}
    seconds = {name: len(part.waveform) / sample_rate for name, part in named.items()}
    found = []
    if len(set(channels.values())) > 1:
        listed = ", ".join(f"{name} {n}" for name, n in channels.items())
        found.append(f"files have different channels ({listed}); mono is repeated")
    if max(seconds.values()) - min(seconds.values()) > MAX_MISSING_SECONDS:
        listed = ", ".join(f"{name} {s:.2f} s" for name, s in seconds.items())
        found.append(f"files have different lengths ({listed}); silence stands for what is missing")
    repaired = {name: part.repairs for name, part in named.items() if part.repairs}
    if repaired:
        listed = ", ".join(f"{name} at {repairs[0][0]:.2f} s" for name, repairs in repaired.items())
        found.append(f"files are damaged ({listed}); silence stands for what is lost")
    return found


def _unfit(mixture: Waveform, stems: Mapping[str, Waveform]) -> tuple[list[str], float]:
    """Reasons why a song is useless, and the level of mixture minus stems, in dB."""
    if not mixture.any():
        return ["the mixture is silent"], np.nan
    left_db = residual_db(mixture, stems.values())
    if left_db > MAX_RESIDUAL_DB:
        return [f"stems do not add up to the mixture: {left_db:.0f} dB are left"], left_db
    return [], left_db
