"""The demo with one picture, two SNRs and two seeds."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from semlink.cli.demo import DEFAULT_CHANNEL, RUN_COLUMNS, SHOWN_COLUMNS, run_demo
from semlink.demo.runs import MAX_BYTES
from shared.errors import InputError

SNRS_DB = (8.0, -2.0)
SEEDS = 2


@pytest.fixture(autouse=True)
def _quick_decoder(tiny_pocket):
    """Decode with miniature weights."""


def test_demo_writes_grid_table_and_pictures_and_send_gives_a_picture_again(tmp_path, capfd, semlink_json):
    stale, kept = tmp_path / "coffee_+9.0dB.png", tmp_path / "coffee_mine.png"
    for path in (stale, kept):
        path.write_bytes(b"older")
    run_demo(tmp_path, seed=5, as_json=True, snrs_db=SNRS_DB, seeds=SEEDS, pictures=["coffee.png"])
    document = json.loads(capfd.readouterr().out)

    shown, runs = document["pictures"], document["runs"]
    assert [(one["picture"], one["seed"], one["link"]["es_n0_db"]) for one in shown] == [
        ("coffee.png", 5, snr_db) for snr_db in SNRS_DB
    ]
    assert {one["sent"]["codec"] for one in shown} == {"resilient"}
    assert {one["received"]["decoder"] for one in shown} == {"pocket"}
    expected = {
        (snr_db, seed, system) for snr_db in SNRS_DB for seed in (5, 6) for system in ("HEVC + LDPC", "Semlink")
    }
    assert {(run["snr_db"], run["seed"], run["system"]) for run in runs} == expected
    assert len(runs) == len(expected)

    table = (tmp_path / "table.md").read_text().splitlines()
    for columns, rows in ((SHOWN_COLUMNS, len(shown)), (RUN_COLUMNS, len(runs))):
        place = table.index(f"| {' | '.join(columns)} |")
        assert [line.startswith("| coffee.png") for line in table[place + 2 : place + 2 + rows]] == [True] * rows
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 3 * 256
        assert grid.height > 2 * 170 + 500  # two rows of pictures, and the chart
    received = {path.name for path in tmp_path.glob("coffee_*dB.png")}
    assert len(received) == sum(one["received"]["rebuilt"] for one in shown) > 0
    assert not stale.exists()
    assert kept.exists()

    over = ["--channel", DEFAULT_CHANNEL, "--seed", 5, "--protect", "none"]
    again = [tmp_path / "coffee.png", "--bytes", MAX_BYTES, *over]
    sent = semlink_json("send", *again, "--snr", SNRS_DB[1])
    row = shown[1]
    for one in (row, sent):
        del one["sent"]["encode_s"], one["received"]["decode_s"]
    assert {name: row[name] for name in ("sent", "link", "received")} == {
        name: sent[name] for name in ("sent", "link", "received")
    }


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(tmp_path):
    for name in ("first", "second"):
        run_demo(tmp_path / name, seed=0, as_json=True, snrs_db=SNRS_DB, seeds=SEEDS)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) > len(SNRS_DB) * 3
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(InputError, match="file"):
        run_demo(blocked, seed=0, as_json=True, pictures=["coffee.png"])
