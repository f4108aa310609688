"""Real and rendered songs, brought together for training and for measuring.

    python tools/teaching/excerpts.py SONGS RENDERED OUT

SONGS holds the stems of "everything is free" and "everything is remixed" by ichbinsoftware (CC0),
a folder a song; RENDERED is what ``render.py`` wrote. Three of the songs and what was rendered for
training become ``OUT/train`` and, one in ten and the end of each song, ``OUT/validation``; two are
never trained on and become ``OUT/test``.

Not every song has every stem. Real ones without a bass have it in their ``other``, up to 97 % of
its energy; for training they are split at 200 Hz. What is missing then comes from a rendered song,
since stems of different songs are mixed in training anyway. Excerpts for measuring are left as they
are.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import signal

from mssviz import audio, datasets
from mssviz._files import new_folder

TRAIN = ("Hydrogen", "Lithium", "Rubidium")
TEST = ("Francium", "Potassium")
STEMS = ("vocals", "piano", "drums", "bass", "other")
SECONDS = 45.0
#: Level below which a stem counts as silent in an excerpt, in dB of full scale.
SILENCE_DB = -60.0
#: Where a bass is told from the rest, in hertz.
SPLIT_HZ = 200.0


def main() -> None:
    """Write what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", type=Path)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    rendered = sorted((arguments.rendered / "train").glob("[!.]*"))
    for number, folder in enumerate(rendered):
        part = "validation" if number % 10 == 1 else "train"
        others = rendered[number:] + rendered[:number]
        write(completed({}, others), arguments.out / part / f"rendered-{folder.name}")
    made = 0
    for name in (*TRAIN, *TEST):
        track = datasets.from_folder(arguments.songs / name)
        waveforms = track.load()[1]
        n_samples, size = len(waveforms["vocals"]), round(SECONDS * 44100)
        starts = range(0, n_samples - size, size)
        for number, start in enumerate(starts):
            stems = {s: w[start : start + size] for s, w in waveforms.items()}
            stems = {s: w for s, w in stems.items() if level_db(w) > SILENCE_DB}
            if "vocals" not in stems or "drums" not in stems:
                continue
            part = "test"
            if name in TRAIN:
                part = "validation" if start == starts[-1] else "train"
                stems = completed(split(stems), rendered[made:] + rendered[:made])
                made = (made + 1) % len(rendered)
            write(stems, arguments.out / part / f"{name}-{number:02}")


def level_db(waveform: np.ndarray) -> float:
    """Root mean square in dB of full scale."""
    return 10 * float(np.log10(np.mean(np.square(waveform)) + 1e-12))


def split(stems: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An excerpt whose bass, if it has none, is what lies low in ``other``; the sum stays."""
    whole = dict(stems)
    if "bass" not in whole and "other" in whole:
        low_pass = signal.butter(4, SPLIT_HZ, fs=44100, output="sos")
        low = signal.sosfiltfilt(low_pass, whole["other"], axis=0).astype(np.float32)
        whole |= {"bass": low, "other": whole["other"] - low}
        whole = {stem: w for stem, w in whole.items() if level_db(w) > SILENCE_DB}
    return whole


def completed(stems: Mapping[str, np.ndarray], folders: list[Path]) -> dict[str, np.ndarray]:
    """An excerpt with what it lacks from the first rendered songs that have it."""
    whole = dict(stems)
    for folder in folders:
        for path in folder.glob("*.flac"):
            if path.stem not in whole:
                whole[path.stem] = audio.load_audio(path)[0]
    length = min(map(len, whole.values()))
    return {stem: whole[stem][:length] for stem in STEMS}


def write(stems: Mapping[str, np.ndarray], folder: Path) -> None:
    """One file a stem; the folder gets its name when all are there."""
    if folder.is_dir():
        return
    with new_folder(folder, [f"{stem}.flac" for stem in stems]) as scratch:
        for stem, waveform in stems.items():
            audio.write_audio(scratch / f"{stem}.flac", waveform, 44100, "flac")
    print(folder, flush=True)


if __name__ == "__main__":
    main()
