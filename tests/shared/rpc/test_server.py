"""The server of a service: health, reflection, and a graceful stop. Its limits: test_gate.py."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from channel.service.service import channel_spec
from shared.errors import ConfigError
from shared.rpc.server import start_server


def test_health_and_reflection_name_the_service_and_a_stop_reports_not_serving():
    async def run():
        server = await start_server(channel_spec())
        async with grpc.aio.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="semlink.v1.ChannelService")
            before = (await health.Check(request, timeout=10)).status
            watching = health.Watch(request, timeout=30)
            first = (await watching.read()).status
            listing = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10
            )
            names = {
                service.name for reply in [r async for r in listing] for service in reply.list_services_response.service
            }
            stopping = asyncio.create_task(server.stop(1.0))
            last = (await watching.read()).status
            watching.cancel()
            await stopping
        return before, first, last, names

    before, first, last, names = asyncio.run(run())
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert (before, first, last) == (serving, serving, not_serving)
    assert {"semlink.v1.ChannelService", "grpc.health.v1.Health"} <= names


def test_a_port_outside_the_range_is_a_config_error():
    with pytest.raises(ConfigError, match="70000"):
        asyncio.run(start_server(channel_spec(), port=70000))
