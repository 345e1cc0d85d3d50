"""A photograph, the ``semlink`` command in this process, and a small sweep."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from semlink.cli.main import main
from semlink.sweep.plan import make_plan
from semlink.sweep.row import WALL_COLUMN
from semlink.sweep.run import run_sweep
from semlink.sweep.settings import load_sweep
from semlink.sweep.store import read_rows
from shared.picture import encode_png

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photo(tmp_path: Path, picture_png: bytes) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture_png)
    return path


@pytest.fixture
def small_photo(tmp_path: Path, synthetic_pixels) -> Path:
    """A picture of 192 x 128, a quarter of ``photo``."""
    path = tmp_path / "small.png"
    path.write_bytes(encode_png(synthetic_pixels(192, 128)))
    return path


def run(capfd, monkeypatch, *args: object) -> tuple[int, str, str]:
    """Run the command in this process. Return its exit status and output, with the lines that gRPC's core writes."""
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


@pytest.fixture(scope="session")
def small_pictures(tmp_path_factory, synthetic_pixels):
    """A folder of two pictures, 96 x 64."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        (folder / f"p{seed}.png").write_bytes(encode_png(synthetic_pixels(96, 64, seed=seed)))
    return folder


@pytest.fixture(scope="session")
def sweep_settings(small_pictures):
    """Settings of a sweep of 40 rows. Fading loses some of their pictures."""
    return {
        "pictures": [str(small_pictures)],
        "codecs": ["hci-learned@hci"],
        "channels": ["rayleigh"],
        "snr_db": [-3, 0, 3, 9],
        "channel_uses": [1500],
        "seeds": 5,
        "packet_bytes": 64,
        "measures": ["psnr_db"],
    }


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory, sweep_settings):
    """The folder of that sweep, made in one run by this process."""
    folder = tmp_path_factory.mktemp("sweep")
    run_sweep(make_plan(load_sweep(None, sweep_settings)), folder)
    return folder


@pytest.fixture(scope="session")
def rows_in():
    """A function of folders that returns their rows without the seconds that each took, which differ between runs."""

    def read(*folders):
        return [{name: value for name, value in row.items() if name != WALL_COLUMN} for row in read_rows(folders)]

    return read
