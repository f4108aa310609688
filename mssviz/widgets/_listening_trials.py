"""Design of a listening test: the sounds on each page, their order and their loudness."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.signal

from mssviz import audio
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import ParameterError
from mssviz.scores.loudness import matching_gains_db

REFERENCE, ANCHOR, NO_PREFERENCE = "reference", "anchor", "no preference"
#: Id of the reference that is shown openly; ids of other sounds are their places on the page.
OPEN = "open"


def low_anchor(waveform: Waveform, sample_rate: int) -> Waveform:
    """Low-pass filter a reference at 3.5 kHz, which makes the low anchor of BS.1534.

    It passes everything up to 3.5 kHz within 0.1 dB, and less than -50 dB from 4 kHz on. Its phase
    is linear, and nothing is delayed.

    Parameters
    ----------
    waveform
        Waveform ``(n_samples, n_channels)``.
    sample_rate
        Sample rate, in hertz, 8000 or more.

    References
    ----------
    ITU-R BS.1534-3, Method for the subjective assessment of intermediate quality level of audio
    systems (MUSHRA), section 5.1.
    """
    n_taps, beta = scipy.signal.kaiserord(65, 500 / (sample_rate / 2))
    taps = scipy.signal.firwin(n_taps | 1, 3750, window=("kaiser", beta), fs=sample_rate)
    filtered = scipy.signal.oaconvolve(waveform.astype(np.float64), taps[:, None], axes=0)
    first = len(taps) // 2
    return filtered[first : first + len(waveform)].astype(np.float32)


@dataclass
class Condition:
    """One sound that is to be judged on a page, and what the listener did with it."""

    name: str
    waveform: Waveform
    gain_db: float
    rating: int | None = None
    times_played: int = 0
    seconds: float = 0.0


@dataclass
class Page:
    """Sounds that are judged together; `conditions` are in the order shown."""

    trial: str
    conditions: list[Condition]
    reference: Condition | None
    choice: int | None = None  # in an A/B test 0 or 1, or 2 for neither

    def sounds(self) -> dict[str, Condition]:
        """Every sound, by the id under which the browser knows it."""
        numbered = {str(i): c for i, c in enumerate(self.conditions, start=1)}
        return numbered if self.reference is None else {OPEN: self.reference} | numbered


@dataclass
class Trial:
    """All sounds of a trial by name, and the names of those that are to be judged."""

    name: str
    sounds: dict[str, Waveform]
    rated: list[str]


def check_trials(
    stimuli: Mapping[str, Mapping[str, AnyArray]],
    references: Mapping[str, AnyArray],
    anchors: Mapping[str, AnyArray] | str | None,
    method: str,
    sample_rate: int,
) -> list[Trial]:
    """Make trials of what is given to `ListeningTest`, whose parameters and errors these are."""
    if not isinstance(stimuli, Mapping) or not all(
        isinstance(models, Mapping) for models in stimuli.values()
    ):
        raise ParameterError(
            "stimuli must be a dict of trial to a dict of model to waveform, such as "
            f'{{"song": {{"mine": mine, "theirs": theirs}}}} (got {type(stimuli).__name__})'
        )
    if not stimuli:
        raise ParameterError("stimuli must hold at least one trial (got none)")
    given = anchors if isinstance(anchors, Mapping) else {}
    for what, mapping in (("references", references), ("anchors", given)):
        for trial in mapping:
            if trial not in stimuli:
                raise ParameterError(
                    f"{what} names {trial!r}; choose from {', '.join(map(str, stimuli))}"
                )
    trials = []
    for trial, models in stimuli.items():
        least, taken = (
            (2, (NO_PREFERENCE, REFERENCE)) if method == "ab" else (1, (REFERENCE, ANCHOR))
        )
        if len(models) < least:
            raise ParameterError(f"{trial} must have {least} models or more (got {len(models)})")
        sounds = dict(models)
        for name in (trial, *models):
            if not isinstance(name, str) or name in taken:
                raise ParameterError(f"a name must be text other than {taken} (got {name!r})")
        rated = list(models)
        if trial in references:
            sounds[REFERENCE] = references[trial]
        sounds = _check_sounds(trial, sounds)
        if method == "mushra" and trial in references:
            rated.append(REFERENCE)
            if anchors == "lowpass":
                sounds[ANCHOR] = low_anchor(sounds[REFERENCE], sample_rate)
        if trial in given:
            sounds = _check_sounds(trial, sounds | {ANCHOR: given[trial]})
        if ANCHOR in sounds and method == "mushra":
            rated.append(ANCHOR)
        trials.append(Trial(trial, sounds, rated))
    return trials


def _check_sounds(trial: str, sounds: Mapping[str, AnyArray]) -> dict[str, Waveform]:
    checked = {n: audio.check_waveform(w, f"{trial}, {n}") for n, w in sounds.items()}
    lengths = {name: len(waveform) for name, waveform in checked.items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(
            f"sounds of {trial} must be of one length; cut or pad them (got {lengths})"
        )
    n_channels = max(waveform.shape[1] for waveform in checked.values())
    if n_channels > 2:
        raise ParameterError(f"sounds of {trial} must have one or two channels (got {n_channels})")
    # a browser plays mono on both sides, 3 dB louder than it would be measured beside stereo
    return {name: audio.to_channels(waveform, n_channels) for name, waveform in checked.items()}


def _gains_db(sounds: Mapping[str, Waveform], sample_rate: int, match: bool) -> dict[str, float]:
    gains = matching_gains_db(sounds, sample_rate) if match else dict.fromkeys(sounds, 0.0)
    # samples beyond full scale would be clipped on their way, so all sounds are lowered alike
    scaled = {n: np.abs(w).max(initial=0) * 10 ** (gains[n] / 20) for n, w in sounds.items()}
    over_db = 20 * math.log10(max(1.0, *scaled.values()))
    return {name: gain - over_db for name, gain in gains.items()}


def new_pages(
    trials: list[Trial], method: str, sample_rate: int, match: bool, order: np.random.Generator
) -> list[Page]:
    """Make the pages of a test in random order, with their sounds in random order.

    Parameters
    ----------
    trials
        Trials of the test.
    method
        Method: ``"mushra"`` has one page for each trial, ``"ab"`` has one for each pair of its
        sounds.
    sample_rate
        Sample rate of the sounds, in hertz.
    match
        Whether the sounds of a trial are brought to the same loudness.
    order
        Generator of the random order.
    """
    pages = []
    for i in order.permutation(len(trials)):
        trial = trials[i]
        gains = _gains_db(trial.sounds, sample_rate, match)
        groups = [trial.rated]
        if method == "ab":
            pairs = list(itertools.combinations(trial.rated, 2))
            groups = [list(pairs[k]) for k in order.permutation(len(pairs))]
        for group in groups:
            shuffled = [group[k] for k in order.permutation(len(group))]
            conditions = [Condition(n, trial.sounds[n], gains[n]) for n in shuffled]
            reference = None
            if REFERENCE in trial.sounds:  # this one is shown openly; the hidden one counts apart
                sound = trial.sounds[REFERENCE]
                reference = Condition(REFERENCE, sound, gains[REFERENCE])
            pages.append(Page(trial.name, conditions, reference))
    return pages


def default_question(method: str, referenced: bool) -> str:
    """Question that each page asks if nobody has written another."""
    if method == "ab":
        better = "is closer to the reference" if referenced else "sounds better"
        return f"Which of the two {better}?"
    if referenced:
        return "How close is the quality of each sound to that of the reference?"
    return "How good is the quality of each sound?"
