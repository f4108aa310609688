"""What a configuration says of an SCNet: what its tensors tell, too, and what only it does.

Keys are those of the program Music-Source-Separation-Training, of types ``scnet`` and
``scnet_masked``.
"""

from collections.abc import Mapping
from typing import Any

from mssviz._values import Values, is_number, shown
from mssviz.errors import ParameterError

#: Their names of what tensors tell, by ours.
_TOLD = {
    "depths": "conv_depths",
    "kernels": "band_kernel",
    "compression": "compress",
    "module_kernel": "conv_kernel",
    "n_paths": "num_dplayer",
    "expansion": "expand",
    "n_channels": "audio_channels",
}
#: What a configuration of a network says: that, or read elsewhere here.
KNOWN = frozenset([
    *_TOLD.values(), "dims", "sources", "nfft", "hop_size", "win_size", "normalized", "band_SR",
    "band_stride", "type", "model_type",
])  # fmt: skip
#: Shares of the published networks' bands, by their first width and number of dual paths.
_SHARES = {
    (32, 6): (0.175, 0.392, 0.433),
    (64, 6): (0.225, 0.372, 0.403),
    (64, 8): (0.23, 0.37, 0.4),
}
_USUAL = (32, 6)
_N_FFT = 4096


def told(model: Values, found: Mapping[str, Any]) -> dict[str, Any]:
    """Name what tensors tell as a configuration does.

    Parameters
    ----------
    model
        What the configuration says of the network.
    found
        What `converters.scnet.described` found.
    """
    values = {theirs: found[ours] for ours, theirs in _TOLD.items()}
    values["dims"] = [2 * found["n_channels"], *found["widths"]]
    values["normalized"] = True
    values["win_size"] = values["nfft"] = found.get("n_fft", _n_fft(model))
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
        What `converters.scnet.described` found, without numbers of stems and channels.
    sample_rate
        Sample rate of the sound, hertz, which makes no difference.
    hop_length
        Hop of the spectrum inside, samples.
    """
    kernels = found["kernels"]
    usual = _SHARES.get((found["widths"][0], found["n_paths"]), _SHARES[_USUAL])
    return {
        "n_fft": _n_fft(model),
        **found,
        "hop_length": hop_length,
        "shares": _three(model, "band_SR", usual, 1e-3, 1),
        "strides": _three(model, "band_stride", (1, *kernels[1:]), 1, 1 << 10),
    }


def _n_fft(model: Values) -> int:
    return model.whole("nfft", 4, 1 << 17, _N_FFT)


def _three(model: Values, key: str, usual: Any, least: float, most: float) -> list[Any]:
    found = model.content.get(key, usual)
    if (
        isinstance(found, list | tuple)
        and len(found) == 3
        and all(is_number(value) and least <= value <= most for value in found)
    ):
        return list(found)
    raise ParameterError(
        f"model.{key} must be 3 numbers from {least:g} to {most:g} (got {shown(found)})"
    )
