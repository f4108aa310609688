"""Checks of answers; what is solved is kept beside the notebook, so that it can be collected."""

import html
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mssviz._checks import as_path
from mssviz._files import new_file
from mssviz._stems import existing
from mssviz._typing import PathLike
from mssviz._values import Values, load_json, shown
from mssviz.errors import MssvizError, ParameterError
from mssviz.lessons import (
    ceilings,
    classics,
    decisions,
    ethics,
    layers,
    learning,
    listening,
    masking,
    mixing,
    painting,
    phases,
    scoring,
    systems,
    windows,
)
from mssviz.lessons.exercise import Exercise, Wrong

_TOPICS = (
    listening,
    mixing,
    windows,
    phases,
    painting,
    masking,
    ceilings,
    classics,
    layers,
    decisions,
    scoring,
    learning,
    systems,
    ethics,
)
#: Every exercise, by the number of its lesson and its own.
EXERCISES: dict[str, Exercise] = {
    name: exercise for topic in _TOPICS for name, exercise in topic.EXERCISES.items()
}
#: Name of the file in the notebook's folder that says what is solved.
RESULTS = "course-results.json"


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer.

    Parameters
    ----------
    solved
        Whether the answer is right.
    message
        Sentences that say why.
    """

    solved: bool
    message: str

    def __repr__(self) -> str:
        return f"{'Right' if self.solved else 'Not yet'}. {self.message}"

    def _repr_html_(self) -> str:
        color = "#246B63" if self.solved else "#D55E00"
        head = "Right." if self.solved else "Not yet."
        return (
            f'<div role="status" style="border-left:4px solid {color};padding:4px 10px">'
            f"<b>{head}</b> {html.escape(self.message)}</div>"
        )


def check(exercise: str, answer: Any) -> Verdict:
    """Check the answer to an exercise, and keep whether it is solved.

    What is solved stays solved. It is kept in `RESULTS` in the current folder, which is the
    notebook's.

    Parameters
    ----------
    exercise
        Number of the exercise, such as ``"3.1"``.
    answer
        Answer, of the kind that the exercise asks for; ``...`` is none yet.

    Raises
    ------
    ParameterError
        If there is no such exercise.

    Examples
    --------
    >>> mssviz.lessons.check("3.1", 1024)
    Not yet. Bins are 43.1 Hz apart, but the notes only 6.5 Hz: ...
    """
    if exercise not in EXERCISES:
        raise ParameterError(
            f"exercise must be one of {', '.join(EXERCISES)} (got {shown(exercise)})"
        )
    if answer is None or answer is ...:
        return Verdict(False, "Put your answer in place of the three dots, and run the cell again.")
    try:
        verdict = Verdict(True, EXERCISES[exercise].judge(answer))
    except Wrong as wrong:
        verdict = Verdict(False, str(wrong))
    try:
        _keep(exercise, verdict.solved)
    except MssvizError as error:
        return Verdict(verdict.solved, f"{verdict.message} This could not be kept: {error}.")
    return verdict


def progress(folder: PathLike = ".") -> str:
    """Say in one line which exercises are solved and which are open.

    Parameters
    ----------
    folder
        Folder of the notebooks; the current one if left out.

    Raises
    ------
    ParameterError
        If there is no such folder, or what was kept in it cannot be read.
    """
    kept = _kept(existing(folder) / RESULTS)
    solved = [name for name in EXERCISES if kept.get(name, _NEW)["solved"]]
    left = [name for name in EXERCISES if name not in solved]
    line = f"Solved {len(solved)} of {len(EXERCISES)}"
    line += f": {', '.join(solved)}. " if solved else ". "
    return line + (f"Open: {', '.join(left)}." if left else "Nothing is open.")


def class_results(folder: PathLike) -> pd.DataFrame:
    """Table of what the students of a class have solved.

    Parameters
    ----------
    folder
        Folder with what was handed in: each student's `RESULTS` in a folder of its own, at any
        depth.

    Returns
    -------
    pandas.DataFrame
        A row for each student, by the path of the student's folder within `folder`: how many
        exercises are ``"solved"``, all ``"tries"``, and for each exercise ``"solved"``,
        ``"tried"`` or nothing.

    Raises
    ------
    ParameterError
        If nothing was handed in, or if one of the files cannot be read.
    """
    root = as_path(folder, "folder")
    rows = {}
    for path in sorted(root.rglob(RESULTS)):
        kept = _kept(path)
        state = dict.fromkeys(EXERCISES, "")
        state |= {name: "solved" if one["solved"] else "tried" for name, one in kept.items()}
        solved = sum(one["solved"] for one in kept.values())
        tries = sum(one["tries"] for one in kept.values())
        rows[path.parent.relative_to(root).as_posix()] = {"solved": solved, "tries": tries} | state
    if not rows:
        raise ParameterError(f"{root}: there is no {RESULTS} in this folder, nor in any within it")
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("student")


_NEW: dict[str, Any] = {"solved": False, "tries": 0}


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    """What a file says of each exercise; nothing if there is no file."""
    if not path.exists():
        return {}
    try:
        content = Values(load_json(path, "a list of what is solved")).inner("exercises")
        return {name: _record(content.inner(name)) for name in EXERCISES if name in content}
    except ParameterError as error:
        why = str(error).removeprefix(f"{path}: ")
        raise ParameterError(f"{path}: {why}; move it away to begin anew") from error


def _record(values: Values) -> dict[str, Any]:
    solved = values.raw("solved")
    record = {"solved": solved is True, "tries": values.whole("tries", 1, 1_000_000)}
    return record | ({"time": values.line("time")} if "time" in values else {})


def _keep(exercise: str, solved: bool) -> None:
    path = Path(RESULTS)
    kept = _kept(path)
    record = dict(kept.get(exercise, _NEW))
    record["tries"] += 1
    if solved and not record["solved"]:
        record |= {"solved": True, "time": datetime.now(UTC).isoformat(timespec="seconds")}
    # what another version of the course has kept stays as it is
    content = load_json(path, "a list of what is solved") if path.exists() else {}
    content["exercises"] = {**content.get("exercises", {}), exercise: record}
    with new_file(path) as scratch:
        scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
