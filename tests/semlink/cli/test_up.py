"""``semlink up``, ``serve`` and ``probe`` as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from semlink.client.deployment import VARIABLES

SEMLINK = [sys.executable, "-m", "semlink.cli.main"]
ANY_PORTS = {name: "0" for name in VARIABLES if name.endswith("_PORT")}


def semlink(*args, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **ANY_PORTS, **variables}
    return subprocess.run([*SEMLINK, *args], capture_output=True, text=True, check=False, env=environment, timeout=120)


@contextmanager
def up(*args):
    """``semlink up --json`` on free ports: the process and the document that it prints."""
    process = subprocess.Popen(
        [*SEMLINK, "up", "--json", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ANY_PORTS},
    )
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        yield process, json.loads(text)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def test_up_runs_three_processes_that_serve_and_stops_all_on_ctrl_c():
    with up() as (process, services):
        assert services.keys() == {"sender", "channel", "receiver"}
        for service in services.values():
            probed = semlink("probe", service["address"], "--json")
            assert (probed.returncode, json.loads(probed.stdout)["status"]) == (0, "SERVING")
            with urllib.request.urlopen(service["metrics"], timeout=10) as reply:
                assert b"process_resident_memory_bytes" in reply.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
    after = semlink("probe", services["sender"]["address"], "--timeout", "1")
    assert after.returncode == 2
    assert re.fullmatch(r"error: the service at \S+ cannot be reached: check its address.*\n", after.stderr)


def test_up_names_the_service_that_ended_and_stops_the_others():
    with up() as (process, _):
        children = _children(process.pid)
        assert children.keys() == {"sender", "channel", "receiver"}
        os.kill(children["channel"], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.splitlines()[-1] == "error: the channel ended: status -9; look at its log"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


def _children(pid: int) -> dict[str, int]:
    """The child processes of ``semlink up``, by service."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_text().split("\0") for child in found}
    return {words[words.index("serve") + 1]: child for child, words in commands.items()}


@pytest.mark.parametrize("variable", ["SEMLINK_CHANNEL_PORT", "SEMLINK_CHANNEL_METRICS_PORT"])
def test_up_names_a_taken_port_and_leaves_nothing_running(variable):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = semlink("up", **{variable: str(port)})
    assert done.returncode == 2
    assert re.fullmatch(rf"error: the channel ended: cannot [a-z ]+ on 127.0.0.1:{port}: .*\n", done.stderr)


def test_up_refuses_a_variable_that_is_misspelt(tmp_path):
    (tmp_path / "settings.env").write_text("SEMLINK_SENDER_PROT=5000\nOTHERS_SETTING=1\n")
    done = semlink("up", "--env-file", str(tmp_path / "settings.env"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("unknown variable SEMLINK_SENDER_PROT; did you mean SEMLINK_SENDER_PORT?\n")


def test_a_missing_settings_file_is_reported(tmp_path):
    done = semlink("up", "--env-file", str(tmp_path / "none.env"))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: cannot read .*none.env: No such file or directory; give an existing .*\n", done.stderr)


def test_a_wrong_endpoint_of_traces_is_reported():
    done = semlink("serve", "sender", OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4317")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: traces endpoint 'localhost:4317' is not a URL: write it as http\S+\n", done.stderr)
