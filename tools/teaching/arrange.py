"""Compose small songs: chords, accompaniment, melody. Notes only; render.py makes them sound.

A song is in 4/4 throughout. Times are in beats (quarter notes) from its beginning.
Accompaniments come from two arrangers: the program `mma`, which knows about a hundred styles,
and `patterns`, sixteenth-note grids for the pop and dance music that mma's styles leave out.
"""

import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np

DRUMS = 128  # stands for the drum channel where others have a General MIDI program
BEATS_PER_BAR = 4
STEPS_PER_BAR = 16

NOTE_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "M7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "sus4": (0, 5, 7),
    "9": (0, 4, 10, 14),
}
MAJOR = (0, 2, 4, 5, 7, 9, 11)

# One chord a bar; "/" puts two in one. The number is the degree of the major scale.
PROGRESSIONS = {
    "pop": (
        "1 5 6m 4", "6m 4 1 5", "1 6m 4 5", "4 5 1 6m", "1 4 6m 5", "1 3m 4 5", "4 1 5 6m",
        "1 1 4 5", "2m 4 1 5", "6m 5 4 5", "1 5 6m 3m 4 1 4 5", "6m 3m 4 1", "4 4 1 5sus4",
    ),
    "rock": (
        "1 b7 4 1", "1 4 5 4", "6m 4 5 6m", "1 b3 4 1", "1 1 b7 4", "6m 1 5 4", "1 5 4 4",
    ),
    "jazz": (
        "2m7 57 1M7 67", "1M7 6m7 2m7 57", "3m7 67 2m7 57", "1M7/6m7 2m7/57", "2m7 57 1M7 1M7",
        "6m7 27 2m7/57 1M7", "1M7 4M7 3m7/67 2m7/57", "7m7b5 37 6m7 6m7", "4M7 4m7 3m7 67",
    ),
    "blues": ("17 17 17 17 47 47 17 17 57 47 17 57", "17 47 17 17 47 47 17 67 2m7 57 17 57"),
}  # fmt: skip

# Kick, snare, closed hat, open hat, and one more voice; 16 steps a bar, capitals are accents.
BEATS = {
    "rock": {36: "X.......X.x.....", 38: "....X.......X...", 42: "X.x.X.x.X.x.X.x."},
    "rock16": {36: "X..x....X.x....x", 38: "....X.......X...", 42: "XxxxXxxxXxxxXxxx"},
    "four": {
        36: "X...X...X...X...", 39: "....X.......X...",
        46: "..X...X...X...X.", 42: "x..xx..xx..xx..x",
    },
    "funk": {
        36: "X..x..x...x..x..", 38: "....X..x.x..X..x",
        42: "X.xxX.xxX.xxX.xx", 46: "......x.........",
    },
    "hiphop": {36: "X.....x..xX.....", 38: "....X.......X...", 42: "x.x.x.xxx.x.x.xx"},
    "half": {36: "X.....x...x.....", 38: "........X.......", 42: "X.x.x.x.X.x.x.x."},
    "train": {36: "X...x...X...x...", 38: "x.xxX.xxx.xxX.xx"},
    "ballad": {36: "X.........x.....", 37: "....X.......X...", 42: "X.x.x.x.X.x.x.x."},
    "toms": {
        36: "X...X...X...X...", 38: "....X.......X.x.",
        43: "x.x.x.x.x.x.x.x.", 45: "...x......x..x..",
    },
    "ride": {
        36: "X..x....x.......", 38: "....X.......X..x",
        51: "X.x.X.x.X.x.X.x.", 44: "....x.......x...",
    },
    "shaker": {36: "X..x..x.X..x..x.", 37: "...X..X...X..X..", 70: "XxxxXxxxXxxxXxxx"},
    "motown": {
        36: "X..x..x.X..x..x.", 38: "X...X...X...X...",
        54: "..x...x...x...x.", 42: "X.x.X.x.X.x.X.x.",
    },
    "break": {36: "X.x.......xx....", 38: "....X..x.x..X..x", 42: "X.x.X.x.X.x.X.x."},
    "trap": {36: "X......x..X.....", 39: "........X.......", 42: "x.x.x.xxx.x.xxxx"},
    "disco": {
        36: "X...X...X...X...", 38: "....X.......X...",
        42: "X.x.X.x.X.x.X.x.", 46: "..X...X...X...X.",
    },
    "onedrop": {36: "........X.......", 37: "........X.......", 42: "x.x.X.x.x.x.X.x."},
}  # fmt: skip
BASS_LINES = (
    "r.r.r.r.r.r.r.r.", "r...r...r...r...", "r..r..r.r..r..5.", "r.o.r.o.r.o.r.o.",
    "r.......r.....5.", "r..r....r.o..r..", "r...5...o...5...", "..r...r...r...r.",
    "rrrrrrrrrrrrrrrr", "r.....r...r.5.o.", "r---------------", "r..o..r...3.5...",
)  # fmt: skip
COMPS = (
    "x---x---x---x---", "..x-..x-..x-..x-", "x--x--x---x--x--", "x---------------",
    "x-x-x-x-x-x-x-x-", "x...x..x....x...", "x---------x-----", "x..xx.x.x..xx.x.",
)  # fmt: skip
ARPEGGIOS = ((0, 1, 2, 1), (0, 1, 2, 3), (0, 2, 1, 2), (3, 2, 1, 0), (0, 2, 3, 2))


