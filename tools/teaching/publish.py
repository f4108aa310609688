"""Make a preset that ships of a trained network.

    python tools/teaching/publish.py TRAINED pretrained/teaching-4stems

Weights are rounded to half precision; their SHA-256 goes into the configuration that stands there
already.
"""

import argparse
import json
from pathlib import Path

import h5py
import numpy as np

from mssviz._files import new_file, new_folder, sha256
from mssviz.training import WEIGHTS


def main() -> None:
    """Write weights and configuration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trained", type=Path)
    parser.add_argument("preset", type=Path)
    arguments = parser.parse_args()
    path = arguments.preset / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    with new_folder(arguments.preset / config["weights"]["folder"], [WEIGHTS]) as folder:
        halve(arguments.trained / "weights" / WEIGHTS, folder / WEIGHTS)
        config["weights"]["files"] = {WEIGHTS: sha256(folder / WEIGHTS)}
        config["weights"]["size"] = (folder / WEIGHTS).stat().st_size
    with new_file(path) as scratch:
        scratch.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def halve(source: Path, target: Path) -> None:
    """Copy a file of weights with every number in half precision."""

    def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset):
            kept = new.require_group(name)
        else:
            values = item[()]
            if not np.abs(values, dtype=np.float32).max(initial=0) < np.finfo(np.float16).max:
                raise ValueError(f"{source}: {name} does not fit half precision")
            kept = new.create_dataset(name, data=values.astype(np.float16))
        kept.attrs.update(item.attrs)

    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        old.visititems(copy)


if __name__ == "__main__":
    main()
