"""The site's table of contents, and what is on it."""

from collections.abc import Sequence
from pathlib import Path

from tools.site import ROOT

#: Pages by chapter, in order, as paths in the repository without their ending; a pattern stands
#: for all that nobody else names. A page that does not exist yet is passed over.
CONTENTS: dict[str, Sequence[str]] = {
    "Start": ["docs/install", "docs/which-model", "docs/coming-from-spleeter"],
    "Use": [
        "notebooks/explorer", "notebooks/comparison", "docs/quality", "docs/ensembles",
        "docs/scale", "docs/compatibility", "docs/accessibility",
    ],
    "Course": ["notebooks/README", "notebooks/course/*", "docs/teaching"],
    "Models": [
        "notebooks/which-model", "docs/systems", "docs/roformers", "docs/training",
        "docs/licences", "pretrained/README",
    ],
    "Measure": ["docs/measures", "docs/hear-the-scores", "docs/error-map", "docs/speed"],
    "Understand": ["notebooks/why", "docs/evidence", "docs/surgery", "docs/complex-masks"],
    "Reference": ["api/index", "docs/glossary", "datasets/README"],
    "Project": [
        "docs/reliability", "docs/versions", "docs/security", "docs/dependencies",
        "CONTRIBUTING", "CHANGELOG",
    ],
}  # fmt: skip
#: Pages that another one lists, by that other one.
LISTED = {"pretrained/README": "pretrained/*/README"}
#: What is no page: the notebooks of the application and for Colab, and a link to the glossary.
LEFT_OUT = {"notebooks/app", "notebooks/colab", "notebooks/course/glossary"}
FRONT = "README"


def pages() -> list[str]:
    """Every page of the repository that the site has, as `CONTENTS` writes them."""
    found = [FRONT, "CONTRIBUTING", "CHANGELOG", "datasets/README", "pretrained/README"]
    for pattern in ("docs/*.md", "notebooks/*.md", "notebooks/*.ipynb", "notebooks/course/*.ipynb"):
        found += [_name(path) for path in sorted(ROOT.glob(pattern))]
    found += [name for pattern in LISTED.values() for name in _matching(pattern)]
    return [name for name in found if name not in LEFT_OUT]


def chapters() -> dict[str, list[str]]:
    """Pages that exist, by chapter."""
    known = {*pages(), "api/index"}
    return {
        chapter: [name for entry in entries for name in _expanded(entry) if name in known]
        for chapter, entries in CONTENTS.items()
    }


def forgotten() -> list[str]:
    """Pages that no chapter has."""
    listed = {FRONT, *(name for names in chapters().values() for name in names)}
    listed |= {name for pattern in LISTED.values() for name in _matching(pattern)}
    return [name for name in pages() if name not in listed]


def file_of(page: str) -> Path:
    """The file of a page."""
    return next(path for ending in (".md", ".ipynb") if (path := ROOT / (page + ending)).exists())


def _name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def _matching(pattern: str) -> list[str]:
    return [_name(path) for path in sorted(ROOT.glob(pattern + ".*")) if path.suffix != ".png"]


def _expanded(entry: str) -> list[str]:
    return _matching(entry) if "*" in entry else [entry]
