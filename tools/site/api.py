"""Pages of the public interface, one for each function and class, from the package's docstrings."""

import ast
import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import mssviz
from mssviz import _moved


@dataclass
class Interface:
    """All public names.

    Attributes
    ----------
    modules : dict
        Public modules by name.
    names : dict
        Everything else by its name where it is documented, the shortest that it has.
    also : dict
        Further names of what has several, by that name.
    """

    modules: dict[str, ModuleType] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    also: dict[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> list[str]:
        """Names that have a page; constants stand on that of their module."""
        return [*self.modules, *(name for name, thing in self.names.items() if has_page(thing))]


def public() -> Interface:
    """Find all public names: those of ``mssviz``, of its public modules, and of theirs."""
    modules, places = {"mssviz": mssviz}, defaultdict(list)
    things: dict[int, Any] = {}
    waiting: list[ModuleType] = [mssviz]
    while waiting:
        module = waiting.pop()
        for name in names_of(module):
            full, thing = f"{module.__name__}.{name}", getattr(module, name)
            if not inspect.ismodule(thing):
                # equal numbers and texts are one object, and yet not one name
                key = id(thing) if has_page(thing) else id(full)
                things[key] = thing
                places[key].append(full)
            elif full not in modules and thing.__name__ == full:  # and no earlier name
                modules[full] = thing
                waiting.append(thing)
    found = Interface(dict(sorted(modules.items())))
    for key, names in places.items():
        first, *others = sorted(set(names), key=lambda name: (name.count("."), name))
        found.names[first] = things[key]
        found.also |= dict.fromkeys(others, first)
    found.names = dict(sorted(found.names.items()))
    return found


def names_of(module: ModuleType) -> list[str]:
    """Public names of a module: those that it lists, or else what it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if name not in _moved.MOVED]
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
    ]


def has_page(thing: Any) -> bool:
    """Whether something has a page of its own: functions and classes do, constants do not."""
    return inspect.isclass(thing) or inspect.isroutine(inspect.unwrap(thing))


def texts() -> Iterator[tuple[str, str]]:
    """A page for each public name: the names of files, and their text for Sphinx."""
    interface = public()
    for name in interface.modules:
        if name == "mssviz":
            yield "index", _front(interface)
        else:
            yield name, _module(name, interface)
    for name, thing in interface.names.items():
        if has_page(thing):
            aliases = [alias for alias, first in interface.also.items() if first == name]
            yield name, _thing(name, thing, aliases)


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def _front(interface: Interface) -> str:
    top = [name for name in interface.modules if name.count(".") == 1]
    return (
        _title("The Python interface")
        + ".. py:module:: mssviz\n\nWhat ``import mssviz`` gives, module by module; the names that "
        "people need most stand at the top of the package.\n\n"
        + _table("Most used", _members("mssviz", interface), "mssviz")
        + _table("Modules", top, "mssviz")
        + _tree(top)
    )


def _module(name: str, interface: Interface) -> str:
    module = interface.modules[name]
    own = [interface.also.get(full := f"{name}.{one}", full) for one in names_of(module)]
    own = [one for one in dict.fromkeys(own) if one in interface.names]
    paged = [one for one in own if has_page(interface.names[one])]
    below = [one for one in interface.modules if one.rpartition(".")[0] == name]
    kinds = {
        "Classes": [one for one in paged if inspect.isclass(interface.names[one])],
        "Functions": [one for one in paged if not inspect.isclass(interface.names[one])],
        "Modules": below,
    }
    constants = [one for one in own if one not in paged]
    return (
        _title(name)
        + f".. automodule:: {name}\n   :no-members:\n\n"
        + "".join(_table(title, names, name) for title, names in kinds.items())
        + ("\n.. rubric:: Constants\n\n" if constants else "")
        + "".join(_constant(one, interface.names[one]) for one in constants)
        + _tree(below)
    )


def _members(module: str, interface: Interface) -> list[str]:
    return [name for name in interface.names if name.rpartition(".")[0] == module]


def _table(title: str, names: list[str], module: str = "") -> str:
    """A list with the first sentence of each; `module` is the one whose page it is on."""
    if not names:
        return ""
    lines = "".join(f"   ~{name.removeprefix(f'{module}.')}\n" for name in names)
    return f".. rubric:: {title}\n\n.. autosummary::\n   :nosignatures:\n\n{lines}\n"


def _tree(names: list[str]) -> str:
    lines = "".join(f"   {name.rpartition('.')[2]} <{name}>\n" for name in names)
    return f"\n.. toctree::\n   :hidden:\n\n{lines}" if names else ""


def _thing(name: str, thing: Any, aliases: list[str]) -> str:
    kind = "class" if inspect.isclass(thing) else "function"
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        kind = "exception"
    options = "   :members:\n   :show-inheritance:\n" if kind != "function" else ""
    also = f"\nAlso {', '.join(f'``{alias}``' for alias in aliases)}.\n" if aliases else ""
    # hundreds of names in every page's list of contents would hide all else: modules list theirs
    place = f":orphan:\n\n{_title(name)}In :py:mod:`{name.rpartition('.')[0]}`.\n\n"
    return f"{place}.. auto{kind}:: {name}\n{options}{also}"


def _constant(name: str, value: Any) -> str:
    said = "\n   ".join(_comment(name))
    written, own = repr(value), name.rpartition(".")[2]
    line = f"   :value: {written}\n" if len(written) < 60 and "<" not in written else ""
    return f".. py:data:: {own}\n{line}\n   {said}\n\n"


def _comment(name: str) -> list[str]:
    """What the comment above a constant says, wherever it is defined."""
    module, _, own = name.rpartition(".")
    while True:
        said = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", own))
        if said:
            return said
        origin = _imported_from(module, own)
        if origin is None:
            return []
        module = origin


def _imported_from(module: str, name: str) -> str | None:
    path = importlib.import_module(module).__file__
    assert path is not None
    stub = Path(path).with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else Path(path)).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in {one.name for one in node.names}:
            return f"{module}.{node.module}" if node.level else node.module
    return None
