"""Questions about a result that say why: where its errors lie, what scores are made of, evidence.

Each yields its answers; see `Session.ask`. Knows no widgets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.insight import Evidence, MaskBin, Surgery
from mssviz.scores.boards import bleed_map
from mssviz.scores.components import Components, Decomposition, decompose
from mssviz.scores.error_maps import Advantage, ErrorMap, error_map, where_better
from mssviz.scores.regions import Region, costliest
from mssviz.scores.table import Judged, of_track
from mssviz.scores.windows import suggested_dither_db
from mssviz.separators import Separator
from mssviz.stft import Frames, bins_to_hz, frames_to_time, time_to_frames
from mssviz.widgets._tiles import SIGNED_RANGE_DB
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.signed_map import SignedMap

#: Share of what speaks for a stem that the evidence, heard alone, holds.
EVIDENCE_SHARE = 0.9


# --- where the decibels went ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Errors:
    """Where the error of a stem lies.

    Parameters
    ----------
    error_map
        Error of the present stem, which the map follows when that changes.
    regions
        Regions that cost most.
    advantage
        Comparison with the second model's, if there is one.
    """

    error_map: ErrorMap
    regions: list[Region]
    advantage: Advantage | None

    def maps(self, rival: str) -> dict[str, SignedMap]:
        """Maps for the picture, by the name of what they show.

        Parameters
        ----------
        rival
            Name of the second model.
        """
        found = self.error_map
        parts = {
            "error": found.signed,
            "error of level": found.level,
            "error of phase": found.out_of_phase,
        }
        maps = {w: SignedMap(v, found.peak, "missing", "too much") for w, v in parts.items()}
        if self.advantage is not None:
            peak = max(self.advantage.first.peak, self.advantage.second.peak)
            maps[f"error beside {rival}'s"] = SignedMap(
                self.advantage.difference, peak, below="more error", above="less error"
            )
        return maps


def find_errors(result: Result, stem: str, progress: Progress) -> Iterator[Errors]:
    """Find where the error of a stem lies, and which regions cost most.

    Parameters
    ----------
    result
        Result whose true stem is known.
    stem
        Name of the stem.
    progress
        Callback for the share that is done.
    """
    true, params = _true_stem(result, stem), result.params
    n_passes = 4 if _rivals(result, stem) else 2
    parts = _Parts(progress, n_passes)
    found = error_map(true, result.stems[stem], params, parts.next())
    regions, advantage = costliest(found, progress=parts.next()), None
    if result.rival and n_passes == 4:
        theirs = error_map(true, result.rival.estimates[stem], params, parts.next())
        advantage = where_better(found, theirs, parts.next())
    yield Errors(found, regions, advantage)


def _rivals(result: Result, stem: str) -> bool:
    return result.rival is not None and stem in result.shared_targets()


class _Parts:
    """Progress of several passes in a row, as a share of all."""

    def __init__(self, progress: Progress, n_parts: int) -> None:
        self._progress, self._n_parts, self._begun = progress, n_parts, 0

    def next(self) -> Progress:
        """Callback for the next pass."""
        first, self._begun = self._begun, self._begun + 1

        def report(done: float, total: float | None, what: str) -> None:
            share = done / total if total else 0.0
            self._progress((first + share) / self._n_parts, 1.0, what)

        return report


def _true_stem(result: Result, stem: str) -> Waveform:
    if stem not in result.true_stems:
        raise ParameterError(
            f"the true stem of {stem} is unknown, so nobody can say what its error is; choose a "
            "song whose stems are known, such as an example"
        )
    return result.true_stems[stem]


# --- what scores are made of ---------------------------------------------------------------------


def take_apart(
    result: Result, stem: str, version: int, progress: Progress
) -> Iterator[Decomposition]:
    """Prepare to take the estimates apart into what their scores are made of.

    Parameters
    ----------
    result
        Result of which two true stems or more are known.
    stem
        Name of the stem that is asked for, whose true one must be known.
    version
        Version of BSS Eval, 3 or 4.
    progress
        Callback for the share that is done.
    """
    _true_stem(result, stem)
    true = dict(result.true_stems)
    found = {name: result.stems[name].copy() for name in true}  # strokes go on meanwhile
    yield decompose(
        true, found, result.params.sample_rate, version=version,
        dither_db=suggested_dither_db(true), progress=_Parts(progress, 1).next(),
    )  # fmt: skip


def selected_parts(result: Result, stem: str, taken: Decomposition) -> Components:
    """Parts of a stem in the selection, or in the whole excerpt if nothing is selected.

    Parameters
    ----------
    result
        Result that was taken apart.
    stem
        Name of the stem.
    taken
        Answer of `take_apart`.
    """
    selection = result.selected()
    return taken.of(stem) if selection is None else taken.of(stem, *selection)


def parts_of(
    result: Result, stem: str, taken: Decomposition
) -> tuple[dict[str, Waveform], Components]:
    """Parts of a stem as tracks of the excerpt, and those of what is selected.

    Parameters
    ----------
    result, stem, taken
        Arguments of `selected_parts`.

    Returns
    -------
    tracks : dict
        Waveforms by name, without the filters' last 12 ms, which ring on after the excerpt.
    selected : Components
    """
    whole, n_samples = taken.of(stem), len(result.mixture)
    tracks = {name: track[:n_samples] for name, track in whole.tracks.items()}
    return tracks, whole if result.selection is None else selected_parts(result, stem, taken)


# --- how boards would rank it ---------------------------------------------------------------------

#: Values by name of a measure, by stem; those of the second model's stems have its name, too.
Marks = Mapping[str, Mapping[str, float]]


def measure_whole(result: Result, progress: Progress) -> Iterator[Marks]:
    """Take every measure of whole signals of each stem whose true one is known.

    Parameters
    ----------
    result
        Result that is measured.
    progress
        Callback for the share that is done.
    """
    true, rate = result.true_stems, result.params.sample_rate
    if not true:
        raise ParameterError("this song's true stems are unknown, so nothing can be measured")
    found = {target: (target, result.stems[target]) for target in true}
    if result.rival is not None:
        shared = [target for target in result.shared_targets() if target in true]
        theirs = result.rival.estimates
        found |= {f"{t} · {result.rival_name}": (t, theirs[t]) for t in shared}
    marks: dict[str, dict[str, float]] = {}
    for name, (target, estimate) in found.items():
        progress(len(marks) / len(found), 1.0, "measure as boards do")
        others = {other: stem for other, stem in true.items() if other != target}
        judged = Judged(true[target], estimate, rate, others, result.mixture)
        marks[name] = of_track(judged)
    yield marks


# --- bleed and holes, as boards hear them ---------------------------------------------------------


def find_bleed(result: Result, stem: str, progress: Progress) -> Iterator[SignedMap]:
    """Find where a stem is louder than the true one, and where softer; as `find_errors`."""
    progress(0.0, 1.0, "compare levels")
    params, shape = result.params, result.mixture_stft.shape
    found = bleed_map(_true_stem(result, stem), result.stems[stem], params.sample_rate)
    first, second = found.times[:2] if len(found.times) > 1 else (0.0, 1.0)
    times = frames_to_time(np.arange(shape[0]), params)
    rows = np.clip(np.rint((times - first) / (second - first)), 0, len(found.times) - 1).astype(int)
    between = (found.frequencies[:-1] + found.frequencies[1:]) / 2
    bands = np.searchsorted(between, bins_to_hz(np.arange(shape[1]), params))

    def compute(start: int, stop: int) -> AnyArray:
        level_db = found.difference[rows[start:stop]][:, bands]
        return np.copysign(10 ** (np.abs(level_db) / 10), level_db)

    yield SignedMap(
        Frames(shape, np.float32, compute), 10 ** (SIGNED_RANGE_DB / 10), "softer", "louder",
        "difference of levels, in mel bands", SIGNED_RANGE_DB,
    )  # fmt: skip


# --- why a bin has its mask -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Explained:
    """Evidence for one bin of a mask.

    Parameters
    ----------
    pointed
        Bin that was pointed at.
    evidence
        Evidence, which may still be refined.
    field
        Receptive field: times in seconds from the excerpt's beginning, and frequencies in hertz.
    """

    pointed: MaskBin
    evidence: Evidence
    field: tuple[tuple[float, float], tuple[float, float]]

    def signed_map(self, result: Result, stem: str) -> SignedMap:
        """The evidence as a map on the song's grid."""
        values, params = self.evidence.values, result.params
        first = round(self.evidence.start * params.sample_rate / params.hop_length)
        return SignedMap(
            placed(values, first, result.mixture_stft.shape),
            float(np.abs(values).max(initial=0)),
            below=f"against {stem}", above=f"for {stem}",
        )  # fmt: skip

    def sound(self) -> Waveform:
        """The mixture restricted to what carries most of the evidence, as long as the excerpt."""
        return self.pointed.alone(self.evidence.carrying(EVIDENCE_SHARE))


