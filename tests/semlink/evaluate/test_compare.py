"""Evaluations from pictures to rows, means and differences, with the plain decoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from semlink.evaluate.compare import compare_codecs
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
def folder(pictures, tmp_path_factory):
    """The folder of an evaluation of two pictures at two budgets."""
    folder = tmp_path_factory.mktemp("evaluation")
    compare_codecs([pictures], CODECS, "400,0.2bpp", folder)
    return folder


def lines_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_all_bytes_that_count_are_in_a_file(folder):
    rows = lines_of(folder)
    assert len(rows) == 2 * 2 * 2  # the third codec decodes no stream, so it has no rows
    for row in rows:
        assert (folder / row["file"]).stat().st_size == row["bytes"] <= row["max_bytes"]
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (row["width"] * row["height"]))
        with Image.open(folder / row["decoded"]) as decoded:
            assert decoded.size == (row["width"], row["height"])
    assert {row["max_bytes"] for row in rows} == {400, int(0.2 * 180 * 170 / 8), int(0.2 * 96 * 131 / 8)}


def test_a_second_run_makes_only_the_missing_rows(folder, pictures):
    rows = lines_of(folder)
    removed = folder / rows[0]["decoded"]
    removed.unlink()
    times = {row["decoded"]: (folder / row["decoded"]).stat().st_mtime_ns for row in rows[1:]}
    with (folder / "results.jsonl").open("a") as file:
        file.write('{"key": "cut o')
    result = compare_codecs([pictures], "hci-learned@hci,webp", "400,0.2bpp", folder)
    assert removed.is_file()
    assert {name: (folder / name).stat().st_mtime_ns for name in times} == times
    assert [(one.codec, one.budget, len(one.pictures)) for one in result.averages] == [
        (codec, budget, 2) for codec in ("hci-learned@hci", "webp") for budget in ("400", "0.2bpp")
    ]
    first, last = result.averages[0], result.averages[-1]
    same = [row["measures"]["psnr_db"] for row in rows if (row["codec"], row["budget"]) == ("hci-learned@hci", "400")]
    assert first.measures["psnr_db"] == pytest.approx(sum(same) / 2)
    assert first.patches > 0
    assert first.measures["patch_fid"] > 0
    assert set(first.stream_bytes) == {"HCI", "header, lengths and CRC"}
    assert sum(first.stream_bytes.values()) == pytest.approx(first.bytes)
    assert last.stream_bytes == {}


def test_vvc_sets_the_budgets_of_each_picture(synthetic_pixels, tmp_path):
    pixels = synthetic_pixels(96, 80)
    (tmp_path / "originals").mkdir()
    (tmp_path / "vvc").mkdir()
    (tmp_path / "originals" / "one.png").write_bytes(encode_png(pixels))
    for label, size, levels in (("q50", 400, 32), ("q54", 200, 64)):
        coarse = Image.fromarray(pixels // levels * levels)
        coarse.save(tmp_path / "vvc" / f"one_{label}_{size}bytes.webp", lossless=True, exact=True)
    result = compare_codecs([tmp_path / "originals"], "webp,vvc", "vvc", tmp_path / "out")
    averages = {(one.codec, one.budget): one for one in result.averages}
    assert list(averages) == [("webp", "q50"), ("webp", "q54"), ("vvc", "q50"), ("vvc", "q54")]
    assert [averages["vvc", label].bytes for label in ("q50", "q54")] == [400, 200]
    assert averages["webp", "q54"].bytes <= 200 < averages["webp", "q50"].bytes <= 400
    assert averages["vvc", "q50"].measures["psnr_db"] > averages["vvc", "q54"].measures["psnr_db"] + 3
    assert {(one.codec, one.anchor, one.budget) for one in result.differences} == {
        ("webp", "vvc", "q50"),
        ("webp", "vvc", "q54"),
    }
    result = compare_codecs([tmp_path / "originals"], "webp,vvc", "q54", tmp_path / "out")
    assert [(one.codec, one.budget) for one in result.averages] == [("webp", "q54"), ("vvc", "q54")]


@pytest.mark.parametrize(
    ("codecs", "budgets", "message"),
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
def test_bad_requests_are_refused_in_one_line(pictures, tmp_path, codecs, budgets, message):
    with pytest.raises(LinkError, match=message) as refused:
        compare_codecs([pictures / "one.png"], codecs, budgets, tmp_path)
    assert "\n" not in str(refused.value)


def test_an_unreadable_picture_is_listed_and_the_others_are_evaluated(pictures, tmp_path, monkeypatch):
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes((pictures / "one.png").read_bytes())
    Image.new("L", (3000, 1500)).save(folder / "c.png")
    monkeypatch.chdir(tmp_path)
    result = compare_codecs([Path("some")], "webp", "400", tmp_path / "out")
    assert [len(one.pictures) for one in result.averages] == [1]
    assert list(result.found.unreadable) == ["some/a.png", "some/c.png"]
    assert "3000x1500 pixels" in result.found.unreadable["some/c.png"]
    # The rows are found again from another working directory, where the paths of the pictures differ.
    monkeypatch.chdir(folder)
    (tmp_path / "out" / "patch_fid.json").unlink()
    result = compare_codecs([Path("b.png")], "webp", "400", tmp_path / "out")
    assert result.averages[0].measures["patch_fid"] > 0
    assert len(lines_of(tmp_path / "out")) == 1


def test_unusable_pictures_and_folders_are_named(pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"bad\.png"):
        compare_codecs([bad], "webp", "400", tmp_path / "out")
    with pytest.raises(InputError, match=r"cannot write to the folder .*bad\.png"):
        compare_codecs([pictures], "webp", "400", bad / "out")
