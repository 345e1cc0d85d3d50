"""The gRPC server of each service, with health checks, reflection, limits and a graceful stop."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from shared.address import MAX_PORT, Host, parse_host
from shared.errors import ConfigError, ServiceError
from shared.rpc.limits import GRACE_S, MAX_CONCURRENT_CALLS, MESSAGE_SIZE_OPTIONS
from shared.rpc.status import UnknownMethods
from shared.telemetry.endpoint import MetricsEndpoint
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK = Host("127.0.0.1")


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to start: its full proto name, a function that adds it to a server, and its telemetry."""

    full_name: str
    add_to: Callable[[grpc.aio.Server], None]
    telemetry: Telemetry = field(default_factory=Telemetry)


class RunningServer:
    """A started server.

    ``address`` is ``host:port``, with the port that the system chose for port 0, or ``unix:PATH``. ``metrics_url`` is
    empty if no metrics are served.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        health: health_aio.HealthServicer,
        address: str,
        telemetry: Telemetry,
        metrics: MetricsEndpoint | None,
    ) -> None:
        self._server = server
        self._health = health
        self._telemetry = telemetry
        self._metrics = metrics
        self.address = address
        self.metrics_url = "" if metrics is None else metrics.url

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Report NOT_SERVING, let running calls end for up to ``grace_s`` seconds, then stop."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        await asyncio.to_thread(self._telemetry.spans.close)
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)


async def start_server(
    spec: ServiceSpec, host: str = "127.0.0.1", port: int = 0, *, metrics_port: int | None = None
) -> RunningServer:
    """Start ``spec`` on ``host:port`` (port 0: any free one) and return when it serves.

    ``host`` is a name, an IPv4 or IPv6 address, or ``unix:PATH``, which has no port. Metrics are served on
    ``metrics_port`` of the same host, of loopback for a Unix socket; None: not served.

    Raises:
        ConfigError: a port is not between 0 and 65535, or ``host`` is not a host.
        ServiceError: an address cannot be bound.
    """
    if not 0 <= port <= MAX_PORT:
        raise ConfigError(f"port {port} is not between 0 and {MAX_PORT}; 0 takes any free port")
    at = parse_host(host)
    if at.is_unix and at.is_taken():
        raise ServiceError(f"cannot listen on {host}: another process listens there; choose another path")
    server = grpc.aio.server(
        options=[*MESSAGE_SIZE_OPTIONS, ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        interceptors=[spec.telemetry.rpc.interceptor(spec.full_name)],
    )
    spec.add_to(server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((spec.full_name, HEALTH_NAME, reflection.SERVICE_NAME), server)
    server.add_generic_rpc_handlers((UnknownMethods(),))
    try:
        bound = server.add_insecure_port(at.with_port(port))
    except RuntimeError as error:
        another = "give a path in a folder that exists" if at.is_unix else "choose a free port or another host"
        raise ServiceError(f"cannot listen on {at.with_port(port)}: {another}") from error
    metrics = None
    if metrics_port is not None:
        metrics = MetricsEndpoint(spec.telemetry.registry, LOOPBACK if at.is_unix else at, metrics_port)
    await server.start()
    for name in (spec.full_name, ""):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    return RunningServer(server, health, at.with_port(bound), spec.telemetry, metrics)


async def stop_on_signal(servers: Sequence[RunningServer]) -> None:
    """Wait for SIGTERM or SIGINT, then stop all ``servers`` gracefully, at the same time."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()
    await asyncio.gather(*(server.stop() for server in servers))
