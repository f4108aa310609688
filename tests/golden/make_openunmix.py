"""What openunmix 1.3.0 makes of a small spectrum, with small random weights that it saved itself.

In an environment with ``torch`` (2.13.0) and ``openunmix==1.3.0`` (its torchaudio is not needed)::

    python make_openunmix.py

writes ``openunmix.npz``: the mixture's magnitude ``(batch, T, F, C)``, one estimate a target, and
the bytes of the files of weights: of the drums in the zip format, of the vocals in the older one
and with the buffers that the released files of 2019 have.
"""

import io
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

sys.modules["torchaudio"] = mock.MagicMock()
from openunmix.model import OpenUnmix  # noqa: E402

OPTIONS = {"nb_bins": 17, "nb_channels": 2, "hidden_size": 6, "nb_layers": 3, "max_bin": 11}
N_FRAMES = 9


def randomise(model, generator):
    """Fill every tensor, so that none does nothing."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator) * 0.5
            tensor.copy_(values.abs() + 0.2 if name.endswith("running_var") else values)


def main():
    generator = torch.Generator().manual_seed(0)
    mixture = torch.rand(2, N_FRAMES, OPTIONS["nb_bins"], 2, generator=generator) * 5
    found = {"mixture": mixture.numpy()}
    for target, zipped in (("vocals", False), ("drums", True)):
        model = OpenUnmix(**OPTIONS).eval()
        randomise(model, generator)
        state = model.state_dict()
        if not zipped:
            state["sample_rate"] = torch.tensor(44100)
            state["stft.window"] = state["transform.0.window"] = torch.hann_window(32)
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        found[f"{target}.pth"] = np.frombuffer(file.getvalue(), np.uint8)
        with torch.no_grad():  # it reads (batch, C, F, T)
            found[target] = model(mixture.permute(0, 3, 2, 1)).permute(0, 3, 2, 1).numpy()
    np.savez_compressed(Path(__file__).parent / "openunmix.npz", **found)


if __name__ == "__main__":
    main()
