"""What a configuration says of an HTDemucs, beside what its file tells of itself.

Keys are those of demucs 4 and of the program Music-Source-Separation-Training, whose files name the
network in ``model`` and describe it under ``htdemucs``.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mssviz._values import Values, is_number, shown
from mssviz.errors import ParameterError

#: Their names of what tensors tell, by ours.
_TOLD = {
    "channels": "channels",
    "depth": "depth",
    "n_fft": "nfft",
    "compression": "dconv_comp",
    "bottom": "bottom_channels",
    "layers": "t_layers",
    "heads": "t_heads",
}
#: What a configuration says of a network's training, or of options that then do nothing.
_OF_TRAINING = frozenset([
    "emb_smooth", "time_stride", "multi_freqs_depth", "norm_starts", "norm_groups", "dconv_init",
    "t_dropout", "t_max_positions", "t_weight_decay", "t_lr", "t_cape_mean_normalize",
    "t_cape_augment", "t_cape_glob_loc_scale", "t_mask_type", "t_mask_random_seed",
    "t_sparse_attn_window", "t_global_window", "t_sparsity", "t_auto_sparsity", "rescale",
])  # fmt: skip
#: What all networks that can be read have.
_ALWAYS = {
    "rewrite": True, "kernel_size": 8, "context": 1, "context_enc": 0, "dconv_mode": 3,
    "t_hidden_scale": 4.0, "t_norm_out": True, "t_layer_scale": True,
}  # fmt: skip
#: Length of a chunk if nothing says it, that of the published networks.
SEGMENT = Fraction(39, 5)
_LONGEST = 600
_USUAL_RATE = 44_100


def block(theirs: Values) -> Values:
    """Part of a configuration that describes the network."""
    return theirs.inner("htdemucs" if "htdemucs" in theirs else "model")


def told(found: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Name what tensors tell as a configuration does, and what holds of every such network.

    Parameters
    ----------
    found
        What `converters.htdemucs.described` found.
    fixed
        Options that leave no trace in shapes, with the values of the network here.
    """
    return {**{theirs: found[ours] for ours, theirs in _TOLD.items()}, **fixed, **_ALWAYS}


def known(fixed: Mapping[str, Any]) -> frozenset[str]:
    """All that a configuration of a network may say."""
    return _OF_TRAINING.union(_TOLD.values(), fixed, _ALWAYS)


def sample_rate(training: Values, options: Mapping[str, Any]) -> int:
    """Sample rate of the sound, hertz, from what the file says of itself or its configuration."""
    said = Values({"samplerate": options["samplerate"]}) if "samplerate" in options else training
    return said.whole("samplerate", 1, 768_000, _USUAL_RATE)


def n_samples(training: Values, options: Mapping[str, Any], rate: int) -> int:
    """Length of a chunk, from what the file says of itself, its configuration, or as usual.

    Parameters
    ----------
    training
        What the configuration says of the training.
    options
        What the file says of its network.
    rate
        Sample rate, hertz.

    Raises
    ------
    ParameterError
        If it is no time, or a very long one.
    """
    said = options.get("segment", training.content.get("segment", SEGMENT))
    seconds = _seconds(said)
    if not 0 < seconds <= _LONGEST:
        raise ParameterError(f"segment must be above 0 and up to {_LONGEST} s (got {shown(said)})")
    return int(seconds * rate)


def _seconds(said: Any) -> Fraction | float:
    """A time: a number or a fraction, or the parts, the text or the JSON of one."""
    if isinstance(said, Fraction) or is_number(said):
        return said
    if isinstance(said, Mapping):
        said = said.get("numerator"), said.get("denominator")
    if isinstance(said, tuple) and len(said) == 1 and isinstance(said[0], str):
        said = tuple(int(n) for n in said[0][:40].split("/") if n.isdecimal())
    if isinstance(said, tuple) and len(said) == 2 and all(type(n) is int and n > 0 for n in said):
        return Fraction(*said)
    raise ParameterError(f"segment must be a number of seconds (got {shown(said)})")
