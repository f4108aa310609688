"""Build the documentation site and check it: ``python -m tools.site``."""

import argparse
import shutil
import subprocess
import sys
import time

from tools.site import BUILD, HTML, ROOT, SOURCE, browser, checks, notebooks, staging
from tools.site.contents import file_of, forgotten, pages


def main() -> None:
    """Run notebooks, write Sphinx's source, build, and check what was built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check what was built before")
    if not parser.parse_args().check:
        build()
    found = checks.findings() or browser.findings()
    print("\n".join(found) or f"{HTML.relative_to(ROOT)}/index.html is complete")
    sys.exit(bool(found))


def build() -> None:
    """Build the site."""
    if missing := forgotten():
        raise SystemExit(f"{missing[0]} is in no chapter; name it in tools/site/contents.py")
    start = time.monotonic()
    files = {page: file_of(page) for page in pages()}
    of_notebooks = {page: path for page, path in files.items() if path.suffix == ".ipynb"}
    shown = notebooks.run(of_notebooks.values())
    staging.stage({page: shown[path] for page, path in of_notebooks.items()})
    print(f"writing pages, {time.monotonic() - start:.0f} s after the start …", flush=True)
    shutil.rmtree(HTML, ignore_errors=True)
    options = ["-W", "--keep-going", "-n", "-q", "-j", "2", "-c", str(ROOT / "tools" / "site")]
    command = [sys.executable, "-m", "sphinx", *options, "-d", str(BUILD / "doctrees")]
    done = subprocess.run([*command, str(SOURCE), str(HTML)], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    print(f"built in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
