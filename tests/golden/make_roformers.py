"""Golden values of RoFormers: the reference, small, random, on random input, alone and in chunks.

Run by hand in an environment with ``torch==2.13.0``, ``pymss-core==0.1.14`` (networks),
``bs-roformer-infer==0.1.5`` (chunks and fades, as the program Music-Source-Separation-Training
makes them) and ``safetensors==0.8.0``:

    python make_roformers.py

Every parameter is drawn anew, so that none is left at 0 or 1. Files of weights are what
``torch.save`` and safetensors write, in the wrappers that people's checkpoints have.
"""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from bs_roformer.utils import demix_track
from pymss_core.modules.bs_roformer import BSRoformer, MelBandRoformer
from safetensors.torch import save

HERE = Path(__file__).parent
CHUNK, OVERLAP = 480, 4


def drawn(network, rng):
    state = network.state_dict()
    for name, weight in state.items():
        if not name.endswith("freqs"):
            scale = 1.0 if weight.ndim == 1 else weight.shape[1] ** -0.5
            weight.copy_(torch.from_numpy(rng.normal(0, 1.5 * scale, weight.shape)))
    return network.eval()


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return np.frombuffer(stream.getvalue(), np.uint8)


def separated(network, mixture, stems):
    """What the whole chain gives: chunks, network, fades."""
    config = SimpleNamespace(
        inference=SimpleNamespace(chunk_size=CHUNK, num_overlap=OVERLAP),
        training=SimpleNamespace(target_instrument=stems[0] if len(stems) == 1 else None,
                                 instruments=list(stems)),
    )  # fmt: skip

    def one(part):  # the program takes the first of a batch, of which one stem has no axis
        return network(part)

    estimates, _ = demix_track(config, one, torch.from_numpy(mixture), torch.device("cpu"))
    return np.stack([estimates[stem] for stem in stems])


def main():
    rng = np.random.default_rng(0)
    shared = {"dim": 6, "depth": 2, "heads": 3, "dim_head": 4, "stereo": True, "flash_attn": False}
    bs = drawn(
        BSRoformer(
            **shared, num_stems=2, freqs_per_bands=(2, 2, 5, 5, 5, 14), stft_n_fft=64,
            stft_hop_length=24, stft_win_length=64, mask_estimator_depth=2, mlp_expansion_factor=2,
            time_transformer_depth=2, freq_transformer_depth=1, skip_connection=True,
        ),
        rng,
    )  # fmt: skip
    mel = drawn(
        MelBandRoformer(
            **shared, num_stems=1, num_bands=7, sample_rate=8000, stft_n_fft=128,
            stft_hop_length=24, stft_win_length=128, mask_estimator_depth=2,
            mlp_expansion_factor=1, mlp_hidden_layers=2, time_transformer_depth=1,
            freq_transformer_depth=1,
        ),
        rng,
    )  # fmt: skip
    arrays = {
        "mixture": rng.normal(0, 0.3, (2, 2000)).astype(np.float32),
        "bs_ckpt": saved(bs.state_dict()),
        "bs_safetensors": np.frombuffer(save(distinct(bs.state_dict())), np.uint8),
        "mel_ckpt": saved({"state_dict": mel.half().state_dict(), "epoch": 3}),
    }
    # as programs do: what a file has in half precision is computed with in single precision
    mel = mel.float()
    song = arrays["mixture"]
    with torch.no_grad():
        patch = torch.from_numpy(song[None, :, :CHUNK])
        for name, network, stems in (("bs", bs, ("a", "b")), ("mel", mel, ("a",))):
            arrays[f"{name}_patch"] = network(patch)[0].reshape(len(stems), 2, CHUNK).numpy()
            arrays[f"{name}_song"] = separated(network, song, stems)
    np.savez_compressed(HERE / "roformers.npz", **arrays)
    print({name: (array.shape, float(np.abs(array).max())) for name, array in arrays.items()})


def distinct(state):
    """The same tensors, none of which shares memory, as safetensors wants them."""
    return {name: weight.clone() for name, weight in state.items()}


if __name__ == "__main__":
    main()
