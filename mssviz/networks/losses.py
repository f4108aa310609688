"""Losses, which training makes small: functions of estimates, true targets and mixture.

``loss(estimates, targets, mixture)`` takes lists of one tensor for each target and gives
``(n_examples, n_parts)``. The first parts belong to the targets, in order; the loss of an example
is the sum of all its parts.

Networks that read magnitudes get magnitudes ``(n_examples, T, F, C)``. Networks that read spectra
give magnitudes, while targets and mixture are complex. Networks that read waveforms get waveforms
``(n_examples, n_samples, C)``.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mssviz.networks._tensorflow import tf


def l1(estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None) -> Any:
    """Mean absolute difference of magnitudes, or of samples."""
    return _each(lambda e, t: _mean(tf.abs(e - t)), estimates, targets)


def weighted_l1(estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None) -> Any:
    """`l1` times the target's mean magnitude: loud examples count more."""
    return _each(lambda e, t: _mean(t) * _mean(tf.abs(e - t)), estimates, targets)


def mean_square(estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None) -> Any:
    """Mean square of the difference of magnitudes, or of samples."""
    return _each(lambda e, t: _mean(tf.square(e - t)), estimates, targets)


def _each(
    measure: Callable[[Any, Any], Any], estimates: Sequence[Any], targets: Sequence[Any]
) -> Any:
    # the modulus of a complex spectrum; samples stay as they are
    true = [tf.abs(t) if tf.as_dtype(t.dtype).is_complex else t for t in targets]
    return tf.stack([measure(e, t) for e, t in zip(estimates, true, strict=True)], axis=1)


def _mean(values: Any) -> Any:
    return tf.reduce_mean(values, axis=tuple(range(1, len(values.shape))))
