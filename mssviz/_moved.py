"""Names that modules had before they moved into packages: importing them still works."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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
        present = MOVED[module.__name__.partition(".")[2]]
        sys.modules[module.__name__] = importlib.import_module(f"mssviz.{present}")


def install() -> None:
    """Make modules importable by their earlier names; called once, when mssviz is imported."""
    if not any(type(finder) is _Finder for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
