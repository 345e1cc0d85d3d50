"""Rows on disk: complete files or none, merged by key."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from semlink.sweep.store import RowStore, read_rows, rows_folder
from shared.errors import DataError, InputError


@pytest.fixture
def rows(sweep_folder):
    return read_rows([sweep_folder])


def test_rows_are_read_as_they_were_written(tmp_path, rows):
    with RowStore(tmp_path) as store:
        store.add(rows[:3], {})
        store.add(rows[3:], {})
    assert read_rows([tmp_path]) == rows


def test_merged_folders_hold_each_row_once(tmp_path, rows):
    for name, part in (("a", rows[:25]), ("b", rows[15:])):
        with RowStore(tmp_path / name) as store:
            store.add(part, {})
    assert read_rows([tmp_path / "a", tmp_path / "b"]) == rows
    for file in rows_folder(tmp_path / "b").iterdir():
        shutil.copy(file, rows_folder(tmp_path / "a"))
    assert read_rows([tmp_path / "a"]) == rows


def test_a_full_disk_is_reported_and_leaves_no_partial_file(tmp_path, rows):
    store = RowStore(tmp_path)
    store.add(rows[:5], {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write .*: File too large; give another place"), store:
            store.add(rows[5:], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_rows([tmp_path]) == sorted(rows[:5], key=lambda row: row["key"])
    assert len(list(rows_folder(tmp_path).iterdir())) == 1


def test_a_second_run_in_the_same_folder_is_refused_and_names_the_first(tmp_path, rows):
    with RowStore(tmp_path) as store:
        with pytest.raises(InputError, match=rf"another sweep writes .* \(process {os.getpid()} on .*choose another"):
            RowStore(tmp_path)
        store.add(rows, {})
    with RowStore(tmp_path) as store:
        assert len(store.known) == len(rows)


def test_a_killed_run_leaves_the_folder_free(tmp_path):
    code = "import pathlib, sys, time; from semlink.sweep.store import RowStore as R; s = R(pathlib.Path(sys.argv[1]))"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('held', flush=True); sys.stdin.read()", tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"process {holder.pid} on"):
            RowStore(tmp_path)
        holder.kill()
    with RowStore(tmp_path):
        pass


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 KB. Only root can mount one."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_is_reported_with_a_hint(small_disk, rows):
    with (
        pytest.raises(InputError, match="No space left on device; free some space there"),
        RowStore(small_disk) as store,
    ):
        store.add(rows, {"0": bytes(8192)})
    assert not list(rows_folder(small_disk).iterdir())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another with --out"):
        RowStore(tmp_path / "file" / "folder")


def test_a_file_that_holds_no_rows_is_named(tmp_path, rows):
    with RowStore(tmp_path) as store:
        store.add(rows, {})
    (rows_folder(tmp_path) / "part-x.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"part-x.parquet holds no rows of a sweep"):
        read_rows([tmp_path])
