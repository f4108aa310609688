"""What holds for the source tree as a whole: its arrows, its lists of requirements, its words."""

import ast
import importlib
import inspect
import json
import re
import sys
import tomllib
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import mssviz
from mssviz import _moved, presets

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "mssviz"
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__main__.py")


# --- Imports ----------------------------------------------------------------------------------


def order():
    """Module names in the order that the package's docstring states."""
    paragraph = re.search(r"^audio →.*?\n\n", mssviz.__doc__, re.S | re.M).group()
    return [name for name in re.split(r"[→,\s]+", paragraph) if name]


def module_of(path):
    """First name below the package: a file's, or the folder's that it stands in."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


class Imports(ast.NodeVisitor):
    """Modules that a file imports, those for type checkers left out."""

    def __init__(self, path):
        self.found, self._depth = [], 0
        self.visit(ast.parse(path.read_text(encoding="utf-8")))

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815, named by the visitor

    def visit_Import(self, node):
        self.found += [(alias.name, self._depth == 0) for alias in node.names]

    def visit_ImportFrom(self, node):
        assert node.level == 0, "imports within the package are absolute"
        self.found += [(f"{node.module}.{alias.name}", self._depth == 0) for alias in node.names]


def inner_imports(path):
    for name, _ in Imports(path).found:
        parts = name.split(".")
        if parts[0] == "mssviz" and len(parts) > 1:
            yield parts[1]


def is_foundation(name):
    return name.startswith("_") or name == "errors"


def test_the_stated_order_is_short_enough_to_remember():
    stages = re.search(r"^audio →.*?\n\n", mssviz.__doc__, re.S | re.M).group().count("→") + 1
    assert stages <= 14


def test_the_stated_order_names_every_module():
    modules = {module_of(path) for path in FILES}
    assert set(order()) == {m for m in modules if not is_foundation(m)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_point_back(path):
    names, importer = order(), module_of(path)
    if importer == "__init__":
        return
    for imported in inner_imports(path):
        if imported == importer or is_foundation(imported):
            continue
        assert not is_foundation(importer), f"{importer} stands below {imported}"
        assert names.index(imported) < names.index(importer), f"{importer} imports {imported}"


@pytest.mark.parametrize(("earlier", "present"), _moved.MOVED.items())
def test_modules_are_found_under_their_earlier_names(earlier, present):
    sys.modules.pop(f"mssviz.{earlier}", None)
    with pytest.warns(DeprecationWarning, match=rf"called mssviz\.{present};") as warned:
        found = importlib.import_module(f"mssviz.{earlier}")
    assert warned[0].filename == __file__
    assert found is importlib.import_module(f"mssviz.{present}") is attrgetter(earlier)(mssviz)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_tensorflow_is_imported_by_the_networks_alone(path):
    if module_of(path) == "networks":
        return
    for name, at_module_level in Imports(path).found:
        quick = name.startswith("mssviz.networks.table")
        heavy = name.split(".")[0] in ("tensorflow", "keras") or name.startswith("mssviz.networks.")
        heavy = heavy and not quick
        assert not (heavy and at_module_level), f"{name} at the top of {path.name}"


# --- Sizes ------------------------------------------------------------------------------------

MOST_LINES = {"file": 450, "class": 300, "function": 45}
#: What a comment begins with that says why something is longer.
EXCUSE = "# long: "


def lengths(path):
    """Lines of a file, of its classes, and of the bodies of its functions without docstrings."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    yield "file", path.name, len(lines), text
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        kind, first = "class", node.lineno
        if not isinstance(node, ast.ClassDef):
            kind = "function"
            first = next((part.lineno for part in node.body if not is_text(part)), node.end_lineno)
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        yield kind, node.name, node.end_lineno - first + 1, source


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_longer_than_can_be_read_at_once_unless_it_says_why(path):
    for kind, name, length, source in lengths(path):
        if length > MOST_LINES[kind]:
            assert EXCUSE in source, f"{kind} {name} has {length} lines"


# --- Requirements -----------------------------------------------------------------------------


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements():
    config = project()
    groups = config["dependency-groups"].values()
    lines = [*config["project"]["dependencies"], *(line for group in groups for line in group)]
    return [Requirement(line) for line in lines]


def environment():
    """Conda's lines, and pip's, as requirements by name."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    plain = [line for line in lines if isinstance(line, str)]
    pip = [line for entry in lines if isinstance(entry, dict) for line in entry["pip"]]
    wanted = [Requirement(re.sub(r"(?<![<>=!~])=(?!=)", "==", line)) for line in plain]
    wanted += [Requirement(line) for line in pip if not line.startswith("-")]
    return {canonicalize_name(r.name): r for r in wanted}


def lock():
    """Requirement to its hashes, with continued lines joined."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(line.split("--hash")[0]), line.count("--hash=sha256:")) for line in lines]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_environment_and_lock_follow_pyproject(requirement):
    name = canonicalize_name(requirement.name)
    assert environment()[name].specifier == requirement.specifier
    versions = [next(iter(r.specifier)) for r, _ in lock() if canonicalize_name(r.name) == name]
    assert versions, f"{name} is not in requirements.lock"
    for pinned in versions:
        assert pinned.operator == "=="
        assert requirement.specifier.contains(pinned.version, prereleases=True)


