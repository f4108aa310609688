r"""Render songs with true stems, to teach small networks with.

    python tools/teaching/render.py OUT --songs 60 --held-out 8 --seed 0

writes OUT/train/000 and so on and OUT/test/000 and so on, each with vocals.flac, piano.flac,
drums.flac, bass.flac, other.flac (44.1 kHz, stereo, 16 bit, one length, about 40 to 58 s) and
about.json, which says what was drawn. A stem that the song does not have is left out. The mixture
is the sum of the stems; it peaks under 0.95. The same seed gives the same songs. A song's folder
appears when it is complete, so a run that was stopped goes on where it was.

Test songs use sound fonts, drum kits, voices and styles that no training song uses. In a third of
the training songs the bass is no instrument of a font but a long, low sine wave.

This script is not part of the project's environment. It needs, on Debian 12,

    apt-get install fluidsynth mma fluid-soundfont-gm musescore-general-soundfont-small \
        csound-soundfont timgm6mb-soundfont avldrums.lv2-soundfont
    pip install "setuptools<70" numpy scipy soundfile mido pyworld pysinsy

(pysinsy compiles for a minute or two). Rendering takes about as long as the songs last.

Sources and their licences:

- mma, Musical MIDI Accompaniment (Bob van der Poel): GPL-2 program; what it arranges is free.
- fluidsynth: LGPL-2.1 program.
- FluidR3_GM (Frank Wen): MIT. MuseScore_General (S. Christian Collins, after FluidR3): MIT.
- sf_GMbank, from Csound's samples: public domain.
- Black Pearl and Red Zeppelin drum kits (Glen MacArthur, avldrums): CC BY-SA 3.0.
- TimGM6mb (Tim Brechbill): GPL-2; in test songs only.
- pysinsy (Ryuichi Yamamoto): MIT, with Sinsy and HTS engine (Nagoya Institute of Technology): BSD;
  its voice nitech_jp_song070_f001 (the same institute): CC BY 3.0.
- pyworld, WORLD (Masanori Morise): MIT, BSD.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import arrange
import effects
import mido
import numpy as np
import sing
import soundfile
from arrange import DRUMS, Note, Song

SAMPLE_RATE = 44100
STEMS = ("vocals", "piano", "drums", "bass", "other")
FONTS = Path("/usr/share/sounds")
FLUID = "sf2/FluidR3_GM.sf2"
MUSESCORE = "sf3/MuseScore_General_Lite.sf3"
GMBANK = "sf2/sf_GMbank.sf2"
TIMGM = "sf2/TimGM6mb.sf2"


@dataclass(frozen=True)
class Material:
    """What songs of one split are drawn from. A kit is a font and its program."""

    fonts: tuple[str, ...]
    kits: tuple[tuple[str, int], ...]
    voices: dict
    styles: tuple[tuple[str, ...], ...]
    beats: tuple[tuple[str, ...], ...]


def _styles(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in text.strip().splitlines())


# A line is a style: the variants among which its sections choose.
TRAINED_STYLES = _styles("""
50sRock 50sRockSus 50sRockPlus
60sRock 60sRock1 60sRockSusPlus
8Beat 8BeatSus 8Beat1Plus 8BeatWalk
Ballad BalladSus Ballad1Plus
Ballad128 Ballad128Plus Ballad128Sus
BasicRock BasicRockSus BasicRock4
BigBand BigBandPlus BigBand1
Blues BluesTriple BluesSus
BoneyM BoneyMPlus BoneyMSus
BossaNova BossaNovaSus BossaNova1Sus BossaNovaPlus
BubbleRock BubbleRockSus BubbleRockPlus
BVFunk BVFunkSus BVFunkHorns
Calypso CalypsoPlus Calypso1
CountryBlues CountryBluesWalk CountryBlues1Sus
CountrySwing CountrySwing1 CountrySwingSus
CubanGuitar CubanGuitarSus CubanGuitarPlus
DSoul DSoulPlus DSoulSus
EasySwing EasySwingSus EasySwingWalk
FolkBallad FolkBallad1 FolkBalladPlus
FolkRock FolkRockPlus FolkRockSus
GuitarBallad GuitarBallad1 GuitarBalladSus
HillCountry HillCountryPlus HillCountrySus
JazzCombo JazzCombo1 JazzComboPlus
JazzRock JazzRockWalk JazzRockPlus JazzRockSus
Jive Jive1 JivePlus
LFusion LFusionSus LFusion1
Mambo Mambo1 Mambo2Sus
ModernJazz ModernJazz1 ModernJazzSus
PianoBallad PianoBallad1 PianoBalladSus
PopBallad PopBallad1 PopBallad2 PopBalladSusPlus
R&B R&BSus R&BPlus
RhumbaTriple Rhumba Rhumba1
Rock128 Rock128Plain Rock128SusPlus
RockBallad RockBallad1 RockBalladVoice
Samba SambaPlus SambaSus
ShuffleBoggie ShuffleBoggie1 ShuffleBoggieSus
SlowJazz SlowJazzWalk SlowJazzPlus
SoftRock SoftRockSus SoftRock1 SoftRock2
StringBallad StringBalladVoice StringBalladStrumPlus
Swing SwingWalk Swing1 SwingPlus
Trance Trance1 Trance2
WesternSwing WesternSwingPlus WesternSwingSus
""")
HELD_OUT_STYLES = _styles("""
R&B-Ballad R&B-BalladPlus R&B-BalladSus
PopSpiritual PopSpiritualPlus PopSpiritualSus
Ska Ska1 SkaSus
Strut StrutSus Strut2
Salsa SalsaPlus SalsaSus
SlowCountry SlowCountryPlus SlowCountrySus
MellowJazz MellowJazzPlus MellowJazzSus
Twist Twist4 TwistSus
""")

SPLITS = {
    "train": Material(
        fonts=(FLUID, FLUID, MUSESCORE, MUSESCORE, GMBANK),
        kits=(
            *((FLUID, program) for program in (0, 2, 4, 8, 10, 16, 25, 24, 32, 40)),
            *((MUSESCORE, program) for program in (0, 3, 5, 8, 12, 16, 24, 25)),
            *((GMBANK, program) for program in (0, 8, 16, 24)),
            *(("sf2/Black_Pearl_4_LV2.sf2", 0),) * 5,
        ),
        voices=sing.TRAINED,
        styles=TRAINED_STYLES,
        beats=(
            ("rock", "rock16", "ride"), ("rock", "toms"), ("four", "disco"), ("funk", "rock16"),
            ("hiphop", "half"), ("half", "ballad"), ("train", "rock"), ("trap", "hiphop"),
            ("shaker", "ballad"), ("four", "half"),
        ),
    ),
    "test": Material(
        fonts=(TIMGM,),
        kits=(
            *((TIMGM, program) for program in (0, 8, 16, 25)),
            *(("sf2/Red_Zeppelin_4_LV2.sf2", 0),) * 3,
        ),
        voices=sing.HELD_OUT,
        styles=HELD_OUT_STYLES,
        beats=(("motown", "break"), ("break", "onedrop"), ("motown",)),
    ),
}  # fmt: skip


# What a song consists of


def stem_of(program: int) -> str:
    """Return the stem that a General MIDI program (or DRUMS) belongs to."""
    if program == DRUMS:
        return "drums"
    if 32 <= program < 40:
        return "bass"
    return "piano" if program < 8 else "other"


def accompany(
    rng: np.random.Generator, material: Material, folder: Path
) -> tuple[Song, dict[str, list[Note]], str]:
    """Draw a song: what its parts share, the notes of every stem but the vocals, its style."""
    seconds = float(rng.uniform(40, 55))
    if rng.random() < 0.5:
        style = material.styles[int(rng.integers(len(material.styles)))]
        jazzy = any(word in style[0] for word in ("Jazz", "Swing", "Bossa", "BigBand"))
        kinds = (
            ("jazz",) if jazzy else ("blues",) if "Blues" in style[0] else ("pop", "pop", "jazz")
        )
        song = arrange.compose(rng, int(rng.integers(75, 141)), seconds, kinds)
        notes = arrange.mma(rng, song, style, folder)
        name = f"mma {style[0]}"
    else:
        beats = material.beats[int(rng.integers(len(material.beats)))]
        song = arrange.compose(rng, int(rng.integers(70, 151)), seconds, ("pop", "rock", "pop"))
        notes = arrange.patterns(rng, song, beats)
        name = f"patterns {beats[0]}"
    stems: dict[str, list[Note]] = {stem: [] for stem in STEMS}
    for note in notes:
        stems[stem_of(note.program)].append(note)
    return song, _recast(rng, stems), name


def _recast(rng: np.random.Generator, stems: dict[str, list[Note]]) -> dict[str, list[Note]]:
    """Draw one bass and one piano for the song; now and then other instruments, or no such stem."""
    piano = int(rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 7]))
    bass = int(rng.choice([32, 33, 33, 33, 34, 34, 35, 36, 37, 38, 38, 39]))
    families = {
        family: family * 8 + int(rng.integers(8)) if rng.random() < 0.35 else None
        for family in range(2, 12)
    }
    recast = dict(stems)
    recast["piano"] = [note._replace(program=piano) for note in stems["piano"]]
    recast["bass"] = [note._replace(program=bass) for note in stems["bass"]]
    recast["other"] = [
        note._replace(program=families.get(note.program // 8) or note.program)
        for note in stems["other"]
    ]
    for stem, chance in (("piano", 0.08), ("drums", 0.04), ("bass", 0.03)):
        if rng.random() < chance:
            recast[stem] = []
    return recast


# From notes to sound


def write_midi(
    notes: Iterable[Note], tempo: float, pans: dict[int, int], kit: int, path: Path
) -> None:
    """Write notes as a MIDI file with a channel for each program, DRUMS on the tenth."""
    ticks = 480
    midi, track = mido.MidiFile(ticks_per_beat=ticks), mido.MidiTrack()
    midi.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
    free = iter([*range(9), *range(10, 16)] * 4)
    channels = {program: 9 if program == DRUMS else next(free) for program in pans}
    for program, channel in channels.items():
        number = kit if program == DRUMS else program
        track.append(mido.Message("program_change", channel=channel, program=number))
        pan = mido.Message("control_change", channel=channel, control=10, value=pans[program])
        track.append(pan)
    events = []
    for note in notes:
        place = {"channel": channels[note.program], "note": note.pitch}
        begin, end = round(note.start * ticks), round((note.start + note.length) * ticks)
        events.append((begin, 1, mido.Message("note_on", velocity=note.velocity, **place)))
        events.append((max(end, begin + 1), 0, mido.Message("note_off", **place)))
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    midi.save(path)


def play(
    notes: list[Note], tempo: float, font: str, pans: dict[int, int], kit: int, folder: Path
) -> np.ndarray:
    """Render notes with a sound font, without its reverb and chorus; `(n_samples, 2)`."""
    midi, sound = folder / "stem.mid", folder / "stem.raw"
    write_midi(notes, tempo, pans, kit, midi)
    options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.4", "-r", str(SAMPLE_RATE)]
    options += ["-z", "1024", "-o", "synth.dynamic-sample-loading=1"]
    options += ["-O", "float", "-T", "raw", "-F", str(sound)]
    subprocess.run(["fluidsynth", *options, FONTS / font, midi], check=True, capture_output=True)
    return np.fromfile(sound, np.float32).reshape(-1, 2).astype(np.float64)


def play_stem(
    rng: np.random.Generator,
    stem: str,
    notes: list[Note],
    tempo: float,
    material: Material,
    folder: Path,
) -> tuple[np.ndarray, str]:
    """Render a stem with a font or kit of the split; return the sound and the font's name."""
    font, kit = str(rng.choice(material.fonts)), 0
    if stem == "drums":
        font, kit = material.kits[int(rng.integers(len(material.kits)))]
        if "LV2" in font:  # the font is one kit, and not on the drum channel
            notes = [note._replace(program=0) for note in notes]
    spread = 0 if stem in ("drums", "bass") else 26
    programs = sorted({note.program for note in notes})
    pans = {program: int(np.clip(rng.normal(64, spread), 10, 117)) for program in programs}
    used = f"kit {kit}" if stem == "drums" else f"programs {programs}"
    return play(notes, tempo, font, pans, kit, folder), f"{font} {used}"


