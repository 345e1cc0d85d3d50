"""Metrics for Prometheus and spans for OpenTelemetry (``docs/deploy.md``)."""
