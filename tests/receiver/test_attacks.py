"""Hostile requests cost the receiver bounded time and memory, and it answers ordinary requests meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path

import grpc.aio
import pytest

from receiver.cost import FREE_PIXELS, PIXELS_PER_BYTE
from receiver.decoders.upsample import UpsampleDecoder
from receiver.service import ReceiverService
from semlink.client.health import check_serving
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import LimitError
from shared.packets import Packetiser
from shared.rpc.budget import RETRY_S, SMALL_BYTES, Budget
from shared.rpc.chunks import ChunkBuffer, split_chunks
from shared.rpc.limits import DEFAULT_LIMITS, HEAVY_WORKERS
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import ServiceSpec, start_server
from shared.rpc.status import link_error_from_rpc
from shared.streams import Stream, StreamKind

MIB = 1 << 20
FLAT = b"\x78\x00"  # a learned HCI at a sixteenth of the size, of one byte: a flat picture
BOMB = Bitstream(PictureHeader(8192, 8192), (Stream(StreamKind.HCI, FLAT),)).pack()
SMALL = Bitstream(PictureHeader(64, 64), (Stream(StreamKind.HCI, b"\x58\x00"),)).pack()


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@contextlib.asynccontextmanager
async def serving(service: ReceiverService | None = None, **limits):
    chosen = replace(DEFAULT_LIMITS, **limits)
    service = service or ReceiverService(limits=chosen)
    spec = ServiceSpec(
        receiver_pb2.DESCRIPTOR.services_by_name["ReceiverService"].full_name,
        lambda server: receiver_pb2_grpc.add_ReceiverServiceServicer_to_server(service, server),
        limits=chosen,
    )
    server = await start_server(spec)
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, receiver_pb2_grpc.ReceiverServiceStub(channel)
    finally:
        await server.stop(0)


def decode_requests(container: bytes):
    yield receiver_pb2.DecodeRequest(settings=receiver_pb2.DecodeSettings(decoder="hci"))
    yield receiver_pb2.DecodeRequest(container_chunk=container)


async def outcome(exchanged, call, requests):
    """The report of a call, or the LinkError that ended it."""
    try:
        return (await exchanged(call, requests))[-1].report
    except grpc.aio.AioRpcError as error:
        return link_error_from_rpc(error, service="the receiver")


def test_a_container_of_nine_bytes_for_64_million_pixels_is_refused_before_anything_is_allocated(exchanged):
    assert len(BOMB) == 9

    async def run():
        async with serving() as (_, stub):
            assert (await outcome(exchanged, stub.Decode(), decode_requests(SMALL))).rebuilt
            before_bytes, before_s = rss_bytes(), time.process_time()
            bombs = [await outcome(exchanged, stub.Decode(), decode_requests(BOMB)) for _ in range(2)]
            return bombs, time.process_time() - before_s, rss_bytes() - before_bytes

    bombs, took_s, grown_bytes = asyncio.run(run())
    assert [type(one) for one in bombs] == [LimitError, LimitError]
    assert "2 bytes for 8192x8192 pixels" in str(bombs[0])
    assert took_s < 2
    assert grown_bytes < 300 * MIB


def test_the_same_bomb_as_packets_is_refused_too(exchanged):
    packets = Packetiser().packetise(Bitstream.unpack(BOMB), 0)

    def requests():
        yield receiver_pb2.ReceiveRequest(settings=receiver_pb2.ReceiveSettings(decoder="hci"))
        for data in packets:
            arrival = packet_pb2.Arrival(fate=packet_pb2.FATE_DELIVERED, packet=packet_pb2.Packet(data=data))
            yield receiver_pb2.ReceiveRequest(arrival=arrival)

    async def run():
        async with serving() as (_, stub):
            return await outcome(exchanged, stub.Receive(), requests())

    assert type(asyncio.run(run())) is LimitError


def test_the_largest_picture_that_few_bytes_may_claim_is_bounded_and_its_memory_given_back(exchanged):
    """Beside it, health answers: the picture's file is encoded in the worker too."""
    side = int((FREE_PIXELS + PIXELS_PER_BYTE * len(FLAT)) ** 0.5)
    bomb = Bitstream(PictureHeader(side, side), (Stream(StreamKind.HCI, FLAT),)).pack()

    async def run():
        async with serving() as (_, stub):
            await outcome(exchanged, stub.Decode(), decode_requests(SMALL))
            before_bytes, before_s = rss_bytes(), time.process_time()
            reports = [await outcome(exchanged, stub.Decode(), decode_requests(bomb)) for _ in range(2)]
            return reports, time.process_time() - before_s, rss_bytes() - before_bytes

    reports, took_s, grown_bytes = asyncio.run(run())
    assert all(report.rebuilt for report in reports)
    assert took_s / 2 < 2
    assert grown_bytes < 40 * MIB


