"""Short-time Fourier transform as Spleeter computes it, for whole signals and for streams.

One silent frame is put before the signal, the end is padded, and nothing is centred or
scaled, so frame ``t`` covers samples ``(t * hop_length - n_fft)`` to ``t * hop_length``.
With a periodic Hann window and 75 % overlap the squared windows add up to 3/2, which the
inverse divides out.

Source: Spleeter 2.4.2, ``model/__init__.py``; Griffin and Lim, "Signal estimation from
modified short-time Fourier transform", IEEE Trans. ASSP 32(2), 1984, for the inverse.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft

from mssviz._checks import check_number
from mssviz._typing import AnyArray, Magnitude, Stft, Waveform
from mssviz.errors import ParameterError


@dataclass(frozen=True)
class StftParams:
    """Parameters that define a time-frequency grid.

    Parameters
    ----------
    sample_rate
        Samples per second, in hertz.
    n_fft
        Length of window and transform, in samples; 4096 is 93 ms at 44.1 kHz, long enough to tell
        neighbouring notes apart down to the bass.
    hop_length
        Distance from frame to frame, in samples; a quarter of `n_fft` (75 % overlap).

    Raises
    ------
    ParameterError
        If a value is not positive, or `n_fft` is not a whole number of times `hop_length`, four
        or more (below that the squared windows do not add up to a constant).
    """

    sample_rate: int = 44100
    n_fft: int = 4096
    hop_length: int = 1024

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length"):
            check_number(getattr(self, name), name)
        fits = self.hop_length > 0 and self.n_fft >= 4 * self.hop_length
        if not 0 < self.sample_rate < math.inf or not fits:
            raise ParameterError(
                f"STFT needs sample_rate > 0, hop_length > 0 and n_fft >= 4 hop_length "
                f"(got {self.sample_rate}, {self.hop_length}, {self.n_fft})"
            )
        if self.n_fft % self.hop_length:
            raise ParameterError(
                f"n_fft must be a multiple of hop_length (got {self.n_fft}, {self.hop_length})"
            )

    @property
    def n_bins(self) -> int:
        """Number of frequency bins, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    @cached_property
    def window(self) -> Waveform:
        """Periodic Hann window, shape ``(n_fft,)``, rounded as TensorFlow rounds it."""
        return _hann(self.n_fft)

    @property
    def overlap_gain(self) -> float:
        """Sum of the squared windows at any sample: 3/8 n_fft / hop_length."""
        return 0.375 * self.n_fft / self.hop_length

    def n_frames(self, n_samples: int) -> int:
        """Number of frames of a signal: ``ceil((n_samples + n_fft) / hop_length)``."""
        return -(-(n_samples + self.n_fft) // self.hop_length)


def check_params(params: Any) -> None:
    """Raise `ParameterError` unless this is a time-frequency grid."""
    if not isinstance(params, StftParams):
        raise ParameterError(
            "params must be mssviz.stft.StftParams(sample_rate, n_fft, hop_length), such as "
            f"separation.preset.stft (got {type(params).__name__})"
        )


def _hann(n_fft: int) -> Waveform:
    # Where a signal begins or ends, only the outermost samples of the windows cover it. There, 0.5
    # - 0.5 cos(x) in float32 is a handful of units of 2^-25, so the last bit of cos decides what
    # the network sees: a correctly rounded cosine moves masks by 1e-4 at -120 dB. So the cosine is
    # computed as in TensorFlow's kernel: reduction to |x| <= pi/4 in four steps (Cody and Waite),
    # then one of two polynomials, all in float32. The result is equal to the bit.
    angle = np.float32(2 * np.pi) * np.arange(n_fft, dtype=np.float32) / np.float32(n_fft)
    quarter = np.rint(angle * np.float32(2 / np.pi))
    x = angle
    for step in (-1.5703125, -4.8398972e-04, 1.6286504e-07, 5.5644315e-11):
        x = x + quarter * np.float32(step)
    x2 = x * x
    cosine = _polynomial(x2, (2.4372266e-05, -1.3886520e-03, 4.1666619e-02, -0.5, 1.0))
    sine = _polynomial(x2, (-1.9592341e-04, 8.3326874e-03, -1.6666662e-01)) * x2 * x + x
    quarter = quarter.astype(int)
    value = np.where(quarter % 2 == 0, cosine, sine)
    value = np.where((quarter + 1) // 2 % 2 == 1, -value, value)
    return np.float32(0.5) - np.float32(0.5) * value


def _polynomial(x: AnyArray, coefficients: tuple[float, ...]) -> AnyArray:
    # Horner's rule, highest power first, rounded to float32 at each step
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + np.float32(coefficient)
    return total


def frames_to_time(frames: AnyArray | float, params: StftParams) -> AnyArray:
    """Centre of each frame on the signal's time axis, in seconds."""
    return (np.asarray(frames) * params.hop_length - params.n_fft / 2) / params.sample_rate


def time_to_frames(seconds: AnyArray | float, params: StftParams) -> AnyArray:
    """Number of the frame whose centre is nearest to a time in seconds, int."""
    frames = (np.asarray(seconds) * params.sample_rate + params.n_fft / 2) / params.hop_length
    return np.rint(frames).astype(int)


def bins_to_hz(bins: AnyArray | float, params: StftParams) -> AnyArray:
    """Centre frequency of each bin, in hertz."""
    return np.asarray(bins) * params.sample_rate / params.n_fft


def magnitude(spectrum: Stft) -> Magnitude:
    """Absolute value of an STFT: linear, of the same shape, float32."""
    return np.abs(spectrum).astype(np.float32, copy=False)


def to_db(amplitude: AnyArray, reference: float = 1.0, floor_db: float = -120.0) -> AnyArray:
    """Level of linear amplitudes, ``20 log10(amplitude / reference)``, in decibels.

    Parameters
    ----------
    amplitude
        Linear amplitudes, non-negative, of any shape.
    reference
        Amplitude of 0 dB.
    floor_db
        Lowest level returned, in decibels, also for silence.

    Returns
    -------
    array
        Levels in decibels, of the same shape, float32.
    """
    floor = 10 ** (floor_db / 20)
    scaled = np.maximum(np.asarray(amplitude) / np.float32(reference), np.float32(floor))
    return (20 * np.log10(scaled)).astype(np.float32)


def stft(waveform: Waveform, params: StftParams) -> Stft:
    """Transform a whole waveform.

    Parameters
    ----------
    waveform
        Samples ``(n_samples, n_channels)``, float32.
    params
        Time-frequency grid.

    Returns
    -------
    Stft
        STFT ``(n_frames, n_bins, n_channels)``, complex64, with ``params.n_frames(n_samples)``
        frames.

    Raises
    ------
    ParameterError
        If the waveform has another shape, or no sample.
    """
    check_params(params)
    if not isinstance(waveform, np.ndarray) or waveform.ndim != 2:
        raise ParameterError(
            "waveform must be an array (n_samples, n_channels) (got "
            f"{type(waveform).__name__} of shape {np.shape(waveform)}); of one channel, give it "
            "with [:, None]"
        )
    if not waveform.size:
        raise ParameterError(f"waveform has no sample (its shape is {waveform.shape})")
    n_frames = params.n_frames(len(waveform))
    return next(stft_blocks([waveform], params, n_frames))


def stft_blocks(blocks: Iterable[Waveform], params: StftParams, n_frames: int) -> Iterator[Stft]:
    """Transform a stream of waveform blocks to blocks of `n_frames` frames.

    The blocks put together equal `stft` of the whole waveform; only the last block may be shorter.
    Memory holds no more than one block of input and one of output.

    Parameters
    ----------
    blocks
        Waveforms ``(any, n_channels)``, float32.
    params
        Time-frequency grid.
    n_frames
        Number of frames in each block of output.
    """
    hop, n_fft = params.hop_length, params.n_fft
    needed = (n_frames - 1) * hop + n_fft

    def transform(samples: Waveform, count: int) -> Stft:
        windows = np.lib.stride_tricks.sliding_window_view(samples, n_fft, axis=0)[::hop][:count]
        # (frames, channels, n_fft) -> (frames, channels, bins), shown as (frames, bins, channels)
        spectrum = scipy.fft.rfft(windows * params.window, axis=-1, workers=-1)
        return np.moveaxis(spectrum, 1, 2)

    samples: Waveform | None = None
    n_samples = n_done = 0
    for block in blocks:
        n_samples += len(block)
        for start in range(0, len(block), needed):
            piece = block[start : start + needed]
            if samples is None:
                samples = np.zeros((n_fft, block.shape[1]), np.float32)
            samples = np.concatenate([samples, piece])
            while len(samples) >= needed:
                yield transform(samples, n_frames)
                n_done += n_frames
                samples = samples[n_frames * hop :]
    if samples is None:
        return
    while (left := params.n_frames(n_samples) - n_done) > 0:
        count = min(left, n_frames)
        missing = (count - 1) * hop + n_fft - len(samples)
        yield transform(np.pad(samples, ((0, max(0, missing)), (0, 0))), count)
        n_done += count
        samples = samples[count * hop :]


def istft(spectrum: Stft, params: StftParams, n_samples: int) -> Waveform:
    """Inverse of `stft`: a waveform of exactly `n_samples`.

    Parameters
    ----------
    spectrum
        STFT ``(n_frames, n_bins, n_channels)``, complex64.
    params
        Time-frequency grid.
    n_samples
        Length of the signal that was transformed, in samples.

    Returns
    -------
    Waveform
        Samples ``(n_samples, n_channels)``, float32; ``istft(stft(x)) == x`` to about 1e-7.
    """
    check_params(params)
    if not n_samples >= 0:
        raise ParameterError(f"n_samples must be 0 or more (got {n_samples})")
    synthesis = OverlapAdd(params)
    return np.concatenate([synthesis.add(spectrum), synthesis.flush()])[:n_samples]


def istft_part(spectrum: Stft, params: StftParams, first: int) -> tuple[int, Waveform]:
    """Compute the samples that some consecutive frames of an STFT determine by themselves.

    Parameters
    ----------
    spectrum
        Frames ``(n_frames, n_bins, n_channels)``, complex64, at least ``n_fft / hop_length`` of
        them.
    params
        Time-frequency grid.
    first
        Number of the first of these frames in the signal's STFT.

    Returns
    -------
    start : int
        Number of the first sample; below 0 in the padding before the signal.
    waveform : Waveform
        Samples ``(n_samples, n_channels)``; may reach into the padding after the signal.
    """
    # the first hops lack what earlier frames would have added
    incomplete = params.n_fft - params.hop_length
    part = OverlapAdd(params, skip=incomplete).add(spectrum)
    return first * params.hop_length - params.n_fft + incomplete, part


class OverlapAdd:
    """Inverse STFT of a stream: `add` blocks of frames in order, then `flush`.

    The samples returned by all calls, put together, are the signal followed by some padding; the
    caller cuts them to the signal's length.

    Parameters
    ----------
    params
        Time-frequency grid.
    skip
        Number of samples to leave out at the beginning; by default the padding before the signal.
    """

    def __init__(self, params: StftParams, skip: int | None = None) -> None:
        self.params = params
        self._tail: Waveform | None = None
        self._to_skip = params.n_fft if skip is None else skip

    def add(self, spectrum: Stft) -> Waveform:
        """Add frames ``(n_frames, n_bins, n_channels)`` and return the samples now complete."""
        hop, n_fft = self.params.hop_length, self.params.n_fft
        # (frames, bins, channels) -> (frames, channels, n_fft), cut into hops
        frames = scipy.fft.irfft(np.moveaxis(spectrum, 1, 2), n_fft, axis=-1, workers=-1)
        frames *= self.params.window / np.float32(self.params.overlap_gain)
        n_frames, n_channels, _ = frames.shape
        overlap = n_fft // hop
        hops = np.zeros((n_frames + overlap - 1, n_channels, hop), np.float32)
        if self._tail is not None:
            hops[: overlap - 1] = self._tail
        for i in range(overlap):
            hops[i : i + n_frames] += frames[:, :, i * hop : (i + 1) * hop]
        self._tail = hops[n_frames:].copy()
        return self._skip(hops[:n_frames])

    def flush(self) -> Waveform:
        """Return the samples after the last frame's hop."""
        if self._tail is None:
            raise ParameterError("nothing was added to this inverse STFT before flush()")
        return self._skip(self._tail)

    def _skip(self, hops: AnyArray) -> Waveform:
        samples = hops.transpose(0, 2, 1).reshape(-1, hops.shape[1])
        skipped = min(self._to_skip, len(samples))
        self._to_skip -= skipped
        return samples[skipped:]


class Frames:
    """An array ``(n_frames, n_bins, n_channels)`` of which frames are computed when looked at.

    It is indexed by frames first, like an array; ``numpy.asarray`` computes it all.

    Parameters
    ----------
    shape, dtype
        Shape and type of the whole array.
    compute
        Function that takes ``(start, stop)``, at least one frame, and gives these frames.
    """

    ndim = 3

    def __init__(
        self, shape: tuple[int, int, int], dtype: Any, compute: Callable[[int, int], AnyArray]
    ) -> None:
        self.shape, self.dtype, self._compute = shape, np.dtype(dtype), compute

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Frames(shape={self.shape}, dtype={self.dtype}, computed on access)"

    def __getitem__(self, index: Any) -> AnyArray:
        first, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        if isinstance(first, slice):
            start, stop, step = first.indices(len(self))
            if step < 1:
                raise ParameterError(f"frames are indexed forwards (got step {step})")
            if stop <= start:
                return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
            return self._compute(start, stop)[(slice(None, None, step), *rest)]
        try:
            frame = range(len(self))[first]
        except TypeError:
            raise ParameterError(
                f"frames are indexed by an integer or a slice (got {type(first).__name__}); for "
                "other indices make an array first, with numpy.asarray"
            ) from None
        return self._compute(frame, frame + 1)[(0, *rest)]

    def __reduce__(self) -> Any:
        return np.asarray, (self[:],)  # the function itself stays in this process

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = self[:]
        return values if dtype is None else values.astype(dtype, copy=False)


def stft_frames(waveform: Waveform, params: StftParams, precise: bool = False) -> Frames:
    """STFT of a waveform, computed when it is looked at.

    Parameters
    ----------
    waveform
        Samples ``(n_samples, n_channels)``, float32.
    params
        Time-frequency grid.
    precise
        Whether to compute in float64, to complex128.
    """
    shape = (params.n_frames(len(waveform)), params.n_bins, waveform.shape[1])

    def compute(start: int, stop: int) -> AnyArray:
        return _stft_slice(waveform, params, start, stop - start, precise)

    return Frames(shape, np.complex128 if precise else np.complex64, compute)


def _stft_slice(
    mixture: Waveform, params: StftParams, first: int, count: int, precise: bool
) -> AnyArray:
    # frames first … first + count of the mixture's STFT, from the samples that they cover
    start = first * params.hop_length - params.n_fft
    stop = (first + count) * params.hop_length
    samples = mixture[max(0, start) : max(0, stop)].astype(
        np.float64 if precise else np.float32, copy=False
    )
    before = max(0, -start)
    padded = np.pad(samples, ((before, 0), (0, 0)))
    # stft_blocks puts n_fft zeros in front: skip the frames that cover them
    skip = params.n_fft // params.hop_length
    return next(stft_blocks([padded], params, skip + count))[skip:]
