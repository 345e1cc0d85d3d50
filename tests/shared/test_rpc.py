"""RPC plumbing: errors keep their class across gRPC, servers are bounded, discoverable and stop gracefully."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from channel.service.service import channel_spec
from shared import errors
from shared.rpc.chunks import ChunkBuffer, split_chunks
from shared.rpc.limits import CHUNK_BYTES, MAX_CONCURRENT_CALLS
from shared.rpc.semlink.v1 import channel_pb2, channel_pb2_grpc
from shared.rpc.server import ServiceSpec, start_server
from shared.rpc.status import link_error_from_rpc, link_error_status, streaming_rpc

ALL_ERRORS = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.LinkError)
]


def raising(error: BaseException) -> ServiceSpec:
    class Service(channel_pb2_grpc.ChannelServiceServicer):
        @streaming_rpc
        async def Transmit(self, request_iterator, context):  # noqa: N802
            if error is not None:
                raise error
            yield channel_pb2.TransmitResponse()

    return ServiceSpec(
        "semlink.v1.ChannelService",
        lambda server: channel_pb2_grpc.add_ChannelServiceServicer_to_server(Service(), server),
    )


async def failure_of(spec: ServiceSpec) -> grpc.aio.AioRpcError:
    server = await start_server(spec)
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=30)
            await call.done_writing()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [event async for event in call]
            return caught.value
    finally:
        await server.stop(0)


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_every_link_error_arrives_as_itself(kind):
    error = asyncio.run(failure_of(raising(kind("42 is not 43; say 43"))))
    assert error.code() is link_error_status(kind(""))
    rebuilt = link_error_from_rpc(error, service="the channel")
    assert type(rebuilt) is kind
    assert str(rebuilt) == "42 is not 43; say 43"


def test_a_fault_of_ours_shows_no_internals(caplog):
    error = asyncio.run(failure_of(raising(RuntimeError("secret detail"))))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in error.details()
    assert "secret detail" in caplog.text


def test_unreachable_is_a_service_error():
    async def run():
        async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [event async for event in channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=30)]
            return caught.value

    error = link_error_from_rpc(asyncio.run(run()), service="the channel at 127.0.0.1:1")
    assert type(error) is errors.ServiceError
    assert "127.0.0.1:1" in str(error)


def test_health_and_reflection_name_the_service_and_health_ends_with_the_server():
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


def test_calls_beyond_the_limit_are_refused_not_queued():
    async def run():
        server = await start_server(channel_spec())
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub = channel_pb2_grpc.ChannelServiceStub(channel)
                open_calls = [stub.Transmit(timeout=60) for _ in range(MAX_CONCURRENT_CALLS)]
                await asyncio.gather(*(call.wait_for_connection() for call in open_calls), return_exceptions=True)
                extra = stub.Transmit(timeout=60)
                code = await extra.code()
                for call in open_calls:
                    call.cancel()
                return code
        finally:
            await server.stop(0)

    assert asyncio.run(run()) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_chunks_join_again_and_have_a_limit():
    data = bytes(range(256)) * 700
    pieces = list(split_chunks(data))
    assert max(map(len, pieces)) == CHUNK_BYTES
    buffer = ChunkBuffer("the picture file", limit=len(data))
    for piece in pieces:
        buffer.add(piece)
    assert buffer.join() == data
    with pytest.raises(errors.LimitError, match="picture file is larger than 179200 bytes"):
        buffer.add(b"x")


def test_a_port_outside_the_range_is_a_config_error():
    with pytest.raises(errors.ConfigError, match="70000"):
        asyncio.run(start_server(channel_spec(), port=70000))