def play_deep(
    rng: np.random.Generator, notes: list[Note], tempo: float, n_samples: int
) -> np.ndarray:
    """Play a bass as a tuned drum's tail, one note at a time, at 31 to 58 Hz; `(n_samples, 2)`."""
    decay, glide, hold = rng.uniform(0.3, 2.5), rng.uniform(0, 12), rng.uniform(1, 3)
    mono = np.zeros(n_samples)
    ordered = sorted(notes, key=lambda note: note.start)
    for note, following in itertools.zip_longest(ordered, ordered[1:]):
        begin, end = note.start, note.start + hold * note.length
        if following is not None:
            end = min(end, following.start)
        first, last = (round(beats * 60 / tempo * SAMPLE_RATE) for beats in (begin, end))
        last = min(last, n_samples)
        if last - first < SAMPLE_RATE // 50:
            continue
        time = np.arange(last - first) / SAMPLE_RATE
        pitch = 23 + (note.pitch - 23) % 12 + glide * np.exp(-time / 0.02)
        phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / SAMPLE_RATE
        ends = np.minimum(1, np.minimum(time, time[-1] - time) / 0.005)  # no clicks
        mono[first:last] = note.velocity / 127 * ends * np.exp(-time / decay) * np.sin(phase)
    return effects.saturate(np.stack([mono, mono], axis=1), float(rng.uniform(-3, 15)))


