"""What the channel counts: packets by outcome, bits and channel uses by purpose, signal-to-noise ratios."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from channel.link.outcome import Fate
from channel.profile.registry import DEFAULT_CHANNEL, channel_names
from shared.telemetry.labels import OTHER, snr_label

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from channel.config import ChannelConfig
    from channel.link.accounting import Charge
    from channel.link.link import Arrival
    from channel.link.transmission import LinkReport
    from channel.propagation.snr_estimator import SnrMeter
    from shared.rpc.semlink.v1 import channel_pb2

DOCUMENT: Final = "document"
"""Label of a channel that the caller sent as a document, whatever it is called there."""
OUTCOMES: Final = {
    Fate.DELIVERED: ("delivered", "none"),
    Fate.FEC_FAILED: ("lost", "fec"),
    Fate.ERASED: ("lost", "erasure"),
    Fate.EXPIRED: ("lost", "lifetime"),
}
"""Outcome and reason of every fate."""
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
            "semlink_packets", "Packets whose fate is settled.", "channel", "es_n0_db", "outcome", "reason"
        )
        self._transmissions = counter("semlink_transmissions", "Transmissions that ended.", "channel")
        self._reordered = counter("semlink_reordered_packets", "Packets that came after a later one.", "channel")
        self._bits = counter("semlink_air_bits", "Bits that went on air.", "stream", "purpose")
        self._uses = counter("semlink_channel_uses", "Complex symbols that went on air.", "stream", "purpose")
        self._delivered_bits = counter("semlink_delivered_bits", "Bits of the packets that were delivered.", "channel")
        self._transmission_uses = counter("semlink_transmission_channel_uses", "Channel uses by channel.", "channel")
        self._air_time = counter("semlink_air_time_seconds", "Simulated time on air.", "channel")
        self._snr_set = gauge("semlink_es_n0_set_db", "Es/N0 that the last transmission was set to.")
        self._snr_measured = gauge("semlink_es_n0_measured_db", "Es/N0 that its symbols had at the demapper.")
        self._light_time = gauge("semlink_light_time_seconds", "Propagation delay of the last transmission, simulated.")
        self._efficiency = gauge(
            "semlink_spectral_efficiency", "Delivered bits per channel use of the last transmission."
        )

    def arrived(self, channel: str, es_n0_db: float, arrival: Arrival) -> None:
        """Count one packet whose fate is settled."""
        self._packets.labels(channel, snr_label(es_n0_db), *OUTCOMES[arrival.fate]).inc()
        if arrival.fate is Fate.DELIVERED:
            self._delivered_bits.labels(channel).inc(8 * arrival.packet_bytes)

    def begun(self, channel: str, es_n0_db: float) -> None:
        """Have every outcome shown, with 0 packets where none had it: shares of nothing are no numbers."""
        for outcome in OUTCOMES.values():
            self._packets.labels(channel, snr_label(es_n0_db), *outcome)

    def ended(self, channel: str, config: ChannelConfig, report: LinkReport, meter: SnrMeter) -> None:
        """Count the totals of a transmission under ``config``."""
        self._snr_set.labels(channel).set(config.es_n0_db)
        self._light_time.labels(channel).set(config.propagation_delay_s)
        self._transmissions.labels(channel).inc()
        self._reordered.labels(channel).inc(report.reordered)
        self._transmission_uses.labels(channel).inc(report.account.total.channel_uses)
        self._air_time.labels(channel).inc(report.account.air_time_s)
        self._efficiency.labels(channel).set(report.spectral_efficiency)
        if math.isfinite(meter.es_n0_db):
            self._snr_measured.labels(channel).set(meter.es_n0_db)
        for charge in report.account.charges:
            self._charge(charge)

    def _charge(self, charge: Charge) -> None:
        # A repaired object may have any mix of kinds: its name would be a label without bound.
        stream = charge.name.partition(" ")[0]
        for purpose in BITS:
            self._bits.labels(stream, purpose).inc(getattr(charge, f"{purpose}_bits"))
        for purpose in USES:
            self._uses.labels(stream, purpose).inc(getattr(charge, f"{purpose}_uses"))
