"""Every benchmark answers --help without measuring, and benchmarks/README.md lists it and what it writes."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

import pytest

from benchmarks.common.arguments import make_parser
from tests.documents import find_commands

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


@pytest.mark.parametrize("default", ["", "deep-space.md"])
def test_a_folder_that_does_not_exist_is_refused_before_anything_is_measured(default, tmp_path, capsys):
    parser = make_parser("A benchmark.", default)
    assert parser.parse_args(["--out", str(tmp_path / "a.md")]).out == tmp_path / "a.md"
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", str(tmp_path / "missing" / "a.md")])
    assert f"{tmp_path / 'missing'} is not a folder; make it first" in capsys.readouterr().err


def test_the_readme_lists_every_command_and_no_other():
    assert sorted(set(re.findall(r"python -m (benchmarks\.\w+\.\w+)", README))) == COMMANDS


def test_the_readme_names_every_result():
    named = re.findall(r"([\w-]+)\.(?:md|json|png|jpg)\b", README)
    assert {file.stem for file in RESULTS.iterdir()} <= set(named)


class Parsed(Exception):  # noqa: N818 - no error
    """The command line was accepted."""


@pytest.fixture
def parse_only(monkeypatch):
    """A function of a module and its arguments that raises ``Parsed`` once the module's command has accepted them."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser, *given):
        parse_args(parser, *given)
        raise Parsed

    def run(module, arguments):
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        importlib.import_module(module).main()

    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", find_commands("python", "-m"), ids=str)
def test_a_documented_command_is_accepted(command, parse_only):
    module, *arguments = command.words[2:]
    if module.startswith("training.") and (ROOT / module.replace(".", "/")).is_dir():
        module = f"{module}.__main__"
    with pytest.raises(Parsed):
        parse_only(module, arguments)
