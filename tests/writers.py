"""Everything in mssviz that writes files, small enough to be run hundreds of times.

`WRITERS` is what is killed, interrupted and given full disks in `tests/trials.py`.
"""

import contextlib
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

import mssviz
from mssviz import audio, datasets, export, presets, pretrained, training
from mssviz._files import sha256
from mssviz.cli._evaluate import evaluate
from mssviz.cli._notebooks import copy_notebooks
from mssviz.comparison.store import KEPT, ScoreStore
from mssviz.lessons import checking
from mssviz.presets import Weights
from mssviz.stft import StftParams
from mssviz.training.chunks import Chunks
from mssviz.widgets.explorer.saving import WAYS
from tests import server

GOLDEN = Path(__file__).parent / "golden"
RATE = 8000
STEMS = ("vocals", "accompaniment")
TINY = replace(
    training.tiny(), stft=StftParams(sample_rate=RATE, n_fft=128, hop_length=32), patch_frames=16,
    model_bins=32, n_channels=1, model={"type": "unet", "filters": [2, 4]},
)  # fmt: skip


def older_files(_made: Any, home: Path, names: list[str]) -> None:
    """Put other content where a writer is going to write."""
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"older")


@dataclass(frozen=True)
class Writer:
    """Something that writes.

    Parameters
    ----------
    write
        Function of what `prepare` made, and of the folder below which it writes.
    modules
        Modules of mssviz whose files these are.
    prepare
        Function of a folder that makes in it what the writer reads, and is called once.
    older
        Function that makes what is there before, of what was prepared, the folder, and the names
        of all files that the writer makes.
    digest
        Function of a file's name and content that leaves out what differs from run to run.
    imports
        Whether it needs TensorFlow.
    between
        What `digest` makes of a whole file that is neither old nor new, which an interrupted writer
        leaves so that the next goes on from there; None if there is none.
    """

    write: Callable[[Any, Path], object]
    modules: tuple[str, ...]
    prepare: Callable[[Path], Any] = lambda folder: folder
    older: Callable[[Any, Path, list[str]], object] = older_files
    digest: Callable[[str, bytes], bytes] = lambda _, content: content
    imports: bool = False
    between: bytes | None = None


def noise(seed, n_samples=RATE, n_channels=1):
    level = np.random.default_rng(seed).normal(0, 0.1, (n_samples, n_channels))
    return level.astype(np.float32)


def song(folder):
    """A folder of stems, for `datasets.from_folders` and the explorer."""
    for seed, stem in enumerate(STEMS):
        (folder / "song").mkdir(parents=True, exist_ok=True)
        audio.write_audio(folder / "song" / f"{stem}.wav", noise(seed), RATE)
    return folder


# --- Downloads ----------------------------------------------------------------------------------


def _archive(folder):
    """A preset, and the server with the archive of its weights."""
    hashes, path = {}, folder / "tiny.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        for seed, name in enumerate(("model.index", "model.data-00000-of-00001")):
            (folder / name).write_bytes(np.random.default_rng(seed).bytes(300_000))
            tar.add(folder / name, name)
            hashes[name] = sha256(folder / name)
    process, url = server.started(path)
    source = {"url": url, "sha256": sha256(path)}
    weights = Weights("spleeter", "tiny", hashes, sources=(source,))
    return replace(presets.find("spleeter:4stems"), name="tiny", weights=weights), process


def _download(made, home):
    os.environ["MSSVIZ_PRETRAINED"] = str(home)
    pretrained.fetch(made[0])


# --- Stems and other sound ----------------------------------------------------------------------


def _mixture(folder):
    audio.write_audio(folder / "mixture.wav", noise(0, 3 * 44100, 2), 44100)
    return folder / "mixture.wav", mssviz.separators.find("mixture", targets=STEMS)


def _export(made, home):
    path, model = made
    options = export.FileOptions(codec="flac", masks=True)
    [files] = export.stem_paths([path], STEMS, home, options)
    export.separate_file(model, path, files, options=options, progress=False)


