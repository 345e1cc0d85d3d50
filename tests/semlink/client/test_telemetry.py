"""Telemetry of transfers over services: metrics agree with the reports, and the spans form one trace."""

from __future__ import annotations

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from semlink.client.addresses import SERVICE_NAMES, Addresses
from semlink.client.client import LinkClient
from semlink.client.local_services import RunSettings, start_services
from semlink.client.settings import channel_settings
from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2
from shared.telemetry.spans import make_spans

GOOD_DB, BAD_DB = 8.0, -8.0


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps the spans that it gets."""

    def __init__(self):
        self.spans = []

    def Export(self, request, context):  # noqa: N802 - gRPC's name
        for resource in request.resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@dataclass
class Record:
    transfers: list = field(default_factory=list)
    samples: dict = field(default_factory=dict)
    spans: list = field(default_factory=list)

    def value(self, service: str, name: str, **labels: str) -> float:
        return self.samples[service][name, frozenset(labels.items())]


def scrape(url: str):
    with urllib.request.urlopen(url, timeout=10) as reply:
        families = text_string_to_metric_families(reply.read().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


@pytest.fixture(scope="module")
def record(picture_png) -> Record:
    """Two transfers, one delivered and one lost, over services with all metrics and with traces."""
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    async def run() -> Record:
        record, spans = Record(spans=collector.spans), make_spans(endpoint, "semlink-client")
        settings = RunSettings(metrics_ports=dict.fromkeys(SERVICE_NAMES, 0), perceptual=True, traces=endpoint)
        running = await start_services(SERVICE_NAMES, settings)
        at = Addresses(**{name: service.address for name, service in running.items()})
        try:
            async with LinkClient(at, spans=spans) as client:
                for snr_db in (GOOD_DB, BAD_DB):
                    channel = channel_settings("awgn", {"snr_db": snr_db, "propagation_delay_s": 2.5})
                    record.transfers.append(
                        await client.transfer(
                            picture_png,
                            sender_pb2.SendSettings(codec="hci-learned"),
                            channel,
                            receiver_pb2.ReceiveSettings(decoder="hci"),
                        )
                    )
            for name, service in running.items():
                record.samples[name] = await asyncio.to_thread(scrape, service.metrics_url)
        finally:
            await asyncio.gather(*(service.stop(0) for service in running.values()))
            await asyncio.to_thread(spans.close)
        return record

    try:
        return asyncio.run(run())
    finally:
        server.stop(0)


def test_the_sender_counts_bytes_by_stream_and_codec(record):
    good, bad = (transfer.sent for transfer in record.transfers)
    assert record.value("sender", "semlink_sent_pictures_total", codec="hci-learned") == 2
    assert record.value("sender", "semlink_sent_pixels_total", codec="hci-learned") == 2 * 384 * 256
    total = len(good.container) + len(bad.container)
    assert record.value("sender", "semlink_sent_container_bytes_total", codec="hci-learned") == total
    assert record.value("sender", "semlink_sent_bpp_sum", codec="hci-learned") == pytest.approx(good.bpp + bad.bpp)
    payload = sum(stream.bytes for sent in (good, bad) for stream in sent.streams)
    assert record.value("sender", "semlink_sent_stream_bytes_total", codec="hci-learned", stream="HCI") == payload
    assert record.value("sender", "semlink_sent_packets_total", purpose="source") == good.packets + bad.packets


def test_the_channel_counts_packets_by_outcome_and_its_accounting_agrees_with_the_reports(record):
    good, bad = (transfer.link for transfer in record.transfers)
    assert (good.delivered, bad.fec_failed) == (good.packets, bad.packets)

    def packets(es_n0_db, outcome, reason):
        labels = {"channel": "awgn", "es_n0_db": es_n0_db, "outcome": outcome, "reason": reason}
        return record.value("channel", "semlink_packets_total", **labels)

    assert packets("8", "delivered", "none") == good.packets
    assert packets("-8", "lost", "fec") == bad.packets
    bits = {
        dict(labels)["purpose"]: value
        for (name, labels), value in record.samples["channel"].items()
        if name == "semlink_air_bits_total" and dict(labels)["stream"] == "HCI"
    }
    assert bits["source"] == good.account.total.source_bits + bad.account.total.source_bits
    assert sum(bits.values()) == good.coded_bits + bad.coded_bits
    uses = sum(v for (name, _), v in record.samples["channel"].items() if name == "semlink_channel_uses_total")
    assert uses == good.channel_uses + bad.channel_uses
    assert record.value("channel", "semlink_light_time_seconds", channel="awgn") == 2.5
    assert record.value("channel", "semlink_es_n0_set_db", channel="awgn") == BAD_DB
    assert record.value("channel", "semlink_es_n0_measured_db", channel="awgn") == pytest.approx(BAD_DB, abs=0.5)
    assert record.value("channel", "semlink_queue_length", queue="packets") == 0


def test_the_receiver_counts_quality_by_codec_and_snr(record):
    good, bad = (transfer.received.report for transfer in record.transfers)
    assert good.rebuilt
    assert not bad.rebuilt
    labels = {"codec": "hci-learned", "es_n0_db": "8"}
    assert record.value("receiver", "semlink_received_pictures_total", outcome="rebuilt", **labels) == 1
    lost = {"codec": "hci-learned", "es_n0_db": "-8", "outcome": "lost"}
    assert record.value("receiver", "semlink_received_pictures_total", **lost) == 1
    assert record.value("receiver", "semlink_psnr_db_sum", **labels) == pytest.approx(good.quality.psnr_db)
    assert record.value("receiver", "semlink_ms_ssim_sum", **labels) == pytest.approx(good.quality.ms_ssim)
    assert record.value("receiver", "semlink_classifier_agreement_count", measure="top1", **labels) == 1
    distance = record.value("receiver", "semlink_perceptual_distance_sum", measure="lpips_alex", **labels)
    assert distance > 0


@pytest.mark.parametrize(
    ("service", "stages"),
    [
        ("sender", {"read", "encode", "packetise"}),
        ("channel", {"transmit"}),
        ("receiver", {"decode", "measure", "perceptual"}),
    ],
)
def test_every_stage_is_timed(record, service, stages):
    counts = {
        dict(labels)["stage"]: value
        for (name, labels), value in record.samples[service].items()
        if name == "semlink_stage_seconds_count"
    }
    assert counts.keys() == stages
    assert min(counts.values()) >= 1


def test_a_transfer_is_one_trace_over_client_and_services(record):
    assert {service for service, _ in record.spans} == {
        "semlink-client",
        *(f"semlink-{name}" for name in SERVICE_NAMES),
    }
    roots = [span for _, span in record.spans if not span.parent_span_id]
    assert [span.name for span in roots] == ["transfer", "transfer"]
    for root in roots:
        of_trace = [(service, span) for service, span in record.spans if span.trace_id == root.trace_id]
        calls = {(service, span.name) for service, span in of_trace if span.parent_span_id == root.span_id}
        assert calls == {("semlink-sender", "Send"), ("semlink-channel", "Transmit"), ("semlink-receiver", "Receive")}
        parents = {span.span_id: span.name for _, span in of_trace}
        stages = {(parents[span.parent_span_id], span.name) for _, span in of_trace if span.parent_span_id}
        assert {("Send", "encode"), ("Transmit", "transmit"), ("transfer", "Receive")} <= stages
        for _, span in of_trace:
            assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
