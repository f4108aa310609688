"""Long songs, many runs, several at once: the same results, and no more memory than at first."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import audio
from mssviz._memory import hold_large_apart
from mssviz.export import FileOptions, separate_file, stem_paths
from mssviz.separators import Separator
from mssviz.stft import StftParams
from tests.counts import NIGHTLY, SEED, count
from tests.writers import TINY, noise

pytestmark = pytest.mark.slow

RATE = 8000
#: A network that takes no time, on patches of 16 s.
SMALL = replace(
    TINY, stft=StftParams(sample_rate=RATE, n_fft=1024, hop_length=256), patch_frames=512,
    model_bins=128, mask_extension="average",
)  # fmt: skip
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds")


def small():
    """A separator with that network, whose weights are random but always the same."""
    from mssviz.networks import Network
    from mssviz.networks._tensorflow import keras

    keras.utils.set_random_seed(0)
    network = Network(SMALL.model, SMALL.targets, SMALL.input_shape)
    return Separator.from_network(SMALL, network)


def in_process(work, *arguments, **environment):
    """What a function of this module prints as JSON, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.test_endurance", work, *map(str, arguments)],
        cwd=Path(__file__).parents[1], env={**os.environ, **environment},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


# --- At once ------------------------------------------------------------------------------------


def assert_same_from_threads(separator, songs, rate):
    alone = [separator.separate(song, rate, progress=False).estimates for song in songs]
    found, together = {}, threading.Barrier(len(songs))

    def work(number):
        together.wait()
        found[number] = separator.separate(songs[number], rate, progress=False).estimates

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(songs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, expected in enumerate(alone):
        for target, stem in expected.items():
            np.testing.assert_array_equal(found[number][target], stem)


def test_threads_at_one_separator_get_what_one_gets():
    songs = [noise(SEED + n, 3 * RATE + n) for n in range(count("threads at one separator"))]
    assert_same_from_threads(small(), songs, RATE)


@pytest.mark.skipif(not NIGHTLY, reason="of the real network only at night")
def test_threads_at_a_real_separator_get_what_one_gets(separator):
    n_threads = count("threads at one separator")
    songs = [noise(SEED + n, 44100 + n, 2) for n in range(n_threads)]
    assert_same_from_threads(separator, songs, 44100)


def separated(path):
    separator = mssviz.Separator("spleeter:2stems" if NIGHTLY else "teaching:4stems")
    sound = noise(SEED, 22050, 2)
    np.savez(path, **separator.separate(sound, 44100, progress=False).estimates)
    return sorted(separator.targets)


def test_two_processes_at_the_same_weights_get_the_same(tmp_path):
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    processes = [in_process("separated", path) for path in paths]
    targets = [said(process) for process in processes]
    separated(tmp_path / "alone.npz")
    with np.load(tmp_path / "alone.npz") as alone:
        assert targets == [sorted(alone)] * 2
        for path in paths:
            with np.load(path) as found:
                for target, stem in alone.items():
                    assert np.isfinite(stem).all()
                    np.testing.assert_array_equal(found[target], stem)


# --- Many ---------------------------------------------------------------------------------------


def held(place):
    """MiB, open files, threads and temporary files of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "mib": pages * os.sysconf("SC_PAGESIZE") >> 20,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "temporary": len(list(place.rglob("*"))),
    }


def leaks(place, times):
    """What this process holds after some separations, and after all."""
    separator = mssviz.Separator("spleeter:2stems") if NIGHTLY else small()
    place, rate = Path(place), separator.sample_rate
    sound = noise(SEED, 2 * rate, separator.preset.n_channels)
    audio.write_audio(place / "song.wav", sound, rate)
    [files] = stem_paths([place / "song.wav"], separator.targets, place / "out", FileOptions())
    seen = []
    for number in range(int(times)):
        separation = separator.separate(sound, rate, progress=False)
        filtered = separation.with_options(mwf_iterations=1).estimates
        assert np.isfinite(filtered[separator.targets[0]]).all()
        separate_file(separator, place / "song.wav", files, progress=False)
        if number in (9, int(times) - 1):
            del separation, filtered
            seen.append(held(place))
    return seen


@only_linux
def test_many_separations_hold_no_more_than_few(tmp_path):
    times = count("separations without a leak")
    after_ten, after_all = said(in_process("leaks", tmp_path, times, TMPDIR=str(tmp_path)))
    for what in ("files", "threads", "temporary"):
        assert after_all[what] == after_ten[what], (what, after_ten, after_all)
    assert after_all["mib"] - after_ten["mib"] < 20, (after_ten, after_all)


# --- Long ---------------------------------------------------------------------------------------


def peak_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


def exported(place, minutes):
    """Peaks of memory after a song of two minutes and after a long one, whose last second it is.

    What glibc keeps of freed arrays, up to 120 MiB by chance, is left out: it is none of a song's.
    """
    hold_large_apart()
    separator = mssviz.Separator(extension="average") if NIGHTLY else small()
    rate, n_channels = separator.sample_rate, separator.preset.n_channels
    peaks = []
    for length in (2, int(minutes)):
        song = Path(place, f"{length}.flac")
        with audio.AudioWriter(song, rate, n_channels) as writer:
            for number in range(60 * length):
                writer.write(noise(number % 7, rate, n_channels))
        [files] = stem_paths([song], separator.targets, place, FileOptions(codec="flac"))
        separate_file(separator, song, files, progress=False)
        peaks.append(peak_mib())
    lengths, last = [], []
    for path in files.values():
        with audio.AudioReader(path, sample_rate=None) as reader:
            lengths.append(sum(map(len, reader.blocks())) / rate)
        sound, _ = audio.load_audio(path, sample_rate=None, offset=60 * length - 1)
        last.append(sound.astype(float))
    error = sum(last) - noise((60 * length - 1) % 7, rate, n_channels)
    return {"peaks": peaks, "seconds": lengths, "error": float(np.abs(error).max())}


@only_linux
def test_a_long_song_takes_no_more_memory_than_a_short_one(tmp_path):
    minutes = count("minutes of a song")
    found = said(in_process("exported", tmp_path, minutes))
    assert found["seconds"] == [60 * minutes] * len(found["seconds"])
    short, long = found["peaks"]
    assert long - short < 64, found
    assert found["error"] < 0.01, found  # the stems still add up to the song


if __name__ == "__main__":
    work, *arguments = sys.argv[1:]
    answer = {"separated": separated, "leaks": leaks, "exported": exported}[work](*arguments)
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)
