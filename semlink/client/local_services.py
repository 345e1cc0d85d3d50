"""Starts services in this process: for ``semlink serve``, and on loopback for a client that has no address of one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from semlink._neighbours import is_installed
from semlink.client.addresses import SERVICE_NAMES, Addresses
from shared.errors import UnknownNameError
from shared.rpc.limits import DEFAULT_LIMITS, ServiceLimits
from shared.rpc.server import RunningServer, ServiceSpec, start_server
from shared.telemetry.spans import make_spans
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from shared.telemetry.spans import Spans

STOP_S = 0.2
OWN_LIMITS = ServiceLimits(memory_bytes=sys.maxsize)
"""Limits of services that a client starts for itself: its own pictures may take all of the machine's memory."""
TRACES_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Environment variable that names the collector of spans, as OpenTelemetry's specification has it."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How services run.

    Attributes:
        host: address to listen on.
        ports: port of each service; any free port for one that is missing.
        metrics_ports: port of each service's metrics; none are served for one that is missing.
        device: where decoders and the captioners of model profiles compute; empty: cuda if there is one, else cpu.
        perceptual: whether the receiver adds perceptual distances and classifier agreement to its metrics.
        traces: URL of the collector of spans; empty: no spans.
        limits: of each service.
    """

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    metrics_ports: Mapping[str, int] = field(default_factory=dict)
    device: str = ""
    perceptual: bool = False
    traces: str = ""
    limits: ServiceLimits = DEFAULT_LIMITS


def make_service(name: str, run: RunSettings) -> ServiceSpec:
    """Return the service called ``name``, to be started with ``run``.

    Raises:
        UnknownNameError: there is no such service.
        ConfigError, SetupError: spans cannot be sent to ``run.traces``.
    """
    if name not in SERVICE_NAMES:
        raise UnknownNameError(f"unknown service '{name}'; known are {', '.join(SERVICE_NAMES)}")
    telemetry = Telemetry(make_spans(run.traces, f"semlink-{name}"))
    # Imports stand in their branch: a machine has only the packages of its own service.
    if name == "sender":
        from semlink.encoder_search.decoder import pocket_decoder  # noqa: PLC0415
        from semlink.encoder_search.hci import PocketDecoderInTheLoop  # noqa: PLC0415
        from semlink.encoder_search.latent import PocketFeatureDistortion  # noqa: PLC0415
        from semlink.encoder_search.residual import PocketResidualCodes  # noqa: PLC0415
        from sender.service import sender_spec  # noqa: PLC0415

        # Without the decoder, `adaptive` chooses the image by its table, and --trade-off is refused.
        if not is_installed("receiver"):
            return sender_spec(telemetry, device=run.device, limits=run.limits)
        trials = pocket_decoder(run.device)
        in_the_loop, distortion = PocketDecoderInTheLoop(trials), PocketFeatureDistortion(trials)
        return sender_spec(telemetry, in_the_loop, distortion, run.device, run.limits, PocketResidualCodes(trials))
    if name == "channel":
        from channel.service.service import channel_spec  # noqa: PLC0415

        return channel_spec(telemetry=telemetry, limits=run.limits)
    from receiver.service import receiver_spec  # noqa: PLC0415

    return receiver_spec(run.device, telemetry, perceptual=run.perceptual, limits=run.limits)


async def start_services(names: Sequence[str], run: RunSettings) -> dict[str, RunningServer]:
    """Start the named services with ``run``: all of them, or none if one fails.

    Raises:
        ServiceError: a port is taken.
        ConfigError, SetupError: spans cannot be sent to ``run.traces``.
    """
    running: dict[str, RunningServer] = {}
    try:
        for name in names:
            running[name] = await start_server(
                make_service(name, run), run.host, run.ports.get(name, 0), metrics_port=run.metrics_ports.get(name)
            )
    except BaseException:
        await _stop(running)
        raise
    return running


@contextlib.asynccontextmanager
async def start_missing_services(
    given: Addresses, names: Sequence[str] = SERVICE_NAMES, *, device: str = ""
) -> AsyncIterator[Addresses]:
    """Yield the addresses of the named services; one without an address is started here, and stopped at the end.

    Raises:
        ConfigError, SetupError: spans cannot be sent to the collector that the environment names.
    """
    missing = [name for name in names if not getattr(given, name)]
    traces = os.environ.get(TRACES_VARIABLE, "")
    running = await start_services(missing, RunSettings(device=device, traces=traces, limits=OWN_LIMITS))
    try:
        yield Addresses(
            **{name: running[name].address if name in running else getattr(given, name) for name in SERVICE_NAMES}
        )
    finally:
        await _stop(running)


@contextlib.asynccontextmanager
async def open_client_spans() -> AsyncIterator[Spans]:
    """Yield what records the client's spans, sent to the collector that the environment names.

    Raises:
        ConfigError, SetupError: spans cannot be sent there.
    """
    spans = make_spans(os.environ.get(TRACES_VARIABLE, ""), "semlink-client")
    try:
        yield spans
    finally:
        await asyncio.to_thread(spans.close)


async def _stop(running: dict[str, RunningServer]) -> None:
    await asyncio.gather(*(server.stop(STOP_S) for server in running.values()))
