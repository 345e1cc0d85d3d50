"""The receiver service over real gRPC on loopback."""

from __future__ import annotations

import asyncio
import io

import grpc
import grpc.aio
import numpy as np
import pytest
from PIL import Image

from receiver.service import receiver_spec
from shared.bitstream import Bitstream
from shared.hci.stream import encode_hci
from shared.packets import Packetiser
from shared.picture import load_picture
from shared.rpc.chunks import chunks_of
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import start_server
from shared.streams import Stream, StreamKind


@pytest.fixture(scope="module")
def bitstream(picture_png) -> Bitstream:
    picture = load_picture(picture_png)
    return Bitstream(picture.header, (Stream(StreamKind.HCI, encode_hci(picture.pixels, 600)),))


@pytest.fixture
def called(exchanged):
    """A function that sends requests to a method of a fresh receiver and returns all responses."""

    async def run(method, requests):
        server = await start_server(receiver_spec())
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                call = getattr(receiver_pb2_grpc.ReceiverServiceStub(channel), method)(timeout=120)
                return await exchanged(call, requests)
        finally:
            await server.stop(0)

    return lambda method, requests: asyncio.run(run(method, requests))


def picture_in(events) -> bytes:
    return b"".join(event.picture_chunk for event in events if event.HasField("picture_chunk"))


@pytest.fixture
def received(called):
    """A function that sends packets as arrivals and returns the picture file and all events."""

    def requests(packets, reference, decoder, fate):
        yield receiver_pb2.ReceiveRequest(settings=receiver_pb2.ReceiveSettings(decoder=decoder, picture_index=7))
        for chunk in chunks_of(reference):
            yield receiver_pb2.ReceiveRequest(reference_chunk=chunk)
        for data in packets:
            arrival = packet_pb2.Arrival(fate=fate, packet=packet_pb2.Packet(data=data))
            yield receiver_pb2.ReceiveRequest(arrival=arrival)

    def received(packets, *, reference: bytes = b"", decoder: str = "", fate=packet_pb2.FATE_DELIVERED):
        events = called("Receive", requests(packets, reference, decoder, fate))
        return picture_in(events), events

    return received


@pytest.fixture
def decoded(called):
    """A function that sends a container and returns the picture file and the report."""

    def requests(container):
        yield receiver_pb2.DecodeRequest(settings=receiver_pb2.DecodeSettings())
        for chunk in chunks_of(container):
            yield receiver_pb2.DecodeRequest(container_chunk=chunk)

    def decoded(container: bytes):
        events = called("Decode", requests(container))
        return picture_in(events), events[-1].report

    return decoded


def test_packets_and_container_give_the_same_picture(bitstream, picture_png, received, decoded):
    from_packets, events = received(Packetiser(100).packetise(bitstream, 7), reference=picture_png)
    from_file, _ = decoded(bitstream.pack())
    assert from_packets == from_file
    with Image.open(io.BytesIO(from_file)) as image:
        assert image.size == (384, 256)
    report = events[-1].report
    assert report.rebuilt
    assert report.streams[0].state == receiver_pb2.STREAM_STATE_WHOLE
    assert report.streams[0].bytes == len(bitstream.streams[0].payload)
    pixels = np.asarray(Image.open(io.BytesIO(from_file)))
    mse = np.mean((pixels.astype(float) - load_picture(picture_png).pixels) ** 2)
    assert report.quality.psnr_db == pytest.approx(10 * np.log10(255**2 / mse))
    assert 0 < report.quality.ms_ssim <= 1


def test_progress_names_the_stream_that_became_whole(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    _, events = received(reversed(packets))
    progress = [event.progress for event in events if event.HasField("progress") and event.progress.stage == "receive"]
    assert [step.packets_received for step in progress] == list(range(1, len(packets) + 1))
    assert [list(step.whole) for step in progress] == [[]] * (len(packets) - 1) + [[StreamKind.HCI]]


def test_a_lost_packet_leaves_no_picture_but_a_reason(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    picture, events = received(packets[:-1])
    report = events[-1].report
    assert picture == b""
    assert not report.rebuilt
    assert "whole" in report.reason
    assert report.streams[0].state == receiver_pb2.STREAM_STATE_INCOMPLETE
    assert report.streams[0].packets_received == len(packets) - 1
    assert (report.width, report.height) == (384, 256)


def test_nothing_arrived(bitstream, received):
    picture, events = received(Packetiser(100).packetise(bitstream, 7), fate=packet_pb2.FATE_FEC_FAILED)
    assert picture == b""
    assert "size" in events[-1].report.reason


def test_foreign_bytes_are_counted_and_do_no_harm(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    broken = bytearray(packets[0])
    broken[20] ^= 1
    picture, events = received([b"noise", bytes(broken), *packets])
    assert picture
    assert events[-1].report.packets_rejected == 2


def test_a_stream_that_does_not_decode_is_damaged_not_fatal(bitstream, received):
    foreign = Bitstream(bitstream.header, (Stream(StreamKind.HCI, b"\xff" * 40),))
    picture, events = received(Packetiser(100).packetise(foreign, 7))
    assert picture == b""
    assert events[-1].report.streams[0].state == receiver_pb2.STREAM_STATE_DAMAGED


def test_a_reference_of_another_size_and_an_unknown_decoder_are_refused(bitstream, received):
    out = io.BytesIO()
    Image.new("RGB", (100, 100)).save(out, "PNG")
    packets = Packetiser(100).packetise(bitstream, 7)
    for keywords, words in (({"reference": out.getvalue()}, "100x100"), ({"decoder": "telepathy"}, "telepathy")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            received(packets, **keywords)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert words in caught.value.details()


def test_a_damaged_container_is_data_loss(bitstream, decoded):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        decoded(bitstream.pack()[:-1])
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS


def test_messages_out_of_order_are_refused(called):
    for method, requests in (
        ("Receive", [receiver_pb2.ReceiveRequest(reference_chunk=b"x")]),
        ("Receive", []),
        ("Decode", [receiver_pb2.DecodeRequest(container_chunk=b"x")]),
        ("Decode", []),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            called(method, requests)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
