"""The semlink command as a process: its imports, its exit status, and the services that it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semlink.cli.main import COMMANDS, app

pytestmark = pytest.mark.usefixtures("tiny_pocket")  # commands decode with miniature weights
SEMLINK = [sys.executable, "-m", "semlink.cli.main"]


def test_another_service_at_an_address_is_reported(photo, tmp_path, semlink):
    process, address = start_service("channel")
    try:
        status, _, err = semlink("encode", photo, tmp_path / "a.sem", "--sender", address)
    finally:
        process.kill()
        process.wait()
    assert status == 2
    assert err == f"error: the sender at {address} is another service: give the address of the right one\n"


def test_output_that_cannot_be_written_is_reported_in_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SEMLINK, "channels", "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\n", done.stderr)


def test_ctrl_c_ends_a_running_command_at_once(photo):
    """Interrupt the command while it loads Sionna; without the interrupt it would wait for a million seconds."""
    # A shell that runs the tests in the background makes them and their child processes ignore interrupts.
    obey = "from signal import *; signal(SIGINT, default_int_handler); from semlink.cli.main import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", obey, "send", str(photo)]
    waits = ["--snr", "30", "--delay", "1e6", "--time-scale", "1"]
    process = subprocess.Popen([*command, *waits], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any("sionna" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    errors = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert (out, errors) == ("", ["error: stopped"])


def test_help_names_every_command():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.output


def test_help_imports_nothing_heavy():
    heavy = ("torch", "sionna", "grpc", "google.protobuf", "pydantic", "yaml", "numpy", "av", "PIL")
    code = f"import sys, semlink.cli.main; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_command_starts_without_the_code_of_any_service():
    """The image of a service holds its own code alone, and serves by this command."""
    services = ("sender", "channel", "receiver")
    code = f"import sys, semlink.cli.main; print([m for m in sys.modules if m.partition('.')[0] in {services}])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("command", ["send", "encode"])
def test_a_wrong_picture_is_refused_before_the_link_is_imported(command, tmp_path):
    (tmp_path / "note.png").write_text("hello")
    code = f"""
import sys
from semlink.cli.main import main
sys.argv = ["semlink", "{command}", "note.png"] + ["x.sem"] * ("{command}" == "encode")
try:
    main()
except SystemExit as ended:
    print(ended.code, [m for m in ("torch", "channel", "sender", "receiver") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "2 []\n"
    assert done.stderr.startswith("error: note.png: this is not a picture")


def test_doctor_finds_what_the_link_needs(semlink_json):
    report = semlink_json("doctor")
    found = {line["item"]: line["found"] for line in report}
    assert {"python", "torch", "AV1 encoder", "AV1 decoder", "GPU"} <= found.keys()
    assert re.fullmatch(r"refiner, restorer, sketch, words: \d+ bytes; decodes on \w+", found["weights pocket"])
    packaged = {f"weights {name}": "load" for name in ("LPIPS-Alex", "LPIPS-VGG", "DISTS", "Real-ESRGAN")}
    assert packaged.items() <= found.items()
    assert all(line["ok"] for line in report)


def start_service(service: str) -> tuple[subprocess.Popen[str], str]:
    """Start a service as its own process; return it and its address."""
    process = subprocess.Popen([*SEMLINK, "serve", service, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.stdout.close()
    return process, json.loads("".join(lines))[service]


@pytest.mark.parametrize("service", ["sender", "channel", "receiver"])
def test_a_service_process_serves_and_stops_on_sigterm(service):
    process, address = start_service(service)
    try:
        status = health_of(address)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    assert status == "SERVING"


def health_of(address: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)


def test_codecs_lists_those_of_the_sender_at_the_address(tmp_path, monkeypatch, semlink, semlink_json):
    ours = {one["name"]: one for one in semlink_json("codecs")}
    assert ours["gsc"]["streams"] == [{"kind": "LATENT"}, {"kind": "CAPTION"}]
    assert all(one["summary"] for one in ours.values())
    (tmp_path / "sketch_codec.py").write_text(
        "from shared.codecs.recipe import Codec\nSKETCH = Codec(name='sketch', summary='image alone')\n"
    )
    information = tmp_path / "sketch_codec-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sketch-codec\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[semlink.codecs]\nsketch = sketch_codec:SKETCH\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    process, address = start_service("sender")
    try:
        theirs = {one["name"]: one for one in semlink_json("codecs", "--sender", address)}
        status, text, _ = semlink("codecs", "--sender", address)
    finally:
        process.kill()
        process.wait()
    assert theirs == {**ours, "sketch": {"name": "sketch", "streams": [{"kind": "HCI"}], "summary": "image alone"}}
    assert status == 0
    assert re.search(r"sketch +│ HCI +│ image alone", text)


def test_a_taken_port_is_reported():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*SEMLINK, "serve", "sender", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*127.0.0.1:{port}.*\n", done.stderr)


def test_the_version_is_that_of_the_package(semlink):
    assert semlink("--version") == (0, f"semlink {version('semlink')}\n", "")


def test_shells_can_complete_commands():
    asked = {"_SEMLINK_COMPLETE": "complete_bash", "COMP_WORDS": "semlink dec", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['semlink']; from semlink.cli.main import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["decode"])
