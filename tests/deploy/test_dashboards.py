"""The dashboards: every query gives data, the files are what Python describes, and Grafana knows every field."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.build import COLUMNS, FOLDER, dashboard_json, write_dashboards
from deploy.grafana.panels import DASHBOARDS, Kind

pytestmark = pytest.mark.timeout(900)  # the first test waits for services, Prometheus and a sweep
ROOT = Path(__file__).parents[2]
PANELS = [(dashboard.uid, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
IDS = [f"{uid}: {panel.title}" for uid, panel in PANELS]


@pytest.mark.parametrize(("uid", "panel"), PANELS, ids=IDS)
def test_every_query_of_every_panel_gives_numbers(prometheus, uid, panel):
    for query in panel.queries:
        result = prometheus.query(query.expr.replace("$__rate_interval", "2m"))
        assert result, query.expr
        assert any(math.isfinite(float(series["value"][1])) for series in result), query.expr
        for label in re.findall(r"{{(\w+)}}", query.legend):
            assert all(label in series["metric"] for series in result), (query.legend, query.expr)
    if panel.kind is Kind.OVER_SNR:  # Grafana makes a matrix of one table: a row per Es/N0, a column per series
        assert len(panel.queries) == 1
        assert all(series["metric"].keys() == {panel.series, "es_n0_db"} for series in result)


def test_quality_over_snr_is_what_the_pictures_had(prometheus):
    by_snr = {}
    (panel,) = (panel for uid, panel in PANELS if (uid, panel.title) == ("quality", "PSNR"))
    for series in prometheus.query(panel.queries[0].expr):
        by_snr[series["metric"]["codec"], series["metric"]["es_n0_db"]] = float(series["value"][1])
    assert by_snr.keys() >= {("hci-av1", "8"), ("hci-learned", "3")}
    assert all(5 < psnr_db < 60 for psnr_db in by_snr.values())
    (bler,) = (panel for uid, panel in PANELS if (uid, panel.title) == ("link", "BLER over Es/N0"))
    shares = {s["metric"]["es_n0_db"]: float(s["value"][1]) for s in prometheus.query(bler.queries[0].expr)}
    assert (shares["8"], shares["-8"]) == (0.0, 1.0)


def test_no_alert_fires_on_a_healthy_link(prometheus):
    assert prometheus.query('ALERTS{alertstate="firing"}') == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_files_are_what_is_described(dashboard):
    committed = (FOLDER / f"{dashboard.uid}.json").read_text()
    assert committed == dashboard_json(dashboard), "python -m deploy.grafana.build"


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
    for panel in json.loads(dashboard_json(dashboard))["panels"]:
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
    used = {p["datasource"]["uid"] for d in DASHBOARDS for p in json.loads(dashboard_json(d))["panels"]}
    assert used == {source["uid"]}
    (provider,) = yaml.safe_load((folder / "dashboards" / "semlink.yaml").read_text())["providers"]
    mounts = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_the_rules_hold_what_their_tests_say(promtool):
    folder = ROOT / "deploy" / "prometheus"
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_of_prometheus_is_valid(promtool):
    done = subprocess.run(
        [promtool, "check", "config", ROOT / "deploy" / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test():
    folder = ROOT / "deploy" / "prometheus"
    (group,) = yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
    tests = yaml.safe_load((folder / "alerts.test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert {rule["alert"] for rule in group["rules"]} == fired
