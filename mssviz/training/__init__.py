"""Training a network on songs with known stems, which can be stopped and goes on where it was.

It trains as Spleeter does: magnitudes of patches of 11.9 s, the sum of the targets' mean absolute
errors, Adam. The result is a folder like those of the presets that come with mssviz, for
`Separator`.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mssviz._checks import as_path
from mssviz._files import alone, cache_folder, writing
from mssviz._typing import PathLike, Progress
from mssviz.datasets import Track
from mssviz.errors import ParameterError, one_line
from mssviz.networks.table import NETWORKS
from mssviz.presets import Preset
from mssviz.tracks import check_tracks
from mssviz.training import result, songs
from mssviz.training.checkpoint import CHECKPOINT, COLUMNS
from mssviz.training.chunks import Chunks, patch_seconds
from mssviz.training.patches import check_augment
from mssviz.training.plans import MUSDB_VALIDATION, plan, preset_of, tiny
from mssviz.training.result import WEIGHTS
from mssviz.training.run import REDUCTION, Run, Watch
from mssviz.training.settings import Settings, settings_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHECKPOINT", "COLUMNS", "MUSDB_VALIDATION", "REDUCTION", "VALIDATION_SECONDS",
    "WEIGHTS", "Settings", "Watch", "check_augment", "patch_seconds", "plan", "preset_of",
    "settings_of", "tiny", "train",
]  # fmt: skip

#: Length of the middle of each song that losses are validated on, in seconds.
VALIDATION_SECONDS = 12.0
#: Most numbers in the mixtures and targets of a batch: 8 GiB.
LARGEST_BATCH = 1 << 31


def train(
    tracks: Mapping[str, Track],
    folder: PathLike,
    network: PathLike | Preset = "spleeter:2stems",
    *,
    validation: Mapping[str, Track] | None = None,
    settings: Settings | None = None,
    init: PathLike | None = None,
    init_targets: Mapping[str, str] | None = None,
    cache: PathLike | None = None,
    progress: bool | Progress = True,
    watch: Watch | None = None,
) -> "pd.DataFrame":
    """Train a network.

    A run that was stopped, in whatever way, goes on where it was when it is called again in the
    same way, and comes to the same result as if it had never been stopped.

    Parameters
    ----------
    tracks
        Songs by name; see `datasets`.
    folder
        Folder for the result, which is a preset with the network's average weights, the best in
        validation by `Settings.measure`, and gets the folder's name. A checkpoint is kept beside it
        and, in ``logs``, curves for TensorBoard.
    network
        Preset, or name or configuration of one, whose targets, grid and network are taken, but not
        its weights; ``"tiny"`` for `tiny`.
    validation
        Songs by name, to measure progress by. Without any, the last weights are kept.
    settings
        Settings of the training; if left out, the preset's, see `settings_of`.
    init
        Preset with the same network and grid, whose weights are the beginning.
    init_targets
        Names of targets of `init` by name of the target that starts from them, for targets that
        `init` does not have; those that are left out start at random.
    cache
        Folder for spectra; ``$MSSVIZ_CACHE/spectra``, else the user's cache, if left out.
    progress
        True for bars, False for none, or a callback ``(done, in all, what)``: songs while they are
        checked and decoded, then steps. What it raises, such as `Cancelled`, stops the work.
    watch
        Callback that gets the history so far and the averaged network after every epoch.

    Returns
    -------
    DataFrame
        One row for each epoch: ``step`` at its end, mean ``loss`` of its steps, ``validation_loss``
        of the averaged network (NaN without validation), ``learning_rate``, ``seconds`` of training
        up to there, and ``validation_usdr`` in dB, mean over songs and targets (NaN unless
        `Settings.measure` asks for it).

    Raises
    ------
    ParameterError
        If songs cannot be trained on, each with its reason; if options do not fit each other or
        the run that the folder holds; or if its checkpoint is damaged.
    FileError
        If a disk is full, the folder holds files that are no result of a training, or another
        training is at work in it.
    MssvizError
        If losses or weights are not finite any more; the last good ones stay.
    Cancelled
        If the user interrupted it (Ctrl+C); then a checkpoint was written.

    References
    ----------
    Hennequin, Khlif, Voituret and Moussallam, "Spleeter", JOSS 5(50):2154, 2020.

    Examples
    --------
    >>> songs = {"francium": mssviz.examples()["francium"]}
    >>> settings = mssviz.training.Settings(steps=2, epoch_steps=2, batch_size=1, chunks=1)
    >>> history = mssviz.train(
    ...     songs, "my model", "tiny", settings=settings, cache="spectra", progress=False
    ... )
    >>> mssviz.Separator("my model").targets
    ('vocals', 'accompaniment')
    """
    check_tracks(tracks)
    if validation:
        check_tracks(validation)
    preset, folder = preset_of(network), as_path(folder, "the folder for the result")
    settings = settings_of(preset, bool(validation)) if settings is None else settings
    _check_settings(settings, preset)
    if settings.lora and not (init is not None and NETWORKS[preset.model["type"]].attends):
        raise ParameterError(
            f"lora changes a trained transformer a little: it needs init (--init), the trained "
            f"one, and a network with transformers (got {preset.model['type']})"
        )
    waiting = settings.reduce_after or settings.stop_after or settings.measure != "loss"
    if not validation and waiting:
        raise ParameterError("reduce_after, stop_after and a measure need tracks for validation")
    place = as_path(cache, "cache") if cache is not None else cache_folder("spectra")
    summed = settings.mixture == "sum"
    learnt = Chunks(
        tracks, preset, settings.chunk_seconds, settings.chunks, place, summed, progress
    )
    seconds = max(VALIDATION_SECONDS, patch_seconds(preset))
    held_out = Chunks(validation or {}, preset, seconds, 1, place, summed, progress)
    songs.check((learnt, held_out), settings.mixture, progress)
    if "remix" in settings.augment and len(tracks) < 2:
        warnings.warn("remix mixes stems of different songs, and there is one song", stacklevel=2)
    run = Run(
        preset=replace(preset, name=one_line(folder.resolve().name)),
        folder=folder,
        settings=settings,
        learnt=learnt,
        held_out=held_out,
        start=(str(init) if init is not None else None, dict(init_targets or {})),
        licences=sorted({track.licence for track in tracks.values()}),
    )
    result.check_folder(folder)
    result.check_description(folder, run.preset, settings, list(tracks), run.start[0])
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, "another training"):
        run.begin(progress)
        for chunks in (learnt, held_out):
            chunks.decode(progress)
        run.proceed(progress, watch)
    return run.table()


def _check_settings(settings: Settings, preset: Preset) -> None:
    """Refuse what is no settings, and what does not suit the length of the network's patches."""
    if not isinstance(settings, Settings):
        raise ParameterError(
            "settings must be mssviz.training.Settings, such as Settings(steps=1000) (got "
            f"{type(settings).__name__})"
        )
    check_augment(settings.augment, preset)
    if settings.chunk_seconds < patch_seconds(preset):
        raise ParameterError(
            f"chunk_seconds must be at least a patch, {patch_seconds(preset):.2f} s "
            f"(got {settings.chunk_seconds})"
        )
    n_numbers = (
        settings.batch_size * (1 + len(preset.targets)) * math.prod(preset.input_shape.values())
    )
    if n_numbers > LARGEST_BATCH:
        raise ParameterError(
            f"batch_size {settings.batch_size} makes batches of {n_numbers} numbers, at most "
            f"{LARGEST_BATCH} can be; choose a smaller one"
        )
