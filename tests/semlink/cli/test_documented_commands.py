"""Every semlink command of the documents is accepted as written; those for the reader to run work in a clean clone."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.exceptions import TyperException

from semlink.cli.main import app
from tests.documents import ROOT, find_commands

PLACEHOLDERS = {"NAME": "sender", "$SEMLINK_EXPERIMENT": "demo"}
RUN_ON = ("up", "serve")
"""Commands that end with Ctrl-C only; tests/semlink/cli/test_up.py runs them."""
SHOWN = [one for one in find_commands("semlink") if one.shown and one.words[1] not in RUN_ON]
QUICK = [one for one in SHOWN if one.words[1] == "channels" or "coffee.sem" in one.text or "channel.yaml" in one.text]


def parse(words: list[str], *, whole: bool) -> None:
    """Parse ``words`` as the command does; without ``whole``, arguments and values may be missing."""
    name, *rest = [PLACEHOLDERS.get(word, word) for word in words[1:]]
    if name.startswith("--"):
        name, rest = "encode", [name]
    whole_command = typer.main.get_command(app)
    if rest and rest[0] in {option for one in whole_command.params for option in one.opts}:
        return
    try:
        whole_command.commands[name].make_context(name, rest)
    except typer.Exit:  # --help
        pass
    except TyperException as error:
        if whole or not re.search("^Missing parameter|requires an argument", str(error)):
            raise


@pytest.mark.parametrize("command", find_commands("semlink"), ids=str)
def test_a_documented_command_is_accepted(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    parse(command.words, whole=command.shown)


def test_commands_for_containers_are_accepted(monkeypatch):
    monkeypatch.chdir(ROOT)
    inner = [one.words[one.words.index("experiment") + 1 :] for one in find_commands("docker", "compose", "run")]
    inner += [
        ["semlink", *shlex.split(word.partition("=")[2])]
        for one in find_commands("export")
        for word in one.words
        if word.startswith("SEMLINK_EXPERIMENT=")
    ]
    assert len(inner) >= 3
    for words in inner:
        parse(words, whole=True)


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A folder that looks like a clean clone; what a command writes stays beside the links."""
    for name in ("photos", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("clone", "tiny_pocket")
@pytest.mark.parametrize("command", QUICK, ids=str)
def test_a_quick_command_runs_as_written(command, semlink):
    status, out, err = semlink(*command.words[1:])
    assert status == 0, err
    assert out


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_command_runs_as_written_with_the_weights_that_ship(clone):
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--target", "own"]
    package = str(ROOT / "docs/examples/semlink-nakagami")
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, package], check=True)
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(clone / "own"), str(ROOT)]), "PATH": programs}
    lines = dict.fromkeys(one.line for one in sorted(SHOWN, key=lambda one: one.words[1] in ("report", "plot")))
    for line in lines:  # those that show a sweep come last
        shell = ["bash", "-o", "pipefail", "-c", line]
        done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert {"received.png", "coffee.sem", "out", "figures"} <= {path.name for path in clone.iterdir()}
