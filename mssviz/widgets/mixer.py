"""The mixer: every track with level, pan, mute and solo, sample-aligned, in the browser."""

import itertools
import re
from collections.abc import Mapping
from typing import Any, Literal

import anywidget
import traitlets as t

from mssviz import audio
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import ParameterError
from mssviz.plots import PALETTE
from mssviz.widgets import _encode, _static

MIN_GAIN_DB, MAX_GAIN_DB = -60.0, 12.0
MIN_RATE, MAX_RATE = 0.25, 2.0
MIN_LOOP_SECONDS = 0.1
_ROUNDING_SECONDS = 1e-3
_SHOWS = ("estimate", "reference")
_COLOR = re.compile(r"#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|[a-zA-Z]+")


class Mixer(anywidget.AnyWidget):
    """Plays tracks together: mute, solo, level, pan, loop, and A/B against a reference.

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
        Name of an estimate to the name of the track it is compared with: its reference, or
        another model's estimate. The latter has no strip of its own; a switch on the former's
        strip changes over.
    colors
        Name of a track to ``"#rrggbb"`` or a CSS colour's name; `plots.PALETTE` otherwise.
    offset
        Time of the first sample in the song, in seconds; all times below count from the song's
        beginning.
    codec
        How audio travels: ``"flac"`` (16 bits, lossless else) or ``"ogg"`` (Vorbis, a fifth of
        the size).

    Raises
    ------
    ParameterError
        For an unknown keyword or name, a value outside its range, or tracks that do not match.
    AudioError
        If a waveform is not fit.
    """

    _esm = _static.module("timeline.js", "mixer.js")
    _css = _static.style("mixer.css")

    # What the browser writes is not echoed back to it: a late echo would undo a newer change.
    time = t.Float(help="Playhead on the song's time axis, in seconds; set it to seek").tag(
        sync=True, echo_update=False
    )
    playing = t.Bool(False, help="Whether sound is playing").tag(sync=True, echo_update=False)
    loop = t.Any(None, help="None, or [start, stop] on the song's time axis, in seconds").tag(
        sync=True, echo_update=False
    )
    rate = t.Float(1.0, help="Playback rate, 0.25 to 2; the pitch follows it").tag(
        sync=True, echo_update=False
    )
    master_db = t.Float(0.0, help="Level of the sum, -60 (silence) to 12 dB").tag(
        sync=True, echo_update=False
    )
    strips = t.List(
        t.Dict(),
        help="One dict per strip: name, color, gain_db (-60, silence, to 12 dB), pan (-1 left "
        "to 1 right), muted, solo, shows ('estimate' or 'reference'), reference (whether it "
        "has one). Assign a new list, or use `adjust`",
    ).tag(sync=True, echo_update=False)
    duration = t.Float(help="Length of the tracks, in seconds", read_only=True).tag(sync=True)
    offset = t.Float(help="Song time of the first sample, in seconds", read_only=True).tag(
        sync=True
    )
    sample_rate = t.Int(help="Sample rate, in hertz", read_only=True).tag(sync=True)
    pairs = t.Dict(help="Name of an estimate to that of its reference", read_only=True).tag(
        sync=True
    )
    common_gain = t.Float(
        1.0, help="Factor, at most 1, at which no track exceeds full scale", read_only=True
    ).tag(sync=True)

    def __init__(
        self,
        tracks: Mapping[str, AnyArray],
        sample_rate: int,
        *,
        pairs: Mapping[str, str] | None = None,
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
        self._waveforms = _check_tracks(tracks)
        self._pairs = _check_pairs(pairs or {}, self._waveforms)
        self._codec = codec
        self._versions = dict.fromkeys(self._waveforms, 1)
        self._encoded: dict[str, tuple[int, float, bytes]] = {}
        self._n_samples = len(next(iter(self._waveforms.values())))
        self._start, self._stop = float(offset), float(offset) + self._n_samples / sample_rate
        self._fixed: list[tuple[str, bool]] = []
        strips = self._new_strips(_check_colors(colors or {}, self._waveforms))
        self._fixed = [(strip["name"], strip["reference"]) for strip in strips]
        super().__init__(time=self._start, strips=strips)
        self.set_trait("sample_rate", int(sample_rate))
        self.set_trait("duration", self._n_samples / sample_rate)
        self.set_trait("offset", self._start)
        self.set_trait("pairs", self._pairs)
        self.set_trait("common_gain", _encode.common_gain(self._waveforms))
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

    def waveform(self, name: str) -> Waveform:
        """Audio of a track, ``(n_samples, n_channels)``, at its own level."""
        self._check_name(name)
        return self._waveforms[name]

    def replace(self, name: str, waveform: AnyArray) -> None:
        """Give a track new audio; while playing, the browser cross-fades to it in 30 ms.

        Parameters
        ----------
        name
            Of a track or a reference.
        waveform
            ``(n_samples, n_channels)``, as long as the others.
        """
        self._check_name(name)
        waveform = _check_waveform(waveform, name)
        if len(waveform) != self._n_samples:
            raise ParameterError(
                f"{name} must have {self._n_samples} samples as the others (got {len(waveform)})"
            )
        self._waveforms[name] = waveform
        self._versions[name] += 1
        self.set_trait("common_gain", _encode.common_gain(self._waveforms))
        self._send_audio(name)

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
        if name not in [strip["name"] for strip in self.strips]:
            self._check_name(name)
            raise ParameterError(f"{name} is heard through the strip it is paired with")
        self.strips = [s | changes if s["name"] == name else s for s in self.strips]

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

    @t.validate("loop")
    def _valid_loop(self, proposal: Any) -> list[float] | None:
        value = proposal["value"]
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ParameterError(f"loop must be None or [start, stop] in seconds (got {value!r})")
        start, stop = (self._in_song(time, "loop") for time in value)
        if stop - start < MIN_LOOP_SECONDS - _ROUNDING_SECONDS:
            raise ParameterError(f"loop must last {MIN_LOOP_SECONDS} s or more (got {value!r})")
        return [start, stop]

    @t.validate("rate")
    def _valid_rate(self, proposal: Any) -> float:
        return _in_range(proposal["value"], MIN_RATE, MAX_RATE, "rate")

    @t.validate("master_db")
    def _valid_master(self, proposal: Any) -> float:
        return _in_range(proposal["value"], MIN_GAIN_DB, MAX_GAIN_DB, "master_db", " dB")

    @t.validate("strips")
    def _valid_strips(self, proposal: Any) -> list[dict[str, Any]]:
        strips = [_check_strip(strip) for strip in proposal["value"]]
        found = [(strip["name"], strip["reference"]) for strip in strips]
        if found != self._fixed:
            names = ", ".join(name for name, _ in self._fixed)
            raise ParameterError(f"strips must stay those of {names}, in order (got {found})")
        return strips

    # --- audio to the browser -----------------------------------------------------------------

    def _new_strips(self, colors: Mapping[str, str]) -> list[dict[str, Any]]:
        heard = [name for name in self._waveforms if name not in self._pairs.values()]
        palette = itertools.cycle(PALETTE)
        return [
            {
                "name": name,
                "color": colors.get(name, color),
                "gain_db": 0.0,
                "pan": 0.0,
                "muted": False,
                "solo": False,
                "shows": "estimate",
                "reference": name in self._pairs,
            }
            for name, color in zip(heard, palette, strict=False)
        ]

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
        message = {"kind": "audio", "name": name, "version": version, "gain": gain}
        self.send(message, [data])


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


def _check_tracks(tracks: Mapping[str, AnyArray]) -> dict[str, Waveform]:
    if not tracks:
        raise ParameterError("Mixer needs at least one track (got none)")
    if not all(isinstance(name, str) for name in tracks):
        raise ParameterError(f"names of tracks must be text (got {list(tracks)})")
    checked = {name: _check_waveform(waveform, name) for name, waveform in tracks.items()}
    lengths = {name: len(waveform) for name, waveform in checked.items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"tracks must be of one length; cut or pad them (got {lengths})")
    return checked


def _check_pairs(pairs: Mapping[str, str], tracks: Mapping[str, Waveform]) -> dict[str, str]:
    for estimate, reference in pairs.items():
        for name in (estimate, reference):
            if name not in tracks:
                raise ParameterError(f"pairs names {name!r}; choose from {', '.join(tracks)}")
        if reference in pairs:
            raise ParameterError(f"{reference} cannot be both estimate and reference in pairs")
    return dict(pairs)


def _check_colors(colors: Mapping[str, str], tracks: Mapping[str, Waveform]) -> Mapping[str, str]:
    for name in colors:
        if name not in tracks:
            raise ParameterError(f"colors names {name!r}; choose from {', '.join(tracks)}")
    return colors


def _check_strip(strip: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"name", "color", "gain_db", "pan", "muted", "solo", "shows", "reference"}
    if set(strip) != wanted:
        raise ParameterError(f"a strip has {', '.join(sorted(wanted))} (got {sorted(strip)})")
    if not isinstance(strip["color"], str) or not _COLOR.fullmatch(strip["color"]):
        raise ParameterError(
            f"color must be like '#56B4E9' or the name of a colour (got {strip['color']!r})"
        )
    for flag in ("muted", "solo", "reference"):
        if not isinstance(strip[flag], bool):
            raise ParameterError(f"{flag} must be True or False (got {strip[flag]!r})")
    if strip["shows"] not in (_SHOWS if strip["reference"] else _SHOWS[:1]):
        raise ParameterError(
            f"shows must be 'estimate', or 'reference' on a paired strip (got {strip['shows']!r})"
        )
    gain_db = _in_range(strip["gain_db"], MIN_GAIN_DB, MAX_GAIN_DB, "gain_db", " dB")
    return dict(strip) | {"gain_db": gain_db, "pan": _in_range(strip["pan"], -1, 1, "pan")}
