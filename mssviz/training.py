"""Training a network on songs with known stems, on from where it was whenever it was stopped.

As Spleeter trains: magnitudes of patches of 11.9 s, the sum of the targets' mean absolute errors,
Adam. The result is a folder like those of the presets that come with mssviz, for `Separator`.
"""

import functools
import json
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import datasets, presets, pretrained
from mssviz._ahead import ahead
from mssviz._files import cache_folder, new_file, new_folder, sha256, writing
from mssviz._progress import reporter
from mssviz._typing import AnyArray, PathLike, Progress
from mssviz.datasets import Track
from mssviz.errors import Cancelled, ParameterError
from mssviz.patches import Chunks, Patches, check_augment, middles, patch_seconds
from mssviz.presets import Preset, Weights
from mssviz.separate import Separator
from mssviz.stft import StftParams

if TYPE_CHECKING:
    import pandas as pd

    from mssviz.networks import Network
    from mssviz.networks.fit import Fit

WEIGHTS = "model.weights.h5"
CHECKPOINT = "checkpoint.npz"
#: Length of the middle of each song that losses are validated on, in seconds.
VALIDATION_SECONDS = 12.0
#: Factor of the learning rate when the validation loss stalls.
REDUCTION = 0.3
COLUMNS = ("step", "loss", "validation_loss", "learning_rate", "seconds")

#: Songs of MUSDB18's ``train`` that its authors' tools set aside.
MUSDB_VALIDATION = frozenset({
    "ANiMAL - Rockshow", "Actions - One Minute Smile", "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims", "Fergessen - Nos Palpitants",
    "James May - On The Line", "Johnny Lokke - Promises & Lies", "Leaf - Summerghost",
    "Meaxic - Take A Step", "Patrick Talbot - A Reason To Leave", "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens", "Triviul - Angelsaint", "Young Griffo - Pennies",
})  # fmt: skip

#: Names of losses, see `networks.losses`.
LOSSES = ("L1_mask", "weighted_L1_mask", "L1", "MSE", "combination", "multi_resolution")

#: Called after every epoch with the history so far and the averaged network.
Watch = Callable[["pd.DataFrame", "Network"], None]


@dataclass(frozen=True)
class Settings:
    """How a network is trained; the defaults are Spleeter's, where it has them.

    Parameters
    ----------
    steps
        Gradient steps in all.
    epoch_steps
        Steps between two validations; after each, a checkpoint is written.
    batch_size
        Patches in a step.
    learning_rate
        Of the first steps.
    optimizer, loss, precision
        ``"Adam"``, ``"Adadelta"`` or ``"SGD"``; ``"L1_mask"`` or another of `networks.losses`;
        ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``. See `networks.fit`.
    decay
        Of the average of weights, see `networks.fit.Fit`; 0 for none.
    chunk_seconds, chunks
        Length of the chunks that patches are cut from, and how many of each song.
    augment
        Names from `patches.AUGMENTATIONS`.
    reduce_after, stop_after
        Epochs without a better validation loss after which the learning rate is multiplied by
        0.3, and after which training ends; None for never.
    seed
        Of weights, order, cuts and augmentation.

    Raises
    ------
    ParameterError
        If a value is outside its domain.
    """

    steps: int = 100_000
    epoch_steps: int = 300
    batch_size: int = 4
    learning_rate: float = 1e-4
    optimizer: str = "Adam"
    loss: str = "L1_mask"
    precision: str = "float32"
    decay: float = 0.999
    chunk_seconds: float = 20.0
    chunks: int = 2
    augment: tuple[str, ...] = ()
    reduce_after: int | None = None
    stop_after: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", tuple(self.augment))
        positive = ("steps", "epoch_steps", "batch_size", "learning_rate", "chunk_seconds",
                    "chunks", "reduce_after", "stop_after")  # fmt: skip
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ParameterError(f"{name} must be above 0 (got {value})")
        if not 0 <= self.decay < 1:
            raise ParameterError(f"decay must be at least 0 and below 1 (got {self.decay})")
        if self.seed < 0:
            raise ParameterError(f"seed must be 0 or more (got {self.seed})")
        for name, known in _NAMES.items():
            if getattr(self, name) not in known:
                raise ParameterError(
                    f"{name} is one of {', '.join(known)} (got {getattr(self, name)!r})"
                )
        check_augment(self.augment)


