"""Build wheel and sdist, install them as a stranger would, and run what they promise.

    python tools/check_packages.py                                      # with this Python
    python tools/check_packages.py python3.11 python3.12 python3.13 --lessons 01 05 08

For each interpreter: an empty environment, the wheel and what it requires from the index, and then,
in a folder outside the repository, the shipped example separated, the explorer, and lessons of the
course. One line a result; the exit code is 1 if anything failed, and what it said is shown. Needs
build and twine (`pip install build twine`), the package index and about 4 GB of disk.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = """
from importlib.metadata import version
import mssviz
print(mssviz.__version__, version("mssviz"))
"""
EXAMPLE = "from mssviz import datasets; print(datasets.example_mixture())"
EXPLORER = """
import mssviz
explorer = mssviz.explore()
explorer.separate()
explorer.save_html("page.html")
explorer.close()
"""


class FailedError(Exception):
    """A check that did not hold; its text says why."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program that must succeed; return what it wrote."""
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise FailedError(otherwise)


def check(where: str, what: str, work: Callable[[], None]) -> bool:
    """Do some work, write one line on it, and return whether it succeeded."""
    start = time.perf_counter()
    try:
        work()
        outcome = "ok"
    except FailedError as error:
        outcome = f"FAILED\n{error}"
    print(f"{where:8} {what:36} {time.perf_counter() - start:6.1f} s  {outcome}", flush=True)
    return outcome == "ok"


class Packages:
    """Wheel and sdist of this checkout.

    Parameters
    ----------
    folder
        Empty folder to build in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _only(self, pattern: str) -> Path:
        [path] = self.folder.glob(pattern)
        return path

    @property
    def wheel(self) -> Path:
        """The wheel that was built out of the checkout."""
        return self._only("*.whl")

    def build(self) -> None:
        """Build a wheel and an sdist out of the checkout."""
        for kind in ("--wheel", "--sdist"):
            run(sys.executable, "-m", "build", kind, "--outdir", self.folder, ROOT, cwd=self.folder)

    def are_valid(self) -> None:
        """Have what they state of themselves checked as the package index would."""
        files = [self.wheel, self._only("*.tar.gz")]
        run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=self.folder)

    def are_the_same(self) -> None:
        """Build a wheel out of the sdist alone: it must hold the same bytes as the other."""
        shutil.unpack_archive(self._only("*.tar.gz"), self.folder / "source", filter="data")
        command = (sys.executable, "-m", "build", "--wheel", "--outdir", self.folder / "again")
        run(*command, self._only("source/*"), cwd=self.folder)
        ours, theirs = (
            {(entry.filename, entry.CRC) for entry in zipfile.ZipFile(wheel).infolist()}
            for wheel in (self.wheel, self._only("again/*.whl"))
        )
        names = sorted(name for name, _ in ours ^ theirs)
        require(not names, f"the wheel out of the sdist differs in {', '.join(names)}")


class Installed:
    """An environment with nothing but mssviz, and a folder of somebody who uses it.

    Parameters
    ----------
    folder
        Empty folder, outside the repository.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = folder / "environment" / "bin"

    def _do(self, program: str, *arguments: str | Path, within: str = ".") -> str:
        return run(
            self._programs / program, *arguments, cwd=self.folder / within,
            PATH=f"{self._programs}{os.pathsep}{os.environ['PATH']}",
            MSSVIZ_CACHE=str(self.folder / "cache"),
        )  # fmt: skip

    def install(self, python: str, wheel: Path) -> None:
        """Make the environment, and install a wheel and what it requires into it."""
        run(python, "-m", "venv", self._programs.parent, cwd=self.folder)
        self._do("pip", "install", "--quiet", wheel)
        self._do("pip", "check")

    def tells_its_version(self, wheel: Path) -> None:
        """Require the wheel's version of package, metadata and command."""
        version = wheel.name.split("-")[1]
        told = [
            *self._do("python", "-c", VERSIONS).split(),
            self._do("mssviz", "--version").strip(),
        ]
        require(told == [version, version, f"mssviz {version}"], f"{wheel.name} says {told}")

    def separates(self) -> None:
        """Separate the shipped example into files, with weights that are fetched for it."""
        example = Path(self._do("python", "-c", EXAMPLE).strip())
        require(ROOT not in example.parents, f"{example} is the repository's, not the package's")
        self._do("mssviz", "separate", example, "-o", "stems")
        stems = sorted(path.name for path in self.folder.glob("stems/*/*.wav"))
        require(stems == ["accompaniment.wav", "vocals.wav"], f"the stems are {stems}")

    def explores(self) -> None:
        """Separate in the explorer, save its page, and run its notebook."""
        self._do("python", "-c", EXPLORER)
        self._do("mssviz", "course", "course")
        self._do("jupyter", "execute", "explorer.ipynb", within="course")

    def teaches(self, number: str) -> None:
        """Run a lesson of the course."""
        lessons = [path.name for path in self.folder.glob(f"course/course/{number}-*.ipynb")]
        require(len(lessons) == 1, f"there are {len(lessons)} lessons of number {number}")
        self._do("jupyter", "execute", *lessons, within="course/course")


def check_python(python: str, wheel: Path, lessons: Sequence[str], folder: Path) -> bool:
    """Check an installation with one interpreter, and remove it again."""
    version = run(python, "-c", "import platform; print(platform.python_version())", cwd=folder)
    folder = folder / f"python-{version.strip()}"
    folder.mkdir()
    installed = Installed(folder)
    todo: dict[str, Callable[[], None]] = {
        "wheel and what it requires": lambda: installed.install(python, wheel),
        "its version": lambda: installed.tells_its_version(wheel),
        "weights fetched, example separated": installed.separates,
        "explorer, its page, its notebook": installed.explores,
        **{f"lesson {n}": lambda n=n: installed.teaches(n) for n in lessons},
    }
    results = [check(version.strip(), what, work) for what, work in todo.items()]
    shutil.rmtree(folder)
    return all(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", default=[sys.executable], metavar="PYTHON")
    parser.add_argument("--lessons", nargs="*", default=["01", "05"], metavar="NN")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mssviz-packages-") as name:
        folder = Path(name)
        packages = Packages(folder)
        held = check("packages", "wheel and sdist are built", packages.build)
        if held:
            held = check("packages", "their metadata are valid", packages.are_valid)
            held &= check("packages", "the sdist builds the same wheel", packages.are_the_same)
            for python in given.pythons:
                held &= check_python(python, packages.wheel, given.lessons, folder)
    sys.exit(not held)


if __name__ == "__main__":
    main()
