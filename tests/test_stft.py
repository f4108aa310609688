import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssviz.errors import ParameterError
from mssviz.stft import (
    OverlapAdd,
    StftParams,
    bins_to_hz,
    frames_to_time,
    istft,
    istft_part,
    magnitude,
    stft,
    stft_blocks,
    time_to_frames,
    to_db,
)

lean = settings(deadline=None, max_examples=30)
grids = st.sampled_from(
    [StftParams(44100, *sizes) for sizes in ((4096, 1024), (512, 128), (64, 8), (100, 25), (15, 3))]
)
seeds = st.integers(0, 2**32 - 1)
SMALL = StftParams(8000, 64, 16)


def noise(n_samples, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n_samples, n_channels)).astype(np.float32)


@lean
@given(n_samples=st.integers(1, 6000), n_channels=st.integers(1, 3), params=grids, seed=seeds)
def test_the_inverse_restores_the_signal(n_samples, n_channels, params, seed):
    waveform = noise(n_samples, n_channels, seed)
    spectrum = stft(waveform, params)
    assert spectrum.shape == (params.n_frames(n_samples), params.n_bins, n_channels)
    assert spectrum.dtype == np.complex64
    restored = istft(spectrum, params, n_samples)
    assert restored.shape == waveform.shape
    assert restored.dtype == np.float32
    assert np.abs(restored - waveform).max() < 1e-6


@pytest.mark.parametrize(
    ("n_samples", "n_frames"), [(1, 5), (1023, 5), (1024, 5), (1025, 6), (441000, 435)]
)
def test_frames_are_counted_from_a_silent_window_before_the_signal(n_samples, n_frames):
    params = StftParams()
    assert params.n_frames(n_samples) == n_frames == -(-(n_samples + 4096) // 1024)


@lean
@given(
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=8).filter(any),
    n_frames=st.integers(1, 40),
    params=st.sampled_from([SMALL, StftParams(8000, 100, 25), StftParams(8000, 512, 64)]),
)
def test_blocks_of_any_size_give_the_whole_transform(sizes, n_frames, params):
    waveform = noise(sum(sizes))
    blocks = np.split(waveform, np.cumsum(sizes)[:-1])
    pieces = list(stft_blocks(blocks, params, n_frames))
    assert all(len(piece) == n_frames for piece in pieces[:-1])
    assert np.array_equal(np.concatenate(pieces), stft(waveform, params))


@lean
@given(cuts=st.lists(st.integers(1, 60), max_size=5), n_channels=st.integers(1, 3))
def test_overlap_add_of_a_stream_equals_the_inverse_of_the_whole(cuts, n_channels):
    spectrum = stft(noise(900, n_channels), SMALL)
    pieces = [p for p in np.split(spectrum, np.unique(cuts)) if len(p)]
    synthesis = OverlapAdd(SMALL)
    samples = [synthesis.add(piece) for piece in pieces] + [synthesis.flush()]
    assert np.allclose(np.concatenate(samples)[:900], istft(spectrum, SMALL, 900), atol=1e-6)


