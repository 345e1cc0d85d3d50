"""The metrics endpoint under clients that send nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request

from prometheus_client import CollectorRegistry, Gauge

from shared.address import Host
from shared.telemetry.endpoint import MAX_CONNECTIONS, MetricsEndpoint


def test_600_unfinished_requests_hold_few_threads_and_metrics_are_still_served():
    registry = CollectorRegistry()
    Gauge("answer", "A number.", registry=registry).set(42)
    threads_before = threading.active_count()
    endpoint = MetricsEndpoint(registry, Host("127.0.0.1"), 0)
    address = ("127.0.0.1", int(endpoint.url.split(":")[2].split("/")[0]))
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            unfinished = stack.enter_context(socket.create_connection(address))
            unfinished.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        with urllib.request.urlopen(endpoint.url, timeout=5) as reply:
            assert b"answer 42.0" in reply.read()
        assert threading.active_count() <= threads_before + 1 + MAX_CONNECTIONS
        endpoint.close()
