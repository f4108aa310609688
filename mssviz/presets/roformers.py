"""What a configuration says of a RoFormer: what its tensors tell, too, and what only it does.

Keys are those of the program Music-Source-Separation-Training.
"""

from collections.abc import Mapping
from typing import Any

from mssviz._values import Values, shown
from mssviz.errors import ParameterError

#: Their names of what tensors tell, by ours.
_TOLD = {
    "dim": "dim",
    "depth": "depth",
    "time_layers": "time_transformer_depth",
    "band_layers": "freq_transformer_depth",
    "heads": "heads",
    "head_dim": "dim_head",
    "mask_expansion": "mlp_expansion_factor",
    "n_fft": "stft_n_fft",
    "n_bands": "num_bands",
    "bands": "freqs_per_bands",
    "n_stems": "num_stems",
}
#: What a configuration of a network says: that, or about its training, or read elsewhere here.
KNOWN = frozenset([
    *_TOLD.values(), "stereo", "mask_estimator_depth", "mlp_hidden_layers", "sample_rate",
    "stft_hop_length", "stft_win_length", "skip_connection", "zero_dc", "type", "model_type",
    "architecture", "dim_freqs_in", "attn_dropout", "ff_dropout", "flash_attn", "sage_attention",
    "use_torch_checkpoint", "match_input_audio_length", "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes", "multi_stft_hop_size", "multi_stft_normalized",
])  # fmt: skip


def told(model: Values, found: Mapping[str, Any]) -> dict[str, Any]:
    """Name what tensors tell as a configuration does.

    Parameters
    ----------
    model
        What the configuration says of the network.
    found
        What `converters.roformer.described` found.
    """
    values = {theirs: found[ours] for ours, theirs in _TOLD.items() if ours in found}
    values["stereo"] = found["n_channels"] == 2
    values["stft_win_length"] = found["n_fft"]
    # of mel bands, programs count the hidden layers of the estimators, of the others all layers
    is_mel = found["type"] == "mel_roformer"
    if "mlp_hidden_layers" in model and model.content["mlp_hidden_layers"] is not None:
        values["mlp_hidden_layers"] = found["mask_depth"] - 1
    else:
        values["mask_estimator_depth"] = found["mask_depth"] - is_mel
    return values


def options(
    model: Values, found: Mapping[str, Any], sample_rate: int, hop_length: int
) -> dict[str, Any]:
    """Options of the network's builder: what tensors tell, and what only the configuration does.

    Parameters
    ----------
    model
        What the configuration says of the network.
    found
        What `converters.roformer.described` found, without numbers of stems and channels.
    sample_rate
        Sample rate of the sound, hertz.
    hop_length
        Hop of the spectrum inside, samples.
    """
    from mssviz.networks.roformer_tables import BANDS

    usual = {"bands": list(BANDS)}
    return {
        **{name: value for name, value in found.items() if usual.get(name) != value},
        **({"sample_rate": sample_rate} if found["type"] == "mel_roformer" else {}),
        "hop_length": hop_length,
        "skip": _switch(model, "skip_connection", False),
        "zero_dc": _switch(model, "zero_dc", True),
    }


def _switch(values: Values, key: str, default: bool) -> bool:
    value = values.content.get(key, default)
    if not isinstance(value, bool):
        raise ParameterError(f"model.{key} must be true or false (got {shown(value)})")
    return value
