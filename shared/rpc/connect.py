"""Waiting for a service that is about to listen, or that is too busy to answer a new connection at once."""

from __future__ import annotations

import asyncio
import re
import time

import grpc
import grpc.aio

from shared.errors import ConfigError, ServiceError

PATIENCE_S = 3.0
"""How long a first attempt to connect that failed at once, as where nothing listens, is followed by others."""
PATIENCE_FACTOR = 2.0
"""How many times as long as the first attempt took, where it failed late: a busy service deserves another."""


_HOST_AND_PORT = re.compile(r"([^\s:/\[\]]+|\[[0-9a-fA-F:.%\w]+\]):(\d{1,5})")
_GRPC_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
MAX_PORT = 65535


def require_address(service: str, address: str) -> None:
    """Refuse what gRPC would take for an address, and then try in vain: one without a port, or a URL.

    Raises:
        ConfigError: ``address`` is neither ``host:port`` nor one of gRPC's own schemes.
    """
    if address.startswith(_GRPC_SCHEMES):
        return
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or not 0 < int(found[2]) <= MAX_PORT:
        raise ConfigError(f"{address!r} is no address of {service}: give HOST:PORT, as 127.0.0.1:50051")


async def connect(channel: grpc.aio.Channel, service: str, timeout_s: float) -> None:
    """Return once ``channel`` is connected. A call on its own gives up after the first attempt that fails.

    Raises:
        ServiceError: ``service`` cannot be reached within ``timeout_s``, or several attempts have failed.
    """
    started_s = time.monotonic()
    left_s = timeout_s
    state = channel.get_state(try_to_connect=True)
    failed = False
    while state is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and not failed:
            failed = True
            took_s = time.monotonic() - started_s
            left_s = min(timeout_s, took_s + max(PATIENCE_S, PATIENCE_FACTOR * took_s))
        try:
            async with asyncio.timeout(left_s - (time.monotonic() - started_s)):
                await channel.wait_for_state_change(state)
        except TimeoutError:
            raise ServiceError(f"{service} cannot be reached: check its address and that it is running") from None
        state = channel.get_state(try_to_connect=True)
