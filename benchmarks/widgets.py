"""How the widgets respond in a real JupyterLab: a 4-minute song with 5 masks; the explorer.

    python benchmarks/widgets.py

Needs Chromium. Of the explorer, with the real network and 30 s of the shipped song of which 10 are
selected and playing: from a slider's key to the first new tiles of what is in view and to the
first new sound, which is that at the playhead, and from a stroke to new scores; the same for a
song of 4 minutes that is zoomed in on; from pressing Separate on a page open for ten seconds to
masks and to sound; and what saving a page of 30 s and four stems takes. Frames are timed in the
browser, from the start of painting to its end; the song is noise, the hardest picture to compress
and the same work to paint as any.
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from tests.ui import lab
from tests.ui.lent import Kernels

CODE = """
import numpy as np
from mssviz import SpectrogramView
from mssviz.stft import StftParams

rng = np.random.default_rng(0)
n_frames = 10336
tilt = np.geomspace(300, 1, 2049, dtype=np.float32)[None, :, None]
mixture = rng.standard_normal((n_frames, 2049, 1), np.float32).astype(np.complex64) * tilt
masks = rng.random((5, n_frames, 2049, 1), np.float32)
masks /= masks.sum(axis=0)
view = SpectrogramView(
    mixture, StftParams(), dict(zip("abcde", masks)), height=400 + 24
)
view
"""
#: Folder of a song's stems, as long as is asked for.
SONG = """
import numpy as np
import mssviz
from mssviz import audio, datasets

