"""What runs beside the services: images, Prometheus, Grafana."""
