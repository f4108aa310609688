r"""What do the parts of complex masks score alone? And a picture of the masks themselves.

    python benchmarks/complex_masks.py spleeter:2stems oracle:MWF-targets \
        --picture docs/complex-masks.png

Of one stem of an example: the SDR of the whole signal with the whole mask, with its magnitude alone
(what a ratio mask could do) and with its turn alone. The first row is of the true stem, whose mask
is the best that there is. Models whose masks lie in [0, 1] get one round of the Wiener filter,
which turns the phase.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from mssviz import Separation, datasets, masks, plots
from mssviz._typing import MaskPart, Stft, Waveform
from mssviz.scores import usdr
from mssviz.separation.laboratory import Laboratory
from mssviz.separators import find
from mssviz.stft import istft, stft

TRUE = "the true stem"


def main() -> None:
    """Print the scores, and draw the masks if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names of models, or folders")
    parser.add_argument("--song", default="lithium", help="an example (lithium)")
    parser.add_argument("--stem", default="vocals")
    parser.add_argument("--picture", type=Path, help="file for the picture")
    arguments = parser.parse_args()
    mixture, stems = datasets.examples()[arguments.song].load()
    true = stems[arguments.stem]
    separated = {}
    for name in arguments.models:
        model, title = find(name, progress=False), Path(name).name
        if not model.kind.turns:
            model, title = find(name, mwf=1, progress=False), f"{title}, Wiener filter"
        separated[title] = model.separate(mixture, 44100, progress=False, references=stems)
    params = next(iter(separated.values())).preset.stft
    spectra = stft(true, params), stft(mixture, params)
    heard = {TRUE: [istft(masks.apply_part(*spectra, p), params, len(true)) for p in masks.PARTS]}
    for name, separation in separated.items():
        heard[name] = [sound(separation, arguments.stem, part) for part in masks.PARTS]
    print(f"{'SDR in dB':32s} " + " ".join(f"{part:>10s}" for part in masks.PARTS))
    for name, sounds in heard.items():
        print(f"{name:32s} " + " ".join(f"{usdr(true, one):10.1f}" for one in sounds))
    if arguments.picture:
        drawn = {TRUE: masks.complex_mask(*spectra)}
        drawn |= {name: s.complex_masks[arguments.stem][:] for name, s in separated.items()}
        draw(drawn, spectra[1], next(iter(separated.values())), arguments.picture)


def sound(separation: Separation, stem: str, part: MaskPart) -> Waveform:
    """A stem through a part of its complex mask."""
    laboratory = Laboratory(separation)
    laboratory.set_options(mask_part=part)
    for frames in laboratory.parts():
        laboratory.remask(frames)
        laboratory.resound(frames)
    return laboratory.estimates[stem]


def draw(drawn: dict[str, Stft], mixture: Stft, separation: Separation, path: Path) -> None:
    """Draw complex masks side by side."""
    figure = Figure(figsize=(4.6 * len(drawn), 4.2), layout="constrained")
    axes = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
    for ax, (name, mask) in zip(axes, drawn.items(), strict=True):
        plots.complex_mask(mask, mixture, separation.preset.stft, ax=ax)
        ax.set_title(name, fontsize=9)
        ax.set_xlim(0, 5)
        ax.set_ylim(200, 6000)
        ax.label_outer()
        if ax is not axes[-1]:
            ax.child_axes[0].remove()  # one legend is enough
    figure.savefig(path, dpi=75)


if __name__ == "__main__":
    main()
