"""Against a real Prometheus: every query of every panel gives data, and the alert rules and the configuration hold."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.grafana.panels import DASHBOARDS, Kind

if shutil.which("prometheus") is None or shutil.which("promtool") is None:
    pytest.skip("Prometheus is not installed: apt-get install prometheus", allow_module_level=True)

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


def test_the_rules_hold_what_their_tests_say():
    folder = ROOT / "deploy" / "prometheus"
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_of_prometheus_is_valid():
    done = subprocess.run(
        ["promtool", "check", "config", ROOT / "deploy" / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
