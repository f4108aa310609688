"""Compare `requirements.lock` with what the package index says of each version today.

The index's metadata name published advisories, files that were withdrawn (yanked), and the SHA-256
of each file. A finding is a line, and the exit code is 1 if there is any, or if the index does not
answer. The index gives advisories for a version where it has a page of it, else for the newest
version only: which packages are older than that is told at the end.

    python tools/audit.py
"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import requests
from pip._internal.models.index import PyPI  # knows the index's address
from requests.adapters import HTTPAdapter, Retry

LOCK = Path(__file__).parents[1] / "requirements.lock"
_PINNED = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;\\]+)(.*(?:\n +--hash=.*)*)", re.MULTILINE)


class Locked(NamedTuple):
    """A package of the lock file: its name, version and files."""

    name: str
    version: str
    hashes: set[str]


class Findings(NamedTuple):
    """What is wrong with a package, and whether its advisories could be looked up."""

    lines: list[str]
    audited: bool


def locked(text: str) -> list[Locked]:
    """Read the packages of a lock file."""
    return [
        Locked(name, version, set(re.findall(r"--hash=sha256:(\w+)", hashes)))
        for name, version, hashes in _PINNED.findall(text)
    ]


def findings(package: Locked, page: dict[str, Any]) -> Findings:
    """Hold a package against the index's page of it, or of its newest version."""
    name = f"{package.name} {package.version}"
    audited = page["info"]["version"] == package.version
    advisories = [one for one in page["vulnerabilities"] if audited and not one.get("withdrawn")]
    lines = [
        f"{name}: {' '.join([one['id'], *one['aliases']])}, "
        f"mended in {' '.join(one['fixed_in']) or 'no version'}"
        for one in advisories
    ]
    files = page["releases"].get(package.version, []) if "releases" in page else page["urls"]
    published = {file["digests"]["sha256"] for file in files}
    if unknown := package.hashes - published:
        lines.append(f"{name}: the index has no file with {', '.join(sorted(unknown))}")
    lines += [f"{name}: {f['filename']} was withdrawn" for f in files if f["yanked"]]
    return Findings(lines, audited)


def ask(session: requests.Session, package: Locked) -> Findings:
    """Look a package up."""
    for page in (f"{package.name}/{package.version}", package.name):
        answer = session.get(f"{PyPI.pypi_url}/{page}/json", timeout=30)
        if answer.status_code != requests.codes.not_found:
            break
    answer.raise_for_status()
    return findings(package, answer.json())


def main() -> int:
    """Audit the lock file."""
    packages = locked(LOCK.read_text(encoding="utf-8"))
    session = requests.Session()
    retry = Retry(5, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504])
    session.mount("https://", HTTPAdapter(max_retries=retry))
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda package: ask(session, package), packages))
    except requests.RequestException as error:
        print(f"the package index cannot be asked: {error}", file=sys.stderr)
        return 1
    lines = [line for one in found for line in one.lines]
    pairs = zip(packages, found, strict=True)
    older = [f"{package.name} {package.version}" for package, one in pairs if not one.audited]
    print(*lines, f"{len(packages)} packages: {len(lines) or 'no'} findings", sep="\n")
    if older:
        print(f"advisories of {len(older)} older versions are not told: {', '.join(older)}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
