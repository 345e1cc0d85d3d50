"""Running services in the foreground until a signal: one in this process, or all three as processes of their own."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from semlink.cli.output import print_json
from semlink.client.local_services import RunSettings, start_services
from shared.rpc.server import stop_on_signal

if TYPE_CHECKING:
    from semlink.client.deployment import Deployment


def serve_until_stopped(name: str, deployment: Deployment, *, as_json: bool) -> None:
    """Start the service ``name``, print its addresses, and return after a graceful stop.

    Raises:
        ServiceError: a port is taken.
        ConfigError, SetupError: traces cannot be sent where they are to go.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_serve(name, deployment.run_settings(), as_json=as_json))


async def _serve(name: str, run: RunSettings, *, as_json: bool) -> None:
    running = (await start_services([name], run))[name]
    if as_json:
        print_json({name: running.address} | ({"metrics": running.metrics_url} if running.metrics_url else {}))
    else:
        print(f"{name} listens on {running.address}" + (running.metrics_url and f", metrics at {running.metrics_url}"))
    sys.stdout.flush()
    await stop_on_signal([running])
