"""How long a stranger waits, from nothing to the first sound.

    python benchmarks/first_sound.py [--runs N]

Follows the README and nothing else, each way in a new folder: clone and `make demo` until the first
stem is written; clone and `make app` until the explorer's page is served; new environment with the
wheel (that of `python -m build`, in dist/) and `mssviz separate` until the first stem is written.
What is not committed is not in a clone. Packages come from pip's cache if an earlier run, or
`make setup`, left them there; weights are fetched every time.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PORT = 8899
ADDRESS = re.compile(r"http://\S+")
CLONE = f"git clone --quiet file://{ROOT} checkout && cd checkout && "
EXAMPLE = "from mssviz import datasets; print(datasets.example_mixture())"


@contextlib.contextmanager
def started(script: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A shell with everything that it starts, ended at the end; it writes into the folder's log."""
    environment = os.environ | {"MSSVIZ_CACHE": str(folder / "cache"), "PYTHON": sys.executable}
    environment.pop("PYTHONPATH", None)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-ec", script], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                while True:  # what it started may write until its own end
                    os.killpg(process.pid, 0)
                    time.sleep(0.05)


def seconds_until(reached: Callable[[Path], bool], script: str) -> float:
    """Seconds from starting a script in an empty folder until something is there."""
    folder = Path(tempfile.mkdtemp(prefix="mssviz-first-sound-"))
    try:
        start = time.perf_counter()
        with started(script, folder) as process:
            while not reached(folder):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    if process.wait(0.05) or not reached(folder):
                        sys.exit(f"{script} failed:\n{(folder / 'log').read_text()[-2000:]}")
            return time.perf_counter() - start
    finally:
        shutil.rmtree(folder)


def stem_in(pattern: str) -> Callable[[Path], bool]:
    """Whether a file of a pattern has its name, which stems get when they are complete."""
    return lambda folder: any(folder.glob(pattern))


def page_is_served(folder: Path) -> bool:
    """Whether the explorer's page comes from the address that `mssviz app` writes."""
    found = ADDRESS.search((folder / "log").read_text().partition("The explorer is at")[2])
    if not found:
        return False
    with urllib.request.urlopen(found[0], timeout=60) as answer:
        return b"mssviz" in answer.read()


def ways() -> dict[str, tuple[Callable[[Path], bool], str]]:
    """By title, what is waited for, and the script."""
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"dist/ must hold one wheel (has {len(wheels)}); make it with python -m build")
    install = f"{sys.executable} -m venv new && new/bin/pip install --quiet {wheels[0]}"
    separate = f'new/bin/mssviz separate "$(new/bin/python -c "{EXAMPLE}")" -o stems'
    app = f'make app APP_OPTIONS="--no-browser --port {PORT}"'
    return {
        "clone, `make demo`, first stem": (
            stem_in("checkout/demo-output/*.flac"), f"{CLONE}make demo",
        ),
        "clone, `make app`, page is served": (page_is_served, CLONE + app),
        "wheel, `mssviz separate`, first stem": (
            stem_in("stems/*/*.wav"), f"{install}\n{separate}",
        ),
    }  # fmt: skip


def main() -> None:
    """Print a line of a table for each way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    print("| from nothing | seconds | runs |\n|---|---|---|")
    for title, (reached, script) in ways().items():
        runs = [seconds_until(reached, script) for _ in range(given.runs)]
        print(
            f"| {title} | {median(runs):.0f} | {', '.join(f'{run:.0f}' for run in runs)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
