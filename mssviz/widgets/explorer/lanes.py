"""What the explorer's lanes can play: stems, their errors, the parts of a score, evidence.

Knows no widgets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mssviz._typing import Waveform
from mssviz.widgets.explorer.excerpt import Excerpt

#: Lane of what is in no stem.
RESIDUAL = "residual"


@dataclass(frozen=True, eq=False, kw_only=True)
class Lanes:
    """Tracks that are played together, as they are now.

    Parameters
    ----------
    tracks
        Waveforms ``(n_samples, n_channels)`` by name.
    pairs
        Names of the tracks that a lane can play instead of its own, by the lane's name.
    muted
        Names of the lanes that are silent at first.
    captions
        Texts at the right end of the lanes, by name; None where a stem's scores stand.
    """

    tracks: Mapping[str, Waveform]
    pairs: Mapping[str, list[str]] = field(default_factory=dict)
    muted: frozenset[str] = frozenset()
    captions: Mapping[str, str] | None = None

    def pieces(self, excerpt: Excerpt, samples: slice) -> Mapping[str, Waveform]:
        """What sounds different in some samples of an excerpt whose stems have changed there.

        Parameters
        ----------
        excerpt
            Excerpt that the lanes are of.
        samples
            Samples that have changed.

        Returns
        -------
        dict
            New samples ``(any, n_channels)`` by name of a track.
        """
        return {}


@dataclass(frozen=True, eq=False, kw_only=True)
class StemLanes(Lanes):
    """The mixture and the stems, each with what it is compared with."""

    def pieces(self, excerpt: Excerpt, samples: slice) -> Mapping[str, Waveform]:
        """As `Lanes.pieces`."""
        return {stem: waveform[samples] for stem, waveform in excerpt.stems.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class ErrorLanes(StemLanes):
    """The stems, each with its error beside it, and what is in none of them."""

    def pieces(self, excerpt: Excerpt, samples: slice) -> Mapping[str, Waveform]:
        """As `Lanes.pieces`."""
        changed = {
            error_of(stem): waveform[samples] - excerpt.true_stems[stem][samples]
            for stem, waveform in excerpt.stems.items()
            if stem in excerpt.true_stems
        }
        return {
            **super().pieces(excerpt, samples),
            **changed,
            RESIDUAL: _residual(excerpt, samples),
        }


def stem_lanes(excerpt: Excerpt) -> StemLanes:
    """The mixture, and the stems that there are, A/B/C with true ones and another model's.

    Until all stems are made, the mixture plays.
    """
    tracks, pairs = {"mixture": excerpt.mixture}, {}
    for stem, waveform in excerpt.stems.items():
        others = excerpt.others(stem)
        tracks |= {stem: waveform, **others}
        pairs[stem] = list(others)
    muted = ["mixture"] if excerpt.complete else excerpt.stems
    return StemLanes(tracks=tracks, pairs=pairs, muted=frozenset(muted))


def error_lanes(excerpt: Excerpt) -> ErrorLanes:
    """As `stem_lanes` of a complete excerpt, with each stem's error, and the residual."""
    lanes, everything = stem_lanes(excerpt), slice(0, len(excerpt.mixture))
    tracks, pairs = dict(lanes.tracks), dict(lanes.pairs)
    for stem, true in excerpt.true_stems.items():
        tracks[error_of(stem)] = excerpt.stems[stem] - true
        pairs[stem] = [*pairs[stem], error_of(stem)]
    tracks[RESIDUAL] = _residual(excerpt, everything)
    return ErrorLanes(tracks=tracks, pairs=pairs, muted=lanes.muted | {RESIDUAL})


def error_of(stem: str) -> str:
    """Name of the track of a stem's error: the estimate minus the true stem."""
    return f"{stem} (error)"


def _residual(excerpt: Excerpt, samples: slice) -> Waveform:
    left = excerpt.mixture[samples].astype(np.float32, copy=True)
    for waveform in excerpt.stems.values():
        left -= waveform[samples]
    return left
