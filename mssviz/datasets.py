"""Songs with known sources: the shipped excerpts, MUSDB18, DSD100, folders and tables of stems.

MUSDB18's stem files are read by `audio` directly: the musdb package stops its import where there
is no ffmpeg program, decodes a stem anew at each look, and gives nothing that is not in the files.
"""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import audio, presets
from mssviz._progress import reporter
from mssviz._typing import PathLike, Progress, Waveform
from mssviz.errors import AudioError, MssvizError, ParameterError, reason
from mssviz.separation import level_ratio_db

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aiff", ".opus")
MIXTURE_NAMES = ("mixture", "mix")
_MIXTURE = "<mixture>"
#: Streams of MUSDB18's stem files; 0 is the mixture.
MUSDB_STREAMS = {"vocals": 4, "drums": 1, "bass": 2, "other": 3}
#: Level of mixture minus stems, relative to the mixture, above which `check` complains.
MAX_RESIDUAL_DB = -25.0


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
    mixture
        File and stream number of the mixture; if left out, it is the sum of the stems.
    start, duration
        Which part of the files is the track, in seconds; None for all from there.
    """

    name: str
    stems: Mapping[str, tuple[Path, int]]
    licence: str = "unknown"
    skip_end: float = 0.0
    mixture: tuple[Path, int] | None = None
    start: float = 0.0
    duration: float | None = None

    def excerpt(self, start: float, duration: float) -> "Track":
        """A part of the track, as a track of its own."""
        return replace(self, start=self.start + start, duration=duration)

    @property
    def files(self) -> list[Path]:
        """Every sound file of the track, once."""
        parts = [*self.stems.values(), *([self.mixture] if self.mixture else [])]
        return list(dict.fromkeys(path for path, _ in parts))

    def load(
        self, offset: float = 0.0, duration: float | None = None, sample_rate: int = 44100
    ) -> tuple[Waveform, dict[str, Waveform]]:
        """Mixture and stems.

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
        parts = {**self.stems, **({_MIXTURE: self.mixture} if self.mixture else {})}
        if self.duration is not None:
            left = self.duration - offset
            if left <= 0:
                raise AudioError(
                    f"{self.name}: has {self.duration:.2f} s, nothing after {offset} s"
                )
            duration = left if duration is None else min(duration, left)
        # with a bad end, one must know where the end is
        wanted = duration if not self.skip_end else None
        waveforms = {}
        for source, (path, stream) in parts.items():
            waveforms[source], _ = audio.load_audio(
                path, self.start + offset, wanted, sample_rate, stream
            )
        # stems can be longer than the mixture, by what their encoder added
        stop = min(map(len, waveforms.values())) - round(self.skip_end * sample_rate)
        if duration is not None:
            stop = min(stop, round(duration * sample_rate))
        if stop <= 0:
            raise AudioError(f"{self.name}: has nothing after {offset} s")
        cut = {source: waveform[:stop] for source, waveform in waveforms.items()}
        mixture = cut.pop(_MIXTURE, None)
        return np.add.reduce(list(cut.values())) if mixture is None else mixture, cut


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


def from_folders(folder: PathLike) -> dict[str, Track]:
    """A folder of folders of stems; each as in `from_folder`, by its name.

    Raises
    ------
    ParameterError
        If it holds no folder, or one of them holds fewer than two stems.
    """
    found = sorted(path for path in _existing(folder).iterdir() if path.is_dir())
    if not found:
        raise ParameterError(f"{folder}: holds no folders; each track needs one, with its stems")
    return {path.name: from_folder(path) for path in found}


def musdb18(root: PathLike, subset: str = "test") -> dict[str, Track]:
    """MUSDB18 (``*.stem.mp4``) or MUSDB18-HQ (folders of wav files), by name.

    Parameters
    ----------
    root
        Folder with ``train`` and ``test``.
    subset
        ``"train"`` or ``"test"``.

    Raises
    ------
    ParameterError
        If there is nothing of the kind.

    References
    ----------
    Rafii, Liutkus, Stöter, Mimilakis and Bittner, "MUSDB18 – a corpus for music separation",
    2017. For academic use; each track has a licence of its own.
    """
    folder = _existing(root) / subset
    packed = sorted(folder.glob("*.stem.mp4"))
    tracks = {}
    for path in packed:
        name = path.name.removesuffix(".stem.mp4")
        stems = {source: (path, stream) for source, stream in MUSDB_STREAMS.items()}
        tracks[name] = Track(name, stems, "as MUSDB18 states", mixture=(path, 0))
    for path in sorted(folder.glob("*/mixture.wav")):
        stems = {source: (path.with_name(f"{source}.wav"), 0) for source in MUSDB_STREAMS}
        name = path.parent.name
        tracks[name] = Track(name, stems, "as MUSDB18 states", mixture=(path, 0))
    if not tracks:
        raise ParameterError(
            f"{folder}: neither *.stem.mp4 nor */mixture.wav found; give the folder that holds "
            "MUSDB18's train and test"
        )
    return tracks


