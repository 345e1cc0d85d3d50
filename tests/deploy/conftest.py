"""The services of the compose file as local processes, with its commands, environment and health checks."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from semlink.client.addresses import SERVICE_NAMES, Addresses
from semlink.client.client import LinkClient
from semlink.client.deployment import read_env_file
from semlink.client.settings import channel_settings
from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2

ROOT = Path(__file__).parents[2]
TRANSFERS = [("hci-av1", 8.0), ("hci-av1", -8.0), ("hci-learned", 3.0)]
START_S = 120.0
WAIT = threading.Event()


def replace_variables(part: Any, variables: dict[str, str]) -> Any:
    """A part of a document with the variables replaced as compose does: ``${X}``, ``${X-this}``, ``${X:-this}``."""

    def value(match: re.Match[str]) -> str:
        name, operator, default = match["name"], match["operator"], match["default"]
        found = variables.get(name)
        return default if operator and (found is None or (operator == ":-" and not found)) else found or ""

    if isinstance(part, dict):
        return {key: replace_variables(one, variables) for key, one in part.items()}
    if isinstance(part, list):
        return [replace_variables(one, variables) for one in part]
    if not isinstance(part, str):
        return part
    return re.sub(r"\$\{(?P<name>\w+)(?P<operator>:?-)?(?P<default>[^}]*)\}", value, part)


@pytest.fixture(scope="session")
def compose():
    """A function of variables that returns the compose file as compose reads it, .env included."""

    def read(name: str = "docker-compose.yml", **variables: str) -> dict[str, Any]:
        return replace_variables(yaml.safe_load((ROOT / name).read_text()), read_env_file(ROOT / ".env") | variables)

    return read


BLOCKER = """
import json, os, sys

class Image:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in outside else self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

with open(os.environ["NOT_IN_IMAGE"]) as file:
    outside = set(json.load(file))
sys.meta_path[:] = [Image(finder) for finder in sys.meta_path]
"""


def modules_outside(name: str) -> list[str]:
    """Top-level modules that are installed here but not in the image of a service."""
    alone = _installed_alone(name)
    wanted = [
        *_read_list(ROOT / "deploy" / "docker" / f"{name}.txt"),
        *alone,
        "pip",
        "setuptools",
        "semlink",
    ]
    inside: set[str] = set()
    while wanted:
        one = canonicalize_name(wanted.pop())
        if one not in inside:
            inside.add(one)
            if one not in {"semlink", *alone}:
                needed = (Requirement(text) for text in metadata.requires(one) or [])
                wanted += [need.name for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    installed = metadata.packages_distributions()
    others = [top for top, owners in installed.items() if not inside & {canonicalize_name(owner) for owner in owners}]
    return [*others, *(service for service in SERVICE_NAMES if name not in (service, "experiment"))]


def _installed_alone(name: str) -> list[str]:
    """Packages that the image of a service installs without their dependencies."""
    stages = (ROOT / "deploy" / "docker" / "semlink.Dockerfile").read_text().split("\nFROM ")
    (stage,) = (one for one in stages if one.startswith(f"run AS {name}\n"))
    found = re.findall(r"pip install --no-deps -c constraints.txt (.+)", stage)
    return [canonicalize_name(package) for packages in found for package in packages.split()]


def _read_list(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    listed = [line for line in lines if line and not line.startswith(("#", "--"))]
    others = [line.split()[1] for line in lines if line.startswith("--requirement ")]
    return listed + [name for other in others for name in _read_list(path.parent / other)]


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def process_command(command: list[str] | str) -> list[str]:
    """A command of the compose file, with this Python's ``semlink``."""
    words = shlex.split(command) if isinstance(command, str) else command
    assert words[0] == "semlink"
    return [sys.executable, "-m", "semlink.cli.main", *words[1:]]


