"""Mel-Band RoFormer: BS-RoFormer with bands that overlap, as wide as the ear's.

A band is the range in which a triangle of the mel scale is above 0, from its left neighbour's
centre to its right one's, so that nearly every bin is in two bands. Both estimate a mask for it,
and the mean of both counts. The other differences: a norm ends every transformer, and none comes
after all of them.

::

    mel        0 ───── 1 ───── 2 ───── 3 ───── 4
    band 1     └───────┴───────┘
    band 2             └───────┴───────┘
    band 3                     └───────┴───────┘

Sources: Wang, Lu and Won, "Mel-Band RoFormer for music source separation", arXiv:2310.01809, whose
code was not published; the layers are those of ``pymss-core`` 0.1.14, which loads the checkpoints
that people share, and which follows the reconstruction by Phil Wang in ``BS-RoFormer``.
"""

from collections.abc import Sequence
from typing import Any

from mssviz.networks.roformer import Sizes, build_roformer
from mssviz.networks.roformer_tables import mel_bands


def build_mel_roformer(
    targets: Sequence[str],
    n_samples: int = 352_800,
    n_channels: int = 2,
    sample_rate: int = 44_100,
    n_bands: int = 60,
    **sizes: Any,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    sample_rate
        Sample rate of the mel scale, hertz.
    n_bands
        Number of bands.
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
    usual = {"hop_length": 441, "depth": 6, "mask_depth": 3, "zero_dc": True}
    chosen = Sizes(norm="each", **(usual | sizes))
    bands = mel_bands(sample_rate, chosen.n_fft, n_bands)
    return build_roformer(targets, n_samples, n_channels, bands, chosen, "mel_roformer")
