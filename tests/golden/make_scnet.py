"""Golden values of SCNet: the references, small, random, on random input, alone and in chunks.

Run by hand in an environment with ``torch==2.13.0``, ``pymss-core==0.1.14`` (the plain network),
``msst==0.1.0`` (the masked one) and ``bs-roformer-infer==0.1.5`` (chunks and fades):

    python make_scnet.py

Every parameter is drawn anew, so that none is left at 0 or 1. Files of weights are what
``torch.save`` writes, one of them in the wrapper that checkpoints of a training have. The loss is
that of the authors' code, on the estimates against random targets.
"""

from pathlib import Path

import numpy as np
import torch
from make_roformers import CHUNK, saved, separated
from msst.models.scnet.scnet_masked import SCNet as Masked
from pymss_core.modules.scnet import SCNet

HERE = Path(__file__).parent
STEMS = ("a", "b")
SIZES = {"sources": list(STEMS), "dims": [4, 4, 6], "nfft": 128, "hop_size": 32, "win_size": 128}
STFT = {"n_fft": 4096, "hop_length": 1024, "win_length": 4096, "normalized": True,
        "center": True, "return_complex": True}  # fmt: skip


def drawn(network, rng):
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            scale = 1 / 2 if weight.ndim == 1 else weight[0].numel() ** -0.5
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_(torch.from_numpy(rng.normal(centre, scale, weight.shape)))
    return network.eval()


def loss(estimates, targets):
    """``spec_rmse_loss`` of the authors' code, of (examples, stems, channels, samples)."""
    difference = (estimates - targets).flatten(0, 2)
    spectra = torch.view_as_real(torch.stft(difference, **STFT))
    squares = spectra.unflatten(0, estimates.shape[:3]) ** 2
    return squares.mean((2, 3, 4, 5)).sqrt().mean()


def main():
    rng = np.random.default_rng(0)
    networks = {
        "plain": drawn(SCNet(**SIZES, compress=2, num_dplayer=4), rng),
        "masked": drawn(
            Masked(**SIZES, compress=1, num_dplayer=2, conv_depths=[1, 1, 2], conv_kernel=5,
                   band_stride=[1, 4, 4], band_kernel=[3, 4, 4], band_SR=[0.23, 0.37, 0.4]), rng
        ),
    }  # fmt: skip
    song = rng.normal(0, 0.3, (2, 2000)).astype(np.float32)
    waveforms = rng.normal(0, 0.3, (2, 2, 2, 2, 2100)).astype(np.float32)
    arrays = {"mixture": song, "waveforms": waveforms}
    with torch.no_grad():
        arrays["loss"] = loss(*torch.from_numpy(waveforms)).numpy()
        for name, network in networks.items():
            state = network.state_dict()
            arrays[f"{name}_ckpt"] = saved({"state": state} if name == "plain" else state)
            arrays[f"{name}_patch"] = network(torch.from_numpy(song[None, :, :CHUNK]))[0].numpy()
            arrays[f"{name}_song"] = separated(network, song, STEMS)
    np.savez_compressed(HERE / "scnet.npz", **arrays)
    print({name: (array.shape, float(np.abs(array).max())) for name, array in arrays.items()})


if __name__ == "__main__":
    main()
