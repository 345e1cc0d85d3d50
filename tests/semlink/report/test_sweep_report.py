"""Figures, picture grids and the HTML page of a sweep."""

import io
import math
import re
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from receiver.metrics.pixel import MAX_PSNR_DB
from semlink.report.sweep_grids import draw_grids
from semlink.report.sweep_report import write_figures, write_report
from semlink.sweep.store import RowStore, read_rows
from semlink.sweep.summary import summarise_points
from shared.errors import InputError


def test_figures_are_written_as_png_and_svg(sweep_folder, tmp_path):
    (tmp_path / "quality-dists.png").write_bytes(b"of an earlier sweep")
    paths = write_figures([sweep_folder], tmp_path)
    assert set(paths) == set(tmp_path.iterdir())
    names = {path.name for path in paths}
    assert {"quality-psnr_db.png", "quality-psnr_db.svg", "bler.png", "bler.svg", "streams.svg"} <= names
    assert len([name for name in names if name.startswith("grid-rayleigh-p0")]) == 1
    for path in tmp_path.iterdir():
        if path.suffix == ".svg":
            text = ET.parse(path).getroot().itertext()
            assert "SNR [dB]" in "".join(text) or path.name.startswith("rate-distortion")
        else:
            with Image.open(path) as image:
                assert min(image.size) > 150


def test_the_page_holds_everything(sweep_folder, tmp_path):
    out = tmp_path / "report.html"
    points = write_report([sweep_folder], out, title="Fading & losses")
    page = out.read_text()
    assert [point.rows for point in points] == [10] * 4
    assert "<title>Fading &amp; losses</title>" in page
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    for text in (
        "How to repeat this sweep",
        "semlink",
        "channel_uses: [1500]",
        "seeds: [0, 1, 2, 3, 4]",
        "torch",
        "sha256",
        "hci-learned@hci",
        "rayleigh",
    ):
        assert text in page
    assert page.count("<tr>") > len(summarise_points(read_rows([sweep_folder])))


def test_the_same_rows_make_the_same_page(sweep_folder, tmp_path):
    for name in ("a.html", "b.html"):
        write_report([sweep_folder], tmp_path / name, title="Sweep")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_codecs_without_packets_are_drawn_as_well(sweep_folder, tmp_path):
    rows = [
        row
        | {"codec": "avif+ideal", "mcs": None, "packets": 0, "delivered": 0, "streams_sent": "", "streams_whole": ""}
        for row in read_rows([sweep_folder])
    ]
    with RowStore(tmp_path) as store:
        store.add(rows, {})
    write_figures([tmp_path], tmp_path / "plots")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert "quality-psnr_db.png" in names
    assert "bler.png" not in names


def test_a_name_of_any_kind_is_shown_as_it_is(sweep_folder, tmp_path):
    channels = ("x$_$.yaml", "a$b.yaml", f"{'夏' * 90}.yaml", r"caf\xe9.yaml")
    rows = [
        row | {"channel": channel, "key": f"{place}{row['key']}", "point": f"{place}{row['point']}"}
        for place, channel in enumerate(channels)
        for row in read_rows([sweep_folder])
        if row["snr_db"] == 9
    ]
    with RowStore(tmp_path / "rows") as store:
        store.add(rows, {})
    write_figures([tmp_path / "rows"], tmp_path / "plots")
    shown = "".join(ET.parse(tmp_path / "plots" / "bler.svg").getroot().itertext())
    assert all(channel in shown for channel in channels)


def test_rows_with_an_infinite_psnr_of_the_first_version_are_drawn_with_its_limit(sweep_folder, tmp_path):
    with RowStore(tmp_path) as store:
        store.add([row | {"psnr_db": math.inf} for row in read_rows([sweep_folder])], {})
    assert {row["psnr_db"] for row in read_rows([tmp_path])} == {MAX_PSNR_DB}
    write_report([tmp_path], tmp_path / "report.html", title="Sweep")
    assert "100.00 ±0.00" in (tmp_path / "report.html").read_text()


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are no rows in"):
        write_figures([tmp_path], tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        write_report([tmp_path / "none"], tmp_path / "x.html", title="")


def test_a_grid_has_a_column_per_snr_and_the_original(sweep_folder):
    (grid,) = draw_grids([sweep_folder], read_rows([sweep_folder]))
    with Image.open(io.BytesIO(grid.jpeg)) as image:
        assert image.width == 8 + 5 * (150 + 8)
    assert grid.name.startswith("grid-rayleigh-p0")
    assert grid.caption.endswith("over rayleigh, seed 0")