def _sounds(_, home):
    for codec in audio.CODECS:
        audio.write_audio(home / f"sound.{codec}", noise(1, 44100), 44100, codec)


def _separate(_, home):
    separator = mssviz.Separator("teaching:4stems", progress=False)
    separator.separate(noise(2, 22050, 2), 44100, progress=False).save(home / "stems", "flac")


def _n_samples(name, content):
    """Length of a sound, of those formats that have numbers of their own in each file."""
    if content in (b"", b"older") or Path(name).suffix.lstrip(".") not in audio.CODECS:
        return content
    return str(len(audio.load_audio(io.BytesIO(content))[0])).encode()


# --- Training -----------------------------------------------------------------------------------


EPOCH_STEPS = 2
BETWEEN = b"a whole checkpoint between two epochs"


def _train(made, home, steps=2 * EPOCH_STEPS):
    settings = training.Settings(
        steps=steps, epoch_steps=EPOCH_STEPS, batch_size=1, chunk_seconds=0.5, chunks=1
    )
    tracks = datasets.from_folders(made)
    training.train(tracks, home / "model", TINY, settings=settings, progress=False)


def _trained(name, content):
    """What a training writes, without times, and without names that Keras numbers by process."""
    if name.endswith(".h5"):
        found = {}
        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(lambda _, thing: found.update(_numbers_of(thing)))
        return b"".join(sorted(found.values()))
    if name.endswith("manifest.json"):
        return b"the digest of that file"
    if name.endswith("checkpoint.npz"):
        with np.load(io.BytesIO(content)) as arrays:
            kept = json.loads(str(arrays["progress"]))
            progress = [kept["step"], kept["losses"], [row["loss"] for row in kept["history"]]]
            numbers = [arrays[key].tobytes() for key in sorted(arrays) if key != "progress"]
        if kept["step"] % EPOCH_STEPS or kept["losses"]:  # or an epoch is to be ended anew
            return BETWEEN
        return json.dumps(progress).encode() + b"".join(numbers)
    return re.sub(rb"\| time \|.*|\d\.\d+ hours", b"", content)


def _numbers_of(thing):
    return {thing.name: thing[()].tobytes()} if isinstance(thing, h5py.Dataset) else {}


# --- Caches -------------------------------------------------------------------------------------


def _spectra(made, home):
    tracks = datasets.from_folders(made)
    Chunks(tracks, TINY, 0.5, 2, home / "spectra").decode(progress=False)


def _scores(_, home):
    store = ScoreStore(home / "scores")
    for seed in range(3):
        rows = [["vocals", t, "SDR", v] for t, v in enumerate(noise(seed, 500)[:, 0].tolist())]
        store.put(f"{seed:064x}", pd.DataFrame(rows, columns=KEPT))


def _corpus(folder):
    """MUSDB18's arrangement, and a cache with all its scores."""
    for seed, stem in enumerate(("vocals", "drums", "bass", "other")):
        (folder / "test" / "A - Song").mkdir(parents=True, exist_ok=True)
        sound = noise(seed, 44100, 2)
        audio.write_audio(folder / "test" / "A - Song" / f"{stem}.wav", sound, 44100)
    _evaluate(folder, folder / "unused")
    return folder


