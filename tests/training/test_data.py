"""Readers of the training files: what they give, and one line for what is missing or damaged."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from shared.errors import SetupError
from training.data import decode_rgb, find_training_files, read_pictures, read_rows


def grey_png(level):
    file = io.BytesIO()
    Image.new("L", (7, 5), level).save(file, "PNG")
    return file.getvalue()


def test_pictures_come_in_the_order_of_the_file_as_rgb(tmp_path):
    path = tmp_path / "train-0.parquet"
    pq.write_table(pa.table({"image": [grey_png(level) for level in range(100)], "source": ["x"] * 100}), path)
    assert find_training_files(tmp_path) == [path]
    pictures = [decode_rgb(picture) for picture in read_pictures(path)]
    assert pictures[0].shape == (5, 7, 3)
    assert [int(np.unique(picture).item()) for picture in pictures] == list(range(100))
    assert next(read_rows(path, ["source", "captions"])) == {"source": "x"}


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(SetupError, match=r"no train-\*\.parquet in .*--data"):
        find_training_files(tmp_path)
    with pytest.raises(SetupError, match=r"no file .*val\.parquet: .*--data"):
        list(read_pictures(tmp_path / "val.parquet"))
    pq.write_table(pa.table({"picture": [b""]}), tmp_path / "other.parquet")
    with pytest.raises(SetupError, match=r"other\.parquet has no column 'image'"):
        list(read_pictures(tmp_path / "other.parquet"))
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "other.parquet").read_bytes()[:-9])
    with pytest.raises(SetupError, match=r"cut\.parquet is damaged"):
        list(read_pictures(tmp_path / "cut.parquet"))