@dataclass
class Deployment:
    """The services of the compose file as local processes."""

    document: dict[str, Any]
    variables: dict[str, str]
    environment: dict[str, str]
    folder: Path
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def in_image(self, target: str) -> dict[str, str]:
        """Variables with which a process finds only the packages of an image."""
        blocked = self.folder / f"{target}.json"
        blocked.write_text(json.dumps(modules_outside(target)))
        return {"NOT_IN_IMAGE": str(blocked), "PYTHONPATH": f"{self.folder}:{ROOT}"}

    def start(self, name: str) -> None:
        service = self.document["services"][name]
        own = {key: str(value) for key, value in service["environment"].items()}
        local = {"SEMLINK_HOST": "127.0.0.1"} | self.in_image(service["build"]["target"])
        self.processes[name] = subprocess.Popen(
            process_command(service["command"]),
            env=self.environment | own | local,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def probe(self, name: str) -> subprocess.CompletedProcess[str]:
        check = self.document["services"][name]["healthcheck"]["test"]
        assert check[0] == "CMD"
        return subprocess.run(process_command(check[1:]), capture_output=True, text=True, check=False, timeout=60)

    def wait_for(self, name: str) -> None:
        """Return when the health check of a service passes; repeat it until then, as compose does."""
        ends_s = time.monotonic() + START_S
        while (done := self.probe(name)).returncode:
            assert self.processes[name].poll() is None, self.processes[name].stderr.read()
            assert time.monotonic() < ends_s, done.stderr
            WAIT.wait(0.5)  # a probe is a process, which the services would wait for

    def experiment(self, command: str, out: Path) -> subprocess.CompletedProcess[str]:
        """Run ``command`` as the experiment's container does; the folder ``out`` is its volume of results."""
        service = self.document["services"]["experiment"]
        volumes = dict(reversed(one.split(":")[:2]) for one in service["volumes"])
        own = {
            key: re.sub("^(sender|channel|receiver):", "127.0.0.1:", str(v))
            for key, v in service["environment"].items()
        }
        assert volumes["/out"] == "results"
        return subprocess.run(
            [word.replace("/out", str(out)) for word in process_command(command)],
            cwd=volumes[service["working_dir"]],
            env=self.environment | own | self.in_image("experiment"),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def addresses(self) -> Addresses:
        return Addresses(
            **{name: f"127.0.0.1:{self.variables[f'SEMLINK_{name.upper()}_PORT']}" for name in SERVICE_NAMES}
        )

    async def transfer_all(self, picture: bytes, decoder: str) -> None:
        async with LinkClient(self.addresses()) as client:
            for codec, snr_db in TRANSFERS:
                await client.transfer(
                    picture,
                    sender_pb2.SendSettings(codec=codec),
                    channel_settings("awgn", {"snr_db": snr_db}),
                    receiver_pb2.ReceiveSettings(decoder=decoder, trust_map=True),
                )

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.communicate(timeout=60)


@pytest.fixture
def two_ports() -> list[str]:
    return free_ports(2)


@pytest.fixture(scope="session")
def small_png(synthetic_pixels) -> bytes:
    """A 176x176 picture file: large enough for MS-SSIM."""
    out = io.BytesIO()
    Image.fromarray(synthetic_pixels(176, 176)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def deployment(compose, tiny_pocket_folder, small_png, tmp_path_factory):
    """Sender, channel and receiver of the compose file, on free ports, each with only the packages of its image."""
    names = [f"SEMLINK_{name.upper()}_{what}" for name in SERVICE_NAMES for what in ("PORT", "METRICS_PORT")]
    given = tmp_path_factory.mktemp("experiment")
    (given / "photo.png").write_bytes(small_png)
    experiment = "send photo.png --codec hci-av1 --snr 5 --decoder hci --out /out/received.png --json"
    variables = dict(zip(names, free_ports(len(names)), strict=True))
    variables |= {"SEMLINK_EXPERIMENT": experiment, "SEMLINK_INPUT": str(given)}
    environment = {**os.environ, "SEMLINK_POCKET": str(tiny_pocket_folder), "PYTHONPATH": str(ROOT)}
    folder = tmp_path_factory.mktemp("blocker")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    running = Deployment(compose(**variables), variables, environment, folder)
    try:
        for name in SERVICE_NAMES:
            running.start(name)
        for name in SERVICE_NAMES:
            running.wait_for(name)
        yield running
    finally:
        running.stop()


@dataclass
class Prometheus:
    """A running Prometheus server."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        asked = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
        with urllib.request.urlopen(asked, timeout=10) as reply:
            document = json.load(reply)
        assert document["status"] == "success"
        return document["data"]["result"]

    def wait_for(self, expr: str, timeout_s: float = 120) -> None:
        """Return once ``expr`` has a result."""
        ends_s = time.monotonic() + timeout_s
        while True:
            try:
                if self.query(expr):
                    return
            except urllib.error.URLError:  # it is about to listen
                pass
            assert time.monotonic() < ends_s, f"no result for {expr}"
            WAIT.wait(0.2)


@pytest.fixture(scope="session")
def prometheus(deployment, small_png, tmp_path_factory):
    """Prometheus with the configuration that compose mounts, scraping every two seconds, after a few transfers."""
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(ROOT / "deploy" / "prometheus", folder, dirs_exist_ok=True)
    config = (folder / "prometheus.yml").read_text().replace("scrape_interval: 5s", "scrape_interval: 2s")
    (folder / "prometheus.yml").write_text(config.replace("scrape_timeout: 4s", "scrape_timeout: 2s"))
    (folder / "targets").mkdir()
    targets = deployment.document["configs"]["targets"]["content"]
    (folder / "targets" / "services.yml").write_text(re.sub(r'"(sender|channel|receiver):', '"127.0.0.1:', targets))
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Prometheus(f"http://127.0.0.1:{port}")
        server.wait_for('count(up{job="semlink"} == 1) == 3')
        for round_number in (1, 2):  # rates need counters that grow between scrapes
            asyncio.run(deployment.transfer_all(small_png, "pocket"))
            total = round_number * len(TRANSFERS)
            server.wait_for(f"sum(semlink_received_pictures_total) >= {total}")
            server.wait_for(f"sum(semlink_sent_pictures_total) >= {total}")
            server.wait_for(f"sum(semlink_transmissions_total) >= {total}")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)
