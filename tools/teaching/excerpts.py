"""Real and rendered songs, brought together for training and for measuring.

    python tools/teaching/excerpts.py SONGS RENDERED OUT

SONGS holds the stems of "everything is free" and "everything is remixed" by ichbinsoftware (CC0),
a folder a song; RENDERED is what ``render.py`` wrote. Three of the songs and what was rendered for
training become ``OUT/train`` and, one in ten and the end of each song, ``OUT/validation``; two are
never trained on and become ``OUT/test``.

Not every song has every stem. For training, where stems of different songs are mixed anyway, what
is missing comes from a rendered song; and so does ``other`` of a real one where there is no bass or
no piano, since they may hide in it. Excerpts for measuring are left as they are.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mssviz import audio, datasets

TRAIN = ("Hydrogen", "Lithium", "Rubidium")
TEST = ("Francium", "Potassium")
STEMS = ("vocals", "piano", "drums", "bass", "other")
SECONDS = 45.0
#: Level below which a stem counts as silent in an excerpt, in dB of full scale.
SILENCE_DB = -60.0


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
                stems = completed(stems, rendered[made:] + rendered[:made])
                made = (made + 1) % len(rendered)
            write(stems, arguments.out / part / f"{name}-{number:02}")


def level_db(waveform: np.ndarray) -> float:
    """Root mean square in dB of full scale."""
    return 10 * float(np.log10(np.mean(np.square(waveform)) + 1e-12))


def completed(stems: Mapping[str, np.ndarray], folders: list[Path]) -> dict[str, np.ndarray]:
    """An excerpt with what it lacks from the first rendered songs that have it."""
    whole = dict(stems)
    if not {"bass", "piano"} <= set(stems):  # they may be in it
        whole.pop("other", None)
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        for stem, waveform in stems.items():
            audio.write_audio(scratch / f"{stem}.flac", waveform, 44100, "flac")
        scratch.chmod(0o755)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    print(folder, flush=True)


if __name__ == "__main__":
    main()