# Effects and levels

DEEP_SHARE = 1 / 3
LEVELS_DB = {"vocals": 2.0, "drums": -0.5, "bass": -2.0, "other": -3.0, "piano": -3.5}
SPREAD_DB = 2.2


def colour(rng: np.random.Generator, stem: str, waveform: np.ndarray) -> np.ndarray:
    """Send an accompanying stem through effects drawn for it."""
    waveform = effects.equalise(rng, waveform, 2.5)
    if rng.random() < 0.6:
        waveform = effects.compress(waveform, float(rng.uniform(1.3, 4)))
    if stem in ("drums", "bass") or rng.random() < 0.4:
        waveform = effects.saturate(waveform, float(rng.uniform(-6, 10)))
    if stem in ("other", "piano") and rng.random() < 0.35:
        waveform = effects.chorus(rng, waveform, float(rng.uniform(0.3, 0.9)))
    if stem == "other" and rng.random() < 0.25:
        waveform = effects.echo(waveform, float(rng.uniform(0.15, 0.5)), 0.35)
    waveform = effects.place(waveform, float(rng.normal(0, 0.08)), float(rng.uniform(0.4, 1.4)))
    if stem != "bass" and rng.random() < 0.75:
        seconds, most = (0.9, 0.25) if stem == "drums" else (2.2, 0.4)
        seconds, wet = float(rng.uniform(0.3, seconds)), float(rng.uniform(0.03, most))
        waveform = effects.reverberate(rng, waveform, seconds, wet)
    return waveform


