"""Speed and memory of separating a song into 2 stems, beside Deezer's own package.

    make bench                        # 4 minutes three times each, then 60 minutes
    make bench BENCH_OPTIONS="--runs 5 --skip-hour"

Whole processes, started in turn, measured by the operating system: what a user waits for, with
imports, building and writing. Deezer's package gets an environment of its own under
``benchmarks/.work`` (needs Python 3.8 to 3.11, and ffmpeg on the path) and the same weights.
Then one process of ours tells where its time goes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
WORK = Path(__file__).with_name(".work")
PEER = "spleeter==2.4.2"

STAGES = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from mssviz import cli, export
from mssviz.separators import Separator
cli.lean_import()
imported = time.perf_counter()
separator = Separator("spleeter:2stems")
network = separator.network
built = time.perf_counter()
forward = []
def timed(magnitude, run=network._run):
    begin = time.perf_counter()
    outputs = run(magnitude)
    forward.append(time.perf_counter() - begin)
    return outputs
network._run = timed
folder = Path(sys.argv[2])
files = {target: folder / f"{target}.wav" for target in separator.targets}
export.separate_file(separator, sys.argv[1], files, progress=False)
done = time.perf_counter()
print(imported - start, built - imported, done - built, sum(forward), forward[0])
"""


@dataclass
class Run:
    """One process: seconds of wall clock and processor, peak memory in MiB."""

    wall: float
    cpu: float
    peak: float


def run(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end; raise if it fails."""
    log = WORK / "last.log"
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def make_peer() -> tuple[str, dict[str, str]]:
    """Environment with Deezer's package; its program and the variables it needs."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        sys.exit("Deezer's package needs ffmpeg and ffprobe on the path: apt-get install ffmpeg")
    folder = WORK / "spleeter"
    program = folder / "bin" / "spleeter"
    if not program.exists():
        python = next(filter(None, map(shutil.which, ("python3.11", "python3.10"))), None)
        if python is None:
            sys.exit("Deezer's package needs Python 3.11 or older: install python3.11")
        print(f"making an environment with {PEER} …", flush=True)
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", PEER], check=True)
    from mssviz import presets, pretrained

    weights = pretrained.fetch(presets.find("spleeter:2stems"))
    model = WORK / "models" / "2stems"
    model.mkdir(parents=True, exist_ok=True)
    for name in ("model.index", "model.data-00000-of-00001"):
        shutil.copyfile(weights / name, model / name)
    (model / "checkpoint").write_text('model_checkpoint_path: "model"\n')
    (model / ".probe").write_text("OK")
    return str(program), {"MODEL_PATH": str(WORK / "models"), "TF_CPP_MIN_LOG_LEVEL": "3"}


def make_song(minutes: int) -> Path:
    """Wav file of the shipped excerpt, repeated."""
    path = WORK / f"song-{minutes}-minutes.wav"
    if not path.exists():
        from mssviz import audio, datasets

        excerpt, rate = audio.load_audio(datasets.example_mixture())
        with audio.AudioWriter(path, rate, 2) as writer:
            for _ in range(minutes * 60 * rate // len(excerpt)):
                writer.write(excerpt)
    return path


def show(name: str, runs: list[Run]) -> None:
    """Print the median (and the spread) of several runs."""
    walls = sorted(r.wall for r in runs)
    print(
        f"{name:28s} {median(walls):7.1f} s ({walls[0]:.1f} to {walls[-1]:.1f})"
        f"   {median(r.cpu for r in runs):7.1f} s   {max(r.peak for r in runs):7.0f} MiB",
        flush=True,
    )


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--skip-hour", action="store_true")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    peer, peer_environment = make_peer()
    song, output = make_song(4), WORK / "output"
    ours = [str(Path(sys.executable).with_name("mssviz")), "separate", "--quiet"]
    ours += ["-o", str(output), str(song)]
    theirs = [peer, "separate", "-p", "spleeter:2stems", "-o", str(output / "peer"), str(song)]

    print(f"{os.cpu_count()} processors; a song of 4 minutes into 2 stems, {options.runs} runs")
    print(f"{'':28s} {'wall clock':>24s}   {'processor':>9s}   {'peak memory':>11s}")
    run(ours, {})  # not counted: reads the files from disk once
    mine, peers = [], []
    for _ in range(options.runs):
        mine.append(run(ours, {}))
        peers.append(run(theirs, peer_environment))
    show("mssviz", mine)
    show(PEER, peers)
    speed = [p.wall / m.wall for m, p in zip(mine, peers, strict=True)]
    memory = max(m.peak for m in mine) / max(p.peak for p in peers)
    print(
        f"mssviz is {median(speed):.1f} times as fast (pairs: {min(speed):.1f} to {max(speed):.1f})"
    )
    print(f"and takes {memory:.2f} of the memory")

    times = subprocess.run(
        [sys.executable, "-c", STAGES, str(song), str(output)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    imports, build, work, forward, first = map(float, times)
    print("\nwhere mssviz spends its time")
    print(f"  imports (TensorFlow, Keras)        {imports:5.2f} s")
    print(f"  building the network, weights      {build:5.2f} s")
    print(f"  reading to writing                 {work:5.2f} s")
    print(f"    of these in the network          {forward:5.2f} s = {100 * forward / work:.0f} %")
    print(f"      of these tracing, first patch  {first - (forward - first) / 20:5.2f} s")

    if not options.skip_hour:
        hour = run([*ours[:-1], str(make_song(60))], {})
        show("\nmssviz, 60 minutes", [hour])
        ratio = hour.peak / max(m.peak for m in mine)
        print(f"{ratio:.2f} times the memory of 4 minutes; {3600 / hour.wall:.0f} times real time")


if __name__ == "__main__":
    main()
