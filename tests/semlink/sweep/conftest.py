"""Small pictures, and a small sweep that several tests use."""

from __future__ import annotations

import pytest

from semlink.sweep.plan import make_plan
from semlink.sweep.row import WALL_COLUMN
from semlink.sweep.run import run_sweep
from semlink.sweep.settings import load_sweep
from semlink.sweep.store import read_rows
from shared.picture import encode_png


@pytest.fixture(scope="session")
def small_pictures(tmp_path_factory, synthetic_pixels):
    """A folder of two pictures, 96 x 64."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        (folder / f"p{seed}.png").write_bytes(encode_png(synthetic_pixels(96, 64, seed=seed)))
    return folder


@pytest.fixture(scope="session")
def settings(small_pictures):
    """Settings of a sweep of 40 rows. Fading loses some of their pictures."""
    return {
        "pictures": [str(small_pictures)],
        "codecs": ["hci@hci"],
        "channels": ["rayleigh"],
        "snr_db": [-3, 0, 3, 9],
        "channel_uses": [1500],
        "seeds": 5,
        "packet_bytes": 64,
        "measures": ["psnr_db"],
    }


@pytest.fixture(scope="session")
def swept(tmp_path_factory, settings):
    """The folder of that sweep, made in one run by this process."""
    folder = tmp_path_factory.mktemp("swept")
    run_sweep(make_plan(load_sweep(None, settings)), folder)
    return folder


@pytest.fixture(scope="session")
def rows_in():
    """A function of folders that returns their rows without the seconds that each took, which differ between runs."""

    def read(*folders):
        return [{name: value for name, value in row.items() if name != WALL_COLUMN} for row in read_rows(folders)]

    return read
