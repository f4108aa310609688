"""The command ``mssviz course``."""

from pathlib import Path
from typing import Annotated

import typer

from mssviz.cli._arguments import path_argument
from mssviz.cli._notebooks import copy_notebooks, course_files


def course(
    folder: Annotated[
        Path, path_argument(help="Folder for the copies.", metavar="[FOLDER]")
    ] = Path("mssviz-course"),
    solutions: Annotated[
        bool, typer.Option("--solutions", help="Copy the exercises' solutions, too, for teachers.")
    ] = False,
) -> None:
    """Copy the course's notebooks into a folder; its README.md lists them.

    Copies that are there already are yours, and stay as they are.
    """
    copy_notebooks(course_files(solutions), folder)
    typer.echo(folder / "README.md")
