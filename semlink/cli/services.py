"""The commands that run services, and the one that asks whether a service serves."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, ServiceName

ENV_FILE = Path(".env")

Host = Annotated[str | None, typer.Option(help="Address to listen on, SEMLINK_HOST.", show_default="127.0.0.1")]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where the receiver's decoder computes: cpu, cuda, cuda:1 ...; SEMLINK_DEVICE.",
        show_default="CUDA where there is one",
    ),
]


def serve(
    service: Annotated[ServiceName, typer.Argument(help="Which service.")],
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0: any free one. SEMLINK_SENDER_PORT ...", show_default="its own")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve metrics to Prometheus there; 0: any free port. SEMLINK_SENDER_METRICS_PORT ...",
            show_default="no metrics",
        ),
    ] = None,
    device: Device = None,
    judge: Annotated[
        bool | None,
        typer.Option(
            "--judge/--no-judge",
            help="Receiver: for the metrics, measure perceptual distances and a classifier too. SEMLINK_JUDGE.",
            show_default="no",
        ),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            help="Send spans to this collector, as http://localhost:4317. OTEL_EXPORTER_OTLP_ENDPOINT.",
            show_default="none",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run one service until it is told to stop (SIGTERM, Ctrl-C). What no option says, the environment may."""
    from semlink.client.deployment import deployment_in  # noqa: PLC0415 - keeps --help quick
    from semlink.client.local_services import TRACES_VARIABLE  # noqa: PLC0415
    from semlink.client.serving import serve_until_stopped  # noqa: PLC0415
    from shared.errors import ConfigError  # noqa: PLC0415

    if service is not ServiceName.RECEIVER:
        for option, value in (("--device", device), ("--judge", judge)):
            if value:
                raise ConfigError(f"{option}: only the receiver has a decoder; leave it out")
    name = service.value.upper()
    options = {
        "SEMLINK_HOST": host,
        f"SEMLINK_{name}_PORT": port,
        f"SEMLINK_{name}_METRICS_PORT": metrics_port,
        "SEMLINK_DEVICE": device,
        "SEMLINK_JUDGE": judge,
        TRACES_VARIABLE: traces,
    }
    serve_until_stopped(service.value, deployment_in(os.environ, options), as_json=json)
    leave_threads(0)


def up(
    host: Host = None,
    device: Device = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--env-file", help="Settings, the file that docker compose reads.", metavar="FILE", show_default=".env"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run the three services as processes, as docker compose does, until told to stop (SIGTERM, Ctrl-C)."""
    from semlink.client.deployment import deployment_in, env_file, require_known  # noqa: PLC0415 - keeps --help quick
    from semlink.client.processes import run_processes  # noqa: PLC0415

    file = settings or ENV_FILE
    found = env_file(file) if settings is not None or file.is_file() else {}
    require_known(found, file)
    given = {"SEMLINK_HOST": host, "SEMLINK_DEVICE": device}
    environment = {**found, **os.environ, **{name: value for name, value in given.items() if value is not None}}
    deployment_in(environment)
    run_processes(environment, as_json=json)
    leave_threads(0)


def probe(
    address: Annotated[str, typer.Argument(help="host:port of a service.")],
    timeout: Annotated[float, typer.Option(help="Deadline in seconds.", min=0.1, max=86400)] = 5.0,
    json: Json = False,
) -> None:
    """Ask a service whether it serves; status 0 if so, 2 if not: the health check of containers."""
    from semlink.cli.output import print_json  # noqa: PLC0415 - keeps --help quick
    from semlink.client.health import probe_service  # noqa: PLC0415

    probe_service(address, timeout)
    if json:
        print_json({"address": address, "status": "SERVING"})
    else:
        print(f"{address} SERVING")


def leave_threads(status: int) -> None:
    """End the process now: threads that still encode or decode would hold it for as long as they take."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)  # they write no files
