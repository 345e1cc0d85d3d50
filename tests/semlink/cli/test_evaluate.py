"""``semlink evaluate``: its table, its plot and its JSON document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from shared.picture import encode_png

CODECS = "hci-learned@hci,webp,hci-learned@hci:drop=HCI"


@pytest.fixture
def picture(tmp_path, synthetic_pixels):
    path = tmp_path / "one.png"
    path.write_bytes(encode_png(synthetic_pixels(128, 96)))
    return path


def test_table_and_plot_hold_every_codec_and_what_is_missing(picture, tmp_path, semlink):
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    options = ("--codec", CODECS, "--bytes", "700", "--out", tmp_path / "out")
    status, out, err = semlink("evaluate", tmp_path, *options)
    assert status == 0, err
    assert "is missing for hci-learned@hci:drop=HCI at 700: no picture" in out
    table = (tmp_path / "out" / "table.md").read_text()
    assert f"semlink evaluate {tmp_path} --codec {CODECS} --bytes 700" in table
    means, streams = table.split("## Bytes per stream")
    assert means.count("| hci-learned@hci | ") == means.count("| webp | ") == streams.count("| hci-learned@hci | ") == 1
    assert "| LPIPS-Alex ↓ | LPIPS-VGG ↓ | DISTS ↓ |" in means
    assert "damaged.png" in table[table.index("## Unreadable pictures") :]
    assert "| hci-learned@hci:drop=HCI | " in table[table.index("## Not decoded") :]
    with Image.open(tmp_path / "out" / "rd.png") as plot:
        assert plot.width > 600


def test_the_json_document_holds_means_and_files(picture, tmp_path, semlink):
    options = ("--codec", "webp,jpeg2000", "--bytes", "700", "--out", tmp_path / "out", "--json")
    status, out, _ = semlink("evaluate", picture, *options)
    document = json.loads(out)
    assert status == 0
    assert [(cell["codec"], cell["budget"], cell["pictures"]) for cell in document["cells"]] == [
        ("webp", "700", 1),
        ("jpeg2000", "700", 1),
    ]
    assert all(Path(document[name]).is_file() for name in ("table", "plot", "results"))
    assert (document["differences"], document["unreadable"], document["failed"]) == ([], {}, [])
