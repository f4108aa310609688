"""Chunks on disk: made again when damaged, shared by processes, told when there is no room."""

import dataclasses
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mssviz import _files, audio, datasets, training
from mssviz.errors import AudioError, FileError, ParameterError
from mssviz.training import songs as examined
from mssviz.training.chunks import Chunks

RATE = 44100
TINY = dataclasses.replace(training.tiny(), patch_frames=16, model_bins=64)


def noise(seed, level=0.1, seconds=1.0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-level, level, (round(seconds * RATE), 2)).astype(np.float32)


def song(folder, level=0.1, mixture=None, **stems):
    """A folder of stems, and of a mixture that need not be their sum."""
    folder.mkdir(parents=True)
    stems = stems or {"vocals": noise(1, level), "other": noise(2, level)}
    files = {**stems, **({} if mixture is None else {"mixture": mixture})}
    for name, waveform in files.items():
        audio.write_audio(folder / f"{name}.wav", waveform, RATE, bit_depth="float")
    track = datasets.from_folder(folder)
    if mixture is not None:
        track = dataclasses.replace(track, mixture=(folder / "mixture.wav", 0))
    return track


@pytest.fixture
def made(tmp_path):
    """A song and its chunks."""
    tracks = {"song": song(tmp_path / "song")}
    chunks = Chunks(tracks, TINY, 0.6, 2, tmp_path / "cache")
    chunks.decode(progress=False)
    return tracks, chunks


def again(tracks, chunks):
    return Chunks(tracks, TINY, 0.6, 2, chunks.folder)


# --- Damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(16))
def test_damaged_spectra_are_made_again(made, seed):
    tracks, chunks = made
    path = chunks.files["song"]
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    data = bytearray(whole)
    place = int(rng.integers(len(data)))
    if seed % 4 == 0:
        del data[place:]
    elif seed % 4 == 1:
        data[place] ^= 1 << int(rng.integers(8))
    elif seed % 4 == 2:
        data[place : place + 30] = bytes(30 if any(data[place : place + 30]) else 0)
    else:
        data = bytearray(rng.bytes(seed))
    path.write_bytes(data)
    mended = again(tracks, chunks)
    assert set(mended.looks(progress=False)) == {"song"}
    mended.decode(progress=False)
    assert path.read_bytes() == whole


def test_spectra_without_a_checksum_are_made_again(made):
    tracks, chunks = made
    path = chunks.files["song"]
    whole = path.read_bytes()
    np.save(path, np.load(path))
    mended = again(tracks, chunks)
    mended.decode(progress=False)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 3, 4), np.float16), np.array([{}, []], object), np.zeros((2, 3, 22, 2, 64, 2))],
    ids=["shape", "objects", "type"],
)
def test_other_numbers_in_a_file_are_one_line(made, array):
    tracks, chunks = made
    path = chunks.files["song"]
    np.save(path, array)
    _files.seal(path)
    with pytest.raises(FileError, match=r"\.npy: spectra cannot be read .*; delete the file"):
        len(again(tracks, chunks))


def test_a_file_that_is_gone_is_one_line(made):
    tracks, chunks = made
    taken = again(tracks, chunks)
    chunks.files["song"].unlink()
    with pytest.raises(FileError, match="spectra cannot be read"):
        len(taken)


