"""Connects to a service, and waits for one that is about to start or too busy to accept a connection at once."""

from __future__ import annotations

import asyncio
import re
import time

import grpc
import grpc.aio

from shared.errors import ConfigError, ServiceError
from shared.printable import printable

RETRY_S = 3.0
"""Shortest time for further attempts after the first one failed; it fails at once if nothing listens."""
RETRY_FACTOR = 2.0
"""Time for further attempts over the time of the first one: the first attempt at a busy service fails late."""

_HOST_AND_PORT = re.compile(r"([^\s:/\[\]]+|\[[0-9a-fA-F:.%\w]+\]):(\d{1,5})")
_GRPC_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
MAX_PORT = 65535


def require_address(service: str, address: str) -> None:
    """Check that ``address`` is ``host:port`` or has a scheme of gRPC. gRPC would accept a URL and never connect.

    Raises:
        ConfigError: ``address`` is neither.
    """
    if address.startswith(_GRPC_SCHEMES):
        return
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or printable(address) != address or not 0 < int(found[2]) <= MAX_PORT:
        raise ConfigError(f"{address!r} is not an address of {service}: give HOST:PORT, as 127.0.0.1:50051")


async def connect(channel: grpc.aio.Channel, service: str, timeout_s: float) -> None:
    """Return when ``channel`` is connected. Without this wait, a call fails with the first attempt to connect.

    Raises:
        ServiceError: ``service`` cannot be reached within ``timeout_s``, or several attempts failed.
    """
    started_s = time.monotonic()
    left_s = timeout_s
    state = channel.get_state(try_to_connect=True)
    failed = False
    while state is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and not failed:
            failed = True
            took_s = time.monotonic() - started_s
            left_s = min(timeout_s, took_s + max(RETRY_S, RETRY_FACTOR * took_s))
        try:
            async with asyncio.timeout(left_s - (time.monotonic() - started_s)):
                await channel.wait_for_state_change(state)
        except TimeoutError:
            raise ServiceError(f"{service} cannot be reached: check its address and that it is running") from None
        state = channel.get_state(try_to_connect=True)
