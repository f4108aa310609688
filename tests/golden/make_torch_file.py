"""Small files of ``torch.save`` in both formats, with tensors of all kinds that weights come in.

Made with PyTorch 2.13.0, without anything else::

    python make_torch_file.py

writes ``torch_zip.pth`` and ``torch_legacy.pth`` beside this script; ``test_torch_file.py`` states
their content.
"""

from collections import OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).parent


def content():
    numbers = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).reshape(2, 3))
        layer.bias.copy_(torch.tensor([-1.0, 1.0]))
    return {
        "whole": numbers,
        "transposed": numbers.T,
        "part": numbers[1:, ::2],
        "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
        "bfloat": torch.tensor([1.0, -3.140625], dtype=torch.bfloat16),
        "double": torch.tensor([[1e-300]], dtype=torch.float64),
        "complex": torch.tensor([1 - 2j], dtype=torch.complex64),
        "count": torch.tensor(2**40),
        "int32": torch.tensor([-7], dtype=torch.int32),
        "int16": torch.tensor([-300], dtype=torch.int16),
        "int8": torch.tensor([-7], dtype=torch.int8),
        "uint8": torch.tensor([200], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "empty": torch.zeros(0, 5),
        "parameter": torch.nn.Parameter(torch.tensor([3.0])),
        "size": torch.Size([2, 3]),
        "plain": [None, True, -1, 2.5, "name", (1, (2,)), OrderedDict(a=1)],
        "layer": layer.state_dict(),
    }


if __name__ == "__main__":
    for name, zipped in (("torch_zip.pth", True), ("torch_legacy.pth", False)):
        torch.save(content(), HERE / name, _use_new_zipfile_serialization=zipped)