def explain(
    result: Result, stem: str, place: tuple[float, float], method: str, progress: Progress
) -> Iterator[Explained]:
    """Find which part of the input carries the mask at a place.

    Parameters
    ----------
    result
        Result that the mask is of.
    stem
        Name of the stem whose mask it is.
    place
        Time in seconds from the excerpt's beginning, and frequency in hertz.
    method
        Method: ``"gradient"``, ``"integrated"`` or ``"occlusion"``.
    progress
        Callback for the share that is done.
    """
    model = surgery_of(result) if result.cuts else _network(result)
    pointed = MaskBin(model, result.laboratory.separation, stem, *place)
    report = _Parts(progress, 1).next()
    if method == "gradient":
        found: Iterator[Evidence] = iter([pointed.gradient()])
    elif method == "integrated":
        found = iter([pointed.integrated_gradients(progress=report)])
    else:
        found = pointed.occlusion(progress=report)
    for evidence in found:
        yield Explained(pointed, evidence, pointed.receptive_field())


# --- what a layer does ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What a layer hands on for one patch of the song.

    Parameters
    ----------
    site
        Name of the layer.
    values
        Output ``(n_times, n_bands, n_channels)``.
    seconds
        Times of its first and its last row, in seconds from the excerpt's beginning.
    """

    site: str
    values: AnyArray
    seconds: tuple[float, float]

    @property
    def strongest(self) -> int:
        """Number of the channel that is strongest."""
        return int(np.abs(self.values).sum(axis=(0, 1)).argmax())

    def signed_map(self, result: Result, channel: int) -> SignedMap:
        """One channel as a map on the song's grid, each value as wide as what it stands for."""
        chosen = self.values[:, :, channel]
        first, last = time_to_frames(np.array(self.seconds), result.params).tolist()
        n_bins = result.model.preset.model_bins
        times = np.arange(last - first + 1) * len(chosen) // (last - first + 1)
        bands = np.arange(n_bins) * chosen.shape[1] // n_bins
        spread = chosen[times][:, bands, None]
        square = np.copysign(np.square(spread), spread)
        return SignedMap(
            placed(square, first, result.mixture_stft.shape), float(np.abs(square).max(initial=0))
        )


