"""The sender's metrics: pictures, and the bytes of their streams and packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from shared.streams import StreamKind
from shared.telemetry.labels import BPP, codec_label

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from shared.rpc.semlink.v1 import sender_pb2


class SenderMetrics:
    """The sender's metrics in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._pictures = counter("semlink_sent_pictures", "Pictures encoded.", "codec")
        self._pixels = counter("semlink_sent_pixels", "Pixels of the pictures encoded.", "codec")
        self._stream_bytes = counter(
            "semlink_sent_stream_bytes", "Entropy-coded payload of the streams.", "codec", "stream"
        )
        self._container_bytes = counter("semlink_sent_container_bytes", "Bytes of the containers.", "codec")
        self._packets = counter("semlink_sent_packets", "Packets made, by purpose: source or repair.", "purpose")
        self._packet_bytes = counter(
            "semlink_sent_packet_bytes", "Bytes of these packets, headers and CRCs included.", "purpose"
        )
        self._bpp = Histogram(
            "semlink_sent_bpp",
            "Bits of the container per pixel of a picture.",
            ["codec"],
            buckets=BPP,
            registry=registry,
        )

    def record(self, report: sender_pb2.SendReport) -> None:
        """Count the picture that ``report`` is about."""
        codec = codec_label(report.codec)
        self._pictures.labels(codec).inc()
        self._pixels.labels(codec).inc(report.width * report.height)
        self._container_bytes.labels(codec).inc(len(report.container))
        self._bpp.labels(codec).observe(report.bpp)
        for stream in report.streams:
            self._stream_bytes.labels(codec, StreamKind(stream.kind).name).inc(stream.bytes)
        for purpose, packets, size in (
            ("source", report.packets, report.packet_bytes),
            ("repair", report.repair_packets, report.repair_bytes),
        ):
            self._packets.labels(purpose).inc(packets)
            self._packet_bytes.labels(purpose).inc(size)
