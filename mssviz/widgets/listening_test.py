"""The listening test: stems of several models compared blind, in the notebook, without a server."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import anywidget
import numpy as np
import scipy.signal
import traitlets as t

from mssviz import audio
from mssviz._files import new_file
from mssviz._typing import AnyArray, PathLike, Waveform
from mssviz.errors import ParameterError
from mssviz.widgets import _encode, _static

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["mushra", "ab"]

REFERENCE, ANCHOR, NO_PREFERENCE = "reference", "anchor", "no preference"
#: Rates that every browser's Web Audio can be asked for, in hertz.
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 96_000
#: Rating of the hidden reference below which BS.1534 doubts a trial, and the share of such
#: trials above which it excludes the listener.
RELIABLE_RATING, RELIABLE_SHARE = 90, 0.15
_CONFIDENCE = 0.95
_BLOCK_SECONDS, _ABSOLUTE_GATE, _RELATIVE_GATE = 0.4, -70.0, -10.0
# ids of the sounds of a trial say where they stand on the page and nothing else
_OPEN = "open"


def loudness_lufs(waveform: AnyArray, sample_rate: int) -> float:
    r"""Integrated loudness: mean power under K-weighting, quiet passages left out.

    .. math:: L = -0.691 + 10 \log_{10} \sum_c z_c

    with :math:`z_c` the mean square of channel *c* over those blocks of 400 ms (a new one each
    100 ms) that exceed -70 LUFS and then -10 LU relative to the mean of those. A sound shorter
    than 400 ms is one block.

    Parameters
    ----------
    waveform
        ``(n_samples, n_channels)``, one or two channels, 1.0 being full scale.
    sample_rate
        In hertz, 8000 or more.

    Returns
    -------
    float
        In LUFS (the same as LKFS); -inf if no block exceeds -70 LUFS. A sine of 997 Hz and full
        scale in one channel gives -3.01.

    References
    ----------
    ITU-R BS.1770-5, Algorithms to measure audio programme loudness and true-peak audio level,
    annex 1.
    """
    waveform = audio.check_waveform(waveform)
    if waveform.shape[1] > 2:
        raise ParameterError(
            f"loudness is defined here for one or two channels (got {waveform.shape[1]})"
        )
    if sample_rate < MIN_SAMPLE_RATE:
        raise ParameterError(f"sample_rate must be {MIN_SAMPLE_RATE} Hz or more")
    weighted = scipy.signal.sosfilt(k_weighting(sample_rate), waveform.astype(np.float64), axis=0)
    block = min(len(weighted), round(_BLOCK_SECONDS * sample_rate))
    energy = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=1))])
    step = round(_BLOCK_SECONDS / 4 * sample_rate)
    starts = np.arange(0, len(weighted) - block + 1, step)
    power = np.maximum(energy[starts + block] - energy[starts], 0) / block
    power = power[_lufs(power) > _ABSOLUTE_GATE]
    if not len(power):
        return -math.inf
    power = power[_lufs(power) > _lufs(power.mean()) + _RELATIVE_GATE]
    return float(_lufs(power.mean()))


def k_weighting(sample_rate: int) -> AnyArray:
    """Filters of BS.1770, shelf and high-pass, as second-order sections ``(2, 6)``.

    The standard tabulates them at 48 kHz; these are the analogue prototypes of that table, given
    to the bilinear transform at the wanted rate. At 48 kHz they are the table's to 1e-6.
    """

    def section(frequency: float, q: float, high: float, band: float, low: float) -> list[float]:
        k = math.tan(math.pi * frequency / sample_rate)
        b = [high + band * k / q + low * k * k, 2 * (low * k * k - high)]
        b.append(high - band * k / q + low * k * k)
        a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
        return [value / a[0] for value in (*b, *a)]

    gain = 10 ** (3.999843853973347 / 20)
    shelf = section(1681.974450955533, 0.7071752369554196, gain, gain**0.4996667741545416, 1.0)
    # the table's high-pass has the numerator 1, -2, 1, so its pass band lies 0.04 dB above 0 dB
    frequency, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / 48_000)
    return np.array([shelf, section(frequency, q, 1 + k / q + k * k, 0.0, 0.0)])


def low_anchor(waveform: Waveform, sample_rate: int) -> Waveform:
    """Low-pass filter a reference at 3.5 kHz, which makes the low anchor of BS.1534.

    Within 0.1 dB up to 3.5 kHz, below -50 dB from 4 kHz on; linear phase, not delayed.

    Parameters
    ----------
    waveform
        ``(n_samples, n_channels)``.
    sample_rate
        In hertz, 8000 or more.

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
class _Condition:
    """One sound to be judged on a page, and what the listener did with it."""

    name: str
    waveform: Waveform
    gain_db: float
    rating: int | None = None
    times_played: int = 0
    seconds: float = 0.0