def dsd100(root: PathLike, subset: str = "Test") -> dict[str, Track]:
    """DSD100 (``Mixtures`` and ``Sources``), by name.

    Parameters
    ----------
    root
        Folder with ``Mixtures`` and ``Sources``.
    subset
        ``"Dev"`` or ``"Test"``.

    Raises
    ------
    ParameterError
        If there is nothing of the kind.

    References
    ----------
    Liutkus et al., "The 2016 signal separation evaluation campaign", LVA/ICA 2017.
    """
    root = _existing(root)
    tracks = {}
    for path in sorted((root / "Mixtures" / subset).glob("*/mixture.wav")):
        name = path.parent.name
        folder = root / "Sources" / subset / name
        stems = {source: (folder / f"{source}.wav", 0) for source in MUSDB_STREAMS}
        tracks[name] = Track(name, stems, "as DSD100 states", mixture=(path, 0))
    if not tracks:
        raise ParameterError(
            f"{root}: no Mixtures/{subset}/*/mixture.wav found; give the folder that holds "
            "DSD100's Mixtures and Sources"
        )
    return tracks


def from_csv(path: PathLike, root: PathLike | None = None) -> dict[str, Track]:
    """A table of files as Spleeter's training reads it, by the mixture's path.

    Parameters
    ----------
    path
        CSV with columns ``mix_path`` and, for each stem, such as ``vocals_path``; others, as
        ``duration``, are left alone.
    root
        Folder that paths are relative to; the table's own if left out.

    Raises
    ------
    ParameterError
        If columns are missing, a row is incomplete, or a path appears twice.
    """
    import pandas as pd

    path = Path(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: not a readable table ({reason(error)})") from error
    columns = [c for c in table.columns if c.endswith("_path") and c != "mix_path"]
    if "mix_path" not in table.columns or len(columns) < 2:
        raise ParameterError(
            f"{path}: needs columns mix_path and two or more such as vocals_path "
            f"(got {', '.join(table.columns)})"
        )
    base = Path(root) if root is not None else path.parent
    tracks = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        empty = [column for column in ("mix_path", *columns) if not row[column].strip()]
        name = row["mix_path"]
        if empty or name in tracks:
            what = f"{', '.join(empty)} is empty" if empty else f"{name} appears twice"
            raise ParameterError(f"{path}, line {number}: {what}")
        stems = {c.removesuffix("_path"): (base / row[c], 0) for c in columns}
        tracks[name] = Track(name, stems, mixture=(base / name, 0))
    return tracks


def check(tracks: Mapping[str, Track], progress: bool | Progress = True) -> "pd.DataFrame":
    """Look for what would spoil an evaluation, before hours are spent on it.

    Parameters
    ----------
    tracks
        By name.
    progress
        True for a bar, or a callback; see `Separator.separate`. Files are read whole.

    Returns
    -------
    DataFrame
        One row per track: ``seconds``, ``sample_rate`` (Hz), ``residual_db`` (mixture minus the
        sum of the stems, relative to the mixture) and ``problem``, empty if there is none:
        missing or damaged files, unequal rates or lengths, silent stems, stems that are not
        the mixture's.
    """
    import pandas as pd

    rows = []
    with reporter(progress, unit="track") as report:
        for done, (name, track) in enumerate(tracks.items(), start=1):
            rows.append({"track": name, **_checked(track)})
            report(done, len(tracks), "check")
    return pd.DataFrame(rows).set_index("track")


def _checked(track: Track) -> dict[str, Any]:
    parts = [*track.stems.values(), *([track.mixture] if track.mixture else [])]
    rates, problems = set(), []
    try:
        for path, stream in parts:
            with audio.AudioReader(path, sample_rate=None, stream=stream) as reader:
                rates.add(reader.sample_rate)
        rate = max(rates)
        mixture, stems = track.load(sample_rate=rate)
    except MssvizError as error:
        return {"seconds": 0.0, "sample_rate": 0, "residual_db": np.nan, "problem": str(error)}
    if len(rates) > 1:
        problems.append(f"files have different sample rates ({sorted(rates)})")
    shapes = {mixture.shape, *(stem.shape for stem in stems.values())}
    silent = [name for name, stem in stems.items() if not stem.any()]
    residual_db = np.nan
    if len(shapes) > 1:
        problems.append(f"files have different channels ({sorted(shape[1] for shape in shapes)})")
    elif not mixture.any():
        problems.append("the mixture is silent")
    else:
        residual_db = level_ratio_db(mixture - np.add.reduce(list(stems.values())), mixture)
        if residual_db > MAX_RESIDUAL_DB:
            problems.append(f"stems do not add up to the mixture: {residual_db:.0f} dB are left")
    if silent:
        problems.append(f"silent throughout: {', '.join(silent)}")
    return {
        "seconds": len(mixture) / rate,
        "sample_rate": rate,
        "residual_db": residual_db,
        "problem": "; ".join(problems),
    }


def _existing(folder: PathLike) -> Path:
    if not Path(folder).is_dir():
        raise ParameterError(f"{folder}: no such folder; check its name")
    return Path(folder)


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


def published_scores() -> dict[str, dict[str, Any]]:
    """Median scores of SiSEC 2018's entries: entry to target to measure, dB; see its README."""
    checkout = presets.checkout_folder()
    folder = checkout / "datasets" / "published" if checkout else None
    folder = folder or Path(__file__).with_name("_published")
    return json.loads((folder / "sisec18.json").read_text(encoding="utf-8"))


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
    stems = {source: (found[0], stream) for source, stream in MUSDB_STREAMS.items()}
    # its last tenth of a second is damaged
    return Track(
        "The Easton Ellises, Falcon 69 (MUSDB18, 6 s)", stems, "CC BY-NC-SA 3.0", skip_end=0.1
    )
