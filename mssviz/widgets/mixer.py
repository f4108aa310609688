"""The mixer: every track with level, pan, mute and solo, sample-aligned, in the browser."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import traitlets as t

from mssviz._typing import AnyArray, Waveform
from mssviz._worker import Worker
from mssviz.errors import ParameterError
from mssviz.widgets import _static
from mssviz.widgets._span import Span
from mssviz.widgets._strips import (
    MAX_GAIN_DB,
    MIN_GAIN_DB,
    check_pairs,
    check_strip,
    check_strip_colors,
    in_range,
    kept,
    mixed,
    new_strips,
)
from mssviz.widgets._tracks import Codec, Tracks
from mssviz.widgets._view import WRITTEN, Number, View

MIN_RATE, MAX_RATE = 0.25, 2.0


class Mixer(View):
    """Plays tracks together: mute, solo, level, pan, loop, and A/B/C against other tracks.

    The browser computes what sounds and when; Python sees and sets it as traits. The browser asks
    for the audio when it shows the widget, so that none is kept in a notebook. Tracks keep their
    relative levels: if one exceeds full scale, all are lowered alike.

    Parameters
    ----------
    tracks
        Waveforms ``(n_samples, n_channels)`` by name, in the order shown, of one or two channels
        and all of one length.
    sample_rate
        Sample rate, in hertz.
    pairs
        Names of the tracks that an estimate is compared with (one, or several in order), by the
        estimate's name: its reference, other models' estimates. These have no strips of their own.
        A switch A, B, C… on the estimate's strip chooses among them, and `compare` does so on all
        strips.
    colors
        Colours by name of a track, as ``"#rrggbb"`` or a CSS name; `plots.stem_colors` for others.
    offset
        Time of the first sample in the song, in seconds; all times below count from the song's
        beginning.
    codec
        Codec in which audio travels: ``"flac"`` (lossless, at 24 bits) or ``"ogg"`` (Vorbis, lossy,
        about an eighth of the size).

    Raises
    ------
    ParameterError
        If a keyword or name is unknown, a value is outside its range, or tracks do not match.
    AudioError
        If a waveform cannot be used.

    Examples
    --------
    >>> mixture, sources, _ = mssviz.examples()["francium"].excerpt(0, 2).sound()
    >>> mixer = mssviz.Mixer({"mixture": mixture, **sources}, 44100)
    >>> mixer.adjust("mixture", muted=True)
    >>> mixer.selection = [0.5, 1.5]
    >>> [strip["name"] for strip in mixer.strips if not strip["muted"]]
    ['vocals', 'drums', 'other']
    """

    shared = ("start", "stop", "time", "selection")
    settings = ("rate", "master_db")
    module = "mixer/view.js"
    _esm = _static.module(module)
    styles = ("slider.css", "mixer.css", "help.css")
    _css = _static.style(*styles)

    start = Number(help="Left edge of the lanes, in seconds").tag(**WRITTEN)
    stop = Number(help="Right edge of the lanes, in seconds").tag(**WRITTEN)
    time = Number(help="Playhead on the song's time axis, in seconds; set it to seek").tag(
        **WRITTEN
    )
    playing = t.Bool(False, help="Whether sound is playing").tag(**WRITTEN)
    selection = t.Any(
        None, help="None, or what is looped: [start, stop] on the song's time axis, in seconds"
    ).tag(**WRITTEN)
    rate = Number(1.0, help="Playback rate, 0.25 to 2; the pitch follows it").tag(**WRITTEN)
    master_db = Number(0.0, help="Level of the sum, -60 (silence) to 12 dB").tag(**WRITTEN)
    strips = t.List(
        t.Dict(),
        help="One dict per strip: name, color, gain_db (-60, silence, to 12 dB), pan (-1 left "
        "to 1 right), muted, solo, choices (names of the tracks that it can play, its own "
        "first), shows (which of them it plays). Assign a new list, or use `adjust`",
    ).tag(**WRITTEN)
    captions = t.Dict(
        t.Unicode(), help="Name of a strip to a text at the right end of its lane, such as scores"
    ).tag(sync=True)
    duration = Number(help="Length of the tracks, in seconds", read_only=True).tag(sync=True)
    offset = Number(help="Song time of the first sample, in seconds", read_only=True).tag(sync=True)
    sample_rate = t.Int(help="Sample rate, in hertz", read_only=True).tag(sync=True)
    common_gain = Number(
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
        codec: Codec = "flac",
        **unknown: Any,
    ) -> None:
        self._sender = Worker()  # first: `close` needs it, even where this fails
        if unknown:
            raise ParameterError(
                f"Mixer has no parameter {', '.join(unknown)}; choose from pairs, colors, offset "
                "and codec"
            )
        if not 0 <= offset < float("inf"):
            raise ParameterError(f"offset must be a time in seconds, 0 or more (got {offset})")
        self._tracks = Tracks(tracks, sample_rate, codec)
        self._choices = check_pairs(pairs or {}, self._tracks.names)
        duration = self._tracks.n_samples / sample_rate
        self._span = span = Span(float(offset), float(offset) + duration)
        strips = new_strips(self._choices, check_strip_colors(colors or {}, self._tracks.names))
        super().__init__(time=span.start, start=span.start, stop=span.stop, strips=strips)
        self.set_trait("sample_rate", self._tracks.sample_rate)
        self.set_trait("duration", duration)
        self.set_trait("offset", span.start)
        self.set_trait("common_gain", self._tracks.gain)
        self.on_msg(self._answer)

    # --- use from code ------------------------------------------------------------------------

    def play(self) -> None:
        """Start to play; in a browser that has seen no click yet, the first click starts it."""
        self.playing = True

    def pause(self) -> None:
        """Stop, and keep the playhead where it is."""
        self.playing = False

    def seek(self, time: float) -> None:
        """Move the playhead to a time of the song, in seconds; playing goes on from there."""
        self.time = time
        # the trait alone would not be sent when it happens to hold that time already
        self.send({"kind": "seek", "time": self.time})

    @property
    def loop(self) -> list[float] | None:
        """Another name of `selection`."""
        return self.selection

    @loop.setter
    def loop(self, value: list[float] | None) -> None:
        self.selection = value

    def waveform(self, name: str) -> Waveform:
        """Waveform of a track, ``(n_samples, n_channels)``, at its own level, with all pieces."""
        return self._tracks.waveform(name)

    def replace(self, name: str, waveform: AnyArray, start: float | None = None) -> None:
        """Give a track new audio; while playing, the browser cross-fades to it in 30 ms.

        Parameters
        ----------
        name
            Name of any track.
        waveform
            Waveform ``(n_samples, n_channels)``: the whole track, as long as the others, or a
            piece.
        start
            Time of a piece's first sample in the song, in seconds; the rest of the track stays.
            Only the piece travels, lossless whatever the codec. None is for the whole track.

        Raises
        ------
        ParameterError
            If the name is unknown, a track has another length, or a piece lies outside the track or
            has other channels.
        AudioError
            If the waveform cannot be used.
        """
        checked = self._tracks.checked(name, waveform)
        if start is None:
            self._tracks.replace(name, checked)
            self.set_trait("common_gain", self._tracks.gain)
            self._send_track(name)
            return
        part = self._span.samples(len(checked), start, self.sample_rate)
        data = self._tracks.patch(name, checked, part.start)
        self.set_trait("common_gain", self._tracks.gain)
        label = _label(name, self._tracks.versions[name], self.common_gain)
        self.send({"kind": "piece", "first": part.start} | label, [data])

    def mix(self) -> Waveform:
        """What is heard now, ``(n_samples, 2)``: levels, pans, mutes, solos and choices as set."""
        return mixed(self.strips, self.master_db, self._tracks.waveforms) * np.float32(
            self.common_gain
        )

    def encoded(self, codec: Codec = "flac") -> dict[str, bytes]:
        """Encode every track as a sound file, scaled by `common_gain`; a dict by name."""
        return self._tracks.files(codec)

    def adjust(self, name: str, /, **changes: Any) -> None:
        """Change settings of one strip.

        Parameters
        ----------
        name
            Name of the strip.
        changes
            New values of ``gain_db``, ``pan``, ``muted``, ``solo``, ``shows`` or ``color``.
        """
        self._tracks.waveform(name)  # raises an error for an unknown name
        if name not in self._choices:
            strip = next(strip for strip, names in self._choices.items() if name in names)
            raise ParameterError(f"{name} is heard through the strip of {strip}: adjust that one")
        self.strips = [s | changes if s["name"] == name else s for s in self.strips]

    def take_over(self, other: View) -> None:
        """As `View.take_over`; strips of the same name keep level, pan, mute, solo and choice."""
        super().take_over(other)
        assert isinstance(other, Mixer)
        theirs = {strip["name"]: strip for strip in other.strips}
        self.strips = [strip | kept(theirs.get(strip["name"]), strip) for strip in self.strips]

    def compare(self, position: int) -> None:
        """Let every strip play its choice A (0), B (1), C (2) and so on, if it has that many.

        Parameters
        ----------
        position
            Number of the choice; strips with fewer choices stay as they are.
        """
        most = max(map(len, self._choices.values()))
        if not isinstance(position, int) or not 0 <= position < most:
            raise ParameterError(f"position must be an integer, 0 to {most - 1} (got {position!r})")
        self.strips = [
            s | {"shows": s["choices"][position]} if position < len(s["choices"]) else s
            for s in self.strips
        ]

    def close(self) -> None:
        """Close it; tracks that nobody waits for any more are not encoded."""
        self._sender.drop()
        super().close()

    # --- validation ---------------------------------------------------------------------------

    @t.validate("captions")
    def _valid_captions(self, proposal: Any) -> dict[str, str]:
        unknown = sorted(set(proposal["value"]) - set(self._choices))
        if unknown:
            raise ParameterError(
                f"captions names {unknown[0]!r}; choose from {', '.join(self._choices)}"
            )
        return dict(proposal["value"])

    @t.validate("time")
    def _valid_time(self, proposal: Any) -> float:
        return self._span.time(proposal["value"], "time")

    @t.validate("selection")
    def _valid_selection(self, proposal: Any) -> list[float] | None:
        return self._span.selection(proposal["value"])

    @t.validate("rate")
    def _valid_rate(self, proposal: Any) -> float:
        return in_range(proposal["value"], MIN_RATE, MAX_RATE, "rate")

    @t.validate("master_db")
    def _valid_master(self, proposal: Any) -> float:
        return in_range(proposal["value"], MIN_GAIN_DB, MAX_GAIN_DB, "master_db", " dB")

    @t.validate("strips")
    def _valid_strips(self, proposal: Any) -> list[dict[str, Any]]:
        strips = proposal["value"]
        found = [(strip.get("name"), strip.get("choices")) for strip in strips]
        if found != list(self._choices.items()):
            raise ParameterError(
                f"strips must stay those of {', '.join(self._choices)}, in order and with the "
                f"same choices (got {found})"
            )
        return [check_strip(strip) for strip in strips]

    # --- audio to the browser -----------------------------------------------------------------

    def _send_track(self, name: str) -> None:
        version, gain, data = self._tracks.file(name)
        self.send({"kind": "audio"} | _label(name, version, gain), [data])

    def _answer(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict) or content.get("kind") != "ask":
            return
        have = content.get("have")
        have = have if isinstance(have, dict) else {}
        for name, version in self._tracks.versions.items():
            if have.get(name) != version:
                # long tracks take seconds, in which other messages, such as Cancel, must not wait
                self._sender.do(partial(self._send_track, name), name)


def _label(name: str, version: int, gain: float) -> dict[str, Any]:
    return {"name": name, "version": version, "gain": gain}
