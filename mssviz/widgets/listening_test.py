"""The listening test: stems of several models compared blind, in the notebook, without a server."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import numpy as np
import traitlets as t

from mssviz._checks import as_path, check_number
from mssviz._files import new_file, refuse_existing
from mssviz._typing import AnyArray, PathLike
from mssviz.errors import ParameterError
from mssviz.scores.loudness import k_weighting as k_weighting  # can be imported from here, too
from mssviz.scores.loudness import loudness_lufs as loudness_lufs
from mssviz.widgets import _encode, _listening_answers, _static
from mssviz.widgets._listening_trials import OPEN, check_trials, default_question, new_pages
from mssviz.widgets._listening_trials import low_anchor as low_anchor
from mssviz.widgets._widget import Widget

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["mushra", "ab"]

#: Sample rates that the Web Audio of every browser accepts, in hertz.
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 96_000


class ListeningTest(Widget):
    """A blind comparison of models by one listener: MUSHRA ratings, or A/B preferences.

    The browser learns which sound is which model's only when the test is over; until then it knows
    sounds by their place on the page. It asks for the audio of a trial when it shows the trial, so
    that no audio is kept in a notebook. The order of trials and of sounds is random.

    Parameters
    ----------
    stimuli
        Waveforms ``(n_samples, n_channels)`` by model, for each trial (a stem or an excerpt) by
        name. They have one or two channels, and within a trial all have one length. Names of trials
        are shown.
    sample_rate
        Sample rate, in hertz, 8000 to 96000.
    references
        True stems by trial. They are shown openly, and in a MUSHRA test also hidden among the
        models.
    anchors
        Waveforms by trial that are known to be bad; ``"lowpass"`` makes them of the references, see
        `low_anchor`; None is for a test without anchors. They are only for MUSHRA.
    method
        Way of judging: with ``"mushra"``, all models of a trial are on one page and each is rated 0
        to 100; with ``"ab"``, all pairs of models are shown, to choose A, B or no preference.
    question
        Text shown above the sounds.
    loudness_match
        Whether all sounds of a trial are brought to the loudness of the quietest, see
        `loudness_lufs`. A sound that is silent is left as it is.
    seed
        Seed of the random order; None for another order each time.
    reveal
        Whether the listener sees the results in the end.

    Raises
    ------
    ParameterError
        If names or values are outside their domain, or waveforms do not match.
    AudioError
        If a waveform cannot be used.

    Notes
    -----
    A full test by BS.1534-3 also has an anchor low-passed at 7 kHz and at least a dozen trained
    listeners: save the results of each and join the tables.

    References
    ----------
    ITU-R BS.1534-3, Method for the subjective assessment of intermediate quality level of audio
    systems (MUSHRA), 2015.

    Examples
    --------
    >>> mixture, sources, _ = mssviz.examples()["francium"].excerpt(0, 2).sound()
    >>> test = mssviz.ListeningTest(
    ...     {"vocals": {"half as loud": 0.5 * sources["vocals"], "mixture": mixture}},
    ...     44100,
    ...     references={"vocals": sources["vocals"]},
    ... )
    >>> test.results  # one row for each rating, once there are some
    Empty DataFrame
    ...
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
        check_number(sample_rate, "sample_rate")
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise ParameterError(f"seed must be a whole number, 0 or more (got {seed!r})")
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
        trials = check_trials(stimuli, references or {}, anchors, method, sample_rate)
        order = np.random.default_rng(seed)
        self._pages = new_pages(trials, method, sample_rate, loudness_match, order)
        self._current, self._reveal = 0, reveal
        self._encoded: tuple[int, dict[str, bytes]] = (-1, {})
        super().__init__()
        self.set_trait("method", method)
        self.set_trait("sample_rate", int(sample_rate))
        self.set_trait("question", question or default_question(method, bool(references)))
        self._show()
        self.on_msg(self._receive)

    # --- results ------------------------------------------------------------------------------

    @property
    def results(self) -> "pd.DataFrame":
        """Answers so far, in the order in which they were given.

        MUSHRA has one row for each trial and rated condition: ``condition`` is a model,
        ``"reference"`` (the hidden one) or ``"anchor"``, ``rating`` is 0 to 100, ``position`` is
        the place on the page from 1, and ``gain_db`` is the change by loudness matching. A/B has
        one row for each trial and pair: ``a`` and ``b`` are the models on either side, and
        ``choice`` is one of them or ``"no preference"``.
        """
        return _listening_answers.results(self._pages, self.method)

    def summary(self) -> "pd.DataFrame":
        """Figures of each condition, with 95 % confidence intervals.

        MUSHRA has the mean, the median and the number of ratings, with the interval of the mean by
        Student's *t* (NaN for a single rating). A/B has ``wins``, ``losses``, ``ties``, and
        ``share``, the share of wins among the decided comparisons, with Wilson's interval. The
        intervals are over trials of this one listener, not over listeners.
        """
        return _listening_answers.summary(self._pages, self.method)

    @property
    def reliable(self) -> bool | None:
        """Whether the listener passes BS.1534's post-screening; None if it cannot be told.

        It is False if the hidden reference was rated below 90 in more than 15 % of the trials that
        had one.
        """
        return _listening_answers.reliable(self._pages)

    def save(self, path: PathLike, overwrite: bool = False) -> Path:
        """Write `results` as CSV; the file gets its name when it is complete.

        Parameters
        ----------
        path
            Path of the file; its folder must exist.
        overwrite
            Whether a file of that name is replaced; another listener's answers may be in it.

        Raises
        ------
        FileError
            If a file has the name already, or it cannot be written.
        """
        path = as_path(path, "a file to write")
        refuse_existing(path, overwrite)
        text = self.results.to_csv(index=False)
        with new_file(path) as scratch:
            scratch.write_text(text, encoding="utf-8")
        return path

    # --- pages --------------------------------------------------------------------------------

    def _show(self) -> None:
        state: dict[str, Any] = {"trial": self._current, "n_trials": len(self._pages)}
        if self._current < len(self._pages):
            page = self._pages[self._current]
            sounds = page.sounds()
            state |= {
                "name": page.trial,
                "ids": list(sounds),
                "ratings": {
                    i: c.rating for i, c in sounds.items() if c.rating is not None and i != OPEN
                },
                "played": [i for i, c in sounds.items() if c.times_played],
                "choice": page.choice,
            }
        elif self._reveal:
            state["table"] = _listening_answers.as_text(self.summary())
        self.set_trait("state", state)

    # --- messages from the browser ------------------------------------------------------------

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        # A view may be behind, so what does not fit is ignored and is no error.
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


def _is_amount(value: Any) -> TypeGuard[float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0
