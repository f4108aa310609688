"""What `mssviz evaluate` does: stems in folders against the true ones, and models on MUSDB18."""

import itertools
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio, comparison, datasets
from mssviz._files import Draft, check_places, new_file, writing
from mssviz._typing import PathLike, Progress, Waveform
from mssviz.comparison import Scoring
from mssviz.errors import ParameterError
from mssviz.scores import evaluate, suggested_dither_db, whole
from mssviz.separators import entry
from mssviz.tracks import Track

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_RATE = 44100
#: Longest name of a folder, in characters, which take up to three bytes each.
_LONGEST_NAME = 80


def folders(
    references: PathLike,
    estimates: PathLike,
    settings: Scoring | None = None,
    progress: bool | Progress = True,
) -> "pd.DataFrame":
    """Score a folder of stems against a folder of the true ones, at `SAMPLE_RATE`.

    Parameters
    ----------
    references, estimates
        Folders as `datasets.from_folder` reads them. True stems are summed to the estimates'
        targets, see `datasets.to_targets`.
    settings
        Windows and engine of the scores.
    progress
        Bar or callback for the progress, as in `scores.evaluate`.

    Returns
    -------
    DataFrame
        Scores, as from `scores.evaluate`.

    Raises
    ------
    ParameterError
        If a folder is missing, or the true stems do not give the estimates' targets.

    Warns
    -----
    UserWarning
        If estimates had to be made as long as the true stems, mono was repeated, or noise was
        added, see `scores.suggested_dither_db`.
    """
    return windows(read_folders(references, estimates), settings, progress)


@dataclass(frozen=True, eq=False)
class Folders:
    """True stems and estimates of the same targets and lengths, from `read_folders`.

    Parameters
    ----------
    true, estimated
        Waveforms by target, at `SAMPLE_RATE`.
    repaired
        Parts (start, stop), in seconds, that could not be decoded in some of the files.
    """

    true: Mapping[str, Waveform]
    estimated: Mapping[str, Waveform]
    repaired: Sequence[tuple[float, float]]

    def whole(self) -> "pd.DataFrame | None":
        """Measures of the whole song, see `scores.whole`; None if some of it is lost."""
        return None if self.repaired else whole(self.true, self.estimated, SAMPLE_RATE)


def read_folders(references: PathLike, estimates: PathLike) -> Folders:
    """Read a folder of stems and one of the true ones; parameters and errors as for `folders`."""
    return _matched(datasets.from_folder(references), datasets.from_folder(estimates))


def windows(
    stems: Folders, settings: Scoring | None = None, progress: bool | Progress = True
) -> "pd.DataFrame":
    """Score what `read_folders` gives, window by window; otherwise as `folders`."""
    settings = settings or Scoring()
    true = stems.true
    dither_db = suggested_dither_db(true)
    if dither_db is not None:
        warnings.warn(
            f"true stems have no energy in the treble; {dither_db:.0f} dBFS of noise was added so "
            "that ISR, SIR and SAR are defined",
            stacklevel=2,
        )
    return evaluate(
        true, stems.estimated, SAMPLE_RATE, engine=settings.engine, window=settings.window,
        hop=settings.hop, dither_db=dither_db, repaired=stems.repaired or None, progress=progress,
    )  # fmt: skip


def _matched(references: Track, estimates: Track) -> Folders:
    """True stems and estimates, made as long and as wide as each other."""
    _, estimated, lost = estimates.sound(sample_rate=SAMPLE_RATE)
    _, sources, lost_true = references.sound(sample_rate=SAMPLE_RATE)
    true = datasets.to_targets(sources, tuple(estimated))
    if true is None:
        raise ParameterError(
            f"{references.name}: its stems ({', '.join(sources)}) cannot be matched to those of "
            f"{estimates.name} ({', '.join(estimated)}); name the files alike"
        )
    wanted, found = (next(iter(signals.values())).shape for signals in (true, estimated))
    missing = wanted[0] - found[0]
    if missing:
        what, rest = "shorter", "silence stands for the rest"
        if missing < 0:
            what, rest = "longer", "what is beyond is not measured"
        warnings.warn(
            f"the estimates last {found[0] / SAMPLE_RATE:.3f} s, {abs(missing) / SAMPLE_RATE:.3f} "
            f"s {what} than the true stems; {rest}",
            stacklevel=3,
        )
    if wanted[1] != found[1] and 1 in (wanted[1], found[1]):
        mono = "true stems" if wanted[1] == 1 else "estimates"
        warnings.warn(
            f"the {mono} are mono and were repeated to {max(wanted[1], found[1])} channels; "
            "differences between the others' channels count as errors",
            stacklevel=3,
        )
        n_channels = max(wanted[1], found[1])
        true, estimated = (
            {target: audio.to_channels(waveform, n_channels) for target, waveform in stems.items()}
            for stems in (true, estimated)
        )
    padding = ((0, max(0, missing)), (0, 0))
    fitted = {target: np.pad(w[: wanted[0]], padding) for target, w in estimated.items()}
    return Folders(true, fitted, lost + lost_true)


def musdb18(
    root: PathLike,
    models: Sequence[str],
    output: PathLike,
    settings: Scoring | None = None,
    **options: Any,
) -> "pd.DataFrame":
    """Separate and score MUSDB18's test set, and write a file for each track as museval does.

    Parameters
    ----------
    root
        Folder of MUSDB18, as in `datasets.musdb18`.
    models
        Names of models, as `separators.find` takes them. Oracles get the targets of the first one.
    output
        Folder for ``<model>/test/<track>.json``; made if it is missing, before the work begins.
    settings
        Windows and engine of the scores.
    options
        Further arguments of `comparison.compare`.

    Returns
    -------
    DataFrame
        Scores, as from `comparison.compare`.
    """
    settings = settings or Scoring()
    places = {model: Path(output, name, "test") for model, name in _folder_names(models).items()}
    check_places(folder / "scores.json" for folder in places.values())
    tracks = datasets.musdb18(root)
    targets = entry(models[0]).preset.targets
    for folder in places.values():
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    table = comparison.compare(tracks, models, targets=targets, settings=settings, **options)
    for model, folder in places.items():
        for track in tracks:
            with new_file(folder / f"{track}.json") as scratch:
                text = comparison.to_museval(table, track, model, settings)
                scratch.write_text(text, encoding="utf-8")
    return table


def check_output(path: Path) -> None:
    """Raise an error, before hours of work, for what would keep a file from being written."""
    with writing(path):
        Draft(path).discard()


def _folder_names(models: Sequence[str]) -> dict[str, str]:
    """Names of folders by model: names of models may be paths."""
    found: dict[str, str] = {}
    for model in dict.fromkeys(models):
        plain = re.sub(r"[^\w.-]+", "-", model)[-_LONGEST_NAME:].strip(".-") or "model"
        numbered = (f"{plain}-{number}" for number in itertools.count(2))
        found[model] = next(
            name for name in itertools.chain([plain], numbered) if name not in found.values()
        )
    return found
