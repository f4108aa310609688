"""Training as it happens: losses, scores, and the masks of one excerpt as they sharpen."""

import base64
import html
import inspect
import threading
from collections.abc import Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from mssviz import datasets, plots
from mssviz._typing import PathLike
from mssviz.datasets import Track
from mssviz.errors import Cancelled, MssvizError, ParameterError, reason
from mssviz.presets import Preset
from mssviz.scores import evaluate, suggested_dither_db
from mssviz.separation import Separation
from mssviz.separators import Separator
from mssviz.training import preset_of, train
from mssviz.widgets import _encode
from mssviz.widgets._box import Box
from mssviz.widgets.spectrogram import SpectrogramView

if TYPE_CHECKING:
    import pandas as pd

    from mssviz.networks import Network


#: Arguments of a training that its caller chooses.
_OPTIONS = [
    name
    for name in inspect.signature(train).parameters
    if name not in ("tracks", "folder", "network", "progress", "watch")
]


class TrainingView(Box):
    """Trains in the background and shows an excerpt separated better after every epoch.

    Parameters
    ----------
    excerpt
        Some seconds with known stems, preferably of a song that is not trained on.
    network
        Network to train, as in `train`.

    Attributes
    ----------
    separation : Separation
        Separation of the excerpt by the averaged network of the last epoch.
    history : DataFrame or None
        History so far, as `train` returns it.
    sdr : dict
        SDR after each epoch by target, as the median over windows of 1 s, in dB.
    spectrogram : SpectrogramView

    Raises
    ------
    ParameterError
        If the excerpt's stems do not give the network's targets.

    Examples
    --------
    >>> excerpt = mssviz.examples()["francium"].excerpt(0, 4)
    >>> view = mssviz.TrainingView(excerpt, "tiny")
    >>> view.sdr
    {'vocals': [], 'accompaniment': []}
    """

    def __init__(self, excerpt: Track, network: PathLike | Preset = "spleeter:2stems") -> None:
        if not isinstance(excerpt, Track):
            raise ParameterError(
                'excerpt must be a Track, such as mssviz.examples()["francium"].excerpt(0, 5) (got '
                f"{type(excerpt).__name__})"
            )
        self._model = Separator.from_network(preset_of(network))
        rate, targets = self._model.sample_rate, self._model.targets
        self._mixture, stems = excerpt.load(sample_rate=rate)
        references = datasets.to_targets(stems, targets)
        if references is None:
            raise ParameterError(
                f"{excerpt.name}: stems {', '.join(stems)} do not give {', '.join(targets)}"
            )
        self._references = {
            target: self._model.prepared(stem, rate) for target, stem in references.items()
        }
        self.separation: Separation = self._model.begin(self._mixture, rate).separation
        self.history: pd.DataFrame | None = None
        self.sdr: dict[str, list[float]] = {target: [] for target in targets}
        self.spectrogram = SpectrogramView(
            self.separation.mixture_stft,
            self._model.preset.stft,
            self.separation.masks,
            can_paint=False,
        )
        self._stopped = threading.Event()
        self._curves = w.HTML()  # empty before the first epoch
        self._status = w.HTML()
        self._stop = w.Button(description="Stop", disabled=True)
        self._stop.on_click(lambda _: self._stopped.set())
        self._thread: threading.Thread | None = None
        head = w.HBox([self._stop, self._status])
        super().__init__([head, self._curves, self.spectrogram], "Training")

    def train(self, tracks: Mapping[str, Track], folder: PathLike, **options: Any) -> None:
        """Begin a training, or go on with it, in a thread of its own.

        Parameters
        ----------
        tracks, folder
            Songs and folder, as in `mssviz.train`.
        options
            Further arguments of `mssviz.train`, except ``network``, ``progress`` and ``watch``.

        Raises
        ------
        ParameterError
            If a training is running, or `mssviz.train` takes no such argument.
        """
        if unknown := [name for name in options if name not in _OPTIONS]:
            raise ParameterError(
                f"train takes {', '.join(_OPTIONS)} (got {', '.join(unknown)}); a number of steps, "
                "and the like, stands in settings=mssviz.training.Settings(steps=…)"
            )
        if self._thread is not None and self._thread.is_alive():
            raise ParameterError("a training is running: stop it, or wait for its end")
        self._stopped.clear()
        self._stop.disabled = False
        arguments = {**options, "network": self._model.preset, "progress": self._report}

        def work() -> None:
            try:
                history = train(tracks, folder, watch=self._show, **arguments)
                if self.history is None:  # there was nothing left to do
                    self._show(history, Separator(folder, progress=False).network)
                self.history = history
                self._end("done")
            except MssvizError as error:
                self._end(str(error) or "stopped; training again goes on from there")
            except Exception as error:
                self._end(f"failed: {reason(error)}")
                raise
            finally:
                self._stop.disabled = True

        run = copy_context().run  # for what the view shows, see `Worker`
        self._thread = threading.Thread(target=run, args=(work,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the training after the step that is being done."""
        self._stopped.set()
        self.wait()

    def wait(self) -> None:
        """Return when the training has ended."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """End the training as `stop` does, and close every widget."""
        if "_thread" in vars(self):  # not there if the constructor refused its arguments
            self.stop()
            super().close()

    def _report(self, done: float, total: float | None, what: str) -> None:
        self._show_status(f"{what} ({done:.0f} of {total:.0f})" if total else what)
        if self._stopped.is_set():
            raise Cancelled

    def _show_status(self, text: str) -> None:
        self._status.value = html.escape(text)

    def _end(self, text: str) -> None:
        self._show_status(text)
        self.say(text)

    def _show(self, history: "pd.DataFrame", network: "Network") -> None:
        model = Separator.from_network(self._model.preset, network)
        rate = model.sample_rate
        self.separation = model.separate(self._mixture, rate, progress=False)
        window = min(1.0, len(self._mixture) / rate)
        scores = evaluate(
            self._references, dict(self.separation.estimates), rate, window=window, hop=window,
            dither_db=suggested_dither_db(self._references),
        )  # fmt: skip
        for target, found in scores.groupby("target")["SDR"].median().items():
            self.sdr[str(target)].append(float(found))
        self.history = history
        self.spectrogram.set_masks(self.separation.masks)
        words = _in_words(history, self.sdr)
        self._curves.value = _img(_curves(history, self.sdr), words)
        self.say(words)


def _img(png: bytes, description: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        f'<img style="max-width:100%" alt="{html.escape(description)}" '
        f'src="data:image/png;base64,{data}">'
    )


def _in_words(history: "pd.DataFrame", sdr: Mapping[str, list[float]]) -> str:
    """What the curves end with, for those who do not see them."""
    last = history.iloc[-1]
    scores = ", ".join(f"{plots.label(target)} {values[-1]:.1f}" for target, values in sdr.items())
    return (
        f"After step {last['step']:.0f}: loss {last['loss']:.3g} in training, "
        f"{last['validation_loss']:.3g} in validation; SDR of the excerpt in dB: {scores}."
    )


def _curves(history: "pd.DataFrame", sdr: Mapping[str, list[float]]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(history["step"], history["loss"], color="0.6", label="training")
    losses.plot(history["step"], history["validation_loss"], color="black", label="validation")
    losses.set_ylabel("loss")
    for target, color in plots.stem_colors(sdr).items():
        values = sdr[target]
        steps = history["step"].iloc[-len(values) :]
        scores.plot(steps, values, color=color, marker="o", ms=3, label=plots.label(target))
    scores.set_ylabel("SDR of the excerpt (dB)")
    for ax in (losses, scores):
        ax.set_xlabel("step")
        ax.legend(frameon=False)
    return _encode.png(figure)
