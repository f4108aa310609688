"""Messages of any form to every widget: an answer, one line or nothing, and no other error."""

import importlib
import pkgutil
import re
import sys
from dataclasses import replace
from pathlib import Path

import ipywidgets as w
import numpy as np
import pytest
import traitlets as t

import mssviz
from mssviz import widgets
from mssviz.errors import MssvizError
from mssviz.insight import Surgery
from mssviz.separators import Separator
from mssviz.stft import StftParams, stft
from mssviz.widgets import _box, _dropdown, _menu, _picker, _press, _slider, _view, _widget
from mssviz.widgets.explorer import save_controls, stage, tour
from mssviz.widgets.explorer.why import panel, section
from tests.counts import SEED, count
from tests.mutations import NONSENSE
from tests.test_score_view import table
from tests.writers import TINY, noise, song

pytestmark = pytest.mark.slow

RATE = 8000
GRID = StftParams(sample_rate=RATE, n_fft=512, hop_length=128)
SOURCES = "".join(path.read_text("utf-8") for path in Path(widgets.__file__).parent.rglob("*.py"))
#: Words that messages are made of, as Python reads them.
KINDS = sorted(set(re.findall(r'\bkind == "(\w+)"', SOURCES)))
KEYS = sorted(set(re.findall(r'(?:message|content)(?:\.get\(|\[)"(\w+)"', SOURCES)))
#: Classes that are not shown by themselves; sections are tried with the panel that has them all.
BASES = {_view.View, _box.Box, _widget.KernelWidget, _widget.Widget}


def every_widget():
    """Every class of widgets in mssviz, but for the course, which has boxes of these alone."""
    for module in pkgutil.walk_packages(mssviz.__path__, "mssviz."):
        if module.name.startswith("mssviz.widgets"):
            importlib.import_module(module.name)
    found, waiting = set(), [w.Widget]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            is_section = issubclass(kind, section.Section)
            # traits that are added to one widget make a class of their own of the same name
            is_ours = kind is getattr(sys.modules[kind.__module__], kind.__name__, None)
            if kind.__module__.startswith("mssviz.widgets") and is_ours and not is_section:
                found.add(kind)
    return found


def spectrogram():
    spectrum = np.abs(stft(noise(0), GRID))
    return mssviz.SpectrogramView(spectrum, GRID, {"vocals": np.full(spectrum.shape, 0.5)})


def explorer(folder):
    return mssviz.explore(song(folder) / "song", "mixture", duration=1.0)


def separated(folder):
    found = explorer(folder)
    found.separate()
    found.wait()
    return found


def listening_test(_):
    sounds = {"song": {name: noise(seed) for seed, name in enumerate(("one", "two", "three"))}}
    return mssviz.ListeningTest(sounds, RATE, references={"song": noise(9)}, seed=0)


def network(_):
    from mssviz.networks import Network

    made = Network(TINY.model, TINY.targets, TINY.input_shape)
    return mssviz.NetworkView(Surgery(Separator.from_network(TINY, made)))


def training(folder):
    return mssviz.TrainingView(
        mssviz.datasets.from_folder(song(folder) / "song"), replace(TINY, name="tiny")
    )


MAKE = {
    _box._Guard: lambda _: _box._Guard(),
    _dropdown.Dropdown: lambda _: _dropdown.Dropdown(description="Save", options=["a", "b"]),
    _menu.Menu: lambda _: _menu.Menu("Drawer", _menu.DRAWERS),
    _press.PressButton: lambda _: save_controls.SaveControls().button,
    _picker.Picker: lambda _: _picker.Picker({"": [("One", "1")]}, "1", "Song", {}),
    _slider.Slider: lambda _: _slider.Slider(description="Power"),
    save_controls.Download: lambda _: save_controls.Download(),
    save_controls.SaveControls: lambda _: save_controls.SaveControls(),
    stage.Stage: lambda _: stage.Stage(),
    tour.Tour: lambda _: tour.Tour(),
    panel.Why: lambda folder: separated(folder).why,
    mssviz.Explorer: separated,
    mssviz.ListeningTest: listening_test,
    mssviz.Mixer: lambda _: mssviz.Mixer({"a": noise(0), "b": noise(1)}, RATE),
    mssviz.NetworkView: network,
    mssviz.RegionList: lambda _: mssviz.RegionList(),
    mssviz.ScoreView: lambda _: mssviz.ScoreView(table()),
    mssviz.SpectrogramView: lambda _: spectrogram(),
    mssviz.TrainingView: training,
    mssviz.Upload: lambda _: mssviz.Upload(),
}
#: What JSON of a browser can hold, and numbers as there are in real messages.
VALUES = [
    *(value for value in NONSENSE if value != 10**400),
    *(0.25, 0.5, 1.0, 3, 440.0, 8000, [0.1, 0.4], [[0.5, 440], [0.6, 450]], "vocals", "mixture"),
]
#: Traits of every widget of ipywidgets, which say how and not what.
COMMON = {*w.VBox().keys, "style", "module"}


