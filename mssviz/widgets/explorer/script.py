"""The Python that makes what the explorer shows: the same song, model, options and strokes.

Whatever comes from a file or a person is written as `repr` has it, and never becomes code.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from mssviz import datasets
from mssviz.errors import ParameterError
from mssviz.separation import MaskOptions
from mssviz.separation.editing import Stroke
from mssviz.tracks import Track
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.result import Result

_SCRIPT = """\
\"\"\"What mssviz's explorer has shown, without its page.\"\"\"

import math
from pathlib import Path

import mssviz
from mssviz.separation.editing import Stroke
from mssviz.tracks import Track
from mssviz.widgets.explorer import Session
from mssviz.widgets.explorer.choice import Choice

choice = Choice(
    song={song},
    model={model},
    rival={rival},
    offset={offset},  # seconds
    duration={duration},  # seconds; None for all from there
)
session = Session()
session.set_options({options})
session.separate(choice)
{cuts}{strokes}{selection}session.wait()

separation = session.laboratory.heard  # masks, stems and all between, as arrays
print(separation)
if session.result.scores is not None:
    print(session.result.scores.summary)
separation.save("stems")  # a sound file for each
"""


def script_of(result: Result) -> str:
    """Python whose result has the same masks, stems and scores.

    Parameters
    ----------
    result
        A complete one.

    Raises
    ------
    ParameterError
        If masks were loaded from a file, which no script tells.
    """
    choice, selection = result.choice, result.selection
    return _SCRIPT.format(
        song=_song(choice),
        model=_value(str(choice.model)),
        rival=_value(str(choice.rival)),
        offset=_value(choice.offset),
        duration=_value(choice.duration),
        options=", ".join(f"{name}={_value(v)}" for name, v in _settings(result).items()),
        cuts=_cuts(result),
        strokes="".join(
            f"session.paint({_made(stroke)}, sum_to_one={bool(keeps_sum)!r})\n"
            for stroke, keeps_sum in result.laboratory.editor.strokes
        ),
        selection="" if selection is None else f"session.select({_value(selection)})\n",
    )


def _cuts(result: Result) -> str:
    """Surgery on the network, if there was any."""
    if not result.cuts:
        return ""
    lines = [
        f"surgery = mssviz.insight.Surgery(mssviz.Separator({_value(str(result.choice.model))}))"
    ]
    for site, gains in result.cuts.items():
        for gain in dict.fromkeys(g for g in gains if g != 1):
            channels = [k for k, g in enumerate(gains) if g == gain]
            some = f", {_value(channels)}" if len(channels) < len(gains) else ""
            lines.append(f"surgery.scale({_value(site)}, {_value(gain)}{some})")
    return "\n".join([*lines, "session.operate(surgery)", ""])


def _settings(result: Result) -> dict[str, object]:
    laboratory = result.laboratory
    options = laboratory.separation.options
    usable = result.model.kind.usable(options)
    found = {f.name: getattr(options, f.name) for f in fields(MaskOptions) if f.name in usable}
    of_sound = {"oracle_phase": laboratory.oracle_phase, "mask_part": laboratory.mask_part}
    return {**found, **of_sound}


def _song(choice: Choice) -> str:
    song = choice.song
    if not isinstance(song, Track):
        return _value(str(song))
    for name, track in datasets.examples().items():
        if track == song:
            return f"mssviz.examples()[{name!r}]"
    return _made(song)


def _made(record: Track | Stroke) -> str:
    """A call that makes a record again."""
    given = ", ".join(f"{f.name}={_value(getattr(record, f.name))}" for f in fields(record))
    return f"{type(record).__name__}({given})"


def _value(value: object) -> str:
    """Numbers, texts, paths, and what is made of them, as code."""
    if isinstance(value, float) and math.isinf(value):
        return "math.inf"
    if isinstance(value, np.number):
        return _value(value.item())
    if isinstance(value, Path):
        return f"Path({str(value)!r})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_value(k)}: {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, tuple):
        return f"({''.join(f'{_value(part)}, ' for part in value)})"
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    raise ParameterError(f"what is of type {type(value).__name__} cannot be written as Python")
