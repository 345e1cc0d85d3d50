"""The HTTP endpoint that Prometheus reads metrics from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from shared.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from shared.address import Host


class MetricsEndpoint:
    """Serves ``registry`` at ``http://host:port/metrics`` from a thread of its own (port 0: any free one).

    Raises:
        ConfigError: the port is not between 0 and 65535.
        ServiceError: the address cannot be bound.
    """

    def __init__(self, registry: CollectorRegistry, host: Host, port: int) -> None:
        if not 0 <= port <= 65535:
            raise ConfigError(f"metrics port {port} is not between 0 and 65535; 0 takes any free port")
        try:
            self._server, self._thread = start_http_server(port, host.name, registry)
        except OSError as error:
            reason = error.strerror or error
            raise ServiceError(
                f"cannot serve metrics on {host.with_port(port)}: {reason}; choose another metrics port"
            ) from error
        self.url = f"http://{host.with_port(self._server.server_port)}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
