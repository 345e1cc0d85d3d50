"""``semlink up``: the three services as processes, until a signal stops them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.exit import exit_now
from semlink.cli.options import Json
from semlink.cli.output import print_json
from semlink.cli.serve import Host, ServiceDevice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.client.processes import ServiceProcess

ENV_FILE = Path(".env")


def up(
    host: Host = None,
    device: ServiceDevice = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--env-file",
            help="File of settings as NAME=value lines, the one that docker compose reads.",
            metavar="FILE",
            show_default=".env",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the three services as processes until Ctrl-C or SIGTERM, with the settings that docker compose uses.

    Options take precedence over environment variables, and these over the file of settings.
    """
    from semlink.client.deployment import read_deployment, read_env_file, require_known
    from semlink.client.processes import run_processes

    file = settings or ENV_FILE
    found = read_env_file(file) if settings is not None or file.is_file() else {}
    require_known(found, file)
    given = {"SEMLINK_HOST": host, "SEMLINK_DEVICE": device}
    environment = {**found, **os.environ, **{name: value for name, value in given.items() if value is not None}}
    read_deployment(environment)  # a typo is reported here, before any process starts
    run_processes(environment, on_ready=_print_json if as_json else _print_addresses)
    exit_now(0)


def _print_json(services: Sequence[ServiceProcess]) -> None:
    print_json({service.name: {"address": service.address, "metrics": service.metrics_url} for service in services})
    sys.stdout.flush()


def _print_addresses(services: Sequence[ServiceProcess]) -> None:
    for service in services:
        metrics = service.metrics_url and f", metrics at {service.metrics_url}"
        print(f"{service.name} listens on {service.address}{metrics}")
    print("Ctrl-C stops all")
    sys.stdout.flush()
