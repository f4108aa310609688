"""Sing a melody: pysinsy's voice, turned into other voices with the WORLD vocoder (pyworld)."""

import functools
import tempfile
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
import pysinsy
import pyworld
from arrange import BEATS_PER_BAR, Note, Song
from scipy import signal

SAMPLE_RATE = 44100
FRAME_MS = 6.0
NATURAL_CENTRE = 68  # MIDI pitch around which the recorded singer is at ease
SYLLABLES = """
あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ
ま み む め も や ゆ よ ら り る れ ろ わ が ぎ ぐ げ ご ざ じ ず ぜ だ で ど ば び ぶ べ ぼ
ぱ ぴ ぷ しゃ しゅ ちゃ ちょ きゃ きょ りゃ にゃ じゃ
""".split()  # noqa: SIM905


class Voice(NamedTuple):
    """How the recorded singer is altered.

    `formants` stretches the spectral envelope (under 1 is a longer vocal tract), `centre` is the
    MIDI pitch around which the voice sings, `breath` in [0, 1] turns harmonics into noise,
    `tilt_db` is decibels an octave above 500 Hz, `vibrato` is semitones.
    """

    kind: str
    formants: float
    centre: int
    breath: float
    tilt_db: float
    vibrato: float


# Ranges of formants and of the centre pitch. No range of one table reaches into the other's.
TRAINED = {
    "alto": ((0.97, 1.03), (64, 69)),
    "child": ((1.11, 1.18), (68, 73)),
    "tenor": ((0.84, 0.88), (56, 60)),
    "baritone": ((0.78, 0.82), (50, 54)),
}
HELD_OUT = {
    "mezzo": ((0.91, 0.94), (61, 63)),
    "soprano": ((1.06, 1.08), (69, 71)),
    "bass": ((0.74, 0.76), (47, 49)),
}


def draw_voice(rng: np.random.Generator, kinds: dict) -> Voice:
    """Draw a voice from one of the two tables above."""
    kind = str(rng.choice(list(kinds)))
    formants, centre = kinds[kind]
    breath = float(rng.choice([0, 0, rng.uniform(0.1, 0.5)]))
    vibrato = float(rng.choice([0, rng.uniform(0.1, 0.5)]))
    tilt_db = float(rng.uniform(-3, 2))
    pitch = int(rng.integers(centre[0], centre[1] + 1))
    return Voice(kind, float(rng.uniform(*formants)), pitch, breath, tilt_db, vibrato)


class Performance:
    """A melody as one voice sings it, to be recorded in several takes.

    Takes are mono, `(n_samples,)` at 44.1 kHz. Rests of a beat and more are digital silence.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        song: Song,
        notes: list[Note],
        voice: Voice,
        n_samples: int,
    ) -> None:
        self._rng, self._song, self._notes = rng, song, notes
        self._gate = _gate(song, notes, n_samples)
        shift = voice.centre - NATURAL_CENTRE
        transposed = [note._replace(pitch=note.pitch - shift) for note in notes]
        waveform, self._sample_rate = _synthesize(musicxml(rng, song, transposed))
        f0, times, envelope, noise = _analyse(waveform, self._sample_rate)
        self._times = times
        self._f0 = f0 * 2 ** ((shift + voice.vibrato * np.sin(2 * np.pi * 5.6 * times)) / 12)
        self._noise = noise + voice.breath * (1 - noise)
        self._envelope = _warp(envelope, voice.formants)
        self._envelope *= _tilt(envelope.shape[1], voice.tilt_db, self._sample_rate)

    def lead(self) -> np.ndarray:
        """Sing the melody."""
        return self._take(np.zeros(1))

    def double(self) -> np.ndarray:
        """Sing it again, not quite in tune with the first time."""
        points = self._times[::40]
        return self._take(np.interp(self._times, points, self._rng.normal(0, 0.12, len(points))))

    def harmony(self) -> np.ndarray:
        """Sing the next chord tone at least three semitones above the melody."""
        return self._take(_harmony(self._song, self._notes, self._times))

    def _take(self, semitones: np.ndarray) -> np.ndarray:
        f0 = self._f0 * 2 ** (semitones / 12)
        voiced = pyworld.synthesize(f0, self._envelope, self._noise, self._sample_rate, FRAME_MS)
        n_samples = len(self._gate)
        resampled = signal.resample_poly(voiced, 147, self._sample_rate // 300)[:n_samples]
        return np.pad(resampled, (0, n_samples - len(resampled))) * self._gate


def _analyse(waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, ...]:
    """Return pitch in hertz, times, spectral envelope (power) and aperiodicity."""
    limits = {"f0_floor": 110, "f0_ceil": 900, "frame_period": FRAME_MS}
    f0, times = pyworld.dio(waveform, sample_rate, **limits)
    f0 = pyworld.stonemask(waveform, f0, times, sample_rate)
    envelope = pyworld.cheaptrick(waveform, f0, times, sample_rate)
    return f0, times, envelope, pyworld.d4c(waveform, f0, times, sample_rate)


@functools.cache
def _singer() -> pysinsy.Sinsy:
    singer = pysinsy.Sinsy()
    singer.setLanguages("j", pysinsy.get_default_dic_dir())
    singer.loadVoices(pysinsy.get_default_htsvoice())
    return singer


def _synthesize(score: str) -> tuple[np.ndarray, int]:
    singer = _singer()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.xml"
        path.write_text(score, encoding="utf-8")
        singer.loadScoreFromMusicXML(str(path))
        waveform, sample_rate = singer.synthesize()
    singer.clearScore()
    return np.asarray(waveform, np.float64) / 32768, sample_rate


def _warp(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the frequency axis of `(n_frames, n_bins)` by `factor`."""
    n_bins = envelope.shape[1]
    position = np.minimum(np.arange(n_bins) / factor, n_bins - 1.001)
    low = position.astype(int)
    part = position - low
    levels = np.log(envelope)
    warped = np.exp(levels[:, low] * (1 - part) + levels[:, low + 1] * part)
    return np.ascontiguousarray(warped)


