"""Golden values of D3Net: Sony's own network, small and with random weights, on random input.

Run by hand in an environment of Python 3.10 with ``nnabla==1.39.0`` beside a checkout of
``sony/ai-research-code`` at ``cfe96df``:

    python make_d3net.py ai-research-code/d3net/music-source-separation

Every parameter and statistic is drawn anew, so that none is left at 0 or 1. The values are those
of inference, with the stored statistics.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[1])
import nnabla as nn
from model import D3NetMSS

SIZES = {
    "fft_size": 62,
    "valid_signal_idx": 24,
    "band_split_idxs": [8],
    "num_init_features": [4, 3],
    "num_layer_blocks": [[3, 4, 2], [1, 1, 1]],
    "dens_k": [[3, 4, 5], [2, 3, 2]],
    "b_n_blocks": [[2, 2, 2], [1, 1, 1]],
    "comp_rates": [[1.0] * 3, [1.0] * 3],
    "f_num_init_features": 5,
    "f_num_layer_block": [2, 3, 2, 3, 1],
    "f_dens_k": [3, 2, 4, 3, 2],
    "f_n_blocks": [3, 3, 3, 3, 3],
    "f_comp_rates": [1.0] * 5,
    "ttl_num_layer_block": 3,
    "ttl_dens_k": 4,
    "n_channels": 2,
}


def main() -> None:
    rng = np.random.default_rng(0)
    # NNabla's (examples, frames, channels, bins)
    mixture = rng.gamma(1.0, 3.0, (2, 16, 2, 32)).astype(np.float32)
    network, variable = D3NetMSS(SIZES, test=True), nn.Variable(mixture.shape)
    estimate = network(variable)
    weights = nn.get_parameters(grad_only=False)
    for name, weight in weights.items():
        if name.endswith(("scale", "gamma", "var")):
            weight.d = rng.uniform(0.5, 1.5, weight.shape)
        elif name.endswith("W"):
            weight.d = rng.normal(0.0, 1.0 / np.sqrt(np.prod(weight.shape[1:])), weight.shape)
        else:
            weight.d = rng.normal(0.0, 0.3, weight.shape)
    variable.d = mixture
    estimate.forward()
    np.savez_compressed(
        Path(__file__).with_name("d3net.npz"),
        mixture=mixture,
        estimate=estimate.d,
        # one array, since each has a header of half a kilobyte
        shapes=json.dumps({name: weight.shape for name, weight in weights.items()}),
        weights=np.concatenate([w.d.ravel() for w in weights.values()]).astype(np.float32),
    )
    modelled = estimate.d[..., : SIZES["valid_signal_idx"]]
    print(f"{len(weights)} arrays, {sum(w.d.size for w in weights.values())} numbers")
    print(f"estimate 0 to {modelled.max():.3g}, {np.mean(modelled > 0):.0%} above 0")


if __name__ == "__main__":
    main()