_NAMES = {
    "optimizer": ("Adam", "Adadelta", "SGD"),
    "loss": LOSSES,
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
}


def tiny(targets: tuple[str, ...] = ("vocals", "accompaniment")) -> Preset:
    """A network of 0.2 million parameters a target, for tests and teaching; it has no weights."""
    return Preset(
        name="tiny",
        title="A small U-Net",
        targets=targets,
        stft=StftParams(),
        patch_frames=64,
        model_bins=1024,
        n_channels=2,
        mask_power=2.0,
        mask_extension="zeros",
        model={"type": "unet", "filters": [8, 16, 32, 64]},
        weights=Weights("keras", "weights", {WEIGHTS: None}),
    )


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
    same way, to the same result as if it had never been stopped.

    Parameters
    ----------
    tracks
        Songs by name; see `datasets`.
    folder
        For the result: a preset with the network's average weights, the best by validation
        loss. It gets the folder's name. Beside it a checkpoint and, in ``logs``, curves for
        TensorBoard.
    network
        Preset, name or configuration whose targets, grid and network are meant, not its
        weights; ``"tiny"`` for `tiny`.
    validation
        Songs to measure progress by. Without any, the last weights are kept.
    settings
        How to train; if left out, as the preset says, see `settings_of`.
    init
        Preset with the same network and grid whose weights are the beginning.
    init_targets
        Target to the target of `init` that it starts from, for targets that `init` does not
        have; those left out start at random.
    cache
        Folder for spectra; ``$MSSVIZ_CACHE/spectra``, else the user's cache, if left out.
    progress
        True for bars, or a callback ``(steps done, steps in all, what)``; what it raises, such
        as `Cancelled`, stops the work.
    watch
        Called with the history so far and the averaged network after every epoch.

    Returns
    -------
    DataFrame
        One row an epoch: ``step`` at its end, mean ``loss`` of its steps, ``validation_loss``
        of the averaged network (NaN without validation), ``learning_rate``, and ``seconds`` of
        training up to there.

    Raises
    ------
    ParameterError
        If songs are not fit for training, each with its reason, or options do not fit each
        other or the run that the folder holds.
    Cancelled
        If the user interrupted it (Ctrl+C); a checkpoint was written.

    References
    ----------
    Hennequin, Khlif, Voituret and Moussallam, "Spleeter", JOSS 5(50):2154, 2020.
    """
    preset, folder = preset_of(network), Path(folder)
    if settings is None:
        settings = settings_of(preset, bool(validation))
    check_augment(settings.augment, preset)
    if settings.chunk_seconds < patch_seconds(preset):
        raise ParameterError(
            f"chunk_seconds must be at least a patch, {patch_seconds(preset):.2f} s "
            f"(got {settings.chunk_seconds})"
        )
    if not tracks:
        raise ParameterError("training needs at least one track")
    if not validation and (settings.reduce_after or settings.stop_after):
        raise ParameterError("reduce_after and stop_after need tracks for validation")
    place = Path(cache) if cache is not None else cache_folder("spectra")
    learnt = Chunks(tracks, preset, settings.chunk_seconds, settings.chunks, place)
    seconds = max(VALIDATION_SECONDS, patch_seconds(preset))
    held_out = Chunks(validation or {}, preset, seconds, 1, place)
    problems = [
        f"{name}: {problem}"
        for chunks in (learnt, held_out)
        for name, problem in chunks.problems(progress).items()
    ]
    if problems:
        raise ParameterError(
            f"{len(problems)} of {len(learnt.files) + len(held_out.files)} tracks are not fit for "
            f"training; correct or leave out: {' | '.join(problems)}"
        )
    for chunks in (learnt, held_out):
        chunks.decode(progress)
    run = _Run(
        preset=replace(preset, name=folder.resolve().name),
        folder=folder,
        settings=settings,
        learnt=learnt,
        held_out=held_out,
        start=(str(init) if init is not None else None, dict(init_targets or {})),
        licences=sorted({track.licence for track in tracks.values()}),
    )
    run.begin(progress)
    run.proceed(progress, watch)
    return run.table()


@dataclass
class _Run:
    preset: Preset
    folder: Path
    settings: Settings
    learnt: Chunks
    held_out: Chunks
    start: tuple[str | None, dict[str, str]]
    licences: list[str]
    step: int = 0
    seconds: float = 0.0
    learning_rate: float = 0.0
    best: float = np.inf
    stalled: int = 0
    losses: list[float] = field(default_factory=list)  # since the last epoch
    history: list[dict[str, float]] = field(default_factory=list)

    _KEPT = ("step", "seconds", "learning_rate", "best", "stalled", "losses", "history")

    @functools.cached_property
    def fit(self) -> "Fit":
        from mssviz.networks import Network
        from mssviz.networks.fit import Fit

        p, s = self.preset, self.settings
        return Fit(
            lambda: Network(p.model, p.targets, p.input_shape),
            optimizer=s.optimizer, loss=s.loss, precision=s.precision, decay=s.decay, seed=s.seed,
        )  # fmt: skip

    @property
    def finished(self) -> bool:
        stop = self.settings.stop_after
        return self.step >= self.settings.steps or (stop is not None and self.stalled >= stop)

    def table(self) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(self.history, columns=list(COLUMNS))

    # --- Beginning, and beginning again ---

    def begin(self, progress: bool | Progress) -> None:
        path = self.folder / CHECKPOINT
        if path.is_file():
            self._resume(path)
            return
        self.learning_rate = self.settings.learning_rate
        if self.start[0] is not None:
            self._start_from(self.start[0], self.start[1], progress)

    def _start_from(self, init: str, named: Mapping[str, str], progress: bool | Progress) -> None:
        separator = Separator(init, progress=progress)
        other = separator.preset
        if (other.model, other.stft) != (self.preset.model, self.preset.stft):
            raise ParameterError(
                f"{init} has another network or grid than the one to be trained; training can "
                "only start from weights of the same"
            )
        shared = {t: t for t in self.preset.targets if t in other.targets}
        targets = {**shared, **named}
        unknown = [t for t in targets if t not in self.preset.targets]
        unknown += [t for t in targets.values() if t not in other.targets]
        if unknown or not targets:
            raise ParameterError(
                f"init_targets must lead from {', '.join(self.preset.targets)} to "
                f"{', '.join(other.targets)} (got {', '.join(unknown) or 'none'})"
            )
        self.fit.start_from(separator.network, targets)

    def _identity(self) -> dict[str, Any]:
        p = self.preset
        return {
            "targets": list(p.targets),
            "grid": [asdict(p.stft), p.patch_length, p.model_bins, p.n_channels],
            "model": dict(p.model),
            "init": list(self.start),
            "tracks": [path.stem for path in self.learnt.files.values()],
            "validation": [path.stem for path in self.held_out.files.values()],
            **{k: v for k, v in asdict(self.settings).items() if k != "steps"},
        }

    def _resume(self, path: Path) -> None:
        try:
            with np.load(path) as file:
                kept = json.loads(str(file["progress"]))
                state = {name: file[name] for name in file.files if name != "progress"}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ParameterError(
                f"{path}: not a checkpoint of a training ({error}); delete it to begin anew"
            ) from error
        own = json.loads(json.dumps(self._identity()))
        others = [name for name in own if own[name] != kept["identity"].get(name)]
        if others:
            raise ParameterError(
                f"{self.folder} holds a training with other {', '.join(others)}: go on with the "
                "same, or choose another folder"
            )
        for name in self._KEPT:
            setattr(self, name, kept[name])
        self.fit.restore(state)

    def save(self) -> None:
        kept = {name: getattr(self, name) for name in self._KEPT}
        text = json.dumps({"identity": self._identity(), **kept})
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with new_file(self.folder / CHECKPOINT) as scratch, scratch.open("wb") as file:
            arrays: dict[str, Any] = {"progress": np.array(text), **self.fit.state()}
            np.savez(file, **arrays)

    # --- The work ---

    def proceed(self, progress: bool | Progress, watch: Watch | None) -> None:
        from mssviz.networks.fit import Log

        if self.finished:
            return
        patches = Patches(self.learnt, self.settings.augment, self.settings.seed)
        with (
            reporter(progress, unit="step") as report,
            Log(self.folder / "logs") as log,
            ahead(patches.batches(self.step, self.settings.batch_size)) as batches,
            _interruption() as interrupted,
        ):
            try:
                while not self.finished:
                    began = time.perf_counter()
                    loss = self.fit.step(next(batches), self.learning_rate)
                    self.seconds += time.perf_counter() - began
                    self.losses.append(loss)
                    self.step += 1
                    log.write(self.step, {"loss": loss, "learning_rate": self.learning_rate})
                    report(self.step, self.settings.steps, f"train: loss {loss:.4f}")
                    if self.step % self.settings.epoch_steps == 0 or self.finished:
                        self._end_epoch()
                        validation_loss = self.history[-1]["validation_loss"]
                        log.write(self.step, {"validation_loss": validation_loss})
                        if watch is not None:
                            watch(self.table(), self.fit.average)
                    if interrupted():
                        raise Cancelled(
                            f"stopped after step {self.step} of {self.settings.steps}; the same "
                            "command goes on from there"
                        )
            except Cancelled:  # comes between two steps
                self.save()
                raise

    def _end_epoch(self) -> None:
        validation = self._validated()
        loss = float(validation.sum()) if len(validation) else np.nan
        row = (self.step, float(np.mean(self.losses)), loss, self.learning_rate, self.seconds)
        self.history.append(dict(zip(COLUMNS, row, strict=True)))
        self.losses = []
        if not loss >= self.best:  # NaN without validation: the last is the best
            self.best, self.stalled = min(loss, self.best), 0
            self._export(dict(zip(self.preset.targets, validation, strict=False)))
        else:
            self.stalled += 1
            reduce_after = self.settings.reduce_after
            if reduce_after is not None and self.stalled % reduce_after == 0:
                self.learning_rate *= REDUCTION
        self.save()

    def _validated(self) -> AnyArray:
        """Mean loss of every target, ``(n_targets,)``; empty without validation."""
        batches = middles(self.held_out, self.settings.batch_size)
        losses = [self.fit.validate(batch) for batch in batches]
        return np.concatenate(losses).mean(axis=0) if losses else np.zeros(0)

    # --- The result ---

    def _export(self, losses: Mapping[str, float]) -> None:
        kept = (WEIGHTS, pretrained.MANIFEST)
        with new_folder(self.folder / "weights", kept) as scratch:
            self.fit.save(scratch / WEIGHTS)
            manifest = {WEIGHTS: sha256(scratch / WEIGHTS)}
            (scratch / pretrained.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        p = self.preset
        config = {
            "name": p.name,
            "title": f"Trained on {_counted(len(self.learnt.files), 'song')}",
            "targets": list(p.targets),
            **asdict(p.stft),
            **(
                {"patch_samples": p.patch_samples}
                if p.gives_waveforms
                else {"patch_frames": p.patch_frames}
            ),
            "context": p.context,
            "model_bins": p.model_bins,
            "n_channels": p.n_channels,
            "mask_power": p.mask_power,
            "mask_extension": p.mask_extension,
            "model": dict(p.model),
            "weights": {"format": "keras", "folder": "weights", "files": {WEIGHTS: None}},
            "training": asdict(self.settings),
        }
        texts = {
            "config.json": json.dumps(config, indent=2) + "\n",
            "README.md": self._card(losses),
        }
        for name, text in texts.items():
            with new_file(self.folder / name) as file:
                file.write_text(text, encoding="utf-8")

    def _card(self, losses: Mapping[str, float]) -> str:
        p, s, last = self.preset, self.settings, self.history[-1]
        validation = ", ".join(f"{target} {loss:.4f}" for target, loss in losses.items())
        hertz = p.model_bins * p.stft.sample_rate / p.stft.n_fft
        rows = {
            "stems, in this order": ", ".join(p.targets),
            "network": json.dumps(dict(p.model)),
            "input": f"{p.signal} of the mixture, {p.stft.sample_rate} Hz, "
            f"{p.n_channels} channels, window {p.stft.n_fft}, hop {p.stft.hop_length}, "
            f"{patch_seconds(p):.2f} s at a time",
            "modelled band": f"up to {hertz:,.0f} Hz",
            "began with": self.start[0] or "random weights",
            "training data": f"{_counted(len(self.learnt.files), 'song')}; "
            f"{_counted(len(self.held_out.files), 'other')} for validation",
            "licences of the songs": ", ".join(self.licences),
            "steps": f"{last['step']} of {s.batch_size} patches, {s.optimizer}, "
            f"learning rate {last['learning_rate']:g}",
            "augmentation": ", ".join(s.augment) or "none",
            "time": f"{last['seconds'] / 3600:.2f} hours",
            "loss": f"{last['loss']:.4f} ({s.loss}, summed over stems)",
            "validation loss": validation or "none",
        }
        table = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
        songs = "".join(f"- {name}\n" for name in self.learnt.files)
        return (
            f"# {p.name}\n\n{', '.join(p.targets)}.\n\n| | |\n|---|---|\n{table}\nSongs:\n\n{songs}"
        )


def settings_of(preset: Preset, validated: bool, **changes: Any) -> Settings:
    """How a preset is to be trained.

    Parameters
    ----------
    preset
        Its ``training`` comes before the defaults.
    validated
        Whether there are songs for validation; otherwise nothing waits for its loss.
    changes
        Settings that come before the preset's.
    """
    found = dict(preset.training)
    if not validated:
        found = {k: v for k, v in found.items() if k not in ("reduce_after", "stop_after")}
    return Settings(**{**found, **changes})


def preset_of(network: PathLike | Preset) -> Preset:
    """The preset that is meant by the `network` of `train`."""
    if isinstance(network, Preset):
        return network
    return tiny() if network == "tiny" else presets.find(network)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Keep Ctrl+C and SIGTERM until a step is done; a second one is not waited with."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore(*_: object) -> None:
        flag.set()
        for number, handler in kept.items():
            signal.signal(number, handler)

    for number in kept:
        signal.signal(number, restore)
    try:
        yield flag.is_set
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


# --- Configuration files ----------------------------------------------------------------------

#: Spleeter's key to the setting.
_SPLEETER = {
    "train_max_steps": "steps",
    "save_checkpoints_steps": "epoch_steps",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
    "optimizer": "optimizer",
    "loss_type": "loss",
    "chunk_duration": "chunk_seconds",
    "n_chunks_per_song": "chunks",
    "random_seed": "seed",
}


def plan(
    network: PathLike,
    data: PathLike,
    validation: PathLike | None = None,
    output: PathLike | None = None,
    cache: PathLike | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Arguments of `train` from files: a configuration, mssviz's or Spleeter's, and folders.

    Parameters
    ----------
    network
        Preset or configuration. Its settings are under ``training`` (those of `Settings`), or
        Spleeter's own keys.
    data
        Folder of folders of stems; or of MUSDB18, of which 86 songs of ``train`` are learnt and
        the usual 14 are for validation; or, where the configuration names ``train_csv``, the
        folder that paths in that table are relative to.
    validation
        Folder of folders of stems.
    output
        Folder for the result; if left out, Spleeter's ``model_dir``, or ``trained``.
    cache
        Folder for spectra; if left out, Spleeter's ``training_cache``, or as in `train`.
    changes
        Settings that take precedence over the configuration's; None for the configuration's.

    Raises
    ------
    ParameterError
        If something cannot be read, or a setting is unknown or outside its domain.
    """
    config = _config(network)
    preset = preset_of(network)
    if "instrument_list" in config:
        found = {ours: config[key] for key, ours in _SPLEETER.items() if key in config}
        preset = replace(preset, training=found)
    is_musdb = (Path(data) / "train").is_dir()
    validated = bool(validation is not None or config.get("validation_csv") or is_musdb)
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        settings = settings_of(preset, validated, **given)
    except TypeError as error:
        raise ParameterError(f"{network}: wrong setting for training ({error})") from error
    if config.get("train_csv"):
        tracks = datasets.from_csv(_table(config["train_csv"], network), data)
        tables = config.get("validation_csv")
        held_out = datasets.from_csv(_table(tables, network), data) if tables else {}
    elif is_musdb:
        songs = datasets.musdb18(data, "train")
        held_out = {name: track for name, track in songs.items() if name in MUSDB_VALIDATION}
        tracks = {name: track for name, track in songs.items() if name not in held_out}
    else:
        tracks, held_out = datasets.from_folders(data), {}
    if validation is not None:
        held_out = datasets.from_folders(validation)
    return {
        "tracks": tracks,
        "folder": Path(output or config.get("model_dir", "trained")),
        "network": network,
        "validation": held_out,
        "settings": settings,
        "cache": cache or config.get("training_cache"),
    }


def _config(network: PathLike) -> dict[str, Any]:
    path = Path(network)
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        return {}
    presets.read(path)  # says what is wrong with it
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _table(name: str, network: PathLike) -> Path:
    """A table named in a configuration: from the working directory, or beside it."""
    return Path(name) if Path(name).is_file() else Path(network).parent / name
