"""One training: its steps, its epochs, and how it goes on where it was."""

import functools
import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz._ahead import ahead
from mssviz._files import Draft, writing
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Progress
from mssviz.errors import Cancelled, FileError, MssvizError, ParameterError
from mssviz.presets import Preset
from mssviz.separators import Separator
from mssviz.training import checkpoint, measuring, result
from mssviz.training.checkpoint import CHECKPOINT, COLUMNS, is_finite
from mssviz.training.patches import Chunks, Patches, middles
from mssviz.training.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from mssviz.networks import Network
    from mssviz.networks.fit import Fit

#: Factor of the learning rate when the validation loss stalls.
REDUCTION = 0.3

#: Callback that gets the history so far and the averaged network after every epoch.
Watch = Callable[["pd.DataFrame", "Network"], None]


@dataclass
class Run:
    """A training in a folder.

    Parameters
    ----------
    preset, folder, settings, learnt, held_out
        Preset that is trained, folder where it is kept, settings, and songs to learn and to
        validate on.
    start
        Preset that the training starts from, if any, and that preset's targets by own target.
    licences
        Licences of the songs.
    """

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
    told: bool = False  # that the loss is flat

    @functools.cached_property
    def fit(self) -> "Fit":
        """The network in training, with all that belongs to it."""
        from mssviz.networks import Network
        from mssviz.networks.fit import Fit

        p, s = self.preset, self.settings
        return Fit(
            lambda: Network(p.model, p.targets, p.input_shape),
            optimizer=s.optimizer, loss=s.loss, precision=s.precision, decay=s.decay, seed=s.seed,
            lora=s.lora,
        )  # fmt: skip

    @property
    def finished(self) -> bool:
        """Whether no step is left to do."""
        stop = self.settings.stop_after
        return self.step >= self.settings.steps or (stop is not None and self.stalled >= stop)

    def table(self) -> "pd.DataFrame":
        """History of the training, with one row for each epoch."""
        import pandas as pd

        return pd.DataFrame(self.history, columns=list(COLUMNS))

    # --- Beginning, and beginning again ---

    def begin(self, progress: bool | Progress) -> None:
        """Take up what the folder holds, or what the training starts from."""
        path = self.folder / CHECKPOINT
        with writing(path):  # otherwise an error would come only after the first epoch
            Draft(path).discard()
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
        kept, state = checkpoint.read(path, self.fit.layout())
        own = json.loads(json.dumps(self._identity()))
        # a setting that there was not when the checkpoint was written had its default
        before = {**asdict(Settings()), **kept["identity"]}
        others = [name for name in own if own[name] != before.get(name)]
        if others:
            raise ParameterError(
                f"{self.folder} holds a training with other {', '.join(others)}: go on with the "
                "same, or choose another folder"
            )
        for name in checkpoint.KEPT:
            setattr(self, name, kept[name])
        self.fit.restore(state)

    def _state(self) -> dict[str, AnyArray]:
        """What the next steps depend on; it must be finite, since nothing else may be kept."""
        state = self.fit.state()
        if not all(map(is_finite, state.values())):
            raise self._diverged("weights are not finite")
        return state

    def _save(self, state: Mapping[str, AnyArray]) -> None:
        kept = {name: getattr(self, name) for name in checkpoint.KEPT}
        checkpoint.write(self.folder / CHECKPOINT, {"identity": self._identity(), **kept}, state)

    def _diverged(self, what: str) -> MssvizError:
        is_kept = (self.folder / CHECKPOINT).is_file()
        kept = "the last good checkpoint and weights stay" if is_kept else "nothing was kept"
        return MssvizError(
            f"step {self.step}, learning rate {self.learning_rate:g}: {what}, so training ends "
            f"({kept} in {self.folder}); begin anew with a lower learning rate or with precision "
            "float32, and check the songs for noise and wrong stems"
        )

    # --- The work ---

    def proceed(self, progress: bool | Progress, watch: Watch | None) -> None:
        """Do the steps that are left."""
        from mssviz.networks.fit import Log

        if self.finished and not self._epoch_ends:
            return
        patches = Patches(self.learnt, self.settings.augment, self.settings.seed)
        with (
            reporter(progress, unit="step") as report,
            Log(self.folder / "logs") as log,
            ahead(patches.batches(self.step, self.settings.batch_size)) as batches,
            _interruption() as interrupted,
        ):
            try:
                batch = None
                while self._epoch_ends or not self.finished:
                    if not self._epoch_ends:
                        batch = next(batches)
                        loss = self._step(batch)
                        log.write(self.step, {"loss": loss, "learning_rate": self.learning_rate})
                        report(self.step, self.settings.steps, f"train: loss {loss:.4f}")
                    if self._epoch_ends:
                        self._end_epoch()
                        validation_loss = self.history[-1]["validation_loss"]
                        log.write(self.step, {"validation_loss": validation_loss})
                        if batch is not None:
                            self._tell_if_flat(batch)
                        if watch is not None:
                            watch(self.table(), self.fit.average)
                    if interrupted():
                        raise Cancelled(
                            f"stopped after step {self.step} of {self.settings.steps}; the same "
                            "command goes on from there"
                        )
            except Cancelled:  # this comes between two steps
                self._save(self._state())
                raise

    @property
    def _epoch_ends(self) -> bool:
        """Whether the steps of an epoch are done, and what is to follow them is not."""
        at_end = self.step % self.settings.epoch_steps == 0 or self.finished
        return at_end and bool(self.losses)

    def _step(self, batch: AnyArray) -> float:
        began = time.perf_counter()
        loss = self.fit.step(batch, self.learning_rate)
        self.seconds += time.perf_counter() - began
        self.step += 1
        if not math.isfinite(loss):
            raise self._diverged(f"the training loss is {loss}")
        self.losses.append(loss)
        return loss

    def _end_epoch(self) -> None:
        validation, usdr = self._validated(), math.nan
        loss = float(validation.sum()) if len(validation) else np.nan
        if len(validation) and not math.isfinite(loss):
            raise self._diverged(f"the validation loss is {loss}")
        state = self._state()
        measured = loss
        if self.settings.measure == "uSDR":
            separator = Separator.from_network(self.preset, self.fit.average)
            held_out = self.held_out
            usdr = measuring.usdr(separator, held_out.tracks.values(), held_out.seconds)
            measured = -usdr
        before = self.best, self.stalled, self.losses
        mean = float(np.mean(self.losses))
        row = (self.step, mean, loss, self.learning_rate, self.seconds, usdr)
        self.history.append(dict(zip(COLUMNS, row, strict=True)))
        self.losses = []
        if not measured >= self.best:  # without validation it is NaN, and the last is the best
            self.best, self.stalled = min(self.best, measured), 0
            try:
                self._export(dict(zip(self.preset.targets, validation, strict=False)))
            except FileError:  # the steps are kept: the same command ends the epoch anew
                self.best, self.stalled, self.losses = before
                self.history.pop()
                self._save(state)
                raise
        else:
            self.stalled += 1
            reduce_after = self.settings.reduce_after
            if reduce_after is not None and self.stalled % reduce_after == 0:
                self.learning_rate *= REDUCTION
        self._save(state)  # comes last, so that a run stopped before it exports again

    def _tell_if_flat(self, batch: AnyArray) -> None:
        """Warn once of a loss that does not fall, and say why."""
        losses = [row["loss"] for row in self.history]
        if self.told or not measuring.is_flat(losses, self.step):
            return
        self.told = True
        why = measuring.why_flat(self.fit, batch, self.learning_rate, self.start[0])
        warnings.warn(
            f"the loss has not fallen in {len(self.history)} epochs ({self.step} steps): {why}",
            stacklevel=4,  # the caller of train
        )

    def _validated(self) -> AnyArray:
        """Mean loss of every target, ``(n_targets,)``; empty without validation."""
        batches = middles(self.held_out, self.settings.batch_size)
        losses = [self.fit.validate(batch) for batch in batches]
        return np.concatenate(losses).mean(axis=0) if losses else np.zeros(0)

    def _export(self, losses: Mapping[str, float]) -> None:
        card = result.card(
            self.preset, self.settings, init=self.start[0], songs=list(self.learnt.files),
            n_held_out=len(self.held_out.files), licences=self.licences, last=self.history[-1],
            losses=losses,
        )  # fmt: skip
        config = result.configuration(
            self.preset, self.settings, list(self.learnt.files), self.start[0]
        )
        result.export(self.folder, self.fit.save, config, card)


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl+C and SIGTERM until a step is done; a second one acts at once."""
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
