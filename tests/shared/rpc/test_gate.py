"""The gate of a service: silent, too many, malformed and late calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from semlink.client.health import check_serving
from shared.errors import DeadlineError, LimitError, ServiceError
from shared.rpc.gate import BUSY_RETRY_S
from shared.rpc.limits import DEFAULT_LIMITS, MAX_SIDE_CALLS
from shared.rpc.seldom import INTERVAL_S, SeldomLog
from shared.rpc.semlink.v1 import channel_pb2, channel_pb2_grpc
from shared.rpc.server import ServiceSpec, start_server
from shared.rpc.status import link_error_from_rpc, streaming_rpc, unary_rpc

TRANSMIT = "/semlink.v1.ChannelService/Transmit"
LIST = "/semlink.v1.ChannelService/ListChannels"
REQUEST = channel_pb2.TransmitRequest(settings=channel_pb2.ChannelSettings(profile="awgn"))


class Echo(channel_pb2_grpc.ChannelServiceServicer):
    """Answers each message, and holds the call open if ``hold`` is set."""

    def __init__(self):
        self.hold: asyncio.Event | None = None

    @streaming_rpc
    async def Transmit(self, request_iterator, context):  # noqa: N802
        async for _ in request_iterator:
            yield channel_pb2.TransmitResponse()
        if self.hold is not None:
            await self.hold.wait()

    @unary_rpc
    async def ListChannels(self, request, context):  # noqa: N802
        return channel_pb2.ListChannelsResponse()


@contextlib.asynccontextmanager
async def serving(echo: Echo, **limits):
    spec = ServiceSpec(
        "semlink.v1.ChannelService",
        lambda server: channel_pb2_grpc.add_ChannelServiceServicer_to_server(echo, server),
        limits=replace(DEFAULT_LIMITS, **limits),
    )
    server = await start_server(spec)
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, channel
    finally:
        await server.stop(0)


async def failure(call, *requests, done=True):
    """The LinkError with which a call ends."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for request in requests:
            await call.write(request)
        if done:
            await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [event async for event in call]
    return link_error_from_rpc(caught.value, service="the channel")


def transmit(channel):
    return channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=60)


def test_health_is_answered_in_a_fifth_of_a_second_and_calls_are_served_under_silent_streams():
    async def run():
        async with serving(Echo(), first_message_s=60) as (server, channel):
            silent = [transmit(channel) for _ in range(16)]
            await asyncio.gather(*(call.wait_for_connection() for call in silent), return_exceptions=True)
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())
            started_s = time.monotonic()
            reply = await health.Check(health_pb2.HealthCheckRequest())
            took_s = time.monotonic() - started_s
            await check_serving(server.address, 5)  # what `semlink probe` does
            honest = transmit(channel)
            await honest.write(REQUEST)
            await honest.done_writing()
            answers = [event async for event in honest]
            for call in silent:
                call.cancel()
        return reply.status, took_s, answers

    status, took_s, answers = asyncio.run(run())
    assert status == health_pb2.HealthCheckResponse.SERVING
    assert took_s < 0.2
    assert len(answers) == 1


@pytest.mark.parametrize("requests", [(), (REQUEST,)], ids=["first message", "further message"])
def test_a_caller_that_sends_nothing_gets_a_deadline_error(requests):
    async def run():
        async with serving(Echo(), first_message_s=0.05, idle_s=0.05) as (_, channel):
            return await failure(transmit(channel), *requests, done=False)

    error = asyncio.run(run())
    assert type(error) is DeadlineError
    assert "no message came for 0.05 s" in str(error)


def test_calls_beyond_the_limit_are_refused_with_the_time_to_retry_and_health_is_still_answered():
    async def run():
        async with serving(Echo(), calls=4) as (server, channel):
            held = [transmit(channel) for _ in range(4)]
            for call in held:
                await call.write(REQUEST)
                await call.read()
            refused = await failure(transmit(channel), *[REQUEST] * 20)
            await check_serving(server.address, 5)
            for call in held:
                call.cancel()
        return refused

    refused = asyncio.run(run())
    assert type(refused) is LimitError
    assert refused.retry_s == BUSY_RETRY_S


