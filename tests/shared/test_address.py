"""Addresses of services, to listen on and to reach."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.service.service import channel_spec
from shared.address import parse_host, require_address, split_port
from shared.errors import ConfigError, LinkError, ServiceError
from shared.rpc.server import start_server


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "localhost:1", "[::1]:50051", "unix:/run/semlink.sock"])
def test_an_address_is_host_and_port_or_has_a_scheme_of_grpc(address):
    require_address("the sender", address)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "http://localhost:50051", "host:0", "host:65536", "host:port", ":50051", "::1:50051"]
)
def test_anything_else_is_refused_as_an_address(address):
    with pytest.raises(ConfigError, match=r"is not an address of the sender: give HOST:PORT, as 127\.0\.0\.1:50051$"):
        require_address("the sender", address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1:5"),
        ("0.0.0.0", "0.0.0.0:5"),
        ("localhost", "localhost:5"),
        ("::1", "[::1]:5"),
        ("[::1]", "[::1]:5"),
        ("::", "[::]:5"),
        ("fe80::1%eth0", "[fe80::1%eth0]:5"),
        ("unix:/run/semlink.sock", "unix:/run/semlink.sock"),
        ("unix-abstract:semlink", "unix-abstract:semlink"),
    ],
)
def test_a_host_gets_its_port(text, address):
    assert parse_host(text).with_port(5) == address


@pytest.mark.parametrize(
    "text", ["", "unix:", "127.0.0.1:50051", "[::1]:50051", "http://localhost", "a b", "[]", "1::2::3"]
)
def test_anything_else_is_refused_as_a_host(text):
    with pytest.raises(ConfigError, match="is not an address to listen on: give a host without its port"):
        parse_host(text)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_a_link_error(text):
    host, port = split_port(text)
    assert port is None or text == f"{host}:{text[len(host) + 1 :]}"
    try:
        name, message = parse_host(text).name, ""
    except LinkError as error:
        name, message = "", str(error)
    assert name in text
    assert "\n" not in message


@pytest.mark.parametrize("host", ["::1", "unix:{}/channel.sock"])
def test_metrics_are_served_beside_the_service(host, tmp_path):
    async def run() -> str:
        server = await start_server(channel_spec(), host.format(tmp_path), metrics_port=0)
        try:
            return await asyncio.to_thread(_read, server.metrics_url)
        finally:
            await server.stop(0)

    assert "process_resident_memory_bytes" in asyncio.run(run())


def _read(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as reply:
        return reply.read().decode()


def test_a_unix_socket_that_is_taken_or_cannot_be_made_is_one_line(tmp_path):
    host = f"unix:{tmp_path}/channel.sock"

    async def start_twice() -> None:
        first = await start_server(channel_spec(), host)
        try:
            await start_server(channel_spec(), host)
        finally:
            await first.stop(0)

    with pytest.raises(ServiceError, match=r"channel\.sock: another process listens there; choose another path$"):
        asyncio.run(start_twice())
    with pytest.raises(ServiceError, match=r"give a path in a folder that exists$"):
        asyncio.run(start_server(channel_spec(), f"unix:{tmp_path}/no/channel.sock"))
