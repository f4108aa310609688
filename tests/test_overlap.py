"""Chunks that overlap: any length, any blocks, exactly as the reference fades them."""

import numpy as np
import pytest

from mssviz.separators import chunks
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


def test_a_long_stream_is_held_a_chunk_at_a_time():
    """Two million samples that are made while they are read; the reader is never far ahead."""
    given = taken = 0

    def blocks():
        nonlocal given
        for _ in range(2000):
            given += 1000
            yield np.zeros((1000, 2), np.float32)

    for part in chunks.in_chunks(blocks(), 10_000, 4, lambda patch: patch):
        taken += len(part)
        assert given - taken < 45_000
    assert taken == 2_000_000
