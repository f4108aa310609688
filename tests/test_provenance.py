"""Files of others that come with mssviz are those that `SHA256SUMS` names."""

from pathlib import Path

from mssviz import _files

ROOT = Path(__file__).parents[1]
#: Where files stand that others made, or that training made.
FOLDERS = ("datasets/examples", "datasets/published", "pretrained", "tests/golden")
KINDS = {".csv", ".flac", ".h5", ".json", ".npz", ".pth"}


def listed():
    lines = (ROOT / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_every_shipped_file_is_listed():
    found = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in KINDS
    }
    fetched = {name for name in found if "/weights/" in name or "/.files/" in name}
    ours = {name for name in found if name.endswith("/config.json")}
    assert found - fetched - ours == set(listed())


def test_shipped_files_are_what_the_list_says():
    sums = listed()
    assert {name: _files.sha256(ROOT / name) for name in sums} == sums
