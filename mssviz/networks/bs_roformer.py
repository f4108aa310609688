"""BS-RoFormer: bands of a spectrum as words of a text, read by transformers along time and bands.

It reads and gives waveforms; the spectrum is inside. Shapes are without the batch: T frames, F
bins, C channels, B bands of unequal width, D `dim`. Every target has its own mask estimator, and
the rest is shared.

::

    mixture  N x C ─ STFT ─┬─ T x F x C x 2 ───────────────────── times ─ inverse STFT ─ estimate
                           │                                        │
                           └─ band split ─ T x B x D                │ complex mask T x F x C x 2
                                │                                   │
                  depth times ┌ over time, each band by itself      │
                              └ over bands, each frame by itself    │
                                │                                   │
                                └─ norm ───────────────── mask estimator, one a target

    band split      each band's bins, channels and parts: norm, linear to D
    over time, ...  x + attention(norm x), then x + linear(GELU(linear(norm x))); queries and keys
                    are turned by their position (RoPE), heads are weighed by sigmoid gates
    mask estimator  for each band: linear, tanh, linear, gated linear unit

Norms divide by the root of the mean square. The layers are in `roformer`, as Mel-Band RoFormer has
them, too.

Sources: Lu, Wang, Kong and Hung, "Music source separation with Band-Split RoPE Transformer",
ICASSP 2024, arXiv:2309.02612, whose code was not published; the layers are those of
``BS-RoFormer`` 0.3.10, a reconstruction by Phil Wang, with one layer in each of its transformers.
Su et al., "RoFormer: enhanced transformer with rotary position embedding", arXiv:2104.09864.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import tf
from mssviz.networks.roformer import Sizes, build_roformer
from mssviz.networks.roformer_spectra import stft
from mssviz.networks.roformer_tables import BANDS

#: Windows of `multi_resolution_loss`, the hop between them and the smallest transform, in samples.
LOSS_WINDOWS = (4096, 2048, 1024, 512, 256)
LOSS_HOP = 147
LOSS_FFT = 2048


def build_bs_roformer(
    targets: Sequence[str],
    n_samples: int = 131_584,
    n_channels: int = 2,
    bands: Sequence[int] = BANDS,
    **sizes: Any,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    bands
        Widths of the bands in bins; their sum is ``n_fft // 2 + 1``.
    sizes
        Any of `Sizes` but the place of its norms.

    Returns
    -------
    keras.Model
        Network from the mixture ``(batch, N, C)`` to a list of one estimated waveform for each
        target, of the same shape.

    Raises
    ------
    ParameterError
        If sizes do not fit each other.
    """
    usual = {"hop_length": 512, "depth": 8, "mask_depth": 2, "zero_dc": False}
    chosen = Sizes(norm="last", **(usual | sizes))
    if sum(bands) != chosen.n_fft // 2 + 1 or min(bands) < 1:
        raise ParameterError(
            f"bands must be positive and have {chosen.n_fft // 2 + 1} bins in all "
            f"(got {sum(bands)})"
        )
    placed = list(zip(accumulate(bands, initial=0), bands, strict=False))
    return build_roformer(targets, n_samples, n_channels, placed, chosen, "bs_roformer")


def multi_resolution_loss(
    estimates: Sequence[Any], targets: Sequence[Any], mixture: Any = None
) -> Any:
    """Distance of waveforms, and of their spectra at several resolutions at once.

    The loss of a target is ``mean |e - t| + sum over windows w of mean |STFT_w e - STFT_w t|``,
    divided by the number of targets, so that the sum over targets is the loss of the reference.
    Spectra are complex, so phase counts. The transform is linear, so it is taken of the difference.

    Parameters
    ----------
    estimates, targets
        Lists of one tensor ``(batch, n_samples, C)`` for each target, of more than 2048 samples.
    mixture
        Mixture, which is not used.

    Returns
    -------
    Tensor
        Losses ``(batch, n_targets)``.
    """
    # (batch, K, N, C) -> (batch, K, C, N)
    difference = tf.stack([e - t for e, t in zip(estimates, targets, strict=True)], axis=1)
    difference = tf.transpose(difference, (0, 1, 3, 2))
    loss = tf.reduce_mean(tf.abs(difference), axis=(2, 3))
    for size in LOSS_WINDOWS:
        # a window shorter than the transform is padded at its end, which leaves moduli as they are
        spectra = stft(difference, size, LOSS_HOP, max(size, LOSS_FFT))
        loss += tf.reduce_mean(tf.abs(spectra), axis=(2, 3, 4))
    return loss / len(targets)
