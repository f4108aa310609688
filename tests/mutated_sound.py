"""Sound files with damage of every kind, made from a seed, and what reading them gives."""

import io
import resource
import signal
import struct
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile

from mssviz import audio
from mssviz.errors import MssvizError

RATE, SECONDS = 22050, 2.0
#: Seconds by which what is read without a word may be longer or shorter. MP3 has no checksum of
#: what its encoder writes in front, so its silence there can stay.
TOLERANCE = {"flac": 0, "ogg": 0.05, "opus": 0.02, "mp3": 0.1, "m4a": 0.05, "alac": 0.05}
LIMIT_SECONDS = 20
#: Bytes of address space that reading one file may add.
MEMORY = 1_500_000_000


def song():
    """Chords under a slow envelope, in stereo."""
    t = np.arange(round(SECONDS * RATE))[:, None] / RATE
    tones = sum(np.sin(2 * np.pi * f * (1 + 0.01 * np.arange(2)) * t) for f in (110, 277.2, 659.3))
    noise = np.random.default_rng(0).standard_normal(tones.shape)
    return (0.1 * tones * (1.2 + np.sin(3 * t)) + 0.01 * noise).astype(np.float32)


def through_av(container, codec, rate=RATE, **options):
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=options) as output:
            stream = output.add_stream(codec, rate=rate, layout="stereo")
            frame = av.AudioFrame.from_ndarray(song().reshape(1, -1), "flt", "stereo")
            frame.sample_rate, frame.pts = RATE, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return file.read()


def through_soundfile(container, subtype, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, song(), RATE, format=container, subtype=subtype, **options)
    return buffer.getvalue()


def sound_files():
    """Kind to content of a healthy file."""
    return {
        "wav": through_soundfile("WAV", "PCM_16"),
        "flac": through_soundfile("FLAC", "PCM_16"),
        "mp3": through_av("mp3", "libmp3lame"),
        "ogg": through_soundfile("OGG", "VORBIS", compression_level=0.0),
        "opus": through_av("ogg", "libopus", 48000, page_duration="200000"),
        "m4a": through_av("ipod", "aac", movflags="faststart"),
        "alac": through_av("ipod", "alac"),
        "aac": through_av("adts", "aac"),
        "webm": through_av("webm", "libopus", 48000),
        "aiff": through_soundfile("AIFF", "PCM_16"),
        "w64": through_soundfile("W64", "PCM_24"),
        "caf": through_soundfile("CAF", "PCM_16"),
        "au": through_soundfile("AU", "FLOAT"),
    }


# --- Damage -----------------------------------------------------------------------------------


def flipped_bits(data, rng):
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.choice([1, 1, 3, 30])):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def _piece(data, rng):
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + int(rng.choice([1, 40, 500, 3000, 20_000])))


def overwritten(data, rng):
    start, stop = _piece(data, rng)
    junk = bytes(stop - start) if rng.random() < 0.5 else rng.bytes(stop - start)
    return data[:start] + junk + data[stop:]


def removed(data, rng):
    start, stop = _piece(data, rng)
    return data[:start] + data[stop:]


def inserted(data, rng):
    start, stop = _piece(data, rng)
    return data[:start] + rng.bytes(stop - start) + data[start:]


def repeated(data, rng):
    start, stop = _piece(data, rng)
    return data[:stop] + data[start:]


def cut_short(data, rng):
    return data[: int(rng.integers(1, len(data)))]


def header_field(data, rng):
    """An extreme number somewhere in the first bytes."""
    changed, at = bytearray(data), int(rng.integers(min(len(data), 600) - 8))
    value = int(rng.choice([0, 1, 2, 7, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]))
    layout = str(rng.choice(["<I", ">I", "<H", ">H"]))
    size = struct.calcsize(layout)
    changed[at : at + size] = struct.pack(layout, value & (1 << 8 * size) - 1)
    return bytes(changed)


def tags_around(data, rng):
    size = int(rng.integers(1, 3000))
    id3 = b"ID3\3\0\0" + bytes((0, 0, size >> 7, size & 127)) + bytes(size)
    behind = [b"TAG" + bytes(125), bytes(size), b"text " * size, b"APETAGEX" + bytes(24)]
    return id3 + data if rng.random() < 0.3 else data + behind[rng.integers(4)]


DAMAGE = (
    flipped_bits, overwritten, removed, inserted, repeated, cut_short, header_field, tags_around
)  # fmt: skip


def mutated(data, seed):
    """(kind of damage, content)"""
    rng = np.random.default_rng(seed)
    damage = DAMAGE[seed % len(DAMAGE)]
    return damage.__name__, damage(data, rng)


# --- Reading ----------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of a file."""

    error: str = ""
    is_foreign: bool = False
    warned: tuple[str, ...] = ()
    n_samples: int = 0


def read(data):
    """Read a file in memory as far as it goes."""
    outcome = Outcome()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome.n_samples = len(audio.load_audio(io.BytesIO(data), sample_rate=RATE)[0])
        except MssvizError as error:
            outcome.error = str(error)
        except Exception as error:  # this is what is looked for
            outcome.error, outcome.is_foreign = repr(error), True
    outcome.warned = tuple(str(warning.message) for warning in caught)
    return outcome


def fault(kind, n_samples, outcome):
    """What is wrong with an outcome, or nothing."""
    if outcome.is_foreign or (outcome.error and "\n" in outcome.error):
        return f"raises {outcome.error}"
    seconds = (outcome.n_samples - n_samples) / RATE
    silent = not (outcome.error or outcome.warned)
    if silent and abs(seconds) > TOLERANCE.get(kind, np.inf):
        return f"is {seconds:+.3f} s longer without a word"
    return ""


def limit_memory():
    """Let this process have only so much more memory than it has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def main(first, stop):
    """Print a line before each file, and what is wrong with it; a signal ends a file that hangs."""
    limit_memory()
    for kind, data in sound_files().items():
        healthy = read(data)
        assert healthy == Outcome(n_samples=healthy.n_samples), (kind, healthy)
        for seed in range(first, stop):
            damage, content = mutated(data, seed)
            print(f"{kind} {seed} {damage}", flush=True)
            signal.alarm(LIMIT_SECONDS)
            wrong = fault(kind, healthy.n_samples, read(content))
            signal.alarm(0)
            if wrong:
                print(f"FAULT {kind} {seed} {damage}: {wrong}", flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