def _tilt(n_bins: int, tilt_db: float, sample_rate: int) -> np.ndarray:
    octaves = np.log2(np.maximum(np.linspace(0, sample_rate / 2, n_bins), 500) / 500)
    return 10 ** (tilt_db * octaves / 10)


def _gate(song: Song, notes: list[Note], n_samples: int) -> np.ndarray:
    """Return 1 around notes, 0 in rests, with edges of 60 ms."""
    rate, edge = SAMPLE_RATE / 100, 6
    is_open = np.zeros(int(n_samples / rate) + 2)
    for note in notes:
        begin = note.start * song.seconds_per_beat * 100 - 12
        end = (note.start + note.length) * song.seconds_per_beat * 100 + 15
        is_open[max(0, int(begin)) : int(end)] = 1
    is_open = np.convolve(is_open, np.ones(edge) / edge, "same")
    return np.interp(np.arange(n_samples) / rate, np.arange(len(is_open)), is_open)


def _harmony(song: Song, notes: list[Note], times: np.ndarray) -> np.ndarray:
    """Return semitones from the tune to the next chord tone at least three above it."""
    offsets = np.zeros(len(times))
    for note in notes:
        classes = song.chord_at(note.start).classes
        up = next(k for k in range(3, 16) if (note.pitch + k) % 12 in classes)
        begin, end = (
            beat * song.seconds_per_beat for beat in (note.start, note.start + note.length)
        )
        offsets[(times >= begin - 0.05) & (times < end)] = up
    return offsets


# The score


def musicxml(rng: np.random.Generator, song: Song, notes: list[Note]) -> str:
    """Write the melody with random syllables as MusicXML, in sixteenths."""
    bars = []
    words = [list(rng.choice(SYLLABLES, int(rng.integers(2, 5)))) for _ in range(12)]
    text: list[str] = []
    for bar in range(song.n_bars + 1):
        inside = [note for note in notes if note.start // BEATS_PER_BAR == bar]
        position, elements = 0, []
        for note in inside:
            start = round((note.start - bar * BEATS_PER_BAR) * 4)
            length = round(note.length * 4)
            text = text or list(words[int(rng.integers(len(words)))])
            elements += [_rest(start - position), _sung(note.pitch, length, str(text.pop(0)))]
            position = start + length
        elements.append(_rest(16 - position))
        head = _attributes(song.tempo) if bar == 0 else ""
        bars.append(f'<measure number="{bar + 1}">{head}{"".join(elements)}</measure>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="2.0"><part-list>'
        '<score-part id="P1"><part-name>voice</part-name></score-part></part-list>'
        f'<part id="P1">{"".join(bars)}</part></score-partwise>'
    )


def _attributes(tempo: float) -> str:
    return (
        "<attributes><divisions>4</divisions><key><fifths>0</fifths></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time>"
        "<clef><sign>G</sign><line>2</line></clef></attributes>"
        f'<direction><sound tempo="{tempo}"/></direction>'
    )


def _rest(length: int) -> str:
    if length <= 0:
        return ""
    return f"<note><rest/><duration>{length}</duration><voice>1</voice></note>"


def _sung(pitch: int, length: int, syllable: str) -> str:
    step, alter = divmod((0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12)[pitch % 12], 2)
    return (
        f"<note><pitch><step>{'CDEFGAB'[step]}</step><alter>{alter}</alter>"
        f"<octave>{pitch // 12 - 1}</octave></pitch><duration>{length}</duration>"
        "<voice>1</voice><lyric><syllabic>single</syllabic>"
        f"<text>{escape(syllable)}</text></lyric></note>"
    )
