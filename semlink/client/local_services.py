"""The three services on loopback in this process: the same code path as three containers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from semlink.client.addresses import SERVICE_NAMES, Addresses
from shared.errors import ConfigError, UnknownNameError
from shared.rpc.server import RunningServer, ServiceSpec, start_server
from shared.telemetry.spans import spans_to
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from shared.telemetry.spans import Spans

STOP_S = 0.2
TRACES_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Environment variable that names the collector of spans, as OpenTelemetry's specification has it."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How services run.

    ``ports`` holds where each listens (any free port for one that is not there), ``metrics_ports`` where each serves
    its metrics (nowhere for one that is not there). Decoders, the sender's own too, compute on ``device``, the
    empty one is their choice; ``judging`` has the receiver measure for its metrics what networks say of its pictures.
    Spans go to the collector at ``traces``.
    """

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    metrics_ports: Mapping[str, int] = field(default_factory=dict)
    device: str = ""
    judging: bool = False
    traces: str = ""


def service_named(name: str, run: RunSettings | None = None) -> ServiceSpec:
    """Return the service called ``name`` as a spec to run as ``run`` says.

    Raises:
        UnknownNameError: there is no such service.
        ConfigError, SetupError: spans cannot be sent to ``run.traces``.
    """
    run = run or RunSettings()
    if name not in SERVICE_NAMES:
        raise UnknownNameError(f"unknown service '{name}'; known are {', '.join(SERVICE_NAMES)}")
    telemetry = Telemetry(spans_to(run.traces, f"semlink-{name}"))
    # Imported one by one, so that a machine needs only what its own service needs.
    if name == "sender":
        from semlink.encoder_search.decoder import pocket_decoder  # noqa: PLC0415
        from semlink.encoder_search.hci import PocketDecoderInTheLoop  # noqa: PLC0415
        from semlink.encoder_search.latent import PocketFeatureDistortion  # noqa: PLC0415
        from sender.service import sender_spec  # noqa: PLC0415

        # Where only the sender is installed, `adaptive` chooses by its table, and there are no trade-offs.
        if not importlib.util.find_spec("receiver"):
            return sender_spec(telemetry=telemetry)
        trials = pocket_decoder(run.device)
        return sender_spec(telemetry, PocketDecoderInTheLoop(trials), PocketFeatureDistortion(trials))
    if name == "channel":
        from channel.service.service import channel_spec  # noqa: PLC0415

        return channel_spec(telemetry=telemetry)
    from receiver.service import receiver_spec  # noqa: PLC0415

    return receiver_spec(run.device, telemetry, judging=run.judging)


async def start_services(names: Sequence[str], run: RunSettings) -> dict[str, RunningServer]:
    """Start the named services as ``run`` says; all or none.

    Raises:
        ServiceError: a port is taken.
        ConfigError, SetupError: spans cannot be sent to ``run.traces``.
    """
    running: dict[str, RunningServer] = {}
    try:
        for name in names:
            running[name] = await start_server(
                service_named(name, run), run.host, run.ports.get(name, 0), metrics_port=run.metrics_ports.get(name)
            )
    except BaseException:
        await _stop(running)
        raise
    return running


@contextlib.asynccontextmanager
async def reachable_services(
    given: Addresses, names: Sequence[str] = SERVICE_NAMES, *, device: str = ""
) -> AsyncIterator[Addresses]:
    """Yield addresses of the named services: those given, and services started here for those that are not.

    Raises:
        ConfigError: a ``device`` is asked for, yet the receiver runs elsewhere.
    """
    if device and given.receiver:
        raise ConfigError(
            f"--device {device}: the receiver at {given.receiver} computes where its own --device says; leave it out"
        )
    missing = [name for name in names if not getattr(given, name)]
    running = await start_services(missing, RunSettings(device=device, traces=os.environ.get(TRACES_VARIABLE, "")))
    try:
        yield Addresses(
            **{name: running[name].address if name in running else getattr(given, name) for name in SERVICE_NAMES}
        )
    finally:
        await _stop(running)


@contextlib.asynccontextmanager
async def client_spans() -> AsyncIterator[Spans]:
    """Yield what records the client's spans, as the environment says.

    Raises:
        ConfigError, SetupError: spans cannot be sent there.
    """
    spans = spans_to(os.environ.get(TRACES_VARIABLE, ""), "semlink-client")
    try:
        yield spans
    finally:
        await asyncio.to_thread(spans.close)


async def _stop(running: dict[str, RunningServer]) -> None:
    await asyncio.gather(*(server.stop(STOP_S) for server in running.values()))
