"""The main job without a browser: separate the example, write stems, mask picture and scores."""

import sys
from pathlib import Path

import mssviz
from mssviz import datasets, export, plots


def main(folder: Path) -> None:
    separator = mssviz.Separator("spleeter:2stems")
    options = export.FileOptions(codec="flac", name_format="{instrument}.{codec}", masks=True)
    mixture_file = datasets.example_mixture()
    [files] = export.stem_paths([mixture_file], separator.targets, folder, options)
    written = export.separate_file(separator, mixture_file, files, options=options)

    mixture, sources = datasets.examples()["francium"].load()
    separation = separator.separate(mixture, separator.sample_rate)
    picture = folder / "masks_over_spectrogram.png"
    figure = plots.separation_figure(
        separation.mixture_stft[:],
        {target: mask[:] for target, mask in separation.masks.items()},
        separator.preset.stft,
    )
    figure.savefig(picture, dpi=110)

    references = datasets.to_targets(sources, separator.targets)
    assert references is not None
    scores = mssviz.evaluate(references, separation.estimates, separator.sample_rate)
    table = folder / "scores.csv"
    scores.to_csv(table, index=False)

    print("\nMedian over windows of one second, dB:")
    print(mssviz.summarise(scores).round(2).to_string())
    print("\nWritten:")
    for path in [*written, picture, table]:
        print(f"  {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
