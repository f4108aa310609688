"""Chunks that overlap: any length, any blocks, exactly as the reference fades them."""

import numpy as np
import pytest

from mssviz.separators import chunks, levels
from tests.test_roformers import CHUNK, GOLDEN, OVERLAP, loaded


def cut(samples, sizes):
    return iter(np.split(samples, np.cumsum(sizes)[:-1]))


@pytest.mark.parametrize("name", ["bs_ckpt", "mel_ckpt"])
@pytest.mark.parametrize("sizes", [(2000,), (7, 1000, 993), (360,) * 5 + (200,)])
def test_songs_in_chunks_equal_the_references(name, sizes, tmp_path):
    network, samples = loaded(name, tmp_path), GOLDEN["mixture"].T

    def estimate(patch):
        return np.concatenate([s[0] for s in network(patch[np.newaxis]).values()], axis=1)

    found = np.concatenate(list(chunks.in_chunks(cut(samples, sizes), CHUNK, OVERLAP, estimate)))
    assert np.array_equal(found[:, :2], samples)
    for n, reference in enumerate(GOLDEN[f"{name.split('_')[0]}_song"], start=1):
        difference = found[:, 2 * n : 2 * n + 2].T - reference
        assert np.abs(difference).max() < 1e-4 * np.abs(reference).max()


@pytest.mark.parametrize("n_samples", [0, 1, 24, 49, 50, 51, 99, 100, 101, 150, 151, 333])
@pytest.mark.parametrize("overlap", [1, 2, 4])
def test_chunks_of_the_mixture_itself_are_the_mixture(n_samples, overlap):
    samples = np.random.default_rng(0).normal(size=(n_samples, 2)).astype(np.float32)

    def estimate(patch):
        assert patch.shape == (100, 2)
        return patch + 1

    blocks = cut(samples, [n_samples // 2, n_samples - n_samples // 2])
    found = [*chunks.in_chunks(blocks, 100, overlap, estimate), np.zeros((0, 4))]
    found = np.concatenate(found)
    assert np.array_equal(found[:, :2], samples)
    # where chunks only touch, the first sample and the last of one have no weight
    inside = ~np.isin(np.arange(n_samples) % 100, (0, 99) if overlap == 1 else ())
    assert np.allclose(found[inside, 2:], samples[inside] + 1, atol=1e-5)


@pytest.mark.parametrize("n_samples", [0, 1, 24, 49, 74, 75, 76, 99, 100, 101, 150, 151, 333])
@pytest.mark.parametrize("n_chunk", [100, 101])
@pytest.mark.parametrize("crossfade", [0, 0.25, 0.5])
def test_chunks_faded_by_triangles_are_as_demucs_has_them(n_samples, n_chunk, crossfade):
    """Beside what demucs does, written out for a song in memory."""
    rng = np.random.default_rng(0)
    samples, factors = rng.normal(size=(n_samples, 2)), rng.normal(size=(n_chunk, 1))

    def estimate(patch):
        return np.cumsum(patch, axis=0) * factors  # what comes before counts

    half = n_chunk // 2
    weights = np.concatenate([np.arange(1, half + 1), np.arange(n_chunk - half, 0, -1)])[:, None]
    expected, total = np.zeros((n_samples, 2)), np.zeros((n_samples, 1))
    for start in range(0, n_samples, int((1 - crossfade) * n_chunk)):
        part = slice(start, min(start + n_chunk, n_samples))
        length = part.stop - start
        before = (n_chunk - length) // 2
        around = np.pad(samples, ((n_chunk, n_chunk), (0, 0)))[n_chunk + start - before :][:n_chunk]
        found = estimate(around)[before : before + length]
        expected[part] += weights[:length] * found
        total[part] += weights[:length]
    given = samples.astype(np.float32)
    blocks = cut(given, [n_samples // 3, n_samples - n_samples // 3])
    parts = chunks.in_triangles(blocks, n_chunk, crossfade, estimate)
    found = np.concatenate([*parts, np.zeros((0, 4))])
    assert np.array_equal(found[:, :2], given)
    assert np.allclose(found[:, 2:], expected / np.maximum(total, 1), atol=1e-4)


@pytest.mark.parametrize("n_samples", [0, 1, 5, 3_000_000])
def test_a_song_is_brought_to_one_level_and_back(n_samples):
    rng = np.random.default_rng(0)
    samples = (0.2 * rng.normal(size=(n_samples, 2)) + 0.1).astype(np.float32)
    seen = []

    def separate(blocks):
        for block in blocks:
            seen.append(block)
            yield np.concatenate([block, 2 * block], axis=1)

    blocks = cut(samples, [n_samples // 3, n_samples - n_samples // 3])
    found = np.concatenate([*levels.at_song_level(blocks, 2, separate), np.zeros((0, 4))])
    assert np.array_equal(found[:, :2], samples)
    if n_samples > 1:
        mono = samples.mean(axis=1, dtype=float)
        assert np.allclose(found[:, 2:], 2 * (samples - mono.mean()) + mono.mean(), atol=1e-5)
        heard = np.concatenate(seen).mean(axis=1, dtype=float)
        assert abs(heard.mean()) < 1e-5
        assert heard.std(ddof=1) == pytest.approx(1, abs=1e-5)


def test_silence_stays_silent_at_any_level():
    silence = np.full((1000, 2), 0.25, np.float32)
    found = levels.at_song_level(
        [silence], 2, lambda blocks: (np.tile(block, 2) for block in blocks)
    )
    assert np.allclose(np.concatenate(list(found)), 0.25)


@pytest.mark.parametrize(("way", "share"), [(chunks.in_chunks, 4), (chunks.in_triangles, 0.25)])
def test_a_long_stream_is_held_a_chunk_at_a_time(way, share):
    """Two million samples that are made while they are read; the reader is never far ahead."""
    given = taken = 0

    def blocks():
        nonlocal given
        for _ in range(2000):
            given += 1000
            yield np.zeros((1000, 2), np.float32)

    for part in way(blocks(), 10_000, share, lambda patch: patch):
        taken += len(part)
        assert given - taken < 45_000
    assert taken == 2_000_000