def produce_vocals(rng: np.random.Generator, singer: sing.Performance, beat: float) -> np.ndarray:
    """Make a stereo vocal: the lead, now and then doubled and harmonised."""

    def stereo(take: np.ndarray, pan: float, late: float = 0.0) -> np.ndarray:
        late_samples = int(late * SAMPLE_RATE)
        take = np.pad(take, (late_samples, 0))[: len(take)]
        return effects.place(np.stack([take, take], axis=1), pan, 1)

    vocals = stereo(singer.lead(), float(rng.normal(0, 0.05)))
    if rng.random() < 0.35:
        gain, late = float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.008, 0.03))
        double = singer.double() * gain / 1.4
        vocals += stereo(double, -0.7, late) + stereo(double, 0.7, late * 0.6)
    if rng.random() < 0.3:
        gain, pan = float(rng.uniform(0.25, 0.6)), float(rng.uniform(-0.6, 0.6))
        vocals += gain * stereo(singer.harmony(), pan)
    vocals = effects.compress(effects.equalise(rng, vocals, 2), float(rng.uniform(1.5, 4)))
    if rng.random() < 0.3:
        vocals = effects.saturate(vocals, float(rng.uniform(-3, 7)))
    if rng.random() < 0.3:
        vocals = effects.echo(vocals, beat * float(rng.choice([0.5, 0.75])), 0.25)
    if rng.random() < 0.85:
        seconds, wet = float(rng.uniform(0.5, 2.5)), float(rng.uniform(0.05, 0.4))
        vocals = effects.reverberate(rng, vocals, seconds, wet)
    return vocals


