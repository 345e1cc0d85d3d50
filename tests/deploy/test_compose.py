"""The compose files: valid by the compose specification's schema, and every command, port and variable works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
import yaml

from semlink.cli.main import app
from semlink.client.addresses import SERVICE_NAMES
from semlink.client.deployment import VARIABLES, read_env_file
from shared.hub.registry import profile_names

pytestmark = pytest.mark.timeout(900)  # the first test waits for services, Prometheus and a sweep
ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.gpu.yml", "docker-compose.models.yml")
OURS = (*SERVICE_NAMES, "experiment")


def check_schema(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_files_are_valid(tmp_path):
    assert check_schema(*(ROOT / name for name in FILES)).returncode == 0
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / FILES[0]).read_text().replace("healthcheck:", "healthchek:"))
    assert check_schema(broken).returncode == 1


def test_the_settings_file_holds_exactly_the_variables_that_compose_uses():
    used = {name for file in FILES for name in re.findall(r"\$\{(\w+)", (ROOT / file).read_text())}
    assert set(read_env_file(ROOT / ".env")) == used | {"COMPOSE_PROFILES"}  # compose's own


def test_each_service_gets_every_variable_that_serve_reads(compose):
    for name in SERVICE_NAMES:
        assert set(VARIABLES) <= set(compose()["services"][name]["environment"])


def test_defaults_in_the_file_are_those_of_the_settings_file():
    settings = read_env_file(ROOT / ".env")
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / FILES[0]).read_text()):
        assert settings[name].startswith(default), name


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_a_service_starts_by_its_command_and_passes_its_health_check(deployment, name):
    assert deployment.document["services"][name]["command"] == ["semlink", "serve", name]
    assert deployment.processes[name].poll() is None
    done = deployment.probe(name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" SERVING\n")


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_the_published_port_of_a_service_is_the_one_it_listens_on(deployment, name):
    (published,) = deployment.document["services"][name]["ports"]
    listening = deployment.variables[f"SEMLINK_{name.upper()}_PORT"]
    assert published == f"127.0.0.1:{listening}:{listening}"


def test_prometheus_scrapes_the_metrics_ports_of_the_services(deployment):
    targets = yaml.safe_load(deployment.document["configs"]["targets"]["content"])
    assert [target["labels"]["service"] for target in targets] == list(SERVICE_NAMES)
    for target in targets:
        name, _, port = target["targets"][0].partition(":")
        assert name == target["labels"]["service"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            assert b"semlink_rpcs_running" in reply.read()


def test_the_experiment_reaches_the_services_by_its_environment(deployment, tmp_path):
    done = deployment.experiment(deployment.document["services"]["experiment"]["command"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["received"]["rebuilt"]
    assert (tmp_path / "received.png").is_file()


def test_the_experiment_can_be_a_sweep_and_a_report(deployment, compose, tmp_path):
    (Path(deployment.variables["SEMLINK_INPUT"]) / "sweep.yaml").write_text(
        "{pictures: [.], codecs: [hci@hci], snr_db: [6], channel_uses: 3000, measures: [psnr_db]}"
    )
    variables = deployment.variables | {"SEMLINK_EXPERIMENT": "sweep --file sweep.yaml --out /out/sweep --json"}
    done = deployment.experiment(compose(**variables)["services"]["experiment"]["command"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (point,) = json.loads(done.stdout)["points"]
    assert point["endings"] == {"rebuilt": 1}
    done = deployment.experiment("semlink report /out/sweep", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "data:image/svg" in (tmp_path / "sweep" / "report.html").read_text()


def test_the_experiment_in_the_settings_file_is_a_valid_command(compose):
    words = compose()["services"]["experiment"]["command"].split()
    assert words[0] == "semlink"
    context = typer.main.get_command(app).commands[words[1]].make_context(words[1], words[2:])
    assert str(context.params["out"]).startswith("/out/")


@pytest.mark.parametrize("name", OURS)
def test_containers_have_no_rights_that_they_do_not_need(compose, name):
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"]["target"] == name


def test_each_service_has_a_stage_in_the_dockerfile_and_runs_without_root(compose):
    text = (ROOT / compose()["services"]["sender"]["build"]["dockerfile"]).read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert {name for _, name in stages} >= set(OURS)
    assert {base for base, name in stages if name in OURS} == {"run"}
    images = {part.split()[2]: part for part in text.split("\nFROM ")[1:]}
    assert all(images[name].rstrip().endswith("\nUSER 10001:10001") for name in OURS)
    assert all(f"from=wheel-{name}," in images[name] for name in OURS)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in " ".join(copied).split():
        assert list(ROOT.glob(source)), source
        assert {source, source.partition("/")[0]} & sent, f"{source} is not sent to the builder"


def test_torch_is_one_layer_of_all_images_and_for_the_cpu(compose):
    text = (ROOT / compose()["services"]["sender"]["build"]["dockerfile"]).read_text()
    (shared,) = [part for part in text.split("\nFROM ") if "TORCH_BACKEND" in part]
    assert " AS run\n" in shared
    (default,) = re.findall(r"^ARG TORCH_BACKEND=(\S+)$", shared, re.MULTILINE)
    assert default == "cpu"
    document = compose()
    indices = {name: document["services"][name]["build"]["args"]["TORCH_BACKEND"] for name in (*OURS, "receiver-gpu")}
    assert indices.pop("receiver-gpu") == ""
    assert set(indices.values()) == {default}
    assert compose("docker-compose.gpu.yml")["services"]["receiver"]["build"]["args"] == {"TORCH_BACKEND": ""}


def test_the_senders_image_holds_the_weights_that_it_reads(compose):
    text = (ROOT / compose()["services"]["sender"]["build"]["dockerfile"]).read_text()
    (stage,) = [part for part in text.split("\nFROM ") if part.startswith("source AS wheel-sender")]
    code = [path.read_text() for folder in ("sender", "shared") for path in (ROOT / folder).rglob("*.py")]
    read = {name for text in code for name in re.findall(r'files\("models"\) / "([\w-]+)"', text)}
    assert {"caption", "hci-learned"} <= read
    for name in read:
        assert f"COPY models/{name} models/{name}\n" in stage or not (ROOT / "models" / name).is_dir()


def list_enabled(document, *profiles):
    services = document["services"]
    return {name for name, one in services.items() if not one.get("profiles") or set(one["profiles"]) & set(profiles)}


def test_a_profile_chooses_the_receiver(compose):
    document, others = compose(), {"sender", "channel", "experiment", "prometheus", "grafana"}
    assert read_env_file(ROOT / ".env")["COMPOSE_PROFILES"] == "cpu"
    assert list_enabled(document, "cpu") == others | {"receiver"}
    assert list_enabled(document, "gpu") == others | {"receiver-gpu"}
    for service in ("receiver", "receiver-gpu"):
        wait = document["services"]["experiment"]["depends_on"][service]
        assert wait == {"condition": "service_healthy", "required": False}


def test_the_gpu_receiver_differs_from_the_cpu_receiver_only_in_its_device(compose):
    indices = {"TORCH_BACKEND": "cpu", "TORCH_BACKEND_GPU": "cu130"}
    services = compose(**indices)["services"]
    receiver, gpu = services["receiver"], services["receiver-gpu"]
    assert {name for name in gpu if gpu[name] != receiver.get(name)} == {
        *("profiles", "image", "build", "environment", "networks", "deploy")
    }
    assert gpu["networks"] == {"default": {"aliases": ["receiver"]}}
    assert gpu["environment"] == receiver["environment"] | {"SEMLINK_DEVICE": "cuda"}
    assert gpu["build"] | {"args": {}} == receiver["build"] | {"args": {}}
    override = compose("docker-compose.gpu.yml", **indices)["services"]["receiver"]
    assert (gpu["image"], gpu["deploy"]) == (override["image"], override["deploy"])
    assert gpu["build"]["args"] == receiver["build"]["args"] | override["build"]["args"]


def test_the_gpu_receiver_passes_its_health_check_or_says_that_there_is_no_cuda(deployment, compose, two_ports):
    port, metrics = two_ports
    variables = deployment.variables | {"SEMLINK_RECEIVER_PORT": port, "SEMLINK_RECEIVER_METRICS_PORT": metrics}
    gpu = replace(deployment, document=compose(**variables), variables=variables, processes={})
    try:
        gpu.start("receiver-gpu")
        if torch.cuda.is_available():
            gpu.wait_for("receiver-gpu")
            assert gpu.probe("receiver-gpu").stdout.endswith(" SERVING\n")
        else:
            _, error = gpu.processes["receiver-gpu"].communicate(timeout=60)
            assert (gpu.processes["receiver-gpu"].returncode, error.count("\n")) == (2, 1)
            assert "device 'cuda' is not there" in error
    finally:
        gpu.stop()


def test_the_gpu_file_changes_only_the_receiver(compose):
    (name,) = compose("docker-compose.gpu.yml")["services"]
    gpu = compose("docker-compose.gpu.yml")["services"][name]
    assert name == "receiver"
    assert gpu["environment"] == {"SEMLINK_DEVICE": "cuda"}
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_models_are_fetched_into_the_volume_that_the_receiver_reads_offline(compose):
    document = compose("docker-compose.models.yml")
    fetch, receiver = document["services"]["models"], document["services"]["receiver"]
    assert fetch["command"] == ["semlink", "models", "pull", "sd-turbo"]
    assert "sd-turbo" in profile_names()
    assert fetch["image"] == compose("docker-compose.gpu.yml")["services"]["receiver"]["image"]
    assert "models:/models" in fetch["volumes"]
    for service in (receiver, document["services"]["sender"]):  # decoders, and captioners
        assert "models:/models:ro" in service["volumes"]
        assert service["environment"] == {"HF_HOME": "/models", "HF_HUB_OFFLINE": "1", "SEMLINK_PROFILES": "/profiles"}
        assert service["depends_on"] == {"models": {"condition": "service_completed_successfully"}}
    assert fetch["read_only"]
    assert fetch["cap_drop"] == ["ALL"]
    assert (ROOT / read_env_file(ROOT / ".env")["SEMLINK_PROFILES"]).is_dir()