class Note(NamedTuple):
    """One note; `program` is General MIDI's, or DRUMS. Start and length are in beats."""

    program: int
    start: float
    length: float
    pitch: int
    velocity: int


class Chord(NamedTuple):
    """A chord that sounds from `start` for `length` beats; `root` is a pitch class."""

    root: int
    quality: str
    start: float
    length: float

    @property
    def name(self) -> str:
        """Name of the chord as mma reads it."""
        return NOTE_NAMES[self.root] + self.quality

    @property
    def classes(self) -> list[int]:
        """Pitch classes of the chord, root first."""
        return [(self.root + interval) % 12 for interval in QUALITIES[self.quality]]

    def near(self, pitch: int) -> list[int]:
        """Pitches of the chord, one for each of its tones, around `pitch`, ascending."""
        return sorted(pitch - 6 + (tone - pitch + 6) % 12 for tone in self.classes)


class Song(NamedTuple):
    """What all parts of a song share. `sections` holds the first bar of each, and the end."""

    tempo: float
    key: int
    chords: list[Chord]
    sections: list[int]

    @property
    def n_bars(self) -> int:
        """Length of the song."""
        return self.sections[-1]

    @property
    def seconds_per_beat(self) -> float:
        """Length of a quarter note."""
        return 60 / self.tempo

    def chord_at(self, beat: float) -> Chord:
        """Return the chord that sounds at `beat`."""
        return next(chord for chord in reversed(self.chords) if chord.start <= beat + 1e-6)


