"""What the parts of `--quality best` gain and lose, song by song and kind by kind of music.

    python benchmarks/quality.py electronic/ jazz/ rock/ --csv windows.csv

Each folder is a kind of music and holds folders of stems, a song each. Excerpts of each song run
through the network in every combination of its parts: applied up to 11 or 16 kHz, asked at one, two
or three levels (the mean of its answers counts), exponent 2 or 1, the band above silent or
extended. The example songs come along as kinds of their own. SDR is counted in windows of one
second in which both stems lie above -50 dBFS, as differences from the published settings; a song
has the median of its windows, and loses where that is more than 0.05 dB and a sign test says that
it is no chance (p < 0.05). Last, each kind is left out in turn: what the other kinds would choose,
and what that gains on it.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats

import mssviz
from mssviz import datasets
from mssviz.separation import MAGNITUDE, Prediction, Store

RATE = 44100
BANDS = {"11 kHz": "", "16 kHz": "-16kHz"}
AUDIBLE_DB = -50.0
#: Losses below this are not counted.
HARMLESS_DB = 0.05
LEVELS = {"1": (1.0,), "1 2": (1.0, 2.0), "1 2 4": (1.0, 2.0, 4.0)}
SETTING = ["band", "levels", "exponent", "above"]
PUBLISHED = ("11 kHz", "1", 2.0, "zeros")


def main() -> None:
    """Measure, then print three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--model", default="spleeter:2stems")
    parser.add_argument("--seconds", type=float, default=23.0, help="of an excerpt (23)")
    parser.add_argument("--excerpts", type=int, default=2, help="of a song (2)")
    parser.add_argument("--csv", type=Path, help="file for the windows' scores")
    arguments = parser.parse_args()
    kinds = {folder.resolve().name: datasets.from_folders(folder) for folder in arguments.folders}
    for name, track in datasets.examples().items():
        kinds[f"example {name}"] = {name: track}
    models = {
        band: mssviz.Separator(f"{arguments.model}{variant}") for band, variant in BANDS.items()
    }
    tables = []
    for kind, tracks in kinds.items():
        for name, track in tracks.items():
            parts = excerpts(track, arguments.seconds, arguments.excerpts)
            for number, (mixture, references) in enumerate(parts):
                found = scored(models, mixture, references)
                tables.append(found.assign(kind=kind, song=name, excerpt=number))
            print(f"{kind}, {name}", flush=True)
    table = pd.concat(tables, ignore_index=True)
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)
    report(table)