def test_python_versions_agree():
    wanted = SpecifierSet(project()["project"]["requires-python"])
    assert environment()["python"].specifier == wanted


def test_every_locked_requirement_has_hashes_and_no_host():
    locked = lock()
    assert len(locked) > 50
    for requirement, n_hashes in locked:
        assert n_hashes > 0, requirement
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE), "an option, not a requirement"


# --- Words ------------------------------------------------------------------------------------


def modules():
    names = []
    for path in FILES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(part for part in parts if part != "__init__"))
    return sorted(set(names))


@pytest.mark.parametrize("name", modules())
def test_everything_public_is_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == name
        if public.startswith("_") or not own or not (inspect.isclass(thing) or callable(thing)):
            continue
        assert inspect.getdoc(thing), f"{name}.{public}"
        for method, function in vars(thing).items() if inspect.isclass(thing) else ():
            function = getattr(function, "__func__", getattr(function, "fget", function))
            if not method.startswith("_") and inspect.isfunction(function):
                assert function.__doc__, f"{name}.{public}.{method}"


def test_the_stub_names_what_the_package_gives():
    stub = (SOURCE / "__init__.pyi").read_text(encoding="utf-8")
    names = set(re.findall(r" as (\w+)", stub))
    assert names == set(mssviz.__all__)
    assert all(getattr(mssviz, name) is not None for name in names)


#: Words that begin half a sentence, which says nothing of what a parameter is.
FRAGMENT = re.compile(
    r"(Of|In|As|Which|Where|Whose|How|See|With|Below|Above|Such|Is|To|From|By|At|On|Called|Same)\b"
)
SECTION = r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}\n|\Z)"
ENTRY = r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?)+)"


def described_parameters(path):
    """Every parameter that a docstring of a file describes, with its description."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            doc = ast.get_docstring(node) or ""
            for section in re.findall(SECTION, doc, re.M | re.S):
                for name, text in re.findall(ENTRY, section + "\n", re.M):
                    yield f"{getattr(node, 'name', path.name)}: {name}", " ".join(text.split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_parameter_is_described_by_a_noun(path):
    wrong = [f"{n}: {text}" for n, text in described_parameters(path) if FRAGMENT.match(text)]
    assert not wrong, "\n".join(wrong)


# --- Presets ----------------------------------------------------------------------------------

FOLDERS = sorted(path.parent for path in (ROOT / "pretrained").glob("*/config.json"))


def test_every_folder_of_pretrained_is_a_preset():
    folders = {path for path in (ROOT / "pretrained").iterdir() if path.is_dir()}
    assert folders == set(FOLDERS)
    large = [name for name in presets.shipped() if not name.endswith(presets.TINY)]
    assert len(FOLDERS) == len(large) >= 6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_presets_card_agrees_with_its_configuration(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    preset = presets.find(config["name"])
    assert folder.name == preset.name.replace(":", "-")
    assert card.startswith(f"# {preset.name}\n")
    assert ", ".join(preset.targets) in card
    assert preset.licence != "unknown"
    rows = {
        "licence": preset.licence, "licence stated by": preset.licence_source,
        "training data": preset.training_data,
        "trained on MUSDB18's test songs": preset.trained_on_test,
    }  # fmt: skip
    for row, text in rows.items():
        assert f"\n| {row} | {text} |\n" in card
    assert "not known" not in (preset.licence_source, preset.training_data)
    assert preset.citation in card
    hertz = preset.model_bins * preset.stft.sample_rate / preset.stft.n_fft
    band = {f"{hertz:,.0f} Hz", f"{hertz:,.1f} Hz"}
    if preset.model_bins == preset.stft.n_bins:
        band.add("| modelled band | all of it")
    assert any(text in card for text in band)
    for source in preset.weights.sources:
        if "files" in source:
            assert set(source["files"]) == set(preset.weights.files)
        else:
            assert re.fullmatch("[0-9a-f]{64}", source["sha256"])


def test_the_page_on_licences_lists_every_preset_with_weights():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    for preset in presets.shipped().values():
        row = f"| `{preset.name}` | {preset.licence} | {preset.trained_on_test} |"
        assert (row in page.splitlines()) == bool(preset.weights.files), preset.name


def test_the_wheel_carries_presets_and_examples_without_weights():
    build = project()["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert {"mssviz", "pretrained", "datasets/examples"} <= set(wheel["only-include"])
    assert wheel["sources"]["pretrained"] == "mssviz/_pretrained"
    assert wheel["sources"]["datasets/examples"] == "mssviz/_examples"
    for target in ("wheel", "sdist"):
        assert "pretrained/*/weights" in build["targets"][target]["exclude"]
