"""Sphinx's source: the repository's pages in their own places, where links lead as before."""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import nbformat

from tools.site import ROOT, SOURCE, api
from tools.site.contents import FRONT, LISTED, chapters, file_of, pages

#: A link or picture of Markdown, and one of HTML.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
#: Pages that stand in another place on the site, or that others name otherwise.
_MOVED = {"README.md": "index.md", "notebooks/course/glossary.md": "docs/glossary.md"}


def stage(notebooks: Mapping[str, Path]) -> None:
    """Bring Sphinx's source up to date; what stays the same is not touched, so it is not read anew.

    Parameters
    ----------
    notebooks
        Folders with what executed notebooks show, by page.
    """
    files: dict[str, bytes] = {f"api/{name}.rst": text.encode() for name, text in api.texts()}
    for page in pages():
        if page in notebooks:
            files |= _notebook(page, notebooks[page])
        else:
            files[_MOVED.get(f"{page}.md", f"{page}.md")] = _markdown(page).encode()
    for picture in [*ROOT.glob("docs/*.png"), *ROOT.glob("notebooks/course/pictures/*.png")]:
        files[picture.relative_to(ROOT).as_posix()] = picture.read_bytes()
    files["_static/site.css"] = Path(__file__).with_name("site.css").read_bytes()
    for path in [path for path in SOURCE.rglob("*") if path.is_file()]:
        if path.relative_to(SOURCE).as_posix() not in files:
            path.unlink()  # of an earlier state
    for name, content in files.items():
        path = SOURCE / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _markdown(page: str) -> str:
    text = linked(file_of(page).read_text("utf-8"), f"{page}.md")
    if page == FRONT:
        text += "".join(_tree(names, chapter) for chapter, names in chapters().items())
    if page in LISTED:
        folder = PurePosixPath(page).parent
        cards = [name for name in pages() if PurePosixPath(name).match(LISTED[page])]
        text += _tree([os.path.relpath(card, folder) for card in cards if card != page])
    return text


def _notebook(page: str, folder: Path) -> dict[str, bytes]:
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, f"{page}.ipynb")
    up = os.path.relpath("_static/saved", PurePosixPath(page).parent)
    written = nbformat.writes(notebook).replace("SAVED/", f"{up}/")
    saved = {f"_static/saved/{path.name}": path.read_bytes() for path in folder.glob("*.html")}
    return {f"{page}.ipynb": written.encode(), **saved}


def linked(text: str, page: str) -> str:
    """The text of a page whose links lead to pages of the site; a link to anything else is text.

    Parameters
    ----------
    text
        Text, Markdown.
    page
        Path of the page in the repository.
    """

    def replace(found: re.Match[str]) -> str:
        picture, label, target = found.groups()
        path, hash_, anchor = target.partition("#")
        if picture or not path or ":" in path:
            return found[0]
        place = os.path.normpath(PurePosixPath(page).parent / path)
        place = _MOVED.get(place, place)
        if place.removesuffix(".md").removesuffix(".ipynb") not in {*pages(), "index"}:
            if not (ROOT / place).exists():
                raise SystemExit(f"{page}: the link to {target} leads to no file")
            return label
        here = PurePosixPath(_MOVED.get(page, page)).parent
        return f"[{label}]({os.path.relpath(place, here)}{hash_}{anchor})"

    return _LINK.sub(replace, text)


def _tree(names: list[str], caption: str = "") -> str:
    title = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{title}\n" + "\n".join(names) + "\n```\n"
