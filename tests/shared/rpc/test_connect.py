"""Connecting to a service that starts late, and to one that never starts."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc.aio
import pytest

from sender.service import sender_spec
from shared.errors import ConfigError, ServiceError
from shared.rpc.connect import PROXY_VARIABLE, RETRY_S, connect, open_channel
from shared.rpc.server import start_server


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_service_that_starts_after_the_first_attempt_is_reached(free_port):
    async def run():
        async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel:
            connecting = asyncio.create_task(connect(channel, "the sender", 60))
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                await channel.wait_for_state_change(state)
                state = channel.get_state()
            server = await start_server(sender_spec(), port=free_port)
            await connecting
            await server.stop(0)

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize("timeout_s", [0.1, 300])
def test_a_service_that_does_not_run_is_reported_within_seconds(free_port, timeout_s):
    async def run():
        async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel:
            await connect(channel, "the sender at HOST", timeout_s)

    started_s = time.monotonic()
    with pytest.raises(ServiceError, match=r"^the sender at HOST cannot be reached: check its address"):
        asyncio.run(run())
    assert time.monotonic() - started_s < 60 + RETRY_S


DEAD_PROXY = "http://127.0.0.1:9"


async def _reach(host: str = "127.0.0.1") -> None:
    server = await start_server(sender_spec(), host)
    try:
        async with open_channel("the sender", server.address) as channel:
            await connect(channel, "the sender", 20)
    finally:
        await server.stop(0)


def test_services_are_reached_without_the_proxy_of_the_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, DEAD_PROXY)
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asyncio.run(_reach())
    monkeypatch.setenv(PROXY_VARIABLE, "1")
    with pytest.raises(ServiceError, match="cannot be reached"):
        asyncio.run(_reach())
    monkeypatch.setenv(PROXY_VARIABLE, "perhaps")
    with pytest.raises(ConfigError, match="SEMLINK_USE_PROXY = 'perhaps': give 1"):
        asyncio.run(_reach())


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost", "unix:{}/sender.sock"])
def test_a_service_is_reached_where_it_says_that_it_listens(host, tmp_path):
    asyncio.run(_reach(host.format(tmp_path)))
