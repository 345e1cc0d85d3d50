"""The dashboards: the files are what Python describes, and Grafana knows every field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.build import COLUMNS, FOLDER, make_dashboard_json, write_dashboards
from deploy.grafana.panels import DASHBOARDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_files_are_what_is_described(dashboard):
    committed = (FOLDER / f"{dashboard.uid}.json").read_text()
    assert committed == make_dashboard_json(dashboard), "python -m deploy.grafana.build"


def test_building_writes_these_files_and_no_others(tmp_path):
    names = sorted(path.name for path in write_dashboards(tmp_path / "new"))
    assert names == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.name)
def test_grafana_knows_every_field(path):
    document = json.loads(path.read_text())
    model = Dashboard.from_json(document)
    known = json.loads(json.dumps(model, cls=JSONEncoder))
    assert _less(document, known) == []


def _less(one, other, path="") -> list[str]:
    """Paths in ``one`` that ``other`` has not, or has with another value."""
    if isinstance(one, dict):
        return [p for key in one for p in _less(one[key], (other or {}).get(key), f"{path}.{key}")]
    if isinstance(one, list):
        pairs = zip(one, other or [None] * len(one), strict=True)
        return [p for i, (a, b) in enumerate(pairs) for p in _less(a, b, f"{path}[{i}]")]
    return [] if one == other else [path]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_lie_side_by_side(dashboard):
    taken = set()
    for panel in json.loads(make_dashboard_json(dashboard))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < COLUMNS
        taken |= cells


def test_panels_use_the_data_source_that_is_provisioned():
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    used = {p["datasource"]["uid"] for d in DASHBOARDS for p in json.loads(make_dashboard_json(d))["panels"]}
    assert used == {source["uid"]}
    (provider,) = yaml.safe_load((folder / "dashboards" / "semlink.yaml").read_text())["providers"]
    mounts = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_every_alert_has_a_test():
    folder = ROOT / "deploy" / "prometheus"
    (group,) = yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
    tests = yaml.safe_load((folder / "alerts.test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert {rule["alert"] for rule in group["rules"]} == fired