def excerpts(track, seconds, count):
    """Mixture and references of some excerpts, spread evenly over the song."""
    mixture, sources = track.load(sample_rate=RATE)
    references = datasets.to_targets(sources, ("vocals", "accompaniment"))
    if references is None:
        return  # nobody sings
    length = round(seconds * RATE)
    count = max(1, min(count, len(mixture) // length))
    for start in np.linspace(0, max(0, len(mixture) - length), count + 2)[1:-1].astype(int):
        part = slice(start, start + length)
        yield mixture[part], {target: stem[part] for target, stem in references.items()}


def scored(models, mixture, references) -> pd.DataFrame:
    """SDR of every setting and target in each window that counts."""
    counts = np.logical_and.reduce([audible(stem) for stem in references.values()])
    tables = []
    for band, model in models.items():
        answers = {level: asked(model, mixture, level) for level in LEVELS["1 2 4"]}
        extensions = ("zeros", "average") if band == "11 kHz" else ("average",)
        for levels, exponent, above in itertools.product(LEVELS, (2.0, 1.0), extensions):
            found = mean([answers[level] for level in LEVELS[levels]])
            masked = found.with_options(power=exponent, extension=above)
            setting = dict(zip(SETTING, (band, levels, exponent, above), strict=True))
            for target, true in references.items():
                values = sdr(true, masked.estimates[target])[counts]
                windows = np.flatnonzero(counts)
                tables.append(pd.DataFrame(
                    {**setting, "target": target, "window": windows, "SDR": values}
                ))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def asked(model, mixture, level):
    """What the network answers when all is louder, brought back to the mixture's level."""
    found = model.separate(np.float32(level) * mixture, RATE, progress=False)
    answers = {target: values / np.float32(level) for target, values in found.magnitudes.items()}
    return replace(found, mixture=mixture, prediction=Prediction(MAGNITUDE, answers), store=Store())


def mean(separations):
    """A separation by the mean of several answers of the network."""
    first = separations[0]
    magnitudes = {
        target: np.mean([separation.magnitudes[target] for separation in separations], axis=0)
        for target in first.targets
    }
    return replace(first, prediction=Prediction(MAGNITUDE, magnitudes), store=Store())


def energy(waveform: np.ndarray) -> np.ndarray:
    """Mean square of each window of one second, without what is left at the end."""
    n_windows = len(waveform) // RATE
    windows = waveform[: n_windows * RATE].reshape(n_windows, -1)
    return np.square(windows, dtype=np.float64).mean(axis=1)


def audible(waveform: np.ndarray) -> np.ndarray:
    """Which windows count."""
    return 10 * np.log10(energy(waveform) + 1e-30) > AUDIBLE_DB


def sdr(true: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """SDR of BSS Eval v4 in dB, window by window, for which no filter is needed."""
    true_energy, error = energy(true), energy(true - estimate)
    return 10 * np.log10(np.maximum(true_energy, 1e-30) / np.maximum(error, 1e-30))


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Windows' SDR less that of the published settings: a column for each setting."""
    keys = ["kind", "song", "target", "excerpt", "window"]
    wide = table.pivot(index=keys, columns=SETTING, values="SDR")
    return wide.sub(wide[PUBLISHED], axis=0).drop(columns=[PUBLISHED])


def loses(differences: pd.Series) -> bool:
    """Whether the median loses more than can be heard, in more windows than by chance."""
    worse, better = int((differences < 0).sum()), int((differences > 0).sum())
    if worse <= better or differences.median() > -HARMLESS_DB:
        return False
    return scipy.stats.binomtest(worse, worse + better).pvalue < 0.05


def summarised(found: pd.DataFrame) -> pd.DataFrame:
    """Spread over songs of what each setting gains, for each target."""
    songs = found.groupby(["kind", "song", "target"])
    medians = songs.median().stack(SETTING, future_stack=True).rename("gain")
    lost = songs.agg(loses).stack(SETTING, future_stack=True).rename("loses")
    both = pd.concat([medians, lost], axis=1).reset_index()
    by_kind = both.groupby(["target", *SETTING, "kind"])["gain"].median()
    grouped = both.groupby(["target", *SETTING])
    return pd.DataFrame(
        {
            "median": grouped["gain"].median(),
            "lower quarter": grouped["gain"].quantile(0.25),
            "upper quarter": grouped["gain"].quantile(0.75),
            "worst song": grouped["gain"].min(),
            "worst kind": by_kind.groupby(["target", *SETTING]).min(),
            "better": grouped["gain"].agg(lambda gain: (gain > 0).mean()),
            "lost": grouped["loses"].sum(),
        }
    )


def chosen(found: pd.DataFrame) -> tuple | None:
    """The setting that gains most, in the mean of both targets, of those that lose no song."""
    by_setting = summarised(found).groupby(SETTING)
    gain = by_setting["median"].mean()[by_setting["lost"].sum() == 0]
    return None if gain.empty else gain.idxmax()


def report(table: pd.DataFrame) -> None:
    """Print the spread of each setting, each kind by itself, and what leaving kinds out says."""
    found = gains(table)
    songs = found.groupby(["kind", "song", "target"]).median()
    print(f"\ngain of SDR over the published settings, dB, {len(songs) // 2} songs")
    print(summarised(found).round(2).to_string())
    print("\nmedian over songs of each kind")
    by_kind = songs.groupby(["target", "kind"]).median().T
    print(by_kind.round(2).to_string())
    print("\nchosen without a kind, and what it gains there: median, worst song")
    for kind in dict.fromkeys(table["kind"]):
        outside = found[found.index.get_level_values("kind") != kind]
        setting = chosen(outside)
        if setting is None:
            print(f"{kind}: none is harmless elsewhere")
            continue
        there = songs.loc[kind, setting].groupby("target").agg(["median", "min"])
        print(f"{kind}: {setting}: {there.round(2).to_dict('index')}")
    print(f"\nchosen by all: {chosen(found)}")


if __name__ == "__main__":
    main()
