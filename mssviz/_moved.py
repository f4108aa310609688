"""Names that modules had before they moved into packages: importing them works, with a warning."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

#: The version that no longer has these names; docs/versions.md says how long a name stays.
GONE_WITH = "2.0.0"

#: Present names of modules of mssviz, by their earlier names.
MOVED = {
    "baselines": "separators",
    "bss_eval": "scores.bss_eval",
    "chunks": "training.chunks",
    "evaluation": "comparison.evaluation",
    "laboratory": "separation.laboratory",
    "mask_editing": "separation.editing",
    "mask_options": "separation.options",
    "measures": "scores.signals",
    "metrics": "scores.windows",
    "oracles": "separators.oracles",
    "patches": "training.patches",
    "scale": "_scale",
    "separate": "separators",
    "separators.blend": "separators.ensemble",
}


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = name.partition(".")
        return ModuleSpec(name, self) if package == "mssviz" and module in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # a module may replace itself by another while it is being loaded
        present = f"mssviz.{MOVED[module.__name__.partition('.')[2]]}"
        sys.modules[module.__name__] = importlib.import_module(present)
        _warn(f"{module.__name__} is called {present}; the earlier name goes with {GONE_WITH}")


def _warn(text: str) -> None:
    """Warn whoever wrote the import, across the machinery that carries it out."""
    frame: FrameType | None = sys._getframe(1)
    while frame and _package(frame) in ("mssviz", "importlib", "lazy_loader"):
        frame = frame.f_back
    if frame:
        place = frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__")
        warnings.warn_explicit(text, DeprecationWarning, *place)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def install() -> None:
    """Make modules importable by their earlier names; called once, when mssviz is imported."""
    if not any(type(finder) is _Finder for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
