"""What must hold of the built site: links, anchors, names, words, and that it asks nobody else."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util.inventory import InventoryFile

from tools.site import HTML, ROOT, api

#: Attributes through which a page loads something at once.
_LOADING = {
    ("img", "src"), ("script", "src"), ("iframe", "src"), ("source", "src"), ("audio", "src"),
    ("video", "src"), ("object", "data"), ("link", "href"), ("image", "href"), ("use", "href"),
}  # fmt: skip
_CSS = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])([^'\")\s]+)")
#: Where people's words stand; the lists of words that are right are in ``words.txt``.
_WRITTEN = [
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "datasets/README.md",
    "pretrained/**/README.md", "notebooks/**/*.md", "notebooks/**/*.ipynb", "mssviz",
    "tools", "benchmarks",
]  # fmt: skip


class Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a tag names."""
        given = {name: value for name, value in attrs if value is not None}
        if anchor := given.get("id") or given.get("name"):
            self.anchors.add(anchor)
        for name, value in given.items():
            if (tag, name) in _LOADING and given.get("rel") not in ("next", "prev", "canonical"):
                self.loads.add(value)
            elif (tag, name) == ("a", "href"):
                self.links.add(value)
            elif name == "style":
                self.loads |= set(_CSS.findall(value))


def findings(site: Path = HTML) -> list[str]:
    """Everything that is wrong with the built site, in words."""
    if not (site / "index.html").exists():
        return [f"{site} has no site; build it first"]
    return [*in_pages(site), *in_styles(site), *undocumented(site), *misspelt()]


def in_pages(site: Path) -> Iterator[str]:
    """Links without a target, and what would be loaded from elsewhere."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        here = path.relative_to(site)
        for target in sorted(page.loads):
            if fault := _loading(target, path, site):
                yield f"{here} {fault}"
        for target in sorted(page.links):
            if fault := _leading(target, path, pages):
                yield f"{here} {fault}"


def in_styles(site: Path) -> Iterator[str]:
    """What style sheets would load from elsewhere."""
    for path in sorted(site.rglob("*.css")):
        for target in _CSS.findall(path.read_text("utf-8")):
            if fault := _loading(target, path, site):
                yield f"{path.relative_to(site)} {fault}"


def undocumented(site: Path) -> Iterator[str]:
    """Public names that the site has no page of."""
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, uri: uri)
    known = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    interface = api.public()
    for name in [*interface.modules, *interface.names]:
        if name not in known:
            yield f"{name} is public and has no page"
    for name in interface.pages:
        page = "index" if name == "mssviz" else name
        if not (site / "api" / f"{page}.html").exists():
            yield f"{name} is public and has no page"


def misspelt() -> list[str]:
    """Words that codespell knows to be wrong, in texts and in code."""
    paths = [path for pattern in _WRITTEN for path in sorted(ROOT.glob(pattern))]
    words = Path(__file__).with_name("words.txt")
    command = [sys.executable, "-m", "codespell_lib", "--ignore-words", str(words)]
    command += ["--skip", "*.png,*.csv,*.lock,*.h5,*.npz,node_modules,weights,.files,_build"]
    done = subprocess.run(
        [*command, *map(str, paths)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    said = done.stdout.replace(f"{ROOT}/", "").splitlines()
    return said if done.returncode == 0 or said else [done.stderr]


def _loading(target: str, path: Path, site: Path) -> str:
    parts = urlsplit(target)
    if parts.scheme == "data" or target.startswith(("#", "%23")):
        return ""
    if parts.scheme or parts.netloc:
        return f"would load {target}"
    found = (path.parent / unquote(parts.path)).resolve()
    return "" if found.is_file() and found.is_relative_to(site) else f"lacks {target}"


def _leading(target: str, path: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        return "" if re.fullmatch(r"[\w-]+(\.[\w-]+)+|localhost(:\d+)?", parts.netloc) else target
    if parts.scheme:
        return "" if parts.scheme == "mailto" else f"has a link to {target}"
    other = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if other not in pages:
        return "" if other.is_file() else f"has a link to {target}, which is no page"
    if parts.fragment and unquote(parts.fragment) not in pages[other].anchors:
        return f"has a link to {target}, which has no such anchor"
    return ""
