"""The audit of the lock file: what it reads out of it, and what it finds in the index's pages."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = """\
albatros==1.2.0 ; python_full_version < '3.12' \\
    --hash=sha256:aa11 \\
    --hash=sha256:bb22
tern[fast]==3.0 \\
    --hash=sha256:cc33
"""


@pytest.fixture(scope="module")
def audit():
    return runpy.run_path(str(ROOT / "tools" / "audit.py"))


@pytest.fixture
def page():
    """What the index says of the newest version."""
    files = [
        {"filename": f"albatros-1.2.0{ending}", "digests": {"sha256": digest}, "yanked": False}
        for ending, digest in [(".tar.gz", "aa11"), (".whl", "bb22")]
    ]
    return {
        "info": {"version": "1.2.0"}, "vulnerabilities": [], "releases": {"1.2.0": files}
    }  # fmt: skip


def found(audit, page):
    albatros, _ = audit["locked"](LOCK)
    return audit["findings"](albatros, page)


def advisory(**changes):
    known = {"id": "PYSEC-1", "aliases": ["CVE-2"], "fixed_in": ["1.3"], "withdrawn": None}
    return known | changes


def test_a_lock_gives_names_versions_and_hashes(audit):
    assert audit["locked"](LOCK) == [
        ("albatros", "1.2.0", {"aa11", "bb22"}),
        ("tern", "3.0", {"cc33"}),
    ]


def test_every_package_and_hash_of_our_lock_is_read(audit):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = audit["locked"](text)
    assert len(packages) == len(re.findall(r"^\S+==", text, re.MULTILINE)) > 100
    assert sum(len(package.hashes) for package in packages) == text.count("--hash=")
    assert all(package.hashes for package in packages)


def test_what_is_in_order_gives_no_finding(audit, page):
    assert found(audit, page) == ([], True)


def test_an_advisory_is_a_finding_until_it_is_withdrawn(audit, page):
    page["vulnerabilities"] = [advisory(), advisory(id="PYSEC-3", withdrawn="2026-01-01")]
    assert found(audit, page).lines == ["albatros 1.2.0: PYSEC-1 CVE-2, mended in 1.3"]


def test_advisories_of_a_newer_version_say_nothing_of_an_older_one(audit, page):
    page["info"]["version"] = "1.3"
    page["vulnerabilities"] = [advisory()]
    assert found(audit, page) == ([], False)


def test_files_that_were_withdrawn_or_replaced_are_findings(audit, page):
    files = page["releases"]["1.2.0"]
    files[0]["yanked"] = True
    files[1]["digests"]["sha256"] = "dd44"
    assert found(audit, page).lines == [
        "albatros 1.2.0: the index has no file with bb22",
        "albatros 1.2.0: albatros-1.2.0.tar.gz was withdrawn",
    ]


def test_a_version_that_the_index_no_longer_has_is_a_finding(audit, page):
    page["releases"] = {}
    assert found(audit, page).lines == ["albatros 1.2.0: the index has no file with aa11, bb22"]


def test_floors_above_known_holes_are_those_that_are_installed():
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    part = text.split("## Floors above known holes")[1].split("\n## ")[0]
    floors = dict(re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", part, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["scale"]]
    assert len(floors) > 5
    assert floors == {
        name: floor for name, floor in (one.split(">=") for one in asked) if name in floors
    }
