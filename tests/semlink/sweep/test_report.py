"""What is drawn and written of rows."""

import io
import re
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from semlink.report.report import plot, report, without_common
from semlink.report.sweep_grids import grids_of
from semlink.sweep.store import RowStore, read_rows
from semlink.sweep.summary import summarise_points
from shared.errors import InputError


def test_figures_are_pictures_and_drawings(swept, tmp_path, capsys):
    plot([swept], tmp_path, as_json=False)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"quality-psnr_db.png", "quality-psnr_db.svg", "bler.png", "bler.svg", "streams.svg"} <= names
    assert len([name for name in names if name.startswith("grid-rayleigh-p0")]) == 1
    assert capsys.readouterr().out.splitlines()[0] == str(tmp_path / "quality-psnr_db.png")
    for path in tmp_path.iterdir():
        if path.suffix == ".svg":
            text = ET.parse(path).getroot().itertext()
            assert "SNR [dB]" in "".join(text) or path.name.startswith("rate-distortion")
        else:
            with Image.open(path) as image:
                assert min(image.size) > 150


def test_the_page_holds_everything(swept, tmp_path, capsys):
    out = tmp_path / "report.html"
    report([swept], out, title="Fading & losses", as_json=True)
    page = out.read_text()
    assert '"points": 4' in capsys.readouterr().out
    assert "<title>Fading &amp; losses</title>" in page
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    for told in (
        "How to repeat it",
        "semlink",
        "channel_uses: [1500]",
        "seeds: [0, 1, 2, 3, 4]",
        "torch",
        "sha256",
        "hci@hci",
        "rayleigh",
    ):
        assert told in page
    assert page.count("<tr>") > len(summarise_points(read_rows([swept])))


def test_the_same_rows_make_the_same_page(swept, tmp_path):
    for name in ("a.html", "b.html"):
        report([swept], tmp_path / name, title="Sweep", as_json=True)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_codecs_without_packets_are_drawn_too(swept, tmp_path):
    rows = [
        row
        | {"codec": "avif+ideal", "mcs": None, "packets": 0, "delivered": 0, "streams_sent": "", "streams_whole": ""}
        for row in read_rows([swept])
    ]
    with RowStore(tmp_path) as store:
        store.add(rows, {})
    plot([tmp_path], tmp_path / "plots", as_json=True)
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert "quality-psnr_db.png" in names
    assert "bler.png" not in names


def test_a_folder_without_rows(tmp_path):
    with pytest.raises(InputError, match="there are no rows in"):
        plot([tmp_path], tmp_path, as_json=False)
    with pytest.raises(InputError, match="there is no folder"):
        report([tmp_path / "none"], tmp_path / "x.html", title="", as_json=False)


def test_pictures_of_a_grid(swept):
    (grid,) = grids_of([swept], read_rows([swept]))
    with Image.open(io.BytesIO(grid.jpeg)) as image:
        assert image.width == 8 + 5 * (150 + 8)
    assert grid.name.startswith("grid-rayleigh-p0")
    assert grid.caption.endswith("over rayleigh, seed 0")


def test_what_is_the_same_at_all_points_is_said_once():
    columns = ["channel", "codec", "rate", "SNR dB", "MCS"]
    cells = [["awgn", "hci", "600 uses", "0", "4"], ["awgn", "hci", "600 uses", "3", "8"]]
    told = without_common(columns, cells)
    assert told == ("rate 600 uses", ["channel", "codec", "SNR dB", "MCS"], [[*row[:2], *row[3:]] for row in cells])
    assert without_common(columns, cells[:1]) == ("", columns, cells[:1])
