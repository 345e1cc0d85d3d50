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
from shared.rpc.gate import Gate
from shared.rpc.limits import CLOSING_S, DEFAULT_LIMITS, MESSAGE_SIZE_OPTIONS, ServiceLimits
from shared.rpc.status import UnknownMethods
from shared.telemetry.endpoint import MetricsEndpoint
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK = Host("127.0.0.1")
LAST_STATUS_S = 0.2
"""How long those who watch the health of a service that stops may take to read its last status."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to start: its full proto name, a function that adds it to a server, its telemetry, and its limits."""

    full_name: str
    add_to: Callable[[grpc.aio.Server], None]
    telemetry: Telemetry = field(default_factory=Telemetry)
    limits: ServiceLimits = DEFAULT_LIMITS


class RunningServer:
    """A started server.

    ``address`` is ``host:port``, with the port that the system chose for port 0, or ``unix:PATH``. ``metrics_url`` is
    empty if no metrics are served.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        gate: Gate,
        health: health_aio.HealthServicer,
        address: str,
        spec: ServiceSpec,
        metrics: MetricsEndpoint | None,
    ) -> None:
        self._server = server
        self._gate = gate
        self._health = health
        self._spec = spec
        self._metrics = metrics
        self.address = address
        self.metrics_url = "" if metrics is None else metrics.url

    async def stop(self, grace_s: float | None = None) -> None:
        """Report NOT_SERVING and refuse new calls, let running ones end for ``grace_s`` seconds, then stop.

        By default they have the grace of the limits but for its end. Health is answered until they have ended.
        """
        await self._health.enter_graceful_shutdown()
        await self._gate.close(max(0.0, self._spec.limits.grace_s - CLOSING_S) if grace_s is None else grace_s)
        await self._server.stop(LAST_STATUS_S if grace_s is None else min(grace_s, LAST_STATUS_S))
        await asyncio.to_thread(self._spec.telemetry.spans.close)
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
    gate = Gate(spec.full_name, spec.limits)
    server = grpc.aio.server(
        options=[*MESSAGE_SIZE_OPTIONS, ("grpc.so_reuseport", 0)],
        interceptors=[spec.telemetry.rpc.interceptor(spec.full_name), gate],
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
    return RunningServer(server, gate, health, at.with_port(bound), spec, metrics)


async def stop_on_signal(servers: Sequence[RunningServer]) -> None:
    """Wait for SIGTERM or SIGINT, then stop all ``servers`` gracefully, at the same time."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()
    await asyncio.gather(*(server.stop() for server in servers))
