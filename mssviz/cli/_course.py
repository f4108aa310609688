"""The command ``mssviz course``."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from mssviz.cli._arguments import complain, path_argument
from mssviz.cli._explore import shipped_notebook

#: What people get besides the lessons: the table of contents, and notebooks that lessons lead to.
_BESIDE = ("README.md", "explorer.ipynb", "comparison.ipynb")
_LESSONS, _SOLUTIONS = "course", "solutions"


def course(
    folder: Annotated[
        Path, path_argument(help="Folder for the copies.", metavar="[FOLDER]")
    ] = Path("mssviz-course"),
    solutions: Annotated[
        bool, typer.Option("--solutions", help="Copy the exercises' solutions, too, for teachers.")
    ] = False,
) -> None:
    """Copy the course's notebooks into a folder; README.md lists them.

    Copies that are there already are yours, and stay as they are.
    """
    from mssviz._files import new_file, writing

    for name in _names(solutions):
        copy, original = folder / name, shipped_notebook(str(name))
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            with new_file(copy) as scratch:
                shutil.copyfile(original, scratch)
        elif copy.read_bytes() != original.read_bytes():
            complain(f"note: {copy} is yours from an earlier time and stays as it is")
    typer.echo(folder / "README.md")


def _names(solutions: bool) -> list[Path]:
    """Paths of what is copied, below the folder of our notebooks."""
    lessons = shipped_notebook(_LESSONS)
    found = [Path(_LESSONS, path.name) for path in sorted(lessons.glob("[a-z0-9]*.*"))]
    if solutions:
        texts = sorted((lessons / _SOLUTIONS).glob("*.md"))
        found += [Path(_LESSONS, _SOLUTIONS, path.name) for path in texts]
    return [*map(Path, _BESIDE), *found]
