"""The course: its notebooks have what a lesson must have, and state numbers that are right.

That they run is tested in the browser, `tests/ui/test_course.py`.
"""

import ast
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

import mssviz
from mssviz import lessons

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "notebooks" / "course"
LESSONS = {path.stem: nbformat.read(path, as_version=4) for path in sorted(COURSE.glob("*.ipynb"))}
#: What every lesson has, as headings.
SECTIONS = ["Questions", "Exercise", "For the quick", "Further reading"]
MOST_LINES = {"cell": 12, "def": 5}
MINUTES = range(15, 41)
#: A number with a unit, in a text.
CLAIM = re.compile(
    r"(?<![\w.,])[−-]?\d[\d,]*(?:\.\d+)? (?:dB|Hz|kHz|ms|%|bins?|frames?|samples?)\b"
)
each_lesson = pytest.mark.parametrize("name", LESSONS)


def cells(name, kind):
    return [cell for cell in LESSONS[name].cells if cell.cell_type == kind]


def text_of(name):
    return "\n\n".join(cell.source for cell in cells(name, "markdown"))


# --- What a lesson has -------------------------------------------------------------------------


@each_lesson
def test_a_lesson_says_what_it_is_for_and_how_long_it_takes(name):
    title = LESSONS[name].cells[0].source
    number = int(name[:2])
    assert title.startswith(f"# {number} · ")
    for row in ("Aim", "You need"):
        assert re.search(rf"^\| \*\*{row}\*\* \| .{{8,}} \|$", title, re.M), row
    assert int(re.search(r"\*\*Time\*\* \| (\d+) minutes", title)[1]) in MINUTES


@each_lesson
def test_a_lesson_has_all_its_parts(name):
    headings = re.findall(r"^## (.*)$", text_of(name), re.M)
    for section in SECTIONS:
        assert any(heading.startswith(section) for heading in headings), section
    assert headings[-1] == "Further reading"
    assert len(re.findall(r"^- .*\d{4}", text_of(name).split("## Further reading")[1], re.M)) >= 2


@each_lesson
def test_two_or_three_questions_have_hidden_answers(name):
    [cell] = [c for c in cells(name, "markdown") if c.source.startswith("## Questions")]
    asked, answered = cell.source.split("<details><summary>Answers</summary>\n\n")
    assert answered.endswith("</details>")
    counts = [len(re.findall(r"^\d\. ", part, re.M)) for part in (asked, answered)]
    assert counts[0] == counts[1]
    assert counts[0] in (2, 3)


@each_lesson
def test_cells_of_code_are_short(name):
    for cell in cells(name, "code"):
        assert len(cell.source.splitlines()) <= MOST_LINES["cell"]
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < MOST_LINES["def"]


@each_lesson
def test_links_lead_to_files_and_pictures_have_a_text(name):
    for alternative, target in re.findall(r"(!?\[[^\]]*\])\(([^)]+)\)", text_of(name)):
        assert alternative != "![]"
        assert "://" in target or (COURSE / target).is_file(), target


@each_lesson
def test_terms_of_the_glossary_are_terms_of_the_glossary(name):
    glossary = (COURSE / "glossary.md").read_text("utf-8").lower()
    for term in re.findall(r"\[([^\]]*)\]\(glossary\.md\)", text_of(name)):
        assert term.lower().removesuffix("s") in glossary, term


def test_lessons_are_numbered_and_listed():
    assert [int(name[:2]) for name in LESSONS] == list(range(1, len(LESSONS) + 1))
    contents = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    for name in LESSONS:
        title = LESSONS[name].cells[0].source.splitlines()[0].split(" · ")[1]
        assert f"[{title}](course/{name}.ipynb)" in contents
        assert re.search(
            rf'<img src="course/pictures/{name}.png" width="180" alt="\w.+?">', contents
        )
        assert (COURSE / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


# --- What its texts say ------------------------------------------------------------------------


def claims():
    """Cell, number with unit, and the expression that gives it; None for what a text sets."""
    for name in LESSONS:
        for cell in cells(name, "markdown"):
            known = cell.metadata.get("numbers", {})
            said = dict.fromkeys(CLAIM.findall(cell.source))
            assert set(known) - set(said) <= {k for k in known if k in cell.source}
            for claim in dict.fromkeys([*said, *known]):
                yield pytest.param(
                    claim, known.get(claim, "?"), id=f"{name}-{cell.id}-{claim.replace(' ', '')}"
                )


@pytest.mark.parametrize(("claim", "expression"), claims())
def test_a_number_in_a_text_is_right(claim, expression):
    assert expression != "?", f"no expression gives {claim}"
    if expression is None:
        return
    said = claim.split()[0].replace(",", "").replace("−", "-")
    value = eval(expression, {"np": np, "mssviz": mssviz, "lessons": lessons})
    digits = len(said.partition(".")[2])
    assert f"{value:.{digits}f}" == said


# --- Its exercises ------------------------------------------------------------------------------


def test_every_exercise_stands_in_its_lesson_once():
    asked = []
    for name in LESSONS:
        code = "\n".join(cell.source for cell in cells(name, "code"))
        found = re.findall(r'lessons\.check\("([\d.]+)", ', code)
        assert {exercise.split(".")[0] for exercise in found} == {str(int(name[:2]))}
        asked += found
    assert sorted(asked) == sorted(lessons.EXERCISES)


def solutions():
    """Every solution in the texts for teachers, with the number of its exercise."""
    for path in sorted((COURSE / "solutions").glob("*.md")):
        for code in re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S):
            number = re.search(r'lessons\.check\("([\d.]+)"', code)[1]
            yield pytest.param(code, id=f"{path.stem}-{number}")


@pytest.mark.parametrize("code", solutions())
def test_a_solution_solves(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *body, last = ast.parse(code).body
    names = {}
    exec(compile(ast.Module(body, []), "solution", "exec"), names)
    verdict = eval(compile(ast.Expression(last.value), "solution", "eval"), names)
    assert verdict.solved, verdict


def test_every_exercise_has_a_solution_and_every_lesson_a_text_for_teachers():
    texts = {path.stem: path.read_text("utf-8") for path in (COURSE / "solutions").glob("*.md")}
    assert set(texts) == set(LESSONS)
    for number in lessons.EXERCISES:
        assert any(f'lessons.check("{number}"' in text for text in texts.values()), number


def test_no_notebook_holds_a_solution():
    for name in LESSONS:
        for cell in cells(name, "code"):
            if cell.id.startswith("exercise") and "goal" not in cell.source:
                assert re.search(r"^\w+ = \.\.\.$", cell.source, re.M), cell.source
