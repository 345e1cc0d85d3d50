"""Metrics of the channel: packets by outcome, bits and channel uses by purpose, signal-to-noise ratios."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from channel.link.outcome import PacketOutcome
from channel.profile.registry import DEFAULT_CHANNEL, channel_names
from shared.telemetry.labels import OTHER, snr_label

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from channel.config import ChannelConfig
    from channel.link.accounting import Cost
    from channel.link.link import Arrival
    from channel.link.transmission import LinkReport
    from channel.propagation.snr_estimator import SnrEstimator
    from shared.rpc.semlink.v1 import channel_pb2

DOCUMENT: Final = "document"
"""Label of a channel that the caller sent as a document, whatever its name."""
OUTCOMES: Final = {
    PacketOutcome.DELIVERED: ("delivered", "none"),
    PacketOutcome.FEC_FAILED: ("lost", "fec"),
    PacketOutcome.ERASED: ("lost", "erasure"),
    PacketOutcome.EXPIRED: ("lost", "lifetime"),
}
"""Labels ``outcome`` and ``reason`` of every packet outcome."""
BITS: Final = ("source", "header", "check", "repair", "padding", "parity")
USES: Final = ("data", "pilot", "grid")


def channel_label(settings: channel_pb2.ChannelSettings) -> str:
    """Return the channel as a label: one of the names that this service knows, or ``document``."""
    if settings.profile_yaml:
        return DOCUMENT
    name = settings.profile or DEFAULT_CHANNEL
    return name if name in channel_names() else OTHER


class ChannelMetrics:
    """The channel's metrics in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["channel"], registry=registry)

        self._packets = counter(
            "semlink_packets", "Packets whose outcome is settled.", "channel", "es_n0_db", "outcome", "reason"
        )
        self._transmissions = counter("semlink_transmissions", "Transmissions that ended.", "channel")
        self._reordered = counter(
            "semlink_reordered_packets", "Packets that arrived after a packet that was sent later.", "channel"
        )
        self._bits = counter("semlink_air_bits", "Bits sent on air.", "stream", "purpose")
        self._uses = counter("semlink_channel_uses", "Complex symbols sent on air.", "stream", "purpose")
        self._delivered_bits = counter("semlink_delivered_bits", "Bits of delivered packets.", "channel")
        self._transmission_uses = counter("semlink_transmission_channel_uses", "Channel uses by channel.", "channel")
        self._air_time = counter("semlink_air_time_seconds", "Simulated time on air.", "channel")
        self._snr_set = gauge("semlink_es_n0_set_db", "Es/N0 in the settings of the last transmission.")
        self._snr_measured = gauge("semlink_es_n0_measured_db", "Es/N0 of its symbols at the demapper.")
        self._light_time = gauge("semlink_light_time_seconds", "Propagation delay of the last transmission, simulated.")
        self._efficiency = gauge(
            "semlink_spectral_efficiency", "Delivered bits per channel use of the last transmission."
        )

    def count_arrival(self, channel: str, es_n0_db: float, arrival: Arrival) -> None:
        """Count one packet whose outcome is settled."""
        self._packets.labels(channel, snr_label(es_n0_db), *OUTCOMES[arrival.outcome]).inc()
        if arrival.outcome is PacketOutcome.DELIVERED:
            self._delivered_bits.labels(channel).inc(8 * arrival.packet_bytes)

    def show_outcomes(self, channel: str, es_n0_db: float) -> None:
        """Show every outcome from the start, with 0 packets, so that shares of packets are always defined."""
        for outcome in OUTCOMES.values():
            self._packets.labels(channel, snr_label(es_n0_db), *outcome)

    def count_transmission(
        self, channel: str, config: ChannelConfig, report: LinkReport, estimator: SnrEstimator
    ) -> None:
        """Add the totals of a transmission under ``config``."""
        self._snr_set.labels(channel).set(config.es_n0_db)
        self._light_time.labels(channel).set(config.propagation_delay_s)
        self._transmissions.labels(channel).inc()
        self._reordered.labels(channel).inc(report.reordered)
        self._transmission_uses.labels(channel).inc(report.cost.total.channel_uses)
        self._air_time.labels(channel).inc(report.cost.air_time_s)
        self._efficiency.labels(channel).set(report.spectral_efficiency)
        if math.isfinite(estimator.es_n0_db):
            self._snr_measured.labels(channel).set(estimator.es_n0_db)
        for cost in report.cost.costs:
            self._count_cost(cost)

    def _count_cost(self, cost: Cost) -> None:
        # Only the first word is a label: a repaired object may have any mix of kinds, which would be too many labels.
        stream = cost.name.partition(" ")[0]
        for purpose in BITS:
            self._bits.labels(stream, purpose).inc(getattr(cost, f"{purpose}_bits"))
        for purpose in USES:
            self._uses.labels(stream, purpose).inc(getattr(cost, f"{purpose}_uses"))
