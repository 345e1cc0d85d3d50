"""The dashboards: titles, queries and units of their panels. ``build.py`` writes them as Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

WINDOW = "$__rate_interval"


class Kind(Enum):
    """How a panel shows its queries."""

    OVER_TIME = "timeseries"
    NUMBER = "stat"
    OVER_SNR = "trend"
    """Against Es/N0: each query gives values by ``es_n0_db`` and one further label."""
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and what its series are called, with labels in double braces."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; ``unit`` is Grafana's name of a unit, ``series`` the label of the series of ``Kind.OVER_SNR``."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = Kind.OVER_TIME
    width: int = 12
    series: str = "codec"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; ``uid`` is its file's name and its place in URLs."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def _mean_over_snr(metric: str, by: str = "codec", which: str = "") -> Query:
    chosen = f'{{es_n0_db!="unknown"{which and f", {which}"}}}'
    sums, counts = (f"sum by ({by}, es_n0_db) ({metric}_{part}{chosen})" for part in ("sum", "count"))
    return Query(f"{sums} / {counts}", f"{{{{{by}}}}}")


def _ratio(by: str, over: str, under: str) -> Query:
    """Return the sum of ``over`` by labels over that of ``under``."""
    return Query(f"sum by ({by}) ({over}) / sum by ({by}) ({under})", f"{{{{{by.partition(',')[0]}}}}}")


def _quantile(share: float, metric: str, by: str) -> Query:
    buckets = f"sum by ({by}, le) (rate({metric}_bucket[{WINDOW}]))"
    names = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return Query(f"histogram_quantile({share}, {buckets})", f"{names} {share:.0%}")


LINK = Dashboard(
    "link",
    "Link",
    "Packets, signal-to-noise ratio and time on the channel.",
    (
        Panel(
            "Transmissions",
            "Since the channel started.",
            (Query("sum(semlink_transmissions_total)"),),
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel("Packets", "With any outcome.", (Query("sum(semlink_packets_total)"),), kind=Kind.NUMBER, width=4),
        Panel(
            "BLER",
            "Packets that the channel decoder could not correct, over all packets that reached it.",
            (Query('sum(semlink_packets_total{reason="fec"}) / sum(semlink_packets_total{reason=~"fec|none"})'),),
            unit="percentunit",
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Pictures rebuilt",
            "From received streams, without invented pictures.",
            (Query('sum(semlink_received_pictures_total{outcome="rebuilt"}) / sum(semlink_received_pictures_total)'),),
            unit="percentunit",
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Light time",
            "Simulated, of the last transmission.",
            (Query("semlink_light_time_seconds", "{{channel}}"),),
            unit="s",
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Spectral efficiency",
            "Delivered bits per channel use, of the last transmission.",
            (Query("semlink_spectral_efficiency", "{{channel}}"),),
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Packets by outcome",
            "Delivered; lost to noise (fec), to erasures, bursts and outages (erasure), or to their lifetime.",
            (Query(f"sum by (outcome, reason) (increase(semlink_packets_total[{WINDOW}]))", "{{outcome}} {{reason}}"),),
        ),
        Panel(
            "BLER over Es/N0",
            "By channel, since the channel started.",
            (
                _ratio(
                    "channel, es_n0_db",
                    'semlink_packets_total{reason="fec"}',
                    'semlink_packets_total{reason=~"fec|none"}',
                ),
            ),
            unit="percentunit",
            kind=Kind.OVER_SNR,
            series="channel",
        ),
        Panel(
            "Es/N0, set and measured",
            "Of the last transmission of each channel; measured at the demapper from the known symbols.",
            (
                Query("semlink_es_n0_set_db", "{{channel}} set"),
                Query("semlink_es_n0_measured_db", "{{channel}} measured"),
            ),
            unit="dB",
        ),
        Panel("Queues", "Waiting packets and tasks.", (Query("semlink_queue_length", "{{service}} {{queue}}"),)),
        Panel(
            "Delivered and on air",
            "Bits of delivered packets, and channel uses, per second of wall time.",
            (
                Query(f"sum by (channel) (rate(semlink_delivered_bits_total[{WINDOW}]))", "{{channel}} bits"),
                Query(
                    f"sum by (channel) (rate(semlink_transmission_channel_uses_total[{WINDOW}]))", "{{channel}} uses"
                ),
            ),
        ),
        Panel(
            "Order and repair",
            "Packets out of order, rejected packets, and repair packets. A one-way link has no retransmissions.",
            (
                Query("sum by (channel) (semlink_reordered_packets_total)", "{{channel}} reordered"),
                Query("sum(semlink_rejected_packets_total)", "rejected by the receiver"),
                Query('sum(semlink_sent_packets_total{purpose="repair"})', "repair packets sent"),
            ),
        ),
    ),
)

QUALITY = Dashboard(
    "quality",
    "Quality over SNR",
    "Quality of pictures by codec and set Es/N0: means since the receiver started.",
    (
        Panel("PSNR", "Against the original.", (_mean_over_snr("semlink_psnr_db"),), unit="dB", kind=Kind.OVER_SNR),
        Panel("MS-SSIM", "Against the original.", (_mean_over_snr("semlink_ms_ssim"),), kind=Kind.OVER_SNR),
        Panel(
            "Pictures rebuilt",
            "Share of pictures that were made from received streams.",
            (
                _ratio(
                    "codec, es_n0_db",
                    'semlink_received_pictures_total{outcome="rebuilt", es_n0_db!="unknown"}',
                    'semlink_received_pictures_total{es_n0_db!="unknown"}',
                ),
            ),
            unit="percentunit",
            kind=Kind.OVER_SNR,
        ),
        Panel(
            "Trust",
            "Mean of the trust map: 0 invented, 1 received.",
            (_mean_over_snr("semlink_trust"),),
            kind=Kind.OVER_SNR,
        ),
        Panel(
            "Perceptual distances",
            "LPIPS-Alex, LPIPS-VGG and DISTS over all codecs; lower is better. Needs SEMLINK_PERCEPTUAL=true.",
            (_mean_over_snr("semlink_perceptual_distance", "measure"),),
            kind=Kind.OVER_SNR,
            series="measure",
        ),
        Panel(
            "Classifier agreement",
            "Share of pictures whose best class is that of the original (top-1). Needs SEMLINK_PERCEPTUAL=true.",
            (_mean_over_snr("semlink_classifier_agreement", "codec", 'measure="top1"'),),
            unit="percentunit",
            kind=Kind.OVER_SNR,
        ),
        Panel(
            "PSNR over time",
            "Median of recently received pictures.",
            (_quantile(0.5, "semlink_psnr_db", "codec"),),
            unit="dB",
        ),
        Panel(
            "Pictures by outcome",
            "Rebuilt, invented (nothing but the size was received) or lost, since the receiver started.",
            (Query("sum by (codec, outcome) (semlink_received_pictures_total)", "{{codec}} {{outcome}}"),),
        ),
    ),
)

RATE = Dashboard(
    "rate",
    "Rate",
    "Cost of pictures: bytes by stream, bits on air by purpose, channel uses.",
    (
        Panel(
            "Bits per pixel",
            "Bits of the containers over pixels, since the sender started.",
            (_ratio("codec", "8 * semlink_sent_container_bytes_total", "semlink_sent_pixels_total"),),
            kind=Kind.NUMBER,
            width=6,
        ),
        Panel(
            "Bytes per picture",
            "Mean size of the container, since the sender started.",
            (_ratio("codec", "semlink_sent_container_bytes_total", "semlink_sent_pictures_total"),),
            unit="bytes",
            kind=Kind.NUMBER,
            width=6,
        ),
        Panel(
            "Source bits per channel use",
            "Entropy-coded payload over all channel uses.",
            (Query('sum(semlink_air_bits_total{purpose="source"}) / sum(semlink_channel_uses_total)'),),
            kind=Kind.NUMBER,
            width=6,
        ),
        Panel(
            "Pictures sent",
            "Since the sender started.",
            (Query("sum by (codec) (semlink_sent_pictures_total)", "{{codec}}"),),
            kind=Kind.NUMBER,
            width=6,
        ),
        Panel(
            "Bytes by stream",
            "Entropy-coded payload.",
            (
                Query(
                    f"sum by (codec, stream) (rate(semlink_sent_stream_bytes_total[{WINDOW}]))", "{{codec}} {{stream}}"
                ),
            ),
            unit="Bps",
        ),
        Panel(
            "Bits on air by purpose",
            "Every bit on air has one purpose.",
            (Query("sum by (purpose) (semlink_air_bits_total)", "{{purpose}}"),),
            unit="bits",
        ),
        Panel(
            "Channel uses by stream and purpose",
            "Complex symbols: data, pilots, and the rest of the grid.",
            (Query("sum by (stream, purpose) (semlink_channel_uses_total)", "{{stream}} {{purpose}}"),),
        ),
        Panel(
            "Spread of bits per pixel",
            "Quartiles over recently sent pictures.",
            tuple(_quantile(share, "semlink_sent_bpp", "codec") for share in (0.25, 0.5, 0.75)),
        ),
        Panel(
            "Packets made",
            "Source and repair packets.",
            (Query(f"sum by (purpose) (increase(semlink_sent_packets_total[{WINDOW}]))", "{{purpose}}"),),
        ),
        Panel(
            "Air time",
            "Simulated seconds on air per second of wall time.",
            (Query(f"sum by (channel) (rate(semlink_air_time_seconds_total[{WINDOW}]))", "{{channel}}"),),
        ),
    ),
)

SERVICES = Dashboard(
    "services",
    "Services",
    "State of the services: calls, latency, memory, models, alerts.",
    (
        Panel(
            "Up",
            "1 if the service answered the last scrape.",
            (Query('up{job="semlink"}', "{{service}}"),),
            kind=Kind.NUMBER,
            width=8,
        ),
        Panel(
            "Alerts",
            "Firing now; deploy/prometheus/alerts.yml.",
            (Query('sum(ALERTS{alertstate="firing"}) or vector(0)'),),
            kind=Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Models",
            "Time that each took to load.",
            (Query("semlink_model_load_seconds", "{{service}} {{model}}"),),
            unit="s",
            kind=Kind.NUMBER,
        ),
        Panel(
            "Models of the decoders",
            "Id and revision of each model that a loaded decoder uses.",
            (Query("max by (decoder, part, model, revision) (semlink_model_info)"),),
            kind=Kind.TABLE,
        ),
        Panel(
            "Calls by code",
            "gRPC calls that ended.",
            (Query(f"sum by (service, method, code) (increase(semlink_rpcs_total[{WINDOW}]))", "{{method}} {{code}}"),),
        ),
        Panel("Calls in progress", "By method.", (Query("semlink_rpcs_running", "{{service}} {{method}}"),)),
        Panel(
            "Latency of calls",
            "From the settings to the report, streams included.",
            (_quantile(0.5, "semlink_rpc_seconds", "method"), _quantile(0.95, "semlink_rpc_seconds", "method")),
            unit="s",
        ),
        Panel(
            "Latency of stages",
            "Time of each stage of a call.",
            (
                _quantile(0.5, "semlink_stage_seconds", "service, stage"),
                _quantile(0.95, "semlink_stage_seconds", "service, stage"),
            ),
            unit="s",
        ),
        Panel("Memory", "Resident.", (Query("process_resident_memory_bytes", "{{service}}"),), unit="bytes"),
        Panel("GPU memory", "Allocated by torch.", (Query("semlink_gpu_memory_bytes", "{{service}}"),), unit="bytes"),
        Panel(
            "Cores in use",
            "CPU seconds per second.",
            (Query(f"rate(process_cpu_seconds_total[{WINDOW}])", "{{service}}"),),
        ),
        Panel(
            "Time by stage",
            "Since the service started.",
            (Query("sum by (service, stage) (semlink_stage_seconds_sum)", "{{service}} {{stage}}"),),
            unit="s",
            kind=Kind.TABLE,
        ),
    ),
)

DASHBOARDS = (LINK, QUALITY, RATE, SERVICES)