def test_every_widget_is_tried():
    assert every_widget() - BASES == set(MAKE)
    assert len(KINDS) > 10
    assert len(KEYS) > 10


def test_the_course_listens_to_no_messages_of_its_own():
    lessons = Path(mssviz.__file__).parent / "lessons"
    assert not [path for path in lessons.glob("*.py") if "on_msg" in path.read_text("utf-8")]


@pytest.mark.parametrize("index", [None, -1, 2])
def test_a_choice_that_is_none_is_refused(index):
    menu = _dropdown.Dropdown(description="Save", options=["stems", "page"], value="page")
    with pytest.raises(t.TraitError, match="Save needs one of its 2 choices"):
        menu.set_state({"index": index})
    assert menu.value == "page"


def test_a_page_does_not_change_the_choices():
    menu = _dropdown.Dropdown(description="Save", options=["stems", "page"], value="page")
    with pytest.raises(t.TraitError, match="a page cannot set _options_labels"):
        menu.set_state({"_options_labels": ["stems"]})
    assert menu._options_labels == ("stems", "page")
    menu.options = [("one", 1)]
    assert menu.value == 1


def test_what_is_read_only_is_so_for_a_page_too(tmp_path):
    tried = 0
    for make in MAKE.values():
        widget = make(tmp_path / str(tried))
        locked = [name for name, each in widget.traits(sync=True).items() if each.read_only]
        for name in locked:
            before = getattr(widget, name)
            with pytest.raises(t.TraitError, match=f"a page cannot set {name}"):
                widget.set_state({name: before})
            tried += 1
        widget.close()
    assert tried > 10


class Fuzz:
    """What a browser sends to a widget and to all that it owns."""

    def __init__(self, widget, rng):
        self.widget, self.rng = widget, rng

    def any_of(self, values):
        return values[int(self.rng.integers(len(values)))]

    def value(self):
        if self.rng.random() < 0.1:
            return {self.any_of(KEYS): self.any_of(VALUES) for _ in range(3)}
        if self.rng.random() < 0.1:
            return [self.any_of(VALUES) for _ in range(int(self.rng.integers(5)))]
        return self.any_of(VALUES)

    def message(self):
        if self.rng.random() < 0.1:
            return self.value(), []
        content = {key: self.value() for key in KEYS if self.rng.random() < 0.6}
        content["kind"] = self.any_of(KINDS) if self.rng.random() < 0.9 else self.value()
        sizes = self.rng.integers(0, 5000, int(self.rng.choice([0, 0, 1, 2])))
        return content, [memoryview(self.rng.bytes(int(size))) for size in sizes]

    def send(self):
        """Send something; returns what it was."""
        there = [self.widget, *_box.owned(self.widget)]
        target = self.any_of([one for one in there if one.comm is not None])
        names = [name for name in target.keys if name not in COMMON]
        if isinstance(target, w.Button):
            target._handle_custom_msg({"event": "click"}, [])
            return type(target), "click"
        if isinstance(target, _press.PressButton):
            shown = [[*self.any_of([*target._carried, ["", ""]]), self.value()] for _ in range(3)]
            shown = shown if self.rng.random() < 0.8 else self.value()
            target._handle_custom_msg({"kind": "press", "shown": shown}, [])
            return type(target), "press"
        if names and self.rng.random() < 0.5:
            name, value = self.any_of(names), self.value()
            if isinstance(target, w.Dropdown) and target.options and self.rng.random() < 0.5:
                name, value = "index", self.any_of([None, *range(len(target.options))])
            target.set_state({name: value})
            return type(target), name
        if type(target).__module__.startswith("mssviz"):
            target._handle_custom_msg(*self.message())
        return type(target), "message"


def strict(self, *arguments, **options):
    """As a `CallbackDispatcher` of ipywidgets, which only logs errors."""
    for callback in self.callbacks:
        callback(*arguments, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_messages_of_any_form_are_answered_or_refused(kind, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    widget = MAKE[kind](tmp_path)
    monkeypatch.setattr(w.CallbackDispatcher, "__call__", strict)
    fuzz = Fuzz(widget, np.random.default_rng(SEED))
    for number in range(count("messages to a widget")):
        try:
            fuzz.send()
        except (MssvizError, t.TraitError) as error:
            told = str(error).splitlines()
            assert len(told) <= 3, number
    if isinstance(widget, mssviz.Explorer):
        widget.wait()
    assert "unforeseen error" not in caplog.text
    widget.get_state()
    widget.close()
