"""Sweeps that are cut off or shared make the same rows; one that cannot be made says why in one line."""

import os
import re
import signal
import subprocess
import sys

import pytest
import yaml

from semlink.sweep.executors import open_process_executor
from semlink.sweep.plan import make_plan
from semlink.sweep.run import run_plan, run_sweep
from semlink.sweep.schedule import BATCH_TASKS
from semlink.sweep.settings import load_sweep
from semlink.sweep.store import RowStore, make_schema, read_runs, rows_folder
from semlink.sweep.summary import summarise_points
from shared.errors import ConfigError, InputError, ServiceError, SetupError

# A shell's background job starts with SIGINT ignored, which Python then leaves so.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from semlink.cli.main import main; main()"
)


def run(settings, out, **options):
    return run_sweep(make_plan(load_sweep(None, settings)), out, **options)


def cut_off(settings, folder, told):
    """Run the sweep as a command into ``folder / out`` until its first rows are there, then send the signal.

    Return the exit status and the lines on standard error after that.
    """
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-c", MAIN, "sweep", "--file", str(file), "--out", str(folder / "out")]
    parts = rows_folder(folder / "out")
    before = set(parts.glob("part-*"))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr)
        assert re.match(r"\d+ of 160 rows", next(lines))
        while not set(parts.glob("part-*")) - before:
            assert process.poll() is None
        process.send_signal(told)
        return process.wait(), list(lines)


def test_cut_off_twice_and_resumed_is_as_never_cut_off(tmp_path, settings, rows_in):
    longer, out = settings | {"seeds": 20}, tmp_path / "out"
    run(longer, tmp_path / "whole")
    whole = rows_in(tmp_path / "whole")
    status, _ = cut_off(longer, tmp_path, signal.SIGKILL)
    killed = rows_in(out)
    assert status == -signal.SIGKILL
    assert 0 < len(killed) < len(whole) == 160
    status, lines = cut_off(longer, tmp_path, signal.SIGINT)
    interrupted = rows_in(out)
    assert (status, lines[-1]) == (130, "error: stopped\n")
    assert len(killed) < len(interrupted) <= len(whole)
    run(longer, out)
    assert rows_in(out) == whole
    assert all(row in whole for row in (*killed, *interrupted))


@pytest.mark.timeout(600)
def test_two_workers_make_the_rows_of_one(tmp_path, settings, swept, rows_in):
    run(settings, tmp_path, workers=2)
    assert rows_in(tmp_path) == rows_in(swept)


@pytest.mark.timeout(600)
def test_a_worker_that_is_killed_is_told_and_its_rows_come_with_the_next_run(tmp_path, settings, swept, rows_in):
    plan = make_plan(load_sweep(None, settings))

    def killed(schedule):
        if 0 < len(schedule.rows) <= BATCH_TASKS:  # the first batch
            os.kill(executor.process_ids[0], signal.SIGKILL)

    told = "one of 1 workers ended unexpectedly, .* rows so far are kept: run the same command again"
    with (
        pytest.raises(ServiceError, match=told),
        open_process_executor(1, "cpu") as executor,
        RowStore(tmp_path) as store,
    ):
        run_plan(plan, store, executor, killed)
    assert 0 < len(rows_in(tmp_path)) < len(rows_in(swept))
    run(settings, tmp_path)
    assert rows_in(tmp_path) == rows_in(swept)


def test_codecs_share_channel_uses_and_the_same_channel(tmp_path, settings):
    codecs = ["hci@hci", "hci@hci+ldpc:best", "jpeg2000+ldpc:mcs=4", "hevc+ideal"]
    further = {"codecs": codecs, "channels": ["awgn"], "snr_db": [-6, 12], "seeds": 1, "channel_uses": [3000]}
    schedule = run(settings | further, tmp_path)
    points = {(one.codec, one.snr_db): one for one in summarise_points(schedule.rows)}
    assert len(points) == 8
    assert all(0 < one.channel_uses <= 3000 for one in points.values())
    for codec in codecs:
        assert points[codec, 12].endings == {"rebuilt": 2}
    for codec in ("hci@hci", "jpeg2000+ldpc:mcs=4"):
        assert points[codec, -6].bler.value == 1
    fixed, best = points["hci@hci", 12], points["hci@hci+ldpc:best", 12]
    assert best.container_bytes > 2 * fixed.container_bytes
    assert best.measures["psnr_db"].value > fixed.measures["psnr_db"].value + 1


def test_a_row_has_the_columns_of_the_schema(tmp_path, settings):
    (row, *_) = run(settings | {"snr_db": [9], "seeds": 1}, tmp_path).rows
    assert set(row) == set(make_schema().names)


def test_the_command_prints_every_point_with_what_stopped_it(settings, tmp_path, semlink_json):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(settings))
    document = semlink_json("sweep", "--file", file, "--snr", "9", "--seeds", "1", "--out", tmp_path / "out")
    (point,) = document["points"]
    assert (point["codec"], point["snr_db"], point["rows"]) == ("hci@hci", 9, 2)
    assert point["stopped_by"] == "all seeds"
    assert document["rows"] == str(tmp_path / "out")


def test_a_run_is_noted_so_that_it_can_be_repeated(swept, settings):
    (noted,) = read_runs([swept])
    assert yaml.safe_load(noted["settings"])["snr_db"] == settings["snr_db"]
    assert noted["command"].split()[0] == "semlink"
    assert len(noted["code"]) == len(noted["weights"]) == 16
    assert {"semlink", "python", "torch", "sionna-no-rt", "constriction", "diffusers"} <= set(noted["versions"])


@pytest.mark.parametrize(
    ("further", "error", "told"),
    [
        ({"pictures": ["nowhere.png"]}, InputError, "there is no file or folder nowhere.png"),
        ({"channels": ["fog"]}, LookupError, ""),
        ({"set": {"mcss": 4}}, ConfigError, "mcss"),
        (
            {"codecs": ["avif+ldpc:best"], "channel_uses": [], "budget_bytes": [500]},
            ConfigError,
            "give channel_uses or cbr",
        ),
        ({"codecs": ["hevc+ideal"], "channels": ["tdl-a"]}, ConfigError, "the ideal code needs awgn"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_made(tmp_path, settings, further, error, told):
    from shared.errors import UnknownNameError

    with pytest.raises(UnknownNameError if error is LookupError else error, match=told or "unknown channel 'fog'"):
        run(settings | further, tmp_path)
    assert not rows_folder(tmp_path).exists()


def test_a_typo_in_a_channels_file_is_told_with_the_file(tmp_path, settings):
    file = tmp_path / "link.yaml"
    file.write_text("summary: a link\nsnr_bd: 3\nmcs: 4\n")
    with pytest.raises(ConfigError, match=r"link.yaml: snr_bd = 3: unknown setting; did you mean snr_db\?"):
        run(settings | {"channels": ["awgn", str(file)], "snr_db": []}, tmp_path / "out")


def test_a_device_that_is_not_there(tmp_path, settings):
    with pytest.raises(SetupError, match="cuda:9"):
        run(settings, tmp_path, device="cuda:9")
