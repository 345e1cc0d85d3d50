"""The sender service over real gRPC on loopback."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest

from sender.service import sender_spec
from shared.bitstream import Bitstream
from shared.codecs.registry import codecs
from shared.latent.coder import decode_latent
from shared.packets import Packet
from shared.picture import encode_png
from shared.repair.packet import RepairPacket, is_repair
from shared.rpc.chunks import split_chunks
from shared.rpc.semlink.v1 import sender_pb2, sender_pb2_grpc
from shared.rpc.server import start_server
from shared.rpc.status import ERROR_KEY
from shared.streams import StreamKind
from shared.tokens.stream import decode_tokens


@pytest.fixture(scope="module")
def runner():
    """The event loop of the sender and of the calls to it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def address(runner):
    """The address of one sender for all tests, because its extractors take long to load."""
    server = runner.run(start_server(sender_spec()))
    yield server.address
    runner.run(server.stop(0))


@pytest.fixture(scope="module")
def small_png(synthetic_pixels):
    return encode_png(synthetic_pixels(192, 128))


@pytest.fixture
def called(runner, address, exchanged):
    """A function that sends requests to the sender and returns all responses."""

    async def run(requests):
        async with grpc.aio.insecure_channel(address) as channel:
            return await exchanged(sender_pb2_grpc.SenderServiceStub(channel).Send(timeout=120), requests)

    return lambda requests: runner.run(run(requests))


@pytest.fixture
def sent(called):
    def requests(picture, settings):
        yield sender_pb2.SendRequest(settings=sender_pb2.SendSettings(**settings))
        for chunk in split_chunks(picture):
            yield sender_pb2.SendRequest(picture_chunk=chunk)

    return lambda picture, **settings: called(requests(picture, settings))


def test_progress_then_packets_then_a_report_whose_container_holds_the_same_streams(picture_png, sent):
    events = sent(picture_png, codec="hci-learned", max_bytes=600, packet_bytes=128, picture_index=300)
    kinds = [event.WhichOneof("event") for event in events]
    packets = [event.packet.data for event in events if event.HasField("packet")]
    report = events[-1].report
    assert kinds == ["progress"] * 3 + ["packet"] * len(packets) + ["report"]
    dones = [event.progress.done for event in events[:3]]
    assert dones == sorted(dones)
    bitstream = Bitstream.unpack(report.container)
    assert len(report.container) <= 600
    assert (bitstream.header.width, bitstream.header.height) == (report.width, report.height) == (384, 256)
    assert report.packets == len(packets)
    assert report.packet_bytes == sum(map(len, packets))
    parsed = [Packet.unpack(data) for data in packets]
    assert all(len(data) <= 128 for data in packets)
    assert {packet.picture_id for packet in parsed} == {300 % 256}
    assert b"".join(packet.data for packet in parsed) == bitstream.streams[0].payload
    assert [(stream.kind, stream.bytes) for stream in report.streams] == [
        (stream.kind, len(stream.payload)) for stream in bitstream.streams
    ]
    assert report.bpp == 8 * len(report.container) / (384 * 256)


def test_sequence_counts_continue_from_the_previous_picture(picture_png, sent):
    asked = {"codec": "hci-learned", "max_bytes": 500, "packet_bytes": 100}
    first = sent(picture_png, **asked)[-1].report
    events = sent(picture_png, **asked, next_sequence_counts=dict(first.next_sequence_counts))
    counts = [Packet.unpack(event.packet.data).sequence_count for event in events if event.HasField("packet")]
    assert counts == list(range(first.packets, 2 * first.packets))


@pytest.mark.parametrize(
    ("codec", "kinds"),
    [
        ("layered", [StreamKind.LATENT, StreamKind.HCI, StreamKind.CAPTION]),
        ("misc", [StreamKind.HCI, StreamKind.CAPTION]),
    ],
)
def test_packets_are_sent_in_the_codecs_order(codec, kinds, small_png, sent):
    events = sent(small_png, codec=codec, max_bytes=1500, packet_bytes=100, caption="A hill behind a fence.")
    apids = [Packet.unpack(event.packet.data).kind for event in events if event.HasField("packet")]
    assert list(dict.fromkeys(apids))[: len(kinds)] == kinds
    assert apids == sorted(apids, key=list(dict.fromkeys(apids)).index)