@pytest.mark.parametrize("n_fft", [256, 512, 1024, 1600, 2048, 4096, 8192])
def test_window_is_tensorflows_to_the_bit(n_fft):
    from mssviz.networks._tensorflow import tf

    expected = tf.signal.hann_window(n_fft, periodic=True).numpy()
    assert np.array_equal(StftParams(44100, n_fft, n_fft // 4).window, expected)


def test_windows_that_do_not_fill_whole_vectors_of_the_processor_differ_by_rounding_alone():
    from mssviz.networks._tensorflow import tf

    for n_fft in (4, 12, 100, 1004):
        expected = tf.signal.hann_window(n_fft, periodic=True).numpy()
        found = StftParams(44100, n_fft, n_fft // 4).window
        assert np.abs(found - expected).max() < 1e-7


@pytest.mark.parametrize("n_samples", [1, 1024, 30000])
def test_stft_is_tensorflows_with_a_silent_window_in_front(n_samples):
    from mssviz.networks._tensorflow import tf

    waveform, params = noise(n_samples), StftParams()
    padded = np.concatenate([np.zeros((4096, 2), np.float32), waveform])
    expected = tf.signal.stft(padded.T, 4096, 1024, fft_length=4096, pad_end=True).numpy()
    expected = expected.transpose(1, 2, 0)
    found = stft(waveform, params)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_squared_windows_add_up_to_the_overlap_gain():
    for params in (StftParams(), SMALL, StftParams(44100, 1024, 128), StftParams(44100, 15, 3)):
        total = np.square(params.window, dtype=float).reshape(-1, params.hop_length).sum(axis=0)
        assert np.allclose(total, params.overlap_gain, rtol=1e-6)


def test_a_click_lies_in_the_frame_whose_centre_it_is_at():
    params, waveform = StftParams(), np.zeros((44100, 1), np.float32)
    waveform[20480] = 1
    level = magnitude(stft(waveform, params)).mean(axis=(1, 2))
    assert np.argmax(level) == time_to_frames(20480 / 44100, params)
    assert frames_to_time(np.argmax(level), params) == pytest.approx(20480 / 44100)


@lean
@given(frame=st.integers(0, 10**6), params=grids)
def test_time_and_frames_are_inverse(frame, params):
    assert time_to_frames(frames_to_time(frame, params), params) == frame


def test_bins_to_hz():
    assert np.allclose(bins_to_hz([0, 1, 2048], StftParams()), [0, 44100 / 4096, 22050])


def test_decibels_have_a_reference_and_a_floor():
    found = to_db(np.array([1, 10, 0.1, 0, 1e-30], np.float32))
    assert np.allclose(found, [0, 20, -20, -120, -120], atol=1e-4)
    assert found.dtype == np.float32
    assert to_db(np.float32(2), reference=2) == pytest.approx(0)
    assert to_db(np.zeros(1), floor_db=-60) == pytest.approx(-60)


@pytest.mark.parametrize(
    "values", [(0, 4096, 1024), (44100, 4096, 0), (44100, 4096, 2048), (44100, 4096, 1000)]
)
def test_grids_that_cannot_be_inverted_are_refused(values):
    with pytest.raises(ParameterError, match="got"):
        StftParams(*values)


@pytest.mark.parametrize("n_samples", [1, 5000, 30_000])
def test_parts_of_a_spectrum_give_the_samples_that_they_determine(n_samples):
    params = StftParams()
    signal = noise(n_samples)
    spectrum = stft(signal, params)
    for first, stop in ((0, len(spectrum)), (0, 4), (1, 5), (3, len(spectrum))):
        start, part = istft_part(spectrum[first:stop], params, first)
        start, part = max(0, start), part[max(0, -start) :][: n_samples - max(0, start)]
        assert np.allclose(part, signal[start : start + len(part)], atol=1e-6)
    start, part = istft_part(spectrum, params, 0)
    assert start <= 0
    assert start + len(part) >= n_samples


def test_flush_before_add_is_an_error():
    with pytest.raises(ParameterError, match="flush"):
        OverlapAdd(SMALL).flush()


def test_inputs_are_not_changed():
    waveform = noise(500)
    kept = waveform.copy()
    spectrum = stft(waveform, SMALL)
    kept_spectrum = spectrum.copy()
    istft(spectrum, SMALL, 500)
    to_db(magnitude(spectrum))
    assert np.array_equal(waveform, kept)
    assert np.array_equal(spectrum, kept_spectrum)


def test_a_waveform_without_samples_is_refused():
    with pytest.raises(ParameterError, match=r"no sample \(its shape is \(0, 2\)\)"):
        stft(np.zeros((0, 2), np.float32), SMALL)


def test_silence_stays_silent():
    spectrum = stft(np.zeros((500, 2), np.float32), SMALL)
    assert not spectrum.any()
    assert not istft(spectrum, SMALL, 500).any()
    assert np.isfinite(to_db(magnitude(spectrum))).all()
