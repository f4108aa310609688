"""Make ``demucs.npz``: what Demucs itself gives, with small random weights.

In an environment with ``torch==2.13.0``, ``julius==0.2.8`` and ``demucs==2.0.3`` (the last one
without its dependencies)::

    python make_demucs.py

Contents, float32: ``mixture`` (2, 801, 2), the input; ``state/…``, the weights by PyTorch's names;
``v2`` and ``v1`` (2, 3, 801, 2), the estimates of three targets with and without change of rate
and normalisation. Patches are padded and trimmed as `demucs.utils.apply_model` does. Without
normalisation version 2 divides its input by 1.00001 and version 1 does not, so for ``v1`` it gets
that much more. Further, the bytes of files as they are published or saved, all with the weights
``small/…``: ``file_state`` (version 2's published ones), ``file_package`` (version 2's trained
ones), ``file_v1`` (version 1, compressed) and ``file_quantized``.
"""

import argparse
import gzip
import io
import sys
import types
from pathlib import Path

import numpy as np
import torch

diffq = types.ModuleType("diffq")  # quantises, which nothing here does
diffq.DiffQuantizer = diffq.UniformQuantizer = None
sys.modules["diffq"] = diffq

from demucs.model import Demucs  # noqa: E402
from demucs.utils import apply_model  # noqa: E402

TARGETS = ["drums", "bass", "vocals"]
OPTIONS = {"channels": 4, "depth": 3, "rescale": 1.0}
SMALL = {"channels": 2, "depth": 2}


def randomised(model: Demucs) -> Demucs:
    """Recurrent weights as large as the others, so that the middle of the network counts."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("lstm"):
                parameter.mul_(4)
    return model.eval()


def arrays(prefix: str, state: dict) -> dict:
    """Tensors of a state, named."""
    return {f"{prefix}/{name}": tensor.numpy() for name, tensor in state.items()}


def file_bytes(content: object, **options: bool) -> np.ndarray:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def main() -> None:
    """Make the file."""
    torch.manual_seed(0)
    version2 = randomised(Demucs(TARGETS, **OPTIONS, resample=True, normalize=True))
    version1 = Demucs(TARGETS, **OPTIONS, resample=False, normalize=False).eval()
    version1.load_state_dict(version2.state_dict())
    # two patches of different level, off centre
    mixture = 0.3 * torch.randn(2, 2, 801) * torch.tensor([1.0, 0.2])[:, None, None] + 0.05
    found = {
        name: torch.stack([apply_model(model, patch) for patch in patches])
        for name, model, patches in (
            ("v2", version2, mixture),
            ("v1", version1, mixture * (1 + 1e-5)),
        )
    }

    small = Demucs(TARGETS, **SMALL)
    state = {name: tensor.data for name, tensor in small.state_dict().items()}
    package = {
        "klass": Demucs,
        "args": (),
        "kwargs": {**SMALL, "sources": TARGETS, "segment_length": 4},
        "state": state,
        "training_args": argparse.Namespace(lr=3e-4, models=Path("models")),
    }
    first = {**SMALL, "audio_channels": 2, "sources": 3, "upsample": False, "stride": 4}
    old = file_bytes((Demucs, (), first, state), _use_new_zipfile_serialization=False)
    np.savez_compressed(
        Path(__file__).with_name("demucs.npz"),
        mixture=mixture.permute(0, 2, 1).numpy(),
        **{name: value.permute(0, 1, 3, 2).numpy() for name, value in found.items()},
        **arrays("state", version2.state_dict()),
        **arrays("small", state),
        file_state=file_bytes(state),
        file_package=file_bytes(package),
        file_v1=np.frombuffer(gzip.compress(old.tobytes(), mtime=0), np.uint8),
        file_quantized=file_bytes({"compressed": b"x"}),
    )


if __name__ == "__main__":
    main()
