"""What a model scores on songs, beside the mixture, HPSS and the ideal ratio mask.

    python tools/teaching/measure.py teaching:4stems OUT/test RENDERED/test

Each folder holds folders of stems, of which 20 s from the middle are separated. Windows of one
second count in which the target and the rest of the mixture both lie above -50 dBFS; lossy silence
would say nothing. For each folder and target the median of the windows of all its songs is printed,
as a table for the model's card; and at last the median of all songs, each by its own median.
Excerpts of a song are named after it, with a hyphen and a number.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import mssviz
from mssviz import datasets, separators

RATE = 44100
AUDIBLE_DB = -50.0
SECONDS = 20.0


def main() -> None:
    """Print one table a folder, and one of the MUSDB excerpt where museval is installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folders", type=Path, nargs="+")
    arguments = parser.parse_args()
    separator = mssviz.Separator(arguments.model)
    targets = separator.targets
    models = {
        "model": separator,
        "mixture": separators.find("mixture", targets),
        "hpss": separators.find("hpss"),
        "ideal ratio mask": separators.find("oracle:IRM2-targets", targets),
    }
    sets = {folder.parent.name: datasets.from_folders(folder) for folder in arguments.folders}
    sets["MUSDB18 excerpt"] = {"musdb": datasets.examples()["musdb"]}
    columns = ["song", "target", "model", "SDR"]
    tables = []
    for name, tracks in sets.items():
        rows = [
            (f"{name}: {track.name.partition('-')[0]}", *row)
            for track in tracks.values()
            for row in scores(track, models, targets)
        ]
        tables.append(pd.DataFrame(rows, columns=columns))
        show(f"{name}, windows", tables[-1], targets)
    songs = pd.concat(tables).groupby(columns[:3], as_index=False)["SDR"].median()
    show("all songs", songs, targets)


def show(what: str, table: pd.DataFrame, targets: tuple[str, ...]) -> None:
    """Print medians and how many values they are of, target by target."""
    medians = table.groupby(["target", "model"])["SDR"].agg(["median", "count"]).unstack()
    print(f"\n{what}")
    print(medians.reindex(targets).to_string(float_format=lambda value: f"{value:.1f}"))


def scores(
    track: datasets.Track, models: dict[str, separators.Model], targets: tuple[str, ...]
) -> list[tuple[str, str, float]]:
    """SDR of every model and target in each window that counts."""
    mixture, sources = track.load(sample_rate=RATE)
    first = max(0, len(mixture) // 2 - round(SECONDS / 2 * RATE))
    part = slice(first, first + round(SECONDS * RATE))
    mixture, sources = mixture[part], {name: stem[part] for name, stem in sources.items()}
    present = [target for target in targets if target in sources]
    true = {t: np.zeros_like(mixture) for t in targets}
    for name, waveform in sources.items():
        true[name if name in targets else "other"] += waveform
    rows = []
    for name, model in models.items():
        found = model.separate(mixture, RATE, progress=False, references=true)
        for target in set(present) & set(model.targets):
            counts = audible(true[target]) & audible(mixture - true[target])
            values = sdr(true[target], found.estimates[target])[counts]
            rows += [(target, name, float(value)) for value in values]
    return rows


def windows(waveform: np.ndarray) -> np.ndarray:
    """``(n_windows, RATE, n_channels)``, without what is left at the end."""
    n_windows = len(waveform) // RATE
    return waveform[: n_windows * RATE].reshape(n_windows, RATE, -1)


def energy(waveform: np.ndarray) -> np.ndarray:
    """Mean square of each window."""
    return np.square(windows(waveform), dtype=np.float64).mean(axis=(1, 2))


def audible(waveform: np.ndarray) -> np.ndarray:
    """Which windows count."""
    return 10 * np.log10(energy(waveform) + 1e-30) > AUDIBLE_DB


def sdr(true: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """SDR of BSS Eval v4 in dB, window by window, for which no filter is needed."""
    return 10 * np.log10(
        np.maximum(energy(true), 1e-30) / np.maximum(energy(true - estimate), 1e-30)
    )


if __name__ == "__main__":
    main()
