"""The documentation site: the repository's own pages, notebooks and docstrings, built by Sphinx."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What is built, all of it ignored by git: Sphinx's source, saved notebooks, and the site.
BUILD = ROOT / "docs" / "_build"
SOURCE, NOTEBOOKS, HTML = BUILD / "source", BUILD / "notebooks", BUILD / "html"