def test_codecs_are_listed(runner, address):
    async def run():
        async with grpc.aio.insecure_channel(address) as channel:
            stub = sender_pb2_grpc.SenderServiceStub(channel)
            return await stub.ListCodecs(sender_pb2.ListCodecsRequest(), timeout=30)

    reply = runner.run(run())
    assert {codec.name for codec in reply.codecs} == set(codecs())
    assert all(codec.summary for codec in reply.codecs)
    streams = {codec.name: list(codec.streams) for codec in reply.codecs}
    assert streams["layered"] == [StreamKind.LATENT, StreamKind.HCI, StreamKind.CAPTION]


@pytest.mark.parametrize("codec", ["hci", "hci-av1", "hci-learned"])
def test_every_codec_keeps_the_budget(codec, picture_png, sent):
    report = sent(picture_png, codec=codec, max_bytes=400)[-1].report
    assert report.codec == codec
    assert 0 < len(report.container) <= 400


def test_the_caller_sets_the_number_of_latent_channels_and_tokens(small_png, sent):
    def payload(kind, **settings):
        container = sent(small_png, max_bytes=2000, caption="", **settings)[-1].report.container
        return Bitstream.unpack(container).stream(kind).payload

    planes = decode_latent(payload(StreamKind.LATENT, codec="gsc", latent_channels=2), 192, 128)
    assert len(planes.ids) == 2
    assert len(decode_tokens(payload(StreamKind.TOKENS, codec="mtgc", tokens=24)).codes) == 24


@pytest.mark.parametrize(
    ("picture", "settings", "error", "words"),
    [
        (b"no picture", {}, "PictureError", "picture"),
        (None, {"codec": "telepathy"}, "UnknownNameError", "telepathy"),
        (None, {"max_bytes": 9}, "BudgetError", "9 bytes"),
        (None, {"packet_bytes": 4096}, "ConfigError", "4096"),
        (None, {"codec": "hci-learned", "next_sequence_counts": {1: 20000}}, "ConfigError", "20000"),
        (None, {"codec": "gsc", "latent_channels": 3}, "ConfigError", "latent_channels = 3: give 1, 2, 4, 8 or 16"),
        (None, {"codec": "mtgc", "tokens": 65}, "ConfigError", "tokens = 65"),
        (None, {"tokens": 0}, "ConfigError", "codec 'hci' sends no tokens; leave it out"),
        (None, {"codec": "hci-learned", "next_sequence_counts": {77: 1}}, "ConfigError", "77"),
    ],
)
def test_bad_requests_are_typed(picture, settings, error, words, picture_png, sent):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        sent(picture_png if picture is None else picture, **settings)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    assert dict(caught.value.trailing_metadata())[ERROR_KEY] == error


def test_a_sender_without_a_decoder_refuses_a_trade_off(picture_png, sent):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        sent(picture_png, codec="gsc", trade_off=sender_pb2.TradeOff(alpha=1, beta=0.001))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "install the receiver beside it, or leave it out" in caught.value.details()


def test_a_call_without_settings_is_refused(called):
    for requests in ([], [sender_pb2.SendRequest(picture_chunk=b"x")]):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            called(requests)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "settings" in caught.value.details()


def test_repair_packets_come_last_in_the_requested_ratio(picture_png, sent):
    asked = {"codec": "hci-learned", "max_bytes": 600, "packet_bytes": 128, "picture_index": 3}
    *_, plain = sent(picture_png, **asked)
    events = sent(picture_png, **asked, repair_overheads={1: 0.5, 2: 1.0}, next_repair_count=16383)
    packets = [event.packet.data for event in events if event.HasField("packet")]
    report = events[-1].report
    assert [is_repair(data) for data in packets] == [False] * report.packets + [True] * report.repair_packets
    assert report.repair_packets == -(-report.packets // 2)
    assert report.repair_bytes == sum(map(len, packets[report.packets :]))
    assert (report.packets, report.packet_bytes) == (plain.report.packets, plain.report.packet_bytes)
    repairs = [RepairPacket.unpack(data) for data in packets[report.packets :]]
    assert [one.sequence_count for one in repairs[:2]] == [16383, 0]
    assert report.next_repair_count == (repairs[-1].sequence_count + 1) % 16384
    assert {one.header.source_packets for one in repairs} == {report.packets}


@pytest.mark.parametrize(
    ("overheads", "words"),
    [({1: -0.5}, "overhead -0.5"), ({1: float("nan")}, "overhead nan"), ({9: 0.5}, "kind 9"), ({1: 1e9}, "0 to 10")],
)
def test_repair_outside_its_rules_is_refused(overheads, words, picture_png, sent):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        sent(picture_png, codec="hci-learned", repair_overheads=overheads)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
