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
from typing import Any, Literal

from mssviz.networks.roformer import Sizes, build_roformer
from mssviz.networks.roformer_tables import mel_bands


def build_mel_roformer(
    targets: Sequence[str],
    n_samples: int = 352_800,
    n_channels: int = 2,
    n_fft: int = 2048,
    hop_length: int = 441,
    sample_rate: int = 44_100,
    n_bands: int = 60,
    dim: int = 384,
    depth: int = 6,
    time_layers: int = 1,
    band_layers: int = 1,
    heads: int = 8,
    head_dim: int = 64,
    feedforward: int = 4,
    mask_depth: int = 3,
    mask_expansion: int = 4,
    skip: bool = False,
    zero_dc: bool = True,
    residual: bool = False,
    rotary: Literal["float32", "float16"] = "float32",
    dropout: float = 0.0,
) -> Any:
    """Build the network, with random weights.

    Parameters
    ----------
    targets
        Names of the sources, in the order of the weights.
    n_samples, n_channels
        Input shape N, C.
    n_fft, hop_length
        Window and hop of the spectrum inside, in samples; `n_fft` is even. The window is a periodic
        Hann window, and frames are centred.
    sample_rate
        Sample rate of the mel scale, hertz.
    n_bands
        Number of bands.
    dim
        Number of features of a band in a frame.
    depth
        Number of pairs of transformers.
    time_layers, band_layers
        Numbers of layers in a transformer over time, and in one over bands.
    heads, head_dim
        Number of heads of an attention, and number of features of each head, which is even.
    feedforward
        Number of hidden features after each attention, as a multiple of `dim`.
    mask_depth, mask_expansion
        Number of linear layers of a mask estimator, which other programs count without the last,
        and of their hidden features as a multiple of `dim`.
    skip
        Whether each pair of transformers also reads the sum of what all earlier pairs gave.
    zero_dc
        Whether estimates have no constant part: bin 0 of their spectra is 0.
    residual
        Whether the last target is what the others leave of the mixture, and has no estimator.
    rotary
        Precision in which the rotations were kept, see `roformer_tables.frequencies`.
    dropout
        Share of attentions and features that is dropped in training, in [0, 1).

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
    sizes = Sizes(
        n_fft=n_fft,
        hop_length=hop_length,
        dim=dim,
        depth=depth,
        time_layers=time_layers,
        band_layers=band_layers,
        heads=heads,
        head_dim=head_dim,
        feedforward=feedforward,
        mask_depth=mask_depth,
        mask_expansion=mask_expansion,
        norm="each",
        skip=skip,
        zero_dc=zero_dc,
        residual=residual,
        rotary=rotary,
        dropout=dropout,
    )
    bands = mel_bands(sample_rate, n_fft, n_bands)
    return build_roformer(targets, n_samples, n_channels, bands, sizes, "mel_roformer")
