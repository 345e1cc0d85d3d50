"""``semlink evaluate`` from pictures to table and plot, with the plain decoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from semlink.cli.evaluate import evaluate
from semlink.evaluate.summary import differences, mean_cell
from shared.errors import InputError, LinkError, PictureError
from shared.picture import encode_png

CODECS = "hci-learned@hci,webp,hci-learned@hci:drop=HCI"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, synthetic_pixels):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "one.png").write_bytes(encode_png(synthetic_pixels(180, 170, seed=1)))
    (folder / "grey.png").write_bytes(encode_png(synthetic_pixels(96, 131, grey=True, seed=2)))
    return folder


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    """A whole run: its folder."""
    folder = tmp_path_factory.mktemp("run")
    evaluate([pictures], CODECS, "400,0.2bpp", folder, as_json=True)
    return folder


def lines_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_every_byte_that_counts_is_in_a_file(run):
    rows = lines_of(run)
    assert len(rows) == 2 * 2 * 2  # nothing is rebuilt from no stream, so the third codec has no rows
    for row in rows:
        assert (run / row["file"]).stat().st_size == row["bytes"] <= row["budget_bytes"]
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (row["width"] * row["height"]))
        with Image.open(run / row["decoded"]) as decoded:
            assert decoded.size == (row["width"], row["height"])
    assert {row["budget_bytes"] for row in rows} == {400, int(0.2 * 180 * 170 / 8), int(0.2 * 96 * 131 / 8)}


def test_table_and_plot_name_every_codec_and_what_is_missing(run):
    table = (run / "table.md").read_text()
    means, streams = table.split("## Bytes per stream")
    assert means.count("| hci-learned@hci | ") == means.count("| webp | ") == streams.count("| hci-learned@hci | ") == 2
    assert "--codec hci-learned@hci,webp,hci-learned@hci:drop=HCI --bytes 400,0.2bpp" in table
    missing = table[table.index("## Not decoded") :]
    assert missing.count("| hci-learned@hci:drop=HCI | ") == 4
    assert "| LPIPS-Alex ↓ | LPIPS-VGG ↓ | DISTS ↓ |" in means
    with Image.open(run / "rd.png") as plot:
        assert plot.width > 600


def test_a_second_run_makes_only_what_is_missing(run, pictures, capsys):
    rows = lines_of(run)
    lost = run / rows[0]["decoded"]
    lost.unlink()
    times = {row["decoded"]: (run / row["decoded"]).stat().st_mtime_ns for row in rows[1:]}
    with (run / "results.jsonl").open("a") as file:
        file.write('{"key": "cut o')
    evaluate([pictures], "hci-learned@hci,webp", "400,0.2bpp", run, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert lost.is_file()
    assert {name: (run / name).stat().st_mtime_ns for name in times} == times
    assert [(cell["codec"], cell["budget"], cell["pictures"]) for cell in document["cells"]] == [
        (codec, budget, 2) for codec in ("hci-learned@hci", "webp") for budget in ("400", "0.2bpp")
    ]
    first = document["cells"][0]
    same = [row["measures"]["psnr_db"] for row in rows if (row["codec"], row["budget"]) == ("hci-learned@hci", "400")]
    assert first["measures"]["psnr_db"] == pytest.approx(sum(same) / 2)
    assert first["patches"] > 0
    assert first["measures"]["patch_fid"] > 0
    assert set(first["streams"]) == {"HCI", "header, lengths and CRC"}
    assert sum(first["streams"].values()) == pytest.approx(first["bytes"])
    assert document["cells"][-1]["streams"] == {}
    assert "| hci-learned@hci | 400 | " in (run / "table.md").read_text().split("## Bytes per stream")[1]


def test_differences_are_over_common_pictures_in_percent(row_of):
    rows = [
        row_of("ours", "a", bytes=110, lpips=0.2, psnr_db=24.0),
        row_of("ours", "b", bytes=90, lpips=9.0, psnr_db=1.0),
        row_of("vvc", "a", bytes=100, lpips=0.4, psnr_db=25.0),
    ]
    cells = [mean_cell(rows[:2]), mean_cell(rows[2:])]
    (only,) = differences(rows, cells)
    assert (only.codec, only.anchor, only.pictures, only.bytes) == ("ours", "vvc", 1, pytest.approx(10))
    assert only.measures["lpips"] == pytest.approx(-50)
    assert only.measures["psnr_db"] == pytest.approx(-1)


def test_vvc_gives_the_budgets_picture_by_picture(synthetic_pixels, tmp_path, capsys):
    pixels = synthetic_pixels(96, 80)
    (tmp_path / "originals").mkdir()
    (tmp_path / "vvc").mkdir()
    (tmp_path / "originals" / "one.png").write_bytes(encode_png(pixels))
    for label, size, levels in (("q50", 400, 32), ("q54", 200, 64)):
        coarse = Image.fromarray(pixels // levels * levels)
        coarse.save(tmp_path / "vvc" / f"one_{label}_{size}bytes.webp", lossless=True, exact=True)
    evaluate([tmp_path / "originals"], "webp,vvc", "vvc", tmp_path / "out", as_json=True)
    document = json.loads(capsys.readouterr().out)
    cells = {(cell["codec"], cell["budget"]): cell for cell in document["cells"]}
    assert list(cells) == [("webp", "q50"), ("webp", "q54"), ("vvc", "q50"), ("vvc", "q54")]
    assert [cells["vvc", label]["bytes"] for label in ("q50", "q54")] == [400, 200]
    assert cells["webp", "q54"]["bytes"] <= 200 < cells["webp", "q50"]["bytes"] <= 400
    assert cells["vvc", "q50"]["measures"]["psnr_db"] > cells["vvc", "q54"]["measures"]["psnr_db"] + 3
    assert {(one["codec"], one["anchor"], one["budget"]) for one in document["differences"]} == {
        ("webp", "vvc", "q50"),
        ("webp", "vvc", "q54"),
    }
    evaluate([tmp_path / "originals"], "webp,vvc", "q54", tmp_path / "out", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [(cell["codec"], cell["budget"]) for cell in document["cells"]] == [("webp", "q54"), ("vvc", "q54")]


@pytest.mark.parametrize(
    ("codecs", "budgets", "told"),
    [
        ("nothing", "400", "unknown codec 'nothing'"),
        ("webp+ldpc:best", "400", "semlink evaluate has no channel; write webp, or use semlink sweep"),
        ("webp", "few", "--bytes few"),
        ("webp", "5", "5 bytes are too few"),
        ("hci-learned@hci", "0.0001bpp", "0.0001bpp is less than a byte for 180x170 pixels"),
        ("webp", "vvc", "no VVC picture"),
        ("hci-learned@hci:drop=HCI", "400", "no picture: decoder"),
    ],
)
def test_bad_requests_are_refused_in_one_line(pictures, tmp_path, codecs, budgets, told):
    with pytest.raises(LinkError, match=told) as refused:
        evaluate([pictures / "one.png"], codecs, budgets, tmp_path, as_json=True)
    assert "\n" not in str(refused.value)


def test_a_bad_picture_is_listed_and_the_others_go_on(pictures, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes((pictures / "one.png").read_bytes())
    Image.new("L", (3000, 1500)).save(folder / "c.png")
    monkeypatch.chdir(tmp_path)
    evaluate([Path("some")], "webp", "400", tmp_path / "out", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [cell["pictures"] for cell in document["cells"]] == [1]
    assert list(document["unreadable"]) == ["some/a.png", "some/c.png"]
    table = (tmp_path / "out" / "table.md").read_text()
    listed = table[table.index("## Unreadable pictures") :]
    assert "some/a.png" in listed
    assert "3000x1500 pixels" in listed
    # From another folder the same rows serve, wherever the pictures are seen from.
    monkeypatch.chdir(folder)
    (tmp_path / "out" / "patch_fid.json").unlink()
    evaluate([Path("b.png")], "webp", "400", tmp_path / "out", as_json=True)
    assert json.loads(capsys.readouterr().out)["cells"][0]["measures"]["patch_fid"] > 0
    assert len(lines_of(tmp_path / "out")) == 1


def test_bad_pictures_and_folders_are_named(pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"bad\.png"):
        evaluate([bad], "webp", "400", tmp_path / "out", as_json=True)
    with pytest.raises(InputError, match=r"cannot write to the folder .*bad\.png"):
        evaluate([pictures], "webp", "400", bad / "out", as_json=True)
