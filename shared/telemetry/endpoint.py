"""The HTTP endpoint that Prometheus reads metrics from."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shared.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from shared.address import Host

MAX_CONNECTIONS: Final = 8
"""Most connections, and threads for them. A further one takes the place of the oldest."""
READ_S: Final = 5.0
"""Longest wait for the next bytes of a request."""


class MetricsEndpoint:
    """Serves ``registry`` at ``http://host:port/metrics`` from threads of its own (port 0: any free one).

    Raises:
        ConfigError: the port is not between 0 and 65535.
        ServiceError: the address cannot be bound.
    """

    def __init__(self, registry: CollectorRegistry, host: Host, port: int) -> None:
        if not 0 <= port <= 65535:
            raise ConfigError(f"metrics port {port} is not between 0 and 65535; 0 takes any free port")
        try:
            family, _, _, _, at = socket.getaddrinfo(host.name, port, type=socket.SOCK_STREAM)[0]
            kind: type[_Server] = type("_Server", (_Server,), {"address_family": family})
            self._server = make_server(str(at[0]), port, make_wsgi_app(registry), kind, handler_class=_Handler)
        except OSError as error:
            reason = error.strerror or error
            raise ServiceError(
                f"cannot serve metrics on {host.with_port(port)}: {reason}; choose another metrics port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://{host.with_port(self._server.server_port)}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(WSGIRequestHandler):
    """Reads a request for at most ``READ_S`` per read, and logs nothing."""

    timeout = READ_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Log nothing."""


class _Server(ThreadingWSGIServer):
    """Answers in at most ``MAX_CONNECTIONS`` threads. A connection above this number closes the oldest one."""

    request_queue_size = 128

    def __init__(self, *args: Any, **options: Any) -> None:
        self._open: dict[Any, None] = {}  # the oldest connection first
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="metrics")
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; end the oldest connection if there are too many."""
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                self._end(next(iter(self._open)))
            self._open[request] = None
        self._workers.submit(self.process_request_thread, request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that sends no request is no error of this service."""

    def server_close(self) -> None:
        """End all connections and threads."""
        super().server_close()
        with self._lock:
            for request in list(self._open):
                self._end(request)
        self._workers.shutdown(wait=False)

    def _end(self, request: Any) -> None:
        """Close ``request`` in both directions, so that the thread that reads from it ends."""
        self._open.pop(request)
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