def _evaluate(folder, home):
    kept, os.environ["MSSVIZ_CACHE"] = os.environ["MSSVIZ_CACHE"], str(folder / "cache")
    home.mkdir(exist_ok=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluate(
                mus_dir=folder, models=["mixture"], output=home / "scores", csv=home / "all.csv"
            )
    finally:
        os.environ["MSSVIZ_CACHE"] = kept


# --- Pages and what else the explorer saves -----------------------------------------------------


def _explorer(folder):
    explorer = mssviz.explore(song(folder) / "song", "mixture", duration=1.0)
    explorer.separate()
    explorer.wait()
    return explorer


def _page(explorer, home):
    explorer.save_html(home / "page.html")


def _without_sound(_, content):
    """A page without its sounds, whose Ogg streams have random numbers."""
    return re.sub(rb'"bytes": "[^"]*"', b"", content)


def _save(explorer, home):
    for name, way in WAYS.items():
        if "page" not in name:
            chosen = "flac" if "flac" in way.formats else way.formats[0]
            ending = "zip" if way.packed else chosen
            explorer.save(name, home / f"{name}.{ending}", chosen, overwrite=True)


def _unpacked(name, content):
    """An archive's content without times."""
    if name.endswith(".zip") and content != b"older":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return b"".join(archive.read(entry) for entry in archive.namelist())
    return content


# --- Small files --------------------------------------------------------------------------------


def _listening_test(_):
    sounds = {"song": {name: noise(seed) for seed, name in enumerate(("one", "two", "three"))}}
    return mssviz.ListeningTest(sounds, RATE, references={"song": noise(9)}, seed=0)


def _answers(test, home):
    test.save(home / "answers.csv", overwrite=True)


def _results(_, home):
    kept = Path.cwd()
    os.chdir(home)
    try:
        checking._keep("1.1", solved=False)
    finally:
        os.chdir(kept)


def _no_results(_, home, names):
    (home / names[0]).write_text('{"exercises": {}}')


def _without_tries(_, content):
    return re.sub(rb'"tries": \d+', b"", content)


def _notebooks(_, home):
    copy_notebooks(["explorer.ipynb", "course/01-listening.ipynb"], home)


def _no_notebooks(_, home, names):
    pass  # what people have changed stays


def _checkpoint(folder):
    path = folder / "model.ckpt"
    with np.load(GOLDEN / "roformers.npz") as arrays:
        path.write_bytes(arrays["mel_ckpt"].tobytes())
    (folder / "config.yaml").write_text(
        "audio: {chunk_size: 480, sample_rate: 8000}\n"
        "model: {num_bands: 7, mask_estimator_depth: 2, stft_hop_length: 24, sample_rate: 8000}\n"
        "training: {instruments: [Vocals, other], target_instrument: Vocals}\n"
        "inference: {num_overlap: 4}\n"
    )
    return path


def _import(path, home):
    os.environ["MSSVIZ_PRETRAINED"] = str(home)
    shutil.rmtree(home / "imported", ignore_errors=True)
    pretrained.import_checkpoint(path, "mine", path.with_name("config.yaml"))


WRITERS = {
    "download": Writer(_download, ("pretrained", "_fetch"), _archive),
    "export": Writer(_export, ("export", "audio"), _mixture),
    "sounds": Writer(_sounds, ("audio", "_sound.encoding"), digest=_n_samples),
    "separation": Writer(_separate, ("separation.song",), imports=True),
    "training": Writer(
        _train, ("training.result", "training.checkpoint", "training.run", "training.chunks"), song,
        older=lambda made, home, _: _train(made, home, EPOCH_STEPS), digest=_trained, imports=True,
        between=BETWEEN,
    ),
    "spectra": Writer(_spectra, ("training.chunks",), song),
    "scores": Writer(_scores, ("comparison.store",)),
    "evaluation": Writer(_evaluate, ("comparison.evaluation", "cli._evaluate"), _corpus),
    "page": Writer(_page, ("widgets.page",), _explorer, digest=_without_sound),
    "saving": Writer(
        _save, ("widgets.explorer.saving", "separation.editing"), _explorer, digest=_unpacked
    ),
    "answers": Writer(_answers, ("widgets.listening_test",), _listening_test),
    "results": Writer(_results, ("lessons.checking",), older=_no_results, digest=_without_tries),
    "notebooks": Writer(_notebooks, ("cli._notebooks",), older=_no_notebooks),
    "import": Writer(
        _import, ("presets.imports",), _checkpoint, older=lambda *_: None, imports=True
    ),
}  # fmt: skip
