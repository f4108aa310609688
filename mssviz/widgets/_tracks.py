"""The tracks of a mixer: waveforms of one length, and the sound files that the browser gets."""

from collections.abc import Mapping
from typing import Literal

from mssviz import audio
from mssviz._typing import AnyArray, Waveform
from mssviz.errors import ParameterError
from mssviz.widgets import _encode

Codec = Literal["flac", "ogg"]
_ENCODERS = {"flac": _encode.flac, "ogg": _encode.ogg}


class Tracks:
    """Waveforms by name, each with a version that counts its changes.

    Parameters
    ----------
    waveforms
        Waveforms ``(n_samples, n_channels)`` by name, of one or two channels and all of one length.
        They are copied before anything is written to them.
    sample_rate
        Sample rate, in hertz.
    codec
        Codec in which whole tracks are encoded.

    Raises
    ------
    ParameterError
        If the waveforms are not as described, or the codec is unknown.
    AudioError
        If a waveform cannot be used.

    Attributes
    ----------
    n_samples : int
        Length of every track, in samples.
    versions : dict
        Numbers by name that grow with every change of a track.
    """

    def __init__(self, waveforms: Mapping[str, AnyArray], sample_rate: int, codec: Codec) -> None:
        if codec not in _ENCODERS:
            raise ParameterError(f"codec must be 'flac' or 'ogg' (got {codec!r})")
        audio.check_sample_rate(sample_rate, "Mixer")
        _encode.check_flac_rate(sample_rate)
        self.sample_rate = int(sample_rate)
        self._waveforms = _check_tracks(waveforms)
        self._codec = codec
        self._peaks = {name: _peak(waveform) for name, waveform in self._waveforms.items()}
        self._ours: set[str] = set()  # names of tracks whose arrays may be written to
        self._encoded: dict[str, tuple[int, float, bytes]] = {}
        self.versions = dict.fromkeys(self._waveforms, 1)
        self.n_samples = len(next(iter(self._waveforms.values())))

    @property
    def names(self) -> list[str]:
        """Names of all tracks, in order."""
        return list(self._waveforms)

    @property
    def gain(self) -> float:
        """Factor, at most 1, at which no track exceeds full scale."""
        return 1 / max(1.0, *self._peaks.values())

    @property
    def waveforms(self) -> Mapping[str, Waveform]:
        """All tracks as they are now, by name."""
        return self._waveforms

    def waveform(self, name: str) -> Waveform:
        """Waveform of a track as it is now, at its own level, ``(n_samples, n_channels)``."""
        if name not in self._waveforms:
            raise ParameterError(f"no track {name!r}; choose from {', '.join(self._waveforms)}")
        return self._waveforms[name]

    def checked(self, name: str, waveform: AnyArray) -> Waveform:
        """Check a waveform that is to be put into a track, whole or as a piece."""
        self.waveform(name)
        return _check_waveform(waveform, name)

    def replace(self, name: str, waveform: Waveform) -> None:
        """Give a track another waveform, from `checked` and as long as the others."""
        if len(waveform) != self.n_samples:
            raise ParameterError(
                f"{name} must have {self.n_samples} samples as the others (got {len(waveform)}); "
                "give start to replace a piece"
            )
        self._waveforms[name] = waveform
        self._ours.discard(name)
        self._peaks[name] = _peak(waveform)
        self.versions[name] += 1

    def patch(self, name: str, piece: Waveform, first: int) -> bytes:
        """Put a piece from `checked` into a track, and encode the piece, lossless, at `gain`."""
        waveform = self._waveforms[name]
        if piece.shape[1] != waveform.shape[1]:
            raise ParameterError(
                f"a piece of {name} must have its {waveform.shape[1]} channels (got "
                f"{piece.shape[1]}); see `audio.to_channels`"
            )
        if name not in self._ours:
            waveform = self._waveforms[name] = waveform.copy()
            self._ours.add(name)
        part = slice(first, first + len(piece))
        lost, won = _peak(waveform[part]), _peak(piece)
        waveform[part] = piece
        if won >= self._peaks[name]:
            self._peaks[name] = won
        elif lost == self._peaks[name]:  # the loudest sample may have gone
            self._peaks[name] = _peak(waveform)
        self.versions[name] += 1
        return _encode.flac(piece * self.gain, self.sample_rate)

    def file(self, name: str) -> tuple[int, float, bytes]:
        """Version, gain and sound file of a track; each version is encoded once."""
        version = self.versions[name]
        if name not in self._encoded or self._encoded[name][0] != version:
            gain = self.gain
            data = _ENCODERS[self._codec](self._waveforms[name] * gain, self.sample_rate)
            self._encoded[name] = (version, gain, data)
        return self._encoded[name]

    def files(self, codec: Codec) -> dict[str, bytes]:
        """Sound files of all tracks, scaled by `gain`."""
        encode, gain = _ENCODERS[codec], self.gain
        return {name: encode(w * gain, self.sample_rate) for name, w in self._waveforms.items()}


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
