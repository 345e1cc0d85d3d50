"""The channel service over real gRPC on loopback."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest

from channel.link.protection_options import predict_channel_uses, predict_stream_options
from channel.profile.registry import load_profile
from channel.service.loss_messages import loss_request, predict_loss, read_stream_options
from channel.service.service import channel_spec
from shared.bitstream import Bitstream, PictureHeader
from shared.packets import Packetiser
from shared.rpc.limits import QUEUE_PACKETS
from shared.rpc.semlink.v1 import channel_pb2, channel_pb2_grpc, packet_pb2
from shared.rpc.server import start_server
from shared.streams import Stream, StreamKind
from shared.yaml_text import yaml_text


def packets(payload_bytes: int, packet_bytes: int = 64) -> list[bytes]:
    bitstream = Bitstream(PictureHeader(768, 512), (Stream(StreamKind.HCI, bytes(payload_bytes)),))
    return Packetiser(packet_bytes).packetise(bitstream, 1)


FIELDS = ("time_scale", "profile", "profile_yaml", "picture_index", "run_seed")


def settings(**values) -> channel_pb2.ChannelSettings:
    """Settings with fields by name; all other values are changes to the profile."""
    fields = {name: values.pop(name) for name in FIELDS if name in values}
    changes = {name: yaml_text(value) for name, value in ({"snr_db": 20.0} | values).items()}
    return channel_pb2.ChannelSettings(**fields, changes=changes)


@pytest.fixture
def transmit(exchanged):
    async def run(requests, timeout: float):  # noqa: ASYNC109 - the deadline is what is tested
        server = await start_server(channel_spec())
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                call = channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=timeout)
                return await exchanged(call, requests)
        finally:
            await server.stop(0)

    return lambda requests, timeout=120.0: asyncio.run(run(requests, timeout))


def requests_of(data, **changes):
    yield channel_pb2.TransmitRequest(settings=settings(**changes))
    for packet in data:
        yield channel_pb2.TransmitRequest(packet=packet_pb2.Packet(data=packet))


def test_every_packet_has_one_arrival_in_order_and_a_report_ends_the_call(transmit):
    sent = packets(400)
    *arrivals, last = transmit(requests_of(sent, propagation_delay_s=1.5))
    assert [event.arrival.packet.data for event in arrivals] == sent
    assert [event.arrival.index for event in arrivals] == list(range(len(sent)))
    for event in arrivals:
        arrival = event.arrival
        assert arrival.fate == packet_pb2.FATE_DELIVERED
        assert arrival.air_time_s == pytest.approx(arrival.channel_uses / 1e6)
        assert arrival.arrival_s == pytest.approx(arrival.departure_s + arrival.air_time_s + 1.5)
    ends = [event.arrival.departure_s + event.arrival.air_time_s for event in arrivals]
    assert [event.arrival.departure_s for event in arrivals][1:] == pytest.approx(ends[:-1])
    report = last.report
    assert (report.packets, report.delivered) == (len(sent), len(sent))
    assert report.channel_uses == sum(event.arrival.channel_uses for event in arrivals)
    assert report.coded_bits == 2 * report.channel_uses
    assert report.es_n0_db == 20.0


def test_more_packets_than_the_queue_holds_are_all_processed(transmit):
    sent = packets(55 * (QUEUE_PACKETS + 50))
    assert len(sent) > QUEUE_PACKETS
    *arrivals, last = transmit(requests_of(sent, erasure_rate=1.0))
    assert last.report.erased == len(sent) == len(arrivals)


def test_erased_packets_carry_no_data(transmit):
    *arrivals, _ = transmit(requests_of(packets(100), erasure_rate=1.0))
    assert all(event.arrival.fate == packet_pb2.FATE_ERASED for event in arrivals)
    assert not any(event.arrival.HasField("packet") for event in arrivals)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"snr_db": float("nan")}, "snr_db"),
        ({"snr_db": float("inf")}, "snr_db"),
        ({"mcs": 99}, "mcs"),
        ({"symbol_rate_hz": 0.0}, "symbol_rate_hz"),
        ({"propagation_delay_s": -1.0}, "propagation_delay_s"),
        ({"erasure_rate": 1.5}, "erasure_rate"),
        ({"time_scale": -1.0}, "time_scale"),
        ({"snr_kind": "loud"}, "snr_kind"),
        ({"profile": "mine", "profile_yaml": "mcs: [1"}, "mine, line 1"),
        ({"profile": "mine", "profile_yaml": "mcs: 40"}, "mcs = 40"),
        ({"profile": "telepathy"}, "telepathy"),
    ],
)
def test_a_setting_outside_its_rule_is_refused_by_name(changes, words, transmit):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        transmit(requests_of([], **changes))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    assert "\n" not in caught.value.details()


def test_bytes_that_are_not_a_packet_are_reported_as_data_loss(transmit):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        transmit(requests_of([b"not a packet"]))
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS


def test_a_caller_that_is_still_sending_receives_the_reason_of_the_failure(transmit):
    too_long = packets(200_000, packet_bytes=1024)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        transmit(requests_of(too_long))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "MCS 4" in caught.value.details()


def test_packets_without_settings_and_settings_twice_are_refused(transmit):
    packet = channel_pb2.TransmitRequest(packet=packet_pb2.Packet(data=packets(10)[0]))
    first = channel_pb2.TransmitRequest(settings=settings())
    for requests in ([], [packet], [first, first]):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            transmit(requests)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_over_the_limit_is_refused(transmit):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        transmit(requests_of([bytes(5 * 1024 * 1024)]))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_time_scale_paces_arrivals_and_a_deadline_ends_a_call_that_waits_too_long(transmit):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        transmit(requests_of(packets(10), erasure_rate=1.0, propagation_delay_s=3600.0, time_scale=1.0), timeout=5.0)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def call(method: str, request):
    async def run():
        server = await start_server(channel_spec())
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                return await getattr(channel_pb2_grpc.ChannelServiceStub(channel), method)(request, timeout=60)
        finally:
            await server.stop(0)

    return asyncio.run(run())


def test_channels_are_listed_and_described():
    listed = call("ListChannels", channel_pb2.ListChannelsRequest()).channels
    assert {"awgn", "rayleigh", "rician", *(f"tdl-{letter}" for letter in "abcde")} <= {one.name for one in listed}
    assert all(one.summary and not one.fault for one in listed)
    request = channel_pb2.DescribeChannelRequest(settings=settings(profile="tdl-b", mcs="auto", snr_db=8.0))
    described = call("DescribeChannel", request)
    parameters = {one.name: (one.value, one.unit) for one in described.parameters}
    assert parameters["snr_db"] == ("8.0", "dB")
    assert parameters["propagation.delay_spread_s"] == ("3.0e-07", "s")
    assert described.mcs == 14
    assert 0.3 < described.packet_loss < 0.8  # 'auto' takes the MCS for noise alone, and this channel fades
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        call("DescribeChannel", channel_pb2.DescribeChannelRequest(settings=settings(profile="telepathy")))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "telepathy" in caught.value.details()


def test_a_deep_space_channel_is_described_with_its_contact_and_budget():
    request = channel_pb2.DescribeChannelRequest(
        settings=channel_pb2.ChannelSettings(profile="deep-space", changes={"repair_overhead": "0.5"})
    )
    described = call("DescribeChannel", request)
    found = described.contact
    assert (found.body, found.behind_sun, found.HasField("rician_k_db")) == ("mars", True, False)
    assert found.departure_date == "2026-03-01T00:00:00.000Z"
    assert {line.name: line.value for line in found.budget}["Es/N0"] == described.es_n0_db
    assert dict(described.repair_overheads) == dict.fromkeys(map(int, StreamKind), 0.5)


def test_a_profile_document_is_accepted_as_channel(transmit):
    sent = packets(100)
    document = "snr_db: 20\nmcs: 6\npropagation: {kind: rician, k_factor_db: 100}"
    *arrivals, last = transmit(requests_of(sent, profile="mine.yaml", profile_yaml=document))
    assert [event.arrival.packet.data for event in arrivals] == sent
    assert last.report.mcs == 6


MIX = {
    "propagation_delay_s": 0.05,
    "symbol_rate_hz": 1e4,
    "erasure_rate": 0.1,
    "lifetime_s": 0.2,
    "impairments.bursts": {"p_good_to_bad": 0.2, "p_bad_to_good": 0.5},
    "impairments.outages": {"period_s": 0.5, "duration_s": 0.1},
    "impairments.jitter": {"mean_s": 0.05},
    "snr_db": -2.0,
}


@pytest.mark.parametrize("seed", [1, 2])
def test_under_mixed_impairments_every_packet_has_one_outcome_that_follows_from_the_seed(seed, transmit):
    sent = packets(2500)
    *arrivals, last = transmit(requests_of(sent, run_seed=seed, picture_index=9, **MIX))
    fates = [event.arrival.fate for event in arrivals]
    report = last.report
    assert sorted(event.arrival.index for event in arrivals) == list(range(len(sent)))
    ended = (report.delivered, report.fec_failed, report.erased, report.expired)
    kinds = (
        packet_pb2.FATE_DELIVERED,
        packet_pb2.FATE_FEC_FAILED,
        packet_pb2.FATE_ERASED,
        packet_pb2.FATE_EXPIRED,
    )
    assert ended == tuple(fates.count(kind) for kind in kinds)
    assert min(ended) > 0
    assert report.packets == sum(ended) == len(sent)
    times = [event.arrival.arrival_s for event in arrivals]
    assert times == sorted(times)
    assert report.account.total.channel_uses == sum(event.arrival.channel_uses for event in arrivals)
    assert report.account.cbr == report.account.total.channel_uses / (3 * 768 * 512)
    assert [charge.name for charge in report.account.charges] == ["HCI"]
    assert not report.account.HasField("energy_j")
    *again, _ = transmit(requests_of(sent, run_seed=seed, picture_index=9, **MIX))
    assert again == arrivals


STREAM_LENGTHS = {StreamKind.HCI: [128, 128, 90], StreamKind.CAPTION: [60]}


def test_predicted_losses_are_those_of_the_functions_in_process():
    changes = {"snr_db": "8", "mcs": "6", "protection.CAPTION.mcs": "4", "repair_overhead": "0.5"}
    request = loss_request(channel_pb2.ChannelSettings(profile="rayleigh", changes=changes), STREAM_LENGTHS, 2.0)
    response = call("PredictLoss", request)
    profile = load_profile("rayleigh", changes)
    config = profile.config()
    options = read_stream_options(response)
    assert list(options) == list(STREAM_LENGTHS)
    for kind, lengths in STREAM_LENGTHS.items():
        expected = predict_stream_options(lengths, config, 2.0)
        assert options[kind].source_packets == expected.source_packets == len(lengths)
        for one, other in zip(options[kind].schemes, expected.schemes, strict=True):
            assert one.scheme == other.scheme
            assert one.channel_uses.tolist() == other.channel_uses.tolist()
            assert one.loss_probability.tolist() == other.loss_probability.tolist()
    assert response.channel_uses == predict_channel_uses(STREAM_LENGTHS, config, profile.repair_overheads())
    assert predict_loss(request) == response


def test_the_largest_prediction_fits_into_a_message():
    lengths = dict.fromkeys(StreamKind, [128] * 1024)
    request = loss_request(channel_pb2.ChannelSettings(), lengths, 3.0)
    response = call("PredictLoss", request)
    assert {len(one.loss_probability) for stream in response.streams for one in stream.schemes} == {1025}


@pytest.mark.parametrize(
    ("streams", "changes", "words"),
    [
        ([], {}, "no stream"),
        ([(0, [128])], {}, "stream kind 0: kinds are 1 to 6"),
        ([(1, [128]), (1, [90])], {}, "stream HCI occurs twice"),
        ([(1, [])], {}, "0 packets in a stream"),
        ([(1, [2000])], {}, "packet_bytes = 2000"),
        ([(1, [128])], {"snr_kind": "ebn0"}, "need snr_kind esn0"),
        ([(1, [128])], {"mcs": "99"}, "mcs = 99"),
    ],
)
def test_impossible_predictions_are_refused(streams, changes, words):
    request = channel_pb2.PredictLossRequest(
        settings=channel_pb2.ChannelSettings(changes=changes),
        streams=[channel_pb2.StreamPackets(kind=kind, packet_bytes=lengths) for kind, lengths in streams],
        max_repair_overhead=3.0,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        call("PredictLoss", request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
