"""X-UMX (CrossNet-Open-Unmix): Open-Unmix networks that share two averages, and their loss.

Layers and shapes are those of `openunmix`, whose picture has the details; H is `hidden_size`.

::

    mixture  T x F x C x 2 ── magnitude  T x F x C
      ├─ vocals_fc1 ─┐            ┌─ vocals_lstm ─┐              ┌─ vocals_fc2 ─ fc3 ─ x magnitude
      ├─ drums_fc1 ──┼─ mean T x H ─ drums_lstm ──┼─ mean T x 2H ┼─ drums_fc2 ── fc3 ─ x magnitude
      └─ …           ┘            └─ …            ┘              └─ …
               │                                  ▲
               └────────── concat, each ──────────┘

The loss compares all sums of targets (vocals; vocals and drums; …) as magnitudes and as waveforms.
Waveforms need the mixture's phase, which is why the network reads spectra.

Sources: Sawata, Uhlich, Takahashi and Mitsufuji, "All for one and one for all: improving music
separation by bridging networks", ICASSP 2021 (arXiv 2010.04228); its code (NNabla,
ai-research-code, x-umx); asteroid (PyTorch, commit 92c8d83a), ``models/x_umx.py`` and the recipe
``musdb18/X-UMX``.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, tf
from mssviz.networks.openunmix import check, decode, encode, recur
from mssviz.networks.overlap_add import waveforms

#: Number of samples at either end of a waveform that the loss leaves out.
EDGE = 200
#: Factor of the loss's share that comes from waveforms.
WAVEFORM_WEIGHT = 10.0
EPSILON = 1e-10


def build_xumx(
    targets: Sequence[str],
    patch_frames: int = 255,
    n_bins: int = 2049,
    n_channels: int = 2,
    hidden_size: int = 512,
    n_layers: int = 3,
    max_bin: int = 1487,
    dropout: float = 0.4,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    patch_frames, n_bins, n_channels
        Input shape T, F, C.
    hidden_size, n_layers, max_bin, dropout
        The options of `openunmix.build_openunmix`.

    Returns
    -------
    keras.Model
        Network from the mixture's STFT ``(batch, T, F, C, 2)``, real and imaginary part, to a list
        of one estimated magnitude ``(batch, T, F, C)``, linear, for each target.

    Raises
    ------
    ParameterError
        If an option is outside its domain.

    Notes
    -----
    It has as many parameters as Open-Unmix.
    """
    check(n_bins, hidden_size, n_layers, max_bin, dropout)
    spectrum = keras.Input((patch_frames, n_bins, n_channels, 2), name="mixture")
    mixture = keras.ops.sqrt(keras.ops.sum(keras.ops.square(spectrum), axis=-1))
    encoded = {target: encode(mixture, target, hidden_size, max_bin) for target in targets}
    bridge = _average(list(encoded.values()))
    bridge = _average([
        keras.ops.concatenate([x, recur(bridge, target, n_layers, dropout)], axis=-1)
        for target, x in encoded.items()
    ])  # fmt: skip
    estimates = [decode(bridge, mixture, target, hidden_size) for target in targets]
    return keras.Model(spectrum, estimates, name="xumx")


def _average(tensors: Sequence[Any]) -> Any:
    return keras.layers.Average()(tensors) if len(tensors) > 1 else tensors[0]


def combination_loss(
    estimates: Sequence[Any], targets: Sequence[Any], mixture: Any, edge: int = EDGE
) -> Any:
    """Errors of all sums of up to K - 1 targets, as magnitudes and as waveforms.

    Each error is ``mean((Ê - E)²) + 10 (1 - a cos(e, ê) - (1 - a) cos(x - e, x - ê))``, divided by
    the number of sums (14 for 4 targets), where E and Ê add magnitudes, e and ê add waveforms, x is
    the mixture and ``a = |e|² / (|e|² + |x - e|²)`` for each channel (weighted SDR).

    Parameters
    ----------
    estimates
        Magnitudes ``(batch, T, F, C)`` of K targets, linear. They take the mixture's phase.
    targets, mixture
        STFTs ``(batch, T, F, C)``, complex64, with a window of ``2 (F - 1)`` samples and a hop of a
        quarter of it.
    edge
        Number of samples that are left out at either end of the waveforms.

    Returns
    -------
    Tensor
        Errors ``(batch, n_sums)``: the single targets, then pairs, and so on. Their sum is the loss
        of an example.

    Raises
    ------
    ParameterError
        If the patch has no more than ``2 edge`` samples.

    References
    ----------
    Sawata et al., ICASSP 2021. Weighted SDR: Choi et al., "Phase-aware speech enhancement with
    deep complex U-Net", ICLR 2019. The paper's own code leaves out 200 samples, asteroid's none.
    """
    n_targets = len(estimates)
    sums = [
        group
        for size in range(1, max(n_targets, 2))
        for group in combinations(range(n_targets), size)
    ]
    phase = tf.math.divide_no_nan(mixture, tf.cast(tf.abs(mixture), mixture.dtype))
    magnitudes = [tf.abs(target) for target in targets]
    cosine, sine = tf.math.real(phase), tf.math.imag(phase)
    estimated = [_waveform(tf.complex(e * cosine, e * sine), edge) for e in estimates]
    true = [_waveform(target, edge) for target in targets]
    mixed = _waveform(mixture, edge)
    parts = []
    for group in sums:
        difference = tf.add_n([estimates[k] - magnitudes[k] for k in group])
        estimate, sound = (tf.add_n([signals[k] for k in group]) for signals in (estimated, true))
        parts.append(
            tf.reduce_mean(tf.square(difference), axis=(1, 2, 3))
            + WAVEFORM_WEIGHT * (1 - _weighted_sdr(estimate, sound, mixed))
        )
    return tf.stack(parts, axis=1) / len(sums)


def _waveform(spectrum: Any, edge: int) -> Any:
    """Inverse STFT of ``(batch, T, F, C)`` without its edges, ``(batch, C, n_samples)``."""
    n_frames, n_bins = spectrum.shape[1:3]
    hop = (n_bins - 1) // 2  # a quarter of the window
    if (n_frames - 1) * hop <= 2 * edge:
        raise ParameterError(
            f"the combination loss needs patches of more than {2 * edge / hop + 1:g} frames "
            f"(got {n_frames})"
        )
    return waveforms(spectrum, hop)[..., edge : (n_frames - 1) * hop - edge]


def _weighted_sdr(estimate: Any, true: Any, mixture: Any) -> Any:
    """Weighted SDR of waveforms ``(batch, C, n_samples)``: ``(batch,)``, at most 1."""
    rest, estimated_rest = mixture - true, mixture - estimate
    energy, rest_energy = _inner(true, true), _inner(rest, rest)
    share = energy / (energy + rest_energy + EPSILON)
    return tf.reduce_mean(
        share * _cosine(estimate, true) + (1 - share) * _cosine(estimated_rest, rest), axis=1
    )


def _cosine(a: Any, b: Any) -> Any:
    norms = tf.sqrt(_inner(a, a) + EPSILON) * tf.sqrt(_inner(b, b) + EPSILON)
    return _inner(a, b) / (norms + EPSILON)


def _inner(a: Any, b: Any) -> Any:
    return tf.reduce_sum(a * b, axis=-1)
