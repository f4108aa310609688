"""Seconds that networks take for a second of sound, beside the packages that they come from.

    python benchmarks/models.py [MODEL ...] [--reference PYTHON]

Networks are built with random weights, so nothing is fetched; the first run of each, which traces
it, does not count. With ``--reference``, the Python of an environment with torch, pymss-core, msst
and numpy, RoFormers, SCNets and HTDemucs of the same sizes run there, too, on the same chunk, right
after.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np

from mssviz import presets
from mssviz.networks import Network

REFERENCE = """
import json, sys, time, torch
kind, options, n_samples = json.loads(sys.argv[1])
if kind == "masked":
    from msst.models.scnet.scnet_masked import SCNet as Reference
elif kind == "scnet":
    from pymss_core.modules.scnet import SCNet as Reference
elif kind == "htdemucs":
    from pymss_core.modules.demucs4ht import HTDemucs as Reference
elif kind == "bs_roformer":
    from pymss_core.modules.bs_roformer import BSRoformer as Reference
else:
    from pymss_core.modules.bs_roformer import MelBandRoformer as Reference
network = Reference(**options).eval()
sound = 0.1 * torch.randn(1, 2, n_samples)
with torch.inference_mode():
    network(sound)
    begin = time.perf_counter()
    network(sound)
print(time.perf_counter() - begin)
"""


#: What the references call sizes of an SCNet.
SCNET = {
    "n_fft": "nfft", "hop_length": "hop_size", "shares": "band_SR", "strides": "band_stride",
    "kernels": "band_kernel", "depths": "conv_depths", "compression": "compress",
    "module_kernel": "conv_kernel", "n_paths": "num_dplayer", "expansion": "expand",
}  # fmt: skip


def of_reference(preset):
    """Options of the reference's network of the same sizes."""
    model = preset.model
    if model["type"] == "scnet":
        options = {theirs: model[ours] for ours, theirs in SCNET.items() if ours in model}
        options |= {
            "sources": list(preset.targets),
            "dims": [2 * preset.n_channels, *model.get("widths", (32, 64, 128))],
        }
        return "masked" if model.get("masked") else "scnet", options, preset.patch_samples
    kind, is_mel = model["type"], model["type"] == "mel_roformer"
    if kind == "htdemucs":
        options = {
            "sources": list(preset.targets), "dconv_mode": 3,
            "bottom_channels": model.get("bottom", 512),
        }  # fmt: skip
        return kind, options, preset.patch_samples
    options = {
        "dim": model["dim"], "depth": model["depth"], "stereo": True,
        "num_stems": len(preset.targets) - model.get("residual", False),
        "time_transformer_depth": 1, "freq_transformer_depth": 1,
        "stft_hop_length": model["hop_length"], "mask_estimator_depth": 2,
        "mlp_expansion_factor": model.get("mask_expansion", 4),
    }  # fmt: skip
    return kind, options | ({"mlp_hidden_layers": 2} if is_mel else {}), preset.patch_samples


def seconds_of(preset):
    """Seconds for one patch."""
    network = Network(preset.model, preset.targets, preset.input_shape)
    shape = (1, preset.patch_samples, preset.n_channels)
    sound = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    network(sound)
    begin = time.perf_counter()
    network(sound)
    return time.perf_counter() - begin


def main():
    """Measure the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mel-roformer:guitar"])
    parser.add_argument("--reference", help="Python with torch and pymss-core")
    arguments = parser.parse_args()
    print("model | seconds a chunk | seconds a second of sound, without overlap | the reference's")
    for name in arguments.models:
        preset = presets.find(name)
        found = seconds_of(preset)
        length = preset.patch_samples / preset.stft.sample_rate
        theirs = "-"
        if arguments.reference:
            command = [arguments.reference, "-c", REFERENCE, json.dumps(of_reference(preset))]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            theirs = f"{float(done.stdout) / length:.2f}"
        print(f"{name} | {found:.1f} | {found / length:.2f} | {theirs}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
