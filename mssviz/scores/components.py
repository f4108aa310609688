r"""What BSS Eval's scores are made of, as sounds: the four parts of an estimate.

BSS Eval splits an estimate and compares the parts' energies; here the parts are waveforms, at their
true level. With the symbols of `bss_eval`:

============== ================================= ====================================
track          version 4                         version 3
============== ================================= ====================================
target         :math:`s`, the true stem          :math:`P_j \hat s`, the true stem as
                                                 filters of 12 ms bring it nearest
spatial        :math:`P_j \hat s - s`            –
interference   :math:`P \hat s - P_j \hat s`     the same
artefacts      :math:`\hat s - P \hat s`         the same
============== ================================= ====================================

Their sum is the estimate, to the rounding of float32. Every score is a ratio of energies of sums of
these tracks, window by window as `evaluate` gives it.

**What one hears.** *Spatial* is what would have to be taken from the true stem to filter and pan it
as the estimate has it: holes sound like the stem itself, turned over. *Interference* is only what
short filters can make of the other stems; bleed that comes and goes, as masks let it through, is in
no filter's reach, and sounds in the *artefacts*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mssviz import audio
from mssviz._checks import check_number, check_waveforms
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.scores.bss_eval import ratio_db
from mssviz.scores.projection import FILTER_LENGTH, Filters, Stack, fit, project
from mssviz.scores.signals import blocks
from mssviz.scores.windows import in_seconds, prepared

TARGET, SPATIAL, INTERFERENCE, ARTEFACTS = "target", "spatial", "interference", "artefacts"


@dataclass(frozen=True, eq=False)
class Components:
    """One estimate, or a window of it, in the parts that its scores are made of.

    Parameters
    ----------
    tracks
        Waveforms ``(n_samples + 511, n_channels)`` by the names of the module's table, in order:
        the filters ring on for 511 samples after the end.
    scores
        Scores in dB by name, as from `evaluate`: SDR, ISR, SIR and SAR, without ISR in version 3.
        NaN if a reference or an estimate is silent.
    """

    tracks: Mapping[str, Waveform]
    scores: Mapping[str, float]


class Decomposition:
    """A song's estimates, ready to be taken apart; from `decompose`.

    Parameters
    ----------
    targets
        Names of the targets.
    references, estimates
        Waveforms ``(n_samples, n_channels)`` of each target; no reference is silent.
    sample_rate
        Sample rate, in hertz.
    filters
        Filters of the whole song, from `projection.fit`; None to fit them to each window, as
        version 3 does.
    """

    def __init__(
        self,
        targets: Sequence[str],
        references: Sequence[Waveform],
        estimates: Sequence[Waveform],
        sample_rate: int,
        filters: Filters | None,
    ) -> None:
        self.targets, self.sample_rate = tuple(targets), sample_rate
        self._true, self._found, self._filters = references, estimates, filters

    def of(self, target: str, start: float = 0.0, stop: float | None = None) -> Components:
        """Take one estimate apart, or a window of it.

        Parameters
        ----------
        target
            Name of a target whose reference is not silent.
        start, stop
            First and last time of the window, in seconds; all of the song if left out. A window is
            cut out before filters are applied, as BSS Eval does it.

        Raises
        ------
        ParameterError
            If there is no such target or window.
        """
        if target not in self.targets:
            raise ParameterError(
                f"target must be one of {', '.join(self.targets)}, which are not silent "
                f"(got {target!r})"
            )
        window, j = self._window(start, stop), self.targets.index(target)
        true, found, filters = self._true, self._found, self._filters
        if filters is None:
            true, found = ([stem[window] for stem in stems] for stems in (true, found))
            window = slice(0, len(true[0]))
            filters = fit(Stack(true), Stack(found))
        tracks = _tracks(true, found, filters, window, j)
        if self._filters is None:
            tracks[TARGET] = tracks[TARGET] + tracks.pop(SPATIAL)
        scores = _ratios(tracks)
        if not self._audible(window, j):
            scores = dict.fromkeys(scores, np.nan)
        return Components(tracks, scores)

    def _audible(self, window: slice, j: int) -> bool:
        """Whether `evaluate` gives this target a score in a window."""
        heard = [stem[window].any() for stem in self._true]
        heard += [stem[window].any() for stem in self._found if stem.any()]
        return len(self.targets) > 1 and bool(self._found[j].any()) and all(heard)

    def _window(self, start: float, stop: float | None) -> slice:
        n_samples = len(self._true[0])
        check_number(start, "start")
        last = n_samples
        if stop is not None:
            check_number(stop, "stop")
            last = round(stop * self.sample_rate) if np.isfinite(stop) else -1
        first = round(start * self.sample_rate) if np.isfinite(start) else -1
        if not 0 <= first < last <= n_samples:
            raise ParameterError(
                f"start and stop must be seconds in the song, from 0 to "
                f"{n_samples / self.sample_rate:.2f} (got {start} and {stop})"
            )
        return slice(first, last)


def decompose(
    references: Mapping[str, AnyArray],
    estimates: Mapping[str, AnyArray],
    sample_rate: int,
    *,
    version: int = 4,
    dither_db: float | None = None,
    progress: bool | Progress = False,
) -> Decomposition:
    """Prepare to take estimates apart into what their scores are made of.

    Parameters
    ----------
    references, estimates, sample_rate, dither_db, progress
        Arguments of `evaluate`. Noise that is added can be heard in the tracks.
    version
        Version of BSS Eval: 4 fits the filters once, over the whole song, as `evaluate` does; 3
        fits them in each window, and counts what they make of the true stem as right.

    Returns
    -------
    Decomposition
        Object whose method `of` gives the tracks of one target.

    References
    ----------
    Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation",
    IEEE TASLP 14(4), 2006.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = {name: rng.normal(size=(44100, 2)) for name in ("vocals", "rest")}
    >>> leaking = {"vocals": true["vocals"] + 0.1 * true["rest"], "rest": true["rest"]}
    >>> parts = mssviz.scores.decompose(true, leaking, 44100).of("vocals")
    >>> list(parts.tracks)
    ['target', 'spatial', 'interference', 'artefacts']
    >>> abs(parts.scores["SIR"] - 20) < 1
    True
    """
    if version not in (3, 4):
        raise ParameterError(f"version of BSS Eval must be 3 or 4 (got {version!r})")
    sample_rate = audio.check_sample_rate(sample_rate, "sample_rate")
    true, found = prepared(references, estimates, dither_db)
    true = {target: stem for target, stem in true.items() if stem.any()}
    found = {target: found[target] for target in true}
    if not true:
        raise ParameterError("references must not all be silent: there is nothing to compare with")
    stems = list(true.values()), list(found.values())
    filters = None
    if version == 4:
        with reporter(progress) as report:
            filters = fit(Stack(stems[0]), Stack(stems[1]), in_seconds(report, sample_rate))
    return Decomposition(tuple(true), *stems, sample_rate, filters)


def residual(mixture: AnyArray, estimates: Mapping[str, AnyArray]) -> Waveform:
    """What of a mixture is in none of the stems: the mixture minus all estimates.

    Parameters
    ----------
    mixture
        Waveform of the mixture, ``(n_samples, n_channels)``.
    estimates
        Estimates of that shape, by target.

    Examples
    --------
    >>> mixture = np.ones((4, 1), np.float32)
    >>> mssviz.scores.residual(mixture, {"vocals": 0.5 * mixture, "rest": 0.25 * mixture})[0].item()
    0.25
    """
    check_waveforms(estimates, "estimates")
    left = audio.check_waveform(mixture, "mixture").astype(np.float64)
    for target, waveform in estimates.items():
        stem = audio.check_waveform(waveform, f"estimate {target}")
        if stem.shape != left.shape:
            raise ParameterError(
                f"estimate {target} must have the mixture's shape {left.shape} (got {stem.shape})"
            )
        left -= stem
    return left.astype(np.float32)


def _tracks(
    true: Sequence[Waveform], found: Sequence[Waveform], filters: Filters, window: slice, j: int
) -> dict[str, Waveform]:
    """All four tracks of an estimate in a window, by name."""

    def errors(s: AnyArray, s_hat: AnyArray, own: AnyArray, joint: AnyArray) -> AnyArray:
        return np.stack([own - s, joint - own, s_hat - joint]).astype(np.float32)

    target = np.pad(true[j][window].astype(np.float32), ((0, FILTER_LENGTH - 1), (0, 0)))
    joined, done = np.empty((3, *target.shape), np.float32), 0
    for [part] in project(Stack(true), Stack(found), filters, [window], [j], errors):
        # (n_errors, n_channels, n_pieces, n_samples of a piece) to (n_errors, any, n_channels)
        pieces = part.reshape(*part.shape[:2], -1).swapaxes(1, 2)[:, : len(target) - done]
        joined[:, done : done + pieces.shape[1]] = pieces
        done += pieces.shape[1]
    return {TARGET: target, **dict(zip((SPATIAL, INTERFERENCE, ARTEFACTS), joined, strict=True))}


def _ratios(tracks: Mapping[str, Waveform]) -> dict[str, float]:
    """Scores of tracks: of the error that a measure is of, and of what is right but for it."""
    names = list(tracks)
    found = {"SDR": _ratio(tracks, names[:1], names[1:])}
    for measure, error in (("ISR", SPATIAL), ("SIR", INTERFERENCE), ("SAR", ARTEFACTS)):
        if error in tracks:
            found[measure] = _ratio(tracks, names[: names.index(error)], [error])
    return found


def _ratio(tracks: Mapping[str, Waveform], signal: Sequence[str], error: Sequence[str]) -> float:
    """Ratio in dB of the energies of two sums of tracks."""
    energies = [
        sum(float(np.square(part.sum(axis=0)).sum()) for part in blocks([tracks[n] for n in names]))
        for names in (signal, error)
    ]
    return float(ratio_db(*np.array(energies)))
