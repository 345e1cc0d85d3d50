"""The layout: no import circle of files, layers that only import what is below them, files of at most 400 lines."""

from __future__ import annotations

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "sender", "channel", "receiver", "semlink", "training", "benchmarks", "deploy")
GENERATED = ROOT / "shared" / "rpc" / "semlink"
MOST_LINES = 400
SERVICES = ("sender", "channel", "receiver")
MAY_IMPORT = {
    "shared": {"shared"},
    **{name: {name, "shared"} for name in SERVICES},
    "semlink": {"semlink", *SERVICES, "shared"},
    "training": {"training", "sender", "receiver", "shared"},
}


@cache
def files() -> dict[str, Path]:
    """Return every module of the project by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if GENERATED not in path.parents:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """Return the project's modules that the module imports anywhere in its file, for types and within functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(files()[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {
                member if (member := f"{node.module}.{one.name}") in files() else node.module for one in node.names
            }
    return frozenset(found & files().keys() - {name})


def test_files_import_each_other_in_one_direction():
    try:
        graphlib.TopologicalSorter({name: imports(name) for name in files()}).prepare()
    except graphlib.CycleError as error:
        pytest.fail("import circle: " + " -> ".join(error.args[1]))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_layers_look_down_only(package):
    for name in files():
        if name.split(".")[0] == package:
            foreign = {one for one in imports(name) if one.split(".")[0] not in MAY_IMPORT[package]}
            assert not foreign, f"{name} imports {', '.join(sorted(foreign))}"


def test_no_file_has_more_than_400_lines():
    paths = [*files().values(), *(ROOT / "tests").rglob("*.py")]
    counts = {path: len(path.read_text("utf-8").splitlines()) for path in paths}
    assert not {str(path.relative_to(ROOT)): count for path, count in counts.items() if count > MOST_LINES}


def test_every_module_has_a_docstring():
    for name, path in files().items():
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), f"{name} has no docstring"
