"""Seconds and memory of what says why: error maps, components, measures, evidence, surgery.

    python benchmarks/insight.py

Each is done in a process of its own, on the shipped song repeated to 15 s and to 4 minutes, after
the network has run once. Memory is the peak of the process, less what it held before.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np

LENGTHS = {"15 s": 15.0, "4 minutes": 240.0}


def prepared(seconds: float) -> tuple:
    """A separator, its separation of a song of some length, and the true stems."""
    import mssviz
    from mssviz import datasets

    mixture, sources = datasets.examples()["francium"].load()
    n_samples = int(seconds * 44100)
    times = -(-n_samples // len(mixture))
    separator = mssviz.Separator("spleeter:2stems", progress=False)
    true = datasets.to_targets(sources, separator.targets)
    assert true is not None
    tiled = {target: np.tile(stem, (times, 1))[:n_samples] for target, stem in true.items()}
    song = np.tile(mixture, (times, 1))[:n_samples]
    separation = separator.separate(song, 44100, progress=False)
    separation.estimates["vocals"]  # synthesised at first access
    return separator, separation, tiled


def _error_map(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz import scores

    return lambda: scores.error_map(true["vocals"], separation.estimates["vocals"])


def _regions(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz import scores

    errors = scores.error_map(true["vocals"], separation.estimates["vocals"])
    return lambda: scores.costliest(errors)


def _components(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz import scores

    found = dict(separation.estimates)
    return lambda: scores.decompose(true, found, 44100).of("vocals")


def _measures(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz import scores

    found = dict(separation.estimates)
    return lambda: scores.whole(true, found, 44100)


def _gradient(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz.insight import MaskBin

    return lambda: MaskBin(separator, separation, "vocals", 3.0, 440.0).gradient()


def _first_occlusion(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz.insight import MaskBin

    return lambda: next(MaskBin(separator, separation, "vocals", 3.0, 440.0).occlusion())


def _integrated(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz.insight import MaskBin

    return lambda: MaskBin(separator, separation, "vocals", 3.0, 440.0).integrated_gradients()


def _surgery(separator: object, separation: object, true: dict) -> Callable[[], object]:
    from mssviz.insight import Surgery

    cut = Surgery(separator)
    cut.separate(separation.mixture[:44100], 44100, progress=False)
    cut.scale("vocals_conv1_skip", 0)
    return lambda: cut.separate(separation.mixture, 44100, progress=False)


WORKS = (
    _error_map, _regions, _components, _measures, _gradient, _first_occlusion, _integrated,
    _surgery,
)  # fmt: skip


def measured(work: Callable, seconds: float, results: object) -> None:
    """Do one of the works, and send its seconds and its memory in MiB."""
    do = work(*prepared(seconds))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    do()
    took = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results.put((took, grown / 1024))


def main() -> None:
    """Print a row for each work."""
    context = multiprocessing.get_context("spawn")
    print(f"{'':20s}" + "".join(f"{length:>26s}" for length in LENGTHS))
    for work in WORKS:
        row = f"{work.__name__[1:].replace('_', ' '):20s}"
        for seconds in LENGTHS.values():
            results = context.Queue()
            process = context.Process(target=measured, args=(work, seconds, results))
            process.start()
            took, grown = results.get()
            process.join()
            row += f"{took:14.2f} s {grown:6.0f} MiB"
        print(row, flush=True)


if __name__ == "__main__":
    main()
