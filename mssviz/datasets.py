"""Songs with known sources: the excerpts that ship with mssviz, and folders of stems."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mssviz import audio, presets
from mssviz._typing import PathLike, Waveform
from mssviz.errors import AudioError, ParameterError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aiff", ".opus")
MIXTURE_NAMES = ("mixture", "mix")


@dataclass(frozen=True)
class Track:
    """A song whose true stems are known.

    Parameters
    ----------
    name
        For people.
    stems
        Source to its file and stream number.
    licence
        Of the sound.
    skip_end
        Seconds at the end that are not used.
    """

    name: str
    stems: Mapping[str, tuple[Path, int]]
    licence: str = "unknown"
    skip_end: float = 0.0

    def load(
        self, offset: float = 0.0, duration: float | None = None, sample_rate: int = 44100
    ) -> tuple[Waveform, dict[str, Waveform]]:
        """Mixture, which is the sum of the stems, and stems.

        Parameters
        ----------
        offset, duration
            In seconds.
        sample_rate
            In hertz.

        Returns
        -------
        mixture : Waveform
            ``(n_samples, n_channels)``.
        references : dict
            Source to waveform of the same shape.
        """
        stems = {}
        for source, (path, stream) in self.stems.items():
            stem, _ = audio.load_audio(path, sample_rate=sample_rate, stream=stream)
            stems[source] = stem
        lengths = [len(stem) for stem in stems.values()]
        end = min(lengths) - round(self.skip_end * sample_rate)
        first = round(offset * sample_rate)
        stop = end if duration is None else min(end, first + round(duration * sample_rate))
        if stop <= first:
            raise AudioError(
                f"{self.name}: has {end / sample_rate:.2f} s, nothing after {offset} s"
            )
        stems = {source: stem[first:stop] for source, stem in stems.items()}
        return np.add.reduce(list(stems.values())), stems


def examples() -> dict[str, Track]:
    """The excerpts at hand: `"francium"` and, where museval is installed, `"musdb"`."""
    tracks = {"francium": _francium()}
    musdb = _musdb_excerpt()
    if musdb:
        tracks["musdb"] = musdb
    return tracks


def example_mixture() -> Path:
    """Sound file of the shipped excerpt's mixture."""
    return _examples_folder() / "francium" / "mixture.flac"


def from_folder(folder: PathLike) -> Track:
    """A folder with one sound file a stem, named after it; a file of the mixture is left out.

    Raises
    ------
    ParameterError
        If it holds fewer than two stems.
    """
    folder = Path(folder)
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    stems = {p.stem: (p, 0) for p in files if p.stem.lower() not in MIXTURE_NAMES}
    if len(stems) < 2:
        raise ParameterError(
            f"{folder}: needs at least two stems, such as vocals.wav and other.wav (got "
            f"{', '.join(stems) or 'none'})"
        )
    return Track(folder.name, stems)


def to_targets(
    references: Mapping[str, Waveform], targets: tuple[str, ...]
) -> dict[str, Waveform] | None:
    """Sum a track's sources to a separator's targets.

    ``accompaniment`` is everything but the vocals; ``other`` is everything that is no target
    of its own. None if a target has no source.

    Parameters
    ----------
    references
        Source to waveform, all of one shape.
    targets
        Of the separator, in order.
    """
    rest = "accompaniment" if "accompaniment" in targets else "other"
    named = [target for target in targets if target != rest]
    missing = [target for target in named if target not in references]
    remaining = [w for source, w in references.items() if source not in named]
    if missing or not remaining:
        return None
    summed = {target: references[target] for target in named}
    summed[rest] = np.add.reduce(remaining)
    return {target: summed[target] for target in targets}


def _examples_folder() -> Path:
    checkout = presets.checkout_folder()
    return checkout / "datasets" / "examples" if checkout else Path(__file__).with_name("_examples")


def _francium() -> Track:
    folder = _examples_folder() / "francium"
    stems = {source: (folder / f"{source}.flac", 0) for source in ("vocals", "drums", "other")}
    return Track("Francium, ichbinsoftware (excerpt)", stems, licence="CC0 1.0")


def _musdb_excerpt() -> Track | None:
    # stempeg carries it, but stops its import where there is no ffmpeg program: find the file
    package = importlib.util.find_spec("stempeg")
    if package is None or not package.submodule_search_locations:
        return None
    found = sorted(Path(package.submodule_search_locations[0], "data").glob("*.stem.mp4"))
    if not found:
        return None
    streams = {"vocals": 4, "drums": 1, "bass": 2, "other": 3}
    stems = {source: (found[0], stream) for source, stream in streams.items()}
    # its last tenth of a second is damaged
    return Track(
        "The Easton Ellises, Falcon 69 (MUSDB18, 6 s)", stems, "CC BY-NC-SA 3.0", skip_end=0.1
    )
