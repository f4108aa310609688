"""Our ES modules and style sheets, joined into the one module that a widget is made of."""

import re
from pathlib import Path

STATIC = Path(__file__).with_name("static")
_IMPORT = re.compile(r'^import [^;]*? from "\./[\w-]+\.js";\n', re.MULTILINE | re.DOTALL)


def module(*names: str) -> str:
    """Join files of ``static/``, in the order given, into one ES module.

    A notebook loads a widget's module by itself, without its neighbours, so their imports of
    each other are dropped. Exported names must be unique; only the last has a default export.

    Parameters
    ----------
    names
        File names, dependencies first.
    """
    return "\n".join(_IMPORT.sub("", (STATIC / name).read_text("utf-8")) for name in names)


def style(*names: str) -> str:
    """Join style sheets of ``static/``."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)
