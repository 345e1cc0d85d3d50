"""Writes the dashboards as Grafana's JSON: ``python -m deploy.grafana.build``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deploy.grafana.panels import DASHBOARDS, Dashboard, Kind, Panel, Query

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parent / "dashboards"
DATA_SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
HEIGHTS: Final = {Kind.NUMBER: 4}
HEIGHT: Final = 8
OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    Kind.OVER_TIME: {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    Kind.NUMBER: {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "textMode": "auto"},
    Kind.OVER_SNR: {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    Kind.TABLE: {"showHeader": True},
}


def make_dashboard_json(dashboard: Dashboard) -> str:
    """Return a dashboard as the text of its file."""
    document = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["semlink"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "title": "Semlink", "tags": ["semlink"], "asDropdown": False}],
        "panels": list(_place_panels(dashboard.panels)),
    }
    return json.dumps(document, indent=2) + "\n"


def write_dashboards(folder: Path = FOLDER) -> list[Path]:
    """Write all dashboards into ``folder`` and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dashboard in DASHBOARDS:
        path = folder / f"{dashboard.uid}.json"
        path.write_text(make_dashboard_json(dashboard), encoding="utf-8")
        paths.append(path)
    return paths


def _place_panels(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Yield panels from left to right, a new row where one has no room."""
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        height = HEIGHTS.get(panel.kind, HEIGHT)
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        place = {"x": x, "y": y, "w": panel.width, "h": height}
        x, row_height = x + panel.width, max(row_height, height)
        yield _make_panel(number, panel, place)


def _make_panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    options = dict(OPTIONS[panel.kind])
    if panel.kind is Kind.OVER_SNR:
        options["xField"] = _snr_field(panel)
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATA_SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, **_drawing(panel.kind)}, "overrides": _overrides(panel)},
        "options": options,
        "transformations": _transformations(panel),
        "targets": [_make_target(index, panel.kind, query) for index, query in enumerate(panel.queries)],
    }


def _make_target(index: int, kind: Kind, query: Query) -> dict[str, Any]:
    at_once = kind in (Kind.OVER_SNR, Kind.TABLE)
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATA_SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": at_once,
        "range": not at_once,
        "format": "table" if at_once else "time_series",
    }


def _drawing(kind: Kind) -> dict[str, Any]:
    if kind is Kind.OVER_SNR:
        return {"custom": {"drawStyle": "line", "showPoints": "always", "pointSize": 7, "spanNulls": True}}
    if kind is Kind.OVER_TIME:
        return {"custom": {"drawStyle": "line", "fillOpacity": 10, "showPoints": "auto"}}
    return {}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """Return what sets the axis of Es/N0 apart from the values."""
    if panel.kind is not Kind.OVER_SNR:
        return []
    properties = [{"id": "unit", "value": "dB"}, {"id": "displayName", "value": "Es/N0"}]
    return [{"matcher": {"id": "byName", "options": _snr_field(panel)}, "properties": properties}]


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """Return what makes one row per Es/N0 of a table, and one column per series."""
    if panel.kind is not Kind.OVER_SNR:
        return []
    return [
        {
            "id": "groupingToMatrix",
            "options": {
                "columnField": panel.series,
                "rowField": "es_n0_db",
                "valueField": "Value",
                "emptyValue": "null",
            },
        },
        {
            "id": "convertFieldType",
            "options": {"conversions": [{"targetField": _snr_field(panel), "destinationType": "number"}]},
        },
        {"id": "sortBy", "options": {"sort": [{"field": _snr_field(panel)}]}},
    ]


def _snr_field(panel: Panel) -> str:
    """Return what Grafana calls the first column of the matrix."""
    return f"es_n0_db\\{panel.series}"


if __name__ == "__main__":
    for written in write_dashboards():
        print(written.name)
