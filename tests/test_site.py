"""The documentation site, as far as it can be checked without building it."""

import inspect
from pathlib import Path

import ipywidgets as w
import numpy as np
import pytest

pytest.importorskip("sphinx", reason="the tools of `make docs` are not installed")

import mssviz
from tools.site import api, checks, contents, links, notebooks, saved, staging

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def interface():
    return api.public()


# --- Contents ----------------------------------------------------------------------------------


def test_every_page_stands_in_a_chapter():
    assert contents.forgotten() == []
    listed = [name for names in contents.chapters().values() for name in names]
    assert len(listed) == len(set(listed))


def test_a_page_that_no_chapter_has_is_told(monkeypatch):
    monkeypatch.setitem(contents.CONTENTS, "Reference", ["api/index"])
    assert contents.forgotten() == ["datasets/README", "docs/glossary"]


def test_every_document_and_every_lesson_is_a_page():
    pages = contents.pages()
    for folder, pattern in (("docs", "*.md"), ("notebooks/course", "*.ipynb")):
        for path in (ROOT / folder).glob(pattern):
            assert f"{folder}/{path.stem}" in pages


# --- Links -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", contents.pages())
def test_links_lead_to_files(page):
    path = contents.file_of(page)
    staging.linked(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("docs/scale.md", "[a](../README.md#models)", "[a](../index.md#models)"),
        ("README.md", "[a](docs/scale.md)", "[a](docs/scale.md)"),
        ("notebooks/course/05-masks.ipynb", "[a](glossary.md)", "[a](../../docs/glossary.md)"),
        ("docs/teaching.md", "[a](../notebooks/course/solutions)", "a"),
        ("docs/teaching.md", "[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("docs/teaching.md", "![a](explorer.png)", "![a](explorer.png)"),
    ],
)
def test_links_follow_pages_to_their_places(page, text, expected):
    assert staging.linked(text, page) == expected


def test_a_link_to_nothing_is_an_error():
    with pytest.raises(SystemExit, match=r"docs/scale.md: the link to gone.md leads to no file"):
        staging.linked("[a](gone.md)", "docs/scale.md")


# --- Names -------------------------------------------------------------------------------------


def test_every_public_name_is_listed(interface):
    listed = {*interface.names, *interface.also, *interface.modules}
    for name in mssviz.__all__:
        thing = getattr(mssviz, name)
        earlier = inspect.ismodule(thing) and thing.__name__ != f"mssviz.{name}"
        assert earlier or f"mssviz.{name}" in listed
    for module in ("masks", "scores", "plots", "datasets", "training", "lessons"):
        for name in getattr(mssviz, module).__all__:
            assert f"mssviz.{module}.{name}" in listed


def test_what_has_several_names_has_one_page(interface):
    assert interface.also["mssviz.separators.Separator"] == "mssviz.Separator"
    assert "mssviz.separators.Separator" not in interface.pages
    assert "mssviz.metrics" not in interface.modules  # an earlier name


def test_every_public_name_gets_a_page(interface):
    texts = dict(api.texts())
    assert set(texts) == {"index", *interface.pages} - {"mssviz"}
    assert "Largest number of characters" in texts["mssviz.plots"]  # what a comment says


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("mssviz.Mixer", "mssviz.Mixer"),
        ("mssviz.separators.Separator", "mssviz.Separator"),
        ("mssviz.separators.Separator.separate", "mssviz.Separator.separate"),
    ],
)
def test_names_in_texts_find_their_pages(name, documented):
    assert links.documented(name) == documented


# --- What stands for widgets -------------------------------------------------------------------


def test_a_mixer_becomes_a_page_in_a_frame(tmp_path):
    mixer = mssviz.Mixer({"noise": np.full((4410, 2), 0.1, np.float32)}, 44100)
    text = saved.stand_in(mixer, saved.Pages(tmp_path, "lesson"))
    assert 'src="SAVED/lesson-1.html" title="Sounds"' in text
    assert "In Jupyter this is live" in text
    assert "Content-Security-Policy" in (tmp_path / "lesson-1.html").read_text("utf-8")


def test_a_kind_of_widget_that_nothing_stands_for_is_told(tmp_path):
    with pytest.raises(NotImplementedError, match="ScoreView"):
        saved.stand_in(mssviz.ScoreView.__new__(mssviz.ScoreView), saved.Pages(tmp_path, "x"))


def test_bars_of_progress_are_left_out(tmp_path):
    assert saved.stand_in(w.HTML("half"), saved.Pages(tmp_path, "x")) == ""


# --- What is checked when it is built ----------------------------------------------------------

GOOD = '<p id="top"><a href="b.html#there">x</a><img src="data:image/png;base64,AA"></p>'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="index.html">x</a>')
    (tmp_path / "a.css").write_text("p { background: url(index.html) }")
    return tmp_path


def test_a_good_site_has_no_findings(site):
    assert [*checks.in_pages(site), *checks.in_styles(site)] == []


@pytest.mark.parametrize(
    ("markup", "finding"),
    [
        ('<script src="https://cdn.example.org/a.js"></script>', "would load https://cdn"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "would load //fonts"),
        ('<p style="background: url(https://example.org/a.png)"></p>', "would load https://"),
        ('<img src="gone.png">', "lacks gone.png"),
        ('<a href="gone.html">x</a>', "which is no page"),
        ('<a href="b.html#gone">x</a>', "which has no such anchor"),
        ('<a href="javascript:alert(1)">x</a>', "has a link to javascript"),
        ('<a href="https://exa mple/">x</a>', "exa mple"),
    ],
)
def test_what_is_wrong_is_found(site, markup, finding):
    (site / "index.html").write_text(GOOD + markup)
    [found] = checks.in_pages(site)
    assert finding in found


def test_a_style_sheet_that_loads_from_elsewhere_is_found(site):
    (site / "a.css").write_text('@import "https://example.org/b.css";')
    [found] = checks.in_styles(site)
    assert "would load https://example.org/b.css" in found


def test_words_are_spelt_right():
    assert checks.misspelt() == []


def test_a_misspelt_word_is_found(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("We recieve it.")
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    assert checks.misspelt() == ["README.md:1: recieve ==> receive"]


def test_what_a_notebook_shows_takes_the_place_of_what_it_showed_alone(tmp_path):
    result, kept = tmp_path / "result", tmp_path / "kept"
    result.mkdir()
    (result / "notebook.ipynb").write_text("new")
    older, other, ours = (kept / name for name in ("a-" + "0" * 16, "a-b-" + "1" * 16, "a-notes"))
    for folder in (older, other, ours):
        folder.mkdir(parents=True)
    notebooks._keep(result, kept / ("a-" + "f" * 16))
    assert {path.name for path in kept.iterdir()} == {"a-" + "f" * 16, other.name, ours.name}
    assert (kept / ("a-" + "f" * 16) / "notebook.ipynb").read_text() == "new"
