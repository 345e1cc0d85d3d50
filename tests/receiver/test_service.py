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
from shared.caption.coder import encode_caption
from shared.errors import SetupError
from shared.packets import Packetiser
from shared.picture import load_picture
from shared.repair.encoder import RepairEncoder
from shared.rpc.chunks import split_chunks
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import start_server
from shared.streams import Stream, StreamKind


@pytest.fixture
def called(exchanged):
    """A function that sends requests to a method of a fresh receiver and returns all responses."""

    async def run(method, requests, device):
        server = await start_server(receiver_spec(device))
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                call = getattr(receiver_pb2_grpc.ReceiverServiceStub(channel), method)(timeout=120)
                return await exchanged(call, requests)
        finally:
            await server.stop(0)

    return lambda method, requests, device="": asyncio.run(run(method, requests, device))


def picture_in(events) -> bytes:
    return b"".join(event.picture_chunk for event in events if event.HasField("picture_chunk"))


def trust_map_in(events) -> bytes:
    return b"".join(event.trust_map_chunk for event in events if event.HasField("trust_map_chunk"))


def pixels_of(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


def previews_in(events) -> list[tuple[int, list[int], np.ndarray]]:
    """Number, complete streams and pixels of every preview."""
    previews, data = [], b""
    for preview in (event.preview for event in events if event.HasField("preview")):
        data += preview.chunk
        if preview.last:
            previews.append((preview.number, list(preview.whole), pixels_of(data)))
            data = b""
    assert data == b""
    return previews


def arrival_of(data: bytes, fate=packet_pb2.FATE_DELIVERED) -> receiver_pb2.ReceiveRequest:
    return receiver_pb2.ReceiveRequest(arrival=packet_pb2.Arrival(fate=fate, packet=packet_pb2.Packet(data=data)))


def settings_of(**settings) -> receiver_pb2.ReceiveRequest:
    return receiver_pb2.ReceiveRequest(settings=receiver_pb2.ReceiveSettings(picture_index=7, **settings))


@pytest.fixture
def received(called):
    """A function that sends packets as arrivals and returns the picture file and all events."""

    def requests(packets, reference, settings, fate):
        yield settings_of(**settings)
        for chunk in split_chunks(reference):
            yield receiver_pb2.ReceiveRequest(reference_chunk=chunk)
        for data in packets:
            yield arrival_of(data, fate)

    def received(packets, *, reference: bytes = b"", fate=packet_pb2.FATE_DELIVERED, device="", **settings):
        events = called("Receive", requests(packets, reference, {"decoder": "hci", **settings}, fate), device)
        return picture_in(events), events

    return received


@pytest.fixture
def decoded(called):
    """A function that sends a container and returns the picture file and all events."""

    def requests(container, settings):
        yield receiver_pb2.DecodeRequest(settings=receiver_pb2.DecodeSettings(**settings))
        for chunk in split_chunks(container):
            yield receiver_pb2.DecodeRequest(container_chunk=chunk)

    def decoded(container: bytes, **settings):
        events = called("Decode", requests(container, {"decoder": "hci", **settings}))
        return picture_in(events), events

    return decoded


def test_packets_and_container_give_the_same_picture(bitstream, picture_png, received, decoded):
    from_packets, events = received(Packetiser(100).packetise(bitstream, 7), reference=picture_png)
    from_file, _ = decoded(bitstream.pack())
    assert from_packets == from_file
    pixels = pixels_of(from_file)
    assert pixels.shape == (256, 384, 3)
    report = events[-1].report
    assert report.rebuilt
    assert report.streams[0].state == receiver_pb2.STREAM_STATE_WHOLE
    assert report.streams[0].bytes == len(bitstream.streams[0].payload)
    mse = np.mean((pixels.astype(float) - load_picture(picture_png).pixels) ** 2)
    assert report.quality.psnr_db == pytest.approx(10 * np.log10(255**2 / mse))
    assert 0 < report.quality.ms_ssim <= 1


def test_progress_names_the_complete_streams(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    _, events = received(reversed(packets))
    progress = [event.progress for event in events if event.HasField("progress") and event.progress.stage == "receive"]
    assert [step.packets_received for step in progress] == list(range(1, len(packets) + 1))
    assert [list(step.whole) for step in progress] == [[]] * (len(packets) - 1) + [[StreamKind.HCI]]


def test_after_a_lost_packet_there_is_a_reason_instead_of_a_picture(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    picture, events = received(packets[:-1])
    report = events[-1].report
    assert picture == b""
    assert not report.rebuilt
    assert not report.invented
    assert "no stream is complete" in report.reason
    assert report.streams[0].state == receiver_pb2.STREAM_STATE_INCOMPLETE
    assert report.streams[0].packets_received == len(packets) - 1
    assert (report.width, report.height) == (384, 256)


def test_without_any_packet_there_is_no_picture(bitstream, received):
    picture, events = received(Packetiser(100).packetise(bitstream, 7), fate=packet_pb2.FATE_FEC_FAILED)
    assert picture == b""
    assert "size" in events[-1].report.reason


def test_foreign_bytes_are_counted_and_ignored(bitstream, received):
    packets = Packetiser(100).packetise(bitstream, 7)
    broken = bytearray(packets[0])
    broken[20] ^= 1
    picture, events = received([b"noise", bytes(broken), *packets])
    assert picture
    assert events[-1].report.packets_rejected == 2


def test_a_stream_that_does_not_decode_is_reported_as_damaged(bitstream, received):
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


@pytest.mark.usefixtures("tiny_pocket")
class TestPocket:
    """The default decoder, with miniature weights."""

    def test_it_is_the_default_and_reports_its_options(self, bitstream, received):
        packets = Packetiser(100).packetise(bitstream, 7)
        picture, events = received(packets, decoder="", device="cpu")
        assert pixels_of(picture).shape == (256, 384, 3)
        report = events[-1].report
        assert (report.decoder, report.device) == ("pocket", "cpu")
        assert (report.steps, report.fidelity, report.seed) == (1, 1.0, 0)
        assert report.rebuilt
        assert not report.invented
        assert report.reason == ""
        _, events = received(packets, decoder="pocket", steps=0, fidelity=0.25, seed=2**64 - 1)
        report = events[-1].report
        assert (report.steps, report.fidelity, report.seed) == (0, 0.25, 2**64 - 1)

    def test_packets_and_container_give_the_same_picture_from_the_same_seed(self, bitstream, received, decoded):
        options = {"decoder": "pocket", "steps": 2, "fidelity": 0.5}
        first, _ = received(Packetiser(100).packetise(bitstream, 7), seed=3, **options)
        assert decoded(bitstream.pack(), seed=3, **options)[0] == first
        assert decoded(bitstream.pack(), seed=4, **options)[0] != first

    def test_the_trust_map_is_sent_on_request(self, bitstream, received):
        packets = Packetiser(100).packetise(bitstream, 7)
        _, events = received(packets, decoder="pocket", trust_map=True)
        assert pixels_of(trust_map_in(events)).shape == (16, 24)
        assert 0 <= events[-1].report.trust <= 1
        for settings in ({"decoder": "pocket"}, {"decoder": "hci", "trust_map": True}):
            _, events = received(packets, **settings)
            assert trust_map_in(events) == b""
            assert not events[-1].report.HasField("trust")

    def test_a_picture_without_any_complete_stream_is_reported_as_invented(self, bitstream, received):
        foreign = Bitstream(bitstream.header, (Stream(StreamKind.HCI, b"\xff" * 40),))
        lost, damaged = Packetiser(100).packetise(bitstream, 7)[:-1], Packetiser(100).packetise(foreign, 7)
        for packets, words in ((lost, "no stream is complete"), (damaged, "HCI does not decode")):
            picture, events = received(packets, decoder="pocket", trust_map=True)
            report = events[-1].report
            assert pixels_of(picture).shape == (256, 384, 3)
            assert report.rebuilt
            assert report.invented
            assert report.trust == 0
            assert words in report.reason
            assert "the result is the mean of all training pictures" in report.reason

    def test_without_the_pictures_size_there_is_no_picture(self, bitstream, received):
        picture, events = received(Packetiser(100).packetise(bitstream, 7)[1:], decoder="pocket")
        assert picture == b""
        assert not events[-1].report.rebuilt

    def test_previews_are_sent_while_packets_arrive(self, bitstream):
        packets = Packetiser(100).packetise(bitstream, 7)

        async def run():
            server = await start_server(receiver_spec())
            try:
                async with grpc.aio.insecure_channel(server.address) as channel:
                    call = receiver_pb2_grpc.ReceiverServiceStub(channel).Receive(timeout=60)
                    answers = aiter(call)
                    await call.write(settings_of(decoder="pocket", progressive=True))
                    await call.write(arrival_of(packets[0]))
                    events = await read_until_preview(answers)
                    for data in packets[1:]:
                        await call.write(arrival_of(data))
                    for _ in range(3):
                        events += await read_until_preview(answers)
                    await call.done_writing()
                    return events, [event async for event in answers]
            finally:
                await server.stop(0)

        before, after = asyncio.run(run())
        (first, none_whole, noise), *of_hci = previews_in(before)
        assert (first, none_whole) == (1, [])
        assert [one[:2] for one in of_hci] == [(number, [packet_pb2.STREAM_KIND_HCI]) for number in (2, 3, 4)]
        enlarged, restored, shown = (pixels for _, _, pixels in of_hci)
        assert previews_in(after) == []
        assert np.array_equal(pixels_of(picture_in(after)), shown)
        assert len({pixels.tobytes() for pixels in (noise, enlarged, restored, shown)}) == 4

    def test_previews_of_a_container_start_without_a_stream_and_end_with_drafts(self, bitstream, decoded):
        hci = [packet_pb2.STREAM_KIND_HCI]
        enlarged, _ = decoded(bitstream.pack(), decoder="hci")
        restored, _ = decoded(bitstream.pack(), decoder="pocket", steps=0)
        for steps, drafts in ((0, [enlarged]), (1, [enlarged, restored])):
            _, events = decoded(bitstream.pack(), decoder="pocket", progressive=True, steps=steps)
            previews = previews_in(events)
            assert [one[:2] for one in previews] == [(1, []), *((number + 2, hci) for number in range(len(drafts)))]
            for (_, _, shown), draft in zip(previews[1:], drafts, strict=True):
                assert np.array_equal(shown, pixels_of(draft))
        _, events = decoded(bitstream.pack(), decoder="hci", progressive=True)
        assert previews_in(events) == []

    def test_without_an_hci_the_hci_decoder_suggests_the_pocket_decoder(self, bitstream, decoded):
        told = Bitstream(bitstream.header, (Stream(StreamKind.CAPTION, encode_caption("a red barn")),))
        picture, events = decoded(told.pack(), decoder="hci")
        assert not picture
        assert "--decoder pocket" in events[-1].report.reason

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"steps": 5}, "steps = 5"),
            ({"fidelity": 1.5}, "fidelity = 1.5"),
            ({"fidelity": -0.1}, "fidelity = -0.1"),
            ({"fidelity": float("nan")}, "fidelity = nan"),
        ],
    )
    def test_options_out_of_range_are_refused(self, settings, words, bitstream, received, decoded):
        for call, data in ((received, Packetiser(100).packetise(bitstream, 7)), (decoded, bitstream.pack())):
            for decoder in ("pocket", "hci"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    call(data, decoder=decoder, **settings)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert words in caught.value.details()


async def read_until_preview(answers) -> list[receiver_pb2.ReceiveResponse]:
    events = []
    while not (events and events[-1].preview.last):
        events.append(await anext(answers))
    return events


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_service_does_not_start_on_a_device_that_is_not_there(device):
    with pytest.raises(SetupError, match=device):
        receiver_spec(device)


def test_missing_weights_are_one_line_and_the_service_keeps_running(
    bitstream, exchanged, tiny_pocket, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEMLINK_POCKET", str(tmp_path))
    packets = Packetiser(100).packetise(bitstream, 7)

    async def run():
        server = await start_server(receiver_spec("cpu"))
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                receive = receiver_pb2_grpc.ReceiverServiceStub(channel).Receive
                requests = [settings_of(decoder="pocket"), *map(arrival_of, packets)]
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await exchanged(receive(timeout=60), requests)
                monkeypatch.setenv("SEMLINK_POCKET", str(tiny_pocket))
                return caught.value, await exchanged(receive(timeout=60), requests)
        finally:
            await server.stop(0)

    error, events = asyncio.run(run())
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no weights" in error.details()
    assert "\n" not in error.details()
    assert events[-1].report.rebuilt


def test_lost_packets_are_repaired_and_reported(bitstream, received):
    packets = Packetiser(128).packetise(bitstream, 7)
    repairs = RepairEncoder().repair_packets(packets, 3)
    whole, _ = received(packets)
    repaired, events = received([*packets[2:], *repairs])
    assert repaired == whole
    (report,) = events[-1].report.repairs
    assert report.state == receiver_pb2.REPAIR_STATE_REPAIRED
    assert (report.source_packets, report.source_received) == (len(packets), len(packets) - 2)
    assert report.repair_received in (2, 3)
    progress = [list(event.progress.whole) for event in events if event.HasField("progress")]
    assert progress[0] == []
    assert progress[-1] == [StreamKind.HCI]
    assert events[-1].report.packets_rejected == 0


def test_the_report_distinguishes_too_few_repair_packets_from_none(bitstream, received):
    packets = Packetiser(128).packetise(bitstream, 7)
    repairs = RepairEncoder().repair_packets(packets, 1)
    picture, events = received([*packets[2:], *repairs])
    assert picture == b""
    (report,) = events[-1].report.repairs
    assert (report.state, report.missing_symbols) == (receiver_pb2.REPAIR_STATE_WAITING, 1)
    _, events = received(packets)
    assert not events[-1].report.repairs
    _, events = received([*packets, *repairs])
    assert events[-1].report.repairs[0].state == receiver_pb2.REPAIR_STATE_WHOLE
