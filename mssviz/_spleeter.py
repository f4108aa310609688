"""Answers for people who write Spleeter's names of things, or misspell ours."""

import difflib
from collections.abc import Collection, Iterable

from mssviz.errors import ParameterError

_NO_PROCESSES = "leave it out: no processes are started, and what returns is done"

#: What to write here, by keyword of Spleeter's `Separator` and its methods.
KEYWORDS = {
    "params_descriptor": "the model is the first argument",
    "params_filename": "the model is the first argument",
    "MWF": "write mwf=1",
    "multiprocess": _NO_PROCESSES,
    "synchronous": _NO_PROCESSES,
    "stft_backend": "leave it out: there is one STFT",
    "audio_descriptor": "leave it out: files are the first argument of separate_files",
    "audio_adapter": "leave it out: sound is read and written by FFmpeg's libraries",
    "destination": "the folder is the second argument of separate_files",
    "filename_format": "write name_format",
}

#: What to write here, by method of Spleeter's `Separator`.
METHODS = {
    "separate_to_file": 'call mssviz.separate_files("song.mp3", "stems", separator)',
    "save_to_file": 'call separation.save("stems"), of what separate returns',
    "join": "leave it out: nothing goes on after a call has returned",
}


def check_keywords(given: Iterable[str], known: Collection[str]) -> None:
    """Raise `ParameterError` with a remedy if a keyword is not known.

    Parameters
    ----------
    given
        Names of keyword arguments.
    known
        Names of the keyword arguments that exist.
    """
    for name in given:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose among {', '.join(known)}"
        raise ParameterError(f"there is no option {name!r}: {KEYWORDS.get(name, remedy)}")
