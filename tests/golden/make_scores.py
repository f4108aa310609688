"""Scores of the original Spleeter on the shipped examples, in two steps.

    python tests/golden/make_scores.py inputs FOLDER    # in mssviz's environment
    python tests/golden/make_scores.py scores FOLDER    # with spleeter==2.4.2, museval==0.4.1

The second needs ffmpeg on the path and MODEL_PATH to hold Deezer's ``2stems`` weights.
"""

import json
import sys
from pathlib import Path

import numpy as np

TARGETS = ("vocals", "accompaniment")
DITHER_DB = {"francium": None, "musdb": -80}


def write_inputs(folder: Path) -> None:
    from mssviz import datasets

    folder.mkdir(parents=True, exist_ok=True)
    for name, track in datasets.examples().items():
        mixture, sources = track.load()
        np.savez(folder / f"{name}.npz", mixture=mixture, **datasets.to_targets(sources, TARGETS))


def dithered(signals: np.ndarray, level_db: float | None, seed: int) -> np.ndarray:
    if level_db is None:
        return signals
    rng = np.random.default_rng(seed)
    noise = [rng.standard_normal(signal.shape) for signal in signals]
    return signals + 10 ** (level_db / 20) * np.stack(noise)


def write_scores(folder: Path) -> None:
    import museval
    from spleeter.separator import Separator

    scores = {}
    for mwf in (False, True):
        separator = Separator("spleeter:2stems", MWF=mwf, multiprocess=False)
        for name, level_db in DITHER_DB.items():
            arrays = np.load(folder / f"{name}.npz", allow_pickle=False)
            estimates = separator.separate(arrays["mixture"])
            true = np.stack([arrays[t] for t in TARGETS]).astype(np.float64)
            estimated = np.stack([estimates[t] for t in TARGETS]).astype(np.float64)
            measures = museval.metrics.bss_eval(
                dithered(true, level_db, 0), dithered(estimated, level_db, 1), 44100, 44100
            )[:4]
            scores[name + "_mwf" * mwf] = {
                target: [round(float(np.nanmedian(m[i])), 4) for m in measures]
                for i, target in enumerate(TARGETS)
            }
    path = Path(__file__).with_name("spleeter_scores.json")
    path.write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    {"inputs": write_inputs, "scores": write_scores}[sys.argv[1]](Path(sys.argv[2]))
