"""Make ``phase_features.npz``: another's network with phase features on a random spectrum.

Needs a checkout of https://github.com/aRI0U/music-source-separation at bf79b35 and an environment
with torch (2.13 was used), numpy and scipy:

    python tests/golden/make_phase_features.py path/to/music-source-separation/model.py

Its layer sizes, 500 units and 2049 bins, are numbers in the code; they are replaced to make the
file small. torchaudio, which the code imports, is needed only for what is not run here.

There, derivatives are stored with the earlier frame and the lower bin; here, with the later and
higher. So its own derivatives are moved by one before they go into its network. Edges differ, too:
magnitudes are mirrored there, where mssviz has silence, so the frames at either end are left out.
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch

N_FFT, HOP, CONTEXT, UNITS, FRAMES = 32, 8, 2, 6, 16
BINS = N_FFT // 2 + 1


def main() -> None:
    """Write the file beside this script; print the size of the network of the paper."""
    source = Path(sys.argv[1]).read_text(encoding="utf-8")
    torch.manual_seed(0)
    estimator = load(source)["AmplitudeEstimator2"]
    start = (torch.zeros(2049), torch.ones(2049))
    weights = estimator(2, start, n_fft=4096, n_hop=1024, context_frames=5).state_dict()
    print("parameters at 4096 / 1024:", sum(w.numel() for w in weights.values()))

    code = load(source.replace("500", str(UNITS)).replace("2049", str(BINS)))
    start = (torch.randn(BINS), torch.rand(BINS) + 0.5)
    network = code["AmplitudeEstimator2"](2, start, N_FFT, HOP, CONTEXT)
    for name, weight in network.named_parameters():
        if name != "bias_layer.scale":
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    # much of what it estimates is then above 0
    network.reshape.weight.data.abs_()
    network.bias_layer.bias.data.add_(1)
    # (batch, channels, frames, bins)
    spectrum = torch.randn(1, 2, FRAMES, BINS, dtype=torch.complex64)
    shift = 2 * torch.pi * HOP / N_FFT * torch.arange(BINS)
    system = types.SimpleNamespace(phase_shift=shift, derivative=code["MSS"].derivative)
    found = code["MSS"].compute_features(system, torch.angle(spectrum))
    features = torch.zeros_like(found)  # (batch, channels, frames, 2, bins): frequency, time
    features[..., 0, 1:] = found[..., 0, :-1]
    features[:, :, 1:, 1] = found[:, :, :-1, 1]
    with torch.no_grad():
        estimate = network(torch.abs(spectrum), features)
    assert estimate.shape == (1, 1, FRAMES, BINS), estimate.shape  # one for both channels
    np.savez_compressed(
        Path(__file__).with_name("phase_features.npz"),
        # (frames, bins, channels)
        spectrum=spectrum[0].permute(1, 2, 0).numpy(),
        frequency_derivative=features[0, :, :, 0].permute(1, 2, 0).numpy(),
        time_derivative=features[0, :, :, 1].permute(1, 2, 0).numpy(),
        estimate=estimate[0, 0].numpy(),
        **{f"weights/{name}": w.numpy() for name, w in network.state_dict().items()},
    )


def load(source: str) -> dict:
    """The names that the code defines."""
    for name in ("torchaudio", "torchaudio.functional"):
        sys.modules.setdefault(name, types.ModuleType(name))
    code: dict = {}
    exec(compile(source, "model.py", "exec"), code)  # its sizes are numbers in the text
    return code


if __name__ == "__main__":
    main()