def surgery_of(result: Result) -> Surgery:
    """The network that has made a result, with what is cut out of it, to operate on.

    Raises
    ------
    ParameterError
        If the model is no network.
    """
    surgery = Surgery(_network(result))
    for site, gains in result.cuts.items():
        for gain in {gain for gain in gains if gain != 1}:
            surgery.scale(site, gain, [k for k, other in enumerate(gains) if other == gain])
    return surgery


def _network(result: Result) -> Separator:
    if not isinstance(result.model, Separator):
        raise ParameterError(
            f"{result.model.preset.name} is no network, so it has no evidence and no layers; "
            "choose a network"
        )
    return result.model


def look_into(
    result: Result, surgery: Surgery, site: str, time: float, progress: Progress
) -> Iterator[FeatureMaps]:
    """Find what a layer hands on for the patch that holds a time.

    Parameters
    ----------
    result
        Result of the network.
    surgery
        Network with what is cut out of it.
    site
        Name of the layer.
    time
        Time in seconds from the excerpt's beginning.
    progress
        Callback for the share that is done.
    """
    progress(0.0, 1.0, "look into the network")
    values, seconds = surgery.feature_maps(site, result.laboratory.separation, time)
    if values.ndim != 3:
        raise ParameterError(
            f"{site} hands on numbers of the shape {values.shape}, which have no frequencies to be "
            "drawn at; choose a layer with times, bands and channels"
        )
    yield FeatureMaps(site, values, seconds)


def placed(values: AnyArray, first: int, shape: tuple[int, int, int]) -> Frames:
    """Values of some frames on the grid of a whole song, 0 elsewhere.

    Parameters
    ----------
    values
        Values ``(any, n_bins or fewer, n_channels or 1)``.
    first
        Number of their first frame in the song; below 0 where they begin before it.
    shape
        Shape of the song's STFT.
    """

    def compute(start: int, stop: int) -> AnyArray:
        found = np.zeros((stop - start, *shape[1:]), np.float32)
        low, high = max(start, first), min(stop, first + len(values))
        if low < high:
            found[low - start : high - start, : values.shape[1]] = values[
                low - first : high - first
            ]
        return found

    return Frames(shape, np.float32, compute)


def captions(parts: Components) -> dict[str, str]:
    """Scores of parts at the lanes of what they are lost to."""
    measures = {"target": "SDR", "spatial": "ISR", "interference": "SIR", "artefacts": "SAR"}
    return {
        track: f"{measures[track]} {parts.scores[measures[track]]:.1f} dB".replace("-", "−")
        for track in parts.tracks
    }
