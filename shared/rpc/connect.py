"""Connects to a service, and waits for one that is about to start or too busy to accept a connection at once."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

import grpc
import grpc.aio

from shared.address import require_address
from shared.errors import ConfigError, ServiceError
from shared.rpc.limits import MESSAGE_SIZE_OPTIONS

RETRY_S = 3.0
"""Shortest time for further attempts after the first one failed; it fails at once if nothing listens."""
RETRY_FACTOR = 2.0
"""Time for further attempts over the time of the first one: the first attempt at a busy service fails late."""

PROXY_VARIABLE: Final = "SEMLINK_USE_PROXY"
"""Environment variable that lets clients of the services use the proxy of the environment."""
SPREAD_CALLS: Final = (("grpc.lb_policy_name", "round_robin"),)
"""A name that resolves to several copies of a service is called in turn; gRPC's default is the first one alone."""
_BOOLEANS: Final = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def open_channel(service: str, address: str) -> grpc.aio.Channel:
    """Return a channel to ``service`` at ``address``, which connects at its first use.

    It ignores ``http_proxy`` and the like: the services are near, and containers inherit the proxy of their host. The
    variable ``SEMLINK_USE_PROXY`` asks for the proxy.

    Raises:
        ConfigError: ``address`` is not an address, or the variable is not a boolean.
    """
    require_address(service, address)
    proxy = ("grpc.enable_http_proxy", int(_wants_proxy()))
    return grpc.aio.insecure_channel(address, options=[*MESSAGE_SIZE_OPTIONS, *SPREAD_CALLS, proxy])


def _wants_proxy() -> bool:
    text = os.environ.get(PROXY_VARIABLE, "").lower()
    if text not in _BOOLEANS:
        raise ConfigError(f"{PROXY_VARIABLE} = {text!r}: give 1 to reach services by the proxy, 0 or nothing to not")
    return _BOOLEANS[text]


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
