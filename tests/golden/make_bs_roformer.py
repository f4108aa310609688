"""Golden values of BS-RoFormer and its loss: the reference, small, random, on random input.

Run by hand in an environment with ``torch==2.13.0``, ``BS-RoFormer==0.3.10`` (the one release
that was tried; it has neither value residuals nor hyper-connections), ``rotary-embedding-torch
==0.6.5``, ``einops==0.8.2`` and ``beartype``:

    python make_bs_roformer.py

Every parameter is drawn anew, so that none is left at 0 or 1.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

N_STEMS = 2


def main() -> None:
    librosa = sys.modules.setdefault("librosa", types.ModuleType("librosa"))
    librosa.filters = None  # of the package's other network
    from bs_roformer.bs_roformer import BSRoformer

    rng = np.random.default_rng(0)
    network = BSRoformer(
        dim=6,
        depth=2,
        stereo=True,
        num_stems=N_STEMS,
        time_transformer_depth=1,
        freq_transformer_depth=1,
        freqs_per_bands=(2, 2, 5, 5, 5, 14),
        dim_head=4,
        heads=3,
        flash_attn=False,
        stft_n_fft=64,
        stft_hop_length=24,
        stft_win_length=64,
        mask_estimator_depth=3,
    )
    network.multi_stft_n_fft = 2048  # of the loss at its published size
    weights = network.state_dict()
    for name, weight in weights.items():
        if not name.endswith("freqs"):
            scale = 1.0 if weight.ndim == 1 else weight.shape[1] ** -0.5
            weight.copy_(torch.from_numpy(rng.normal(0, 1.5 * scale, weight.shape)))
    weights = {name: w.numpy() for name, w in weights.items() if not name.endswith("freqs")}

    n_samples = 2400
    mixture = rng.normal(0, 0.3, (2, 2, n_samples)).astype(np.float32)
    mixture[1, :, 500:900] = 0
    targets = rng.normal(0, 0.3, (2, N_STEMS, 2, n_samples)).astype(np.float32)
    audio, true = torch.from_numpy(mixture), torch.from_numpy(targets)
    estimates = network(audio).detach()
    loss = network(audio, true)
    loss.backward()
    gradient = dict(network.named_parameters())["band_split.to_features.0.1.weight"].grad
    np.savez_compressed(
        Path(__file__).with_name("bs_roformer.npz"),
        mixture=mixture,
        targets=targets,
        estimates=estimates.numpy(),
        loss=np.float32(loss.item()),
        gradient=gradient.numpy(),
        # one array, since each has a header of half a kilobyte
        shapes=json.dumps({name: weight.shape for name, weight in weights.items()}),
        weights=np.concatenate([weight.ravel() for weight in weights.values()]),
    )
    print(f"{len(weights)} arrays, {sum(w.size for w in weights.values())} numbers, loss {loss}")
    print(f"estimates {tuple(estimates.shape)}, peak {estimates.abs().max():.3g}")


if __name__ == "__main__":
    main()
