"""Grafana's dashboards, described in Python and built into JSON."""
