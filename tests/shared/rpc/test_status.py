"""Errors keep their class and message across gRPC; a bug in a service shows no internals to the caller."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest

from shared import errors
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
def test_a_link_error_keeps_its_class_and_message(kind):
    error = asyncio.run(failure_of(raising(kind("42 is not 43; say 43"))))
    assert error.code() is link_error_status(kind(""))
    rebuilt = link_error_from_rpc(error, service="the channel")
    assert type(rebuilt) is kind
    assert str(rebuilt) == "42 is not 43; say 43"


def test_a_bug_is_logged_and_not_shown_to_the_caller(caplog):
    error = asyncio.run(failure_of(raising(RuntimeError("secret detail"))))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in error.details()
    assert "secret detail" in caplog.text


def test_a_package_that_is_not_installed_is_a_setup_error_and_a_module_of_ours_a_bug():
    missing = asyncio.run(failure_of(raising(ModuleNotFoundError("no", name="transformers.models"))))
    rebuilt = link_error_from_rpc(missing, service="the receiver")
    assert type(rebuilt) is errors.SetupError
    assert str(rebuilt).startswith("the package transformers is not installed: pip install transformers, or install")
    bug = asyncio.run(failure_of(raising(ModuleNotFoundError("no", name="receiver.hbu"))))
    assert bug.code() is grpc.StatusCode.INTERNAL


def test_an_unreachable_service_is_a_service_error():
    async def run():
        async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [event async for event in channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=30)]
            return caught.value

    error = link_error_from_rpc(asyncio.run(run()), service="the channel at 127.0.0.1:1")
    assert type(error) is errors.ServiceError
    assert "127.0.0.1:1" in str(error)
