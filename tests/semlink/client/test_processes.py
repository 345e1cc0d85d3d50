"""``semlink up`` and ``semlink probe`` as a person runs them, and the settings file that compose reads too."""

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
from hypothesis import given
from hypothesis import strategies as st

from semlink.client.deployment import OTHER_VARIABLES, VARIABLES, read_deployment, read_env_file, require_known
from shared.errors import ConfigError, InputError, LinkError

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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SEMLINK_SENDER_PORT=fifty", "SEMLINK_SENDER_PORT = 'fifty': .*integer"),
        ("SEMLINK_SENDER_PORT=70000", "SEMLINK_SENDER_PORT = '70000': .*65535"),
        ("SEMLINK_SENDER_PORT=5000\nSEMLINK_CHANNEL_PORT=5000", "SEMLINK_SENDER_PORT and .* are both 5000"),
        ("# fine\nSEMLINK_SENDER_PORT: 5000", "line 2: .* is not NAME=value"),
        ("SEMLINK_PERCEPTUAL=perhaps", "SEMLINK_PERCEPTUAL = 'perhaps': .*boolean"),
        ("SEMLINK_DEVICE=gpu", "SEMLINK_DEVICE = 'gpu': give cpu, cuda or cuda:N"),
    ],
)
def test_a_typo_in_the_settings_file_is_reported_in_one_line(tmp_path, text, words):
    file = tmp_path / "settings.env"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_deployment(read_env_file(file))
    assert "\n" not in str(caught.value)


def test_up_refuses_a_variable_that_is_misspelt(tmp_path):
    (tmp_path / "settings.env").write_text("SEMLINK_SENDER_PROT=5000\nOTHERS_SETTING=1\n")
    done = semlink("up", "--env-file", str(tmp_path / "settings.env"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("unknown variable SEMLINK_SENDER_PROT; did you mean SEMLINK_SENDER_PORT?\n")


def test_the_settings_file_in_the_repository_has_no_unknown_variable():
    file = Path(__file__).parents[3] / ".env"
    require_known(read_env_file(file), file)
    assert {name for name in read_env_file(file) if name.startswith("SEMLINK_")} <= {*VARIABLES, *OTHER_VARIABLES}


def test_a_missing_settings_file_is_reported(tmp_path):
    done = semlink("up", "--env-file", str(tmp_path / "none.env"))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: cannot read .*none.env: No such file or directory; give an existing .*\n", done.stderr)


def test_a_wrong_endpoint_of_traces_is_reported():
    done = semlink("serve", "sender", OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4317")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: traces endpoint 'localhost:4317' is not a URL: write it as http\S+\n", done.stderr)


@given(st.text(max_size=200))
def test_any_settings_file_gives_variables_or_a_link_error(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        message, found = "", read_env_file(file)
        read_deployment(found)
    except LinkError as error:
        message, found = str(error), {}
    assert "\n" not in message
    assert all(name.isidentifier() for name in found)


def test_quotes_and_comments_are_not_part_of_a_value(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=one # note\nB = 'two # three' # note\nC=\"four\"\nD=\nE=a=b\n#F=x\n")
    assert read_env_file(file) == {"A": "one", "B": "two # three", "C": "four", "D": "", "E": "a=b"}
    with pytest.raises(InputError, match="cannot read"):
        read_env_file(tmp_path)
