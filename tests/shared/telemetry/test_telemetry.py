"""Metrics of services on loopback: few labels, calls counted by status code, a taken port reported in one line."""

from __future__ import annotations

import asyncio
import math
import socket
import urllib.request

import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sender.service import sender_spec
from shared.errors import ConfigError, ServiceError, SetupError
from shared.rpc.semlink.v1 import sender_pb2, sender_pb2_grpc
from shared.rpc.server import start_server
from shared.telemetry.labels import SNR_LABELS_DB, codec_label, snr_label
from shared.telemetry.spans import NoSpans, make_spans
from shared.telemetry.telemetry import Telemetry


def scrape(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        text = reply.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@given(st.none() | st.floats())
def test_snr_labels_are_few(es_n0_db):
    lowest, highest = SNR_LABELS_DB
    label = snr_label(es_n0_db)
    if es_n0_db is None or not math.isfinite(es_n0_db):
        assert label == "unknown"
    else:
        assert lowest <= int(label) <= highest
        assert abs(int(label) - es_n0_db) <= 0.5 or es_n0_db < lowest or es_n0_db > highest


def test_only_registered_codecs_are_labels():
    assert [codec_label(name) for name in ("hci", "hci-learned", "", "made up by a caller")] == [
        "hci",
        "hci-learned",
        "unknown",
        "other",
    ]


def test_calls_are_counted_by_method_and_code(exchanged):
    async def run():
        server = await start_server(sender_spec(), metrics_port=0)
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub = sender_pb2_grpc.SenderServiceStub(channel)
                await stub.ListCodecs(sender_pb2.ListCodecsRequest())
                for settings in (sender_pb2.SendSettings(codec="none such"), sender_pb2.SendSettings()):
                    with pytest.raises(grpc.aio.AioRpcError):
                        await exchanged(stub.Send(timeout=20), [sender_pb2.SendRequest(settings=settings)])
                unknown = channel.unary_unary("/semlink.v1.SenderService/Nonsense")
                with pytest.raises(grpc.aio.AioRpcError):
                    await unknown(b"")
                waiting = stub.Send()
                await waiting.write(sender_pb2.SendRequest(settings=sender_pb2.SendSettings()))
                while not of(before := await asyncio.to_thread(scrape, server.metrics_url), *running("Send")):
                    pass
                waiting.cancel()
                while of(after := await asyncio.to_thread(scrape, server.metrics_url), *running("Send")):
                    pass
                return before, after
        finally:
            await server.stop(0)

    def running(method):
        return ("semlink_rpcs_running",)

    def of(samples, name):
        return samples.get((name, frozenset({("method", "Send")})), 0)

    before, after = asyncio.run(run())
    counts = {
        (dict(labels)["method"], dict(labels)["code"]): value
        for (name, labels), value in after.items()
        if name == "semlink_rpcs_total"
    }
    assert counts == {("ListCodecs", "OK"): 1, ("Send", "INVALID_ARGUMENT"): 2, ("Send", "CANCELLED"): 1}
    assert before["semlink_rpc_seconds_count", frozenset({("method", "Send")})] == 2


def test_loading_a_model_records_time_and_outcome():
    telemetry = Telemetry()
    with telemetry.loading("good"):
        pass
    with pytest.raises(SetupError), telemetry.loading("bad"):
        raise SetupError("no weights")
    value = telemetry.registry.get_sample_value
    assert value("semlink_model_loads_total", {"model": "good", "outcome": "loaded"}) == 1
    assert value("semlink_model_loads_total", {"model": "bad", "outcome": "failed"}) == 1
    assert value("semlink_model_load_seconds", {"model": "good"}) >= 0
    assert value("process_resident_memory_bytes") > 1e6
    assert value("semlink_gpu_memory_bytes") >= 0


def test_two_services_in_a_process_have_separate_metrics():
    one, other = Telemetry(), Telemetry()
    with one.stage("encode"):
        pass
    count = ("semlink_stage_seconds_count", {"stage": "encode"})
    assert one.registry.get_sample_value(*count) == 1
    assert other.registry.get_sample_value(*count) is None


def test_a_taken_metrics_port_is_reported_in_one_line_and_nothing_starts():
    async def run(port):
        await start_server(sender_spec(), metrics_port=port)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"cannot serve metrics on 127.0.0.1:{port}: .*another metrics port"):
            asyncio.run(run(port))
    with pytest.raises(ConfigError, match="metrics port 70000 is not between 0 and 65535"):
        asyncio.run(run(70000))


def test_without_an_endpoint_a_span_yields_its_parent():
    spans = make_spans("", "semlink-test")
    assert isinstance(spans, NoSpans)
    with spans.span("call", "00-1-2-01") as parent:
        assert parent == "00-1-2-01"


def test_an_endpoint_must_be_a_url():
    with pytest.raises(ConfigError, match="'localhost:4317' is not a URL: write it as http://"):
        make_spans("localhost:4317", "semlink-test")
