"""Golden values of HTDemucs: demucs 4 itself, small, random, on random input, alone and in chunks.

Run by hand in an environment with ``torch==2.13.0``, ``demucs==4.1.0`` (without its dependencies),
``julius``, ``einops``, ``tqdm`` and ``safetensors``:

    python make_htdemucs.py

Every parameter is drawn anew, so that none is left at 0 or 1. Files are what `serialize_model` of
demucs makes (which wants omegaconf, too), of half precision; ``safetensors`` is what its
tool for them makes. Songs are separated as `demucs.api.Separator.separate_tensor` does, without
shifts.
"""

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.htdemucs import HTDemucs
from demucs.states import get_state
from safetensors.torch import save

HERE = Path(__file__).parent
RATE, CHUNK = 44100, 610
SIZES = {
    "audio_channels": 2, "samplerate": RATE, "segment": Fraction(CHUNK, RATE), "channels": 4,
    "nfft": 128, "depth": 2, "dconv_mode": 3, "dconv_comp": 2, "t_layers": 3, "t_heads": 2,
    "multi_freqs": [], "t_dropout": 0.02,
}  # fmt: skip


def drawn(rng, sources, **options):
    network = HTDemucs(sources, **SIZES, **options).eval()
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            scale = 1 / 4 if weight.ndim == 1 else weight[0].numel() ** -0.5
            is_factor = name.endswith("scale") or ("norm" in name and name.endswith("weight"))
            drawn = rng.normal(float(is_factor), scale, weight.shape)
            weight.copy_(torch.from_numpy(drawn).half())
    return network


def packed(network):
    args, kwargs = network._init_args_kwargs
    found = {
        "klass": HTDemucs, "args": args, "kwargs": kwargs,
        "state": get_state(network, None, half=True),
        "training_args": {"epochs": 1}, "metrics": {"best": np.float64(9.0)},
    }  # fmt: skip
    buffer = io.BytesIO()
    torch.save(found, buffer)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def exported(network):
    """What ``tools/export_hf.py`` of demucs 4.1.0 writes."""
    args, kwargs = network._init_args_kwargs
    numbers = {"_type": "fraction", "numerator": CHUNK, "denominator": RATE}
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs, default=lambda _: numbers),
    }
    return np.frombuffer(save(network.state_dict(), metadata), np.uint8)


def separated(model, song):
    wav = torch.from_numpy(song)
    ref = wav.mean(0)
    mean, std = ref.mean(), ref.std() + 1e-8
    found = apply_model(model, ((wav - mean) / std)[None], shifts=0, overlap=0.25)
    return (found * std + mean)[0].numpy()


def main():
    rng = np.random.default_rng(0)
    networks = {
        "th": drawn(rng, ["a", "b"], bottom_channels=8),
        "bag": drawn(rng, ["a", "b"], bottom_channels=8),
        "safetensors": drawn(rng, ["a", "b", "c"]),
    }
    # off centre, and silent for longer than a chunk
    song = rng.normal(0, 0.2, (2, 2600)).astype(np.float32)
    song[:, 900:1700] = 0
    song += np.float32(0.03)
    arrays = {"mixture": song}
    with torch.no_grad():
        for name, network in networks.items():
            arrays[f"{name}_file"] = (exported if name == "safetensors" else packed)(network)
            arrays[f"{name}_patch"] = network(torch.from_numpy(song[None, :, :CHUNK]))[0].numpy()
        arrays["th_song"] = separated(networks["th"], song)
        both = BagOfModels([networks["th"], networks["bag"]], [[1.0, 0.0], [0.0, 1.0]])
        arrays["bag_song"] = separated(both, song)
    np.savez_compressed(HERE / "htdemucs.npz", **arrays)
    print({name: (array.shape, float(np.abs(array).max())) for name, array in arrays.items()})


if __name__ == "__main__":
    main()
