"""The links of the demo: each picture at each SNR with each seed, by Semlink and by a classical codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from channel.link.channel_uses import count_channel_uses
from channel.link.outcome import PacketOutcome
from channel.phy.coding import ChainCache
from channel.service.messages import read_profile
from receiver.metrics.pixel import psnr_db
from receiver.reception import Reception
from semlink.client.settings import channel_settings
from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.separate_coding import FileCache, mean_colour, send_file
from semlink.pipeline.settings_over import settings_over
from sender.messages import requested_codec, requested_packets
from shared.bitstream import Bitstream
from shared.outcome import LOST, REBUILT, outcome_of
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from semlink.client.session import Session

CODEC: Final = "resilient"
CLASSICAL: Final = "hevc+ldpc:best"
SEMLINK_NAME: Final = "Semlink"
CLASSICAL_NAME: Final = "HEVC + LDPC"
MAX_BYTES: Final = 600
"""Bytes of a picture: the container of Semlink's streams. The classical file gets the channel uses of its packets."""
CHART_DECODER: Final = "hci"
"""Decoder of the chart. The default decoder would take minutes for so many pictures."""


@dataclass(frozen=True, slots=True)
class Run:
    """One picture by one system over the channel with one seed. A lost picture has the PSNR of its mean colour."""

    picture: str
    snr_db: float
    seed: int
    system: str
    packets: int
    arrived: int
    outcome: str
    psnr_db: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as Semlink sends it at one SNR, with the channel's settings for seed 0."""

    picture: str
    data: bytes
    snr_db: float
    settings: sender_pb2.SendSettings
    channel: channel_pb2.ChannelSettings
    container: bytes
    packets: tuple[bytes, ...]

    def channel_with(self, seed: int) -> channel_pb2.ChannelSettings:
        """Return the channel's settings with ``seed``."""
        over = channel_pb2.ChannelSettings()
        over.CopyFrom(self.channel)
        over.run_seed = seed
        return over

    def as_file(self) -> FileSent:
        """Return what the classical codec needs of it."""
        config = read_profile(self.channel).resolve(run_seed=0, device="cpu").config
        return FileSent(self.picture, self.data, self.snr_db, config, count_channel_uses(self.packets, config))


@dataclass(frozen=True, slots=True)
class FileSent:
    """A picture for the classical codec at one SNR, in plain values that go to another process."""

    picture: str
    data: bytes
    snr_db: float
    config: ChannelConfig
    channel_uses: int


@dataclass(frozen=True, slots=True)
class ClassicalRun:
    """A run of the classical codec. ``png`` is the picture that arrived with the first seed; empty if it was lost."""

    run: Run
    png: bytes


def encode_at(session: Session, picture: str, data: bytes, channel: str, snr_db: float) -> Sent:
    """Encode the file ``data`` for ``channel`` at ``snr_db``, as ``semlink send --bytes`` does.

    Raises:
        LinkError: the channel is refused, or weights are missing.
    """
    over = channel_settings(channel, {"snr_db": snr_db})
    settings = sender_pb2.SendSettings(codec=CODEC, max_bytes=MAX_BYTES)
    told = settings_over(session.describe(over), settings)
    container = session.encode(data, told).container
    packets = requested_packets(Bitstream.unpack(container), requested_codec(told), told).all
    return Sent(picture, data, snr_db, settings, over, container, tuple(packets))


def run_semlink(session: Session, sent: Sequence[Sent], seeds: Sequence[int]) -> list[tuple[Run, frozenset[int]]]:
    """Send one picture at each of its SNRs with each seed; return the runs, and which packets arrived.

    Equal streams that arrive are decoded once, by ``CHART_DECODER``.
    """
    lost_db = _mean_colour_psnr_db(sent[0].data)
    decoded: dict[bytes, tuple[str, float]] = {b"": (LOST, lost_db)}
    runs = []
    for one in sent:
        for seed in seeds:
            carried = session.transmit(one.packets, one.channel_with(seed))
            arrived = [arrival for arrival in carried.arrivals if arrival.HasField("packet")]
            reception = Reception(picture_index=0)
            for arrival in arrived:
                reception.push(arrival.packet.data)
            bitstream = reception.bitstream()
            container = bitstream.pack() if bitstream is not None else b""
            if container not in decoded:
                decoded[container] = _decode(session, container, one.data, lost_db)
            counts = len(one.packets), len(arrived)
            run = Run(one.picture, one.snr_db, seed, SEMLINK_NAME, *counts, *decoded[container])
            runs.append((run, frozenset(int(arrival.index) for arrival in arrived)))
    return runs


def run_classical(sent: Sequence[FileSent], seeds: Sequence[int]) -> list[ClassicalRun]:
    """Send one picture as a classical file at each SNR with each seed, in the channel uses of Semlink's packets.

    Raises:
        ConfigError: the channel states Eb/N0, at which no MCS is the best.
    """
    pixels = grey_to_rgb(load_picture(sent[0].data).pixels)
    spec, chains, files = parse_coding_spec(CLASSICAL), ChainCache(), FileCache()
    runs = []
    for one in sent:
        for seed in seeds:
            config = one.config.model_copy(update={"run_seed": seed})
            file = send_file(pixels, spec, config, channel_uses=one.channel_uses, chains=chains, files=files)
            packets = file.cost.total.packets if file.cost else 0
            arrived = file.packet_outcomes.get(PacketOutcome.DELIVERED, 0)
            outcome = REBUILT if file.complete else LOST
            quality_db = psnr_db(file.pixels, pixels)
            run = Run(one.picture, one.snr_db, seed, CLASSICAL_NAME, packets, arrived, outcome, quality_db)
            png = encode_png(file.pixels) if file.complete and seed == seeds[0] else b""
            runs.append(ClassicalRun(run, png))
    return runs


def _decode(session: Session, container: bytes, picture: bytes, lost_db: float) -> tuple[str, float]:
    """Return the outcome and the PSNR in dB of what arrived."""
    settings = receiver_pb2.DecodeSettings(decoder=CHART_DECODER)
    report = session.decode(container, settings, reference=picture).report
    return outcome_of(report), report.quality.psnr_db if report.HasField("quality") else lost_db


def _mean_colour_psnr_db(picture: bytes) -> float:
    pixels = grey_to_rgb(load_picture(picture).pixels)
    return psnr_db(mean_colour(pixels), pixels)