def compose(rng: np.random.Generator, tempo: float, seconds: float, kinds: Sequence[str]) -> Song:
    """Return a song of about `seconds` in a random key, with a loop of chords a section."""
    n_bars = round(seconds * tempo / 60 / BEATS_PER_BAR)
    key = int(rng.integers(12))
    loops = [str(rng.choice(PROGRESSIONS[str(rng.choice(kinds))])).split() for _ in range(2)]
    sections, chords = [0], []
    bar = int(rng.choice([2, 4]))
    while bar < n_bars - 2:
        sections.append(bar)
        bar += int(rng.choice([4, 8, 8]))
    sections.append(n_bars)
    for index, (begin, end) in enumerate(pairwise(sections)):
        loop = loops[(index // 2) % 2]
        for bar in range(begin, end):
            chords += _bar_chords(loop[(bar - begin) % len(loop)], key, bar * BEATS_PER_BAR)
    return Song(tempo, key, chords, sections)


def _bar_chords(text: str, key: int, start: float) -> list[Chord]:
    names = text.split("/")
    length = BEATS_PER_BAR / len(names)
    chords = []
    for index, name in enumerate(names):
        flat = name.startswith("b")
        name = name.removeprefix("b")
        root = (key + MAJOR[int(name[0]) - 1] - flat) % 12
        chords.append(Chord(root, name[1:], start + index * length, length))
    return chords


# The arranger mma


def mma(rng: np.random.Generator, song: Song, grooves: Sequence[str], folder: Path) -> list[Note]:
    """Let mma arrange `song`: one of `grooves` (variants of one style) a section."""
    lines = [f"RndSeed {int(rng.integers(1 << 30))}", f"Tempo {song.tempo}"]
    for begin, end in pairwise(song.sections):
        lines.append(f"Groove {rng.choice(grooves)}")
        for bar in range(begin, end):
            inside = [c for c in song.chords if c.start // BEATS_PER_BAR == bar]
            lines.append(f"{bar + 1} " + " / ".join(chord.name for chord in inside))
    source, target = folder / "song.mma", folder / "song.mid"
    source.write_text("\n".join(lines) + "\n")
    subprocess.run(["mma", "-w", "-f", target, source], check=True, capture_output=True)
    return read_midi(target)


def read_midi(path: Path) -> list[Note]:
    """Read the notes of a MIDI file."""
    midi = mido.MidiFile(path)
    programs, sounding, notes, now = [0] * 16, {}, [], 0
    for message in mido.merge_tracks(midi.tracks):
        now += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        if message.type not in ("note_on", "note_off"):
            continue
        place = (message.channel, message.note)
        if place in sounding:
            start, velocity = sounding.pop(place)
            program = DRUMS if message.channel == 9 else programs[message.channel]
            length = max(now - start, 1) / midi.ticks_per_beat
            start /= midi.ticks_per_beat
            notes.append(Note(program, start, length, message.note, velocity))
        if message.type == "note_on" and message.velocity:
            sounding[place] = (now, message.velocity)
    return notes


# The arranger of patterns


def patterns(rng: np.random.Generator, song: Song, beats: Sequence[str]) -> list[Note]:
    """Arrange `song` with drums, bass, and two to four of piano, guitars, pads, arpeggios."""
    swing = float(rng.choice([0, 0, 0, 0.08, 0.16]))
    bass = int(rng.integers(32, 40))
    guitar, pad = int(rng.integers(24, 32)), int(rng.choice([16, 18, 48, 49, 50, 51, 52, 89, 90]))
    plucked = int(rng.choice([11, 12, 45, 46, 80, 81, 84, 88, 98, 24, 25]))
    fast = int(rng.choice([1, 2]))
    layers = [
        (0, str(rng.choice(COMPS)), 62), (guitar, str(rng.choice(COMPS)), 60),
        (pad, COMPS[3], 64), (plucked, "arpeggio", 72),
    ]  # fmt: skip
    line, beat, notes = str(rng.choice(BASS_LINES)), {}, []
    for index, (begin, end) in enumerate(pairwise(song.sections)):
        if index % 2 == 0 or rng.random() < 0.4:
            beat = BEATS[str(rng.choice(beats))]
        if rng.random() < 0.3:
            line = str(rng.choice(BASS_LINES))
        playing = [layer for layer in layers if rng.random() < 0.6] or layers[:1]
        for bar in range(begin, end):
            if index or rng.random() < 0.6:
                notes += _drum_bar(rng, beat, bar, first=bar == begin, last=bar == end - 1)
            notes += _bass_bar(song, line, bass, bar)
            for program, comp, pitch in playing:
                if comp == "arpeggio":
                    notes += _arpeggio_bar(song, program, pitch, bar, fast, index)
                else:
                    notes += _comp_bar(song, comp, program, pitch, bar)
    return [_humanise(rng, note, swing) for note in notes]


def _humanise(rng: np.random.Generator, note: Note, swing: float) -> Note:
    late = swing if round(note.start * 4) % 2 else 0
    start = max(0.0, note.start + late + rng.normal(0, 0.006))
    velocity = int(np.clip(note.velocity + rng.normal(0, 7), 20, 127))
    return note._replace(start=start, velocity=velocity)


def _drum_bar(
    rng: np.random.Generator, beat: dict[int, str], bar: int, *, first: bool, last: bool
) -> list[Note]:
    start = bar * BEATS_PER_BAR
    until = STEPS_PER_BAR - int(rng.choice([4, 8])) * (last and rng.random() < 0.8)
    notes = [
        Note(DRUMS, start + step / 4, 0.2, voice, 112 if mark == "X" else 76)
        for voice, marks in beat.items()
        for step, mark in enumerate(marks[:until])
        if mark != "." and rng.random() < (0.97 if mark == "X" else 0.9)
    ]
    for step in range(until, STEPS_PER_BAR):
        if rng.random() < 0.75:
            voice = int(rng.choice([38, 38, 45, 47, 50, 43]))
            notes.append(Note(DRUMS, start + step / 4, 0.2, voice, 90 + 2 * step))
    if first and rng.random() < 0.7:
        notes.append(Note(DRUMS, start, 1, int(rng.choice([49, 57])), 105))
    return notes


def _bass_bar(song: Song, line: str, program: int, bar: int) -> list[Note]:
    notes = []
    for step, mark in enumerate(line):
        if mark not in "ro35":
            continue
        beat = bar * BEATS_PER_BAR + step / 4
        chord = song.chord_at(beat)
        third, fifth = QUALITIES[chord.quality][1:3]
        pitch = 28 + (chord.root - 28) % 12 + {"r": 0, "o": 12, "3": third, "5": fifth}[mark]
        following = next((k for k in range(step + 1, 16) if line[k] in "ro35"), STEPS_PER_BAR)
        notes.append(Note(program, beat, (following - step) / 4 * 0.92, pitch, 96))
    return notes


def _comp_bar(song: Song, comp: str, program: int, pitch: int, bar: int) -> list[Note]:
    notes = []
    for step, mark in enumerate(comp):
        if mark != "x":
            continue
        held = len(comp[step + 1 :]) - len(comp[step + 1 :].lstrip("-"))
        beat = bar * BEATS_PER_BAR + step / 4
        tones = song.chord_at(beat).near(pitch)
        strum = 0.02 if 24 <= program < 32 else 0.004
        notes += [
            Note(program, beat + k * strum, (held + 0.9) / 4, tone, 78)
            for k, tone in enumerate(tones)
        ]
    return notes


def _arpeggio_bar(
    song: Song, program: int, pitch: int, bar: int, fast: int, section: int
) -> list[Note]:
    order, notes = ARPEGGIOS[section % len(ARPEGGIOS)], []
    for k in range(BEATS_PER_BAR * 2 * fast):
        beat = bar * BEATS_PER_BAR + k / (2 * fast)
        tones = song.chord_at(beat).near(pitch)
        tones.append(tones[0] + 12)
        notes.append(Note(program, beat, 0.45 / fast, tones[order[k % 4] % len(tones)], 80))
    return notes


# Melodies

HALF_BARS = ((4, 4), (4, 2, 2), (2, 2, 4), (6, 2), (2, 4, 2), (2, 2, 2, 2), (-2, 2, 4), (-4, 4),
             (3, 3, 2), (8,), (-2, 2, 2, 2))  # fmt: skip


def melody(rng: np.random.Generator, song: Song, centre: int, program: int) -> list[Note]:
    """Return a tune in phrases of two bars that end with a rest, an octave around `centre`.

    Pitches walk by steps of the scale; on strong beats they go to the nearest chord tone.
    No note crosses a bar line. The first section and a few phrases are left out.
    """
    scale = [(song.key + degree) % 12 for degree in MAJOR]
    rhythms = [_phrase(rng, slow=song.tempo < 95) for _ in range(3)]
    pitch, notes = centre + int(rng.integers(-3, 4)), []
    for index, bar in enumerate(range(song.sections[1], song.n_bars - 1, 2)):
        if rng.random() < 0.1:
            continue
        rhythm = rhythms[(0, 1, 0, 2)[index % 4]]
        leap = int(rng.choice([-1, 1])) if index % 2 else 1
        for start, length in rhythm:
            beat = bar * BEATS_PER_BAR + start / 4
            if beat + length / 4 > song.n_bars * BEATS_PER_BAR:
                break
            drift = np.sign(centre - pitch) if abs(centre - pitch) > 5 else leap
            pitch += int(rng.choice([drift, drift, -drift, 0, 2 * drift])) * 2
            tones = song.chord_at(beat).classes if start % 8 == 0 or length >= 6 else scale
            pitch = min(
                (p for p in range(centre - 8, centre + 9) if p % 12 in tones),
                key=lambda p: abs(p - pitch),
            )
            notes.append(Note(program, beat, length / 4, pitch, 96))
    return notes


def _phrase(rng: np.random.Generator, *, slow: bool) -> list[tuple[int, int]]:
    """Return starts and lengths in sixteenths of a phrase of two bars."""
    notes, step = [], 0
    for half in range(4):
        cell = HALF_BARS[int(rng.integers(len(HALF_BARS)))]
        if half == 3:
            cell = ((-8,), (4, -4), (2, 2, -4), (2, -6), (6, -2), (4, 2, -2))[int(rng.integers(6))]
        for length in cell:
            parts = [length]
            if slow and length == 2 and rng.random() < 0.25:
                parts = [1, 1]
            for part in parts:
                if part > 0:
                    notes.append((step, part))
                step += abs(part)
    return notes


def answers(rng: np.random.Generator, song: Song, sung: list[Note], program: int) -> list[Note]:
    """Return a lead that plays where the voice rests, and a little beside it."""
    lead = melody(rng, song._replace(sections=[0, 0, *song.sections[1:]]), 74, program)
    busy = {int(note.start + k / 2) for note in sung for k in range(int(note.length * 2) + 1)}
    return [note for note in lead if int(note.start) not in busy or rng.random() < 0.15]