def mix(rng: np.random.Generator, stems: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Set levels as in a mix, then one gain for all, so that the sum peaks under full scale."""
    levelled = {}
    for stem, waveform in stems.items():
        level_db = LEVELS_DB[stem] + float(rng.normal(0, SPREAD_DB))
        gain = 10 ** ((level_db - effects.rms_db(waveform, active=True)) / 20)
        levelled[stem] = waveform * gain
    loudest = max(
        np.abs(waveform).max() for waveform in [sum(levelled.values()), *levelled.values()]
    )
    gain = float(rng.uniform(0.6, 0.94)) / loudest
    return {stem: waveform * gain for stem, waveform in levelled.items()}


# A song, and all songs


def sung_part(
    rng: np.random.Generator, song: Song, material: Material, n_samples: int
) -> tuple[np.ndarray, list[Note], sing.Voice]:
    """Compose and sing the song's tune; return sound, notes and the voice that was drawn."""
    voice = sing.draw_voice(rng, material.voices)
    notes = arrange.melody(rng, song, voice.centre, program=-1)
    singer = sing.Performance(rng, song, notes, voice, n_samples)
    return produce_vocals(rng, singer, song.seconds_per_beat), notes, voice


def render_song(split: str, index: int, seed: int, target: Path) -> str:
    """Render song `index` of a split into the folder `target`; return a line on it."""
    material = SPLITS[split]
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index])
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        song, parts, style = accompany(rng, material, folder)
        seconds = song.n_bars * arrange.BEATS_PER_BAR * song.seconds_per_beat + 1.5
        n_samples = int(seconds * SAMPLE_RATE)
        about = {"style": style, "tempo": song.tempo, "key": song.key}
        stems, sung = {}, []
        if rng.random() < 0.97:
            stems["vocals"], sung, voice = sung_part(rng, song, material, n_samples)
            about["vocals"] = voice._asdict()
        if rng.random() < 0.6:
            lead = int(rng.choice([22, 26, 29, 30, 56, 61, 65, 66, 71, 73, 80, 81, 84, 40]))
            parts["other"] += arrange.answers(rng, song, sung, lead)
        deep = np.random.default_rng([seed, len(SPLITS), index])
        is_deep = split == "train" and deep.random() < DEEP_SHARE
        for stem, notes in parts.items():
            if notes:
                if stem == "bass" and is_deep:
                    sound, about[stem] = play_deep(deep, notes, song.tempo, n_samples), "sine"
                else:
                    sound, about[stem] = play_stem(rng, stem, notes, song.tempo, material, folder)
                stems[stem] = colour(rng, stem, fit(sound, n_samples))
    faded = {stem: fit(waveform, n_samples) for stem, waveform in stems.items()}
    write_song(mix(rng, faded), about, unfinished)
    unfinished.rename(target)
    return f"{seconds:.0f} s, {style}, {song.tempo} bpm: {' '.join(sorted(stems))}"


def fit(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut or pad to `n_samples` and fade the last half second out."""
    out = np.zeros((n_samples, 2))
    length = min(len(waveform), n_samples)
    out[:length] = waveform[:length]
    fade = SAMPLE_RATE // 2
    out[-fade:] *= np.linspace(1, 0, fade)[:, None]
    return out


def write_song(stems: dict[str, np.ndarray], about: dict, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for stem, waveform in stems.items():
        soundfile.write(folder / f"{stem}.flac", waveform, SAMPLE_RATE, "PCM_16")
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")


def render_all(out: Path, wanted: dict[str, int], seed: int, n_jobs: int) -> None:
    """Render the songs of each split that are not there yet, several at a time."""
    songs = [
        (split, index, seed, out / split / f"{index:03}")
        for split, n_songs in wanted.items()
        for index in range(n_songs)
    ]
    missing = [song for song in songs if not song[-1].exists()]
    print(f"{len(songs) - len(missing)} of {len(songs)} songs are there", flush=True)
    start = time.monotonic()
    with ProcessPoolExecutor(n_jobs) as pool:
        running = {pool.submit(render_song, *song): song for song in missing}
        for n_done, future in enumerate(as_completed(running), 1):
            name = "/".join(running[future][-1].parts[-2:])
            minutes = (time.monotonic() - start) / 60
            print(
                f"[{n_done}/{len(missing)}, {minutes:.1f} min] {name}: {future.result()}",
                flush=True,
            )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Render songs with true stems.")
    parser.add_argument("out", type=Path, help="folder that gets train/ and test/")
    parser.add_argument("--songs", type=int, default=60, help="songs to train with (60)")
    parser.add_argument("--held-out", type=int, default=8, help="songs to test with (8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="songs rendered at a time (2)")
    options = parser.parse_args(arguments)
    wanted = {"train": options.songs, "test": options.held_out}
    render_all(options.out, wanted, options.seed, options.jobs)


if __name__ == "__main__":
    main(sys.argv[1:])