mixture, stems = datasets.examples()["francium"].load()
for name, stem in stems.items():
    times = -(-{seconds} * 44100 // len(stem))
    audio.write_audio(f"song/{{name}}.flac", np.tile(stem, (times, 1))[:{seconds} * 44100], 44100)
"""
EXPLORER = (
    SONG
    + """
explorer = mssviz.explore("song", duration={seconds})
explorer.separate()
explorer.view.start, explorer.view.stop = {view}
explorer.view.time = {view}[0] + 2
explorer.view.selection = {selection}
explorer.wait()
explorer
"""
)
#: An explorer on a fresh kernel, in which nothing has been separated.
FRESH = "import mssviz\nmssviz.explore()"
#: Page of 30 s and four stems; prints seconds and megabytes.
SAVED = (
    SONG
    + """
import time
explorer = mssviz.explore("song", "teaching:4stems", duration=30)
explorer.separate()
explorer.wait()
began = time.perf_counter()
size = explorer.save_html("page.html").stat().st_size / 1e6
print(f"SAVED {{time.perf_counter() - began:.1f}} s, {{size:.1f}} MB")
"""
)
VIEW = "document.querySelector('.mssviz-spectrogram').mssvizSpectrogram"


def timed(page: Page, what: str, action: object) -> None:
    """Do something, and print how long its frames took to paint."""
    page.evaluate(f"() => {{ {VIEW}.frameTimes = []; }}")
    action(page)
    page.wait_for_function(lab.SETTLED)
    frames = sorted(page.evaluate(f"() => {VIEW}.frameTimes"))
    print(
        f"{what:24s} {len(frames):4d} frames   median {statistics.median(frames):5.1f} ms   "
        f"95th percentile {frames[int(0.95 * (len(frames) - 1))]:5.1f} ms",
        flush=True,
    )


def zoom(page: Page) -> None:
    """Into the middle, as a wheel does."""
    turn(page, -30)


def turn(page: Page, pixels: int) -> None:
    """Turn the wheel with Ctrl, which zooms wherever the focus is."""
    page.keyboard.down("Control")
    for _ in range(40):
        page.mouse.wheel(0, pixels)
        page.wait_for_timeout(25)
    page.keyboard.up("Control")


def pan(page: Page) -> None:
    """A long drag."""
    x, y = place(page)
    page.mouse.down()
    for i in range(80):
        page.mouse.move(x - 6 * i, y)
        page.wait_for_timeout(16)
    page.mouse.up()


def back(page: Page) -> None:
    """Out again."""
    place(page)
    turn(page, 30)


def gamma(page: Page) -> None:
    """Move a slider."""
    page.get_by_role("slider", name="Gamma").focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)


def place(page: Page) -> tuple[float, float]:
    """Put the pointer into the middle of the picture."""
    box = page.locator(".mssviz-picture").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    return x, y


#: From a key on a slider until every stem's audio has another version, and tiles have come.
RESPONSE = """async (key) => {
    const mixer = document.querySelector(".mssviz-mixer").parentElement.mssvizMixer;
    const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
    const before = mixer.versions;
    const stems = ["vocals", "accompaniment"];
    let tiles = 0;
    const take = view.tiles.take;
    view.tiles.take = (...args) => {
        tiles ||= performance.now();
        take.apply(view.tiles, args);
    };
    const start = performance.now();
    const labels = [...document.querySelectorAll(".mssviz-panel-mask .mssviz-field")];
    const input = labels.find((e) => e.textContent.startsWith("Exponent")).querySelector("input");
    key === "ArrowLeft" ? input.stepDown() : input.stepUp();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (!stems.every((name) => mixer.versions[name] > before[name])) {
        await new Promise((done) => setTimeout(done, 1));
    }
    const sound = performance.now();
    while (!tiles) await new Promise((done) => setTimeout(done, 1));
    view.tiles.take = take;
    return [tiles - start, sound - start];
}"""

#: Whether masks are shown to the song's end, and whether stems sound in place of the mixture.
MASKS = """() => {
    const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
    const working = document.querySelector(".mssviz-run button:disabled");
    return view.model.get("_stems").length && working?.textContent !== "Separate"
        && !view.tiles.waiting.size && !view.dirty;
}"""
SOUND = """() => {
    const mixer = document.querySelector(".mssviz-mixer").parentElement.mssvizMixer;
    return mixer.ready && document.querySelector(".mssviz-mixer-mute[aria-pressed=true]");
}"""

#: From the end of a stroke until the table of scores has changed.
RESCORED = """async ([at, tool]) => {
    const table = () => document.querySelector("table.mssviz-scores").textContent;
    const before = table();
    const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
    const start = performance.now();
    view.model.send({ kind: "stroke", tool, points: [[at, 150], [at + 1, 3000]] });
    while (table() === before && performance.now() - start < 5000) {
        await new Promise((done) => setTimeout(done, 5));
    }
    return performance.now() - start;
}"""


def explorer_responds(
    page: Page, address: str, folder: Path, seconds: int, view: list[float]
) -> None:
    """Print how long the explorer takes from a key to picture, sound and scores.

    The song has so many seconds, of which those from `view` are seen, selected and played.
    """
    (folder / "song").mkdir(exist_ok=True)
    selection = [view[0], min(view[1], view[0] + 10)]
    code = EXPLORER.format(seconds=seconds, view=view, selection=selection)
    lab.open_notebook(page, address, lab.write_cell(folder, code))
    page.locator("table.mssviz-scores").wait_for(state="attached", timeout=120_000)
    page.wait_for_function(lab.SETTLED)
    page.locator(".mssviz-mixer-play").click()
    page.wait_for_timeout(1000)
    pictures, sounds = [], []
    for i in range(12):
        picture, sound = page.evaluate(RESPONSE, "ArrowRight" if i % 2 else "ArrowLeft")
        pictures.append(picture)
        sounds.append(sound)
        separate = page.get_by_role("button", name="Separate")  # it says what is being done
        separate.wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
    print(f"a song of {seconds} s, of which {view[0]:.0f} to {view[1]:.0f} s are seen")
    show("slider to new tiles", pictures)
    show("slider to new sound", sounds)
    scores = []
    for i in range(8):  # a stroke over another changes nothing, so each has its place
        tool = "paint" if i % 2 else "erase"
        scores.append(page.evaluate(RESCORED, [view[0] + 1.5 + i, tool]))
        page.wait_for_timeout(1500)
    show("stroke to new scores", scores)


def cold_start(page: Page, address: str, folder: Path) -> None:
    """Print what passes from pressing Separate for the first time to masks and to sound."""
    lab.open_notebook(page, address, lab.write_cell(folder, FRESH))
    separate = page.get_by_role("button", name="Separate")
    separate.wait_for(timeout=60_000)
    page.wait_for_timeout(10_000)
    began = time.perf_counter()
    separate.click()
    page.wait_for_function(MASKS, timeout=60_000)
    masks = time.perf_counter() - began
    page.wait_for_function(SOUND, timeout=60_000)
    sound = time.perf_counter() - began
    print(f"Separate, on a page open for 10 s: masks of 15 s {masks:.1f} s, sound {sound:.1f} s")


def saving(page: Page, address: str, folder: Path) -> None:
    """Print what a saved page of 30 s and four stems takes."""
    (folder / "song").mkdir(exist_ok=True)
    lab.open_notebook(page, address, lab.write_cell(folder, SAVED.format(seconds=30)))
    said = page.locator("pre", has_text="SAVED")
    said.wait_for(timeout=120_000)
    print(f"page of 30 s and four stems: {said.inner_text().removeprefix('SAVED ')}")


def show(what: str, milliseconds: list[float]) -> None:
    """Print the median and the range."""
    found = sorted(milliseconds)
    median = statistics.median(found)
    print(f"{what:24s} median {median:5.0f} ms   ({found[0]:.0f} to {found[-1]:.0f})", flush=True)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = lab.chromium_path(playwright)
        if path is None:
            sys.exit("no Chromium found; install it (apt-get install chromium) or set CHROMIUM")
        folder = Path(name)
        with lab.serve(folder) as address:
            browser = lab.launch(playwright, path)
            page = browser.new_context(viewport={"width": 1430, "height": 1200}).new_page()
            lab.open_notebook(page, address, lab.write_cell(folder, CODE))
            page.locator(".mssviz-picture").wait_for(timeout=120_000)
            start = time.perf_counter()
            page.wait_for_function(lab.SETTLED, timeout=60_000)
            inner = page.evaluate(f"() => {VIEW}.plot.inner")
            sent = page.evaluate(f"() => {VIEW}.tiles.cache.bytes") / 2**20
            print(f"picture of {inner['width']} x {inner['height']} pixels, 5 masks as hues")
            print(f"first picture {time.perf_counter() - start:.1f} s after the widget stood")
            print(f"kernel to browser before zooming: {sent:.1f} MiB")
            place(page)
            for what, action in (("zoom in", zoom), ("pan", pan), ("zoom out", back)):
                timed(page, what, action)
            timed(page, "slider to repaint", gamma)
            heap = page.evaluate("() => performance.memory.usedJSHeapSize") / 2**20
            cached = page.evaluate(f"() => {VIEW}.tiles.cache.bytes") / 2**20
            print(f"tiles kept: {cached:.0f} MiB; JavaScript heap: {heap:.0f} MiB")
            page.close()
            works = (
                cold_start,
                saving,
                partial(explorer_responds, seconds=30, view=[5, 20]),
                partial(explorer_responds, seconds=240, view=[120, 135]),
            )
            for work in works:
                Kernels(address, folder).end()
                page = lab.new_page(browser, viewport={"width": 1430, "height": 1600})
                work(page, address, folder)
                page.context.close()
            browser.close()


if __name__ == "__main__":
    main()
