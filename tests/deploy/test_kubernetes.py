"""The Kubernetes manifests: valid by the schemas of Kubernetes, and true to the services."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from semlink.cli.main import app
from semlink.client.addresses import SERVICE_NAMES
from semlink.client.deployment import VARIABLES, read_deployment
from shared.hub.registry import profile_names
from shared.telemetry.telemetry import Telemetry

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
DOCKERFILE = FOLDER.parent / "docker" / "semlink.Dockerfile"
VERSION = "1.37"
KUBERAY = "ray.io/"


def read_folder(name: str) -> list[dict[str, Any]]:
    """The documents of the files in ``name``, as they are written."""
    files = sorted((FOLDER / name).glob("*.yaml"))
    documents = [
        one for file in files for one in yaml.safe_load_all(file.read_text()) if file.name != "kustomization.yaml"
    ]
    return [one for one in documents if "kind" in one]


def build(name: str) -> list[dict[str, Any]]:
    """The documents that ``kubectl apply --kustomize`` would send."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which builds the folder, is not installed")
    done = subprocess.run([kubectl, "kustomize", FOLDER / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def find(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def container_of(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (container,) = find(documents, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("folder", ["base", "models", "sweep"])
def test_files_are_valid_by_the_schemas_of_kubernetes(folder):
    for document in read_folder(folder):
        if not document["apiVersion"].startswith(KUBERAY):
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_misspelt_field_is_not_valid():
    broken = find(read_folder("base"), "Deployment", "sender")
    broken["spec"]["replcas"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


@pytest.mark.parametrize("folder", ["base", "gpu", "models", "sweep"])
def test_each_folder_builds_to_valid_documents_in_one_namespace(folder):
    for document in build(folder):
        if not document["apiVersion"].startswith(KUBERAY):
            kubernetes_validate.validate(document, VERSION, strict=True)
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "semlink"


def test_the_gpu_folder_changes_the_receiver_alone():
    base, gpu = build("base"), build("gpu")
    assert [one for one in base if one not in gpu] == [find(base, "Deployment", "receiver")]
    receiver = container_of(gpu, "receiver")
    assert receiver["env"] == [{"name": "SEMLINK_DEVICE", "value": "cuda"}]
    assert receiver["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_models_folder_fetches_a_profile_into_a_volume_that_services_read_offline():
    models = build("models")
    pod = find(models, "Deployment", "receiver")["spec"]["template"]["spec"]
    (fetch,) = pod["initContainers"]
    assert fetch["command"] == ["semlink", "models", "pull", "sd-turbo"]
    assert "sd-turbo" in profile_names()
    assert fetch["image"] == container_of(models, "receiver")["image"] == "semlink-receiver-cuda:local"
    assert fetch["securityContext"] == container_of(models, "receiver")["securityContext"]
    assert {"name": "models", "mountPath": "/models"} in fetch["volumeMounts"]
    offline = [{"name": "HF_HOME", "value": "/models"}, {"name": "HF_HUB_OFFLINE", "value": "1"}]
    for name in ("receiver", "sender"):
        container = container_of(models, name)
        assert container["env"][:2] == offline
        assert {"name": "models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]
    assert {"name": "SEMLINK_DEVICE", "value": "cuda"} in container_of(models, "receiver")["env"]
    claimed = next(one for one in pod["volumes"] if one["name"] == "models")["persistentVolumeClaim"]["claimName"]
    assert find(models, "PersistentVolumeClaim", claimed)


def test_the_settings_are_those_that_serve_reads():
    settings = find(read_folder("base"), "ConfigMap", "settings")["data"]
    assert set(settings) == {*VARIABLES, "OMP_NUM_THREADS"}
    read_deployment(settings)


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_a_service_runs_its_command_at_the_ports_of_the_settings(name):
    documents = read_folder("base")
    settings = read_deployment(find(documents, "ConfigMap", "settings")["data"]).run_settings()
    pod = find(documents, "Deployment", name)["spec"]["template"]
    container = container_of(documents, name)
    assert container["command"] == ["semlink", "serve", name]
    assert container["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    ports = {"grpc": settings.ports[name], "metrics": settings.metrics_ports[name]}
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == ports
    service = find(documents, "Service", name)["spec"]
    assert {one["targetPort"]: one["port"] for one in service["ports"]} == ports
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    assert {container[probe]["grpc"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        ports["grpc"]
    }
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    assert pod["spec"]["terminationGracePeriodSeconds"] == settings.limits.grace_s


def test_the_receiver_is_scaled_by_a_metric_that_it_exports():
    (metric,) = find(read_folder("base"), "HorizontalPodAutoscaler", "receiver")["spec"]["metrics"]
    named = metric["pods"]["metric"]
    assert named["name"] in {one.name for one in Telemetry().registry.collect()}
    (queue,) = named["selector"]["matchLabels"].values()
    assert f'telemetry.watch("{queue}"' in (FOLDER.parents[1] / "receiver" / "service.py").read_text()


def test_every_image_is_built_by_the_dockerfile():
    text = "\n".join(file.read_text() for file in FOLDER.glob("*/*.yaml"))
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE.read_text(), re.MULTILINE))
    assert set(re.findall(r"image: semlink-(\w+)", text)) == {*SERVICE_NAMES, "sweep"}
    assert {*SERVICE_NAMES, "sweep"} <= targets


def test_the_sweep_job_has_one_command_that_the_command_line_takes():
    job = find(read_folder("sweep"), "RayJob", "sweep")["spec"]
    program, command, *arguments = shlex.split(job["entrypoint"])
    assert (program, command) == ("semlink", "sweep")
    pictures = arguments.index("/sweep/in")
    done = CliRunner().invoke(app, ["sweep", *arguments[:pictures], "no-such-folder", *arguments[pictures + 1 :]])
    assert "no-such-folder" in str(done.exception)  # all options were taken; the picture is missed
    pods = [job["rayClusterSpec"]["headGroupSpec"], *job["rayClusterSpec"]["workerGroupSpecs"]]
    for pod in pods:
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": pod["template"]["spec"]},
            VERSION,
            strict=True,
        )
