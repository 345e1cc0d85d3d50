"""The demo with one of its pictures."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from PIL import Image

from semlink.cli.demo import COLUMNS, ES_N0_DB, PICTURES, row_seed, run_demo
from semlink.cli.options import MAX_SEED
from shared.errors import InputError


@pytest.fixture(autouse=True)
def _quick_decoder(tiny_pocket):
    """Decode with miniature weights."""


def test_demo_writes_a_grid_a_table_and_the_received_pictures(tmp_path, capsys):
    stale, kept = tmp_path / "astronaut_+9.0dB.png", tmp_path / "astronaut_mine.png"
    for path in (stale, kept):
        path.write_bytes(b"older")
    run_demo(tmp_path, seed=0, as_json=True, pictures=["camera.png"])
    document = json.loads(capsys.readouterr().out)
    assert [run["link"]["es_n0_db"] for run in document] == list(ES_N0_DB)
    rebuilt = [run["received"]["rebuilt"] for run in document]
    assert rebuilt[0]
    assert not rebuilt[-1]
    assert document[0]["received"]["decoder"] == "pocket"
    assert 0 <= document[0]["received"]["trust"] <= 1
    table = (tmp_path / "table.md").read_text().splitlines()
    assert table[0] == f"| {' | '.join(COLUMNS)} |"
    assert len(table) == 2 + len(ES_N0_DB)
    assert {run["sent"]["codec"] for run in document} == {"resilient"}
    assert " slices" in table[3]  # of a picture near the cliff some slices arrive
    assert rebuilt[1]
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 5 * 256
        colours = grid.convert("RGB").getcolors(maxcolors=1 << 24)
    assert len(colours) > 100
    received = sorted(path.name for path in tmp_path.glob("camera_*.png"))
    assert len(received) == sum(rebuilt)
    assert not stale.exists()
    assert kept.exists()
    with Image.open(tmp_path / received[0]) as picture:
        assert (picture.size, picture.mode) == ((512, 512), "L")


def test_send_gives_a_row_of_the_demo_again(tmp_path, capfd, semlink_json):
    run_demo(tmp_path, seed=5, as_json=True, snrs_db=(-1.7,), pictures=["chelsea.png"])
    (row,) = json.loads(capfd.readouterr().out)
    picture = tmp_path / "chelsea.png"
    picture.write_bytes((files("skimage.data") / "chelsea.png").read_bytes())
    sent = semlink_json("send", picture, "--snr", -1.7, "--seed", row["seed"], "--protect", "none")
    for document in (row, sent):
        del document["sent"]["encode_s"], document["received"]["decode_s"]
    assert {name: row[name] for name in ("sent", "link", "received")} == {
        name: sent[name] for name in ("sent", "link", "received")
    }
    assert [row_seed(MAX_SEED, row) for row in (0, 1)] == [MAX_SEED, 0]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(tmp_path):
    for name in ("first", "second"):
        run_demo(tmp_path / name, seed=0, as_json=True)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) > len(PICTURES)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(InputError, match="file"):
        run_demo(blocked, seed=0, as_json=True, pictures=["camera.png"])
