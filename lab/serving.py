"""Running services in the foreground until a signal."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from lab.embedded import DEFAULT_PORTS, start_services
from lab.output import print_json
from shared.errors import ConfigError
from shared.rpc.server import stop_on_signal

if TYPE_CHECKING:
    from collections.abc import Sequence


def serve_until_stopped(
    names: Sequence[str], host: str, ports: dict[str, int], *, device: str = "", as_json: bool
) -> None:
    """Start the named services, print their addresses, and return after a graceful stop.

    Raises:
        ConfigError: a ``device`` is given, and no receiver among the services.
        ServiceError: a port is taken.
    """
    if device and "receiver" not in names:
        raise ConfigError(f"--device {device}: only the receiver has a decoder; leave it out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_serve(names, host, {**DEFAULT_PORTS, **ports}, device=device, as_json=as_json))


async def _serve(names: Sequence[str], host: str, ports: dict[str, int], *, device: str, as_json: bool) -> None:
    running = await start_services(names, host, ports, device=device)
    if as_json:
        print_json({name: server.address for name, server in running.items()})
    else:
        for name, server in running.items():
            print(f"{name} listens on {server.address}")
    sys.stdout.flush()
    await stop_on_signal(list(running.values()))