class Heavy:
    """A decoder that works until it is let go."""

    name, device, default_steps, max_steps = "hci", "cpu", None, 4

    cost = UpsampleDecoder.cost

    def __init__(self):
        self.started, self.go = threading.Semaphore(0), threading.Event()

    def reconstruct(self, guidance, options, stop=None):
        del guidance, options, stop
        self.started.release()
        assert self.go.wait(60)


def test_a_small_picture_does_not_wait_for_large_ones(exchanged):
    service, heavy = ReceiverService(), Heavy()
    real_decoders = service._decoders.lazy
    large = Bitstream(PictureHeader(1024, 1024), (Stream(StreamKind.HCI, FLAT),)).pack()

    async def run():
        async with serving(service) as (server, stub):
            service._decoders.lazy = lambda name: lambda: heavy
            larges = [
                asyncio.create_task(outcome(exchanged, stub.Decode(), decode_requests(large)))
                for _ in range(2 * HEAVY_WORKERS)
            ]
            for _ in range(HEAVY_WORKERS):
                assert await asyncio.to_thread(heavy.started.acquire, timeout=60)
            service._decoders.lazy = real_decoders
            started_s = time.monotonic()
            report = await outcome(exchanged, stub.Decode(), decode_requests(SMALL))
            took_s = time.monotonic() - started_s
            await check_serving(server.address, 5)
            heavy.go.set()
            await asyncio.gather(*larges)
        return report, took_s

    report, took_s = asyncio.run(run())
    assert report.rebuilt
    assert took_s < 3


def test_reference_chunks_held_open_share_one_budget_and_a_small_call_is_still_served(exchanged):
    chunk = next(iter(split_chunks(bytes(64 * 1024))))
    settings = receiver_pb2.ReceiveSettings(decoder="hci")
    service = ReceiverService(limits=replace(DEFAULT_LIMITS, memory_bytes=2 * SMALL_BYTES))
    reference_bytes = 20 * MIB

    async def hold(stub):
        call = stub.Receive()
        await call.write(receiver_pb2.ReceiveRequest(settings=settings))
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for _ in range(reference_bytes // len(chunk)):
                await call.write(receiver_pb2.ReceiveRequest(reference_chunk=chunk))
        return call

    async def run():
        async with serving(service) as (_, stub):
            held = await hold(stub)
            while service._budget.held_bytes < 2 * reference_bytes:  # noqa: ASYNC110 - a budget has no event
                await asyncio.sleep(0.01)
            refused = await hold(stub)
            report = await outcome(exchanged, stub.Decode(), decode_requests(SMALL))
            refusal = await outcome(exchanged, refused, ())
            held.cancel()
        return report, refusal

    report, refusal = asyncio.run(run())
    assert report.rebuilt
    assert type(refusal) is LimitError
    assert refusal.retry_s == RETRY_S


def test_a_budget_is_given_back_and_leaves_an_eighth_to_small_calls():
    budget = Budget(8 * SMALL_BYTES)
    with budget.share() as large:
        large.grow(7 * SMALL_BYTES)
        with budget.share() as other:
            with pytest.raises(LimitError, match="try again later") as busy:
                other.grow(SMALL_BYTES + 1)
            other.grow(SMALL_BYTES)
            assert busy.value.retry_s > 0
        with pytest.raises(LimitError, match="SEMLINK_CALLS_MEMORY_MIB") as never:
            large.grow(SMALL_BYTES)
        assert never.value.retry_s == 0
    assert budget.held_bytes == 0


def test_chunks_take_their_share_of_the_budget():
    budget = Budget(10 * MIB)
    with budget.share() as share:
        buffer = ChunkBuffer("the reference picture", share)
        buffer.add(bytes(MIB))
        assert budget.held_bytes == 2 * MIB
