"""A figure that can be manipulated: controls, a picture, sounds, and a text that says it all."""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np
import traitlets as t

from mssviz._typing import Waveform
from mssviz._worker import Worker
from mssviz.errors import Cancelled, ParameterError, reason
from mssviz.lessons.songs import SAMPLE_RATE, SONGS
from mssviz.widgets import _encode, _static
from mssviz.widgets._box import Box
from mssviz.widgets._dropdown import Dropdown
from mssviz.widgets._slider import Slider
from mssviz.widgets.mixer import Mixer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Width of every picture, in inches at 100 dots per inch.
WIDTH = 11.0
_NAMES = {"description_width": "initial"}


@dataclass(frozen=True)
class Shown:
    """What a demonstration shows at one setting of its controls.

    Parameters
    ----------
    figure
        Picture, as `figure` makes it.
    text
        Sentences that say what the picture shows, with its numbers, for whoever does not see it.
    sounds
        Waveforms by name, all of one length and with the same names at every setting. They are
        heard one at a time: the first is A, the others B, C and so on.
    """

    figure: "Figure"
    text: str
    sounds: Mapping[str, Waveform] = field(default_factory=dict)


class Demonstration(Box):
    """Controls with a picture, a text and sounds, which follow them.

    A demonstration is a class of its own: it makes its controls with `slider`, `steps` and
    `choice`, gives them to this constructor, and says in `show` what is seen and heard. Whatever
    `show` needs must be there before this constructor is called, because drawing begins in it, in
    a thread.

    Parameters
    ----------
    controls
        Widgets by name, which `show` gets the values of.

    Attributes
    ----------
    controls : dict
        Widgets by name.
    text : str
        Sentences on what is shown; empty before the first picture.
    sounds : dict
        Waveforms that are heard, by name.
    png : bytes
        File of the picture; empty before the first one.
    """

    #: Says what is seen and heard when the controls have certain values, which it gets by name.
    show: Callable[..., Shown]

    def __init__(self, **controls: w.Widget) -> None:
        self.controls = controls
        self.text = ""
        self.sounds: dict[str, Waveform] = {}
        self.png = b""
        self._failure: BaseException | None = None
        self._work = Worker()
        self._status = w.HTML()
        self._picture = w.HTML("<p>drawing …</p>")
        self._desk = w.VBox()
        self._mixer: Mixer | None = None
        row = w.HBox(list(controls.values()))
        row.add_class("mssviz-controls")
        super().__init__([row, self._status, self._picture, self._desk, style()], "Demonstration")
        self.add_class("mssviz-lesson")
        self.take_place()
        for control in controls.values():
            control.observe(lambda _: self._work.do(self._draw, "draw"), "value")
        self._work.do(self._draw, "draw")

    def set(self, **values: Any) -> None:
        """Set controls, as a hand would, and wait until what they show is there.

        Parameters
        ----------
        values
            New values by name of the control.

        Raises
        ------
        ParameterError
            If there is no control of this name, or it cannot be set to this.
        """
        unknown = sorted(set(values) - set(self.controls))
        if unknown:
            raise ParameterError(
                f"no control {unknown[0]!r}; choose from {', '.join(self.controls)}"
            )
        for name, value in values.items():
            control = self.controls[name]
            try:
                control.value = control.values.index(value) if isinstance(control, Steps) else value
            except (ValueError, t.TraitError) as error:
                raise ParameterError(f"{name} cannot be {value!r} ({reason(error)})") from error
        self.wait()

    def wait(self) -> None:
        """Wait until the present setting is shown; raise what has kept it from being shown."""
        self._work.wait()
        if self._failure is not None:
            raise self._failure

    def report(self, done: float, total: float | None, what: str) -> None:
        """Show how far a calculation is that takes seconds; `show` calls it, or passes it on.

        Raises
        ------
        Cancelled
            If the controls have changed meanwhile, so that nobody waits for this result.
        """
        self._work.check()
        if self._work.waits("draw"):
            raise Cancelled
        bar = f'<progress value="{done:g}" max="{total:g}"></progress> ' if total else ""
        self._status.value = f'<div role="status">{bar}{html.escape(what)} …</div>'

    def withdraw(self) -> None:
        """End the drawing and close every widget; what was shown last stays."""
        self._work.close()
        super().withdraw()

    def close(self) -> None:
        """End the drawing and close every widget."""
        self.withdraw()

    def _draw(self) -> None:
        values = {
            name: control.chosen if isinstance(control, Steps) else control.value
            for name, control in self.controls.items()
        }
        self._failure = None
        try:
            shown = self.show(**values)
            self._present(shown)
            self._status.value = ""
        except Cancelled:
            raise
        except Exception as error:
            self._failure = error
            self._status.value = f'<div role="alert">{html.escape(str(error))}</div>'
            raise

    def _present(self, shown: Shown) -> None:
        self.png = _encode.png(shown.figure)
        data = base64.b64encode(self.png).decode()
        said = html.escape(shown.text)
        self.text, self.sounds = shown.text, dict(shown.sounds)
        self._picture.value = (
            f'<figure><img alt="{said}" src="data:image/png;base64,{data}">'
            f"<figcaption>{said}</figcaption></figure>"
        )
        self._play()

    def _play(self) -> None:
        if self._mixer is None and self.sounds:
            first, *others = self.sounds
            self._mixer = Mixer(self.sounds, SAMPLE_RATE, pairs={first: others} if others else None)
            self._desk.children = (self._mixer,)
        elif self._mixer is not None:
            for name, waveform in self.sounds.items():
                if not np.array_equal(waveform, self._mixer.waveform(name)):
                    self._mixer.replace(name, waveform)


