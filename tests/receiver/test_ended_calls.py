"""The receiver stops computing when a call has ended, for any reason."""

from __future__ import annotations

import asyncio
import threading

import grpc.aio
import pytest

from receiver.decoders.upsample import UpsampleDecoder
from receiver.service import ReceiverService
from shared.errors import ServiceError
from shared.rpc.semlink.v1 import receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import ServiceSpec, start_server


class Endless:
    """A decoder that never ends by itself."""

    name, device, default_steps, max_steps = "endless", "cpu", None, 4

    cost = UpsampleDecoder.cost

    def __init__(self):
        self.started, self.stopped = threading.Semaphore(0), threading.Semaphore(0)

    def reconstruct(self, guidance, options, stop=None):
        self.started.release()
        assert stop.wait(60)
        self.stopped.release()
        raise ServiceError("stopped")


@pytest.mark.parametrize("how", ["cancelled", "late", "service stopped"])
def test_computing_stops_when_the_call_ends(how, bitstream):
    service, endless = ReceiverService(), Endless()
    service._decoders.lazy = lambda name: lambda: endless
    name = receiver_pb2.DESCRIPTOR.services_by_name["ReceiverService"].full_name

    def add(server):
        receiver_pb2_grpc.add_ReceiverServiceServicer_to_server(service, server)

    async def run():
        server = await start_server(ServiceSpec(name, add))
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = receiver_pb2_grpc.ReceiverServiceStub(channel).Decode(timeout=1.0 if how == "late" else 60)
            await call.write(receiver_pb2.DecodeRequest(settings=receiver_pb2.DecodeSettings(decoder="hci")))
            await call.write(receiver_pb2.DecodeRequest(container_chunk=bitstream.pack()))
            await call.done_writing()
            assert await asyncio.to_thread(endless.started.acquire, timeout=60)
            if how == "cancelled":
                call.cancel()
            elif how == "service stopped":
                await server.stop(0)
            assert await asyncio.to_thread(endless.stopped.acquire, timeout=60)
        await server.stop(0)

    asyncio.run(run())
