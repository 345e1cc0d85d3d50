"""Connecting to a service that starts late, and to one that never starts."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc.aio
import pytest

from sender.service import sender_spec
from shared.errors import ConfigError, ServiceError
from shared.rpc.connect import RETRY_S, connect, require_address
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


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "localhost:1", "[::1]:50051", "unix:/run/semlink.sock"])
def test_an_address_is_host_and_port_or_has_a_scheme_of_grpc(address):
    require_address("the sender", address)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "http://localhost:50051", "host:0", "host:65536", "host:port", ":50051", "::1:50051"]
)
def test_anything_else_is_refused_as_an_address(address):
    with pytest.raises(ConfigError, match=r"is not an address of the sender: give HOST:PORT, as 127\.0\.0\.1:50051$"):
        require_address("the sender", address)
