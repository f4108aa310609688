"""Speed of training Spleeter's 2-stem network, beside Deezer's own package.

    python -m benchmarks.train                 # steps of both, and the input alone
    python -m benchmarks.train --overfit 120   # how well released weights learn an excerpt by heart

Both train on the shipped excerpt with the same network, patches of 512 frames and batch size,
from spectra that each has cached; the first steps, which build graphs and fill caches, are not
counted. Deezer's package gets an environment of its own, as in ``benchmarks/separate.py``; its
speed is what its own log says. Deezer's reads 8-bit spectra without augmentation.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import time
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

import mssviz
from benchmarks.separate import PEER, WORK, make_peer
from mssviz import audio, datasets, presets
from mssviz.training import Settings, train
from mssviz.training.chunks import Chunks
from mssviz.training.patches import AUGMENTATIONS, Patches

TARGETS = ("vocals", "accompaniment")
BATCH = 4
#: Steps between two readings of the clock; the first reading is dropped.
INTERVAL = 10


def make_data(folder: Path) -> datasets.Track:
    """The shipped excerpt with one file a target, and the table and configuration for Deezer's."""
    folder.mkdir(parents=True, exist_ok=True)
    mixture, sources = datasets.examples()["francium"].load()
    targets = datasets.to_targets(sources, TARGETS)
    for name, waveform in {"mixture": mixture, **targets}.items():
        audio.write_audio(folder / f"{name}.wav", waveform, 44100)
    row = ",".join([*(f"{name}.wav" for name in ("mixture", *TARGETS)), f"{len(mixture) / 44100}"])
    table = f"mix_path,vocals_path,accompaniment_path,duration\n{row}\n"
    (folder / "songs.csv").write_text(table)
    return datasets.from_folder(folder)


def theirs(program: str, variables: dict[str, str], data: Path, steps: int) -> list[float]:
    """Patches per second of Deezer's package, in each interval but the first."""
    for name in ("model", "cache"):
        shutil.rmtree(data / name, ignore_errors=True)
    config = {
        "train_csv": "songs.csv",
        "validation_csv": "songs.csv",
        "model_dir": "model",
        "mix_name": "mix",
        "instrument_list": list(TARGETS),
        "sample_rate": 44100,
        "frame_length": 4096,
        "frame_step": 1024,
        "T": 512,
        "F": 1024,
        "n_channels": 2,
        "n_chunks_per_song": 2,
        "chunk_duration": 14.0,
        "separation_exponent": 2,
        "mask_extension": "zeros",
        "learning_rate": 1e-4,
        "batch_size": BATCH,
        "training_cache": "cache/train",
        "validation_cache": "cache/validation",
        "train_max_steps": steps,
        "throttle_secs": 100_000,
        "random_seed": 0,
        "save_checkpoints_steps": 100_000,
        "save_summary_steps": 100_000,
        "model": {"type": "unet.unet", "params": {}},
    }
    (data / "config.json").write_text(json.dumps(config))
    command = [program, "train", "-p", "config.json", "-d", str(data), "--verbose"]
    done = subprocess.run(
        command, cwd=data, env=os.environ | variables, check=True, capture_output=True, text=True
    )
    speeds = re.findall(r"global_step/sec: ([\d.e+-]+)", done.stdout + done.stderr)
    return [BATCH * float(speed) for speed in speeds[1:]]


def ours(track: datasets.Track, steps: int, augment: tuple[str, ...] = ()) -> list[float]:
    """Patches per second of mssviz, in each interval but the first."""
    shutil.rmtree(WORK / "trained", ignore_errors=True)
    settings = Settings(
        steps=steps, epoch_steps=INTERVAL, batch_size=BATCH, chunk_seconds=14.0, augment=augment
    )
    history = train(
        {"excerpt": track}, WORK / "trained", settings=settings, cache=WORK / "spectra",
        progress=False,
    )  # fmt: skip
    return [INTERVAL * BATCH / seconds for seconds in np.diff(history["seconds"])]


def input_alone(track: datasets.Track, augment: tuple[str, ...]) -> float:
    """Patches per second of the input pipeline, without a network."""
    chunks = Chunks({"excerpt": track}, presets.find("spleeter:2stems"), 14.0, 2, WORK / "spectra")
    chunks.decode(progress=False)
    batches = Patches(chunks, augment).batches(0, BATCH)
    next(batches)
    start = time.perf_counter()
    n_patches = sum(len(batch) for batch in islice(batches, INTERVAL))
    return n_patches / (time.perf_counter() - start)


def overfit(steps: int) -> None:
    """Learn 12 s of the excerpt by heart from released weights; print scores on the way."""
    track = datasets.examples()["francium"].excerpt(1.5, 12.0)
    mixture, sources = track.load()
    references = datasets.to_targets(sources, TARGETS)
    folder = WORK / "overfit"
    shutil.rmtree(folder, ignore_errors=True)

    def scores(history, _network) -> None:
        separation = mssviz.Separator(folder).separate(mixture, 44100, progress=False)
        table = mssviz.evaluate(references, dict(separation.estimates), 44100)
        medians = table.groupby("target", sort=False)["SDR"].median()
        last = history.iloc[-1]
        print(
            f"{last['step']:5.0f} steps  {last['seconds']:6.0f} s  loss {last['loss']:.3f}  SDR "
            + ", ".join(f"{target} {value:.2f} dB" for target, value in medians.items()),
            flush=True,
        )

    settings = Settings(
        steps=steps, epoch_steps=40, batch_size=1, learning_rate=1e-4, decay=0.95, chunks=1
    )
    train(
        {"excerpt": track}, folder, settings=settings, init="spleeter:2stems",
        cache=WORK / "spectra", progress=False, watch=scores,
    )  # fmt: skip


def show(name: str, speeds: list[float]) -> None:
    """Print the median (and the range) of several readings."""
    print(f"{name:44s} {median(speeds):6.2f} ({min(speeds):.2f} to {max(speeds):.2f})", flush=True)


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30, help="of each")
    parser.add_argument("--rounds", type=int, default=2, help="of both in turn")
    parser.add_argument("--overfit", type=int, metavar="STEPS")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if options.overfit:
        overfit(options.overfit)
        return
    program, variables = make_peer()
    track = make_data(WORK / "training-data")
    print(f"{os.cpu_count()} processors; patches per second, batches of {BATCH}", flush=True)
    speeds: dict[str, list[float]] = {PEER: [], "mssviz": [], "mssviz, all augmentation": []}
    for _ in range(options.rounds):
        speeds[PEER] += theirs(program, variables, WORK / "training-data", options.steps)
        speeds["mssviz"] += ours(track, options.steps)
        speeds["mssviz, all augmentation"] += ours(track, options.steps, AUGMENTATIONS)
    for name, found in speeds.items():
        show(name, found)
    print(f"{'input alone':44s} {input_alone(track, ()):6.2f}")
    print(f"{'input alone, all augmentation':44s} {input_alone(track, AUGMENTATIONS):6.2f}")


if __name__ == "__main__":
    main()
