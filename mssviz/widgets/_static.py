"""Our ES modules and style sheets, joined into the one module that makes a widget."""

import posixpath
import re
from pathlib import Path

STATIC = Path(__file__).with_name("static")
_IMPORT = re.compile(r'^import [^;]*? from "(\.\.?/[\w./-]+\.js)";\n', re.MULTILINE | re.DOTALL)


def module(name: str) -> str:
    """Join a file of ``static/`` with all that it imports into one ES module.

    A notebook loads a widget's module by itself, without its neighbours. So the modules that it
    imports are put before it, and the imports are dropped. Names at the top of all these files must
    be unique, whether they are exported or not; only the file itself has a default export.

    Parameters
    ----------
    name
        Path of the file below ``static/``, with ``/`` between folders.

    Returns
    -------
    str
        Text of the module.
    """
    return "\n".join(_IMPORT.sub("", _text(part)) for part in with_imports(name))


def with_imports(name: str) -> list[str]:
    """List the paths of a file of ``static/`` and of all that it imports, imported ones first."""
    found: dict[str, None] = {}

    def add(path: str) -> None:
        for imported in _IMPORT.findall(_text(path)):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(path), imported))
            if other not in found:
                add(other)
        found[path] = None

    add(name)
    return list(found)


def style(*names: str) -> str:
    """Join style sheets of ``static/``."""
    return "\n".join(_text(name) for name in names)


def _text(name: str) -> str:
    return (STATIC / name).read_text("utf-8")
