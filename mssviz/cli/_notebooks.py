"""Our notebooks, and copies of them that become people's own."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from mssviz.cli._arguments import complain

#: What belongs to the course besides its lessons: the table of contents, and what lessons lead to.
_BESIDE = (
    "README.md", "explorer.ipynb", "why.ipynb", "comparison.ipynb", "which-model.ipynb"
)  # fmt: skip
_LESSONS, _SOLUTIONS = "course", "solutions"


def shipped_notebook(name: str) -> Path:
    """Path of one of our notebooks, in a checkout or in the installed package."""
    from mssviz import presets

    checkout = presets.checkout_folder()
    folder = checkout / "notebooks" if checkout else Path(__file__).parents[1] / "_notebooks"
    return folder / name


def course_files(solutions: bool = False) -> list[str]:
    """Names of all files of the course, below the folder of our notebooks.

    Parameters
    ----------
    solutions
        Whether to name the texts with the exercises' solutions, too.
    """
    lessons = shipped_notebook(_LESSONS)
    found = [*lessons.glob("*.ipynb"), *lessons.glob("*.md"), *lessons.glob("pictures/*.png")]
    if solutions:
        found += (lessons / _SOLUTIONS).glob("*.md")
    return [*_BESIDE, *sorted(str(path.relative_to(lessons.parent)) for path in found)]


def copy_notebooks(names: Iterable[str], folder: Path) -> None:
    """Copy some of our notebooks into a folder; a copy that a person has changed stays as it is.

    Parameters
    ----------
    names
        Names below the folder of our notebooks, which the copies have, too.
    folder
        Folder, which is made if it is not there.

    Raises
    ------
    FileError
        If a copy cannot be written.
    """
    from mssviz._files import new_file, sweep_once, writing

    kept = []
    for name in names:
        copy, original = folder / name, shipped_notebook(name)
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(copy.parent)  # what an interrupted run left, even if no copy is missing now
        if not copy.exists():
            with new_file(copy) as scratch:
                shutil.copyfile(original, scratch)
        elif copy.read_bytes() != original.read_bytes():
            kept.append(str(copy))
    if kept:
        stay = "is yours from an earlier time and stays as it is"
        if len(kept) > 1:
            stay = "are yours from an earlier time and stay as they are"
        complain(f"note: {', '.join(kept)} {stay}")
