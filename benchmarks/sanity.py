"""Does evidence for a bin depend on what the network has learnt? Random weights must change it.

    python benchmarks/sanity.py --picture docs/evidence.png

Layer by layer, from the output to the input, the weights of each target's part of the network are
shuffled among themselves, and the evidence for the same bin is found again. A method whose picture
stays the same shows the song and not the network (Adebayo et al., "Sanity checks for saliency
maps", NeurIPS 2018). What is compared is the rank of the bins that can matter at all, by their
values and by their absolute values: 1 is the same order, 0 is none.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats

import mssviz
from mssviz import datasets, plots
from mssviz.insight import Evidence, MaskBin

#: Layers whose weights are shuffled when a picture is drawn, besides none and all.
DRAWN = ("logits", "up4", "conv6")


def main() -> None:
    """Print the ranks' correlations, and draw the pictures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="spleeter:2stems")
    parser.add_argument("--target", default="vocals")
    parser.add_argument("--time", type=float, default=3.0, help="in seconds (3.0)")
    parser.add_argument("--frequency", type=float, default=440.0, help="in hertz (440)")
    parser.add_argument("--picture", type=Path, help="file for the pictures")
    arguments = parser.parse_args()
    song = datasets.examples()["francium"]
    separator = mssviz.Separator(arguments.model)
    mixture, _ = song.load(sample_rate=separator.sample_rate)
    separation = separator.separate(mixture, separator.sample_rate)
    place = arguments.target, arguments.time, arguments.frequency

    def gradient() -> Evidence:
        return MaskBin(separator, separation, *place).gradient()

    learnt = gradient()
    kept = {"learnt weights": learnt}
    print(f"{'shuffled from the output to':32s} {'rank':>6s} {'of absolute values':>20s}")
    for name in layers(separator.network.model, separator.targets):
        shuffle(separator.network.model, separator.targets, name)
        found = gradient()
        signed, absolute = correlations(learnt, found)
        print(f"{name:32s} {signed:6.2f} {absolute:20.2f}", flush=True)
        if name in DRAWN:
            kept[f"shuffled down to {name}"] = found
    kept["all shuffled"] = found
    if arguments.picture:
        draw(kept, separation, arguments.picture)


def layers(model: object, targets: tuple[str, ...]) -> list[str]:
    """Names of the layers with kernels without their target, from the output to the input."""
    prefix = f"{targets[0]}_"
    named = [x.name for x in model.layers if x.name.startswith(prefix) and x.weights]
    return [name.removeprefix(prefix) for name in reversed(named) if not name.endswith("norm")]


def shuffle(model: object, targets: tuple[str, ...], name: str) -> None:
    """Put the weights of one layer of every target, and of what normalises it, in random order."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.removesuffix("_norm") in {f"{target}_{name}" for target in targets}:
            layer.set_weights(
                [rng.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()]
            )


def correlations(first: Evidence, second: Evidence) -> tuple[float, float]:
    """Spearman's rank correlation of two pictures: of their values, and of these without sign."""
    reached = (first.values != 0) | (second.values != 0)
    pair = first.values[reached], second.values[reached]
    return scipy.stats.spearmanr(*pair)[0], scipy.stats.spearmanr(*np.abs(pair))[0]


def draw(kept: dict[str, Evidence], separation: mssviz.Separation, path: Path) -> None:
    """Draw the pictures side by side, each beside the strongest place of its own."""
    params = separation.preset.stft
    figure, axes = plt.subplots(1, len(kept), figsize=(15, 3.8), sharey=True, layout="constrained")
    for ax, (title, evidence) in zip(axes, kept.items(), strict=True):
        plots.evidence(evidence.values, params, ax=ax, start=evidence.start)
        ax.set_title(title, fontsize=9)
        ax.set_xlim(0, 9)
        ax.label_outer()
    for bar in figure.axes[len(kept) : -1]:
        bar.remove()
    figure.savefig(path, dpi=60)


if __name__ == "__main__":
    main()
