"""Speed and memory of BSS Eval, beside museval and fast-bss-eval.

    python benchmarks/metrics.py                        # pairs in turn, then 10 minutes
    python benchmarks/metrics.py --runs 7 --skip-long

Every measurement is a process of its own, since memory that a process once had does not come back;
the clock runs during the evaluation alone, after a short one to warm up. Processes are started in
turn, so that both of a pair meet the same machine. fast-bss-eval, which has version 3 of the
measures for whole one-channel signals, gets an environment of its own under ``benchmarks/.work``.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
WORK = Path(__file__).with_name(".work")
PEER = "fast-bss-eval==0.1.4"

# Stems of 6 s of music, repeated; a fourth is one of them backwards.
SIGNALS = """
import os, resource, sys, time
import numpy as np
n_sources, seconds, n_channels = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
stems = np.load(sys.argv[4])[:n_sources, :, :n_channels]
def signals(seconds):
    n_samples = round(seconds * 44100)
    times = -(-n_samples // stems.shape[1])
    references = np.tile(stems, (1, times, 1))[:, :n_samples]
    mixture = references.sum(axis=0)
    estimates = np.random.default_rng(0).standard_normal(references.shape, np.float32)
    for reference, estimate in zip(references, estimates):
        estimate *= 0.01
        estimate += 0.8 * reference
        estimate += 0.1 * mixture
    return references, estimates
def measure(evaluate):
    evaluate(*signals(2))
    given = signals(seconds)
    start = time.perf_counter()
    evaluate(*given)
    print(time.perf_counter() - start)
"""

IMAGES = """
from mssviz.scores import windows
def report(*_):
    pass
engine = windows.ENGINES[{engine!r}]
measure(lambda references, estimates: engine(references, estimates, 44100, 44100, report))
"""
SOURCES = """
from mssviz.scores import bss_eval
measure(bss_eval.bss_eval_sources)
"""
SOURCES_PEER = """
import fast_bss_eval
def evaluate(references, estimates):
    signals = (s[..., 0].astype(np.float64) for s in (references, estimates))
    fast_bss_eval.bss_eval_sources(
        *signals, filter_length=512, compute_permutation=False, use_cg_iter={iterations}
    )
measure(evaluate)
"""


@dataclass
class Case:
    """What is measured: sources, seconds of sound, channels."""

    n_sources: int
    seconds: float
    n_channels: int = 2

    def __str__(self) -> str:
        """For a line of the table."""
        width = {1: "mono", 2: "stereo"}[self.n_channels]
        return f"{self.n_sources} stems, {self.seconds:g} s {width}"


@dataclass
class Run:
    """One process: seconds in the evaluation, peak memory in MiB."""

    seconds: float
    peak: float


def run(program: str, case: Case, python: str = sys.executable) -> Run:
    """Evaluate in a process of its own; raise if it fails."""
    numbers = [str(case.n_sources), str(case.seconds), str(case.n_channels)]
    command = [python, "-c", SIGNALS + program, *numbers, str(WORK / "stems.npy")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{python} failed to evaluate {case}")
    return Run(float(output), usage.ru_maxrss / 1024)


def make_stems() -> None:
    """Four stems of the shipped excerpt as one array, which every environment can read."""
    import numpy as np

    from mssviz import datasets

    _, stems = datasets.examples()["francium"].load()
    vocals, drums, other = stems.values()
    np.save(WORK / "stems.npy", np.stack([vocals, other, drums, other[::-1]]))


def make_peer() -> str:
    """Environment with fast-bss-eval; its Python."""
    folder = WORK / "fast-bss-eval"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment with {PEER} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # its direct solver fails with numpy 2
        pip = [python, "-m", "pip", "install", "--quiet", PEER, "numpy<2", "scipy"]
        subprocess.run(pip, check=True)
    return str(python)


def compare(case: Case, runs: int, peer: str, peer_name: str, ours: str, python: str) -> None:
    """Run both in turn and print medians, ratios and memory."""
    pairs = [(run(ours, case), run(peer, case, python)) for _ in range(runs)]
    ratios = [theirs.seconds / mine.seconds for mine, theirs in pairs]
    mine, theirs = zip(*pairs, strict=True)
    for name, rows in (("mssviz", mine), (peer_name, theirs)):
        times = sorted(row.seconds for row in rows)
        print(
            f"{case!s:24s} {name:28s} {median(times):7.2f} s ({times[0]:.2f} to {times[-1]:.2f})"
            f"   {median(row.peak for row in rows):6.0f} MiB"
        )
    memory = median(m.peak for m in mine) / median(p.peak for p in theirs)
    print(
        f"{'':24s} {median(ratios):.1f} times as fast (pairs: {min(ratios):.1f} to "
        f"{max(ratios):.1f}), {memory:.2f} of the memory",
        flush=True,
    )


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--skip-long", action="store_true")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    make_stems()
    fast, museval = (IMAGES.format(engine=engine) for engine in ("fast", "museval"))

    print(f"{os.cpu_count()} processors, {options.runs} pairs; medians (ranges)")
    for case in (Case(4, 30), Case(2, 7), Case(2, 10)):
        compare(case, options.runs, museval, "museval", fast, sys.executable)
    python = make_peer()
    for iterations, name in ((None, "fast-bss-eval, direct"), (10, "fast-bss-eval, 10 iterations")):
        program = SOURCES_PEER.format(iterations=iterations)
        compare(Case(4, 30, 1), options.runs, program, name, SOURCES, python)

    if not options.skip_long:
        print("\nlength of the signal")
        for seconds in (30, 120, 600):
            case = Case(4, seconds)
            found = [run(fast, case) for _ in range(options.runs)]
            time = median(r.seconds for r in found)
            megabytes = 2 * 4 * 2 * 4 * seconds * 44100 / 2**20
            print(
                f"{case!s:24s} {time:7.2f} s, {1000 * time / seconds:5.1f} ms for a second of "
                f"sound   {median(r.peak for r in found):6.0f} MiB, {megabytes:.0f} of them signals"
            )


if __name__ == "__main__":
    main()
