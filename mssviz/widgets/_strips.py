"""The strips of a mixer: what each of them can play, and what may be set on it."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mssviz._typing import Waveform
from mssviz.errors import ParameterError
from mssviz.plots import check_colors, stem_colors

MIN_GAIN_DB, MAX_GAIN_DB = -60.0, 12.0


def new_strips(
    choices: Mapping[str, Sequence[str]], colors: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Make a strip for each entry of `choices`: centred, at 0 dB, playing its own track."""
    colors = {**stem_colors(choices), **colors}
    return [
        {
            "name": name,
            "color": colors[name],
            "gain_db": 0.0,
            "pan": 0.0,
            "muted": False,
            "solo": False,
            "choices": list(names),
            "shows": name,
        }
        for name, names in choices.items()
    ]


def check_pairs(
    pairs: Mapping[str, str | Sequence[str]], tracks: Collection[str]
) -> dict[str, list[str]]:
    """List what each strip can play, its own track first."""
    others = {n: list(o) if isinstance(o, list | tuple) else [o] for n, o in pairs.items()}
    alternatives = list(itertools.chain.from_iterable(others.values()))
    for name in (*others, *alternatives):
        if name not in tracks:
            raise ParameterError(f"pairs names {name!r}; choose from {', '.join(tracks)}")
    for name in alternatives:
        if name in others or alternatives.count(name) > 1:
            raise ParameterError(
                f"{name} can be an alternative of one strip only, and then has none itself "
                f"(got pairs {others}); give the track once more under another name"
            )
    return {n: [n, *others.get(n, [])] for n in tracks if n not in alternatives}


def check_strip_colors(colors: Mapping[str, str], tracks: Collection[str]) -> Mapping[str, str]:
    """Refuse colours for names that are no tracks."""
    for name in colors:
        if name not in tracks:
            raise ParameterError(f"colors names {name!r}; choose from {', '.join(tracks)}")
    return colors


def check_strip(strip: Mapping[str, Any]) -> dict[str, Any]:
    """Check a strip that somebody has changed, and return it with numbers as floats."""
    wanted = {"name", "color", "gain_db", "pan", "muted", "solo", "choices", "shows"}
    if set(strip) != wanted:
        raise ParameterError(f"a strip has {', '.join(sorted(wanted))} (got {sorted(strip)})")
    check_colors({strip["name"]: strip["color"]})
    for flag in ("muted", "solo"):
        if not isinstance(strip[flag], bool):
            raise ParameterError(f"{flag} must be True or False (got {strip[flag]!r})")
    if strip["shows"] not in strip["choices"]:
        raise ParameterError(
            f"shows must be one of {', '.join(strip['choices'])} (got {strip['shows']!r})"
        )
    gain_db = in_range(strip["gain_db"], MIN_GAIN_DB, MAX_GAIN_DB, "gain_db", " dB")
    return dict(strip) | {"gain_db": gain_db, "pan": in_range(strip["pan"], -1, 1, "pan")}


def mixed(
    strips: Sequence[Mapping[str, Any]], master_db: float, tracks: Mapping[str, Waveform]
) -> Waveform:
    """What is heard of tracks through strips, as the browser's audio graph adds it up.

    Parameters
    ----------
    strips
        Strips of a mixer.
    master_db
        Level of the sum, in dB.
    tracks
        Name to waveform, ``(n_samples, n_channels)``.

    Returns
    -------
    Waveform
        ``(n_samples, 2)``.
    """
    n_samples = len(next(iter(tracks.values())))
    total = np.zeros((n_samples, 2), np.float32)
    soloed = any(strip["solo"] for strip in strips)
    for strip in strips:
        if strip["muted"] or (soloed and not strip["solo"]):
            continue
        heard = tracks[strip["shows"]] * np.float32(_factor(strip["gain_db"]))
        total += _panned(heard, strip["pan"])
    return total * np.float32(_factor(master_db))


def _factor(gain_db: float) -> float:
    return 0.0 if gain_db <= MIN_GAIN_DB else 10 ** (gain_db / 20)


def _panned(waveform: Waveform, pan: float) -> Waveform:
    """As a StereoPannerNode of the Web Audio API does with two channels: equal power."""
    left, right = waveform[:, 0], waveform[:, -1]
    angle = (pan + 1 if pan <= 0 else pan) * np.pi / 2
    to_left, to_right = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    if pan <= 0:
        return np.stack([left + right * to_left, right * to_right], axis=1)
    return np.stack([left * to_left, right + left * to_right], axis=1)


def kept(earlier: Mapping[str, Any] | None, strip: Mapping[str, Any]) -> dict[str, Any]:
    """What people have set on an earlier strip of the same name, as far as `strip` can have it."""
    if earlier is None:
        return {}
    found = {name: earlier[name] for name in ("gain_db", "pan", "muted", "solo")}
    return found | ({"shows": earlier["shows"]} if earlier["shows"] in strip["choices"] else {})


def is_number(value: Any) -> bool:
    """Whether a value is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def in_range(value: Any, low: float, high: float, what: str, unit: str = "") -> float:
    """Return a number within a range, ends included; `what` and `unit` are for the message."""
    if not is_number(value) or not low <= value <= high:
        raise ParameterError(f"{what} must lie between {low:g} and {high:g}{unit} (got {value!r})")
    return float(value)
