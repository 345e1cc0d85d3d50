"""A photograph, and the ``semlink`` command in this process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from semlink.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photo(tmp_path: Path, picture_png: bytes) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture_png)
    return path


def run(capfd, monkeypatch, *args: object) -> tuple[int, str, str]:
    """Run the command in this process; return its exit status and its output, including lines that gRPC's core writes."""
    monkeypatch.setattr(sys, "argv", ["semlink", *map(str, args)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capfd.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def semlink(capfd, monkeypatch):
    return lambda *args: run(capfd, monkeypatch, *args)


@pytest.fixture
def semlink_json(semlink):
    def run_json(*args):
        status, out, err = semlink(*args, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return run_json
