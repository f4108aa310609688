"""What asteroid's X-UMX makes of small random signals, and what it and Sony's code say of it.

In an environment with ``torch`` (2.13.0) and ``asteroid-filterbanks``, with two repositories at
hand: asteroid (commit 92c8d83a; the released 0.7.0 refuses to build X-UMX), whose recipe
``egs/musdb18/X-UMX/train.py`` holds the loss, and Sony's ai-research-code (commit cfe96df), whose
``x-umx/loss.py`` needs a few NNabla functions that PyTorch does here::

    python make_xumx.py path/to/asteroid path/to/ai-research-code

writes ``xumx.npz``: the spectra of four targets ``(K, batch, T, F, C)``, of which the mixture is
the sum, the estimates, the saved model's bytes, and the losses of the estimates: ``asteroid``
(of waveforms with their edges) and ``sony_waveform`` (without 200 samples at either end).
"""

import importlib.util
import io
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import torch

UNUSED = ("soundfile", "librosa", "pytorch_lightning", "pytorch_lightning.callbacks", "pandas",
          "huggingface_hub", "sklearn", "sklearn.preprocessing", "local",
          "asteroid.engine.system", "asteroid.engine.optimizers")  # fmt: skip
for name in UNUSED:
    sys.modules[name] = mock.MagicMock()
sys.modules["asteroid.engine.system"].System = object

TARGETS = ["bass", "drums", "vocals", "other"]
N_FFT, HOP, N_FRAMES = 32, 8, 64


def functions_of_nnabla():
    """What Sony's loss needs of ``nnabla.functions``."""
    found = types.ModuleType("nnabla.functions")
    found.squared_error = lambda x, y: (x - y) ** 2
    found.mean = torch.mean
    found.sum = lambda x, axis, keepdims: torch.sum(x, axis, keepdim=keepdims)
    found.reshape = lambda x, shape: x.reshape(shape)
    found.concatenate = lambda *x, axis: torch.cat(x, dim=axis)
    found.tile = lambda x, repetitions: x.repeat(*repetitions)
    return found


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def randomise(model, generator):
    """Fill every tensor but the window, so that none does nothing."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not name.endswith("window"):
            values = torch.randn(tensor.shape, generator=generator) * 0.5
            tensor.copy_(values.abs() + 0.2 if name.endswith("running_var") else values)


def spectra(waveforms):
    """``(..., C, n_samples)`` to ``(..., T, F, C)``."""
    flat = waveforms.reshape(-1, waveforms.shape[-1])
    found = torch.stft(flat, N_FFT, HOP, window=torch.hann_window(N_FFT), return_complex=True)
    return (
        found.reshape(*waveforms.shape[:-1], *found.shape[1:]).movedim((-3, -1), (-1, -3)).numpy()
    )


def main(asteroid, sony):
    sys.path.insert(0, asteroid)
    from asteroid.models.x_umx import XUMX

    generator = torch.Generator().manual_seed(0)
    model = XUMX(TARGETS, window_length=N_FFT, in_chan=N_FFT, n_hop=HOP, hidden_size=6, nb_layers=2,
                 max_bin=11, return_time_signals=True).eval()  # fmt: skip
    randomise(model, generator)
    # (batch, K, C, n_samples), of different levels
    levels = torch.tensor([0.5, 1.0, 0.2, 0.1]).reshape(1, -1, 1, 1)
    signals = torch.randn(2, 4, 2, (N_FRAMES - 1) * HOP, generator=generator) * levels
    mixture = signals.sum(1)
    sys.modules["nnabla"] = types.ModuleType("nnabla")
    sys.modules["nnabla.functions"] = functions_of_nnabla()
    joined = signals.reshape(2, 8, -1)
    with torch.no_grad():
        estimates, waveforms = model(mixture)
        recipe = load(f"{asteroid}/egs/musdb18/X-UMX/train.py")
        multi_domain = recipe.MultiDomainLoss(N_FFT, N_FFT, HOP, 1, 2, True, True, 10.0)
        sdr_loss = load(f"{sony}/x-umx/loss.py").sdr_loss
        found = {
            "targets": spectra(signals.transpose(0, 1)),
            # (K, T, batch, C, F) -> (K, batch, T, F, C)
            "estimates": estimates.permute(0, 2, 1, 4, 3).numpy(),
            "asteroid": multi_domain((estimates, waveforms), signals).numpy(),
            "sony_waveform": sdr_loss(mixture, waveforms, joined).numpy(),
        }
    file = io.BytesIO()
    torch.save({"model_name": "XUMX", "state_dict": model.state_dict(),
                "model_args": model.get_model_args()}, file)  # fmt: skip
    found["model"] = np.frombuffer(file.getvalue(), np.uint8)
    np.savez_compressed(Path(__file__).parent / "xumx.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
