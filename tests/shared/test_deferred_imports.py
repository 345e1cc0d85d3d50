"""Deferred modules run at the first attribute that they lack; replaced ones are back afterwards."""

from __future__ import annotations

import importlib
import sys

import pytest

from shared.deferred_imports import defer, import_at_call, replace, stand_in_compiler

FILES = {
    "parcel/__init__.py": (),
    "parcel/large/__init__.py": (
        "LOG.append('large')",
        "from parcel.large.part import PART",
        "from parcel.large.other import O",
    ),
    "parcel/large/part.py": ("LOG.append('part')", "PART = 1"),
    "parcel/large/other.py": ("LOG.append('other')", "O = 2"),
    "parcel/user.py": ("import parcel.tools as tools", "from parcel.tools import add", "def double(x: tools.Any): ..."),
    "parcel/tools.py": ("LOG.append('tools')", "N = 3", "def add(a, b): return a + b"),
    "parcel/swapped/__init__.py": (
        "import sys, types",
        "new = types.ModuleType(__name__)",
        "new.WORD = 'new'",
        "sys.modules[__name__] = new",
    ),
}


@pytest.fixture
def log(tmp_path, monkeypatch):
    """What the modules of a package on disk have run."""
    ran: list[str] = []
    for name, lines in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines).replace("LOG", "__import__('builtins').semlink_log"))
    monkeypatch.setattr("builtins.semlink_log", ran, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield ran
    for name in [name for name in sys.modules if name.startswith("parcel")]:
        del sys.modules[name]


def test_a_deferred_package_runs_when_an_attribute_is_missing(log):
    with defer("parcel.large"):
        part = importlib.import_module("parcel.large.part")
    assert (part.PART, log) == (1, ["part"])
    from parcel.large import O

    assert (O, log) == (2, ["part", "large", "other"])
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = sys.modules["parcel.large"].missing
    assert log == ["part", "large", "other"]


def test_a_deferred_package_may_replace_its_module(log):
    with defer("parcel.swapped"):
        swapped = importlib.import_module("parcel.swapped")
    assert swapped.WORD == sys.modules["parcel.swapped"].WORD == "new"


def test_a_replaced_module_is_there_again_afterwards(log):
    with replace({"parcel.large.other": None}), pytest.raises(ImportError):
        importlib.import_module("parcel.large")
    assert importlib.import_module("parcel.large").O == 2


def test_what_is_taken_from_a_stand_in_is_imported_when_it_is_called(log):
    with replace({"parcel.tools": import_at_call("parcel.tools")}):
        user = importlib.import_module("parcel.user")
    assert log == []
    assert (user.add(1, b=2), log) == (3, ["tools"])
    assert user.tools.N == 3
    assert importlib.import_module("parcel.tools") is not user.tools
    with pytest.raises(AttributeError):
        _ = user.tools.missing


def test_without_a_compiler_marked_functions_stay_as_they_are():
    compiler = stand_in_compiler()
    for mark in (compiler.allow_in_graph, compiler.disable, compiler.disable(None, recursive=True, reason=None)):
        assert mark(len) is len
