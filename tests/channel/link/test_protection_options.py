from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from channel.link.channel_uses import count_channel_uses
from channel.link.link import Link
from channel.link.loss_model import predict_packet_loss
from channel.link.outcome import PacketOutcome
from channel.link.protection_options import predict_channel_uses, predict_scheme_options, predict_stream_options
from channel.phy.mcs import MCS_INDICES, mcs
from channel.profile.registry import load_profile
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder, plan_repair
from shared.repair.packet import kinds_of
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from channel.config import ChannelConfig

LENGTHS = [128, 128, 128, 90]
OVERHEADS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 2.5])


def config_at(snr_db: float, channel: str = "awgn", **changes: str) -> ChannelConfig:
    return load_profile(channel, {"snr_db": str(snr_db), "mcs": "6", **changes}).config(run_seed=1)


def pack(sizes: dict[StreamKind, int], packet_bytes: int) -> list[bytes]:
    streams = tuple(Stream(kind, bytes(size)) for kind, size in sorted(sizes.items()))
    return Packetiser(packet_bytes).packetise(Bitstream(PictureHeader(64, 64), streams), 0)


def repair(packets: list[bytes], overheads: dict[StreamKind, float]) -> list[bytes]:
    """Return repair packets, each object from the packets of its streams."""
    counts = {kind: sum(kinds_of(packet) == (kind,) for packet in packets) for kind in StreamKind}
    encoder, repairs = RepairEncoder(), []
    for kinds, count in plan_repair({kind: count for kind, count in counts.items() if count}, overheads):
        repairs += encoder.repair_packets([packet for packet in packets if kinds_of(packet)[0] in kinds], count)
    return repairs


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from(list(StreamKind)), st.integers(1, 900), min_size=1),
    st.dictionaries(st.sampled_from(list(StreamKind)), OVERHEADS),
    st.dictionaries(st.sampled_from(list(StreamKind)), st.sampled_from(MCS_INDICES)),
    st.integers(32, 400),
    st.sampled_from(["awgn", "tdl-a"]),
)
def test_predicted_channel_uses_are_those_of_the_packets(sizes, overheads, indices, packet_bytes, channel):
    changes = {f"protection.{kind.name}.mcs": str(index) for kind, index in indices.items()}
    config = config_at(5.0, channel, **changes)
    packets = pack(sizes, packet_bytes)
    lengths = {kind: [len(one) for one in packets if kinds_of(one) == (kind,)] for kind in sizes}
    sent = [*packets, *repair(packets, overheads)]
    assert predict_channel_uses(lengths, config, overheads) == count_channel_uses(sent, config)


@pytest.mark.parametrize("index", [3, 8, 28])
def test_options_of_a_scheme_count_source_and_repair_packets(index):
    config = config_at(3.0, "rayleigh", **{"propagation.fading": "independent"})
    options = predict_scheme_options(LENGTHS, mcs(index), 5, config)
    packets = pack({StreamKind.HCI: sum(LENGTHS) - 9 * len(LENGTHS) - 4}, 128)
    assert [len(packet) for packet in packets] == LENGTHS
    alone = config.model_copy(update={"mcs": index})
    for count, uses in enumerate(options.channel_uses):
        repairs = RepairEncoder().repair_packets(packets, count)
        assert uses == count_channel_uses([*packets, *repairs], alone)
    loss = predict_packet_loss(config, mcs(index), 128)
    expected = [binom.sf(count, len(LENGTHS) + count, loss) for count in range(6)]
    assert options.loss_probability == pytest.approx(expected, abs=1e-12)
    assert (np.diff(options.loss_probability) <= 0).all()


def test_repaired_streams_are_lost_as_often_as_predicted():
    """Erasures only, so that the predicted loss of a packet is exact."""
    config = load_profile("erasure", {"snr_db": "40", "erasure_rate": "0.3"}).config(run_seed=3)
    (scheme,) = (one for one in predict_stream_options([32] * 6, config, 0.5).schemes if one.scheme.index == 8)
    packet = bytes([8, 1, 0xC0, 0]) + (32 - 7).to_bytes(2, "big") + bytes(26)
    link, trials = Link(config.model_copy(update={"mcs": 8})), 400
    for repairs in (0, 3):
        incomplete = 0
        for picture in range(trials):
            arrivals = link.transmit([packet] * (6 + repairs), picture_index=picture)
            delivered = sum(arrival.outcome is PacketOutcome.DELIVERED for arrival in arrivals)
            incomplete += delivered < 6
        expected = scheme.loss_probability[repairs]
        assert abs(incomplete / trials - expected) < 4 * math.sqrt(expected * (1 - expected) / trials)


def test_options_hold_every_scheme_that_carries_the_packets():
    short = predict_stream_options([60], config_at(3.0), 3.0)
    assert [one.scheme.index for one in short.schemes] == list(MCS_INDICES)
    assert {len(one.loss_probability) for one in short.schemes} == {4}
    long = predict_stream_options([800], config_at(3.0), 3.0)
    assert {3, 4, 10} == set(MCS_INDICES) - {one.scheme.index for one in long.schemes}


@pytest.mark.parametrize(("lengths", "most"), [([128] * 1024, 1024), ([128] * 1025, 0), ([1020], 0), ([128] * 7, 2)])
def test_repair_stays_within_the_limits_of_one_repaired_object(lengths, most):
    options = predict_stream_options(lengths, config_at(3.0), 3.0 if most != 2 else 0.3)
    assert {len(one.loss_probability) for one in options.schemes} == {most + 1}


@pytest.mark.parametrize(
    ("lengths", "overhead", "changes", "message"),
    [
        ([], 1.0, {}, "0 packets in a stream: give 1 to 8192"),
        ([128] * 8193, 1.0, {}, "8193 packets in a stream"),
        ([128, 6], 1.0, {}, "packet_bytes = 6: must be a finite number from 7 to 1024"),
        ([1025, 128], 1.0, {}, "packet_bytes = 1025"),
        ([128], math.nan, {}, "max_repair_overhead = nan: must be a finite number from 0 to 10"),
        ([128], 11.0, {}, "max_repair_overhead = 11"),
        ([128], 1.0, {"snr_kind": "ebn0"}, "need snr_kind esn0"),
    ],
)
def test_impossible_streams_are_refused(lengths, overhead, changes, message):
    with pytest.raises(ConfigError, match=message):
        predict_stream_options(lengths, config_at(3.0, **changes), overhead)