def slider(name: str, low: float, high: float, step: float, value: float, about: str) -> Slider:
    """Make a slider.

    Parameters
    ----------
    name
        Name that people read, with the unit.
    low, high, step
        Least and largest value, and the distance of neighbouring ones.
    value
        First value.
    about
        Sentence on what it does.
    """
    return Slider(min=low, max=high, step=step, value=value, description=name, tooltip=about)


class Steps(Slider):
    """A slider over given values, such as powers of two; its ``value`` is the number of one.

    Parameters
    ----------
    values
        Values, in order.
    traits
        Traits as of a `Slider`.

    Attributes
    ----------
    values : tuple
    """

    def __init__(self, values: Sequence[int], **traits: Any) -> None:
        self.values = tuple(values)
        labels = [f"{one:,}" for one in values]
        super().__init__(max=len(values) - 1, step=1, labels=labels, **traits)

    @property
    def chosen(self) -> int:
        """The one of `values` that it is set to."""
        return self.values[round(self.value)]


def steps(name: str, values: Sequence[int], value: int, about: str) -> Steps:
    """Make a slider over given whole numbers; parameters as of `slider`."""
    return Steps(values, value=values.index(value), description=name, tooltip=about)


def choice(name: str, values: Sequence[str], value: str, about: str) -> Dropdown:
    """Make a drop-down; parameters as of `slider`."""
    return Dropdown(
        options=list(values), value=value, description=name, tooltip=about, style=_NAMES,
        layout=w.Layout(width="auto"),
    )  # fmt: skip


def song_choice(song: str = SONGS[0]) -> Dropdown:
    """Make a drop-down of the lessons' songs.

    Parameters
    ----------
    song
        Name of the one that is chosen first.
    """
    return choice("Song", SONGS, song, "One of the songs that come with mssviz.")


def decibels(level: float) -> str:
    """Write a level, or another number, with one digit and a real minus."""
    return f"{level:.1f}".replace("-0.0", "0.0").replace("-", "−")


def style() -> w.HTML:
    """Make what gives a demonstration its looks; a part of it that is not seen."""
    return w.HTML(f"<style>{_static.style('lesson.css')}</style>", layout=w.Layout(display="none"))


def figure(height: float = 3.4) -> "Figure":
    """Make an empty figure, as wide as all pictures of lessons, with its height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")
