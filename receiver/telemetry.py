"""The receiver's metrics: pictures by outcome, streams by state, and quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from receiver.metrics.names import PERCEPTUAL
from shared.outcome import OUTCOMES, outcome_of
from shared.rpc.semlink.v1 import receiver_pb2
from shared.streams import StreamKind
from shared.telemetry.labels import PSNR_DB, RATIOS, codec_label, snr_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

    from receiver.decoders.base import Decoder
    from shared.rpc.semlink.v1 import packet_pb2

AGREEMENTS = ("top1", "top5")


class ReceiverMetrics:
    """The receiver's metrics in ``registry``. Quality is labelled with the codec and Es/N0 of the client's session."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...], *more: str) -> Histogram:
            return Histogram(name, text, ["codec", "es_n0_db", *more], buckets=buckets, registry=registry)

        self._pictures = Counter(
            "semlink_received_pictures",
            "Pictures by outcome: rebuilt, invented (only the size was received), lost.",
            ["codec", "es_n0_db", "outcome"],
            registry=registry,
        )
        self._streams = Counter(
            "semlink_received_streams",
            "Streams of which at least one packet was received, by state.",
            ["stream", "state"],
            registry=registry,
        )
        self._repairs = Counter("semlink_repair_objects", "Repaired objects by state.", ["state"], registry=registry)
        self._rejected = Counter(
            "semlink_rejected_packets", "Packets that are not of this link, or fail their CRC-16.", registry=registry
        )
        self._models = Gauge(
            "semlink_model_info",
            "1 for each model of a loaded decoder, with its id and revision.",
            ["decoder", "part", "model", "revision"],
            registry=registry,
        )
        self._psnr = histogram("semlink_psnr_db", "PSNR of the picture.", PSNR_DB)
        self._ms_ssim = histogram("semlink_ms_ssim", "MS-SSIM of the picture.", RATIOS)
        self._trust = histogram("semlink_trust", "Mean of the trust map, 0 (invented) to 1 (received).", RATIOS)
        self._distance = histogram(
            "semlink_perceptual_distance",
            "Perceptual distance to the original: LPIPS-Alex, LPIPS-VGG or DISTS.",
            RATIOS,
            "measure",
        )
        self._agreement = histogram(
            "semlink_classifier_agreement",
            "1 if the classifier gives the picture the class of its original.",
            (0.5, 1.0),
            "measure",
        )

    def show_models(self, decoder: Decoder) -> None:
        """Show which models ``decoder`` uses."""
        for one in decoder.models:
            self._models.labels(decoder.name, one.part, one.model, one.revision).set(1)

    def count_picture(self, session: packet_pb2.Session, report: receiver_pb2.ReceiveReport) -> None:
        """Count the picture of ``report``."""
        labels = _labels(session)
        outcome = outcome_of(report)
        for one in OUTCOMES:  # add 0 to the others, so that shares are defined from the first picture on
            self._pictures.labels(*labels, one).inc(one == outcome)
        self._rejected.inc(report.packets_rejected)
        for stream in report.streams:
            state = receiver_pb2.StreamState.Name(stream.state).removeprefix("STREAM_STATE_").lower()
            self._streams.labels(StreamKind(stream.kind).name, state).inc()
        for repair in report.repairs:
            self._repairs.labels(
                receiver_pb2.RepairState.Name(repair.state).removeprefix("REPAIR_STATE_").lower()
            ).inc()
        if report.HasField("quality"):
            self._psnr.labels(*labels).observe(report.quality.psnr_db)
            if report.quality.HasField("ms_ssim"):
                self._ms_ssim.labels(*labels).observe(report.quality.ms_ssim)
        if report.HasField("trust"):
            self._trust.labels(*labels).observe(report.trust)

    def count_perceptual(self, session: packet_pb2.Session, found: Mapping[str, float | None]) -> None:
        """Count perceptual distances and classifier agreement by the names of ``receiver.metrics.names``."""
        labels = _labels(session)
        for names, metric in ((PERCEPTUAL, self._distance), (AGREEMENTS, self._agreement)):
            for name in names:
                value = found.get(name)
                if value is not None:
                    metric.labels(*labels, name).observe(value)


def _labels(session: packet_pb2.Session) -> tuple[str, str]:
    es_n0_db = session.es_n0_db if session.HasField("es_n0_db") else None
    return codec_label(session.codec), snr_label(es_n0_db)
