"""Whether mssviz uses this machine's graphics card, how fast, and whether stems stay the same.

    python tools/check_gpu.py [--preset NAME] [--seconds N]

Separates the shipped example, repeated, on the card, and once more in a process that may use the
processor alone. Prints TensorFlow's devices, the time of the first and of a further separation, and
how far the stems lie apart. The exit code is 1 if no card was used.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mssviz
from mssviz import datasets

HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1"}


def separate(preset: str, seconds: float) -> tuple[dict[str, np.ndarray], list[float]]:
    """Estimates by stem, and the times of the first and of a further separation in seconds.

    Once its ways are chosen, in the first one, a card must give the same bits each time.
    """
    mixture, _ = datasets.examples()["francium"].load()
    separator = mssviz.Separator(preset, progress=False)
    rate = separator.sample_rate
    song = np.resize(mixture, (int(seconds * rate), mixture.shape[1]))
    times, found = [], []
    for _ in range(3):
        start = time.perf_counter()
        separated = separator.separate(song, rate, progress=False).estimates
        found.append({target: np.array(estimate) for target, estimate in separated.items()})
        times.append(time.perf_counter() - start)
    if not all(np.array_equal(found[1][target], found[2][target]) for target in found[1]):
        sys.exit(f"{preset}: the same sound gave other bits the third time")
    return found[1], times[:2]


def on_processor(arguments: list[str]) -> tuple[dict[str, np.ndarray], list[float]]:
    """The same in a process of its own that sees no card."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "stems.npz"
        command = [sys.executable, __file__, *arguments, "--keep", str(kept)]
        subprocess.run(command, env=os.environ | HIDDEN, check=True)
        with np.load(kept) as found:
            stems = dict(found)
    return stems, stems.pop("times").tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="spleeter:2stems")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    estimates, times = separate(given.preset, given.seconds)
    if given.keep:
        np.savez(given.keep, times=times, **estimates)
        return

    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(card).get("device_name") for card in cards]
    print(f"TensorFlow {tf.__version__} sees {', '.join(map(str, names)) or 'no card'}")
    # memory of the card that was taken says that it worked, not only that it was seen
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if cards else 0
    if not peak:
        sys.exit("no card was used; see docs/install.md, 'With an NVIDIA card'")
    print(
        f"{given.preset}, {given.seconds:g} s of sound, {peak / 2**20:.0f} MiB of the card's memory"
    )
    reference, reference_times = on_processor(sys.argv[1:])
    for where, (first, further) in {"card": times, "processor": reference_times}.items():
        print(f"{where:9} first {first:6.2f} s, then {further:6.2f} s")
    for target, estimate in estimates.items():
        loudest = np.abs(reference[target]).max()
        apart = np.abs(estimate - reference[target]).max() / loudest
        print(f"{target}: largest difference {20 * np.log10(apart + 1e-12):.1f} dB of the loudest")


if __name__ == "__main__":
    main()
