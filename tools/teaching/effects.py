"""Light effects that vary a timbre. Waveforms are `(n_samples, 2)` float arrays at 44.1 kHz."""

import numpy as np
from scipy import fft, signal

SAMPLE_RATE = 44100


def rms_db(waveform: np.ndarray, *, active: bool = False) -> float:
    """Return the level in dB of full scale; if `active`, over blocks of 0.1 s that sound."""
    n_blocks = len(waveform) // 4410
    power = np.square(waveform[: n_blocks * 4410]).reshape(n_blocks, -1).mean(axis=1)
    if active:
        power = power[power > 1e-4 * power.max()] if power.max() > 0 else power
    return float(10 * np.log10(power.mean() + 1e-12))


def equalise(rng: np.random.Generator, waveform: np.ndarray, spread_db: float) -> np.ndarray:
    """Multiply the spectrum by a smooth random curve of about `spread_db` on six octave points."""
    points = np.log2([40, 120, 400, 1200, 4000, 12000])
    gains_db = rng.normal(0, spread_db, 6)
    n_fft = fft.next_fast_len(len(waveform), real=True)
    frequencies = np.log2(np.maximum(fft.rfftfreq(n_fft, 1 / SAMPLE_RATE), 20))
    gain = 10 ** (np.interp(frequencies, points, gains_db - gains_db.mean()) / 20)
    spectrum = fft.rfft(waveform.astype(np.float32), n_fft, axis=0)
    return fft.irfft(spectrum * gain[:, None].astype(np.float32), n_fft, axis=0)[: len(waveform)]


def saturate(waveform: np.ndarray, drive_db: float) -> np.ndarray:
    """Bend peaks with tanh; at `drive_db` the peak reaches that far above the bend."""
    peak = np.abs(waveform).max() + 1e-9
    drive = 10 ** (drive_db / 20) / peak
    return np.tanh(waveform * drive) / drive


def compress(waveform: np.ndarray, ratio: float) -> np.ndarray:
    """Reduce levels above the mean by `ratio`, with a level measured over about 30 ms."""
    hop = 441
    n_blocks = len(waveform) // hop
    level = np.sqrt(np.square(waveform[: n_blocks * hop]).reshape(n_blocks, -1).mean(axis=1))
    level = np.convolve(level, np.ones(3) / 3, "same")
    threshold = 10 ** (rms_db(waveform, active=True) / 20)
    gain = np.maximum(level / threshold, 1) ** (1 / ratio - 1)
    return waveform * _spread(gain, hop, len(waveform))


def _spread(values: np.ndarray, hop: int, n_samples: int) -> np.ndarray:
    return np.interp(np.arange(n_samples), np.arange(len(values)) * hop + hop / 2, values)[:, None]


def reverberate(
    rng: np.random.Generator, waveform: np.ndarray, seconds: float, wet: float
) -> np.ndarray:
    """Add stereo noise that decays by 60 dB in `seconds`, darker with time; same length."""
    n_tail = int(seconds * SAMPLE_RATE)
    time = np.arange(n_tail) / SAMPLE_RATE
    tail = rng.normal(size=(n_tail, 2)) * (10 ** (-3 * time / seconds))[:, None]
    low, high = (
        signal.butter(1, 3500, fs=SAMPLE_RATE),
        signal.butter(1, 200, "high", fs=SAMPLE_RATE),
    )
    tail = signal.lfilter(*high, signal.lfilter(*low, tail, axis=0), axis=0)
    tail = np.roll(tail, int(rng.uniform(0.002, 0.03) * SAMPLE_RATE), axis=0)
    tail /= np.sqrt(np.square(tail).sum(axis=0))
    wet_tail = (wet * tail).astype(np.float32)
    return (
        waveform + signal.oaconvolve(waveform.astype(np.float32), wet_tail, axes=0)[: len(waveform)]
    )


def chorus(rng: np.random.Generator, waveform: np.ndarray, wet: float) -> np.ndarray:
    """Add a copy whose delay sways around 15 ms, with other phases left and right."""
    n_samples = len(waveform)
    time = np.arange(n_samples)
    rate, depth = rng.uniform(0.2, 1.2), rng.uniform(30, 120)
    out = waveform.copy()
    for channel in (0, 1):
        sway = np.sin(2 * np.pi * rate * time / SAMPLE_RATE + channel * np.pi / 2)
        delayed = np.interp(time - 660 - depth * sway, time, waveform[:, channel], left=0)
        out[:, channel] += wet * delayed
    return out


def echo(waveform: np.ndarray, seconds: float, wet: float, *, times: int = 3) -> np.ndarray:
    """Repeat the sound a few times, softer and from alternating sides."""
    out, step = waveform.copy(), int(seconds * SAMPLE_RATE)
    for k in range(1, times + 1):
        sides = np.array([1.0, 0.4] if k % 2 else [0.4, 1.0])
        out[k * step :] += wet**k * sides * waveform[: len(waveform) - k * step]
    return out


def place(waveform: np.ndarray, pan: float, width: float) -> np.ndarray:
    """Turn the balance to `pan` in [-1, 1] and scale the difference of channels by `width`."""
    middle, side = waveform.mean(axis=1), (waveform[:, 0] - waveform[:, 1]) / 2 * width
    angle = (pan + 1) * np.pi / 4
    left, right = np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)
    return np.stack([(middle + side) * left, (middle - side) * right], axis=1)
