"""Interrupted and shared sweeps make the same rows. A sweep that cannot run is refused with one line."""

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
from shared.errors import ConfigError, InputError, ServiceError, SetupError, UnknownNameError

# A shell's background job starts with SIGINT ignored, which Python then leaves so.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from semlink.cli.main import main; main()"
)


def run(settings, out, **options):
    return run_sweep(make_plan(load_sweep(None, settings)), out, **options)


def interrupt(settings, folder, signal_number):
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
        assert re.match(r"\d+ of 96 rows", next(lines))
        while not set(parts.glob("part-*")) - before:
            assert process.poll() is None
        process.send_signal(signal_number)
        return process.wait(), list(lines)


def test_a_sweep_interrupted_twice_ends_with_the_rows_of_an_uninterrupted_one(tmp_path, sweep_settings, rows_in):
    longer, out = sweep_settings | {"seeds": 12}, tmp_path / "out"
    run(longer, tmp_path / "complete")
    complete = rows_in(tmp_path / "complete")
    status, _ = interrupt(longer, tmp_path, signal.SIGKILL)
    killed = rows_in(out)
    assert status == -signal.SIGKILL
    assert 0 < len(killed) < len(complete) == 96
    status, lines = interrupt(longer, tmp_path, signal.SIGINT)
    interrupted = rows_in(out)
    assert (status, lines[-1]) == (130, "error: stopped\n")
    assert len(killed) < len(interrupted) <= len(complete)
    run(longer, out)
    assert rows_in(out) == complete
    assert all(row in complete for row in (*killed, *interrupted))


@pytest.mark.timeout(600)
def test_two_workers_make_the_rows_of_one(tmp_path, sweep_settings, sweep_folder, rows_in):
    run(sweep_settings, tmp_path, workers=2)
    assert rows_in(tmp_path) == rows_in(sweep_folder)


@pytest.mark.timeout(600)
def test_a_killed_worker_is_reported_and_the_next_run_makes_its_rows(tmp_path, sweep_settings, sweep_folder, rows_in):
    plan = make_plan(load_sweep(None, sweep_settings))

    def kill_after_first_batch(schedule):
        if 0 < len(schedule.rows) <= BATCH_TASKS:
            os.kill(executor.process_ids[0], signal.SIGKILL)

    message = "one of 1 workers ended unexpectedly, .* rows so far are kept: run the same command again"
    with (
        pytest.raises(ServiceError, match=message),
        open_process_executor(1, "cpu") as executor,
        RowStore(tmp_path) as store,
    ):
        run_plan(plan, store, executor, kill_after_first_batch)
    assert 0 < len(rows_in(tmp_path)) < len(rows_in(sweep_folder))
    run(sweep_settings, tmp_path)
    assert rows_in(tmp_path) == rows_in(sweep_folder)


def test_codecs_share_channel_uses_and_the_same_channel(tmp_path, sweep_settings):
    codecs = ["hci-learned@hci", "hci-learned@hci+ldpc:best", "jpeg2000+ldpc:mcs=4", "hevc+ideal"]
    further = {"codecs": codecs, "channels": ["awgn"], "snr_db": [-6, 12], "seeds": 1, "channel_uses": [3000]}
    schedule = run(sweep_settings | further, tmp_path)
    points = {(one.codec, one.snr_db): one for one in summarise_points(schedule.rows)}
    assert len(points) == 8
    assert all(0 < one.channel_uses <= 3000 for one in points.values())
    for codec in codecs:
        assert points[codec, 12].endings == {"rebuilt": 2}
    for codec in ("hci-learned@hci", "jpeg2000+ldpc:mcs=4"):
        assert points[codec, -6].bler.value == 1
    fixed, best = points["hci-learned@hci", 12], points["hci-learned@hci+ldpc:best", 12]
    assert best.container_bytes > 2 * fixed.container_bytes
    assert best.measures["psnr_db"].value > fixed.measures["psnr_db"].value + 1


def test_a_row_has_the_columns_of_the_schema(tmp_path, sweep_settings):
    (row, *_) = run(sweep_settings | {"snr_db": [9], "seeds": 1}, tmp_path).rows
    assert set(row) == set(make_schema().names)


def test_a_run_is_described_so_that_it_can_be_repeated(sweep_folder, sweep_settings):
    (described,) = read_runs([sweep_folder])
    assert yaml.safe_load(described["settings"])["snr_db"] == sweep_settings["snr_db"]
    assert described["command"].split()[0] == "semlink"
    assert len(described["code"]) == len(described["weights"]) == 16
    assert {"semlink", "python", "torch", "sionna-no-rt", "constriction", "diffusers"} <= set(described["versions"])


@pytest.mark.parametrize(
    ("further", "error", "message"),
    [
        ({"pictures": ["nowhere.png"]}, InputError, "there is no file or folder nowhere.png"),
        ({"channels": ["fog"]}, UnknownNameError, "unknown channel 'fog'"),
        ({"set": {"mcss": 4}}, ConfigError, "mcss"),
        (
            {"codecs": ["avif+ldpc:best"], "channel_uses": [], "max_bytes": [500]},
            ConfigError,
            "give channel_uses or cbr",
        ),
        ({"codecs": ["hevc+ideal"], "channels": ["tdl-a"]}, ConfigError, "the ideal code needs awgn"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_runs(tmp_path, sweep_settings, further, error, message):
    with pytest.raises(error, match=message):
        run(sweep_settings | further, tmp_path)
    assert not rows_folder(tmp_path).exists()


def test_a_typo_in_a_profile_file_is_reported_with_the_file(tmp_path, sweep_settings):
    file = tmp_path / "link.yaml"
    file.write_text("summary: a link\nsnr_bd: 3\nmcs: 4\n")
    with pytest.raises(ConfigError, match=r"link.yaml: snr_bd = 3: unknown setting; did you mean snr_db\?"):
        run(sweep_settings | {"channels": ["awgn", str(file)], "snr_db": []}, tmp_path / "out")


def test_a_missing_device_is_refused(tmp_path, sweep_settings):
    with pytest.raises(SetupError, match="cuda:9"):
        run(sweep_settings, tmp_path, device="cuda:9")
