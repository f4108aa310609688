"""What a million songs cost: the stages of one song, measured, and a simulation of many workers.

    python benchmarks/scale.py [--measured FILE]

Measures on this machine what a song of 4 minutes costs in each stage (decoding, network, masks
and synthesis, encoding, scoring), then plays through 1,000 to 1,000,000 songs on 1 to 10,000 such
machines that share one store and one scheduler. Writes the measurement to
``benchmarks/.work/scale.json``, from where `--measured` takes it for other assumptions.
"""

import argparse
import heapq
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.separate import WORK

MINUTES = 4
#: Bytes a second that the store gives to all, and to one machine; seconds of the scheduler's a job
#: (Dask's documentation: 200 µs to 1 ms).
STORE_RATE, LINK_RATE, SCHEDULER_SECONDS = 1.25e9, 1.25e8, 0.001
STAGES = ("decode", "network", "masks and synthesis", "encode", "score")


@dataclass
class Costs:
    """One song: seconds of a machine in each stage, bytes read and written."""

    seconds: dict[str, float]
    bytes_in: int
    bytes_out: int


def measure() -> Costs:
    """Stages of one song, one after the other, on this machine."""
    import mssviz
    from mssviz import audio, datasets

    mixture, sources = datasets.examples()["francium"].load()
    separator = mssviz.Separator("spleeter:2stems", progress=False)
    references = datasets.to_targets(sources, separator.targets)
    assert references is not None
    n = MINUTES * 60 * 44100 // len(mixture)
    song = WORK / "scale.mp3"
    with audio.AudioWriter(song, 44100, 2, "mp3", "192k") as writer:
        for _ in range(n):
            writer.write(mixture)
    import numpy as np

    true = {target: np.tile(stem, (n, 1)) for target, stem in references.items()}
    separator.separate(mixture, 44100, progress=False)  # builds the network
    seconds: dict[str, float] = {}

    def timed(stage: str, start: float) -> float:
        now = time.perf_counter()
        seconds[stage] = now - start
        print(f"{stage:24s} {now - start:6.2f} s", flush=True)
        return time.perf_counter()

    start = time.perf_counter()
    waveform, rate = audio.load_audio(song)
    start = timed("decode", start)
    separation = separator.separate(waveform, rate, progress=False)
    start = timed("network", start)
    estimates = dict(separation.estimates)
    start = timed("masks and synthesis", start)
    paths = separation.save(WORK / "scale", codec="flac")
    start = timed("encode", start)
    n_samples = min(len(waveform), len(next(iter(true.values()))))
    mssviz.evaluate(
        {target: stem[:n_samples] for target, stem in true.items()},
        {target: stem[:n_samples] for target, stem in estimates.items()},
        rate,
    )
    timed("score", start)
    size_out = sum(path.stat().st_size for path in paths)
    return Costs(seconds, song.stat().st_size, size_out)


@dataclass
class Outcome:
    """How a simulated run went: wall clock, and how busy each part was."""

    seconds: float
    workers: float
    store: float
    scheduler: float

    @property
    def bottleneck(self) -> str:
        """The part that was busiest."""
        busy = {"machines": self.workers, "store": self.store, "scheduler": self.scheduler}
        return max(busy, key=lambda name: busy[name])


def simulate(costs: Costs, n_songs: int, n_workers: int) -> Outcome:
    """Songs through workers: handed out one by one, read, computed, written.

    The scheduler and the store serve one after the other; a transfer takes as long as the slower
    of the store's share and the machine's own link. A machine does one song at a time.
    """
    work = sum(costs.seconds.values())
    free = {"scheduler": 0.0, "store": 0.0}
    busy = {"scheduler": 0.0, "store": 0.0, "workers": 0.0}

    def serve(part: str, now: float, service: float) -> float:
        begin = max(now, free[part])
        free[part] = begin + service
        busy[part] += service
        return begin + service

    def transfer(now: float, size: int) -> float:
        return max(serve("store", now, size / STORE_RATE), now + size / LINK_RATE)

    waiting, done = n_songs, 0.0
    events = [(0.0, worker, "ask") for worker in range(min(n_workers, n_songs))]
    while events:
        now, worker, what = heapq.heappop(events)
        if what == "ask":
            if not waiting:
                continue
            waiting -= 1
            begun = serve("scheduler", now, SCHEDULER_SECONDS)
            heapq.heappush(events, (begun, worker, "read"))
        elif what == "read":
            heapq.heappush(events, (transfer(now, costs.bytes_in), worker, "work"))
        elif what == "work":
            busy["workers"] += work
            heapq.heappush(events, (now + work, worker, "write"))
        else:
            done = max(done, finished := transfer(now, costs.bytes_out))
            heapq.heappush(events, (finished, worker, "ask"))
    return Outcome(
        done, busy["workers"] / (done * n_workers), busy["store"] / done, busy["scheduler"] / done
    )


def clock(seconds: float) -> str:
    """Hours or days, for people."""
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, help="take the costs from this file")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if options.measured:
        costs = Costs(**json.loads(options.measured.read_text()))
    else:
        print(f"{os.cpu_count()} processors; a song of {MINUTES} minutes into 2 stems")
        costs = measure()
        (WORK / "scale.json").write_text(json.dumps(asdict(costs), indent=1))
    total = sum(costs.seconds.values())
    print(f"{'in all':24s} {total:6.2f} s, {costs.bytes_in / 1e6:.1f} MB in, "
          f"{costs.bytes_out / 1e6:.1f} MB out\n")  # fmt: skip
    print(f"{'songs':>9s} {'machines':>9s} {'time':>10s} {'songs/h':>10s}   busy: machines, store, "
          "scheduler")  # fmt: skip
    for n_songs in (1_000, 10_000, 100_000, 1_000_000):
        for n_workers in (1, 10, 100, 1_000, 10_000):
            if n_workers > n_songs:
                continue
            found = simulate(costs, n_songs, n_workers)
            print(
                f"{n_songs:9,d} {n_workers:9,d} {clock(found.seconds):>10s} "
                f"{n_songs / found.seconds * 3600:10,.0f}   {found.workers:6.0%} "
                f"{found.store:6.0%} {found.scheduler:6.0%}   {found.bottleneck}",
                flush=True,
            )


if __name__ == "__main__":
    main()