def test_128_calls_at_a_time_are_served_or_get_the_typed_error():
    async def one(channel, echo):
        call = transmit(channel)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for _ in range(8):
                await call.write(REQUEST)
            await call.done_writing()
        try:
            return len([event async for event in call])
        except grpc.aio.AioRpcError as error:
            echo.hold.set()
            return type(link_error_from_rpc(error, service="the channel"))

    async def run():
        echo = Echo()
        echo.hold = asyncio.Event()
        async with serving(echo, calls=16) as (_, channel):
            return await asyncio.gather(*(one(channel, echo) for _ in range(128)))

    assert set(asyncio.run(run())) == {8, LimitError}


@pytest.mark.parametrize("method", [TRANSMIT, LIST])
def test_malformed_messages_are_invalid_arguments_and_one_line_in_the_log(method, caplog):
    async def run():
        async with serving(Echo()) as (_, channel):
            for _ in range(3):
                if method == TRANSMIT:
                    call = channel.stream_stream(method)()
                    await call.write(b"\xff\xff\xff")
                    await call.done_writing()
                else:
                    call = channel.unary_unary(method)(b"\xff\xff\xff")
                assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert "is not a message of" in await call.details()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    ours = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(ours) <= 1
    assert "Traceback" not in caplog.text


def test_a_log_line_that_repeats_is_written_once_a_minute_with_the_number_left_out(caplog):
    now_s = [0.0]
    log = SeldomLog(logging.getLogger("test"), lambda: now_s[0])
    for now_s[0] in (0.0, 1.0, 2.0, INTERVAL_S + 1):
        log.warning("malformed")
    assert [record.getMessage() for record in caplog.records] == [
        "malformed",
        "malformed (2 lines before it were left out)",
    ]


def test_a_service_that_stops_says_so_first_takes_no_calls_and_lets_running_ones_end():
    async def run():
        echo = Echo()
        async with serving(echo) as (server, channel):
            echo.hold = asyncio.Event()
            running = transmit(channel)
            await running.write(REQUEST)
            await running.done_writing()
            await running.read()
            stopping = asyncio.create_task(server.stop())
            health = health_pb2_grpc.HealthStub(channel)
            while (
                await health.Check(health_pb2.HealthCheckRequest())
            ).status == health_pb2.HealthCheckResponse.SERVING:
                pass
            refused = await failure(transmit(channel), REQUEST)
            assert not stopping.done()
            echo.hold.set()
            rest = await running.read()
            await stopping
        return refused, rest, await running.code()

    refused, rest, code = asyncio.run(run())
    assert type(refused) is ServiceError
    assert "about to stop" in str(refused)
    assert (rest, code) == (grpc.aio.EOF, grpc.StatusCode.OK)


def test_a_call_that_outlasts_the_grace_ends_with_an_error():
    async def run():
        echo = Echo()
        async with serving(echo, grace_s=2.05) as (server, channel):
            echo.hold = asyncio.Event()
            running = transmit(channel)
            await running.write(REQUEST)
            await running.done_writing()
            await running.read()
            await server.stop()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await running.read()
        return link_error_from_rpc(caught.value, service="the channel")

    error = asyncio.run(run())
    assert type(error) is ServiceError
    assert "was stopped during the call" in str(error)


def test_watching_health_has_a_limit_of_its_own():
    async def run():
        async with serving(Echo()) as (server, channel):
            stub = health_pb2_grpc.HealthStub(channel)
            watching = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_SIDE_CALLS)]
            for call in watching:
                await call.read()
            code = await stub.Watch(health_pb2.HealthCheckRequest()).code()
            await check_serving(server.address, 5)
            for call in watching:
                call.cancel()
        return code

    assert asyncio.run(run()) is grpc.StatusCode.RESOURCE_EXHAUSTED
