"""The pictures of docs/ that no benchmark draws, from real runs.

    python -m tools.screenshots [NAME ...]

Without names all are made anew: the explorer and the drawn network as they stand in JupyterLab in a
headless Chromium, the others by the functions that their pages show. docs/complex-masks.png comes
from benchmarks/complex_masks.py, docs/evidence.png from benchmarks/sanity.py, and the course's
pictures from tools/course_pictures.py.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

import mssviz
from mssviz import datasets, plots, scores
from mssviz.lessons.songs import PARAMS
from mssviz.stft import stft
from tests.ui import lab

DOCS = Path(__file__).parents[1] / "docs"
EXPLORER = """
import mssviz
explorer = mssviz.explore()
explorer.separate()
explorer
"""
NETWORK = """
import mssviz
from mssviz import insight
surgery = insight.Surgery(mssviz.Separator("spleeter:2stems"))
surgery.scale("vocals_conv1_skip", 0)
surgery.scale("vocals_conv2", 0, [2, 3, 4, 5])
view = mssviz.NetworkView(surgery)
view.selected = "vocals_conv2"
view
"""


def explorer() -> bytes:
    """The explorer, when the shipped excerpt is separated and its scores are there."""
    with _cell(EXPLORER, height=760) as page:
        page.wait_for_function(lab.SETTLED, timeout=120_000)
        page.locator(".mssviz-mixer", has_text="SDR").wait_for(timeout=120_000)
        return _shot(page.locator(".mssviz-deck"))


def network() -> bytes:
    """Spleeter's network with a skip connection and some channels off."""
    with _cell(NETWORK, height=900) as page:
        picture = page.locator(".mssviz-network")
        picture.wait_for(timeout=120_000)
        return _shot(picture)


def error_map() -> bytes:
    """Where the error of Spleeter's vocals lies, and what costs most."""
    true, separation = _lithium()
    errors = scores.error_map(true["vocals"], separation.estimates["vocals"])
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    ax = figure.subplots()
    plots.error_map(errors.signed, errors.params, ax=ax)
    plots.boxes([region.box for region in scores.costliest(errors, 5)], ax=ax)
    ax.set_ylim(100, 16_000)
    said = f"SDR {errors.sdr:.1f} dB, {errors.missing:.0%} missing"
    ax.set_title(f'vocals of Spleeter, "lithium" example: {said}')
    return _drawn(figure)


def hear_the_scores() -> bytes:
    """The four parts of Spleeter's vocals."""
    true, separation = _lithium()
    parts = scores.decompose(true, separation.estimates, separation.preset.stft.sample_rate)
    tracks = parts.of("vocals").tracks
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    spectra = {name: stft(track, PARAMS) for name, track in tracks.items()}
    plots.stems(spectra, PARAMS, axes=axes.ravel())
    axes[0, 0].set_ylim(100, 16_000)
    return _drawn(figure)


def measures() -> bytes:
    """The four models of the page's own table, in two planes."""
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in (DOCS / "measures.md").read_text("utf-8").splitlines()
    ]
    first = next(i for i, row in enumerate(rows) if row[:1] == ["model"])
    models = rows[first + 2 : first + 6]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    marks, loudness = figure.subplots(1, 2)
    for (name, *numbers), marker in zip(models, "osD^", strict=True):
        usdr, log_wmse, bleedless, fullness = (float(one.replace("−", "-")) for one in numbers)
        marks.plot(bleedless, fullness, marker, label=name)
        loudness.plot(usdr, log_wmse, marker, label=name)
    marks.set(xlabel="bleedless (0–100)", ylabel="fullness (0–100)")
    loudness.set(xlabel="uSDR (dB)", ylabel="log-WMSE")
    loudness.legend(frameon=False, fontsize=8)
    for ax in (marks, loudness):
        ax.grid(alpha=0.3)
    return _drawn(figure)


#: What makes each picture.
PICTURES = {
    "explorer": explorer,
    "network": network,
    "error-map": error_map,
    "hear-the-scores": hear_the_scores,
    "measures": measures,
}


def main(names: list[str]) -> None:
    """Make some pictures, or all."""
    for name in names or PICTURES:
        picture = Image.open(io.BytesIO(PICTURES[name]())).convert("RGB")
        path = DOCS / f"{name}.png"
        # a spectrogram's colours are more than a palette holds
        small = picture if name == "explorer" else picture.quantize(256)
        small.save(path, optimize=True)
        print(path.name, picture.size, path.stat().st_size)


def _lithium() -> tuple[dict[str, mssviz.audio.Waveform], mssviz.Separation]:
    mixture, sources = datasets.examples()["lithium"].load()
    separator = mssviz.Separator("spleeter:2stems", progress=False)
    separation = separator.separate(mixture, separator.sample_rate, progress=False)
    true = datasets.to_targets(sources, separator.targets)
    assert true is not None
    return true, separation


@contextlib.contextmanager
def _cell(code: str, height: int) -> Iterator[Page]:
    """A page of JupyterLab on which a cell has run."""
    with (
        tempfile.TemporaryDirectory() as name,
        lab.serve(folder := Path(name)) as address,
        sync_playwright() as playwright,
    ):
        path = lab.chromium_path(playwright)
        if path is None:
            raise SystemExit("no Chromium found; install it, or set CHROMIUM")
        browser = lab.launch(playwright, path)
        page = lab.new_page(browser, viewport={"width": 1366, "height": height})
        lab.open_notebook(page, address, lab.write_cell(folder, code))
        yield page
        browser.close()


def _shot(what: Locator) -> bytes:
    what.page.mouse.move(0, 0)  # nothing is pointed at
    return what.screenshot()


def _drawn(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, dpi=100)
    return file.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
