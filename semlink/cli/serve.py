"""``semlink serve``: one service in this process, until a signal stops it."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.exit import exit_now
from semlink.cli.options import CUDA_OR_CPU, DEVICES, Json
from semlink.cli.output import print_json
from shared.address import split_port
from shared.errors import ConfigError

if TYPE_CHECKING:
    from semlink.client.local_services import RunSettings

Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        help="Address to listen on: a host, an IPv4 or IPv6 address, or unix:PATH; variable SEMLINK_HOST.",
        metavar="ADDRESS",
        show_default="127.0.0.1",
    ),
]
ServiceDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        help=f"Device of the receiver's decoder: {DEVICES}; variable SEMLINK_DEVICE.",
        metavar="DEVICE",
        show_default=CUDA_OR_CPU,
    ),
]


class ServiceName(StrEnum):
    """The services of the link."""

    SENDER = "sender"
    CHANNEL = "channel"
    RECEIVER = "receiver"


def serve(
    service: Annotated[ServiceName, typer.Argument(help="The service to run.")],
    host: Host = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on, 0 for any free one; variable SEMLINK_{SENDER,CHANNEL,RECEIVER}_PORT.",
            metavar="PORT",
            show_default="sender 50051, channel 50052, receiver 50053",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the metrics for Prometheus, 0 for any free one; "
            "variable SEMLINK_{SENDER,CHANNEL,RECEIVER}_METRICS_PORT.",
            metavar="PORT",
            show_default="no metrics",
        ),
    ] = None,
    device: ServiceDevice = None,
    perceptual: Annotated[
        bool | None,
        typer.Option(
            "--perceptual/--no-perceptual",
            help="Receiver: add perceptual distances and a classifier's agreement to the metrics; variable "
            "SEMLINK_PERCEPTUAL.",
            show_default="no",
        ),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            help="Collector of OpenTelemetry spans, for example http://localhost:4317; variable "
            "OTEL_EXPORTER_OTLP_ENDPOINT.",
            metavar="URL",
            show_default="no spans",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run one service until Ctrl-C or SIGTERM.

    An option that is not given is read from the environment variable named beside it.
    """
    import asyncio
    import logging

    from semlink.client.deployment import read_deployment
    from semlink.client.local_services import TRACES_VARIABLE

    if service is not ServiceName.RECEIVER:
        for option, value in (("--device", device), ("--perceptual", perceptual)):
            if value:
                raise ConfigError(f"{option}: only the receiver has a decoder; leave it out")
    host, port = _read_host(host, port)
    name = service.value.upper()
    options = {
        "SEMLINK_HOST": host,
        f"SEMLINK_{name}_PORT": port,
        f"SEMLINK_{name}_METRICS_PORT": metrics_port,
        "SEMLINK_DEVICE": device,
        "SEMLINK_PERCEPTUAL": perceptual,
        TRACES_VARIABLE: traces,
    }
    deployment = read_deployment(os.environ, options)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_serve(service.value, deployment.run_settings(), as_json=as_json))
    exit_now(0)


def _read_host(host: str | None, port: int | None) -> tuple[str | None, int | None]:
    """Return ``host`` and ``port``, the port of ``--host HOST:PORT`` if there is one.

    Raises:
        ConfigError: two ports are given.
    """
    if host is None:
        return host, port
    alone, its_port = split_port(host)
    if its_port is not None and port not in {None, its_port}:
        raise ConfigError(f"--host {host} and --port {port} name two ports; give one of them")
    return alone, port if its_port is None else its_port


async def _serve(name: str, run: RunSettings, *, as_json: bool) -> None:
    """Start the service, print where it listens, and return after a graceful stop."""
    from semlink.client.local_services import start_services
    from shared.rpc.server import stop_on_signal

    server = (await start_services([name], run))[name]
    if as_json:
        print_json({name: server.address} | ({"metrics": server.metrics_url} if server.metrics_url else {}))
    else:
        print(f"{name} listens on {server.address}" + (server.metrics_url and f", metrics at {server.metrics_url}"))
    sys.stdout.flush()
    await stop_on_signal([server])