@dataclass
class _Page:
    """What is judged at once; `conditions` in the order shown."""

    trial: str
    conditions: list[_Condition]
    reference: _Condition | None
    choice: int | None = None  # in an A/B test: 0, 1, or 2 for neither

    def sounds(self) -> dict[str, _Condition]:
        """Every sound by the id that the browser knows it under."""
        numbered = {str(i): c for i, c in enumerate(self.conditions, start=1)}
        return numbered if self.reference is None else {_OPEN: self.reference} | numbered


class ListeningTest(anywidget.AnyWidget):
    """A blind comparison of models by one listener: MUSHRA ratings, or A/B preferences.

    The browser learns which sound is which model's only when the test is over: until then it
    knows sounds by their place on the page. It asks for the audio of a trial when it shows it,
    so that none is kept in a notebook. Order of trials and of sounds is random.

    Parameters
    ----------
    stimuli
        Trial (a stem or an excerpt) to model to waveform ``(n_samples, n_channels)``; one or two
        channels, within a trial all of one length. Names of trials are shown.
    sample_rate
        In hertz, 8000 to 96000.
    references
        Trial to the true stem. It is shown openly, and in a MUSHRA test also hidden among the
        models.
    anchors
        Trial to a waveform that is known to be bad; ``"lowpass"`` makes it of the reference, see
        `low_anchor`; None for a test without. Only for MUSHRA.
    method
        ``"mushra"``: all models of a trial on one page, each rated 0 to 100. ``"ab"``: all pairs
        of models, A, B or no preference.
    question
        Shown above the sounds.
    loudness_match
        Bring all sounds of a trial to the loudness of the quietest, see `loudness_lufs`. A sound
        that is silent is left as it is.
    seed
        Of the random order; None for another one each time.
    reveal
        Show the listener the results in the end.

    Raises
    ------
    ParameterError
        For names or values outside their domain, or waveforms that do not match.
    AudioError
        If a waveform is not fit.

    Notes
    -----
    A full BS.1534-3 test also has an anchor low-passed at 7 kHz and at least a dozen trained
    listeners: save the results of each and join the tables.

    References
    ----------
    ITU-R BS.1534-3, Method for the subjective assessment of intermediate quality level of audio
    systems (MUSHRA), 2015.
    """

    _module = "listening_test/view.js"
    _esm = _static.module(_module)
    _css = _static.style("listening_test.css")

    finished = t.Bool(False, help="Whether every trial has been answered", read_only=True).tag(
        sync=True
    )
    method = t.Unicode(help="'mushra' or 'ab'", read_only=True).tag(sync=True)
    question = t.Unicode(help="Shown above the sounds", read_only=True).tag(sync=True)
    sample_rate = t.Int(help="In hertz", read_only=True).tag(sync=True)
    state = t.Dict(
        help="What the page shows: number of the trial, ids of its sounds, ratings, which have "
        "been played; no names of models before the end",
        read_only=True,
    ).tag(sync=True)

    def __init__(
        self,
        stimuli: Mapping[str, Mapping[str, AnyArray]],
        sample_rate: int,
        *,
        references: Mapping[str, AnyArray] | None = None,
        anchors: Mapping[str, AnyArray] | Literal["lowpass"] | None = "lowpass",
        method: Method = "mushra",
        question: str | None = None,
        loudness_match: bool = True,
        seed: int | None = None,
        reveal: bool = True,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ParameterError(f"ListeningTest has no parameter {', '.join(unknown)}")
        if method not in ("mushra", "ab"):
            raise ParameterError(f"method must be 'mushra' or 'ab' (got {method!r})")
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise ParameterError(
                f"sample_rate must lie between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE} Hz, which "
                f"browsers can play (got {sample_rate})"
            )
        _encode.check_flac_rate(sample_rate)
        if isinstance(anchors, str) and anchors != "lowpass":
            raise ParameterError(f"anchors must be 'lowpass', a mapping or None (got {anchors!r})")
        if method == "ab" and isinstance(anchors, Mapping):
            raise ParameterError("an A/B test has no anchors; name them as models in stimuli")
        trials = _check_trials(stimuli, references or {}, anchors, method, sample_rate)
        self._order = np.random.default_rng(seed)
        self._pages = self._new_pages(trials, method, sample_rate, loudness_match)
        self._current, self._reveal = 0, reveal
        self._encoded: tuple[int, dict[str, bytes]] = (-1, {})
        super().__init__()
        self.set_trait("method", method)
        self.set_trait("sample_rate", int(sample_rate))
        self.set_trait("question", question or _question(method, bool(references)))
        self._show()
        self.on_msg(self._receive)

    # --- results ------------------------------------------------------------------------------

    @property
    def results(self) -> "pd.DataFrame":
        """Answers so far, in the order they were given.

        MUSHRA: one row per trial and rated condition; ``condition`` is a model, ``"reference"``
        (the hidden one) or ``"anchor"``, ``rating`` 0 to 100, ``position`` the place on the page
        from 1, ``gain_db`` what loudness matching did. A/B: one row per trial and pair; ``a``
        and ``b`` are the models on either side, ``choice`` one of them or ``"no preference"``.
        """
        import pandas as pd

        if self.method == "ab":
            return pd.DataFrame(self._choices(), columns=[*_AB_COLUMNS])
        return pd.DataFrame(self._ratings(), columns=[*_MUSHRA_COLUMNS])

    def summary(self) -> "pd.DataFrame":
        """Figures per condition, each with its 95 % confidence interval.

        MUSHRA: mean, median and number of ratings, with the interval of the mean by Student's
        *t* (NaN for a single rating). A/B: ``wins``, ``losses``, ``ties``, and ``share``, the
        share of wins among the decided comparisons, with Wilson's interval. The intervals are
        over trials of this one listener, not over listeners.
        """
        import pandas as pd

        if self.method == "ab":
            names = dict.fromkeys(c.name for page in self._pages for c in page.conditions)
            rows = {name: _preference(name, self._choices()) for name in sorted(names)}
        else:
            ratings = self._ratings()
            names = dict.fromkeys(row["condition"] for row in ratings)
            rows = {
                name: _mean([row["rating"] for row in ratings if row["condition"] == name])
                for name in names
            }
        table = pd.DataFrame.from_dict(rows, orient="index", columns=_summary_columns(self.method))
        best = table.columns[0] if self.method == "mushra" else "share"
        return table.rename_axis("condition").sort_values(best, ascending=False, kind="stable")

    @property
    def reliable(self) -> bool | None:
        """Whether the listener passes BS.1534's post-screening; None if nothing tells.

        False if the hidden reference was rated below 90 in more than 15 % of the trials that
        had one.
        """
        ratings = [row["rating"] for row in self._ratings() if row["condition"] == REFERENCE]
        if not ratings:
            return None
        missed = sum(rating < RELIABLE_RATING for rating in ratings)
        return missed <= RELIABLE_SHARE * len(ratings)

    def save(self, path: PathLike) -> Path:
        """Write `results` as CSV; the file gets its name when it is complete.

        Parameters
        ----------
        path
            Of the file; its folder must exist.
        """
        path = Path(path)
        text = self.results.to_csv(index=False)
        with new_file(path) as scratch:
            scratch.write_text(text, encoding="utf-8")
        return path

    def _ratings(self) -> list[dict[str, Any]]:
        return [
            {
                "trial": page.trial,
                "condition": condition.name,
                "rating": condition.rating,
                "position": position,
                "times_played": condition.times_played,
                "seconds_listened": round(condition.seconds, 3),
                "gain_db": round(condition.gain_db, 3),
                "method": "mushra",
            }
            for page in self._pages
            for position, condition in enumerate(page.conditions, start=1)
            if condition.rating is not None
        ]

    def _choices(self) -> list[dict[str, Any]]:
        rows = []
        for page in self._pages:
            if page.choice is None:
                continue
            a, b = page.conditions
            row: dict[str, Any] = {"trial": page.trial, "a": a.name, "b": b.name}
            row["choice"] = (a.name, b.name, NO_PREFERENCE)[page.choice]
            for side, condition in (("a", a), ("b", b)):
                row[f"times_played_{side}"] = condition.times_played
                row[f"seconds_listened_{side}"] = round(condition.seconds, 3)
                row[f"gain_db_{side}"] = round(condition.gain_db, 3)
            rows.append(row | {"method": "ab"})
        return rows

    # --- pages --------------------------------------------------------------------------------

    def _new_pages(
        self, trials: list["_Trial"], method: str, sample_rate: int, match: bool
    ) -> list[_Page]:
        pages = []
        for i in self._order.permutation(len(trials)):
            trial = trials[i]
            gains = _gains_db(trial.sounds, sample_rate, match)
            groups = [trial.rated]
            if method == "ab":
                pairs = list(itertools.combinations(trial.rated, 2))
                groups = [list(pairs[k]) for k in self._order.permutation(len(pairs))]
            for group in groups:
                shuffled = [group[k] for k in self._order.permutation(len(group))]
                conditions = [_Condition(n, trial.sounds[n], gains[n]) for n in shuffled]
                reference = None
                if REFERENCE in trial.sounds:  # shown openly; the hidden one counts apart
                    sound = trial.sounds[REFERENCE]
                    reference = _Condition(REFERENCE, sound, gains[REFERENCE])
                pages.append(_Page(trial.name, conditions, reference))
        return pages

    def _show(self) -> None:
        state: dict[str, Any] = {"trial": self._current, "n_trials": len(self._pages)}
        if self._current < len(self._pages):
            page = self._pages[self._current]
            sounds = page.sounds()
            state |= {
                "name": page.trial,
                "ids": list(sounds),
                "ratings": {
                    i: c.rating for i, c in sounds.items() if c.rating is not None and i != _OPEN
                },
                "played": [i for i, c in sounds.items() if c.times_played],
                "choice": page.choice,
            }
        elif self._reveal:
            state["table"] = _as_text(self.summary())
        self.set_trait("state", state)

    # --- messages from the browser ------------------------------------------------------------

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        # A view may be behind, so what does not fit is passed over and not an error.
        if not isinstance(content, dict):
            return
        trial, kind = content.get("trial"), content.get("kind")
        if kind == "heard" and isinstance(trial, int) and 0 <= trial <= self._current:
            self._take_heard(trial, content)
        elif trial != self._current or self.finished:
            return
        elif kind == "ask":
            self._send_audio(content.get("have"))
        elif kind == "rate":
            self._take_rating(content)
        elif kind == "choose":
            self._take_choice(content.get("choice"))
        elif kind == "next":
            self._advance()

    def _take_heard(self, trial: int, content: Mapping[str, Any]) -> None:
        if trial >= len(self._pages):
            return
        condition = self._pages[trial].sounds().get(str(content.get("id")))
        seconds, times = content.get("seconds"), content.get("times")
        if condition is None or not _is_amount(seconds) or not isinstance(times, int) or times < 0:
            return
        first = not condition.times_played and times
        condition.times_played += times
        condition.seconds += seconds
        if first and trial == self._current:
            self._show()

    def _take_rating(self, content: Mapping[str, Any]) -> None:
        page, rating = self._pages[self._current], content.get("rating")
        if self.method != "mushra" or not _is_amount(rating) or rating > 100:
            return
        condition = page.sounds().get(str(content.get("id")))
        if condition is not None and condition is not page.reference:
            condition.rating = round(rating)
            self._show()

    def _take_choice(self, choice: Any) -> None:
        if self.method == "ab" and choice in (0, 1, 2):
            self._pages[self._current].choice = int(choice)
            self._show()

    def _advance(self) -> None:
        page = self._pages[self._current]
        heard = all(condition.times_played for condition in page.conditions)
        rated = all(condition.rating is not None for condition in page.conditions)
        if not heard or not (rated if self.method == "mushra" else page.choice is not None):
            return
        self._current += 1
        self._encoded = (-1, {})
        self._show()
        if self._current == len(self._pages):
            self.set_trait("finished", True)

    def _send_audio(self, have: Any) -> None:
        have = have if isinstance(have, list) else []
        if self._encoded[0] != self._current:
            self._encoded = (self._current, {})
        cache = self._encoded[1]
        for key, sound in self._pages[self._current].sounds().items():
            if key in have:
                continue
            if key not in cache:
                gain = np.float32(10 ** (sound.gain_db / 20))
                cache[key] = _encode.flac(sound.waveform * gain, self.sample_rate)
            message = {"kind": "audio", "trial": self._current, "id": key, "version": 1}
            self.send(message, [cache[key]])


_MUSHRA_COLUMNS = (
    "trial", "condition", "rating", "position", "times_played", "seconds_listened", "gain_db",
    "method",
)  # fmt: skip
_AB_COLUMNS = (
    "trial", "a", "b", "choice", "times_played_a", "times_played_b", "seconds_listened_a",
    "seconds_listened_b", "gain_db_a", "gain_db_b", "method",
)  # fmt: skip


@dataclass
class _Trial:
    """All sounds of a trial by name, and the names of those that are judged."""

    name: str
    sounds: dict[str, Waveform]
    rated: list[str]


def _check_trials(
    stimuli: Mapping[str, Mapping[str, AnyArray]],
    references: Mapping[str, AnyArray],
    anchors: Mapping[str, AnyArray] | str | None,
    method: str,
    sample_rate: int,
) -> list[_Trial]:
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
        least, taken = (2, (NO_PREFERENCE, REFERENCE)) if method == "ab" else (1, _RESERVED)
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
        trials.append(_Trial(trial, sounds, rated))
    return trials


_RESERVED = (REFERENCE, ANCHOR)


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
    gains = dict.fromkeys(sounds, 0.0)
    if match:
        loudness = {name: loudness_lufs(w, sample_rate) for name, w in sounds.items()}
        heard = {name: level for name, level in loudness.items() if math.isfinite(level)}
        quietest = min(heard.values(), default=0.0)
        gains |= {name: quietest - level for name, level in heard.items()}
    # samples beyond full scale would clip on their way: lower all alike
    scaled = {n: np.abs(w).max(initial=0) * 10 ** (gains[n] / 20) for n, w in sounds.items()}
    over_db = 20 * math.log10(max(1.0, *scaled.values()))
    return {name: gain - over_db for name, gain in gains.items()}


def _question(method: str, referenced: bool) -> str:
    if method == "ab":
        better = "is closer to the reference" if referenced else "sounds better"
        return f"Which of the two {better}?"
    if referenced:
        return "How close is the quality of each sound to that of the reference?"
    return "How good is the quality of each sound?"


def _lufs(power: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(power)


def _is_amount(value: Any) -> TypeGuard[float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _summary_columns(method: str) -> list[str]:
    interval = ["ci_low", "ci_high"]
    if method == "ab":
        return ["wins", "losses", "ties", "n", "share", *interval]
    return ["mean", "median", "n", *interval]


def _mean(ratings: Sequence[float]) -> list[float]:
    from scipy.stats import t as student

    n, mean = len(ratings), float(np.mean(ratings))
    half = math.nan
    if n > 1:
        half = student.ppf((1 + _CONFIDENCE) / 2, n - 1) * np.std(ratings, ddof=1) / math.sqrt(n)
    return [mean, float(np.median(ratings)), n, mean - half, mean + half]


def _preference(name: str, choices: Sequence[Mapping[str, Any]]) -> list[float]:
    from scipy.stats import binomtest

    mine = [row["choice"] for row in choices if name in (row["a"], row["b"])]
    wins, ties = mine.count(name), mine.count(NO_PREFERENCE)
    decided = len(mine) - ties
    if not decided:
        return [wins, 0, ties, len(mine), math.nan, math.nan, math.nan]
    interval = binomtest(wins, decided).proportion_ci(_CONFIDENCE, method="wilson")
    share = wins / decided
    return [wins, decided - wins, ties, len(mine), share, interval.low, interval.high]


def _as_text(table: "pd.DataFrame") -> list[list[str]]:
    def text(column: str, value: Any) -> str:
        if isinstance(value, float) and math.isnan(value):
            return "–"
        if column in ("share", "ci_low", "ci_high") and "share" in table:
            return f"{100 * value:.0f} %"
        return f"{value:.1f}" if column in ("mean", "median", "ci_low", "ci_high") else str(value)

    header = [_HEADERS.get(column, column) for column in ["condition", *table.columns]]
    columns = list(table.columns)
    rows = [
        [str(name), *(text(c, v) for c, v in zip(columns, row, strict=True))]
        for name, row in zip(table.index, table.itertuples(index=False, name=None), strict=True)
    ]
    return [header, *rows]


_HEADERS = {"ci_low": "95 % from", "ci_high": "95 % to", "share": "share of wins"}
