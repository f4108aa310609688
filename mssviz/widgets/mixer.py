"""The mixer: every track with level, pan, mute and solo, sample-aligned, in the browser."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import traitlets as t

from mssviz import audio
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import ParameterError
from mssviz.plots import PALETTE, check_colors
from mssviz.widgets import _encode, _static
from mssviz.widgets._view import View

MIN_GAIN_DB, MAX_GAIN_DB = -60.0, 12.0
MIN_RATE, MAX_RATE = 0.25, 2.0
MIN_SELECTION_SECONDS = 0.1
_ROUNDING_SECONDS = 1e-3


class Mixer(View):
    """Plays tracks together: mute, solo, level, pan, loop, and A/B/C against other tracks.

    What sounds and when is computed in the browser; Python sees and sets it as traits. The
    browser asks for the audio when it shows the widget, so that none is kept in a notebook.
    Tracks keep their relative levels: if one exceeds full scale, all are lowered alike.

    Parameters
    ----------
    tracks
        Waveforms ``(n_samples, n_channels)`` by name, in the order shown; one or two channels,
        all of one length.
    sample_rate
        In hertz.
    pairs
        Name of an estimate to the name, or names in order, of what it is compared with: its
        reference, other models' estimates. These have no strips of their own; a switch A, B,
        C… on the estimate's strip changes over, and `compare` does so on all strips.
    colors
        Name of a track to ``"#rrggbb"`` or a CSS colour's name; `plots.PALETTE` otherwise.
    offset
        Time of the first sample in the song, in seconds; all times below count from the song's
        beginning.
    codec
        How audio travels: ``"flac"`` (lossless, at 24 bits) or ``"ogg"`` (Vorbis, lossy, about
        an eighth of the size).

    Raises
    ------
    ParameterError
        For an unknown keyword or name, a value outside its range, or tracks that do not match.
    AudioError
        If a waveform is not fit.
    """

    shared = ("time", "selection")
    module = "mixer/view.js"
    _esm = _static.module(module)
    _css = _static.style("mixer.css")

    # What the browser writes is not echoed back to it: a late echo would undo a newer change.
    time = t.Float(help="Playhead on the song's time axis, in seconds; set it to seek").tag(
        sync=True, echo_update=False
    )
    playing = t.Bool(False, help="Whether sound is playing").tag(sync=True, echo_update=False)
    selection = t.Any(
        None, help="None, or what is looped: [start, stop] on the song's time axis, in seconds"
    ).tag(sync=True, echo_update=False)
    rate = t.Float(1.0, help="Playback rate, 0.25 to 2; the pitch follows it").tag(
        sync=True, echo_update=False
    )
    master_db = t.Float(0.0, help="Level of the sum, -60 (silence) to 12 dB").tag(
        sync=True, echo_update=False
    )
    strips = t.List(
        t.Dict(),
        help="One dict per strip: name, color, gain_db (-60, silence, to 12 dB), pan (-1 left "
        "to 1 right), muted, solo, choices (names of the tracks that it can play, its own "
        "first), shows (which of them it plays). Assign a new list, or use `adjust`",
    ).tag(sync=True, echo_update=False)
    duration = t.Float(help="Length of the tracks, in seconds", read_only=True).tag(sync=True)
    offset = t.Float(help="Song time of the first sample, in seconds", read_only=True).tag(
        sync=True
    )
    sample_rate = t.Int(help="Sample rate, in hertz", read_only=True).tag(sync=True)
    common_gain = t.Float(
        1.0, help="Factor, at most 1, at which no track exceeds full scale", read_only=True
    ).tag(sync=True)

    def __init__(
        self,
        tracks: Mapping[str, AnyArray],
        sample_rate: int,
        *,
        pairs: Mapping[str, str | Sequence[str]] | None = None,
        colors: Mapping[str, str] | None = None,
        offset: float = 0.0,
        codec: Literal["flac", "ogg"] = "flac",
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ParameterError(
                f"Mixer has no parameter {', '.join(unknown)}; choose from pairs, colors, offset "
                "and codec"
            )
        if codec not in ("flac", "ogg"):
            raise ParameterError(f"codec must be 'flac' or 'ogg' (got {codec!r})")
        if not 0 <= offset < float("inf"):
            raise ParameterError(f"offset must be a time in seconds, 0 or more (got {offset})")
        audio.check_sample_rate(sample_rate, "Mixer")
        _encode.check_flac_rate(sample_rate)
        self._waveforms = _check_tracks(tracks)
        self._choices = _check_pairs(pairs or {}, self._waveforms)
        self._codec = codec
        self._peaks = {name: _peak(waveform) for name, waveform in self._waveforms.items()}
        self._copied: set[str] = set()  # tracks whose array is ours to write to
        self._versions = dict.fromkeys(self._waveforms, 1)
        self._encoded: dict[str, tuple[int, float, bytes]] = {}
        self._n_samples = len(next(iter(self._waveforms.values())))
        self._start, self._stop = float(offset), float(offset) + self._n_samples / sample_rate
        strips = self._new_strips(_check_colors(colors or {}, self._waveforms))
        super().__init__(time=self._start, strips=strips)
        self.set_trait("sample_rate", int(sample_rate))
        self.set_trait("duration", self._n_samples / sample_rate)
        self.set_trait("offset", self._start)
        self._find_common_gain()
        self.on_msg(self._answer)

    # --- the same from code -------------------------------------------------------------------

    def play(self) -> None:
        """Start; in a browser that has seen no click yet, it starts with the first one."""
        self.playing = True

    def pause(self) -> None:
        """Stop where it is."""
        self.playing = False

    def seek(self, time: float) -> None:
        """Move the playhead to a song time, in seconds; playing goes on from there."""
        self.time = time
        # the trait alone would not tell when it happens to hold that time already
        self.send({"kind": "seek", "time": self.time})

    @property
    def loop(self) -> list[float] | None:
        """Another name of `selection`."""
        return self.selection

    @loop.setter
    def loop(self, value: list[float] | None) -> None:
        self.selection = value

    def waveform(self, name: str) -> Waveform:
        """Audio of a track, ``(n_samples, n_channels)``, at its own level; pieces change it."""
        self._check_name(name)
        return self._waveforms[name]

    def replace(self, name: str, waveform: AnyArray, start: float | None = None) -> None:
        """Give a track new audio; while playing, the browser cross-fades to it in 30 ms.

        Parameters
        ----------
        name
            Of any track.
        waveform
            ``(n_samples, n_channels)``: the whole track, as long as the others, or a piece.
        start
            Song time of a piece's first sample, in seconds; the rest of the track stays. Only
            the piece travels, lossless whatever the codec. None for the whole track.

        Raises
        ------
        ParameterError
            For an unknown name, a track of another length, or a piece that lies outside the
            track or has other channels.
        AudioError
            If the waveform is not fit.
        """
        self._check_name(name)
        waveform = _check_waveform(waveform, name)
        if start is None:
            self._replace_whole(name, waveform)
        else:
            self._replace_piece(name, waveform, start)

    def encoded(self, codec: Literal["flac", "ogg"] = "flac") -> dict[str, bytes]:
        """Every track as a sound file, scaled by `common_gain`; names as in the constructor."""
        encode, gain = _encoders[codec], self.common_gain
        return {n: encode(w * gain, self.sample_rate) for n, w in self._waveforms.items()}

    def adjust(self, name: str, /, **changes: Any) -> None:
        """Change entries of one strip.

        Parameters
        ----------
        name
            Of the strip.
        changes
            ``gain_db``, ``pan``, ``muted``, ``solo``, ``shows`` or ``color``.
        """
        self._check_name(name)
        if name not in self._choices:
            strip = next(strip for strip, names in self._choices.items() if name in names)
            raise ParameterError(f"{name} is heard through the strip of {strip}: adjust that one")
        self.strips = [s | changes if s["name"] == name else s for s in self.strips]

    def compare(self, position: int) -> None:
        """Let every strip that has it play its choice A (0), B (1), C (2) and so on.

        Parameters
        ----------
        position
            In a strip's choices; strips with fewer of them stay as they are.
        """
        most = max(map(len, self._choices.values()))
        if not isinstance(position, int) or not 0 <= position < most:
            raise ParameterError(f"position must be an integer, 0 to {most - 1} (got {position!r})")
        self.strips = [
            s | {"shows": s["choices"][position]} if position < len(s["choices"]) else s
            for s in self.strips
        ]

    # --- validation ---------------------------------------------------------------------------

    def _check_name(self, name: str) -> None:
        if name not in self._waveforms:
            raise ParameterError(f"no track {name!r}; choose from {', '.join(self._waveforms)}")

    def _in_song(self, time: Any, what: str) -> float:
        tolerance = _ROUNDING_SECONDS
        if not _is_number(time) or not self._start - tolerance <= time <= self._stop + tolerance:
            raise ParameterError(
                f"{what} must lie between {self._start:g} and {self._stop:g} s (got {time!r})"
            )
        return min(max(float(time), self._start), self._stop)

    @t.validate("time")
    def _valid_time(self, proposal: Any) -> float:
        return self._in_song(proposal["value"], "time")

    @t.validate("selection")
    def _valid_selection(self, proposal: Any) -> list[float] | None:
        value = proposal["value"]
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ParameterError(
                f"selection must be None or [start, stop] in seconds (got {value!r})"
            )
        start, stop = (self._in_song(time, "selection") for time in value)
        if stop - start < MIN_SELECTION_SECONDS - _ROUNDING_SECONDS:
            raise ParameterError(
                f"selection must last {MIN_SELECTION_SECONDS} s or more (got {value!r})"
            )
        return [start, stop]

    @t.validate("rate")
    def _valid_rate(self, proposal: Any) -> float:
        return _in_range(proposal["value"], MIN_RATE, MAX_RATE, "rate")

    @t.validate("master_db")
    def _valid_master(self, proposal: Any) -> float:
        return _in_range(proposal["value"], MIN_GAIN_DB, MAX_GAIN_DB, "master_db", " dB")

    @t.validate("strips")
    def _valid_strips(self, proposal: Any) -> list[dict[str, Any]]:
        strips = proposal["value"]
        found = [(strip.get("name"), strip.get("choices")) for strip in strips]
        if found != list(self._choices.items()):
            raise ParameterError(
                f"strips must stay those of {', '.join(self._choices)}, in order and with the "
                f"same choices (got {found})"
            )
        return [_check_strip(strip) for strip in strips]

    # --- audio to the browser -----------------------------------------------------------------

    def _new_strips(self, colors: Mapping[str, str]) -> list[dict[str, Any]]:
        palette = itertools.cycle(PALETTE)
        return [
            {
                "name": name,
                "color": colors.get(name, color),
                "gain_db": 0.0,
                "pan": 0.0,
                "muted": False,
                "solo": False,
                "choices": list(choices),
                "shows": name,
            }
            for (name, choices), color in zip(self._choices.items(), palette, strict=False)
        ]

    def _replace_whole(self, name: str, waveform: Waveform) -> None:
        if len(waveform) != self._n_samples:
            raise ParameterError(
                f"{name} must have {self._n_samples} samples as the others (got {len(waveform)}); "
                "give start to replace a piece"
            )
        self._waveforms[name] = waveform
        self._copied.discard(name)
        self._peaks[name] = _peak(waveform)
        self._versions[name] += 1
        self._find_common_gain()
        self._send_audio(name)

    def _replace_piece(self, name: str, piece: Waveform, start: float) -> None:
        part = self._part(len(piece), start)
        n_channels = self._waveforms[name].shape[1]
        if piece.shape[1] != n_channels:
            raise ParameterError(
                f"a piece of {name} must have its {n_channels} channels (got {piece.shape[1]}); "
                "see `audio.to_channels`"
            )
        if name not in self._copied:
            self._waveforms[name] = self._waveforms[name].copy()
            self._copied.add(name)
        waveform = self._waveforms[name]
        lost, won = _peak(waveform[part]), _peak(piece)
        waveform[part] = piece
        if won >= self._peaks[name]:
            self._peaks[name] = won
        elif lost == self._peaks[name]:  # the loudest sample may be gone
            self._peaks[name] = _peak(waveform)
        self._versions[name] += 1
        self._find_common_gain()
        message = {"kind": "piece", "first": part.start} | self._label(name, self.common_gain)
        self.send(message, [_encode.flac(piece * self.common_gain, self.sample_rate)])

    def _part(self, n_samples: int, start: Any) -> slice:
        """Samples that a piece from a song time on takes up."""
        number = _is_number(start) and math.isfinite(start)
        first = round((start - self._start) * self.sample_rate) if number else -1
        if not 0 <= first <= self._n_samples - n_samples:
            raise ParameterError(
                f"a piece must lie between {self._start:g} and {self._stop:g} s (got start "
                f"{start!r} for {n_samples / self.sample_rate:g} s)"
            )
        return slice(first, first + n_samples)

    def _find_common_gain(self) -> None:
        self.set_trait("common_gain", 1 / max(1.0, *self._peaks.values()))

    def _answer(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict) or content.get("kind") != "ask":
            return
        have = content.get("have")
        have = have if isinstance(have, dict) else {}
        for name, version in self._versions.items():
            if have.get(name) != version:
                self._send_audio(name)

    def _send_audio(self, name: str) -> None:
        version = self._versions[name]
        if name not in self._encoded or self._encoded[name][0] != version:
            gain = self.common_gain
            data = _encoders[self._codec](self._waveforms[name] * gain, self.sample_rate)
            self._encoded[name] = (version, gain, data)
        _, gain, data = self._encoded[name]
        self.send({"kind": "audio"} | self._label(name, gain), [data])

    def _label(self, name: str, gain: float) -> dict[str, Any]:
        return {"name": name, "version": self._versions[name], "gain": gain}


_encoders = {"flac": _encode.flac, "ogg": _encode.ogg}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_range(value: Any, low: float, high: float, what: str, unit: str = "") -> float:
    if not _is_number(value) or not low <= value <= high:
        raise ParameterError(f"{what} must lie between {low:g} and {high:g}{unit} (got {value!r})")
    return float(value)


def _check_waveform(waveform: AnyArray, name: str) -> Waveform:
    waveform = audio.check_waveform(waveform, name)
    if waveform.shape[1] > 2:
        raise ParameterError(
            f"{name} must have one or two channels (got {waveform.shape[1]}); see "
            "`audio.to_channels`"
        )
    return waveform


def _peak(waveform: Waveform) -> float:
    return float(max(waveform.max(), -waveform.min()))


def _check_tracks(tracks: Mapping[str, AnyArray]) -> dict[str, Waveform]:
    if not isinstance(tracks, Mapping):
        raise ParameterError(
            'tracks must be a dict of name to waveform, such as {"vocals": vocals} (got '
            f"{type(tracks).__name__})"
        )
    if not tracks:
        raise ParameterError("Mixer needs at least one track (got none)")
    if not all(isinstance(name, str) for name in tracks):
        raise ParameterError(f"names of tracks must be text (got {list(tracks)})")
    checked = {name: _check_waveform(waveform, name) for name, waveform in tracks.items()}
    lengths = {name: len(waveform) for name, waveform in checked.items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"tracks must be of one length; cut or pad them (got {lengths})")
    return checked


def _check_pairs(
    pairs: Mapping[str, str | Sequence[str]], tracks: Mapping[str, Waveform]
) -> dict[str, list[str]]:
    """What each strip can play, its own track first."""
    others = {n: list(o) if isinstance(o, list | tuple) else [o] for n, o in pairs.items()}
    alternatives = list(itertools.chain.from_iterable(others.values()))
    for name in (*others, *alternatives):
        if name not in list(tracks):
            raise ParameterError(f"pairs names {name!r}; choose from {', '.join(tracks)}")
    for name in alternatives:
        if name in others or alternatives.count(name) > 1:
            raise ParameterError(
                f"{name} can be an alternative of one strip only, and then has none itself "
                f"(got pairs {others}); give the track once more under another name"
            )
    return {n: [n, *others.get(n, [])] for n in tracks if n not in alternatives}


def _check_colors(colors: Mapping[str, str], tracks: Mapping[str, Waveform]) -> Mapping[str, str]:
    for name in colors:
        if name not in tracks:
            raise ParameterError(f"colors names {name!r}; choose from {', '.join(tracks)}")
    return colors


def _check_strip(strip: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"name", "color", "gain_db", "pan", "muted", "solo", "choices", "shows"}
    if set(strip) != wanted:
        raise ParameterError(f"a strip has {', '.join(sorted(wanted))} (got {sorted(strip)})")
    check_colors({strip["name"]: strip["color"]})
    for flag in ("muted", "solo"):
        if not isinstance(strip[flag], bool):
            raise ParameterError(f"{flag} must be True or False (got {strip[flag]!r})")
    if strip["shows"] not in strip["choices"]:
        raise ParameterError(
            f"shows must be one of {', '.join(strip['choices'])} (got {strip['shows']!r})"
        )
    gain_db = _in_range(strip["gain_db"], MIN_GAIN_DB, MAX_GAIN_DB, "gain_db", " dB")
    return dict(strip) | {"gain_db": gain_db, "pan": _in_range(strip["pan"], -1, 1, "pan")}