def test_sound_beyond_half_precision_is_refused_and_not_kept(tmp_path):
    steady = np.full((RATE, 2), 60, np.float32)  # as loud as nobody means, but no integers
    tracks = {"song": song(tmp_path / "song", vocals=steady, other=noise(1))}
    chunks = Chunks(tracks, TINY, 0.6, 2, tmp_path / "cache")
    with pytest.raises(AudioError, match="song: is too loud"):
        chunks.decode(progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


# --- Processes --------------------------------------------------------------------------------

SHARED = """
import sys
from pathlib import Path
import pandas as pd
from mssviz import comparison, datasets
from mssviz.training.chunks import Chunks
from tests.test_chunks import TINY
songs, cache = map(Path, sys.argv[1:3])
table = pd.DataFrame([("a", 0.0, "SDR", 1.0)] * 100, columns=comparison.store.KEPT)
print("ready", flush=True)
sys.stdin.readline()
Chunks(datasets.from_folders(songs), TINY, 0.6, 2, cache).decode(progress=False)
store = comparison.store.ScoreStore(cache)
for _ in range(100):
    store.put("key", table)
"""


def test_processes_that_share_a_cache_do_not_disturb_each_other(tmp_path):
    tracks = {
        f"song {i}": song(tmp_path / "songs" / f"song {i}", level=0.1 * (i + 1)) for i in range(3)
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SHARED, str(tmp_path / "songs"), str(tmp_path / "cache")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    chunks = Chunks(tracks, TINY, 0.6, 2, tmp_path / "cache")
    assert chunks.looks(progress=False) == {}
    assert len(chunks) == 3
    kept = sorted(path.suffix for path in (tmp_path / "cache").iterdir())
    assert kept == [".json"] + [".npy"] * 3


# --- Room -------------------------------------------------------------------------------------


def test_the_space_that_is_asked_for_is_what_files_take(made, tmp_path):
    tracks, _ = made
    for preset in (TINY, dataclasses.replace(TINY, model={"type": "wave_unet"}, patch_samples=9)):
        for seconds, per_track in ((0.6, 2), (0.6, 1), (5.0, 3)):
            wanted = Chunks(tracks, preset, seconds, per_track, tmp_path / "other")
            look = wanted.looks(progress=False)["song"]
            wanted.decode(progress=False)
            assert 0 < wanted.files["song"].stat().st_size - look.n_bytes < 300


def test_too_small_a_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    tracks = {f"song {i}": song(tmp_path / f"song {i}") for i in range(3)}
    cache = tmp_path / "cache" / "spectra"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1 << 16))
    with pytest.raises(FileError) as caught:
        training.train(tracks, tmp_path / "out", TINY, cache=cache, progress=False,
                       settings=training.Settings(steps=1, chunk_seconds=0.9))  # fmt: skip
    text = str(caught.value)
    assert text.startswith(f"{cache}: has 0 MiB free, the spectra of 3 tracks need 1 MiB; free")
    assert "MSSVIZ_CACHE or --cache" in text
    assert not cache.parent.exists()
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path):
    chunks = Chunks({"song": song(tmp_path / "song")}, TINY, 0.6, 2, tmp_path / "cache")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"cannot be written .* take 0 MiB: .* MSSVIZ_CACHE"):
            chunks.decode(progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "cache").iterdir()) == []


# --- Songs ------------------------------------------------------------------------------------


def checked(tracks, tmp_path, mixture=None):
    chunks = Chunks(tracks, TINY, 0.6, 2, tmp_path / "cache", summed=mixture == "sum")
    examined.check([chunks], mixture, progress=False)
    chunks.decode(progress=False)
    return chunks


def test_silent_stems_are_learnt_with_a_note_over_many(tmp_path):
    quiet = {"vocals": 0 * noise(1), "other": noise(2)}
    tracks = {f"song {i}": song(tmp_path / f"song {i}", **quiet) for i in range(12)}
    with pytest.warns(UserWarning, match=r"silent throughout .*: song 0 \(vocals\).* 2 others$"):
        chunks = checked(tracks, tmp_path)
    assert not chunks.read(0, 1, 0, chunks.length).any()
    assert np.array_equal(*(chunks.read(0, part, 0, chunks.length) for part in (0, 2)))


def test_a_song_of_nothing_is_refused(tmp_path):
    tracks = {"void": song(tmp_path / "void", vocals=0 * noise(1), other=0 * noise(1))}
    with pytest.raises(ParameterError, match="void: the mixture is silent"):
        checked(tracks, tmp_path)


def test_mixtures_that_are_the_sum_need_no_choice(tmp_path):
    summed = noise(1) + noise(2)
    chunks = checked({"song": song(tmp_path / "song", mixture=summed)}, tmp_path)
    assert len(chunks) == 1


def test_mastered_mixtures_are_a_choice(tmp_path):
    mastered = np.tanh(20 * (noise(1) + noise(2))) / 2
    tracks = {f"song {i}": song(tmp_path / f"song {i}", mixture=mastered) for i in range(12)}
    with pytest.raises(ParameterError) as caught:
        checked(tracks, tmp_path)
    text = str(caught.value)
    assert text.startswith("the mixtures of 12 of 12 tracks are not the sum")
    assert "song 0 (-" in text
    assert "and 2 others. If they are mastered, choose mixture='file'" in text
    assert "'sum'" in text
    assert "song 11" not in text
    assert not (tmp_path / "cache").exists()

    with pytest.warns(UserWarning, match=r"12 of 12 tracks .* mixture is 'file'"):
        taken = checked(tracks, tmp_path, "file")
    summed = checked(tracks, tmp_path, "sum")
    for chunks, is_sum in ((taken, False), (summed, True)):
        mixture, *stems = chunks.read(0, slice(None), 0, chunks.length)
        assert np.allclose(mixture, sum(stems), atol=0.05) == is_sum


def test_every_song_that_cannot_be_read_is_named(tmp_path):
    tracks = {f"song {i}": song(tmp_path / f"song {i}") for i in range(13)}
    for i in range(12):
        (tmp_path / f"song {i}" / "vocals.wav").write_bytes(b"no sound")
    with pytest.raises(ParameterError) as caught:
        checked(tracks, tmp_path)
    text = str(caught.value)
    assert text.startswith("12 of 13 tracks are not fit for training")
    assert text.endswith("| and 2 others: song 10, song 11")
    assert all(f"song {i}: " in text for i in range(10))
    assert "\n" not in text
