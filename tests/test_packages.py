"""What strangers get: the wheel, versions that agree, extras, forms, ways to try mssviz."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from hatchling import build
from packaging.markers import Marker
from packaging.requirements import Requirement

import mssviz

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
#: Folders that an installed mssviz has to have.
SHIPPED = ["mssviz", "pretrained", "datasets/examples", "datasets/published", "notebooks"]
FORMS = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]


def text(name):
    return (ROOT / name).read_text("utf-8")


# --- The wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built without a network."""
    folder, before = tmp_path_factory.mktemp("wheel"), Path.cwd()
    os.chdir(ROOT)  # where builders are called
    try:
        name = build.build_wheel(str(folder))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(folder / name) as opened:
        yield opened


@pytest.fixture(scope="module")
def described(wheel):
    """What the wheel says of itself."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def in_the_wheel(name):
    """Where a file of the checkout stands in the wheel."""
    for folder, place in WHEEL["sources"].items():
        if name.startswith(f"{folder}/"):
            return place + name.removeprefix(folder)
    return name


def test_the_wheel_has_what_git_has_and_nothing_else(wheel):
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout of git")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    found = subprocess.run([*listed, *SHIPPED], cwd=ROOT, capture_output=True).stdout
    names = [name for name in found.decode().split("\0") if name and (ROOT / name).exists()]
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {in_the_wheel(name) for name in names}
    assert len(packed) > 400


def test_the_wheel_carries_licences_and_is_small(wheel, described):
    [licence] = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert wheel.read(licence).decode() == text("LICENSE")
    assert described["License-Expression"] == "MIT"
    cards = [name for name in wheel.namelist() if re.search(r"_pretrained/[^/]+/README.md$", name)]
    assert len(cards) > 20  # of each model: who states which licence
    assert sum(entry.compress_size for entry in wheel.infolist()) < 25e6


# --- Versions ----------------------------------------------------------------------------------


def test_the_same_version_stands_everywhere(described):
    version = mssviz.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert described["Version"] == PROJECT["project"]["version"] == version
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == version
    assert re.search(r"^## (.*)$", text("CHANGELOG.md"), re.M)[1].startswith(
        ("Not released", f"{version}, {citation['date-released']}")
    )
    command = [sys.executable, "-m", "mssviz", "--version"]
    assert subprocess.run(command, capture_output=True).stdout.decode() == f"mssviz {version}\n"


def test_the_versions_of_python_are_those_that_are_stated():
    wanted = PROJECT["project"]["requires-python"]
    stated = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert (f">={stated[0]}", f"<3.{int(stated[-1][2:]) + 1}") == tuple(wanted.split(","))


# --- Extras and locks --------------------------------------------------------------------------


def test_extras_are_those_of_the_page_on_installing(described):
    extras = described.get_all("Provides-Extra")
    assert sorted(extras) == sorted(PROJECT["project"]["optional-dependencies"])
    for extra in extras:
        assert f"mssviz[{extra}]" in text("docs/install.md")


@pytest.mark.parametrize(("system", "wanted"), [("linux", True), ("darwin", False)])
def test_libraries_for_cards_come_with_their_extra_on_linux_alone(described, system, wanted):
    found = [Requirement(line) for line in described.get_all("Requires-Dist")]
    [cuda] = [r for r in found if r.name == "tensorflow" and r.extras == {"and-cuda"}]
    plain = next(r for r in found if r.name == "tensorflow" and not r.extras)
    assert cuda.specifier == plain.specifier
    assert isinstance(cuda.marker, Marker)
    assert cuda.marker.evaluate({"extra": "cuda", "sys_platform": system}) is wanted
    assert not cuda.marker.evaluate({"extra": "", "sys_platform": "linux"})


def locked(name):
    """Versions and hashes by name, as a lock has them."""
    entries = re.split(r"\n(?=\S)", text(name).strip())
    return {entry.split()[0]: set(re.findall("sha256:[0-9a-f]{64}", entry)) for entry in entries}


def test_the_lock_for_running_is_part_of_the_lock_for_all():
    run, everything = locked("requirements-run.lock"), locked("requirements.lock")
    assert {name: everything.get(name) for name in run} == run
    names = {name.partition("==")[0] for name in run}
    assert {re.split("[>=]", line)[0] for line in PROJECT["project"]["dependencies"]} <= names
    assert "hatchling" in names
    assert not names & {"pytest", "playwright", "mypy", "ruff"}


# --- Forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_wants(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    assert set(form) == {"name", "description", "labels", "body"}
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    names = [element["id"] for element in asked]
    assert len(set(names)) == len(names) >= 3
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)
    for element in asked:
        assert element["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert element["attributes"]["label"]
        if element["type"] in ("dropdown", "checkboxes"):
            options = element["attributes"]["options"]
            labels = [o["label"] if isinstance(o, dict) else o for o in options]
            assert all(isinstance(label, str) for label in labels)  # YAML reads yes as true
            assert len(set(labels)) == len(labels) >= 1
    assert any(element.get("validations", {}).get("required") for element in asked)


def test_there_are_forms_for_faults_models_and_ideas():
    assert {path.stem for path in FORMS} == {"bug", "feature", "model"}
    assert set(yaml.safe_load(text(".github/ISSUE_TEMPLATE/config.yml"))) == {
        "blank_issues_enabled"
    }


@pytest.mark.parametrize(
    "page",
    [*FORMS, *(ROOT / name for name in ("SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"))],
    ids=lambda path: path.stem,
)
def test_files_that_forms_and_pages_for_contributors_name_are_there(page):
    for name in re.findall(r"[\w./-]+\.md\b", page.read_text("utf-8")):
        assert (ROOT / name).exists(), name


# --- Trying without installing -----------------------------------------------------------------


def test_the_image_and_binder_install_what_is_locked():
    dockerfile = text("Dockerfile")
    assert "--require-hashes --requirement /src/requirements-run.lock" in dockerfile
    assert re.search(r"^USER (?!0|root)", dockerfile, re.M)
    assert "token" not in re.search(r"^CMD .*", dockerfile, re.M)[0]  # JupyterLab makes one
    assert "-r ../requirements.lock" in text(".binder/requirements.txt").splitlines()


def test_the_image_gets_all_that_the_wheel_is_built_of():
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    wanted = {*SHIPPED, *PROJECT["project"]["license-files"], "pyproject.toml"}
    assert wanted | {PROJECT["project"]["readme"], "requirements-run.lock"} == allowed
    assert set(WHEEL["exclude"]) <= set(text(".dockerignore").splitlines())


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_can_run_its_scripts(name):
    assert os.access(ROOT / ".binder" / name, os.X_OK)
    subprocess.run(["/bin/sh", "-n", ROOT / ".binder" / name], check=True)


def test_the_container_for_contributors_uses_targets_that_make_has():
    lines = text(".devcontainer/devcontainer.json").splitlines()
    settings = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    program, *targets = settings["postCreateCommand"].split()
    assert program == "make"
    assert all(re.search(rf"^{target}:", text("Makefile"), re.M) for target in targets)
