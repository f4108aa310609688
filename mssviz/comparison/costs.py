"""What models cost on this machine: seconds for a second of sound, and memory.

Each model works in a process of its own, which alone tells how much memory it needs.
"""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz import pretrained
from mssviz._checks import check_number
from mssviz._progress import reporter
from mssviz._typing import AnyArray, PathLike, Progress
from mssviz.errors import MssvizError, ParameterError, one_line
from mssviz.presets import Preset
from mssviz.separators import Entry, Model, Separator, entries, entry, find

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("seconds_per_second", "processor_per_second", "start_seconds", "memory_mb", "weights")
#: What the process of a model does.
_PROGRAM = "from mssviz.comparison.costs import main; main()"
#: Seconds from one look at such a process to the next.
_PATIENCE = 0.2


def cost(
    models: PathLike | Sequence[PathLike] | None = None,
    *,
    seconds: float = 20.0,
    progress: bool | Progress = True,
) -> "pd.DataFrame":
    """Measure what models cost on this machine.

    Parameters
    ----------
    models
        Names of models, as `separators.find` takes them; if left out, all networks and classical
        methods that are ready. Nothing is fetched: a network whose weights are not here is
        measured with random ones, which take as long.
    seconds
        Length of the sound, noise, that is separated. A network works in patches; what the last
        one and overlaps at the ends cost beyond that is left out, as a song is long.
    progress
        True for a bar over the models, False for none, or a callback ``(done, total, what)``. What
        it raises, such as `Cancelled`, ends the process that is at work.

    Returns
    -------
    DataFrame
        Index ``model``; columns ``seconds_per_second`` (time from waveform to stems for a second of
        sound), ``processor_per_second`` (the same in processor time, of all cores together, which
        depends less on what else the machine does), ``start_seconds`` (time before that: imports,
        building the model, its first patch), ``memory_mb`` (most memory that the process held,
        10^6 bytes) and ``weights`` (``"random"``, or ``"ready"``).

    Raises
    ------
    ParameterError
        If there is no such model, or nothing to measure.
    MssvizError
        If a model fails; the message names it.

    Examples
    --------
    >>> table = mssviz.comparison.cost("bands", seconds=2.0, progress=False)
    >>> bool(table.loc["bands", "seconds_per_second"] > 0)
    True
    """
    import pandas as pd

    check_number(seconds, "seconds")
    if not 0 < seconds < float("inf"):
        raise ParameterError(f"seconds must be more than 0 (got {seconds})")
    found, rows = _chosen(models), []
    with reporter(progress, unit="model") as report:
        for done, (name, one) in enumerate(found.items()):
            with _working(name, seconds) as process:
                while process.poll() is None:
                    report(done, len(found), f"cost: {name}")
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_PATIENCE)
                measured = _told(name, process)
            weights = "random" if _needs_random(one) else one.state
            rows.append({"model": name, **measured, "weights": weights})
        report(len(found), len(found), "cost")
    return pd.DataFrame(rows).set_index("model")[list(COLUMNS)]


def _chosen(models: PathLike | Sequence[PathLike] | None) -> dict[str, Entry]:
    if models is None:
        return {
            name: one
            for name, one in entries().items()
            if one.group in ("network", "classical") and one.state == "ready"
        }
    if not isinstance(models, str | os.PathLike | Iterable):
        raise ParameterError(f"models must be names of models (got {type(models).__name__})")
    names = [models] if isinstance(models, str | os.PathLike) else list(models)
    found = {str(name): entry(name) for name in names}
    if not found:
        raise ParameterError("name a model or more to measure (got none)")
    for name, one in found.items():
        if one.group == "ensemble" and one.state != "ready":
            raise ParameterError(
                f"{name}: not all of its weights are here; measure its models one by one"
            )
    return found


def _needs_random(one: Entry) -> bool:
    return one.group == "network" and one.state != "ready"


# --- The process of a model -----------------------------------------------------------------------


@contextmanager
def _working(name: str, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """A process that measures a model, and is killed if nobody waits for its end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, name, repr(float(seconds))],
        env=environment, stdin=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def _told(name: str, process: "subprocess.Popen[str]") -> dict[str, Any]:
    said = process.stdout.read() if process.stdout else ""
    try:
        found = json.loads(said)
    except ValueError:
        found = {"failure": f"its process ended with code {process.returncode}"}
    if "failure" in found:
        raise MssvizError(f"{name} cannot be measured: {found['failure']}")
    return found


def main() -> None:
    """Measure a model, and print what was found as JSON; arguments are its name and seconds."""
    begin = time.perf_counter()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        found: dict[str, Any] = _measure(sys.argv[1], float(sys.argv[2]), begin)
    except (MssvizError, MemoryError) as error:
        found = {"failure": one_line(error) or "too little memory"}
    print(json.dumps(found))


def _end_with_parent() -> None:
    """End this process as soon as nobody holds the other end of its input."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _measure(name: str, seconds: float, begin: float) -> dict[str, float]:
    model, patches = _model(name)
    rng = np.random.default_rng(0)
    shape = (max(1, round(seconds * model.sample_rate)), model.preset.n_channels)
    stems = {t: rng.normal(0, 0.05, shape).astype(np.float32) for t in model.targets}
    mixture = np.add.reduce(list(stems.values()))
    true = stems if model.needs_references else None

    def work(samples: slice) -> None:
        given = {t: stem[samples] for t, stem in true.items()} if true else None
        dict(model.separate(mixture[samples], model.sample_rate, False, given).estimates)

    work(slice(model.sample_rate // 10))  # the first patch makes the network ready
    started, used, patches.n = time.perf_counter(), time.process_time(), 0
    work(slice(None))
    covered = (patches.n * _step(model.preset) or len(mixture)) / model.sample_rate
    # bytes on macOS, where others count units of 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds_per_second": (time.perf_counter() - started) / covered,
        "processor_per_second": (time.process_time() - used) / covered,
        "start_seconds": started - begin,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    }


class _Patches:
    """A network, or none, and the number of patches that it has got."""

    def __init__(self, network: Any = None) -> None:
        self.network, self.n = network, 0

    def __call__(self, patch: AnyArray) -> Any:
        self.n += 1
        return self.network(patch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


def _step(preset: Preset) -> int:
    """Samples from one patch of a song to the next."""
    if preset.overlap:
        return preset.patch_samples // preset.overlap
    core = preset.patch_length - 2 * preset.context
    return core if preset.signal == "waveform" else core * preset.stft.hop_length


def _model(name: str) -> tuple[Model, _Patches]:
    one = entry(name)
    if one.group != "network":
        return find(name, fetch=False, progress=False), _Patches()
    from mssviz.networks import Network

    preset = one.preset
    if _needs_random(one):
        patches = _Patches(Network(preset.model, preset.targets, preset.input_shape))
    else:
        patches = _Patches(pretrained.load(preset))
    return Separator.from_network(preset, patches), patches  # type: ignore[arg-type]
