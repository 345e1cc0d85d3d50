"""Every benchmark answers --help without measuring, and benchmarks/README.md lists it and what it writes."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "benchmarks" / "README.md").read_text()
RESULTS = ROOT / "docs" / "results"
COMMANDS = sorted(
    f"benchmarks.{file.parent.name}.{file.stem}"
    for file in (ROOT / "benchmarks").glob("*/*.py")
    if file.parent.name != "common" or "__main__" in file.read_text()
)


@pytest.mark.filterwarnings("ignore")  # those of the libraries that benchmarks import
@pytest.mark.parametrize("command", COMMANDS)
def test_help_measures_nothing(command, monkeypatch, capsys):
    before = {file: file.stat().st_mtime_ns for file in RESULTS.iterdir()}
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(command).main()
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: ")
    assert "--out OUT" in shown
    assert f"python -m {command}" in shown
    assert {file: file.stat().st_mtime_ns for file in RESULTS.iterdir()} == before


def test_the_readme_lists_every_command_and_no_other():
    assert sorted(set(re.findall(r"python -m (benchmarks\.\w+\.\w+)", README))) == COMMANDS


def test_the_readme_names_every_result():
    named = re.findall(r"([\w-]+)\.(?:md|json|png|jpg)\b", README)
    assert {file.stem for file in RESULTS.iterdir()} <= set(named)
