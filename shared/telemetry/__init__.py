"""What a service tells of its work: metrics for Prometheus and spans for OpenTelemetry (``docs/deploy.md``)."""
